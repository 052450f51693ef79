/* SPDX-License-Identifier: MIT */
/*
 * confine_paths.h — the Landlock rules: which files the process may reach.
 */
#ifndef LARDER_DAEMON_CONFINE_PATHS_H
#define LARDER_DAEMON_CONFINE_PATHS_H

struct settings;

/*
 * confine_paths_load(settings, ret_abi): read what a daemon reads, write in the state
 * folder, run nothing, listen nowhere, and offline connect nowhere.  0; 1 when the kernel has
 * no Landlock, or only its first version, which forbids renames between folders;
 * -1 with errno.  no_new_privs must be set.
 */
int confine_paths_load(const struct settings *settings, int *ret_abi)
    __attribute__((warn_unused_result));

#endif
