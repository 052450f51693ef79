/* SPDX-License-Identifier: MIT */
/*
 * lockout.c — see lockout.h.  Called by admit.c around guard_admin.  One count for all: on
 * loopback every client has the same address.
 */
#include <config.h>

#include "daemon/lockout.h"

#define SECOND_NS UINT64_C(1000000000)
#define FREE 5
#define LONGEST_S 900

static unsigned failures;
static uint64_t until_ns;

unsigned lockout_wait_s(uint64_t now_ns)
{
	if (now_ns >= until_ns)
		return 0;
	return (unsigned)((until_ns - now_ns + SECOND_NS - 1) / SECOND_NS);
}

void lockout_failed(uint64_t now_ns)
{
	unsigned over, s;

	failures++;
	if (failures < FREE)
		return;
	over = failures - FREE;
	s = over < 10 ? 1u << over : LONGEST_S;
	until_ns = now_ns + (s < LONGEST_S ? s : LONGEST_S) * SECOND_NS;
}

void lockout_passed(void)
{
	failures = 0;
	until_ns = 0;
}
