/* SPDX-License-Identifier: MIT */
/* f32_split-scalar.c — the reference for products of floats by their parts; see kernels.h. */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/kernels/kernels.h"

enum { PARTS = RT_SPLIT_PARTS, STEP = RT_SPLIT_STEP, HALF = RT_SPLIT_HALF };

/* The upper half of ${*x}, which is taken away from it. */
static uint16_t take(float *x)
{
	uint32_t bits;
	float upper;

	memcpy(&bits, x, sizeof bits);
	bits &= 0xffff0000u;
	memcpy(&upper, &bits, sizeof upper);
	*x -= upper;
	return (uint16_t)(bits >> 16);
}

static float value(uint16_t part)
{
	const uint32_t bits = (uint32_t)part << 16;
	float x;

	memcpy(&x, &bits, sizeof x);
	return x;
}

static bool rows(size_t m, size_t k, const float *a, size_t lda, uint16_t *to, size_t ld,
		 size_t part)
{
	const size_t padded = (k + STEP - 1) / STEP * STEP;
	bool finite = true;

	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < padded; j++) {
			float x = j < k ? a[i * lda + j] : 0;

			finite = finite && isfinite(x);
			for (size_t p = 0; p < PARTS; p++)
				to[p * part + i * ld + j] = take(&x);
		}
	return finite;
}

/* Where element ${k}, ${j} of a panel has its part ${p}. */
static size_t place(size_t k, size_t j, size_t p, size_t halves)
{
	return ((k / STEP * PARTS + p) * halves + j / HALF) * STEP * HALF +
	       k % STEP / 2 * HALF * 2 + j % HALF * 2 + k % 2;
}

static bool weights(size_t k, bool narrow, const float *w, uint16_t *to, const float *prefetch,
		    size_t lines)
{
	const size_t halves = narrow ? 1 : 2, width = halves * HALF;
	const size_t padded = (k + STEP - 1) / STEP * STEP;
	bool finite = true;

	(void)prefetch;
	(void)lines;
	for (size_t i = 0; i < padded; i++)
		for (size_t j = 0; j < width; j++) {
			float x = i < k ? w[i * width + j] : 0;

			finite = finite && isfinite(x);
			for (size_t p = 0; p < PARTS; p++)
				to[place(i, j, p, halves)] = take(&x);
		}
	return finite;
}

static float finish(const struct rt_epilogue *e, size_t row, size_t col, float x)
{
	if (!e)
		return x;
	x += e->bias ? e->bias[col] : 0;
	x += e->residual ? e->residual[row * e->ld_residual + col] : 0;
	x = x < e->lo ? e->lo : x;
	return x > e->hi ? e->hi : x;
}

/* The six largest products of the parts of A[row][k] and W[k][col]. */
static float product(const struct rt_split_tile *t, size_t row, size_t col, size_t k, size_t halves)
{
	float a[PARTS], w[PARTS];

	for (size_t p = 0; p < PARTS; p++) {
		a[p] = value(t->a[p * t->a_part + row * t->lda + k]);
		w[p] = value(t->w[place(k, col, p, halves)]);
	}
	return a[0] * w[2] + a[0] * w[1] + a[1] * w[1] + a[1] * w[0] + a[2] * w[0] + a[0] * w[0];
}

static void tile(const struct rt_split_tile *t)
{
	const size_t halves = t->narrow ? 1 : 2;

	for (size_t i = 0; i < t->m; i++)
		for (size_t j = 0; j < t->n; j++) {
			float *c = t->c + i * t->ldc + j, sum = t->accumulate ? *c : 0;

			for (size_t k = 0; k < t->k; k++)
				sum += product(t, i, j, k, halves);
			*c = finish(t->epilogue, i, j, sum);
		}
}

const struct rt_f32_split rt_f32_split__scalar = {
    .is_fast = false, .rows = rows, .weights = weights, .tile = tile};
