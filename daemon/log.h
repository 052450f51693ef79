/* SPDX-License-Identifier: MIT */
/*
 * log.h — one line per event on standard error: `level event key=value …`, or a JSON
 * object.  With journald behind it (JOURNAL_STREAM) the level is its <N> prefix.  Any
 * thread; a line is one write(2).  Of one event at most 20 lines in 10 seconds: the first
 * line after that says how many are missing (suppressed=N).
 */
#ifndef LARDER_DAEMON_LOG_H
#define LARDER_DAEMON_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* log_level_parse(s, out): error, warning, info, debug. */
bool log_level_parse(const char *s, enum log_level *out);
void log_level_set(enum log_level level);
/* log_format_parse(s, ret_json): text, json. */
bool log_format_parse(const char *s, bool *ret_json);
void log_format_set(bool json);
bool log_wants(enum log_level level);

/*
 * log_error("store_open", "error=\"%s\"", text): ${event} is one word, the
 * rest key=value pairs.  Control characters in the line become `?`; a quote or a backslash that
 * an argument brings gets a backslash before it, so that no text can end a value or add a pair.
 */
void log_error(const char *event, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_warning(const char *event, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_info(const char *event, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_debug(const char *event, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* log_audit(fmt, …): the event `audit`, at every level and never suppressed. */
void log_audit(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
