/* SPDX-License-Identifier: MIT */
/*
 * pbuild.h — writes protobuf bytes, and with them small ONNX models, right or
 * wrong on purpose.  For tests only; aborts when out of memory.
 *
 *	struct pbuild m = {0};
 *	pbuild_model(&m, 13);
 *	pbuild_input(&m, "x", 1, 2, (int64_t[]){2, 3});
 *	pbuild_node(&m, "Relu", "x", "y", NULL);
 *	pbuild_output(&m, "y", 1);
 *	struct rt_bytes file = pbuild_finish(&m);
 *	…
 *	pbuild_free(&m);
 */
#ifndef LARDER_TESTS_LIB_PBUILD_H
#define LARDER_TESTS_LIB_PBUILD_H

#include "runtime/tensor.h"

struct pbuild {
	uint8_t *data;
	size_t size, cap;
	struct pbuild *graph; /* of a model: its GraphProto */
};

/* ---- messages ---- */
void pbuild_free(struct pbuild *b);
void pbuild_raw(struct pbuild *b, const void *data, size_t size);
void pbuild_number(struct pbuild *b, uint64_t varint); /* a bare varint */
void pbuild_int(struct pbuild *b, uint32_t field, int64_t value);
void pbuild_float(struct pbuild *b, uint32_t field, float value);
void pbuild_bytes(struct pbuild *b, uint32_t field, const void *data, size_t size);
void pbuild_string(struct pbuild *b, uint32_t field, const char *text);
/* pbuild_message(b, field, child): append ${child} and free it. */
void pbuild_message(struct pbuild *b, uint32_t field, struct pbuild *child);

/* ---- models: ${m} starts zeroed; types are TensorProto.DataType ---- */
void pbuild_model(struct pbuild *m, int64_t opset);
/* rank −1: no shape; dims −1: free. */
void pbuild_input(struct pbuild *m, const char *name, int64_t type, int rank, const int64_t *dims);
void pbuild_output(struct pbuild *m, const char *name, int64_t type);
/* The same for values that are no tensors: ${in} is what they are in, from outside to inside: `s`
 * a sequence, `o` an optional. */
void pbuild_input_in(struct pbuild *m, const char *in, const char *name, int64_t type);
void pbuild_output_in(struct pbuild *m, const char *in, const char *name, int64_t type);
/* pbuild_attr_type(attrs, name, in, type): a TypeProto. */
void pbuild_attr_type(struct pbuild *attrs, const char *name, const char *in, int64_t type);
/*
 * pbuild_node(m, op, in, out, attrs): ${in} and ${out} are names separated by
 * blanks, "-" for one that is left out; ${attrs} (a NodeProto in part) may be
 * NULL and is freed.  The node is named after its first output.
 */
void pbuild_node(struct pbuild *m, const char *op, const char *in, const char *out,
		 struct pbuild *attrs);
/* Attributes for pbuild_node. */
void pbuild_attr_int(struct pbuild *attrs, const char *name, int64_t value);
void pbuild_attr_ints(struct pbuild *attrs, const char *name, int count, const int64_t *values);
/* pbuild_attr_graph: ${graph} is a GraphProto and is freed. */
void pbuild_attr_graph(struct pbuild *attrs, const char *name, struct pbuild *graph);
void pbuild_init_f32(struct pbuild *m, const char *name, int rank, const int64_t *dims,
		     const float *data);
void pbuild_init_i64(struct pbuild *m, const char *name, int rank, const int64_t *dims,
		     const int64_t *data);
/* pbuild_tensor(t, …): a TensorProto with raw_data, for what the two above do not do. */
void pbuild_tensor(struct pbuild *t, const char *name, int64_t type, int rank, const int64_t *dims,
		   const void *raw, size_t raw_size);
/* pbuild_init(m, t): ${t}, a TensorProto, as an initialiser; freed. */
void pbuild_init(struct pbuild *m, struct pbuild *t);
/* pbuild_finish(m): the file, valid until pbuild_free(m). */
struct rt_bytes pbuild_finish(struct pbuild *m);

#endif
