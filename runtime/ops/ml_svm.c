/* SPDX-License-Identifier: MIT */
/*
 * ml_svm.c — SVMRegressor and SVMClassifier (ai.onnx.ml 1).
 *
 *	kernel(a, b)  LINEAR a·b; POLY (gamma · a·b + coef0)^degree; RBF exp(−gamma |a − b|²);
 *	              SIGMOID tanh(gamma · a·b + coef0)
 *	regressor     y = Σ coefficient · kernel(x, support vector) + rho; one_class: its sign
 *	              (without support vectors x · coefficients + rho)
 *	classifier    one such sum for each pair of classes, which votes for one of the two;
 *	              without support vectors one sum per class, x · coefficients
 *
 * The coefficients of a classifier are [classes − 1][vectors]: vectors of class i
 * have in row j − 1 (row j where j < i) what they weigh against class j.  With
 * prob_a, prob_b the sums become probabilities of pairs, and these one of each
 * class (Wu, Lin and Weng, 2004, second approach).
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/ml_score.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

enum kernel { KERNEL_LINEAR, KERNEL_POLY, KERNEL_RBF, KERNEL_SIGMOID };

#define CLASS_MAX 4096

struct svm {
	enum kernel kernel;
	double gamma, coef0, degree;
	const float *coefficients, *vectors, *rho, *prob_a, *prob_b;
	const int64_t *per_class;
	int64_t count, width; /* support vectors [count][width]; count 0: a linear model */
	int64_t classes, pairs, scores;
	bool one_class;
	enum rt_ml_transform transform;
	struct rt_ml_labels labels;
};

static const float *floats(const struct rt_node *n, const char *name, int64_t *count)
{
	const struct rt_attr *a = rt_node_attr(n, name);

	*count = 0;
	if (a == NULL || a->kind != RT_ATTR_FLOATS || a->count == 0)
		return NULL;
	*count = a->count;
	return a->floats;
}

static bool read_kernel(const struct rt_node *n, struct svm *s)
{
	static const char *const words[] = {"LINEAR", "POLY", "RBF", "SIGMOID"};
	int64_t count;
	const float *p = floats(n, "kernel_params", &count);

	s->gamma = count > 0 ? (double)p[0] : 0;
	s->coef0 = count > 1 ? (double)p[1] : 0;
	s->degree = count > 2 ? (double)p[2] : 0;
	for (int i = 0; i < 4; i++) {
		if (rt_node_string_is(n, "kernel_type", words[i], "LINEAR")) {
			s->kernel = (enum kernel)i;
			return true;
		}
	}
	return false;
}

/* What regressor and classifier share; ${rows} of coefficients, 0: a row is one vector. */
static int read_sums(const struct rt_node *n, struct svm *s, int64_t sums, struct rt_error *err)
{
	int64_t coefficients, vectors, rho, a, b;

	s->coefficients = floats(n, "coefficients", &coefficients);
	s->vectors = floats(n, "support_vectors", &vectors);
	s->rho = floats(n, "rho", &rho);
	s->prob_a = floats(n, "prob_a", &a);
	s->prob_b = floats(n, "prob_b", &b);
	if (!read_kernel(n, s) || !rt_ml_score_transform(n, &s->transform))
		return rt_error_set(err, RT_UNSUPPORTED, "kernel_type or post_transform");
	if (s->count > 0)
		s->width = vectors / s->count;
	else
		s->width = s->classes > 0 ? coefficients / s->classes : 0;
	if (s->count == 0)
		s->kernel = KERNEL_LINEAR;
	if (s->width < 1 || s->coefficients == NULL || s->rho == NULL || a != b ||
	    (s->count > 0 && (vectors != s->count * s->width || rho < sums ||
			      coefficients != (s->classes > 1 ? s->classes - 1 : 1) * s->count ||
			      (a > 0 && a < sums))) ||
	    (s->count == 0 && coefficients != s->classes * s->width))
		return rt_error_set(err, RT_MALFORMED,
				    "coefficients, support_vectors, rho or prob_a do not fit");
	return RT_OK;
}

static double kernel(const struct svm *s, const double *x, const float *v)
{
	double sum = 0;

	for (int64_t k = 0; k < s->width; k++) {
		double d = x[k] - (double)v[k];
		sum += s->kernel == KERNEL_RBF ? d * d : x[k] * (double)v[k];
	}
	switch (s->kernel) {
	case KERNEL_POLY:
		return pow(s->gamma * sum + s->coef0, s->degree);
	case KERNEL_RBF:
		return exp(-s->gamma * sum);
	case KERNEL_SIGMOID:
		return tanh(s->gamma * sum + s->coef0);
	default:
		return sum;
	}
}

static int svm_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct svm *s = f->state;
	const struct rt_shape *in = &f->in[0].shape;
	int64_t rows = in->rank > 1 ? in->dims[0] : 1;

	if (in->rank < 1 || in->rank > 2 || in->dims[in->rank - 1] != s->width)
		return rt_error_set(err, RT_INPUT, "the input has not %lld columns",
				    (long long)s->width);
	f->out[0].shape = s->labels.count > 0 ? rt_shape_of(1, rows) : rt_shape_of(2, rows, 1);
	if (f->out_count > 1)
		f->out[1].shape = rt_shape_of(2, rows, s->scores);
	/* x, kernels, sums of pairs, scores, votes; two matrices of classes */
	f->scratch_bytes = (size_t)(s->width + s->scores + s->count + s->pairs + 3 * s->classes +
				    2 * s->classes * s->classes) *
			   sizeof(double);
	return RT_OK;
}

/* ---- SVMRegressor ---------------------------------------------------------------------------- */

static int regressor_bind(struct rt_bind *b, struct rt_error *err)
{
	struct svm *s = b->state;

	s->count = rt_node_int(b->node, "n_supports", 0);
	s->one_class = rt_node_int(b->node, "one_class", 0) != 0;
	s->classes = s->scores = 1;
	if (s->count < 0 || s->count > INT32_MAX)
		return rt_error_set(err, RT_MALFORMED, "n_supports is %lld", (long long)s->count);
	return read_sums(b->node, s, 1, err);
}

static void regressor_run(const struct rt_run *r)
{
	const struct svm *s = r->state;
	double *x = r->scratch;

	for (int64_t i = 0; i < r->out[0].shape.dims[0]; i++) {
		double y = (double)s->rho[0];
		rt_convert_to_f64(r->in[0].dtype, r->in[0].data, i * s->width, (size_t)s->width, x);
		for (int64_t k = 0; k < s->count; k++)
			y += (double)s->coefficients[k] * kernel(s, x, s->vectors + k * s->width);
		if (s->count == 0)
			y += kernel(s, x, s->coefficients);
		if (s->one_class)
			y = y > 0 ? 1 : -1;
		else
			rt_ml_score_apply(s->transform, &y, 1);
		((float *)r->out[0].data)[i] = (float)y;
	}
}

static int regressor_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			  struct rt_error *err)
{
	(void)g, (void)n, (void)err;
	out[0] = RT_F32;
	return RT_OK;
}

const struct rt_op rt_op_svm_regressor = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct svm),
    .type = regressor_type,
    .bind = regressor_bind,
    .infer = svm_infer,
    .run = regressor_run,
};

/* ---- SVMClassifier --------------------------------------------------------------------------- */

static int classifier_bind(struct rt_bind *b, struct rt_error *err)
{
	struct svm *s = b->state;
	int64_t groups;
	int status;

	s->per_class = rt_node_ints(b->node, "vectors_per_class", &groups);
	if (!rt_ml_score_labels(b->node, "classlabels_ints", &s->labels) || s->labels.count < 2 ||
	    s->labels.count > CLASS_MAX || (groups != 0 && groups != s->labels.count))
		return rt_error_set(err, RT_MALFORMED, "classlabels or vectors_per_class");
	s->classes = s->labels.count;
	for (int64_t i = 0; i < groups; i++) {
		if (s->per_class[i] < 0 || s->per_class[i] > INT32_MAX)
			return rt_error_set(err, RT_MALFORMED, "vectors_per_class");
		s->count += s->per_class[i];
	}
	s->pairs = s->count > 0 ? s->classes * (s->classes - 1) / 2 : s->classes;
	status = read_sums(b->node, s, s->pairs, err);
	s->scores = s->count == 0 || s->prob_a != NULL ? s->classes : s->pairs == 1 ? 2 : s->pairs;
	return status;
}

/* The sum of each pair of classes, and the votes. */
static void pair_sums(const struct svm *s, const double *kernels, double *sums, double *votes)
{
	int64_t pair = 0, start_i = 0;

	for (int64_t i = 0; i < s->classes; i++) {
		int64_t start_j = start_i + s->per_class[i];
		for (int64_t j = i + 1; j < s->classes; j++, pair++) {
			double sum = (double)s->rho[pair];
			for (int64_t k = start_i; k < start_i + s->per_class[i]; k++)
				sum += (double)s->coefficients[(j - 1) * s->count + k] * kernels[k];
			for (int64_t k = start_j; k < start_j + s->per_class[j]; k++)
				sum += (double)s->coefficients[i * s->count + k] * kernels[k];
			sums[pair] = sum;
			votes[sum > 0 ? i : j]++;
			start_j += s->per_class[j];
		}
		start_i += s->per_class[i];
	}
}

/* Probabilities of classes from those of pairs: r[i][j] that it is i when it is i or j. */
static void couple(int64_t n, const double *r, double *q, double *p)
{
	for (int64_t i = 0; i < n; i++) {
		p[i] = 1 / (double)n;
		q[i * n + i] = 0;
		for (int64_t j = 0; j < n; j++) {
			if (j == i)
				continue;
			q[i * n + i] += r[j * n + i] * r[j * n + i];
			q[i * n + j] = -r[j * n + i] * r[i * n + j];
		}
	}
	for (int step = 0; step < 100; step++) {
		double all = 0, worst = 0;
		for (int64_t i = 0; i < n; i++)
			for (int64_t j = 0; j < n; j++)
				all += p[i] * q[i * n + j] * p[j];
		for (int64_t i = 0; i < n; i++) {
			double row = 0;
			for (int64_t j = 0; j < n; j++)
				row += q[i * n + j] * p[j];
			worst = fmax(worst, fabs(row - all));
		}
		if (worst < 0.005 / (double)n)
			break;
		for (int64_t i = 0; i < n; i++) {
			double row = 0, diff, total = 0;
			for (int64_t j = 0; j < n; j++)
				row += q[i * n + j] * p[j];
			for (int64_t a = 0; a < n; a++)
				for (int64_t b = 0; b < n; b++)
					total += p[a] * q[a * n + b] * p[b];
			diff = (total - row) / q[i * n + i];
			for (int64_t j = 0; j < n; j++)
				p[j] = (p[j] + (j == i ? diff : 0)) / (1 + diff);
		}
	}
}

static void probabilities(const struct svm *s, const double *sums, double *matrices, double *p)
{
	int64_t n = s->classes, pair = 0;

	for (int64_t i = 0; i < n; i++)
		for (int64_t j = i + 1; j < n; j++, pair++) {
			double v = sums[pair] * (double)s->prob_a[pair] + (double)s->prob_b[pair];
			v = v >= 0 ? exp(-v) / (1 + exp(-v)) : 1 / (1 + exp(v));
			v = fmin(fmax(v, 1e-7), 1 - 1e-7);
			matrices[i * n + j] = v;
			matrices[j * n + i] = 1 - v;
		}
	couple(n, matrices, matrices + n * n, p);
}

static int64_t largest(const double *x, int64_t n)
{
	int64_t best = 0;

	for (int64_t i = 1; i < n; i++)
		best = x[i] > x[best] ? i : best;
	return best;
}

/* The scores of a row as they are given out; returns the class. */
static int64_t classify(const struct svm *s, const double *x, double *work, double *scores)
{
	double *kernels = work, *sums = kernels + s->count, *votes = sums + s->pairs;
	double *matrices = votes + s->classes;
	int64_t best;

	if (s->count == 0) {
		for (int64_t i = 0; i < s->classes; i++)
			scores[i] =
			    kernel(s, x, s->coefficients + i * s->width) + (double)s->rho[0];
		best = largest(scores, s->classes);
		rt_ml_score_apply(s->transform, scores, s->classes);
		return best;
	}
	for (int64_t k = 0; k < s->count; k++)
		kernels[k] = kernel(s, x, s->vectors + k * s->width);
	for (int64_t i = 0; i < s->classes; i++)
		votes[i] = 0;
	pair_sums(s, kernels, sums, votes);
	best = largest(votes, s->classes);
	if (s->prob_a != NULL) {
		probabilities(s, sums, matrices, scores);
	} else if (s->pairs == 1) {
		scores[0] = -sums[0];
		scores[1] = sums[0];
	} else {
		memcpy(scores, sums, (size_t)s->pairs * sizeof(double));
	}
	if (s->prob_a == NULL && s->pairs == 1)
		rt_ml_score_apply_two(s->transform, scores);
	else
		rt_ml_score_apply(s->transform, scores, s->scores);
	return best;
}

static void classifier_run(const struct rt_run *r)
{
	const struct svm *s = r->state;
	double *x = r->scratch, *scores = x + s->width, *work = scores + s->scores + s->classes;
	float *out = r->out_count > 1 ? r->out[1].data : NULL;

	for (int64_t i = 0; i < rt_tensor_elems(&r->in[0]) / s->width; i++) {
		rt_convert_to_f64(r->in[0].dtype, r->in[0].data, i * s->width, (size_t)s->width, x);
		rt_ml_score_label(&s->labels, classify(s, x, work, scores), &r->out[0], i);
		for (int64_t k = 0; out != NULL && k < s->scores; k++)
			out[i * s->scores + k] = (float)scores[k];
	}
}

static int classifier_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			   struct rt_error *err)
{
	struct rt_ml_labels labels;

	(void)g, (void)err;
	out[0] =
	    rt_ml_score_labels(n, "classlabels_ints", &labels) && labels.strings ? RT_STR : RT_I64;
	if (n->out_count > 1)
		out[1] = RT_F32;
	return RT_OK;
}

const struct rt_op rt_op_svm_classifier = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 2,
    .state_bytes = sizeof(struct svm),
    .type = classifier_type,
    .bind = classifier_bind,
    .infer = svm_infer,
    .run = classifier_run,
};
