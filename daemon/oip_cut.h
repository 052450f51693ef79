/* SPDX-License-Identifier: MIT */
/*
 * oip_cut.h — takes the `data` arrays of the inputs out of a request's JSON,
 * so that the JSON library sees a small document and the numbers go straight
 * from text to tensor.  A tree of JSON values costs 20 to 40 times its text:
 * that is what this file is for.  Private to oip.c and its tests.
 */
#ifndef LARDER_DAEMON_OIP_CUT_H
#define LARDER_DAEMON_OIP_CUT_H

#include <stddef.h>

struct arena;
struct fault;

/* The text of one `data` array, with its brackets; points into the request. */
struct oip_span {
	const char *text;
	size_t size;
};

struct oip_cut {
	const char *json; /* in the arena: inputs[i].data is a number, the index of its span */
	size_t json_size;
	struct oip_span *spans;
	size_t span_count;
};

/*
 * oip_cut(json, size, arena, out, fault): the value of every key "data" of an
 * object in the array "inputs" of the top object is cut out.  Only brackets and
 * strings are looked at: whether the rest is JSON is for the JSON library to
 * say.  400: deeper than OIP_DEPTH_MAX, a `data` that is not an array, an
 * escape in a key where "inputs" or "data" could stand.
 */
int oip_cut(const char *json, size_t size, struct arena *arena, struct oip_cut *out,
	    struct fault *fault) __attribute__((warn_unused_result));

#endif
