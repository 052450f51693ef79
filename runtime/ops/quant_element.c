/* SPDX-License-Identifier: MIT */
/*
 * quant_element.c — quantised tensors element by element, as the reference
 * kernels of TensorFlow Lite have them (larder domain, made by tflite_quant_math.c):
 *
 *	Lookup      y = table[x − least x]; 8 or 16 bits
 *	Quantize    y = clamp(round(x / y_scale) + y_zero); halves away from zero
 *	Requantize  y = clamp((x − x_zero) · mult + y_zero)
 *	QuantPair   two operands, broadcast; v' = v − its zero point
 *		Add, Sub            (a'·2^left · mult0 ± b'·2^left · mult1) · mult2
 *		SquaredDifference   (the difference)² · mult2
 *		Mul                 a'·b' · mult2
 *		PRelu               a' < 0 ? a'·b' · mult2 : a' · mult0
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/ops.h"
#include "runtime/ops/quant_result.h"
#include "runtime/ops/walk.h"

/* ---- Lookup ---------------------------------------------------------------------------------- */

struct lookup {
	const struct rt_run *r;
	size_t each; /* bytes of a result */
};

static int lookup_infer(struct rt_infer *f, struct rt_error *err)
{
	const int64_t need = rt_dtype_bits(f->in[0].dtype) == 8 ? 256 : 65536;
	int64_t n;

	if (!rt_shape_elems(&f->in[1].shape, &n) || n != need)
		return rt_error_set(err, RT_INPUT, "a table of %lld entries", (long long)n);
	f->out[0].shape = f->in[0].shape;
	return RT_OK;
}

static void lookup_8(const struct lookup *l, size_t begin, size_t end)
{
	const uint8_t *x = l->r->in[0].data, *t8 = l->r->in[1].data;
	const uint8_t flip = l->r->in[0].dtype == RT_I8 ? 0x80 : 0;
	const int16_t *t16 = l->r->in[1].data;
	const int32_t *t32 = l->r->in[1].data;
	void *y = l->r->out[0].data;

	for (size_t i = begin; i < end && l->each == 1; i++)
		((uint8_t *)y)[i] = t8[x[i] ^ flip];
	for (size_t i = begin; i < end && l->each == 2; i++)
		((int16_t *)y)[i] = t16[x[i] ^ flip];
	for (size_t i = begin; i < end && l->each == 4; i++)
		((int32_t *)y)[i] = t32[x[i] ^ flip];
}

static void lookup_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct lookup *l = arg;
	const int16_t *x = l->r->in[0].data;
	const char *table = l->r->in[1].data;
	char *y = l->r->out[0].data;

	(void)thread;
	if (l->r->in[0].dtype != RT_I16) {
		lookup_8(l, begin, end);
		return;
	}
	for (size_t i = begin; i < end; i++)
		memcpy(y + i * l->each, table + (size_t)(x[i] + 32768) * l->each, l->each);
}

static void lookup_run(const struct rt_run *r)
{
	struct lookup l = {r, rt_dtype_bits(r->in[1].dtype) / 8};

	rt_team_for(r->team, (size_t)rt_tensor_elems(&r->out[0]), rt_walk_grain(1), lookup_range,
		    &l);
}

const struct rt_op rt_op_lookup = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .type = rt_op_type_second,
    .infer = lookup_infer,
    .run = lookup_run,
};

/* ---- Quantize, Requantize -------------------------------------------------------------------- */

struct change {
	struct rt_quant_result y;
	float scale;
	int32_t x_zero;
};

struct elements {
	const struct rt_run *r;
	const struct change *c;
};

static int change_bind(struct rt_bind *b, struct rt_error *err)
{
	struct change *c = b->state;

	c->scale = rt_node_float(b->node, "y_scale", 1);
	c->x_zero = (int32_t)rt_node_int(b->node, "x_zero", 0);
	return rt_quant_result_read(b, &c->y, err);
}

/* A single multiplier is an int, not a list. */
static int requantize_bind(struct rt_bind *b, struct rt_error *err)
{
	struct change *c = b->state;
	int32_t *m = rt_bind_alloc(b, 2 * sizeof(*m));
	int rc = change_bind(b, err);

	if (rc)
		return rc;
	if (m == NULL)
		return rt_error_set(err, RT_MEMORY, "no memory for multipliers");
	m[0] = (int32_t)rt_fixed_clamp(rt_node_int(b->node, "mult", 0), 0, INT32_MAX);
	m[1] = (int32_t)rt_fixed_clamp(rt_node_int(b->node, "shift", 0), -31, 30);
	c->y.mult = m, c->y.shift = m + 1, c->y.count = 1;
	return RT_OK;
}

/* NaN becomes the zero point. */
static void quantize_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct elements *e = arg;
	const struct rt_quant_result *y = &e->c->y;
	const float *x = e->r->in[0].data;

	(void)thread;
	for (size_t i = begin; i < end; i++) {
		float q = roundf(x[i] / e->c->scale);

		q = isnan(q) ? 0 : q < -2e9f ? -2e9f : q > 2e9f ? 2e9f : q;
		rt_quant_result_put(y->type, e->r->out[0].data, (int64_t)i,
				    rt_fixed_clamp((int64_t)q + y->zero, y->lo, y->hi));
	}
}

static void requantize_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct elements *e = arg;
	const struct rt_quant_result *y = &e->c->y;
	const struct rt_tensor *x = &e->r->in[0];

	(void)thread;
	for (size_t i = begin; i < end; i++) {
		const int32_t v = rt_quant_result_get(x->dtype, x->data, (int64_t)i);
		const int32_t q = rt_fixed_scale((int32_t)((uint32_t)v - (uint32_t)e->c->x_zero),
						 y->mult[0], y->shift[0]);

		rt_quant_result_put(y->type, e->r->out[0].data, (int64_t)i,
				    rt_fixed_clamp((int64_t)q + y->zero, y->lo, y->hi));
	}
}

static void quantize_run(const struct rt_run *r)
{
	struct elements e = {r, r->state};

	rt_team_for(r->team, (size_t)rt_tensor_elems(&r->out[0]), rt_walk_grain(4),
		    r->in[0].dtype == RT_F32 ? quantize_range : requantize_range, &e);
}

const struct rt_op rt_op_quantize_away = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct change),
    .type = rt_quant_result_type,
    .bind = change_bind,
    .infer = rt_op_infer_same,
    .run = quantize_run,
};

const struct rt_op rt_op_requantize = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct change),
    .type = rt_quant_result_type,
    .bind = requantize_bind,
    .infer = rt_op_infer_same,
    .run = quantize_run,
};

/* ---- QuantPair ------------------------------------------------------------------------------- */

enum kind { ADD, SUB, MUL, SQUARED_DIFFERENCE, PRELU };

struct pair {
	struct rt_quant_result y;
	enum kind kind;
	int left;
	int32_t zeros[2];
};

struct pairs {
	const struct rt_run *r;
	const struct pair *p;
	const struct rt_walk *w;
};

static int pair_bind(struct rt_bind *b, struct rt_error *err)
{
	static const char *const names[] = {"Add", "Sub", "Mul", "SquaredDifference", "PRelu"};
	struct pair *p = b->state;
	int64_t count;
	const int64_t *zeros = rt_node_ints(b->node, "zeros", &count);
	const int64_t left = rt_node_int(b->node, "left", 0);
	int rc = rt_quant_result_read(b, &p->y, err);

	if (rc)
		return rc;
	for (int i = 0; i < 5; i++)
		if (rt_node_string_is(b->node, "kind", names[i], "Add"))
			p->kind = (enum kind)i;
	if (count != 2 || left < 0 || left > 20 || p->y.count != 3)
		return rt_error_set(err, RT_MALFORMED, "attributes that do not fit");
	p->left = (int)left;
	p->zeros[0] = (int32_t)zeros[0];
	p->zeros[1] = (int32_t)zeros[1];
	return RT_OK;
}

static int pair_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *both[2] = {&f->in[0].shape, &f->in[1].shape};
	struct rt_walk *w = rt_infer_alloc(f, sizeof(*w));

	if (w == NULL)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if (f->in[0].dtype != f->in[1].dtype)
		return rt_error_set(err, RT_INPUT, "operands of different types");
	if (!rt_op_broadcast(both, 2, &f->out[0].shape))
		return rt_error_set(err, RT_INPUT, "operands do not broadcast");
	rt_walk_broadcast(w, &f->out[0].shape, both, 2);
	w->cost = 8;
	f->shape_state = w;
	return RT_OK;
}

static int32_t shifted(const struct pair *p, int32_t v, int k)
{
	return rt_fixed_scale((int32_t)((uint32_t)v << p->left), p->y.mult[k], p->y.shift[k]);
}

static int32_t pair_of(const struct pair *p, int32_t a, int32_t b)
{
	uint32_t x;

	a = (int32_t)((uint32_t)a - (uint32_t)p->zeros[0]);
	b = (int32_t)((uint32_t)b - (uint32_t)p->zeros[1]);
	switch (p->kind) {
	case MUL:
		x = (uint32_t)a * (uint32_t)b;
		break;
	case PRELU:
		if (a >= 0)
			return rt_fixed_scale(a, p->y.mult[0], p->y.shift[0]);
		x = (uint32_t)a * (uint32_t)b;
		break;
	case ADD:
		x = (uint32_t)shifted(p, a, 0) + (uint32_t)shifted(p, b, 1);
		break;
	default:
		x = (uint32_t)shifted(p, a, 0) - (uint32_t)shifted(p, b, 1);
		x = p->kind == SQUARED_DIFFERENCE ? x * x : x;
		break;
	}
	return rt_fixed_scale((int32_t)x, p->y.mult[2], p->y.shift[2]);
}

static void pair_span(void *arg, const int64_t *at, int64_t n)
{
	const struct pairs *w = arg;
	const struct rt_run *r = w->r;
	const struct rt_quant_result *y = &w->p->y;
	const int64_t *step = w->w->inner_strides;
	const enum rt_dtype t = r->in[0].dtype;

	for (int64_t i = 0; i < n; i++) {
		const int32_t q =
		    pair_of(w->p, rt_quant_result_get(t, r->in[0].data, at[1] + i * step[1]),
			    rt_quant_result_get(t, r->in[1].data, at[2] + i * step[2]));

		rt_quant_result_put(y->type, r->out[0].data, at[0] + i,
				    rt_fixed_clamp((int64_t)q + y->zero, y->lo, y->hi));
	}
}

static void pair_run(const struct rt_run *r)
{
	struct pairs w = {r, r->state, r->shape_state};

	rt_walk_each(w.w, r->team, pair_span, &w);
}

const struct rt_op rt_op_quant_pair = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct pair),
    .type = rt_quant_result_type,
    .bind = pair_bind,
    .infer = pair_infer,
    .run = pair_run,
};
