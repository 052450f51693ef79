/* SPDX-License-Identifier: MIT */
/*
 * admit.h — from headers to a decision: guards in their order, route, CORS
 * preflight, 404 and 405.
 */
#ifndef LARDER_DAEMON_ADMIT_H
#define LARDER_DAEMON_ADMIT_H

#include <stdbool.h>
#include <stdint.h>

struct request;

/* What the connection knows about a request besides its headers. */
struct admit_facts {
	const char *method;
	const char *version;        /* HTTP/1.1 */
	const char *header_problem; /* what was wrong with a header line; NULL = nothing */
	bool unix_socket;
	const uint16_t *ports; /* [port_count] that we listen on */
	unsigned port_count;
	const char *token; /* of admin_tcp; NULL = none */
};

/*
 * admit(rq, facts): rq->header and rq->target are filled, the state is NEW.
 * Afterwards it is BODY (a body is to come), READY (the handler may run) or
 * ANSWERED (refused, preflight, not found).  Event loop.
 */
void admit(struct request *rq, const struct admit_facts *facts);

#endif
