/* SPDX-License-Identifier: MIT */
/*
 * conv_winograd.c — larder.Conv with 3 × 3 taps, stride 1, no dilation.  Called by
 * conv_nhwc.c.
 *
 * The output is cut into squares of m × m pixels.  What they see, (m + 2)² pixels
 * each, is transformed (f32_winograd in kernels.h); each of the (m + 2)² places
 * then is a product of matrices [squares][C] · [C][M]; its results are transformed
 * back.  That is 2.25 (m = 2) or 4 (m = 4) times fewer multiplications, for
 * weights 1.8 or 4 times as large: so m = 4 where they are small.
 *
 * Squares are taken in blocks that fit the cache.  Many blocks, or those with small weights, are
 * shared among threads; few are done one after the other, their products shared by place, so
 * that each thread reads its own part of the weights.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/conv_winograd.h"

#define SQUARES_LEAST 14  /* of a block: rows of a tile */
#define EVEN_BLOCKS 8     /* per thread: with more of them one more or less does not count */
#define CHANNELS_LEAST 16 /* on either side */
#define SMALL_WEIGHTS (128u * 128) /* C·M up to which squares are 4 × 4 */
#define BLOCK_BYTES (1u << 20)     /* of transformed input and output */
#define PLACE_BYTES (512u << 10)   /* of transformed input of one place, if weights are large */

int rt_conv_winograd_suits(const struct rt_node *node, const struct rt_conv *c)
{
	const int64_t *list;
	int64_t count;
	static const char *const names[] = {"strides", "dilations"};
	if (c->rank != 2 || c->group != 1 || c->kernel[0] != 3 || c->kernel[1] != 3 ||
	    c->in_per_group < CHANNELS_LEAST || c->out_channels < CHANNELS_LEAST)
		return 0;
	for (int i = 0; i < 2; i++) {
		list = rt_node_ints(node, names[i], &count);
		for (int64_t k = 0; list && k < count; k++)
			if (list[k] != 1)
				return 0;
	}
	return c->in_per_group * c->out_channels <= (int64_t)SMALL_WEIGHTS ? 4 : 2;
}

/* ---- weights -------------------------------------------------------------------------------- */

/* u = G·w, for numbers ${step} apart. */
static void one_side(int m, const double *w, size_t w_step, double *u, size_t u_step)
{
	/* fanalyzer-suppress use-of-uninitialized-value: all taps are set */
	const double a = w[0], b = w[w_step], c = w[2 * w_step];
	u[0] = m == 2 ? a : a / 4;
	if (m == 2) {
		u[u_step] = (a + b + c) / 2;
		u[2 * u_step] = (a - b + c) / 2;
		u[3 * u_step] = c;
		return;
	}
	u[u_step] = -(a + b + c) / 6;
	u[2 * u_step] = -(a - b + c) / 6;
	u[3 * u_step] = (a + 2 * b + 4 * c) / 24;
	u[4 * u_step] = (a - 2 * b + 4 * c) / 24;
	u[5 * u_step] = c;
}

/* U = G·w·Gᵀ of one filter; place p goes to to[p · step]. */
static void transform(int m, const float *w, float *to, size_t step)
{
	const size_t side = (size_t)m + 2;
	double taps[9], half[18], u[36];
	for (int i = 0; i < 9; i++)
		taps[i] = (double)w[i];
	for (size_t j = 0; j < 3; j++)
		one_side(m, taps + j, 3, half + j, 3);
	for (size_t i = 0; i < side; i++)
		one_side(m, half + i * 3, 1, u + i * side, 1);
	for (size_t i = 0; i < side * side; i++)
		to[i * step] = (float)u[i];
}

int rt_conv_winograd_pack(struct rt_bind *b, struct rt_conv *c, const float *w,
			  struct rt_error *err)
{
	const size_t m = (size_t)c->out_channels, k = (size_t)c->in_per_group;
	const size_t side = (size_t)c->winograd + 2, places = side * side;
	const size_t each = rt_gemm_pack_elems(b->kernels, m, k), nr = b->kernels->f32_gemm->nr;
	void *fill;
	float *to;
	if (each > SIZE_MAX / sizeof(float) / places)
		return rt_error_set(err, RT_BUDGET, "weights are too large");
	c->w = rt_bind_packed(b, each * places * sizeof(float), &fill);
	if (!c->w)
		return rt_error_set(err, RT_MEMORY, "no memory for packed weights");
	if (!fill)
		return RT_OK;
	to = fill; /* zeros */
	for (size_t p = 0; p < m; p += nr) {
		const size_t left = m - p, width = left > nr / 2 ? nr : nr / 2;
		for (size_t i = 0; i < k; i++)
			for (size_t j = 0; j < left && j < width; j++)
				transform(c->winograd, w + ((p + j) * k + i) * 9,
					  to + p * k + i * width + j, each);
	}
	return RT_OK;
}

/* ---- the image ------------------------------------------------------------------------------ */

/* How the output is cut. */
struct cut {
	size_t m, places;
	size_t down, across, squares; /* of all images */
	size_t block, blocks;         /* squares of a block */
	size_t elems;                 /* of scratch for a block */
	size_t gemm;                  /* the same for its products, behind it, floats */
	bool apart;                   /* each thread has blocks of its own */
};

/* The products of a block of ${squares}; pointers are put in by run. */
static struct rt_gemm products(const struct rt_conv *c, const struct cut *t, size_t squares)
{
	const size_t n = (size_t)c->out_channels, k = (size_t)c->in_per_group;
	return (struct rt_gemm){.kernels = c->kernels,
				.m = squares,
				.n = n,
				.k = k,
				.batch = t->places,
				.a = c->w, /* in memory */
				.lda = k,
				.w = c->w,
				.ldc = n,
				.a_step = squares * k,
				.w_step = rt_gemm_pack_elems(c->kernels, n, k),
				.c_step = squares * n,
				.epilogue = {.lo = -__builtin_inff(), .hi = __builtin_inff()}};
}

/* Whole lines, in floats. */
static size_t lines(size_t n)
{
	return (n + 15) & ~(size_t)15;
}

static bool cut(const struct rt_conv *c, const struct rt_conv_shape *st, size_t threads,
		struct cut *to)
{
	struct rt_gemm g;
	const size_t in = (size_t)c->in_per_group, out = (size_t)c->out_channels;
	const size_t m = (size_t)c->winograd, places = (m + 2) * (m + 2);
	size_t fit = BLOCK_BYTES / sizeof(float) / places / (in + out), large;
	*to = (struct cut){.m = m,
			   .places = places,
			   .down = ((size_t)st->s.out[1] + m - 1) / m,
			   .across = ((size_t)st->s.out[2] + m - 1) / m};
	if (__builtin_mul_overflow(to->down * to->across, (size_t)st->batch, &to->squares))
		return false;
	large = PLACE_BYTES / sizeof(float) / in;
	if (in * out * places > BLOCK_BYTES / sizeof(float) && fit < large)
		fit = large;
	if (fit < SQUARES_LEAST)
		fit = SQUARES_LEAST;
	to->blocks = (to->squares + fit - 1) / fit;
	if (to->blocks == 0)
		to->blocks = 1;
	to->apart = threads > 1 && to->blocks >= 2 * threads;
	if (threads > 1 && !to->apart && to->squares >= SQUARES_LEAST * threads &&
	    in * out * places <= BLOCK_BYTES / sizeof(float))
		to->apart = true;
	if (to->apart && to->blocks < EVEN_BLOCKS * threads) /* equal shares */
		to->blocks = (to->blocks + threads - 1) / threads * threads;
	to->block = (to->squares + to->blocks - 1) / to->blocks;
	g = products(c, to, to->block);
	to->gemm = rt_gemm_scratch_bytes(&g, to->apart ? 1 : (int)threads) / sizeof(float);
	return !__builtin_mul_overflow(to->block * places, in + out, &to->elems) &&
	       (to->elems = lines(to->elems)) < SIZE_MAX / 2 &&
	       !__builtin_mul_overflow(to->elems + to->gemm, to->apart ? threads : 1, &large) &&
	       large < SIZE_MAX / sizeof(float) - lines(in);
}

bool rt_conv_winograd_scratch(const struct rt_conv *c, const struct rt_conv_shape *st, int threads,
			      size_t *bytes)
{
	struct cut t;
	if (!cut(c, st, (size_t)threads, &t))
		return false;
	*bytes = (lines((size_t)c->in_per_group) +
		  (t.elems + t.gemm) * (t.apart ? (size_t)threads : 1)) *
		 sizeof(float);
	return true;
}

struct job {
	const struct rt_gemm *g;
	const struct rt_conv *c;
	const struct rt_conv_shape *st;
	const float *x, *zeros;
	struct cut cut;
	float *blocks;
	/* the block that all threads work on */
	size_t first, count;
	float *v, *y, *gemm;
};

/* Where square ${i} is: its image, and its first output pixel. */
struct place {
	int64_t n, oh, ow;
};

static struct place place_of(const struct cut *t, size_t i)
{
	const size_t each = t->down * t->across;
	return (struct place){(int64_t)(i / each), (int64_t)(i % each / t->across * t->m),
			      (int64_t)(i % t->across * t->m)};
}

/* Squares ${begin} … ${end} − 1 of the block → V. */
static void transform_in(const struct job *j, size_t begin, size_t end)
{
	const struct rt_spatial *s = &j->st->s;
	const size_t side = j->cut.m + 2, c = (size_t)j->c->in_per_group;
	const float *in[36];
	struct rt_winograd_in t = {.channels = c, .in = in, .to_step = j->count * c};
	for (size_t i = begin; i < end; i++) {
		const struct place at = place_of(&j->cut, j->first + i);
		for (size_t k = 0; k < side * side; k++) {
			const int64_t h = at.oh - s->begin[1] + (int64_t)(k / side);
			const int64_t w = at.ow - s->begin[2] + (int64_t)(k % side);
			const bool inside = h >= 0 && h < s->in[1] && w >= 0 && w < s->in[2];
			in[k] = inside ? j->x + (size_t)((at.n * s->in[1] + h) * s->in[2] + w) * c
				       : j->zeros;
		}
		t.to = j->v + i * c;
		j->g->kernels->f32_winograd->input[j->cut.m / 4](&t);
	}
}

/* Squares ${begin} … ${end} − 1 of the block: M → Y. */
static void transform_out(const struct job *j, size_t begin, size_t end)
{
	const struct rt_spatial *s = &j->st->s;
	const struct rt_gemm *g = j->g;
	const struct rt_epilogue *e = &g->epilogue;
	const size_t n = (size_t)j->c->out_channels, m = j->cut.m, width = (size_t)s->out[2];
	struct rt_winograd_out t = {.channels = n,
				    .from_step = j->count * n,
				    .bias = e->bias,
				    .residual_row = width * e->ld_residual,
				    .residual_pixel = e->ld_residual,
				    .lo = e->lo,
				    .hi = e->hi,
				    .y_row = width * g->ldc,
				    .y_pixel = g->ldc};
	for (size_t i = begin; i < end; i++) {
		const struct place at = place_of(&j->cut, j->first + i);
		const size_t pixel = (size_t)((at.n * s->out[1] + at.oh) * s->out[2] + at.ow);
		const size_t down = (size_t)(s->out[1] - at.oh), across = width - (size_t)at.ow;
		t.rows = down < m ? down : m;
		t.cols = across < m ? across : m;
		t.from = j->y + i * n;
		t.y = g->c + pixel * g->ldc;
		t.residual = e->residual ? e->residual + pixel * e->ld_residual : NULL;
		g->kernels->f32_winograd->output[m / 4](&t);
		for (size_t r = 0; g->activation && r < t.rows; r++)
			g->activation(t.cols * g->ldc, t.y + r * t.y_row, t.y + r * t.y_row,
				      &g->activation_params);
	}
}

static struct rt_gemm block_products(const struct job *j)
{
	struct rt_gemm g = products(j->c, &j->cut, j->count);
	g.a = j->v;
	g.c = j->y;
	return g;
}

/* Make ${j} that of block ${i}, in memory of thread ${thread}. */
static void take_block(struct job *j, size_t i, size_t thread)
{
	const size_t end = (i + 1) * j->cut.block;
	j->first = i * j->cut.block;
	j->count = (end < j->cut.squares ? end : j->cut.squares) - j->first;
	j->v = j->blocks + thread * (j->cut.elems + j->cut.gemm);
	j->y = j->v + j->count * j->cut.places * (size_t)j->c->in_per_group;
	j->gemm = j->cut.gemm > 0 ? j->v + j->cut.elems : NULL;
}

static void whole_blocks(void *arg, size_t begin, size_t end, int thread)
{
	struct job j = *(const struct job *)arg;
	for (size_t i = begin; i < end; i++) {
		take_block(&j, i, (size_t)thread);
		transform_in(&j, 0, j.count);
		struct rt_gemm g = block_products(&j);
		rt_gemm_run_alone(&g, j.gemm);
		transform_out(&j, 0, j.count);
	}
}

static void share_in(void *arg, size_t begin, size_t end, int thread)
{
	(void)thread;
	transform_in(arg, begin, end);
}

static void share_out(void *arg, size_t begin, size_t end, int thread)
{
	(void)thread;
	transform_out(arg, begin, end);
}

void rt_conv_winograd_run(const struct rt_gemm *g, const struct rt_conv *c,
			  const struct rt_conv_shape *st, const float *x, struct rt_team *team,
			  void *scratch)
{
	struct job j = {.g = g, .c = c, .st = st, .x = x, .zeros = scratch};
	must(cut(c, st, (size_t)rt_team_threads(team), &j.cut));
	if (j.cut.squares == 0)
		return;
	memset(scratch, 0, (size_t)c->in_per_group * sizeof(float));
	j.blocks = (float *)scratch + lines((size_t)c->in_per_group);
	j.cut.blocks = (j.cut.squares + j.cut.block - 1) / j.cut.block;
	if (j.cut.apart) {
		rt_team_for(team, j.cut.blocks, 1, whole_blocks, &j);
		return;
	}
	for (size_t i = 0; i < j.cut.blocks; i++) {
		take_block(&j, i, 0);
		rt_team_for(team, j.count, 4, share_in, &j);
		struct rt_gemm p = block_products(&j);
		rt_gemm_run(&p, team, j.gemm);
		rt_team_for(team, j.count, 4, share_out, &j);
	}
}
