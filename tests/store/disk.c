/* SPDX-License-Identifier: MIT */
/*
 * disk.c — see disk.h.  Called by power_cut.c, which also proves that no change is missed: what is
 * restored at the end is what is there.
 */
#include <config.h>

#include "tests/store/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Seen by shared libraries too. */
#define OURS __attribute__((visibility("default")))

enum { FDS = 256, PATH_BYTES = 200, FILES = 1024, SECTOR = 512 };

enum kind { MAKE, FOLDER, WRITE, CUT, RENAME, LINK, REMOVE, SYNC, SYNC_FOLDER, SYNC_ALL, MARK };

struct change {
	enum kind kind;
	int file;              /* MAKE, WRITE, CUT, SYNC: number of a file; MARK: the mark */
	char path[PATH_BYTES]; /* names: below the folder; SYNC_FOLDER: the folder, "" the top */
	char to[PATH_BYTES];   /* RENAME, LINK */
	uint64_t offset;       /* WRITE; CUT: the new size */
	size_t size;
	uint8_t *data; /* WRITE; owned */
};

static struct change *changes;
static size_t count, room;
static bool watching, lying;
static char top[PATH_BYTES];

/* Descriptors below the folder: of a file (its number), of a folder (its path). */
static struct {
	int file; /* 0: not ours; -1: a folder */
	char path[PATH_BYTES];
} fds[FDS];

/* Names as they are now. */
static struct name {
	char path[PATH_BYTES]; /* "": free */
	int file;              /* -1: a folder */
} names[FILES], rest[FILES];
static int files;

static void die(const char *why)
{
	fprintf(stderr, "disk: %s\n", why);
	abort();
}

/* ---- names ---------------------------------------------------------------------------- */

static struct name *find(struct name *list, const char *path)
{
	for (int i = 0; i < FILES; i++) {
		if (list[i].path[0] != '\0' && strcmp(list[i].path, path) == 0)
			return &list[i];
	}
	return NULL;
}

static void set_name(struct name *list, const char *path, int file)
{
	struct name *n = find(list, path);

	for (int i = 0; n == NULL && i < FILES; i++) {
		if (list[i].path[0] == '\0')
			n = &list[i];
	}
	if (n == NULL)
		die("too many names");
	memmove(n->path, path, strlen(path) + 1);
	n->file = file;
}

static void drop_name(struct name *list, const char *path)
{
	struct name *n = find(list, path);

	if (n != NULL)
		n->path[0] = '\0';
}

/* ${path} at ${at}, below the folder; false when it is elsewhere or nobody watches. */
static bool below(int at, const char *path, char out[PATH_BYTES])
{
	size_t size = strlen(top);
	const char *base = "";
	int n;

	if (!watching)
		return false;
	if (path[0] == '/') {
		if (strncmp(path, top, size) != 0 || (path[size] != '/' && path[size] != '\0'))
			return false;
		path += size + (path[size] == '/');
	} else {
		if (at < 0 || at >= FDS || fds[at].file != -1)
			return false;
		base = fds[at].path;
	}
	if (strcmp(path, ".") == 0)
		path = "";
	n = snprintf(out, PATH_BYTES, "%s%s%s", base, *base != '\0' && *path != '\0' ? "/" : "",
		     path);
	if (n < 0 || n >= PATH_BYTES)
		die("a path is too long");
	return true;
}

static struct change *note(enum kind kind, int file, const char *path)
{
	struct change *c;

	if (count == room) {
		room = room == 0 ? 1024 : 2 * room;
		changes = realloc(changes, room * sizeof(*changes));
		if (changes == NULL)
			die("out of memory");
	}
	c = &changes[count++];
	memset(c, 0, sizeof(*c));
	c->kind = kind;
	c->file = file;
	snprintf(c->path, sizeof(c->path), "%s", path);
	return c;
}

static int file_of(int fd)
{
	return watching && fd >= 0 && fd < FDS ? fds[fd].file : 0;
}

/* ---- what the program calls ------------------------------------------------------------- */

static int open_noting(int at, const char *path, int flags, mode_t mode)
{
	char name[PATH_BYTES];
	bool ours = below(at, path, name);
	const struct name *known = ours && *name != '\0' ? find(names, name) : NULL;
	int fd = (int)syscall(SYS_openat, at, path, flags, mode);

	if (fd < 0 || !ours)
		return fd;
	if (fd >= FDS)
		die("too many descriptors");
	if (known == NULL && (flags & O_CREAT) != 0) {
		set_name(names, name, ++files);
		(void)note(MAKE, files, name);
	} else if (known != NULL && known->file > 0 && (flags & O_TRUNC) != 0) {
		(void)note(CUT, known->file, "");
	}
	known = *name == '\0' ? NULL : find(names, name);
	if (known == NULL && *name != '\0')
		die("a file from nowhere");
	fds[fd].file = known == NULL ? -1 : known->file;
	snprintf(fds[fd].path, PATH_BYTES, "%s", name);
	return fd;
}

static mode_t mode_of(int flags, va_list ap)
{
	return (flags & O_CREAT) != 0 ? va_arg(ap, mode_t) : 0;
}

#define DEFINE_OPEN(name)                                                                          \
	OURS int name(const char *path, int flags, ...)                                            \
	{                                                                                          \
		va_list ap;                                                                        \
		mode_t mode;                                                                       \
                                                                                                   \
		va_start(ap, flags);                                                               \
		mode = mode_of(flags, ap);                                                         \
		va_end(ap);                                                                        \
		return open_noting(AT_FDCWD, path, flags, mode);                                   \
	}
DEFINE_OPEN(open)
DEFINE_OPEN(open64)

#define DEFINE_OPENAT(name)                                                                        \
	OURS int name(int at, const char *path, int flags, ...)                                    \
	{                                                                                          \
		va_list ap;                                                                        \
		mode_t mode;                                                                       \
                                                                                                   \
		va_start(ap, flags);                                                               \
		mode = mode_of(flags, ap);                                                         \
		va_end(ap);                                                                        \
		return open_noting(at, path, flags, mode);                                         \
	}
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

OURS int close(int fd)
{
	if (watching && fd >= 0 && fd < FDS)
		fds[fd].file = 0;
	return (int)syscall(SYS_close, fd);
}

static ssize_t written(int fd, const void *data, ssize_t n, off_t at)
{
	struct change *c;
	int file = file_of(fd);

	if (n <= 0 || file <= 0)
		return n;
	c = note(WRITE, file, "");
	c->offset = (uint64_t)at;
	c->size = (size_t)n;
	c->data = malloc((size_t)n);
	if (c->data == NULL)
		die("out of memory");
	memcpy(c->data, data, (size_t)n);
	return n;
}

OURS ssize_t write(int fd, const void *data, size_t size)
{
	off_t at = file_of(fd) > 0 ? lseek(fd, 0, SEEK_CUR) : 0;

	return written(fd, data, syscall(SYS_write, fd, data, size), at);
}

OURS ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
	return written(fd, data, syscall(SYS_pwrite64, fd, data, size, at), at);
}

OURS ssize_t pwrite64(int fd, const void *data, size_t size, off_t at)
{
	return pwrite(fd, data, size, at);
}

OURS int ftruncate(int fd, off_t size)
{
	int rc = (int)syscall(SYS_ftruncate, fd, size);

	if (rc == 0 && file_of(fd) > 0)
		note(CUT, fds[fd].file, "")->offset = (uint64_t)size;
	return rc;
}

OURS int ftruncate64(int fd, off_t size)
{
	return ftruncate(fd, size);
}

OURS int mkdirat(int at, const char *path, mode_t mode)
{
	char name[PATH_BYTES];
	int rc = (int)syscall(SYS_mkdirat, at, path, mode);

	if (rc == 0 && below(at, path, name)) {
		set_name(names, name, -1);
		(void)note(FOLDER, 0, name);
	}
	return rc;
}

OURS int unlinkat(int at, const char *path, int flags)
{
	char name[PATH_BYTES];
	int rc = (int)syscall(SYS_unlinkat, at, path, flags);

	if (rc == 0 && below(at, path, name)) {
		drop_name(names, name);
		(void)note(REMOVE, 0, name);
	}
	return rc;
}

OURS int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

static void apply_two(struct name *list, const struct change *c)
{
	const struct name *from = find(list, c->path);
	int file;

	if (from == NULL)
		die("a name of nothing");
	file = from->file;
	set_name(list, c->to, file);
	if (c->kind == RENAME)
		drop_name(list, c->path);
}

static void note_two(enum kind kind, int at, const char *path, int to_at, const char *to)
{
	char from_name[PATH_BYTES], to_name[PATH_BYTES];
	bool from_ours = below(at, path, from_name), to_ours = below(to_at, to, to_name);
	struct change *c;

	if (!from_ours && !to_ours)
		return;
	if (!from_ours || !to_ours)
		die("a name that comes or goes");
	c = note(kind, 0, from_name);
	memcpy(c->to, to_name, PATH_BYTES);
	apply_two(names, c);
}

OURS int renameat(int at, const char *path, int to_at, const char *to)
{
	int rc = (int)syscall(SYS_renameat2, at, path, to_at, to, 0);

	if (rc == 0)
		note_two(RENAME, at, path, to_at, to);
	return rc;
}

OURS int linkat(int at, const char *path, int to_at, const char *to, int flags)
{
	int rc = (int)syscall(SYS_linkat, at, path, to_at, to, flags);

	if (rc == 0)
		note_two(LINK, at, path, to_at, to);
	return rc;
}

OURS int fsync(int fd)
{
	int file = file_of(fd);

	if (file > 0)
		(void)note(SYNC, file, "");
	else if (file < 0)
		(void)note(SYNC_FOLDER, 0, fds[fd].path);
	return 0;
}

OURS int fdatasync(int fd)
{
	return fsync(fd);
}

OURS int syncfs(int fd)
{
	if (file_of(fd) != 0)
		(void)note(SYNC_ALL, 0, "");
	return 0;
}

/* ---- moments -------------------------------------------------------------------------------- */

void disk_watch(const char *dir)
{
	snprintf(top, sizeof(top), "%s", dir);
	watching = true;
}

void disk_rest(void)
{
	watching = false;
}

void disk_lie(bool lie)
{
	lying = lie;
}

void disk_mark(int n)
{
	(void)note(MARK, n, "");
}

size_t disk_moments(void)
{
	return count + 1;
}

int disk_marked(size_t moment)
{
	for (size_t i = moment; i-- > 0;) {
		if (changes[i].kind == MARK)
			return changes[i].file;
	}
	return -1;
}

void disk_what(size_t moment, char *out, size_t size)
{
	static const char *const words[] = {"make",        "mkdir",    "write",  "cut",
					    "rename",      "link",     "remove", "sync",
					    "sync folder", "sync all", "mark"};
	const struct change *c = moment == 0 ? NULL : &changes[moment - 1];

	if (c == NULL)
		snprintf(out, size, "nothing");
	else
		snprintf(out, size, "%s %d %s %s %llu+%zu", words[c->kind], c->file, c->path, c->to,
			 (unsigned long long)c->offset, c->size);
}

static bool is_name(const struct change *c)
{
	return c->kind == MAKE || c->kind == FOLDER || c->kind == RENAME || c->kind == LINK ||
	       c->kind == REMOVE;
}

static bool is_bytes(const struct change *c)
{
	return c->kind == WRITE || c->kind == CUT;
}

static bool lies_in(const char *path, const char *folder)
{
	const char *slash = strrchr(path, '/');
	size_t size = slash == NULL ? 0 : (size_t)(slash - path);

	return strlen(folder) == size && strncmp(path, folder, size) == 0;
}

/* Of the changes before a folder was synced, at ${i}: how many brought names that are there now. */
static size_t certain_by(size_t i)
{
	for (size_t k = i; k-- > 0;) {
		const struct change *c = &changes[k];

		if (is_name(c) && (lies_in(c->path, changes[i].path) ||
				   (c->to[0] != '\0' && lies_in(c->to, changes[i].path))))
			return k + 1;
	}
	return 0;
}

/* How many of the changes before ${moment} brought names that are there for certain. */
static size_t names_until(size_t moment)
{
	size_t until = 0;

	for (size_t i = 0; i < moment; i++) {
		if (changes[i].kind == SYNC_ALL)
			until = i;
		else if (changes[i].kind == SYNC_FOLDER && certain_by(i) > until)
			until = certain_by(i);
	}
	return until;
}

/* For each change before ${moment}, whether its file was synced after it; to be freed. */
static bool *find_synced(size_t moment)
{
	bool *synced = calloc(moment + 1, 1), *seen = calloc((size_t)files + 1, 1), all = false;

	if (synced == NULL || seen == NULL)
		die("out of memory");
	for (size_t i = moment; i-- > 0;) {
		all |= changes[i].kind == SYNC_ALL;
		if (changes[i].kind == SYNC && !lying)
			seen[changes[i].file] = true;
		synced[i] = is_bytes(&changes[i]) && (all || seen[changes[i].file]);
	}
	free(seen);
	return synced;
}

static uint64_t roll(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15U;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
	z = (z ^ z >> 27) * 0x94d049bb133111ebU;
	return z ^ z >> 31;
}

/* A file's bytes. */
struct body {
	uint8_t *data;
	uint64_t size, room;
};

static void resize(struct body *b, uint64_t size)
{
	if (size > b->room) {
		b->data = realloc(b->data, 2 * size);
		if (b->data == NULL)
			die("out of memory");
		b->room = 2 * size;
	}
	if (size > b->size)
		memset(b->data + b->size, 0, size - b->size);
	b->size = size;
}

static void change_bytes(struct body *b, const struct change *c, bool certain, enum disk_loss loss,
			 uint64_t *seed)
{
	size_t size = c->size;
	uint64_t dice = 7;

	if (!certain && loss == DISK_KEEPS_SOME) {
		dice = roll(seed) % 8; /* 0-2: lost, 3: torn, 4: zeros where it grew */
		if (dice < 3)
			return;
		if (dice == 3)
			size = size / SECTOR * SECTOR / 2;
	}
	if (c->kind == CUT) {
		resize(b, c->offset);
		return;
	}
	if (size == 0)
		return;
	if (dice == 4 && c->offset >= b->size) {
		resize(b, c->offset + size);
		return;
	}
	if (c->offset + size > b->size)
		resize(b, c->offset + size);
	memcpy(b->data + c->offset, c->data, size);
}

static void put_file(const char *path, const struct body *b)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || (b->size > 0 && syscall(SYS_write, fd, b->data, b->size) != (long)b->size))
		die("cannot write what is left");
	(void)syscall(SYS_close, fd);
}

static bool is_shared_memory(const char *path)
{
	size_t size = strlen(path);

	return size > 4 && strcmp(path + size - 4, "-shm") == 0;
}

/* What has a name, folders before what is in them. */
static void put_all(const struct body *bodies, const char *dir)
{
	char path[2 * PATH_BYTES];

	for (int depth = 0; depth < 4; depth++) {
		for (int i = 0; i < FILES; i++) {
			const char *s = rest[i].path;
			int slashes = 0;

			for (const char *p = s; *p != '\0'; p++)
				slashes += *p == '/';
			if (*s == '\0' || slashes != depth || is_shared_memory(s))
				continue;
			snprintf(path, sizeof(path), "%s/%s", dir, s);
			if (rest[i].file < 0 && mkdirat(AT_FDCWD, path, 0700) != 0)
				die("cannot make a folder again");
			if (rest[i].file > 0)
				put_file(path, &bodies[rest[i].file]);
		}
	}
}

void disk_restore(size_t moment, enum disk_loss loss, uint64_t seed, const char *dir)
{
	struct body *bodies = calloc((size_t)files + 1, sizeof(*bodies));
	size_t certain = names_until(moment), until = moment;
	bool *synced = find_synced(moment);

	if (bodies == NULL)
		die("out of memory");
	memset(rest, 0, sizeof(rest));
	if (loss == DISK_KEEPS_NONE || loss == DISK_KEEPS_BYTES)
		until = certain;
	else if (loss == DISK_KEEPS_SOME && moment > certain)
		until = certain + (size_t)(roll(&seed) % (moment - certain + 1));
	for (size_t i = 0; i < moment; i++) {
		const struct change *c = &changes[i];
		bool sure = synced[i];

		if (is_name(c) && i >= until)
			continue;
		if (c->kind == MAKE)
			set_name(rest, c->path, c->file);
		else if (c->kind == FOLDER)
			set_name(rest, c->path, -1);
		else if (c->kind == REMOVE)
			drop_name(rest, c->path);
		else if (c->kind == RENAME || c->kind == LINK)
			apply_two(rest, c);
		else if (is_bytes(c) &&
			 (sure || (loss != DISK_KEEPS_NONE && loss != DISK_KEEPS_NAMES)))
			change_bytes(&bodies[c->file], c, sure, loss, &seed);
	}
	free(synced);
	put_all(bodies, dir);
	for (int i = 0; i <= files; i++)
		free(bodies[i].data);
	free(bodies);
}

void disk_clear(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	char path[PATH_MAX];

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (unlink(path) == 0)
			continue;
		disk_clear(path);
		(void)unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
	}
	closedir(d);
}

static struct body get_file(const char *path)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);
	struct body b = {.data = NULL};
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		die("cannot read what is there");
	resize(&b, (uint64_t)st.st_size);
	if (b.size > 0 && syscall(SYS_read, fd, b.data, b.size) != (long)b.size)
		die("cannot read what is there");
	(void)syscall(SYS_close, fd);
	return b;
}

/* Entries of ${a} that are not the same in ${b}. */
static unsigned unlike(const char *a, const char *b)
{
	DIR *d = opendir(a);
	const struct dirent *e;
	unsigned found = 0;

	if (d == NULL)
		return 1;
	while ((e = readdir(d)) != NULL) {
		char in_a[PATH_MAX], in_b[PATH_MAX];
		struct body left, right;
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    is_shared_memory(e->d_name))
			continue;
		snprintf(in_a, sizeof(in_a), "%s/%s", a, e->d_name);
		snprintf(in_b, sizeof(in_b), "%s/%s", b, e->d_name);
		if (stat(in_b, &st) != 0) {
			found++;
		} else if (S_ISDIR(st.st_mode)) {
			found += unlike(in_a, in_b);
		} else {
			left = get_file(in_a);
			right = get_file(in_b);
			/* fanalyzer-suppress null-argument: what has a size has bytes */
			found += left.size != right.size ||
				 (left.size > 0 && memcmp(left.data, right.data, left.size) != 0);
			/* fanalyzer-suppress double-free: two files, two bodies */
			free(left.data);
			free(right.data);
		}
	}
	closedir(d);
	return found;
}

bool disk_same(const char *a, const char *b)
{
	return unlike(a, b) + unlike(b, a) == 0;
}
