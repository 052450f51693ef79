/* SPDX-License-Identifier: MIT */
/*
 * range.h — RFC 9110 §13 (conditional requests) and §14 (ranges) as pure
 * functions: headers and facts in, decision out.
 */
#ifndef LARDER_DAEMON_RANGE_H
#define LARDER_DAEMON_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A 206 has at most RANGE_MAX parts.  Ranges that overlap or touch are one part.
 * Up to RANGE_EXACT parts are given as they were asked for; of more than that,
 * those are put together that lie nearer than RANGE_NEAR_BYTES, about what the
 * head of a part costs (RFC 9110 §15.3.7.2).  A Range header that asks for more
 * parts still, or that lists more than 64 ranges, is ignored: the answer is the
 * whole file, once (§14.2 allows it, and a 200 is what such a client can use).
 */
#define RANGE_MAX 16
#define RANGE_EXACT 8
#define RANGE_NEAR_BYTES 80

struct range {
	uint64_t offset, size; /* bytes; size ≥ 1, offset + size ≤ length */
};

/* What is asked. */
struct range_ask {
	bool get, head;                                          /* the method */
	const char *range, *if_range, *if_match, *if_none_match; /* header values or NULL */
	const char *if_modified_since, *if_unmodified_since;
	const char *etag;   /* of the representation, strong, with quotes */
	int64_t modified_s; /* Unix time; 0 = it has no such date */
	uint64_t length;    /* bytes */
	int64_t now_s;      /* Unix time */
};

/* What is to be done. */
struct range_answer {
	unsigned status; /* 200, 206, 304, 412 or 416 */
	unsigned count;  /* of ranges, for 206 */
	struct range range[RANGE_MAX];
};

/* range_decide(ask, out): the precedence of RFC 9110 §13.2.2. */
void range_decide(const struct range_ask *ask, struct range_answer *out);

enum range_parse { RANGE_NONE, RANGE_SOME, RANGE_UNSATISFIABLE };
/*
 * range_parse(s, length, out, count): the value of a Range header against a
 * representation of ${length} bytes.  RANGE_NONE: ignore it (other unit,
 * syntax error, too many ranges, RFC 9110 §14.2).  The order is that of the
 * request.
 */
enum range_parse range_parse(const char *s, uint64_t length, struct range out[RANGE_MAX],
			     unsigned *count);
/* range_date_parse(s, ret_s): the three forms of RFC 9110 §5.6.7; false when malformed. */
bool range_date_parse(const char *s, int64_t now_s, int64_t *ret_s);
/* range_date_print(unix_s, out): IMF-fixdate. */
void range_date_print(int64_t unix_s, char out[32]);
/* range_etag_listed(list, etag, weak): whether an If-Match / If-None-Match list has ${etag}. */
bool range_etag_listed(const char *list, const char *etag, bool weak);

#endif
