/* SPDX-License-Identifier: MIT */
/* chunk.h — bytes that are about to be cut, for chunk*.c; see store.h for the rest. */
#ifndef LARDER_STORE_CHUNK_H
#define LARDER_STORE_CHUNK_H

#include "store/store.h"

/* A file in memory, of which only those bytes may be touched that were asked for. */
struct store_chunk_source {
	const unsigned char *data; /* [size] */
	size_t size;
	/*
	 * ready(arg, offset, size): those bytes are about to be read: 0, or an
	 * error that ends it.  NULL: they all can be.
	 */
	int (*ready)(void *arg, size_t offset, size_t size);
	void *arg;
};

/*
 * store_chunk_cut(src, fn, arg): call fn(arg, offset, size) for each chunk, in
 * order.  0, STORE_MEMORY, or what ${fn} or src->ready returned.
 */
typedef int store_chunk_f(void *arg, size_t offset, size_t size);
int store_chunk_cut(const struct store_chunk_source *src, store_chunk_f *fn,
		    void *arg) STORE_MUST_CHECK;

/*
 * store_chunk_border_find(src, out, room, ret_count): where tensors begin in
 * it, in no particular order, if its format is known: safetensors, GGUF, ONNX,
 * TensorFlow Lite.  They are hints: of a file that is broken none, or wrong
 * ones, may be found.  0, or what src->ready returned.
 */
int store_chunk_border_find(const struct store_chunk_source *src, uint64_t *out, size_t room,
			    size_t *ret_count) STORE_MUST_CHECK;

#endif
