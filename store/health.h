/* SPDX-License-Identifier: MIT */
/* health.h — what the store could not do lately.  For the files of store/. */
#ifndef LARDER_STORE_HEALTH_H
#define LARDER_STORE_HEALTH_H

#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>

/* The last write that the disk refused; gone with the next that it took. */
struct store_trouble {
	pthread_mutex_t lock;
	atomic_int status; /* 0: none */
	struct store_error why;
};

void store_health_init(struct store_trouble *t);
void store_health_end(struct store_trouble *t);
/*
 * store_health_wrote(store, status, err): how a write of blobs or manifests
 * ended; ${err} may be NULL.  Returns ${status}.
 */
int store_health_wrote(struct store *store, int status, const struct store_error *err);

#endif
