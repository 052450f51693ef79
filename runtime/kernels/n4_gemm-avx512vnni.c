/* SPDX-License-Identifier: MIT */
/*
 * n4_gemm-avx512vnni.c — four-bit weights by products of bytes on AVX-512 with
 * VNNI.
 *
 * 64 bytes of a panel are eight weights of each of 16 columns; their low and their
 * high halves are unsigned bytes that VPDPBUSD multiplies with four signed bytes of
 * a row of X, taken from memory for all columns at once.  Weights are never
 * anything but half bytes in memory.
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

enum { MR = 8, MR3 = 6 };

static const float most_of[] = {0, 0, 32512.0f, 8323072.0f};

/* 16 elements as integers: two groups of eight in the order of struct rt_n4_tile. */
static void split(__m512i q, const size_t parts, int8_t *to, __m512i sum[3])
{
	const __m128i order = _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
	for (size_t p = 0; p < parts; p++) {
		const __m512i low = _mm512_srai_epi32(_mm512_slli_epi32(q, 24), 24);
		const __m128i x = _mm_shuffle_epi8(_mm512_cvtepi32_epi8(low), order);
		sum[p] = _mm512_add_epi32(sum[p], low);
		q = _mm512_srai_epi32(_mm512_sub_epi32(q, low), 8);
		_mm_storel_epi64((__m128i *)(void *)(to + 8 * p), x);
		_mm_storel_epi64((__m128i *)(void *)(to + 8 * (parts + p)),
				 _mm_unpackhi_epi64(x, x));
	}
}

static __m512 load(const float *x, size_t at, size_t n)
{
	const size_t left = n > at ? n - at : 0;
	return left >= 16 ? _mm512_loadu_ps(x + at)
			  : _mm512_maskz_loadu_ps((__mmask16)((1u << left) - 1), x + at);
}

static void prepare(size_t block, int parts, size_t n, const float *x, int8_t *to, float *scale,
		    struct rt_n4_sums *sum)
{
	const float limit = most_of[parts];
	const __m512 high = _mm512_set1_ps(limit), low = _mm512_set1_ps(-limit);
	__m512 top = _mm512_setzero_ps();
	__m512i of[3] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
	int64_t all = 0;
	for (size_t i = 0; i < n; i += 16)
		top = _mm512_max_ps(_mm512_abs_ps(load(x, i, n)), top);
	const float most = _mm512_reduce_max_ps(top);
	const __m512 by = _mm512_set1_ps(most > 0 ? limit / most : 0);
	*scale = most * (1.0f / limit);
	for (size_t i = 0; i < block; i += 16) {
		__m512 y = _mm512_mul_ps(load(x, i, n), by);
		/* of NaN, which max would keep, 0 */
		y = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y, y, _CMP_ORD_Q), y);
		y = _mm512_max_ps(low, _mm512_min_ps(high, y));
		split(_mm512_cvt_roundps_epi32(y, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
		      (size_t)parts, to + i * (size_t)parts, of);
	}
	for (int p = 0; p < 3; p++) {
		const int32_t part = _mm512_reduce_add_epi32(of[p]);
		sum->part[p] = -8 * part;
		all += (int64_t)part << (8 * p);
	}
	sum->all = (float)all;
}

INLINE __m512i four(const int8_t *p)
{
	int32_t x;
	memcpy(&x, p, sizeof x);
	return _mm512_set1_epi32(x);
}

/* The parts of a sum, as a float; exact but for the last rounding. */
INLINE __m512 whole(__m512i acc[3][4], const size_t parts, const size_t ways)
{
	UNROLL
	for (size_t p = 0; p < parts; p++) {
		UNROLL
		for (size_t i = 1; i < ways; i++)
			acc[p][0] = _mm512_add_epi32(acc[p][0], acc[p][i]);
	}
	const __m512 low =
	    _mm512_cvtepi32_ps(_mm512_add_epi32(acc[0][0], _mm512_slli_epi32(acc[1][0], 8)));
	return parts == 2
		   ? low
		   : _mm512_fmadd_ps(_mm512_cvtepi32_ps(acc[2][0]), _mm512_set1_ps(65536), low);
}

/* ${ways} sums for each part, so that additions need not wait for each other. */
INLINE void tile(const struct rt_n4_tile *t, const size_t m, const size_t parts, const size_t ways)
{
	const __m512i half = _mm512_set1_epi8(15);
	const __mmask16 lanes = (__mmask16)((1u << t->n) - 1);
	const uint8_t *w = t->w;
	const int8_t *x = t->x;
	__m512 y[MR];
	UNROLL
	for (size_t r = 0; r < m; r++)
		y[r] = t->bias ? _mm512_maskz_loadu_ps(lanes, t->bias) : _mm512_setzero_ps();
	for (size_t b = 0; b < t->blocks; b++) {
		const __m512 scale = _mm512_load_ps(t->scale + b * 16);
		__m512i acc[MR][3][4];
		UNROLL
		for (size_t r = 0; r < m; r++) {
			UNROLL
			for (size_t p = 0; p < parts; p++) {
				acc[r][p][0] =
				    t->zero
					? _mm512_setzero_si512()
					: _mm512_set1_epi32(t->x_sum[r * t->blocks + b].part[p]);
				UNROLL
				for (size_t i = 1; i < ways; i++)
					acc[r][p][i] = _mm512_setzero_si512();
			}
		}
		for (size_t d = 0; d < t->block / 8; d += 2, w += 128, x += 16 * parts) {
			UNROLL
			for (size_t i = 0; i < 2; i++) {
				const __m512i q = _mm512_load_si512(w + i * 64);
				const __m512i even = _mm512_and_si512(q, half),
					      odd = _mm512_and_si512(_mm512_srli_epi16(q, 4), half);
				const size_t e = ways == 4 ? i * 2 : 0, o = ways == 1 ? 0 : e + 1;
				UNROLL
				for (size_t r = 0; r < m; r++) {
					const int8_t *at = x + r * t->ldx + i * 8 * parts;
					UNROLL
					for (size_t p = 0; p < parts; p++)
						acc[r][p][e] = _mm512_dpbusd_epi32(
						    acc[r][p][e], even, four(at + 8 * p));
					UNROLL
					for (size_t p = 0; p < parts; p++)
						acc[r][p][o] = _mm512_dpbusd_epi32(
						    acc[r][p][o], odd, four(at + 8 * p + 4));
				}
			}
		}
		UNROLL
		for (size_t r = 0; r < m; r++) {
			const size_t at = r * t->blocks + b;
			__m512 sum = whole(acc[r], parts, ways);
			if (t->zero)
				sum = _mm512_fnmadd_ps(_mm512_load_ps(t->zero + b * 16),
						       _mm512_set1_ps(t->x_sum[at].all), sum);
			y[r] = _mm512_fmadd_ps(
			    sum, _mm512_mul_ps(scale, _mm512_set1_ps(t->x_scale[at])), y[r]);
		}
	}
	UNROLL
	for (size_t r = 0; r < m; r++)
		_mm512_mask_storeu_ps(t->y + r * t->ldy, lanes, y[r]);
}

#define TILE(m, parts, ways)                                                                       \
	UNCHECKED static void tile_##m##_##parts(const struct rt_n4_tile *t)                       \
	{                                                                                          \
		tile(t, m, parts, ways);                                                           \
	}
TILE(1, 2, 4)
TILE(2, 2, 2)
TILE(3, 2, 2)
TILE(4, 2, 1)
TILE(5, 2, 1)
TILE(6, 2, 1)
TILE(7, 2, 1)
TILE(8, 2, 1)
TILE(1, 3, 4)
TILE(2, 3, 2)
TILE(3, 3, 1)
TILE(4, 3, 1)
TILE(5, 3, 1)
TILE(6, 3, 1)

static void run(const struct rt_n4_tile *t)
{
	static void (*const two[])(const struct rt_n4_tile *) = {
	    tile_1_2, tile_2_2, tile_3_2, tile_4_2, tile_5_2, tile_6_2, tile_7_2, tile_8_2};
	static void (*const three[])(const struct rt_n4_tile *) = {tile_1_3, tile_2_3, tile_3_3,
								   tile_4_3, tile_5_3, tile_6_3};
	(t->parts == 2 ? two : three)[t->m - 1](t);
}

/* Eight weights of a column are 32 bits; VPERMPS looks at four of them. */
UNCHECKED static void unpack(size_t k, size_t block, const uint8_t *w, const float *scale,
			     const float *zero, float *to, size_t ld)
{
	const __m512 number = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	for (size_t first = 0; first < k; first += block, scale += 16) {
		const size_t end = k - first < block ? k : first + block;
		const __m512 by = _mm512_load_ps(scale),
			     z = zero ? _mm512_load_ps(zero) : _mm512_set1_ps(8);
		zero = zero ? zero + 16 : NULL;
		for (size_t i = first; i < end; i += 8, w += 64) {
			__m512i q = _mm512_load_si512(w);
			const size_t n = end - i < 8 ? end - i : 8;
			for (size_t j = 0; j < n; j++, to += ld) {
				const __m512 x = _mm512_permutexvar_ps(q, number);
				_mm512_storeu_ps(to, _mm512_mul_ps(by, _mm512_sub_ps(x, z)));
				q = _mm512_srli_epi32(q, 4);
			}
		}
	}
}

const struct rt_n4_gemm rt_n4_gemm__avx512vnni = {
    .mr = {0, 0, MR, MR3}, .is_fast = true, .prepare = prepare, .tile = run, .unpack = unpack};

#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
