/* SPDX-License-Identifier: MIT */
/*
 * text.h — a growing string in an arena, and JSON written into it.
 *
 * Errors are sticky: after memory ran short every call does nothing, and
 * text_ok() says so at the end.  So a document can be written without a check
 * per line.
 */
#ifndef LARDER_DAEMON_TEXT_H
#define LARDER_DAEMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

struct text {
	struct arena *arena;
	char *data; /* [size], then a NUL once anything was added */
	size_t size, room;
	bool failed;
};

void text_init(struct text *t, struct arena *arena); /* borrows ${arena} */
bool text_ok(const struct text *t);
void text_add(struct text *t, const char *s);
void text_add_n(struct text *t, const char *s, size_t n);
void text_printf(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/*
 * text_json(t, s): ${s} as a JSON string, with the quotes (RFC 8259 §7).
 * Control characters become \u00XX; bytes that are not valid UTF-8 become
 * U+FFFD, so the document is always valid.
 */
void text_json(struct text *t, const char *s);
void text_json_n(struct text *t, const char *s, size_t n);
/* text_json_u64: a number; above 2^53 it is still written exactly. */
void text_u64(struct text *t, uint64_t n);

#endif
