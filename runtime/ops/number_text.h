/* SPDX-License-Identifier: MIT */
/*
 * number_text.h — numbers as strings and strings as numbers, as Cast (ONNX 9) has
 * them.  For operators that convert (cast.c, ml_map.c).
 */
#ifndef LARDER_RUNTIME_OPS_NUMBER_TEXT_H
#define LARDER_RUNTIME_OPS_NUMBER_TEXT_H

#include "runtime/tensor.h"

#define RT_NUMBER_TEXT 32 /* bytes of a number as text, with its end */

/* rt_number_text(t, i, out): element ${i}, no string, as the shortest text that reads back as the
 * same value; ${out} [RT_NUMBER_TEXT]; returns its length. */
int rt_number_text(const struct rt_tensor *t, int64_t i, char *out);

/* rt_number_text_read(s, t, to, i): element ${i} of ${to}, of type ${t}, is what strtod makes
 * of ${s}; false when that is no number. */
bool rt_number_text_read(struct rt_str s, enum rt_dtype t, void *to, int64_t i);

#endif
