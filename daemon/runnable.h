/* SPDX-License-Identifier: MIT */
/*
 * runnable.h — which file of a model is the one that runs.
 *
 * The only model file there (`*.onnx`, `*.tflite`, a TensorFlow.js `model.json`);
 * else `model.onnx`; else `onnx/model.onnx`.  Several and none of these is for
 * the client to decide, with ?file=, which takes any `.json` too.
 */
#ifndef LARDER_DAEMON_RUNNABLE_H
#define LARDER_DAEMON_RUNNABLE_H

#include "store/store.h"

struct fault;

struct runnable {
	char model[STORE_NAME_MAX + 1]; /* as stored: `org/name` */
	char path[STORE_PATH_MAX + 1];
	struct store_file file; /* its digest and size, and the snapshot it belongs to */
};

/*
 * runnable_find(store, model, revision, path, out, fault): ${path} picks a file,
 * NULL finds the one.  404 when the model, revision or file is not there, 409
 * when there are several (naming them), 501 when nothing there can be run.
 * Reads the index: microseconds.  Any thread.
 */
int runnable_find(struct store *store, const char *model, const char *revision, const char *path,
		  struct runnable *out, struct fault *fault) STORE_MUST_CHECK;

/* What runnable_choose looks through. */
struct runnable_choice {
	unsigned count;                 /* model files seen */
	char first[STORE_PATH_MAX + 1]; /* the first of them */
	bool has_model, has_onnx_model; /* model.onnx, onnx/model.onnx */
	char names[400];                /* of the first of them, for a message */
};
/* runnable_look(c, path): the next path of a snapshot; ${c} begins zeroed. */
void runnable_look(struct runnable_choice *c, const char *path);
/* runnable_choose(c): the path, or NULL: several or none.  Borrowed from ${c} or static. */
const char *runnable_choose(const struct runnable_choice *c);

#endif
