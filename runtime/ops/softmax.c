/* SPDX-License-Identifier: MIT */
/*
 * softmax.c — Softmax, LogSoftmax, Hardmax.
 *
 *	Softmax     exp(x − max) / Σ exp(x − max)
 *	LogSoftmax  x − max − log Σ exp(x − max)
 *	Hardmax     1 at the first maximum, else 0
 *
 * Opset changes that matter: before 13 everything from `axis` (default 1) on is
 * one row; from 13 on the row is along `axis` (default −1) alone.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/axes.h"
#include "runtime/ops/elementwise.h"
#include "runtime/ops/ops.h"

#define COLUMNS 8 /* rows across memory that are gathered together */

enum kind { SOFTMAX, LOG, HARD };

struct softmax {
	enum kind kind;
	enum rt_dtype dtype;
	const struct rt_kernels *kernels;
};

struct plan {
	int64_t outer, dim, inner;
};

static int softmax_bind(struct rt_bind *b, struct rt_error *err)
{
	struct softmax *s = b->state;

	(void)err;
	s->kernels = b->kernels;
	s->dtype = rt_elementwise_bound(b, 0);
	s->kind = strcmp(b->node->op_type, "Hardmax") == 0      ? HARD
		  : strcmp(b->node->op_type, "LogSoftmax") == 0 ? LOG
								: SOFTMAX;
	return RT_OK;
}

static int softmax_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	bool flat = f->node->opset < 13 && f->node->domain == RT_ONNX;
	struct plan *p = rt_infer_alloc(f, sizeof(*p));
	int64_t axis = rt_node_int(f->node, "axis", flat ? 1 : -1), bytes;
	int at, status;

	if (p == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	f->shape_state = p;
	f->out[0].shape = *in;
	if (flat && axis == in->rank) { /* rows of one element */
		p->dim = p->inner = 1;
		return rt_shape_elems(in, &p->outer) ? RT_OK : RT_INPUT;
	}
	if (in->rank == 0 && (axis == 0 || axis == -1)) {
		*p = (struct plan){1, 1, 1};
		return RT_OK;
	}
	status = rt_axes_one(axis, in->rank, &at, err);
	if (status != RT_OK)
		return status;
	rt_walk_around(in, at, &p->outer, &p->inner);
	p->dim = in->dims[at];
	if (flat && p->outer != 0) {
		p->dim *= p->inner;
		p->inner = 1;
	}
	/* Rows that lie across memory, and those of 16-bit floats, are gathered: a block per
	 * thread. */
	if (p->outer != 0 &&
	    (__builtin_mul_overflow(p->dim, (int64_t)(COLUMNS * sizeof(double)), &bytes) ||
	     __builtin_mul_overflow(bytes, (int64_t)f->threads, &bytes)))
		return rt_error_set(err, RT_INPUT, "rows of %lld elements", (long long)p->dim);
	if (p->outer != 0 && (p->inner > 1 || rt_elementwise_is_half(f->in[0].dtype)))
		f->scratch_bytes = (size_t)bytes;
	return RT_OK;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void row_f64(enum kind kind, int64_t n, const double *x, double *y)
{
	double max = -INFINITY, sum = 0;
	int64_t best = 0;

	for (int64_t i = 0; i < n; i++) {
		if (x[i] > max || isnan(x[i])) {
			max = x[i];
			best = i;
		}
	}
	for (int64_t i = 0; i < n; i++) {
		y[i] = kind == SOFTMAX ? exp(x[i] - max) : x[i] - max;
		sum += kind == SOFTMAX ? y[i] : kind == LOG ? exp(y[i]) : 0;
	}
	for (int64_t i = 0; i < n; i++)
		y[i] = kind == SOFTMAX ? y[i] / sum : kind == LOG ? y[i] - log(sum) : i == best;
}

static void hard_f32(int64_t n, const float *x, float *y)
{
	int64_t best = 0;

	for (int64_t i = 1; i < n; i++) {
		if (x[i] > x[best])
			best = i;
	}
	for (int64_t i = 0; i < n; i++)
		y[i] = (float)(i == best);
}

static void row(const struct softmax *s, int64_t n, const void *x, void *y)
{
	if (s->dtype == RT_F64)
		row_f64(s->kind, n, x, y);
	else if (s->kind == HARD)
		hard_f32(n, x, y);
	else if (s->kind == LOG)
		s->kernels->f32_row->log_softmax((size_t)n, x, y);
	else
		s->kernels->f32_row->softmax((size_t)n, x, y);
}

struct running {
	const struct softmax *s;
	const struct plan *p;
	const char *in;
	char *out;
	char *scratch;
	int64_t size, wide; /* bytes of an element, and of one while it is computed */
};

static void rows_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct running *c = arg;
	int64_t bytes = c->p->dim * c->size;

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++)
		row(c->s, c->p->dim, c->in + i * bytes, c->out + i * bytes);
}

static void get(const struct running *c, const char *x, char *to)
{
	if (c->size == c->wide)
		memcpy(to, x, (size_t)c->size);
	else
		rt_convert_to_f32(c->s->dtype, x, 0, 1, (float *)(void *)to);
}

static void put(const struct running *c, const char *from, char *y)
{
	if (c->size == c->wide)
		memcpy(y, from, (size_t)c->size);
	else
		rt_convert_from_f32(c->s->dtype, (const float *)(const void *)from, 1, y, 0);
}

/* Items are (outer, group of columns). */
static void columns_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct running *c = arg;
	const struct plan *p = c->p;
	int64_t groups = (p->inner + COLUMNS - 1) / COLUMNS, line = p->dim * c->wide;
	char *block = c->scratch + (int64_t)thread * COLUMNS * p->dim * (int64_t)sizeof(double);

	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		int64_t first = i % groups * COLUMNS;
		int64_t n = p->inner - first < COLUMNS ? p->inner - first : COLUMNS;
		int64_t at = (i / groups * p->dim * p->inner + first) * c->size;

		for (int64_t j = 0; j < p->dim; j++) {
			for (int64_t k = 0; k < n; k++)
				get(c, c->in + at + (j * p->inner + k) * c->size,
				    block + k * line + j * c->wide);
		}
		for (int64_t k = 0; k < n; k++)
			row(c->s, p->dim, block + k * line, block + k * line);
		for (int64_t j = 0; j < p->dim; j++) {
			for (int64_t k = 0; k < n; k++)
				put(c, block + k * line + j * c->wide,
				    c->out + at + (j * p->inner + k) * c->size);
		}
	}
}

static void softmax_run(const struct rt_run *r)
{
	const struct softmax *s = r->state;
	const struct plan *p = r->shape_state;
	struct running c = {.s = s,
			    .p = p,
			    .in = r->in[0].data,
			    .out = r->out[0].data,
			    .scratch = r->scratch,
			    .size = rt_dtype_bits(s->dtype) / 8};

	c.wide = s->dtype == RT_F64 ? 8 : 4;
	if (p->outer == 0 || p->dim == 0 || p->inner == 0)
		return;
	if (p->inner == 1 && c.wide == c.size)
		rt_team_for(r->team, (size_t)p->outer, rt_walk_grain(p->dim * 8), rows_range, &c);
	else
		rt_team_for(r->team, (size_t)(p->outer * ((p->inner + COLUMNS - 1) / COLUMNS)),
			    rt_walk_grain(p->dim * 8 * COLUMNS), columns_range, &c);
}

const struct rt_op rt_op_softmax = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .alias_inputs = 0,
    .state_bytes = sizeof(struct softmax),
    .bind = softmax_bind,
    .infer = softmax_infer,
    .run = softmax_run,
};
