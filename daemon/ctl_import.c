/* SPDX-License-Identifier: MIT */
/*
 * ctl_import.c — `larderctl import`: the bytes of every file go to the daemon,
 * which hashes and keeps them; then one request names them all at once.  Until
 * that request nobody sees anything of it, and a second import of the same
 * files stores nothing twice.
 */
#include <config.h>

#include "daemon/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/ctl_walk.h"

#define BAR_CELLS 30

struct import {
	struct ctl *ctl;
	const char *name, *revision;
	json_t *files;        /* what the last request says */
	uint64_t bytes_total; /* of all files */
	uint64_t bytes_done;  /* of those before this one */
	const char *path;     /* of this one */
	int64_t drawn_ms;
	bool drawn;
};

/* ---- progress ----------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void draw(struct import *im, uint64_t sent)
{
	static const char full[] = "##############################";
	uint64_t done = im->bytes_done + sent;
	int cells = im->bytes_total == 0
			? BAR_CELLS
			: (int)((double)done / (double)im->bytes_total * BAR_CELLS);
	char a[16], b[16];

	im->drawn = true;
	fprintf(stderr, "\r\033[K[%.*s%*s] %s of %s  %.40s", cells, full, BAR_CELLS - cells, "",
		ctl_bytes(done, a), ctl_bytes(im->bytes_total, b), im->path);
}

static void progress(void *arg, uint64_t sent)
{
	struct import *im = arg;
	int64_t now = now_ms();

	if (now - im->drawn_ms < 100)
		return;
	im->drawn_ms = now;
	draw(im, sent);
}

static void wipe(struct import *im)
{
	if (im->drawn)
		fputs("\r\033[K", stderr);
	im->drawn = false;
}

/* ---- one file --------------------------------------------------------------------------- */

/* Takes ${fd}. */
static int send_file(struct import *im, int fd, const char *path)
{
	struct ctl_http_request rq = {
	    .method = "POST",
	    .target = "/admin/v1/blobs",
	    .type = "application/octet-stream",
	    .fd = fd,
	    .progress = im->ctl->terminal ? progress : NULL,
	    .progress_arg = im,
	};
	struct stat st;
	json_t *root = NULL;
	char size[16];
	int status;

	im->path = path;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return ctl_fail("%s: not a file", path);
	}
	rq.fd_size = (uint64_t)st.st_size;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	status = ctl_call(im->ctl, &rq, &root);
	close(fd);
	if (status == CTL_OK &&
	    json_array_append_new(im->files, json_pack("{s:s,s:s}", "path", path, "sha256",
						       ctl_text(root, "sha256"))) != 0)
		status = ctl_fail("%s: its name is not UTF-8", path);
	json_decref(root);
	im->bytes_done += rq.fd_size;
	if (status == CTL_OK && !im->ctl->terminal && !im->ctl->json)
		printf("%s %s\n", path, ctl_bytes(rq.fd_size, size));
	return status;
}

static int send_folder(struct import *im, const char *dir)
{
	struct ctl_walk w;
	int status = CTL_FAILED;

	ctl_walk_init(&w);
	if (ctl_walk_folder(&w, dir)) {
		status = w.count > 0 ? CTL_OK : ctl_fail("%s: no files in it", dir);
		im->bytes_total = w.bytes;
		for (size_t i = 0; status == CTL_OK && i < w.count; i++) {
			int fd = ctl_walk_open(&w, w.files[i].path);

			if (fd < 0)
				status = ctl_fail("%s: %s", w.files[i].path, strerror(errno));
			else
				status = send_file(im, fd, w.files[i].path);
		}
		wipe(im);
		if (status == CTL_OK && w.left_out > 0)
			fprintf(stderr,
				"larderctl: left out %u folders of tools, links to folders or "
				"special files\n",
				w.left_out);
	}
	ctl_walk_release(&w);
	return status;
}

static const char *last_segment(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static int send_files(struct import *im, int count, char **paths)
{
	int status = CTL_OK;
	struct stat st;

	for (int i = 0; i < count; i++) {
		if (stat(paths[i], &st) == 0 && S_ISREG(st.st_mode))
			im->bytes_total += (uint64_t)st.st_size;
	}
	for (int i = 0; status == CTL_OK && i < count; i++) {
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);

		if (fd < 0)
			status = ctl_fail("%s: %s", paths[i], strerror(errno));
		else
			status = send_file(im, fd, last_segment(paths[i]));
	}
	wipe(im);
	return status;
}

/* ---- the model ------------------------------------------------------------------------------ */

static int name_files(struct import *im)
{
	json_t *body = json_pack("{s:s,s:O}", "revision", im->revision, "files", im->files);
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	char *name = ctl_encode(im->name), *target, size[16];
	struct ctl_http_request rq = {.method = "POST", .type = "application/json"};
	json_t *root;
	int status;

	json_decref(body);
	if (asprintf(&target, "/admin/v1/models/%s", name) < 0)
		abort();
	free(name);
	if (text == NULL) {
		free(target);
		return ctl_fail("the revision's name is not UTF-8");
	}
	rq.target = target;
	rq.body = text;
	rq.body_size = strlen(text);
	status = ctl_call(im->ctl, &rq, &root);
	free(target);
	free(text);
	if (status == CTL_OK && im->ctl->json)
		ctl_print_json(root);
	else if (status == CTL_OK)
		printf("imported %s@%s: %zu files, %s, %.12s\n", im->name, im->revision,
		       json_array_size(im->files), ctl_bytes(im->bytes_done, size),
		       ctl_text(root, "commit"));
	json_decref(root);
	return status;
}

/* The name of a folder, or of a file without its last extension; the caller frees it. */
static char *default_name(const char *path, bool folder)
{
	char *real = realpath(path, NULL), *name, *dot;

	if (real == NULL)
		return NULL;
	name = strdup(last_segment(folder ? real : path));
	free(real);
	dot = name != NULL && !folder ? strrchr(name, '.') : NULL;
	if (dot != NULL && dot != name)
		*dot = '\0';
	return name;
}

/* NAME or ORG/NAME.  The daemon judges; this is only so that nothing is sent in vain. */
static bool name_ok(const char *name)
{
	size_t segments = 0, n;

	for (const char *p = name;; p += n + 1) {
		n = strcspn(p, "/");
		if (n == 0 || (p[0] == '.' && (n == 1 || (n == 2 && p[1] == '.'))))
			return false;
		segments++;
		if (p[n] == '\0')
			break;
	}
	return segments <= 2 && strpbrk(name, "\\@") == NULL;
}

int ctl_command_import(struct ctl *ctl)
{
	static const char *const options[] = {"--name", "--revision", NULL};
	const char *values[2];
	struct import im = {.ctl = ctl};
	struct stat st;
	char *name = NULL;
	bool folder;
	int status;

	if (!ctl_options(ctl, options, values))
		return CTL_USAGE;
	if (ctl->argc == 0)
		return ctl_usage(ctl, "no DIR or FILE given");
	if (stat(ctl->argv[0], &st) != 0)
		return ctl_fail("%s: %s", ctl->argv[0], strerror(errno));
	folder = S_ISDIR(st.st_mode);
	if (folder && ctl->argc > 1)
		return ctl_usage(ctl, "one DIR, or FILEs");
	if (values[0] == NULL)
		name = default_name(ctl->argv[0], folder);
	im.name = values[0] != NULL ? values[0] : name;
	im.revision = values[1] != NULL ? values[1] : "main";
	im.files = json_array();
	if (im.files == NULL || im.name == NULL)
		status = ctl_fail("%s: %s", ctl->argv[0], strerror(errno));
	else if (!name_ok(im.name))
		status = ctl_fail("%s is not a legal model name: NAME or ORG/NAME, without @; "
				  "--name gives another",
				  im.name);
	else
		status =
		    folder ? send_folder(&im, ctl->argv[0]) : send_files(&im, ctl->argc, ctl->argv);
	if (status == CTL_OK)
		status = name_files(&im);
	json_decref(im.files);
	free(name);
	return status;
}
