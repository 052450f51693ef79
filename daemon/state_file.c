/* SPDX-License-Identifier: MIT */
/*
 * state_file.c — see state_file.h.  Called by origins.c, manifest.c, warm_keep.c, pull_names.c and
 * pull_marks.c.  Must never leave a file half written.
 */
#include <config.h>

#include "daemon/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/job.h"
#include "daemon/log.h"
#include "daemon/must.h"

#define NAME_BYTES 64

/* ---- reading ------------------------------------------------------------------------------------
 */

/* ${size} bytes, or as many as there are; NULL with errno. */
static char *read_bytes(int fd, size_t size)
{
	char *text = malloc(size + 1);
	size_t have = 0;
	ssize_t n = 1;

	while (text != NULL && n != 0 && have < size) {
		n = read(fd, text + have, size - have);
		if (n < 0 && errno != EINTR) {
			free(text);
			return NULL;
		}
		have += n > 0 ? (size_t)n : 0;
	}
	if (text == NULL)
		return NULL;
	text[have] = '\0';
	if (strlen(text) == have)
		return text;
	free(text);
	errno = EINVAL;
	return NULL;
}

char *state_file_read(int dir, const char *name, size_t most)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), why;
	struct stat st;
	char *text = NULL;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0) {
		errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		if (errno == EFBIG && (uintmax_t)st.st_size <= most)
			text = read_bytes(fd, (size_t)st.st_size);
	}
	why = errno;
	(void)close(fd);
	errno = why;
	return text;
}

/* ---- writing ------------------------------------------------------------------------------------
 */

static bool write_bytes(int fd, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		text += n;
		size -= (size_t)n;
	}
	return true;
}

bool state_file_write(int dir, const char *name, const char *text)
{
	char fresh[NAME_BYTES + sizeof(STATE_FILE_NEW)];
	int fd, why;
	bool ok;

	must(strlen(name) < NAME_BYTES);
	(void)snprintf(fresh, sizeof(fresh), "%s" STATE_FILE_NEW, name);
	fd = openat(dir, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return false;
	ok = write_bytes(fd, text, strlen(text)) && fsync(fd) == 0;
	why = errno;
	if (close(fd) != 0 && ok) {
		ok = false;
		why = errno;
	}
	if (ok && renameat(dir, fresh, dir, name) != 0) {
		ok = false;
		why = errno;
	}
	if (!ok) {
		(void)unlinkat(dir, fresh, 0);
		errno = why;
		return false;
	}
	return fsync(dir) == 0;
}

/* ---- keepers ------------------------------------------------------------------------------------
 */

void state_file_keep(struct state_file_keeper *k, struct context *ctx, int dir, const char *name,
		     char *(*text)(void *arg), void *arg)
{
	*k = (struct state_file_keeper){
	    .ctx = ctx, .dir = dir, .name = name, .text = text, .arg = arg};
	must(pthread_mutex_init(&k->lock, NULL) == 0);
}

char *state_file_text(struct state_file_keeper *k, uint64_t *ret_version)
{
	char *text = k->text(k->arg);

	must(text != NULL);
	*ret_version = ++k->version;
	return text;
}

bool state_file_put(struct state_file_keeper *k, const char *text, uint64_t version)
{
	bool ok = true;

	(void)pthread_mutex_lock(&k->lock);
	if (version > k->written) {
		ok = state_file_write(k->dir, k->name, text);
		k->written = ok ? version : k->written;
	}
	(void)pthread_mutex_unlock(&k->lock);
	return ok;
}

static void write_down(void *arg)
{
	struct state_file_keeper *k = arg;

	if (!state_file_put(k, k->writing, k->writing_version))
		log_warning("state", "file=%s error=\"it could not be written down: %s\"", k->name,
			    strerror(errno));
}

static void written(void *arg)
{
	struct state_file_keeper *k = arg;

	free(k->writing);
	k->writing = NULL;
	if (k->again)
		state_file_touch(k);
}

void state_file_touch(struct state_file_keeper *k)
{
	k->again = k->writing != NULL;
	if (k->again)
		return;
	k->writing = state_file_text(k, &k->writing_version);
	job_background(k->ctx, write_down, written, k);
}
