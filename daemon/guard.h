/* SPDX-License-Identifier: MIT */
/*
 * guard.h — what a web page may do with the daemon.  Pure functions over the
 * headers of a request; server.c calls them before any handler, in the order
 *
 *   framing → Host → Origin and Sec-Fetch → (route) → rights of the origin →
 *   Content-Type → body limit → token → limits of the origin
 *
 * Each returns 0, or -1 with the answer in ${fault}.
 */
#ifndef LARDER_DAEMON_GUARD_H
#define LARDER_DAEMON_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/route.h"

struct fault;
struct origins;
struct origins_rule;
struct settings;

/* A request as the guards see it. */
struct guard_view {
	const char *const *header; /* [HEADER_COUNT], request.h */
	const char *target;        /* as on the request line */
	enum route_method method;
	bool http_1_0;
	bool unix_socket;      /* the admin socket: no browser gets there */
	const uint16_t *ports; /* [port_count] that we listen on */
	unsigned port_count;
	const struct settings *settings;
	struct origins *origins;
};

/* guard_field_name(name, size): whether it is an RFC 9110 §5.1 token. */
bool guard_field_name(const char *name, size_t size);
/*
 * Where libmicrohttpd found things, for it hides what was wrong with them: it
 * puts a NUL behind each and goes on.  A NUL of the client's ends a target or a
 * value early, a bare CR or LF ends a line, a line without a name is skipped,
 * and a folded one (RFC 9112 §5.2) is glued to the name before it, so that a
 * Content-Length could vanish.  In a well-formed message one thing follows the
 * other with nothing but a blank, `:` or CRLF between them.
 *
 * guard_line_whole(end, name, name_size, value): whether ${name} stands right
 * behind the CRLF at ${end}, and ${value}, which may be NULL, behind its colon.
 *
 * guard_request_line_end(method, url, target, version): where the request line
 * ends; NULL unless it is a token, one blank, a target without blanks and control
 * characters, one blank and `HTTP/x.y`.  ${url} is where the target lies,
 * ${target} a copy of the whole of it.
 */
bool guard_line_whole(const char *end, const char *name, size_t name_size, const char *value);
const char *guard_request_line_end(const char *method, const char *url, const char *target,
				   const char *version);
/*
 * guard_framing(v, ret_body, fault): how long the body is (RFC 9112 §6):
 * bytes, or UINT64_MAX when chunked.  400 for Content-Length with
 * Transfer-Encoding or a Content-Length that is not a number, 501 for an
 * unknown transfer coding, 415 for an encoded body.
 */
int guard_framing(const struct guard_view *v, uint64_t *ret_body, struct fault *fault);
/*
 * guard_target(v, ret_path, ret_path_size, ret_query, fault): split the target
 * into path and query (without the `?`; "" when there is none).  absolute-form
 * (RFC 9112 §3.2.2) is accepted when its authority would pass as a Host too.
 */
int guard_target(const struct guard_view *v, const char **ret_path, size_t *ret_size,
		 const char **ret_query, struct fault *fault);
/* guard_host(v, fault): 400 when missing or malformed, 421 when it is not ours. */
int guard_host(const struct guard_view *v, struct fault *fault);

struct guard_cors {
	const char *origin; /* allowed: echo it; borrowed from the header */
	bool any;           /* public code: `*` */
};
/*
 * guard_origin(v, guards, plane, out, fault): ${guards}, ${plane} of the row,
 * or ORIGIN, DATA when there is none.  403 names the command that allows it.
 */
int guard_origin(const struct guard_view *v, unsigned guards, enum route_plane plane,
		 struct guard_cors *out, struct fault *fault);
/*
 * guard_rights(v, route, part, origin, out, fault): what ${origin} (allowed; NULL: no page, or
 * one of our own) may do with ${route}, whose parts of the path are ${part}: 403 names the
 * command that allows it, 401 when its token is missing or wrong.  *out is its rule, or
 * that of somebody who may do all and has no limits.
 */
int guard_rights(const struct guard_view *v, const struct route *route, const char *const *part,
		 const char *origin, struct origins_rule *out, struct fault *fault);
/* guard_body(v, route, body, limit, fault): Content-Type (415), then the limit (413). */
int guard_body(const struct guard_view *v, const struct route *route, uint64_t body, uint64_t limit,
	       struct fault *fault);
/*
 * guard_admin(v, plane, token, fault): whether the administration may be used
 * from here: 403 without admin_tcp, 401 without the right token (${token} NULL:
 * none is set, nobody gets in).  Constant time in the token.
 */
int guard_admin(const struct guard_view *v, enum route_plane plane, const char *token,
		struct fault *fault);

#endif
