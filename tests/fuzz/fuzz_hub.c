/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what an upstream answers. First byte even: a listing. Odd: header lines, of hops
 * that end with an empty line, to one who asked for bytes 10 to 99 (bit 1), or the whole; bit 2:
 * all but the last hop from elsewhere. What comes out is only what may be believed.
 */
#include <config.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/fetch.h"
#include "daemon/fetch_head.h"
#include "daemon/warm_job.h"
#include "store/store.h"
#include "tests/fuzz/fuzz.h"

static void check(bool ok)
{
	if (!ok)
		abort();
}

static bool is_commit(const char *s)
{
	return strlen(s) == 40 && strspn(s, "0123456789abcdef") == 40;
}

static void listing(const char *text, size_t size)
{
	char commit[41], error[300] = "";
	json_t *rows = warm_job_listing(text, size, commit, error), *row;
	size_t i;

	check(commit[0] == '\0' || is_commit(commit));
	if (rows == NULL) {
		check(error[0] != '\0');
		return;
	}
	json_array_foreach(rows, i, row)
	{
		const char *path = json_string_value(json_object_get(row, "path"));
		const char *sha = json_string_value(json_object_get(row, "sha256"));
		struct store_digest digest;

		check(path != NULL && store_path_ok(path));
		check(json_integer_value(json_object_get(row, "size")) >= 0);
		check(sha == NULL || store_digest_parse(sha, strlen(sha), &digest));
	}
	json_decref(rows);
}

static void head(const char *text, size_t size, bool ranged, bool elsewhere)
{
	struct fetch_lines lines;
	struct fetch_head out;

	memset(&lines, 0, sizeof(lines));
	fetch_head_again(&lines);
	for (size_t i = 0; i < size;) {
		const char *end = memchr(text + i, '\n', size - i);
		size_t n = end == NULL ? size - i : (size_t)(end - text) - i + 1;
		bool last = memchr(text + i, '\f', size - i) == NULL;

		if (text[i] == '\f')
			fetch_head_again(&lines);
		if (fetch_head_line(&lines, text + i, n, !elsewhere || last) != NULL)
			return;
		i += n;
	}
	if (fetch_head_linked(&lines, &out))
		check(out.has_digest && out.total != FETCH_UNKNOWN);
	if (fetch_head_read(&lines, ranged, 10, 99, &out) != NULL)
		return;
	check(out.commit[0] == '\0' || is_commit(out.commit));
	check(memchr(out.mark, '\0', sizeof(out.mark)) != NULL);
	if (out.status == 206)
		check(ranged && out.from == 10 && out.length <= 90 && out.length > 0);
	else
		check(out.from == 0);
	if (out.total != FETCH_UNKNOWN && out.length != FETCH_UNKNOWN)
		check(out.length <= out.total && out.from <= out.total - out.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if ((data[0] & 1) == 0)
		listing((const char *)data + 1, size - 1);
	else
		head((const char *)data + 1, size - 1, (data[0] & 2) != 0, (data[0] & 4) != 0);
	return 0;
}
