/* SPDX-License-Identifier: MIT */
/*
 * window.c — HannWindow, HammingWindow, BlackmanWindow (since 17): a vector of
 * `size` values of a sum of cosines, w[n] = a0 − a1·cos(2πn/N) + a2·cos(4πn/N),
 * N = size if `periodic`, else size − 1.  output_datatype: TensorProto's number.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/ops.h"

struct window {
	double a[3];
	bool periodic;
};

static int window_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		       struct rt_error *err)
{
	(void)g;
	out[0] = rt_dtype_of_onnx(rt_node_int(n, "output_datatype", 1));
	if (!rt_convert_is_number(out[0]))
		return rt_error_set(err, RT_UNSUPPORTED, "output_datatype is no number");
	return RT_OK;
}

static int window_bind(struct rt_bind *b, struct rt_error *err)
{
	struct window *s = b->state;
	const char *name = b->node->op_type;

	(void)err;
	s->periodic = rt_node_int(b->node, "periodic", 1) != 0;
	if (strcmp(name, "HannWindow") == 0)
		memcpy(s->a, (double[3]){0.5, 0.5, 0}, sizeof(s->a));
	else if (strcmp(name, "HammingWindow") == 0)
		memcpy(s->a, (double[3]){25.0 / 46, 21.0 / 46, 0}, sizeof(s->a));
	else
		memcpy(s->a, (double[3]){0.42, 0.5, 0.08}, sizeof(s->a));
	return RT_OK;
}

static int window_infer(struct rt_infer *f, struct rt_error *err)
{
	int64_t size;
	int count;

	if (!rt_op_ints(&f->in[0], &size, 1, &count) || count != 1 || size < 0)
		return rt_error_set(err, RT_INPUT, "size is not one integer ≥ 0");
	f->out[0].shape = rt_shape_of(1, size);
	return RT_OK;
}

static void window_run(const struct rt_run *r)
{
	const struct window *s = r->state;
	int64_t size = r->out[0].shape.dims[0];
	double n = (double)(s->periodic ? size : size - 1);

	for (int64_t i = 0; i < size; i++) {
		double turn = n > 0 ? 2 * 3.14159265358979323846 * (double)i / n : 0;
		double w = s->a[0] - s->a[1] * cos(turn) + s->a[2] * cos(2 * turn);
		rt_convert_from_f64(r->out[0].dtype, &w, 1, r->out[0].data, i, false);
	}
}

const struct rt_op rt_op_window = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1,
    .state_bytes = sizeof(struct window),
    .type = window_type,
    .bind = window_bind,
    .infer = window_infer,
    .run = window_run,
};
