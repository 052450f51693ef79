/* SPDX-License-Identifier: MIT */
/*
 * attention.c — see attention.h.
 *
 * Keys and values are packed once per (batch, key head); then blocks of query
 * rows of all heads go through two batched products with the softmax between
 * them, so that the score matrix never needs more than a block of rows.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/kernels/gemm.h"
#include "runtime/ops/attention.h"
#include "runtime/ops/walk.h"

#define BLOCK_ROWS 64

struct layout {
	size_t rows;             /* of a block */
	size_t k_elems, v_elems; /* packed, per key head */
	size_t k, v, x, gemm;    /* offsets in the scratch block, in floats */
};

struct job {
	const struct rt_attention *a;
	struct layout at;
	float *scratch;
	size_t first, count; /* the block of query rows */
};

static struct rt_gemm scores(const struct rt_attention *a, size_t rows)
{
	return (struct rt_gemm){
	    .kernels = a->kernels,
	    .m = rows,
	    .n = a->cols,
	    .k = a->size,
	    .batch = a->batch * a->q_heads,
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
	    .batch = a->batch * a->q_heads,
	    .lda = a->cols,
	    .ldc = a->y.row,
	    .epilogue = {.lo = -INFINITY, .hi = INFINITY},
	};
}

static size_t line(size_t elems)
{
	return (elems + 15) & ~(size_t)15;
}

static size_t lay_out(const struct rt_attention *a, int threads, struct layout *l)
{
	static const float some;
	struct rt_gemm g;
	size_t at = 0, need, other;

	l->rows = a->rows < BLOCK_ROWS ? a->rows : BLOCK_ROWS;
	l->k_elems = line(rt_gemm_pack_elems(a->kernels, a->cols, a->size));
	l->v_elems = line(rt_gemm_pack_elems(a->kernels, a->v_size, a->cols));
	l->k = at;
	at += a->batch * a->kv_heads * l->k_elems;
	l->v = at;
	at += a->batch * a->kv_heads * l->v_elems;
	l->x = at;
	at += line(a->batch * a->q_heads * l->rows * a->cols);
	l->gemm = at;
	g = scores(a, l->rows);
	g.a = &some; /* in memory: nothing is gathered */
	need = rt_gemm_scratch_bytes(&g, threads);
	g = values(a, l->rows);
	g.a = &some;
	other = rt_gemm_scratch_bytes(&g, threads);
	return at * sizeof(float) + (other > need ? other : need);
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

static void at_scores(const void *arg, size_t item, size_t offsets[3])
{
	const struct job *j = arg;
	const struct rt_attention *a = j->a;
	size_t b = item / a->q_heads, h = item % a->q_heads;

	offsets[0] = b * a->q.batch + h * a->q.head + j->first * a->q.row;
	offsets[1] = kv_item(a, b, h) * j->at.k_elems;
	offsets[2] = item * j->at.rows * a->cols;
}

static void at_values(const void *arg, size_t item, size_t offsets[3])
{
	const struct job *j = arg;
	const struct rt_attention *a = j->a;
	size_t b = item / a->q_heads, h = item % a->q_heads;

	offsets[0] = item * j->at.rows * a->cols;
	offsets[1] = kv_item(a, b, h) * j->at.v_elems;
	offsets[2] = b * a->y.batch + h * a->y.head + j->first * a->y.row;
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

static void softmax_row(const struct rt_attention *a, size_t item, size_t row, float *x)
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
	if (any)
		a->kernels->f32_row->softmax(a->cols, x, x);
	else
		memset(x, 0, a->cols * sizeof(float));
	keep(a, 3, item, row, x);
}

static void softmax_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;

	(void)thread;
	for (size_t i = begin; i < end; i++) {
		size_t item = i / j->count, row = i % j->count;
		softmax_row(j->a, item, j->first + row,
			    j->scratch + j->at.x + (item * j->at.rows + row) * j->a->cols);
	}
}

void rt_attention_run(const struct rt_attention *a, struct rt_team *team, void *scratch)
{
	struct job j = {.a = a, .scratch = scratch};
	size_t kv = a->batch * a->kv_heads;

	(void)lay_out(a, 1,
		      &j.at); /* the products' own share is last: threads do not matter here */
	if (a->batch == 0 || a->q_heads == 0 || a->rows == 0)
		return;
	rt_team_for(team, kv, rt_walk_grain((int64_t)(a->cols * (a->size + a->v_size)) + 1),
		    pack_range, &j);
	for (j.first = 0; j.first < a->rows; j.first += j.at.rows) {
		size_t left = a->rows - j.first;
		j.count = left < j.at.rows ? left : j.at.rows;
		struct rt_gemm g = scores(a, j.count);
		g.w = j.scratch + j.at.k;
		g.c = j.scratch + j.at.x;
		g.at = at_scores;
		g.at_arg = &j;
		rt_gemm_run(&g, team, j.scratch + j.at.gemm);
		rt_team_for(team, a->batch * a->q_heads * j.count,
			    rt_walk_grain((int64_t)a->cols * 16 + 1), softmax_range, &j);
		g = values(a, j.count);
		g.a = j.scratch + j.at.x;
		g.w = j.scratch + j.at.v;
		g.c = a->y_data;
		g.at = at_values;
		g.at_arg = &j;
		rt_gemm_run(&g, team, j.scratch + j.at.gemm);
	}
}
