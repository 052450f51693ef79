/* SPDX-License-Identifier: MIT */
/*
 * detect.c — DetectionPostProcess (larder domain, made by tflite_detect.c): boxes from
 * their encodings relative to anchors, the best of each class or of all that do
 * not overlap.  Inputs encodings [1][N][≥ 4] (y, x, h, w), scores [1][N][classes and
 * perhaps a background first], anchors [N][4] (y, x, h, w: centres and sizes).  Outputs
 * boxes [1][D][4] (y1, x1, y2, x2), classes [1][D], scores [1][D], count [1], all
 * float32; what is not detected is zeros.
 *
 *	regular   each class by itself keeps at most detections_per_class boxes; the
 *	          best max_detections of them all
 *	fast      a box counts with its best score; kept boxes give their best
 *	          max_classes_per_detection classes each
 *
 * Semantics: the public TensorFlow Lite kernel of that name.  Of equal scores that of the lower
 * box comes first, and that of the higher class.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/ops.h"

struct detect {
	int64_t most, per_box, classes, per_class;
	bool regular;
	float score, iou, scale[4]; /* y, x, h, w */
};

/* Scratch of one run. */
struct room {
	float *boxes;   /* [n][4] */
	float *best;    /* [n]: scores that count */
	int32_t *order; /* [n]: candidates */
	int32_t *kept;  /* [n] */
	float *score;   /* [most + kept of a class]: the best so far, regular only */
	int32_t *index; /* the same: box · columns + column */
};

static int detect_bind(struct rt_bind *b, struct rt_error *err)
{
	static const char *const scales[] = {"y_scale", "x_scale", "h_scale", "w_scale"};
	struct detect *d = b->state;

	d->most = rt_node_int(b->node, "max_detections", -1);
	d->per_box = rt_node_int(b->node, "max_classes_per_detection", -1);
	d->classes = rt_node_int(b->node, "num_classes", -1);
	d->per_class = rt_node_int(b->node, "detections_per_class", -1);
	d->regular = rt_node_int(b->node, "use_regular_nms", 0) > 0;
	d->score = rt_node_float(b->node, "nms_score_threshold", NAN);
	d->iou = rt_node_float(b->node, "nms_iou_threshold", NAN);
	for (int i = 0; i < 4; i++) {
		d->scale[i] = rt_node_float(b->node, scales[i], NAN);
		if (!(fabsf(d->scale[i]) > 0) || !isfinite(d->scale[i]))
			return rt_error_set(err, RT_MALFORMED, "%s is no number", scales[i]);
	}
	if (d->most < 1 || d->per_box < 1 || d->classes < 1 || d->per_class < 1 ||
	    d->most > 65536 || d->per_box > 65536 || d->per_class > 65536)
		return rt_error_set(err, RT_MALFORMED,
				    "numbers of detections or classes that are not 1 to 65536");
	if (!isfinite(d->score) || !(d->iou > 0 && d->iou <= 1))
		return rt_error_set(err, RT_MALFORMED, "thresholds that are none");
	if (d->per_box > d->classes)
		d->per_box = d->classes;
	return RT_OK;
}

static int detect_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		       struct rt_error *err)
{
	for (int i = 0; i < 3; i++)
		if (n->in[i] < 0 || g->values[n->in[i]].dtype != RT_F32)
			return rt_error_set(err, RT_MALFORMED, "input %d is not float32", i);
	for (int i = 0; i < n->out_count; i++)
		out[i] = RT_F32;
	return RT_OK;
}

static size_t room_bytes(const struct detect *d, int64_t n)
{
	return (size_t)n * 8 * 4 + (size_t)(d->most + d->per_class) * 8 + (size_t)d->classes * 4;
}

static int detect_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct detect *d = f->state;
	const struct rt_shape *x = &f->in[0].shape, *s = &f->in[1].shape, *a = &f->in[2].shape;
	const int64_t count = d->most * d->per_box;

	if (x->rank != 3 || s->rank != 3 || a->rank != 2 || x->dims[0] != 1 || s->dims[0] != 1 ||
	    x->dims[1] != s->dims[1] || x->dims[1] != a->dims[0] || x->dims[2] < 4 ||
	    a->dims[1] != 4 || s->dims[2] < d->classes || s->dims[2] > INT32_MAX / 2 ||
	    x->dims[1] > INT32_MAX / (s->dims[2] + 1))
		return rt_error_set(err, RT_INPUT,
				    "not encodings [1][n][4], scores [1][n][classes], anchors "
				    "[n][4] of the same n and enough classes");
	f->out[0].shape = rt_shape_of(3, INT64_C(1), count, INT64_C(4));
	f->out[1].shape = f->out[2].shape = rt_shape_of(2, INT64_C(1), count);
	f->out[3].shape = rt_shape_of(1, INT64_C(1));
	f->scratch_bytes = room_bytes(d, x->dims[1]);
	return RT_OK;
}

/* The encoding of a box is how far it is from its anchor, in sizes of the anchor, scaled. */
static void decode(const struct detect *d, const struct rt_run *r, float *boxes)
{
	const int64_t n = r->in[2].shape.dims[0], each = r->in[0].shape.dims[2];
	const float *x = r->in[0].data, *a = r->in[2].data;

	for (int64_t i = 0; i < n; i++, x += each, a += 4, boxes += 4) {
		for (int k = 0; k < 2; k++) { /* y, x */
			const float center = x[k] / d->scale[k] * a[2 + k] + a[k];
			const float half = 0.5f * expf(x[2 + k] / d->scale[2 + k]) * a[2 + k];

			boxes[k] = center - half;
			boxes[2 + k] = center + half;
		}
	}
}

static float area(const float *b)
{
	return (b[2] - b[0]) * (b[3] - b[1]);
}

static float overlap(const float *a, const float *b)
{
	const float y = fminf(a[2], b[2]) - fmaxf(a[0], b[0]);
	const float x = fminf(a[3], b[3]) - fmaxf(a[1], b[1]);
	const float both = y > 0 && x > 0 ? y * x : 0;

	if (!(area(a) > 0) || !(area(b) > 0))
		return 0;
	return both / (area(a) + area(b) - both);
}

/* Sorts ${order} by score, best first, equal ones as they were: a heap of what comes last. */
static bool after(const float *score, int32_t a, int32_t b)
{
	return score[a] < score[b] || (!(score[a] > score[b]) && a > b);
}

static void sift(const float *score, int32_t *order, int64_t at, int64_t count)
{
	for (int64_t child; (child = 2 * at + 1) < count; at = child) {
		const int32_t x = order[at];

		if (child + 1 < count && after(score, order[child + 1], order[child]))
			child++;
		if (!after(score, order[child], x))
			return;
		order[at] = order[child];
		order[child] = x;
	}
}

static void sort(const float *score, int32_t *order, int64_t count)
{
	for (int64_t i = count / 2; i-- > 0;)
		sift(score, order, i, count);
	for (int64_t last = count - 1; last > 0; last--) {
		const int32_t x = order[0];

		order[0] = order[last];
		order[last] = x;
		sift(score, order, 0, last);
	}
}

/* Boxes in order of their score, each kept unless it overlaps one that was: at most ${most}. */
static int64_t suppress(const struct detect *d, const struct room *m, int64_t n, int64_t most)
{
	int64_t candidates = 0, count = 0;

	for (int64_t i = 0; i < n; i++)
		if (m->best[i] >= d->score)
			m->order[candidates++] = (int32_t)i;
	sort(m->best, m->order, candidates);
	for (int64_t i = 0; i < candidates && count < most; i++) {
		const float *b = m->boxes + 4 * (int64_t)m->order[i];
		bool keep = true;

		for (int64_t k = 0; keep && k < count; k++)
			keep = !(overlap(m->boxes + 4 * (int64_t)m->kept[k], b) > d->iou);
		if (keep)
			m->kept[count++] = m->order[i];
	}
	return count;
}

static void put(const struct rt_run *r, const struct room *m, int64_t at, int32_t box, int64_t c,
		float score)
{
	if (r->out[0].data != NULL)
		memcpy((float *)r->out[0].data + 4 * at, m->boxes + 4 * (int64_t)box,
		       4 * sizeof(float));
	if (r->out[1].data != NULL)
		((float *)r->out[1].data)[at] = (float)c;
	if (r->out[2].data != NULL)
		((float *)r->out[2].data)[at] = score;
}

/* Puts what a class kept among the best so far, which stay sorted; the new number of them. */
static int64_t merge(const struct detect *d, const struct room *m, int64_t have, int64_t count,
		     int64_t columns, int64_t column)
{
	int64_t old = have - 1, new = count - 1, total = have + count;

	for (int64_t at = total - 1; new >= 0; at--) {
		if (old >= 0 && m->score[old] <= m->best[m->kept[new]]) {
			m->score[at] = m->score[old];
			m->index[at] = m->index[old--];
		} else {
			m->score[at] = m->best[m->kept[new]];
			m->index[at] = (int32_t)(m->kept[new --] * columns + column);
		}
	}
	return total < d->most ? total : d->most;
}

static int64_t run_regular(const struct rt_run *r, const struct detect *d, const struct room *m)
{
	const int64_t n = r->in[1].shape.dims[1], columns = r->in[1].shape.dims[2];
	const int64_t offset = columns - d->classes;
	const float *scores = r->in[1].data;
	int64_t have = 0;

	for (int64_t c = 0; c < d->classes; c++) {
		for (int64_t i = 0; i < n; i++)
			m->best[i] = scores[i * columns + offset + c];
		have = merge(d, m, have, suppress(d, m, n, d->per_class), columns, offset + c);
	}
	for (int64_t k = 0; k < have; k++)
		put(r, m, k, (int32_t)(m->index[k] / columns), m->index[k] % columns - offset,
		    m->score[k]);
	return have;
}

static int64_t run_fast(const struct rt_run *r, const struct detect *d, const struct room *m)
{
	const int64_t n = r->in[1].shape.dims[1], columns = r->in[1].shape.dims[2];
	const int64_t offset = columns - d->classes;
	const float *scores = (const float *)r->in[1].data + offset;
	int64_t count;

	for (int64_t i = 0; i < n; i++) {
		m->best[i] = scores[i * columns];
		for (int64_t c = 1; c < d->classes; c++)
			m->best[i] = fmaxf(m->best[i], scores[i * columns + c]);
	}
	count = suppress(d, m, n, d->most);
	for (int64_t k = 0; k < count; k++) {
		const float *row = scores + m->kept[k] * columns;

		for (int64_t c = 0; c < d->classes; c++)
			m->index[c] = (int32_t)c;
		sort(row, m->index, d->classes);
		for (int64_t c = 0; c < d->per_box; c++)
			put(r, m, k * d->per_box + c, m->kept[k], m->index[c], row[m->index[c]]);
	}
	return count;
}

static void detect_run(const struct rt_run *r)
{
	const struct detect *d = r->state;
	const int64_t n = r->in[1].shape.dims[1];
	struct room m = {.boxes = r->scratch};
	int64_t count;

	m.best = m.boxes + 4 * n;
	m.order = (void *)(m.best + n); /* the scratch has no type of its own */
	m.kept = m.order + n;
	m.score = (void *)(m.kept + n);
	m.index = (void *)(m.score + d->most + d->per_class);
	for (int i = 0; i < 3; i++)
		if (r->out[i].data != NULL)
			memset(r->out[i].data, 0, rt_tensor_bytes(&r->out[i]));
	decode(d, r, m.boxes);
	count = d->regular ? run_regular(r, d, &m) : run_fast(r, d, &m);
	if (r->out[3].data != NULL)
		*(float *)r->out[3].data = (float)count;
}

const struct rt_op rt_op_detect = {
    .in_min = 3,
    .in_max = 3,
    .out_min = 4,
    .out_max = 4,
    .state_bytes = sizeof(struct detect),
    .type = detect_type,
    .bind = detect_bind,
    .infer = detect_infer,
    .run = detect_run,
};
