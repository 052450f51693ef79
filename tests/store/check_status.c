/* SPDX-License-Identifier: MIT */
/* check_status.c — every status has a sentence, and no text can break a log line or a JSON string.
 */
#include <config.h>

#include "store/status.h"
#include "tests/store/fixture.h"

#include <errno.h>

START_TEST(every_status_has_its_own_text)
{
	static const int all[] = {
#define STATUS(code, text) STORE_##code,
#include "store/status.def"
#undef STATUS
	};
	const size_t n = sizeof(all) / sizeof(all[0]);

	ck_assert_str_eq(store_status_text(STORE_OK), "ok");
	ck_assert_str_eq(store_status_text(1), "unknown status");
	for (size_t i = 0; i < n; i++) {
		ck_assert_int_lt(all[i], 0);
		ck_assert_str_ne(store_status_text(all[i]), "unknown status");
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(store_status_text(all[i]), store_status_text(all[j]));
	}
}
END_TEST

START_TEST(texts_are_clean)
{
	char big[600];

	ck_assert_int_eq(store_status_fail(NULL, STORE_IO, "ignored"), STORE_IO);
	ck_assert_int_eq(store_status_fail(&fx.err, STORE_BUSY, NULL), STORE_BUSY);
	ck_assert_str_eq(fx.err.text, store_status_text(STORE_BUSY));
	store_status_fail(&fx.err, STORE_IO, "a\nb\x7f\xff'%s'", "\xc3\xa9\x1b[0m");
	ck_assert_str_eq(fx.err.text, "a?b?\?'\xc3\xa9?[0m'");
	/* a character that the end of the buffer would cut in two is left out */
	memset(big, 'x', sizeof(big));
	memcpy(big + sizeof(fx.err.text) - 3, "\xe2\x82\xac", 4);
	store_status_fail(&fx.err, STORE_IO, "%s", big);
	ck_assert_uint_eq(strlen(fx.err.text), sizeof(fx.err.text) - 3);
	ck_assert_int_eq(fx.err.text[sizeof(fx.err.text) - 4], 'x');
}
END_TEST

START_TEST(errno_becomes_a_status)
{
	static const struct {
		int errnum, status;
	} rows[] = {{ENOSPC, STORE_FULL},   {EDQUOT, STORE_FULL}, {EFBIG, STORE_FULL},
		    {ENOMEM, STORE_MEMORY}, {EIO, STORE_IO},      {EROFS, STORE_READONLY},
		    {EMFILE, STORE_FILES},  {ENFILE, STORE_FILES}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_int_eq(store_status_errno(&fx.err, rows[i].errnum, "doing"),
				 rows[i].status);
	store_status_errno(&fx.err, EROFS, "doing");
	ck_assert_str_eq(fx.err.text, "doing: Read-only file system");
}
END_TEST

Suite *check_store_status(void)
{
	Suite *s = suite_create("store_status");
	TCase *t = tcase_create("status");

	tcase_add_test(t, every_status_has_its_own_text);
	tcase_add_test(t, texts_are_clean);
	tcase_add_test(t, errno_becomes_a_status);
	suite_add_tcase(s, t);
	return s;
}
