/* SPDX-License-Identifier: MIT */
/*
 * op_case.h — cases of one operator as a line of text: a model of one node is
 * built, opened and run at the lowest and at the best CPU level, and its
 * outputs are compared.  For tests only; what goes wrong fails the test.
 *
 *	{"Slice", 13, "", "f32[4] 1 2 3 4; i64[1] 1; i64[1] 3", "f32[2] 2 3"},
 *
 *   op       an operator of ai.onnx, ml:NAME of ai.onnx.ml, or ms:NAME of com.microsoft
 *   attrs    name=1, name=0.5, name='text', name=[1,2], name=[0.5,1.5], name=['a','b']
 *   inputs   tensors separated by ';': TYPE[dims] values; ! before it: an initialiser; - left out
 *   outputs  the same, as they must come: floats within 1e-5 (f64 1e-9, f16 1e-3, bf16 8e-3;
 *relative above 1), others exactly; `?` for values: only type and shape; or "refused: TEXT", which
 *the error must hold; "refused 3: TEXT" when 3 outputs are asked for
 *
 * Types are names of dtypes.def without digits' words: f32 f64 f16 bf16 i8 … u64 bool str.
 * Values: numbers, inf, nan; strings are words, '' the empty one.
 */
#ifndef LARDER_TESTS_LIB_OP_CASE_H
#define LARDER_TESTS_LIB_OP_CASE_H

#include "runtime/runtime.h"

struct op_case {
	const char *op;
	int opset;
	const char *attrs, *inputs, *outputs;
};

/* op_case_check(c): builds, runs, compares. */
void op_case_check(const struct op_case *c);

/* op_case_tensor(text, out): parses one tensor; *text moves behind it; free ->data. */
void op_case_tensor(const char **text, struct rt_tensor *out);

/*
 * op_case_run(op, opset, attrs, in, in_count, dtype_out, out): for tests that
 * compute what they expect: runs at the best level, output 0 is copied to ${out}
 * (free ->data).
 */
void op_case_run(const char *op, int opset, const char *attrs, const struct rt_tensor *in,
		 int in_count, struct rt_tensor *out);

#endif
