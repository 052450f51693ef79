/* SPDX-License-Identifier: MIT */
/*
 * audit.c — see audit.h.  Called by server.c at the end of every request.  Must never write a
 * header or a body: tokens are there.
 */
#include <config.h>

#include "daemon/audit.h"

#include <stdio.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/origins.h"
#include "daemon/request.h"

static const char *method_name(enum route_method method)
{
	switch (method) {
	case POST:
		return "POST";
	case PUT:
		return "PUT";
	case DELETE:
		return "DELETE";
	default:
		return "other";
	}
}

/* Which origin a change is about: it stands in the body. */
static const char *subject(const struct request *rq, char out[256])
{
	const char *origin =
	    rq->json == NULL ? NULL : json_string_value(json_object_get(rq->json, "origin"));

	if (origin == NULL || !origins_normal(origin, out))
		return "";
	return out;
}

/* A text of the body; "" where it has none of that name. */
static const char *member(const json_t *v, const char *key)
{
	const char *text = json_string_value(json_object_get(v, key));

	return text != NULL ? text : "";
}

void audit_request(const struct request *rq)
{
	bool admin =
	    rq->route != NULL ? rq->route->plane == ADMIN : strncmp(rq->target, "/admin/", 7) == 0;
	const json_t *first = json_is_array(rq->json) ? json_array_get(rq->json, 0) : rq->json;
	const char *revision = member(first, "revision");
	size_t things = json_is_array(rq->json) ? json_array_size(rq->json) : 1;
	char origin[256], more[32] = "";

	if (!admin || rq->method == GET || rq->method == HEAD || rq->method == OPTIONS)
		return;
	if (things > 1)
		(void)snprintf(more, sizeof(more), " more=%zu", things - 1);
	log_audit("id=%s via=%s uid=%ld pid=%ld method=%s target=\"%.300s\" origin=\"%s\" "
		  "status=%u model=\"%.200s%s%.80s\" name=\"%.200s\"%s",
		  rq->id, rq->local_admin ? "unix" : "tcp",
		  rq->peer.known ? (long)rq->peer.uid : -1L,
		  rq->peer.known ? (long)rq->peer.pid : -1L, method_name(rq->method), rq->target,
		  subject(rq, origin), rq->reply.status, member(first, "model"),
		  revision[0] != '\0' ? "@" : "", revision, member(first, "name"), more);
}
