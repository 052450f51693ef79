/* SPDX-License-Identifier: MIT */
/*
 * flexbuf.h — numbers out of FlexBuffers maps (flatbuffers.dev, "FlexBuffers
 * Internals"): the options of custom operators of TensorFlow Lite.  Called by
 * tflite_detect.c.  Nothing is trusted: an offset that leaves the bytes, or a width
 * that is none, is as if the key was not there.  Pure functions, any thread.
 */
#ifndef LARDER_RUNTIME_FLEXBUF_H
#define LARDER_RUNTIME_FLEXBUF_H

#include "runtime/tensor.h"

/* rt_flexbuf_is_map(b): the root is a map whose parts are all inside. */
bool rt_flexbuf_is_map(struct rt_bytes b);
/* rt_flexbuf_number(b, key, otherwise): of the map that is the root: an integer, a float or a
 * bool; ${otherwise} when there is none. */
double rt_flexbuf_number(struct rt_bytes b, const char *key, double otherwise);

#endif
