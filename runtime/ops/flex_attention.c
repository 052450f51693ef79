/* SPDX-License-Identifier: MIT */
/*
 * flex_attention.c — FlexAttention (ai.onnx.preview 1): attention whose scores
 * and probabilities pass through sub-graphs of the model.
 *
 *	scores = Q·Kᵀ · scale            in the type of softmax_precision from here on
 *	scores = score_mod(scores)       if it is given
 *	probs  = softmax(scores)         over the keys
 *	probs  = prob_mod(probs)         if it is given
 *	Y      = probs · V               rounded to the type of Q
 *
 * Q [batch, q_heads, S, D], K [batch, kv_heads, T, D], V [batch, kv_heads, T, Dv]; a
 * key head serves q_heads / kv_heads query heads in a row.  Numbers are double in
 * between, so that one loop serves all types.
 */
#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/memory.h"
#include "runtime/ops/convert.h"
#include "runtime/ops/ops.h"
#include "runtime/team.h"

struct flex {
	size_t batch, q_heads, kv_heads, rows, cols, size, v_size;
	double scale;
	const double *q, *k, *v; /* converted */
	double *scores, *y;
};

static int flex_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		     struct rt_error *err)
{
	static const char *const names[] = {"score_mod", "prob_mod"};

	for (int i = 0; i < 2; i++) {
		const struct rt_attr *a = rt_node_attr(n, names[i]);

		if (a != NULL && (a->kind != RT_ATTR_GRAPH || a->graph->input_count != 1 ||
				  a->graph->output_count != 1))
			return rt_error_set(err, RT_MALFORMED,
					    "%s is not a graph of one input and one output",
					    names[i]);
	}
	if (rt_node_attr(n, "mask_mod") != NULL)
		return rt_error_set(err, RT_UNSUPPORTED, "attribute mask_mod");
	out[0] = g->values[n->in[0]].dtype;
	return RT_OK;
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static int flex_shapes(const struct rt_eval *e, struct flex *x, struct rt_error *err)
{
	const struct rt_shape *q = &e->run.in[0].shape, *k = &e->run.in[1].shape;
	const struct rt_shape *v = &e->run.in[2].shape;
	char text[3][80];

	for (int i = 1; i < 3; i++) {
		if (e->run.in[i].dtype != e->run.in[0].dtype)
			return rt_error_set(err, RT_INPUT, "Q is %s, input %d is %s",
					    rt_dtype_name(e->run.in[0].dtype), i,
					    rt_dtype_name(e->run.in[i].dtype));
	}
	if (q->rank != 4 || k->rank != 4 || v->rank != 4 || q->dims[0] != k->dims[0] ||
	    q->dims[0] != v->dims[0] || k->dims[1] != v->dims[1] || k->dims[2] != v->dims[2] ||
	    q->dims[3] != k->dims[3] || k->dims[1] < 1 || q->dims[1] % k->dims[1] != 0)
		return rt_error_set(err, RT_INPUT, "Q %s, K %s and V %s do not fit",
				    rt_shape_text(q, text[0], sizeof(text[0])),
				    rt_shape_text(k, text[1], sizeof(text[1])),
				    rt_shape_text(v, text[2], sizeof(text[2])));
	x->batch = (size_t)q->dims[0];
	x->q_heads = (size_t)q->dims[1];
	x->kv_heads = (size_t)k->dims[1];
	x->rows = (size_t)q->dims[2];
	x->cols = (size_t)k->dims[2];
	x->size = (size_t)q->dims[3];
	x->v_size = (size_t)v->dims[3];
	x->scale = (double)rt_node_float(e->run.node, "scale", 0);
	if (rt_node_attr(e->run.node, "scale") == NULL)
		x->scale = x->size > 0 ? 1 / sqrt((double)x->size) : 1;
	return RT_OK;
}

/* ---- the three loops, one query row at a time ------------------------------------------------ */

/* Where the keys or values of row ${i} of all batches and heads begin. */
static size_t kv_at(const struct flex *x, size_t i, size_t size)
{
	size_t head = i / x->rows % x->q_heads, batch = i / x->rows / x->q_heads;

	return (batch * x->kv_heads + head / (x->q_heads / x->kv_heads)) * x->cols * size;
}

static void score_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct flex *x = arg;

	(void)thread;
	for (size_t i = begin; i < end; i++) {
		const double *q = x->q + i * x->size, *k = x->k + kv_at(x, i, x->size);

		for (size_t c = 0; c < x->cols; c++, k += x->size) {
			double sum = 0;

			for (size_t d = 0; d < x->size; d++)
				sum += q[d] * k[d];
			x->scores[i * x->cols + c] = sum * x->scale;
		}
	}
}

static void softmax_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct flex *x = arg;

	(void)thread;
	for (size_t i = begin; i < end; i++) {
		double *row = x->scores + i * x->cols, most = -INFINITY, sum = 0;

		for (size_t c = 0; c < x->cols; c++)
			most = row[c] > most ? row[c] : most;
		for (size_t c = 0; c < x->cols; c++)
			sum += row[c] = exp(row[c] - most);
		for (size_t c = 0; c < x->cols; c++)
			row[c] /= sum;
	}
}

static void value_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct flex *x = arg;

	(void)thread;
	for (size_t i = begin; i < end; i++) {
		const double *p = x->scores + i * x->cols, *v = x->v + kv_at(x, i, x->v_size);
		double *y = x->y + i * x->v_size;

		for (size_t c = 0; c < x->cols; c++, v += x->v_size) {
			for (size_t d = 0; d < x->v_size; d++)
				y[d] += p[c] * v[d];
		}
	}
}

/* ---- sub-graphs ------------------------------------------------------------------------------ */

/* Pass the scores through the sub-graph of that name, in element type ${t}. */
static int modify(struct rt_eval *e, const char *name, enum rt_dtype t, const struct flex *x,
		  struct rt_error *err)
{
	const struct rt_attr *a = rt_node_attr(e->run.node, name);
	struct rt_tensor in = {.dtype = t}, out;
	size_t bytes, count = x->batch * x->q_heads * x->rows * x->cols;
	int status;

	if (a == NULL)
		return RT_OK;
	in.shape = rt_shape_of(4, (int64_t)x->batch, (int64_t)x->q_heads, (int64_t)x->rows,
			       (int64_t)x->cols);
	if (rt_shape_bytes(&in.shape, t, &bytes))
		in.data = rt_memory_take(e->memory, bytes, 64);
	if (in.data == NULL)
		return rt_error_set(err, RT_BUDGET, "no memory left for the scores");
	rt_convert_from_f64(t, x->scores, count, in.data, 0, false);
	status = rt_eval_subgraph(e, a->graph, &in, &out, err);
	if (status < 0)
		return status;
	if (out.dtype != t || !rt_shape_equal(&out.shape, &in.shape))
		return rt_error_set(err, RT_INPUT, "%s changes type or shape of what it is given",
				    name);
	rt_convert_to_f64(t, out.data, 0, count, x->scores);
	return RT_OK;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static double *room(struct rt_eval *e, size_t a, size_t b, size_t c)
{
	size_t n;

	if (__builtin_mul_overflow(a, b, &n) || __builtin_mul_overflow(n, c, &n) ||
	    __builtin_mul_overflow(n, sizeof(double), &n))
		return NULL;
	return rt_memory_take(e->memory, n, 64);
}

static const double *converted(struct rt_eval *e, int i)
{
	const struct rt_tensor *t = &e->run.in[i];
	size_t n = (size_t)rt_tensor_elems(t);
	double *to = room(e, n, 1, 1);

	if (to != NULL)
		rt_convert_to_f64(t->dtype, t->data, 0, n, to);
	return to;
}

static int flex_eval(struct rt_eval *e, struct rt_error *err)
{
	enum rt_dtype type = e->run.in[0].dtype;
	enum rt_dtype inner = rt_dtype_of_onnx(rt_node_int(e->run.node, "softmax_precision", 0));
	struct flex x = {.q = NULL};
	struct rt_shape shape;
	size_t heads, rows;
	int status = flex_shapes(e, &x, err);
	void *out;

	if (status < 0)
		return status;
	if (inner == RT_NONE)
		inner = type == RT_F64 ? RT_F64 : RT_F32;
	heads = x.batch * x.q_heads; /* of a tensor that is there */
	rows = heads * x.rows;
	shape = rt_shape_of(4, (int64_t)x.batch, (int64_t)x.q_heads, (int64_t)x.rows,
			    (int64_t)x.v_size);
	out = rt_eval_output(e, 0, &shape);
	x.q = converted(e, 0);
	x.k = converted(e, 1);
	x.v = converted(e, 2);
	x.scores = room(e, heads, x.rows, x.cols);
	x.y = room(e, heads, x.rows, x.v_size);
	if (out == NULL || x.q == NULL || x.k == NULL || x.v == NULL || x.scores == NULL ||
	    x.y == NULL)
		return rt_error_set(err, RT_BUDGET, "no memory left for the scores");
	rt_team_for(e->run.team, rows, 1, score_rows, &x);
	status = modify(e, "score_mod", inner, &x, err);
	if (status < 0)
		return status;
	rt_team_for(e->run.team, rows, 1, softmax_rows, &x);
	status = modify(e, "prob_mod", inner, &x, err);
	if (status < 0)
		return status;
	rt_team_for(e->run.team, rows, 1, value_rows, &x);
	rt_convert_from_f64(type, x.y, rows * x.v_size, out, 0, false);
	return RT_OK;
}

const struct rt_op rt_op_flex_attention = {
    .in_min = 3,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .type = flex_type,
    .eval = flex_eval,
};
