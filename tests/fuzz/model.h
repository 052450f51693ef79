/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets of model formats do with bytes: opened, and if that works, run once within
 * a second, in 16 MiB. The inputs are zeros, small numbers or any bits, as a checksum of the file
 * says; free dimensions are 1.
 */
#ifndef LARDER_TESTS_FUZZ_MODEL_H
#define LARDER_TESTS_FUZZ_MODEL_H

#include "runtime/runtime.h"

/* model_try(file, find): ${find} gives external data, or is NULL. */
void model_try(struct rt_bytes file,
	       int (*find)(void *arg, const char *location, struct rt_bytes *out));

#endif
