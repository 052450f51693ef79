/* SPDX-License-Identifier: MIT */
/* golden_case.c — see golden_case.h. */
#include <config.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tools/files.h"
#include "tests/tools/golden_case.h"

static enum rt_dtype dtype_of(const char *name)
{
	for (int t = RT_NONE + 1; name && t < RT_DTYPE_COUNT; t++)
		if (strcmp(rt_dtype_name((enum rt_dtype)t), name) == 0)
			return (enum rt_dtype)t;
	return RT_NONE;
}

static bool read_shape(json_t *dims, struct rt_shape *s)
{
	size_t n = json_array_size(dims);

	if (!json_is_array(dims) || n > RT_RANK_MAX)
		return false;
	s->rank = (int)n;
	for (size_t i = 0; i < n; i++)
		s->dims[i] = json_integer_value(json_array_get(dims, i));
	return true;
}

/* Map a file that must hold exactly a tensor of that type and shape. */
static bool map_tensor(const char *dir, const char *file, struct rt_tensor *t, struct rt_bytes *map,
		       char *text, size_t size)
{
	char *path = files_join(dir, file ? file : "");
	bool ok = file && files_map(path, map);
	size_t bytes = 0;

	free(path);
	if (!ok) {
		snprintf(text, size, "golden.json: file '%s' cannot be read", file ? file : "?");
		return false;
	}
	/* TensorFlow Lite's wasm writes [0] for the shape of a scalar; its one element is there. */
	if (t->shape.rank == 1 && t->shape.dims[0] == 0 && t->dtype != RT_NONE &&
	    map->size == rt_dtype_bits(t->dtype) / 8)
		t->shape.rank = 0;
	if (t->dtype == RT_NONE || !rt_shape_bytes(&t->shape, t->dtype, &bytes) ||
	    bytes != map->size) {
		snprintf(text, size, "golden.json: '%s' has %zu bytes, %zu expected", file,
			 map->size, bytes);
		return false;
	}
	memcpy(&t->data, &map->data,
	       sizeof t->data); /* read only, but struct rt_tensor has no const */
	return true;
}

static bool read_tensor(const char *dir, json_t *j, struct golden_tensor *g, char *text,
			size_t size)
{
	const char *noopt = json_string_value(json_object_get(j, "noopt_file"));

	g->name = json_string_value(json_object_get(j, "name"));
	g->tensor.dtype = dtype_of(json_string_value(json_object_get(j, "dtype")));
	if (!g->name || !read_shape(json_object_get(j, "shape"), &g->tensor.shape)) {
		snprintf(text, size, "golden.json: a tensor without name or shape");
		return false;
	}
	if (!map_tensor(dir, json_string_value(json_object_get(j, "file")), &g->tensor, &g->file,
			text, size))
		return false;
	g->noopt_max_abs_diff = json_number_value(json_object_get(j, "noopt_max_abs_diff"));
	if (!noopt)
		return true;
	g->noopt = g->tensor;
	if (json_object_get(j, "noopt_shape"))
		(void)read_shape(json_object_get(j, "noopt_shape"), &g->noopt.shape);
	return map_tensor(dir, noopt, &g->noopt, &g->noopt_file, text, size);
}

static bool read_tensors(struct golden_case *c, const char *key, struct golden_tensor *to,
			 int *count, char *text, size_t size)
{
	json_t *list = json_object_get(c->json, key), *j;
	size_t i;

	if (json_array_size(list) > GOLDEN_PORTS_MAX) {
		snprintf(text, size, "golden.json: more than %d %s", GOLDEN_PORTS_MAX, key);
		return false;
	}
	json_array_foreach(list, i, j)
	{
		*count = (int)i + 1;
		if (!read_tensor(c->dir, j, &to[i], text, size))
			return false;
	}
	return true;
}

struct golden_case *golden_case_open(const char *dir, char *text, size_t size)
{
	struct golden_case *c = calloc(1, sizeof *c);
	char *path = files_join(dir, "golden.json");
	json_error_t err;
	size_t i;
	json_t *j;

	if (!c) {
		free(path);
		snprintf(text, size, "out of memory");
		return NULL;
	}
	c->dir = strdup(dir);
	c->json = json_load_file(path, 0, &err);
	free(path);
	if (!c->json) {
		snprintf(text, size, "golden.json:%d: %s", err.line, err.text);
		golden_case_close(c);
		return NULL;
	}
	c->model = json_string_value(json_object_get(c->json, "model"));
	c->reference_error = json_string_value(json_object_get(c->json, "error"));
	json_array_foreach(json_object_get(c->json, "quantised"), i,
			   j) if (json_string_value(j) && strstr(json_string_value(j), "int8"))
	    c->quantised = true;
	if (!c->reference_error &&
	    (!read_tensors(c, "inputs", c->in, &c->in_count, text, size) ||
	     !read_tensors(c, "outputs", c->out, &c->out_count, text, size))) {
		golden_case_close(c);
		return NULL;
	}
	return c;
}

void golden_case_close(struct golden_case *c)
{
	if (!c)
		return;
	for (int i = 0; i < c->in_count; i++)
		files_unmap(&c->in[i].file);
	for (int i = 0; i < c->out_count; i++) {
		files_unmap(&c->out[i].file);
		files_unmap(&c->out[i].noopt_file);
	}
	json_decref(c->json);
	free(c->dir);
	free(c);
}

bool golden_case_inputs(const struct golden_case *c, const struct rt_model *m, struct rt_tensor *in,
			char *text, size_t size)
{
	for (size_t i = 0; i < rt_model_input_count(m); i++) {
		const struct rt_port *p = rt_model_input(m, i);
		int k = 0;

		in[i] = (struct rt_tensor){.dtype = p->dtype};
		while (k < c->in_count && strcmp(c->in[k].name, p->name) != 0 &&
		       (c->in[k].name[0] != '\0' ||
			(size_t)k != i)) /* one without a name: its place */
			k++;
		if (k < c->in_count) {
			in[i] = c->in[k].tensor;
		} else if (!p->optional) {
			snprintf(text, size, "the case has no input '%s'", p->name);
			return false;
		}
	}
	return true;
}
