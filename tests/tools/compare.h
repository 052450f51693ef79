/* SPDX-License-Identifier: MIT */
/*
 * compare.h — whether two tensors are the same answer.  Used by the test tools
 * and by no one else; both tensors are borrowed.
 */
#ifndef LARDER_TESTS_TOOLS_COMPARE_H
#define LARDER_TESTS_TOOLS_COMPARE_H

#include "runtime/tensor.h"

/* |got − want| ≤ atol + rtol·|want| for floats; integers, bools and strings: ≤ steps. */
struct compare_limits {
	double rtol, atol;
	int64_t steps;  /* for integers; 0 = exact */
	bool any_order; /* rows (dim 0) may come in any order: detections */
};
/*
 * compare_tensors(got, want, limits, ret_max, text, size): true when type,
 * shape and every element agree; NaN agrees with NaN and an infinity with
 * itself.  *ret_max is the largest absolute difference seen (integers and
 * floats); ${text} says what differs first.
 */
bool compare_tensors(const struct rt_tensor *got, const struct rt_tensor *want,
		     const struct compare_limits *limits, double *ret_max, char *text, size_t size);
/* compare_values: the same for values that are no tensors; ${ret_max} of all that is in them. */
bool compare_values(const struct rt_tensor *got, const struct rt_tensor *want,
		    const struct compare_limits *limits, double *ret_max, char *text, size_t size);
/* compare_statistics(got, want, text, size): for random outputs: type, shape, and mean and share of
 * zeros not far off (6 standard errors of the wanted sample). */
bool compare_statistics(const struct rt_tensor *got, const struct rt_tensor *want, char *text,
			size_t size);
/* compare_max_abs(t): the largest finite |element|. */
double compare_max_abs(const struct rt_tensor *t);

#endif
