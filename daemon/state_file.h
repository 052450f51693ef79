/* SPDX-License-Identifier: MIT */
/*
 * state_file.h — the small files of the state folder that are read whole and replaced whole: lists,
 * jobs, marks.
 */
#ifndef LARDER_DAEMON_STATE_FILE_H
#define LARDER_DAEMON_STATE_FILE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct context;

#define STATE_FILE_NEW ".new" /* behind the name, while it is being written */

/*
 * state_file_read(dir, name, most): its text, which the caller frees.  NULL with errno: ENOENT:
 * there is none; EFBIG: it has more than ${most} bytes; EINVAL: it is no file, or no text (a NUL is
 * in it).  Any thread, may block.
 */
char *state_file_read(int dir, const char *name, size_t most);
/*
 * state_file_write(dir, name, text): replaced by ${text}, durably: after a crash it is the old one
 * or the new one (NAME.new, fsync, rename, fsync of the folder).  Not for two threads at once and
 * the same name.  false with errno: it is as before, unless it was the folder that could not be
 * synced; nothing else is left behind.  Any thread but the loop's.
 */
bool state_file_write(int dir, const char *name, const char *text);

/*
 * A list that the event loop owns and that the pool writes down: soon after it changed, or at a
 * moment that somebody waits for.  Texts have versions: one that is older than what was written
 * is not written any more.
 */
struct state_file_keeper {
	struct context *ctx;
	int dir;
	const char *name;         /* of the file, and in the log */
	char *(*text)(void *arg); /* the list; on the loop; malloc */
	void *arg;
	char *writing; /* what the pool has, by touch, and its version */
	uint64_t writing_version;
	bool again;       /* it changed since */
	uint64_t version; /* of the text that was made last */
	pthread_mutex_t lock;
	uint64_t written; /* with the lock */
};
/* state_file_keep(k, ctx, dir, name, text, arg): ${name} is borrowed, ${dir} too. */
void state_file_keep(struct state_file_keeper *k, struct context *ctx, int dir, const char *name,
		     char *(*text)(void *arg), void *arg);
/*
 * state_file_touch(k): it has changed.  One write at a time; changes during a write are the next
 * one.  Event loop; ${k} must live until job_background_count() is 0.
 */
void state_file_touch(struct state_file_keeper *k);
/* state_file_text(k, ret_version): the list as it is now; the caller frees it.  Event loop. */
char *state_file_text(struct state_file_keeper *k, uint64_t *ret_version);
/*
 * state_file_put(k, text, version): it is on the disk, or something newer is; false with errno.
 * Any thread but the loop's.
 */
bool state_file_put(struct state_file_keeper *k, const char *text, uint64_t version);

#endif
