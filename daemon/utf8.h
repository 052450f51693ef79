/* SPDX-License-Identifier: MIT */
/*
 * utf8.h — well-formed UTF-8 (RFC 3629 §4): no overlong forms, no surrogates,
 * nothing above U+10FFFF.
 */
#ifndef LARDER_DAEMON_UTF8_H
#define LARDER_DAEMON_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* utf8_width(s, size): bytes of the character at ${s}, 1 to 4; 0 when it is malformed. */
size_t utf8_width(const char *s, size_t size);
/* utf8_ok(s, size): whether all of it is well-formed. */
bool utf8_ok(const char *s, size_t size);
/* utf8_cut(s, size): the largest n ≤ ${size} at which ${s} may be cut between characters. */
size_t utf8_cut(const char *s, size_t size);

#endif
