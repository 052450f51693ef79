/* SPDX-License-Identifier: MIT */
/*
 * partial.c — a blob that arrives out of order and over many starts of the
 * process: partial/KEY holds the bytes at their places, partial/KEY.map says
 * which of them have arrived.  Called for downloads.  It must never give a
 * name to bytes that were not hashed, and never say that bytes have arrived
 * before write(2) took them.
 *
 * The map (partial_map.c) is not synced: after a power cut it may promise bytes
 * that the disk has lost.  That is found when the whole is hashed, and nothing
 * but time is lost; a sync per second of download would cost more.
 */
#include <config.h>

#include "store/digest.h"
#include "store/evict.h"
#include "store/partial.h"
#include "store/state.h"
#include "store/status.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	WRITEBACK_BYTES = 16 * 1024 * 1024,
	UNHURRIED_BYTES = 512 * 1024 * 1024,
};

/* Which keys are open, so that no two write to one file. */
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static struct store_partial *open_list;

/* ---- runs ------------------------------------------------------------------------- */

bool store_partial_add(struct store_partial *p, uint64_t begin, uint64_t end)
{
	size_t i = 0, j;

	while (i < p->run_count && p->runs[i].end < begin)
		i++;
	for (j = i; j < p->run_count && p->runs[j].begin <= end; j++) {
		begin = p->runs[j].begin < begin ? p->runs[j].begin : begin;
		end = p->runs[j].end > end ? p->runs[j].end : end;
		p->arrived -= p->runs[j].end - p->runs[j].begin;
	}
	if (j == i && p->run_count == p->run_room) {
		size_t room = p->run_room == 0 ? 16 : p->run_room * 2;
		struct run *wider = realloc(p->runs, room * sizeof(*wider));

		if (wider == NULL)
			return false;
		p->runs = wider;
		p->run_room = room;
	}
	if (p->run_count > j)
		memmove(&p->runs[i + 1], &p->runs[j], (p->run_count - j) * sizeof(p->runs[0]));
	p->run_count = p->run_count - (j - i) + 1;
	p->runs[i] = (struct run){begin, end};
	p->arrived += end - begin;
	return true;
}

uint64_t store_partial_run(struct store_partial *p, uint64_t offset)
{
	uint64_t n = 0;

	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->run_count && p->runs[i].begin <= offset; i++) {
		if (offset < p->runs[i].end)
			n = p->runs[i].end - offset;
	}
	pthread_mutex_unlock(&p->lock);
	return n;
}

bool store_partial_gap(struct store_partial *p, uint64_t from, uint64_t *ret_offset,
		       uint64_t *ret_size)
{
	uint64_t begin = from, end = p->size;

	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->run_count; i++) {
		if (p->runs[i].end <= begin)
			continue;
		if (p->runs[i].begin > begin) {
			end = p->runs[i].begin;
			break;
		}
		begin = p->runs[i].end;
	}
	pthread_mutex_unlock(&p->lock);
	if (p->size == STORE_PARTIAL_UNKNOWN || begin >= p->size)
		return false;
	*ret_offset = begin;
	*ret_size = end - begin;
	return true;
}

static uint64_t locked(struct store_partial *p, const uint64_t *what)
{
	uint64_t n;

	pthread_mutex_lock(&p->lock);
	n = *what;
	pthread_mutex_unlock(&p->lock);
	return n;
}

uint64_t store_partial_arrived(struct store_partial *p)
{
	return locked(p, &p->arrived);
}

uint64_t store_partial_saved(struct store_partial *p)
{
	return locked(p, &p->saved);
}

uint64_t store_partial_size(const struct store_partial *p)
{
	return p->size;
}

const char *store_partial_tag(const struct store_partial *p)
{
	return p->tag;
}

/* ---- files --------------------------------------------------------------------------------- */

static int open_dir(struct store *store, int *out, struct store_error *err)
{
	int dir = store->folder.dir;

	if (mkdirat(dir, "partial", 0700) != 0 && errno != EEXIST)
		return store_status_errno(err, errno, "making the folder of downloads");
	*out = openat(dir, "partial", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (*out < 0)
		return store_status_errno(err, errno, "opening the folder of downloads");
	return 0;
}

static void remove_files(int dir, const char *name)
{
	static const char *const ends[] = {".map", ".new", ""}; /* the data last */
	char path[300];

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", name, ends[i]);
		(void)unlinkat(dir, path, 0);
	}
}

/* Back to: nothing is known and nothing has arrived.  Mappings in use are left to their users. */
static void forget(struct store_partial *p)
{
	if (p->data != NULL)
		munmap(p->data, (size_t)p->size);
	if (p->fd >= 0)
		close(p->fd);
	store_digest_drop(p->hash);
	store_evict_release(p->store, p->room);
	p->room = 0;
	store_partial_map_forget(p);
	p->data = NULL;
	p->fd = -1;
	p->hash = NULL;
	p->hashed = p->unsynced = 0;
	p->checked = false;
	p->size = STORE_PARTIAL_UNKNOWN;
	p->tag[0] = '\0';
	pthread_mutex_lock(&p->lock);
	p->run_count = 0;
	p->arrived = p->saved = 0;
	pthread_mutex_unlock(&p->lock);
}

/* Room for, map and hash the open file of p->size bytes. */
static int ready(struct store_partial *p, struct store_error *err)
{
	int status = store_evict_reserve(p->store, p->size, err);

	if (status != 0)
		return status;
	p->room = p->size;
	if (p->size > SIZE_MAX / 2)
		return store_status_fail(err, STORE_FULL, "the file is too large");
	if (p->size > 0) {
		void *data = mmap(NULL, (size_t)p->size, PROT_READ, MAP_SHARED, p->fd, 0);

		if (data == MAP_FAILED)
			return store_status_errno(err, errno, "mapping a download");
		p->data = data;
	}
	return store_digest_begin(&p->hash, err);
}

/* What an earlier process left: its file must be there, with the size that the map says. */
static bool resume(struct store_partial *p)
{
	struct stat st;

	if (!store_partial_map_read(p))
		return false;
	p->fd = openat(p->dir, p->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (p->fd < 0 && errno == EACCES) /* it was complete: all but published */
		p->fd = openat(p->dir, p->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return p->fd >= 0 && fstat(p->fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size == p->size && ready(p, NULL) == 0;
}

/* false when the key is open already. */
static bool enlist(struct store_partial *p)
{
	struct store_partial *other;

	pthread_mutex_lock(&open_lock);
	for (other = open_list; other != NULL; other = other->next) {
		if (other->store == p->store && store_digest_equal(&other->key, &p->key))
			break;
	}
	if (other == NULL) {
		p->next = open_list;
		open_list = p;
	}
	pthread_mutex_unlock(&open_lock);
	return other == NULL;
}

static void delist(struct store_partial *p)
{
	struct store_partial **at;

	pthread_mutex_lock(&open_lock);
	for (at = &open_list; *at != NULL && *at != p; at = &(*at)->next)
		;
	if (*at == p)
		*at = p->next;
	pthread_mutex_unlock(&open_lock);
}

int store_partial_open(struct store *store, const struct store_digest *key,
		       struct store_partial **out, struct store_error *err)
{
	struct store_partial *p;
	int status = store_writable(store, err);

	if (status != 0)
		return status;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	p->store = store;
	p->key = *key;
	p->fd = p->dir = p->map = -1;
	atomic_init(&p->refs, 1);
	p->size = STORE_PARTIAL_UNKNOWN;
	store_digest_hex(key, p->name);
	pthread_mutex_init(&p->lock, NULL);
	if (!enlist(p)) {
		status = store_status_fail(err, STORE_BUSY, "that download is running");
		goto fail_free;
	}
	status = open_dir(store, &p->dir, err);
	if (status != 0)
		goto fail_delist;
	if (!resume(p)) {
		forget(p);
		remove_files(p->dir, p->name);
	}
	*out = p;
	return 0;

fail_delist:
	delist(p);
fail_free:
	pthread_mutex_destroy(&p->lock);
	free(p);
	return status;
}

int store_partial_begin(struct store_partial *p, uint64_t size, const char *tag,
			struct store_error *err)
{
	int status;

	if (strlen(tag) > STORE_PARTIAL_TAG_MAX || strchr(tag, '\n') != NULL)
		return store_status_fail(err, STORE_INVALID, "the tag of a download is too long");
	if (size > INT64_MAX)
		return store_status_fail(err, STORE_FULL, "the file is too large");
	forget(p);
	remove_files(p->dir, p->name);
	p->fd = openat(p->dir, p->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (p->fd < 0 || ftruncate(p->fd, (off_t)size) != 0)
		return store_status_errno(err, errno, "beginning a download");
	p->size = size;
	memcpy(p->tag, tag, strlen(tag) + 1);
	status = ready(p, err);
	if (status == 0)
		return store_partial_save(p, err);
	forget(p); /* no room for it */
	remove_files(p->dir, p->name);
	return status;
}

struct store_partial *store_partial_ref(struct store_partial *p)
{
	atomic_fetch_add(&p->refs, 1);
	return p;
}

void store_partial_unref(struct store_partial *p)
{
	if (p == NULL || atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	delist(p);
	forget(p);
	if (p->dir >= 0)
		close(p->dir);
	pthread_mutex_destroy(&p->lock);
	free(p->runs);
	free(p);
}

void store_partial_discard(struct store_partial *p)
{
	p->finished = true;
	remove_files(p->dir, p->name);
	delist(p);
}

/* ---- bytes --------------------------------------------------------------------------------- */

static int write_at(struct store_partial *p, uint64_t at, const char *from, size_t left,
		    struct store_error *err)
{
	while (left > 0) {
		ssize_t n = pwrite(p->fd, from, left, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return store_status_errno(err, n < 0 ? errno : EIO, "writing a download");
		from += n;
		at += (uint64_t)n;
		left -= (size_t)n;
	}
	return 0;
}

/* A stretch of which nothing has arrived yet. */
static int write_new(struct store_partial *p, uint64_t offset, const char *data, size_t size,
		     struct store_error *err)
{
	int status = write_at(p, offset, data, size, err);
	bool added;

	if (status == 0 && offset == p->hashed) {
		status = store_digest_add(p->hash, data, size, err);
		if (status == 0)
			p->hashed += size;
	}
	if (status != 0)
		return status;
	p->unsynced += size;
	/* while it comes, the processor has enough to do; one that is not too large can wait */
	if (p->unsynced >= WRITEBACK_BYTES && p->size > UNHURRIED_BYTES) {
		(void)sync_file_range(p->fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* a hint */
		p->unsynced = 0;
	}
	pthread_mutex_lock(&p->lock);
	added = store_partial_add(p, offset, offset + size);
	pthread_mutex_unlock(&p->lock);
	store_partial_map_note(p, offset, offset + size);
	return added ? 0 : store_status_fail(err, STORE_MEMORY, NULL);
}

int store_partial_write(struct store_partial *p, uint64_t offset, const void *data, size_t size,
			struct store_error *err)
{
	uint64_t at = offset, gap, room;
	int status = 0;

	if (p->size == STORE_PARTIAL_UNKNOWN || offset > p->size || size > p->size - offset)
		return store_status_fail(err, STORE_INVALID, "bytes beyond the end of a download");
	/* what has arrived is hashed and given out already: it stays as it is */
	while (status == 0 && store_partial_gap(p, at, &gap, &room) && gap < offset + size) {
		uint64_t end = gap + room < offset + size ? gap + room : offset + size;

		status = write_new(p, gap, (const char *)data + (gap - offset), (size_t)(end - gap),
				   err);
		at = end;
	}
	return status;
}

/* ---- care ---------------------------------------------------------------------------------- */

uint64_t store_partial_peek(struct store *store, const struct store_digest *key)
{
	struct store_partial p = {.store = store, .key = *key, .fd = -1, .map = -1};
	uint64_t saved = 0;

	store_digest_hex(key, p.name);
	if (open_dir(store, &p.dir, NULL) != 0)
		return 0;
	pthread_mutex_init(&p.lock, NULL);
	if (store_partial_map_read(&p))
		saved = p.saved;
	pthread_mutex_destroy(&p.lock);
	free(p.runs);
	close(p.dir);
	return saved;
}

static bool is_open(const struct store *store, const struct store_digest *key)
{
	bool found = false;

	pthread_mutex_lock(&open_lock);
	for (const struct store_partial *p = open_list; p != NULL && !found; p = p->next)
		found = p->store == store && store_digest_equal(&p->key, key);
	pthread_mutex_unlock(&open_lock);
	return found;
}

int store_partial_sweep(struct store *store, int64_t older_s, uint64_t *ret_bytes,
			struct store_error *err)
{
	int64_t now = store_now_s();
	uint64_t bytes = 0;
	struct store_digest key;
	struct dirent *e;
	struct stat st;
	int dir, status = store_writable(store, err);
	DIR *d;

	if (status == 0)
		status = open_dir(store, &dir, err);
	if (status != 0)
		return status;
	d = fdopendir(dir);
	if (d == NULL) {
		status = store_status_errno(err, errno, "reading the folder of downloads");
		close(dir);
		return status;
	}
	while ((e = readdir(d)) != NULL) {
		size_t n = strcspn(e->d_name, ".");

		if (e->d_name[0] == '.' || fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    st.st_mtime + older_s > now)
			continue;
		if (!store_digest_parse(e->d_name, n, &key)) {
			(void)unlinkat(dir, e->d_name, 0);
		} else if (!is_open(store, &key)) {
			e->d_name[n] = '\0';
			if (fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
				bytes += (uint64_t)st.st_blocks * 512;
			remove_files(dir, e->d_name);
		}
	}
	closedir(d);
	if (ret_bytes != NULL)
		*ret_bytes = bytes;
	return 0;
}
