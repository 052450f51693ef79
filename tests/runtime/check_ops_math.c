/* SPDX-License-Identifier: MIT */
/*
 * Reductions, normalisations, softmax, running totals, Einsum, Resize, GridSample,
 * geometry (ops/reduce.c, arg.c, softmax.c, norm.c, row_norm.c, axis_norm.c,
 * einsum.c, resize.c, grid_sample.c, geometry.c, roi.c).  Expected values come
 * from the formulas, by hand or in double precision here.
 */
#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/op_case.h"
#include "tests/runtime/suites.h"

static const struct op_case cases[] = {
    /* reductions: both layouts, several axes, empty ones, all types */
    {"ReduceSum", 13, "", "f32[2,3] 1 2 3 4 5 6; i64[1] 1", "f32[2,1] 6 15"},
    {"ReduceSum", 13, "keepdims=0", "f32[2,3] 1 2 3 4 5 6; i64[1] 0", "f32[3] 5 7 9"},
    {"ReduceSum", 13, "keepdims=0", "i64[2,2,2] 1 2 3 4 5 6 7 8; i64[2] 0 -1", "i64[2] 14 22"},
    {"ReduceSum", 13, "keepdims=0", "f32[2,2] 1 2 3 4", "f32[] 10"},
    {"ReduceSum", 13, "noop_with_empty_axes=1", "f32[2] 1 2; i64[0]", "f32[2] 1 2"},
    {"ReduceSum", 13, "", "f32[2,0]; i64[1] 1", "f32[2,1] 0 0"},
    {"ReduceSum", 13, "", "f32[2]  1 2; i64[1] 1", "refused: axis 1"},
    {"ReduceMean", 11, "axes=[1]", "f32[2,4] 1 2 3 6 4 5 6 9", "f32[2,1] 3 6"},
    {"ReduceMean", 18, "", "u32[4] 1 2 3 6", "u32[1] 3"},
    {"ReduceProd", 18, "", "i32[3] 2 3 -4", "i32[1] -24"},
    {"ReduceMax", 20, "keepdims=0", "f32[2,2] 1 nan 3 -4; i64[1] 1", "f32[2] nan 3"},
    {"ReduceMax", 20, "", "bool[3] 0 1 0", "bool[1] 1"},
    {"ReduceMax", 18, "", "f32[0]", "f32[1] -inf"},
    {"ReduceMin", 18, "", "i8[3] 5 -128 7", "i8[1] -128"},
    {"ReduceMin", 18, "", "u64[2] 18446744073709551615 3", "u64[1] 3"},
    {"ReduceL1", 18, "", "i32[3] -1 2 -3", "i32[1] 6"},
    {"ReduceL2", 18, "", "f64[2] 3 -4", "f64[1] 5"},
    {"ReduceSumSquare", 18, "", "f32[3] 1 2 3", "f32[1] 14"},
    {"ReduceLogSum", 18, "", "f32[2] 1 1.718281828", "f32[1] 1"},
    {"ReduceLogSumExp", 18, "", "f32[2] 1000 1000", "f32[1] 1000.693147"},
    {"ReduceLogSumExp", 18, "keepdims=0", "f64[2,2] -inf 0 -inf 0; i64[1] 0",
     "f64[2] -inf 0.693147181"},
    {"ArgMax", 13, "axis=1 keepdims=0", "f32[2,3] 1 3 3 9 7 8", "i64[2] 1 0"},
    {"ArgMax", 13, "axis=1 select_last_index=1", "i32[1,3] 3 1 3", "i64[1,1] 2"},
    {"ArgMin", 13, "axis=0", "f64[3,2] 5 1 4 2 6 0", "i64[1,2] 1 2"},
    {"ArgMax", 13, "axis=0", "f32[0,2]", "refused: empty"},
    {"CumSum", 14, "", "i32[4] 1 2 3 4; i64[] 0", "i32[4] 1 3 6 10"},
    {"CumSum", 14, "exclusive=1 reverse=1", "f64[3] 1 2 3; i32[] 0", "f64[3] 5 3 0"},
    {"CumSum", 14, "", "f32[2,2] 1 2 3 4; i64[] -2", "f32[2,2] 1 2 4 6"},
    {"CumProd", 26, "", "f32[3] 2 3 4; i64[] 0", "f32[3] 2 6 24"},
    /* softmax: old and new meaning of axis, 16 bits, across memory */
    {"Softmax", 13, "", "f32[2,2] 0 0 0 1.09861229", "f32[2,2] 0.5 0.5 0.25 0.75"},
    {"Softmax", 13, "axis=0", "f32[2,2] 0 0 0 1.09861229", "f32[2,2] 0.5 0.25 0.5 0.75"},
    {"Softmax", 11, "", "f64[1,2,2] 0 0 0 0", "f64[1,2,2] 0.25 0.25 0.25 0.25"},
    {"Softmax", 13, "", "f16[2] 1000 1000", "f16[2] 0.5 0.5"},
    {"LogSoftmax", 13, "", "f32[2] 0 1.09861229", "f32[2] -1.38629436 -0.287682072"},
    {"LogSoftmax", 13, "axis=0", "f64[2,1] 0 1.09861228866811",
     "f64[2,1] -1.38629436111989 -0.28768207245178"},
    {"Hardmax", 13, "", "f32[4] 1 3 3 2", "f32[4] 0 1 0 0"},
    {"Softmax", 13, "axis=2", "f32[2] 1 2", "refused: axis 2"},
    /* normalisations */
    {"BatchNormalization", 15, "epsilon=0.0",
     "f32[1,2,2] 1 2 3 4; f32[2] 2 1; f32[2] 0 1; f32[2] 1 3; f32[2] 4 1", "f32[1,2,2] 0 1 1 2"},
    {"BatchNormalization", 15, "training_mode=1 epsilon=0.0 momentum=0.5",
     "f64[2,1] 1 3; f64[1] 1; f64[1] 0; f64[1] 4; f64[1] 3", "f64[2,1] -1 1; f64[1] 3; f64[1] 2"},
    {"BatchNormalization", 15, "",
     "f32[1,2,2] 1 2 3 4; f32[3] 2 1 1; f32[2] 0 1; f32[2] 1 3; f32[2] 4 1", "refused: input 1"},
    {"BatchNormalization", 15, "training_mode=1", "f32[] 1; f32[1] 1; f32[1] 0; f32[1] 4; f32[1] 3",
     "refused 3: no dimensions"},
    {"InstanceNormalization", 22, "epsilon=0.0", "f32[1,2,2] 1 3 10 30; f32[2] 1 2; f32[2] 0 5",
     "f32[1,2,2] -1 1 3 7"},
    {"GroupNormalization", 21, "num_groups=1 epsilon=0.0", "f64[1,2,1] 1 3; f64[2] 1 2; f64[2] 0 5",
     "f64[1,2,1] -1 7"},
    {"GroupNormalization", 21, "num_groups=3", "f32[1,2,1] 1 3; f32[2] 1 2; f32[2] 0 5",
     "refused: num_groups"},
    {"LayerNormalization", 17, "epsilon=0.0", "f32[2,2] 1 3 2 6; f32[2] 1 2; f32[2] 10 20",
     "f32[2,2] 9 22 9 22; f32[2,1] 2 4; f32[2,1] 1 0.5"},
    {"LayerNormalization", 17, "epsilon=0.0 axis=0", "f64[2,2] 1 1 3 3; f64[1,2] 1 2",
     "f64[2,2] -1 -2 1 2"},
    {"LayerNormalization", 17, "", "f32[2,2] 1 3 2 6; f32[3] 1 2 3", "refused: broadcast"},
    {"RMSNormalization", 23, "epsilon=0.0", "f32[1,2] 3 4; f32[2] 1 2",
     "f32[1,2] 0.848528137 2.26274170"},
    {"LpNormalization", 22, "axis=0", "f32[2,2] 3 0 4 0", "f32[2,2] 0.6 0 0.8 0"},
    {"LpNormalization", 22, "p=1", "f32[2] 1 -3", "f32[2] 0.25 -0.75"},
    {"MeanVarianceNormalization", 13, "", "f32[2,1,1,1] 1 3", "f32[2,1,1,1] -1 1"},
    {"LRN", 13, "size=3 alpha=3.0 beta=1.0 bias=1.0", "f32[1,3,1] 1 2 3",
     "f32[1,3,1] 0.166666667 0.133333333 0.214285714"},
    /* Einsum */
    {"Einsum", 12, "equation='ij,jk->ik'", "f32[2,2] 1 2 3 4; f32[2,1] 5 6", "f32[2,1] 17 39"},
    {"Einsum", 12, "equation='ii->i'", "i64[2,2] 1 2 3 4", "i64[2] 1 4"},
    {"Einsum", 12, "equation='ij'", "f32[1,2] 1 2", "f32[1,2] 1 2"},
    {"Einsum", 12, "equation='...i,...i'", "f64[2,2] 1 2 3 4; f64[2] 1 10", "f64[2] 21 43"},
    {"Einsum", 12, "equation='ij,jk->ik'", "f32[2,2] 1 2 3 4; f32[3,1] 5 6 7",
     "refused: dimension"},
    {"Einsum", 12, "equation='i,i->i'", "f64[1] 1; i8[1] 2", "refused: input 1 is int8"},
    {"Resize", 13, "", "f32[1] 1; -; str[1] 2", "refused: neither"},
    {"Einsum", 12, "equation='i->ij'", "f32[2] 1 2", "refused: label"},
    {"Einsum", 12, "equation='i?->i'", "f32[2] 1 2", "refused: term"},
    /* Resize: by hand */
    {"Resize", 13, "mode='nearest' coordinate_transformation_mode='asymmetric'",
     "i8[1,2] 1 2; -; f32[2] 2 2", "i8[2,4] 1 1 2 2 1 1 2 2"},
    {"Resize", 13, "mode='linear'", "f32[2] 0 4; -; f32[1] 2", "f32[4] 0 1 3 4"},
    {"Resize", 13, "mode='linear' coordinate_transformation_mode='align_corners'",
     "f32[2] 0 3; -; -; i64[1] 4", "f32[4] 0 1 2 3"},
    {"Resize", 13, "mode='linear'", "u8[2,1] 0 200; -; f32[2] 2 1", "u8[4,1] 0 50 150 200"},
    {"Resize", 19, "mode='linear' antialias=1", "f64[4] 0 1 2 3; -; f32[1] 0.5",
     "f64[2] 0.625 2.375"},
    {"Resize", 13, "mode='cubic'", "f32[4] 1 1 1 1; -; f32[1] 1.5", "f32[6] 1 1 1 1 1 1"},
    {"Resize", 18, "keep_aspect_ratio_policy='not_larger' mode='nearest'",
     "f32[2,4] 1 2 3 4 5 6 7 8; -; -; i64[2] 1 4", "f32[1,2] ?"},
    {"Resize", 13,
     "mode='nearest' nearest_mode='floor' coordinate_transformation_mode='tf_crop_and_resize' "
     "extrapolation_value=9.0",
     "f32[2] 1 2; f32[2] 0.5 2.0; -; i64[1] 2", "f32[2] 1 9"},
    {"Resize", 13, "", "f32[2] 1 2; -; f32[1] 1e30", "refused: scale"},
    {"Resize", 13, "", "f32[2] 1 2; -; f32[2] 1 1", "refused: scales"},
    {"Resize", 13, "", "f32[2] 1 2", "refused: neither"},
    {"Upsample", 9, "", "f32[1,1] 7; f32[2] 1 3", "f32[1,3] 7 7 7"},
    /* GridSample */
    {"GridSample", 20, "align_corners=1", "f32[1,1,2,2] 0 1 2 3; f32[1,1,3,2] -1 -1 0 0 1 0",
     "f32[1,1,1,3] 0 1.5 2"},
    {"GridSample", 16, "mode='nearest' padding_mode='border'",
     "f64[1,1,1,2] 5 7; f64[1,1,2,2] -9 0 9 0", "f64[1,1,1,2] 5 7"},
    {"GridSample", 16, "padding_mode='zeros'", "f32[1,1,1,1] 8; f32[1,1,2,2] 1 0 5 5",
     "f32[1,1,1,2] 4 0"},
    {"GridSample", 16, "", "f32[1,1,1,1] 8; f32[1,1,2,3] 1 0 5 5 5 5", "refused: grid"},
    /* geometry */
    {"AffineGrid", 20, "align_corners=1", "f32[1,2,3] 1 0 0 0 1 0; i64[4] 1 1 2 2",
     "f32[1,2,2,2] -1 -1 1 -1 -1 1 1 1"},
    {"Col2Im", 18, "", "f32[1,2,2] 1 2 3 4; i64[2] 1 3; i64[2] 1 2", "f32[1,1,1,3] 1 5 4"},
    {"Det", 22, "", "f32[2,2,2] 1 2 3 4 0 1 1 0", "f32[2] -2 -1"},
    {"RoiAlign", 16, "output_height=1 output_width=1 sampling_ratio=1",
     "f32[1,1,2,2] 0 1 2 3; f32[1,4] 0.5 0.5 1.5 1.5; i64[1] 0", "f32[1,1,1,1] 1.5"},
    {"RoiAlign", 16, "", "f32[1,1,2,2] 0 1 2 3; f32[1,4] 0 0 1 1; i64[1] 1", "refused: batch"},
    {"MaxUnpool", 11, "kernel_shape=[2] strides=[2]", "f32[1,1,2] 5 7; i64[1,1,2] 1 2",
     "f32[1,1,4] 0 5 7 0"},
    {"MaxUnpool", 11, "kernel_shape=[2] strides=[2]", "f32[1,1,2] 5 7; i64[1,1,2] 1 4",
     "refused: index 4"},
};

START_TEST(math_cases)
{
	op_case_check(&cases[_i]);
}
END_TEST

/* Sums over every set of axes of a rank-4 tensor, against a plain loop. */
START_TEST(reduce_every_axes)
{
	enum { N = 3 * 5 * 7 * 9 };
	static const int64_t dims[4] = {3, 5, 7, 9};
	static float data[N];
	struct rt_tensor in = {RT_F32, {4, {3, 5, 7, 9}}, data}, out;
	double want[N] = {0};
	int64_t axes[4], kept = 1;
	struct rt_tensor args[2];
	int count = 0;

	for (int d = 0; d < 4; d++) {
		if ((_i >> d & 1) != 0)
			axes[count++] = d;
		else
			kept *= dims[d];
	}
	for (int i = 0; i < N; i++) {
		int64_t rest = i, at = 0, step = 1;
		data[i] = (float)((i * 7919) % 1000) / 500 - 1;
		for (int d = 3; d >= 0; d--) {
			if ((_i >> d & 1) == 0) {
				at += rest % dims[d] * step;
				step *= dims[d];
			}
			rest /= dims[d];
		}
		want[at] += (double)data[i];
	}
	args[0] = in;
	args[1] = (struct rt_tensor){RT_I64, {1, {count}}, axes};
	op_case_run("ReduceSum", 13, "keepdims=0 noop_with_empty_axes=1", args, 2, &out);
	ck_assert_int_eq(rt_tensor_elems(&out), kept);
	for (int64_t i = 0; i < kept; i++)
		ck_assert_double_eq_tol((double)((float *)out.data)[i], want[i], 1e-4);
	free(out.data);
}
END_TEST

/* Softmax along every axis against exp / Σ exp. */
START_TEST(softmax_every_axis)
{
	enum { N = 4 * 11 * 13 };
	static const int64_t dims[3] = {4, 11, 13};
	static float data[N];
	struct rt_tensor in = {RT_F32, {3, {4, 11, 13}}, data}, out;
	char attrs[16];
	int64_t inner = 1;

	for (int i = 0; i < N; i++)
		data[i] = (float)((i * 7919) % 1000) / 100 - 5;
	for (int d = _i + 1; d < 3; d++)
		inner *= dims[d];
	(void)snprintf(attrs, sizeof(attrs), "axis=%d", _i);
	op_case_run("Softmax", 13, attrs, &in, 1, &out);
	for (int64_t i = 0; i < N; i++) {
		int64_t first = i - i / inner % dims[_i] * inner;
		double sum = 0;
		for (int64_t k = 0; k < dims[_i]; k++)
			sum += exp((double)data[first + k * inner]);
		ck_assert_double_eq_tol((double)((float *)out.data)[i], exp((double)data[i]) / sum,
					1e-6);
	}
	free(out.data);
}
END_TEST

Suite *check_runtime_ops_math(void)
{
	Suite *s = suite_create("runtime/ops/math");
	TCase *t = tcase_create("math");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, math_cases, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_loop_test(t, reduce_every_axes, 0, 16);
	tcase_add_loop_test(t, softmax_every_axis, 0, 3);
	suite_add_tcase(s, t);
	return s;
}
