/* SPDX-License-Identifier: MIT */
/*
 * tfjs_op_control.c — operators of graph models that run functions, and lists of
 * tensors.  Called by tfjs_graph.c through tfjs_ops.def.
 *
 *	If         two sub-graphs that stand on the arguments
 *	While      Loop with the variables as state; the condition is computed once
 *	           before, and again at the end of each round
 *	lists      sequences; what has been reserved and not set is zero
 *
 * A TensorArray is the list that flows: its handle is not looked at.
 */
#include <config.h>

#include "runtime/tfjs_op.h"

#include <stdlib.h>

void rt_tfjs_op_same(struct rt_tfjs_op *c)
{
	for (int i = 0; i < c->in_count; i++)
		rt_tfjs_op_give(c, c->in[i]);
}

void rt_tfjs_op_print(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(c, rt_tfjs_op_in(c, 0));
}

/* Switch outside of a loop: both branches are computed, Merge chooses (tfjs_loop.c). */
void rt_tfjs_op_both(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(c, rt_tfjs_op_in(c, 0));
	rt_tfjs_op_give(c, rt_tfjs_op_in(c, 0));
}

/* A node that is only waited for. */
void rt_tfjs_op_nothing(struct rt_tfjs_op *c)
{
	(void)c;
}

/* ---- functions ------------------------------------------------------------------------------- */

void rt_tfjs_op_call(struct rt_tfjs_op *c)
{
	int count = rt_tfjs_graph_call(c, rt_tfjs_op_func(c, "f"), c->in_count, c->in,
				       RT_TFJS_ARGS_MAX, c->out);

	c->out_count = count > 0 ? count : 0;
}

/* The graph at hand gets these outputs. */
static void put_outputs(struct rt_lower *l, int count, const int *v)
{
	for (int i = 0; i < count; i++)
		rt_lower_output(l, v[i], "");
}

/* A sub-graph that calls a function with the values of ${args} around it. */
static struct rt_graph *branch(struct rt_tfjs_op *c, const char *name, int count, const int *args,
			       int *scratch, int *ret_outs)
{
	struct rt_lower_place place = rt_lower_enter(c->l);
	int *outs = scratch + count, got;

	for (int i = 0; i < count; i++)
		scratch[i] = rt_lower_outer(c->l, args[i]);
	got =
	    rt_tfjs_graph_call(c, rt_tfjs_op_func(c, name), count, scratch, RT_TFJS_ARGS_MAX, outs);
	if (got >= 0) {
		rt_lower_ports(c->l, 0, got);
		put_outputs(c->l, got, outs);
	}
	*ret_outs = got;
	return rt_lower_leave(c->l, place);
}

static int *scratch_of(struct rt_tfjs_op *c)
{
	int *scratch = calloc((size_t)c->in_count + (size_t)3 * RT_TFJS_ARGS_MAX, sizeof(*scratch));

	if (scratch == NULL)
		(void)rt_lower_fail(c->l, RT_MEMORY, "out of memory");
	return scratch;
}

void rt_tfjs_op_if(struct rt_tfjs_op *c)
{
	int *scratch = scratch_of(c), outs = -1, others = -1, y, condition;
	struct rt_graph *yes, *no;

	if (scratch == NULL || c->in_count < 1) {
		free(scratch);
		(void)rt_lower_fail(c->l, RT_MALFORMED, "If without a condition");
		return;
	}
	condition = rt_lower_cast(c->l, c->in[0], RT_BOOL);
	yes = branch(c, "then_branch", c->in_count - 1, c->in + 1, scratch, &outs);
	no = branch(c, "else_branch", c->in_count - 1, c->in + 1, scratch, &others);
	free(scratch);
	if (outs != others)
		(void)rt_lower_fail(c->l, RT_MALFORMED, "If with %d and %d outputs", outs, others);
	if (c->l->status < 0 || outs == 0)
		return;
	y = rt_lower_node(c->l, RT_ONNX, "If", 1, &condition, outs);
	rt_lower_set_graph(c->l, "then_branch", yes);
	rt_lower_set_graph(c->l, "else_branch", no);
	for (int i = 0; i < outs; i++)
		rt_tfjs_op_give(c, y + i);
}

/* The body of Loop: (round, condition, variables…) → (condition, variables…). */
static struct rt_graph *loop_body(struct rt_tfjs_op *c, int *scratch)
{
	struct rt_lower *l = c->l;
	int n = c->in_count, *args = scratch, *outs = scratch + n, got = -1;
	struct rt_graph *around = l->graph;
	struct rt_lower_place place;
	struct rt_shape scalar = {.rank = 0};

	for (int i = 0; i < n; i++)
		(void)rt_lower_dtype(l, c->in[i]); /* settled before the body asks */
	place = rt_lower_enter(l);
	rt_lower_ports(l, n + 2, n + 1);
	(void)rt_lower_input(l, "round", RT_I64, &scalar);
	(void)rt_lower_input(l, "condition", RT_BOOL, &scalar);
	for (int i = 0; i < n && l->status == RT_OK; i++)
		args[i] = rt_lower_input(l, "variable", around->values[c->in[i]].dtype, NULL);
	if (l->status == RT_OK)
		got = rt_tfjs_graph_call(c, rt_tfjs_op_func(c, "body"), n, args, n, outs + 1);
	if (got >= 0 && got != n)
		(void)rt_lower_fail(l, RT_MALFORMED, "While of %d variables gives %d", n, got);
	if (l->status == RT_OK &&
	    rt_tfjs_graph_call(c, rt_tfjs_op_func(c, "cond"), n, outs + 1, 1, outs) != 1)
		(void)rt_lower_fail(l, RT_MALFORMED, "While without a condition");
	if (l->status == RT_OK) {
		outs[0] = rt_lower_cast(l, outs[0], RT_BOOL);
		put_outputs(l, n + 1, outs);
	}
	return rt_lower_leave(l, place);
}

void rt_tfjs_op_while(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int *scratch = scratch_of(c), n = c->in_count, y;
	struct rt_graph *body;

	if (scratch == NULL)
		return;
	if (n == 0 ||
	    rt_tfjs_graph_call(c, rt_tfjs_op_func(c, "cond"), n, c->in, 1, scratch + n + 3) != 1) {
		(void)rt_lower_fail(l, RT_MALFORMED, "While without a condition");
		free(scratch);
		return;
	}
	y = rt_lower_cast(l, scratch[n + 3], RT_BOOL);
	body = loop_body(c, scratch);
	scratch[0] = RT_NO_VALUE;
	scratch[1] = y;
	for (int i = 0; i < n; i++)
		scratch[2 + i] = c->in[i];
	y = rt_lower_node(l, RT_ONNX, "Loop", n + 2, scratch, n);
	free(scratch);
	if (l->status < 0)
		return;
	rt_lower_set_graph(l, "body", body);
	for (int i = 0; i < n; i++)
		rt_tfjs_op_give(c, y + i);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static int from_tensor(struct rt_tfjs_op *c, int x)
{
	x = rt_lower_op1(c->l, "SplitToSequence", x);
	rt_lower_set_int(c->l, "axis", 0);
	rt_lower_set_int(c->l, "keepdims", 0);
	return x;
}

static int stacked(struct rt_tfjs_op *c, int list, bool new_axis)
{
	list = rt_lower_op1(c->l, "ConcatFromSequence", list);
	rt_lower_set_int(c->l, "axis", 0);
	rt_lower_set_int(c->l, "new_axis", new_axis);
	return list;
}

static enum rt_dtype element_type(const struct rt_tfjs_op *c)
{
	enum rt_dtype t = rt_tfjs_op_dtype(c, "element_dtype");

	return t != RT_NONE ? t : rt_tfjs_op_dtype(c, "dtype");
}

/* ${count}: int64[1]; zeros of the element's shape where input ${shape} knows it. */
static int reserved(struct rt_tfjs_op *c, int count, int shape)
{
	struct rt_lower *l = c->l;
	int64_t dims[RT_RANK_MAX];
	int n = shape < 0 ? -1 : rt_tfjs_op_numbers(c, shape, RT_RANK_MAX - 1, dims), y = count;

	for (int i = 0; i < n; i++) {
		if (dims[i] < 0)
			n = -1;
	}
	if (n > 0) {
		y = rt_lower_op2(l, "Concat", count, rt_lower_i64s(l, n, dims));
		rt_lower_set_int(l, "axis", 0);
	}
	y = rt_lower_op2(l, "Expand", rt_lower_scalar(l, element_type(c), 0), y);
	return from_tensor(c, y);
}

void rt_tfjs_op_list_reserve(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(c, reserved(c, rt_tfjs_op_i64(c, 1, 1), 0));
}

void rt_tfjs_op_list_empty(struct rt_tfjs_op *c)
{
	int y = rt_lower_node(c->l, RT_ONNX, "SequenceEmpty", 0, NULL, 1);

	rt_lower_set_int(c->l, "dtype",
			 element_type(c) == RT_I32    ? 6
			 : element_type(c) == RT_BOOL ? 9
						      : 1);
	rt_tfjs_op_give(c, y);
}

void rt_tfjs_op_list_from(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(c, from_tensor(c, rt_tfjs_op_in(c, 0)));
}

void rt_tfjs_op_list_get(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(
	    c, rt_lower_op2(c->l, "SequenceAt", rt_tfjs_op_in(c, 0), rt_tfjs_op_i64(c, 1, 0)));
}

static int with_item(struct rt_tfjs_op *c, int list, int index, int item)
{
	list = rt_lower_op2(c->l, "SequenceErase", list, index);
	return rt_lower_op3(c->l, "SequenceInsert", list, item, index);
}

void rt_tfjs_op_list_set(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(
	    c, with_item(c, rt_tfjs_op_in(c, 0), rt_tfjs_op_i64(c, 1, 0), rt_tfjs_op_in(c, 2)));
}

void rt_tfjs_op_list_stack(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(c, stacked(c, rt_tfjs_op_in(c, 0), true));
}

void rt_tfjs_op_list_push(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(
	    c, rt_lower_op2(c->l, "SequenceInsert", rt_tfjs_op_in(c, 0), rt_tfjs_op_in(c, 1)));
}

void rt_tfjs_op_list_length(struct rt_tfjs_op *c)
{
	int y = rt_lower_op1(c->l, "SequenceLength", rt_tfjs_op_in(c, 0));

	rt_tfjs_op_give(c, rt_lower_cast(c->l, y, RT_I32));
}

void rt_tfjs_op_list_concat(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(c, stacked(c, rt_tfjs_op_in(c, 0), false));
}

/* (list, indices, element shape) */
void rt_tfjs_op_list_gather(struct rt_tfjs_op *c)
{
	int all = stacked(c, rt_tfjs_op_in(c, 0), true);

	rt_tfjs_op_give(c, rt_lower_op2(c->l, "Gather", all, rt_tfjs_op_in(c, 1)));
}

/* (tensor, indices, element shape, [count]): rows at indices, zeros elsewhere */
void rt_tfjs_op_list_scatter(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int x = rt_tfjs_op_in(c, 0), indices = rt_tfjs_op_i64(c, 1, 1), most, count, tail;
	int64_t given = -1;

	most = rt_lower_op2(l, "ReduceMax", indices, rt_lower_i64(l, 0));
	count = rt_lower_op2(l, "Add", most, rt_lower_i64(l, 1));
	if (c->in_count > 3 && (!rt_tfjs_op_number(c, 3, &given) || given >= 0))
		count = rt_lower_op2(l, "Max", count, rt_tfjs_op_i64(c, 3, 1));
	tail = rt_lower_op3(l, "Slice", rt_tfjs_op_shape(c, x), rt_lower_i64(l, 1),
			    rt_lower_i64(l, INT64_MAX));
	count = rt_lower_op2(l, "Concat", count, tail);
	rt_lower_set_int(l, "axis", 0);
	count = rt_lower_op2(l, "Expand", rt_lower_scalar(l, rt_lower_dtype(l, x), 0), count);
	indices = rt_lower_unsqueeze(l, indices, 1, (int64_t[]){-1});
	rt_tfjs_op_give(c, from_tensor(c, rt_lower_op3(l, "ScatterND", count, indices, x)));
}

static int in_pieces(struct rt_tfjs_op *c, int x, int lengths)
{
	x = rt_lower_op2(c->l, "SplitToSequence", x, lengths);
	rt_lower_set_int(c->l, "axis", 0);
	return x;
}

/* (tensor, element shape, lengths) */
void rt_tfjs_op_list_split(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(c, in_pieces(c, rt_tfjs_op_in(c, 0), rt_tfjs_op_i64(c, 2, 1)));
}

/* (list, element shape): the list without its last, and that */
void rt_tfjs_op_list_pop(struct rt_tfjs_op *c)
{
	int list = rt_tfjs_op_in(c, 0), last = rt_lower_scalar(c->l, RT_I64, -1);

	rt_tfjs_op_give(c, rt_lower_op2(c->l, "SequenceErase", list, last));
	rt_tfjs_op_give(c, rt_lower_op2(c->l, "SequenceAt", list, last));
}

/* ---- TensorArray ----------------------------------------------------------------------------- */

/* TensorArrayV3(size): handle, flow */
void rt_tfjs_op_array(struct rt_tfjs_op *c)
{
	int y = reserved(c, rt_tfjs_op_i64(c, 0, 1), -1);

	rt_tfjs_op_give(c, y);
	rt_tfjs_op_give(c, y);
}

/* (handle, index, flow) */
void rt_tfjs_op_array_read(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(
	    c, rt_lower_op2(c->l, "SequenceAt", rt_tfjs_op_in(c, 2), rt_tfjs_op_i64(c, 1, 0)));
}

/* (handle, index, value, flow) */
void rt_tfjs_op_array_write(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(
	    c, with_item(c, rt_tfjs_op_in(c, 3), rt_tfjs_op_i64(c, 1, 0), rt_tfjs_op_in(c, 2)));
}

/* (handle, indices, flow) */
void rt_tfjs_op_array_gather(struct rt_tfjs_op *c)
{
	int all = stacked(c, rt_tfjs_op_in(c, 2), true);

	rt_tfjs_op_give(c, rt_lower_op2(c->l, "Gather", all, rt_tfjs_op_in(c, 1)));
}

/* (handle, indices, value, flow): the indices are 0, 1, … as TensorArray.unstack makes them */
void rt_tfjs_op_array_scatter(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(c, from_tensor(c, rt_tfjs_op_in(c, 2)));
}

/* (handle, flow) */
void rt_tfjs_op_array_concat(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(c, stacked(c, rt_tfjs_op_in(c, 1), false));
}

/* (handle, value, lengths, flow) */
void rt_tfjs_op_array_split(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(c, in_pieces(c, rt_tfjs_op_in(c, 1), rt_tfjs_op_i64(c, 2, 1)));
}

/* (handle, flow) */
void rt_tfjs_op_array_size(struct rt_tfjs_op *c)
{
	int y = rt_lower_op1(c->l, "SequenceLength", rt_tfjs_op_in(c, 1));

	rt_tfjs_op_give(c, rt_lower_cast(c->l, y, RT_I32));
}
