/* SPDX-License-Identifier: MIT */
/*
 * ctl_bundle.c — what an offline bundle is, read and checked.  Called by import and
 * export; see ctl_bundle.h.  A manifest comes from anywhere: nothing of it is
 * believed before it was compared with the bytes.
 */
#include <config.h>

#include "daemon/ctl_bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/ctl.h"

enum {
	MANIFEST_MAX = 64 * 1024 * 1024, /* bytes; some 300,000 files */
	PIECE = 1 << 20,
};

/* ---- digests -------------------------------------------------------------------------- */

static void to_hex(const unsigned char *bytes, size_t count, char *hex)
{
	for (size_t i = 0; i < count; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
}

static bool finish_hash(EVP_MD_CTX *ctx, char hex[CTL_DIGEST_HEX + 1])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (EVP_DigestFinal_ex(ctx, digest, &n) != 1 || n != CTL_DIGEST_HEX / 2)
		return false;
	to_hex(digest, n, hex);
	return true;
}

static bool hash_pieces(EVP_MD_CTX *ctx, int fd, unsigned char *piece, struct ctl_progress *p)
{
	uint64_t at = 0;
	ssize_t n;

	while ((n = pread(fd, piece, PIECE, (off_t)at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || EVP_DigestUpdate(ctx, piece, (size_t)n) != 1)
			return false;
		at += (uint64_t)n;
		if (p != NULL)
			ctl_progress_at(p, at);
	}
	return true;
}

bool ctl_bundle_hash(int fd, char hex[CTL_DIGEST_HEX + 1], struct ctl_progress *p)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char *piece = malloc(PIECE);
	bool ok;

	errno = ENOMEM;
	ok = ctx != NULL && piece != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
	     hash_pieces(ctx, fd, piece, p) && finish_hash(ctx, hex);
	free(piece);
	EVP_MD_CTX_free(ctx);
	return ok;
}

static bool is_hex(const char *s, size_t digits)
{
	return strspn(s, "0123456789abcdef") == digits && s[digits] == '\0';
}

/* ---- the manifest ------------------------------------------------------------------------ */

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct ctl_bundle_file *)a)->path,
		      ((const struct ctl_bundle_file *)b)->path);
}

/* {"path":…,"size":…,"sha256":…} */
static int parse_file(struct ctl_bundle *b, json_t *v, const char *where)
{
	struct ctl_bundle_file *f = &b->files[b->count];
	json_int_t size;

	if (json_unpack(v, "{s:s,s:I,s:s}", "path", &f->path, "size", &size, "sha256",
			&f->sha256) != 0)
		return ctl_fail("%s: files[%zu] is not a path, a size and a sha256", where,
				b->count);
	if (size < 0 || !is_hex(f->sha256, CTL_DIGEST_HEX))
		return ctl_fail("%s: files[%zu] has no legal size or sha256", where, b->count);
	f->size = (uint64_t)size;
	if (__builtin_add_overflow(b->bytes, f->size, &b->bytes) || b->bytes > INT64_MAX)
		return ctl_fail("%s: the files are too large together", where);
	b->count++;
	return CTL_OK;
}

/* The commit as store/README.md defines it: path NUL sha256 NUL size LF, by path. */
static bool hash_list(const struct ctl_bundle *b, char hex[CTL_DIGEST_HEX + 1])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;

	for (size_t i = 0; ok && i < b->count; i++) {
		const struct ctl_bundle_file *f = &b->files[i];
		char size[32];
		int n = snprintf(size, sizeof size, "%" PRIu64 "\n", f->size);

		ok = EVP_DigestUpdate(ctx, f->path, strlen(f->path) + 1) == 1 &&
		     EVP_DigestUpdate(ctx, f->sha256, CTL_DIGEST_HEX + 1) == 1 &&
		     EVP_DigestUpdate(ctx, size, (size_t)n) == 1;
	}
	ok = ok && finish_hash(ctx, hex);
	EVP_MD_CTX_free(ctx);
	return ok;
}

static int parse(struct ctl_bundle *b, const char *where)
{
	const char *format;
	int version;
	char hex[CTL_DIGEST_HEX + 1];
	json_t *files, *v;
	size_t i;

	if (json_unpack(b->root, "{s:s,s:i,s:s,s:s,s:s,s:o}", "format", &format, "version",
			&version, "model", &b->model, "revision", &b->revision, "commit",
			&b->commit, "files", &files) != 0 ||
	    strcmp(format, "larder-bundle") != 0 || !json_is_array(files))
		return ctl_fail("%s: not the manifest of a bundle", where);
	if (version != 1)
		return ctl_fail("%s: a bundle of version %d; this larderctl knows 1", where,
				version);
	b->files = calloc(json_array_size(files) + 1, sizeof *b->files);
	if (b->files == NULL)
		return ctl_fail("out of memory");
	json_array_foreach(files, i, v)
	{
		if (parse_file(b, v, where) != CTL_OK)
			return CTL_FAILED;
	}
	qsort(b->files, b->count, sizeof *b->files, by_path);
	if (!hash_list(b, hex))
		return ctl_fail("out of memory");
	if (!is_hex(b->commit, CTL_COMMIT_HEX) || memcmp(hex, b->commit, CTL_COMMIT_HEX) != 0)
		return ctl_fail("%s: damaged: its file list is that of commit %.40s", where, hex);
	return CTL_OK;
}

int ctl_bundle_parse(struct ctl_bundle *b, json_t *root, const char *where)
{
	*b = (struct ctl_bundle){.root = root};
	if (parse(b, where) == CTL_OK)
		return CTL_OK;
	ctl_bundle_release(b);
	return CTL_FAILED;
}

void ctl_bundle_release(struct ctl_bundle *b)
{
	free(b->files);
	json_decref(b->root);
	*b = (struct ctl_bundle){.root = NULL};
}

bool ctl_bundle_is(int dir)
{
	struct stat st;

	return fstatat(dir, CTL_BUNDLE_MANIFEST, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	       fstatat(dir, CTL_BUNDLE_PART, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int ctl_bundle_load(struct ctl_bundle *b, int dir, const char *name)
{
	char where[256];
	struct stat st;
	json_t *root;
	json_error_t why;
	int fd;

	snprintf(where, sizeof where, "%.200s/" CTL_BUNDLE_MANIFEST, name);
	if (fstatat(dir, CTL_BUNDLE_PART, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return ctl_fail("%s: a bundle whose export was not completed", name);
	fd = openat(dir, CTL_BUNDLE_MANIFEST, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return ctl_fail("%s: %s", where, strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > MANIFEST_MAX) {
		close(fd);
		return ctl_fail("%s: not a file, or too large", where);
	}
	root = json_loadfd(fd, JSON_REJECT_DUPLICATES, &why);
	close(fd);
	if (root == NULL)
		return ctl_fail("%s: line %d: %s", where, why.line, why.text);
	return ctl_bundle_parse(b, root, where);
}

/* ---- contents ---------------------------------------------------------------------------- */

int ctl_bundle_open(int dir, const struct ctl_bundle_file *f)
{
	char path[sizeof CTL_BUNDLE_BLOBS + 1 + CTL_DIGEST_HEX];
	struct stat st;
	int fd;

	snprintf(path, sizeof path, CTL_BUNDLE_BLOBS "/%s", f->sha256);
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0) {
		(void)ctl_fail("%s: %s: %s", f->path, path, strerror(errno));
		return -1;
	}
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == f->size)
		return fd;
	(void)ctl_fail("%s: damaged: %s has %lld bytes instead of %" PRIu64, f->path, path,
		       (long long)st.st_size, f->size);
	close(fd);
	return -1;
}

static int check_file(int dir, const struct ctl_bundle_file *f, struct ctl_progress *p)
{
	char hex[CTL_DIGEST_HEX + 1];
	int fd = ctl_bundle_open(dir, f);
	bool read;

	if (fd < 0)
		return CTL_FAILED;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	p->what = f->path;
	read = ctl_bundle_hash(fd, hex, p);
	close(fd);
	ctl_progress_wipe(p);
	if (!read)
		return ctl_fail("%s: %s", f->path, strerror(errno));
	if (strcmp(hex, f->sha256) != 0)
		return ctl_fail("%s: damaged: its content has SHA-256 %s instead of %s", f->path,
				hex, f->sha256);
	p->done += f->size;
	return CTL_OK;
}

/* Sizes first: what was cut short is known at once. */
int ctl_bundle_check(const struct ctl_bundle *b, int dir, struct ctl_progress *p)
{
	int status = b->count > 0 ? CTL_OK : ctl_fail("the bundle has no files");

	for (size_t i = 0; status == CTL_OK && i < b->count; i++) {
		int fd = ctl_bundle_open(dir, &b->files[i]);

		if (fd < 0)
			status = CTL_FAILED;
		else
			close(fd);
	}
	for (size_t i = 0; status == CTL_OK && i < b->count; i++)
		status = check_file(dir, &b->files[i], p);
	return status;
}
