/* SPDX-License-Identifier: MIT */
/*
 * fault.c — the wrappers behind fault.h.  Linked, with -Wl,--wrap for each
 * name below, into test programs only: calls from our own objects come here,
 * those inside the libraries do not.
 */
#include <config.h>

#include "tests/lib/fault.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	bool armed, fired, lasting;
	enum fault_call call;
	int left; /* calls until the one that fails */
	int errnum;
	void (*hook)(void); /* instead of failing */
} state;

static const struct {
	const char *name;
	int errnum;
} calls[FAULT_COUNT] = {
#define FAULT(call, errnum) {#call, errnum},
#include "tests/lib/fault.def"
#undef FAULT
};

const char *fault_name(enum fault_call call)
{
	return calls[call].name;
}

static void arm(enum fault_call call, int nth, int errnum, bool lasting)
{
	pthread_mutex_lock(&lock);
	state.armed = true;
	state.fired = false;
	state.lasting = lasting;
	state.call = call;
	state.left = nth;
	state.errnum = errnum;
	state.hook = NULL;
	pthread_mutex_unlock(&lock);
}

void fault_arm(enum fault_call call, int nth)
{
	arm(call, nth, calls[call].errnum, false);
}

void fault_arm_errno(enum fault_call call, int nth, int errnum)
{
	arm(call, nth, errnum, false);
}

void fault_arm_lasting(enum fault_call call, int nth)
{
	arm(call, nth, calls[call].errnum, true);
}

void fault_arm_hook(enum fault_call call, int nth, void (*fn)(void))
{
	arm(call, nth, 0, false);
	state.hook = fn;
}

bool fault_disarm(void)
{
	bool fired;

	pthread_mutex_lock(&lock);
	fired = state.fired;
	state.armed = false;
	pthread_mutex_unlock(&lock);
	return fired;
}

bool fault_due(enum fault_call call)
{
	void (*hook)(void) = NULL;
	bool due = false;

	pthread_mutex_lock(&lock);
	if (state.armed && state.call == call) {
		due = --state.left == 0 || (state.lasting && state.left < 0);
		if (due) {
			state.fired = true;
			hook = state.hook;
		}
	}
	pthread_mutex_unlock(&lock);
	if (hook != NULL)
		hook();
	else if (due)
		errno = state.errnum;
	return due && hook == NULL;
}

/* ---- wrappers -------------------------------------------------------------------------- */

ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size)
{
	if (!fault_due(FAULT_WRITE))
		return __real_write(fd, data, size);
	return errno == 0 ? __real_write(fd, data, (size + 1) / 2) : -1;
}

int __real_openat(int at, const char *name, int flags, ...);
int __wrap_openat(int at, const char *name, int flags, ...);
int __wrap_openat(int at, const char *name, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if ((flags & O_CREAT) != 0)
		mode = (mode_t)va_arg(ap, int);
	va_end(ap);
	return fault_due(FAULT_OPEN) ? -1 : __real_openat(at, name, flags, mode);
}

/* WRAP(kind, value when it fails, type, name, parameters, arguments) */
#define WRAP(call, failed, type, name, params, args)                                               \
	type __real_##name params;                                                                 \
	type __wrap_##name params;                                                                 \
	type __wrap_##name params                                                                  \
	{                                                                                          \
		return fault_due(FAULT_##call) ? (failed) : __real_##name args;                    \
	}

WRAP(READ, -1, ssize_t, read, (int fd, void *buf, size_t size), (fd, buf, size))
WRAP(READ, -1, ssize_t, pread, (int fd, void *buf, size_t size, off_t at), (fd, buf, size, at))
WRAP(FSYNC, -1, int, fsync, (int fd), (fd))
WRAP(RENAME, -1, int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
WRAP(MKDIR, -1, int, mkdirat, (int at, const char *name, mode_t mode), (at, name, mode))
WRAP(UNLINK, -1, int, unlinkat, (int at, const char *name, int flags), (at, name, flags))
WRAP(STAT, -1, int, fstat, (int fd, struct stat *st), (fd, st))
WRAP(STAT, -1, int, fstatat, (int at, const char *name, struct stat *st, int flags),
     (at, name, st, flags))
WRAP(FLOCK, -1, int, flock, (int fd, int operation), (fd, operation))
WRAP(OPENDIR, NULL, DIR *, fdopendir, (int fd), (fd))
WRAP(MMAP, MAP_FAILED, void *, mmap, (void *at, size_t size, int prot, int flags, int fd, off_t o),
     (at, size, prot, flags, fd, o))
WRAP(MADVISE, -1, int, madvise, (void *at, size_t size, int advice), (at, size, advice))
WRAP(MINCORE, -1, int, mincore, (void *at, size_t size, unsigned char *vec), (at, size, vec))
WRAP(MALLOC, NULL, void *, malloc, (size_t size), (size))
WRAP(MALLOC, NULL, void *, calloc, (size_t n, size_t size), (n, size))
WRAP(MALLOC, NULL, void *, realloc, (void *p, size_t size), (p, size))
WRAP(DIGEST, NULL, EVP_MD_CTX *, EVP_MD_CTX_new, (void), ())
WRAP(DIGEST, 0, int, EVP_DigestUpdate, (EVP_MD_CTX * ctx, const void *data, size_t size),
     (ctx, data, size))
WRAP(DIGEST, 0, int, EVP_DigestFinal_ex, (EVP_MD_CTX * ctx, unsigned char *md, unsigned *size),
     (ctx, md, size))
