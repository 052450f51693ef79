/* SPDX-License-Identifier: MIT */
/* ml_score.c — see ml_score.h. */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/ml_score.h"

bool rt_ml_score_transform(const struct rt_node *n, enum rt_ml_transform *out)
{
	static const char *const words[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO",
					    "PROBIT"};
	const struct rt_attr *a = rt_node_attr(n, "post_transform");

	*out = RT_ML_NONE;
	if (a == NULL)
		return true;
	if (a->kind == RT_ATTR_INT && a->i >= 0 && a->i <= RT_ML_PROBIT) {
		*out = (enum rt_ml_transform)a->i;
		return true;
	}
	for (int i = 0; i <= RT_ML_PROBIT; i++) {
		if (rt_node_string_is(n, "post_transform", words[i], "")) {
			*out = (enum rt_ml_transform)i;
			return true;
		}
	}
	return false;
}

/* √2 · erf⁻¹(2x − 1), by Newton steps from the logistic approximation. */
static double probit(double x)
{
	double y = log(x / (1 - x)) * 0.6266570686577501;

	if (!(x > 0 && x < 1))
		return x <= 0 ? -INFINITY : INFINITY;
	for (int i = 0; i < 50; i++) {
		double f = 0.5 * erfc(-y * 0.70710678118654752440) - x;
		double d = exp(-y * y / 2) * 0.39894228040143267794;
		if (!(d > 0) || fabs(f / d) < 1e-14)
			break;
		y -= f / d;
	}
	return y;
}

void rt_ml_score_apply(enum rt_ml_transform how, double *x, int64_t n)
{
	double max = -INFINITY, sum = 0;

	for (int64_t i = 0; i < n; i++) {
		if (how == RT_ML_LOGISTIC)
			x[i] = 1 / (1 + exp(-x[i]));
		else if (how == RT_ML_PROBIT)
			x[i] = probit(x[i]);
		if (x[i] > max)
			max = x[i];
	}
	if (how != RT_ML_SOFTMAX && how != RT_ML_SOFTMAX_ZERO)
		return;
	for (int64_t i = 0; i < n; i++) {
		bool zero = how == RT_ML_SOFTMAX_ZERO && fabs(x[i]) < 1e-7;
		x[i] = zero ? 0 : exp(x[i] - max);
		sum += x[i];
	}
	for (int64_t i = 0; i < n && sum > 0; i++)
		x[i] /= sum;
}

void rt_ml_score_apply_two(enum rt_ml_transform how, double x[2])
{
	if (how != RT_ML_SOFTMAX && how != RT_ML_SOFTMAX_ZERO)
		rt_ml_score_apply(how, x, 2);
}

bool rt_ml_score_labels(const struct rt_node *n, const char *ints, struct rt_ml_labels *out)
{
	const struct rt_attr *s = rt_node_attr(n, "classlabels_strings");

	*out = (struct rt_ml_labels){.count = 0};
	if (s != NULL && s->kind == RT_ATTR_STRINGS && s->count > 0) {
		out->strings = s->strings;
		out->count = s->count;
		return true;
	}
	out->ints = rt_node_ints(n, ints, &out->count);
	return out->ints != NULL;
}

void rt_ml_score_label(const struct rt_ml_labels *l, int64_t k, const struct rt_tensor *out,
		       int64_t i)
{
	if (out->data == NULL)
		return;
	if (l->strings != NULL)
		((struct rt_str *)out->data)[i] =
		    k < l->count ? l->strings[k] : (struct rt_str){"", 0};
	else
		((int64_t *)out->data)[i] = k < l->count ? l->ints[k] : k;
}
