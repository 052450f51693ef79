/* SPDX-License-Identifier: MIT */
/*
 * kernels.h — one typed slot per kind of kernel.
 *
 * kernels.c fills a table per CPU level from the lists (kinds.def, <kind>.def);
 * ops/ call through the table and never name an instruction set:
 *
 *	const struct rt_kernels *k = b->kernels;
 *	k->f32_unary->fn[RT_UNARY_SIGMOID](n, x, y, NULL);
 *	k->f32_binary->vs[RT_BINARY_MUL](n, x, &scale, y);
 *
 * Rules for every kernel.  Pure functions of their arguments: no memory of
 * their own, no threads, no errors.  Pointers are to elements in row-major
 * order, aligned to their element and no more; sizes and strides are in
 * elements; n may be 0.  Kernels read and write exactly the elements named and
 * never beyond.  In-place (y == x, exactly) is allowed where said; other
 * overlaps are not.
 */
#ifndef LARDER_RUNTIME_KERNELS_KERNELS_H
#define LARDER_RUNTIME_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/runtime.h"

/* ---- element-wise --------------------------------------------------------------------------- */

enum rt_unary {
#define UNARY(id, name, abs, rel) RT_UNARY_##id,
#include "runtime/kernels/unary.def"
#undef UNARY
	RT_UNARY_COUNT
};
struct rt_unary_params {
	float a, b; /* meaning: unary.def */
};
/* y[i] = f(x[i]); y may be x.  ${p} may be NULL for functions without parameters. */
typedef void rt_f32_unary_f(size_t n, const float *x, float *y, const struct rt_unary_params *p);
struct rt_f32_unary {
	rt_f32_unary_f *fn[RT_UNARY_COUNT];
};

enum rt_binary {
#define BINARY(id, name) RT_BINARY_##id,
#include "runtime/kernels/binary.def"
#undef BINARY
	RT_BINARY_COUNT
};
typedef void rt_f32_binary_f(size_t n, const float *a, const float *b, float *y);
struct rt_f32_binary {
	rt_f32_binary_f *vv[RT_BINARY_COUNT]; /* y[i] = f(a[i], b[i]); y may be a or b */
	rt_f32_binary_f *vs[RT_BINARY_COUNT]; /* y[i] = f(a[i], *b); y may be a */
	rt_f32_binary_f *sv[RT_BINARY_COUNT]; /* y[i] = f(*a, b[i]); y may be b */
	/* y[i] = x[i] · s[i] + b[i] (a row of BatchNorm, channels last); y may be x */
	void (*muladd)(size_t n, const float *x, const float *s, const float *b, float *y);
};

/* ---- rows ----------------------------------------------------------------------------------- */

enum rt_reduce {
	RT_REDUCE_SUM,
	RT_REDUCE_SUM_SQUARE,
	RT_REDUCE_SUM_ABS,
	RT_REDUCE_MAX, /* −inf of an empty row; NaN if any element is NaN */
	RT_REDUCE_MIN, /* +inf of an empty row */
	RT_REDUCE_COUNT
};
struct rt_f32_row {
	/* The reduction of x[0..n−1]; sums are accumulated in several float lanes. */
	float (*reduce[RT_REDUCE_COUNT])(size_t n, const float *x);
	/* y = exp(x − max x) / Σ exp(x − max x); y may be x */
	void (*softmax)(size_t n, const float *x, float *y);
	/* y = x − max x − log Σ exp(x − max x); y may be x */
	void (*log_softmax)(size_t n, const float *x, float *y);
	/*
	 * y = (x − mean) / √(variance + eps) · scale + bias, the variance being that of all
	 * elements (÷ n); scale, bias [n] or NULL; y may be x.  LayerNormalization of a row.
	 */
	void (*layer_norm)(size_t n, const float *x, const float *scale, const float *bias,
			   float eps, float *y);
	/* y = x / √(mean of squares + eps) · scale; scale [n] or NULL; y may be x */
	void (*rms_norm)(size_t n, const float *x, const float *scale, float eps, float *y);
};

/* ---- conversions and moves ------------------------------------------------------------------- */

struct rt_f16_convert {
	void (*to_f32)(size_t n, const uint16_t *x, float *y);   /* exact */
	void (*from_f32)(size_t n, const float *x, uint16_t *y); /* to nearest even */
};

/* y[c][r] = x[r][c] for r < rows, c < cols; ldx, ldy are row strides; any 32-bit element type. */
struct rt_x32_transpose {
	void (*run)(size_t rows, size_t cols, const void *x, size_t ldx, void *y, size_t ldy);
};

/* ---- matrix products: use gemm.h, which drives these ------------------------------------------
 */

/* What happens to a tile before it is stored, in this order. */
struct rt_epilogue {
	const float *bias;     /* [N], or NULL */
	const float *residual; /* [M][N], row stride ld_residual, or NULL; not C */
	size_t ld_residual;
	float lo, hi; /* clamped to lo..hi; NaN stays; −inf, +inf = not */
};

/*
 * One tile, m ≤ mr rows by n ≤ nr columns:
 *	C = epilogue((accumulate ? C : 0) + A · W)
 * ${epilogue} is NULL while more of K is to come.  W is a panel of packed
 * weights (gemm.h): [k][nv·lanes], nv = 1 or 2 vectors wide, n ≤ nv·lanes.  K may
 * come in segments, as the rows of a window do in an image: after each, A and W
 * are moved on.
 */
struct rt_gemm_tile {
	size_t m, n;
	size_t segments, k; /* K = segments · k */
	const float *a;     /* [m][k], row stride lda, in each segment */
	size_t lda;
	const float *w;        /* [k][panel width] in each segment */
	size_t a_skip, w_skip; /* elements from the end of a segment's row to the next segment */
	float *c;              /* [m][n], row stride ldc */
	size_t ldc;
	const float *prefetch; /* [k][nr/2] that will be read soon; never NULL, may be ${w} */
	bool accumulate;
	const struct rt_epilogue *epilogue; /* bias and residual are those of the tile's corner */
};
struct rt_f32_gemm {
	size_t mr;  /* rows of a tile of full width */
	size_t nr;  /* columns of a panel of full width: two vectors */
	size_t mr1; /* rows of a tile one vector (nr/2) wide */
	void (*tile)(const struct rt_gemm_tile *t);
};

/* ---- spatial operators, channels last ----------------------------------------------------------
 */

/*
 * A run of output pixels of one output row, all of which see the same window of
 * rows × cols taps: the part of the kernel that lies inside the input.
 *	y[p][c] = f over r < rows, q < cols of in[r][q·in_tap + p·in_step + c]
 */
struct rt_window {
	size_t channels, pixels;
	size_t rows, cols;
	const float *const *in; /* [rows]: channel 0 of the first tap of the first pixel */
	size_t in_tap;          /* elements from a tap to the next: dilation · C */
	size_t in_step;         /* elements from a pixel to the next: stride · C */
	float *y;               /* [pixels][channels], pixel stride y_step */
	size_t y_step;
};
struct rt_f32_dwconv {
	/* y = clamp(bias + Σ in · w); w[r·w_row + q·w_tap + c]; bias [channels] or NULL */
	void (*run)(const struct rt_window *win, const float *w, size_t w_row, size_t w_tap,
		    const float *bias, float lo, float hi);
};
struct rt_f32_pool {
	void (*max)(const struct rt_window *win);
	void (*sum)(const struct rt_window *win, float scale); /* y = scale · Σ in */
};

/* ---- the table --------------------------------------------------------------------------------
 */

struct rt_kernels {
	enum rt_cpu_level level;
#define KIND(kind, what) const struct rt_##kind *kind;
#include "runtime/kernels/kinds.def"
#undef KIND
};

/*
 * rt_kernels_select(level): the table of that level: per kind the last row that
 * this machine and this build have at or below ${level} and whose results match
 * the scalar row on a fixed input; one that does not match is reported on stderr
 * and skipped.  Made once; never NULL; for the life of the process; any thread.
 */
const struct rt_kernels *rt_kernels_select(enum rt_cpu_level level);

/* Every variant, for kernels.c and the tests. */
#define KERNEL(level, symbol) extern const struct rt_f32_unary symbol;
#include "runtime/kernels/f32_unary.def"
#undef KERNEL
#define KERNEL(level, symbol) extern const struct rt_f32_binary symbol;
#include "runtime/kernels/f32_binary.def"
#undef KERNEL
#define KERNEL(level, symbol) extern const struct rt_f32_row symbol;
#include "runtime/kernels/f32_row.def"
#undef KERNEL
#define KERNEL(level, symbol) extern const struct rt_f16_convert symbol;
#include "runtime/kernels/f16_convert.def"
#undef KERNEL
#define KERNEL(level, symbol) extern const struct rt_x32_transpose symbol;
#include "runtime/kernels/x32_transpose.def"
#undef KERNEL
#define KERNEL(level, symbol) extern const struct rt_f32_gemm symbol;
#include "runtime/kernels/f32_gemm.def"
#undef KERNEL
#define KERNEL(level, symbol) extern const struct rt_f32_dwconv symbol;
#include "runtime/kernels/f32_dwconv.def"
#undef KERNEL
#define KERNEL(level, symbol) extern const struct rt_f32_pool symbol;
#include "runtime/kernels/f32_pool.def"
#undef KERNEL

#endif
