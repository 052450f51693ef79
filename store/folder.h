/* SPDX-License-Identifier: MIT */
/*
 * folder.h — the state folder as files: the lock, the blobs, the temporaries.
 * Everything below it is reached by descriptors, so no path is ever built.
 */
#ifndef LARDER_STORE_FOLDER_H
#define LARDER_STORE_FOLDER_H

#include "store/store.h"

#include <sys/types.h>

/* The folders of manifests, which are small files beside the blobs (manifest.h). */
enum store_shelf { STORE_SHELF_SNAPSHOTS, STORE_SHELF_MODELS, STORE_SHELVES };

struct store_folder {
	int dir, blobs, tmp, lock; /* descriptors; -1 where there is none */
	int shelf[STORE_SHELVES];
	bool made; /* folders that may not be on the disk yet */
};

#define STORE_TEMP_NAME 24 /* bytes of a temporary's name, with the NUL */

/*
 * store_folder_open(dir, read_only, f, err): create what is missing and take
 * the lock; STORE_LOCKED when another process has it.  Read-only takes no lock
 * and creates nothing.
 */
int store_folder_open(const char *dir, bool read_only, struct store_folder *f,
		      struct store_error *err) STORE_MUST_CHECK;
void store_folder_close(struct store_folder *f);
/*
 * store_folder_sync_roots(f, err): the folders are on the disk: those that were made, and those of
 * an earlier process, which may have been killed before it said so.
 */
int store_folder_sync_roots(const struct store_folder *f, struct store_error *err) STORE_MUST_CHECK;

/* store_folder_temp: a new empty file in tmp/, open for writing. */
int store_folder_temp(const struct store_folder *f, char name[STORE_TEMP_NAME], int *ret_fd,
		      struct store_error *err) STORE_MUST_CHECK;
void store_folder_drop_temp(const struct store_folder *f, const char *name);
/*
 * store_folder_publish(f, name, digest, err): give a temporary, whose bytes
 * are on the disk, the name of a blob, and bring that name to the disk too.
 * On failure neither exists.  One thread at a time.
 */
int store_folder_publish(const struct store_folder *f, const char *name,
			 const struct store_digest *digest,
			 struct store_error *err) STORE_MUST_CHECK;
/* store_folder_blob: a blob open for reading, or -errno. */
int store_folder_blob(const struct store_folder *f, const struct store_digest *digest);
/* store_folder_size: the size of a blob's file in bytes, or -errno. */
off_t store_folder_size(const struct store_folder *f, const struct store_digest *digest);
/* store_folder_is: is ${fd}, from store_folder_blob, still the file of that blob? */
bool store_folder_is(const struct store_folder *f, const struct store_digest *digest, int fd);
/* store_folder_remove: 0 or -errno. */
int store_folder_remove(const struct store_folder *f, const struct store_digest *digest);

/* store_folder_clear_tmp(f): remove every temporary. */
int store_folder_clear_tmp(const struct store_folder *f, struct store_error *err) STORE_MUST_CHECK;

/*
 * store_folder_check_index(f, err): STORE_INDEX when there are blobs or
 * manifests but no index, or an empty file in its place: that is no new store,
 * and nothing of it may be swept away.
 */
int store_folder_check_index(const struct store_folder *f,
			     struct store_error *err) STORE_MUST_CHECK;

/* ---- manifests --------------------------------------------------------------------- */

/*
 * store_folder_keep(f, shelf, name, data, size, synced, err): a manifest, in
 * the order of steps of a blob: temporary, fsync, rename over what was there,
 * fsync of the folder.  With ${synced} false both fsyncs are left to
 * store_folder_sync.  One thread at a time.
 */
int store_folder_keep(const struct store_folder *f, enum store_shelf shelf, const char *name,
		      const void *data, size_t size, bool synced,
		      struct store_error *err) STORE_MUST_CHECK;
/* store_folder_sync(f, err): the whole file system of the state folder, to the disk. */
int store_folder_sync(const struct store_folder *f, struct store_error *err) STORE_MUST_CHECK;
/*
 * store_folder_read(f, shelf, name, ret_data, ret_size, err): a whole manifest
 * and a NUL, to be freed by the caller.  STORE_NOT_FOUND; STORE_DAMAGED when it
 * is larger than any that was written.
 */
int store_folder_read(const struct store_folder *f, enum store_shelf shelf, const char *name,
		      char **ret_data, size_t *ret_size, struct store_error *err) STORE_MUST_CHECK;
/* store_folder_holds: is there a regular file of that name? */
bool store_folder_holds(const struct store_folder *f, enum store_shelf shelf, const char *name);
/*
 * store_folder_lose(f, shelf, name): a manifest that the disk does not give now
 * becomes ${name}.lost, which nobody removes.  store_folder_unlose: all such
 * get their names back where these are free.
 */
void store_folder_lose(const struct store_folder *f, enum store_shelf shelf, const char *name);
int store_folder_unlose(const struct store_folder *f, enum store_shelf shelf,
			struct store_error *err) STORE_MUST_CHECK;
/*
 * store_folder_discard: 0, also when there was none, or -errno.  That it is
 * gone is for store_folder_settle to bring to the disk.
 */
int store_folder_discard(const struct store_folder *f, enum store_shelf shelf, const char *name);
int store_folder_settle(const struct store_folder *f, enum store_shelf shelf); /* 0 or -errno */
/*
 * store_folder_walk(f, shelf, fn, arg, err): fn(arg, name, err) for every
 * entry, in no order; what is not 0 ends the walk.  ${fn} may remove the entry.
 */
typedef int store_folder_f(void *arg, const char *name, struct store_error *err);
int store_folder_walk(const struct store_folder *f, enum store_shelf shelf, store_folder_f *fn,
		      void *arg, struct store_error *err) STORE_MUST_CHECK;

/*
 * store_folder_new_index(f, name, err): tmp/${name}, a whole index on the disk
 * that nobody has open, becomes index.sqlite; the old one with its WAL is set
 * aside.
 */
int store_folder_new_index(const struct store_folder *f, const char *name,
			   struct store_error *err) STORE_MUST_CHECK;

/* ---- listing blobs ------------------------------------------------------------------- */

/* What one of the 256 folders of blobs/ holds: digests in ascending order. */
struct store_folder_list {
	struct store_digest *digests;
	size_t count;
};
/*
 * store_folder_list(f, ab, out, err): every regular file in folder ${ab}
 * (0–255) that is named as a blob; none when there is no such folder.  The
 * caller gives it to store_folder_list_free.
 */
int store_folder_list(const struct store_folder *f, unsigned ab, struct store_folder_list *out,
		      struct store_error *err) STORE_MUST_CHECK;
void store_folder_list_free(struct store_folder_list *list);

#endif
