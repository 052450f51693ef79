/* SPDX-License-Identifier: MIT */
/*
 * settings.h — what the operator asked for: defaults, then the configuration
 * file, then the command line (options.def is the list).  A settings object
 * is immutable once loaded; SIGHUP loads a new one.
 */
#ifndef LARDER_DAEMON_SETTINGS_H
#define LARDER_DAEMON_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Values of a LIST option, in order. */
struct settings_list {
	const char **item;
	unsigned count;
};

/* One [upstream NAME] or [origin ORIGIN] section as it was written; upstream.c and
 * origins_rule.c say what it means. */
struct settings_pair {
	const char *key, *value;
	unsigned line;
};
struct settings_section {
	const char *name;
	struct settings_pair *pair;
	unsigned count, line;
};

/* C types of the option types of options.def. */
typedef const char *settings_text;           /* TEXT; NULL = not set */
typedef bool settings_flag;                  /* FLAG: yes/no */
typedef uint64_t settings_size;              /* SIZE: bytes; 0 = no limit */
typedef uint64_t settings_time;              /* TIME: seconds */
typedef unsigned settings_count;             /* COUNT */
typedef struct settings_list settings_words; /* LIST */

struct settings {
#define OPTION(key, type, arg, unit, fallback, live, help) settings_##type key;
#include "daemon/options.def"
#undef OPTION
	struct settings_section *upstream, *origin;
	unsigned upstream_count, origin_count;
	const char *file; /* the configuration file, whether it is there or not */
	/* private */
	unsigned refs;
	void *memory;
};

/* What the command line asks for besides options. */
enum settings_action {
	SETTINGS_RUN,
	SETTINGS_CHECK,   /* --check-config: was fine */
	SETTINGS_PROBE,   /* --check-confinement: to be tried */
	SETTINGS_HELP,    /* --help: printed */
	SETTINGS_VERSION, /* --version: printed */
	SETTINGS_OPS,     /* --ops: to be printed */
	SETTINGS_BAD,     /* the configuration is wrong: messages were written; exit 1 */
	SETTINGS_USAGE,   /* so is the command line; exit 2 */
};

/*
 * settings_load(argc, argv, out, ret): read the command line and the file it
 * names.  Help and version go to stdout, what is wrong to ${messages}, one
 * `file:line: key: what` per line.  *ret is set for RUN, CHECK and PROBE; the caller
 * holds one reference.  Loop thread (or before there is a loop).
 */
enum settings_action settings_load(int argc, char **argv, FILE *messages, struct settings **ret);
struct settings *settings_ref(struct settings *s);
void settings_unref(struct settings *s); /* NULL is allowed */

/* Parsers, for tests and for other files' values.  false = malformed or too large. */
bool settings_parse_size(const char *s, uint64_t *ret_bytes); /* 4096, 64K, 2M, 1G */
bool settings_parse_time(const char *s, uint64_t *ret_s);     /* 90, 90s, 5m, 2h, 1d */

#endif
