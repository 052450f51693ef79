/* SPDX-License-Identifier: MIT */
/*
 * server.c — libmicrohttpd on the event loop.  With answer.c all that knows it:
 * connections and callbacks come in here, struct request goes on from here.
 * Must never wait and must never let a request be freed while the pool has it.
 *
 * What libmicrohttpd 0.9.75 is like, and what follows (daemon/README.md has
 * the whole list):
 *
 *  - With external epoll its one descriptor sits in a uv_poll_t and its
 *    timeout in a uv_timer_t; MHD_run does the rest.
 *  - A resumed connection goes on only in the next MHD_run: server_resume sees
 *    to it.  A suspended one neither times out nor notices that its client
 *    left (job.c does), and all must be resumed before MHD_stop_daemon.
 *  - The access handler is called once when the headers are there, once per
 *    piece of the body, and once at the end; an answer may be queued in the
 *    first and in the last call only, and in the first it closes the connection:
 *    right for refusals that leave a body unread, wrong for all else.
 *  - The URI callback comes before all of that and sees the target as it is on
 *    the wire: the request is made there.
 */
#include <config.h>

#include "daemon/server.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/admit.h"
#include "daemon/answer.h"
#include "daemon/audit.h"
#include "daemon/dispatch.h"
#include "daemon/guard.h"
#include "daemon/job.h"
#include "daemon/infer_refusal.h"
#include "daemon/lane.h"
#include "daemon/listen.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/must.h"
#include "daemon/patience.h"
#include "daemon/readahead.h"
#include "daemon/request.h"
#include "daemon/settings.h"
#include "daemon/shelf.h"
#include "daemon/stream.h"

#define CONNECTION_MEMORY_BYTES ((size_t)16 << 10) /* cleared for every request */
#define CONNECTION_INCREMENT_BYTES ((size_t)8 << 10)
#define FIRST_REQUEST_MS 500 /* of a connection that is new when we stop */
#define RETRY_MS 20  /* after descriptors ran out: few connections are taken at a time then */
#define ROUNDS_MAX 8 /* of libmicrohttpd before the rest of the loop has its turn */

struct listener {
	struct server *server;
	struct MHD_Daemon *mhd;
	uv_poll_t poll;
	uv_timer_t timer;
	uv_idle_t idle;   /* runs while libmicrohttpd has something to do at once */
	uint64_t due_ms;  /* when the timer fires, if it is active */
	uint64_t arrived; /* requests so far */
	uint64_t connections, limit;
	bool unix_socket, running, again, quiet;
	bool troubled; /* libmicrohttpd complained: it may have stopped to accept */
};

struct server {
	struct context *ctx;
	struct listener listener[LISTEN_MAX];
	unsigned count, open; /* listeners; handles that are not closed */
	uint16_t ports[LISTEN_MAX];
	unsigned port_count;
	char *token;
	struct request *requests; /* all that are not DONE */
	unsigned active;
	bool stopping, told;
	uint64_t stop_ms; /* when, by uv_now */
	void (*drained)(struct context *ctx);
	uv_timer_t later;
};

/* ---- the loop ---------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);
static void on_idle(uv_idle_t *idle);

/*
 * libmicrohttpd's next timeout into the timer, which is left alone where it comes in time.
 * "At once" is not for the timer: libuv goes on with timers that are due until there are
 * none, and a large answer would be sent to its end before anything else had its turn.
 */
static void arm(struct listener *l)
{
	MHD_UNSIGNED_LONG_LONG ms;
	uint64_t now = uv_now(l->timer.loop), due;

	if (MHD_get_timeout(l->mhd, &ms) != MHD_YES) {
		if (!l->troubled) {
			(void)uv_timer_stop(&l->timer);
			return;
		}
		l->troubled = false;
		ms = RETRY_MS;
	}
	if (ms == 0) {
		(void)uv_idle_start(&l->idle, on_idle);
		return;
	}
	due = now + ms;
	if (uv_is_active((uv_handle_t *)&l->timer) && l->due_ms <= due && l->due_ms >= now)
		return;
	l->due_ms = due;
	(void)uv_timer_start(&l->timer, on_timer, ms, 0);
}

/*
 * Let libmicrohttpd do what it can.  Calls from inside of it are remembered.
 * While requests keep coming it is asked again at once, a few times: going round
 * by the loop takes two more system calls, one of them for a nested epoll.
 */
static void run(struct listener *l)
{
	unsigned rounds = 0;
	uint64_t before;

	if (l->running) {
		l->again = true;
		return;
	}
	l->running = true;
	(void)uv_idle_stop(&l->idle);
	do {
		before = l->arrived;
		l->again = false;
		(void)MHD_run(l->mhd);
		/* where inferences wait, the rest of the loop is what gives them their turns */
	} while (l->again ||
		 (l->arrived != before && ++rounds < ROUNDS_MAX && lane_waiting() == 0));
	l->running = false;
	arm(l);
}

static void on_timer(uv_timer_t *timer)
{
	run(timer->data);
}

static void on_idle(uv_idle_t *idle)
{
	run(idle->data);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	run(poll->data);
}

/* A connection that was taken just before the end: its request is on its way. */
static bool awaited(const struct server *s)
{
	return patience_unasked() > 0 && uv_now(s->later.loop) - s->stop_ms < FIRST_REQUEST_MS;
}

/* Once nothing is left to drain, say so, but never from inside libmicrohttpd. */
static void on_later(uv_timer_t *timer)
{
	struct server *s = timer->data;

	if (s->stopping && s->active == 0 && !s->told && !awaited(s)) {
		s->told = true;
		(void)uv_timer_stop(timer);
		s->drained(s->ctx);
	}
}

static void check_drained(struct server *s)
{
	if (s->stopping && s->active == 0)
		(void)uv_timer_start(&s->later, on_later, 0, 10);
}

void server_suspend(struct request *rq)
{
	must(!rq->suspended);
	rq->suspended = true;
	MHD_suspend_connection(rq->transport);
}

void server_resume(struct request *rq)
{
	must(rq->suspended);
	rq->suspended = false;
	MHD_resume_connection(rq->transport);
	/* not here: those that are done at the same time are answered in one round */
	(void)uv_idle_start(&rq->listener->idle, on_idle);
}

int server_socket(const struct request *rq)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(rq->transport, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info == NULL ? -1 : info->connect_fd;
}

/* Of request line and headers, with the empty line behind them. */
static size_t header_bytes(const struct request *rq)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(rq->transport, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	return info == NULL ? 0 : info->header_size;
}

/* ---- headers ------------------------------------------------------------------- */

static const struct {
	const char *name;
	size_t size;
	enum { KEEP, REFUSE, JOIN } twice;
} known[HEADER_COUNT] = {
#define HEADER(code, name, twice) [HEADER_##code] = {name, sizeof(name) - 1, twice},
#include "daemon/headers.def"
#undef HEADER
};

#define BROKEN_LINE "a header line is folded, has no name, holds a NUL or ends without CRLF"

struct gather {
	struct request *rq;
	const char *end; /* of what came before, without its CRLF; NULL = not known */
	const char *problem;
};

/* Without blanks at its end; libmicrohttpd takes those in front away. */
static const char *trimmed(struct request *rq, const char *value, size_t size)
{
	size_t n = size;

	while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
		n--;
	return n == size ? value : arena_copy(&rq->arena, value, n);
}

/* One more line of a list (RFC 9110 §5.3). */
static bool joined(struct request *rq, size_t i, const char *value)
{
	rq->header[i] =
	    arena_printf(&rq->arena, "%s, %s", rq->header[i], value == NULL ? "" : value);
	return rq->header[i] != NULL;
}

static bool value_ok(const char *s, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)s[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name,
				 size_t name_size, const char *value, size_t value_size)
{
	struct gather *g = cls;

	(void)kind;
	if (!guard_field_name(name, name_size)) {
		g->problem = "a header line has a malformed name";
		return MHD_NO;
	}
	if (!guard_line_whole(g->end, name, name_size, value)) {
		g->problem = BROKEN_LINE;
		return MHD_NO;
	}
	g->end = value == NULL ? NULL : value + value_size;
	if (value != NULL && !value_ok(value, value_size)) {
		g->problem = "a header line has a control character";
		return MHD_NO;
	}
	for (size_t i = 0; i < HEADER_COUNT; i++) {
		if (known[i].size != name_size || (name[0] | 0x20) != known[i].name[0] ||
		    strncasecmp(name, known[i].name, name_size) != 0)
			continue;
		if (g->rq->header[i] == NULL) {
			g->rq->header[i] = value == NULL ? "" : trimmed(g->rq, value, value_size);
		} else if (known[i].twice == REFUSE) {
			g->problem = "a header line that may stand once stands twice";
			return MHD_NO;
		} else if (known[i].twice == JOIN && !joined(g->rq, i, value)) {
			g->problem = "a header is too long";
			return MHD_NO;
		}
		break;
	}
	return MHD_YES;
}

/* ---- from headers to answer -------------------------------------------------------- */

static void on_headers(struct listener *l, struct request *rq, const char *method, const char *url,
		       const char *version)
{
	struct gather g = {
	    .rq = rq,
	    .end = guard_request_line_end(method, url, rq->target, version),
	};
	struct server *s = l->server;
	struct admit_facts facts;
	struct fault fault;

	if (g.end == NULL) {
		g.problem = "the request line is malformed";
	} else {
		(void)MHD_get_connection_values_n(rq->transport, MHD_HEADER_KIND, on_header, &g);
		if (g.problem == NULL && g.end + 4 != method + header_bytes(rq))
			g.problem = BROKEN_LINE;
	}
	if (l->unix_socket)
		peer_get(server_socket(rq), &rq->peer);
	facts = (struct admit_facts){
	    .method = method,
	    .version = version,
	    .header_problem = g.problem,
	    .unix_socket = l->unix_socket,
	    .ports = s->ports,
	    .port_count = s->port_count,
	    .token = s->token,
	};
	admit(rq, &facts);
	if (rq->state == REQUEST_BODY && rq->body_declared != UINT64_MAX &&
	    rq->body_declared > SIZE_MAX / 2) {
		(void)fault_set(&fault, 413, "the body is too large");
		dispatch_refusal(rq, &fault);
	}
}

/* ---- slow clients ---------------------------------------------------------------------- */

/* The next request: as long again as a silent connection is kept. */
static void await_headers(const struct server *s, struct patience *p)
{
	patience_due(p, (uint64_t)s->ctx->settings->idle_timeout * 2000);
}

/* The headers are there: what else must come, and by when.  Uploads take what they take. */
static void await_body(struct request *rq)
{
	if (rq->state == REQUEST_BODY && rq->route != NULL && rq->route->body != STREAM)
		patience_due(rq->patience, (uint64_t)rq->settings->request_timeout * 1000);
	else
		patience_rest(rq->patience);
}

/* One piece of a body. */
static enum MHD_Result on_piece(struct request *rq, const char *data, size_t *size)
{
	struct fault fault;
	ssize_t taken;

	metrics_add(METRIC_received_bytes, *size);
	if (rq->reply.status != 0) {
		/* no answer may be queued now: swallow the rest, up to a point */
		rq->body_seen += *size;
		if (rq->body_seen > rq->body_limit + REQUEST_DISCARD_MAX)
			return MHD_NO;
		*size = 0;
		return MHD_YES;
	}
	if (rq->route->body == STREAM) {
		taken = stream_data(rq, data, *size);
		if (taken < 0)
			return MHD_NO;
		*size -= (size_t)taken;
		return MHD_YES;
	}
	if (request_body_add(rq, data, *size, &fault) != 0)
		(void)reply_fault(rq, &fault);
	*size = 0;
	return MHD_YES;
}

static void on_body_end(struct request *rq)
{
	patience_rest(rq->patience);
	if (rq->reply.status != 0) {
		if (!infer_refusal_hold(rq))
			request_move(rq, REQUEST_ANSWERED);
	} else if (rq->route->body == STREAM) {
		stream_end(rq);
	} else {
		request_move(rq, REQUEST_READY);
		dispatch_ready(rq);
	}
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *connection, const char *url,
				 const char *method, const char *version, const char *data,
				 size_t *size, void **con_cls)
{
	struct listener *l = cls;
	struct request *rq = *con_cls;

	if (rq == NULL)
		return MHD_NO;
	rq->transport = connection;
	switch (rq->state) {
	case REQUEST_NEW:
		on_headers(l, rq, method, url, version);
		await_body(rq);
		if (rq->state == REQUEST_ANSWERED && rq->close_after)
			break;
		return MHD_YES;
	case REQUEST_READY:
		dispatch_ready(rq);
		break;
	case REQUEST_BODY:
		if (*size != 0)
			return on_piece(rq, data, size);
		on_body_end(rq);
		break;
	case REQUEST_ANSWERED:
		break;
	default:
		must(rq->state == REQUEST_WORKING && rq->suspended);
		return MHD_YES;
	}
	if (rq->state != REQUEST_ANSWERED || rq->suspended)
		return MHD_YES;
	if (l->server->stopping)
		rq->close_after = true;
	return answer_queue(rq) ? MHD_YES : MHD_NO;
}

/* ---- beginning and end of requests and connections ------------------------------------ */

static void *on_target(void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct listener *l = cls;
	struct server *s = l->server;
	struct request *rq = request_new(s->ctx);
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	if (rq == NULL)
		return NULL;
	l->arrived++;
	rq->patience = info == NULL ? NULL : info->socket_context;
	patience_asked(rq->patience);
	rq->transport = connection;
	rq->listener = l;
	rq->target = arena_copy(&rq->arena, uri, strlen(uri));
	if (rq->target == NULL) {
		request_free(rq);
		return NULL;
	}
	rq->next = s->requests;
	rq->link = &s->requests;
	if (rq->next != NULL)
		rq->next->link = &rq->next;
	s->requests = rq;
	s->active++;
	metrics_add(METRIC_requests_active, 1);
	return rq;
}

static void count_answer(const struct request *rq, uint64_t ns)
{
	unsigned status = rq->reply.status;

	metrics_add(METRIC_requests, 1);
	metrics_request(ns);
	if (status < 300)
		metrics_add(METRIC_answers_2xx, 1);
	else if (status < 400)
		metrics_add(METRIC_answers_3xx, 1);
	else if (status < 500)
		metrics_add(METRIC_answers_4xx, 1);
	else
		metrics_add(METRIC_answers_5xx, 1);
	if (rq->method != HEAD && status != 304)
		metrics_add(METRIC_sent_bytes, rq->reply.length);
}

static void log_answer(const struct request *rq, const char *how, uint64_t ns)
{
	(rq->reply.status >= 500 ? log_warning : log_debug)(
	    "request", "id=%s state=%s status=%u target=\"%.300s\" bytes=%llu ms=%.3f how=%s",
	    rq->id, request_state_name(rq->state), rq->reply.status, rq->target,
	    (unsigned long long)rq->reply.length, (double)ns / 1e6, how);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
			 enum MHD_RequestTerminationCode how)
{
	struct listener *l = cls;
	struct request *rq = *con_cls;
	struct server *s = l->server;
	uint64_t ns;

	(void)connection;
	if (rq == NULL)
		return;
	*con_cls = NULL;
	ns = uv_hrtime() - rq->begin_ns;
	if (rq->reply.status != 0)
		count_answer(rq, ns);
	audit_request(rq);
	/* what could not be sent may lie on pages that are not there any more */
	if (how == MHD_REQUEST_TERMINATED_WITH_ERROR && rq->reply.map != NULL)
		shelf_doubt(rq->reply.map);
	if (log_wants(rq->reply.status >= 500 ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG))
		log_answer(rq, how == MHD_REQUEST_TERMINATED_COMPLETED_OK ? "ok" : "broken", ns);
	*rq->link = rq->next;
	if (rq->next != NULL)
		rq->next->link = rq->link;
	s->active--;
	metrics_sub(METRIC_requests_active, 1);
	await_headers(s, rq->patience);
	if (!stream_drop(rq))
		request_free(rq);
	check_drained(s);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct listener *l = cls;
	const union MHD_ConnectionInfo *info;

	if (code != MHD_CONNECTION_NOTIFY_STARTED) {
		metrics_sub(METRIC_connections, 1);
		patience_free(*socket_context);
		/* at the limit it does not listen, and begins again with its next run only */
		if (l->connections-- >= l->limit)
			l->again = true;
		return;
	}
	l->connections++;
	metrics_add(METRIC_connections, 1);
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	must(info != NULL);
	*socket_context = patience_new(info->connect_fd);
	await_headers(l->server, *socket_context);
}

/* libmicrohttpd would decode targets and values in place: route.c does, once. */
static size_t no_unescape(void *cls, struct MHD_Connection *connection, char *s)
{
	(void)cls;
	(void)connection;
	return strlen(s);
}

static void on_log(void *cls, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

static void on_log(void *cls, const char *fmt, va_list ap)
{
	struct listener *l = cls;
	char line[400];

	/*
	 * Without descriptors it takes its socket out of its epoll, and only a later
	 * MHD_run puts it back: with no connection left that must be asked for.
	 */
	l->troubled = true;
	if (!log_wants(LOG_LEVEL_DEBUG))
		return;
	if (vsnprintf(line, sizeof(line), fmt, ap) > 0)
		log_debug("libmicrohttpd", "text=\"%s\"", line);
}

/* ---- open, stop, close ------------------------------------------------------------------ */

static int start_listener(struct server *s, struct listen_socket *socket)
{
	struct listener *l = &s->listener[s->count];
	const struct settings *set = s->ctx->settings;
	const union MHD_DaemonInfo *info;

	l->server = s;
	l->unix_socket = socket->unix_socket;
	l->mhd = MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO | MHD_USE_ERROR_LOG |
		MHD_USE_SUPPRESS_DATE_NO_CLOCK /* answer.c writes it */,
	    0, NULL, NULL, on_access, l, MHD_OPTION_EXTERNAL_LOGGER, on_log, l,
	    MHD_OPTION_LISTEN_SOCKET, socket->fd, MHD_OPTION_URI_LOG_CALLBACK, on_target, l,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, l, MHD_OPTION_NOTIFY_CONNECTION,
	    on_connection, l, MHD_OPTION_UNESCAPE_CALLBACK, no_unescape, NULL,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES,
	    MHD_OPTION_CONNECTION_MEMORY_INCREMENT, CONNECTION_INCREMENT_BYTES,
	    MHD_OPTION_CONNECTION_LIMIT, set->max_connections, MHD_OPTION_CONNECTION_TIMEOUT,
	    (unsigned)set->idle_timeout, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
	l->limit = set->max_connections;
	if (l->mhd == NULL) {
		log_error("listen", "address=%s error=\"libmicrohttpd does not start\"",
			  socket->name);
		return -1;
	}
	socket->fd = -1; /* libmicrohttpd's */
	s->count++;
	info = MHD_get_daemon_info(l->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	must(info != NULL && uv_poll_init(s->ctx->loop, &l->poll, info->epoll_fd) == 0);
	must(uv_timer_init(s->ctx->loop, &l->timer) == 0);
	must(uv_idle_init(s->ctx->loop, &l->idle) == 0);
	l->poll.data = l;
	l->idle.data = l;
	l->timer.data = l;
	must(uv_poll_start(&l->poll, UV_READABLE, on_ready) == 0);
	if (socket->port != 0)
		s->ports[s->port_count++] = socket->port;
	return 0;
}

int server_open(struct context *ctx, struct listen_set *set, struct server **out)
{
	struct server *s = calloc(1, sizeof(*s));

	must(s != NULL);
	s->ctx = ctx;
	ctx->server = s;
	must(uv_timer_init(ctx->loop, &s->later) == 0);
	s->later.data = s;
	for (unsigned i = 0; i < set->count; i++) {
		if (start_listener(s, &set->socket[i]) != 0) {
			server_close(s);
			ctx->server = NULL;
			return -1;
		}
	}
	*out = s;
	return 0;
}

void server_stop(struct server *s, void (*drained)(struct context *ctx))
{
	s->stopping = true;
	s->stop_ms = uv_now(s->ctx->loop);
	s->drained = drained;
	for (unsigned i = 0; i < s->count; i++) {
		struct listener *l = &s->listener[i];
		MHD_socket fd = MHD_quiesce_daemon(l->mhd);

		l->quiet = true;
		if (fd != MHD_INVALID_SOCKET)
			(void)close(fd);
	}
	check_drained(s);
}

void server_cancel_all(struct server *s)
{
	for (struct request *rq = s->requests; rq != NULL; rq = rq->next) {
		if (rq->state == REQUEST_WORKING)
			job_cancel(rq, CANCEL_SHUTDOWN);
	}
}

bool server_cancel_named(struct server *s, const char *id, const char *origin)
{
	bool found = false;

	for (struct request *rq = s->requests; rq != NULL; rq = rq->next) {
		const char *given = rq->header[HEADER_REQUEST_ID];

		if (rq->state != REQUEST_WORKING || given == NULL || strcmp(given, id) != 0)
			continue;
		if ((origin == NULL) != (rq->cors_origin == NULL) ||
		    (origin != NULL && strcmp(origin, rq->cors_origin) != 0))
			continue;
		job_cancel(rq, CANCEL_ASKED);
		found = true;
	}
	return found;
}

bool server_busy(const struct server *s)
{
	for (const struct request *rq = s->requests; rq != NULL; rq = rq->next) {
		if (rq->suspended)
			return true;
	}
	return false;
}

static void on_closed(uv_handle_t *handle)
{
	struct server *s = handle->data;

	if (--s->open == 0) {
		free(s->token);
		free(s);
	}
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct listener *l = handle->data;
	uv_handle_t last = {.data = l->server};

	on_closed(&last);
}

void server_close(struct server *s)
{
	if (s == NULL)
		return;
	s->stopping = true;
	s->told = true; /* nobody is to be told any more */
	s->open = 3 * s->count + 1;
	for (unsigned i = 0; i < s->count; i++) {
		struct listener *l = &s->listener[i];

		uv_close((uv_handle_t *)&l->poll, on_listener_closed);
		uv_close((uv_handle_t *)&l->timer, on_listener_closed);
		uv_close((uv_handle_t *)&l->idle, on_listener_closed);
		MHD_stop_daemon(l->mhd);
	}
	uv_close((uv_handle_t *)&s->later, on_closed);
}

void server_token(struct server *s, const char *token)
{
	free(s->token);
	s->token = token == NULL ? NULL : strdup(token);
}
