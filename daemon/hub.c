/* SPDX-License-Identifier: MIT */
/*
 * hub.c — error codes, pointers and pages as the Hub has them.  Called by
 * handle_files.c, handle_api.c and handle_api_tree.c; must never reflect a byte
 * of a request that could end a header or a URL.
 */
#include <config.h>

#include "daemon/hub.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/request.h"
#include "daemon/text.h"
#include "store/store.h"

#define LIMIT_MAX UINT64_C(10000)

static int seen(void *arg, const struct store_model_info *info)
{
	(void)arg;
	(void)info;
	return 0;
}

void hub_missing(struct request *rq)
{
	struct store *store = rq->ctx->store;
	const char *model = rq->part[PART_MODEL];
	const char *revision = rq->part[PART_REV] != NULL ? rq->part[PART_REV] : "main";
	struct store_error err;

	if (store_model_find(store, model, revision, seen, NULL, &err) == 0)
		reply_header(rq, "X-Error-Code", "EntryNotFound");
	else if (store_model_find(store, model, "main", seen, NULL, &err) == 0)
		reply_header(rq, "X-Error-Code", "RevisionNotFound");
	else
		reply_header(rq, "X-Error-Code", "RepoNotFound");
}

char *hub_pointer(struct request *rq, const struct store_digest *digest, uint64_t size)
{
	char hex[STORE_DIGEST_HEX + 1];

	store_digest_hex(digest, hex);
	return arena_printf(&rq->arena,
			    "version https://git-lfs.github.com/spec/v1\n"
			    "oid sha256:%s\nsize %" PRIu64 "\n",
			    hex, size);
}

unsigned hub_pointer_bytes(uint64_t size)
{
	unsigned bytes = 126; /* all but the digits of the size after the first */

	for (; size >= 10; size /= 10)
		bytes++;
	return bytes;
}

/* ---- pages ---------------------------------------------------------------------- */

void hub_page_begin(struct request *rq, struct hub_page *page)
{
	const char *limit = request_query(rq, "limit"), *after = request_query(rq, "cursor");
	uint64_t n = 0;

	*page = (struct hub_page){.after = after == NULL ? "" : after, .limit = UINT64_MAX};
	if (limit == NULL || *limit == '\0')
		return;
	for (; *limit >= '0' && *limit <= '9' && n <= LIMIT_MAX; limit++)
		n = n * 10 + (uint64_t)(*limit - '0');
	if (*limit == '\0' || n > LIMIT_MAX)
		page->limit = n < 1 ? 1 : n < LIMIT_MAX ? n : LIMIT_MAX;
}

bool hub_page_has(const struct hub_page *page, const char *key)
{
	return *page->after == '\0' || strcmp(key, page->after) > 0;
}

/* Letters, digits and what else may stand in a query as it is (RFC 3986 §3.4), but no `'`. */
static bool plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~!$()*+,:@/?%=&", c) != NULL);
}

static void add_escaped(struct text *t, const char *s)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;
		char escape[3] = {'%', hex[c >> 4], hex[c & 15]};

		if (plain(*s) && strchr("!$()*+,:@?%=&", *s) == NULL)
			text_add_n(t, s, 1);
		else
			text_add_n(t, escape, 3);
	}
}

/* The query as it came, without its cursor and without what a URL in <> cannot hold. */
static void add_query(struct text *t, const char *query)
{
	while (*query != '\0') {
		size_t size = strcspn(query, "&"), ok = 0;

		while (ok < size && plain(query[ok]))
			ok++;
		if (size > 0 && ok == size && strncmp(query, "cursor=", 7) != 0) {
			text_add_n(t, query, size);
			text_add(t, "&");
		}
		query += size + (query[size] == '&');
	}
}

void hub_page_next(struct request *rq, const char *last)
{
	const char *path = rq->target, *host = rq->header[HEADER_HOST];
	struct text t;
	size_t size;

	if (*path != '/') /* absolute-form: http://host/path */
		path = strchr(path + 7, '/');
	if (path == NULL || strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "0123456789-._:[]") != strlen(host))
		return;
	size = strcspn(path, "?");
	for (size_t i = 0; i < size; i++) {
		if (!plain(path[i]))
			return;
	}
	text_init(&t, &rq->arena);
	text_printf(&t, "<http://%s", host);
	text_add_n(&t, path, size);
	text_add(&t, "?");
	add_query(&t, rq->query);
	text_add(&t, "cursor=");
	add_escaped(&t, last);
	text_add(&t, ">; rel=\"next\"");
	if (text_ok(&t))
		reply_header(rq, "Link", t.data);
}
