/* SPDX-License-Identifier: MIT */
/*
 * training.c — one step of an optimiser over any number of tensors: Adagrad,
 * Adam, Momentum (ai.onnx.preview.training 1).
 *
 *	inputs   R (rate), T (steps so far), X…, G… (gradients), then the history: H…
 *	         (Adagrad), V… and H… (Adam), V… (Momentum)
 *	outputs  the new X…, then the new history
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/ops.h"
#include "runtime/team.h"

#define GRAIN 4096

enum kind { ADAGRAD, ADAM, MOMENTUM, NESTEROV };

struct training {
	enum kind kind;
	int lists; /* of tensors among the inputs: X, G and the history */
	double alpha, beta, epsilon, decay, norm, norm_post;
};

static int training_bind(struct rt_bind *b, struct rt_error *err)
{
	const struct rt_node *n = b->node;
	struct training *s = b->state;

	s->kind = strcmp(n->op_type, "Adam") == 0      ? ADAM
		  : strcmp(n->op_type, "Adagrad") == 0 ? ADAGRAD
						       : MOMENTUM;
	s->lists = s->kind == ADAM ? 4 : 3;
	s->alpha = (double)rt_node_float(n, "alpha", s->kind == ADAM ? 0.9f : 0);
	s->beta = (double)rt_node_float(n, "beta", s->kind == ADAM ? 0.999f : 0);
	s->epsilon = (double)rt_node_float(n, "epsilon", 0);
	s->decay = (double)rt_node_float(n, "decay_factor", 0);
	s->norm = (double)rt_node_float(n, "norm_coefficient", 0);
	s->norm_post = (double)rt_node_float(n, "norm_coefficient_post", 0);
	if (s->kind == MOMENTUM && rt_node_string_is(n, "mode", "nesterov", "")) {
		s->kind = NESTEROV;
	} else if (s->kind == MOMENTUM && !rt_node_string_is(n, "mode", "standard", "")) {
		return rt_error_set(err, RT_MALFORMED, "mode is neither standard nor nesterov");
	}
	if (n->in_count < 2 + s->lists || (n->in_count - 2) % s->lists != 0 ||
	    n->out_count != (n->in_count - 2) / s->lists * (s->lists - 1))
		return rt_error_set(err, RT_MALFORMED, "%d inputs and %d outputs", n->in_count,
				    n->out_count);
	return RT_OK;
}

/* How many tensors are optimised. */
static int tensors(const struct training *s, int in_count)
{
	return (in_count - 2) / s->lists;
}

/* Outputs have the types of X, again and again. */
static int training_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			 struct rt_error *err)
{
	int lists = strcmp(n->op_type, "Adam") == 0 ? 4 : 3;
	int count = n->in_count > 2 ? (n->in_count - 2) / lists : 0;

	for (int i = 2; i < n->in_count; i++) {
		if (n->in[i] == RT_NO_VALUE)
			return rt_error_set(err, RT_MALFORMED, "input %d is left out", i);
	}
	for (int i = 0; i < n->out_count && count > 0; i++)
		out[i] = g->values[n->in[2 + i % count]].dtype;
	return RT_OK;
}

static int training_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct training *s = f->state;
	int count = tensors(s, f->in_count);

	if (f->in[0].dtype != RT_F32 && f->in[0].dtype != RT_F64)
		return rt_error_set(err, RT_INPUT, "the rate is %s", rt_dtype_name(f->in[0].dtype));
	if (rt_tensor_elems(&f->in[0]) != 1 || rt_tensor_elems(&f->in[1]) != 1 ||
	    f->in[1].dtype != RT_I64)
		return rt_error_set(err, RT_INPUT, "rate and count are not one number each");
	for (int i = 2; i < f->in_count; i++) {
		const struct rt_tensor *x = &f->in[2 + (i - 2) % count];

		if ((x->dtype != RT_F32 && x->dtype != RT_F64) || f->in[i].dtype != x->dtype ||
		    !rt_shape_equal(&f->in[i].shape, &x->shape))
			return rt_error_set(err, RT_INPUT, "input %d does not fit what it is for",
					    i);
	}
	for (int i = 0; i < f->out_count; i++)
		f->out[i].shape = f->in[2 + i % count].shape;
	return RT_OK;
}

/* One tensor and its history. */
struct step {
	const struct training *s;
	const struct rt_tensor *x, *g, *v, *h;
	const struct rt_tensor *new_x, *new_v, *new_h; /* NULL or without data: not wanted */
	double rate, beta;
};

static double get(const struct rt_tensor *t, size_t i)
{
	return t->dtype == RT_F64 ? ((const double *)t->data)[i]
				  : (double)((const float *)t->data)[i];
}

static void put(const struct rt_tensor *t, size_t i, double x)
{
	if (t == NULL || t->data == NULL)
		return;
	if (t->dtype == RT_F64)
		((double *)t->data)[i] = x;
	else
		((float *)t->data)[i] = (float)x;
}

static void step_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct step *p = arg;
	const struct training *s = p->s;

	(void)thread;
	for (size_t i = begin; i < end; i++) {
		double x = get(p->x, i), g = s->norm * x + get(p->g, i), v, h;

		switch (s->kind) {
		case ADAGRAD:
			h = get(p->h, i) + g * g;
			x -= p->rate * g / (sqrt(h) + s->epsilon);
			put(p->new_h, i, h);
			break;
		case ADAM:
			v = s->alpha * get(p->v, i) + (1 - s->alpha) * g;
			h = s->beta * get(p->h, i) + (1 - s->beta) * g * g;
			x -= p->rate * v / (sqrt(h) + s->epsilon);
			x *= 1 - s->norm_post;
			put(p->new_v, i, v);
			put(p->new_h, i, h);
			break;
		case MOMENTUM:
		case NESTEROV:
		default:
			v = s->alpha * get(p->v, i) + p->beta * g;
			x -= p->rate * (s->kind == NESTEROV ? g + s->alpha * v : v);
			put(p->new_v, i, v);
		}
		put(p->new_x, i, x);
	}
}

static void training_run(const struct rt_run *r)
{
	const struct training *s = r->state;
	double rate = get(&r->in[0], 0), steps = (double)*(const int64_t *)r->in[1].data;
	ptrdiff_t count = tensors(s, r->in_count);

	if (s->kind == ADAGRAD)
		rate /= 1 + steps * s->decay;
	else if (s->kind == ADAM && steps > 0)
		rate *= sqrt(1 - pow(s->beta, steps)) / (1 - pow(s->alpha, steps));
	for (ptrdiff_t i = 0; i < count; i++) {
		const struct rt_tensor *in = &r->in[2 + i], *out = &r->out[i];
		struct step p = {.s = s, .rate = rate, .beta = steps > 0 ? s->beta : 1};

		p.x = in;
		p.g = in + count;
		p.v = in + 2 * count;
		p.h = in + (s->kind == ADAM ? 3 : 2) * count;
		p.new_x = out;
		p.new_v = out + count;
		p.new_h = out + (s->kind == ADAM ? 2 : 1) * count;
		rt_team_for(r->team, (size_t)rt_tensor_elems(p.x), GRAIN, step_range, &p);
	}
}

const struct rt_op rt_op_training = {
    .in_min = 2,
    .in_max = RT_VARIADIC,
    .out_min = 1,
    .out_max = RT_VARIADIC,
    .state_bytes = sizeof(struct training),
    .type = training_type,
    .bind = training_bind,
    .infer = training_infer,
    .run = training_run,
};
