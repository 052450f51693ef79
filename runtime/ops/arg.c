/* SPDX-License-Identifier: MIT */
/*
 * arg.c — along one axis, in [outer][dim][inner]: ArgMax, ArgMin (where the
 * extreme is: the first one, or the last with select_last_index), CumSum, CumProd
 * (running totals; `exclusive` leaves the element itself out, `reverse` runs from
 * the end).
 *
 * Opset changes that matter: 12 adds select_last_index; CumSum has its axis as an
 * input; CumProd came with 26.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/axes.h"
#include "runtime/ops/elementwise.h"
#include "runtime/ops/ops.h"

struct plan {
	int64_t outer, dim, inner;
};

/* One line of ${n} elements ${step} apart. */
typedef int64_t arg_f(const void *x, int64_t n, int64_t step, bool max, bool last);
typedef void cum_f(const void *x, void *y, int64_t n, int64_t step, bool product, bool exclusive);

#define LINES(id, T, A, NAN_AT)                                                                    \
	static int64_t arg_##id(const void *in, int64_t n, int64_t step, bool max, bool last)      \
	{                                                                                          \
		const T *x = in;                                                                   \
		int64_t best = 0;                                                                  \
		for (int64_t i = 0; i < n; i++) {                                                  \
			const T a = x[i * step], b = x[best * step];                               \
			if (NAN_AT(a))                                                             \
				return i;                                                          \
			if ((max ? a > b : a < b) || (last && !(a < b) && !(a > b)))               \
				best = i;                                                          \
		}                                                                                  \
		return best;                                                                       \
	}                                                                                          \
	static void cum_##id(const void *in, void *out, int64_t n, int64_t step, bool product,     \
			     bool exclusive)                                                       \
	{                                                                                          \
		const T *x = in;                                                                   \
		T *y = out;                                                                        \
		A acc = product ? 1 : 0;                                                           \
		for (int64_t i = 0; i < n; i++) {                                                  \
			const A a = (A)x[i * step];                                                \
			A next = product ? acc * a : acc + a;                                      \
			y[i * step] = (T)(exclusive ? acc : next);                                 \
			acc = next;                                                                \
		}                                                                                  \
	}
#define NEVER(a) false
LINES(f32, float, double, isnan)
LINES(f64, double, double, isnan)
LINES(i8, int8_t, uint64_t, NEVER)
LINES(i16, int16_t, uint64_t, NEVER)
LINES(i32, int32_t, uint64_t, NEVER)
LINES(i64, int64_t, uint64_t, NEVER)
LINES(u8, uint8_t, uint64_t, NEVER)
LINES(u16, uint16_t, uint64_t, NEVER)
LINES(u32, uint32_t, uint64_t, NEVER)
LINES(u64, uint64_t, uint64_t, NEVER)

static const struct {
	arg_f *arg;
	cum_f *cum;
} lines[RT_DTYPE_COUNT] = {
    [RT_F32] = {arg_f32, cum_f32}, [RT_F64] = {arg_f64, cum_f64}, [RT_I8] = {arg_i8, cum_i8},
    [RT_I16] = {arg_i16, cum_i16}, [RT_I32] = {arg_i32, cum_i32}, [RT_I64] = {arg_i64, cum_i64},
    [RT_U8] = {arg_u8, cum_u8},    [RT_U16] = {arg_u16, cum_u16}, [RT_U32] = {arg_u32, cum_u32},
    [RT_U64] = {arg_u64, cum_u64},
};

static int line_bind(struct rt_bind *b, struct rt_error *err)
{
	enum rt_dtype t = rt_elementwise_bound(b, 0);

	if (lines[t].arg == NULL)
		return rt_error_set(err, RT_UNSUPPORTED, "element type %s", rt_dtype_name(t));
	return RT_OK;
}

static int line_plan(struct rt_infer *f, int64_t axis, int *at, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	struct plan *p = rt_infer_alloc(f, sizeof(*p));
	int status;

	if (p == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	f->shape_state = p;
	status = rt_axes_one(axis, in->rank, at, err);
	if (status != RT_OK)
		return status;
	rt_walk_around(in, *at, &p->outer, &p->inner);
	p->dim = in->dims[*at];
	return RT_OK;
}

/* ---- ArgMax, ArgMin -------------------------------------------------------------------------- */

static int arg_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	struct rt_shape *out = &f->out[0].shape;
	int axis, status = line_plan(f, rt_node_int(f->node, "axis", 0), &axis, err);

	if (status != RT_OK)
		return status;
	out->rank = 0;
	for (int d = 0; d < in->rank; d++) {
		if (d != axis)
			out->dims[out->rank++] = in->dims[d];
		else if (rt_node_int(f->node, "keepdims", 1) != 0)
			out->dims[out->rank++] = 1;
	}
	if (in->dims[axis] == 0 && !rt_walk_is_empty(out))
		return rt_error_set(err, RT_INPUT, "axis %d is empty: there is no extreme", axis);
	return RT_OK;
}

static void arg_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct plan *p = r->shape_state;
	bool max = strcmp(r->node->op_type, "ArgMax") == 0,
	     last = rt_node_int(r->node, "select_last_index", 0) != 0;
	int64_t size = rt_dtype_bits(r->in[0].dtype) / 8, *out = r->out[0].data;

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		const char *x = (const char *)r->in[0].data +
				(i / p->inner * p->dim * p->inner + i % p->inner) * size;
		out[i] = lines[r->in[0].dtype].arg(x, p->dim, p->inner, max, last);
	}
}

static void arg_run(const struct rt_run *r)
{
	const struct plan *p = r->shape_state;
	struct rt_run copy = *r;

	if (p->outer > 0)
		rt_team_for(r->team, (size_t)(p->outer * p->inner), rt_walk_grain(p->dim),
			    arg_range, &copy);
}

const struct rt_op rt_op_arg = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .type = rt_op_type_i64,
    .bind = line_bind,
    .infer = arg_infer,
    .run = arg_run,
};

/* ---- CumSum, CumProd ------------------------------------------------------------------------- */

static int cum_infer(struct rt_infer *f, struct rt_error *err)
{
	int64_t n;
	int axis;

	if ((f->in[1].dtype != RT_I32 && f->in[1].dtype != RT_I64) ||
	    !rt_shape_elems(&f->in[1].shape, &n) || n != 1)
		return rt_error_set(err, RT_INPUT, "the axis is not one integer");
	f->out[0].shape = f->in[0].shape;
	return line_plan(f, rt_convert_get_i64(&f->in[1], 0), &axis, err);
}

static void cum_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct plan *p = r->shape_state;
	bool product = strcmp(r->node->op_type, "CumProd") == 0,
	     exclusive = rt_node_int(r->node, "exclusive", 0) != 0,
	     reverse = rt_node_int(r->node, "reverse", 0) != 0;
	int64_t size = rt_dtype_bits(r->in[0].dtype) / 8;

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		int64_t first = i / p->inner * p->dim * p->inner + i % p->inner;
		if (reverse)
			first += (p->dim - 1) * p->inner;
		lines[r->in[0].dtype].cum((const char *)r->in[0].data + first * size,
					  (char *)r->out[0].data + first * size, p->dim,
					  reverse ? -p->inner : p->inner, product, exclusive);
	}
}

static void cum_run(const struct rt_run *r)
{
	const struct plan *p = r->shape_state;
	struct rt_run copy = *r;

	if (p->outer > 0)
		rt_team_for(r->team, (size_t)(p->outer * p->inner), rt_walk_grain(p->dim),
			    cum_range, &copy);
}

const struct rt_op rt_op_cum = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1u << 1,
    .bind = line_bind,
    .infer = cum_infer,
    .run = cum_run,
};
