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

static inline __attribute__((always_inline)) v load_lanes(const float *p, size_t n)
{
	return n >= V ? v_load(p) : v_load_n(p, n);
}

/* acc → C with the epilogue.  ${last}: how many lanes of the last vector are in C. */
static inline __attribute__((always_inline)) void
finish(const struct rt_gemm_tile *t, v acc[][2], const size_t m, const size_t nv, size_t last)
{
	const struct rt_epilogue *e = t->epilogue;
	v lo, hi, bias[2];
	if (!e) {
		UNROLL
		for (size_t r = 0; r < m; r++) {
			if (nv == 2)
				v_store(t->c + r * t->ldc, acc[r][0]);
			if (last == V)
				v_store(t->c + r * t->ldc + (nv - 1) * V, acc[r][nv - 1]);
			else
				v_store_n(t->c + r * t->ldc + (nv - 1) * V, acc[r][nv - 1], last);
		}
		return;
	}
	lo = v_set1(e->lo), hi = v_set1(e->hi);
	UNROLL
	for (size_t j = 0; j < nv; j++) {
		size_t lanes = j == nv - 1 ? last : V;
		bias[j] = e->bias ? load_lanes(e->bias + j * V, lanes) : v_set1(0.0f);
	}
	UNROLL
	for (size_t r = 0; r < m; r++) {
		UNROLL
		for (size_t j = 0; j < nv; j++) {
			size_t lanes = j == nv - 1 ? last : V;
			float *c = t->c + r * t->ldc + j * V;
			v x = v_add(acc[r][j], bias[j]);
			if (e->residual)
				x = v_add(
				    x, load_lanes(e->residual + r * e->ld_residual + j * V, lanes));
			x = v_min(hi, v_max(lo, x));
			if (lanes == V)
				v_store(c, x);
			else
				v_store_n(c, x, lanes);
		}
	}
}

static inline __attribute__((always_inline)) void tile(const struct rt_gemm_tile *t, const size_t m,
						       const size_t nv)
{
	const size_t lda = t->lda, last = t->n - (nv - 1) * V;
	const float *w = t->w, *soon = t->prefetch, *a[(MR1 > MR2 ? MR1 : MR2) / 3 + 1];
	v acc[MR1 > MR2 ? MR1 : MR2][2];
	UNROLL
	for (size_t r = 0; r < m; r++) {
		UNROLL
		for (size_t j = 0; j < nv; j++) {
			const float *c = t->c + r * t->ldc + j * V;
			acc[r][j] = v_set1(0.0f);
			if (t->accumulate)
				acc[r][j] = load_lanes(c, j == nv - 1 ? last : V);
		}
	}
	UNROLL
	for (size_t r = 0; r < m; r += 3)
		a[r / 3] = t->a + r * lda;
	for (size_t k = t->k; k > 0; k--) {
		v w0 = v_load(w), w1 = nv == 2 ? v_load(w + V) : w0;
		w += nv * V;
		v_prefetch(soon);
		soon += V;
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
	finish(t, acc, m, nv, last);
}

/* One row: several partial sums, because one would wait for each addition. */
static inline __attribute__((always_inline)) void one_row(const struct rt_gemm_tile *t,
							  const size_t nv)
{
	const size_t last = t->n - (nv - 1) * V;
	const float *w = t->w, *a = t->a;
	v acc[1][2], s[4][2];
	size_t k = t->k;
	UNROLL
	for (size_t i = 0; i < 4; i++)
		s[i][0] = s[i][1] = v_set1(0.0f);
	for (; k >= 4; k -= 4, a += 4, w += 4 * nv * V) {
		UNROLL
		for (size_t i = 0; i < 4; i++) {
			v x = v_set1(a[i]);
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
	UNROLL
	for (size_t j = 0; j < nv; j++) {
		acc[0][j] = v_add(v_add(s[0][j], s[1][j]), v_add(s[2][j], s[3][j]));
		if (t->accumulate)
			acc[0][j] =
			    v_add(acc[0][j], load_lanes(t->c + j * V, j == nv - 1 ? last : V));
	}
	finish(t, acc, 1, nv, last);
}

#define TILE(m)                                                                                    \
	static void wide_##m(const struct rt_gemm_tile *t)                                         \
	{                                                                                          \
		m == 1 ? one_row(t, 2) : tile(t, m, 2);                                            \
	}
TILES2(TILE)
#undef TILE
#define TILE(m)                                                                                    \
	static void narrow_##m(const struct rt_gemm_tile *t)                                       \
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
