/* SPDX-License-Identifier: MIT */
/*
 * einsum.c — Einsum: a sum over products, written "ij,jk->ik".  Letters that the
 * output lacks are summed; "..." stands for any leading dimensions, broadcast;
 * without "->" the output has the letters that occur once, in alphabetic order.
 * A letter that an operand has twice walks its diagonal.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

#define OPERANDS 8
#define LABELS (52 + RT_RANK_MAX) /* a–z, A–Z, dimensions of the ellipsis */

/* The labels of one operand. */
struct term {
	int count;
	int labels[RT_RANK_MAX];
};

struct plan {
	int operands;
	int64_t outs, sums; /* index spaces */
	int out_rank, sum_rank;
	int64_t out_dims[LABELS], sum_dims[LABELS];
	int64_t out_steps[OPERANDS][LABELS], sum_steps[OPERANDS][LABELS];
};

static int label_of(char c)
{
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	return c >= 'A' && c <= 'Z' ? c - 'A' : -1;
}

/* Read a term up to ',' or '-' or the end; ${ellipsis} is how many dimensions "..." stands for. */
static bool term_read(const char **at, const char *end, int ellipsis, struct term *t)
{
	const char *p = *at;

	t->count = 0;
	for (; p < end && *p != ',' && *p != '-'; p++) {
		int n = 1, label = label_of(*p);
		if (*p == ' ')
			continue;
		if (*p == '.') {
			if (end - p < 3 || p[1] != '.' || p[2] != '.' || ellipsis < 0)
				return false;
			p += 2;
			n = ellipsis;
			label = 52 + RT_RANK_MAX - ellipsis;
		}
		if (label < 0 || t->count + n > RT_RANK_MAX)
			return false;
		for (int i = 0; i < n; i++)
			t->labels[t->count++] = label + i;
	}
	*at = p;
	return true;
}

/* Letters of a term, not counting the ellipsis. */
static int letters(const char *p, const char *end, bool *dots)
{
	int n = 0;

	for (*dots = false; p < end && *p != ',' && *p != '-'; p++) {
		n += label_of(*p) >= 0;
		*dots |= *p == '.';
	}
	return n;
}

/* The output that "->" would have said. */
static void implicit(const struct term *in, int count, int most, struct term *out)
{
	int uses[LABELS] = {0};

	for (int k = 0; k < count; k++) {
		for (int i = 0; i < in[k].count; i++)
			uses[in[k].labels[i]]++;
	}
	out->count = 0;
	for (int i = 0; i < most; i++)
		out->labels[out->count++] = 52 + RT_RANK_MAX - most + i;
	for (int l = 0; l < 52; l++) {
		if (uses[l] == 1 && out->count < RT_RANK_MAX)
			out->labels[out->count++] = l;
	}
}

static int parse(const struct rt_infer *f, struct term *in, struct term *out, struct rt_error *err)
{
	const struct rt_attr *a = rt_node_attr(f->node, "equation");
	const char *p = a != NULL && a->kind == RT_ATTR_STRING ? a->s.bytes : NULL, *end;
	int most = 0;
	bool dots;

	if (p == NULL)
		return rt_error_set(err, RT_MALFORMED, "the equation is missing");
	end = p + a->s.size;
	for (int k = 0; k < f->in_count; k++) {
		int rank = f->in[k].shape.rank, n = letters(p, end, &dots);

		if (f->in[k].dtype != f->in[0].dtype)
			return rt_error_set(err, RT_INPUT, "input 0 is %s, input %d is %s",
					    rt_dtype_name(f->in[0].dtype), k,
					    rt_dtype_name(f->in[k].dtype));

		if (n > rank || (!dots && n != rank) ||
		    !term_read(&p, end, dots ? rank - n : -1, &in[k]))
			return rt_error_set(err, RT_MALFORMED,
					    "term %d of '%.*s' does not fit an input of rank %d", k,
					    (int)a->s.size, a->s.bytes, rank);
		if (dots && rank - n > most)
			most = rank - n;
		if (k < f->in_count - 1 && (p >= end || *p++ != ','))
			return rt_error_set(err, RT_MALFORMED, "'%.*s' has too few terms",
					    (int)a->s.size, a->s.bytes);
	}
	if (p == end) {
		implicit(in, f->in_count, most, out);
		return RT_OK;
	}
	if (end - p < 2 || p[0] != '-' || p[1] != '>')
		return rt_error_set(err, RT_MALFORMED, "'%.*s' has too many terms", (int)a->s.size,
				    a->s.bytes);
	p += 2;
	(void)letters(p, end, &dots);
	if (!term_read(&p, end, dots ? most : -1, out) || p != end)
		return rt_error_set(err, RT_MALFORMED, "the output of '%.*s'", (int)a->s.size,
				    a->s.bytes);
	return RT_OK;
}

/* Sizes of all labels; −1 where none is used. */
static int sizes(const struct rt_infer *f, const struct term *in, int64_t *dims,
		 struct rt_error *err)
{
	for (int l = 0; l < LABELS; l++)
		dims[l] = -1;
	for (int k = 0; k < f->in_count; k++) {
		for (int i = 0; i < in[k].count; i++) {
			int64_t *dim = &dims[in[k].labels[i]], own = f->in[k].shape.dims[i];
			if (*dim == -1 || *dim == 1)
				*dim = own;
			else if (own != *dim && own != 1)
				return rt_error_set(err, RT_INPUT,
						    "dimension %d of input %d is %lld, where "
						    "another has %lld",
						    i, k, (long long)own, (long long)*dim);
		}
	}
	return RT_OK;
}

/* Strides of operand ${k} along label ${l}: a label that occurs twice walks the diagonal. */
static int64_t step_of(const struct rt_shape *s, const struct term *t, int l)
{
	int64_t dense[RT_RANK_MAX], step = 0;

	rt_walk_strides(s, dense);
	for (int i = 0; i < t->count; i++)
		step += t->labels[i] == l ? dense[i] : 0;
	return step;
}

static int einsum_infer(struct rt_infer *f, struct rt_error *err)
{
	struct term in[OPERANDS], out = {0};
	struct plan *p = rt_infer_alloc(f, sizeof(*p));
	int64_t dims[LABELS], elems;
	bool kept[LABELS] = {false};
	int status;

	if (p == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	f->shape_state = p;
	if (f->in_count > OPERANDS)
		return rt_error_set(err, RT_UNSUPPORTED, "%d operands; at most %d", f->in_count,
				    OPERANDS);
	status = parse(f, in, &out, err);
	if (status == RT_OK)
		status = sizes(f, in, dims, err);
	if (status != RT_OK)
		return status;
	p->operands = f->in_count;
	p->outs = p->sums = 1;
	f->out[0].shape.rank = out.count;
	for (int i = 0; i < out.count; i++) {
		int l = out.labels[i];
		if (dims[l] < 0 || kept[l])
			return rt_error_set(err, RT_MALFORMED, "label %d of the output", i);
		kept[l] = true;
		f->out[0].shape.dims[i] = p->out_dims[p->out_rank] = dims[l];
		for (int k = 0; k < f->in_count; k++)
			p->out_steps[k][p->out_rank] = step_of(&f->in[k].shape, &in[k], l);
		p->out_rank++;
	}
	if (!rt_shape_elems(&f->out[0].shape, &elems))
		return rt_error_set(err, RT_INPUT, "the output is too large");
	p->outs = elems;
	for (int l = 0; l < LABELS; l++) {
		if (dims[l] < 0 || kept[l])
			continue;
		if (__builtin_mul_overflow(p->sums, dims[l], &p->sums))
			return rt_error_set(err, RT_INPUT, "the sum is too long");
		p->sum_dims[p->sum_rank] = dims[l];
		for (int k = 0; k < f->in_count; k++)
			p->sum_steps[k][p->sum_rank] = step_of(&f->in[k].shape, &in[k], l);
		p->sum_rank++;
	}
	return RT_OK;
}

/* Offsets of index ${i} of a space. */
static void locate(int64_t i, int rank, const int64_t *dims, int operands,
		   const int64_t steps[OPERANDS][LABELS], int64_t *at)
{
	for (int d = rank - 1; d >= 0; d--) {
		int64_t k = i % dims[d];
		i /= dims[d];
		for (int o = 0; o < operands; o++)
			at[o] += k * steps[o][d];
	}
}

static double product_f(const struct rt_run *r, const struct plan *p, const int64_t *at)
{
	double x = 1;

	for (int o = 0; o < p->operands; o++)
		x *= r->in[0].dtype == RT_F32 ? (double)((const float *)r->in[o].data)[at[o]]
					      : rt_convert_get_f64(&r->in[o], at[o]);
	return x;
}

static uint64_t product_i(const struct rt_run *r, const struct plan *p, const int64_t *at)
{
	uint64_t x = 1;

	for (int o = 0; o < p->operands; o++)
		x *= (uint64_t)rt_convert_get_i64(&r->in[o], at[o]);
	return x;
}

static void einsum_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct plan *p = r->shape_state;
	bool is_float = rt_convert_is_float(r->in[0].dtype);

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		int64_t first[OPERANDS] = {0}, at[OPERANDS], index[LABELS] = {0};
		double sum = 0;
		uint64_t whole = 0;

		locate(i, p->out_rank, p->out_dims, p->operands, p->out_steps, first);
		memcpy(at, first, sizeof(at));
		for (int64_t s = 0; s < p->sums; s++) {
			if (is_float)
				sum += product_f(r, p, at);
			else
				whole += product_i(r, p, at);
			for (int d = p->sum_rank - 1; d >= 0; d--) {
				bool carry = ++index[d] == p->sum_dims[d];
				for (int o = 0; o < p->operands; o++)
					at[o] += p->sum_steps[o][d] * (carry ? 1 - index[d] : 1);
				if (!carry)
					break;
				index[d] = 0;
			}
		}
		if (is_float)
			rt_convert_from_f64(r->out[0].dtype, &sum, 1, r->out[0].data, i, true);
		else
			rt_convert_from_i64(r->out[0].dtype, (const int64_t *)&whole, 1,
					    r->out[0].data, i);
	}
}

static void einsum_run(const struct rt_run *r)
{
	const struct plan *p = r->shape_state;
	struct rt_run copy = *r;

	if (p->outs > 0)
		rt_team_for(r->team, (size_t)p->outs, rt_walk_grain(p->sums * 4), einsum_range,
			    &copy);
}

const struct rt_op rt_op_einsum = {
    .in_min = 1,
    .in_max = OPERANDS,
    .out_min = 1,
    .out_max = 1,
    .infer = einsum_infer,
    .run = einsum_run,
};
