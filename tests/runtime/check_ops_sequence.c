/* SPDX-License-Identifier: MIT */
/*
 * Sequences and optionals (ops/sequence.c, sequence_tensor.c, optional.c, list.c):
 * positions from both ends, parts of any size, strings, sub-graphs that carry them,
 * what is handed in and out of a session, and memory that is given back.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/runtime.h"
#include "tests/lib/pbuild.h"
#include "tests/runtime/opened.h"
#include "tests/runtime/suites.h"

/* TensorProto.DataType */
enum { FLOAT = 1, INT64 = 7, STRING = 8, BOOL = 9 };

static const enum rt_dtype seq_f32 = (enum rt_dtype)(RT_SEQ | RT_F32);

static struct rt_tensor as_value(enum rt_dtype t, struct rt_list *l)
{
	return (struct rt_tensor){.dtype = t, .data = l};
}

static void same(const struct rt_tensor *t, int64_t n, const float *want)
{
	ck_assert_int_eq(t->dtype, RT_F32);
	ck_assert_int_eq(rt_tensor_elems(t), n);
	for (int64_t i = 0; i < n; i++)
		ck_assert_float_eq(((const float *)t->data)[i], want[i]);
}

static const struct rt_list *list_of(const struct rt_tensor *t, enum rt_dtype want, int64_t count)
{
	const struct rt_list *l = t->data;

	ck_assert_int_eq(t->dtype, want);
	ck_assert_ptr_nonnull(l);
	ck_assert_int_eq(l->count, count);
	return l;
}

/* A sequence of [1], [2, 3], [4]. */
struct three {
	float data[4];
	struct rt_tensor items[3];
	struct rt_list list;
};

static struct rt_tensor three(struct three *s)
{
	float data[4] = {1, 2, 3, 4};

	memcpy(s->data, data, sizeof(data));
	s->items[0] = (struct rt_tensor){RT_F32, {1, {1}}, &s->data[0]};
	s->items[1] = (struct rt_tensor){RT_F32, {1, {2}}, &s->data[1]};
	s->items[2] = (struct rt_tensor){RT_F32, {1, {1}}, &s->data[3]};
	s->list = (struct rt_list){3, s->items};
	return as_value(seq_f32, &s->list);
}

/* ---- types ----------------------------------------------------------------------------------- */

START_TEST(types_nest)
{
	const enum rt_dtype optional = rt_dtype_in(RT_OPT, seq_f32);

	ck_assert_int_eq(rt_dtype_in(RT_SEQ, RT_F32), seq_f32);
	ck_assert_str_eq(rt_dtype_name(seq_f32), "seq(float32)");
	ck_assert_str_eq(rt_dtype_name(optional), "optional(seq(float32))");
	ck_assert_str_eq(rt_dtype_name(rt_dtype_in(RT_SEQ, rt_dtype_in(RT_MAP_I64, RT_F32))),
			 "seq(map(int64,float32))");
	ck_assert_int_eq(rt_dtype_item(optional), seq_f32);
	ck_assert_int_eq(rt_dtype_item(seq_f32), RT_F32);
	ck_assert_int_eq(rt_dtype_item(RT_F32), RT_NONE);
	ck_assert_int_eq(rt_dtype_elem(optional), RT_F32);
	/* what there is none of */
	ck_assert_int_eq(rt_dtype_in(RT_SEQ, seq_f32), RT_NONE);
	ck_assert_int_eq(rt_dtype_in(RT_SEQ, optional), RT_NONE);
	ck_assert_int_eq(rt_dtype_in(RT_OPT, optional), RT_NONE);
	ck_assert_int_eq(rt_dtype_in(RT_SEQ, RT_NONE), RT_NONE);
	ck_assert_str_eq(rt_dtype_oip(seq_f32), "");
	ck_assert(rt_dtype_is_list(seq_f32) && !rt_dtype_is_list(RT_F32));
}
END_TEST

/* ---- positions ------------------------------------------------------------------------------- */

static void at_model(struct opened *o, const char *op)
{
	int64_t none[] = {0};

	pbuild_model(&o->m, 17);
	pbuild_input_in(&o->m, "s", "s", FLOAT);
	pbuild_input(&o->m, "at", INT64, 0, none);
	pbuild_node(&o->m, op, "s at", "y", NULL);
	pbuild_output(&o->m, "y", FLOAT);
	opened_open(o, NULL);
}

START_TEST(at_both_ends)
{
	struct opened o = {.model = NULL};
	struct three s;
	int64_t at;
	struct rt_tensor in[2] = {three(&s), {RT_I64, {.rank = 0}, &at}}, out;

	at_model(&o, "SequenceAt");
	for (at = -3; at < 3; at++) {
		const struct rt_tensor *item = &s.items[(at + 3) % 3];

		opened_run(&o, in, &out);
		same(&out, rt_tensor_elems(item), item->data);
		ck_assert_ptr_ne(out.data, item->data); /* not the caller's memory */
	}
	at = 3;
	opened_refuses(&o, in, RT_DATA, "position 3 of a sequence of 3");
	at = -4;
	opened_refuses(&o, in, RT_DATA, "position -4 of a sequence of 3");
	at = 0;
	opened_run(&o, in, &out); /* works again after a refusal */
	opened_close(&o);
}
END_TEST

START_TEST(erase_both_ends)
{
	static const float left[3][3] = {{2, 3, 4}, {1, 4}, {1, 2, 3}};
	struct opened o = {.model = NULL};
	struct three s;
	int64_t at;
	struct rt_tensor in[2] = {three(&s), {RT_I64, {.rank = 0}, &at}}, out;

	at_model(&o, "SequenceErase");
	for (at = -3; at < 3; at++) {
		const struct rt_list *l;
		const float *want = left[(at + 3) % 3];

		opened_run(&o, in, &out);
		l = list_of(&out, seq_f32, 2);
		same(&l->items[0], rt_tensor_elems(&l->items[0]), want);
		same(&l->items[1], rt_tensor_elems(&l->items[1]),
		     want + rt_tensor_elems(&l->items[0]));
	}
	at = 3;
	opened_refuses(&o, in, RT_DATA, "position 3");
	s.list.count = 0;
	at = 0;
	opened_refuses(&o, in, RT_DATA, "position 0 of a sequence of 0");
	opened_close(&o);
}
END_TEST

/* Insert 9 at −3 … 3, and at the end when there is no position. */
START_TEST(insert_everywhere)
{
	int64_t none[] = {0}, one[] = {1}, at;
	struct opened o = {.model = NULL};
	struct three s;
	float nine = 9;
	struct rt_tensor in[3] = {three(&s), {RT_F32, {1, {1}}, &nine}, {RT_I64, {.rank = 0}, &at}};
	struct rt_tensor out[2];

	pbuild_model(&o.m, 17);
	pbuild_input_in(&o.m, "s", "s", FLOAT);
	pbuild_input(&o.m, "x", FLOAT, 1, one);
	pbuild_input(&o.m, "at", INT64, 0, none);
	pbuild_node(&o.m, "SequenceInsert", "s x at", "y", NULL);
	pbuild_node(&o.m, "SequenceInsert", "s x", "z", NULL);
	pbuild_output_in(&o.m, "s", "y", FLOAT);
	pbuild_output_in(&o.m, "s", "z", FLOAT);
	opened_open(&o, NULL);
	for (at = -3; at <= 3; at++) {
		int64_t want = at < 0 ? at + 3 : at;
		const struct rt_list *l;

		opened_run(&o, in, out);
		l = list_of(&out[0], seq_f32, 4);
		for (int64_t i = 0; i < 4; i++)
			same(&l->items[i],
			     i == want ? 1 : rt_tensor_elems(&s.items[i - (i > want)]),
			     i == want ? &nine : s.items[i - (i > want)].data);
		l = list_of(&out[1], seq_f32, 4);
		same(&l->items[3], 1, &nine);
	}
	at = 4;
	opened_refuses(&o, in, RT_DATA, "position 4");
	opened_close(&o);
}
END_TEST

/* ---- between tensors and sequences ----------------------------------------------------------- */

static void split_join(struct opened *o, const struct rt_tensor *split, int64_t axis, int keep)
{
	int64_t dims[] = {-1, -1};
	struct pbuild attrs = {0}, join = {0};

	pbuild_model(&o->m, 17);
	pbuild_input(&o->m, "x", FLOAT, 2, dims);
	if (split != NULL) {
		struct pbuild t = {0};

		pbuild_tensor(&t, "split", INT64, split->shape.rank, split->shape.dims, split->data,
			      rt_tensor_bytes(split));
		pbuild_init(&o->m, &t);
	}
	pbuild_attr_int(&attrs, "axis", axis);
	pbuild_attr_int(&attrs, "keepdims", keep);
	pbuild_node(&o->m, "SplitToSequence", split != NULL ? "x split" : "x", "s", &attrs);
	pbuild_attr_int(&join, "axis", axis);
	pbuild_attr_int(&join, "new_axis", !keep && split == NULL);
	pbuild_node(&o->m, "ConcatFromSequence", "s", "y", &join);
	pbuild_output_in(&o->m, "s", "s", FLOAT);
	pbuild_output(&o->m, "y", FLOAT);
	opened_open(o, NULL);
}

/* Whatever the cut, joining gives the tensor back. */
START_TEST(split_and_join)
{
	static int64_t two = 2, sizes[] = {1, 0, 3};
	static const struct rt_tensor splits[] = {
	    {RT_I64, {.rank = 0}, &two}, {RT_I64, {1, {3}}, sizes}, {RT_NONE, {.rank = 0}, NULL}};
	static const int64_t counts[][2] = {{2, 2}, {3, 3}, {4, 4}};
	float x[16];
	struct rt_tensor in = {RT_F32, {2, {4, 4}}, x}, out[2];

	for (int i = 0; i < 16; i++)
		x[i] = (float)i;
	for (int k = 0; k < 3; k++) {
		for (int64_t axis = -2; axis < 2; axis++) {
			struct opened o = {.model = NULL};
			const struct rt_list *l;

			split_join(&o, k < 2 ? &splits[k] : NULL, axis, _i);
			opened_run(&o, &in, out);
			l = list_of(&out[0], seq_f32, counts[k][0]);
			ck_assert_int_eq(l->items[0].shape.rank, k == 2 && !_i ? 1 : 2);
			same(&out[1], 16, x);
			ck_assert_int_eq(out[1].shape.rank, 2);
			ck_assert_int_eq(out[1].shape.dims[0], 4);
			opened_close(&o);
		}
	}
}
END_TEST

/* Column 1 of [[0, 1, 2], [3, 4, 5]] with a size of its own. */
START_TEST(split_takes_columns)
{
	int64_t sizes[] = {1, 2};
	const struct rt_tensor split = {RT_I64, {1, {2}}, sizes};
	float x[] = {0, 1, 2, 3, 4, 5}, first[] = {0, 3}, second[] = {1, 2, 4, 5};
	struct rt_tensor in = {RT_F32, {2, {2, 3}}, x}, out[2];
	struct opened o = {.model = NULL};
	const struct rt_list *l;

	split_join(&o, &split, 1, 1);
	opened_run(&o, &in, out);
	l = list_of(&out[0], seq_f32, 2);
	same(&l->items[0], 2, first);
	same(&l->items[1], 4, second);
	in.shape.dims[1] = 2;
	in.shape.dims[0] = 3;
	opened_refuses(&o, &in, RT_INPUT, "2 parts of 3 in all, for an axis of 2");
	opened_close(&o);
}
END_TEST

/* Strings own their bytes: what comes out lives when what went in is gone. */
START_TEST(strings_are_copied)
{
	char *bytes = strdup("onetwo");
	struct rt_str text[] = {{bytes, 3}, {bytes + 3, 3}};
	int64_t two[] = {2};
	struct rt_tensor in = {RT_STR, {1, {2}}, text}, out[2];
	struct opened o = {.model = NULL};
	struct pbuild join = {0};
	const struct rt_list *l;
	const struct rt_str *s;

	pbuild_model(&o.m, 17);
	pbuild_input(&o.m, "x", STRING, 1, two);
	pbuild_node(&o.m, "SplitToSequence", "x", "s", NULL);
	pbuild_attr_int(&join, "axis", 0);
	pbuild_node(&o.m, "ConcatFromSequence", "s", "y", &join);
	pbuild_output_in(&o.m, "s", "s", STRING);
	pbuild_output(&o.m, "y", STRING);
	opened_open(&o, NULL);
	opened_run(&o, &in, out);
	memset(bytes, 'x', 6);
	free(bytes);
	l = list_of(&out[0], (enum rt_dtype)(RT_SEQ | RT_STR), 2);
	s = l->items[1].data;
	ck_assert(s->size == 3 && memcmp(s->bytes, "two", 3) == 0);
	s = out[1].data;
	ck_assert(s[0].size == 3 && memcmp(s[0].bytes, "one", 3) == 0);
	opened_close(&o);
}
END_TEST

START_TEST(shapes_that_cannot_be_joined)
{
	struct opened o = {.model = NULL};
	struct pbuild join = {0};
	struct three s;
	struct rt_tensor in = three(&s);

	pbuild_model(&o.m, 17);
	pbuild_input_in(&o.m, "s", "s", FLOAT);
	pbuild_attr_int(&join, "axis", 0);
	pbuild_attr_int(&join, "new_axis", 1);
	pbuild_node(&o.m, "ConcatFromSequence", "s", "y", &join);
	pbuild_output(&o.m, "y", FLOAT);
	opened_open(&o, NULL);
	opened_refuses(&o, &in, RT_INPUT, "[1] and [2] cannot be joined");
	s.list.count = 0;
	opened_refuses(&o, &in, RT_DATA, "nothing in the sequence");
	opened_close(&o);
}
END_TEST

/* ---- sub-graphs ------------------------------------------------------------------------------ */

struct body {
	struct pbuild graph, m;
};

static struct pbuild *body_start(struct body *b)
{
	memset(b, 0, sizeof(*b));
	b->m.graph = &b->graph;
	return &b->m;
}

/* A Loop that inserts its counter in front of a sequence ${trips} times. */
static void counting_loop(struct opened *o)
{
	int64_t none[] = {0}, dtype = INT64;
	struct pbuild attrs = {0}, empty = {0};
	struct body b;

	pbuild_model(&o->m, 17);
	pbuild_input(&o->m, "trips", INT64, 0, none);
	pbuild_attr_int(&empty, "dtype", dtype);
	pbuild_node(&o->m, "SequenceEmpty", "", "s0", &empty);
	body_start(&b);
	pbuild_input(&b.m, "i", INT64, 0, none);
	pbuild_input(&b.m, "go", BOOL, 0, none);
	pbuild_input_in(&b.m, "s", "s", INT64);
	pbuild_init_i64(&b.m, "zero", 0, none, none);
	pbuild_node(&b.m, "Identity", "go", "go_on", NULL);
	pbuild_node(&b.m, "SequenceInsert", "s i zero", "next", NULL);
	pbuild_node(&b.m, "SequenceLength", "next", "length", NULL);
	pbuild_output(&b.m, "go_on", BOOL);
	pbuild_output_in(&b.m, "s", "next", INT64);
	pbuild_output(&b.m, "length", INT64);
	pbuild_attr_graph(&attrs, "body", &b.graph);
	pbuild_node(&o->m, "Loop", "trips - s0", "s1 lengths", &attrs);
	pbuild_output_in(&o->m, "s", "s1", INT64);
	pbuild_output(&o->m, "lengths", INT64);
	opened_open(o, NULL);
}

START_TEST(loop_carries_a_sequence)
{
	int64_t trips;
	struct rt_tensor in = {RT_I64, {.rank = 0}, &trips}, out[2];
	struct opened o = {.model = NULL};

	counting_loop(&o);
	for (trips = 0; trips < 40; trips += 13) {
		const struct rt_list *l;

		opened_run(&o, &in, out);
		l = list_of(&out[0], (enum rt_dtype)(RT_SEQ | RT_I64), trips);
		for (int64_t i = 0; i < trips; i++)
			ck_assert_int_eq(*(int64_t *)l->items[i].data, trips - 1 - i);
		ck_assert_int_eq(rt_tensor_elems(&out[1]), trips);
		for (int64_t i = 0; i < trips; i++)
			ck_assert_int_eq(((int64_t *)out[1].data)[i], i + 1);
	}
	opened_close(&o);
}
END_TEST

/* s[i] ↦ (s[i] + x, t[i]), the second unchanged. */
static void map_model(struct opened *o)
{
	int64_t one[] = {1};
	struct pbuild attrs = {0};
	struct body b;

	pbuild_model(&o->m, 17);
	pbuild_input_in(&o->m, "s", "s", FLOAT);
	pbuild_input(&o->m, "x", FLOAT, 1, one);
	pbuild_input_in(&o->m, "s", "t", FLOAT);
	body_start(&b);
	pbuild_input(&b.m, "a", FLOAT, -1, NULL);
	pbuild_input(&b.m, "b", FLOAT, -1, NULL);
	pbuild_input(&b.m, "c", FLOAT, -1, NULL);
	pbuild_node(&b.m, "Add", "a b", "sum", NULL);
	pbuild_node(&b.m, "Identity", "c", "same", NULL);
	pbuild_output(&b.m, "sum", FLOAT);
	pbuild_output(&b.m, "same", FLOAT);
	pbuild_attr_graph(&attrs, "body", &b.graph);
	pbuild_node(&o->m, "SequenceMap", "s x t", "y z", &attrs);
	pbuild_output_in(&o->m, "s", "y", FLOAT);
	pbuild_output_in(&o->m, "s", "z", FLOAT);
	opened_open(o, NULL);
}

START_TEST(map_over_two_sequences)
{
	struct three s, t;
	float ten = 10, sums[] = {11, 12, 13, 14};
	struct rt_tensor in[3] = {three(&s), {RT_F32, {1, {1}}, &ten}, three(&t)}, out[2];
	struct opened o = {.model = NULL};
	const struct rt_list *l;

	map_model(&o);
	opened_run(&o, in, out);
	l = list_of(&out[0], seq_f32, 3);
	same(&l->items[0], 1, sums);
	same(&l->items[1], 2, sums + 1);
	same(&l->items[2], 1, sums + 3);
	l = list_of(&out[1], seq_f32, 3);
	same(&l->items[1], 2, t.items[1].data);
	t.list.count = 2;
	opened_refuses(&o, in, RT_INPUT, "sequences of 3 and 2");
	s.list.count = t.list.count = 0;
	opened_run(&o, in, out);
	(void)list_of(&out[0], seq_f32, 0);
	opened_close(&o);
}
END_TEST

/* ---- optionals ------------------------------------------------------------------------------- */

/* has = OptionalHasElement(o); y = has ? OptionalGetElement(o) : SequenceEmpty() */
START_TEST(optional_of_a_sequence)
{
	const enum rt_dtype optional = rt_dtype_in(RT_OPT, seq_f32);
	struct three s;
	struct rt_tensor inner = three(&s), out[2];
	struct rt_list full = {1, &inner}, empty = {0, NULL};
	struct rt_tensor in = as_value(optional, &full);
	struct opened o = {.model = NULL};
	struct pbuild attrs = {0};
	struct body yes, no;

	pbuild_model(&o.m, 18);
	pbuild_input_in(&o.m, "os", "o", FLOAT);
	pbuild_node(&o.m, "OptionalHasElement", "o", "has", NULL);
	pbuild_node(body_start(&yes), "OptionalGetElement", "o", "a", NULL);
	pbuild_output_in(&yes.m, "s", "a", FLOAT);
	pbuild_node(body_start(&no), "SequenceEmpty", "", "b", NULL);
	pbuild_output_in(&no.m, "s", "b", FLOAT);
	pbuild_attr_graph(&attrs, "then_branch", &yes.graph);
	pbuild_attr_graph(&attrs, "else_branch", &no.graph);
	pbuild_node(&o.m, "If", "has", "y", &attrs);
	pbuild_output(&o.m, "has", BOOL);
	pbuild_output_in(&o.m, "s", "y", FLOAT);
	opened_open(&o, NULL);
	opened_run(&o, &in, out);
	ck_assert(*(uint8_t *)out[0].data);
	same(&list_of(&out[1], seq_f32, 3)->items[1], 2, s.items[1].data);
	in = as_value(optional, &empty);
	opened_run(&o, &in, out);
	ck_assert(!*(uint8_t *)out[0].data);
	(void)list_of(&out[1], seq_f32, 0);
	in.data = NULL; /* the same as an empty one */
	opened_run(&o, &in, out);
	ck_assert(!*(uint8_t *)out[0].data);
	opened_close(&o);
}
END_TEST

START_TEST(optional_without_an_input)
{
	struct opened o = {.model = NULL};
	struct pbuild attrs = {0};
	struct rt_tensor out[2];

	pbuild_model(&o.m, 18);
	pbuild_attr_type(&attrs, "type", "s", FLOAT);
	pbuild_node(&o.m, "Optional", "", "o", &attrs);
	pbuild_node(&o.m, "OptionalHasElement", "o", "has", NULL);
	pbuild_output_in(&o.m, "os", "o", FLOAT);
	pbuild_output(&o.m, "has", BOOL);
	opened_open(&o, NULL);
	opened_run(&o, NULL, out);
	(void)list_of(&out[0], rt_dtype_in(RT_OPT, seq_f32), 0);
	ck_assert(!*(uint8_t *)out[1].data);
	opened_close(&o);
}
END_TEST

START_TEST(empty_optional_has_nothing_to_get)
{
	struct rt_list empty = {0, NULL};
	struct rt_tensor in = as_value((enum rt_dtype)(RT_OPT | RT_F32), &empty);
	struct opened o = {.model = NULL};

	pbuild_model(&o.m, 18);
	pbuild_input_in(&o.m, "o", "o", FLOAT);
	pbuild_node(&o.m, "OptionalGetElement", "o", "y", NULL);
	pbuild_output(&o.m, "y", FLOAT);
	opened_open(&o, NULL);
	opened_refuses(&o, &in, RT_DATA, "nothing in the optional");
	opened_close(&o);
}
END_TEST

/* ---- maps ------------------------------------------------------------------------------------ */

static void import_ml(struct pbuild *m, struct pbuild *attrs)
{
	struct pbuild import = {0};

	pbuild_string(&import, 1, "ai.onnx.ml");
	pbuild_int(&import, 2, 3);
	pbuild_message(m, 8, &import);
	pbuild_string(attrs, 7, "ai.onnx.ml");
}

/* {"a": 4, "c": 8} by the words a, c, b, z is 4, 8, 0, 0 (ai.onnx.ml DictVectorizer-1's example).
 */
static void attr_words(struct pbuild *attrs, const char *name)
{
	struct pbuild a = {0};

	pbuild_string(&a, 1, name);
	pbuild_string(&a, 9, "a");
	pbuild_string(&a, 9, "c");
	pbuild_string(&a, 9, "b");
	pbuild_string(&a, 9, "z");
	pbuild_int(&a, 20, 8);
	pbuild_message(attrs, 5, &a);
}

START_TEST(maps_come_and_go)
{
	const enum rt_dtype map = (enum rt_dtype)(RT_MAP_STR | RT_F32);
	int64_t dims[] = {-1, 4};
	float x[] = {1, 2, 3, 4, 5, 6, 7, 8}, values[] = {4, 8, 1}, want[] = {4, 8, 0, 0};
	struct rt_str keys[] = {{"a", 1}, {"c", 1}, {"unknown", 7}};
	struct rt_tensor items[2] = {{RT_STR, {1, {3}}, keys}, {RT_F32, {1, {3}}, values}};
	struct rt_list pair = {2, items};
	struct rt_tensor in[2] = {{RT_F32, {2, {2, 4}}, x}, as_value(map, &pair)}, out[2];
	struct pbuild zip = {0}, dict = {0}, map_type = {0}, info = {0}, type = {0}, elem = {0};
	struct opened o = {.model = NULL};
	const struct rt_list *l, *one;

	pbuild_model(&o.m, 17);
	pbuild_input(&o.m, "x", FLOAT, 2, dims);
	/* map(string, tensor(float)) */
	pbuild_int(&elem, 1, FLOAT);
	pbuild_message(&type, 1, &elem);
	pbuild_int(&map_type, 1, STRING);
	pbuild_message(&map_type, 2, &type);
	pbuild_message(&type, 5, &map_type);
	pbuild_string(&info, 1, "m");
	pbuild_message(&info, 2, &type);
	pbuild_message(o.m.graph, 11, &info);
	import_ml(&o.m, &zip);
	attr_words(&zip, "classlabels_strings");
	pbuild_node(&o.m, "ZipMap", "x", "y", &zip);
	pbuild_string(&dict, 7, "ai.onnx.ml");
	attr_words(&dict, "string_vocabulary");
	pbuild_node(&o.m, "DictVectorizer", "m", "v", &dict);
	pbuild_output(&o.m, "y", 0);
	pbuild_output(&o.m, "v", FLOAT);
	opened_open(&o, NULL);
	opened_run(&o, in, out);
	l = list_of(&out[0], (enum rt_dtype)(RT_SEQ | RT_MAP_STR | RT_F32), 2);
	one = list_of(&l->items[1], map, 2);
	ck_assert_int_eq(((const struct rt_str *)one->items[0].data)[3].bytes[0], 'z');
	same(&one->items[1], 4, x + 4);
	same(&out[1], 4, want);
	ck_assert_int_eq(out[1].shape.rank, 2);
	items[1].shape.dims[0] = 2;
	opened_refuses(&o, in, RT_INPUT, "a map without keys and values");
	items[1].shape.dims[0] = 3;
	in[0].shape.dims[1] = 3;
	opened_refuses(&o, in, RT_INPUT, "[?,4]");
	opened_close(&o);
}
END_TEST

/* ---- sessions -------------------------------------------------------------------------------- */

/* A sequence that goes through is the session's own on the way out. */
START_TEST(identity_of_a_sequence)
{
	struct opened o = {.model = NULL};
	struct three s;
	struct rt_tensor in = three(&s), out;
	const struct rt_list *l;
	size_t bytes;
	float one = 1;

	pbuild_model(&o.m, 17);
	pbuild_input_in(&o.m, "s", "s", FLOAT);
	pbuild_node(&o.m, "Identity", "s", "y", NULL);
	pbuild_output_in(&o.m, "s", "y", FLOAT);
	opened_open(&o, NULL);
	opened_run(&o, &in, &out);
	s.data[0] = 77;
	l = list_of(&out, seq_f32, 3);
	same(&l->items[0], 1, &one);
	bytes = rt_session_arena_bytes(o.session);
	for (int i = 0; i < 100; i++)
		opened_run(&o, &in, &out);
	ck_assert_uint_eq(rt_session_arena_bytes(o.session), bytes); /* nothing piles up */
	opened_close(&o);
}
END_TEST

START_TEST(inputs_that_are_no_sequences)
{
	struct opened o = {.model = NULL};
	struct three s;
	struct rt_tensor in = three(&s);
	float x = 1;

	pbuild_model(&o.m, 17);
	pbuild_input_in(&o.m, "s", "s", FLOAT);
	pbuild_node(&o.m, "SequenceLength", "s", "y", NULL);
	pbuild_output(&o.m, "y", INT64);
	opened_open(&o, NULL);
	s.items[1].dtype = RT_I32;
	opened_refuses(&o, &in, RT_INPUT, "input 's' is float32, int32 was given");
	s.items[1].dtype = RT_F32;
	s.items[1].shape.dims[0] = -1;
	opened_refuses(&o, &in, RT_INPUT, "no shape");
	s.items[1].shape.dims[0] = 2;
	s.items[1].data = NULL;
	opened_refuses(&o, &in, RT_INPUT, "no data");
	in.data = NULL;
	opened_refuses(&o, &in, RT_INPUT, "no seq(float32)");
	in = (struct rt_tensor){RT_F32, {1, {1}}, &x};
	opened_refuses(&o, &in, RT_INPUT, "seq(float32), float32 was given");
	opened_close(&o);
}
END_TEST

/* What takes tensors only says so when the model is opened, in the list of everything. */
START_TEST(operators_that_take_no_sequence)
{
	struct opened o = {.model = NULL};

	pbuild_model(&o.m, 17);
	pbuild_input_in(&o.m, "s", "s", FLOAT);
	pbuild_node(&o.m, "Relu", "s", "y", NULL);
	pbuild_node(&o.m, "Concat", "y s", "z", NULL);
	pbuild_output(&o.m, "z", FLOAT);
	ck_assert_int_eq(opened_try(&o, NULL), RT_UNSUPPORTED);
	ck_assert_ptr_nonnull(
	    strstr(opened_err.text, "Relu (ai.onnx, opset 17): not for seq(float32)"));
	ck_assert_ptr_nonnull(strstr(opened_err.text, "Concat"));
	opened_close(&o);
}
END_TEST

Suite *check_runtime_ops_sequence(void)
{
	Suite *s = suite_create("runtime/ops/sequence");
	TCase *t = tcase_create("sequence");

	tcase_add_checked_fixture(t, opened_start, opened_stop);
	tcase_add_test(t, types_nest);
	tcase_add_test(t, at_both_ends);
	tcase_add_test(t, erase_both_ends);
	tcase_add_test(t, insert_everywhere);
	tcase_add_loop_test(t, split_and_join, 0, 2);
	tcase_add_test(t, split_takes_columns);
	tcase_add_test(t, strings_are_copied);
	tcase_add_test(t, shapes_that_cannot_be_joined);
	tcase_add_test(t, loop_carries_a_sequence);
	tcase_add_test(t, map_over_two_sequences);
	tcase_add_test(t, optional_of_a_sequence);
	tcase_add_test(t, optional_without_an_input);
	tcase_add_test(t, empty_optional_has_nothing_to_get);
	tcase_add_test(t, maps_come_and_go);
	tcase_add_test(t, identity_of_a_sequence);
	tcase_add_test(t, inputs_that_are_no_sequences);
	tcase_add_test(t, operators_that_take_no_sequence);
	suite_add_tcase(s, t);
	return s;
}
