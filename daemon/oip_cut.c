/* SPDX-License-Identifier: MIT */
/*
 * oip_cut.c — one pass over a request's JSON that finds where the `data` arrays
 * begin and end.  Called by oip.c before the JSON library.
 *
 * It must never decide that something is valid: it copies what it does not cut,
 * and the JSON library reads the copy.  It may only refuse.  What it cuts and
 * what the JSON library finds under "data" must be the same thing, or a client
 * could pass a number off as the index of a span: hence no escapes in those
 * keys, and every value of such a key is cut or refused.
 */
#include <config.h>

#include "daemon/oip_cut.h"

#include <stdbool.h>
#include <string.h>

#include "daemon/arena.h"
#include "daemon/fault.h"
#include "daemon/oip.h"
#include "daemon/text.h"

struct scan {
	const char *at, *end;
	struct text out;
	const char *copied;             /* everything before is in ${out} or cut */
	bool object[OIP_DEPTH_MAX + 1]; /* [1..depth]: what was opened */
	int depth;
	bool key_next;  /* in an object, where a key may stand */
	bool in_inputs; /* inside the value of the top object's "inputs" */
	struct oip_span *spans;
	size_t span_count, span_cap;
	struct arena *arena;
	struct fault *fault;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* From an opening quote to behind the closing one, or to ${end}. */
static const char *after_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++) {
		if (*p == '\\' && p + 1 < end)
			p++;
	}
	return p < end ? p + 1 : end;
}

/* From `[` to behind its `]`; NULL when there is none, or it is too deep. */
static const char *after_array(const char *p, const char *end)
{
	int depth = 0;

	while (p < end) {
		if (*p == '"') {
			p = after_string(p, end);
			continue;
		}
		if (*p == '[' && ++depth > OIP_DEPTH_MAX)
			return NULL;
		if (*p == ']' && --depth == 0)
			return p + 1;
		p++;
	}
	return NULL;
}

static bool is_word(const char *p, const char *end, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(end - p) == n && memcmp(p, word, n) == 0;
}

static int add_span(struct scan *s, const char *text, size_t size)
{
	if (s->span_count == s->span_cap) {
		size_t cap = s->span_cap == 0 ? 8 : s->span_cap * 2;
		struct oip_span *more = arena_alloc(s->arena, cap * sizeof *more);

		if (more == NULL)
			return fault_set(s->fault, 503, "out of memory");
		if (s->span_count != 0)
			memcpy(more, s->spans, s->span_count * sizeof *more);
		s->spans = more;
		s->span_cap = cap;
	}
	s->spans[s->span_count++] = (struct oip_span){text, size};
	return 0;
}

/* Copy what was not copied yet, up to ${end}. */
static int copy_up_to(struct scan *s, const char *end)
{
	size_t n = (size_t)(end - s->copied);

	if (n + s->out.size > OIP_JSON_MAX)
		return fault_set(s->fault, 413,
				 "%zu bytes of JSON besides tensor data; at most %zu are taken",
				 n + s->out.size, OIP_JSON_MAX);
	text_add_n(&s->out, s->copied, n);
	s->copied = end;
	return 0;
}

/* Behind the key "data" of an input: cut its array. */
static int cut_data(struct scan *s)
{
	const char *p = s->at, *after;

	while (p < s->end && is_space(*p))
		p++;
	if (p == s->end || *p != ':')
		return 0; /* not JSON: the JSON library will say so */
	p++;
	while (p < s->end && is_space(*p))
		p++;
	if (p == s->end || *p != '[')
		return fault_set(s->fault, 400, "inputs: \"data\" must be an array");
	after = after_array(p, s->end);
	if (after == NULL)
		return fault_set(s->fault, 400,
				 "inputs: a \"data\" array has no end, or is nested deeper "
				 "than %d",
				 OIP_DEPTH_MAX);
	if (copy_up_to(s, p) != 0)
		return -1;
	text_u64(&s->out, s->span_count);
	s->copied = s->at = after;
	s->key_next = false;
	return add_span(s, p, (size_t)(after - p));
}

static int on_string(struct scan *s)
{
	const char *start = s->at + 1, *after = after_string(s->at, s->end);
	const char *stop = after > start ? after - 1 : start;
	bool key = s->key_next;

	s->at = after;
	s->key_next = false;
	if (!key || !(s->depth == 1 || (s->depth == 3 && s->in_inputs)))
		return 0;
	if (memchr(start, '\\', (size_t)(stop - start)) != NULL)
		return fault_set(s->fault, 400, "escapes are not taken in the names of fields");
	if (s->depth == 1) {
		s->in_inputs = is_word(start, stop, "inputs");
		return 0;
	}
	return is_word(start, stop, "data") ? cut_data(s) : 0;
}

static int on_bracket(struct scan *s, char c)
{
	if (c == '{' || c == '[') {
		if (s->depth == OIP_DEPTH_MAX)
			return fault_set(s->fault, 400, "the JSON is nested deeper than %d",
					 OIP_DEPTH_MAX);
		s->object[++s->depth] = c == '{';
		s->key_next = c == '{';
	} else if (s->depth > 0) {
		s->depth--;
		s->key_next = false;
	}
	s->at++;
	return 0;
}

/* "inputs" holds an array of objects, or its "data" are not ours. */
static int scan_step(struct scan *s)
{
	switch (*s->at) {
	case '"':
		return on_string(s);
	case '{':
	case '[':
	case '}':
	case ']':
		return on_bracket(s, *s->at);
	case ',':
		s->key_next = s->depth > 0 && s->object[s->depth];
		break;
	default:
		break;
	}
	s->at++;
	return 0;
}

int oip_cut(const char *json, size_t size, struct arena *arena, struct oip_cut *out,
	    struct fault *fault)
{
	struct scan s = {
	    .at = json, .end = json + size, .copied = json, .arena = arena, .fault = fault};

	text_init(&s.out, arena);
	while (s.at < s.end) {
		if (scan_step(&s) != 0)
			return -1;
	}
	if (copy_up_to(&s, s.end) != 0)
		return -1;
	if (!text_ok(&s.out))
		return fault_set(fault, 503, "out of memory");
	*out = (struct oip_cut){
	    .json = s.out.data != NULL ? s.out.data : "",
	    .json_size = s.out.size,
	    .spans = s.spans,
	    .span_count = s.span_count,
	};
	return 0;
}
