/* SPDX-License-Identifier: MIT */
/* snapshot.h — from a model's and a revision's name to one snapshot.  For the files of store/. */
#ifndef LARDER_STORE_SNAPSHOT_H
#define LARDER_STORE_SNAPSHOT_H

#include "store/index.h"
#include "store/store.h"

struct store_snapshot {
	int64_t model_id, id;
	char model[STORE_NAME_MAX + 1]; /* as stored: `org/name` */
	char commit[STORE_COMMIT_HEX + 1];
	int64_t made_s, used_s; /* Unix time; used_s as the index knows it */
	uint64_t file_count, size_bytes;
	bool by_name;   /* the revision asked for was a name */
	bool by_commit; /* it was a whole commit */
};

/*
 * store_snapshot_model(conn, model, out, err): fill in model and model_id.
 * STORE_NOT_FOUND when it is not stored or no legal name.
 */
int store_snapshot_model(struct store_conn *conn, const char *model, struct store_snapshot *out,
			 struct store_error *err) STORE_MUST_CHECK;
/*
 * store_snapshot_find(conn, model, revision, out, err): a name is tried before
 * a commit.  STORE_NOT_FOUND says whether the model or the revision is unknown.
 */
int store_snapshot_find(struct store_conn *conn, const char *model, const char *revision,
			struct store_snapshot *out, struct store_error *err) STORE_MUST_CHECK;
/*
 * store_snapshot_drop(conn, id, err): its files, its names, itself.  Inside a
 * transaction of the writer.  Blobs stay.
 */
int store_snapshot_drop(struct store_conn *conn, int64_t id,
			struct store_error *err) STORE_MUST_CHECK;

#endif
