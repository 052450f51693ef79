/* SPDX-License-Identifier: MIT */
/* mapped.c — see mapped.h. */
#include <config.h>

#include <string.h>

#include "runtime/ops/mapped.h"
#include "runtime/ops/walk.h"

#define MAPPED_MAX (INT64_C(1) << 27) /* entries of a table */

struct rt_mapped *rt_mapped_new(struct rt_infer *f, const struct rt_shape *out,
				struct rt_error *err)
{
	struct rt_mapped *m = rt_infer_alloc(f, sizeof(*m));
	int64_t elems;

	if (m != NULL && !rt_shape_elems(out, &elems)) {
		(void)rt_error_set(err, RT_INPUT, "the output is too large");
		return NULL;
	}
	if (m != NULL) {
		m->rank = out->rank;
		m->outer = rt_walk_is_empty(out) ? 0 : 1;
	}
	for (int d = 0; m != NULL && d < out->rank; d++) {
		if (m->outer != 0 && out->dims[d] > MAPPED_MAX) {
			(void)rt_error_set(err, RT_BUDGET, "axis %d of size %lld", d,
					   (long long)out->dims[d]);
			return NULL;
		}
		m->dims[d] = out->dims[d];
		/* Nothing will be copied if a dimension is 0: no table, however long. */
		m->from[d] =
		    rt_infer_alloc(f, sizeof(int64_t) * (size_t)(m->outer == 0 ? 1 : out->dims[d]));
		if (m->from[d] == NULL)
			m = NULL;
		else if (m->outer != 0 && d < out->rank - 1)
			m->outer *= out->dims[d];
	}
	if (m == NULL)
		(void)rt_error_set(err, RT_MEMORY, "out of memory");
	return m;
}

void rt_mapped_scale(struct rt_mapped *m, const struct rt_shape *in)
{
	int64_t strides[RT_RANK_MAX];

	if (m->outer == 0)
		return;
	rt_walk_strides(in, strides);
	for (int d = 0; d < m->rank; d++) {
		for (int64_t i = 0; i < m->dims[d]; i++) {
			if (m->from[d][i] >= 0)
				m->from[d][i] *= strides[d];
		}
	}
}

struct mapping {
	const struct rt_mapped *m;
	size_t size;
	char *out;
	const char *in;
	const void *fill;
};

struct s16 {
	uint64_t a, b;
};

#define ROW(name, T)                                                                               \
	static void name(T *out, const T *in, const int64_t *from, int64_t n, const T *fill)       \
	{                                                                                          \
		for (int64_t i = 0; i < n; i++)                                                    \
			out[i] = in != NULL && from[i] >= 0 ? in[from[i]] : *fill;                 \
	}
ROW(row_1, uint8_t)
ROW(row_2, uint16_t)
ROW(row_4, uint32_t)
ROW(row_8, uint64_t)
ROW(row_16, struct s16)

static void one_row(const struct mapping *c, char *out, const char *in)
{
	const struct rt_mapped *m = c->m;
	const int64_t *from = m->from[m->rank - 1];
	int64_t n = m->dims[m->rank - 1];
	void *o = out;
	const void *x = in;

	switch (c->size) {
	case 1:
		row_1(o, x, from, n, c->fill);
		break;
	case 2:
		row_2(o, x, from, n, c->fill);
		break;
	case 4:
		row_4(o, x, from, n, c->fill);
		break;
	case 8:
		row_8(o, x, from, n, c->fill);
		break;
	default:
		row_16(o, x, from, n, c->fill);
	}
}

static void rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct mapping *c = arg;
	const struct rt_mapped *m = c->m;
	int64_t bytes = m->dims[m->rank - 1] * (int64_t)c->size;

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		int64_t rest = i, at = 0;
		bool outside = false;
		for (int d = m->rank - 2; d >= 0; d--) {
			int64_t from = m->from[d][rest % m->dims[d]];
			rest /= m->dims[d];
			outside |= from < 0;
			at += from;
		}
		one_row(c, c->out + i * bytes, outside ? NULL : c->in + at * (int64_t)c->size);
	}
}

void rt_mapped_copy(const struct rt_mapped *m, struct rt_team *team, size_t size, void *out,
		    const void *in, const void *fill)
{
	struct mapping c = {.m = m, .size = size, .out = out, .in = in, .fill = fill};

	if (m->outer == 0)
		return;
	if (m->rank == 0)
		memcpy(out, in, size);
	else
		rt_team_for(team, (size_t)m->outer, rt_walk_grain(m->dims[m->rank - 1]), rows, &c);
}
