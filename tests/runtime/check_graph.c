/* SPDX-License-Identifier: MIT */
/*
 * Graphs (runtime/graph.c, graph_sort.c, node.c, names.c, memory.c): order,
 * cycles, uses, and what is dropped.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/graph.h"
#include "runtime/names.h"
#include "tests/runtime/suites.h"

static struct rt_error err;

static int node(struct rt_graph *g, const char *op, int in, int out)
{
	int at = rt_graph_add_node(g, RT_ONNX, op, 1, 1, 0);

	ck_assert_int_ge(at, 0);
	g->nodes[at].in[0] = in;
	g->nodes[at].out[0] = out;
	g->values[out].producer = at;
	return at;
}

/* Values v0 … v${count−1}, v0 the input, the last one the output. */
static struct rt_graph *values(int count)
{
	struct rt_graph *g = rt_graph_new();
	char name[32];

	ck_assert_ptr_nonnull(g);
	for (int i = 0; i < count; i++) {
		(void)snprintf(name, sizeof(name), "v%d", i);
		ck_assert_int_eq(
		    rt_graph_add_value(g, rt_graph_strdup(g, name, strlen(name)), RT_F32), i);
	}
	g->inputs = rt_graph_alloc(g, sizeof(int));
	g->outputs = rt_graph_alloc(g, sizeof(int));
	g->input_count = g->output_count = 1;
	g->outputs[0] = count - 1;
	g->values[0].is_input = true;
	g->values[count - 1].is_output = true;
	return g;
}

START_TEST(nodes_are_put_in_order)
{
	enum { N = 1000 };
	struct rt_graph *g = values(N + 1);

	for (int i = N; i > 0; i--)
		(void)node(g, "Relu", i - 1, i);
	ck_assert_int_eq(rt_graph_sort(g, &err), RT_OK);
	for (int i = 0; i < N; i++) {
		ck_assert_int_eq(g->nodes[i].in[0], i);
		ck_assert_int_eq(g->values[i + 1].producer, i);
	}
	rt_graph_free(g);
}
END_TEST

/* Random graphs, shuffled: every node comes after what it reads. */
START_TEST(any_order_is_sorted)
{
	enum { N = 40 };
	int order[N];

	srand(7);
	for (int round = 0; round < 200; round++) {
		struct rt_graph *g = values(N + 1);

		for (int i = 0; i < N; i++)
			order[i] = i + 1;
		for (int i = N - 1; i > 0; i--) {
			int k = rand() % (i + 1), swap = order[i];

			order[i] = order[k];
			order[k] = swap;
		}
		for (int i = 0; i < N; i++) {
			int at = rt_graph_add_node(g, RT_ONNX, "Add", 2, 1, 0);

			g->nodes[at].in[0] = rand() % order[i];
			g->nodes[at].in[1] = rand() % order[i];
			g->nodes[at].out[0] = order[i];
			g->values[order[i]].producer = at;
		}
		ck_assert_int_eq(rt_graph_sort(g, &err), RT_OK);
		for (int i = 0; i < N; i++) {
			ck_assert_int_lt(g->values[g->nodes[i].in[0]].producer, i);
			ck_assert_int_lt(g->values[g->nodes[i].in[1]].producer, i);
			ck_assert_int_eq(g->values[g->nodes[i].out[0]].producer, i);
		}
		rt_graph_free(g);
	}
}
END_TEST

START_TEST(cycles_are_named)
{
	struct rt_graph *g = values(5);

	(void)node(g, "Relu", 0, 1);
	(void)node(g, "Relu", 3, 2);
	(void)node(g, "Relu", 2, 3);
	(void)node(g, "Relu", 1, 4);
	ck_assert_int_eq(rt_graph_sort(g, &err), RT_MALFORMED);
	ck_assert_ptr_nonnull(strstr(err.text, "depends on itself"));
	ck_assert(strstr(err.text, "v2") != NULL || strstr(err.text, "v3") != NULL);
	rt_graph_free(g);
	g = values(2);
	(void)node(g, "Relu", 1, 1);
	ck_assert_int_eq(rt_graph_sort(g, &err), RT_MALFORMED);
	rt_graph_free(g);
}
END_TEST

START_TEST(what_nothing_needs_goes)
{
	struct rt_graph *g = values(6);

	(void)node(g, "Relu", 0, 1);
	(void)node(g, "Abs", 1, 2); /* nobody reads 2 */
	(void)node(g, "Neg", 1, 3);
	(void)node(g, "Exp", 3, 4); /* dead by hand: 5 reads 3 instead */
	(void)node(g, "Log", 4, 5);
	ck_assert_int_eq(rt_graph_use_count(g, 1), 2);
	ck_assert_int_eq(rt_graph_use_count(g, 5), 1); /* as an output */
	rt_graph_replace_uses(g, 4, 3);
	g->nodes[3].dead = true;
	rt_graph_compact(g);
	ck_assert_int_eq(g->node_count, 3);
	ck_assert_str_eq(g->nodes[0].op_type, "Relu");
	ck_assert_str_eq(g->nodes[1].op_type, "Neg");
	ck_assert_str_eq(g->nodes[2].op_type, "Log");
	ck_assert_int_eq(g->nodes[2].in[0], 3);
	ck_assert_int_eq(g->values[2].producer, -1);
	ck_assert_int_eq(g->values[5].producer, 2);
	rt_graph_free(g);
}
END_TEST

START_TEST(sub_graphs_use_outer_values)
{
	struct rt_graph *g = values(3), *sub;
	int at, inner, seen = 0, v;
	struct rt_uses u;

	(void)node(g, "Relu", 0, 1);
	at = rt_graph_add_node(g, RT_ONNX, "If", 1, 1, 1);
	g->nodes[at].in[0] = 0;
	g->nodes[at].out[0] = 2;
	g->values[2].producer = at;
	sub = rt_graph_new_child(g);
	inner = rt_graph_add_value(sub, "inner", RT_F32);
	sub->values[inner].outer = 1;
	sub->outputs = rt_graph_alloc(sub, sizeof(int));
	sub->outputs[0] = inner;
	sub->output_count = 1;
	g->nodes[at].attrs[0] =
	    (struct rt_attr){.name = "then_branch", .kind = RT_ATTR_GRAPH, .graph = sub};
	u = rt_graph_uses(&g->nodes[at]);
	while ((v = rt_graph_next_use(&u)) != RT_NO_VALUE)
		seen = seen * 10 + v + 1;
	ck_assert_int_eq(seen, 12); /* its input 0, then 1 inside */
	ck_assert_int_eq(rt_graph_use_count(g, 1), 1);
	rt_graph_compact(g);
	ck_assert_int_eq(g->node_count, 2);
	rt_graph_replace_uses(g, 1, 0);
	ck_assert_int_eq(sub->values[inner].outer, 0);
	rt_graph_free(g);
}
END_TEST

START_TEST(attributes_have_defaults)
{
	static const int64_t two[] = {3, 4};
	struct rt_graph *g = values(2);
	struct rt_attr attrs[] = {
	    {.name = "a", .kind = RT_ATTR_INT, .i = 7},
	    {.name = "l", .kind = RT_ATTR_INTS, .count = 2, .ints = two},
	    {.name = "s", .kind = RT_ATTR_STRING, .s = {"same", 4}},
	    {.name = "f", .kind = RT_ATTR_FLOAT, .f = 0.5f},
	};
	struct rt_node n = {.op_type = "X", .name = "", .attr_count = 4, .attrs = attrs};
	char label[32];
	int64_t count;

	ck_assert_int_eq(rt_node_int(&n, "a", 1), 7);
	ck_assert_int_eq(rt_node_int(&n, "f", 1), 1); /* not an integer */
	ck_assert(rt_node_float(&n, "f", 1) == 0.5f);
	ck_assert(rt_node_float(&n, "none", 2) == 2);
	ck_assert_ptr_eq(rt_node_ints(&n, "l", &count), two);
	ck_assert_int_eq(count, 2);
	ck_assert_ptr_null(rt_node_ints(&n, "a", &count));
	ck_assert_int_eq(count, 0);
	ck_assert(rt_node_string_is(&n, "s", "same", ""));
	ck_assert(!rt_node_string_is(&n, "s", "sam", ""));
	ck_assert(rt_node_string_is(&n, "none", "def", "def"));
	ck_assert_str_eq(rt_node_label(&n, label, sizeof(label)), "a X node");
	rt_graph_free(g);
}
END_TEST

START_TEST(names_keep_their_numbers)
{
	struct rt_names t;
	static char text[5000][12];
	struct rt_str empty = {NULL, 0};

	rt_names_init(&t);
	ck_assert_ptr_null(rt_names_find(&t, empty));
	for (int i = 0; i < 5000; i++) {
		int len = snprintf(text[i], sizeof(text[i]), "name%d", i);
		int *slot = rt_names_put(&t, (struct rt_str){text[i], (size_t)len});

		ck_assert_int_eq(*slot, -1);
		*slot = i;
	}
	for (int i = 0; i < 5000; i++) {
		struct rt_str s = {text[i], strlen(text[i])};

		ck_assert_int_eq(*rt_names_find(&t, s), i);
		ck_assert_int_eq(*rt_names_put(&t, s), i);
	}
	ck_assert_ptr_null(rt_names_find(&t, (struct rt_str){"name", 4}));
	*rt_names_put(&t, empty) = 9;
	ck_assert_int_eq(*rt_names_find(&t, empty), 9);
	rt_names_release(&t);
}
END_TEST

/* Large pieces can be given back one by one; small ones cannot, and others stay. */
START_TEST(memory_can_be_given_back)
{
	struct rt_memory m = {.budget = 1 << 20};
	unsigned char *small, *large, *other;
	size_t before;

	large = rt_memory_take(&m, 100000, 64); /* the first block of all */
	small = rt_memory_take(&m, 20, 1);
	before = m.bytes;
	other = rt_memory_take(&m, 65536, 64);
	memset(large, 1, 100000);
	memset(small, 2, 20);
	memset(other, 3, 65536);
	ck_assert(!rt_memory_give_back(&m, small, 20));
	ck_assert(!rt_memory_give_back(&m, &before, 100000));
	ck_assert(rt_memory_give_back(&m, other, 65536));
	ck_assert_uint_eq(m.bytes, before);
	ck_assert(rt_memory_give_back(&m, large, 100000));
	ck_assert(!rt_memory_give_back(&m, large, 100000));
	ck_assert_uint_lt(m.bytes, before - 99999);
	ck_assert_uint_eq(small[19], 2);
	rt_memory_release(&m);
}
END_TEST

/* Pages of a part go, its neighbours and the count stay. */
START_TEST(memory_can_be_forgotten)
{
	const size_t size = (size_t)1 << 20, part = size / 2;
	struct rt_memory m = {.budget = 4 << 20};
	unsigned char *large = rt_memory_take(&m, size, 64), *small = rt_memory_take(&m, 20, 1);
	size_t before = m.bytes, zeros = 0;

	memset(large, 1, size);
	memset(small, 2, 20);
	ck_assert(!rt_memory_forget(&m, small, 20));
	ck_assert(!rt_memory_forget(&m, &before, part));
	ck_assert(rt_memory_forget(&m, large + part / 2, part));
	ck_assert_uint_eq(m.bytes, before);
	for (size_t i = 0; i < size; i++) {
		if (i < part / 2 || i >= part / 2 + part)
			ck_assert_uint_eq(large[i], 1);
		zeros += large[i] == 0;
	}
	ck_assert_uint_gt(zeros, part / 2);
	ck_assert_uint_eq(small[19], 2);
	ck_assert(rt_memory_give_back(&m, large, size));
	rt_memory_release(&m);
}
END_TEST

START_TEST(memory_keeps_to_its_budget)
{
	struct rt_memory m = {.budget = 1 << 20};
	unsigned char *p;

	for (int i = 0; i < 200; i++) {
		p = rt_memory_take(&m, (size_t)i * 7, 64);
		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((uintptr_t)p % 64, 0);
		for (int k = 0; k < i * 7; k++) {
			ck_assert_uint_eq(p[k], 0);
			p[k] = 0xff;
		}
	}
	ck_assert_ptr_null(rt_memory_take(&m, 1 << 20, 64));
	ck_assert_ptr_null(rt_memory_take(&m, SIZE_MAX, 64));
	ck_assert_ptr_null(rt_memory_take(&m, SIZE_MAX - 32, 64));
	ck_assert_ptr_nonnull(rt_memory_take(&m, 1 << 18, 64));
	ck_assert_uint_le(m.bytes, m.budget);
	rt_memory_release(&m);
	ck_assert_uint_eq(m.bytes, 0);
}
END_TEST

Suite *check_runtime_graph(void)
{
	Suite *suite = suite_create("runtime_graph");
	TCase *c = tcase_create("graph");

	tcase_add_test(c, nodes_are_put_in_order);
	tcase_add_test(c, any_order_is_sorted);
	tcase_add_test(c, cycles_are_named);
	tcase_add_test(c, what_nothing_needs_goes);
	tcase_add_test(c, sub_graphs_use_outer_values);
	tcase_add_test(c, attributes_have_defaults);
	tcase_add_test(c, names_keep_their_numbers);
	tcase_add_test(c, memory_can_be_given_back);
	tcase_add_test(c, memory_can_be_forgotten);
	tcase_add_test(c, memory_keeps_to_its_budget);
	suite_add_tcase(suite, c);
	return suite;
}
