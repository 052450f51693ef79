/* SPDX-License-Identifier: MIT */
/*
 * partial_read.c — bytes of a download that have come: for readers who must not
 * wait, and for the digest.  Called for downloads.  It must never have the
 * caller of store_partial_read wait for the disk.
 */
#include <config.h>

#include "store/digest.h"
#include "store/partial.h"
#include "store/status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define HASH_STEP_BYTES ((size_t)256 << 10)

/* ---- the digest ----------------------------------------------------------------------- */

int store_partial_hash(struct store_partial *p, uint64_t most, struct store_error *err)
{
	uint64_t left = store_partial_run(p, p->hashed);
	char *buffer;
	int status = 0;

	left = left < most ? left : most;
	if (left == 0 || p->hash == NULL)
		return 0;
	buffer = malloc(HASH_STEP_BYTES);
	if (buffer == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	while (status == 0 && left > 0) {
		size_t want = left < HASH_STEP_BYTES ? (size_t)left : HASH_STEP_BYTES;
		ssize_t n = pread(p->fd, buffer, want, (off_t)p->hashed);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			status = store_status_errno(err, n < 0 ? errno : EIO, "reading a download");
			break;
		}
		status = store_digest_add(p->hash, buffer, (size_t)n, err);
		p->hashed += (uint64_t)n;
		left -= (uint64_t)n;
	}
	free(buffer);
	return status;
}

/* ---- readers -------------------------------------------------------------------------- */

const void *store_partial_data(const struct store_partial *p)
{
	return p->data == NULL ? "" : p->data;
}

int store_partial_populate(struct store_partial *p, uint64_t offset, size_t size,
			   struct store_error *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t begin = (size_t)offset / page * page;

	if (p->data == NULL || size == 0)
		return 0;
	if (madvise((char *)p->data + begin, (size_t)offset - begin + size, MADV_POPULATE_READ) !=
		0 &&
	    errno != EINVAL)
		return store_status_errno(err, errno, "reading a download");
	return 0;
}

static bool resident(const struct store_partial *p, uint64_t offset, size_t size)
{
	unsigned char pages[257];
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t begin = (size_t)offset / page * page;
	size_t count = ((size_t)offset - begin + size + page - 1) / page;

	if (count > sizeof(pages) || mincore((char *)p->data + begin, count * page, pages) != 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		if ((pages[i] & 1) == 0)
			return false;
	}
	return true;
}

/*
 * Read, not copied from the mapping: that would fault every page in.  Some file
 * systems refuse RWF_NOWAIT, or while somebody writes; then from the mapping.
 */
ssize_t store_partial_read(struct store_partial *p, uint64_t offset, void *out, size_t size)
{
	struct iovec to = {.iov_base = out, .iov_len = size};
	ssize_t n;

	if (p->data == NULL || size == 0)
		return 0;
	n = preadv2(p->fd, &to, 1, (off_t)offset, RWF_NOWAIT);
	if (n > 0)
		return n;
	if (n < 0 && errno == EIO)
		return STORE_IO;
	if (!resident(p, offset, size))
		return 0;
	memcpy(out, (const char *)p->data + offset, size);
	return (ssize_t)size;
}
