/* SPDX-License-Identifier: MIT */
/*
 * oip_number.h — one number of JSON text (RFC 8259 §6) as an element of a tensor:
 * integers exactly, floats to the nearest (IEEE 754, ties to even).  Private to
 * oip_data.c and its tests.
 */
#ifndef LARDER_DAEMON_OIP_NUMBER_H
#define LARDER_DAEMON_OIP_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/tensor.h"

enum oip_number {
	OIP_NUMBER_OK,
	OIP_NUMBER_NONE,     /* not a number */
	OIP_NUMBER_FRACTION, /* a fraction or an exponent, for an integer type */
	OIP_NUMBER_RANGE,    /* the type cannot hold it */
};

/* oip_number_is_integer(d): whether ${d} is one of the eight integer types. */
bool oip_number_is_integer(enum rt_dtype d);
/*
 * oip_number_parse(text, size, d, at): ${d} an integer type, FP32 or FP64.  Written to
 * ${at} unless that is NULL or the result is not OK.  The byte behind ${text}[size] is
 * readable and no part of a number.
 */
enum oip_number oip_number_parse(const char *text, size_t size, enum rt_dtype d, void *at);

#endif
