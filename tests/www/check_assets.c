/* SPDX-License-Identifier: MIT
 *
 * The embedded files: found by their path only, tagged with their own digest, and the same bytes
 * as the files in the tree.
 */
#include <config.h>

#include "www/assets.h"

#include <check.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *check_www_assets(void);

/* The file ${name} below the top of the tree, in memory; *ret_size is its size. */
static unsigned char *read_file(const char *name, size_t *ret_size)
{
	const char *top = getenv("top_srcdir");
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s", top ? top : ".", name);
	FILE *file = fopen(path, "rb");
	ck_assert_msg(file != NULL, "cannot read %s", path);
	ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
	long size = ftell(file);
	ck_assert_int_gt(size, 0);
	rewind(file);
	unsigned char *data = malloc((size_t)size);
	ck_assert_ptr_nonnull(data);
	ck_assert_uint_eq(fread(data, 1, (size_t)size, file), (size_t)size);
	fclose(file);
	*ret_size = (size_t)size;
	return data;
}

static void assert_same(const struct www_asset *asset, const char *name)
{
	size_t size;
	unsigned char *data = read_file(name, &size);
	ck_assert_uint_eq(asset->size, size);
	ck_assert_mem_eq(asset->data, data, size);
	free(data);
}

static void assert_tagged(const struct www_asset *asset)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int length = 0;
	char want[2 + 64 + 1] = "\"";
	ck_assert_int_eq(EVP_Digest(asset->data, asset->size, digest, &length, EVP_sha256(), NULL),
			 1);
	ck_assert_uint_eq(length, 32);
	for (size_t i = 0; i < 32; i++)
		snprintf(want + 1 + 2 * i, 3, "%02x", digest[i]);
	want[1 + 64] = '"';
	ck_assert_str_eq(asset->etag, want);
}

START_TEST(pages_are_found_by_their_path)
{
	const char *known[] = {"/", "/demo/", "/larder.js", "/larder.d.ts"};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const struct www_asset *asset = www_asset_find(known[i]);
		ck_assert_msg(asset != NULL, "%s", known[i]);
		ck_assert_str_eq(asset->path, known[i]);
	}
	assert_same(www_asset_find("/"), "www/index.html");
	assert_same(www_asset_find("/larder.js"), "www/larder.js");
	ck_assert_str_eq(www_asset_find("/larder.js")->type, "text/javascript; charset=utf-8");
}
END_TEST

START_TEST(nothing_else_is_found)
{
	const char *unknown[] = {"",           "/demo",       "/demo/?x",           "/DEMO/",
				 "demo/",      "/larder.js/", "/demo/../larder.js", "model.onnx",
				 "/model.onnx"};
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		ck_assert_msg(www_asset_find(unknown[i]) == NULL, "%s", unknown[i]);
}
END_TEST

START_TEST(every_file_is_tagged_with_its_digest)
{
	ck_assert_uint_gt(www_assets_count, 10);
	for (size_t i = 0; i < www_assets_count; i++) {
		assert_tagged(&www_assets[i]);
		ck_assert_ptr_eq(www_asset_find(www_assets[i].path), &www_assets[i]);
	}
	for (size_t i = 0; i < www_sample_count; i++)
		assert_tagged(&www_sample[i]);
}
END_TEST

START_TEST(the_sample_is_a_model_and_two_shards)
{
	ck_assert_str_eq(www_sample_name, "digits");
	ck_assert_uint_eq(www_sample_count, 3);
	for (size_t i = 0; i < www_sample_count; i++) {
		char name[128];
		snprintf(name, sizeof(name), "www/sample/%s", www_sample[i].path);
		assert_same(&www_sample[i], name);
	}
	ck_assert_str_eq(www_sample[0].path, "model.onnx");
}
END_TEST

Suite *check_www_assets(void)
{
	Suite *suite = suite_create("www_assets");
	TCase *all = tcase_create("all");
	tcase_add_test(all, pages_are_found_by_their_path);
	tcase_add_test(all, nothing_else_is_found);
	tcase_add_test(all, every_file_is_tagged_with_its_digest);
	tcase_add_test(all, the_sample_is_a_model_and_two_shards);
	suite_add_tcase(suite, all);
	return suite;
}
