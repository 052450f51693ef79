/* SPDX-License-Identifier: MIT */
/*
 * matmul_pack.c — constant B of MatMul and Gemm into the panels of their kernel, when a
 * model is opened.  Reads B once, from its beginning to its end, and says how far it is, so that
 * large weights are not in memory twice.  B may stand at any address.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/ops/matmul.h"

#define ROWS 16                      /* of [K][N] at once: so many streams a core keeps up with */
#define TOLD_BYTES ((size_t)4 << 20) /* a system call each */

/* B while it is packed. */
struct source {
	struct rt_bind *b;
	const struct rt_matmul *mm;
	const char *data;
	size_t size;     /* of a number */
	size_t n, k;     /* of one matrix */
	size_t at, told; /* bytes that are packed; of these given back */
};

static void advance(struct source *s, size_t bytes, bool last)
{
	s->at += bytes;
	if (s->at - s->told < TOLD_BYTES && !last)
		return;
	rt_bind_unread(s->b, 1, s->told, s->at - s->told);
	s->told = s->at;
}

/* Rows ${from} … ${end} − 1 of [k][n] at ${w} into all panels at ${to}, which are zeros. */
static void pack_rows(const struct source *s, const char *w, size_t from, size_t end, char *to)
{
	const size_t nr = s->mm->kernels->f32_gemm->nr;
	const size_t wide = rt_gemm_pack_elems(s->mm->kernels, s->n, s->k) / s->k;

	for (size_t j = 0; j < s->n; j += nr) {
		const size_t width = wide - j < nr ? wide - j : nr;
		const size_t have = s->n - j < nr ? s->n - j : nr;
		char *at = to + (j * s->k + from * width) * s->size;

		for (size_t i = from; i < end; i++, at += width * s->size)
			memcpy(at, w + (i * s->n + j) * s->size, have * s->size);
	}
}

/* One matrix [k][n]. */
static void pack_straight(struct source *s, const char *w, char *to)
{
	for (size_t i = 0, end; i < s->k; i = end) {
		end = s->k - i < ROWS ? s->k : i + ROWS;
		pack_rows(s, w, i, end, to);
		advance(s, (end - i) * s->n * s->size, end == s->k);
	}
}

/* One matrix of floats [n][k], a panel at a time; ${aligned} has room for one, or is NULL. */
static void pack_turned(struct source *s, const char *w, float *aligned, float *to)
{
	const struct rt_kernels *kernels = s->mm->kernels;
	const size_t nr = kernels->f32_gemm->nr, k = s->k;

	for (size_t j = 0, have; j < s->n; j += have) {
		const char *from = w + j * k * sizeof(float);
		const float *rows = (const float *)(const void *)from;

		have = s->n - j < nr ? s->n - j : nr;
		if (aligned)
			rows = memcpy(aligned, from, have * k * sizeof(float));
		rt_gemm_pack(kernels, have, k, rows, 1, k, 0, 1, to + j * k);
		advance(s, have * k * sizeof(float), j + have == s->n);
	}
}

bool rt_matmul_pack(struct rt_bind *b, const struct rt_matmul *mm, size_t n, size_t k, size_t count,
		    void *packed)
{
	const struct rt_tensor *w = rt_bind_constant(b, 1);
	struct source s = {
	    .b = b, .mm = mm, .data = w->data, .size = rt_dtype_bits(w->dtype) / 8, .n = n, .k = k};
	const size_t each = n * k * s.size, to_each = mm->w_each * s.size;
	float *aligned = NULL;

	if (mm->trans_b && w->dtype == RT_F32 && (uintptr_t)w->data % sizeof(float) != 0 &&
	    !(aligned = malloc(mm->kernels->f32_gemm->nr * k * sizeof(float))))
		return false;
	for (size_t i = 0; i < count; i++) {
		const char *from = s.data + i * each;
		char *to = (char *)packed + i * to_each;

		if (!mm->trans_b)
			pack_straight(&s, from, to);
		else if (w->dtype == RT_F32)
			pack_turned(&s, from, aligned, (float *)(void *)to);
		else
			rt_gemm_pack16(mm->kernels, n, k, (const uint16_t *)(const void *)from, 1,
				       k, (uint16_t *)(void *)to);
	}
	free(aligned);
	return true;
}
