/* SPDX-License-Identifier: MIT */
/*
 * clip.c — Clip: out = min(max(x, lo), hi), so hi wins where lo > hi.
 *
 * Opset changes that matter: 6 has lo and hi as attributes, 11 as optional
 * inputs (scalars), 12 adds integers.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/elementwise.h"
#include "runtime/ops/ops.h"

struct clip {
	enum rt_dtype dtype;
	const struct rt_kernels *kernels;
	bool attributes;
	float lo, hi; /* of the attributes */
};

struct bounds {
	const struct clip *s;
	const char *x;
	char *y;
	struct rt_unary_params p;      /* float32 and 16-bit floats */
	_Alignas(8) char lo[8], hi[8]; /* other types */
};

#define LOOP(id, T)                                                                                \
	static void clip_##id(const struct bounds *b, size_t begin, size_t end)                    \
	{                                                                                          \
		const T *x = (const T *)(const void *)b->x;                                        \
		T *y = (T *)(void *)b->y;                                                          \
		T lo, hi;                                                                          \
		memcpy(&lo, b->lo, sizeof(lo));                                                    \
		memcpy(&hi, b->hi, sizeof(hi));                                                    \
		for (size_t i = begin; i < end; i++) {                                             \
			T v = x[i] < lo ? lo : x[i];                                               \
			y[i] = v > hi ? hi : v;                                                    \
		}                                                                                  \
	}
LOOP(f64, double)
LOOP(i8, int8_t)
LOOP(i16, int16_t)
LOOP(i32, int32_t)
LOOP(i64, int64_t)
LOOP(u8, uint8_t)
LOOP(u16, uint16_t)
LOOP(u32, uint32_t)
LOOP(u64, uint64_t)

/* No loop of its own: float32 has the kernel, 16-bit floats go through it. */
static void (*const loops[RT_DTYPE_COUNT])(const struct bounds *b, size_t begin, size_t end) = {
    [RT_F64] = clip_f64, [RT_I8] = clip_i8,   [RT_I16] = clip_i16,
    [RT_I32] = clip_i32, [RT_I64] = clip_i64, [RT_U8] = clip_u8,
    [RT_U16] = clip_u16, [RT_U32] = clip_u32, [RT_U64] = clip_u64,
};

static int clip_bind(struct rt_bind *b, struct rt_error *err)
{
	struct clip *s = b->state;

	s->dtype = rt_elementwise_bound(b, 0);
	s->kernels = b->kernels;
	s->attributes = b->node->opset < 11;
	s->lo = rt_node_float(b->node, "min", -0x1.fffffep127f);
	s->hi = rt_node_float(b->node, "max", 0x1.fffffep127f);
	for (int i = 1; i < b->node->in_count; i++) {
		enum rt_dtype t = rt_elementwise_bound(b, i);
		if (t != RT_NONE && t != s->dtype)
			return rt_error_set(err, RT_MALFORMED, "input 0 is %s, but input %d is %s",
					    rt_dtype_name(s->dtype), i, rt_dtype_name(t));
	}
	return RT_OK;
}

static int clip_infer(struct rt_infer *f, struct rt_error *err)
{
	for (int i = 1; i < f->in_count; i++) {
		int64_t n;
		if (f->in[i].dtype != RT_NONE && (!rt_shape_elems(&f->in[i].shape, &n) || n != 1))
			return rt_error_set(err, RT_INPUT, "%s is not one number",
					    i == 1 ? "min" : "max");
	}
	f->out[0].shape = f->in[0].shape;
	return RT_OK;
}

static void clip_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct bounds *b = arg;
	const struct rt_kernels *k = b->s->kernels;
	rt_f32_unary_f *kernel = k->f32_unary->fn[RT_UNARY_CLIP];
	float block[RT_CONVERT_BLOCK];

	(void)thread;
	if (b->s->dtype == RT_F32) {
		kernel(end - begin, (const float *)(const void *)b->x + begin,
		       (float *)(void *)b->y + begin, &b->p);
		return;
	}
	if (loops[b->s->dtype] != NULL) {
		loops[b->s->dtype](b, begin, end);
		return;
	}
	for (size_t i = begin; i < end; i += RT_CONVERT_BLOCK) {
		size_t n = end - i < RT_CONVERT_BLOCK ? end - i : RT_CONVERT_BLOCK;
		rt_elementwise_to_f32(k->f16_convert, b->s->dtype, n, b->x + i * 2, block);
		kernel(n, block, block, &b->p);
		rt_elementwise_from_f32(k->f16_convert, b->s->dtype, n, block, b->y + i * 2);
	}
}

/* The limit of input ${i}, or the attribute, or the end of the type. */
static void clip_limit(const struct rt_run *r, int i, float *as_float, char *as_type)
{
	const struct clip *s = r->state;
	double otherwise = i == 1 ? -INFINITY : INFINITY;
	size_t bytes = rt_dtype_bits(s->dtype) / 8;

	if (i < r->in_count && r->in[i].data != NULL) {
		memcpy(as_type, r->in[i].data, bytes);
		rt_convert_to_f32(s->dtype, r->in[i].data, 0, 1, as_float);
		return;
	}
	if (s->attributes)
		otherwise = (double)(i == 1 ? s->lo : s->hi);
	*as_float = (float)otherwise;
	if (s->dtype == RT_I64 || s->dtype == RT_U64) {
		int64_t end = i == 1 ? (s->dtype == RT_I64 ? INT64_MIN : 0)
				     : (s->dtype == RT_I64 ? INT64_MAX : -1);
		memcpy(as_type, &end, sizeof(end));
	} else if (s->dtype != RT_F64 && !rt_elementwise_is_half(s->dtype) && s->dtype != RT_F32) {
		otherwise = i == 1 ? rt_convert_min(s->dtype) : rt_convert_max(s->dtype);
		rt_convert_from_f64(s->dtype, &otherwise, 1, as_type, 0, true);
	} else {
		rt_convert_from_f64(s->dtype, &otherwise, 1, as_type, 0, false);
	}
}

static void clip_run(const struct rt_run *r)
{
	struct bounds b = {.s = r->state, .x = r->in[0].data, .y = r->out[0].data};
	int64_t n = rt_tensor_elems(&r->in[0]);

	clip_limit(r, 1, &b.p.a, b.lo);
	clip_limit(r, 2, &b.p.b, b.hi);
	if (n > 0)
		rt_team_for(r->team, (size_t)n, rt_walk_grain(2), clip_range, &b);
}

const struct rt_op rt_op_clip = {
    .in_min = 1,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .alias_inputs = 1,
    .state_bytes = sizeof(struct clip),
    .bind = clip_bind,
    .infer = clip_infer,
    .run = clip_run,
};
