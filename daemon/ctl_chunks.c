/* SPDX-License-Identifier: MIT */
/*
 * ctl_chunks.c — `larderctl chunks FILE...`: a chunk list beside each file, for
 * any web server that has the file.  Needs no daemon.  It must never leave half
 * a list behind: one that is not complete has another name.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/ctl.h"
#include "store/store.h"

/* ${path}.chunks, by way of ${path}.chunks.new */
static bool write_list(const char *path, const void *data, size_t size)
{
	size_t n = strlen(path) + 16;
	char *name = malloc(n), *fresh = malloc(n);
	bool ok = false;
	FILE *f = NULL;

	if (name != NULL && fresh != NULL) {
		(void)snprintf(name, n, "%s.chunks", path);
		(void)snprintf(fresh, n, "%s.chunks.new", path);
		f = fopen(fresh, "we");
	}
	if (f != NULL) {
		ok = fwrite(data, 1, size, f) == size && fflush(f) == 0 && fsync(fileno(f)) == 0;
		ok = fclose(f) == 0 && ok && rename(fresh, name) == 0;
		if (!ok)
			(void)unlink(fresh);
	}
	if (!ok)
		(void)ctl_fail("%s.chunks: %s", path, strerror(errno));
	free(name);
	free(fresh);
	return ok;
}

static bool one_file(struct ctl *ctl, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), status;
	struct store_chunk_list list;
	struct store_error err;
	size_t bytes = 0;
	char text[16];
	void *out = NULL;
	bool ok;

	if (fd < 0)
		return ctl_fail("%s: %s", path, strerror(errno)) == CTL_OK;
	status = store_chunk_list_file(fd, &list, &err);
	(void)close(fd);
	if (status != 0)
		return ctl_fail("%s: %s", path, err.text) == CTL_OK;
	ok = store_chunk_list_print(&list, &out, &bytes, &err) == 0;
	if (!ok)
		(void)ctl_fail("%s: %s", path, err.text);
	ok = ok && write_list(path, out, bytes);
	if (ok && ctl->json)
		printf("{\"chunks\":%zu,\"bytes\":%zu}\n", list.count, bytes);
	else if (ok)
		printf("%s.chunks: %zu chunks, %s\n", path, list.count, ctl_bytes(bytes, text));
	free(out);
	store_chunk_list_drop(&list);
	return ok;
}

int ctl_command_chunks(struct ctl *ctl)
{
	bool ok = true;

	if (!ctl_options(ctl, (const char *const[]){NULL}, NULL))
		return CTL_USAGE;
	if (ctl->argc == 0)
		return ctl_usage(ctl, "no FILE given");
	for (int i = 0; i < ctl->argc; i++)
		ok = one_file(ctl, ctl->argv[i]) && ok;
	return ok ? CTL_OK : CTL_FAILED;
}
