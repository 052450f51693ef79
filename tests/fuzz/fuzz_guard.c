/* SPDX-License-Identifier: MIT */
/*
 * Any text as what the guards look at: lines of target, Host, Origin, Sec-Fetch-Site,
 * Sec-Fetch-Mode, Sec-Fetch-Dest, Content-Length, Transfer-Encoding, Content-Type, Authorization,
 * in that order; an empty line is a header that is not there. The first byte chooses method and
 * plane. What passes must be on a list that is written down here once more.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "daemon/fault.h"
#include "daemon/guard.h"
#include "daemon/origins.h"
#include "daemon/request.h"
#include "daemon/settings.h"
#include "tests/fuzz/fuzz.h"

#define LINES 10
#define TOKEN "0123456789abcdef0123456789abcdef"

static const uint16_t ports[] = {8411};
static struct origins *origins;
static struct settings settings;

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void begin(void)
{
	static char state[] = "/tmp/fuzz-guard-XXXXXX";
	static const char *hosts[] = {"larder.local"}, *allowed[] = {"https://app.example"};

	check(mkdtemp(state) != NULL);
	settings.state_dir = state;
	settings.hosts = (struct settings_list){hosts, 1};
	settings.origins = (struct settings_list){allowed, 1};
	settings.admin_tcp = true;
	check(origins_open(&settings, &origins) == 0);
	(void)rmdir(state);
}

/* Whether ${s} is one of our names, with our port; as an Origin it needs it (80 is not ours). */
static bool ours(const char *s, bool with_port)
{
	static const char *names[] = {"localhost", "127.0.0.1", "[::1]", "larder.local"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t n = strlen(names[i]);

		if (strncasecmp(s, names[i], n) == 0 &&
		    ((s[n] == '\0' && !with_port) || strcmp(s + n, ":8411") == 0))
			return true;
	}
	return false;
}

static bool is(const char *value, const char *what)
{
	return value != NULL && strcmp(value, what) == 0;
}

/* A page may have been the one who asked: what may it have been? */
static void check_origin(const struct guard_view *v, enum route_plane plane,
			 const struct guard_cors *cors)
{
	const char *origin = v->header[HEADER_ORIGIN], *site = v->header[HEADER_SEC_FETCH_SITE];
	bool own = origin != NULL && strncmp(origin, "http://", 7) == 0 && ours(origin + 7, true);
	bool writes = v->method != GET && v->method != HEAD && v->method != OPTIONS;

	check(!v->unix_socket || (origin == NULL && site == NULL));
	if (origin == NULL && site == NULL)
		return;
	check(!writes || (!is(v->header[HEADER_SEC_FETCH_MODE], "no-cors") &&
			  !is(v->header[HEADER_SEC_FETCH_MODE], "navigate")));
	if (origin != NULL) {
		check(own || (plane == DATA && strcasecmp(origin, "https://app.example") == 0));
		check(plane == ADMIN ? cors->origin == NULL : cors->origin == origin);
	} else {
		check(is(site, "same-origin") || is(site, "none"));
		check(cors->origin == NULL);
	}
	check(!cors->any);
}

static void guard_all(struct guard_view *v, enum route_plane plane)
{
	const char *length = v->header[HEADER_CONTENT_LENGTH], *path, *query;
	static struct fault fault;
	struct guard_cors cors;
	uint64_t body = 7;
	size_t size;

	if (guard_framing(v, &body, &fault) == 0) {
		bool chunked = v->header[HEADER_TRANSFER_ENCODING] != NULL;

		check(!chunked || length == NULL);
		check(chunked == (body == UINT64_MAX));
		check(chunked || (length == NULL && body == 0) ||
		      (length != NULL && strspn(length, "0123456789") == strlen(length) &&
		       body == strtoull(length, NULL, 10)));
	} else {
		check(fault.http == 400 || fault.http == 501 || fault.http == 415);
	}
	if (guard_host(v, &fault) == 0)
		check(v->unix_socket || ours(v->header[HEADER_HOST], false));
	else
		check(fault.http == 400 || fault.http == 421);
	if (guard_target(v, &path, &size, &query, &fault) == 0 && v->method != OPTIONS) {
		check(size > 0 && path[0] == '/' && memchr(path, '?', size) == NULL);
		/* an absolute-form without a path means `/` */
		check((path >= v->target && path + size <= v->target + strlen(v->target)) ||
		      (size == 1 && strncasecmp(v->target, "http://", 7) == 0));
	}
	if (guard_origin(v, ORIGIN, plane, &cors, &fault) == 0)
		check_origin(v, plane, &cors);
	else
		check(fault.http == 403);
	if (plane == ADMIN && guard_admin(v, plane, TOKEN, &fault) == 0)
		check(v->unix_socket || is(v->header[HEADER_AUTHORIZATION], "Bearer " TOKEN) ||
		      (v->header[HEADER_AUTHORIZATION] != NULL &&
		       strstr(v->header[HEADER_AUTHORIZATION], TOKEN) != NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum route_method methods[] = {GET, HEAD, POST, PUT, DELETE, OPTIONS};
	static const int order[LINES] = {
	    -1,
	    HEADER_HOST,
	    HEADER_ORIGIN,
	    HEADER_SEC_FETCH_SITE,
	    HEADER_SEC_FETCH_MODE,
	    HEADER_SEC_FETCH_DEST,
	    HEADER_CONTENT_LENGTH,
	    HEADER_TRANSFER_ENCODING,
	    HEADER_CONTENT_TYPE,
	    HEADER_AUTHORIZATION,
	};
	const char *header[HEADER_COUNT] = {NULL};
	struct guard_view v = {
	    .header = header,
	    .target = "",
	    .ports = ports,
	    .port_count = 1,
	    .settings = &settings,
	};
	char *text, *at;

	if (size == 0)
		return 0;
	if (origins == NULL)
		begin();
	v.origins = origins;
	v.method = methods[(data[0] & 7) % 6];
	v.unix_socket = (data[0] & 0x80) != 0;
	text = malloc(size);
	check(text != NULL);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	at = text;
	for (int i = 0; i < LINES && at != NULL; i++) {
		char *line = strsep(&at, "\n");

		if (order[i] < 0)
			v.target = line;
		else if (line[0] != '\0')
			header[order[i]] = line;
	}
	guard_all(&v, (data[0] & 0x40) != 0 ? ADMIN : DATA);
	free(text);
	return 0;
}
