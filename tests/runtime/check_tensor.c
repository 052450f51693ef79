/* SPDX-License-Identifier: MIT */
/*
 * Shapes, element types and status texts (runtime/shape.c, dtype.c, tensor.c,
 * status.c).
 */
#include <config.h>

#include <check.h>
#include <math.h>
#include <string.h>

#include "runtime/tensor.h"
#include "tests/runtime/suites.h"

START_TEST(elems_are_checked)
{
	struct rt_shape s = rt_shape_of(3, (int64_t)2, (int64_t)3, (int64_t)4);
	int64_t n = 0;

	ck_assert(rt_shape_elems(&s, &n));
	ck_assert_int_eq(n, 24);
	s = rt_shape_of(0);
	ck_assert(rt_shape_elems(&s, &n));
	ck_assert_int_eq(n, 1);
	s = rt_shape_of(2, INT64_C(1) << 32, INT64_C(1) << 31);
	ck_assert(!rt_shape_elems(&s, &n)); /* 2^63 */
	s = rt_shape_of(3, INT64_C(1) << 20, (int64_t)0, INT64_C(1) << 30);
	ck_assert(rt_shape_elems(&s, &n)); /* a 0 wins */
	ck_assert_int_eq(n, 0);
	s = rt_shape_of(3, INT64_C(1) << 62, (int64_t)0, INT64_C(1) << 62);
	ck_assert(!rt_shape_elems(&s, &n)); /* but strides must not overflow */
	s = rt_shape_of(2, INT64_C(1) << 60, (int64_t)0);
	ck_assert(!rt_shape_elems(&s, &n)); /* nor in bytes */
	s = rt_shape_of(2, (int64_t)3, (int64_t)-1);
	ck_assert(!rt_shape_elems(&s, &n));
	s.rank = -1;
	ck_assert(!rt_shape_elems(&s, &n));
	s.rank = RT_RANK_MAX + 1;
	ck_assert(!rt_shape_elems(&s, &n));
}
END_TEST

START_TEST(bytes_of_packed_types_round_up)
{
	struct rt_shape s = rt_shape_of(1, (int64_t)5), big = rt_shape_of(1, INT64_C(1) << 62);
	size_t n = 0;

	ck_assert(rt_shape_bytes(&s, RT_F32, &n));
	ck_assert_uint_eq(n, 20);
	ck_assert(rt_shape_bytes(&s, RT_U4, &n));
	ck_assert_uint_eq(n, 3);
	ck_assert(rt_shape_bytes(&s, RT_I2, &n));
	ck_assert_uint_eq(n, 2);
	ck_assert(rt_shape_bytes(&s, RT_STR, &n));
	ck_assert_uint_eq(n, 5 * sizeof(struct rt_str));
	ck_assert(!rt_shape_bytes(&s, RT_NONE, &n));
	ck_assert(rt_shape_bytes(&big, RT_U8, &n));
	ck_assert(!rt_shape_bytes(&big, RT_F32, &n));
}
END_TEST

START_TEST(shape_text_fits_any_buffer)
{
	struct rt_shape s = rt_shape_of(4, (int64_t)1, (int64_t)3, (int64_t)-1, (int64_t)224);
	char text[64];

	ck_assert_str_eq(rt_shape_text(&s, text, sizeof(text)), "[1,3,?,224]");
	s.rank = 0;
	ck_assert_str_eq(rt_shape_text(&s, text, sizeof(text)), "[]");
	s.rank = -1;
	ck_assert_str_eq(rt_shape_text(&s, text, sizeof(text)), "[...]");
	s.rank = 4;
	for (size_t size = 1; size < 16; size++) {
		memset(text, 'x', sizeof(text));
		ck_assert_uint_lt(strlen(rt_shape_text(&s, text, size)), size);
		ck_assert_int_eq(text[size], 'x');
	}
}
END_TEST

START_TEST(names_and_numbers_agree)
{
	ck_assert_int_eq(rt_dtype_of_onnx(1), RT_F32);
	ck_assert_int_eq(rt_dtype_of_onnx(7), RT_I64);
	ck_assert_int_eq(rt_dtype_of_onnx(16), RT_BF16);
	ck_assert_int_eq(rt_dtype_of_onnx(0), RT_NONE);
	ck_assert_int_eq(rt_dtype_of_onnx(14), RT_NONE); /* complex64 */
	ck_assert_int_eq(rt_dtype_of_oip("FP32"), RT_F32);
	ck_assert_int_eq(rt_dtype_of_oip("BYTES"), RT_STR);
	ck_assert_int_eq(rt_dtype_of_oip(""), RT_NONE);
	ck_assert_int_eq(rt_dtype_of_oip("fp32"), RT_NONE);
	for (int t = 1; t < RT_DTYPE_COUNT; t++) {
		const char *oip = rt_dtype_oip((enum rt_dtype)t);

		ck_assert(oip[0] == '\0' || (int)rt_dtype_of_oip(oip) == t);
		ck_assert_uint_gt(rt_dtype_bits((enum rt_dtype)t), 0);
	}
	ck_assert_str_eq(rt_dtype_name((enum rt_dtype)99), "unknown");
}
END_TEST

/* The value of a half by its definition (IEEE 754 binary16). */
static double half_value(uint16_t h)
{
	double sign = (h & 0x8000) != 0 ? -1 : 1;
	int e = h >> 10 & 31, m = h & 1023;

	if (e == 31)
		return m != 0 ? NAN : sign * INFINITY;
	return sign * (e == 0 ? ldexp(m, -24) : ldexp(1024 + m, e - 25));
}

START_TEST(every_half_is_exact)
{
	for (uint32_t h = 0; h <= UINT16_MAX; h++) {
		float f = rt_f16_to_f32((uint16_t)h);
		double want = half_value((uint16_t)h);

		if (isnan(want)) {
			ck_assert(isnan(f));
			ck_assert(isnan(rt_f16_to_f32(rt_f32_to_f16(f))));
			continue;
		}
		ck_assert_msg((double)f == want, "half %04x: %g, not %g", h, (double)f, want);
		ck_assert_uint_eq(rt_f32_to_f16(f), h);
	}
}
END_TEST

/* Between two neighbours the nearer one, and of two equally near the even one. */
START_TEST(halves_round_to_nearest_even)
{
	for (uint32_t h = 0; h < 0x7bff; h++) {
		float low = rt_f16_to_f32((uint16_t)h), high = rt_f16_to_f32((uint16_t)(h + 1));
		float middle = low + (high - low) / 2; /* exact in float32 */
		uint16_t even = (uint16_t)((h & 1) != 0 ? h + 1 : h);

		ck_assert_uint_eq(rt_f32_to_f16(middle), even);
		ck_assert_uint_eq(rt_f32_to_f16(nextafterf(middle, low)), h);
		ck_assert_uint_eq(rt_f32_to_f16(nextafterf(middle, high)), h + 1);
		ck_assert_uint_eq(rt_f32_to_f16(-middle), even | 0x8000);
	}
	ck_assert_uint_eq(rt_f32_to_f16(65519.996f), 0x7bff);
	ck_assert_uint_eq(rt_f32_to_f16(65520.0f), 0x7c00); /* the middle above the largest */
	ck_assert_uint_eq(rt_f32_to_f16(1e30f), 0x7c00);
}
END_TEST

START_TEST(bfloats_round_to_nearest_even)
{
	ck_assert_uint_eq(rt_f32_to_bf16(1.0f), 0x3f80);
	ck_assert_uint_eq(rt_f32_to_bf16(1.0f + 0x1p-8f), 0x3f80);           /* middle: even */
	ck_assert_uint_eq(rt_f32_to_bf16(1.0f + 0x1p-7f + 0x1p-8f), 0x3f82); /* middle: even */
	ck_assert_uint_eq(rt_f32_to_bf16(1.0f + 0x1p-8f + 0x1p-20f), 0x3f81);
	ck_assert_uint_eq(rt_f32_to_bf16(INFINITY), 0x7f80);
	ck_assert(isnan(rt_bf16_to_f32(rt_f32_to_bf16(NAN))));
	ck_assert(rt_bf16_to_f32(0xc000) == -2.0f);
}
END_TEST

START_TEST(errors_are_wrapped_not_lost)
{
	static struct rt_error err;
	char longest[9000];

	ck_assert_int_eq(rt_error_set(&err, RT_BUDGET, "%d bytes", 7), RT_BUDGET);
	ck_assert_int_eq(rt_error_wrap(&err, "node %s", "a"), RT_BUDGET);
	ck_assert_str_eq(err.text, "node a: 7 bytes");
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	(void)rt_error_set(&err, RT_DATA, "%s", longest);
	ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
	(void)rt_error_wrap(&err, "front");
	ck_assert(strncmp(err.text, "front: xxx", 10) == 0);
	ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
	ck_assert_int_eq(rt_error_set(NULL, RT_DATA, "nobody listens"), RT_DATA);
	ck_assert_str_eq(rt_status_text(RT_OK), "ok");
	ck_assert_str_ne(rt_status_text(RT_BUDGET), "unknown status");
	ck_assert_str_eq(rt_status_text(-1), "unknown status");
}
END_TEST

Suite *check_runtime_tensor(void)
{
	Suite *suite = suite_create("runtime_tensor");
	TCase *c = tcase_create("tensor");

	tcase_add_test(c, elems_are_checked);
	tcase_add_test(c, bytes_of_packed_types_round_up);
	tcase_add_test(c, shape_text_fits_any_buffer);
	tcase_add_test(c, names_and_numbers_agree);
	tcase_add_test(c, every_half_is_exact);
	tcase_add_test(c, halves_round_to_nearest_even);
	tcase_add_test(c, bfloats_round_to_nearest_even);
	tcase_add_test(c, errors_are_wrapped_not_lost);
	suite_add_tcase(suite, c);
	return suite;
}
