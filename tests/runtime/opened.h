/* SPDX-License-Identifier: MIT */
/*
 * opened.h — a model that a test builds, opened with a session, and checks that
 * tell the runtime's own words when they fail.
 *
 *	struct opened o = {.model = NULL};
 *	pbuild_model(&o.m, 13);
 *	…
 *	opened_open(&o, NULL);
 *	opened_run(&o, &in, &out);
 *	opened_close(&o);
 */
#ifndef LARDER_TESTS_RUNTIME_OPENED_H
#define LARDER_TESTS_RUNTIME_OPENED_H

#include "runtime/runtime.h"
#include "tests/lib/pbuild.h"

struct opened {
	struct pbuild m;
	struct rt_model *model;
	struct rt_session *session;
};

extern struct rt_error opened_err;  /* of the last call */
extern struct rt_team *opened_team; /* of two threads, between start and stop */

/* A fixture. */
void opened_start(void);
void opened_stop(void);

/* opened_try(o, opts): finish ${o->m} and open it; opts NULL: scalar kernels. */
int opened_try(struct opened *o, const struct rt_model_opts *opts);
void opened_open(struct opened *o, const struct rt_model_opts *opts); /* must work */
void opened_close(struct opened *o);
void opened_run(struct opened *o, const struct rt_tensor *in, struct rt_tensor *out); /* likewise */
/* opened_refuses(o, in, status, says): the run fails so, with a text that holds ${says}. */
void opened_refuses(struct opened *o, const struct rt_tensor *in, int status, const char *says);

struct rt_tensor opened_f32(float *data, int rank, const int64_t *dims);
struct rt_tensor opened_i64(int64_t *data, int rank, const int64_t *dims);

#endif
