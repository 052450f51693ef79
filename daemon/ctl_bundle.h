/* SPDX-License-Identifier: MIT */
/*
 * ctl_bundle.h — a snapshot of a model as a folder that can be carried to a machine
 * without a network.  The format is described in store/README.md:
 *
 *   larder-bundle.json       the manifest, written last
 *   larder-bundle.part       there as long as the export is not complete
 *   blobs/sha256/<64 hex>    each content once
 *
 * Nothing of a manifest is ever used as a file name but digests.
 */
#ifndef LARDER_DAEMON_CTL_BUNDLE_H
#define LARDER_DAEMON_CTL_BUNDLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/ctl_progress.h"

#define CTL_BUNDLE_MANIFEST "larder-bundle.json"
#define CTL_BUNDLE_PART "larder-bundle.part"
#define CTL_BUNDLE_BLOBS "blobs/sha256"
#define CTL_DIGEST_HEX 64 /* without the NUL */
#define CTL_COMMIT_HEX 40 /* without the NUL */

struct ctl_bundle_file {
	const char *path, *sha256; /* borrowed from the JSON */
	uint64_t size;             /* bytes */
};

struct ctl_bundle {
	json_t *root; /* the manifest */
	const char *model, *revision, *commit;
	struct ctl_bundle_file *files; /* [count], by path */
	size_t count;
	uint64_t bytes; /* of all files */
};

/*
 * ctl_bundle_parse(b, root, where): take apart a manifest, which is taken.  Checks that
 * it is one, and that the commit is that of the file list.  CTL_OK, or CTL_FAILED
 * after a message that begins with ${where}; then there is nothing to release.
 */
int ctl_bundle_parse(struct ctl_bundle *b, json_t *root, const char *where);
void ctl_bundle_release(struct ctl_bundle *b);
/*
 * ctl_bundle_load(b, dir, name): the same with the manifest of the folder open as
 * ${dir}; ${name} is for messages.
 */
int ctl_bundle_load(struct ctl_bundle *b, int dir, const char *name);
/*
 * ctl_bundle_is(dir): does that folder hold a bundle, or the beginnings of one?
 */
bool ctl_bundle_is(int dir);
/* ctl_bundle_open(dir, f): the content of a file for reading; -1 after a message. */
int ctl_bundle_open(int dir, const struct ctl_bundle_file *f);
/*
 * ctl_bundle_check(b, dir, p): sizes and digests of all contents.  CTL_FAILED after a
 * message that names the first file that is not as the manifest says.
 */
int ctl_bundle_check(const struct ctl_bundle *b, int dir, struct ctl_progress *p);

/*
 * ctl_bundle_hash(fd, hex, p): SHA-256 of a file from its beginning; false with errno.
 * ${p} may be NULL.
 */
bool ctl_bundle_hash(int fd, char hex[CTL_DIGEST_HEX + 1], struct ctl_progress *p);

#endif
