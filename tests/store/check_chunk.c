/* SPDX-License-Identifier: MIT */
/* check_chunk.c — where files are cut: by content, at the borders of tensors, always the same. */
#include <config.h>

#include "store/chunk.h"
#include "tests/store/fixture.h"

#include <stdlib.h>

#define SIZE ((size_t)1000000)

static unsigned char *bytes;
static size_t cuts[4096], cut_count;

/* Numbers that everybody can make: a linear congruential generator, its upper bits. */
static void fill(unsigned char *out, size_t size)
{
	uint32_t x = 1;

	for (size_t i = 0; i < size; i++) {
		x = (uint32_t)(((uint64_t)x * 1103515245 + 12345) & 0x7fffffff);
		out[i] = (unsigned char)(x >> 16);
	}
}

static void setup(void)
{
	bytes = calloc(1, SIZE * 4);
	ck_assert_ptr_nonnull(bytes);
	fill(bytes, SIZE);
	cut_count = 0;
}

static void teardown(void)
{
	free(bytes);
}

static int note(void *arg, size_t offset, size_t size)
{
	ck_assert_uint_eq(offset, cut_count == 0 ? 0 : cuts[cut_count - 1]);
	cuts[cut_count++] = offset + size;
	return arg == NULL ? 0 : *(int *)arg;
}

static void cut(const void *data, size_t size)
{
	struct store_chunk_source src = {.data = data, .size = size};

	cut_count = 0;
	ck_assert_int_eq(store_chunk_cut(&src, note, NULL), 0);
}

static void is(const size_t *expected, size_t count)
{
	ck_assert_uint_eq(cut_count, count);
	for (size_t i = 0; i < count; i++)
		ck_assert_uint_eq(cuts[i], expected[i]);
}

/* Expected: a few lines of Python that do what chunk.c's head says, byte by byte. */
static const size_t expected[] = {61613,  80477,  148082, 223970, 256428, 288067,
				  391024, 448614, 467617, 497126, 579433, 622589,
				  692101, 746396, 835805, 966877, 987395, 1000000};
#define EXPECTED (sizeof(expected) / sizeof(expected[0]))

START_TEST(by_content)
{
	cut(bytes, SIZE);
	is(expected, EXPECTED);
}
END_TEST

START_TEST(what_comes_before_does_not_matter)
{
	size_t last = 0, same = 0;

	memmove(bytes + 100, bytes, SIZE);
	memset(bytes, 'x', 100);
	cut(bytes, SIZE + 100);
	for (size_t i = 0; i < cut_count; i++) {
		while (last < EXPECTED && expected[last] + 100 < cuts[i])
			last++;
		same += last < EXPECTED && expected[last] + 100 == cuts[i];
	}
	ck_assert_uint_ge(same, EXPECTED - 2);
}
END_TEST

START_TEST(without_any_content)
{
	static const size_t three[] = {131072, 262144, 300000};
	static const size_t tail[] = {131072, 254052, 262244};

	memset(bytes, 0, SIZE);
	cut(bytes, 300000);
	is(three, 3);
	cut(bytes, STORE_CHUNK_MAX * 2 + 100);
	is(tail, 3);
	cut(bytes, 1);
	ck_assert_uint_eq(cut_count, 1);
	cut(bytes, 0);
	ck_assert_uint_eq(cut_count, 0);
}
END_TEST

START_TEST(within_bounds)
{
	for (size_t size = 0; size < 400000; size += 7919) {
		size_t from = 0;

		cut(bytes + size, size);
		ck_assert_uint_eq(size == 0 ? 0 : cuts[cut_count - 1], size);
		for (size_t i = 0; i < cut_count; i++) {
			ck_assert_uint_le(cuts[i] - from, STORE_CHUNK_MAX);
			ck_assert(cuts[i] - from >= STORE_CHUNK_MIN || size < STORE_CHUNK_MIN);
			from = cuts[i];
		}
	}
}
END_TEST

static int no_more(void *arg, size_t offset, size_t size)
{
	size_t *least = arg;

	(void)size;
	return offset >= *least ? STORE_IO : 0;
}

START_TEST(an_end_in_the_middle)
{
	size_t least = 300000;
	int stop = STORE_BUSY;
	struct store_chunk_source src = {
	    .data = bytes, .size = SIZE, .ready = no_more, .arg = &least};

	ck_assert_int_eq(store_chunk_cut(&src, note, NULL), STORE_IO);
	ck_assert_uint_lt(cuts[cut_count - 1], 400000);
	src.ready = NULL;
	cut_count = 0;
	ck_assert_int_eq(store_chunk_cut(&src, note, &stop), STORE_BUSY);
	ck_assert_uint_eq(cut_count, 1);
}
END_TEST

/* ---- borders --------------------------------------------------------------------------------- */

static uint64_t border[64];
static size_t border_count;

static void borders(size_t size)
{
	struct store_chunk_source src = {.data = bytes, .size = size};

	ck_assert_int_eq(store_chunk_border_find(&src, border, 64, &border_count), 0);
}

static bool has_border(uint64_t at)
{
	for (size_t i = 0; i < border_count; i++) {
		if (border[i] == at)
			return true;
	}
	return false;
}

static size_t le(size_t at, unsigned n, uint64_t value)
{
	for (unsigned i = 0; i < n; i++)
		bytes[at + i] = (unsigned char)(value >> (8 * i));
	return at + n;
}

static size_t text(size_t at, const char *s)
{
	memcpy(bytes + at, s, strlen(s));
	return at + strlen(s);
}

START_TEST(safetensors)
{
	static const char header[] =
	    "{\"a\":{\"dtype\":\"F32\",\"shape\":[50000],\"data_offsets\":[0,200000]},"
	    "\"b\":{\"dtype\":\"F32\",\"shape\":[50000],\"data_offsets\": [200000, 400000]},"
	    "\"x\":{\"data_offsets\":[99999999999999999999999,1]}}";
	size_t begin = le(0, 8, sizeof(header) - 1);

	begin = text(begin, header);
	borders(begin + 400000);
	ck_assert(has_border(begin));
	ck_assert(has_border(begin + 200000));
	cut(bytes, begin + 400000);
	ck_assert_uint_eq(cuts[0] > begin ? begin : cuts[0], begin); /* too near to the start */
	for (size_t i = 0; i < cut_count; i++) {
		if (cuts[i] == begin + 200000)
			return;
	}
	ck_abort_msg("no cut where the tensor begins");
}
END_TEST

static size_t gguf_text(size_t at, const char *s)
{
	return text(le(at, 8, strlen(s)), s);
}

START_TEST(gguf)
{
	size_t at = text(0, "GGUF");

	at = le(at, 4, 3);
	at = le(at, 8, 2); /* tensors */
	at = le(at, 8, 4); /* keys */
	at = le(gguf_text(at, "general.name"), 4, 8);
	at = gguf_text(at, "a model");
	at = le(gguf_text(at, "general.alignment"), 4, 4);
	at = le(at, 4, 4096);
	at = le(gguf_text(at, "tokens"), 4, 9);
	at = le(at, 4, 8);
	at = le(at, 8, 2);
	at = gguf_text(gguf_text(at, "one"), "two");
	at = le(gguf_text(at, "half"), 4, 6);
	at = le(at, 4, 0);
	for (unsigned i = 0; i < 2; i++) {
		at = gguf_text(at, i == 0 ? "blk.0.w" : "blk.1.w");
		at = le(at, 4, 2);
		at = le(le(at, 8, 100), 8, 100);
		at = le(at, 4, 0);
		at = le(at, 8, i * 40960ull);
	}
	borders(200000);
	ck_assert_uint_eq(border_count, 2);
	ck_assert(has_border(4096));
	ck_assert(has_border(4096 + 40960));
}
END_TEST

START_TEST(onnx)
{
	/* ir_version; graph { node; initializer { name; raw_data[20000] } } */
	static const unsigned char head[] = {0x08, 0x08, 0x3a, 0xb4, 0x9c, 0x01, 0x0a, 0x03, 'a',
					     'b',  'c',  0x2a, 0xab, 0x9c, 0x01, 0x42, 0x03, 'w',
					     '.',  '0',  0x08, 0x01, 0x4a, 0xa0, 0x9c, 0x01};

	memcpy(bytes, head, sizeof(head));
	borders(sizeof(head) + 20000);
	ck_assert(has_border(sizeof(head)));
	borders(sizeof(head) + 10); /* cut off: nothing, but no harm */
	ck_assert_uint_eq(border_count, 0);
}
END_TEST

START_TEST(tflite)
{
	size_t at;

	memset(bytes, 0, 400);
	(void)le(0, 4, 100);
	(void)text(4, "TFL3");
	/* the list of fields of Model at 60: five, buffers at 4 */
	at = le(le(60, 2, 14), 2, 8);
	at = le(at, 8, 0);
	(void)le(at, 2, 4);
	(void)le(100, 4, 40); /* the table says how far back that is */
	(void)le(104, 4, 16); /* buffers at 120: two */
	at = le(120, 4, 2);
	at = le(at, 4, 200 - 124);
	(void)le(at, 4, 240 - 128);
	/* the list of fields of both Buffers at 180: data at 4 */
	(void)le(le(le(180, 2, 6), 2, 8), 2, 4);
	(void)le(le(200, 4, 20), 4, 300 - 204);
	(void)le(le(240, 4, 60), 4, 40000 - 244);
	(void)le(300, 4, 20000);
	(void)le(40000, 4, 30000);
	borders(100000);
	ck_assert_uint_eq(border_count, 2);
	ck_assert(has_border(304));
	ck_assert(has_border(40004));
}
END_TEST

/* Headers that promise what is not there: no format may read outside (asan) or go on for ever. */
START_TEST(hostile)
{
	static const char magic[4][9] = {"GGUF\3\0\0", "\30\0\0\0TFL3", "\x08\x08\x3a\xff\xff",
					 "\xff\0\0\0\0\0\0\0"};

	for (unsigned m = 0; m < 4; m++) {
		for (unsigned seed = 1; seed < 400; seed++) {
			size_t size = 8 + seed * 5;
			unsigned char *exact;
			uint32_t x = seed;

			for (size_t i = 0; i < size; i++) {
				x = x * 1664525 + 1013904223;
				bytes[i] = (x >> 24) % 3 == 0 ? (unsigned char)(x >> 16) : 0;
			}
			memcpy(bytes, magic[m], 7);
			if (m == 3)
				(void)text(8, "{\"data_offsets\":[");
			exact = malloc(size);
			ck_assert_ptr_nonnull(exact);
			memcpy(exact, bytes, size);
			ck_assert_int_eq(
			    store_chunk_border_find(
				&(struct store_chunk_source){.data = exact, .size = size}, border,
				64, &border_count),
			    0);
			free(exact);
		}
	}
}
END_TEST

Suite *check_store_chunk(void)
{
	Suite *s = suite_create("store_chunk");
	TCase *c = tcase_create("cuts");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, by_content);
	tcase_add_test(c, what_comes_before_does_not_matter);
	tcase_add_test(c, without_any_content);
	tcase_add_test(c, within_bounds);
	tcase_add_test(c, an_end_in_the_middle);
	suite_add_tcase(s, c);
	tcase_set_timeout(c, 60);
	c = tcase_create("borders");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, safetensors);
	tcase_add_test(c, gguf);
	tcase_add_test(c, onnx);
	tcase_add_test(c, tflite);
	tcase_add_test(c, hostile);
	suite_add_tcase(s, c);
	return s;
}
