/* SPDX-License-Identifier: MIT */
/*
 * Operators that move elements (ops/move.c, concat.c, slice.c, pad.c, gather.c,
 * scatter.c, shape.c, onehot.c, select.c, topk.c, constant.c) and the walks below
 * them: every element size, empty tensors, negative indices, refusals.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "tests/lib/op_case.h"
#include "tests/runtime/suites.h"

static const struct op_case cases[] = {
    /* Transpose: all sizes, and strings */
    {"Transpose", 13, "", "u8[2,3] 1 2 3 4 5 6", "u8[3,2] 1 4 2 5 3 6"},
    {"Transpose", 13, "perm=[0,2,1]", "f16[1,2,3] 1 2 3 4 5 6", "f16[1,3,2] 1 4 2 5 3 6"},
    {"Transpose", 13, "perm=[1,0,2]", "f64[2,2,2] 1 2 3 4 5 6 7 8", "f64[2,2,2] 1 2 5 6 3 4 7 8"},
    {"Transpose", 13, "", "str[2,2] a b c ''", "str[2,2] a c b ''"},
    {"Transpose", 13, "", "f32[0,3]", "f32[3,0]"},
    {"Transpose", 13, "perm=[0,0]", "f32[1,1] 1", "refused: twice"},
    {"Transpose", 13, "perm=[1]", "f32[2,2] 1 2 3 4", "refused: perm"},
    {"Expand", 13, "", "i64[3,1] 1 2 3; !i64[3] 2 1 2", "i64[2,3,2] 1 1 2 2 3 3 1 1 2 2 3 3"},
    {"Expand", 13, "", "f32[2] 1 2; i64[1] 3", "refused: expand"},
    {"Tile", 13, "", "u8[2,2] 1 2 3 4; i64[2] 2 1", "u8[4,2] 1 2 3 4 1 2 3 4"},
    {"Tile", 13, "", "f32[2] 1 2; i64[1] 0", "f32[0]"},
    {"Tile", 13, "", "f32[2] 1 2; i64[1] 9223372036854775807", "refused: "},
    {"DepthToSpace", 13, "blocksize=2", "f32[1,4,1,2] 1 2 3 4 5 6 7 8",
     "f32[1,1,2,4] 1 3 2 4 5 7 6 8"},
    {"DepthToSpace", 13, "blocksize=2 mode='CRD'", "f32[1,8,1,1] 1 2 3 4 5 6 7 8",
     "f32[1,2,2,2] 1 2 3 4 5 6 7 8"},
    {"DepthToSpace", 13, "blocksize=2 mode='DCR'", "f32[1,8,1,1] 1 2 3 4 5 6 7 8",
     "f32[1,2,2,2] 1 3 5 7 2 4 6 8"},
    {"SpaceToDepth", 13, "blocksize=2", "f32[1,1,2,4] 1 3 2 4 5 7 6 8",
     "f32[1,4,1,2] 1 2 3 4 5 6 7 8"},
    {"SpaceToDepth", 13, "blocksize=0", "f32[1,1,2,4] 1 3 2 4 5 7 6 8", "refused: blocksize"},
    {"Concat", 13, "axis=-1", "i8[2,1] 1 2; i8[2,2] 3 4 5 6", "i8[2,3] 1 3 4 2 5 6"},
    {"Concat", 13, "axis=0", "f32[0,2]; f32[1,2] 1 2", "f32[1,2] 1 2"},
    {"Concat", 13, "axis=0", "f32[1,2] 1 2; f32[1,3] 1 2 3", "refused: shapes"},
    {"Concat", 13, "axis=2", "f32[1,2] 1 2", "refused: axis 2"},
    {"Split", 13, "axis=1", "f32[2,4] 1 2 3 4 5 6 7 8; i64[2] 1 3",
     "f32[2,1] 1 5; f32[2,3] 2 3 4 6 7 8"},
    {"Split", 18, "num_outputs=3", "i64[7] 1 2 3 4 5 6 7", "i64[3] 1 2 3; i64[3] 4 5 6; i64[1] 7"},
    {"Split", 11, "split=[1,1]", "str[2] a b", "str[1] a; str[1] b"},
    {"Split", 13, "", "f32[4] 1 2 3 4; i64[2] 1 2", "refused: parts"},
    /* Slice: clamping, negative steps, the ends of the range */
    {"Slice", 13, "", "f32[5] 0 1 2 3 4; i64[1] 1; i64[1] 4; -; i64[1] 2", "f32[2] 1 3"},
    {"Slice", 13, "",
     "f32[5] 0 1 2 3 4; i64[1] -1; i64[1] -9223372036854775808; i64[1] 0; i64[1] -2",
     "f32[3] 4 2 0"},
    {"Slice", 13, "", "f32[5] 0 1 2 3 4; i64[1] 9; i64[1] 1; i64[1] 0; i64[1] -1", "f32[3] 4 3 2"},
    {"Slice", 13, "", "f32[2,3] 0 1 2 3 4 5; i32[1] 1; i32[1] 9; i32[1] -1", "f32[2,2] 1 2 4 5"},
    {"Slice", 13, "", "f32[3] 0 1 2; i64[1] 2; i64[1] 1", "f32[0]"},
    {"Slice", 13, "", "f32[3] 0 1 2; i64[1] 2; i64[1] -9; i64[1] 0; i64[1] -9223372036854775808",
     "f32[1] 2"},
    {"Slice", 9, "starts=[1] ends=[3] axes=[1]", "u16[1,4] 1 2 3 4", "u16[1,2] 2 3"},
    {"Slice", 13, "", "f32[3] 0 1 2; i64[1] 0; i64[1] 1; i64[1] 0; i64[1] 0", "refused: step"},
    {"Slice", 13, "", "f32[3] 0 1 2; i64[2] 0 0; i64[2] 1 1; i64[2] 0 -1", "refused: twice"},
    /* Pad */
    {"Pad", 13, "", "f32[2] 1 2; i64[2] 1 2", "f32[5] 0 1 2 0 0"},
    {"Pad", 13, "", "i64[2,1] 1 2; i64[4] 0 1 1 0; i64[] 7", "i64[3,2] 7 1 7 2 7 7"},
    {"Pad", 13, "", "f32[3] 1 2 3; i64[2] -1 1", "f32[3] 2 3 0"},
    {"Pad", 13, "mode='reflect'", "f32[3] 1 2 3; i64[2] 2 4", "f32[9] 3 2 1 2 3 2 1 2 3"},
    {"Pad", 13, "mode='edge'", "u8[2] 1 2; i64[2] 2 1", "u8[5] 1 1 1 2 2"},
    {"Pad", 19, "mode='wrap'", "f32[3] 1 2 3; i64[2] 2 1", "f32[6] 2 3 1 2 3 1"},
    {"Trilu", 14, "", "str[2,2] a b c d", "str[2,2] a b '' d"},
    {"Pad", 21, "", "i4[3] 1 -2 3; i64[2] 2 1; i4[] -3", "i4[6] -3 -3 1 -2 3 -3"},
    {"Pad", 21, "mode='reflect'", "u4[2,3] 1 2 3 4 5 15; i64[4] 0 2 0 -1",
     "u4[2,4] 3 2 1 2 15 5 4 5"},
    {"Pad", 18, "", "f32[1,2] 1 2; i64[2] 1 0; -; i64[1] -1", "f32[1,3] 0 1 2"},
    {"Pad", 2, "pads=[1,0] value=2.5", "f32[1] 1", "f32[2] 2.5 1"},
    {"Pad", 13, "", "f32[2] 1 2; i64[2] -1 -2", "refused: padded"},
    {"Pad", 13, "", "f32[2] 1 2; i64[3] 1 1 1", "refused: pads"},
    {"CenterCropPad", 18, "", "f32[2,3] 1 2 3 4 5 6; i64[2] 3 1", "f32[3,1] 2 5 0"},
    /* Gather and its kin */
    {"Gather", 13, "axis=1", "f32[2,3] 1 2 3 4 5 6; i32[2] -1 0", "f32[2,2] 3 1 6 4"},
    {"Gather", 13, "", "str[2] a b; i64[] 1", "str[] b"},
    {"Gather", 13, "", "i8[3] 1 2 3; i64[2,2] 0 1 2 0", "i8[2,2] 1 2 3 1"},
    {"Gather", 13, "", "f32[3] 1 2 3; i64[1] 3", "refused: index 3"},
    {"Gather", 13, "", "f32[3] 1 2 3; i64[1] -4", "refused: index -4"},
    {"Gather", 13, "", "f32[0]; i64[1] 0", "refused: index 0"},
    {"GatherElements", 13, "axis=1", "f64[2,2] 1 2 3 4; i64[2,3] 0 0 1 1 0 -1",
     "f64[2,3] 1 1 2 4 3 4"},
    {"GatherElements", 13, "", "f32[1,2] 1 2; i64[1,1] 5", "refused: index 5"},
    {"GatherElements", 13, "", "f32[1,2] 1 2; i64[1,3] 0 0 0", "refused: axis 1"},
    {"GatherND", 13, "", "i32[2,2] 1 2 3 4; i64[2,2] 0 0 1 -1", "i32[2] 1 4"},
    {"GatherND", 13, "batch_dims=1", "i32[2,2,2] 1 2 3 4 5 6 7 8; i64[2,1] 1 0",
     "i32[2,2] 3 4 5 6"},
    {"GatherND", 13, "", "i32[2,2] 1 2 3 4; i64[1,1] 2", "refused: index 2"},
    {"ScatterElements", 18, "axis=1", "f32[1,3] 1 2 3; i64[1,2] 0 -1; f32[1,2] 8 9",
     "f32[1,3] 8 2 9"},
    {"ScatterElements", 18, "reduction='add'", "f16[2] 1 2; i64[3] 1 1 0; f16[3] 1 1 5",
     "f16[2] 6 4"},
    {"ScatterElements", 18, "reduction='max'", "i8[2] 1 2; i64[2] 0 1; i8[2] -5 7", "i8[2] 1 7"},
    {"ScatterElements", 18, "", "f32[2] 1 2; i64[1] 2; f32[1] 1", "refused: index 2"},
    {"ScatterND", 18, "", "f32[3,2] 1 2 3 4 5 6; i64[2,1] 2 0; f32[2,2] 7 8 9 10",
     "f32[3,2] 9 10 3 4 7 8"},
    {"ScatterND", 18, "reduction='mul'", "i64[3] 1 2 3; i64[2,1] 1 1; i64[2] 3 5", "i64[3] 1 30 3"},
    {"ScatterND", 18, "", "i64[3] 1 2 3; i64[1,1] -4; i64[1] 3", "refused: index -4"},
    {"TensorScatter", 24, "axis=1", "f32[2,3] 0 0 0 0 0 0; f32[2,1] 1 2; i64[2] 0 2",
     "f32[2,3] 1 0 0 0 0 2"},
    {"TensorScatter", 24, "axis=1 mode='circular'", "i8[1,3] 0 0 0; i8[1,2] 1 2; i64[1] 2",
     "i8[1,3] 2 0 1"},
    {"TensorScatter", 24, "axis=1", "i8[1,3] 0 0 0; i8[1,2] 1 2; i64[1] 2", "refused: cache"},
    /* shapes */
    {"Reshape", 13, "", "f32[2,3] 1 2 3 4 5 6; i64[3] 0 -1 1", "f32[2,3,1] 1 2 3 4 5 6"},
    {"Reshape", 14, "allowzero=1", "f32[0,3]; i64[2] 3 0", "f32[3,0]"},
    {"Reshape", 13, "", "f32[4] 1 2 3 4; i64[1] 3", "refused: reshaped"},
    {"Reshape", 13, "", "f32[4] 1 2 3 4; i64[2] -1 -1", "refused: -1"},
    {"Reshape", 13, "", "f32[4] 1 2 3 4; i64[2] 4611686018427387904 4", "refused: "},
    {"Flatten", 13, "axis=-1", "u8[2,1,2] 1 2 3 4", "u8[2,2] 1 2 3 4"},
    {"Flatten", 13, "axis=0", "f32[2] 1 2", "f32[1,2] 1 2"},
    {"Squeeze", 13, "", "f32[1,2,1] 1 2; i64[1] -1", "f32[1,2] 1 2"},
    {"Squeeze", 11, "", "f32[1,2,1] 1 2", "f32[2] 1 2"},
    {"Squeeze", 13, "", "f32[1,2,1] 1 2; i64[1] 1", "refused: size 2"},
    {"Unsqueeze", 13, "", "f32[2] 1 2; i64[2] 0 -1", "f32[1,2,1] 1 2"},
    {"Unsqueeze", 11, "axes=[0]", "str[1] a", "str[1,1] a"},
    {"Unsqueeze", 13, "", "f32[1,1,1,1,1,1,1,1] 1; i64[1] 0", "refused: rank 9"},
    {"Shape", 15, "start=-2", "f32[2,1,2] 1 2 3 4", "i64[2] 1 2"},
    {"Shape", 15, "start=1 end=-1", "str[1,2,1] a b", "i64[1] 2"},
    {"Size", 13, "", "f32[2,3] 1 2 3 4 5 6", "i64[] 6"},
    /* made from little */
    {"ConstantOfShape", 9, "", "i64[2] 2 1", "f32[2,1] 0 0"},
    {"ConstantOfShape", 9, "", "i64[0]", "f32[] 0"},
    {"ConstantOfShape", 9, "", "i64[1] -1", "refused: -1"},
    {"Range", 11, "", "i64[] 10; i64[] 1; i64[] -3", "i64[3] 10 7 4"},
    {"Range", 11, "", "f32[] 0; f32[] 1; f32[] 0.25", "f32[4] 0 0.25 0.5 0.75"},
    {"Range", 11, "", "i32[] 0; i32[] 5; i32[] -1", "i32[0]"},
    {"Range", 11, "", "i64[] 0; i64[] 5; i64[] 0", "refused: delta 0"},
    {"EyeLike", 22, "k=1 dtype=7", "f32[2,3] 0 0 0 0 0 0", "i64[2,3] 0 1 0 0 0 1"},
    {"Trilu", 14, "upper=0", "i64[3,3] 1 2 3 4 5 6 7 8 9; i64[] -1", "i64[3,3] 0 0 0 4 0 0 7 8 0"},
    {"Trilu", 14, "", "f32[1,2,2] 1 2 3 4", "f32[1,2,2] 1 2 0 4"},
    {"Trilu", 14, "", "f32[1,2,2] 1 2 3 4; i64[0]", "refused: k is"},
    {"TensorScatter", 24, "axis=1", "f64[1,3] 0 0 0; i8[1,2] 1 2", "refused: cache is float64"},
    {"OneHot", 11, "axis=0", "i64[3] 0 -1 5; i64[] 3; f32[2] 2 9", "f32[3,3] 9 2 2 2 2 2 2 9 2"},
    {"ReverseSequence", 10, "batch_axis=1 time_axis=0", "f32[3,2] 1 2 3 4 5 6; i64[2] 2 3",
     "f32[3,2] 3 6 1 4 5 2"},
    {"ReverseSequence", 10, "", "f32[3,2] 1 2 3 4 5 6; i64[2] 2 4", "refused: length 4"},
    /* sizes that the data tell */
    {"NonZero", 13, "", "f32[2,2] 1 0 -0.0 nan", "i64[2,2] 0 1 0 1"},
    {"NonZero", 13, "", "bool[3] 0 0 0", "i64[1,0]"},
    {"Compress", 11, "axis=1", "f32[2,3] 1 2 3 4 5 6; bool[2] 0 1", "f32[2,1] 2 5"},
    {"Compress", 11, "", "str[2,2] a b c d; bool[4] 1 0 0 1", "str[2] a d"},
    {"Unique", 11, "", "f32[5] 2 1 1 3 2",
     "f32[3] 1 2 3; i64[3] 1 0 3; i64[5] 1 0 0 2 1; i64[3] 2 2 1"},
    {"Unique", 11, "sorted=0", "str[3] b a b", "str[2] b a; i64[2] 0 1; i64[3] 0 1 0; i64[2] 2 1"},
    {"Unique", 11, "axis=0", "i8[3,2] 1 2 0 5 1 2", "i8[2,2] 0 5 1 2; i64[2] 1 0; i64[3] 1 0 1"},
    {"TopK", 11, "", "f32[2,3] 1 3 2 9 7 8; i64[1] 2", "f32[2,2] 3 2 9 8; i64[2,2] 1 2 0 2"},
    {"TopK", 11, "largest=0 axis=0", "i64[3,1] 5 -5 5; i64[1] 3",
     "i64[3,1] -5 5 5; i64[3,1] 1 0 2"},
    {"TopK", 11, "", "f32[2] 1 3; i64[1] 3", "refused: top 3"},
    {"NonMaxSuppression", 11, "",
     "f32[1,4,4] 0 0 1 1 0 0.1 1 1.1 0 5 1 6 0 0 1 1; f32[1,1,4] 0.9 0.8 0.7 0.1; "
     "i64[1] 3; f32[1] 0.5; f32[1] 0.2",
     "i64[2,3] 0 0 0 0 0 2"},
};

START_TEST(move_cases)
{
	op_case_check(&cases[_i]);
}
END_TEST

/* A transposition larger than a tile, against indices. */
START_TEST(transpose_large)
{
	enum { A = 37, B = 19, C = 53 };
	static uint32_t data[A * B * C];
	struct rt_tensor in = {RT_U32, {3, {A, B, C}}, data}, out;
	const uint32_t *y;

	for (uint32_t i = 0; i < A * B * C; i++)
		data[i] = i;
	op_case_run("Transpose", 13, "perm=[2,0,1]", &in, 1, &out);
	y = out.data;
	for (uint32_t c = 0; c < C; c++) {
		for (uint32_t i = 0; i < A * B; i++)
			ck_assert_uint_eq(y[c * A * B + i], i * C + c);
	}
	free(out.data);
}
END_TEST

Suite *check_runtime_ops_move(void)
{
	Suite *s = suite_create("runtime/ops/move");
	TCase *t = tcase_create("move");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, move_cases, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(t, transpose_large);
	suite_add_tcase(s, t);
	return s;
}
