/* SPDX-License-Identifier: MIT */
/*
 * topk.c — TopK: the K largest (or smallest) along one axis, with their indices,
 * in order; equal values by index.
 *
 * Opset changes that matter: K is an attribute before 10, an input from then on;
 * 11 adds `largest` and `sorted` (the answer is always in order here).
 */
#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ops/axes.h"
#include "runtime/ops/elementwise.h"
#include "runtime/ops/move.h"
#include "runtime/ops/ops.h"

struct plan {
	int64_t outer, dim, inner, k;
	bool largest;
};

static int topk_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	struct plan *p = rt_infer_alloc(f, sizeof(*p));
	int64_t k = rt_node_int(f->node, "k", -1);
	size_t bytes;
	int axis, status, count;

	if (p == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	f->shape_state = p;
	if (f->in_count > 1 && (!rt_op_ints(&f->in[1], &k, 1, &count) || count != 1))
		return rt_error_set(err, RT_INPUT, "K is not one integer");
	status = rt_axes_one(rt_node_int(f->node, "axis", -1), in->rank, &axis, err);
	if (status != RT_OK)
		return status;
	if (k < 0 || k > in->dims[axis])
		return rt_error_set(err, RT_INPUT, "the top %lld of %lld", (long long)k,
				    (long long)in->dims[axis]);
	rt_walk_around(in, axis, &p->outer, &p->inner);
	p->dim = in->dims[axis];
	p->k = k;
	p->largest = rt_node_int(f->node, "largest", 1) != 0;
	for (int i = 0; i < f->out_count; i++) {
		f->out[i].shape = *in;
		f->out[i].shape.dims[axis] = k;
	}
	/* per thread a heap of k indices */
	if (__builtin_mul_overflow((size_t)k * (size_t)f->threads, sizeof(int64_t), &bytes))
		return rt_error_set(err, RT_INPUT, "K is too large");
	f->scratch_bytes = bytes;
	return RT_OK;
}

/* Is element ${a} of the line better than ${b}? */
typedef bool better_f(const void *x, int64_t step, int64_t a, int64_t b, bool largest);

#define BETTER(id, T, NAN_AT)                                                                      \
	static bool better_##id(const void *in, int64_t step, int64_t a, int64_t b, bool largest)  \
	{                                                                                          \
		const T *x = in;                                                                   \
		const T va = x[a * step], vb = x[b * step];                                        \
		if (NAN_AT(va) != NAN_AT(vb))                                                      \
			return NAN_AT(va) ? largest : !largest;                                    \
		if (va > vb)                                                                       \
			return largest;                                                            \
		if (va < vb)                                                                       \
			return !largest;                                                           \
		return a < b;                                                                      \
	}
#define NEVER(v) false
#define IS_NAN(v) (isnan(v) != 0)
BETTER(f32, float, IS_NAN)
BETTER(f64, double, IS_NAN)
BETTER(i8, int8_t, NEVER)
BETTER(i16, int16_t, NEVER)
BETTER(i32, int32_t, NEVER)
BETTER(i64, int64_t, NEVER)
BETTER(u8, uint8_t, NEVER)
BETTER(u16, uint16_t, NEVER)
BETTER(u32, uint32_t, NEVER)
BETTER(u64, uint64_t, NEVER)

static better_f *const betters[RT_DTYPE_COUNT] = {
    [RT_F32] = better_f32, [RT_F64] = better_f64, [RT_I8] = better_i8, [RT_I16] = better_i16,
    [RT_I32] = better_i32, [RT_I64] = better_i64, [RT_U8] = better_u8, [RT_U16] = better_u16,
    [RT_U32] = better_u32, [RT_U64] = better_u64,
};

struct line {
	better_f *better;
	const void *x;
	int64_t step;
	bool largest;
};

/* The worst of the kept ones is at the top of the heap. */
static void sift(const struct line *l, int64_t *heap, int64_t n, int64_t at)
{
	for (;;) {
		int64_t child = 2 * at + 1, t;
		if (child >= n)
			return;
		if (child + 1 < n &&
		    l->better(l->x, l->step, heap[child], heap[child + 1], l->largest))
			child++;
		if (!l->better(l->x, l->step, heap[at], heap[child], l->largest))
			return;
		t = heap[at];
		heap[at] = heap[child];
		heap[child] = t;
		at = child;
	}
}

static void best_of(const struct line *l, int64_t dim, int64_t k, int64_t *heap)
{
	for (int64_t i = 0; i < k; i++)
		heap[i] = i;
	for (int64_t i = k / 2; i-- > 0;)
		sift(l, heap, k, i);
	for (int64_t i = k; i < dim; i++) {
		if (!l->better(l->x, l->step, i, heap[0], l->largest))
			continue;
		heap[0] = i;
		sift(l, heap, k, 0);
	}
	for (int64_t n = k - 1; n > 0; n--) {
		int64_t t = heap[0];
		heap[0] = heap[n];
		heap[n] = t;
		sift(l, heap, n, 0);
	}
}

static void topk_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct plan *p = r->shape_state;
	size_t size = rt_move_size(r->in[0].dtype);
	int64_t *heap = (int64_t *)r->scratch + thread * p->k;

	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		int64_t o = i / p->inner, e = i % p->inner;
		const char *x =
		    (const char *)r->in[0].data + (o * p->dim * p->inner + e) * (int64_t)size;
		struct line l = {betters[r->in[0].dtype], x, p->inner, p->largest};

		best_of(&l, p->dim, p->k, heap);
		for (int64_t j = 0; j < p->k; j++) {
			int64_t to = (o * p->k + j) * p->inner + e;
			if (r->out[0].data != NULL)
				memcpy((char *)r->out[0].data + to * (int64_t)size,
				       x + heap[j] * p->inner * (int64_t)size, size);
			if (r->out_count > 1 && r->out[1].data != NULL)
				((int64_t *)r->out[1].data)[to] = heap[j];
		}
	}
}

static void topk_run(const struct rt_run *r)
{
	const struct plan *p = r->shape_state;
	struct rt_run copy = *r;

	if (p->outer > 0 && p->k > 0)
		rt_team_for(r->team, (size_t)(p->outer * p->inner), rt_walk_grain(p->dim * 4),
			    topk_range, &copy);
}

static int topk_bind(struct rt_bind *b, struct rt_error *err)
{
	enum rt_dtype t = rt_elementwise_bound(b, 0);

	if (betters[t] == NULL)
		return rt_error_set(err, RT_UNSUPPORTED, "element type %s", rt_dtype_name(t));
	return RT_OK;
}

const struct rt_op rt_op_topk = {
    .in_min = 1,
    .in_max = 2,
    .out_min = 1,
    .out_max = 2,
    .value_inputs = 1u << 1,
    .type = rt_op_type_same_i64,
    .bind = topk_bind,
    .infer = topk_infer,
    .run = topk_run,
};
