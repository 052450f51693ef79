/* SPDX-License-Identifier: MIT */
/* check_manifest.c — daemon/manifest.c: what is kept is the latest, in whichever order it is
 * written.
 */
#include <config.h>

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/context.h"
#include "daemon/manifest.h"
#include "daemon/settings.h"
#include "daemon/state_file.h"

Suite *check_manifest(void);

#define FILE_NAME "manifests.json"

static char path[40];
static struct settings settings;
static uv_loop_t loop;
static struct context ctx = {.loop = &loop, .settings = &settings};
static struct manifests *m;
static int dir;

static void setup(void)
{
	memcpy(path, "/tmp/check-manifest-XXXXXX", sizeof("/tmp/check-manifest-XXXXXX"));
	ck_assert_ptr_nonnull(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	settings = (struct settings){.state_dir = path};
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	ck_assert_int_eq(manifest_open(&ctx, &m), 0);
}

static void teardown(void)
{
	manifest_close(m);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	(void)unlinkat(dir, FILE_NAME, 0);
	(void)close(dir);
	ck_assert_int_eq(rmdir(path), 0);
}

static void has(const char *text)
{
	char *found = state_file_read(dir, FILE_NAME, 1000);

	ck_assert_ptr_nonnull(found);
	ck_assert_str_eq(found, text);
	free(found);
}

START_TEST(test_older_text_comes_later)
{
	uint64_t first, second, third;
	char *text = manifest_text(m, &first);

	ck_assert_str_eq(text, "[]");
	free(text);
	free(manifest_text(m, &second));
	free(manifest_text(m, &third));
	ck_assert(manifest_write(m, "[2]", second));
	ck_assert(manifest_write(m, "[1]", first));
	has("[2]");
	ck_assert(manifest_write(m, "[3]", third));
	has("[3]");
}
END_TEST

/* A newer one that could not be written does not keep an older one out. */
START_TEST(test_failed_write)
{
	uint64_t first, second;

	free(manifest_text(m, &first));
	free(manifest_text(m, &second));
	ck_assert_int_eq(mkdirat(dir, FILE_NAME, 0700), 0);
	ck_assert(!manifest_write(m, "[2]", second));
	ck_assert_int_eq(unlinkat(dir, FILE_NAME, AT_REMOVEDIR), 0);
	ck_assert(manifest_write(m, "[1]", first));
	has("[1]");
}
END_TEST

Suite *check_manifest(void)
{
	Suite *s = suite_create("manifest");
	TCase *tc = tcase_create("manifest");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_older_text_comes_later);
	tcase_add_test(tc, test_failed_write);
	suite_add_tcase(s, tc);
	return s;
}
