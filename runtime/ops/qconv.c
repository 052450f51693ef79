/* SPDX-License-Identifier: MIT */
/*
 * qconv.c — convolutions of 8-bit integers, one to three spatial dims.
 *
 *	ConvInteger (ONNX 10)	Y = (X − x_zero) ∗ (W − w_zero), int32
 *	QLinearConv (ONNX 10, com.microsoft 1)
 *		Y = saturate(round((that + B) · x_scale·w_scale / y_scale) + y_zero)
 *	larder.ConvIntegerToFloat
 *		Y = activation(that · x_scale·w_scale + bias), float32; made by pass_quant.c
 *
 * w_zero and w_scale are one number or one per output channel; what is padded
 * is x_zero, so that it adds nothing.  com.microsoft's may have its channels
 * last (attribute channels_last): X [N][…][C], Y [N][…][M], W as ever.
 *
 * The weights are widened to int16 less their zero point; a block of output
 * positions is gathered likewise, one row of group-channels × taps each; every
 * output is then the product of two int16 rows, summed exactly in int32
 * (wrapping, as the operator has it).  This is the form that is right for every
 * case.  Channels last with constant weights (pass_layout.c) is qconv_nhwc.c.
 *
 * QLinearConv may have the attributes q_lo and q_hi (pass_quant.c): bounds of the
 * result before the zero point is added.
 */
#include <config.h>

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/qconv.h"
#include "runtime/ops/walk.h"

#define ROWS_MAX 64          /* output positions of a block */
#define BLOCK_BYTES 65536    /* of gathered rows, about */
#define EXACT_PRODUCTS 32768 /* · 255 · 255 < 2³¹ */

static const struct rt_qconv_inputs integer_inputs = {1, -1, 2, 3, -1, -1, -1, -1, -1};
static const struct rt_qconv_inputs qlinear_inputs = {3, 8, 2, 5, 7, 1, 4, 6, -1};
static const struct rt_qconv_inputs to_float_inputs = {1, -1, 4, 5, -1, 2, 3, -1, 6};

struct qconv {
	int64_t group;
	bool channels_last;
	const struct rt_qconv_inputs *at;
	struct rt_qconv_nhwc nhwc;
};

struct shape_state {
	const struct rt_qconv_inputs *at;
	struct rt_qconv_nhwc_shape *nhwc; /* NULL: the plain form */
	struct rt_spatial s;
	int64_t batch, group, group_in, group_out; /* channels of a group */
	int64_t k;                                 /* group_in · taps: a row */
	int64_t rows, blocks;                      /* of a block; blocks of an image */
	/* elements from one channel, position, image to the next */
	int64_t x_channel, x_position, x_image, y_channel, y_position, y_image;
	size_t weights_bytes, block_bytes;
};

struct job {
	const struct rt_run *r;
	const struct shape_state *z;
	int16_t *weights; /* [M][k] */
	char *blocks;     /* [threads], block_bytes each: [rows][k] */
	int32_t x_zero;
};

int32_t rt_qconv_dot(int64_t n, const int16_t *a, const int16_t *b)
{
	uint32_t sum = 0;

	for (int64_t at = 0; at < n; at += EXACT_PRODUCTS) {
		int64_t end = n - at < EXACT_PRODUCTS ? n : at + EXACT_PRODUCTS;
		int32_t part = 0;
		for (int64_t i = at; i < end; i++)
			part += a[i] * b[i];
		sum += (uint32_t)part;
	}
	return (int32_t)sum;
}

static bool given(const struct rt_infer *f, int i)
{
	return i >= 0 && i < f->in_count && f->in[i].dtype != RT_NONE;
}

static int qconv_bind(struct rt_bind *b, struct rt_error *err)
{
	struct qconv *c = b->state;

	c->group = rt_node_int(b->node, "group", 1);
	c->channels_last = rt_node_int(b->node, "channels_last", 0) != 0;
	c->at = strcmp(b->node->op_type, "QLinearConv") == 0          ? &qlinear_inputs
		: strcmp(b->node->op_type, "ConvIntegerToFloat") == 0 ? &to_float_inputs
								      : &integer_inputs;
	if (c->group < 1 || c->group > INT32_MAX)
		return rt_error_set(err, RT_MALFORMED, "group is %" PRId64, c->group);
	return rt_qconv_nhwc_bind(b, c->at, &c->nhwc, err);
}

static int check_channels(const struct rt_infer *f, const struct qconv *c, int64_t channels,
			  struct rt_error *err)
{
	const struct rt_tensor *in = f->in;
	int wi = c->at->w;
	const struct rt_shape *x = &in[0].shape, *w = &in[wi].shape;
	char text[2][128];

	if (w->rank != x->rank || w->dims[0] % c->group != 0 || channels % c->group != 0 ||
	    w->dims[1] != channels / c->group)
		return rt_error_set(err, RT_INPUT, "input %s and weights %s in %" PRId64 " groups",
				    rt_shape_text(x, text[0], sizeof(text[0])),
				    rt_shape_text(w, text[1], sizeof(text[1])), c->group);
	if (in[wi].dtype != RT_I8 && in[wi].dtype != RT_U8)
		return rt_error_set(err, RT_INPUT, "weights are %s", rt_dtype_name(in[wi].dtype));
	return RT_OK;
}

/* Zero points and scales: one number, or one per output channel where that is allowed. */
static int check_params(const struct rt_infer *f, const struct rt_qconv_inputs *at,
			int64_t channels, struct rt_error *err)
{
	const struct {
		int input;
		bool per_channel;
		const char *name;
	} expect[] = {{at->x_zero, false, "x_zero_point"}, {at->w_zero, true, "w_zero_point"},
		      {at->y_zero, false, "y_zero_point"}, {at->x_scale, false, "x_scale"},
		      {at->w_scale, true, "w_scale"},      {at->y_scale, false, "y_scale"}};
	int64_t n;

	for (size_t i = 0; i < sizeof(expect) / sizeof(*expect); i++) {
		if (!given(f, expect[i].input))
			continue;
		if (!rt_shape_elems(&f->in[expect[i].input].shape, &n) ||
		    (n != 1 && !(expect[i].per_channel && n == channels)))
			return rt_error_set(err, RT_INPUT, "%s has %" PRId64 " elements",
					    expect[i].name, n);
	}
	if (given(f, at->real_bias) &&
	    (f->in[at->real_bias].dtype != RT_F32 ||
	     !rt_shape_elems(&f->in[at->real_bias].shape, &n) || n != channels))
		return rt_error_set(err, RT_INPUT, "the bias is not %" PRId64 " float32 numbers",
				    channels);
	if (given(f, at->bias) && (f->in[at->bias].dtype != RT_I32 ||
				   !rt_shape_elems(&f->in[at->bias].shape, &n) || n != channels))
		return rt_error_set(err, RT_INPUT, "the bias is not %" PRId64 " int32 numbers",
				    channels);
	return RT_OK;
}

/* Where channels and positions of both tensors are, and how work is cut. */
static int lay_out(struct rt_infer *f, struct shape_state *z, int64_t channels, int64_t outputs,
		   bool last, struct rt_error *err)
{
	const struct rt_spatial *s = &z->s;
	int64_t in = s->in[0] * s->in[1] * s->in[2], out = s->out[0] * s->out[1] * s->out[2];
	size_t row;

	z->x_channel = last ? 1 : in;
	z->x_position = last ? channels : 1;
	z->x_image = channels * in;
	z->y_channel = last ? 1 : out;
	z->y_position = last ? outputs : 1;
	z->y_image = outputs * out;
	if (__builtin_mul_overflow((size_t)z->k, sizeof(int16_t), &row) ||
	    __builtin_mul_overflow(row, (size_t)outputs, &z->weights_bytes) ||
	    z->weights_bytes > SIZE_MAX / 4)
		return rt_error_set(err, RT_BUDGET, "weights are too large");
	z->rows = BLOCK_BYTES / (int64_t)(row + 1);
	z->rows = z->rows < 4 ? 4 : z->rows > ROWS_MAX ? ROWS_MAX : z->rows;
	if (__builtin_mul_overflow(row, (size_t)z->rows, &z->block_bytes) ||
	    z->block_bytes > SIZE_MAX / 4096)
		return rt_error_set(err, RT_BUDGET, "weights are too large");
	z->weights_bytes = (z->weights_bytes + 63) & ~(size_t)63;
	z->block_bytes = (z->block_bytes + 63) & ~(size_t)63;
	z->blocks = (out + z->rows - 1) / z->rows;
	f->scratch_bytes = z->weights_bytes + (size_t)f->threads * z->block_bytes;
	return RT_OK;
}

static int qconv_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct qconv *c = f->state;
	const struct rt_qconv_inputs *at = c->at;
	const struct rt_shape *x = &f->in[0].shape, *w = &f->in[at->w].shape;
	struct shape_state *z = rt_infer_alloc(f, sizeof(*z));
	int rank = x->rank - 2, first = c->channels_last ? 1 : 2, rc;
	int64_t channels, elems;

	if (!z)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if (rank < 1 || rank > RT_SPATIAL_MAX)
		return rt_error_set(err, RT_UNSUPPORTED, "input of rank %d", x->rank);
	channels = x->dims[c->channels_last ? x->rank - 1 : 1];
	if ((rc = check_channels(f, c, channels, err)) ||
	    (rc = check_params(f, at, w->dims[0], err)) ||
	    (rc = rt_spatial_infer(f->node, rank, x->dims + first, w->dims + 2, &z->s, err)))
		return rc;
	z->at = at;
	z->batch = x->dims[0];
	z->group = c->group;
	z->group_in = w->dims[1];
	z->group_out = w->dims[0] / c->group;
	if (!rt_shape_elems(w, &z->k))
		return rt_error_set(err, RT_BUDGET, "weights are too large");
	z->k = w->dims[0] > 0 ? z->k / w->dims[0] : 0;
	f->out[0].shape = *x;
	f->out[0].shape.dims[c->channels_last ? x->rank - 1 : 1] = w->dims[0];
	for (int i = 0; i < rank; i++)
		f->out[0].shape.dims[first + i] = z->s.out[3 - rank + i];
	if (!rt_shape_elems(&f->out[0].shape, &elems))
		return rt_error_set(err, RT_BUDGET, "the output is too large");
	f->shape_state = z;
	if (c->nhwc.w)
		return rt_qconv_nhwc_infer(f, &c->nhwc, &z->s, &z->nhwc, err);
	return lay_out(f, z, channels, w->dims[0], c->channels_last, err);
}

static int32_t zero_at(const struct rt_run *r, int input, int64_t i)
{
	if (input < 0 || input >= r->in_count || !r->in[input].data)
		return 0;
	return (int32_t)rt_convert_get_i64(&r->in[input],
					   rt_tensor_elems(&r->in[input]) == 1 ? 0 : i);
}

static float scale_at(const struct rt_run *r, int input, int64_t i)
{
	return (float)rt_convert_get_f64(&r->in[input],
					 rt_tensor_elems(&r->in[input]) == 1 ? 0 : i);
}

static void widen_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct shape_state *z = j->z;
	const struct rt_tensor *w = &j->r->in[z->at->w];

	(void)thread;
	for (int64_t m = (int64_t)begin; m < (int64_t)end; m++) {
		const uint8_t *u = (const uint8_t *)w->data + m * z->k;
		const int8_t *i = (const int8_t *)w->data + m * z->k;
		int16_t zero = (int16_t)zero_at(j->r, z->at->w_zero, m),
			*to = j->weights + m * z->k;
		for (int64_t k = 0; k < z->k; k++)
			to[k] =
			    (int16_t)((w->dtype == RT_I8 ? (int16_t)i[k] : (int16_t)u[k]) - zero);
	}
}

/* One input element per channel of the group into to[c·step], less the zero point. */
static void gather_tap(const struct job *j, const uint8_t *x, int16_t *to, int64_t step)
{
	const struct shape_state *z = j->z;
	int16_t zero = (int16_t)j->x_zero;

	if (j->r->in[0].dtype == RT_I8)
		for (int64_t c = 0; c < z->group_in; c++)
			to[c * step] = (int16_t)((int8_t)x[c * z->x_channel] - zero);
	else
		for (int64_t c = 0; c < z->group_in; c++)
			to[c * step] = (int16_t)(x[c * z->x_channel] - zero);
}

/* The row of output position ${o}: what each tap sees, in the order of the weights. */
static void gather_row(const struct job *j, const uint8_t *x, int64_t o, int16_t *to)
{
	const struct rt_spatial *s = &j->z->s;
	int64_t at[3] = {o / (s->out[1] * s->out[2]), o / s->out[2] % s->out[1], o % s->out[2]};
	int64_t first[3], count[3], origin[3], taps = s->kernel[0] * s->kernel[1] * s->kernel[2];

	for (int i = 0; i < 3; i++) {
		rt_spatial_taps(s, i, at[i], &first[i], &count[i]);
		origin[i] = at[i] * s->stride[i] - s->begin[i];
	}
	if (count[0] * count[1] * count[2] < taps)
		memset(to, 0, (size_t)j->z->k * sizeof(*to));
	for (int64_t d = first[0]; d < first[0] + count[0]; d++)
		for (int64_t h = first[1]; h < first[1] + count[1]; h++)
			for (int64_t w = first[2]; w < first[2] + count[2]; w++) {
				int64_t in = ((origin[0] + d * s->dilation[0]) * s->in[1] +
					      origin[1] + h * s->dilation[1]) *
						 s->in[2] +
					     origin[2] + w * s->dilation[2];
				gather_tap(j, x + in * j->z->x_position,
					   to + (d * s->kernel[1] + h) * s->kernel[2] + w, taps);
			}
}

/* How the sums of a channel become results. */
struct ending {
	float scale, bias;
	double zero, lo, hi;
	const struct rt_activation *act;
};

static uint8_t requantise(int32_t sum, const struct ending *e)
{
	double q = nearbyint((double)((float)sum * e->scale)) + e->zero;

	q = q > e->lo ? q : e->lo; /* NaN becomes the least value */
	q = q < e->hi ? q : e->hi;
	return (uint8_t)(int)q;
}

static float real(int32_t sum, const struct ending *e)
{
	float y = (float)sum * e->scale + e->bias;

	y = fminf(fmaxf(y, e->act->lo), e->act->hi);
	if (e->act->fn)
		e->act->fn(1, &y, &y, &e->act->params);
	return y;
}

static struct ending ending_of(const struct job *j, int64_t m)
{
	const struct rt_run *r = j->r;
	const struct rt_qconv_inputs *at = j->z->at;
	const struct qconv *c = r->state;
	bool is_signed = r->out[0].dtype == RT_I8;
	struct ending e = {.act = &c->nhwc.act, .lo = is_signed ? -128 : 0};

	e.hi = e.lo + 255;
	if (at->x_scale < 0)
		return e;
	e.scale = scale_at(r, at->x_scale, 0) * scale_at(r, at->w_scale, m);
	if (at->real_bias >= 0 && at->real_bias < r->in_count && r->in[at->real_bias].data)
		e.bias = scale_at(r, at->real_bias, m);
	if (at->y_scale >= 0) {
		e.scale /= scale_at(r, at->y_scale, 0);
		e.zero = zero_at(r, at->y_zero, 0);
		e.lo = fmax(e.lo, (double)c->nhwc.lo + e.zero);
		e.hi = fmin(e.hi, (double)c->nhwc.hi + e.zero);
	}
	return e;
}

/* Output channel ${m} at ${count} positions, whose gathered rows are ${rows}. */
static void finish_channel(const struct job *j, int64_t m, const int16_t *rows, int64_t count,
			   int64_t to)
{
	const struct shape_state *z = j->z;
	const struct rt_qconv_inputs *at = z->at;
	void *y = j->r->out[0].data;
	const int16_t *w = j->weights + m * z->k;
	const uint32_t bias = at->bias >= 0 ? (uint32_t)zero_at(j->r, at->bias, m) : 0;
	const struct ending e = ending_of(j, m);

	for (int64_t p = 0; p < count; p++, to += z->y_position) {
		int32_t sum = (int32_t)((uint32_t)rt_qconv_dot(z->k, rows + p * z->k, w) + bias);
		if (at->y_scale >= 0)
			((uint8_t *)y)[to] = requantise(sum, &e);
		else if (at->x_scale >= 0)
			((float *)y)[to] = real(sum, &e);
		else
			((int32_t *)y)[to] = sum;
	}
}

/* Item: block of positions, of group, of image. */
static void blocks_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct shape_state *z = j->z;
	int16_t *rows = (int16_t *)(void *)(j->blocks + (size_t)thread * z->block_bytes);
	int64_t out = z->s.out[0] * z->s.out[1] * z->s.out[2];

	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		int64_t first = i % z->blocks * z->rows, g = i / z->blocks % z->group,
			n = i / z->blocks / z->group;
		int64_t count = out - first < z->rows ? out - first : z->rows;
		const uint8_t *x = j->r->in[0].data;
		if (z->k > 0) /* else there is nothing to point to */
			x += n * z->x_image + g * z->group_in * z->x_channel;
		for (int64_t p = 0; p < count && z->k > 0; p++)
			gather_row(j, x, first + p, rows + p * z->k);
		for (int64_t m = g * z->group_out; m < (g + 1) * z->group_out; m++)
			finish_channel(j, m, rows, count,
				       n * z->y_image + m * z->y_channel + first * z->y_position);
	}
}

static void qconv_run(const struct rt_run *r)
{
	const struct shape_state *z = r->shape_state;
	struct job j = {r, z, r->scratch, (char *)r->scratch + z->weights_bytes,
			zero_at(r, z->at->x_zero, 0)};
	int64_t items = z->batch * z->group * z->blocks;

	if (z->nhwc) {
		rt_qconv_nhwc_run(r, &((const struct qconv *)r->state)->nhwc, z->nhwc);
		return;
	}
	if (items == 0 || z->group_out == 0)
		return;
	rt_team_for(r->team, (size_t)(z->group * z->group_out), rt_walk_grain(z->k + 1),
		    widen_range, &j);
	rt_team_for(r->team, (size_t)items, rt_walk_grain(z->rows * z->k * (z->group_out + 1) + 1),
		    blocks_range, &j);
}

static int integer_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			struct rt_error *err)
{
	(void)g, (void)n, (void)err;
	out[0] = RT_I32;
	return RT_OK;
}

static int float_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		      struct rt_error *err)
{
	(void)g, (void)n, (void)err;
	out[0] = RT_F32;
	return RT_OK;
}

static int qlinear_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			struct rt_error *err)
{
	for (int i = 0; i < 8; i++)
		if (i >= n->in_count || n->in[i] == RT_NO_VALUE)
			return rt_error_set(err, RT_MALFORMED, "input %d is left out", i);
	out[0] = g->values[n->in[7]].dtype;
	if (out[0] != RT_I8 && out[0] != RT_U8)
		return rt_error_set(err, RT_MALFORMED, "y_zero_point is %s", rt_dtype_name(out[0]));
	return RT_OK;
}

const struct rt_op rt_op_conv_integer = {
    .in_min = 2,
    .in_max = 4,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct qconv),
    .type = integer_type,
    .bind = qconv_bind,
    .infer = qconv_infer,
    .run = qconv_run,
};

const struct rt_op rt_op_qlinear_conv = {
    .in_min = 8,
    .in_max = 9,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct qconv),
    .type = qlinear_type,
    .bind = qconv_bind,
    .infer = qconv_infer,
    .run = qconv_run,
};

const struct rt_op rt_op_conv_integer_to_float = {
    .in_min = 4,
    .in_max = 7,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct qconv),
    .type = float_type,
    .bind = qconv_bind,
    .infer = qconv_infer,
    .run = qconv_run,
};
