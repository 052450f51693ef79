/* SPDX-License-Identifier: MIT */
/*
 * reply.h — the only way to answer.
 *
 * A reply_* call fills rq->reply and sends nothing: server.c turns it into
 * bytes when the request is back on the event loop.  So they may be called on
 * whatever thread has the request.  Exactly one per request.  Each returns 0,
 * so that a handler can `return reply_json(…)`.
 *
 * Every answer gets, without being asked: Date, X-Request-Id,
 * X-Content-Type-Options, the CORS headers that the guard decided on, and,
 * unless the handler set them, Vary: Origin, Cache-Control: no-store,
 * Content-Security-Policy and Cross-Origin-Resource-Policy.  A HEAD is
 * answered with the headers of the GET and no body.
 */
#ifndef LARDER_DAEMON_REPLY_H
#define LARDER_DAEMON_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct answer_kept; /* answer.h */
struct fault;
struct request;
struct store_map;
struct text;

#define REPLY_HEADERS_MAX 24
#define REPLY_PARTS_MAX 256
#define REPLY_KEPT 2 /* responses that are kept per file: the whole of it, and 304 */

struct reply_part {
	const void *data;
	size_t size; /* bytes */
};

/* A body that is not there yet, or has no end: bytes are asked for when they can be sent. */
struct reply_source {
	/*
	 * read: bytes from ${pos} on: how many; 0: none now, the request was
	 * suspended and will be resumed; -1: it breaks off; REPLY_END.  Event loop.
	 */
	ssize_t (*read)(void *arg, uint64_t pos, void *out, size_t room);
	void *arg;
	bool endless; /* reply.length does not say how many */
};
#define REPLY_END (-2)

struct reply {
	unsigned status; /* 0 = nothing yet */
	struct {
		const char *name, *value;
	} header[REPLY_HEADERS_MAX];
	unsigned header_count;
	const struct reply_part *part; /* [part_count], in order */
	unsigned part_count;
	struct reply_part one; /* where a body of one part lives */
	struct store_map *map; /* owned; parts may point into it */
	uint64_t length;       /* of all parts, bytes */
	/* instead of the parts; borrowed until DONE; or NULL */
	const struct reply_source *source;
	/* for answer.c */
	struct answer_kept *ready; /* this response is sent, and header[] is not looked at; owned */
	struct answer_kept **keep; /* where the response may be kept; NULL = nowhere */
};

/*
 * reply_header(rq, name, value): one more header, before or after the reply_*
 * call.  Borrows both until DONE: static or from the arena.  A name that was
 * set already is replaced; Vary must go on naming Origin.
 */
void reply_header(struct request *rq, const char *name, const char *value);
/* reply_headerf: the value is formatted into the arena. */
void reply_headerf(struct request *rq, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* reply_bytes: ${data}[size] borrowed until DONE (static, arena, or released by arena_defer). */
int reply_bytes(struct request *rq, unsigned status, const char *type, const void *data,
		size_t size);
/* reply_json: application/json. */
int reply_json(struct request *rq, unsigned status, const char *json, size_t size);
/* reply_text(rq, status, type, t): what ${t} holds; 500 when t ran out of memory. */
int reply_text(struct request *rq, unsigned status, const char *type, const struct text *t);
/*
 * reply_parts: a body of several pieces, sent without copying (JSON prefix,
 * then tensors).  ${part}[count] is copied, what it points to is borrowed
 * until DONE.  count ≤ REPLY_PARTS_MAX.
 */
int reply_parts(struct request *rq, unsigned status, const char *type,
		const struct reply_part *part, unsigned count);
/* reply_empty: no body (204, 304, or 202 with a Location). */
int reply_empty(struct request *rq, unsigned status);
/* reply_fault: {"error":"…"} with fault->http; adds Retry-After. */
int reply_fault(struct request *rq, const struct fault *fault);

/* A file, for reply_map and reply_static; strings borrowed until DONE. */
struct reply_file {
	const void *data;
	size_t size;               /* bytes */
	const char *type;          /* Content-Type */
	bool download;             /* Content-Disposition: attachment */
	const char *encoding;      /* Content-Encoding; NULL = identity */
	bool varies;               /* with Accept-Encoding */
	const char *etag;          /* with the quotes; of the bytes as they are encoded */
	const char *digest;        /* Repr-Digest, the same; NULL = none */
	const char *cache;         /* Cache-Control */
	const char *corp;          /* Cross-Origin-Resource-Policy; NULL = same-origin */
	int64_t modified_s;        /* 0 = no Last-Modified */
	const char *modified;      /* the same as text */
	struct answer_kept **kept; /* [REPLY_KEPT] or NULL; event loop only */
	/* further headers by reply_header; called only when they are needed; NULL = none */
	void (*headers)(struct request *rq, const void *arg);
	const void *headers_arg;
};
/*
 * reply_file(rq, f): with conditionals and ranges as RFC 9110 §13 and §14 say:
 * 200, 206, 304, 412 or 416.
 */
int reply_file(struct request *rq, const struct reply_file *f);
/*
 * reply_map(rq, map, f): the same for a mapping, which is kept (one more
 * reference) until DONE; f->data and f->size are its.
 */
int reply_map(struct request *rq, struct store_map *map, const struct reply_file *f);

#endif
