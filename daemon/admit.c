/* SPDX-License-Identifier: MIT */
/*
 * admit.c — decides whether a request may go on to its handler.  Called by
 * server.c once per request, when the headers are there.  Must never look at a
 * body and must give every refusal through reply_fault.
 */
#include <config.h>

#include "daemon/admit.h"

#include <string.h>

#include "daemon/guard.h"
#include "daemon/infer_refusal.h"
#include "daemon/lockout.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/origins_limit.h"
#include "daemon/origins_rule.h"
#include "daemon/recall.h"
#include "daemon/request.h"
#include "daemon/settings.h"

/* What scripts may send (Fetch standard: `*` would not cover Authorization). */
#define ALLOW_HEADERS                                                                              \
	"Content-Type, Range, If-Range, If-Match, If-None-Match, If-Modified-Since, "              \
	"If-Unmodified-Since, Want-Repr-Digest, Want-Content-Digest, Authorization, Accept, "      \
	"Cache-Control, Pragma, Inference-Header-Content-Length, OpenAI-Beta, "                    \
	"X-Larder-Priority, X-Larder-Stream, X-Larder-Timeout, X-Request-Id, "                     \
	"X-Requested-With, X-Stainless-Arch, X-Stainless-Async, "                                  \
	"X-Stainless-Custom-Poll-Interval, "                                                       \
	"X-Stainless-Helper-Method, X-Stainless-Lang, X-Stainless-OS, "                            \
	"X-Stainless-Package-Version, X-Stainless-Poll-Helper, X-Stainless-Retry-Count, "          \
	"X-Stainless-Runtime, X-Stainless-Runtime-Version, X-Stainless-Timeout"
#define MAX_AGE "7200" /* Chromium's cap */

/*
 * The answer is known before the body has come.  A client that is cut off while
 * it sends may never read it, so a body that is not too large is swallowed
 * first; one that waits for 100 Continue, or is too large, ends the connection.
 */
static void answer_early(struct request *rq)
{
	if (rq->body_declared != 0 && !rq->close_after && rq->header[HEADER_EXPECT] == NULL &&
	    (rq->body_declared == UINT64_MAX ||
	     rq->body_declared <= rq->body_limit + REQUEST_DISCARD_MAX)) {
		request_move(rq, REQUEST_BODY);
		return;
	}
	rq->close_after = rq->close_after || rq->body_declared != 0;
	request_move(rq, REQUEST_ANSWERED);
}

static void refuse(struct request *rq, const struct fault *fault, enum metric metric)
{
	metrics_add(metric, 1);
	rq->body_limit = 0;
	(void)reply_fault(rq, fault);
	answer_early(rq);
}

/* An inference without a place: its body, which is as large as it may be, is swallowed whole. */
static void turn_away(struct request *rq, const struct fault *fault)
{
	metrics_add(METRIC_inferences_refused, 1);
	(void)reply_fault(rq, fault);
	answer_early(rq);
}

static void preflight(struct request *rq, unsigned allowed)
{
	char methods[64];

	metrics_add(METRIC_preflights, 1);
	route_methods_text(allowed, methods);
	reply_header(rq, "Access-Control-Allow-Methods",
		     arena_copy(&rq->arena, methods, strlen(methods)));
	reply_header(rq, "Access-Control-Allow-Headers", ALLOW_HEADERS);
	reply_header(rq, "Access-Control-Max-Age", MAX_AGE);
	if (rq->header[HEADER_CORS_PRIVATE] != NULL)
		reply_header(rq, "Access-Control-Allow-Private-Network", "true");
	if (rq->header[HEADER_CORS_LOCAL] != NULL)
		reply_header(rq, "Access-Control-Allow-Local-Network", "true");
	(void)reply_empty(rq, 204);
	answer_early(rq);
}

static void options(struct request *rq, unsigned allowed)
{
	char methods[64];

	if (rq->header[HEADER_CORS_METHOD] != NULL && (rq->cors_origin != NULL || rq->cors_any)) {
		preflight(rq, allowed != 0 ? allowed : (unsigned)GET);
		return;
	}
	route_methods_text(allowed != 0 ? allowed : (unsigned)GET | POST | PUT | DELETE, methods);
	reply_header(rq, "Allow", arena_copy(&rq->arena, methods, strlen(methods)));
	(void)reply_empty(rq, 204);
	answer_early(rq);
}

static void not_found(struct request *rq, const struct route_match *m)
{
	struct fault fault;
	char methods[64];

	if (m->allowed == 0) {
		(void)fault_set(&fault, 404, "there is nothing at this address");
		(void)reply_fault(rq, &fault);
	} else {
		route_methods_text(m->allowed, methods);
		(void)fault_set(&fault, 405, "this address takes %s", methods);
		(void)reply_fault(rq, &fault);
		reply_header(rq, "Allow", arena_copy(&rq->arena, methods, strlen(methods)));
	}
	answer_early(rq);
}

/* The token, and how often it was wrong; on the admin socket, who asks. */
static int check_admin(struct request *rq, const struct guard_view *v, const struct route *route,
		       const char *token, struct fault *fault)
{
	bool asked = route->plane == ADMIN && !v->unix_socket && v->settings->admin_tcp;
	unsigned wait_s = asked ? lockout_wait_s(rq->begin_ns) : 0;

	if (v->unix_socket && route->plane == ADMIN && !rq->peer.allowed)
		return fault_set(fault, 403, "this user may not administer; see admin_group");
	if (wait_s != 0) {
		(void)fault_set(fault, 429, "too many wrong tokens; wait, or use the admin socket");
		fault->retry_after_s = wait_s;
		return -1;
	}
	if (guard_admin(v, route->plane, token, fault) == 0) {
		if (asked)
			lockout_passed();
		return 0;
	}
	if (asked && v->header[HEADER_AUTHORIZATION] != NULL) {
		lockout_failed(rq->begin_ns);
		log_warning("admin_token", "id=%s error=\"wrong token\" locked_s=%u", rq->id,
			    lockout_wait_s(rq->begin_ns));
	}
	return -1;
}

/* Count it among those of its origin, until it is done. */
static int limit(struct request *rq, const struct origins_rule *rule, struct fault *fault)
{
	unsigned rate = rule->rate != 0 ? rule->rate : rq->settings->origin_rate;
	unsigned requests = rule->requests != 0 ? rule->requests : rq->settings->origin_requests;
	struct origins_slot *slot;

	if (rate == 0 && requests == 0)
		return 0;
	if (origins_limit_enter(rule->origin, rate, requests, rq->begin_ns, &slot, fault) != 0)
		return -1;
	if (arena_defer(&rq->arena, origins_limit_leave, slot) != 0)
		return fault_set(fault, 507, "out of memory");
	return 0;
}

/* The route is known: rights, body and token guards, then on to the body or the handler. */
static void enter(struct request *rq, const struct guard_view *v, const struct admit_facts *facts,
		  const struct route_match *m)
{
	const struct route *route = m->route;
	struct origins_rule rule;
	struct fault fault;

	rq->route = route;
	memcpy(rq->part, m->part, sizeof(rq->part));
	rq->body_limit = route->limit_bytes != 0 ? route->limit_bytes : rq->settings->max_body;
	if (guard_rights(v, route, rq->part, rq->cors_origin, &rule, &fault) != 0)
		refuse(rq, &fault, METRIC_refused_rights);
	else if (guard_body(v, route, rq->body_declared, rq->body_limit, &fault) != 0)
		refuse(rq, &fault, METRIC_refused_body);
	else if (check_admin(rq, v, route, facts->token, &fault) != 0)
		refuse(rq, &fault, METRIC_refused_token);
	else if (rule.origin[0] != '\0' && limit(rq, &rule, &fault) != 0)
		refuse(rq, &fault, METRIC_refused_limits);
	else if (route->runs == LINE && infer_refusal_check(rq, &fault) != 0)
		turn_away(rq, &fault);
	else
		request_move(rq, rq->body_declared != 0 || route->body == STREAM ? REQUEST_BODY
										 : REQUEST_READY);
}

/* HTTP/1.1, or a later minor version, which is to be taken for it (RFC 9110 §2.5). */
static bool spoken(const char *version)
{
	return strncmp(version, "HTTP/1.", 7) == 0 && version[7] >= '1' && version[7] <= '9' &&
	       version[8] == '\0';
}

void admit(struct request *rq, const struct admit_facts *facts)
{
	struct guard_view v = {
	    .header = rq->header,
	    .target = rq->target,
	    .unix_socket = facts->unix_socket,
	    .ports = facts->ports,
	    .port_count = facts->port_count,
	    .settings = rq->settings,
	    .origins = rq->ctx->origins,
	};
	struct route_match match = {0};
	struct guard_cors cors;
	struct fault fault, path_fault;
	const char *path;
	size_t size;
	int rc = 0;

	rq->method = v.method = route_method_of(facts->method);
	rq->http_1_0 = v.http_1_0 = strcmp(facts->version, "HTTP/1.0") == 0;
	rq->local_admin = facts->unix_socket;

	/* framing: what cannot be trusted to end where it says closes the connection */
	if (facts->header_problem != NULL)
		rc = fault_set(&fault, 400, "%s", facts->header_problem);
	else if (!v.http_1_0 && !spoken(facts->version))
		rc = fault_set(&fault, 505, "HTTP/1.1 is spoken here");
	else
		rc = guard_framing(&v, &rq->body_declared, &fault);
	if (rc != 0) {
		rq->close_after = true;
		refuse(rq, &fault, METRIC_refused_framing);
		return;
	}

	/* Host, then Origin and Sec-Fetch: those of the row, known or not */
	if (guard_host(&v, &fault) != 0 ||
	    guard_target(&v, &path, &size, &rq->query, &fault) != 0) {
		refuse(rq, &fault, METRIC_refused_host);
		return;
	}
	if (path[0] != '*')
		rc = recall_route(v.method, path, size, &rq->arena, &match, &path_fault);
	const struct route *row = match.route != NULL ? match.route : match.first;
	bool admin =
	    row != NULL ? row->plane == ADMIN : size >= 7 && memcmp(path, "/admin/", 7) == 0;

	if (guard_origin(&v, row != NULL ? row->guards : ORIGIN, admin ? ADMIN : DATA, &cors,
			 &fault) != 0) {
		refuse(rq, &fault, METRIC_refused_origin);
		return;
	}
	rq->cors_origin = admin ? NULL : cors.origin;
	rq->cors_any = cors.any && !admin;

	if (rc != 0) {
		refuse(rq, &path_fault, METRIC_refused_framing);
	} else if (rq->method == OPTIONS && (match.first == NULL || match.route == NULL)) {
		options(rq, match.allowed);
	} else if (match.route == NULL) {
		not_found(rq, &match);
	} else {
		enter(rq, &v, facts, &match);
	}
}
