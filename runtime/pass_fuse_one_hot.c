/* SPDX-License-Identifier: MIT */
/*
 * pass_fuse_one_hot.c — a product with an indicator: one-hot vectors are made by
 * exporters as
 *
 *	MatMul(Cast(Equal(x, keys)), W)  →  larder.OneHotMatMul(x, W)
 *
 * with constant keys first, first + 1, …, as many as W has rows.  Called by pass_fuse.c
 * for every node, after the product has taken in its bias and activation.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/pass_fuse.h"

/* The living node of ai.onnx that makes ${v} for one reader; −1 otherwise. */
static int maker(const struct rt_fuse *f, int v, const char *op_type)
{
	const int i = rt_pass_fuse_reader(f, v) >= 0 ? f->graph->values[v].producer : -1;
	const struct rt_node *n = i >= 0 ? &f->graph->nodes[i] : NULL;
	return n && !n->dead && rt_pass_fuse_is(n, RT_ONNX, op_type) ? i : -1;
}

/* A product of rank 2 weights without sum, transposition and factor. */
static bool is_product(const struct rt_fuse *f, const struct rt_node *n)
{
	const struct rt_tensor *w = n->in_count >= 2 ? rt_pass_fuse_constant(f, n->in[1]) : NULL;
	return (rt_pass_fuse_is(n, RT_ONNX, "MatMul") || rt_pass_fuse_is(n, RT_LARDER, "MatMul")) &&
	       w && w->dtype == RT_F32 && w->shape.rank == 2 &&
	       (n->in_count < 4 || n->in[3] == RT_NO_VALUE) && rt_node_int(n, "transA", 0) == 0 &&
	       rt_node_int(n, "transB", 0) == 0 && rt_node_float(n, "alpha", 1) == 1;
}

/* A sum with 0 times infinity is none of one row. */
static bool all_finite(const struct rt_tensor *w)
{
	const char *at = w->data; /* aligned or not */
	for (int64_t i = 0; i < rt_tensor_elems(w); i++) {
		float x;
		memcpy(&x, at + i * (int64_t)sizeof(x), sizeof(x));
		if (!isfinite(x))
			return false;
	}
	return true;
}

static int64_t key_at(const struct rt_tensor *t, int64_t i)
{
	return t->dtype == RT_I32 ? ((const int32_t *)t->data)[i] : ((const int64_t *)t->data)[i];
}

/* ${v} is a constant of ${rows} integers, each one more than the last, along its last axis. */
static bool is_count(const struct rt_fuse *f, int v, int64_t rows, const struct rt_tensor **out)
{
	const struct rt_tensor *t = rt_pass_fuse_constant(f, v);
	if (!t || (t->dtype != RT_I32 && t->dtype != RT_I64) || t->shape.rank < 1 || rows < 1 ||
	    t->shape.dims[t->shape.rank - 1] != rows || rt_tensor_elems(t) != rows)
		return false;
	for (int64_t i = 1; i < rows; i++)
		if (key_at(t, i - 1) == INT64_MAX || key_at(t, i) != key_at(t, i - 1) + 1)
			return false;
	*out = t;
	return true;
}

static bool set_int(struct rt_fuse *f, int node, const char *name, int64_t i)
{
	return rt_pass_fuse_set(f, node,
				&(struct rt_attr){.name = name, .kind = RT_ATTR_INT, .i = i});
}

bool rt_pass_fuse_one_hot(struct rt_fuse *f, int node)
{
	struct rt_node *n = &f->graph->nodes[node], *equal, *cast;
	const struct rt_tensor *w, *keys;
	int i, k, side;
	int64_t rank;
	if (!is_product(f, n) || (i = maker(f, n->in[0], "Cast")) < 0 ||
	    (k = maker(f, f->graph->nodes[i].in[0], "Equal")) < 0)
		return false;
	cast = &f->graph->nodes[i];
	equal = &f->graph->nodes[k];
	w = rt_pass_fuse_constant(f, n->in[1]);
	if (f->graph->values[cast->out[0]].dtype != RT_F32 || equal->in_count != 2 ||
	    equal->opset < 7)
		return false;
	for (side = 1; side >= 0; side--)
		if (is_count(f, equal->in[side], w->shape.dims[0], &keys))
			break;
	if (side < 0 || rt_pass_fuse_constant(f, equal->in[1 - side]) || !all_finite(w))
		return false;
	rank = n->domain == RT_LARDER ? rt_node_int(n, "rank", 1) : 1;
	if (rank < keys->shape.rank)
		rank = keys->shape.rank;
	if (!set_int(f, node, "first", key_at(keys, 0)) || !set_int(f, node, "rank", rank))
		return false;
	n->in[0] = equal->in[1 - side];
	cast->dead = equal->dead = true;
	rt_pass_fuse_rename(f, node, RT_LARDER, "OneHotMatMul", 1);
	return true;
}
