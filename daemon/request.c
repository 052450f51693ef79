/* SPDX-License-Identifier: MIT */
/*
 * request.c — the life of a request: its states, its memory, its body, its
 * query values.  Called by server.c and job.c; must never touch a socket.
 */
#include <config.h>

#include "daemon/request.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <uv.h>

#include "daemon/answer.h"
#include "daemon/job.h"
#include "daemon/must.h"
#include "daemon/server.h"
#include "daemon/settings.h"
#include "store/store.h"

#define SPARE_MAX 64           /* finished requests kept for the next ones */
#define JSON_DEPTH_MAX 32      /* nested arrays and objects of a JSON body */
#define BODY_FIRST_BYTES 65536 /* room for a chunked body at first */

#define BODY_LARGE_BYTES ((size_t)2 << 20)

/* ---- states --------------------------------------------------------------- */

#define TO(state) (1u << REQUEST_##state)

static const struct {
	const char *name;
	unsigned to;
} states[REQUEST_STATE_COUNT] = {
    [REQUEST_NEW] = {"NEW", TO(BODY) | TO(READY) | TO(ANSWERED) | TO(DONE)},
    [REQUEST_BODY] = {"BODY", TO(READY) | TO(WORKING) | TO(ANSWERED) | TO(DONE)},
    [REQUEST_READY] = {"READY", TO(WORKING) | TO(ANSWERED) | TO(DONE)},
    [REQUEST_WORKING] = {"WORKING", TO(BODY) | TO(READY) | TO(ANSWERED)},
    [REQUEST_ANSWERED] = {"ANSWERED", TO(DONE)},
    [REQUEST_DONE] = {"DONE", 0},
};

bool request_can_move(enum request_state from, enum request_state to)
{
	return (states[from].to & (1u << to)) != 0;
}

void request_move(struct request *rq, enum request_state to)
{
	must(request_can_move(rq->state, to));
	rq->state = to;
}

const char *request_state_name(enum request_state s)
{
	return states[s].name;
}

/* ---- beginning and end ------------------------------------------------------ */

static struct request *spare; /* event loop only */
static unsigned spare_count;

/* 16 hex digits that do not repeat: a counter through a bijection (splitmix64). */
static void make_id(char id[REQUEST_ID_CHARS + 1])
{
	static const char hex[] = "0123456789abcdef";
	static uint64_t counter;
	uint64_t z;

	if (counter == 0 && getrandom(&counter, sizeof(counter), GRND_NONBLOCK) < 0)
		counter = uv_hrtime();
	z = counter += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	for (int i = REQUEST_ID_CHARS - 1; i >= 0; i--, z >>= 4)
		id[i] = hex[z & 15];
	id[REQUEST_ID_CHARS] = '\0';
}

struct request *request_new(struct context *ctx)
{
	struct request *rq = spare;

	if (rq != NULL) {
		spare = rq->next;
		spare_count--;
	} else {
		rq = malloc(sizeof(*rq));
		if (rq == NULL)
			return NULL;
	}
	/* all but the room of the arena and the reply, which count their own contents */
	rq->ctx = ctx;
	rq->settings = settings_ref(ctx->settings);
	rq->method = METHOD_OTHER;
	rq->route = NULL;
	memset(rq->part, 0, sizeof(rq->part));
	rq->query = "";
	memset(rq->header, 0, sizeof(rq->header));
	rq->body = NULL;
	rq->body_size = 0;
	rq->json = NULL;
	rq->stream = NULL;
	rq->local_admin = false;
	rq->peer = (struct peer){.known = false};
	make_id(rq->id);
	arena_init(&rq->arena);
	rq->reply.status = 0;
	rq->reply.header_count = 0;
	rq->reply.part_count = 0;
	rq->reply.part = NULL;
	rq->reply.map = NULL;
	rq->reply.ready = NULL;
	rq->reply.keep = NULL;
	rq->reply.source = NULL;
	memset(&rq->state, 0, sizeof(*rq) - offsetof(struct request, state));
	rq->begin_ns = uv_hrtime();
	return rq;
}

void request_free(struct request *rq)
{
	if (rq->state != REQUEST_DONE)
		request_move(rq, REQUEST_DONE);
	arena_release(&rq->arena);
	store_map_unref(rq->reply.map);
	answer_kept_unref(rq->reply.ready);
	/* giving many pages back takes milliseconds */
	if (rq->body_room > BODY_LARGE_BYTES)
		job_background(rq->ctx, free, NULL, rq->body_owned);
	else
		free(rq->body_owned);
	settings_unref(rq->settings);
	if (spare_count >= SPARE_MAX) {
		free(rq);
		return;
	}
	rq->next = spare;
	spare = rq;
	spare_count++;
}

/* ---- body ---------------------------------------------------------------------- */

static bool body_room(struct request *rq, size_t need)
{
	size_t room = rq->body_room;
	void *p;

	if (need <= room)
		return true;
	if (rq->body_declared != UINT64_MAX) {
		room = (size_t)rq->body_declared;
	} else {
		room = room == 0 ? BODY_FIRST_BYTES : room * 2;
		while (room < need)
			room *= 2;
	}
	p = realloc(rq->body_owned, room);
	if (p == NULL)
		return false;
	rq->body_owned = p;
	rq->body_room = room;
	return true;
}

int request_body_add(struct request *rq, const void *data, size_t size, struct fault *fault)
{
	if (size > rq->body_limit || rq->body_seen > rq->body_limit - size)
		return fault_set(fault, 413, "the body is larger than %llu bytes",
				 (unsigned long long)rq->body_limit);
	if (!body_room(rq, rq->body_size + size))
		return fault_set(fault, 503, "out of memory");
	memcpy((char *)rq->body_owned + rq->body_size, data, size);
	rq->body_size += size;
	rq->body_seen += size;
	rq->body = rq->body_owned;
	return 0;
}

/* Whether no array or object lies deeper than JSON_DEPTH_MAX. */
static bool shallow(const char *s, size_t size)
{
	unsigned depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < size; i++) {
		char c = s[i];

		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (c == '[' || c == '{') {
			if (++depth > JSON_DEPTH_MAX)
				return false;
		} else if ((c == ']' || c == '}') && depth > 0) {
			depth--;
		}
	}
	return true;
}

static void drop_json(void *arg)
{
	json_decref(arg);
}

static int parse_json(struct request *rq, struct fault *fault)
{
	json_error_t error;

	if (rq->body_size == 0)
		return 0;
	if (!shallow(rq->body, rq->body_size))
		return fault_set(fault, 400, "the JSON is nested more than %d deep",
				 JSON_DEPTH_MAX);
	rq->json = json_loadb(rq->body, rq->body_size, JSON_REJECT_DUPLICATES, &error);
	if (rq->json == NULL)
		return fault_set(fault, 400, "the body is not JSON: line %d, column %d: %s",
				 error.line, error.column, error.text);
	if (arena_defer(&rq->arena, drop_json, rq->json) != 0)
		return fault_set(fault, 503, "out of memory");
	return 0;
}

int request_run(struct request *rq, struct fault *fault)
{
	if (rq->route->body == JSON && parse_json(rq, fault) != 0)
		return -1;
	return rq->route->handler(rq, fault);
}

/* ---- query ------------------------------------------------------------------------ */

const char *request_query(struct request *rq, const char *key)
{
	const char *s = rq->query;

	while (*s != '\0') {
		size_t size = strcspn(s, "&"), name = 0;

		while (name < size && s[name] != '=')
			name++;
		if (name == strlen(key) && memcmp(s, key, name) == 0) {
			if (name == size)
				return "";
			return route_decode(s + name + 1, size - name - 1, &rq->arena);
		}
		s += size + (s[size] == '&');
	}
	return NULL;
}

/* ---- waiting ------------------------------------------------------------------------- */

bool request_cancelled(struct request *rq)
{
	return atomic_load_explicit(&rq->cancel_flag, memory_order_relaxed);
}

const atomic_bool *request_cancel_flag(struct request *rq)
{
	return &rq->cancel_flag;
}

void request_park(struct request *rq, unsigned timeout_ms,
		  void (*on_cancel)(struct request *rq, void *arg), void *arg)
{
	request_move(rq, REQUEST_WORKING);
	rq->on_cancel = on_cancel;
	rq->on_cancel_arg = arg;
	server_suspend(rq);
	job_watch(rq, server_socket(rq), timeout_ms);
}

void request_unpark(struct request *rq, int status, const struct fault *fault)
{
	job_unwatch(rq);
	if (status != 0)
		(void)reply_fault(rq, fault);
	must(rq->reply.status != 0);
	request_move(rq, REQUEST_ANSWERED);
	server_resume(rq);
}

void request_again(struct request *rq)
{
	job_unwatch(rq);
	must(rq->reply.status == 0);
	request_move(rq, REQUEST_READY);
	server_resume(rq);
}
