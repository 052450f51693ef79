/* SPDX-License-Identifier: MIT */
/*
 * infer_batch.c — see infer_batch.h.  Called by infer_line.c on a pool thread; the requests are
 * this thread's until they all have their answers.
 *
 * The order of work: the model, once → each request's bytes → those with equal shapes behind the
 * first dimension are laid one after the other, run, and cut apart again.  A run that fails is
 * nobody's fault until each has been run alone.
 */
#include <config.h>

#include "daemon/infer_batch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/infer.h"
#include "daemon/infer_course.h"
#include "daemon/metrics.h"
#include "daemon/request.h"
#include "daemon/residency.h"
#include "daemon/residency_batch.h"
#include "daemon/residency_session.h"

/* Rows of a request that is put into a batch; one with more is a batch of its own. */
#define ROWS_MAX 64

struct batch {
	struct infer_batch_member *member; /* [count] */
	struct infer_course *course;       /* [count] */
	bool *open;                        /* [count]: read, and not run yet */
	size_t *group, group_count;        /* those that are run together */
	size_t count;
	const struct oip_ports *ports;
	struct resident *model;
	struct rt_session *session; /* NULL: none */
	bool usable;
	const atomic_bool *cancel;
	struct arena *arena;
};

/* ---- one by one -------------------------------------------------------------------- */

static bool take_session(struct batch *b, struct fault *fault)
{
	if (b->session != NULL && b->usable)
		return true;
	if (b->session != NULL)
		residency_session_give(b->model, b->session, false);
	b->session = NULL;
	b->usable = true;
	return residency_session_take(b->model, b->cancel, &b->session, fault) == 0;
}

/* ${i} has its reply or its fault. */
static void settle(struct batch *b, size_t i, int status)
{
	struct infer_course *c = &b->course[i];

	b->open[i] = false;
	b->member[i].status = status;
	if (status != 0 && request_cancelled(c->rq))
		c->end = TALLY_CANCELLED;
	infer_course_end(c);
}

static void run_alone(struct batch *b, size_t i)
{
	struct infer_course *c = &b->course[i];
	struct fault *fault = &b->member[i].fault;
	int status = -1;

	if (take_session(b, fault) && !request_cancelled(c->rq))
		status = infer_course_run(c, b->session, &b->usable, fault);
	if (status == 0) {
		status = infer_course_answer(c, fault);
		tally_run(residency_tally(b->model), c->rows, &c->times);
	}
	settle(b, i, status);
}

static void run_each(struct batch *b)
{
	for (size_t i = 0; i < b->group_count; i++) {
		if (b->open[b->group[i]])
			run_alone(b, b->group[i]);
	}
}

/* ---- who fits whom ------------------------------------------------------------------- */

static bool small_enough(const struct infer_course *c)
{
	return c->rows >= 1 && c->rows <= ROWS_MAX;
}

/* All inputs have the rows that the first has: one that does not is refused when it is run. */
static bool consistent(const struct batch *b, const struct infer_course *c)
{
	for (size_t i = 0; i < b->ports->input_count; i++) {
		if ((uint64_t)c->in.inputs[i].shape.dims[0] != c->rows)
			return false;
	}
	return true;
}

static bool fits(const struct batch *b, const struct infer_course *x, const struct infer_course *y)
{
	for (size_t i = 0; i < b->ports->input_count; i++) {
		const struct rt_shape *s = &x->in.inputs[i].shape, *t = &y->in.inputs[i].shape;

		if (s->rank != t->rank)
			return false;
		for (int d = 1; d < s->rank; d++) {
			if (s->dims[d] != t->dims[d])
				return false;
		}
	}
	return true;
}

/* The first that is open, and those that fit it. */
static bool next_group(struct batch *b)
{
	size_t first = 0;

	while (first < b->count && !b->open[first])
		first++;
	if (first == b->count)
		return false;
	b->group[0] = first;
	b->group_count = 1;
	if (!residency_batch_may(b->model) || !small_enough(&b->course[first]) ||
	    !consistent(b, &b->course[first]))
		return true;
	for (size_t i = first + 1; i < b->count; i++) {
		if (b->open[i] && small_enough(&b->course[i]) && consistent(b, &b->course[i]) &&
		    fits(b, &b->course[first], &b->course[i]))
			b->group[b->group_count++] = i;
	}
	return true;
}

/* ---- together --------------------------------------------------------------------------- */

/* What goes in and comes out of one run for the whole group. */
struct joint {
	struct rt_tensor *in, *out;
	bool *wanted;
	uint64_t rows;
	void **owned; /* [input_count], malloc()ed */
};

static void drop_joint(const struct batch *b, struct joint *j)
{
	for (size_t i = 0; j->owned != NULL && i < b->ports->input_count; i++)
		free(j->owned[i]);
}

static bool join_input(struct batch *b, struct joint *j, size_t port)
{
	const struct rt_tensor *first = &b->course[b->group[0]].in.inputs[port];
	struct rt_tensor *t = &j->in[port];
	unsigned char *to;
	size_t bytes;

	*t = (struct rt_tensor){.dtype = first->dtype, .shape = first->shape};
	t->shape.dims[0] = (int64_t)j->rows;
	if (!rt_shape_bytes(&t->shape, t->dtype, &bytes))
		return false;
	j->owned[port] = to = aligned_alloc(64, (bytes + 64) / 64 * 64);
	if (to == NULL)
		return false;
	t->data = to;
	for (size_t i = 0; i < b->group_count; i++) {
		const struct rt_tensor *from = &b->course[b->group[i]].in.inputs[port];
		size_t n = rt_tensor_bytes(from);

		if (n != 0)
			memcpy(to, from->data, n);
		to += n;
	}
	return true;
}

static bool make_joint(struct batch *b, struct joint *j)
{
	size_t ins = b->ports->input_count, outs = b->ports->output_count;

	*j = (struct joint){.rows = 0};
	for (size_t i = 0; i < b->group_count; i++)
		j->rows += b->course[b->group[i]].rows;
	j->in = arena_zalloc(b->arena, (ins + 1) * sizeof *j->in);
	j->out = arena_zalloc(b->arena, (outs + 1) * sizeof *j->out);
	j->wanted = arena_zalloc(b->arena, (outs + 1) * sizeof *j->wanted);
	j->owned = arena_zalloc(b->arena, (ins + 1) * sizeof *j->owned);
	if (j->in == NULL || j->out == NULL || j->wanted == NULL || j->owned == NULL)
		return false;
	for (size_t i = 0; i < b->group_count; i++) {
		for (size_t o = 0; o < outs; o++)
			j->wanted[o] |= b->course[b->group[i]].in.wanted[o];
	}
	for (size_t i = 0; i < ins; i++) {
		if (!join_input(b, j, i))
			return false;
	}
	return true;
}

/* Whether each output has as many rows as went in. */
static bool has_rows(const struct batch *b, const struct joint *j)
{
	for (size_t o = 0; o < b->ports->output_count; o++) {
		if (j->wanted[o] &&
		    (j->out[o].shape.rank < 1 || (uint64_t)j->out[o].shape.dims[0] != j->rows))
			return false;
	}
	return true;
}

/* The rows of ${c}, which begin at ${row}, of the output ${o}. */
static struct rt_tensor rows_of(const struct joint *j, size_t o, uint64_t row, uint64_t rows)
{
	struct rt_tensor t = j->out[o];
	const unsigned char *data = t.data;

	if (t.data != NULL && j->rows != 0)
		data += rt_tensor_bytes(&j->out[o]) / j->rows * row;
	memcpy(&t.data, &data, sizeof data);
	t.shape.dims[0] = (int64_t)rows;
	return t;
}

static int run_joint(struct batch *b, struct joint *j, uint64_t *ret_ns)
{
	struct rt_run_opts opts = {.cancel = b->cancel};
	uint64_t begin = infer_course_now_ns();
	struct rt_error err;
	int status = rt_session_run(b->session, j->in, j->out, j->wanted, &opts, &err);

	*ret_ns = infer_course_now_ns() - begin;
	b->usable = status != RT_IO;
	return status;
}

static void give_answers(struct batch *b, const struct joint *j, uint64_t ns)
{
	struct tally_times sum = {.infer = ns};
	uint64_t row = 0;

	metrics_add(METRIC_inference_ns, ns);
	metrics_add(METRIC_batches, 1);
	metrics_add(METRIC_batched_inferences, b->group_count);
	for (size_t i = 0; i < b->group_count; i++) {
		struct infer_course *c = &b->course[b->group[i]];
		int status;

		for (size_t o = 0; o < b->ports->output_count; o++) {
			if (c->in.wanted[o])
				c->outputs[o] = rows_of(j, o, row, c->rows);
		}
		row += c->rows;
		c->times.infer = ns;
		c->batch = (unsigned)b->group_count;
		status = infer_course_answer(c, &b->member[b->group[i]].fault);
		sum.input += c->times.input;
		sum.output += c->times.output;
		settle(b, b->group[i], status);
	}
	tally_run(residency_tally(b->model), j->rows, &sum);
}

/* ---- the same answers? --------------------------------------------------------------------- */

static bool near(double a, double b, double most)
{
	return (isnan(a) && isnan(b)) || a == b || fabs(a - b) <= 1e-6 + 1e-4 * most;
}

static double value_at(const struct rt_tensor *t, int64_t i)
{
	return t->dtype == RT_F32 ? (double)((const float *)t->data)[i]
				  : ((const double *)t->data)[i];
}

/* Floats may differ in their last digits: another number of rows takes other kernels. */
static bool same(const struct rt_tensor *a, const struct rt_tensor *b)
{
	int64_t n = rt_tensor_elems(a);
	double most = 0.0;

	if (a->dtype != b->dtype || !rt_shape_equal(&a->shape, &b->shape))
		return false;
	if (n == 0)
		return true;
	if (a->dtype != RT_F32 && a->dtype != RT_F64)
		return memcmp(a->data, b->data, rt_tensor_bytes(a)) == 0;
	for (int64_t i = 0; i < n; i++) {
		double v = fabs(value_at(a, i));

		most = isfinite(v) && v > most ? v : most;
	}
	for (int64_t i = 0; i < n; i++) {
		if (!near(value_at(a, i), value_at(b, i), most))
			return false;
	}
	return true;
}

/* The session's memory is about to be used again. */
static bool keep_outputs(const struct batch *b, struct infer_course *c)
{
	for (size_t o = 0; o < b->ports->output_count; o++) {
		size_t bytes = c->in.wanted[o] ? rt_tensor_bytes(&c->outputs[o]) : 0;

		if (bytes == 0)
			continue;
		c->outputs[o].data = arena_copy(&c->rq->arena, c->outputs[o].data, bytes);
		if (c->outputs[o].data == NULL)
			return false;
	}
	return true;
}

static bool agree(const struct batch *b, const struct joint *j)
{
	uint64_t row = 0;

	for (size_t i = 0; i < b->group_count; i++) {
		const struct infer_course *c = &b->course[b->group[i]];

		for (size_t o = 0; o < b->ports->output_count; o++) {
			struct rt_tensor t = rows_of(j, o, row, c->rows);

			if (c->in.wanted[o] && !same(&c->outputs[o], &t))
				return false;
		}
		row += c->rows;
	}
	return true;
}

/* One by one, which is what is answered; then together, and see. */
static void run_checked(struct batch *b, struct joint *j)
{
	struct fault fault;
	bool all = true;
	uint64_t ns;

	for (size_t i = 0; i < b->group_count; i++) {
		run_alone(b, b->group[i]);
		all = all && b->member[b->group[i]].status == 0 &&
		      keep_outputs(b, &b->course[b->group[i]]);
	}
	if (!all || !take_session(b, &fault))
		return;
	if (run_joint(b, j, &ns) == RT_CANCELLED)
		return;
	if (!b->usable || !has_rows(b, j) || !agree(b, j))
		residency_batch_refuse(b->model);
}

static void run_together(struct batch *b)
{
	struct joint j;
	uint64_t ns = 0;
	int status = RT_MEMORY;
	bool made = make_joint(b, &j);

	if (made && residency_batch_due(b->model)) {
		run_checked(b, &j);
	} else if (made && take_session(b, &b->member[b->group[0]].fault)) {
		status = run_joint(b, &j, &ns);
		if (status == RT_OK && has_rows(b, &j))
			give_answers(b, &j, ns);
		else if (status == RT_OK)
			residency_batch_refuse(b->model);
	}
	run_each(b); /* whoever has no answer yet */
	drop_joint(b, &j);
}

/* ---- all of them -------------------------------------------------------------------------- */

static void read_all(struct batch *b)
{
	for (size_t i = 0; i < b->count; i++) {
		struct infer_course *c = &b->course[i];

		*c = (struct infer_course){
		    .rq = b->member[i].rq, .model = b->model, .end = TALLY_FAILED};
		c->times.queue = c->rq->waited_ns;
		c->rq->batches = residency_batch_may(b->model);
		if (request_cancelled(c->rq) || infer_course_read(c, &b->member[i].fault) != 0)
			settle(b, i, -1);
		else
			b->open[i] = true;
	}
}

static void one_by_one(struct infer_batch_member *member, size_t from, size_t count)
{
	for (size_t i = from; i < count; i++)
		member[i].status = request_cancelled(member[i].rq)
				       ? -1
				       : infer_one(member[i].rq, &member[i].fault);
}

void infer_batch_run(struct infer_batch_member *member, size_t count, const atomic_bool *cancel)
{
	struct batch b = {.member = member, .count = count, .cancel = cancel, .usable = true};
	int status;

	b.arena = &member[0].rq->arena;
	b.course = arena_alloc(b.arena, count * sizeof *b.course);
	b.open = arena_zalloc(b.arena, count * sizeof *b.open);
	b.group = arena_alloc(b.arena, count * sizeof *b.group);
	if (b.course == NULL || b.open == NULL || b.group == NULL) {
		one_by_one(member, 0, count);
		return;
	}
	status = infer_find(member[0].rq, &b.model, &member[0].fault);
	if (status <= 0) {
		member[0].status = status;
		one_by_one(member, 1, count);
		return;
	}
	b.ports = residency_ports(b.model);
	read_all(&b);
	while (next_group(&b)) {
		if (b.group_count == 1)
			run_alone(&b, b.group[0]);
		else
			run_together(&b);
	}
	if (b.session != NULL)
		residency_session_give(b.model, b.session, b.usable);
	residency_unref(b.model);
}
