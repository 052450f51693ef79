/* SPDX-License-Identifier: MIT */
/*
 * ledger.c — counts bytes against a budget; it owns none of them.  Called by memory.c and by what
 * a run allocates.  Not for several threads at once.
 */
#include <config.h>

#include "runtime/ledger.h"
#include "runtime/tensor.h"

bool rt_ledger_take(struct rt_ledger *l, size_t bytes)
{
	if (l->bytes > l->budget || bytes > l->budget - l->bytes)
		return false;
	l->bytes += bytes;
	return true;
}

void rt_ledger_give(struct rt_ledger *l, size_t bytes)
{
	must(bytes <= l->bytes);
	l->bytes -= bytes;
}
