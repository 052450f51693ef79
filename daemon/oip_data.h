/* SPDX-License-Identifier: MIT */
/*
 * oip_data.h — the elements of a tensor as JSON text: arrays of numbers, flat
 * or nested, to memory and back.  Private to oip.c and its tests.
 */
#ifndef LARDER_DAEMON_OIP_DATA_H
#define LARDER_DAEMON_OIP_DATA_H

#include "daemon/oip_cut.h"
#include "runtime/tensor.h"

struct text;

/*
 * oip_data_parse(span, name, tensor, arena, fault): ${tensor} has its type and
 * shape; its data are allocated and filled.  Integers must be written without
 * fraction and exponent and fit the type; numbers that overflow a float are
 * refused; BOOL takes true, false, 0, 1; BYTES takes strings.  A nested array
 * must have exactly the shape.  ${name} is for messages.
 */
int oip_data_parse(const struct oip_span *span, const char *name, struct rt_tensor *tensor,
		   struct arena *arena, struct fault *fault) RT_MUST_CHECK;

/*
 * oip_data_emit(t, name, tensor, fault): `[…]`, flat.  Floats get as many digits
 * as bring the same value back.  400: no JSON form (FP16, BF16, NaN, infinities).
 */
int oip_data_emit(struct text *t, const char *name, const struct rt_tensor *tensor,
		  struct fault *fault) RT_MUST_CHECK;

#endif
