/* SPDX-License-Identifier: MIT */
/* verify.h — what is done with a damaged blob.  For the files of store/. */
#ifndef LARDER_STORE_VERIFY_H
#define LARDER_STORE_VERIFY_H

#include "store/store.h"

/*
 * store_verify_quarantine(store, digest, fd, err): take a blob out of service,
 * unless meanwhile it was removed or written anew.  ${fd} is the file that was
 * judged, or -1 when there was none.  1 done, 0 no longer true, or a status.
 */
int store_verify_quarantine(struct store *store, const struct store_digest *digest, int fd,
			    struct store_error *err) STORE_MUST_CHECK;

#endif
