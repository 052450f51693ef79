/* SPDX-License-Identifier: MIT */
/*
 * conv_direct.c — larder.Conv without copies.  Called by conv_nhwc.c.
 *
 * In a row of output the windows of neighbouring pixels begin stride·C apart, and
 * the rows of a window are runs of kw·C neighbours: so a tile of pixels is a
 * product whose A is the image itself, with one segment of K per window row.
 * Pixels at the left and right edge see fewer columns of the kernel and are tiles
 * of one pixel; rows of the window above or below the image are left out.
 *
 * Worth it while the weights stay in the cache, because every row of output reads
 * them all, and while rows are long enough to fill tiles.
 */
#include <config.h>

#include "runtime/ops/conv_direct.h"

#define W_BYTES (1u << 20) /* of weights, at most */
#define ROW_LEAST 14       /* pixels of an output row, at least */
#define ITEM_WORK 400000   /* multiplications that are worth another thread */

bool rt_conv_direct_fits(const struct rt_conv *c, const struct rt_conv_shape *st)
{
	const int64_t weights = c->out_channels * c->kernel[0] * c->kernel[1] * c->in_per_group;
	return c->group == 1 && st->s.dilation[2] == 1 && st->s.out[2] >= ROW_LEAST &&
	       weights <= (int64_t)(W_BYTES / sizeof(float));
}

struct job {
	const struct rt_gemm *g;
	const struct rt_conv *c;
	const struct rt_conv_shape *st;
	const float *x;
};

/* One output row for one panel. */
struct strip {
	const float *x; /* the first row of the windows, column 0 */
	const float *w; /* the panel, at that window row */
	int64_t rows;   /* of the windows, inside */
	size_t col, width;
	size_t at; /* pixel of the output tensor where the row begins */
};

/* Output pixels ${from} … ${from} + ${pixels} − 1, which see ${count} columns from ${first}. */
static void run_pixels(const struct job *j, const struct strip *s, int64_t from, int64_t pixels,
		       int64_t first, int64_t count)
{
	const struct rt_gemm *g = j->g;
	const struct rt_spatial *sp = &j->st->s;
	const struct rt_f32_gemm *kernel = g->kernels->f32_gemm;
	const size_t mr = s->width < kernel->nr ? kernel->mr1 : kernel->mr;
	const size_t tiles = ((size_t)pixels + mr - 1) / mr, c = (size_t)j->c->in_per_group;
	const int64_t column = from * sp->stride[2] - sp->begin[2] + first;
	struct rt_epilogue e = g->epilogue;
	struct rt_gemm_tile t = {
	    .n = g->n - s->col < s->width ? g->n - s->col : s->width,
	    .segments = count > 0 ? (size_t)s->rows : 0,
	    .k = (size_t)count * c,
	    .lda = (size_t)sp->stride[2] * c,
	    .w = s->w + (size_t)first * c * s->width,
	    .a_skip = (size_t)(sp->dilation[1] * sp->in[2] - count) * c,
	    .w_skip = (size_t)(sp->kernel[2] - count) * c * s->width,
	    .prefetch = s->w,
	    .ldc = g->ldc,
	    .epilogue = &e,
	};
	const float *a = t.segments > 0 ? s->x + (size_t)column * c : s->x;
	e.bias = e.bias ? e.bias + s->col : NULL;
	for (size_t i = 0; i < tiles; i++) {
		const size_t begin = (size_t)pixels * i / tiles;
		const size_t pixel = s->at + (size_t)from + begin;
		t.m = (size_t)pixels * (i + 1) / tiles - begin;
		t.a = a + begin * t.lda;
		t.c = g->c + pixel * g->ldc + s->col;
		if (g->epilogue.residual)
			e.residual = g->epilogue.residual + pixel * e.ld_residual + s->col;
		kernel->tile(&t);
	}
}

static void one_row(const struct job *j, int64_t n, int64_t oh)
{
	const struct rt_gemm *g = j->g;
	const struct rt_spatial *sp = &j->st->s;
	const size_t nr = g->kernels->f32_gemm->nr;
	const int64_t c = j->c->in_per_group;
	struct strip s = {.at = (size_t)((n * sp->out[1] + oh) * sp->out[2])};
	int64_t top, inside, end, first, count, h;
	rt_spatial_taps(sp, 1, oh, &top, &s.rows);
	h = oh * sp->stride[1] - sp->begin[1] + top * sp->dilation[1];
	s.x = s.rows > 0 ? j->x + (n * sp->in[1] + h) * sp->in[2] * c : j->x;
	rt_spatial_inside(sp, 2, &inside, &end);
	for (s.col = 0; s.col < g->n; s.col += nr) {
		s.width = g->n - s.col > nr / 2 ? nr : nr / 2;
		s.w = g->w + s.col * g->k + (size_t)(top * sp->kernel[2] * c) * s.width;
		for (int64_t o = 0; o < sp->out[2]; o++) {
			if (o == inside && inside < end) {
				run_pixels(j, &s, o, end - o, 0, sp->kernel[2]);
				o = end - 1;
				continue;
			}
			rt_spatial_taps(sp, 2, o, &first, &count);
			run_pixels(j, &s, o, 1, first, count);
		}
	}
	if (g->activation) {
		float *y = g->c + s.at * g->ldc;
		g->activation((size_t)sp->out[2] * g->ldc, y, y, &g->activation_params);
	}
}

static void rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const int64_t height = j->st->s.out[1];
	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++)
		one_row(j, i / height, i % height);
}

void rt_conv_direct_run(const struct rt_gemm *g, const struct rt_conv *c,
			const struct rt_conv_shape *st, const float *x, struct rt_team *team)
{
	struct job j = {g, c, st, x};
	const size_t work = (size_t)st->s.out[2] * g->n * g->k;
	rt_team_for(team, (size_t)(st->batch * st->s.out[1]), 1 + ITEM_WORK / (work + 1), rows, &j);
}
