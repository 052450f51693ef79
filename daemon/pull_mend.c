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

struct row {
	char *model, *revision, *upstream;
	char commit[41];
};

struct mend {
	struct context *ctx;
	struct store_digest digest;
	struct row *row;
	size_t count, room;
	size_t hit; /* the row whose file it is; == count: nobody's */
	char *path;
	bool damaged;
};

static void drop(struct mend *m)
{
	for (size_t i = 0; i < m->count; i++) {
		free(m->row[i].model);
		free(m->row[i].revision);
		free(m->row[i].upstream);
	}
	free(m->row);
	free(m->path);
	free(m);
}

static void add_row(void *arg, const struct pull_name *name)
{
	struct mend *m = arg;
	struct row *row;

	if (m->count == m->room) {
		m->room = m->room == 0 ? 64 : m->room * 2;
		m->row = realloc(m->row, m->room * sizeof(m->row[0]));
		must(m->row != NULL);
	}
	row = &m->row[m->count++];
	row->model = strdup(name->model);
	row->revision = strdup(name->revision);
	row->upstream = strdup(name->upstream);
	must(row->model != NULL && row->revision != NULL && row->upstream != NULL);
	memcpy(row->commit, name->commit, sizeof(row->commit));
}

static int is_it(void *arg, const struct store_file_info *info)
{
	struct mend *m = arg;

	if (m->path == NULL && store_digest_equal(&info->digest, &m->digest))
		m->path = strdup(info->path);
	return 0;
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
	if (!m->damaged)
		return;
	for (m->hit = 0; m->hit < m->count && m->path == NULL; m->hit++) {
		if (store_model_files(m->ctx->store, m->row[m->hit].model, m->row[m->hit].revision,
				      is_it, m, &err) != 0)
			log_debug("mend", "text=\"%s\"", err.text);
	}
	m->hit -= m->path != NULL;
}

static void fetched(void *arg, const struct pull_outcome *out)
{
	struct mend *m = arg;
	const struct row *row = &m->row[m->hit];

	if (out == NULL)
		return; /* bytes came */
	if (out->done && store_digest_equal(&out->digest, &m->digest))
		log_info("mended", "upstream=%s model=\"%s\" file=\"%s\"", row->upstream,
			 row->model, m->path);
	else
		log_warning("mend", "upstream=%s model=\"%s\" file=\"%s\" error=\"%s\"",
			    row->upstream, row->model, m->path,
			    out->done ? "it has other content now" : out->error);
	drop(m);
}

static void found(void *arg)
{
	struct mend *m = arg;
	struct pull *p = m->ctx->pull;
	struct pull_want want = {.path = m->path};
	const struct row *row = &m->row[m->hit];

	if (m->path != NULL && !job_stopping())
		want.upstream = upstream_find(pull_upstreams(p), row->upstream);
	if (want.upstream == NULL) {
		drop(m);
		return;
	}
	want.model = row->model;
	want.revision = row->revision;
	want.commit = row->commit;
	if (pull_fetch(p, &want, fetched, m) == NULL)
		drop(m);
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
	    tried(digest, uv_now(ctx->loop)))
		return;
	m = calloc(1, sizeof(*m));
	must(m != NULL);
	m->ctx = ctx;
	m->digest = *digest;
	pull_names_each(pull_names_of(ctx->pull), add_row, m);
	job_background(ctx, find_work, found, m);
}
