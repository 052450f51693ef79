/* SPDX-License-Identifier: MIT */
/*
 * model.h — what a model holds.  Private to model.c and session.c's files.
 */
#ifndef LARDER_RUNTIME_MODEL_H
#define LARDER_RUNTIME_MODEL_H

#include "runtime/graph.h"
#include "runtime/kernels/kernels.h"
#include "runtime/pack.h"
#include "runtime/runtime.h"

struct rt_format;

struct rt_model {
	const struct rt_format *format; /* of formats.def */
	struct rt_graph *graph;
	struct rt_ledger ledger; /* what bind, the graph and its passes allocate */
	struct rt_memory memory; /* what bind allocates */
	struct rt_pack pack;     /* which of it is packed weights */
	struct rt_trim *trim;    /* while binding; NULL otherwise */
	const struct rt_kernels *kernels;
	size_t memory_budget;
	struct rt_port *inputs, *outputs;
	size_t input_count, output_count;
};

#endif
