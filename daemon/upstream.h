/* SPDX-License-Identifier: MIT */
/*
 * upstream.h — the upstreams of the configuration, and what each may do: which
 * URLs belong to it, where it may redirect to, which addresses may be reached,
 * who gets its token, how fast it may be read.  Pure but for the token's file.
 *
 * Nothing here or behind it takes a URL from a client: an upstream, a model, a
 * revision and a path are what can be asked for.
 */
#ifndef LARDER_DAEMON_UPSTREAM_H
#define LARDER_DAEMON_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct settings;
struct sockaddr;

enum upstream_layout { UPSTREAM_HUB, UPSTREAM_PLAIN };

#define UPSTREAM_CLOSED UINT64_MAX /* a rate: nothing at all */
#define UPSTREAM_NEVER UINT64_MAX  /* a time */
#define UPSTREAM_WINDOWS_MAX 16

struct upstream_window {
	unsigned from_min, to_min; /* of the day, local time; from > to: over midnight */
	uint64_t rate;             /* bytes per second; 0 = no limit; or UPSTREAM_CLOSED */
};

/* One origin: scheme, host in lower case without brackets, port. */
struct upstream_origin {
	bool tls;
	char host[256];
	uint16_t port;
};

struct upstream {
	const char *name;
	const char *url; /* without a slash at its end */
	struct upstream_origin origin;
	enum upstream_layout layout;
	const char *const *redirect_host; /* [redirect_count] host or host:port */
	unsigned redirect_count;
	const char *token; /* NULL = none */
	uint64_t max_rate; /* bytes per second; 0 = no limit */
	struct upstream_window window[UPSTREAM_WINDOWS_MAX];
	unsigned window_count, concurrency, retries;
	bool is_private, chunks;
	uint64_t revalidate_s, negative_s, stall_s;
	const char *proxy, *ca_file; /* NULL = none, the system's */
	/* event loop: */
	unsigned active;            /* transfers */
	bool says_digests;          /* it may be a larder */
	uint64_t listless_until_ms; /* it had no chunk lists: it is not asked until then */
	uint64_t down_until_ms; /* it could not be reached: pages do not wait for it until then */
	double bucket;          /* bytes that may be read now; negative: too many were */
	uint64_t bucket_ns;
};

struct upstreams; /* all of one configuration */

/* upstream_check(key, value, why): may a section say that?  NULL, or what is wrong with it. */
const char *upstream_check(const char *key, const char *value);
/*
 * upstream_load(settings, out): from checked settings, which must outlive it.
 * 0, or -1 when a token cannot be read (logged).
 */
int upstream_load(const struct settings *settings, struct upstreams **out);
void upstream_unload(struct upstreams *all); /* NULL is allowed */
/* upstream_find(all, name): NULL when unknown.  A NULL name: the one for misses, or NULL. */
struct upstream *upstream_find(struct upstreams *all, const char *name);
struct upstream *upstream_at(struct upstreams *all, unsigned i); /* NULL: no more */

/*
 * upstream_file_url(up, model, revision, path): the URL of a file; each part
 * is percent-encoded.  upstream_api_url: of a revision's listing (hub), or of its ${tree}.  The
 * caller frees them; NULL: out of memory.
 */
char *upstream_file_url(const struct upstream *up, const char *model, const char *revision,
			const char *path);
char *upstream_api_url(const struct upstream *up, const char *model, const char *revision,
		       bool tree);
/* upstream_chunks_url: of a file's chunk list: a larder's, or the one that lies ${beside} it. */
char *upstream_chunks_url(const struct upstream *up, const char *model, const char *revision,
			  const char *path, bool beside);

/* upstream_origin_of(url, out): false when it is not http or https, or has a user in it. */
bool upstream_origin_of(const char *url, struct upstream_origin *out);
bool upstream_origin_same(const struct upstream_origin *a, const struct upstream_origin *b);
/*
 * upstream_may_fetch(up, url): may a transfer for ${up} go to that URL, its
 * own or one that it redirected to?  NULL, or a sentence why not.
 */
const char *upstream_may_fetch(const struct upstream *up, const char *url);
/* upstream_may_connect(up, addr): the same for a resolved address, at every connection. */
const char *upstream_may_connect(const struct upstream *up, const struct sockaddr *addr);
/* upstream_gets_token(up, url): only its own origin does. */
bool upstream_gets_token(const struct upstream *up, const char *url);

/* upstream_rate(up, now_s): bytes per second at that time; 0 = no limit; or UPSTREAM_CLOSED. */
uint64_t upstream_rate(const struct upstream *up, int64_t now_s);
/*
 * upstream_take(up, rate, size, now_ns): may ${size} bytes be taken now?  0:
 * they were.  Otherwise nothing was, and it is the time to wait, in ms.
 */
unsigned upstream_take(struct upstream *up, uint64_t rate, size_t size, uint64_t now_ns);

#endif
