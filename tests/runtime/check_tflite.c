/* SPDX-License-Identifier: MIT */
/*
 * TensorFlow Lite models (runtime/tflite*.c, flatbuf.c, fixed.c and the operators they are
 * lowered to): what is computed, and what is refused with which words.  Numbers
 * are worked out by hand from the reference kernels' formulas.
 */
#include <config.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/fixed.h"
#include "runtime/runtime.h"
#include "tests/runtime/lite_file.h"
#include "tests/runtime/suites.h"

static struct lite_file file;
static struct rt_error err;

static int open_bytes(struct rt_bytes b, struct rt_model **m)
{
	struct rt_model_opts opts = {.cpu_level = RT_CPU_SCALAR};

	err.text[0] = '\0';
	return rt_model_open(b, &opts, m, &err);
}

/* Runs the model on ${in} and compares output 0 with ${want}, of as many bytes. */
static void gives(struct rt_bytes b, const struct rt_tensor *in, const struct rt_shape *shape,
		  const void *want, size_t bytes)
{
	struct rt_team *team = rt_team_new(2);
	struct rt_session *s = NULL;
	struct rt_model *m = NULL;
	struct rt_tensor out[4];
	int rc = open_bytes(b, &m);

	ck_assert_msg(rc == RT_OK, "%s", err.text);
	ck_assert_str_eq(rt_model_platform(m), "tensorflow_tflite");
	ck_assert_int_eq(rt_session_open(m, team, &s, &err), RT_OK);
	rc = rt_session_run(s, in, out, NULL, &(struct rt_run_opts){0}, &err);
	ck_assert_msg(rc == RT_OK, "%s", err.text);
	ck_assert(rt_shape_equal(&out[0].shape, shape));
	ck_assert_uint_eq(rt_tensor_bytes(&out[0]), bytes);
	ck_assert_mem_eq(out[0].data, want, bytes);
	rt_session_close(s);
	rt_model_close(m);
	rt_team_free(team);
}

static struct rt_bytes add_relu(void)
{
	int x, y, z;

	lite_begin(&file);
	x = lite_tensor(&file, "x", LITE_F32, 2, (int[]){2, 2}, NULL, 0);
	y = lite_tensor(&file, "y", LITE_F32, 1, (int[]){2}, (float[]){1, -10}, 8);
	z = lite_tensor(&file, "z", LITE_F32, 2, (int[]){2, 2}, NULL, 0);
	lite_option(lite_op(&file, 0, NULL, 2, (int[]){x, y}, 1, &z), 1, 1);
	return lite_end(&file, 1, &x, 1, &z);
}

START_TEST(floats_and_a_fused_activation)
{
	float x[] = {1, 2, -3, 40};
	const float want[] = {2, 0, 0, 30};
	const struct rt_shape s = rt_shape_of(2, (int64_t)2, (int64_t)2);
	const struct rt_tensor in = {RT_F32, s, x};

	gives(add_relu(), &in, &s, want, sizeof(want));
}
END_TEST

/* y = round(x·w·s_x·s_w/s_y) + zero, per channel; 2.5 steps round to even, and RELU cuts at zero.
 */
START_TEST(bytes_fully_connected)
{
	static const int8_t w[] = {1, 2, 3, -1, -2, -3};
	static const int32_t bias[] = {1, 0};
	static const float sx = 0.5f, sw[] = {1, 0.5f}, sy = 2;
	int8_t x[] = {10, 11, 12, 13, -7, 0};
	/* x − 10: 0 1 2 | 3 −17 −10: sums 1+8, −8 | 1−61, 61 → ·0.25, ·0.125 */
	const int8_t want[] = {2 - 5, -5, -5, 8 - 5};
	const struct rt_shape out = rt_shape_of(2, (int64_t)2, (int64_t)2);
	const struct rt_tensor in = {RT_I8, rt_shape_of(2, (int64_t)2, (int64_t)3), x};
	int tx, tw, tb, ty;

	lite_begin(&file);
	tx = lite_tensor(&file, "x", LITE_I8, 2, (int[]){2, 3}, NULL, 0);
	tw = lite_tensor(&file, "w", LITE_I8, 2, (int[]){2, 3}, w, sizeof(w));
	tb = lite_tensor(&file, "b", LITE_I32, 1, (int[]){2}, bias, sizeof(bias));
	ty = lite_tensor(&file, "y", LITE_I8, 2, (int[]){2, 2}, NULL, 0);
	lite_quant(&file, tx, 1, &sx, 10, 0);
	lite_quant(&file, tw, 2, sw, 0, 0);
	lite_quant(&file, ty, 1, &sy, -5, 0);
	lite_option(lite_op(&file, 9, NULL, 3, (int[]){tx, tw, tb}, 1, &ty), 1, 1);
	gives(lite_end(&file, 1, &tx, 1, &ty), &in, &out, want, sizeof(want));
}
END_TEST

/* ADD: 0.5·(a − 1) + 0.25·(b + 2) in steps of 0.125, from −100. */
START_TEST(bytes_added)
{
	static const float sa = 0.5f, sb = 0.25f, sy = 0.125f;
	int8_t a[] = {1, 3, -20, 127}, b[] = {-2, 5, 7, 127};
	/* 4·(a − 1) + 2·(b + 2) − 100, within a byte */
	const int8_t want[] = {-100, -78, -128, 127};
	const struct rt_shape s = rt_shape_of(1, (int64_t)4);
	const struct rt_tensor in[] = {{RT_I8, s, a}, {RT_I8, s, b}};
	int t[3];

	lite_begin(&file);
	for (int i = 0; i < 3; i++)
		t[i] = lite_tensor(&file,
				   i == 0   ? "a"
				   : i == 1 ? "b"
					    : "y",
				   LITE_I8, 1, (int[]){4}, NULL, 0);
	lite_quant(&file, t[0], 1, &sa, 1, 0);
	lite_quant(&file, t[1], 1, &sb, -2, 0);
	lite_quant(&file, t[2], 1, &sy, -100, 0);
	(void)lite_op(&file, 0, NULL, 2, t, 1, &t[2]);
	gives(lite_end(&file, 2, t, 1, &t[2]), in, &s, want, sizeof(want));
}
END_TEST

/* LEAKY_RELU on int16: 0.25 below zero; halves are rounded away from zero. */
START_TEST(int16_by_a_table)
{
	static const float s1 = 1;
	const float alpha = 0.25f;
	int16_t x[] = {-32768, -10, -6, -2, 0, 5, 32767};
	const int16_t want[] = {-8192, -3, -2, -1, 0, 5, 32767};
	const struct rt_shape s = rt_shape_of(1, (int64_t)7);
	const struct rt_tensor in = {RT_I16, s, x};
	int32_t bits;
	int tx, ty;

	memcpy(&bits, &alpha, sizeof(bits));
	lite_begin(&file);
	tx = lite_tensor(&file, "x", LITE_I16, 1, (int[]){7}, NULL, 0);
	ty = lite_tensor(&file, "y", LITE_I16, 1, (int[]){7}, NULL, 0);
	lite_quant(&file, tx, 1, &s1, 0, 0);
	lite_quant(&file, ty, 1, &s1, 0, 0);
	lite_option(lite_op(&file, 98, NULL, 1, &tx, 1, &ty), 4, bits);
	gives(lite_end(&file, 1, &tx, 1, &ty), &in, &s, want, sizeof(want));
}
END_TEST

/* x[1:3:1, new, −1] of 4 × 2 */
START_TEST(slice_with_masks)
{
	float x[] = {0, 1, 2, 3, 4, 5, 6, 7};
	const float want[] = {3, 5};
	const struct rt_shape s = rt_shape_of(2, (int64_t)2, (int64_t)1);
	const struct rt_tensor in = {RT_F32, rt_shape_of(2, (int64_t)4, (int64_t)2), x};
	int t[5];
	struct lite_op *op;

	lite_begin(&file);
	t[0] = lite_tensor(&file, "x", LITE_F32, 2, (int[]){4, 2}, NULL, 0);
	t[1] = lite_tensor(&file, "b", LITE_I32, 1, (int[]){3}, (int32_t[]){1, 0, -1}, 12);
	t[2] = lite_tensor(&file, "e", LITE_I32, 1, (int[]){3}, (int32_t[]){3, 0, 0}, 12);
	t[3] = lite_tensor(&file, "s", LITE_I32, 1, (int[]){3}, (int32_t[]){1, 1, 1}, 12);
	t[4] = lite_tensor(&file, "y", LITE_F32, 2, (int[]){2, 1}, NULL, 0);
	op = lite_op(&file, 45, NULL, 4, t, 1, &t[4]);
	lite_option(op, 4, 0);
	lite_option(op, 4, 0);
	lite_option(op, 4, 0);
	lite_option(op, 4, 2); /* new axis */
	lite_option(op, 4, 4); /* shrink */
	gives(lite_end(&file, 1, t, 1, &t[4]), &in, &s, want, sizeof(want));
}
END_TEST

/* What has no integer form: y = Σ w·x + b on the numbers that are meant, rounded once. */
START_TEST(int16_fully_connected)
{
	static const int8_t w[] = {2, -3};
	static const int64_t bias[] = {256};
	static const float sx = 1.0f / 256, sw = 0.5f, sy = 1.0f / 64;
	int16_t x[] = {256, 512, -32768, 32767};
	/* 1·1 − 1.5·2 + 256·sx·sw = −1.5; −128 − 191.99… + 0.5 = −319.4941 */
	const int16_t want[] = {-96, -20448};
	const struct rt_shape s = rt_shape_of(2, (int64_t)2, (int64_t)1);
	const struct rt_tensor in = {RT_I16, rt_shape_of(2, (int64_t)2, (int64_t)2), x};
	int t[4];

	lite_begin(&file);
	t[0] = lite_tensor(&file, "x", LITE_I16, 2, (int[]){2, 2}, NULL, 0);
	t[1] = lite_tensor(&file, "w", LITE_I8, 2, (int[]){1, 2}, w, sizeof(w));
	t[2] = lite_tensor(&file, "b", LITE_I64, 1, (int[]){1}, bias, sizeof(bias));
	t[3] = lite_tensor(&file, "y", LITE_I16, 2, (int[]){2, 1}, NULL, 0);
	lite_quant(&file, t[0], 1, &sx, 0, 0);
	lite_quant(&file, t[1], 1, &sw, 0, 0);
	lite_quant(&file, t[3], 1, &sy, 0, 0);
	(void)lite_op(&file, 9, NULL, 3, t, 1, &t[3]);
	gives(lite_end(&file, 1, t, 1, &t[3]), &in, &s, want, sizeof(want));
}
END_TEST

/* L2_NORMALIZATION: (3, 4) / 5 and (−5, 12) / 13 in steps of 1/128. */
START_TEST(bytes_of_length_one)
{
	static const float sx = 0.5f, sy = 1.0f / 128;
	int8_t x[] = {16, 18, 0, 34};
	const int8_t want[] = {77, 102, -49, 118};
	const struct rt_shape s = rt_shape_of(2, (int64_t)2, (int64_t)2);
	const struct rt_tensor in = {RT_I8, s, x};
	int t[2];

	lite_begin(&file);
	t[0] = lite_tensor(&file, "x", LITE_I8, 2, (int[]){2, 2}, NULL, 0);
	t[1] = lite_tensor(&file, "y", LITE_I8, 2, (int[]){2, 2}, NULL, 0);
	lite_quant(&file, t[0], 1, &sx, 10, 0);
	lite_quant(&file, t[1], 1, &sy, 0, 0);
	(void)lite_op(&file, 11, NULL, 1, t, 1, &t[1]);
	gives(lite_end(&file, 1, t, 1, &t[1]), &in, &s, want, sizeof(want));
}
END_TEST

/* ---- TFLite_Detection_PostProcess ------------------------------------------------------------ */

/* A FlexBuffers map of 4-byte values: keys, then their offsets, then values, types, the root. */
static size_t flex_map(uint8_t *b, bool regular)
{
	static const char *const keys[] = {"h_scale",
					   "max_classes_per_detection",
					   "max_detections",
					   "nms_iou_threshold",
					   "nms_score_threshold",
					   "num_classes",
					   "use_regular_nms",
					   "w_scale",
					   "x_scale",
					   "y_scale"};
	const float reals[] = {5, 0, 0, 0.5f, 0.3f, 0, 0, 5, 10, 10};
	const uint32_t whole[] = {0, 1, 3, 0, 0, 2, regular, 0, 0, 0};
	uint32_t at[10], n = 0, values, x;

	for (int i = 0; i < 10; i++) {
		at[i] = n;
		memcpy(b + n, keys[i], strlen(keys[i]) + 1);
		n += (uint32_t)strlen(keys[i]) + 1;
	}
	while (n % 4 != 0)
		b[n++] = 0;
	memcpy(b + n, &(uint32_t){10}, 4);
	n += 4;
	values = n;
	for (int i = 0; i < 10; i++, n += 4)
		memcpy(b + n, &(uint32_t){n - at[i]}, 4);
	memcpy(b + n, (uint32_t[]){n - values, 4, 10}, 12);
	n += 12;
	values = n;
	for (int i = 0; i < 10; i++, n += 4) {
		memcpy(&x, &reals[i], 4);
		memcpy(b + n, reals[i] != 0 ? &x : &whole[i], 4);
	}
	for (int i = 0; i < 10; i++) /* float, bool or int of 4 bytes */
		b[n++] = reals[i] != 0 ? 3 << 2 | 2 : i == 6 ? 26 << 2 | 2 : 1 << 2 | 2;
	while (n % 4 != 0)
		b[n++] = 0;
	memcpy(b + n, &(uint32_t){n - values}, 4);
	b[n + 4] = 9 << 2 | 2;
	b[n + 5] = 4;
	return n + 6;
}

static struct rt_bytes detector(bool regular, uint8_t *options, size_t cut)
{
	/* the first two overlap by 0.9 / 1.1; the third is elsewhere */
	static const float anchors[] = {0.5f, 0.5f, 1, 1, 0.5f, 0.6f, 1, 1, 2, 2, 1, 1};
	int t[7];

	lite_begin(&file);
	t[0] = lite_tensor(&file, "x", LITE_F32, 3, (int[]){1, 3, 4}, NULL, 0);
	t[1] = lite_tensor(&file, "s", LITE_F32, 3, (int[]){1, 3, 3}, NULL, 0);
	t[2] = lite_tensor(&file, "a", LITE_F32, 2, (int[]){3, 4}, anchors, sizeof(anchors));
	t[3] = lite_tensor(&file, "boxes", LITE_F32, 3, (int[]){1, 3, 4}, NULL, 0);
	t[4] = lite_tensor(&file, "classes", LITE_F32, 2, (int[]){1, 3}, NULL, 0);
	t[5] = lite_tensor(&file, "scores", LITE_F32, 2, (int[]){1, 3}, NULL, 0);
	t[6] = lite_tensor(&file, "count", LITE_F32, 1, (int[]){1}, NULL, 0);
	lite_op(&file, 32, "TFLite_Detection_PostProcess", 3, t, 4, t + 3)->custom =
	    (struct rt_bytes){options, flex_map(options, regular) - cut};
	return lite_end(&file, 2, t, 4, t + 3);
}

static void near(const struct rt_tensor *t, const float *want, int64_t count)
{
	ck_assert_int_eq(rt_tensor_elems(t), count);
	for (int64_t i = 0; i < count; i++)
		ck_assert_float_eq_tol(((const float *)t->data)[i], want[i], 1e-5f);
}

/* _i 0: a box counts once, with its best class; 1: each class by itself. */
START_TEST(detections)
{
	/* the third is moved by 5 / 10 of its height and twice as wide: 5·ln 2 */
	float x[] = {0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 3.4657359f};
	float scores[] = {1, 0.9f, 0.1f, 1, 0.8f, 0.7f, 1, 0.2f, 0.6f};
	static const float boxes[2][12] = {{0, 0, 1, 1, 2, 1, 3, 3, 0, 0, 0, 0},
					   {0, 0, 1, 1, 0, 0.1f, 1, 1.1f, 2, 1, 3, 3}};
	static const float classes[2][3] = {{0, 1, 0}, {0, 1, 1}};
	static const float best[2][3] = {{0.9f, 0.6f, 0}, {0.9f, 0.7f, 0.6f}};
	static const float counts[2] = {2, 3};
	const struct rt_tensor in[] = {
	    {RT_F32, rt_shape_of(3, (int64_t)1, (int64_t)3, (int64_t)4), x},
	    {RT_F32, rt_shape_of(3, (int64_t)1, (int64_t)3, (int64_t)3), scores}};
	struct rt_team *team = rt_team_new(1);
	struct rt_session *s = NULL;
	struct rt_model *m = NULL;
	struct rt_tensor out[4];
	uint8_t options[512];
	int rc = open_bytes(detector(_i == 1, options, 0), &m);

	ck_assert_msg(rc == RT_OK, "%s", err.text);
	ck_assert_int_eq(rt_session_open(m, team, &s, &err), RT_OK);
	rc = rt_session_run(s, in, out, NULL, &(struct rt_run_opts){0}, &err);
	ck_assert_msg(rc == RT_OK, "%s", err.text);
	near(&out[0], boxes[_i], 12);
	near(&out[1], classes[_i], 3);
	near(&out[2], best[_i], 3);
	near(&out[3], &counts[_i], 1);
	rt_session_close(s);
	rt_model_close(m);
	rt_team_free(team);
}
END_TEST

START_TEST(detections_without_options)
{
	struct rt_model *m = NULL;
	uint8_t options[512];
	const size_t size = flex_map(options, false);

	for (size_t cut = 1; cut < size; cut += 7) {
		ck_assert_int_lt(open_bytes(detector(false, options, cut), &m), 0);
		ck_assert_ptr_null(m);
	}
}
END_TEST

START_TEST(all_that_is_missing_is_told)
{
	struct rt_model *m = NULL;
	int t[3];

	lite_begin(&file);
	for (int i = 0; i < 3; i++)
		t[i] = lite_tensor(&file,
				   i == 0   ? "x"
				   : i == 1 ? "h"
					    : "y",
				   LITE_F32, 1, (int[]){4}, NULL, 0);
	(void)lite_op(&file, 32, "MyOwn", 1, &t[0], 1, &t[1]);
	(void)lite_op(&file, 29, NULL, 1, &t[1], 1, &t[2]);
	ck_assert_int_eq(open_bytes(lite_end(&file, 1, t, 1, &t[2]), &m), RT_UNSUPPORTED);
	ck_assert_msg(strstr(err.text, "MyOwn (tflite") != NULL, "%s", err.text);
	ck_assert_msg(strstr(err.text, "builtin operator 29") != NULL, "%s", err.text);
}
END_TEST

/* Cut anywhere, the file is refused or means the same; the first cuts name a byte. */
START_TEST(a_file_cut_short)
{
	const struct rt_bytes b = add_relu();
	struct rt_model *m = NULL;

	for (size_t n = 9; n < b.size; n++) {
		uint8_t *copy = malloc(n);
		int rc;

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, b.data, n);
		rc = open_bytes((struct rt_bytes){copy, n}, &m);
		if (rc == RT_OK) { /* what is left out is of buffers without data */
			ck_assert_uint_ge(n + 96, b.size);
			rt_model_close(m);
		} else {
			ck_assert_int_eq(rc, RT_MALFORMED);
			ck_assert_ptr_nonnull(strstr(err.text, "at byte "));
		}
		free(copy);
	}
}
END_TEST

START_TEST(a_tensor_that_nothing_makes)
{
	struct rt_model *m = NULL;
	int t[3];

	lite_begin(&file);
	for (int i = 0; i < 3; i++)
		t[i] = lite_tensor(&file,
				   i == 0   ? "x"
				   : i == 1 ? "hole"
					    : "y",
				   LITE_F32, 1, (int[]){4}, NULL, 0);
	(void)lite_op(&file, 0, NULL, 2, t, 1, &t[2]);
	ck_assert_int_eq(open_bytes(lite_end(&file, 1, t, 1, &t[2]), &m), RT_MALFORMED);
	ck_assert_ptr_nonnull(strstr(err.text, "'hole' is read"));
}
END_TEST

/* Halves go up in a product and away from zero in a shift. */
START_TEST(fixed_point)
{
	int32_t mult;
	int shift;

	rt_fixed_split(0.75, &mult, &shift);
	ck_assert_int_eq(mult, 3 << 29);
	ck_assert_int_eq(shift, 0);
	rt_fixed_split(6, &mult, &shift);
	ck_assert_int_eq(mult, 3 << 29);
	ck_assert_int_eq(shift, 3);
	rt_fixed_split(HUGE_VAL, &mult, &shift); /* a scale of 1 over one of 0 */
	ck_assert_int_eq(mult, INT32_MAX);
	ck_assert_int_eq(shift, 30);
	rt_fixed_split(nan(""), &mult, &shift);
	ck_assert_int_eq(mult, 0);
	ck_assert_int_eq(rt_fixed_high(1 << 30, 3), 2); /* 1.5 */
	ck_assert_int_eq(rt_fixed_high(1 << 30, -3), -1);
	ck_assert_int_eq(rt_fixed_high(INT32_MIN, INT32_MIN), INT32_MAX);
	ck_assert_int_eq(rt_fixed_halve(5, 1), 3);
	ck_assert_int_eq(rt_fixed_halve(-5, 1), -3);
	ck_assert_int_eq(rt_fixed_halve(-6, 2), -2);
	ck_assert_int_eq(rt_fixed_scale(10, 3 << 29, 3), 60);
	ck_assert_int_eq(rt_fixed_scale(-7, 1 << 30, 0), -3);
	ck_assert_int_eq(rt_fixed_scale_long(1000, 1 << 30, 0), 500);
}
END_TEST

Suite *check_runtime_tflite(void)
{
	Suite *s = suite_create("runtime/tflite");
	TCase *t = tcase_create("models");

	tcase_add_test(t, floats_and_a_fused_activation);
	tcase_add_test(t, bytes_fully_connected);
	tcase_add_test(t, bytes_added);
	tcase_add_test(t, int16_by_a_table);
	tcase_add_test(t, slice_with_masks);
	tcase_add_test(t, fixed_point);
	tcase_add_test(t, int16_fully_connected);
	tcase_add_test(t, bytes_of_length_one);
	tcase_add_loop_test(t, detections, 0, 2);
	suite_add_tcase(s, t);
	t = tcase_create("refused");
	tcase_add_test(t, all_that_is_missing_is_told);
	tcase_add_test(t, a_file_cut_short);
	tcase_add_test(t, detections_without_options);
	tcase_add_test(t, a_tensor_that_nothing_makes);
	suite_add_tcase(s, t);
	return s;
}
