/* SPDX-License-Identifier: MIT */
/*
 * pass_fuse.h — what pass_fuse.c (the walk), pass_fuse_base.c (what a product or
 * convolution takes in), pass_fuse_unary.c and pass_fuse_gelu.c (functions written in
 * pieces), pass_fuse_one_hot.c, pass_fuse_attention.c and pass_fuse_focus.c share.
 */
#ifndef LARDER_RUNTIME_PASS_FUSE_H
#define LARDER_RUNTIME_PASS_FUSE_H

#include "runtime/op.h"

struct rt_fuse {
	struct rt_graph *graph;
	bool failed;   /* out of memory */
	int *uses;     /* [values], as rt_graph_count_uses */
	int *reader;   /* [values]: a node that reads it; −1 = none */
	int value_cap; /* of the two; values made by the pass are not in them */
};

/* rt_pass_fuse_reader(f, v): the one node that reads ${v}, when nothing else does and it is no
 * output of the graph; else −1. */
int rt_pass_fuse_reader(const struct rt_fuse *f, int v);
/* rt_pass_fuse_is(n, domain, op_type) */
bool rt_pass_fuse_is(const struct rt_node *n, enum rt_domain domain, const char *op_type);
/* rt_pass_fuse_constant(f, v): the tensor of ${v} if it is a constant, else NULL. */
const struct rt_tensor *rt_pass_fuse_constant(const struct rt_fuse *f, int v);
/* rt_pass_fuse_number(f, v, out): ${v} is a float32 constant of one element and at most one
 * dimension. */
bool rt_pass_fuse_number(const struct rt_fuse *f, int v, float *out);
/* rt_pass_fuse_take(f, node, next): ${node} makes the output of ${next}, which goes; its other
 * inputs are read no more. */
void rt_pass_fuse_take(struct rt_fuse *f, int node, int next);
/* rt_pass_fuse_floats(f, count, data): a new constant [count]; *data to be filled; −1: no memory.
 */
int rt_pass_fuse_floats(struct rt_fuse *f, int64_t count, float **data);
/* rt_pass_fuse_set(f, node, attr): adds or replaces an attribute; false: no memory. */
bool rt_pass_fuse_set(struct rt_fuse *f, int node, const struct rt_attr *attr);
/* rt_pass_fuse_rename(f, node, domain, op_type, opset) */
void rt_pass_fuse_rename(struct rt_fuse *f, int node, enum rt_domain domain, const char *op_type,
			 int64_t opset);

/* rt_pass_fuse_sweep(g, visit, changed, err): ${visit} for every node; then the graph is in order
 * again; *changed is set when a visit said so. */
int rt_pass_fuse_sweep(struct rt_graph *g, bool (*visit)(struct rt_fuse *f, int node),
		       bool *ret_changed, struct rt_error *err) RT_MUST_CHECK;

/* rt_pass_fuse_function(f, n, p): which function of unary.def the node is, and its parameters; −1:
 * none. */
int rt_pass_fuse_function(const struct rt_fuse *f, const struct rt_node *n,
			  struct rt_unary_params *p);
/* rt_pass_fuse_base(f, node): lets a product, convolution or ScaleShift take in what follows it;
 * true if anything changed. */
bool rt_pass_fuse_base(struct rt_fuse *f, int node);
/* rt_pass_fuse_pad(f, node): zeros that Pad puts around become pads of the convolution after it. */
bool rt_pass_fuse_pad(struct rt_fuse *f, int node);
/* rt_pass_fuse_focus(f, node): a convolution of pixels dealt out to channels, of the image itself.
 */
bool rt_pass_fuse_focus(struct rt_fuse *f, int node);
/* rt_pass_fuse_unary(f, node): x·sigmoid(x) and the like become one node; true if anything changed.
 */
bool rt_pass_fuse_unary(struct rt_fuse *f, int node);
/* rt_pass_fuse_gelu(f, node): Gelu by tanh becomes one node; true if anything changed. */
bool rt_pass_fuse_gelu(struct rt_fuse *f, int node);
/* rt_pass_fuse_one_hot(f, node): a product with one-hot vectors picks rows; true if anything
 * changed. */
bool rt_pass_fuse_one_hot(struct rt_fuse *f, int node);
/* rt_pass_fuse_attention(f, node): the products on both sides of Softmax ${node} and the
 * Transposes around them become one node; true if anything changed. */
bool rt_pass_fuse_attention(struct rt_fuse *f, int node);

#endif
