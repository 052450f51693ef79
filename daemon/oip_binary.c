/* SPDX-License-Identifier: MIT */
/*
 * oip_binary.c — tensors in the binary part of a body.  Called by oip.c and
 * oip_answer.c.  It must never read a byte that the caller did not say is there.
 */
#include <config.h>

#include "daemon/oip_binary.h"

#include <inttypes.h>
#include <string.h>

#include "daemon/arena.h"
#include "daemon/fault.h"

/* Tensors travel little-endian and are used as they come. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "binary tensors need a little-endian CPU");

/* BYTES: a uint32 length before each element's bytes. */
static int parse_strings(const unsigned char *at, size_t bytes, const char *name,
			 struct rt_tensor *t, struct arena *arena, struct fault *fault)
{
	int64_t elems = rt_tensor_elems(t);
	struct rt_str *s;
	uint32_t size;

	if ((uint64_t)elems > bytes / sizeof size)
		return fault_set(fault, 400,
				 "input \"%.100s\": %zu bytes cannot hold %" PRId64 " strings",
				 name, bytes, elems);
	s = arena_alloc(arena, (size_t)elems * sizeof *s + 1);
	if (s == NULL)
		return fault_set(fault, 503, "out of memory");
	for (int64_t i = 0; i < elems; i++) {
		if (bytes < sizeof size)
			return fault_set(fault, 400,
					 "input \"%.100s\": no length of string %" PRId64, name, i);
		memcpy(&size, at, sizeof size);
		at += sizeof size;
		bytes -= sizeof size;
		if (size > bytes)
			return fault_set(fault, 400,
					 "input \"%.100s\": string %" PRId64 " is %" PRIu32
					 " bytes long, %zu are left",
					 name, i, size, bytes);
		s[i] = (struct rt_str){(const char *)at, size};
		at += size;
		bytes -= size;
	}
	if (bytes != 0)
		return fault_set(fault, 400, "input \"%.100s\": %zu bytes after its last string",
				 name, bytes);
	t->data = s;
	return 0;
}

static int check_bools(const unsigned char *at, size_t bytes, const char *name, struct fault *fault)
{
	for (size_t i = 0; i < bytes; i++) {
		if (at[i] > 1)
			return fault_set(fault, 400,
					 "input \"%.100s\": element %zu is %u; BOOL has 0 and 1",
					 name, i, at[i]);
	}
	return 0;
}

int oip_binary_parse(const unsigned char *at, size_t bytes, const char *name, struct rt_tensor *t,
		     struct arena *arena, struct fault *fault)
{
	size_t need, align;
	char shape[160];
	union {
		const void *in;
		void *out;
	} cast = {at};

	if (t->dtype == RT_STR)
		return parse_strings(at, bytes, name, t, arena, fault);
	if (!rt_shape_bytes(&t->shape, t->dtype, &need) || need != bytes)
		return fault_set(fault, 400,
				 "input \"%.100s\": %zu bytes of binary data, %s %s needs %zu",
				 name, bytes, rt_dtype_oip(t->dtype),
				 rt_shape_text(&t->shape, shape, sizeof shape), need);
	if (t->dtype == RT_BOOL && check_bools(at, bytes, name, fault) != 0)
		return -1;
	align = rt_dtype_bits(t->dtype) / 8;
	if (bytes == 0 || (uintptr_t)at % align != 0) {
		cast.out = arena_alloc(arena, bytes == 0 ? 1 : bytes);
		if (cast.out == NULL)
			return fault_set(fault, 503, "out of memory");
		if (bytes != 0)
			memcpy(cast.out, at, bytes);
	}
	t->data = cast.out; /* never written: rt_session_run takes its inputs as they are */
	return 0;
}

/* Bytes of an output in the binary part; false when they do not fit a size_t. */
bool oip_binary_bytes(const struct rt_tensor *t, size_t *out)
{
	const struct rt_str *s = t->data;
	int64_t n = rt_tensor_elems(t);
	size_t total = 0;

	if (t->dtype != RT_STR) {
		*out = rt_tensor_bytes(t);
		return true;
	}
	for (int64_t i = 0; i < n; i++) {
		if (s[i].size > UINT32_MAX || __builtin_add_overflow(total, s[i].size + 4, &total))
			return false;
	}
	*out = total;
	return true;
}

unsigned char *oip_binary_copy(unsigned char *to, const struct rt_tensor *t)
{
	const struct rt_str *s = t->data;
	int64_t n = rt_tensor_elems(t);
	size_t bytes = rt_tensor_bytes(t);
	uint32_t size;

	if (t->dtype != RT_STR) {
		if (bytes != 0)
			memcpy(to, t->data, bytes);
		return to + bytes;
	}
	for (int64_t i = 0; i < n; i++) {
		size = (uint32_t)s[i].size;
		memcpy(to, &size, sizeof size);
		to += sizeof size;
		if (size != 0)
			memcpy(to, s[i].bytes, size);
		to += size;
	}
	return to;
}
