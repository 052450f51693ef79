/* SPDX-License-Identifier: MIT */
/*
 * handle_status.c — whether the daemon lives, and its numbers.  /healthz may be
 * asked by any page, so it names nothing.
 */
#include <config.h>

#include "daemon/health.h"
#include "daemon/metrics.h"
#include "daemon/request.h"
#include "daemon/text.h"

int handle_status_health(struct request *rq, struct fault *fault)
{
	static const char alive[] = "{\"status\":\"ok\",\"server\":\"larder\",\"version\":\"" //
	    PACKAGE_VERSION "\"}\n";
	/* what it is stands in /admin/v1/stats and the log, not here */
	static const char degraded[] =
	    "{\"status\":\"degraded\",\"server\":\"larder\",\"version\":\"" //
	    PACKAGE_VERSION "\"}\n";

	(void)fault;
	reply_header(rq, "Cross-Origin-Resource-Policy", "cross-origin");
	if (health_degraded(rq->ctx))
		return reply_json(rq, 200, degraded, sizeof(degraded) - 1);
	return reply_json(rq, 200, alive, sizeof(alive) - 1);
}

int handle_status_metrics(struct request *rq, struct fault *fault)
{
	struct text t;

	(void)fault;
	text_init(&t, &rq->arena);
	metrics_render(rq->ctx, &t);
	return reply_text(rq, 200, "text/plain; version=0.0.4; charset=utf-8", &t);
}
