/* SPDX-License-Identifier: MIT */
/*
 * lockout.h — guessing the administration's token takes time: five wrong ones are free, then
 * nobody gets in over TCP for a second, two, four, … up to a quarter of an hour.  The unix
 * socket is not concerned.  Event loop only.
 */
#ifndef LARDER_DAEMON_LOCKOUT_H
#define LARDER_DAEMON_LOCKOUT_H

#include <stdint.h>

/* lockout_wait_s(now_ns): seconds until a token is looked at again; 0 = now. */
unsigned lockout_wait_s(uint64_t now_ns);
/* lockout_failed(now_ns) / lockout_passed(): a token was wrong; was right. */
void lockout_failed(uint64_t now_ns);
void lockout_passed(void);

#endif
