/* SPDX-License-Identifier: MIT */
/*
 * tfjs_layer_basic.c — Keras layers: Dense, Embedding, activations, those that
 * merge, and those that only move.  Called by tfjs_layers.c through
 * tfjs_layers.def.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/tfjs_layer.h"

/* ---- products -------------------------------------------------------------------------------- */

void rt_tfjs_layer_dense(struct rt_tfjs_layer *c)
{
	struct rt_lower *l = c->l;
	struct rt_shape s = rt_tfjs_layer_shape(c, c->in[0]);
	int kernel = rt_tfjs_layer_weight(c, "kernel", false), y;

	y = rt_lower_op2(l, "MatMul", c->in[0], kernel);
	if (rt_tfjs_layer_bool(c, "use_bias", true))
		y = rt_lower_op2(l, "Add", y, rt_tfjs_layer_weight(c, "bias", false));
	if (s.rank > 0)
		s.dims[s.rank - 1] = rt_lower_dim(l, kernel, 1);
	y = rt_tfjs_layer_act(c, y, "activation");
	if (!c->missing)
		rt_tfjs_layer_give(c, y, &s);
}

void rt_tfjs_layer_embedding(struct rt_tfjs_layer *c)
{
	struct rt_lower *l = c->l;
	struct rt_shape s = rt_tfjs_layer_shape(c, c->in[0]);
	int table = rt_tfjs_layer_weight(c, "embeddings", false);
	int indices = rt_lower_cast(l, c->in[0], RT_I32);

	if (s.rank >= RT_RANK_MAX) {
		rt_tfjs_layer_missing(c, "at this rank");
		return;
	}
	s.dims[s.rank++] = rt_lower_dim(l, table, 1);
	c->out_mask = RT_NO_VALUE;
	if (rt_tfjs_layer_bool(c, "mask_zero", false) && s.rank == 3) {
		int zero = rt_lower_scalar(l, RT_I32, 0);

		c->out_mask = rt_lower_op1(l, "Not", rt_lower_op2(l, "Equal", indices, zero));
	}
	rt_tfjs_layer_give(c, rt_lower_op2(l, "Gather", table, indices), &s);
}

/* ---- element by element ---------------------------------------------------------------------- */

static void give_same(struct rt_tfjs_layer *c, int v)
{
	struct rt_shape s = rt_tfjs_layer_shape(c, c->in[0]);

	if (!c->missing)
		rt_tfjs_layer_give(c, v, &s);
}

void rt_tfjs_layer_same(struct rt_tfjs_layer *c)
{
	give_same(c, c->in[0]);
}

void rt_tfjs_layer_activation(struct rt_tfjs_layer *c)
{
	give_same(c, rt_tfjs_layer_act(c, c->in[0], "activation"));
}

/* f(x) = max_value for x ≥ max_value, x for x ≥ threshold, slope · (x − threshold) below. */
void rt_tfjs_layer_relu(struct rt_tfjs_layer *c)
{
	double most = rt_tfjs_layer_number(c, "max_value", (double)NAN);
	double slope = rt_tfjs_layer_number(c, "negative_slope", 0);
	struct rt_lower *l = c->l;
	int y;

	if (rt_tfjs_layer_number(c, "threshold", 0) != 0) {
		rt_tfjs_layer_missing(c, "with a threshold");
		return;
	}
	if (slope != 0) {
		y = rt_lower_op1(l, "LeakyRelu", c->in[0]);
		rt_lower_set_float(l, "alpha", (float)slope);
		if (!isnan(most))
			y = rt_lower_clip(l, y, (double)NAN, most);
	} else {
		y = isnan(most) ? rt_lower_op1(l, "Relu", c->in[0])
				: rt_lower_clip(l, c->in[0], 0, most);
	}
	give_same(c, y);
}

void rt_tfjs_layer_leaky(struct rt_tfjs_layer *c)
{
	double slope = rt_tfjs_layer_number(c, "negative_slope", 0.3);
	int y = rt_lower_op1(c->l, "LeakyRelu", c->in[0]);

	rt_lower_set_float(c->l, "alpha", (float)rt_tfjs_layer_number(c, "alpha", slope));
	give_same(c, y);
}

void rt_tfjs_layer_alpha(struct rt_tfjs_layer *c)
{
	int y = rt_lower_op1(c->l, c->to, c->in[0]);

	rt_lower_set_float(c->l, "alpha", (float)rt_tfjs_layer_number(c, "alpha", 1));
	give_same(c, y);
}

void rt_tfjs_layer_thresholded(struct rt_tfjs_layer *c)
{
	int y = rt_lower_op1(c->l, "ThresholdedRelu", c->in[0]);

	rt_lower_set_float(c->l, "alpha", (float)rt_tfjs_layer_number(c, "theta", 1));
	give_same(c, y);
}

void rt_tfjs_layer_prelu(struct rt_tfjs_layer *c)
{
	/* its shape is that of the input without the batch; shared axes are 1 */
	give_same(c,
		  rt_lower_op2(c->l, "PRelu", c->in[0], rt_tfjs_layer_weight(c, "alpha", false)));
}

void rt_tfjs_layer_softmax(struct rt_tfjs_layer *c)
{
	int y = rt_lower_op1(c->l, "Softmax", c->in[0]);

	rt_lower_set_int(c->l, "axis", rt_tfjs_layer_int(c, "axis", -1));
	give_same(c, y);
}

/* Steps whose features are all mask_value are 0, and recurrent layers skip them. */
void rt_tfjs_layer_masking(struct rt_tfjs_layer *c)
{
	struct rt_lower *l = c->l;
	float value =
	    (float)rt_tfjs_layer_number(c, "mask_value", rt_tfjs_layer_number(c, "maskValue", 0));
	int kept =
	    rt_lower_op1(l, "Not", rt_lower_op2(l, "Equal", c->in[0], rt_lower_f32(l, value)));

	kept = rt_lower_op2(l, "ReduceMax", rt_lower_cast(l, kept, RT_F32), rt_lower_i64(l, -1));
	c->out_mask = RT_NO_VALUE;
	if (rt_tfjs_layer_shape(c, c->in[0]).rank == 3)
		c->out_mask =
		    rt_lower_cast(l, rt_lower_squeeze(l, kept, 1, (int64_t[]){-1}), RT_BOOL);
	give_same(c, rt_lower_op2(l, "Mul", c->in[0], kept));
}

/* ---- merging --------------------------------------------------------------------------------- */

/* Broadcasting of shapes that may have −1 in them. */
static void widen(struct rt_shape *s, const struct rt_shape *o)
{
	for (int i = 1; i <= o->rank && i <= s->rank; i++) {
		int64_t *d = &s->dims[s->rank - i];

		if (*d == 1 || *d < 0)
			*d = o->dims[o->rank - i];
	}
}

void rt_tfjs_layer_merge(struct rt_tfjs_layer *c)
{
	struct rt_lower *l = c->l;
	struct rt_shape s = rt_tfjs_layer_shape(c, c->in[0]);
	bool average = strcmp(c->to, "Average") == 0;
	int y = c->in[0];

	for (int i = 1; i < c->in_count; i++) {
		struct rt_shape o = rt_tfjs_layer_shape(c, c->in[i]);

		if (o.rank != s.rank) {
			rt_tfjs_layer_missing(c, "of tensors of different rank");
			return;
		}
		widen(&s, &o);
		y = rt_lower_op2(l, average ? "Add" : c->to, y, c->in[i]);
	}
	if (average)
		y = rt_lower_op2(l, "Div", y, rt_lower_f32(l, (float)c->in_count));
	rt_tfjs_layer_give(c, y, &s);
}

void rt_tfjs_layer_concatenate(struct rt_tfjs_layer *c)
{
	struct rt_shape s = rt_tfjs_layer_shape(c, c->in[0]);
	int64_t axis = rt_tfjs_layer_int(c, "axis", -1);
	int y, at = (int)(axis < 0 ? axis + s.rank : axis);

	if (at < 0 || at >= s.rank) {
		(void)rt_lower_fail(c->l, RT_MALFORMED, "axis %lld of rank %d", (long long)axis,
				    s.rank);
		return;
	}
	for (int i = 1; i < c->in_count; i++) {
		struct rt_shape o = rt_tfjs_layer_shape(c, c->in[i]);

		s.dims[at] = o.rank == s.rank && s.dims[at] >= 0 && o.dims[at] >= 0
				 ? s.dims[at] + o.dims[at]
				 : -1;
	}
	if (at != s.rank - 1)
		c->out_mask = RT_NO_VALUE;
	y = rt_lower_opn(c->l, "Concat", c->in_count, c->in);
	rt_lower_set_int(c->l, "axis", at);
	rt_tfjs_layer_give(c, y, &s);
}

/* ${x} along its axis ${axis} divided by its length there. */
static int normalised(struct rt_lower *l, int x, int64_t axis)
{
	int sum = rt_lower_op2(l, "ReduceSum", rt_lower_op2(l, "Mul", x, x), rt_lower_i64(l, axis));

	sum = rt_lower_op1(l, "Sqrt", rt_lower_op2(l, "Max", sum, rt_lower_f32(l, 1e-12f)));
	return rt_lower_op2(l, "Div", x, sum);
}

/* Matrices of rank 2 and 3: the axes that meet go to where MatMul wants them. */
void rt_tfjs_layer_dot(struct rt_tfjs_layer *c)
{
	struct rt_lower *l = c->l;
	const struct rt_json *j = rt_tfjs_layer_get(c, "axes", NULL);
	struct rt_shape s, o, out = {.rank = 2};
	int64_t axes[2] = {rt_json_int(j, -1), rt_json_int(j, -1)};
	int a, b, y;

	if (c->in_count != 2 || (rt_json_count(j) > 0 && rt_json_ints(j, 2, axes) != 2)) {
		(void)rt_lower_fail(l, RT_MALFORMED, "Dot wants two tensors and two axes");
		return;
	}
	s = rt_tfjs_layer_shape(c, a = c->in[0]);
	o = rt_tfjs_layer_shape(c, b = c->in[1]);
	axes[0] += axes[0] < 0 ? s.rank : 0;
	axes[1] += axes[1] < 0 ? o.rank : 0;
	if (s.rank < 2 || s.rank > 3 || o.rank < 2 || o.rank > 3 || axes[0] < 1 ||
	    axes[0] >= s.rank || axes[1] < 1 || axes[1] >= o.rank) {
		rt_tfjs_layer_missing(c, "at these ranks and axes");
		return;
	}
	if (rt_tfjs_layer_bool(c, "normalize", false)) {
		a = normalised(l, a, axes[0]);
		b = normalised(l, b, axes[1]);
	}
	if (s.rank == 2) /* [n, k] to [n, 1, k] */
		a = rt_lower_unsqueeze(l, a, 1, (int64_t[]){1});
	else if (axes[0] == 1)
		a = rt_lower_transpose(l, a, 3, (int64_t[]){0, 2, 1});
	if (o.rank == 2) /* [n, k] to [n, k, 1] */
		b = rt_lower_unsqueeze(l, b, 1, (int64_t[]){2});
	else if (axes[1] == 2)
		b = rt_lower_transpose(l, b, 3, (int64_t[]){0, 2, 1});
	y = rt_lower_op2(l, "MatMul", a, b);
	out.dims[0] = s.dims[0];
	out.dims[1] = 1;
	if (s.rank == 3)
		out.dims[1] = s.dims[axes[0] == 1 ? 2 : 1];
	if (o.rank == 3 && s.rank == 3)
		out.dims[out.rank++] = o.dims[axes[1] == 1 ? 2 : 1];
	else if (o.rank == 3)
		out.dims[1] = o.dims[axes[1] == 1 ? 2 : 1];
	if (s.rank == 2 && o.rank == 3)
		y = rt_lower_squeeze(l, y, 1, (int64_t[]){1});
	else if (o.rank == 2)
		y = rt_lower_squeeze(l, y, 1, (int64_t[]){2});
	rt_tfjs_layer_give(c, y, &out);
}

/* ---- moving ---------------------------------------------------------------------------------- */

void rt_tfjs_layer_flatten(struct rt_tfjs_layer *c)
{
	struct rt_lower *l = c->l;
	struct rt_shape s = rt_tfjs_layer_shape(c, c->in[0]), out = {.rank = 2};
	int x = c->in[0];

	out.dims[0] = s.rank > 0 ? s.dims[0] : -1;
	out.dims[1] = 1;
	for (int i = 1; i < s.rank; i++) {
		if (s.dims[i] < 0 || out.dims[1] < 0 ||
		    __builtin_mul_overflow(out.dims[1], s.dims[i], &out.dims[1]))
			out.dims[1] = -1;
	}
	if (rt_tfjs_layer_first(c) && s.rank > 2)
		x = rt_lower_to_nhwc(l, x, s.rank);
	x = rt_lower_op1(l, "Flatten", x);
	rt_lower_set_int(l, "axis", 1);
	rt_tfjs_layer_give(c, x, &out);
}

/* target_shape, where null is −1 too; its count, −1: it is none. */
static int read_target(const struct rt_tfjs_layer *c, int64_t *dims)
{
	const struct rt_json *j = rt_tfjs_layer_get(c, "target_shape", "targetShape");
	int n = 0;

	if (j == NULL || j->kind != RT_JSON_ARRAY || j->count >= RT_RANK_MAX)
		return -1;
	for (j = j->child; j != NULL; j = j->next) {
		int64_t size = rt_json_int(j, -1);

		if (size < -1 || size > INT32_MAX)
			return -1;
		dims[n++] = size;
	}
	return n;
}

void rt_tfjs_layer_reshape(struct rt_tfjs_layer *c)
{
	struct rt_shape s = rt_tfjs_layer_shape(c, c->in[0]), out = {.rank = 1};
	int64_t dims[RT_RANK_MAX] = {0}, all = 1, known = 1;
	int n = read_target(c, dims + 1);
	bool open = false; /* the size of the input is not known */

	if (n < 0) {
		(void)rt_lower_fail(c->l, RT_MALFORMED, "Reshape without a target_shape");
		return;
	}
	for (int i = 1; i < s.rank; i++)
		open = open || s.dims[i] < 0 || __builtin_mul_overflow(all, s.dims[i], &all);
	for (int i = 1; i <= n; i++)
		open = open || (dims[i] > 0 && __builtin_mul_overflow(known, dims[i], &known));
	out.dims[0] = s.dims[0];
	for (int i = 1; i <= n; i++) {
		if (!open && dims[i] < 0)
			dims[i] = all / known;
		out.dims[out.rank++] = dims[i];
	}
	/* the first 0: as many as there are */
	rt_tfjs_layer_give(
	    c, rt_lower_op2(c->l, "Reshape", c->in[0], rt_lower_i64s(c->l, n + 1, dims)), &out);
}

void rt_tfjs_layer_permute(struct rt_tfjs_layer *c)
{
	struct rt_shape s = rt_tfjs_layer_shape(c, c->in[0]), out = s;
	int64_t perm[RT_RANK_MAX] = {0};
	int n = rt_json_ints(rt_tfjs_layer_get(c, "dims", NULL), RT_RANK_MAX - 1, perm + 1);

	for (int i = 1; i <= n; i++) {
		if (perm[i] < 1 || perm[i] >= s.rank)
			n = -1;
		else
			out.dims[i] = s.dims[perm[i]];
	}
	if (n < 0 || n + 1 != s.rank)
		(void)rt_lower_fail(c->l, RT_MALFORMED, "Permute with dims that are none");
	else
		rt_tfjs_layer_give(c, rt_lower_transpose(c->l, c->in[0], s.rank, perm), &out);
}

void rt_tfjs_layer_repeat(struct rt_tfjs_layer *c)
{
	struct rt_shape s = rt_tfjs_layer_shape(c, c->in[0]), out = {.rank = 3};
	int64_t n = rt_tfjs_layer_int(c, "n", 1);
	int x = rt_lower_unsqueeze(c->l, c->in[0], 1, (int64_t[]){1});

	if (s.rank != 2 || n < 1 || n > INT32_MAX) {
		(void)rt_lower_fail(c->l, RT_MALFORMED, "RepeatVector of rank %d", s.rank);
		return;
	}
	out.dims[0] = s.dims[0];
	out.dims[1] = n;
	out.dims[2] = s.dims[1];
	x = rt_lower_op2(c->l, "Tile", x, rt_lower_i64s(c->l, 3, (int64_t[]){1, n, 1}));
	rt_tfjs_layer_give(c, x, &out);
}
