/* SPDX-License-Identifier: MIT */
/*
 * oip_turn.c — see oip_turn.h.  Called by dispatch.c on the loop, before the request waits for its
 * turn, and by oip.c.  Must never read beyond what it was given.
 */
#include <config.h>

#include "daemon/oip_turn.h"

#include <string.h>

#include "daemon/fault.h"

#define PARAMETERS_MAX 4096 /* bytes of an object that is peeked into */

static int parse_priority(const json_t *v, struct oip_turn *out, struct fault *fault)
{
	const char *word = json_string_value(v);

	if (json_is_integer(v) && json_integer_value(v) >= 0)
		out->bulk = json_integer_value(v) > 1;
	else if (word != NULL && strcmp(word, "bulk") == 0)
		out->bulk = true;
	else if (word == NULL || strcmp(word, "interactive") != 0)
		return fault_set(
		    fault, 400,
		    "\"priority\" must be an integer of 0 and more, \"interactive\" or "
		    "\"bulk\"");
	return 0;
}

int oip_turn_parse(const json_t *parameters, struct oip_turn *out, struct fault *fault)
{
	const json_t *priority = json_object_get(parameters, "priority");
	const json_t *timeout = json_object_get(parameters, "timeout");

	*out = (struct oip_turn){.bulk = false};
	if (priority != NULL && parse_priority(priority, out, fault) != 0)
		return -1;
	if (timeout == NULL)
		return 0;
	if (!json_is_integer(timeout) || json_integer_value(timeout) < 0 ||
	    json_integer_value(timeout) > INT64_MAX / 1000)
		return fault_set(fault, 400,
				 "\"timeout\" must be an integer of 0 and more: microseconds");
	out->timeout_us = (uint64_t)json_integer_value(timeout);
	return 0;
}

/* ---- the quick look ------------------------------------------------------------------ */

/* Behind the string whose first quote is at ${s}; ${end} when it does not end. */
static const char *skip_string(const char *s, const char *end)
{
	const char *b;

	for (s++; s < end; s++) {
		s = memchr(s, '"', (size_t)(end - s));
		if (s == NULL)
			return end;
		if (s[-1] != '\\')
			return s + 1;
		/* escaped, unless the backslashes before it are pairs */
		for (b = s - 1; b[-1] == '\\';)
			b--;
		if ((s - b) % 2 == 0)
			return s + 1;
	}
	return end;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Behind the object that begins at ${s}; NULL when it does not end. */
static const char *skip_object(const char *s, const char *end)
{
	unsigned depth = 0;

	while (s < end) {
		if (*s == '"') {
			s = skip_string(s, end);
			continue;
		}
		if (*s == '{')
			depth++;
		else if (*s == '}' && --depth == 0)
			return s + 1;
		s++;
	}
	return NULL;
}

/* The value of the key "parameters" of the outermost object; NULL: not seen. */
static const char *find_parameters(const char *s, const char *end)
{
	static const char key[] = "\"parameters\"";
	static const unsigned char step[256] = {
	    ['{'] = 1, ['['] = 1, ['}'] = 2, [']'] = 2, ['"'] = 3};
	unsigned depth = 0;

	while (s < end) {
		const char *from = s;

		switch (step[(unsigned char)*s]) {
		case 1:
			depth++;
			s++;
			break;
		case 2:
			depth--;
			s++;
			break;
		case 3:
			s = skip_string(s, end);
			if (depth != 1 || (size_t)(s - from) != sizeof key - 1 ||
			    memcmp(from, key, sizeof key - 1) != 0)
				break;
			while (s < end && is_blank(*s))
				s++;
			if (s == end || *s != ':')
				break;
			for (s++; s < end && is_blank(*s);)
				s++;
			return s < end && *s == '{' ? s : NULL;
		default:
			s++;
		}
	}
	return NULL;
}

void oip_turn_peek(const char *json, size_t size, struct oip_turn *out)
{
	const char *end = json + (size < OIP_TURN_PEEK_MAX ? size : OIP_TURN_PEEK_MAX);
	const char *from = find_parameters(json, end), *to;
	struct fault fault;
	json_t *v;

	*out = (struct oip_turn){.bulk = false};
	to = from == NULL ? NULL : skip_object(from, end);
	if (to == NULL || to - from > PARAMETERS_MAX)
		return;
	v = json_loadb(from, (size_t)(to - from), JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(v) && oip_turn_parse(v, out, &fault) != 0)
		*out = (struct oip_turn){.bulk = false};
	json_decref(v);
}
