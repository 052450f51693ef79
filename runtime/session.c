/* SPDX-License-Identifier: MIT */
/*
 * session.c — one running instance of a model: checks what comes in, holds the
 * team for the length of a run, and hands out what frame.c made of it.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/guard.h"
#include "runtime/segment.h"

int rt_session_open(struct rt_model *model, struct rt_team *team, struct rt_session **out,
		    struct rt_error *err)
{
	struct rt_session *s = calloc(1, sizeof(*s));
	size_t held;

	if (s == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	s->model = model;
	s->team = team;
	held = rt_model_resident_bytes(model);
	s->ledger.budget = model->memory_budget > held ? model->memory_budget - held : 0;
	s->lists.ledger = &s->ledger;
	s->serial = rt_team_new(1);
	s->frame = rt_frame_new(s, model->graph);
	if (s->serial == NULL || s->frame == NULL) {
		rt_session_close(s);
		return rt_error_set(err, RT_MEMORY, "out of memory");
	}
	*out = s;
	return RT_OK;
}

void rt_session_close(struct rt_session *s)
{
	if (s == NULL)
		return;
	rt_frame_free(s->frame);
	rt_list_pool_release(&s->lists);
	rt_team_free(s->serial);
	free(s);
}

size_t rt_session_arena_bytes(const struct rt_session *s)
{
	return s->ledger.bytes;
}

/* ---- inputs ---------------------------------------------------------------------------------- */

static bool shape_fits(const struct rt_shape *declared, const struct rt_shape *is)
{
	if (declared->rank < 0)
		return true;
	if (declared->rank != is->rank)
		return false;
	for (int i = 0; i < is->rank; i++) {
		if (declared->dims[i] >= 0 && declared->dims[i] != is->dims[i])
			return false;
	}
	return true;
}

/* One tensor: of the input itself, or in a sequence or map. */
static int check_tensor(const struct rt_port *port, const struct rt_tensor *t, enum rt_dtype dtype,
			struct rt_error *err)
{
	unsigned bits = rt_dtype_bits(t->dtype);
	size_t bytes;

	if (t->dtype != dtype)
		return rt_error_set(err, RT_INPUT, "input '%s' is %s, %s was given", port->name,
				    rt_dtype_name(dtype), rt_dtype_name(t->dtype));
	if (t->shape.rank < 0 || t->shape.rank > RT_RANK_MAX ||
	    !rt_shape_bytes(&t->shape, t->dtype, &bytes))
		return rt_error_set(err, RT_INPUT, "input '%s' has a shape that is no shape",
				    port->name);
	if (bytes > 0 && t->data == NULL)
		return rt_error_set(err, RT_INPUT, "input '%s' has no data", port->name);
	if (t->dtype == RT_STR)
		bits = 8 * sizeof(void *);
	if (bits > 8 && (uintptr_t)t->data % (bits / 8) != 0)
		return rt_error_set(err, RT_INPUT, "input '%s' is not aligned to its elements",
				    port->name);
	return RT_OK;
}

/* A map: keys and values, of one length. */
static int check_map(const struct rt_port *port, const struct rt_list *l, enum rt_dtype dtype,
		     struct rt_error *err)
{
	enum rt_dtype key = ((unsigned)dtype & RT_MAP_STR) != 0 ? RT_STR : RT_I64;
	int status;

	if (l->count != 2 || l->items[0].shape.rank != 1 ||
	    !rt_shape_equal(&l->items[0].shape, &l->items[1].shape))
		return rt_error_set(err, RT_INPUT, "input '%s': a map without keys and values",
				    port->name);
	status = check_tensor(port, &l->items[0], key, err);
	return status < 0 ? status : check_tensor(port, &l->items[1], rt_dtype_elem(dtype), err);
}

/* Recursion: an optional of a sequence of maps is the deepest that there is. */
static int check_list(const struct rt_port *port, const struct rt_tensor *t, enum rt_dtype dtype,
		      struct rt_error *err)
{
	const struct rt_list *l = t->data;
	enum rt_dtype item = rt_dtype_item(dtype);
	int status = RT_OK;

	if (!rt_dtype_is_list(dtype))
		return check_tensor(port, t, dtype, err);
	if (t->dtype != dtype)
		return rt_error_set(err, RT_INPUT, "input '%s' is %s, %s was given", port->name,
				    rt_dtype_name(dtype), rt_dtype_name(t->dtype));
	if (l == NULL || l->count < 0 || (l->count > 0 && l->items == NULL) || t->shape.rank != 0 ||
	    (dtype == rt_dtype_in(RT_OPT, item) && l->count > 1))
		return rt_error_set(err, RT_INPUT, "input '%s' is no %s", port->name,
				    rt_dtype_name(dtype));
	if (item == RT_NONE)
		return check_map(port, l, dtype, err);
	for (int64_t i = 0; i < l->count && status == RT_OK; i++)
		status = check_list(port, &l->items[i], item, err);
	return status;
}

static int check_input(const struct rt_port *port, const struct rt_tensor *t, struct rt_error *err)
{
	char want[256], is[256];
	int status = check_list(port, t, port->dtype, err);

	if (status == RT_OK && !shape_fits(&port->shape, &t->shape))
		return rt_error_set(err, RT_INPUT, "input '%s' has shape %s, %s was given",
				    port->name, rt_shape_text(&port->shape, want, sizeof(want)),
				    rt_shape_text(&t->shape, is, sizeof(is)));
	return status;
}

/* Values that are no tensors are copied: the run shares parts of them. */
static int own_list(struct rt_session *s, int64_t i, struct rt_tensor *t, struct rt_error *err)
{
	if (s->given == NULL)
		s->given = rt_list_new(&s->lists, (int64_t)s->model->input_count);
	if (s->given == NULL || !rt_list_copy(&s->lists, s->given, i, t))
		return rt_error_set(err, RT_BUDGET, "no memory left for input '%s'",
				    s->model->inputs[i].name);
	*t = s->given->items[i];
	return RT_OK;
}

/* Check the inputs and put those that are no constants into ${given}. */
static int gather(struct rt_session *s, const struct rt_tensor *inputs, struct rt_tensor *given,
		  struct rt_error *err)
{
	static const struct rt_list empty = {0, NULL};
	static char nothing[64]; /* what an input without elements points to */
	int at = 0;

	for (size_t i = 0; i < s->model->input_count; i++) {
		const struct rt_port *port = &s->model->inputs[i];
		int status;

		if (port->optional) {
			if (inputs[i].data != NULL)
				return rt_error_set(err, RT_INPUT,
						    "input '%s' is fixed by the model", port->name);
			continue;
		}
		given[at] = inputs[i];
		if (given[at].data == NULL && ((unsigned)port->dtype & RT_OPT) != 0)
			memcpy(&given[at].data, &(const void *){&empty}, sizeof(void *));
		status = check_input(port, &given[at], err);
		if (status == RT_OK && rt_dtype_is_list(port->dtype))
			status = own_list(s, (int64_t)i, &given[at], err);
		if (status < 0)
			return status;
		if (given[at].data == NULL)
			given[at].data = nothing;
		at++;
	}
	return RT_OK;
}

/* The run, left in the middle when the model's bytes cannot be read. */
static int guarded_run(struct rt_session *s, const struct rt_tensor *given, const bool *wanted,
		       struct rt_tensor *outputs, struct rt_error *err)
{
	struct rt_guard g;
	int status;

	(void)rt_team_damaged(s->team); /* what was left of a run before */
	rt_guard_push(&g);
	if (sigsetjmp(g.at, 0) == 0) {
		status = rt_frame_run(s->frame, given, wanted, outputs, err);
		rt_guard_pop(&g);
		return status;
	}
	s->broken = true;
	return rt_error_set(err, RT_IO, "a part of the model cannot be read");
}

int rt_session_run(struct rt_session *s, const struct rt_tensor *inputs, struct rt_tensor *outputs,
		   const bool *wanted, const struct rt_run_opts *opts, struct rt_error *err)
{
	struct rt_tensor small[16], *given = small;
	size_t count = (size_t)s->frame->source_count;
	int status;

	if (s->broken)
		return rt_error_set(err, RT_IO, "a part of the model could not be read");
	if (count > sizeof(small) / sizeof(small[0])) {
		given = calloc(count, sizeof(*given));
		if (given == NULL)
			return rt_error_set(err, RT_MEMORY, "out of memory");
	}
	if (s->given != NULL)
		rt_list_drop(&s->lists, rt_list_self(s->given));
	s->given = NULL;
	status = gather(s, inputs, given, err);
	if (status == RT_OK) {
		s->opts = opts;
		atomic_store(&s->fault.state, 0);
		rt_team_enter(s->team);
		if (opts != NULL)
			rt_team_watch(s->team, opts->cancel, opts->deadline_ns);
		status = guarded_run(s, given, wanted, outputs, err);
		rt_team_leave(s->team);
		s->opts = NULL;
	}
	if (given != small)
		free(given);
	return status;
}
