/* SPDX-License-Identifier: MIT */
/*
 * team.c — a fixed set of threads that split one loop at a time.
 *
 * A job is n items cut into equal pieces, of which every thread has a run of its
 * own: the same part of every loop, so that what it wrote in the last is still in its cache.
 * Whoever has finished takes pieces from the ends of the others' runs.  A run is one
 * 64-bit word: the job's number, the end, the next piece that nobody has taken.
 * Taking a piece is one compare-and-swap on that word: it succeeds only while
 * the same job still has pieces there, so a thread that wakes late takes nothing and
 * harms nothing, and the caller never waits for a thread that has no piece.
 * The fields of a job are written before its words are published and stay until
 * its last piece is done; a late reader may see fields of two jobs, but then
 * its swap fails, hence the relaxed atomics.
 *
 * While a caller holds the team (rt_team_enter), idle threads spin for a short
 * time on their own word, because the next loop is microseconds away; then they
 * sleep on a futex.
 */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/guard.h"
#include "runtime/team.h"

#define SPINS 2000           /* of pauses: about 100 µs */
#define PIECES_PER_THREAD 4  /* so that a thread that is held up costs little */
#define TEAM_THREADS_MAX 256 /* more is a mistake in a configuration; pieces fit 16 bits */

struct worker {
	struct rt_team *team;
	pthread_t thread;
	int index; /* 1..threads−1; the caller is 0 */
};

/* A thread's pieces of the job; on a line of its own. */
struct run {
	_Alignas(64) atomic_uint_least64_t word; /* number << 32 | end << 16 | next piece */
};

struct rt_team {
	int threads;
	pthread_mutex_t held; /* by the one caller between enter and leave */
	struct worker *workers;
	int started;
	uint32_t number; /* of the job, the caller's */

	/* the job */
	_Alignas(64) _Atomic(rt_team_f *) fn;
	_Atomic(void *) arg;
	atomic_size_t n; /* items */
	atomic_uint pieces;

	_Alignas(64) atomic_uint done; /* pieces finished; the caller sleeps on it */
	atomic_uint caller_sleeps;

	_Alignas(64) atomic_uint bell; /* rung for those who sleep on it */
	atomic_int sleepers;
	atomic_bool busy; /* somebody holds the team: spin before sleeping */
	atomic_bool quit;
	atomic_bool damaged; /* see rt_team_damaged */

	struct run runs[]; /* [threads] */
};

static void pause_a_little(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static void futex_wait(atomic_uint *word, unsigned seen)
{
	(void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void futex_wake(atomic_uint *word, int count)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

/* ---- pieces ---------------------------------------------------------------------------------- */

/* First item of piece ${i} of ${pieces}; lengths differ by one at most. */
static size_t piece_begin(size_t n, unsigned pieces, unsigned i)
{
	size_t rest = n % pieces;

	return n / pieces * i + (i < rest ? i : rest);
}

/* One piece; what it does must not be left half done in a worker, hence the guard. */
static void do_piece(struct rt_team *t, rt_team_f *fn, void *arg, size_t begin, size_t end,
		     int thread)
{
	struct rt_guard g;

	rt_guard_push(&g);
	if (sigsetjmp(g.at, 0) == 0) {
		fn(arg, begin, end, thread);
		rt_guard_pop(&g);
	} else {
		atomic_store_explicit(&t->damaged, true, memory_order_relaxed);
	}
}

/* Take a piece of ${run}, the first or, of others, the last; the word before, or 0: there is none.
 */
static uint64_t take(struct run *run, bool own)
{
	uint64_t word = atomic_load_explicit(&run->word, memory_order_acquire);

	while ((word & 0xffff) < (word >> 16 & 0xffff)) {
		if (atomic_compare_exchange_weak_explicit(
			&run->word, &word, own ? word + 1 : word - 0x10000, memory_order_acq_rel,
			memory_order_acquire))
			return word;
	}
	return 0;
}

/* Do what is left of ${run}; returns how many pieces that were. */
static unsigned work_off(struct rt_team *t, struct run *run, int thread, bool own)
{
	unsigned count = 0;
	uint64_t word;

	/* A piece that was taken keeps its job, hence the fields, until it is told as done. */
	while ((word = take(run, own)) != 0) {
		const unsigned i = (unsigned)((own ? word : (word >> 16) - 1) & 0xffff);
		const unsigned pieces = atomic_load_explicit(&t->pieces, memory_order_relaxed);
		const size_t n = atomic_load_explicit(&t->n, memory_order_relaxed);

		do_piece(t, atomic_load_explicit(&t->fn, memory_order_relaxed),
			 atomic_load_explicit(&t->arg, memory_order_relaxed),
			 piece_begin(n, pieces, i), piece_begin(n, pieces, i + 1), thread);
		count++;
	}
	return count;
}

/* Do pieces of the current job until it has none left. */
static void work(struct rt_team *t, int thread)
{
	unsigned count = work_off(t, &t->runs[thread], thread, true), pieces;

	for (int i = 1; i < t->threads; i++)
		count += work_off(t, &t->runs[(thread + i) % t->threads], thread, false);
	if (count == 0)
		return;
	pieces = atomic_load_explicit(&t->pieces, memory_order_relaxed);
	if (atomic_fetch_add_explicit(&t->done, count, memory_order_seq_cst) + count == pieces &&
	    atomic_load_explicit(&t->caller_sleeps, memory_order_seq_cst) != 0)
		futex_wake(&t->done, 1);
}

static void wait_for_done(struct rt_team *t, unsigned pieces)
{
	unsigned done;

	for (int i = 0; i < SPINS; i++) {
		if (atomic_load_explicit(&t->done, memory_order_acquire) == pieces)
			return;
		pause_a_little();
	}
	atomic_store_explicit(&t->caller_sleeps, 1, memory_order_seq_cst);
	while ((done = atomic_load_explicit(&t->done, memory_order_seq_cst)) != pieces)
		futex_wait(&t->done, done);
	atomic_store_explicit(&t->caller_sleeps, 0, memory_order_relaxed);
}

/* Hand out ${pieces} of the next job, and wake who sleeps. */
static void publish(struct rt_team *t, unsigned pieces)
{
	const unsigned threads = (unsigned)t->threads;

	t->number++;
	for (unsigned i = 0; i < threads; i++) {
		const uint64_t first = (uint64_t)pieces * i / threads,
			       end = (uint64_t)pieces * (i + 1) / threads;

		atomic_store_explicit(&t->runs[i].word,
				      (uint64_t)t->number << 32 | end << 16 | first,
				      memory_order_seq_cst);
	}
	/* Either this sees a sleeper, or the sleeper the words. */
	if (atomic_load_explicit(&t->sleepers, memory_order_seq_cst) > 0) {
		atomic_fetch_add_explicit(&t->bell, 1, memory_order_seq_cst);
		futex_wake(&t->bell, INT_MAX);
	}
}

void rt_team_for(struct rt_team *t, size_t n, size_t grain, rt_team_f *fn, void *arg)
{
	size_t pieces;

	if (n == 0)
		return;
	if (grain == 0)
		grain = 1;
	if (t->threads == 1 || n <= grain) {
		fn(arg, 0, n, 0);
		return;
	}
	pieces = (size_t)t->threads * PIECES_PER_THREAD;
	if (pieces > n / grain)
		pieces = n / grain;

	atomic_store_explicit(&t->fn, fn, memory_order_relaxed);
	atomic_store_explicit(&t->arg, arg, memory_order_relaxed);
	atomic_store_explicit(&t->n, n, memory_order_relaxed);
	atomic_store_explicit(&t->pieces, (unsigned)pieces, memory_order_relaxed);
	atomic_store_explicit(&t->done, 0, memory_order_relaxed);
	publish(t, (unsigned)pieces);
	work(t, 0);
	wait_for_done(t, (unsigned)pieces);
}

/* ---- threads --------------------------------------------------------------------------------- */

static uint64_t job_of(const struct run *run)
{
	return atomic_load_explicit(&run->word, memory_order_acquire) >> 32;
}

/* Wait until there has been another job than ${seen}; returns its number. */
static uint64_t wait_for_job(struct rt_team *t, const struct run *mine, uint64_t seen)
{
	unsigned bell;
	uint64_t job;

	for (int i = 0; i < SPINS; i++) {
		if ((job = job_of(mine)) != seen)
			return job;
		if (!atomic_load_explicit(&t->busy, memory_order_relaxed))
			break;
		pause_a_little();
	}
	atomic_fetch_add_explicit(&t->sleepers, 1, memory_order_seq_cst);
	for (;;) {
		bell = atomic_load_explicit(&t->bell, memory_order_seq_cst);
		job = atomic_load_explicit(&mine->word, memory_order_seq_cst) >> 32;
		if (job != seen)
			break;
		futex_wait(&t->bell, bell);
	}
	atomic_fetch_sub_explicit(&t->sleepers, 1, memory_order_seq_cst);
	return job;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct rt_team *t = w->team;
	uint64_t seen = 0;

	for (;;) {
		seen = wait_for_job(t, &t->runs[w->index], seen);
		if (atomic_load_explicit(&t->quit, memory_order_acquire))
			return NULL;
		work(t, w->index);
	}
}

struct rt_team *rt_team_new(int threads)
{
	struct rt_team *t;
	sigset_t all, old;
	size_t bytes;

	must(threads >= 1);
	if (threads > TEAM_THREADS_MAX)
		threads = TEAM_THREADS_MAX;
	bytes = sizeof(*t) + (size_t)threads * sizeof(t->runs[0]);
	t = aligned_alloc(64, bytes);
	if (t == NULL)
		return NULL;
	memset(t, 0, bytes);
	t->threads = threads;
	if (pthread_mutex_init(&t->held, NULL) != 0) {
		free(t);
		return NULL;
	}
	t->workers = calloc((size_t)threads, sizeof(*t->workers));
	if (t->workers == NULL)
		goto fail;
	/* Signals belong to the threads of the program, not to these; but a fault that is blocked
	 * ends the process whatever its handler (guard.c), so that one is not. */
	(void)sigfillset(&all);
	(void)sigdelset(&all, SIGBUS);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	for (int i = 1; i < threads; i++) {
		struct worker *w = &t->workers[i];

		w->team = t;
		w->index = i;
		if (pthread_create(&w->thread, NULL, worker_main, w) != 0)
			break;
		t->started++;
	}
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (t->started == threads - 1)
		return t;
fail:
	rt_team_free(t);
	return NULL;
}

void rt_team_free(struct rt_team *t)
{
	if (t == NULL)
		return;
	atomic_store_explicit(&t->quit, true, memory_order_release);
	publish(t, 0);
	for (int i = 1; i <= t->started; i++)
		(void)pthread_join(t->workers[i].thread, NULL);
	(void)pthread_mutex_destroy(&t->held);
	free(t->workers);
	free(t);
}

int rt_team_threads(const struct rt_team *t)
{
	return t->threads;
}

bool rt_team_damaged(struct rt_team *t)
{
	return atomic_load_explicit(&t->damaged, memory_order_relaxed) &&
	       atomic_exchange_explicit(&t->damaged, false, memory_order_relaxed);
}

void rt_team_enter(struct rt_team *t)
{
	must(pthread_mutex_lock(&t->held) == 0);
	atomic_store_explicit(&t->busy, true, memory_order_relaxed);
}

void rt_team_leave(struct rt_team *t)
{
	atomic_store_explicit(&t->busy, false, memory_order_relaxed);
	must(pthread_mutex_unlock(&t->held) == 0);
}
