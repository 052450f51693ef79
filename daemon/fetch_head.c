/* SPDX-License-Identifier: MIT */
/*
 * fetch_head.c — header lines of an upstream, as hostile as any input: bounded
 * in number and size, numbers checked.  Called by fetch.c from inside libcurl;
 * must never allocate.
 */
#include <config.h>

#include "daemon/fetch_head.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include "daemon/range.h"

void fetch_head_again(struct fetch_lines *l)
{
	struct fetch_lines fresh = {
	    .length = FETCH_UNKNOWN, .total = FETCH_UNKNOWN, .linked_size = FETCH_UNKNOWN};

	if (l->linked[0] != '\0') {
		memcpy(fresh.linked, l->linked, sizeof(fresh.linked));
		fresh.linked_size = l->linked_size;
	}
	memcpy(fresh.commit, l->commit, sizeof(fresh.commit));
	*l = fresh;
}

static bool digits(const char **s, uint64_t *out)
{
	const char *p = *s;
	uint64_t n = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(n, UINT64_C(10), &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return false;
	}
	if (p == *s)
		return false;
	*s = p;
	*out = n;
	return true;
}

static bool number(const char *s, uint64_t *out)
{
	return digits(&s, out) && *s == '\0';
}

/* bytes A-B/N, bytes A-B/✱ (RFC 9110 §14.4) */
static bool content_range(const char *s, struct fetch_lines *l)
{
	if (strncasecmp(s, "bytes ", 6) != 0)
		return false;
	s += 6;
	if (!digits(&s, &l->from) || *s++ != '-' || !digits(&s, &l->to) || *s++ != '/')
		return false;
	if (strcmp(s, "*") == 0)
		l->total = FETCH_UNKNOWN;
	else if (!number(s, &l->total) || l->to >= l->total)
		return false;
	return l->from <= l->to && l->to < FETCH_UNKNOWN - 1;
}

/* Seconds, or a date (RFC 9110 §10.2.3). */
static unsigned retry_after(const char *s)
{
	int64_t now = (int64_t)time(NULL), at;
	uint64_t n;

	if (number(s, &n))
		return n > 86400 ? 86400 : (unsigned)n;
	if (range_date_parse(s, now, &at) && at > now)
		return at - now > 86400 ? 86400 : (unsigned)(at - now);
	return 0;
}

static int base64_value(char c)
{
	static const char set[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *p = c == '\0' ? NULL : strchr(set, c);

	return p == NULL ? -1 : (int)(p - set);
}

/* sha-256=:44 characters: among the members of a dictionary (RFC 9530) */
static bool repr_digest(const char *s, struct store_digest *out)
{
	const char *p = strstr(s, "sha-256=:");
	uint32_t bits = 0;
	unsigned have = 0, n = 0;

	if (p == NULL)
		return false;
	for (p += 9; *p != ':' && *p != '=' && n < 32; p++) {
		int v = base64_value(*p);

		if (v < 0)
			return false;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out->bytes[n++] = (uint8_t)(bits >> have);
		}
	}
	return n == 32;
}

static void copy(char *to, size_t room, const char *from)
{
	size_t n = strlen(from);

	if (n < room)
		memcpy(to, from, n + 1);
	else
		to[0] = '\0';
}

static void commit_line(struct fetch_lines *l, const char *value)
{
	if (strlen(value) == 40 && strspn(value, "0123456789abcdef") == 40)
		memcpy(l->commit, value, 41);
}

static void field(struct fetch_lines *l, const char *name, const char *value, bool own)
{
	if (strcasecmp(name, "Content-Length") == 0) {
		if (!number(value, &l->length))
			l->length = FETCH_UNKNOWN;
	} else if (strcasecmp(name, "Content-Range") == 0) {
		l->ranged = true;
		l->range_bad = !content_range(value, l);
	} else if (strcasecmp(name, "Content-Encoding") == 0) {
		l->coded = strcasecmp(value, "identity") != 0 && value[0] != '\0';
	} else if (strcasecmp(name, "Location") == 0) {
		copy(l->location, sizeof(l->location), value);
	} else if (strcasecmp(name, "ETag") == 0) {
		copy(l->etag, sizeof(l->etag), value);
	} else if (strcasecmp(name, "Last-Modified") == 0) {
		copy(l->modified, sizeof(l->modified), value);
	} else if (strcasecmp(name, "Retry-After") == 0) {
		l->retry_after_s = retry_after(value);
	} else if (strcasecmp(name, "Repr-Digest") == 0) {
		l->has_repr = repr_digest(value, &l->repr);
	} else if (own && strcasecmp(name, "X-Linked-ETag") == 0) {
		copy(l->linked, sizeof(l->linked), value);
	} else if (own && strcasecmp(name, "X-Linked-Size") == 0) {
		if (!number(value, &l->linked_size))
			l->linked_size = FETCH_UNKNOWN;
	} else if (own && strcasecmp(name, "X-Repo-Commit") == 0) {
		commit_line(l, value);
	}
}

static const char *status_line(struct fetch_lines *l, const char *line)
{
	const char *space = strchr(line, ' ');
	struct fetch_lines kept = *l;

	/* a further answer of the same hop (100, a proxy's 200): only the last counts */
	fetch_head_again(l);
	l->bytes = kept.bytes;
	l->count = kept.count;
	if (space == NULL || space[1] < '1' || space[1] > '5')
		return "its answer is not HTTP";
	for (int i = 1; i <= 3; i++) {
		if (space[i] < '0' || space[i] > '9')
			return "its answer is not HTTP";
		l->status = l->status * 10 + (unsigned)(space[i] - '0');
	}
	return NULL;
}

const char *fetch_head_line(struct fetch_lines *l, const char *line, size_t size, bool own)
{
	char text[5000], *colon, *value;
	size_t n = size;

	l->bytes += size;
	if (++l->count > FETCH_LINES_MAX || l->bytes > FETCH_LINE_BYTES_MAX)
		return "its headers are too large";
	while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == '\n' || line[n - 1] == ' ' ||
			 line[n - 1] == '\t'))
		n--;
	if (n >= sizeof(text) || memchr(line, '\0', n) != NULL)
		return NULL; /* none that we read is that long */
	memcpy(text, line, n);
	text[n] = '\0';
	if (strncmp(text, "HTTP/", 5) == 0)
		return status_line(l, text);
	colon = strchr(text, ':');
	if (colon == NULL)
		return NULL;
	*colon = '\0';
	value = colon + 1;
	value += strspn(value, " \t");
	field(l, text, value, own);
	return NULL;
}

/* "64 hex digits", with or without quotes */
static bool digest_mark(const char *s, struct store_digest *out)
{
	size_t n = strlen(s);

	if (n == STORE_DIGEST_HEX + 2 && s[0] == '"' && s[n - 1] == '"')
		return store_digest_parse(s + 1, STORE_DIGEST_HEX, out);
	return store_digest_parse(s, n, out);
}

const char *fetch_head_read(const struct fetch_lines *l, bool ranged, uint64_t from, uint64_t to,
			    struct fetch_head *out)
{
	*out =
	    (struct fetch_head){.status = l->status, .length = l->length, .total = FETCH_UNKNOWN};
	memcpy(out->mark,
	       l->linked[0] != '\0' ? l->linked
	       : l->etag[0] != '\0' ? l->etag
				    : l->modified,
	       sizeof(out->mark));
	memcpy(out->commit, l->commit, sizeof(out->commit));
	out->says_digest = l->has_repr;
	out->has_digest = digest_mark(l->linked, &out->digest);
	if (!out->has_digest && l->has_repr) {
		out->has_digest = true;
		out->digest = l->repr;
	}
	if (l->coded)
		return "it sends an encoded body although identity was asked for";
	if (l->status == 206) {
		uint64_t length;

		if (!ranged || !l->ranged || l->range_bad || l->from != from || l->to > to)
			return "it answers with another range than was asked for";
		length = l->to - l->from + 1;
		if (l->length != FETCH_UNKNOWN && l->length != length)
			return "the length of its answer is not that of the range";
		out->from = l->from;
		out->length = length;
		out->total = l->total;
	} else {
		out->total = l->length;
	}
	if (l->linked[0] != '\0' && l->linked_size != FETCH_UNKNOWN) {
		if (out->total != FETCH_UNKNOWN && out->total != l->linked_size)
			return "the length is not the one in X-Linked-Size";
		out->total = l->linked_size;
	}
	if (out->total != FETCH_UNKNOWN && out->length != FETCH_UNKNOWN &&
	    (out->length > out->total || out->from > out->total - out->length))
		return "the range goes beyond the size";
	return NULL;
}

bool fetch_head_linked(const struct fetch_lines *l, struct fetch_head *out)
{
	*out = (struct fetch_head){
	    .status = l->status, .length = FETCH_UNKNOWN, .total = l->linked_size};
	memcpy(out->mark, l->linked, sizeof(out->mark));
	memcpy(out->commit, l->commit, sizeof(out->commit));
	out->has_digest = digest_mark(l->linked, &out->digest);
	return out->has_digest && l->linked_size != FETCH_UNKNOWN;
}
