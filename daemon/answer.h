/* SPDX-License-Identifier: MIT */
/*
 * answer.h — rq->reply as a libmicrohttpd response.  With server.c the only
 * place that knows that library.
 */
#ifndef LARDER_DAEMON_ANSWER_H
#define LARDER_DAEMON_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

struct request;

/*
 * answer_queue(rq): ANSWERED: queue the answer on its connection.  false: the
 * connection has to be closed.  From inside the access handler only.
 */
bool answer_queue(struct request *rq);
/* answer_mapped(rq, i, ret_offset): whether part ${i} of the reply lies in its mapping. */
bool answer_mapped(const struct request *rq, unsigned i, size_t *ret_offset);

#endif
