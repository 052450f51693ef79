/* SPDX-License-Identifier: MIT */
/*
 * gemm.c — whole matrix products: packing of W, the division of C among
 * threads and caches, and the walk over tiles.  Called by ops/matmul.c and
 * ops/conv*.c.  Allocates nothing.
 *
 * C is cut into items: some rows (their A, as much of it as stays in the second
 * cache) by some panels.  Within an item K is cut so that a stretch of one panel
 * stays in a near cache while the item's rows pass over it:
 *
 *	for a stretch of K, for each panel, for each tile of rows
 *
 * Rows are dealt out evenly: 30 rows in tiles of at most 14 are 10 + 10 + 10,
 * not 14 + 14 + 2, for short tiles leave the multipliers idle.
 */
#include <config.h>

#include <string.h>

#include "runtime/kernels/gemm.h"

#define W_NEAR ((size_t)1 << 18) /* floats of weights that stay in the second cache */
#define K_STRETCH 768            /* K of one pass: 96 KiB of a panel of 32 columns */
#define A_BYTES (512u * 1024u)   /* of A per item and pass; twice that if it is all of A */
#define PARTS_BYTES (1u << 20)   /* of parts of A, C and residual per item, about */
#define AHEAD 512                /* floats that a lone tile fetches ahead: 2 KiB */
#define SHARES 8          /* tiles that divide fetching among them, at most; a power of two */
#define ITEM_WORK 400000u /* multiplications that are worth another thread */

size_t rt_gemm_panels(const struct rt_kernels *kernels, size_t n)
{
	return (n + kernels->f32_gemm->nr - 1) / kernels->f32_gemm->nr;
}

/* Columns of panel ${p} in memory: the last may be half as wide. */
static size_t panel_width(size_t nr, size_t n, size_t p)
{
	return n - p * nr > nr / 2 ? nr : nr / 2;
}

size_t rt_gemm_pack_elems(const struct rt_kernels *kernels, size_t n, size_t k)
{
	size_t nr = kernels->f32_gemm->nr, panels = rt_gemm_panels(kernels, n);
	return panels == 0 ? 0 : ((panels - 1) * nr + panel_width(nr, n, panels - 1)) * k;
}

/* One panel of ${have} ≤ ${width} columns. */
static void pack_panel(const struct rt_kernels *kernels, size_t have, size_t width, size_t k,
		       const float *b, size_t row, size_t col, float *to)
{
	if (row == 1 && have == width) {
		kernels->x32_transpose->run(width, k, b, col, to, width);
		return;
	}
	for (size_t i = 0; i < k; i++, to += width) {
		const float *from = b + i * row;
		if (col == 1)
			memcpy(to, from, have * sizeof *to);
		else
			for (size_t j = 0; j < have; j++)
				to[j] = from[j * col];
		for (size_t j = have; j < width; j++)
			to[j] = 0;
	}
}

void rt_gemm_pack(const struct rt_kernels *kernels, size_t n, size_t k, const float *b, size_t row,
		  size_t col, size_t first, size_t count, float *packed)
{
	size_t nr = kernels->f32_gemm->nr;
	for (size_t p = first; p < first + count; p++) {
		size_t left = n - p * nr;
		pack_panel(kernels, left < nr ? left : nr, panel_width(nr, n, p), k,
			   b + p * nr * col, row, col, packed + p * nr * k);
	}
}

void rt_gemm_pack16(const struct rt_kernels *kernels, size_t n, size_t k, const uint16_t *b,
		    size_t row, size_t col, uint16_t *packed)
{
	const size_t nr = kernels->f32_gemm->nr, panels = rt_gemm_panels(kernels, n);
	for (size_t p = 0; p < panels; p++) {
		const size_t width = panel_width(nr, n, p),
			     have = n - p * nr < nr ? n - p * nr : nr;
		uint16_t *to = packed + p * nr * k;
		for (size_t i = 0; i < k; i++, to += width) {
			const uint16_t *from = b + i * row + p * nr * col;
			for (size_t j = 0; j < have; j++)
				to[j] = from[j * col];
			for (size_t j = have; j < width; j++)
				to[j] = 0;
		}
	}
}

/* How one product is cut. */
struct cut {
	bool parts;                  /* by f32_split */
	size_t tiles, panels;        /* of the whole */
	size_t units;                /* that rows are cut into: full tiles if they are cut finely */
	size_t row_cuts, panel_cuts; /* items = batch · row_cuts · panel_cuts */
	bool by_panels;   /* items of the same panels follow each other, not of the rows */
	bool rows_first;  /* the whole batch of some rows, then that of the next */
	size_t rows_max;  /* of an item */
	size_t rows_most; /* of an item, with any sharing, of as many rows or fewer */
	size_t ld;        /* row stride of gathered A */
	size_t ld_parts;  /* row stride of parts of a stretch of A */
};

static size_t ceil_div(size_t a, size_t b)
{
	return (a + b - 1) / b; /* NOLINT(clang-analyzer-core.DivideZero): tiles have rows */
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t most(size_t a, size_t b)
{
	return a > b ? a : b;
}

static size_t round_up(size_t n, size_t to)
{
	return ceil_div(n, to) * to;
}

/*
 * What products by parts cost, in clock cycles as measured: per multiplication, per element of W
 * and of A that is split, and more where it is in the cache of another core, per element of A that
 * is gathered before.
 */
static const double product_cost = 0.0145, part_w_cost = 0.76, part_a_cost = 0.46, far_cost = 0.75,
		    rows_cost = 1.0;

/* Are parts worth their making, and one more pass over C? */
static bool by_parts(const struct rt_gemm *g)
{
	const double whole = 0.040, cold_w_cost = 1.3, store = 0.15;
	const double m = (double)g->m, n = (double)g->n, k = (double)g->k;
	const double padded =
	    (double)round_up(g->n, RT_SPLIT_HALF) / n * (double)round_up(g->k, RT_SPLIT_STEP) / k;

	return g->kernels->f32_split->is_fast && g->k > 0 &&
	       padded * product_cost + cold_w_cost / m + part_a_cost / n + store / k < whole;
}

/* What ${m} rows by ${n} columns cost, per element of K; ${far} of 1 of A are elsewhere. */
static double parts_cost(const struct rt_gemm *g, size_t m, size_t n, double far)
{
	return (double)m * (double)n * product_cost + (double)n * part_w_cost +
	       (double)m * (part_a_cost + (g->a ? far * far_cost : rows_cost));
}

/*
 * One cut per thread, for each makes parts of the other side again, where it costs least.
 * What a thread reads of A it most likely wrote itself if it has the same rows as in the loop
 * before.
 */
static void cut_parts(const struct rt_gemm *g, size_t threads, struct cut *c)
{
	const size_t rows = ceil_div(g->m, least(c->tiles, threads));
	const size_t columns = least(g->n, ceil_div(c->panels, threads) * 2 * RT_SPLIT_HALF);
	const double far = 1 - 1 / (double)threads;

	if (parts_cost(g, rows, g->n, 0) < parts_cost(g, g->m, columns, far))
		c->row_cuts = least(c->tiles, threads);
	else
		c->panel_cuts = least(c->panels, threads);
}

/* Where share ${i} of ${tiles} equal shares of ${m} begins. */
static size_t share(size_t m, size_t tiles, size_t i)
{
	return (size_t)((unsigned long long)m * i / tiles);
}

/* Is W made, a stretch of a panel at a time? */
static bool is_made(const struct rt_gemm *g)
{
	return g->w16 || g->panel;
}

/* The longest stretch of K. */
static size_t longest(const struct rt_gemm *g)
{
	return least(g->k, K_STRETCH + (g->panel ? g->k_unit : 0));
}

/* Where stretch ${s} of ${stretches} begins. */
static size_t stretch(const struct rt_gemm *g, size_t stretches, size_t s)
{
	const size_t unit = g->panel ? g->k_unit : 1;
	return least(g->k, share(ceil_div(g->k, unit), stretches, s) * unit);
}

/* More items of parts only where threads would have unequal shares: each makes parts of W again. */
static void share_parts(const struct rt_gemm *g, size_t threads, struct cut *c)
{
	const size_t items = g->batch * c->row_cuts;

	if (items == 1)
		cut_parts(g, threads, c);
	else
		c->row_cuts = least(c->tiles, ceil_div(round_up(items, threads), g->batch));
}

/* Some panels per item; those that do not go into ${threads} equal shares are cut by rows, too. */
static void share_panels(const struct rt_gemm *g, size_t threads, size_t want, struct cut *c)
{
	const size_t items = g->batch * c->row_cuts;

	c->panel_cuts = least(c->panels, ceil_div(want, items));
	if (items == 1 && c->panel_cuts < 4 * threads && c->panel_cuts % threads != 0) {
		c->row_cuts = least(c->tiles, threads);
		c->by_panels = true;
	}
}

/*
 * About ${want} items, so that threads share them evenly. Each cut of the rows reads all
 * weights again, each cut of the panels all of A, and where A is gathered that is done again.
 * So weights with many more columns than A has rows are read once.
 */
static void share_out(const struct rt_gemm *g, size_t threads, size_t want, struct cut *c)
{
	size_t items = g->batch * c->row_cuts;

	if (want > 1 && g->batch > 1 && !g->at && g->c_step < g->ldc && c->tiles >= threads) {
		/* side by side in C: threads would write to the same lines */
		c->rows_first = true;
		c->row_cuts = least(c->tiles, round_up(c->row_cuts, threads));
		return;
	}
	if (items >= want)
		return;
	if (c->parts) {
		share_parts(g, threads, c);
		return;
	}
	if (is_made(g)) { /* a cut of the rows makes weights again */
		want = least(want, threads * 2);
		if (g->n > g->m)
			c->panel_cuts = least(c->panels, ceil_div(want, items));
		else
			c->row_cuts = least(c->tiles, ceil_div(want, g->batch));
		return;
	}
	if (g->n > 2 * g->m && g->a) {
		share_panels(g, threads, want, c);
		return;
	}
	if (g->n > g->m && g->n * g->k > W_NEAR) {
		c->panel_cuts = least(c->panels, least(threads, want));
		items *= c->panel_cuts;
		if (items >= least(want, threads))
			return;
	}
	c->row_cuts = least(c->tiles, ceil_div(want, g->batch * c->panel_cuts));
	if (g->batch == 1 && c->row_cuts > 1)
		c->row_cuts = least(g->m, round_up(c->row_cuts, threads));
	items = g->batch * c->row_cuts;
	if (items * c->panel_cuts < least(want, threads * 2))
		c->panel_cuts = least(c->panels, ceil_div(want, items));
}

static void cut(const struct rt_gemm *g, bool parts, size_t threads, struct cut *c)
{
	const struct rt_f32_gemm *kernel = g->kernels->f32_gemm;
	size_t mr = g->n <= kernel->nr / 2 ? kernel->mr1 : kernel->mr;
	size_t fit, work = g->m * g->n * g->k * g->batch;
	if (parts)
		mr = RT_SPLIT_HALF;
	fit = A_BYTES / sizeof(float) / (least(g->k, K_STRETCH) + 1) / mr; /* stay cached */
	if (parts) /* what it reads and writes of C, too; parts of W are worth 256 rows */
		fit = least(fit, most(16, PARTS_BYTES / RT_SPLIT_HALF / (8 * g->n + 6 * g->k)));
	c->parts = parts;
	c->tiles = ceil_div(g->m, mr);
	c->panels = rt_gemm_panels(g->kernels, g->n);
	c->row_cuts = c->tiles <= 2 * fit ? 1 : ceil_div(c->tiles, fit ? fit : 1);
	c->panel_cuts = 1;
	c->by_panels = c->rows_first = false;
	c->rows_most = least(g->m, 2 * (fit ? fit : 1) * mr);
	if (threads > 1)
		share_out(g, threads, least(threads * 4, 1 + work / ITEM_WORK), c);
	c->units = parts ? ceil_div(g->m, 2 * RT_SPLIT_HALF) : c->tiles;
	if (c->row_cuts <= threads || c->units < 2 * c->row_cuts)
		c->units = g->m;
	c->rows_max = least(g->m, ceil_div(c->units, c->row_cuts) * ceil_div(g->m, c->units));
	/* An odd number of lines apart, so that rows do not fall on the same sets of the cache. */
	c->ld = (ceil_div(g->k, 16) | 1) * 16;
	c->ld_parts = (ceil_div(longest(g), RT_SPLIT_STEP) | 1) * RT_SPLIT_STEP;
}

/* What a thread needs, in bytes, one behind the other; whole lines. */
struct room {
	size_t gathered, wide, a_parts, w_parts, each;
};

static void room(const struct rt_gemm *g, const struct cut *c, struct room *r)
{
	const size_t panel = round_up(longest(g), RT_SPLIT_STEP) * 2 * RT_SPLIT_HALF;
	*r = (struct room){0};
	if (!g->a)
		r->gathered = c->rows_max * c->ld * sizeof(float);
	if (is_made(g))
		r->wide = round_up(longest(g) * g->kernels->f32_gemm->nr * sizeof(float), 64);
	if (c->parts) {
		r->a_parts = RT_SPLIT_PARTS * (c->rows_most + RT_SPLIT_HALF - 1) * c->ld_parts *
			     sizeof(uint16_t);
		r->w_parts = RT_SPLIT_PARTS * panel * sizeof(uint16_t);
	}
	r->each = r->gathered + r->wide + r->a_parts + r->w_parts;
	if (r->each > 0)
		r->each += RT_TEAM_APART;
}

size_t rt_gemm_scratch_bytes(const struct rt_gemm *g, int threads)
{
	struct cut c;
	struct room r;
	if (g->m == 0 || g->batch == 0)
		return 0;
	cut(g, by_parts(g), (size_t)threads, &c);
	room(g, &c, &r);
	return r.each * (size_t)threads;
}

struct job {
	const struct rt_gemm *g;
	struct cut cut;
	struct room room;
	size_t items;
	char *scratch; /* [threads][room.each] */
};

/* Some rows by some panels of one product of the batch. */
struct item {
	size_t rows, first_panel, end_panel;
	bool unread; /* nobody has fetched its weights */
	const float *a, *w, *bias, *residual;
	const float *after; /* weights that are read after this item, or NULL */
	const uint16_t *w16;
	float *wide;
	uint16_t *a_parts, *w_parts; /* or NULL */
	size_t ld_parts, part;       /* of a_parts: from row to row, from part to part */
	size_t lda;
	float *c;
};

/* Rows ${k_first} … ${k_end} − 1 of a panel that is ${width} wide, as floats. */
static const float *weights(const struct rt_gemm *g, const struct item *it, size_t panel,
			    size_t width, size_t k_first, size_t k_end)
{
	const size_t at = panel * g->kernels->f32_gemm->nr * g->k + k_first * width;
	const size_t n = (k_end - k_first) * width;
	if (!is_made(g))
		return it->w + at;
	if (g->panel)
		g->panel(g->panel_arg, panel, k_first, k_end - k_first, it->wide);
	else if (!g->w16_is_bf16)
		g->kernels->f16_convert->to_f32(n, it->w16 + at, it->wide);
	for (size_t i = 0; !g->panel && g->w16_is_bf16 && i < n; i++)
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): no panel, so there is w16 */
		it->wide[i] = rt_bf16_to_f32(it->w16[at + i]);
	if (!g->panel && g->w16_scale != 1.0f)
		g->kernels->f32_binary->vs[RT_BINARY_MUL](n, it->wide, &g->w16_scale, it->wide);
	return it->wide;
}

/* What tiles fetch while they compute. */
struct ahead {
	const float *from;
	size_t shares;    /* tiles that divide it among them */
	size_t step, far; /* as in struct rt_gemm_tile */
};

/*
 * What follows this stretch of a panel, ${next}, comes from memory, so all tiles
 * fetch it, evenly.  With one tile there is no time for that: it runs ahead of
 * itself, which is the next panel in the end, for panels lie behind each other; so does the first
 * tile where nobody has fetched this panel.
 */
static struct ahead look_ahead(const struct rt_gemm *g, const float *next, const float *w,
			       size_t tiles, size_t width, bool lone)
{
	const size_t nr = g->kernels->f32_gemm->nr, shares = least(tiles, SHARES);
	if (is_made(g) || (!lone && !next))
		return (struct ahead){.from = w, .shares = 1};
	if (lone)
		return (struct ahead){w + AHEAD, 1, width, width - nr / 2};
	return (struct ahead){next, shares, nr / shares, 0};
}

/* The same product by parts; false, and nothing done, if W has an element that is not finite. */
static bool panel_parts(const struct rt_gemm *g, const struct item *it, const float *next,
			bool unread, const struct rt_gemm_tile *t, struct rt_epilogue *e)
{
	const struct rt_f32_split *kernel = g->kernels->f32_split;
	const bool narrow = t->n <= RT_SPLIT_HALF;
	/* of what follows some lines while parts of W are made, the others during the product;
	 * before the first panel nobody has fetched it, so it runs ahead of itself */
	const size_t lines = next ? t->k * (narrow ? 1 : 2) : 0, first = unread ? 0 : lines / 2;
	const struct rt_split_tile parts = {
	    .m = it->rows,
	    .n = t->n,
	    .k = t->k,
	    .a = it->a_parts,
	    .lda = it->ld_parts,
	    .a_part = it->part,
	    .w = it->w_parts,
	    .narrow = narrow,
	    .prefetch = (next ? next : t->w) + first * 16,
	    .prefetch_lines = lines - first,
	    .c = t->c,
	    .ldc = t->ldc,
	    .accumulate = t->accumulate,
	    .epilogue = t->epilogue,
	};
	e->residual = it->residual ? it->residual + (t->c - it->c) : NULL;
	if (!kernel->weights(t->k, narrow, t->w, it->w_parts,
			     unread ? t->w + AHEAD : (next ? next : t->w),
			     unread ? t->k * (narrow ? 1 : 2) : first))
		return false;
	kernel->tile(&parts);
	return true;
}

/* One stretch of K of one panel, all rows of the item, of which ${parts} are there or not; ${next}
 * is what follows, or NULL. */
static void panel_stretch(const struct rt_gemm *g, const struct item *it, size_t panel,
			  size_t k_first, size_t k_end, const float *next, bool parts)
{
	const struct rt_f32_gemm *kernel = g->kernels->f32_gemm;
	size_t col = panel * kernel->nr, width = panel_width(kernel->nr, g->n, panel);
	size_t mr = width < kernel->nr ? kernel->mr1 : kernel->mr;
	size_t tiles = ceil_div(it->rows, mr);
	const bool unread = it->unread && panel == it->first_panel && k_first == 0;
	struct rt_epilogue e = g->epilogue;
	struct rt_gemm_tile t = {
	    .n = least(g->n - col, width),
	    .segments = 1,
	    .k = k_end - k_first,
	    .lda = it->lda,
	    .w = weights(g, it, panel, width, k_first, k_end),
	    .c = it->c + col,
	    .ldc = g->ldc,
	    .accumulate = k_first > 0,
	    .epilogue = k_end == g->k ? &e : NULL,
	};
	e.bias = it->bias ? it->bias + col : NULL;
	if (parts && panel_parts(g, it, next, unread, &t, &e))
		return;
	for (size_t i = 0; i < tiles; i++) {
		size_t row = share(it->rows, tiles, i);
		const struct ahead ahead =
		    look_ahead(g, next, t.w, tiles, width, tiles == 1 || (unread && i == 0));
		t.m = share(it->rows, tiles, i + 1) - row;
		t.prefetch = ahead.from + i % ahead.shares * t.k * ahead.step;
		t.prefetch_step = ahead.step;
		t.prefetch_far = ahead.far;
		t.a = it->a + row * it->lda + k_first;
		t.c = it->c + row * g->ldc + col;
		if (it->residual)
			e.residual = it->residual + row * e.ld_residual + col;
		kernel->tile(&t);
	}
}

/* Where the weights are that are read after stretch ${s} of panel ${p}, or NULL. */
static const float *following(const struct rt_gemm *g, const struct item *it, size_t p, size_t s,
			      size_t stretches)
{
	if (p + 1 == it->end_panel) {
		p = it->first_panel;
		if (++s == stretches)
			return it->after;
	} else {
		p++;
	}
	if (is_made(g))
		return NULL;
	return it->w + p * g->kernels->f32_gemm->nr * g->k +
	       stretch(g, stretches, s) * panel_width(g->kernels->f32_gemm->nr, g->n, p);
}

static void run_item(const struct rt_gemm *g, const struct item *it)
{
	size_t nr = g->kernels->f32_gemm->nr;
	size_t stretches = 1;
	if (it->rows > g->kernels->f32_gemm->mr || is_made(g) || it->a_parts)
		stretches =
		    least(ceil_div(g->k, K_STRETCH), g->panel ? ceil_div(g->k, g->k_unit) : g->k);
	size_t from = it->first_panel * nr, to = least(g->n, it->end_panel * nr);
	if (stretches == 0)
		stretches = 1;
	for (size_t s = 0; s < stretches; s++) {
		const size_t begin = stretch(g, stretches, s), end = stretch(g, stretches, s + 1);
		const bool parts = it->a_parts && g->kernels->f32_split->rows(
						      it->rows, end - begin, it->a + begin, it->lda,
						      it->a_parts, it->ld_parts, it->part);
		for (size_t p = it->first_panel; p < it->end_panel; p++)
			panel_stretch(g, it, p, begin, end, following(g, it, p, s, stretches),
				      parts);
	}
	if (!g->activation)
		return;
	if (to - from == g->ldc) {
		g->activation(it->rows * g->ldc, it->c, it->c, &g->activation_params);
		return;
	}
	for (size_t i = 0; i < it->rows; i++) {
		float *row = it->c + i * g->ldc + from;
		g->activation(to - from, row, row, &g->activation_params);
	}
}

/* Which item ${i} is: of the batch, of its rows and of its panels. */
struct place {
	size_t item, row, panel;
};

static struct place place_of(const struct job *job, size_t i)
{
	const struct cut *c = &job->cut;
	const size_t in_batch = i % (c->row_cuts * c->panel_cuts);
	struct place p = {.item = i / (c->row_cuts * c->panel_cuts)};

	if (c->rows_first) {
		p.row = i / (c->panel_cuts * job->g->batch);
		p.item = i / c->panel_cuts % job->g->batch;
		p.panel = i % c->panel_cuts;
	} else if (c->by_panels) {
		p.row = in_batch % c->row_cuts;
		p.panel = in_batch / c->row_cuts;
	} else {
		p.row = in_batch / c->panel_cuts;
		p.panel = in_batch % c->panel_cuts;
	}
	return p;
}

/* Weights of item ${i} that the item before it does not read, or NULL. */
static const float *new_weights(const struct job *job, const struct item *before, struct place at,
				size_t i)
{
	const struct rt_gemm *g = job->g;
	const struct place p = place_of(job, i);

	if (i == job->items)
		return NULL;
	if (p.item > at.item)
		return g->at ? NULL : before->w + g->w_step;
	if (p.item < at.item || p.panel <= at.panel)
		return NULL;
	return before->w + before->end_panel * g->kernels->f32_gemm->nr * g->k;
}

/* Items ${begin} … ${end} − 1; those of the same rows share gathered A if they follow each
 * other. */
static void run_items(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *job = arg;
	const struct rt_gemm *g = job->g;
	const struct cut *c = &job->cut;
	const struct room *room = &job->room;
	char *mine = job->scratch ? job->scratch + (size_t)thread * room->each : NULL;
	float *rows_here = (float *)(void *)mine;
	struct place gathered = {.item = (size_t)-1};
	for (size_t i = begin; i < end; i++) {
		const struct place p = place_of(job, i);
		size_t first = share(g->m, c->units, share(c->units, c->row_cuts, p.row));
		size_t last = share(g->m, c->units, share(c->units, c->row_cuts, p.row + 1));
		size_t at[3] = {p.item * g->a_step, p.item * g->w_step, p.item * g->c_step};
		struct item it = {.rows = last - first,
				  .first_panel = share(c->panels, c->panel_cuts, p.panel),
				  .end_panel = share(c->panels, c->panel_cuts, p.panel + 1)};
		if (g->at)
			g->at(g->at_arg, p.item, at);
		if (g->a) {
			it.a = g->a + at[0] + first * g->lda;
			it.lda = g->lda;
		} else {
			if (gathered.item != p.item || gathered.row != p.row)
				g->rows(g->rows_arg, p.item, first, it.rows, rows_here, c->ld);
			gathered = p;
			it.a = rows_here;
			it.lda = c->ld;
		}
		if (g->w16)
			it.w16 = g->w16 + at[1];
		if (is_made(g)) {
			it.wide = (float *)(void *)(mine + room->gathered);
		} else {
			it.w = g->w + at[1];
			it.unread = i == begin;
			it.after = new_weights(job, &it, p, i + 1);
		}
		if (c->parts) {
			it.a_parts = (uint16_t *)(void *)(mine + room->gathered + room->wide);
			it.w_parts = it.a_parts + room->a_parts / sizeof(uint16_t);
			it.ld_parts = c->ld_parts;
			it.part = (c->rows_max + RT_SPLIT_HALF - 1) * c->ld_parts;
		}
		it.c = g->c + at[2] + first * g->ldc;
		if (g->epilogue.bias)
			it.bias = g->epilogue.bias + p.item * g->bias_step;
		if (g->epilogue.residual)
			it.residual = g->epilogue.residual + p.item * g->residual_step +
				      first * g->epilogue.ld_residual;
		run_item(g, &it);
	}
}

void rt_gemm_run(const struct rt_gemm *g, struct rt_team *team, void *scratch)
{
	struct job job = {.g = g, .scratch = scratch};
	if (g->m == 0 || g->n == 0 || g->batch == 0)
		return;
	cut(g, scratch && by_parts(g), (size_t)rt_team_threads(team), &job.cut);
	room(g, &job.cut, &job.room);
	job.items = g->batch * job.cut.row_cuts * job.cut.panel_cuts;
	rt_team_for(team, job.items, 1, run_items, &job);
}

void rt_gemm_run_alone(const struct rt_gemm *g, void *scratch)
{
	struct job job = {.g = g, .scratch = scratch};
	must(scratch || (g->a && g->w));
	if (g->m == 0 || g->n == 0 || g->batch == 0)
		return;
	cut(g, scratch && by_parts(g), 1, &job.cut);
	room(g, &job.cut, &job.room);
	job.items = g->batch * job.cut.row_cuts * job.cut.panel_cuts;
	run_items(&job, 0, job.items, 0);
}
