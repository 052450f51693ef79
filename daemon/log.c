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

#define LINE_BYTES 2048
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

static void emit(enum log_level level, const char *event, unsigned suppressed, const char *fmt,
		 va_list ap) __attribute__((format(printf, 4, 0)));

static void emit(enum log_level level, const char *event, unsigned suppressed, const char *fmt,
		 va_list ap)
{
	bool as_json = atomic_load_explicit(&json, memory_order_relaxed);
	char line[LINE_BYTES], pairs[LINE_BYTES];
	size_t size = begin(line, level, event, as_json);
	int n = vsnprintf(pairs, sizeof(pairs), fmt, ap);

	if (n < 0)
		return;
	for (char *p = pairs; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	}
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
