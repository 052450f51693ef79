/* SPDX-License-Identifier: MIT */
/*
 * quantised_lstm.c — DynamicQuantizeLSTM (com.microsoft 1): LSTM with weights
 * of 8 bits, W [D][I][4·H] and R [D][H][4·H] (turned against ONNX), each with a
 * scale and a zero point per direction or per column (inputs 8 to 11).
 *
 * The operator may quantise X and H on the way to compute in integers; here the
 * weights are widened once, at load, and everything is float32, which is nearer
 * to what was quantised.  They must be constants, and the bias too.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/recurrent.h"

enum { X, W, R, BIAS, PLAIN = 8, W_SCALE = 8, W_ZERO, R_SCALE, R_ZERO };

/* Number ${d} · ${columns} + ${c} of a parameter that may be one per direction. */
static double param(const struct rt_tensor *t, int64_t d, int64_t columns, int64_t c,
		    int64_t directions)
{
	return rt_convert_get_f64(t, rt_tensor_elems(t) == directions ? d : d * columns + c);
}

/* ${q} [D][rows][columns] as float32 [D][columns][rows], malloc'ed; NULL after an error. */
static float *widen(const struct rt_bind *b, int input, int scale, struct rt_tensor *out,
		    struct rt_error *err)
{
	const struct rt_tensor *q = rt_bind_constant(b, input), *s = rt_bind_constant(b, scale),
			       *z = rt_bind_constant(b, scale + 1);
	int64_t D, rows, columns;
	float *to;

	if (!q || !s || !z || q->shape.rank != 3 || (q->dtype != RT_I8 && q->dtype != RT_U8) ||
	    s->dtype != RT_F32 || z->dtype != q->dtype) {
		rt_error_set(err, RT_UNSUPPORTED, "weights that are no 8-bit constants");
		return NULL;
	}
	D = q->shape.dims[0], rows = q->shape.dims[1], columns = q->shape.dims[2];
	if ((rt_tensor_elems(s) != D && rt_tensor_elems(s) != D * columns) ||
	    (rt_tensor_elems(z) != D && rt_tensor_elems(z) != D * columns)) {
		rt_error_set(err, RT_MALFORMED, "a scale or zero point does not fit input %d",
			     input);
		return NULL;
	}
	to = malloc((size_t)rt_tensor_elems(q) * sizeof(*to) + 1);
	if (!to) {
		rt_error_set(err, RT_MEMORY, "no memory for weights");
		return NULL;
	}
	for (int64_t d = 0; d < D; d++)
		for (int64_t c = 0; c < columns; c++) {
			double by = param(s, d, columns, c, D), zero = param(z, d, columns, c, D);
			for (int64_t r = 0; r < rows; r++)
				to[(d * columns + c) * rows + r] =
				    (float)(by *
					    (rt_convert_get_f64(q, (d * rows + r) * columns + c) -
					     zero));
		}
	*out = (struct rt_tensor){
	    .dtype = RT_F32, .shape = rt_shape_of(3, D, columns, rows), .data = to};
	return to;
}

/* bind of LSTM, in a graph where W and R are the widened ones. */
static int bind_widened(struct rt_bind *b, const struct rt_tensor *w, const struct rt_tensor *r,
			struct rt_error *err)
{
	struct rt_graph graph = *b->graph;
	struct rt_node node = *b->node;
	struct rt_bind plain = *b;
	int in[PLAIN], n = graph.value_count, rc;
	struct rt_value *values = calloc((size_t)n + 2, sizeof(*values));

	if (!values)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	memcpy(values, graph.values, (size_t)n * sizeof(*values));
	for (int i = 0; i < 2; i++) {
		values[n + i].name = "";
		values[n + i].dtype = RT_F32;
		values[n + i].is_constant = true;
		values[n + i].constant = i ? *r : *w;
		values[n + i].shape = values[n + i].constant.shape;
	}
	memcpy(in, node.in, sizeof(in));
	in[W] = n;
	in[R] = n + 1;
	node.in = in;
	node.in_count = PLAIN;
	graph.values = values;
	graph.value_count = n + 2;
	plain.graph = &graph;
	plain.node = &node;
	plain.trim = NULL; /* it knows the graph itself only */
	rc = rt_recurrent_bind_lstm(&plain, err);
	free(values);
	return rc;
}

static int lstm_bind(struct rt_bind *b, struct rt_error *err)
{
	struct rt_tensor w, r;
	float *wide_w, *wide_r;
	int rc = RT_UNSUPPORTED;

	if (b->node->in_count <= R_ZERO)
		return rt_error_set(err, RT_MALFORMED, "scales or zero points are left out");
	if (rt_bind_has(b, BIAS) && !rt_bind_constant(b, BIAS))
		return rt_error_set(err, RT_UNSUPPORTED, "a bias that is no constant");
	wide_w = widen(b, W, W_SCALE, &w, err);
	wide_r = wide_w ? widen(b, R, R_SCALE, &r, err) : NULL;
	if (wide_w && wide_r)
		rc = bind_widened(b, &w, &r, err);
	free(wide_w);
	free(wide_r);
	return rc;
}

/* The inputs that LSTM has, with the shapes it expects. */
static void as_plain(const struct rt_tensor *in, struct rt_tensor plain[PLAIN])
{
	memcpy(plain, in, PLAIN * sizeof(*in));
	for (int i = W; i <= R; i++) {
		int64_t *d = plain[i].shape.dims, t = d[1];
		d[1] = d[2];
		d[2] = t;
		plain[i].dtype = RT_F32;
	}
}

static int lstm_infer(struct rt_infer *f, struct rt_error *err)
{
	struct rt_tensor plain[PLAIN];
	const struct rt_tensor *in = f->in;
	int count = f->in_count, rc;

	as_plain(in, plain);
	f->in = plain;
	f->in_count = PLAIN;
	rc = rt_recurrent_infer(f, err);
	f->in = in;
	f->in_count = count;
	return rc;
}

static void lstm_run(const struct rt_run *r)
{
	struct rt_tensor plain[PLAIN];
	struct rt_run lstm = *r;

	as_plain(r->in, plain);
	lstm.in = plain;
	lstm.in_count = PLAIN;
	rt_recurrent_run(&lstm);
}

const struct rt_op rt_op_dynamic_quantize_lstm = {
    .in_min = 3, /* 8 to 11 are needed too: bind says so */
    .in_max = 12,
    .out_min = 0,
    .out_max = 3,
    .state_bytes = sizeof(struct rt_recurrent),
    .bind = lstm_bind,
    .infer = lstm_infer,
    .run = lstm_run,
};
