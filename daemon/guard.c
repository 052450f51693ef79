/* SPDX-License-Identifier: MIT */
/*
 * guard.c — what a web page may do with the daemon: pure functions over the
 * headers of a request.  Called by server.c before any handler; must never
 * look at a body, never answer by itself and never be lenient (ECOSYSTEM of
 * localhost daemons: every leniency became somebody's DNS rebinding).
 */
#include <config.h>

#include "daemon/guard.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "daemon/fault.h"
#include "daemon/origins.h"
#include "daemon/request.h"
#include "daemon/settings.h"

bool guard_field_name(const char *name, size_t size)
{
	/* RFC 9110 §5.6.2: letters, digits and !#$%&'*+-.^_`|~ as bits */
	static const uint32_t token[4] = {0x00000000, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff};

	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c >= 0x80 || (token[c >> 5] & (UINT32_C(1) << (c & 31))) == 0)
			return false;
	}
	return size > 0;
}

bool guard_line_whole(const char *end, const char *name, size_t name_size, const char *value)
{
	const char *s = name + name_size + 1;

	if (end == NULL || (uintptr_t)name != (uintptr_t)end + 2)
		return false;
	if (value == NULL)
		return true;
	/* a folded line was copied away: its value lies before it */
	while ((uintptr_t)s < (uintptr_t)value && (*s == ' ' || *s == '\t'))
		s++;
	return s == value;
}

const char *guard_request_line_end(const char *method, const char *url, const char *target,
				   const char *version)
{
	size_t method_size = strlen(method), target_size = strlen(target);

	if (!guard_field_name(method, method_size) ||
	    (uintptr_t)url != (uintptr_t)method + method_size + 1 ||
	    (uintptr_t)version != (uintptr_t)url + target_size + 1 ||
	    strncmp(version, "HTTP/", 5) != 0 || strlen(version) != 8)
		return NULL;
	for (size_t i = 0; i < target_size; i++) {
		if ((unsigned char)target[i] <= 0x20 || target[i] == 0x7f)
			return NULL;
	}
	return version + 8;
}

/* ---- framing (RFC 9112 §6) -------------------------------------------------- */

static bool length_of(const char *s, uint64_t *out)
{
	uint64_t value = 0;

	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9' || value > (UINT64_MAX - 9) / 10)
			return false;
		value = value * 10 + (uint64_t)(*s - '0');
	}
	*out = value;
	return value < (UINT64_C(1) << 62);
}

int guard_framing(const struct guard_view *v, uint64_t *ret_body, struct fault *fault)
{
	const char *length = v->header[HEADER_CONTENT_LENGTH];
	const char *coding = v->header[HEADER_TRANSFER_ENCODING];
	const char *encoding = v->header[HEADER_CONTENT_ENCODING];
	const char *expect = v->header[HEADER_EXPECT];

	*ret_body = 0;
	if (coding != NULL) {
		if (length != NULL)
			return fault_set(fault, 400,
					 "Content-Length together with Transfer-Encoding");
		if (v->http_1_0)
			return fault_set(fault, 400, "Transfer-Encoding in an HTTP/1.0 request");
		if (strcasecmp(coding, "chunked") != 0)
			return fault_set(fault, 501, "the only transfer coding is chunked");
		*ret_body = UINT64_MAX;
	} else if (length != NULL && !length_of(length, ret_body)) {
		return fault_set(fault, 400, "Content-Length is not one number");
	}
	if (encoding != NULL && strcasecmp(encoding, "identity") != 0)
		return fault_set(fault, 415, "encoded request bodies are not accepted");
	if (expect != NULL && strcasecmp(expect, "100-continue") != 0)
		return fault_set(fault, 417, "the only expectation is 100-continue");
	return 0;
}

/* ---- names -------------------------------------------------------------------- */

/* What an authority may hold: 0x21 to 0x7e without @ / \ , " < > # ? as bits. */
static const uint32_t name_bytes[4] = {0x00000000, 0x2fff6ff2, 0xeffffffe, 0x7fffffff};

enum name { NAME_OURS, NAME_FOREIGN, NAME_MALFORMED };

static bool port_ours(const struct guard_view *v, uint64_t port)
{
	for (unsigned i = 0; i < v->port_count; i++) {
		if (v->ports[i] == port)
			return true;
	}
	return false;
}

static bool same_name(const char *s, size_t size, const char *name)
{
	return strlen(name) == size && strncasecmp(s, name, size) == 0;
}

static bool host_ours(const struct guard_view *v, const char *s, size_t size)
{
	if (same_name(s, size, "localhost") || same_name(s, size, "127.0.0.1") ||
	    same_name(s, size, "[::1]"))
		return true;
	for (unsigned i = 0; i < v->settings->hosts.count; i++) {
		if (same_name(s, size, v->settings->hosts.item[i]))
			return true;
	}
	return false;
}

/* `host` or `host:port` in ${s}[size]; without a port it is ${fallback}, 0 = any. */
static enum name authority(const struct guard_view *v, const char *s, size_t size,
			   uint64_t fallback)
{
	uint64_t port = fallback;
	size_t host = 0;

	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 0x80 || (name_bytes[c >> 5] & (UINT32_C(1) << (c & 31))) == 0)
			return NAME_MALFORMED;
	}
	if (size > 0 && s[0] == '[') {
		const char *end = memchr(s, ']', size);

		if (end == NULL)
			return NAME_MALFORMED;
		host = (size_t)(end - s) + 1;
	} else {
		while (host < size && s[host] != ':')
			host++;
	}
	if (host == 0)
		return NAME_MALFORMED;
	if (host < size) {
		size_t digits = size - host - 1;

		if (s[host] != ':')
			return NAME_MALFORMED;
		if (digits == 0 || digits > 5)
			return NAME_FOREIGN;
		port = 0;
		for (size_t i = host + 1; i < size; i++) {
			if (s[i] < '0' || s[i] > '9')
				return NAME_MALFORMED;
			port = port * 10 + (uint64_t)(s[i] - '0');
		}
		if (s[host + 1] == '0') /* 0, or the port in a way that no browser writes it */
			return NAME_FOREIGN;
	}
	if (!host_ours(v, s, host) || (port != 0 && !port_ours(v, port)))
		return NAME_FOREIGN;
	return NAME_OURS;
}

static int name_fault(enum name name, struct fault *fault)
{
	if (name == NAME_MALFORMED)
		return fault_set(fault, 400, "the Host is malformed");
	return fault_set(fault, 421,
			 "larder does not answer to that Host; further names go into `hosts`");
}

int guard_host(const struct guard_view *v, struct fault *fault)
{
	const char *host = v->header[HEADER_HOST];
	enum name name;

	if (host == NULL || *host == '\0')
		return fault_set(fault, 400, "the Host is missing");
	if (v->unix_socket)
		return 0;
	name = authority(v, host, strlen(host), 0);
	return name == NAME_OURS ? 0 : name_fault(name, fault);
}

int guard_target(const struct guard_view *v, const char **ret_path, size_t *ret_size,
		 const char **ret_query, struct fault *fault)
{
	const char *path = v->target;
	const char *query;
	size_t size;

	if (strncasecmp(path, "http://", 7) == 0) {
		enum name name;

		path += 7;
		size = strcspn(path, "/?");
		name = authority(v, path, size, 80);
		if (v->unix_socket && name == NAME_FOREIGN)
			name = NAME_OURS;
		if (name != NAME_OURS)
			return name_fault(name, fault);
		path += size;
	} else if (*path != '/' && !(v->method == OPTIONS && strcmp(path, "*") == 0)) {
		return fault_set(fault, 400, "the target is not a path");
	}
	size = strcspn(path, "?");
	query = path[size] == '?' ? path + size + 1 : path + size;
	*ret_query = query;
	*ret_path = size == 0 ? "/" : path;
	*ret_size = size == 0 ? 1 : size;
	return 0;
}

/* ---- origins ------------------------------------------------------------------------ */

/* Our own pages: http://<a name of ours>:<a port of ours>. */
static bool own_origin(const struct guard_view *v, const char *origin)
{
	if (strncmp(origin, "http://", 7) != 0)
		return false;
	return authority(v, origin + 7, strlen(origin + 7), 80) == NAME_OURS;
}

static bool is(const char *value, const char *what)
{
	return value != NULL && strcmp(value, what) == 0;
}

/* Whether ${origin} may be quoted in an error and pasted into a shell. */
static bool quotable(const char *origin)
{
	size_t size = strlen(origin);

	return size > 0 && size <= 200 &&
	       strspn(origin, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			      ":/.-_[]") == size;
}

static int refuse(const struct guard_view *v, struct fault *fault)
{
	const char *origin = v->header[HEADER_ORIGIN];

	if (origin == NULL)
		return fault_set(fault, 403,
				 "requests from other sites need an allowed origin; the owner of "
				 "this machine allows one with: larderctl origins add ORIGIN");
	if (!quotable(origin))
		return fault_set(fault, 403,
				 "this origin is not allowed; the owner of this machine allows "
				 "one with: larderctl origins add ORIGIN");
	return fault_set(fault, 403,
			 "the origin %s is not allowed; the owner of this machine allows it with: "
			 "larderctl origins add %s",
			 origin, origin);
}

int guard_origin(const struct guard_view *v, unsigned guards, enum route_plane plane,
		 struct guard_cors *out, struct fault *fault)
{
	const char *origin = v->header[HEADER_ORIGIN];
	const char *site = v->header[HEADER_SEC_FETCH_SITE];
	const char *mode = v->header[HEADER_SEC_FETCH_MODE];
	bool reads = v->method == GET || v->method == HEAD;
	bool own;

	*out = (struct guard_cors){.any = (guards & PUBLIC_CODE) != 0};
	if (origin == NULL && site == NULL)
		return 0;
	if (v->unix_socket)
		return fault_set(fault, 403, "no page may use the admin socket");
	/* a stored script would answer for larder from then on; imports of others' are mode cors */
	if (is(mode, "same-origin") && is(v->header[HEADER_SEC_FETCH_DEST], "serviceworker"))
		return fault_set(fault, 403, "nothing of larder's may be a service worker");

	/* forms and no-cors requests change nothing, wherever they come from */
	if (!reads && v->method != OPTIONS && (is(mode, "no-cors") || is(mode, "navigate")))
		return refuse(v, fault);
	if (origin != NULL) {
		own = own_origin(v, origin);
		if (plane == ADMIN)
			return own ? 0 : refuse(v, fault);
		if (own || origins_allow(v->origins, origin)) {
			out->origin = origin;
			return 0;
		}
	} else if (is(site, "same-origin") || is(site, "none")) {
		return 0;
	} else if ((guards & PAGE) != 0 && reads && is(mode, "navigate") &&
		   is(v->header[HEADER_SEC_FETCH_DEST], "document")) {
		return 0;
	}
	if ((guards & (PUBLIC_CODE | PUBLIC_PROBE)) != 0 && plane == DATA &&
	    (reads || v->method == OPTIONS))
		return 0;
	return refuse(v, fault);
}

/* ---- bodies, administration ------------------------------------------------------------ */

static bool type_is(const char *value, const char *type)
{
	size_t size = strlen(type);

	return strncasecmp(value, type, size) == 0 && (value[size] == '\0' || value[size] == ';' ||
						       value[size] == ' ' || value[size] == '\t');
}

int guard_body(const struct guard_view *v, const struct route *route, uint64_t body, uint64_t limit,
	       struct fault *fault)
{
	const char *type = v->header[HEADER_CONTENT_TYPE];
	bool json, bytes;

	if (route->body == NO_BODY)
		return body == 0 ? 0 : fault_set(fault, 413, "this takes no body");
	if (body == 0)
		return 0;
	json = type != NULL && type_is(type, "application/json");
	/* clients of the inference protocol name none; a header that no simple request has is as
	 * good */
	bytes = type != NULL ? type_is(type, "application/octet-stream")
			     : route->body == BYTES && v->header[HEADER_INFERENCE_HEADER] != NULL;
	if (!(json && route->body != STREAM) && !(bytes && route->body != JSON))
		return fault_set(fault, 415, "the Content-Type must be %s",
				 route->body == JSON     ? "application/json"
				 : route->body == STREAM ? "application/octet-stream"
							 : "application/json or "
							   "application/octet-stream");
	if (body != UINT64_MAX && body > limit)
		return fault_set(fault, 413, "the body is larger than %llu bytes",
				 (unsigned long long)limit);
	return 0;
}

int guard_admin(const struct guard_view *v, enum route_plane plane, const char *token,
		struct fault *fault)
{
	const char *given = v->header[HEADER_AUTHORIZATION];
	size_t size;

	if (plane != ADMIN || v->unix_socket)
		return 0;
	if (!v->settings->admin_tcp)
		return fault_set(fault, 403, "administration is on the admin socket only");
	if (token == NULL || given == NULL || strncasecmp(given, "Bearer ", 7) != 0)
		return fault_set(fault, 401, "administration needs the bearer token");
	given += 7;
	size = strlen(given);
	if (size != strlen(token) || CRYPTO_memcmp(given, token, size) != 0)
		return fault_set(fault, 401, "administration needs the bearer token");
	return 0;
}
