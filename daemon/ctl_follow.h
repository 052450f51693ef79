/* SPDX-License-Identifier: MIT */
/* ctl_follow.h — a job watched to its end; for ctl_warm.c and ctl_jobs.c. */
#ifndef LARDER_DAEMON_CTL_FOLLOW_H
#define LARDER_DAEMON_CTL_FOLLOW_H

#include <jansson.h>

struct ctl;

/*
 * ctl_follow_job(ctl, id): ask for the job again and again until it is over.  A
 * bar per file on a terminal, else a line per file and one every few seconds;
 * with --json the job as it ended.  CTL_OK when it is done, else CTL_FAILED.
 */
int ctl_follow_job(struct ctl *ctl, const char *id);
/* ctl_follow_ask(ctl, id, out): the job's JSON. */
int ctl_follow_ask(struct ctl *ctl, const char *id, json_t **out);
/* ctl_follow_line(job): one line to standard output. */
void ctl_follow_line(const json_t *job);

#endif
