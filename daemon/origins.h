/* SPDX-License-Identifier: MIT */
/*
 * origins.h — the web origins whose pages may use the daemon: those of the
 * configuration, and those that the owner allowed at run time, which are kept
 * in the state folder.  Matching is exact: scheme, host and port.
 */
#ifndef LARDER_DAEMON_ORIGINS_H
#define LARDER_DAEMON_ORIGINS_H

#include <stdbool.h>

#include "daemon/settings.h"

struct fault;
struct origins;

/*
 * origins_open(state_dir, configured, out): read what was kept.  0 or -1 (logged).
 * Copies everything.
 */
int origins_open(const char *state_dir, const settings_words *configured, struct origins **out);
void origins_close(struct origins *o); /* NULL is allowed */
/* origins_configure(o, configured): after SIGHUP. */
void origins_configure(struct origins *o, const settings_words *configured);
/* origins_normal(s, out): ${s} as `scheme://host[:port]` in lower case without the default port
 * or a trailing slash; `null` stays.  false when it is not an origin. */
bool origins_normal(const char *s, char out[256]);
/* origins_allow(o, origin): whether the value of an Origin header is allowed.  Any thread. */
bool origins_allow(struct origins *o, const char *origin);
/*
 * origins_add / origins_remove(o, origin, fault): change the kept list, at
 * once and on disk (written anew, fsync, rename): pool thread.  Adding twice
 * is fine; removing what is not there is 404; what the configuration file
 * allows cannot be removed here (409).
 */
int origins_add(struct origins *o, const char *origin, struct fault *fault);
int origins_remove(struct origins *o, const char *origin, struct fault *fault);
/* origins_each(o, fn, arg): every allowed origin; fixed = from the configuration.  Any thread. */
void origins_each(struct origins *o, void (*fn)(void *arg, const char *origin, bool fixed),
		  void *arg);

#endif
