/* SPDX-License-Identifier: MIT */
/*
 * name.h — the parts that model names, revision names and paths are made of.
 */
#ifndef LARDER_STORE_NAME_H
#define LARDER_STORE_NAME_H

#include "store/store.h"

/*
 * store_name_char(s, size): the bytes of the first character of ${s} (1 to 4),
 * or 0 when it is not a character that a name may hold: ill-formed UTF-8
 * (RFC 3629 §3), or a control character (U+0000–U+001F, U+007F–U+009F).
 */
size_t store_name_char(const char *s, size_t size);
/*
 * store_name_segments(s, max_bytes): how many legal segments, separated by
 * single slashes, ${s} consists of; 0 when it is not legal or longer than
 * ${max_bytes}.
 */
size_t store_name_segments(const char *s, size_t max_bytes);
/*
 * store_name_real(model, out): the name under which ${model} is stored:
 * `org--name` becomes `org/name`, anything else stays.  False when it cannot
 * be the name of a model.
 */
bool store_name_real(const char *model, char out[STORE_NAME_MAX + 1]);

#endif
