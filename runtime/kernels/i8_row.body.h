/* SPDX-License-Identifier: MIT */
/*
 * i8_row.body.h — rows of bytes and of sums, in the vector vocabulary and its
 * words for integers.  Included by i8_row-<isa>.c after bytes-<isa>.h; VARIANT
 * names the table.
 *
 * What is left of a row after whole vectors goes through buffers of one vector,
 * so that every loop is written once.  Quotients are divisions and sums are not
 * contracted: the operators define these roundings.
 */
#include "runtime/kernels/kernels.h"

static inline vi from_bytes(const uint8_t *q, bool is_signed)
{
	return is_signed ? vi_from_i8(q) : vi_from_u8(q);
}

/* clamp(x), rounded, + zero: to V bytes. */
static inline void put(uint8_t *to, v x, v lo, v hi, vi zero)
{
	vi_to_bytes(to, vi_add(vi_nearest(v_min(hi, v_max(lo, x))), zero));
}

static void quantise(size_t n, const float *x, float scale, int32_t zero, const float bounds[2],
		     uint8_t *y)
{
	const v by = v_set1(scale), lo = v_set1(bounds[0]), hi = v_set1(bounds[1]);
	const vi z = vi_set1(zero);
	size_t i = 0;
	for (; i + V <= n; i += V)
		put(y + i, v_div(v_load(x + i), by), lo, hi, z);
	if (i < n) {
		uint8_t last[V];
		put(last, v_div(v_load_n(x + i, n - i), by), lo, hi, z);
		memcpy(y + i, last, n - i);
	}
}

static void reals(size_t n, const uint8_t *q, bool is_signed, float scale, int32_t zero, float *y)
{
	const v by = v_set1(scale);
	const vi z = vi_set1(-zero);
	size_t i = 0;
	for (; i + V <= n; i += V)
		v_store(y + i, v_mul(vi_floats(vi_add(from_bytes(q + i, is_signed), z)), by));
	if (i < n) {
		uint8_t last[V] = {0};
		memcpy(last, q + i, n - i);
		v_store_n(y + i, v_mul(vi_floats(vi_add(from_bytes(last, is_signed), z)), by),
			  n - i);
	}
}

/* V elements of two operands. */
static inline void pair(const struct rt_i8_pair *p, const uint8_t *a, const uint8_t *b,
			bool product, uint8_t *y)
{
	const v x = v_mul(vi_floats(vi_add(from_bytes(a, p->is_signed), vi_set1(-p->a_zero))),
			  v_set1(p->a_scale));
	const v z = v_mul(vi_floats(vi_add(from_bytes(b, p->is_signed), vi_set1(-p->b_zero))),
			  v_set1(p->b_scale));
	const v both = product ? v_mul(x, z) : v_add(x, z);
	put(y, v_div(both, v_set1(p->y_scale)), v_set1(p->lo), v_set1(p->hi), vi_set1(p->y_zero));
}

static inline void pairs(const struct rt_i8_pair *p, size_t n, const uint8_t *a, const uint8_t *b,
			 bool product, uint8_t *y)
{
	size_t i = 0;
	for (; i + V <= n; i += V)
		pair(p, a + i, b + i, product, y + i);
	if (i < n) {
		uint8_t last[3][V] = {{0}};
		memcpy(last[0], a + i, n - i);
		memcpy(last[1], b + i, n - i);
		pair(p, last[0], last[1], product, last[2]);
		memcpy(y + i, last[2], n - i);
	}
}

static void add(const struct rt_i8_pair *p, size_t n, const uint8_t *a, const uint8_t *b,
		uint8_t *y)
{
	pairs(p, n, a, b, false, y);
}

static void mul(const struct rt_i8_pair *p, size_t n, const uint8_t *a, const uint8_t *b,
		uint8_t *y)
{
	pairs(p, n, a, b, true, y);
}

static void sum_rows(size_t m, size_t n, const uint8_t *x, size_t ldx, bool is_signed,
		     int32_t *sums)
{
	for (size_t i = 0; i < n; i += V) {
		const size_t lanes = n - i < V ? n - i : V;
		vi sum = vi_set1(0);
		uint8_t last[V] = {0};
		int32_t lane[V];
		for (size_t r = 0; r < m; r++) {
			const uint8_t *from = x + r * ldx + i;
			if (lanes < V)
				from = memcpy(last, from, lanes);
			sum = vi_add(sum, from_bytes(from, is_signed));
		}
		vi_store(lane, sum);
		memcpy(sums + i, lane, lanes * sizeof *sums);
	}
}

/* ---- sums of products ------------------------------------------------------------------------
 */

enum out { I32, F32, I8 };

/* ${n} ≤ 16 bytes in two copies that may overlap: no loop, no call. */
static inline void copy_bytes(uint8_t *to, const uint8_t *from, size_t n)
{
	if (n >= 8) {
		memcpy(to, from, 8);
		memcpy(to + n - 8, from + n - 8, 8);
	} else if (n >= 4) {
		memcpy(to, from, 4);
		memcpy(to + n - 4, from + n - 4, 4);
	} else {
		for (size_t i = 0; i < n; i++)
			to[i] = from[i];
	}
}

/* V columns of all rows; ${lanes}: how many of them there are. */
static inline void columns(const struct rt_i8_finish *f, size_t at, const int32_t *more,
			   const int32_t *row_mul, const float *by, const float *bias, size_t lanes,
			   const enum out out, const bool rows)
{
	const vi plus = vi_load(more), times = rows ? vi_load(row_mul) : vi_set1(0);
	const v scale = out == I32 ? v_set1(0) : v_load(by), lo = v_set1(f->lo), hi = v_set1(f->hi);
	const v shift = out == F32 ? v_load(bias) : v_set1(0);
	const vi zero = vi_set1(f->zero);
	for (size_t r = 0; r < f->m; r++) {
		const int32_t *from = f->sum + r * f->ld_sum + at;
		vi sum = vi_add(lanes == V ? vi_load(from) : vi_load_n(from, lanes), plus);
		const size_t to = r * f->ldy + at;
		if (rows)
			sum = vi_add(sum, vi_mul(times, vi_set1(f->row[r])));
		if (out == I32) {
			int32_t last[V];
			if (lanes == V) {
				vi_store((int32_t *)f->y + to, sum);
				continue;
			}
			vi_store(last, sum);
			memcpy((int32_t *)f->y + to, last, lanes * sizeof *last);
		} else if (out == F32) {
			v x = v_add(v_mul(vi_floats(sum), scale), shift);
			if (f->residual)
				x = v_add(x,
					  v_load_n(f->residual + r * f->ld_residual + at, lanes));
			x = v_min(hi, v_max(lo, x));
			if (lanes == V)
				v_store((float *)f->y + to, x);
			else
				v_store_n((float *)f->y + to, x, lanes);
		} else {
			const v x = v_mul(vi_floats(sum), scale);
			uint8_t last[V];
			if (lanes == V) {
				put((uint8_t *)f->y + to, x, lo, hi, zero);
				continue;
			}
			put(last, x, lo, hi, zero);
			copy_bytes((uint8_t *)f->y + to, last, lanes);
		}
	}
}

#ifdef VI_PAIR
/* 2·V columns of all rows, as bytes.  What is below int32 becomes its least and saturates. */
static inline void pair_columns(const struct rt_i8_finish *f, size_t at, const bool rows,
				const bool is_signed)
{
	const vi more[2] = {vi_load(f->add + at), vi_load(f->add + at + V)};
	const v by[2] = {v_load(f->scale + at), v_load(f->scale + at + V)}, hi = v_set1(f->hi);
	const int32_t zero = f->zero, least = (int32_t)f->lo + zero;
	const size_t m = f->m, ld_sum = f->ld_sum, ldy = f->ldy;
	const int32_t *from = f->sum + at;
	uint8_t *to = (uint8_t *)f->y + at;
	for (size_t r = 0; r < m; r++, from += ld_sum, to += ldy) {
		vi sum[2] = {vi_add(vi_load(from), more[0]), vi_add(vi_load(from + V), more[1])};
		if (rows) {
			const vi row = vi_set1(f->row[r]);
			sum[0] = vi_add(sum[0], vi_mul(vi_load(f->row_mul + at), row));
			sum[1] = vi_add(sum[1], vi_mul(vi_load(f->row_mul + at + V), row));
		}
		vi_pair_to_bytes(to, vi_nearest(v_min(hi, v_mul(vi_floats(sum[0]), by[0]))),
				 vi_nearest(v_min(hi, v_mul(vi_floats(sum[1]), by[1]))), zero,
				 least, is_signed);
	}
}

/* V or V/2 columns and no more, whose rows lie side by side in Y: as many rows at once as fill two
 * vectors.  How many rows. */
static inline size_t side_by_side(const struct rt_i8_finish *f, const bool rows, const bool half,
				  const bool is_signed)
{
	const vi more = half ? vi_halves(f->add, f->add) : vi_load(f->add);
	const vi times = !rows  ? vi_set1(0)
			 : half ? vi_halves(f->row_mul, f->row_mul)
				: vi_load(f->row_mul);
	const v by = half ? v_halves(f->scale, f->scale) : v_load(f->scale), hi = v_set1(f->hi);
	const int32_t zero = f->zero, least = (int32_t)f->lo + zero;
	const size_t each = half ? 2 : 1, ld = f->ld_sum;
	size_t r = 0;
	for (; r + 2 * each <= f->m; r += 2 * each) {
		const int32_t *from = f->sum + r * ld;
		vi sum[2];
		for (size_t i = 0; i < 2; i++, from += each * ld) {
			sum[i] = vi_add(half ? vi_halves(from, from + ld) : vi_load(from), more);
			if (rows) {
				const int32_t *row = f->row + r + i * each;
				sum[i] = vi_add(sum[i], vi_mul(times, half ? vi_two(row[0], row[1])
									   : vi_set1(row[0])));
			}
		}
		vi_pair_to_bytes((uint8_t *)f->y + r * f->ldy,
				 vi_nearest(v_min(hi, v_mul(vi_floats(sum[0]), by))),
				 vi_nearest(v_min(hi, v_mul(vi_floats(sum[1]), by))), zero, least,
				 is_signed);
	}
	return r;
}

static inline size_t narrow_rows(const struct rt_i8_finish *f, const bool rows)
{
	const bool is_signed = f->lo + (float)f->zero < 0;
	if (f->ldy != f->n || (f->n != V && f->n != V / 2))
		return 0;
	if (f->n == V)
		return is_signed ? side_by_side(f, rows, false, true)
				 : side_by_side(f, rows, false, false);
	return is_signed ? side_by_side(f, rows, true, true) : side_by_side(f, rows, true, false);
}

/* As many columns as are whole pairs; how many. */
static inline size_t whole_pairs(const struct rt_i8_finish *f, const bool rows)
{
	const bool is_signed = f->lo + (float)f->zero < 0;
	size_t i = 0;
	for (; i + 2 * V <= f->n; i += 2 * V)
		is_signed ? pair_columns(f, i, rows, true) : pair_columns(f, i, rows, false);
	return i;
}
#else
static inline size_t narrow_rows(const struct rt_i8_finish *f, const bool rows)
{
	(void)f, (void)rows;
	return 0;
}
static inline size_t whole_pairs(const struct rt_i8_finish *f, const bool rows)
{
	(void)f, (void)rows;
	return 0;
}
#endif

static inline void finish(const struct rt_i8_finish *f, const enum out out, const bool rows)
{
	static const float none[V];
	for (size_t i = out == I8 ? whole_pairs(f, rows) : 0; i < f->n; i += V) {
		const size_t lanes = f->n - i < V ? f->n - i : V;
		int32_t more[V] = {0}, times[V] = {0};
		float by[V] = {0}, bias[V] = {0};
		if (lanes == V) {
			columns(f, i, f->add + i, rows ? f->row_mul + i : more,
				out == I32 ? none : f->scale + i,
				out == F32 && f->bias ? f->bias + i : none, V, out, rows);
			continue;
		}
		memcpy(more, f->add + i, lanes * sizeof *more);
		if (rows)
			memcpy(times, f->row_mul + i, lanes * sizeof *times);
		if (out != I32)
			memcpy(by, f->scale + i, lanes * sizeof *by);
		if (out == F32 && f->bias)
			memcpy(bias, f->bias + i, lanes * sizeof *bias);
		columns(f, i, more, times, by, bias, lanes, out, rows);
	}
}

static void to_i32(const struct rt_i8_finish *f)
{
	f->row ? finish(f, I32, true) : finish(f, I32, false);
}

static void to_f32(const struct rt_i8_finish *f)
{
	f->row ? finish(f, F32, true) : finish(f, F32, false);
}

static void to_i8(const struct rt_i8_finish *f)
{
	const size_t done = f->row ? narrow_rows(f, true) : narrow_rows(f, false);
	struct rt_i8_finish rest = *f;
	if (done > 0) {
		rest.m -= done;
		rest.sum += done * f->ld_sum;
		rest.row = f->row ? f->row + done : NULL;
		rest.y = (uint8_t *)f->y + done * f->ldy;
	}
	rest.row ? finish(&rest, I8, true) : finish(&rest, I8, false);
}

const struct rt_i8_row VARIANT = {.quantise = quantise,
				  .reals = reals,
				  .add = add,
				  .mul = mul,
				  .sum_rows = sum_rows,
				  .to_i32 = to_i32,
				  .to_f32 = to_f32,
				  .to_i8 = to_i8};
