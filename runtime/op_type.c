/* SPDX-License-Identifier: MIT */
/*
 * op_type.c — rules for the element types of outputs that several families of
 * operators share.  Called by rt_graph_resolve, once per node at load.
 */
#include <config.h>

#include "runtime/op_type.h"

/* Element type of input ${i}; RT_NONE when it is left out. */
static enum rt_dtype in_dtype(const struct rt_graph *g, const struct rt_node *n, int i)
{
	if (i >= n->in_count || n->in[i] == RT_NO_VALUE)
		return RT_NONE;
	return g->values[n->in[i]].dtype;
}

static int all(const struct rt_node *n, enum rt_dtype *out, enum rt_dtype t)
{
	for (int i = 0; i < n->out_count; i++)
		out[i] = t;
	return RT_OK;
}

int rt_op_type_same(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		    struct rt_error *err)
{
	(void)err;
	return all(n, out, in_dtype(g, n, 0));
}

int rt_op_type_second(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		      struct rt_error *err)
{
	(void)err;
	return all(n, out, in_dtype(g, n, 1));
}

int rt_op_type_bool(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		    struct rt_error *err)
{
	(void)g, (void)err;
	return all(n, out, RT_BOOL);
}

int rt_op_type_i64(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		   struct rt_error *err)
{
	(void)g, (void)err;
	return all(n, out, RT_I64);
}

int rt_op_type_to(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		  struct rt_error *err)
{
	int64_t to = rt_node_int(n, "to", 0);

	(void)g;
	if (rt_dtype_of_onnx(to) == RT_NONE)
		return rt_error_set(err, RT_UNSUPPORTED, "element type %lld", (long long)to);
	return all(n, out, rt_dtype_of_onnx(to));
}

int rt_op_type_value(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		     struct rt_error *err)
{
	const struct rt_attr *a = rt_node_attr(n, "value");

	(void)g;
	if (a != NULL && a->kind != RT_ATTR_TENSOR)
		return rt_error_set(err, RT_MALFORMED, "attribute value is not a tensor");
	return all(n, out, a != NULL ? a->tensor.dtype : RT_F32);
}

int rt_op_type_same_i64(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			struct rt_error *err)
{
	(void)err;
	for (int i = 0; i < n->out_count; i++)
		out[i] = i == 0 ? in_dtype(g, n, 0) : RT_I64;
	return RT_OK;
}

int rt_op_type_agree(const struct rt_infer *f, uint32_t inputs, struct rt_error *err)
{
	int first = -1;

	for (int i = 0; i < f->in_count && i < 32; i++) {
		if ((inputs >> i & 1) == 0 || f->in[i].dtype == RT_NONE)
			continue;
		if (first < 0)
			first = i;
		if (f->in[i].dtype != f->in[first].dtype)
			return rt_error_set(
			    err, RT_INPUT, "inputs %d and %d are %s and %s, not of one type", first,
			    i, rt_dtype_name(f->in[first].dtype), rt_dtype_name(f->in[i].dtype));
	}
	return RT_OK;
}
