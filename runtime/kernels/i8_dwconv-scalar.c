/* SPDX-License-Identifier: MIT */
/* i8_dwconv-scalar.c — the reference for depthwise sums of bytes; kernels.h says what they are. */
#include <config.h>

#include <string.h>

#include "runtime/kernels/kernels.h"

static size_t pack_elems(size_t channels, size_t taps)
{
	return channels * taps;
}

static void pack(size_t channels, size_t taps, const int8_t *w, int8_t *packed)
{
	memcpy(packed, w, channels * taps);
}

static void run(const struct rt_i8_window *win)
{
	for (size_t p = 0; p < win->pixels; p++) {
		int32_t *sum = win->sum + p * win->channels;
		memset(sum, 0, win->channels * sizeof *sum);
		for (size_t t = 0; t < win->taps; t++) {
			const uint8_t *in = win->in[p * win->step + t];
			const int8_t *w = win->w + t * win->channels;
			for (size_t c = 0; c < win->channels; c++)
				sum[c] += (uint8_t)(in[c] ^ win->flip) * w[c];
		}
	}
}

const struct rt_i8_dwconv rt_i8_dwconv__scalar = {
    .pack_elems = pack_elems, .pack = pack, .run = run};
