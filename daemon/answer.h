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

/*
 * A finished response that can be sent again to whoever asks from the same
 * origin: only its X-Request-Id differs.  Event loop, as all of this.
 */
struct answer_kept;
/* answer_kept_fits(k, rq): whether it is what ${rq} would get; ${k} may be NULL. */
bool answer_kept_fits(const struct answer_kept *k, const struct request *rq);
struct answer_kept *answer_kept_ref(struct answer_kept *k);
void answer_kept_unref(struct answer_kept *k); /* NULL is allowed */

#endif
