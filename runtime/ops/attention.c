/* SPDX-License-Identifier: MIT */
/*
 * attention.c — see attention.h.
 *
 * Keys and values are packed once per (batch, key head).  Then each thread takes blocks
 * of query rows of one head and does all there is to them: a product, the softmax,
 * a product, so that scores never leave the second cache.  Probabilities are not
 * divided by their sum, but what comes out.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/kernels/gemm.h"
#include "runtime/ops/attention.h"
#include "runtime/ops/walk.h"

#define SCORES 65536 /* of a block, about: 256 KiB */
#define ROWS_LEAST 16
#define ITEMS_LEAST 8 /* blocks for the threads to share, where there are as many rows */

struct layout {
	size_t blocks, rows;     /* of a head; rows of a block at most */
	size_t k_elems, v_elems; /* packed, per key head */
	size_t k, v;             /* offsets in the scratch block, in floats */
	size_t mine;             /* where the threads' parts begin, in floats */
	size_t sums, gemm, each; /* in a thread's part, behind the scores; its size */
};

struct job {
	const struct rt_attention *a;
	struct layout at;
	float *scratch;
};

static struct rt_gemm scores(const struct rt_attention *a, size_t rows)
{
	return (struct rt_gemm){
	    .kernels = a->kernels,
	    .m = rows,
	    .n = a->cols,
	    .k = a->size,
	    .batch = 1,
	    .a = a->q.data,
	    .lda = a->q.row,
	    .ldc = a->cols,
	    .epilogue = {.lo = -INFINITY, .hi = INFINITY},
	};
}

static struct rt_gemm values(const struct rt_attention *a, size_t rows)
{
	return (struct rt_gemm){
	    .kernels = a->kernels,
	    .m = rows,
	    .n = a->v_size,
	    .k = a->cols,
	    .batch = 1,
	    .lda = a->cols,
	    .ldc = a->y.row,
	    .epilogue = {.lo = -INFINITY, .hi = INFINITY},
	};
}

static size_t line(size_t elems)
{
	return (elems + 15) & ~(size_t)15;
}

static size_t ceil_div(size_t a, size_t b)
{
	return (a + b - 1) / b;
}

/* How many rows go together: what stays in the cache, but enough blocks for the threads. */
static size_t block_rows(const struct rt_attention *a)
{
	const size_t heads = a->batch * a->q_heads;
	size_t rows = SCORES / (a->cols + 1), share;

	if (heads < ITEMS_LEAST) {
		share = ceil_div(a->rows, ceil_div(ITEMS_LEAST, heads ? heads : 1));
		rows = rows < share ? rows : share;
	}
	rows = rows > ROWS_LEAST ? rows : ROWS_LEAST;
	return rows < a->rows ? rows : a->rows;
}

static size_t lay_out(const struct rt_attention *a, int threads, struct layout *l)
{
	static const float some;
	const size_t rows = block_rows(a);
	struct rt_gemm g;
	size_t need, other;

	l->blocks = rows ? ceil_div(a->rows, rows) : 0;
	l->rows = l->blocks ? ceil_div(a->rows, l->blocks) : 0;
	l->k_elems = line(rt_gemm_pack_elems(a->kernels, a->cols, a->size));
	l->v_elems = line(rt_gemm_pack_elems(a->kernels, a->v_size, a->cols));
	l->k = 0;
	l->v = a->batch * a->kv_heads * l->k_elems;
	l->mine = l->v + a->batch * a->kv_heads * l->v_elems;
	l->sums = line(l->rows * a->cols);
	l->gemm = l->sums + line(l->rows);
	g = scores(a, l->rows);
	g.a = &some; /* in memory: nothing is gathered */
	need = rt_gemm_scratch_bytes(&g, 1);
	g = values(a, l->rows);
	g.a = &some;
	other = rt_gemm_scratch_bytes(&g, 1);
	l->each = l->gemm + line(ceil_div(other > need ? other : need, sizeof(float)));
	return (l->mine + (size_t)threads * l->each) * sizeof(float);
}

size_t rt_attention_scratch_bytes(const struct rt_attention *a, int threads)
{
	struct layout l;
	return lay_out(a, threads, &l);
}

static void pack_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct rt_attention *a = j->a;

	(void)thread;
	for (size_t i = begin; i < end; i++) {
		size_t b = i / a->kv_heads, h = i % a->kv_heads;
		const float *k = a->k.data + b * a->k.batch + h * a->k.head;
		const float *v = a->v.data + b * a->v.batch + h * a->v.head;
		rt_gemm_pack(a->kernels, a->cols, a->size, k, 1, a->k.row, 0,
			     rt_gemm_panels(a->kernels, a->cols),
			     j->scratch + j->at.k + i * j->at.k_elems);
		rt_gemm_pack(a->kernels, a->v_size, a->cols, v, a->v.row, 1, 0,
			     rt_gemm_panels(a->kernels, a->v_size),
			     j->scratch + j->at.v + i * j->at.v_elems);
	}
}

static size_t kv_item(const struct rt_attention *a, size_t b, size_t h)
{
	return b * a->kv_heads + h / (a->q_heads / a->kv_heads);
}

static void keep(const struct rt_attention *a, int stage, size_t item, size_t row, const float *x)
{
	if (a->x && a->x_stage == stage)
		memcpy(a->x + (item * a->rows + row) * a->cols, x, a->cols * sizeof(float));
}

/* Forbid what causality and padding forbid; false when nothing is left. */
static bool forbid(const struct rt_attention *a, size_t b, size_t row, float *x)
{
	int64_t len = a->lengths ? a->lengths[b] : (int64_t)a->cols, allowed = len;

	if (a->causal) {
		int64_t offset = a->lengths ? len - (int64_t)a->rows : a->offset;
		int64_t upto = (int64_t)row + offset + 1;
		allowed = upto < allowed ? upto : allowed;
	}
	for (size_t c = allowed > 0 ? (size_t)allowed : 0; c < a->cols; c++)
		x[c] = -INFINITY;
	return allowed > 0;
}

/* Add the mask; false when it forbids every column that was left. */
static bool add_mask(const struct rt_attention *a, size_t b, size_t h, size_t row, float *x)
{
	size_t at = b * a->mask_batch + h * a->mask_head + row * a->mask_row;
	size_t n = a->mask_cols < a->cols ? a->mask_cols : a->cols;
	const float *add = (const float *)a->mask + at;
	const bool *allow = (const bool *)a->mask + at;
	bool any = false;

	if (a->as_written) {
		const struct rt_f32_binary *f = a->kernels->f32_binary;

		(n == a->cols ? f->vv : f->vs)[RT_BINARY_ADD](a->cols, x, add, x);
		return true;
	}
	for (size_t c = 0; c < n; c++) {
		if (a->mask_type == RT_BOOL)
			x[c] = allow[c] ? x[c] : -INFINITY;
		else /* −inf forbids whatever x is */
			x[c] = add[c] > -INFINITY || isnan(add[c]) ? x[c] + add[c] : -INFINITY;
		any |= x[c] > -INFINITY || isnan(x[c]);
	}
	for (size_t c = n; c < a->cols; c++)
		x[c] = -INFINITY;
	return any;
}

/* Scaled, capped and masked; false when nothing is left of the row. */
static bool finish_scores(const struct rt_attention *a, size_t item, size_t row, float *x)
{
	size_t b = item / a->q_heads, h = item % a->q_heads;
	struct rt_unary_params scale = {a->scale, 0};
	bool any = true;

	a->kernels->f32_unary->fn[RT_UNARY_AFFINE](a->cols, x, x, &scale);
	keep(a, 0, item, row, x);
	if (a->softcap > 0) {
		struct rt_unary_params in = {1.0f / a->softcap, 0}, out = {a->softcap, 0};
		a->kernels->f32_unary->fn[RT_UNARY_AFFINE](a->cols, x, x, &in);
		a->kernels->f32_unary->fn[RT_UNARY_TANH](a->cols, x, x, NULL);
		a->kernels->f32_unary->fn[RT_UNARY_AFFINE](a->cols, x, x, &out);
	}
	keep(a, 1, item, row, x);
	if (a->causal || a->lengths)
		any = forbid(a, b, row, x);
	if (a->mask)
		any = add_mask(a, b, h, row, x) && any;
	keep(a, 2, item, row, x);
	return any;
}

/* One row of scores becomes probabilities times what is returned. */
static float softmax_row(const struct rt_attention *a, size_t item, size_t row, float *x)
{
	const bool plain = a->softcap <= 0 && !a->mask && !a->causal && !a->lengths;
	float sum = 1;

	if (a->cols == 0)
		return 1;
	if (plain && !a->x && a->scale > 0)
		return a->kernels->f32_row->exp_sum(a->cols, x, a->scale, x);
	if (!finish_scores(a, item, row, x))
		memset(x, 0, a->cols * sizeof(float));
	else if (a->x)
		a->kernels->f32_row->softmax(a->cols, x, x);
	else
		sum = a->kernels->f32_row->exp_sum(a->cols, x, 1.0f, x);
	keep(a, 3, item, row, x);
	return sum;
}

/* Rows ${first} … ${first} + ${count} − 1 of head ${item}. */
static void attend(const struct job *j, size_t item, size_t first, size_t count, float *mine)
{
	const struct rt_attention *a = j->a;
	const size_t b = item / a->q_heads, h = item % a->q_heads, kv = kv_item(a, b, h);
	float *y = a->y_data + b * a->y.batch + h * a->y.head + first * a->y.row;
	float *sums = mine + j->at.sums;
	struct rt_gemm g = scores(a, count);

	g.a = a->q.data + b * a->q.batch + h * a->q.head + first * a->q.row;
	g.w = j->scratch + j->at.k + kv * j->at.k_elems;
	g.c = mine;
	rt_gemm_run_alone(&g, mine + j->at.gemm);
	for (size_t r = 0; r < count; r++)
		sums[r] = softmax_row(a, item, first + r, mine + r * a->cols);
	g = values(a, count);
	g.a = mine;
	g.w = j->scratch + j->at.v + kv * j->at.v_elems;
	g.c = y;
	rt_gemm_run_alone(&g, mine + j->at.gemm);
	for (size_t r = 0; r < count; r++, y += a->y.row) {
		const float by = 1.0f / sums[r];

		if (sums[r] != 1.0f)
			a->kernels->f32_binary->vs[RT_BINARY_MUL](a->v_size, y, &by, y);
	}
}

static void attend_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	float *mine = j->scratch + j->at.mine + (size_t)thread * j->at.each;

	for (size_t i = begin; i < end; i++) {
		const size_t block = i % j->at.blocks, first = j->a->rows * block / j->at.blocks;

		attend(j, i / j->at.blocks, first, j->a->rows * (block + 1) / j->at.blocks - first,
		       mine);
	}
}

void rt_attention_run(const struct rt_attention *a, struct rt_team *team, void *scratch)
{
	struct job j = {.a = a, .scratch = scratch};
	const size_t kv = a->batch * a->kv_heads, wide = a->size + a->v_size;

	(void)lay_out(a, 1, &j.at); /* of all threads only the sum depends on how many */
	if (a->batch == 0 || a->q_heads == 0 || a->rows == 0)
		return;
	rt_team_for(team, kv, rt_walk_grain((int64_t)(a->cols * wide) + 1), pack_range, &j);
	rt_team_for(team, a->batch * a->q_heads * j.at.blocks,
		    rt_walk_grain((int64_t)(j.at.rows * a->cols * (wide / 8 + 16)) + 1),
		    attend_range, &j);
}
