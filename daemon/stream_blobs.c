/* SPDX-License-Identifier: MIT */
/*
 * stream_blobs.c — POST /admin/v1/blobs: a body of any size becomes a blob while
 * it arrives.  The pieces come on a pool thread, one at a time; what was not
 * completed leaves nothing behind.
 */
#include <config.h>

#include "daemon/request.h"
#include "daemon/text.h"
#include "store/store.h"

static int begin_blob(struct request *rq, struct fault *fault)
{
	struct store_writer *w;
	struct store_error err;

	if (store_writer_open(rq->ctx->store, &w, &err) != 0)
		return fault_store(fault, err.status, err.text);
	rq->stream = w;
	/* what cannot fit is refused before it comes, and before anything makes room for it */
	if (rq->body_declared != UINT64_MAX && store_writer_expect(w, rq->body_declared, &err) != 0)
		return fault_store(fault, err.status, err.text);
	return 0;
}

static int more_of_blob(struct request *rq, const void *data, size_t size, struct fault *fault)
{
	struct store_error err;

	if (store_writer_append(rq->stream, data, size, &err) != 0)
		return fault_store(fault, err.status, err.text);
	return 0;
}

static int end_blob(struct request *rq, struct fault *fault)
{
	struct store_writer *w = rq->stream;
	char hex[STORE_DIGEST_HEX + 1];
	struct store_digest digest;
	struct store_error err;
	struct text t;
	uint64_t size;

	rq->stream = NULL; /* commit takes it */
	if (store_writer_commit(w, NULL, &digest, &size, &err) != 0)
		return fault_store(fault, err.status, err.text);
	store_digest_hex(&digest, hex);
	text_init(&t, &rq->arena);
	text_printf(&t, "{\"sha256\":\"%s\",\"bytes\":%llu}\n", hex, (unsigned long long)size);
	return reply_text(rq, 201, "application/json", &t);
}

static void drop_blob(struct request *rq)
{
	store_writer_abort(rq->stream);
	rq->stream = NULL;
}

const struct stream_ops stream_blobs = {
    .begin = begin_blob, .data = more_of_blob, .end = end_blob, .drop = drop_blob};
