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

/* ---- operators of signals, sequences, images ------------------------------------------------- */

/* A scale per channel of int8 weights: x is (127, −64) / 127, so that nothing is rounded. */
START_TEST(bytes_as_weights_of_floats)
{
	static const int8_t w[] = {1, 2, -3, 100};
	static const float sw[] = {0.5f, 127};
	float x[] = {1, -64.0f / 127};
	/* (127·1 − 64·2) · 0.5 / 127, (−127·3 − 6400) · 127 / 127 */
	const float want[] = {-0.5f / 127, -6781};
	const struct rt_shape s = rt_shape_of(2, (int64_t)1, (int64_t)2);
	const struct rt_tensor in = {RT_F32, s, x};
	struct rt_team *team = rt_team_new(1);
	struct rt_tensor out[1];
	struct rt_session *session = NULL;
	struct rt_model *m = NULL;
	int t[3];

	lite_begin(&file);
	t[0] = lite_tensor(&file, "x", LITE_F32, 2, (int[]){1, 2}, NULL, 0);
	t[1] = lite_tensor(&file, "w", LITE_I8, 2, (int[]){2, 2}, w, sizeof(w));
	t[2] = lite_tensor(&file, "y", LITE_F32, 2, (int[]){1, 2}, NULL, 0);
	lite_quant(&file, t[1], 2, sw, 0, 0);
	(void)lite_op(&file, 9, NULL, 2, t, 1, &t[2]);
	ck_assert_int_eq(open_bytes(lite_end(&file, 1, t, 1, &t[2]), &m), RT_OK);
	ck_assert_int_eq(rt_session_open(m, team, &session, &err), RT_OK);
	ck_assert_int_eq(rt_session_run(session, &in, out, NULL, NULL, &err), RT_OK);
	for (int i = 0; i < 2; i++)
		ck_assert_float_eq_tol(((const float *)out[0].data)[i], want[i],
				       fabsf(want[i]) * 1e-6f);
	rt_session_close(session);
	rt_model_close(m);
	rt_team_free(team);
}
END_TEST

/* |DFT| of (4, 0, 0, 0), and of (1, −1, 1, −1) cut to two: 0, 2. */
START_TEST(spectrum)
{
	float x[] = {4, 0, 0, 0};
	const float want[] = {4, 4, 4}, cut[] = {0, 2};
	struct rt_tensor in = {RT_F32, rt_shape_of(2, (int64_t)1, (int64_t)4), x};

	for (int k = 0; k < 2; k++) {
		const int length = k == 0 ? 4 : 2, half = length / 2 + 1;
		const struct rt_shape s = rt_shape_of(2, (int64_t)1, (int64_t)half);
		int t[3], n;

		lite_begin(&file);
		t[0] = lite_tensor(&file, "x", LITE_F32, 2, (int[]){1, 4}, NULL, 0);
		n = lite_tensor(&file, "n", LITE_I32, 1, (int[]){2}, (int32_t[]){1, length}, 8);
		t[1] = lite_tensor(&file, "z", LITE_C64, 2, (int[]){1, half}, NULL, 0);
		t[2] = lite_tensor(&file, "y", LITE_F32, 2, (int[]){1, half}, NULL, 0);
		(void)lite_op(&file, 131, NULL, 2, (int[]){t[0], n}, 1, &t[1]);
		(void)lite_op(&file, 135, NULL, 1, &t[1], 1, &t[2]);
		gives(lite_end(&file, 1, t, 1, &t[2]), &in, &s, k == 0 ? want : cut,
		      (size_t)half * 4);
		memcpy(x, (float[]){1, -1, 1, -1}, sizeof(x));
	}
}
END_TEST

/* h' = relu(2x + 0.5h + 1), two steps of two cells that do not look at each other. */
START_TEST(cells_over_time)
{
	float x[] = {1, -3};
	const float w[] = {2, -1}, r[] = {0.5f, 0, 0, 0.5f}, b[] = {1, 0};
	/* 3, relu(−1) → relu(−6 + 1.5 + 1), 3 */
	const float want[] = {3, 0, 0, 3};
	const struct rt_shape s = rt_shape_of(3, (int64_t)1, (int64_t)2, (int64_t)2);
	const struct rt_tensor in = {RT_F32, rt_shape_of(3, (int64_t)1, (int64_t)2, (int64_t)1), x};
	const float zeros[2] = {0, 0};
	struct lite_op *op;
	int t[6];

	lite_begin(&file);
	t[0] = lite_tensor(&file, "x", LITE_F32, 3, (int[]){1, 2, 1}, NULL, 0);
	t[1] = lite_tensor(&file, "w", LITE_F32, 2, (int[]){2, 1}, w, sizeof(w));
	t[2] = lite_tensor(&file, "r", LITE_F32, 2, (int[]){2, 2}, r, sizeof(r));
	t[3] = lite_tensor(&file, "b", LITE_F32, 1, (int[]){2}, b, sizeof(b));
	t[4] = lite_tensor(&file, "h", LITE_F32, 2, (int[]){1, 2}, zeros, sizeof(zeros));
	t[5] = lite_tensor(&file, "y", LITE_F32, 3, (int[]){1, 2, 2}, NULL, 0);
	op = lite_op(&file, 35, NULL, 5, t, 1, &t[5]);
	lite_option(op, 1, 0);
	lite_option(op, 1, 1);
	gives(lite_end(&file, 1, t, 1, &t[5]), &in, &s, want, sizeof(want));
}
END_TEST

/* What the reference kernels gave for these elements (in steps of 0.0003, of 2^-12). */
START_TEST(int16_curves)
{
	static const float sy = 1.0f / 32768;
	static const struct {
		int code;
		float scale;
		int16_t want[8];
	} cases[] = {{28, 0.0003f, {-32767, -29660, -29, 0, 11, 7502, 32729, 32767}},
		     {14, 0.0003f, {2, 5978, 16377, 16384, 16387, 18285, 31980, 32766}},
		     {28, 1.0f / 4096, {-32767, -27524, -20, 0, 8, 6144, 32616, 32767}},
		     {14, 1.0f / 4096, {11, 7461, 16375, 16384, 16384, 17932, 31236, 32756}}};
	int16_t x[] = {-32768, -5000, -3, 0, 1, 777, 12345, 32767};
	const struct rt_shape s = rt_shape_of(1, (int64_t)8);
	const struct rt_tensor in = {RT_I16, s, x};
	int t[2];

	lite_begin(&file);
	t[0] = lite_tensor(&file, "x", LITE_I16, 1, (int[]){8}, NULL, 0);
	t[1] = lite_tensor(&file, "y", LITE_I16, 1, (int[]){8}, NULL, 0);
	lite_quant(&file, t[0], 1, &cases[_i].scale, 0, 0);
	lite_quant(&file, t[1], 1, &sy, 0, 0);
	(void)lite_op(&file, cases[_i].code, NULL, 1, t, 1, &t[1]);
	gives(lite_end(&file, 1, t, 1, &t[1]), &in, &s, cases[_i].want, sizeof(cases[_i].want));
}
END_TEST

/* As the reference kernel has it: the row sums to 32768 but for roundings. */
START_TEST(int16_softmax)
{
	static const float sx = 1.0f / 4096, sy = 1.0f / 32768;
	int16_t x[] = {0, 1000, -2000, 4096, 3000};
	const int16_t want[] = {4262, 5440, 2616, 11585, 8865};
	const struct rt_shape s = rt_shape_of(2, (int64_t)1, (int64_t)5);
	const struct rt_tensor in = {RT_I16, s, x};
	const float one = 1;
	int32_t bits;
	int t[2];

	memcpy(&bits, &one, sizeof(bits));
	lite_begin(&file);
	t[0] = lite_tensor(&file, "x", LITE_I16, 2, (int[]){1, 5}, NULL, 0);
	t[1] = lite_tensor(&file, "y", LITE_I16, 2, (int[]){1, 5}, NULL, 0);
	lite_quant(&file, t[0], 1, &sx, 0, 0);
	lite_quant(&file, t[1], 1, &sy, 0, 0);
	lite_option(lite_op(&file, 25, NULL, 1, t, 1, &t[1]), 4, bits);
	gives(lite_end(&file, 1, t, 1, &t[1]), &in, &s, want, sizeof(want));
}
END_TEST

/* Two pixels to four, half pixels: ¼ and ¾ of the way, and what lies outside is the edge. */
START_TEST(pixels_between)
{
	static const float one = 1;
	static const int32_t size[2] = {1, 4};
	int8_t x8[] = {0, 101};
	int16_t x16[] = {-2, -10001};
	/* 25.25, 75.75; −2501.75, −7501.25 */
	const int8_t want8[] = {0, 25, 76, 101};
	const int16_t want16[] = {-2, -2502, -7501, -10001};
	const struct rt_shape from = rt_shape_of(4, (int64_t)1, (int64_t)1, (int64_t)2, (int64_t)1);
	const struct rt_shape to = rt_shape_of(4, (int64_t)1, (int64_t)1, (int64_t)4, (int64_t)1);
	const struct rt_tensor in8 = {RT_I8, from, x8}, in16 = {RT_I16, from, x16};

	for (int wide = 0; wide < 2; wide++) {
		const int type = wide ? LITE_I16 : LITE_I8;
		struct lite_op *op;
		int t[3];

		lite_begin(&file);
		t[0] = lite_tensor(&file, "x", type, 4, (int[]){1, 1, 2, 1}, NULL, 0);
		t[1] = lite_tensor(&file, "n", LITE_I32, 1, (int[]){2}, size, sizeof(size));
		t[2] = lite_tensor(&file, "y", type, 4, (int[]){1, 1, 4, 1}, NULL, 0);
		lite_quant(&file, t[0], 1, &one, 0, 0);
		lite_quant(&file, t[2], 1, &one, 0, 0);
		op = lite_op(&file, 23, NULL, 2, t, 1, &t[2]);
		for (int i = 0; i < 4; i++)
			lite_option(op, i < 2 ? 0 : 1, i == 3);
		if (wide)
			gives(lite_end(&file, 1, t, 1, &t[2]), &in16, &to, want16, sizeof(want16));
		else
			gives(lite_end(&file, 1, t, 1, &t[2]), &in8, &to, want8, sizeof(want8));
	}
}
END_TEST

/* The second box lies on the first; of four places, two are taken. */
START_TEST(boxes_that_are_left)
{
	const float boxes[] = {0, 0, 4, 4, 0, 0, 4, 3.9f, 10, 10, 14, 14, 20, 20, 21, 21};
	float scores[] = {0.6f, 0.9f, 0.8f, 0.1f};
	const float iou = 0.5f, least = 0.3f;
	const int32_t most = 4, want[] = {1, 2, 0, 0};
	const struct rt_shape s = rt_shape_of(1, (int64_t)4);
	const struct rt_tensor in = {RT_F32, s, scores};
	int t[5], y[2];

	lite_begin(&file);
	t[0] = lite_tensor(&file, "boxes", LITE_F32, 2, (int[]){4, 4}, boxes, sizeof(boxes));
	t[1] = lite_tensor(&file, "scores", LITE_F32, 1, (int[]){4}, NULL, 0);
	t[2] = lite_tensor(&file, "most", LITE_I32, 0, NULL, &most, 4);
	t[3] = lite_tensor(&file, "iou", LITE_F32, 0, NULL, &iou, 4);
	t[4] = lite_tensor(&file, "least", LITE_F32, 0, NULL, &least, 4);
	y[0] = lite_tensor(&file, "found", LITE_I32, 1, (int[]){4}, NULL, 0);
	y[1] = lite_tensor(&file, "count", LITE_I32, 0, NULL, NULL, 0);
	(void)lite_op(&file, 120, NULL, 5, t, 2, y);
	gives(lite_end(&file, 1, &t[1], 2, y), &in, &s, want, sizeof(want));
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
	ck_assert_msg(strstr(err.text, "CONCAT_EMBEDDINGS (tflite") != NULL, "%s", err.text);
	ck_assert_msg(strstr(err.text, "builtin operator 120") == NULL, "%s", err.text);
}
END_TEST

/* Complex numbers go to those that know of them; out of the model or to others they do not. */
START_TEST(complex_numbers_out)
{
	struct rt_model *m = NULL;
	int t[2], n;

	lite_begin(&file);
	t[0] = lite_tensor(&file, "x", LITE_F32, 2, (int[]){1, 4}, NULL, 0);
	n = lite_tensor(&file, "n", LITE_I32, 1, (int[]){2}, (int32_t[]){1, 4}, 8);
	t[1] = lite_tensor(&file, "z", LITE_C64, 2, (int[]){1, 3}, NULL, 0);
	(void)lite_op(&file, 131, NULL, 2, (int[]){t[0], n}, 1, &t[1]);
	ck_assert_int_eq(open_bytes(lite_end(&file, 1, t, 1, &t[1]), &m), RT_UNSUPPORTED);
	ck_assert_msg(strstr(err.text, "output 'z' has element type 8") != NULL, "%s", err.text);
}
END_TEST

/* A scale does not make an element type one to compute with: int4, text, bool, int64. */
START_TEST(scales_of_anything)
{
	static const struct {
		int code, from, to;
	} cases[] = {{114, LITE_F32, 17},       {114, LITE_I8, 17},       {114, LITE_I8, 5},
		     {114, LITE_BOOL, LITE_I8}, {6, 5, LITE_F32},         {6, LITE_I64, LITE_F32},
		     {19, LITE_I8, 17},         {28, LITE_I16, LITE_I64}, {28, LITE_I8, 5}};
	static const float one = 1;
	struct rt_model *m = NULL;
	int t[2];

	lite_begin(&file);
	t[0] = lite_tensor(&file, "x", cases[_i].from, 1, (int[]){4}, NULL, 0);
	t[1] = lite_tensor(&file, "y", cases[_i].to, 1, (int[]){4}, NULL, 0);
	lite_quant(&file, t[0], 1, &one, 0, 0);
	lite_quant(&file, t[1], 1, &one, 0, 0);
	(void)lite_op(&file, cases[_i].code, NULL, 1, t, 1, &t[1]);
	ck_assert_int_eq(open_bytes(lite_end(&file, 1, t, 1, &t[1]), &m), RT_UNSUPPORTED);
	ck_assert_msg(strstr(err.text, "(tflite, opset 1): not ") != NULL, "%s", err.text);
}
END_TEST

/* HARD_SWISH from a scale of 1 to the least that there is: multipliers are the largest. */
START_TEST(scales_far_apart)
{
	static const float one = 1, little = 1e-38f;
	int8_t x[] = {-128, 0, 1, 127};
	const struct rt_shape s = rt_shape_of(1, (int64_t)4);
	const struct rt_tensor in = {RT_I8, s, x};
	const int8_t want[] = {0, 0, 127, 127};
	int t[2];

	lite_begin(&file);
	t[0] = lite_tensor(&file, "x", LITE_I8, 1, (int[]){4}, NULL, 0);
	t[1] = lite_tensor(&file, "y", LITE_I8, 1, (int[]){4}, NULL, 0);
	lite_quant(&file, t[0], 1, &one, 0, 0);
	lite_quant(&file, t[1], 1, &little, 0, 0);
	(void)lite_op(&file, 117, NULL, 1, t, 1, &t[1]);
	gives(lite_end(&file, 1, t, 1, &t[1]), &in, &s, want, sizeof(want));
}
END_TEST

START_TEST(complex_numbers_added)
{
	struct rt_model *m = NULL;
	int t[4], n;

	lite_begin(&file);
	t[0] = lite_tensor(&file, "x", LITE_F32, 2, (int[]){1, 4}, NULL, 0);
	n = lite_tensor(&file, "n", LITE_I32, 1, (int[]){2}, (int32_t[]){1, 4}, 8);
	t[1] = lite_tensor(&file, "z", LITE_C64, 2, (int[]){1, 3}, NULL, 0);
	t[2] = lite_tensor(&file, "s", LITE_C64, 2, (int[]){1, 3}, NULL, 0);
	t[3] = lite_tensor(&file, "y", LITE_F32, 2, (int[]){1, 3}, NULL, 0);
	(void)lite_op(&file, 131, NULL, 2, (int[]){t[0], n}, 1, &t[1]);
	(void)lite_op(&file, 0, NULL, 2, (int[]){t[1], t[1]}, 1, &t[2]);
	(void)lite_op(&file, 135, NULL, 1, &t[2], 1, &t[3]);
	ck_assert_int_eq(open_bytes(lite_end(&file, 1, t, 1, &t[3]), &m), RT_UNSUPPORTED);
	ck_assert_msg(strstr(err.text, "ADD (tflite, opset 1): not of complex numbers") != NULL,
		      "%s", err.text);
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
	ck_assert_int_eq(rt_fixed_scale_long(3, 1 << 30, 20), 3 << 19);
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
	tcase_add_test(t, bytes_as_weights_of_floats);
	tcase_add_test(t, spectrum);
	tcase_add_test(t, cells_over_time);
	tcase_add_loop_test(t, int16_curves, 0, 4);
	tcase_add_test(t, int16_softmax);
	tcase_add_test(t, pixels_between);
	tcase_add_test(t, boxes_that_are_left);
	suite_add_tcase(s, t);
	t = tcase_create("refused");
	tcase_add_test(t, all_that_is_missing_is_told);
	tcase_add_test(t, complex_numbers_out);
	tcase_add_test(t, complex_numbers_added);
	tcase_add_test(t, scales_far_apart);
	tcase_add_loop_test(t, scales_of_anything, 0, 9);
	tcase_add_test(t, a_file_cut_short);
	tcase_add_test(t, detections_without_options);
	tcase_add_test(t, a_tensor_that_nothing_makes);
	suite_add_tcase(s, t);
	return s;
}
