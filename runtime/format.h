/* SPDX-License-Identifier: MIT */
/*
 * format.h — which kind of model some bytes are, from their first ones, and who
 * reads it.  model.c asks.  The kinds are rows of formats.def.  Private to runtime/.
 */
#ifndef LARDER_RUNTIME_FORMAT_H
#define LARDER_RUNTIME_FORMAT_H

#include "runtime/graph.h"
#include "runtime/onnx.h"

/* rt_format_read_f(file, opts, out, err): as rt_onnx_read_model (onnx.h). */
typedef int rt_format_read_f(struct rt_bytes file, const struct rt_onnx_opts *opts,
			     struct rt_graph **out, struct rt_error *err);

struct rt_format {
	size_t offset;
	const char *signature;
	rt_format_read_f *read; /* NULL: no front end reads it */
	const char *platform;   /* "onnx_onnxv1"; NULL where read is */
	const char *what;       /* "a TensorFlow Lite model" */
};

/*
 * rt_format_of(file): what the bytes are; never NULL.  Whatever fits no row of
 * formats.def is taken for ONNX, which has no signature of its own.
 */
const struct rt_format *rt_format_of(struct rt_bytes file);

#endif
