/* SPDX-License-Identifier: MIT */
/*
 * guard.c — the handler of SIGBUS.  A SIGBUS that is not due to a guarded read
 * ends the process as it would have without it.
 */
#include <config.h>

#include <signal.h>
#include <stddef.h>
#include <string.h>

#include "runtime/guard.h"
#include "runtime/runtime.h"

static _Thread_local struct rt_guard *innermost;
static struct sigaction former;

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	struct rt_guard *g = innermost;
	sigset_t again;

	(void)context;
	if (g == NULL || info->si_code <= 0) { /* ≤ 0: sent by somebody, not by a read */
		(void)sigaction(sig, &former, NULL);
		if (info->si_code <= 0)
			(void)raise(sig);
		return; /* the read is tried again, and ends the process */
	}
	innermost = g->outer;
	/* whoever stands between the kernel and us (sanitizers) may have blocked it meanwhile */
	(void)sigemptyset(&again);
	(void)sigaddset(&again, sig);
	(void)pthread_sigmask(SIG_UNBLOCK, &again, NULL);
	siglongjmp(g->at, 1);
}

int rt_guard_install(void)
{
	struct sigaction action = {.sa_flags = SA_SIGINFO | SA_NODEFER}, was;

	action.sa_sigaction = on_sigbus;
	(void)sigemptyset(&action.sa_mask);
	if (sigaction(SIGBUS, &action, &was) != 0)
		return RT_IO;
	if ((was.sa_flags & SA_SIGINFO) == 0 || was.sa_sigaction != on_sigbus)
		former = was; /* never ourselves: nothing would end then */
	return RT_OK;
}

void rt_guard_push(struct rt_guard *g)
{
	g->outer = innermost;
	innermost = g;
}

void rt_guard_pop(struct rt_guard *g)
{
	must(innermost == g);
	innermost = g->outer;
}

int rt_guard_copy(void *out, const void *mapped, size_t size)
{
	struct rt_guard g;

	rt_guard_push(&g);
	if (sigsetjmp(g.at, 0) != 0)
		/* NOLINTNEXTLINE(clang-analyzer-core.StackAddressEscape): on_sigbus() popped it */
		return RT_IO;
	memcpy(out, mapped, size);
	rt_guard_pop(&g);
	return RT_OK;
}
