/* SPDX-License-Identifier: MIT */
/*
 * tfidf.c — TfIdfVectorizer (9): how often each n-gram of a pool occurs in a row
 * of integers or strings.
 *
 * n-grams of min_gram_length … max_gram_length items, the items 1 …
 * max_skip_count + 1 apart.  The pool holds all 1-grams, then all 2-grams, …;
 * ngram_counts says where each length begins, ngram_indexes which output an
 * n-gram counts for.  mode: TF the count, IDF its weight if it occurs, TFIDF both
 * multiplied.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/index.h"
#include "runtime/ops/ops.h"

struct tfidf {
	const int64_t *counts, *indexes, *ints;
	const struct rt_str *strings;
	const float *weights;
	int64_t lengths, entries, pool, outputs; /* outputs: largest index + 1 */
	int64_t least, most, skips;
	bool tf, idf;
};

static int tfidf_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		      struct rt_error *err)
{
	(void)g, (void)n, (void)err;
	out[0] = RT_F32;
	return RT_OK;
}

static int tfidf_bind(struct rt_bind *b, struct rt_error *err)
{
	struct tfidf *s = b->state;
	const struct rt_node *n = b->node;
	const struct rt_attr *strings = rt_node_attr(n, "pool_strings"),
			     *weights = rt_node_attr(n, "weights");
	int64_t items = 0;
	bool is_text = b->graph->values[n->in[0]].dtype == RT_STR;

	s->counts = rt_node_ints(n, "ngram_counts", &s->lengths);
	s->indexes = rt_node_ints(n, "ngram_indexes", &s->entries);
	s->ints = rt_node_ints(n, "pool_int64s", &s->pool);
	if (is_text && strings != NULL && strings->kind == RT_ATTR_STRINGS) {
		s->strings = strings->strings;
		s->pool = strings->count;
	}
	s->least = rt_node_int(n, "min_gram_length", 1);
	s->most = rt_node_int(n, "max_gram_length", 1);
	s->skips = rt_node_int(n, "max_skip_count", 0);
	s->tf = !rt_node_string_is(n, "mode", "IDF", "TF");
	s->idf = !rt_node_string_is(n, "mode", "TF", "TF");
	if (weights != NULL && weights->kind != RT_ATTR_FLOATS)
		weights = NULL;
	if (weights != NULL)
		s->weights = weights->floats;
	if (s->counts == NULL || s->indexes == NULL || (is_text ? !s->strings : !s->ints) ||
	    s->least < 1 || s->most < s->least || s->skips < 0 || s->skips > INT32_MAX ||
	    (weights != NULL && weights->count != s->entries))
		return rt_error_set(err, RT_MALFORMED, "the pool or the lengths are not usable");
	for (int64_t l = 0; l < s->lengths; l++) {
		int64_t end = l + 1 < s->lengths ? s->counts[l + 1] : s->pool;
		if (s->counts[l] < 0 || end < s->counts[l] || end > s->pool ||
		    (end - s->counts[l]) % (l + 1) != 0)
			return rt_error_set(err, RT_MALFORMED, "ngram_counts of length %lld",
					    (long long)l + 1);
		items += (end - s->counts[l]) / (l + 1);
	}
	if (items != s->entries)
		return rt_error_set(err, RT_MALFORMED, "%lld n-grams, but %lld indexes",
				    (long long)items, (long long)s->entries);
	for (int64_t i = 0; i < s->entries; i++) {
		if (s->indexes[i] < 0 || s->indexes[i] > INT32_MAX)
			return rt_error_set(err, RT_MALFORMED, "ngram_indexes");
		if (s->indexes[i] + 1 > s->outputs)
			s->outputs = s->indexes[i] + 1;
	}
	return RT_OK;
}

static int tfidf_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct tfidf *s = f->state;
	const struct rt_shape *in = &f->in[0].shape;

	if (in->rank < 1 || in->rank > 2)
		return rt_error_set(err, RT_INPUT, "an input of rank %d; 1 or 2 is needed",
				    in->rank);
	f->out[0].shape =
	    in->rank == 2 ? rt_shape_of(2, in->dims[0], s->outputs) : rt_shape_of(1, s->outputs);
	return RT_OK;
}

static bool same_item(const struct tfidf *s, const struct rt_tensor *in, int64_t i, int64_t k)
{
	if (in->dtype == RT_STR) {
		const struct rt_str *a = (const struct rt_str *)in->data + i, *b = &s->strings[k];
		return a->size == b->size &&
		       (a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
	}
	return rt_index_get(in, i) == s->ints[k];
}

/* Occurrences of the n-gram of ${n} items at pool[${at}] in the row. */
static int64_t occurrences(const struct tfidf *s, const struct rt_tensor *in, int64_t row,
			   int64_t width, int64_t at, int64_t n)
{
	int64_t found = 0;

	for (int64_t step = 1; step <= s->skips + 1; step++) {
		if (n == 1 && step > 1)
			break; /* items of one are not apart */
		for (int64_t i = 0; i + (n - 1) * step < width; i++) {
			bool same = true;
			for (int64_t k = 0; same && k < n; k++)
				same = same_item(s, in, row + i + k * step, at + k);
			found += same;
		}
		if ((n - 1) * step >= width)
			break;
	}
	return found;
}

static void tfidf_run(const struct rt_run *r)
{
	const struct tfidf *s = r->state;
	const struct rt_tensor *in = &r->in[0];
	int64_t width = in->shape.dims[in->shape.rank - 1];
	int64_t rows = in->shape.rank == 2 ? in->shape.dims[0] : 1;
	float *out = r->out[0].data;

	memset(out, 0, rt_tensor_bytes(&r->out[0]));
	for (int64_t row = 0; row < rows; row++) {
		int64_t entry = 0;
		for (int64_t l = 0; l < s->lengths; l++) {
			int64_t end = l + 1 < s->lengths ? s->counts[l + 1] : s->pool;
			for (int64_t at = s->counts[l]; at < end; at += l + 1, entry++) {
				int64_t n = l + 1 < s->least || l + 1 > s->most
						? 0
						: occurrences(s, in, row * width, width, at, l + 1);
				float weight = s->idf && s->weights != NULL ? s->weights[entry] : 1;
				float *to = &out[row * s->outputs + s->indexes[entry]];
				if (n > 0)
					*to = s->tf ? *to + (float)n * weight : weight;
			}
		}
	}
}

const struct rt_op rt_op_tfidf_vectorizer = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct tfidf),
    .type = tfidf_type,
    .bind = tfidf_bind,
    .infer = tfidf_infer,
    .run = tfidf_run,
};
