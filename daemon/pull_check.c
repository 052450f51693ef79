/* SPDX-License-Identifier: MIT */
/*
 * pull_check.c — names are looked up again while what is stored is served.
 * Called by pull.c.  It must never take away what is served: a name moves only
 * when its successor is complete, and an upstream that is down changes nothing.
 */
#include <config.h>

#include "daemon/pull_check.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/context.h"
#include "daemon/fetch.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/pull_names.h"
#include "daemon/upstream.h"
#include "daemon/warm.h"

#define AGAIN_S 60 /* after an answer that said nothing */

struct pull_check {
	struct context *ctx;
	struct pull_names *names;
	struct upstream *up;
	struct pull_name *name;
	struct store_digest digest; /* of the file that is asked for, as it is stored */
	struct fetch *fetch;
	struct fetch_head head;
	bool told;
	struct pull_check *next, **link;
};

bool pull_check_due(const struct upstream *up, const struct pull_name *name)
{
	return !name->busy && name->kept && up->revalidate_s != UPSTREAM_NEVER &&
	       strcmp(name->revision, name->commit) != 0 &&
	       (int64_t)time(NULL) - name->checked_s >= (int64_t)up->revalidate_s &&
	       upstream_rate(up, (int64_t)time(NULL)) != UPSTREAM_CLOSED;
}

static void unlink_check(struct pull_check *c)
{
	*c->link = c->next;
	if (c->next != NULL)
		c->next->link = c->link;
	free(c);
}

/* What the first answer says is enough. */
static const char *on_head(void *arg, const struct fetch_head *head)
{
	struct pull_check *c = arg;

	c->head = *head;
	c->told = true;
	return "that is enough";
}

static bool on_data(void *arg, const void *data, size_t size)
{
	(void)arg;
	(void)data;
	(void)size;
	return true;
}

/* Does the name mean something else now? */
static bool moved(const struct pull_check *c, const char *commit)
{
	if (commit[0] != '\0' && c->name->commit[0] != '\0')
		return strcmp(commit, c->name->commit) != 0;
	return c->told && c->head.has_digest && !store_digest_equal(&c->head.digest, &c->digest);
}

/*
 * Neither commits nor digests: each file has a mark of its own.  So all that the name has are
 * asked for; those of which the upstream says what it said before do not come (pull_marks.h).
 */
static bool unsure(const struct pull_check *c, const char *commit)
{
	return c->told && commit[0] == '\0' && c->name->commit[0] == '\0' && !c->head.has_digest &&
	       c->head.mark[0] != '\0';
}

static void on_done(void *arg, const struct fetch_result *r)
{
	struct pull_check *c = arg;
	struct pull_name *name = c->name;
	const char *commit = c->told ? c->head.commit : r->commit;
	int64_t now = (int64_t)time(NULL);

	name->busy = false;
	if (!c->told && r->end != FETCH_ABSENT) {
		/* down, or confused: what is here is served on */
		name->checked_s = now - (int64_t)c->up->revalidate_s + AGAIN_S;
		if (c->up->revalidate_s < AGAIN_S)
			name->checked_s = now;
		log_warning("revalidate", "upstream=%s model=\"%s\" revision=%s error=\"%s\"",
			    c->up->name, name->model, name->revision, r->text);
	} else if (moved(c, commit) || unsure(c, commit)) {
		name->checked_s = now;
		name->busy = true; /* until the job is over */
		warm_refresh(c->ctx->warm, name, commit);
	} else {
		name->checked_s = now;
		pull_names_keep(c->names, name);
	}
	unlink_check(c);
}

void pull_check_begin(struct context *ctx, struct fetcher *fetcher, struct pull_names *names,
		      struct upstream *up, struct pull_name *name, const char *path,
		      const struct store_digest *digest, struct pull_check **list)
{
	static const struct fetch_ops ops = {
	    .linked = on_head, .head = on_head, .data = on_data, .done = on_done};
	struct pull_check *c = calloc(1, sizeof(*c));
	char *url = upstream_file_url(up, name->model, name->revision, path);

	if (c == NULL || url == NULL) {
		free(c);
		free(url);
		return;
	}
	*c = (struct pull_check){.ctx = ctx, .names = names, .up = up, .name = name};
	c->digest = *digest;
	c->next = *list;
	c->link = list;
	if (c->next != NULL)
		c->next->link = &c->next;
	*list = c;
	name->busy = true;
	c->fetch = fetch_start(fetcher, &(struct fetch_opts){.upstream = up,
							     .url = url,
							     .ranged = true,
							     .from = 0,
							     .to = 0,
							     .max_bytes = FETCH_UNKNOWN,
							     .ops = &ops,
							     .arg = c});
	free(url);
	metrics_add(METRIC_revalidations, 1);
	if (c->fetch == NULL) {
		name->busy = false;
		unlink_check(c);
	}
}

void pull_check_drop(struct pull_check **list)
{
	while (*list != NULL) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the last one is off the list */
		fetch_cancel((*list)->fetch);
		unlink_check(*list);
	}
}
