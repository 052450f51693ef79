/* SPDX-License-Identifier: MIT */
/*
 * infer_line.c — see infer_line.h.  Called by dispatch.c; never looks into a body and never
 * frees a request while the pool has it.
 *
 * Whether a model can be run in batches is known to the pool only, after its first run; the
 * line remembers it by the URL's words, which are a hint: infer_batch.c looks again.
 *
 * Inferences that take less than it takes to hand them to another thread and back go to the
 * pool several at a time, and are run there one after the other: what one took the last times
 * tells, by the URL's words and the size of the body.
 */
#include <config.h>

#include "daemon/infer_line.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <uv.h>

#include "daemon/infer_batch.h"
#include "daemon/infer_refusal.h"
#include "daemon/job.h"
#include "daemon/lane.h"
#include "daemon/metrics.h"
#include "daemon/request.h"
#include "daemon/settings.h"

#include "daemon/must.h"

#define KNOWN_MAX 256             /* models of which it is remembered; by hash */
#define QUICK_NS UINT64_C(100000) /* what is worth it to share a turn */
#define BURST_NS UINT64_C(500000) /* that those who share one may take together */
#define BURST_MAX 16

/* A request on its way; in its arena. */
struct place {
	struct lane_ticket ticket;
	struct request *rq;
	uint64_t entered_ns, key, size_key;
	struct turn *turn;  /* NULL: it waits */
	struct place *next; /* of the turn */
	struct infer_batch_member *member;
};

/* One or several of them, on the pool; in the arena of the first. */
struct turn {
	uv_work_t work;
	struct place *first;
	struct infer_batch_member *member; /* [count] */
	size_t count;
	uint64_t took_ns;
	unsigned wanted; /* of them, that nobody has cancelled */
	atomic_bool cancel;
};

/* A model that can; zeroed = none. */
struct known {
	uint64_t key;
	unsigned usual; /* that were there at a time, before its last turn; 0 = not known */
	unsigned most;  /* that were there at a time, since */
};

/* What one inference of a model, with a body of about that size, takes; zeroed = not known. */
struct cost {
	uint64_t size_key, each_ns;
};

static struct known known[KNOWN_MAX];
static struct cost cost[KNOWN_MAX];
static uv_timer_t timer;
static uv_idle_t soon;
static uv_loop_t *loop;

static void drain(void);

static void on_time(uv_timer_t *handle)
{
	(void)handle;
	drain();
}

void infer_line_start(struct context *ctx)
{
	loop = ctx->loop;
	must(uv_timer_init(loop, &timer) == 0);
	must(uv_idle_init(loop, &soon) == 0);
}

void infer_line_stop(void)
{
	uv_close((uv_handle_t *)&timer, NULL);
	uv_close((uv_handle_t *)&soon, NULL);
}

/* Requests that come together are given their turns together. */
static void on_soon(uv_idle_t *handle)
{
	(void)uv_idle_stop(handle);
	drain();
}

/* ---- a turn ------------------------------------------------------------------------- */

/* One after the other; who comes later has waited for those before. */
static void run_each(struct infer_batch_member *member, size_t count, uint64_t begin_ns)
{
	for (size_t i = 0; i < count; i++) {
		struct infer_batch_member *m = &member[i];

		if (i > 0)
			m->rq->waited_ns += uv_hrtime() - begin_ns;
		m->status = request_cancelled(m->rq) ? -1 : request_run(m->rq, &m->fault);
	}
}

static void run(uv_work_t *work)
{
	struct turn *turn = work->data;
	uint64_t begin = uv_hrtime();

	if (turn->count > 1 && turn->first->ticket.batch)
		infer_batch_run(turn->member, turn->count, &turn->cancel);
	else
		run_each(turn->member, turn->count, begin);
	turn->took_ns = uv_hrtime() - begin;
}

static void finish(struct place *p, bool never_ran)
{
	struct infer_batch_member *m = p->member;

	if (never_ran || (m->status != 0 && request_cancelled(p->rq)))
		m->status = job_cancelled_fault(p->rq, &m->fault);
	request_unpark(p->rq, m->status, &m->fault);
}

/* What was seen of its model: can it, or not any more? */
static void remember(const struct place *p)
{
	struct known *k = &known[p->key % KNOWN_MAX];

	if (p->rq->batches && k->key != p->key)
		*k = (struct known){.key = p->key};
	else if (!p->rq->batches && k->key == p->key && p->member->status == 0)
		*k = (struct known){.key = 0};
}

/* A thread that had to wait for the processor looks slow: the shortest times count most. */
static void remember_cost(const struct turn *turn)
{
	const struct place *first = turn->first;
	struct cost *c = &cost[first->size_key % KNOWN_MAX];
	uint64_t each_ns = turn->took_ns / turn->count;

	if (first->member->status != 0 || (turn->count > 1 && first->ticket.batch))
		return;
	if (c->size_key != first->size_key || each_ns < c->each_ns)
		*c = (struct cost){first->size_key, each_ns};
	else
		c->each_ns += (each_ns - c->each_ns) / 8;
}

static void after(uv_work_t *work, int status)
{
	struct turn *turn = work->data;
	struct place *first = turn->first, *p, *next;

	if (status != UV_ECANCELED)
		remember_cost(turn);
	for (p = first; p != NULL; p = p->next) {
		remember(p);
		if (p->ticket.origin != NULL)
			lane_leave(&p->ticket);
	}
	drain();
	/* the turn lies in the first one's arena, which goes with its answer */
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a turn has a first */
	for (p = first->next; p != NULL; p = next) {
		next = p->next;
		finish(p, status == UV_ECANCELED);
	}
	finish(first, status == UV_ECANCELED);
}

/* ${first} and whoever shares its turn. */
static void begin(struct place *first, size_t count)
{
	struct turn *turn = arena_zalloc(&first->rq->arena, sizeof(*turn));
	size_t i = 0;

	must(turn != NULL);
	turn->member = arena_alloc(&first->rq->arena, count * sizeof(*turn->member));
	must(turn->member != NULL);
	turn->work.data = turn;
	turn->first = first;
	turn->count = count;
	turn->wanted = (unsigned)count;
	for (struct place *p = first; p != NULL; p = p->next, i++) {
		turn->member[i].rq = p->rq;
		turn->member[i].status = -1;
		p->member = &turn->member[i];
		p->turn = turn;
	}
	must(uv_queue_work(loop, &turn->work, run, after) == 0);
}

static struct place *place_of(struct lane_ticket *ticket)
{
	return (struct place *)((char *)ticket - offsetof(struct place, ticket));
}

static struct place *turned_on(struct lane_ticket *ticket)
{
	struct place *p = place_of(ticket);

	p->rq->waited_ns = uv_hrtime() - p->entered_ns;
	metrics_sub(METRIC_inferences_waiting, 1);
	return p;
}

/* Clients that wait for their answers come back in the same number. */
static void learn(const struct place *first)
{
	struct known *k = &known[first->key % KNOWN_MAX];

	if (!first->ticket.batch || k->key != first->key)
		return;
	k->usual = k->most;
	k->most = lane_company(&first->ticket);
}

/* How many of those that are as quick as ${p} may share a turn. */
static unsigned burst_of(const struct place *p)
{
	const struct cost *c = &cost[p->size_key % KNOWN_MAX];

	if (c->size_key != p->size_key || c->each_ns > QUICK_NS)
		return 1;
	return c->each_ns < BURST_NS / BURST_MAX ? BURST_MAX : (unsigned)(BURST_NS / c->each_ns);
}

/* Everybody whose turn it is; and the timer for those who wait for others. */
static void drain(void)
{
	struct lane_ticket *ticket, *mate;
	uint64_t now = uv_now(loop), due;

	while ((ticket = lane_next(now)) != NULL) {
		struct place *first = turned_on(ticket), *last = first;
		size_t count = 1,
		       most = ticket->batch ? first->rq->settings->batch_max : burst_of(first);

		while (count < most && (mate = lane_mate(ticket)) != NULL) {
			last->next = turned_on(mate);
			last = last->next;
			count++;
		}
		learn(first);
		begin(first, count);
	}
	due = lane_due(now);
	if (due != UINT64_MAX)
		(void)uv_timer_start(&timer, on_time, due - now, 0);
}

/*
 * One that waits goes by the pool all the same, because a request must not end
 * inside of what cancels it.  One of several leaves the others alone.
 */
static void give_up(struct request *rq, void *arg)
{
	struct place *p = arg;

	(void)rq;
	if (p->turn == NULL) {
		lane_forget(&p->ticket);
		metrics_sub(METRIC_inferences_waiting, 1);
		begin(p, 1);
		return;
	}
	must(p->turn->wanted > 0);
	if (--p->turn->wanted == 0) {
		atomic_store_explicit(&p->turn->cancel, true, memory_order_release);
		(void)uv_cancel((uv_req_t *)&p->turn->work);
	}
}

/* ---- into the line --------------------------------------------------------------------- */

/* What the URL names, as one text. */
static const char *key_of(struct request *rq)
{
	const char *version = rq->part[PART_VERSION], *file = request_query(rq, "file");
	const char *parts[] = {rq->part[PART_MODEL], version == NULL ? "" : version,
			       file == NULL ? "" : file};
	size_t size = 1;
	char *key, *at;

	for (size_t i = 0; i < 3; i++)
		size += strlen(parts[i]) + 1;
	at = key = arena_alloc(&rq->arena, size);
	must(key != NULL);
	for (size_t i = 0; i < 3; i++) {
		size_t n = strlen(parts[i]);

		memcpy(at, parts[i], n);
		at += n;
		*at++ = '\n'; /* of which no name holds one */
	}
	*at = '\0';
	return key;
}

/* FNV-1a; never 0. */
static uint64_t hash_of(const char *s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	return h | 1;
}

static bool is_listed(const struct settings_list *models, const char *model)
{
	for (unsigned i = 0; i < models->count; i++) {
		if (strcmp(models->item[i], model) == 0)
			return true;
	}
	return models->count == 0;
}

/* How many are worth waiting for: as many as were there at a time lately. */
static unsigned enough_of(const struct known *k, unsigned batch_max)
{
	return k->usual == 0 || k->usual > batch_max ? batch_max : k->usual;
}

/* Bodies of one class differ by less than twice. */
static uint64_t size_class(size_t bytes)
{
	uint64_t class = 0;

	for (; bytes > 0; bytes /= 2)
		class ++;
	return class;
}

static void prepare(struct place *p, bool bulk)
{
	const struct settings *s = p->rq->settings;
	const struct known *k = &known[p->key % KNOWN_MAX];

	p->ticket.stream = p->rq->header[HEADER_STREAM];
	p->ticket.bulk = bulk;
	p->ticket.batch = s->batch_window != 0 && s->batch_max > 1 && k->key == p->key &&
			  is_listed(&s->batch_models, p->rq->part[PART_MODEL]);
	p->ticket.quick = !p->ticket.batch && burst_of(p) > 1;
	p->ticket.enough = enough_of(k, s->batch_max);
	p->ticket.hold_ms = uv_now(loop) + s->batch_window;
}

/* A newer frame of the same stream is there: nobody wants the older ones any more. */
static void replace_older(struct request *rq, const char *stream)
{
	struct lane_ticket *older;

	while ((older = lane_older(rq->cors_origin, stream)) != NULL) {
		metrics_add(METRIC_inferences_replaced, 1);
		job_cancel(place_of(older)->rq, CANCEL_REPLACED);
		must(!older->waits);
	}
}

/* ${p} is in the line. */
static void note(const struct place *p)
{
	struct known *k = &known[p->key % KNOWN_MAX];
	unsigned now = lane_company(&p->ticket);

	if (k->key == p->key && k->most < now)
		k->most = now;
}

static void refuse(struct request *rq)
{
	struct fault fault;

	metrics_add(METRIC_inferences_refused, 1);
	(void)infer_refusal_fault(&fault);
	(void)reply_fault(rq, &fault);
	if (!infer_refusal_hold(rq))
		request_move(rq, REQUEST_ANSWERED);
}

void infer_line_enter(struct request *rq, unsigned timeout_ms, bool bulk)
{
	struct lane_limits limits = {rq->settings->queue_limit, rq->settings->origin_limit};
	struct place *p = arena_zalloc(&rq->arena, sizeof(*p));
	const char *key = key_of(rq);

	must(p != NULL);
	p->rq = rq;
	p->entered_ns = uv_hrtime();
	p->key = hash_of(key);
	p->size_key = p->key + size_class(rq->body_size) * 2;
	prepare(p, bulk);
	if (p->ticket.stream != NULL)
		replace_older(rq, p->ticket.stream);
	if (lane_enter(&p->ticket, rq->cors_origin, key, &limits) == LANE_FULL) {
		refuse(rq);
		return;
	}
	metrics_add(METRIC_inferences_waiting, 1);
	note(p);
	request_park(rq, timeout_ms, give_up, p);
	(void)uv_idle_start(&soon, on_soon);
}
