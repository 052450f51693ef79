/* SPDX-License-Identifier: MIT */
/*
 * pass_fuse_focus.c — a convolution of an image whose pixels were dealt out to
 * channels becomes one of the image itself.
 *
 *	Conv(Concat(x[0::b, 0::b], x[1::b, 0::b], …), w)   every offset once, by Slices
 *
 * is a convolution of x whose kernel, strides and pads are b times as large: the same
 * products, without the copies.  Only where x is an input of the model whose declared height
 * and width are multiples of b, for else the Concat would have refused it.
 */
#include <config.h>

#include <string.h>

#include "runtime/pass_fuse.h"

#define BLOCK_MAX 4

/* Element i of what is left along height and width is pixel first + i · step. */
struct grid {
	int64_t first[2], step[2];
};

/* The Slice ${n} of four dimensions leaves a grid of its input, to the end. */
static bool is_grid(const struct rt_fuse *f, const struct rt_node *n, const int64_t *dims,
		    struct grid *g)
{
	int64_t lists[4][4];
	int counts[4];
	*g = (struct grid){{0, 0}, {1, 1}};
	if (n->dead || !rt_pass_fuse_is(n, RT_ONNX, "Slice") || n->in_count != 5)
		return false;
	for (int k = 0; k < 4; k++) { /* starts, ends, axes, steps */
		const struct rt_tensor *t = rt_pass_fuse_constant(f, n->in[k + 1]);
		if (!t || !rt_op_ints(t, lists[k], 4, &counts[k]) || counts[k] != counts[0])
			return false;
	}
	for (int i = 0; i < counts[0]; i++) {
		const int64_t axis = lists[2][i] + (lists[2][i] < 0 ? 4 : 0), step = lists[3][i];
		if (axis < 2 || axis > 3 || g->step[axis - 2] != 1 || step < 1 ||
		    step > BLOCK_MAX || lists[0][i] < 0 || lists[0][i] >= step ||
		    lists[1][i] < dims[axis])
			return false;
		g->first[axis - 2] = lists[0][i];
		g->step[axis - 2] = step;
	}
	return true;
}

/* ${v} is a grid of the value ${x}, by one Slice or one after the other. */
static bool grid_of(const struct rt_fuse *f, int v, int x, struct grid *all)
{
	*all = (struct grid){{0, 0}, {1, 1}};
	for (int steps = 0; v != x; steps++) {
		const int maker = v >= 0 ? f->graph->values[v].producer : -1;
		struct grid g;
		if (maker < 0 || steps == 4 ||
		    !is_grid(f, &f->graph->nodes[maker], f->graph->values[x].shape.dims, &g))
			return false;
		for (int d = 0; d < 2; d++) {
			all->first[d] = g.first[d] + g.step[d] * all->first[d];
			all->step[d] *= g.step[d];
		}
		v = f->graph->nodes[maker].in[0];
	}
	return true;
}

/* The input of the model behind the Slices that make ${v}. */
static int source(const struct rt_fuse *f, int v)
{
	for (int steps = 0; steps < 4 && v >= 0; steps++) {
		const int maker = f->graph->values[v].producer;
		if (maker < 0)
			return f->graph->values[v].is_input ? v : -1;
		if (!rt_pass_fuse_is(&f->graph->nodes[maker], RT_ONNX, "Slice"))
			return -1;
		v = f->graph->nodes[maker].in[0];
	}
	return -1;
}

/* The Concat ${n} deals x out: its block size, with input ${k} at ${at}[k] = row · b + column. */
static int64_t deals_out(const struct rt_fuse *f, const struct rt_node *n, int x, int *at)
{
	const struct rt_shape *s = &f->graph->values[x].shape;
	int64_t block = 1;
	unsigned seen = 0;
	while (block * block < n->in_count)
		block++;
	if (block < 2 || block > BLOCK_MAX || block * block != n->in_count || s->rank != 4 ||
	    s->dims[2] < 1 || s->dims[3] < 1 || s->dims[2] % block || s->dims[3] % block)
		return 0;
	for (int k = 0; k < n->in_count; k++) {
		struct grid g;
		if (!grid_of(f, n->in[k], x, &g) || g.step[0] != block || g.step[1] != block)
			return 0;
		at[k] = (int)(g.first[0] * block + g.first[1]);
		if (seen & 1u << at[k])
			return 0;
		seen |= 1u << at[k];
	}
	return block;
}

/* w [M][b·b·C][kh][kw] → [M][C][b·kh][b·kw], in the model's memory. */
static int spread(struct rt_fuse *f, const struct rt_tensor *w, int64_t block, const int *at)
{
	const int64_t m = w->shape.dims[0], kh = w->shape.dims[2], kw = w->shape.dims[3];
	const int64_t parts = block * block, c = w->shape.dims[1] / parts;
	struct rt_tensor t = *w;
	const float *from = w->data;
	float *to;
	int v;
	t.shape.dims[1] = c;
	t.shape.dims[2] *= block;
	t.shape.dims[3] *= block;
	t.data = to = rt_graph_alloc(f->graph, rt_tensor_bytes(w));
	if (!to || (v = rt_graph_add_constant(f->graph, "", &t)) < 0) {
		f->failed = true;
		return -1;
	}
	for (int64_t i = 0; i < m * parts * c * kh * kw; i++, from++) {
		const int64_t x = i % kw, y = i / kw % kh, channel = i / (kw * kh) % (parts * c);
		const int64_t o = i / (kw * kh * parts * c), part = at[channel / c];
		to[((o * c + channel % c) * kh * block + y * block + part / block) * kw * block +
		   x * block + part % block] = *from;
	}
	return v;
}

/* A list of ${count} numbers: those of the attribute, or else ${plain}, times ${by}. */
static bool multiply(struct rt_fuse *f, int node, const char *name, int count, int64_t plain,
		     int64_t by)
{
	int64_t have = 0, *to = rt_graph_alloc(f->graph, sizeof(*to) * (size_t)count);
	const int64_t *own = rt_node_ints(&f->graph->nodes[node], name, &have);
	if (!to) {
		f->failed = true;
		return false;
	}
	for (int i = 0; i < count; i++)
		to[i] = (own ? own[i] : plain) * by;
	return rt_pass_fuse_set(
	    f, node,
	    &(struct rt_attr){.name = name, .kind = RT_ATTR_INTS, .count = count, .ints = to});
}

/* Is the list as long as it must be, all small, and where ${only} is not 0, all that? */
static bool is_plain(const struct rt_node *n, const char *name, int count, int64_t only)
{
	int64_t have = 0;
	const int64_t *own = rt_node_ints(n, name, &have);
	for (int64_t i = 0; own && i < have; i++)
		if (own[i] < 0 || own[i] > 1 << 16 || (only && own[i] != only))
			return false;
	return !own || have == count;
}

bool rt_pass_fuse_focus(struct rt_fuse *f, int node)
{
	struct rt_node *n = &f->graph->nodes[node], *concat;
	const struct rt_tensor *w = n->in_count > 1 ? rt_pass_fuse_constant(f, n->in[1]) : NULL;
	int at[BLOCK_MAX * BLOCK_MAX], x, v;
	int64_t block;
	if (f->graph->parent || !rt_pass_fuse_is(n, RT_ONNX, "Conv") || !w || w->dtype != RT_F32 ||
	    w->shape.rank != 4 || rt_node_int(n, "group", 1) != 1 ||
	    f->graph->values[n->in[0]].producer < 0 ||
	    !rt_node_string_is(n, "auto_pad", "NOTSET", "NOTSET") ||
	    !is_plain(n, "kernel_shape", 2, 0) || !is_plain(n, "strides", 2, 0) ||
	    !is_plain(n, "pads", 4, 0) || !is_plain(n, "dilations", 2, 1))
		return false;
	concat = &f->graph->nodes[f->graph->values[n->in[0]].producer];
	if (!rt_pass_fuse_is(concat, RT_ONNX, "Concat") || concat->in_count > 16 ||
	    rt_node_int(concat, "axis", 1) != 1 || (x = source(f, concat->in[0])) < 0 ||
	    (block = deals_out(f, concat, x, at)) == 0 ||
	    w->shape.dims[1] != f->graph->values[x].shape.dims[1] * concat->in_count)
		return false;
	if ((v = spread(f, w, block, at)) < 0 || !multiply(f, node, "strides", 2, 1, block) ||
	    !multiply(f, node, "pads", 4, 0, block) ||
	    (rt_node_attr(n, "kernel_shape") && !multiply(f, node, "kernel_shape", 2, 1, block)))
		return false;
	n = &f->graph->nodes[node];
	n->in[0] = x;
	n->in[1] = v;
	return true;
}
