/* SPDX-License-Identifier: MIT */
/*
 * rotary.h — rotary position embedding of one head's row; rotary.c is the
 * operator, gqa.c uses it for queries and keys.
 */
#ifndef LARDER_RUNTIME_OPS_ROTARY_H
#define LARDER_RUNTIME_OPS_ROTARY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * rt_rotary_row(size, rot, interleaved, cos, sin, x, y): y[size] = x with its first ${rot}
 * elements turned in pairs, (i, i + rot/2) or (2i, 2i + 1), by the angles whose cos and
 * sin [rot/2] are given; y may be x.
 */
void rt_rotary_row(size_t size, size_t rot, bool interleaved, const float *cos, const float *sin,
		   const float *x, float *y);

#endif
