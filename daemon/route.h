/* SPDX-License-Identifier: MIT */
/*
 * route.h — from method and target to one row of routes.def, with the parts
 * of the path decoded.  Nothing behind this looks at the URL again.
 *
 * Patterns: literal segments, `{name}` = one segment, `{model}` = one or two
 * segments (`name`, `org/name`; `org--name` and `org%2Fname` are one), and at
 * the end `{path...}` = one or more segments.  Where one or two segments both
 * fit, one is tried first, and a row that takes one hides rows that would take
 * two: GET /v2/models/m/infer is 405, not the model `m/infer` (`m--infer` is).
 *
 * Decoding (RFC 3986 §2.1) happens once.  Refused with 400: a `%` without two
 * hex digits, NUL and control characters, `\`, segments that are empty, `.`
 * or `..` (also when they were written as %2e), bytes that are not UTF-8
 * (overlong forms and surrogates included).
 */
#ifndef LARDER_DAEMON_ROUTE_H
#define LARDER_DAEMON_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct fault;
struct request;
struct stream_ops;

/* Methods are bits so that a row can name several. */
enum route_method {
	GET = 1,
	HEAD = 2,
	POST = 4,
	PUT = 8,
	DELETE = 16,
	OPTIONS = 32,
	METHOD_OTHER = 64, /* anything else: 501 */
};

enum route_body {
	NO_BODY, /* a body is refused */
	BYTES,   /* rq->body, application/octet-stream or application/json */
	JSON,    /* rq->json, application/json; an empty body is rq->json == NULL */
	STREAM,  /* struct stream_ops, application/octet-stream */
};

enum route_runs {
	LOOP, /* the handler runs on the event loop: at most 2 ms, never a disk write */
	POOL, /* the handler runs on a pool thread, the connection suspended meanwhile */
	LINE, /* the same, in the line of inferences (lane.h) */
};

enum route_plane {
	DATA,  /* every listener */
	ADMIN, /* the unix socket; TCP only with admin_tcp and a token; never CORS */
};

/* Guards beyond those that every request passes (Host, framing, Content-Type, body limit). */
enum route_guard {
	ORIGIN = 0,       /* the usual: foreign origins and foreign Sec-Fetch-Site are refused */
	PUBLIC_CODE = 1,  /* any origin may read it: Access-Control-Allow-Origin: * */
	PUBLIC_PROBE = 2, /* any origin may ask, only allowed ones may read */
	PAGE = 4,         /* also a top-level navigation from anywhere */
	SERVES = 8,       /* an origin needs the right `serve` */
	RUNS = 16,        /* an origin needs the right `infer` */
	NAMELESS = 32,    /* tells of no model: also for origins that may use some models only */
};

/* The parts that patterns may name. */
enum route_part {
	PART_MODEL,   /* {model}: `name`, `org/name`, `org--name` */
	PART_REV,     /* {rev} */
	PART_PATH,    /* {path...}: decoded, joined with `/` */
	PART_DIGEST,  /* {digest}: 64 lower-case hex digits, or the row does not match */
	PART_VERSION, /* {version} */
	PART_ID,      /* {id} */
	PART_FILE,    /* {file} */
	PART_COUNT
};

typedef int route_handler_f(struct request *rq, struct fault *fault);

struct route {
	unsigned methods; /* bits of route_method */
	const char *pattern;
	enum route_body body;
	uint64_t limit_bytes; /* of the body; 0 = the setting max_body */
	enum route_runs runs;
	unsigned guards; /* bits of route_guard */
	enum route_plane plane;
	route_handler_f *handler;        /* NULL for STREAM rows */
	const struct stream_ops *stream; /* STREAM rows only */
	const char *name;                /* handler's name: metrics label */
	const char *purpose;
};

/* Where a handler lives: handle_<name> for ROUTE rows, stream_<name> for STREAM_ROUTE rows. */
#define ROUTE(methods, pattern, body, limit, runs, guards, plane, name, purpose)                   \
	route_handler_f handle_##name;
#define STREAM_ROUTE(methods, pattern, limit, guards, plane, name, purpose)                        \
	extern const struct stream_ops stream_##name;
#include "daemon/routes.def"
#undef ROUTE
#undef STREAM_ROUTE

#define KiB (UINT64_C(1) << 10)
#define MiB (UINT64_C(1) << 20)
#define GiB (UINT64_C(1) << 30)

/* route_count() / route_at(i): the table, for tests, metrics and documentation. */
size_t route_count(void);
const struct route *route_at(size_t i);

/* What route_find found out. */
struct route_match {
	const struct route *route; /* NULL: not found (404), or not with that method (405) */
	const struct route *first; /* the first row with that path, whatever its methods; or NULL */
	unsigned allowed;          /* methods of all rows with that path; 0 on 404 */
	const char
	    *part[PART_COUNT]; /* of ; in the arena, NUL-terminated; NULL = not in the pattern */
};

/*
 * route_find(method, path, size, arena, out, fault): ${path} is the raw path
 * of the target, from its first `/` to before the `?`.  0 with out->route the
 * row; out->route NULL and allowed != 0 when only other methods fit (405);
 * NULL and 0 when nothing does (404).  HEAD is allowed wherever GET is.
 * -1 with ${fault} when the path itself is refused.
 */
int route_find(enum route_method method, const char *path, size_t size, struct arena *arena,
	       struct route_match *out, struct fault *fault) __attribute__((warn_unused_result));
/* route_method_of(name): the bit of a method name; METHOD_OTHER when unknown. */
enum route_method route_method_of(const char *name);
/* route_methods_text(bits, out): "GET, HEAD, OPTIONS" for Allow. */
void route_methods_text(unsigned bits, char out[64]);
/*
 * route_decode(s, size, arena): percent-decoding of one query value; NULL when
 * it is malformed, not UTF-8 or holds control characters.
 */
const char *route_decode(const char *s, size_t size, struct arena *arena);

#endif
