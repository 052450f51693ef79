/* SPDX-License-Identifier: MIT */
/*
 * text.c — a growing string in an arena, and JSON strings written into it.
 * Called by handlers and by reply.c; must never emit what is not valid JSON.
 */
#include <config.h>

#include "daemon/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/arena.h"
#include "daemon/utf8.h"

#define TEXT_FIRST_BYTES ((size_t)512)

void text_init(struct text *t, struct arena *arena)
{
	*t = (struct text){.arena = arena};
}

bool text_ok(const struct text *t)
{
	return !t->failed;
}

/* Room for ${n} more bytes and a NUL. */
static bool reserve(struct text *t, size_t n)
{
	size_t need, room;
	char *data;

	if (t->failed)
		return false;
	if (__builtin_add_overflow(t->size, n, &need) || __builtin_add_overflow(need, 1, &need)) {
		t->failed = true;
		return false;
	}
	if (need <= t->room)
		return true;
	room = t->room == 0 ? TEXT_FIRST_BYTES : t->room;
	while (room < need) {
		if (__builtin_mul_overflow(room, 2, &room)) {
			t->failed = true;
			return false;
		}
	}
	data = arena_alloc(t->arena, room);
	if (data == NULL) {
		t->failed = true;
		return false;
	}
	if (t->size > 0)
		memcpy(data, t->data, t->size);
	t->data = data;
	t->room = room;
	return true;
}

void text_add_n(struct text *t, const char *s, size_t n)
{
	if (!reserve(t, n))
		return;
	if (n > 0)
		memcpy(t->data + t->size, s, n);
	t->size += n;
	t->data[t->size] = '\0';
}

void text_add(struct text *t, const char *s)
{
	text_add_n(t, s, strlen(s));
}

void text_printf(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !reserve(t, (size_t)n)) {
		t->failed = true;
		return;
	}
	va_start(ap, fmt);
	(void)vsnprintf(t->data + t->size, (size_t)n + 1, fmt, ap);
	va_end(ap);
	t->size += (size_t)n;
}

void text_u64(struct text *t, uint64_t n)
{
	char digits[24];
	int size = snprintf(digits, sizeof(digits), "%" PRIu64, n);

	text_add_n(t, digits, (size_t)size);
}

/* One byte that JSON wants escaped. */
static void escape(struct text *t, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char out[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

	switch (c) {
	case '"':
		text_add_n(t, "\\\"", 2);
		return;
	case '\\':
		text_add_n(t, "\\\\", 2);
		return;
	case '\n':
		text_add_n(t, "\\n", 2);
		return;
	case '\r':
		text_add_n(t, "\\r", 2);
		return;
	case '\t':
		text_add_n(t, "\\t", 2);
		return;
	default:
		text_add_n(t, out, sizeof(out));
	}
}

void text_json_n(struct text *t, const char *s, size_t n)
{
	size_t plain = 0, i = 0;

	text_add_n(t, "\"", 1);
	while (i < n) {
		unsigned char c = (unsigned char)s[i];
		size_t width;

		if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
			i++;
			continue;
		}
		width = c < 0x80 ? 0 : utf8_width(s + i, n - i);
		if (width > 0) {
			i += width;
			continue;
		}
		text_add_n(t, s + plain, i - plain);
		if (c < 0x80)
			escape(t, c);
		else
			text_add_n(t, "\xef\xbf\xbd", 3);
		plain = ++i;
	}
	text_add_n(t, s + plain, n - plain);
	text_add_n(t, "\"", 1);
}

void text_json(struct text *t, const char *s)
{
	text_json_n(t, s, strlen(s));
}
