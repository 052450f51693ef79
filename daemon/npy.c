/* SPDX-License-Identifier: MIT */
/*
 * npy.c — see npy.h.  Called by ctl_infer.c.  The header is a Python literal; only
 * the one form that NumPy writes is read: a dict of descr, fortran_order, shape.
 */
#include <config.h>

#include "daemon/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *descr, *datatype;
	unsigned elem_bytes;
} types[] = {
    {"<f4", "FP32", 4},  {"<f8", "FP64", 8},   {"<f2", "FP16", 2},   {"|b1", "BOOL", 1},
    {"|u1", "UINT8", 1}, {"<u2", "UINT16", 2}, {"<u4", "UINT32", 4}, {"<u8", "UINT64", 8},
    {"|i1", "INT8", 1},  {"<i2", "INT16", 2},  {"<i4", "INT32", 4},  {"<i8", "INT64", 8},
    {"<V2", "BF16", 2},  {"|V2", "BF16", 2},
};
#define TYPE_COUNT (sizeof types / sizeof *types)

struct cursor {
	const char *at, *end;
};

static void skip(struct cursor *c)
{
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\n'))
		c->at++;
}

static bool take(struct cursor *c, const char *word)
{
	size_t n = strlen(word);

	skip(c);
	if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0)
		return false;
	c->at += n;
	return true;
}

static bool take_string(struct cursor *c, char *out, size_t size)
{
	char quote;
	size_t n = 0;

	skip(c);
	if (c->at == c->end || (*c->at != '\'' && *c->at != '"'))
		return false;
	quote = *c->at++;
	while (c->at < c->end && *c->at != quote && n + 1 < size)
		out[n++] = *c->at++;
	out[n] = '\0';
	return c->at < c->end && *c->at++ == quote;
}

static bool take_number(struct cursor *c, int64_t *out)
{
	const char *start;

	skip(c);
	start = c->at;
	*out = 0;
	for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
		if (__builtin_mul_overflow(*out, (int64_t)10, out) ||
		    __builtin_add_overflow(*out, (int64_t)(*c->at - '0'), out))
			return false;
	}
	return c->at > start;
}

/* (1, 3, 224,) */
static bool take_shape(struct cursor *c, struct npy *n)
{
	n->rank = 0;
	if (!take(c, "("))
		return false;
	while (!take(c, ")")) {
		if (n->rank == NPY_RANK_MAX || !take_number(c, &n->dims[n->rank]))
			return false;
		n->rank++;
		if (!take(c, ",")) {
			if (!take(c, ")"))
				return false;
			break;
		}
	}
	return true;
}

static bool take_dict(struct cursor *c, struct npy *n, char descr[16], bool *fortran)
{
	unsigned seen = 0;
	char key[16];

	if (!take(c, "{"))
		return false;
	while (!take(c, "}")) {
		unsigned bit;

		if (!take_string(c, key, sizeof key) || !take(c, ":"))
			return false;
		if (strcmp(key, "descr") == 0) {
			bit = 1;
			if (!take_string(c, descr, 16))
				return false;
		} else if (strcmp(key, "fortran_order") == 0) {
			bit = 2;
			*fortran = take(c, "True");
			if (!*fortran && !take(c, "False"))
				return false;
		} else if (strcmp(key, "shape") == 0) {
			bit = 4;
			if (!take_shape(c, n))
				return false;
		} else {
			return false;
		}
		if ((seen & bit) != 0)
			return false;
		seen |= bit;
		if (!take(c, ",")) {
			if (!take(c, "}"))
				return false;
			break;
		}
	}
	skip(c);
	return seen == 7 && c->at == c->end;
}

/* Where the literal is: NEP 1, "Format Specification". */
static bool find_header(const unsigned char *b, size_t size, struct cursor *out)
{
	size_t length, before;

	if (size < 10 || memcmp(b, "\x93NUMPY", 6) != 0 || b[6] < 1 || b[6] > 3)
		return false;
	before = b[6] == 1 ? 10 : 12;
	if (size < before)
		return false;
	length = (size_t)b[8] | (size_t)b[9] << 8;
	if (b[6] != 1)
		length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
	if (length > size - before)
		return false;
	out->at = (const char *)b + before;
	out->end = out->at + length;
	return true;
}

static int fail(char err[160], const char *what, const char *detail)
{
	snprintf(err, 160, "%s%s", what, detail);
	return -1;
}

int npy_parse(const void *file, size_t size, struct npy *out, char err[160])
{
	struct npy n = {.rank = 0};
	struct cursor c;
	char descr[16] = "";
	bool fortran = false;
	size_t i;

	if (!find_header(file, size, &c))
		return fail(err, "not a .npy file", "");
	n.data_offset = (size_t)(c.end - (const char *)file);
	if (!take_dict(&c, &n, descr, &fortran))
		return fail(err, "its header is not one that numpy.save writes", "");
	if (fortran && n.rank > 1)
		return fail(err, "it is in Fortran order: save numpy.ascontiguousarray(…)", "");
	for (i = 0; i < TYPE_COUNT && strcmp(types[i].descr, descr) != 0; i++)
		continue;
	if (i == TYPE_COUNT)
		return fail(err, "elements that are not taken: ", descr);
	n.datatype = types[i].datatype;
	n.elem_bytes = types[i].elem_bytes;
	n.data_bytes = n.elem_bytes;
	for (int d = 0; d < n.rank; d++) {
		if (__builtin_mul_overflow(n.data_bytes, (uint64_t)n.dims[d], &n.data_bytes))
			return fail(err, "its shape is too large", "");
	}
	if (n.data_bytes != size - n.data_offset)
		return fail(err, "its size is not that of its shape", "");
	*out = n;
	return 0;
}

size_t npy_emit(const struct npy *n, char out[NPY_HEADER_MAX])
{
	size_t at = 10, total, i;

	for (i = 0; i < TYPE_COUNT && strcmp(types[i].datatype, n->datatype) != 0; i++)
		continue;
	if (i == TYPE_COUNT || n->rank > NPY_RANK_MAX)
		return 0;
	at +=
	    (size_t)snprintf(out + at, NPY_HEADER_MAX - at,
			     "{'descr': '%s', 'fortran_order': False, 'shape': (", types[i].descr);
	for (int d = 0; d < n->rank; d++)
		at += (size_t)snprintf(out + at, NPY_HEADER_MAX - at, "%s%" PRId64,
				       d == 0 ? "" : ", ", n->dims[d]);
	at += (size_t)snprintf(out + at, NPY_HEADER_MAX - at, "%s), }", n->rank == 1 ? "," : "");
	total = (at + 1 + 63) / 64 * 64;
	memset(out + at, ' ', total - at);
	out[total - 1] = '\n';
	memcpy(out, "\x93NUMPY\1\0", 8); /* NOLINT(bugprone-not-null-terminated-result): bytes */
	out[8] = (char)((total - 10) & 0xff);
	out[9] = (char)((total - 10) >> 8);
	return total;
}
