/* SPDX-License-Identifier: MIT */
/*
 * log_json.h — a log line as a JSON object.  Pure; any thread.
 */
#ifndef LARDER_DAEMON_LOG_JSON_H
#define LARDER_DAEMON_LOG_JSON_H

#include <stddef.h>

/*
 * log_json(out, room, level, event, pairs, suppressed): `key=value key="a value"…` as an
 * object of texts, with `time` (UTC), `level` and `event` in front; `suppressed` when it is
 * not 0.  Within quotes a backslash makes the next byte text (log.c writes
 * it before quotes and backslashes).  Returns the bytes
 * written, at most ${room}; pairs that do not fit are left out.
 */
size_t log_json(char *out, size_t room, const char *level, const char *event, const char *pairs,
		unsigned suppressed);

#endif
