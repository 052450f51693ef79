/* SPDX-License-Identifier: MIT */
/* files.c — see files.h.  Used by tests/tools only; never by the daemon. */
#include <config.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/tools/files.h"

static char empty_file[1];

bool files_map(const char *path, struct rt_bytes *out)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return false;
	}
	if (st.st_size == 0) {
		close(fd);
		*out = (struct rt_bytes){empty_file, 0};
		return true;
	}
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return false;
	*out = (struct rt_bytes){p, (size_t)st.st_size};
	/* cppcheck-suppress memleak ; it is the caller's now */
	return true;
}

void files_unmap(struct rt_bytes *b)
{
	if (b->size > 0) {
		void *p;
		memcpy(&p, &b->data, sizeof p); /* munmap wants it without const */
		munmap(p, b->size);
	}
	*b = (struct rt_bytes){NULL, 0};
}

void files_unread(void *arg, const void *data, size_t size)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	const uintptr_t from = ((uintptr_t)data + page - 1) & ~(page - 1);
	const uintptr_t to = ((uintptr_t)data + size) & ~(page - 1);

	(void)arg;
	if (from < to)
		(void)madvise((void *)from, to - from, MADV_DONTNEED);
}

bool files_is_dir(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool files_exists(const char *path)
{
	return access(path, R_OK) == 0;
}

char *files_join(const char *a, const char *b)
{
	char *s = NULL;

	if (asprintf(&s, "%s/%s", a, b) < 0) {
		fprintf(stderr, "out of memory\n");
		exit(2);
	}
	return s;
}

static int not_dots(const struct dirent *e)
{
	return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

void files_list(const char *dir, struct files_list *out)
{
	struct dirent **entries = NULL;
	int n = scandir(dir, &entries, not_dots, by_bytes);

	out->names = NULL;
	out->count = n;
	if (n <= 0)
		return;
	out->names = calloc((size_t)n, sizeof *out->names);
	for (int i = 0; i < n; i++) {
		if (out->names)
			out->names[i] = strdup(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	if (!out->names)
		out->count = -1;
}

void files_list_free(struct files_list *l)
{
	for (int i = 0; i < l->count; i++)
		free(l->names[i]);
	free(l->names);
	*l = (struct files_list){NULL, 0};
}

void files_beside_init(struct files_beside *b, const char *model_path)
{
	const char *slash = strrchr(model_path, '/');

	memset(b, 0, sizeof *b);
	b->dir = slash ? strndup(model_path, (size_t)(slash - model_path)) : strdup(".");
}

int files_beside_find(void *arg, const char *location, struct rt_bytes *out)
{
	struct files_beside *b = arg;
	char *path;
	bool ok;

	if (b->count == (int)(sizeof b->maps / sizeof *b->maps))
		return RT_MEMORY;
	path = files_join(b->dir, location);
	ok = files_map(path, &b->maps[b->count]);
	free(path);
	if (!ok)
		return RT_NOT_FOUND;
	*out = b->maps[b->count++];
	return RT_OK;
}

void files_beside_release(struct files_beside *b)
{
	for (int i = 0; i < b->count; i++)
		files_unmap(&b->maps[i]);
	free(b->dir);
	memset(b, 0, sizeof *b);
}
