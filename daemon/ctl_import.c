/* SPDX-License-Identifier: MIT */
/*
 * ctl_import.c — `larderctl import`: the bytes of every file go to the daemon,
 * which hashes and keeps them; then one request names them all at once.  Until
 * that request nobody sees anything of it, and a second import of the same
 * files stores nothing twice.  A folder that holds a bundle (ctl_bundle.h) is the
 * model that its manifest says, or nothing at all.
 *
 * The files are read here, with the rights of whoever calls, and sent: the daemon
 * never opens a path that somebody names.  It runs as another user, often in a
 * sandbox that sees no home folders; and if it did, whoever may administrate it
 * could read its secrets by importing them.
 */
#include <config.h>

#include "daemon/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/ctl_bundle.h"
#include "daemon/ctl_progress.h"
#include "daemon/ctl_room.h"
#include "daemon/ctl_walk.h"

struct import {
	struct ctl *ctl;
	const char *name, *revision;
	json_t *files; /* what the last request says */
	struct ctl_progress progress;
	int tmp; /* of the state folder, for reflinks; -1 where that cannot be */
};

/* ---- one file --------------------------------------------------------------------------- */

/* Takes ${fd}.  ${sha256}: what the content must be; NULL = whatever it is. */
static int send_file(struct import *im, int fd, const char *path, const char *sha256)
{
	struct ctl_http_request rq = {
	    .method = "POST",
	    .target = "/admin/v1/blobs",
	    .type = "application/octet-stream",
	    .fd = fd,
	    .progress = ctl_progress_at,
	    .progress_arg = &im->progress,
	};
	struct stat st;
	json_t *root = NULL;
	char size[16];
	int status;

	im->progress.what = path;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return ctl_fail("%s: not a file", path);
	}
	rq.fd_size = (uint64_t)st.st_size;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	status = ctl_call(im->ctl, &rq, &root);
	close(fd);
	if (status == CTL_OK && sha256 != NULL && strcmp(ctl_text(root, "sha256"), sha256) != 0)
		status = ctl_fail("%s: it changed while it was read", path);
	if (status == CTL_OK &&
	    json_array_append_new(im->files, json_pack("{s:s,s:s}", "path", path, "sha256",
						       ctl_text(root, "sha256"))) != 0)
		status = ctl_fail("%s: its name is not UTF-8", path);
	json_decref(root);
	im->progress.done += rq.fd_size;
	if (status == CTL_OK && !im->ctl->terminal && !im->ctl->json)
		printf("%s %s\n", path, ctl_bytes(rq.fd_size, size));
	return status;
}

/* A content that needs not be sent. */
static int list_file(struct import *im, const struct ctl_bundle_file *f, const char *why)
{
	char size[16];

	if (json_array_append_new(
		im->files, json_pack("{s:s,s:s}", "path", f->path, "sha256", f->sha256)) != 0)
		return ctl_fail("out of memory");
	im->progress.done += f->size;
	if (!im->ctl->terminal && !im->ctl->json)
		printf("%s %s, %s\n", f->path, ctl_bytes(f->size, size), why);
	return CTL_OK;
}

/* The files of a folder, or those that were given one by one. */
struct source {
	const struct ctl_walk *walk; /* NULL: paths */
	char **paths;
	size_t count;
	struct known { /* [count]; NULL when nobody looked */
		char sha256[CTL_DIGEST_HEX + 1];
		uint64_t size;
	} * known;
};

static const char *last_segment(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* Their names in the model. */
static const char *source_path(const struct source *src, size_t i)
{
	return src->walk != NULL ? src->walk->files[i].path : last_segment(src->paths[i]);
}

/* -1 after a message. */
static int source_open(const struct source *src, size_t i)
{
	const char *name = src->walk != NULL ? src->walk->files[i].path : src->paths[i];
	int fd = src->walk != NULL ? ctl_walk_open(src->walk, name)
				   : open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		(void)ctl_fail("%s: %s", name, strerror(errno));
	return fd;
}

/* Digest and size of one of them. */
static int look_at(const struct source *src, size_t i)
{
	struct known *k = &src->known[i];
	int fd = source_open(src, i);
	int status = CTL_OK;
	struct stat st;

	if (fd < 0)
		return CTL_FAILED;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		status = ctl_fail("%s: not a file", source_path(src, i));
	else if (!ctl_bundle_hash(fd, k->sha256, NULL))
		status = ctl_fail("%s: %s", source_path(src, i), strerror(errno));
	k->size = (uint64_t)st.st_size;
	close(fd);
	return status;
}

/*
 * For a store that may be too small: look at all files first, so that only what
 * is not stored yet is sent and counts.  Elsewhere each file is read once only.
 */
static int room_for(struct import *im, struct source *src)
{
	struct ctl_room room;
	int status = CTL_OK;

	if (!ctl_room_is_tight(im->ctl, im->progress.total))
		return CTL_OK;
	src->known = calloc(src->count, sizeof *src->known);
	if (src->known == NULL)
		return ctl_fail("out of memory");
	ctl_room_init(&room, im->ctl);
	for (size_t i = 0; status == CTL_OK && i < src->count; i++) {
		status = look_at(src, i);
		if (status == CTL_OK)
			ctl_room_add(&room, src->known[i].sha256, src->known[i].size);
	}
	return ctl_room_make(&room, status);
}

static int send_one(struct import *im, const struct source *src, size_t i)
{
	const struct known *k = src->known != NULL ? &src->known[i] : NULL;
	const char *path = source_path(src, i);
	int fd;

	if (k != NULL && ctl_room_has(im->ctl, k->sha256))
		return list_file(im, &(struct ctl_bundle_file){path, k->sha256, k->size},
				 "stored already");
	fd = source_open(src, i);
	return fd < 0 ? CTL_FAILED : send_file(im, fd, path, k != NULL ? k->sha256 : NULL);
}

static int send_all(struct import *im, struct source *src)
{
	int status = room_for(im, src);

	for (size_t i = 0; status == CTL_OK && i < src->count; i++)
		status = send_one(im, src, i);
	ctl_progress_wipe(&im->progress);
	free(src->known);
	return status;
}

static int send_folder(struct import *im, const char *dir)
{
	struct ctl_walk w;
	int status = CTL_FAILED;

	ctl_walk_init(&w);
	if (ctl_walk_folder(&w, dir)) {
		im->progress.total = w.bytes;
		status = w.count > 0 ? send_all(im, &(struct source){.walk = &w, .count = w.count})
				     : ctl_fail("%s: no files in it", dir);
		if (status == CTL_OK && w.left_out > 0)
			fprintf(stderr,
				"larderctl: left out %u folders of tools, links to folders or "
				"special files\n",
				w.left_out);
	}
	ctl_walk_release(&w);
	return status;
}

static int send_files(struct import *im, int count, char **paths)
{
	struct stat st;

	for (int i = 0; i < count; i++) {
		if (stat(paths[i], &st) == 0 && S_ISREG(st.st_mode))
			im->progress.total += (uint64_t)st.st_size;
	}
	return send_all(im, &(struct source){.paths = paths, .count = (size_t)count});
}

/* ---- a bundle ------------------------------------------------------------------------- */

/* Room for what is not stored yet, before any of it goes. */
static int room_for_bundle(struct import *im, const struct ctl_bundle *b)
{
	struct ctl_room room;

	if (!ctl_room_is_tight(im->ctl, b->bytes))
		return CTL_OK;
	ctl_room_init(&room, im->ctl);
	for (size_t i = 0; i < b->count; i++)
		ctl_room_add(&room, b->files[i].sha256, b->files[i].size);
	return ctl_room_make(&room, CTL_OK);
}

/* tmp/ of the state folder, if we may write there. */
static int open_tmp(struct import *im)
{
	json_t *root;
	char *path;
	int fd = -1;

	if (ctl_ask(im->ctl, "GET", strdup("/admin/v1/stats"), &root) != CTL_OK)
		return -1;
	if (ctl_text(root, "state_dir")[0] == '/' &&
	    asprintf(&path, "%s/tmp", ctl_text(root, "state_dir")) >= 0) {
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		free(path);
	}
	json_decref(root);
	return fd;
}

/* A reflink of ${fd} in tmp/, owned by whoever owns that folder. */
static bool clone_file(int tmp, int fd, const char *name)
{
	int out = openat(tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;
	bool ok;

	if (out < 0)
		return false;
	ok = ioctl(out, FICLONE, fd) == 0 && fstat(tmp, &st) == 0 &&
	     fchown(out, st.st_uid, st.st_gid) == 0;
	close(out);
	if (!ok)
		(void)unlinkat(tmp, name, 0);
	return ok;
}

/* Without copying: true when the daemon has it. */
static bool hand_over(struct import *im, int fd, const struct ctl_bundle_file *f)
{
	char target[32 + CTL_DIGEST_HEX], err[256];
	struct ctl_http_request rq = {
	    .method = "PUT", .target = target, .headers = "Content-Length: 0\r\n"};
	struct ctl_http_answer answer;
	bool taken;

	if (im->tmp < 0 || f->size == 0)
		return false;
	if (!clone_file(im->tmp, fd, f->sha256)) {
		close(im->tmp); /* not ours to write, or it cannot: it is the same for the next */
		im->tmp = -1;
		return false;
	}
	snprintf(target, sizeof target, "/admin/v1/blobs/%s", f->sha256);
	if (ctl_http_call(im->ctl->http, &rq, &answer, err) != 0)
		return false;
	taken = answer.status == 201;
	ctl_http_drop(&answer);
	if (!taken)
		(void)unlinkat(im->tmp, f->sha256, 0);

	return taken;
}

static int send_content(struct import *im, int dir, const struct ctl_bundle_file *f)
{
	int fd;

	if (ctl_room_has(im->ctl, f->sha256))
		return list_file(im, f, "stored already");
	fd = ctl_bundle_open(dir, f);
	if (fd < 0)
		return CTL_FAILED;
	if (!hand_over(im, fd, f))
		return send_file(im, fd, f->path, f->sha256);
	close(fd);
	return list_file(im, f, "reflinked");
}

/* All is looked at before anything is sent: a bundle is taken as a whole or not at all. */
static int send_bundle(struct import *im, int dir, const struct ctl_bundle *b)
{
	int status;

	im->progress.total = b->bytes;
	status = ctl_bundle_check(b, dir, &im->progress);
	im->progress.done = 0;
	if (status == CTL_OK)
		status = room_for_bundle(im, b);
	im->tmp = status == CTL_OK ? open_tmp(im) : -1;
	for (size_t i = 0; status == CTL_OK && i < b->count; i++)
		status = send_content(im, dir, &b->files[i]);
	ctl_progress_wipe(&im->progress);
	if (im->tmp >= 0)
		close(im->tmp);
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
		       json_array_size(im->files), ctl_bytes(im->progress.done, size),
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

/* The files, under the name that was given or the one they bring. */
static int import(struct import *im, bool folder, const struct ctl_bundle *bundle, int dir)
{
	int status;

	if (!name_ok(im->name))
		return ctl_fail("%s is not a legal model name: NAME or ORG/NAME, without @; "
				"--name gives another",
				im->name);
	im->files = json_array();
	if (im->files == NULL)
		return ctl_fail("out of memory");
	im->progress.terminal = im->ctl->terminal;
	if (bundle != NULL)
		status = send_bundle(im, dir, bundle);
	else if (folder)
		status = send_folder(im, im->ctl->argv[0]);
	else
		status = send_files(im, im->ctl->argc, im->ctl->argv);
	if (status == CTL_OK)
		status = name_files(im);
	json_decref(im->files);
	return status;
}

/* A folder open as ${dir} that holds a bundle. */
static int import_bundle(struct import *im, int dir)
{
	struct ctl_bundle bundle;
	int status = ctl_bundle_load(&bundle, dir, im->ctl->argv[0]);

	if (status != CTL_OK)
		return status;
	if (im->name == NULL)
		im->name = bundle.model;
	if (im->revision == NULL)
		im->revision = bundle.revision;
	status = import(im, true, &bundle, dir);
	ctl_bundle_release(&bundle);
	return status;
}

static int import_plain(struct import *im, bool folder)
{
	char *name = NULL;
	int status;

	if (im->name == NULL)
		im->name = name = default_name(im->ctl->argv[0], folder);
	if (im->revision == NULL)
		im->revision = "main";
	if (im->name == NULL)
		status = ctl_fail("%s: %s", im->ctl->argv[0], strerror(errno));
	else
		status = import(im, folder, NULL, -1);
	free(name);
	return status;
}

int ctl_command_import(struct ctl *ctl)
{
	static const char *const options[] = {"--name", "--revision", NULL};
	const char *values[2];
	struct import im = {.ctl = ctl};
	struct stat st;
	int dir, status;

	if (!ctl_options(ctl, options, values))
		return CTL_USAGE;
	if (ctl->argc == 0)
		return ctl_usage(ctl, "no DIR or FILE given");
	if (stat(ctl->argv[0], &st) != 0)
		return ctl_fail("%s: %s", ctl->argv[0], strerror(errno));
	if (S_ISDIR(st.st_mode) && ctl->argc > 1)
		return ctl_usage(ctl, "one DIR, or FILEs");
	im.name = values[0];
	im.revision = values[1];
	dir = S_ISDIR(st.st_mode) ? open(ctl->argv[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (dir >= 0 && ctl_bundle_is(dir))
		status = import_bundle(&im, dir);
	else
		status = import_plain(&im, S_ISDIR(st.st_mode));
	if (dir >= 0)
		close(dir);
	return status;
}
