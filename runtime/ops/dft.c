/* SPDX-License-Identifier: MIT */
/*
 * dft.c — DFT and STFT.
 *
 * DFT: x [..., n at `axis`, ..., 1 or 2] (real or complex) → [..., bins, ..., 2],
 * padded with zeros or cut to dft_length.  onesided: the first n/2 + 1 bins of a
 * real signal; with inverse, those bins → [..., n, ..., 1], n = 2·(bins − 1) unless
 * dft_length says.  Since 17; `axis` is an attribute (default 1) until 19 and
 * input 2 (default −2) from 20 on.
 *
 * STFT (since 17): signal [B][L][1 or 2] in frames of frame_length, frame_step
 * apart, each times the window → [B][frames][bins][2].
 *
 * Computed in double precision whatever the type: the transforms of ten
 * thousand points lose digits that the conformance cases look at.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/fft.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

struct dft {
	bool inverse, onesided;
	int64_t axis;
};

/* Lines of ${in_n} values that become lines of ${out_n}. */
struct lines {
	struct rt_fft fft;
	size_t count;                /* of lines */
	size_t in_n, out_n;          /* values of a line: read; written */
	size_t in_parts, out_parts;  /* 1 real, 2 complex */
	size_t inner;                /* values from one of a line to the next (DFT) */
	size_t frames, step, length; /* STFT: of the signal */
	bool inverse, mirror;        /* mirror: bins of a real signal are completed */
};

static int bind_dft(struct rt_bind *b, struct rt_error *err)
{
	struct dft *s = b->state;

	(void)err;
	s->inverse = rt_node_int(b->node, "inverse", 0) != 0;
	s->onesided = rt_node_int(b->node, "onesided", 0) != 0;
	s->axis = rt_node_int(b->node, "axis", 1);
	return RT_OK;
}

static bool has(const struct rt_infer *f, int i)
{
	return i < f->in_count && f->in[i].dtype != RT_NONE;
}

/* The whole number that input ${i} holds. */
static int one_number(const struct rt_infer *f, int i, const char *name, int64_t *out,
		      struct rt_error *err)
{
	int count;

	if (!rt_op_ints(&f->in[i], out, 1, &count) || count != 1)
		return rt_error_set(err, RT_INPUT, "%s is not one integer", name);
	return RT_OK;
}

/* The plan of length ${n}, with memory for every thread. */
static int plan_lines(struct rt_infer *f, struct lines *l, size_t n, struct rt_error *err)
{
	size_t elems = rt_fft_elems(n);
	struct rt_complex *memory;

	if (elems == 0)
		return rt_error_set(err, RT_INPUT, "a transform of length %zu", n);
	memory = rt_infer_alloc(f, elems * sizeof(*memory));
	if (!memory)
		return rt_error_set(err, RT_BUDGET, "no memory for a transform of length %zu", n);
	rt_fft_init(&l->fft, n, memory);
	f->scratch_bytes = (size_t)f->threads * (n + l->fft.m) * sizeof(*memory);
	f->shape_state = l;
	return RT_OK;
}

static int dft_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct dft *s = f->state;
	const struct rt_shape *x = &f->in[0].shape;
	struct lines *l = rt_infer_alloc(f, sizeof(*l));
	int64_t axis = f->node->opset >= 20 ? -2 : s->axis, n;
	int at, rc = RT_OK;

	if (!l)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if (f->node->opset >= 20 && has(f, 2))
		rc = one_number(f, 2, "axis", &axis, err);
	if (rc)
		return rc;
	if (x->rank < 2 || !rt_op_axis(axis, x->rank, &at) || at == x->rank - 1 ||
	    x->dims[x->rank - 1] < 1 || x->dims[x->rank - 1] > 2)
		return rt_error_set(err, RT_INPUT,
				    "axis %lld of a signal of rank %d whose last "
				    "dimension must be 1 or 2",
				    (long long)axis, x->rank);
	n = s->inverse && s->onesided ? 2 * (x->dims[at] - 1) : x->dims[at];
	if (has(f, 1))
		rc = one_number(f, 1, "dft_length", &n, err);
	if (rc)
		return rc;
	if (n < 1)
		return rt_error_set(err, RT_INPUT, "dft_length is %lld", (long long)n);
	l->inverse = s->inverse;
	l->mirror = s->inverse && s->onesided;
	l->in_n = (size_t)x->dims[at];
	l->in_parts = (size_t)x->dims[x->rank - 1];
	l->out_parts = l->mirror ? 1 : 2;
	l->out_n = (size_t)(s->onesided && !s->inverse ? n / 2 + 1 : n);
	l->inner = l->count = 1;
	for (int k = 0; k < x->rank - 1; k++) {
		l->inner *= k > at ? (size_t)x->dims[k] : 1;
		l->count *= k != at ? (size_t)x->dims[k] : 1;
	}
	f->out[0].shape = *x;
	f->out[0].shape.dims[at] = (int64_t)l->out_n;
	f->out[0].shape.dims[x->rank - 1] = (int64_t)l->out_parts;
	return plan_lines(f, l, (size_t)n, err);
}

static struct rt_complex value_at(const struct rt_tensor *t, size_t i, size_t parts)
{
	double v[2] = {0, 0};

	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): input 0 is never left out */
	rt_convert_to_f64(t->dtype, t->data, (int64_t)(i * parts), parts, v);
	return (struct rt_complex){v[0], v[1]};
}

static void set_value(const struct rt_tensor *t, size_t i, size_t parts, struct rt_complex v)
{
	double both[2] = {v.re, v.im};

	rt_convert_from_f64(t->dtype, both, parts, t->data, (int64_t)(i * parts), false);
}

struct job {
	const struct rt_run *r;
	const struct lines *l;
};

static struct rt_complex *thread_memory(const struct job *j, int thread)
{
	return (struct rt_complex *)j->r->scratch + (size_t)thread * (j->l->fft.n + j->l->fft.m);
}

static void dft_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct lines *l = j->l;
	struct rt_complex *x = thread_memory(j, thread), *work = x + l->fft.n;
	size_t n = l->fft.n, have = l->in_n < n ? l->in_n : n;

	for (size_t i = begin; i < end; i++) {
		size_t outer = i / l->inner, inner = i % l->inner;
		size_t from = outer * l->in_n * l->inner + inner;
		size_t to = outer * l->out_n * l->inner + inner;
		memset(x, 0, n * sizeof(*x));
		for (size_t k = 0; k < have; k++)
			x[k] = value_at(&j->r->in[0], from + k * l->inner, l->in_parts);
		for (size_t k = n / 2 + 1; l->mirror && k < n; k++)
			x[k] = (struct rt_complex){x[n - k].re, -x[n - k].im};
		rt_fft_run(&l->fft, l->inverse, x, work);
		for (size_t k = 0; k < l->out_n; k++)
			set_value(&j->r->out[0], to + k * l->inner, l->out_parts, x[k]);
	}
}

static void run_lines(const struct rt_run *r, rt_team_f *fn)
{
	struct job j = {r, r->shape_state};

	if (j.l->count > 0)
		rt_team_for(r->team, j.l->count, rt_walk_grain((int64_t)j.l->fft.m * 32), fn, &j);
}

static void dft_run(const struct rt_run *r)
{
	run_lines(r, dft_range);
}

/* ---- STFT: signal, frame_step, window?, frame_length? ------------------------------------------
 */

enum { SIGNAL, STEP, WINDOW, LENGTH };

static int bind_stft(struct rt_bind *b, struct rt_error *err)
{
	(void)err;
	((struct dft *)b->state)->onesided = rt_node_int(b->node, "onesided", 1) != 0;
	return RT_OK;
}

static int stft_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct dft *s = f->state;
	const struct rt_shape *x = &f->in[SIGNAL].shape;
	struct lines *l = rt_infer_alloc(f, sizeof(*l));
	int64_t step, n = 0, frames;
	int rc;

	if (!l)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if ((x->rank != 3 && x->rank != 2) || (x->rank == 3 && (x->dims[2] < 1 || x->dims[2] > 2)))
		return rt_error_set(err, RT_INPUT, "the signal is not [batch, length, 1 or 2]");
	rc = one_number(f, STEP, "frame_step", &step, err);
	if (!rc && has(f, LENGTH))
		rc = one_number(f, LENGTH, "frame_length", &n, err);
	else if (has(f, WINDOW) && f->in[WINDOW].shape.rank == 1)
		n = f->in[WINDOW].shape.dims[0];
	if (rc)
		return rc;
	if (step < 1 || n < 1 || n > x->dims[1] ||
	    (has(f, WINDOW) && (f->in[WINDOW].shape.rank != 1 || f->in[WINDOW].shape.dims[0] != n)))
		return rt_error_set(
		    err, RT_INPUT,
		    "frames of %lld, %lld apart, of a signal of %lld; the window must "
		    "have the frame's length",
		    (long long)n, (long long)step, (long long)x->dims[1]);
	frames = (x->dims[1] - n) / step + 1;
	l->in_parts = x->rank == 3 ? (size_t)x->dims[2] : 1;
	l->out_parts = 2;
	l->in_n = (size_t)n;
	l->out_n = (size_t)(s->onesided ? n / 2 + 1 : n);
	l->frames = (size_t)frames;
	l->step = (size_t)step;
	l->length = (size_t)x->dims[1];
	l->count = (size_t)x->dims[0] * l->frames;
	f->out[0].shape = rt_shape_of(4, x->dims[0], frames, (int64_t)l->out_n, (int64_t)2);
	return plan_lines(f, l, (size_t)n, err);
}

static void stft_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct lines *l = j->l;
	const struct rt_tensor *window = j->r->in_count > WINDOW ? &j->r->in[WINDOW] : NULL;
	struct rt_complex *x = thread_memory(j, thread), *work = x + l->fft.n;

	for (size_t i = begin; i < end; i++) {
		size_t from = i / l->frames * l->length + i % l->frames * l->step;
		for (size_t k = 0; k < l->in_n; k++) {
			double w =
			    window && window->data ? rt_convert_get_f64(window, (int64_t)k) : 1.0;
			x[k] = value_at(&j->r->in[SIGNAL], from + k, l->in_parts);
			x[k] = (struct rt_complex){x[k].re * w, x[k].im * w};
		}
		rt_fft_run(&l->fft, false, x, work);
		for (size_t k = 0; k < l->out_n; k++)
			set_value(&j->r->out[0], i * l->out_n + k, 2, x[k]);
	}
}

static void stft_run(const struct rt_run *r)
{
	run_lines(r, stft_range);
}

const struct rt_op rt_op_dft = {
    .in_min = 1,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1u << 1 | 1u << 2,
    .state_bytes = sizeof(struct dft),
    .bind = bind_dft,
    .infer = dft_infer,
    .run = dft_run,
};

const struct rt_op rt_op_stft = {
    .in_min = 2,
    .in_max = 4,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1u << STEP | 1u << LENGTH,
    .state_bytes = sizeof(struct dft),
    .bind = bind_stft,
    .infer = stft_infer,
    .run = stft_run,
};
