/* SPDX-License-Identifier: MIT */
/*
 * graph_optimise.c — runs the passes of passes.def in order.
 */
#include <config.h>

#include "runtime/graph.h"

static const struct {
	const char *name;
	rt_pass_f *run;
	bool always, each;
} passes[] = {
#define PASS(name, always, each) {#name, rt_pass_##name, always, each},
#include "runtime/passes.def"
#undef PASS
};

/* ${pass} on the sub-graphs of ${g}, the innermost first, then on ${g}. */
static int run_each(struct rt_graph *g, rt_pass_f *pass, struct rt_error *err)
{
	for (int i = 0; i < g->node_count; i++) {
		const struct rt_node *n = &g->nodes[i];

		for (int k = 0; k < n->attr_count; k++) { /* depth: bounded by the reader */
			int status = RT_OK;

			if (n->attrs[k].kind == RT_ATTR_GRAPH)
				status = run_each(n->attrs[k].graph, pass, err);
			if (status < 0)
				return status;
		}
	}
	return pass(g, err);
}

int rt_graph_optimise(struct rt_graph *g, bool all, struct rt_error *err)
{
	for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]); i++) {
		int status = RT_OK;

		if (all || passes[i].always)
			status = passes[i].each ? run_each(g, passes[i].run, err)
						: passes[i].run(g, err);
		if (status < 0)
			return rt_error_wrap(err, "pass %s", passes[i].name);
	}
	return RT_OK;
}
