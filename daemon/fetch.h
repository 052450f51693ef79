/* SPDX-License-Identifier: MIT */
/*
 * fetch.h — one GET from an upstream: a whole body or one range of it, by
 * libcurl on the event loop.  Redirects are followed here, hop by hop, each
 * checked (upstream.h) before it is asked and again when it is connected to.
 * Event loop only.
 */
#ifndef LARDER_DAEMON_FETCH_H
#define LARDER_DAEMON_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "store/store.h"

struct fetcher; /* all transfers of one loop */
struct fetch;   /* one transfer */
struct upstream;

#define FETCH_UNKNOWN UINT64_MAX /* a size */
#define FETCH_MARK_MAX 128       /* bytes of an ETag that is kept, with its quotes */

/* The headers of a good answer: 200 or 206. */
struct fetch_head {
	unsigned status;
	uint64_t from;              /* first byte of the body in the file */
	uint64_t length;            /* of the body; FETCH_UNKNOWN when not said */
	uint64_t total;             /* of the file; FETCH_UNKNOWN when not said */
	char mark[FETCH_MARK_MAX];  /* the strongest ETag that was seen, else Last-Modified */
	char commit[41];            /* X-Repo-Commit; "" = none */
	bool has_digest;            /* of the whole file: */
	struct store_digest digest; /* X-Linked-ETag of the first hop, else Repr-Digest */
	bool says_digest;           /* it said Repr-Digest */
};

enum fetch_end {
	FETCH_DONE,
	FETCH_ABSENT,  /* 401, 403, 404, 410, 451: it is not there, or not for us */
	FETCH_AGAIN,   /* the network, 5xx, 429: later it may work */
	FETCH_REFUSED, /* never: what the upstream says or does is not allowed */
};

struct fetch_result {
	enum fetch_end end;
	unsigned status;        /* of the last answer; 0 = none */
	unsigned retry_after_s; /* 0 = not said */
	bool unreachable;       /* there was no connection */
	bool stalled;           /* nothing came for as long as is allowed */
	char commit[41];        /* X-Repo-Commit, also of a 404; "" = none */
	char text[400];         /* what went wrong, without the upstream's name */
};

struct fetch_ops {
	/*
	 * linked: a redirect said what it leads to (status, total, mark, commit,
	 * digest); NULL, or why it is not wanted (refused).  May be NULL.
	 */
	const char *(*linked)(void *arg, const struct fetch_head *head);
	/* head: of a good answer, before its bytes; NULL, or why it is not wanted (refused). */
	const char *(*head)(void *arg, const struct fetch_head *head);
	/* data: the next bytes; false: no room now, fetch_resume later. */
	bool (*data)(void *arg, const void *data, size_t size);
	/* done: the last call; the fetch is gone after it.  Not called after fetch_cancel. */
	void (*done)(void *arg, const struct fetch_result *result);
};

struct fetch_opts {
	struct upstream *upstream; /* borrowed */
	const char *url;           /* copied; of the upstream's own origin */
	bool ranged;
	uint64_t from, to;  /* inclusive; to = FETCH_UNKNOWN: the end */
	uint64_t max_bytes; /* a body that is larger is refused */
	const struct fetch_ops *ops;
	void *arg;
};

/* fetch_open(loop, out): 0, or -1 when libcurl does not start (logged). */
int fetch_open(uv_loop_t *loop, struct fetcher **out);
/* fetch_close(f): cancels what runs; the handles are closed by the loop's next turns. */
void fetch_close(struct fetcher *f); /* NULL is allowed */
/*
 * fetch_start(f, opts): NULL: out of memory.  Nothing is called before the
 * loop turns.  Neither it nor the others may be called from inside ops->head
 * and ops->data; from ops->done they may.
 */
struct fetch *fetch_start(struct fetcher *f, const struct fetch_opts *opts);
void fetch_cancel(struct fetch *t); /* done is not called; NULL is allowed */
/* fetch_resume(t): after data() said false. */
void fetch_resume(struct fetch *t);

#endif
