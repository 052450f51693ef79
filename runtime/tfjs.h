/* SPDX-License-Identifier: MIT */
/*
 * tfjs.h — TensorFlow.js models (model.json and its shards) to a graph.
 *
 *	tfjs.c            what kind of model it is
 *	tfjs_weights.c    weights manifest: shards, quantised weights
 *	tfjs_graph.c      graph models: GraphDef, signature, functions
 *	tfjs_op_*.c       operators of graph models (tfjs_ops.def)
 *	tfjs_layers.c     layers models: Keras topology
 *	tfjs_layer_*.c    layers (tfjs_layers.def)
 *
 * Everything becomes operators of ai.onnx (lower.h), channels last through
 * Transposes that the layout pass takes out.
 */
#ifndef LARDER_RUNTIME_TFJS_H
#define LARDER_RUNTIME_TFJS_H

#include "runtime/graph.h"
#include "runtime/onnx.h"

/*
 * rt_tfjs_read_model(file, opts, out, err): ${file} is a model.json; the shards
 * that its manifest names come through opts->find, relative to it, and stay as
 * long as the graph.  Graph as rt_onnx_read_model.  RT_UNSUPPORTED for weights
 * without a topology; RT_NOT_FOUND for a shard that is not there.
 */
int rt_tfjs_read_model(struct rt_bytes file, const struct rt_onnx_opts *opts, struct rt_graph **out,
		       struct rt_error *err) RT_MUST_CHECK;

#endif
