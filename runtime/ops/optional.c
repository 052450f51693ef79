/* SPDX-License-Identifier: MIT */
/*
 * optional.c — Optional, OptionalHasElement, OptionalGetElement (ai.onnx 15).
 * From opset 18 on the latter two also take what is no optional, and
 * OptionalHasElement may be given nothing.
 */
#include <config.h>

#include "runtime/ops/ops.h"

static enum rt_dtype in_type(const struct rt_graph *g, const struct rt_node *n)
{
	return n->in_count > 0 && n->in[0] != RT_NO_VALUE ? g->values[n->in[0]].dtype : RT_NONE;
}

static int no_room(struct rt_error *err)
{
	return rt_error_set(err, RT_BUDGET, "no memory left for an optional");
}

static bool is_optional(enum rt_dtype t)
{
	return ((unsigned)t & RT_OPT) != 0;
}

/* ---- Optional -------------------------------------------------------------------------------- */

static int optional_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			 struct rt_error *err)
{
	const struct rt_attr *a = rt_node_attr(n, "type");
	enum rt_dtype t = in_type(g, n);

	if (t == RT_NONE && a != NULL && a->kind == RT_ATTR_TYPE)
		t = a->type;
	if (is_optional(t) && in_type(g, n) == RT_NONE)
		out[0] = t; /* some files give the type of the output */
	else
		out[0] = rt_dtype_in(RT_OPT, t);
	if (out[0] == RT_NONE)
		return rt_error_set(err, RT_UNSUPPORTED, "not for %s", rt_dtype_name(t));
	return RT_OK;
}

static int optional_eval(struct rt_eval *e, struct rt_error *err)
{
	bool full = e->run.in_count > 0 && e->run.in[0].dtype != RT_NONE;
	struct rt_list *l = rt_eval_list(e, 0, full);

	if (l == NULL || (full && !rt_eval_item_copy(e, l, 0, &e->run.in[0])))
		return no_room(err);
	return RT_OK;
}

const struct rt_op rt_op_optional = {
    .in_min = 0,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .takes_lists = true,
    .type = optional_type,
    .eval = optional_eval,
};

/* ---- OptionalHasElement ---------------------------------------------------------------------- */

static int has_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		    struct rt_error *err)
{
	(void)g, (void)n, (void)err;
	out[0] = RT_BOOL;
	return RT_OK;
}

static int has_eval(struct rt_eval *e, struct rt_error *err)
{
	const struct rt_tensor *t = e->run.in_count > 0 ? &e->run.in[0] : NULL;
	const struct rt_shape scalar = {.rank = 0};
	uint8_t *out = rt_eval_output(e, 0, &scalar);

	if (out == NULL)
		return no_room(err);
	*out = t != NULL && t->dtype != RT_NONE;
	if (*out && is_optional(t->dtype))
		*out = ((const struct rt_list *)t->data)->count > 0;
	return RT_OK;
}

const struct rt_op rt_op_optional_has_element = {
    .in_min = 0,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .takes_lists = true,
    .type = has_type,
    .eval = has_eval,
};

/* ---- OptionalGetElement ---------------------------------------------------------------------- */

static int get_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		    struct rt_error *err)
{
	enum rt_dtype t = in_type(g, n);

	(void)err;
	out[0] = is_optional(t) ? rt_dtype_item(t) : t;
	return RT_OK;
}

static int get_eval(struct rt_eval *e, struct rt_error *err)
{
	const struct rt_tensor *t = &e->run.in[0];
	const struct rt_list *l = t->data;
	struct rt_list *copy;

	if (is_optional(t->dtype)) {
		if (l->count == 0)
			return rt_error_set(err, RT_DATA, "there is nothing in the optional");
		return rt_eval_give_item(e, 0, l, 0) ? RT_OK : no_room(err);
	}
	if (rt_dtype_is_list(t->dtype))
		return rt_eval_give(e, 0, l) ? RT_OK : no_room(err);
	/* A tensor: its data may be in memory that the plan uses again. */
	copy = rt_eval_list(e, 0, 1);
	if (copy == NULL || !rt_eval_item_copy(e, copy, 0, t) || !rt_eval_give_item(e, 0, copy, 0))
		return no_room(err);
	return RT_OK;
}

const struct rt_op rt_op_optional_get_element = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .takes_lists = true,
    .type = get_type,
    .eval = get_eval,
};
