/* SPDX-License-Identifier: MIT */
/*
 * residency_alias.c — see residency_alias.h.  What it returns must never be taken
 * for true without asking the store.
 */
#include <config.h>

#include "daemon/residency_alias.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/residency.h"

/* Whether ${key} is that of ${want}: its three names, one per line. */
static bool same(const char *key, const struct residency_want *want)
{
	const char *part[3] = {want->model, want->revision != NULL ? want->revision : "",
			       want->file != NULL ? want->file : ""};

	for (int i = 0; i < 3; i++) {
		size_t n = strlen(part[i]);

		if (strncmp(key, part[i], n) != 0 || key[n] != '\n')
			return false;
		key += n + 1;
	}
	return *key == '\0';
}

bool residency_alias_find(const struct residency_aliases *a, const struct residency_want *want,
			  char path[STORE_PATH_MAX + 1], char commit[STORE_COMMIT_HEX + 1])
{
	for (unsigned i = 0; i < RESIDENCY_ALIASES; i++) {
		if (a->row[i].key == NULL || !same(a->row[i].key, want))
			continue;
		snprintf(path, STORE_PATH_MAX + 1, "%s", a->row[i].path);
		memcpy(commit, a->row[i].commit, STORE_COMMIT_HEX + 1);
		return true;
	}
	return false;
}

void residency_alias_put(struct residency_aliases *a, const struct residency_want *want,
			 const char *path, const char *commit)
{
	char *key = NULL, *copy = strdup(path);
	unsigned at = a->next;

	if (asprintf(&key, "%s\n%s\n%s\n", want->model,
		     want->revision != NULL ? want->revision : "",
		     want->file != NULL ? want->file : "") < 0)
		key = NULL;
	if (key == NULL || copy == NULL) {
		free(key);
		free(copy);
		return;
	}
	for (unsigned i = 0; i < RESIDENCY_ALIASES; i++) {
		if (a->row[i].key != NULL && strcmp(a->row[i].key, key) == 0)
			at = i;
	}
	if (at == a->next)
		a->next = (a->next + 1) % RESIDENCY_ALIASES;
	free(a->row[at].key);
	free(a->row[at].path);
	a->row[at].key = key;
	a->row[at].path = copy;
	snprintf(a->row[at].commit, sizeof a->row[at].commit, "%s", commit);
}

void residency_alias_release(struct residency_aliases *a)
{
	for (unsigned i = 0; i < RESIDENCY_ALIASES; i++) {
		free(a->row[i].key);
		free(a->row[i].path);
	}
	memset(a, 0, sizeof *a);
}
