/* SPDX-License-Identifier: MIT */
/*
 * infer_batch.h — several inferences of one model in one run, along the dimension that the model
 * has for it.  Called by infer_line.c on the pool.
 *
 * A model can be run so when the first dimension of all its inputs and outputs is free and has
 * one and the same name.  That the rows of the answer do not depend on each other is looked at: the
 * first batch, the second, the fourth and so on are also run one by one, those answers are given,
 * and a model that answers otherwise in a batch is never run in one again.
 */
#ifndef LARDER_DAEMON_INFER_BATCH_H
#define LARDER_DAEMON_INFER_BATCH_H

#include <stdatomic.h>
#include <stddef.h>

#include "daemon/fault.h"

struct request;

/* One of several.  ${status} 0: it has its reply; -1: ${fault}. */
struct infer_batch_member {
	struct request *rq;
	int status;
	struct fault fault;
};
/*
 * infer_batch_run(member, count, cancel): of one URL; each gets its reply or its fault, as if it
 * had been alone.  Those that fit each other are run together, the others one after the other.
 * ${cancel}: nobody wants any of them any more.  Sets rq->batches of all.
 */
void infer_batch_run(struct infer_batch_member *member, size_t count, const atomic_bool *cancel);

#endif
