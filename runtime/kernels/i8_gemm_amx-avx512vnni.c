/* SPDX-License-Identifier: MIT */
/*
 * i8_gemm_amx-avx512vnni.c — tiles of 32 × 32 sums of products of bytes on AMX: four
 * registers of 16 × 16 sums, two of A (16 rows of 64 bytes), two of W.
 *
 * W is packed as AMX wants it: 16 groups of four rows are a register.  K that is no
 * multiple of 64, and tiles of few rows, are left to i8_gemm-avx512vnni.c, whose
 * panels are the same.  The system saves registers only while they are in use, so
 * each tile gives them back.
 */
#include <config.h>

#ifdef RT_HAVE_AVX512VNNI
#include <immintrin.h>
#include <string.h>

#include "runtime/kernels/kernels.h"

#define AMX __attribute__((target("amx-tile,amx-int8")))

enum { ROWS = 32, HALF = 16, WIDTH = 32, STEP = 64 };

/* Registers 0 … 3: sums [row half][column half]; 4, 5: A; 6, 7: W. */
struct shape {
	uint8_t palette, start_row, reserved[14];
	uint16_t bytes[16]; /* of a row */
	uint8_t rows[16];
};

static struct shape shape_of(size_t m)
{
	const uint8_t first = (uint8_t)(m < HALF ? m : HALF), second = (uint8_t)(m - first);
	struct shape s = {.palette = 1};
	for (size_t i = 0; i < 8; i++)
		s.bytes[i] = STEP;
	s.rows[0] = s.rows[1] = s.rows[4] = first;
	s.rows[2] = s.rows[3] = s.rows[5] = second ? second : 1;
	s.rows[6] = s.rows[7] = HALF;
	return s;
}

/* All that differ between signs are the four products. */
#define PRODUCTS(name, DOT)                                                                        \
	AMX static void name(const struct rt_i8_tile *t, const bool both, const bool wide)         \
	{                                                                                          \
		const uint8_t *a = t->a, *w = t->w, *soon = t->prefetch;                           \
		const size_t lines = t->prefetch_lines * STEP / 4;                                 \
		const size_t w_row = t->narrow ? HALF * 4 : WIDTH * 4, half = HALF * t->lda;       \
		for (size_t k = 0; k < t->k; k += STEP, a += STEP, w += HALF * w_row) {            \
			for (size_t i = 0; i < lines; i++, soon += 64)                             \
				_mm_prefetch((const char *)soon, _MM_HINT_T1);                     \
			_tile_loadd(6, w, w_row);                                                  \
			_tile_loadd(4, a, t->lda);                                                 \
			DOT(0, 4, 6);                                                              \
			if (wide) {                                                                \
				_tile_loadd(7, w + HALF * 4, w_row);                               \
				DOT(1, 4, 7);                                                      \
			}                                                                          \
			if (both) {                                                                \
				_tile_loadd(5, a + half, t->lda);                                  \
				DOT(2, 5, 6);                                                      \
			}                                                                          \
			if (both && wide)                                                          \
				DOT(3, 5, 7);                                                      \
		}                                                                                  \
	}
PRODUCTS(signed_a, _tile_dpbsud)
PRODUCTS(unsigned_a, _tile_dpbusd)

AMX static void tiles(const struct rt_i8_tile *t)
{
	const struct shape s = shape_of(t->m);
	const bool both = t->m > HALF, wide = !t->narrow;
	_tile_loadconfig(&s);
	_tile_zero(0);
	_tile_zero(1);
	_tile_zero(2);
	_tile_zero(3);
	(t->a_signed ? signed_a : unsigned_a)(t, both, wide);
	_tile_stored(0, t->c, WIDTH * 4);
	if (wide)
		_tile_stored(1, t->c + HALF, WIDTH * 4);
	if (both)
		_tile_stored(2, t->c + HALF * WIDTH, WIDTH * 4);
	if (both && wide)
		_tile_stored(3, t->c + HALF * WIDTH + HALF, WIDTH * 4);
	_tile_release();
}

static void run(const struct rt_i8_tile *t)
{
	const struct rt_i8_gemm *other = &rt_i8_gemm__avx512vnni;
	const size_t most = t->narrow ? other->mr1 : other->mr;
	struct rt_i8_tile part = *t;
	size_t parts = (t->m + most - 1) / most;
	if (t->k > 0 && t->k % STEP == 0 && t->m > 4) {
		tiles(t);
		return;
	}
	for (size_t i = 0; i < parts; i++) {
		const size_t row = t->m * i / parts;
		part.m = t->m * (i + 1) / parts - row;
		part.a = t->a + row * t->lda;
		part.c = t->c + row * WIDTH;
		other->tile(&part);
	}
}

static int32_t sum(size_t k, const uint8_t *a, bool is_signed)
{
	return rt_i8_gemm__avx512vnni.sum(k, a, is_signed);
}

const struct rt_i8_gemm rt_i8_gemm_amx__avx512vnni = {
    .mr = ROWS, .nr = WIDTH, .mr1 = ROWS, .tile = run, .sum = sum};
#endif
