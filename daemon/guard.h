/* SPDX-License-Identifier: MIT */
/*
 * guard.h — what a web page may do with the daemon.  Pure functions over the
 * headers of a request; server.c calls them before any handler, in the order
 *
 *   framing → Host → Origin and Sec-Fetch → (route) → Content-Type → body
 *   limit → token
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
