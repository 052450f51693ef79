/* SPDX-License-Identifier: MIT */
/*
 * lite_file.h — writes small TensorFlow Lite files for tests: FlatBuffers, tables
 * first and what they point to behind them.  Used by check_tflite*.c.
 *
 *	struct lite_file f;
 *	lite_begin(&f);
 *	int x = lite_tensor(&f, "x", LITE_F32, 1, (int[]){4}, NULL, 0);
 *	…
 *	lite_operator(&f, lite_code(&f, 0, NULL), 2, (int[]){x, y}, 1, &z, options, 11);
 *	struct rt_bytes bytes = lite_end(&f, 1, &x, 1, &z);
 */
#ifndef LARDER_TESTS_RUNTIME_LITE_FILE_H
#define LARDER_TESTS_RUNTIME_LITE_FILE_H

#include "runtime/tensor.h"

#define LITE_ITEMS_MAX 64

/* TensorType of the schema. */
enum {
	LITE_F32 = 0,
	LITE_I32 = 2,
	LITE_U8 = 3,
	LITE_I64 = 4,
	LITE_BOOL = 6,
	LITE_I16 = 7,
	LITE_C64 = 8,
	LITE_I8 = 9
};

struct lite_tensor {
	const char *name;
	int type, rank, dims[4];
	const void *data;
	size_t bytes; /* 0: no constant */
	int scales;
	const float *scale;
	int64_t zero;
	int axis;
};
struct lite_op {
	int code, in_count, out_count, in[8], out[4];
	int option_count, options_type;
	struct rt_bytes custom; /* options of a custom operator; borrowed until lite_end */
	/* a field each: its bytes (0: absent) and its value */
	struct {
		size_t size;
		int64_t value;
	} options[8];
};
struct lite_file {
	_Alignas(16) uint8_t b[65536];
	size_t n;
	int tensor_count, op_count, code_count;
	struct lite_tensor tensors[LITE_ITEMS_MAX];
	struct lite_op ops[LITE_ITEMS_MAX];
	struct {
		int code;
		const char *custom;
	} codes[LITE_ITEMS_MAX];
};

void lite_begin(struct lite_file *f);
/* lite_tensor(f, name, type, rank, dims, data, bytes): its index; ${data} NULL: no constant. */
int lite_tensor(struct lite_file *f, const char *name, int type, int rank, const int *dims,
		const void *data, size_t bytes);
/* lite_quant(f, t, scales, scale, zero, axis): one scale, or one per index of ${axis}. */
void lite_quant(struct lite_file *f, int t, int scales, const float *scale, int64_t zero, int axis);
/* lite_op(f, builtin, custom, ins, in, outs, out): an operator; its options follow. */
struct lite_op *lite_op(struct lite_file *f, int builtin, const char *custom, int ins,
			const int *in, int outs, const int *out);
/* lite_option(op, size, value): the next field of the options; ${size} 0: left out. */
void lite_option(struct lite_op *op, size_t size, int64_t value);
/* lite_end(f, ins, in, outs, out): the file, which lives in ${f}. */
struct rt_bytes lite_end(struct lite_file *f, int ins, const int *in, int outs, const int *out);

#endif
