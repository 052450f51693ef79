/* SPDX-License-Identifier: MIT */
/*
 * recurrent_f64.c — LSTM, GRU and RNN in float64 (ONNX operators, the formulas
 * are in cell.c): one sequence after the other, plain sums, nothing packed.
 * Called by recurrent.c, which has checked the shapes.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/ops.h"
#include "runtime/ops/recurrent.h"

/* One direction of one sequence. */
struct sequence {
	const struct rt_recurrent *s;
	const struct rt_activation *act;
	size_t input, hidden, gates; /* gates: G·H */
	const double *w, *r;         /* [G·H][I], [G·H][H] */
	const double *wb, *rb;       /* [G·H] or NULL */
	const double *p;             /* [3·H] or NULL */
	double *g, *h, *c, *extra;   /* [G·H], [H], [H], [H] */
};

static double activate(const struct rt_recurrent *s, const struct rt_activation *a, double x)
{
	const double p = (double)a->p.a, q = (double)a->p.b;

	if (s->clip > 0)
		x = fmin(fmax(x, -(double)s->clip), (double)s->clip);
	switch (a->unary) {
	case RT_UNARY_SIGMOID:
		return 1 / (1 + exp(-x));
	case RT_UNARY_TANH: /* ScaledTanh has factors; a plain one has a scale of 1 and p 0 */
		return p < 0 || p > 0 || a->scale < 1 || a->scale > 1
			   ? (double)a->scale * tanh(p * x)
			   : tanh(x);
	case RT_UNARY_RELU:
		return x > 0 ? x : 0;
	case RT_UNARY_LEAKY_RELU:
		return x < 0 ? p * x : x;
	case RT_UNARY_AFFINE:
		return p * x + q;
	case RT_UNARY_HARD_SIGMOID:
		return fmin(fmax(p * x + q, 0), 1);
	case RT_UNARY_ELU:
		return x < 0 ? p * expm1(x) : x;
	case RT_UNARY_SOFTSIGN:
		return x / (1 + fabs(x));
	case RT_UNARY_SOFTPLUS:
		return fmax(x, 0) + log1p(exp(-fabs(x)));
	default: /* ThresholdedRelu */
		return x > p ? x : 0;
	}
}

/* Σ m[row][k] · v[k] */
static double dot(const double *m, size_t row, size_t n, const double *v)
{
	double sum = 0;

	for (size_t k = 0; k < n; k++)
		sum += m[row * n + k] * v[k];
	return sum;
}

static void lstm_step(const struct sequence *q)
{
	const size_t H = q->hidden;
	double *i = q->g, *o = i + H, *f = o + H, *n = f + H;

	for (size_t k = 0; k < q->gates; k++)
		q->g[k] += dot(q->r, k, H, q->h) + (q->rb ? q->rb[k] : 0);
	for (size_t k = 0; k < H; k++) {
		double c = q->c[k];
		i[k] = activate(q->s, &q->act[0], i[k] + (q->p ? q->p[k] * c : 0));
		f[k] = activate(q->s, &q->act[0], f[k] + (q->p ? q->p[2 * H + k] * c : 0));
		if (q->s->input_forget)
			f[k] = 1 - i[k];
		c = q->c[k] = f[k] * c + i[k] * activate(q->s, &q->act[1], n[k]);
		o[k] = activate(q->s, &q->act[0], o[k] + (q->p ? q->p[H + k] * c : 0));
	}
	for (size_t k = 0; k < H; k++)
		q->h[k] = o[k] * activate(q->s, &q->act[2], q->c[k]);
}

static void gru_step(const struct sequence *q)
{
	const size_t H = q->hidden;
	double *z = q->g, *r = z + H, *n = r + H;

	for (size_t k = 0; k < 2 * H; k++)
		z[k] = activate(q->s, &q->act[0],
				z[k] + dot(q->r, k, H, q->h) + (q->rb ? q->rb[k] : 0));
	for (size_t k = 0; k < H; k++)
		q->extra[k] = r[k] * q->h[k];
	for (size_t k = 0; k < H; k++) {
		double rb = q->rb ? q->rb[2 * H + k] : 0;
		n[k] += q->s->linear_before_reset ? r[k] * (dot(q->r, 2 * H + k, H, q->h) + rb)
						  : dot(q->r, 2 * H + k, H, q->extra) + rb;
		n[k] = activate(q->s, &q->act[1], n[k]);
	}
	for (size_t k = 0; k < H; k++)
		q->h[k] = (1 - z[k]) * n[k] + z[k] * q->h[k];
}

static void rnn_step(const struct sequence *q)
{
	for (size_t k = 0; k < q->hidden; k++)
		q->g[k] += dot(q->r, k, q->hidden, q->h) + (q->rb ? q->rb[k] : 0);
	for (size_t k = 0; k < q->hidden; k++)
		q->h[k] = activate(q->s, &q->act[0], q->g[k]);
}

static void one_step(const struct sequence *q, const double *x)
{
	for (size_t k = 0; k < q->gates; k++)
		q->g[k] = dot(q->w, k, q->input, x) + (q->wb ? q->wb[k] : 0);
	if (q->s->cell == &rt_cell_lstm)
		lstm_step(q);
	else if (q->s->cell == &rt_cell_gru)
		gru_step(q);
	else
		rnn_step(q);
}

static const double *given(const struct rt_run *r, int i)
{
	return i > 0 && i < r->in_count ? r->in[i].data : NULL;
}

static void load(const double *from, size_t row, size_t n, double *to)
{
	if (from)
		memcpy(to, from + row * n, n * sizeof(*to));
	else
		memset(to, 0, n * sizeof(*to));
}

static void store(const struct rt_run *r, int o, size_t row, size_t n, const double *from)
{
	if (o < r->out_count && r->out[o].data)
		memcpy((double *)r->out[o].data + row * n, from, n * sizeof(*from));
}

/* Sequence ${b} in direction ${d}; ${len} of ${steps} elements. */
static void run_sequence(const struct rt_run *r, struct sequence *q, const size_t at[2],
			 size_t batch, size_t steps, size_t len)
{
	const struct rt_recurrent *s = q->s;
	const size_t d = at[0], b = at[1], D = (size_t)s->directions, H = q->hidden;
	const size_t state = s->batch_first ? b * D + d : d * batch + b;
	const double *x = r->in[0].data, *bias = given(r, 3);

	q->act = s->act[d];
	q->w = (const double *)r->in[1].data + d * q->gates * q->input;
	q->r = (const double *)r->in[2].data + d * q->gates * H;
	q->wb = bias ? bias + d * 2 * q->gates : NULL;
	q->rb = bias ? q->wb + q->gates : NULL;
	q->p = given(r, s->cell->peephole);
	q->p = q->p ? q->p + d * 3 * H : NULL;
	load(given(r, 5), state, H, q->h);
	load(given(r, s->cell->initial_c), state, H, q->c);
	for (size_t k = 0; k < len; k++) {
		size_t t = s->reverse || d == 1 ? len - 1 - k : k;
		one_step(q, x + (s->batch_first ? b * steps + t : t * batch + b) * q->input);
		store(r, 0, s->batch_first ? (b * steps + t) * D + d : (t * D + d) * batch + b, H,
		      q->h);
	}
	store(r, 1, state, H, q->h);
	if (s->cell->outputs > 2)
		store(r, 2, state, H, q->c);
}

size_t rt_recurrent_f64_scratch(const struct rt_recurrent *s)
{
	return ((size_t)s->cell->gates + 3) * s->hidden * sizeof(double);
}

void rt_recurrent_f64_run(const struct rt_run *r, const struct rt_recurrent *s)
{
	const int32_t *lens = r->in_count > 4 ? r->in[4].data : NULL;
	const size_t first = (size_t)r->in[0].shape.dims[0], H = s->hidden;
	const size_t second = (size_t)r->in[0].shape.dims[1];
	const size_t steps = s->batch_first ? second : first;
	const size_t batch = s->batch_first ? first : second;
	struct sequence q = {.s = s,
			     .input = (size_t)r->in[0].shape.dims[2],
			     .hidden = H,
			     .gates = (size_t)s->cell->gates * H,
			     .g = r->scratch};

	q.h = q.g + q.gates;
	q.c = q.h + H;
	q.extra = q.c + H;
	if (lens && r->out_count > 0 && r->out[0].data)
		memset(r->out[0].data, 0, rt_tensor_bytes(&r->out[0]));
	for (size_t d = 0; d < (size_t)s->directions; d++)
		for (size_t b = 0; b < batch; b++)
			run_sequence(r, &q, (const size_t[]){d, b}, batch, steps,
				     lens ? (size_t)lens[b] : steps);
}
