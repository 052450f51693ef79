/* SPDX-License-Identifier: MIT */
/*
 * ctl_policies.c — `larderctl policies`: the file that lets the pages of the
 * allowed origins reach this machine without a question from the browser.
 *
 * Chromium and its kin: LoopbackNetworkAllowedForUrls (146 and later) and, for
 * 139 to 145, LocalNetworkAccessAllowedForUrls, lists of origins.  Firefox:
 * LocalNetworkAccess.SkipDomains, a list of hosts.
 */
#include <config.h>

#include "daemon/ctl.h"

#include <stdio.h>
#include <string.h>

struct browser {
	const char *name, *path; /* where the file belongs on Debian */
	bool firefox;
};

static const struct browser browsers[] = {
    {"chrome", "/etc/opt/chrome/policies/managed/larder.json", false},
    {"chromium", "/etc/chromium/policies/managed/larder.json", false},
    {"edge", "/etc/opt/edge/policies/managed/larder.json", false},
    {"firefox", "/etc/firefox/policies/policies.json", true},
};

static const struct browser *find(const char *name)
{
	for (size_t i = 0; i < sizeof browsers / sizeof *browsers; i++) {
		if (strcmp(browsers[i].name, name) == 0)
			return &browsers[i];
	}
	return NULL;
}

/* The host of `scheme://host[:port]`. */
static json_t *host_of(const char *origin)
{
	const char *host = strstr(origin, "://") + 3;
	size_t n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
	return json_stringn(host, n);
}

/* Every host once, in the order of the origins. */
static void add_host(json_t *hosts, json_t *host)
{
	json_t *v;
	size_t i;

	json_array_foreach(hosts, i, v)
	{
		if (json_equal(v, host)) {
			json_decref(host);
			return;
		}
	}
	json_array_append_new(hosts, host);
}

static json_t *policy_of(const struct browser *b, const json_t *origins)
{
	json_t *urls = json_array(), *hosts = json_array(), *policy, *v;
	const char *origin;
	size_t i;

	json_array_foreach(origins, i, v)
	{
		origin = ctl_text(v, "origin");
		if (strstr(origin, "://") == NULL)
			continue; /* `null`: no policy can name it */
		json_array_append_new(urls, json_string(origin));
		add_host(hosts, host_of(origin));
	}
	if (b->firefox)
		policy = json_pack("{s:{s:{s:O}}}", "policies", "LocalNetworkAccess", "SkipDomains",
				   hosts);
	else
		policy = json_pack("{s:O,s:O}", "LoopbackNetworkAllowedForUrls", urls,
				   "LocalNetworkAccessAllowedForUrls", urls);
	json_decref(urls);
	json_decref(hosts);
	return policy;
}

int ctl_command_policies(struct ctl *ctl)
{
	const struct browser *b;
	json_t *root, *policy;
	int status;

	if (ctl->argc != 1)
		return ctl_usage(ctl, "one browser, please");
	b = find(ctl->argv[0]);
	if (b == NULL)
		return ctl_usage(ctl, "unknown browser %s", ctl->argv[0]);
	status = ctl_ask(ctl, "GET", strdup("/admin/v1/origins"), &root);
	if (status == CTL_OK) {
		policy = policy_of(b, json_object_get(root, "origins"));
		ctl_print_json(policy);
		json_decref(policy);
		if (ctl->terminal && !ctl->json)
			fprintf(stderr, "larderctl: this belongs into %s\n", b->path);
	}
	json_decref(root);
	return status;
}
