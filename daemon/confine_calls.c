/* SPDX-License-Identifier: MIT */
/*
 * confine_calls.c — syscalls.def as a seccomp filter.  Called by confine.c once.
 * Must never let a call pass that starts a program, whatever else changes here.
 */
#include <config.h>

#include "daemon/confine_calls.h"

#include <errno.h>

#if defined(HAVE_SECCOMP) && defined(LARDER_CONFINE)

#include <linux/sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41 /* malloc(3) names its maps */
#endif

static const char *const allowed[] = {
#define CALL(name) #name,
#include "daemon/syscalls.def"
#undef CALL
};

/* Refused in so many words, where ENOSYS would be taken for an old kernel. */
static const char *const refused[] = {
    "execve", "execveat",          "fork",   "vfork", "ptrace", "process_vm_readv",
    "bind",   "process_vm_writev", "listen",
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* Allow ${name} when argument ${arg}, masked, is ${value}.  0 or a negative errno. */
static int when(scmp_filter_ctx filter, const char *name, unsigned arg, uint64_t mask,
		uint64_t value)
{
	int call = seccomp_syscall_resolve_name(name);

	if (call == __NR_SCMP_ERROR)
		return 0;
	return seccomp_rule_add(
	    filter, SCMP_ACT_ALLOW, call, 1,
	    (struct scmp_arg_cmp){arg, SCMP_CMP_MASKED_EQ, (scmp_datum_t)mask, value & mask});
}

static int always(scmp_filter_ctx filter, uint32_t action, const char *name)
{
	int call = seccomp_syscall_resolve_name(name);

	return call == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(filter, action, call, 0);
}

/* Memory is written or run, never both; threads, no processes. */
static int add_memory(scmp_filter_ctx f)
{
	static const uint64_t prot[] = {0, PROT_WRITE, PROT_EXEC};
	static const char *const maps[] = {"mmap", "mmap2"};
	int rc = when(f, "mprotect", 2, PROT_EXEC, 0);

	for (unsigned i = 0; rc == 0 && i < COUNT(prot) * COUNT(maps); i++)
		rc = when(f, maps[i / COUNT(prot)], 2, PROT_WRITE | PROT_EXEC,
			  prot[i % COUNT(prot)]);
	return rc != 0 ? rc : when(f, "clone", 0, CLONE_THREAD, CLONE_THREAD);
}

/* What may be asked of the process itself, and of descriptors. */
static int add_self(scmp_filter_ctx f)
{
	static const uint64_t prctls[] = {PR_SET_NAME,    PR_GET_NAME,     PR_GET_NO_NEW_PRIVS,
					  PR_GET_SECCOMP, PR_CAPBSET_READ, PR_SET_VMA};
	static const uint64_t ioctls[] = {FIONBIO, FIOCLEX, FIONCLEX, FIONREAD, TCGETS, TIOCGWINSZ};
	uint64_t all = UINT32_MAX, self = (uint64_t)getpid();
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < COUNT(prctls); i++)
		rc = when(f, "prctl", 0, all, prctls[i]);
	for (unsigned i = 0; rc == 0 && i < COUNT(ioctls); i++)
		rc = when(f, "ioctl", 1, all, ioctls[i]);
	/* limits are read, not set; signals go to ourselves */
	if (rc == 0)
		rc = when(f, "prlimit64", 2, UINT64_MAX, 0);
	if (rc == 0)
		rc = when(f, "kill", 0, all, self);
	return rc != 0 ? rc : when(f, "tgkill", 0, all, self);
}

static int add_sockets(scmp_filter_ctx f, bool offline)
{
	uint64_t all = UINT32_MAX;
	int rc = when(f, "socket", 0, all, AF_UNIX);

	if (rc == 0)
		rc = when(f, "socketpair", 0, all, AF_UNIX);
	if (rc != 0 || offline)
		return rc;
	rc = when(f, "socket", 0, all, AF_INET);
	if (rc == 0)
		rc = when(f, "socket", 0, all, AF_INET6);
	return rc != 0 ? rc : always(f, SCMP_ACT_ALLOW, "connect");
}

int confine_calls_load(bool offline)
{
	scmp_filter_ctx f;
	int rc = 0;

	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)
		return 1;
	f = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (f == NULL)
		rc = -ENOMEM;
	if (rc == 0)
		rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 0);
	if (rc == 0)
		rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a list */
	for (unsigned i = 0; rc == 0 && i < COUNT(allowed); i++)
		rc = always(f, SCMP_ACT_ALLOW, allowed[i]);
	for (unsigned i = 0; rc == 0 && i < COUNT(refused); i++)
		rc = always(f, SCMP_ACT_ERRNO(EPERM), refused[i]);
	if (rc == 0)
		rc = add_memory(f);
	if (rc == 0)
		rc = add_self(f);
	if (rc == 0)
		rc = add_sockets(f, offline);
	if (rc == 0)
		rc = seccomp_load(f);
	seccomp_release(f);
	if (rc == 0)
		return 0;
	/* a service manager's or a container's own filter may keep us from it */
	if (rc == -EPERM || rc == -EACCES || rc == -ECANCELED)
		return 1;
	errno = -rc;
	return -1;
}

#else

int confine_calls_load(bool offline)
{
	(void)offline;
	errno = ENOSYS;
	return 1;
}

#endif
