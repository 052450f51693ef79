/* SPDX-License-Identifier: MIT */
/*
 * Packed weights kept as an image (runtime/pack.c), and weights that stand in the
 * file at any byte (runtime/settle.c): a model opened with an image gives what it
 * gives without one, to the bit, and an image that is not its own is left aside.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "tests/runtime/opened.h"
#include "tests/runtime/suites.h"

enum { K = 160, N = 112, SIDE = 8, C = 32 };

static int64_t rows[] = {2, K}, weights[] = {K, N}, image_dims[] = {1, C, SIDE, SIDE},
	       filter[] = {C, C, 3, 3}, dot[] = {C, C, 1, 1}, each[] = {C, 1, 3, 3};

static float *noise(size_t n)
{
	float *to = malloc(n * sizeof *to);
	uint32_t s = 7;

	ck_assert_ptr_nonnull(to);
	for (size_t i = 0; i < n; i++) {
		s = s * 1664525u + 1013904223u;
		to[i] = (float)(int32_t)s * 0x1p-31f;
	}
	return to;
}

/* Every operator that packs: products, 3 × 3, 1 × 1 and depthwise convolutions.  ${shift}: bytes
 * that everything is moved by in the file. */
static void build(struct opened *o, int shift)
{
	float *w = noise((size_t)K * N + C * C * 9);
	struct pbuild attrs = {0};
	char name[] = "abcdefgh";

	memset(o, 0, sizeof *o);
	pbuild_model(&o->m, 13);
	name[shift] = 0;
	pbuild_input(&o->m, "x", 1, 2, rows);
	pbuild_input(&o->m, "i", 1, 4, image_dims);
	if (shift > 0) /* a name of another length moves what comes after it */
		pbuild_init_f32(&o->m, name, 2, weights, w);
	pbuild_init_f32(&o->m, "w", 2, weights, w);
	pbuild_init_f32(&o->m, "f", 4, filter, w);
	pbuild_init_f32(&o->m, "d", 4, dot, w);
	pbuild_init_f32(&o->m, "e", 4, each, w);
	pbuild_node(&o->m, "MatMul", "x w", "y", NULL);
	pbuild_node(&o->m, "Conv", "i f", "p", NULL);
	pbuild_node(&o->m, "Conv", "p d", "q", NULL);
	pbuild_attr_int(&attrs, "group", C);
	pbuild_node(&o->m, "Conv", "q e", "z", &attrs);
	pbuild_output(&o->m, "y", 1);
	pbuild_output(&o->m, "z", 1);
	free(w);
}

/* What an open was given and told. */
struct asked {
	struct rt_packed packed;
	size_t unread; /* bytes */
	int parts;     /* of these */
};

static void give(void *arg, struct rt_packed *out)
{
	*out = ((struct asked *)arg)->packed;
}

static void count_unread(void *arg, const void *data, size_t size)
{
	(void)data;
	((struct asked *)arg)->unread += size;
}

static void open_with(struct opened *o, enum rt_cpu_level level, struct asked *asked)
{
	opened_open(o, &(struct rt_model_opts){.cpu_level = level,
					       .packed = give,
					       .packed_arg = asked,
					       .unread = count_unread,
					       .unread_arg = asked});
}

static float *run(struct opened *o, size_t *ret_bytes)
{
	float *x = noise(2 * K), *i = noise(C * SIDE * SIDE), *all;
	struct rt_tensor in[] = {opened_f32(x, 2, rows), opened_f32(i, 4, image_dims)}, out[2];
	size_t first, second;

	opened_run(o, in, out);
	first = rt_tensor_bytes(&out[0]);
	second = rt_tensor_bytes(&out[1]);
	all = malloc(first + second);
	ck_assert_ptr_nonnull(all);
	memcpy(all, out[0].data, first);
	memcpy((char *)all + first, out[1].data, second);
	*ret_bytes = first + second;
	free(x);
	free(i);
	return all;
}

/* The image of ${o} as a file would have it. */
static struct rt_bytes image_of(const struct opened *o, const struct asked *asked)
{
	struct rt_packed_parts parts;
	char *to;
	size_t at = 0;

	ck_assert_int_eq(rt_model_packed_parts(o->model, asked->packed.key, &parts), RT_OK);
	ck_assert_uint_gt(parts.size, sizeof(float) * (K * N + C * C * 9));
	to = aligned_alloc(64, (parts.size + 63) / 64 * 64);
	ck_assert_ptr_nonnull(to);
	for (size_t i = 0; i < parts.count; i++) {
		memcpy(to + at, parts.parts[i].data, parts.parts[i].size);
		at += parts.parts[i].size;
	}
	ck_assert_uint_eq(at, parts.size);
	rt_packed_parts_release(&parts);
	return (struct rt_bytes){to, at};
}

static void drop(struct rt_bytes *image)
{
	void *p;

	memcpy(&p, &image->data, sizeof p);
	free(p);
}

START_TEST(an_image_is_used)
{
	const enum rt_cpu_level level = (enum rt_cpu_level)_i;
	struct asked asked = {.packed.key = {1, 2, 3}};
	struct rt_packed_parts none;
	struct rt_bytes image;
	struct opened o;
	size_t bytes, with, without;
	float *want, *have;

	if (!rt_cpu_has(level))
		return;
	build(&o, 0);
	open_with(&o, level, &asked);
	without = rt_model_resident_bytes(o.model);
	want = run(&o, &bytes);
	image = image_of(&o, &asked);
	opened_close(&o);

	asked.packed.image = image;
	build(&o, 0);
	open_with(&o, level, &asked);
	with = rt_model_resident_bytes(o.model);
	ck_assert_uint_lt(with + sizeof(float) * K * N, without);
	have = run(&o, &bytes);
	ck_assert_mem_eq(want, have, bytes);
	ck_assert_int_eq(rt_model_packed_parts(o.model, asked.packed.key, &none), RT_OK);
	ck_assert_uint_eq(none.size, 0);
	opened_close(&o);
	drop(&image);
	free(want);
	free(have);
}
END_TEST

/* What can be wrong with an image: a byte, its size, its key, its level. */
static const struct {
	int byte; /* that is changed; −1: none; −2: the middle */
	int shorter, key;
	bool other_level;
} damages[] = {
    {0, 0, 0, false},        {8, 0, 0, false},  {12, 0, 0, false}, {20, 0, 0, false},
    {60, 0, 0, false},       {90, 0, 0, false}, {97, 0, 0, false}, {110, 0, 0, false},
    {130, 0, 0, false},      {-2, 0, 0, false}, {-1, 1, 0, false}, {-1, 64, 0, false},
    {-1, 1 << 16, 0, false}, {-1, 0, 1, false}, {-1, 0, 0, true},
};

START_TEST(a_foreign_image_is_left_aside)
{
	const enum rt_cpu_level level =
	    damages[_i].other_level && rt_cpu_has(RT_CPU_AVX2) ? RT_CPU_AVX2 : RT_CPU_SCALAR;
	struct asked asked = {.packed.key = {1, 2, 3}};
	struct rt_packed_parts parts;
	struct rt_bytes image;
	struct opened o;
	size_t bytes;
	float *want, *have;
	char *edit;

	build(&o, 0);
	open_with(&o, RT_CPU_SCALAR, &asked);
	image = image_of(&o, &asked);
	opened_close(&o);
	build(&o, 0);
	open_with(&o, level, &(struct asked){.unread = 0});
	want = run(&o, &bytes);
	opened_close(&o);

	memcpy(&edit, &image.data, sizeof edit);
	if (damages[_i].byte != -1) /* the middle: all of a block's sampled pieces */
		for (size_t k = damages[_i].byte >= 0 ? (size_t)damages[_i].byte : image.size / 2;
		     k < (damages[_i].byte >= 0 ? (size_t)damages[_i].byte + 1 : image.size); k++)
			edit[k] = (char)(edit[k] ^ 0x15);
	asked.packed.image = image;
	asked.packed.image.size -= (size_t)damages[_i].shorter;
	asked.packed.key[31] = (uint8_t)damages[_i].key;
	build(&o, 0);
	open_with(&o, level, &asked);
	have = run(&o, &bytes);
	ck_assert_mem_eq(want, have, bytes);
	ck_assert_int_eq(rt_model_packed_parts(o.model, asked.packed.key, &parts), RT_OK);
	if (!damages[_i].other_level || level != RT_CPU_SCALAR)
		ck_assert_uint_gt(parts.size, 0); /* worth keeping in its place */
	rt_packed_parts_release(&parts);
	opened_close(&o);
	drop(&image);
	free(want);
	free(have);
}
END_TEST

/* Weights at every address: the answers are those of aligned ones, and all of the file that was
 * packed is told to be unread. */
START_TEST(weights_at_any_byte)
{
	struct asked plain = {.unread = 0}, moved = {.unread = 0};
	struct opened o;
	size_t bytes;
	float *want, *have;

	build(&o, 0);
	open_with(&o, RT_CPU_SCALAR, &plain);
	want = run(&o, &bytes);
	opened_close(&o);
	build(&o, _i);
	open_with(&o, RT_CPU_SCALAR, &moved);
	have = run(&o, &bytes);
	ck_assert_mem_eq(want, have, bytes);
	ck_assert_uint_ge(moved.unread, sizeof(float) * K * N);
	opened_close(&o);
	free(want);
	free(have);
}
END_TEST

/* Larger than what is told at once: w is [DEEP][WIDE], t its likes in the other order. */
enum { DEEP = 1024, WIDE = 1536, PICKED = 777 };

/* rt_unread_f that takes its word for it. */
static void spoil(void *arg, const void *data, size_t size)
{
	struct asked *asked = arg;
	void *p;

	memcpy(&p, &data, sizeof p);
	memset(p, 0xff, size);
	asked->unread += size;
	asked->parts++;
}

/* Large weights are told to be unread while they are packed, not before, and not where
 * another node is yet to read them. */
START_TEST(what_is_unread_is_not_read)
{
	static const int64_t one_row[] = {1, DEEP}, w_dims[] = {DEEP, WIDE},
			     t_dims[] = {WIDE, DEEP};
	const size_t elems = (size_t)DEEP * WIDE, bytes = elems * sizeof(float);
	struct asked asked = {.unread = 0};
	struct pbuild turned = {0};
	struct opened o = {.model = NULL};
	static float x[DEEP];
	float *w = malloc(bytes);
	struct rt_tensor in = opened_f32(x, 2, one_row), out[3];
	char name[] = "pqrs";

	ck_assert_ptr_nonnull(w);
	for (size_t i = 0; i < elems; i++)
		w[i] = (float)(i * 2654435761u >> 12 & 0xffff);
	x[PICKED] = 1;
	name[_i] = 0; /* at another byte */
	pbuild_model(&o.m, 13);
	pbuild_input(&o.m, "x", 1, 2, one_row);
	pbuild_init_f32(&o.m, name, 1, (int64_t[]){1}, w);
	pbuild_init_f32(&o.m, "w", 2, w_dims, w);
	pbuild_init_f32(&o.m, "t", 2, t_dims, w);
	pbuild_node(&o.m, "MatMul", "x w", "y", NULL);
	pbuild_attr_int(&turned, "transB", 1);
	pbuild_node(&o.m, "Gemm", "x t", "z", &turned);
	pbuild_node(&o.m, "MatMul", "x w", "again", NULL);
	pbuild_output(&o.m, "y", 1);
	pbuild_output(&o.m, "z", 1);
	pbuild_output(&o.m, "again", 1);
	opened_open(&o, &(struct rt_model_opts){
			    .cpu_level = rt_cpu_best(), .unread = spoil, .unread_arg = &asked});
	ck_assert_uint_ge(asked.unread, 2 * bytes);
	ck_assert_int_ge(asked.parts, 6); /* w and t, each in at least two */
	opened_run(&o, &in, out);
	for (size_t i = 0; i < WIDE; i++) {
		ck_assert(((float *)out[0].data)[i] == w[PICKED * WIDE + i]);
		ck_assert(((float *)out[1].data)[i] == w[i * DEEP + PICKED]);
		ck_assert(((float *)out[2].data)[i] == w[PICKED * WIDE + i]);
	}
	opened_close(&o);
	free(w);
}
END_TEST

Suite *check_runtime_pack(void)
{
	Suite *s = suite_create("runtime_pack");
	TCase *tc = tcase_create("image");

	tcase_add_checked_fixture(tc, opened_start, opened_stop);
	tcase_add_loop_test(tc, an_image_is_used, 0, RT_CPU_LEVEL_COUNT);
	tcase_add_loop_test(tc, a_foreign_image_is_left_aside, 0,
			    (int)(sizeof damages / sizeof damages[0]));
	tcase_add_loop_test(tc, weights_at_any_byte, 0, 5);
	tcase_add_loop_test(tc, what_is_unread_is_not_read, 1, 5);
	suite_add_tcase(s, tc);
	return s;
}
