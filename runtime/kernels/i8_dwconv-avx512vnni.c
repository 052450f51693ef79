/* SPDX-License-Identifier: MIT */
/*
 * i8_dwconv-avx512vnni.c — depthwise sums of bytes on AVX-512 with VNNI, 64
 * channels at a time.
 *
 * Four taps are interleaved by channel within lanes of 128 bits, so that vector i
 * has the four taps of channels 16·lane + 4·i … + 3; VPDPBUSD adds their products
 * to one sum per channel.  At the end the lanes of the four vectors of sums change
 * places, which puts channels in order.  Weights are packed [⌈channels/64⌉]
 * [⌈taps/4⌉][4 vectors][64] in the order of the interleaved taps.
 */
#include <config.h>

#ifdef RT_HAVE_AVX512VNNI
#include <immintrin.h>
#include <string.h>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/unroll.h"

enum { BLOCK = 64 };

#define INLINE static inline __attribute__((always_inline))

static size_t pack_elems(size_t channels, size_t taps)
{
	return (channels + BLOCK - 1) / BLOCK * BLOCK * ((taps + 3) / 4 * 4);
}

static void pack(size_t channels, size_t taps, const int8_t *w, int8_t *packed)
{
	const size_t groups = (taps + 3) / 4;
	memset(packed, 0, pack_elems(channels, taps));
	for (size_t t = 0; t < taps; t++)
		for (size_t c = 0; c < channels; c++) {
			const size_t lane = c % BLOCK / 16, vector = c % 16 / 4;
			packed[((c / BLOCK * groups + t / 4) * 4 + vector) * 64 + lane * 16 +
			       c % 4 * 4 + t % 4] = w[t * channels + c];
		}
}

INLINE void taps(__m512i sum[4], const __m512i x[4], const int8_t *w)
{
	const __m512i a = _mm512_unpacklo_epi8(x[0], x[1]), b = _mm512_unpacklo_epi8(x[2], x[3]);
	const __m512i c = _mm512_unpackhi_epi8(x[0], x[1]), d = _mm512_unpackhi_epi8(x[2], x[3]);
	sum[0] = _mm512_dpbusd_epi32(sum[0], _mm512_unpacklo_epi16(a, b), _mm512_loadu_si512(w));
	sum[1] =
	    _mm512_dpbusd_epi32(sum[1], _mm512_unpackhi_epi16(a, b), _mm512_loadu_si512(w + 64));
	sum[2] =
	    _mm512_dpbusd_epi32(sum[2], _mm512_unpacklo_epi16(c, d), _mm512_loadu_si512(w + 128));
	sum[3] =
	    _mm512_dpbusd_epi32(sum[3], _mm512_unpackhi_epi16(c, d), _mm512_loadu_si512(w + 192));
}

/* Lane l of vector i to lane i of vector l, then to memory. */
INLINE void store(int32_t *to, const __m512i sum[4], size_t n)
{
	const __m512i a = _mm512_shuffle_i32x4(sum[0], sum[1], 0x44),
		      b = _mm512_shuffle_i32x4(sum[2], sum[3], 0x44),
		      c = _mm512_shuffle_i32x4(sum[0], sum[1], 0xee),
		      d = _mm512_shuffle_i32x4(sum[2], sum[3], 0xee);
	const __m512i out[4] = {_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd),
				_mm512_shuffle_i32x4(c, d, 0x88), _mm512_shuffle_i32x4(c, d, 0xdd)};
	UNROLL
	for (size_t i = 0; i < 4; i++) {
		const size_t left = n > i * 16 ? n - i * 16 : 0;
		if (left >= 16)
			_mm512_storeu_si512(to + i * 16, out[i]);
		else
			_mm512_mask_storeu_epi32(to + i * 16, (__mmask16)((1u << left) - 1),
						 out[i]);
	}
}

/* The channels of one block, all pixels. */
static void block(const struct rt_i8_window *win, size_t c, size_t n, const int8_t *w)
{
	const __mmask64 lanes = n < 64 ? ((__mmask64)1 << n) - 1 : ~(__mmask64)0;
	const __m512i flip = _mm512_set1_epi8((char)win->flip);
	for (size_t p = 0; p < win->pixels; p++) {
		const uint8_t *const *in = win->in + p * win->step;
		const int8_t *at = w;
		__m512i sum[4], x[4];
		size_t t = 0;
		UNROLL
		for (size_t i = 0; i < 4; i++)
			sum[i] = _mm512_setzero_si512();
		for (; t + 4 <= win->taps; t += 4, at += 256) {
			UNROLL
			for (size_t i = 0; i < 4; i++)
				x[i] = _mm512_xor_si512(
				    _mm512_maskz_loadu_epi8(lanes, in[t + i] + c), flip);
			taps(sum, x, at);
		}
		if (t < win->taps) {
			UNROLL
			for (size_t i = 0; i < 4; i++)
				x[i] =
				    t + i < win->taps
					? _mm512_xor_si512(
					      _mm512_maskz_loadu_epi8(lanes, in[t + i] + c), flip)
					: flip;
			taps(sum, x, at);
		}
		store(win->sum + p * win->channels + c, sum, n);
	}
}

static void run(const struct rt_i8_window *win)
{
	const size_t each = BLOCK * ((win->taps + 3) / 4 * 4);
	for (size_t c = 0; c < win->channels; c += BLOCK)
		block(win, c, win->channels - c < BLOCK ? win->channels - c : BLOCK,
		      win->w + c / BLOCK * each);
}

const struct rt_i8_dwconv rt_i8_dwconv__avx512vnni = {
    .pack_elems = pack_elems, .pack = pack, .run = run};
#endif
