/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a TensorFlow.js model.json: opened, and if that works, run once on zeros within a
 * second.  Every shard that it names is the same 256 KiB, of which no two words are alike.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/runtime.h"
#include "tests/fuzz/fuzz.h"

#define PORTS_MAX 16
#define ELEMS_MAX 65536
#define SHARD_BYTES ((size_t)256 << 10)

static int find(void *arg, const char *location, struct rt_bytes *out)
{
	static _Alignas(64) float words[SHARD_BYTES / sizeof(float)];

	(void)arg;
	if (location[0] == '/' || strncmp(location, "../", 3) == 0 ||
	    strstr(location, "/../") != NULL || strcmp(location, "..") == 0)
		abort(); /* the runtime has let through what it must not */
	for (size_t i = 0; words[1] == 0 && i < SHARD_BYTES / sizeof(float); i++)
		words[i] = (float)i / 1024 - 8;
	*out = (struct rt_bytes){.data = words, .size = SHARD_BYTES};
	return RT_OK;
}

/* Zeros for one input, free dimensions 1; false where that would be large or no numbers. */
static bool zeros(const struct rt_port *port, struct rt_tensor *out)
{
	int64_t elems;
	size_t size;

	*out = (struct rt_tensor){.dtype = port->dtype, .shape = port->shape};
	if (port->dtype == RT_STR || port->shape.rank < 0)
		return false;
	for (int i = 0; i < out->shape.rank; i++) {
		if (out->shape.dims[i] < 0)
			out->shape.dims[i] = 1;
	}
	if (!rt_shape_elems(&out->shape, &elems) || elems > ELEMS_MAX ||
	    !rt_shape_bytes(&out->shape, out->dtype, &size))
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
	struct rt_model_opts opts = {
	    .cpu_level = RT_CPU_SCALAR, .find = find, .memory_budget = (size_t)16 << 20};
	struct rt_model *model = NULL;
	struct rt_bytes file = {.data = data, .size = size};

	if (size == 0 || (data[0] != '{' && data[0] != '['))
		return 0; /* other formats have targets of their own */
	if (rt_model_open(file, &opts, &model, &err) != RT_OK)
		return 0;
	if (rt_model_input_count(model) <= PORTS_MAX && rt_model_output_count(model) <= PORTS_MAX)
		run(model);
	rt_model_close(model);
	return 0;
}
