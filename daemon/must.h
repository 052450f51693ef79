/* SPDX-License-Identifier: MIT */
/*
 * must.h — the assertion that is never compiled out.  For our own bugs only:
 * never for what a client sent and never for what the disk or the kernel did.
 */
#ifndef LARDER_DAEMON_MUST_H
#define LARDER_DAEMON_MUST_H

#include <stdio.h>
#include <stdlib.h>

#undef must /* runtime/tensor.h has one too: include this header last */
#define must(cond)                                                                                 \
	do {                                                                                       \
		if (__builtin_expect(!(cond), 0)) {                                                \
			fprintf(stderr, "larderd: bug: %s:%d: %s\n", __FILE__, __LINE__, #cond);   \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#endif
