/* SPDX-License-Identifier: MIT */
/*
 * identity.c — Identity: the output is the input.  A view: never run.
 */
#include <config.h>

#include "runtime/ops/ops.h"

const struct rt_op rt_op_identity = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .is_view = true,
    .takes_lists = true,
    .infer = rt_op_infer_same,
};
