/* SPDX-License-Identifier: MIT */
/*
 * ctl_warm.c — `larderctl warm`: a model, or all models of a manifest, are to
 * be fetched; then the job is followed to its end.
 */
#include <config.h>

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/ctl.h"
#include "daemon/ctl_follow.h"

#define MANIFEST_MAX ((size_t)256 << 10)
#define SIGNATURE_BYTES 64

struct ask {
	const char *model, *upstream, *manifest, *signature;
	json_t *files;
	bool pin, detach, prune;
};

/* --key value or --key=value at ${i}; NULL when it is another argument. */
static const char *value_at(struct ctl *ctl, int *i, const char *key, bool *ret_bad)
{
	size_t n = strlen(key);
	const char *a = ctl->argv[*i];

	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): below argc */
	if (strncmp(a, key, n) != 0 || (a[n] != '\0' && a[n] != '='))
		return NULL;
	if (a[n] == '=')
		return a + n + 1;
	if (*i + 1 >= ctl->argc) {
		*ret_bad = true;
		(void)ctl_usage(ctl, "no value after %s", key);
		return NULL;
	}
	return ctl->argv[++*i];
}

static bool read_arguments(struct ctl *ctl, struct ask *ask)
{
	bool bad = false;

	for (int i = 0; i < ctl->argc && !bad; i++) {
		const char *a = ctl->argv[i], *v;

		if (strcmp(a, "--pin") == 0)
			ask->pin = true;
		else if (strcmp(a, "--detach") == 0)
			ask->detach = true;
		else if (strcmp(a, "--prune") == 0)
			ask->prune = true;
		else if ((v = value_at(ctl, &i, "--files", &bad)) != NULL)
			bad = json_array_append_new(ask->files, json_string(v)) != 0;
		else if (!bad && (v = value_at(ctl, &i, "--upstream", &bad)) != NULL)
			ask->upstream = v;
		else if (!bad && (v = value_at(ctl, &i, "--manifest", &bad)) != NULL)
			ask->manifest = v;
		else if (!bad && (v = value_at(ctl, &i, "--signature", &bad)) != NULL)
			ask->signature = v;
		else if (bad)
			return false;
		else if (strncmp(a, "--", 2) == 0)
			return ctl_usage(ctl, "unknown option %s", a) == CTL_OK;
		else if (ask->model != NULL)
			return ctl_usage(ctl, "one MODEL, please") == CTL_OK;
		else
			ask->model = a;
	}
	if (!bad && (ask->model == NULL) == (ask->manifest == NULL))
		return ctl_usage(ctl, ask->model == NULL
					  ? "no MODEL given"
					  : "a MODEL or a manifest, not both") == CTL_OK;
	if (!bad && ask->manifest == NULL && (ask->prune || ask->signature != NULL))
		return ctl_usage(ctl, "--prune and --signature are about a manifest") == CTL_OK;
	return !bad;
}

/* A whole file of at most ${most} bytes; NULL, which was reported. */
static unsigned char *read_file(const char *path, size_t most, size_t *ret_size)
{
	unsigned char *data = malloc(most + 1);
	FILE *f = fopen(path, "re");

	*ret_size = f == NULL || data == NULL ? 0 : fread(data, 1, most + 1, f);
	if (f == NULL || data == NULL || ferror(f) || *ret_size > most) {
		(void)ctl_fail("%s: %s", path,
			       *ret_size > most ? "it is too large" : strerror(errno));
		free(data);
		data = NULL;
	} else {
		data[*ret_size] = '\0';
	}
	if (f != NULL)
		(void)fclose(f);
	return data;
}

/* A signature as OpenSSL writes it, 64 bytes, or the same in base64; NULL: it cannot be read. */
static char *read_signature(const char *path)
{
	unsigned char text[96], *data;
	size_t size;
	char *out = NULL;

	data = read_file(path, 200, &size);
	if (data == NULL)
		return NULL;
	if (size == SIGNATURE_BYTES) {
		(void)EVP_EncodeBlock(text, data, SIGNATURE_BYTES);
		out = strdup((char *)text);
	} else {
		data[strcspn((char *)data, "\r\n")] = '\0';
		out = strdup((char *)data);
	}
	free(data);
	return out;
}

/* What POST /admin/v1/manifests takes; NULL: reported. */
static json_t *read_manifest(const struct ask *ask)
{
	char beside[4200], *signature = NULL;
	const char *path = ask->signature;
	size_t size;
	unsigned char *text = read_file(ask->manifest, MANIFEST_MAX, &size);
	json_t *v;

	if (text == NULL)
		return NULL;
	if (path == NULL &&
	    (size_t)snprintf(beside, sizeof(beside), "%s.sig", ask->manifest) < sizeof(beside) &&
	    access(beside, F_OK) == 0)
		path = beside;
	if (path != NULL && (signature = read_signature(path)) == NULL) {
		free(text);
		return NULL;
	}
	v = json_pack("{s:s, s:b, s:s*}", "manifest", text, "prune", ask->prune, "signature",
		      signature);
	if (v == NULL)
		(void)ctl_fail("%s: it is not UTF-8", ask->manifest);
	free(signature);
	free(text);
	return v;
}

static json_t *one_model(const struct ask *ask)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): it is not a manifest */
	const char *at = strrchr(ask->model, '@');
	size_t n = at == NULL ? strlen(ask->model) : (size_t)(at - ask->model);
	json_t *v = json_pack("{s:s%, s:s, s:b}", "model", ask->model, n, "revision",
			      at == NULL ? "main" : at + 1, "pin", ask->pin);

	if (v != NULL && ask->upstream != NULL)
		(void)json_object_set_new(v, "upstream", json_string(ask->upstream));
	if (v != NULL && json_array_size(ask->files) > 0)
		(void)json_object_set(v, "files", ask->files);
	return v;
}

static int post(struct ctl *ctl, const struct ask *ask, json_t *what)
{
	char *body = json_dumps(what, JSON_COMPACT);
	struct ctl_http_request rq = {.method = "POST",
				      .target = ask->manifest != NULL ? "/admin/v1/manifests"
								      : "/admin/v1/warm",
				      .type = "application/json",
				      .body = body,
				      .body_size = body == NULL ? 0 : strlen(body)};
	json_t *root;
	int status = ctl_call(ctl, &rq, &root);

	free(body);
	if (status != CTL_OK)
		return status;
	if (!ask->detach)
		status = ctl_follow_job(ctl, ctl_text(root, "job"));
	else if (ctl->json)
		ctl_print_json(root);
	else
		puts(ctl_text(root, "job"));
	json_decref(root);
	return status;
}

int ctl_command_warm(struct ctl *ctl)
{
	struct ask ask = {.files = json_array()};
	json_t *what = NULL;
	int status = CTL_USAGE;

	if (read_arguments(ctl, &ask)) {
		what = ask.manifest != NULL ? read_manifest(&ask) : one_model(&ask);
		status = what == NULL ? CTL_FAILED : post(ctl, &ask, what);
	}
	json_decref(what);
	json_decref(ask.files);
	return status;
}
