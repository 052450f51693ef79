/* SPDX-License-Identifier: MIT */
/*
 * log.c — lines on standard error.  The only printf of daemon/ besides what
 * main.c says to a terminal.  Must never block on anything but the descriptor
 * and never print a token.
 */
#include <config.h>

#include "daemon/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/log_json.h"
#include "daemon/must.h"

#define LINE_BYTES 2048
#define FORMAT_BYTES 1024
#define WINDOWS 64 /* events told apart; two that share one only forget a count */
#define WINDOW_S 10
#define WINDOW_LINES 20

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
static atomic_bool json;

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

bool log_format_parse(const char *s, bool *ret_json)
{
	*ret_json = strcmp(s, "json") == 0;
	return *ret_json || strcmp(s, "text") == 0;
}

void log_format_set(bool value)
{
	atomic_store_explicit(&json, value, memory_order_relaxed);
}

/* ---- too many ------------------------------------------------------------------- */

struct window {
	const char *event; /* a literal: compared by address */
	time_t begin_s;
	unsigned lines, suppressed;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct window windows[WINDOWS];

/* Whether a line of ${event} may go out, and how many before it did not. */
static bool may_go(const char *event, unsigned *ret_suppressed)
{
	struct window *w = &windows[((uintptr_t)event >> 3) % WINDOWS];
	struct timespec now;
	bool go;

	*ret_suppressed = 0;
	if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		return true;
	(void)pthread_mutex_lock(&lock);
	if (w->event != event || now.tv_sec - w->begin_s >= WINDOW_S) {
		*ret_suppressed = w->event == event ? w->suppressed : 0;
		*w = (struct window){.event = event, .begin_s = now.tv_sec};
	}
	go = w->lines < WINDOW_LINES;
	if (go)
		w->lines++;
	else
		w->suppressed++;
	(void)pthread_mutex_unlock(&lock);
	return go;
}

/* ---- lines ------------------------------------------------------------------------ */

/*
 * Whether standard error is the journal: programs inherit the variable also when their output
 * goes elsewhere (systemd.exec(5)).
 */
static bool in_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	char own[48];

	if (stream == NULL || fstat(STDERR_FILENO, &st) != 0)
		return false;
	(void)snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, own) == 0;
}

/* What stands before the event; the bytes. */
static size_t begin(char *line, enum log_level level, const char *event, bool as_json)
{
	bool journal = in_journal();
	int n;

	if (as_json && !journal)
		return 0;
	if (as_json)
		n = snprintf(line, LINE_BYTES, "<%d>", levels[level].priority);
	else if (journal)
		n = snprintf(line, LINE_BYTES, "<%d>%s ", levels[level].priority, event);
	else
		n = snprintf(line, LINE_BYTES, "larderd: %s %s ", levels[level].name, event);
	return n < 0 || n >= LINE_BYTES ? 0 : (size_t)n;
}

/*
 * ${fmt} with its quotes as they are and, as ${marks}, with other bytes in their place: what is in
 * both the same comes from an argument.
 */
static bool format_twice(char pairs[LINE_BYTES], char marks[LINE_BYTES], const char *fmt,
			 va_list ap) __attribute__((format(printf, 3, 0)));

static bool format_twice(char pairs[LINE_BYTES], char marks[LINE_BYTES], const char *fmt,
			 va_list ap)
{
	char marked[FORMAT_BYTES];
	va_list again;
	int n, m;

	must(strlen(fmt) < sizeof(marked));
	memcpy(marked, fmt, strlen(fmt) + 1);
	for (char *p = marked; (p = strchr(p, '"')) != NULL; p++)
		*p = '\x01';
	va_copy(again, ap);
	n = vsnprintf(pairs, LINE_BYTES, fmt, ap);
	/* other quotes are all that the copy differs by, so that the arguments fit it, too */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	m = vsnprintf(marks, LINE_BYTES, marked, again);
#pragma GCC diagnostic pop
	va_end(again);
	return n >= 0 && n == m;
}

/* The pairs: a quote or backslash that an argument brings gets a backslash, so that it ends
 * nothing. */
static bool format_pairs(char out[LINE_BYTES], const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static bool format_pairs(char out[LINE_BYTES], const char *fmt, va_list ap)
{
	char pairs[LINE_BYTES], marks[LINE_BYTES];
	size_t size = 0;

	if (!format_twice(pairs, marks, fmt, ap))
		return false;
	for (size_t i = 0; pairs[i] != '\0' && size + 2 < LINE_BYTES; i++) {
		char c = pairs[i];

		if (c == marks[i] && (c == '"' || c == '\\'))
			out[size++] = '\\';
		out[size++] = (unsigned char)c < 0x20 || c == 0x7f ? '?' : c;
	}
	out[size] = '\0';
	return true;
}

static void emit(enum log_level level, const char *event, unsigned suppressed, const char *fmt,
		 va_list ap) __attribute__((format(printf, 4, 0)));

static void emit(enum log_level level, const char *event, unsigned suppressed, const char *fmt,
		 va_list ap)
{
	bool as_json = atomic_load_explicit(&json, memory_order_relaxed);
	char line[LINE_BYTES], pairs[LINE_BYTES];
	size_t size = begin(line, level, event, as_json);

	if (!format_pairs(pairs, fmt, ap))
		return;
	if (as_json)
		size += log_json(line + size, sizeof(line) - size - 1, levels[level].name, event,
				 pairs, suppressed);
	else if (suppressed != 0)
		size += (size_t)snprintf(line + size, sizeof(line) - size, "suppressed=%u ",
					 suppressed);
	if (!as_json) {
		size_t room = sizeof(line) - 2 - size, length = strlen(pairs);

		memcpy(line + size, pairs, length < room ? length : room);
		size += length < room ? length : room;
	}
	line[size++] = '\n';
	if (write(STDERR_FILENO, line, size) < 0)
		return; /* nobody to tell */
}

#define DEFINE(name, level)                                                                        \
	void name(const char *event, const char *fmt, ...)                                         \
	{                                                                                          \
		unsigned suppressed = 0;                                                           \
		va_list ap;                                                                        \
                                                                                                   \
		if (!log_wants(level) ||                                                           \
		    (level != LOG_LEVEL_DEBUG && !may_go(event, &suppressed)))                     \
			return;                                                                    \
		va_start(ap, fmt);                                                                 \
		emit(level, event, suppressed, fmt, ap);                                           \
		va_end(ap);                                                                        \
	}

DEFINE(log_error, LOG_LEVEL_ERROR)
DEFINE(log_warning, LOG_LEVEL_WARNING)
DEFINE(log_info, LOG_LEVEL_INFO)
DEFINE(log_debug, LOG_LEVEL_DEBUG)

void log_audit(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_LEVEL_INFO, "audit", 0, fmt, ap);
	va_end(ap);
}
