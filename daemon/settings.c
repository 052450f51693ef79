/* SPDX-License-Identifier: MIT */
/*
 * settings.c — options.def from three layers: defaults, configuration file,
 * command line.  Every layer gives text with a place of origin (`file:line` or
 * the option); all text is converted once, so every error can name its place.
 * Called by main.c; must never start anything.
 */
#include <config.h>

#include "daemon/settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/arena.h"
#include "daemon/log.h"
#include "daemon/must.h"
#include "daemon/origins.h"
#include "daemon/origins_rule.h"
#include "daemon/settings_suggest.h"
#include "daemon/upstream.h"

#ifndef LARDER_CONFIG_FILE
#define LARDER_CONFIG_FILE "/etc/larder/larder.conf"
#endif

#define LINE_MAX_BYTES 8192
#define PAIRS_MAX 64

enum type { TYPE_text, TYPE_flag, TYPE_size, TYPE_time, TYPE_count, TYPE_words };

static const struct option {
	const char *key, *arg, *unit, *fallback, *help;
	enum type type;
	size_t offset; /* in struct settings */
} options[] = {
#define OPTION(key_, type_, arg_, unit_, fallback_, live_, help_)                                  \
	{.key = #key_,                                                                             \
	 .arg = arg_,                                                                              \
	 .unit = unit_,                                                                            \
	 .fallback = fallback_,                                                                    \
	 .help = help_,                                                                            \
	 .type = TYPE_##type_,                                                                     \
	 .offset = offsetof(struct settings, key_)},
#include "daemon/options.def"
#undef OPTION
};

#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

static const char *const upstream_keys[] = {
#define UPSTREAM(key, help) #key,
#include "daemon/upstreams.def"
#undef UPSTREAM
};
static const char *const origin_keys[] = {
#define ORIGIN_KEY(key, help) #key,
#include "daemon/origin_keys.def"
#undef ORIGIN_KEY
};

/* The kinds of sections. */
static const struct kind {
	const char *name;
	const char *const *keys;
	size_t count;
} kinds[] = {
    {"upstream", upstream_keys, sizeof(upstream_keys) / sizeof(upstream_keys[0])},
    {"origin", origin_keys, sizeof(origin_keys) / sizeof(origin_keys[0])},
};
#define KIND_UPSTREAM (&kinds[0])
#define KIND_ORIGIN (&kinds[1])

/* While loading. */
struct loader {
	struct settings *s;
	struct arena *arena;
	FILE *messages;
	unsigned errors;
	const char *file;
	struct {
		const char *value, *place;
		bool from_cli;
	} raw[OPTION_COUNT];
};

static void complain(struct loader *l, const char *place, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void complain(struct loader *l, const char *place, const char *key, const char *fmt, ...)
{
	va_list ap;

	l->errors++;
	(void)fprintf(l->messages, "larderd: %s: %s%s", place, key, *key == '\0' ? "" : ": ");
	va_start(ap, fmt);
	(void)vfprintf(l->messages, fmt, ap);
	va_end(ap);
	(void)fputc('\n', l->messages);
}

static char *keep(struct loader *l, const char *s, size_t size)
{
	char *p = arena_copy(l->arena, s, size);

	must(p != NULL);
	return p;
}

/* ---- values -------------------------------------------------------------------- */

static bool scaled(const char *s, const char *units, const uint64_t *factor, uint64_t *out)
{
	const char *p = s;
	uint64_t value = 0, scale = 1;

	if (!isdigit((unsigned char)*p))
		return false;
	for (; isdigit((unsigned char)*p); p++) {
		if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return false;
	}
	if (*p != '\0') {
		const char *unit = strchr(units, *p);

		if (unit == NULL || p[1] != '\0')
			return false;
		scale = factor[unit - units];
	}
	return !__builtin_mul_overflow(value, scale, out);
}

bool settings_parse_size(const char *s, uint64_t *ret_bytes)
{
	static const uint64_t factor[] = {1u << 10, 1u << 20, 1u << 30, UINT64_C(1) << 40,
					  1u << 10, 1u << 20, 1u << 30, UINT64_C(1) << 40};

	return scaled(s, "KMGTkmgt", factor, ret_bytes);
}

bool settings_parse_time(const char *s, uint64_t *ret_s)
{
	static const uint64_t factor[] = {1, 60, 3600, 86400};

	return scaled(s, "smhd", factor, ret_s) && *ret_s <= UINT64_C(86400) * 36500;
}

static bool parse_flag(const char *s, bool *out)
{
	static const char *const yes[] = {"yes", "true", "on", "1"};
	static const char *const no[] = {"no", "false", "off", "0"};

	for (size_t i = 0; i < 4; i++) {
		if (strcmp(s, yes[i]) == 0 || strcmp(s, no[i]) == 0) {
			*out = strcmp(s, yes[i]) == 0;
			return true;
		}
	}
	return false;
}

static struct settings_list parse_words(struct loader *l, const char *s)
{
	struct settings_list list = {0};

	list.item = arena_zalloc(l->arena, (strlen(s) / 2 + 1) * sizeof(list.item[0]));
	must(list.item != NULL);
	for (;;) {
		size_t n;

		s += strspn(s, " \t,");
		n = strcspn(s, " \t,");
		if (n == 0)
			return list;
		list.item[list.count++] = keep(l, s, n);
		s += n;
	}
}

static void *field(struct settings *s, const struct option *o)
{
	return (char *)s + o->offset;
}

static void convert(struct loader *l, size_t i)
{
	const struct option *o = &options[i];
	const char *value = l->raw[i].value;
	void *to = field(l->s, o);
	uint64_t n = 0;
	bool flag = false;

	switch (o->type) {
	case TYPE_text:
		*(settings_text *)to = *value == '\0' ? NULL : value;
		return;
	case TYPE_words:
		*(settings_words *)to = parse_words(l, value);
		return;
	case TYPE_flag:
		if (!parse_flag(value, &flag))
			complain(l, l->raw[i].place, o->key, "`%s` is not yes or no", value);
		*(settings_flag *)to = flag;
		return;
	case TYPE_size:
		if (!settings_parse_size(value, &n))
			complain(l, l->raw[i].place, o->key,
				 "`%s` is not a size (a number, or one with K, M or G)", value);
		*(settings_size *)to = n;
		return;
	case TYPE_time:
		if (!settings_parse_time(value, &n))
			complain(l, l->raw[i].place, o->key,
				 "`%s` is not a time (a number, or one with s, m, h or d)", value);
		*(settings_time *)to = n;
		return;
	case TYPE_count:
		if (!scaled(value, "", NULL, &n) || n > 1000000) {
			complain(l, l->raw[i].place, o->key, "`%s` is not a number", value);
			n = 0;
		}
		*(settings_count *)to = (unsigned)n;
		return;
	}
}

/* ---- what values may be ------------------------------------------------------------- */

static size_t index_of(const char *key)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (strcmp(options[i].key, key) == 0)
			return i;
	}
	return OPTION_COUNT;
}

static const char *place_of(const struct loader *l, const char *key)
{
	return l->raw[index_of(key)].place;
}

static bool listen_ok(const char *s)
{
	const char *colon = strrchr(s, ':');
	uint64_t port;

	if (colon == NULL || colon == s || !scaled(colon + 1, "", NULL, &port) || port > 65535)
		return false;
	if (s[0] == '[')
		return colon[-1] == ']';
	return memchr(s, ':', (size_t)(colon - s)) == NULL;
}

static bool host_name_ok(const char *s)
{
	size_t size = strlen(s);

	return size > 0 && size < 254 && s[size - 1] != '.' &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_[]:") ==
		   size &&
	       (s[0] == '[' || strchr(s, ':') == NULL);
}

static const char *value_of(const struct settings_section *u, const char *key)
{
	for (unsigned i = 0; i < u->count; i++) {
		if (strcmp(u->pair[i].key, key) == 0)
			return u->pair[i].value;
	}
	return NULL;
}

static void check_upstreams(struct loader *l)
{
	for (unsigned i = 0; i < l->s->upstream_count; i++) {
		const struct settings_section *u = &l->s->upstream[i];
		const char *url = value_of(u, "url"), *is_private = value_of(u, "private");
		char place[4200];
		bool flag = false;

		(void)snprintf(place, sizeof(place), "%s:%u", l->file, u->line);
		if (url == NULL)
			complain(l, place, u->name, "an upstream needs a url");
		else if (strncmp(url, "http:", 5) == 0 &&
			 (is_private == NULL || !parse_flag(is_private, &flag) || !flag))
			complain(l, place, u->name,
				 "http is for upstreams with private = yes only");
	}
}

static void check_values(struct loader *l)
{
	const struct settings *s = l->s;
	enum log_level level;
	char origin[256];
	bool json;

	for (unsigned i = 0; i < s->origins.count; i++) {
		if (!origins_normal(s->origins.item[i], origin))
			complain(l, place_of(l, "origins"), "origins",
				 "`%s` is not an origin (scheme://host or scheme://host:port)",
				 s->origins.item[i]);
	}
	for (unsigned i = 0; i < s->hosts.count; i++) {
		if (!host_name_ok(s->hosts.item[i]))
			complain(l, place_of(l, "hosts"), "hosts",
				 "`%s` is not a host name (no port, no trailing dot)",
				 s->hosts.item[i]);
	}
	for (unsigned i = 0; i < s->listen.count; i++) {
		if (!listen_ok(s->listen.item[i]))
			complain(l, place_of(l, "listen"), "listen",
				 "`%s` is not ADDR:PORT or [ADDR]:PORT", s->listen.item[i]);
	}
	if (s->log_level == NULL || !log_level_parse(s->log_level, &level))
		complain(l, place_of(l, "log_level"), "log_level",
			 "`%s` is not error, warning, info or debug",
			 s->log_level == NULL ? "" : s->log_level);
	if (s->log_format == NULL || !log_format_parse(s->log_format, &json))
		complain(l, place_of(l, "log_format"), "log_format", "`%s` is not text or json",
			 s->log_format == NULL ? "" : s->log_format);
	if (s->state_dir == NULL)
		complain(l, place_of(l, "state_dir"), "state_dir", "is empty");
	if (s->max_connections == 0)
		complain(l, place_of(l, "max_connections"), "max_connections", "must not be 0");
	if (s->request_timeout == 0)
		complain(l, place_of(l, "request_timeout"), "request_timeout", "must not be 0");
	if (s->batch_window > 16)
		complain(l, place_of(l, "batch_window"), "batch_window",
			 "is milliseconds, 16 at most");
	if (s->batch_max == 0 || s->batch_max > 256)
		complain(l, place_of(l, "batch_max"), "batch_max", "must be 1 to 256");
	check_upstreams(l);
	if (s->default_upstream != NULL) {
		bool known = false;

		for (unsigned i = 0; i < s->upstream_count; i++)
			known |= strcmp(s->upstream[i].name, s->default_upstream) == 0;
		if (!known)
			complain(l, place_of(l, "default_upstream"), "default_upstream",
				 "there is no [upstream %s]", s->default_upstream);
	}
}

/* ---- suggestions ----------------------------------------------------------------------- */

static const char *suggest_option(const char *key)
{
	const char *known[OPTION_COUNT];

	for (size_t i = 0; i < OPTION_COUNT; i++)
		known[i] = options[i].key;
	return settings_suggest(key, known, OPTION_COUNT);
}

static void unknown_key(struct loader *l, const char *place, const char *key,
			const struct kind *kind)
{
	const char *close =
	    kind == NULL ? suggest_option(key) : settings_suggest(key, kind->keys, kind->count);

	if (close != NULL)
		complain(l, place, key, "unknown key; did you mean `%s`?", close);
	else
		complain(l, place, key, "unknown key");
}

/* ---- the file ---------------------------------------------------------------------------- */

static char *trim(char *s)
{
	size_t n;

	s += strspn(s, " \t\r\n");
	n = strlen(s);
	while (n > 0 && strchr(" \t\r\n", s[n - 1]) != NULL)
		s[--n] = '\0';
	return s;
}

/* The kind of `[KIND NAME]` in ${head}, which becomes its name; NULL after a complaint. */
static const struct kind *kind_of(struct loader *l, const char *place, char *head, char **ret_name)
{
	size_t n = strlen(head), size = strcspn(head + 1, " \t]");

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && head[n - 1] == ']'; i++) {
		if (strlen(kinds[i].name) != size || strncmp(head + 1, kinds[i].name, size) != 0)
			continue;
		head[n - 1] = '\0';
		*ret_name = trim(head + 1 + size);
		return &kinds[i];
	}
	complain(l, place, head, "unknown section; there are [upstream NAME] and [origin ORIGIN]");
	return NULL;
}

static bool section_name_ok(const struct kind *kind, const char *name, char out[256])
{
	if (kind == KIND_ORIGIN)
		return origins_normal(name, out);
	(void)snprintf(out, 256, "%s", name);
	return *name != '\0' && strlen(name) < 256 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		   strlen(name);
}

static struct settings_section *begin_section(struct loader *l, const char *place, char *head,
					      unsigned line, const struct kind **ret_kind)
{
	struct settings_section *all, *u, **list;
	const struct kind *kind;
	char *written, name[256];
	unsigned *count;

	kind = *ret_kind = kind_of(l, place, head, &written);
	if (kind == NULL)
		return NULL;
	if (!section_name_ok(kind, written, name)) {
		complain(l, place, kind->name, "`%s` is not %s", written,
			 kind == KIND_ORIGIN ? "an origin (scheme://host or scheme://host:port)"
					     : "a name");
		return NULL;
	}
	list = kind == KIND_ORIGIN ? &l->s->origin : &l->s->upstream;
	count = kind == KIND_ORIGIN ? &l->s->origin_count : &l->s->upstream_count;
	for (unsigned i = 0; i < *count; i++) {
		if (strcmp((*list)[i].name, name) == 0) {
			complain(l, place, name, "this %s is there already, in line %u", kind->name,
				 (*list)[i].line);
			return NULL;
		}
	}
	all = arena_zalloc(l->arena, ((size_t)*count + 1) * sizeof(*all));
	must(all != NULL);
	if (*count > 0)
		memcpy(all, *list, *count * sizeof(*all));
	*list = all;
	u = &all[(*count)++];
	u->name = keep(l, name, strlen(name));
	u->line = line;
	u->pair = arena_zalloc(l->arena, PAIRS_MAX * sizeof(u->pair[0]));
	must(u->pair != NULL);
	return u;
}

/* What is wrong with the value of an origin's key, or NULL. */
static const char *origin_check(const char *key, const char *value)
{
	struct origins_rule scratch;

	must(origins_rule_init(&scratch, "null"));
	return origins_rule_set(&scratch, key, value);
}

static void section_pair(struct loader *l, const struct kind *kind, struct settings_section *u,
			 const char *place, const char *key, const char *value, unsigned line)
{
	const char *problem;
	bool known = false;

	for (size_t i = 0; i < kind->count; i++)
		known |= strcmp(kind->keys[i], key) == 0;
	if (!known) {
		unknown_key(l, place, key, kind);
		return;
	}
	for (unsigned i = 0; i < u->count; i++) {
		if (strcmp(u->pair[i].key, key) == 0) {
			complain(l, place, key, "is there already, in line %u", u->pair[i].line);
			return;
		}
	}
	problem = kind == KIND_ORIGIN ? origin_check(key, value) : upstream_check(key, value);
	if (problem != NULL)
		complain(l, place, key, "`%s` %s", value, problem);
	u->pair[u->count++] = (struct settings_pair){
	    .key = keep(l, key, strlen(key)),
	    .value = keep(l, value, strlen(value)),
	    .line = line,
	};
}

static void global_pair(struct loader *l, const char *place, const char *key, const char *value)
{
	size_t i = index_of(key);

	if (i == OPTION_COUNT) {
		unknown_key(l, place, key, NULL);
		return;
	}
	if (l->raw[i].from_cli)
		return;
	if (l->raw[i].place != NULL && strncmp(l->raw[i].place, l->file, strlen(l->file)) == 0) {
		complain(l, place, key, "is there already, at %s", l->raw[i].place);
		return;
	}
	l->raw[i].value = keep(l, value, strlen(value));
	l->raw[i].place = keep(l, place, strlen(place));
}

static void read_lines(struct loader *l, FILE *f)
{
	struct settings_section *section = NULL;
	const struct kind *kind = NULL;
	char line[LINE_MAX_BYTES], place[4200];
	bool broken = false; /* inside a section that was refused */

	for (unsigned n = 1; fgets(line, sizeof(line), f) != NULL; n++) {
		char *s = trim(line), *equals;

		(void)snprintf(place, sizeof(place), "%s:%u", l->file, n);
		if (*s == '\0' || *s == '#' || *s == ';')
			continue;
		if (*s == '[') {
			section = begin_section(l, place, s, n, &kind);
			broken = section == NULL;
			continue;
		}
		equals = strchr(s, '=');
		if (equals == NULL) {
			complain(l, place, s, "not `key = value`");
			continue;
		}
		*equals = '\0';
		s = trim(s);
		if (broken)
			continue;
		if (section != NULL)
			section_pair(l, kind, section, place, s, trim(equals + 1), n);
		else
			global_pair(l, place, s, trim(equals + 1));
	}
}

static void read_file(struct loader *l, bool required)
{
	FILE *f = fopen(l->file, "re");

	if (f == NULL) {
		if (required || errno != ENOENT)
			complain(l, l->file, "", "%s", strerror(errno));
		return;
	}
	read_lines(l, f);
	if (ferror(f))
		complain(l, l->file, "", "%s", strerror(errno));
	(void)fclose(f);
}

/* ---- the command line ----------------------------------------------------------------------- */

static void print_help(void)
{
	puts("usage: larderd [OPTION]…\n"
	     "Serve AI models to web pages, and run them.\n\n"
	     "  --config FILE             configuration file [" LARDER_CONFIG_FILE "]");
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option *o = &options[i];
		char name[64];
		int n =
		    snprintf(name, sizeof(name), "--%s%s%s", o->key,
			     o->type == TYPE_flag ? "" : " ", o->type == TYPE_flag ? "" : o->arg);

		for (int k = 2; k < n && name[k] != ' '; k++) {
			if (name[k] == '_')
				name[k] = '-';
		}
		printf("  %-25s %s%s%s%s\n", name, o->help, o->fallback[0] == '\0' ? "" : " [",
		       o->fallback, o->fallback[0] == '\0' ? "" : "]");
	}
	puts("  --check-config            read the configuration, say what is wrong with it, stop\n"
	     "  --check-confinement       try what the daemon must not be able to do, stop\n"
	     "  --ops                     print the operators that models may have\n"
	     "  --version                 print the version\n"
	     "  --help                    print this\n\n"
	     "Every option is also a key of the configuration file, with underscores.\n"
	     "Sizes take K, M, G; times s, m, h, d; lists are separated by spaces.");
}

/* --state-dir → state_dir */
static bool key_of(const char *arg, size_t size, char key[64])
{
	if (size >= 64)
		return false;
	for (size_t i = 0; i < size; i++)
		key[i] = arg[i] == '-' ? '_' : arg[i];
	key[size] = '\0';
	return true;
}

struct command {
	enum settings_action action;
	const char *file;
};

static void cli_value(struct loader *l, size_t i, const char *place, const char *value)
{
	if (options[i].type == TYPE_words && l->raw[i].from_cli) {
		l->raw[i].value = arena_printf(l->arena, "%s %s", l->raw[i].value, value);
		must(l->raw[i].value != NULL);
		return;
	}
	l->raw[i].value = keep(l, value, strlen(value));
	l->raw[i].place = place;
	l->raw[i].from_cli = true;
}

static int usage(struct loader *l, const char *arg, const char *what)
{
	(void)fprintf(l->messages, "larderd: %s: %s (larderd --help lists the options)\n", arg,
		      what);
	return -1;
}

static int read_command(struct loader *l, int argc, char **argv, struct command *c)
{
	for (int k = 1; k < argc; k++) {
		const char *arg = argv[k], *value = strchr(arg, '=');
		size_t size = value == NULL ? strlen(arg) : (size_t)(value - arg), i;
		char key[64];

		if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
			c->action = SETTINGS_HELP;
			return 0;
		}
		if (strcmp(arg, "--version") == 0) {
			c->action = SETTINGS_VERSION;
			return 0;
		}
		if (strcmp(arg, "--ops") == 0) {
			c->action = SETTINGS_OPS;
			return 0;
		}
		if (strcmp(arg, "--check-config") == 0) {
			c->action = SETTINGS_CHECK;
			continue;
		}
		if (strcmp(arg, "--check-confinement") == 0) {
			c->action = SETTINGS_PROBE;
			continue;
		}
		if (strncmp(arg, "--", 2) != 0 || !key_of(arg + 2, size - 2, key))
			return usage(l, arg, "not an option");
		i = index_of(key);
		if (i == OPTION_COUNT && strcmp(key, "config") != 0) {
			const char *close = suggest_option(key);
			char what[96] = "unknown option", dashed[64];

			if (close != NULL) {
				(void)snprintf(dashed, sizeof(dashed), "%s", close);
				for (char *p = dashed; *p != '\0'; p++)
					*p = *p == '_' ? '-' : *p;
				(void)snprintf(what, sizeof(what),
					       "unknown option; did you mean --%s?", dashed);
			}
			return usage(l, arg, what);
		}
		if (value != NULL)
			value++;
		else if (i < OPTION_COUNT && options[i].type == TYPE_flag)
			value = "yes";
		else if (k + 1 < argc)
			value = argv[++k];
		else
			return usage(l, arg, "needs a value");
		if (i == OPTION_COUNT)
			c->file = value;
		else
			cli_value(l, i, keep(l, arg, size), value);
	}
	return 0;
}

/* ---- putting it together ------------------------------------------------------------------------
 */

static void fallbacks(struct loader *l)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (l->raw[i].value != NULL)
			continue;
		l->raw[i].value = options[i].fallback;
		l->raw[i].place = "default";
		if (strcmp(options[i].key, "state_dir") == 0) {
			const char *dir = getenv("STATE_DIRECTORY"); /* systemd.exec(5) */

#ifdef LARDER_STATE_DIR
			l->raw[i].value = LARDER_STATE_DIR;
#endif
			if (dir != NULL && *dir != '\0')
				l->raw[i].value = keep(l, dir, strcspn(dir, ":"));
		}
	}
}

enum settings_action settings_load(int argc, char **argv, FILE *messages, struct settings **ret)
{
	struct command c = {.action = SETTINGS_RUN};
	struct arena *arena = malloc(sizeof(*arena));
	struct loader l = {.arena = arena, .messages = messages};

	must(arena != NULL);
	arena_init(arena);
	l.s = arena_zalloc(arena, sizeof(*l.s));
	must(l.s != NULL);
	l.s->refs = 1;
	l.s->memory = arena;
	if (read_command(&l, argc, argv, &c) != 0)
		c.action = SETTINGS_USAGE;
	switch (c.action) {
	case SETTINGS_HELP:
		print_help();
		break;
	case SETTINGS_VERSION:
		puts("larderd " PACKAGE_VERSION);
		break;
	case SETTINGS_OPS: /* main prints them */
		break;
	case SETTINGS_RUN:
	case SETTINGS_CHECK:
	case SETTINGS_PROBE:
		l.file = c.file != NULL ? c.file : LARDER_CONFIG_FILE;
		l.s->file = keep(&l, l.file, strlen(l.file));
		read_file(&l, c.file != NULL);
		fallbacks(&l);
		for (size_t i = 0; i < OPTION_COUNT; i++)
			convert(&l, i);
		check_values(&l);
		if (l.errors > 0) {
			c.action = SETTINGS_BAD;
			break;
		}
		*ret = l.s;
		return c.action;
	case SETTINGS_BAD:
	case SETTINGS_USAGE:
		break;
	}
	settings_unref(l.s);
	return c.action;
}

struct settings *settings_ref(struct settings *s)
{
	s->refs++;
	return s;
}

void settings_unref(struct settings *s)
{
	struct arena *arena;

	if (s == NULL || --s->refs > 0)
		return;
	arena = s->memory;
	arena_release(arena);
	free(arena);
}
