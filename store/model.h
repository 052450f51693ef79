/* SPDX-License-Identifier: MIT */
/* model.h — the removal of a model's rows, for the files of store/. */
#ifndef LARDER_STORE_MODEL_H
#define LARDER_STORE_MODEL_H

#include "store/store.h"

struct store_conn;

/*
 * store_model_drop(conn, id, err): a model with all its snapshots and names.
 * Inside a transaction of the writer.  Blobs stay.
 */
int store_model_drop(struct store_conn *conn, int64_t id, struct store_error *err) STORE_MUST_CHECK;

#endif
