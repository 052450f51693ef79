/* SPDX-License-Identifier: MIT */
/*
 * check_compress.c — daemon/compress.c: what the libraries' own decoders make of
 * it is what went in; no more is written than was allowed.
 */
#include <config.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

#include "daemon/compress.h"

Suite *check_compress(void);

static const enum negotiate_coding codings[] = {CODING_GZIP, CODING_ZSTD};

/* ${size} bytes: of a text that repeats, or (noise) none that do. */
static unsigned char *bytes(size_t size, bool noise)
{
	static const char text[] = "{\"model_type\":\"bert\",\"hidden_size\":384,\"layers\":[";
	unsigned char *data = malloc(size + 1);
	uint64_t state = 7;

	ck_assert_ptr_nonnull(data);
	for (size_t i = 0; i < size; i++) {
		state = state * UINT64_C(6364136223846793005) + 1442695040888963407U;
		data[i] = noise ? (unsigned char)(state >> 56)
				: (unsigned char)(text[i % (sizeof(text) - 1)] + (i % 4099 == 0));
	}
	return data;
}

static size_t gunzip(const void *data, size_t size, void *out, size_t room)
{
	z_stream z;

	memset(&z, 0, sizeof(z));
	ck_assert_int_eq(inflateInit2(&z, 15 + 16), Z_OK);
	z.next_in = data;
	z.avail_in = (uInt)size;
	z.next_out = out;
	z.avail_out = (uInt)room;
	ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
	ck_assert_uint_eq(z.avail_in, 0);
	ck_assert_int_eq(inflateEnd(&z), Z_OK);
	return room - z.avail_out;
}

static size_t decode(enum negotiate_coding coding, const void *data, size_t size, void *out,
		     size_t room)
{
	size_t n;

	if (coding == CODING_GZIP)
		return gunzip(data, size, out, room);
	n = ZSTD_decompress(out, room, data, size);
	ck_assert(!ZSTD_isError(n));
	return n;
}

/* Sizes around the step of 256 KiB, and larger than any window. */
static const size_t sizes[] = {1,      100,    1024,    262143,  262144,
			       262145, 524288, 1000003, 3000001, 10000000};

START_TEST(test_round_trip)
{
	size_t size = sizes[_i];
	unsigned char *data = bytes(size, false), *back = malloc(size + 1);

	ck_assert_ptr_nonnull(back);
	for (size_t c = 0; c < 2; c++) {
		size_t packed_size = 0;
		void *packed = NULL;

		ck_assert_int_eq(
		    compress_bytes(codings[c], data, size, size + 100, NULL, &packed, &packed_size),
		    COMPRESS_OK);
		ck_assert_uint_gt(packed_size, 0);
		ck_assert_uint_le(packed_size, size + 100);
		ck_assert(size < 1000 || packed_size < size / 8);
		ck_assert_uint_eq(decode(codings[c], packed, packed_size, back, size + 1), size);
		ck_assert_mem_eq(back, data, size);
		free(packed);
	}
	free(back);
	free(data);
}
END_TEST

/* The window must fit into what a client has to have: 8 MB (RFC 9659 §3). */
START_TEST(test_window)
{
	size_t size = (size_t)12 << 20, packed_size = 0;
	unsigned char *data = bytes(size, false), *back = malloc(size);
	ZSTD_DCtx *d = ZSTD_createDCtx();
	void *packed = NULL;

	ck_assert_int_eq(compress_bytes(CODING_ZSTD, data, size, size, NULL, &packed, &packed_size),
			 COMPRESS_OK);
	ck_assert(!ZSTD_isError(ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax, 23)));
	ck_assert_uint_eq(ZSTD_decompressDCtx(d, back, size, packed, packed_size), size);
	ck_assert_uint_eq(ZSTD_getFrameContentSize(packed, packed_size), size);
	ZSTD_freeDCtx(d);
	free(packed);
	free(back);
	free(data);
}
END_TEST

/* What does not shrink is given up; every limit below the result is kept. */
START_TEST(test_limit)
{
	size_t size = 700000;
	unsigned char *noise = bytes(size, true), *text = bytes(size, false);

	for (size_t c = 0; c < 2; c++) {
		size_t packed_size = 0, again = 0;
		void *packed = NULL, *more = NULL;

		ck_assert_int_eq(compress_bytes(codings[c], noise, size, size - size / 8, NULL,
						&packed, &packed_size),
				 COMPRESS_LARGE);
		ck_assert_ptr_null(packed);
		ck_assert_int_eq(
		    compress_bytes(codings[c], text, size, size, NULL, &packed, &packed_size),
		    COMPRESS_OK);
		for (size_t limit = 0; limit < packed_size; limit += 1 + limit / 3)
			ck_assert_int_eq(
			    compress_bytes(codings[c], text, size, limit, NULL, &more, &again),
			    COMPRESS_LARGE);
		ck_assert_int_eq(
		    compress_bytes(codings[c], text, size, packed_size - 1, NULL, &more, &again),
		    COMPRESS_LARGE);
		free(packed);
	}
	free(noise);
	free(text);
}
END_TEST

static unsigned asked;

static bool stop_at_third(void)
{
	return ++asked == 3;
}

START_TEST(test_stop)
{
	unsigned char *data = bytes(3000000, false);
	size_t size = 0;
	void *packed = NULL;

	for (size_t c = 0; c < 2; c++) {
		asked = 0;
		ck_assert_int_eq(compress_bytes(codings[c], data, 3000000, 3000000, stop_at_third,
						&packed, &size),
				 COMPRESS_STOPPED);
		ck_assert_uint_eq(asked, 3);
		ck_assert_ptr_null(packed);
	}
	free(data);
}
END_TEST

Suite *check_compress(void)
{
	Suite *s = suite_create("compress");
	TCase *t = tcase_create("compress");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, test_round_trip, 0, (int)(sizeof(sizes) / sizeof(sizes[0])));
	tcase_add_test(t, test_window);
	tcase_add_test(t, test_limit);
	tcase_add_test(t, test_stop);
	suite_add_tcase(s, t);
	return s;
}
