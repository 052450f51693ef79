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
	/* y = exp(scale · (x − max x)), scale ≥ 0; Σ y; y may be x: softmax but for the division */
	float (*exp_sum)(size_t n, const float *x, float scale, float *y);
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
	/* What will be read soon: per step of K, the lines of prefetch and, if the tile is two
	 * vectors wide, prefetch + far are fetched, then prefetch += step.  Any address, never
	 * NULL; with step 0 maybe nothing is fetched. */
	const float *prefetch;
	size_t prefetch_step, prefetch_far;
	bool accumulate;
	const struct rt_epilogue *epilogue; /* bias and residual are those of the tile's corner */
};
struct rt_f32_gemm {
	size_t mr;  /* rows of a tile of full width */
	size_t nr;  /* columns of a panel of full width: two vectors */
	size_t mr1; /* rows of a tile one vector (nr/2) wide */
	void (*tile)(const struct rt_gemm_tile *t);
};

/*
 * The same products where the machine multiplies bfloat16 much faster than float32.  A
 * float is the sum of three of them: its upper 16 bits, those of what is left, those of what is
 * left then, 24 bits in all.  Of the nine products of parts the six largest are summed in
 * float32; the others are below 2⁻²³ of the product, half a unit in its last place.
 *
 * Error, against double: in tests below that of float32 sums in sequence, at every K
 * (tests/runtime/check_kernels_split.c).  Parts below 2⁻¹²⁶ count as 0, so numbers below
 * 2⁻¹¹⁰ lose bits.  Infinities and NaN have no parts: rows and weights say so, and the caller
 * takes f32_gemm.
 *
 * K comes in steps of 32, zeros behind the last element.  Parts of A are [3][m][lda]; of a panel of
 * W, width nr or nr/2 (of f32_gemm, 32 or 16 where this is fast):
 * [⌈k/32⌉][3][width/16][16 pairs of K][16 columns][2].
 */
enum { RT_SPLIT_PARTS = 3, RT_SPLIT_STEP = 32, RT_SPLIT_HALF = 16 };
struct rt_split_tile {
	size_t m, n, k;
	const uint16_t *a;  /* aligned to 64; rows up to m + 15 are memory, whatever it holds */
	size_t lda, a_part; /* elements from row to row, from part to part */
	const uint16_t *w;  /* aligned to 64 */
	bool narrow;        /* the panel is 16 columns wide, else 32; n may be less */
	/* What will be read soon: ${prefetch_lines} lines from here on.  Any address. */
	const float *prefetch;
	size_t prefetch_lines;
	float *c; /* [m][n], row stride ldc */
	size_t ldc;
	bool accumulate;
	const struct rt_epilogue *epilogue; /* as in struct rt_gemm_tile */
};
struct rt_f32_split {
	bool is_fast; /* faster than f32_gemm, whose panels are 32 wide then */
	/* Parts of A [m][k], row stride lda; false if an element is not finite. */
	bool (*rows)(size_t m, size_t k, const float *a, size_t lda, uint16_t *to, size_t ld,
		     size_t part);
	/* Parts of rows of a packed panel [k][width]; false if an element is not finite.  ${lines}
	 * lines from ${prefetch} on are fetched meanwhile. */
	bool (*weights)(size_t k, bool narrow, const float *w, uint16_t *to, const float *prefetch,
			size_t lines);
	void (*tile)(const struct rt_split_tile *t); /* any m */
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
/*
 * Whole rows of output of a depthwise convolution of 3 × 3 taps, edges included, one or, with
 * stride 1, two of them: y[o][p][c] = clamp(bias + Σ in[o + r][p·stride − left + q] · w).
 */
struct rt_dw_rows {
	size_t channels, pixels, count; /* of a pixel; of a row of output; of rows: 1 or 2 */
	size_t stride;                  /* along the row: 1 or 2 */
	size_t width;                   /* pixels of a row of input */
	size_t left;        /* 0 or 1 columns of zeros before it; behind it at most one */
	const float *in[4]; /* [count + 2]: pixel 0 of a row of input; NULL: zeros */
	const float *w;     /* [3][3][channels] */
	const float *bias;  /* [channels], or NULL */
	float lo, hi;
	float *y[2]; /* [count]: [pixels][channels] */
};
struct rt_f32_dwconv {
	/* y = clamp(bias + Σ in · w); w[r·w_row + q·w_tap + c]; bias [channels] or NULL */
	void (*run)(const struct rt_window *win, const float *w, size_t w_row, size_t w_tap,
		    const float *bias, float lo, float hi);
	void (*rows)(const struct rt_dw_rows *d);
};
struct rt_f32_pool {
	void (*max)(const struct rt_window *win);
	void (*sum)(const struct rt_window *win, float scale); /* y = scale · Σ in */
};

/*
 * Winograd's convolution of 3 × 3 taps, stride 1: for a square of m × m output
 * pixels, m = 2 or 4, of (m + 2)² input pixels, V = Bᵀ·X·B, a sum over channels of
 * V ∘ U for each of the (m + 2)² places (products of matrices), and Y = Aᵀ·M·A.
 * Weights: U = G·W·Gᵀ (ops/conv_winograd.c).
 *
 * Error, absolute, for X and W in −1 … 1 and C channels, against double: at most
 * 3.5e-6·√C (m = 2) and 5.5e-5·√C (m = 4); the largest that were seen, at any level, are
 * 2.8e-6·√C (C = 130) and 4.5e-5·√C (C = 128).  Plain sums, one after the other, have up
 * to 2e-5·√C (tests/runtime/check_conv.c).  An infinity or NaN
 * spreads to all pixels of the square.
 */
struct rt_winograd_in {
	size_t channels;
	const float *const *in; /* [(m + 2)²]: channel 0 of each pixel; zeros for those outside */
	float *to;              /* V: channel 0 of place 0 */
	size_t to_step;         /* elements from a place to the next */
};
struct rt_winograd_out {
	size_t channels, rows, cols; /* rows, cols ≤ m: the pixels that there are */
	const float *from;           /* M: channel 0 of place 0 */
	size_t from_step;
	const float *bias;     /* [channels], or NULL */
	const float *residual; /* of the first pixel, or NULL */
	size_t residual_row, residual_pixel;
	float lo, hi; /* clamped to lo..hi after both */
	float *y;
	size_t y_row, y_pixel;
};
struct rt_f32_winograd {
	void (*input[2])(const struct rt_winograd_in *t); /* m = 2, 4 */
	void (*output[2])(const struct rt_winograd_out *t);
};

/* ---- bytes: quantised numbers, real = scale · (q − zero) ---------------------------------------
 */

/* Sums of products become results: sum + add[c] + row[r]·row_mul[c] (int32, wrapping), then as the
 * function says. */
struct rt_i8_finish {
	size_t m, n;
	const int32_t *sum; /* [m][n], row stride ld_sum */
	size_t ld_sum;
	const int32_t *add;     /* [n] */
	const int32_t *row;     /* [m], or NULL */
	const int32_t *row_mul; /* [n], if row is set */
	const float *scale;     /* [n]; not for to_i32 */
	const float *bias;      /* [n], or NULL; only for to_f32 */
	const float *residual;  /* [m][n], row stride ld_residual, or NULL; only for to_f32 */
	size_t ld_residual;
	float lo, hi; /* to_f32: bounds of results; to_i8: of results before zero is added */
	int32_t zero; /* only for to_i8 */
	void *y;      /* [m][n], row stride ldy: int32, float or bytes */
	size_t ldy;
};
/* y = clamp((a_scale·(a − a_zero) ∘ b_scale·(b − b_zero)) / y_scale), rounded, + y_zero. */
struct rt_i8_pair {
	float a_scale, b_scale, y_scale;
	int32_t a_zero, b_zero, y_zero;
	bool is_signed; /* a and b are int8, else uint8 */
	float lo, hi;   /* before y_zero is added */
};
/*
 * Rounding is to nearest, ties to even.  Bounds are integers such that the result
 * with the zero point is a byte, int8 or uint8; NaN becomes the zero point, or in to_i8 the least.
 */
struct rt_i8_row {
	/* y = clamp(x / scale), rounded, + zero; bounds: lo, hi, before zero is added */
	void (*quantise)(size_t n, const float *x, float scale, int32_t zero, const float bounds[2],
			 uint8_t *y);
	/* y = scale · (q − zero) */
	void (*reals)(size_t n, const uint8_t *q, bool is_signed, float scale, int32_t zero,
		      float *y);
	void (*add)(const struct rt_i8_pair *p, size_t n, const uint8_t *a, const uint8_t *b,
		    uint8_t *y); /* y may be a or b */
	void (*mul)(const struct rt_i8_pair *p, size_t n, const uint8_t *a, const uint8_t *b,
		    uint8_t *y);
	/* sums[c] = Σ x[r][c] over m rows, row stride ldx */
	void (*sum_rows)(size_t m, size_t n, const uint8_t *x, size_t ldx, bool is_signed,
			 int32_t *sums);
	void (*to_i32)(const struct rt_i8_finish *f); /* the sum as it is */
	void (*to_f32)(const struct rt_i8_finish *f); /* clamp(sum · scale + bias + residual) */
	void (*to_i8)(const struct rt_i8_finish *f);  /* clamp(sum · scale), rounded, + zero */
};

/*
 * Sums of products of bytes: c[r][j] = Σ a[r][k]·w[k][j], int32, wrapping.  Of
 * A and W one is unsigned and the other signed.  W is a panel of packed weights
 * (i8_gemm.h): [⌈k/4⌉][width][4], 0 where K has ended, width nr or, if narrow,
 * nr/2.  All columns of the panel are written.
 */
struct rt_i8_tile {
	size_t m, k;
	const uint8_t *a; /* [m][k], row stride lda */
	size_t lda;
	bool a_signed; /* A is int8 and W uint8; else A is uint8 and W int8 */
	bool narrow;
	const uint8_t *w;
	/* What will be read soon: for every four of K, ${prefetch_lines} ≤ 2 lines from here on.
	 * Any address, never NULL. */
	const uint8_t *prefetch;
	size_t prefetch_lines;
	int32_t *c; /* [m][width], row stride nr */
};
struct rt_i8_gemm {
	size_t mr;  /* rows of a tile of full width */
	size_t nr;  /* columns of a panel of full width, at most 64 */
	size_t mr1; /* rows of a tile half as wide */
	void (*tile)(const struct rt_i8_tile *t);
	/* Σ a[0..k−1], wrapping */
	int32_t (*sum)(size_t k, const uint8_t *a, bool is_signed);
};

/*
 * Sums of a run of pixels of a depthwise convolution, channels last:
 *	sum[p][c] = Σ_t (in[p·step + t][c] xor flip, as uint8) · w[t][c]
 * W is int8, packed by pack into pack_elems bytes from [taps][channels].
 */
struct rt_i8_window {
	size_t channels, pixels, taps, step;
	const uint8_t *const *in; /* [(pixels − 1)·step + taps]: channel 0 of what a tap sees */
	uint8_t flip;             /* 0, or 0x80 for int8 tensors */
	const int8_t *w;          /* packed, aligned to 64 */
	int32_t *sum;             /* [pixels][channels] */
};
struct rt_i8_dwconv {
	size_t (*pack_elems)(size_t channels, size_t taps);
	void (*pack)(size_t channels, size_t taps, const int8_t *w, int8_t *packed);
	void (*run)(const struct rt_i8_window *win);
};

/* ---- weights of four bits --------------------------------------------------------------------
 */

/*
 * y[r][j] = Σ_b scale[j][b] · Σ_k x[r][b·block + k] · (q[j][b][k] − zero[j][b]) for m rows of X and
 * n rows of W.  Elements of W are half bytes, low half first: [n][blocks][block/2]; block is a
 * power of two of at least 16.  X is as prepare leaves it.
 */
struct rt_n4_rows {
	size_t m, n, blocks, block;
	const float *x; /* [m], row stride ldx: prepared, aligned to 64 */
	size_t ldx;
	const uint8_t *w;
	const float *scale;   /* [n][blocks] */
	const uint8_t *zero4; /* [n][⌈blocks/2⌉] half bytes, or NULL: 8 */
	const float *bias;    /* [n], or NULL */
	float *y;             /* [m][n], row stride ldy */
	size_t ldy;
};
struct rt_n4_dot {
	size_t mr;    /* rows of X that one call takes, at most */
	size_t chunk; /* elements: rows of prepared X are multiples of it */
	/* x [k] in the order that run reads, zeros behind it up to a multiple of chunk */
	void (*prepare)(size_t k, const float *x, float *to);
	void (*run)(const struct rt_n4_rows *r);
	/* to[k] = scale · (q[k] − zero) for one block */
	void (*unpack)(size_t block, const uint8_t *q, float scale, float zero, float *to);
};

/*
 * The same product for any number of rows, by products of bytes.  Elements of X
 * become integers with a scale per block, of ${parts} signed bytes, low ones first:
 * x = Σ part·256^i.  Two bytes are 16 bits of the largest of the block, three are
 * what a float32 has.  Sums of a block are exact.  block is a power of two, 16 … 2048.
 *
 * W is packed in panels of 16 columns: [blocks][block/8][16][4 bytes as they are],
 * with scales and zero points [blocks][16].
 */
struct rt_n4_sums {
	int32_t part[3]; /* −8 · Σ of each part of a block */
	float all;       /* Σ of the integers */
};
struct rt_n4_tile {
	size_t m, n; /* n ≤ 16 columns are written */
	size_t blocks, block;
	int parts;            /* 2 or 3 */
	const int8_t *x;      /* [m], row stride ldx: [blocks][block/8][parts]: the four even, then
			       * the four odd elements of eight */
	const float *x_scale; /* [m][blocks] */
	const struct rt_n4_sums *x_sum; /* [m][blocks] */
	size_t ldx;
	const uint8_t *w;   /* aligned to 64 */
	const float *scale; /* aligned to 64 */
	const float *zero;  /* aligned to 64, or NULL: 8 */
	const float *bias;  /* [n], or NULL */
	float *y;           /* [m][n], row stride ldy */
	size_t ldy;
};
struct rt_n4_gemm {
	size_t mr[4]; /* rows of a tile, by parts */
	bool is_fast; /* faster than n4_dot and f32_gemm */
	/* One block of x, of which ${n} elements are there. */
	void (*prepare)(size_t block, int parts, size_t n, const float *x, int8_t *to, float *scale,
			struct rt_n4_sums *sum);
	void (*tile)(const struct rt_n4_tile *t);
	/* The first ${k} rows of a panel as floats: to[i][0 … 15], row stride ld, is
	 * scale · (q − zero); zero NULL: 8. */
	void (*unpack)(size_t k, size_t block, const uint8_t *w, const float *scale,
		       const float *zero, float *to, size_t ld);
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
/* rt_kernels_mark(kernels): a number that differs where other variants were chosen (pack.c). */
uint64_t rt_kernels_mark(const struct rt_kernels *kernels);

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
#define KERNEL(level, symbol) extern const struct rt_f32_split symbol;
#include "runtime/kernels/f32_split.def"
#undef KERNEL
#define KERNEL(level, symbol) extern const struct rt_f32_dwconv symbol;
#include "runtime/kernels/f32_dwconv.def"
#undef KERNEL
#define KERNEL(level, symbol) extern const struct rt_f32_pool symbol;
#include "runtime/kernels/f32_pool.def"
#undef KERNEL
#define KERNEL(level, symbol) extern const struct rt_f32_winograd symbol;
#include "runtime/kernels/f32_winograd.def"
#undef KERNEL
#define KERNEL(level, symbol) extern const struct rt_i8_row symbol;
#include "runtime/kernels/i8_row.def"
#undef KERNEL
#define KERNEL(level, symbol) extern const struct rt_i8_gemm symbol;
#include "runtime/kernels/i8_gemm.def"
#undef KERNEL
#define KERNEL(level, symbol) extern const struct rt_i8_dwconv symbol;
#include "runtime/kernels/i8_dwconv.def"
#undef KERNEL
#define KERNEL(level, symbol) extern const struct rt_n4_dot symbol;
#include "runtime/kernels/n4_dot.def"
#undef KERNEL
#define KERNEL(level, symbol) extern const struct rt_n4_gemm symbol;
#include "runtime/kernels/n4_gemm.def"
#undef KERNEL

#endif
