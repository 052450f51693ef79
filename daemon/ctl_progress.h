/* SPDX-License-Identifier: MIT */
/* ctl_progress.h — how far many bytes are: a bar on a terminal, nothing elsewhere. */
#ifndef LARDER_DAEMON_CTL_PROGRESS_H
#define LARDER_DAEMON_CTL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* Start with all but the first three 0. */
struct ctl_progress {
	bool terminal;        /* standard error is one */
	uint64_t total, done; /* bytes of all files; of those before this one */
	const char *what;     /* this one */
	int64_t drawn_ms;
	bool drawn;
};

/* ctl_progress_at(p, bytes): so many of this one; takes a struct ctl_progress, for callbacks. */
void ctl_progress_at(void *p, uint64_t bytes);
/* ctl_progress_wipe(p): the bar goes, so that something can be written. */
void ctl_progress_wipe(struct ctl_progress *p);

#endif
