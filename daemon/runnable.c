/* SPDX-License-Identifier: MIT */
/*
 * runnable.c — see runnable.h.  Called by residency.c for every request that
 * names a model, and by lists that say what can be run.
 */
#include <config.h>

#include "daemon/runnable.h"

#include <stdio.h>
#include <string.h>

#include "daemon/fault.h"

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

/* By its name; the runtime looks at the bytes. */
static bool is_model(const char *path)
{
	return ends_with(path, ".onnx") || ends_with(path, ".tflite") ||
	       strcmp(path, "model.json") == 0 || ends_with(path, "/model.json");
}

void runnable_look(struct runnable_choice *c, const char *path)
{
	size_t used = strlen(c->names);

	if (!is_model(path))
		return;
	c->count++;
	if (c->count == 1)
		snprintf(c->first, sizeof c->first, "%s", path);
	c->has_model = c->has_model || strcmp(path, "model.onnx") == 0;
	c->has_onnx_model = c->has_onnx_model || strcmp(path, "onnx/model.onnx") == 0;
	if (used + strlen(path) + 8 < sizeof c->names)
		snprintf(c->names + used, sizeof c->names - used, "%s%s", used == 0 ? "" : ", ",
			 path);
	else if (!ends_with(c->names, "…"))
		snprintf(c->names + used, sizeof c->names - used, ", …");
}

const char *runnable_choose(const struct runnable_choice *c)
{
	if (c->count == 1)
		return c->first;
	if (c->has_model)
		return "model.onnx";
	return c->has_onnx_model ? "onnx/model.onnx" : NULL;
}

static int look_at_file(void *arg, const struct store_file_info *info)
{
	runnable_look(arg, info->path);
	return 0;
}

/* What a model's and a revision's name mean now. */
struct names {
	char model[STORE_NAME_MAX + 1];
	char commit[STORE_COMMIT_HEX + 1];
};

static int note_names(void *arg, const struct store_model_info *info)
{
	struct names *names = arg;

	snprintf(names->model, sizeof names->model, "%s", info->model);
	snprintf(names->commit, sizeof names->commit, "%s", info->commit);
	return 0;
}

static int refuse(const struct runnable_choice *c, const char *model, struct fault *fault)
{
	if (c->count > 1)
		return fault_set(fault, 409, "%.100s has several models, ?file= must name one: %s",
				 model, c->names);
	return fault_set(fault, 501,
			 "%.100s has no .onnx file, no .tflite and no model.json to run", model);
}

int runnable_find(struct store *store, const char *model, const char *revision, const char *path,
		  struct runnable *out, struct fault *fault)
{
	struct runnable_choice choice = {.count = 0};
	struct names names;
	struct store_error err;

	/* the commit first, so that all that follows is about one snapshot */
	if (store_model_find(store, model, revision, note_names, &names, &err) != 0)
		return fault_store(fault, err.status, err.text);
	if (path == NULL) {
		if (store_model_files(store, names.model, names.commit, look_at_file, &choice,
				      &err) != 0)
			return fault_store(fault, err.status, err.text);
		path = runnable_choose(&choice);
		if (path == NULL)
			return refuse(&choice, names.model, fault);
	} else if (!is_model(path) && !ends_with(path, ".json")) {
		return fault_set(
		    fault, 501,
		    "%.200s is not an .onnx file, a .tflite or a .json; only those can run", path);
	}
	if (store_file_find(store, names.model, names.commit, path, &out->file, &err) != 0)
		return fault_store(fault, err.status, err.text);
	snprintf(out->path, sizeof out->path, "%s", path);
	memcpy(out->model, names.model, sizeof out->model);
	return 0;
}
