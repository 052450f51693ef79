/* SPDX-License-Identifier: MIT */
/*
 * conv_nhwc.c — larder.Conv: convolution of channels-last tensors, made by
 * pass_layout.c from Conv with constant weights.
 *
 *	X [N][H][W][C] or [N][W][C], weights [M][C/group][kh][kw] (ONNX), bias [M],
 *	residual like Y;  Y = activation(X ∗ W + bias + residual), [N][OH][OW][M]
 *
 * With attributes `column` and `columns` (pass_place.c) Y has as many channels as the latter says,
 * and these are its channels from the former on; the others are those of input 4, like Y, or,
 * without it, for others to write.
 *
 * A convolution is a product of matrices: a row of A is the window of one output
 * pixel, in the order [kh][kw][C], which channels-last tensors hold as kh runs of
 * kw·C neighbours.  1 × 1 kernels and those whose windows are neighbours as a whole
 * read X as it is, and so do others where that is worth it (conv_direct.c); 3 × 3 of
 * stride 1 are conv_winograd.c; else windows are copied, a block of rows at a time,
 * into memory that stays in the cache.  One input channel per group (depthwise) is
 * conv_depthwise.c.
 */
#include <config.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ops/conv_depthwise.h"
#include "runtime/ops/conv_direct.h"
#include "runtime/ops/conv_winograd.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/residual.h"

enum { INTO = 4 }; /* see above */

static size_t count_of(int64_t n)
{
	return (size_t)n;
}

/* Weights [M][C][kh·kw] → [M][kh·kw][C], for packing. */
static void to_last(int64_t m, int64_t c, int64_t taps, const float *from, float *to)
{
	for (int64_t i = 0; i < m; i++)
		for (int64_t t = 0; t < taps; t++)
			for (int64_t j = 0; j < c; j++)
				to[(i * taps + t) * c + j] = from[(i * c + j) * taps + t];
}

static int pack_products(struct rt_bind *b, struct rt_conv *c, const float *w, struct rt_error *err)
{
	const int64_t taps = c->kernel[0] * c->kernel[1];
	const size_t m = count_of(c->out_channels / c->group), k = count_of(taps * c->in_per_group);
	const size_t each = rt_gemm_pack_elems(b->kernels, m, k);
	void *fill;
	float *last;
	if (each > SIZE_MAX / sizeof(float) / count_of(c->group))
		return rt_error_set(err, RT_BUDGET, "weights are too large");
	c->w = rt_bind_packed(b, each * count_of(c->group) * sizeof(float), &fill);
	if (c->w && !fill)
		return RT_OK;
	last = malloc((m * k + 1) * sizeof(float));
	if (!c->w || !last) {
		free(last);
		return rt_error_set(err, RT_MEMORY, "no memory for packed weights");
	}
	for (int64_t g = 0; g < c->group; g++) {
		to_last((int64_t)m, c->in_per_group, taps, w + count_of(g) * m * k, last);
		rt_gemm_pack(b->kernels, m, k, last, 1, k, 0, rt_gemm_panels(b->kernels, m),
			     (float *)fill + count_of(g) * each);
	}
	free(last);
	return RT_OK;
}

static int conv_bind(struct rt_bind *b, struct rt_error *err)
{
	struct rt_conv *c = b->state;
	const struct rt_tensor *w = rt_bind_constant(b, 1);
	must(w && (w->shape.rank == 3 || w->shape.rank == 4));
	c->kernels = b->kernels;
	c->group = rt_node_int(b->node, "group", 1);
	c->out_channels = w->shape.dims[0];
	c->in_per_group = w->shape.dims[1];
	c->rank = w->shape.rank - 2;
	c->kernel[0] = c->rank == 1 ? 1 : w->shape.dims[2];
	c->kernel[1] = w->shape.dims[w->shape.rank - 1];
	if (c->group < 1 || c->out_channels % c->group != 0)
		return rt_error_set(err, RT_MALFORMED, "%" PRId64 " channels in %" PRId64 " groups",
				    c->out_channels, c->group);
	rt_activation_read(b->node, b->kernels, &c->act);
	c->column = rt_node_int(b->node, "column", 0);
	c->columns = rt_node_int(b->node, "columns", c->out_channels);
	if (c->column < 0 || c->columns < c->out_channels ||
	    c->column > c->columns - c->out_channels)
		return rt_error_set(err, RT_MALFORMED,
				    "channels %" PRId64 " … of %" PRId64 ", of %" PRId64, c->column,
				    c->out_channels, c->columns);
	c->is_depthwise = c->in_per_group == 1 && c->group == c->out_channels && c->group > 1;
	if (c->columns > c->out_channels && (c->is_depthwise || c->act.fn || rt_bind_has(b, 3)))
		return rt_error_set(err, RT_MALFORMED, "a part of the channels");
	c->winograd = rt_conv_winograd_suits(b->node, c);
	rt_bind_drop(b, 1); /* packed here */
	if (c->is_depthwise)
		return rt_conv_depthwise_pack(b, c, w->data, err);
	if (c->winograd)
		return rt_conv_winograd_pack(b, c, w->data, err);
	return pack_products(b, c, w->data, err);
}

/* The product that this convolution is; pointers are put in by run. */
static void describe(const struct rt_conv *c, const struct rt_conv_shape *st, struct rt_gemm *g)
{
	const struct rt_spatial *s = &st->s;
	*g = (struct rt_gemm){
	    .kernels = c->kernels,
	    .m = count_of(st->batch * s->out[1] * s->out[2]),
	    .n = count_of(c->out_channels / c->group),
	    .k = count_of(c->kernel[0] * c->kernel[1] * c->in_per_group),
	    .batch = count_of(c->group),
	    .lda = count_of(c->in_per_group * c->group),
	    .ldc = count_of(c->columns),
	    .a_step = count_of(c->in_per_group),
	    .c_step = count_of(c->out_channels / c->group),
	    .bias_step = count_of(c->out_channels / c->group),
	    .residual_step = count_of(c->out_channels / c->group),
	    .epilogue = {.ld_residual = count_of(c->out_channels),
			 .lo = c->act.lo,
			 .hi = c->act.hi},
	    .activation = c->act.fn,
	    .activation_params = c->act.params,
	};
	g->w_step = rt_gemm_pack_elems(c->kernels, g->n, g->k);
}

/* Whether each output pixel is made of the input pixel at the same place and no other. */
static bool is_pointwise(const struct rt_spatial *s)
{
	return s->kernel[1] == 1 && s->kernel[2] == 1 && s->stride[1] == 1 && s->stride[2] == 1 &&
	       s->in[1] == s->out[1] && s->in[2] == s->out[2] && s->begin[1] == 0 &&
	       s->begin[2] == 0;
}

/*
 * Whether windows are neighbours in X, one as far from the last as any: they lie
 * in one line of an image, or span whole lines of it.  ${g} is then a batch of
 * products, one per image, that read X as it is.
 */
static bool is_in_place(const struct rt_conv *c, const struct rt_conv_shape *st, struct rt_gemm *g)
{
	const struct rt_spatial *s = &st->s;
	const bool line = s->in[1] == 1 && s->kernel[1] == 1 && s->dilation[2] == 1,
		   lines = s->kernel[2] == s->in[2] && s->dilation[1] == 1 && s->dilation[2] == 1;
	const int64_t pads = s->begin[1] + s->end[1] + s->begin[2] + s->end[2];
	if (c->group != 1 || pads != 0 || (!line && !lines))
		return false;
	g->batch = count_of(st->batch);
	g->m = count_of(s->out[1] * s->out[2]);
	g->lda = count_of((line ? s->stride[2] : s->stride[1] * s->in[2]) * c->in_per_group);
	g->a_step = count_of(s->in[1] * s->in[2] * c->in_per_group);
	g->w_step = g->bias_step = 0;
	g->c_step = g->m * count_of(c->columns);
	g->residual_step = g->m * count_of(c->out_channels);
	return true;
}

static int check_shapes(const struct rt_infer *f, const struct rt_conv *c, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[0].shape;
	const struct rt_shape *b = f->in_count > 2 && f->in[2].dtype ? &f->in[2].shape : NULL;
	char text[128];
	if (x->rank != c->rank + 2 || x->dims[x->rank - 1] != c->in_per_group * c->group)
		return rt_error_set(err, RT_INPUT,
				    "input %s (channels last) for weights of %" PRId64
				    " channels in %" PRId64 " groups",
				    rt_shape_text(x, text, sizeof text), c->in_per_group, c->group);
	if (b && (b->rank != 1 || b->dims[0] != c->out_channels))
		return rt_error_set(err, RT_INPUT, "bias %s for %" PRId64 " channels",
				    rt_shape_text(b, text, sizeof text), c->out_channels);
	return RT_OK;
}

static bool has_input(const struct rt_infer *f, int i)
{
	return f->in_count > i && f->in[i].dtype != RT_NONE;
}

static int conv_infer(struct rt_infer *f, struct rt_error *err)
{
	static const float some;
	const struct rt_conv *c = f->state;
	const struct rt_shape *x = &f->in[0].shape;
	struct rt_conv_shape *st = rt_infer_alloc(f, sizeof *st);
	struct rt_gemm g;
	int64_t elems;
	char text[2][80];
	int status;
	if (!st)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	if ((status = check_shapes(f, c, err)) ||
	    (status = rt_spatial_infer(f->node, c->rank, x->dims + 1, c->kernel + 2 - c->rank,
				       &st->s, err)))
		return status;
	st->batch = x->dims[0];
	f->out[0].shape = *x;
	f->out[0].shape.dims[x->rank - 1] = c->columns;
	for (int i = 0; i < c->rank; i++)
		f->out[0].shape.dims[1 + i] = st->s.out[3 - c->rank + i];
	f->shape_state = st;
	if (has_input(f, INTO) && !rt_shape_equal(&f->in[INTO].shape, &f->out[0].shape))
		return rt_error_set(err, RT_INPUT, "inputs of Concat of shapes %s and %s",
				    rt_shape_text(&f->in[INTO].shape, text[0], sizeof text[0]),
				    rt_shape_text(&f->out[0].shape, text[1], sizeof text[1]));
	if (!rt_shape_elems(&f->out[0].shape, &elems))
		return rt_error_set(err, RT_BUDGET, "the output is too large");
	if (c->is_depthwise)
		return RT_OK;
	describe(c, st, &g);
	if (c->winograd && !rt_conv_winograd_scratch(c, st, f->threads, &f->scratch_bytes))
		return rt_error_set(err, RT_BUDGET, "the image is too large");
	if (is_pointwise(&st->s) || is_in_place(c, st, &g))
		g.a = &some; /* in memory */
	if (!c->winograd && (g.a || !rt_conv_direct_fits(c, st)))
		f->scratch_bytes = rt_gemm_scratch_bytes(&g, f->threads);
	return rt_residual_infer(f, 3, &st->residual, err);
}

struct windows {
	const struct rt_conv *c;
	const struct rt_conv_shape *st;
	const float *x;
};

/* Small copies are most of them; a call would take longer than the copy. */
static void copy(float *to, const float *from, size_t n)
{
	if (n > 64) {
		memcpy(to, from, n * sizeof *to);
		return;
	}
	for (; n >= 4; n -= 4, to += 4, from += 4)
		memcpy(to, from, 4 * sizeof *to);
	for (; n > 0; n--)
		*to++ = *from++;
}

static void clear(float *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = 0;
}

/* One row of kernel taps of a window whose first tap is at ${at}: kw·C numbers to ${to}. */
static void window_row(const struct windows *win, const float *row, int64_t ow, float *to)
{
	const struct rt_spatial *s = &win->st->s;
	const size_t c = count_of(win->c->in_per_group);
	const int64_t pixel = win->c->in_per_group * win->c->group;
	int64_t first = 0, count = s->kernel[2], at = ow * s->stride[2] - s->begin[2];
	if (at < 0 || at + (count - 1) * s->dilation[2] >= s->in[2]) {
		rt_spatial_taps(s, 2, ow, &first, &count);
		at += first * s->dilation[2];
		clear(to, count_of(first) * c);
		clear(to + count_of(first + count) * c, count_of(s->kernel[2] - first - count) * c);
	}
	to += count_of(first) * c;
	if (win->c->group == 1 && s->dilation[2] == 1) {
		copy(to, row + at * pixel, count_of(count) * c);
		return;
	}
	for (int64_t i = 0; i < count; i++)
		copy(to + count_of(i) * c, row + (at + i * s->dilation[2]) * pixel, c);
}

/* rt_gemm_rows_f: windows of output pixels ${first} … for the channels of group ${group}. */
static void window_rows(const void *arg, size_t group, size_t first, size_t count, float *to,
			size_t ld)
{
	const struct windows *win = arg;
	const struct rt_conv *c = win->c;
	const struct rt_spatial *s = &win->st->s;
	const int64_t pixel = c->in_per_group * c->group;
	const size_t run = count_of(c->kernel[1] * c->in_per_group);
	int64_t ow = (int64_t)first % s->out[2], line = (int64_t)first / s->out[2];
	for (; count > 0; count--, to += ld) {
		const int64_t n = line / s->out[1], oh = line % s->out[1];
		const float *x =
		    win->x + (n * s->in[1] * s->in[2]) * pixel + (int64_t)group * c->in_per_group;
		for (int64_t kh = 0; kh < s->kernel[1]; kh++) {
			int64_t h = oh * s->stride[1] - s->begin[1] + kh * s->dilation[1];
			if (h < 0 || h >= s->in[1])
				clear(to + count_of(kh) * run, run);
			else
				window_row(win, x + h * s->in[2] * pixel, ow,
					   to + count_of(kh) * run);
		}
		if (++ow == s->out[2])
			ow = 0, line++;
	}
}

static void conv_run(const struct rt_run *r)
{
	const struct rt_conv *c = r->state;
	const struct rt_conv_shape *st = r->shape_state;
	struct windows win = {.c = c, .st = st, .x = r->in[0].data};
	struct rt_gemm g;
	bool in_place;
	if (c->is_depthwise) {
		rt_conv_depthwise_run(r, c, st);
		return;
	}
	if (r->in_count > INTO && r->in[INTO].data && r->in[INTO].data != r->out[0].data)
		memcpy(r->out[0].data, r->in[INTO].data, rt_tensor_bytes(&r->out[0]));
	describe(c, st, &g);
	g.w = c->w;
	g.c = (float *)r->out[0].data + (rt_tensor_elems(&r->out[0]) > 0 ? c->column : 0);
	if (r->in_count > 2)
		g.epilogue.bias = r->in[2].data;
	rt_residual_before(r, 3, &st->residual, &g);
	if (c->winograd) {
		rt_conv_winograd_run(&g, c, st, win.x, r->team,
				     rt_residual_scratch(r, &st->residual));
		rt_residual_after(r, 3, &st->residual, &c->act);
		return;
	}
	in_place = is_pointwise(&st->s) || is_in_place(c, st, &g);
	if (!in_place && rt_conv_direct_fits(c, st)) {
		if (g.m > 0)
			rt_conv_direct_run(&g, c, st, win.x, r->team);
		rt_residual_after(r, 3, &st->residual, &c->act);
		return;
	}
	if (in_place) {
		g.a = win.x;
	} else {
		g.rows = window_rows;
		g.rows_arg = &win;
	}
	rt_gemm_run(&g, r->team, rt_residual_scratch(r, &st->residual));
	rt_residual_after(r, 3, &st->residual, &c->act);
}

const struct rt_op rt_op_conv_nhwc = {
    .in_min = 2,
    .in_max = 5,
    .out_min = 1,
    .out_max = 1,
    .alias_inputs = 1 << INTO,
    .state_bytes = sizeof(struct rt_conv),
    .bind = conv_bind,
    .infer = conv_infer,
    .run = conv_run,
};
