/* SPDX-License-Identifier: MIT */
/*
 * ctl_http.c — see ctl_http.h.  Called by the commands of larderctl.  What comes
 * from the socket is checked as if it came from a stranger: lengths, chunk sizes
 * and header lines are bounded before they are believed.
 */
#include <config.h>

#include "daemon/ctl_http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HEAD_MAX ((size_t)65536)
#define BODY_MAX ((size_t)1 << 34)
#define PIECE ((size_t)1 << 20) /* of a file, between two reports of progress */

struct ctl_http {
	const char *path;
	int fd; /* -1: not connected */
	bool kept;
	char in[HEAD_MAX]; /* [begin..end) is received and not used yet */
	size_t begin, end;
};

struct ctl_http *ctl_http_new(const char *path)
{
	struct ctl_http *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->path = path;
	c->fd = -1;
	return c;
}

static void hang_up(struct ctl_http *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->begin = c->end = 0;
	c->kept = false;
}

void ctl_http_free(struct ctl_http *c)
{
	if (c == NULL)
		return;
	hang_up(c);
	free(c);
}

const char *ctl_http_path(const struct ctl_http *c)
{
	return c->path;
}

void ctl_http_drop(struct ctl_http_answer *answer)
{
	free(answer->body);
	answer->body = NULL;
}

/* The reason is an errno, or 0: the daemon closed the connection. */
static int broke(struct ctl_http *c, const char *doing, int reason, char err[256])
{
	snprintf(err, 256, "%s %s: %s", doing, c->path,
		 reason != 0 ? strerror(reason) : "the daemon closed the connection");
	hang_up(c);
	return -1;
}

static int wrong(struct ctl_http *c, const char *what, char err[256])
{
	snprintf(err, 256, "%s: not an HTTP answer: %s", c->path, what);
	hang_up(c);
	return -1;
}

static int dial(struct ctl_http *c, char err[256])
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	if (strlen(c->path) >= sizeof sa.sun_path) {
		snprintf(err, 256, "the path of the socket is too long: %.150s", c->path);
		return -1;
	}
	memcpy(sa.sun_path, c->path, strlen(c->path) + 1);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&sa, sizeof sa) != 0)
		return broke(c, "cannot reach larderd at", errno, err);
	return 0;
}

/* ---- sending ---------------------------------------------------------------------- */

/* 0, or an errno. */
static int send_all(struct ctl_http *c, const void *data, size_t size)
{
	const char *at = data;

	while (size > 0) {
		ssize_t n = send(c->fd, at, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

/* 0, or an errno; ENODATA: the file ended early. */
static int send_file(struct ctl_http *c, const struct ctl_http_request *rq)
{
	uint64_t left = rq->fd_size;

	while (left > 0) {
		ssize_t n = sendfile(c->fd, rq->fd, NULL, left < PIECE ? (size_t)left : PIECE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (n == 0)
			return ENODATA;
		left -= (uint64_t)n;
		if (rq->progress != NULL)
			rq->progress(rq->progress_arg, rq->fd_size - left);
	}
	return 0;
}

static int send_request(struct ctl_http *c, const struct ctl_http_request *rq)
{
	char head[8192], length[96] = "";
	int n, status;

	if (rq->type != NULL)
		snprintf(length, sizeof length, "Content-Length: %llu\r\n",
			 (unsigned long long)rq->body_size + rq->fd_size);
	n = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s%s%s%s%s\r\n",
		     rq->method, rq->target, length, rq->type != NULL ? "Content-Type: " : "",
		     rq->type != NULL ? rq->type : "", rq->type != NULL ? "\r\n" : "",
		     rq->headers != NULL ? rq->headers : "");
	if (n < 0 || (size_t)n >= sizeof head)
		return ENAMETOOLONG;
	status = send_all(c, head, (size_t)n);
	if (status == 0)
		status = send_all(c, rq->body, rq->body_size);
	if (status == 0)
		status = send_file(c, rq);
	return status;
}

/* ---- receiving ---------------------------------------------------------------------- */

/* More bytes behind those that are there: > 0, 0 = closed, < 0 = errno. */
static ssize_t more(struct ctl_http *c)
{
	ssize_t n;

	if (c->begin == c->end)
		c->begin = c->end = 0;
	if (c->end == sizeof c->in && c->begin > 0) {
		memmove(c->in, c->in + c->begin, c->end - c->begin);
		c->end -= c->begin;
		c->begin = 0;
	}
	if (c->end == sizeof c->in)
		return -EMSGSIZE;
	do {
		n = recv(c->fd, c->in + c->end, sizeof c->in - c->end, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	c->end += (size_t)n;
	return n;
}

/* The next line without its CRLF, NUL-terminated in place, valid until the next call. */
static char *line(struct ctl_http *c)
{
	for (;;) {
		char *at = c->in + c->begin, *lf = memchr(at, '\n', c->end - c->begin);

		if (lf != NULL) {
			c->begin += (size_t)(lf - at) + 1;
			if (lf > at && lf[-1] == '\r')
				lf--;
			*lf = '\0';
			return at;
		}
		if (more(c) <= 0)
			return NULL;
	}
}

static bool number(const char *s, int base, uint64_t *out)
{
	const char *digits = base == 16 ? "0123456789abcdefABCDEF" : "0123456789";
	size_t n = strspn(s, digits);

	if (n == 0 || n > 15 || (s[n] != '\0' && s[n] != ';' && s[n] != ' '))
		return false;
	*out = strtoull(s, NULL, base);
	return true;
}

struct head {
	int status;
	bool chunked, close, has_length, has_json;
	uint64_t length, json;
};

/* One header line. */
static bool take_header(char *s, struct head *h)
{
	char *value = strchr(s, ':');

	if (value == NULL)
		return false;
	*value++ = '\0';
	value += strspn(value, " \t");
	if (strcasecmp(s, "content-length") == 0)
		return h->has_length = number(value, 10, &h->length);
	if (strcasecmp(s, "inference-header-content-length") == 0)
		return h->has_json = number(value, 10, &h->json);
	if (strcasecmp(s, "transfer-encoding") == 0)
		return h->chunked = strcasecmp(value, "chunked") == 0;
	if (strcasecmp(s, "connection") == 0)
		h->close = strcasecmp(value, "close") == 0;
	return true;
}

static int read_head(struct ctl_http *c, struct head *h, char err[256])
{
	char *s;

	do {
		s = line(c);
		if (s == NULL)
			return broke(c, "no answer from", 0, err);
		*h = (struct head){.status = 0};
		if (strncmp(s, "HTTP/1.1 ", 9) != 0 || strspn(s + 9, "0123456789") != 3)
			return wrong(c, "its first line", err);
		h->status = (s[9] - '0') * 100 + (s[10] - '0') * 10 + (s[11] - '0');
		while ((s = line(c)) != NULL && *s != '\0') {
			if (!take_header(s, h))
				return wrong(c, "a header line", err);
		}
		if (s == NULL)
			return broke(c, "no answer from", 0, err);
	} while (h->status < 200); /* 100 Continue and its like */
	return 0;
}

struct body {
	char *data;
	size_t size, room;
};

/* Room for ${n} more bytes and a NUL. */
static bool reserve(struct body *b, size_t n)
{
	size_t room = b->room == 0 ? 4096 : b->room;
	char *more_data;

	if (n > BODY_MAX - b->size)
		return false;
	while (room < b->size + n + 1)
		room *= 2;
	if (room != b->room) {
		more_data = realloc(b->data, room);
		if (more_data == NULL)
			return false;
		b->data = more_data;
		b->room = room;
	}
	return true;
}

/* The next ${n} bytes of the connection; 0, 1 = cut off, -1 = no memory. */
static int read_exactly(struct ctl_http *c, struct body *b, uint64_t n)
{
	while (n > 0) {
		size_t there = c->end - c->begin;

		if (there == 0) {
			if (more(c) <= 0)
				return 1;
			continue;
		}
		if (there > n)
			there = (size_t)n;
		if (!reserve(b, there))
			return -1;
		memcpy(b->data + b->size, c->in + c->begin, there);
		b->size += there;
		c->begin += there;
		n -= there;
	}
	return 0;
}

/* RFC 9112 §7.1. */
static int read_chunks(struct ctl_http *c, struct body *b)
{
	uint64_t n;
	char *s;
	int status;

	for (;;) {
		s = line(c);
		if (s == NULL || !number(s, 16, &n))
			return 1;
		if (n == 0)
			break;
		status = read_exactly(c, b, n);
		if (status != 0)
			return status;
		s = line(c);
		if (s == NULL || *s != '\0')
			return 1;
	}
	while ((s = line(c)) != NULL && *s != '\0')
		continue; /* trailers */
	return s == NULL;
}

static int read_to_end(struct ctl_http *c, struct body *b)
{
	ssize_t n;
	int status;

	do {
		status = read_exactly(c, b, c->end - c->begin);
		if (status != 0)
			return status;
		n = more(c);
	} while (n > 0);
	return n == 0 ? 0 : 1;
}

static int read_answer(struct ctl_http *c, struct ctl_http_answer *out, char err[256])
{
	struct body b = {.data = NULL};
	struct head h;
	int status = 0;

	if (read_head(c, &h, err) != 0)
		return -1;
	if (!reserve(&b, 0))
		status = -1;
	else if (h.status == 204 || h.status == 304)
		status = 0;
	else if (h.chunked)
		status = read_chunks(c, &b);
	else if (h.has_length)
		status = read_exactly(c, &b, h.length);
	else
		status = read_to_end(c, &b);
	if (status == 0 && h.has_json && h.json > b.size)
		status = 1;
	if (status != 0) {
		free(b.data);
		if (status < 0)
			return broke(c, "reading from", ENOMEM, err);
		return broke(c, "the answer was cut off by", 0, err);
	}
	b.data[b.size] = '\0';
	*out = (struct ctl_http_answer){h.status, b.data, b.size, h.has_json ? h.json : b.size};
	if (h.close || (!h.chunked && !h.has_length && h.status != 204 && h.status != 304))
		hang_up(c);
	else
		c->kept = true;
	return 0;
}

int ctl_http_call(struct ctl_http *c, const struct ctl_http_request *rq,
		  struct ctl_http_answer *out, char err[256])
{
	bool again = c->kept && rq->fd_size == 0; /* a file cannot be sent twice */
	int status;

	if (c->kept && rq->fd_size != 0) {
		/* a connection that the daemon has closed meanwhile is seen before the file goes */
		char byte;

		if (recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
		    (errno != EAGAIN && errno != EWOULDBLOCK))
			hang_up(c);
	}
	for (;; again = false) {
		if (c->fd < 0 && dial(c, err) != 0)
			return -1;
		status = send_request(c, rq);
		if (status == ENODATA)
			return broke(c, "the file became shorter while it was sent to", EIO, err);
		if (status != 0 && status != EPIPE && status != ECONNRESET)
			return broke(c, "sending to", status, err);
		/* even after a broken pipe there may be an answer that says why */
		if (read_answer(c, out, err) == 0)
			break;
		if (!again)
			return -1;
	}
	if (status != 0)
		hang_up(c);
	return 0;
}
