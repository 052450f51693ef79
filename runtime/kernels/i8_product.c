/* SPDX-License-Identifier: MIT */
/*
 * i8_product.c — whole products of matrices of bytes: packing of W, the
 * division of Y among threads and caches, and the walk over tiles.  Called by
 * ops/q*.c.  Allocates nothing.
 *
 * Y is cut into items of some rows by some panels, as in gemm.c; K is not cut,
 * for a panel of bytes stays in the second cache.  The sums of a tile are made in
 * a buffer on the stack and become results from there.
 */
#include <config.h>

#include <string.h>

#include "runtime/kernels/i8_product.h"

#define A_BYTES (256u * 1024u) /* of A per item */
#define ITEM_WORK 1000000u     /* multiplications that are worth another thread */
#define SUMS_MAX (32 * 64)     /* of a tile */
#define AHEAD 8192             /* bytes of W that a lone tile fetches ahead of itself */

static size_t ceil_div(size_t a, size_t b)
{
	return (a + b - 1) / b; /* NOLINT(clang-analyzer-core.DivideZero): tiles have rows */
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Where share ${i} of ${parts} equal shares of ${m} begins. */
static size_t share(size_t m, size_t parts, size_t i)
{
	return (size_t)((unsigned long long)m * i / parts);
}

/* ---- W --------------------------------------------------------------------------------------- */

size_t rt_i8_product_panels(const struct rt_kernels *kernels, size_t n)
{
	return ceil_div(n, kernels->i8_gemm->nr);
}

/* Columns of panel ${p} in memory: the last may be half as wide. */
static size_t panel_width(size_t nr, size_t n, size_t p)
{
	return n - p * nr > nr / 2 ? nr : nr / 2;
}

size_t rt_i8_product_bytes(const struct rt_kernels *kernels, size_t n, size_t k)
{
	size_t nr = kernels->i8_gemm->nr, panels = rt_i8_product_panels(kernels, n);
	return panels == 0
		   ? 0
		   : ((panels - 1) * nr + panel_width(nr, n, panels - 1)) * ceil_div(k, 4) * 4;
}

int32_t rt_i8_product_offset(bool a_signed, bool w_signed)
{
	return a_signed == w_signed ? (w_signed ? -128 : 128) : 0;
}

void rt_i8_product_pack(const struct rt_kernels *kernels, const struct rt_i8_weights *w,
			size_t first, size_t count, uint8_t *packed, int32_t *sums)
{
	const size_t nr = kernels->i8_gemm->nr, groups = ceil_div(w->k, 4);
	const uint8_t flip = w->a_signed == w->is_signed ? 0x80 : 0;
	for (size_t p = first; p < first + count; p++) {
		const size_t width = panel_width(nr, w->n, p), have = least(w->n - p * nr, width);
		uint8_t *to = packed + p * nr * groups * 4;
		if (have < width || w->k % 4)
			memset(to, 0, width * groups * 4);
		for (size_t j = 0; j < have; j++) {
			const uint8_t *from = w->b + (p * nr + j) * w->col;
			uint32_t sum = 0;
			for (size_t k = 0; k < w->k; k++) {
				const uint8_t x = from[k * w->row] ^ flip;
				const int32_t value = w->a_signed ? x : (int8_t)x;
				to[k / 4 * width * 4 + j * 4 + k % 4] = x;
				sum += (uint32_t)value;
			}
			sums[p * nr + j] = (int32_t)sum;
		}
	}
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* How one product is cut. */
struct cut {
	size_t tiles, panels;        /* of the whole */
	size_t units;                /* that rows are cut into: tiles if they are cut finely */
	size_t row_cuts, panel_cuts; /* items = batch · row_cuts · panel_cuts */
	size_t rows_max;             /* of an item */
	size_t ld;                   /* row stride of gathered A */
	size_t each;                 /* bytes of scratch of a thread */
};

static void cut(const struct rt_i8_product *g, size_t threads, struct cut *c)
{
	const struct rt_i8_gemm *kernel = g->kernels->i8_gemm;
	size_t mr = g->n <= kernel->nr / 2 ? kernel->mr1 : kernel->mr;
	size_t fit = A_BYTES / (g->k + 64) / mr; /* tiles whose A stays cached */
	size_t work = g->m * g->n * g->k * g->batch, want = 1;
	c->tiles = ceil_div(g->m, mr);
	c->panels = rt_i8_product_panels(g->kernels, g->n);
	c->row_cuts = c->tiles <= 2 * fit ? 1 : ceil_div(c->tiles, fit ? fit : 1);
	c->panel_cuts = 1;
	if (threads > 1)
		want = least(threads * 4, 1 + work / ITEM_WORK);
	if (g->batch * c->row_cuts < want) /* each cut of the rows reads all of W again */
		c->row_cuts =
		    least(c->tiles, ceil_div(g->n > g->m ? least(threads, want) : want, g->batch));
	if (g->batch * c->row_cuts < want && g->batch * c->row_cuts < threads * 2)
		c->panel_cuts = least(c->panels, ceil_div(want, g->batch * c->row_cuts));
	c->units = c->row_cuts <= threads ? g->m : c->tiles;
	c->rows_max = least(g->m, ceil_div(c->units, c->row_cuts) * ceil_div(g->m, c->units));
	/* An odd number of lines apart, so that rows do not fall on the same sets of the cache. */
	c->ld = (ceil_div(g->k, 64) | 1) * 64;
	c->each = (c->rows_max * sizeof(int32_t) + 63) / 64 * 64 + RT_TEAM_APART;
	if (!g->a)
		c->each += c->rows_max * c->ld;
}

size_t rt_i8_product_scratch(const struct rt_i8_product *g, int threads)
{
	struct cut c;
	if (g->m == 0 || g->n == 0 || g->batch == 0)
		return 0;
	cut(g, (size_t)threads, &c);
	return c.each * (size_t)threads;
}

struct job {
	const struct rt_i8_product *g;
	struct cut cut;
	char *scratch; /* [threads], cut.each bytes: sums of rows, then gathered A */
};

/* Some rows by some panels of one product of the batch. */
struct item {
	size_t rows, first_panel, end_panel;
	const uint8_t *a, *w;
	size_t lda;
	size_t row;          /* the first of them */
	size_t column;       /* of the columns' arrays, where this product's begin */
	size_t y;            /* element of Y where this product begins */
	const int32_t *sums; /* of rows, or NULL */
};

/*
 * What tile ${i} of ${tiles} fetches.  The first two bring half of the next panel each,
 * which is ${bytes} behind this one (0: there is none).  With one tile there is no time for that:
 * it runs ahead of itself, which is the next panel in the end.
 */
static void fetch(struct rt_i8_tile *t, size_t tiles, size_t i, size_t bytes)
{
	t->prefetch = t->w;
	t->prefetch_lines = 0;
	if (tiles == 1) {
		t->prefetch += AHEAD;
		t->prefetch_lines = t->narrow ? 1 : 2;
	} else if (i < 2 && bytes > 0) {
		t->prefetch += bytes + i * (bytes / 128 * 64);
		t->prefetch_lines = 1;
	}
}

static void run_panel(const struct rt_i8_product *g, const struct item *it, size_t panel)
{
	const struct rt_i8_gemm *kernel = g->kernels->i8_gemm;
	const size_t col = panel * kernel->nr, width = panel_width(kernel->nr, g->n, panel);
	const size_t mr = width < kernel->nr ? kernel->mr1 : kernel->mr, groups = ceil_div(g->k, 4);
	const size_t tiles = ceil_div(it->rows, mr), at = it->column + col;
	_Alignas(64) int32_t sums[SUMS_MAX];
	struct rt_i8_finish f = g->finish;
	struct rt_i8_tile t = {.k = g->k,
			       .lda = it->lda,
			       .a_signed = g->a_signed,
			       .narrow = width < kernel->nr,
			       .w = it->w + col * groups * 4,
			       .c = sums};
	f.n = least(g->n - col, width);
	f.sum = sums;
	f.ld_sum = kernel->nr;
	f.add += at;
	f.row_mul = f.row_mul ? f.row_mul + at : NULL;
	f.scale = f.scale ? f.scale + at : NULL;
	f.bias = f.bias ? f.bias + at : NULL;
	for (size_t i = 0; i < tiles; i++) {
		const size_t row = share(it->rows, tiles, i), y = it->y + (it->row + row) * f.ldy;
		f.m = t.m = share(it->rows, tiles, i + 1) - row;
		t.a = it->a + row * it->lda;
		fetch(&t, tiles, i, panel + 1 < it->end_panel ? kernel->nr * groups * 4 : 0);
		kernel->tile(&t);
		f.y = (char *)g->finish.y + (y + col) * g->y_bytes;
		f.row = it->sums ? it->sums + row : NULL;
		if (g->finish.residual)
			f.residual =
			    g->finish.residual + it->y + (it->row + row) * f.ld_residual + col;
		g->to(&f);
	}
}

static void run_item(const struct rt_i8_product *g, const struct item *it)
{
	const size_t nr = g->kernels->i8_gemm->nr, ldy = g->finish.ldy;
	const size_t from = it->first_panel * nr, to = least(g->n, it->end_panel * nr);
	float *y = (float *)g->finish.y + it->y + it->row * ldy + from;
	for (size_t p = it->first_panel; p < it->end_panel; p++)
		run_panel(g, it, p);
	for (size_t i = 0; g->activation && i < it->rows; i++)
		g->activation(to - from, y + i * ldy, y + i * ldy, &g->activation_params);
}

/* Items ${begin} … ${end} − 1; those of the same rows follow each other and share what was made
 * of A. */
static void run_items(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *job = arg;
	const struct rt_i8_product *g = job->g;
	const struct cut *c = &job->cut;
	char *mine = job->scratch + (size_t)thread * c->each;
	int32_t *sums = (int32_t *)(void *)mine;
	uint8_t *gathered = (uint8_t *)mine + (c->rows_max * sizeof(int32_t) + 63) / 64 * 64;
	size_t made = (size_t)-1;
	for (size_t i = begin; i < end; i++) {
		const size_t rows = i / c->panel_cuts, part = i % c->panel_cuts;
		const size_t b = rows / c->row_cuts, r = rows % c->row_cuts;
		const size_t first = share(g->m, c->units, share(c->units, c->row_cuts, r));
		const size_t last = share(g->m, c->units, share(c->units, c->row_cuts, r + 1));
		size_t at[4] = {b * g->a_step, b * g->w_step, b * g->y_step, b * g->column_step};
		struct item it = {.rows = last - first,
				  .row = first,
				  .first_panel = share(c->panels, c->panel_cuts, part),
				  .end_panel = share(c->panels, c->panel_cuts, part + 1)};
		if (g->at)
			g->at(g->at_arg, b, at);
		it.a = g->a ? g->a + at[0] + first * g->lda : gathered;
		it.lda = g->a ? g->lda : c->ld;
		it.w = g->w + at[1];
		it.y = at[2];
		it.column = at[3];
		if (made != rows && !g->a)
			g->rows(g->rows_arg, b, first, it.rows, gathered, c->ld);
		if (made != rows && g->finish.row_mul)
			for (size_t k = 0; k < it.rows; k++)
				sums[k] =
				    g->kernels->i8_gemm->sum(g->k, it.a + k * it.lda, g->a_signed);
		made = rows;
		it.sums = g->finish.row_mul ? sums : NULL;
		run_item(g, &it);
	}
}

void rt_i8_product_run(const struct rt_i8_product *g, struct rt_team *team, void *scratch)
{
	struct job job = {.g = g, .scratch = scratch};
	if (g->m == 0 || g->n == 0 || g->batch == 0)
		return;
	must(g->kernels->i8_gemm->nr * g->kernels->i8_gemm->mr <= SUMS_MAX &&
	     g->kernels->i8_gemm->nr * g->kernels->i8_gemm->mr1 <= SUMS_MAX);
	cut(g, (size_t)rt_team_threads(team), &job.cut);
	rt_team_for(team, g->batch * job.cut.row_cuts * job.cut.panel_cuts, 1, run_items, &job);
}
