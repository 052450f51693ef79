/* SPDX-License-Identifier: MIT */
/*
 * scan8.c — Scan as it was in opset 8, with a batch axis in front of everything:
 *
 *	inputs   sequence_lens [batch] (may be left out), state.. [batch, …],
 *	         scanned.. [batch, steps, …]
 *	outputs  state.. [batch, …], slices.. [batch, steps, …]
 *
 * Every item of the batch is a run of its own over as many steps as
 * sequence_lens has for it; what lies beyond in the outputs is 0.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/memory.h"
#include "runtime/ops/carry.h"
#include "runtime/ops/ops.h"

struct scan {
	struct rt_eval *e;
	const struct rt_graph *body;
	int states, scanned, stacked;
	int64_t batch, steps;
	struct rt_carry carry;
	struct rt_tensor *in, *out; /* of the body */
};

static int scan8_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		      struct rt_error *err)
{
	const struct rt_attr *a = rt_node_attr(n, "body");
	int64_t scanned = rt_node_int(n, "num_scan_inputs", 0);
	const struct rt_graph *body = a != NULL && a->kind == RT_ATTR_GRAPH ? a->graph : NULL;

	(void)g;
	if (body == NULL)
		return rt_error_set(err, RT_MALFORMED, "attribute body is not a graph");
	if (body->input_count != n->in_count - 1 || scanned < 1 || scanned > body->input_count ||
	    body->output_count != n->out_count || n->out_count < body->input_count - (int)scanned)
		return rt_error_set(
		    err, RT_MALFORMED, "a body of %d inputs and %d outputs for a Scan of %d and %d",
		    body->input_count, body->output_count, n->in_count - 1, n->out_count);
	for (int i = 1; i < n->in_count; i++) {
		if (n->in[i] == RT_NO_VALUE)
			return rt_error_set(err, RT_MALFORMED, "input %d is left out", i);
	}
	for (int i = 0; i < n->out_count; i++)
		out[i] = body->values[body->outputs[i]].dtype;
	return RT_OK;
}

/* Item ${at} of ${t} along its first ${axes} axes. */
static struct rt_tensor part_of(const struct rt_tensor *t, int axes, int64_t at)
{
	struct rt_tensor part = {.dtype = t->dtype, .shape.rank = t->shape.rank - axes};

	for (int d = 0; d < part.shape.rank; d++)
		part.shape.dims[d] = t->shape.dims[d + axes];
	part.data = (char *)t->data + (size_t)at * rt_tensor_bytes(&part);
	return part;
}

static int check_shapes(struct scan *s, struct rt_error *err)
{
	const struct rt_run *r = &s->e->run;

	s->batch = s->steps = -1;
	for (int i = 1; i < r->in_count; i++) {
		const struct rt_tensor *t = &r->in[i];
		bool is_scanned = i > s->states;
		int64_t batch = t->shape.rank > 0 ? t->shape.dims[0] : -1;
		int64_t steps = t->shape.rank > 1 ? t->shape.dims[1] : -1;

		if (t->dtype == RT_STR || rt_dtype_bits(t->dtype) < 8)
			return rt_error_set(err, RT_UNSUPPORTED, "%s in a Scan of opset 8",
					    rt_dtype_name(t->dtype));
		if (batch < 0 || (s->batch >= 0 && batch != s->batch) ||
		    (is_scanned && (steps < 0 || (s->steps >= 0 && steps != s->steps))))
			return rt_error_set(err, RT_INPUT, "input %d has another batch or length",
					    i);
		s->batch = batch;
		if (is_scanned)
			s->steps = steps;
	}
	if (r->in[0].dtype != RT_NONE &&
	    (r->in[0].dtype != RT_I64 || rt_tensor_elems(&r->in[0]) != s->batch))
		return rt_error_set(err, RT_INPUT, "sequence_lens is not one int64 per item");
	return RT_OK;
}

/* Output ${o} is [batch] and, for slices, [steps] of what the body gave. */
static int make_output(struct scan *s, int o, const struct rt_shape *each, struct rt_error *err)
{
	int axes = o < s->states ? 1 : 2;
	struct rt_shape all = {.rank = each->rank + axes, .dims = {s->batch, s->steps}};

	if (s->e->out[o].dtype == RT_NONE || s->e->out[o].data != NULL)
		return RT_OK;
	if (all.rank > RT_RANK_MAX || each->rank < 0)
		return rt_error_set(err, RT_UNSUPPORTED, "output %d has no shape that is known", o);
	for (int d = 0; d < each->rank; d++)
		all.dims[axes + d] = each->dims[d] < 0 ? 0 : each->dims[d];
	if (rt_eval_output(s->e, o, &all) == NULL)
		return rt_error_set(err, RT_BUDGET, "no room for output %d", o);
	return RT_OK;
}

static int put(struct scan *s, int o, int64_t at, const struct rt_tensor *t, struct rt_error *err)
{
	const struct rt_tensor *out = &s->e->out[o];
	struct rt_tensor to;
	int status = make_output(s, o, &t->shape, err);

	if (status < 0 || out->dtype == RT_NONE)
		return status;
	to = part_of(out, o < s->states ? 1 : 2, at);
	if (!rt_shape_equal(&to.shape, &t->shape) || to.dtype != t->dtype)
		return rt_error_set(err, RT_INPUT, "steps give slices of different shapes");
	if (rt_tensor_bytes(t) > 0)
		memcpy(to.data, t->data, rt_tensor_bytes(t));
	return RT_OK;
}

static int one_step(struct scan *s, int64_t item, int64_t t, int64_t length, struct rt_error *err)
{
	const struct rt_run *r = &s->e->run;
	int64_t count;
	const int64_t *back = rt_node_ints(r->node, "directions", &count);
	int status;

	for (int i = 0; i < s->states; i++)
		s->in[i] = s->carry.now[i];
	for (int i = 0; i < s->scanned; i++) {
		bool turned = back != NULL && i < count && back[i] != 0;

		s->in[s->states + i] = part_of(&r->in[1 + s->states + i], 2,
					       item * s->steps + (turned ? length - 1 - t : t));
	}
	status = rt_eval_subgraph(s->e, s->body, s->in, s->out, err);
	for (int i = 0; status == RT_OK && i < s->stacked; i++)
		status = put(s, s->states + i, item * s->steps + t, &s->out[s->states + i], err);
	return status == RT_OK ? rt_carry_next(&s->carry, s->out, err) : status;
}

static int one_item(struct scan *s, int64_t item, struct rt_error *err)
{
	const struct rt_run *r = &s->e->run;
	int64_t length = s->steps;
	int status = RT_OK;

	if (r->in[0].dtype != RT_NONE)
		length = ((const int64_t *)r->in[0].data)[item];
	if (length < 0 || length > s->steps)
		return rt_error_set(err, RT_DATA, "a sequence of %lld steps, of %lld",
				    (long long)length, (long long)s->steps);
	for (int i = 0; i < s->states; i++)
		s->carry.now[i] = part_of(&r->in[1 + i], 1, item);
	for (int64_t t = 0; t < length && status == RT_OK; t++)
		status = one_step(s, item, t, length, err);
	for (int i = 0; i < s->states && status == RT_OK; i++)
		status = put(s, i, item, &s->carry.now[i], err);
	return status;
}

static int all_items(struct scan *s, struct rt_error *err)
{
	int status = check_shapes(s, err);

	for (int64_t item = 0; status == RT_OK && item < s->batch; item++)
		status = one_item(s, item, err);
	/* Without a step only the body's declaration says what slices would be. */
	for (int o = 0; status == RT_OK && o < s->states + s->stacked; o++)
		status = make_output(s, o, &s->body->values[s->body->outputs[o]].shape, err);
	return status;
}

static int scan8_eval(struct rt_eval *e, struct rt_error *err)
{
	struct scan s = {.e = e, .body = rt_node_attr(e->run.node, "body")->graph};
	int status;

	s.scanned = (int)rt_node_int(e->run.node, "num_scan_inputs", 0);
	s.states = e->run.in_count - 1 - s.scanned;
	s.stacked = e->run.out_count - s.states;
	s.in = calloc((size_t)s.body->input_count + 1, sizeof(*s.in));
	s.out = calloc((size_t)s.body->output_count + 1, sizeof(*s.out));
	status = rt_carry_start(&s.carry, e, s.states, err);
	if (s.in == NULL || s.out == NULL)
		status = rt_error_set(err, RT_MEMORY, "out of memory");
	if (status == RT_OK)
		status = all_items(&s, err);
	rt_carry_release(&s.carry);
	free(s.in);
	free(s.out);
	return status;
}

const struct rt_op rt_op_scan8 = {
    .in_min = 0, /* the first may be left out; the body says how many there are */
    .in_max = RT_VARIADIC,
    .out_min = 1,
    .out_max = RT_VARIADIC,
    .type = scan8_type,
    .eval = scan8_eval,
};
