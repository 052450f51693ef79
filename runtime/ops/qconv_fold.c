/* SPDX-License-Identifier: MIT */
/*
 * qconv_fold.c — depthwise convolutions of bytes with few channels: several pixels
 * that lie side by side are one pixel of several times the channels, so that the
 * depthwise kernel has a whole vector to do.  Called by qconv_nhwc.c.
 *
 * What the taps of such a pixel see must be side by side as well.  So the rows
 * under the window are copied to lines, with their padding and, where the window
 * moves by s, in s parts: pixels 0, s, 2·s …, pixels 1, s + 1 ….  A line serves
 * all rows of output that see it.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/ops/qconv_fold.h"
#include "runtime/ops/walk.h"

#define VECTOR 64 /* channels that the kernel takes at once */
#define SLACK 64  /* bytes after a line that may be read */

static size_t count_of(int64_t n)
{
	return (size_t)n;
}

static size_t lines(size_t bytes)
{
	return (bytes + 63) & ~(size_t)63;
}

/* ---- weights --------------------------------------------------------------------------------- */

int rt_qconv_fold_bind(struct rt_bind *b, struct rt_qconv_nhwc *c, const uint8_t *w,
		       struct rt_error *err)
{
	const enum rt_dtype y = b->graph->values[b->node->out[0]].dtype;
	const struct rt_i8_dwconv *kernel = b->kernels->i8_dwconv;
	const int64_t m = c->out_channels, kh = c->kernel[0], kw = c->kernel[1], taps = kh * kw;
	const size_t fold = count_of(VECTOR / m), wide = fold * count_of(m);
	const uint8_t flip = c->w_signed ? 0 : 0x80;
	int32_t *add;
	float *scale;
	int8_t *order, *packed;

	if (!c->is_depthwise || fold < 2 || !c->add || c->rows || (y != RT_I8 && y != RT_U8))
		return RT_OK;
	add = rt_bind_alloc(b, VECTOR * sizeof(*add));
	scale = rt_bind_alloc(b, VECTOR * sizeof(*scale));
	packed = rt_bind_alloc(b, kernel->pack_elems(wide, count_of(taps)));
	order = malloc(wide * count_of(taps));
	if (!add || !scale || !packed || !order) {
		free(order);
		return rt_error_set(err, RT_MEMORY, "no memory for packed weights");
	}
	for (size_t i = 0; i < wide; i++) {
		const int64_t channel = (int64_t)i % m;

		add[i] = c->add[channel];
		scale[i] = c->scale[channel];
		for (int64_t t = 0; t < taps; t++)
			order[count_of(t % kw * kh + t / kw) * wide + i] =
			    (int8_t)(w[channel * taps + t] ^ flip);
	}
	kernel->pack(wide, count_of(taps), order, packed);
	free(order);
	c->fold = (int64_t)fold;
	c->w = (const uint8_t *)packed;
	c->add = add;
	c->scale = scale;
	return RT_OK;
}

/* ---- shapes ---------------------------------------------------------------------------------- */

/* Pixels of a part of a line: as many as the last block of outputs sees. */
static int64_t part_pixels(const struct rt_qconv_nhwc *c, const struct rt_spatial *s)
{
	const int64_t blocks = (s->out[2] + c->fold - 1) / c->fold;

	return blocks * c->fold + (s->kernel[2] - 1) * s->dilation[2] / s->stride[2];
}

static int64_t lines_kept(const struct rt_spatial *s)
{
	return (s->kernel[1] - 1) * s->dilation[1] + 1;
}

int rt_qconv_fold_infer(struct rt_infer *f, const struct rt_qconv_nhwc *c,
			struct rt_qconv_nhwc_shape *st, struct rt_error *err)
{
	const struct rt_spatial *s = &st->s;
	const size_t blocks = count_of((s->out[2] + c->fold - 1) / c->fold);
	const size_t taps = count_of(s->kernel[1] * s->kernel[2]);
	size_t line, all, pointers, sums;

	if (__builtin_mul_overflow(count_of(part_pixels(c, s)), count_of(s->stride[2]), &line) ||
	    __builtin_mul_overflow(line, count_of(c->out_channels), &line) || line > SIZE_MAX / 8 ||
	    __builtin_mul_overflow(lines(line + SLACK), count_of(lines_kept(s)) + 1, &all) ||
	    __builtin_mul_overflow(blocks, taps * sizeof(void *), &pointers) ||
	    __builtin_mul_overflow(blocks, VECTOR * sizeof(int32_t), &sums) ||
	    all > SIZE_MAX / 4096 || pointers > SIZE_MAX / 4096 || sums > SIZE_MAX / 4096)
		return rt_error_set(err, RT_BUDGET, "the input is too large");
	st->line = lines(line + SLACK);
	st->pointers = lines(pointers);
	st->sums = lines(sums);
	st->each = st->pointers + st->sums + all +
		   lines(count_of(lines_kept(s)) * sizeof(int64_t)) + RT_TEAM_APART;
	f->scratch_bytes = st->each * (size_t)f->threads;
	return RT_OK;
}

/* ---- run ------------------------------------------------------------------------------------- */

struct fold {
	const struct rt_qconv_nhwc *c;
	const struct rt_qconv_nhwc_shape *st;
	const struct rt_i8_finish *finish;
	const uint8_t *x;
	char *scratch;
	uint8_t zero;
};

/* What a thread has. */
struct mine {
	const uint8_t **in; /* [blocks][taps] */
	int32_t *sums;      /* [blocks][fold · channels] */
	int64_t *kept;      /* [lines_kept]: the row of all input rows that the line has; −1 */
	uint8_t *lines;     /* [lines_kept + 1], the last of padding */
};

static struct mine mine_of(const struct fold *d, int thread)
{
	const struct rt_qconv_nhwc_shape *st = d->st;
	char *at = d->scratch + (size_t)thread * st->each;
	struct mine m = {.in = (const uint8_t **)(void *)at};

	m.sums = (int32_t *)(void *)(at + st->pointers);
	m.kept = (int64_t *)(void *)(at + st->pointers + st->sums);
	m.lines = (uint8_t *)at + st->pointers + st->sums +
		  lines(count_of(lines_kept(&st->s)) * sizeof(int64_t));
	return m;
}

/* ${n} pixels of ${c} bytes, every ${s}th, side by side. */
static inline void gather(uint8_t *to, const uint8_t *from, int64_t n, int64_t s, size_t c)
{
	for (int64_t i = 0; i < n; i++)
		memcpy(to + count_of(i) * c, from + count_of(i * s) * c, c);
}

/* A row of input with its padding, in as many parts as the window's step. */
static void make_line(const struct fold *d, const uint8_t *row, uint8_t *to)
{
	const struct rt_spatial *s = &d->st->s;
	const int64_t pixels = part_pixels(d->c, s), step = s->stride[2], begin = s->begin[2];
	const size_t c = count_of(d->c->out_channels);

	for (int64_t part = 0; part < step; part++, to += count_of(pixels) * c) {
		/* pixel i is input column i·step + part − begin */
		int64_t first = part < begin ? (begin - part + step - 1) / step : 0, end;
		const int64_t left = s->in[2] + begin - part;
		const uint8_t *from;

		end = left > 0 ? (left + step - 1) / step : 0;
		first = first < pixels ? first : pixels;
		end = end < first ? first : end < pixels ? end : pixels;
		from = row + count_of(first * step + part - begin) * c;
		memset(to, d->zero, count_of(first) * c);
		memset(to + count_of(end) * c, d->zero, count_of(pixels - end) * c);
		if (first == end)
			continue;
		if (step == 1)
			memcpy(to + count_of(first) * c, from, count_of(end - first) * c);
		else if (c == 8)
			gather(to + count_of(first) * c, from, end - first, step, 8);
		else if (c == 16)
			gather(to + count_of(first) * c, from, end - first, step, 16);
		else if (c == 32)
			gather(to + count_of(first) * c, from, end - first, step, 32);
		else
			gather(to + count_of(first) * c, from, end - first, step, c);
	}
}

/* The line of row ${h} of image ${n}, made if it is not there; that of padding where there is no
 * such row. */
static const uint8_t *line_of(const struct fold *d, const struct mine *m, int64_t n, int64_t h)
{
	const struct rt_spatial *s = &d->st->s;
	const int64_t count = lines_kept(s), row = n * s->in[1] + h;
	uint8_t *to;

	if (h < 0 || h >= s->in[1])
		return m->lines + count_of(count) * d->st->line;
	to = m->lines + count_of(h % count) * d->st->line;
	if (m->kept[h % count] != row) {
		make_line(d, d->x + count_of(row * s->in[2]) * count_of(d->c->out_channels), to);
		m->kept[h % count] = row;
	}
	return to;
}

/* Pointers to what the taps of all blocks of a row of output see: columns of the window first. */
static void point(const struct fold *d, const struct mine *m, int64_t n, int64_t oh)
{
	const struct rt_spatial *s = &d->st->s;
	const int64_t kh = s->kernel[1], kw = s->kernel[2], pixels = part_pixels(d->c, s);
	const int64_t blocks = (s->out[2] + d->c->fold - 1) / d->c->fold;
	const size_t c = count_of(d->c->out_channels), block = c * count_of(d->c->fold);

	for (int64_t r = 0; r < kh; r++) {
		const uint8_t *line =
		    line_of(d, m, n, oh * s->stride[1] - s->begin[1] + r * s->dilation[1]);

		for (int64_t q = 0; q < kw; q++) {
			const int64_t at = q * s->dilation[2];
			const uint8_t *from =
			    line + count_of(at % s->stride[2] * pixels + at / s->stride[2]) * c;
			const uint8_t **in = m->in + q * kh + r;

			for (int64_t o = 0; o < blocks; o++)
				in[o * kh * kw] = from + count_of(o) * block;
		}
	}
}

static void fold_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct fold *d = arg;
	const struct rt_spatial *s = &d->st->s;
	const struct mine m = mine_of(d, thread);
	const int64_t fold = d->c->fold, whole = s->out[2] / fold, rest = s->out[2] % fold;
	const size_t channels = count_of(d->c->out_channels), wide = channels * count_of(fold);
	const struct rt_i8_window win = {.channels = wide,
					 .pixels = count_of(whole + (rest > 0)),
					 .taps = count_of(s->kernel[1] * s->kernel[2]),
					 .step = count_of(s->kernel[1] * s->kernel[2]),
					 .in = m.in,
					 .flip = d->c->x_signed ? 0x80 : 0,
					 .w = (const int8_t *)d->c->w,
					 .sum = m.sums};
	struct rt_i8_finish f = *d->finish;

	for (int64_t i = 0; i < lines_kept(s); i++)
		m.kept[i] = -1;
	memset(m.lines + count_of(lines_kept(s)) * d->st->line, d->zero, d->st->line);
	f.ld_sum = f.ldy = wide;
	for (size_t i = begin; i < end; i++) {
		uint8_t *y = (uint8_t *)d->finish->y + i * count_of(s->out[2]) * channels;

		point(d, &m, (int64_t)i / s->out[1], (int64_t)i % s->out[1]);
		d->c->kernels->i8_dwconv->run(&win);
		f.n = wide, f.m = count_of(whole), f.sum = m.sums, f.y = y;
		if (whole > 0)
			d->c->kernels->i8_row->to_i8(&f);
		f.n = count_of(rest) * channels, f.m = 1;
		f.sum = m.sums + count_of(whole) * wide, f.y = y + count_of(whole) * wide;
		if (rest > 0)
			d->c->kernels->i8_row->to_i8(&f);
	}
}

void rt_qconv_fold_run(const struct rt_run *r, const struct rt_qconv_nhwc *c,
		       const struct rt_qconv_nhwc_shape *st, const struct rt_i8_finish *finish,
		       uint8_t x_zero)
{
	const struct rt_spatial *s = &st->s;
	const int64_t work = s->out[2] * c->out_channels * s->kernel[1] * s->kernel[2];
	struct fold d = {.c = c,
			 .st = st,
			 .finish = finish,
			 .x = r->in[0].data,
			 .scratch = r->scratch,
			 .zero = x_zero};

	if (work > 0)
		rt_team_for(r->team, count_of(st->batch * s->out[1]),
			    count_of(400000 / (work + 1) + 1), fold_rows, &d);
}
