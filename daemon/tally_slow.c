/* SPDX-License-Identifier: MIT */
/*
 * tally_slow.c — see tally_slow.h.  Called by infer_course.c on the pool and by
 * handle_admin.c; one lock, taken for slow ones only.
 */
#include <config.h>

#include "daemon/tally_slow.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "daemon/text.h"
#include "daemon/utf8.h"

#include "daemon/must.h"

struct kept {
	uint64_t at_ms; /* Unix time */
	char id[32], model[160], commit[48], file[160], origin[160];
	enum tally_end end;
	unsigned batch;
	struct tally_times times;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct kept ring[TALLY_SLOW_MAX];
static uint64_t count; /* ever; the next goes to ring[count % TALLY_SLOW_MAX] */

static void copy(char *to, size_t size, const char *from)
{
	int n = snprintf(to, size, "%s", from == NULL ? "" : from);

	if (n >= (int)size)
		to[utf8_cut(to, size - 1)] = '\0';
}

void tally_slow_note(const struct tally_slow *s, unsigned over_ms)
{
	struct timespec now;
	struct kept *k;

	if (over_ms == 0 || s->times.total <= (uint64_t)over_ms * 1000000)
		return;
	must(clock_gettime(CLOCK_REALTIME, &now) == 0);
	must(pthread_mutex_lock(&lock) == 0);
	k = &ring[count++ % TALLY_SLOW_MAX];
	*k = (struct kept){.at_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000,
			   .end = s->end,
			   .batch = s->batch,
			   .times = s->times};
	copy(k->id, sizeof k->id, s->id);
	copy(k->model, sizeof k->model, s->model);
	copy(k->commit, sizeof k->commit, s->commit);
	copy(k->file, sizeof k->file, s->file);
	copy(k->origin, sizeof k->origin, s->origin);
	must(pthread_mutex_unlock(&lock) == 0);
}

static void put(struct text *t, const struct kept *k)
{
	static const char *const ends[TALLY_END_COUNT] = {[TALLY_SUCCESS] = "success",
							  [TALLY_FAILED] = "failed",
							  [TALLY_CANCELLED] = "cancelled"};

	text_printf(t, "{\"at_ms\":%llu,\"request\":", (unsigned long long)k->at_ms);
	text_json(t, k->id);
	text_add(t, ",\"model\":");
	text_json(t, k->model);
	text_add(t, ",\"commit\":");
	text_json(t, k->commit);
	text_add(t, ",\"file\":");
	text_json(t, k->file);
	if (k->origin[0] != '\0') {
		text_add(t, ",\"origin\":");
		text_json(t, k->origin);
	}
	text_printf(t,
		    ",\"result\":\"%s\",\"batch\":%u,\"total_ms\":%.1f,\"queue_ms\":%.1f,"
		    "\"input_ms\":%.1f,\"compute_ms\":%.1f,\"output_ms\":%.1f}",
		    ends[k->end], k->batch, (double)k->times.total / 1e6,
		    (double)k->times.queue / 1e6, (double)k->times.input / 1e6,
		    (double)k->times.infer / 1e6, (double)k->times.output / 1e6);
}

void tally_slow_json(struct text *t)
{
	uint64_t n;

	text_add(t, "[");
	must(pthread_mutex_lock(&lock) == 0);
	n = count < TALLY_SLOW_MAX ? count : TALLY_SLOW_MAX;
	for (uint64_t i = 1; i <= n; i++) {
		text_add(t, i == 1 ? "\n" : ",\n");
		put(t, &ring[(count - i) % TALLY_SLOW_MAX]);
	}
	must(pthread_mutex_unlock(&lock) == 0);
	text_add(t, "]");
}
