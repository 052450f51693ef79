/* SPDX-License-Identifier: MIT */
/*
 * matmul_plain.c — products of the element types that no kernel has: float64
 * and integers (which wrap).  Called by matmul.c and gemm.c.
 */
#include <config.h>

#include "runtime/ops/matmul.h"

struct job {
	const struct rt_matmul *mm;
	const struct rt_matmul_shape *st;
	const void *a, *b;
	void *c;
};

/* Rows ${begin} … of batch · m.  Integers are unsigned here: the same bits, and wrapping is
 * defined. */
#define ROWS(name, type)                                                                           \
	static void name(void *arg, size_t begin, size_t end, int thread)                          \
	{                                                                                          \
		const struct job *j = arg;                                                         \
		const size_t m = (size_t)j->st->m, n = (size_t)j->st->n, k = (size_t)j->st->k;     \
		const size_t a_row = j->mm->trans_a ? 1 : k, a_col = j->mm->trans_a ? m : 1;       \
		const size_t b_row = j->mm->trans_b ? 1 : n, b_col = j->mm->trans_b ? k : 1;       \
		(void)thread;                                                                      \
		for (size_t i = begin; i < end; i++) {                                             \
			const size_t item = i / m;                                                 \
			const type *a = (const type *)j->a + (size_t)j->st->a_item[item] * m * k + \
					i % m * a_row;                                             \
			const type *b = (const type *)j->b + (size_t)j->st->b_item[item] * k * n;  \
			type *c = (type *)j->c + i * n;                                            \
			for (size_t q = 0; q < n; q++)                                             \
				c[q] = 0;                                                          \
			for (size_t p = 0; p < k; p++)                                             \
				for (size_t q = 0; q < n; q++)                                     \
					c[q] += a[p * a_col] * b[p * b_row + q * b_col];           \
		}                                                                                  \
	}
ROWS(rows_f64, double)
ROWS(rows_32, uint32_t)
ROWS(rows_64, uint64_t)

void rt_matmul_plain(const struct rt_run *r, const struct rt_matmul *mm,
		     const struct rt_matmul_shape *st)
{
	struct job j = {mm, st, r->in[0].data, r->in[1].data, r->out[0].data};
	rt_team_f *fn = rows_64;
	if (mm->dtype == RT_F64)
		fn = rows_f64;
	else if (rt_dtype_bits(mm->dtype) == 32)
		fn = rows_32;
	if (rt_tensor_elems(&r->out[0]) > 0)
		rt_team_for(r->team, (size_t)(st->batch * st->m), 1, fn, &j);
}
