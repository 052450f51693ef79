/* SPDX-License-Identifier: MIT */
/*
 * axis_norm.c — normalisations of lesser use, straight from their formulas:
 *
 *	LpNormalization            y = x / ‖x‖p along one axis, p = 1 or 2; 0 where the norm is 0
 *	MeanVarianceNormalization  y = (x − mean) / √(var + 1e-9) over axes, [0,2,3] by default
 *	LRN                        y = x / (bias + alpha/size · Σ x²)^beta, the sum over
 *	                           `size` neighbouring channels
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/axes.h"
#include "runtime/ops/convert.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

struct plan {
	int64_t outer, dim, inner;
	struct rt_walk kept, reduced; /* MeanVarianceNormalization: of the input */
	int64_t count;
};

static double at(const struct rt_tensor *t, int64_t i)
{
	return t->dtype == RT_F64 ? ((const double *)t->data)[i]
				  : (double)((const float *)t->data)[i];
}

static void set(const struct rt_tensor *t, int64_t i, double x)
{
	if (t->dtype == RT_F64)
		((double *)t->data)[i] = x;
	else
		((float *)t->data)[i] = (float)x;
}

static int plan_new(struct rt_infer *f, struct plan **out, struct rt_error *err)
{
	struct plan *p = rt_infer_alloc(f, sizeof(*p));

	f->shape_state = *out = p;
	f->out[0].shape = f->in[0].shape;
	return p != NULL ? RT_OK : rt_error_set(err, RT_MEMORY, "out of memory");
}

/* ---- LpNormalization ------------------------------------------------------------------------- */

static int lp_infer(struct rt_infer *f, struct rt_error *err)
{
	int64_t p_norm = rt_node_int(f->node, "p", 2);
	struct plan *p;
	int axis, status = plan_new(f, &p, err);

	if (p_norm != 1 && p_norm != 2)
		return rt_error_set(err, RT_MALFORMED, "p is %lld, not 1 or 2", (long long)p_norm);
	if (status == RT_OK)
		status =
		    rt_axes_one(rt_node_int(f->node, "axis", -1), f->in[0].shape.rank, &axis, err);
	if (status != RT_OK)
		return status;
	rt_walk_around(&f->in[0].shape, axis, &p->outer, &p->inner);
	p->dim = f->in[0].shape.dims[axis];
	return RT_OK;
}

static void lp_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct plan *p = r->shape_state;
	bool square = rt_node_int(r->node, "p", 2) == 2;

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		int64_t first = i / p->inner * p->dim * p->inner + i % p->inner;
		double sum = 0;
		for (int64_t j = 0; j < p->dim; j++) {
			double x = at(&r->in[0], first + j * p->inner);
			sum += square ? x * x : fabs(x);
		}
		if (square)
			sum = sqrt(sum);
		for (int64_t j = 0; j < p->dim; j++) {
			double x = at(&r->in[0], first + j * p->inner);
			set(&r->out[0], first + j * p->inner, sum > 0 || isnan(sum) ? x / sum : 0);
		}
	}
}

static void lp_run(const struct rt_run *r)
{
	const struct plan *p = r->shape_state;
	struct rt_run copy = *r;

	if (p->outer > 0)
		rt_team_for(r->team, (size_t)(p->outer * p->inner), rt_walk_grain(p->dim * 2),
			    lp_range, &copy);
}

const struct rt_op rt_op_lp_normalization = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .infer = lp_infer,
    .run = lp_run,
};

/* ---- MeanVarianceNormalization --------------------------------------------------------------- */

static int mvn_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	int64_t kept[RT_RANK_MAX], reduced[RT_RANK_MAX], dense[1][RT_WALK_RANK] = {{0}};
	bool gone[RT_RANK_MAX];
	struct rt_axes axes;
	struct plan *p;
	int status = plan_new(f, &p, err);

	if (status == RT_OK)
		status = rt_axes_list(f, "axes", -1, &axes, err);
	if (status != RT_OK)
		return status;
	if (!axes.given)
		axes = (struct rt_axes){true, 3, {0, 2, 3}};
	status = rt_axes_set(&axes, in->rank, gone, err);
	if (status != RT_OK)
		return status;
	rt_walk_strides(in, dense[0]);
	p->count = 1;
	for (int d = 0; d < in->rank; d++) {
		kept[d] = gone[d] ? 1 : in->dims[d];
		reduced[d] = gone[d] ? in->dims[d] : 1;
		if (!rt_walk_is_empty(in))
			p->count *= reduced[d];
	}
	rt_walk_strided(&p->kept, 1, in->rank, kept, (const int64_t(*)[RT_WALK_RANK])dense);
	rt_walk_strided(&p->reduced, 1, in->rank, reduced, (const int64_t(*)[RT_WALK_RANK])dense);
	if (rt_walk_is_empty(in))
		p->kept.outer = p->kept.inner = 0;
	p->kept.cost = p->count * 2;
	return RT_OK;
}

/* One pass over the reduced positions of ${first}: Σ x, Σ (x − mean)², or the writing. */
static double mvn_pass(const struct rt_run *r, int64_t first, int pass, double mean, double scale)
{
	const struct plan *p = r->shape_state;
	const struct rt_walk *w = &p->reduced;
	int64_t index[RT_WALK_RANK] = {0};
	double sum = 0;

	for (int64_t run = 0; run < w->outer; run++) {
		for (int64_t i = 0; i < w->inner; i++) {
			int64_t k = first + i * w->inner_strides[0];
			double x = at(&r->in[0], k);
			if (pass == 0)
				sum += x;
			else if (pass == 1)
				sum += (x - mean) * (x - mean);
			else
				set(&r->out[0], k, (x - mean) * scale);
		}
		for (int d = w->rank - 1; d >= 0; d--) {
			first += w->strides[0][d];
			if (++index[d] < w->dims[d])
				break;
			first -= w->dims[d] * w->strides[0][d];
			index[d] = 0;
		}
	}
	return sum;
}

static void mvn_part(void *arg, const int64_t *where, int64_t n)
{
	const struct rt_run *r = arg;
	const struct plan *p = r->shape_state;

	for (int64_t i = 0; i < n; i++) {
		int64_t first = where[0] + i * p->kept.inner_strides[0];
		double mean = mvn_pass(r, first, 0, 0, 0) / (double)p->count;
		double var = mvn_pass(r, first, 1, mean, 0) / (double)p->count;
		(void)mvn_pass(r, first, 2, mean, 1 / sqrt(var + 1e-9));
	}
}

static void mvn_run(const struct rt_run *r)
{
	const struct plan *p = r->shape_state;
	struct rt_run copy = *r;

	rt_walk_each(&p->kept, r->team, mvn_part, &copy);
}

const struct rt_op rt_op_mean_variance_normalization = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .infer = mvn_infer,
    .run = mvn_run,
};

/* ---- LRN ------------------------------------------------------------------------------------- */

static int lrn_infer(struct rt_infer *f, struct rt_error *err)
{
	struct plan *p;
	int status = plan_new(f, &p, err);

	if (status != RT_OK)
		return status;
	if (f->in[0].shape.rank < 2 || rt_node_int(f->node, "size", 0) < 1)
		return rt_error_set(err, RT_INPUT, "rank %d, size %lld", f->in[0].shape.rank,
				    (long long)rt_node_int(f->node, "size", 0));
	rt_walk_around(&f->in[0].shape, 1, &p->outer, &p->inner);
	p->dim = f->in[0].shape.dims[1];
	return RT_OK;
}

/* Items are rows (n, c) of inner elements. */
static void lrn_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct plan *p = r->shape_state;
	int64_t size = rt_node_int(r->node, "size", 1), before = (size - 1) / 2, after = size / 2;
	double alpha = (double)rt_node_float(r->node, "alpha", 1e-4f) / (double)size;
	double beta = (double)rt_node_float(r->node, "beta", 0.75f);
	double bias = (double)rt_node_float(r->node, "bias", 1);

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		int64_t c = i % p->dim, row = i - c;
		int64_t low = c > before ? c - before : 0;
		int64_t high = c < p->dim - 1 - after ? c + after : p->dim - 1;

		for (int64_t k = 0; k < p->inner; k++) {
			double sum = 0;
			for (int64_t j = low; j <= high; j++) {
				double x = at(&r->in[0], (row + j) * p->inner + k);
				sum += x * x;
			}
			set(&r->out[0], i * p->inner + k,
			    at(&r->in[0], i * p->inner + k) / pow(bias + alpha * sum, beta));
		}
	}
}

static void lrn_run(const struct rt_run *r)
{
	const struct plan *p = r->shape_state;
	struct rt_run copy = *r;

	if (p->outer > 0)
		rt_team_for(r->team, (size_t)(p->outer * p->dim), rt_walk_grain(p->inner * 16),
			    lrn_range, &copy);
}

const struct rt_op rt_op_lrn = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .infer = lrn_infer,
    .run = lrn_run,
};
