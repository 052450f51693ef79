/* SPDX-License-Identifier: MIT */
/* manifest_text.h — manifests as bytes, written from the index.  For manifest.c. */
#ifndef LARDER_STORE_MANIFEST_TEXT_H
#define LARDER_STORE_MANIFEST_TEXT_H

#include "store/index.h"
#include "store/store.h"

/* Bytes that grow; {0} is empty, free(data) ends it. */
struct store_manifest_text {
	char *data;
	size_t size, room;
};

/*
 * store_manifest_text_snapshot(conn, id, commit, out, err): the file list of a
 * snapshot.  STORE_INDEX when its digest is not ${commit}.  ${out} is the
 * caller's to free, also after a failure.
 */
int store_manifest_text_snapshot(struct store_conn *conn, int64_t id, const char *commit,
				 struct store_manifest_text *out,
				 struct store_error *err) STORE_MUST_CHECK;
/* store_manifest_text_model(conn, id, name, out, err): the same for a model. */
int store_manifest_text_model(struct store_conn *conn, int64_t id, const char *name,
			      struct store_manifest_text *out,
			      struct store_error *err) STORE_MUST_CHECK;
/* store_manifest_text_name(model, out): the name of a model's manifest. */
int store_manifest_text_name(const char *model, char out[STORE_DIGEST_HEX + 1],
			     struct store_error *err) STORE_MUST_CHECK;

#endif
