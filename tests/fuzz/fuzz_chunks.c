/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a chunk list, and any bytes as a file that one is made of: sizes add up, none is
 * larger than a chunk may be, and what is printed is read again as the same.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "store/store.h"
#include "tests/fuzz/fuzz.h"

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_list(const struct store_chunk_list *list)
{
	struct store_chunk_list again;
	struct store_error err;
	uint64_t sum = 0;
	void *text;
	size_t size;

	for (size_t i = 0; i < list->count; i++) {
		check(list->chunk[i].size > 0 && list->chunk[i].size <= STORE_CHUNK_MAX);
		sum += list->chunk[i].size;
	}
	check(sum == list->size);
	check(store_chunk_list_print(list, &text, &size, &err) == 0);
	check(store_chunk_list_parse(text, size, &again, &err) == 0);
	check(again.size == list->size && again.count == list->count &&
	      store_digest_equal(&again.digest, &list->digest));
	check(list->count == 0 ||
	      memcmp(again.chunk, list->chunk, list->count * sizeof(list->chunk[0])) == 0);
	store_chunk_list_drop(&again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store_chunk_list list;
	struct store_error err;

	if (store_chunk_list_parse(data, size, &list, &err) == 0) {
		check_list(&list);
		store_chunk_list_drop(&list);
	}
	if (store_chunk_list_make(data, size, &list, &err) == 0) {
		check(list.size == size);
		check_list(&list);
		store_chunk_list_drop(&list);
	}
	return 0;
}
