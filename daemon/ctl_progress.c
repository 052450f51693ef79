/* SPDX-License-Identifier: MIT */
/* ctl_progress.c — see ctl_progress.h.  Called by the commands that move files. */
#include <config.h>

#include "daemon/ctl_progress.h"

#include <stdio.h>
#include <time.h>

#include "daemon/ctl.h"

enum { CELLS = 30, EVERY_MS = 100 };

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void draw(struct ctl_progress *p, uint64_t done)
{
	static const char full[] = "##############################";
	int cells = p->total == 0 || done >= p->total
			? CELLS
			: (int)((double)done / (double)p->total * CELLS);
	char a[16], b[16];

	p->drawn = true;
	fprintf(stderr, "\r\033[K[%.*s%*s] %s of %s  %.40s", cells, full, CELLS - cells, "",
		ctl_bytes(done, a), ctl_bytes(p->total, b), p->what);
}

void ctl_progress_at(void *arg, uint64_t bytes)
{
	struct ctl_progress *p = arg;
	int64_t now = now_ms();

	if (!p->terminal || now - p->drawn_ms < EVERY_MS)
		return;
	p->drawn_ms = now;
	draw(p, p->done + bytes);
}

void ctl_progress_wipe(struct ctl_progress *p)
{
	if (p->drawn)
		fputs("\r\033[K", stderr);
	p->drawn = false;
}
