/* SPDX-License-Identifier: MIT */
/*
 * tfjs.c — which kind of TensorFlow.js model a model.json is, and its reading.
 * Called through formats.def once per model; never while it runs.
 *
 *	{"modelTopology": {"node": […], …}, "weightsManifest": […]}        a graph model
 *	{"modelTopology": {"class_name" | "model_config": …}, …}           a layers model
 *	{"class_name": …, "config": …}                                     layers, no weights
 */
#include <config.h>

#include "runtime/tfjs.h"
#include "runtime/tfjs_reader.h"

static int no_topology(struct rt_tfjs *t, bool has_weights)
{
	return rt_lower_fail(&t->l, RT_UNSUPPORTED,
			     has_weights ? "this is a weights manifest without a topology: the "
					   "program that goes with it knows the network; the files "
					   "can be served, but not run"
					 : "this JSON is no TensorFlow.js model: it has no "
					   "modelTopology");
}

static void read_topology(struct rt_tfjs *t)
{
	const struct rt_json *manifest = rt_json_get(t->root, "weightsManifest");
	const struct rt_json *topology = rt_json_get(t->root, "modelTopology");

	if (rt_json_count(topology) == 0) {
		(void)no_topology(t, manifest != NULL || rt_json_get(t->root, "weights") != NULL);
		return;
	}
	rt_tfjs_weights_read(t, manifest);
	if (rt_json_get(topology, "node") != NULL)
		rt_tfjs_graph(t, topology);
	else if (rt_json_get(topology, "model_config") != NULL ||
		 rt_json_get(topology, "class_name") != NULL)
		rt_tfjs_layers(t, topology);
	else
		(void)rt_lower_fail(&t->l, RT_UNSUPPORTED,
				    "the modelTopology has neither nodes nor layers");
}

int rt_tfjs_read_model(struct rt_bytes file, const struct rt_onnx_opts *opts, struct rt_graph **out,
		       struct rt_error *err)
{
	struct rt_tfjs t = {.opts = opts};
	/* the text and its tree are not kept; they count while they are there */
	struct rt_memory json = {.budget = opts->memory_budget, .ledger = opts->ledger};
	int status = rt_lower_begin(&t.l, opts, "tensorflow", out, err);

	if (status < 0)
		return status;
	rt_names_init(&t.names);
	status = rt_json_parse(file, &json, &t.root, err);
	if (status < 0)
		t.l.status = status;
	else if (t.root->kind == RT_JSON_ARRAY)
		(void)no_topology(&t, true);
	else
		read_topology(&t);
	rt_names_release(&t.names);
	rt_memory_release(&json);
	return rt_lower_end(&t.l, out);
}
