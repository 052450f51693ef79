/* SPDX-License-Identifier: MIT */
/*
 * lrn_nhwc.c — larder.LRN: local response normalisation (ONNX LRN-1, 13) of a
 * channels-last tensor, made by pass_layout.c.
 *
 *	y[c] = x[c] / (bias + alpha/size · Σ x[i]²)^beta,
 *	i from c − floor((size − 1)/2) to c + ceil((size − 1)/2) inside 0 … C−1
 */
#include <config.h>

#include <inttypes.h>

#include "runtime/op.h"
#include "runtime/ops/ops.h"

#define APART (RT_TEAM_APART / sizeof(float))

struct lrn {
	const struct rt_kernels *kernels;
	int64_t before, after; /* neighbours that count */
	float scale, bias, beta;
};

static int lrn_bind(struct rt_bind *b, struct rt_error *err)
{
	struct lrn *s = b->state;
	int64_t size = rt_node_int(b->node, "size", 0);
	if (size < 1 || size > INT32_MAX)
		return rt_error_set(err, RT_MALFORMED, "size is %" PRId64, size);
	s->kernels = b->kernels;
	s->before = (size - 1) / 2;
	s->after = size / 2;
	s->scale = rt_node_float(b->node, "alpha", 1e-4f) / (float)size;
	s->bias = rt_node_float(b->node, "bias", 1);
	s->beta = rt_node_float(b->node, "beta", 0.75f);
	return RT_OK;
}

/* Two rows per thread. */
static int lrn_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[0].shape;
	size_t channels;
	if (x->rank < 1)
		return rt_error_set(err, RT_INPUT, "input of rank %d", x->rank);
	channels = (size_t)x->dims[x->rank - 1];
	f->out[0].shape = *x;
	f->scratch_bytes = (size_t)f->threads * (2 * channels + APART) * sizeof(float);
	return RT_OK;
}

struct job {
	const struct lrn *s;
	size_t channels;
	const float *x;
	float *y, *scratch;
};

static void rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct rt_kernels *k = j->s->kernels;
	const size_t n = j->channels;
	const struct rt_unary_params affine = {j->s->scale, j->s->bias};
	const float power = -j->s->beta;
	float *square = j->scratch + (size_t)thread * (2 * n + APART), *sum = square + n;
	for (size_t i = begin; i < end; i++) {
		const float *x = j->x + i * n;
		k->f32_unary->fn[RT_UNARY_SQUARE](n, x, square, NULL);
		k->f32_unary->fn[RT_UNARY_SQUARE](n, x, sum, NULL);
		for (size_t d = 1; d <= (size_t)j->s->before && d < n; d++)
			k->f32_binary->vv[RT_BINARY_ADD](n - d, sum + d, square, sum + d);
		for (size_t d = 1; d <= (size_t)j->s->after && d < n; d++)
			k->f32_binary->vv[RT_BINARY_ADD](n - d, sum, square + d, sum);
		/* t^−beta = exp(−beta · log t) */
		k->f32_unary->fn[RT_UNARY_AFFINE](n, sum, sum, &affine);
		k->f32_unary->fn[RT_UNARY_LOG](n, sum, sum, NULL);
		k->f32_binary->vs[RT_BINARY_MUL](n, sum, &power, sum);
		k->f32_unary->fn[RT_UNARY_EXP](n, sum, sum, NULL);
		k->f32_binary->vv[RT_BINARY_MUL](n, x, sum, j->y + i * n);
	}
}

static void lrn_run(const struct rt_run *r)
{
	const struct rt_shape *x = &r->in[0].shape;
	struct job j = {.s = r->state,
			.channels = (size_t)x->dims[x->rank - 1],
			.x = r->in[0].data,
			.y = r->out[0].data,
			.scratch = r->scratch};
	int64_t elems = rt_tensor_elems(&r->in[0]);
	if (elems > 0)
		rt_team_for(r->team, (size_t)elems / j.channels, 1 + 16384 / j.channels, rows, &j);
}

const struct rt_op rt_op_lrn_nhwc = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct lrn),
    .bind = lrn_bind,
    .infer = lrn_infer,
    .run = lrn_run,
};
