/* SPDX-License-Identifier: MIT */
/*
 * compress.h — bytes to fewer bytes, in one of the content codings.
 */
#ifndef LARDER_DAEMON_COMPRESS_H
#define LARDER_DAEMON_COMPRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/negotiate.h"

enum compress_result {
	COMPRESS_OK,
	COMPRESS_LARGE,   /* the result would be larger than ${limit} */
	COMPRESS_STOPPED, /* ${stop} said so */
	COMPRESS_FAILED,  /* memory is short, or the library gave up */
};

/*
 * compress_bytes(coding, data, size, limit, stop, ret_data, ret_size): ${data}[size]
 * in ${coding} (not CODING_IDENTITY): gzip is RFC 1952, zstd is RFC 8878 with a
 * window of at most 8 MB (RFC 9659).  On COMPRESS_OK *ret_data is malloc()ed
 * and the caller's.  ${stop} (may be NULL) is asked every 256 KiB.  Takes
 * seconds for 64 MiB: pool threads only.
 */
enum compress_result compress_bytes(enum negotiate_coding coding, const void *data, size_t size,
				    size_t limit, bool (*stop)(void), void **ret_data,
				    size_t *ret_size);

#endif
