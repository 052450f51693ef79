/* SPDX-License-Identifier: MIT */
/*
 * regex.h — regular expressions in time proportional to text × pattern, whatever
 * either holds: . [..] ( ) (?: ) | * + ? {m,n} ^ $ \b \B \d \w \s \D \W \S, over
 * characters of UTF-8.
 */
#ifndef LARDER_RUNTIME_OPS_REGEX_H
#define LARDER_RUNTIME_OPS_REGEX_H

#include "runtime/tensor.h"

struct rt_regex; /* opaque; one block of memory */

/* rt_regex_size(pattern): bytes that rt_regex_compile may need. */
size_t rt_regex_size(struct rt_str pattern);
/* rt_regex_compile(pattern, room): in ${room}, [rt_regex_size]; NULL: no pattern, or one that is
 * not supported. */
struct rt_regex *rt_regex_compile(struct rt_str pattern, void *room);
/* rt_regex_full(re, text): whether all of ${text} matches; changes the marks in ${re}: one thread.
 */
bool rt_regex_full(struct rt_regex *re, struct rt_str text);

#endif
