/* SPDX-License-Identifier: MIT */
/* n4_dot-scalar.c — the reference for rows of four-bit weights; kernels.h says what they are. */
#include <config.h>

#include <string.h>

#include "runtime/kernels/kernels.h"

static int half(const uint8_t *q, size_t i)
{
	return i % 2 ? q[i / 2] >> 4 : q[i / 2] & 15;
}

static void prepare(size_t k, const float *x, float *to)
{
	if (k > 0)
		memcpy(to, x, k * sizeof *to);
	for (; k % 16; k++)
		to[k] = 0;
}

static void run(const struct rt_n4_rows *r)
{
	for (size_t j = 0; j < r->n; j++)
		for (size_t m = 0; m < r->m; m++) {
			const uint8_t *w = r->w + j * r->blocks * (r->block / 2);
			const float *x = r->x + m * r->ldx;
			float sum = r->bias ? r->bias[j] : 0;
			for (size_t b = 0; b < r->blocks; b++) {
				const float scale = r->scale[j * r->blocks + b];
				const int zero =
				    r->zero4 ? half(r->zero4 + j * ((r->blocks + 1) / 2), b) : 8;
				float part = 0;
				for (size_t k = 0; k < r->block; k++)
					part += x[b * r->block + k] *
						(float)(half(w + b * r->block / 2, k) - zero);
				sum += scale * part;
			}
			r->y[m * r->ldy + j] = sum;
		}
}

static void unpack(size_t block, const uint8_t *q, float scale, float zero, float *to)
{
	for (size_t k = 0; k < block; k++)
		to[k] = ((float)half(q, k) - zero) * scale;
}

const struct rt_n4_dot rt_n4_dot__scalar = {
    .mr = 4, .chunk = 16, .prepare = prepare, .run = run, .unpack = unpack};
