/* SPDX-License-Identifier: MIT */
/*
 * Sessions (runtime/session.c, frame.c, segment*.c): right answers for changing
 * shapes and for shapes that depend on values, what is refused, budgets,
 * cancellation.
 */
#include <config.h>

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/runtime/opened.h"
#include "tests/runtime/suites.h"

static int64_t free1[] = {-1}, free2[] = {-1, -1}, one[] = {1}, two[] = {2}, three[] = {3},
	       two_three[] = {2, 3};

/* y = Neg(x) + Abs(x), for shapes [N, M]. */
static void neg_plus_abs(struct opened *o)
{
	pbuild_model(&o->m, 13);
	pbuild_input(&o->m, "x", 1, 2, free2);
	pbuild_node(&o->m, "Neg", "x", "n", NULL);
	pbuild_node(&o->m, "Abs", "x", "a", NULL);
	pbuild_node(&o->m, "Add", "n a", "y", NULL);
	pbuild_output(&o->m, "y", 1);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* More shapes than are cached, in turns; each answer is right each time. */
START_TEST(shapes_may_change)
{
	static float x[40 * 40];
	struct opened o = {.model = NULL};
	struct rt_tensor in, out;

	for (int i = 0; i < 1600; i++)
		x[i] = (float)(i % 7 - 3);
	neg_plus_abs(&o);
	opened_open(&o, NULL);
	for (int round = 0; round < 60; round++) {
		int64_t dims[] = {1 + round * 7 % 13, 1 + round * 5 % 11};
		const float *y;

		in = opened_f32(x, 2, dims);
		opened_run(&o, &in, &out);
		ck_assert_int_eq(out.dtype, RT_F32);
		ck_assert(rt_shape_equal(&out.shape, &in.shape));
		y = out.data;
		for (int64_t i = 0; i < dims[0] * dims[1]; i++)
			ck_assert(y[i] == (x[i] < 0 ? -2 * x[i] : 0));
	}
	opened_close(&o);
}
END_TEST

/* A plan that was made before the arena moved is used again afterwards. */
START_TEST(arenas_may_move)
{
	static float x[100000];
	struct opened o = {.model = NULL};
	int64_t dims[] = {1, 10};
	struct rt_tensor in, out;

	neg_plus_abs(&o);
	opened_open(&o, NULL);
	for (int round = 0; round < 6; round++) {
		x[3] = -5 - (float)round;
		dims[1] = round % 2 == 0 ? 10 : 30000 + round * 10000;
		in = opened_f32(x, 2, dims);
		opened_run(&o, &in, &out);
		ck_assert(((float *)out.data)[3] == 10 + 2 * (float)round);
		ck_assert(((float *)out.data)[4] == 0);
	}
	opened_close(&o);
}
END_TEST

enum { NODES = 40, ELEMS = 6 };
static float want[NODES + 1][ELEMS];

/* Node ${n} of a random graph: v${n} = Neg, Abs, Add, Sub of earlier ones, or a view and back. */
static void random_node(struct opened *o, int n)
{
	static const char *const ops[] = {"Neg", "Abs", "Add", "Sub"};
	int op = rand() % 5, a = n < 8 ? rand() % n : n - 1 - rand() % 8, b = rand() % n;
	char from[64], to[16], flat[16];

	(void)snprintf(to, sizeof(to), "v%d", n);
	if (op == 4) {
		(void)snprintf(flat, sizeof(flat), "t%d", n);
		(void)snprintf(from, sizeof(from), "v%d flat", a);
		pbuild_node(&o->m, "Reshape", from, flat, NULL);
		(void)snprintf(from, sizeof(from), "t%d rows", n);
		pbuild_node(&o->m, "Reshape", from, to, NULL);
	} else {
		(void)snprintf(from, sizeof(from), op < 2 ? "v%d" : "v%d v%d", a, b);
		pbuild_node(&o->m, ops[op], from, to, NULL);
	}
	for (int i = 0; i < ELEMS; i++) {
		float x = want[a][i], y = want[b][i];

		want[n][i] = op == 0 ? -x : op == 1 ? fabsf(x) : op == 2 ? x + y : x - y;
		if (op == 4)
			want[n][i] = x;
	}
}

/*
 * Random graphs of element-wise nodes, which write over what nobody needs any
 * more, and of views: every value of every output against plain arithmetic.
 */
START_TEST(memory_is_shared_safely)
{
	static int64_t minus_one = -1;

	srand(3);
	for (int round = 0; round < 100; round++) {
		struct rt_model_opts opts = {.cpu_level = RT_CPU_SCALAR, .no_optimise = round % 2};
		struct opened o = {.model = NULL};
		struct rt_tensor in, out[NODES];
		int node_of[NODES], outputs = 0;
		char name[16];

		pbuild_model(&o.m, 13);
		pbuild_input(&o.m, "v0", 1, 2, two_three);
		pbuild_init_i64(&o.m, "rows", 1, two, two_three);
		pbuild_init_i64(&o.m, "flat", 1, one, &minus_one);
		for (int i = 0; i < ELEMS; i++)
			want[0][i] = (float)(rand() % 19 - 9);
		for (int n = 1; n <= NODES; n++) {
			random_node(&o, n);
			if (n < NODES && rand() % 8 != 0)
				continue;
			(void)snprintf(name, sizeof(name), "v%d", n);
			pbuild_output(&o.m, name, 1);
			node_of[outputs++] = n;
		}
		opened_open(&o, &opts);
		in = opened_f32(want[0], 2, two_three);
		opened_run(&o, &in, out);
		for (int k = 0; k < outputs; k++)
			for (int i = 0; i < ELEMS; i++)
				ck_assert(((float *)out[k].data)[i] == want[node_of[k]][i]);
		opened_close(&o);
	}
}
END_TEST

/* Reshape to a shape that is computed from Shape: known when the plan is made. */
START_TEST(shapes_are_computed)
{
	static float x[24];
	static int64_t minus_one[] = {-1};
	struct opened o = {.model = NULL};
	struct pbuild axis = {0};
	int64_t dims[] = {2, 3, 4};
	struct rt_tensor in, out;
	int64_t index = 2;

	pbuild_model(&o.m, 13);
	pbuild_input(&o.m, "x", 1, 3, (int64_t[]){-1, -1, -1});
	pbuild_node(&o.m, "Shape", "x", "s", NULL);
	pbuild_init_i64(&o.m, "last", 1, one, &index);
	pbuild_node(&o.m, "Gather", "s last", "d", NULL);
	pbuild_init_i64(&o.m, "rest", 1, one, minus_one);
	pbuild_attr_int(&axis, "axis", 0);
	pbuild_node(&o.m, "Concat", "d rest", "t", &axis);
	pbuild_node(&o.m, "Reshape", "x t", "r", NULL);
	pbuild_node(&o.m, "Relu", "r", "y", NULL);
	pbuild_output(&o.m, "y", 1);
	opened_open(&o, NULL);
	for (int i = 0; i < 24; i++)
		x[i] = (float)i;
	for (int round = 0; round < 4; round++) {
		dims[2] = round % 2 == 0 ? 4 : 2;
		in = opened_f32(x, 3, dims);
		opened_run(&o, &in, &out);
		ck_assert_int_eq(out.shape.rank, 2);
		ck_assert_int_eq(out.shape.dims[0], dims[2]);
		ck_assert_int_eq(out.shape.dims[1], 6);
		for (int i = 0; i < 6 * dims[2]; i++)
			ck_assert(((float *)out.data)[i] == (float)i);
	}
	opened_close(&o);
}
END_TEST

/*
 * A shape that is an input, and one that is computed from an input's values: the
 * second ends a segment.  The same shapes with other values need another plan.
 */
START_TEST(shapes_come_from_values)
{
	static float x[12];
	int64_t t[] = {3, 4};
	struct opened o = {.model = NULL};
	struct rt_tensor in[2], out;

	pbuild_model(&o.m, 13);
	pbuild_input(&o.m, "x", 1, 2, free2);
	pbuild_input(&o.m, "t", 7, 1, two);
	pbuild_node(&o.m, "Neg", "t", "tn", NULL); /* minus and minus: in a run only */
	pbuild_node(&o.m, "Neg", "tn", "tt", NULL);
	pbuild_node(&o.m, "Reshape", "x t", "r", NULL);
	pbuild_node(&o.m, "Relu", "r", "rr", NULL);
	pbuild_node(&o.m, "Reshape", "rr tt", "q", NULL);
	pbuild_node(&o.m, "Neg", "q", "y", NULL);
	pbuild_output(&o.m, "y", 1);
	opened_open(&o, NULL);
	for (int i = 0; i < 12; i++)
		x[i] = (float)i;
	for (int round = 0; round < 30; round++) {
		static const int64_t shapes[][2] = {{3, 4}, {4, 3}, {2, 6}, {1, 12}, {-1, 6}};
		int64_t dims[] = {1 + round % 2 * 5, 12 / (1 + round % 2 * 5)};

		memcpy(t, shapes[round % 5], sizeof(t));
		in[0] = opened_f32(x, 2, dims);
		in[1] = opened_i64(t, 1, two);
		opened_run(&o, in, &out);
		ck_assert_int_eq(out.shape.dims[0], t[0] < 0 ? 2 : t[0]);
		ck_assert_int_eq(out.shape.dims[1], t[1]);
		for (int i = 0; i < 12; i++)
			ck_assert(((float *)out.data)[i] == -(float)i);
	}
	t[0] = 5; /* 5 · 6 ≠ 12 */
	opened_refuses(&o, in, RT_INPUT, "Reshape");
	opened_close(&o);
}
END_TEST

/* NonZero is evaluated; what follows is planned with what it found. */
START_TEST(outputs_may_depend_on_data)
{
	float x[6];
	struct opened o = {.model = NULL};
	struct rt_tensor in, out[2];

	pbuild_model(&o.m, 13);
	pbuild_input(&o.m, "x", 1, 1, free1);
	pbuild_node(&o.m, "NonZero", "x", "z", NULL);
	pbuild_node(&o.m, "Neg", "z", "y", NULL);
	pbuild_node(&o.m, "Relu", "x", "r", NULL);
	pbuild_output(&o.m, "y", 7);
	pbuild_output(&o.m, "r", 1);
	opened_open(&o, NULL);
	for (unsigned mask = 0; mask < 64; mask++) {
		int64_t six = 6, found = 0;

		for (int i = 0; i < 6; i++)
			x[i] = (mask >> i & 1) != 0 ? -1.0f : 0;
		in = opened_f32(x, 1, &six);
		opened_run(&o, &in, out);
		ck_assert_int_eq(out[0].shape.dims[0], 1);
		for (int i = 0; i < 6; i++) {
			if (x[i] != 0)
				ck_assert_int_eq(((int64_t *)out[0].data)[found++], -i);
		}
		ck_assert_int_eq(out[0].shape.dims[1], found);
		ck_assert_int_eq(out[1].shape.dims[0], 6);
	}
	opened_close(&o);
}
END_TEST

/* Outputs that are an input, a constant, a view; the caller's memory is not lent out. */
START_TEST(outputs_may_be_anything)
{
	static const float w[] = {4, 5};
	float x[] = {1, 2};
	struct opened o = {.model = NULL};
	struct rt_tensor in = opened_f32(x, 1, two), out[4];

	pbuild_model(&o.m, 13);
	pbuild_input(&o.m, "x", 1, 1, two);
	pbuild_init_f32(&o.m, "w", 1, two, w);
	pbuild_node(&o.m, "Identity", "x", "v", NULL);
	pbuild_node(&o.m, "Relu", "x", "y", NULL);
	pbuild_output(&o.m, "x", 1);
	pbuild_output(&o.m, "w", 1);
	pbuild_output(&o.m, "v", 1);
	pbuild_output(&o.m, "y", 1);
	for (int plain = 0; plain < 2; plain++) {
		struct rt_model_opts opts = {.cpu_level = RT_CPU_SCALAR, .no_optimise = plain};
		struct opened again = {.m = {0}};

		pbuild_raw(&again.m, o.m.data, o.m.size);
		again.m.graph = calloc(1, sizeof(struct pbuild));
		pbuild_raw(again.m.graph, o.m.graph->data, o.m.graph->size);
		opened_open(&again, &opts);
		ck_assert_str_eq(rt_model_output(again.model, 2)->name, "v");
		opened_run(&again, &in, out);
		ck_assert(out[0].data != x && out[2].data != x);
		ck_assert(memcmp(out[0].data, x, sizeof(x)) == 0);
		ck_assert(memcmp(out[1].data, w, sizeof(w)) == 0);
		ck_assert(memcmp(out[2].data, x, sizeof(x)) == 0);
		ck_assert(memcmp(out[3].data, x, sizeof(x)) == 0);
		opened_close(&again);
	}
	opened_close(&o);
}
END_TEST

START_TEST(only_wanted_outputs_are_made)
{
	float x[] = {1, -2, 3};
	struct opened o = {.model = NULL};
	struct rt_tensor in = opened_f32(x, 1, three), out[2];
	bool wanted[] = {false, true};
	int64_t far = 9;

	pbuild_model(&o.m, 13);
	pbuild_input(&o.m, "x", 1, 1, three);
	pbuild_init_i64(&o.m, "far", 1, one, &far);
	pbuild_node(&o.m, "Gather", "x far", "bad", NULL); /* out of range: fails when run */
	pbuild_node(&o.m, "Abs", "x", "good", NULL);
	pbuild_output(&o.m, "bad", 1);
	pbuild_output(&o.m, "good", 1);
	opened_open(&o, NULL);
	opened_refuses(&o, &in, RT_DATA, "node 'bad' (Gather)");
	ck_assert_int_eq(rt_session_run(o.session, &in, out, wanted, NULL, &opened_err), RT_OK);
	ck_assert_ptr_null(out[0].data);
	ck_assert(((float *)out[1].data)[1] == 2);
	opened_refuses(&o, &in, RT_DATA, "node 'bad' (Gather)"); /* and still tells when asked */
	opened_close(&o);
}
END_TEST

/* Tensors without elements go through. */
START_TEST(nothing_is_a_tensor)
{
	struct opened o = {.model = NULL};
	int64_t dims[] = {0, 5};
	struct rt_tensor in = opened_f32(NULL, 2, dims), out;

	neg_plus_abs(&o);
	opened_open(&o, NULL);
	opened_run(&o, &in, &out);
	ck_assert_int_eq(out.shape.dims[0], 0);
	ck_assert_int_eq(out.shape.dims[1], 5);
	opened_close(&o);
}
END_TEST

/* ---- refusals -------------------------------------------------------------------------------- */

START_TEST(inputs_are_checked)
{
	static _Alignas(8) char bytes[256];
	struct opened o = {.model = NULL};
	int64_t bad[] = {2, 4}, negative[] = {2, -3}, huge[] = {INT64_C(1) << 62, 3};
	struct rt_tensor in;

	pbuild_model(&o.m, 13);
	pbuild_input(&o.m, "image", 1, 2, two_three);
	pbuild_node(&o.m, "Relu", "image", "y", NULL);
	pbuild_output(&o.m, "y", 1);
	opened_open(&o, NULL);
	in = opened_f32((float *)(void *)bytes, 2, two_three);
	in.dtype = RT_I32;
	opened_refuses(&o, &in, RT_INPUT, "input 'image' is float32, int32 was given");
	in = opened_f32((float *)(void *)bytes, 2, bad);
	opened_refuses(&o, &in, RT_INPUT, "input 'image' has shape [2,3], [2,4] was given");
	in = opened_f32((float *)(void *)bytes, 1, two);
	opened_refuses(&o, &in, RT_INPUT, "[2] was given");
	in = opened_f32((float *)(void *)bytes, 2, negative);
	opened_refuses(&o, &in, RT_INPUT, "no shape");
	in = opened_f32((float *)(void *)bytes, 2, huge);
	opened_refuses(&o, &in, RT_INPUT, "shape");
	in = opened_f32(NULL, 2, two_three);
	opened_refuses(&o, &in, RT_INPUT, "no data");
	in = opened_f32((float *)(void *)(bytes + 1), 2, two_three);
	opened_refuses(&o, &in, RT_INPUT, "aligned");
	opened_close(&o);
}
END_TEST

/* Dimensions near 2^62, products that overflow, a budget: refused, naming the node. */
START_TEST(memory_is_asked_for_with_care)
{
	static const int64_t shapes[][2] = {
	    {INT64_C(1) << 62, 1}, {INT64_C(1) << 40, INT64_C(1) << 40}, {1 << 20, 1 << 10}};
	struct rt_model_opts opts = {.cpu_level = RT_CPU_SCALAR, .memory_budget = 1 << 20};
	struct rt_tensor in, out;
	float x[] = {1};

	for (int i = 0; i < 3; i++) {
		struct opened o = {.model = NULL};

		pbuild_model(&o.m, 13);
		pbuild_input(&o.m, "x", 1, 1, one);
		pbuild_init_i64(&o.m, "shape", 1, two, shapes[i]);
		pbuild_node(&o.m, "Expand", "x shape", "big", NULL);
		pbuild_node(&o.m, "Relu", "big", "y", NULL);
		pbuild_output(&o.m, "y", 1);
		opened_open(&o, &opts);
		in = opened_f32(x, 1, one);
		ck_assert_int_lt(rt_session_run(o.session, &in, &out, NULL, NULL, &opened_err), 0);
		ck_assert_msg(strstr(opened_err.text, "'big'") != NULL, "%s", opened_err.text);
		opened_close(&o);
	}
}
END_TEST

/* Each tensor fits, both together do not; after the refusal smaller inputs work. */
START_TEST(the_arena_has_a_budget)
{
	struct rt_model_opts opts = {.cpu_level = RT_CPU_SCALAR, .memory_budget = 1 << 20};
	static float x[200000];
	int64_t dims[] = {1, 200000};
	struct opened o = {.model = NULL};
	struct rt_tensor in, out;

	neg_plus_abs(&o);
	opened_open(&o, &opts);
	in = opened_f32(x, 2, dims);
	opened_refuses(&o, &in, RT_BUDGET, "the budget is 1048576");
	in.shape.dims[1] = 1000;
	opened_run(&o, &in, &out);
	ck_assert_uint_gt(rt_session_arena_bytes(o.session), 0);
	ck_assert_uint_le(rt_session_arena_bytes(o.session), 1 << 20);
	opened_close(&o);
}
END_TEST

START_TEST(runs_can_be_stopped)
{
	float x[] = {1};
	int64_t dims[] = {1, 1};
	atomic_bool cancel = true;
	struct rt_run_opts cancelled = {.cancel = &cancel}, late = {.deadline_ns = 1};
	struct opened o = {.model = NULL};
	struct rt_tensor in = opened_f32(x, 2, dims), out;

	neg_plus_abs(&o);
	opened_open(&o, NULL);
	ck_assert_int_eq(rt_session_run(o.session, &in, &out, NULL, &cancelled, &opened_err),
			 RT_CANCELLED);
	ck_assert_int_eq(rt_session_run(o.session, &in, &out, NULL, &late, &opened_err),
			 RT_CANCELLED);
	atomic_store(&cancel, false);
	ck_assert_int_eq(rt_session_run(o.session, &in, &out, NULL, &cancelled, &opened_err),
			 RT_OK);
	opened_close(&o);
}
END_TEST

static int64_t soon_ns(int64_t ns)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec + ns;
}

static void *cancel_soon(void *arg)
{
	struct timespec pause = {0, 30000000};

	(void)nanosleep(&pause, NULL);
	atomic_store((atomic_bool *)arg, true);
	return NULL;
}

/* One step of an hour: 2²⁰ outputs, each of a window of 2²⁰.  The test's own limit is a minute. */
START_TEST(a_step_can_be_stopped)
{
	static const char *const ops[] = {"MaxPool", "AveragePool", "LpPool"};
	enum { WINDOW = 1 << 20 };
	float *x = calloc(2 * WINDOW, sizeof(*x));
	int64_t line[] = {1, 1, 2 * WINDOW}, window[] = {WINDOW}, free3[] = {1, 1, -1};
	atomic_bool cancel = false;
	struct rt_run_opts cancelled = {.cancel = &cancel}, late = {0};
	struct opened o = {.model = NULL};
	struct pbuild attrs = {0};
	struct rt_tensor in, out;
	pthread_t thread;

	ck_assert_ptr_nonnull(x);
	pbuild_model(&o.m, 18);
	pbuild_input(&o.m, "x", 1, 3, free3);
	pbuild_attr_ints(&attrs, "kernel_shape", 1, window);
	pbuild_node(&o.m, ops[_i], "x", "y", &attrs);
	pbuild_output(&o.m, "y", 1);
	opened_open(&o, NULL);
	in = opened_f32(x, 3, line);
	late.deadline_ns = soon_ns(30000000);
	ck_assert_int_eq(rt_session_run(o.session, &in, &out, NULL, &late, &opened_err),
			 RT_CANCELLED);
	ck_assert_ptr_nonnull(strstr(opened_err.text, "longer than it may"));
	ck_assert_int_eq(pthread_create(&thread, NULL, cancel_soon, &cancel), 0);
	ck_assert_int_eq(rt_session_run(o.session, &in, &out, NULL, &cancelled, &opened_err),
			 RT_CANCELLED);
	ck_assert_ptr_nonnull(strstr(opened_err.text, "was cancelled"));
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	opened_close(&o);
	free(x);
}
END_TEST

/* ---- several at once ------------------------------------------------------------------------- */

static struct rt_model *shared;

static void *one_user(void *arg)
{
	struct rt_session *session;
	struct rt_error *own = calloc(1, sizeof(*own));
	float x[32];
	int64_t dims[] = {1, 1};
	int *bad = arg;

	*bad += rt_session_open(shared, opened_team, &session, own) != RT_OK;
	for (int round = 0; round < 200; round++) {
		struct rt_tensor in, out;

		dims[1] = 1 + round % 31;
		for (int i = 0; i < 32; i++)
			x[i] = (float)(round - i);
		in = opened_f32(x, 2, dims);
		*bad += rt_session_run(session, &in, &out, NULL, NULL, own) != RT_OK;
		for (int i = 0; i < dims[1]; i++)
			*bad += ((float *)out.data)[i] != (x[i] < 0 ? -2 * x[i] : 0);
	}
	rt_session_close(session);
	free(own);
	return NULL;
}

START_TEST(sessions_share_a_model)
{
	struct opened o = {.model = NULL};
	pthread_t threads[4];
	int bad[4] = {0};

	neg_plus_abs(&o);
	opened_open(&o, NULL);
	shared = o.model;
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, one_user, &bad[i]), 0);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
		ck_assert_int_eq(bad[i], 0);
	}
	opened_close(&o);
}
END_TEST

static size_t resident_bytes(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%*u %lu", &pages), 1);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* A second session costs its arena: by what is counted, and by the pages of the process. */
START_TEST(sessions_share_weights)
{
	enum { SIDE = 1536 };
	const size_t weights = sizeof(float) * SIDE * SIDE;
	static int64_t square[] = {SIDE, SIDE}, row[] = {1, SIDE}, two_ints[] = {2};
	static float x[SIDE];
	struct opened o = {.model = NULL};
	struct rt_tensor in = opened_f32(x, 2, row), out;
	struct rt_session *second;
	size_t counted, pages;

	x[0] = 1;
	pbuild_model(&o.m, 13);
	pbuild_input(&o.m, "x", 1, 2, row);
	pbuild_init_i64(&o.m, "shape", 1, two_ints, square);
	pbuild_node(&o.m, "ConstantOfShape", "shape", "zeros", NULL);
	pbuild_node(&o.m, "Cos", "zeros", "w", NULL);
	pbuild_node(&o.m, "MatMul", "x w", "y", NULL);
	pbuild_output(&o.m, "y", 1);
	opened_open(&o, NULL);
	opened_run(&o, &in, &out);
	counted = rt_model_resident_bytes(o.model);
	ck_assert_uint_ge(counted, weights);
	pages = resident_bytes();
	ck_assert_int_eq(rt_session_open(o.model, opened_team, &second, &opened_err), RT_OK);
	ck_assert_int_eq(rt_session_run(second, &in, &out, NULL, NULL, &opened_err), RT_OK);
	ck_assert_uint_lt(resident_bytes(), pages + weights / 2);
	ck_assert_uint_lt(rt_session_arena_bytes(second), weights / 8);
	ck_assert_uint_eq(rt_model_resident_bytes(o.model), counted);
	for (int i = 0; i < SIDE; i++)
		ck_assert(((float *)out.data)[i] == 1);
	rt_session_close(second);
	opened_close(&o);
}
END_TEST

Suite *check_runtime_session(void)
{
	Suite *suite = suite_create("runtime_session");
	TCase *c = tcase_create("answers"), *wrong = tcase_create("refusals");

	tcase_add_checked_fixture(c, opened_start, opened_stop);
	tcase_add_checked_fixture(wrong, opened_start, opened_stop);
	tcase_set_timeout(c, 60);
	tcase_set_timeout(wrong, 60);
	tcase_add_test(c, shapes_may_change);
	tcase_add_test(c, arenas_may_move);
	tcase_add_test(c, memory_is_shared_safely);
	tcase_add_test(c, shapes_are_computed);
	tcase_add_test(c, shapes_come_from_values);
	tcase_add_test(c, outputs_may_depend_on_data);
	tcase_add_test(c, outputs_may_be_anything);
	tcase_add_test(c, only_wanted_outputs_are_made);
	tcase_add_test(c, nothing_is_a_tensor);
	tcase_add_test(c, sessions_share_a_model);
	tcase_add_test(c, sessions_share_weights);
	tcase_add_test(wrong, inputs_are_checked);
	tcase_add_test(wrong, memory_is_asked_for_with_care);
	tcase_add_test(wrong, the_arena_has_a_budget);
	tcase_add_test(wrong, runs_can_be_stopped);
	tcase_add_loop_test(wrong, a_step_can_be_stopped, 0, 3);
	suite_add_tcase(suite, c);
	suite_add_tcase(suite, wrong);
	return suite;
}
