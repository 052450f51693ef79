/* SPDX-License-Identifier: MIT */
/*
 * i8_gemm-avx512vnni.c — tiles of 14 × 32 sums of products of bytes on AVX-512
 * with VNNI, whose VPDPBUSD adds four products of an unsigned and a signed byte
 * to each of 16 sums, exactly.
 *
 * As in f32_gemm.body.h every height is its own function, and every third row of
 * A has a pointer.
 */
#include <config.h>

#ifdef RT_HAVE_AVX512VNNI
#include <immintrin.h>
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

#define INLINE UNCHECKED static inline __attribute__((always_inline))

#define LANES 16
#define WIDTH (2 * LANES)
#define MR2 14
#define MR1 24
#define TILES2(F) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14)
#define TILES1(F) TILES2(F) F(15) F(16) F(17) F(18) F(19) F(20) F(21) F(22) F(23) F(24)

INLINE __m512i four(const uint8_t *p)
{
	int32_t x;
	memcpy(&x, p, sizeof x);
	return _mm512_set1_epi32(x);
}

/* The last n < 4 bytes of a row; what W has there is 0, but memory may end. */
INLINE __m512i rest(const uint8_t *p, size_t n)
{
	uint32_t x = 0;
	for (size_t i = 0; i < n; i++)
		x |= (uint32_t)p[i] << (8 * i);
	return _mm512_set1_epi32((int32_t)x);
}

INLINE __m512i dot(__m512i sum, __m512i a, __m512i w, const bool a_signed)
{
	return a_signed ? _mm512_dpbusd_epi32(sum, w, a) : _mm512_dpbusd_epi32(sum, a, w);
}

INLINE void tile(const struct rt_i8_tile *t, const size_t m, const size_t nv, const bool a_signed)
{
	const size_t lda = t->lda, far = t->prefetch_lines > 1 ? 64 : 0;
	const uint8_t *w = t->w, *soon = t->prefetch, *a[MR1 / 3];
	__m512i acc[MR1][2];
	UNROLL
	for (size_t r = 0; r < m; r++)
		acc[r][0] = acc[r][1] = _mm512_setzero_si512();
	UNROLL
	for (size_t r = 0; r < m; r += 3)
		a[r / 3] = t->a + r * lda;
	for (size_t k = t->k / 4; k > 0; k--) {
		const __m512i w0 = _mm512_loadu_si512(w),
			      w1 = nv == 2 ? _mm512_loadu_si512(w + 64) : w0;
		w += nv * 64;
		_mm_prefetch((const char *)soon, _MM_HINT_T1);
		_mm_prefetch((const char *)soon + far, _MM_HINT_T1);
		soon += 64 * t->prefetch_lines;
		UNROLL
		for (size_t r = 0; r < m; r++) {
			const __m512i x = four(a[r / 3] + r % 3 * lda);
			acc[r][0] = dot(acc[r][0], x, w0, a_signed);
			if (nv == 2)
				acc[r][1] = dot(acc[r][1], x, w1, a_signed);
		}
		UNROLL
		for (size_t r = 0; r < m; r += 3)
			a[r / 3] += 4;
	}
	if (t->k % 4) {
		const __m512i w0 = _mm512_loadu_si512(w),
			      w1 = nv == 2 ? _mm512_loadu_si512(w + 64) : w0;
		UNROLL
		for (size_t r = 0; r < m; r++) {
			const __m512i x = rest(a[r / 3] + r % 3 * lda, t->k % 4);
			acc[r][0] = dot(acc[r][0], x, w0, a_signed);
			if (nv == 2)
				acc[r][1] = dot(acc[r][1], x, w1, a_signed);
		}
	}
	UNROLL
	for (size_t r = 0; r < m; r++) {
		_mm512_storeu_si512(t->c + r * WIDTH, acc[r][0]);
		if (nv == 2)
			_mm512_storeu_si512(t->c + r * WIDTH + LANES, acc[r][1]);
	}
}

#define TILE(m)                                                                                    \
	UNCHECKED static void wide_##m(const struct rt_i8_tile *t)                                 \
	{                                                                                          \
		t->a_signed ? tile(t, m, 2, true) : tile(t, m, 2, false);                          \
	}
TILES2(TILE)
#undef TILE
#define TILE(m)                                                                                    \
	UNCHECKED static void narrow_##m(const struct rt_i8_tile *t)                               \
	{                                                                                          \
		t->a_signed ? tile(t, m, 1, true) : tile(t, m, 1, false);                          \
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
	const __m512i one = _mm512_set1_epi8(1);
	__m512i s = _mm512_setzero_si512();
	size_t i = 0;
	for (; i < k; i += 64) {
		const __mmask64 lanes = k - i < 64 ? ((__mmask64)1 << (k - i)) - 1 : ~(__mmask64)0;
		const __m512i x = _mm512_maskz_loadu_epi8(lanes, a + i);
		s = is_signed ? _mm512_dpbusd_epi32(s, one, x) : _mm512_dpbusd_epi32(s, x, one);
	}
	return _mm512_reduce_add_epi32(s);
}

const struct rt_i8_gemm rt_i8_gemm__avx512vnni = {
    .mr = MR2, .nr = WIDTH, .mr1 = MR1, .tile = run, .sum = sum};

#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
