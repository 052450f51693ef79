/* SPDX-License-Identifier: MIT */
/*
 * tfjs_reader.h — what the files tfjs*.c share while one model is read.
 */
#ifndef LARDER_RUNTIME_TFJS_READER_H
#define LARDER_RUNTIME_TFJS_READER_H

#include "runtime/json.h"
#include "runtime/lower.h"
#include "runtime/names.h"

#define RT_TFJS_WEIGHTS_MAX 65536
#define RT_TFJS_SHARDS_MAX 4096
#define RT_TFJS_ARGS_MAX 1024 /* inputs or outputs of one node */
#define RT_TFJS_COMPLEX_MAX 256

struct rt_tfjs_weight;
struct rt_tfjs_group;

struct rt_tfjs {
	struct rt_lower l;
	const struct rt_onnx_opts *opts;
	const struct rt_json *root; /* of model.json */
	struct rt_names names;      /* of weights, to indices of ${weights} */
	struct rt_tfjs_weight *weights;
	int weight_count;
	struct rt_tfjs_group *groups;
	int group_count;
	struct { /* values that are complex (tfjs_op_signal.c) */
		const struct rt_graph *graph;
		int v;
	} complex[RT_TFJS_COMPLEX_MAX];
	int complex_count;
};

/* ---- weights (tfjs_weights.c) ---------------------------------------------------------------- */

/* rt_tfjs_weights_read(t, manifest): find the shards and check every entry against them. */
void rt_tfjs_weights_read(struct rt_tfjs *t, const struct rt_json *manifest);
/* rt_tfjs_weights_find(t, name): a constant of the graph at hand with that weight; RT_NO_VALUE
 * when there is none of that name, which is no error. */
int rt_tfjs_weights_find(struct rt_tfjs *t, struct rt_str name);
/* The weight that is ${i}th in the manifest, or NULL. */
const char *rt_tfjs_weights_name(const struct rt_tfjs *t, int i);

/* ---- kinds of models ------------------------------------------------------------------------- */

void rt_tfjs_graph(struct rt_tfjs *t, const struct rt_json *topology);
void rt_tfjs_layers(struct rt_tfjs *t, const struct rt_json *topology);

#endif
