/* SPDX-License-Identifier: MIT */
/*
 * server.h — listeners and connections.  server.c is the only file that knows
 * libmicrohttpd; what it offers to others is here.  Event loop only.
 */
#ifndef LARDER_DAEMON_SERVER_H
#define LARDER_DAEMON_SERVER_H

#include <stdbool.h>
#include <stdint.h>

struct context;
struct listen_set;
struct request;
struct server;

/*
 * server_open(ctx, set, out): one libmicrohttpd daemon per socket of ${set}
 * (takes the descriptors) on ctx->loop.  0 or -1 (logged).
 */
int server_open(struct context *ctx, struct listen_set *set, struct server **out);
/* server_stop(s): no new connections; calls ${drained}(ctx) once no request is left. */
void server_stop(struct server *s, void (*drained)(struct context *ctx));
/* server_cancel_all(s): give up every request that is being worked on. */
void server_cancel_all(struct server *s);
/*
 * server_cancel_named(s, id, origin): give up what was sent with that X-Request-Id
 * by ${origin} (NULL: no page); false: there is no such request.
 */
bool server_cancel_named(struct server *s, const char *id, const char *origin);
/* server_busy(s): some request is suspended, so server_close may not be called yet. */
bool server_busy(const struct server *s);
/* server_close(s): after ${drained}; closes what is left.  NULL is allowed. */
void server_close(struct server *s);
/* server_token(s, token): the bearer token of admin_tcp; copied; NULL = none. */
void server_token(struct server *s, const char *token);

/*
 * For request.c and job.c.  server_suspend: the request leaves the loop.
 * server_resume: its reply is there; the connection goes on in this turn.
 */
void server_suspend(struct request *rq);
void server_resume(struct request *rq);
/* server_socket(rq): the connection's descriptor, to be watched (dup it). */
int server_socket(const struct request *rq);

#endif
