/* SPDX-License-Identifier: MIT */
/* residual.c — the sum that a product or convolution has taken in; see residual.h. */
#include <config.h>

#include <math.h>

#include "runtime/ops/residual.h"
#include "runtime/ops/walk.h"

int rt_residual_infer(struct rt_infer *f, int k, struct rt_residual *res, struct rt_error *err)
{
	const struct rt_shape *shapes[2] = {&res->own, NULL};
	size_t bytes;
	res->own = f->out[0].shape;
	if (k >= f->in_count || f->in[k].dtype == RT_NONE ||
	    rt_shape_equal(&f->in[k].shape, &res->own))
		return RT_OK;
	shapes[1] = &f->in[k].shape;
	if (!rt_op_broadcast(shapes, 2, &f->out[0].shape)) {
		char text[2][128];
		return rt_error_set(err, RT_INPUT, "%s does not broadcast with %s",
				    rt_shape_text(shapes[0], text[0], sizeof text[0]),
				    rt_shape_text(shapes[1], text[1], sizeof text[1]));
	}
	if (!rt_shape_bytes(&res->own, RT_F32, &bytes) || bytes > SIZE_MAX - 64 ||
	    __builtin_add_overflow((bytes + 63) / 64 * 64, f->scratch_bytes, &f->scratch_bytes))
		return rt_error_set(err, RT_BUDGET, "the result is too large");
	res->broadcasts = true;
	res->own_bytes = (bytes + 63) / 64 * 64;
	return RT_OK;
}

void *rt_residual_scratch(const struct rt_run *r, const struct rt_residual *res)
{
	return r->scratch ? (char *)r->scratch + res->own_bytes : NULL;
}

void rt_residual_before(const struct rt_run *r, int k, const struct rt_residual *res,
			struct rt_gemm *g)
{
	if (!res->broadcasts) {
		g->epilogue.residual = k < r->in_count ? r->in[k].data : NULL;
		return;
	}
	g->c = r->scratch;
	g->epilogue.residual = NULL;
	g->epilogue.lo = -INFINITY;
	g->epilogue.hi = INFINITY;
	g->activation = NULL;
}

struct job {
	float *y;
	const float *own, *other;
	int64_t own_step, other_step;
	const struct rt_activation *act;
};

static void sum_run(void *arg, const int64_t *at, int64_t n)
{
	const struct job *j = arg;
	const struct rt_activation *act = j->act;
	float *y = j->y + at[0];
	for (int64_t i = 0; i < n; i++) {
		float x = j->own[at[1] + i * j->own_step] + j->other[at[2] + i * j->other_step];
		x = x < act->lo ? act->lo : x;
		y[i] = x > act->hi ? act->hi : x;
	}
	if (act->fn)
		act->fn((size_t)n, y, y, &act->params);
}

void rt_residual_after(const struct rt_run *r, int k, const struct rt_residual *res,
		       const struct rt_activation *act)
{
	const struct rt_shape *in[2] = {&res->own, NULL};
	struct job j = {.y = r->out[0].data, .own = r->scratch, .act = act};
	struct rt_walk w;
	if (!res->broadcasts)
		return;
	in[1] = &r->in[k].shape;
	j.other = r->in[k].data;
	rt_walk_broadcast(&w, &r->out[0].shape, in, 2);
	j.own_step = w.inner_strides[1];
	j.other_step = w.inner_strides[2];
	rt_walk_each(&w, r->team, sum_run, &j);
}
