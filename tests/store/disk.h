/* SPDX-License-Identifier: MIT */
/*
 * disk.h — a disk that remembers: every change that this process makes below one folder, in
 * order, and what of it would be there had the power gone at any moment.
 *
 * The functions of the C library that change files are defined in disk.c, so that they are called
 * by everything in the program, SQLite's shared library too.  Syncs are noted and do nothing.
 */
#ifndef LARDER_TESTS_STORE_DISK_H
#define LARDER_TESTS_STORE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What survives of that which was not synced.  What was, survives always; names in the order in
 * which they were given, as a file system with a journal does it (a folder that is synced brings
 * all that went before).  Bytes of files are under no such order.
 */
enum disk_loss {
	DISK_KEEPS_ALL,   /* a kill, not a power cut */
	DISK_KEEPS_NONE,  /* nothing */
	DISK_KEEPS_NAMES, /* files are empty or old */
	DISK_KEEPS_BYTES, /* names are missing */
	DISK_KEEPS_SOME,  /* some names; some writes, torn at 512 bytes or zeros: by the seed */
};
enum { DISK_LOSSES = DISK_KEEPS_SOME + 1 };

/* disk_watch(dir): from now on; ${dir} is there and empty.  One thread, once. */
void disk_watch(const char *dir);
/* disk_rest(): no longer. */
void disk_rest(void);
/* disk_mark(n): note that something has come so far. */
void disk_mark(int n);
/* disk_moments(): how many there are: 0 is before the first change, the last after all. */
size_t disk_moments(void);
/* disk_marked(moment): the last mark before it; -1 none. */
int disk_marked(size_t moment);
/* disk_what(moment, out, size): the change before it, in words. */
void disk_what(size_t moment, char *out, size_t size);
/*
 * disk_restore(moment, loss, seed, dir): write to ${dir}, which is there and empty, what is left
 * when the power goes at ${moment}.  Shared-memory files of SQLite are left out: no disk has them.
 */
void disk_restore(size_t moment, enum disk_loss loss, uint64_t seed, const char *dir);
/* disk_lie(true): a disk that says of files that they are synced, and does not. */
void disk_lie(bool lie);
/* disk_clear(dir): remove all that is in it. */
void disk_clear(const char *dir);
/* disk_same(a, b): whether two folders hold the same. */
bool disk_same(const char *a, const char *b);

#endif
