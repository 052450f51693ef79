/* SPDX-License-Identifier: MIT */
/*
 * pull_mend.c — a damaged blob: which file of which upstream it is, and one
 * fetch of that.  Called by whoever met the damage: scrub.c, handle_verify.c,
 * handle_files.c.  It must never change a name: only content
 * is stored anew, and only with the digest that it had.
 */
#include <config.h>

#include "daemon/pull_mend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/context.h"
#include "daemon/job.h"
#include "daemon/log.h"
#include "daemon/must.h"
#include "daemon/pull.h"
#include "daemon/pull_names.h"
#include "daemon/upstream.h"

#define TRIED_MAX 64u
#define TRIED_MS 10000u
#define WAITING_MAX 256u /* contents; what comes beyond is found another time */
#define LOOK_MAX 100u    /* places that one turn of the loop looks at */

/* A file with that content. */
struct place {
	char *model, *commit, *revision, *path; /* revision: NULL = only by its commit */
};

struct mend {
	struct context *ctx;
	struct store_digest digest;
	struct place *place; /* what the store says; the pool's until `found` */
	size_t count, room;
	size_t next; /* the first that nobody looked at */
	const struct place *hit;
	char *upstream; /* that was asked for it */
	bool damaged;
	struct mend *after; /* it waits */
};

/* One is looked for at a time: hashing takes the disk.  Event loop only. */
static struct {
	struct mend *first, **last;
	unsigned count;
	bool busy;
} waiting = {.last = &waiting.first};

static void drop(struct mend *m)
{
	for (size_t i = 0; i < m->count; i++) {
		free(m->place[i].model);
		free(m->place[i].commit);
		free(m->place[i].revision);
		free(m->place[i].path);
	}
	free(m->place);
	free(m->upstream);
	free(m);
}

static char *copy(const char *text)
{
	char *c = strdup(text);

	must(c != NULL);
	return c;
}

static int add_place(void *arg, const struct store_holder *holder)
{
	struct mend *m = arg;

	if (m->count == m->room) {
		m->room = m->room == 0 ? 8 : m->room * 2;
		m->place = realloc(m->place, m->room * sizeof(m->place[0]));
		must(m->place != NULL);
	}
	m->place[m->count++] = (struct place){
	    .model = copy(holder->model),
	    .commit = copy(holder->commit),
	    .revision = holder->revision != NULL ? copy(holder->revision) : NULL,
	    .path = copy(holder->path),
	};
	/* fanalyzer-suppress malloc-leak: m->place has it */
	return job_stopping() ? STORE_STOPPED : 0;
}

static int see(void *arg, const struct store_digest *digest, const char *what)
{
	struct mend *m = arg;
	char hex[STORE_DIGEST_HEX + 1];

	m->damaged = true;
	store_digest_hex(digest, hex);
	log_info("mend", "sha256=%s found=\"%s\"", hex, what);
	return 0;
}

/* Pool. */
static void find_work(void *arg)
{
	struct mend *m = arg;
	struct store_error err;

	/* a file that is missing or cut short is met before anybody noted it: as long as nobody
	 * did, its content counts as stored */
	if (store_verify_blob(m->ctx->store, &m->digest, see, m, NULL, &err) != 0)
		log_debug("mend", "text=\"%s\"", err.text);
	if (m->damaged && store_usage_holders(m->ctx->store, &m->digest, add_place, m, &err) != 0)
		log_debug("mend", "text=\"%s\"", err.text);
}

static void fetched(void *arg, const struct pull_outcome *out)
{
	struct mend *m = arg;

	if (out == NULL)
		return; /* bytes came */
	if (out->done && store_digest_equal(&out->digest, &m->digest))
		log_info("mended", "upstream=%s model=\"%s\" file=\"%s\"", m->upstream,
			 m->hit->model, m->hit->path);
	else
		log_warning("mend", "upstream=%s model=\"%s\" file=\"%s\" error=\"%s\"",
			    m->upstream, m->hit->model, m->hit->path,
			    out->done ? "it has other content now" : out->error);
	drop(m);
}

/* The name by which an upstream has the file, if one has. */
static const struct pull_name *name_of(struct pull *p, const struct place *place)
{
	struct pull_names *names = pull_names_of(p);
	const struct pull_name *name = NULL;

	if (place->revision != NULL)
		name = pull_names_find(names, place->model, place->revision);
	if (name == NULL || !name->kept)
		name = pull_names_find(names, place->model, place->commit);
	return name != NULL && name->kept ? name : NULL;
}

/* Is that place an upstream's?  Then it is asked, and ${m} is the ticket's. */
static bool ask(struct mend *m, const struct place *place)
{
	struct pull *p = m->ctx->pull;
	const struct pull_name *name = name_of(p, place);
	struct pull_want want = {.path = place->path};

	if (name == NULL)
		return false;
	want.upstream = upstream_find(pull_upstreams(p), name->upstream);
	if (want.upstream == NULL)
		return false;
	want.model = name->model;
	want.revision = name->revision;
	want.commit = name->commit;
	m->hit = place;
	free(m->upstream);
	m->upstream = copy(name->upstream);
	return pull_fetch(p, &want, fetched, m) != NULL;
}

static void nothing(void *arg)
{
	(void)arg;
}

static void begin(void);

static void found(void *arg)
{
	struct mend *m = arg;
	bool asked = false;

	for (unsigned i = 0; !asked && i < LOOK_MAX && m->next < m->count; i++)
		asked = !job_stopping() && ask(m, &m->place[m->next++]);
	if (!asked && m->next < m->count && !job_stopping()) {
		job_background(m->ctx, nothing, found, m); /* in a turn of its own */
		return;
	}
	if (!asked)
		drop(m);
	waiting.busy = false;
	begin();
}

/* The next one, if none is being looked for. */
static void begin(void)
{
	while (!waiting.busy && waiting.first != NULL) {
		struct mend *m = waiting.first;

		waiting.first = m->after;
		if (waiting.first == NULL)
			waiting.last = &waiting.first;
		waiting.count--;
		waiting.busy = !job_stopping();
		if (waiting.busy)
			job_background(m->ctx, find_work, found, m);
		else
			drop(m);
	}
}

/* Was it looked for a moment ago?  Every request for a damaged file asks for it. */
static bool tried(const struct store_digest *digest, uint64_t now_ms)
{
	static struct {
		struct store_digest digest;
		uint64_t until_ms;
	} last[TRIED_MAX]; /* event loop only */
	static unsigned next;

	for (unsigned i = 0; i < TRIED_MAX; i++) {
		if (last[i].until_ms > now_ms && store_digest_equal(&last[i].digest, digest))
			return true;
	}
	last[next].digest = *digest;
	last[next].until_ms = now_ms + TRIED_MS;
	next = (next + 1) % TRIED_MAX;
	return false;
}

void pull_mend(struct context *ctx, const struct store_digest *digest)
{
	struct mend *m;

	if (ctx->pull == NULL || pull_offline(ctx->pull) || job_stopping() ||
	    waiting.count == WAITING_MAX || tried(digest, uv_now(ctx->loop)))
		return;
	m = calloc(1, sizeof(*m));
	must(m != NULL);
	m->ctx = ctx;
	m->digest = *digest;
	*waiting.last = m;
	waiting.last = &m->after;
	waiting.count++;
	begin();
}
