/* SPDX-License-Identifier: MIT */
/*
 * faultfs.c — a thin layer over SQLite's own VFS and allocator.  Everything is
 * passed on but the calls that are due to fail; so what SQLite does about a
 * failed write or sync is SQLite's own code, not a model of it.
 */
#include <config.h>

#include "tests/lib/fault.h"
#include "tests/store/faultfs.h"

#include <check.h>
#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

struct fault_file {
	sqlite3_file base;
	sqlite3_file *real; /* in the memory that follows this struct */
};

static sqlite3_vfs vfs;
static sqlite3_vfs *real_vfs;
static sqlite3_mem_methods real_memory;

static pthread_mutex_t hold_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t hold_ended = PTHREAD_COND_INITIALIZER;
static bool holding;
static int held;

static sqlite3_file *real_of(sqlite3_file *file)
{
	return ((struct fault_file *)file)->real;
}

/* ---- files ------------------------------------------------------------------------------- */

static int file_close(sqlite3_file *f)
{
	return real_of(f)->pMethods->xClose(real_of(f));
}

static int file_read(sqlite3_file *f, void *buf, int size, sqlite3_int64 at)
{
	if (fault_due(FAULT_SQL_READ))
		return SQLITE_IOERR_READ;
	return real_of(f)->pMethods->xRead(real_of(f), buf, size, at);
}

static int file_write(sqlite3_file *f, const void *buf, int size, sqlite3_int64 at)
{
	if (fault_due(FAULT_SQL_FULL))
		return SQLITE_FULL;
	if (fault_due(FAULT_SQL_WRITE))
		return SQLITE_IOERR_WRITE;
	return real_of(f)->pMethods->xWrite(real_of(f), buf, size, at);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int file_sync(sqlite3_file *f, int flags)
{
	if (fault_due(FAULT_SQL_SYNC))
		return SQLITE_IOERR_FSYNC;
	pthread_mutex_lock(&hold_lock);
	held++;
	while (holding)
		pthread_cond_wait(&hold_ended, &hold_lock);
	held--;
	pthread_mutex_unlock(&hold_lock);
	return real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int file_size(sqlite3_file *f, sqlite3_int64 *out)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), out);
}

static int file_lock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int file_unlock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int file_reserved(sqlite3_file *f, int *out)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int file_sector(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int file_traits(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int file_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
	return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}

static int file_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void file_shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int file_shm_unmap(sqlite3_file *f, int drop)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), drop);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, /* with shared memory, without mmap */
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

static int vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
	struct fault_file *f = (struct fault_file *)file;
	int rc;

	(void)v;
	f->base.pMethods = NULL;
	f->real = (sqlite3_file *)(f + 1);
	memset(f->real, 0, (size_t)real_vfs->szOsFile);
	if (fault_due(FAULT_SQL_OPEN))
		return SQLITE_CANTOPEN;
	rc = real_vfs->xOpen(real_vfs, name, f->real, flags, ret_flags);
	if (f->real->pMethods != NULL)
		f->base.pMethods = &methods;
	return rc;
}

/* ---- memory ------------------------------------------------------------------------------- */

static void *memory_new(int size)
{
	return fault_due(FAULT_SQL_MALLOC) ? NULL : real_memory.xMalloc(size);
}

static void *memory_grow(void *p, int size)
{
	return fault_due(FAULT_SQL_MALLOC) ? NULL : real_memory.xRealloc(p, size);
}

void faultfs_install(void)
{
	sqlite3_mem_methods memory;

	if (real_vfs != NULL)
		return;
	sqlite3_shutdown();
	ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory), SQLITE_OK);
	memory = real_memory;
	memory.xMalloc = memory_new;
	memory.xRealloc = memory_grow;
	ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_MALLOC, &memory), SQLITE_OK);
	/* a connection's own pool would hide most of its allocations from us */
	ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
	ck_assert_int_eq(sqlite3_initialize(), SQLITE_OK);
	real_vfs = sqlite3_vfs_find(NULL);
	ck_assert_ptr_nonnull(real_vfs);
	vfs = *real_vfs;
	vfs.zName = "fault";
	vfs.szOsFile = (int)sizeof(struct fault_file) + real_vfs->szOsFile;
	vfs.xOpen = vfs_open;
	ck_assert_int_eq(sqlite3_vfs_register(&vfs, 1), SQLITE_OK);
}

void faultfs_hold_syncs(bool hold)
{
	pthread_mutex_lock(&hold_lock);
	holding = hold;
	pthread_cond_broadcast(&hold_ended);
	pthread_mutex_unlock(&hold_lock);
}

int faultfs_syncs_held(void)
{
	int count;

	pthread_mutex_lock(&hold_lock);
	count = held;
	pthread_mutex_unlock(&hold_lock);
	return count;
}
