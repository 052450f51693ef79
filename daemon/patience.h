/* SPDX-License-Identifier: MIT */
/*
 * patience.h — how long a connection may take to say what it wants.
 * libmicrohttpd gives up a connection that is silent; one that sends a byte now
 * and then it waits for as long as it takes (slowloris).  Here a connection is
 * due by a time, and one that is late is shut down, which libmicrohttpd sees as
 * its end.  So is one whose client has ended it while it is due.  Event loop only.
 */
#ifndef LARDER_DAEMON_PATIENCE_H
#define LARDER_DAEMON_PATIENCE_H

#include <uv.h>

struct patience;

/* patience_start(loop): once, before the first connection; does not keep the loop alive. */
void patience_start(uv_loop_t *loop);
/* patience_stop(): close its timer; connections may still be freed. */
void patience_stop(void);

/* patience_new(fd): a connection, due never.  ${fd} is borrowed until patience_free.  NULL: no
 * memory, and the connection is trusted. */
struct patience *patience_new(int fd);
void patience_free(struct patience *p); /* NULL is allowed, as below */
/* patience_due(p, ms): within ${ms} from now it must have said what it wants. */
void patience_due(struct patience *p, uint64_t ms);
/* patience_rest(p): it has. */
void patience_rest(struct patience *p);
/* patience_asked(p): its first request begins.  patience_unasked(): how many never had one. */
void patience_asked(struct patience *p);
unsigned patience_unasked(void);

#endif
