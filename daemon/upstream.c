/* SPDX-License-Identifier: MIT */
/*
 * upstream.c — what the [upstream NAME] sections mean.  Called by settings.c
 * (checks), fetch.c (every hop, every connection) and pull.c.  It must never
 * resolve a name or open a connection: it only says what may be done.
 */
#include <config.h>

#include "daemon/upstream.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include "daemon/arena.h"
#include "daemon/log.h"
#include "daemon/must.h"
#include "daemon/settings.h"

#define CONCURRENCY_DEFAULT 4
#define CONCURRENCY_MAX 64
#define RETRIES_DEFAULT 5
#define RETRIES_MAX 1000
#define REVALIDATE_DEFAULT_S 600
#define NEGATIVE_DEFAULT_S 60
#define STALL_DEFAULT_S 20
#define TOKEN_MAX 4096

struct upstreams {
	struct arena arena;
	struct upstream *item;
	unsigned count;
	struct upstream *fallback;
};

/* ---- URLs -------------------------------------------------------------------------- */

/* host of a URL as it stands there: lower case, no brackets, no dot at its end */
static bool host_of(CURLU *u, char out[256])
{
	char *host = NULL;
	size_t n;

	if (curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		return false;
	n = strlen(host);
	if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
		memmove(host, host + 1, n - 2);
		n -= 2;
	}
	if (n > 0 && host[n - 1] == '.')
		n--;
	if (n > 0 && n < 256) {
		for (size_t i = 0; i < n; i++)
			out[i] =
			    (char)(host[i] >= 'A' && host[i] <= 'Z' ? host[i] | 0x20 : host[i]);
		out[n] = '\0';
	}
	curl_free(host);
	return n > 0 && n < 256;
}

static bool parts_of(CURLU *u, struct upstream_origin *out)
{
	char *scheme = NULL, *port = NULL, *user = NULL;
	bool ok = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		  curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
		  curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_NO_USER;

	if (ok) {
		out->tls = strcmp(scheme, "https") == 0;
		out->port = (uint16_t)strtoul(port, NULL, 10);
		ok = (out->tls || strcmp(scheme, "http") == 0) && host_of(u, out->host);
	}
	curl_free(scheme);
	curl_free(port);
	curl_free(user);
	return ok;
}

bool upstream_origin_of(const char *url, struct upstream_origin *out)
{
	CURLU *u = curl_url();
	bool ok =
	    u != NULL && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK && parts_of(u, out);

	curl_url_cleanup(u);
	return ok;
}

bool upstream_origin_same(const struct upstream_origin *a, const struct upstream_origin *b)
{
	return a->tls == b->tls && a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* Percent-encode ${s} into ${out} (room for 3 × its length); `/` only where it separates. */
static char *encode(char *out, const char *s, bool keep_slash)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    strchr("-._~", c) != NULL || (c == '/' && keep_slash)) {
			*out++ = (char)c;
			continue;
		}
		*out++ = '%';
		*out++ = hex[c >> 4];
		*out++ = hex[c & 15];
	}
	return out;
}

static char *put(char *out, const char *s)
{
	size_t n = strlen(s);

	memcpy(out, s, n); /* NOLINT(bugprone-not-null-terminated-result): the caller ends it */
	return out + n;
}

static char *file_url(const struct upstream *up, const char *model, const char *kind,
		      const char *revision, const char *path, const char *end)
{
	char *url =
	    malloc(strlen(up->url) + 3 * (strlen(model) + strlen(revision) + strlen(path)) + 32);
	char *at;

	if (url == NULL)
		return NULL;
	at = put(put(url, up->url), "/");
	at = put(encode(at, model, true), "/");
	if (up->layout == UPSTREAM_HUB)
		at = put(encode(put(at, kind), revision, false), "/");
	*put(encode(at, path, true), end) = '\0';
	return url;
}

char *upstream_file_url(const struct upstream *up, const char *model, const char *revision,
			const char *path)
{
	return file_url(up, model, "resolve/", revision, path, "");
}

char *upstream_chunks_url(const struct upstream *up, const char *model, const char *revision,
			  const char *path, bool beside)
{
	return beside ? file_url(up, model, "resolve/", revision, path, ".chunks")
		      : file_url(up, model, "chunks/", revision, path, "");
}

char *upstream_api_url(const struct upstream *up, const char *model, const char *revision,
		       bool tree)
{
	char *url = malloc(strlen(up->url) + 3 * (strlen(model) + strlen(revision)) + 64);
	char *at;

	if (url == NULL)
		return NULL;
	at = encode(put(put(url, up->url), "/api/models/"), model, true);
	at = encode(put(at, tree ? "/tree/" : "/revision/"), revision, false);
	*put(at, tree ? "?recursive=true" : "?blobs=true") = '\0';
	return url;
}

/* `host` or `host:port`, `[v6]` or `[v6]:port` */
static bool listed(const char *item, const struct upstream_origin *o)
{
	size_t n = strlen(o->host);
	const char *port;

	if (item[0] == '[') {
		if (strncasecmp(item + 1, o->host, n) != 0 || item[n + 1] != ']')
			return false;
		port = item + n + 2;
	} else {
		if (strncasecmp(item, o->host, n) != 0)
			return false;
		port = item + n;
	}
	if (*port == '\0')
		return true;
	return *port == ':' && strtoul(port + 1, NULL, 10) == o->port;
}

/* An address in the place of a name can be judged at once, also where a proxy will connect. */
static const char *may_reach(const struct upstream *up, const struct upstream_origin *o)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, o->host, &in.sin_addr) == 1)
		return upstream_may_connect(up, (const struct sockaddr *)(const void *)&in);
	if (inet_pton(AF_INET6, o->host, &in6.sin6_addr) == 1)
		return upstream_may_connect(up, (const struct sockaddr *)(const void *)&in6);
	return NULL;
}

const char *upstream_may_fetch(const struct upstream *up, const char *url)
{
	struct upstream_origin o;

	if (!upstream_origin_of(url, &o))
		return "only https and http are fetched";
	if (upstream_origin_same(&o, &up->origin))
		return NULL;
	if (!o.tls && !up->is_private)
		return "a redirect to http is not followed";
	for (unsigned i = 0; i < up->redirect_count; i++) {
		if (listed(up->redirect_host[i], &o))
			return may_reach(up, &o);
	}
	/* a private one may redirect at will, as long as nobody said where to */
	if (up->is_private && up->redirect_count == 0)
		return may_reach(up, &o);
	return "the redirect leads to a host that is not in redirect_hosts";
}

bool upstream_gets_token(const struct upstream *up, const char *url)
{
	struct upstream_origin o;

	return up->token != NULL && upstream_origin_of(url, &o) &&
	       upstream_origin_same(&o, &up->origin);
}

/* ---- addresses (IANA special-purpose registries) ---------------------------------------- */

enum place { PUBLIC, LOCAL, LINK, NOWHERE };

static enum place place_v4(const unsigned char a[4])
{
	static const struct {
		unsigned char net[4];
		unsigned bits;
		enum place place;
	} rows[] = {
	    {{0, 0, 0, 0}, 8, NOWHERE},      {{10, 0, 0, 0}, 8, LOCAL},
	    {{100, 64, 0, 0}, 10, LOCAL},    {{127, 0, 0, 0}, 8, LOCAL},
	    {{169, 254, 0, 0}, 16, LINK},    {{172, 16, 0, 0}, 12, LOCAL},
	    {{192, 0, 0, 0}, 24, NOWHERE},   {{192, 0, 2, 0}, 24, NOWHERE},
	    {{192, 88, 99, 0}, 24, NOWHERE}, {{192, 168, 0, 0}, 16, LOCAL},
	    {{198, 18, 0, 0}, 15, LOCAL},    {{198, 51, 100, 0}, 24, NOWHERE},
	    {{203, 0, 113, 0}, 24, NOWHERE}, {{224, 0, 0, 0}, 3, NOWHERE},
	};
	uint32_t v = (uint32_t)a[0] << 24 | (uint32_t)a[1] << 16 | (uint32_t)a[2] << 8 | a[3];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const unsigned char *n = rows[i].net;
		uint32_t net =
		    (uint32_t)n[0] << 24 | (uint32_t)n[1] << 16 | (uint32_t)n[2] << 8 | n[3];

		if ((v ^ net) >> (32 - rows[i].bits) == 0)
			return rows[i].place;
	}
	return PUBLIC;
}

static enum place place_v6(const unsigned char a[16])
{
	static const unsigned char zero[16], nat64[12] = {0, 0x64, 0xff, 0x9b};
	static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	if (memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
		return place_v4(a + 12);
	if (memcmp(a, zero, 15) == 0)
		return a[15] == 1 ? LOCAL : NOWHERE;
	if (memcmp(a, zero, 12) == 0)
		return NOWHERE; /* IPv4-compatible: never used */
	if (a[0] == 0x20 && a[1] == 0x02)
		return place_v4(a + 2); /* 6to4 */
	if (a[0] == 0xfe && (a[1] & 0xc0) == 0x80)
		return LINK;
	if ((a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0xc0))
		return LOCAL;
	/* only 2000::/3 is given out; of it not documentation, Teredo, ORCHID */
	if ((a[0] & 0xe0) != 0x20 || (a[0] == 0x20 && a[1] == 0x01 && a[2] < 0x02) ||
	    (a[0] == 0x20 && a[1] == 0x01 && a[2] == 0x0d && a[3] == 0xb8))
		return NOWHERE;
	return PUBLIC;
}

const char *upstream_may_connect(const struct upstream *up, const struct sockaddr *addr)
{
	enum place place = NOWHERE;

	if (addr->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)addr;

		place = place_v4((const unsigned char *)&in->sin_addr);
	} else if (addr->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)addr;

		place = place_v6(in6->sin6_addr.s6_addr);
	}
	switch (place) {
	case PUBLIC:
		return NULL;
	case LOCAL:
		return up->is_private
			   ? NULL
			   : "its name leads to a private address, and it is not private = yes";
	case LINK: /* where clouds keep their credentials */
		return "its name leads to a link-local address";
	case NOWHERE:
		break;
	}
	return "its name leads to an address that nobody can have";
}

/* ---- rates ------------------------------------------------------------------------------- */

uint64_t upstream_rate(const struct upstream *up, int64_t now_s)
{
	time_t t = (time_t)now_s;
	struct tm tm;
	unsigned min;

	if (up->window_count == 0 || localtime_r(&t, &tm) == NULL)
		return up->max_rate;
	min = (unsigned)(tm.tm_hour * 60 + tm.tm_min);
	for (unsigned i = 0; i < up->window_count; i++) {
		const struct upstream_window *w = &up->window[i];
		bool in = w->from_min <= w->to_min ? min >= w->from_min && min < w->to_min
						   : min >= w->from_min || min < w->to_min;

		if (in)
			return w->rate;
	}
	return up->max_rate;
}

unsigned upstream_take(struct upstream *up, uint64_t rate, size_t size, uint64_t now_ns)
{
	double per_s, most;

	if (rate == 0)
		return 0;
	if (rate == UPSTREAM_CLOSED)
		return 1000;
	per_s = (double)rate;
	most = per_s / 8; /* what was not used is made up for, but never more than that */
	if (up->bucket_ns == 0)
		up->bucket = 1;
	else
		up->bucket += per_s * (double)(now_ns - up->bucket_ns) / 1e9;
	if (up->bucket > most)
		up->bucket = most;
	up->bucket_ns = now_ns;
	if (up->bucket > 0) {
		up->bucket -= (double)size;
		return 0;
	}
	return 1 + (unsigned)(-up->bucket / per_s * 1000);
}

/* ---- values -------------------------------------------------------------------------------- */

static bool parse_revalidate(const char *s, uint64_t *out)
{
	char digits[24];
	size_t n = strspn(s, "0123456789");

	if (strcmp(s, "never") == 0) {
		*out = UPSTREAM_NEVER;
		return true;
	}
	if (n > 0 && n < sizeof(digits) - 1 && strncmp(s + n, " minute", 7) == 0) {
		memcpy(digits, s, n);
		memcpy(digits + n, "m", 2);
		return settings_parse_time(digits, out);
	}
	return settings_parse_time(s, out);
}

static bool parse_clock(const char *s, unsigned *out)
{
	unsigned h, m;
	char rest;

	/* NOLINTNEXTLINE(cert-err34-c): two digits each */
	if (sscanf(s, "%2u:%2u%c", &h, &m, &rest) != 2 || h > 24 || m > 59 || h * 60 + m > 1440)
		return false;
	*out = h * 60 + m;
	return true;
}

/* HH:MM-HH:MM=RATE */
static bool parse_window(const char *s, struct upstream_window *out)
{
	char from[8], to[8], rate[32], rest;

	if (sscanf(s, "%7[0-9:]-%7[0-9:]=%31[0-9a-zA-Z]%c", from, to, rate, &rest) != 3 ||
	    !parse_clock(from, &out->from_min) || !parse_clock(to, &out->to_min))
		return false;
	if (strcmp(rate, "off") == 0) {
		out->rate = UPSTREAM_CLOSED;
		return true;
	}
	return settings_parse_size(rate, &out->rate);
}

/* Call ${fn} for each word of a list; false as soon as it says so. */
static bool each_word(const char *s, bool (*fn)(void *arg, const char *word), void *arg)
{
	char word[300];

	for (;;) {
		size_t n;

		s += strspn(s, " \t,");
		n = strcspn(s, " \t,");
		if (n == 0)
			return true;
		if (n >= sizeof(word))
			return false;
		memcpy(word, s, n);
		word[n] = '\0';
		if (!fn(arg, word))
			return false;
		s += n;
	}
}

static bool window_word(void *arg, const char *word)
{
	struct upstream *up = arg;

	if (up->window_count >= UPSTREAM_WINDOWS_MAX ||
	    !parse_window(word, &up->window[up->window_count]))
		return false;
	up->window_count++;
	return true;
}

static bool host_word(void *arg, const char *word)
{
	(void)arg;
	return strpbrk(word, "/@?#%*") == NULL && word[0] != ':';
}

static bool flag(const char *s, bool *out)
{
	*out = strcmp(s, "yes") == 0 || strcmp(s, "true") == 0 || strcmp(s, "on") == 0 ||
	       strcmp(s, "1") == 0;
	return *out || strcmp(s, "no") == 0 || strcmp(s, "false") == 0 || strcmp(s, "off") == 0 ||
	       strcmp(s, "0") == 0;
}

static bool count(const char *s, unsigned least, unsigned most, unsigned *out)
{
	char *end;
	unsigned long n = strtoul(s, &end, 10);

	if (end == s || *end != '\0' || s[0] < '0' || s[0] > '9' || n < least || n > most)
		return false;
	*out = (unsigned)n;
	return true;
}

/* One key into ${up}; NULL, or what is wrong.  Strings are not kept. */
static const char *set(struct upstream *up, const char *key, const char *value)
{
	if (strcmp(key, "url") == 0)
		return upstream_origin_of(value, &up->origin) && strpbrk(value, "?#") == NULL
			   ? NULL
			   : "is not http(s)://host[:port][/path]";
	if (strcmp(key, "layout") == 0) {
		up->layout = strcmp(value, "plain") == 0 ? UPSTREAM_PLAIN : UPSTREAM_HUB;
		return up->layout == UPSTREAM_PLAIN || strcmp(value, "hub") == 0
			   ? NULL
			   : "is not hub or plain";
	}
	if (strcmp(key, "redirect_hosts") == 0)
		return each_word(value, host_word, NULL) ? NULL
							 : "is not a list of host or host:port";
	if (strcmp(key, "max_rate") == 0)
		return settings_parse_size(value, &up->max_rate)
			   ? NULL
			   : "is not a rate (bytes per second, with K, M or G)";
	if (strcmp(key, "schedule") == 0)
		return each_word(value, window_word, up) ? NULL
							 : "is not a list of HH:MM-HH:MM=RATE";
	if (strcmp(key, "concurrency") == 0)
		return count(value, 1, CONCURRENCY_MAX, &up->concurrency)
			   ? NULL
			   : "is not a number from 1 to 64";
	if (strcmp(key, "retries") == 0)
		return count(value, 0, RETRIES_MAX, &up->retries) ? NULL : "is not a number";
	if (strcmp(key, "private") == 0)
		return flag(value, &up->is_private) ? NULL : "is not yes or no";
	if (strcmp(key, "chunks") == 0)
		return flag(value, &up->chunks) ? NULL : "is not yes or no";
	if (strcmp(key, "revalidate") == 0)
		return parse_revalidate(value, &up->revalidate_s) ? NULL : "is not a time or never";
	if (strcmp(key, "negative") == 0)
		return settings_parse_time(value, &up->negative_s) ? NULL : "is not a time";
	if (strcmp(key, "stall_timeout") == 0)
		return settings_parse_time(value, &up->stall_s) && up->stall_s > 0
			   ? NULL
			   : "is not a time";
	return NULL; /* files and the proxy: seen when they are used */
}

const char *upstream_check(const char *key, const char *value)
{
	struct upstream up = {.name = NULL};

	return set(&up, key, value);
}

/* ---- all of them ------------------------------------------------------------------------------
 */

static char *keep(struct upstreams *all, const char *s, size_t n)
{
	char *p = arena_copy(&all->arena, s, n);

	must(p != NULL);
	return p;
}

/* The first line of a token's file; NULL when there is none. */
static const char *read_token(struct upstreams *all, const char *path)
{
	char line[TOKEN_MAX];
	FILE *f = fopen(path, "re");
	bool ok = f != NULL && fgets(line, sizeof(line), f) != NULL;

	if (f != NULL)
		(void)fclose(f);
	if (!ok)
		return NULL;
	line[strcspn(line, "\r\n")] = '\0';
	for (const char *s = line; *s != '\0'; s++) {
		if (*s < 0x21 || *s > 0x7e)
			return NULL;
	}
	return line[0] == '\0' ? NULL : keep(all, line, strlen(line));
}

struct words {
	struct upstreams *all;
	const char **item;
	unsigned count;
};

static bool add_word(void *arg, const char *word)
{
	struct words *w = arg;

	w->item[w->count++] = keep(w->all, word, strlen(word));
	return true;
}

static int load_one(struct upstreams *all, const struct settings_section *s, struct upstream *up)
{
	*up = (struct upstream){.name = keep(all, s->name, strlen(s->name)),
				.concurrency = CONCURRENCY_DEFAULT,
				.retries = RETRIES_DEFAULT,
				.revalidate_s = REVALIDATE_DEFAULT_S,
				.negative_s = NEGATIVE_DEFAULT_S,
				.stall_s = STALL_DEFAULT_S,
				.chunks = true};
	for (unsigned i = 0; i < s->count; i++) {
		const char *key = s->pair[i].key, *value = s->pair[i].value;
		size_t n = strlen(value);

		(void)set(up, key, value);
		if (strcmp(key, "url") == 0) {
			while (n > 0 && value[n - 1] == '/')
				n--;
			up->url = keep(all, value, n);
		} else if (strcmp(key, "redirect_hosts") == 0) {
			struct words w = {.all = all};

			w.item = arena_zalloc(&all->arena, (n / 2 + 1) * sizeof(w.item[0]));
			must(w.item != NULL);
			(void)each_word(value, add_word, &w);
			up->redirect_host = (const char *const *)w.item;
			up->redirect_count = w.count;
		} else if (strcmp(key, "proxy") == 0) {
			up->proxy = keep(all, value, n);
		} else if (strcmp(key, "ca_file") == 0) {
			up->ca_file = keep(all, value, n);
		} else if (strcmp(key, "token_file") == 0) {
			up->token = read_token(all, value);
			if (up->token == NULL) {
				log_error("upstream", "name=%s error=\"no token in token_file\"",
					  up->name);
				return -1;
			}
		}
	}
	return 0;
}

int upstream_load(const struct settings *settings, struct upstreams **out)
{
	struct upstreams *all = calloc(1, sizeof(*all));

	must(all != NULL);
	arena_init(&all->arena);
	all->item = arena_zalloc(&all->arena,
				 ((size_t)settings->upstream_count + 1) * sizeof(all->item[0]));
	must(all->item != NULL);
	for (unsigned i = 0; i < settings->upstream_count; i++) {
		if (load_one(all, &settings->upstream[i], &all->item[i]) != 0) {
			upstream_unload(all);
			return -1;
		}
		all->count++;
	}
	if (settings->default_upstream != NULL)
		all->fallback = upstream_find(all, settings->default_upstream);
	else if (all->count == 1)
		all->fallback = &all->item[0];
	*out = all;
	return 0;
}

void upstream_unload(struct upstreams *all)
{
	if (all == NULL)
		return;
	arena_release(&all->arena);
	free(all);
}

struct upstream *upstream_find(struct upstreams *all, const char *name)
{
	if (name == NULL)
		return all->fallback;
	for (unsigned i = 0; i < all->count; i++) {
		if (strcmp(all->item[i].name, name) == 0)
			return &all->item[i];
	}
	return NULL;
}

struct upstream *upstream_at(struct upstreams *all, unsigned i)
{
	return i < all->count ? &all->item[i] : NULL;
}
