/* SPDX-License-Identifier: MIT */
/*
 * where.c — Where: out = condition ? X : Y, the three broadcast together.  A
 * mover: knows elements by their size.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

struct text {
	uint64_t a, b;
};
struct where {
	const struct rt_walk *w;
	const uint8_t *condition;
	const void *x, *y;
	void *out;
};

#define PART(name, T)                                                                              \
	static void name(void *arg, const int64_t *at, int64_t n)                                  \
	{                                                                                          \
		const struct where *s = arg;                                                       \
		const int64_t *step = s->w->inner_strides;                                         \
		const uint8_t *c = s->condition + at[1];                                           \
		const T *x = (const T *)s->x + at[2], *y = (const T *)s->y + at[3];                \
		T *out = (T *)s->out + at[0];                                                      \
		for (int64_t i = 0; i < n; i++)                                                    \
			out[i] = c[i * step[1]] ? x[i * step[2]] : y[i * step[3]];                 \
	}
PART(part_1, uint8_t)
PART(part_2, uint16_t)
PART(part_4, uint32_t)
PART(part_8, uint64_t)
PART(part_16, struct text)

static int where_bind(struct rt_bind *b, struct rt_error *err)
{
	const struct rt_value *v = b->graph->values;
	const int *in = b->node->in;

	if (in[0] < 0 || in[1] < 0 || in[2] < 0)
		return rt_error_set(err, RT_MALFORMED,
				    "an input is left out; all three are needed");
	if (v[in[0]].dtype != RT_BOOL)
		return rt_error_set(err, RT_MALFORMED, "condition is %s, not bool",
				    rt_dtype_name(v[in[0]].dtype));
	if (v[in[1]].dtype != v[in[2]].dtype)
		return rt_error_set(err, RT_MALFORMED, "X is %s, but Y is %s",
				    rt_dtype_name(v[in[1]].dtype), rt_dtype_name(v[in[2]].dtype));
	return RT_OK;
}

static int where_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in[3] = {&f->in[0].shape, &f->in[1].shape, &f->in[2].shape};
	struct rt_walk *w;
	char text[3][80];

	if (!rt_op_broadcast(in, 3, &f->out[0].shape))
		return rt_error_set(err, RT_INPUT, "shapes %s, %s and %s do not broadcast",
				    rt_shape_text(in[0], text[0], sizeof(text[0])),
				    rt_shape_text(in[1], text[1], sizeof(text[1])),
				    rt_shape_text(in[2], text[2], sizeof(text[2])));
	w = rt_infer_alloc(f, sizeof(*w));
	if (w == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	rt_walk_broadcast(w, &f->out[0].shape, in, 3);
	f->shape_state = w;
	return RT_OK;
}

static void where_run(const struct rt_run *r)
{
	struct where s = {.w = r->shape_state,
			  .condition = r->in[0].data,
			  .x = r->in[1].data,
			  .y = r->in[2].data,
			  .out = r->out[0].data};
	rt_walk_f *part = NULL;

	switch (rt_dtype_bits(r->out[0].dtype)) {
	case 8:
		part = part_1;
		break;
	case 16:
		part = part_2;
		break;
	case 32:
		part = part_4;
		break;
	case 64:
		part = part_8;
		break;
	default:
		part = part_16;
	}
	rt_walk_each(s.w, r->team, part, &s);
}

const struct rt_op rt_op_where = {
    .in_min = 3,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .type = rt_op_type_second,
    .bind = where_bind,
    .infer = where_infer,
    .run = where_run,
};
