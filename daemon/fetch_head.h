/* SPDX-License-Identifier: MIT */
/* fetch_head.h — the header lines of an upstream's answers, judged.  Pure; for fetch.c. */
#ifndef LARDER_DAEMON_FETCH_HEAD_H
#define LARDER_DAEMON_FETCH_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/fetch.h"

#define FETCH_LINES_MAX 200
#define FETCH_LINE_BYTES_MAX (64u << 10)

/* What the lines said; some of it of the last hop, some of the upstream's own answer. */
struct fetch_lines {
	/* of this hop */
	unsigned status, count;
	size_t bytes;
	uint64_t length;          /* Content-Length; FETCH_UNKNOWN */
	bool ranged, range_bad;   /* Content-Range */
	uint64_t from, to, total; /* of it; total may be FETCH_UNKNOWN */
	bool coded;               /* Content-Encoding is not identity */
	unsigned retry_after_s;
	char etag[FETCH_MARK_MAX], modified[FETCH_MARK_MAX], location[4096];
	bool has_repr;
	struct store_digest repr; /* Repr-Digest: sha-256 */
	/* of a hop at the upstream's own origin: it stays over redirects */
	char linked[FETCH_MARK_MAX], commit[41];
	uint64_t linked_size; /* FETCH_UNKNOWN */
};

/* fetch_head_again(l): before each hop. */
void fetch_head_again(struct fetch_lines *l);
/*
 * fetch_head_line(l, line, size, own): one line as it came, CRLF included;
 * ${own}: from the upstream's own origin.  NULL, or why the answer is refused.
 */
const char *fetch_head_line(struct fetch_lines *l, const char *line, size_t size, bool own);
/*
 * fetch_head_read(l, ranged, from, to, out): what a 200 or 206 means to one who
 * asked that range, or the whole.  NULL, or why it is refused.
 */
const char *fetch_head_read(const struct fetch_lines *l, bool ranged, uint64_t from, uint64_t to,
			    struct fetch_head *out);
/* fetch_head_linked(l, out): the digest and size of what a redirect leads to; false: not said. */
bool fetch_head_linked(const struct fetch_lines *l, struct fetch_head *out);

#endif
