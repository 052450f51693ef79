/* SPDX-License-Identifier: MIT */
/*
 * ctl_walk.h — the files of a folder, as import takes them.
 *
 * All of them, whatever their names, but what tools keep beside them: the folders
 * .git, .hg, .svn and .cache are left out.  A symbolic link is followed when it leads
 * to a regular file inside the folder; one that leads out of it is an error, one to
 * a folder is left out.  What is neither file nor folder is left out.  What was left
 * out is counted, never silent.
 */
#ifndef LARDER_DAEMON_CTL_WALK_H
#define LARDER_DAEMON_CTL_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ctl_walk_file {
	char *path;    /* inside the model */
	uint64_t size; /* bytes, when it was looked at */
};

struct ctl_walk {
	int root; /* fd of the folder; -1 for none */
	struct ctl_walk_file *files;
	size_t count, room;
	uint64_t bytes; /* of all of them */
	unsigned left_out;
};

/* ctl_walk_init(w): empty. */
void ctl_walk_init(struct ctl_walk *w);
void ctl_walk_release(struct ctl_walk *w);
/* ctl_walk_folder(w, dir): everything below ${dir}, ordered by path.  false after a message. */
bool ctl_walk_folder(struct ctl_walk *w, const char *dir);
/* ctl_walk_open(w, path): one of its files for reading; -1 with errno. */
int ctl_walk_open(const struct ctl_walk *w, const char *path);

#endif
