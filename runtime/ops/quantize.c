/* SPDX-License-Identifier: MIT */
/*
 * quantize.c — QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear.
 *
 *	QuantizeLinear		y = saturate(round(x / scale) + zero)	half to even
 *	DequantizeLinear	y = (x − zero) · scale
 *	DynamicQuantizeLinear	scale = (max(0, max x) − min(0, min x)) / 255,
 *				zero = saturate(round(−min(0, min x) / scale))
 *
 * Opset changes that matter: 10 one scale; 13 a scale per index of `axis`; 19
 * 8-bit floats, float16, `saturate`; 21 int4, int16, `block_size` and
 * `output_dtype`; 23 lets DequantizeLinear name its output type.  The quotient
 * is a float32 quotient (`precision`, 23, may say no more than that); the sum and the
 * clamp are exact.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/qparam.h"
#include "runtime/ops/walk.h"

struct quantize {
	const struct rt_kernels *kernels;
	int64_t axis, block;
	bool saturate;
};

/* The tensor as [outer][along][inner]; which scale belongs to an element. */
struct scales {
	int64_t along, inner; /* [outer][along][inner] */
	int64_t block;        /* > 0: scale [outer][along / block, up][inner] */
	int64_t count;        /* of scales: 1 = one for all */
};

struct job {
	const struct rt_run *run;
	const struct scales *sc;
	const float *scale; /* [count] */
	const double *zero; /* [count] */
	double lo, hi;
	bool saturate, quantize;
};

static int type_named(const struct rt_node *n, const char *attr, enum rt_dtype *out)
{
	int64_t to = rt_node_int(n, attr, 0);

	*out = to ? rt_dtype_of_onnx(to) : RT_NONE;
	return to && *out == RT_NONE ? RT_UNSUPPORTED : RT_OK;
}

static enum rt_dtype input_type(const struct rt_graph *g, const struct rt_node *n, int i)
{
	return i < n->in_count && n->in[i] != RT_NO_VALUE ? g->values[n->in[i]].dtype : RT_NONE;
}

static int quantize_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			 struct rt_error *err)
{
	enum rt_dtype zero = input_type(g, n, 2), named;

	if (type_named(n, "output_dtype", &named))
		return rt_error_set(err, RT_UNSUPPORTED, "output_dtype %lld is not supported",
				    (long long)rt_node_int(n, "output_dtype", 0));
	if (zero != RT_NONE && named != RT_NONE && zero != named)
		return rt_error_set(err, RT_MALFORMED, "output_dtype is %s, the zero point %s",
				    rt_dtype_name(named), rt_dtype_name(zero));
	out[0] = zero != RT_NONE ? zero : named != RT_NONE ? named : RT_U8;
	return RT_OK;
}

static int dequantize_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			   struct rt_error *err)
{
	enum rt_dtype named;

	if (type_named(n, "output_dtype", &named))
		return rt_error_set(err, RT_UNSUPPORTED, "output_dtype %lld is not supported",
				    (long long)rt_node_int(n, "output_dtype", 0));
	out[0] = named != RT_NONE ? named : input_type(g, n, 1);
	return RT_OK;
}

static int quantize_bind(struct rt_bind *b, struct rt_error *err)
{
	struct quantize *s = b->state;
	int64_t to;

	s->kernels = b->kernels;
	s->axis = rt_node_int(b->node, "axis", 1);
	s->block = rt_node_int(b->node, "block_size", 0);
	s->saturate = rt_node_int(b->node, "saturate", 1) != 0;
	to = rt_node_int(b->node, "precision", 0); /* of the quotient, which is float32 */
	if (to != 0 && rt_dtype_of_onnx(to) != RT_F32 &&
	    rt_dtype_of_onnx(to) != b->graph->values[b->node->in[1]].dtype)
		return rt_error_set(err, RT_UNSUPPORTED, "precision %lld", (long long)to);
	if (s->block < 0)
		return rt_error_set(err, RT_MALFORMED, "block_size is %lld", (long long)s->block);
	return RT_OK;
}

static int64_t blocks_of(int64_t n, int64_t block)
{
	return n / block + (n % block != 0);
}

static bool blocked_fits(const struct rt_shape *x, const struct rt_shape *scale, int axis,
			 int64_t block)
{
	if (scale->rank != x->rank)
		return false;
	for (int k = 0; k < x->rank; k++) {
		int64_t want = k == axis ? blocks_of(x->dims[k], block) : x->dims[k];
		if (scale->dims[k] != want)
			return false;
	}
	return true;
}

static int scales_of(const struct rt_infer *f, struct scales *sc, struct rt_error *err)
{
	const struct quantize *s = f->state;
	const struct rt_shape *x = &f->in[0].shape, *scale = &f->in[1].shape;
	int axis = 0;
	char text[96];

	*sc = (struct scales){.along = 1, .inner = 1, .count = 1};
	if (!rt_shape_elems(scale, &sc->count))
		return rt_error_set(err, RT_INPUT, "the scale is too large");
	if (s->block == 0 && (scale->rank == 0 || (scale->rank == 1 && scale->dims[0] == 1)))
		return RT_OK;
	if (!rt_op_axis(s->axis, x->rank, &axis))
		return rt_error_set(err, RT_INPUT, "axis %lld is not in a tensor of rank %d",
				    (long long)s->axis, x->rank);
	sc->along = x->dims[axis];
	for (int k = axis + 1; k < x->rank; k++)
		sc->inner *= x->dims[k];
	sc->block = s->block;
	if (s->block ? blocked_fits(x, scale, axis, s->block)
		     : scale->rank == 1 && scale->dims[0] == sc->along)
		return RT_OK;
	return rt_error_set(err, RT_INPUT, "a scale of shape %s does not fit axis %d of the input",
			    rt_shape_text(scale, text, sizeof(text)), axis);
}

static int quantize_infer(struct rt_infer *f, struct rt_error *err)
{
	struct scales *sc = rt_infer_alloc(f, sizeof(*sc));
	int rc = sc ? scales_of(f, sc, err) : rt_error_set(err, RT_MEMORY, "no memory for a plan");

	if (rc)
		return rc;
	if (f->in_count > 2 && f->in[2].dtype != RT_NONE) {
		int64_t n;
		if (!rt_shape_elems(&f->in[2].shape, &n) || n != sc->count)
			return rt_error_set(err, RT_INPUT, "zero point and scale differ in shape");
	}
	f->shape_state = sc;
	f->scratch_bytes = (size_t)sc->count * (sizeof(float) + sizeof(double)) + 64;
	f->out[0].shape = f->in[0].shape;
	return RT_OK;
}

static int64_t scale_index(const struct scales *sc, int64_t element)
{
	int64_t inner, row;

	if (sc->count == 1 && sc->block == 0)
		return 0;
	inner = element % sc->inner;
	row = element / sc->inner; /* outer · along + a */
	if (sc->block == 0)
		return row % sc->along;
	int64_t blocks = blocks_of(sc->along, sc->block);
	return (row / sc->along * blocks + row % sc->along / sc->block) * sc->inner + inner;
}

/* How many elements from ${element} on have the same scale. */
static int64_t same_scale(const struct scales *sc, int64_t element, int64_t most)
{
	int64_t n;

	if (sc->count == 1 && sc->block == 0)
		return most;
	n = sc->block && sc->inner > 1 ? 1 : sc->inner - element % sc->inner;
	return n < most ? n : most;
}

static void quantize_run_of(const struct job *j, size_t n, const float *x, float scale, double zero,
			    double *y)
{
	for (size_t i = 0; i < n; i++) {
		double q = nearbyint((double)(x[i] / scale)) + zero;
		q = isnan(q) ? zero : q; /* 0/0 has no meaning in integers */
		y[i] = q < j->lo ? j->lo : q > j->hi ? j->hi : q;
	}
}

/* Small floats are not rounded to integers: the conversion rounds.  Adding the zero point, which is
 * 0 for them, makes +0 of −0. */
static void scale_run_of(size_t n, const float *x, float scale, double zero, double *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] = (double)(x[i] / scale) + zero;
}

static void dequantize_run_of(size_t n, const double *x, float scale, double zero, double *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] = (double)((float)(x[i] - zero) * scale);
}

static void quantize_block(const struct job *j, int64_t first, size_t n)
{
	const struct rt_tensor *in = &j->run->in[0], *out = &j->run->out[0];
	float x[RT_CONVERT_BLOCK];
	double wide[RT_CONVERT_BLOCK], y[RT_CONVERT_BLOCK];
	bool integer = !rt_convert_is_float(out->dtype);

	if (j->quantize)
		rt_convert_to_f32(in->dtype, in->data, first, n, x);
	else
		rt_convert_to_f64(in->dtype, in->data, first, n, wide);
	for (size_t i = 0; i < n;) {
		int64_t at = scale_index(j->sc, first + (int64_t)i);
		size_t k = (size_t)same_scale(j->sc, first + (int64_t)i, (int64_t)(n - i));
		if (!j->quantize)
			dequantize_run_of(k, wide + i, j->scale[at], j->zero[at], y + i);
		else if (integer)
			quantize_run_of(j, k, x + i, j->scale[at], j->zero[at], y + i);
		else
			scale_run_of(k, x + i, j->scale[at], j->zero[at], y + i);
		i += k;
	}
	rt_convert_from_f64(out->dtype, y, n, out->data, first, j->saturate);
}

static void quantize_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	int64_t total = rt_tensor_elems(&j->run->in[0]);

	(void)thread;
	for (size_t b = begin; b < end; b++) {
		int64_t first = (int64_t)b * RT_CONVERT_BLOCK, left = total - first;
		quantize_block(j, first,
			       (size_t)(left < RT_CONVERT_BLOCK ? left : RT_CONVERT_BLOCK));
	}
}

/* Bytes and float32 with one scale: on the kernels for bytes. */
struct plain {
	const struct rt_kernels *kernels;
	const void *x;
	void *y;
	float scale, bounds[2];
	int32_t zero;
	bool quantize, is_signed;
};
static void plain_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct plain *p = arg;
	const struct rt_i8_row *row = p->kernels->i8_row;

	(void)thread;
	if (p->quantize)
		row->quantise(end - begin, (const float *)p->x + begin, p->scale, p->zero,
			      p->bounds, (uint8_t *)p->y + begin);
	else
		row->reals(end - begin, (const uint8_t *)p->x + begin, p->is_signed, p->scale,
			   p->zero, (float *)p->y + begin);
}

static bool run_plain(const struct rt_run *r, bool quantize)
{
	const struct scales *sc = r->shape_state;
	const struct rt_tensor *real = quantize ? &r->in[0] : &r->out[0];
	const struct rt_tensor *bytes = quantize ? &r->out[0] : &r->in[0];
	struct plain p = {.kernels = ((const struct quantize *)r->state)->kernels,
			  .x = r->in[0].data,
			  .y = r->out[0].data,
			  .quantize = quantize,
			  .is_signed = bytes->dtype == RT_I8};

	if (real->dtype != RT_F32 || (bytes->dtype != RT_I8 && bytes->dtype != RT_U8) ||
	    r->in[1].dtype != RT_F32 || sc->count != 1)
		return false;
	p.scale = *(const float *)r->in[1].data;
	if (r->in_count > 2 && r->in[2].data)
		p.zero = (int32_t)rt_convert_get_i64(&r->in[2], 0);
	p.bounds[0] = (float)((p.is_signed ? -128 : 0) - p.zero);
	p.bounds[1] = (float)((p.is_signed ? 127 : 255) - p.zero);
	rt_team_for(r->team, (size_t)rt_tensor_elems(&r->in[0]), rt_walk_grain(1), plain_range, &p);
	return true;
}

static void run_job(const struct rt_run *r, bool quantize)
{
	const struct scales *sc = r->shape_state;
	double *zero = r->scratch;
	float *scale = (float *)(void *)(zero + sc->count);
	int64_t n = rt_tensor_elems(&r->in[0]);
	struct job j = {.run = r,
			.sc = sc,
			.scale = scale,
			.zero = zero,
			.saturate = ((const struct quantize *)r->state)->saturate,
			.quantize = quantize};

	if (n == 0 || run_plain(r, quantize))
		return;
	rt_convert_to_f32(r->in[1].dtype, r->in[1].data, 0, (size_t)sc->count, scale);
	if (r->in_count > 2 && r->in[2].data)
		rt_convert_to_f64(r->in[2].dtype, r->in[2].data, 0, (size_t)sc->count, zero);
	else
		memset(zero, 0, (size_t)sc->count * sizeof(*zero));
	if (quantize && !rt_convert_is_float(r->out[0].dtype)) {
		j.lo = rt_convert_min(r->out[0].dtype);
		j.hi = rt_convert_max(r->out[0].dtype);
	}
	rt_team_for(r->team, (size_t)((n + RT_CONVERT_BLOCK - 1) / RT_CONVERT_BLOCK),
		    rt_walk_grain((int64_t)RT_CONVERT_BLOCK * 4), quantize_range, &j);
}

static void quantize_run(const struct rt_run *r)
{
	run_job(r, true);
}

static void dequantize_run(const struct rt_run *r)
{
	run_job(r, false);
}

const struct rt_op rt_op_quantize_linear = {
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct quantize),
    .type = quantize_type,
    .bind = quantize_bind,
    .infer = quantize_infer,
    .run = quantize_run,
};

const struct rt_op rt_op_dequantize_linear = {
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct quantize),
    .type = dequantize_type,
    .bind = quantize_bind,
    .infer = quantize_infer,
    .run = dequantize_run,
};

/* ---- DynamicQuantizeLinear: outputs y, y_scale, y_zero_point ----------------------------------
 */

struct dynamic {
	const struct rt_kernels *kernels;
};

static int dynamic_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			struct rt_error *err)
{
	(void)g, (void)err;
	out[0] = RT_U8;
	if (n->out_count > 1)
		out[1] = RT_F32;
	if (n->out_count > 2)
		out[2] = RT_U8;
	return RT_OK;
}

static int dynamic_bind(struct rt_bind *b, struct rt_error *err)
{
	(void)err;
	((struct dynamic *)b->state)->kernels = b->kernels;
	return RT_OK;
}

static int dynamic_infer(struct rt_infer *f, struct rt_error *err)
{
	(void)err;
	f->out[0].shape = f->in[0].shape;
	for (int i = 1; i < f->out_count; i++)
		f->out[i].shape = rt_shape_of(0);
	f->scratch_bytes = (size_t)f->threads * RT_QPARAM_EXTREMES;
	return RT_OK;
}

static void dynamic_run(const struct rt_run *r)
{
	const struct dynamic *s = r->state;
	const float *x = r->in[0].data;
	size_t n = (size_t)rt_tensor_elems(&r->in[0]);
	float seen[2], lo, hi;

	rt_qparam_extremes(r->team, s->kernels, n, x, r->scratch, seen);
	lo = seen[0] < 0 ? seen[0] : 0;
	hi = seen[1] > 0 ? seen[1] : 0;
	float scale = (hi - lo) / 255.0f;
	scale = scale > 0 ? scale : 1.0f; /* all zeros: any scale does */
	float zero = rintf((0.0f - lo) / scale);
	zero = zero > 255.0f ? 255.0f : zero > 0.0f ? zero : 0.0f;
	struct plain p = {.kernels = s->kernels,
			  .x = x,
			  .y = r->out[0].data,
			  .scale = scale,
			  .bounds = {-zero, 255.0f - zero},
			  .zero = (int32_t)zero,
			  .quantize = true};
	if (p.y && n)
		rt_team_for(r->team, n, rt_walk_grain(1), plain_range, &p);
	if (r->out_count > 1 && r->out[1].data)
		memcpy(r->out[1].data, &scale, sizeof(scale));
	if (r->out_count > 2 && r->out[2].data)
		*(uint8_t *)r->out[2].data = (uint8_t)zero;
}

const struct rt_op rt_op_dynamic_quantize_linear = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 3,
    .state_bytes = sizeof(struct dynamic),
    .type = dynamic_type,
    .bind = dynamic_bind,
    .infer = dynamic_infer,
    .run = dynamic_run,
};
