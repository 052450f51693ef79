/* SPDX-License-Identifier: MIT */
/*
 * conv_chain.c — larder.ConvChain: a depthwise convolution with the 1 × 1 convolution before it,
 * the one behind it, or both, made by pass_chain.c; channels last.
 *
 *	X [N][H][W][C], weights and bias of the depthwise one, of the first, of the last (each of
 *	the two may be left out, not both), residual like Y
 *	Y = last(depthwise(first(X))) + residual, [N][OH][OW][M]; each with its activation:
 *	attributes first_act …, act …, last_act … (activation.h); the other attributes are those of
 *	the depthwise convolution.
 *
 * What stands between them is wide and soon read again.  So some rows of the
 * output at a time go through all three, and what is between stays in the second
 * cache; rows that the next ones see too are kept.  Each thread does rows of its own, from
 * top to bottom.  Where that does not pay (the weights of the 1 × 1 convolutions are large
 * beside the image) the three run one after the other, on all threads.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/conv_depthwise.h"
#include "runtime/ops/ops.h"

enum { X, DEPTH, DEPTH_BIAS, FIRST, FIRST_BIAS, LAST, LAST_BIAS, RESIDUAL };

#define BAND_BYTES ((int64_t)512 << 10) /* of what stands between, per thread, about */
#define WEIGHT_BYTES                                                                               \
	((int64_t)64 << 10) /* of weights that are read again for each thread's rows               \
			     */
#define ITEM_WORK 400000.0  /* multiplications that are worth another thread */
#define TILE_PIXELS 100     /* of a band, at least, so that tiles are full */

/* A 1 × 1 convolution; w is NULL: none. */
struct point {
	const float *w; /* packed */
	int64_t from, to;
	struct rt_activation act;
};

struct chain {
	struct point first, last;
	struct rt_conv depth;
};

/* What is known of one shape. */
struct chain_shape {
	struct rt_conv_shape conv; /* of the depthwise one */
	bool whole;                /* one after the other */
	int64_t share;             /* rows of output for a thread, at least */
	int64_t rows;              /* of a band of them */
	int64_t kept;              /* rows of the depthwise convolution's input that a band has */
	size_t wide_bytes, deep_bytes;  /* its input and its output, of a band or of all */
	size_t first_bytes, last_bytes; /* scratch of the products; of all threads if whole */
	size_t each;                    /* of a thread */
};

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static size_t round_up(size_t n)
{
	return (n + 63) / 64 * 64;
}

static int bind_point(struct rt_bind *b, int k, const char *const names[3], struct point *p,
		      struct rt_error *err)
{
	const struct rt_tensor *w = rt_bind_has(b, k) ? rt_bind_constant(b, k) : NULL;
	size_t n, depth;
	void *fill;
	if (!w)
		return RT_OK;
	p->to = w->shape.dims[0];
	p->from = w->shape.dims[1];
	n = (size_t)p->to;
	depth = (size_t)p->from;
	rt_activation_named(b->node, b->kernels, names, &p->act);
	p->w = rt_bind_packed(b, rt_gemm_pack_elems(b->kernels, n, depth) * sizeof *p->w, &fill);
	if (!p->w)
		return rt_error_set(err, RT_MEMORY, "no memory for packed weights");
	if (fill)
		rt_gemm_pack(b->kernels, n, depth, w->data, 1, depth, 0,
			     rt_gemm_panels(b->kernels, n), fill);
	rt_bind_drop(b, k);
	return RT_OK;
}

static int chain_bind(struct rt_bind *b, struct rt_error *err)
{
	static const char *const before[] = {"first_act", "first_act_a", "first_act_b"};
	static const char *const after[] = {"last_act", "last_act_a", "last_act_b"};
	struct chain *c = b->state;
	const struct rt_tensor *w = rt_bind_constant(b, DEPTH);
	int status;
	must(w && w->shape.rank == 4);
	c->depth.kernels = b->kernels;
	c->depth.rank = 2;
	c->depth.group = c->depth.out_channels = w->shape.dims[0];
	c->depth.in_per_group = 1;
	c->depth.kernel[0] = w->shape.dims[2];
	c->depth.kernel[1] = w->shape.dims[3];
	rt_activation_read(b->node, b->kernels, &c->depth.act);
	rt_bind_drop(b, DEPTH);
	if ((status = rt_conv_depthwise_pack(b, &c->depth, w->data, err)) ||
	    (status = bind_point(b, FIRST, before, &c->first, err)))
		return status;
	return bind_point(b, LAST, after, &c->last, err);
}

/* The product that ${p} is, for ${pixels} pixels; pointers are put in by run. */
static struct rt_gemm product(const struct chain *c, const struct point *p, int64_t pixels)
{
	static const float some;
	return (struct rt_gemm){
	    .kernels = c->depth.kernels,
	    .m = (size_t)pixels,
	    .n = (size_t)p->to,
	    .k = (size_t)p->from,
	    .batch = 1,
	    .a = &some, /* in memory */
	    .lda = (size_t)p->from,
	    .w = p->w,
	    .ldc = (size_t)p->to,
	    .epilogue = {.lo = p->act.lo, .hi = p->act.hi, .ld_residual = (size_t)p->to},
	    .activation = p->act.fn,
	    .activation_params = p->act.params,
	};
}

/* Rows of the depthwise convolution's input that ${rows} rows of its output see. */
static int64_t rows_seen(const struct rt_spatial *s, int64_t rows)
{
	return (rows - 1) * s->stride[1] + (s->kernel[1] - 1) * s->dilation[1] + 1;
}

static size_t point_scratch(const struct chain *c, const struct point *p, int64_t pixels,
			    int threads)
{
	const struct rt_gemm g = product(c, p, pixels);
	return p->w ? round_up(rt_gemm_scratch_bytes(&g, threads)) : 0;
}

/* An equal share of the rows for each thread, or all for one where they are little work. */
static int64_t shared(const struct chain *c, const struct chain_shape *st, int threads)
{
	const struct rt_spatial *s = &st->conv.s;
	const int64_t rows = st->conv.batch * s->out[1];
	const double row = (double)(s->out[2] * c->depth.out_channels) *
			   (double)(s->kernel[1] * s->kernel[2] + c->first.from + c->last.to);
	const int64_t each = (rows + threads - 1) / threads;
	return row * (double)rows < ITEM_WORK * 2 ? rows : most(each + each % 2, 1);
}

/* All at once, or how many rows at a time, for ${threads}. */
static bool plan(const struct chain *c, struct chain_shape *st, int threads, size_t *bytes)
{
	const struct rt_spatial *s = &st->conv.s;
	const int64_t channels = c->depth.out_channels, batch = st->conv.batch;
	const int64_t row = s->in[2] * channels * (int64_t)sizeof(float);
	const int64_t out = s->out[2] * channels * (int64_t)sizeof(float);
	const int64_t all = s->in[1] * row * (c->first.w ? 1 : 0) + s->out[1] * out;
	const int64_t weights =
	    (c->first.from * c->first.to + c->last.from * c->last.to) * (int64_t)sizeof(float);
	int64_t wide, deep, rows = s->out[1];
	/* sizes of tensors are checked; this one is none */
	if (__builtin_mul_overflow(batch * s->in[1], row, &wide) ||
	    __builtin_mul_overflow(batch * s->out[1], out, &deep) || wide > INT64_MAX / 8 ||
	    deep > INT64_MAX / 8)
		return false;
	st->whole = weights > WEIGHT_BYTES && (weights > all / 4 || all < BAND_BYTES);
	if (!st->whole) {
		st->share = shared(c, st, threads);
		rows = least(rows, st->share);
		while (rows > 2 && rows_seen(s, rows) * row + rows * out > BAND_BYTES &&
		       (rows - 1) * s->out[2] >= TILE_PIXELS)
			rows--;
		rows = most(rows - rows % 2, 1);
		wide = rows_seen(s, rows) * row;
		deep = rows * out;
	}
	st->rows = rows;
	st->kept = rows_seen(s, rows);
	st->wide_bytes = c->first.w ? round_up((size_t)wide) : 0;
	st->deep_bytes = c->last.w ? round_up((size_t)deep) : 0;
	st->first_bytes = point_scratch(
	    c, &c->first, st->whole ? batch * s->in[1] * s->in[2] : st->kept * s->in[2],
	    st->whole ? threads : 1);
	st->last_bytes =
	    point_scratch(c, &c->last, st->whole ? batch * s->out[1] * s->out[2] : rows * s->out[2],
			  st->whole ? threads : 1);
	st->each = st->wide_bytes + st->deep_bytes +
		   (size_t)most((int64_t)st->first_bytes, (int64_t)st->last_bytes);
	return !__builtin_mul_overflow(st->each, st->whole ? 1 : (size_t)threads, bytes);
}

static int check_inputs(const struct rt_infer *f, const struct chain *c, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[X].shape;
	const int64_t from = c->first.w ? c->first.from : c->depth.out_channels;
	const int biases[] = {FIRST_BIAS, DEPTH_BIAS, LAST_BIAS};
	const int64_t channels[] = {c->first.to, c->depth.out_channels, c->last.to};
	char text[128];
	if (x->rank != 4 || x->dims[3] != from)
		return rt_error_set(err, RT_INPUT,
				    "input %s (channels last) for weights of %lld channels",
				    rt_shape_text(x, text, sizeof text), (long long)from);
	for (int i = 0; i < 3; i++)
		if (f->in_count > biases[i] && f->in[biases[i]].dtype != RT_NONE &&
		    (f->in[biases[i]].shape.rank != 1 ||
		     f->in[biases[i]].shape.dims[0] != channels[i]))
			return rt_error_set(
			    err, RT_INPUT, "bias %s for %lld channels",
			    rt_shape_text(&f->in[biases[i]].shape, text, sizeof text),
			    (long long)channels[i]);
	return RT_OK;
}

static int chain_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct chain *c = f->state;
	const struct rt_shape *x = &f->in[X].shape;
	struct chain_shape *st = rt_infer_alloc(f, sizeof *st);
	int status;
	if (!st)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	if ((status = check_inputs(f, c, err)) ||
	    (status = rt_spatial_infer(f->node, 2, x->dims + 1, c->depth.kernel, &st->conv.s, err)))
		return status;
	st->conv.batch = x->dims[0];
	f->shape_state = st;
	f->out[0].shape = *x;
	f->out[0].shape.dims[1] = st->conv.s.out[1];
	f->out[0].shape.dims[2] = st->conv.s.out[2];
	f->out[0].shape.dims[3] = c->last.w ? c->last.to : c->depth.out_channels;
	if (!plan(c, st, f->threads, &f->scratch_bytes))
		return rt_error_set(err, RT_BUDGET, "the image is too large");
	return rt_residual_infer(f, RESIDUAL, &st->conv.residual, err);
}

struct job {
	const struct chain *c;
	const struct chain_shape *st;
	const float *x, *first_bias, *depth_bias;
	struct rt_gemm last; /* its c is the start of Y */
	char *scratch;
};

/* Rows ${begin} … ${end} − 1 of what the first convolution makes, into rows kept in turn. */
static void make_wide(const struct job *j, const float *x, int64_t begin, int64_t end, float *wide,
		      void *scratch)
{
	const struct rt_spatial *s = &j->st->conv.s;
	const int64_t from = j->c->first.from, to = j->c->first.to, kept = j->st->kept;
	for (int64_t h = begin, n; h < end; h += n) {
		struct rt_gemm g;
		n = least(end - h, kept - h % kept);
		g = product(j->c, &j->c->first, n * s->in[2]);
		g.a = x + h * s->in[2] * from;
		g.c = wide + h % kept * s->in[2] * to;
		g.epilogue.bias = j->first_bias;
		rt_gemm_run_alone(&g, scratch);
	}
}

/* Rows ${oh} … ${oh} + ${n} − 1 of image ${image}, when what they see is there. */
static void band(const struct job *j, const struct rt_conv_rows *in, int64_t image, int64_t oh,
		 int64_t n, float *deep, void *scratch)
{
	const struct rt_spatial *s = &j->st->conv.s;
	const int64_t pixel = (image * s->out[1] + oh) * s->out[2];
	struct rt_gemm g = j->last;
	float *y = j->last.c + pixel * (int64_t)g.ldc;
	rt_conv_depthwise_rows(&j->c->depth, s, in, j->depth_bias, oh, n, j->c->last.w ? deep : y);
	if (!j->c->last.w)
		return;
	g.m = (size_t)(n * s->out[2]);
	g.a = deep;
	g.c = y;
	if (g.epilogue.residual)
		g.epilogue.residual += pixel * (int64_t)g.epilogue.ld_residual;
	rt_gemm_run_alone(&g, scratch);
}

/* Rows ${begin} … ${end} − 1 of the output of all images. */
static void bands(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct chain_shape *st = j->st;
	const struct rt_spatial *s = &st->conv.s;
	char *mine = j->scratch + (size_t)thread * st->each;
	float *wide = (float *)(void *)mine, *deep = (float *)(void *)(mine + st->wide_bytes);
	void *scratch = mine + st->wide_bytes + st->deep_bytes;
	const int64_t last = (int64_t)end, image_in = s->in[1] * s->in[2];
	int64_t made = 0; /* rows of the input of the depthwise convolution, up to this one */
	for (int64_t i = (int64_t)begin, n; i < last; i += n) {
		const int64_t image = i / s->out[1], oh = i % s->out[1];
		const int64_t top = most(0, oh * s->stride[1] - s->begin[1]);
		int64_t bottom;
		struct rt_conv_rows in = {wide, st->kept};
		n = least(least(st->rows, s->out[1] - oh), last - i);
		bottom = least(s->in[1], oh * s->stride[1] - s->begin[1] + rows_seen(s, n));
		if (oh == 0 || i == (int64_t)begin)
			made = top;
		if (j->c->first.w && most(made, top) < bottom) {
			make_wide(j, j->x + image * image_in * j->c->first.from, most(made, top),
				  bottom, wide, scratch);
			made = bottom;
		} else if (!j->c->first.w) {
			in = (struct rt_conv_rows){
			    j->x + image * image_in * j->c->depth.out_channels, s->in[1]};
		}
		band(j, &in, image, oh, n, deep, scratch);
	}
}

/* Rows of the depthwise convolution alone: its input is ${x}, its output ${y}, whole. */
struct alone {
	const struct job *j;
	const float *x;
	float *y;
};

static void depth_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct alone *a = arg;
	const struct rt_conv *c = &a->j->c->depth;
	const struct rt_spatial *s = &a->j->st->conv.s;
	const int64_t last = (int64_t)end;
	(void)thread;
	for (int64_t i = (int64_t)begin, n; i < last; i += n) {
		const int64_t image = i / s->out[1], first = i % s->out[1];
		const struct rt_conv_rows in = {
		    a->x + image * s->in[1] * s->in[2] * c->out_channels, s->in[1]};
		n = least(last - i, s->out[1] - first);
		rt_conv_depthwise_rows(c, s, &in, a->j->depth_bias, first, n,
				       a->y + i * s->out[2] * c->out_channels);
	}
}

static size_t rows_grain(const struct chain *c, const struct rt_spatial *s)
{
	const int64_t work = s->out[2] * c->depth.out_channels * s->kernel[1] * s->kernel[2];
	return work > 50000 ? 2 : (size_t)(100000 / (work + 1) + 1);
}

static void one_after_the_other(const struct job *j, const struct rt_run *r)
{
	const struct chain_shape *st = j->st;
	const struct rt_spatial *s = &st->conv.s;
	void *scratch = j->scratch + st->wide_bytes + st->deep_bytes;
	struct alone a = {.j = j, .x = j->x, .y = j->last.c};
	if (j->c->first.w) {
		struct rt_gemm g =
		    product(j->c, &j->c->first, st->conv.batch * s->in[1] * s->in[2]);
		g.a = j->x;
		g.c = (float *)(void *)j->scratch;
		g.epilogue.bias = j->first_bias;
		rt_gemm_run(&g, r->team, scratch);
		a.x = g.c;
	}
	if (j->c->last.w)
		a.y = (float *)(void *)(j->scratch + st->wide_bytes);
	rt_team_for(r->team, (size_t)(st->conv.batch * s->out[1]), rows_grain(j->c, s), depth_rows,
		    &a);
	if (j->c->last.w) {
		struct rt_gemm g = j->last;
		g.a = a.y;
		rt_gemm_run(&g, r->team, scratch);
	}
}

static const float *data_of(const struct rt_run *r, int k)
{
	return k < r->in_count ? r->in[k].data : NULL;
}

static void chain_run(const struct rt_run *r)
{
	const struct chain *c = r->state;
	const struct chain_shape *st = r->shape_state;
	const struct rt_spatial *s = &st->conv.s;
	struct job j = {.c = c,
			.st = st,
			.x = r->in[X].data,
			.first_bias = data_of(r, FIRST_BIAS),
			.depth_bias = data_of(r, DEPTH_BIAS),
			.scratch = rt_residual_scratch(r, &st->conv.residual)};
	if (rt_tensor_elems(&r->out[0]) == 0)
		return;
	j.last = product(c, &c->last, st->conv.batch * s->out[1] * s->out[2]);
	j.last.c = r->out[0].data;
	if (!c->last.w) {
		j.last.ldc = (size_t)c->depth.out_channels;
	} else {
		j.last.epilogue.bias = data_of(r, LAST_BIAS);
		rt_residual_before(r, RESIDUAL, &st->conv.residual, &j.last);
	}
	if (st->whole)
		one_after_the_other(&j, r);
	else
		rt_team_for(r->team, (size_t)(st->conv.batch * s->out[1]), (size_t)st->share, bands,
			    &j);
	rt_residual_after(r, RESIDUAL, &st->conv.residual, &c->last.act);
}

const struct rt_op rt_op_conv_chain = {
    .in_min = 2,
    .in_max = 8,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct chain),
    .bind = chain_bind,
    .infer = chain_infer,
    .run = chain_run,
};
