/* SPDX-License-Identifier: MIT */
/*
 * sample.h — the embedded sample model, put into the store at start.
 */
#ifndef LARDER_DAEMON_SAMPLE_H
#define LARDER_DAEMON_SAMPLE_H

struct store;

/*
 * sample_import(store): import the sample as www_sample_name, revision main,
 * unless that is stored already with the same files.  0 or -1 (logged).
 * Writes: before there is a loop.
 */
int sample_import(struct store *store);

#endif
