/* SPDX-License-Identifier: MIT */
/*
 * ml_label.c — ai.onnx.ml operators that look things up: LabelEncoder (1: classes
 * to indices; 2: keys to values; 4: also as tensors), CategoryMapper (strings to
 * integers or back, by the type of the input), OneHotEncoder, ArrayFeatureExtractor,
 * FeatureVectorizer.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/elementwise.h"
#include "runtime/ops/index.h"
#include "runtime/ops/move.h"
#include "runtime/ops/ops.h"

/* A list attribute of any kind, as a tensor. */
struct list {
	enum rt_dtype dtype; /* RT_NONE: there is none */
	int64_t count;
	const void *data;
};

static struct list list_of(const struct rt_node *n, const char *prefix)
{
	static const char *const suffixes[] = {"strings", "int64s", "floats", "tensor"};
	struct list l = {.dtype = RT_NONE};
	char name[64];

	for (int i = 0; i < 4; i++) {
		const struct rt_attr *a;
		(void)snprintf(name, sizeof(name), "%s_%s", prefix, suffixes[i]);
		a = rt_node_attr(n, name);
		if (a == NULL)
			continue;
		if (a->kind == RT_ATTR_STRINGS)
			l = (struct list){RT_STR, a->count, a->strings};
		else if (a->kind == RT_ATTR_INTS)
			l = (struct list){RT_I64, a->count, a->ints};
		else if (a->kind == RT_ATTR_FLOATS)
			l = (struct list){RT_F32, a->count, a->floats};
		else if (a->kind == RT_ATTR_TENSOR && a->tensor.dtype != RT_NONE)
			l = (struct list){a->tensor.dtype, rt_tensor_elems(&a->tensor),
					  a->tensor.data};
	}
	return l;
}

/* Element ${i} of ${t} is element ${k} of the list. */
static bool matches(const struct rt_tensor *t, int64_t i, const struct list *l, int64_t k)
{
	struct rt_tensor keys = {.dtype = l->dtype, .data = (void *)(uintptr_t)l->data};

	if (l->dtype == RT_STR) {
		const struct rt_str *a = (const struct rt_str *)t->data + i,
				    *b = (const struct rt_str *)l->data + k;
		return a->size == b->size &&
		       (a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
	}
	if (rt_convert_is_float(l->dtype)) {
		double a = rt_convert_get_f64(t, i), b = rt_convert_get_f64(&keys, k);
		return (isnan(a) && isnan(b)) || (a <= b && a >= b);
	}
	return rt_convert_get_i64(t, i) == rt_convert_get_i64(&keys, k);
}

static int64_t find(const struct rt_tensor *t, int64_t i, const struct list *l)
{
	for (int64_t k = 0; k < l->count; k++) {
		if (matches(t, i, l, k))
			return k;
	}
	return -1;
}

/* ---- LabelEncoder ---------------------------------------------------------------------------- */

struct label {
	struct list keys, values;
	bool indices;   /* LabelEncoder 1 of strings: the value of key k is k */
	bool positions; /* LabelEncoder 1 of integers: the key is the position of the value */
	union {
		char bytes[16];
		struct rt_str str;
		int64_t i64;
		float f32;
	} otherwise;
};

static int label_lists(const struct rt_graph *g, const struct rt_node *n, struct label *s,
		       enum rt_dtype *out, struct rt_error *err)
{
	enum rt_dtype in = g->values[n->in[0]].dtype;

	if (strcmp(n->op_type, "CategoryMapper") == 0) {
		struct list ints = {.dtype = RT_NONE}, strings = {.dtype = RT_NONE};
		const struct rt_attr *names = rt_node_attr(n, "cats_strings"),
				     *numbers = rt_node_attr(n, "cats_int64s");
		if (names != NULL && names->kind == RT_ATTR_STRINGS)
			strings = (struct list){RT_STR, names->count, names->strings};
		if (numbers != NULL && numbers->kind == RT_ATTR_INTS)
			ints = (struct list){RT_I64, numbers->count, numbers->ints};
		s->keys = in == RT_STR ? strings : ints;
		s->values = in == RT_STR ? ints : strings;
		*out = in == RT_STR ? RT_I64 : RT_STR;
		if (strings.dtype != RT_STR || ints.dtype != RT_I64 ||
		    strings.count != ints.count || (in != RT_STR && in != RT_I64))
			return rt_error_set(err, RT_MALFORMED,
					    "cats_strings and cats_int64s do not pair");
		return RT_OK;
	}
	if (n->opset < 2) {
		s->indices = in == RT_STR;
		s->positions = in != RT_STR;
		s->keys = list_of(n, "classes");
		s->values = s->keys;
		*out = s->indices ? RT_I64 : RT_STR;
		if (s->keys.dtype != RT_STR || (in != RT_STR && in != RT_I64))
			return rt_error_set(err, RT_MALFORMED, "classes_strings are missing");
		return RT_OK;
	}
	s->keys = list_of(n, "keys");
	s->values = list_of(n, "values");
	*out = s->values.dtype;
	if (s->keys.dtype == RT_NONE || s->keys.dtype != in || s->values.dtype == RT_NONE ||
	    s->keys.count != s->values.count)
		return rt_error_set(err, RT_MALFORMED,
				    "%lld keys of %s and %lld values for an input of %s",
				    (long long)s->keys.count, rt_dtype_name(s->keys.dtype),
				    (long long)s->values.count, rt_dtype_name(in));
	return RT_OK;
}

static int label_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		      struct rt_error *err)
{
	struct label s = {.indices = false};

	return label_lists(g, n, &s, &out[0], err);
}

static int label_bind(struct rt_bind *b, struct rt_error *err)
{
	struct label *s = b->state;
	const struct rt_attr *text = rt_node_attr(b->node, "default_string"),
			     *tensor = rt_node_attr(b->node, "default_tensor");
	enum rt_dtype out = RT_NONE;
	int status = label_lists(b->graph, b->node, s, &out, err);

	if (status != RT_OK)
		return status;
	if (tensor != NULL && tensor->kind == RT_ATTR_TENSOR && tensor->tensor.dtype == out &&
	    rt_tensor_elems(&tensor->tensor) == 1) {
		memcpy(s->otherwise.bytes, tensor->tensor.data, rt_move_size(out));
	} else if (out == RT_STR) {
		s->otherwise.str = text != NULL && text->kind == RT_ATTR_STRING
				       ? text->s
				       : (struct rt_str){"_Unused", 7};
	} else if (rt_convert_is_float(out)) {
		double x = (double)rt_node_float(b->node, "default_float", -0.0f);
		rt_convert_from_f64(out, &x, 1, s->otherwise.bytes, 0, true);
	} else {
		int64_t x = rt_node_int(b->node, "default_int64", -1);
		rt_convert_from_i64(out, &x, 1, s->otherwise.bytes, 0);
	}
	return RT_OK;
}

static void label_run(const struct rt_run *r)
{
	const struct label *s = r->state;
	size_t size = rt_move_size(r->out[0].dtype);
	int64_t n = rt_tensor_elems(&r->in[0]);

	for (int64_t i = 0; i < n; i++) {
		char *to = (char *)r->out[0].data + i * (int64_t)size;
		int64_t k;
		if (s->positions) { /* an index to its class */
			k = rt_convert_get_i64(&r->in[0], i);
			k = k >= 0 && k < s->keys.count ? k : -1;
		} else {
			k = find(&r->in[0], i, &s->keys);
		}
		if (k < 0)
			memcpy(to, s->otherwise.bytes, size);
		else if (s->indices)
			memcpy(to, &k, size);
		else
			memcpy(to, (const char *)s->values.data + k * (int64_t)size, size);
	}
}

const struct rt_op rt_op_label_encoder = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct label),
    .type = label_type,
    .bind = label_bind,
    .infer = rt_op_infer_same,
    .run = label_run,
};

/* ---- OneHotEncoder: a new last axis of the categories ---------------------------------------- */

static int f32_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		    struct rt_error *err)
{
	(void)g, (void)n, (void)err;
	out[0] = RT_F32;
	return RT_OK;
}

static int encoder_infer(struct rt_infer *f, struct rt_error *err)
{
	struct list cats = list_of(f->node, "cats");

	if (cats.dtype == RT_NONE || f->in[0].shape.rank == RT_RANK_MAX ||
	    (cats.dtype == RT_STR) != (f->in[0].dtype == RT_STR))
		return rt_error_set(err, RT_MALFORMED, "no categories for %s",
				    rt_dtype_name(f->in[0].dtype));
	f->out[0].shape = f->in[0].shape;
	f->out[0].shape.dims[f->out[0].shape.rank++] = cats.count;
	return RT_OK;
}

static void encoder_run(const struct rt_run *r)
{
	struct list cats = list_of(r->node, "cats");
	int64_t n = rt_tensor_elems(&r->in[0]);
	float *out = r->out[0].data;

	memset(out, 0, rt_tensor_bytes(&r->out[0]));
	for (int64_t i = 0; i < n; i++) {
		int64_t k = find(&r->in[0], i, &cats);
		if (k >= 0)
			out[i * cats.count + k] = 1;
		else if (rt_node_int(r->node, "zeros", 1) == 0)
			rt_run_fault(r, "element %lld is of no category", (long long)i);
	}
}

const struct rt_op rt_op_one_hot_encoder = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .type = f32_type,
    .infer = encoder_infer,
    .run = encoder_run,
};

/* ---- ArrayFeatureExtractor: columns of the last axis ----------------------------------------- */

static int extractor_bind(struct rt_bind *b, struct rt_error *err)
{
	return rt_index_check(b, 1, err);
}

static int extractor_infer(struct rt_infer *f, struct rt_error *err)
{
	int64_t n;

	if (f->in[0].shape.rank < 1 || !rt_shape_elems(&f->in[1].shape, &n))
		return rt_error_set(err, RT_INPUT, "the data have no last axis");
	f->out[0].shape = f->in[0].shape;
	if (f->out[0].shape.rank == 1)
		f->out[0].shape = rt_shape_of(2, INT64_C(1), n);
	else
		f->out[0].shape.dims[f->out[0].shape.rank - 1] = n;
	return RT_OK;
}

static void extractor_run(const struct rt_run *r)
{
	int64_t size = (int64_t)rt_move_size(r->in[0].dtype), n = rt_tensor_elems(&r->in[1]);
	int64_t width = r->in[0].shape.dims[r->in[0].shape.rank - 1];

	for (int64_t i = 0; i < rt_tensor_elems(&r->out[0]); i++) {
		int64_t k = rt_index_get(&r->in[1], i % n);
		if (k < 0 || k >= width) {
			rt_run_fault(r, "column %lld of %lld", (long long)k, (long long)width);
			return;
		}
		memcpy((char *)r->out[0].data + i * size,
		       (const char *)r->in[0].data + (i / n * width + k) * size, (size_t)size);
	}
}

const struct rt_op rt_op_array_feature_extractor = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .bind = extractor_bind,
    .infer = extractor_infer,
    .run = extractor_run,
};

/* ---- FeatureVectorizer: columns side by side, as float32 ------------------------------------- */

static int64_t columns(const struct rt_shape *s)
{
	return s->rank == 0 ? 1 : s->dims[s->rank - 1];
}

static int vectorizer_infer(struct rt_infer *f, struct rt_error *err)
{
	int64_t rows = f->in[0].shape.rank > 1 ? f->in[0].shape.dims[0] : 1, width = 0, count;
	const int64_t *dims = rt_node_ints(f->node, "inputdimensions", &count);

	for (int i = 0; i < f->in_count; i++) {
		const struct rt_shape *s = &f->in[i].shape;
		if (!rt_convert_is_number(f->in[i].dtype) || s->rank > 2 ||
		    (s->rank == 2 ? s->dims[0] : 1) != rows ||
		    (dims != NULL && i < count && dims[i] != columns(s)))
			return rt_error_set(err, RT_INPUT, "input %d is not %lld rows", i,
					    (long long)rows);
		width += columns(s);
	}
	f->out[0].shape = rt_shape_of(2, rows, width);
	return RT_OK;
}

static void vectorizer_run(const struct rt_run *r)
{
	int64_t rows = r->out[0].shape.dims[0], width = r->out[0].shape.dims[1], at = 0;

	for (int i = 0; i < r->in_count; i++) {
		int64_t own = columns(&r->in[i].shape);
		for (int64_t k = 0; k < rows; k++)
			rt_convert_to_f32(r->in[i].dtype, r->in[i].data, k * own, (size_t)own,
					  (float *)r->out[0].data + k * width + at);
		at += own;
	}
}

const struct rt_op rt_op_feature_vectorizer = {
    .in_min = 1,
    .in_max = RT_VARIADIC,
    .out_min = 1,
    .out_max = 1,
    .type = f32_type,
    .infer = vectorizer_infer,
    .run = vectorizer_run,
};
