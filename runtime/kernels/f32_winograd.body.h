/* SPDX-License-Identifier: MIT */
/*
 * f32_winograd.body.h — the transforms of Winograd's convolution with 3 × 3 taps
 * in the vector vocabulary.  Included by f32_winograd-<isa>.c after its
 * vec-<isa>.h, with VARIANT naming the table to define.
 *
 * F(2×2, 3×3) evaluates polynomials at 0, 1, −1, ∞, F(4×4, 3×3) also at 2, −2
 * (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015).
 * Both transforms are products with small matrices from both sides: first all
 * columns, then all rows.
 */
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/unroll.h"

#define INLINE static inline __attribute__((always_inline))

INLINE v load_lanes(const float *p, size_t n)
{
	return n >= V ? v_load(p) : v_load_n(p, n);
}

INLINE void store_lanes(float *p, v x, size_t n)
{
	if (n >= V)
		v_store(p, x);
	else
		v_store_n(p, x, n);
}

/* y = Bᵀ·x, for vectors ${xs} and ${ys} apart. */
INLINE void in_4(const v *x, const size_t xs, v *y, const size_t ys)
{
	y[0] = v_sub(x[0], x[2 * xs]);
	y[ys] = v_add(x[xs], x[2 * xs]);
	y[2 * ys] = v_sub(x[2 * xs], x[xs]);
	y[3 * ys] = v_sub(x[xs], x[3 * xs]);
}

INLINE void in_6(const v *x, const size_t xs, v *y, const size_t ys)
{
	const v two = v_set1(2.0f), four = v_set1(4.0f), five = v_set1(5.0f);
	const v even = v_fnma(four, x[2 * xs], x[4 * xs]), odd = v_fnma(four, x[xs], x[3 * xs]);
	const v wide = v_sub(x[4 * xs], x[2 * xs]), tall = v_mul(two, v_sub(x[3 * xs], x[xs]));
	y[0] = v_fma(four, x[0], v_fnma(five, x[2 * xs], x[4 * xs]));
	y[ys] = v_add(even, odd);
	y[2 * ys] = v_sub(even, odd);
	y[3 * ys] = v_add(wide, tall);
	y[4 * ys] = v_sub(wide, tall);
	y[5 * ys] = v_fma(four, x[xs], v_fnma(five, x[3 * xs], x[5 * xs]));
}

/* y = Aᵀ·x */
INLINE void out_4(const v *x, const size_t xs, v *y, const size_t ys)
{
	const v sum = v_add(x[xs], x[2 * xs]), difference = v_sub(x[xs], x[2 * xs]);
	y[0] = v_add(x[0], sum);
	y[ys] = v_sub(difference, x[3 * xs]);
}

INLINE void out_6(const v *x, const size_t xs, v *y, const size_t ys)
{
	const v two = v_set1(2.0f), four = v_set1(4.0f), eight = v_set1(8.0f);
	const v s1 = v_add(x[xs], x[2 * xs]), d1 = v_sub(x[xs], x[2 * xs]);
	const v s2 = v_add(x[3 * xs], x[4 * xs]), d2 = v_sub(x[3 * xs], x[4 * xs]);
	y[0] = v_add(x[0], v_add(s1, s2));
	y[ys] = v_fma(two, d2, d1);
	y[2 * ys] = v_fma(four, s2, s1);
	y[3 * ys] = v_add(v_fma(eight, d2, d1), x[5 * xs]);
}

INLINE void input(const struct rt_winograd_in *t, const size_t side)
{
	for (size_t c = 0; c < t->channels; c += V) {
		const size_t n = t->channels - c;
		v x[36], half[36];
		UNROLL
		for (size_t j = 0; j < side; j++) {
			UNROLL
			for (size_t i = 0; i < side; i++)
				x[i * side + j] = load_lanes(t->in[i * side + j] + c, n);
			if (side == 4)
				in_4(x + j, side, half + j, side);
			else
				in_6(x + j, side, half + j, side);
		}
		UNROLL
		for (size_t i = 0; i < side; i++) {
			if (side == 4)
				in_4(half + i * side, 1, x + i * side, 1);
			else
				in_6(half + i * side, 1, x + i * side, 1);
			UNROLL
			for (size_t j = 0; j < side; j++)
				store_lanes(t->to + (i * side + j) * t->to_step + c,
					    x[i * side + j], n);
		}
	}
}

INLINE void finish(const struct rt_winograd_out *t, const v *x, const size_t m, size_t c, size_t n)
{
	const v lo = v_set1(t->lo), hi = v_set1(t->hi);
	const v bias = t->bias ? load_lanes(t->bias + c, n) : v_set1(0.0f);
	for (size_t i = 0; i < t->rows; i++) {
		for (size_t j = 0; j < t->cols; j++) {
			v y = v_add(x[i * m + j], bias);
			if (t->residual)
				y = v_add(y, load_lanes(t->residual + i * t->residual_row +
							    j * t->residual_pixel + c,
							n));
			y = v_min(hi, v_max(lo, y));
			store_lanes(t->y + i * t->y_row + j * t->y_pixel + c, y, n);
		}
	}
}

INLINE void output(const struct rt_winograd_out *t, const size_t side)
{
	const size_t m = side - 2;
	for (size_t c = 0; c < t->channels; c += V) {
		const size_t n = t->channels - c;
		v x[36], half[24], y[16];
		UNROLL
		for (size_t j = 0; j < side; j++) {
			UNROLL
			for (size_t i = 0; i < side; i++)
				x[i * side + j] =
				    load_lanes(t->from + (i * side + j) * t->from_step + c, n);
			if (side == 4)
				out_4(x + j, side, half + j, side);
			else
				out_6(x + j, side, half + j, side);
		}
		UNROLL
		for (size_t i = 0; i < m; i++) {
			if (side == 4)
				out_4(half + i * side, 1, y + i * m, 1);
			else
				out_6(half + i * side, 1, y + i * m, 1);
		}
		finish(t, y, m, c, n);
	}
}

static void input_2(const struct rt_winograd_in *t)
{
	input(t, 4);
}
static void input_4(const struct rt_winograd_in *t)
{
	input(t, 6);
}
static void output_2(const struct rt_winograd_out *t)
{
	output(t, 4);
}
static void output_4(const struct rt_winograd_out *t)
{
	output(t, 6);
}

const struct rt_f32_winograd VARIANT = {.input = {input_2, input_4},
					.output = {output_2, output_4}};
