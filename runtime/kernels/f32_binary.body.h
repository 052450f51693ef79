/* SPDX-License-Identifier: MIT */
/*
 * f32_binary.body.h — the functions of binary.def in the vector vocabulary.
 * Included by f32_binary-<isa>.c after its vec-<isa>.h, with VARIANT naming the
 * table to define.
 */
#include "runtime/kernels/kernels.h"

static inline v two_add(v a, v b)
{
	return v_add(a, b);
}
static inline v two_sub(v a, v b)
{
	return v_sub(a, b);
}
static inline v two_mul(v a, v b)
{
	return v_mul(a, b);
}
static inline v two_div(v a, v b)
{
	return v_div(a, b);
}
/* v_min and v_max keep a NaN of their second operand; the first is looked at here. */
static inline v two_min(v a, v b)
{
	return v_select(v_isnan(a), a, v_min(a, b));
}
static inline v two_max(v a, v b)
{
	return v_select(v_isnan(a), a, v_max(a, b));
}
static inline v two_prelu(v a, v b)
{
	return v_select(v_lt(a, v_set1(0.0f)), v_mul(a, b), a);
}
static inline v two_sqdiff(v a, v b)
{
	v d = v_sub(a, b);
	return v_mul(d, d);
}

#define BINARY(id, name)                                                                           \
	static void vv_##name(size_t n, const float *a, const float *b, float *y)                  \
	{                                                                                          \
		for (; n >= V; n -= V, a += V, b += V, y += V)                                     \
			v_store(y, two_##name(v_load(a), v_load(b)));                              \
		if (n > 0)                                                                         \
			v_store_n(y, two_##name(v_load_n(a, n), v_load_n(b, n)), n);               \
	}                                                                                          \
	static void vs_##name(size_t n, const float *a, const float *b, float *y)                  \
	{                                                                                          \
		const v s = v_set1(*b);                                                            \
		for (; n >= V; n -= V, a += V, y += V)                                             \
			v_store(y, two_##name(v_load(a), s));                                      \
		if (n > 0)                                                                         \
			v_store_n(y, two_##name(v_load_n(a, n), s), n);                            \
	}                                                                                          \
	static void sv_##name(size_t n, const float *a, const float *b, float *y)                  \
	{                                                                                          \
		const v s = v_set1(*a);                                                            \
		for (; n >= V; n -= V, b += V, y += V)                                             \
			v_store(y, two_##name(s, v_load(b)));                                      \
		if (n > 0)                                                                         \
			v_store_n(y, two_##name(s, v_load_n(b, n)), n);                            \
	}
#include "runtime/kernels/binary.def"
#undef BINARY

static void muladd(size_t n, const float *x, const float *s, const float *b, float *y)
{
	for (; n >= V; n -= V, x += V, s += V, b += V, y += V)
		v_store(y, v_fma(v_load(x), v_load(s), v_load(b)));
	if (n > 0)
		v_store_n(y, v_fma(v_load_n(x, n), v_load_n(s, n), v_load_n(b, n)), n);
}

const struct rt_f32_binary VARIANT = {
    .vv =
	{
#define BINARY(id, name) vv_##name,
#include "runtime/kernels/binary.def"
#undef BINARY
	},
    .vs =
	{
#define BINARY(id, name) vs_##name,
#include "runtime/kernels/binary.def"
#undef BINARY
	},
    .sv =
	{
#define BINARY(id, name) sv_##name,
#include "runtime/kernels/binary.def"
#undef BINARY
	},
    .muladd = muladd,
};
