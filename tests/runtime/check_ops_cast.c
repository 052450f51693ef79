/* SPDX-License-Identifier: MIT */
/*
 * Numbers of every type as others (ops/convert.c, cast.c): all values of the 8-
 * and 16-bit floats there and back, rounding, saturation, strings; random numbers
 * by their statistics (ops/random.c).
 */
#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "tests/lib/op_case.h"
#include "tests/runtime/suites.h"

static const struct op_case cases[] = {
    {"Cast", 13, "to=6", "f32[4] 1.9 -1.9 0.5 100", "i32[4] 1 -1 0 100"},
    {"Cast", 13, "to=9", "f32[3] 0 0.1 nan", "bool[3] 0 1 1"},
    {"Cast", 13, "to=1", "bool[2] 0 1", "f32[2] 0 1"},
    {"Cast", 13, "to=10", "f64[3] 1.00048828125 65520 1e-8", "f16[3] 1 inf 0"},
    {"Cast", 13, "to=16", "f32[2] 1 3.14159", "bf16[2] 1 3.140625"},
    {"Cast", 13, "to=2", "i64[3] 255 256 -1", "u8[3] 255 0 255"},
    {"Cast", 13, "to=13", "f64[2] 1e19 3", "u64[2] 10000000000000000000 3"},
    {"Cast", 13, "to=1", "u64[1] 18446744073709551615", "f32[1] 1.8446744e19"},
    {"Cast", 19, "to=19", "f32[3] 1e9 -1e9 1", "f8[3] 57344 -57344 1"},
    {"Cast", 19, "to=19 saturate=0", "f32[2] 1e9 1", "f8[2] inf 1"},
    {"Cast", 19, "to=17", "f32[3] 1e9 0.0009765625 17", "f8e4[3] 448 0 16"},
    {"Cast", 21, "to=22", "f32[3] 7 -8 3", "i4[3] 7 -8 3"},
    {"Cast", 21, "to=1", "u4[3] 15 0 9", "f32[3] 15 0 9"},
    {"Cast", 13, "to=8", "f32[5] 1.5 0.1 -100 nan -inf", "str[5] 1.5 0.1 -100 NaN -INF"},
    {"Cast", 13, "to=8", "i64[2] -9223372036854775808 7", "str[2] -9223372036854775808 7"},
    {"Cast", 13, "to=1", "str[4] 1.5 -INF NaN 1e-3", "f32[4] 1.5 -inf nan 0.001"},
    {"Cast", 13, "to=7", "str[2] -12 34", "i64[2] -12 34"},
    {"Cast", 13, "to=7", "str[1] twelve", "refused: not a number"},
    {"CastLike", 15, "", "f32[2] 1.5 -1.5; i8[0]", "i8[2] 1 -1"},
    {"BitCast", 26, "to=6", "f32[1] 1", "i32[1] 0x3f800000"},
    {"BitCast", 26, "to=7", "f32[1] 1", "refused: size"},
    {"Dropout", 13, "", "f32[2] 1 2; f32[] 0.5", "f32[2] 1 2; bool[2] 1 1"},
    {"Dropout", 7, "ratio=0.5", "f32[2] 1 2", "f32[2] 1 2; f32[2] 1 1"},
};

START_TEST(cast_cases)
{
	op_case_check(&cases[_i]);
}
END_TEST

/* Every pattern of a small float becomes itself again; order is kept. */
START_TEST(small_floats_round_trip)
{
	static const enum rt_dtype types[] = {RT_F8E4M3FN, RT_F8E4M3FNUZ, RT_F8E5M2, RT_F8E5M2FNUZ,
					      RT_F8E8M0};
	enum rt_dtype t = types[_i];

	for (int bits = 0; bits < 256; bits++) {
		uint8_t byte = (uint8_t)bits, back;
		double x;

		rt_convert_to_f64(t, &byte, 0, 1, &x);
		rt_convert_from_f64(t, &x, 1, &back, 0, false);
		if (isnan(x)) {
			rt_convert_to_f64(t, &back, 0, 1, &x);
			ck_assert(isnan(x));
		} else if (t != RT_F8E8M0 || bits != 0) { /* 2^-127 rounds to itself or 0's place */
			ck_assert_msg(back == byte, "%s: %02x (%g) comes back as %02x",
				      rt_dtype_name(t), byte, x, back);
		}
	}
}
END_TEST

START_TEST(halves_round_trip)
{
	enum rt_dtype t = _i == 0 ? RT_F16 : RT_BF16;

	for (uint32_t bits = 0; bits < 65536; bits++) {
		uint16_t half = (uint16_t)bits, back;
		double x;

		rt_convert_to_f64(t, &half, 0, 1, &x);
		rt_convert_from_f64(t, &x, 1, &back, 0, true);
		ck_assert_msg(isnan(x) || back == half, "%s: %04x comes back as %04x",
			      rt_dtype_name(t), half, back);
	}
}
END_TEST

/* Rounding once: a double just above the middle of two halves must not fall to even. */
START_TEST(halves_round_once)
{
	double x = 1 + 0x1p-11 + 0x1p-40, middle = 1 + 0x1p-11;
	uint16_t half;

	rt_convert_from_f64(RT_F16, &x, 1, &half, 0, true);
	ck_assert_uint_eq(half, 0x3c01);
	rt_convert_from_f64(RT_F16, &middle, 1, &half, 0, true);
	ck_assert_uint_eq(half, 0x3c00);
	x = -x;
	rt_convert_from_f64(RT_F16, &x, 1, &half, 0, true);
	ck_assert_uint_eq(half, 0xbc01);
}
END_TEST

START_TEST(random_statistics)
{
	enum { N = 40000 };
	static float data[N];
	struct rt_tensor in = {RT_F32, {1, {N}}, data}, out, again;
	double sum = 0, square = 0;

	op_case_run("RandomNormalLike", 22, "mean=3.0 scale=2.0 seed=1.0", &in, 1, &out);
	op_case_run("RandomNormalLike", 22, "mean=3.0 scale=2.0 seed=1.0", &in, 1, &again);
	ck_assert_mem_eq(out.data, again.data, sizeof(data));
	for (int i = 0; i < N; i++) {
		double x = (double)((float *)out.data)[i];
		sum += x;
		square += x * x;
	}
	ck_assert_double_eq_tol(sum / N, 3, 0.05);
	ck_assert_double_eq_tol(square / N - sum / N * sum / N, 4, 0.15);
	free(again.data);
	op_case_run("RandomUniformLike", 22, "low=1.0 high=2.0", &in, 1, &again);
	sum = 0;
	for (int i = 0; i < N; i++) {
		double x = (double)((float *)again.data)[i];
		ck_assert(x >= 1 && x <= 2);
		sum += x;
	}
	ck_assert_double_eq_tol(sum / N, 1.5, 0.02);
	free(out.data);
	free(again.data);
}
END_TEST

Suite *check_runtime_ops_cast(void)
{
	Suite *s = suite_create("runtime/ops/cast");
	TCase *t = tcase_create("cast");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, cast_cases, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_loop_test(t, small_floats_round_trip, 0, 5);
	tcase_add_loop_test(t, halves_round_trip, 0, 2);
	tcase_add_test(t, halves_round_once);
	tcase_add_test(t, random_statistics);
	suite_add_tcase(s, t);
	return s;
}
