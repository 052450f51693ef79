/* SPDX-License-Identifier: MIT */
/*
 * settings_restart.c — compares two settings by the column `live` of options.def.  Called by
 * main.c at SIGHUP, so that nobody waits for a change that will not come; must never change one.
 */
#include <config.h>

#include "daemon/settings_restart.h"

#include <stdio.h>
#include <string.h>

#include "daemon/settings.h"

#define LIVE false
#define START true

static bool same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_words(const struct settings_list *a, const struct settings_list *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++) {
		if (!same_text(a->item[i], b->item[i]))
			return false;
	}
	return true;
}

static bool same_section(const struct settings_section *a, const struct settings_section *b)
{
	if (!same_text(a->name, b->name) || a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++) {
		if (!same_text(a->pair[i].key, b->pair[i].key) ||
		    !same_text(a->pair[i].value, b->pair[i].value))
			return false;
	}
	return true;
}

static bool same_upstreams(const struct settings *a, const struct settings *b)
{
	if (a->upstream_count != b->upstream_count)
		return false;
	for (unsigned i = 0; i < a->upstream_count; i++) {
		if (!same_section(&a->upstream[i], &b->upstream[i]))
			return false;
	}
	return true;
}

#define SAME_text(key) same_text(old->key, next->key)
#define SAME_words(key) same_words(&old->key, &next->key)
#define SAME_flag(key) (old->key == next->key)
#define SAME_size(key) (old->key == next->key)
#define SAME_time(key) (old->key == next->key)
#define SAME_count(key) (old->key == next->key)

void settings_restart_keys(const struct settings *old, const struct settings *next, char *out,
			   size_t size)
{
	const struct {
		const char *key;
		bool needs;
	} keys[] = {
#define OPTION(key, type, arg, unit, fallback, live, help) {#key, (live) && !SAME_##type(key)},
#include "daemon/options.def"
#undef OPTION
	    {"[upstream]", !same_upstreams(old, next)},
	};
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!keys[i].needs || used + strlen(keys[i].key) + 2 > size)
			continue;
		used += (size_t)snprintf(out + used, size - used, "%s%s", used == 0 ? "" : " ",
					 keys[i].key);
	}
}
