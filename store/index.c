/* SPDX-License-Identifier: MIT */
/*
 * index.c — the open index: its connections, who may use one, and what happens
 * when it is lost, held or swapped.  Called by every file of store/ that needs
 * a row.  It must never touch a blob, nor know what a statement is for.
 *
 * Why it is set up as it is: WAL, so that readers on the event loop do not
 * wait for a writer's fsync; synchronous=FULL, so that a commit that returned
 * has survived a power cut; one writer under our own mutex, so that SQLite's
 * lock is never fought for inside the process.
 */
#include <config.h>

#include "store/conn.h"
#include "store/index.h"
#include "store/must.h"
#include "store/status.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	READERS_KEPT = 4, /* idle reading connections that stay open */
	DIR_MAX = 4096,
	URI_MAX = 3 * DIR_MAX + 64,
};

struct store_index {
	char dir[DIR_MAX];
	char uri[URI_MAX];
	bool read_only;
	pthread_mutex_t write_lock; /* guards the next four */
	struct store_conn *writer;  /* NULL when read-only or lost */
	struct store_conn nobody;   /* what is locked instead of it */
	struct store_error refusal; /* what that one says */
	bool held;
	pthread_mutex_t idle_lock; /* guards the next four; never held for long */
	struct store_conn *idle;
	int idle_count, used_count;
	struct store_error closed; /* status 0: readers may come */
	pthread_cond_t unused;     /* used_count became 0 */
	/* what the last statement failed with; 0 once one has succeeded */
	atomic_int read_trouble, write_trouble;
};

#define FILE_NAME "index.sqlite"

/* ---- open, close ------------------------------------------------------------- */

/* `file:` and ${path}, with what a URI gives a meaning escaped (RFC 3986 §2.1). */
static bool make_uri(const char *path, const char *query, char out[URI_MAX])
{
	size_t at = 0;

	at += (size_t)snprintf(out, URI_MAX, "file:");
	for (; *path != '\0'; path++) {
		bool plain = *path != '%' && *path != '?' && *path != '#';
		int n;

		n = snprintf(out + at, URI_MAX - at, plain ? "%c" : "%%%02x",
			     (unsigned)(unsigned char)*path);
		at += (size_t)n;
		if (at + strlen(query) + 1 > URI_MAX)
			return false;
	}
	snprintf(out + at, URI_MAX - at, "%s", query);
	return true;
}

/*
 * Where the index is.  A store that is only read, and that nobody has open
 * (there is no WAL then), is opened as immutable: SQLite would otherwise want
 * to create files beside it, which a read-only folder does not allow.
 */
static int locate(struct store_index *index, const char *dir, const char *name,
		  struct store_error *err)
{
	char file[DIR_MAX + 64];
	char wal[sizeof(file) + 8];
	int n = snprintf(file, sizeof(file), "%s/%s", dir, name);
	bool alone;

	if (n < 0 || (size_t)n >= sizeof(file) || strlen(dir) >= DIR_MAX)
		return store_status_fail(err, STORE_INVALID,
					 "the name of the state folder is too long");
	memcpy(index->dir, dir, strlen(dir) + 1);
	snprintf(wal, sizeof(wal), "%s-wal", file);
	if (index->read_only && access(file, F_OK) != 0)
		return store_status_fail(err, STORE_NOT_FOUND,
					 "there is no store in the state folder");
	alone = index->read_only && access(wal, F_OK) != 0;
	if (!make_uri(file, alone ? "?immutable=1" : "", index->uri))
		return store_status_fail(err, STORE_INVALID,
					 "the name of the state folder is too long");
	return 0;
}

static int open_conn(struct store_index *index, bool writer, struct store_conn **out,
		     struct store_error *err)
{
	int status = store_conn_open(index->uri, writer, out, err);

	if (status == 0) {
		(*out)->refusal = &index->refusal;
		(*out)->trouble = writer ? &index->write_trouble : &index->read_trouble;
	}
	return status;
}

static int open_first(struct store_index *index, struct store_error *err)
{
	struct store_conn *conn;
	int status = open_conn(index, !index->read_only, &conn, err);

	if (status != 0)
		return status;
	if (index->read_only) {
		index->idle = conn;
		index->idle_count = 1;
	} else {
		index->writer = conn;
	}
	status = store_conn_migrate(conn, err);
	if (status == 0)
		status = store_conn_prepare(conn, err);
	return status;
}

/* An index without connections. */
static int index_new(const char *dir, const char *name, bool read_only, struct store_index **out,
		     struct store_error *err)
{
	struct store_index *index = calloc(1, sizeof(*index));
	int status;

	if (index == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	index->read_only = read_only;
	index->nobody = (struct store_conn){
	    .refusal = &index->refusal, .trouble = &index->write_trouble, .writer = true};
	(void)store_status_fail(&index->refusal, STORE_READONLY, NULL);
	pthread_mutex_init(&index->write_lock, NULL);
	pthread_mutex_init(&index->idle_lock, NULL);
	pthread_cond_init(&index->unused, NULL);
	status = locate(index, dir, name, err);
	if (status != 0) {
		store_index_close(index);
		return status;
	}
	*out = index;
	return 0;
}

/* The connections that should be there from the start. */
static int open_conns(struct store_index *index, struct store_error *err)
{
	struct store_conn *reader;
	int status = open_first(index, err);

	/* the first read should not have to open its connection */
	if (status == 0)
		status = store_index_reader(index, &reader, err);
	if (status == 0)
		/* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): 0 says that there is one */
		store_index_done(index, reader);
	return status;
}

static int open_as(const char *dir, const char *name, bool read_only, struct store_index **out,
		   struct store_error *err)
{
	struct store_index *index;
	int status = index_new(dir, name, read_only, &index, err);

	if (status != 0)
		return status;
	/* fanalyzer-suppress use-of-uninitialized-value: 0 says that there is one */
	status = open_conns(index, err);
	if (status != 0) {
		store_index_close(index);
		return status;
	}
	*out = index;
	return 0;
}

int store_index_open(const char *dir, bool read_only, struct store_index **out,
		     struct store_error *err)
{
	return open_as(dir, FILE_NAME, read_only, out, err);
}

int store_index_fresh(const struct store_index *index, const char *name, struct store_index **out,
		      struct store_error *err)
{
	return open_as(index->dir, name, false, out, err);
}

static void disconnect(struct store_index *index)
{
	while (index->idle != NULL) {
		struct store_conn *conn = index->idle;

		index->idle = conn->next;
		store_conn_free(conn);
	}
	index->idle_count = 0;
	store_conn_free(index->writer); /* the last one: it folds the WAL into the index */
	index->writer = NULL;
}

void store_index_close(struct store_index *index)
{
	if (index == NULL)
		return;
	disconnect(index);
	pthread_cond_destroy(&index->unused);
	pthread_mutex_destroy(&index->write_lock);
	pthread_mutex_destroy(&index->idle_lock);
	free(index);
}

/* ---- lost, held, swapped ------------------------------------------------------- */

/* With the writer locked: from now on readers fail with ${why}; wait for those there are. */
static void close_door(struct store_index *index, const struct store_error *why)
{
	pthread_mutex_lock(&index->idle_lock);
	index->closed = *why;
	while (index->used_count > 0)
		pthread_cond_wait(&index->unused, &index->idle_lock);
	pthread_mutex_unlock(&index->idle_lock);
}

static void open_door(struct store_index *index)
{
	pthread_mutex_lock(&index->idle_lock);
	index->closed.status = 0;
	pthread_mutex_unlock(&index->idle_lock);
}

int store_index_lost(const char *dir, bool read_only, const struct store_error *why,
		     struct store_index **out, struct store_error *err)
{
	int status = index_new(dir, FILE_NAME, false, out, err);

	if (status != 0)
		return status;
	(*out)->read_only = read_only;
	(*out)->refusal = (*out)->closed = *why;
	return 0;
}

bool store_index_is_lost(struct store_index *index, struct store_error *why)
{
	bool lost;

	pthread_mutex_lock(&index->idle_lock);
	lost = index->closed.status != 0;
	if (lost && why != NULL)
		*why = index->closed;
	pthread_mutex_unlock(&index->idle_lock);
	return lost;
}

bool store_index_hold(struct store_index *index, int status, const char *text)
{
	bool mine;

	pthread_mutex_lock(&index->write_lock);
	mine = !index->held;
	index->held = true;
	if (mine)
		(void)store_status_fail(&index->refusal, status, "%s", text);
	pthread_mutex_unlock(&index->write_lock);
	return mine;
}

void store_index_release(struct store_index *index)
{
	pthread_mutex_lock(&index->write_lock);
	index->held = false;
	if (index->writer == NULL && index->closed.status != 0)
		index->refusal = index->closed;
	pthread_mutex_unlock(&index->write_lock);
}

int store_index_swap(struct store_index *index, bool read_only, store_index_swap_f *fn, void *arg,
		     struct store_error *err)
{
	struct store_error why;
	int failed, status;

	(void)store_status_fail(&why, STORE_BUSY, "the index is being replaced");
	pthread_mutex_lock(&index->write_lock);
	close_door(index, &why);
	disconnect(index);
	failed = fn == NULL ? 0 : fn(arg, err);
	index->read_only = read_only;
	status = locate(index, index->dir, FILE_NAME, &why);
	open_door(index);
	if (status == 0)
		status = open_conns(index, &why);
	atomic_store(&index->read_trouble, 0);
	atomic_store(&index->write_trouble, 0);
	if (status != 0) {
		close_door(index, &why);
		disconnect(index);
		index->refusal = why;
	}
	pthread_mutex_unlock(&index->write_lock);
	if (failed == 0 && status != 0)
		return store_status_fail(err, status, "%s", why.text);
	return failed;
}

static void fill_trouble(int status, struct store_error *out)
{
	if (status != 0)
		(void)store_status_fail(out, status, NULL);
	else
		*out = (struct store_error){.status = 0};
}

void store_index_trouble(struct store_index *index, struct store_error *read,
			 struct store_error *write)
{
	fill_trouble(atomic_load(&index->read_trouble), read);
	fill_trouble(atomic_load(&index->write_trouble), write);
}

/* ---- who may use a connection ------------------------------------------------ */

struct store_conn *store_index_lock(struct store_index *index)
{
	pthread_mutex_lock(&index->write_lock);
	return index->writer == NULL || index->held ? &index->nobody : index->writer;
}

void store_index_unlock(struct store_index *index)
{
	must(index->writer == NULL || sqlite3_get_autocommit(index->writer->db));
	pthread_mutex_unlock(&index->write_lock);
}

int store_index_begin(struct store_conn *conn, struct store_error *err)
{
	return store_index_exec(conn, conn->writer ? STMT_BEGIN_WRITE : STMT_BEGIN, NO_ARGS, err);
}

int store_index_commit(struct store_conn *conn, struct store_error *err)
{
	int status = store_index_exec(conn, STMT_COMMIT, NO_ARGS, err);

	if (status != 0)
		store_index_rollback(conn);
	return status;
}

void store_index_rollback(struct store_conn *conn)
{
	/* SQLite rolls back by itself after some errors; then there is nothing left to do. */
	if (conn->db == NULL || sqlite3_get_autocommit(conn->db))
		return;
	sqlite3_step(conn->stmt[STMT_ROLLBACK]);
	sqlite3_reset(conn->stmt[STMT_ROLLBACK]);
	must(sqlite3_get_autocommit(conn->db));
}

/* A reader is done; its connection is kept if there is room.  NULL: it had none. */
static void leave(struct store_index *index, struct store_conn *conn)
{
	bool keep;

	pthread_mutex_lock(&index->idle_lock);
	keep = conn != NULL && index->idle_count < READERS_KEPT && index->closed.status == 0;
	if (keep) {
		conn->next = index->idle;
		index->idle = conn;
		index->idle_count++;
	}
	pthread_mutex_unlock(&index->idle_lock);
	if (!keep) /* before it is counted off: a swap waits for all to be closed */
		store_conn_free(conn);
	pthread_mutex_lock(&index->idle_lock);
	if (--index->used_count == 0)
		pthread_cond_signal(&index->unused);
	pthread_mutex_unlock(&index->idle_lock);
}

static int open_reader(struct store_index *index, struct store_conn **out, struct store_error *err)
{
	struct store_conn *conn;
	int status = open_conn(index, false, &conn, err);

	if (status != 0)
		return status;
	status = store_conn_prepare(conn, err);
	if (status == 0)
		*out = conn;
	else
		store_conn_free(conn);
	return status;
}

int store_index_reader(struct store_index *index, struct store_conn **out, struct store_error *err)
{
	struct store_conn *conn;
	int status;

	pthread_mutex_lock(&index->idle_lock);
	if (index->closed.status != 0) {
		status = store_status_fail(err, index->closed.status, "%s", index->closed.text);
		pthread_mutex_unlock(&index->idle_lock);
		return status;
	}
	index->used_count++;
	conn = index->idle;
	if (conn != NULL) {
		index->idle = conn->next;
		index->idle_count--;
	}
	pthread_mutex_unlock(&index->idle_lock);
	status = conn == NULL ? open_reader(index, &conn, err) : 0;
	if (status == 0)
		status = store_index_begin(conn, err);
	if (status != 0) {
		store_conn_free(conn); /* it may be what is wrong */
		leave(index, NULL);
		return status;
	}
	*out = conn;
	return 0;
}

void store_index_done(struct store_index *index, struct store_conn *conn)
{
	store_index_rollback(conn); /* nothing was written: it only ends */
	leave(index, conn);
}
