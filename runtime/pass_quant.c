/* SPDX-License-Identifier: MIT */
/*
 * pass_quant.c — quantised graphs into operators on bytes.
 *
 *	DequantizeLinear → Conv, MatMul, Gemm, Add, … → QuantizeLinear   one QLinear node
 *	DequantizeLinear → Conv, MatMul, Gemm → float32                  one node
 *	MatMulInteger, ConvInteger → Cast → Mul (→ Add)                  one node
 *
 * Runs before constants are folded, which would make floats of the weights, and
 * after it, when scales and biases that were computed are constants.  Only what
 * has one scale per tensor (weights: per output channel) is taken.
 */
#include <config.h>

#include <string.h>

#include "runtime/pass_quant.h"

int rt_pass_quant_input(const struct rt_node *n, int k)
{
	return k < n->in_count ? n->in[k] : RT_NO_VALUE;
}

static bool read_source(const struct rt_fuse *f, int v, struct rt_quant *out, bool weights)
{
	const struct rt_graph *g = f->graph;
	const struct rt_tensor *scale, *zero;
	const struct rt_node *n;

	if (v == RT_NO_VALUE || g->values[v].producer < 0 || g->values[v].dtype != RT_F32)
		return false;
	n = &g->nodes[g->values[v].producer];
	if (strcmp(n->op_type, "DequantizeLinear") != 0 ||
	    (n->domain != RT_ONNX && n->domain != RT_MS) || rt_node_int(n, "block_size", 0) != 0)
		return false;
	out->q = n->in[0];
	out->scale = rt_pass_quant_input(n, 1);
	out->zero = rt_pass_quant_input(n, 2);
	out->type = g->values[out->q].dtype;
	out->axis = rt_node_int(n, "axis", 1);
	scale = rt_pass_fuse_constant(f, out->scale);
	zero = rt_pass_fuse_constant(f, out->zero);
	if ((out->type != RT_I8 && out->type != RT_U8) || !scale || scale->dtype != RT_F32 ||
	    (out->zero != RT_NO_VALUE && (!zero || zero->dtype != out->type ||
					  rt_tensor_elems(zero) != rt_tensor_elems(scale))))
		return false;
	if (!weights)
		return rt_tensor_elems(scale) == 1;
	return rt_pass_fuse_constant(f, out->q) != NULL && rt_tensor_elems(scale) > 0 &&
	       scale->shape.rank <= 1;
}

bool rt_pass_quant_source(const struct rt_fuse *f, int v, struct rt_quant *out)
{
	return read_source(f, v, out, false);
}

bool rt_pass_quant_weights(const struct rt_fuse *f, int v, struct rt_quant *out)
{
	int rank;

	if (!read_source(f, v, out, true))
		return false;
	rank = rt_pass_fuse_constant(f, out->q)->shape.rank;
	if (out->axis < 0)
		out->axis += rank;
	return out->axis >= 0 &&
	       (out->axis < rank || rt_tensor_elems(rt_pass_fuse_constant(f, out->scale)) == 1);
}

int rt_pass_quant_zero(struct rt_fuse *f, const struct rt_quant *q)
{
	struct rt_tensor t = {.dtype = q->type};
	int v;

	if (q->zero != RT_NO_VALUE)
		return q->zero;
	t.shape = rt_pass_fuse_constant(f, q->scale)->shape;
	t.data = rt_graph_alloc(f->graph, (size_t)rt_tensor_elems(&t) + 1);
	if (!t.data || (v = rt_graph_add_constant(f->graph, "", &t)) < 0) {
		f->failed = true;
		return -1;
	}
	return v;
}

bool rt_pass_quant_become(struct rt_fuse *f, int node, enum rt_domain domain, const char *op_type,
			  int count, const int *in)
{
	int *copy = rt_graph_alloc(f->graph, sizeof(*copy) * (size_t)count);

	if (!copy) {
		f->failed = true;
		return false;
	}
	memcpy(copy, in, sizeof(*copy) * (size_t)count);
	f->graph->nodes[node].in = copy;
	f->graph->nodes[node].in_count = count;
	rt_pass_fuse_rename(f, node, domain, op_type,
			    domain == RT_ONNX ? f->graph->nodes[node].opset : 1);
	return true;
}

bool rt_pass_quant_set_float(struct rt_fuse *f, int node, const char *name, float x)
{
	return rt_pass_fuse_set(f, node,
				&(struct rt_attr){.name = name, .kind = RT_ATTR_FLOAT, .f = x});
}

int rt_pass_quant(struct rt_graph *g, struct rt_error *err)
{
	bool changed = false;
	int status;

	/* What has a result in bytes first: what is left is used as float32. */
	if ((status = rt_pass_fuse_sweep(g, rt_pass_quant_qdq, &changed, err)) ||
	    (status = rt_pass_fuse_sweep(g, rt_pass_quant_real, &changed, err)) ||
	    (status = rt_pass_fuse_sweep(g, rt_pass_quant_dynamic, &changed, err)))
		return status;
	return changed ? rt_graph_resolve(g, err) : RT_OK;
}
