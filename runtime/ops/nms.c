/* SPDX-License-Identifier: MIT */
/*
 * nms.c — NonMaxSuppression: per batch and class, boxes in order of score, each
 * kept unless it overlaps a kept one by more than iou_threshold.  The output is
 * [kept][batch, class, box].  Boxes are [y1, x1, y2, x2] in any order of
 * corners, or [cx, cy, w, h] with center_point_box.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/memory.h"
#include "runtime/ops/convert.h"
#include "runtime/ops/ops.h"

struct box {
	float low[2], high[2];
};

static struct box box_of(const float *b, bool center)
{
	struct box o;

	for (int d = 0; d < 2; d++) {
		float a = center ? b[d] - b[d + 2] / 2 : b[d],
		      z = center ? b[d] + b[d + 2] / 2 : b[d + 2];
		o.low[d] = a < z ? a : z;
		o.high[d] = a < z ? z : a;
	}
	return o;
}

static float area(const struct box *b)
{
	return (b->high[0] - b->low[0]) * (b->high[1] - b->low[1]);
}

/* Intersection over union. */
static float overlap(const struct box *a, const struct box *b)
{
	float side[2], both, all;

	for (int d = 0; d < 2; d++) {
		float low = a->low[d] > b->low[d] ? a->low[d] : b->low[d];
		float high = a->high[d] < b->high[d] ? a->high[d] : b->high[d];
		side[d] = high > low ? high - low : 0;
	}
	both = side[0] * side[1];
	all = area(a) + area(b) - both;
	return both > 0 && all > 0 ? both / all : 0;
}

static int by_score(const void *a, const void *b, void *arg)
{
	const float *scores = arg;
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	if (scores[x] > scores[y])
		return -1;
	if (scores[x] < scores[y])
		return 1;
	return (x > y) - (x < y);
}

struct suppression {
	const float *boxes, *scores; /* [batch][n][4], [batch][classes][n] */
	int64_t batch, classes, n, most;
	float iou, score;
	bool has_score, center;
};

static int scalars(const struct rt_eval *e, struct suppression *s, struct rt_error *err)
{
	for (int i = 2; i < e->run.in_count; i++) {
		if (e->run.in[i].data != NULL && (!rt_convert_is_number(e->run.in[i].dtype) ||
						  rt_tensor_elems(&e->run.in[i]) != 1))
			return rt_error_set(err, RT_INPUT, "input %d is not one number", i);
	}
	if (e->run.in_count > 2 && e->run.in[2].data != NULL)
		s->most = rt_convert_get_i64(&e->run.in[2], 0);
	if (e->run.in_count > 3 && e->run.in[3].data != NULL)
		s->iou = (float)rt_convert_get_f64(&e->run.in[3], 0);
	if (e->run.in_count > 4 && e->run.in[4].data != NULL) {
		s->score = (float)rt_convert_get_f64(&e->run.in[4], 0);
		s->has_score = true;
	}
	return RT_OK;
}

/* The boxes that one class of one batch keeps, in kept[]; returns their number. */
static int64_t suppress(const struct suppression *s, const float *boxes, const float *scores,
			int64_t *order, int64_t *kept)
{
	int64_t candidates = 0, count = 0;

	for (int64_t i = 0; i < s->n; i++) {
		if (!s->has_score || scores[i] > s->score)
			order[candidates++] = i;
	}
	qsort_r(order, (size_t)candidates, sizeof(*order), by_score, (void *)(uintptr_t)scores);
	for (int64_t i = 0; i < candidates && count < s->most; i++) {
		struct box b = box_of(boxes + order[i] * 4, s->center);
		bool keep = true;
		for (int64_t k = 0; keep && k < count; k++) {
			struct box other = box_of(boxes + kept[k] * 4, s->center);
			keep = !(overlap(&b, &other) > s->iou);
		}
		if (keep)
			kept[count++] = order[i];
	}
	return count;
}

static int nms_eval(struct rt_eval *e, struct rt_error *err)
{
	const struct rt_tensor *boxes = &e->run.in[0], *scores = &e->run.in[1];
	struct suppression s = {.boxes = boxes->data, .scores = scores->data};
	int64_t *order, *kept, *counts, *out, total = 0;
	struct rt_shape shape;
	int status;

	if (boxes->shape.rank != 3 || scores->shape.rank != 3 || boxes->shape.dims[2] != 4 ||
	    boxes->shape.dims[0] != scores->shape.dims[0] ||
	    boxes->shape.dims[1] != scores->shape.dims[2] || scores->dtype != RT_F32)
		return rt_error_set(
		    err, RT_INPUT,
		    "boxes are not [batch][n][4], or scores not [batch][classes][n]");
	status = scalars(e, &s, err);
	if (status != RT_OK)
		return status;
	s.batch = scores->shape.dims[0];
	s.classes = scores->shape.dims[1];
	s.n = scores->shape.dims[2];
	s.center = rt_node_int(e->run.node, "center_point_box", 0) != 0;
	if (s.n == 0 || s.batch == 0)
		s.classes = s.batch = 0;
	order = rt_memory_take(e->memory, (size_t)s.n * sizeof(*order), 64);
	kept = rt_memory_take(e->memory, (size_t)rt_tensor_elems(scores) * sizeof(*kept), 64);
	counts = rt_memory_take(e->memory, (size_t)(s.batch * s.classes) * sizeof(*counts), 64);
	if (order == NULL || kept == NULL || counts == NULL)
		return rt_error_set(err, RT_BUDGET, "no room for %lld boxes", (long long)s.n);
	for (int64_t c = 0; c < s.batch * s.classes; c++) {
		counts[c] = suppress(&s, s.boxes + c / s.classes * s.n * 4, s.scores + c * s.n,
				     order, kept + total);
		total += counts[c];
	}
	shape = rt_shape_of(2, total, INT64_C(3));
	out = rt_eval_output(e, 0, &shape);
	if (out == NULL)
		return rt_error_set(err, RT_BUDGET, "no room for the output");
	for (int64_t c = 0; c < s.batch * s.classes; c++) {
		for (int64_t i = 0; i < counts[c]; i++, out += 3, kept++) {
			out[0] = c / s.classes;
			out[1] = c % s.classes;
			out[2] = *kept;
		}
	}
	return RT_OK;
}

const struct rt_op rt_op_nms = {
    .in_min = 2,
    .in_max = 5,
    .out_min = 1,
    .out_max = 1,
    .type = rt_op_type_i64,
    .eval = nms_eval,
};
