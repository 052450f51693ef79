/* SPDX-License-Identifier: MIT */
/*
 * domain.c — the operator domains that larder knows by name.
 */
#include <config.h>

#include <string.h>

#include "runtime/graph.h"

static const char *const names[RT_DOMAIN_COUNT] = {
    [RT_ONNX] = "ai.onnx",
    [RT_ML] = "ai.onnx.ml",
    [RT_MS] = "com.microsoft",
    [RT_TRAINING] = "ai.onnx.preview.training",
    [RT_PREVIEW] = "ai.onnx.preview",
    [RT_LARDER] = "larder.intern",
    [RT_OTHER] = "other",
};

const char *rt_domain_name(enum rt_domain d)
{
	return (unsigned)d < RT_DOMAIN_COUNT ? names[d] : "other";
}

enum rt_domain rt_domain_of(const char *name)
{
	if (name[0] == '\0' || strcmp(name, names[RT_ONNX]) == 0)
		return RT_ONNX;
	if (strcmp(name, names[RT_ML]) == 0)
		return RT_ML;
	if (strcmp(name, names[RT_MS]) == 0)
		return RT_MS;
	if (strcmp(name, names[RT_TRAINING]) == 0)
		return RT_TRAINING;
	if (strcmp(name, names[RT_PREVIEW]) == 0)
		return RT_PREVIEW;
	return RT_OTHER; /* files cannot name RT_LARDER */
}
