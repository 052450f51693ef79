/* SPDX-License-Identifier: MIT */
/*
 * cast.c — Cast, CastLike, BitCast: the same values, or bits, as another type.
 *
 * Floats become integers by truncation, bool by x ≠ 0; what does not fit an
 * 8-bit float saturates unless `saturate` (19) is 0.  Strings are read as
 * numbers as strtod does ("NaN", "INF", "1e-5"); numbers are written as the
 * shortest text that reads back as the same value.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/elementwise.h"
#include "runtime/ops/number_text.h"
#include "runtime/ops/ops.h"

struct cast {
	const struct rt_f16_convert *f16;
	bool saturate;
	enum rt_convert_round round;
};

struct casting {
	const struct cast *s;
	const struct rt_run *r;
	char *texts; /* to string: [elems][RT_NUMBER_TEXT] */
};

static int cast_bind(struct rt_bind *b, struct rt_error *err)
{
	struct cast *s = b->state;

	(void)err;
	s->f16 = b->kernels->f16_convert;
	s->saturate = rt_node_int(b->node, "saturate", 1) != 0;
	if (rt_node_string_is(b->node, "round_mode", "down", "up"))
		s->round = RT_CONVERT_DOWN;
	else if (rt_node_string_is(b->node, "round_mode", "nearest", "up"))
		s->round = RT_CONVERT_NEAREST;
	return RT_OK;
}

static int cast_infer(struct rt_infer *f, struct rt_error *err)
{
	int64_t n;
	size_t bytes;

	f->out[0].shape = f->in[0].shape;
	if (f->out[0].dtype != RT_STR || f->in[0].dtype == RT_STR)
		return RT_OK;
	if (!rt_shape_elems(&f->in[0].shape, &n) ||
	    __builtin_mul_overflow((size_t)n, (size_t)RT_NUMBER_TEXT, &bytes))
		return rt_error_set(err, RT_INPUT, "the input is too large");
	f->shape_state = rt_infer_alloc(f, bytes + 1);
	if (f->shape_state == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	return RT_OK;
}

/* ---- numbers --------------------------------------------------------------------------------- */

static void cast_numbers(const struct casting *c, int64_t first, size_t n)
{
	const struct rt_tensor *in = &c->r->in[0], *out = &c->r->out[0];
	bool narrow = in->dtype == RT_F32 || rt_elementwise_is_half(in->dtype);
	union {
		double f64[RT_CONVERT_BLOCK];
		float f32[RT_CONVERT_BLOCK];
		int64_t i64[RT_CONVERT_BLOCK];
	} b;

	if (narrow && (out->dtype == RT_F32 || rt_elementwise_is_half(out->dtype))) {
		size_t from = in->dtype == RT_F32 ? 4 : 2;
		rt_elementwise_to_f32(c->s->f16, in->dtype, n,
				      (const char *)in->data + (size_t)first * from, b.f32);
		rt_elementwise_from_f32(c->s->f16, out->dtype, n, b.f32,
					(char *)out->data +
					    (size_t)first * (out->dtype == RT_F32 ? 4 : 2));
	} else if (out->dtype == RT_F8E8M0) {
		rt_convert_to_f64(in->dtype, in->data, first, n, b.f64);
		for (size_t i = 0; i < n; i++)
			((uint8_t *)out->data)[(size_t)first + i] =
			    rt_convert_f64_to_e8m0(b.f64[i], c->s->round, c->s->saturate);
	} else if (rt_convert_is_float(in->dtype)) {
		rt_convert_to_f64(in->dtype, in->data, first, n, b.f64);
		rt_convert_from_f64(out->dtype, b.f64, n, out->data, first, c->s->saturate);
	} else if (in->dtype == RT_U64 && rt_convert_is_float(out->dtype)) {
		rt_convert_to_f64(in->dtype, in->data, first, n, b.f64);
		rt_convert_from_f64(out->dtype, b.f64, n, out->data, first, c->s->saturate);
	} else {
		rt_convert_to_i64(in->dtype, in->data, first, n, b.i64);
		rt_convert_from_i64(out->dtype, b.i64, n, out->data, first);
	}
}

static void cast_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct casting *c = arg;

	(void)thread;
	/* ranges begin at blocks, so that packed types are written by one thread each */
	for (size_t k = begin; k < end; k++) {
		int64_t first = (int64_t)k * RT_CONVERT_BLOCK,
			left = rt_tensor_elems(&c->r->in[0]) - first;
		cast_numbers(c, first, left < RT_CONVERT_BLOCK ? (size_t)left : RT_CONVERT_BLOCK);
	}
}

/* ---- strings --------------------------------------------------------------------------------- */

static void from_string(const struct rt_run *r, int64_t i)
{
	const struct rt_str *text = (const struct rt_str *)r->in[0].data + i;

	if (!rt_number_text_read(*text, r->out[0].dtype, r->out[0].data, i))
		rt_run_fault(r, "element %lld is not a number", (long long)i);
}

static void to_string(const struct rt_run *r, int64_t i)
{
	const struct rt_tensor *in = &r->in[0];
	/* written by this run alone: a plan is used by one thread at a time */
	char *texts = (char *)(uintptr_t)r->shape_state, *text = texts + i * RT_NUMBER_TEXT;
	int n = rt_number_text(in, i, text);

	((struct rt_str *)r->out[0].data)[i] = (struct rt_str){text, (size_t)n};
}

/* ---- the operators --------------------------------------------------------------------------- */

static void cast_run(const struct rt_run *r)
{
	struct casting c = {.s = r->state, .r = r};
	int64_t n = rt_tensor_elems(&r->in[0]);
	enum rt_dtype from = r->in[0].dtype, to = r->out[0].dtype;

	if (n == 0)
		return;
	if (from == to) {
		memcpy(r->out[0].data, r->in[0].data, rt_tensor_bytes(&r->in[0]));
	} else if (from == RT_STR) {
		for (int64_t i = 0; i < n; i++)
			from_string(r, i);
	} else if (to == RT_STR) {
		for (int64_t i = 0; i < n; i++)
			to_string(r, i);
	} else {
		rt_team_for(r->team, (size_t)((n - 1) / RT_CONVERT_BLOCK + 1), 16, cast_range, &c);
	}
}

const struct rt_op rt_op_cast = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct cast),
    .type = rt_op_type_to,
    .bind = cast_bind,
    .infer = cast_infer,
    .run = cast_run,
};

const struct rt_op rt_op_cast_like = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct cast),
    .type = rt_op_type_second,
    .bind = cast_bind,
    .infer = cast_infer,
    .run = cast_run,
};

static int bit_cast_infer(struct rt_infer *f, struct rt_error *err)
{
	if (rt_dtype_bits(f->in[0].dtype) != rt_dtype_bits(f->out[0].dtype) ||
	    f->out[0].dtype == RT_STR)
		return rt_error_set(err, RT_MALFORMED, "%s and %s differ in size",
				    rt_dtype_name(f->in[0].dtype), rt_dtype_name(f->out[0].dtype));
	f->out[0].shape = f->in[0].shape;
	return RT_OK;
}

const struct rt_op rt_op_bit_cast = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .is_view = true,
    .type = rt_op_type_to,
    .infer = bit_cast_infer,
};
