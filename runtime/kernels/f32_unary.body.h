/* SPDX-License-Identifier: MIT */
/*
 * f32_unary.body.h — the functions of unary.def in the vector vocabulary.
 * Included by f32_unary-<isa>.c after its vec-<isa>.h, with VARIANT naming the
 * table to define.
 */
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/vec_math.body.h"

static inline v one_relu(v x, v a, v b)
{
	(void)a, (void)b;
	return v_max(v_set1(0.0f), x);
}
static inline v one_leaky_relu(v x, v a, v b)
{
	(void)b;
	return v_select(v_lt(x, v_set1(0.0f)), v_mul(x, a), x);
}
static inline v one_clip(v x, v a, v b)
{
	return v_min(b, v_max(a, x));
}
static inline v one_abs(v x, v a, v b)
{
	(void)a, (void)b;
	return v_abs(x);
}
static inline v one_neg(v x, v a, v b)
{
	(void)a, (void)b;
	return v_neg(x);
}
static inline v one_square(v x, v a, v b)
{
	(void)a, (void)b;
	return v_mul(x, x);
}
static inline v one_sqrt(v x, v a, v b)
{
	(void)a, (void)b;
	return v_sqrt(x);
}
static inline v one_reciprocal(v x, v a, v b)
{
	(void)a, (void)b;
	return v_div(v_set1(1.0f), x);
}
static inline v one_floor(v x, v a, v b)
{
	(void)a, (void)b;
	return v_floor(x);
}
static inline v one_ceil(v x, v a, v b)
{
	(void)a, (void)b;
	return v_ceil(x);
}
static inline v one_round(v x, v a, v b)
{
	(void)a, (void)b;
	return v_round(x);
}
static inline v one_affine(v x, v a, v b)
{
	return v_fma(a, x, b);
}
static inline v one_exp(v x, v a, v b)
{
	(void)a, (void)b;
	return v_exp(x);
}
static inline v one_log(v x, v a, v b)
{
	(void)a, (void)b;
	return v_log(x);
}
/* x / (1 + exp(−z)): the shape of sigmoid and the tanh form of GELU. */
static inline v logistic(v x, v z)
{
	v e = v_exp_near(v_max(v_set1(-87.0f), v_min(v_set1(89.0f), v_neg(z))));
	return v_div(x, v_add(v_set1(1.0f), e));
}
static inline v one_sigmoid(v x, v a, v b)
{
	(void)a, (void)b;
	return logistic(v_set1(1.0f), x);
}
static inline v one_tanh(v x, v a, v b)
{
	(void)a, (void)b;
	return v_tanh(x);
}
static inline v one_erf(v x, v a, v b)
{
	(void)a, (void)b;
	return v_erf(x);
}
static inline v one_gelu(v x, v a, v b)
{
	v half = v_mul(x, v_set1(0.5f));
	(void)a, (void)b;
	return v_fma(half, v_erf(v_mul(x, v_set1(0.707106781f))), half);
}
static inline v one_gelu_tanh(v x, v a, v b)
{
	/* x/2·(1 + tanh u) = x / (1 + exp(−2u)) */
	v t = v_fma(v_mul(v_mul(x, x), x), v_set1(0.044715f), x);
	(void)a, (void)b;
	return logistic(x, v_mul(t, v_set1(1.5957691216f)));
}
static inline v one_silu(v x, v a, v b)
{
	/* x / (1 + 2ᵗ); where |t| is large, so that its rounding tells, the result is small */
	v t = v_mul(x, v_mul(a, v_set1(-1.44269504f)));
	(void)b;
	t = v_max(v_set1(-250.0f), v_min(v_set1(250.0f), t));
	return v_div(x, v_add(v_set1(1.0f), v_exp2_near(t)));
}
static inline v one_hard_sigmoid(v x, v a, v b)
{
	return v_max(v_set1(0.0f), v_min(v_set1(1.0f), v_fma(a, x, b)));
}
static inline v one_hard_swish(v x, v a, v b)
{
	v y = v_fma(x, v_set1(0x1.555556p-3f), v_set1(0.5f));
	(void)a, (void)b;
	return v_mul(x, v_max(v_set1(0.0f), v_min(v_set1(1.0f), y)));
}
static inline v one_elu(v x, v a, v b)
{
	v y = v_mul(a, v_sub(v_exp(x), v_set1(1.0f)));
	return v_mul(b, v_select(v_lt(v_set1(0.0f), x), x, y));
}
static inline v one_softplus(v x, v a, v b)
{
	v u = v_exp(v_neg(v_abs(x)));
	(void)a, (void)b;
	return v_add(v_max(v_set1(0.0f), x), v_log(v_add(v_set1(1.0f), u)));
}
static inline v one_softsign(v x, v a, v b)
{
	(void)a, (void)b;
	return v_div(x, v_add(v_set1(1.0f), v_abs(x)));
}
static inline v one_mish(v x, v a, v b)
{
	/* tanh(log(1 + e)) = (e² + 2e) / (e² + 2e + 2), e = exp(x); 1 to a float from 20 on */
	v e = v_exp(v_min(v_set1(20.0f), x)), t = v_mul(e, v_add(e, v_set1(2.0f)));
	(void)a, (void)b;
	return v_mul(x, v_div(t, v_add(t, v_set1(2.0f))));
}

#define UNARY(id, name, abs, rel)                                                                  \
	static void run_##name(size_t n, const float *x, float *y,                                 \
			       const struct rt_unary_params *p)                                    \
	{                                                                                          \
		const v a = v_set1(p ? p->a : 0.0f), b = v_set1(p ? p->b : 0.0f);                  \
		for (; n >= V; n -= V, x += V, y += V)                                             \
			v_store(y, one_##name(v_load(x), a, b));                                   \
		if (n > 0)                                                                         \
			v_store_n(y, one_##name(v_load_n(x, n), a, b), n);                         \
	}
#include "runtime/kernels/unary.def"
#undef UNARY

const struct rt_f32_unary VARIANT = {{
#define UNARY(id, name, abs, rel) run_##name,
#include "runtime/kernels/unary.def"
#undef UNARY
}};
