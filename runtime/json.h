/* SPDX-License-Identifier: MIT */
/*
 * json.h — JSON text (RFC 8259) to a tree, for front ends whose files are JSON.
 * Private to runtime/.
 *
 * Nothing of the text is trusted: depth, number of values and length of a
 * string are bounded, the reader does not recurse, and what is wrong is told
 * with its byte offset.  The tree is read-only.
 */
#ifndef LARDER_RUNTIME_JSON_H
#define LARDER_RUNTIME_JSON_H

#include "runtime/memory.h"
#include "runtime/tensor.h"

#define RT_JSON_DEPTH_MAX 64
#define RT_JSON_VALUES_MAX (8 << 20)
#define RT_JSON_STRING_MAX ((size_t)16 << 20)

enum rt_json_kind {
	RT_JSON_NULL,
	RT_JSON_BOOL,
	RT_JSON_NUMBER,
	RT_JSON_STRING,
	RT_JSON_ARRAY,
	RT_JSON_OBJECT,
};
struct rt_json {
	enum rt_json_kind kind;
	int count;                   /* of an array or object */
	struct rt_str key;           /* of a member of an object, else empty */
	const struct rt_json *child; /* first one of an array or object */
	const struct rt_json *next;  /* the next one of the same parent */
	union {
		bool flag;
		double number;
		struct rt_str text; /* without escapes; may hold NUL; not NUL-terminated */
	};
};

/*
 * rt_json_parse(file, memory, out, err): ${*out} is in ${memory}; its texts are
 * views into ${file} unless they have escapes.  NaN, Infinity and -Infinity are
 * read as numbers, as Python writes them.  RT_MALFORMED says where.
 */
int rt_json_parse(struct rt_bytes file, struct rt_memory *memory, const struct rt_json **out,
		  struct rt_error *err) RT_MUST_CHECK;

/* All of these take NULL for ${j}, which has nothing in it. */
/* rt_json_get(j, key): the first member of that name, or NULL. */
const struct rt_json *rt_json_get(const struct rt_json *j, const char *key);
const struct rt_json *rt_json_at(const struct rt_json *j, int i); /* of an array; NULL = none */
/* The first child if ${j} is an array (object), else NULL; ->next goes on. */
const struct rt_json *rt_json_items(const struct rt_json *j);
const struct rt_json *rt_json_members(const struct rt_json *j);
int rt_json_count(const struct rt_json *j);                 /* of items or members; 0 for others */
bool rt_json_is(const struct rt_json *j, const char *text); /* whether it is that string */
/* rt_json_text(j): the string; bytes NULL if it is none. */
struct rt_str rt_json_text(const struct rt_json *j);
/* rt_json_int(j, otherwise): a number that is whole, or a string of one (int64 in protobuf's
 * JSON).  rt_json_number: any number, or a string of one.  rt_json_bool: true, false, 0 or 1. */
int64_t rt_json_int(const struct rt_json *j, int64_t otherwise);
double rt_json_number(const struct rt_json *j, double otherwise);
bool rt_json_bool(const struct rt_json *j, bool otherwise);
/* rt_json_ints(j, max, out): an array of whole numbers; its count, or −1 if it is none or too
 * long. */
int rt_json_ints(const struct rt_json *j, int max, int64_t *out);

bool rt_json_equal(struct rt_str s, const char *text);

#endif
