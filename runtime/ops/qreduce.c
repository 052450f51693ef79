/* SPDX-License-Identifier: MIT */
/*
 * qreduce.c — 8-bit operators of com.microsoft (since 1) that take a mean or a
 * softmax; real and q as in qparam.h.
 *
 *	QLinearAveragePool        Y = quantise(mean of real X in a window)
 *	QLinearGlobalAveragePool  the same over all of an image
 *	QLinearReduceMean         the same over `axes`
 *	QLinearSoftmax            Y = quantise(softmax of real X); attribute opset < 13:
 *	                          everything from axis on is one row
 *
 * Means are of exact integer sums.  channels_last: X is [N][…][C].
 */
#include <config.h>

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "runtime/ops/axes.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/qparam.h"
#include "runtime/ops/spatial.h"
#include "runtime/ops/walk.h"

enum { X, X_SCALE, X_ZERO, Y_SCALE, Y_ZERO };

static int check_params(const struct rt_infer *f, struct rt_error *err)
{
	int rc = rt_qparam_check(f, f->in[X].dtype, X_SCALE, X_ZERO, err);
	return rc ? rc : rt_qparam_check(f, f->in[X].dtype, Y_SCALE, Y_ZERO, err);
}

static int64_t byte_at(const struct rt_tensor *t, int64_t i)
{
	return t->dtype == RT_I8 ? ((const int8_t *)t->data)[i] : ((const uint8_t *)t->data)[i];
}

/* Element ${to} = the mean of ${count} bytes whose sum is ${sum}; ${divisor} ≥ ${count} counts
 * zeros too. */
struct mean {
	struct rt_qparam x, y;
};
static void store_mean(const struct rt_run *r, const struct mean *m, int64_t sum, int64_t count,
		       int64_t divisor, int64_t to)
{
	double real = (double)(sum - count * m->x.zero) * (double)m->x.scale;
	float x = (float)(real / (double)divisor);

	rt_qparam_bytes(&m->y, 1, &x, (uint8_t *)r->out[0].data + to);
}

static struct mean means_of(const struct rt_run *r)
{
	return (struct mean){rt_qparam_read(r, r->in[X].dtype, X_SCALE, X_ZERO),
			     rt_qparam_read(r, r->in[X].dtype, Y_SCALE, Y_ZERO)};
}

/* ---- windows --------------------------------------------------------------------------------- */

struct pool {
	struct rt_spatial s;
	int64_t channels, items; /* items: output elements */
	bool last, with_pads;
	int64_t in, out; /* positions of an image */
};

struct pool_job {
	const struct rt_run *r;
	struct mean m;
};

static int pool_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[X].shape;
	struct pool *p = rt_infer_alloc(f, sizeof(*p));
	int rank = x->rank - 2, rc = check_params(f, err), first;

	if (rc)
		return rc;
	if (!p)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if (rank < 1 || rank > RT_SPATIAL_MAX)
		return rt_error_set(err, RT_UNSUPPORTED, "input of rank %d", x->rank);
	p->last = rt_node_int(f->node, "channels_last", 0) != 0;
	p->with_pads = rt_node_int(f->node, "count_include_pad", 0) != 0;
	first = p->last ? 1 : 2;
	rc = rt_spatial_infer(f->node, rank, x->dims + first, NULL, &p->s, err);
	if (rc)
		return rc;
	p->channels = x->dims[p->last ? x->rank - 1 : 1];
	p->in = p->s.in[0] * p->s.in[1] * p->s.in[2];
	p->out = p->s.out[0] * p->s.out[1] * p->s.out[2];
	f->out[0].shape = *x;
	for (int i = 0; i < rank; i++)
		f->out[0].shape.dims[first + i] = p->s.out[3 - rank + i];
	if (!rt_shape_elems(&f->out[0].shape, &p->items))
		return rt_error_set(err, RT_BUDGET, "the result is too large");
	f->shape_state = p;
	return RT_OK;
}

/* Taps of the window at ${at} that lie in the input or its pads. */
static int64_t padded_taps(const struct rt_spatial *s, const int64_t at[3])
{
	int64_t n = 1;

	for (int d = 0; d < 3; d++) {
		int64_t room = s->in[d] + s->begin[d] + s->end[d] - at[d] * s->stride[d];
		int64_t taps = (room + s->dilation[d] - 1) / s->dilation[d];
		n *= taps < s->kernel[d] ? taps : s->kernel[d];
	}
	return n;
}

static void pool_one(const struct pool_job *j, int64_t i)
{
	const struct pool *p = j->r->shape_state;
	const struct rt_spatial *s = &p->s;
	int64_t c = p->last ? i % p->channels : i / p->out % p->channels;
	int64_t o = p->last ? i / p->channels % p->out : i % p->out;
	int64_t image = i / p->out / p->channels, sum = 0;
	int64_t at[3] = {o / (s->out[1] * s->out[2]), o / s->out[2] % s->out[1], o % s->out[2]};
	int64_t first[3], count[3], taps;

	for (int d = 0; d < 3; d++)
		rt_spatial_taps(s, d, at[d], &first[d], &count[d]);
	taps = count[0] * count[1] * count[2];
	for (int64_t t = 0; t < taps; t++) {
		int64_t k[3] = {first[0] + t / count[2] / count[1],
				first[1] + t / count[2] % count[1], first[2] + t % count[2]};
		int64_t pos = 0;
		for (int d = 0; d < 3; d++)
			pos = pos * s->in[d] + at[d] * s->stride[d] - s->begin[d] +
			      k[d] * s->dilation[d];
		sum += byte_at(&j->r->in[X], p->last ? (image * p->in + pos) * p->channels + c
						     : (image * p->channels + c) * p->in + pos);
	}
	store_mean(j->r, &j->m, sum, taps, p->with_pads ? padded_taps(s, at) : taps, i);
}

static void pool_range(void *arg, size_t begin, size_t end, int thread)
{
	(void)thread;
	for (size_t i = begin; i < end; i++)
		pool_one(arg, (int64_t)i);
}

static void pool_run(const struct rt_run *r)
{
	const struct pool *p = r->shape_state;
	struct pool_job j = {r, means_of(r)};

	rt_team_for(r->team, (size_t)p->items,
		    rt_walk_grain(p->s.kernel[0] * p->s.kernel[1] * p->s.kernel[2] * 8), pool_range,
		    &j);
}

const struct rt_op rt_op_qlinear_average_pool = {
    .in_min = 4,
    .in_max = 5,
    .out_min = 1,
    .out_max = 1,
    .infer = pool_infer,
    .run = pool_run,
};

/* ---- whole axes ------------------------------------------------------------------------------ */

/* Output element i: bytes i·step…, of the dims that go, by their strides. */
struct reduce {
	int kept, gone;
	int64_t kept_dims[RT_RANK_MAX], kept_strides[RT_RANK_MAX];
	int64_t gone_dims[RT_RANK_MAX], gone_strides[RT_RANK_MAX];
	int64_t items, count;
};

static int plan_reduce(struct rt_infer *f, const bool *set, bool keep, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[X].shape;
	struct reduce *p = rt_infer_alloc(f, sizeof(*p));
	struct rt_shape *y = &f->out[0].shape;
	int64_t strides[RT_RANK_MAX];

	if (!p)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	rt_walk_strides(x, strides);
	y->rank = 0;
	p->items = p->count = 1;
	for (int d = 0; d < x->rank; d++) {
		if (!set[d]) {
			p->kept_dims[p->kept] = x->dims[d];
			p->kept_strides[p->kept++] = strides[d];
			p->items *= x->dims[d];
			y->dims[y->rank++] = x->dims[d];
			continue;
		}
		p->gone_dims[p->gone] = x->dims[d];
		p->gone_strides[p->gone++] = strides[d];
		p->count *= x->dims[d];
		if (keep)
			y->dims[y->rank++] = 1;
	}
	f->shape_state = p;
	return RT_OK;
}

static int mean_infer(struct rt_infer *f, struct rt_error *err)
{
	struct rt_axes axes;
	bool set[RT_RANK_MAX];
	int rc = check_params(f, err);

	rc = rc ? rc : rt_axes_list(f, "axes", -1, &axes, err);
	rc = rc ? rc : rt_axes_set(&axes, f->in[X].shape.rank, set, err);
	for (int d = 0; !rc && d < f->in[X].shape.rank; d++)
		set[d] |= axes.count == 0;
	return rc ? rc : plan_reduce(f, set, rt_node_int(f->node, "keepdims", 1) != 0, err);
}

static int global_infer(struct rt_infer *f, struct rt_error *err)
{
	bool last = rt_node_int(f->node, "channels_last", 0) != 0, set[RT_RANK_MAX] = {false};
	int rank = f->in[X].shape.rank, rc = check_params(f, err);

	if (!rc && rank < 3)
		return rt_error_set(err, RT_INPUT, "input of rank %d", rank);
	for (int d = 1; d < rank; d++)
		set[d] = last ? d < rank - 1 : d > 1;
	return rc ? rc : plan_reduce(f, set, true, err);
}

/* Where element ${i} of a space is in memory. */
static int64_t offset_of(int rank, const int64_t *dims, const int64_t *strides, int64_t i)
{
	int64_t at = 0;

	for (int d = rank - 1; d >= 0; d--) {
		at += i % dims[d] * strides[d];
		i /= dims[d];
	}
	return at;
}

static void reduce_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct pool_job *j = arg;
	const struct reduce *p = j->r->shape_state;

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		int64_t from = offset_of(p->kept, p->kept_dims, p->kept_strides, i), sum = 0;
		int64_t inner = p->gone ? p->gone_dims[p->gone - 1] : 1;
		int64_t step = p->gone ? p->gone_strides[p->gone - 1] : 0;
		for (int64_t k = 0; k < p->count; k += inner) {
			int64_t at = from + offset_of(p->gone, p->gone_dims, p->gone_strides, k);
			for (int64_t n = 0; n < inner; n++)
				sum += byte_at(&j->r->in[X], at + n * step);
		}
		store_mean(j->r, &j->m, sum, p->count, p->count, i);
	}
}

/* Means over the pixels of a channels-last image: item i is channels 64·i … of it. */
struct planes {
	const struct rt_run *r;
	const struct rt_kernels *kernels;
	struct mean m;
	int64_t pixels, channels;
};
static void planes_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct planes *p = arg;
	const int64_t groups = (p->channels + 63) / 64;
	int32_t sums[64];

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		const int64_t n = i / groups, c = i % groups * 64;
		const int64_t count = p->channels - c < 64 ? p->channels - c : 64;
		p->kernels->i8_row->sum_rows((size_t)p->pixels, (size_t)count,
					     (const uint8_t *)p->r->in[X].data +
						 n * p->pixels * p->channels + c,
					     (size_t)p->channels, p->r->in[X].dtype == RT_I8, sums);
		for (int64_t k = 0; k < count; k++)
			store_mean(p->r, &p->m, sums[k], p->pixels, p->pixels,
				   n * p->channels + c + k);
	}
}

static void reduce_run(const struct rt_run *r)
{
	const struct reduce *p = r->shape_state;
	struct pool_job j = {r, means_of(r)};

	if (p->kept == 2 && p->kept_strides[1] == 1 && p->gone > 0 && p->count < 1 << 23) {
		/* dims that go between the first and the last: [N][pixels][C] */
		const struct rt_kernels *const *kernels = r->state;
		struct planes all = {r, *kernels, j.m, p->count, p->kept_dims[1]};
		if (p->kept_dims[0] == 1 || p->kept_strides[0] == p->count * p->kept_dims[1]) {
			rt_team_for(r->team, (size_t)(p->kept_dims[0] * ((all.channels + 63) / 64)),
				    rt_walk_grain(p->count * 16), planes_range, &all);
			return;
		}
	}
	if (p->items > 0)
		rt_team_for(r->team, (size_t)p->items, rt_walk_grain(p->count + 8), reduce_range,
			    &j);
}

static int reduce_bind(struct rt_bind *b, struct rt_error *err)
{
	(void)err;
	*(const struct rt_kernels **)b->state = b->kernels;
	return RT_OK;
}

const struct rt_op rt_op_qlinear_global_average_pool = {
    .in_min = 4,
    .in_max = 5,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct rt_kernels *),
    .bind = reduce_bind,
    .infer = global_infer,
    .run = reduce_run,
};

const struct rt_op rt_op_qlinear_reduce_mean = {
    .in_min = 4,
    .in_max = 5,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct rt_kernels *),
    .bind = reduce_bind,
    .infer = mean_infer,
    .run = reduce_run,
};

/* ---- QLinearSoftmax -------------------------------------------------------------------------- */

struct rows {
	int64_t outer, dim, inner;
};

struct softmax_job {
	const struct rt_run *r;
	struct rt_qparam y;
	float power[256]; /* exp(−scale · i) */
};

static int softmax_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[X].shape;
	bool flat = rt_node_int(f->node, "opset", 13) < 13;
	struct rows *p = rt_infer_alloc(f, sizeof(*p));
	int axis, rc = check_params(f, err);

	if (!p)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	rc =
	    rc ? rc : rt_axes_one(rt_node_int(f->node, "axis", flat ? 1 : -1), x->rank, &axis, err);
	if (rc)
		return rc;
	rt_walk_around(x, axis, &p->outer, &p->inner);
	p->dim = x->dims[axis];
	if (flat) {
		p->dim *= p->inner;
		p->inner = 1;
	}
	f->out[0].shape = *x;
	f->shape_state = p;
	return RT_OK;
}

static void softmax_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct softmax_job *j = arg;
	const struct rows *p = j->r->shape_state;

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		int64_t from = i / p->inner * p->dim * p->inner + i % p->inner, max = INT64_MIN;
		double sum = 0;
		for (int64_t k = 0; k < p->dim; k++) {
			int64_t q = byte_at(&j->r->in[X], from + k * p->inner);
			max = q > max ? q : max;
		}
		for (int64_t k = 0; k < p->dim; k++)
			sum += (double)j->power[max - byte_at(&j->r->in[X], from + k * p->inner)];
		for (int64_t k = 0; k < p->dim; k++) {
			int64_t at = from + k * p->inner;
			float y = (float)((double)j->power[max - byte_at(&j->r->in[X], at)] / sum);
			rt_qparam_bytes(&j->y, 1, &y, (uint8_t *)j->r->out[0].data + at);
		}
	}
}

static void softmax_run(const struct rt_run *r)
{
	const struct rows *p = r->shape_state;
	struct rt_qparam x = rt_qparam_read(r, r->in[X].dtype, X_SCALE, X_ZERO);
	struct softmax_job j = {.r = r, .y = rt_qparam_read(r, r->in[X].dtype, Y_SCALE, Y_ZERO)};

	for (int i = 0; i < 256; i++)
		j.power[i] = (float)exp(-(double)x.scale * i);
	if (p->outer * p->inner > 0)
		rt_team_for(r->team, (size_t)(p->outer * p->inner), rt_walk_grain(p->dim * 8 + 1),
			    softmax_range, &j);
}

const struct rt_op rt_op_qlinear_softmax = {
    .in_min = 5,
    .in_max = 5,
    .out_min = 1,
    .out_max = 1,
    .infer = softmax_infer,
    .run = softmax_run,
};
