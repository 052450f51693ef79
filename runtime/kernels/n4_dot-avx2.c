/* SPDX-License-Identifier: MIT */
/*
 * n4_dot-avx2.c — rows of four-bit weights on AVX2.
 *
 * As in n4_dot-avx512.c, with 64 weights in a vector; the four bits become floats
 * by conversion, for there is no table of sixteen floats.
 */
#include <config.h>

#ifdef RT_HAVE_AVX2
#include <immintrin.h>
#include <string.h>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/unroll.h"

enum { CHUNK = 64, MR = 4 };

#define INLINE static inline __attribute__((always_inline))

static void prepare(size_t k, const float *x, float *to)
{
	for (size_t c = 0; c < k; c += CHUNK, to += CHUNK)
		for (size_t i = 0; i < CHUNK; i++) {
			const size_t at = c + i % 8 * 8 + i / 8;
			to[i] = at < k ? x[at] : 0;
		}
}

INLINE float half(const uint8_t *q, size_t b)
{
	return (float)(q[b / 2] >> (b % 2 * 4) & 15);
}

/* The scales of the lanes of chunk ${c} of row ${j}, and their zero points. */
INLINE void lanes_of(const struct rt_n4_rows *r, size_t j, size_t c, __m256 *scale, __m256 *zero)
{
	const uint8_t *of = r->zero4 ? r->zero4 + j * ((r->blocks + 1) / 2) : NULL;
	float s[8], z[8];
	for (size_t i = 0; i < 8; i++) {
		const size_t b = (c * CHUNK + i * 8) / r->block;
		s[i] = b < r->blocks ? r->scale[j * r->blocks + b] : 0;
		z[i] = of && b < r->blocks ? half(of, b) : 8;
	}
	*scale = _mm256_loadu_ps(s);
	*zero = _mm256_loadu_ps(z);
}

INLINE void row(const struct rt_n4_rows *r, size_t j, const size_t m)
{
	const size_t k = r->blocks * r->block, bytes = k / 2;
	const uint8_t *w = r->w + j * bytes;
	const __m256i low = _mm256_set1_epi32(15);
	__m256 sum[MR];
	UNROLL
	for (size_t i = 0; i < m; i++)
		sum[i] = _mm256_setzero_ps();
	for (size_t c = 0; c * CHUNK < k; c++) {
		uint8_t last[32] = {0};
		const uint8_t *from = w + c * 32;
		__m256 part[MR], scale, zero;
		__m256i q;
		if (bytes - c * 32 < 32)
			from = memcpy(last, from, bytes - c * 32);
		q = _mm256_loadu_si256((const __m256i *)(const void *)from);
		lanes_of(r, j, c, &scale, &zero);
		UNROLL
		for (size_t n = 0; n < m; n++)
			part[n] = _mm256_setzero_ps();
		UNROLL
		for (unsigned i = 0; i < 8; i++) {
			const __m256i at = _mm256_and_si256(
			    _mm256_srl_epi32(q, _mm_cvtsi32_si128((int)(4 * i))), low);
			const __m256 a = _mm256_sub_ps(_mm256_cvtepi32_ps(at), zero);
			UNROLL
			for (size_t n = 0; n < m; n++)
				part[n] = _mm256_fmadd_ps(
				    a, _mm256_loadu_ps(r->x + n * r->ldx + c * CHUNK + i * 8),
				    part[n]);
		}
		UNROLL
		for (size_t n = 0; n < m; n++)
			sum[n] = _mm256_fmadd_ps(scale, part[n], sum[n]);
	}
	UNROLL
	for (size_t n = 0; n < m; n++) {
		float lanes[8], all = r->bias ? r->bias[j] : 0;
		_mm256_storeu_ps(lanes, sum[n]);
		for (size_t i = 0; i < 8; i++)
			all += lanes[i];
		r->y[n * r->ldy + j] = all;
	}
}

#define ROWS_OF(m)                                                                                 \
	static void rows_##m(const struct rt_n4_rows *r)                                           \
	{                                                                                          \
		for (size_t j = 0; j < r->n; j++)                                                  \
			row(r, j, m);                                                              \
	}
ROWS_OF(1)
ROWS_OF(2)
ROWS_OF(3)
ROWS_OF(4)

static void run(const struct rt_n4_rows *r)
{
	static void (*const of[])(const struct rt_n4_rows *) = {rows_1, rows_2, rows_3, rows_4};
	of[r->m - 1](r);
}

static void unpack(size_t block, const uint8_t *q, float scale, float zero, float *to)
{
	const __m256i shifts = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
	for (size_t k = 0; k < block; k += 8) {
		int32_t eight;
		memcpy(&eight, q + k / 2, sizeof eight);
		const __m256i at = _mm256_and_si256(
		    _mm256_srlv_epi32(_mm256_set1_epi32(eight), shifts), _mm256_set1_epi32(15));
		_mm256_storeu_ps(to + k, _mm256_mul_ps(_mm256_sub_ps(_mm256_cvtepi32_ps(at),
								     _mm256_set1_ps(zero)),
						       _mm256_set1_ps(scale)));
	}
}

const struct rt_n4_dot rt_n4_dot__avx2 = {
    .mr = MR, .chunk = CHUNK, .prepare = prepare, .run = run, .unpack = unpack};
#endif
