/* SPDX-License-Identifier: MIT */
/*
 * tflite_sparse.c — a sparse constant made dense (schema.fbs, SparsityParameters:
 * the TACO format).  Dimensions are walked in the order that the file says, each
 * either dense or, compressed as the rows of a CSR matrix are, by segments and
 * indices; dimensions beyond the tensor's own are those of blocks.  Called by
 * tflite_tensor.c; must never write beyond the tensor.
 */
#include <config.h>

#include <string.h>

#include "runtime/tflite_reader.h"

#define LEVELS_MAX ((size_t)2 * RT_RANK_MAX)
#define STEPS_MAX ((int64_t)1 << 28) /* of a walk; a file may ask for more than it stores */

enum { SPARSITY_ORDER, SPARSITY_BLOCK_MAP, SPARSITY_DIMS };
enum { DIM_FORMAT, DIM_SIZE, DIM_SEGMENTS_TYPE, DIM_SEGMENTS, DIM_INDICES_TYPE, DIM_INDICES };

struct level {
	bool is_sparse;
	int64_t size;                               /* dense: of the dimension */
	struct rt_flatbuf_vector segments, indices; /* sparse */
	int dim;                                    /* of the tensor */
	bool is_block;
};

struct walk {
	struct rt_tflite *r;
	int levels, rank;
	struct level level[LEVELS_MAX];
	int64_t block[RT_RANK_MAX]; /* elements of a block per dimension */
	const struct rt_shape *shape;
	const uint8_t *from;
	uint8_t *to;
	size_t each, count, next; /* bytes of an element; elements that are stored; read so far */
	int64_t at[RT_RANK_MAX], inner[RT_RANK_MAX];
	int64_t steps;
};

/* Int32Vector, Uint16Vector or Uint8Vector, by the number of the union's member. */
static struct rt_flatbuf_vector index_vector(struct rt_tflite *r, const struct rt_flatbuf_table *t,
					     unsigned type_field)
{
	static const size_t sizes[] = {0, 4, 2, 1};
	const uint64_t type = rt_flatbuf_uint(&r->f, t, type_field, 1, 0);
	const struct rt_flatbuf_table v = rt_flatbuf_sub(&r->f, t, type_field + 1);

	if (type == 0 || type > 3) {
		rt_flatbuf_bad(&r->f, t->at, "a sparse dimension without indices");
		return (struct rt_flatbuf_vector){0};
	}
	return rt_flatbuf_vector(&r->f, &v, 0, sizes[type]);
}

static int64_t index_at(const struct walk *w, const struct rt_flatbuf_vector *v, size_t i)
{
	const int64_t x = rt_flatbuf_int_at(&w->r->f, v, i);

	return v->each == 4 ? x : x & (v->each == 2 ? 0xffff : 0xff);
}

static bool read_levels(struct walk *w, const struct rt_flatbuf_table *sparsity)
{
	struct rt_flatbuf *f = &w->r->f;
	const struct rt_flatbuf_vector order = rt_flatbuf_vector(f, sparsity, SPARSITY_ORDER, 4);
	const struct rt_flatbuf_vector map = rt_flatbuf_vector(f, sparsity, SPARSITY_BLOCK_MAP, 4);
	const struct rt_flatbuf_vector dims = rt_flatbuf_vector(f, sparsity, SPARSITY_DIMS, 4);

	if (f->status != RT_OK || order.count != dims.count || order.count > LEVELS_MAX ||
	    order.count != (size_t)w->rank + map.count)
		return false;
	w->levels = (int)order.count;
	for (int i = 0; i < w->levels; i++) {
		const struct rt_flatbuf_table d = rt_flatbuf_table_at(f, &dims, (size_t)i);
		struct level *l = &w->level[i];
		int64_t dim = rt_flatbuf_int_at(f, &order, (size_t)i);

		l->is_block = dim >= w->rank;
		if (dim < 0 || dim >= w->levels)
			return false;
		if (l->is_block)
			dim = rt_flatbuf_int_at(f, &map, (size_t)(dim - w->rank));
		if (dim < 0 || dim >= w->rank)
			return false;
		l->dim = (int)dim;
		l->is_sparse = rt_flatbuf_int(f, &d, DIM_FORMAT, 1, 0) != 0;
		l->size = rt_flatbuf_int(f, &d, DIM_SIZE, 4, 0);
		if (l->is_sparse) {
			l->segments = index_vector(w->r, &d, DIM_SEGMENTS_TYPE);
			l->indices = index_vector(w->r, &d, DIM_INDICES_TYPE);
		}
		if (l->size < 0 || (l->is_block && l->is_sparse) || f->status != RT_OK)
			return false;
		if (l->is_block)
			w->block[dim] = l->size;
	}
	return true;
}

/* The next stored element is that of the position at hand. */
static bool put(struct walk *w)
{
	int64_t at = 0;

	if (w->next >= w->count)
		return false;
	for (int i = 0; i < w->rank; i++) {
		int64_t x;

		if (__builtin_mul_overflow(w->at[i], w->block[i], &x) ||
		    __builtin_add_overflow(x, w->inner[i], &x) || x < 0 || x >= w->shape->dims[i])
			return false;
		at = at * w->shape->dims[i] + x;
	}
	memcpy(w->to + (size_t)at * w->each, w->from + w->next * w->each, w->each);
	w->next++;
	return true;
}

/* As deep as there are levels; ${parent}: index among the entries of the level before.  Every
 * innermost step reads an element that is stored, so that there are not more of them. */
static bool walk(struct walk *w, int level, int64_t parent)
{
	const struct level *l = &w->level[level];
	int64_t begin = 0, end = l->size, *at;

	if (level == w->levels)
		return put(w);
	at = l->is_block ? &w->inner[l->dim] : &w->at[l->dim];
	if (l->is_sparse) {
		if (parent < 0 || (uint64_t)parent + 1 >= l->segments.count)
			return false;
		begin = index_at(w, &l->segments, (size_t)parent);
		end = index_at(w, &l->segments, (size_t)parent + 1);
		if (begin < 0 || begin > end || (uint64_t)end > l->indices.count)
			return false;
	}
	if (!l->is_sparse && (uint64_t)end > w->count)
		return false;
	for (int64_t i = begin; i < end; i++) {
		int64_t next = i;

		if (++w->steps > STEPS_MAX)
			return false;
		*at = l->is_sparse ? index_at(w, &l->indices, (size_t)i) : i;
		if (!l->is_sparse && (__builtin_mul_overflow(parent, l->size, &next) ||
				      __builtin_add_overflow(next, i, &next)))
			return false;
		if (!walk(w, level + 1, next))
			return false;
	}
	return true;
}

void rt_tflite_densify(struct rt_tflite *r, struct rt_tflite_tensor *t,
		       const struct rt_flatbuf_table *sparsity, struct rt_bytes data)
{
	struct walk w = {.r = r, .rank = t->shape.rank, .shape = &t->shape, .from = data.data};
	size_t bytes;

	for (int i = 0; i < RT_RANK_MAX; i++)
		w.block[i] = 1;
	w.each = rt_dtype_bits(t->dtype) / 8;
	if (t->dtype == RT_NONE || t->dtype == RT_STR || w.each == 0 ||
	    !rt_shape_bytes(&t->shape, t->dtype, &bytes)) {
		rt_flatbuf_bad(&r->f, sparsity->at,
			       "a sparse tensor of an impossible type or shape");
		return;
	}
	w.count = data.size / w.each;
	w.to = rt_lower_alloc(&r->l, bytes);
	if (w.to == NULL)
		return;
	if (!read_levels(&w, sparsity) || !walk(&w, 0, 0)) {
		rt_flatbuf_bad(&r->f, sparsity->at, "a sparse tensor whose indices do not fit");
		return;
	}
	t->data = (struct rt_tensor){t->dtype, t->shape, w.to};
	t->is_constant = true;
}
