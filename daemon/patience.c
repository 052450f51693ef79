/* SPDX-License-Identifier: MIT */
/*
 * patience.c — connections that are late, or from which nothing more will
 * come, are shut down.  Called by server.c.  Must never close a descriptor: it is
 * libmicrohttpd's.  A request costs two stores; all else is done every half
 * second, over all connections.
 */
#include <config.h>

#include "daemon/patience.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/must.h"

#define SWEEP_MS 500

struct patience {
	uint64_t due_ms;   /* by uv_now; UINT64_MAX = never */
	uint64_t ended_ms; /* what due_ms was when the last sweep found that it had ended */
	int fd;
	bool asked;
	struct patience *next, **link;
};

static struct patience *all;
static unsigned unasked;
static uv_timer_t timer;
static uv_loop_t *loop_of;

/*
 * Whether the client has said that nothing more will come.  libmicrohttpd (0.9.75) does not see
 * it when it came together with the last bytes: its epoll is edge-triggered, and it takes a read
 * that fills less than its buffer for the last one.
 */
static bool ended(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void on_sweep(uv_timer_t *handle)
{
	uint64_t now = uv_now(handle->loop);

	for (struct patience *p = all; p != NULL; p = p->next) {
		if (p->due_ms == UINT64_MAX)
			continue;
		if (p->due_ms <= now) {
			metrics_add(METRIC_connections_slow, 1);
			log_debug("connection", "error=\"too slow\"");
		} else if (!ended(p->fd)) {
			continue;
		} else if (p->ended_ms != p->due_ms) {
			/* its last bytes may be read, and not looked at yet */
			p->ended_ms = p->due_ms;
			continue;
		}
		p->due_ms = UINT64_MAX;
		(void)shutdown(p->fd, SHUT_RDWR);
	}
	if (all == NULL)
		(void)uv_timer_stop(handle);
}

void patience_start(uv_loop_t *loop)
{
	loop_of = loop;
	must(uv_timer_init(loop, &timer) == 0);
	uv_unref((uv_handle_t *)&timer);
}

void patience_stop(void)
{
	loop_of = NULL;
	uv_close((uv_handle_t *)&timer, NULL);
}

struct patience *patience_new(int fd)
{
	struct patience *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->fd = fd;
	p->due_ms = UINT64_MAX;
	unasked++;
	p->next = all;
	p->link = &all;
	if (all != NULL)
		all->link = &p->next;
	all = p;
	if (loop_of != NULL && !uv_is_active((uv_handle_t *)&timer))
		(void)uv_timer_start(&timer, on_sweep, SWEEP_MS, SWEEP_MS);
	return p;
}

void patience_free(struct patience *p)
{
	if (p == NULL)
		return;
	patience_asked(p);
	*p->link = p->next;
	if (p->next != NULL)
		p->next->link = p->link;
	free(p);
}

void patience_due(struct patience *p, uint64_t ms)
{
	if (p != NULL && loop_of != NULL)
		p->due_ms = uv_now(loop_of) + ms;
}

void patience_rest(struct patience *p)
{
	if (p != NULL)
		p->due_ms = UINT64_MAX;
}

void patience_asked(struct patience *p)
{
	if (p == NULL || p->asked)
		return;
	p->asked = true;
	unasked--;
}

unsigned patience_unasked(void)
{
	return unasked;
}
