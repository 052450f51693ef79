/* SPDX-License-Identifier: MIT */
/*
 * attention_f64.c — attention in float64, one query row after the other: the
 * formulas and the order of masks of attention.h, plain sums.  Called by
 * attention_op.c.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/attention.h"

struct row {
	const struct rt_attention *a;
	const struct rt_attention_f64 *d;
	size_t b, h, s; /* batch, query head, query */
	double *x;      /* [cols] */
};

static void keep(const struct row *r, int stage)
{
	const struct rt_attention *a = r->a;

	if (r->d->x && a->x_stage == stage)
		memcpy(r->d->x + ((r->b * a->q_heads + r->h) * a->rows + r->s) * a->cols, r->x,
		       a->cols * sizeof(*r->x));
}

static double mask_at(const struct row *r, size_t c)
{
	const struct rt_attention *a = r->a;
	size_t at = r->b * a->mask_batch + r->h * a->mask_head + r->s * a->mask_row + c;

	if (c >= a->mask_cols)
		return -INFINITY;
	if (a->mask_type == RT_BOOL)
		return ((const bool *)a->mask)[at] ? 0 : -INFINITY;
	if (a->mask_type == RT_F32)
		return (double)((const float *)a->mask)[at];
	return ((const double *)a->mask)[at];
}

/* Masks of all kinds: −inf where a column must not be seen. */
static void forbid(const struct row *r)
{
	const struct rt_attention *a = r->a;
	int64_t len = a->lengths ? a->lengths[r->b] : (int64_t)a->cols, allowed = len;

	if (a->causal) {
		int64_t offset = a->lengths ? len - (int64_t)a->rows : a->offset;
		int64_t upto = (int64_t)r->s + offset + 1;
		allowed = upto < allowed ? upto : allowed;
	}
	for (size_t c = 0; c < a->cols; c++) {
		double add = a->mask ? mask_at(r, c) : 0;
		if ((int64_t)c >= allowed || (isinf(add) && add < 0))
			r->x[c] = -INFINITY; /* whatever x is */
		else
			r->x[c] += add;
	}
}

static void softmax(size_t n, double *x)
{
	double top = -INFINITY, sum = 0;

	for (size_t c = 0; c < n; c++)
		top = x[c] > top || isnan(x[c]) ? x[c] : top;
	if (isinf(top) && top < 0) { /* nothing may be seen */
		memset(x, 0, n * sizeof(*x));
		return;
	}
	for (size_t c = 0; c < n; c++)
		sum += x[c] = exp(x[c] - top);
	for (size_t c = 0; c < n; c++)
		x[c] /= sum;
}

static void one_row(const struct row *r)
{
	const struct rt_attention *a = r->a;
	const size_t g = r->h / (a->q_heads / a->kv_heads);
	const double *q = r->d->q + r->b * a->q.batch + r->h * a->q.head + r->s * a->q.row;
	const double *k = r->d->k + r->b * a->k.batch + g * a->k.head;
	const double *v = r->d->v + r->b * a->v.batch + g * a->v.head;
	double *y = r->d->y + r->b * a->y.batch + r->h * a->y.head + r->s * a->y.row;
	const double cap = (double)a->softcap;

	for (size_t c = 0; c < a->cols; c++, k += a->k.row) {
		double sum = 0;
		for (size_t i = 0; i < a->size; i++)
			sum += q[i] * k[i];
		r->x[c] = sum * r->d->scale;
	}
	keep(r, 0);
	for (size_t c = 0; cap > 0 && c < a->cols; c++)
		r->x[c] = cap * tanh(r->x[c] / cap);
	keep(r, 1);
	forbid(r);
	keep(r, 2);
	softmax(a->cols, r->x);
	keep(r, 3);
	memset(y, 0, a->v_size * sizeof(*y));
	for (size_t c = 0; c < a->cols; c++, v += a->v.row)
		for (size_t i = 0; i < a->v_size; i++)
			y[i] += r->x[c] * v[i];
}

size_t rt_attention_f64_scratch(const struct rt_attention *a)
{
	return a->cols * sizeof(double);
}

void rt_attention_f64_run(const struct rt_attention *a, const struct rt_attention_f64 *d,
			  void *scratch)
{
	struct row r = {.a = a, .d = d, .x = scratch};

	for (r.b = 0; r.b < a->batch; r.b++)
		for (r.h = 0; r.h < a->q_heads; r.h++)
			for (r.s = 0; r.s < a->rows; r.s++)
				one_row(&r);
}
