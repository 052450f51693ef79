/* SPDX-License-Identifier: MIT */
/*
 * ml_map.c — maps of ai.onnx.ml 1:
 *
 *	ZipMap           [N][C] or [C] and C names to a sequence of N maps, name → number
 *	DictVectorizer   a map and a vocabulary to [1][words]: the value of each word, 0 (or "") for
 *	                 those that the map has not; keys that are no words are left out
 *	CastMap          a map of int64 keys to [1][n]: its values in the order of the keys (DENSE),
 *	                 or each at its key with zeros or "" between (SPARSE, n = max_map)
 *
 * DictVectorizer's text has a tensor of one dimension; ONNX Runtime, which the
 * exporters of such models were tried with, has a row.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/memory.h"
#include "runtime/ops/convert.h"
#include "runtime/ops/move.h"
#include "runtime/ops/number_text.h"
#include "runtime/ops/ops.h"

/* Keys from one of two attributes; count −1: neither or both. */
static struct rt_tensor keys_of(const struct rt_node *n, const char *strings, const char *ints)
{
	const struct rt_attr *s = rt_node_attr(n, strings), *i = rt_node_attr(n, ints);
	struct rt_tensor keys = {.shape.rank = 1};
	const void *data = NULL;

	if (s != NULL && s->kind == RT_ATTR_STRINGS && (i == NULL || i->count == 0)) {
		keys.dtype = RT_STR;
		keys.shape.dims[0] = s->count;
		data = s->strings;
	} else if (i != NULL && i->kind == RT_ATTR_INTS && (s == NULL || s->count == 0)) {
		keys.dtype = RT_I64;
		keys.shape.dims[0] = i->count;
		data = i->ints;
	}
	memcpy(&keys.data, &data, sizeof(data)); /* nobody writes to it */
	return keys;
}

static unsigned map_kind(enum rt_dtype key)
{
	return key == RT_STR ? RT_MAP_STR : RT_MAP_I64;
}

static int no_room(struct rt_error *err)
{
	return rt_error_set(err, RT_BUDGET, "no memory left for a map");
}

/* ---- ZipMap ---------------------------------------------------------------------------------- */

static struct rt_tensor labels_of(const struct rt_node *n)
{
	return keys_of(n, "classlabels_strings", "classlabels_int64s");
}

static int zip_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		    struct rt_error *err)
{
	enum rt_dtype t = g->values[n->in[0]].dtype;

	if (labels_of(n).dtype == RT_NONE)
		return rt_error_set(err, RT_MALFORMED, "there is not one list of class labels");
	out[0] = rt_dtype_in(RT_SEQ, rt_dtype_in(map_kind(labels_of(n).dtype), t));
	return RT_OK;
}

static int zip_eval(struct rt_eval *e, struct rt_error *err)
{
	const struct rt_tensor *x = &e->run.in[0];
	struct rt_tensor keys = labels_of(e->run.node), row = {.dtype = x->dtype};
	enum rt_dtype map = rt_dtype_in(map_kind(keys.dtype), x->dtype);
	int64_t rows = x->shape.rank == 2 ? x->shape.dims[0] : 1;
	struct rt_list *all;

	row.shape = keys.shape;
	if ((x->shape.rank != 1 && x->shape.rank != 2) ||
	    x->shape.dims[x->shape.rank - 1] != keys.shape.dims[0])
		return rt_error_set(err, RT_INPUT, "the columns are not those %lld of the labels",
				    (long long)keys.shape.dims[0]);
	all = rt_eval_list(e, 0, rows);
	if (all == NULL)
		return no_room(err);
	for (int64_t i = 0; i < rows; i++) {
		struct rt_list *pair = rt_eval_new_list(e, 2);
		struct rt_tensor value = {.dtype = map, .data = pair};

		row.data = (char *)x->data + (size_t)i * rt_tensor_bytes(&row);
		if (pair == NULL || !rt_eval_item_copy(e, pair, 0, &keys) ||
		    !rt_eval_item_copy(e, pair, 1, &row) || !rt_eval_item_copy(e, all, i, &value))
			return no_room(err);
	}
	return RT_OK;
}

const struct rt_op rt_op_zip_map = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .takes_lists = true,
    .type = zip_type,
    .eval = zip_eval,
};

/* ---- DictVectorizer -------------------------------------------------------------------------- */

static struct rt_tensor words_of(const struct rt_node *n)
{
	return keys_of(n, "string_vocabulary", "int64_vocabulary");
}

static int dict_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		     struct rt_error *err)
{
	enum rt_dtype t = g->values[n->in[0]].dtype, key = words_of(n).dtype;

	if (key == RT_NONE)
		return rt_error_set(err, RT_MALFORMED, "there is not one vocabulary");
	out[0] = rt_dtype_elem(t);
	if (t != rt_dtype_in(map_kind(key), out[0]))
		return rt_error_set(err, RT_UNSUPPORTED, "not for %s and words of %s",
				    rt_dtype_name(t), rt_dtype_name(key));
	return RT_OK;
}

static bool same_key(const struct rt_tensor *a, int64_t i, const struct rt_tensor *b, int64_t k)
{
	const struct rt_str *x, *y;

	if (a->dtype == RT_I64)
		return ((const int64_t *)a->data)[i] == ((const int64_t *)b->data)[k];
	x = (const struct rt_str *)a->data + i;
	y = (const struct rt_str *)b->data + k;
	return x->size == y->size && (x->size == 0 || memcmp(x->bytes, y->bytes, x->size) == 0);
}

static int dict_eval(struct rt_eval *e, struct rt_error *err)
{
	const struct rt_list *map = e->run.in[0].data;
	const struct rt_tensor *keys = &map->items[0], *values = &map->items[1];
	struct rt_tensor words = words_of(e->run.node);
	size_t size = rt_move_size(values->dtype);
	struct rt_shape shape = rt_shape_of(2, INT64_C(1), words.shape.dims[0]);
	char *out = rt_eval_output(e, 0, &shape); /* zeros; a string of no bytes is one, too */

	if (out == NULL)
		return no_room(err);
	for (int64_t w = 0; w < words.shape.dims[0]; w++) {
		for (int64_t k = 0; k < keys->shape.dims[0]; k++) {
			if (!same_key(&words, w, keys, k))
				continue;
			/* bytes of strings stay those of the map, which lives as long */
			memcpy(out + (size_t)w * size,
			       (const char *)values->data + (size_t)k * size, size);
			break;
		}
	}
	return RT_OK;
}

const struct rt_op rt_op_dict_vectorizer = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .takes_lists = true,
    .type = dict_type,
    .eval = dict_eval,
};

/* ---- CastMap --------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum rt_dtype dtype;
} casts[] = {{"TO_FLOAT", RT_F32}, {"TO_STRING", RT_STR}, {"TO_INT64", RT_I64}};

static int cast_map_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			 struct rt_error *err)
{
	enum rt_dtype t = g->values[n->in[0]].dtype;

	out[0] = RT_NONE;
	for (size_t i = 0; i < sizeof(casts) / sizeof(*casts); i++) {
		if (rt_node_string_is(n, "cast_to", casts[i].name, "TO_FLOAT"))
			out[0] = casts[i].dtype;
	}
	if (out[0] == RT_NONE)
		return rt_error_set(err, RT_MALFORMED,
				    "cast_to is none of TO_FLOAT, TO_STRING, "
				    "TO_INT64");
	if (!rt_node_string_is(n, "map_form", "DENSE", "DENSE") &&
	    !rt_node_string_is(n, "map_form", "SPARSE", "DENSE"))
		return rt_error_set(err, RT_MALFORMED, "map_form is neither DENSE nor SPARSE");
	if (t != rt_dtype_in(RT_MAP_I64, rt_dtype_elem(t)))
		return rt_error_set(err, RT_UNSUPPORTED, "not for %s", rt_dtype_name(t));
	return RT_OK;
}

/* Value ${i} of a map as element ${at} of the output. */
static int cast_value(struct rt_eval *e, const struct rt_tensor *values, int64_t i, int64_t at,
		      struct rt_error *err)
{
	const struct rt_str *s =
	    values->dtype == RT_STR ? (const struct rt_str *)values->data + i : NULL;
	struct rt_tensor *out = &e->out[0];

	if (s != NULL && out->dtype == RT_STR) {
		((struct rt_str *)out->data)[at] = *s; /* the map lives as long */
	} else if (s != NULL) {
		if (!rt_number_text_read(*s, out->dtype, out->data, at))
			return rt_error_set(err, RT_INPUT, "a value of the map is not a number");
	} else if (out->dtype == RT_STR) {
		char *text = rt_memory_take(e->memory, RT_NUMBER_TEXT, 1);
		if (text == NULL)
			return no_room(err);
		((struct rt_str *)out->data)[at] =
		    (struct rt_str){text, (size_t)rt_number_text(values, i, text)};
	} else {
		double x = rt_convert_get_f64(values, i);
		rt_convert_from_f64(out->dtype, &x, 1, out->data, at, true);
	}
	return RT_OK;
}

static int by_key(const void *a, const void *b, void *keys)
{
	int64_t x = ((const int64_t *)keys)[*(const int64_t *)a],
		y = ((const int64_t *)keys)[*(const int64_t *)b];

	return (x > y) - (x < y);
}

static int cast_map_eval(struct rt_eval *e, struct rt_error *err)
{
	const struct rt_list *map = e->run.in[0].data;
	const struct rt_tensor *keys = &map->items[0], *values = &map->items[1];
	const struct rt_node *n = e->run.node;
	bool dense = rt_node_string_is(n, "map_form", "DENSE", "DENSE");
	int64_t count = keys->shape.dims[0], room = dense ? count : rt_node_int(n, "max_map", 1);
	struct rt_shape shape = rt_shape_of(2, INT64_C(1), room);
	int64_t *order = rt_memory_take(e->memory, (size_t)count * sizeof(*order), 64);
	int status = RT_OK;

	if (room < 0)
		return rt_error_set(err, RT_MALFORMED, "max_map is %lld", (long long)room);
	if (order == NULL || rt_eval_output(e, 0, &shape) == NULL) /* zeros */
		return no_room(err);
	for (int64_t i = 0; i < count; i++)
		order[i] = i;
	qsort_r(order, (size_t)count, sizeof(*order), by_key, keys->data);
	for (int64_t i = 0; i < count && status == RT_OK; i++) {
		int64_t key = ((const int64_t *)keys->data)[order[i]], at = dense ? i : key;

		if (!dense && key < 0)
			return rt_error_set(err, RT_INPUT, "key %lld of a sparse map",
					    (long long)key);
		if (at < room)
			status = cast_value(e, values, order[i], at, err);
	}
	return status;
}

const struct rt_op rt_op_cast_map = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .takes_lists = true,
    .type = cast_map_type,
    .eval = cast_map_eval,
};
