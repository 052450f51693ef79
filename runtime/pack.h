/* SPDX-License-Identifier: MIT */
/*
 * pack.h — packed weights of a model, and the image of them that somebody may keep.
 * Used by bind.c and model.c; runtime.h says what an image is for.
 *
 * An image is little more than what bind asked for, in its order:
 *
 *	head     magic, version, count, size, key, what packed it, sum of head and table
 *	table    per block: node, offset, size, sum
 *	blocks   each at a multiple of 64 from the start
 *
 * in the byte order of the machine that made it: another one finds another magic.  It
 * is believed only as a whole (key, kernels, version, sums), and a block only if the
 * node that asks for it wants exactly that many bytes.
 */
#ifndef LARDER_RUNTIME_PACK_H
#define LARDER_RUNTIME_PACK_H

#include "runtime/kernels/kernels.h"
#include "runtime/memory.h"
#include "runtime/runtime.h"

/* To be counted up whenever what any bind packs changes its layout or its numbers. */
#define RT_PACK_VERSION 4

struct rt_pack_block {
	const void *data;
	size_t size;
	uint64_t node;
};

/* Zeroed = empty, without an image. */
struct rt_pack {
	struct rt_pack_block *blocks; /* [count]: what was asked for, in order */
	size_t count, cap;
	size_t made;       /* of these not from the image */
	bool incomplete;   /* out of memory for the list: no image of it */
	uint64_t node;     /* that is being bound */
	const char *image; /* NULL: none, or it was not believed */
	size_t image_count;
};

/* rt_pack_use(p, kernels, image): look at ${image}, which stays valid as long as ${p}; false when
 * it is none of this key and these kernels, or damaged where that can be seen without its blocks.
 */
bool rt_pack_use(struct rt_pack *p, const struct rt_kernels *kernels,
		 const struct rt_packed *image);
/*
 * rt_pack_take(p, memory, bytes, ret_fill): the next block.  *ret_fill NULL: it came from the
 * image.  Else memory of ${memory} to be filled, zeroed, aligned to 64.  NULL: no memory.
 */
const void *rt_pack_take(struct rt_pack *p, struct rt_memory *memory, size_t bytes,
			 void **ret_fill);
/* rt_pack_parts(p, kernels, key, out): see rt_model_packed_parts. */
int rt_pack_parts(const struct rt_pack *p, const struct rt_kernels *kernels,
		  const uint8_t key[RT_PACKED_KEY], struct rt_packed_parts *out) RT_MUST_CHECK;
void rt_pack_release(struct rt_pack *p);

#endif
