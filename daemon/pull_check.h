/* SPDX-License-Identifier: MIT */
/*
 * pull_check.h — whether a name still means at its upstream what it meant when
 * it was looked up last.  For pull.c.  Event loop.
 */
#ifndef LARDER_DAEMON_PULL_CHECK_H
#define LARDER_DAEMON_PULL_CHECK_H

#include <stdbool.h>

struct context;
struct fetcher;
struct pull_check;
struct pull_name;
struct pull_names;
struct store_digest;
struct upstream;

/*
 * pull_check_due(up, name): it is time; not while it is looked up, nor for a
 * revision that is a commit.
 */
bool pull_check_due(const struct upstream *up, const struct pull_name *name);
/*
 * pull_check_begin(…): ask for the headers of ${path}, whose content here is
 * ${digest}.  When the name moved, a job that nobody sees fetches all its files
 * and then moves it here (warm_refresh).  ${list} is where it is kept meanwhile.
 */
void pull_check_begin(struct context *ctx, struct fetcher *fetcher, struct pull_names *names,
		      struct upstream *up, struct pull_name *name, const char *path,
		      const struct store_digest *digest, struct pull_check **list);
void pull_check_drop(struct pull_check **list); /* all of them */

#endif
