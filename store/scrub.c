/* SPDX-License-Identifier: MIT */
/*
 * scrub.c — every blob hashed again, a few megabytes at a time, for ever.
 * Called by the daemon when it has nothing better to do.  It must never hold
 * anything locked while it reads, nor push out of memory what others use.
 *
 * Where a pass stands is the id of the last blob that was looked at: a blob
 * that is written anew keeps its id, a new one gets a higher one.
 */
#include <config.h>

#include "store/blob.h"
#include "store/digest.h"
#include "store/index.h"
#include "store/state.h"
#include "store/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	CHUNK_BYTES = 256 * 1024,
	BLOB_COST = 8 * 1024, /* what opening one counts for */
};

struct store_scrub {
	struct store *store;
	int64_t rest_s;
	struct store_scrub_state seen;
	int64_t id;     /* of the last blob that is done with; -1: not read from the index yet */
	uint64_t since; /* bytes since that was written down */
	/* the blob that is being read; fd -1: none */
	int fd;
	struct store_blob_row row;
	struct store_hash *hash;
	uint64_t at;     /* bytes hashed */
	uint8_t *buffer; /* [CHUNK_BYTES] */
};

/* ---- where it stands ------------------------------------------------------------------ */

static int load(struct store_scrub *s, struct store_error *err)
{
	struct store_conn *conn;
	int status = store_index_reader(s->store->index, &conn, err);

	if (status != 0)
		return status;
	status = store_index_row(conn, STMT_TOTAL_SCRUB, NO_ARGS, err);
	if (status == 1) {
		s->id = store_index_int(conn, STMT_TOTAL_SCRUB, 0);
		s->seen.began_s = store_index_int(conn, STMT_TOTAL_SCRUB, 1);
		s->seen.ended_s = store_index_int(conn, STMT_TOTAL_SCRUB, 2);
		store_index_stop(conn, STMT_TOTAL_SCRUB);
		status = 0;
	}
	store_index_done(s->store->index, conn);
	return status;
}

static int save(struct store_scrub *s, struct store_error *err)
{
	struct store_conn *conn = store_index_lock(s->store->index);
	int status = store_index_exec(
	    conn, STMT_TOTAL_SCRUBBED,
	    ARGS(A_INT(s->id), A_INT(s->seen.began_s), A_INT(s->seen.ended_s)), err);

	store_index_unlock(s->store->index);
	if (status == 0)
		s->since = 0;
	return status;
}

int store_scrub_new(struct store *store, int64_t rest_s, struct store_scrub **out,
		    struct store_error *err)
{
	struct store_scrub *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	s->store = store;
	s->rest_s = rest_s;
	s->fd = -1;
	s->id = -1; /* not read yet */
	*out = s;
	return 0;
}

/* Be done with the blob that is being read. */
static void leave_blob(struct store_scrub *s)
{
	store_digest_drop(s->hash);
	s->hash = NULL;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

void store_scrub_free(struct store_scrub *s)
{
	int status = 0;

	if (s == NULL)
		return;
	if (s->since > 0)
		status = save(s, NULL); /* else the next one reads a little again */
	(void)status;
	leave_blob(s);
	free(s->buffer);
	free(s);
}

/* ---- one blob ----------------------------------------------------------------------------- */

/* The next blob that is not known to be damaged: 1, 0 when there is none, or a status. */
static int next_row(struct store_scrub *s, struct store_error *err)
{
	struct store_conn *conn;
	int status = store_index_reader(s->store->index, &conn, err);

	if (status != 0)
		return status;
	store_index_start(conn, STMT_BLOB_AFTER, ARGS(A_INT(s->id), A_INT(STORE_BLOB_PAGE)));
	while ((status = store_index_next(conn, STMT_BLOB_AFTER, err)) == 1) {
		s->row.id = store_index_int(conn, STMT_BLOB_AFTER, 0);
		s->row.size = store_index_int(conn, STMT_BLOB_AFTER, 2);
		if (store_index_int(conn, STMT_BLOB_AFTER, 3) != 0) {
			s->id = s->row.id; /* all of a page may be damaged */
			continue;
		}
		if (!store_index_digest(conn, STMT_BLOB_AFTER, 1, &s->row.digest))
			status = store_status_fail(err, STORE_INDEX, NULL);
		store_index_stop(conn, STMT_BLOB_AFTER);
		break;
	}
	store_index_done(s->store->index, conn);
	return status;
}

/* Judged: on to the next, and tell when this one is not well. */
static int end_blob(struct store_scrub *s, const char *what, store_verify_f *fn, void *arg,
		    struct store_error *err)
{
	struct store_digest digest = s->row.digest;
	int status = 0;

	if (what != NULL)
		status = store_verify_quarantine(s->store, &digest, s->fd, err);
	leave_blob(s);
	if (status < 0)
		return status;
	s->id = s->row.id;
	s->seen.blobs++;
	s->since += BLOB_COST;
	if (status != 1)
		return 0; /* well, or gone meanwhile, or another one */
	s->seen.damaged++;
	return fn == NULL ? 0 : fn(arg, &digest, what);
}

/*
 * Read where the file stands.  What had to come from the disk leaves the page
 * cache again; what was in it stays, for somebody uses it.
 */
static ssize_t read_chunk(struct store_scrub *s)
{
	struct iovec to = {.iov_base = s->buffer, .iov_len = CHUNK_BYTES};
	ssize_t n = preadv2(s->fd, &to, 1, (off_t)s->at, RWF_NOWAIT);
	bool known = n >= 0 || errno == EAGAIN;

	if (n > 0 || (n == 0 && s->at >= (uint64_t)s->row.size))
		return n;
	do {
		n = pread(s->fd, s->buffer, CHUNK_BYTES, (off_t)s->at);
	} while (n < 0 && errno == EINTR);
	if (n > 0 && known)
		(void)posix_fadvise(s->fd, (off_t)s->at, n, POSIX_FADV_DONTNEED);
	return n;
}

static int begin_blob(struct store_scrub *s, store_verify_f *fn, void *arg, struct store_error *err)
{
	s->at = 0;
	s->fd = store_folder_blob(&s->store->folder, &s->row.digest);
	if (s->fd == -ENOENT) {
		s->fd = -1;
		return end_blob(s, "missing", fn, arg, err);
	}
	if (s->fd < 0) {
		int status = store_status_errno(err, -s->fd, "opening a blob");

		s->fd = -1;
		return status;
	}
	return store_digest_begin(&s->hash, err);
}

/* One chunk further: 1 when there may be more, 0 when the blob is done with, or a status. */
static int read_on(struct store_scrub *s, store_verify_f *fn, void *arg, struct store_error *err)
{
	struct store_hash *hash = s->hash;
	struct store_digest got;
	ssize_t n = read_chunk(s);
	int status;

	if (n < 0)
		return end_blob(s, "damaged: the disk cannot read it", fn, arg, err);
	if (n > 0) {
		s->at += (uint64_t)n;
		s->seen.bytes += (uint64_t)n;
		s->since += (uint64_t)n;
		status = store_digest_add(hash, s->buffer, (size_t)n, err);
		return status == 0 ? 1 : status;
	}
	s->hash = NULL;
	status = store_digest_end(hash, &got, err);
	if (status != 0)
		return status;
	if (store_digest_equal(&got, &s->row.digest))
		return end_blob(s, NULL, fn, arg, err);
	return end_blob(s, "damaged: the content does not match its digest", fn, arg, err);
}

/* ---- steps ---------------------------------------------------------------------------------- */

/* Is a pass?  It may have been begun by a process before this one. */
static bool under_way(const struct store_scrub *s)
{
	return s->seen.began_s != 0 && s->seen.ended_s == 0;
}

/* Is it time for a pass?  A clock that was set back is no reason to wait for years. */
static bool may_begin(const struct store_scrub *s)
{
	int64_t now_s = store_now_s();

	return s->seen.began_s == 0 || now_s < s->seen.began_s ||
	       now_s - s->seen.began_s >= s->rest_s;
}

static int begin_pass(struct store_scrub *s, struct store_error *err)
{
	s->id = 0;
	s->seen.began_s = store_now_s();
	s->seen.ended_s = 0;
	return save(s, err);
}

static int end_pass(struct store_scrub *s, struct store_error *err)
{
	s->id = 0;
	s->seen.ended_s = store_now_s() > 0 ? store_now_s() : 1;
	free(s->buffer);
	s->buffer = NULL;
	return save(s, err);
}

/* The blob that is due, open: 1, 0 when it was done with at once, or a status. */
static int blob_due(struct store_scrub *s, bool *ret_end, store_verify_f *fn, void *arg,
		    struct store_error *err)
{
	int status;

	if (s->fd >= 0)
		return 1;
	status = next_row(s, err);
	*ret_end = status == 0;
	if (status == 1)
		status = begin_blob(s, fn, arg, err);
	if (status != 0)
		return status;
	return s->fd >= 0;
}

static int go_on(struct store_scrub *s, uint64_t bytes, store_verify_f *fn, void *arg,
		 struct store_error *err)
{
	uint64_t spent = 0;
	bool end = false;

	if (s->buffer == NULL)
		s->buffer = malloc(CHUNK_BYTES);
	if (s->buffer == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	while (spent < bytes) {
		uint64_t before = s->seen.bytes;
		int status = blob_due(s, &end, fn, arg, err);

		if (status == 0 && end)
			return end_pass(s, err);
		if (status == 1)
			status = read_on(s, fn, arg, err);
		if (status < 0) {
			leave_blob(s); /* from its beginning, another time */
			return status;
		}
		spent += s->seen.bytes - before + (s->fd < 0 ? BLOB_COST : 0);
	}
	return s->since >= STORE_SCRUB_KEEP ? save(s, err) : 0;
}

int store_scrub_step(struct store_scrub *s, uint64_t bytes, store_verify_f *fn, void *arg,
		     struct store_scrub_state *out, struct store_error *err)
{
	int status = store_writable(s->store, err);

	if (status == 0 && s->id < 0) {
		s->id = 0;
		status = load(s, err);
		if (status != 0)
			s->id = -1;
	}
	if (status != 0)
		return status;
	if (!under_way(s) && may_begin(s))
		status = begin_pass(s, err);
	if (status == 0 && under_way(s))
		status = go_on(s, bytes, fn, arg, err);
	s->seen.resting = !under_way(s);
	*out = s->seen;
	return status;
}
