/* SPDX-License-Identifier: MIT */
/*
 * Attentions of com.microsoft, rotary embeddings, linear attention and the
 * causal convolution (runtime/ops/ms_attention.c, ms_mask.c, gqa.c, rotary.c,
 * linear_attention.c, causal_conv.c) against plain double arithmetic.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "tests/runtime/one_op.h"
#include "tests/runtime/suites.h"

#define MS "com.microsoft"
#define MOST 4096

static void fill(float *to, int n)
{
	for (int i = 0; i < n; i++)
		to[i] = (float)one_op_random();
}

/* ---- what attention is ----------------------------------------------------------------------- */

/* Everything dense: q [B][H][S][D], k, v [B][G][T][D], add [B][H][S][T] (−inf forbids). */
struct heads {
	int B, H, G, S, T, D;
	double q[MOST], k[MOST], v[MOST], add[MOST];
	double scale, softcap;
	const float *sink; /* [H] or NULL */
	double y[MOST];    /* [B][S][H][D] */
};

static void attend_row(struct heads *a, int b, int h, int s)
{
	const double *q = a->q + ((b * a->H + h) * a->S + s) * a->D;
	int g = (b * a->G + h / (a->H / a->G)) * a->T;
	double x[64] = {0}, sum = a->sink ? exp((double)a->sink[h]) : 0;
	double *y = a->y + ((b * a->S + s) * a->H + h) * a->D;

	for (int t = 0; t < a->T; t++) {
		for (int d = 0; d < a->D; d++)
			x[t] += q[d] * a->k[(g + t) * a->D + d];
		x[t] *= a->scale;
		if (a->softcap > 0)
			x[t] = a->softcap * tanh(x[t] / a->softcap);
		x[t] = exp(x[t] + a->add[((b * a->H + h) * a->S + s) * a->T + t]);
		sum += x[t];
	}
	for (int d = 0; d < a->D; d++) {
		y[d] = 0;
		for (int t = 0; t < a->T; t++)
			y[d] += x[t] / sum * a->v[(g + t) * a->D + d];
	}
}

static void attend(struct heads *a)
{
	if (!(a->scale > 0))
		a->scale = 1 / sqrt(a->D);
	for (int i = 0; i < a->B * a->H * a->S; i++)
		attend_row(a, i / a->S / a->H, i / a->S % a->H, i % a->S);
}

static double *add_at(struct heads *a, int b, int h, int s, int t)
{
	return &a->add[((b * a->H + h) * a->S + s) * a->T + t];
}

/* Forbid what comes later than row s, which is at ${past} + s. */
static void forbid_later(struct heads *a, int past)
{
	for (int i = 0; i < a->B * a->H * a->S; i++)
		for (int t = past + i % a->S + 1; t < a->T; t++)
			a->add[i * a->T + t] = -INFINITY;
}

/* ---- MultiHeadAttention and Attention -------------------------------------------------------- */

enum { MB = 2, MH = 3, ML = 5, MD = 4, MP = 3, WIDE = MH * MD };

struct multi_case {
	int rows; /* of query: S; ML with Attention */
	bool past, bias, causal;
	char mask; /* 0, 'e'nds, 'r'anges, 'k'eys, 'p'airs */
	char form; /* 'a': Attention; 's'eparate; 'q': all in query; 'k': values in key; '4' */
	bool add;
};
static const struct multi_case multi_cases[] = {
    {4, false, false, false, 0, 's', false},  {5, true, true, true, 0, 's', true},
    {2, false, true, false, 'k', 's', true},  {5, false, false, false, 'e', 'q', false},
    {3, false, true, false, 'p', 'k', false}, {3, false, true, false, 0, '4', false},
    {5, true, false, false, 'k', 's', false}, {5, false, true, false, 'e', 'a', false},
    {5, true, true, true, 0, 'a', false},     {5, false, false, true, 'k', 'a', true},
    {5, true, true, false, 'r', 'a', false},  {5, false, true, false, 'p', 'a', false},
};

/* Random data of one case, as the operator sees them. */
struct multi {
	const struct multi_case *c;
	int S, T, P;
	float q[MB * ML * WIDE], k[MB * ML * WIDE], v[MB * ML * WIDE], bias[3 * WIDE];
	float past_k[MB * WIDE * MP], past_v[MB * WIDE * MP];
	float add[MH * ML * (ML + MP)];
	int32_t mask[MB * ML * (ML + MP)];
	int64_t mask_dims[3];
	int mask_rank;
};

static bool is_padding(const struct multi *m, int b, int s, int t)
{
	switch (m->c->mask) {
	case 'e':
		return t >= m->mask[b];
	case 'r':
		return t >= m->mask[b] || t < m->mask[MB + b];
	case 'k':
		return m->mask[b * m->T + t] == 0;
	case 'p':
		return m->mask[(b * m->S + s) * m->T + t] == 0;
	default:
		return false;
	}
}

static void multi_mask(struct multi *m)
{
	int n = 0;

	m->mask_rank = m->c->mask == 'k' ? 2 : m->c->mask == 'p' ? 3 : 1;
	m->mask_dims[0] = m->c->mask == 'r' ? 2 * MB : MB;
	m->mask_dims[1] = m->c->mask == 'p' ? m->S : m->T;
	m->mask_dims[2] = m->T;
	if (m->c->mask == 'e' || m->c->mask == 'r') {
		m->mask[0] = m->T - 1, m->mask[1] = m->T;
		m->mask[2] = 1, m->mask[3] = 0;
		return;
	}
	n = MB * m->T * (m->c->mask == 'p' ? m->S : 1);
	for (int i = 0; i < n; i++) /* the first key of a row is always there */
		m->mask[i] = i % m->T == 0 || one_op_random_int(3) > 0;
}

static void multi_fill(struct multi *m, const struct multi_case *c)
{
	*m = (struct multi){.c = c, .S = c->rows, .P = c->past ? MP : 0};
	m->T = ML + m->P;
	fill(m->q, MB * m->S * WIDE);
	fill(m->k, MB * ML * WIDE);
	fill(m->v, MB * ML * WIDE);
	fill(m->bias, 3 * WIDE);
	fill(m->past_k, MB * WIDE * MP);
	fill(m->past_v, MB * WIDE * MP);
	fill(m->add, MH * m->S * m->T);
	multi_mask(m);
}

/* Row ${r} of head ${h}: of past or of what is new, with its bias. */
static double kv_at(const struct multi *m, const float *fresh, const float *past, int which, int b,
		    int h, int r, int d)
{
	bool biased = m->c->bias && m->c->form != '4';

	if (r < m->P)
		return (double)past[((b * MH + h) * MP + r) * MD + d];
	return (double)fresh[(b * ML + r - m->P) * WIDE + h * MD + d] +
	       (biased ? (double)m->bias[which * WIDE + h * MD + d] : 0);
}

static void multi_expect(const struct multi *m, struct heads *a)
{
	*a = (struct heads){.B = MB, .H = MH, .G = MH, .S = m->S, .T = m->T, .D = MD};
	for (int i = 0; i < MB * MH * MD; i++) {
		int b = i / MD / MH, h = i / MD % MH, d = i % MD;
		for (int s = 0; s < m->S; s++)
			a->q[((b * MH + h) * m->S + s) * MD + d] =
			    (double)m->q[(b * m->S + s) * WIDE + h * MD + d] +
			    (m->c->bias ? (double)m->bias[h * MD + d] : 0);
		for (int t = 0; t < m->T; t++) {
			int at = ((b * MH + h) * m->T + t) * MD + d;
			a->k[at] = kv_at(m, m->k, m->past_k, 1, b, h, t, d);
			a->v[at] = kv_at(m, m->v, m->past_v, 2, b, h, t, d);
		}
	}
	for (int i = 0; i < MB * MH * m->S * m->T; i++) {
		int t = i % m->T, s = i / m->T % m->S, b = i / m->T / m->S / MH;
		a->add[i] = m->c->add ? (double)m->add[i % (MH * m->S * m->T)] : 0;
		if (is_padding(m, b, s, t))
			a->add[i] += -10000;
	}
	if (m->c->causal)
		forbid_later(a, m->P);
	attend(a);
}

/* [MB][rows][MH][parts][MD] of parts [MB][rows][WIDE] each. */
static void interleave(int rows, int parts, const float *const *from, float *to)
{
	for (int i = 0; i < MB * rows * WIDE; i++)
		for (int p = 0; p < parts; p++)
			to[(i / MD * parts + p) * MD + i % MD] = from[p][i];
}

/* [MB][MH][ML][MD]. */
static void heads_first(const float *from, float *to)
{
	for (int i = 0; i < MB * ML * WIDE; i++) {
		int b = i / (ML * WIDE), r = i / WIDE % ML, h = i / MD % MH;
		to[((b * MH + h) * ML + r) * MD + i % MD] = from[i];
	}
}

static void multi_inputs(struct one_op *o, const struct multi *m)
{
	static float wide[3 * MB * ML * WIDE], other[MB * ML * WIDE];
	const float *all[] = {m->q, m->k, m->v};
	int64_t rows[] = {MB, m->S, WIDE}, keys[] = {MB, ML, WIDE};

	if (m->c->form == 'q') {
		interleave(ML, 3, all, wide);
		one_op_in(o, RT_F32, 5, (int64_t[]){MB, ML, MH, 3, MD}, wide);
		one_op_left_out(o);
		one_op_left_out(o);
		return;
	}
	one_op_in(o, RT_F32, 3, rows, m->q);
	if (m->c->form == 'k') {
		interleave(ML, 2, all + 1, wide);
		one_op_in(o, RT_F32, 5, (int64_t[]){MB, ML, MH, 2, MD}, wide);
		one_op_left_out(o);
	} else if (m->c->form == '4') {
		heads_first(m->k, wide);
		heads_first(m->v, other);
		one_op_in(o, RT_F32, 4, (int64_t[]){MB, MH, ML, MD}, wide);
		one_op_in(o, RT_F32, 4, (int64_t[]){MB, MH, ML, MD}, other);
	} else {
		one_op_in(o, RT_F32, 3, keys, m->k);
		one_op_in(o, RT_F32, 3, keys, m->v);
	}
}

static void multi_rest(struct one_op *o, const struct multi *m)
{
	if (m->c->mask)
		one_op_in(o, RT_I32, m->mask_rank, m->mask_dims, m->mask);
	else
		one_op_left_out(o);
}

static void multi_add(struct one_op *o, const struct multi *m)
{
	if (m->c->add)
		one_op_in(o, RT_F32, 4, (int64_t[]){1, MH, m->S, m->T}, m->add);
	else
		one_op_left_out(o);
}

static void multi_head(struct one_op *o, const struct multi *m)
{
	int64_t past[] = {MB, MH, MP, MD};

	multi_inputs(o, m);
	if (m->c->bias)
		one_op_const(o, RT_F32, 1, (int64_t[]){3 * WIDE}, m->bias);
	else
		one_op_left_out(o);
	multi_rest(o, m);
	multi_add(o, m);
	if (m->c->past) {
		one_op_in(o, RT_F32, 4, past, m->past_k);
		one_op_in(o, RT_F32, 4, past, m->past_v);
	}
	one_op_run(o, "MultiHeadAttention", 3);
}

/* input is Q | K | V side by side and the weights are the identity. */
static void projected(struct one_op *o, const struct multi *m)
{
	static float x[MB * ML * 3 * WIDE], w[9 * WIDE * WIDE], past[2 * MB * WIDE * MP];

	for (int i = 0; i < MB * ML * WIDE; i++) {
		float *to = x + i / WIDE * 3 * WIDE + i % WIDE;
		to[0] = m->q[i], to[WIDE] = m->k[i], to[2 * WIDE] = m->v[i];
	}
	for (int i = 0; i < 9 * WIDE * WIDE; i++)
		w[i] = i / (3 * WIDE) == i % (3 * WIDE);
	memcpy(past, m->past_k, sizeof(m->past_k));
	memcpy(past + MB * WIDE * MP, m->past_v, sizeof(m->past_v));
	one_op_in(o, RT_F32, 3, (int64_t[]){MB, ML, 3 * WIDE}, x);
	one_op_const(o, RT_F32, 2, (int64_t[]){3 * WIDE, 3 * WIDE}, w);
	if (m->c->bias)
		one_op_const(o, RT_F32, 1, (int64_t[]){3 * WIDE}, m->bias);
	else
		one_op_left_out(o);
	multi_rest(o, m);
	if (m->c->past)
		one_op_in(o, RT_F32, 5, (int64_t[]){2, MB, MH, MP, MD}, past);
	else
		one_op_left_out(o);
	multi_add(o, m);
	one_op_run(o, "Attention", 2);
}

START_TEST(multi_head_attention)
{
	static struct multi m;
	static struct heads a;
	static double both[2 * MOST];
	int n = MB * WIDE;
	struct one_op o;

	multi_fill(&m, &multi_cases[_i]);
	multi_expect(&m, &a);
	one_op_begin(&o, MS, 1);
	one_op_int(&o, "num_heads", MH);
	one_op_int(&o, "unidirectional", m.c->causal);
	if (m.c->form == 'a') {
		projected(&o, &m);
		memcpy(both, a.k, sizeof(*both) * (size_t)(n * m.T));
		memcpy(both + n * m.T, a.v, sizeof(*both) * (size_t)(n * m.T));
		one_op_near(&o, 1, both, 2 * n * m.T, 1e-6);
	} else {
		multi_head(&o, &m);
		one_op_shape(&o, 1, 4, MB, MH, m.T, MD);
		one_op_near(&o, 1, a.k, n * m.T, 1e-6);
		one_op_near(&o, 2, a.v, n * m.T, 1e-6);
	}
	one_op_shape(&o, 0, 3, MB, m.S, WIDE);
	one_op_near(&o, 0, a.y, n * m.S, 1e-5);
	one_op_end(&o);
}
END_TEST

START_TEST(attention_refusals)
{
	static float x[MB * ML * WIDE];
	int32_t mask[7] = {0};
	struct one_op o;

	one_op_begin(&o, MS, 1);
	one_op_int(&o, "num_heads", 5);
	one_op_in(&o, RT_F32, 3, (int64_t[]){MB, ML, WIDE}, x);
	one_op_in(&o, RT_F32, 3, (int64_t[]){MB, ML, WIDE}, x);
	one_op_in(&o, RT_F32, 3, (int64_t[]){MB, ML, WIDE}, x);
	one_op_refused(&o, "MultiHeadAttention", "with 5 heads");
	one_op_end(&o);
	one_op_begin(&o, MS, 1);
	one_op_int(&o, "num_heads", MH);
	for (int i = 0; i < 3; i++)
		one_op_in(&o, RT_F32, 3, (int64_t[]){MB, ML, WIDE}, x);
	one_op_left_out(&o);
	one_op_in(&o, RT_I32, 1, (int64_t[]){7}, mask);
	one_op_refused(&o, "MultiHeadAttention", "a mask of shape [7]");
	one_op_end(&o);
}
END_TEST

/* Dims of empty tensors may be anything: nothing is to be computed, or the sizes are refused. */
START_TEST(empty_attention)
{
	int64_t none[] = {(int64_t)1 << 40, 0, WIDE}, no_size[] = {1 << 20, 1 << 20, 0};
	float x[1] = {0};
	struct one_op o;

	one_op_begin(&o, MS, 1);
	one_op_int(&o, "num_heads", MH);
	for (int i = 0; i < 3; i++)
		one_op_in(&o, RT_F32, 3, none, x);
	one_op_run(&o, "MultiHeadAttention", 1);
	one_op_end(&o);
	one_op_begin(&o, MS, 1);
	one_op_int(&o, "num_heads", MH);
	for (int i = 0; i < 3; i++)
		one_op_in(&o, RT_F32, 3, no_size, x);
	one_op_refused(&o, "MultiHeadAttention", "heads without elements");
	one_op_end(&o);
	one_op_begin(&o, "", 27);
	one_op_in(&o, RT_F32, 3, (int64_t[]){(int64_t)1 << 40, 3, 0}, x);
	one_op_in(&o, RT_F32, 3, (int64_t[]){3, 1, 1}, (float[]){1, 2, 3});
	one_op_run(&o, "CausalConvWithState", 1);
	one_op_end(&o);
}
END_TEST

/* ---- GroupQueryAttention --------------------------------------------------------------------- */

enum { GB = 2, GH = 4, GG = 2, GD = 6, GP = 5, GMAX = 16 };

struct group_case {
	int rows, total; /* S, total_sequence_length */
	int32_t last[GB];
	bool rotary, interleaved, packed, add, ids, norm;
	int window;
	char sink; /* 0, 's'mooth, 'h'ead */
	float softcap;
};
static const struct group_case group_cases[] = {
    {4, 4, {3, 2}, false, false, false, false, false, false, -1, 0, 0},
    {4, 4, {3, 3}, true, false, true, false, false, false, -1, 0, 0},
    {1, 6, {5, 3}, true, true, false, false, false, false, -1, 0, 0},
    {2, 6, {5, 4}, true, false, false, true, true, false, 3, 0, 0},
    {1, 5, {4, 2}, false, false, true, false, false, true, -1, 'h', 0},
    {3, 7, {6, 6}, true, false, false, true, false, true, 2, 's', 2.0f},
};

struct group {
	const struct group_case *c;
	int S, T, present;
	float q[GB * 8 * GH * GD], k[GB * 8 * GG * GD], v[GB * 8 * GG * GD];
	float past_k[GB * GG * GP * GD], past_v[GB * GG * GP * GD];
	float cos[GMAX * GD / 2], sin[GMAX * GD / 2], sink[GH], q_norm[GD], k_norm[GD];
	float add[GB * 8 * 16];
	int64_t ids[GB * 8];
};

static int past_of(const struct group *g, int b)
{
	return g->S == g->T ? 0 : g->c->last[b] + 1 - g->S;
}

/* One new row: normalised, then turned. */
static void make_row(const struct group *g, const float *from, const float *norm, int at, double *x)
{
	double square = 0, y[GD];

	for (int d = 0; d < GD; d++)
		square += (double)from[d] * (double)from[d] / GD;
	for (int d = 0; d < GD; d++)
		x[d] = norm ? (double)from[d] / sqrt(square + 1e-6) * (double)norm[d]
			    : (double)from[d];
	for (int i = 0; g->c->rotary && i < GD / 2; i++) {
		int r = g->c->interleaved ? 2 * i : i, im = g->c->interleaved ? r + 1 : i + GD / 2;
		double c = (double)g->cos[at * GD / 2 + i], s = (double)g->sin[at * GD / 2 + i];
		y[r] = c * x[r] - s * x[im];
		y[im] = s * x[r] + c * x[im];
	}
	if (g->c->rotary)
		memcpy(x, y, sizeof(y));
}

/* The caches are [GB][GG][present][GD]; the keys that are seen are the first T of them. */
static void group_expect(const struct group *g, struct heads *a, double *keys, double *values)
{
	*a = (struct heads){.B = GB, .H = GH, .G = GG, .S = g->S, .T = g->T, .D = GD};
	a->softcap = (double)g->c->softcap;
	memset(keys, 0, sizeof(*keys) * (size_t)(GB * GG * g->present * GD));
	memset(values, 0, sizeof(*values) * (size_t)(GB * GG * g->present * GD));
	for (int i = 0; i < GB * GG; i++)
		for (int r = 0; r < g->present; r++)
			for (int d = 0; d < GD && r < GP && g->S != g->T; d++) {
				keys[(i * g->present + r) * GD + d] =
				    (double)g->past_k[(i * GP + r) * GD + d];
				values[(i * g->present + r) * GD + d] =
				    (double)g->past_v[(i * GP + r) * GD + d];
			}
	for (int i = 0; i < GB * g->S; i++) {
		int b = i / g->S, s = i % g->S, at = past_of(g, b) + s;
		int where = g->c->ids ? (int)g->ids[i] : at;
		double skip[GD];
		for (int h = 0; h < GH; h++)
			make_row(g, g->q + (i * GH + h) * GD, g->c->norm ? g->q_norm : NULL, where,
				 a->q + ((b * GH + h) * g->S + s) * GD);
		for (int h = 0; h < GG; h++) {
			double *to = keys + ((b * GG + h) * g->present + at) * GD;
			make_row(g, g->k + (i * GG + h) * GD, g->c->norm ? g->k_norm : NULL, where,
				 skip);
			memcpy(to, skip, sizeof(skip));
			for (int d = 0; d < GD; d++)
				values[((b * GG + h) * g->present + at) * GD + d] =
				    (double)g->v[(i * GG + h) * GD + d];
		}
	}
	for (int i = 0; i < GB * GG; i++)
		for (int t = 0; t < g->T * GD; t++) {
			a->k[i * g->T * GD + t] = keys[i * g->present * GD + t];
			a->v[i * g->T * GD + t] = values[i * g->present * GD + t];
		}
	for (int i = 0; i < GB * GH * g->S * g->T; i++) {
		int t = i % g->T, s = i / g->T % g->S, b = i / g->T / g->S / GH;
		int at = past_of(g, b) + s;
		double *add = add_at(a, b, i / g->T / g->S % GH, s, t);
		*add = g->c->add ? (double)g->add[(b * g->S + s) * g->T + t] : 0;
		if (t > at || (g->c->window > 0 && t <= at - g->c->window))
			*add = -INFINITY;
	}
	a->sink = g->c->sink ? g->sink : NULL;
	attend(a);
}

static void group_fill(struct group *g, const struct group_case *c)
{
	*g = (struct group){.c = c, .S = c->rows, .T = c->total};
	g->present = g->S != g->T && GP > g->T ? GP : g->T;
	fill(g->q, GB * g->S * GH * GD);
	fill(g->k, GB * g->S * GG * GD);
	fill(g->v, GB * g->S * GG * GD);
	fill(g->past_k, GB * GG * GP * GD);
	fill(g->past_v, GB * GG * GP * GD);
	fill(g->cos, GMAX * GD / 2);
	fill(g->sin, GMAX * GD / 2);
	fill(g->q_norm, GD);
	fill(g->k_norm, GD);
	fill(g->add, GB * g->S * g->T);
	if (c->sink == 'h')
		fill(g->sink, GH);
	for (int i = 0; i < GB * g->S; i++)
		g->ids[i] = one_op_random_int(GMAX);
}

static void group_query(struct one_op *o, const struct group *g)
{
	static float rows[GB * 8 * (GH + 2 * GG) * GD];
	enum { QW = GH * GD, KW = GG * GD, ALL = QW + 2 * KW };

	if (!g->c->packed) {
		one_op_in(o, RT_F32, 3, (int64_t[]){GB, g->S, QW}, g->q);
		one_op_in(o, RT_F32, 3, (int64_t[]){GB, g->S, KW}, g->k);
		one_op_in(o, RT_F32, 3, (int64_t[]){GB, g->S, KW}, g->v);
		return;
	}
	for (int i = 0; i < GB * g->S; i++) {
		memcpy(rows + i * ALL, g->q + i * QW, sizeof(*rows) * QW);
		memcpy(rows + i * ALL + QW, g->k + i * KW, sizeof(*rows) * KW);
		memcpy(rows + i * ALL + QW + KW, g->v + i * KW, sizeof(*rows) * KW);
	}
	one_op_in(o, RT_F32, 3, (int64_t[]){GB, g->S, ALL}, rows);
	one_op_left_out(o);
	one_op_left_out(o);
}

/* The input, or nothing in its place. */
static void maybe(struct one_op *o, bool given, enum rt_dtype t, int rank, const int64_t *dims,
		  const void *data)
{
	if (given)
		one_op_in(o, t, rank, dims, data);
	else
		one_op_left_out(o);
}

static void group_inputs(struct one_op *o, const struct group *g)
{
	const struct group_case *c = g->c;
	int64_t past[] = {GB, GG, GP, GD}, cache[] = {GMAX, GD / 2};
	int32_t total = c->total;

	group_query(o, g);
	maybe(o, g->S != g->T, RT_F32, 4, past, g->past_k);
	maybe(o, g->S != g->T, RT_F32, 4, past, g->past_v);
	one_op_in(o, RT_I32, 1, (int64_t[]){GB}, c->last);
	one_op_in(o, RT_I32, 0, NULL, &total);
	maybe(o, c->rotary, RT_F32, 2, cache, g->cos);
	maybe(o, c->rotary, RT_F32, 2, cache, g->sin);
	maybe(o, c->ids, RT_I64, 2, (int64_t[]){GB, g->S}, g->ids);
	maybe(o, c->add, RT_F32, 4, (int64_t[]){GB, 1, g->S, g->T}, g->add);
	maybe(o, c->sink == 'h', RT_F32, 1, (int64_t[]){GH}, g->sink);
	one_op_left_out(o);
	one_op_left_out(o);
	maybe(o, c->norm, RT_F32, 1, (int64_t[]){GD}, g->q_norm);
	maybe(o, c->norm, RT_F32, 1, (int64_t[]){GD}, g->k_norm);
}

START_TEST(group_query_attention)
{
	static struct group g;
	static struct heads a;
	static double keys[MOST], values[MOST];
	const struct group_case *c = &group_cases[_i];
	struct one_op o;

	group_fill(&g, c);
	group_expect(&g, &a, keys, values);
	one_op_begin(&o, MS, 1);
	one_op_int(&o, "num_heads", GH);
	one_op_int(&o, "kv_num_heads", GG);
	one_op_int(&o, "do_rotary", c->rotary);
	one_op_int(&o, "rotary_interleaved", c->interleaved);
	one_op_int(&o, "local_window_size", c->window);
	one_op_int(&o, "smooth_softmax", c->sink == 's');
	one_op_float(&o, "softcap", c->softcap);
	group_inputs(&o, &g);
	one_op_run(&o, "GroupQueryAttention", 3);
	one_op_shape(&o, 0, 3, GB, g.S, GH * GD);
	one_op_shape(&o, 1, 4, GB, GG, g.present, GD);
	one_op_near(&o, 0, a.y, GB * g.S * GH * GD, 1e-5);
	one_op_near(&o, 1, keys, GB * GG * g.present * GD, 1e-5);
	one_op_near(&o, 2, values, GB * GG * g.present * GD, 1e-6);
	one_op_end(&o);
}
END_TEST

START_TEST(group_query_bad_lengths)
{
	static struct group g;
	struct group_case c = group_cases[2];
	struct one_op o;

	c.last[1] = 9; /* more than the total */
	group_fill(&g, &c);
	one_op_begin(&o, MS, 1);
	one_op_int(&o, "num_heads", GH);
	one_op_int(&o, "kv_num_heads", GG);
	group_inputs(&o, &g);
	one_op_refused(&o, "GroupQueryAttention", "seqlens_k[1] is 9");
	one_op_end(&o);
}
END_TEST

/* ---- rotary ---------------------------------------------------------------------------------- */

/* Bit 0: rank 4; 1: interleaved; 2: one position, that of the first row; 3: 4 of 6 elements. */
START_TEST(rotary_embedding)
{
	enum { B = 2, H = 3, S = 4, D = 6, N = B * H * S * D };
	bool wide = _i & 1, pairs = _i & 2, offset = _i & 4;
	int rot = _i & 8 ? 4 : D, half = rot / 2;
	float x[N], cos[10 * D / 2], sin[10 * D / 2];
	int64_t ids[B * S];
	double want[N];
	struct one_op o;

	fill(x, N), fill(cos, 10 * half), fill(sin, 10 * half);
	for (int i = 0; i < B * S; i++)
		ids[i] = one_op_random_int(10);
	if (offset)
		ids[0] = 5;
	for (int i = 0; i < N; i++) {
		int d = i % D, b = i / (H * S * D), s = wide ? i / D % S : i / (H * D) % S;
		int at = (int)(offset ? ids[0] + s : ids[b * S + s]), k = pairs ? d / 2 : d % half;
		bool first = pairs ? d % 2 == 0 : d < half;
		int other = i + (first ? 1 : -1) * (pairs ? 1 : half);
		want[i] = (double)x[i];
		if (d < rot)
			want[i] = (double)cos[at * half + k] * (double)x[i] +
				  (first ? -1 : 1) * (double)sin[at * half + k] * (double)x[other];
	}
	one_op_begin(&o, MS, 1);
	one_op_int(&o, "interleaved", pairs);
	if (rot < D) {
		one_op_int(&o, "rotary_embedding_dim", rot);
		one_op_int(&o, "num_heads", H);
	}
	if (wide)
		one_op_in(&o, RT_F32, 4, (int64_t[]){B, H, S, D}, x);
	else
		one_op_in(&o, RT_F32, 3, (int64_t[]){B, S, H * D}, x);
	if (offset)
		one_op_in(&o, RT_I64, 1, (int64_t[]){1}, ids);
	else
		one_op_in(&o, RT_I64, 2, (int64_t[]){B, S}, ids);
	one_op_in(&o, RT_F32, 2, (int64_t[]){10, half}, cos);
	one_op_in(&o, RT_F32, 2, (int64_t[]){10, half}, sin);
	one_op_run(&o, "RotaryEmbedding", 1);
	one_op_near(&o, 0, want, N, 1e-6);
	one_op_end(&o);
}
END_TEST

/* ai.onnx: caches per row, no positions. */
START_TEST(rotary_embedding_without_positions)
{
	float x[2 * 4] = {1, 2, 3, 4, 5, 6, 7, 8}, cos[4] = {1, 0, 0.5f, 2}, sin[4] = {0, 1, 1, -1};
	double want[8] = {1, -4, 3, 2, 5 * 0.5 - 7, 6 * 2 + 8, 5 + 7 * 0.5, -6 + 8 * 2};
	struct one_op o;

	one_op_begin(&o, "", 23);
	one_op_in(&o, RT_F32, 4, (int64_t[]){1, 1, 2, 4}, x);
	one_op_in(&o, RT_F32, 3, (int64_t[]){1, 2, 2}, cos);
	one_op_in(&o, RT_F32, 3, (int64_t[]){1, 2, 2}, sin);
	one_op_run(&o, "RotaryEmbedding", 1);
	one_op_near(&o, 0, want, 8, 1e-6);
	one_op_end(&o);
}
END_TEST

/* ---- linear attention, causal convolution ---------------------------------------------------- */

static const char *const rules[] = {"linear", "gated", "delta", "gated_delta"};

/* Loops 4 … 7: decay per row of the state, one beta for all heads. */
START_TEST(linear_attention)
{
	enum { B = 2, T = 3, Hq = 4, H = 2, K = 3, V = 5, DECAYS = B * T * H * K };
	bool gated = _i & 1, delta = _i & 2, fine = _i & 4;
	float q[B * T * Hq * K], k[B * T * H * K], v[B * T * H * V], past[B * H * K * V];
	float decay[DECAYS], beta[B * T * H];
	double s[B * H * K * V], y[B * T * Hq * V];
	struct one_op o;

	fill(q, B * T * Hq * K), fill(k, B * T * H * K), fill(v, B * T * H * V);
	fill(past, B * H * K * V), fill(decay, DECAYS), fill(beta, B * T * H);
	for (int i = 0; i < B * H * K * V; i++)
		s[i] = (double)past[i];
	for (int i = 0; i < B * H * T; i++) {
		int t = i % T, h = i / T % H, b = i / T / H, at = (b * T + t) * H + h;
		double *state = s + (b * H + h) * K * V, d[V];
		double by = (double)beta[fine ? b * T + t : at];
		for (int c = 0; c < K * V && gated; c++)
			state[c] *= exp((double)decay[fine ? at * K + c / V : at]);
		for (int c = 0; c < V; c++) {
			d[c] = (double)v[at * V + c];
			for (int r = 0; r < K && delta; r++)
				d[c] -= state[r * V + c] * (double)k[at * K + r];
			d[c] *= delta ? by : 1;
		}
		for (int c = 0; c < K * V; c++)
			state[c] += (double)k[at * K + c / V] * d[c % V];
		for (int c = 0; c < 2 * V; c++) { /* two query heads */
			int hq = (b * T + t) * Hq + h * 2 + c / V;
			y[hq * V + c % V] = 0;
			for (int r = 0; r < K; r++)
				y[hq * V + c % V] +=
				    state[r * V + c % V] * (double)q[hq * K + r] / sqrt(K);
		}
	}
	one_op_begin(&o, "", 27);
	one_op_int(&o, "q_num_heads", Hq);
	one_op_int(&o, "kv_num_heads", H);
	one_op_string(&o, "update_rule", rules[_i & 3]);
	one_op_in(&o, RT_F32, 3, (int64_t[]){B, T, Hq * K}, q);
	one_op_in(&o, RT_F32, 3, (int64_t[]){B, T, H * K}, k);
	one_op_in(&o, RT_F32, 3, (int64_t[]){B, T, H * V}, v);
	one_op_in(&o, RT_F32, 4, (int64_t[]){B, H, K, V}, past);
	maybe(&o, gated, RT_F32, 3, (int64_t[]){B, T, fine ? H * K : H}, decay);
	maybe(&o, delta, RT_F32, 3, (int64_t[]){B, T, fine ? 1 : H}, beta);
	one_op_run(&o, "LinearAttention", 2);
	one_op_near(&o, 0, y, B * T * Hq * V, 1e-5);
	one_op_near(&o, 1, s, B * H * K * V, 1e-5);
	one_op_end(&o);
}
END_TEST

/* Bit 0: past and bias; 1: SiLU; 2: fewer elements than the kernel is long. */
START_TEST(causal_conv)
{
	enum { B = 2, C = 3, K = 4 };
	bool given = _i & 1, silu = _i & 2;
	int L = _i & 4 ? 2 : 7;
	float x[B * C * 7], w[C * K], bias[C], past[B * C * (K - 1)];
	double y[B * C * 7], kept[B * C * (K - 1)];
	struct one_op o;

	fill(x, B * C * L), fill(w, C * K), fill(bias, C), fill(past, B * C * (K - 1));
	for (int i = 0; i < B * C; i++) {
		double all[7 + K - 1] = {0};
		for (int t = 0; t < L + K - 1; t++)
			all[t] = t >= K - 1 ? (double)x[i * L + t - (K - 1)]
				 : given    ? (double)past[i * (K - 1) + t]
					    : 0;
		for (int t = 0; t < L; t++) {
			double sum = given ? (double)bias[i % C] : 0;
			for (int k = 0; k < K; k++)
				sum += (double)w[i % C * K + k] * all[t + k];
			y[i * L + t] = silu ? sum / (1 + exp(-sum)) : sum;
		}
		for (int t = 0; t < K - 1; t++)
			kept[i * (K - 1) + t] = all[L + t];
	}
	one_op_begin(&o, "", 27);
	if (silu)
		one_op_string(&o, "activation", "silu");
	one_op_in(&o, RT_F32, 3, (int64_t[]){B, C, L}, x);
	one_op_const(&o, RT_F32, 3, (int64_t[]){C, 1, K}, w);
	if (given) {
		one_op_const(&o, RT_F32, 1, (int64_t[]){C}, bias);
		one_op_in(&o, RT_F32, 3, (int64_t[]){B, C, K - 1}, past);
	}
	one_op_run(&o, "CausalConvWithState", 2);
	one_op_near(&o, 0, y, B * C * L, 1e-6);
	one_op_near(&o, 1, kept, B * C * (K - 1), 0);
	one_op_end(&o);
}
END_TEST

#define COUNT(cases) (int)(sizeof(cases) / sizeof(*(cases)))

Suite *check_runtime_ops_ms_attention(void)
{
	Suite *s = suite_create("runtime/ops/ms_attention");
	TCase *t = tcase_create("all");

	tcase_add_loop_test(t, multi_head_attention, 0, COUNT(multi_cases));
	tcase_add_test(t, attention_refusals);
	tcase_add_test(t, empty_attention);
	tcase_add_loop_test(t, group_query_attention, 0, COUNT(group_cases));
	tcase_add_test(t, group_query_bad_lengths);
	tcase_add_loop_test(t, rotary_embedding, 0, 16);
	tcase_add_test(t, rotary_embedding_without_positions);
	tcase_add_loop_test(t, linear_attention, 0, 8);
	tcase_add_loop_test(t, causal_conv, 0, 8);
	suite_add_tcase(s, t);
	return s;
}
