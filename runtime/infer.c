/* SPDX-License-Identifier: MIT */
/*
 * infer.c — what an operator's infer may call.
 */
#include <config.h>

#include "runtime/op.h"

void *rt_infer_alloc(struct rt_infer *f, size_t bytes)
{
	return rt_memory_take(f->memory, bytes, 64);
}
