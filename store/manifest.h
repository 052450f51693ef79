/* SPDX-License-Identifier: MIT */
/*
 * manifest.h — the names of the index once more, as small files beside the
 * blobs, from which rebuild.c makes a lost index again.  For the files of
 * store/.
 *
 *   snapshots/<commit>   the file list that the commit is the digest of, as it
 *                        is hashed: path NUL sha256 NUL size LF, by path.
 *                        Immutable.
 *   models/<sha256>      one model, named by the digest of its name: lines that
 *                        end in LF, as below.  Replaced as a whole.
 *
 *       larder model 1
 *       name org/name
 *       pinned 0
 *       snapshot <commit> <made, Unix time>       oldest first
 *       revision <commit> <name>                  by name
 *       sum <sha256 of all lines before this>
 *
 * What has to be written is noted by triggers of the index in its table
 * `stale`, so a change that forgets about manifests only delays them.
 */
#ifndef LARDER_STORE_MANIFEST_H
#define LARDER_STORE_MANIFEST_H

#include "store/index.h"
#include "store/store.h"

/*
 * store_manifest_begin(store, conn, err) … store_manifest_commit or
 * store_manifest_rollback: a transaction that changes names, on the index's
 * writer, which is locked.  Commit brings the manifests of what changed to the
 * disk, then the index; after a failure both are as they were, or fsck is told
 * to look.
 */
int store_manifest_begin(struct store *store, struct store_conn *conn,
			 struct store_error *err) STORE_MUST_CHECK;
int store_manifest_commit(struct store *store, struct store_conn *conn,
			  struct store_error *err) STORE_MUST_CHECK;
void store_manifest_rollback(struct store_conn *conn);

/*
 * store_manifest_settle(store, err): write what is noted in `stale`: after a
 * migration, or after whoever did not use the two above.  Free when there is
 * nothing.
 */
int store_manifest_settle(struct store *store, struct store_error *err) STORE_MUST_CHECK;
/*
 * store_manifest_compare(store, err): read every manifest, write those anew
 * that are not what the index says, remove those that it does not know.
 */
int store_manifest_compare(struct store *store, struct store_error *err) STORE_MUST_CHECK;

/* ---- reading, for rebuild.c --------------------------------------------------------- */

/* One line of a model's manifest. */
struct store_manifest_line {
	enum { STORE_LINE_PINNED, STORE_LINE_SNAPSHOT, STORE_LINE_REVISION } kind;
	char commit[STORE_COMMIT_HEX + 1];
	char revision[STORE_REV_MAX + 1];
	int64_t made_s;
};
/*
 * store_manifest_model(data, size, name, fn, arg, err): check the manifest as a
 * whole, then fn(arg, line, err) for each line but the name's; what is not 0
 * ends it.  STORE_DAMAGED when it is not a manifest, with no call made.
 * ${data} has a NUL behind ${size} bytes.
 */
typedef int store_manifest_line_f(void *arg, const struct store_manifest_line *line,
				  struct store_error *err);
int store_manifest_model(const char *data, size_t size, char name[STORE_NAME_MAX + 1],
			 store_manifest_line_f *fn, void *arg,
			 struct store_error *err) STORE_MUST_CHECK;
/*
 * store_manifest_files(data, size, commit, fn, arg, err): the files of a
 * snapshot's manifest, in order, after a check that ${commit} is its digest;
 * STORE_DAMAGED otherwise, with no call made.
 */
typedef int store_manifest_file_f(void *arg, const struct store_file_info *info,
				  struct store_error *err);
int store_manifest_files(const char *data, size_t size, const char *commit,
			 store_manifest_file_f *fn, void *arg,
			 struct store_error *err) STORE_MUST_CHECK;
/* store_manifest_is_commit: 40 lower-case hex digits? */
bool store_manifest_is_commit(const char *name);

#endif
