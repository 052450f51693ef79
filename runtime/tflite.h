/* SPDX-License-Identifier: MIT */
/*
 * tflite.h — TensorFlow Lite bytes to a graph (schema.fbs, file identifier TFL3).
 *
 *	flatbuf.c          the bytes themselves
 *	tflite.c           operator codes, sub-graphs, signatures' names, operators in order
 *	tflite_tensor.c    tensors: types, buffers, quantisation
 *	tflite_sparse.c    sparse tensors made dense
 *	tflite_op.c        what every lowering function does with its operator
 *	tflite_<family>.c  lowering: an operator as nodes of the internal graph
 *	tflite.def         the table of builtin operators
 *
 * Nothing of the file is trusted: RT_MALFORMED says what is wrong and at which
 * byte, or in which tensor; operators that are not here are told all at once by
 * rt_graph_resolve.
 */
#ifndef LARDER_RUNTIME_TFLITE_H
#define LARDER_RUNTIME_TFLITE_H

#include "runtime/graph.h"
#include "runtime/onnx.h"

/* Bounds on what a file may hold. */
#define RT_TFLITE_GRAPHS_MAX 1024
#define RT_TFLITE_TENSORS_MAX 65536 /* of one sub-graph */
#define RT_TFLITE_OPS_MAX 65536     /* in all, each sub-graph as often as it is called */
#define RT_TFLITE_CALLS_MAX 16      /* of sub-graphs in sub-graphs */
#define RT_TFLITE_CODES_MAX 4096
#define RT_TFLITE_NAME_MAX 65536 /* bytes */

/*
 * rt_tflite_read_model(file, opts, out, err): as rt_onnx_read_model.  The model
 * is sub-graph 0.  Variables begin every run with their first values.
 */
int rt_tflite_read_model(struct rt_bytes file, const struct rt_onnx_opts *opts,
			 struct rt_graph **out, struct rt_error *err) RT_MUST_CHECK;

#endif
