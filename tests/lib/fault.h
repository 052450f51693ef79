/* SPDX-License-Identifier: MIT */
/*
 * fault.h — make the Nth call of a kind fail.  A test arms one kind, runs what
 * it tests, and disarms; with N = 1, 2, 3, … until nothing fired any more it
 * has seen every place where that call can fail.
 */
#ifndef LARDER_TESTS_FAULT_H
#define LARDER_TESTS_FAULT_H

#include <stdbool.h>

enum fault_call {
#define FAULT(call, errnum) FAULT_##call,
#include "tests/lib/fault.def"
#undef FAULT
	FAULT_COUNT,
};

/* fault_name(call): for messages. */
const char *fault_name(enum fault_call call);
/*
 * fault_arm(call, nth): the ${nth} call from now fails (1 is the next), once.
 * Calls of any thread count.
 */
void fault_arm(enum fault_call call, int nth);
/* fault_arm_errno: the same, with another errno; on WRITE, 0 means a short write instead. */
void fault_arm_errno(enum fault_call call, int nth, int errnum);
/* fault_arm_lasting: the ${nth} call and all after it fail, as on a full disk. */
void fault_arm_lasting(enum fault_call call, int nth);
/*
 * fault_arm_hook: the ${nth} call does not fail; ${fn} runs first, in its
 * thread.  So another thread's doings can be put exactly there.
 */
void fault_arm_hook(enum fault_call call, int nth, void (*fn)(void));
/* fault_disarm(): nothing fails any more; true if something did. */
bool fault_disarm(void);
/* fault_due(call): is this call the one that has to fail?  For wrappers. */
bool fault_due(enum fault_call call);

#endif
