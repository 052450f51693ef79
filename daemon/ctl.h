/* SPDX-License-Identifier: MIT */
/*
 * ctl.h — what the files of larderctl share: how it was called, and how it talks.
 * larderctl knows the daemon only through its administration socket.
 */
#ifndef LARDER_DAEMON_CTL_H
#define LARDER_DAEMON_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/ctl_http.h"

enum { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2 }; /* exit statuses */

struct ctl {
	struct ctl_http *http;
	bool json;        /* --json: answers as JSON on standard output, nothing else there */
	bool terminal;    /* standard error is one: progress bars */
	const char *name; /* of the command */
	int argc;         /* arguments after the command */
	char **argv;
};

/* A command: an exit status; messages are written. */
typedef int ctl_command_f(struct ctl *ctl);
#define COMMAND(name, fn, args, help) ctl_command_f ctl_command_##fn;
#include "daemon/commands.def"
#undef COMMAND

/* ctl_usage(ctl, fmt, …): what was wrong and how the command is called; returns CTL_USAGE. */
int ctl_usage(struct ctl *ctl, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* ctl_fail(fmt, …): one line to standard error; returns CTL_FAILED. */
int ctl_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * ctl_options(ctl, known, values): take `--key value` and `--key=value` of the
 * list ${known} (NULL at its end) out of the arguments; values[i] is the last
 * one given, or NULL.  false after a usage message.  `--` ends the options.
 */
bool ctl_options(struct ctl *ctl, const char *const *known, const char **values);

/* ctl_encode(s): percent-encoded for a path or query, `/` kept; the caller frees it. */
char *ctl_encode(const char *s);
/*
 * ctl_target(before, model, after): the target of a request about MODEL[@REV]:
 * `before` model `after` ?revision=REV.  The caller frees it.
 */
char *ctl_target(const char *before, const char *model, const char *after);

/*
 * ctl_call(ctl, rq, out): one request; CTL_OK with the answer's JSON (NULL when
 * it has none) in *out, to be given to json_decref.  Anything but a 2xx is
 * reported on standard error: CTL_FAILED.
 */
int ctl_call(struct ctl *ctl, const struct ctl_http_request *rq, json_t **out);
/* ctl_ask(ctl, method, target, out): the same without a body; ${target} is freed. */
int ctl_ask(struct ctl *ctl, const char *method, char *target, json_t **out);
/* ctl_text, ctl_count: a member of an object; "?" and 0 when it is not there. */
const char *ctl_text(const json_t *v, const char *key);
uint64_t ctl_count(const json_t *v, const char *key);
/* ctl_print_json(v): to standard output, with a newline. */
void ctl_print_json(const json_t *v);
/* ctl_refused(answer): the daemon's own words to standard error; returns CTL_FAILED. */
int ctl_refused(const struct ctl_http_answer *answer);

/* ctl_bytes(n, buf): "1.4 MiB". */
const char *ctl_bytes(uint64_t n, char buf[16]);

#endif
