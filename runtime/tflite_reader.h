/* SPDX-License-Identifier: MIT */
/*
 * tflite_reader.h — what the files tflite*.c share.  Private to them.
 *
 * Errors stick in r->l (lower.h) and r->f (flatbuf.h); rt_tflite_ok looks at
 * both.  Lowering code asks on and builds on after one, to no effect.
 */
#ifndef LARDER_RUNTIME_TFLITE_READER_H
#define LARDER_RUNTIME_TFLITE_READER_H

#include "runtime/flatbuf.h"
#include "runtime/lower.h"
#include "runtime/tflite.h"

/* TensorType of the schema, where code must tell them apart. */
enum rt_tflite_type {
	RT_TFLITE_F32 = 0,
	RT_TFLITE_I32 = 2,
	RT_TFLITE_I64 = 4,
	RT_TFLITE_C64 = 8,
	RT_TFLITE_I4 = 17,
};

/* ActivationFunctionType. */
enum rt_tflite_activation {
	RT_TFLITE_NONE = 0,
	RT_TFLITE_RELU = 1,
	RT_TFLITE_RELU_N1_TO_1 = 2,
	RT_TFLITE_RELU6 = 3,
	RT_TFLITE_TANH = 4,
	RT_TFLITE_SIGN_BIT = 5,
};

struct rt_tflite_tensor {
	const char *name;      /* never NULL */
	int type;              /* TensorType */
	enum rt_dtype dtype;   /* RT_NONE: none that is known; int4 constants are RT_I8 */
	struct rt_shape shape; /* as declared; −1 where the signature is free; rank −1: unknown */
	/* real = scale · (q − zero); one, or one per index of axis */
	int scales;          /* 0: not quantised */
	const float *scale;  /* [scales] */
	const int64_t *zero; /* [scales] */
	int axis;
	bool is_variable, is_constant;
	bool is_complex;       /* of float32, with a last dimension of two more */
	struct rt_tensor data; /* of a constant */
	int value;             /* in the graph at hand; RT_NO_VALUE: nothing makes it yet */
	int resource;          /* variable that it is a handle of; −1 */
};

/* A resource variable, which several sub-graphs may name. */
struct rt_tflite_variable {
	struct rt_str container, name;
	int value;              /* what it holds now; RT_NO_VALUE */
	struct rt_graph *graph; /* whose value that is */
};

struct rt_tflite_row;

/* What OperatorCodes say. */
struct rt_tflite_code {
	const struct rt_tflite_row *row; /* NULL: not in the table */
	const char *name;                /* of the operator, for messages and custom operators */
};

/* One file while it is read. */
struct rt_tflite {
	struct rt_flatbuf f;
	struct rt_lower l;
	struct rt_flatbuf_vector graphs, buffers;
	struct rt_tflite_code *codes;
	size_t code_count;
	struct rt_tflite_variable *variables;
	int variable_count, variable_cap;
	int depth, ops; /* of calls; lowered so far */
};

/* A sub-graph while its operators are lowered. */
struct rt_tflite_scope {
	struct rt_tflite *r;
	struct rt_flatbuf_table table;
	struct rt_tflite_tensor *tensors;
	int tensor_count;
	struct rt_flatbuf_vector inputs, outputs; /* indices of tensors, checked */
};

/* An operator while it is lowered. */
struct rt_tflite_op {
	struct rt_tflite *r;
	struct rt_lower *l; /* of ${r} */
	struct rt_tflite_scope *s;
	const struct rt_tflite_row *row;
	const char *name; /* "CONV_2D", or of a custom operator */
	struct rt_flatbuf_table table, options, options2;
	int in_count, out_count;
	const int *in, *out; /* indices of tensors; −1: left out */
};

typedef void rt_tflite_lower_f(struct rt_tflite_op *o);

/* A row of tflite.def. */
struct rt_tflite_row {
	int code;
	const char *name;
	rt_tflite_lower_f *lower;
	const char *op; /* ai.onnx operator that it is, or what the function makes of the text */
};

/* ---- tflite.c ---- */
bool rt_tflite_ok(const struct rt_tflite *r);
/* rt_tflite_inline(o, graph, count, in, out): the operators of sub-graph ${graph} here, its inputs
 * being the values ${in}; ${out} gets the values of its outputs, as many as ${out_count}. */
void rt_tflite_inline(struct rt_tflite_op *o, int64_t graph, int in_count, const int *in,
		      int out_count, int *out);

/* ---- tflite_tensor.c ---- */
/* rt_tflite_tensor_read(r, t, out): ${out} from a Tensor table. */
void rt_tflite_tensor_read(struct rt_tflite *r, struct rt_flatbuf_table t,
			   struct rt_tflite_tensor *out);

/* ---- tflite_sparse.c ---- */
/* rt_tflite_densify(r, t, sparsity, data): ${t->data} from the bytes of its buffer. */
void rt_tflite_densify(struct rt_tflite *r, struct rt_tflite_tensor *t,
		       const struct rt_flatbuf_table *sparsity, struct rt_bytes data);

/* ---- tflite_op.c ---- */
/* rt_tflite_in(o, k), _out(o, k): the tensor, or NULL when it is left out. */
const struct rt_tflite_tensor *rt_tflite_in(const struct rt_tflite_op *o, int k);
const struct rt_tflite_tensor *rt_tflite_out(const struct rt_tflite_op *o, int k);
/* rt_tflite_value(o, k): input ${k} as a value; RT_NO_VALUE when it is left out. */
int rt_tflite_value(struct rt_tflite_op *o, int k);
/* rt_tflite_give(o, k, v): output ${k} is ${v}. */
void rt_tflite_give(struct rt_tflite_op *o, int k, int v);
/* rt_tflite_refuse(o, why): this operator cannot run; ${why} NULL: there is no such operator. */
void rt_tflite_refuse(struct rt_tflite_op *o, const char *why);
/* rt_tflite_expects(o, least): at least ${least} inputs that are there and one output; refuses. */
bool rt_tflite_expects(struct rt_tflite_op *o, int least);
/* Options of the operator by field number. */
int rt_tflite_opt_int(struct rt_tflite_op *o, unsigned field, int otherwise);
int rt_tflite_opt_byte(struct rt_tflite_op *o, unsigned field, int otherwise); /* bool, enum */
float rt_tflite_opt_float(struct rt_tflite_op *o, unsigned field, float otherwise);
/* rt_tflite_opt_ints(o, field, max, out): a vector of int; the count, −1 when there is none. */
int rt_tflite_opt_ints(struct rt_tflite_op *o, unsigned field, int max, int64_t *out);
/* rt_tflite_ints(o, k, max, out): input ${k} as integers, when it is a constant; the count or −1.
 */
int rt_tflite_ints(struct rt_tflite_op *o, int k, int max, int64_t *out);
/* rt_tflite_rank(o, k): of input ${k}; −1 when unknown. */
int rt_tflite_rank(const struct rt_tflite_op *o, int k);
/* rt_tflite_axis(axis, rank): from the front; −1 when it is none of ${rank}. */
int rt_tflite_axis(int64_t axis, int rank);
/* rt_tflite_activate(o, v, a): the fused activation of a float result. */
int rt_tflite_activate(struct rt_tflite_op *o, int v, int a);
/* rt_tflite_is_quantised(t): int8, uint8, int16 with one scale or more. */
bool rt_tflite_is_quantised(const struct rt_tflite_tensor *t);
/* rt_tflite_same_numbers(a, b): the same scale and zero point. */
bool rt_tflite_same_numbers(const struct rt_tflite_tensor *a, const struct rt_tflite_tensor *b);
/* rt_tflite_i64(o, v): ${v} as int64, for operators of ai.onnx that want that. */
int rt_tflite_i64(struct rt_tflite_op *o, int v);

/* Lowering functions of tflite.def. */
#define TFLITE(code, name, lower, op) rt_tflite_lower_f rt_tflite_lower_##lower;
#define TFLITE_REFUSED(code, name)
#include "runtime/tflite.def"
#undef TFLITE_REFUSED
#undef TFLITE
/* tflite_sequence.c, for LSTM: of four inputs and a state. */
rt_tflite_lower_f rt_tflite_lower_lstm_basic;
/* The custom operators of the table in tflite.c. */
rt_tflite_lower_f rt_tflite_lower_detection_postprocess;

#endif
