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

#define ORIGINS_MAX 1000
#define FILE_NAME "origins"
#define FILE_NEW "origins.new"

struct list {
	char (*item)[256];
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

static bool list_has(const struct list *l, const char *origin)
{
	for (unsigned i = 0; i < l->count; i++) {
		if (strcmp(l->item[i], origin) == 0)
			return true;
	}
	return false;
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

static void list_put(struct list *l, const char origin[256])
{
	memcpy(l->item[l->count++], origin, strlen(origin) + 1);
}

static void list_take(struct list *l, const char *origin)
{
	for (unsigned i = 0; i < l->count; i++) {
		if (strcmp(l->item[i], origin) != 0)
			continue;
		memmove(l->item[i], l->item[i + 1],
			(size_t)(l->count - i - 1) * sizeof(l->item[0]));
		l->count--;
		return;
	}
}

/* ---- the kept list on disk --------------------------------------------------------- */

static void read_kept(struct origins *o)
{
	int fd = openat(o->dir, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	char line[512], origin[256];

	if (f == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	while (o->kept.count < ORIGINS_MAX && fgets(line, sizeof(line), f) != NULL) {
		struct list next;

		line[strcspn(line, "\r\n")] = '\0';
		if (!origins_normal(line, origin) || list_has(&o->kept, origin))
			continue;
		if (!list_copy(&o->kept, &next))
			break;
		list_put(&next, origin);
		free(o->kept.item);
		o->kept = next;
	}
	(void)fclose(f);
}

static bool write_kept(const struct origins *o, const struct list *l)
{
	int fd =
	    openat(o->dir, FILE_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	bool ok;

	if (f == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	for (unsigned i = 0; i < l->count; i++)
		(void)fprintf(f, "%s\n", l->item[i]);
	ok = fflush(f) == 0 && !ferror(f) && fsync(fd) == 0;
	ok = fclose(f) == 0 && ok;
	return ok && renameat(o->dir, FILE_NEW, o->dir, FILE_NAME) == 0 && fsync(o->dir) == 0;
}

/* ---- what others call ------------------------------------------------------------------ */

static void fix(struct list *l, const settings_words *configured)
{
	char origin[256];

	*l = (struct list){.item = calloc((size_t)configured->count + 1, sizeof(l->item[0]))};
	must(l->item != NULL);
	for (unsigned i = 0; i < configured->count; i++) {
		if (origins_normal(configured->item[i], origin) && !list_has(l, origin))
			list_put(l, origin);
	}
}

int origins_open(const char *state_dir, const settings_words *configured, struct origins **out)
{
	struct origins *o = calloc(1, sizeof(*o));

	must(o != NULL);
	o->dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (o->dir < 0) {
		log_error("state_dir", "error=\"%s\"", strerror(errno));
		free(o);
		return -1;
	}
	must(pthread_rwlock_init(&o->lock, NULL) == 0);
	must(pthread_mutex_init(&o->writing, NULL) == 0);
	fix(&o->fixed, configured);
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

void origins_configure(struct origins *o, const settings_words *configured)
{
	struct list next, old;

	fix(&next, configured);
	(void)pthread_rwlock_wrlock(&o->lock);
	old = o->fixed;
	o->fixed = next;
	(void)pthread_rwlock_unlock(&o->lock);
	free(old.item);
}

bool origins_allow(struct origins *o, const char *origin)
{
	bool ok;

	(void)pthread_rwlock_rdlock(&o->lock);
	ok = list_has(&o->fixed, origin) || list_has(&o->kept, origin);
	(void)pthread_rwlock_unlock(&o->lock);
	return ok;
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

static int change(struct origins *o, const char *given, bool add, struct fault *fault)
{
	struct list next;
	char origin[256];

	if (!origins_normal(given, origin))
		return fault_set(fault, 400,
				 "an origin is scheme://host or scheme://host:port, nothing more");
	if (list_has(&o->kept, origin) == add) {
		if (add)
			return 0;
		if (origins_allow(o, origin))
			return fault_set(fault, 409, "%s is allowed by the configuration file",
					 origin);
		return fault_set(fault, 404, "%s is not in the list", origin);
	}
	if (add && o->kept.count >= ORIGINS_MAX)
		return fault_set(fault, 409, "the list of origins is full");
	if (!list_copy(&o->kept, &next))
		return fault_set(fault, 507, "out of memory");
	if (add)
		list_put(&next, origin);
	else
		list_take(&next, origin);
	return publish(o, &next, fault);
}

int origins_add(struct origins *o, const char *origin, struct fault *fault)
{
	int rc;

	(void)pthread_mutex_lock(&o->writing);
	rc = change(o, origin, true, fault);
	(void)pthread_mutex_unlock(&o->writing);
	return rc;
}

int origins_remove(struct origins *o, const char *origin, struct fault *fault)
{
	int rc;

	(void)pthread_mutex_lock(&o->writing);
	rc = change(o, origin, false, fault);
	(void)pthread_mutex_unlock(&o->writing);
	return rc;
}

void origins_each(struct origins *o, void (*fn)(void *arg, const char *origin, bool fixed),
		  void *arg)
{
	(void)pthread_rwlock_rdlock(&o->lock);
	for (unsigned i = 0; i < o->fixed.count; i++)
		fn(arg, o->fixed.item[i], true);
	for (unsigned i = 0; i < o->kept.count; i++) {
		if (!list_has(&o->fixed, o->kept.item[i]))
			fn(arg, o->kept.item[i], false);
	}
	(void)pthread_rwlock_unlock(&o->lock);
}
