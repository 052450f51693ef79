/* SPDX-License-Identifier: MIT */
/*
 * Functions in pieces, products with one-hot vectors and attention (runtime/pass_fuse_gelu.c,
 * pass_fuse_one_hot.c, pass_fuse_attention.c, ops/one_hot_matmul.c, ops/attention_heads.c):
 * that they become one node, what does not, and what comes out, against the definition in
 * double.
 */
#include <config.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/kernels/kernels.h"
#include "runtime/onnx.h"
#include "tests/runtime/opened.h"
#include "tests/runtime/suites.h"

/* Nodes written as "Op in … > out; …". */
static void nodes(struct pbuild *m, const char *text)
{
	char copy[512], *save = NULL;
	const size_t size = strlen(text) + 1;
	ck_assert(size <= sizeof copy);
	memcpy(copy, text, size);
	for (char *s = strtok_r(copy, ";", &save); s; s = strtok_r(NULL, ";", &save)) {
		char op[32], in[64] = "", out[16];
		char *arrow = strstr(s, " > ");
		ck_assert(arrow && sscanf(s, " %31s %63[^>]", op, in) == 2 &&
			  sscanf(arrow, " > %15s", out) == 1);
		in[strlen(in) - 1] = 0;
		pbuild_node(m, op, in, out, NULL);
	}
}

/* Whether there is a node ${op} in the model once it is fused, and then none ${instead}. */
static bool fused(struct pbuild *m, const char *op, const char *instead)
{
	static const struct rt_onnx_opts opts = {.memory_budget = 64 << 20};
	struct rt_graph *g;
	int n[2] = {0, 0};
	ck_assert_int_eq(rt_onnx_read_model(pbuild_finish(m), &opts, &g, &opened_err), RT_OK);
	g->kernels = rt_kernels_select(RT_CPU_SCALAR);
	ck_assert_msg(rt_graph_resolve(g, &opened_err) == RT_OK, "%s", opened_err.text);
	ck_assert_msg(rt_pass_fuse(g, &opened_err) == RT_OK, "%s", opened_err.text);
	for (int i = 0; i < g->node_count; i++) {
		n[0] += strcmp(g->nodes[i].op_type, op) == 0;
		n[1] += strcmp(g->nodes[i].op_type, instead) == 0;
	}
	rt_graph_free(g);
	pbuild_free(m);
	ck_assert_int_eq(n[0] + n[1], 1);
	return n[0] == 1;
}

static void number(struct pbuild *m, const char *name, int rank, float value)
{
	static const int64_t ones[] = {1, 1, 1};
	pbuild_init_f32(m, name, rank, ones, &value);
}

/* ---- Gelu ------------------------------------------------------------------------------------ */

static const struct {
	bool gelu;
	const char *nodes;
} forms[] = {
    /* as jax, PyTorch and others write it */
    {true, "Mul a x > b; Mul x b > c; Mul x c > d; Add x d > e; Mul r e > f; Tanh f > t; "
	   "Add one t > g; Mul half g > h; Mul x h > y"},
    {true, "Pow x three > b; Mul b a > c; Add x c > d; Mul d r > e; Tanh e > t; Add t one > f; "
	   "Mul x half > g; Mul g f > y"},
    {true, "Mul x x > b; Mul b a > c; Add c one > d; Mul d x > e; Mul e r > f; Tanh f > t; "
	   "Add t one > g; Mul g x > h; Mul h half > y"},
    {true, "Pow x two > b; Mul b x > c; Mul c a > d; Add x d > e; Mul e r > f; Tanh f > t; "
	   "Mul t half > g; Add g half > h; Mul x h > y"},
    {true, "Pow x three > b; Mul b a > c; Add x c > d; Mul d r > e; Tanh e > t; Add t one > f; "
	   "Mul x f > g; Div g two > y"},
    /* something of it is also read elsewhere, or is not quite it */
    {false, "Pow x three > b; Mul b a > c; Add x c > d; Mul d r > e; Tanh e > t; Add t one > f; "
	    "Mul x half > g; Mul g f > p; Add p t > y"},
    {false, "Pow x three > b; Mul b r > c; Add x c > d; Mul d r > e; Tanh e > t; Add t one > f; "
	    "Mul x half > g; Mul g f > y"},
    {false, "Pow x three > b; Mul b a > c; Add x c > d; Mul d r > e; Tanh e > t; Add t half > f; "
	    "Mul x half > g; Mul g f > y"},
    {false, "Pow x three > b; Mul b a > c; Add x c > d; Mul d r > e; Tanh e > t; Add t one > f; "
	    "Mul z half > g; Mul g f > y"},
    {false, "Pow x three > b; Mul b a > c; Add x c > d; Mul d r > e; Tanh e > t; Add t one > f; "
	    "Mul x f > y"},
    {false, "Pow x x > b; Mul b a > c; Add x c > d; Mul d r > e; Tanh e > t; Add t one > f; "
	    "Mul x half > g; Mul g f > y"},
    {false, "Mul x x > b; Mul b b > c; Mul c a > c2; Add x c2 > d; Mul d r > e; Tanh e > t; "
	    "Add t one > f; Mul x half > g; Mul g f > y"},
    {false, "Pow x three > b; Mul b a > c; Add x c > d; Mul d r > e; Tanh e > t; Add t high > f; "
	    "Mul x half > g; Mul g f > y"},
};

static double gelu(double x)
{
	return x / 2 * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
}

static void gelu_model(struct pbuild *m, const char *text)
{
	static const int64_t dims[] = {3, 17};
	pbuild_model(m, 13);
	pbuild_input(m, "x", 1, 2, dims);
	pbuild_input(m, "z", 1, 2, dims);
	number(m, "a", 0, 0.044715f);
	number(m, "r", 1, 0.7978845608f);
	number(m, "one", 1, 1);
	number(m, "high", 3, 1); /* gives what it is added to a dimension */
	number(m, "half", 0, 0.5f);
	number(m, "two", 0, 2);
	number(m, "three", 0, 3);
	nodes(m, text);
	pbuild_output(m, "y", 1);
}

START_TEST(gelu_by_tanh)
{
	struct pbuild m = {0};
	gelu_model(&m, forms[_i].nodes);
	ck_assert_msg(fused(&m, "Gelu", "Tanh") == forms[_i].gelu, "%s", forms[_i].nodes);
	for (int level = 0; forms[_i].gelu && level < 2; level++) {
		const struct rt_model_opts opts = {.cpu_level =
						       level ? rt_cpu_best() : RT_CPU_SCALAR};
		struct opened o = {.model = NULL};
		const int64_t dims[] = {3, 17};
		float x[51];
		struct rt_tensor in[2] = {opened_f32(x, 2, dims), opened_f32(x, 2, dims)}, y;
		for (int i = 0; i < 51; i++)
			x[i] = (float)(i - 25) / 5;
		gelu_model(&o.m, forms[_i].nodes);
		opened_open(&o, &opts);
		opened_run(&o, in, &y);
		for (int i = 0; i < 51; i++)
			ck_assert_double_eq_tol(((float *)y.data)[i], gelu(x[i]), 1e-6);
		opened_close(&o);
	}
}
END_TEST

/* ---- one-hot products ------------------------------------------------------------------------ */

enum { ROWS = 7, COLUMNS = 37, FIRST = -2 };

struct one_hot {
	int rank; /* of x */
	int64_t dims[3];
	int keys_rank, bias_rank; /* 0: no bias */
	bool relu, swapped;
};

static const struct one_hot products[] = {
    {3, {2, 5, 1}, 3, 3, true, false}, {3, {2, 5, 1}, 1, 0, false, true},
    {2, {90, 1}, 2, 1, true, true},    {1, {1}, 3, 2, false, false},
    {0, {0}, 2, 0, true, false},       {3, {2, 3, ROWS}, 3, 1, true, false},
    {1, {ROWS}, 1, 1, false, true},    {1, {ROWS}, 2, 3, true, false},
    {2, {0, 1}, 2, 1, false, false},
};

static float w[ROWS][COLUMNS], bias[COLUMNS];

static void one_hot_model(struct pbuild *m, const struct one_hot *p, int64_t step)
{
	int64_t keys[ROWS], dims[3] = {1, 1, 1}, w_dims[] = {ROWS, COLUMNS};
	struct pbuild to = {0};
	const char *last = "p";
	for (int i = 0; i < ROWS; i++)
		keys[i] = FIRST + i * step;
	for (int i = 0; i < ROWS * COLUMNS; i++)
		w[i / COLUMNS][i % COLUMNS] = (float)((i * 37 + 11) % 101 - 50) / 16;
	for (int i = 0; i < COLUMNS; i++)
		bias[i] = (float)(i % 9 - 4) / 8;
	pbuild_model(m, 13);
	pbuild_input(m, "x", 7, p->rank, p->dims);
	dims[p->keys_rank - 1] = ROWS;
	pbuild_init_i64(m, "keys", p->keys_rank, dims, keys);
	pbuild_init_f32(m, "w", 2, w_dims, w[0]);
	pbuild_node(m, "Equal", p->swapped ? "keys x" : "x keys", "e", NULL);
	pbuild_attr_int(&to, "to", 1);
	pbuild_node(m, "Cast", "e", "h", &to);
	pbuild_node(m, "MatMul", "h w", "p", NULL);
	if (p->bias_rank > 0) {
		int64_t of[3] = {1, 1, 1};
		of[p->bias_rank - 1] = COLUMNS;
		pbuild_init_f32(m, "b", p->bias_rank, of, bias);
		pbuild_node(m, "Add", p->swapped ? "b p" : "p b", "s", NULL);
		last = "s";
	}
	if (p->relu) {
		pbuild_node(m, "Relu", last, "r", NULL);
		last = "r";
	}
	pbuild_node(m, "Identity", last, "y", NULL);
	pbuild_output(m, "y", 1);
}

/* Row ${row} of what comes out, from the definition. */
static void expect_row(const struct one_hot *p, const int64_t *x, int64_t last, const float *y)
{
	for (int c = 0; c < COLUMNS; c++) {
		double want = p->bias_rank > 0 ? (double)bias[c] : 0;
		for (int k = 0; k < ROWS; k++)
			if (x[last == 1 ? 0 : k] == FIRST + k)
				want += (double)w[k][c];
		if (p->relu && want < 0)
			want = 0;
		ck_assert_double_eq_tol(y[c], want, 1e-6);
	}
}

START_TEST(one_hot_products)
{
	const struct one_hot *p = &products[_i];
	struct pbuild m = {0};
	int64_t x[100], last = p->rank > 0 ? p->dims[p->rank - 1] : 1, rows = 1;
	int rank = p->rank > p->keys_rank ? p->rank : p->keys_rank;
	if (rank < p->bias_rank)
		rank = p->bias_rank;
	for (int d = 0; d < p->rank - 1; d++)
		rows *= p->dims[d];
	for (int i = 0; i < 100; i++)
		x[i] = i == 50 ? INT64_MAX : i == 51 ? INT64_MIN : (i * 5) % 12 + FIRST - 2;
	if (last == ROWS)
		for (int i = 0; i < 100; i++)
			x[i] = i % 3 ? FIRST + i % ROWS : 100;
	one_hot_model(&m, p, 1);
	ck_assert(fused(&m, "OneHotMatMul", "Equal"));
	for (int how = 0; how < 3; how++) {
		const struct rt_model_opts opts = {.cpu_level = how ? rt_cpu_best() : RT_CPU_SCALAR,
						   .no_optimise = how == 2};
		struct opened o = {.model = NULL};
		struct rt_tensor in = opened_i64(x, p->rank, p->dims), y;
		one_hot_model(&o.m, p, 1);
		opened_open(&o, &opts);
		opened_run(&o, &in, &y);
		ck_assert_int_eq(y.shape.rank, rank);
		ck_assert_int_eq(rt_tensor_elems(&y), rows * COLUMNS);
		for (int64_t i = 0; i < rows; i++)
			expect_row(p, x + i * last, last, (float *)y.data + i * COLUMNS);
		opened_close(&o);
	}
}
END_TEST

START_TEST(one_hot_refuses_other_shapes)
{
	static const struct one_hot any = {2, {-1, -1}, 2, 1, false, false};
	const struct rt_model_opts opts = {.cpu_level = RT_CPU_SCALAR};
	struct opened o = {.model = NULL};
	int64_t x[6] = {0}, dims[] = {3, 2};
	struct rt_tensor in = opened_i64(x, 2, dims);
	one_hot_model(&o.m, &any, 1);
	opened_open(&o, &opts);
	opened_refuses(&o, &in, RT_INPUT, "7 keys");
	opened_close(&o);
}
END_TEST

/* Keys with gaps; a weight that is not finite. */
START_TEST(one_hot_leaves_others)
{
	struct pbuild m = {0}, to = {0};
	int64_t keys[] = {0, 1}, two[] = {1, 2}, w_dims[] = {2, 2};
	float odd[] = {1, 2, INFINITY, 4};
	one_hot_model(&m, &products[0], 2);
	ck_assert(!fused(&m, "OneHotMatMul", "Equal"));
	for (int i = 0; i < 2; i++) {
		m = to = (struct pbuild){0};
		pbuild_model(&m, 13);
		pbuild_input(&m, "x", 7, 2, products[2].dims);
		pbuild_init_i64(&m, "keys", 2, two, keys);
		pbuild_init_f32(&m, "w", 2, w_dims, odd);
		pbuild_node(&m, "Equal", "x keys", "e", NULL);
		pbuild_attr_int(&to, "to", 1);
		pbuild_node(&m, "Cast", "e", "h", &to);
		pbuild_node(&m, "MatMul", "h w", "y", NULL);
		pbuild_output(&m, "y", 1);
		ck_assert(fused(&m, "OneHotMatMul", "Equal") == (i == 1));
		odd[2] = 3;
	}
}
END_TEST

/* ---- biases ---------------------------------------------------------------------------------- */

static void bias_model(struct pbuild *m)
{
	const int64_t dims[] = {4}, w_dims[] = {4, 3}, b_dims[] = {1, 1, 3};
	const float weights[12] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1}, b[] = {10, 20, 30};
	pbuild_model(m, 13);
	pbuild_input(m, "x", 1, 1, dims);
	pbuild_init_f32(m, "w", 2, w_dims, weights);
	pbuild_init_f32(m, "b", 3, b_dims, b);
	nodes(m, "MatMul x w > p; Add p b > y");
	pbuild_output(m, "y", 1);
}

/* A bias of more dimensions than the product has gives it those. */
START_TEST(bias_of_more_dimensions)
{
	const struct rt_model_opts opts = {.cpu_level = RT_CPU_SCALAR, .no_optimise = _i == 1};
	const int64_t dims[] = {4};
	float x[] = {1, 2, 3, 4};
	struct opened o = {.model = NULL};
	struct rt_tensor in = opened_f32(x, 1, dims), y;
	struct pbuild m = {0};
	bias_model(&m);
	ck_assert(fused(&m, "MatMul", "Add"));
	bias_model(&o.m);
	opened_open(&o, &opts);
	opened_run(&o, &in, &y);
	ck_assert_int_eq(y.shape.rank, 3);
	ck_assert_int_eq(y.shape.dims[0] * y.shape.dims[1], 1);
	ck_assert_int_eq(y.shape.dims[2], 3);
	for (int i = 0; i < 3; i++)
		ck_assert(((float *)y.data)[i] == x[i] + 4 + (float)(10 * i + 10));
	opened_close(&o);
}
END_TEST

/* ---- attention ------------------------------------------------------------------------------- */

/* Dims as of [batch][row][head][size]; those of the mask are [batch][head][row][column]. */
struct heads {
	int64_t q[4], k[4], v[4], mask[4];
	int mask_rank; /* 0: none; its last so many dims are given */
	float by;      /* scores are divided by it; 0: not at all */
	bool two_steps, mask_first, turned;
};

static const struct heads attentions[] = {
    {{1, 7, 3, 8}, {1, 9, 3, 8}, {1, 9, 3, 5}, {0}, 0, 2.5f, false, false, true},
    {{2, 70, 2, 32}, {2, 600, 2, 32}, {2, 600, 2, 32}, {0}, 0, -3, false, false, true},
    {{2, 5, 4, 6}, {2, 5, 4, 6}, {2, 5, 4, 6}, {2, 1, 1, 5}, 4, 2, true, false, false},
    {{2, 5, 4, 6}, {2, 3, 4, 6}, {2, 3, 4, 6}, {1, 4, 5, 3}, 3, 0, false, true, true},
    {{1, 5, 4, 6}, {2, 3, 1, 6}, {1, 3, 1, 7}, {1, 1, 1, 3}, 1, 1, false, false, true},
    {{1, 1, 1, 6}, {1, 3, 4, 6}, {3, 3, 1, 7}, {3, 1, 6, 1}, 4, 1, false, false, true},
    {{2, 4, 2, 3}, {1, 1, 2, 3}, {1, 8, 2, 3}, {1, 1, 1, 8}, 2, 1, false, true, true},
};

static float heads_data[4][80000];

static int64_t elems_of(const int64_t d[4])
{
	return d[0] * d[1] * d[2] * d[3];
}

static void turn(struct pbuild *m, const char *in, const char *out, int64_t a, int64_t b, int64_t c,
		 int64_t d)
{
	struct pbuild perm = {0};
	pbuild_attr_ints(&perm, "perm", 4, (int64_t[]){a, b, c, d});
	pbuild_node(m, "Transpose", in, out, &perm);
}

static void heads_model(struct pbuild *m, const struct heads *h)
{
	struct pbuild axis = {0};
	const char *x = "s";
	pbuild_model(m, 13);
	pbuild_input(m, "q", 1, 4, h->q);
	pbuild_input(m, "k", 1, 4, h->k);
	pbuild_input(m, "v", 1, 4, h->v);
	if (h->mask_rank > 0)
		pbuild_input(m, "mask", 1, h->mask_rank, h->mask + 4 - h->mask_rank);
	turn(m, "q", "qt", 0, 2, 1, 3);
	turn(m, "v", "vt", 0, 2, 1, 3);
	if (h->two_steps) {
		turn(m, "k", "k2", 0, 2, 1, 3);
		turn(m, "k2", "kt", 0, 1, 3, 2);
	} else {
		turn(m, "k", "kt", 0, 2, 3, 1);
	}
	nodes(m, "MatMul qt kt > s");
	if (h->by < 0 || h->by > 0) {
		number(m, "by", 0, h->by);
		nodes(m, "Div s by > d");
		x = "d";
	}
	if (h->mask_rank > 0) {
		char in[16];
		snprintf(in, sizeof in, h->mask_first ? "mask %s" : "%s mask", x);
		pbuild_node(m, "Add", in, "a", NULL);
		x = "a";
	}
	pbuild_attr_int(&axis, "axis", h->turned ? -1 : 3);
	pbuild_node(m, "Softmax", x, "p", &axis);
	nodes(m, "MatMul p vt > yt");
	if (h->turned)
		turn(m, "yt", "y", 0, 2, 1, 3);
	else
		pbuild_node(m, "Relu", "yt", "y", NULL);
	pbuild_output(m, "y", 1);
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Where [b][r][h][0] of a tensor is whose dims of 1 are the same for all. */
static const float *row_at(int which, const int64_t d[4], int64_t b, int64_t r, int64_t h)
{
	b = d[0] == 1 ? 0 : b, r = d[1] == 1 ? 0 : r, h = d[2] == 1 ? 0 : h;
	return heads_data[which] + ((b * d[1] + r) * d[2] + h) * d[3];
}

/* Scores of one row, and the largest. */
static double scores_of(const struct heads *a, int64_t b, int64_t h, int64_t s, int64_t cols,
			double *x)
{
	const int64_t none[4] = {1, 1, 1, 1}, *m = a->mask_rank > 0 ? a->mask : none;
	double max = -INFINITY;
	for (int64_t t = 0; t < cols; t++) {
		const float *q = row_at(0, a->q, b, s, h), *k = row_at(1, a->k, b, t, h);
		x[t] = 0;
		for (int64_t i = 0; i < a->q[3]; i++)
			x[t] += (double)q[i] * (double)k[i];
		if (a->by < 0 || a->by > 0)
			x[t] /= (double)a->by;
		if (a->mask_rank > 0)
			x[t] += (double)row_at(3, m, b, h, s)[m[3] == 1 ? 0 : t];
		max = fmax(max, x[t]);
	}
	return max;
}

static void expect_attention(const struct heads *a, const struct rt_tensor *y)
{
	const bool masked = a->mask_rank > 0;
	const int64_t B = most(most(a->q[0], a->k[0]), most(a->v[0], masked ? a->mask[0] : 1)),
		      H = most(most(a->q[2], a->k[2]), most(a->v[2], masked ? a->mask[1] : 1)),
		      S = most(a->q[1], masked ? a->mask[2] : 1), T = a->v[1], E = a->v[3];
	static double x[600];
	ck_assert_int_eq(y->shape.rank, 4);
	ck_assert_int_eq(y->shape.dims[a->turned ? 1 : 2], S);
	ck_assert_int_eq(rt_tensor_elems(y), B * H * S * E);
	for (int64_t i = 0; i < B * H * S; i++) {
		const int64_t b = i / S / H, h = i / S % H, s = i % S;
		const int64_t at = a->turned ? (b * S + s) * H + h : i;
		const double max = scores_of(a, b, h, s, T, x);
		double sum = 0;
		for (int64_t t = 0; t < T; t++)
			sum += x[t] = exp(x[t] - max);
		for (int64_t e = 0; e < E; e++) {
			double want = 0;
			for (int64_t t = 0; t < T; t++)
				want += x[t] / sum * (double)row_at(2, a->v, b, t, h)[e];
			if (!a->turned && want < 0)
				want = 0;
			ck_assert_double_eq_tol(((float *)y->data)[at * E + e], want, 2e-6);
		}
	}
}

START_TEST(attention_of_heads)
{
	const struct heads *h = &attentions[_i];
	const int64_t *dims[4] = {h->q, h->k, h->v, h->mask};
	struct pbuild m = {0};
	heads_model(&m, h);
	ck_assert(fused(&m, "Attention", "Softmax"));
	for (int i = 0; i < 4; i++)
		for (int64_t k = 0; k < 80000; k++)
			heads_data[i][k] = (float)((k * 7919 + i * 31) % 1009 - 504) / 504;
	for (int how = 0; how < 3; how++) {
		const struct rt_model_opts opts = {.cpu_level = how ? rt_cpu_best() : RT_CPU_SCALAR,
						   .no_optimise = how == 2};
		struct opened o = {.model = NULL};
		struct rt_tensor in[4], y;
		for (int i = 0; i < 3; i++) {
			ck_assert(elems_of(dims[i]) <= 80000);
			in[i] = opened_f32(heads_data[i], 4, dims[i]);
		}
		in[3] = opened_f32(heads_data[3], h->mask_rank, h->mask + 4 - h->mask_rank);
		heads_model(&o.m, h);
		opened_open(&o, &opts);
		opened_run(&o, in, &y);
		expect_attention(h, &y);
		opened_close(&o);
	}
}
END_TEST

/* A row of which the mask leaves nothing is what Softmax makes of it: NaN. */
START_TEST(attention_of_nothing)
{
	const struct heads h = {{1, 2, 1, 4}, {1, -1, 1, 4}, {1, 3, 1, 4}, {1, 1, 2, 3}, 4, 2,
				false,        false,         true};
	const struct rt_model_opts opts = {.cpu_level = rt_cpu_best()};
	float mask[6] = {0, 0, 0, -INFINITY, -INFINITY, -INFINITY}, x[12] = {1, 2, 3, 4};
	struct opened o = {.model = NULL};
	struct rt_tensor y, in[4] = {opened_f32(x, 4, h.q), opened_f32(x, 4, h.v),
				     opened_f32(x, 4, h.v), opened_f32(mask, 4, h.mask)};
	heads_model(&o.m, &h);
	opened_open(&o, &opts);
	opened_run(&o, in, &y);
	for (int i = 0; i < 8; i++)
		ck_assert(isnan(((float *)y.data)[i]) == (i >= 4));
	in[1].shape.dims[1] = 2; /* two keys for three values */
	opened_refuses(&o, in, RT_INPUT, "K [1,2,1,4]");
	opened_close(&o);
}
END_TEST

/* Scores that are read elsewhere; K that is turned otherwise; a Softmax over another axis. */
START_TEST(attention_leaves_others)
{
	static const int64_t dims[] = {1, 4, 4, 4};
	struct pbuild m = {0}, axis = {0};
	pbuild_model(&m, 13);
	pbuild_input(&m, "q", 1, 4, dims);
	turn(&m, "q", "qt", 0, 2, 1, 3);
	turn(&m, "q", "kt", 0, _i == 1 ? 1 : 2, 3, _i == 1 ? 2 : 1);
	nodes(&m, "MatMul qt kt > s");
	pbuild_attr_int(&axis, "axis", _i == 2 ? 2 : -1);
	pbuild_node(&m, "Softmax", "s", "p", &axis);
	nodes(&m, "MatMul p qt > y");
	if (_i == 0)
		pbuild_output(&m, "s", 1);
	pbuild_output(&m, "y", 1);
	ck_assert(!fused(&m, "Attention", "Softmax"));
}
END_TEST

Suite *check_runtime_pass_fuse(void)
{
	Suite *s = suite_create("runtime_pass_fuse");
	TCase *c = tcase_create("fuse");
	tcase_add_checked_fixture(c, opened_start, opened_stop);
	tcase_add_loop_test(c, gelu_by_tanh, 0, (int)(sizeof forms / sizeof *forms));
	tcase_add_loop_test(c, one_hot_products, 0, (int)(sizeof products / sizeof *products));
	tcase_add_test(c, one_hot_refuses_other_shapes);
	tcase_add_test(c, one_hot_leaves_others);
	tcase_add_loop_test(c, bias_of_more_dimensions, 0, 2);
	tcase_add_loop_test(c, attention_of_heads, 0,
			    (int)(sizeof attentions / sizeof *attentions));
	tcase_add_test(c, attention_of_nothing);
	tcase_add_loop_test(c, attention_leaves_others, 0, 3);
	suite_add_tcase(s, c);
	return s;
}
