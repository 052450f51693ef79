/* SPDX-License-Identifier: MIT */
/*
 * rebuild.c — an index made again from blobs and manifests.  Called by the
 * administration when the index is lost or damaged.  It must never name bytes
 * that it has not hashed, and never touch what there is before the new index
 * is whole and on the disk.
 *
 * The new index is put together in tmp/ while nobody can write to the old one.
 * Every file in blobs/ is read and becomes a row; then every model's manifest
 * is read, and for each of its snapshots the list of files.
 */
#include <config.h>

#include "store/digest.h"
#include "store/index.h"
#include "store/manifest.h"
#include "store/manifest_text.h"
#include "store/map.h"
#include "store/state.h"
#include "store/status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FRESH_NAME "rebuild.sqlite" /* in tmp/ */

struct run {
	struct store *store;
	struct store_index *index; /* the new one */
	struct store_conn *conn;   /* its writer, locked */
	store_verify_f *fn;        /* may be NULL */
	void *arg;
	const atomic_bool *stop; /* may be NULL */
	uint64_t bad_models;     /* manifests of models that cannot be read */
	struct store_rebuild seen;
};

static int tell(struct run *run, const struct store_digest *digest, const char *what)
{
	return run->fn == NULL ? 0 : run->fn(run->arg, digest, what);
}

/* ---- blobs ------------------------------------------------------------------------ */

/* Hash one file.  ${*ret_what}: what is wrong with it, NULL when it is well. */
static int judge(int fd, const struct store_digest *want, const atomic_bool *stop,
		 uint64_t *ret_size, const char **ret_what, struct store_error *err)
{
	struct store_digest got;
	struct stat st;
	int status;

	*ret_what = NULL;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	status = store_digest_of_fd(fd, stop, &got, ret_size, err);
	if (status == STORE_IO) {
		*ret_size = fstat(fd, &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size : 0;
		*ret_what = "damaged: the disk cannot read it";
		return 0;
	}
	if (status == 0 && !store_digest_equal(want, &got))
		*ret_what = "damaged: the content does not match its digest";
	return status;
}

static int add_blob(struct run *run, const struct store_digest *digest, struct store_error *err)
{
	int fd = store_folder_blob(&run->store->folder, digest);
	const char *what = NULL;
	uint64_t size = 0;
	int status;

	if (fd == -ENOENT)
		return 0; /* removed since the folder was read */
	if (fd < 0)
		return store_status_errno(err, -fd, "opening a blob");
	status = judge(fd, digest, run->stop, &size, &what, err);
	close(fd);
	if (status == 0)
		status = store_index_exec(
		    run->conn, STMT_REBUILD_BLOB,
		    ARGS(A_DIGEST(digest), A_INT(size), A_INT(what != NULL), A_INT(store_now_s())),
		    err);
	if (status != 0)
		return status;
	run->seen.blobs++;
	run->seen.bytes += size;
	if (what == NULL)
		return 0;
	run->seen.damaged++;
	store_map_forget(run->store->maps, digest);
	return tell(run, digest, what);
}

/* One of the 256 folders of blobs. */
static int add_folder(struct run *run, unsigned ab, struct store_error *err)
{
	struct store_folder_list list;
	int status = store_folder_list(&run->store->folder, ab, &list, err);

	if (status != 0)
		return status;
	status = store_index_begin(run->conn, err);
	for (size_t i = 0; status == 0 && i < list.count; i++)
		status = add_blob(run, &list.digests[i], err);
	store_folder_list_free(&list);
	if (status == 0)
		return store_index_commit(run->conn, err);
	store_index_rollback(run->conn);
	return status;
}

/* ---- snapshots --------------------------------------------------------------------- */

/* One snapshot while its list is read. */
struct list {
	struct run *run;
	int64_t id;
	uint64_t file_count, size_bytes;
};

static int count_file(void *arg, const struct store_file_info *info, struct store_error *err)
{
	struct list *list = arg;

	list->file_count++;
	if (__builtin_add_overflow(list->size_bytes, info->size, &list->size_bytes) ||
	    list->size_bytes > INT64_MAX)
		return store_status_fail(err, STORE_DAMAGED, "a manifest is damaged");
	return 0;
}

static int add_file(void *arg, const struct store_file_info *info, struct store_error *err)
{
	struct list *list = arg;
	struct run *run = list->run;
	int status;

	status = store_index_exec(run->conn, STMT_REBUILD_MISSING,
				  ARGS(A_DIGEST(&info->digest), A_INT(info->size)), err);
	if (status == 0 && store_index_changes(run->conn) > 0) {
		run->seen.missing++;
		status = tell(run, &info->digest, "missing");
	}
	if (status != 0)
		return status;
	run->seen.files++;
	return store_index_exec(run->conn, STMT_REBUILD_FILE,
				ARGS(A_INT(list->id), A_TEXT(info->path), A_DIGEST(&info->digest)),
				err);
}

/* A manifest that cannot be read is no reason to give up; 0 then, with *ret_data NULL. */
static int read_manifest(struct run *run, enum store_shelf shelf, const char *name, char **ret_data,
			 size_t *ret_size, struct store_error *err)
{
	int status = store_folder_read(&run->store->folder, shelf, name, ret_data, ret_size, err);

	if (status == 0)
		return 0;
	*ret_data = NULL;
	if (status == STORE_IO) /* another time, perhaps */
		store_folder_lose(&run->store->folder, shelf, name);
	else if (status != STORE_NOT_FOUND && status != STORE_DAMAGED)
		return status;
	return 0;
}

/* A snapshot of the model; 0 also when its list is lost, which is counted. */
static int add_snapshot(struct run *run, int64_t model, const char *commit, int64_t made_s,
			int64_t *ret_id, struct store_error *err)
{
	struct list list = {.run = run};
	char *data = NULL;
	size_t size = 0;
	int status;

	*ret_id = 0;
	status = read_manifest(run, STORE_SHELF_SNAPSHOTS, commit, &data, &size, err);
	if (status == 0 && data != NULL)
		status = store_manifest_files(data, size, commit, count_file, &list, err);
	if (status == STORE_DAMAGED || (status == 0 && list.file_count == 0)) {
		run->seen.lost++;
		free(data);
		return 0;
	}
	if (status == 0)
		status = store_index_exec(run->conn, STMT_SNAPSHOT_PUT,
					  ARGS(A_INT(model), A_TEXT(commit), A_INT(made_s),
					       A_INT(list.file_count), A_INT(list.size_bytes)),
					  err);
	list.id = store_index_last_id(run->conn);
	if (status == 0)
		status = store_manifest_files(data, size, commit, add_file, &list, err);
	free(data);
	if (status != 0)
		return status;
	run->seen.snapshots++;
	*ret_id = list.id;
	return 0;
}

/* ---- models ------------------------------------------------------------------------- */

/* One model while its manifest is read. */
struct model {
	struct run *run;
	int64_t id;
	bool pinned;
};

/* The snapshot of a model with that commit: 1 and its id, 0, or a status. */
static int find_snapshot(struct run *run, int64_t model, const char *commit, int64_t *ret_id,
			 struct store_error *err)
{
	char after[STORE_COMMIT_HEX + 2];
	int status;

	snprintf(after, sizeof(after), "%sg", commit);
	status = store_index_row(run->conn, STMT_SNAPSHOT_BETWEEN,
				 ARGS(A_INT(model), A_TEXT(commit), A_TEXT(after)), err);
	if (status == 1) {
		*ret_id = store_index_int(run->conn, STMT_SNAPSHOT_BETWEEN, 0);
		store_index_stop(run->conn, STMT_SNAPSHOT_BETWEEN);
	}
	return status;
}

static int add_revision(struct run *run, int64_t model, const char *revision, const char *commit,
			struct store_error *err)
{
	int64_t id;
	int status = find_snapshot(run, model, commit, &id, err);

	if (status == 0)
		run->seen.lost++;
	if (status != 1)
		return status;
	return store_index_exec(run->conn, STMT_REVISION_PUT,
				ARGS(A_INT(model), A_TEXT(revision), A_INT(id)), err);
}

static int add_line(void *arg, const struct store_manifest_line *line, struct store_error *err)
{
	struct model *m = arg;
	int64_t id;

	switch (line->kind) {
	case STORE_LINE_PINNED:
		m->pinned = true;
		return 0;
	case STORE_LINE_SNAPSHOT:
		return add_snapshot(m->run, m->id, line->commit, line->made_s, &id, err);
	case STORE_LINE_REVISION:
		return add_revision(m->run, m->id, line->revision, line->commit, err);
	}
	return 0;
}

static int no_line(void *arg, const struct store_manifest_line *line, struct store_error *err)
{
	(void)arg;
	(void)line;
	(void)err;
	return 0;
}

/* A model without a snapshot left is none. */
static int end_model(struct run *run, const struct model *m, const char *name,
		     struct store_error *err)
{
	int status = store_index_row(run->conn, STMT_SNAPSHOT_OF, ARGS(A_INT(m->id)), err);

	if (status == 0)
		return store_index_exec(run->conn, STMT_MODEL_DROP, ARGS(A_INT(m->id)), err);
	if (status != 1)
		return status;
	store_index_stop(run->conn, STMT_SNAPSHOT_OF);
	run->seen.models++;
	if (!m->pinned)
		return 0;
	return store_index_exec(run->conn, STMT_MODEL_PIN, ARGS(A_TEXT(name), A_INT(1)), err);
}

/* What the manifest ${data} says, in the transaction that the caller began. */
static int read_model(struct run *run, const char *file, const char *data, size_t size,
		      struct store_error *err)
{
	char name[STORE_NAME_MAX + 1], right[STORE_DIGEST_HEX + 1];
	struct model m = {.run = run};
	int status = store_manifest_model(data, size, name, no_line, NULL, err);

	if (status == 0)
		status = store_manifest_text_name(name, right, err);
	if (status == 0 && strcmp(right, file) != 0)
		status = store_status_fail(err, STORE_DAMAGED, "a manifest is damaged");
	if (status != 0)
		return status;
	status = store_index_exec(run->conn, STMT_MODEL_PUT, ARGS(A_TEXT(name)), err);
	m.id = store_index_last_id(run->conn);
	if (status == 0)
		status = store_manifest_model(data, size, name, add_line, &m, err);
	return status == 0 ? end_model(run, &m, name, err) : status;
}

static int read_in_transaction(struct run *run, const char *file, const char *data, size_t size,
			       struct store_error *err)
{
	int status = store_index_begin(run->conn, err);

	if (status != 0)
		return status;
	status = read_model(run, file, data, size, err);
	if (status == 0)
		return store_index_commit(run->conn, err);
	store_index_rollback(run->conn);
	return status;
}

/* One file of models/. */
static int add_model(void *arg, const char *file, struct store_error *err)
{
	struct run *run = arg;
	struct store_digest digest;
	char *data = NULL;
	size_t size = 0;
	int status;

	if (!store_digest_parse(file, strlen(file), &digest))
		return 0; /* none of ours */
	status = read_manifest(run, STORE_SHELF_MODELS, file, &data, &size, err);
	if (status == 0 && data != NULL)
		status = read_in_transaction(run, file, data, size, err);
	if (status == STORE_DAMAGED || (status == 0 && data == NULL)) {
		run->bad_models++;
		run->seen.lost++;
		status = 0;
	}
	free(data);
	return status;
}

/* A list of files whose model cannot be told any more gets a name of its own. */
static int recover_snapshot(void *arg, const char *file, struct store_error *err)
{
	struct run *run = arg;
	char name[32];
	int64_t id = 0;
	int status;

	if (!store_manifest_is_commit(file))
		return 0;
	status = store_index_row(run->conn, STMT_SNAPSHOT_OF_COMMIT, ARGS(A_TEXT(file)), err);
	if (status == 1)
		store_index_stop(run->conn, STMT_SNAPSHOT_OF_COMMIT);
	if (status != 0)
		return status < 0 ? status : 0;
	snprintf(name, sizeof(name), "recovered/%.12s", file);
	status = store_index_begin(run->conn, err);
	if (status != 0)
		return status;
	status = store_index_exec(run->conn, STMT_MODEL_PUT, ARGS(A_TEXT(name)), err);
	if (status == 0) {
		int64_t model = store_index_last_id(run->conn);

		status = add_snapshot(run, model, file, store_now_s(), &id, err);
		if (status == 0 && id == 0)
			status = STORE_DAMAGED;
		if (status == 0)
			status = add_revision(run, model, "main", file, err);
	}
	if (status == 0)
		status = store_index_commit(run->conn, err);
	else
		store_index_rollback(run->conn);
	if (status == STORE_DAMAGED)
		return 0; /* counted as lost */
	run->seen.recovered++;
	return status;
}

/* ---- all of it ------------------------------------------------------------------------ */

static int fill(struct run *run, struct store_error *err)
{
	const struct store_folder *f = &run->store->folder;
	int status = 0;

	for (unsigned ab = 0; status == 0 && ab < 256; ab++)
		status = add_folder(run, ab, err);
	for (int i = 0; status == 0 && i < STORE_SHELVES; i++)
		status = store_folder_unlose(f, (enum store_shelf)i, err);
	if (status == 0)
		status = store_folder_walk(f, STORE_SHELF_MODELS, add_model, run, err);
	/* the manifests that were read are as they should be; those made up now are not there yet
	 */
	if (status == 0)
		status = store_index_exec(run->conn, STMT_STALE_CLEAR, NO_ARGS, err);
	if (status == 0 && run->bad_models > 0)
		status = store_folder_walk(f, STORE_SHELF_SNAPSHOTS, recover_snapshot, run, err);
	if (status == 0)
		status = store_index_exec(run->conn, STMT_REBUILD_UNCLAIM, NO_ARGS, err);
	return status;
}

static void drop_fresh(struct store *store)
{
	store_folder_drop_temp(&store->folder, FRESH_NAME);
	store_folder_drop_temp(&store->folder, FRESH_NAME "-wal");
	store_folder_drop_temp(&store->folder, FRESH_NAME "-shm");
}

/*
 * SQLite says nothing when it closes; a WAL that is still there holds what it
 * could not write into the index.
 */
static int sync_fresh(struct store *store, struct store_error *err)
{
	int fd = openat(store->folder.tmp, FRESH_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	int status = 0;

	if (fd < 0 || fsync(fd) != 0)
		status = store_status_errno(err, errno, "syncing the new index");
	else if (fstatat(store->folder.tmp, FRESH_NAME "-wal", &st, AT_SYMLINK_NOFOLLOW) == 0 ||
		 errno != ENOENT)
		status = store_status_fail(err, STORE_IO, "the new index could not be completed");
	if (fd >= 0)
		close(fd);
	return status;
}

/* The new index, whole, closed and on the disk. */
static int make_fresh(struct run *run, struct store_error *err)
{
	int status;

	drop_fresh(run->store);
	status = store_index_fresh(run->store->index, "tmp/" FRESH_NAME, &run->index, err);
	if (status != 0)
		return status;
	run->conn = store_index_lock(run->index);
	status = fill(run, err);
	store_index_unlock(run->index);
	store_index_close(run->index);
	return status == 0 ? sync_fresh(run->store, err) : status;
}

/* While nobody has the index open: the files change places, and what is known of the old one goes.
 */
static int put_in_place(void *arg, struct store_error *err)
{
	struct store *store = arg;
	int status = store_folder_new_index(&store->folder, FRESH_NAME, err);

	if (status == 0)
		store->dirty = store->remains = store->unsettled = false;
	return status;
}

int store_rebuild(struct store *store, store_verify_f *fn, void *arg, const atomic_bool *stop,
		  struct store_rebuild *out, struct store_error *err)
{
	struct run run = {.store = store, .fn = fn, .arg = arg, .stop = stop};
	int status = store_writable(store, err);

	if (status != 0)
		return status;
	if (!store_index_hold(store->index, STORE_BUSY, "the index is being made again"))
		return store_status_fail(err, STORE_BUSY, "the index is being made again already");
	status = make_fresh(&run, err);
	if (status == 0)
		status = store_index_swap(store->index, false, put_in_place, store, err);
	store_index_release(store->index);
	if (status != 0)
		drop_fresh(store);
	atomic_fetch_add(&store->generation, 1);
	if (status != 0)
		return status;
	*out = run.seen;
	/* manifests of what was recovered; what cannot be written now stays noted for later */
	status = store_manifest_settle(store, NULL);
	(void)status;
	return 0;
}
