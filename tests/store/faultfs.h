/* SPDX-License-Identifier: MIT */
/*
 * faultfs.h — SQLite on a file system and an allocator that fail when told to
 * (tests/lib/fault.h, the FAULT_SQL_ rows).
 */
#ifndef LARDER_TESTS_STORE_FAULTFS_H
#define LARDER_TESTS_STORE_FAULTFS_H

#include <stdbool.h>

/*
 * faultfs_install(): from now on every index of this process uses them.  No
 * index may be open.  Once is enough.
 */
void faultfs_install(void);
/* faultfs_hold_syncs(true): every sync of an index waits, as on a slow disk, until (false). */
void faultfs_hold_syncs(bool hold);
/* faultfs_syncs_held(): how many wait now. */
int faultfs_syncs_held(void);

#endif
