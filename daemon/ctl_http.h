/* SPDX-License-Identifier: MIT */
/*
 * ctl_http.h — HTTP/1.1 (RFC 9112) over a unix socket, as much as larderctl
 * needs: one request at a time, connections kept between them, bodies from
 * memory or straight from a file.  Blocks.
 */
#ifndef LARDER_DAEMON_CTL_HTTP_H
#define LARDER_DAEMON_CTL_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ctl_http; /* one connection at a time to one socket */

/* ctl_http_new(path): does not connect yet; borrows ${path}.  NULL when out of memory. */
struct ctl_http *ctl_http_new(const char *path);
void ctl_http_free(struct ctl_http *c); /* NULL is allowed */
const char *ctl_http_path(const struct ctl_http *c);

struct ctl_http_request {
	const char *method, *target; /* target: encoded */
	const char *type;            /* Content-Type; NULL = no body */
	const char *headers;         /* further header lines, each with CRLF; NULL = none */
	const void *body;            /* [body_size], then ${fd_size} bytes from ${fd} */
	size_t body_size;
	int fd; /* looked at when fd_size > 0; read from its current offset */
	uint64_t fd_size;
	void (*progress)(void *arg, uint64_t sent); /* after each piece of the file; may be NULL */
	void *progress_arg;
};

struct ctl_http_answer {
	int status;       /* 200… */
	char *body;       /* [size] and a NUL; never NULL; ctl_http_drop */
	size_t size;      /* bytes */
	size_t json_size; /* Inference-Header-Content-Length, else ${size} */
};

/*
 * ctl_http_call(c, rq, out, err): send and receive.  0, or -1 with a sentence
 * in ${err}: nobody listens, the connection broke, or the answer is not HTTP.
 * A kept connection that turns out closed is opened again, once.
 */
int ctl_http_call(struct ctl_http *c, const struct ctl_http_request *rq,
		  struct ctl_http_answer *out, char err[256]) __attribute__((warn_unused_result));
void ctl_http_drop(struct ctl_http_answer *answer);

#endif
