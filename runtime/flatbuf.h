/* SPDX-License-Identifier: MIT */
/*
 * flatbuf.h — a cursor over FlatBuffers bytes (flatbuffers.dev, "FlatBuffers
 * Internals").  The only code of runtime/ that takes such bytes apart;
 * tflite*.c say what they mean.
 *
 * Nothing is copied and nothing trusted: every offset, vtable, field and vector
 * is checked against the file when it is looked at.  The first thing that is
 * wrong is kept in the cursor (RT_MALFORMED, with its byte offset); from then on
 * every question is answered with "absent", so that callers check once, at the
 * end.  Tables hold tables as deep as the caller's own code asks, no deeper.
 */
#ifndef LARDER_RUNTIME_FLATBUF_H
#define LARDER_RUNTIME_FLATBUF_H

#include "runtime/tensor.h"

struct rt_flatbuf {
	const uint8_t *data;
	size_t size;
	int status; /* RT_OK until something is wrong */
	struct rt_error *err;
};

/* A table; ${at} 0 = absent (every field then is). */
struct rt_flatbuf_table {
	size_t at, vtable;   /* offsets in the file */
	size_t fields, size; /* that the vtable has room for; bytes of the table itself */
};

/* A vector of ${count} elements of the size it was asked for, all in the file. */
struct rt_flatbuf_vector {
	size_t at; /* of element 0; 0 = absent */
	size_t count;
	size_t each; /* bytes of an element */
};

/* rt_flatbuf_open(bytes, err): a cursor; ${err} gets the first thing that is wrong. */
struct rt_flatbuf rt_flatbuf_open(struct rt_bytes bytes, struct rt_error *err);
struct rt_flatbuf_table rt_flatbuf_root(struct rt_flatbuf *f);
/* rt_flatbuf_bad(f, at, what): something else is wrong with the file at byte ${at}. */
void rt_flatbuf_bad(struct rt_flatbuf *f, size_t at, const char *what);

/* Fields by their number; ${otherwise} when the table has none.  ${size}: bytes of the scalar. */
bool rt_flatbuf_has(struct rt_flatbuf *f, const struct rt_flatbuf_table *t, unsigned field);
int64_t rt_flatbuf_int(struct rt_flatbuf *f, const struct rt_flatbuf_table *t, unsigned field,
		       size_t size, int64_t otherwise);
uint64_t rt_flatbuf_uint(struct rt_flatbuf *f, const struct rt_flatbuf_table *t, unsigned field,
			 size_t size, uint64_t otherwise);
float rt_flatbuf_float(struct rt_flatbuf *f, const struct rt_flatbuf_table *t, unsigned field,
		       float otherwise);
struct rt_flatbuf_table rt_flatbuf_sub(struct rt_flatbuf *f, const struct rt_flatbuf_table *t,
				       unsigned field);
/* ${each}: bytes of an element, 4 for tables and strings. */
struct rt_flatbuf_vector rt_flatbuf_vector(struct rt_flatbuf *f, const struct rt_flatbuf_table *t,
					   unsigned field, size_t each);
/* rt_flatbuf_string(f, t, field): "" with ${bytes} not NULL when absent. */
struct rt_str rt_flatbuf_string(struct rt_flatbuf *f, const struct rt_flatbuf_table *t,
				unsigned field);

/* Elements; ${i} < count. */
int64_t rt_flatbuf_int_at(const struct rt_flatbuf *f, const struct rt_flatbuf_vector *v, size_t i);
float rt_flatbuf_float_at(const struct rt_flatbuf *f, const struct rt_flatbuf_vector *v, size_t i);
struct rt_flatbuf_table rt_flatbuf_table_at(struct rt_flatbuf *f, const struct rt_flatbuf_vector *v,
					    size_t i);

#endif
