/* SPDX-License-Identifier: MIT */
/*
 * deform_conv.c — DeformConv (19): a 2-D convolution whose taps are moved.
 *
 *	y[n, m, h, w] = B[m] + Σ over c, kh, kw of W[m, c, kh, kw] · mask[n, g, k, h, w] ·
 *	    X[n, c, h·stride − pad + kh·dilation + offset y, w·… + offset x], bilinear, 0 outside
 *
 * offset [N][offset_group · kh · kw · 2][oh][ow] (y, then x), mask [N][offset_group · kh ·
 *kw][oh][ow].
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

struct plan {
	int64_t n, c, h, w;           /* input */
	int64_t m, per_group, kh, kw; /* weights [m][per_group][kh][kw] */
	int64_t oh, ow;
	int64_t stride[2], dilation[2], pad[2];
	int64_t groups, offset_groups;
};

static int64_t listed(const struct rt_node *n, const char *name, int i, int64_t otherwise)
{
	int64_t count;
	const int64_t *list = rt_node_ints(n, name, &count);

	return list != NULL && i < count ? list[i] : otherwise;
}

/* Size of an output axis; −1 when the attributes make no sense. */
static int64_t out_size(const struct rt_node *node, struct plan *p, int d, int64_t in, int64_t k)
{
	int64_t after = listed(node, "pads", d + 2, 0);

	p->stride[d] = listed(node, "strides", d, 1);
	p->dilation[d] = listed(node, "dilations", d, 1);
	p->pad[d] = listed(node, "pads", d, 0);
	if (p->stride[d] < 1 || p->dilation[d] < 1 || p->dilation[d] > INT32_MAX || k < 1 ||
	    k > INT32_MAX || in > INT32_MAX || p->pad[d] < 0 || p->pad[d] > INT32_MAX ||
	    after < 0 || after > INT32_MAX || in + p->pad[d] + after < p->dilation[d] * (k - 1) + 1)
		return -1;
	return (in + p->pad[d] + after - p->dilation[d] * (k - 1) - 1) / p->stride[d] + 1;
}

static bool is_shape(const struct rt_infer *f, int i, int64_t a, int64_t b, int64_t c, int64_t d)
{
	const struct rt_shape *s = &f->in[i].shape;

	return s->rank == 4 && s->dims[0] == a && s->dims[1] == b && s->dims[2] == c &&
	       s->dims[3] == d;
}

static int deform_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[0].shape, *w = &f->in[1].shape;
	struct plan *p = rt_infer_alloc(f, sizeof(*p));
	int64_t elems, taps;

	if (p == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	f->shape_state = p;
	if (x->rank != 4 || w->rank != 4)
		return rt_error_set(err, RT_UNSUPPORTED, "an input of rank %d; 4 is needed",
				    x->rank);
	*p = (struct plan){.n = x->dims[0],
			   .c = x->dims[1],
			   .h = x->dims[2],
			   .w = x->dims[3],
			   .m = w->dims[0],
			   .per_group = w->dims[1],
			   .kh = w->dims[2],
			   .kw = w->dims[3],
			   .groups = rt_node_int(f->node, "group", 1),
			   .offset_groups = rt_node_int(f->node, "offset_group", 1)};
	p->oh = out_size(f->node, p, 0, p->h, p->kh);
	p->ow = out_size(f->node, p, 1, p->w, p->kw);
	if (p->groups < 1 || p->offset_groups < 1 || p->oh < 0 || p->ow < 0 ||
	    p->m % p->groups != 0 || p->c % p->groups != 0 || p->c % p->offset_groups != 0 ||
	    p->per_group != p->c / p->groups ||
	    __builtin_mul_overflow(p->kh * p->kw, 2 * p->offset_groups, &taps))
		return rt_error_set(err, RT_INPUT,
				    "weights, groups, strides or pads do not fit the input");
	if (!is_shape(f, 2, p->n, taps, p->oh, p->ow) ||
	    (f->in_count > 3 && f->in[3].dtype != RT_NONE &&
	     (f->in[3].shape.rank != 1 || f->in[3].shape.dims[0] != p->m)) ||
	    (f->in_count > 4 && f->in[4].dtype != RT_NONE &&
	     !is_shape(f, 4, p->n, taps / 2, p->oh, p->ow)))
		return rt_error_set(err, RT_INPUT, "offset, B or mask is not of the right shape");
	f->out[0].shape = rt_shape_of(4, p->n, p->m, p->oh, p->ow);
	if (!rt_shape_elems(&f->out[0].shape, &elems))
		return rt_error_set(err, RT_INPUT, "the output is too large");
	return RT_OK;
}

static double bilinear(const struct rt_tensor *t, int64_t plane, int64_t h, int64_t w, double y,
		       double x)
{
	double fy = floor(y), fx = floor(x), sum = 0;

	if (!(y > -1 && x > -1 && y < (double)h && x < (double)w))
		return 0;
	for (int k = 0; k < 4; k++) {
		int64_t iy = (int64_t)fy + k / 2, ix = (int64_t)fx + k % 2;
		double weight = (k / 2 ? y - fy : 1 - y + fy) * (k % 2 ? x - fx : 1 - x + fx);
		if (iy >= 0 && iy < h && ix >= 0 && ix < w)
			sum += weight * rt_convert_get_f64(t, (plane * h + iy) * w + ix);
	}
	return sum;
}

/* One output. */
static double output(const struct rt_run *r, const struct plan *p, int64_t n, int64_t m, int64_t oy,
		     int64_t ox)
{
	bool masked = r->in_count > 4 && r->in[4].data != NULL;
	int64_t taps = p->kh * p->kw, pixels = p->oh * p->ow, pixel = oy * p->ow + ox;
	double sum =
	    r->in_count > 3 && r->in[3].data != NULL ? rt_convert_get_f64(&r->in[3], m) : 0;

	for (int64_t i = 0; i < p->per_group * taps; i++) {
		int64_t c = m / (p->m / p->groups) * p->per_group + i / taps, k = i % taps;
		int64_t ky = k / p->kw, kx = k % p->kw;
		int64_t group = n * p->offset_groups + c / (p->c / p->offset_groups);
		int64_t at = (group * taps + k) * 2 * pixels + pixel;
		double y = (double)(oy * p->stride[0] - p->pad[0] + ky * p->dilation[0]) +
			   rt_convert_get_f64(&r->in[2], at);
		double x = (double)(ox * p->stride[1] - p->pad[1] + kx * p->dilation[1]) +
			   rt_convert_get_f64(&r->in[2], at + pixels);
		double v = bilinear(&r->in[0], n * p->c + c, p->h, p->w, y, x) *
			   rt_convert_get_f64(&r->in[1], m * p->per_group * taps + i);
		if (masked)
			v *= rt_convert_get_f64(&r->in[4], (group * taps + k) * pixels + pixel);
		sum += v;
	}
	return sum;
}

static void deform_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct plan *p = r->shape_state;

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		int64_t pixel = i % (p->oh * p->ow), plane = i / (p->oh * p->ow);
		double y = output(r, p, plane / p->m, plane % p->m, pixel / p->ow, pixel % p->ow);
		rt_convert_from_f64(r->out[0].dtype, &y, 1, r->out[0].data, i, true);
	}
}

static void deform_run(const struct rt_run *r)
{
	const struct plan *p = r->shape_state;
	int64_t n = rt_tensor_elems(&r->out[0]);
	struct rt_run copy = *r;

	if (n > 0)
		rt_team_for(r->team, (size_t)n, rt_walk_grain(p->per_group * p->kh * p->kw * 16),
			    deform_range, &copy);
}

static int deform_bind(struct rt_bind *b, struct rt_error *err)
{
	const struct rt_node *n = b->node;

	for (int i = 1; i < n->in_count; i++) {
		if (n->in[i] >= 0 &&
		    b->graph->values[n->in[i]].dtype != b->graph->values[n->in[0]].dtype)
			return rt_error_set(err, RT_MALFORMED, "inputs 0 and %d differ in type", i);
	}
	return RT_OK;
}

const struct rt_op rt_op_deform_conv = {
    .in_min = 3,
    .in_max = 5,
    .out_min = 1,
    .out_max = 1,
    .bind = deform_bind,
    .infer = deform_infer,
    .run = deform_run,
};
