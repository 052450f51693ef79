/* SPDX-License-Identifier: MIT */
/*
 * elementwise.c — see elementwise.h.  Knows types by their size and the 16-bit
 * floats by their conversion; what is computed is the caller's loop.
 */
#include <config.h>

#include "runtime/ops/elementwise.h"

#define GRAIN 8192

bool rt_elementwise_is_half(enum rt_dtype t)
{
	return t == RT_F16 || t == RT_BF16;
}

void rt_elementwise_to_f32(const struct rt_f16_convert *f16, enum rt_dtype t, size_t n,
			   const void *x, float *y)
{
	if (t == RT_F16 && f16 != NULL)
		f16->to_f32(n, x, y);
	else
		rt_convert_to_f32(t, x, 0, n, y);
}

void rt_elementwise_from_f32(const struct rt_f16_convert *f16, enum rt_dtype t, size_t n,
			     const float *x, void *y)
{
	if (t == RT_F16 && f16 != NULL)
		f16->from_f32(n, x, y);
	else
		rt_convert_from_f32(t, x, n, y, 0);
}

enum rt_dtype rt_elementwise_bound(const struct rt_bind *b, int i)
{
	if (i >= b->node->in_count || b->node->in[i] < 0)
		return RT_NONE;
	return b->graph->values[b->node->in[i]].dtype;
}

enum rt_dtype rt_elementwise_bound_out(const struct rt_bind *b, int i)
{
	if (i >= b->node->out_count || b->node->out[i] < 0)
		return RT_NONE;
	return b->graph->values[b->node->out[i]].dtype;
}

/* ---- one operand ------------------------------------------------------------------------------
 */

struct one {
	const struct rt_elementwise_1 *e;
	const char *x;
	char *y;
};

static void one_plain(const struct rt_elementwise_1 *e, size_t n, const void *x, void *y)
{
	if (e->kernel != NULL)
		e->kernel(n, x, y, &e->kernel_params);
	else
		e->fn(n, x, y, e->p);
}

static void one_half(const struct rt_elementwise_1 *e, size_t n, const char *x, char *y)
{
	float block[RT_CONVERT_BLOCK];
	size_t out_bytes = rt_dtype_bits(e->out) / 8;

	for (size_t i = 0; i < n; i += RT_CONVERT_BLOCK) {
		size_t m = n - i < RT_CONVERT_BLOCK ? n - i : RT_CONVERT_BLOCK;
		rt_elementwise_to_f32(e->f16, e->in, m, x + i * 2, block);
		if (!rt_elementwise_is_half(e->out)) {
			e->fn(m, block, y + i * out_bytes, e->p);
			continue;
		}
		one_plain(e, m, block, block);
		rt_elementwise_from_f32(e->f16, e->out, m, block, y + i * 2);
	}
}

static void one_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct one *o = arg;
	const struct rt_elementwise_1 *e = o->e;
	const char *x = o->x + begin * (rt_dtype_bits(e->in) / 8);
	char *y = o->y + begin * (rt_dtype_bits(e->out) / 8);

	(void)thread;
	if (e->half)
		one_half(e, end - begin, x, y);
	else
		one_plain(e, end - begin, x, y);
}

void rt_elementwise_1_run(const struct rt_elementwise_1 *e, struct rt_team *team, int64_t n,
			  const void *x, void *y)
{
	struct one o = {.e = e, .x = x, .y = y};

	if (n > 0)
		rt_team_for(team, (size_t)n, GRAIN, one_range, &o);
}

/* ---- two operands ------------------------------------------------------------------------------
 */

struct two {
	const struct rt_elementwise_2 *e;
	const struct rt_walk *w;
	const char *a, *b;
	char *y;
};

static void two_half(const struct rt_elementwise_2 *e, size_t n, const char *a, int sa,
		     const char *b, int sb, char *y)
{
	float fa[RT_CONVERT_BLOCK], fb[RT_CONVERT_BLOCK], fy[RT_CONVERT_BLOCK];
	size_t out_bytes = rt_dtype_bits(e->out) / 8;

	for (size_t i = 0; i < n; i += RT_CONVERT_BLOCK) {
		size_t m = n - i < RT_CONVERT_BLOCK ? n - i : RT_CONVERT_BLOCK;
		rt_elementwise_to_f32(e->f16, e->in, sa != 0 ? m : 1, a + i * (size_t)sa * 2, fa);
		rt_elementwise_to_f32(e->f16, e->in, sb != 0 ? m : 1, b + i * (size_t)sb * 2, fb);
		if (!rt_elementwise_is_half(e->out)) {
			e->fn(m, fa, sa, fb, sb, y + i * out_bytes);
			continue;
		}
		e->fn(m, fa, sa, fb, sb, fy);
		rt_elementwise_from_f32(e->f16, e->out, m, fy, y + i * 2);
	}
}

static void two_part(void *arg, const int64_t *at, int64_t n)
{
	const struct two *t = arg;
	const struct rt_elementwise_2 *e = t->e;
	int64_t in_bytes = rt_dtype_bits(e->in) / 8, out_bytes = rt_dtype_bits(e->out) / 8;
	char *y = t->y + at[0] * out_bytes;
	const char *a = t->a + at[1] * in_bytes, *b = t->b + at[2] * in_bytes;
	int sa = t->w->inner_strides[1] != 0, sb = t->w->inner_strides[2] != 0;

	if (e->half)
		two_half(e, (size_t)n, a, sa, b, sb, y);
	else if (e->vv != NULL && sa && sb)
		e->vv((size_t)n, (const void *)a, (const void *)b, (void *)y);
	else if (e->vs != NULL && sa)
		e->vs((size_t)n, (const void *)a, (const void *)b, (void *)y);
	else if (e->sv != NULL && sb)
		e->sv((size_t)n, (const void *)a, (const void *)b, (void *)y);
	else
		e->fn((size_t)n, a, sa, b, sb, y);
}

void rt_elementwise_2_run(const struct rt_elementwise_2 *e, struct rt_team *team,
			  const struct rt_walk *w, const void *a, const void *b, void *y)
{
	struct two t = {.e = e, .w = w, .a = a, .b = b, .y = y};

	rt_walk_each(w, team, two_part, &t);
}

/*
 * Before opset 7 input 1 broadcasts to input 0 alone, and only if `broadcast` is
 * set: its dimensions lie at `axis`, at the end by default.
 */
static int align_6(const struct rt_infer *f, struct rt_shape *b, struct rt_error *err)
{
	const struct rt_shape *a = &f->in[0].shape, *own = &f->in[1].shape;
	int64_t axis = rt_node_int(f->node, "axis", a->rank - own->rank);
	char text[2][80];

	if (axis < 0)
		axis += a->rank;
	*b = (struct rt_shape){.rank = a->rank};
	for (int d = 0; d < a->rank; d++)
		b->dims[d] = d >= axis && d < axis + own->rank ? own->dims[d - axis] : 1;
	if (own->rank > a->rank || axis < 0 || axis > a->rank - own->rank ||
	    (rt_node_int(f->node, "broadcast", 0) == 0 && !rt_shape_equal(a, own)))
		return rt_error_set(err, RT_INPUT, "inputs of shapes %s and %s",
				    rt_shape_text(a, text[0], sizeof(text[0])),
				    rt_shape_text(own, text[1], sizeof(text[1])));
	return RT_OK;
}

int rt_elementwise_infer_6(struct rt_infer *f, struct rt_error *err)
{
	struct rt_tensor in[2] = {f->in[0], f->in[1]};
	const struct rt_tensor *were = f->in;
	int status = align_6(f, &in[1].shape, err);

	if (status != RT_OK)
		return status;
	f->in = in;
	status = rt_elementwise_infer(f, err);
	f->in = were;
	return status;
}

int rt_elementwise_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *shapes[RT_VARIADIC];
	struct rt_shape *out = &f->out[0].shape;
	struct rt_walk *walks;
	char text[2][80];

	if (f->in_count > RT_VARIADIC)
		return rt_error_set(err, RT_UNSUPPORTED, "%d inputs; at most %d", f->in_count,
				    RT_VARIADIC);
	for (int i = 0; i < f->in_count; i++)
		shapes[i] = &f->in[i].shape;
	for (int n = 1; n <= f->in_count; n++) {
		struct rt_shape before = n > 1 ? *out : *shapes[0];
		if (!rt_op_broadcast(shapes, n, out))
			return rt_error_set(
			    err, RT_INPUT, "input %d of shape %s does not broadcast with %s", n - 1,
			    rt_shape_text(shapes[n - 1], text[0], sizeof(text[0])),
			    rt_shape_text(&before, text[1], sizeof(text[1])));
	}
	walks = rt_infer_alloc(f, sizeof(*walks) * (size_t)(f->in_count > 1 ? f->in_count - 1 : 1));
	if (walks == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	f->shape_state = walks;
	rt_walk_broadcast(&walks[0], out, shapes, f->in_count < 3 ? f->in_count : 2);
	for (int k = 2; k < f->in_count; k++) {
		const struct rt_shape *pair[2] = {out, shapes[k]};
		rt_walk_broadcast(&walks[k - 1], out, pair, 2);
	}
	return RT_OK;
}
