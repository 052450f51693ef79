/* SPDX-License-Identifier: MIT */
/*
 * pow.c — Pow: X to the power Y, broadcast; the result has X's type.  Y may have
 * another type from opset 12 on.  Integers to integer powers are exact and wrap;
 * everything else is pow() of doubles, or of floats where both are float32.
 */
#include <config.h>

#include <math.h>

#include "runtime/ops/binary.h"
#include "runtime/ops/ops.h"

struct pow_state {
	struct rt_elementwise_2 same; /* both of one type */
	bool is_same;
	enum rt_dtype base, exponent;
};

static int pow_bind(struct rt_bind *b, struct rt_error *err)
{
	struct pow_state *s = b->state;

	s->base = rt_elementwise_bound(b, 0);
	s->exponent = rt_elementwise_bound(b, 1);
	s->is_same = s->base == s->exponent;
	if (!rt_convert_is_number(s->exponent) || rt_dtype_bits(s->exponent) < 8)
		return rt_error_set(err, RT_UNSUPPORTED, "an exponent of %s",
				    rt_dtype_name(s->exponent));
	if (s->is_same && !rt_binary_choose(&s->same, "Pow", s->base, b->kernels))
		return rt_error_set(err, RT_UNSUPPORTED, "element type %s", rt_dtype_name(s->base));
	return RT_OK;
}

struct powers {
	const struct rt_run *r;
	const struct rt_walk *w;
	rt_elementwise_2_f *integers; /* of int64, NULL: doubles */
};

static void pow_part(void *arg, const int64_t *at, int64_t n)
{
	const struct powers *p = arg;
	const struct rt_tensor *x = &p->r->in[0], *y = &p->r->in[1], *out = &p->r->out[0];
	int64_t sx = p->w->inner_strides[1] != 0, sy = p->w->inner_strides[2] != 0;
	union {
		double f[RT_CONVERT_BLOCK];
		int64_t i[RT_CONVERT_BLOCK];
	} a, b;

	for (int64_t i = 0; i < n; i += RT_CONVERT_BLOCK) {
		size_t m = n - i < RT_CONVERT_BLOCK ? (size_t)(n - i) : RT_CONVERT_BLOCK;
		int64_t ax = at[1] + i * sx, ay = at[2] + i * sy;

		if (p->integers != NULL) {
			rt_convert_to_i64(x->dtype, x->data, ax, sx ? m : 1, a.i);
			rt_convert_to_i64(y->dtype, y->data, ay, sy ? m : 1, b.i);
			if (!sx) /* the loop writes where it reads */
				for (size_t k = 1; k < m; k++)
					a.i[k] = a.i[0];
			p->integers(m, a.i, 1, b.i, (int)sy, a.i);
			rt_convert_from_i64(out->dtype, a.i, m, out->data, at[0] + i);
			continue;
		}
		rt_convert_to_f64(x->dtype, x->data, ax, sx ? m : 1, a.f);
		rt_convert_to_f64(y->dtype, y->data, ay, sy ? m : 1, b.f);
		for (size_t k = m; k-- > 0;)
			a.f[k] = pow(a.f[sx ? k : 0], b.f[sy ? k : 0]);
		rt_convert_from_f64(out->dtype, a.f, m, out->data, at[0] + i, true);
	}
}

static void pow_run(const struct rt_run *r)
{
	const struct pow_state *s = r->state;
	struct powers p = {.r = r, .w = r->shape_state};

	if (s->is_same) {
		rt_elementwise_2_run(&s->same, r->team, r->shape_state, r->in[0].data,
				     r->in[1].data, r->out[0].data);
		return;
	}
	if (!rt_convert_is_float(s->base) && !rt_convert_is_float(s->exponent))
		p.integers = rt_binary_loop("Pow", RT_I64);
	rt_walk_each(p.w, r->team, pow_part, &p);
}

const struct rt_op rt_op_pow = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct pow_state),
    .bind = pow_bind,
    .infer = rt_elementwise_infer,
    .run = pow_run,
};
