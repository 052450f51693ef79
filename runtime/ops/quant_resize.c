/* SPDX-License-Identifier: MIT */
/*
 * quant_resize.c — QuantResize (larder domain, made by tflite_conv.c): images
 * [N][H][W][C] to another size, bilinear, in integers as TensorFlow Lite has it:
 *
 *	int16  its reference kernel: places and weights in 1024ths; halves away from zero
 *	bytes  XNNPACK: places in floats, weights in 2048ths; halves upwards
 */
#include <config.h>

#include <math.h>

#include "runtime/ops/ops.h"
#include "runtime/ops/quant_result.h"
#include "runtime/ops/walk.h"

#define ONE 1024 /* of int16 */
#define BYTE_ONE 2048

struct resize {
	bool align, half;
};
/* Of an output row or column: the two it lies between, and how far from the first. */
struct place {
	int64_t low, high;
	int64_t part; /* of ${one} */
};
struct resize_shape {
	int64_t one;
	struct place *rows, *columns; /* [height], [width] of the output */
};

static int resize_bind(struct rt_bind *b, struct rt_error *err)
{
	struct resize *s = b->state;

	(void)err;
	s->align = rt_node_int(b->node, "align_corners", 0) != 0;
	s->half = rt_node_int(b->node, "half_pixel", 0) != 0;
	return RT_OK;
}

static struct place *byte_places(struct rt_infer *f, const struct resize *s, int64_t in,
				 int64_t out)
{
	struct place *p = rt_infer_alloc(f, (size_t)out * sizeof(*p));
	const bool align = s->align && out > 1;
	const float step = align ? (float)(in - 1) / (float)(out - 1) : (float)in / (float)out;

	for (int64_t i = 0; p != NULL && i < out; i++) {
		float at = (float)i * step;

		if (s->half)
			at += 0.5f * step - 0.5f;
		at = fminf(fmaxf(at, 0), (float)(in - 1));
		p[i].low = (int64_t)at;
		p[i].high = p[i].low + 1 < in ? p[i].low + 1 : in - 1;
		p[i].part = lrintf((at - (float)p[i].low) * BYTE_ONE);
	}
	return p;
}

static struct place *places(struct rt_infer *f, const struct resize *s, int64_t in, int64_t out)
{
	struct place *p = rt_infer_alloc(f, (size_t)out * sizeof(*p));
	int64_t step = (ONE * in + out / 2) / out;

	if (s->align && out > 1)
		step = (ONE * (in - 1) + (out - 1) / 2) / (out - 1);
	for (int64_t i = 0; p != NULL && i < out; i++) {
		const int64_t at = i * step + (s->half ? step / 2 - ONE / 2 : 0);

		p[i].low = at / ONE > 0 ? at / ONE : 0;
		p[i].low = p[i].low < in ? p[i].low : in - 1;
		p[i].high = (at + ONE - 1) / ONE;
		p[i].high = p[i].high < in ? p[i].high : in - 1;
		p[i].high = p[i].high > 0 ? p[i].high : 0;
		p[i].part = at - ONE * p[i].low;
	}
	return p;
}

static int resize_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[0].shape;
	struct resize_shape *z = rt_infer_alloc(f, sizeof(*z));
	int64_t size[2];
	int count;

	if (z == NULL)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if (x->rank != 4 || f->in[1].data == NULL || !rt_op_ints(&f->in[1], size, 2, &count) ||
	    count != 2 || size[0] < 1 || size[1] < 1 || size[0] > INT32_MAX / ONE ||
	    size[1] > INT32_MAX / ONE || x->dims[1] < 1 || x->dims[2] < 1 ||
	    x->dims[1] > INT32_MAX / ONE || x->dims[2] > INT32_MAX / ONE)
		return rt_error_set(err, RT_INPUT, "an image or a size that does not fit");
	if (f->in[0].dtype == RT_I16) {
		z->one = ONE;
		z->rows = places(f, f->state, x->dims[1], size[0]);
		z->columns = places(f, f->state, x->dims[2], size[1]);
	} else {
		z->one = BYTE_ONE;
		z->rows = byte_places(f, f->state, x->dims[1], size[0]);
		z->columns = byte_places(f, f->state, x->dims[2], size[1]);
	}
	if (z->rows == NULL || z->columns == NULL)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	f->out[0].shape = rt_shape_of(4, x->dims[0], size[0], size[1], x->dims[3]);
	f->shape_state = z;
	return RT_OK;
}

/* ${sum} / ${one}² */
static int64_t rounded(int64_t sum, int64_t one)
{
	const int64_t half = one * one / 2;

	if (one == BYTE_ONE)
		return (sum + half) >> 22;
	return (sum > 0 ? sum + half : sum - half) / (one * one);
}

/* Rows of all output images, one after the other. */
static void resize_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct resize_shape *z = r->shape_state;
	const int64_t *in = r->in[0].shape.dims, *out = r->out[0].shape.dims;
	const enum rt_dtype t = r->in[0].dtype;
	const void *x = r->in[0].data;

	(void)thread;
	for (int64_t row = (int64_t)begin; row < (int64_t)end; row++) {
		const struct place *v = &z->rows[row % out[1]];
		const int64_t image = row / out[1] * in[1];

		for (int64_t i = 0; i < out[2] * out[3]; i++) {
			const struct place *h = &z->columns[i / out[3]];
			const int64_t c = i % out[3];
			int64_t sum = 0;

			for (int k = 0; k < 4; k++) {
				const int64_t y = k / 2 ? v->high : v->low;
				const int64_t at = k % 2 ? h->high : h->low;
				const int64_t w = (k / 2 ? v->part : z->one - v->part) *
						  (k % 2 ? h->part : z->one - h->part);

				sum += w * rt_quant_result_get(
					       t, x, ((image + y) * in[2] + at) * in[3] + c);
			}
			rt_quant_result_put(t, r->out[0].data, row * out[2] * out[3] + i,
					    rounded(sum, z->one));
		}
	}
}

static void resize_run(const struct rt_run *r)
{
	const int64_t *out = r->out[0].shape.dims;

	rt_team_for(r->team, (size_t)(out[0] * out[1]), rt_walk_grain(out[2] * out[3] * 16 + 1),
		    resize_range, (void *)(uintptr_t)r);
}

const struct rt_op rt_op_quant_resize = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1 << 1,
    .state_bytes = sizeof(struct resize),
    .bind = resize_bind,
    .infer = resize_infer,
    .run = resize_run,
};
