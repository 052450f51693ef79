/* SPDX-License-Identifier: MIT */
/*
 * CastMap (ai.onnx.ml 1): maps are handed in, keys in any order; the expected
 * numbers follow from the operator's text.
 */
#include <config.h>

#include <string.h>

#include "tests/runtime/opened.h"
#include "tests/runtime/suites.h"

enum { FLOAT = 1, INT64 = 7, STRING = 8 };

/* Reading input m: map(int64, tensor(of)). */
static void map_input(struct pbuild *m, int64_t of)
{
	struct pbuild elem = {0}, type = {0}, map = {0}, whole = {0}, info = {0};

	pbuild_int(&elem, 1, of);
	pbuild_message(&type, 1, &elem);
	pbuild_int(&map, 1, INT64);
	pbuild_message(&map, 2, &type);
	pbuild_message(&whole, 5, &map);
	pbuild_string(&info, 1, "m");
	pbuild_message(&info, 2, &whole);
	pbuild_message(m->graph, 11, &info);
}

static void text_attr(struct pbuild *attrs, const char *name, const char *value)
{
	struct pbuild a = {0};

	pbuild_string(&a, 1, name);
	pbuild_string(&a, 4, value);
	pbuild_int(&a, 20, 3);
	pbuild_message(attrs, 5, &a);
}

struct cast_map {
	struct opened o;
	struct rt_tensor items[2];
	struct rt_list pair;
	struct rt_tensor in, out;
};

/* ${n} pairs of ${keys} and ${values} through CastMap; max_map 0: DENSE. */
static void open_map(struct cast_map *c, int64_t n, int64_t *keys, enum rt_dtype t, void *values,
		     const char *cast_to, int64_t max_map, int64_t out_type)
{
	struct pbuild attrs = {0}, import = {0};

	memset(c, 0, sizeof(*c));
	c->items[0] = (struct rt_tensor){RT_I64, {1, {n}}, keys};
	c->items[1] = (struct rt_tensor){t, {1, {n}}, values};
	c->pair = (struct rt_list){2, c->items};
	c->in = (struct rt_tensor){.dtype = (enum rt_dtype)(RT_MAP_I64 | t), .data = &c->pair};
	pbuild_model(&c->o.m, 17);
	pbuild_string(&import, 1, "ai.onnx.ml");
	pbuild_int(&import, 2, 1);
	pbuild_message(&c->o.m, 8, &import);
	map_input(&c->o.m, t == RT_STR ? STRING : FLOAT);
	pbuild_string(&attrs, 7, "ai.onnx.ml");
	text_attr(&attrs, "cast_to", cast_to);
	if (max_map > 0) {
		text_attr(&attrs, "map_form", "SPARSE");
		pbuild_attr_int(&attrs, "max_map", max_map);
	}
	pbuild_node(&c->o.m, "CastMap", "m", "y", &attrs);
	pbuild_output(&c->o.m, "y", out_type);
}

static void run_map(struct cast_map *c, enum rt_dtype t, int64_t n)
{
	opened_open(&c->o, NULL);
	opened_run(&c->o, &c->in, &c->out);
	ck_assert_int_eq(c->out.dtype, t);
	ck_assert_int_eq(c->out.shape.rank, 2);
	ck_assert_int_eq(c->out.shape.dims[0], 1);
	ck_assert_int_eq(c->out.shape.dims[1], n);
}

static bool is_text(const struct rt_tensor *t, int i, const char *text)
{
	const struct rt_str *s = (const struct rt_str *)t->data + i;

	return s->size == strlen(text) && (s->size == 0 || memcmp(s->bytes, text, s->size) == 0);
}

START_TEST(dense_is_in_the_order_of_keys)
{
	int64_t keys[] = {7, -1, 3};
	float values[] = {70.5f, -1.75f, 3}, want[] = {-1.75f, 3, 70.5f};
	struct rt_str words[] = {{"2.5", 3}, {"-1", 2}, {"1e2", 3}};
	struct cast_map c;

	open_map(&c, 3, keys, RT_F32, values, "TO_FLOAT", 0, FLOAT);
	run_map(&c, RT_F32, 3);
	ck_assert_mem_eq(c.out.data, want, sizeof(want));
	opened_close(&c.o);

	open_map(&c, 3, keys, RT_F32, values, "TO_INT64", 0, INT64);
	run_map(&c, RT_I64, 3);
	ck_assert_mem_eq(c.out.data, ((int64_t[]){-1, 3, 70}), 3 * sizeof(int64_t));
	opened_close(&c.o);

	open_map(&c, 3, keys, RT_STR, words, "TO_FLOAT", 0, FLOAT);
	run_map(&c, RT_F32, 3);
	ck_assert_mem_eq(c.out.data, ((float[]){-1, 100, 2.5f}), 3 * sizeof(float));
	opened_close(&c.o);
}
END_TEST

START_TEST(sparse_is_at_the_keys)
{
	int64_t keys[] = {3, 0, 9};
	float values[] = {3.5f, 8, 9};
	struct rt_str words[] = {{"c", 1}, {"a", 1}, {"z", 1}};
	struct cast_map c;

	open_map(&c, 3, keys, RT_F32, values, "TO_FLOAT", 5, FLOAT);
	run_map(&c, RT_F32, 5);
	ck_assert_mem_eq(c.out.data, ((float[]){8, 0, 0, 3.5f, 0}), 5 * sizeof(float));
	opened_close(&c.o);

	open_map(&c, 3, keys, RT_F32, values, "TO_STRING", 4, STRING);
	run_map(&c, RT_STR, 4);
	ck_assert(is_text(&c.out, 0, "8") && is_text(&c.out, 1, "") && is_text(&c.out, 3, "3.5"));
	opened_close(&c.o);

	open_map(&c, 3, keys, RT_STR, words, "TO_STRING", 4, STRING);
	run_map(&c, RT_STR, 4);
	ck_assert(is_text(&c.out, 0, "a") && is_text(&c.out, 2, "") && is_text(&c.out, 3, "c"));
	opened_close(&c.o);
}
END_TEST

START_TEST(what_is_wrong_is_told)
{
	int64_t keys[] = {3, -2};
	float values[] = {3.5f, 8};
	struct rt_str words[] = {{"3", 1}, {"three", 5}};
	struct cast_map c;

	open_map(&c, 2, keys, RT_STR, words, "TO_FLOAT", 0, FLOAT);
	opened_open(&c.o, NULL);
	opened_refuses(&c.o, &c.in, RT_INPUT, "not a number");
	opened_close(&c.o);

	open_map(&c, 2, keys, RT_F32, values, "TO_FLOAT", 4, FLOAT);
	opened_open(&c.o, NULL);
	opened_refuses(&c.o, &c.in, RT_INPUT, "key -2");
	opened_close(&c.o);

	open_map(&c, 2, keys, RT_F32, values, "TO_FLOAT", INT64_C(1) << 50, FLOAT);
	opened_open(&c.o, NULL);
	opened_refuses(&c.o, &c.in, RT_BUDGET, "memory");
	opened_close(&c.o);
}
END_TEST

Suite *check_runtime_ops_map(void)
{
	Suite *s = suite_create("runtime/ops/map");
	TCase *t = tcase_create("cast_map");

	tcase_add_checked_fixture(t, opened_start, opened_stop);
	tcase_add_test(t, dense_is_in_the_order_of_keys);
	tcase_add_test(t, sparse_is_at_the_keys);
	tcase_add_test(t, what_is_wrong_is_told);
	suite_add_tcase(s, t);
	return s;
}
