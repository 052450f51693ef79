/* SPDX-License-Identifier: MIT */
/*
 * kernels.h — one typed slot per kind of kernel; select.c fills the table for
 * a CPU level from the .def lists, ops/ call through it and never name an
 * instruction set.
 */
#ifndef LARDER_RUNTIME_KERNELS_KERNELS_H
#define LARDER_RUNTIME_KERNELS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/runtime.h"

struct rt_kernels;

/* rt_kernels_select(level): the table of that level, verified against scalar once; never NULL; for
 * the life of the process. */
const struct rt_kernels *rt_kernels_select(enum rt_cpu_level level);

#endif
