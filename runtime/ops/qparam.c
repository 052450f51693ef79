/* SPDX-License-Identifier: MIT */
/*
 * qparam.c — see qparam.h.
 */
#include <config.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/qparam.h"
#include "runtime/ops/walk.h"

#define STRETCH 2048u /* numbers that are looked at twice while they are in the first cache */

/* Added to a number below 2²², it leaves the integer nearest to it (ties to even). */
#define ROUND 12582912.0f

static bool is_one(const struct rt_infer *f, int i, enum rt_dtype t)
{
	int64_t n;

	return i < f->in_count && f->in[i].dtype == t && rt_shape_elems(&f->in[i].shape, &n) &&
	       n == 1;
}

int rt_qparam_check(const struct rt_infer *f, enum rt_dtype t, int scale, int zero,
		    struct rt_error *err)
{
	if (!is_one(f, scale, RT_F32))
		return rt_error_set(err, RT_INPUT, "input %d, a scale, is not one float32", scale);
	if (zero < f->in_count && f->in[zero].dtype != RT_NONE && !is_one(f, zero, t))
		return rt_error_set(err, RT_INPUT, "input %d, a zero point, is not one %s", zero,
				    rt_dtype_name(t));
	return RT_OK;
}

struct rt_qparam rt_qparam_read(const struct rt_run *r, enum rt_dtype t, int scale, int zero)
{
	struct rt_qparam p = {.is_signed = t == RT_I8};

	p.scale = *(const float *)r->in[scale].data;
	if (zero < r->in_count && r->in[zero].data)
		p.zero = (int32_t)rt_convert_get_i64(&r->in[zero], 0);
	return p;
}

void rt_qparam_reals(const struct rt_qparam *p, size_t n, const void *q, float *to)
{
	const uint8_t *u = q;
	const int8_t *s = q;

	if (p->is_signed)
		for (size_t i = 0; i < n; i++)
			to[i] = (float)(s[i] - p->zero) * p->scale;
	else
		for (size_t i = 0; i < n; i++)
			to[i] = (float)(u[i] - p->zero) * p->scale;
}

void rt_qparam_bytes(const struct rt_qparam *p, size_t n, const float *x, void *to)
{
	uint8_t *out = to;
	float lo = (float)((p->is_signed ? -128 : 0) - p->zero);
	float hi = (float)((p->is_signed ? 127 : 255) - p->zero);

	for (size_t i = 0; i < n; i++) {
		float q = x[i] / p->scale;
		q = q > lo ? q : lo;
		q = q < hi ? q : hi;
		q += ROUND;
		out[i] = (uint8_t)((int32_t)(q - ROUND) + p->zero);
	}
}

/* What a thread has seen; on a line of its own. */
struct seen {
	_Alignas(RT_QPARAM_EXTREMES) float least, largest;
};

struct extremes {
	const struct rt_f32_row *row;
	const float *x;
	struct seen *seen; /* [threads] */
};

static void extremes_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct extremes *e = arg;
	struct seen *s = &e->seen[thread];
	float least[2] = {s->least}, largest[2] = {s->largest}; /* of the others, of a stretch */

	for (size_t i = begin, n; i < end; i += n) {
		n = end - i < STRETCH ? end - i : STRETCH;
		least[1] = e->row->reduce[RT_REDUCE_MIN](n, e->x + i);
		largest[1] = e->row->reduce[RT_REDUCE_MAX](n, e->x + i);
		least[0] = e->row->reduce[RT_REDUCE_MIN](2, least);
		largest[0] = e->row->reduce[RT_REDUCE_MAX](2, largest);
	}
	s->least = least[0];
	s->largest = largest[0];
}

void rt_qparam_extremes(struct rt_team *team, const struct rt_kernels *kernels, size_t n,
			const float *x, void *scratch, float to[2])
{
	struct extremes e = {.row = kernels->f32_row, .x = x, .seen = scratch};
	const float first = n ? x[0] : 0;
	float both[2];

	for (int t = 0; t < rt_team_threads(team); t++)
		e.seen[t] = (struct seen){.least = first, .largest = first};
	rt_team_for(team, n, rt_walk_grain(1), extremes_range, &e);
	to[0] = to[1] = first;
	for (int t = 0; t < rt_team_threads(team); t++) {
		both[0] = to[0];
		both[1] = e.seen[t].least;
		to[0] = e.row->reduce[RT_REDUCE_MIN](2, both);
		both[0] = to[1];
		both[1] = e.seen[t].largest;
		to[1] = e.row->reduce[RT_REDUCE_MAX](2, both);
	}
}

void rt_qparam_all(const struct rt_qparam *p, float to[256])
{
	uint8_t bytes[256];

	for (int i = 0; i < 256; i++)
		bytes[i] = (uint8_t)i;
	rt_qparam_reals(p, 256, bytes, to);
}
