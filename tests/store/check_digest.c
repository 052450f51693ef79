/* SPDX-License-Identifier: MIT */
/*
 * check_digest.c — known answers: the examples of FIPS 180-4 for SHA-256 (abc,
 * the two-block message, a million times a), the empty message, and the base64
 * of the first as `openssl base64` prints it.
 */
#include <config.h>

#include "store/digest.h"
#include "tests/lib/fault.h"
#include "tests/store/fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static const struct {
	const char *text, *hex;
} known[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};
static const char million_a[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

START_TEST(known_answers)
{
	char hex[STORE_DIGEST_HEX + 1];
	struct store_digest d;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		ok(store_digest_of(known[i].text, strlen(known[i].text), &d));
		store_digest_hex(&d, hex);
		ck_assert_str_eq(hex, known[i].hex);
	}
}
END_TEST

START_TEST(in_pieces)
{
	char hex[STORE_DIGEST_HEX + 1];
	struct store_hash *hash;
	struct store_digest d;
	char piece[999];
	size_t left = 1000000;

	memset(piece, 'a', sizeof(piece));
	ok(store_digest_begin(&hash, &fx.err));
	while (left > 0) {
		size_t n = left < sizeof(piece) ? left : sizeof(piece);

		ok(store_digest_add(hash, piece, n, &fx.err));
		left -= n;
	}
	ok(store_digest_end(hash, &d, &fx.err));
	store_digest_hex(&d, hex);
	ck_assert_str_eq(hex, million_a);
	store_digest_drop(NULL);
}
END_TEST

START_TEST(of_a_file)
{
	char hex[STORE_DIGEST_HEX + 1];
	atomic_bool stop = true;
	struct store_digest d;
	uint64_t size = 0;
	char *a = malloc(1000000);
	const char *path;
	int fd;

	fixture_setup_closed();
	path = fx.dir;
	ck_assert_ptr_nonnull(a);
	memset(a, 'a', 1000000);
	fixture_write_file(path, a, 1000000);
	fd = open(path, O_RDONLY);
	ok(store_digest_of_fd(fd, NULL, &d, &size, &fx.err));
	store_digest_hex(&d, hex);
	ck_assert_str_eq(hex, million_a);
	ck_assert_uint_eq(size, 1000000);
	fails(store_digest_of_fd(fd, &stop, &d, &size, &fx.err), STORE_STOPPED);
	fault_arm(FAULT_READ, 2);
	fails(store_digest_of_fd(fd, NULL, &d, &size, &fx.err), STORE_IO);
	fault_disarm();
	for (int n = 1; n <= 2; n++) {
		fault_arm(FAULT_MALLOC, n);
		fails(store_digest_of_fd(fd, NULL, &d, &size, &fx.err), STORE_MEMORY);
		ck_assert(fault_disarm());
	}
	for (int n = 1; n <= 4; n++) {
		fault_arm(FAULT_DIGEST, n);
		fails(store_digest_of_fd(fd, NULL, &d, &size, &fx.err), STORE_MEMORY);
		ck_assert(fault_disarm());
	}
	close(fd);
	free(a);
	fixture_teardown();
}
END_TEST

START_TEST(parse_takes_only_digests)
{
	struct store_digest d = {{1}};
	char hex[STORE_DIGEST_HEX + 1];
	char bad[STORE_DIGEST_HEX + 2];

	ck_assert(store_digest_parse(known[1].hex, 64, &d));
	store_digest_hex(&d, hex);
	ck_assert_str_eq(hex, known[1].hex);
	ck_assert(!store_digest_parse(known[1].hex, 63, &d));
	ck_assert(!store_digest_parse(known[1].hex, 0, &d));
	for (const char *c = "ABCDEFgG/:@`\x80 -"; *c != '\0'; c++) {
		for (size_t at = 0; at < 64; at += 21) {
			memcpy(bad, known[1].hex, 65);
			bad[at] = *c;
			ck_assert_msg(!store_digest_parse(bad, 64, &d), "%s", bad);
		}
	}
	memcpy(bad, known[1].hex, 64);
	bad[64] = 'a';
	ck_assert(!store_digest_parse(bad, 65, &d));
	/* what failed wrote nothing */
	store_digest_hex(&d, hex);
	ck_assert_str_eq(hex, known[1].hex);
}
END_TEST

START_TEST(base64_and_equal)
{
	struct store_digest a = fixture_digest("abc");
	struct store_digest b = a;
	char out[45];

	store_digest_base64(&a, out);
	ck_assert_str_eq(out, "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
	ck_assert(store_digest_equal(&a, &b));
	for (size_t i = 0; i < STORE_DIGEST_BYTES; i++) {
		b = a;
		b.bytes[i] ^= 1;
		ck_assert(!store_digest_equal(&a, &b));
	}
}
END_TEST

Suite *check_store_digest(void)
{
	Suite *s = suite_create("store_digest");
	TCase *t = tcase_create("digest");

	tcase_add_test(t, known_answers);
	tcase_add_test(t, in_pieces);
	tcase_add_test(t, of_a_file);
	tcase_add_test(t, parse_takes_only_digests);
	tcase_add_test(t, base64_and_equal);
	suite_add_tcase(s, t);
	return s;
}
