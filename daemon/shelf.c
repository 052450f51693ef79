/* SPDX-License-Identifier: MIT */
/*
 * shelf.c — a small table of files that are asked for again and again.  Called
 * by handle_files.c.  What a name means is never decided here: the store is
 * asked each time, and the table only remembers what follows from its answer.
 * Whatever changes in the store (a blob found damaged, a model removed) changes
 * its generation, and that empties the table.
 */
#include <config.h>

#include "daemon/shelf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/answer.h"
#include "daemon/range.h"

#define SHELF_ITEMS 256

static struct shelf_item *items[SHELF_ITEMS]; /* event loop only */
static uint64_t generation;                   /* of the store that they are from */

/* Types that are kept; anything else is a download (no page may run from here). */
static const struct {
	const char *end, *type;
} types[] = {
    {".js", "text/javascript"},
    {".mjs", "text/javascript"},
    {".wasm", "application/wasm"},
    {".json", "application/json"},
    {".onnx", "application/octet-stream"},
    {".bin", "application/octet-stream"},
    {".gguf", "application/octet-stream"},
    {".tflite", "application/octet-stream"},
    {".safetensors", "application/octet-stream"},
};

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

const char *shelf_type(const char *path, bool *ret_download)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;

	*ret_download = false;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (ends_with(name, types[i].end))
			return types[i].type;
	}
	*ret_download = strstr(name, ".onnx_data") == NULL;
	return "application/octet-stream";
}

struct shelf_item *shelf_item_ref(struct shelf_item *item)
{
	item->refs++;
	return item;
}

void shelf_item_unref(struct shelf_item *item)
{
	if (item == NULL || --item->refs > 0)
		return;
	for (size_t i = 0; i < REPLY_KEPT; i++)
		answer_kept_unref(item->kept[i]);
	store_map_unref(item->map);
	free(item);
}

void shelf_clear(void)
{
	for (size_t i = 0; i < SHELF_ITEMS; i++) {
		shelf_item_unref(items[i]);
		items[i] = NULL;
	}
}

void shelf_doubt(const struct store_map *map)
{
	for (size_t i = 0; i < SHELF_ITEMS; i++) {
		if (items[i] != NULL && items[i]->map == map) {
			shelf_item_unref(items[i]);
			items[i] = NULL;
		}
	}
}

static void prepare(struct shelf_item *item)
{
	char base64[45];

	item->etag[0] = '"';
	store_digest_hex(&item->file.digest, item->etag + 1);
	item->etag[STORE_DIGEST_HEX + 1] = '"';
	item->etag[STORE_DIGEST_HEX + 2] = '\0';
	(void)snprintf(item->size, sizeof(item->size), "%" PRIu64, item->file.size);
	store_digest_base64(&item->file.digest, base64);
	(void)snprintf(item->repr_digest, sizeof(item->repr_digest), "sha-256=:%s:", base64);
	range_date_print(item->file.modified_s, item->modified);
}

static bool same_file(const struct shelf_item *item, const struct store_file *file)
{
	return item != NULL && store_digest_equal(&item->file.digest, &file->digest) &&
	       strcmp(item->file.commit, file->commit) == 0 &&
	       item->file.by_commit == file->by_commit && item->file.modified_s == file->modified_s;
}

int shelf_get(struct store *store, const struct store_file *file, const char *path,
	      struct shelf_item **out, struct store_error *err)
{
	uint64_t now = store_generation(store);
	size_t slot = ((size_t)file->digest.bytes[0] ^ (size_t)file->by_commit) % SHELF_ITEMS;
	struct shelf_item *item = items[slot];
	struct store_map *map;
	const char *type;
	bool download;
	int rc;

	if (now != generation) {
		shelf_clear();
		generation = now;
		item = NULL;
	}
	if (same_file(item, file) && strcmp(item->path, path) == 0) {
		*out = item;
		return 0;
	}
	type = shelf_type(path, &download);
	if (same_file(item, file) && item->type == type && item->download == download) {
		*out = item;
		return 0;
	}
	rc = store_map_open(store, &file->digest, &map, err);
	if (rc != 0)
		return rc;
	shelf_item_unref(item);
	items[slot] = item = calloc(1, sizeof(*item));
	if (item == NULL) {
		store_map_unref(map);
		(void)snprintf(err->text, sizeof(err->text), "out of memory");
		return err->status = STORE_MEMORY;
	}
	item->refs = 1;
	item->file = *file;
	item->map = map;
	item->type = type;
	item->download = download;
	if (strlen(path) < sizeof(item->path))
		memcpy(item->path, path, strlen(path) + 1);
	prepare(item);
	*out = item;
	return 0;
}
