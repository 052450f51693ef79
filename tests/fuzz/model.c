/* SPDX-License-Identifier: MIT */
/*
 * model.c — see model.h.  Linked into the targets fuzz_onnx.c, fuzz_tfjs.c and fuzz_tflite.c.
 */
#include <config.h>

#include "tests/fuzz/model.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PORTS_MAX 16
#define ELEMS_MAX 65536

/* Elements of an input: any bits, small numbers, or zeros, as ${sum} says. */
static void fill(struct rt_tensor *t, size_t size, uint64_t sum)
{
	bool any = sum % 4 == 1 && t->dtype != RT_BOOL;
	bool zeros = sum % 4 == 0 || rt_dtype_is_list(t->dtype);
	size_t step = rt_dtype_bits(t->dtype) / 8;
	uint8_t *bytes = t->data;

	for (size_t i = 0; !zeros && step > 0 && i < size; i += any ? 1 : step) {
		float x;
		sum = sum * UINT64_C(6364136223846793005) + 1442695040888963407U;
		x = (float)((int)(sum >> 40 & 15) - 7) / 2;
		if (any)
			bytes[i] = (uint8_t)(sum >> 40);
		else if (t->dtype == RT_F32)
			memcpy(bytes + i, &x, sizeof(x));
		else
			bytes[i] = (uint8_t)(sum >> 40 & (t->dtype == RT_BOOL ? 1 : 3));
	}
}

static uint64_t checksum(const uint8_t *data, size_t size)
{
	uint64_t sum = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ data[i]) * UINT64_C(1099511628211);
	return sum >> 8;
}

/* One input, free dimensions 1; false where that would be large or no numbers. */
static bool make(const struct rt_port *port, uint64_t sum, struct rt_tensor *out)
{
	int64_t elems;
	size_t size;

	*out = (struct rt_tensor){.dtype = port->dtype, .shape = port->shape};
	if (port->optional)
		return true;
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
	if (out->data == NULL)
		return false;
	fill(out, size, sum);
	return true;
}

static void run(struct rt_model *model, uint64_t sum)
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
		ready = make(rt_model_input(model, i), sum + i, &in[i]);
	if (ready && rt_session_open(model, team, &session, &err) == RT_OK) {
		if (rt_session_run(session, in, out, NULL, &opts, &err) != RT_OK)
			out[0].data = NULL;
		rt_session_close(session);
	}
	for (size_t i = 0; i < PORTS_MAX; i++)
		free(in[i].data);
	rt_team_free(team);
}

void model_try(struct rt_bytes file,
	       int (*find)(void *arg, const char *location, struct rt_bytes *out))
{
	static struct rt_error err;
	struct rt_model_opts opts = {
	    .cpu_level = RT_CPU_SCALAR, .find = find, .memory_budget = (size_t)16 << 20};
	struct rt_model *model = NULL;

	if (rt_model_open(file, &opts, &model, &err) != RT_OK)
		return;
	if (rt_model_input_count(model) <= PORTS_MAX && rt_model_output_count(model) <= PORTS_MAX)
		run(model, checksum(file.data, file.size));
	rt_model_close(model);
}
