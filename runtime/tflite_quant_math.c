/* SPDX-License-Identifier: MIT */
/*
 * tflite_quant_math.c — quantised tensors element by element.  A function of one
 * 8- or 16-bit operand is a table, made here once with the arithmetic of the
 * reference kernels; functions of two are nodes of the larder domain.  Called by
 * tflite_math.c, tflite_shape.c and through tflite.def.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/fixed.h"
#include "runtime/tflite_quant.h"

void rt_tflite_quant_limits(enum rt_dtype t, int64_t limits[2])
{
	limits[0] = t == RT_U8 ? 0 : t == RT_I8 ? -128 : t == RT_I16 ? -32768 : INT32_MIN;
	limits[1] = t == RT_U8 ? 255 : t == RT_I8 ? 127 : t == RT_I16 ? 32767 : INT32_MAX;
}

static int64_t quantised(const struct rt_tflite_tensor *t, float x)
{
	const float q = roundf(x / t->scale[0]), most = (float)(INT64_C(1) << 40);

	/* a scale of next to nothing: further out than any element */
	if (!(fabsf(q) < most))
		return q > 0 ? INT64_C(1) << 40 : q < 0 ? -(INT64_C(1) << 40) : t->zero[0];
	return t->zero[0] + (int64_t)q;
}

void rt_tflite_quant_bounds(const struct rt_tflite_tensor *t, int activation, int64_t bounds[2])
{
	int64_t lo = INT64_MIN, hi = INT64_MAX;

	rt_tflite_quant_limits(t->dtype, bounds);
	if (activation == RT_TFLITE_RELU || activation == RT_TFLITE_RELU6)
		lo = quantised(t, 0);
	if (activation == RT_TFLITE_RELU6)
		hi = quantised(t, 6);
	if (activation == RT_TFLITE_RELU_N1_TO_1)
		lo = quantised(t, -1), hi = quantised(t, 1);
	bounds[0] = lo > bounds[0] ? lo : bounds[0];
	bounds[1] = hi < bounds[1] ? hi : bounds[1];
	if (bounds[0] > bounds[1])
		bounds[0] = bounds[1];
}

/* What store() and the operators write: a file may give a scale to anything. */
static bool is_integer(enum rt_dtype t)
{
	return t == RT_I8 || t == RT_U8 || t == RT_I16 || t == RT_I32;
}

bool rt_tflite_quant_scalar(struct rt_tflite_op *o, const struct rt_tflite_tensor *t)
{
	int64_t limits[2];

	if (t != NULL && t->scales == 1 && t->scale[0] > 0 && is_integer(t->dtype)) {
		rt_tflite_quant_limits(t->dtype, limits);
		if (t->zero[0] >= limits[0] && t->zero[0] <= limits[1])
			return true;
	}
	rt_tflite_refuse(o, "not without one scale and zero point for each tensor");
	return false;
}

/* ---- tables ---------------------------------------------------------------------------------- */

struct curve {
	const char *op;
	const struct rt_tflite_tensor *x, *y;
	float alpha;
	bool approximate;
	int64_t bounds[2];
	int32_t mult, mult2; /* of the fixed-point functions */
	int shift, shift2;
	const struct rt_tflite_quant_table *table; /* of int16; NULL: none */
};

/* Functions that the reference computes in floats, once per table. */
static double real_of(const struct curve *c, double x)
{
	static const struct {
		const char *op;
		double (*fn)(double x);
	} plain[] = {{"Tanh", tanh},   {"Exp", exp},   {"Sin", sin}, {"Log", log},
		     {"Sqrt", sqrt},   {"Abs", fabs},  {"Cos", cos}, {"Ceil", ceil},
		     {"Floor", floor}, {"Round", rint}};

	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		if (strcmp(c->op, plain[i].op) == 0)
			return plain[i].fn(x);
	if (strcmp(c->op, "Sigmoid") == 0)
		return 1 / (1 + exp(-x));
	if (strcmp(c->op, "Elu") == 0)
		return x < 0 ? expm1(x) : x;
	if (strcmp(c->op, "rsqrt") == 0)
		return 1 / sqrt(x);
	if (strcmp(c->op, "square") == 0)
		return x * x;
	if (strcmp(c->op, "Neg") == 0)
		return -x;
	if (strcmp(c->op, "Sign") == 0)
		return x > 0 ? 1 : x < 0 ? -1 : 0;
	if (strcmp(c->op, "gelu") == 0 && c->approximate)
		return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
	if (strcmp(c->op, "gelu") == 0)
		return 0.5 * x * (1 + erf(x * M_SQRT1_2));
	return NAN;
}

/* One of the functions that have fixed-point kernels: rectifiers. */
static int64_t rectified(const struct curve *c, int32_t x)
{
	if (strcmp(c->op, "leaky_relu") == 0 && x < 0)
		return rt_fixed_scale(x, c->mult2, c->shift2);
	return rt_fixed_scale(x, c->mult, c->shift);
}

static bool is_rectifier(const char *op)
{
	return strcmp(op, "Relu") == 0 || strncmp(op, "relu", 4) == 0 ||
	       strcmp(op, "leaky_relu") == 0 || strcmp(op, "rescale") == 0;
}

static int16_t high16(int32_t a, int32_t b, bool round)
{
	const int32_t ab = a * b, nudge = ab >= 0 ? 1 << 14 : 1 - (1 << 14);

	if (a == INT16_MIN && b == INT16_MIN)
		return INT16_MAX;
	return (int16_t)((ab + (round ? nudge : 0)) / (1 << 15));
}

static int32_t left16(int32_t x, int n)
{
	return (int32_t)rt_fixed_clamp(x * ((int64_t)1 << n), INT16_MIN, INT16_MAX);
}

/* x · relu6(x + 3) / 6 in 16 bits: the second factor on [−1, 1], as its kernel has it. */
static int64_t hard_swish(const struct curve *c, int32_t x)
{
	const int32_t high = x * 128;
	const int32_t m = (int32_t)((c->mult + INT64_C(0x8000)) >> 16);
	const int32_t m2 = (int32_t)((c->mult2 + INT64_C(0x8000)) >> 16);
	const int32_t out = high16(high, m > 32767 ? 32767 : m, true);
	int32_t r = high;

	if (c->shift2 > 0)
		r = left16(r, c->shift2 - 1);
	r = high16(r, m2 > 32767 ? 32767 : m2, true);
	if (c->shift2 > 0)
		r = left16(r, 1);
	if (c->shift2 < 0)
		r = rt_fixed_halve(r, -c->shift2);
	r = (r + (1 << 15)) >> 1;
	r = high16(r, out, false);
	return c->shift > 0 ? left16(r, c->shift) : rt_fixed_halve(r, -c->shift);
}

/* What the table says of ${q}. */
static int64_t entry(const struct curve *c, int64_t q)
{
	const int32_t x = (int32_t)(q - c->x->zero[0]);
	const double step = (double)c->y->scale[0];
	int64_t y;

	if (c->table != NULL)
		y = rt_tflite_quant_look(c->table, strcmp(c->op, "Tanh") == 0, x);
	else if (is_rectifier(c->op))
		y = rectified(c, x);
	else if (strcmp(c->op, "HardSwish") == 0)
		y = hard_swish(c, x);
	else
		y = (int64_t)rt_fixed_clamp(
		    llround(fmax(-1e9, fmin(1e9, real_of(c, (double)c->x->scale[0] * x) / step))),
		    INT32_MIN, INT32_MAX);
	return rt_fixed_clamp(y + c->y->zero[0], c->bounds[0], c->bounds[1]);
}

static void store(enum rt_dtype t, void *to, int64_t i, int64_t y)
{
	if (t == RT_I32)
		((int32_t *)to)[i] = (int32_t)y;
	else if (t == RT_I16)
		((int16_t *)to)[i] = (int16_t)y;
	else
		((uint8_t *)to)[i] = (uint8_t)y;
}

/* A node that looks ${v}, which is like ${c->x}, up in a table of what ${c} says. */
static int look_up(struct rt_tflite_op *o, int v, const struct curve *c)
{
	const enum rt_dtype t = c->y->dtype;
	struct rt_tensor table = {t, {0}, NULL};
	int64_t limits[2], count;

	rt_tflite_quant_limits(c->x->dtype, limits);
	count = limits[1] - limits[0] + 1;
	table.shape = rt_shape_of(1, count);
	table.data = rt_lower_alloc(o->l, (size_t)count * rt_dtype_bits(t) / 8);
	if (table.data == NULL)
		return RT_NO_VALUE;
	for (int64_t i = 0; i < count; i++)
		store(t, table.data, i, entry(c, limits[0] + i));
	return rt_lower_node(o->l, RT_LARDER, "Lookup", 2,
			     (int[]){v, rt_lower_constant(o->l, "", &table)}, 1);
}

static int activation_of(const char *op)
{
	return strcmp(op, "Relu") == 0           ? RT_TFLITE_RELU
	       : strcmp(op, "relu6") == 0        ? RT_TFLITE_RELU6
	       : strcmp(op, "relu_n1_to_1") == 0 ? RT_TFLITE_RELU_N1_TO_1
						 : RT_TFLITE_NONE;
}

void rt_tflite_quant_unary(struct rt_tflite_op *o)
{
	struct curve c = {.op = o->row->op, .x = rt_tflite_in(o, 0), .y = rt_tflite_out(o, 0)};
	struct rt_tflite_quant_table table;

	if (!rt_tflite_quant_scalar(o, c.x) || !rt_tflite_quant_scalar(o, c.y))
		return;
	rt_tflite_quant_bounds(c.y, activation_of(c.op), c.bounds);
	if (strcmp(c.op, "relu_0_to_1") == 0) {
		c.bounds[0] = rt_fixed_clamp(c.y->zero[0], c.bounds[0], c.bounds[1]);
		c.bounds[1] = rt_fixed_clamp(quantised(c.y, 1), c.bounds[0], c.bounds[1]);
	}
	rt_fixed_split((double)(c.x->scale[0] / c.y->scale[0]), &c.mult, &c.shift);
	if (strcmp(c.op, "leaky_relu") == 0) {
		c.alpha = rt_tflite_opt_float(o, 0, 0);
		if (!(c.alpha >= 0) || c.alpha > 1e6f) {
			rt_tflite_refuse(o, "not with a slope below zero");
			return;
		}
		rt_fixed_split((double)(c.x->scale[0] * c.alpha / c.y->scale[0]), &c.mult2,
			       &c.shift2);
	}
	if ((strcmp(c.op, "Tanh") == 0 || strcmp(c.op, "Sigmoid") == 0) &&
	    rt_tflite_quant_table(c.x, c.y, &table))
		c.table = &table;
	if (strcmp(c.op, "gelu") == 0)
		c.approximate = rt_tflite_opt_byte(o, 0, 0) != 0;
	if (strcmp(c.op, "HardSwish") == 0) {
		const float high = 1.0f / 128.0f * c.x->scale[0];

		if (c.x->dtype == RT_I16) {
			rt_tflite_quant_as_real(o);
			return;
		}
		rt_fixed_split((double)(high / c.y->scale[0]), &c.mult, &c.shift);
		rt_fixed_split((double)(high / (3.0f / 32768.0f)), &c.mult2, &c.shift2);
	}
	rt_tflite_give(o, 0, look_up(o, rt_tflite_value(o, 0), &c));
}

int rt_tflite_quant_rescale(struct rt_tflite_op *o, int v, const struct rt_tflite_tensor *from,
			    const struct rt_tflite_tensor *to)
{
	struct curve c = {.op = "rescale", .x = from, .y = to};

	rt_tflite_quant_limits(to->dtype, c.bounds);
	rt_fixed_split((double)from->scale[0] / (double)to->scale[0], &c.mult, &c.shift);
	return look_up(o, v, &c);
}

/* ---- to and from real numbers ---------------------------------------------------------------- */

static int zero_constant(struct rt_tflite_op *o, const struct rt_tflite_tensor *t)
{
	struct rt_tensor z = {t->dtype, rt_shape_of(1, (int64_t)t->scales), NULL};
	size_t bytes = (size_t)t->scales * rt_dtype_bits(t->dtype) / 8;

	z.data = rt_lower_alloc(o->l, bytes);
	for (int i = 0; i < t->scales && z.data != NULL; i++)
		store(t->dtype, z.data, i, t->zero[i]);
	if (t->scales == 1)
		z.shape.rank = 0;
	return rt_lower_constant(o->l, "", &z);
}

int rt_tflite_quant_dequantize(struct rt_tflite_op *o, int v, const struct rt_tflite_tensor *t)
{
	struct rt_tensor scale = {RT_F32, rt_shape_of(1, (int64_t)t->scales),
				  (void *)(uintptr_t)t->scale};

	if (t->scales == 1)
		scale.shape.rank = 0;
	v = rt_lower_op3(o->l, "DequantizeLinear", v, rt_lower_constant(o->l, "", &scale),
			 zero_constant(o, t));
	if (t->scales > 1)
		rt_lower_set_int(o->l, "axis", t->axis);
	return v;
}

void rt_tflite_lower_dequantize(struct rt_tflite_op *o)
{
	const struct rt_tflite_tensor *t = rt_tflite_in(o, 0);
	int v;

	if (!rt_tflite_expects(o, 1))
		return;
	if (t->scales > 0 && t->dtype != RT_F16 && !is_integer(t->dtype)) {
		rt_tflite_refuse(o, "not from that element type");
		return;
	}
	v = rt_tflite_value(o, 0);
	if (t->scales > 0 && t->dtype != RT_F16)
		v = rt_tflite_quant_dequantize(o, v, t);
	else
		v = rt_lower_cast(o->l, v, RT_F32);
	rt_tflite_give(o, 0, v);
}

static const char *type_name(enum rt_dtype t)
{
	return t == RT_U8 ? "uint8" : t == RT_I8 ? "int8" : t == RT_I16 ? "int16" : "int32";
}

/* Numbers of a node whose result is like ${t}. */
static void set_result(struct rt_tflite_op *o, const struct rt_tflite_tensor *t, int activation)
{
	int64_t b[2];

	rt_tflite_quant_bounds(t, activation, b);
	rt_lower_set_string(o->l, "to", type_name(t->dtype));
	rt_lower_set_int(o->l, "y_zero", t->zero[0]);
	rt_lower_set_int(o->l, "lo", b[0]);
	rt_lower_set_int(o->l, "hi", b[1]);
}

int rt_tflite_quant_quantize(struct rt_tflite_op *o, int v, const struct rt_tflite_tensor *t)
{
	v = rt_lower_node(o->l, RT_LARDER, "Quantize", 1, &v, 1);
	rt_lower_set_float(o->l, "y_scale", t->scale[0]);
	set_result(o, t, RT_TFLITE_NONE);
	return v;
}

/* From floats, or from other integers. */
void rt_tflite_lower_quantize(struct rt_tflite_op *o)
{
	const struct rt_tflite_tensor *x = rt_tflite_in(o, 0), *y = rt_tflite_out(o, 0);
	int32_t mult;
	int shift, v;

	if (!rt_tflite_expects(o, 1) || !rt_tflite_quant_scalar(o, y))
		return;
	v = rt_tflite_value(o, 0);
	if (x->dtype == RT_F32) {
		rt_tflite_give(o, 0, rt_tflite_quant_quantize(o, v, y));
		return;
	}
	if (!rt_tflite_quant_scalar(o, x))
		return;
	if (rt_dtype_bits(x->dtype) == 8) {
		rt_tflite_give(o, 0, rt_tflite_quant_rescale(o, v, x, y));
		return;
	}
	rt_fixed_split((double)x->scale[0] / (double)y->scale[0], &mult, &shift);
	v = rt_lower_node(o->l, RT_LARDER, "Requantize", 1, &v, 1);
	rt_lower_set_int(o->l, "mult", mult);
	rt_lower_set_int(o->l, "shift", shift);
	rt_lower_set_int(o->l, "x_zero", x->zero[0]);
	set_result(o, y, RT_TFLITE_NONE);
	rt_tflite_give(o, 0, v);
}

/* ---- two operands ---------------------------------------------------------------------------- */

struct pair {
	const char *kind;
	int left;       /* bits that operands are shifted by */
	double a, b, y; /* multipliers */
};

static void pair_node(struct rt_tflite_op *o, const struct pair *p, int activation)
{
	const struct rt_tflite_tensor *a = rt_tflite_in(o, 0), *b = rt_tflite_in(o, 1);
	const double x[3] = {p->a, p->b, p->y};
	int64_t mults[3], shifts[3];
	int32_t mult;
	int shift, v;

	for (int i = 0; i < 3; i++) {
		rt_fixed_split(x[i], &mult, &shift);
		mults[i] = mult, shifts[i] = shift;
	}
	v = rt_lower_node(o->l, RT_LARDER, "QuantPair", 2,
			  (int[]){rt_tflite_value(o, 0), rt_tflite_value(o, 1)}, 1);
	rt_lower_set_string(o->l, "kind", p->kind);
	rt_lower_set_int(o->l, "left", p->left);
	rt_lower_set_ints(o->l, "mult", 3, mults);
	rt_lower_set_ints(o->l, "shift", 3, shifts);
	rt_lower_set_ints(o->l, "zeros", 2, (int64_t[]){a->zero[0], b->zero[0]});
	set_result(o, rt_tflite_out(o, 0), activation);
	rt_tflite_give(o, 0, v);
}

static bool pair_fits(struct rt_tflite_op *o)
{
	const struct rt_tflite_tensor *a = rt_tflite_in(o, 0), *b = rt_tflite_in(o, 1),
				      *y = rt_tflite_out(o, 0);

	if (!rt_tflite_quant_scalar(o, a) || !rt_tflite_quant_scalar(o, b) ||
	    !rt_tflite_quant_scalar(o, y))
		return false;
	if (a->dtype == b->dtype && a->dtype == y->dtype)
		return true;
	rt_tflite_refuse(o, "not with these element types together");
	return false;
}

void rt_tflite_quant_binary(struct rt_tflite_op *o, int activation)
{
	const struct rt_tflite_tensor *a, *b, *y;
	struct pair p = {.kind = o->row->op};
	double most;

	if (strcmp(p.kind, "Max") == 0 || strcmp(p.kind, "Min") == 0) {
		rt_tflite_give(
		    o, 0, rt_lower_op2(o->l, p.kind, rt_tflite_value(o, 0), rt_tflite_value(o, 1)));
		return;
	}
	if (!pair_fits(o))
		return;
	a = rt_tflite_in(o, 0), b = rt_tflite_in(o, 1), y = rt_tflite_out(o, 0);
	most = 2 * fmax((double)a->scale[0], (double)b->scale[0]);
	if (strcmp(p.kind, "Add") == 0 || strcmp(p.kind, "Sub") == 0) {
		p.left = a->dtype == RT_I16 ? 15 : 20;
		p.y = most / ((double)(1 << p.left) * (double)y->scale[0]);
	} else if (o->row->code == 99) { /* SQUARED_DIFFERENCE */
		p.kind = "SquaredDifference";
		p.left = a->dtype == RT_I16 ? 0 : 7;
		p.y = most * most / ((double)(1 << (2 * p.left)) * (double)y->scale[0]);
	} else if (strcmp(p.kind, "Mul") == 0) {
		p.y = (double)(a->scale[0] * b->scale[0] / y->scale[0]);
	} else {
		rt_tflite_quant_as_real(o);
		return;
	}
	p.a = (double)a->scale[0] / most;
	p.b = (double)b->scale[0] / most;
	pair_node(o, &p, activation);
}

/* PRELU: x, or slope · x where it is less than zero; slopes broadcast. */
void rt_tflite_lower_prelu(struct rt_tflite_op *o)
{
	const struct rt_tflite_tensor *a = rt_tflite_in(o, 0), *b = rt_tflite_in(o, 1),
				      *y = rt_tflite_out(o, 0);
	struct pair p = {.kind = "PRelu"};

	if (!rt_tflite_expects(o, 2))
		return;
	if (!rt_tflite_is_quantised(a)) {
		rt_tflite_give(
		    o, 0,
		    rt_lower_op2(o->l, "PRelu", rt_tflite_value(o, 0), rt_tflite_value(o, 1)));
		return;
	}
	if (!pair_fits(o))
		return;
	p.a = (double)(a->scale[0] / y->scale[0]);
	p.y = (double)(a->scale[0] * b->scale[0] / y->scale[0]);
	pair_node(o, &p, RT_TFLITE_NONE);
}

/* With the same numbers, bytes compare as they are; with others, on the scale that both have. */
int rt_tflite_quant_comparable(struct rt_tflite_op *o, int k)
{
	const struct rt_tflite_tensor *t = rt_tflite_in(o, k), *other = rt_tflite_in(o, 1 - k);
	const int v = rt_tflite_value(o, k);

	if (!rt_tflite_is_quantised(t) || !rt_tflite_is_quantised(other) ||
	    rt_tflite_same_numbers(t, other))
		return v;
	return rt_tflite_quant_dequantize(o, v, t);
}
