/* SPDX-License-Identifier: MIT */
/*
 * ml_linear.c — ai.onnx.ml operators that are arithmetic on rows:
 *
 *	Binarizer         x > threshold
 *	Scaler            (x − offset) · scale
 *	Normalizer        x / max |x|, x / Σ |x| or x / √Σ x², per row
 *	Imputer           replaced_value → imputed_value
 *	LinearRegressor   x · coefficients + intercepts
 *	LinearClassifier  the same, with the label of the largest score
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/ml_score.h"
#include "runtime/ops/ops.h"

static const float *floats(const struct rt_node *n, const char *name, int64_t *count)
{
	const struct rt_attr *a = rt_node_attr(n, name);

	*count = 0;
	if (a == NULL || a->kind != RT_ATTR_FLOATS)
		return NULL;
	*count = a->count;
	return a->floats;
}

static int f32_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		    struct rt_error *err)
{
	(void)g, (void)n, (void)err;
	out[0] = RT_F32;
	return RT_OK;
}

/* Rows and columns: the last axis is a row. */
static void rows_of(const struct rt_tensor *t, int64_t *rows, int64_t *width)
{
	*width = t->shape.rank > 0 ? t->shape.dims[t->shape.rank - 1] : 1;
	*rows = *width > 0 ? rt_tensor_elems(t) / *width : 0;
}

/* ---- Binarizer, Scaler, Normalizer, Imputer -------------------------------------------------- */

static void binarizer_run(const struct rt_run *r)
{
	double threshold = (double)rt_node_float(r->node, "threshold", 0);

	for (int64_t i = 0; i < rt_tensor_elems(&r->in[0]); i++) {
		double x = rt_convert_get_f64(&r->in[0], i) > threshold;
		rt_convert_from_f64(r->out[0].dtype, &x, 1, r->out[0].data, i, true);
	}
}

const struct rt_op rt_op_binarizer = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .infer = rt_op_infer_same,
    .run = binarizer_run,
};

static int scaler_infer(struct rt_infer *f, struct rt_error *err)
{
	int64_t offsets, scales, width;
	int rank = f->in[0].shape.rank;

	(void)floats(f->node, "offset", &offsets);
	(void)floats(f->node, "scale", &scales);
	width = rank > 0 ? f->in[0].shape.dims[rank - 1] : 1;
	if ((offsets > 1 && offsets != width) || (scales > 1 && scales != width))
		return rt_error_set(err, RT_INPUT, "%lld offsets and %lld scales for %lld columns",
				    (long long)offsets, (long long)scales, (long long)width);
	f->out[0].shape = f->in[0].shape;
	return RT_OK;
}

static void scaler_run(const struct rt_run *r)
{
	int64_t offsets, scales, rows, width;
	const float *offset = floats(r->node, "offset", &offsets),
		    *scale = floats(r->node, "scale", &scales);
	float *out = r->out[0].data;

	rows_of(&r->in[0], &rows, &width);
	for (int64_t i = 0; i < rows * width; i++) {
		double x = rt_convert_get_f64(&r->in[0], i);
		if (offset != NULL && offsets > 0)
			x -= (double)offset[offsets > 1 ? i % width : 0];
		if (scale != NULL && scales > 0)
			x *= (double)scale[scales > 1 ? i % width : 0];
		out[i] = (float)x;
	}
}

const struct rt_op rt_op_scaler = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .type = f32_type,
    .infer = scaler_infer,
    .run = scaler_run,
};

static void normalizer_run(const struct rt_run *r)
{
	bool l1 = rt_node_string_is(r->node, "norm", "L1", "MAX"),
	     l2 = rt_node_string_is(r->node, "norm", "L2", "MAX");
	float *out = r->out[0].data;
	int64_t rows, width;

	rows_of(&r->in[0], &rows, &width);
	for (int64_t i = 0; i < rows; i++) {
		double norm = l1 || l2 ? 0 : -INFINITY;
		for (int64_t k = 0; k < width; k++) {
			double x = rt_convert_get_f64(&r->in[0], i * width + k);
			norm = l2 ? norm + x * x : l1 ? norm + fabs(x) : fmax(norm, x);
		}
		if (l2)
			norm = sqrt(norm);
		for (int64_t k = 0; k < width; k++) {
			double x = rt_convert_get_f64(&r->in[0], i * width + k);
			out[i * width + k] = (float)(norm > 0 || norm < 0 ? x / norm : x);
		}
	}
}

const struct rt_op rt_op_normalizer = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .type = f32_type,
    .infer = rt_op_infer_same,
    .run = normalizer_run,
};

static int imputer_infer(struct rt_infer *f, struct rt_error *err)
{
	int64_t count, width;
	int rank = f->in[0].shape.rank;

	if (rt_convert_is_float(f->in[0].dtype))
		(void)floats(f->node, "imputed_value_floats", &count);
	else
		(void)rt_node_ints(f->node, "imputed_value_int64s", &count);
	width = rank > 0 ? f->in[0].shape.dims[rank - 1] : 1;
	if (count < 1 || (count > 1 && count != width))
		return rt_error_set(err, RT_INPUT, "%lld imputed values for %lld columns",
				    (long long)count, (long long)width);
	f->out[0].shape = f->in[0].shape;
	return RT_OK;
}

static void imputer_run(const struct rt_run *r)
{
	int64_t count, ints, rows, width;
	const float *values = floats(r->node, "imputed_value_floats", &count);
	const int64_t *whole = rt_node_ints(r->node, "imputed_value_int64s", &ints);
	double replaced = (double)rt_node_float(r->node, "replaced_value_float", 0);
	int64_t replaced_int = rt_node_int(r->node, "replaced_value_int64", 0);

	rows_of(&r->in[0], &rows, &width);
	for (int64_t i = 0; i < rows * width; i++) {
		if (rt_convert_is_float(r->in[0].dtype) && values != NULL) {
			double x = rt_convert_get_f64(&r->in[0], i);
			if (isnan(replaced) ? isnan(x) : x >= replaced && x <= replaced)
				x = (double)values[count > 1 ? i % width : 0];
			rt_convert_from_f64(r->out[0].dtype, &x, 1, r->out[0].data, i, true);
		} else if (whole != NULL) {
			int64_t x = rt_convert_get_i64(&r->in[0], i);
			if (x == replaced_int)
				x = whole[ints > 1 ? i % width : 0];
			rt_convert_from_i64(r->out[0].dtype, &x, 1, r->out[0].data, i);
		}
	}
}

const struct rt_op rt_op_imputer = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .infer = imputer_infer,
    .run = imputer_run,
};

/* ---- LinearRegressor, LinearClassifier ------------------------------------------------------- */

struct linear {
	const float *coefficients, *intercepts;
	int64_t targets, width; /* coefficients [targets][width] */
	enum rt_ml_transform transform;
	struct rt_ml_labels labels;
};

static int linear_read(const struct rt_node *n, struct linear *s, struct rt_error *err)
{
	int64_t count, intercepts;

	s->coefficients = floats(n, "coefficients", &count);
	s->intercepts = floats(n, "intercepts", &intercepts);
	if (strcmp(n->op_type, "LinearRegressor") == 0)
		s->targets = rt_node_int(n, "targets", 1);
	else if (rt_ml_score_labels(n, "classlabels_ints", &s->labels))
		s->targets = intercepts > 0 ? intercepts : s->labels.count;
	if (s->coefficients == NULL || s->targets < 1 || count % s->targets != 0 || count < 1 ||
	    (s->intercepts != NULL && intercepts != s->targets) ||
	    !rt_ml_score_transform(n, &s->transform))
		return rt_error_set(err, RT_MALFORMED,
				    "coefficients, intercepts or post_transform do not fit");
	s->width = count / s->targets;
	return RT_OK;
}

static int linear_bind(struct rt_bind *b, struct rt_error *err)
{
	return linear_read(b->node, b->state, err);
}

static int linear_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		       struct rt_error *err)
{
	struct rt_ml_labels labels;

	(void)g, (void)err;
	out[0] = RT_F32;
	if (strcmp(n->op_type, "LinearClassifier") == 0) {
		out[0] = rt_ml_score_labels(n, "classlabels_ints", &labels) && labels.strings
			     ? RT_STR
			     : RT_I64;
		if (n->out_count > 1)
			out[1] = RT_F32;
	}
	return RT_OK;
}

static int64_t score_count(const struct linear *s)
{
	return s->labels.count == 2 && s->targets == 1 ? 2 : s->targets;
}

static int linear_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct linear *s = f->state;
	const struct rt_shape *in = &f->in[0].shape;
	int64_t rows = in->rank > 1 ? in->dims[0] : 1;
	size_t bytes;

	if (in->rank < 1 || in->rank > 2 || in->dims[in->rank - 1] != s->width)
		return rt_error_set(err, RT_INPUT, "the input has not %lld columns",
				    (long long)s->width);
	f->out[0].shape =
	    s->labels.count > 0 ? rt_shape_of(1, rows) : rt_shape_of(2, rows, s->targets);
	if (f->out_count > 1)
		f->out[1].shape = rt_shape_of(2, rows, score_count(s));
	if (__builtin_mul_overflow((size_t)score_count(s), sizeof(double), &bytes))
		return rt_error_set(err, RT_INPUT, "too many targets");
	f->scratch_bytes = bytes;
	return RT_OK;
}

/* The class of a row; one score of two classes is a probability or a margin. */
static int64_t winner(const struct linear *s, double *x)
{
	int64_t best = 0;

	if (s->targets == 1 && s->labels.count == 2) {
		double margin = x[0];
		x[1] = margin;
		x[0] = s->transform == RT_ML_LOGISTIC ? -margin : 1 - margin;
		rt_ml_score_apply_two(s->transform, x);
		return margin > 0;
	}
	for (int64_t k = 1; k < s->targets; k++) {
		if (x[k] > x[best])
			best = k;
	}
	rt_ml_score_apply(s->transform, x, s->targets);
	return best;
}

static void linear_run(const struct rt_run *r)
{
	const struct linear *s = r->state;
	const struct rt_tensor *scores = s->labels.count == 0 ? &r->out[0]
					 : r->out_count > 1   ? &r->out[1]
							      : NULL;
	int64_t rows = r->out[0].shape.dims[0], count = score_count(s);
	double *x = r->scratch;

	for (int64_t i = 0; i < rows; i++) {
		for (int64_t t = 0; t < s->targets; t++) {
			x[t] = s->intercepts != NULL ? (double)s->intercepts[t] : 0;
			for (int64_t k = 0; k < s->width; k++)
				x[t] += rt_convert_get_f64(&r->in[0], i * s->width + k) *
					(double)s->coefficients[t * s->width + k];
		}
		if (s->labels.count > 0)
			rt_ml_score_label(&s->labels, winner(s, x), &r->out[0], i);
		else
			rt_ml_score_apply(s->transform, x, count);
		for (int64_t t = 0; scores != NULL && scores->data != NULL && t < count; t++)
			((float *)scores->data)[i * count + t] = (float)x[t];
	}
}

const struct rt_op rt_op_linear_model = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 2,
    .state_bytes = sizeof(struct linear),
    .type = linear_type,
    .bind = linear_bind,
    .infer = linear_infer,
    .run = linear_run,
};
