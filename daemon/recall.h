/* SPDX-License-Identifier: MIT */
/*
 * recall.h — what route_find said about a path, remembered.  A page asks for
 * the same few hundred paths again and again, and the answer depends on
 * nothing but method and path.
 */
#ifndef LARDER_DAEMON_RECALL_H
#define LARDER_DAEMON_RECALL_H

#include <stddef.h>

#include "daemon/route.h"

/*
 * recall_route(method, path, size, arena, out, fault): as route_find, which
 * does the work the first time.  Paths that are refused, not found or long are
 * not remembered.  Event loop.
 */
int recall_route(enum route_method method, const char *path, size_t size, struct arena *arena,
		 struct route_match *out, struct fault *fault) __attribute__((warn_unused_result));

#endif
