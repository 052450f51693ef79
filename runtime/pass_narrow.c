/* SPDX-License-Identifier: MIT */
/*
 * pass_narrow.c — models of float16 or bfloat16 run in float32.  Every node that
 * could run in float32 does: its half-width inputs are widened (constants once,
 * here), and its outputs are narrowed only where somebody still reads them in
 * half width: the outputs of the model, and operators that only know half.
 * Between two nodes that were widened nothing is converted.
 *
 * Large constants stay as they are: weights of products (ops/matmul.c widens them
 * a piece at a time), and what operators that only move elements read, such as
 * the table of a Gather, of which a run widens what comes out.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/op.h"

struct narrow {
	struct rt_graph *g;
	struct rt_error *err;
	int *wide; /* [cap]: the float32 twin of a half-width value; −1: none yet */
	int cap;
};

static bool is_half(enum rt_dtype t)
{
	return t == RT_F16 || t == RT_BF16;
}

static int no_memory(struct narrow *p)
{
	return rt_error_set(p->err, RT_BUDGET,
			    "the model, widened to float32, does not fit into its memory budget");
}

static bool any_half(const struct rt_graph *g, const struct rt_node *n)
{
	for (int i = 0; i < n->in_count; i++) {
		if (n->in[i] != RT_NO_VALUE && is_half(g->values[n->in[i]].dtype))
			return true;
	}
	return false;
}

/* Does the node compute in the type of its row's input, and can that be float32? */
static bool should_widen(const struct rt_graph *g, const struct rt_node *n)
{
	int v = RT_NO_VALUE;

	if (!any_half(g, n) || strcmp(n->op_type, "Cast") == 0 || (n->dtypes & RT_M(F32)) == 0)
		return false;
	for (int i = 0; i < n->attr_count; i++) {
		if (n->attrs[i].kind == RT_ATTR_GRAPH)
			return false;
	}
	for (int i = 0; i < n->out_count; i++) {
		if (n->out[i] != RT_NO_VALUE && rt_dtype_is_list(g->values[n->out[i]].dtype))
			return false;
	}
	if (n->dtype_input < 0)
		return false; /* the output's type comes from elsewhere */
	if (n->dtype_input < n->in_count)
		v = n->in[n->dtype_input];
	return v != RT_NO_VALUE && is_half(g->values[v].dtype);
}

/* Does the node only move elements?  Such rows take strings as well. */
static bool only_moves(const struct rt_node *n)
{
	return (n->dtypes & RT_M(STR)) != 0 && (n->dtypes & RT_M(F16)) != 0 &&
	       (n->dtypes & RT_M(BF16)) != 0;
}

/* Is input ${k} of ${n} the weights of a product, which may stay half as wide? */
static bool is_weights(const struct rt_graph *g, const struct rt_node *n, int k)
{
	const struct rt_value *w;

	if (k != 1 || n->domain != RT_ONNX || n->in[0] == n->in[1] ||
	    (strcmp(n->op_type, "MatMul") != 0 && strcmp(n->op_type, "Gemm") != 0))
		return false;
	w = &g->values[n->in[1]];
	return w->is_constant && w->constant.shape.rank >= 2 && rt_tensor_elems(&w->constant) > 0;
}

/* A value of another type, and its place in the table. */
static int add_value(struct narrow *p, const char *name, enum rt_dtype t)
{
	int v = rt_graph_add_value(p->g, name, t), *bigger;

	if (v >= p->cap) {
		bigger = realloc(p->wide, sizeof(*bigger) * ((size_t)v + 1) * 2);
		if (bigger == NULL)
			return -1;
		for (int i = p->cap; i < (v + 1) * 2; i++)
			bigger[i] = -1;
		p->wide = bigger;
		p->cap = (v + 1) * 2;
	}
	return v;
}

static int add_cast(struct narrow *p, int from, int to)
{
	int at = rt_graph_add_node(p->g, RT_ONNX, "Cast", 1, 1, 1);
	const enum rt_dtype t = p->g->values[to].dtype;
	struct rt_node *n;

	if (at < 0)
		return -1;
	n = &p->g->nodes[at];
	n->in[0] = from;
	n->out[0] = to;
	n->attrs[0] = (struct rt_attr){.name = "to", .kind = RT_ATTR_INT};
	n->attrs[0].i = t == RT_F32 ? 1 : t == RT_F16 ? 10 : 16; /* TensorProto.DataType */
	if (n->opset < 13)
		n->opset = 13; /* the first whose Cast takes bfloat16 */
	p->g->values[to].producer = at;
	return at;
}

static int widen_constant(struct narrow *p, int v)
{
	struct rt_tensor t = p->g->values[v].constant;
	const uint16_t *half = t.data;
	int64_t n = rt_tensor_elems(&t);
	bool is_bf16 = t.dtype == RT_BF16;
	size_t bytes;
	float *wide;
	int twin;

	t.dtype = RT_F32;
	if (!rt_shape_bytes(&t.shape, RT_F32, &bytes))
		return -1;
	twin = add_value(p, p->g->values[v].name, RT_F32);
	wide = t.data = rt_graph_alloc(p->g, bytes);
	if (twin < 0 || wide == NULL)
		return -1;
	for (int64_t i = 0; i < n; i++)
		wide[i] = is_bf16 ? rt_bf16_to_f32(half[i]) : rt_f16_to_f32(half[i]);
	p->g->values[twin].is_constant = true;
	p->g->values[twin].constant = t;
	p->g->values[twin].shape = t.shape;
	return twin;
}

/* The float32 twin of ${v}. */
static int wide_of(struct narrow *p, int v)
{
	int twin = p->wide[v];

	if (twin >= 0)
		return twin;
	if (p->g->values[v].is_constant) {
		twin = widen_constant(p, v);
	} else {
		twin = add_value(p, p->g->values[v].name, RT_F32);
		if (twin >= 0 && add_cast(p, v, twin) < 0)
			twin = -1;
	}
	if (twin >= 0)
		p->wide[v] = twin;
	return twin;
}

/*
 * Half-width outputs that follow the inputs become float32.  Those whose type an
 * attribute fixes stay as they are.
 */
static int twin_outputs(struct narrow *p, int i)
{
	const struct rt_node *n = &p->g->nodes[i];
	rt_op_type_f *type = n->op->type != NULL ? n->op->type : rt_op_type_same;
	enum rt_dtype *types = calloc((size_t)n->out_count + 1, sizeof(*types));
	int status = types != NULL ? type(p->g, n, types, p->err) : no_memory(p);

	for (int k = 0; k < p->g->nodes[i].out_count && status == RT_OK; k++) {
		int v = p->g->nodes[i].out[k], twin;

		if (v == RT_NO_VALUE || !is_half(p->g->values[v].dtype) || types[k] != RT_F32)
			continue;
		twin = add_value(p, p->g->values[v].name, RT_F32);
		if (twin < 0 || add_cast(p, twin, v) < 0) {
			status = no_memory(p);
			break;
		}
		p->g->nodes[i].out[k] = twin;
		p->g->values[twin].producer = i;
		p->wide[v] = twin;
	}
	free(types);
	return status;
}

/* Are the halves that a node reads not there in float32 anyhow? */
static bool all_half(const struct narrow *p, const struct rt_node *n)
{
	for (int i = 0; i < n->in_count; i++) {
		int v = n->in[i];

		if (v != RT_NO_VALUE && is_half(p->g->values[v].dtype) && p->wide[v] >= 0 &&
		    !p->g->values[v].is_constant)
			return false;
	}
	return true;
}

/* Node ${i} computes in float32 from here on. */
static int widen(struct narrow *p, int i)
{
	for (int k = 0; k < p->g->nodes[i].in_count; k++) {
		int v = p->g->nodes[i].in[k];

		if (v == RT_NO_VALUE || !is_half(p->g->values[v].dtype))
			continue;
		if (is_weights(p->g, &p->g->nodes[i], k))
			continue;
		v = wide_of(p, v);
		if (v < 0)
			return no_memory(p);
		p->g->nodes[i].in[k] = v;
	}
	return twin_outputs(p, i);
}

static int narrow(struct rt_graph *g, struct rt_error *err)
{
	struct narrow p = {.g = g, .err = err, .cap = g->value_count + 1};
	int nodes = g->node_count, status = RT_OK;

	p.wide = malloc(sizeof(*p.wide) * (size_t)p.cap);
	if (p.wide == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	for (int i = 0; i < p.cap; i++)
		p.wide[i] = -1;
	for (int i = 0; i < nodes && status == RT_OK; i++) {
		for (int k = 0; k < g->nodes[i].attr_count && status == RT_OK; k++) {
			if (g->nodes[i].attrs[k].kind == RT_ATTR_GRAPH)
				status = narrow(g->nodes[i].attrs[k].graph, err);
		}
		if (status == RT_OK && should_widen(g, &g->nodes[i]) &&
		    !(only_moves(&g->nodes[i]) && all_half(&p, &g->nodes[i])))
			status = widen(&p, i);
	}
	free(p.wide);
	if (status == RT_OK)
		status = rt_graph_sort(g, err);
	if (status == RT_OK)
		rt_graph_compact(g);
	return status;
}

int rt_pass_narrow(struct rt_graph *g, struct rt_error *err)
{
	int status = narrow(g, err);

	return status < 0 ? status : rt_graph_resolve(g, err);
}
