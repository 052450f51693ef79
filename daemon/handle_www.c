/* SPDX-License-Identifier: MIT */
/*
 * handle_www.c — the pages and the browser module that are embedded in the
 * daemon.  Nothing here comes from a disk.
 */
#include <config.h>

#include <stdbool.h>
#include <string.h>

#include "daemon/request.h"
#include "www/assets.h"

/* Pages may run their own scripts and nothing else, and cannot be framed. */
#define PAGE_CSP                                                                                   \
	"default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "             \
	"img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; "                 \
	"worker-src 'self' blob:; "                                                                \
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/* The same for their workers; ONNX Runtime starts its threads from blobs. */
#define SCRIPT_CSP                                                                                 \
	"default-src 'none'; script-src 'self' blob: 'wasm-unsafe-eval'; "                         \
	"connect-src 'self' blob:; worker-src 'self' blob:; frame-ancestors 'none'"

static int asset(struct request *rq, const char *path, struct fault *fault)
{
	const struct www_asset *a = www_asset_find(path);
	bool page;

	if (a == NULL)
		return fault_set(fault, 404, "there is nothing at this address");
	page = strncmp(a->type, "text/html", 9) == 0;
	if (page) {
		reply_header(rq, "Content-Security-Policy", PAGE_CSP);
		reply_header(rq, "X-Frame-Options", "DENY");
		reply_header(rq, "Referrer-Policy", "no-referrer");
		reply_header(rq, "Cross-Origin-Opener-Policy", "same-origin");
	}
	/* a worker has the policy of its script, and in an isolated page must be isolated itself */
	if (strncmp(a->type, "text/javascript", 15) == 0)
		reply_header(rq, "Content-Security-Policy", SCRIPT_CSP);
	if (page || strncmp(a->type, "text/javascript", 15) == 0)
		reply_header(rq, "Cross-Origin-Embedder-Policy", "require-corp");
	return reply_file(rq, &(struct reply_file){
				  .data = a->data,
				  .size = a->size,
				  .type = a->type,
				  .etag = a->etag,
				  .cache = "no-cache",
				  .corp = page ? NULL : "cross-origin",
			      });
}

/* A row whose pattern is the asset's path. */
int handle_www_page(struct request *rq, struct fault *fault)
{
	return asset(rq, rq->route->pattern, fault);
}

int handle_www_asset(struct request *rq, struct fault *fault)
{
	const char *path = arena_printf(&rq->arena, "/demo/%s", rq->part[PART_PATH]);

	if (path == NULL)
		return fault_set(fault, 503, "out of memory");
	return asset(rq, path, fault);
}

int handle_www_demo(struct request *rq, struct fault *fault)
{
	(void)fault;
	reply_header(rq, "Location", "/demo/");
	return reply_empty(rq, 308);
}
