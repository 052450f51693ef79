/* SPDX-License-Identifier: MIT */
/*
 * json.c — see json.h.  Called by tfjs*.c while a model is opened; must never
 * read beyond the text nor recurse.
 */
#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/json.h"

struct reader {
	const char *start, *at, *end;
	struct rt_memory *memory;
	struct rt_error *err;
	int count; /* values so far */
};

static int malformed(const struct reader *r, const char *what)
{
	return rt_error_set(r->err, RT_MALFORMED, "JSON, byte %zu: %s", (size_t)(r->at - r->start),
			    what);
}

static void skip_blanks(struct reader *r)
{
	while (r->at < r->end &&
	       (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
		r->at++;
}

static bool take(struct reader *r, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0)
		return false;
	r->at += n;
	return true;
}

/* ---- strings --------------------------------------------------------------------------------- */

static int hex4(const char *p, const char *end, unsigned *out)
{
	*out = 0;
	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : -1;

		if (digit < 0)
			return -1;
		*out = *out << 4 | (unsigned)digit;
	}
	return 0;
}

static char *put_utf8(char *to, unsigned c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	}
	return to;
}

/* \uXXXX, a pair of them for what is beyond the first plane; a lone half is U+FFFD. */
static const char *unescape_u(const char *p, const char *end, char **to)
{
	unsigned c, low;

	if (hex4(p, end, &c) < 0)
		return NULL;
	p += 4;
	if (c >= 0xd800 && c < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u' &&
	    hex4(p + 2, end, &low) == 0 && low >= 0xdc00 && low < 0xe000) {
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		p += 6;
	} else if (c >= 0xd800 && c < 0xe000) {
		c = 0xfffd;
	}
	*to = put_utf8(*to, c);
	return p;
}

/* The text between the quotes, escapes undone; what is written is never longer. */
static int unescape(struct reader *r, const char *from, const char *end, struct rt_str *out)
{
	static const char names[] = "\"\\/bfnrt", codes[] = "\"\\/\b\f\n\r\t";
	char *text = rt_memory_take(r->memory, (size_t)(end - from), 1), *to = text;

	if (text == NULL)
		return rt_error_set(r->err, RT_BUDGET, "the model's JSON is too large");
	while (from < end) {
		const char *name;

		if (*from != '\\') {
			*to++ = *from++;
			continue;
		}
		from++; /* one more follows: the closing quote was not escaped */
		if (*from == 'u') {
			from = unescape_u(from + 1, end, &to);
			if (from == NULL)
				return malformed(r, "\\u without four hex digits");
			continue;
		}
		name = *from != '\0' ? strchr(names, *from) : NULL;
		if (name == NULL)
			return malformed(r, "an escape that is none");
		*to++ = codes[name - names];
		from++;
	}
	*out = (struct rt_str){text, (size_t)(to - text)};
	return RT_OK;
}

/* UTF-8 (RFC 3629). */
static bool is_utf8(const unsigned char *p, const unsigned char *end)
{
	while (p < end) {
		unsigned more = *p < 0x80 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
		uint32_t c = more == 0 ? *p : *p & (0x3fu >> more);

		if ((*p >= 0x80 && *p < 0xc2) || *p > 0xf4 || (size_t)(end - p) <= more)
			return false;
		for (unsigned i = 1; i <= more; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return false;
			c = c << 6 | (p[i] & 0x3f);
		}
		if ((more == 2 && c < 0x800) || (more == 3 && c < 0x10000) || c > 0x10ffff ||
		    (c >= 0xd800 && c < 0xe000))
			return false;
		p += more + 1;
	}
	return true;
}

static int string(struct reader *r, struct rt_str *out)
{
	const char *from = ++r->at;
	bool escaped = false;

	for (;; r->at++) {
		if (r->at >= r->end)
			return malformed(r, "a string without an end");
		if (*r->at == '"')
			break;
		if ((unsigned char)*r->at < 0x20)
			return malformed(r, "a control character in a string");
		if (*r->at == '\\') {
			escaped = true;
			if (++r->at >= r->end)
				return malformed(r, "a string without an end");
		}
	}
	if ((size_t)(r->at - from) > RT_JSON_STRING_MAX)
		return malformed(r, "a string that is too long");
	if (!is_utf8((const unsigned char *)from, (const unsigned char *)r->at))
		return malformed(r, "a string that is not UTF-8");
	*out = (struct rt_str){from, (size_t)(r->at - from)};
	r->at++;
	return escaped ? unescape(r, from, r->at - 1, out) : RT_OK;
}

/* ---- numbers and words ----------------------------------------------------------------------- */

static bool is_digit(const struct reader *r)
{
	return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

static bool digits(struct reader *r)
{
	bool any = is_digit(r);

	while (is_digit(r))
		r->at++;
	return any;
}

static int number(struct reader *r, double *out)
{
	const char *from = r->at;
	char text[64];
	size_t n;
	bool ok;

	if (r->at < r->end && *r->at == '-')
		r->at++;
	ok = digits(r);
	if (ok && r->at < r->end && *r->at == '.') {
		r->at++;
		ok = digits(r);
	}
	if (ok && r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
		r->at++;
		if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
			r->at++;
		ok = digits(r);
	}
	n = (size_t)(r->at - from);
	if (!ok || n >= sizeof(text))
		return malformed(r, "a number that is none, or too long");
	memcpy(text, from, n);
	text[n] = '\0';
	*out = strtod(text, NULL);
	return RT_OK;
}

/* What is not a container. */
static int scalar(struct reader *r, struct rt_json *j)
{
	if (*r->at == '"') {
		j->kind = RT_JSON_STRING;
		return string(r, &j->text);
	}
	if (take(r, "null"))
		return RT_OK;
	if (*r->at == 't' || *r->at == 'f') {
		j->kind = RT_JSON_BOOL;
		j->flag = *r->at == 't';
		return take(r, j->flag ? "true" : "false") ? RT_OK : malformed(r, "no JSON value");
	}
	j->kind = RT_JSON_NUMBER;
	if (take(r, "NaN"))
		j->number = (double)NAN;
	else if (take(r, "Infinity"))
		j->number = (double)INFINITY;
	else if (take(r, "-Infinity"))
		j->number = -(double)INFINITY;
	else
		return number(r, &j->number);
	return RT_OK;
}

/* ---- the tree -------------------------------------------------------------------------------- */

/* Where the next value is to go: the containers that are open, innermost last. */
struct open {
	struct rt_json *parent;
	struct rt_json *last; /* its youngest child */
};

static int new_value(struct reader *r, struct open *o, struct rt_json **out)
{
	struct rt_json *j;

	if (r->count++ >= RT_JSON_VALUES_MAX)
		return malformed(r, "too many values");
	j = rt_memory_take(r->memory, sizeof(*j), 8);
	if (j == NULL)
		return rt_error_set(r->err, RT_BUDGET, "the model's JSON is too large");
	if (o != NULL) {
		if (o->last == NULL)
			o->parent->child = j;
		else
			o->last->next = j;
		o->last = j;
		o->parent->count++;
	}
	*out = j;
	return RT_OK;
}

/* One value, with its key where it is a member; a container is only opened. */
static int value(struct reader *r, struct open *o, struct rt_json **out)
{
	struct rt_str key = {.bytes = ""};
	int status;

	skip_blanks(r);
	if (o != NULL && o->parent->kind == RT_JSON_OBJECT) {
		if (r->at >= r->end || *r->at != '"')
			return malformed(r, "a member without a name");
		status = string(r, &key);
		if (status < 0)
			return status;
		skip_blanks(r);
		if (!take(r, ":"))
			return malformed(r, "a name without a colon");
		skip_blanks(r);
	}
	if (r->at >= r->end)
		return malformed(r, "the text ends in the middle");
	status = new_value(r, o, out);
	if (status < 0)
		return status;
	(*out)->key = key;
	if (*r->at != '{' && *r->at != '[')
		return scalar(r, *out);
	(*out)->kind = *r->at == '{' ? RT_JSON_OBJECT : RT_JSON_ARRAY;
	r->at++;
	return RT_OK;
}

/* After a value: close what ends here; true while something is open and wants another one. */
static int close_or_next(struct reader *r, struct open *stack, int *depth)
{
	while (*depth > 0) {
		const struct open *o = &stack[*depth - 1];
		char end = o->parent->kind == RT_JSON_OBJECT ? '}' : ']';

		skip_blanks(r);
		if (r->at >= r->end)
			return malformed(r, "the text ends in the middle");
		if (*r->at == end) {
			r->at++;
			(*depth)--;
			continue;
		}
		if (o->last == NULL)
			return RT_OK;
		if (*r->at != ',')
			return malformed(r, "neither a comma nor the end of an object or array");
		r->at++;
		return RT_OK;
	}
	return RT_OK;
}

int rt_json_parse(struct rt_bytes file, struct rt_memory *memory, const struct rt_json **out,
		  struct rt_error *err)
{
	struct reader r = {.start = file.data, .at = file.data, .memory = memory, .err = err};
	struct open stack[RT_JSON_DEPTH_MAX];
	struct rt_json *j = NULL;
	int depth = 0, status;

	r.end = r.at + file.size;
	(void)take(&r, "\xef\xbb\xbf");
	do {
		status = value(&r, depth > 0 ? &stack[depth - 1] : NULL, &j);
		if (status < 0)
			return status;
		if (r.count == 1)
			*out = j;
		if (j->kind == RT_JSON_ARRAY || j->kind == RT_JSON_OBJECT) {
			if (depth == RT_JSON_DEPTH_MAX)
				return malformed(&r, "nested too deeply");
			stack[depth++] = (struct open){j, NULL};
		}
		status = close_or_next(&r, stack, &depth);
		if (status < 0)
			return status;
	} while (depth > 0);
	skip_blanks(&r);
	return r.at == r.end ? RT_OK : malformed(&r, "something after the end");
}

/* ---- questions ------------------------------------------------------------------------------- */

bool rt_json_equal(struct rt_str s, const char *text)
{
	size_t n = strlen(text);

	return s.bytes != NULL && s.size == n && memcmp(s.bytes, text, n) == 0;
}

const struct rt_json *rt_json_members(const struct rt_json *j)
{
	return j != NULL && j->kind == RT_JSON_OBJECT ? j->child : NULL;
}

const struct rt_json *rt_json_items(const struct rt_json *j)
{
	return j != NULL && j->kind == RT_JSON_ARRAY ? j->child : NULL;
}

const struct rt_json *rt_json_get(const struct rt_json *j, const char *key)
{
	const struct rt_json *m = rt_json_members(j);

	while (m != NULL && !rt_json_equal(m->key, key))
		m = m->next;
	return m;
}

const struct rt_json *rt_json_at(const struct rt_json *j, int i)
{
	const struct rt_json *m = rt_json_items(j);

	for (; m != NULL && i > 0; i--)
		m = m->next;
	return i < 0 ? NULL : m;
}

int rt_json_count(const struct rt_json *j)
{
	return j != NULL && (j->kind == RT_JSON_ARRAY || j->kind == RT_JSON_OBJECT) ? j->count : 0;
}

struct rt_str rt_json_text(const struct rt_json *j)
{
	return j != NULL && j->kind == RT_JSON_STRING ? j->text : (struct rt_str){NULL, 0};
}

bool rt_json_is(const struct rt_json *j, const char *text)
{
	return rt_json_equal(rt_json_text(j), text);
}

double rt_json_number(const struct rt_json *j, double otherwise)
{
	struct rt_str s = rt_json_text(j);
	char text[64], *end;
	double v;

	if (j != NULL && j->kind == RT_JSON_NUMBER)
		return j->number;
	if (s.bytes == NULL || s.size == 0 || s.size >= sizeof(text))
		return otherwise;
	memcpy(text, s.bytes, s.size);
	text[s.size] = '\0';
	v = strtod(text, &end);
	return *end == '\0' ? v : otherwise;
}

int64_t rt_json_int(const struct rt_json *j, int64_t otherwise)
{
	struct rt_str s = rt_json_text(j);
	char text[32], *end;
	double v;

	if (s.bytes != NULL && s.size > 0 && s.size < 20) { /* up to 2^63 − 1, exactly */
		long long whole;

		memcpy(text, s.bytes, s.size);
		text[s.size] = '\0';
		whole = strtoll(text, &end, 10);
		return *end == '\0' ? whole : otherwise;
	}
	v = rt_json_number(j, (double)NAN);
	return v == floor(v) && fabs(v) < 0x1p62 ? (int64_t)v : otherwise;
}

bool rt_json_bool(const struct rt_json *j, bool otherwise)
{
	if (j != NULL && j->kind == RT_JSON_BOOL)
		return j->flag;
	return j != NULL && j->kind == RT_JSON_NUMBER ? j->number != 0 : otherwise;
}

int rt_json_ints(const struct rt_json *j, int max, int64_t *out)
{
	int n = 0;

	if (j == NULL || j->kind != RT_JSON_ARRAY || j->count > max)
		return -1;
	for (const struct rt_json *i = j->child; i != NULL; i = i->next) {
		if (rt_json_int(i, INT64_MIN) == INT64_MIN)
			return -1;
		out[n++] = rt_json_int(i, 0);
	}
	return n;
}
