/* SPDX-License-Identifier: MIT */
/*
 * ops.h — declares every operator object that ops.def names, and the sets of
 * element types that its rows are written with.  Included by op_table.c and by
 * every ops/<family>.c (so that what they define is what the table means).
 */
#ifndef LARDER_RUNTIME_OPS_OPS_H
#define LARDER_RUNTIME_OPS_OPS_H

#include "runtime/op.h"

/* Sets for the `dtypes` column. */
#define T_SIGNED (RT_M(I8) | RT_M(I16) | RT_M(I32) | RT_M(I64))
#define T_UNSIGNED (RT_M(U8) | RT_M(U16) | RT_M(U32) | RT_M(U64))
#define T_INT (T_SIGNED | T_UNSIGNED)
#define T_FLOAT (RT_M(F32) | RT_M(F64)) /* computed natively */
#define T_HALF (RT_M(F16) | RT_M(BF16)) /* computed through float32, block by block */
#define T_REAL (T_FLOAT | T_HALF)
#define T_NUMBER (T_INT | T_REAL)
#define T_F8 (RT_M(F8E4M3FN) | RT_M(F8E4M3FNUZ) | RT_M(F8E5M2) | RT_M(F8E5M2FNUZ) | RT_M(F8E8M0))
#define T_PACKED                                                                                   \
	(RT_M(U4) | RT_M(I4) | RT_M(U2) | RT_M(I2) | RT_M(F4E2M1)) /* several elements in a byte   \
								    */
#define T_WHOLE (T_NUMBER | T_F8 | RT_M(BOOL) | RT_M(STR)) /* whole bytes: can be moved by size */
#define T_ANY (T_WHOLE | T_PACKED)
#define LATEST RT_LATEST

#define OP(op_type, domain, since, last, object, dtypes, dtype_input)                              \
	extern const struct rt_op object;
#include "runtime/ops.def"
#undef OP

#endif
