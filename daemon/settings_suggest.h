/* SPDX-License-Identifier: MIT */
/*
 * settings_suggest.h — what somebody may have meant.  Any thread.
 */
#ifndef LARDER_DAEMON_SETTINGS_SUGGEST_H
#define LARDER_DAEMON_SETTINGS_SUGGEST_H

#include <stddef.h>

/* settings_suggest(key, known, count): the one of ${known} within three edits of ${key}, or NULL.
 */
const char *settings_suggest(const char *key, const char *const *known, size_t count);

#endif
