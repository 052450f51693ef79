/* SPDX-License-Identifier: MIT */
/*
 * once.c — a single node outside of a plan, through the operator's own infer and
 * run, so that folding and running cannot differ.
 */
#include <config.h>

#include <stdlib.h>

#include "runtime/once.h"
#include "runtime/segment.h"

int rt_once_check(const struct rt_node *n, const struct rt_tensor *out, int out_count,
		  size_t budget, size_t *ret_bytes, struct rt_error *err)
{
	size_t sum = 0, bytes;
	char label[256], text[128];

	for (int i = 0; i < out_count; i++) {
		if (out[i].dtype == RT_NONE)
			continue;
		if (!rt_shape_bytes(&out[i].shape, out[i].dtype, &bytes))
			return rt_error_set(err, RT_INPUT, "%s: output %d would have shape %s",
					    rt_node_label(n, label, sizeof(label)), i,
					    rt_shape_text(&out[i].shape, text, sizeof(text)));
		if (bytes > budget || sum > budget - bytes)
			return rt_error_set(err, RT_BUDGET,
					    "%s: output %d, %s of %s, needs %zu bytes; the budget "
					    "is %zu",
					    rt_node_label(n, label, sizeof(label)), i,
					    rt_shape_text(&out[i].shape, text, sizeof(text)),
					    rt_dtype_name(out[i].dtype), bytes, budget);
		sum += bytes;
	}
	*ret_bytes = sum;
	return RT_OK;
}

int rt_once_run(struct rt_infer *f, struct rt_team *team, struct rt_memory *memory,
		struct rt_error *err)
{
	struct rt_fault fault = {.state = 0};
	struct rt_memory scratch = {.budget = memory->budget, .ledger = memory->ledger};
	struct rt_run run = {.node = f->node,
			     .state = f->state,
			     .shape_state = f->shape_state,
			     .in_count = f->in_count,
			     .out_count = f->out_count,
			     .in = f->in,
			     .out = f->out,
			     .team = team,
			     .fault = &fault};
	char label[256];

	for (int i = 0; i < f->out_count; i++) {
		if (f->out[i].dtype == RT_NONE)
			continue;
		f->out[i].data = rt_memory_take(memory, rt_tensor_bytes(&f->out[i]), 64);
		if (f->out[i].data == NULL)
			return rt_error_set(err, RT_BUDGET, "%s: no memory left for its output",
					    rt_node_label(f->node, label, sizeof(label)));
	}
	run.scratch = rt_memory_take(&scratch, f->scratch_bytes, 64);
	if (run.scratch == NULL)
		return rt_error_set(err, RT_BUDGET, "%s: no memory left for its scratch",
				    rt_node_label(f->node, label, sizeof(label)));
	f->node->op->run(&run);
	rt_memory_release(&scratch);
	if (atomic_load(&fault.state) != 0)
		return rt_error_set(err, RT_DATA, "%s: %s",
				    rt_node_label(f->node, label, sizeof(label)), fault.text);
	return RT_OK;
}
