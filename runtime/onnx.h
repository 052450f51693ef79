/* SPDX-License-Identifier: MIT */
/*
 * onnx.h — ONNX bytes to a graph (onnx/onnx.proto, IR versions 3 to 10).
 *
 *	onnx.c           models, graphs, opsets
 *	onnx_node.c      nodes and attributes, sub-graphs
 *	onnx_function.c  model-local functions, put in place of their calls
 *	onnx_tensor.c    tensors in every encoding, external data, sparse ones
 *	onnx_data.c      values in files of their own, sequences and optionals too
 *	onnx_type.c      types and shapes of inputs and outputs
 *
 * Nothing of the file is trusted: RT_MALFORMED says what is wrong and where, as
 * a byte offset or by name; RT_UNSUPPORTED is for what is legal and not here.
 */
#ifndef LARDER_RUNTIME_ONNX_H
#define LARDER_RUNTIME_ONNX_H

#include "runtime/graph.h"
#include "runtime/runtime.h"

/* Bounds on what a file may hold. */
#define RT_ONNX_NODES_MAX 65536   /* in all graphs together, calls of functions too */
#define RT_ONNX_TENSORS_MAX 65536 /* initialisers and constants, likewise */
#define RT_ONNX_NAME_MAX 65536    /* bytes */
#define RT_ONNX_STRING_MAX ((size_t)16 << 20)
#define RT_ONNX_ATTRS_MAX 1024 /* of one node */
#define RT_ONNX_FUNCTIONS_MAX 1024
#define RT_ONNX_CALLS_MAX 16 /* of functions in functions */
#define RT_ONNX_FILES_MAX 4096

struct rt_onnx_opts {
	rt_find_f *find; /* for external data; NULL: it is an error */
	void *find_arg;
	size_t memory_budget; /* of what cannot be a view; 0 = 4 GiB */
	struct rt_ledger
	    *ledger;     /* what the graph takes counts here, as long as it lives; or NULL */
	bool check_only; /* no weight will be read: what would have to be converted may stay 0 */
};

/*
 * rt_onnx_read_model(file, opts, out, err): a graph in topological order, its
 * constants views into ${file} where they are aligned; the caller frees it with
 * rt_graph_free and keeps the bytes until then.  NULL when it fails.
 */
int rt_onnx_read_model(struct rt_bytes file, const struct rt_onnx_opts *opts, struct rt_graph **out,
		       struct rt_error *err) RT_MUST_CHECK;

/*
 * rt_onnx_read_tensor(file, owner, name, out, err): a file that is one
 * TensorProto (input_J.pb).  ${out} is a view into ${file} or memory of
 * ${owner} (rt_graph_new); ${name}, which may be NULL, gets its name, "" if it
 * has none.
 */
int rt_onnx_read_tensor(struct rt_bytes file, struct rt_graph *owner, const char **name,
			struct rt_tensor *out, struct rt_error *err) RT_MUST_CHECK;
/* rt_onnx_read_value(file, owner, dtype, out, err): the same for any value (SequenceProto,
 * OptionalProto, MapProto of onnx-data.proto) of type ${dtype}. */
int rt_onnx_read_value(struct rt_bytes file, struct rt_graph *owner, enum rt_dtype dtype,
		       struct rt_tensor *out, struct rt_error *err) RT_MUST_CHECK;

#endif
