/* SPDX-License-Identifier: MIT */
/*
 * pass_quant_qdq.c — an operator between DequantizeLinear and QuantizeLinear
 * becomes one on bytes: its QLinear form, or a table for functions of one
 * operand.  Called by pass_quant.c.
 *
 * Relu and Clip before QuantizeLinear become bounds of the quantised result,
 * which is the same to the bit, because quantising never changes an order.  A
 * float32 bias is quantised with the scale of the sums, as QLinearConv has it.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/pass_quant.h"

/* QuantizeLinear at the end, and what bounds its results. */
struct end {
	int node;          /* QuantizeLinear */
	struct rt_quant y; /* q: its output */
	float lo, hi;      /* reals; ±inf */
};

static struct rt_node *node_at(const struct rt_fuse *f, int i)
{
	return &f->graph->nodes[i];
}

static float number(const struct rt_fuse *f, int v)
{
	return *(const float *)rt_pass_fuse_constant(f, v)->data;
}

static bool read_end(const struct rt_fuse *f, int node, struct end *e)
{
	const struct rt_node *n = node_at(f, node);
	const struct rt_tensor *scale, *zero;

	if (strcmp(n->op_type, "QuantizeLinear") != 0 ||
	    (n->domain != RT_ONNX && n->domain != RT_MS) || rt_node_int(n, "block_size", 0) != 0 ||
	    n->out[0] == RT_NO_VALUE)
		return false;
	*e = (struct end){.node = node, .lo = -INFINITY, .hi = INFINITY};
	e->y = (struct rt_quant){.q = n->out[0],
				 .scale = rt_pass_quant_input(n, 1),
				 .zero = rt_pass_quant_input(n, 2),
				 .type = f->graph->values[n->out[0]].dtype};
	scale = rt_pass_fuse_constant(f, e->y.scale);
	zero = rt_pass_fuse_constant(f, e->y.zero);
	return f->graph->values[n->in[0]].dtype == RT_F32 &&
	       (e->y.type == RT_I8 || e->y.type == RT_U8) && scale && scale->dtype == RT_F32 &&
	       rt_tensor_elems(scale) == 1 && number(f, e->y.scale) > 0 &&
	       (e->y.zero == RT_NO_VALUE || (zero && rt_tensor_elems(zero) == 1));
}

static float within(float x, float lo, float hi)
{
	return fminf(fmaxf(x, lo), hi);
}

/* The node that makes ${v} when only ${reader} reads it; −1. */
static int only_producer(const struct rt_fuse *f, int v, int reader)
{
	int p = v == RT_NO_VALUE ? -1 : f->graph->values[v].producer;

	return p >= 0 && rt_pass_fuse_reader(f, v) == reader && !node_at(f, p)->dead ? p : -1;
}

static bool after_source(const struct rt_fuse *f, int node)
{
	struct rt_quant x;

	return rt_pass_quant_source(f, node_at(f, node)->in[0], &x);
}

/* The operator at the beginning: before Relu and Clip, which are noted; −1: none. */
static int walk_back(const struct rt_fuse *f, struct end *e)
{
	int at = e->node;

	for (;;) {
		struct rt_unary_params p;
		int before = only_producer(f, node_at(f, at)->in[0], at), function;
		float lo, hi;
		if (before < 0)
			return -1;
		function = rt_pass_fuse_function(f, node_at(f, before), &p);
		if (function == RT_UNARY_RELU)
			lo = 0, hi = INFINITY;
		else if (function == RT_UNARY_CLIP)
			lo = p.a, hi = p.b;
		else
			return before;
		if (after_source(f, before) || !(lo <= hi))
			return before; /* on its own, it is a table */
		lo = within(lo, e->lo, e->hi), hi = within(hi, e->lo, e->hi);
		e->lo = lo, e->hi = hi;
		at = before;
	}
}

/* ${node} has become the operator on bytes: it makes what QuantizeLinear made. */
static bool finish(struct rt_fuse *f, int node, const struct end *e)
{
	const float scale = number(f, e->y.scale);
	struct rt_node *n = node_at(f, node);

	for (int at = e->node; at != node; at = f->graph->values[node_at(f, at)->in[0]].producer)
		node_at(f, at)->dead = true;
	n->out[0] = e->y.q;
	n->out_count = 1;
	f->graph->values[e->y.q].producer = node;
	return (isinf(e->lo) ||
		rt_pass_quant_set_float(f, node, "q_lo", nearbyintf(e->lo / scale))) &&
	       (isinf(e->hi) ||
		rt_pass_quant_set_float(f, node, "q_hi", nearbyintf(e->hi / scale)));
}

/* ---- products -------------------------------------------------------------------------------- */

/* The bias ${v} of ${count} numbers as int32 with the scale of the sums; RT_NO_VALUE stays;
 * CANNOT: it can't be. */
#define CANNOT (-2)
static int bias_of(struct rt_fuse *f, int v, int64_t count, const struct rt_quant *x,
		   const struct rt_quant *w)
{
	const struct rt_tensor *scales = rt_pass_fuse_constant(f, w->scale), *c, *s = NULL,
			       *z = NULL;
	const int p = v == RT_NO_VALUE ? -1 : f->graph->values[v].producer;
	struct rt_tensor t = {.dtype = RT_I32, .shape = rt_shape_of(1, count)};
	const bool many = rt_tensor_elems(scales) != 1;
	int made;

	if (v == RT_NO_VALUE)
		return RT_NO_VALUE;
	c = rt_pass_fuse_constant(f, v);
	if (p >= 0 && !strcmp(node_at(f, p)->op_type, "DequantizeLinear")) {
		c = rt_pass_fuse_constant(f, node_at(f, p)->in[0]);
		s = rt_pass_fuse_constant(f, rt_pass_quant_input(node_at(f, p), 1));
		z = rt_pass_fuse_constant(f, rt_pass_quant_input(node_at(f, p), 2));
		if (!c || c->dtype != RT_I32 || !s || s->dtype != RT_F32 ||
		    (rt_tensor_elems(s) != 1 && rt_tensor_elems(s) != count))
			return CANNOT;
		for (int64_t i = 0; z && i < rt_tensor_elems(z); i++)
			if (z->dtype != RT_I32 || ((const int32_t *)z->data)[i] != 0)
				return CANNOT;
	}
	if (!c || (!s && c->dtype != RT_F32) || rt_tensor_elems(c) != count)
		return CANNOT;
	if (!(t.data = rt_graph_alloc(f->graph, (size_t)count * sizeof(int32_t) + 1))) {
		f->failed = true;
		return CANNOT;
	}
	for (int64_t i = 0; i < count; i++) {
		const double of = (double)number(f, x->scale) *
				  (double)((const float *)scales->data)[many ? i : 0];
		const double real =
		    s ? (double)((const int32_t *)c->data)[i] *
			    (double)((const float *)s->data)[rt_tensor_elems(s) == 1 ? 0 : i]
		      : (double)((const float *)c->data)[i];
		const double q = real == 0 ? 0 : nearbyint(real / of);
		if (!(fabs(q) < 1073741824.0))
			return CANNOT;
		((int32_t *)t.data)[i] = (int32_t)q;
	}
	if ((made = rt_graph_add_constant(f->graph, "", &t)) < 0)
		f->failed = true;
	return made < 0 ? CANNOT : made;
}

/* Whether the scales of weights are one, or one for each index of dim ${axis}. */
static bool scales_along(const struct rt_fuse *f, const struct rt_quant *w, int64_t axis)
{
	const int64_t n = rt_tensor_elems(rt_pass_fuse_constant(f, w->scale));
	const struct rt_shape *s = &rt_pass_fuse_constant(f, w->q)->shape;

	return n == 1 || (w->axis == axis && n == s->dims[axis]);
}

static bool conv(struct rt_fuse *f, int node, const struct end *e)
{
	const struct rt_node *n = node_at(f, node);
	struct rt_quant x, w;
	int bias, in[9];

	if (!rt_pass_quant_source(f, n->in[0], &x) || x.type != e->y.type ||
	    !rt_pass_quant_weights(f, n->in[1], &w) ||
	    rt_pass_fuse_constant(f, w.q)->shape.rank < 3 || !scales_along(f, &w, 0))
		return false;
	bias = bias_of(f, rt_pass_quant_input(n, 2), rt_pass_fuse_constant(f, w.q)->shape.dims[0],
		       &x, &w);
	if (bias == CANNOT)
		return false;
	in[0] = x.q, in[1] = x.scale, in[2] = rt_pass_quant_zero(f, &x);
	in[3] = w.q, in[4] = w.scale, in[5] = rt_pass_quant_zero(f, &w);
	in[6] = e->y.scale, in[7] = rt_pass_quant_zero(f, &e->y), in[8] = bias;
	return !f->failed &&
	       rt_pass_quant_become(f, node, RT_MS, "QLinearConv", bias == RT_NO_VALUE ? 8 : 9,
				    in) &&
	       finish(f, node, e);
}

static bool matmul(struct rt_fuse *f, int node, const struct end *e)
{
	const struct rt_node *n = node_at(f, node);
	struct rt_quant a, b;
	int in[8];

	if (!rt_pass_quant_source(f, n->in[0], &a))
		return false;
	if (rt_pass_quant_weights(f, n->in[1], &b)) {
		const int rank = rt_pass_fuse_constant(f, b.q)->shape.rank;
		if (rank < 2 || !scales_along(f, &b, rank - 1))
			return false;
	} else if (!rt_pass_quant_source(f, n->in[1], &b)) {
		return false;
	}
	in[0] = a.q, in[1] = a.scale, in[2] = rt_pass_quant_zero(f, &a);
	in[3] = b.q, in[4] = b.scale, in[5] = rt_pass_quant_zero(f, &b);
	in[6] = e->y.scale, in[7] = rt_pass_quant_zero(f, &e->y);
	return !f->failed && rt_pass_quant_become(f, node, RT_ONNX, "QLinearMatMul", 8, in) &&
	       finish(f, node, e);
}

/* A Gemm that is a product and a bias per column. */
static bool read_gemm(const struct rt_fuse *f, const struct rt_node *n, struct rt_quant *a,
		      struct rt_quant *b, int64_t *columns)
{
	const struct rt_tensor *w;
	const int along = rt_node_int(n, "transB", 0) ? 0 : 1;

	if (!rt_pass_quant_source(f, n->in[0], a) || !rt_pass_quant_weights(f, n->in[1], b) ||
	    rt_node_int(n, "transA", 0) != 0 || rt_node_float(n, "alpha", 1) != 1.0f ||
	    rt_node_float(n, "beta", 1) != 1.0f)
		return false;
	w = rt_pass_fuse_constant(f, b->q);
	if (w->shape.rank != 2 || !scales_along(f, b, along))
		return false;
	*columns = w->shape.dims[along];
	return true;
}

static bool gemm(struct rt_fuse *f, int node, const struct end *e)
{
	const struct rt_node *n = node_at(f, node);
	struct rt_quant a, b;
	int64_t columns;
	int in[9], bias;

	if (!isinf(e->lo) || !isinf(e->hi) || !read_gemm(f, n, &a, &b, &columns))
		return false;
	bias = bias_of(f, rt_pass_quant_input(n, 2), columns, &a, &b);
	if (bias == CANNOT)
		return false;
	in[0] = a.q, in[1] = a.scale, in[2] = rt_pass_quant_zero(f, &a);
	in[3] = b.q, in[4] = b.scale, in[5] = rt_pass_quant_zero(f, &b);
	in[6] = bias, in[7] = e->y.scale, in[8] = rt_pass_quant_zero(f, &e->y);
	return !f->failed && rt_pass_quant_become(f, node, RT_MS, "QGemm", 9, in) &&
	       finish(f, node, e);
}

/* ---- others ---------------------------------------------------------------------------------- */

static bool binary(struct rt_fuse *f, int node, const struct end *e)
{
	const struct rt_node *n = node_at(f, node);
	const char *name = strcmp(n->op_type, "Mul") ? "QLinearAdd" : "QLinearMul";
	struct rt_quant a, b;
	int in[8];

	if (n->in_count != 2 || !rt_pass_quant_source(f, n->in[0], &a) ||
	    !rt_pass_quant_source(f, n->in[1], &b) || a.type != b.type || a.type != e->y.type)
		return false;
	in[0] = a.q, in[1] = a.scale, in[2] = rt_pass_quant_zero(f, &a);
	in[3] = b.q, in[4] = b.scale, in[5] = rt_pass_quant_zero(f, &b);
	in[6] = e->y.scale, in[7] = rt_pass_quant_zero(f, &e->y);
	return !f->failed && rt_pass_quant_become(f, node, RT_MS, name, 8, in) &&
	       finish(f, node, e);
}

static bool one_operand(struct rt_fuse *f, int node, const struct end *e, enum rt_domain domain,
			const char *name)
{
	struct rt_quant x;
	int in[5];

	if (!isinf(e->lo) || !isinf(e->hi) ||
	    !rt_pass_quant_source(f, node_at(f, node)->in[0], &x) || x.type != e->y.type)
		return false;
	in[0] = x.q, in[1] = x.scale, in[2] = rt_pass_quant_zero(f, &x);
	in[3] = e->y.scale, in[4] = rt_pass_quant_zero(f, &e->y);
	return !f->failed && rt_pass_quant_become(f, node, domain, name, 5, in) &&
	       finish(f, node, e);
}

static bool pool(struct rt_fuse *f, int node, const struct end *e)
{
	return one_operand(f, node, e, RT_MS,
			   strcmp(node_at(f, node)->op_type, "AveragePool")
			       ? "QLinearGlobalAveragePool"
			       : "QLinearAveragePool");
}

static bool concat(struct rt_fuse *f, int node, const struct end *e)
{
	enum { MOST = 32 };
	const struct rt_node *n = node_at(f, node);
	int in[2 + 3 * MOST];

	if (n->in_count > MOST || !isinf(e->lo) || !isinf(e->hi))
		return false;
	in[0] = e->y.scale, in[1] = rt_pass_quant_zero(f, &e->y);
	for (int i = 0; i < n->in_count; i++) {
		struct rt_quant x;
		if (!rt_pass_quant_source(f, n->in[i], &x) || x.type != e->y.type)
			return false;
		in[2 + i * 3] = x.q, in[3 + i * 3] = x.scale;
		in[4 + i * 3] = rt_pass_quant_zero(f, &x);
		n = node_at(f, node);
	}
	return !f->failed &&
	       rt_pass_quant_become(f, node, RT_MS, "QLinearConcat", 2 + 3 * n->in_count, in) &&
	       finish(f, node, e);
}

/* A function of one operand: a table of 256. */
static bool function(struct rt_fuse *f, int node, const struct end *e)
{
	struct rt_unary_params p;
	const int which = rt_pass_fuse_function(f, node_at(f, node), &p);
	const struct rt_attr act = {.name = "act", .kind = RT_ATTR_INT, .i = which};

	return which >= 0 && one_operand(f, node, e, RT_LARDER, "QUnary") &&
	       rt_pass_fuse_set(f, node, &act) && rt_pass_quant_set_float(f, node, "act_a", p.a) &&
	       rt_pass_quant_set_float(f, node, "act_b", p.b);
}

static bool same_number(const struct rt_fuse *f, int a, int b)
{
	const struct rt_tensor *x = rt_pass_fuse_constant(f, a), *y = rt_pass_fuse_constant(f, b);
	const uint8_t zero = 0, *i = x ? x->data : &zero, *j = y ? y->data : &zero;

	return a == b || *i == *j;
}

/* What moves elements and does not change them: on bytes, if both ends have the same numbers. */
static bool move(struct rt_fuse *f, int node, const struct end *e)
{
	struct rt_quant x;

	if (!isinf(e->lo) || !isinf(e->hi) ||
	    !rt_pass_quant_source(f, node_at(f, node)->in[0], &x) || x.type != e->y.type ||
	    number(f, x.scale) != number(f, e->y.scale) || !same_number(f, x.zero, e->y.zero) ||
	    node_at(f, node)->out_count != 1)
		return false;
	node_at(f, node)->in[0] = x.q;
	node_at(f, node)->op = NULL;
	return finish(f, node, e);
}

static const struct {
	const char *op_type;
	bool (*rule)(struct rt_fuse *f, int node, const struct end *e);
} rules[] = {
    {"Conv", conv},
    {"MatMul", matmul},
    {"Gemm", gemm},
    {"Add", binary},
    {"Mul", binary},
    {"AveragePool", pool},
    {"GlobalAveragePool", pool},
    {"Concat", concat},
    {"Flatten", move},
    {"MaxPool", move},
    {"Reshape", move},
    {"Squeeze", move},
    {"Transpose", move},
    {"Unsqueeze", move},
};

bool rt_pass_quant_qdq(struct rt_fuse *f, int node)
{
	struct end e;
	int at;

	if (!read_end(f, node, &e) || (at = walk_back(f, &e)) < 0 ||
	    node_at(f, at)->domain != RT_ONNX || node_at(f, at)->in_count < 1 ||
	    node_at(f, at)->in[0] == RT_NO_VALUE)
		return false;
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		if (!strcmp(rules[i].op_type, node_at(f, at)->op_type))
			return rules[i].rule(f, at, &e);
	return function(f, at, &e);
}

/* ---- results in float32 ---------------------------------------------------------------------- */

/* A bias of ${count} numbers as float32 [count]; RT_NO_VALUE stays. */
static int real_bias(struct rt_fuse *f, int v, int64_t count)
{
	const struct rt_tensor *c = rt_pass_fuse_constant(f, v), *s;
	const struct rt_node *n;
	int p, made;
	float *to;

	if (v == RT_NO_VALUE)
		return RT_NO_VALUE;
	if (c)
		return c->dtype == RT_F32 && c->shape.rank == 1 && c->shape.dims[0] == count
			   ? v
			   : CANNOT;
	p = f->graph->values[v].producer;
	if (p < 0)
		return CANNOT;
	n = node_at(f, p);
	c = rt_pass_fuse_constant(f, n->in[0]);
	s = rt_pass_fuse_constant(f, rt_pass_quant_input(n, 1));
	if (strcmp(n->op_type, "DequantizeLinear") != 0 || !c || c->dtype != RT_I32 || !s ||
	    s->dtype != RT_F32 || rt_tensor_elems(c) != count ||
	    (rt_tensor_elems(s) != 1 && rt_tensor_elems(s) != count))
		return CANNOT;
	if (rt_pass_quant_input(n, 2) != RT_NO_VALUE) {
		const struct rt_tensor *z = rt_pass_fuse_constant(f, n->in[2]);
		for (int64_t i = 0; z && i < rt_tensor_elems(z); i++)
			if (z->dtype != RT_I32 || ((const int32_t *)z->data)[i] != 0)
				return CANNOT;
		if (!z)
			return CANNOT;
	}
	if ((made = rt_pass_fuse_floats(f, count, &to)) < 0)
		return CANNOT;
	for (int64_t i = 0; i < count; i++)
		to[i] = (float)((const int32_t *)c->data)[i] *
			((const float *)s->data)[rt_tensor_elems(s) == 1 ? 0 : i];
	return made;
}

bool rt_pass_quant_real(struct rt_fuse *f, int node)
{
	const struct rt_node *n = node_at(f, node);
	const bool is_conv = rt_pass_fuse_is(n, RT_ONNX, "Conv");
	const bool is_gemm = rt_pass_fuse_is(n, RT_ONNX, "Gemm");
	struct rt_quant a, b;
	int64_t columns = 0;
	int in[7], bias;

	if (!is_conv && !is_gemm && !rt_pass_fuse_is(n, RT_ONNX, "MatMul"))
		return false;
	if (is_gemm) {
		if (!read_gemm(f, n, &a, &b, &columns))
			return false;
	} else {
		const struct rt_tensor *w;
		if (!rt_pass_quant_source(f, n->in[0], &a) ||
		    !rt_pass_quant_weights(f, n->in[1], &b))
			return false;
		w = rt_pass_fuse_constant(f, b.q);
		if (is_conv ? w->shape.rank < 3 : w->shape.rank != 2)
			return false;
		if (!scales_along(f, &b, is_conv ? 0 : 1))
			return false;
		columns = w->shape.dims[is_conv ? 0 : 1];
	}
	bias = real_bias(f, is_conv || is_gemm ? rt_pass_quant_input(n, 2) : RT_NO_VALUE, columns);
	if (bias == CANNOT)
		return false;
	in[0] = a.q, in[1] = b.q, in[2] = a.scale, in[3] = b.scale;
	in[4] = rt_pass_quant_zero(f, &a), in[5] = rt_pass_quant_zero(f, &b), in[6] = bias;
	return !f->failed &&
	       rt_pass_quant_become(f, node, RT_LARDER,
				    is_conv ? "ConvIntegerToFloat" : "MatMulIntegerToFloat", 7, in);
}
