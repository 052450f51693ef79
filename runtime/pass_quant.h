/* SPDX-License-Identifier: MIT */
/*
 * pass_quant.h — what pass_quant.c (the walk, and what DequantizeLinear and
 * QuantizeLinear around an operator are) and pass_quant_dynamic.c (products of
 * dynamically quantised tensors) share with pass_quant_qdq.c (the rules).
 */
#ifndef LARDER_RUNTIME_PASS_QUANT_H
#define LARDER_RUNTIME_PASS_QUANT_H

#include "runtime/pass_fuse.h"

/* A tensor of bytes with its numbers, as values of the graph. */
struct rt_quant {
	int q, scale, zero; /* zero may be RT_NO_VALUE */
	enum rt_dtype type; /* RT_I8, RT_U8 */
	int64_t axis;       /* of scales that are more than one */
};
/* rt_pass_quant_source(f, v, out): ${v} is DequantizeLinear of bytes with one constant float32
 * scale and a constant zero point or none. */
bool rt_pass_quant_source(const struct rt_fuse *f, int v, struct rt_quant *out);
/* rt_pass_quant_weights(f, v, out): … of constant bytes, with one scale or one per index of
 * ${out->axis}. */
bool rt_pass_quant_weights(const struct rt_fuse *f, int v, struct rt_quant *out);
/* rt_pass_quant_zero(f, q): the zero point, made if it is left out; −1: no memory. */
int rt_pass_quant_zero(struct rt_fuse *f, const struct rt_quant *q);
/* rt_pass_quant_input(n, k): input ${k}, RT_NO_VALUE when it is left out. */
int rt_pass_quant_input(const struct rt_node *n, int k);
/* rt_pass_quant_become(f, node, domain, op_type, count, in): the node is another with these
 * inputs; its attributes stay.  false: no memory. */
bool rt_pass_quant_become(struct rt_fuse *f, int node, enum rt_domain domain, const char *op_type,
			  int count, const int *in);
bool rt_pass_quant_set_float(struct rt_fuse *f, int node, const char *name, float x);

/* rt_pass_quant_qdq(f, node): ${node} is QuantizeLinear: what it and DequantizeLinears stand
 * around becomes an operator on bytes. */
bool rt_pass_quant_qdq(struct rt_fuse *f, int node);
/* rt_pass_quant_real(f, node): a product of bytes whose result is used as float32. */
bool rt_pass_quant_real(struct rt_fuse *f, int node);
/* rt_pass_quant_dynamic(f, node): MatMulInteger or ConvInteger with what makes floats of its
 * results becomes one node. */
bool rt_pass_quant_dynamic(struct rt_fuse *f, int node);

#endif
