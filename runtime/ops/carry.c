/* SPDX-License-Identifier: MIT */
/* carry.c — see carry.h. */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/memory.h"
#include "runtime/ops/carry.h"

static int no_room(struct rt_error *err)
{
	return rt_error_set(err, RT_BUDGET, "no room for what the iterations make");
}

int rt_carry_copy(struct rt_eval *e, const struct rt_tensor *t, void *to, struct rt_error *err)
{
	const struct rt_str *from = t->data;
	struct rt_str *strings = to;
	int64_t n = rt_tensor_elems(t);

	if (t->dtype != RT_STR) {
		if (n > 0)
			memcpy(to, t->data, rt_tensor_bytes(t));
		return RT_OK;
	}
	for (int64_t i = 0; i < n; i++) {
		char *bytes = rt_memory_take(e->memory, from[i].size, 1);
		if (bytes == NULL)
			return no_room(err);
		if (from[i].size > 0)
			memcpy(bytes, from[i].bytes, from[i].size);
		strings[i] = (struct rt_str){bytes, from[i].size};
	}
	return RT_OK;
}

int rt_carry_output(struct rt_eval *e, int i, const struct rt_tensor *t, struct rt_error *err)
{
	struct rt_tensor value = *t;

	if (e->out[i].dtype == RT_NONE)
		return RT_OK;
	if (!rt_eval_convert(e, &value, e->out[i].dtype))
		return rt_error_set(err, RT_MALFORMED, "output %d is %s, not %s", i,
				    rt_dtype_name(t->dtype), rt_dtype_name(e->out[i].dtype));
	if (rt_dtype_is_list(value.dtype))
		return rt_eval_give(e, i, value.data) ? RT_OK : no_room(err);
	t = &value;
	if (rt_eval_output(e, i, &t->shape) == NULL)
		return no_room(err);
	return rt_carry_copy(e, t, e->out[i].data, err);
}

/* ---- carried values -------------------------------------------------------------------------- */

int rt_carry_start(struct rt_carry *c, struct rt_eval *e, int count, struct rt_error *err)
{
	size_t n = (size_t)count + 1;

	*c = (struct rt_carry){.eval = e, .count = count};
	c->now = calloc(n, sizeof(*c->now));
	for (int k = 0; k < 2; k++) {
		c->buffer[k] = calloc(n, sizeof(*c->buffer[k]));
		c->size[k] = calloc(n, sizeof(*c->size[k]));
		c->held[k] = calloc(n, sizeof(struct rt_shared *));
	}
	if (c->now == NULL || c->buffer[0] == NULL || c->buffer[1] == NULL || c->size[0] == NULL ||
	    c->size[1] == NULL || c->held[0] == NULL || c->held[1] == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	return RT_OK;
}

int rt_carry_next(struct rt_carry *c, const struct rt_tensor *outputs, struct rt_error *err)
{
	void **buffer = c->buffer[c->turn];
	size_t *size = c->size[c->turn];

	for (int i = 0; i < c->count; i++) {
		size_t need = rt_tensor_bytes(&outputs[i]);
		int status;

		if (rt_dtype_is_list(outputs[i].dtype)) {
			rt_eval_drop(c->eval, c->held[c->turn][i]);
			c->held[c->turn][i] = rt_eval_hold(outputs[i].data);
			c->now[i] = outputs[i];
			continue;
		}
		if (need > size[i] || buffer[i] == NULL) {
			rt_eval_uncount(c->eval, size[i]);
			free(buffer[i]);
			buffer[i] = NULL;
			size[i] = 0;
			if (!rt_eval_count(c->eval, need))
				return no_room(err);
			size[i] = need;
			buffer[i] = malloc(need + 1);
			/* fanalyzer-suppress malloc-leak: c has it, rt_carry_release() frees it */
			if (buffer[i] == NULL)
				return rt_error_set(err, RT_MEMORY, "out of memory");
		}
		/* fanalyzer-suppress malloc-leak: c has it, rt_carry_release() frees it */
		status = rt_carry_copy(c->eval, &outputs[i], buffer[i], err);
		if (status != RT_OK)
			return status;
		c->now[i] = outputs[i];
		c->now[i].data = buffer[i];
	}
	c->turn = !c->turn;
	return RT_OK;
}

void rt_carry_release(struct rt_carry *c)
{
	for (int k = 0; k < 2; k++) {
		for (int i = 0; c->buffer[k] != NULL && i < c->count; i++)
			free(c->buffer[k][i]);
		for (int i = 0; c->size[k] != NULL && i < c->count; i++)
			rt_eval_uncount(c->eval, c->size[k][i]);
		for (int i = 0; c->held[k] != NULL && i < c->count; i++)
			rt_eval_drop(c->eval, c->held[k][i]);
		free(c->buffer[k]);
		free(c->size[k]);
		free(c->held[k]);
	}
	free(c->now);
}

/* ---- stacked slices -------------------------------------------------------------------------- */

int rt_carry_stack_push(struct rt_carry_stack *s, struct rt_eval *e, const struct rt_tensor *slice,
			struct rt_error *err)
{
	size_t need = rt_tensor_bytes(slice);
	int status;

	if (rt_dtype_is_list(slice->dtype))
		return rt_error_set(err, RT_UNSUPPORTED, "slices of %s",
				    rt_dtype_name(slice->dtype));
	if (s->count == 0) {
		s->shape = slice->shape;
		s->dtype = slice->dtype;
	}
	if (!rt_shape_equal(&s->shape, &slice->shape) || s->dtype != slice->dtype)
		return rt_error_set(err, RT_INPUT, "iterations give slices of different shapes");
	if (need > SIZE_MAX / 4 - s->bytes)
		return no_room(err);
	if (s->bytes + need > s->room) {
		size_t room = s->room * 2 > s->bytes + need ? s->room * 2 : s->bytes + need;
		char *data;

		if (!rt_eval_count(e, room - s->room))
			return no_room(err);
		data = realloc(s->data, room);
		if (data == NULL) {
			rt_eval_uncount(e, room - s->room);
			return rt_error_set(err, RT_MEMORY, "out of memory");
		}
		s->data = data;
		s->room = room;
	}
	if (need > 0) {
		status = rt_carry_copy(e, slice, s->data + s->bytes, err);
		if (status != RT_OK)
			return status;
	}
	s->bytes += need;
	s->count++;
	return RT_OK;
}

int rt_carry_stack_output(struct rt_carry_stack *s, struct rt_eval *e, int i,
			  const struct rt_shape *otherwise, struct rt_error *err)
{
	struct rt_shape slice = s->count > 0 ? s->shape : *otherwise, all;

	if (e->out[i].dtype == RT_NONE)
		return RT_OK;
	if (slice.rank < 0)
		slice.rank = 0;
	if (slice.rank + 1 > RT_RANK_MAX)
		return rt_error_set(err, RT_UNSUPPORTED, "output %d has more than %d dimensions", i,
				    RT_RANK_MAX);
	all = (struct rt_shape){.rank = slice.rank + 1, .dims = {s->count}};
	for (int d = 0; d < slice.rank; d++)
		all.dims[d + 1] = slice.dims[d] < 0 ? 0 : slice.dims[d];
	if (rt_eval_output(e, i, &all) == NULL)
		return no_room(err);
	if (s->bytes > 0)
		memcpy(e->out[i].data, s->data, s->bytes);
	return RT_OK;
}

void rt_carry_stack_release(struct rt_carry_stack *s, struct rt_eval *e)
{
	rt_eval_uncount(e, s->room);
	free(s->data);
}
