/* SPDX-License-Identifier: MIT */
/*
 * ctl_walk.c — see ctl_walk.h.  Called by ctl_import.c.  The kernel decides what
 * lies inside the folder (openat2, RESOLVE_BENEATH): no path is ever judged by
 * its text.
 */
#include <config.h>

#include "daemon/ctl_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/ctl.h"

void ctl_walk_init(struct ctl_walk *w)
{
	*w = (struct ctl_walk){.root = -1};
}

void ctl_walk_release(struct ctl_walk *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->files[i].path);
	free(w->files);
	if (w->root >= 0)
		close(w->root);
	ctl_walk_init(w);
}

int ctl_walk_open(const struct ctl_walk *w, const char *path)
{
	/* O_NONBLOCK: opening a fifo must not wait for somebody to write to it */
	struct open_how how = {
	    .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, w->root, path, &how, sizeof how);
}

static void add_file(struct ctl_walk *w, const char *path, uint64_t size)
{
	if (w->count == w->room) {
		w->room = w->room == 0 ? 64 : w->room * 2;
		w->files = reallocarray(w->files, w->room, sizeof *w->files);
		if (w->files == NULL)
			abort();
	}
	/* fanalyzer-suppress malloc-leak: abort() gives nothing back */
	w->files[w->count] = (struct ctl_walk_file){strdup(path), size};
	if (w->files[w->count].path == NULL)
		abort();
	w->count++;
	w->bytes += size;
}

/* Folders that are still to be read. */
struct todo {
	char **path;
	size_t count, room;
};

static void add_folder(struct todo *todo, const char *path)
{
	if (todo->count == todo->room) {
		todo->room = todo->room == 0 ? 16 : todo->room * 2;
		todo->path = reallocarray(todo->path, todo->room, sizeof *todo->path);
		if (todo->path == NULL)
			abort();
	}
	todo->path[todo->count] = strdup(path);
	/* fanalyzer-suppress malloc-leak: abort() gives nothing back */
	if (todo->path[todo->count++] == NULL)
		abort();
}

/* Folders of tools, not of the model. */
static bool is_tools_own(const char *path)
{
	static const char *const names[] = {".git", ".hg", ".svn", ".cache"};
	const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/* One entry.  false after a message. */
static bool look_at(struct ctl_walk *w, struct todo *todo, const char *path)
{
	struct stat st, link;
	int fd;

	if (fstatat(w->root, path, &link, AT_SYMLINK_NOFOLLOW) != 0) {
		(void)ctl_fail("%s: %s", path, strerror(errno));
		return false;
	}
	if (S_ISDIR(link.st_mode) && !is_tools_own(path)) {
		add_folder(todo, path);
		return true;
	}
	if (!S_ISREG(link.st_mode) && !S_ISLNK(link.st_mode)) {
		w->left_out++;
		return true;
	}
	fd = ctl_walk_open(w, path);
	if (fd < 0 || fstat(fd, &st) != 0) {
		if (errno == EXDEV)
			(void)ctl_fail("%s: the link leads out of the folder; copy the folder with "
				       "cp -rL and import the copy",
				       path);
		else
			(void)ctl_fail("%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	close(fd);
	if (S_ISREG(st.st_mode))
		add_file(w, path, (uint64_t)st.st_size);
	else
		w->left_out++;
	return true;
}

static bool read_folder(struct ctl_walk *w, struct todo *todo, const char *folder)
{
	int fd = openat(w->root, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	char *path;
	bool ok = d != NULL;

	if (d == NULL)
		(void)ctl_fail("%s: %s", folder, strerror(errno));
	while (ok && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (asprintf(&path, "%s%s%s", strcmp(folder, ".") == 0 ? "" : folder,
			     strcmp(folder, ".") == 0 ? "" : "/", e->d_name) < 0)
			abort();
		ok = look_at(w, todo, path);
		free(path);
	}
	if (d != NULL)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	return ok;
}

static int by_path(const void *a, const void *b)
{
	const struct ctl_walk_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

bool ctl_walk_folder(struct ctl_walk *w, const char *dir)
{
	struct todo todo = {.path = NULL};
	bool ok = true;

	w->root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->root < 0) {
		(void)ctl_fail("%s: %s", dir, strerror(errno));
		return false;
	}
	add_folder(&todo, ".");
	while (todo.count > 0) {
		char *folder = todo.path[--todo.count];

		ok = ok && read_folder(w, &todo, folder);
		free(folder);
	}
	free(todo.path);
	if (w->count > 0)
		qsort(w->files, w->count, sizeof *w->files, by_path);
	return ok;
}
