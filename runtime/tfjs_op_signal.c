/* SPDX-License-Identifier: MIT */
/*
 * tfjs_op_signal.c — complex numbers and Fourier transforms of graph models.
 * Called by tfjs_graph.c through tfjs_ops.def.
 *
 * A complex tensor is a float one with an axis of two more at its end, and is
 * noted as such (rt_tfjs_op_complex): only the operators here, and those that
 * hand on what they get, take one.  What they give is real again, or noted too.
 */
#include <config.h>

#include <string.h>

#include "runtime/tfjs_op.h"

bool rt_tfjs_op_is_complex(const struct rt_tfjs *t, int v)
{
	for (int i = 0; i < t->complex_count; i++) {
		if (t->complex[i].graph == t->l.graph && t->complex[i].v == v)
			return true;
	}
	return false;
}

/* ${v} is the next output, and complex. */
static void give_complex(struct rt_tfjs_op *c, int v)
{
	struct rt_tfjs *t = c->t;

	if (t->complex_count == RT_TFJS_COMPLEX_MAX) {
		rt_tfjs_op_missing(c, "more than 256 complex numbers");
		return;
	}
	t->complex[t->complex_count].graph = c->l->graph;
	t->complex[t->complex_count++].v = v;
	rt_tfjs_op_give(c, v);
}

bool rt_tfjs_op_takes_complex(const char *op)
{
	static const char *const ops[] = {
	    "Real",  "Imag",     "ComplexAbs", "FFT",          "IFFT",
	    "IRFFT", "Identity", "IdentityN",  "StopGradient", "PartitionedCall"};

	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		if (strcmp(op, ops[i]) == 0)
			return true;
	}
	return strcmp(op, "StatefulPartitionedCall") == 0;
}

static int part(struct rt_tfjs_op *c, int x, int64_t i)
{
	int y = rt_lower_op2(c->l, "Gather", x, rt_lower_scalar(c->l, RT_I64, (double)i));

	rt_lower_set_int(c->l, "axis", -1);
	return y;
}

/* Real and Imag; of what is not complex, the number and 0. */
void rt_tfjs_op_part(struct rt_tfjs_op *c)
{
	int x = rt_tfjs_op_in(c, 0);

	if (rt_tfjs_op_is_complex(c->t, x))
		rt_tfjs_op_give(c, part(c, x, c->to[0] == 'r' ? 0 : 1));
	else
		rt_tfjs_op_missing(c, "of what is not complex");
}

void rt_tfjs_op_complex(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int64_t last = -1;
	int re = rt_lower_unsqueeze(l, rt_tfjs_op_in(c, 0), 1, &last);
	int im = rt_lower_unsqueeze(l, rt_tfjs_op_in(c, 1), 1, &last);

	re = rt_lower_op2(l, "Concat", re, im);
	rt_lower_set_int(l, "axis", -1);
	give_complex(c, re);
}

void rt_tfjs_op_magnitude(struct rt_tfjs_op *c)
{
	int x = rt_tfjs_op_in(c, 0), y;

	if (!rt_tfjs_op_is_complex(c->t, x)) {
		rt_tfjs_op_missing(c, "of what is not complex");
		return;
	}
	y = rt_lower_op2(c->l, "ReduceL2", x, rt_lower_i64(c->l, -1));
	rt_lower_set_int(c->l, "keepdims", 0);
	rt_tfjs_op_give(c, y);
}

static int transform(struct rt_tfjs_op *c, int x, int length, bool inverse, bool half)
{
	int y = rt_lower_op2(c->l, "DFT", x, length);

	rt_lower_set_int(c->l, "inverse", inverse);
	rt_lower_set_int(c->l, "onesided", half);
	return y;
}

/* FFT, IFFT: along the last axis. */
void rt_tfjs_op_fft(struct rt_tfjs_op *c)
{
	int x = rt_tfjs_op_in(c, 0);

	if (rt_tfjs_op_is_complex(c->t, x))
		give_complex(c, transform(c, x, RT_NO_VALUE, c->to[0] == 'i', false));
	else
		rt_tfjs_op_missing(c, "of what is not complex");
}

/* RFFT(x, [length]): the first half of the spectrum. */
void rt_tfjs_op_rfft(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int x = rt_lower_unsqueeze(l, rt_tfjs_op_in(c, 0), 1, (int64_t[]){-1});
	int64_t n;
	int length = RT_NO_VALUE;

	if (rt_tfjs_op_number(c, 1, &n) && n > 0)
		length = rt_lower_scalar(l, RT_I64, (double)n);
	give_complex(c, transform(c, x, length, false, true));
}

/* IRFFT(x, [length]): the other half is the first one, conjugated, backwards. */
void rt_tfjs_op_irfft(struct rt_tfjs_op *c)
{
	static const float signs[2] = {1, -1};
	struct rt_tensor t = {.dtype = RT_F32, .shape = rt_shape_of(1, (int64_t)2)};
	const float *sign = signs;
	struct rt_lower *l = c->l;
	int x = rt_tfjs_op_in(c, 0), rest;
	int64_t n = 0;
	bool odd = rt_tfjs_op_number(c, 1, &n) && n % 2 == 1;

	if (!rt_tfjs_op_is_complex(c->t, x)) {
		rt_tfjs_op_missing(c, "of what is not complex");
		return;
	}
	memcpy(&t.data, &sign, sizeof(sign)); /* read only; copied */
	rest = rt_lower_opn(l, "Slice", 5,
			    (int[]){x, rt_lower_i64(l, odd ? -1 : -2), rt_lower_i64(l, 0),
				    rt_lower_i64(l, -2), rt_lower_i64(l, -1)});
	rest = rt_lower_op2(l, "Mul", rest, rt_lower_copy(l, &t));
	x = rt_lower_op2(l, "Concat", x, rest);
	rt_lower_set_int(l, "axis", -2);
	rt_tfjs_op_give(c, part(c, transform(c, x, RT_NO_VALUE, true, false), 0));
}
