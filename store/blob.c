/* SPDX-License-Identifier: MIT */
/*
 * blob.c — blobs as wholes: is one stored, store one from a file, walk over
 * all of them.  How one is written piece by piece is writer.c.
 */
#include <config.h>

#include "store/blob.h"
#include "store/map.h"
#include "store/state.h"
#include "store/status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COPY_BYTES = 1024 * 1024 };

bool store_blob_has(struct store *store, const struct store_digest *digest, uint64_t *ret_size)
{
	struct store_conn *conn;
	bool has = false;

	if (store_index_reader(store->index, &conn, NULL) != 0)
		return false;
	if (store_index_row(conn, STMT_BLOB_FIND, ARGS(A_DIGEST(digest)), NULL) == 1) {
		has = store_index_int(conn, STMT_BLOB_FIND, 1) == 0;
		if (has && ret_size != NULL)
			*ret_size = (uint64_t)store_index_int(conn, STMT_BLOB_FIND, 0);
		store_index_stop(conn, STMT_BLOB_FIND);
	}
	store_index_done(store->index, conn);
	return has;
}

int store_blob_stored(struct store *store, struct store_conn *conn,
		      const struct store_digest *digest, uint64_t size, struct store_error *err)
{
	int status = store_index_row(conn, STMT_BLOB_FIND, ARGS(A_DIGEST(digest)), err);
	bool well;

	if (status != 1)
		return status;
	well = (uint64_t)store_index_int(conn, STMT_BLOB_FIND, 0) == size &&
	       store_index_int(conn, STMT_BLOB_FIND, 1) == 0;
	store_index_stop(conn, STMT_BLOB_FIND);
	return well && store_folder_size(&store->folder, digest) == (off_t)size;
}

int store_blob_next(struct store_conn *conn, struct store_blob_page *page, struct store_error *err)
{
	int status;

	page->count = 0;
	store_index_start(conn, STMT_BLOB_AFTER, ARGS(A_INT(page->after), A_INT(STORE_BLOB_PAGE)));
	while ((status = store_index_next(conn, STMT_BLOB_AFTER, err)) == 1) {
		struct store_blob_row *row = &page->rows[page->count++];

		row->id = store_index_int(conn, STMT_BLOB_AFTER, 0);
		row->size = store_index_int(conn, STMT_BLOB_AFTER, 2);
		row->damaged = store_index_int(conn, STMT_BLOB_AFTER, 3) != 0;
		page->after = row->id;
		if (!store_index_digest(conn, STMT_BLOB_AFTER, 1, &row->digest)) {
			store_index_stop(conn, STMT_BLOB_AFTER);
			return store_status_fail(err, STORE_INDEX, NULL);
		}
	}
	return status;
}

/* Everything that ${fd} gives, into ${w}. */
static int copy(int fd, struct store_writer *w, struct store_error *err)
{
	void *buf = malloc(COPY_BYTES);
	int status = 0;

	if (buf == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	for (;;) {
		ssize_t n = read(fd, buf, COPY_BYTES);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			status = store_status_errno(err, errno, "reading the file");
		else if (n > 0)
			status = store_writer_append(w, buf, (size_t)n, err);
		if (n <= 0 || status != 0)
			break;
	}
	free(buf);
	return status;
}

int store_blob_put_fd(struct store *store, int fd, struct store_digest *ret_digest,
		      uint64_t *ret_size, struct store_error *err)
{
	struct store_writer *w;
	int status;

	status = store_writer_open(store, &w, err);
	if (status != 0)
		return status;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* no harm where it means nothing */
	status = copy(fd, w, err);
	if (status != 0) {
		store_writer_abort(w);
		return status;
	}
	return store_writer_commit(w, NULL, ret_digest, ret_size, err);
}

int store_blob_publish(struct store *store, struct store_conn *conn, const char *temp,
		       const struct store_digest *digest, uint64_t size, bool *ret_named,
		       struct store_error *err)
{
	int status = store_folder_publish(&store->folder, temp, digest, err);

	if (status != 0)
		return status;
	if (ret_named != NULL)
		*ret_named = true;
	status = store_index_exec(conn, STMT_BLOB_PUT,
				  ARGS(A_DIGEST(digest), A_INT(size), A_INT(store_now_s())), err);
	if ((status == STORE_FULL || status == STORE_BUSY) &&
	    store_folder_remove(&store->folder, digest) == 0)
		return status;
	if (status != 0)
		store->remains = store->unsettled = true;
	else
		/* whoever mapped a damaged file of this name keeps it; the next maps this */
		store_map_forget(store->maps, digest);
	return status;
}
