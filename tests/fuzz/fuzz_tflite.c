/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a TensorFlow Lite model: its identifier is put where it belongs, then it is opened,
 * and if that works, run once on zeros within a second.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/runtime.h"
#include "tests/fuzz/fuzz.h"

#define PORTS_MAX 16
#define BYTES_MAX ((size_t)256 << 10) /* of an input */

/* Zeros for one input, free dimensions 1; false where that would be large or no numbers. */
static bool zeros(const struct rt_port *port, struct rt_tensor *out)
{
	size_t size;

	*out = (struct rt_tensor){.dtype = port->dtype, .shape = port->shape};
	for (int i = 0; i < out->shape.rank; i++)
		out->shape.dims[i] = out->shape.dims[i] < 0 ? 1 : out->shape.dims[i];
	if (port->dtype == RT_STR || !rt_shape_bytes(&out->shape, out->dtype, &size) ||
	    size > BYTES_MAX)
		return false;
	out->data = calloc(1, size ? size : 1);
	return out->data != NULL;
}

static void run(struct rt_model *model)
{
	struct rt_tensor in[PORTS_MAX] = {0}, out[PORTS_MAX] = {0};
	struct rt_team *team = rt_team_new(1);
	struct rt_session *session = NULL;
	struct rt_run_opts opts = {0};
	struct rt_error err;
	struct timespec now;
	bool ready = team != NULL;

	clock_gettime(CLOCK_MONOTONIC, &now);
	opts.deadline_ns = (int64_t)(now.tv_sec + 1) * 1000000000 + now.tv_nsec;
	for (size_t i = 0; ready && i < rt_model_input_count(model); i++)
		ready = zeros(rt_model_input(model, i), &in[i]);
	if (ready && rt_session_open(model, team, &session, &err) == RT_OK) {
		if (rt_session_run(session, in, out, NULL, &opts, &err) != RT_OK)
			out[0].data = NULL;
		rt_session_close(session);
	}
	for (size_t i = 0; i < PORTS_MAX; i++)
		free(in[i].data);
	rt_team_free(team);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rt_error err;
	struct rt_model_opts opts = {.cpu_level = RT_CPU_SCALAR, .memory_budget = (size_t)16 << 20};
	struct rt_model *model = NULL;
	uint8_t *copy = malloc(size < 8 ? 8 : size);

	if (copy == NULL)
		return 0;
	if (size > 0)
		memcpy(copy, data, size);
	if (size >= 8) {
		memcpy(copy + 4, "TFL3", 4);
		copy[3] = 0;
	}
	if (rt_model_open((struct rt_bytes){copy, size}, &opts, &model, &err) == RT_OK &&
	    rt_model_input_count(model) <= PORTS_MAX && rt_model_output_count(model) <= PORTS_MAX)
		run(model);
	rt_model_close(model);
	free(copy);
	return 0;
}
