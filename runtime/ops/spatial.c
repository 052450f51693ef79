/* SPDX-License-Identifier: MIT */
/*
 * spatial.c — output sizes and pads of sliding windows.
 *
 *	reach = (kernel − 1)·dilation + 1
 *	out   = floor((in + begin + end − reach) / stride) + 1      (ceil with ceil_mode, but a
 *	        window must begin inside the input or its leading pad)
 *	SAME  : out = ceil(in / stride), the pads share what that needs; the odd one goes
 *	        to the end (UPPER) or to the beginning (LOWER)
 *	VALID : no pads
 *
 * Every number from the model is checked before it is used; sums, and products
 * of two, cannot overflow after that, because each is at most 2³¹, nor can the number of
 * positions of all dims, which is checked as well.
 */
#include <config.h>

#include <inttypes.h>

#include "runtime/ops/spatial.h"

#define NUMBER_MAX ((int64_t)1 << 31)
#define POSITIONS_MAX ((int64_t)1 << 40)

/* Attribute ${name} into to[0..count−1], or ${otherwise} in each. */
static int numbers(const struct rt_node *n, const char *name, int count, int64_t least,
		   int64_t otherwise, int64_t *to, struct rt_error *err)
{
	int64_t have;
	const int64_t *v = rt_node_ints(n, name, &have);
	for (int i = 0; i < count; i++)
		to[i] = otherwise;
	if (!v || have == 0)
		return RT_OK;
	if (have != count)
		return rt_error_set(err, RT_MALFORMED, "%s has %" PRId64 " numbers instead of %d",
				    name, have, count);
	for (int i = 0; i < count; i++) {
		if (v[i] < least || v[i] > NUMBER_MAX)
			return rt_error_set(err, RT_MALFORMED, "%s holds %" PRId64, name, v[i]);
		to[i] = v[i];
	}
	return RT_OK;
}

/* What the attributes say of ${rank} dims; pads[2·rank]. */
struct attributes {
	int64_t kernel[3], stride[3], dilation[3], pads[6], extra[3];
};

static int read_attributes(const struct rt_node *node, int rank, const int64_t *kernel,
			   struct attributes *a, struct rt_error *err)
{
	int64_t have;
	int status;
	if (rank < 1 || rank > RT_SPATIAL_MAX)
		return rt_error_set(err, RT_UNSUPPORTED, "%d spatial dimensions", rank);
	if (!kernel && !rt_node_ints(node, "kernel_shape", &have))
		return rt_error_set(err, RT_MALFORMED, "no kernel_shape");
	if ((status = numbers(node, "kernel_shape", rank, 1, 1, a->kernel, err)) ||
	    (status = numbers(node, "strides", rank, 1, 1, a->stride, err)) ||
	    (status = numbers(node, "dilations", rank, 1, 1, a->dilation, err)) ||
	    (status = numbers(node, "output_padding", rank, 0, 0, a->extra, err)) ||
	    (status = numbers(node, "pads", 2 * rank, 0, 0, a->pads, err)))
		return status;
	for (int i = 0; kernel && i < rank; i++) {
		if (kernel[i] < 1 || kernel[i] > NUMBER_MAX)
			return rt_error_set(err, RT_INPUT, "a kernel of size %" PRId64, kernel[i]);
		if (rt_node_ints(node, "kernel_shape", &have) && a->kernel[i] != kernel[i])
			return rt_error_set(err, RT_INPUT,
					    "kernel_shape says %" PRId64 ", the weights %" PRId64,
					    a->kernel[i], kernel[i]);
		a->kernel[i] = kernel[i];
	}
	return RT_OK;
}

enum auto_pad { NOTSET, VALID, SAME_UPPER, SAME_LOWER };

static int read_auto_pad(const struct rt_node *node, enum auto_pad *out, struct rt_error *err)
{
	if (rt_node_string_is(node, "auto_pad", "NOTSET", "NOTSET"))
		*out = NOTSET;
	else if (rt_node_string_is(node, "auto_pad", "VALID", "NOTSET"))
		*out = VALID;
	else if (rt_node_string_is(node, "auto_pad", "SAME_UPPER", "NOTSET"))
		*out = SAME_UPPER;
	else if (rt_node_string_is(node, "auto_pad", "SAME_LOWER", "NOTSET"))
		*out = SAME_LOWER;
	else
		return rt_error_set(err, RT_MALFORMED, "unknown auto_pad");
	return RT_OK;
}

/* Axis ${i} of ${rank} in the three that the struct always has. */
static int axis_of(int rank, int i)
{
	return 3 - rank + i;
}

static void start(struct rt_spatial *s, int rank, const int64_t *in, const struct attributes *a)
{
	*s = (struct rt_spatial){{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1},
				 {1, 1, 1}, {0, 0, 0}, {0, 0, 0}};
	for (int i = 0; i < rank; i++) {
		int x = axis_of(rank, i);
		s->in[x] = in[i];
		s->kernel[x] = a->kernel[i];
		s->stride[x] = a->stride[i];
		s->dilation[x] = a->dilation[i];
		s->begin[x] = a->pads[i];
		s->end[x] = a->pads[rank + i];
	}
}

/* Splits ${total} between begin and end. */
static void same_pads(struct rt_spatial *s, int x, enum auto_pad pad, int64_t total)
{
	if (total < 0)
		total = 0;
	s->begin[x] = pad == SAME_LOWER ? total - total / 2 : total / 2;
	s->end[x] = total - s->begin[x];
}

static int64_t reach_of(const struct rt_spatial *s, int x)
{
	return (s->kernel[x] - 1) * s->dilation[x] + 1;
}

/* Each is at most some 2³³, so a product is looked at before the next. */
static int check_count(const int64_t size[3], const char *what, struct rt_error *err)
{
	int64_t n = 1;

	for (int i = 0; i < 3; i++) {
		if (size[i] > POSITIONS_MAX / (n > 0 ? n : 1))
			return rt_error_set(err, RT_BUDGET,
					    "%s of %" PRId64 " × %" PRId64 " × %" PRId64, what,
					    size[0], size[1], size[2]);
		n *= size[i];
	}
	return RT_OK;
}

static int check_counts(const struct rt_spatial *s, struct rt_error *err)
{
	int status = check_count(s->kernel, "a window", err);

	return status ? status : check_count(s->out, "an output", err);
}

int rt_spatial_infer(const struct rt_node *node, int rank, const int64_t *in, const int64_t *kernel,
		     struct rt_spatial *s, struct rt_error *err)
{
	struct attributes a;
	enum auto_pad pad;
	bool up = rt_node_int(node, "ceil_mode", 0) != 0;
	int status = read_attributes(node, rank, kernel, &a, err);
	if (status || (status = read_auto_pad(node, &pad, err)))
		return status;
	start(s, rank, in, &a);
	for (int i = 0; i < rank; i++) {
		int x = axis_of(rank, i);
		int64_t reach = reach_of(s, x), room;
		if (in[i] < 0 || in[i] > NUMBER_MAX)
			return rt_error_set(err, RT_INPUT, "a dimension of %" PRId64, in[i]);
		if (pad == VALID)
			s->begin[x] = s->end[x] = 0;
		if (pad == SAME_UPPER || pad == SAME_LOWER) {
			s->out[x] = (in[i] + s->stride[x] - 1) / s->stride[x];
			same_pads(s, x, pad, (s->out[x] - 1) * s->stride[x] + reach - in[i]);
			continue;
		}
		room = in[i] + s->begin[x] + s->end[x] - reach;
		if (room < 0)
			return rt_error_set(err, RT_INPUT,
					    "a window of %" PRId64 " over %" PRId64
					    " elements and pads of %" PRId64 " and %" PRId64,
					    reach, in[i], s->begin[x], s->end[x]);
		s->out[x] = (room + (up ? s->stride[x] - 1 : 0)) / s->stride[x] + 1;
		if (up && (s->out[x] - 1) * s->stride[x] >= in[i] + s->begin[x])
			s->out[x]--;
	}
	return check_counts(s, err);
}

int rt_spatial_transposed(const struct rt_node *node, int rank, const int64_t *in,
			  const int64_t *kernel, struct rt_spatial *s, struct rt_error *err)
{
	struct attributes a;
	enum auto_pad pad;
	int64_t shape[3];
	int status = read_attributes(node, rank, kernel, &a, err);
	if (status || (status = read_auto_pad(node, &pad, err)) ||
	    (status = numbers(node, "output_shape", rank, 0, -1, shape, err)))
		return status;
	start(s, rank, in, &a);
	for (int i = 0; i < rank; i++) {
		int x = axis_of(rank, i);
		int64_t full;
		if (in[i] < 1 || in[i] > NUMBER_MAX / s->stride[x])
			return rt_error_set(err, RT_INPUT, "a dimension of %" PRId64, in[i]);
		full = s->stride[x] * (in[i] - 1) + a.extra[i] + reach_of(s, x);
		if (pad == VALID)
			s->begin[x] = s->end[x] = 0;
		if ((pad == SAME_UPPER || pad == SAME_LOWER) && shape[i] < 0)
			shape[i] = in[i] * s->stride[x];
		/* output_shape gives the pads: the odd one goes to the beginning, but for UPPER. */
		if (shape[i] >= 0)
			same_pads(s, x, pad == SAME_UPPER ? SAME_UPPER : SAME_LOWER,
				  full - shape[i]);
		s->out[x] = shape[i] >= 0 ? shape[i] : full - s->begin[x] - s->end[x];
		if (s->out[x] < 0)
			return rt_error_set(err, RT_INPUT, "pads leave no output");
	}
	return check_counts(s, err);
}

void rt_spatial_taps(const struct rt_spatial *s, int axis, int64_t o, int64_t *first,
		     int64_t *count)
{
	int64_t d = s->dilation[axis], at = o * s->stride[axis] - s->begin[axis], last;
	/* tap t is at ${at} + t·d; the first with at + t·d ≥ 0, the last with at + t·d < in */
	*first = at < 0 ? (-at + d - 1) / d : 0;
	if (*first > s->kernel[axis]) /* the whole window lies in the pads before the input */
		*first = s->kernel[axis];
	last = at < s->in[axis] ? (s->in[axis] - 1 - at) / d : -1;
	if (last > s->kernel[axis] - 1)
		last = s->kernel[axis] - 1;
	*count = last >= *first ? last - *first + 1 : 0;
}

void rt_spatial_inside(const struct rt_spatial *s, int axis, int64_t *first, int64_t *end)
{
	int64_t step = s->stride[axis];
	int64_t room = s->in[axis] + s->begin[axis] - reach_of(s, axis);
	*first = (s->begin[axis] + step - 1) / step;
	*end = room < 0 ? 0 : room / step + 1;
	if (*end > s->out[axis])
		*end = s->out[axis];
	if (*first > *end)
		*first = *end;
}
