/* SPDX-License-Identifier: MIT */
/*
 * run.c — what an operator's run may call.
 */
#include <config.h>

#include <stdarg.h>
#include <stdio.h>

#include "runtime/segment.h"

void rt_run_fault(const struct rt_run *r, const char *fmt, ...)
{
	struct rt_fault *fault = r->fault;
	int none = 0;
	va_list ap;

	if (!atomic_compare_exchange_strong(&fault->state, &none, 1))
		return; /* somebody was first */
	va_start(ap, fmt);
	(void)vsnprintf(fault->text, sizeof(fault->text), fmt, ap);
	va_end(ap);
	atomic_store(&fault->state, 2);
}
