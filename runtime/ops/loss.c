/* SPDX-License-Identifier: MIT */
/*
 * loss.c — NegativeLogLikelihoodLoss (since 12) and SoftmaxCrossEntropyLoss
 * (since 12).
 *
 *	loss[n,d] = −w[t]·x[n,t,d],  t = target[n,d];  0 where t = ignore_index
 *	none: loss;  sum: Σ loss;  mean: Σ loss / Σ w[t] over what is not ignored
 *
 * x [N,C,d…] are log-probabilities; SoftmaxCrossEntropyLoss makes them from
 * scores, x = log softmax over C, and may give them as its second output.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/op_type.h"
#include "runtime/ops/ops.h"

enum reduction { NONE, SUM, MEAN };

struct loss {
	bool softmax, has_ignore;
	int64_t ignore;
	enum reduction reduction;
};

struct shape_state {
	size_t batch, classes, inner; /* x [batch][classes][inner] */
};

static int bind_loss(struct rt_bind *b, bool softmax, struct rt_error *err)
{
	struct loss *s = b->state;
	const struct rt_attr *ignore = rt_node_attr(b->node, "ignore_index");

	s->softmax = softmax;
	s->has_ignore = ignore && ignore->kind == RT_ATTR_INT;
	s->ignore = s->has_ignore ? ignore->i : 0;
	if (rt_node_string_is(b->node, "reduction", "mean", "mean"))
		s->reduction = MEAN;
	else if (rt_node_string_is(b->node, "reduction", "sum", "mean"))
		s->reduction = SUM;
	else if (rt_node_string_is(b->node, "reduction", "none", "mean"))
		s->reduction = NONE;
	else
		return rt_error_set(err, RT_MALFORMED, "reduction is not none, sum or mean");
	return RT_OK;
}

static int nll_bind(struct rt_bind *b, struct rt_error *err)
{
	return bind_loss(b, false, err);
}

static int cross_entropy_bind(struct rt_bind *b, struct rt_error *err)
{
	return bind_loss(b, true, err);
}

static int loss_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct loss *s = f->state;
	const struct rt_shape *x = &f->in[0].shape, *t = &f->in[1].shape;
	struct shape_state *z = rt_infer_alloc(f, sizeof(*z));
	bool fits = x->rank >= 2 && t->rank == x->rank - 1 && t->dims[0] == x->dims[0];

	if (!z)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if (rt_op_type_agree(f, 5, err) != RT_OK)
		return RT_INPUT;
	if (f->in[1].dtype != RT_I32 && f->in[1].dtype != RT_I64)
		return rt_error_set(err, RT_INPUT, "the targets are no int32 or int64");
	for (int k = 1; fits && k < t->rank; k++)
		fits = t->dims[k] == x->dims[k + 1];
	if (!fits)
		return rt_error_set(err, RT_INPUT, "the targets do not fit the scores");
	*z = (struct shape_state){(size_t)x->dims[0], (size_t)x->dims[1], 1};
	for (int k = 2; k < x->rank; k++)
		z->inner *= (size_t)x->dims[k];
	if (f->in_count > 2 && f->in[2].dtype != RT_NONE &&
	    (f->in[2].shape.rank != 1 || (size_t)f->in[2].shape.dims[0] != z->classes))
		return rt_error_set(err, RT_INPUT, "there is not one weight per class");
	f->out[0].shape = s->reduction == NONE ? *t : rt_shape_of(0);
	if (f->out_count > 1)
		f->out[1].shape = *x;
	f->scratch_bytes = z->batch * z->classes * z->inner * rt_dtype_bits(f->in[0].dtype) / 8;
	f->shape_state = z;
	return RT_OK;
}

/* Elements of a float32 or float64 tensor. */
static double get(const struct rt_tensor *t, size_t i)
{
	return t->dtype == RT_F64 ? ((const double *)t->data)[i]
				  : (double)((const float *)t->data)[i];
}

static void put(const struct rt_tensor *t, size_t i, double v)
{
	if (t->dtype == RT_F64)
		((double *)t->data)[i] = v;
	else
		((float *)t->data)[i] = (float)v;
}

/* y = log softmax of x over the classes. */
static void log_softmax(const struct shape_state *z, const struct rt_tensor *x,
			const struct rt_tensor *y)
{
	for (size_t n = 0; n < z->batch; n++)
		for (size_t d = 0; d < z->inner; d++) {
			size_t at = n * z->classes * z->inner + d;
			double top = -INFINITY, sum = 0;
			for (size_t c = 0; c < z->classes; c++)
				top = fmax(top, get(x, at + c * z->inner));
			for (size_t c = 0; c < z->classes; c++)
				sum += exp(get(x, at + c * z->inner) - top);
			for (size_t c = 0; c < z->classes; c++)
				put(y, at + c * z->inner,
				    get(x, at + c * z->inner) - top - log(sum));
		}
}

static int64_t target_at(const struct rt_tensor *t, size_t i)
{
	return t->dtype == RT_I64 ? ((const int64_t *)t->data)[i] : ((const int32_t *)t->data)[i];
}

static void loss_run(const struct rt_run *r)
{
	const struct loss *s = r->state;
	const struct shape_state *z = r->shape_state;
	const struct rt_tensor *w = r->in_count > 2 && r->in[2].data ? &r->in[2] : NULL;
	const struct rt_tensor *out = r->out[0].data ? &r->out[0] : NULL;
	struct rt_tensor x = r->in[0];
	double sum = 0, weights = 0;

	if (s->softmax) {
		x.data = r->out_count > 1 && r->out[1].data ? r->out[1].data : r->scratch;
		log_softmax(z, &r->in[0], &x);
	}
	for (size_t i = 0; i < z->batch * z->inner; i++) {
		int64_t t = target_at(&r->in[1], i);
		double loss = 0;
		if (!s->has_ignore || t != s->ignore) {
			if (t < 0 || (uint64_t)t >= z->classes) {
				rt_run_fault(r, "target %lld is not one of %zu classes",
					     (long long)t, z->classes);
				return;
			}
			double weight = w ? get(w, (size_t)t) : 1;
			loss =
			    -weight * get(&x, (i / z->inner * z->classes + (size_t)t) * z->inner +
						  i % z->inner);
			weights += weight;
			sum += loss;
		}
		if (s->reduction == NONE && out)
			put(out, i, loss);
	}
	if (s->reduction != NONE && out)
		put(out, 0, s->reduction == SUM ? sum : sum / weights);
}

#define LOSS(object, how)                                                                          \
	const struct rt_op object = {                                                              \
	    .in_min = 2,                                                                           \
	    .in_max = 3,                                                                           \
	    .out_min = 1,                                                                          \
	    .out_max = 2,                                                                          \
	    .state_bytes = sizeof(struct loss),                                                    \
	    .bind = how,                                                                           \
	    .infer = loss_infer,                                                                   \
	    .run = loss_run,                                                                       \
	}
LOSS(rt_op_nll_loss, nll_bind);
LOSS(rt_op_softmax_cross_entropy, cross_entropy_bind);
