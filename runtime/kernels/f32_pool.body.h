/* SPDX-License-Identifier: MIT */
/*
 * f32_pool.body.h — runs of max and average pooling in the vector vocabulary.
 * Included by f32_pool-<isa>.c after its vec-<isa>.h, with VARIANT naming the
 * table to define.
 */
#include <math.h>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/unroll.h"

#define WIDE 4 /* vectors of channels at a time: their chains of operations overlap */

static inline __attribute__((always_inline)) v load_lanes(const float *p, size_t n)
{
	return n >= V ? v_load(p) : v_load_n(p, n);
}
/* v_max keeps a NaN of its second operand; once there, the first must be looked at. */
static inline v step_max(v acc, v x)
{
	return v_select(v_isnan(acc), acc, v_max(acc, x));
}
static inline v step_sum(v acc, v x)
{
	return v_add(acc, x);
}

/* Pixel ${p}, ${vectors} vectors of channels from ${c}; the last has ${n} ≤ V lanes. */
#define POOL(name, start, step, end)                                                               \
	static inline __attribute__((always_inline)) void name##_part(                             \
	    const struct rt_window *win, size_t p, size_t c, const size_t vectors, size_t n,       \
	    v scale)                                                                               \
	{                                                                                          \
		v acc[WIDE];                                                                       \
		float *y = win->y + p * win->y_step + c;                                           \
		UNROLL                                                                             \
		for (size_t i = 0; i < vectors; i++)                                               \
			acc[i] = v_set1(start);                                                    \
		for (size_t r = 0; r < win->rows; r++) {                                           \
			const float *in = win->in[r] + p * win->in_step + c;                       \
			for (size_t q = 0; q < win->cols; q++, in += win->in_tap) {                \
				UNROLL                                                             \
				for (size_t i = 0; i < vectors; i++)                               \
					acc[i] = step(acc[i], load_lanes(in + i * V, n));          \
			}                                                                          \
		}                                                                                  \
		UNROLL                                                                             \
		for (size_t i = 0; i < vectors; i++) {                                             \
			if (n >= V)                                                                \
				v_store(y + i * V, end(acc[i], scale));                            \
			else                                                                       \
				v_store_n(y + i * V, end(acc[i], scale), n);                       \
		}                                                                                  \
	}                                                                                          \
	static void name##_run(const struct rt_window *win, float s)                               \
	{                                                                                          \
		const v scale = v_set1(s);                                                         \
		for (size_t p = 0; p < win->pixels; p++) {                                         \
			size_t c = 0;                                                              \
			for (; c + WIDE * V <= win->channels; c += WIDE * V)                       \
				name##_part(win, p, c, WIDE, V, scale);                            \
			for (; c + V <= win->channels; c += V)                                     \
				name##_part(win, p, c, 1, V, scale);                               \
			if (c < win->channels)                                                     \
				name##_part(win, p, c, 1, win->channels - c, scale);               \
		}                                                                                  \
	}
static inline v end_max(v acc, v scale)
{
	(void)scale;
	return acc;
}
POOL(max, -INFINITY, step_max, end_max)
POOL(sum, 0.0f, step_sum, v_mul)

static void max(const struct rt_window *win)
{
	max_run(win, 1.0f);
}

const struct rt_f32_pool VARIANT = {.max = max, .sum = sum_run};
