/* SPDX-License-Identifier: MIT */
/*
 * f32_row.body.h — reductions, softmax and normalisation of one row, in the
 * vector vocabulary.  Included by f32_row-<isa>.c after its vec-<isa>.h, with
 * VARIANT naming the table to define.
 */
#include <math.h>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/vec_math.body.h"

static inline v term_sum(v x)
{
	return x;
}
static inline v term_square(v x)
{
	return v_mul(x, x);
}
static inline v term_abs(v x)
{
	return v_abs(x);
}

/* Four accumulators: the additions of one do not wait for those of another. */
#define REDUCE_SUM(name, term)                                                                     \
	static float name(size_t n, const float *x)                                                \
	{                                                                                          \
		v s0 = v_set1(0.0f), s1 = s0, s2 = s0, s3 = s0;                                    \
		for (; n >= 4 * V; n -= 4 * V, x += 4 * V) {                                       \
			s0 = v_add(s0, term(v_load(x)));                                           \
			s1 = v_add(s1, term(v_load(x + V)));                                       \
			s2 = v_add(s2, term(v_load(x + 2 * V)));                                   \
			s3 = v_add(s3, term(v_load(x + 3 * V)));                                   \
		}                                                                                  \
		for (; n >= V; n -= V, x += V)                                                     \
			s0 = v_add(s0, term(v_load(x)));                                           \
		if (n > 0)                                                                         \
			s1 = v_add(s1, term(v_load_n(x, n)));                                      \
		return v_hsum(v_add(v_add(s0, s1), v_add(s2, s3)));                                \
	}
REDUCE_SUM(sum, term_sum)
REDUCE_SUM(sum_square, term_square)
REDUCE_SUM(sum_abs, term_abs)

/* Four accumulators, which lose NaN; the last one seen is kept beside them. */
#define REDUCE_EXTREME(name, pick, start, better)                                                  \
	static float name(size_t n, const float *x)                                                \
	{                                                                                          \
		float lanes[2 * V], best = start;                                                  \
		v a = v_set1(best), b = a, c = a, d = a, bad = v_set1(0.0f);                       \
		for (; n >= 4 * V; n -= 4 * V, x += 4 * V) {                                       \
			const v p = v_load(x), q = v_load(x + V), r = v_load(x + 2 * V),           \
				s = v_load(x + 3 * V);                                             \
			a = pick(a, p), b = pick(b, q), c = pick(c, r), d = pick(d, s);            \
			bad = v_select(v_isnan(p), p, v_select(v_isnan(q), q, bad));               \
			bad = v_select(v_isnan(r), r, v_select(v_isnan(s), s, bad));               \
		}                                                                                  \
		v_store(lanes, pick(pick(a, b), pick(c, d)));                                      \
		v_store(lanes + V, bad);                                                           \
		for (size_t i = 0; i < V; i++) {                                                   \
			if (lanes[V + i] != lanes[V + i])                                          \
				return lanes[V + i];                                               \
			if (lanes[i] better best)                                                  \
				best = lanes[i];                                                   \
		}                                                                                  \
		for (size_t i = 0; i < n; i++)                                                     \
			if (!(best != best) && !(best better x[i]))                                \
				best = x[i];                                                       \
		return best;                                                                       \
	}
REDUCE_EXTREME(largest, v_max, -INFINITY, >)
REDUCE_EXTREME(smallest, v_min, INFINITY, <)

static float exp_sum(size_t n, const float *x, float scale, float *y)
{
	v s0 = v_set1(0.0f), s1 = s0, t = v_set1(largest(n, x)), by = v_set1(scale);
	float tail = 0;
	for (; n >= 2 * V; n -= 2 * V, x += 2 * V, y += 2 * V) {
		v a = v_exp(v_mul(v_sub(v_load(x), t), by)),
		  b = v_exp(v_mul(v_sub(v_load(x + V), t), by));
		v_store(y, a);
		v_store(y + V, b);
		s0 = v_add(s0, a);
		s1 = v_add(s1, b);
	}
	while (n > 0) {
		size_t part = n < V ? n : V;
		v_store_n(y, v_exp(v_mul(v_sub(v_load_n(x, part), t), by)), part);
		for (size_t i = 0; i < part; i++)
			tail += y[i];
		n -= part, x += part, y += part;
	}
	return v_hsum(v_add(s0, s1)) + tail;
}

static void softmax(size_t n, const float *x, float *y)
{
	float scale = 1.0f / exp_sum(n, x, 1.0f, y);
	v s = v_set1(scale);
	for (; n >= V; n -= V, y += V)
		v_store(y, v_mul(v_load(y), s));
	if (n > 0)
		v_store_n(y, v_mul(v_load_n(y, n), s), n);
}

static void log_softmax(size_t n, const float *x, float *y)
{
	float max = largest(n, x), total = 0, lanes[V];
	v t = v_set1(max), s = v_set1(0.0f);
	size_t i = 0;
	for (; i + V <= n; i += V)
		s = v_add(s, v_exp(v_sub(v_load(x + i), t)));
	if (i < n) {
		v_store(lanes, v_exp(v_sub(v_load_n(x + i, n - i), t)));
		for (size_t j = 0; j < n - i; j++)
			total += lanes[j];
	}
	/* Two subtractions: max + log Σ in one float would lose the logarithm of a large max. */
	s = v_log(v_set1(total + v_hsum(s)));
	for (; n >= V; n -= V, x += V, y += V)
		v_store(y, v_sub(v_sub(v_load(x), t), s));
	if (n > 0)
		v_store_n(y, v_sub(v_sub(v_load_n(x, n), t), s), n);
}

/* Σ (x − shift)² */
static float sum_square_from(size_t n, const float *x, float shift)
{
	v s0 = v_set1(0.0f), s1 = s0, t = v_set1(shift);
	float tail = 0;
	for (; n >= 2 * V; n -= 2 * V, x += 2 * V) {
		v a = v_sub(v_load(x), t), b = v_sub(v_load(x + V), t);
		s0 = v_fma(a, a, s0);
		s1 = v_fma(b, b, s1);
	}
	for (; n > 0; n--, x++)
		tail += (*x - shift) * (*x - shift);
	return v_hsum(v_add(s0, s1)) + tail;
}

/* y = (x − mean) · gain · scale + bias */
static void normalise(size_t n, const float *x, const float *scale, const float *bias, float mean,
		      float gain, float *y)
{
	const v one = v_set1(1.0f), zero = v_set1(0.0f), m = v_set1(mean), g = v_set1(gain);
	size_t i = 0;
	for (; i + V <= n; i += V) {
		v t = v_mul(v_sub(v_load(x + i), m), g);
		v_store(y + i,
			v_fma(t, scale ? v_load(scale + i) : one, bias ? v_load(bias + i) : zero));
	}
	if (i < n) {
		v t = v_mul(v_sub(v_load_n(x + i, n - i), m), g);
		t = v_fma(t, scale ? v_load_n(scale + i, n - i) : one,
			  bias ? v_load_n(bias + i, n - i) : zero);
		v_store_n(y + i, t, n - i);
	}
}

static void layer_norm(size_t n, const float *x, const float *scale, const float *bias, float eps,
		       float *y)
{
	float mean = sum(n, x) / (float)n, variance = sum_square_from(n, x, mean) / (float)n;
	normalise(n, x, scale, bias, mean, 1.0f / sqrtf(variance + eps), y);
}

static void rms_norm(size_t n, const float *x, const float *scale, float eps, float *y)
{
	normalise(n, x, scale, NULL, 0.0f, 1.0f / sqrtf(sum_square(n, x) / (float)n + eps), y);
}

const struct rt_f32_row VARIANT = {
    .reduce =
	{
	    [RT_REDUCE_SUM] = sum,
	    [RT_REDUCE_SUM_SQUARE] = sum_square,
	    [RT_REDUCE_SUM_ABS] = sum_abs,
	    [RT_REDUCE_MAX] = largest,
	    [RT_REDUCE_MIN] = smallest,
	},
    .exp_sum = exp_sum,
    .softmax = softmax,
    .log_softmax = log_softmax,
    .layer_norm = layer_norm,
    .rms_norm = rms_norm,
};
