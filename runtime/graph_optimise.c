/* SPDX-License-Identifier: MIT */
/*
 * graph_optimise.c — runs the passes of passes.def in order.
 */
#include <config.h>

#include "runtime/graph.h"

static const struct {
	const char *name;
	rt_pass_f *run;
	bool always;
} passes[] = {
#define PASS(name, always) {#name, rt_pass_##name, always},
#include "runtime/passes.def"
#undef PASS
};

int rt_graph_optimise(struct rt_graph *g, bool all, struct rt_error *err)
{
	for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]); i++) {
		int status = RT_OK;

		if (all || passes[i].always)
			status = passes[i].run(g, err);
		if (status < 0)
			return rt_error_wrap(err, "pass %s", passes[i].name);
	}
	return RT_OK;
}
