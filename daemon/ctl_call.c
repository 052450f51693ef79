/* SPDX-License-Identifier: MIT */
/*
 * ctl_call.c — arguments, targets, requests and answers: what every command of
 * larderctl does the same way.  See ctl.h.
 */
#include <config.h>

#include "daemon/ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ctl_fail(const char *fmt, ...)
{
	va_list ap;

	fputs("larderctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return CTL_FAILED;
}

/* The index of option ${arg} in ${known}, or -1; *value: behind its `=`, or NULL. */
static int option_index(const char *arg, const char *const *known, const char **value)
{
	size_t n = strcspn(arg, "=");

	*value = arg[n] == '=' ? arg + n + 1 : NULL;
	for (int i = 0; known[i] != NULL; i++) {
		if (strlen(known[i]) == n && strncmp(known[i], arg, n) == 0)
			return i;
	}
	return -1;
}

bool ctl_options(struct ctl *ctl, const char *const *known, const char **values)
{
	int n = 0;

	for (int i = 0; known[i] != NULL; i++)
		values[i] = NULL;
	for (int i = 0; i < ctl->argc; i++) {
		const char *a = ctl->argv[i], *value;
		int k;

		if (strcmp(a, "--") == 0) {
			while (++i < ctl->argc)
				ctl->argv[n++] = ctl->argv[i];
			break;
		}
		if (strncmp(a, "--", 2) != 0) {
			ctl->argv[n++] = ctl->argv[i];
			continue;
		}
		k = option_index(a, known, &value);
		if (k < 0) {
			(void)ctl_usage(ctl, "unknown option %s", a);
			return false;
		}
		if (value == NULL && ++i == ctl->argc) {
			(void)ctl_usage(ctl, "no value after %s", a);
			return false;
		}
		values[k] = value != NULL ? value : ctl->argv[i];
	}
	ctl->argc = n;
	return true;
}

char *ctl_encode(const char *s)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~/";
	char *out = malloc(3 * strlen(s) + 1), *to = out;

	if (out == NULL)
		abort();
	for (; *s != '\0'; s++) {
		if (strchr(plain, *s) != NULL)
			*to++ = *s;
		else
			to += snprintf(to, 4, "%%%02X", (unsigned char)*s);
	}
	*to = '\0';
	return out;
}

char *ctl_target(const char *before, const char *model, const char *after)
{
	const char *at = strrchr(model, '@');
	char *name = strndup(model, at != NULL ? (size_t)(at - model) : strlen(model));
	char *path, *rev = NULL, *target = NULL;
	int n;

	if (name == NULL)
		abort();
	path = ctl_encode(name);
	if (at != NULL)
		rev = ctl_encode(at + 1);
	n = asprintf(&target, "%s%s%s%s%s", before, path, after, rev != NULL ? "?revision=" : "",
		     rev != NULL ? rev : "");
	if (n < 0)
		abort();
	free(name);
	free(path);
	free(rev);
	return target;
}

int ctl_refused(const struct ctl_http_answer *answer)
{
	json_t *root = json_loadb(answer->body, answer->size, 0, NULL);
	const char *text = json_string_value(json_object_get(root, "error"));

	if (text != NULL)
		(void)ctl_fail("%s", text);
	else
		(void)ctl_fail("the daemon answered %d", answer->status);
	json_decref(root);
	return CTL_FAILED;
}

int ctl_call(struct ctl *ctl, const struct ctl_http_request *rq, json_t **out)
{
	struct ctl_http_answer answer;
	char err[256];
	int status = CTL_OK;

	*out = NULL;
	if (ctl_http_call(ctl->http, rq, &answer, err) != 0)
		return ctl_fail("%s", err);
	if (answer.status < 200 || answer.status > 299) {
		status = ctl_refused(&answer);
	} else if (answer.size > 0) {
		*out = json_loadb(answer.body, answer.size, 0, NULL);
		if (*out == NULL)
			status = ctl_fail("the daemon's answer is not JSON");
	}
	ctl_http_drop(&answer);
	return status;
}

int ctl_ask(struct ctl *ctl, const char *method, char *target, json_t **out)
{
	struct ctl_http_request rq = {.method = method, .target = target};
	int status;

	/* a POST without a body says so (RFC 9110 §8.6) */
	if (strcmp(method, "GET") != 0)
		rq.headers = "Content-Length: 0\r\n";
	status = ctl_call(ctl, &rq, out);
	free(target);
	return status;
}

const char *ctl_text(const json_t *v, const char *key)
{
	const char *s = json_string_value(json_object_get(v, key));

	return s != NULL ? s : "?";
}

uint64_t ctl_count(const json_t *v, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(v, key));
}

void ctl_print_json(const json_t *v)
{
	if (v == NULL)
		return;
	json_dumpf(v, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	fputc('\n', stdout);
}

const char *ctl_bytes(uint64_t n, char buf[16])
{
	static const char *const unit[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double v = (double)n / 1024;
	size_t u = 0;

	if (n < 1024) {
		snprintf(buf, 16, "%u B", (unsigned)n);
		return buf;
	}
	for (; v >= 1024 && u + 1 < sizeof unit / sizeof *unit; u++)
		v /= 1024;
	snprintf(buf, 16, "%.1f %s", v, unit[u]);
	return buf;
}
