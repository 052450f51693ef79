/* SPDX-License-Identifier: MIT */
/*
 * ctl_server.c — the commands about the daemon as a whole: gc, verify, stats, status,
 * origins.
 */
#include <config.h>

#include "daemon/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool no_arguments(struct ctl *ctl)
{
	if (ctl->argc == 0)
		return true;
	(void)ctl_usage(ctl, "no arguments, please");
	return false;
}

/* ---- verify ----------------------------------------------------------------------- */

/* `--rebuild-index`, or nothing. */
static bool verify_options(struct ctl *ctl, bool *ret_rebuild)
{
	*ret_rebuild = ctl->argc == 1 && strcmp(ctl->argv[0], "--rebuild-index") == 0;
	if (*ret_rebuild || ctl->argc == 0)
		return true;
	(void)ctl_usage(ctl, "unknown argument %s", ctl->argv[0]);
	return false;
}

static void print_verify(const json_t *root)
{
	const json_t *rebuilt = json_object_get(root, "rebuilt");
	json_t *v;
	char size[16];
	size_t i;

	json_array_foreach(json_object_get(root, "bad"), i, v)
	{
		printf("%s  %s\n", ctl_text(v, "sha256"), ctl_text(v, "what"));
	}
	printf("%llu blobs, %s: %llu damaged, %llu missing, %llu foreign\n",
	       (unsigned long long)ctl_count(root, "blobs"),
	       ctl_bytes(ctl_count(root, "bytes"), size),
	       (unsigned long long)ctl_count(root, "damaged"),
	       (unsigned long long)ctl_count(root, "missing"),
	       (unsigned long long)ctl_count(root, "foreign"));
	if (rebuilt == NULL)
		return;
	printf("index made again: %llu models, %llu snapshots, %llu files; %llu lost, "
	       "%llu recovered\n",
	       (unsigned long long)ctl_count(rebuilt, "models"),
	       (unsigned long long)ctl_count(rebuilt, "snapshots"),
	       (unsigned long long)ctl_count(rebuilt, "files"),
	       (unsigned long long)ctl_count(rebuilt, "lost"),
	       (unsigned long long)ctl_count(rebuilt, "recovered"));
}

int ctl_command_verify(struct ctl *ctl)
{
	json_t *root;
	uint64_t bad;
	bool rebuild;
	int status;

	if (!verify_options(ctl, &rebuild))
		return CTL_USAGE;
	status = ctl_ask(
	    ctl, "POST",
	    strdup(rebuild ? "/admin/v1/verify?rebuild_index=yes" : "/admin/v1/verify"), &root);
	if (status != CTL_OK)
		return status;
	bad = ctl_count(root, "damaged") + ctl_count(root, "missing") +
	      ctl_count(json_object_get(root, "rebuilt"), "lost");
	if (ctl->json)
		ctl_print_json(root);
	else
		print_verify(root);
	json_decref(root);
	return bad == 0 ? CTL_OK : CTL_FAILED;
}

/* ---- gc ----------------------------------------------------------------------------- */

/* "1500", "20G": bytes, in powers of 1024. */
static bool parse_size(const char *text, uint64_t *out)
{
	static const char units[] = "KMGT";
	unsigned long long n;
	const char *unit;
	unsigned shift;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || errno != 0)
		return false;
	unit = *end != '\0' ? strchr(units, *end) : NULL;
	if (*end != '\0' && (unit == NULL || end[1] != '\0'))
		return false;
	shift = unit != NULL ? 10u * (unsigned)(unit - units + 1) : 0;
	*out = (uint64_t)n << shift;
	return *out >> shift == n;
}

static void print_gone(const json_t *root)
{
	char a[16], b[16];
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(root, "gone"), i, v)
	{
		if (json_object_get(v, "commit") != NULL)
			printf("%s@%.12s\n", ctl_text(v, "id"), ctl_text(v, "commit"));
		else
			printf("%s\n", ctl_text(v, "id"));
	}
	printf("freed %s: %llu models, %llu old snapshots, %llu derived blobs\n",
	       ctl_bytes(ctl_count(root, "bytes"), a),
	       (unsigned long long)ctl_count(root, "models"),
	       (unsigned long long)ctl_count(root, "snapshots"),
	       (unsigned long long)ctl_count(root, "derived"));
	if (ctl_count(root, "max_bytes") != 0)
		printf("stored %s of %s\n", ctl_bytes(ctl_count(root, "blob_bytes"), a),
		       ctl_bytes(ctl_count(root, "max_bytes"), b));
}

int ctl_command_gc(struct ctl *ctl)
{
	static const char *const options[] = {"--room", NULL};
	const char *room;
	char *target = NULL, size[16];
	json_t *root;
	uint64_t bytes = 0;
	int status;

	if (!ctl_options(ctl, options, &room))
		return CTL_USAGE;
	if (!no_arguments(ctl))
		return CTL_USAGE;
	if (room != NULL && !parse_size(room, &bytes))
		return ctl_usage(ctl, "%s is not a size", room);
	if (asprintf(&target, "/admin/v1/gc?room=%llu", (unsigned long long)bytes) < 0)
		abort();
	status = ctl_ask(ctl, "POST", target, &root);
	if (status != CTL_OK)
		return status;
	if (ctl->json)
		ctl_print_json(root);
	else
		print_gone(root);
	if (ctl_count(root, "over_bytes") != 0)
		status = ctl_fail("%s more than allowed are pinned or in use",
				  ctl_bytes(ctl_count(root, "over_bytes"), size));
	json_decref(root);
	return status;
}

/* ---- stats, status ------------------------------------------------------------------- */

/* `store.blobs  12`: one line per number, in the daemon's order. */
static void print_numbers(const char *before, const json_t *v)
{
	const char *key;
	json_t *member;
	char name[128];

	json_object_foreach((json_t *)(uintptr_t)v, key, member)
	{
		snprintf(name, sizeof name, "%s%s%s", before, before[0] != '\0' ? "." : "", key);
		if (json_is_integer(member))
			printf("%-28s %lld\n", name, (long long)json_integer_value(member));
		else if (json_is_string(member))
			printf("%-28s %s\n", name, json_string_value(member));
		else if (json_is_object(member) && before[0] == '\0')
			print_numbers(key, member);
	}
}

static void print_loaded(const json_t *v)
{
	char mapped[16], heap[16];

	printf("loaded %s %s: %s mapped, %s of memory, %llu runs\n", ctl_text(v, "id"),
	       ctl_text(v, "file"), ctl_bytes(ctl_count(v, "mapped_bytes"), mapped),
	       ctl_bytes(ctl_count(v, "heap_bytes"), heap),
	       (unsigned long long)ctl_count(v, "runs"));
}

int ctl_command_stats(struct ctl *ctl)
{
	json_t *root, *v;
	size_t i;
	int status;

	if (!no_arguments(ctl))
		return CTL_USAGE;
	status = ctl_ask(ctl, "GET", strdup("/admin/v1/stats"), &root);
	if (status != CTL_OK)
		return status;
	if (ctl->json) {
		ctl_print_json(root);
	} else {
		print_numbers("", root);
		json_array_foreach(json_object_get(root, "loaded"), i, v)
		{
			print_loaded(v);
		}
	}
	json_decref(root);
	return CTL_OK;
}

int ctl_command_status(struct ctl *ctl)
{
	const json_t *store, *health;
	json_t *root, *brief;
	char size[16];
	uint64_t up;
	int status;

	if (!no_arguments(ctl))
		return CTL_USAGE;
	status = ctl_ask(ctl, "GET", strdup("/admin/v1/stats"), &root);
	if (status != CTL_OK)
		return status;
	store = json_object_get(root, "store");
	health = json_object_get(root, "health");
	up = ctl_count(root, "uptime_s");
	if (ctl->json) {
		brief = json_pack("{s:s,s:I,s:I,s:I,s:O*}", "version", ctl_text(root, "version"),
				  "uptime_s", (json_int_t)up, "models",
				  (json_int_t)ctl_count(store, "models"), "blob_bytes",
				  (json_int_t)ctl_count(store, "blob_bytes"), "health",
				  json_object_get(root, "health"));
		ctl_print_json(brief);
		json_decref(brief);
	} else {
		printf("larderd %s, up %llud %02llu:%02llu:%02llu, %llu models, %s\n",
		       ctl_text(root, "version"), (unsigned long long)(up / 86400),
		       (unsigned long long)(up / 3600 % 24), (unsigned long long)(up / 60 % 60),
		       (unsigned long long)(up % 60),
		       (unsigned long long)ctl_count(store, "models"),
		       ctl_bytes(ctl_count(store, "blob_bytes"), size));
		if (strcmp(ctl_text(health, "status"), "degraded") == 0)
			printf("degraded: %s\n", ctl_text(health, "text"));
	}
	json_decref(root);
	return CTL_OK;
}
