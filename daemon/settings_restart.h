/* SPDX-License-Identifier: MIT */
/*
 * settings_restart.h — what was changed in vain: keys that are read at start only.
 */
#ifndef LARDER_DAEMON_SETTINGS_RESTART_H
#define LARDER_DAEMON_SETTINGS_RESTART_H

#include <stddef.h>

struct settings;

/*
 * settings_restart_keys(old, next, out, size): the START keys of options.def, and
 * `[upstream]`, that differ, separated by spaces, cut to what fits; "" = none.
 */
void settings_restart_keys(const struct settings *old, const struct settings *next, char *out,
			   size_t size);

#endif
