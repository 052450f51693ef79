/* SPDX-License-Identifier: MIT */
/*
 * ctl_models.c — the commands about stored models that are one request each:
 * list, show, rm, pin, unpin, load, unload.
 */
#include <config.h>

#include "daemon/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MODELS "/admin/v1/models/"

/* Exactly one argument, and no options. */
static bool one_model(struct ctl *ctl)
{
	static const char *const none[] = {NULL};
	const char *values[1];

	if (!ctl_options(ctl, none, values))
		return false;
	if (ctl->argc == 1)
		return true;
	(void)ctl_usage(ctl, ctl->argc == 0 ? "no MODEL given" : "one MODEL, please");
	return false;
}

/* ---- list ------------------------------------------------------------------------ */

static void list_line(const json_t *m)
{
	char size[16], name[512];

	snprintf(name, sizeof name, "%s%s%s", ctl_text(m, "id"),
		 strcmp(ctl_text(m, "revision"), "main") == 0 ? "" : "@",
		 strcmp(ctl_text(m, "revision"), "main") == 0 ? "" : ctl_text(m, "revision"));
	printf("%-40s %6llu files %12s  %.12s%s\n", name, (unsigned long long)ctl_count(m, "files"),
	       ctl_bytes(ctl_count(m, "bytes"), size), ctl_text(m, "commit"),
	       json_is_true(json_object_get(m, "pinned")) ? "  pinned" : "");
}

int ctl_command_list(struct ctl *ctl)
{
	json_t *root, *v;
	size_t i;
	int status;

	if (ctl->argc != 0)
		return ctl_usage(ctl, "no arguments, please");
	status = ctl_ask(ctl, "GET", strdup("/admin/v1/models"), &root);
	if (status != CTL_OK)
		return status;
	if (ctl->json) {
		ctl_print_json(root);
	} else {
		json_array_foreach(json_object_get(root, "models"), i, v)
		{
			list_line(v);
		}
	}
	json_decref(root);
	return CTL_OK;
}

/* ---- show ---------------------------------------------------------------------------- */

static void time_text(int64_t at_s, char text[32])
{
	time_t at = (time_t)at_s;
	struct tm tm;

	if (at_s <= 0)
		snprintf(text, 32, "never");
	else if (gmtime_r(&at, &tm) == NULL || strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(text, 32, "?");
}

static void show_time(const char *what, int64_t at_s)
{
	char text[32];

	time_text(at_s, text);
	printf("%-10s%s\n", what, text);
}

/* What GET /v2/models/{model}/config said. */
static void show_config(const json_t *c)
{
	size_t i;
	json_t *v;

	if (json_is_true(json_object_get(c, "runnable"))) {
		printf("%-10s%s\n", "runs", ctl_text(c, "file"));
		printf("%-10s%s\n", "platform", ctl_text(c, "platform"));
		return;
	}
	printf("%-10sno: %s\n", "runs", ctl_text(c, "error"));
	json_array_foreach(json_object_get(c, "missing"), i, v)
	{
		printf("%-10s%s\n", "", json_string_value(v));
	}
}

/* `snapshot  0123456789ab      1.2 MiB  2026-01-02T03:04:05Z  main v1` */
static void show_snapshot(const json_t *v)
{
	char size[16], at[32];
	json_t *name;
	size_t i;

	time_text(json_integer_value(json_object_get(v, "modified_s")), at);
	printf("%-10s%.12s %12s  %s", "snapshot", ctl_text(v, "commit"),
	       ctl_bytes(ctl_count(v, "bytes"), size), at);
	json_array_foreach(json_object_get(v, "revisions"), i, name)
	{
		printf("%s%s", i == 0 ? "  " : " ", json_string_value(name));
	}
	putchar('\n');
}

static void show_model(const json_t *m, const json_t *config)
{
	char size[16], shared[16];
	size_t i;
	json_t *v;

	printf("%-10s%s\n%-10s%s\n%-10s%s\n", "model", ctl_text(m, "id"), "revision",
	       ctl_text(m, "revision"), "commit", ctl_text(m, "commit"));
	printf("%-10s%llu\n%-10s%s (%llu bytes)\n", "files",
	       (unsigned long long)ctl_count(m, "files"), "size",
	       ctl_bytes(ctl_count(m, "bytes"), size), (unsigned long long)ctl_count(m, "bytes"));
	show_time("imported", json_integer_value(json_object_get(m, "modified_s")));
	show_time("used", json_integer_value(json_object_get(m, "used_s")));
	printf("%-10s%s\n", "pinned", json_is_true(json_object_get(m, "pinned")) ? "yes" : "no");
	show_config(config);
	printf("%-10s%s in all snapshots, %s of it shared with other models, ", "stored",
	       ctl_bytes(ctl_count(m, "stored_bytes"), size),
	       ctl_bytes(ctl_count(m, "shared_bytes"), shared));
	printf("%s derived\n", ctl_bytes(ctl_count(m, "derived_bytes"), size));
	json_array_foreach(json_object_get(m, "snapshots"), i, v)
	{
		show_snapshot(v);
	}
	putchar('\n');
	json_array_foreach(json_object_get(m, "list"), i, v)
	{
		printf("%s %14llu  %s\n", ctl_text(v, "sha256"),
		       (unsigned long long)ctl_count(v, "bytes"), ctl_text(v, "path"));
	}
}

/* MODEL[@REV] as /v2 writes it: org--name, and the revision as its version. */
static char *config_target(const char *model)
{
	char *name = strdup(model), *slash, *at, *m, *rev, *target = NULL;

	if (name == NULL)
		return NULL;
	at = strchr(name, '@');
	if (at != NULL)
		*at++ = '\0';
	slash = strchr(name, '/');
	m = ctl_encode(slash != NULL ? slash + 1 : name);
	rev = ctl_encode(at != NULL ? at : "");
	if (m != NULL && rev != NULL &&
	    asprintf(&target, "/v2/models/%.*s%s%s%s%s/config",
		     slash != NULL ? (int)(slash - name) : 0, name, slash != NULL ? "--" : "", m,
		     at != NULL ? "/versions/" : "", rev) < 0)
		target = NULL;
	free(name);
	free(m);
	free(rev);
	return target;
}

int ctl_command_show(struct ctl *ctl)
{
	json_t *root, *config = NULL;
	int status;

	if (!one_model(ctl))
		return CTL_USAGE;
	status = ctl_ask(ctl, "GET", ctl_target(MODELS, ctl->argv[0], ""), &root);
	if (status == CTL_OK)
		status = ctl_ask(ctl, "GET", config_target(ctl->argv[0]), &config);
	if (status == CTL_OK && ctl->json) {
		(void)json_object_set(root, "config", config);
		ctl_print_json(root);
	} else if (status == CTL_OK) {
		show_model(root, config);
	}
	json_decref(config);
	json_decref(root);
	return status;
}

/* ---- one request, one line ------------------------------------------------------------- */

static int simple(struct ctl *ctl, const char *method, const char *after, const char *done)
{
	json_t *root;
	int status;

	if (!one_model(ctl))
		return CTL_USAGE;
	status = ctl_ask(ctl, method, ctl_target(MODELS, ctl->argv[0], after), &root);
	if (status == CTL_OK && ctl->json) {
		if (root == NULL)
			root = json_pack("{s:s,s:s}", "id", ctl->argv[0], "done", done);
		ctl_print_json(root);
	} else if (status == CTL_OK) {
		printf("%s %s\n", done, ctl->argv[0]);
	}
	json_decref(root);
	return status;
}

int ctl_command_rm(struct ctl *ctl)
{
	return simple(ctl, "DELETE", "", "removed");
}

int ctl_command_pin(struct ctl *ctl)
{
	return simple(ctl, "PUT", "/pin", "pinned");
}

int ctl_command_unpin(struct ctl *ctl)
{
	return simple(ctl, "DELETE", "/pin", "unpinned");
}

int ctl_command_unload(struct ctl *ctl)
{
	return simple(ctl, "POST", "/unload", "unloaded");
}

int ctl_command_load(struct ctl *ctl)
{
	static const char *const options[] = {"--file", NULL};
	const char *file;
	char *target, *encoded;
	json_t *root;
	int status;

	if (!ctl_options(ctl, options, &file))
		return CTL_USAGE;
	if (ctl->argc != 1)
		return ctl_usage(ctl, ctl->argc == 0 ? "no MODEL given" : "one MODEL, please");
	target = ctl_target(MODELS, ctl->argv[0], "/load");
	if (file != NULL) {
		char *with = NULL;

		encoded = ctl_encode(file);
		if (asprintf(&with, "%s%cfile=%s", target, strchr(target, '?') != NULL ? '&' : '?',
			     encoded) < 0)
			abort();
		free(encoded);
		free(target);
		target = with;
	}
	status = ctl_ask(ctl, "POST", target, &root);
	if (status == CTL_OK && ctl->json)
		ctl_print_json(root);
	else if (status == CTL_OK)
		printf("loaded %s: %s\n", ctl_text(root, "id"), ctl_text(root, "file"));
	json_decref(root);
	return status;
}
