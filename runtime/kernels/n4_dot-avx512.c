/* SPDX-License-Identifier: MIT */
/*
 * n4_dot-avx512.c — rows of four-bit weights on AVX-512.
 *
 * A vector holds 128 weights, eight in each 32-bit lane.  Shifted by 4·i, the low
 * four bits of the lanes are weights i, 8 + i, 16 + i, …, and pick their floats out
 * of a table of sixteen in one instruction.  X is prepared in that order.  Blocks
 * are whole lanes, so that scales and zero points are multiplied in once per 128.
 */
#include <config.h>

#ifdef RT_HAVE_AVX512
#include <immintrin.h>
#include <string.h>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/unroll.h"

enum { CHUNK = 128, MR = 8 };

#define INLINE static inline __attribute__((always_inline))

static void prepare(size_t k, const float *x, float *to)
{
	const __m512i at =
	    _mm512_setr_epi32(0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120);
	for (size_t c = 0; c < k; c += CHUNK, to += CHUNK) {
		float last[CHUNK] = {0};
		const float *from = x + c;
		if (k - c < CHUNK)
			from = memcpy(last, from, (k - c) * sizeof *last);
		for (size_t i = 0; i < 8; i++)
			_mm512_storeu_ps(to + i * 16, _mm512_i32gather_ps(at, from + i, 4));
	}
}

/* What the sixteen halves stand for, less ${zero}. */
INLINE __m512 table(float zero)
{
	return _mm512_sub_ps(_mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
			     _mm512_set1_ps(zero));
}

/* Element ${b} of half bytes, of those in ${n} blocks; 0 beyond. */
INLINE float half(const uint8_t *q, size_t b, size_t n)
{
	return b < n ? (float)(q[b / 2] >> (b % 2 * 4) & 15) : 0;
}

/* Scales of the lanes of chunk ${c} of row ${j}, and 8 less their zero points times the scales. */
INLINE __m512 scales(const struct rt_n4_rows *r, size_t j, size_t c, __m512 *shift)
{
	const size_t first = c * CHUNK / r->block;
	const float *scale = r->scale + j * r->blocks;
	_Alignas(64) float less[16];
	if (r->block >= CHUNK) {
		const __m512 all = _mm512_set1_ps(scale[first]);
		if (r->zero4)
			*shift = _mm512_mul_ps(
			    all, _mm512_set1_ps(8 - half(r->zero4 + j * ((r->blocks + 1) / 2),
							 first, r->blocks)));
		return all;
	}
	const size_t each = r->block / 8, have = 16 / each;
	const size_t left = r->blocks - first < have ? r->blocks - first : have;
	const __m512i by_lane = _mm512_srl_epi32(
	    _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
	    _mm_cvtsi32_si128(__builtin_ctz((unsigned)each)));
	const __m512 s = _mm512_permutexvar_ps(
	    by_lane, _mm512_maskz_loadu_ps((__mmask16)((1u << left) - 1), scale + first));
	if (r->zero4) {
		const uint8_t *zero = r->zero4 + j * ((r->blocks + 1) / 2);
		for (size_t i = 0; i < 16; i++)
			less[i] = i < left ? 8 - half(zero, first + i, r->blocks) : 0;
		*shift = _mm512_mul_ps(s, _mm512_permutexvar_ps(by_lane, _mm512_load_ps(less)));
	}
	return s;
}

/* One row of W times ${m} rows of X. */
INLINE void row(const struct rt_n4_rows *r, size_t j, const float *x, float *y, const size_t m)
{
	const size_t k = r->blocks * r->block, bytes = k / 2;
	const uint8_t *w = r->w + j * bytes;
	const __m512 values = table(8), ones = _mm512_set1_ps(1);
	__m512 sum[MR];
	UNROLL
	for (size_t i = 0; i < m; i++)
		sum[i] = _mm512_setzero_ps();
	for (size_t c = 0; c * CHUNK < k; c++) {
		const size_t left = bytes - c * 64;
		const __mmask64 mask = left < 64 ? ((__mmask64)1 << left) - 1 : ~(__mmask64)0;
		const __m512i q = _mm512_maskz_loadu_epi8(mask, w + c * 64);
		const float *from = x + c * CHUNK;
		__m512 shift = _mm512_setzero_ps();
		const __m512 scale = scales(r, j, c, &shift);
		__m512 part[MR];
		_mm_prefetch((const char *)w + c * 64 + 2048, _MM_HINT_T0);
		if (m == 1) {
			/* two sums, for one would wait for each addition */
			__m512 odd = _mm512_setzero_ps();
			part[0] = odd;
			UNROLL
			for (unsigned i = 0; i < 8; i += 2) {
				const __m512 a =
				    _mm512_permutexvar_ps(_mm512_srli_epi32(q, 4 * i), values);
				const __m512 b =
				    _mm512_permutexvar_ps(_mm512_srli_epi32(q, 4 * i + 4), values);
				part[0] =
				    _mm512_fmadd_ps(a, _mm512_loadu_ps(from + i * 16), part[0]);
				odd = _mm512_fmadd_ps(b, _mm512_loadu_ps(from + i * 16 + 16), odd);
			}
			part[0] = _mm512_add_ps(part[0], odd);
		} else {
			UNROLL
			for (unsigned i = 0; i < 8; i++) {
				const __m512 a =
				    _mm512_permutexvar_ps(_mm512_srli_epi32(q, 4 * i), values);
				UNROLL
				for (size_t n = 0; n < m; n++) {
					const __m512 b =
					    _mm512_loadu_ps(from + n * r->ldx + i * 16);
					part[n] = i == 0 ? _mm512_mul_ps(a, b)
							 : _mm512_fmadd_ps(a, b, part[n]);
				}
			}
		}
		UNROLL
		for (size_t n = 0; n < m; n++) {
			if (r->zero4) {
				__m512 all = _mm512_loadu_ps(from + n * r->ldx);
				UNROLL
				for (size_t i = 1; i < 8; i++)
					all = _mm512_fmadd_ps(
					    ones, _mm512_loadu_ps(from + n * r->ldx + i * 16), all);
				sum[n] = _mm512_fmadd_ps(shift, all, sum[n]);
			}
			sum[n] = _mm512_fmadd_ps(scale, part[n], sum[n]);
		}
	}
	UNROLL
	for (size_t n = 0; n < m; n++)
		y[n * r->ldy + j] = _mm512_reduce_add_ps(sum[n]) + (r->bias ? r->bias[j] : 0);
}

#define ROWS_OF(m)                                                                                 \
	static void rows_##m(const struct rt_n4_rows *r)                                           \
	{                                                                                          \
		for (size_t j = 0; j < r->n; j++)                                                  \
			row(r, j, r->x, r->y, m);                                                  \
	}
ROWS_OF(1)
ROWS_OF(2)
ROWS_OF(3)
ROWS_OF(4)
ROWS_OF(5)
ROWS_OF(6)
ROWS_OF(7)
ROWS_OF(8)

static void run(const struct rt_n4_rows *r)
{
	static void (*const of[])(const struct rt_n4_rows *) = {rows_1, rows_2, rows_3, rows_4,
								rows_5, rows_6, rows_7, rows_8};
	of[r->m - 1](r);
}

static void unpack(size_t block, const uint8_t *q, float scale, float zero, float *to)
{
	const __m512 values = _mm512_mul_ps(table(zero), _mm512_set1_ps(scale));
	const __m512i shifts =
	    _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
	for (size_t k = 0; k < block; k += 16) {
		uint32_t two[2];
		memcpy(two, q + k / 2, sizeof two);
		const __m512i all = _mm512_inserti64x4(_mm512_set1_epi32((int32_t)two[0]),
						       _mm256_set1_epi32((int32_t)two[1]), 1);
		_mm512_storeu_ps(to + k,
				 _mm512_permutexvar_ps(_mm512_srlv_epi32(all, shifts), values));
	}
}

const struct rt_n4_dot rt_n4_dot__avx512 = {
    .mr = MR, .chunk = CHUNK, .prepare = prepare, .run = run, .unpack = unpack};
#endif
