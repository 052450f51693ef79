/* SPDX-License-Identifier: MIT */
/*
 * oip_data.c — numbers between JSON text and tensors.  Called by oip.c.
 *
 * The parser walks the text once, without recursion, and knows where it is by a
 * depth and one count per level.  It must never write beyond the tensor,
 * whatever the text says: elements are counted first and stored only while
 * there is room, and the count is compared at the end.
 */
#include <config.h>

#include "daemon/oip_data.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/arena.h"
#include "daemon/fault.h"
#include "daemon/oip_number.h"
#include "daemon/text.h"
#include "daemon/utf8.h"

struct parse {
	const char *at, *end;
	const char *name;
	const struct rt_shape *shape;
	enum rt_dtype dtype;
	unsigned char *data; /* NULL: only count */
	size_t elem_bytes;
	int64_t stored, room; /* elements */
	bool nested;
	int depth, leaf; /* leaf: the depth at which elements stand */
	int64_t count[RT_RANK_MAX + 1];
	struct arena *arena;
	struct fault *fault;
};

struct token {
	const char *text; /* never at the very end: a `]` follows */
	size_t size;
};

/* What is wrong with the element that was read last; shows at most 40 bytes of it. */
static int refuse(const struct parse *p, const struct token *t, const char *what)
{
	return fault_set(p->fault, 400, "input \"%.100s\": element %" PRId64 ": %.*s %s %s",
			 p->name, p->stored - 1, (int)(t->size < 40 ? t->size : 40), t->text, what,
			 rt_dtype_oip(p->dtype));
}

/* ---- one element ------------------------------------------------------------ */

static int number_of(struct parse *p, const struct token *t, void *at)
{
	switch (oip_number_parse(t->text, t->size, p->dtype, at)) {
	case OIP_NUMBER_NONE:
		return refuse(p, t, "is not a number, as needed for");
	case OIP_NUMBER_FRACTION:
		return refuse(p, t, "has a fraction or an exponent, which there is not in");
	case OIP_NUMBER_RANGE:
		return refuse(p, t, "does not fit");
	default:
		return 0;
	}
}

static bool token_is(const struct token *t, const char *word)
{
	return t->size == strlen(word) && memcmp(t->text, word, t->size) == 0;
}

static int bool_of(struct parse *p, const struct token *t, void *at)
{
	bool yes = token_is(t, "true") || token_is(t, "1");

	if (!yes && !token_is(t, "false") && !token_is(t, "0"))
		return refuse(p, t, "is not true, false, 1 or 0, as needed for");
	if (at != NULL)
		*(uint8_t *)at = yes;
	return 0;
}

static int string_of(struct parse *p, const struct token *t, void *at)
{
	json_t *v = json_loadb(t->text, t->size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	struct rt_str s = {NULL, 0};

	if (!json_is_string(v)) {
		json_decref(v);
		return refuse(p, t, "is not a string, as needed for");
	}
	if (at != NULL) {
		s.size = json_string_length(v);
		s.bytes = arena_copy(p->arena, json_string_value(v), s.size);
		memcpy(at, &s, sizeof s);
	}
	json_decref(v);
	return at != NULL && s.bytes == NULL ? fault_set(p->fault, 503, "out of memory") : 0;
}

/* ---- the array ---------------------------------------------------------------- */

static void skip_space(struct parse *p)
{
	while (p->at < p->end &&
	       (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r'))
		p->at++;
}

static int malformed(struct parse *p)
{
	return fault_set(p->fault, 400, "input \"%.100s\": data is not JSON after element %" PRId64,
			 p->name, p->stored);
}

static const bool ends_token[256] = {
    [','] = true, ['['] = true,  [']'] = true,  ['{'] = true,  ['}'] = true, [':'] = true,
    [' '] = true, ['\t'] = true, ['\n'] = true, ['\r'] = true, ['"'] = true, ['\0'] = true,
};

static struct token next_token(struct parse *p)
{
	struct token t = {p->at, 0};

	if (p->at < p->end && *p->at == '"') {
		for (p->at++; p->at < p->end && *p->at != '"'; p->at++) {
			if (*p->at == '\\' && p->at + 1 < p->end)
				p->at++;
		}
		p->at += p->at < p->end;
	} else {
		while (p->at < p->end && !ends_token[(unsigned char)*p->at])
			p->at++;
	}
	t.size = (size_t)(p->at - t.text);
	return t;
}

static int element(struct parse *p)
{
	struct token t = next_token(p);
	void *at = NULL;

	if (t.size == 0 || p->at == p->end)
		return malformed(p);
	if (p->data != NULL && p->stored < p->room)
		at = p->data + (size_t)p->stored * p->elem_bytes;
	p->stored++;
	if (p->dtype == RT_BOOL)
		return bool_of(p, &t, at);
	if (p->dtype == RT_STR)
		return string_of(p, &t, at);
	return number_of(p, &t, at);
}

static int wrong_nesting(struct parse *p)
{
	char shape[160];

	return fault_set(p->fault, 400,
			 "input \"%.100s\": data is nested otherwise than its shape %s says",
			 p->name, rt_shape_text(p->shape, shape, sizeof shape));
}

static int open_array(struct parse *p)
{
	if (p->depth == p->leaf)
		return wrong_nesting(p);
	if (p->depth > 0)
		p->count[p->depth]++;
	p->count[++p->depth] = 0;
	p->at++;
	return 0;
}

static int close_array(struct parse *p)
{
	if (p->nested && p->count[p->depth] != p->shape->dims[p->depth - 1])
		return wrong_nesting(p);
	p->depth--;
	p->at++;
	return 0;
}

/* `[` was just opened (${first}) or a `,` passed: one element, one array, or `]`. */
static int value(struct parse *p, bool *first)
{
	if (*p->at == '[') {
		*first = true;
		return open_array(p);
	}
	if (*p->at == ']' && *first) {
		*first = false;
		return close_array(p);
	}
	if (p->depth != p->leaf)
		return wrong_nesting(p);
	*first = false;
	p->count[p->depth]++;
	return element(p);
}

static int walk(struct parse *p)
{
	bool want_value = true, first = true;

	if (open_array(p) != 0)
		return -1;
	while (p->depth > 0) {
		skip_space(p);
		if (p->at == p->end)
			return malformed(p);
		if (want_value) {
			if (value(p, &first) != 0)
				return -1;
			want_value = first; /* only an array that was just opened wants one */
		} else if (*p->at == ',') {
			p->at++;
			want_value = true;
		} else if (*p->at == ']') {
			if (close_array(p) != 0)
				return -1;
		} else {
			return malformed(p);
		}
	}
	return p->at == p->end ? 0 : malformed(p);
}

/* Whether the first element of the outer array is an array. */
static bool looks_nested(const struct oip_span *span)
{
	const char *p = span->text + 1, *end = span->text + span->size;

	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p < end && *p == '[';
}

int oip_data_parse(const struct oip_span *span, const char *name, struct rt_tensor *tensor,
		   struct arena *arena, struct fault *fault)
{
	struct parse p = {
	    .at = span->text,
	    .end = span->text + span->size,
	    .name = name,
	    .shape = &tensor->shape,
	    .dtype = tensor->dtype,
	    .elem_bytes = rt_dtype_bits(tensor->dtype) / 8,
	    .nested = looks_nested(span),
	    .arena = arena,
	    .fault = fault,
	};
	int64_t want;
	size_t bytes;
	char shape[160];

	if (tensor->dtype == RT_F16 || tensor->dtype == RT_BF16)
		return fault_set(fault, 400,
				 "input \"%.100s\": %s has no JSON form; send it as binary data",
				 name, rt_dtype_oip(tensor->dtype));
	if (!rt_shape_elems(&tensor->shape, &want))
		return fault_set(fault, 400, "input \"%.100s\": its shape is too large", name);
	p.leaf = p.nested ? tensor->shape.rank : 1;
	/* n elements are at least 2n + 1 bytes of text: no more is ever allocated for. */
	if ((uint64_t)want <= span->size / 2 && rt_shape_bytes(&tensor->shape, p.dtype, &bytes)) {
		p.room = want;
		p.data = arena_alloc(arena, bytes == 0 ? 1 : bytes);
		if (p.data == NULL)
			return fault_set(fault, 503, "out of memory");
	}
	if (walk(&p) != 0)
		return -1;
	if (p.stored != want)
		return fault_set(
		    fault, 400,
		    "input \"%.100s\": data has %" PRId64 " elements, shape %s needs %" PRId64,
		    name, p.stored, rt_shape_text(&tensor->shape, shape, sizeof shape), want);
	tensor->data = p.data;
	return 0;
}

/* ---- tensors to text --------------------------------------------------------------- */

/* Up to this many floats are written as short as can be; beyond, with all their digits. */
#define SHORT_FLOATS 4096

static void emit_float(struct text *t, double v, bool single, bool brief)
{
	char buf[32];
	int most = single ? 9 : 17, n = 0;

	for (int digits_ = brief ? most - 3 : most; digits_ <= most; digits_++) {
		n = snprintf(buf, sizeof buf, "%.*g", digits_, v);
		if (single ? strtof(buf, NULL) == (float)v : strtod(buf, NULL) == v)
			break;
	}
	text_add_n(t, buf, (size_t)n);
}

static int64_t signed_at(const void *at, unsigned bits)
{
	int8_t i8;
	int16_t i16;
	int32_t i32;
	int64_t i64;

	switch (bits) {
	case 8:
		memcpy(&i8, at, sizeof i8);
		return i8;
	case 16:
		memcpy(&i16, at, sizeof i16);
		return i16;
	case 32:
		memcpy(&i32, at, sizeof i32);
		return i32;
	default:
		memcpy(&i64, at, sizeof i64);
		return i64;
	}
}

static void emit_integer(struct text *t, const void *at, unsigned bits, bool is_signed)
{
	char buf[24];
	uint64_t u = 0;
	int n;

	if (is_signed) {
		n = snprintf(buf, sizeof buf, "%" PRId64, signed_at(at, bits));
	} else {
		memcpy(&u, at, bits / 8);
		n = snprintf(buf, sizeof buf, "%" PRIu64, u);
	}
	text_add_n(t, buf, (size_t)n);
}

/* False: the element is a NaN, an infinity, or a string that is no text. */
static bool emit_element(struct text *t, enum rt_dtype d, const unsigned char *at, bool brief)
{
	struct rt_str s;
	float f;
	double v;

	if (oip_number_is_integer(d)) {
		emit_integer(t, at, rt_dtype_bits(d),
			     d == RT_I8 || d == RT_I16 || d == RT_I32 || d == RT_I64);
	} else if (d == RT_BOOL) {
		text_add(t, *at != 0 ? "true" : "false");
	} else if (d == RT_STR) {
		memcpy(&s, at, sizeof s);
		if (!utf8_ok(s.bytes, s.size))
			return false;
		text_json_n(t, s.bytes, s.size);
	} else {
		if (d == RT_F32) {
			memcpy(&f, at, sizeof f);
			v = (double)f;
		} else {
			memcpy(&v, at, sizeof v);
		}
		if (!isfinite(v))
			return false;
		emit_float(t, v, d == RT_F32, brief);
	}
	return true;
}

int oip_data_emit(struct text *t, const char *name, const struct rt_tensor *tensor,
		  struct fault *fault)
{
	int64_t n = rt_tensor_elems(tensor);
	size_t step = rt_dtype_bits(tensor->dtype) / 8;
	const unsigned char *at = tensor->data;

	if (tensor->dtype == RT_F16 || tensor->dtype == RT_BF16)
		return fault_set(fault, 400,
				 "output \"%.100s\": %s has no JSON form; ask for it with "
				 "\"binary_data\": true",
				 name, rt_dtype_oip(tensor->dtype));
	text_add(t, "[");
	for (int64_t i = 0; i < n; i++, at += step) {
		if (i != 0)
			text_add_n(t, ",", 1);
		if (!emit_element(t, tensor->dtype, at, n <= SHORT_FLOATS))
			return fault_set(
			    fault, 400,
			    "output \"%.100s\": element %" PRId64
			    " is %s, which JSON cannot say; ask for it with "
			    "\"binary_data\": true",
			    name, i, tensor->dtype == RT_STR ? "no UTF-8" : "not a finite number");
	}
	text_add(t, "]");
	return 0;
}
