/* SPDX-License-Identifier: MIT */
/*
 * ml_score.h — what classifiers and regressors of ai.onnx.ml share: the
 * post_transform of a row of scores, and the label that wins.
 */
#ifndef LARDER_RUNTIME_OPS_ML_SCORE_H
#define LARDER_RUNTIME_OPS_ML_SCORE_H

#include "runtime/op.h"

enum rt_ml_transform {
	RT_ML_NONE,
	RT_ML_SOFTMAX,
	RT_ML_LOGISTIC,
	RT_ML_SOFTMAX_ZERO,
	RT_ML_PROBIT
};
/* rt_ml_score_transform(n, out): the attribute post_transform, a word or a number; false: unknown.
 */
bool rt_ml_score_transform(const struct rt_node *n, enum rt_ml_transform *out);
/* rt_ml_score_apply(how, x, n): a row of scores, in place. */
void rt_ml_score_apply(enum rt_ml_transform how, double *x, int64_t n);
/* rt_ml_score_apply_two(how, x): the same for the two scores that one sum has been made into: there
 * is nothing to share out, so SOFTMAX and SOFTMAX_ZERO leave them. */
void rt_ml_score_apply_two(enum rt_ml_transform how, double x[2]);

/* The labels of a classifier: strings or integers, [count]. */
struct rt_ml_labels {
	const struct rt_str *strings;
	const int64_t *ints;
	int64_t count;
};
/* rt_ml_score_labels(n, ints, out): attributes classlabels_strings and classlabels_${ints}. */
bool rt_ml_score_labels(const struct rt_node *n, const char *ints, struct rt_ml_labels *out);
/* rt_ml_score_label(l, k, out, i): out[i] = label ${k}. */
void rt_ml_score_label(const struct rt_ml_labels *l, int64_t k, const struct rt_tensor *out,
		       int64_t i);

#endif
