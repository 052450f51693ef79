/* SPDX-License-Identifier: MIT */
/*
 * residency_batch.h — which models can be run in batches (infer_batch.h).  Any thread.
 */
#ifndef LARDER_DAEMON_RESIDENCY_BATCH_H
#define LARDER_DAEMON_RESIDENCY_BATCH_H

#include <stdbool.h>

struct oip_ports;
struct resident;

/*
 * residency_batch_fit(ports): the first dimension of all inputs and outputs is free and has one
 * name, and their elements are whole bytes.
 */
bool residency_batch_fit(const struct oip_ports *ports);
/* residency_batch_may(m): the same of ${m}, and nothing was seen that speaks against it. */
bool residency_batch_may(const struct resident *m);
/* residency_batch_due(m): the next batch is to be compared with its rows one by one. */
bool residency_batch_due(struct resident *m);
/* residency_batch_refuse(m): it answers otherwise in a batch: never again. */
void residency_batch_refuse(struct resident *m);

#endif
