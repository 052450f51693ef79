/* SPDX-License-Identifier: MIT */
/*
 * tfjs_weights.c — the weights manifest: groups of shards that are one run of
 * bytes each, cut into weights in the order of the manifest.
 *
 * A weight of float32, int32 or bool that lies in one shard and is aligned stays
 * where it is.  Quantised ones are made float32 when something asks for them, as
 * tfjs-core does it: uint8 and uint16 are scale · q + min in double precision,
 * rounded once; float16 is exact.
 */
#include <config.h>

#include <string.h>

#include "runtime/tfjs_reader.h"

struct rt_tfjs_weight {
	const char *name;
	enum rt_dtype dtype; /* that the graph sees */
	enum rt_dtype stored;
	struct rt_shape shape;
	int group;
	size_t offset, bytes; /* in the group's run of bytes */
	bool has_scale;
	double scale, min;
	void *data; /* once it has been asked for */
};

struct rt_tfjs_group {
	struct rt_bytes *shards;
	int count;
	size_t bytes; /* of all */
};

/* ---- shards ---------------------------------------------------------------------------------- */

/* A relative path without `..`, `\` and empty segments (runtime.h: rt_find_f). */
static bool is_safe(struct rt_str s)
{
	size_t from = 0;

	if (s.bytes == NULL || s.size == 0 || s.size > 1024 || memchr(s.bytes, '\0', s.size) ||
	    memchr(s.bytes, '\\', s.size))
		return false;
	for (size_t i = 0; i <= s.size; i++) {
		if (i < s.size && s.bytes[i] != '/')
			continue;
		if (i == from || (i - from == 2 && memcmp(s.bytes + from, "..", 2) == 0))
			return false;
		from = i + 1;
	}
	return true;
}

static void read_shard(struct rt_tfjs *t, struct rt_tfjs_group *g, struct rt_str path)
{
	struct rt_bytes *shard = &g->shards[g->count];
	const char *location;
	int status;

	if (!is_safe(path)) {
		(void)rt_lower_fail(&t->l, RT_MALFORMED,
				    "the weights manifest names a file that it may not");
		return;
	}
	location = rt_lower_strdup(&t->l, path.bytes, path.size);
	if (t->l.status < 0)
		return;
	if (t->opts->find == NULL) {
		(void)rt_lower_fail(&t->l, RT_NOT_FOUND, "weights '%.200s': no files here",
				    location);
		return;
	}
	status = t->opts->find(t->opts->find_arg, location, shard);
	if (status < 0) {
		(void)rt_lower_fail(&t->l, status, "weights '%.200s' cannot be read", location);
		return;
	}
	if (__builtin_add_overflow(g->bytes, shard->size, &g->bytes))
		(void)rt_lower_fail(&t->l, RT_MALFORMED, "weights: too many bytes");
	g->count++;
}

/* Copy ${bytes} from ${offset} of the run; the caller has checked that they are there. */
static void copy_out(const struct rt_tfjs_group *g, size_t offset, size_t bytes, void *to)
{
	char *at = to;

	for (int i = 0; i < g->count && bytes > 0; i++) {
		const struct rt_bytes *s = &g->shards[i];
		size_t n;

		if (offset >= s->size) {
			offset -= s->size;
			continue;
		}
		n = s->size - offset < bytes ? s->size - offset : bytes;
		/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): it has a size */
		memcpy(at, (const char *)s->data + offset, n);
		at += n;
		bytes -= n;
		offset = 0;
	}
	must(bytes == 0);
}

/* Where the bytes are, if one shard has them all. */
static const void *in_place(const struct rt_tfjs_group *g, size_t offset, size_t bytes)
{
	for (int i = 0; i < g->count; i++) {
		const struct rt_bytes *s = &g->shards[i];

		if (offset < s->size || (bytes == 0 && offset == s->size))
			return bytes <= s->size - offset ? (const char *)s->data + offset : NULL;
		offset -= s->size;
	}
	return NULL;
}

/* ---- the manifest ---------------------------------------------------------------------------- */

static enum rt_dtype dtype_of(struct rt_str name)
{
	static const struct {
		const char *name;
		enum rt_dtype dtype;
	} types[] = {
	    {"float32", RT_F32}, {"int32", RT_I32}, {"bool", RT_BOOL},  {"string", RT_STR},
	    {"float16", RT_F16}, {"uint8", RT_U8},  {"uint16", RT_U16},
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		if (rt_json_equal(name, types[i].name))
			return types[i].dtype;
	}
	return RT_NONE;
}

/* Strings are stored as a length of four bytes each, and the text. */
static bool string_bytes(struct rt_tfjs *t, const struct rt_tfjs_weight *w, int64_t count,
			 size_t *bytes)
{
	const struct rt_tfjs_group *g = &t->groups[w->group];
	size_t at = w->offset;

	for (int64_t i = 0; i < count; i++) {
		uint8_t n[4];
		size_t size;

		if (at > g->bytes || g->bytes - at < 4)
			return false;
		copy_out(g, at, 4, n);
		size = (size_t)n[0] | (size_t)n[1] << 8 | (size_t)n[2] << 16 | (size_t)n[3] << 24;
		at += 4;
		if (size > g->bytes - at)
			return false;
		at += size;
	}
	*bytes = at - w->offset;
	return true;
}

static bool read_shape(const struct rt_json *j, struct rt_shape *out)
{
	out->rank = rt_json_ints(j, RT_RANK_MAX, out->dims);
	for (int i = 0; i < out->rank; i++) {
		if (out->dims[i] < 0)
			return false;
	}
	return out->rank >= 0;
}

/* dtype, shape, quantization: false when it is not what a manifest may say. */
static bool read_kind(const struct rt_json *j, struct rt_tfjs_weight *w)
{
	const struct rt_json *q = rt_json_get(j, "quantization");

	w->stored = w->dtype = dtype_of(rt_json_text(rt_json_get(j, "dtype")));
	if (q != NULL && q->kind == RT_JSON_OBJECT) {
		w->stored = dtype_of(rt_json_text(rt_json_get(q, "dtype")));
		w->has_scale = rt_json_get(q, "scale") != NULL;
		w->scale = rt_json_number(rt_json_get(q, "scale"), 1);
		w->min = rt_json_number(rt_json_get(q, "min"), 0);
		if ((w->dtype != RT_F32 && w->dtype != RT_I32) ||
		    (w->stored != RT_U8 && w->stored != RT_U16 && w->stored != RT_F16) ||
		    (w->stored == RT_F16 && w->dtype != RT_F32) ||
		    (w->stored != RT_F16 && !w->has_scale))
			return false;
	} else if (w->dtype == RT_F16) {
		w->dtype = RT_F32;
	} else if (w->dtype == RT_U8 || w->dtype == RT_U16) {
		w->dtype = RT_I32;
		w->has_scale = true;
		w->scale = 1;
	}
	return w->dtype != RT_NONE && read_shape(rt_json_get(j, "shape"), &w->shape);
}

static void read_weight(struct rt_tfjs *t, const struct rt_json *j, size_t *offset)
{
	struct rt_tfjs_weight *w = &t->weights[t->weight_count];
	struct rt_str name = rt_json_text(rt_json_get(j, "name"));
	const struct rt_tfjs_group *g = &t->groups[t->group_count];
	int64_t count = 0;
	bool ok;

	if (name.bytes == NULL || name.size > RT_ONNX_NAME_MAX) {
		(void)rt_lower_fail(&t->l, RT_MALFORMED, "a weight without a name");
		return;
	}
	*w = (struct rt_tfjs_weight){.group = t->group_count, .offset = *offset};
	w->name = rt_lower_strdup(&t->l, name.bytes, name.size);
	if (t->l.status < 0)
		return;
	ok = read_kind(j, w) && rt_shape_elems(&w->shape, &count);
	if (ok && w->dtype == RT_STR)
		ok = string_bytes(t, w, count, &w->bytes);
	else if (ok)
		ok = rt_shape_bytes(&w->shape, w->stored, &w->bytes);
	if (!ok) {
		(void)rt_lower_fail(&t->l, RT_MALFORMED,
				    "weight '%.200s': type, shape or quantization is not one",
				    w->name);
	} else if (*offset > g->bytes || w->bytes > g->bytes - *offset) {
		(void)rt_lower_fail(&t->l, RT_MALFORMED,
				    "weight '%.200s' has %zu bytes at %zu of shards of %zu",
				    w->name, w->bytes, *offset, g->bytes);
	} else {
		int *slot = rt_names_put(&t->names, (struct rt_str){w->name, name.size});

		*offset += w->bytes;
		if (slot == NULL)
			(void)rt_lower_fail(&t->l, RT_MEMORY, "out of memory");
		else
			*slot = t->weight_count++;
	}
}

static void read_group(struct rt_tfjs *t, const struct rt_json *j)
{
	const struct rt_json *paths = rt_json_get(j, "paths"), *weights = rt_json_get(j, "weights");
	struct rt_tfjs_group *g = &t->groups[t->group_count];
	size_t offset = 0;

	if (rt_json_count(paths) > RT_TFJS_SHARDS_MAX) {
		(void)rt_lower_fail(&t->l, RT_MALFORMED, "more than %d shards", RT_TFJS_SHARDS_MAX);
		return;
	}
	g->shards = rt_lower_alloc(&t->l, sizeof(*g->shards) * (size_t)rt_json_count(paths));
	for (const struct rt_json *p = rt_json_items(paths); p != NULL && t->l.status == RT_OK;
	     p = p->next)
		read_shard(t, g, rt_json_text(p));
	for (const struct rt_json *w = rt_json_items(weights); w != NULL && t->l.status == RT_OK;
	     w = w->next)
		read_weight(t, w, &offset);
	t->group_count++;
}

void rt_tfjs_weights_read(struct rt_tfjs *t, const struct rt_json *manifest)
{
	size_t weights = 0, groups = (size_t)rt_json_count(manifest);

	for (const struct rt_json *g = rt_json_items(manifest); g != NULL; g = g->next)
		weights += (size_t)rt_json_count(rt_json_get(g, "weights"));
	if (weights > RT_TFJS_WEIGHTS_MAX || groups > RT_TFJS_WEIGHTS_MAX) {
		(void)rt_lower_fail(&t->l, RT_MALFORMED, "more than %d weights",
				    RT_TFJS_WEIGHTS_MAX);
		return;
	}
	t->weights = rt_lower_alloc(&t->l, sizeof(*t->weights) * weights);
	t->groups = rt_lower_alloc(&t->l, sizeof(*t->groups) * groups);
	for (const struct rt_json *g = rt_json_items(manifest); g != NULL && t->l.status == RT_OK;
	     g = g->next)
		read_group(t, g);
}

/* ---- data ------------------------------------------------------------------------------------ */

/* ${raw}: the stored bytes, which may not be aligned. */
static void convert(const struct rt_tfjs_weight *w, const unsigned char *raw, int64_t count,
		    void *to)
{
	float *f = to;
	int32_t *n = to;

	for (int64_t i = 0; i < count; i++) {
		uint16_t q =
		    w->stored == RT_U8 ? raw[i] : (uint16_t)(raw[2 * i] | raw[2 * i + 1] << 8);
		double v = w->scale * q + w->min;

		if (w->stored == RT_F16)
			f[i] = rt_f16_to_f32(q) * (float)(w->has_scale ? w->scale : 1);
		else if (w->dtype == RT_F32)
			f[i] = (float)v;
		else /* as Math.round, and kept in its range */
			n[i] =
			    v > -0x1p31 && v < 0x1p31 - 1 ? (int32_t)__builtin_floor(v + 0.5) : 0;
	}
}

static void make_strings(struct rt_tfjs *t, const struct rt_tfjs_weight *w, int64_t count,
			 struct rt_str *to)
{
	const struct rt_tfjs_group *g = &t->groups[w->group];
	char *all = rt_lower_alloc(&t->l, w->bytes);
	size_t at = 0;

	if (all == NULL)
		return;
	copy_out(g, w->offset, w->bytes, all);
	for (int64_t i = 0; i < count; i++) {
		const unsigned char *n = (const unsigned char *)all + at;

		to[i].size =
		    (size_t)n[0] | (size_t)n[1] << 8 | (size_t)n[2] << 16 | (size_t)n[3] << 24;
		to[i].bytes = all + at + 4;
		at += 4 + to[i].size;
	}
}

static bool make_data(struct rt_tfjs *t, struct rt_tfjs_weight *w)
{
	const struct rt_tfjs_group *g = &t->groups[w->group];
	const void *there = in_place(g, w->offset, w->bytes);
	unsigned align = rt_dtype_bits(w->dtype) / 8;
	int64_t count = 0;
	size_t bytes = 0;
	void *raw = NULL;

	if (w->dtype == w->stored && w->dtype != RT_STR && there != NULL && align > 0 &&
	    (uintptr_t)there % align == 0) {
		memcpy(&w->data, &there, sizeof(there)); /* never written; rt_tensor has no const */
		return true;
	}
	(void)rt_shape_elems(&w->shape, &count);
	if (!rt_shape_bytes(&w->shape, w->dtype, &bytes)) {
		(void)rt_lower_fail(&t->l, RT_MALFORMED, "weight '%.200s' is too large", w->name);
		return false;
	}
	w->data = rt_lower_alloc(&t->l, bytes);
	if (w->data == NULL)
		return false;
	if (w->dtype == RT_STR) {
		make_strings(t, w, count, w->data);
	} else if (w->dtype == w->stored) {
		copy_out(g, w->offset, w->bytes, w->data);
	} else if (!t->opts->check_only) {
		if (there == NULL) {
			raw = rt_lower_alloc(&t->l, w->bytes);
			if (raw == NULL)
				return false;
			copy_out(g, w->offset, w->bytes, raw);
			there = raw;
		}
		convert(w, there, count, w->data);
		if (raw != NULL)
			(void)rt_memory_give_back(&t->l.root->memory, raw, w->bytes);
	}
	return t->l.status == RT_OK;
}

int rt_tfjs_weights_find(struct rt_tfjs *t, struct rt_str name)
{
	const int *slot = rt_names_find(&t->names, name);
	struct rt_tfjs_weight *w;

	if (slot == NULL || t->l.status < 0)
		return RT_NO_VALUE;
	w = &t->weights[*slot];
	if (w->data == NULL && !make_data(t, w))
		return RT_NO_VALUE;
	return rt_lower_constant(&t->l, w->name, &(struct rt_tensor){w->dtype, w->shape, w->data});
}

const char *rt_tfjs_weights_name(const struct rt_tfjs *t, int i)
{
	return i >= 0 && i < t->weight_count ? t->weights[i].name : NULL;
}
