/* SPDX-License-Identifier: MIT */
/*
 * The ONNX reader (runtime/onnx*.c): every encoding of a tensor, names, order,
 * functions, and files that are wrong in one way each.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/onnx.h"
#include "tests/lib/pbuild.h"
#include "tests/runtime/suites.h"

static struct rt_error err;

static int64_t one[] = {1}, two[] = {2}, three[] = {3}, four[] = {4};

static struct rt_graph *read_ok(struct pbuild *m, const struct rt_onnx_opts *opts)
{
	static const struct rt_onnx_opts none;
	struct rt_graph *g = NULL;
	int status = rt_onnx_read_model(pbuild_finish(m), opts != NULL ? opts : &none, &g, &err);

	ck_assert_msg(status == RT_OK, "%s", err.text);
	return g;
}

/* The model is refused with ${status} and a text that holds ${says}. */
static void refused_with(struct pbuild *m, const struct rt_onnx_opts *opts, int status,
			 const char *says)
{
	static const struct rt_onnx_opts none;
	struct rt_graph *g = NULL;

	err.text[0] = '\0';
	ck_assert_int_eq(
	    rt_onnx_read_model(pbuild_finish(m), opts != NULL ? opts : &none, &g, &err), status);
	ck_assert_msg(strstr(err.text, says) != NULL, "'%s' does not say '%s'", err.text, says);
	pbuild_free(m);
}

static const struct rt_tensor *constant_of(const struct rt_graph *g, const char *name)
{
	for (int v = 0; v < g->value_count; v++) {
		if (strcmp(g->values[v].name, name) == 0 && g->values[v].is_constant)
			return &g->values[v].constant;
	}
	ck_abort_msg("no constant %s", name);
	return NULL;
}

/* x → Relu → y, with whatever is added before the end. */
static void begin(struct pbuild *m)
{
	pbuild_model(m, 13);
	pbuild_input(m, "x", 1, 1, three);
	pbuild_node(m, "Relu", "x", "y", NULL);
	pbuild_output(m, "y", 1);
}

/* ---- what is right --------------------------------------------------------------------------- */

START_TEST(a_small_model)
{
	struct pbuild m = {0};
	struct rt_graph *g;

	begin(&m);
	g = read_ok(&m, NULL);
	ck_assert_int_eq(g->node_count, 1);
	ck_assert_str_eq(g->nodes[0].op_type, "Relu");
	ck_assert_int_eq(g->nodes[0].opset, 13);
	ck_assert_int_eq(g->opset[RT_ONNX], 13);
	ck_assert_int_eq(g->input_count, 1);
	ck_assert_str_eq(g->values[g->inputs[0]].name, "x");
	ck_assert_int_eq(g->values[g->inputs[0]].shape.dims[0], 3);
	ck_assert_str_eq(g->values[g->outputs[0]].name, "y");
	rt_graph_free(g);
	pbuild_free(&m);
}
END_TEST

/* One tensor with the same numbers in each typed field, and as raw bytes. */
START_TEST(every_encoding)
{
	static const float floats[] = {1.5f, -2};
	static const double doubles[] = {0.1, 1e300};
	static const uint8_t nibbles[] = {0x21, 0x03};
	struct pbuild m = {0}, t;
	const struct rt_tensor *c;
	struct rt_graph *g;

	begin(&m);
	t = (struct pbuild){0}; /* packed float_data */
	pbuild_tensor(&t, "packed", 1, 1, two, NULL, 0);
	pbuild_bytes(&t, 4, floats, sizeof(floats));
	pbuild_init(&m, &t);
	t = (struct pbuild){0}; /* float_data one by one */
	pbuild_tensor(&t, "single", 1, 1, two, NULL, 0);
	pbuild_float(&t, 4, 1.5f);
	pbuild_float(&t, 4, -2);
	pbuild_init(&m, &t);
	pbuild_init_f32(&m, "raw", 1, two, floats);
	t = (struct pbuild){0};
	pbuild_tensor(&t, "double", 11, 1, two, NULL, 0);
	pbuild_bytes(&t, 10, doubles, sizeof(doubles));
	pbuild_init(&m, &t);
	t = (struct pbuild){0}; /* int8 in int32_data */
	pbuild_tensor(&t, "int8", 3, 1, two, NULL, 0);
	pbuild_int(&t, 5, -3);
	pbuild_int(&t, 5, 127);
	pbuild_init(&m, &t);
	t = (struct pbuild){0}; /* float16 bits in int32_data */
	pbuild_tensor(&t, "half", 10, 1, two, NULL, 0);
	pbuild_int(&t, 5, 0x3c00);
	pbuild_int(&t, 5, 0xc000);
	pbuild_init(&m, &t);
	t = (struct pbuild){0};
	pbuild_tensor(&t, "int64", 7, 1, two, NULL, 0);
	pbuild_int(&t, 7, INT64_MIN);
	pbuild_int(&t, 7, 5);
	pbuild_init(&m, &t);
	t = (struct pbuild){0};
	pbuild_tensor(&t, "uint64", 13, 1, two, NULL, 0);
	pbuild_int(&t, 11, -1);
	pbuild_int(&t, 11, 5);
	pbuild_init(&m, &t);
	t = (struct pbuild){0};
	pbuild_tensor(&t, "string", 8, 1, two, NULL, 0);
	pbuild_string(&t, 6, "");
	pbuild_string(&t, 6, "abc");
	pbuild_init(&m, &t);
	t = (struct pbuild){0}; /* any non-zero byte is true */
	pbuild_tensor(&t, "bool", 9, 1, two, "\x00\x07", 2);
	pbuild_init(&m, &t);
	t = (struct pbuild){0}; /* three nibbles in two bytes */
	pbuild_tensor(&t, "uint4", 21, 1, three, nibbles, 2);
	pbuild_init(&m, &t);
	t = (struct pbuild){0}; /* the same, a byte per entry */
	pbuild_tensor(&t, "uint4 typed", 21, 1, three, NULL, 0);
	pbuild_int(&t, 5, 0x21);
	pbuild_int(&t, 5, 0x03);
	pbuild_init(&m, &t);

	g = read_ok(&m, NULL);
	ck_assert(memcmp(constant_of(g, "packed")->data, floats, sizeof(floats)) == 0);
	ck_assert(memcmp(constant_of(g, "single")->data, floats, sizeof(floats)) == 0);
	ck_assert(memcmp(constant_of(g, "raw")->data, floats, sizeof(floats)) == 0);
	ck_assert(memcmp(constant_of(g, "double")->data, doubles, sizeof(doubles)) == 0);
	ck_assert(memcmp(constant_of(g, "int8")->data, "\xfd\x7f", 2) == 0);
	ck_assert(memcmp(constant_of(g, "half")->data, "\x00\x3c\x00\xc0", 4) == 0);
	ck_assert_int_eq(((int64_t *)constant_of(g, "int64")->data)[0], INT64_MIN);
	ck_assert(((uint64_t *)constant_of(g, "uint64")->data)[0] == UINT64_MAX);
	c = constant_of(g, "string");
	ck_assert_uint_eq(((struct rt_str *)c->data)[0].size, 0);
	ck_assert(memcmp(((struct rt_str *)c->data)[1].bytes, "abc", 3) == 0);
	ck_assert(memcmp(constant_of(g, "bool")->data, "\x00\x01", 2) == 0);
	ck_assert(memcmp(constant_of(g, "uint4")->data, nibbles, 2) == 0);
	ck_assert(memcmp(constant_of(g, "uint4 typed")->data, nibbles, 2) == 0);
	for (int v = 0; v < g->value_count; v++) {
		const struct rt_tensor *k = &g->values[v].constant;
		unsigned bits = rt_dtype_bits(k->dtype);

		if (g->values[v].is_constant && bits > 8 && k->dtype != RT_STR)
			ck_assert_uint_eq((uintptr_t)k->data % (bits / 8), 0);
	}
	rt_graph_free(g);
	pbuild_free(&m);
}
END_TEST

/* Aligned raw data stay where they are; the same at an odd address are copied. */
START_TEST(aligned_weights_are_views)
{
	static const uint8_t bytes[16];
	bool viewed = false, copied = false;

	for (int shift = 0; shift < 4; shift++) {
		struct pbuild m = {0};
		const uint8_t *data;
		struct rt_graph *g;
		char pad[8] = "pppp";

		begin(&m);
		pad[shift] = '\0';
		pbuild_string(m.graph, 10, pad); /* doc_string */
		pbuild_init_f32(&m, "w", 1, four, (const float *)(const void *)bytes);
		g = read_ok(&m, NULL);
		data = constant_of(g, "w")->data;
		ck_assert_uint_eq((uintptr_t)data % 4, 0);
		if (data >= m.data && data < m.data + m.size)
			viewed = true;
		else
			copied = true;
		rt_graph_free(g);
		pbuild_free(&m);
	}
	ck_assert(viewed && copied);
}
END_TEST

START_TEST(sparse_tensors_are_made_dense)
{
	static const float values[] = {5, 7};
	static const int64_t flat[] = {1, 4}, pairs[] = {0, 1, 1, 1}, outside[] = {1, 6};
	static const float want[] = {0, 5, 0, 0, 7, 0};
	const int64_t *indices[] = {flat, pairs, outside};

	for (int kind = 0; kind < 3; kind++) {
		struct pbuild m = {0}, sparse = {0}, t = {0};
		int64_t shape[] = {2, 2};
		struct rt_graph *g;

		begin(&m);
		pbuild_tensor(&t, "s", 1, 1, two, values, sizeof(values));
		pbuild_message(&sparse, 1, &t);
		pbuild_tensor(&t, "", 7, kind == 1 ? 2 : 1, shape, indices[kind],
			      kind == 1 ? 32 : 16);
		pbuild_message(&sparse, 2, &t);
		pbuild_int(&sparse, 3, 2);
		pbuild_int(&sparse, 3, 3);
		pbuild_message(m.graph, 15, &sparse);
		if (kind == 2) {
			refused_with(&m, NULL, RT_MALFORMED, "outside");
			continue;
		}
		g = read_ok(&m, NULL);
		ck_assert(memcmp(constant_of(g, "s")->data, want, sizeof(want)) == 0);
		rt_graph_free(g);
		pbuild_free(&m);
	}
}
END_TEST

/* Nodes may come in any order; a constant is a value, not a node. */
START_TEST(order_and_constants)
{
	struct pbuild m = {0}, attr = {0}, t = {0}, a = {0};
	struct rt_graph *g;

	pbuild_model(&m, 13);
	pbuild_node(&m, "Add", "b c", "y", NULL);
	pbuild_node(&m, "Relu", "x", "b", NULL);
	pbuild_tensor(&t, "", 1, 1, one, "\0\0\x80\x3f", 4);
	pbuild_string(&a, 1, "value");
	pbuild_message(&a, 5, &t);
	pbuild_int(&a, 20, 4);
	pbuild_message(&attr, 5, &a);
	pbuild_node(&m, "Constant", "", "c", &attr);
	pbuild_input(&m, "x", 1, 1, three);
	pbuild_output(&m, "y", 1);
	g = read_ok(&m, NULL);
	ck_assert_int_eq(g->node_count, 2);
	ck_assert_str_eq(g->nodes[0].op_type, "Relu");
	ck_assert_str_eq(g->nodes[1].op_type, "Add");
	ck_assert(*(const float *)constant_of(g, "c")->data == 1);
	rt_graph_free(g);
	pbuild_free(&m);
}
END_TEST

/* f(a, alpha) = LeakyRelu(Neg(a)), called twice; the attribute comes from the call. */
START_TEST(functions_take_the_place_of_calls)
{
	struct pbuild m = {0}, f = {0}, node = {0}, a = {0}, import = {0}, attr = {0};
	struct rt_graph *g;

	pbuild_model(&m, 13);
	pbuild_string(&import, 1, "own");
	pbuild_int(&import, 2, 1);
	pbuild_message(&m, 8, &import);
	pbuild_string(&f, 1, "F");
	pbuild_string(&f, 10, "own");
	pbuild_string(&f, 4, "a");
	pbuild_string(&f, 5, "r");
	pbuild_string(&f, 6, "slope");
	pbuild_string(&node, 1, "a");
	pbuild_string(&node, 2, "t");
	pbuild_string(&node, 4, "Neg");
	pbuild_message(&f, 7, &node);
	pbuild_string(&node, 1, "t");
	pbuild_string(&node, 2, "r");
	pbuild_string(&node, 4, "LeakyRelu");
	pbuild_string(&a, 1, "alpha");
	pbuild_string(&a, 21, "slope");
	pbuild_message(&node, 5, &a);
	pbuild_message(&f, 7, &node);
	pbuild_int(&import, 2, 13);
	pbuild_message(&f, 9, &import);
	pbuild_message(&m, 25, &f);
	for (int i = 0; i < 2; i++) {
		pbuild_string(&attr, 7, "own"); /* the node's domain */
		pbuild_string(&a, 1, "slope");
		pbuild_float(&a, 2, 0.25f + (float)i);
		pbuild_int(&a, 20, 1);
		pbuild_message(&attr, 5, &a);
		pbuild_node(&m, "F", i == 0 ? "x" : "m", i == 0 ? "m" : "y", &attr);
	}
	pbuild_input(&m, "x", 1, 1, three);
	pbuild_output(&m, "y", 1);
	g = read_ok(&m, NULL);
	ck_assert_int_eq(g->node_count, 4);
	ck_assert_str_eq(g->nodes[0].op_type, "Neg");
	ck_assert_str_eq(g->nodes[3].op_type, "LeakyRelu");
	ck_assert_int_eq(g->nodes[3].opset, 13);
	ck_assert(rt_node_float(&g->nodes[1], "alpha", 0) == 0.25f);
	ck_assert(rt_node_float(&g->nodes[3], "alpha", 0) == 1.25f);
	ck_assert_int_eq(g->nodes[2].in[0], g->nodes[1].out[0]);
	rt_graph_free(g);
	pbuild_free(&m);
}
END_TEST

/* ---- external data --------------------------------------------------------------------------- */

static const _Alignas(64) uint8_t shard[64] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static int asked;

static int find(void *arg, const char *location, struct rt_bytes *out)
{
	(void)arg;
	asked++;
	if (strcmp(location, "dir/shard.bin") != 0)
		return RT_NOT_FOUND;
	*out = (struct rt_bytes){shard, sizeof(shard)};
	return RT_OK;
}

static const struct rt_onnx_opts with_find = {.find = find};

/* A float tensor [1] at ${offset}, ${length} of ${location}. */
static void external(struct pbuild *m, const char *name, const char *location, const char *offset,
		     const char *length)
{
	struct pbuild t = {0}, e = {0};
	const char *keys[] = {"location", "offset", "length"};
	const char *values[] = {location, offset, length};

	pbuild_tensor(&t, name, 1, 1, one, NULL, 0);
	for (int i = 0; i < 3; i++) {
		if (values[i] == NULL)
			continue;
		pbuild_string(&e, 1, keys[i]);
		pbuild_string(&e, 2, values[i]);
		pbuild_message(&t, 13, &e);
	}
	pbuild_int(&t, 14, 1);
	pbuild_init(m, &t);
}

START_TEST(external_data_are_found_once)
{
	struct pbuild m = {0};
	struct rt_graph *g;

	asked = 0;
	begin(&m);
	external(&m, "a", "dir/shard.bin", "4", "4");
	external(&m, "b", "./dir/shard.bin", "60", NULL);
	external(&m, "c", "dir/shard.bin", NULL, NULL);
	g = read_ok(&m, &with_find);
	ck_assert_int_eq(asked, 1);
	ck_assert_ptr_eq(constant_of(g, "a")->data, shard + 4);
	ck_assert_ptr_eq(constant_of(g, "b")->data, shard + 60);
	ck_assert_ptr_eq(constant_of(g, "c")->data, shard);
	rt_graph_free(g);
	pbuild_free(&m);
}
END_TEST

START_TEST(external_data_stay_inside)
{
	static const char *const unsafe[] = {"/etc/passwd", "../w", "a/../b", "a//b", "a\\b",
					     "a/",          "..",   ".",      "",     "a/./b",
					     "//a",         "a/..", "./../w"};
	static const char *const numbers[][2] = {
	    {"61", "4"}, {"64", "4"},  {"18446744073709551613", "4"},    {"-4", "4"}, {"0", "8"},
	    {"0", "0"},  {"0x4", "4"}, {"99999999999999999999999", "4"}, {"4 ", "4"},
	};
	struct pbuild m = {0};

	for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++) {
		begin(&m);
		external(&m, "w", unsafe[i], "0", "4");
		asked = 0;
		refused_with(&m, &with_find, RT_MALFORMED, "outside of the model");
		ck_assert_int_eq(asked, 0);
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		begin(&m);
		external(&m, "w", "dir/shard.bin", numbers[i][0], numbers[i][1]);
		refused_with(&m, &with_find, RT_MALFORMED, "'w'");
	}
	begin(&m);
	external(&m, "w", "other.bin", "0", "4");
	refused_with(&m, &with_find, RT_NOT_FOUND, "other.bin");
	begin(&m);
	external(&m, "w", "dir/shard.bin", "0", "4");
	refused_with(&m, NULL, RT_NOT_FOUND, "dir/shard.bin");
}
END_TEST

/* ---- what is wrong --------------------------------------------------------------------------- */

START_TEST(names_must_make_sense)
{
	struct pbuild m = {0};
	static const float w[3];

	begin(&m);
	pbuild_node(&m, "Relu", "x", "y", NULL);
	refused_with(&m, NULL, RT_MALFORMED, "'y' is made twice");
	begin(&m);
	pbuild_node(&m, "Relu", "nowhere", "z", NULL);
	refused_with(&m, NULL, RT_MALFORMED, "'nowhere' is read, but nothing makes it");
	begin(&m);
	pbuild_init_f32(&m, "w", 1, three, w);
	pbuild_init_f32(&m, "w", 1, three, w);
	refused_with(&m, NULL, RT_MALFORMED, "'w' is made twice");
	begin(&m);
	pbuild_input(&m, "x", 1, 1, three);
	refused_with(&m, NULL, RT_MALFORMED, "'x' is made twice");
	begin(&m);
	pbuild_output(&m, "z", 1);
	refused_with(&m, NULL, RT_MALFORMED, "'z' is read, but nothing makes it");
	begin(&m);
	pbuild_node(&m, "Relu", "b", "a", NULL);
	pbuild_node(&m, "Relu", "a", "b", NULL);
	refused_with(&m, NULL, RT_MALFORMED, "depends on itself");
	begin(&m);
	pbuild_node(&m, "Relu", "x", "\xff\xfe", NULL);
	refused_with(&m, NULL, RT_MALFORMED, "not UTF-8");
	begin(&m);
	pbuild_node(&m, "", "x", "z", NULL);
	refused_with(&m, NULL, RT_MALFORMED, "names no operator");
}
END_TEST

START_TEST(tensors_must_make_sense)
{
	static const uint8_t bytes[64];
	static int64_t huge[] = {INT64_C(1) << 62, 4}, minus[] = {-1}, nine[9];
	struct {
		int64_t type;
		int rank;
		const int64_t *dims;
		size_t bytes;
		int status;
		const char *says;
	} bad[] = {
	    {1, 1, three, 11, RT_MALFORMED, "needs 12 bytes, 11 are given"},
	    {1, 1, three, 16, RT_MALFORMED, "needs 12 bytes, 16 are given"},
	    {1, 2, huge, 4, RT_MALFORMED, "no shape"},
	    {1, 1, minus, 4, RT_MALFORMED, "no shape"},
	    {1, 9, nine, 4, RT_UNSUPPORTED, "dimensions"},
	    {0, 1, one, 4, RT_MALFORMED, "no element type"},
	    {14, 1, one, 8, RT_UNSUPPORTED, "element type 14"},
	    {999, 1, one, 8, RT_UNSUPPORTED, "element type 999"},
	    {8, 1, one, 8, RT_MALFORMED, "raw"},
	};
	struct pbuild m = {0}, t = {0};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		begin(&m);
		pbuild_tensor(&t, "w", bad[i].type, bad[i].rank, bad[i].dims, bytes, bad[i].bytes);
		pbuild_init(&m, &t);
		refused_with(&m, NULL, bad[i].status, bad[i].says);
	}
	begin(&m); /* two places */
	pbuild_tensor(&t, "w", 1, 1, two, NULL, 0);
	pbuild_float(&t, 4, 1);
	pbuild_int(&t, 5, 1);
	pbuild_init(&m, &t);
	refused_with(&m, NULL, RT_MALFORMED, "two places");
	begin(&m); /* the wrong place */
	pbuild_tensor(&t, "w", 1, 1, one, NULL, 0);
	pbuild_int(&t, 5, 1);
	pbuild_init(&m, &t);
	refused_with(&m, NULL, RT_MALFORMED, "another type");
	begin(&m); /* too few */
	pbuild_tensor(&t, "w", 1, 1, two, NULL, 0);
	pbuild_float(&t, 4, 1);
	pbuild_init(&m, &t);
	refused_with(&m, NULL, RT_MALFORMED, "needs 2 elements, 1 are given");
}
END_TEST

START_TEST(files_that_are_no_models)
{
	static const char *const texts[] = {"", "<!DOCTYPE html>", "version https://git-lfs", "{}",
					    "\x08\x08"};
	static const struct rt_onnx_opts none;
	struct rt_graph *g;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct rt_bytes file = {texts[i], strlen(texts[i])};

		ck_assert_int_eq(rt_onnx_read_model(file, &none, &g, &err), RT_MALFORMED);
		ck_assert_uint_gt(strlen(err.text), 5);
	}
}
END_TEST

/* If in If in If …: the reader stops at its depth, not at the end of the stack. */
START_TEST(deep_nesting_is_refused)
{
	struct pbuild graph = {0}, m = {0};

	for (int i = 0; i < 2000; i++) {
		struct pbuild outer = {0}, holder = {.graph = &outer}, attrs = {0};

		pbuild_attr_graph(&attrs, "then_branch", &graph);
		pbuild_node(&holder, "If", "c", "o", &attrs);
		graph = outer;
	}
	pbuild_model(&m, 13);
	pbuild_raw(m.graph, graph.data, graph.size);
	pbuild_free(&graph);
	refused_with(&m, NULL, RT_MALFORMED, "nested deeper");
}
END_TEST

/* Functions that call two of the next: 2^40 nodes, were they all put in. */
START_TEST(functions_cannot_multiply)
{
	struct pbuild m = {0}, import = {0}, attr = {0};
	char name[8];

	pbuild_model(&m, 13);
	pbuild_string(&import, 1, "own");
	pbuild_int(&import, 2, 1);
	pbuild_message(&m, 8, &import);
	for (int i = 0; i < 15; i++) {
		struct pbuild f = {0}, node = {0};

		(void)snprintf(name, sizeof(name), "F%d", i);
		pbuild_string(&f, 1, name);
		pbuild_string(&f, 10, "own");
		(void)snprintf(name, sizeof(name), "F%d", i + 1);
		for (int k = 0; k < 20; k++) {
			pbuild_string(&node, 4, name);
			pbuild_string(&node, 7, "own");
			pbuild_message(&f, 7, &node);
		}
		pbuild_message(&m, 25, &f);
	}
	pbuild_string(&attr, 7, "own");
	pbuild_node(&m, "F0", "", "", &attr);
	refused_with(&m, NULL, RT_MALFORMED, "more than");
	pbuild_model(&m, 13); /* one that calls itself */
	{
		struct pbuild f = {0}, node = {0};

		pbuild_string(&f, 1, "F");
		pbuild_string(&f, 10, "own");
		pbuild_string(&node, 4, "F");
		pbuild_string(&node, 7, "own");
		pbuild_message(&f, 7, &node);
		pbuild_message(&m, 25, &f);
	}
	pbuild_string(&attr, 7, "own");
	pbuild_node(&m, "F", "", "", &attr);
	refused_with(&m, NULL, RT_MALFORMED, "too deeply");
}
END_TEST

START_TEST(the_budget_holds)
{
	struct rt_onnx_opts opts = {.memory_budget = 1 << 20};
	struct pbuild m = {0}, sparse = {0}, t = {0};

	begin(&m);
	pbuild_tensor(&t, "s", 1, 1, one, "\0\0\0\0", 4);
	pbuild_message(&sparse, 1, &t);
	pbuild_tensor(&t, "", 7, 1, one, "\0\0\0\0\0\0\0\0", 8);
	pbuild_message(&sparse, 2, &t);
	pbuild_int(&sparse, 3, INT64_C(1) << 40);
	pbuild_message(m.graph, 15, &sparse);
	refused_with(&m, &opts, RT_BUDGET, "budget of 1048576 bytes");
}
END_TEST

START_TEST(single_tensors_are_read)
{
	static const float data[] = {1, 2, 3};
	struct rt_graph *g = rt_graph_new();
	struct pbuild t = {0};
	struct rt_tensor out;
	const char *name;

	pbuild_tensor(&t, "in", 1, 1, three, data, sizeof(data));
	ck_assert_int_eq(
	    rt_onnx_read_tensor((struct rt_bytes){t.data, t.size}, g, &name, &out, &err), RT_OK);
	ck_assert_str_eq(name, "in");
	ck_assert(memcmp(out.data, data, sizeof(data)) == 0);
	for (size_t size = 0; size < t.size; size++) {
		struct rt_bytes part = {t.data, size};

		ck_assert_int_lt(rt_onnx_read_tensor(part, g, &name, &out, &err), 0);
	}
	pbuild_free(&t);
	rt_graph_free(g);
}
END_TEST

Suite *check_runtime_onnx(void)
{
	Suite *suite = suite_create("runtime_onnx");
	TCase *right = tcase_create("right"), *wrong = tcase_create("wrong");

	tcase_add_test(right, a_small_model);
	tcase_add_test(right, every_encoding);
	tcase_add_test(right, aligned_weights_are_views);
	tcase_add_test(right, sparse_tensors_are_made_dense);
	tcase_add_test(right, order_and_constants);
	tcase_add_test(right, functions_take_the_place_of_calls);
	tcase_add_test(right, external_data_are_found_once);
	tcase_add_test(right, single_tensors_are_read);
	tcase_add_test(wrong, external_data_stay_inside);
	tcase_add_test(wrong, names_must_make_sense);
	tcase_add_test(wrong, tensors_must_make_sense);
	tcase_add_test(wrong, files_that_are_no_models);
	tcase_add_test(wrong, deep_nesting_is_refused);
	tcase_add_test(wrong, functions_cannot_multiply);
	tcase_add_test(wrong, the_budget_holds);
	suite_add_tcase(suite, right);
	suite_add_tcase(suite, wrong);
	return suite;
}
