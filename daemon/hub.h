/* SPDX-License-Identifier: MIT */
/*
 * hub.h — small things that clients of the Hub's API look at, whichever
 * handler answers.
 */
#ifndef LARDER_DAEMON_HUB_H
#define LARDER_DAEMON_HUB_H

#include <stdbool.h>
#include <stdint.h>

struct request;
struct store_digest;

/*
 * hub_missing(rq): X-Error-Code of a 404 that was just made, by what of model,
 * revision and file is unknown: clients treat the three unlike each other.
 */
void hub_missing(struct request *rq);
/* hub_pointer(rq, digest, size): the Git-LFS pointer of a file, in the arena; NULL: no memory. */
char *hub_pointer(struct request *rq, const struct store_digest *digest, uint64_t size);
/* hub_pointer_bytes(size): how long that is. */
unsigned hub_pointer_bytes(uint64_t size);

/* A page of a list: what comes after ${after}, at most ${limit} of it. */
struct hub_page {
	const char *after; /* the query's `cursor`; "" = from the beginning */
	uint64_t limit;    /* the query's `limit`; UINT64_MAX when there is none */
	uint64_t count;    /* given out so far */
};
void hub_page_begin(struct request *rq, struct hub_page *page);
/* hub_page_has(page, key): whether ${key} belongs on it; keys come in bytewise order. */
bool hub_page_has(const struct hub_page *page, const char *key);
/*
 * hub_page_next(rq, last): there is more after ${last}: a Link header (RFC
 * 8288) to the next page, as the Hub makes it.
 */
void hub_page_next(struct request *rq, const char *last);

#endif
