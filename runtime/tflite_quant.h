/* SPDX-License-Identifier: MIT */
/*
 * tflite_quant.h — what lowering functions do with quantised tensors: numbers
 * as the reference kernels of TensorFlow Lite have them, and nodes of the larder
 * domain that compute with them.  Private to tflite*.c.
 */
#ifndef LARDER_RUNTIME_TFLITE_QUANT_H
#define LARDER_RUNTIME_TFLITE_QUANT_H

#include "runtime/tflite_reader.h"

/* rt_tflite_quant_bounds(t, activation, bounds): least and largest integer that a fused activation
 * leaves in a tensor like ${t}. */
void rt_tflite_quant_bounds(const struct rt_tflite_tensor *t, int activation, int64_t bounds[2]);
/* rt_tflite_quant_limits(dtype, limits): of the type itself. */
void rt_tflite_quant_limits(enum rt_dtype t, int64_t limits[2]);
/* rt_tflite_quant_scalar(o, t): one scale only; else the operator is refused. */
bool rt_tflite_quant_scalar(struct rt_tflite_op *o, const struct rt_tflite_tensor *t);

/* ---- tflite_quant_math.c: for the families' lowering functions ---- */
void rt_tflite_quant_unary(struct rt_tflite_op *o);
void rt_tflite_quant_binary(struct rt_tflite_op *o, int activation);
/* rt_tflite_quant_comparable(o, k): input ${k} as numbers that compare with the other input's. */
int rt_tflite_quant_comparable(struct rt_tflite_op *o, int k);
/* rt_tflite_quant_rescale(o, v, from, to): ${v}, quantised as ${from} is, as ${to} is. */
int rt_tflite_quant_rescale(struct rt_tflite_op *o, int v, const struct rt_tflite_tensor *from,
			    const struct rt_tflite_tensor *to);
/* rt_tflite_quant_dequantize(o, v, t): float32. */
int rt_tflite_quant_dequantize(struct rt_tflite_op *o, int v, const struct rt_tflite_tensor *t);
int rt_tflite_quant_quantize(struct rt_tflite_op *o, int v, const struct rt_tflite_tensor *t);

/* ---- tflite_quant_conv.c ---- */
/* What a product of quantised tensors is, of whatever operator. */
struct rt_tflite_product {
	int x, w, bias;                          /* inputs of the operator; bias may be left out */
	int channels;                            /* of the output */
	int64_t group, strides[2], dilations[2]; /* height, width */
	bool same;                               /* padding */
	int activation;
};
/* rt_tflite_quant_product(o, p, x, w): x [N][H][W][C] · w [out][in][H][W] → the operator's output.
 */
int rt_tflite_quant_product(struct rt_tflite_op *o, const struct rt_tflite_product *p, int x,
			    int w);
/* rt_tflite_quant_is_product(o): operand and result are bytes, as the above has them. */
bool rt_tflite_quant_is_product(const struct rt_tflite_op *o);
/* rt_tflite_quant_hybrid_conv(o, p, x, w): float images x · int8 weights ${w}, [out][in][H][W]; all
 * of
 * ${p}. */
int rt_tflite_quant_hybrid_conv(struct rt_tflite_op *o, const struct rt_tflite_product *p, int x,
				int w);
/* rt_tflite_quant_hybrid(o, x, w): float x · int8 weights of input ${w}, x quantised
 * per row of its last dimension; without bias. */
int rt_tflite_quant_hybrid(struct rt_tflite_op *o, int x, int w);

/* ---- tflite_quant_row.c ---- */
void rt_tflite_quant_softmax(struct rt_tflite_op *o, float beta);
void rt_tflite_quant_average(struct rt_tflite_op *o, const int64_t kernel[2],
			     const int64_t stride[2], bool same, int activation);
void rt_tflite_quant_reduce(struct rt_tflite_op *o, bool is_mean, bool keep);

/* ---- tflite_quant_table.c ---- */
struct rt_tflite_quant_table {
	uint16_t entries[256];
	int32_t mult;
	int shift;
	int curve_scale; /* elements are that many 4096ths, 1 or 2; 0: they are something else */
};
/* rt_tflite_quant_table(x, y, t): for LOGISTIC or TANH from ${x} to ${y}; false: it is not for
 * such tensors.  rt_tflite_quant_look(t, tanh, q): the result of element ${q}. */
bool rt_tflite_quant_table(const struct rt_tflite_tensor *x, const struct rt_tflite_tensor *y,
			   struct rt_tflite_quant_table *t);
int64_t rt_tflite_quant_look(const struct rt_tflite_quant_table *t, bool tanh, int32_t q);

/* ---- tflite_quant_real.c ---- */
/* rt_tflite_quant_as_real(o): the operator on the real numbers that its tensors stand for. */
void rt_tflite_quant_as_real(struct rt_tflite_op *o);
/* rt_tflite_quant_as_wide(o, v): int16 ${v} as float32, which holds it, for what only moves or
 * compares elements; others stay.  _as_narrow: back to int16. */
int rt_tflite_quant_as_wide(struct rt_tflite_op *o, int v);
int rt_tflite_quant_as_narrow(struct rt_tflite_op *o, int v);

#endif
