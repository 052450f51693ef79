/* SPDX-License-Identifier: MIT */
/* decimal.h — numbers in texts that came from outside. */
#ifndef LARDER_STORE_DECIMAL_H
#define LARDER_STORE_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

/*
 * store_decimal_read(s, end, out): the digits at *s, before ${end}; *s is behind them then.
 * false, and *s is as it was: there is none, or the number has more than 64 bits.
 */
bool store_decimal_read(const char **s, const char *end, uint64_t *out);

#endif
