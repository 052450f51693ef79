/* SPDX-License-Identifier: MIT */
/*
 * infer.h — one inference: bytes → tensors (oip.h) → run (residency.h, runtime) → bytes
 * (oip_answer.c).  On the pool.
 */
#ifndef LARDER_DAEMON_INFER_H
#define LARDER_DAEMON_INFER_H

struct fault;
struct request;
struct resident;

/*
 * infer_find(rq, out, fault): the model of the URL, loaded if need be, with a reference.
 * 1: it is in *out; 0: there is none and the answer is made; -1: there is none and ${fault}
 * says why.
 */
int infer_find(struct request *rq, struct resident **out, struct fault *fault);

/* infer_one(rq, fault): as a handler; sets rq->batches. */
int infer_one(struct request *rq, struct fault *fault);

#endif
