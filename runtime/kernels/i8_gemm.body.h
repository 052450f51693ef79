/* SPDX-License-Identifier: MIT */
/*
 * i8_gemm.body.h — sums of products of bytes where the machine has no dot
 * product of bytes: bytes are widened to 16 bits, products of neighbours are
 * added to 32-bit lanes, exactly.  Included by i8_gemm-<isa>.c, which defines
 *
 *	VARIANT       the table to define
 *	W             columns of a vector: 16-bit lanes ÷ 4
 *	s16, s32      vectors of 4·W int16 and of 2·W int32
 *	s16_from(p, is_signed)   4·W bytes, widened
 *	s16_four(x, is_signed)   the four bytes of x, widened, W times
 *	s32_dot(s, a, b)         s + a·b of neighbours, added in pairs
 *	s32_zero()
 *	s32_columns(to, x, y)    sums of neighbours of x, then of y: 2·W int32
 *
 * A vector of sums holds two parts for each of its W columns.
 */
#include <string.h>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/unroll.h"

#ifdef __clang__
#define UNCHECKED
#pragma clang attribute push(__attribute__((no_sanitize("address", "undefined"))),                 \
			     apply_to = function)
#else
#define UNCHECKED __attribute__((no_sanitize_address, no_sanitize_undefined))
#endif

#define WIDTH (4 * W)
#define INLINE UNCHECKED static inline __attribute__((always_inline))

/* One group of four rows of W against all rows of A; ${n} bytes of each row are there. */
INLINE void step(s32 acc[][4], const uint8_t *a, size_t lda, const uint8_t *w, size_t n,
		 const size_t m, const size_t nv, const bool a_signed)
{
	s16 x[4];
	UNROLL
	for (size_t j = 0; j < nv; j++)
		x[j] = s16_from(w + j * 4 * W, !a_signed);
	UNROLL
	for (size_t r = 0; r < m; r++) {
		uint32_t bytes = 0;
		s16 y;
		if (n == 4)
			memcpy(&bytes, a + r * lda, sizeof bytes);
		else
			for (size_t i = 0; i < n; i++)
				bytes |= (uint32_t)a[r * lda + i] << (8 * i);
		y = s16_four(bytes, a_signed);
		UNROLL
		for (size_t j = 0; j < nv; j++)
			acc[r][j] = s32_dot(acc[r][j], y, x[j]);
	}
}

INLINE void tile(const struct rt_i8_tile *t, const size_t m, const size_t nv, const bool a_signed)
{
	const uint8_t *w = t->w, *a = t->a;
	s32 acc[MR1][4];
	UNROLL
	for (size_t r = 0; r < m; r++) {
		UNROLL
		for (size_t j = 0; j < nv; j++)
			acc[r][j] = s32_zero();
	}
	for (size_t k = t->k / 4; k > 0; k--, a += 4, w += nv * 4 * W)
		step(acc, a, t->lda, w, 4, m, nv, a_signed);
	if (t->k % 4)
		step(acc, a, t->lda, w, t->k % 4, m, nv, a_signed);
	UNROLL
	for (size_t r = 0; r < m; r++) {
		UNROLL
		for (size_t j = 0; j < nv; j += 2)
			s32_columns(t->c + r * WIDTH + j * W, acc[r][j], acc[r][j + 1]);
	}
}

#define TILE(m)                                                                                    \
	UNCHECKED static void wide_##m(const struct rt_i8_tile *t)                                 \
	{                                                                                          \
		t->a_signed ? tile(t, m, 4, true) : tile(t, m, 4, false);                          \
	}
TILES2(TILE)
#undef TILE
#define TILE(m)                                                                                    \
	UNCHECKED static void narrow_##m(const struct rt_i8_tile *t)                               \
	{                                                                                          \
		t->a_signed ? tile(t, m, 2, true) : tile(t, m, 2, false);                          \
	}
TILES1(TILE)
#undef TILE

static void run(const struct rt_i8_tile *t)
{
#define TILE(m) wide_##m,
	static void (*const wide[])(const struct rt_i8_tile *) = {TILES2(TILE)};
#undef TILE
#define TILE(m) narrow_##m,
	static void (*const narrow[])(const struct rt_i8_tile *) = {TILES1(TILE)};
#undef TILE
	t->narrow ? narrow[t->m - 1](t) : wide[t->m - 1](t);
}

UNCHECKED static int32_t sum(size_t k, const uint8_t *a, bool is_signed)
{
	const s16 one = s16_four(0x01010101, false);
	s32 s = s32_zero();
	int32_t part[2 * W], all = 0;
	for (size_t i = 0; i < k; i += 4 * W) {
		uint8_t last[4 * W] = {0};
		const uint8_t *from = a + i;
		if (k - i < 4 * W)
			from = memcpy(last, from, k - i);
		s = s32_dot(s, s16_from(from, is_signed), one);
	}
	s32_columns(part, s, s32_zero());
	for (size_t i = 0; i < W; i++)
		all = (int32_t)((uint32_t)all + (uint32_t)part[i]);
	return all;
}

const struct rt_i8_gemm VARIANT = {.mr = MR2, .nr = WIDTH, .mr1 = MR1, .tile = run, .sum = sum};

#ifdef __clang__
#pragma clang attribute pop
#endif
