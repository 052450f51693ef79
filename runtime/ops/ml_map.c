/* SPDX-License-Identifier: MIT */
/*
 * ml_map.c — maps of ai.onnx.ml 1:
 *
 *	ZipMap           [N][C] or [C] and C names to a sequence of N maps, name → number
 *	DictVectorizer   a map and a vocabulary to [1][words]: the value of each word, 0 (or "") for
 *	                 those that the map has not; keys that are no words are left out
 *
 * DictVectorizer's text has a tensor of one dimension; ONNX Runtime, which the
 * exporters of such models were tried with, has a row.
 */
#include <config.h>

#include <string.h>

#include "runtime/memory.h"
#include "runtime/ops/move.h"
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
