/* SPDX-License-Identifier: MIT */
/*
 * origins.h — the web origins whose pages may use the daemon, and what each may
 * (origins_rule.h): those of the configuration, and those that the owner allowed at run
 * time, which are kept in the state folder.  Matching is exact: scheme, host and port.
 */
#ifndef LARDER_DAEMON_ORIGINS_H
#define LARDER_DAEMON_ORIGINS_H

#include <stdbool.h>

struct fault;
struct origins;
struct origins_rule;
struct settings;

#define ORIGINS_FORM "an origin is scheme://host or scheme://host:port, nothing more"

/*
 * origins_open(settings, out): those of the settings, and what was kept in their state
 * folder.  0 or -1 (logged).  Copies everything.
 */
int origins_open(const struct settings *settings, struct origins **out);
void origins_close(struct origins *o); /* NULL is allowed */
/* origins_configure(o, settings): after SIGHUP. */
void origins_configure(struct origins *o, const struct settings *settings);
/* origins_normal(s, out): ${s} as `scheme://host[:port]` in lower case without the default port
 * or a trailing slash; `null` stays.  false when it is not an origin. */
bool origins_normal(const char *s, char out[256]);
/* origins_allow(o, origin): whether the value of an Origin header is allowed.  Any thread. */
bool origins_allow(struct origins *o, const char *origin);
/* origins_find(o, origin, out): the same, and what it may.  The configuration comes first. */
bool origins_find(struct origins *o, const char *origin, struct origins_rule *out);
/*
 * origins_add / origins_remove(o, …, fault): change the kept list, at once and on disk
 * (written anew, fsync, rename): pool thread.  Adding one that is there replaces its rule;
 * removing what is not there is 404; what the configuration file allows is changed there
 * only (409).
 */
int origins_add(struct origins *o, const struct origins_rule *rule, struct fault *fault);
int origins_remove(struct origins *o, const char *origin, struct fault *fault);
/* origins_each(o, fn, arg): every rule; fixed = from the configuration.  Any thread. */
void origins_each(struct origins *o,
		  void (*fn)(void *arg, const struct origins_rule *rule, bool fixed), void *arg);

#endif
