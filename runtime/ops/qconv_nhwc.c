/* SPDX-License-Identifier: MIT */
/*
 * qconv_nhwc.c — convolutions of channels-last bytes on the kernels for bytes.
 * Called by qconv.c.
 *
 * As in conv_nhwc.c: a convolution is a product whose rows are windows, [kh][kw][C],
 * and 1 × 1 kernels read X as it is.  What is padded is x_zero, so that it adds
 * nothing once zero points are made good (i8_product.h).  One channel per group is
 * a run of the depthwise kernel per row of output, by pointers to what each tap
 * sees, columns of the window first.
 */
#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/qconv.h"
#include "runtime/ops/qconv_fold.h"
#include "runtime/ops/walk.h"

#define RUN_SUMS 4096 /* sums of a depthwise run, about */

static size_t count_of(int64_t n)
{
	return (size_t)n;
}

static size_t lines(size_t bytes)
{
	return (bytes + 63) & ~(size_t)63;
}

/* ---- columns --------------------------------------------------------------------------------- */

/* Where the numbers of a convolution are: in constants, or in the inputs of a run. */
struct numbers {
	const struct rt_tensor *x_zero, *w_zero, *bias, *x_scale, *w_scale, *y_scale;
};

static int32_t int_at(const struct rt_tensor *t, int64_t i)
{
	if (!t || !t->data)
		return 0;
	return (int32_t)rt_convert_get_i64(t, rt_tensor_elems(t) == 1 ? 0 : i);
}

static float float_at(const struct rt_tensor *t, int64_t i)
{
	return t ? (float)rt_convert_get_f64(t, rt_tensor_elems(t) == 1 ? 0 : i) : 1;
}

/* What is added to and multiplied with each channel; whether sums of rows are needed. */
static bool make_columns(const struct rt_qconv_nhwc *c, const struct numbers *n, int32_t *add,
			 int32_t *row_mul, float *scale)
{
	const bool flips = c->is_depthwise ? c->x_signed : c->flips;
	const int32_t x_zero = int_at(n->x_zero, 0) + (flips ? 128 : 0);
	const int32_t offset = c->is_depthwise ? (c->w_signed ? 0 : 128)
					       : rt_i8_product_offset(c->a_signed, c->w_signed);
	const uint32_t k = (uint32_t)(c->kernel[0] * c->kernel[1] * c->in_per_group);
	bool rows = false;

	for (int64_t i = 0; i < c->out_channels; i++) {
		const int32_t zero = int_at(n->w_zero, i) - offset;
		add[i] = (int32_t)(k * (uint32_t)x_zero * (uint32_t)zero -
				   (uint32_t)x_zero * (uint32_t)c->sums[i] +
				   (uint32_t)int_at(n->bias, i));
		row_mul[i] = -zero;
		rows |= zero != 0;
		scale[i] =
		    float_at(n->x_scale, 0) * float_at(n->w_scale, i) / float_at(n->y_scale, 0);
	}
	return rows;
}

static const struct rt_tensor *constant(const struct rt_bind *b, int input, bool *known)
{
	const struct rt_tensor *t = input >= 0 ? rt_bind_constant(b, input) : NULL;
	*known = *known && (t || input < 0 || !rt_bind_has(b, input));
	return t;
}

/* Columns once and for all, when everything they are made of is constant. */
static int fix_columns(struct rt_bind *b, struct rt_qconv_nhwc *c, struct rt_error *err)
{
	const struct rt_qconv_inputs *at = c->at;
	bool known = true;
	const struct numbers n = {
	    .x_zero = constant(b, at->x_zero, &known),
	    .w_zero = constant(b, at->w_zero, &known),
	    .bias = constant(b, at->bias, &known),
	    .x_scale = constant(b, at->x_scale, &known),
	    .w_scale = constant(b, at->w_scale, &known),
	    .y_scale = constant(b, at->y_scale, &known),
	};
	const struct rt_tensor *per_channel[] = {n.w_zero, n.bias, n.w_scale};
	const size_t bytes = count_of(c->out_channels) * sizeof(int32_t);
	int32_t *add, *row_mul;
	float *scale;

	for (size_t i = 0; i < 3; i++)
		if (per_channel[i] && rt_tensor_elems(per_channel[i]) != 1 &&
		    rt_tensor_elems(per_channel[i]) != c->out_channels)
			return RT_OK; /* infer says what is wrong */
	if (!known || (n.x_zero && rt_tensor_elems(n.x_zero) != 1) ||
	    (n.x_scale && rt_tensor_elems(n.x_scale) != 1) ||
	    (n.y_scale && rt_tensor_elems(n.y_scale) != 1))
		return RT_OK;
	add = rt_bind_alloc(b, bytes);
	row_mul = rt_bind_alloc(b, bytes);
	scale = rt_bind_alloc(b, bytes);
	if (!add || !row_mul || !scale)
		return rt_error_set(err, RT_MEMORY, "no memory for packed weights");
	c->rows = make_columns(c, &n, add, row_mul, scale);
	c->add = add;
	c->row_mul = row_mul;
	c->scale = scale;
	return RT_OK;
}

/* ---- weights --------------------------------------------------------------------------------- */

/* Depthwise: int8 [kw][kh][M], in the order of the taps. */
static int pack_depthwise(struct rt_bind *b, struct rt_qconv_nhwc *c, const uint8_t *w,
			  struct rt_error *err)
{
	const int64_t kh = c->kernel[0], kw = c->kernel[1], taps = kh * kw;
	const size_t channels = count_of(c->out_channels);
	const struct rt_i8_dwconv *kernel = b->kernels->i8_dwconv;
	const uint8_t flip = c->w_signed ? 0 : 0x80;
	int8_t *packed = rt_bind_alloc(b, kernel->pack_elems(channels, count_of(taps)));
	int32_t *sums = rt_bind_alloc(b, channels * sizeof(*sums));
	int8_t *order = malloc(channels * count_of(taps) + 1);

	if (!packed || !sums || !order) {
		free(order);
		return rt_error_set(err, RT_MEMORY, "no memory for packed weights");
	}
	for (int64_t m = 0; m < c->out_channels; m++)
		for (int64_t t = 0; t < taps; t++) {
			const int8_t x = (int8_t)(w[m * taps + t] ^ flip);
			order[(t % kw * kh + t / kw) * c->out_channels + m] = x;
			sums[m] += x;
		}
	kernel->pack(channels, count_of(taps), order, packed);
	free(order);
	c->w = (const uint8_t *)packed;
	c->sums = sums;
	return RT_OK;
}

static int pack_products(struct rt_bind *b, struct rt_qconv_nhwc *c, const uint8_t *w,
			 struct rt_error *err)
{
	const int64_t taps = c->kernel[0] * c->kernel[1], in = c->in_per_group;
	const size_t n = count_of(c->out_channels / c->group), k = count_of(taps * in);
	uint8_t *packed, *last;
	int32_t *sums;

	c->each = lines(rt_i8_product_bytes(b->kernels, n, k));
	if (c->each > SIZE_MAX / 4 / count_of(c->group))
		return rt_error_set(err, RT_BUDGET, "weights are too large");
	packed = rt_bind_alloc(b, c->each * count_of(c->group));
	sums = rt_bind_alloc(b, count_of(c->out_channels) * sizeof(*sums));
	last = malloc(n * k + 1);
	if (!packed || !sums || !last) {
		free(last);
		return rt_error_set(err, RT_MEMORY, "no memory for packed weights");
	}
	for (size_t g = 0; g < count_of(c->group); g++) {
		const struct rt_i8_weights of = {.b = last,
						 .n = n,
						 .k = k,
						 .row = 1,
						 .col = k,
						 .is_signed = c->w_signed,
						 .a_signed = c->a_signed};
		for (size_t m = 0; m < n; m++)
			for (int64_t i = 0; i < in * taps; i++)
				last[m * k + count_of(i % taps * in + i / taps)] =
				    w[(g * n + m) * k + count_of(i)];
		rt_i8_product_pack(b->kernels, &of, 0, rt_i8_product_panels(b->kernels, n),
				   packed + g * c->each, sums + g * n);
	}
	free(last);
	c->w = packed;
	c->sums = sums;
	return RT_OK;
}

/* Whether the depthwise kernel can: its weights are int8, so their zero point must be what makes
 * them so. */
static bool depthwise_fits(const struct rt_bind *b, const struct rt_qconv_nhwc *c)
{
	const struct rt_tensor *zero = rt_bind_constant(b, c->at->w_zero);
	const int32_t offset = c->w_signed ? 0 : 128;

	if (!zero)
		return offset == 0 && !rt_bind_has(b, c->at->w_zero);
	for (int64_t i = 0; i < rt_tensor_elems(zero); i++)
		if ((int32_t)rt_convert_get_i64(zero, i) != offset)
			return false;
	return true;
}

int rt_qconv_nhwc_bind(struct rt_bind *b, const struct rt_qconv_inputs *at, struct rt_qconv_nhwc *c,
		       struct rt_error *err)
{
	const struct rt_tensor *w = rt_bind_constant(b, at->w);
	const enum rt_dtype x = b->graph->values[b->node->in[0]].dtype;
	int rc;

	c->kernels = b->kernels;
	c->at = at;
	rt_activation_read(b->node, b->kernels, &c->act);
	c->lo = rt_node_float(b->node, "q_lo", -INFINITY);
	c->hi = rt_node_float(b->node, "q_hi", INFINITY);
	c->group = rt_node_int(b->node, "group", 1);
	if (!w || rt_node_int(b->node, "channels_last", 0) == 0 || w->shape.rank < 3 ||
	    w->shape.rank > 4 || rt_tensor_elems(w) == 0 || w->shape.dims[0] % c->group != 0 ||
	    (w->dtype != RT_I8 && w->dtype != RT_U8) || (x != RT_I8 && x != RT_U8))
		return RT_OK;
	c->rank = w->shape.rank - 2;
	c->out_channels = w->shape.dims[0];
	c->in_per_group = w->shape.dims[1];
	c->kernel[0] = c->rank == 1 ? 1 : w->shape.dims[2];
	c->kernel[1] = w->shape.dims[w->shape.rank - 1];
	c->x_signed = x == RT_I8;
	c->w_signed = w->dtype == RT_I8;
	c->is_depthwise = c->in_per_group == 1 && c->group == c->out_channels && c->group > 1 &&
			  c->kernel[0] * c->kernel[1] <= 1024;
	if (c->is_depthwise && !depthwise_fits(b, c))
		return RT_OK;
	/* rows that are copied anyway become uint8, which needs no sums of rows with int8 weights
	 */
	c->flips = c->x_signed && c->w_signed && c->kernel[0] * c->kernel[1] > 1;
	c->a_signed = c->x_signed && !c->flips;
	rc = c->is_depthwise ? pack_depthwise(b, c, w->data, err)
			     : pack_products(b, c, w->data, err);
	rc = rc ? rc : fix_columns(b, c, err);
	return rc ? rc : rt_qconv_fold_bind(b, c, w->data, err);
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static bool is_pointwise(const struct rt_spatial *s)
{
	return s->kernel[1] == 1 && s->kernel[2] == 1 && s->stride[1] == 1 && s->stride[2] == 1 &&
	       s->in[1] == s->out[1] && s->in[2] == s->out[2] && s->begin[1] == 0 &&
	       s->begin[2] == 0;
}

static struct rt_i8_product describe(const struct rt_qconv_nhwc *c,
				     const struct rt_qconv_nhwc_shape *st)
{
	const struct rt_spatial *s = &st->s;
	const size_t n = count_of(c->out_channels / c->group);

	return (struct rt_i8_product){
	    .kernels = c->kernels,
	    .m = count_of(st->batch * s->out[1] * s->out[2]),
	    .n = n,
	    .k = count_of(c->kernel[0] * c->kernel[1] * c->in_per_group),
	    .batch = count_of(c->group),
	    .lda = count_of(c->in_per_group * c->group),
	    .a_signed = c->a_signed,
	    .w = c->w,
	    .a_step = count_of(c->in_per_group),
	    .w_step = c->each,
	    .y_step = n,
	    .column_step = n,
	    .activation = c->act.fn,
	    .activation_params = c->act.params,
	};
}

/* Pointers of one row of output: columns of the input with all rows of the window, or, where
 * taps are apart, a window for each pixel. */
static size_t pointer_step(const struct rt_spatial *s)
{
	return count_of(s->dilation[2] == 1 ? s->stride[2] * s->kernel[1]
					    : s->kernel[1] * s->kernel[2]);
}

int rt_qconv_nhwc_infer(struct rt_infer *f, const struct rt_qconv_nhwc *c,
			const struct rt_spatial *s, struct rt_qconv_nhwc_shape **out,
			struct rt_error *err)
{
	static const uint8_t some;
	struct rt_qconv_nhwc_shape *st = rt_infer_alloc(f, sizeof(*st));
	const size_t taps = count_of(s->kernel[1] * s->kernel[2]);
	const size_t channels = count_of(c->out_channels);
	struct rt_i8_product g;
	size_t pointers;

	if (!st)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	st->s = *s;
	st->batch = f->in[0].shape.dims[0];
	st->columns = c->add ? 0 : lines(channels * sizeof(int32_t)) * 3;
	*out = st;
	if (c->fold > 0)
		return rt_qconv_fold_infer(f, c, st, err);
	if (!c->is_depthwise) {
		g = describe(c, st);
		g.a = is_pointwise(s) ? &some : NULL;
		f->scratch_bytes = st->columns + rt_i8_product_scratch(&g, f->threads);
		return RT_OK;
	}
	st->pixels = RUN_SUMS / c->out_channels;
	st->pixels = st->pixels < 1 ? 1 : st->pixels > s->out[2] ? s->out[2] : st->pixels;
	if (__builtin_mul_overflow(count_of(s->out[2]), pointer_step(s), &pointers) ||
	    __builtin_add_overflow(pointers, taps, &pointers) ||
	    __builtin_mul_overflow(pointers, sizeof(void *), &pointers) ||
	    pointers > SIZE_MAX / 4096)
		return rt_error_set(err, RT_BUDGET, "the input is too large");
	st->pointers = lines(pointers);
	st->sums = lines(count_of(st->pixels) * channels * sizeof(int32_t));
	st->each = st->pointers + st->sums + RT_TEAM_APART;
	f->scratch_bytes = st->columns + lines(channels) + st->each * (size_t)f->threads;
	return RT_OK;
}

/* ---- run: products --------------------------------------------------------------------------- */

struct windows {
	const struct rt_qconv_nhwc *c;
	const struct rt_qconv_nhwc_shape *st;
	const uint8_t *x, *end; /* of the input */
	uint8_t zero;           /* as copied */
	uint8_t flip;           /* of every byte that is copied: 0 or 0x80 */
};

static inline void copy_16(uint8_t *to, const uint8_t *from, uint64_t flip)
{
	uint64_t x[2];

	memcpy(x, from, 16);
	x[0] ^= flip, x[1] ^= flip;
	memcpy(to, x, 16);
}

/* Small copies are most of them: sixteen bytes at once where both sides have the room. */
static inline void copy(const struct windows *win, uint8_t *to, const uint8_t *from, size_t n,
			size_t room)
{
	if (n <= 16 && room >= 16 && win->end - from >= 16)
		copy_16(to, from, win->flip * UINT64_C(0x0101010101010101));
	else if (win->flip == 0)
		memcpy(to, from, n);
	else
		for (size_t i = 0; i < n; i++)
			to[i] = from[i] ^ win->flip;
}

/* One row of a window of output column ${ow}: kw pixels of a group from input row ${x}. */
static void window_row(const struct windows *win, const uint8_t *x, int64_t ow, uint8_t *to,
		       size_t room)
{
	const struct rt_qconv_nhwc *c = win->c;
	const struct rt_spatial *s = &win->st->s;
	const int64_t pixel = c->in_per_group * c->group;
	const size_t run = count_of(c->in_per_group);
	const int64_t at = ow * s->stride[2] - s->begin[2];

	if (at >= 0 && at + s->kernel[2] <= s->in[2] && s->dilation[2] == 1 && c->group == 1) {
		copy(win, to, x + at * pixel, run * count_of(s->kernel[2]), room);
		return;
	}
	for (int64_t k = 0; k < s->kernel[2]; k++, to += run) {
		const int64_t w = at + k * s->dilation[2];
		if (w < 0 || w >= s->in[2])
			memset(to, win->zero, run);
		else
			copy(win, to, x + w * pixel, run, run);
	}
}

/* The same for ${n} output columns from ${ow} on, each ${ld} bytes after the one before. */
static void window_run(const struct windows *win, const uint8_t *x, int64_t ow, int64_t n,
		       uint8_t *to, size_t ld, size_t room)
{
	const struct rt_qconv_nhwc *c = win->c;
	const struct rt_spatial *s = &win->st->s;
	const int64_t pixel = c->in_per_group * c->group, end = ow + n;
	const size_t run = count_of(s->kernel[2] * c->in_per_group);
	const bool small = run <= 16 && room >= 16 && s->dilation[2] == 1 && c->group == 1;
	const uint64_t flip = win->flip * UINT64_C(0x0101010101010101);

	while (ow < end) {
		const int64_t at = ow * s->stride[2] - s->begin[2];
		const uint8_t *from = x + at * pixel;
		int64_t inside = (s->in[2] - s->kernel[2] - at) / s->stride[2] + 1;
		const int64_t whole = at >= 0 && from < win->end - 16
					  ? (win->end - 16 - from) / (s->stride[2] * pixel)
					  : 0;

		inside = inside < whole ? inside : whole;
		inside = inside < end - ow ? inside : end - ow;
		if (!small || at < 0 || at + s->kernel[2] > s->in[2] || inside < 1) {
			window_row(win, x, ow++, to, room);
			to += ld;
			continue;
		}
		ow += inside;
		for (; inside > 0; inside--, to += ld, from += s->stride[2] * pixel)
			copy_16(to, from, flip);
	}
}

/* rt_i8_product_rows_f */
static void window_rows(const void *arg, size_t group, size_t first, size_t count, uint8_t *to,
			size_t ld)
{
	const struct windows *win = arg;
	const struct rt_qconv_nhwc *c = win->c;
	const struct rt_spatial *s = &win->st->s;
	const int64_t pixel = c->in_per_group * c->group;
	const size_t run = count_of(s->kernel[2] * c->in_per_group);
	int64_t ow = (int64_t)first % s->out[2], line = (int64_t)first / s->out[2];

	while (count > 0) {
		const int64_t left = s->out[2] - ow;
		const int64_t columns = left < (int64_t)count ? left : (int64_t)count;
		const int64_t n = line / s->out[1], oh = line % s->out[1];
		const uint8_t *x =
		    win->x + (n * s->in[1] * s->in[2]) * pixel + (int64_t)group * c->in_per_group;

		for (int64_t kh = 0; kh < s->kernel[1]; kh++) {
			const int64_t h = oh * s->stride[1] - s->begin[1] + kh * s->dilation[1];
			const size_t at = count_of(kh) * run;

			if (h >= 0 && h < s->in[1])
				window_run(win, x + h * s->in[2] * pixel, ow, columns, to + at, ld,
					   ld - at);
			else
				for (int64_t i = 0; i < columns; i++)
					memset(to + count_of(i) * ld + at, win->zero, run);
		}
		to += count_of(columns) * ld;
		count -= count_of(columns);
		ow = 0, line++;
	}
}

/* ---- run: one channel per group -------------------------------------------------------------- */

struct depthwise {
	const struct rt_qconv_nhwc *c;
	const struct rt_qconv_nhwc_shape *st;
	const uint8_t *x, *zeros; /* zeros: [C] of x_zero */
	char *scratch;            /* [threads], st->each */
	struct rt_i8_finish finish;
	void (*to)(const struct rt_i8_finish *f);
	size_t y_bytes;
	bool real; /* Y is float32 */
};

/* Pointers to what the taps of a row of output see. */
static void point(const struct depthwise *d, int64_t n, int64_t oh, const uint8_t **in)
{
	const struct rt_spatial *s = &d->st->s;
	const int64_t channels = d->c->out_channels, kh = s->kernel[1], kw = s->kernel[2];
	const bool shared = s->dilation[2] == 1;
	const int64_t columns = shared ? (s->out[2] - 1) * s->stride[2] + kw : s->out[2] * kw;

	for (int64_t r = 0; r < kh; r++) {
		const int64_t h = oh * s->stride[1] - s->begin[1] + r * s->dilation[1];
		const bool inside = h >= 0 && h < s->in[1];
		const uint8_t *row = d->x + (n * s->in[1] + (inside ? h : 0)) * s->in[2] * channels;
		for (int64_t q = 0; q < columns; q++) {
			const int64_t w =
			    shared ? q - s->begin[2]
				   : q / kw * s->stride[2] - s->begin[2] + q % kw * s->dilation[2];
			in[q * kh + r] =
			    inside && w >= 0 && w < s->in[2] ? row + w * channels : d->zeros;
		}
	}
}

static void depthwise_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct depthwise *d = arg;
	const struct rt_qconv_nhwc_shape *st = d->st;
	const struct rt_spatial *s = &st->s;
	char *mine = d->scratch + (size_t)thread * st->each;
	const uint8_t **in = (const uint8_t **)(void *)mine;
	int32_t *sums = (int32_t *)(void *)(mine + st->pointers);
	const size_t channels = count_of(d->c->out_channels);
	struct rt_i8_window win = {.channels = channels,
				   .taps = count_of(s->kernel[1] * s->kernel[2]),
				   .step = pointer_step(s),
				   .flip = d->c->x_signed ? 0x80 : 0,
				   .w = (const int8_t *)d->c->w,
				   .sum = sums};
	struct rt_i8_finish f = d->finish;

	f.n = f.ld_sum = f.ldy = channels;
	f.sum = sums;
	for (size_t i = begin; i < end; i++) {
		const int64_t n = (int64_t)i / s->out[1], oh = (int64_t)i % s->out[1];
		char *y = (char *)d->finish.y + i * count_of(s->out[2]) * channels * d->y_bytes;
		point(d, n, oh, in);
		for (int64_t o = 0; o < s->out[2]; o += st->pixels) {
			const int64_t left = s->out[2] - o;
			f.m = win.pixels = count_of(left < st->pixels ? left : st->pixels);
			win.in = in + count_of(o) * win.step;
			d->c->kernels->i8_dwconv->run(&win);
			f.y = y + count_of(o) * channels * d->y_bytes;
			d->to(&f);
		}
		if (d->real && d->c->act.fn) {
			float *row = (float *)(void *)y;
			d->c->act.fn(count_of(s->out[2]) * channels, row, row, &d->c->act.params);
		}
	}
}

static void run_depthwise(struct depthwise *d, int32_t x_zero, struct rt_team *team, char *scratch)
{
	const struct rt_spatial *s = &d->st->s;
	const int64_t work = s->out[2] * d->c->out_channels * s->kernel[1] * s->kernel[2];

	memset(scratch, x_zero, count_of(d->c->out_channels));
	d->zeros = (const uint8_t *)scratch;
	d->scratch = scratch + lines(count_of(d->c->out_channels));
	if (work > 0)
		rt_team_for(team, count_of(d->st->batch * s->out[1]),
			    count_of(200000 / (work + 1) + 1), depthwise_rows, d);
}

/* ---- run ------------------------------------------------------------------------------------- */

static const struct rt_tensor *input(const struct rt_run *r, int i)
{
	return i >= 0 && i < r->in_count && r->in[i].data ? &r->in[i] : NULL;
}

static struct rt_i8_finish finish_of(const struct rt_run *r, const struct rt_qconv_nhwc *c,
				     const struct rt_qconv_nhwc_shape *st)
{
	const struct rt_qconv_inputs *at = c->at;
	const struct rt_tensor *out = &r->out[0], *bias = input(r, at->real_bias);
	struct rt_i8_finish f = {.add = c->add,
				 .row_mul = c->rows ? c->row_mul : NULL,
				 .scale = c->scale,
				 .bias = bias ? bias->data : NULL,
				 .lo = c->act.lo,
				 .hi = c->act.hi,
				 .y = out->data,
				 .ldy = count_of(c->out_channels)};

	if (!c->add) {
		const size_t each = st->columns / 3;
		const struct numbers n = {
		    input(r, at->x_zero),  input(r, at->w_zero),  input(r, at->bias),
		    input(r, at->x_scale), input(r, at->w_scale), input(r, at->y_scale),
		};
		int32_t *add = r->scratch;
		int32_t *row_mul = (int32_t *)(void *)((char *)r->scratch + each);
		float *scale = (float *)(void *)((char *)r->scratch + each * 2);
		f.row_mul = make_columns(c, &n, add, row_mul, scale) ? row_mul : NULL;
		f.add = add;
		f.scale = scale;
	}
	if (out->dtype == RT_I8 || out->dtype == RT_U8) {
		const bool is_signed = out->dtype == RT_I8;
		f.zero = int_at(input(r, at->y_zero), 0);
		f.lo = fmaxf(c->lo, (float)((is_signed ? -128 : 0) - f.zero));
		f.hi = fminf(c->hi, (float)((is_signed ? 127 : 255) - f.zero));
	}
	return f;
}

void rt_qconv_nhwc_run(const struct rt_run *r, const struct rt_qconv_nhwc *c,
		       const struct rt_qconv_nhwc_shape *st)
{
	const struct rt_i8_row *ends = c->kernels->i8_row;
	const enum rt_dtype y = r->out[0].dtype;
	const int32_t x_zero = int_at(input(r, c->at->x_zero), 0);
	const size_t elems = count_of(rt_tensor_elems(&r->in[0]));
	const struct rt_i8_finish f = finish_of(r, c, st);
	struct rt_i8_product g = describe(c, st);
	char *scratch = (char *)r->scratch + st->columns;
	const uint8_t flip = c->flips ? 0x80 : 0;
	struct windows win = {
	    .c = c, .st = st, .x = r->in[0].data, .zero = (uint8_t)x_zero ^ flip, .flip = flip};

	g.finish = f;
	g.to = y == RT_I32 ? ends->to_i32 : y == RT_F32 ? ends->to_f32 : ends->to_i8;
	g.y_bytes = y == RT_I32 || y == RT_F32 ? 4 : 1;
	win.end = win.x + elems;
	if (c->fold > 0) {
		rt_qconv_fold_run(r, c, st, &f, (uint8_t)x_zero);
		return;
	}
	if (c->is_depthwise) {
		struct depthwise d = {.c = c,
				      .st = st,
				      .x = win.x,
				      .finish = f,
				      .to = g.to,
				      .y_bytes = g.y_bytes,
				      .real = y == RT_F32};
		run_depthwise(&d, x_zero, r->team, scratch);
		return;
	}
	if (is_pointwise(&st->s)) {
		g.a = win.x;
	} else {
		g.rows = window_rows;
		g.rows_arg = &win;
	}
	rt_i8_product_run(&g, r->team, scratch);
}
