/* SPDX-License-Identifier: MIT */
/*
 * ctl_export.c — `larderctl export`: a snapshot of a model becomes a folder that can
 * be carried elsewhere (ctl_bundle.h).
 *
 * Contents are reflinked out of the state folder where larderctl may read it and
 * the file system can (FICLONE): two files that share their bytes until one is
 * changed.  They are never hard-linked: that would be one file with two names,
 * and whoever changed or cut the bundle would change what the daemon has mapped
 * and serves as verified.  Everywhere else they are copied, through the daemon
 * when the state folder is not ours to read.  Every digest is checked on the way.
 */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/ctl.h"
#include "daemon/ctl_bundle.h"

enum { PIECE = 8 << 20 }; /* bytes asked for at once */

struct export
{
	struct ctl *ctl;
	struct ctl_progress progress;
	struct ctl_bundle bundle;
	int dir, blobs; /* the folder, and that of the contents in it */
	int store;      /* blobs/ of the state folder; -1 when it is not to be read */
	unsigned reflinked;
};

/* ---- bytes ------------------------------------------------------------------------------ */

static bool write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

/* Exactly ${size} bytes: 1, or -1 with errno. */
static int copy_bytes(int in, int out, uint64_t size)
{
	char *piece = malloc(PIECE);
	ssize_t n = 1;

	while (piece != NULL && size > 0) {
		n = read(in, piece, size < PIECE ? (size_t)size : PIECE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO; /* it became shorter */
		if (n <= 0 || !write_all(out, piece, (size_t)n))
			break;
		size -= (uint64_t)n;
	}
	free(piece);
	return piece != NULL && size == 0 ? 1 : -1;
}

/* ---- the folder ------------------------------------------------------------------------- */

static bool is_empty(int dir)
{
	DIR *d = fdopendir(dup(dir));
	const struct dirent *e;
	bool empty = d != NULL;

	while (empty && (e = readdir(d)) != NULL)
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	if (d != NULL)
		closedir(d);
	return empty;
}

/* ${dir} is made, or is empty; nobody takes what is half-done for a bundle. */
static int make_folder(struct export *ex, const char *dir)
{
	int part;

	if (mkdir(dir, 0777) != 0 && errno != EEXIST)
		return ctl_fail("%s: %s", dir, strerror(errno));
	ex->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ex->dir < 0)
		return ctl_fail("%s: %s", dir, strerror(errno));
	if (!is_empty(ex->dir))
		return ctl_fail("%s: not empty", dir);
	part = openat(ex->dir, CTL_BUNDLE_PART, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (part < 0)
		return ctl_fail("%s: %s", dir, strerror(errno));
	close(part);
	if (mkdirat(ex->dir, "blobs", 0777) == 0 && mkdirat(ex->dir, CTL_BUNDLE_BLOBS, 0777) == 0)
		ex->blobs = openat(ex->dir, CTL_BUNDLE_BLOBS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ex->blobs < 0)
		return ctl_fail("%s: " CTL_BUNDLE_BLOBS ": %s", dir, strerror(errno));
	return CTL_OK;
}

/* The manifest, then the end of being half-done. */
static int finish_folder(struct export *ex, const char *dir)
{
	char *text = json_dumps(ex->bundle.root, JSON_INDENT(1));
	size_t size = text != NULL ? strlen(text) : 0;
	int blobs = openat(ex->dir, "blobs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd =
	    openat(ex->dir, CTL_BUNDLE_MANIFEST, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	bool ok = text != NULL && blobs >= 0 && fd >= 0;

	ok = ok && write_all(fd, text, size) && write_all(fd, "\n", 1) && fsync(fd) == 0 &&
	     fsync(ex->blobs) == 0 && fsync(blobs) == 0 && fsync(ex->dir) == 0 &&
	     unlinkat(ex->dir, CTL_BUNDLE_PART, 0) == 0 && fsync(ex->dir) == 0;
	if (!ok)
		(void)ctl_fail("%s: %s", dir, strerror(errno));
	if (fd >= 0)
		close(fd);
	if (blobs >= 0)
		close(blobs);
	free(text);
	return ok ? CTL_OK : CTL_FAILED;
}

/* ---- one content --------------------------------------------------------------------------- */

/* From the state folder: 1 done, 0 not from there, -1 failed after it began, with errno. */
static int copy_local(struct export *ex, const struct ctl_bundle_file *f, int out)
{
	char path[3 + CTL_DIGEST_HEX + 1];
	struct stat st;
	int fd, done = 0;

	if (ex->store < 0)
		return 0;
	snprintf(path, sizeof path, "%.2s/%s", f->sha256, f->sha256);
	fd = openat(ex->store, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == f->size) {
		if (f->size > 0 && ioctl(out, FICLONE, fd) == 0) {
			ex->reflinked++;
			done = 1;
		} else {
			done = copy_bytes(fd, out, f->size);
		}
	}
	close(fd);
	return done;
}

/* One piece of it from the daemon, which answers ranges (RFC 9110 §14.2). */
static int fetch_piece(struct export *ex, const struct ctl_bundle_file *f, uint64_t at, int out)
{
	uint64_t last = f->size - at > PIECE ? at + PIECE - 1 : f->size - 1;
	char target[32 + CTL_DIGEST_HEX], range[96], err[256];
	struct ctl_http_request rq = {.method = "GET", .target = target, .headers = range};
	struct ctl_http_answer answer;
	int status = CTL_OK;

	snprintf(target, sizeof target, "/blobs/sha256/%s", f->sha256);
	snprintf(range, sizeof range, "Range: bytes=%" PRIu64 "-%" PRIu64 "\r\n", at, last);
	if (ctl_http_call(ex->ctl->http, &rq, &answer, err) != 0)
		return ctl_fail("%s: %s", f->path, err);
	if (answer.status >= 400)
		status = ctl_refused(&answer);
	else if (answer.status != 206 || answer.size != last - at + 1)
		status = ctl_fail("%s: the daemon's answer is not the range asked for", f->path);
	else if (!write_all(out, answer.body, answer.size))
		status = ctl_fail("%s: %s", f->path, strerror(errno));
	ctl_http_drop(&answer);
	return status;
}

static int fetch(struct export *ex, const struct ctl_bundle_file *f, int out)
{
	int status = CTL_OK;

	for (uint64_t at = 0; status == CTL_OK && at < f->size; at += PIECE) {
		status = fetch_piece(ex, f, at, out);
		ctl_progress_at(&ex->progress, at);
	}
	return status;
}

/* The bytes, their digest, and to the disk with them. */
static int fill(struct export *ex, const struct ctl_bundle_file *f, int out)
{
	char hex[CTL_DIGEST_HEX + 1];
	int done = copy_local(ex, f, out);

	if (done < 0)
		return ctl_fail("%s: %s", f->path, strerror(errno));
	if (done == 0 && fetch(ex, f, out) != CTL_OK)
		return CTL_FAILED;
	if (!ctl_bundle_hash(out, hex, NULL) || fsync(out) != 0)
		return ctl_fail("%s: %s", f->path, strerror(errno));
	if (strcmp(hex, f->sha256) != 0)
		return ctl_fail("%s: damaged: what is stored has SHA-256 %s instead of %s", f->path,
				hex, f->sha256);
	return CTL_OK;
}

static int export_file(struct export *ex, const struct ctl_bundle_file *f)
{
	int out = openat(ex->blobs, f->sha256, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	int status = CTL_OK;
	char size[16];

	if (out < 0 && errno != EEXIST) /* two paths of one content */
		return ctl_fail("%s: %s", f->path, strerror(errno));
	ex->progress.what = f->path;
	if (out >= 0) {
		status = fill(ex, f, out);
		close(out);
	}
	ex->progress.done += f->size;
	if (status == CTL_OK && !ex->ctl->terminal && !ex->ctl->json)
		printf("%s %s\n", f->path, ctl_bytes(f->size, size));
	return status;
}

/* ---- the model ---------------------------------------------------------------------------------
 */

/* The manifest, from what the daemon says of the model. */
static json_t *manifest_of(const json_t *model)
{
	json_t *files = json_array(), *v, *root;
	size_t i;
	bool ok = files != NULL;

	json_array_foreach(json_object_get(model, "list"), i, v)
	{
		ok = ok && json_array_append_new(
			       files, json_pack("{s:s,s:I,s:s}", "path", ctl_text(v, "path"),
						"size", (json_int_t)ctl_count(v, "bytes"), "sha256",
						ctl_text(v, "sha256"))) == 0;
	}
	root = json_pack("{s:s,s:i,s:s,s:s,s:s,s:o}", "format", "larder-bundle", "version", 1,
			 "model", ctl_text(model, "id"), "revision", ctl_text(model, "revision"),
			 "commit", ctl_text(model, "commit"), "files", files);
	if (ok)
		return root;
	json_decref(root);
	return NULL;
}

static int ask_model(struct export *ex, const char *model)
{
	json_t *root, *manifest;
	int status = ctl_ask(ex->ctl, "GET", ctl_target("/admin/v1/models/", model, ""), &root);

	if (status != CTL_OK)
		return status;
	manifest = manifest_of(root);
	json_decref(root);
	if (manifest == NULL)
		return ctl_fail("out of memory");
	return ctl_bundle_parse(&ex->bundle, manifest, "the daemon's answer");
}

/* blobs/ of the state folder, if we may read it. */
static int open_store(struct export *ex)
{
	json_t *root;
	char *path;
	int fd = -1;

	if (ctl_ask(ex->ctl, "GET", strdup("/admin/v1/stats"), &root) != CTL_OK)
		return -1;
	if (ctl_text(root, "state_dir")[0] == '/' &&
	    asprintf(&path, "%s/blobs", ctl_text(root, "state_dir")) >= 0) {
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		free(path);
	}
	json_decref(root);
	return fd;
}

static int export_all(struct export *ex, const char *model, const char *dir)
{
	int status = ask_model(ex, model);

	if (status != CTL_OK)
		return status;
	ex->progress.total = ex->bundle.bytes;
	ex->store = open_store(ex);
	status = make_folder(ex, dir);
	for (size_t i = 0; status == CTL_OK && i < ex->bundle.count; i++)
		status = export_file(ex, &ex->bundle.files[i]);
	ctl_progress_wipe(&ex->progress);
	return status == CTL_OK ? finish_folder(ex, dir) : status;
}

static void report(const struct export *ex, const char *dir)
{
	const struct ctl_bundle *b = &ex->bundle;
	char size[16];
	json_t *v;

	if (!ex->ctl->json) {
		printf("exported %s@%s to %s: %zu files, %s, %.12s\n", b->model, b->revision, dir,
		       b->count, ctl_bytes(b->bytes, size), b->commit);
		return;
	}
	v = json_pack("{s:s,s:s,s:s,s:I,s:I,s:I}", "id", b->model, "revision", b->revision,
		      "commit", b->commit, "files", (json_int_t)b->count, "bytes",
		      (json_int_t)b->bytes, "reflinked", (json_int_t)ex->reflinked);
	ctl_print_json(v);
	json_decref(v);
}

int ctl_command_export(struct ctl *ctl)
{
	static const char *const none[] = {NULL};
	struct export ex = {.ctl = ctl, .dir = -1, .blobs = -1, .store = -1};
	const char *values[1];
	int status;

	if (!ctl_options(ctl, none, values))
		return CTL_USAGE;
	if (ctl->argc != 2)
		return ctl_usage(ctl, "MODEL and DIR, please");
	ex.progress.terminal = ctl->terminal;
	status = export_all(&ex, ctl->argv[0], ctl->argv[1]);
	if (status == CTL_OK)
		report(&ex, ctl->argv[1]);
	ctl_bundle_release(&ex.bundle);
	for (size_t i = 0; i < 3; i++) {
		int fd = (int[]){ex.dir, ex.blobs, ex.store}[i];

		if (fd >= 0)
			close(fd);
	}
	return status;
}
