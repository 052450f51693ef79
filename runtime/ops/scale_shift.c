/* SPDX-License-Identifier: MIT */
/*
 * scale_shift.c — larder.ScaleShift: y[…][c] = activation(x[…][c]·scale[c] +
 * shift[c]) along the last axis.  Made by pass_layout.c of a BatchNormalization
 * that no convolution takes in.
 */
#include <config.h>

#include "runtime/ops/activation.h"
#include "runtime/ops/ops.h"

struct scale_shift {
	const struct rt_kernels *kernels;
	struct rt_activation act;
	bool clamps;
};

static int scale_bind(struct rt_bind *b, struct rt_error *err)
{
	struct scale_shift *s = b->state;
	(void)err;
	s->kernels = b->kernels;
	rt_activation_read(b->node, b->kernels, &s->act);
	s->clamps = s->act.lo > -__builtin_inff() || s->act.hi < __builtin_inff();
	return RT_OK;
}

static int scale_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[0].shape;
	for (int i = 1; i < 3; i++)
		if (x->rank < 1 || f->in[i].shape.rank != 1 ||
		    f->in[i].shape.dims[0] != x->dims[x->rank - 1])
			return rt_error_set(err, RT_INPUT, "scale or shift has another length");
	f->out[0].shape = *x;
	return RT_OK;
}

struct job {
	const struct scale_shift *s;
	size_t channels;
	const float *x, *scale, *shift;
	float *y;
};

static void rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct rt_kernels *k = j->s->kernels;
	const struct rt_unary_params clamp = {j->s->act.lo, j->s->act.hi};
	(void)thread;
	for (size_t i = begin; i < end; i++) {
		float *y = j->y + i * j->channels;
		k->f32_binary->muladd(j->channels, j->x + i * j->channels, j->scale, j->shift, y);
		if (j->s->clamps)
			k->f32_unary->fn[RT_UNARY_CLIP](j->channels, y, y, &clamp);
		if (j->s->act.fn)
			j->s->act.fn(j->channels, y, y, &j->s->act.params);
	}
}

static void scale_run(const struct rt_run *r)
{
	const struct rt_shape *x = &r->in[0].shape;
	struct job j = {.s = r->state,
			.channels = (size_t)x->dims[x->rank - 1],
			.x = r->in[0].data,
			.scale = r->in[1].data,
			.shift = r->in[2].data,
			.y = r->out[0].data};
	int64_t elems = rt_tensor_elems(&r->in[0]);
	if (elems > 0)
		rt_team_for(r->team, (size_t)elems / j.channels, 1 + 32768 / j.channels, rows, &j);
}

const struct rt_op rt_op_scale_shift = {
    .in_min = 3,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .alias_inputs = 1,
    .state_bytes = sizeof(struct scale_shift),
    .bind = scale_bind,
    .infer = scale_infer,
    .run = scale_run,
};
