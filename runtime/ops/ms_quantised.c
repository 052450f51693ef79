/* SPDX-License-Identifier: MIT */
/*
 * ms_quantised.c — attention and embeddings of com.microsoft (since 1) with
 * 8-bit tables, one scale and zero point each (weights: also one per column):
 *
 *	QAttention                Attention of the same domain on (input − z)·s and (weight − z)·s
 *	QEmbedLayerNormalization  EmbedLayerNormalization on tables, gamma and beta of bytes
 *
 * The products of QAttention are float32 here: its weights, which must be
 * constants, are widened once, and its input in every run.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/index.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/qparam.h"

/* ---- QAttention ------------------------------------------------------------------------------ */

enum { X, W, BIAS, X_SCALE, W_SCALE, MASK, X_ZERO, W_ZERO, PAST };
enum { PLAIN = 5 }; /* inputs of Attention: input, weights, bias, mask_index, past */

struct quantised {
	void *plain; /* state of Attention */
};

struct quantised_shape {
	void *plain;  /* shape state of Attention */
	size_t bytes; /* of the widened input, in front of the scratch of Attention */
};

static bool is_bytes(enum rt_dtype t)
{
	return t == RT_I8 || t == RT_U8;
}

/* Weights [rows][columns] in float32, malloc'ed; NULL after an error. */
static float *widen(const struct rt_bind *b, struct rt_tensor *out, struct rt_error *err)
{
	const struct rt_tensor *w = rt_bind_constant(b, W), *s = rt_bind_constant(b, W_SCALE),
			       *z = rt_bind_has(b, W_ZERO) ? rt_bind_constant(b, W_ZERO) : NULL;
	int64_t columns, n;
	float *to;

	if (!w || !s || (rt_bind_has(b, W_ZERO) && !z) || w->shape.rank != 2 ||
	    !is_bytes(w->dtype) || s->dtype != RT_F32 || (z && z->dtype != w->dtype)) {
		rt_error_set(err, RT_UNSUPPORTED, "weights that are no 8-bit constants");
		return NULL;
	}
	columns = w->shape.dims[1];
	n = rt_tensor_elems(w);
	if ((rt_tensor_elems(s) != 1 && rt_tensor_elems(s) != columns) ||
	    (z && rt_tensor_elems(z) != 1 && rt_tensor_elems(z) != columns)) {
		rt_error_set(err, RT_MALFORMED, "not one scale and zero point, or one per column");
		return NULL;
	}
	to = malloc((size_t)n * sizeof(*to) + 1);
	if (!to) {
		rt_error_set(err, RT_MEMORY, "no memory for weights");
		return NULL;
	}
	for (int64_t i = 0; i < n; i++) {
		int64_t c = i % columns;
		double by = rt_convert_get_f64(s, rt_tensor_elems(s) == 1 ? 0 : c);
		double zero = z ? rt_convert_get_f64(z, rt_tensor_elems(z) == 1 ? 0 : c) : 0;
		to[i] = (float)((rt_convert_get_f64(w, i) - zero) * by);
	}
	*out = (struct rt_tensor){.dtype = RT_F32, .shape = w->shape, .data = to};
	return to;
}

/* bind of Attention, in a graph where the weights are the widened ones. */
static int bind_widened(struct rt_bind *b, const struct rt_tensor *w, struct rt_error *err)
{
	const int *from = b->node->in;
	struct rt_graph graph = *b->graph;
	struct rt_node node = *b->node;
	struct rt_bind plain = *b;
	int n = graph.value_count, rc;
	int in[PLAIN] = {n, n + 1, from[BIAS], RT_NO_VALUE, RT_NO_VALUE};
	struct rt_value *values = calloc((size_t)n + 2, sizeof(*values));

	if (!values)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	memcpy(values, graph.values, (size_t)n * sizeof(*values));
	for (int i = n; i < n + 2; i++) {
		values[i].name = "";
		values[i].dtype = RT_F32;
	}
	values[n + 1].is_constant = true;
	values[n + 1].constant = *w;
	values[n + 1].shape = w->shape;
	in[3] = rt_bind_has(b, MASK) ? from[MASK] : RT_NO_VALUE;
	in[4] = rt_bind_has(b, PAST) ? from[PAST] : RT_NO_VALUE;
	node.op_type = "Attention";
	node.in = in;
	node.in_count = PLAIN;
	graph.values = values;
	graph.value_count = n + 2;
	plain.graph = &graph;
	plain.node = &node;
	plain.trim = NULL; /* it knows the graph itself only */
	plain.state = ((struct quantised *)b->state)->plain;
	rc = rt_op_attention_ms.bind(&plain, err);
	free(values);
	return rc;
}

static int quantised_bind(struct rt_bind *b, struct rt_error *err)
{
	struct quantised *s = b->state;
	struct rt_tensor w;
	float *wide;
	int rc;

	s->plain = rt_bind_alloc(b, rt_op_attention_ms.state_bytes);
	if (!s->plain)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	wide = widen(b, &w, err);
	if (!wide)
		return err->status;
	rc = bind_widened(b, &w, err);
	free(wide);
	rt_bind_drop(b, W); /* widened and packed */
	return rc;
}

/* The inputs of Attention: X and W in float32. */
static void as_plain(const struct rt_tensor *in, int count, struct rt_tensor plain[PLAIN])
{
	plain[0] = in[X];
	plain[1] = in[W];
	plain[0].dtype = plain[1].dtype = RT_F32;
	plain[2] = in[BIAS];
	plain[3] = count > MASK ? in[MASK] : (struct rt_tensor){.dtype = RT_NONE};
	plain[4] = count > PAST ? in[PAST] : (struct rt_tensor){.dtype = RT_NONE};
}

static int quantised_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct quantised *s = f->state;
	struct rt_tensor plain[PLAIN];
	struct rt_infer attention = *f;
	struct quantised_shape *z = rt_infer_alloc(f, sizeof(*z));
	int rc = rt_qparam_check(f, f->in[X].dtype, X_SCALE, X_ZERO, err);

	if (!z)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	as_plain(f->in, f->in_count, plain);
	attention.state = s->plain;
	attention.in = plain;
	attention.in_count = PLAIN;
	plain[0].data = plain[1].data = NULL;
	rc = rc ? rc : rt_op_attention_ms.infer(&attention, err);
	if (rc)
		return rc;
	z->plain = attention.shape_state;
	z->bytes = ((size_t)rt_tensor_elems(&f->in[X]) * sizeof(float) + 63) & ~(size_t)63;
	f->shape_state = z;
	f->scratch_bytes = z->bytes + attention.scratch_bytes;
	return RT_OK;
}

static void quantised_run(const struct rt_run *r)
{
	const struct quantised *s = r->state;
	const struct quantised_shape *z = r->shape_state;
	struct rt_qparam p = rt_qparam_read(r, r->in[X].dtype, X_SCALE, X_ZERO);
	struct rt_tensor plain[PLAIN];
	struct rt_run attention = *r;

	as_plain(r->in, r->in_count, plain);
	rt_qparam_reals(&p, (size_t)rt_tensor_elems(&r->in[X]), r->in[X].data, r->scratch);
	plain[0].data = r->scratch;
	attention.in = plain;
	attention.in_count = PLAIN;
	attention.state = s->plain;
	attention.shape_state = z->plain;
	attention.scratch = (char *)r->scratch + z->bytes;
	rt_op_attention_ms.run(&attention);
}

static int quantised_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			  struct rt_error *err)
{
	(void)g;
	(void)err;
	for (int i = 0; i < n->out_count; i++)
		out[i] = RT_F32;
	return RT_OK;
}

const struct rt_op rt_op_qattention = {
    .in_min = 5,
    .in_max = 9,
    .out_min = 1,
    .out_max = 2,
    .state_bytes = sizeof(struct quantised),
    .type = quantised_type,
    .bind = quantised_bind,
    .infer = quantised_infer,
    .run = quantised_run,
};

/* ---- QEmbedLayerNormalization ---------------------------------------------------------------- */

/* Tables are inputs WORDS … BETA; their scales and zero points follow in the same order. */
enum { IDS, SEGMENTS, WORDS, PLACES, KINDS, GAMMA, BETA, E_MASK, SCALES, ZEROS = 13 };
enum { TABLES = 5 };

struct embed {
	const struct rt_kernels *kernels;
	float epsilon;
};

static int embed_bind(struct rt_bind *b, struct rt_error *err)
{
	struct embed *s = b->state;

	(void)err;
	s->kernels = b->kernels;
	s->epsilon = rt_node_float(b->node, "epsilon", 1e-12f);
	return RT_OK;
}

static bool has(const struct rt_infer *f, int i)
{
	return i < f->in_count && f->in[i].dtype != RT_NONE;
}

/* Tables of one width, with their parameters. */
static int check_tables(const struct rt_infer *f, int64_t n, struct rt_error *err)
{
	for (int i = 0; i < TABLES; i++) {
		int t = WORDS + i, rc;
		const struct rt_shape *s = &f->in[t].shape;
		if (!has(f, t)) {
			if (t == KINDS && !has(f, SEGMENTS))
				continue;
			return rt_error_set(err, RT_INPUT, "input %d is left out", t);
		}
		if (!is_bytes(f->in[t].dtype) || s->rank != (t < GAMMA ? 2 : 1) ||
		    s->dims[s->rank - 1] != n)
			return rt_error_set(err, RT_INPUT,
					    "input %d is no 8-bit table of width %lld", t,
					    (long long)n);
		rc = rt_qparam_check(f, f->in[t].dtype, SCALES + i, ZEROS + i, err);
		if (rc)
			return rc;
	}
	return RT_OK;
}

static bool is_ids(const struct rt_infer *f, int i)
{
	return !has(f, i) ||
	       (f->in[i].dtype == RT_I32 && rt_shape_equal(&f->in[i].shape, &f->in[IDS].shape));
}

static int embed_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *ids = &f->in[IDS].shape, *words = &f->in[WORDS].shape;
	int64_t n = has(f, WORDS) && words->rank == 2 ? words->dims[1] : 0;

	if (ids->rank != 2 || !is_ids(f, IDS) || !is_ids(f, SEGMENTS) || !is_ids(f, E_MASK))
		return rt_error_set(err, RT_INPUT, "ids or mask are no int32 matrices of one size");
	f->out[0].shape = rt_shape_of(3, ids->dims[0], ids->dims[1], n);
	if (f->out_count > 1)
		f->out[1].shape = rt_shape_of(1, ids->dims[0]);
	f->scratch_bytes = 4 * (size_t)n * sizeof(float);
	return check_tables(f, n, err);
}

/* Row ${id} of table ${i} as numbers, added to ${sum}; false after a fault. */
static bool add_row(const struct rt_run *r, int i, int64_t id, size_t n, float *work, float *sum)
{
	const struct rt_tensor *t = &r->in[WORDS + i];
	struct rt_qparam p = rt_qparam_read(r, t->dtype, SCALES + i, ZEROS + i);

	if (id < 0 || id >= t->shape.dims[0]) {
		rt_run_fault(r, "row %lld of an embedding with %lld", (long long)id,
			     (long long)t->shape.dims[0]);
		return false;
	}
	rt_qparam_reals(&p, n, (const char *)t->data + (size_t)id * n, work);
	for (size_t c = 0; c < n; c++)
		sum[c] += work[c];
	return true;
}

static void count_mask(const struct rt_run *r, size_t batch, size_t rows)
{
	const int32_t *mask = r->in_count > E_MASK ? r->in[E_MASK].data : NULL;

	for (size_t b = 0; b < batch; b++) {
		int32_t n = 0;
		for (size_t i = 0; mask && i < rows; i++)
			n += mask[b * rows + i] == 1;
		((int32_t *)r->out[1].data)[b] = n;
	}
}

static void embed_run(const struct rt_run *r)
{
	const struct embed *s = r->state;
	const struct rt_shape *ids = &r->in[IDS].shape;
	const size_t rows = (size_t)ids->dims[1], n = (size_t)r->in[WORDS].shape.dims[1];
	const size_t all = (size_t)ids->dims[0] * rows;
	float *gamma = r->scratch, *beta = gamma + n, *sum = beta + n, *work = sum + n;

	if (r->out_count > 1 && r->out[1].data)
		count_mask(r, (size_t)ids->dims[0], rows);
	for (int i = GAMMA; i <= BETA && n > 0; i++) {
		struct rt_qparam p =
		    rt_qparam_read(r, r->in[i].dtype, SCALES + i - WORDS, ZEROS + i - WORDS);
		rt_qparam_reals(&p, n, r->in[i].data, i == GAMMA ? gamma : beta);
	}
	for (size_t i = 0; i < all && n > 0; i++) {
		memset(sum, 0, n * sizeof(*sum));
		if (!add_row(r, 0, rt_index_get(&r->in[IDS], (int64_t)i), n, work, sum) ||
		    !add_row(r, 1, (int64_t)(i % rows), n, work, sum) ||
		    (r->in[SEGMENTS].data &&
		     !add_row(r, 2, rt_index_get(&r->in[SEGMENTS], (int64_t)i), n, work, sum)))
			return;
		s->kernels->f32_row->layer_norm(n, sum, gamma, beta, s->epsilon,
						(float *)r->out[0].data + i * n);
	}
}

static int embed_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		      struct rt_error *err)
{
	(void)g;
	(void)err;
	for (int i = 0; i < n->out_count; i++)
		out[i] = i == 1 ? RT_I32 : RT_F32;
	return RT_OK;
}

const struct rt_op rt_op_qembed_layer_norm = {
    .in_min = 1, /* up to 12 are needed, without the segments: infer says so */
    .in_max = 18,
    .out_min = 1,
    .out_max = 2,
    .state_bytes = sizeof(struct embed),
    .type = embed_type,
    .bind = embed_bind,
    .infer = embed_infer,
    .run = embed_run,
};
