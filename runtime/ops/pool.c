/* SPDX-License-Identifier: MIT */
/*
 * pool.c — MaxPool (ONNX 8, 10, 11, 12), AveragePool (7, 10, 11, 19), LpPool
 * (2, 11, 18) and the global pools (1, 2) on NCHW, one to three spatial dims.
 *
 * The plain form: one output element after the other over its window, for what
 * pass_layout.c leaves; global pools of float32 are rows of a kernel.  The fast form is
 * pool_nhwc.c.  MaxPool's second output holds, per element, the index of the maximum in
 * the whole input tensor (storage_order 1: as if the spatial dims were in reverse order,
 * the first the fastest).
 */
#include <config.h>

#include <inttypes.h>
#include <math.h>

#include "runtime/ops/ops.h"
#include "runtime/ops/spatial.h"
#include "runtime/ops/walk.h"

#define PLAIN_COST 64      /* of an output, in numbers of its window */
#define WHOLE_GRAIN 65536u /* numbers of whole planes that are */

struct pool {
	enum rt_dtype dtype;
	const struct rt_f32_row *row;
	bool include_pad, by_columns;
	int64_t p;
};

struct shape_state {
	struct rt_spatial s;
	int64_t planes;
};

static int pool_bind(struct rt_bind *b, struct rt_error *err)
{
	struct pool *p = b->state;
	p->dtype = b->graph->values[b->node->in[0]].dtype;
	p->row = b->kernels->f32_row;
	p->include_pad = rt_node_int(b->node, "count_include_pad", 0) != 0;
	p->by_columns = rt_node_int(b->node, "storage_order", 0) != 0;
	p->p = rt_node_int(b->node, "p", 2);
	if (p->p < 1)
		return rt_error_set(err, RT_MALFORMED, "p is %" PRId64, p->p);
	return RT_OK;
}

static int start(struct rt_infer *f, struct shape_state **out, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[0].shape;
	struct shape_state *st = rt_infer_alloc(f, sizeof *st);
	if (!st)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	if (x->rank < 3)
		return rt_error_set(err, RT_INPUT, "input of rank %d", x->rank);
	st->planes = x->dims[0] * x->dims[1];
	*out = st;
	return RT_OK;
}

static int pool_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[0].shape;
	struct shape_state *st;
	int rank = x->rank - 2, status = start(f, &st, err);
	if (status || (status = rt_spatial_infer(f->node, rank, x->dims + 2, NULL, &st->s, err)))
		return status;
	for (int i = 0; i < f->out_count; i++) {
		f->out[i].shape = *x;
		for (int d = 0; d < rank; d++)
			f->out[i].shape.dims[2 + d] = st->s.out[3 - rank + d];
	}
	f->shape_state = st;
	return RT_OK;
}

/* A global pool has one window: the whole plane, any number of dims as one. */
static int global_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[0].shape;
	struct shape_state *st;
	int status = start(f, &st, err);
	if (status)
		return status;
	st->s = (struct rt_spatial){{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1},
				    {1, 1, 1}, {0, 0, 0}, {0, 0, 0}};
	f->out[0].shape = *x;
	for (int d = 2; d < x->rank; d++) {
		st->s.in[2] *= x->dims[d];
		f->out[0].shape.dims[d] = 1;
	}
	st->s.kernel[2] = st->s.in[2];
	f->shape_state = st;
	return RT_OK;
}

/* One window: taps ${first[d]} … ${first[d]} + ${count[d]} − 1 that are inside, of the output
 * element at ${o}. */
struct window {
	const struct rt_spatial *s;
	int64_t o[3], first[3], count[3];
};

static void window_at(const struct rt_spatial *s, int64_t index, struct window *w)
{
	w->s = s;
	for (int d = 2; d >= 0; d--) {
		w->o[d] = index % s->out[d];
		index /= s->out[d];
		rt_spatial_taps(s, d, w->o[d], &w->first[d], &w->count[d]);
	}
}

/* Where tap ${i} of ${w} is along ${d}. */
static int64_t place(const struct window *w, int d, int64_t i)
{
	return w->o[d] * w->s->stride[d] - w->s->begin[d] + (w->first[d] + i) * w->s->dilation[d];
}

/* Where tap number ${i} of those inside is in the input plane. */
static int64_t tap_at(const struct window *w, int64_t i)
{
	const int64_t d = place(w, 0, i / (w->count[1] * w->count[2]));
	const int64_t h = place(w, 1, i / w->count[2] % w->count[1]);
	return (d * w->s->in[1] + h) * w->s->in[2] + place(w, 2, i % w->count[2]);
}

static int64_t taps_of(const struct window *w)
{
	return w->count[0] * w->count[1] * w->count[2];
}

/* What AveragePool divides by: taps inside, or those over the pads too, but not beyond them. */
static int64_t divisor(const struct pool *p, const struct window *w)
{
	int64_t n = 1;
	if (!p->include_pad)
		return taps_of(w);
	for (int d = 0; d < 3; d++) {
		int64_t at = w->o[d] * w->s->stride[d], end = w->s->in[d] + w->s->begin[d];
		int64_t room = end + w->s->end[d] - at;
		int64_t taps = room <= 0 ? 0 : (room - 1) / w->s->dilation[d] + 1;
		n *= taps < w->s->kernel[d] ? taps : w->s->kernel[d];
	}
	return n;
}

struct job {
	const struct pool *p;
	const struct shape_state *st;
	const void *x;
	void *y;
	int64_t *indices; /* or NULL */
	int64_t in_plane, out_plane;
};

/* The index that MaxPool reports for element ${at} of plane ${plane}. */
static int64_t reported(const struct job *j, int64_t plane, int64_t at)
{
	const struct rt_spatial *s = &j->st->s;
	if (j->p->by_columns) {
		int64_t w = at % s->in[2], h = at / s->in[2] % s->in[1];
		int64_t d = at / (s->in[2] * s->in[1]);
		at = (w * s->in[1] + h) * s->in[0] + d;
	}
	return plane * j->in_plane + at;
}

#define MAX_RANGE(name, type)                                                                      \
	static void name(void *arg, size_t begin, size_t end, int thread)                          \
	{                                                                                          \
		const struct job *j = arg;                                                         \
		struct window w;                                                                   \
		(void)thread;                                                                      \
		for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {                          \
			int64_t plane = i / j->out_plane, best_at = 0;                             \
			const type *x = (const type *)j->x + plane * j->in_plane;                  \
			type best;                                                                 \
			window_at(&j->st->s, i % j->out_plane, &w);                                \
			if (taps_of(&w) > 0)                                                       \
				best_at = tap_at(&w, 0);                                           \
			best = j->in_plane > 0 ? x[best_at] : 0;                                   \
			for (int64_t t = 1; t < taps_of(&w); t++) {                                \
				int64_t at = tap_at(&w, t);                                        \
				if (x[at] > best || (x[at] != x[at] && best == best))              \
					best = x[at], best_at = at;                                \
			}                                                                          \
			((type *)j->y)[i] = best;                                                  \
			if (j->indices)                                                            \
				j->indices[i] = reported(j, plane, best_at);                       \
		}                                                                                  \
	}
MAX_RANGE(max_f32, float)
MAX_RANGE(max_f64, double)
MAX_RANGE(max_i8, int8_t)
MAX_RANGE(max_u8, uint8_t)

static double power(const struct pool *p, double x)
{
	x = fabs(x);
	return p->p == 1 ? x : p->p == 2 ? x * x : pow(x, (double)p->p);
}

static double root(const struct pool *p, double x)
{
	return p->p == 1 ? x : p->p == 2 ? sqrt(x) : pow(x, 1.0 / (double)p->p);
}

#define SUM_RANGE(name, type)                                                                      \
	static void average_##name(void *arg, size_t begin, size_t end, int thread)                \
	{                                                                                          \
		const struct job *j = arg;                                                         \
		struct window w;                                                                   \
		(void)thread;                                                                      \
		for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {                          \
			const type *x = (const type *)j->x + i / j->out_plane * j->in_plane;       \
			double sum = 0;                                                            \
			window_at(&j->st->s, i % j->out_plane, &w);                                \
			for (int64_t t = 0; t < taps_of(&w); t++)                                  \
				sum += (double)x[tap_at(&w, t)];                                   \
			((type *)j->y)[i] = (type)(sum / (double)divisor(j->p, &w));               \
		}                                                                                  \
	}                                                                                          \
	static void lp_##name(void *arg, size_t begin, size_t end, int thread)                     \
	{                                                                                          \
		const struct job *j = arg;                                                         \
		struct window w;                                                                   \
		(void)thread;                                                                      \
		for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {                          \
			const type *x = (const type *)j->x + i / j->out_plane * j->in_plane;       \
			double sum = 0;                                                            \
			window_at(&j->st->s, i % j->out_plane, &w);                                \
			for (int64_t t = 0; t < taps_of(&w); t++)                                  \
				sum += power(j->p, (double)x[tap_at(&w, t)]);                      \
			((type *)j->y)[i] = (type)root(j->p, sum);                                 \
		}                                                                                  \
	}
SUM_RANGE(f32, float)
SUM_RANGE(f64, double)

/* A plane that is one window: a row of the kernel, in float32. */
static void whole_max(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const size_t n = (size_t)j->in_plane;
	(void)thread;
	for (size_t i = begin; i < end; i++)
		((float *)j->y)[i] =
		    n > 0 ? j->p->row->reduce[RT_REDUCE_MAX](n, (const float *)j->x + i * n) : 0;
}

static void whole_average(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const size_t n = (size_t)j->in_plane;
	(void)thread;
	for (size_t i = begin; i < end; i++)
		((float *)j->y)[i] =
		    j->p->row->reduce[RT_REDUCE_SUM](n, (const float *)j->x + i * n) / (float)n;
}

static void run(const struct rt_run *r, size_t grain, rt_team_f *fn)
{
	const struct shape_state *st = r->shape_state;
	const struct rt_spatial *s = &st->s;
	struct job j = {.p = r->state, .st = st, .x = r->in[0].data, .y = r->out[0].data};
	j.in_plane = s->in[0] * s->in[1] * s->in[2];
	j.out_plane = s->out[0] * s->out[1] * s->out[2];
	if (r->out_count > 1)
		j.indices = r->out[1].data;
	if (rt_tensor_elems(&r->out[0]) > 0)
		rt_team_for(r->team, (size_t)(st->planes * j.out_plane), grain, fn, &j);
}

/* Outputs that are worth another thread; a window may be as large as its input. */
static size_t outputs_grain(const struct rt_run *r)
{
	const struct rt_spatial *s = &((const struct shape_state *)r->shape_state)->s;
	int64_t taps = 1;
	for (int d = 0; d < 3; d++)
		taps *= s->kernel[d] < s->in[d] ? s->kernel[d] : s->in[d];
	return rt_walk_grain(PLAIN_COST + taps);
}

static void max_run(const struct rt_run *r)
{
	switch (((const struct pool *)r->state)->dtype) {
	case RT_F64:
		run(r, outputs_grain(r), max_f64);
		break;
	case RT_I8:
		run(r, outputs_grain(r), max_i8);
		break;
	case RT_U8:
		run(r, outputs_grain(r), max_u8);
		break;
	default:
		run(r, outputs_grain(r), max_f32);
	}
}

/* Planes that are worth another thread. */
static size_t planes_grain(const struct rt_run *r)
{
	const struct shape_state *st = r->shape_state;
	return 1 + WHOLE_GRAIN / (size_t)(st->s.in[2] + 1);
}

static void global_max_run(const struct rt_run *r)
{
	if (((const struct pool *)r->state)->dtype == RT_F32)
		run(r, planes_grain(r), whole_max);
	else
		max_run(r);
}

static void average_run(const struct rt_run *r)
{
	run(r, outputs_grain(r),
	    ((const struct pool *)r->state)->dtype == RT_F64 ? average_f64 : average_f32);
}

static void global_average_run(const struct rt_run *r)
{
	if (((const struct pool *)r->state)->dtype == RT_F32)
		run(r, planes_grain(r), whole_average);
	else
		average_run(r);
}

static void lp_run(const struct rt_run *r)
{
	run(r, outputs_grain(r),
	    ((const struct pool *)r->state)->dtype == RT_F64 ? lp_f64 : lp_f32);
}

#define POOL(infer_, run_)                                                                         \
	{                                                                                          \
		.in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,                              \
		.state_bytes = sizeof(struct pool), .bind = pool_bind, .infer = infer_,            \
		.run = run_,                                                                       \
	}
const struct rt_op rt_op_max_pool = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 2,
    .state_bytes = sizeof(struct pool),
    .type = rt_op_type_same_i64,
    .bind = pool_bind,
    .infer = pool_infer,
    .run = max_run,
};
const struct rt_op rt_op_average_pool = POOL(pool_infer, average_run);
const struct rt_op rt_op_lp_pool = POOL(pool_infer, lp_run);
const struct rt_op rt_op_global_max_pool = POOL(global_infer, global_max_run);
const struct rt_op rt_op_global_average_pool = POOL(global_infer, global_average_run);
const struct rt_op rt_op_global_lp_pool = POOL(global_infer, lp_run);
