/* SPDX-License-Identifier: MIT */
/*
 * pass_quant_dynamic.c — what quantisers write for weights of bytes and tensors
 * that are quantised as they come:
 *
 *	MatMulInteger → Cast → Mul by (a_scale · b_scale) (→ Add of a bias)
 *	ConvInteger   → the same
 *
 * becomes larder.MatMulIntegerToFloat or larder.ConvIntegerToFloat.  a_scale is that
 * of a DynamicQuantizeLinear, one number.  Called by pass_quant.c.
 */
#include <config.h>

#include <string.h>

#include "runtime/pass_quant.h"

static struct rt_node *node_at(const struct rt_fuse *f, int i)
{
	return &f->graph->nodes[i];
}

static int other_of(const struct rt_node *n, int v)
{
	return n->in[0] == v ? n->in[1] : n->in[0];
}

/* The one reader of what ${node} makes, if it is ${op_type}; −1. */
static int next_is(const struct rt_fuse *f, int node, const char *op_type)
{
	const int next = rt_pass_fuse_reader(f, node_at(f, node)->out[0]);

	return next >= 0 && !node_at(f, next)->dead &&
		       rt_pass_fuse_is(node_at(f, next), RT_ONNX, op_type)
		   ? next
		   : -1;
}

/* Whether ${v} is the scale that DynamicQuantizeLinear gives. */
static bool is_dynamic_scale(const struct rt_fuse *f, int v)
{
	const int p = v == RT_NO_VALUE ? -1 : f->graph->values[v].producer;

	return p >= 0 && rt_pass_fuse_is(node_at(f, p), RT_ONNX, "DynamicQuantizeLinear") &&
	       node_at(f, p)->out_count > 1 && node_at(f, p)->out[1] == v;
}

/* ${v} = a_scale · b_scale, the latter a constant of 1 or ${columns} numbers. */
static bool read_scales(const struct rt_fuse *f, int v, int64_t columns, int *a, int *b)
{
	const int p = v == RT_NO_VALUE ? -1 : f->graph->values[v].producer;
	const struct rt_tensor *c;
	const struct rt_node *n;

	if (p < 0)
		return false;
	n = node_at(f, p);
	if (!rt_pass_fuse_is(n, RT_ONNX, "Mul") || n->in_count != 2)
		return false;
	*a = is_dynamic_scale(f, n->in[0]) ? n->in[0] : n->in[1];
	*b = other_of(n, *a);
	c = rt_pass_fuse_constant(f, *b);
	return is_dynamic_scale(f, *a) && c && c->dtype == RT_F32 && c->shape.rank <= 1 &&
	       (rt_tensor_elems(c) == 1 || rt_tensor_elems(c) == columns);
}

/* A constant that is a number for each channel, which are dim ${axis} of ${rank}. */
static bool is_bias(const struct rt_fuse *f, int v, int64_t channels, int axis, int rank)
{
	const struct rt_tensor *c = rt_pass_fuse_constant(f, v);

	if (!c || c->dtype != RT_F32 || rt_tensor_elems(c) != channels || c->shape.rank > rank)
		return false;
	return channels == 1 || (rank - c->shape.rank <= axis &&
				 c->shape.dims[axis - (rank - c->shape.rank)] == channels);
}

/* The constant ${v} as [count]. */
static int flat(struct rt_fuse *f, int v, int64_t count)
{
	struct rt_tensor t = *rt_pass_fuse_constant(f, v);
	int made;

	if (t.shape.rank == 1)
		return v;
	t.shape = rt_shape_of(1, count);
	if ((made = rt_graph_add_constant(f->graph, "", &t)) < 0)
		f->failed = true;
	return made;
}

bool rt_pass_quant_dynamic(struct rt_fuse *f, int node)
{
	const struct rt_node *n = node_at(f, node);
	const bool is_conv = rt_pass_fuse_is(n, RT_ONNX, "ConvInteger");
	const struct rt_tensor *w = rt_pass_fuse_constant(f, rt_pass_quant_input(n, 1)), *zero;
	int cast, mul, add, in[7], axis, rank;
	int64_t columns;

	if (!is_conv && !rt_pass_fuse_is(n, RT_ONNX, "MatMulInteger"))
		return false;
	if (!w || (is_conv ? w->shape.rank < 3 : w->shape.rank != 2))
		return false;
	/* the last dim of a product; what is added to it must not have more dims than it */
	columns = w->shape.dims[is_conv ? 0 : 1];
	axis = is_conv ? 1 : 0, rank = is_conv ? w->shape.rank : 1;
	zero = rt_pass_fuse_constant(f, rt_pass_quant_input(n, 3));
	if ((rt_pass_quant_input(n, 3) != RT_NO_VALUE &&
	     (!zero || (rt_tensor_elems(zero) != 1 && rt_tensor_elems(zero) != columns))) ||
	    (cast = next_is(f, node, "Cast")) < 0 || rt_node_int(node_at(f, cast), "to", 0) != 1 ||
	    (mul = next_is(f, cast, "Mul")) < 0 ||
	    !read_scales(f, other_of(node_at(f, mul), node_at(f, cast)->out[0]), columns, &in[2],
			 &in[3]))
		return false;
	if (is_conv && rt_tensor_elems(rt_pass_fuse_constant(f, in[3])) != 1)
		return false; /* [C] would be along the width */
	in[0] = n->in[0], in[1] = n->in[1];
	in[4] = rt_pass_quant_input(n, 2), in[5] = rt_pass_quant_input(n, 3);
	in[6] = RT_NO_VALUE;
	add = next_is(f, mul, "Add");
	if (add >= 0) {
		const int bias = other_of(node_at(f, add), node_at(f, mul)->out[0]);
		if (bias != RT_NO_VALUE && is_bias(f, bias, columns, axis, rank))
			in[6] = flat(f, bias, columns);
	}
	if (f->failed ||
	    !rt_pass_quant_become(f, node, RT_LARDER,
				  is_conv ? "ConvIntegerToFloat" : "MatMulIntegerToFloat", 7, in))
		return false;
	rt_pass_fuse_take(f, node, cast);
	rt_pass_fuse_take(f, node, mul);
	if (in[6] != RT_NO_VALUE)
		rt_pass_fuse_take(f, node, add);
	f->graph->values[node_at(f, node)->out[0]].dtype = RT_F32;
	return true;
}
