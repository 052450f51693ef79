/* SPDX-License-Identifier: MIT */
/*
 * infer_course.h — the steps of one inference, for infer.c, which takes them one after the other,
 * and infer_batch.c, which takes some of them for several at once.  On the pool.
 */
#ifndef LARDER_DAEMON_INFER_COURSE_H
#define LARDER_DAEMON_INFER_COURSE_H

#include <stdint.h>

#include "daemon/oip.h"
#include "daemon/tally.h"
#include "runtime/runtime.h"

struct fault;
struct request;
struct resident;

/* One inference on its way: what it is about, and when each of its parts began. */
struct infer_course {
	struct request *rq;
	struct resident *model; /* borrowed */
	struct oip_request in;
	struct rt_tensor
	    *outputs; /* [output_count], borrowed from the session until its next run */
	struct tally_times times;
	enum tally_end end;
	unsigned batch; /* inferences in its run, itself counted; 0 = it was not run */
	uint64_t rows;  /* of it */
};

uint64_t infer_course_now_ns(void);

/* infer_course_read(c, fault): the request's bytes; ${rq} and ${model} are set. */
int infer_course_read(struct infer_course *c, struct fault *fault) RT_MUST_CHECK;
/*
 * infer_course_run(c, session, ret_usable, fault): its own run.  *ret_usable is false when
 * the session does not survive (residency_session_give).
 */
int infer_course_run(struct infer_course *c, struct rt_session *session, bool *ret_usable,
		     struct fault *fault) RT_MUST_CHECK;
/* infer_course_failed(c, status, text, fault): what to say of a run that failed.  Returns -1. */
int infer_course_failed(struct infer_course *c, int status, const char *text, struct fault *fault);
/* infer_course_answer(c, fault): the reply, from ${outputs}; each is copied once. */
int infer_course_answer(struct infer_course *c, struct fault *fault) RT_MUST_CHECK;
/* infer_course_end(c): into the tally. */
void infer_course_end(struct infer_course *c);

#endif
