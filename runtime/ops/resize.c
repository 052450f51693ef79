/* SPDX-License-Identifier: MIT */
/*
 * resize.c — Resize and Upsample: separable interpolation, a pass per axis that
 * changes, the last axis first (rows across memory come out of the vector
 * unit).  Nearest is one mapped copy of elements of any type.
 *
 * Opset changes that matter: Upsample (7) has `scales` as an attribute, 9 as an
 * input; Resize (10) is asymmetric; 11 has roi, scales, sizes and the coordinate
 * modes; 18 `axes`, `antialias`, `keep_aspect_ratio_policy`; 19 half_pixel_symmetric.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/mapped.h"
#include "runtime/ops/move.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/resize.h"

struct pass {
	struct rt_resize_axis axis;
	int64_t outer, inner; /* around it, in the pass's input */
};
struct plan {
	struct rt_mapped *mapped; /* nearest */
	int count;
	struct pass passes[RT_RANK_MAX];
	int64_t largest; /* elements between passes */
};

/* ---- attributes ------------------------------------------------------------------------------ */

/* The index of the attribute's text in ${words}, or −1. */
static int word(const struct rt_node *n, const char *name, const char *const *words, int count,
		int otherwise)
{
	if (rt_node_attr(n, name) == NULL)
		return otherwise;
	for (int i = 0; i < count; i++) {
		if (rt_node_string_is(n, name, words[i], ""))
			return i;
	}
	return -1;
}

static int read_how(const struct rt_node *n, struct rt_resize_how *how, struct rt_error *err)
{
	static const char *const modes[] = {"nearest", "linear", "cubic", "bilinear", "trilinear"};
	static const char *const places[] = {"half_pixel",         "half_pixel_symmetric",
					     "pytorch_half_pixel", "align_corners",
					     "asymmetric",         "tf_crop_and_resize"};
	static const char *const rounds[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
					     "ceil"};
	bool upsample = strcmp(n->op_type, "Upsample") == 0, old = n->opset < 11 || upsample;
	int mode = word(n, "mode", modes, 5, 0);
	int place = word(n, "coordinate_transformation_mode", places, 6,
			 old ? RT_RESIZE_ASYMMETRIC : RT_RESIZE_HALF_PIXEL);
	int round = word(n, "nearest_mode", rounds, 4,
			 upsample ? RT_RESIZE_FLOOR
			 : old    ? RT_RESIZE_SIMPLE
				  : RT_RESIZE_PREFER_FLOOR);

	if (mode < 0 || place < 0 || round < 0)
		return rt_error_set(err, RT_UNSUPPORTED,
				    "mode, coordinate_transformation_mode or nearest_mode is "
				    "unknown");
	*how = (struct rt_resize_how){
	    .mode = mode > 2 ? RT_RESIZE_LINEAR : (enum rt_resize_mode)mode,
	    .place = (enum rt_resize_place)place,
	    .round = (enum rt_resize_round)round,
	    .antialias = rt_node_int(n, "antialias", 0) != 0,
	    .exclude_outside = rt_node_int(n, "exclude_outside", 0) != 0,
	    .cubic_a = (double)rt_node_float(n, "cubic_coeff_a", -0.75f),
	};
	return RT_OK;
}

/* ---- sizes ----------------------------------------------------------------------------------- */

struct sizes {
	int count; /* axes named */
	int axes[RT_RANK_MAX];
	double scale[RT_RANK_MAX]; /* per dimension of the input; 1 where not named */
	double roi[RT_RANK_MAX][2];
};

static int read_axes(const struct rt_infer *f, struct sizes *s, struct rt_error *err)
{
	int64_t count;
	const int64_t *axes = rt_node_ints(f->node, "axes", &count);
	int rank = f->in[0].shape.rank;

	s->count = axes != NULL ? (int)count : rank;
	if (s->count > rank)
		return rt_error_set(err, RT_INPUT, "%d axes of a tensor of rank %d", s->count,
				    rank);
	for (int i = 0; i < s->count; i++) {
		int64_t axis = axes != NULL ? axes[i] : i;

		if (!rt_op_axis(axis, rank, &s->axes[i]))
			return rt_error_set(err, RT_INPUT, "axis %lld of a tensor of rank %d",
					    (long long)axis, rank);
	}
	for (int d = 0; d < rank; d++) {
		s->scale[d] = 1;
		s->roi[d][0] = 0;
		s->roi[d][1] = 1;
	}
	return RT_OK;
}

/* Input ${i} as a vector of ${count} numbers; false when it is left out or empty. */
static bool has_vector(const struct rt_infer *f, int i)
{
	return i < f->in_count && rt_convert_is_number(f->in[i].dtype) &&
	       rt_dtype_bits(f->in[i].dtype) >= 8 && f->in[i].shape.rank == 1 &&
	       f->in[i].shape.dims[0] > 0;
}

static int from_scales(const struct rt_infer *f, int input, struct sizes *s, struct rt_shape *out,
		       struct rt_error *err)
{
	const struct rt_attr *a = rt_node_attr(f->node, "scales");

	if (input < 0 ? a == NULL || a->kind != RT_ATTR_FLOATS || a->count != s->count
		      : f->in[input].shape.dims[0] != s->count)
		return rt_error_set(err, RT_INPUT, "scales are not %d numbers", s->count);
	for (int i = 0; i < s->count; i++) {
		int d = s->axes[i];
		double scale =
		    input < 0 ? (double)a->floats[i] : rt_convert_get_f64(&f->in[input], i);
		double size = floor((double)out->dims[d] * scale);

		if (!(scale > 0) || !(size < 0x1p40))
			return rt_error_set(err, RT_INPUT, "scale %g of axis %d", scale, d);
		s->scale[d] = scale;
		out->dims[d] = (int64_t)size;
	}
	return RT_OK;
}

static int from_sizes(const struct rt_infer *f, int input, struct sizes *s, struct rt_shape *out,
		      struct rt_error *err)
{
	bool larger = rt_node_string_is(f->node, "keep_aspect_ratio_policy", "not_larger", ""),
	     smaller = rt_node_string_is(f->node, "keep_aspect_ratio_policy", "not_smaller", "");
	double all = 0;

	if (f->in[input].shape.dims[0] != s->count)
		return rt_error_set(err, RT_INPUT, "sizes are not %d numbers", s->count);
	for (int i = 0; i < s->count; i++) {
		int64_t to = rt_convert_get_i64(&f->in[input], i), from = out->dims[s->axes[i]];

		if (to < 0 || to > INT64_C(1) << 40 || (from == 0 && to != 0))
			return rt_error_set(err, RT_INPUT, "axis %d of size %lld is to be %lld",
					    s->axes[i], (long long)from, (long long)to);
		s->scale[s->axes[i]] = from == 0 ? 1 : (double)to / (double)from;
		if (i == 0 || (larger ? s->scale[s->axes[i]] < all : s->scale[s->axes[i]] > all))
			all = s->scale[s->axes[i]];
	}
	for (int i = 0; i < s->count; i++) {
		int d = s->axes[i];
		if (larger || smaller) {
			s->scale[d] = all;
			out->dims[d] = (int64_t)floor(all * (double)out->dims[d] + 0.5);
		} else {
			out->dims[d] = rt_convert_get_i64(&f->in[input], i);
		}
	}
	return RT_OK;
}

static int read_sizes(const struct rt_infer *f, struct sizes *s, struct rt_shape *out,
		      struct rt_error *err)
{
	bool upsample = strcmp(f->node->op_type, "Upsample") == 0;
	bool old = upsample || f->node->opset < 11;
	int status = read_axes(f, s, err);

	if (status != RT_OK)
		return status;
	*out = f->in[0].shape;
	if (!old && has_vector(f, 1)) {
		if (f->in[1].shape.dims[0] != 2 * (int64_t)s->count)
			return rt_error_set(err, RT_INPUT, "roi is not %d numbers", 2 * s->count);
		for (int i = 0; i < s->count; i++) {
			s->roi[s->axes[i]][0] = rt_convert_get_f64(&f->in[1], i);
			s->roi[s->axes[i]][1] = rt_convert_get_f64(&f->in[1], i + s->count);
		}
	}
	if (!old && has_vector(f, 3))
		return from_sizes(f, 3, s, out, err);
	if (has_vector(f, old ? 1 : 2))
		return from_scales(f, old ? 1 : 2, s, out, err);
	if (upsample && rt_node_attr(f->node, "scales") != NULL)
		return from_scales(f, -1, s, out, err);
	if (out->rank == 0)
		return RT_OK;
	return rt_error_set(err, RT_INPUT, "neither scales nor sizes are given");
}

/* ---- infer ----------------------------------------------------------------------------------- */

static int plan_nearest(struct rt_infer *f, const struct rt_resize_how *how, const struct sizes *s,
			struct plan *p, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape, *out = &f->out[0].shape;

	p->mapped = rt_mapped_new(f, out, err);
	if (p->mapped == NULL)
		return err->status;
	for (int d = 0; p->mapped->outer != 0 && d < in->rank; d++) {
		struct rt_resize_axis a;
		int status = rt_resize_axis_make(f, how, in->dims[d], out->dims[d], s->scale[d],
						 s->roi[d], &a, err);
		if (status != RT_OK)
			return status;
		memcpy(p->mapped->from[d], a.from, (size_t)a.out * sizeof(*a.from));
	}
	rt_mapped_scale(p->mapped, in);
	return RT_OK;
}

static int plan_passes(struct rt_infer *f, const struct rt_resize_how *how, const struct sizes *s,
		       struct plan *p, struct rt_error *err)
{
	struct rt_shape now = f->in[0].shape;
	const struct rt_shape *out = &f->out[0].shape;
	int64_t elems;
	size_t bytes;

	if (!rt_shape_elems(&now, &p->largest) || rt_walk_is_empty(out))
		return RT_OK;
	for (int d = now.rank - 1; d >= 0; d--) {
		struct pass *pass = &p->passes[p->count];
		int status = rt_resize_axis_make(f, how, now.dims[d], out->dims[d], s->scale[d],
						 s->roi[d], &pass->axis, err);
		if (status != RT_OK)
			return status;
		if (pass->axis.identity)
			continue;
		rt_walk_around(&now, d, &pass->outer, &pass->inner);
		now.dims[d] = out->dims[d];
		if (!rt_shape_elems(&now, &elems))
			return rt_error_set(err, RT_INPUT, "the output is too large");
		if (elems > p->largest)
			p->largest = elems;
		p->count++;
	}
	/* two buffers of the widest type to go to and fro */
	if (__builtin_mul_overflow((size_t)p->largest, 2 * sizeof(double), &bytes))
		return rt_error_set(err, RT_INPUT, "the output is too large");
	if (p->count > 1 || f->in[0].dtype != RT_F32)
		f->scratch_bytes = f->in[0].dtype == RT_F32 ? bytes / 2 : bytes;
	return RT_OK;
}

static int resize_infer(struct rt_infer *f, struct rt_error *err)
{
	struct plan *p = rt_infer_alloc(f, sizeof(*p));
	struct rt_resize_how how;
	struct sizes s;
	int64_t elems;
	int status;

	if (p == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	f->shape_state = p;
	status = read_how(f->node, &how, err);
	if (status == RT_OK)
		status = read_sizes(f, &s, &f->out[0].shape, err);
	if (status != RT_OK)
		return status;
	if (!rt_shape_elems(&f->out[0].shape, &elems))
		return rt_error_set(err, RT_INPUT, "the output is too large");
	if (elems > 0 && rt_walk_is_empty(&f->in[0].shape))
		return rt_error_set(err, RT_INPUT, "the input is empty, the output is not");
	if (how.mode == RT_RESIZE_NEAREST)
		return plan_nearest(f, &how, &s, p, err);
	if (f->in[0].dtype == RT_STR || f->in[0].dtype == RT_BOOL)
		return rt_error_set(err, RT_INPUT, "%s cannot be interpolated",
				    rt_dtype_name(f->in[0].dtype));
	return plan_passes(f, &how, &s, p, err);
}

/* ---- run ------------------------------------------------------------------------------------- */

struct passing {
	const struct pass *p;
	const void *in;
	void *out;
	double outside;
};

/* Items are output rows: (outer, j), ${inner} elements each. */
#define PASS(name, T)                                                                              \
	static void name(void *arg, size_t begin, size_t end, int thread)                          \
	{                                                                                          \
		const struct passing *c = arg;                                                     \
		const struct rt_resize_axis *a = &c->p->axis;                                      \
		int64_t inner = c->p->inner;                                                       \
		(void)thread;                                                                      \
		for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {                          \
			int64_t j = i % a->out;                                                    \
			const int64_t *from = a->from + j * a->taps;                               \
			const double *w = a->weights + j * a->taps;                                \
			const T *in = (const T *)c->in + i / a->out * a->in * inner;               \
			T *out = (T *)c->out + i * inner;                                          \
			for (int64_t k = 0; k < a->taps; k++) {                                    \
				const T *x = in + from[k] * inner;                                 \
				T v = (T)w[k];                                                     \
				if (from[k] < 0) {                                                 \
					for (int64_t e = 0; e < inner; e++)                        \
						out[e] = (T)c->outside;                            \
					break;                                                     \
				}                                                                  \
				if (k == 0) {                                                      \
					for (int64_t e = 0; e < inner; e++)                        \
						out[e] = v * x[e];                                 \
				} else {                                                           \
					for (int64_t e = 0; e < inner; e++)                        \
						out[e] += v * x[e];                                \
				}                                                                  \
			}                                                                          \
		}                                                                                  \
	}
PASS(pass_f32, float)
PASS(pass_f64, double)

static void run_passes(const struct rt_run *r, const struct plan *p)
{
	bool narrow = r->in[0].dtype == RT_F32, wide = r->in[0].dtype == RT_F64;
	int64_t size = narrow ? 4 : 8, n = rt_tensor_elems(&r->in[0]);
	char *room = r->scratch; /* NULL when the only pass writes the output */
	char *buffer[2] = {room, room != NULL ? room + p->largest * size : NULL};
	const void *from = r->in[0].data;
	int next = 0;

	if (!narrow && !wide) {
		rt_convert_to_f64(r->in[0].dtype, from, 0, (size_t)n, (double *)(void *)buffer[0]);
		from = buffer[0];
		next = 1;
	}
	for (int i = 0; i < p->count; i++) {
		struct passing c = {.p = &p->passes[i], .in = from};
		bool last = i == p->count - 1 && (narrow || wide);

		c.outside = (double)rt_node_float(r->node, "extrapolation_value", 0);
		c.out = last ? r->out[0].data : buffer[next];
		rt_team_for(r->team, (size_t)(c.p->outer * c.p->axis.out),
			    rt_walk_grain(c.p->inner * c.p->axis.taps),
			    narrow ? pass_f32 : pass_f64, &c);
		from = c.out;
		next = !next;
	}
	n = rt_tensor_elems(&r->out[0]);
	if (!narrow && !wide)
		rt_convert_from_f64(r->out[0].dtype, from, (size_t)n, r->out[0].data, 0, true);
	else if (p->count == 0)
		memcpy(r->out[0].data, from, rt_tensor_bytes(&r->out[0]));
}

static void resize_run(const struct rt_run *r)
{
	const struct plan *p = r->shape_state;
	double outside = (double)rt_node_float(r->node, "extrapolation_value", 0);
	uint64_t fill[2] = {0, 0};

	if (rt_tensor_elems(&r->out[0]) == 0)
		return;
	if (p->mapped == NULL) {
		run_passes(r, p);
		return;
	}
	if (r->in[0].dtype != RT_STR)
		rt_convert_from_f64(r->in[0].dtype, &outside, 1, fill, 0, true);
	rt_mapped_copy(p->mapped, r->team, rt_move_size(r->in[0].dtype), r->out[0].data,
		       r->in[0].data, fill);
}

const struct rt_op rt_op_resize = {
    .in_min = 1,
    .in_max = 4,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1u << 1 | 1u << 2 | 1u << 3,
    .infer = resize_infer,
    .run = resize_run,
};
