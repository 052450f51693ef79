/* SPDX-License-Identifier: MIT */
/*
 * f32_split-avx512vnni.c — products of floats by their parts on AMX: four registers of
 * 16 × 16 sums, two of A, two of W, each 16 × 32 bfloat16.
 *
 * Of a step of K the pairs of parts are taken in an order in which one side of each pair is
 * that of the pair before.  Rows are dealt out evenly to registers.
 */
#include <config.h>

#ifdef RT_HAVE_AVX512VNNI
#include <immintrin.h>
#include <string.h>

#include "runtime/kernels/kernels.h"

#define AMX __attribute__((target("amx-tile,amx-bf16")))

enum { PARTS = RT_SPLIT_PARTS, STEP = RT_SPLIT_STEP, HALF = RT_SPLIT_HALF, LINE = 64 };
enum { REGISTER = STEP * HALF, WIDTH = 2 * HALF };

/* ---- parts ---------------------------------------------------------------------------------- */

static __mmask16 lanes(size_t n)
{
	return (__mmask16)(n < 16 ? (1u << n) - 1 : 0xffff);
}

static __m512i upper(__m512 x)
{
	return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32((int)0xffff0000u));
}

/* What is left of the last part is 0, or NaN where an element was not finite. */
static bool all_zero(__m512 rest)
{
	return _mm512_cmp_ps_mask(rest, _mm512_setzero_ps(), _CMP_EQ_OQ) == 0xffff;
}

static bool rows(size_t m, size_t k, const float *a, size_t lda, uint16_t *to, size_t ld,
		 size_t part)
{
	static const uint16_t odd[STEP] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21,
					   23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43,
					   45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
	const __m512i order = _mm512_loadu_si512(odd);
	__m512 rest = _mm512_setzero_ps();

	for (size_t i = 0; i < m; i++, a += lda, to += ld)
		for (size_t j = 0; j < k; j += STEP) {
			const size_t left = k - j;
			__m512 x = _mm512_maskz_loadu_ps(lanes(left), a + j), y;

			y = left > HALF ? _mm512_maskz_loadu_ps(lanes(left - HALF), a + j + HALF)
					: _mm512_setzero_ps();
			for (size_t p = 0; p < PARTS; p++) {
				_mm512_store_si512(
				    to + p * part + j,
				    _mm512_permutex2var_epi16(_mm512_castps_si512(x), order,
							      _mm512_castps_si512(y)));
				x = _mm512_sub_ps(x, _mm512_castsi512_ps(upper(x)));
				y = _mm512_sub_ps(y, _mm512_castsi512_ps(upper(y)));
			}
			rest = _mm512_add_ps(rest, _mm512_add_ps(x, y));
		}
	return all_zero(rest);
}

/* Two rows of a panel, 16 columns: one row of the registers of all parts, ${apart} apart. */
static inline __m512 pair(__m512 x, __m512 y, uint16_t *to, size_t apart)
{
	for (size_t p = 0; p < PARTS; p++, to += apart) {
		const __m512i high = upper(y);

		_mm512_store_si512(
		    to, _mm512_or_si512(_mm512_srli_epi32(_mm512_castps_si512(x), 16), high));
		x = _mm512_sub_ps(x, _mm512_castsi512_ps(upper(x)));
		y = _mm512_sub_ps(y, _mm512_castsi512_ps(high));
	}
	return _mm512_add_ps(x, y);
}

static bool weights(size_t k, bool narrow, const float *w, uint16_t *to, const float *prefetch,
		    size_t lines)
{
	const char *soon = (const char *)prefetch;
	const size_t each = k ? lines * 2 / k : 0; /* per pair of rows */
	const size_t halves = narrow ? 1 : 2, width = halves * HALF;
	const __m512 none = _mm512_setzero_ps();
	__m512 rest[2] = {none, none};

	for (size_t i = 0; i < k; i += STEP, to += PARTS * halves * REGISTER)
		for (size_t r = 0; r < HALF; r++) {
			const size_t at = i + 2 * r;
			const float *from = w + at * width;

			for (size_t n = at < k ? each : 0; n > 0; n--, soon += LINE)
				_mm_prefetch(soon, _MM_HINT_T1);
			for (size_t h = 0; h < halves; h++)
				rest[h] = _mm512_add_ps(
				    rest[h],
				    pair(at < k ? _mm512_loadu_ps(from + h * HALF) : none,
					 at + 1 < k ? _mm512_loadu_ps(from + width + h * HALF)
						    : none,
					 to + h * REGISTER + r * STEP, halves * REGISTER));
		}
	return all_zero(_mm512_add_ps(rest[0], rest[1]));
}

/* ---- tiles ---------------------------------------------------------------------------------- */

/* Registers 0 … 3: sums [row half][column half]; 4, 5: A; 6, 7: W. */
struct shape {
	uint8_t palette, start_row, reserved[14];
	uint16_t bytes[16]; /* of a row */
	uint8_t rows[16];
};

AMX static void configure(size_t rows_of_a)
{
	struct shape s = {.palette = 1};

	for (size_t i = 0; i < 8; i++) {
		s.bytes[i] = LINE;
		s.rows[i] = (uint8_t)(i < 6 ? rows_of_a : HALF);
	}
	_tile_loadconfig(&s);
}

/* Where the registers of one block of rows come from. */
struct block {
	const uint16_t *a, *a2; /* the first and the second half of its rows */
	size_t stride, part;    /* in bytes; in elements */
	const uint16_t *w;
	size_t steps;
	const char *soon; /* ${each} lines are fetched per step */
	size_t each;
	const float *c, *end; /* rows of C are fetched too, ${rows} per step */
	size_t ldc, rows;
};

/* ${both}: there are two halves of rows; ${wide}: two of columns. */
AMX static inline __attribute__((always_inline)) void
block_products(const struct block *b, const bool both, const bool wide)
{
	const size_t next = (wide ? 2 : 1) * REGISTER;
	const uint16_t *a = b->a, *a2 = b->a2, *w = b->w;
	const char *soon = b->soon;
	const float *row = b->c;

#define LOAD_A(p)                                                                                  \
	do {                                                                                       \
		_tile_loadd(4, a + (p)*b->part, b->stride);                                        \
		if (both)                                                                          \
			_tile_loadd(5, a2 + (p)*b->part, b->stride);                               \
	} while (0)
#define LOAD_W(p)                                                                                  \
	do {                                                                                       \
		_tile_loadd(6, w + (p)*next, LINE);                                                \
		if (wide)                                                                          \
			_tile_loadd(7, w + (p)*next + REGISTER, LINE);                             \
	} while (0)
#define MULTIPLY()                                                                                 \
	do {                                                                                       \
		_tile_dpbf16ps(0, 4, 6);                                                           \
		if (wide)                                                                          \
			_tile_dpbf16ps(1, 4, 7);                                                   \
		if (both)                                                                          \
			_tile_dpbf16ps(2, 5, 6);                                                   \
		if (both && wide)                                                                  \
			_tile_dpbf16ps(3, 5, 7);                                                   \
	} while (0)
	for (size_t s = b->steps; s > 0; s--, a += STEP, a2 += STEP, w += PARTS * next) {
		for (size_t i = b->each; i > 0; i--, soon += LINE)
			_mm_prefetch(soon, _MM_HINT_T1);
		for (size_t i = b->rows; i > 0 && row < b->end; i--, row += b->ldc) {
			_mm_prefetch((const char *)row, _MM_HINT_T1);
			if (wide)
				_mm_prefetch((const char *)(row + HALF), _MM_HINT_T1);
		}
		LOAD_W(2);
		LOAD_A(0);
		MULTIPLY();
		LOAD_W(1);
		MULTIPLY();
		LOAD_A(1);
		MULTIPLY();
		LOAD_W(0);
		MULTIPLY();
		LOAD_A(2);
		MULTIPLY();
		LOAD_A(0);
		MULTIPLY();
	}
#undef LOAD_A
#undef LOAD_W
#undef MULTIPLY
}

/* Sums → C, ${rows} of them from ${row} on. */
static void put(const struct rt_split_tile *t, size_t row, size_t count, const float *sums)
{
	static const struct rt_epilogue none = {.lo = -__builtin_inff(), .hi = __builtin_inff()};
	const struct rt_epilogue *e = t->epilogue ? t->epilogue : &none;
	const __m512 lo = _mm512_set1_ps(e->lo), hi = _mm512_set1_ps(e->hi);

	for (size_t h = 0; h * HALF < t->n; h++) {
		const __mmask16 in = lanes(t->n - h * HALF);
		const __m512 bias =
		    e->bias ? _mm512_maskz_loadu_ps(in, e->bias + h * HALF) : _mm512_setzero_ps();
		float *c = t->c + row * t->ldc + h * HALF;

		for (size_t i = 0; i < count; i++, c += t->ldc) {
			__m512 x = _mm512_load_ps(sums + i * WIDTH + h * HALF);

			if (t->accumulate)
				x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(in, c));
			x = _mm512_add_ps(x, bias);
			if (e->residual)
				x = _mm512_add_ps(
				    x,
				    _mm512_maskz_loadu_ps(
					in, e->residual + (row + i) * e->ld_residual + h * HALF));
			/* the second operand is what is given for NaN */
			_mm512_mask_storeu_ps(c, in, _mm512_min_ps(hi, _mm512_max_ps(lo, x)));
		}
	}
}

AMX static void tile(const struct rt_split_tile *t)
{
	_Alignas(64) float sums[2 * HALF * WIDTH];
	const size_t halves = (t->m + HALF - 1) / HALF, blocks = (halves + 1) / 2;
	const size_t high = halves ? (t->m + halves - 1) / halves : 1;
	const size_t steps = (t->k + STEP - 1) / STEP;
	struct block b = {.stride = t->lda * sizeof(uint16_t),
			  .part = t->a_part,
			  .w = t->w,
			  .steps = steps,
			  .ldc = t->ldc,
			  .rows = steps ? (2 * high + steps - 1) / steps : 0,
			  .soon = (const char *)t->prefetch,
			  /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): by 1 or more */
			  .each = steps ? t->prefetch_lines / (steps * (blocks ? blocks : 1)) : 0};

	configure(high);
	for (size_t row = 0; row < t->m; row += 2 * high) {
		const bool both = row + high < t->m;
		const size_t end = row + 2 * high < t->m ? row + 2 * high : t->m;

		b.a = t->a + row * t->lda;
		b.a2 = b.a + high * t->lda;
		b.c = t->c + row * t->ldc;
		b.end = t->c + end * t->ldc;
		_tile_zero(0);
		_tile_zero(1);
		_tile_zero(2);
		_tile_zero(3);
		if (both && !t->narrow)
			block_products(&b, true, true);
		else if (both)
			block_products(&b, true, false);
		else if (!t->narrow)
			block_products(&b, false, true);
		else
			block_products(&b, false, false);
		b.soon += b.each * steps * LINE;
		_tile_stored(0, sums, WIDTH * 4);
		_tile_stored(1, sums + HALF, WIDTH * 4);
		_tile_stored(2, sums + high * WIDTH, WIDTH * 4);
		_tile_stored(3, sums + high * WIDTH + HALF, WIDTH * 4);
		put(t, row, end - row, sums);
	}
	_tile_release();
}

const struct rt_f32_split rt_f32_split__avx512vnni = {
    .is_fast = true, .rows = rows, .weights = weights, .tile = tile};
#endif
