/* SPDX-License-Identifier: MIT */
/*
 * Models that want to harm: shapes of terabytes, loops without end, graphs that
 * contain themselves.  Each is refused or stopped with an error that says why, in
 * a process of its own whose memory never exceeds the budget by more than a tenth.
 */
#include <config.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/runtime.h"
#include "tests/lib/pbuild.h"
#include "tests/runtime/suites.h"

/* TensorProto.DataType */
enum { FLOAT = 1, INT64 = 7, BOOL = 9 };

#define MB ((size_t)1 << 20)
#define BUDGET (64 * MB)
#define SECONDS 1 /* a run may take */

/* Address sanitizers keep what is freed, and so does valgrind. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEASURED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define MEASURED 0
#endif
#endif
#ifndef MEASURED
#define MEASURED 1
#endif

/* ---- building blocks ------------------------------------------------------------------------- */

struct body {
	struct pbuild graph, m;
};

static struct pbuild *body_start(struct body *b)
{
	memset(b, 0, sizeof(*b));
	b->m.graph = &b->graph;
	return &b->m;
}

static const int64_t none[] = {0}, one[] = {1};

static void init_ints(struct pbuild *m, const char *name, int64_t count, ...)
{
	int64_t data[8];
	va_list ap;

	va_start(ap, count);
	for (int64_t i = 0; i < count; i++)
		data[i] = va_arg(ap, int64_t);
	va_end(ap);
	pbuild_init_i64(m, name, 1, &count, data);
}

static void init_scalar(struct pbuild *m, const char *name, int64_t value)
{
	pbuild_init_i64(m, name, 0, none, &value);
}

static void attr_string(struct pbuild *attrs, const char *name, const char *value)
{
	struct pbuild a = {0};

	pbuild_string(&a, 1, name);
	pbuild_string(&a, 4, value);
	pbuild_int(&a, 20, 3);
	pbuild_message(attrs, 5, &a);
}

/* x: float [4], and what is done to it gives y. */
static void start(struct pbuild *m)
{
	const int64_t four[] = {4};

	pbuild_model(m, 17);
	pbuild_input(m, "x", FLOAT, 1, four);
}

static void end(struct pbuild *m)
{
	pbuild_output(m, "y", FLOAT);
}

/* ---- large shapes ---------------------------------------------------------------------------- */

static void tile(struct pbuild *m)
{
	start(m);
	init_ints(m, "n", 1, INT64_C(1) << 40);
	pbuild_node(m, "Tile", "x n", "y", NULL);
	end(m);
}

static void tile_overflows(struct pbuild *m)
{
	start(m);
	init_ints(m, "n", 1, INT64_MAX);
	pbuild_node(m, "Tile", "x n", "y", NULL);
	end(m);
}

static void expand(struct pbuild *m)
{
	start(m);
	init_ints(m, "n", 3, INT64_C(1) << 31, INT64_C(1) << 31, INT64_C(4));
	pbuild_node(m, "Expand", "x n", "y", NULL);
	end(m);
}

static void constant_of_shape(struct pbuild *m)
{
	start(m);
	init_ints(m, "n", 2, INT64_C(1) << 62, INT64_C(4));
	pbuild_node(m, "ConstantOfShape", "n", "big", NULL);
	pbuild_node(m, "Add", "big x", "y", NULL);
	end(m);
}

/* As above, in many pieces that fit one by one. */
static void constants_add_up(struct pbuild *m)
{
	char name[16], sum[40] = "x";

	start(m);
	for (int i = 0; i < 64; i++) {
		char in[64], n[16];

		snprintf(n, sizeof(n), "n%d", i);
		snprintf(name, sizeof(name), "c%d", i);
		init_ints(m, n, 2, INT64_C(1) << 20, INT64_C(4));
		pbuild_node(m, "ConstantOfShape", n, name, NULL);
		snprintf(in, sizeof(in), "%s %s", sum, name);
		snprintf(sum, sizeof(sum), "s%d", i);
		pbuild_node(m, "Add", in, sum, NULL);
	}
	pbuild_node(m, "Identity", sum, "y", NULL);
	end(m);
}

/* Every output is needed at the end. */
static void intermediates_add_up(struct pbuild *m)
{
	char all[1024] = "";

	start(m);
	init_ints(m, "n", 2, INT64_C(1) << 19, INT64_C(4));
	for (int i = 0; i < 64; i++) {
		char name[16];

		snprintf(name, sizeof(name), "t%d", i);
		pbuild_node(m, "Expand", "x n", name, NULL);
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i ? " " : "", name);
	}
	pbuild_node(m, "Sum", all, "y", NULL);
	end(m);
}

static void pad(struct pbuild *m)
{
	start(m);
	init_ints(m, "n", 2, INT64_C(1) << 40, INT64_C(1) << 40);
	pbuild_node(m, "Pad", "x n", "y", NULL);
	end(m);
}

static void range(struct pbuild *m)
{
	start(m);
	init_scalar(m, "from", 0);
	init_scalar(m, "to", INT64_MAX);
	init_scalar(m, "step", 1);
	pbuild_node(m, "Range", "from to step", "r", NULL);
	pbuild_node(m, "Size", "r", "n", NULL);
	pbuild_node(m, "Gather", "r n", "y", NULL);
	end(m);
}

static void one_hot(struct pbuild *m)
{
	float off_on[] = {0, 1};
	int64_t two[] = {2};

	pbuild_model(m, 17);
	pbuild_input(m, "x", INT64, 1, (int64_t[]){4});
	init_scalar(m, "depth", INT64_C(1) << 50);
	pbuild_init_f32(m, "values", 1, two, off_on);
	pbuild_node(m, "OneHot", "x depth values", "y", NULL);
	end(m);
}

static void resize(struct pbuild *m)
{
	const int64_t image[] = {1, 1, 2, 2};
	struct pbuild attrs = {0};

	pbuild_model(m, 17);
	pbuild_input(m, "x", FLOAT, 4, image);
	init_ints(m, "sizes", 4, INT64_C(1), INT64_C(1), INT64_C(1) << 30, INT64_C(1) << 30);
	attr_string(&attrs, "mode", "linear");
	pbuild_node(m, "Resize", "x - - sizes", "y", &attrs);
	end(m);
}

static void conv_pads(struct pbuild *m)
{
	const int64_t image[] = {1, 1, 2, 2}, most = INT64_C(1) << 31;
	const int64_t pads[] = {most, most, most, most}; /* (2³² + 1)² positions are not counted */
	float w[4] = {1, 1, 1, 1};
	struct pbuild attrs = {0};

	pbuild_model(m, 17);
	pbuild_input(m, "x", FLOAT, 4, image);
	pbuild_init_f32(m, "w", 4, image, w);
	pbuild_attr_ints(&attrs, "pads", 4, pads);
	pbuild_node(m, "Conv", "x w", "y", &attrs);
	end(m);
}

static void outer_product(struct pbuild *m)
{
	const int64_t column[] = {1 << 16, 1}, row[] = {1, 1 << 16};

	start(m);
	init_ints(m, "c", 2, column[0], column[1]);
	init_ints(m, "r", 2, row[0], row[1]);
	pbuild_node(m, "ConstantOfShape", "c", "a", NULL);
	pbuild_node(m, "ConstantOfShape", "r", "b", NULL);
	pbuild_node(m, "MatMul", "a b", "ab", NULL);
	pbuild_node(m, "ReduceSum", "ab", "s", NULL);
	pbuild_node(m, "Add", "s x", "y", NULL);
	end(m);
}

/* Doubles 60 times: folded as far as that pays, then refused. */
static void concat_doubles(struct pbuild *m)
{
	char from[16] = "c0", to[16], in[40];
	float c[4] = {1, 2, 3, 4};
	int64_t four[] = {4};

	start(m);
	pbuild_init_f32(m, "c0", 1, four, c);
	for (int i = 1; i <= 60; i++) {
		struct pbuild attrs = {0};

		pbuild_attr_int(&attrs, "axis", 0);
		snprintf(to, sizeof(to), "c%d", i);
		snprintf(in, sizeof(in), "%s %s", from, from);
		pbuild_node(m, "Concat", in, to, &attrs);
		memcpy(from, to, sizeof(from));
	}
	pbuild_node(m, "Identity", to, "y", NULL);
	end(m);
}

static void declared_input(struct pbuild *m)
{
	const int64_t dims[] = {INT64_C(1) << 62, INT64_C(1) << 62};

	pbuild_model(m, 17);
	pbuild_input(m, "x", FLOAT, 2, dims);
	pbuild_node(m, "Relu", "x", "y", NULL);
	end(m);
}

static void initialiser_dims(struct pbuild *m)
{
	const int64_t dims[] = {INT64_C(1) << 62, 16};
	struct pbuild t = {0};
	float data[4] = {0};

	start(m);
	pbuild_tensor(&t, "w", FLOAT, 2, dims, data, sizeof(data));
	pbuild_init(m, &t);
	pbuild_node(m, "Add", "x w", "y", NULL);
	end(m);
}

/* ---- sequences ------------------------------------------------------------------------------- */

static void split_into_crumbs(struct pbuild *m)
{
	start(m);
	init_ints(m, "n", 1, INT64_C(1) << 22);
	pbuild_node(m, "ConstantOfShape", "n", "big", NULL);
	pbuild_node(m, "SplitToSequence", "big", "s", NULL);
	pbuild_node(m, "SequenceLength", "s", "l", NULL);
	pbuild_node(m, "Gather", "x l", "y", NULL);
	end(m);
}

/* ---- loops ----------------------------------------------------------------------------------- */

/* for (;;) with the state ${op} makes of itself. */
static void endless(struct pbuild *m, const char *op, const char *in, struct pbuild *attrs)
{
	struct pbuild loop = {0};
	struct body b;

	start(m);
	body_start(&b);
	pbuild_input(&b.m, "i", INT64, 0, none);
	pbuild_input(&b.m, "go", BOOL, 0, none);
	pbuild_input(&b.m, "s", FLOAT, -1, NULL);
	pbuild_node(&b.m, "Identity", "go", "go_on", NULL);
	pbuild_node(&b.m, op, in, "next", attrs);
	pbuild_output(&b.m, "go_on", BOOL);
	pbuild_output(&b.m, "next", FLOAT);
	pbuild_attr_graph(&loop, "body", &b.graph);
	pbuild_node(m, "Loop", "- - x", "y", &loop);
	end(m);
}

static void loop_for_ever(struct pbuild *m)
{
	endless(m, "Relu", "s", NULL);
}

static void loop_does_nothing(struct pbuild *m)
{
	endless(m, "Identity", "s", NULL);
}

static void loop_doubles(struct pbuild *m)
{
	struct pbuild attrs = {0};

	pbuild_attr_int(&attrs, "axis", 0);
	endless(m, "Concat", "s s", &attrs);
}

static void loop_stacks(struct pbuild *m)
{
	struct pbuild loop = {0};
	struct body b;

	start(m);
	init_ints(m, "n", 1, INT64_C(1) << 16);
	pbuild_node(m, "ConstantOfShape", "n", "big", NULL);
	body_start(&b);
	pbuild_input(&b.m, "i", INT64, 0, none);
	pbuild_input(&b.m, "go", BOOL, 0, none);
	pbuild_node(&b.m, "Identity", "go", "go_on", NULL);
	pbuild_node(&b.m, "Relu", "big", "slice", NULL);
	pbuild_output(&b.m, "go_on", BOOL);
	pbuild_output(&b.m, "slice", FLOAT);
	pbuild_attr_graph(&loop, "body", &b.graph);
	pbuild_node(m, "Loop", "- -", "y", &loop);
	end(m);
}

static void loop_collects(struct pbuild *m)
{
	struct pbuild loop = {0};
	struct body b;

	start(m);
	init_ints(m, "n", 1, INT64_C(1) << 16);
	pbuild_node(m, "ConstantOfShape", "n", "big", NULL);
	pbuild_node(m, "SequenceConstruct", "x", "s0", NULL);
	body_start(&b);
	pbuild_input(&b.m, "i", INT64, 0, none);
	pbuild_input(&b.m, "go", BOOL, 0, none);
	pbuild_input_in(&b.m, "s", "s", FLOAT);
	pbuild_node(&b.m, "Identity", "go", "go_on", NULL);
	pbuild_node(&b.m, "SequenceInsert", "s big", "next", NULL);
	pbuild_output(&b.m, "go_on", BOOL);
	pbuild_output_in(&b.m, "s", "next", FLOAT);
	pbuild_attr_graph(&loop, "body", &b.graph);
	pbuild_node(m, "Loop", "- - s0", "s1", &loop);
	pbuild_node(m, "SequenceAt", "s1 zero", "y", NULL);
	init_scalar(m, "zero", 0);
	end(m);
}

static void scan_stacks(struct pbuild *m)
{
	struct pbuild scan = {0};
	struct body b;

	start(m);
	init_ints(m, "n", 1, INT64_C(1) << 20);
	init_ints(m, "k", 1, INT64_C(1) << 12);
	pbuild_node(m, "ConstantOfShape", "n", "steps", NULL);
	body_start(&b);
	pbuild_input(&b.m, "t", FLOAT, 0, none);
	pbuild_node(&b.m, "Expand", "t k", "slice", NULL);
	pbuild_output(&b.m, "slice", FLOAT);
	pbuild_attr_graph(&scan, "body", &b.graph);
	pbuild_attr_int(&scan, "num_scan_inputs", 1);
	pbuild_node(m, "Scan", "steps", "y", &scan);
	end(m);
}

/* Each loop runs the next one four million times. */
static void loops_in_loops(struct pbuild *m)
{
	struct body bodies[8];

	start(m);
	init_scalar(m, "n", INT64_C(1) << 22);
	for (int depth = 7; depth >= 0; depth--) {
		struct body *b = &bodies[depth];
		char s[16], next[16], i[16], go[16], on[16], in[64];
		struct pbuild loop = {0};

		snprintf(s, sizeof(s), "s%d", depth);
		snprintf(next, sizeof(next), "next%d", depth);
		snprintf(i, sizeof(i), "i%d", depth);
		snprintf(go, sizeof(go), "go%d", depth);
		snprintf(on, sizeof(on), "on%d", depth);
		body_start(b);
		pbuild_input(&b->m, i, INT64, 0, none);
		pbuild_input(&b->m, go, BOOL, 0, none);
		pbuild_input(&b->m, s, FLOAT, -1, NULL);
		pbuild_node(&b->m, "Identity", go, on, NULL);
		if (depth < 7) {
			pbuild_attr_graph(&loop, "body", &bodies[depth + 1].graph);
			snprintf(in, sizeof(in), "n - %s", s);
			pbuild_node(&b->m, "Loop", in, next, &loop);
		} else {
			pbuild_node(&b->m, "Relu", s, next, NULL);
		}
		pbuild_output(&b->m, on, BOOL);
		pbuild_output(&b->m, next, FLOAT);
	}
	struct pbuild loop = {0};
	pbuild_attr_graph(&loop, "body", &bodies[0].graph);
	pbuild_node(m, "Loop", "n - x", "y", &loop);
	end(m);
}

/* ---- graphs in graphs ------------------------------------------------------------------------ */

#define DEEP 10000

/* Bytes that are written from their end. */
struct backwards {
	uint8_t *data;
	size_t at, cap;
};

static void before(struct backwards *b, struct pbuild *piece)
{
	ck_assert_uint_le(piece->size, b->at);
	b->at -= piece->size;
	memcpy(b->data + b->at, piece->data, piece->size);
	pbuild_free(piece);
}

/* An If in the branch of an If, and so on: what is inside comes last in each message, so that all
 * of them are headers in front of it. */
static void branches_in_branches(struct pbuild *m)
{
	struct backwards all = {.at = DEEP * 400, .cap = DEEP * 400};
	struct pbuild yes_tensor = {0};
	uint8_t yes = 1;
	struct body b;

	start(m);
	pbuild_tensor(&yes_tensor, "yes", BOOL, 0, none, &yes, 1);
	pbuild_init(m, &yes_tensor);
	all.data = malloc(all.cap);
	ck_assert_ptr_nonnull(all.data);
	pbuild_node(body_start(&b), "Relu", "x", "r", NULL);
	pbuild_output(&b.m, "r", FLOAT);
	before(&all, &b.graph);
	for (int i = 0; i < DEEP; i++) {
		struct pbuild attr = {0}, node = {0}, other = {0};

		pbuild_string(&attr, 1, "then_branch");
		pbuild_int(&attr, 20, 5);
		pbuild_number(&attr, 6 << 3 | 2);
		pbuild_number(&attr, all.cap - all.at);
		before(&all, &attr);
		pbuild_node(body_start(&b), "Relu", "x", "r", NULL);
		pbuild_output(&b.m, "r", FLOAT);
		pbuild_attr_graph(&other, "else_branch", &b.graph);
		pbuild_string(&node, 1, "yes");
		pbuild_string(&node, 2, "r");
		pbuild_string(&node, 4, "If");
		pbuild_raw(&node, other.data, other.size);
		pbuild_free(&other);
		pbuild_number(&node, 5 << 3 | 2);
		pbuild_number(&node, all.cap - all.at);
		before(&all, &node);
		pbuild_output(body_start(&b), "r", FLOAT);
		pbuild_number(&b.graph, 1 << 3 | 2);
		pbuild_number(&b.graph, all.cap - all.at);
		before(&all, &b.graph);
	}
	pbuild_raw(m->graph, all.data + all.at, all.cap - all.at);
	free(all.data);
}

/* optional(optional(optional(… */
static void types_in_types(struct pbuild *m)
{
	char *in = malloc(DEEP + 1);

	ck_assert_ptr_nonnull(in);
	memset(in, 'o', DEEP);
	in[DEEP] = '\0';
	pbuild_model(m, 17);
	pbuild_input_in(m, in, "x", FLOAT);
	pbuild_node(m, "OptionalGetElement", "x", "y", NULL);
	end(m);
	free(in);
}

/* A function that calls the next one ${times} times. */
static void functions(struct pbuild *m, int count, int times, bool circle)
{
	struct pbuild import = {0};

	start(m);
	pbuild_string(&import, 1, "own");
	pbuild_int(&import, 2, 1);
	pbuild_message(m, 8, &import);
	for (int i = 0; i < count; i++) {
		struct pbuild f = {0}, used = {0}, own = {0};
		char name[16], next[16];
		int to = i + 1 < count ? i + 1 : circle ? 0 : -1;

		snprintf(name, sizeof(name), "f%d", i);
		snprintf(next, sizeof(next), "f%d", to);
		pbuild_string(&f, 1, name);
		pbuild_string(&f, 4, "a");
		pbuild_string(&f, 5, "b");
		for (int k = 0; k < times; k++) {
			struct pbuild node = {0};
			char in[16], out[16];

			snprintf(in, sizeof(in), "v%d", k);
			snprintf(out, sizeof(out), "v%d", k + 1);
			pbuild_string(&node, 1, k == 0 ? "a" : in);
			pbuild_string(&node, 2, k == times - 1 ? "b" : out);
			pbuild_string(&node, 4, to >= 0 ? next : "Relu");
			pbuild_string(&node, 7, to >= 0 ? "own" : "");
			pbuild_message(&f, 7, &node);
		}
		pbuild_string(&used, 1, "");
		pbuild_int(&used, 2, 17);
		pbuild_message(&f, 9, &used);
		pbuild_string(&own, 1, "own");
		pbuild_int(&own, 2, 1);
		pbuild_message(&f, 9, &own);
		pbuild_string(&f, 10, "own");
		pbuild_message(m, 25, &f);
	}
	struct pbuild domain = {0};
	pbuild_string(&domain, 7, "own");
	pbuild_node(m, "f0", "x", "y", &domain);
	end(m);
}

static void functions_in_functions(struct pbuild *m)
{
	functions(m, 1000, 1, false);
}

static void function_calls_itself(struct pbuild *m)
{
	functions(m, 1, 1, true);
}

static void functions_multiply(struct pbuild *m)
{
	functions(m, 15, 10, false);
}

static void cycle(struct pbuild *m)
{
	start(m);
	pbuild_node(m, "Add", "x b", "a", NULL);
	pbuild_node(m, "Relu", "a", "b", NULL);
	pbuild_node(m, "Relu", "b", "y", NULL);
	end(m);
}

static void reads_itself(struct pbuild *m)
{
	start(m);
	pbuild_node(m, "Add", "x y", "y", NULL);
	end(m);
}

static void made_twice(struct pbuild *m)
{
	start(m);
	pbuild_node(m, "Relu", "x", "y", NULL);
	pbuild_node(m, "Neg", "x", "y", NULL);
	end(m);
}

static void initialised_twice(struct pbuild *m)
{
	float w[1] = {0};

	start(m);
	pbuild_init_f32(m, "w", 1, one, w);
	pbuild_init_f32(m, "w", 1, one, w);
	pbuild_node(m, "Add", "x w", "y", NULL);
	end(m);
}

static void input_twice(struct pbuild *m)
{
	start(m);
	pbuild_input(m, "x", FLOAT, 1, one);
	pbuild_node(m, "Relu", "x", "y", NULL);
	end(m);
}

/* Nodes cost memory, too. */
static void many_nodes(struct pbuild *m)
{
	start(m);
	for (int i = 0; i < 70000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "t%d", i);
		pbuild_node(m, "Relu", "x", name, NULL);
	}
	pbuild_node(m, "Relu", "x", "y", NULL);
	end(m);
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct hostile {
	void (*build)(struct pbuild *m);
	int status; /* of opening or of the run, whichever fails */
	const char *says;
} hostiles[] = {
    {tile, RT_BUDGET, "Tile"},
    {tile_overflows, RT_INPUT, "Tile"},
    {expand, RT_INPUT, "Expand"},
    {constant_of_shape, RT_INPUT, "ConstantOfShape"},
    {constants_add_up, RT_BUDGET, "do not fit into the budget"},
    {intermediates_add_up, RT_BUDGET, "bytes are needed at one time"},
    {pad, RT_BUDGET, "Pad"},
    {range, RT_INPUT, "Range"},
    {one_hot, RT_BUDGET, "OneHot"},
    {resize, RT_BUDGET, "Resize"},
    {conv_pads, RT_BUDGET, "Conv"},
    {outer_product, RT_BUDGET, "MatMul"},
    {concat_doubles, RT_BUDGET, "Concat"},
    {declared_input, RT_INPUT, "input 'x' has shape"},
    {initialiser_dims, RT_MALFORMED, "initialiser"},
    {split_into_crumbs, RT_BUDGET, "SplitToSequence"},
    {loop_for_ever, RT_CANCELLED, "longer than it may"},
    {loop_does_nothing, RT_CANCELLED, "longer than it may"},
    {loop_doubles, RT_BUDGET, "no room for what the iterations make"},
    {loop_stacks, RT_BUDGET, "no room for what the iterations make"},
    {loop_collects, RT_BUDGET, "(Loop): no memory left"},
    {scan_stacks, RT_BUDGET, "no room for output 0"},
    {loops_in_loops, RT_CANCELLED, "longer than it may"},
    {branches_in_branches, RT_MALFORMED, "nest"},
    {types_in_types, RT_MALFORMED, "nest"},
    {functions_in_functions, RT_MALFORMED, "too deeply"},
    {function_calls_itself, RT_MALFORMED, "too deeply"},
    {functions_multiply, RT_MALFORMED, "more than 65536 nodes"},
    {cycle, RT_MALFORMED, "depends on itself"},
    {reads_itself, RT_MALFORMED, "depends on itself"},
    {made_twice, RT_MALFORMED, "'y' is made twice"},
    {initialised_twice, RT_MALFORMED, "'w' is made twice"},
    {input_twice, RT_MALFORMED, "'x' is made twice"},
    {many_nodes, RT_BUDGET, "beyond its budget"},
};
#define HOSTILES ((int)(sizeof(hostiles) / sizeof(hostiles[0])))

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Open and run; what happened goes to ${err}. */
static int meet(struct rt_bytes file, struct rt_error *err)
{
	struct rt_model_opts opts = {.cpu_level = RT_CPU_SCALAR, .memory_budget = BUDGET};
	struct rt_run_opts run = {.deadline_ns = now_ns() + SECONDS * INT64_C(1000000000)};
	int64_t image[4] = {0, 1, 2, 3};
	struct rt_tensor in = {.data = image}, out[2];
	struct rt_team *team = rt_team_new(1);
	struct rt_session *session = NULL;
	struct rt_model *model = NULL;
	int status = rt_model_open(file, &opts, &model, err);

	if (status == RT_OK)
		status = rt_session_open(model, team, &session, err);
	if (status == RT_OK) {
		const struct rt_port *port = rt_model_input(model, 0);

		in.dtype = port->dtype;
		in.shape = port->shape;
		if (port->shape.dims[0] > 4) /* what nobody could give */
			in.shape = rt_shape_of(1, INT64_C(4));
		status = rt_session_run(session, &in, out, NULL, &run, err);
	}
	rt_session_close(session);
	rt_model_close(model);
	rt_team_free(team);
	return status;
}

/* A child that meets the model, or, for comparison, only has it in memory. */
static long child(const struct hostile *h, bool meets, int *ret_status, int64_t *ret_ns,
		  struct rt_error *err)
{
	struct rusage usage;
	int ends[2], status;
	pid_t pid;

	ck_assert_int_eq(pipe(ends), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct pbuild m = {0};
		struct rt_bytes file;

		h->build(&m);
		file = pbuild_finish(&m);
		err->text[0] = '\0';
		*ret_ns = now_ns();
		status = meets ? meet(file, err) : RT_OK;
		*ret_ns = now_ns() - *ret_ns;
		(void)!write(ends[1], &status, sizeof(status));
		(void)!write(ends[1], ret_ns, sizeof(*ret_ns));
		(void)!write(ends[1], err->text, sizeof(err->text));
		_exit(0);
	}
	close(ends[1]);
	*ret_status = 1;
	ck_assert_int_eq(read(ends[0], ret_status, sizeof(*ret_status)), sizeof(*ret_status));
	ck_assert_int_eq(read(ends[0], ret_ns, sizeof(*ret_ns)), sizeof(*ret_ns));
	ck_assert_int_eq(read(ends[0], err->text, sizeof(err->text)), sizeof(err->text));
	close(ends[0]);
	ck_assert_int_eq(wait4(pid, &status, 0, &usage), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "case %d dies",
		      (int)(h - hostiles));
	return usage.ru_maxrss; /* KiB */
}

START_TEST(is_stopped)
{
	static struct rt_error err;
	const struct hostile *h = &hostiles[_i];
	int status;
	int64_t ns;
	long before = child(h, false, &status, &ns, &err);
	long after = child(h, true, &status, &ns, &err);
	double seconds = (double)ns * 1e-9;

	ck_assert_msg(status == h->status, "case %d: %s (%s), not %s", _i, rt_status_text(status),
		      err.text, rt_status_text(h->status));
	ck_assert_msg(strstr(err.text, h->says) != NULL, "case %d: '%s' does not say '%s'", _i,
		      err.text, h->says);
	if (MEASURED) {
		ck_assert_msg((after - before) * 1024 <= (long)(BUDGET + BUDGET / 10),
			      "case %d: %ld KiB more than before", _i, after - before);
		ck_assert_msg(seconds < SECONDS + 4, "case %d takes %.1f s", _i, seconds);
	}
}
END_TEST

Suite *check_runtime_hostile(void)
{
	Suite *s = suite_create("runtime/hostile");
	TCase *t = tcase_create("hostile");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, is_stopped, 0, HOSTILES);
	suite_add_tcase(s, t);
	return s;
}
