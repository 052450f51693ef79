/* SPDX-License-Identifier: MIT */
/*
 * reduce.c — Reduce{Sum,Mean,Prod,Max,Min,L1,L2,LogSum,LogSumExp,SumSquare}:
 * one loop structure for all of them.  Axes that stay are walked; per block of
 * outputs the reduced axes are walked, along contiguous memory wherever it lies:
 * within an output (last axis reduced) or across outputs (last axis stays).
 *
 * Opset changes that matter: axes are an attribute before 13 (ReduceSum) and
 * before 18 (others), an input from then on, with noop_with_empty_axes; Max and
 * Min (20) take bool.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/axes.h"
#include "runtime/ops/elementwise.h"
#include "runtime/ops/ops.h"

#define BLOCK 64 /* outputs that are accumulated together */

union accumulator {
	double f;
	int64_t i;
	uint64_t u;
};
enum finish { PLAIN, MEAN, ROOT, LOG, LOG_SHIFTED };

/* acc[i] = step over x[i·out_step + j·in_step], for i < outs, j < ins. */
typedef void step_f(const void *x, int64_t outs, int64_t out_step, int64_t ins, int64_t in_step,
		    union accumulator *acc, const double *shift);

/* ---- loops ----------------------------------------------------------------------------------- */

#define FLOATING 1
#define SIGNED 2
#define UNSIGNED 3
#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
#define STEP(op, expr)                                                                             \
	static void PASTE(op, ID)(const void *in, int64_t outs, int64_t out_step, int64_t ins,     \
				  int64_t in_step, union accumulator *to, const double *shifts)    \
	{                                                                                          \
		const T *xs = in;                                                                  \
		if (in_step == 1) {                                                                \
			for (int64_t i = 0; i < outs; i++) {                                       \
				const double shift = shifts != NULL ? shifts[i] : 0;               \
				A acc = to[i].AT;                                                  \
				for (int64_t j = 0; j < ins; j++) {                                \
					const A x = (A)xs[i * out_step + j];                       \
					acc = expr;                                                \
				}                                                                  \
				to[i].AT = acc;                                                    \
				(void)shift;                                                       \
			}                                                                          \
			return;                                                                    \
		}                                                                                  \
		for (int64_t j = 0; j < ins; j++) {                                                \
			for (int64_t i = 0; i < outs; i++) {                                       \
				const double shift = shifts != NULL ? shifts[i] : 0;               \
				const A acc = to[i].AT, x = (A)xs[i * out_step + j * in_step];     \
				to[i].AT = expr;                                                   \
				(void)shift;                                                       \
			}                                                                          \
		}                                                                                  \
	}

/* A number as an integer of ${bits}: its nearest end where it has none; NaN is the lower one. */
static int64_t signed_of(double v, size_t bits)
{
	double end = ldexp(1, (int)bits - 1);

	if (!(v >= -end))
		return INT64_MIN / (INT64_C(1) << (64 - bits));
	return v >= end ? INT64_MAX >> (64 - bits) : (int64_t)v;
}

static uint64_t unsigned_of(double v, size_t bits)
{
	if (!(v >= 0))
		return 0;
	return v >= ldexp(1, (int)bits) ? UINT64_MAX >> (64 - bits) : (uint64_t)v;
}

#define ID _f32
#define T float
#define KIND FLOATING
#include "runtime/ops/reduce.body.h"
#define ID _f64
#define T double
#define KIND FLOATING
#include "runtime/ops/reduce.body.h"
#define ID _i8
#define T int8_t
#define KIND SIGNED
#include "runtime/ops/reduce.body.h"
#define ID _i32
#define T int32_t
#define KIND SIGNED
#include "runtime/ops/reduce.body.h"
#define ID _i64
#define T int64_t
#define KIND SIGNED
#include "runtime/ops/reduce.body.h"
#define ID _u8
#define T uint8_t
#define KIND UNSIGNED
#include "runtime/ops/reduce.body.h"
#define ID _u32
#define T uint32_t
#define KIND UNSIGNED
#include "runtime/ops/reduce.body.h"
#define ID _u64
#define T uint64_t
#define KIND UNSIGNED
#include "runtime/ops/reduce.body.h"

/* ---- what is reduced how --------------------------------------------------------------------- */

enum step { SUM, PROD, L1, SUM_SQUARE, MAX, MIN, SUM_EXP, STEPS };

static const struct loops {
	step_f *step[STEPS];
	void (*finish)(enum finish how, const union accumulator *acc, const double *shift,
		       int64_t n, void *out, int64_t count);
	void (*shifts)(const union accumulator *acc, double *shift, int64_t count);
} loops[RT_DTYPE_COUNT] = {
#define LOOPS(id)                                                                                  \
	{                                                                                          \
		{Sum_##id, Prod_##id, L1_##id, SumSquare_##id, Max_##id, Min_##id, SumExp_##id},   \
		    finish_##id, shifts_##id                                                       \
	}
    [RT_F32] = LOOPS(f32), [RT_F64] = LOOPS(f64), [RT_I8] = LOOPS(i8),
    [RT_I32] = LOOPS(i32), [RT_I64] = LOOPS(i64), [RT_U8] = LOOPS(u8),
    [RT_U32] = LOOPS(u32), [RT_U64] = LOOPS(u64), [RT_BOOL] = LOOPS(u8),
};

static const struct reduction {
	const char *op_type;
	enum step step;
	enum finish finish;
	int kernel; /* enum rt_reduce of float32 rows, −1 = none */
} reductions[] = {
    {"ReduceSum", SUM, PLAIN, RT_REDUCE_SUM},
    {"ReduceMean", SUM, MEAN, RT_REDUCE_SUM},
    {"ReduceProd", PROD, PLAIN, -1},
    {"ReduceMax", MAX, PLAIN, RT_REDUCE_MAX},
    {"ReduceMin", MIN, PLAIN, RT_REDUCE_MIN},
    {"ReduceL1", L1, PLAIN, RT_REDUCE_SUM_ABS},
    {"ReduceL2", SUM_SQUARE, ROOT, RT_REDUCE_SUM_SQUARE},
    {"ReduceSumSquare", SUM_SQUARE, PLAIN, RT_REDUCE_SUM_SQUARE},
    {"ReduceLogSum", SUM, LOG, RT_REDUCE_SUM},
    {"ReduceLogSumExp", SUM_EXP, LOG_SHIFTED, -1},
};

struct reduce {
	const struct reduction *how;
	const struct rt_kernels *kernels;
	enum rt_dtype dtype;
};

static int reduce_bind(struct rt_bind *b, struct rt_error *err)
{
	struct reduce *s = b->state;

	s->kernels = b->kernels;
	s->dtype = rt_elementwise_bound(b, 0);
	for (size_t i = 0; i < sizeof(reductions) / sizeof(reductions[0]); i++) {
		if (strcmp(reductions[i].op_type, b->node->op_type) == 0)
			s->how = &reductions[i];
	}
	must(s->how != NULL);
	if (loops[s->dtype].finish == NULL)
		return rt_error_set(err, RT_UNSUPPORTED, "element type %s",
				    rt_dtype_name(s->dtype));
	return RT_OK;
}

struct plan {
	struct rt_walk kept;    /* operand 0: output, 1: input */
	struct rt_walk reduced; /* operand 0: input */
	int64_t count;          /* of reduced elements */
};

static int reduce_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	struct rt_shape *out = &f->out[0].shape;
	const int rank = in->rank;
	int64_t dense[RT_RANK_MAX], kept[RT_RANK_MAX], reduced[RT_RANK_MAX], step = 1;
	int64_t outs[2][RT_WALK_RANK] = {{0}}, ins[1][RT_WALK_RANK] = {{0}};
	bool keep = rt_node_int(f->node, "keepdims", 1) != 0, gone[RT_RANK_MAX];
	struct rt_axes axes;
	struct plan *p;
	int status = rt_axes_list(f, "axes", 1, &axes, err);

	if (status == RT_OK)
		status = rt_axes_set(&axes, rank, gone, err);
	if (status != RT_OK)
		return status;
	if (axes.count == 0 && rt_node_int(f->node, "noop_with_empty_axes", 0) == 0)
		memset(gone, true, sizeof(gone));
	p = rt_infer_alloc(f, sizeof(*p));
	if (p == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	f->shape_state = p;
	p->count = 1;
	out->rank = 0;
	rt_walk_strides(in, dense);
	for (int d = 0; d < rank; d++) {
		kept[d] = gone[d] ? 1 : in->dims[d];
		reduced[d] = gone[d] ? in->dims[d] : 1;
		outs[1][d] = ins[0][d] = dense[d];
		if (__builtin_mul_overflow(p->count, reduced[d], &p->count))
			return rt_error_set(err, RT_INPUT, "the input is too large");
		if (!gone[d] || keep)
			out->dims[out->rank++] = kept[d];
	}
	for (int d = rank - 1; d >= 0 && !rt_walk_is_empty(out); d--) {
		outs[0][d] = step;
		/* NOLINTNEXTLINE(clang-analyzer-core*): the loop above set it */
		step *= kept[d];
	}
	rt_walk_strided(&p->kept, 2, rank, kept, (const int64_t(*)[RT_WALK_RANK])outs);
	rt_walk_strided(&p->reduced, 1, rank, reduced, (const int64_t(*)[RT_WALK_RANK])ins);
	p->kept.cost = p->count;
	return RT_OK;
}

/* ---- run ------------------------------------------------------------------------------------- */

struct reducing {
	const struct reduce *s;
	const struct plan *p;
	const char *in;
	char *out;
	size_t size;
};

static union accumulator identity(enum step step, enum rt_dtype t)
{
	union accumulator a = {.u = 0};
	bool is_float = t == RT_F32 || t == RT_F64, is_signed = rt_convert_min(t) < 0;

	if (step == PROD)
		a.u = 1;
	if (step == MAX && is_signed)
		a.i = INT64_MIN;
	if (step == MIN)
		a.i = is_signed ? INT64_MAX : -1;
	if (!is_float) {
		/* an empty maximum is the end of the type, not of the accumulator */
		if (t == RT_I8 || t == RT_I32)
			a.i = step == MAX   ? (int64_t)rt_convert_min(t)
			      : step == MIN ? (int64_t)rt_convert_max(t)
					    : a.i;
		return a;
	}
	a.f = step == PROD ? 1 : step == MAX ? -INFINITY : step == MIN ? INFINITY : 0;
	return a;
}

/* The float32 kernel on contiguous runs; false when there is none for this. */
static bool row_kernel(const struct reducing *c, enum step step, const char *x, int64_t outs,
		       int64_t out_step, union accumulator *acc)
{
	const struct reduction *how = c->s->how;
	int64_t n = c->p->reduced.inner;

	if (c->s->dtype != RT_F32 || how->kernel < 0 || step != how->step ||
	    c->p->reduced.inner_strides[0] != 1)
		return false;
	for (int64_t i = 0; i < outs; i++) {
		double v = (double)c->s->kernels->f32_row->reduce[how->kernel](
		    (size_t)n, (const float *)(const void *)x + i * out_step);
		if (how->step == MAX)
			acc[i].f = v > acc[i].f || isnan(v) ? v : acc[i].f;
		else if (how->step == MIN)
			acc[i].f = v < acc[i].f || isnan(v) ? v : acc[i].f;
		else
			acc[i].f += v;
	}
	return true;
}

/* All reduced positions for a block of outputs. */
static void accumulate(const struct reducing *c, enum step step, const char *x, int64_t outs,
		       int64_t out_step, union accumulator *acc, const double *shift)
{
	const struct rt_walk *w = &c->p->reduced;
	int64_t index[RT_WALK_RANK] = {0}, at = 0;

	for (int64_t i = 0; i < outs; i++)
		acc[i] = identity(step, c->s->dtype);
	for (int64_t run = 0; run < w->outer; run++) {
		const char *from = x + at * (int64_t)c->size;
		if (!row_kernel(c, step, from, outs, out_step, acc))
			loops[c->s->dtype].step[step](from, outs, out_step, w->inner,
						      w->inner_strides[0], acc, shift);
		for (int d = w->rank - 1; d >= 0; d--) {
			at += w->strides[0][d];
			if (++index[d] < w->dims[d])
				break;
			at -= w->dims[d] * w->strides[0][d];
			index[d] = 0;
		}
	}
}

static void reduce_part(void *arg, const int64_t *at, int64_t n)
{
	const struct reducing *c = arg;
	const struct reduction *how = c->s->how;
	const struct loops *l = &loops[c->s->dtype];
	int64_t size = (int64_t)c->size, step = c->p->kept.inner_strides[1];
	union accumulator acc[BLOCK];
	double shift[BLOCK] = {0};

	for (int64_t i = 0; i < n; i += BLOCK) {
		int64_t m = n - i < BLOCK ? n - i : BLOCK;
		const char *x = c->in + (at[1] + i * step) * size;

		if (how->step == SUM_EXP) {
			accumulate(c, MAX, x, m, step, acc, NULL);
			l->shifts(acc, shift, m);
		}
		accumulate(c, how->step, x, m, step, acc, shift);
		l->finish(how->finish, acc, shift, c->p->count, c->out + (at[0] + i) * size, m);
	}
}

static void reduce_run(const struct rt_run *r)
{
	const struct reduce *s = r->state;
	struct reducing c = {.s = s,
			     .p = r->shape_state,
			     .in = r->in[0].data,
			     .out = r->out[0].data,
			     .size = rt_dtype_bits(s->dtype) / 8};

	rt_walk_each(&c.p->kept, r->team, reduce_part, &c);
}

const struct rt_op rt_op_reduce = {
    .in_min = 1,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1u << 1,
    .state_bytes = sizeof(struct reduce),
    .bind = reduce_bind,
    .infer = reduce_infer,
    .run = reduce_run,
};
