/* SPDX-License-Identifier: MIT */
/*
 * nhwc_max_pool.c — NhwcMaxPool (com.microsoft 1): MaxPool of bytes, channels last,
 * one to three spatial dims: [N][D…][C].  Attributes as those of MaxPool.
 *
 * Row by row of channels; taps on pads count for nothing.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/ops.h"
#include "runtime/ops/spatial.h"
#include "runtime/ops/walk.h"

struct plan {
	struct rt_spatial s;
	int64_t batch, channels;
	int64_t in_plane, out_plane; /* pixels */
};

static int max_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[0].shape;
	struct plan *p = rt_infer_alloc(f, sizeof(*p));
	int rank = x->rank - 2, status;

	if (p == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	if (rank < 1)
		return rt_error_set(err, RT_INPUT, "input of rank %d", x->rank);
	status = rt_spatial_infer(f->node, rank, x->dims + 1, NULL, &p->s, err);
	if (status != RT_OK)
		return status;
	p->batch = x->dims[0];
	p->channels = x->dims[rank + 1];
	p->in_plane = p->s.in[0] * p->s.in[1] * p->s.in[2];
	p->out_plane = p->s.out[0] * p->s.out[1] * p->s.out[2];
	f->out[0].shape = *x;
	for (int d = 0; d < rank; d++)
		f->out[0].shape.dims[1 + d] = p->s.out[3 - rank + d];
	f->shape_state = p;
	return RT_OK;
}

/* y = max(x, y) of a row of channels. */
static void larger(enum rt_dtype t, int64_t n, const void *x, void *y)
{
	for (int64_t i = 0; i < n; i++) {
		if (t == RT_I8 && ((const int8_t *)x)[i] > ((int8_t *)y)[i])
			((int8_t *)y)[i] = ((const int8_t *)x)[i];
		if (t == RT_U8 && ((const uint8_t *)x)[i] > ((uint8_t *)y)[i])
			((uint8_t *)y)[i] = ((const uint8_t *)x)[i];
	}
}

/* Input position of tap ${k} of output position ${o} along ${d}. */
static int64_t at(const struct rt_spatial *s, int d, int64_t o, int64_t k)
{
	return o * s->stride[d] - s->begin[d] + k * s->dilation[d];
}

static void max_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct plan *p = r->shape_state;
	enum rt_dtype t = r->in[0].dtype;

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		const uint8_t *x =
		    (const uint8_t *)r->in[0].data + i / p->out_plane * p->in_plane * p->channels;
		uint8_t *y = (uint8_t *)r->out[0].data + i * p->channels;
		int64_t first[3], count[3], o[3], rest = i % p->out_plane;

		for (int d = 2; d >= 0; d--) {
			o[d] = rest % p->s.out[d];
			rest /= p->s.out[d];
			rt_spatial_taps(&p->s, d, o[d], &first[d], &count[d]);
		}
		memset(y, t == RT_I8 ? 0x80 : 0, (size_t)p->channels); /* the least there is */
		for (int64_t k = 0; k < count[0] * count[1] * count[2]; k++) {
			int64_t a = at(&p->s, 0, o[0], first[0] + k / (count[1] * count[2]));
			int64_t b = at(&p->s, 1, o[1], first[1] + k / count[2] % count[1]);
			int64_t c = at(&p->s, 2, o[2], first[2] + k % count[2]);
			int64_t pixel = (a * p->s.in[1] + b) * p->s.in[2] + c;

			larger(t, p->channels, x + pixel * p->channels, y);
		}
	}
}

static void max_run(const struct rt_run *r)
{
	const struct plan *p = r->shape_state;
	struct rt_run copy = *r;
	int64_t taps = p->s.kernel[0] * p->s.kernel[1] * p->s.kernel[2];

	if (rt_tensor_elems(&r->out[0]) > 0)
		rt_team_for(r->team, (size_t)(p->batch * p->out_plane),
			    rt_walk_grain(taps < 4096 ? taps * 8 : 32768), max_range, &copy);
}

const struct rt_op rt_op_nhwc_max_pool = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .infer = max_infer,
    .run = max_run,
};
