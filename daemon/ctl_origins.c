/* SPDX-License-Identifier: MIT */
/*
 * ctl_origins.c — `larderctl origins`: who may use the daemon from a web page, and what.
 */
#include <config.h>

#include "daemon/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The order of the values of ctl_options. */
static const char *const options[] = {"--rights",   "--models",     "--rate",
				      "--requests", "--token-file", NULL};
static const char *const members[] = {"rights", "models", "rate", "requests"};
#define MEMBERS (sizeof members / sizeof members[0])

static int send_change(struct ctl *ctl, const char *method, json_t *v, json_t **out)
{
	char *body = v != NULL ? json_dumps(v, 0) : NULL;
	struct ctl_http_request rq = {
	    .method = method, .target = "/admin/v1/origins", .type = "application/json"};
	int status;

	json_decref(v);
	*out = NULL;
	if (body == NULL)
		return ctl_usage(ctl, "an origin is text in UTF-8");
	rq.body = body;
	rq.body_size = strlen(body);
	status = ctl_call(ctl, &rq, out);
	free(body);
	return status;
}

/* The first line of ${path} as the member `token`. */
static bool add_token(json_t *v, const char *path)
{
	FILE *f = fopen(path, "re");
	char line[512] = "";
	bool ok = f != NULL && fgets(line, sizeof line, f) != NULL;

	if (f != NULL)
		(void)fclose(f);
	line[strcspn(line, "\r\n")] = '\0';
	ok = ok && json_object_set_new(v, "token", json_string(line)) == 0;
	explicit_bzero(line, sizeof line);
	return ok;
}

static int allow(struct ctl *ctl, const char **values, json_t **out)
{
	json_t *v = json_pack("{s:s}", "origin", ctl->argv[1]);

	*out = NULL;
	for (size_t i = 0; v != NULL && i < MEMBERS; i++) {
		if (values[i] != NULL &&
		    json_object_set_new(v, members[i], json_string(values[i])) != 0) {
			json_decref(v);
			return ctl_usage(ctl, "%s is text in UTF-8", options[i]);
		}
	}
	if (v != NULL && values[MEMBERS] != NULL && !add_token(v, values[MEMBERS])) {
		json_decref(v);
		return ctl_fail("%s: %s", values[MEMBERS], strerror(errno));
	}
	return send_change(ctl, "PUT", v, out);
}

static void print_words(const char *before, const json_t *words)
{
	const json_t *w;
	size_t i;

	json_array_foreach(words, i, w)
	{
		printf("%s%s", i == 0 ? before : " ", json_string_value(w));
	}
}

static void print_origin(const json_t *v)
{
	printf("%s", ctl_text(v, "origin"));
	if (json_array_size(json_object_get(v, "rights")) == 1)
		print_words("  only ", json_object_get(v, "rights"));
	print_words("  models ", json_object_get(v, "models"));
	if (ctl_count(v, "rate") != 0)
		printf("  %llu/s", (unsigned long long)ctl_count(v, "rate"));
	if (ctl_count(v, "requests") != 0)
		printf("  %llu at once", (unsigned long long)ctl_count(v, "requests"));
	printf("%s%s\n", json_is_true(json_object_get(v, "token")) ? "  with a token" : "",
	       json_is_true(json_object_get(v, "configured")) ? "  (configuration file)" : "");
}

int ctl_command_origins(struct ctl *ctl)
{
	const char *values[MEMBERS + 1];
	json_t *root = NULL, *v;
	size_t i;
	int status;

	if (!ctl_options(ctl, options, values))
		return CTL_USAGE;
	if (ctl->argc == 0)
		status = ctl_ask(ctl, "GET", strdup("/admin/v1/origins"), &root);
	else if (ctl->argc == 2 && strcmp(ctl->argv[0], "add") == 0)
		status = allow(ctl, values, &root);
	else if (ctl->argc == 2 && strcmp(ctl->argv[0], "rm") == 0)
		status =
		    send_change(ctl, "DELETE", json_pack("{s:s}", "origin", ctl->argv[1]), &root);
	else
		return ctl_usage(ctl, "add ORIGIN, rm ORIGIN, or nothing");
	if (status == CTL_OK && ctl->json) {
		ctl_print_json(root);
	} else if (status == CTL_OK) {
		json_array_foreach(json_object_get(root, "origins"), i, v)
		{
			print_origin(v);
		}
	}
	json_decref(root);
	return status;
}
