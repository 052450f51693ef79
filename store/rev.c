/* SPDX-License-Identifier: MIT */
/* rev.c — which names a revision may have: `main`, `v1.0`, `refs/pr/1`.  See name.c. */
#include <config.h>

#include "store/name.h"

bool store_rev_ok(const char *revision)
{
	return store_name_segments(revision, STORE_REV_MAX) > 0;
}
