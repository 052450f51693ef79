/* SPDX-License-Identifier: MIT */
/*
 * fault.h — why a request cannot be answered as asked, and the one place where
 * the statuses of store and runtime become HTTP statuses.
 *
 * The text goes to the client as {"error":"…"}: no paths, addresses or
 * internal ids of this machine in it.
 */
#ifndef LARDER_DAEMON_FAULT_H
#define LARDER_DAEMON_FAULT_H

#include <stdarg.h>

struct fault {
	unsigned http;          /* 4xx or 5xx */
	unsigned retry_after_s; /* 0: no Retry-After */
	char text[8192];        /* UTF-8; long enough for all that a model lacks */
};

/*
 * fault_set(f, http, fmt, …): fill ${f} and return -1, so that a handler can
 * `return fault_set(fault, 404, "no such model: %s", name);`.  Any thread.
 */
int fault_set(struct fault *f, unsigned http, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/*
 * fault_store(f, status, text) / fault_rt(f, status, text): the same from a
 * negative store_status / rt_status and the text of its error.  ${text} is
 * shown to the client unless the status is one of ours to hide (I/O, index),
 * in which case only the fixed sentence of the status is.
 */
int fault_store(struct fault *f, int status, const char *text);
int fault_rt(struct fault *f, int status, const char *text);
/* fault_store_http / fault_rt_http: only the HTTP status of a negative status. */
unsigned fault_store_http(int status);
unsigned fault_rt_http(int status);

#endif
