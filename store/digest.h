/* SPDX-License-Identifier: MIT */
/* digest.h — SHA-256 over bytes that arrive in pieces.  For the files of store/. */
#ifndef LARDER_STORE_DIGEST_H
#define LARDER_STORE_DIGEST_H

#include "store/store.h"

struct store_hash; /* opaque: a digest being computed */

/* store_digest_begin(out, err): a new, empty computation, to be given to end or drop. */
int store_digest_begin(struct store_hash **out, struct store_error *err) STORE_MUST_CHECK;
int store_digest_add(struct store_hash *hash, const void *data, size_t size,
		     struct store_error *err) STORE_MUST_CHECK;
/* store_digest_end(hash, out, err): takes ${hash}, whatever is returned. */
int store_digest_end(struct store_hash *hash, struct store_digest *out,
		     struct store_error *err) STORE_MUST_CHECK;
/* store_digest_drop(hash): NULL is allowed. */
void store_digest_drop(struct store_hash *hash);
/*
 * store_digest_of_fd(fd, stop, out, ret_size, err): what a file holds, read from
 * its start to its end.  STORE_IO when it cannot be read, STORE_STOPPED soon after
 * ${*stop} has become true (NULL: nobody stops it).
 */
int store_digest_of_fd(int fd, const atomic_bool *stop, struct store_digest *out,
		       uint64_t *ret_size, struct store_error *err) STORE_MUST_CHECK;

#endif
