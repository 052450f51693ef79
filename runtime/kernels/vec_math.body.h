/* SPDX-License-Identifier: MIT */
/*
 * vec_math.body.h — exp, log, erf and tanh in the vector vocabulary.  Included
 * after a vec-<isa>.h.
 *
 * The polynomials are Chebyshev fits (near-minimax) over the intervals named,
 * computed to 40 digits; what they and the float arithmetic leave is bounded
 * in unary.def and measured by tests/runtime/check_kernels.c.
 */

/* eˣ = 2ⁿ·eʳ, n = round(x/ln 2), |r| ≤ ln 2/2, |x| ≤ 89. */
static inline v v_exp_near(v x)
{
	v n, r, q, y;
	n = v_round(v_mul(x, v_set1(1.44269504f)));
	r = v_fnma(n, v_set1(0x1.62e4p-1f), x);    /* ln 2: 15 bits, so that n·hi is exact … */
	r = v_fnma(n, v_set1(0x1.7f7d1cp-20f), r); /* … and the rest */
	q = v_fma(v_set1(0x1.6d10fcp-10f), r, v_set1(0x1.120b62p-7f));
	q = v_fma(q, r, v_set1(0x1.55551ap-5f));
	q = v_fma(q, r, v_set1(0x1.5554dep-3f));
	q = v_fma(q, r, v_set1(0.5f));
	y = v_add(v_fma(v_mul(r, r), q, r), v_set1(1.0f));
	return v_ldexp(y, n);
}

/* eˣ.  +inf above 88.72, 0 below −87.33. */
static inline v v_exp(v x)
{
	vm tiny = v_lt(x, v_set1(-87.336544f));
	x = v_max(v_set1(-88.0f), v_min(v_set1(89.0f), x));
	return v_select(tiny, v_set1(0.0f), v_exp_near(x));
}

/* 2ᵗ to 2e-7 of it, |t| ≤ 250 (0 or +inf beyond ±127): 2ⁿ·2ʳ, |r| ≤ 1/2. */
static inline v v_exp2_near(v t)
{
	v n = v_round(t), r = v_sub(t, n), q;
	q = v_fma(v_set1(0x1.5c08e6p-10f), r, v_set1(0x1.3d0c52p-7f));
	q = v_fma(q, r, v_set1(0x1.c6b6e4p-5f));
	q = v_fma(q, r, v_set1(0x1.ebf918p-3f));
	q = v_fma(q, r, v_set1(0x1.62e428p-1f));
	return v_ldexp(v_fma(q, r, v_set1(0x1.000002p+0f)), n);
}

/* log x = e·ln 2 + log m, m in [0.75, 1.5).  −inf at ±0, NaN below. */
static inline v v_log(v x)
{
	const v zero = v_set1(0.0f), inf = v_set1(__builtin_inff());
	vm subnormal = v_lt(x, v_set1(0x1p-126f)), below = v_lt(x, zero);
	vm finite = v_lt(x, inf), positive = v_lt(zero, x), nan = v_isnan(x);
	v scaled = v_select(subnormal, v_mul(x, v_set1(0x1p23f)), x);
	v m, e = v_exponent(scaled, &m), f = v_sub(m, v_set1(1.0f)), q, y, special;
	e = v_sub(e, v_select(subnormal, v_set1(23.0f), zero));
	q = v_fma(v_set1(-0x1.a5b0d2p-5f), f, v_set1(0x1.be5024p-4f));
	q = v_fma(q, f, v_set1(-0x1.0b7f6ep-3f));
	q = v_fma(q, f, v_set1(0x1.268cc4p-3f));
	q = v_fma(q, f, v_set1(-0x1.54fb1p-3f));
	q = v_fma(q, f, v_set1(0x1.998936p-3f));
	q = v_fma(q, f, v_set1(-0x1.00006p-2f));
	q = v_fma(q, f, v_set1(0x1.55555ep-2f));
	q = v_mul(v_mul(f, f), v_fma(q, f, v_set1(-0.5f)));
	q = v_fma(e, v_set1(0x1.7f7d1cp-20f), q);
	y = v_fma(e, v_set1(0x1.62e4p-1f), v_add(f, q));
	special = v_select(positive, inf, v_neg(inf));
	special = v_select(below, v_set1(__builtin_nanf("")), special);
	y = v_select(finite, v_select(positive, y, special), special);
	return v_select(nan, x, y);
}

/* x·P(x²) to |x| < 1, then 1 − exp(−Q(|x|)), Q being a fit of −log erfc to 4. */
static inline v v_erf(v x)
{
	v a = v_abs(x), t = v_mul(x, x), p, q, c = v_min(v_set1(4.0f), a);
	p = v_fma(v_set1(0x1.4a569p-14f), t, v_set1(-0x1.a45088p-11f));
	p = v_fma(p, t, v_set1(0x1.54127p-8f));
	p = v_fma(p, t, v_set1(-0x1.b7fabap-6f));
	p = v_fma(p, t, v_set1(0x1.ce2d1p-4f));
	p = v_fma(p, t, v_set1(-0x1.81273ep-2f));
	p = v_fma(p, t, v_set1(0x1.20dd74p+0f));
	q = v_fma(v_set1(-0x1.b77864p-20f), c, v_set1(0x1.825ce4p-15f));
	q = v_fma(q, c, v_set1(-0x1.38e5e6p-11f));
	q = v_fma(q, c, v_set1(0x1.37ecc6p-8f));
	q = v_fma(q, c, v_set1(-0x1.b0e246p-6f));
	q = v_fma(q, c, v_set1(0x1.c2e356p-4f));
	q = v_fma(q, c, v_set1(0x1.437eb4p-1f));
	q = v_fma(q, c, v_set1(0x1.2156fap+0f));
	q = v_fma(q, c, v_set1(-0x1.4fb068p-12f));
	q = v_sub(v_set1(1.0f), v_exp(v_neg(q)));
	return v_select(v_lt(a, v_set1(1.0f)), v_mul(x, p), v_copysign(q, x));
}

/* x + x³·P(x²) to |x| < 0.625, then 1 − 2/(exp(2|x|) + 1). */
static inline v v_tanh(v x)
{
	v a = v_abs(x), t = v_mul(x, x), p, q;
	p = v_fma(v_set1(-0x1.8f8de4p-8f), t, v_set1(0x1.58048ep-6f));
	p = v_fma(p, t, v_set1(-0x1.b9258ap-5f));
	p = v_fma(p, t, v_set1(0x1.110e1cp-3f));
	p = v_fma(p, t, v_set1(-0x1.555552p-2f));
	p = v_fma(v_mul(x, t), p, x);
	q = v_add(v_exp(v_add(a, a)), v_set1(1.0f));
	q = v_sub(v_set1(1.0f), v_div(v_set1(2.0f), q));
	return v_select(v_lt(a, v_set1(0.625f)), p, v_copysign(q, x));
}
