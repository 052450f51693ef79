/* SPDX-License-Identifier: MIT */
/*
 * convert.h — numbers of any element type as double, float or int64 and back,
 * a block at a time.  Cast, the 16-bit edges of elementwise loops and everything
 * that reads a small tensor as numbers use it.
 */
#ifndef LARDER_RUNTIME_OPS_CONVERT_H
#define LARDER_RUNTIME_OPS_CONVERT_H

#include "runtime/tensor.h"

#define RT_CONVERT_BLOCK 512 /* a good number of elements for buffers on the stack */

/* rt_convert_is_float(t): any IEEE-like type, 8 bits and up. */
bool rt_convert_is_float(enum rt_dtype t);
bool rt_convert_is_number(enum rt_dtype t); /* everything but strings */

/*
 * Elements ${first} … ${first + n − 1} of ${in}, which is of type ${t} (not RT_STR).
 * 4-bit types are unpacked.  As int64: floats are truncated toward zero, what
 * does not fit becomes INT64_MIN; uint64 keeps its bits.
 */
void rt_convert_to_f64(enum rt_dtype t, const void *in, int64_t first, size_t n, double *out);
void rt_convert_to_f32(enum rt_dtype t, const void *in, int64_t first, size_t n, float *out);
void rt_convert_to_i64(enum rt_dtype t, const void *in, int64_t first, size_t n, int64_t *out);

/*
 * Write elements ${first} … of ${out}.  Floats are rounded once, to nearest
 * even; ${saturate}: what is too large for an 8-bit float becomes its largest value (ONNX
 * Cast, attribute saturate), otherwise infinity or NaN as the format has.  Integers keep
 * the low bits; doubles are truncated toward zero first.  Bool is x ≠ 0.  4-bit
 * types are packed, the low bits first; ${first} must begin a byte for them, or follow on.
 */
void rt_convert_from_f64(enum rt_dtype t, const double *in, size_t n, void *out, int64_t first,
			 bool saturate);
void rt_convert_from_f32(enum rt_dtype t, const float *in, size_t n, void *out, int64_t first);
void rt_convert_from_i64(enum rt_dtype t, const int64_t *in, size_t n, void *out, int64_t first);

/* One element, as a double or an int64. */
double rt_convert_get_f64(const struct rt_tensor *t, int64_t i);
int64_t rt_convert_get_i64(const struct rt_tensor *t, int64_t i);

/* 8-bit floats (ONNX "Float stored in 8 bits"). */
double rt_convert_f8_to_f64(enum rt_dtype t, uint8_t bits);
uint8_t rt_convert_f64_to_f8(enum rt_dtype t, double x, bool saturate);

/* float8e8m0, a power of two; what lies between two of them is rounded as Cast's round_mode says.
 */
enum rt_convert_round { RT_CONVERT_UP, RT_CONVERT_DOWN, RT_CONVERT_NEAREST };
double rt_convert_e8m0_to_f64(uint8_t bits);
uint8_t rt_convert_f64_to_e8m0(double x, enum rt_convert_round how, bool saturate);

/* The largest finite value of a float type, or the ends of an integer type. */
double rt_convert_max(enum rt_dtype t);
double rt_convert_min(enum rt_dtype t);

#endif
