/* SPDX-License-Identifier: MIT */
/*
 * residency_alias.h — which file was meant the last time that a request named a
 * model.  A guess, which saves reading the model's list of files: the caller asks
 * the store whether the revision still is that snapshot.  Private to residency.c,
 * under its lock.
 */
#ifndef LARDER_DAEMON_RESIDENCY_ALIAS_H
#define LARDER_DAEMON_RESIDENCY_ALIAS_H

#include <stdbool.h>

#include "store/store.h"

struct residency_want;

#define RESIDENCY_ALIASES 64 /* names that are remembered */

/* Zeroed = empty. */
struct residency_aliases {
	struct {
		char *key, *path; /* owned; NULL = free */
		char commit[STORE_COMMIT_HEX + 1];
	} row[RESIDENCY_ALIASES];
	unsigned next; /* to be replaced */
};

/* residency_alias_find: false when ${want} is not remembered; copies. */
bool residency_alias_find(const struct residency_aliases *a, const struct residency_want *want,
			  char path[STORE_PATH_MAX + 1], char commit[STORE_COMMIT_HEX + 1]);
/* residency_alias_put: remember, in the place of the oldest; short of memory it does nothing. */
void residency_alias_put(struct residency_aliases *a, const struct residency_want *want,
			 const char *path, const char *commit);
void residency_alias_release(struct residency_aliases *a);

#endif
