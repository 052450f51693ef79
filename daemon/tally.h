/* SPDX-License-Identifier: MIT */
/*
 * tally.h — what became of the inferences of each model: counts and times, kept
 * beyond the model's stay in memory.  Source of the statistics extension of the
 * Open Inference Protocol (Triton, extension_statistics.md) and of /metrics.
 * Any thread.
 */
#ifndef LARDER_DAEMON_TALLY_H
#define LARDER_DAEMON_TALLY_H

#include <stdbool.h>
#include <stdint.h>

struct tally;      /* of one file of one snapshot of a model */
struct tally_book; /* all of them */

/* Where the time of one inference went, in ns. */
struct tally_times {
	uint64_t total;  /* from the request line to the finished answer */
	uint64_t queue;  /* waiting for the model and for a session of it */
	uint64_t input;  /* bytes to tensors */
	uint64_t infer;  /* the run */
	uint64_t output; /* tensors to bytes */
};

enum tally_end { TALLY_SUCCESS, TALLY_FAILED, TALLY_CANCELLED, TALLY_END_COUNT };

/* The runs of one batch size. */
struct tally_batch {
	uint64_t size; /* rows */
	uint64_t count, input, infer, output;
};
#define TALLY_BATCHES_MAX 32 /* sizes that are told apart: the first ones that came */

/* A copy of one tally; the strings are valid during the call of tally_f. */
struct tally_view {
	const char *model, *commit, *file;
	uint64_t count[TALLY_END_COUNT];
	uint64_t total_ns[TALLY_END_COUNT];
	struct tally_times sum; /* of those that succeeded */
	uint64_t rows;          /* of those that succeeded; a model without batches has 1 each */
	uint64_t runs;          /* of the model: one for a whole batch */
	struct tally_batch batch[TALLY_BATCHES_MAX];
	unsigned batch_count;
	uint64_t last_ms;        /* Unix time of the last one; 0 = none */
	uint64_t loads, load_ns; /* into memory */
	uint64_t unloads;        /* out of it: evicted, expired, asked for */
	uint64_t cost;           /* bytes of memory it took the last time */
	bool loaded;             /* it is in memory now */
};
typedef void tally_f(void *arg, const struct tally_view *view);

/* tally_book_new(): NULL when out of memory.  tally_book_free: nobody holds one any more. */
struct tally_book *tally_book_new(void);
void tally_book_free(struct tally_book *book); /* NULL is allowed */

/*
 * tally_open(book, model, commit, file): the one of that file, a new one the
 * first time; with a reference, to be given to tally_close.  NULL when out of
 * memory; NULL is allowed in all that follows.  At most 512 are kept that nobody
 * refers to; those longest unused go.
 */
struct tally *tally_open(struct tally_book *book, const char *model, const char *commit,
			 const char *file);
void tally_close(struct tally *t);

/* tally_end(t, end, rows, times): one more inference, of so many rows. */
void tally_end(struct tally *t, enum tally_end end, uint64_t rows, const struct tally_times *times);
/* tally_run(t, rows, times): one more run; ${times} of all that were in it, `infer` of itself. */
void tally_run(struct tally *t, uint64_t rows, const struct tally_times *times);
/* tally_loaded(t, ns, cost), tally_unloaded(t): into memory and out of it. */
void tally_loaded(struct tally *t, uint64_t ns, uint64_t cost);
void tally_unloaded(struct tally *t);
/* tally_weighed(t, cost): what it would have taken; it was not let in. */
void tally_weighed(struct tally *t, uint64_t cost);
/* tally_cost(t): bytes it took in memory the last time, or would have; 0 = not known. */
uint64_t tally_cost(struct tally *t);

/*
 * tally_each(book, model, commit, fn, arg): those of ${model} and of ${commit} (NULL: of
 * all), newest first.  ${fn} is called under the lock: copy and return.
 */
void tally_each(struct tally_book *book, const char *model, const char *commit, tally_f *fn,
		void *arg);

#endif
