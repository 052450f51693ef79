/* SPDX-License-Identifier: MIT */
/*
 * nbits_panels.c — see nbits_panels.h.  Scratch: rows of A as the kernel wants
 * them, their scales, their sums; or, with many rows and nothing of A to be lost, which
 * would be three products of bytes, what the GEMM driver needs.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/kernels/gemm.h"
#include "runtime/ops/nbits_panels.h"
#include "runtime/ops/walk.h"

#define WIDTH 16 /* columns of a panel */
#define MANY 32  /* rows for which floats are faster than three products of bytes */

enum { A, B, SCALES, ZEROS };

static size_t count_of(int64_t n)
{
	return (size_t)n;
}

static size_t lines(size_t bytes)
{
	return (bytes + 63) & ~(size_t)63;
}

static size_t blocks_of(const struct rt_nbits_panels *p)
{
	return count_of((p->k + p->block - 1) / p->block);
}

static size_t panels_of(const struct rt_nbits_panels *p)
{
	return count_of((p->n + WIDTH - 1) / WIDTH);
}

static bool has(const struct rt_tensor *t, enum rt_dtype type, size_t n)
{
	return t && t->dtype == type && rt_tensor_elems(t) == (int64_t)n;
}

/* Zero point of block ${b} of row ${n}: float, or half a byte. */
static float zero_of(const struct rt_tensor *t, size_t blocks, size_t n, size_t b)
{
	const uint8_t *half = t->data;
	if (t->dtype == RT_F32)
		return ((const float *)t->data)[n * blocks + b];
	return (float)(half[n * ((blocks + 1) / 2) + b / 2] >> (b % 2 * 4) & 15);
}

static void pack(const struct rt_nbits_panels *p, const struct rt_bind *b, uint8_t *w, float *scale,
		 float *zero)
{
	const size_t blocks = blocks_of(p), groups = count_of(p->block / 8), n = count_of(p->n);
	const uint8_t *from = rt_bind_constant(b, B)->data;
	const float *scales = rt_bind_constant(b, SCALES)->data;
	const struct rt_tensor *zeros = rt_bind_constant(b, ZEROS);

	for (size_t j = 0; j < n; j++)
		for (size_t i = 0; i < blocks; i++) {
			const size_t at = (j / WIDTH * blocks + i) * WIDTH + j % WIDTH;
			uint8_t *to = w + (j / WIDTH * blocks + i) * groups * 64 + j % WIDTH * 4;
			for (size_t g = 0; g < groups; g++)
				memcpy(to + g * 64, from + ((j * blocks + i) * groups + g) * 4, 4);
			scale[at] = scales[j * blocks + i];
			if (zero)
				zero[at] = zero_of(zeros, blocks, j, i);
		}
}

int rt_nbits_panels_bind(struct rt_bind *b, struct rt_nbits_panels *p, struct rt_error *err)
{
	const struct rt_tensor *zeros = rt_bind_constant(b, ZEROS);
	const size_t blocks = blocks_of(p), panels = panels_of(p), n = count_of(p->n);
	size_t columns, bytes;
	uint8_t *w;
	float *scale, *zero = NULL;

	p->kernels = b->kernels;
	if (!b->kernels->n4_gemm->is_fast || p->block > 2048 ||
	    __builtin_mul_overflow(panels * WIDTH, blocks, &columns) ||
	    __builtin_mul_overflow(columns, count_of(p->block), &bytes) ||
	    !has(rt_bind_constant(b, B), RT_U8, n * blocks * count_of(p->block / 2)) ||
	    !has(rt_bind_constant(b, SCALES), RT_F32, n * blocks) ||
	    (rt_bind_has(b, ZEROS) && !has(zeros, RT_F32, n * blocks) &&
	     !has(zeros, RT_U8, n * ((blocks + 1) / 2))))
		return RT_OK;
	w = rt_bind_alloc(b, bytes / 2);
	scale = rt_bind_alloc(b, columns * sizeof(*scale));
	if (zeros)
		zero = rt_bind_alloc(b, columns * sizeof(*zero));
	if (!w || !scale || (zeros && !zero))
		return rt_error_set(err, RT_MEMORY, "no memory for packed weights");
	pack(p, b, w, scale, zero);
	p->w = w;
	p->scale = scale;
	p->zero = zero;
	rt_bind_drop(b, B);
	rt_bind_drop(b, SCALES);
	return RT_OK;
}

/* Is W unpacked for the GEMM driver, some columns at a time? */
static bool by_floats(const struct rt_nbits_panels *p, int64_t rows)
{
	return p->parts == 3 && rows >= MANY && p->kernels->f32_gemm->nr % WIDTH == 0;
}

/* rt_gemm_panel_f: of weights as kernel n4_gemm has them. */
static void floats_of(const void *arg, size_t panel, size_t first, size_t count, float *to)
{
	const struct rt_nbits_panels *p = arg;
	const size_t nr = p->kernels->f32_gemm->nr, block = count_of(p->block);
	const size_t each = blocks_of(p) * WIDTH, begin = first / block * WIDTH;
	/* the last of the driver's panels may be half as wide */
	const size_t width = count_of(p->n) - panel * nr > nr / 2 ? nr : nr / 2;

	for (size_t column = 0; column < width; column += WIDTH) {
		const size_t at = (panel * nr + column) / WIDTH * each + begin;
		p->kernels->n4_gemm->unpack(count, block, p->w + at * block / 2, p->scale + at,
					    p->zero ? p->zero + at : NULL, to + column, width);
	}
}

/* The product with W as floats; pointers are put in by run. */
static struct rt_gemm product(const struct rt_nbits_panels *p, int64_t rows)
{
	return (struct rt_gemm){.kernels = p->kernels,
				.m = count_of(rows),
				.n = count_of(p->n),
				.k = count_of(p->k),
				.batch = 1,
				.a = p->scale, /* in memory */
				.lda = count_of(p->k),
				.panel = floats_of,
				.panel_arg = p,
				.k_unit = count_of(p->block),
				.ldc = count_of(p->n),
				.epilogue = {.lo = -INFINITY, .hi = INFINITY}};
}

size_t rt_nbits_panels_scratch(const struct rt_nbits_panels *p, int64_t rows, int threads)
{
	if (by_floats(p, rows)) {
		struct rt_gemm g = product(p, rows);
		return rt_gemm_scratch_bytes(&g, threads);
	}
	const size_t all = count_of(rows) * blocks_of(p);
	return lines(all * count_of(p->block) * (size_t)p->parts) + lines(all * sizeof(float)) +
	       lines(all * sizeof(struct rt_n4_sums));
}

struct job {
	const struct rt_nbits_panels *p;
	const float *a, *bias;
	float *y;
	size_t rows, blocks, block, n, k;
	size_t each; /* bytes of a block of A */
	int8_t *x;   /* [rows][blocks][each] */
	float *scale;
	struct rt_n4_sums *sum;
};

static void rows_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;

	(void)thread;
	for (size_t i = begin; i < end; i++)
		for (size_t b = 0; b < j->blocks; b++) {
			const size_t first = b * j->block, left = j->k - first;
			j->p->kernels->n4_gemm->prepare(
			    j->block, j->p->parts, left < j->block ? left : j->block,
			    j->a + i * j->k + first, j->x + (i * j->blocks + b) * j->each,
			    j->scale + i * j->blocks + b, j->sum + i * j->blocks + b);
		}
}

/* Panels ${begin} …: a panel stays in the nearest cache while all rows pass over it. */
static void panels_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct rt_n4_gemm *kernel = j->p->kernels->n4_gemm;
	const size_t mr = kernel->mr[j->p->parts], tiles = (j->rows + mr - 1) / mr;

	(void)thread;
	for (size_t i = begin; i < end; i++) {
		const size_t column = i * WIDTH, each = j->blocks * WIDTH;
		struct rt_n4_tile t = {.n = j->n - column < WIDTH ? j->n - column : WIDTH,
				       .blocks = j->blocks,
				       .block = j->block,
				       .parts = j->p->parts,
				       .ldx = j->blocks * j->each,
				       .w = j->p->w + i * each * j->block / 2,
				       .scale = j->p->scale + i * each,
				       .zero = j->p->zero ? j->p->zero + i * each : NULL,
				       .bias = j->bias ? j->bias + column : NULL,
				       .ldy = j->n};
		for (size_t k = 0; k < tiles; k++) {
			const size_t row = j->rows * k / tiles;
			t.m = j->rows * (k + 1) / tiles - row;
			t.x = j->x + row * t.ldx;
			t.x_scale = j->scale + row * j->blocks;
			t.x_sum = j->sum + row * j->blocks;
			t.y = j->y + row * j->n + column;
			kernel->tile(&t);
		}
	}
}

void rt_nbits_panels_run(const struct rt_nbits_panels *p, const struct rt_run *r, int64_t rows,
			 const float *bias)
{
	struct job j = {.p = p,
			.a = r->in[A].data,
			.bias = bias,
			.y = r->out[0].data,
			.rows = count_of(rows),
			.blocks = blocks_of(p),
			.block = count_of(p->block),
			.n = count_of(p->n),
			.k = count_of(p->k),
			.x = r->scratch};
	const size_t all = j.rows * j.blocks;
	char *at = r->scratch;

	if (by_floats(p, rows)) {
		struct rt_gemm g = product(p, rows);
		g.a = j.a;
		g.c = j.y;
		g.epilogue.bias = bias;
		rt_gemm_run(&g, r->team, r->scratch);
		return;
	}
	j.each = j.block * (size_t)p->parts;
	at += lines(all * j.each);
	j.scale = (float *)(void *)at;
	j.sum = (struct rt_n4_sums *)(void *)(at + lines(all * sizeof(float)));
	rt_team_for(r->team, j.rows, rt_walk_grain(p->k), rows_range, &j);
	rt_team_for(r->team, panels_of(p), 1 + 200000 / (WIDTH * j.k * j.rows + 1), panels_range,
		    &j);
}
