/* SPDX-License-Identifier: MIT */
/*
 * pull.h — files that are not stored come from an upstream: one flight per
 * file, however many wait for it.  Event loop only, unless said otherwise.
 */
#ifndef LARDER_DAEMON_PULL_H
#define LARDER_DAEMON_PULL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/upstream.h"
#include "store/store.h"

struct context;
struct fault;
struct fetcher;
struct pull;
struct request;

/* pull_open(ctx, out): 0, or -1 (logged). */
int pull_open(struct context *ctx, struct pull **out);
/* pull_begin(p): old downloads are swept, on the pool: when nothing fails any more that is opened.
 */
void pull_begin(struct pull *p);
/* pull_stop(p): the daemon stops: every flight fails, what has come stays. */
void pull_stop(struct pull *p);
/* pull_close(p): after the pool has ended its work.  NULL is allowed. */
void pull_close(struct pull *p);

/*
 * pull_miss(rq, fault): the store does not have what ${rq} asks for.  1: nor
 * will it, say so; 0: the request is parked, or answered; -1 with the fault.
 * READY, from the handler of a LOOP row, which is called once more when the
 * file is there.
 */
int pull_miss(struct request *rq, struct fault *fault);
/*
 * pull_hit(rq, digest): it has it, with that content; the name may have to be
 * looked up again meanwhile.  Cheap.
 */
void pull_hit(struct request *rq, const struct store_digest *digest);

bool pull_offline(const struct pull *p);
struct upstreams *pull_upstreams(struct pull *p);
struct fetcher *pull_fetcher(struct pull *p);
struct pull_names *pull_names_of(struct pull *p);

/* ---- for jobs (warm.c) ------------------------------------------------------------ */

struct pull_ticket; /* somebody's interest in one flight */

struct pull_want {
	struct upstream *upstream;
	const char *model, *revision, *path; /* copied */
	const char *commit;                  /* of the upstream; "" = whatever the name means */
};

/* What has become of it. */
struct pull_outcome {
	bool done, absent;
	struct store_digest digest;
	uint64_t size;
	char commit[41]; /* the upstream's; "" = it has none */
	char error[500]; /* not done: why; names the upstream and the file */
};

/* Called when it is over (the ticket is gone after it), and when bytes came (out == NULL). */
typedef void pull_ticket_f(void *arg, const struct pull_outcome *out);

/*
 * pull_fetch(p, want, fn, arg): fetch a file into the store, without naming
 * it.  NULL: out of memory.
 */
struct pull_ticket *pull_fetch(struct pull *p, const struct pull_want *want, pull_ticket_f *fn,
			       void *arg);
void pull_drop(struct pull_ticket *ticket); /* no interest any more; NULL is allowed */
/* Bytes that a kill would leave, of how many (0 = not known yet). */
void pull_progress(const struct pull_ticket *ticket, uint64_t *ret_done, uint64_t *ret_total);
/* pull_key(want, out): under which its bytes are kept while they come. */
void pull_key(const struct pull_want *want, struct store_digest *out);

#endif
