/* SPDX-License-Identifier: MIT */
/*
 * model.c — bytes to a model that sessions can run: read, resolve, optimise,
 * bind.  A model is not written to afterwards; any number of threads use it.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/bind.h"
#include "runtime/format.h"
#include "runtime/guard.h"
#include "runtime/model.h"
#include "runtime/settle.h"

#define DEFAULT_BUDGET ((size_t)4 << 30)

/* The ports keep the names of the file, whatever the passes make of the graph. */
static struct rt_port *make_ports(struct rt_graph *g, const int *list, int count)
{
	struct rt_port *ports = calloc((size_t)count + 1, sizeof(*ports));

	if (ports == NULL)
		return NULL;
	for (int i = 0; i < count; i++) {
		const struct rt_value *v = &g->values[list[i]];

		ports[i].name = v->name;
		ports[i].dtype = v->dtype;
		ports[i].shape = v->shape;
		memcpy(ports[i].dim_names, v->dim_names, sizeof(v->dim_names));
		ports[i].optional = v->is_input && v->is_constant;
	}
	return ports;
}

static int open_graph(struct rt_model *m, const struct rt_model_opts *opts, struct rt_error *err)
{
	struct rt_graph *g = m->graph;
	struct rt_packed packed = {.image = {NULL, 0}};
	int status = rt_graph_resolve(g, err);

	if (status < 0)
		return status;
	m->inputs = make_ports(g, g->inputs, g->input_count);
	m->outputs = make_ports(g, g->outputs, g->output_count);
	m->input_count = (size_t)g->input_count;
	m->output_count = (size_t)g->output_count;
	if (m->inputs == NULL || m->outputs == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	if (opts->check_only)
		return RT_OK;
	status = rt_settle(g, err);
	if (status == RT_OK)
		status = rt_graph_optimise(g, !opts->no_optimise, err);
	if (status == RT_OK)
		status = rt_settle(g, err);
	if (status < 0)
		return status;
	if (opts->packed != NULL) {
		opts->packed(opts->packed_arg, &packed);
		(void)rt_pack_use(&m->pack, m->kernels, &packed);
	}
	/* the model's: a page that is gone ends this function anywhere */
	m->trim = rt_trim_open(g, opts->unread, opts->unread_arg);
	status = rt_bind_graph(g, m->trim, &m->memory, &m->pack, err);
	rt_trim_close(m->trim);
	m->trim = NULL;
	return status;
}

/* Sub-graphs are made before the kernels are known. */
static void set_kernels(struct rt_graph *g, const struct rt_kernels *kernels)
{
	g->kernels = kernels;
	for (int i = 0; i < g->node_count; i++) {
		for (int k = 0; k < g->nodes[i].attr_count; k++) {
			if (g->nodes[i].attrs[k].kind == RT_ATTR_GRAPH)
				set_kernels(g->nodes[i].attrs[k].graph, kernels);
		}
	}
}

static int load(struct rt_model *m, struct rt_bytes file, const struct rt_model_opts *opts,
		struct rt_error *err)
{
	struct rt_onnx_opts onnx = {.find = opts->find,
				    .find_arg = opts->find_arg,
				    .memory_budget = m->memory_budget,
				    .ledger = &m->ledger,
				    .check_only = opts->check_only};
	int status;

	m->format = rt_format_of(file);
	if (m->format->read == NULL)
		return rt_error_set(err, RT_UNSUPPORTED, "this is %s; ONNX models run here",
				    m->format->what);
	status = m->format->read(file, &onnx, &m->graph, err);
	if (status < 0)
		return status;
	set_kernels(m->graph, m->kernels);
	return open_graph(m, opts, err);
}

/* The same, left in the middle when the bytes cannot be read. */
static int guarded_load(struct rt_model *m, struct rt_bytes file, const struct rt_model_opts *opts,
			struct rt_error *err)
{
	struct rt_guard g;
	int status;

	rt_guard_push(&g);
	if (sigsetjmp(g.at, 0) == 0) {
		status = load(m, file, opts, err);
		rt_guard_pop(&g);
		return status;
	}
	return rt_error_set(err, RT_IO, "a part of the model cannot be read");
}

int rt_model_open(struct rt_bytes file, const struct rt_model_opts *opts, struct rt_model **out,
		  struct rt_error *err)
{
	struct rt_model *m = calloc(1, sizeof(*m));
	int status;

	if (m == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	m->memory_budget = opts->memory_budget != 0 ? opts->memory_budget : DEFAULT_BUDGET;
	m->memory.budget = m->ledger.budget = m->memory_budget;
	m->memory.ledger = &m->ledger;
	m->memory.is_hot = true;
	m->kernels = rt_kernels_select(opts->cpu_level);
	status = guarded_load(m, file, opts, err);
	if (status < 0) {
		rt_model_close(m);
		return status;
	}
	*out = m;
	return RT_OK;
}

void rt_model_close(struct rt_model *m)
{
	if (m == NULL)
		return;
	if (m->graph != NULL)
		rt_bind_release_graph(m->graph);
	rt_trim_close(m->trim);
	rt_pack_release(&m->pack);
	rt_memory_release(&m->memory);
	rt_graph_free(m->graph);
	free(m->inputs);
	free(m->outputs);
	free(m);
}

size_t rt_model_input_count(const struct rt_model *m)
{
	return m->input_count;
}

size_t rt_model_output_count(const struct rt_model *m)
{
	return m->output_count;
}

const struct rt_port *rt_model_input(const struct rt_model *m, size_t i)
{
	must(i < m->input_count);
	return &m->inputs[i];
}

const struct rt_port *rt_model_output(const struct rt_model *m, size_t i)
{
	must(i < m->output_count);
	return &m->outputs[i];
}

const char *rt_model_platform(const struct rt_model *m)
{
	return m->format->platform;
}

int64_t rt_model_opset(const struct rt_model *m)
{
	return m->graph->opset[RT_ONNX];
}

size_t rt_model_resident_bytes(const struct rt_model *m)
{
	return m->memory.bytes + m->graph->memory.bytes;
}

int rt_model_packed_parts(const struct rt_model *m, const uint8_t key[RT_PACKED_KEY],
			  struct rt_packed_parts *out)
{
	return rt_pack_parts(&m->pack, m->kernels, key, out);
}

enum rt_cpu_level rt_model_cpu_level(const struct rt_model *m)
{
	return m->kernels->level;
}
