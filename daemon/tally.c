/* SPDX-License-Identifier: MIT */
/*
 * tally.c — see tally.h.  Called by residency.c and its like, handle_v2.c and
 * handle_stats.c; one lock guards everything, held for a few stores.
 */
#include <config.h>

#include "daemon/tally.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/must.h"

#define IDLE_MAX 512 /* tallies that nobody refers to */

struct tally {
	struct tally_book *book;
	struct tally *next;
	unsigned refs;
	char *model, *commit, *file;
	struct tally_view view; /* its strings are those above */
};

struct tally_book {
	pthread_mutex_t lock;
	struct tally *first; /* newest first */
	unsigned idle;
};

static void lock(struct tally_book *book)
{
	must(pthread_mutex_lock(&book->lock) == 0);
}

static void unlock(struct tally_book *book)
{
	must(pthread_mutex_unlock(&book->lock) == 0);
}

struct tally_book *tally_book_new(void)
{
	struct tally_book *book = calloc(1, sizeof(*book));

	if (book != NULL)
		must(pthread_mutex_init(&book->lock, NULL) == 0);
	return book;
}

static void destroy(struct tally *t)
{
	free(t->model);
	free(t->commit);
	free(t->file);
	free(t);
}

void tally_book_free(struct tally_book *book)
{
	if (book == NULL)
		return;
	while (book->first != NULL) {
		struct tally *t = book->first;

		must(t->refs == 0);
		book->first = t->next;
		destroy(t);
	}
	must(pthread_mutex_destroy(&book->lock) == 0);
	free(book);
}

static struct tally *make(struct tally_book *book, const char *model, const char *commit,
			  const char *file)
{
	struct tally *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->model = strdup(model);
	t->commit = strdup(commit);
	t->file = strdup(file);
	if (t->model == NULL || t->commit == NULL || t->file == NULL) {
		destroy(t);
		return NULL;
	}
	t->book = book;
	t->view.model = t->model;
	t->view.commit = t->commit;
	t->view.file = t->file;
	return t;
}

struct tally *tally_open(struct tally_book *book, const char *model, const char *commit,
			 const char *file)
{
	struct tally *t;

	lock(book);
	for (t = book->first; t != NULL; t = t->next) {
		if (strcmp(t->commit, commit) == 0 && strcmp(t->file, file) == 0 &&
		    strcmp(t->model, model) == 0)
			break;
	}
	if (t == NULL) {
		t = make(book, model, commit, file);
		if (t != NULL) {
			t->next = book->first;
			book->first = t;
		}
	} else if (t->refs == 0) {
		book->idle--;
	}
	if (t != NULL)
		t->refs++;
	unlock(book);
	return t;
}

/* The one that was used longest ago, of those that nobody refers to.  Locked. */
static void drop_oldest(struct tally_book *book)
{
	struct tally **link, **oldest = NULL, *gone;

	for (link = &book->first; *link != NULL; link = &(*link)->next) {
		if ((*link)->refs == 0 &&
		    (oldest == NULL || (*link)->view.last_ms <= (*oldest)->view.last_ms))
			oldest = link;
	}
	must(oldest != NULL);
	gone = *oldest;
	*oldest = gone->next;
	book->idle--;
	destroy(gone);
}

void tally_close(struct tally *t)
{
	struct tally_book *book;

	if (t == NULL)
		return;
	book = t->book;
	lock(book);
	must(t->refs > 0);
	if (--t->refs == 0 && ++book->idle > IDLE_MAX)
		drop_oldest(book);
	unlock(book);
}

static uint64_t unix_ms(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_REALTIME, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void tally_end(struct tally *t, enum tally_end end, uint64_t rows, const struct tally_times *times)
{
	if (t == NULL)
		return;
	lock(t->book);
	t->view.count[end]++;
	t->view.total_ns[end] += times->total;
	t->view.last_ms = unix_ms();
	if (end == TALLY_SUCCESS) {
		t->view.sum.total += times->total;
		t->view.sum.queue += times->queue;
		t->view.sum.input += times->input;
		t->view.sum.infer += times->infer;
		t->view.sum.output += times->output;
		t->view.rows += rows;
	}
	unlock(t->book);
}

/* The entry of that size, a new one the first time; NULL: there are too many.  Locked. */
static struct tally_batch *batch_of(struct tally_view *v, uint64_t size)
{
	for (unsigned i = 0; i < v->batch_count; i++) {
		if (v->batch[i].size == size)
			return &v->batch[i];
	}
	if (v->batch_count == TALLY_BATCHES_MAX)
		return NULL;
	v->batch[v->batch_count] = (struct tally_batch){.size = size};
	return &v->batch[v->batch_count++];
}

void tally_run(struct tally *t, uint64_t rows, const struct tally_times *times)
{
	struct tally_batch *b;

	if (t == NULL)
		return;
	lock(t->book);
	t->view.runs++;
	b = batch_of(&t->view, rows);
	if (b != NULL) {
		b->count++;
		b->input += times->input;
		b->infer += times->infer;
		b->output += times->output;
	}
	unlock(t->book);
}

void tally_loaded(struct tally *t, uint64_t ns, uint64_t cost)
{
	if (t == NULL)
		return;
	lock(t->book);
	t->view.loads++;
	t->view.load_ns += ns;
	t->view.cost = cost;
	t->view.loaded = true;
	unlock(t->book);
}

void tally_unloaded(struct tally *t)
{
	if (t == NULL)
		return;
	lock(t->book);
	t->view.unloads++;
	t->view.loaded = false;
	unlock(t->book);
}

void tally_weighed(struct tally *t, uint64_t cost)
{
	if (t == NULL)
		return;
	lock(t->book);
	t->view.cost = cost;
	unlock(t->book);
}

uint64_t tally_cost(struct tally *t)
{
	uint64_t cost;

	if (t == NULL)
		return 0;
	lock(t->book);
	cost = t->view.cost;
	unlock(t->book);
	return cost;
}

void tally_each(struct tally_book *book, const char *model, const char *commit, tally_f *fn,
		void *arg)
{
	lock(book);
	for (struct tally *t = book->first; t != NULL; t = t->next) {
		if ((model == NULL || strcmp(t->model, model) == 0) &&
		    (commit == NULL || strcmp(t->commit, commit) == 0))
			fn(arg, &t->view);
	}
	unlock(book);
}
