/* SPDX-License-Identifier: MIT */
/*
 * Any text as one of the store's manifests, of a model (the sum is put right, so that what is
 * behind it is reached) and of a snapshot: only names that may be names come out, and none of a
 * text that is refused.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/manifest.h"
#include "store/store.h"
#include "tests/fuzz/fuzz.h"

static unsigned seen;

static void check(bool ok)
{
	if (!ok)
		abort();
}

static int on_line(void *arg, const struct store_manifest_line *line, struct store_error *err)
{
	(void)arg;
	(void)err;
	seen++;
	if (line->kind != STORE_LINE_PINNED)
		check(store_manifest_is_commit(line->commit));
	if (line->kind == STORE_LINE_REVISION)
		check(store_rev_ok(line->revision));
	return 0;
}

static int on_file(void *arg, const struct store_file_info *info, struct store_error *err)
{
	(void)arg;
	(void)err;
	seen++;
	check(store_path_ok(info->path));
	return 0;
}

static void model(const uint8_t *data, size_t size)
{
	size_t room = size + 4 + STORE_DIGEST_HEX + 2, at = size;
	char *text = malloc(room), name[STORE_NAME_MAX + 1];
	struct store_digest digest;
	struct store_error err;

	check(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	check(store_digest_of(text, size, &digest) == 0);
	memcpy(text + at, "sum ", 4);
	store_digest_hex(&digest, text + at + 4);
	at += 4 + STORE_DIGEST_HEX;
	text[at++] = '\n';
	text[at] = '\0';
	seen = 0;
	if (store_manifest_model(text, at, name, on_line, NULL, &err) == 0)
		check(store_name_ok(name));
	else
		check(seen == 0);
	free(text);
}

static void snapshot(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), hex[STORE_DIGEST_HEX + 1];
	struct store_digest digest;
	struct store_error err;

	check(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	check(store_digest_of(text, size, &digest) == 0);
	store_digest_hex(&digest, hex);
	hex[STORE_COMMIT_HEX] = '\0';
	seen = 0;
	if (store_manifest_files(text, size, hex, on_file, NULL, &err) != 0)
		check(seen == 0);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	model(data, size);
	snapshot(data, size);
	return 0;
}
