/* SPDX-License-Identifier: MIT */
/*
 * origins.c — the allowed origins: the configuration's and the kept ones.
 * Called by guard.c for every request that has an Origin, and by the
 * administration.  Must never allow what was not written out in full.
 */
#include <config.h>

#include "daemon/origins.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/fault.h"
#include "daemon/log.h"
#include "daemon/must.h"
#include "daemon/origins_rule.h"
#include "daemon/settings.h"
#include "daemon/state_file.h"

#define ORIGINS_MAX 1000
#define FILE_NAME "origins"
#define FILE_BYTES_MAX ((size_t)ORIGINS_MAX * ORIGINS_RULE_LINE_MAX)

struct list {
	struct origins_rule *item;
	unsigned count;
};

struct origins {
	pthread_rwlock_t lock;
	pthread_mutex_t writing; /* one change at a time, over the disk too */
	struct list fixed, kept;
	int dir; /* state folder */
};

/* ---- the form of an origin (RFC 6454 §6.2) ----------------------------------- */

static bool host_char(char c, bool v6)
{
	return isalnum((unsigned char)c) || c == '-' || c == '.' || c == '_' || (v6 && c == ':');
}

/* The end of the host at ${s}, or NULL. */
static const char *host_end(const char *s)
{
	const char *p = s;

	if (*p == '[') {
		for (p++; host_char(*p, true);)
			p++;
		return *p == ']' && p > s + 1 ? p + 1 : NULL;
	}
	while (host_char(*p, false))
		p++;
	return p > s ? p : NULL;
}

bool origins_normal(const char *s, char out[256])
{
	const char *rest = strstr(s, "://"), *end, *scheme_default;
	size_t n;

	if (strcmp(s, "null") == 0) {
		memcpy(out, "null", 5);
		return true;
	}
	if (rest == NULL || strlen(s) > 250)
		return false;
	for (const char *p = s; p < rest; p++) {
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '+' && *p != '.')
			return false;
	}
	if (!isalpha((unsigned char)s[0]))
		return false;
	rest += 3;
	end = host_end(rest);
	if (end == NULL)
		return false;
	n = (size_t)(end - s);
	for (size_t i = 0; i < n; i++)
		out[i] = (char)tolower((unsigned char)s[i]);
	out[n] = '\0';
	if (*end == ':') {
		size_t digits = strspn(end + 1, "0123456789");
		unsigned long port = strtoul(end + 1, NULL, 10);
		char text[16];

		if (digits == 0 || digits > 5 || port == 0 || port > 65535)
			return false;
		end += 1 + digits;
		(void)snprintf(text, sizeof(text), ":%lu", port);
		scheme_default = strncmp(out, "https://", 8) == 0  ? ":443"
				 : strncmp(out, "http://", 7) == 0 ? ":80"
								   : "";
		if (strcmp(text, scheme_default) != 0)
			memcpy(out + n, text, strlen(text) + 1);
	}
	return *end == '\0' || (*end == '/' && end[1] == '\0');
}

/* ---- lists ---------------------------------------------------------------------- */

static struct origins_rule *list_find(const struct list *l, const char *origin)
{
	for (unsigned i = 0; i < l->count; i++) {
		if (strcmp(l->item[i].origin, origin) == 0)
			return &l->item[i];
	}
	return NULL;
}

/* A copy of ${l} with room for one more; false when memory is short. */
static bool list_copy(const struct list *l, struct list *out)
{
	out->item = calloc((size_t)l->count + 1, sizeof(out->item[0]));
	if (out->item == NULL)
		return false;
	if (l->count > 0)
		memcpy(out->item, l->item, (size_t)l->count * sizeof(out->item[0]));
	out->count = l->count;
	return true;
}

/* ${rule} at the end, or where the same origin is.  There is room for it. */
static void list_put(struct list *l, const struct origins_rule *rule)
{
	struct origins_rule *old = list_find(l, rule->origin);

	if (old == NULL)
		old = &l->item[l->count++];
	*old = *rule;
}

static void list_take(struct list *l, const char *origin)
{
	struct origins_rule *r = list_find(l, origin);

	must(r != NULL);
	l->count--;
	memmove(r, r + 1, (size_t)(&l->item[l->count] - r) * sizeof(*r));
}

/* ---- the kept list on disk --------------------------------------------------------- */

/* One line; false: out of memory. */
static bool read_line(struct origins *o, const char *line)
{
	struct origins_rule rule;
	struct list next;

	if (!origins_rule_parse(line, &rule)) {
		if (line[0] != '\0')
			log_warning("origins", "error=\"a line of the kept list is not understood; "
					       "its origin is not allowed\"");
		return true;
	}
	if (!list_copy(&o->kept, &next))
		return false;
	list_put(&next, &rule);
	free(o->kept.item);
	o->kept = next;
	return true;
}

static void read_kept(struct origins *o)
{
	char *text = state_file_read(o->dir, FILE_NAME, FILE_BYTES_MAX), *rest = text, *line;

	if (text == NULL && errno != ENOENT)
		log_error("origins",
			  "error=\"the kept list cannot be read: %s; none of its origins is "
			  "allowed\"",
			  strerror(errno));
	while (o->kept.count < ORIGINS_MAX && (line = strsep(&rest, "\n")) != NULL) {
		line[strcspn(line, "\r")] = '\0';
		if (!read_line(o, line))
			break;
	}
	free(text);
}

static bool write_kept(const struct origins *o, const struct list *l)
{
	char *text = malloc((size_t)l->count * ORIGINS_RULE_LINE_MAX + 1), *at = text;
	bool ok;

	if (text == NULL)
		return false;
	for (unsigned i = 0; i < l->count; i++) {
		origins_rule_emit(&l->item[i], at);
		at += strlen(at);
		*at++ = '\n'; /* where the NUL was */
	}
	*at = '\0';
	ok = state_file_write(o->dir, FILE_NAME, text);
	free(text);
	return ok;
}

/* ---- what others call ------------------------------------------------------------------ */

/* The key `origins`, then the sections, which say more. */
static void fix(struct list *l, const struct settings *s)
{
	struct origins_rule rule;

	*l = (struct list){
	    .item = calloc((size_t)s->origins.count + s->origin_count + 1, sizeof(l->item[0]))};
	must(l->item != NULL);
	for (unsigned i = 0; i < s->origins.count; i++) {
		if (origins_rule_init(&rule, s->origins.item[i]))
			list_put(l, &rule);
	}
	for (unsigned i = 0; i < s->origin_count; i++) {
		const struct settings_section *section = &s->origin[i];
		bool ok = origins_rule_init(&rule, section->name);

		for (unsigned k = 0; ok && k < section->count; k++)
			ok = origins_rule_set(&rule, section->pair[k].key,
					      section->pair[k].value) == NULL;
		if (ok)
			list_put(l, &rule);
		else
			log_error("origins",
				  "origin=\"%s\" error=\"its section cannot be applied; it is not "
				  "allowed\"",
				  section->name);
	}
}

int origins_open(const struct settings *settings, struct origins **out)
{
	struct origins *o = calloc(1, sizeof(*o));

	must(o != NULL);
	o->dir = open(settings->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (o->dir < 0) {
		log_error("state_dir", "error=\"%s\"", strerror(errno));
		free(o);
		return -1;
	}
	must(pthread_rwlock_init(&o->lock, NULL) == 0);
	must(pthread_mutex_init(&o->writing, NULL) == 0);
	fix(&o->fixed, settings);
	read_kept(o);
	*out = o;
	return 0;
}

void origins_close(struct origins *o)
{
	if (o == NULL)
		return;
	(void)close(o->dir);
	free(o->fixed.item);
	free(o->kept.item);
	(void)pthread_rwlock_destroy(&o->lock);
	(void)pthread_mutex_destroy(&o->writing);
	free(o);
}

void origins_configure(struct origins *o, const struct settings *settings)
{
	struct list next, old;

	fix(&next, settings);
	(void)pthread_rwlock_wrlock(&o->lock);
	old = o->fixed;
	o->fixed = next;
	(void)pthread_rwlock_unlock(&o->lock);
	free(old.item);
}

bool origins_find(struct origins *o, const char *origin, struct origins_rule *out)
{
	const struct origins_rule *r;

	(void)pthread_rwlock_rdlock(&o->lock);
	r = list_find(&o->fixed, origin);
	if (r == NULL)
		r = list_find(&o->kept, origin);
	if (r != NULL && out != NULL)
		*out = *r;
	(void)pthread_rwlock_unlock(&o->lock);
	return r != NULL;
}

bool origins_allow(struct origins *o, const char *origin)
{
	return origins_find(o, origin, NULL);
}

/* Write the changed list, then make it the list.  Takes ${next}. */
static int publish(struct origins *o, struct list *next, struct fault *fault)
{
	struct list old;

	if (!write_kept(o, next)) {
		log_error("origins", "error=\"%s\"", strerror(errno));
		free(next->item);
		return fault_set(fault, 500, "the list of origins could not be written");
	}
	(void)pthread_rwlock_wrlock(&o->lock);
	old = o->kept;
	o->kept = *next;
	(void)pthread_rwlock_unlock(&o->lock);
	free(old.item);
	return 0;
}

/* What the configuration says of ${origin}; SIGHUP may change it at any moment. */
static bool in_file(struct origins *o, const char *origin, struct origins_rule *out)
{
	const struct origins_rule *r;

	(void)pthread_rwlock_rdlock(&o->lock);
	r = list_find(&o->fixed, origin);
	if (r != NULL)
		*out = *r;
	(void)pthread_rwlock_unlock(&o->lock);
	return r != NULL;
}

int origins_add(struct origins *o, const struct origins_rule *rule, struct fault *fault)
{
	const struct origins_rule *old;
	struct origins_rule fixed;
	struct list next;
	int rc = 0;

	(void)pthread_mutex_lock(&o->writing);
	old = list_find(&o->kept, rule->origin);
	if (in_file(o, rule->origin, &fixed) && origins_rule_equal(&fixed, rule))
		rc = 0;
	else if (in_file(o, rule->origin, &fixed))
		rc = fault_set(fault, 409,
			       "%s stands in the configuration file, which says what it may",
			       rule->origin);
	else if (old == NULL && o->kept.count >= ORIGINS_MAX)
		rc = fault_set(fault, 409, "the list of origins is full");
	else if (old != NULL && origins_rule_equal(old, rule))
		rc = 0;
	else if (!list_copy(&o->kept, &next))
		rc = fault_set(fault, 507, "out of memory");
	else {
		list_put(&next, rule);
		rc = publish(o, &next, fault);
	}
	(void)pthread_mutex_unlock(&o->writing);
	return rc;
}

static int take(struct origins *o, const char *origin, struct fault *fault)
{
	struct list next;

	if (list_find(&o->kept, origin) == NULL) {
		if (origins_allow(o, origin))
			return fault_set(fault, 409, "%s is allowed by the configuration file",
					 origin);
		return fault_set(fault, 404, "%s is not in the list", origin);
	}
	if (!list_copy(&o->kept, &next))
		return fault_set(fault, 507, "out of memory");
	list_take(&next, origin);
	/* fanalyzer-suppress malloc-leak: publish() takes the list */
	return publish(o, &next, fault);
}

int origins_remove(struct origins *o, const char *given, struct fault *fault)
{
	char origin[256];
	int rc;

	if (!origins_normal(given, origin))
		return fault_set(fault, 400, ORIGINS_FORM);
	(void)pthread_mutex_lock(&o->writing);
	rc = take(o, origin, fault);
	(void)pthread_mutex_unlock(&o->writing);
	return rc;
}

void origins_each(struct origins *o,
		  void (*fn)(void *arg, const struct origins_rule *rule, bool fixed), void *arg)
{
	(void)pthread_rwlock_rdlock(&o->lock);
	for (unsigned i = 0; i < o->fixed.count; i++)
		fn(arg, &o->fixed.item[i], true);
	for (unsigned i = 0; i < o->kept.count; i++) {
		if (list_find(&o->fixed, o->kept.item[i].origin) == NULL)
			fn(arg, &o->kept.item[i], false);
	}
	(void)pthread_rwlock_unlock(&o->lock);
}
