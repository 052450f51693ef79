/* SPDX-License-Identifier: MIT */
/*
 * pull_marks.c — marks of files and the content behind them, in one file of the
 * state folder.  Called by pull*.c.  What it says is only ever a reason not to
 * fetch content that is stored: it must never vouch for bytes that come.
 *
 * A line per file: key, digest, size, mark.  A mark that is lost costs a fetch.
 * The key says which set a mark belongs to; in a set the one that was set or
 * found right for longest makes room.  (With one place per key two files that
 * share it would be fetched again for ever: in 8192 places some 100 files are
 * enough for that.)
 */
#include <config.h>

#include "daemon/pull_marks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/context.h"
#include "daemon/fetch.h"
#include "daemon/log.h"
#include "daemon/must.h"
#include "daemon/settings.h"
#include "daemon/state_file.h"

#define SETS 1024u
#define WAYS 8u
#define FILE_NAME "upstream-marks"
#define LINE_BYTES_MAX (2 * (STORE_DIGEST_HEX + 1) + 21 + FETCH_MARK_MAX)
#define FILE_BYTES_MAX ((size_t)SETS * WAYS * LINE_BYTES_MAX)
#define WRITE_MS 1000 /* changes of so long are written together */

struct slot {
	struct store_digest key, digest;
	uint64_t size;
	char *mark;
};

/* The latest first. */
struct set {
	struct slot slot[WAYS];
	unsigned count;
};

struct pull_marks {
	int dir;
	struct set set[SETS];
	struct state_file_keeper keeper;
	uv_timer_t timer; /* runs: something is to be written */
};

static unsigned set_of(const struct store_digest *key)
{
	return ((unsigned)key->bytes[0] << 8 | key->bytes[1]) % SETS;
}

/* Where in ${set}; ->count: nowhere. */
static unsigned find(const struct set *set, const struct store_digest *key)
{
	unsigned i = 0;

	while (i < set->count && !store_digest_equal(&set->slot[i].key, key))
		i++;
	return i;
}

static bool says(const struct slot *s, const char *mark, uint64_t size)
{
	return s->size == size && strcmp(s->mark, mark) == 0;
}

bool pull_marks_find(const struct pull_marks *m, const struct store_digest *key, const char *mark,
		     uint64_t size, struct store_digest *out)
{
	const struct set *set = &m->set[set_of(key)];
	unsigned i = find(set, key);

	if (mark[0] == '\0' || i == set->count || !says(&set->slot[i], mark, size))
		return false;
	*out = set->slot[i].digest;
	return true;
}

/* ---- changes ------------------------------------------------------------------------------------
 */

/* A new slot in front; whatever was of that key, or else the oldest, is gone. */
static void put(struct set *set, const struct slot *slot)
{
	unsigned i = find(set, &slot->key);

	if (i == set->count && set->count < WAYS)
		set->count++;
	else if (i == set->count)
		i = WAYS - 1;
	free(set->slot[i].mark);
	memmove(&set->slot[1], &set->slot[0], i * sizeof(set->slot[0]));
	set->slot[0] = *slot;
}

/* What was said already is the latest again, which need not be written. */
static bool known(struct set *set, const struct slot *slot)
{
	unsigned i = find(set, &slot->key);
	struct slot found;

	if (i == set->count)
		return false;
	found = set->slot[i];
	if (!says(&found, slot->mark, slot->size) ||
	    !store_digest_equal(&found.digest, &slot->digest))
		return false;
	memmove(&set->slot[1], &set->slot[0], i * sizeof(set->slot[0]));
	set->slot[0] = found;
	return true;
}

/* false: nothing is new. */
static bool take(struct pull_marks *m, const struct store_digest *key, const char *mark,
		 uint64_t size, const struct store_digest *digest)
{
	struct slot slot = {.key = *key, .digest = *digest, .size = size};
	struct set *set = &m->set[set_of(key)];

	slot.mark = strdup(mark);
	if (slot.mark == NULL || mark[0] == '\0' || known(set, &slot)) {
		free(slot.mark);
		return false;
	}
	put(set, &slot);
	/* fanalyzer-suppress malloc-leak: put() takes the mark */
	return true;
}

static void on_time(uv_timer_t *timer)
{
	struct pull_marks *m = timer->data;

	state_file_touch(&m->keeper);
}

void pull_marks_set(struct pull_marks *m, const struct store_digest *key, const char *mark,
		    uint64_t size, const struct store_digest *digest)
{
	if (take(m, key, mark, size, digest) && !uv_is_active((uv_handle_t *)&m->timer))
		(void)uv_timer_start(&m->timer, on_time, WRITE_MS, 0);
}

/* ---- the file -----------------------------------------------------------------------------------
 */

static char *line_of(const struct slot *s, char *out)
{
	store_digest_hex(&s->key, out);
	out[STORE_DIGEST_HEX] = ' ';
	out += STORE_DIGEST_HEX + 1;
	store_digest_hex(&s->digest, out);
	out += STORE_DIGEST_HEX;
	return out + snprintf(out, LINE_BYTES_MAX - (2 * STORE_DIGEST_HEX + 1), " %llu %s\n",
			      (unsigned long long)s->size, s->mark);
}

/* The oldest of each set first: so they are when they are read. */
static char *text_of(void *arg)
{
	const struct pull_marks *m = arg;
	size_t count = 0;
	char *text, *at;

	for (unsigned i = 0; i < SETS; i++)
		count += m->set[i].count;
	at = text = malloc(count * LINE_BYTES_MAX + 1);
	must(text != NULL);
	for (unsigned i = 0; i < SETS; i++) {
		for (unsigned k = m->set[i].count; k > 0; k--)
			at = line_of(&m->set[i].slot[k - 1], at);
	}
	*at = '\0';
	return text;
}

static void parse_line(struct pull_marks *m, const char *line)
{
	struct store_digest key, digest;
	const size_t n = STORE_DIGEST_HEX;
	char *end;
	uint64_t size;

	if (strlen(line) < 2 * n + 5 || line[n] != ' ' || line[2 * n + 1] != ' ' ||
	    !store_digest_parse(line, n, &key) || !store_digest_parse(line + n + 1, n, &digest))
		return;
	size = strtoull(line + 2 * n + 2, &end, 10);
	if (*end == ' ' && strlen(end + 1) < FETCH_MARK_MAX)
		(void)take(m, &key, end + 1, size, &digest);
}

struct pull_marks *pull_marks_open(struct context *ctx)
{
	struct pull_marks *m = calloc(1, sizeof(*m));
	char *text = NULL, *rest, *line;

	must(m != NULL);
	m->dir = open(ctx->settings->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	state_file_keep(&m->keeper, ctx, m->dir, FILE_NAME, text_of, m);
	must(uv_timer_init(ctx->loop, &m->timer) == 0);
	m->timer.data = m;
	if (m->dir >= 0)
		text = state_file_read(m->dir, FILE_NAME, FILE_BYTES_MAX);
	if (text == NULL && errno != ENOENT)
		log_warning("upstream", "error=\"the list of marks cannot be read: %s\"",
			    strerror(errno));
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL)
		parse_line(m, line);
	free(text);
	return m;
}

static void on_closed(uv_handle_t *handle)
{
	struct pull_marks *m = handle->data;

	for (unsigned i = 0; i < SETS; i++) {
		for (unsigned k = 0; k < m->set[i].count; k++)
			free(m->set[i].slot[k].mark);
	}
	if (m->dir >= 0)
		(void)close(m->dir);
	free(m);
}

void pull_marks_close(struct pull_marks *m)
{
	char *text;

	if (m == NULL)
		return;
	if (uv_is_active((uv_handle_t *)&m->timer)) {
		text = text_of(m);
		if (!state_file_write(m->dir, FILE_NAME, text))
			log_warning("upstream", "error=\"the list of marks cannot be written: %s\"",
				    strerror(errno));
		free(text);
	}
	uv_close((uv_handle_t *)&m->timer, on_closed);
}
