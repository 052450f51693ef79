/* SPDX-License-Identifier: MIT */
/*
 * ms_attention.c — Attention and MultiHeadAttention of com.microsoft (since 1):
 * shapes, masks and caches for attention.c.
 *
 *	Attention           Q | K | V = input · weights + bias, then attention.  Inputs input,
 *	                    weights, bias?, mask_index?, past? [2][B][H][P][D], attention_bias?
 *	                    (past_sequence_length is refused); outputs [B][S][H·Dv], present
 *	MultiHeadAttention  Inputs query, key?, value?, bias?, key_padding_mask?,
 *	                    attention_bias?, past_key?, past_value? [B][H][P][D]; outputs
 *	                    [B][S][H·Dv], present_key, present_value
 *
 * query may hold all three, [B][S][H][3][D], key may hold the values too,
 * [B][L][H][2][D], and key and value may come as [B][H][L][D].  present = past,
 * then what is new.  Rotation, shared buffers and beams are refused.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/matmul.h"
#include "runtime/ops/ms_mask.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

/* Where Q, K or V comes from, and where it is gathered if it is. */
struct source {
	int input;                      /* −1: made by the projection */
	size_t offset;                  /* of the first element */
	struct rt_attention_operand at; /* strides of what is new */
	size_t rows, heads, size;
	int bias; /* input or −1 */
	size_t bias_offset;
	int past; /* input or −1 */
	size_t past_offset, past_rows;
	int output; /* or −1: gathered into scratch */
	size_t output_offset;
	bool gathered;
	size_t scratch; /* floats before it */
};

struct ms {
	struct rt_matmul mm; /* Attention */
	const struct rt_kernels *kernels;
	int64_t heads, sizes[3]; /* sizes: qkv_hidden_sizes */
	float scale;
	bool causal, projects;
};

struct shape_state {
	struct rt_attention a;
	struct rt_ms_mask mask;
	struct rt_matmul_shape *product;
	struct source q, k, v;
	size_t qkv, mask_at, work; /* in scratch, in floats */
};

static bool given(const struct rt_infer *f, int i)
{
	return i >= 0 && i < f->in_count && f->in[i].dtype != RT_NONE;
}

static size_t line(size_t elems)
{
	return (elems + 15) & ~(size_t)15;
}

static int ms_bind(struct rt_bind *b, struct rt_error *err)
{
	struct ms *s = b->state;
	const struct rt_node *n = b->node;
	int64_t count;
	const int64_t *sizes = rt_node_ints(n, "qkv_hidden_sizes", &count);

	s->kernels = b->kernels;
	s->heads = rt_node_int(n, "num_heads", 0);
	s->scale = rt_node_float(n, "scale", 0);
	s->causal = rt_node_int(n, "unidirectional", 0) != 0;
	s->projects = strcmp(n->op_type, "Attention") == 0;
	if (s->heads < 1)
		return rt_error_set(err, RT_MALFORMED, "num_heads is %lld", (long long)s->heads);
	if (rt_node_int(n, "do_rotary", 0) || rt_node_int(n, "past_present_share_buffer", 0))
		return rt_error_set(err, RT_UNSUPPORTED, "do_rotary or shared buffers");
	for (int i = s->projects ? 6 : 8; i < n->in_count; i++)
		if (rt_bind_has(b, i))
			return rt_error_set(err, RT_UNSUPPORTED, "input %d", i);
	for (int i = 0; sizes && i < 3; i++)
		s->sizes[i] = i < count ? sizes[i] : 0;
	s->mm.alpha = 1;
	return s->projects ? rt_matmul_bind(b, &s->mm, err) : RT_OK;
}

/* [past | new] of ${s} as [B][heads][rows][size], or new alone if that is all. */
static size_t place(struct source *s, bool wanted, size_t batch, size_t at)
{
	s->gathered = wanted || s->bias >= 0 || s->past >= 0;
	s->scratch = at;
	if (s->gathered && s->output < 0)
		at += line(batch * s->heads * (s->past_rows + s->rows) * s->size);
	return at;
}

static struct rt_attention_operand packed(const struct source *s)
{
	size_t rows = s->past_rows + s->rows;
	return (struct rt_attention_operand){NULL, s->heads * rows * s->size, rows * s->size,
					     s->size};
}

static int finish_infer(struct rt_infer *f, struct shape_state *z, int mask, int bias,
			struct rt_error *err)
{
	const struct ms *s = f->state;
	struct rt_attention *a = &z->a;
	int rc;

	a->kernels = s->kernels;
	a->q_heads = a->kv_heads = (size_t)s->heads;
	a->rows = z->q.rows;
	a->cols = z->k.past_rows + z->k.rows;
	a->size = z->q.size;
	a->v_size = z->v.size;
	a->scale = s->scale > 0 || s->scale < 0 ? s->scale : 1 / sqrtf((float)a->size);
	a->causal = s->causal;
	a->offset = (int64_t)z->k.past_rows;
	a->y = (struct rt_attention_operand){NULL, a->rows * a->q_heads * a->v_size, a->v_size,
					     a->q_heads * a->v_size};
	f->out[0].shape =
	    rt_shape_of(3, (int64_t)a->batch, (int64_t)a->rows, (int64_t)(a->q_heads * a->v_size));
	rc = rt_ms_mask_sizes(a, err);
	rc = rc ? rc : rt_ms_mask_infer(f, mask, bias, a, &z->mask, err);
	if (rc)
		return rc;
	z->work = place(&z->q, false, a->batch, z->work);
	z->work = place(&z->k, z->k.output >= 0, a->batch, z->work);
	z->work = place(&z->v, z->v.output >= 0, a->batch, z->work);
	z->mask_at = z->work;
	z->work += line(z->mask.elems);
	f->shape_state = z;
	return RT_OK;
}

struct gather {
	const struct source *s;
	const float *from, *bias, *past;
	float *to;
};

static void gather_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct gather *g = arg;
	const struct source *s = g->s;
	size_t rows = s->past_rows + s->rows;

	(void)thread;
	for (size_t i = begin; i < end; i++) {
		size_t b = i / s->heads, h = i % s->heads;
		float *to = g->to + i * rows * s->size;
		if (s->past_rows)
			memcpy(to, g->past + i * s->past_rows * s->size,
			       s->past_rows * s->size * sizeof(*to));
		to += s->past_rows * s->size;
		for (size_t r = 0; r < s->rows; r++, to += s->size) {
			const float *from =
			    g->from + b * s->at.batch + h * s->at.head + r * s->at.row;
			const float *bias = g->bias ? g->bias + h * s->size : NULL;
			for (size_t c = 0; c < s->size; c++)
				to[c] = from[c] + (bias ? bias[c] : 0);
		}
	}
}

/* Where Q, K or V of this run is; gathers it if it must be. */
static struct rt_attention_operand find(const struct rt_run *r, const struct source *s,
					size_t batch)
{
	const struct shape_state *z = r->shape_state;
	float *scratch = r->scratch;
	const float *in = s->input < 0 ? scratch + z->qkv : (const float *)r->in[s->input].data;
	struct rt_attention_operand o = s->at;
	struct gather g = {.s = s, .from = in + s->offset};

	o.data = g.from;
	if (!s->gathered)
		return o;
	o = packed(s);
	g.bias = s->bias >= 0 ? (const float *)r->in[s->bias].data + s->bias_offset : NULL;
	g.past = s->past >= 0 ? (const float *)r->in[s->past].data + s->past_offset : NULL;
	g.to = s->output >= 0 ? (float *)r->out[s->output].data + s->output_offset
			      : scratch + s->scratch;
	o.data = g.to;
	if (batch > 0)
		rt_team_for(r->team, batch * s->heads,
			    rt_walk_grain((int64_t)((s->past_rows + s->rows) * s->size) + 1),
			    gather_range, &g);
	return o;
}

static void attend(const struct rt_run *r)
{
	const struct shape_state *z = r->shape_state;
	struct rt_attention a = z->a;
	float *scratch = r->scratch;

	if (a.rows == 0 && a.cols == 0) /* nothing but, perhaps, a huge number of batches */
		return;
	a.q = find(r, &z->q, a.batch);
	a.k = find(r, &z->k, a.batch);
	a.v = find(r, &z->v, a.batch);
	rt_ms_mask_apply(r, &z->mask, scratch + z->mask_at, &a);
	a.y_data = r->out[0].data;
	rt_attention_run(&a, r->team, scratch + z->work);
}

static int same_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		     struct rt_error *err)
{
	(void)err;
	for (int i = 0; i < n->out_count; i++)
		out[i] = g->values[n->in[0]].dtype;
	return RT_OK;
}

/* ---- Attention ------------------------------------------------------------------------------- */

enum { INPUT, WEIGHTS, A_BIAS, A_MASK, PAST, A_ADD };

/* sizes[3] of Q, K and V: all heads. */
static int project_sizes(const struct rt_infer *f, size_t sizes[3], struct rt_error *err)
{
	const struct ms *s = f->state;
	const struct rt_shape *x = &f->in[INPUT].shape, *w = &f->in[WEIGHTS].shape;
	int64_t all = 0;
	char text[2][64];

	if (x->rank != 3 || w->rank != 2 || w->dims[0] != x->dims[2] ||
	    f->in[WEIGHTS].dtype != RT_F32)
		return rt_error_set(err, RT_INPUT, "input %s and weights %s",
				    rt_shape_text(x, text[0], sizeof(text[0])),
				    rt_shape_text(w, text[1], sizeof(text[1])));
	for (int i = 0; i < 3; i++) {
		int64_t n = s->sizes[0] > 0 ? s->sizes[i] : w->dims[1] / 3;
		if (n < 1 || n % s->heads != 0)
			return rt_error_set(err, RT_INPUT, "%lld elements in %lld heads",
					    (long long)n, (long long)s->heads);
		sizes[i] = (size_t)n;
		all += n;
	}
	if (all != w->dims[1] || sizes[0] != sizes[1])
		return rt_error_set(err, RT_INPUT, "Q, K and V do not fill the weights");
	if (given(f, A_BIAS) && (f->in[A_BIAS].shape.rank != 1 || f->in[A_BIAS].dtype != RT_F32 ||
				 f->in[A_BIAS].shape.dims[0] != all))
		return rt_error_set(err, RT_INPUT, "the bias has not %lld elements",
				    (long long)all);
	return RT_OK;
}

static int project_past(struct rt_infer *f, struct shape_state *z, struct rt_error *err)
{
	const struct rt_shape *p = &f->in[PAST].shape;
	size_t heads = z->k.heads, half;
	bool wanted = f->out_count > 1 && f->out[1].dtype != RT_NONE;

	if ((given(f, PAST) || wanted) && z->k.size != z->v.size)
		return rt_error_set(err, RT_INPUT, "K and V differ in size");
	if (given(f, PAST)) {
		if (p->rank != 5 || p->dims[0] != 2 || (size_t)p->dims[1] != z->a.batch ||
		    (size_t)p->dims[2] != heads || (size_t)p->dims[4] != z->k.size)
			return rt_error_set(err, RT_INPUT, "past does not fit input");
		z->k.past = z->v.past = PAST;
		z->k.past_rows = z->v.past_rows = (size_t)p->dims[3];
		z->v.past_offset = z->a.batch * heads * z->k.past_rows * z->k.size;
	}
	half = z->a.batch * heads * (z->k.past_rows + z->k.rows) * z->k.size;
	if (wanted) {
		z->k.output = z->v.output = 1;
		z->v.output_offset = half;
	}
	if (f->out_count > 1)
		f->out[1].shape =
		    rt_shape_of(5, (int64_t)2, (int64_t)z->a.batch, (int64_t)heads,
				(int64_t)(z->k.past_rows + z->k.rows), (int64_t)z->k.size);
	return RT_OK;
}

static int attention_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct ms *s = f->state;
	struct shape_state *z = rt_infer_alloc(f, sizeof(*z));
	struct rt_infer product = *f;
	struct source *each[3];
	size_t sizes[3], rows, all, from = 0, bytes;
	int rc;

	if (!z)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if ((rc = project_sizes(f, sizes, err)) ||
	    (rc = rt_matmul_infer(&product, &s->mm, &z->product, err)))
		return rc;
	each[0] = &z->q, each[1] = &z->k, each[2] = &z->v;
	z->a.batch = (size_t)f->in[INPUT].shape.dims[0];
	rows = (size_t)f->in[INPUT].shape.dims[1];
	all = sizes[0] + sizes[1] + sizes[2];
	for (int i = 0; i < 3; i++) {
		size_t size = sizes[i] / (size_t)s->heads;
		*each[i] = (struct source){.input = -1,
					   .offset = from,
					   .at = {NULL, rows * all, size, all},
					   .rows = rows,
					   .heads = (size_t)s->heads,
					   .size = size,
					   .bias = -1,
					   .past = -1,
					   .output = -1};
		from += sizes[i];
	}
	z->work = line(z->a.batch * rows * all);
	rc = project_past(f, z, err);
	rc = rc ? rc : finish_infer(f, z, A_MASK, A_ADD, err);
	if (rc)
		return rc;
	bytes = rt_attention_scratch_bytes(&z->a, f->threads);
	bytes = bytes > product.scratch_bytes ? bytes : product.scratch_bytes;
	f->scratch_bytes = z->work * sizeof(float) + bytes;
	return RT_OK;
}

static void attention_run(const struct rt_run *r)
{
	const struct ms *s = r->state;
	const struct shape_state *z = r->shape_state;
	struct rt_tensor qkv = {.dtype = RT_F32, .shape = z->product->out};
	struct rt_run product = *r;
	float *scratch = r->scratch;

	qkv.data = scratch + z->qkv;
	product.out = &qkv;
	product.out_count = 1;
	product.scratch = scratch + z->work;
	rt_matmul_run(&product, &s->mm, z->product,
		      r->in_count > A_BIAS ? r->in[A_BIAS].data : NULL, NULL);
	attend(r);
}

const struct rt_op rt_op_attention_ms = {
    .in_min = 2,
    .in_max = 7,
    .out_min = 1,
    .out_max = 2,
    .state_bytes = sizeof(struct ms),
    .type = same_type,
    .bind = ms_bind,
    .infer = attention_infer,
    .run = attention_run,
};

/* ---- MultiHeadAttention ---------------------------------------------------------------------- */

enum { QUERY, KEY, VALUE, M_BIAS, M_MASK, M_ADD, PAST_KEY, PAST_VALUE };

/* Part ${part} of ${parts} in [B][rows][heads][parts][size]; or [B][rows][heads·size]; or, for
 * keys and values, [B][heads][rows][size]. */
static int read_source(const struct rt_infer *f, int input, size_t part, size_t parts,
		       struct source *s, struct rt_error *err)
{
	const struct ms *ms = f->state;
	const struct rt_shape *x = &f->in[input].shape;
	size_t heads = (size_t)ms->heads, d[5] = {0, 0, 0, 0, 0};
	char text[64];

	for (int i = 0; i < x->rank && i < 5; i++)
		d[i] = (size_t)x->dims[i];
	*s = (struct source){.input = input, .heads = heads, .bias = -1, .past = -1, .output = -1};
	if (f->in[input].dtype == RT_F32 && x->rank == 5 && parts > 1 && d[2] == heads &&
	    d[3] == parts) {
		s->rows = d[1];
		s->size = d[4];
		s->offset = part * d[4];
		s->at = (struct rt_attention_operand){NULL, d[1] * heads * parts * d[4],
						      parts * d[4], heads * parts * d[4]};
	} else if (f->in[input].dtype == RT_F32 && x->rank == 3 && parts == 1 &&
		   d[2] % heads == 0) {
		s->rows = d[1];
		s->size = d[2] / heads;
		s->at = (struct rt_attention_operand){NULL, d[1] * d[2], s->size, d[2]};
	} else if (f->in[input].dtype == RT_F32 && x->rank == 4 && input != QUERY &&
		   d[1] == heads) {
		s->rows = d[2];
		s->size = d[3];
		s->at = (struct rt_attention_operand){NULL, heads * d[2] * d[3], d[2] * d[3], d[3]};
	} else {
		return rt_error_set(err, RT_INPUT, "input %d is %s, with %zu heads", input,
				    rt_shape_text(x, text, sizeof(text)), heads);
	}
	return RT_OK;
}

static int read_sources(const struct rt_infer *f, struct shape_state *z, struct rt_error *err)
{
	bool all = !given(f, KEY), two = !all && !given(f, VALUE);
	int rc = read_source(f, QUERY, 0, all ? 3 : 1, &z->q, err);

	rc = rc ? rc : read_source(f, all ? QUERY : KEY, all, all ? 3 : two ? 2 : 1, &z->k, err);
	rc = rc ? rc
		: read_source(f,
			      all   ? QUERY
			      : two ? KEY
				    : VALUE,
			      all ? 2 : two,
			      all   ? 3
			      : two ? 2
				    : 1,
			      &z->v, err);
	if (rc)
		return rc;
	z->a.batch = (size_t)f->in[QUERY].shape.dims[0];
	if (z->q.size != z->k.size || z->k.rows != z->v.rows ||
	    (size_t)f->in[z->k.input].shape.dims[0] != z->a.batch ||
	    (size_t)f->in[z->v.input].shape.dims[0] != z->a.batch)
		return rt_error_set(err, RT_INPUT, "query, key and value do not fit");
	return RT_OK;
}

static int read_bias(const struct rt_infer *f, struct shape_state *z, struct rt_error *err)
{
	size_t q = z->q.heads * z->q.size, v = z->v.heads * z->v.size;

	if (!given(f, M_BIAS))
		return RT_OK;
	if (f->in[M_BIAS].dtype != RT_F32 || f->in[M_BIAS].shape.rank != 1 ||
	    (size_t)f->in[M_BIAS].shape.dims[0] != 2 * q + v)
		return rt_error_set(err, RT_INPUT, "the bias has not %zu elements", 2 * q + v);
	z->q.bias = M_BIAS;
	if (f->in[z->k.input].shape.rank == 4) /* projected before */
		return RT_OK;
	z->k.bias = z->v.bias = M_BIAS;
	z->k.bias_offset = q;
	z->v.bias_offset = 2 * q;
	return RT_OK;
}

static int read_cache(struct rt_infer *f, struct source *s, int input, int output, size_t batch,
		      struct rt_error *err)
{
	const struct rt_shape *p = &f->in[input].shape;

	if (given(f, input)) {
		if (f->in[input].dtype != RT_F32 || p->rank != 4 || (size_t)p->dims[0] != batch ||
		    (size_t)p->dims[1] != s->heads || (size_t)p->dims[3] != s->size)
			return rt_error_set(err, RT_INPUT, "input %d does not fit", input);
		s->past = input;
		s->past_rows = (size_t)p->dims[2];
	}
	if (f->out_count > output) {
		f->out[output].shape =
		    rt_shape_of(4, (int64_t)batch, (int64_t)s->heads,
				(int64_t)(s->past_rows + s->rows), (int64_t)s->size);
		if (f->out[output].dtype != RT_NONE)
			s->output = output;
	}
	return RT_OK;
}

static int multi_head_infer(struct rt_infer *f, struct rt_error *err)
{
	struct shape_state *z = rt_infer_alloc(f, sizeof(*z));
	int rc;

	if (!z)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if (f->out_count > 3 && f->out[3].dtype != RT_NONE)
		return rt_error_set(err, RT_UNSUPPORTED, "output qk");
	if (given(f, PAST_KEY) != given(f, PAST_VALUE))
		return rt_error_set(err, RT_INPUT, "past_key and past_value go together");
	rc = read_sources(f, z, err);
	rc = rc ? rc : read_bias(f, z, err);
	rc = rc ? rc : read_cache(f, &z->k, PAST_KEY, 1, z->a.batch, err);
	rc = rc ? rc : read_cache(f, &z->v, PAST_VALUE, 2, z->a.batch, err);
	if (!rc && z->k.past_rows != z->v.past_rows)
		return rt_error_set(err, RT_INPUT, "past_key and past_value differ in length");
	rc = rc ? rc : finish_infer(f, z, M_MASK, M_ADD, err);
	if (!rc)
		f->scratch_bytes =
		    z->work * sizeof(float) + rt_attention_scratch_bytes(&z->a, f->threads);
	return rc;
}

const struct rt_op rt_op_multi_head_attention = {
    .in_min = 1,
    .in_max = 10,
    .out_min = 1,
    .out_max = 4,
    .state_bytes = sizeof(struct ms),
    .type = same_type,
    .bind = ms_bind,
    .infer = multi_head_infer,
    .run = attend,
};
