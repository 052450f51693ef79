/* SPDX-License-Identifier: MIT */
/*
 * infer_refusal.c — see infer_refusal.h.  Called by admit.c, infer_line.c and server.c; must never
 * look into a body, and must never hold back what is not a refusal.
 */
#include <config.h>

#include "daemon/infer_refusal.h"

#include <stdint.h>
#include <uv.h>

#include "daemon/lane.h"
#include "daemon/must.h"
#include "daemon/request.h"
#include "daemon/settings.h"

#define RETRY_AFTER_S 1
/* So many refusals in a second go out at once. */
#define PROMPT_MAX 100
/* The others wait for so long. */
#define HOLD_MS 100
/* Bodies of inferences, in all: so many times max_body. */
#define BODIES_MAX 8
/* A body of which nobody knows how large it gets counts as this part of max_body. */
#define CHUNKED_PART 4

/* A refusal that is held back; in the arena of its request. */
struct held {
	struct request *rq;
	uint64_t due_ms;
	struct held *next;
};

/* What a body counts, until its request is DONE; in its arena. */
struct share {
	uint64_t bytes;
};

static struct held *first, **last = &first; /* the time is the same for all: in its order */
static uint64_t second, bodies_bytes;
static unsigned refused; /* in that second */
static uv_timer_t timer;
static uv_loop_t *loop;

void infer_refusal_start(struct context *ctx)
{
	loop = ctx->loop;
	must(uv_timer_init(loop, &timer) == 0);
}

void infer_refusal_stop(void)
{
	uv_close((uv_handle_t *)&timer, NULL);
}

/* ---- refusing --------------------------------------------------------------------- */

int infer_refusal_fault(struct fault *fault)
{
	(void)fault_set(fault, 503, "%u inferences are waiting already", lane_waiting());
	fault->retry_after_s = RETRY_AFTER_S;
	return -1;
}

static void leave(void *arg)
{
	struct share *share = arg;

	must(bodies_bytes >= share->bytes);
	bodies_bytes -= share->bytes;
}

static int count_body(struct request *rq, struct fault *fault)
{
	uint64_t most = rq->settings->max_body, bytes = rq->body_declared;
	struct share *share;

	if (bytes == UINT64_MAX)
		bytes = most / CHUNKED_PART;
	/* what is larger is refused for that */
	if (bytes == 0 || bytes > most)
		return 0;
	if (bodies_bytes > BODIES_MAX * most - bytes) {
		(void)fault_set(fault, 503, "inferences that wait take all the room for bodies");
		fault->retry_after_s = RETRY_AFTER_S;
		return -1;
	}
	share = arena_alloc(&rq->arena, sizeof(*share));
	if (share == NULL || arena_defer(&rq->arena, leave, share) != 0)
		return fault_set(fault, 507, "out of memory");
	share->bytes = bytes;
	bodies_bytes += bytes;
	return 0;
}

int infer_refusal_check(struct request *rq, struct fault *fault)
{
	struct lane_limits limits = {rq->settings->queue_limit, rq->settings->origin_limit};

	/* a frame may take the place of an older one */
	if (rq->header[HEADER_STREAM] == NULL && lane_is_full(rq->cors_origin, &limits))
		return infer_refusal_fault(fault);
	return count_body(rq, fault);
}

/* ---- holding back ------------------------------------------------------------------- */

static void on_time(uv_timer_t *handle);

static void await(void)
{
	uint64_t now = uv_now(loop);

	if (first != NULL)
		(void)uv_timer_start(&timer, on_time, first->due_ms > now ? first->due_ms - now : 0,
				     0);
}

static void on_time(uv_timer_t *handle)
{
	uint64_t now = uv_now(loop);
	struct held *h;

	(void)handle;
	while ((h = first) != NULL && h->due_ms <= now) {
		first = h->next;
		if (first == NULL)
			last = &first;
		request_unpark(h->rq, 0, NULL); /* frees it, perhaps */
	}
	await();
}

/* A request must not end inside of what cancels it. */
static void give_up(struct request *rq, void *arg)
{
	struct held *h = arg, **link = &first;

	(void)rq;
	while (*link != h)
		link = &(*link)->next;
	*link = h->next;
	if (last == &h->next)
		last = link;
	h->due_ms = 0;
	h->next = first;
	if (first == NULL)
		last = &h->next;
	first = h;
	await();
}

bool infer_refusal_hold(struct request *rq)
{
	uint64_t now = uv_now(loop);
	struct held *h;

	if (rq->reply.status != 503 || rq->route == NULL || rq->route->runs != LINE)
		return false;
	if (now / 1000 != second) {
		second = now / 1000;
		refused = 0;
	}
	if (++refused <= PROMPT_MAX)
		return false;
	h = arena_alloc(&rq->arena, sizeof(*h));
	if (h == NULL)
		return false;
	*h = (struct held){.rq = rq, .due_ms = now + HOLD_MS};
	*last = h;
	last = &h->next;
	if (rq->state == REQUEST_BODY)
		request_move(rq, REQUEST_READY);
	request_park(rq, 0, give_up, h);
	if (first == h)
		await();
	return true;
}
