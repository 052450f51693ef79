/* SPDX-License-Identifier: MIT */
/*
 * tfjs_layer.c — configuration, weights and outputs of a Keras layer, as
 * tfjs_layer_*.c ask for them.
 */
#include <config.h>

#include <stdio.h>
#include <string.h>

#include "runtime/tfjs_act.h"
#include "runtime/tfjs_layer.h"

void rt_tfjs_layer_give(struct rt_tfjs_layer *c, int v, const struct rt_shape *shape)
{
	if (c->out_count == RT_TFJS_OUTPUTS_MAX) {
		(void)rt_lower_fail(c->l, RT_MALFORMED, "more than %d outputs",
				    RT_TFJS_OUTPUTS_MAX);
		return;
	}
	rt_lower_shape(c->l, v, shape);
	c->out[c->out_count++] = v;
}

void rt_tfjs_layer_missing(struct rt_tfjs_layer *c, const char *why)
{
	struct rt_shape shape = {.rank = -1};

	if (c->missing)
		return;
	c->missing = true;
	c->out_count = 0;
	rt_tfjs_layer_give(c, rt_lower_missing(c->l, c->class_name, why, 0, NULL, 1), &shape);
}

struct rt_shape rt_tfjs_layer_shape(struct rt_tfjs_layer *c, int v)
{
	struct rt_shape s = {.rank = 0};

	if (c->l->status < 0)
		return s;
	if (v < 0) {
		(void)rt_lower_fail(c->l, RT_MALFORMED, "%s without an input", c->class_name);
		return s;
	}
	return c->l->graph->values[v].shape;
}

/* ---- configuration --------------------------------------------------------------------------- */

const struct rt_json *rt_tfjs_layer_get(const struct rt_tfjs_layer *c, const char *name,
					const char *other)
{
	const struct rt_json *j = rt_json_get(c->config, name);

	if (j == NULL && other != NULL)
		j = rt_json_get(c->config, other);
	return j != NULL && j->kind == RT_JSON_NULL ? NULL : j;
}

int64_t rt_tfjs_layer_int(const struct rt_tfjs_layer *c, const char *name, int64_t otherwise)
{
	return rt_json_int(rt_json_get(c->config, name), otherwise);
}

bool rt_tfjs_layer_bool(const struct rt_tfjs_layer *c, const char *name, bool otherwise)
{
	return rt_json_bool(rt_json_get(c->config, name), otherwise);
}

double rt_tfjs_layer_number(const struct rt_tfjs_layer *c, const char *name, double otherwise)
{
	return rt_json_number(rt_json_get(c->config, name), otherwise);
}

bool rt_tfjs_layer_ints(const struct rt_tfjs_layer *c, const char *name, int count,
			int64_t otherwise, int64_t *out)
{
	const struct rt_json *j = rt_tfjs_layer_get(c, name, NULL);
	int64_t one = rt_json_int(j, otherwise);
	int n = rt_json_count(j) > 0 ? rt_json_ints(j, count, out) : 0;

	if (n == 1)
		one = out[0];
	for (int i = 0; i < count; i++) {
		if (n <= 1)
			out[i] = one;
		if (out[i] < 1 || out[i] > 65536)
			return false;
	}
	return n <= 1 ? n >= 0 : n == count;
}

bool rt_tfjs_layer_is(const struct rt_tfjs_layer *c, const char *name, const char *value)
{
	return rt_json_is(rt_json_get(c->config, name), value);
}

bool rt_tfjs_layer_first(const struct rt_tfjs_layer *c)
{
	return rt_tfjs_layer_is(c, "data_format", "channels_first") ||
	       rt_tfjs_layer_is(c, "data_format", "channelsFirst");
}

struct rt_str rt_tfjs_layer_act_name(const struct rt_json *j)
{
	struct rt_str s = rt_json_text(j);

	if (s.bytes == NULL) /* {"class_name": "function", "config": "relu"}, {"class_name": …} */
		s = rt_json_text(rt_json_get(j, "config"));
	return s.bytes != NULL ? s : rt_json_text(rt_json_get(j, "class_name"));
}

int rt_tfjs_layer_act(struct rt_tfjs_layer *c, int x, const char *key)
{
	const struct rt_json *j = rt_tfjs_layer_get(c, key, NULL);
	int y;

	if (j == NULL || c->l->status < 0)
		return x;
	y = rt_tfjs_act_named(c->l, x, rt_tfjs_layer_act_name(j));
	if (y == RT_NO_VALUE && c->l->status == RT_OK)
		rt_tfjs_layer_missing(c, "an activation that is not known here");
	return y;
}

/* ---- weights --------------------------------------------------------------------------------- */

/* Whether one of the parts of a path "a/b/c", but the last, is ${part} or begins with it. */
static bool has_part(const char *path, const char *part, bool begins)
{
	size_t n = strlen(part);

	for (const char *p = path, *slash; (slash = strchr(p, '/')) != NULL; p = slash + 1) {
		if (strncmp(p, part, n) == 0 && (begins || slash == p + n))
			return true;
	}
	return false;
}

/* Names have the model's, a cell's or a wrapper's in between: "lstm/lstm_cell/kernel". */
static const char *search(const struct rt_tfjs_layer *c, const char *name)
{
	const char *path;

	for (int i = 0; (path = rt_tfjs_weights_name(c->t, i)) != NULL; i++) {
		const char *last = strrchr(path, '/');

		if (last != NULL && strcmp(last + 1, name) == 0 && has_part(path, c->name, false) &&
		    (c->inner[0] == '\0' || has_part(path, c->inner, true)))
			return path;
	}
	return NULL;
}

int rt_tfjs_layer_weight(struct rt_tfjs_layer *c, const char *name, bool optional)
{
	char exact[1024];
	const char *path;
	int n = snprintf(exact, sizeof(exact), "%s/%s", c->name, name), v = RT_NO_VALUE;

	if (c->inner[0] == '\0' && n > 0 && (size_t)n < sizeof(exact))
		v = rt_tfjs_weights_find(c->t, (struct rt_str){exact, (size_t)n});
	if (v == RT_NO_VALUE && c->l->status == RT_OK) {
		path = search(c, name);
		if (path != NULL)
			v = rt_tfjs_weights_find(c->t, (struct rt_str){path, strlen(path)});
	}
	if (v == RT_NO_VALUE && !optional)
		(void)rt_lower_fail(c->l, RT_MALFORMED, "the weights have no '%.200s' of %s", name,
				    c->class_name);
	return v;
}

int rt_tfjs_layer_filled(struct rt_tfjs_layer *c, int64_t n, float v)
{
	struct rt_tensor t = {.dtype = RT_F32, .shape = rt_shape_of(1, n)};
	float *data;

	if (n < 0 || n > RT_TFJS_WEIGHTS_MAX)
		return rt_lower_fail(c->l, RT_MALFORMED, "%lld channels", (long long)n);
	data = rt_lower_alloc(c->l, sizeof(*data) * (size_t)n);
	if (data == NULL)
		return RT_NO_VALUE;
	for (int64_t i = 0; i < n; i++)
		data[i] = v;
	t.data = data;
	return rt_lower_constant(c->l, "", &t);
}
