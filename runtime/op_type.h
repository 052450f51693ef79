/* SPDX-License-Identifier: MIT */
/*
 * op_type.h — element types that must agree.  ops.def names the types of one
 * input; where several share a type (ONNX type constraint T), infer asks here
 * before run reads them as if they did.
 */
#ifndef LARDER_RUNTIME_OP_TYPE_H
#define LARDER_RUNTIME_OP_TYPE_H

#include "runtime/op.h"

/*
 * rt_op_type_agree(f, inputs, err): all inputs named by bits of ${inputs} that
 * are given have one element type; RT_INPUT says which two have not.
 */
int rt_op_type_agree(const struct rt_infer *f, uint32_t inputs, struct rt_error *err) RT_MUST_CHECK;

#endif
