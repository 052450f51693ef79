/* SPDX-License-Identifier: MIT */
/*
 * request.h — one request from its first byte to the end of its answer.
 *
 * States and the only allowed moves (request.c holds the table; any other move
 * is a bug and aborts):
 *
 *   NEW ──► BODY ──► READY ◄─► WORKING ──► ANSWERED ──► DONE
 *     └──────────────►│  └──────────────────►│            ▲
 *     └─────────────────────────────────────►│            │
 *     any of them ────────────────────────────────────────┘  (client gone)
 *
 *   NEW       headers are being looked at: framing, guards, route
 *   BODY      the body is arriving
 *   READY     everything is there; the handler runs (LOOP)
 *   WORKING   a job has the request; the connection is suspended
 *   ANSWERED  rq->reply is filled, the answer is being sent
 *   DONE      the arena is about to go
 *
 * Threads.  A request belongs to one thread at a time: to the event loop, or,
 * while it is WORKING, to the job that has it.  request_cancelled() and
 * request_cancel_flag() are the exception.
 *
 * Handlers: `int handle_x(struct request *rq, struct fault *fault)`.  Return 0
 * after exactly one reply_* (reply.h), or after job_start / request_park; or
 * -1 with ${fault} filled (fault_set and friends return -1): the runner makes
 * the answer.  A handler of a POOL row runs on a pool thread and must reply or
 * fail there.  Handlers never see libmicrohttpd, never parse the URL, never
 * set CORS headers, never log what the access line says already.
 */
#ifndef LARDER_DAEMON_REQUEST_H
#define LARDER_DAEMON_REQUEST_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/arena.h"
#include "daemon/context.h"
#include "daemon/fault.h"
#include "daemon/peer.h"
#include "daemon/reply.h"
#include "daemon/route.h"

struct listener; /* server.c */
struct stream;   /* stream.c */
struct watch;    /* job.c */

enum request_state {
	REQUEST_NEW,
	REQUEST_BODY,
	REQUEST_READY,
	REQUEST_WORKING,
	REQUEST_ANSWERED,
	REQUEST_DONE,
	REQUEST_STATE_COUNT
};

enum request_header {
#define HEADER(code, name, twice) HEADER_##code,
#include "daemon/headers.def"
#undef HEADER
	HEADER_COUNT
};

/* Why a request that is WORKING should stop. */
enum request_cancel {
	CANCEL_NONE,
	CANCEL_CLIENT_GONE,
	CANCEL_ASKED,
	CANCEL_REPLACED,
	CANCEL_DEADLINE,
	CANCEL_SHUTDOWN
};

#define REQUEST_ID_CHARS 16
#define REQUEST_DISCARD_MAX (UINT64_C(8) << 20) /* bytes swallowed of a body that nobody wants */

struct request {
	/* for handlers */
	struct context *ctx;
	struct settings *settings; /* as it was when the request came; borrowed until DONE */
	enum route_method method;
	const struct route *route;
	const char *part[PART_COUNT];     /* decoded; NULL where the pattern has none */
	const char *query;                /* raw, after the `?`; never NULL */
	const char *header[HEADER_COUNT]; /* values without outer blanks; NULL = absent */
	const void *body;                 /* BYTES, JSON rows: [body_size]; borrowed until DONE */
	size_t body_size;
	json_t *json;                  /* JSON rows; borrowed; NULL when the body was empty */
	void *stream;                  /* STREAM rows: whatever begin() put here */
	bool local_admin;              /* came through the admin socket */
	struct peer peer;              /* who sent it, there */
	char id[REQUEST_ID_CHARS + 1]; /* X-Request-Id */
	struct arena arena;
	struct reply reply;

	/* for request.c, server.c, job.c and reply.c */
	enum request_state state;
	bool http_1_0, close_after;
	const char *target;      /* as on the request line */
	const char *cors_origin; /* not NULL: an allowed origin, to be echoed */
	bool cors_any;           /* public code: Access-Control-Allow-Origin: * */
	uint64_t begin_ns;
	uint64_t body_declared; /* Content-Length, or UINT64_MAX when chunked */
	uint64_t body_seen;     /* bytes that arrived */
	uint64_t body_limit;
	void *body_owned; /* malloc()ed [body_room]; freed at DONE */
	size_t body_room;
	_Atomic(int) cancel; /* enum request_cancel */
	atomic_bool cancel_flag;
	void (*on_cancel)(struct request *rq, void *arg);
	void *on_cancel_arg;
	struct watch *watch;       /* job.c */
	uint64_t waited_ns;        /* infer_line.c: for its turn */
	bool batches;              /* infer.c: its model can be run in batches */
	void *transport;           /* server.c: the connection */
	struct listener *listener; /* server.c */
	struct patience *patience; /* server.c: of the connection */
	bool suspended;
	bool windowed;                /* the body is given out by ${readahead} */
	bool pulled;                  /* pull.c: it has waited for an upstream */
	struct stream *inlet;         /* stream.c */
	struct request *next, **link; /* server.c: all that are not DONE */
};

/* What a STREAM route brings.  All on one pool thread at a time, never on the loop. */
struct stream_ops {
	/* begin: headers and guards are done; set rq->stream.  0, or -1 with the fault. */
	int (*begin)(struct request *rq, struct fault *fault);
	/* data: the next ${size} bytes (≤ 1 MiB); borrowed for the call. */
	int (*data)(struct request *rq, const void *data, size_t size, struct fault *fault);
	/* end: the body is complete; exactly one reply_*, or -1 with the fault. */
	int (*end)(struct request *rq, struct fault *fault);
	/*
	 * drop: always called once after begin() was called, last, whatever
	 * happened (failure, client gone, or after end): release rq->stream.
	 */
	void (*drop)(struct request *rq);
};

/*
 * request_new(ctx): NEW, with an id and its own reference to the settings;
 * NULL when memory is short.  request_free(rq): → DONE; runs what was deferred.
 * Event loop.
 */
struct request *request_new(struct context *ctx);
void request_free(struct request *rq);
/*
 * request_body_add(rq, data, size, fault): ${size} more bytes of a BYTES or
 * JSON body.  413 beyond rq->body_limit.  Event loop.
 */
int request_body_add(struct request *rq, const void *data, size_t size, struct fault *fault);
/*
 * request_run(rq, fault): parse the JSON of a JSON row, then call the row's
 * handler.  What the handler returned.  Loop or pool, as the row says.
 */
int request_run(struct request *rq, struct fault *fault);

/* request_move(rq, to): must() on a move that the table does not allow. */
void request_move(struct request *rq, enum request_state to);
const char *request_state_name(enum request_state s);
/* request_can_move: the table, for tests. */
bool request_can_move(enum request_state from, enum request_state to);

/*
 * request_query(rq, key): the decoded value of the first `key=value` of the
 * query string, in the arena; "" for a bare key; NULL when absent or malformed.
 */
const char *request_query(struct request *rq, const char *key);

/* request_cancelled(rq): nobody waits for this any more.  Any thread. */
bool request_cancelled(struct request *rq);
/*
 * request_cancel_flag(rq): becomes true together with request_cancelled(), for
 * code that polls a flag and knows nothing of requests.  Valid until DONE.
 */
const atomic_bool *request_cancel_flag(struct request *rq);

/*
 * request_park(rq, on_cancel, arg): READY → WORKING without a job: the
 * connection is suspended until request_unpark.  For queues of one's own.
 * ${on_cancel} (may be NULL) is called once, on the loop, when the client is
 * gone, the deadline (${timeout_ms}, 0 = the setting request_timeout) has
 * passed or the daemon shuts down; the owner must still unpark, soon.
 * Event loop.
 */
void request_park(struct request *rq, unsigned timeout_ms,
		  void (*on_cancel)(struct request *rq, void *arg), void *arg);
/*
 * request_unpark(rq, status, fault): WORKING → ANSWERED and resume.  With
 * ${status} 0 a reply_* must have been made; otherwise ${fault} is the answer
 * (copied).  Event loop.
 */
void request_unpark(struct request *rq, int status, const struct fault *fault);
/* request_again(rq): WORKING → READY and resume: the handler is called once more.  Event loop. */
void request_again(struct request *rq);

#endif
