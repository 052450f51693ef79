/* SPDX-License-Identifier: MIT */
/*
 * tfjs_layer_conv_rnn.c — ConvLSTM2D: an LSTM whose states are images and whose
 * products are convolutions.  Called by tfjs_layers.c through tfjs_layers.def.
 *
 *	z = conv(x, W) + b + conv(h, R), cut into i f g o
 *	c' = σ(f) ∘ c + σ(i) ∘ tanh(g);  h' = σ(o) ∘ tanh(c')
 *
 * conv(x, W) + b is computed for all steps at once, as one batch; what depends on
 * the step before is the body of a Scan.  Images are channels first in between.
 */
#include <config.h>

#include <string.h>

#include "runtime/tfjs_layer.h"

/* Of the layer, and of its states, [batch, filters, high, wide]. */
struct plan {
	bool first, same, sequences, state, backwards;
	int64_t kernel[2], strides[2], dilations[2];
	int64_t filters, high, wide; /* sizes −1: not known */
};

static int64_t after_window(const struct plan *p, int i, int64_t n)
{
	const int64_t reach = (p->kernel[i] - 1) * p->dilations[i] + 1;

	if (n < 0)
		return -1;
	if (p->same)
		return (n + p->strides[i] - 1) / p->strides[i];
	return n < reach ? 0 : (n - reach) / p->strides[i] + 1;
}

static bool read_plan(struct rt_tfjs_layer *c, const struct rt_shape *s, struct plan *p)
{
	const bool ok = rt_tfjs_layer_ints(c, "kernel_size", 2, 0, p->kernel) &&
			rt_tfjs_layer_ints(c, "strides", 2, 1, p->strides) &&
			rt_tfjs_layer_ints(c, "dilation_rate", 2, 1, p->dilations);

	if (!ok || s->rank != 5) {
		(void)rt_lower_fail(c->l, RT_MALFORMED, "%s of rank %d, or its window is none",
				    c->class_name, s->rank);
		return false;
	}
	p->first = rt_tfjs_layer_first(c);
	p->same = rt_tfjs_layer_is(c, "padding", "same");
	p->sequences = rt_tfjs_layer_bool(c, "return_sequences", false);
	p->state = rt_tfjs_layer_bool(c, "return_state", false);
	p->backwards = rt_tfjs_layer_bool(c, "go_backwards", false);
	p->high = after_window(p, 0, s->dims[p->first ? 3 : 2]);
	p->wide = after_window(p, 1, s->dims[p->first ? 4 : 3]);
	return true;
}

/* Elements from ${from} to ${to} of the shape of ${x}. */
static int sizes(struct rt_lower *l, int x, int64_t from, int64_t to)
{
	return rt_lower_op3(l, "Slice", rt_lower_op1(l, "Shape", x), rt_lower_i64(l, from),
			    rt_lower_i64(l, to));
}

static int joined(struct rt_lower *l, int a, int b)
{
	const int v = rt_lower_op2(l, "Concat", a, b);

	rt_lower_set_int(l, "axis", 0);
	return v;
}

/* conv(x, W) + b of every step: [time, batch, 4 · filters, high, wide]. */
static int of_inputs(struct rt_tfjs_layer *c, const struct plan *p, int x)
{
	struct rt_lower *l = c->l;
	const int bias = rt_tfjs_layer_bool(c, "use_bias", true)
			     ? rt_tfjs_layer_weight(c, "bias", false)
			     : RT_NO_VALUE;
	const int w = rt_lower_kernel(l, rt_tfjs_layer_weight(c, "kernel", false), RT_KERNEL_HWIO);
	int y;

	if (p->backwards)
		x = rt_tfjs_layer_reversed(l, x, 1);
	y = rt_lower_op2(l, "Reshape", x, joined(l, rt_lower_i64(l, -1), sizes(l, x, 2, 5)));
	if (!p->first)
		y = rt_lower_to_nchw(l, y, 4);
	y = rt_lower_opn(l, "Conv", bias == RT_NO_VALUE ? 2 : 3, (int[]){y, w, bias});
	rt_lower_set_ints(l, "strides", 2, p->strides);
	rt_lower_set_ints(l, "dilations", 2, p->dilations);
	rt_lower_set_string(l, "auto_pad", p->same ? "SAME_UPPER" : "VALID");
	y = rt_lower_op2(l, "Reshape", y, joined(l, sizes(l, x, 0, 2), sizes(l, y, 1, 4)));
	return rt_lower_transpose(l, y, 5, (int64_t[]){1, 0, 2, 3, 4});
}

/* The activation that the file names, else what tfjs-layers takes. */
static int through(struct rt_tfjs_layer *c, int x, const char *key, const char *otherwise)
{
	if (rt_tfjs_layer_get(c, key, NULL) == NULL)
		return rt_lower_op1(c->l, otherwise, x);
	return rt_tfjs_layer_act(c, x, key);
}

/* One step: h, c, z of the inputs; gives h', c', h'. */
static struct rt_graph *step(struct rt_tfjs_layer *c, int recurrent)
{
	struct rt_lower *l = c->l;
	const struct rt_lower_place place = rt_lower_enter(l);
	int h, cell, z, gate, kept, y;

	rt_lower_ports(l, 3, 3);
	h = rt_lower_input(l, "", RT_F32, NULL);
	cell = rt_lower_input(l, "", RT_F32, NULL);
	z = rt_lower_input(l, "", RT_F32, NULL);
	y = rt_lower_op2(l, "Conv", h, rt_lower_outer(l, recurrent));
	rt_lower_set_string(l, "auto_pad", "SAME_UPPER");
	z = rt_lower_op2(l, "Add", z, y);
	gate = rt_lower_node(l, RT_ONNX, "Split", 1, &z, 4);
	rt_lower_set_int(l, "axis", 1);
	rt_lower_set_int(l, "num_outputs", 4);
	kept = rt_lower_op2(l, "Mul", through(c, gate + 1, "recurrent_activation", "HardSigmoid"),
			    cell);
	y = rt_lower_op2(l, "Mul", through(c, gate, "recurrent_activation", "HardSigmoid"),
			 through(c, gate + 2, "activation", "Tanh"));
	cell = rt_lower_op2(l, "Add", kept, y);
	y = rt_lower_op2(l, "Mul", through(c, gate + 3, "recurrent_activation", "HardSigmoid"),
			 through(c, cell, "activation", "Tanh"));
	rt_lower_output(l, y, "");
	rt_lower_output(l, cell, "");
	rt_lower_output(l, rt_lower_op1(l, "Identity", y), "");
	return rt_lower_leave(l, place);
}

/* A state as the layer hands it on: [batch, high, wide, filters], or channels first. */
static void give_state(struct rt_tfjs_layer *c, const struct plan *p, int v, int64_t batch)
{
	struct rt_shape s = {.rank = 4};

	s.dims[0] = batch;
	s.dims[p->first ? 1 : 3] = p->filters;
	s.dims[p->first ? 2 : 1] = p->high;
	s.dims[p->first ? 3 : 2] = p->wide;
	rt_tfjs_layer_give(c, p->first ? v : rt_lower_to_nhwc(c->l, v, 4), &s);
}

static void give_sequences(struct rt_tfjs_layer *c, const struct plan *p, int v,
			   const struct rt_shape *in)
{
	struct rt_shape s = {.rank = 5};

	s.dims[0] = in->dims[0];
	s.dims[1] = in->dims[1];
	s.dims[p->first ? 2 : 4] = p->filters;
	s.dims[p->first ? 3 : 2] = p->high;
	s.dims[p->first ? 4 : 3] = p->wide;
	v = rt_lower_transpose(c->l, v, 5,
			       p->first ? (int64_t[]){1, 0, 2, 3, 4} : (int64_t[]){1, 0, 3, 4, 2});
	rt_tfjs_layer_give(c, v, &s);
}

void rt_tfjs_layer_conv_lstm(struct rt_tfjs_layer *c)
{
	struct rt_lower *l = c->l;
	const struct rt_shape s = rt_tfjs_layer_shape(c, c->in[0]);
	struct plan p = {.filters = -1};
	int z, zeros, recurrent, y;
	struct rt_graph *body;

	if (l->status < 0 || !read_plan(c, &s, &p))
		return;
	if (c->in_count > 1 || c->mask != RT_NO_VALUE) {
		rt_tfjs_layer_missing(c, "with a mask or states from elsewhere");
		return;
	}
	recurrent = rt_tfjs_layer_weight(c, "recurrent_kernel", false);
	p.filters = rt_lower_dim(l, recurrent, 2);
	recurrent = rt_lower_kernel(l, recurrent, RT_KERNEL_HWIO);
	z = of_inputs(c, &p, c->in[0]);
	zeros =
	    joined(l, joined(l, sizes(l, z, 1, 2), rt_lower_i64(l, p.filters)), sizes(l, z, 3, 5));
	zeros = rt_lower_op2(l, "Expand", rt_lower_f32(l, 0), zeros);
	body = step(c, recurrent);
	y = rt_lower_node(l, RT_ONNX, "Scan", 3, (int[]){zeros, zeros, z}, 3);
	rt_lower_set_graph(l, "body", body);
	rt_lower_set_int(l, "num_scan_inputs", 1);
	if (l->status < 0 || c->missing)
		return;
	if (p.sequences)
		give_sequences(c, &p, y + 2, &s);
	else
		give_state(c, &p, y, s.dims[0]);
	for (int i = 0; p.state && i < 2; i++)
		give_state(c, &p, y + i, s.dims[0]);
}
