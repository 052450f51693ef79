/* SPDX-License-Identifier: MIT */
/*
 * qlinear.c — 8-bit operators of com.microsoft (since 1) that look at one
 * element of each input for one of the output; real and q as in qparam.h.
 *
 *	QLinearAdd        C = quantise(real A + real B), broadcast
 *	QLinearMul        C = quantise(real A · real B), broadcast
 *	QLinearSigmoid    Y = quantise(1 / (1 + exp(−real X)))
 *	QLinearLeakyRelu  Y = quantise(real X < 0 ? alpha · real X : real X)
 *	QLinearWhere      Z = quantise(condition ? real X : real Y), broadcast
 *	QLinearConcat     Y = quantise(real of each input), joined along axis
 *	larder.QUnary     Y = quantise(act(real X)); made by pass_quant.c
 *
 * QLinearAdd and QLinearMul may have the attributes q_lo and q_hi (pass_quant.c):
 * bounds of the result before the zero point is added.
 * What depends on one byte alone is looked up in a table of 256.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/axes.h"
#include "runtime/ops/convert.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/qparam.h"
#include "runtime/ops/walk.h"

/* ---- two operands ---------------------------------------------------------------------------- */

enum { A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO, C_SCALE, C_ZERO };

struct qbinary {
	const struct rt_kernels *kernels;
	bool is_product;
	float lo, hi;
};

struct pair {
	const struct rt_run *r;
	const struct rt_walk *w;
	struct rt_i8_pair numbers;
	void (*run)(const struct rt_i8_pair *p, size_t n, const uint8_t *a, const uint8_t *b,
		    uint8_t *y);
};

static int qbinary_bind(struct rt_bind *b, struct rt_error *err)
{
	struct qbinary *s = b->state;

	(void)err;
	s->kernels = b->kernels;
	s->is_product = strcmp(b->node->op_type, "QLinearMul") == 0;
	s->lo = rt_node_float(b->node, "q_lo", -INFINITY);
	s->hi = rt_node_float(b->node, "q_hi", INFINITY);
	return RT_OK;
}

static int qbinary_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *both[2] = {&f->in[A].shape, &f->in[B].shape};
	struct rt_walk *w = rt_infer_alloc(f, sizeof(*w));
	enum rt_dtype t = f->in[A].dtype;
	int rc;

	if (!w)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if (f->in[B].dtype != t)
		return rt_error_set(err, RT_INPUT, "A is %s, B is %s", rt_dtype_name(t),
				    rt_dtype_name(f->in[B].dtype));
	if ((rc = rt_qparam_check(f, t, A_SCALE, A_ZERO, err)) ||
	    (rc = rt_qparam_check(f, t, B_SCALE, B_ZERO, err)) ||
	    (rc = rt_qparam_check(f, t, C_SCALE, C_ZERO, err)))
		return rc;
	if (!rt_op_broadcast(both, 2, &f->out[0].shape))
		return rt_error_set(err, RT_INPUT, "A and B do not broadcast");
	rt_walk_broadcast(w, &f->out[0].shape, both, 2);
	w->cost = 4;
	f->shape_state = w;
	return RT_OK;
}

/* ${n} bytes of an operand: as they are, or copies where they are apart or one for all. */
static const uint8_t *bytes_of(const uint8_t *q, int64_t step, size_t n, uint8_t *to)
{
	if (step == 1)
		return q;
	for (size_t i = 0; i < n; i++)
		to[i] = q[(int64_t)i * step];
	return to;
}

static void pair_run(void *arg, const int64_t *at, int64_t n)
{
	const struct pair *p = arg;
	const int64_t *step = p->w->inner_strides;
	const uint8_t *a = (const uint8_t *)p->r->in[A].data + at[1];
	const uint8_t *b = (const uint8_t *)p->r->in[B].data + at[2];
	uint8_t *c = (uint8_t *)p->r->out[0].data + at[0];
	uint8_t x[RT_CONVERT_BLOCK], y[RT_CONVERT_BLOCK];

	if (step[1] == 1 && step[2] == 1) {
		p->run(&p->numbers, (size_t)n, a, b, c);
		return;
	}
	for (int64_t i = 0; i < n; i += RT_CONVERT_BLOCK) {
		size_t m = n - i < RT_CONVERT_BLOCK ? (size_t)(n - i) : RT_CONVERT_BLOCK;
		p->run(&p->numbers, m, bytes_of(a + i * step[1], step[1], m, x),
		       bytes_of(b + i * step[2], step[2], m, y), c + i);
	}
}

static void qbinary_run(const struct rt_run *r)
{
	const struct qbinary *s = r->state;
	enum rt_dtype t = r->in[A].dtype;
	const struct rt_qparam a = rt_qparam_read(r, t, A_SCALE, A_ZERO),
			       b = rt_qparam_read(r, t, B_SCALE, B_ZERO),
			       c = rt_qparam_read(r, t, C_SCALE, C_ZERO);
	struct pair p = {
	    .r = r,
	    .w = r->shape_state,
	    .numbers = {.a_scale = a.scale,
			.b_scale = b.scale,
			.y_scale = c.scale,
			.a_zero = a.zero,
			.b_zero = b.zero,
			.y_zero = c.zero,
			.is_signed = t == RT_I8,
			.lo = fmaxf(s->lo, (float)((t == RT_I8 ? -128 : 0) - c.zero)),
			.hi = fminf(s->hi, (float)((t == RT_I8 ? 127 : 255) - c.zero))},
	    .run = s->is_product ? s->kernels->i8_row->mul : s->kernels->i8_row->add,
	};

	rt_walk_each(p.w, r->team, pair_run, &p);
}

const struct rt_op rt_op_qlinear_binary = {
    .in_min = 7,
    .in_max = 8,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct qbinary),
    .bind = qbinary_bind,
    .infer = qbinary_infer,
    .run = qbinary_run,
};

/* ---- one operand ----------------------------------------------------------------------------- */

enum { X, X_SCALE, X_ZERO, Y_SCALE, Y_ZERO };

struct qunary {
	const struct rt_kernels *kernels;
	enum rt_unary op;
	struct rt_unary_params params;
};

struct lookup {
	const uint8_t *in;
	uint8_t *out;
	uint8_t table[256];
};

static int qunary_bind(struct rt_bind *b, struct rt_error *err)
{
	struct qunary *s = b->state;

	s->kernels = b->kernels;
	s->op = (enum rt_unary)rt_node_int(b->node, "act", RT_UNARY_SIGMOID);
	if ((unsigned)s->op >= RT_UNARY_COUNT)
		return rt_error_set(err, RT_MALFORMED, "no such function");
	s->params.a = rt_node_float(b->node, "act_a", 0);
	s->params.b = rt_node_float(b->node, "act_b", 0);
	if (strcmp(b->node->op_type, "QLinearLeakyRelu") == 0) {
		s->op = RT_UNARY_LEAKY_RELU;
		s->params.a = rt_node_float(b->node, "alpha", 0.01f);
	}
	return RT_OK;
}

static int qunary_infer(struct rt_infer *f, struct rt_error *err)
{
	int rc;

	f->out[0].shape = f->in[X].shape;
	rc = rt_qparam_check(f, f->in[X].dtype, X_SCALE, X_ZERO, err);
	return rc ? rc : rt_qparam_check(f, f->in[X].dtype, Y_SCALE, Y_ZERO, err);
}

static void lookup_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct lookup *l = arg;

	(void)thread;
	for (size_t i = begin; i < end; i++)
		l->out[i] = l->table[l->in[i]];
}

static void qunary_run(const struct rt_run *r)
{
	const struct qunary *s = r->state;
	struct rt_qparam x = rt_qparam_read(r, r->in[X].dtype, X_SCALE, X_ZERO),
			 y = rt_qparam_read(r, r->in[X].dtype, Y_SCALE, Y_ZERO);
	struct lookup l = {.in = r->in[X].data, .out = r->out[0].data};
	float reals[256];

	rt_qparam_all(&x, reals);
	s->kernels->f32_unary->fn[s->op](256, reals, reals, &s->params);
	rt_qparam_bytes(&y, 256, reals, l.table);
	rt_team_for(r->team, (size_t)rt_tensor_elems(&r->in[X]), rt_walk_grain(1), lookup_range,
		    &l);
}

const struct rt_op rt_op_qlinear_unary = {
    .in_min = 4,
    .in_max = 5,
    .out_min = 1,
    .out_max = 1,
    .alias_inputs = 1,
    .state_bytes = sizeof(struct qunary),
    .bind = qunary_bind,
    .infer = qunary_infer,
    .run = qunary_run,
};

/* ---- QLinearWhere ---------------------------------------------------------------------------- */

enum { W_IF, W_X, W_X_SCALE, W_X_ZERO, W_Y, W_Y_SCALE, W_Y_ZERO, W_Z_SCALE, W_Z_ZERO };

struct choice {
	const struct rt_run *r;
	const struct rt_walk *w;
	uint8_t x[256], y[256];
};

static int where_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *all[3] = {&f->in[W_IF].shape, &f->in[W_X].shape, &f->in[W_Y].shape};
	struct rt_walk *w = rt_infer_alloc(f, sizeof(*w));
	enum rt_dtype t = f->in[W_X].dtype;
	int rc;

	if (!w)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if (f->in[W_IF].dtype != RT_BOOL || f->in[W_Y].dtype != t)
		return rt_error_set(err, RT_INPUT, "condition, X and Y are %s, %s and %s",
				    rt_dtype_name(f->in[W_IF].dtype), rt_dtype_name(t),
				    rt_dtype_name(f->in[W_Y].dtype));
	if ((rc = rt_qparam_check(f, t, W_X_SCALE, W_X_ZERO, err)) ||
	    (rc = rt_qparam_check(f, t, W_Y_SCALE, W_Y_ZERO, err)) ||
	    (rc = rt_qparam_check(f, t, W_Z_SCALE, W_Z_ZERO, err)))
		return rc;
	if (!rt_op_broadcast(all, 3, &f->out[0].shape))
		return rt_error_set(err, RT_INPUT, "condition, X and Y do not broadcast");
	rt_walk_broadcast(w, &f->out[0].shape, all, 3);
	f->shape_state = w;
	return RT_OK;
}

static void choice_run(void *arg, const int64_t *at, int64_t n)
{
	const struct choice *c = arg;
	const int64_t *step = c->w->inner_strides;
	const bool *yes = (const bool *)c->r->in[W_IF].data + at[1];
	const uint8_t *x = (const uint8_t *)c->r->in[W_X].data + at[2];
	const uint8_t *y = (const uint8_t *)c->r->in[W_Y].data + at[3];
	uint8_t *z = (uint8_t *)c->r->out[0].data + at[0];

	for (int64_t i = 0; i < n; i++)
		z[i] = yes[i * step[1]] ? c->x[x[i * step[2]]] : c->y[y[i * step[3]]];
}

static void requantise_table(const struct rt_qparam *from, const struct rt_qparam *to,
			     uint8_t table[256])
{
	float reals[256];

	rt_qparam_all(from, reals);
	rt_qparam_bytes(to, 256, reals, table);
}

static void where_run(const struct rt_run *r)
{
	enum rt_dtype t = r->in[W_X].dtype;
	struct rt_qparam x = rt_qparam_read(r, t, W_X_SCALE, W_X_ZERO),
			 y = rt_qparam_read(r, t, W_Y_SCALE, W_Y_ZERO),
			 z = rt_qparam_read(r, t, W_Z_SCALE, W_Z_ZERO);
	struct choice c = {.r = r, .w = r->shape_state};

	requantise_table(&x, &z, c.x);
	requantise_table(&y, &z, c.y);
	rt_walk_each(c.w, r->team, choice_run, &c);
}

const struct rt_op rt_op_qlinear_where = {
    .in_min = 9,
    .in_max = 9,
    .out_min = 1,
    .out_max = 1,
    .type = rt_op_type_second,
    .infer = where_infer,
    .run = where_run,
};

/* ---- QLinearConcat: Y_scale, Y_zero, then (tensor, scale, zero) each ------------------------- */

#define CONCAT_FIRST 2

struct joined {
	int64_t outer, row; /* rows of the output, elements of one */
	struct {
		int64_t at, count; /* in a row */
	} part[];
};

static int concat_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		       struct rt_error *err)
{
	(void)err;
	out[0] = g->values[n->in[CONCAT_FIRST]].dtype;
	return RT_OK;
}

/* Whether ${s} is ${first} but for its size along ${axis}. */
static bool fits(const struct rt_shape *s, const struct rt_shape *first, int axis)
{
	if (s->rank != first->rank)
		return false;
	for (int d = 0; d < s->rank; d++)
		if (d != axis && s->dims[d] != first->dims[d])
			return false;
	return true;
}

static int concat_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *first = &f->in[CONCAT_FIRST].shape;
	enum rt_dtype t = f->in[CONCAT_FIRST].dtype;
	int parts = (f->in_count - CONCAT_FIRST) / 3, axis, rc;
	struct joined *j = rt_infer_alloc(f, sizeof(*j) + (size_t)parts * sizeof(j->part[0]));
	int64_t inner, along = 0;

	if (!j)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if ((f->in_count - CONCAT_FIRST) % 3 != 0)
		return rt_error_set(err, RT_INPUT, "%d inputs are no tuples of three",
				    f->in_count - CONCAT_FIRST);
	if ((rc = rt_qparam_check(f, t, 0, 1, err)) ||
	    (rc = rt_axes_one(rt_node_int(f->node, "axis", 0), first->rank, &axis, err)))
		return rc;
	f->out[0].shape = *first;
	for (int i = 0; i < parts; i++) {
		const struct rt_tensor *in = &f->in[CONCAT_FIRST + i * 3];
		if (in->dtype != t || !fits(&in->shape, first, axis))
			return rt_error_set(err, RT_INPUT, "tensor %d does not fit tensor 0", i);
		if ((rc = rt_qparam_check(f, t, CONCAT_FIRST + i * 3 + 1, CONCAT_FIRST + i * 3 + 2,
					  err)))
			return rc;
		if (__builtin_add_overflow(along, in->shape.dims[axis], &along))
			return rt_error_set(err, RT_BUDGET, "the result is too large");
	}
	f->out[0].shape.dims[axis] = along;
	rt_walk_around(&f->out[0].shape, axis, &j->outer, &inner);
	for (int i = 0; i < parts; i++) {
		j->part[i].at = j->row;
		j->part[i].count = f->in[CONCAT_FIRST + i * 3].shape.dims[axis] * inner;
		j->row += j->part[i].count;
	}
	f->shape_state = j;
	return RT_OK;
}

static void concat_run(const struct rt_run *r)
{
	const struct joined *j = r->shape_state;
	enum rt_dtype t = r->in[CONCAT_FIRST].dtype;
	struct rt_qparam y = rt_qparam_read(r, t, 0, 1);

	for (int i = 0; CONCAT_FIRST + i * 3 < r->in_count && j->outer; i++) {
		int first = CONCAT_FIRST + i * 3;
		struct rt_qparam x = rt_qparam_read(r, t, first + 1, first + 2);
		struct lookup l;

		requantise_table(&x, &y, l.table);
		for (int64_t o = 0; o < j->outer; o++) {
			l.in = (const uint8_t *)r->in[first].data + o * j->part[i].count;
			l.out = (uint8_t *)r->out[0].data + o * j->row + j->part[i].at;
			rt_team_for(r->team, (size_t)j->part[i].count, rt_walk_grain(1),
				    lookup_range, &l);
		}
	}
}

const struct rt_op rt_op_qlinear_concat = {
    .in_min = 5,
    .in_max = RT_VARIADIC,
    .out_min = 1,
    .out_max = 1,
    .type = concat_type,
    .infer = concat_infer,
    .run = concat_run,
};
