/* SPDX-License-Identifier: MIT */
/*
 * fetch.c — libcurl's multi interface on the event loop.  Called by pull.c and
 * warm.c; with upstream.c all that knows libcurl.  It must never follow a
 * redirect that was not checked, never send the token anywhere but to the
 * upstream's own origin, and never decode a body.
 *
 * libcurl says which sockets it waits for and when it wants to be woken; that
 * becomes a uv_poll_t each and one timer.  Its own redirects, netrc, cookies,
 * proxies of the environment and all protocols but http and https are off.
 */
#include <config.h>

#include "daemon/fetch.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "daemon/fetch_head.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/must.h"
#include "daemon/upstream.h"

#define HOPS_MAX 5
#define CONNECT_MS 10000L
#define REDIRECT_BODY_MAX (64u << 10)
#define BUFFER_BYTES (64L << 10)
/*
 * What all transfers together may take in one turn of the loop.  libcurl reads on within one call
 * for as long as there is something: 4 MB and more where the line is faster than we are.
 */
#define TURN_BYTES ((size_t)1 << 20)
/*
 * While clients are answered they come first: what comes is for later.  So much, then, and a pause;
 * 64 MB a second.
 */
#define TURN_BYTES_SHARED ((size_t)64 << 10)
#define TURN_PAUSE_MS 1u
#define ANSWERED_MS 3u

struct fetcher {
	uv_loop_t *loop;
	CURLM *multi;
	uv_timer_t timer; /* libcurl's */
	uv_timer_t rate;  /* wakes transfers that wait for their rate */
	/*
	 * What is to be done at once; not a timer: libuv goes on with timers that are
	 * due until there are none, and libcurl likes to be woken at once again.
	 */
	uv_idle_t soon;
	bool due, some_ended; /* libcurl is to be woken; ends are to be told */
	uv_check_t turn;
	uv_timer_t pause;
	size_t taken;     /* bytes, in this turn */
	uint64_t answers; /* requests that had been answered when we looked last */
	uint64_t shared_until_ms;
	struct fetch *all;
	int added;     /* transfers that libcurl has */
	unsigned open; /* handles that are not closed */
	bool closing;
};

struct fetch {
	struct fetcher *fetcher;
	struct upstream *up;
	struct fetch_ops ops;
	void *arg;
	CURL *easy;
	struct curl_slist *headers;
	char *url;               /* of this hop */
	bool ranged, added, own; /* own: this hop is at the upstream's origin */
	uint64_t from, to, max_bytes;
	unsigned hops;
	struct fetch_lines lines; /* the headers as they come */
	struct fetch_head head;
	bool told;     /* head() was called */
	uint64_t seen; /* bytes of this hop's body */
	bool wants_room, wants_rate, wants_turn, stalled, unreachable;
	const char *refusal; /* why it was broken off by us */
	char refused_text[400];
	char error[CURL_ERROR_SIZE];
	struct fetch *next, **link;
};

/* ---- sockets and timers ----------------------------------------------------------------- */

struct watch {
	uv_poll_t poll;
	struct fetcher *fetcher;
	curl_socket_t fd;
};

static void on_soon(uv_idle_t *idle);

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void check_ended(struct fetcher *f)
{
	if (f->closing)
		return;
	f->some_ended = true;
	(void)uv_idle_start(&f->soon, on_soon);
}

static void act(struct fetcher *f, curl_socket_t fd, int bits)
{
	int running;

	(void)curl_multi_socket_action(f->multi, fd, bits, &running);
	if (running < f->added)
		check_ended(f);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;
	int bits = 0;

	if (status < 0)
		bits = CURL_CSELECT_ERR;
	if ((events & UV_READABLE) != 0)
		bits |= CURL_CSELECT_IN;
	if ((events & UV_WRITABLE) != 0)
		bits |= CURL_CSELECT_OUT;
	act(w->fetcher, w->fd, bits);
}

static int on_want(CURL *easy, curl_socket_t fd, int what, void *cls, void *socket_arg)
{
	struct fetcher *f = cls;
	struct watch *w = socket_arg;
	int events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w != NULL) {
			(void)curl_multi_assign(f->multi, fd, NULL);
			(void)uv_poll_stop(&w->poll);
			uv_close((uv_handle_t *)&w->poll, on_closed);
		}
		return 0;
	}
	if (w == NULL) {
		w = calloc(1, sizeof(*w));
		if (w == NULL || uv_poll_init_socket(f->loop, &w->poll, fd) != 0) {
			free(w);
			return -1;
		}
		w->fetcher = f;
		w->fd = fd;
		w->poll.data = w;
		(void)curl_multi_assign(f->multi, fd, w);
	}
	if ((what & CURL_POLL_IN) != 0)
		events |= UV_READABLE;
	if ((what & CURL_POLL_OUT) != 0)
		events |= UV_WRITABLE;
	return uv_poll_start(&w->poll, events, on_socket) == 0 ? 0 : -1;
}

static void on_time(uv_timer_t *timer)
{
	act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timeout(CURLM *multi, long ms, void *cls)
{
	struct fetcher *f = cls;

	(void)multi;
	if (f->closing)
		return 0;
	f->due = ms == 0;
	if (ms <= 0)
		(void)uv_timer_stop(&f->timer);
	else
		(void)uv_timer_start(&f->timer, on_time, (uint64_t)ms, 0);
	if (ms == 0)
		(void)uv_idle_start(&f->soon, on_soon);
	return 0;
}

/* ---- what may be connected to -------------------------------------------------------------- */

static void refuse(struct fetch *t, const char *why)
{
	if (t->refusal == NULL) {
		(void)snprintf(t->refused_text, sizeof(t->refused_text), "%s", why);
		t->refusal = t->refused_text;
	}
}

static curl_socket_t on_open(void *cls, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct fetch *t = cls;
	const char *why = t->up->proxy != NULL ? NULL : upstream_may_connect(t->up, &address->addr);
	uint64_t rate;
	int fd;

	(void)purpose;
	if (why != NULL) {
		refuse(t, why);
		return CURL_SOCKET_BAD;
	}
	fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	if (fd < 0)
		return CURL_SOCKET_BAD;
	rate = upstream_rate(t->up, (int64_t)time(NULL));
	if (rate != 0 && rate != UPSTREAM_CLOSED) {
		/*
		 * What the kernel takes in advance is not to exceed the rate by much;
		 * but a window that opens too little at a time makes the peer wait.
		 */
		uint64_t room = rate / 16;
		int bytes = room < (256u << 10) ? 256 << 10
			    : room > (4u << 20) ? 4 << 20
						: (int)room;

		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	}
	return fd;
}

/* A connection that another upstream opened may be used again: look at its address once more. */
static int on_connected(void *cls, char *ip, char *local_ip, int port, int local_port)
{
	struct fetch *t = cls;
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	const struct sockaddr *addr = NULL;
	const char *why = "its address cannot be read";

	(void)local_ip;
	(void)port;
	(void)local_port;
	if (t->up->proxy != NULL)
		return CURL_PREREQFUNC_OK;
	if (inet_pton(AF_INET, ip, &in.sin_addr) == 1)
		addr = (const struct sockaddr *)&in;
	else if (inet_pton(AF_INET6, ip, &in6.sin6_addr) == 1)
		addr = (const struct sockaddr *)&in6;
	if (addr != NULL)
		why = upstream_may_connect(t->up, addr);
	if (why == NULL)
		return CURL_PREREQFUNC_OK;
	refuse(t, why);
	return CURL_PREREQFUNC_ABORT;
}

/* ---- what comes ----------------------------------------------------------------------------- */

static size_t on_header(char *line, size_t one, size_t size, void *cls)
{
	struct fetch *t = cls;
	const char *why = fetch_head_line(&t->lines, line, size, t->own);

	(void)one;
	if (why != NULL) {
		refuse(t, why);
		return 0;
	}
	return size;
}

/* The first byte of a good answer, or its end: what do the headers say? */
static bool tell(struct fetch *t)
{
	const char *why;

	if (t->told)
		return true;
	t->told = true;
	why = fetch_head_read(&t->lines, t->ranged, t->from, t->to, &t->head);
	if (why == NULL && t->head.length != FETCH_UNKNOWN && t->head.length > t->max_bytes)
		why = "its answer is larger than it may be";
	if (why == NULL && t->ops.head != NULL)
		why = t->ops.head(t->arg, &t->head);
	if (why != NULL)
		refuse(t, why);
	return why == NULL;
}

/* One thing that it waited for is there. */
static void go_on(struct fetch *t)
{
	if (!t->wants_room && !t->wants_rate && !t->wants_turn)
		(void)curl_easy_pause(t->easy, CURLPAUSE_CONT);
}

static void on_rate(uv_timer_t *timer)
{
	struct fetcher *f = timer->data;

	for (struct fetch *t = f->all; t != NULL; t = t->next) {
		if (t->wants_rate) {
			t->wants_rate = false;
			go_on(t);
		}
	}
	check_ended(f);
}

static bool shared(const struct fetcher *f)
{
	return uv_now(f->loop) < f->shared_until_ms;
}

static void on_turn(uv_check_t *check)
{
	struct fetcher *f = check->data;
	uint64_t answers = metrics_get(METRIC_requests);

	if (answers != f->answers)
		f->shared_until_ms = uv_now(f->loop) + ANSWERED_MS;
	f->answers = answers;
	if (!uv_is_active((uv_handle_t *)&f->pause))
		f->taken = 0;
}

static void next_turn(struct fetcher *f);

static void on_pause_over(uv_timer_t *timer)
{
	struct fetcher *f = timer->data;

	f->taken = 0;
	next_turn(f);
}

/* false: the others' turn; the next one is in the next turn of the loop, or a little later. */
static bool turn_allows(struct fetch *t)
{
	struct fetcher *f = t->fetcher;

	if (f->taken < (shared(f) ? TURN_BYTES_SHARED : TURN_BYTES))
		return true;
	t->wants_turn = true;
	if (!shared(f))
		(void)uv_idle_start(&f->soon, on_soon);
	else if (!uv_is_active((uv_handle_t *)&f->pause))
		(void)uv_timer_start(&f->pause, on_pause_over, TURN_PAUSE_MS, 0);
	return false;
}

static void next_turn(struct fetcher *f)
{
	if (uv_is_active((uv_handle_t *)&f->pause))
		return;
	for (struct fetch *t = f->all; t != NULL; t = t->next) {
		if (t->wants_turn) {
			t->wants_turn = false;
			go_on(t);
			check_ended(f);
		}
	}
}

static bool rate_allows(struct fetch *t, size_t size)
{
	uint64_t rate = upstream_rate(t->up, (int64_t)time(NULL));
	unsigned ms = upstream_take(t->up, rate, size, uv_hrtime());
	uv_timer_t *timer = &t->fetcher->rate;

	if (ms == 0)
		return true;
	t->wants_rate = true;
	if (!uv_is_active((uv_handle_t *)timer) || uv_timer_get_due_in(timer) > ms)
		(void)uv_timer_start(timer, on_rate, ms, 0);
	return false;
}

static size_t on_data(char *data, size_t one, size_t size, void *cls)
{
	struct fetch *t = cls;

	(void)one;
	if (t->lines.status != 200 && t->lines.status != 206) {
		t->seen += size;
		return t->seen > REDIRECT_BODY_MAX ? 0 : size;
	}
	if (!tell(t))
		return 0;
	if (size > t->max_bytes || t->seen > t->max_bytes - size) {
		refuse(t, "its answer is larger than it said or may be");
		return 0;
	}
	if (!turn_allows(t) || !rate_allows(t, size))
		return CURL_WRITEFUNC_PAUSE;
	if (!t->ops.data(t->arg, data, size)) {
		t->wants_room = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	t->seen += size;
	t->fetcher->taken += size;
	return size;
}

/* ---- one hop ------------------------------------------------------------------------------- */

static bool set_headers(struct fetch *t)
{
	struct curl_slist *list = NULL, *more;
	char line[4300];

	more = curl_slist_append(list, "Accept-Encoding: identity");
	if (more != NULL && upstream_gets_token(t->up, t->url)) {
		(void)snprintf(line, sizeof(line), "Authorization: Bearer %s", t->up->token);
		list = more;
		more = curl_slist_append(list, line);
	}
	if (more == NULL) {
		curl_slist_free_all(list);
		return false;
	}
	curl_slist_free_all(t->headers);
	t->headers = more;
	return curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK;
}

#define SET(option, value) (ok = ok && curl_easy_setopt(t->easy, option, value) == CURLE_OK)

/* What is the same for all hops. */
static bool set_up(struct fetch *t)
{
	bool ok = true;
	char range[64];

	SET(CURLOPT_PRIVATE, (void *)t);
	SET(CURLOPT_ERRORBUFFER, t->error);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROTOCOLS_STR, t->up->is_private ? "https,http" : "https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
	SET(CURLOPT_HTTP09_ALLOWED, 0L);
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_UNRESTRICTED_AUTH, 0L);
	SET(CURLOPT_PROXY, t->up->proxy == NULL ? "" : t->up->proxy);
	SET(CURLOPT_USERAGENT, "larder/" PACKAGE_VERSION);
	SET(CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
	SET(CURLOPT_LOW_SPEED_TIME, (long)t->up->stall_s);
	SET(CURLOPT_BUFFERSIZE, BUFFER_BYTES);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
	SET(CURLOPT_OPENSOCKETDATA, (void *)t);
	SET(CURLOPT_PREREQFUNCTION, on_connected);
	SET(CURLOPT_PREREQDATA, (void *)t);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, (void *)t);
	SET(CURLOPT_WRITEFUNCTION, on_data);
	SET(CURLOPT_WRITEDATA, (void *)t);
	if (t->up->ca_file != NULL)
		SET(CURLOPT_CAINFO, t->up->ca_file);
	if (t->ranged) {
		if (t->to == FETCH_UNKNOWN)
			(void)snprintf(range, sizeof(range), "%" PRIu64 "-", t->from);
		else
			(void)snprintf(range, sizeof(range), "%" PRIu64 "-%" PRIu64, t->from,
				       t->to);
		SET(CURLOPT_RANGE, range);
	}
	return ok;
}

/* Ask t->url. */
static bool hop(struct fetch *t)
{
	struct upstream_origin origin;
	bool ok = true;

	t->own =
	    upstream_origin_of(t->url, &origin) && upstream_origin_same(&origin, &t->up->origin);
	fetch_head_again(&t->lines);
	t->told = t->wants_room = t->wants_rate = t->wants_turn = false;
	t->seen = 0;
	t->error[0] = '\0';
	SET(CURLOPT_URL, t->url);
	ok = ok && set_headers(t) && curl_multi_add_handle(t->fetcher->multi, t->easy) == CURLM_OK;
	t->added = ok;
	t->fetcher->added += ok;
	return ok;
}

#undef SET

/* ---- the end -------------------------------------------------------------------------------- */

static void take_out(struct fetch *t)
{
	if (!t->added)
		return;
	(void)curl_multi_remove_handle(t->fetcher->multi, t->easy);
	t->added = false;
	t->fetcher->added--;
}

static void drop(struct fetch *t)
{
	*t->link = t->next;
	if (t->next != NULL)
		t->next->link = t->link;
	take_out(t);
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	free(t->url);
	t->up->active--;
	free(t);
}

static void end(struct fetch *t, enum fetch_end how, const char *text)
{
	struct fetch_result r = {
	    .end = how, .status = t->lines.status, .retry_after_s = t->lines.retry_after_s};
	void (*done)(void *arg, const struct fetch_result *result) = t->ops.done;
	void *arg = t->arg;

	(void)snprintf(r.text, sizeof(r.text), "%s", text);
	memcpy(r.commit, t->lines.commit, sizeof(r.commit));
	r.stalled = t->stalled;
	r.unreachable = t->unreachable;
	drop(t);
	done(arg, &r);
}

/* A redirect: the next hop.  NULL, or why not. */
static const char *follow(struct fetch *t)
{
	struct fetch_head linked;
	char *next;
	const char *why;
	CURLU *u;

	if (t->ops.linked != NULL && fetch_head_linked(&t->lines, &linked)) {
		why = t->ops.linked(t->arg, &linked);
		if (why != NULL)
			/* cppcheck-suppress returnDanglingLifetime ; reasons are constants */
			return why;
	}
	if (t->lines.location[0] == '\0')
		return "a redirect without Location";
	if (++t->hops > HOPS_MAX)
		return "too many redirects";
	u = curl_url();
	next = NULL;
	if (u == NULL || curl_url_set(u, CURLUPART_URL, t->url, 0) != CURLUE_OK ||
	    curl_url_set(u, CURLUPART_URL, t->lines.location, CURLU_NON_SUPPORT_SCHEME) !=
		CURLUE_OK ||
	    curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_URL, &next, 0) != CURLUE_OK) {
		curl_url_cleanup(u);
		return "a redirect to what is not a URL";
	}
	curl_url_cleanup(u);
	why = upstream_may_fetch(t->up, next);
	if (why == NULL) {
		free(t->url);
		t->url = strdup(next);
		must(t->url != NULL);
		if (!hop(t))
			why = "out of memory";
	}
	curl_free(next);
	return why;
}

static void answered(struct fetch *t)
{
	unsigned status = t->lines.status;
	const char *why;
	char text[100];

	if (status == 200 || status == 206) {
		if (!tell(t))
			end(t, FETCH_REFUSED, t->refusal);
		else
			end(t, FETCH_DONE, "");
		return;
	}
	if (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) {
		why = follow(t);
		if (why != NULL)
			end(t, FETCH_REFUSED, why);
		return;
	}
	(void)snprintf(text, sizeof(text), "it answers %u", status);
	if (status == 401 || status == 403 || status == 404 || status == 410 || status == 451)
		end(t, FETCH_ABSENT, text);
	else if (status >= 500 || status == 429 || status == 408 || status == 425)
		end(t, FETCH_AGAIN, text);
	else
		end(t, FETCH_REFUSED, text);
}

static void ended(struct fetch *t, CURLcode code)
{
	/* what goes to clients names no address; the log may */
	const char *text = curl_easy_strerror(code);

	if (t->error[0] != '\0')
		log_debug("fetch", "upstream=%s url=\"%.200s\" text=\"%s\"", t->up->name, t->url,
			  t->error);
	take_out(t);
	if (t->refusal != NULL)
		end(t, FETCH_REFUSED, t->refusal);
	else if (code == CURLE_OK)
		answered(t);
	else if (code == CURLE_WRITE_ERROR && t->lines.status >= 300)
		answered(t); /* of a redirect or an error we do not read everything */
	else if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
		 code == CURLE_SSL_PINNEDPUBKEYNOTMATCH || code == CURLE_UNSUPPORTED_PROTOCOL ||
		 code == CURLE_URL_MALFORMAT || code == CURLE_BAD_CONTENT_ENCODING)
		end(t, FETCH_REFUSED, text);
	else {
		t->stalled = code == CURLE_OPERATION_TIMEDOUT;
		t->unreachable =
		    code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST;
		end(t, FETCH_AGAIN, t->stalled ? "nothing came for too long" : text);
	}
}

/* The ends are told from here: never from inside libcurl. */
static void tell_ends(struct fetcher *f)
{
	CURLMsg *m;
	int left;

	while (!f->closing && (m = curl_multi_info_read(f->multi, &left)) != NULL) {
		struct fetch *t = NULL;
		CURLcode code = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		must(t != NULL);
		ended(t, code);
	}
}

static void on_soon(uv_idle_t *idle)
{
	struct fetcher *f = idle->data;

	(void)uv_idle_stop(idle);
	next_turn(f);
	if (f->due) {
		f->due = false;
		act(f, CURL_SOCKET_TIMEOUT, 0);
	}
	if (f->some_ended) {
		f->some_ended = false;
		tell_ends(f);
	}
}

/* ---- what others call -------------------------------------------------------------------------
 */

int fetch_open(uv_loop_t *loop, struct fetcher **out)
{
	struct fetcher *f;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		log_error("upstream", "error=\"libcurl does not start\"");
		return -1;
	}
	f = calloc(1, sizeof(*f));
	must(f != NULL);
	f->loop = loop;
	f->multi = curl_multi_init();
	must(f->multi != NULL);
	must(uv_timer_init(loop, &f->timer) == 0 && uv_timer_init(loop, &f->rate) == 0 &&
	     uv_idle_init(loop, &f->soon) == 0 && uv_check_init(loop, &f->turn) == 0 &&
	     uv_timer_init(loop, &f->pause) == 0);
	f->timer.data = f->rate.data = f->soon.data = f->turn.data = f->pause.data = f;
	f->open = 5;
	(void)uv_check_start(&f->turn, on_turn);
	uv_unref((uv_handle_t *)&f->turn);
	(void)curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, on_want);
	(void)curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
	(void)curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	(void)curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
	(void)curl_multi_setopt(f->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	*out = f;
	return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct fetcher *f = handle->data;

	if (--f->open == 0)
		free(f);
}

void fetch_close(struct fetcher *f)
{
	if (f == NULL)
		return;
	f->closing = true;
	while (f->all != NULL)
		drop(f->all); /* NOLINT(clang-analyzer-unix.Malloc): it is off the list then */
	(void)curl_multi_cleanup(f->multi);
	uv_close((uv_handle_t *)&f->timer, on_handle_closed);
	uv_close((uv_handle_t *)&f->rate, on_handle_closed);
	uv_close((uv_handle_t *)&f->soon, on_handle_closed);
	uv_close((uv_handle_t *)&f->turn, on_handle_closed);
	uv_close((uv_handle_t *)&f->pause, on_handle_closed);
	curl_global_cleanup();
}

struct fetch *fetch_start(struct fetcher *f, const struct fetch_opts *opts)
{
	struct fetch *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->fetcher = f;
	t->up = opts->upstream;
	t->ops = *opts->ops;
	t->arg = opts->arg;
	t->ranged = opts->ranged;
	t->from = opts->from;
	t->to = opts->to;
	t->max_bytes = opts->max_bytes;
	t->easy = curl_easy_init();
	t->url = strdup(opts->url);
	t->next = f->all;
	t->link = &f->all;
	if (t->next != NULL)
		t->next->link = &t->next;
	f->all = t;
	t->up->active++;
	if (t->easy == NULL || t->url == NULL || !set_up(t) || !hop(t)) {
		drop(t);
		return NULL;
	}
	return t;
}

void fetch_cancel(struct fetch *t)
{
	if (t != NULL)
		drop(t);
}

void fetch_resume(struct fetch *t)
{
	if (!t->wants_room)
		return;
	t->wants_room = false;
	go_on(t);
	check_ended(t->fetcher);
}
