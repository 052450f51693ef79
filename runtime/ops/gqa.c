/* SPDX-License-Identifier: MIT */
/*
 * gqa.c — GroupQueryAttention (com.microsoft 1): causal attention with a cache.
 *
 * Inputs query [B][S][Hq·D] (or with keys and values behind it in each row),
 * key?, value? [B][S][Hkv·D], past_key?, past_value? [B][Hkv][P][D], seqlens_k
 * [B] (length of each sequence, new rows included, less one),
 * total_sequence_length, cos_cache?, sin_cache?, position_ids?, attention_bias?,
 * head_sink?, k_scale?, v_scale?, q_norm_weight?, k_norm_weight?.  Outputs
 * [B][S][Hq·D], present_key, present_value [B][Hkv][max(P, total)][D].
 *
 * Row s of batch b is at position past + s, past = seqlens_k[b] + 1 − S, or 0
 * when there is nothing but new rows; it sees what is at or before it, and of
 * that the last local_window_size if that is given.  head_sink (smooth_softmax:
 * 0) is the score of one more key whose value is 0.  Quantised caches and
 * output_qk are refused.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/attention.h"
#include "runtime/ops/ms_mask.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/rotary.h"
#include "runtime/ops/walk.h"

enum { QUERY, KEY, VALUE, PAST_KEY, PAST_VALUE, SEQLENS, TOTAL };
enum { COS = 7, SIN, POSITIONS, ADD, SINK, Q_NORM = 14, K_NORM };

struct gqa {
	const struct rt_kernels *kernels;
	int64_t q_heads, kv_heads, window;
	float scale, softcap, epsilon;
	bool rotary, interleaved, smooth;
};

struct shape_state {
	struct rt_attention a;
	size_t past, present;  /* rows of the caches */
	size_t total;          /* keys of the longest sequence */
	size_t rot, positions; /* of the cos and sin caches */
	size_t step;           /* elements of a row of query */
	bool packed, sink;
	size_t mask_heads; /* 0: the mask is bool, for all heads */
	/* in scratch, in floats */
	size_t q, k, v, sunk_k, sunk_v, mask, work;
};

static bool given(const struct rt_infer *f, int i)
{
	return i < f->in_count && f->in[i].dtype != RT_NONE;
}

static size_t line(size_t elems)
{
	return (elems + 15) & ~(size_t)15;
}

static int gqa_bind(struct rt_bind *b, struct rt_error *err)
{
	struct gqa *s = b->state;
	const struct rt_node *n = b->node;

	s->kernels = b->kernels;
	s->q_heads = rt_node_int(n, "num_heads", 0);
	s->kv_heads = rt_node_int(n, "kv_num_heads", 0);
	s->window = rt_node_int(n, "local_window_size", -1);
	s->scale = rt_node_float(n, "scale", 0);
	s->softcap = rt_node_float(n, "softcap", 0);
	s->epsilon = rt_node_float(n, "qk_norm_epsilon", 1e-6f);
	s->rotary = rt_node_int(n, "do_rotary", 0) != 0;
	s->interleaved = rt_node_int(n, "rotary_interleaved", 0) != 0;
	s->smooth = rt_node_int(n, "smooth_softmax", 0) > 0;
	if (s->kv_heads < 1 || s->q_heads < 1 || s->q_heads % s->kv_heads != 0)
		return rt_error_set(err, RT_MALFORMED, "%lld query heads on %lld key heads",
				    (long long)s->q_heads, (long long)s->kv_heads);
	if (!rt_node_string_is(n, "k_quant_type", "NONE", "NONE") ||
	    !rt_node_string_is(n, "v_quant_type", "NONE", "NONE") ||
	    rt_node_int(n, "qk_output", 0) != 0 || rt_node_int(n, "sliding_window_cache", 0) != 0)
		return rt_error_set(err, RT_UNSUPPORTED,
				    "a quantised or sliding cache, or qk_output");
	if (!rt_bind_has(b, SEQLENS) || !rt_bind_has(b, TOTAL))
		return rt_error_set(err, RT_MALFORMED, "seqlens_k or its total is left out");
	if (s->rotary && (!rt_bind_has(b, COS) || !rt_bind_has(b, SIN)))
		return rt_error_set(err, RT_MALFORMED, "do_rotary without cos_cache or sin_cache");
	return RT_OK;
}

/* The sizes that query, key and value give. */
static int read_query(const struct rt_infer *f, struct shape_state *z, struct rt_error *err)
{
	const struct gqa *s = f->state;
	const struct rt_shape *q = &f->in[QUERY].shape;
	struct rt_attention *a = &z->a;
	int64_t heads;

	z->packed = !given(f, KEY);
	heads = s->q_heads + (z->packed ? 2 * s->kv_heads : 0);
	if (q->rank != 3 || q->dims[2] % heads != 0 || z->packed == given(f, VALUE))
		return rt_error_set(err, RT_INPUT, "query does not fit %lld heads",
				    (long long)heads);
	a->kernels = s->kernels;
	a->batch = (size_t)q->dims[0];
	a->q_heads = (size_t)s->q_heads;
	a->kv_heads = (size_t)s->kv_heads;
	a->rows = (size_t)q->dims[1];
	a->size = a->v_size = (size_t)(q->dims[2] / heads);
	a->scale = s->scale > 0 || s->scale < 0 ? s->scale : 1 / sqrtf((float)a->size);
	a->softcap = s->softcap;
	z->step = (size_t)q->dims[2];
	for (int i = KEY; i <= VALUE && !z->packed; i++) {
		const struct rt_shape *k = &f->in[i].shape;
		if (k->rank != 3 || f->in[i].dtype != RT_F32 || k->dims[0] != q->dims[0] ||
		    k->dims[1] != q->dims[1] || (size_t)k->dims[2] != a->kv_heads * a->size)
			return rt_error_set(err, RT_INPUT, "input %d does not fit query", i);
	}
	return RT_OK;
}

static int read_caches(const struct rt_infer *f, struct shape_state *z, struct rt_error *err)
{
	const struct rt_attention *a = &z->a;
	int64_t total;
	int count;

	if (given(f, PAST_KEY) != given(f, PAST_VALUE))
		return rt_error_set(err, RT_INPUT, "past_key and past_value go together");
	if (given(f, PAST_KEY) && f->in[PAST_KEY].shape.rank == 4)
		z->past = (size_t)f->in[PAST_KEY].shape.dims[2];
	for (int i = PAST_KEY; i <= PAST_VALUE && given(f, PAST_KEY); i++) {
		const struct rt_shape *p = &f->in[i].shape;
		if (p->rank != 4 || f->in[i].dtype != RT_F32 || (size_t)p->dims[0] != a->batch ||
		    (size_t)p->dims[1] != a->kv_heads || (size_t)p->dims[2] != z->past ||
		    (size_t)p->dims[3] != a->size)
			return rt_error_set(err, RT_INPUT, "input %d does not fit query", i);
	}
	if (!rt_shape_elems(&f->in[SEQLENS].shape, &total) || (size_t)total != a->batch ||
	    f->in[SEQLENS].dtype != RT_I32)
		return rt_error_set(err, RT_INPUT, "seqlens_k is not one int32 per batch");
	if (!rt_op_ints(&f->in[TOTAL], &total, 1, &count) || count != 1 ||
	    total < (int64_t)a->rows || (size_t)total > z->past + a->rows)
		return rt_error_set(err, RT_INPUT, "total_sequence_length is not within %zu … %zu",
				    a->rows, z->past + a->rows);
	z->total = (size_t)total;
	z->present = z->past > z->total ? z->past : z->total;
	return RT_OK;
}

static int read_rotation(const struct rt_infer *f, struct shape_state *z, struct rt_error *err)
{
	const struct gqa *s = f->state;
	const struct rt_shape *c;
	int64_t elems;

	for (int i = Q_NORM; i <= K_NORM; i++)
		if (given(f, i) && (f->in[i].dtype != RT_F32 || f->in[i].shape.rank != 1 ||
				    (size_t)f->in[i].shape.dims[0] != z->a.size))
			return rt_error_set(err, RT_INPUT, "input %d has not the head's size", i);
	if (!s->rotary)
		return RT_OK;
	c = &f->in[COS].shape;
	if (c->rank != 2 || !rt_shape_equal(c, &f->in[SIN].shape) || f->in[COS].dtype != RT_F32 ||
	    f->in[SIN].dtype != RT_F32 || (size_t)c->dims[1] * 2 > z->a.size)
		return rt_error_set(err, RT_INPUT, "cos_cache or sin_cache does not fit");
	z->positions = (size_t)c->dims[0];
	z->rot = (size_t)c->dims[1] * 2;
	if (given(f, POSITIONS) &&
	    (!rt_shape_elems(&f->in[POSITIONS].shape, &elems) ||
	     (size_t)elems != z->a.batch * z->a.rows || f->in[POSITIONS].dtype != RT_I64))
		return rt_error_set(err, RT_INPUT, "position_ids do not fit query");
	return RT_OK;
}

/* The mask is made by run: bool for everybody, or float32 when something is added. */
static int plan_mask(const struct rt_infer *f, struct shape_state *z, struct rt_error *err)
{
	const struct gqa *s = f->state;
	struct rt_attention *a = &z->a;
	const struct rt_shape *m;

	z->sink = given(f, SINK) || s->smooth;
	a->cols = z->total + z->sink;
	if (rt_ms_mask_sizes(a, err) < 0)
		return RT_INPUT;
	if (given(f, SINK) && (f->in[SINK].dtype != RT_F32 || f->in[SINK].shape.rank != 1 ||
			       (size_t)f->in[SINK].shape.dims[0] != a->q_heads))
		return rt_error_set(err, RT_INPUT, "head_sink is not one number per head");
	z->mask_heads = given(f, SINK) ? a->q_heads : z->sink ? 1 : 0;
	if (given(f, ADD)) {
		m = &f->in[ADD].shape;
		if (m->rank != 4 || f->in[ADD].dtype != RT_F32 ||
		    (m->dims[0] != 1 && (size_t)m->dims[0] != a->batch) ||
		    (m->dims[1] != 1 && (size_t)m->dims[1] != a->q_heads) ||
		    (size_t)m->dims[2] != a->rows || (size_t)m->dims[3] < z->total)
			return rt_error_set(err, RT_INPUT, "attention_bias does not fit");
		if (m->dims[1] != 1 || z->mask_heads == 0)
			z->mask_heads = m->dims[1] != 1 ? a->q_heads : 1;
	}
	a->mask_type = z->mask_heads ? RT_F32 : RT_BOOL;
	a->mask_cols = a->cols;
	a->mask_row = a->cols;
	a->mask_head = z->mask_heads > 1 ? a->rows * a->cols : 0;
	a->mask_batch = (z->mask_heads ? z->mask_heads : 1) * a->rows * a->cols;
	return RT_OK;
}

static void lay_out(struct rt_infer *f, struct shape_state *z)
{
	struct rt_attention *a = &z->a;
	size_t kv = a->batch * a->kv_heads * a->size, at = 0, sunk = kv * a->cols;
	bool out_k = f->out_count > 1 && f->out[1].dtype != RT_NONE,
	     out_v = f->out_count > 2 && f->out[2].dtype != RT_NONE;

	z->q = at;
	at += line(a->batch * a->q_heads * a->rows * a->size);
	z->k = at;
	at += out_k ? 0 : line(kv * z->present);
	z->v = at;
	at += out_v ? 0 : line(kv * z->present);
	z->sunk_k = at;
	at += z->sink ? line(sunk) : 0;
	z->sunk_v = at;
	at += z->sink ? line(sunk) : 0;
	z->mask = at;
	at += line(a->batch * a->mask_batch);
	z->work = at;
	f->scratch_bytes = at * sizeof(float) + rt_attention_scratch_bytes(a, f->threads);
}

static int gqa_infer(struct rt_infer *f, struct rt_error *err)
{
	struct shape_state *z = rt_infer_alloc(f, sizeof(*z));
	struct rt_attention *a;
	int rc;

	if (!z)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	a = &z->a;
	if ((rc = read_query(f, z, err)) || (rc = read_caches(f, z, err)) ||
	    (rc = read_rotation(f, z, err)) || (rc = plan_mask(f, z, err)))
		return rc;
	if (f->out_count > 3 && f->out[3].dtype != RT_NONE)
		return rt_error_set(err, RT_UNSUPPORTED, "output_qk");
	a->y = (struct rt_attention_operand){NULL, a->rows * a->q_heads * a->size, a->size,
					     a->q_heads * a->size};
	f->out[0].shape =
	    rt_shape_of(3, (int64_t)a->batch, (int64_t)a->rows, (int64_t)(a->q_heads * a->size));
	for (int i = 1; i <= 2 && i < f->out_count; i++)
		f->out[i].shape = rt_shape_of(4, (int64_t)a->batch, (int64_t)a->kv_heads,
					      (int64_t)z->present, (int64_t)a->size);
	lay_out(f, z);
	f->shape_state = z;
	return RT_OK;
}

struct job {
	const struct rt_run *r;
	float *q, *k, *v; /* [B][Hq][S][D]; [B][Hkv][present][D] */
	float *mask;      /* or bool */
};

static const void *input(const struct rt_run *r, int i)
{
	return i < r->in_count ? r->in[i].data : NULL;
}

/* Rows of batch ${b} that were there before. */
static size_t past_of(const struct rt_run *r, size_t b)
{
	const struct shape_state *z = r->shape_state;
	int32_t last = ((const int32_t *)r->in[SEQLENS].data)[b];

	return z->total == z->a.rows ? 0 : (size_t)last + 1 - z->a.rows;
}

static bool lengths_ok(const struct rt_run *r)
{
	const struct shape_state *z = r->shape_state;
	size_t rows = z->a.rows;

	for (size_t b = 0; b < z->a.batch; b++) {
		int64_t len = (int64_t)((const int32_t *)r->in[SEQLENS].data)[b] + 1;
		int64_t past = z->total == rows ? 0 : len - (int64_t)rows;
		if (len < 1 || (size_t)len > z->total || past < 0 || (size_t)past > z->past) {
			rt_run_fault(r, "seqlens_k[%zu] is %lld with %zu new and %zu old rows", b,
				     (long long)len - 1, rows, z->past);
			return false;
		}
		for (size_t s = 0; z->rot && s < rows; s++) {
			const int64_t *ids = input(r, POSITIONS);
			int64_t at = ids ? ids[b * rows + s] : past + (int64_t)s;
			if (at < 0 || (size_t)at >= z->positions) {
				rt_run_fault(r, "position %lld of %zu", (long long)at,
					     z->positions);
				return false;
			}
		}
	}
	return true;
}

/* One new row of one head: normalised, turned. */
static void new_row(const struct rt_run *r, size_t b, size_t s, const float *from,
		    const float *norm, bool turned, float *to)
{
	const struct gqa *op = r->state;
	const struct shape_state *z = r->shape_state;
	const int64_t *ids = input(r, POSITIONS);
	size_t at;

	if (norm)
		op->kernels->f32_row->rms_norm(z->a.size, from, norm, op->epsilon, to);
	else
		memcpy(to, from, z->a.size * sizeof(*to));
	if (!turned || !z->rot)
		return;
	at = (ids ? (size_t)ids[b * z->a.rows + s] : past_of(r, b) + s) * z->rot / 2;
	rt_rotary_row(z->a.size, z->rot, op->interleaved, (const float *)r->in[COS].data + at,
		      (const float *)r->in[SIN].data + at, to, to);
}

static void queries_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct shape_state *z = j->r->shape_state;
	const struct rt_attention *a = &z->a;

	(void)thread;
	for (size_t i = begin; i < end; i++) {
		size_t b = i / a->q_heads, h = i % a->q_heads;
		const float *from =
		    (const float *)j->r->in[QUERY].data + b * a->rows * z->step + h * a->size;
		for (size_t s = 0; s < a->rows; s++)
			new_row(j->r, b, s, from + s * z->step, input(j->r, Q_NORM), true,
				j->q + (i * a->rows + s) * a->size);
	}
}

/* One head of a cache: what was there, what is new, and behind it what was there or zeros. */
static void join(const struct rt_run *r, size_t i, int which, const float *norm, float *to)
{
	const struct shape_state *z = r->shape_state;
	const struct rt_attention *a = &z->a;
	size_t b = i / a->kv_heads, h = i % a->kv_heads, past = past_of(r, b), size = a->size;
	const float *old = input(r, which == KEY ? PAST_KEY : PAST_VALUE), *from;
	size_t step = z->packed ? z->step : a->kv_heads * size;

	if (z->packed)
		from = (const float *)r->in[QUERY].data + b * a->rows * step +
		       (a->q_heads + (which == KEY ? 0 : a->kv_heads) + h) * size;
	else
		from = (const float *)r->in[which].data + b * a->rows * step + h * size;
	to += i * z->present * size;
	memset(to, 0, z->present * size * sizeof(*to));
	if (old)
		memcpy(to, old + i * z->past * size, z->past * size * sizeof(*to));
	for (size_t s = 0; s < a->rows; s++)
		new_row(r, b, s, from + s * step, norm, which == KEY, to + (past + s) * size);
}

static void keys_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;

	(void)thread;
	for (size_t i = begin; i < end; i++) {
		join(j->r, i, KEY, input(j->r, K_NORM), j->k);
		join(j->r, i, VALUE, NULL, j->v);
	}
}

/* Row of the mask: what the row sees, and what is added. */
static void mask_row(const struct job *j, size_t b, size_t h, size_t s)
{
	const struct shape_state *z = j->r->shape_state;
	const struct gqa *op = j->r->state;
	const struct rt_attention *a = &z->a;
	size_t end = past_of(j->r, b) + s + 1, first = 0;
	size_t at = b * a->mask_batch + h * a->mask_head + s * a->mask_row;
	const float *sink = input(j->r, SINK), *add = input(j->r, ADD);

	if (op->window > 0 && end > (size_t)op->window)
		first = end - (size_t)op->window;
	if (!z->mask_heads) {
		bool *row = (bool *)(void *)j->mask + at;
		for (size_t c = 0; c < a->cols; c++)
			row[c] = c >= first && c < end;
		return;
	}
	if (add) {
		const struct rt_shape *m = &j->r->in[ADD].shape;
		size_t mb = m->dims[0] == 1 ? 0 : b, mh = m->dims[1] == 1 ? 0 : h;
		add += ((mb * (size_t)m->dims[1] + mh) * a->rows + s) * (size_t)m->dims[3];
	}
	for (size_t c = 0; c < z->total; c++)
		j->mask[at + c] = c < first || c >= end ? -INFINITY : add ? add[c] : 0;
	if (z->sink)
		j->mask[at + z->total] = sink ? sink[h] : 0;
}

static void make_mask(const struct job *j)
{
	const struct shape_state *z = j->r->shape_state;
	size_t heads = z->mask_heads ? z->mask_heads : 1;

	for (size_t b = 0; b < z->a.batch; b++)
		for (size_t h = 0; h < heads; h++)
			for (size_t s = 0; s < z->a.rows; s++)
				mask_row(j, b, h, s);
}

/* Keys or values with a row of zeros behind them. */
static void sink_rows(const struct shape_state *z, const float *from, float *to)
{
	size_t each = z->total * z->a.size;

	for (size_t i = 0; i < z->a.batch * z->a.kv_heads; i++, to += each + z->a.size) {
		memcpy(to, from + i * z->present * z->a.size, each * sizeof(*to));
		memset(to + each, 0, z->a.size * sizeof(*to));
	}
}

static struct rt_attention_operand operand(const float *data, size_t heads, size_t rows,
					   size_t size)
{
	return (struct rt_attention_operand){data, heads * rows * size, rows * size, size};
}

static void gqa_run(const struct rt_run *r)
{
	const struct shape_state *z = r->shape_state;
	struct rt_attention a = z->a;
	float *scratch = r->scratch;
	struct job j = {.r = r,
			.q = scratch + z->q,
			.k = scratch + z->k,
			.v = scratch + z->v,
			.mask = scratch + z->mask};
	int64_t cost = (int64_t)(a.rows * a.size) * 4 + 1;

	if (a.batch == 0 || a.rows == 0 || !lengths_ok(r))
		return;
	if (r->out_count > 1 && r->out[1].data)
		j.k = r->out[1].data;
	if (r->out_count > 2 && r->out[2].data)
		j.v = r->out[2].data;
	rt_team_for(r->team, a.batch * a.q_heads, rt_walk_grain(cost), queries_range, &j);
	rt_team_for(r->team, a.batch * a.kv_heads,
		    rt_walk_grain(cost + (int64_t)(z->present * a.size)), keys_range, &j);
	make_mask(&j);
	a.mask = j.mask;
	a.q = operand(j.q, a.q_heads, a.rows, a.size);
	a.k = operand(j.k, a.kv_heads, z->present, a.size);
	a.v = operand(j.v, a.kv_heads, z->present, a.size);
	if (z->sink) {
		sink_rows(z, j.k, scratch + z->sunk_k);
		sink_rows(z, j.v, scratch + z->sunk_v);
		a.k = operand(scratch + z->sunk_k, a.kv_heads, a.cols, a.size);
		a.v = operand(scratch + z->sunk_v, a.kv_heads, a.cols, a.size);
	}
	a.y_data = r->out[0].data;
	rt_attention_run(&a, r->team, scratch + z->work);
}

static int gqa_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		    struct rt_error *err)
{
	(void)err;
	for (int i = 0; i < n->out_count; i++)
		out[i] = g->values[n->in[QUERY]].dtype;
	return RT_OK;
}

const struct rt_op rt_op_group_query_attention = {
    .in_min = 1, /* some that are needed come behind some that are not */
    .in_max = 16,
    .out_min = 1,
    .out_max = 4,
    .value_inputs = 1u << TOTAL,
    .state_bytes = sizeof(struct gqa),
    .type = gqa_type,
    .bind = gqa_bind,
    .infer = gqa_infer,
    .run = gqa_run,
};
