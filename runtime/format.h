/* SPDX-License-Identifier: MIT */
/*
 * format.h — which kind of model some bytes are, from their first ones.
 * model.c asks before it chooses a front end.  Private to runtime/.
 */
#ifndef LARDER_RUNTIME_FORMAT_H
#define LARDER_RUNTIME_FORMAT_H

#include "runtime/tensor.h"

/*
 * rt_format_foreign(file): what the bytes are ("a TensorFlow Lite model", …)
 * when they are something that no front end reads; NULL when they may be ONNX,
 * which has no signature of its own.
 */
const char *rt_format_foreign(struct rt_bytes file);

#endif
