/* SPDX-License-Identifier: MIT */
/*
 * map.c — blobs as memory.  Called by the daemon for every answer and by the
 * loader of models; the runtime's weights are views into these mappings.  It
 * must never write through one, and never touch a page that a disk error could
 * turn into SIGBUS.
 *
 * One mapping per blob, under one mutex.  The last reference does not unmap a
 * small blob at once: the next request for it is likely, and finds its pages
 * already faulted in.  What is kept is bounded in number and in bytes.
 */
#include <config.h>

#include "store/index.h"
#include "store/map.h"
#include "store/must.h"
#include "store/state.h"
#include "store/status.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	BUCKETS = 1024,                /* a power of two */
	IDLE_MAX = 256,                /* unreferenced mappings kept */
	IDLE_BYTES = 64 * 1024 * 1024, /* and their sizes together */
	IDLE_EACH = IDLE_BYTES / 4,    /* a larger one is unmapped at once */
};

struct store_map {
	struct store_digest digest;
	const void *data;
	size_t size; /* bytes */
	struct store_maps *table;
	/* the rest is guarded by table->lock */
	unsigned refs;
	bool listed;                     /* in its bucket; false once forgotten */
	struct store_map *next;          /* in the bucket */
	struct store_map *older, *newer; /* in the list of idle ones */
};

struct store_maps {
	pthread_mutex_t lock;
	struct store_map *bucket[BUCKETS];
	struct store_map *oldest, *newest; /* idle: listed and refs == 0 */
	uint64_t idle_count, idle_bytes;
	uint64_t count;  /* mappings that exist; the table outlives the store while there are any */
	uint64_t forgot; /* how often store_map_forget was called */
	bool closed;
};

/* An address for blobs without bytes, for which mmap has none. */
static const char nothing[1];

/* ---- the table ----------------------------------------------------------------- */

int store_map_table_new(struct store_maps **out, struct store_error *err)
{
	struct store_maps *maps = calloc(1, sizeof(*maps));

	if (maps == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	pthread_mutex_init(&maps->lock, NULL);
	*out = maps;
	return 0;
}

static void table_free(struct store_maps *maps)
{
	pthread_mutex_destroy(&maps->lock);
	free(maps);
}

static struct store_map **bucket_of(struct store_maps *maps, const struct store_digest *digest)
{
	size_t i = digest->bytes[0] | (size_t)digest->bytes[1] << 8;

	return &maps->bucket[i & (BUCKETS - 1)];
}

static struct store_map *find_listed(struct store_maps *maps, const struct store_digest *digest)
{
	struct store_map *m = *bucket_of(maps, digest);

	while (m != NULL && memcmp(&m->digest, digest, sizeof(*digest)) != 0)
		m = m->next;
	return m;
}

static void unlist(struct store_map *map)
{
	struct store_map **at = bucket_of(map->table, &map->digest);

	while (*at != map)
		at = &(*at)->next;
	*at = map->next;
	map->next = NULL;
	map->listed = false;
}

static void idle_add(struct store_map *map)
{
	struct store_maps *maps = map->table;

	map->older = maps->newest;
	map->newer = NULL;
	if (maps->newest != NULL)
		maps->newest->newer = map;
	else
		maps->oldest = map;
	maps->newest = map;
	maps->idle_count++;
	maps->idle_bytes += map->size;
}

static void idle_remove(struct store_map *map)
{
	struct store_maps *maps = map->table;

	if (map->older != NULL)
		map->older->newer = map->newer;
	else
		maps->oldest = map->newer;
	if (map->newer != NULL)
		map->newer->older = map->older;
	else
		maps->newest = map->older;
	map->older = map->newer = NULL;
	maps->idle_count--;
	maps->idle_bytes -= map->size;
}

/*
 * Take the oldest idle mappings out of the table until the rest is within
 * bounds; returns them linked by `next`, for free_all once the lock is gone.
 */
static struct store_map *idle_surplus(struct store_maps *maps)
{
	struct store_map *surplus = NULL;

	while (maps->oldest != NULL &&
	       (maps->closed || maps->idle_count > IDLE_MAX || maps->idle_bytes > IDLE_BYTES)) {
		struct store_map *map = maps->oldest;

		idle_remove(map);
		unlist(map);
		map->next = surplus;
		surplus = map;
	}
	return surplus;
}

/* Give back the memory of a mapping that nobody can reach any more. */
static void map_free(struct store_map *map)
{
	struct store_maps *maps = map->table;
	bool last;

	if (map->size > 0)
		/* munmap(2) takes a pointer to what it will not write */
		munmap((void *)(uintptr_t)map->data, map->size);
	free(map);
	pthread_mutex_lock(&maps->lock);
	last = --maps->count == 0 && maps->closed;
	pthread_mutex_unlock(&maps->lock);
	if (last)
		table_free(maps);
}

static void free_all(struct store_map *map)
{
	while (map != NULL) {
		struct store_map *next = map->next;

		map_free(map); /* the last one may take the table with it */
		map = next;
	}
}

void store_map_table_close(struct store_maps *maps)
{
	struct store_map *surplus;
	bool last;

	if (maps == NULL)
		return;
	pthread_mutex_lock(&maps->lock);
	maps->closed = true;
	last = maps->count == 0;
	surplus = idle_surplus(maps);
	pthread_mutex_unlock(&maps->lock);
	free_all(surplus);
	if (last)
		table_free(maps);
}

void store_map_forget(struct store_maps *maps, const struct store_digest *digest)
{
	struct store_map *map;

	pthread_mutex_lock(&maps->lock);
	maps->forgot++;
	map = find_listed(maps, digest);
	if (map != NULL) {
		unlist(map);
		if (map->refs == 0)
			idle_remove(map);
		else
			map = NULL;
	}
	pthread_mutex_unlock(&maps->lock);
	if (map != NULL)
		map_free(map);
}

uint64_t store_map_count(struct store_maps *maps)
{
	uint64_t count;

	pthread_mutex_lock(&maps->lock);
	count = maps->count;
	pthread_mutex_unlock(&maps->lock);
	return count;
}

/* ---- open, ref, unref ------------------------------------------------------------ */

/* What the index says of a blob: its size, or why it cannot be mapped. */
static int recorded_size(struct store *store, const struct store_digest *digest, int64_t *ret_size,
			 struct store_error *err)
{
	struct store_conn *conn;
	int status = store_index_reader(store->index, &conn, err);
	bool damaged = false;

	if (status != 0)
		return status;
	status = store_index_row(conn, STMT_BLOB_FIND, ARGS(A_DIGEST(digest)), err);
	if (status == 1) {
		*ret_size = store_index_int(conn, STMT_BLOB_FIND, 0);
		damaged = store_index_int(conn, STMT_BLOB_FIND, 1) != 0;
		store_index_stop(conn, STMT_BLOB_FIND);
	}
	store_index_done(store->index, conn);
	if (status == 0)
		return store_status_fail(err, STORE_NOT_FOUND, "no such blob");
	if (damaged)
		return store_status_fail(err, STORE_DAMAGED, "the blob is quarantined");
	return status < 0 ? status : 0;
}

/* Map an open file of ${size} bytes into ${map}. */
static int map_fd(int fd, int64_t size, struct store_map *map, struct store_error *err)
{
	struct stat st;
	void *data;

	if (fstat(fd, &st) != 0)
		return store_status_errno(err, errno, "looking at a blob");
	if (st.st_size != size)
		return store_status_fail(err, STORE_DAMAGED,
					 "the blob's file has %lld bytes instead of %lld",
					 (long long)st.st_size, (long long)size);
	if ((uint64_t)size > SIZE_MAX)
		return store_status_fail(err, STORE_MEMORY, "the blob is too large to be mapped");
	map->size = (size_t)size;
	map->data = nothing;
	if (size == 0)
		return 0;
	data = mmap(NULL, map->size, PROT_READ, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED)
		return store_status_errno(err, errno, "mapping a blob");
	map->data = data;
	return 0;
}

/* A mapping that is not in the table yet, or why there is none. */
static int map_new(struct store *store, const struct store_digest *digest, struct store_map **out,
		   struct store_error *err)
{
	struct store_map *map;
	int64_t size = 0;
	int status;
	int fd;

	status = recorded_size(store, digest, &size, err);
	if (status != 0)
		return status;
	fd = store_folder_blob(&store->folder, digest);
	if (fd == -ENOENT)
		return store_status_fail(err, STORE_DAMAGED, "the blob's file is missing");
	if (fd < 0)
		return store_status_errno(err, -fd, "opening a blob");
	map = calloc(1, sizeof(*map));
	status =
	    map == NULL ? store_status_fail(err, STORE_MEMORY, NULL) : map_fd(fd, size, map, err);
	close(fd);
	if (status != 0) {
		free(map);
		return status;
	}
	map->digest = *digest;
	map->table = store->maps;
	map->refs = 1;
	*out = map;
	return 0;
}

/* Another reference to the mapping of a blob, if there is one; was it idle before? */
static struct store_map *ref_listed(struct store_maps *maps, const struct store_digest *digest,
				    bool *ret_idle)
{
	struct store_map *map = find_listed(maps, digest);

	*ret_idle = map != NULL && map->refs == 0;
	if (*ret_idle)
		idle_remove(map);
	if (map != NULL)
		map->refs++;
	return map;
}

/*
 * A mapping that was idle may be of a file that has since been cut short by
 * somebody else: what is missing would be SIGBUS.  False, and the reference is
 * gone, when the file is not what was mapped.
 */
static bool still_whole(struct store *store, struct store_map *map)
{
	if (store_folder_size(&store->folder, &map->digest) == (off_t)map->size)
		return true;
	store_map_forget(store->maps, &map->digest);
	store_map_unref(map);
	return false;
}

/*
 * Put a new mapping into the table.  Meanwhile another thread may have mapped
 * the same blob: then that one is used and ${*map} becomes it.  Or a blob may
 * have been forgotten, perhaps this one: false, look again.
 */
static bool list_new(struct store_maps *maps, struct store_map **map, uint64_t forgot)
{
	struct store_map *mine = *map;
	struct store_map *other;
	bool current;
	bool listed;
	bool idle;

	pthread_mutex_lock(&maps->lock);
	maps->count++;
	current = maps->forgot == forgot;
	other = current ? ref_listed(maps, &mine->digest, &idle) : NULL;
	listed = current && other == NULL;
	if (listed) {
		struct store_map **bucket = bucket_of(maps, &mine->digest);

		mine->next = *bucket;
		mine->listed = true;
		*bucket = mine;
	}
	pthread_mutex_unlock(&maps->lock);
	if (listed)
		return true;
	map_free(mine);
	*map = other;
	return current;
}

/* Was a blob forgotten since ${forgot} was read? */
static bool forgot_since(struct store_maps *maps, uint64_t forgot)
{
	bool since;

	pthread_mutex_lock(&maps->lock);
	since = maps->forgot != forgot;
	pthread_mutex_unlock(&maps->lock);
	return since;
}

int store_map_open(struct store *store, const struct store_digest *digest, struct store_map **out,
		   struct store_error *err)
{
	for (;;) {
		struct store_map *map;
		uint64_t forgot;
		int status;
		bool idle;

		pthread_mutex_lock(&store->maps->lock);
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is freed is off the list */
		map = ref_listed(store->maps, digest, &idle);
		forgot = store->maps->forgot;
		pthread_mutex_unlock(&store->maps->lock);
		if (idle && !still_whole(store, map))
			continue;
		if (map == NULL) {
			status = map_new(store, digest, &map, err);
			if (status == STORE_DAMAGED && forgot_since(store->maps, forgot))
				continue; /* removed between the index and the file */
			if (status != 0)
				return status;
			if (!list_new(store->maps, &map, forgot))
				continue;
		}
		*out = map;
		return 0;
	}
}

struct store_map *store_map_ref(struct store_map *map)
{
	pthread_mutex_lock(&map->table->lock);
	must(map->refs > 0);
	map->refs++;
	pthread_mutex_unlock(&map->table->lock);
	return map;
}

void store_map_unref(struct store_map *map)
{
	struct store_map *gone = NULL;
	struct store_maps *maps;

	if (map == NULL)
		return;
	maps = map->table;
	pthread_mutex_lock(&maps->lock);
	must(map->refs > 0);
	if (--map->refs == 0 && map->listed && map->size <= IDLE_EACH && !maps->closed) {
		idle_add(map);
		gone = idle_surplus(maps);
	} else if (map->refs == 0) {
		if (map->listed)
			unlist(map);
		map->next = NULL;
		gone = map;
	}
	pthread_mutex_unlock(&maps->lock);
	free_all(gone);
}

const void *store_map_data(const struct store_map *map)
{
	return map->data;
}

size_t store_map_size(const struct store_map *map)
{
	return map->size;
}

const struct store_digest *store_map_digest(const struct store_map *map)
{
	return &map->digest;
}

/* ---- pages ----------------------------------------------------------------------- */

/* The pages that hold a range of a mapping. */
struct pages {
	char *start; /* page-aligned */
	size_t size; /* bytes; 0 when the range is empty */
};

static struct pages pages_of(const struct store_map *map, size_t offset, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct pages p = {NULL, 0};

	if (offset >= map->size)
		return p;
	if (size > map->size - offset)
		size = map->size - offset;
	if (size == 0)
		return p;
	p.start = (char *)(uintptr_t)map->data + offset / page * page;
	p.size = offset % page + size;
	return p;
}

bool store_map_resident(const struct store_map *map, size_t offset, size_t size)
{
	unsigned char in_memory[1024]; /* one per page */
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct pages p = pages_of(map, offset, size);

	while (p.size > 0) {
		size_t n = p.size < sizeof(in_memory) * page ? p.size : sizeof(in_memory) * page;

		if (mincore(p.start, n, in_memory) != 0)
			return false;
		for (size_t i = 0; i < (n + page - 1) / page; i++) {
			if ((in_memory[i] & 1) == 0)
				return false;
		}
		p.start += n;
		p.size -= n;
	}
	return true;
}

/*
 * For kernels before 5.14: have the kernel copy one byte of each page to us.
 * Like populate it reports a bad page as EFAULT.
 */
static int touch_pages(struct pages p)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (size_t at = 0; at < p.size; at += page) {
		char byte;
		struct iovec to = {&byte, 1};
		struct iovec from = {p.start + at, 1};

		if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) != 1)
			return -1;
	}
	return 0;
}

int store_map_populate(const struct store_map *map, size_t offset, size_t size,
		       struct store_error *err)
{
	struct pages p = pages_of(map, offset, size);
	int rc = 0;

	if (p.size == 0)
		return 0;
	do {
		rc = madvise(p.start, p.size, MADV_POPULATE_READ);
	} while (rc != 0 && errno == EINTR);
	if (rc != 0 && errno == EINVAL)
		rc = touch_pages(p);
	if (rc == 0)
		return 0;
	if (errno == ENOMEM)
		return store_status_errno(err, errno, "reading a blob");
	return store_status_fail(err, STORE_IO, "the disk cannot give the bytes of a blob");
}
