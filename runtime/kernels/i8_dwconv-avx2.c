/* SPDX-License-Identifier: MIT */
/*
 * i8_dwconv-avx2.c — depthwise sums of bytes on AVX2, sixteen channels at a time.
 *
 * Four taps are interleaved by channel and widened to 16 bits; products of
 * neighbours are added to 32-bit lanes, two lanes per channel.  Weights are packed
 * [⌈channels/16⌉][⌈taps/4⌉][16][4].
 */
#include <config.h>

#ifdef RT_HAVE_AVX2
#include <immintrin.h>
#include <string.h>

#include "runtime/kernels/kernels.h"

enum { BLOCK = 16 };

static size_t pack_elems(size_t channels, size_t taps)
{
	return (channels + BLOCK - 1) / BLOCK * BLOCK * ((taps + 3) / 4 * 4);
}

static void pack(size_t channels, size_t taps, const int8_t *w, int8_t *packed)
{
	const size_t groups = (taps + 3) / 4;
	memset(packed, 0, pack_elems(channels, taps));
	for (size_t t = 0; t < taps; t++)
		for (size_t c = 0; c < channels; c++)
			packed[((c / BLOCK * groups + t / 4) * BLOCK + c % BLOCK) * 4 + t % 4] =
			    w[t * channels + c];
}

static __m128i load(const uint8_t *p, size_t n, __m128i flip)
{
	uint8_t last[BLOCK] = {0};
	if (n < BLOCK)
		p = memcpy(last, p, n);
	return _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)p), flip);
}

static __m256i four_channels(__m256i sum, __m128i x, const int8_t *w)
{
	const __m128i y = _mm_loadu_si128((const __m128i *)(const void *)w);
	return _mm256_add_epi32(
	    sum, _mm256_madd_epi16(_mm256_cvtepu8_epi16(x), _mm256_cvtepi8_epi16(y)));
}

static void store(int32_t *to, const __m256i sum[4], size_t n)
{
	int32_t last[BLOCK];
	for (int i = 0; i < 2; i++)
		/* fanalyzer-suppress use-of-uninitialized-value: it is stored here */
		_mm256_storeu_si256(
		    (__m256i *)(void *)(last + i * 8),
		    _mm256_permute4x64_epi64(_mm256_hadd_epi32(sum[i * 2], sum[i * 2 + 1]), 0xd8));
	memcpy(to, last, n * sizeof *to);
}

/* ${n} ≤ 16 channels from ${c} on, of one pixel. */
static void block(const struct rt_i8_window *win, const uint8_t *const *in, size_t c, size_t n,
		  const int8_t *w, int32_t *to)
{
	const __m128i flip = _mm_set1_epi8((char)win->flip);
	__m256i sum[4];
	for (int i = 0; i < 4; i++)
		sum[i] = _mm256_setzero_si256();
	for (size_t t = 0; t < win->taps; t += 4, w += BLOCK * 4) {
		__m128i x[4], lo, hi;
		for (size_t i = 0; i < 4; i++)
			x[i] = load(in[t + i < win->taps ? t + i : t] + c, n, flip);
		/* fanalyzer-suppress use-of-uninitialized-value: the loop sets four */
		lo = _mm_unpacklo_epi8(x[0], x[1]), hi = _mm_unpacklo_epi8(x[2], x[3]);
		sum[0] = four_channels(sum[0], _mm_unpacklo_epi16(lo, hi), w);
		sum[1] = four_channels(sum[1], _mm_unpackhi_epi16(lo, hi), w + 16);
		lo = _mm_unpackhi_epi8(x[0], x[1]), hi = _mm_unpackhi_epi8(x[2], x[3]);
		sum[2] = four_channels(sum[2], _mm_unpacklo_epi16(lo, hi), w + 32);
		sum[3] = four_channels(sum[3], _mm_unpackhi_epi16(lo, hi), w + 48);
	}
	store(to, sum, n);
}

static void run(const struct rt_i8_window *win)
{
	const size_t each = BLOCK * ((win->taps + 3) / 4 * 4);
	for (size_t p = 0; p < win->pixels; p++)
		for (size_t c = 0; c < win->channels; c += BLOCK) {
			const size_t n = win->channels - c < BLOCK ? win->channels - c : BLOCK;
			block(win, win->in + p * win->step, c, n, win->w + c / BLOCK * each,
			      win->sum + p * win->channels + c);
		}
}

const struct rt_i8_dwconv rt_i8_dwconv__avx2 = {.pack_elems = pack_elems, .pack = pack, .run = run};
#endif
