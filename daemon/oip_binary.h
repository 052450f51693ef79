/* SPDX-License-Identifier: MIT */
/*
 * oip_binary.h — tensors as bytes: little-endian, row-major, no padding; BOOL is
 * one byte, an element of BYTES a uint32 length and its bytes
 * (extension_binary_data.md).  Private to oip.c, oip_answer.c and their tests.
 */
#ifndef LARDER_DAEMON_OIP_BINARY_H
#define LARDER_DAEMON_OIP_BINARY_H

#include "runtime/tensor.h"

struct arena;
struct fault;

/*
 * oip_binary_parse(at, bytes, name, t, arena, fault): ${t} has type and shape;
 * its data become the ${bytes} at ${at}: a view when they are aligned, else a copy
 * in the arena.  400 when the size is not that of type and shape, a BOOL is
 * neither 0 nor 1, or a string does not end where it says.
 */
int oip_binary_parse(const unsigned char *at, size_t bytes, const char *name, struct rt_tensor *t,
		     struct arena *arena, struct fault *fault) RT_MUST_CHECK;
/* oip_binary_bytes(t, out): how many bytes ${t} takes; false when they cannot be sent. */
bool oip_binary_bytes(const struct rt_tensor *t, size_t *out);
/* oip_binary_copy(to, t): write them; returns the byte behind. */
unsigned char *oip_binary_copy(unsigned char *to, const struct rt_tensor *t);

#endif
