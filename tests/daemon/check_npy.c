/* SPDX-License-Identifier: MIT */
/*
 * check_npy.c — daemon/npy.c.  The headers are written out by hand after NEP 1;
 * the long one is what numpy.save writes for numpy.zeros((1, 3), '<f4').
 */
#include <config.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/npy.h"

Suite *check_npy(void);

static struct npy npy;
static char why[160];

/* A file of version ${major} with this literal and ${data_bytes} of elements. */
static int parse(int major, const char *literal, size_t data_bytes)
{
	size_t n = strlen(literal), before = major == 1 ? 10 : 12, size = before + n + data_bytes;
	unsigned char *file = calloc(1, size);
	int status;

	ck_assert_ptr_nonnull(file);
	memcpy(file, "\x93NUMPY", 6);
	file[6] = (unsigned char)major;
	file[8] = (unsigned char)(n & 0xff);
	file[9] = (unsigned char)(n >> 8);
	memcpy(file + before, literal, n);
	status = npy_parse(file, size, &npy, why);
	if (status == 0)
		ck_assert_uint_eq(npy.data_offset, before + n);
	free(file);
	return status;
}

#define DICT(descr, order, shape)                                                                  \
	"{'descr': '" descr "', 'fortran_order': " order ", 'shape': " shape ", }\n"

static const struct {
	const char *literal;
	size_t data_bytes;
	const char *datatype;
	int rank;
	int64_t first, last;
} good[] = {
    {DICT("<f4", "False", "(1, 3)"), 12, "FP32", 2, 1, 3},
    {DICT("<f8", "False", "()"), 8, "FP64", 0, 0, 0},
    {DICT("<f2", "False", "(5,)"), 10, "FP16", 1, 5, 5},
    {DICT("|b1", "False", "(2, 2)"), 4, "BOOL", 2, 2, 2},
    {DICT("|u1", "False", "(0, 7)"), 0, "UINT8", 2, 0, 7},
    {DICT("<i8", "False", "(1,2,3,4)"), 192, "INT64", 4, 1, 4},
    {DICT("<u8", "True", "(3,)"), 24, "UINT64", 1, 3, 3},
    {DICT("<V2", "False", "(3,)"), 6, "BF16", 1, 3, 3},
    {"{\"shape\":(2,),\"fortran_order\":False,\"descr\":\"|i1\"}", 2, "INT8", 1, 2, 2},
};

START_TEST(taken)
{
	for (int major = 1; major <= 3; major++) {
		ck_assert_msg(parse(major, good[_i].literal, good[_i].data_bytes) == 0, "%s", why);
		ck_assert_str_eq(npy.datatype, good[_i].datatype);
		ck_assert_int_eq(npy.rank, good[_i].rank);
		ck_assert_uint_eq(npy.data_bytes, good[_i].data_bytes);
		if (npy.rank > 0) {
			ck_assert_int_eq(npy.dims[0], good[_i].first);
			ck_assert_int_eq(npy.dims[npy.rank - 1], good[_i].last);
		}
	}
}
END_TEST

static const struct {
	const char *literal;
	size_t data_bytes;
	const char *says;
} bad[] = {
    {DICT(">f4", "False", "(1,)"), 4, "not taken: >f4"},
    {DICT("|O", "False", "(1,)"), 8, "not taken: |O"},
    {DICT("<U3", "False", "(1,)"), 12, "not taken"},
    {DICT("<f4", "True", "(2, 2)"), 16, "Fortran"},
    {DICT("<f4", "False", "(1, 3)"), 11, "not that of its shape"},
    {DICT("<f4", "False", "(1, 3)"), 13, "not that of its shape"},
    {DICT("<f4", "False", "(9223372036854775807, 9)"), 4, "too large"},
    {DICT("<f4", "False", "(9223372036854775808,)"), 4, "not one that"},
    {DICT("<f4", "False", "(-1,)"), 4, "not one that"},
    {DICT("<f4", "False", "1"), 4, "not one that"},
    {DICT("<f4", "maybe", "(1,)"), 4, "not one that"},
    {DICT("<f4xxxxxxxxxxxxxxxxx", "False", "(1,)"), 4, "not one that"},
    {"{'descr': '<f4', 'shape': (1,)}", 4, "not one that"},
    {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 4, "not one"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)", 4, "not one that"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", 4, "not one that"},
    {"", 4, "not one that"},
    {"{'x': 1}", 4, "not one that"},
};

START_TEST(refused)
{
	ck_assert_int_eq(parse(1, bad[_i].literal, bad[_i].data_bytes), -1);
	ck_assert_msg(strstr(why, bad[_i].says) != NULL, "says: %s", why);
}
END_TEST

/* Every prefix of a file, and one whose header is said to be longer than it. */
START_TEST(cut_off)
{
	static const char literal[] = DICT("<f4", "False", "(1, 3)");
	unsigned char file[10 + sizeof literal - 1 + 12] = "\x93NUMPY\1";
	unsigned char *part;

	file[8] = sizeof literal - 1;
	memcpy(file + 10, literal, sizeof literal - 1);
	for (size_t n = 0; n < sizeof file; n++) {
		part = malloc(n + 1);
		ck_assert_ptr_nonnull(part);
		memcpy(part, file, n);
		ck_assert_int_eq(npy_parse(part, n, &npy, why), -1);
		free(part);
	}
	ck_assert_int_eq(npy_parse(file, sizeof file, &npy, why), 0);
	file[9] = 0xff;
	ck_assert_int_eq(npy_parse(file, sizeof file, &npy, why), -1);
	file[9] = 0;
	file[6] = 4;
	ck_assert_int_eq(npy_parse(file, sizeof file, &npy, why), -1);
}
END_TEST

START_TEST(emitted)
{
	static const char expect[] = "\x93NUMPY\1\0\x76\0"
				     "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }";
	char header[NPY_HEADER_MAX];
	struct npy n = {.datatype = "FP32", .rank = 2, .dims = {1, 3}};
	size_t size = npy_emit(&n, header);

	ck_assert_uint_eq(size, 128);
	ck_assert_mem_eq(header, expect, sizeof expect - 1);
	for (size_t i = sizeof expect - 1; i < 127; i++)
		ck_assert_int_eq(header[i], ' ');
	ck_assert_int_eq(header[127], '\n');
	n.rank = 1;
	size = npy_emit(&n, header);
	ck_assert_ptr_nonnull(memmem(header, size, "(1,), }", 7));
	n.rank = 0;
	size = npy_emit(&n, header);
	ck_assert_ptr_nonnull(memmem(header, size, "(), }", 5));
	n.rank = NPY_RANK_MAX;
	for (int i = 0; i < NPY_RANK_MAX; i++)
		n.dims[i] = INT64_MAX;
	size = npy_emit(&n, header);
	ck_assert_uint_eq(size % 64, 0);
	ck_assert_uint_le(size, NPY_HEADER_MAX);
	n.datatype = "BYTES";
	ck_assert_uint_eq(npy_emit(&n, header), 0);
}
END_TEST

Suite *check_npy(void)
{
	Suite *s = suite_create("npy");
	TCase *c = tcase_create("npy");

	tcase_add_loop_test(c, taken, 0, (int)(sizeof good / sizeof *good));
	tcase_add_loop_test(c, refused, 0, (int)(sizeof bad / sizeof *bad));
	tcase_add_test(c, cut_off);
	tcase_add_test(c, emitted);
	suite_add_tcase(s, c);
	return s;
}
