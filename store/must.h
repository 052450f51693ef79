/* SPDX-License-Identifier: MIT */
/*
 * must.h — the assertion that is never compiled out.  For our own bugs only:
 * never for what a caller was given by a client, never for what the disk did.
 */
#ifndef LARDER_STORE_MUST_H
#define LARDER_STORE_MUST_H

#include <stdio.h>
#include <stdlib.h>

#define must(cond)                                                                                 \
	do {                                                                                       \
		if (__builtin_expect(!(cond), 0)) {                                                \
			fprintf(stderr, "store: bug: %s:%d: %s\n", __FILE__, __LINE__, #cond);     \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#endif
