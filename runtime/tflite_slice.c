/* SPDX-License-Identifier: MIT */
/*
 * tflite_slice.c — parts of tensors and what is put around them: slices, strided
 * slices with their masks, reversal, pads.  Called through tflite.def.
 */
#include <config.h>

#include <string.h>

#include "runtime/tflite_quant.h"

#define TO_THE_END INT64_MAX

static int slice(struct rt_tflite_op *o, int x, int count, const int64_t *begin, const int64_t *end,
		 const int64_t *axes, const int64_t *steps)
{
	const int in[5] = {x, rt_lower_i64s(o->l, count, begin), rt_lower_i64s(o->l, count, end),
			   rt_lower_i64s(o->l, count, axes), rt_lower_i64s(o->l, count, steps)};

	return count == 0 ? x : rt_lower_opn(o->l, "Slice", 5, in);
}

/* SLICE: begins and sizes, −1 for all that is left. */
void rt_tflite_lower_slice(struct rt_tflite_op *o)
{
	struct rt_lower *l = o->l;
	int begin, size, end, all;

	if (!rt_tflite_expects(o, 3))
		return;
	begin = rt_tflite_i64(o, rt_tflite_value(o, 1));
	size = rt_tflite_i64(o, rt_tflite_value(o, 2));
	all = rt_lower_op2(l, "Less", size, rt_lower_i64(l, 0));
	end = rt_lower_op3(l, "Where", all, rt_lower_i64(l, TO_THE_END),
			   rt_lower_op2(l, "Add", begin, size));
	rt_tflite_give(o, 0, rt_lower_op3(l, "Slice", rt_tflite_value(o, 0), begin, end));
}

/* ---- strided slices -------------------------------------------------------------------------- */

struct strided {
	int count; /* of the specification */
	int64_t begin[RT_RANK_MAX * 2], end[RT_RANK_MAX * 2], step[RT_RANK_MAX * 2];
	int begin_mask, end_mask, ellipsis, new_axis, shrink;
	/* of the tensor */
	int cuts;
	int64_t axes[RT_RANK_MAX], from[RT_RANK_MAX], to[RT_RANK_MAX], by[RT_RANK_MAX];
	int drops, adds;
	int64_t drop[RT_RANK_MAX], add[RT_RANK_MAX];
	bool ok;
};

/* Entry ${i} of the specification is about dimension ${axis}. */
static void cut(struct strided *s, int i, int axis)
{
	const bool drops = (s->shrink >> i & 1) != 0;
	int64_t from = s->begin[i], to = s->end[i], by = s->step[i];

	if (by == 0 || axis >= RT_RANK_MAX) {
		s->ok = false;
		return;
	}
	if (drops) {
		to = from == -1 ? TO_THE_END : from + 1;
		by = 1;
		s->drop[s->drops++] = axis;
	} else {
		if ((s->begin_mask >> i & 1) != 0)
			from = by > 0 ? 0 : TO_THE_END;
		if ((s->end_mask >> i & 1) != 0)
			to = by > 0 ? TO_THE_END : INT64_MIN;
	}
	s->axes[s->cuts] = axis;
	s->from[s->cuts] = from;
	s->to[s->cuts] = to;
	s->by[s->cuts++] = by;
}

/* From the specification to dimensions: what an ellipsis stands for, which are new, which go. */
static void resolve(struct strided *s, int rank)
{
	int axis = 0, place = 0, named = 0;

	for (int i = 0; i < s->count; i++)
		named += ((s->new_axis | s->ellipsis) >> i & 1) == 0;
	s->ok = named <= rank;
	for (int i = 0; i < s->count && s->ok; i++) {
		if ((s->ellipsis >> i & 1) != 0) {
			axis += rank - named;
			place += rank - named;
			named = rank; /* another one stands for nothing */
		} else if ((s->new_axis >> i & 1) != 0) {
			s->ok = place < RT_RANK_MAX && s->adds < RT_RANK_MAX;
			if (s->ok)
				s->add[s->adds++] = place++;
		} else {
			if (axis >= rank) {
				s->ok = false;
				return;
			}
			place += (s->shrink >> i & 1) == 0;
			cut(s, i, axis++);
		}
	}
}

static void read_masks(struct rt_tflite_op *o, struct strided *s)
{
	s->begin_mask = rt_tflite_opt_int(o, 0, 0);
	s->end_mask = rt_tflite_opt_int(o, 1, 0);
	s->ellipsis = rt_tflite_opt_int(o, 2, 0);
	s->new_axis = rt_tflite_opt_int(o, 3, 0);
	s->shrink = rt_tflite_opt_int(o, 4, 0);
}

/* Begins and ends that only a run can tell: one entry per dimension, from the first on. */
static void computed(struct rt_tflite_op *o, struct strided *s)
{
	struct rt_lower *l = o->l;
	const struct rt_tflite_tensor *t = rt_tflite_in(o, 1);
	const int count = t->shape.rank == 1 ? (int)t->shape.dims[0] : -1;
	int64_t low[RT_RANK_MAX], high[RT_RANK_MAX], first[RT_RANK_MAX], last[RT_RANK_MAX];
	int64_t axes[RT_RANK_MAX], steps[RT_RANK_MAX], drop[RT_RANK_MAX];
	int begin, end, v, drops = 0, in[5];

	if (count < 1 || count > RT_RANK_MAX || s->ellipsis != 0 || s->new_axis != 0 ||
	    rt_tflite_ints(o, 3, RT_RANK_MAX, steps) != count) {
		rt_tflite_refuse(o, "not with computed bounds and these masks");
		return;
	}
	for (int i = 0; i < count; i++) {
		axes[i] = i;
		low[i] = s->begin_mask >> i & 1;
		first[i] = steps[i] > 0 ? 0 : TO_THE_END;
		high[i] = s->end_mask >> i & 1;
		last[i] = steps[i] > 0 ? TO_THE_END : INT64_MIN;
		if ((s->shrink >> i & 1) != 0)
			drop[drops++] = i;
	}
	if (drops > 0 && drops < count) {
		rt_tflite_refuse(o, "not with computed bounds and these masks");
		return;
	}
	begin = rt_tflite_i64(o, rt_tflite_value(o, 1));
	end = rt_tflite_i64(o, rt_tflite_value(o, 2));
	if (drops > 0) {
		end = rt_lower_op2(l, "Add", begin, rt_lower_i64(l, 1));
		end = rt_lower_op3(l, "Where", rt_lower_op2(l, "Equal", end, rt_lower_i64(l, 0)),
				   rt_lower_i64(l, TO_THE_END), end);
	} else {
		begin = rt_lower_op3(l, "Where",
				     rt_lower_cast(l, rt_lower_i64s(l, count, low), RT_BOOL),
				     rt_lower_i64s(l, count, first), begin);
		end = rt_lower_op3(l, "Where",
				   rt_lower_cast(l, rt_lower_i64s(l, count, high), RT_BOOL),
				   rt_lower_i64s(l, count, last), end);
	}
	in[0] = rt_tflite_value(o, 0), in[1] = begin, in[2] = end;
	in[3] = rt_lower_i64s(l, count, axes), in[4] = rt_lower_i64s(l, count, steps);
	v = rt_lower_opn(l, "Slice", 5, in);
	rt_tflite_give(o, 0, drops > 0 ? rt_lower_squeeze(l, v, drops, drop) : v);
}

void rt_tflite_lower_strided_slice(struct rt_tflite_op *o)
{
	struct strided s = {.ok = true};
	const int rank = rt_tflite_rank(o, 0);
	int ends, steps, v;

	if (!rt_tflite_expects(o, 4))
		return;
	read_masks(o, &s);
	s.count = rt_tflite_ints(o, 1, RT_RANK_MAX * 2, s.begin);
	ends = rt_tflite_ints(o, 2, RT_RANK_MAX * 2, s.end);
	steps = rt_tflite_ints(o, 3, RT_RANK_MAX * 2, s.step);
	if (s.count < 0 || ends < 0) {
		computed(o, &s);
		return;
	}
	if (ends == s.count && steps == s.count)
		resolve(&s, rank);
	if (!s.ok || ends != s.count || steps != s.count) {
		rt_tflite_refuse(o, "not with bounds that do not fit the tensor");
		return;
	}
	for (int i = 0; i < s.cuts && rt_tflite_opt_byte(o, 5, 0) != 0; i++)
		if (s.to[i] != TO_THE_END && s.to[i] != INT64_MIN)
			s.to[i] += s.from[i]; /* ends that are offsets of begins */
	v = slice(o, rt_tflite_value(o, 0), s.cuts, s.from, s.to, s.axes, s.by);
	if (s.drops > 0)
		v = rt_lower_squeeze(o->l, v, s.drops, s.drop);
	if (s.adds > 0)
		v = rt_lower_unsqueeze(o->l, v, s.adds, s.add);
	rt_tflite_give(o, 0, v);
}

/* ---- reversal -------------------------------------------------------------------------------- */

void rt_tflite_lower_reverse(struct rt_tflite_op *o)
{
	int64_t axes[RT_RANK_MAX], from[RT_RANK_MAX], to[RT_RANK_MAX], by[RT_RANK_MAX];
	int count;

	if (!rt_tflite_expects(o, 2))
		return;
	count = rt_tflite_ints(o, 1, RT_RANK_MAX, axes);
	if (count < 0) {
		rt_tflite_refuse(o, "not with computed axes");
		return;
	}
	for (int i = 0; i < count; i++)
		from[i] = TO_THE_END, to[i] = INT64_MIN, by[i] = -1;
	rt_tflite_give(o, 0, slice(o, rt_tflite_value(o, 0), count, from, to, axes, by));
}

void rt_tflite_lower_reverse_sequence(struct rt_tflite_op *o)
{
	const int time = rt_tflite_opt_int(o, 0, 0), batch = rt_tflite_opt_int(o, 1, 0);
	int v;

	if (!rt_tflite_expects(o, 2))
		return;
	if (time + batch != 1 || time < 0 || batch < 0) {
		rt_tflite_refuse(o, "not along these dimensions");
		return;
	}
	v = rt_lower_op2(o->l, "ReverseSequence", rt_tflite_value(o, 0),
			 rt_tflite_i64(o, rt_tflite_value(o, 1)));
	rt_lower_set_int(o->l, "time_axis", time);
	rt_lower_set_int(o->l, "batch_axis", batch);
	rt_tflite_give(o, 0, v);
}

/* ---- pads ------------------------------------------------------------------------------------ */

/* [rank][before, after] → befores, then afters. */
static int pads_of(struct rt_tflite_op *o)
{
	int v =
	    rt_lower_transpose(o->l, rt_tflite_i64(o, rt_tflite_value(o, 1)), 2, (int64_t[]){1, 0});

	return rt_lower_reshape(o->l, v, 1, (int64_t[]){-1});
}

void rt_tflite_lower_pad(struct rt_tflite_op *o)
{
	const struct rt_tflite_tensor *t = rt_tflite_in(o, 0);
	int value;

	if (!rt_tflite_expects(o, 2))
		return;
	if (rt_tflite_in(o, 2) != NULL)
		value = rt_lower_reshape(o->l, rt_tflite_value(o, 2), 0, NULL);
	else
		value = rt_lower_scalar(o->l, t->dtype,
					rt_tflite_is_quantised(t) ? (double)t->zero[0] : 0);
	rt_tflite_give(o, 0, rt_lower_op3(o->l, "Pad", rt_tflite_value(o, 0), pads_of(o), value));
}

/* The border itself is repeated: what is put before is the beginning reversed, and so on. */
static int symmetric(struct rt_tflite_op *o, int x, int axis, int64_t before, int64_t after)
{
	const int64_t at = axis, back = -1, end = TO_THE_END;
	const int64_t first = before - 1, stop = INT64_MIN, last = -after - 1;
	int in[3], n = 0, v;

	if (before > 0)
		in[n++] = slice(o, x, 1, &first, &stop, &at, &back);
	in[n++] = x;
	if (after > 0)
		in[n++] = slice(o, x, 1, &end, &last, &at, &back);
	if (n == 1)
		return x;
	v = rt_lower_opn(o->l, "Concat", n, in);
	rt_lower_set_int(o->l, "axis", axis);
	return v;
}

void rt_tflite_lower_mirror_pad(struct rt_tflite_op *o)
{
	const struct rt_tflite_tensor *pads = rt_tflite_in(o, 1);
	int v;

	if (!rt_tflite_expects(o, 2))
		return;
	v = rt_tflite_value(o, 0);
	if (rt_tflite_opt_byte(o, 0, 0) == 0) {
		v = rt_lower_op2(o->l, "Pad", v, pads_of(o));
		rt_lower_set_string(o->l, "mode", "reflect");
		rt_tflite_give(o, 0, v);
		return;
	}
	if (!pads->is_constant || pads->dtype != RT_I32 || pads->shape.rank != 2 ||
	    pads->shape.dims[1] != 2 || pads->shape.dims[0] > RT_RANK_MAX) {
		rt_tflite_refuse(o, "not with computed pads");
		return;
	}
	for (int i = 0; i < (int)pads->shape.dims[0]; i++) {
		const int32_t *p = (const int32_t *)pads->data.data + (ptrdiff_t)2 * i;

		v = symmetric(o, v, i, p[0], p[1]);
	}
	rt_tflite_give(o, 0, v == rt_tflite_value(o, 0) ? rt_lower_op1(o->l, "Identity", v) : v);
}
