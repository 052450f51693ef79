/* SPDX-License-Identifier: MIT */
/*
 * attention_op.c — Attention of ai.onnx (since opset 23; 24 adds
 * nonpad_kv_seqlen): shapes and masks for attention.c.
 *
 * Inputs Q, K, V, attn_mask?, past_key?, past_value?, nonpad_kv_seqlen?;
 * outputs Y, present_key?, present_value?, qk_matmul_output?.  Rank 4 is
 * [B][heads][S][D]; rank 3 is [B][S][heads·D] with the heads in attributes.
 * present = past followed by K (V), [B][kv_heads][T][D].
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/op_type.h"
#include "runtime/ops/attention.h"
#include "runtime/ops/ops.h"

enum { Q, K, V, MASK, PAST_K, PAST_V, NONPAD };

struct attention {
	const struct rt_kernels *kernels;
	int64_t q_heads, kv_heads; /* 0: the shapes tell */
	float scale, softcap;      /* scale 0: 1/√D */
	bool causal;
	int stage;
};

struct shape_state {
	struct rt_attention a;
	size_t past, fresh; /* rows of past_key and of K */
	size_t present_k,
	    present_v; /* in the scratch block, when present is no output, in elements */
	size_t core;   /* scratch of attention.c, in elements */
	bool joined;   /* K and V are copied behind the past, or into present */
	double scale;  /* of float64 */
};

static int attention_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			  struct rt_error *err)
{
	(void)err;
	for (int i = 0; i < n->out_count; i++)
		out[i] = g->values[n->in[i == 2 ? V : i == 1 ? K : Q]].dtype;
	return RT_OK;
}

static int attention_bind(struct rt_bind *b, struct rt_error *err)
{
	struct attention *s = b->state;

	s->kernels = b->kernels;
	s->q_heads = rt_node_int(b->node, "q_num_heads", 0);
	s->kv_heads = rt_node_int(b->node, "kv_num_heads", 0);
	s->scale = rt_node_float(b->node, "scale", 0);
	s->softcap = rt_node_float(b->node, "softcap", 0);
	s->causal = rt_node_int(b->node, "is_causal", 0) != 0;
	s->stage = (int)rt_node_int(b->node, "qk_matmul_output_mode", 0);
	if (s->stage < 0 || s->stage > 3)
		return rt_error_set(err, RT_MALFORMED, "qk_matmul_output_mode is %d", s->stage);
	return RT_OK;
}

static bool has(const struct rt_infer *f, int i)
{
	return i < f->in_count && f->in[i].dtype != RT_NONE;
}

/* [B][heads][S][D] of an input of rank 3 or 4. */
static int read_operand(const struct rt_infer *f, int i, int64_t heads, size_t dims[4],
			struct rt_attention_operand *o, struct rt_error *err)
{
	static const char *const names[] = {"Q", "K", "V"};
	const struct rt_shape *s = &f->in[i].shape;

	if (s->rank == 4) {
		for (int k = 0; k < 4; k++)
			dims[k] = (size_t)s->dims[k];
		/* fanalyzer-suppress use-of-uninitialized-value: the loop sets four */
		*o = (struct rt_attention_operand){NULL, dims[1] * dims[2] * dims[3],
						   dims[2] * dims[3], dims[3]};
		return RT_OK;
	}
	if (s->rank != 3 || heads <= 0 || s->dims[2] % heads != 0)
		return rt_error_set(err, RT_INPUT, "%s has rank %d and %lld heads", names[i],
				    s->rank, (long long)heads);
	dims[0] = (size_t)s->dims[0];
	dims[1] = (size_t)heads;
	dims[2] = (size_t)s->dims[1];
	dims[3] = (size_t)(s->dims[2] / heads);
	*o = (struct rt_attention_operand){NULL, dims[2] * (size_t)s->dims[2], dims[3],
					   (size_t)s->dims[2]};
	return RT_OK;
}

static int read_operands(const struct rt_infer *f, struct shape_state *z, struct rt_error *err)
{
	const struct attention *s = f->state;
	struct rt_attention *a = &z->a;
	size_t q[4], k[4], v[4];
	int rc =
	    rt_op_type_agree(f, 1u << Q | 1u << K | 1u << V | 1u << PAST_K | 1u << PAST_V, err);

	rc = rc ? rc : read_operand(f, Q, s->q_heads, q, &a->q, err);

	rc = rc ? rc : read_operand(f, K, s->kv_heads, k, &a->k, err);
	rc = rc ? rc : read_operand(f, V, s->kv_heads, v, &a->v, err);
	if (rc)
		return rc;
	if (q[0] != k[0] || q[0] != v[0] || k[1] != v[1] || k[2] != v[2] || q[3] != k[3] ||
	    k[1] == 0 || q[1] % k[1] != 0)
		return rt_error_set(
		    err, RT_INPUT,
		    "Q [%zu,%zu,%zu,%zu], K [%zu,%zu,%zu,%zu] and V [%zu,%zu,%zu,%zu] "
		    "do not fit",
		    q[0], q[1], q[2], q[3], k[0], k[1], k[2], k[3], v[0], v[1], v[2], v[3]);
	a->batch = q[0];
	a->q_heads = q[1];
	a->kv_heads = k[1];
	a->rows = q[2];
	a->size = q[3];
	a->v_size = v[3];
	z->fresh = k[2];
	a->scale = s->scale > 0 || s->scale < 0 ? s->scale : 1.0f / sqrtf((float)a->size);
	z->scale = s->scale > 0 || s->scale < 0 ? (double)s->scale : 1 / sqrt((double)a->size);
	return RT_OK;
}

static bool past_fits(const struct rt_infer *f, int i, const struct rt_attention *a, size_t size,
		      size_t rows)
{
	const struct rt_shape *s = &f->in[i].shape;

	return s->rank == 4 && (size_t)s->dims[0] == a->batch &&
	       (size_t)s->dims[1] == a->kv_heads && (size_t)s->dims[2] == rows &&
	       (size_t)s->dims[3] == size;
}

static int read_past(const struct rt_infer *f, struct shape_state *z, struct rt_error *err)
{
	struct rt_attention *a = &z->a;

	if (has(f, PAST_K) != has(f, PAST_V))
		return rt_error_set(err, RT_INPUT, "past_key and past_value go together");
	if (has(f, PAST_K) && f->in[PAST_K].shape.rank == 4)
		z->past = (size_t)f->in[PAST_K].shape.dims[2];
	if (has(f, PAST_K) && (!past_fits(f, PAST_K, a, a->size, z->past) ||
			       !past_fits(f, PAST_V, a, a->v_size, z->past)))
		return rt_error_set(err, RT_INPUT, "past_key or past_value does not fit K and V");
	a->cols = z->past + z->fresh;
	a->offset = (int64_t)z->past;
	return RT_OK;
}

static int read_mask(const struct rt_infer *f, struct rt_attention *a, struct rt_error *err)
{
	const struct rt_shape *m = &f->in[MASK].shape;
	size_t want[3] = {a->batch, a->q_heads, a->rows}, step[3] = {0, 0, 0}, at;
	char text[96];

	if (!has(f, MASK))
		return RT_OK;
	a->mask_type = f->in[MASK].dtype;
	if ((a->mask_type != RT_BOOL && a->mask_type != RT_F32 &&
	     (a->mask_type != RT_F64 || f->in[Q].dtype != RT_F64)) ||
	    m->rank < 1 || m->rank > 4)
		return rt_error_set(err, RT_INPUT, "attn_mask is %s of rank %d",
				    rt_dtype_name(a->mask_type), m->rank);
	a->mask_cols = (size_t)m->dims[m->rank - 1];
	at = a->mask_cols;
	for (int k = m->rank - 2, w = 2; k >= 0; k--, w--) {
		if (m->dims[k] != 1 && (size_t)m->dims[k] != want[w])
			return rt_error_set(err, RT_INPUT, "attn_mask %s does not fit",
					    rt_shape_text(m, text, sizeof(text)));
		step[w] = m->dims[k] == 1 ? 0 : at;
		at *= (size_t)m->dims[k];
	}
	a->mask_batch = step[0];
	a->mask_head = step[1];
	a->mask_row = step[2];
	if (a->mask_cols > a->cols)
		return rt_error_set(err, RT_INPUT, "attn_mask has %zu columns for %zu keys",
				    a->mask_cols, a->cols);
	return RT_OK;
}

static void set_outputs(struct rt_infer *f, struct shape_state *z)
{
	struct rt_attention *a = &z->a;
	int64_t B = (int64_t)a->batch, H = (int64_t)a->q_heads, G = (int64_t)a->kv_heads,
		S = (int64_t)a->rows, T = (int64_t)a->cols, D = (int64_t)a->size,
		E = (int64_t)a->v_size;

	if (f->in[Q].shape.rank == 4) {
		f->out[0].shape = rt_shape_of(4, B, H, S, E);
		a->y = (struct rt_attention_operand){NULL, a->q_heads * a->rows * a->v_size,
						     a->rows * a->v_size, a->v_size};
	} else {
		f->out[0].shape = rt_shape_of(3, B, S, H * E);
		a->y = (struct rt_attention_operand){NULL, a->rows * a->q_heads * a->v_size,
						     a->v_size, a->q_heads * a->v_size};
	}
	if (f->out_count > 1)
		f->out[1].shape = rt_shape_of(4, B, G, T, D);
	if (f->out_count > 2)
		f->out[2].shape = rt_shape_of(4, B, G, T, E);
	if (f->out_count > 3)
		f->out[3].shape = rt_shape_of(4, B, H, S, T);
}

static size_t present_elems(const struct rt_attention *a, size_t size)
{
	return (a->batch * a->kv_heads * a->cols * size + 15) & ~(size_t)15;
}

static int attention_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct attention *s = f->state;
	struct shape_state *z = rt_infer_alloc(f, sizeof(*z));
	struct rt_attention *a;
	int rc;

	if (!z)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	a = &z->a;
	a->kernels = s->kernels;
	a->softcap = s->softcap;
	a->causal = s->causal;
	a->x_stage = s->stage;
	rc = read_operands(f, z, err);
	rc = rc ? rc : read_past(f, z, err);
	rc = rc ? rc : read_mask(f, a, err);
	if (rc)
		return rc;
	if (has(f, NONPAD) && (f->in[NONPAD].dtype != RT_I64 || f->in[NONPAD].shape.rank != 1 ||
			       (size_t)f->in[NONPAD].shape.dims[0] != a->batch))
		return rt_error_set(err, RT_INPUT, "nonpad_kv_seqlen has not one number per batch");
	set_outputs(f, z);
	z->joined = z->past > 0 || has(f, PAST_K) || f->out_count > 1;
	if (z->joined) {
		z->present_v = present_elems(a, a->size);
		z->core = z->present_v + present_elems(a, a->v_size);
	}
	if (f->in[Q].dtype == RT_F64)
		f->scratch_bytes = z->core * sizeof(double) + rt_attention_f64_scratch(a);
	else
		f->scratch_bytes =
		    z->core * sizeof(float) + rt_attention_scratch_bytes(a, f->threads);
	f->shape_state = z;
	return RT_OK;
}

/* past, then what is new, as [B][heads][T][size]; elements of ${e} bytes. */
static void join(const struct rt_attention *a, const char *past, size_t past_rows,
		 const char *fresh, size_t fresh_rows, const struct rt_attention_operand *o,
		 size_t size, size_t e, char *to)
{
	for (size_t i = 0; i < a->batch * a->kv_heads; i++) {
		const char *from =
		    fresh + (i / a->kv_heads * o->batch + i % a->kv_heads * o->head) * e;
		if (past_rows)
			/* fanalyzer-suppress null-argument: past_rows are of a past */
			memcpy(to, past + i * past_rows * size * e, past_rows * size * e);
		to += past_rows * size * e;
		for (size_t r = 0; r < fresh_rows; r++, to += size * e)
			memcpy(to, from + r * o->row * e, size * e);
	}
}

static const void *input(const struct rt_run *r, int i)
{
	return i < r->in_count ? r->in[i].data : NULL;
}

static bool lengths_ok(const struct rt_run *r, const struct rt_attention *a)
{
	for (size_t b = 0; a->lengths && b < a->batch; b++)
		if (a->lengths[b] < 0 || (size_t)a->lengths[b] > a->cols) {
			rt_run_fault(r, "nonpad_kv_seqlen[%zu] is %lld, not 0..%zu", b,
				     (long long)a->lengths[b], a->cols);
			return false;
		}
	return true;
}

static void attend(const struct rt_run *r, const struct shape_state *z, struct rt_attention *a,
		   const void *k, const void *v, char *scratch)
{
	void *x = r->out_count > 3 ? r->out[3].data : NULL;

	if (r->in[Q].dtype == RT_F64) {
		struct rt_attention_f64 d = {r->in[Q].data,  k, v,
					     r->out[0].data, x, .scale = z->scale};
		rt_attention_f64_run(a, &d, scratch + z->core * sizeof(double));
		return;
	}
	a->q.data = r->in[Q].data;
	a->k.data = k;
	a->v.data = v;
	a->y_data = r->out[0].data;
	a->x = x;
	rt_attention_run(a, r->team, scratch + z->core * sizeof(float));
}

static void attention_run(const struct rt_run *r)
{
	const struct shape_state *z = r->shape_state;
	const size_t e = r->in[Q].dtype == RT_F64 ? sizeof(double) : sizeof(float);
	struct rt_attention a = z->a;
	char *scratch = r->scratch, *k = scratch + z->present_k * e,
	     *v = scratch + z->present_v * e;

	a.mask = input(r, MASK);
	a.lengths = input(r, NONPAD);
	if (!lengths_ok(r, &a))
		return;
	if (!z->joined) {
		attend(r, z, &a, r->in[K].data, r->in[V].data, scratch);
		return;
	}
	k = r->out_count > 1 && r->out[1].data ? r->out[1].data : k;
	v = r->out_count > 2 && r->out[2].data ? r->out[2].data : v;
	join(&a, input(r, PAST_K), z->past, r->in[K].data, z->fresh, &a.k, a.size, e, k);
	join(&a, input(r, PAST_V), z->past, r->in[V].data, z->fresh, &a.v, a.v_size, e, v);
	a.k = (struct rt_attention_operand){NULL, a.kv_heads * a.cols * a.size, a.cols * a.size,
					    a.size};
	a.v = (struct rt_attention_operand){NULL, a.kv_heads * a.cols * a.v_size, a.cols * a.v_size,
					    a.v_size};
	attend(r, z, &a, k, v, scratch);
}

const struct rt_op rt_op_attention = {
    .in_min = 3,
    .in_max = 7,
    .out_min = 1,
    .out_max = 4,
    .state_bytes = sizeof(struct attention),
    .type = attention_type,
    .bind = attention_bind,
    .infer = attention_infer,
    .run = attention_run,
};
