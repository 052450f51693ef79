/* SPDX-License-Identifier: MIT */
/*
 * log_json.c — see log_json.h.  Called by log.c; allocates nothing, so that running out of
 * memory can be logged.
 */
#include <config.h>

#include "daemon/log_json.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct out {
	char *at;
	size_t size, room;
};

static void put(struct out *o, const char *s, size_t n)
{
	if (n > o->room - o->size)
		n = o->room - o->size;
	memcpy(o->at + o->size, s, n);
	o->size += n;
}

/*
 * ${s}[n] between quotes.  Control characters are gone already.  ${escaped}: a backslash says that
 * the next byte is text.
 */
static void put_text(struct out *o, const char *s, size_t n, bool escaped)
{
	put(o, "\"", 1);
	for (size_t i = 0; i < n; i++) {
		if (escaped && s[i] == '\\' && ++i == n)
			break;
		if (s[i] == '"' || s[i] == '\\')
			put(o, "\\", 1);
		put(o, s + i, 1);
	}
	put(o, "\"", 1);
}

/* The value at ${s}: where it begins and ends, and what comes after it. */
static const char *value_end(const char *s, const char **begin, const char **end)
{
	*begin = s;
	if (*s != '"') {
		*end = s + strcspn(s, " ");
		return *end;
	}
	*begin = ++s;
	while (*s != '\0' && *s != '"')
		s += *s == '\\' && s[1] != '\0' ? 2 : 1;
	*end = s;
	return *s == '"' ? s + 1 : s;
}

static void put_pairs(struct out *o, const char *s)
{
	while (*(s += strspn(s, " ")) != '\0') {
		const char *key = s, *begin, *end;
		size_t size = strcspn(s, "= "), worst;
		bool quoted;

		s += size;
		if (*s != '=')
			continue; /* a word without a value */
		quoted = s[1] == '"';
		s = value_end(s + 1, &begin, &end);
		worst = 2 * (size_t)(end - begin) + size + 8;
		if (worst > o->room - o->size)
			continue;
		put(o, ",", 1);
		put_text(o, key, size, false);
		put(o, ":", 1);
		put_text(o, begin, (size_t)(end - begin), quoted);
	}
}

size_t log_json(char *out, size_t room, const char *level, const char *event, const char *pairs,
		unsigned suppressed)
{
	struct out o = {.at = out, .room = room - 1}; /* for the brace */
	struct timespec now = {.tv_sec = 0};
	char head[160], when[32] = "";
	struct tm tm;
	int n;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (gmtime_r(&now.tv_sec, &tm) != NULL)
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	n = snprintf(head, sizeof(head),
		     "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"event\":\"%s\"", when,
		     now.tv_nsec / 1000000, level, event);
	put(&o, head, n < 0 ? 0 : (size_t)n);
	if (suppressed != 0) {
		n = snprintf(head, sizeof(head), ",\"suppressed\":\"%u\"", suppressed);
		put(&o, head, n < 0 ? 0 : (size_t)n);
	}
	put_pairs(&o, pairs);
	o.at[o.size++] = '}';
	return o.size;
}
