/* SPDX-License-Identifier: MIT */
/*
 * wire.h — a cursor over protobuf bytes (protobuf.dev, "Encoding").  The only
 * code of runtime/ that takes such bytes apart; onnx*.c say what they mean.
 *
 * Nothing is copied: strings, bytes and sub-messages are views.  Every length
 * is checked against what is left.  Errors are RT_MALFORMED and name the byte
 * offset in the file.
 */
#ifndef LARDER_RUNTIME_WIRE_H
#define LARDER_RUNTIME_WIRE_H

#include "runtime/tensor.h"

#define RT_WIRE_DEPTH_MAX 32

struct rt_wire {
	const uint8_t *at, *end;
	const uint8_t *origin; /* of the file, for offsets in messages */
	int depth;             /* of messages in messages */
};

enum rt_wire_type {
	RT_WIRE_VARINT = 0,
	RT_WIRE_FIXED64 = 1,
	RT_WIRE_BYTES = 2,
	RT_WIRE_FIXED32 = 5,
};

struct rt_field {
	uint32_t number;
	enum rt_wire_type type;
	uint64_t value;        /* RT_WIRE_VARINT, _FIXED64, _FIXED32 */
	struct rt_bytes bytes; /* RT_WIRE_BYTES: a view */
	size_t offset;         /* of the field's key in the file */
};

/* rt_wire_open(bytes): a cursor at the beginning of a file. */
struct rt_wire rt_wire_open(struct rt_bytes bytes);
/* rt_wire_next(w, f, err): 1 = ${f} is the next field, 0 = the end, or RT_MALFORMED. */
int rt_wire_next(struct rt_wire *w, struct rt_field *f, struct rt_error *err) RT_MUST_CHECK;
/*
 * rt_wire_enter(w, f, out, err): ${out} reads the message that field ${f} of
 * ${w} holds; RT_MALFORMED when it is not one or is nested too deep.
 */
int rt_wire_enter(const struct rt_wire *w, const struct rt_field *f, struct rt_wire *out,
		  struct rt_error *err) RT_MUST_CHECK;
/* rt_wire_string(f, out, err): a string or bytes field as a view. */
int rt_wire_string(const struct rt_field *f, struct rt_str *out,
		   struct rt_error *err) RT_MUST_CHECK;
/* rt_wire_int(f, out, err): an int32, int64 or enum field. */
int rt_wire_int(const struct rt_field *f, int64_t *out, struct rt_error *err) RT_MUST_CHECK;
/* rt_wire_float(f, out, err): a float field. */
int rt_wire_float(const struct rt_field *f, float *out, struct rt_error *err) RT_MUST_CHECK;

/*
 * Repeated scalars, packed or one by one; ${want} is the type of one element.
 *
 *	rt_wire_count   adds the number of elements in field ${f} to ${*count}
 *	rt_wire_values  calls put(arg, raw) for each, in order
 */
int rt_wire_count(const struct rt_field *f, enum rt_wire_type want, size_t *count,
		  struct rt_error *err) RT_MUST_CHECK;
typedef void rt_wire_put_f(void *arg, uint64_t raw);
int rt_wire_values(const struct rt_field *f, enum rt_wire_type want, rt_wire_put_f *put, void *arg,
		   struct rt_error *err) RT_MUST_CHECK;

#endif
