/* SPDX-License-Identifier: MIT */
/*
 * inverse.c — Inverse (com.microsoft 1): the inverse of each [N][N] matrix in
 * the last two dims, by Gauss and Jordan with the largest pivot of a column, in
 * double.
 */
#include <config.h>

#include <math.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

struct shape_state {
	int64_t batch, n;
	size_t each; /* doubles of scratch per thread */
};

static int inverse_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[0].shape;
	struct shape_state *z = rt_infer_alloc(f, sizeof(*z));
	int64_t elems;
	size_t bytes;

	if (!z)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if (x->rank < 2 || x->dims[x->rank - 1] != x->dims[x->rank - 2])
		return rt_error_set(err, RT_INPUT, "the matrices are not square");
	z->n = x->dims[x->rank - 1];
	if (!rt_shape_elems(x, &elems) ||
	    __builtin_mul_overflow((size_t)z->n, (size_t)z->n * 2, &z->each) ||
	    __builtin_mul_overflow(z->each, sizeof(double) * (size_t)f->threads, &bytes))
		return rt_error_set(err, RT_BUDGET, "the matrices are too large");
	z->batch = elems ? elems / (z->n * z->n) : 0;
	f->out[0].shape = *x;
	f->scratch_bytes = bytes;
	f->shape_state = z;
	return RT_OK;
}

static void swap_rows(double *a, int64_t width, int64_t i, int64_t k)
{
	for (int64_t c = 0; i != k && c < width; c++) {
		double t = a[i * width + c];
		a[i * width + c] = a[k * width + c];
		a[k * width + c] = t;
	}
}

/* a[n][2n] = (X | 1) → (1 | X⁻¹); false when X is singular. */
static bool eliminate(double *a, int64_t n)
{
	int64_t width = 2 * n;

	for (int64_t i = 0; i < n; i++) {
		int64_t best = i;
		for (int64_t k = i + 1; k < n; k++)
			if (fabs(a[k * width + i]) > fabs(a[best * width + i]))
				best = k;
		if (!(fabs(a[best * width + i]) > 0))
			return false;
		swap_rows(a, width, i, best);
		double by = 1 / a[i * width + i];
		for (int64_t c = 0; c < width; c++)
			a[i * width + c] *= by;
		for (int64_t k = 0; k < n; k++) {
			double take = a[k * width + i];
			for (int64_t c = 0; k != i && c < width; c++)
				a[k * width + c] -= take * a[i * width + c];
		}
	}
	return true;
}

static void matrices_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct shape_state *z = r->shape_state;
	double *a = (double *)r->scratch + (size_t)thread * z->each;

	for (int64_t m = (int64_t)begin; m < (int64_t)end; m++) {
		for (int64_t i = 0; i < z->n; i++) {
			double *row = a + i * 2 * z->n;
			rt_convert_to_f64(r->in[0].dtype, r->in[0].data, (m * z->n + i) * z->n,
					  (size_t)z->n, row);
			for (int64_t c = 0; c < z->n; c++)
				row[z->n + c] = c == i;
		}
		if (!eliminate(a, z->n)) {
			rt_run_fault(r, "matrix %lld has no inverse", (long long)m);
			return;
		}
		for (int64_t i = 0; i < z->n; i++)
			rt_convert_from_f64(r->out[0].dtype, a + (i * 2 + 1) * z->n, (size_t)z->n,
					    r->out[0].data, (m * z->n + i) * z->n, true);
	}
}

static void inverse_run(const struct rt_run *r)
{
	const struct shape_state *z = r->shape_state;
	struct rt_run copy = *r;

	if (z->batch > 0)
		rt_team_for(r->team, (size_t)z->batch, rt_walk_grain(z->n * z->n * z->n),
			    matrices_range, &copy);
}

const struct rt_op rt_op_inverse = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .infer = inverse_infer,
    .run = inverse_run,
};
