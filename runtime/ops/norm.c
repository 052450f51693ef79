/* SPDX-License-Identifier: MIT */
/*
 * norm.c — normalisation with statistics per channel or group of channels, in
 * [N][C][inner]:
 *
 *	BatchNormalization     y = (x − mean) / √(var + eps) · scale + B, all per channel
 *	InstanceNormalization  the same with mean and var of each (n, c)
 *	GroupNormalization     the same with mean and var of each (n, group)
 *
 * Opset changes that matter: BatchNormalization (14) has training_mode: mean and
 * var are the batch's, and two outputs are the running ones (before: five outputs
 * in training, not supported); `spatial` = 0 (before 9): scale and statistics
 * have an element for each of x but N.
 * GroupNormalization: scale and bias per group in 18, per channel from 21 on.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/elementwise.h"
#include "runtime/ops/ops.h"

struct norm {
	const struct rt_kernels *kernels;
	enum rt_dtype dtype;
	double epsilon;
	bool training;
	bool each; /* spatial = 0: every element of an item is a channel */
};

struct plan {
	int64_t batch, channels, inner;
	int64_t groups;
	int64_t per_scale; /* channels that share a scale */
};

static int norm_bind(struct rt_bind *b, struct rt_error *err)
{
	struct norm *s = b->state;
	enum rt_dtype t = rt_elementwise_bound(b, 0);
	bool is_batch = strcmp(b->node->op_type, "BatchNormalization") == 0;

	s->kernels = b->kernels;
	s->dtype = t;
	s->epsilon = (double)rt_node_float(b->node, "epsilon", 1e-5f);
	s->training = rt_node_int(b->node, "training_mode", 0) != 0;
	for (int i = 1; i < b->node->in_count; i++) {
		enum rt_dtype other = rt_elementwise_bound(b, i);
		bool fits = is_batch &&
			    (other == RT_F32 || other == RT_F64 || rt_elementwise_is_half(other));
		if (other != t && !fits)
			return rt_error_set(err, RT_UNSUPPORTED, "input 0 is %s, input %d is %s",
					    rt_dtype_name(t), i,
					    rt_dtype_name(rt_elementwise_bound(b, i)));
	}
	if (b->node->opset < 7 && is_batch && rt_node_int(b->node, "is_test", 0) == 0)
		return rt_error_set(err, RT_UNSUPPORTED, "training (is_test = 0)");
	s->each = is_batch && b->node->opset < 9 && rt_node_int(b->node, "spatial", 1) == 0;
	for (int i = 1; i < b->node->out_count; i++) {
		if (b->node->out[i] >= 0 && !s->training)
			return rt_error_set(err, RT_UNSUPPORTED,
					    "output %d, of training, with training_mode = 0", i);
	}
	return RT_OK;
}

/* [N][C][inner], and the ${vectors} inputs after the first have ${count} elements. */
static int norm_plan(struct rt_infer *f, struct plan **out, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	struct plan *p = rt_infer_alloc(f, sizeof(*p));

	if (p == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	if (in->rank < 1)
		return rt_error_set(err, RT_INPUT, "the input has no dimensions");
	*p = (struct plan){.channels = 1, .per_scale = 1};
	if (in->rank > 1)
		p->channels = in->dims[1];
	rt_walk_around(in, in->rank > 1 ? 1 : 0, &p->batch, &p->inner);
	if (in->rank == 1) {
		p->batch = in->dims[0];
		p->inner = p->batch != 0;
	}
	p->groups = p->channels;
	f->out[0].shape = *in;
	f->shape_state = *out = p;
	return RT_OK;
}

static int vectors(const struct rt_infer *f, int64_t count, struct rt_error *err)
{
	for (int i = 1; i < f->in_count; i++) {
		if (f->in[i].shape.rank != 1 || f->in[i].shape.dims[0] != count)
			return rt_error_set(err, RT_INPUT, "input %d is not a vector of %lld", i,
					    (long long)count);
	}
	return RT_OK;
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* y = a · x + b */
static void affine(const struct norm *s, int64_t n, const void *x, double a, double b, void *y)
{
	struct rt_unary_params p = {(float)a, (float)b};

	if (s->dtype == RT_F64) {
		for (int64_t i = 0; i < n; i++)
			((double *)y)[i] = ((const double *)x)[i] * a + b;
	} else {
		s->kernels->f32_unary->fn[RT_UNARY_AFFINE]((size_t)n, x, y, &p);
	}
}

/* The mean and the variance (÷ n) of a row. */
static void moments(const struct norm *s, int64_t n, const void *x, double *mean, double *var)
{
	double sum = 0, square = 0;

	for (int64_t i = 0; i < n; i++)
		sum += s->dtype == RT_F64 ? ((const double *)x)[i] : (double)((const float *)x)[i];
	*mean = sum / (double)n;
	for (int64_t i = 0; i < n; i++) {
		double v =
		    s->dtype == RT_F64 ? ((const double *)x)[i] : (double)((const float *)x)[i];
		square += (v - *mean) * (v - *mean);
	}
	*var = square / (double)n;
}

/* Scales and statistics need not have the type of x (BatchNormalization, since 14). */
static double vector_at(const struct rt_tensor *t, int64_t i)
{
	if (t->dtype == RT_F32)
		return (double)((const float *)t->data)[i];
	return rt_convert_get_f64(t, i);
}

/* ---- BatchNormalization ---------------------------------------------------------------------- */

static int batch_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		      struct rt_error *err)
{
	(void)err;
	for (int i = 0; i < n->out_count; i++)
		out[i] = g->values[n->in[i == 0 ? 0 : 3]].dtype;
	return RT_OK;
}

/* spatial = 0: the inputs after the first have the shape of the first without N. */
static int for_each_element(const struct rt_infer *f, struct rt_error *err)
{
	struct rt_shape item = f->in[0].shape;

	for (int d = 1; d < item.rank; d++)
		/* fanalyzer-suppress use-of-uninitialized-value: rank says how many are set */
		item.dims[d - 1] = item.dims[d];
	item.rank--;
	for (int i = 1; i < f->in_count; i++) {
		if (!rt_shape_equal(&f->in[i].shape, &item))
			return rt_error_set(err, RT_INPUT,
					    "input %d has not the shape of an item (spatial = 0)",
					    i);
	}
	return RT_OK;
}

static int batch_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct norm *s = f->state;
	struct plan *p;
	int status = norm_plan(f, &p, err);

	if (status != RT_OK)
		return status;
	if (s->each) {
		p->channels *= p->inner;
		p->inner = p->channels != 0;
		return for_each_element(f, err);
	}
	for (int i = 1; i < f->out_count; i++)
		f->out[i].shape = rt_shape_of(1, p->channels);
	if (s->training && p->batch == 0)
		return rt_error_set(err, RT_INPUT, "training statistics of an empty batch");
	if (s->training)
		f->scratch_bytes = (size_t)p->channels * 2 * sizeof(double);
	return vectors(f, p->channels, err);
}

/* Mean and variance of every channel over the batch, and the running ones. */
static void batch_statistics(const struct rt_run *r)
{
	const struct norm *s = r->state;
	const struct plan *p = r->shape_state;
	double *mean = r->scratch, *var = mean + p->channels;
	double momentum = (double)rt_node_float(r->node, "momentum", 0.9f);
	int64_t bytes = rt_dtype_bits(s->dtype) / 8;

	for (int64_t c = 0; c < p->channels; c++) {
		double sum = 0, square = 0;
		for (int64_t n = 0; n < p->batch; n++) {
			double m, v;
			moments(s, p->inner,
				(const char *)r->in[0].data +
				    (n * p->channels + c) * p->inner * bytes,
				&m, &v);
			sum += m;
			square += v + m * m;
		}
		mean[c] = sum / (double)p->batch;
		var[c] = square / (double)p->batch - mean[c] * mean[c];
		for (int i = 1; i < 3; i++) {
			double now = i == 1 ? mean[c] : var[c];
			double run = vector_at(&r->in[i + 2], c) * momentum + now * (1 - momentum);
			if (i < r->out_count && r->out[i].data != NULL)
				rt_convert_from_f64(r->out[i].dtype, &run, 1, r->out[i].data, c,
						    true);
		}
	}
}

static void batch_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct norm *s = r->state;
	const struct plan *p = r->shape_state;
	int64_t bytes = p->inner * (rt_dtype_bits(s->dtype) / 8);

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		int64_t c = i % p->channels;
		double mean =
		    s->training ? ((const double *)r->scratch)[c] : vector_at(&r->in[3], c);
		double var = s->training ? ((const double *)r->scratch)[p->channels + c]
					 : vector_at(&r->in[4], c);
		double a = vector_at(&r->in[1], c) / sqrt(var + s->epsilon);
		affine(s, p->inner, (const char *)r->in[0].data + i * bytes, a,
		       vector_at(&r->in[2], c) - mean * a, (char *)r->out[0].data + i * bytes);
	}
}

static void batch_run(const struct rt_run *r)
{
	const struct norm *s = r->state;
	const struct plan *p = r->shape_state;
	struct rt_run copy = *r;

	if (s->training)
		batch_statistics(r);
	if (p->batch > 0)
		rt_team_for(r->team, (size_t)(p->batch * p->channels), rt_walk_grain(p->inner + 8),
			    batch_range, &copy);
}

const struct rt_op rt_op_batch_normalization = {
    .in_min = 5,
    .in_max = 5,
    .out_min = 1,
    .out_max = 5,
    .state_bytes = sizeof(struct norm),
    .type = batch_type,
    .bind = norm_bind,
    .infer = batch_infer,
    .run = batch_run,
};

/* ---- InstanceNormalization, GroupNormalization ----------------------------------------------- */

static int instance_infer(struct rt_infer *f, struct rt_error *err)
{
	struct plan *p;
	int status = norm_plan(f, &p, err);

	return status == RT_OK ? vectors(f, p->channels, err) : status;
}

static int group_infer(struct rt_infer *f, struct rt_error *err)
{
	struct plan *p;
	int status = norm_plan(f, &p, err);

	if (status != RT_OK)
		return status;
	p->groups = rt_node_int(f->node, "num_groups", 0);
	if (p->groups < 1 || p->channels % p->groups != 0)
		return rt_error_set(err, RT_INPUT, "num_groups is %lld for %lld channels",
				    (long long)p->groups, (long long)p->channels);
	if (f->node->opset < 21)
		p->per_scale = p->channels / p->groups;
	return vectors(f, p->per_scale != 0 ? p->channels / p->per_scale : 0, err);
}

static void group_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct norm *s = r->state;
	const struct plan *p = r->shape_state;
	int64_t size = rt_dtype_bits(s->dtype) / 8, per_group = p->channels / p->groups;
	int64_t n = per_group * p->inner;

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		const char *x = (const char *)r->in[0].data + i * n * size;
		char *y = (char *)r->out[0].data + i * n * size;
		double mean = 0, inverse = 1;

		if (s->dtype == RT_F64) {
			double var;
			moments(s, n, x, &mean, &var);
			inverse = 1 / sqrt(var + s->epsilon);
		} else {
			s->kernels->f32_row->layer_norm((size_t)n, (const float *)(const void *)x,
							NULL, NULL, (float)s->epsilon,
							(float *)(void *)y);
			x = y;
		}
		for (int64_t c = 0; c < per_group; c++) {
			int64_t at = (i % p->groups * per_group + c) / p->per_scale;
			double a = vector_at(&r->in[1], at) * inverse;
			affine(s, p->inner, x + c * p->inner * size, a,
			       vector_at(&r->in[2], at) - mean * a, y + c * p->inner * size);
		}
	}
}

static void group_run(const struct rt_run *r)
{
	const struct plan *p = r->shape_state;
	struct rt_run copy = *r;

	if (p->batch > 0)
		rt_team_for(r->team, (size_t)(p->batch * p->groups),
			    rt_walk_grain(p->channels / p->groups * p->inner * 2), group_range,
			    &copy);
}

const struct rt_op rt_op_instance_normalization = {
    .in_min = 3,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct norm),
    .bind = norm_bind,
    .infer = instance_infer,
    .run = group_run,
};

const struct rt_op rt_op_group_normalization = {
    .in_min = 3,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct norm),
    .bind = norm_bind,
    .infer = group_infer,
    .run = group_run,
};
