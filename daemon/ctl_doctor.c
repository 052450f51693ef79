/* SPDX-License-Identifier: MIT */
/*
 * ctl_doctor.c — `larderctl doctor`: looks at what usually goes wrong on a machine, a line for
 * each, and says what to do.  Changes nothing.
 */
#include <config.h>

#include "daemon/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_MS 3000
#define LITTLE_BYTES (UINT64_C(1) << 30)
#define SOCKET_UNIT "systemctl start larder.socket larder-admin.socket"

enum verdict { GOOD, WARNING, BAD };

struct doctor {
	struct ctl *ctl;
	json_t *findings;
	bool bad;
};

static void finding(struct doctor *d, enum verdict v, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void finding(struct doctor *d, enum verdict v, const char *what, const char *fmt, ...)
{
	static const char *const words[] = {"ok", "warning", "bad"};
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	d->bad |= v == BAD;
	if (!d->ctl->json)
		printf("%-8s %-12s %s\n", words[v], what, text);
	json_array_append_new(d->findings, json_pack("{s:s,s:s,s:s}", "verdict", words[v], "what",
						     what, "text", text));
}

/* ---- the machine -------------------------------------------------------------------- */

static void look_at_disk(struct doctor *d, const json_t *root)
{
	const json_t *quota = json_object_get(root, "quota");
	const char *dir = ctl_text(root, "state_dir");
	uint64_t max = ctl_count(quota, "max_bytes"), used = ctl_count(quota, "used_bytes"), free;
	struct statvfs fs;
	char a[16], b[16];

	if (statvfs(dir, &fs) != 0) {
		finding(d, WARNING, "disk", "%s: %s; ask again with sudo", dir, strerror(errno));
		return;
	}
	free = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (free < LITTLE_BYTES)
		finding(d, BAD, "disk",
			"only %s free below %s: larderctl gc, larderctl rm, or more disk",
			ctl_bytes(free, a), dir);
	else if (max != 0 && max > used && max - used > free)
		finding(d, WARNING, "disk",
			"%s free, but max_size lets the store grow by %s: set a smaller one",
			ctl_bytes(free, a), ctl_bytes(max - used, b));
	else
		finding(d, GOOD, "disk", "%s free", ctl_bytes(free, a));
	if (max == 0)
		finding(d, WARNING, "quota", "max_size is not set: the store may fill the disk");
}

static void look_at_modes(struct doctor *d, const json_t *root)
{
	const char *dir = ctl_text(root, "state_dir"), *config = ctl_text(root, "config_file");
	struct stat st;

	if (stat(dir, &st) == 0 && (st.st_mode & 0022) != 0)
		finding(d, BAD, "permissions", "others may write to %s: chmod 0700 %s", dir, dir);
	else if (stat(config, &st) == 0 && (st.st_mode & 0022) != 0)
		finding(d, BAD, "permissions", "others may write to %s: chmod 0644 %s", config,
			config);
	else if (stat(ctl_http_path(d->ctl->http), &st) == 0 && (st.st_mode & 0007) != 0)
		finding(d, BAD, "permissions", "everybody may administer: chmod 0660 %s",
			ctl_http_path(d->ctl->http));
	else
		finding(d, GOOD, "permissions", "of socket, state folder and configuration");
}

/* A clock from before this program was installed makes every certificate wrong. */
static void look_at_clock(struct doctor *d)
{
	time_t now = time(NULL);
	struct stat st;
	char text[64] = "";
	struct tm tm;

	if (gmtime_r(&now, &tm) != NULL)
		(void)strftime(text, sizeof text, "%Y-%m-%d %H:%M:%SZ", &tm);
	if (stat("/proc/self/exe", &st) == 0 && now + 86400 < st.st_mtime)
		finding(d, BAD, "clock",
			"%s is before larderctl was installed: timedatectl set-ntp true", text);
	else
		finding(d, GOOD, "clock", "%s", text);
}

/* ---- connections --------------------------------------------------------------------- */

/* Connect to ${a} in time: 0 or an errno. */
static int reach(const struct addrinfo *a)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), why = 0;
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	socklen_t size = sizeof why;

	if (fd < 0)
		return errno;
	if (connect(fd, a->ai_addr, a->ai_addrlen) != 0 && errno != EINPROGRESS)
		why = errno;
	else if (poll(&p, 1, CONNECT_MS) <= 0)
		why = ETIMEDOUT;
	else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size) != 0)
		why = errno;
	(void)close(fd);
	return why;
}

/* ${host}:${port}, by name or address: NULL, or what is wrong. */
static const char *reach_name(const char *host, const char *port)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list, *a;
	int rc = getaddrinfo(host, port, &hints, &list), why = EHOSTUNREACH;

	if (rc != 0)
		return gai_strerror(rc);
	for (a = list; a != NULL && why != 0; a = a->ai_next)
		why = reach(a);
	freeaddrinfo(list);
	return why == 0 ? NULL : strerror(why);
}

/* `host:port`, `[host]:port` in ${s}: cut in place; false when there is no port. */
static bool cut(char *s, char **ret_host, char **ret_port)
{
	char *colon = strrchr(s, ':');

	if (colon == NULL || colon == s)
		return false;
	*colon = '\0';
	*ret_port = colon + 1;
	*ret_host = s;
	if (s[0] == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		*ret_host = s + 1;
	}
	return true;
}

static void look_at_ports(struct doctor *d, const json_t *root)
{
	char address[256], *host, *port;
	const char *problem;
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(root, "listen"), i, v)
	{
		(void)snprintf(address, sizeof address, "%s", json_string_value(v));
		if (!cut(address, &host, &port) || strcmp(port, "0") == 0)
			continue;
		problem = reach_name(host, port);
		if (problem == NULL)
			finding(d, GOOD, "port", "%s answers", json_string_value(v));
		else
			finding(d, strchr(host, ':') != NULL ? WARNING : BAD, "port",
				"%s: %s: is something else there? " SOCKET_UNIT,
				json_string_value(v), problem);
	}
}

static void look_at_upstreams(struct doctor *d, const json_t *root)
{
	char address[300], *host, *port;
	const char *url, *problem;
	const json_t *v;
	bool https;
	size_t i;

	if (json_is_true(json_object_get(root, "offline"))) {
		finding(d, GOOD, "upstreams", "offline: none is asked");
		return;
	}
	json_array_foreach(json_object_get(root, "upstreams"), i, v)
	{
		url = ctl_text(v, "reached_by");
		https = strncmp(url, "https:", 6) == 0;
		url = strstr(url, "://") == NULL ? url : strstr(url, "://") + 3;
		(void)snprintf(address, sizeof address, "%.*s", (int)strcspn(url, "/"), url);
		if (strchr(address, ']') == NULL ? strchr(address, ':') == NULL
						 : strstr(address, "]:") == NULL)
			(void)snprintf(address + strlen(address), sizeof address - strlen(address),
				       https ? ":443" : ":80");
		if (!cut(address, &host, &port))
			continue;
		problem = reach_name(host, port);
		if (problem == NULL)
			finding(d, GOOD, "upstream", "%s: %s is there", ctl_text(v, "name"), host);
		else
			finding(d, WARNING, "upstream",
				"%s: %s: %s: look at network, name service and proxy",
				ctl_text(v, "name"), host, problem);
	}
}

/* ---- the daemon, browsers --------------------------------------------------------------- */

static void look_at_daemon(struct doctor *d, const json_t *root)
{
	const json_t *health = json_object_get(root, "health");
	const json_t *layers = json_object_get(root, "confinement");

	if (strcmp(ctl_text(health, "status"), "degraded") == 0)
		finding(d, BAD, "store", "%s: larderctl verify", ctl_text(health, "text"));
	else
		finding(d, GOOD, "store", "in order");
	if (!json_is_true(json_object_get(layers, "seccomp")) || ctl_count(layers, "landlock") == 0)
		finding(d, WARNING, "confinement",
			"not all layers are on: larderd --check-confinement says which");
	else
		finding(d, GOOD, "confinement", "seccomp and Landlock");
}

/* Whether the file at ${path} has all of ${origins}; the first that it lacks. */
static const char *lacks(const char *path, const json_t *origins)
{
	json_t *file = json_load_file(path, 0, NULL), *v;
	char *text = file != NULL ? json_dumps(file, JSON_COMPACT) : NULL;
	const char *missing = NULL;
	size_t i;

	json_array_foreach(origins, i, v)
	{
		const char *origin = ctl_text(v, "origin"), *host = strstr(origin, "://");
		char name[260];

		if (host == NULL)
			continue;
		(void)snprintf(name, sizeof name, "\"%s\"", origin);
		if (text != NULL && strstr(text, name) != NULL)
			continue;
		(void)snprintf(name, sizeof name, "\"%.*s\"", (int)strcspn(host + 3, ":"),
			       host + 3);
		if (text != NULL && strstr(path, "firefox") != NULL && strstr(text, name) != NULL)
			continue;
		missing = origin;
		break;
	}
	free(text);
	json_decref(file);
	return missing;
}

static void look_at_browsers(struct doctor *d)
{
	static const struct {
		const char *name, *folder, *path;
	} browsers[] = {
	    {"chromium", "/etc/chromium", "/etc/chromium/policies/managed/larder.json"},
	    {"chrome", "/etc/opt/chrome", "/etc/opt/chrome/policies/managed/larder.json"},
	    {"edge", "/etc/opt/edge", "/etc/opt/edge/policies/managed/larder.json"},
	    {"firefox", "/etc/firefox", "/etc/firefox/policies/policies.json"},
	};
	json_t *root = NULL, *origins;

	if (ctl_ask(d->ctl, "GET", strdup("/admin/v1/origins"), &root) != CTL_OK)
		return;
	origins = json_object_get(root, "origins");
	if (json_array_size(origins) == 0)
		finding(d, WARNING, "origins",
			"no page may use the daemon: larderctl origins add https://…");
	for (size_t i = 0; i < sizeof browsers / sizeof *browsers; i++) {
		const char *missing;

		if (access(browsers[i].folder, F_OK) != 0)
			continue;
		missing = lacks(browsers[i].path, origins);
		if (missing == NULL)
			finding(d, GOOD, "browser", "%s asks for no allowed origin",
				browsers[i].name);
		else
			finding(
			    d, WARNING, "browser",
			    "%s asks before %s reaches larder: larderctl policies %s | sudo tee %s",
			    browsers[i].name, missing, browsers[i].name, browsers[i].path);
	}
	json_decref(root);
}

/* Nobody answers: what may be why, seen from outside. */
static void look_from_outside(struct doctor *d)
{
	static const char port[] = "8411", state[] = "/var/lib/larder";
	struct statvfs fs;
	char size[16];

	finding(d, BAD, "daemon",
		"nobody answers at %s: " SOCKET_UNIT "; journalctl -u larder and larderd "
		"--check-config say why not",
		ctl_http_path(d->ctl->http));
	if (reach_name("127.0.0.1", port) == NULL)
		finding(d, WARNING, "port",
			"127.0.0.1:%s is taken: unless that is larder.socket, larderd cannot have "
			"it; sudo ss -ltnp sport = :%s says by whom",
			port, port);
	else
		finding(d, GOOD, "port", "127.0.0.1:%s is free", port);
	if (statvfs(state, &fs) != 0)
		return;
	ctl_bytes((uint64_t)fs.f_bavail * fs.f_frsize, size);
	if ((uint64_t)fs.f_bavail * fs.f_frsize < LITTLE_BYTES)
		finding(d, BAD, "disk", "only %s free below %s: more disk", size, state);
	else
		finding(d, GOOD, "disk", "%s free", size);
}

int ctl_command_doctor(struct ctl *ctl)
{
	struct doctor d = {.ctl = ctl, .findings = json_array()};
	json_t *root = NULL;

	if (ctl->argc != 0)
		return ctl_usage(ctl, "no arguments, please");
	look_at_clock(&d);
	if (ctl_ask(ctl, "GET", strdup("/admin/v1/stats"), &root) == CTL_OK) {
		finding(&d, GOOD, "daemon", "larderd %s answers", ctl_text(root, "version"));
		look_at_daemon(&d, root);
		look_at_disk(&d, root);
		look_at_modes(&d, root);
		look_at_ports(&d, root);
		look_at_upstreams(&d, root);
		look_at_browsers(&d);
	} else if (access(ctl_http_path(ctl->http), F_OK) == 0 &&
		   access(ctl_http_path(ctl->http), R_OK | W_OK) != 0) {
		finding(&d, BAD, "daemon",
			"you may not administer: sudo, or sudo adduser \"$USER\" larder-admin and "
			"log in again");
	} else {
		look_from_outside(&d);
	}
	if (ctl->json)
		ctl_print_json(d.findings);
	json_decref(root);
	json_decref(d.findings);
	return d.bad ? CTL_FAILED : CTL_OK;
}
