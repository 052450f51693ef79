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
 * A piece is done in stretches, between which it is looked whether the run is to stop.  A run
 * that was found so stays so: the pieces that are left are taken and not done.
 *
 * Idle threads spin for a short time on their own word, because the next loop is microseconds
 * away, then they sleep on a futex; while a caller holds the team (rt_team_enter) they
 * spin longer.  A caller that used the team much the last time wakes them when it enters.
 */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/guard.h"
#include "runtime/team.h"

#define SPINS 2000          /* of pauses: about 100 µs */
#define SPINS_HELD 10000    /* while somebody holds the team */
#define PIECES_PER_THREAD 4 /* so that a thread that is held up costs little */
#define STRETCH 64          /* grains between two looks at whether to stop, or, */
#define STRETCH_OF_ONES 8   /* where a grain is one item, items: they may be long */
#define GROWTH 8            /* of the next stretch after one that took less than */
#define SHORT_NS 1000000
#define MANY_LOOPS 16        /* of a run; threads are woken before the next one's first */
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
	uint32_t number;  /* of the job, the caller's */
	uint32_t entered; /* the number at rt_team_enter */
	bool wake_early;

	/* what ends loops early: set while there is no job */
	const atomic_bool *cancel; /* or NULL */
	int64_t deadline_ns;       /* or 0 */

	/* the job */
	_Alignas(64) _Atomic(rt_team_f *) fn;
	_Atomic(void *) arg;
	atomic_size_t n;       /* items */
	atomic_size_t stretch; /* items */
	atomic_uint pieces;

	_Alignas(64) atomic_uint done; /* pieces finished; the caller sleeps on it */
	atomic_uint caller_sleeps;

	_Alignas(64) atomic_uint bell; /* rung for those who sleep on it */
	atomic_int sleepers;
	atomic_bool busy; /* somebody holds the team: spin before sleeping */
	atomic_bool quit;
	atomic_bool damaged; /* see rt_team_damaged */
	atomic_bool stopped; /* see rt_team_stopped */

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

/* ---- stopping -------------------------------------------------------------------------------- */

static int64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ${clock}: look at it, too. */
static bool to_stop(struct rt_team *t, bool clock)
{
	if (atomic_load_explicit(&t->stopped, memory_order_relaxed))
		return true;
	if ((t->cancel == NULL || !atomic_load_explicit(t->cancel, memory_order_relaxed)) &&
	    (t->deadline_ns == 0 || !clock || now_ns() <= t->deadline_ns))
		return false;
	atomic_store_explicit(&t->stopped, true, memory_order_relaxed);
	return true;
}

void rt_team_watch(struct rt_team *t, const atomic_bool *cancel, int64_t deadline_ns)
{
	t->cancel = cancel;
	t->deadline_ns = deadline_ns;
}

bool rt_team_to_stop(struct rt_team *t)
{
	return to_stop(t, true);
}

bool rt_team_stopped(const struct rt_team *t)
{
	return atomic_load_explicit(&t->stopped, memory_order_relaxed);
}

/* Items ${begin} … ${end} − 1, ${stretch} at a time, and more where that takes no time; ${first}:
 * of this thread in this loop. */
static void do_range(struct rt_team *t, rt_team_f *fn, void *arg, size_t begin, size_t end,
		     size_t stretch, int thread, bool first)
{
	const bool watched = t->cancel != NULL || t->deadline_ns != 0;
	int64_t began;

	for (size_t at = begin, next; at < end; at = next) {
		if (to_stop(t, !first || at > begin))
			return;
		next = watched && (end - at) / 2 > stretch ? at + stretch : end;
		began = next < end ? now_ns() : 0;
		fn(arg, at, next, thread);
		if (next < end && now_ns() - began < SHORT_NS)
			stretch = stretch < SIZE_MAX / GROWTH ? stretch * GROWTH : SIZE_MAX;
	}
}

/* ---- pieces ---------------------------------------------------------------------------------- */

/* First item of piece ${i} of ${pieces}; lengths differ by one at most. */
static size_t piece_begin(size_t n, unsigned pieces, unsigned i)
{
	size_t rest = n % pieces;

	return n / pieces * i + (i < rest ? i : rest);
}

/* Piece ${i}; what it does must not be left half done in a worker, hence the guard. */
static void do_piece(struct rt_team *t, unsigned i, int thread, bool first)
{
	const unsigned pieces = atomic_load_explicit(&t->pieces, memory_order_relaxed);
	const size_t n = atomic_load_explicit(&t->n, memory_order_relaxed);
	struct rt_guard g;

	rt_guard_push(&g);
	if (sigsetjmp(g.at, 0) == 0) {
		do_range(t, atomic_load_explicit(&t->fn, memory_order_relaxed),
			 atomic_load_explicit(&t->arg, memory_order_relaxed),
			 piece_begin(n, pieces, i), piece_begin(n, pieces, i + 1),
			 atomic_load_explicit(&t->stretch, memory_order_relaxed), thread, first);
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

		do_piece(t, i, thread, own && count == 0);
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

static void wake(struct rt_team *t)
{
	if (atomic_load_explicit(&t->sleepers, memory_order_seq_cst) > 0) {
		atomic_fetch_add_explicit(&t->bell, 1, memory_order_seq_cst);
		futex_wake(&t->bell, INT_MAX);
	}
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
	wake(t); /* either this sees a sleeper, or the sleeper the words */
}

/* How many pieces: equal shares for all threads, none below ${grain}. */
static size_t pieces_of(const struct rt_team *t, size_t n, size_t grain)
{
	const size_t threads = (size_t)t->threads, most = n / grain;

	if (most < threads)
		return most;
	return most < threads * PIECES_PER_THREAD ? most - most % threads
						  : threads * PIECES_PER_THREAD;
}

void rt_team_for(struct rt_team *t, size_t n, size_t grain, rt_team_f *fn, void *arg)
{
	size_t pieces, stretch;

	if (n == 0)
		return;
	if (grain == 0)
		grain = 1;
	stretch = grain == 1                   ? STRETCH_OF_ONES
		  : grain < SIZE_MAX / STRETCH ? grain * STRETCH
					       : SIZE_MAX;
	pieces = t->threads == 1 ? 1 : pieces_of(t, n, grain);
	if (pieces <= 1) {
		do_range(t, fn, arg, 0, n, stretch, 0, true);
		return;
	}
	atomic_store_explicit(&t->fn, fn, memory_order_relaxed);
	atomic_store_explicit(&t->arg, arg, memory_order_relaxed);
	atomic_store_explicit(&t->n, n, memory_order_relaxed);
	atomic_store_explicit(&t->stretch, stretch, memory_order_relaxed);
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

	for (int i = 0; i < SPINS_HELD; i++) {
		if ((job = job_of(mine)) != seen)
			return job;
		if (i >= SPINS && !atomic_load_explicit(&t->busy, memory_order_relaxed))
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
		if (atomic_load_explicit(&t->bell, memory_order_relaxed) != bell)
			break; /* rung: there is a job, or will be */
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
	t->entered = t->number;
	if (t->wake_early)
		wake(t);
}

void rt_team_leave(struct rt_team *t)
{
	t->wake_early = t->number - t->entered >= MANY_LOOPS;
	rt_team_watch(t, NULL, 0);
	atomic_store_explicit(&t->stopped, false, memory_order_relaxed);
	atomic_store_explicit(&t->busy, false, memory_order_relaxed);
	must(pthread_mutex_unlock(&t->held) == 0);
}
