/* SPDX-License-Identifier: MIT */
/*
 * sequence.c — sequences of tensors: SequenceConstruct, SequenceEmpty,
 * SequenceInsert, SequenceErase, SequenceAt, SequenceLength (ai.onnx 11) and
 * SequenceMap (17), whose body runs once per position.
 *
 * A sequence is never changed: what an operator makes shares the items that it
 * takes over.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/memory.h"
#include "runtime/ops/ops.h"

static enum rt_dtype in_type(const struct rt_graph *g, const struct rt_node *n, int i)
{
	return i < n->in_count && n->in[i] != RT_NO_VALUE ? g->values[n->in[i]].dtype : RT_NONE;
}

static const struct rt_list *list_of(const struct rt_eval *e, int i)
{
	must(rt_dtype_is_list(e->run.in[i].dtype) && e->run.in[i].data != NULL);
	return e->run.in[i].data;
}

static int no_room(struct rt_error *err)
{
	return rt_error_set(err, RT_BUDGET, "no memory left for a sequence");
}

/* Input 0 must be a sequence of tensors. */
static int check_sequence(enum rt_dtype t, struct rt_error *err)
{
	if (rt_dtype_item(t) != RT_NONE && t == rt_dtype_in(RT_SEQ, rt_dtype_item(t)))
		return RT_OK;
	return rt_error_set(err, RT_UNSUPPORTED, "not for %s", rt_dtype_name(t));
}

/*
 * The position in input ${i}, 0 … ${end} − 1, negative ones counted from the
 * back of ${count} items; ${otherwise} when it is left out.
 */
static int position(const struct rt_eval *e, int i, int64_t count, int64_t end, int64_t otherwise,
		    int64_t *out, struct rt_error *err)
{
	int64_t at = otherwise;
	int got = 1;

	if (i < e->run.in_count && e->run.in[i].dtype != RT_NONE) {
		if (rt_tensor_elems(&e->run.in[i]) != 1 || !rt_op_ints(&e->run.in[i], &at, 1, &got))
			return rt_error_set(err, RT_INPUT, "the position is not one integer");
		if (at < -count || at >= end)
			return rt_error_set(err, RT_DATA,
					    "position %lld of a sequence of %lld tensors",
					    (long long)at, (long long)count);
		at += at < 0 ? count : 0;
	}
	*out = at;
	return RT_OK;
}

/* ---- SequenceConstruct, SequenceEmpty -------------------------------------------------------- */

static int construct_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			  struct rt_error *err)
{
	enum rt_dtype t = in_type(g, n, 0);

	for (int i = 0; i < n->in_count; i++) {
		if (in_type(g, n, i) != t || rt_dtype_is_list(t))
			return rt_error_set(err, RT_UNSUPPORTED, "not for %s and %s",
					    rt_dtype_name(t), rt_dtype_name(in_type(g, n, i)));
	}
	out[0] = rt_dtype_in(RT_SEQ, t);
	return RT_OK;
}

static int construct_eval(struct rt_eval *e, struct rt_error *err)
{
	struct rt_list *l = rt_eval_list(e, 0, e->run.in_count);

	for (int i = 0; l != NULL && i < e->run.in_count; i++) {
		if (!rt_eval_item_copy(e, l, i, &e->run.in[i]))
			return no_room(err);
	}
	return l != NULL ? RT_OK : no_room(err);
}

const struct rt_op rt_op_sequence_construct = {
    .in_min = 1,
    .in_max = RT_VARIADIC,
    .out_min = 1,
    .out_max = 1,
    .takes_lists = true,
    .type = construct_type,
    .eval = construct_eval,
};

static int empty_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		      struct rt_error *err)
{
	int64_t dtype = rt_node_int(n, "dtype", 1);

	(void)g;
	if (rt_dtype_of_onnx(dtype) == RT_NONE)
		return rt_error_set(err, RT_UNSUPPORTED, "element type %lld", (long long)dtype);
	out[0] = rt_dtype_in(RT_SEQ, rt_dtype_of_onnx(dtype));
	return RT_OK;
}

static int empty_eval(struct rt_eval *e, struct rt_error *err)
{
	return rt_eval_list(e, 0, 0) != NULL ? RT_OK : no_room(err);
}

const struct rt_op rt_op_sequence_empty = {
    .in_min = 0,
    .in_max = 0,
    .out_min = 1,
    .out_max = 1,
    .takes_lists = true,
    .type = empty_type,
    .eval = empty_eval,
};

/* ---- SequenceInsert, SequenceErase ----------------------------------------------------------- */

static int insert_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		       struct rt_error *err)
{
	int status = check_sequence(in_type(g, n, 0), err);

	if (status == RT_OK && rt_dtype_item(in_type(g, n, 0)) != in_type(g, n, 1))
		return rt_error_set(err, RT_UNSUPPORTED, "not for %s and %s",
				    rt_dtype_name(in_type(g, n, 0)),
				    rt_dtype_name(in_type(g, n, 1)));
	out[0] = in_type(g, n, 0);
	return status;
}

static int insert_eval(struct rt_eval *e, struct rt_error *err)
{
	const struct rt_list *from = list_of(e, 0);
	int64_t at, n = from->count;
	int status = position(e, 2, n, n + 1, n, &at, err);
	struct rt_list *l;

	if (status != RT_OK)
		return status;
	l = rt_eval_list(e, 0, n + 1);
	if (l == NULL || !rt_eval_item_copy(e, l, at, &e->run.in[1]))
		return no_room(err);
	for (int64_t i = 0; i < n; i++)
		rt_eval_item_share(l, i < at ? i : i + 1, from, i);
	return RT_OK;
}

const struct rt_op rt_op_sequence_insert = {
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .takes_lists = true,
    .type = insert_type,
    .eval = insert_eval,
};

static int erase_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		      struct rt_error *err)
{
	out[0] = in_type(g, n, 0);
	return check_sequence(out[0], err);
}

static int erase_eval(struct rt_eval *e, struct rt_error *err)
{
	const struct rt_list *from = list_of(e, 0);
	int64_t at, n = from->count;
	int status = position(e, 1, n, n, n - 1, &at, err);
	struct rt_list *l;

	if (status != RT_OK)
		return status;
	if (n == 0)
		return rt_error_set(err, RT_DATA, "there is nothing in the sequence");
	l = rt_eval_list(e, 0, n - 1);
	for (int64_t i = 0; l != NULL && i < n - 1; i++)
		rt_eval_item_share(l, i, from, i < at ? i : i + 1);
	return l != NULL ? RT_OK : no_room(err);
}

const struct rt_op rt_op_sequence_erase = {
    .in_min = 1,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .takes_lists = true,
    .type = erase_type,
    .eval = erase_eval,
};

/* ---- SequenceAt, SequenceLength -------------------------------------------------------------- */

static int at_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		   struct rt_error *err)
{
	out[0] = rt_dtype_item(in_type(g, n, 0));
	return check_sequence(in_type(g, n, 0), err);
}

static int at_eval(struct rt_eval *e, struct rt_error *err)
{
	const struct rt_list *from = list_of(e, 0);
	int64_t at;
	int status = position(e, 1, from->count, from->count, 0, &at, err);

	if (status == RT_OK && !rt_eval_give_item(e, 0, from, at))
		return no_room(err);
	return status;
}

const struct rt_op rt_op_sequence_at = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .takes_lists = true,
    .type = at_type,
    .eval = at_eval,
};

static int length_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		       struct rt_error *err)
{
	out[0] = RT_I64;
	return check_sequence(in_type(g, n, 0), err);
}

static int length_eval(struct rt_eval *e, struct rt_error *err)
{
	const struct rt_shape scalar = {.rank = 0};
	int64_t *out = rt_eval_output(e, 0, &scalar);

	if (out == NULL)
		return no_room(err);
	*out = list_of(e, 0)->count;
	return RT_OK;
}

const struct rt_op rt_op_sequence_length = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .takes_lists = true,
    .type = length_type,
    .eval = length_eval,
};

/* ---- SequenceMap ----------------------------------------------------------------------------- */

static int map_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		    struct rt_error *err)
{
	const struct rt_attr *a = rt_node_attr(n, "body");
	const struct rt_graph *body = a != NULL && a->kind == RT_ATTR_GRAPH ? a->graph : NULL;
	int status = check_sequence(in_type(g, n, 0), err);

	if (body == NULL)
		return rt_error_set(err, RT_MALFORMED, "attribute body is not a graph");
	if (body->input_count != n->in_count || body->output_count != n->out_count)
		return rt_error_set(
		    err, RT_MALFORMED,
		    "a body of %d inputs and %d outputs for a SequenceMap of %d and %d",
		    body->input_count, body->output_count, n->in_count, n->out_count);
	for (int i = 0; i < n->in_count; i++) {
		if (n->in[i] == RT_NO_VALUE)
			return rt_error_set(err, RT_MALFORMED, "input %d is left out", i);
		if (status == RT_OK && rt_dtype_is_list(in_type(g, n, i)))
			status = check_sequence(in_type(g, n, i), err);
	}
	for (int i = 0; i < n->out_count; i++)
		out[i] = rt_dtype_in(RT_SEQ, body->values[body->outputs[i]].dtype);
	return status;
}

struct map {
	const struct rt_graph *body;
	struct rt_tensor *in, *out;
	struct rt_list **made;
};

static int map_one(struct rt_eval *e, struct map *m, int64_t k, struct rt_error *err)
{
	int status;

	for (int i = 0; i < e->run.in_count; i++) {
		const struct rt_tensor *t = &e->run.in[i];
		const struct rt_list *l = t->data;

		m->in[i] = rt_dtype_is_list(t->dtype) ? l->items[k] : *t;
	}
	status = rt_eval_subgraph(e, m->body, m->in, m->out, err);
	for (int i = 0; status == RT_OK && i < e->run.out_count; i++) {
		if (m->made[i] != NULL && !rt_eval_item_copy(e, m->made[i], k, &m->out[i]))
			status = no_room(err);
	}
	return status;
}

static int map_all(struct rt_eval *e, struct map *m, struct rt_error *err)
{
	int64_t count = list_of(e, 0)->count;
	int status = RT_OK;

	for (int i = 1; i < e->run.in_count; i++) {
		if (rt_dtype_is_list(e->run.in[i].dtype) && list_of(e, i)->count != count)
			return rt_error_set(err, RT_INPUT, "sequences of %lld and %lld tensors",
					    (long long)count, (long long)list_of(e, i)->count);
	}
	for (int i = 0; i < e->run.out_count; i++) {
		if (e->out[i].dtype == RT_NONE)
			continue;
		m->made[i] = rt_eval_list(e, i, count);
		if (m->made[i] == NULL)
			return no_room(err);
	}
	for (int64_t k = 0; k < count && status == RT_OK; k++)
		status = map_one(e, m, k, err);
	return status;
}

static int map_eval(struct rt_eval *e, struct rt_error *err)
{
	struct map m = {.body = rt_node_attr(e->run.node, "body")->graph};
	int status = rt_error_set(err, RT_MEMORY, "out of memory");

	m.in = calloc((size_t)e->run.in_count + 1, sizeof(*m.in));
	m.out = calloc((size_t)e->run.out_count + 1, sizeof(*m.out));
	m.made = calloc((size_t)e->run.out_count + 1, sizeof(struct rt_list *));
	if (m.in != NULL && m.out != NULL && m.made != NULL)
		status = map_all(e, &m, err);
	free(m.in);
	free(m.out);
	free(m.made);
	return status;
}

const struct rt_op rt_op_sequence_map = {
    .in_min = 1,
    .in_max = RT_VARIADIC,
    .out_min = 1,
    .out_max = RT_VARIADIC,
    .takes_lists = true,
    .type = map_type,
    .eval = map_eval,
};
