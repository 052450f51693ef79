/* SPDX-License-Identifier: MIT */
/*
 * fixed_curve.h — the logistic function and tanh of int16 in fixed point, bit for bit
 * as the integer LSTM of TensorFlow Lite has them: arguments with 12 bits after
 * the point, results with 15.  Used by lite_lstm_byte.c; pure functions.
 */
#ifndef LARDER_RUNTIME_OPS_FIXED_CURVE_H
#define LARDER_RUNTIME_OPS_FIXED_CURVE_H

#include <stdint.h>

int16_t rt_fixed_curve_sigmoid(int16_t x); /* of x / 4096 */
/* rt_fixed_curve_tanh(x, whole): of an argument with ${whole} bits before the point, 0 to 6. */
int16_t rt_fixed_curve_tanh(int16_t x, int whole);

#endif
