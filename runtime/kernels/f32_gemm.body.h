/* SPDX-License-Identifier: MIT */
/*
 * f32_gemm.body.h — register tiles of C = A · W in the vector vocabulary.
 * Included by f32_gemm-<isa>.c after its vec-<isa>.h, which defines
 *
 *	VARIANT     the table to define
 *	TILES2(F)   F(1) F(2) … F(mr): heights of tiles two vectors wide
 *	TILES1(F)   … one vector wide (the last panel, when N mod nr ≤ nr/2)
 *	MR2, MR1    the last of each
 *
 * Each height is its own function, so that the accumulators are registers.
 * Rows of A are read where they are: every third has a pointer, the two after
 * it are that plus lda and 2·lda, which the addressing modes give for nothing.
 */
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/unroll.h"

/*
 * Sanitizers would check each of thousands of unrolled loads, for which compilers
 * take minutes; what a tile reads and writes is watched by
 * tests/runtime/check_kernels_gemm.c.
 */
#ifdef __clang__
#define UNCHECKED
#pragma clang attribute push(__attribute__((no_sanitize("address", "undefined"))),                 \
			     apply_to = function)
#else
#define UNCHECKED __attribute__((no_sanitize_address, no_sanitize_undefined))
#endif

/* Lanes of vector ${j} of ${nv}: all of them, but for the last one of a tile that is not ${whole}.
 */
UNCHECKED static inline __attribute__((always_inline)) v
load_vec(const float *p, size_t j, const size_t nv, size_t last, const bool whole)
{
	return whole || j + 1 < nv ? v_load(p) : v_load_n(p, last);
}

UNCHECKED static inline __attribute__((always_inline)) void
store_vec(float *p, v x, size_t j, const size_t nv, size_t last, const bool whole)
{
	if (whole || j + 1 < nv)
		v_store(p, x);
	else
		v_store_n(p, x, last);
}

/* What is done to sums on their way to C. */
enum bounds { NO_BOUND, LO, LO_AND_HI };

/* acc → C.  What varies is constant in each copy of this, so that a copy has no branches. */
UNCHECKED static inline __attribute__((always_inline)) void
put(const struct rt_gemm_tile *t, const struct rt_epilogue *e, v acc[][2], const size_t m,
    const size_t nv, size_t last, const bool whole, const bool residual, const enum bounds bounds)
{
	v lo = v_set1(e->lo), hi = v_set1(e->hi);
	UNROLL
	for (size_t r = 0; r < m; r++) {
		UNROLL
		for (size_t j = 0; j < nv; j++) {
			v x = acc[r][j];
			if (residual)
				x = v_add(x, load_vec(e->residual + r * e->ld_residual + j * V, j,
						      nv, last, whole));
			if (bounds != NO_BOUND)
				x = v_max(lo, x);
			if (bounds == LO_AND_HI)
				x = v_min(hi, x);
			store_vec(t->c + r * t->ldc + j * V, x, j, nv, last, whole);
		}
	}
}

/* bias, if there is one, is not in the accumulators yet; ${last}: how many lanes of the last
 * vector are in C. */
UNCHECKED static inline __attribute__((always_inline)) void finish(const struct rt_gemm_tile *t,
								   v acc[][2], const size_t m,
								   const size_t nv, size_t last,
								   bool with_bias)
{
	static const struct rt_epilogue none = {.lo = -__builtin_inff(), .hi = __builtin_inff()};
	const struct rt_epilogue *e = t->epilogue ? t->epilogue : &none;
	if (!with_bias && e->bias) {
		UNROLL
		for (size_t j = 0; j < nv; j++) {
			v bias = load_vec(e->bias + j * V, j, nv, last, last == V);
			UNROLL
			for (size_t r = 0; r < m; r++)
				acc[r][j] = v_add(acc[r][j], bias);
		}
	}
	if (last == V && !e->residual && e->hi < __builtin_inff())
		put(t, e, acc, m, nv, V, true, false, LO_AND_HI);
	else if (last == V && !e->residual && e->lo > -__builtin_inff())
		put(t, e, acc, m, nv, V, true, false, LO);
	else if (last == V && !e->residual)
		put(t, e, acc, m, nv, V, true, false, NO_BOUND);
	else if (last == V)
		put(t, e, acc, m, nv, V, true, true, LO_AND_HI);
	else if (!e->residual)
		put(t, e, acc, m, nv, last, false, false, LO_AND_HI);
	else
		put(t, e, acc, m, nv, last, false, true, LO_AND_HI);
}

/* The accumulators' beginning: 0, or what C holds. */
UNCHECKED static inline __attribute__((always_inline)) void get(const struct rt_gemm_tile *t,
								v acc[][2], const size_t m,
								const size_t nv, size_t last,
								const bool whole)
{
	UNROLL
	for (size_t r = 0; r < m; r++) {
		UNROLL
		for (size_t j = 0; j < nv; j++)
			acc[r][j] = load_vec(t->c + r * t->ldc + j * V, j, nv, last, whole);
	}
}

#define MOST (MR1 > MR2 ? MR1 : MR2)

/* One segment of K; ${a} and ${w} advance. ${ahead}: what is read soon is fetched, from
 * ${soon} on. */
UNCHECKED static inline __attribute__((always_inline)) void
steps(const struct rt_gemm_tile *t, v acc[][2], const float *a[], const float **weights,
      const float **fetch, const size_t m, const size_t nv, const bool ahead)
{
	const size_t lda = t->lda, soon_step = t->prefetch_step, soon_far = t->prefetch_far;
	const float *w = *weights, *soon = *fetch;
	for (size_t k = t->k; k > 0; k--) {
		v w0 = v_load(w), w1 = nv == 2 ? v_load(w + V) : w0;
		w += nv * V;
		if (ahead) {
			v_prefetch(soon);
			if (nv == 2)
				v_prefetch(soon + soon_far);
			soon += soon_step;
		}
		UNROLL
		for (size_t r = 0; r < m; r++) {
			v x = v_set1(a[r / 3][r % 3 * lda]);
			acc[r][0] = v_fma(x, w0, acc[r][0]);
			if (nv == 2)
				acc[r][1] = v_fma(x, w1, acc[r][1]);
		}
		UNROLL
		for (size_t r = 0; r < m; r += 3)
			a[r / 3]++;
	}
	*weights = w, *fetch = soon;
}

UNCHECKED static inline __attribute__((always_inline)) void tile(const struct rt_gemm_tile *t,
								 const size_t m, const size_t nv)
{
	const size_t lda = t->lda, last = t->n - (nv - 1) * V;
	const float *w = t->w, *soon = t->prefetch, *a[MOST / 3 + 1];
	v acc[MOST][2];
	const bool with_bias = !t->accumulate && t->epilogue && t->epilogue->bias;
	v bias[2] = {v_set1(0.0f), v_set1(0.0f)}; /* what sums begin with: no addition at the end */
	if (with_bias) {
		UNROLL
		for (size_t j = 0; j < nv; j++)
			bias[j] = load_vec(t->epilogue->bias + j * V, j, nv, last, last == V);
	}
	UNROLL
	for (size_t r = 0; r < m; r++)
		acc[r][0] = bias[0], acc[r][1] = bias[1];
	if (t->accumulate && last == V)
		get(t, acc, m, nv, V, true);
	else if (t->accumulate)
		get(t, acc, m, nv, last, false);
	UNROLL
	for (size_t r = 0; r < m; r += 3)
		a[r / 3] = t->a + r * lda;
	for (size_t s = t->segments; s > 0; s--) {
		if (nv == 2 || t->prefetch_step > 0) /* wide ones have time to fetch the same */
			steps(t, acc, a, &w, &soon, m, nv, true);
		else
			steps(t, acc, a, &w, &soon, m, nv, false);
		w += t->w_skip;
		UNROLL
		for (size_t r = 0; r < m; r += 3)
			a[r / 3] += t->a_skip;
	}
	finish(t, acc, m, nv, last, with_bias);
}

/* One row: several partial sums, because one would wait for each addition. */
UNCHECKED static inline __attribute__((always_inline)) void one_row(const struct rt_gemm_tile *t,
								    const size_t nv)
{
	const size_t last = t->n - (nv - 1) * V;
	const float *w = t->w, *a = t->a;
	const size_t ahead = (size_t)(t->prefetch_step ? t->prefetch - t->w : 0);
	v acc[1][2], s[4][2];
	UNROLL
	for (size_t i = 0; i < 4; i++)
		s[i][0] = s[i][1] = v_set1(0.0f);
	for (size_t left = t->segments; left > 0; left--, a += t->a_skip, w += t->w_skip) {
		size_t k = t->k;
		for (; k >= 4; k -= 4, a += 4, w += 4 * nv * V) {
			UNROLL
			for (size_t i = 0; i < 4; i++) {
				v x = v_set1(a[i]);
				v_prefetch(w + ahead + i * nv * V);
				if (nv == 2)
					v_prefetch(w + ahead + (i * nv + 1) * V);
				s[i][0] = v_fma(x, v_load(w + i * nv * V), s[i][0]);
				if (nv == 2)
					s[i][1] = v_fma(x, v_load(w + (i * nv + 1) * V), s[i][1]);
			}
		}
		for (; k > 0; k--, a++, w += nv * V) {
			s[0][0] = v_fma(v_set1(*a), v_load(w), s[0][0]);
			if (nv == 2)
				s[0][1] = v_fma(v_set1(*a), v_load(w + V), s[0][1]);
		}
	}
	UNROLL
	for (size_t j = 0; j < nv; j++) {
		acc[0][j] = v_add(v_add(s[0][j], s[1][j]), v_add(s[2][j], s[3][j]));
		if (t->accumulate)
			acc[0][j] =
			    v_add(acc[0][j], load_vec(t->c + j * V, j, nv, last, last == V));
	}
	finish(t, acc, 1, nv, last, false);
}

#define TILE(m)                                                                                    \
	UNCHECKED static void wide_##m(const struct rt_gemm_tile *t)                               \
	{                                                                                          \
		m == 1 ? one_row(t, 2) : tile(t, m, 2);                                            \
	}
TILES2(TILE)
#undef TILE
#define TILE(m)                                                                                    \
	UNCHECKED static void narrow_##m(const struct rt_gemm_tile *t)                             \
	{                                                                                          \
		m == 1 ? one_row(t, 1) : tile(t, m, 1);                                            \
	}
TILES1(TILE)
#undef TILE

static void run(const struct rt_gemm_tile *t)
{
#define TILE(m) wide_##m,
	static void (*const wide[])(const struct rt_gemm_tile *) = {TILES2(TILE)};
#undef TILE
#define TILE(m) narrow_##m,
	static void (*const narrow[])(const struct rt_gemm_tile *) = {TILES1(TILE)};
#undef TILE
	if (t->n > V)
		wide[t->m - 1](t);
	else
		narrow[t->m - 1](t);
}

const struct rt_f32_gemm VARIANT = {.mr = MR2, .nr = 2 * V, .mr1 = MR1, .tile = run};

#ifdef __clang__
#pragma clang attribute pop
#endif
