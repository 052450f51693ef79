/* SPDX-License-Identifier: MIT */
/*
 * confine.h — what the process may still do once its sockets are open: no new
 * privileges, a list of system calls (libseccomp), a list of places in the file
 * system (Landlock).  Whoever takes over a parser inside of it can start no
 * program, write nowhere but into the state folder, open nothing but TCP and
 * unix sockets, and with `offline` not even those.
 */
#ifndef LARDER_DAEMON_CONFINE_H
#define LARDER_DAEMON_CONFINE_H

#include <stdbool.h>
#include <stdio.h>

struct settings;
struct text;

/*
 * confine_enter(settings): from here on, for this thread and every one that it
 * starts; never to be undone.  Before the first thread; after listen_open.  What
 * the kernel or the build does not have is left out and logged.  0, or -1
 * (logged) when the state folder cannot be made or a layer that is there fails.
 */
int confine_enter(const struct settings *settings) __attribute__((warn_unused_result));

/* What is in force. */
struct confine_state {
	bool built;        /* false: sanitizers and coverage need what it forbids */
	bool no_new_privs; /* prctl(2), PR_SET_NO_NEW_PRIVS */
	bool seccomp;
	int landlock; /* its ABI version; 0 = none */
};
/* confine_state_get(out): any thread, after confine_enter. */
void confine_state_get(struct confine_state *out);
/* confine_json(t): the same as a JSON object. */
void confine_json(struct text *t);

/*
 * confine_probe(settings, out): try, each in a child of its own that was confined
 * with ${settings}, what must fail and what must not, a line for each.  Returns how
 * many came out wrong.  Single-threaded programs only.
 */
unsigned confine_probe(const struct settings *settings, FILE *out);

#endif
