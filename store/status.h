/* SPDX-License-Identifier: MIT */
/*
 * status.h — how the files of store/ report a failure.  ${err} may be NULL
 * everywhere: then only the status is returned.
 */
#ifndef LARDER_STORE_STATUS_H
#define LARDER_STORE_STATUS_H

#include "store/store.h"

/*
 * store_status_fail(err, status, fmt, …): write the text and return ${status}.
 * The text is always valid UTF-8 without control characters, cut at a
 * character when it is too long.  A NULL ${fmt} stands for the status's own
 * sentence.
 */
int store_status_fail(struct store_error *err, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/*
 * store_status_errno(err, errnum, what): the status of a failed system call
 * and the text "${what}: <what errnum says>".
 */
int store_status_errno(struct store_error *err, int errnum, const char *what);

#if defined(__clang_analyzer__) && !defined(STORE_STATUS_ITSELF)
/* It looks at one file at a time: neither ever returns 0. */
#define store_status_fail(err, status, ...) (store_status_fail(err, status, __VA_ARGS__), status)
#define store_status_errno(err, errnum, what) (store_status_errno(err, errnum, what), STORE_IO)
#endif

#endif
