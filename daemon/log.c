/* SPDX-License-Identifier: MIT */
/*
 * log.c — lines on standard error.  The only printf of daemon/ besides what
 * main.c says to a terminal.  Must never block on anything but the descriptor
 * and never print a token.
 */
#include <config.h>

#include "daemon/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	int priority; /* syslog(3) */
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", 3},
    [LOG_LEVEL_WARNING] = {"warning", 4},
    [LOG_LEVEL_INFO] = {"info", 6},
    [LOG_LEVEL_DEBUG] = {"debug", 7},
};

static _Atomic(int) current = LOG_LEVEL_INFO;

bool log_level_parse(const char *s, enum log_level *out)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(s, levels[i].name) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	}
	return false;
}

void log_level_set(enum log_level level)
{
	atomic_store_explicit(&current, (int)level, memory_order_relaxed);
}

bool log_wants(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&current, memory_order_relaxed);
}

static void emit(enum log_level level, const char *event, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

static void emit(enum log_level level, const char *event, const char *fmt, va_list ap)
{
	char line[2048];
	int n, m;
	size_t size;

	if (!log_wants(level))
		return;
	if (getenv("JOURNAL_STREAM") != NULL)
		n = snprintf(line, sizeof(line), "<%d>%s ", levels[level].priority, event);
	else
		n = snprintf(line, sizeof(line), "larderd: %s %s ", levels[level].name, event);
	if (n < 0 || (size_t)n >= sizeof(line))
		return;
	m = vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	if (m < 0)
		return;
	size = (size_t)n + (size_t)m;
	if (size > sizeof(line) - 2)
		size = sizeof(line) - 2;
	for (size_t i = 0; i < size; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	}
	line[size++] = '\n';
	if (write(STDERR_FILENO, line, size) < 0)
		return; /* nobody to tell */
}

#define DEFINE(name, level)                                                                        \
	void name(const char *event, const char *fmt, ...)                                         \
	{                                                                                          \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, fmt);                                                                 \
		emit(level, event, fmt, ap);                                                       \
		va_end(ap);                                                                        \
	}

DEFINE(log_error, LOG_LEVEL_ERROR)
DEFINE(log_warning, LOG_LEVEL_WARNING)
DEFINE(log_info, LOG_LEVEL_INFO)
DEFINE(log_debug, LOG_LEVEL_DEBUG)
