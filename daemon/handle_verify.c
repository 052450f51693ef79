/* SPDX-License-Identifier: MIT */
/*
 * handle_verify.c — POST /admin/v1/verify: everything hashed again, and with
 * ?rebuild_index=yes the index made again from it.
 */
#include <config.h>

#include <string.h>

#include "daemon/job.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/pull_mend.h"
#include "daemon/request.h"
#include "daemon/text.h"
#include "store/store.h"

#define MEND_MAX 64                           /* of one run; more is for the scrub */
#define VERIFY_TIMEOUT_MS (24u * 3600 * 1000) /* it takes as long as the disk takes */

/* What may be fetched again when the request is over. */
struct mending {
	struct context *ctx;
	struct store_digest digest[MEND_MAX];
	unsigned count;
};

struct bad {
	struct text t;
	unsigned count;
	struct mending *mending;
};

/* Event loop. */
static void mend(void *arg)
{
	const struct mending *m = arg;

	for (unsigned i = 0; i < m->count; i++)
		pull_mend(m->ctx, &m->digest[i]);
}

/* Pool.  What was found before somebody stopped it is mended, too. */
static int begin_bad(struct request *rq, struct bad *bad, struct fault *fault)
{
	struct mending *m = arena_zalloc(&rq->arena, sizeof(*m));

	if (m == NULL || arena_defer(&rq->arena, mend, m) != 0)
		return fault_set(fault, 507, "out of memory");
	m->ctx = rq->ctx;
	*bad = (struct bad){.mending = m};
	text_init(&bad->t, &rq->arena);
	return 0;
}

static int bad_blob(void *arg, const struct store_digest *digest, const char *what)
{
	struct bad *bad = arg;
	char hex[STORE_DIGEST_HEX + 1];

	store_digest_hex(digest, hex);
	if (strcmp(what, "quarantined") != 0) {
		log_error("verify", "sha256=%s found=\"%s\"", hex, what);
		metrics_add(METRIC_blobs_damaged, 1);
	}
	if (bad->mending->count < MEND_MAX)
		bad->mending->digest[bad->mending->count++] = *digest;
	text_printf(&bad->t, "%s{\"sha256\":\"%s\",\"what\":", bad->count++ == 0 ? "" : ",", hex);
	text_json(&bad->t, what);
	text_add(&bad->t, "}");
	return 0;
}

static int reply_bad(struct request *rq, struct text *t, const struct bad *bad)
{
	text_add(t, "\"bad\":[");
	if (bad->count != 0)
		text_add_n(t, bad->t.data, bad->t.size);
	text_add(t, "]}\n");
	return reply_text(rq, 200, "application/json", t);
}

static int verify(struct request *rq, void *arg, struct fault *fault)
{
	struct store_verify v;
	struct store_error err;
	struct bad bad;
	struct text t;

	(void)arg;
	if (begin_bad(rq, &bad, fault) != 0)
		return -1;
	if (store_verify(rq->ctx->store, bad_blob, &bad, request_cancel_flag(rq), &v, &err) != 0)
		return fault_store(fault, err.status, err.text);
	text_init(&t, &rq->arena);
	text_printf(&t,
		    "{\"blobs\":%llu,\"bytes\":%llu,\"damaged\":%llu,\"missing\":%llu,"
		    "\"foreign\":%llu,",
		    (unsigned long long)v.blobs, (unsigned long long)v.bytes,
		    (unsigned long long)v.damaged, (unsigned long long)v.missing,
		    (unsigned long long)v.foreign);
	return reply_bad(rq, &t, &bad);
}

static int rebuild(struct request *rq, void *arg, struct fault *fault)
{
	struct store_rebuild r;
	struct store_error err;
	struct bad bad;
	struct text t;

	(void)arg;
	if (begin_bad(rq, &bad, fault) != 0)
		return -1;
	if (store_rebuild(rq->ctx->store, bad_blob, &bad, request_cancel_flag(rq), &r, &err) != 0) {
		log_error("rebuild", "error=\"%s\"", err.text);
		return fault_store(fault, err.status, err.text);
	}
	log_info("rebuilt", "models=%llu snapshots=%llu blobs=%llu damaged=%llu lost=%llu",
		 (unsigned long long)r.models, (unsigned long long)r.snapshots,
		 (unsigned long long)r.blobs, (unsigned long long)r.damaged,
		 (unsigned long long)r.lost);
	text_init(&t, &rq->arena);
	text_printf(&t,
		    "{\"blobs\":%llu,\"bytes\":%llu,\"damaged\":%llu,\"missing\":%llu,"
		    "\"foreign\":0,",
		    (unsigned long long)r.blobs, (unsigned long long)r.bytes,
		    (unsigned long long)r.damaged, (unsigned long long)r.missing);
	text_printf(&t,
		    "\"rebuilt\":{\"models\":%llu,\"snapshots\":%llu,\"files\":%llu,"
		    "\"lost\":%llu,\"recovered\":%llu},",
		    (unsigned long long)r.models, (unsigned long long)r.snapshots,
		    (unsigned long long)r.files, (unsigned long long)r.lost,
		    (unsigned long long)r.recovered);
	return reply_bad(rq, &t, &bad);
}

int handle_verify_all(struct request *rq, struct fault *fault)
{
	const char *again = request_query(rq, "rebuild_index");

	if (again == NULL || strcmp(again, "no") == 0)
		return job_start(rq, verify, NULL, VERIFY_TIMEOUT_MS);
	if (strcmp(again, "yes") != 0)
		return fault_set(fault, 400, "rebuild_index is yes or no");
	return job_start(rq, rebuild, NULL, VERIFY_TIMEOUT_MS);
}
