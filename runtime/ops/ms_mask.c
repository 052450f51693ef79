/* SPDX-License-Identifier: MIT */
/*
 * ms_mask.c — see ms_mask.h.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/ms_mask.h"

static bool given(const struct rt_infer *f, int i)
{
	return i >= 0 && i < f->in_count && f->in[i].dtype != RT_NONE;
}

static enum rt_ms_mask_kind kind_of(const struct rt_shape *s, const struct rt_attention *a)
{
	size_t d[3] = {0, 0, 0};

	for (int i = 0; i < s->rank && i < 3; i++)
		d[i] = (size_t)s->dims[i];
	if (s->rank == 1 && d[0] == a->batch)
		return RT_MS_MASK_ENDS;
	if (s->rank == 1 && d[0] == 2 * a->batch)
		return RT_MS_MASK_RANGES;
	if (s->rank == 2 && d[0] == a->batch && d[1] == a->cols)
		return RT_MS_MASK_KEYS;
	if (s->rank == 3 && d[0] == a->batch && d[1] == a->rows && d[2] == a->cols)
		return RT_MS_MASK_PAIRS;
	return RT_MS_MASK_NONE;
}

static int read_bias(const struct rt_infer *f, struct rt_ms_mask *m, struct rt_error *err)
{
	const struct rt_shape *s = &f->in[m->bias].shape;
	char text[64];

	if (s->rank != 4 || f->in[m->bias].dtype != RT_F32 ||
	    (s->dims[0] != 1 && (size_t)s->dims[0] != m->batch) ||
	    (s->dims[1] != 1 && (size_t)s->dims[1] != m->heads) || (size_t)s->dims[2] != m->rows ||
	    (size_t)s->dims[3] != m->cols)
		return rt_error_set(err, RT_INPUT, "attention_bias %s does not fit",
				    rt_shape_text(s, text, sizeof(text)));
	m->bias_batch = s->dims[0] != 1;
	m->bias_heads = s->dims[1] != 1;
	return RT_OK;
}

int rt_ms_mask_sizes(const struct rt_attention *a, struct rt_error *err)
{
	const size_t most = (size_t)1 << 56;
	size_t scores, q;

	if (a->size == 0 || a->v_size == 0)
		return rt_error_set(err, RT_INPUT, "heads without elements");
	if (__builtin_mul_overflow(a->batch, a->q_heads, &scores) ||
	    __builtin_mul_overflow(scores, a->rows, &scores) ||
	    __builtin_mul_overflow(scores, a->size + a->v_size, &q) || q > most ||
	    __builtin_mul_overflow(scores, a->cols, &scores) || scores > most ||
	    __builtin_mul_overflow(a->batch * a->kv_heads, a->cols + 1, &scores) ||
	    __builtin_mul_overflow(scores, a->size + a->v_size, &scores) || scores > most)
		return rt_error_set(err, RT_INPUT, "%zu batches of %zu rows and %zu keys", a->batch,
				    a->rows, a->cols);
	return RT_OK;
}

int rt_ms_mask_infer(const struct rt_infer *f, int mask, int bias, const struct rt_attention *a,
		     struct rt_ms_mask *m, struct rt_error *err)
{
	char text[64];

	*m = (struct rt_ms_mask){.mask = given(f, mask) ? mask : -1,
				 .bias = given(f, bias) ? bias : -1,
				 .batch = a->batch,
				 .heads = a->q_heads,
				 .rows = a->rows,
				 .cols = a->cols};
	m->filter = rt_node_float(f->node, "mask_filter_value", -10000.0f);
	if (m->mask >= 0) {
		m->kind = kind_of(&f->in[mask].shape, a);
		if (m->kind == RT_MS_MASK_NONE || f->in[mask].dtype != RT_I32)
			return rt_error_set(err, RT_UNSUPPORTED, "a mask of shape %s and type %s",
					    rt_shape_text(&f->in[mask].shape, text, sizeof(text)),
					    rt_dtype_name(f->in[mask].dtype));
	}
	if (m->bias >= 0) {
		int rc = read_bias(f, m, err);
		if (rc)
			return rc;
	}
	if (m->kind == RT_MS_MASK_NONE)
		return RT_OK;
	m->elems = m->batch * m->cols;
	if (m->kind == RT_MS_MASK_PAIRS || m->bias >= 0)
		m->elems *= m->rows;
	if (m->bias_heads)
		m->elems *= m->heads;
	return RT_OK;
}

static bool is_padding(const struct rt_ms_mask *m, const int32_t *mask, size_t b, size_t row,
		       size_t col)
{
	switch (m->kind) {
	case RT_MS_MASK_ENDS:
		return (int64_t)col >= mask[b];
	case RT_MS_MASK_RANGES:
		return (int64_t)col >= mask[b] || (int64_t)col < mask[m->batch + b];
	case RT_MS_MASK_KEYS:
		return mask[b * m->cols + col] == 0;
	case RT_MS_MASK_PAIRS:
		return mask[(b * m->rows + row) * m->cols + col] == 0;
	default:
		return false;
	}
}

/* Where the row of the bias is. */
static size_t bias_at(const struct rt_ms_mask *m, size_t b, size_t h, size_t row)
{
	size_t heads = m->bias_heads ? m->heads : 1;

	return (((m->bias_batch ? b : 0) * heads + (m->bias_heads ? h : 0)) * m->rows + row) *
	       m->cols;
}

void rt_ms_mask_apply(const struct rt_run *r, const struct rt_ms_mask *m, float *to,
		      struct rt_attention *a)
{
	const float *bias = m->bias >= 0 ? r->in[m->bias].data : NULL;
	size_t heads = m->bias_heads ? m->heads : 1;
	size_t rows = bias || m->kind == RT_MS_MASK_PAIRS ? m->rows : 1;

	a->mask_type = RT_F32;
	a->mask_cols = m->cols;
	a->mask_row = rows > 1 ? m->cols : 0;
	a->mask_head = heads > 1 ? rows * m->cols : 0;
	if (m->kind == RT_MS_MASK_NONE) {
		a->mask = bias;
		a->mask_batch = m->bias_batch ? heads * rows * m->cols : 0;
		return;
	}
	a->mask = to;
	a->mask_batch = heads * rows * m->cols;
	for (size_t b = 0; b < m->batch; b++)
		for (size_t h = 0; h < heads; h++)
			for (size_t s = 0; s < rows; s++, to += m->cols)
				for (size_t c = 0; c < m->cols; c++) {
					to[c] = bias ? bias[bias_at(m, b, h, s) + c] : 0;
					if (is_padding(m, r->in[m->mask].data, b, s, c))
						to[c] += m->filter;
				}
}
