/* SPDX-License-Identifier: MIT */
/*
 * folder.c — the state folder as files.  Called by writer.c, map.c, fsck.c,
 * verify.c and collect.c; it is the only file that creates, renames or removes
 * anything below blobs/ and tmp/.  It knows nothing of the index.
 *
 * A name is durable only when its folder was fsynced: the folder of a blob
 * after each rename, blobs/ after each new folder in it, and once more when
 * the store is opened, for what a killed process may have left unsynced.
 */
#include <config.h>

#include "store/folder.h"
#include "store/status.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

/* `ab/abcd…`, relative to blobs/; the first two digits alone are the folder. */
struct blob_name {
	char hex[STORE_DIGEST_HEX + 1];
	char folder[3];
	char path[3 + STORE_DIGEST_HEX + 1];
};

static void name_blob(const struct store_digest *digest, struct blob_name *out)
{
	store_digest_hex(digest, out->hex);
	snprintf(out->folder, sizeof(out->folder), "%.2s", out->hex);
	snprintf(out->path, sizeof(out->path), "%.2s/%s", out->hex, out->hex);
}

static const char *const shelf_names[STORE_SHELVES] = {"snapshots", "models"};

/* ---- open, close ------------------------------------------------------------- */

/* A folder below ${at}, made when it is missing and ${made} is not NULL; then that becomes true. */
static int open_folder(int at, const char *name, bool *made, const char *what, int *out,
		       struct store_error *err)
{
	int fd;

	if (made != NULL && mkdirat(at, name, 0700) == 0)
		*made = true;
	else if (made != NULL && errno != EEXIST)
		return store_status_errno(err, errno, what);
	fd = openat(at, name, FOLDER_FLAGS);
	if (fd < 0)
		return store_status_errno(err, errno, what);
	*out = fd;
	return 0;
}

static int take_lock(struct store_folder *f, struct store_error *err)
{
	f->lock = openat(f->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->lock < 0 && (errno == EACCES || errno == EPERM))
		return store_status_fail(err, STORE_READONLY, NULL);
	if (f->lock < 0)
		return store_status_errno(err, errno, "opening the lock of the state folder");
	if (flock(f->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return store_status_fail(err, STORE_LOCKED, NULL);
	return store_status_errno(err, errno, "locking the state folder");
}

int store_folder_open(const char *dir, bool read_only, struct store_folder *f,
		      struct store_error *err)
{
	bool *made = read_only ? NULL : &f->made;
	int status;

	*f = (struct store_folder){-1, -1, -1, -1, {-1, -1}, false};
	status = open_folder(AT_FDCWD, dir, made, "opening the state folder", &f->dir, err);
	if (status == 0 && !read_only)
		status = take_lock(f, err);
	if (status == 0)
		status = open_folder(f->dir, "blobs", made, "opening the folder of blobs",
				     &f->blobs, err);
	if (status == 0 && !read_only)
		status =
		    open_folder(f->dir, "tmp", made, "opening the temporary folder", &f->tmp, err);
	for (int i = 0; status == 0 && !read_only && i < STORE_SHELVES; i++)
		status = open_folder(f->dir, shelf_names[i], made, "opening a folder of manifests",
				     &f->shelf[i], err);
	if (status != 0)
		store_folder_close(f);
	return status;
}

int store_folder_sync_roots(const struct store_folder *f, struct store_error *err)
{
	if (fsync(f->blobs) != 0 || fsync(f->dir) != 0)
		return store_status_errno(err, errno, "syncing the state folder");
	return 0;
}

void store_folder_close(struct store_folder *f)
{
	int *fds[] = {&f->shelf[0], &f->shelf[1], &f->tmp, &f->blobs, &f->dir, &f->lock};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

/* ---- temporaries --------------------------------------------------------------- */

int store_folder_temp(const struct store_folder *f, char name[STORE_TEMP_NAME], int *ret_fd,
		      struct store_error *err)
{
	static atomic_uint_fast64_t
	    count; /* tmp/ is ours alone and was empty: any number will do */
	int fd;

	do {
		snprintf(name, STORE_TEMP_NAME, "%" PRIx64, (uint64_t)atomic_fetch_add(&count, 1));
		fd = openat(f->tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			    0400);
	} while (fd < 0 && errno == EEXIST);
	if (fd < 0)
		return store_status_errno(err, errno, "creating a temporary file");
	*ret_fd = fd;
	return 0;
}

void store_folder_drop_temp(const struct store_folder *f, const char *name)
{
	(void)unlinkat(f->tmp, name, 0); /* what stays is removed when the store is opened */
}

int store_folder_clear_tmp(const struct store_folder *f, struct store_error *err)
{
	int fd = openat(f->tmp, ".", FOLDER_FLAGS);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int status = 0;

	if (d == NULL) {
		status = store_status_errno(err, errno, "reading the temporary folder");
		if (fd >= 0)
			close(fd);
		return status;
	}
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(f->tmp, e->d_name, 0) != 0 && errno != ENOENT) {
			status = store_status_errno(err, errno, "emptying the temporary folder");
			break;
		}
	}
	closedir(d);
	return status;
}

/* ---- blobs --------------------------------------------------------------------- */

/* The folder `ab`, made durable when it is new. */
static int open_ab(const struct store_folder *f, const struct blob_name *n, int *ret_fd,
		   struct store_error *err)
{
	if (mkdirat(f->blobs, n->folder, 0700) == 0) {
		if (fsync(f->blobs) != 0) {
			int saved = errno;

			(void)unlinkat(f->blobs, n->folder, AT_REMOVEDIR);
			return store_status_errno(err, saved, "syncing the folder of blobs");
		}
	} else if (errno != EEXIST) {
		return store_status_errno(err, errno, "making a folder for a blob");
	}
	return open_folder(f->blobs, n->folder, NULL, "opening the folder of a blob", ret_fd, err);
}

int store_folder_publish(const struct store_folder *f, const char *name,
			 const struct store_digest *digest, struct store_error *err)
{
	struct blob_name n;
	int ab = -1;
	int status;

	name_blob(digest, &n);
	status = open_ab(f, &n, &ab, err);
	if (status != 0)
		goto fail_drop;
	if (renameat(f->tmp, name, ab, n.hex) != 0) {
		status = store_status_errno(err, errno, "naming a blob");
		goto fail_close;
	}
	if (fsync(ab) != 0) {
		status = store_status_errno(err, errno, "syncing the folder of a blob");
		(void)unlinkat(ab, n.hex, 0);
		goto fail_close;
	}
	close(ab);
	return 0;

fail_close:
	close(ab);
fail_drop:
	store_folder_drop_temp(f, name);
	return status;
}

int store_folder_blob(const struct store_folder *f, const struct store_digest *digest)
{
	struct blob_name n;
	int fd;

	name_blob(digest, &n);
	fd = openat(f->blobs, n.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	return fd;
}

off_t store_folder_size(const struct store_folder *f, const struct store_digest *digest)
{
	struct blob_name n;
	struct stat st;

	name_blob(digest, &n);
	if (fstatat(f->blobs, n.path, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return -errno;
	return S_ISREG(st.st_mode) ? st.st_size : -ENOENT;
}

bool store_folder_is(const struct store_folder *f, const struct store_digest *digest, int fd)
{
	struct blob_name n;
	struct stat here, there;

	name_blob(digest, &n);
	return fstat(fd, &here) == 0 &&
	       fstatat(f->blobs, n.path, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

int store_folder_remove(const struct store_folder *f, const struct store_digest *digest)
{
	struct blob_name n;

	name_blob(digest, &n);
	return unlinkat(f->blobs, n.path, 0) == 0 ? 0 : -errno;
}

/* ---- manifests ------------------------------------------------------------------- */

enum { MANIFEST_MAX = 1 << 30 }; /* bytes; a sum of paths and digests is never more */

static int write_manifest(int fd, const char *data, size_t size, bool synced,
			  struct store_error *err)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return store_status_errno(err, n < 0 ? errno : EIO, "writing a manifest");
		data += n;
		size -= (size_t)n;
	}
	if (synced && fsync(fd) != 0)
		return store_status_errno(err, errno, "syncing a manifest");
	return 0;
}

int store_folder_keep(const struct store_folder *f, enum store_shelf shelf, const char *name,
		      const void *data, size_t size, bool synced, struct store_error *err)
{
	char temp[STORE_TEMP_NAME];
	int status, fd;

	status = store_folder_temp(f, temp, &fd, err);
	if (status != 0)
		return status;
	status = write_manifest(fd, data, size, synced, err);
	close(fd);
	if (status == 0 && renameat(f->tmp, temp, f->shelf[shelf], name) != 0)
		status = store_status_errno(err, errno, "naming a manifest");
	if (status != 0) {
		store_folder_drop_temp(f, temp);
		return status;
	}
	if (synced && fsync(f->shelf[shelf]) != 0)
		return store_status_errno(err, errno, "syncing a folder of manifests");
	return 0;
}

int store_folder_sync(const struct store_folder *f, struct store_error *err)
{
	return syncfs(f->dir) == 0 ? 0 : store_status_errno(err, errno, "syncing the manifests");
}

static int read_manifest(int fd, char **ret_data, size_t *ret_size, struct store_error *err)
{
	struct stat st;
	size_t size = 0;
	char *data;

	if (fstat(fd, &st) != 0)
		return store_status_errno(err, errno, "looking at a manifest");
	if (!S_ISREG(st.st_mode) || st.st_size > MANIFEST_MAX)
		return store_status_fail(err, STORE_DAMAGED, "a manifest is no manifest");
	data = malloc((size_t)st.st_size + 1);
	if (data == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	while (size < (size_t)st.st_size) {
		ssize_t n = read(fd, data + size, (size_t)st.st_size - size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int status = store_status_errno(err, errno, "reading a manifest");

			free(data);
			return status;
		}
		if (n == 0)
			break;
		size += (size_t)n;
	}
	data[size] = '\0';
	*ret_data = data;
	*ret_size = size;
	return 0;
}

int store_folder_read(const struct store_folder *f, enum store_shelf shelf, const char *name,
		      char **ret_data, size_t *ret_size, struct store_error *err)
{
	int fd = openat(f->shelf[shelf], name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int status;

	if (fd < 0 && errno == ENOENT)
		return store_status_fail(err, STORE_NOT_FOUND, "there is no such manifest");
	if (fd < 0)
		return store_status_errno(err, errno, "opening a manifest");
	status = read_manifest(fd, ret_data, ret_size, err);
	close(fd);
	return status;
}

bool store_folder_holds(const struct store_folder *f, enum store_shelf shelf, const char *name)
{
	struct stat st;

	return fstatat(f->shelf[shelf], name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

int store_folder_discard(const struct store_folder *f, enum store_shelf shelf, const char *name)
{
	return unlinkat(f->shelf[shelf], name, 0) == 0 || errno == ENOENT ? 0 : -errno;
}

int store_folder_settle(const struct store_folder *f, enum store_shelf shelf)
{
	return fsync(f->shelf[shelf]) == 0 ? 0 : -errno;
}

#define LOST ".lost"

void store_folder_lose(const struct store_folder *f, enum store_shelf shelf, const char *name)
{
	char lost[STORE_DIGEST_HEX + sizeof(LOST)];

	if ((size_t)snprintf(lost, sizeof(lost), "%s" LOST, name) < sizeof(lost))
		(void)renameat(f->shelf[shelf], name, f->shelf[shelf], lost);
}

struct unlose {
	const struct store_folder *f;
	enum store_shelf shelf;
};

static int unlose_one(void *arg, const char *lost, struct store_error *err)
{
	const struct unlose *u = arg;
	char name[STORE_DIGEST_HEX + 1];
	size_t size = strlen(lost);

	if (size <= strlen(LOST) || size - strlen(LOST) >= sizeof(name) ||
	    strcmp(lost + size - strlen(LOST), LOST) != 0)
		return 0;
	memcpy(name, lost, size - strlen(LOST));
	name[size - strlen(LOST)] = '\0';
	if (!store_folder_holds(u->f, u->shelf, name) &&
	    renameat(u->f->shelf[u->shelf], lost, u->f->shelf[u->shelf], name) != 0)
		return store_status_errno(err, errno, "naming a manifest");
	return 0;
}

int store_folder_unlose(const struct store_folder *f, enum store_shelf shelf,
			struct store_error *err)
{
	struct unlose u = {.f = f, .shelf = shelf};

	return store_folder_walk(f, shelf, unlose_one, &u, err);
}

int store_folder_walk(const struct store_folder *f, enum store_shelf shelf, store_folder_f *fn,
		      void *arg, struct store_error *err)
{
	int fd = openat(f->shelf[shelf], ".", FOLDER_FLAGS);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int status = 0;

	if (d == NULL) {
		status = store_status_errno(err, errno, "reading a folder of manifests");
		if (fd >= 0)
			close(fd);
		return status;
	}
	while (status == 0 && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			status = fn(arg, e->d_name, err);
	}
	closedir(d);
	return status;
}

/* ---- the index's file ------------------------------------------------------------- */

/* A file becomes another; that there is none is fine. */
static int set_aside(int dir, const char *from, const char *to, struct store_error *err)
{
	if (renameat(dir, from, dir, to) != 0 && errno != ENOENT)
		return store_status_errno(err, errno, "setting the old index aside");
	return 0;
}

/*
 * The WAL goes first: SQLite would write it into whatever index lies beside it.
 * A kill in between leaves the new index in tmp/ and none in its place, which
 * the next open takes for a lost one.
 */
int store_folder_new_index(const struct store_folder *f, const char *name, struct store_error *err)
{
	char aside[64], wal[80];
	struct stat st;
	int status;

	for (unsigned n = 1;; n++) {
		snprintf(aside, sizeof(aside), "index.aside-%u.sqlite", n);
		snprintf(wal, sizeof(wal), "%s-wal", aside);
		if (fstatat(f->dir, aside, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
			break;
		if (n == 100000)
			return store_status_fail(err, STORE_EXISTS, "too many old indexes");
	}
	status = set_aside(f->dir, "index.sqlite-wal", wal, err);
	if (status == 0)
		status = set_aside(f->dir, "index.sqlite", aside, err);
	if (status == 0 && unlinkat(f->dir, "index.sqlite-shm", 0) != 0 && errno != ENOENT)
		status = store_status_errno(err, errno, "setting the old index aside");
	if (status == 0 && renameat(f->tmp, name, f->dir, "index.sqlite") != 0)
		status = store_status_errno(err, errno, "naming the new index");
	if (status == 0 && fsync(f->dir) != 0)
		status = store_status_errno(err, errno, "syncing the state folder");
	return status;
}

/* ---- a missing index ------------------------------------------------------------------- */

static int find_blob(const struct store_folder *f, bool *found, struct store_error *err)
{
	for (unsigned ab = 0; ab < 256 && !*found; ab++) {
		struct store_folder_list list;
		int status = store_folder_list(f, ab, &list, err);

		if (status != 0)
			return status;
		*found = list.count > 0;
		store_folder_list_free(&list);
	}
	return 0;
}

static int find_entry(void *arg, const char *name, struct store_error *err)
{
	(void)name;
	(void)err;
	*(bool *)arg = true;
	return 0;
}

int store_folder_check_index(const struct store_folder *f, struct store_error *err)
{
	bool found = false;
	struct stat st;
	int status;

	if (fstatat(f->dir, "index.sqlite", &st, 0) == 0 && st.st_size > 0)
		return 0;
	status = find_blob(f, &found, err);
	for (int i = 0; status == 0 && !found && i < STORE_SHELVES; i++)
		status = store_folder_walk(f, (enum store_shelf)i, find_entry, &found, err);
	if (status == 0 && found)
		status = store_status_fail(err, STORE_INDEX,
					   "the index is missing; larderctl verify "
					   "--rebuild-index makes it again from the blobs");
	return status;
}

/* ---- listing -------------------------------------------------------------------- */

/* Is this entry of blobs/${ab} a blob's file? */
static bool is_blob(int ab_fd, const char *ab, const struct dirent *e, struct store_digest *out)
{
	struct stat st;

	if (strncmp(e->d_name, ab, 2) != 0 ||
	    !store_digest_parse(e->d_name, strlen(e->d_name), out))
		return false;
	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_REG;
	return fstatat(ab_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

/* Add one digest; the array doubles. */
static bool list_add(struct store_folder_list *list, const struct store_digest *digest)
{
	if ((list->count & (list->count - 1)) == 0) {
		size_t room = list->count == 0 ? 1 : list->count * 2;
		struct store_digest *wider = realloc(list->digests, room * sizeof(*list->digests));

		if (wider == NULL)
			return false;
		list->digests = wider;
	}
	list->digests[list->count++] = *digest;
	return true;
}

static int by_digest(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct store_digest));
}

/* Takes ${fd}. */
static int read_list(int fd, const char *ab, struct store_folder_list *out, struct store_error *err)
{
	struct store_folder_list list = {.digests = NULL};
	struct store_digest digest;
	DIR *d = fdopendir(fd);
	struct dirent *e;

	if (d == NULL) {
		int status = store_status_errno(err, errno, "reading the folder of blobs");

		close(fd);
		return status;
	}
	while ((e = readdir(d)) != NULL) {
		if (is_blob(fd, ab, e, &digest) && !list_add(&list, &digest)) {
			closedir(d);
			free(list.digests);
			return store_status_fail(err, STORE_MEMORY, NULL);
		}
	}
	closedir(d);
	if (list.count > 0)
		qsort(list.digests, list.count, sizeof(*list.digests), by_digest);
	*out = list;
	return 0;
}

int store_folder_list(const struct store_folder *f, unsigned ab, struct store_folder_list *out,
		      struct store_error *err)
{
	char name[3];
	int fd;

	snprintf(name, sizeof(name), "%02x", ab & 0xff);
	fd = openat(f->blobs, name, FOLDER_FLAGS);
	if (fd < 0 && errno == ENOENT) {
		*out = (struct store_folder_list){.digests = NULL};
		return 0;
	}
	if (fd < 0)
		return store_status_errno(err, errno, "reading the folder of blobs");
	return read_list(fd, name, out, err);
}

void store_folder_list_free(struct store_folder_list *list)
{
	free(list->digests);
}
