/* SPDX-License-Identifier: MIT */
/*
 * walk.c — shapes to loops: collapsing, broadcasting, the odometer, strided
 * copies.  Called by the operators' infer (making walks) and run (walking).
 * It must never compute an offset outside what the strides describe: callers
 * have checked every shape with checked arithmetic.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/walk.h"

/* A thread is woken for this many element operations; a run is cut at it too. */
#define WALK_PIECE 16384
#define WALK_SHORTEST 16 /* shortest piece of a run */
#define WALK_TILE 16

size_t rt_walk_grain(int64_t cost)
{
	if (cost < 1)
		cost = 1;
	return cost >= WALK_PIECE ? 1 : (size_t)(WALK_PIECE / cost);
}

bool rt_walk_is_empty(const struct rt_shape *shape)
{
	for (int d = 0; d < shape->rank; d++) {
		if (shape->dims[d] == 0)
			return true;
	}
	return false;
}

void rt_walk_around(const struct rt_shape *shape, int axis, int64_t *outer, int64_t *inner)
{
	*outer = *inner = rt_walk_is_empty(shape) ? 0 : 1;
	for (int d = 0; d < shape->rank && *outer != 0; d++) {
		if (d < axis)
			*outer *= shape->dims[d];
		else if (d > axis)
			*inner *= shape->dims[d];
	}
}

void rt_walk_strides(const struct rt_shape *shape, int64_t *out)
{
	int64_t step = 1;

	if (rt_walk_is_empty(shape)) {
		memset(out, 0, sizeof(*out) * (size_t)shape->rank);
		return;
	}
	for (int d = shape->rank - 1; d >= 0; d--) {
		out[d] = shape->dims[d] == 1 ? 0 : step;
		step *= shape->dims[d];
	}
}

/* Whether one step of dim ${outer} is exactly ${dim} steps of what is below it, for everybody. */
static bool merges(int operands, const int64_t *below, int64_t dim,
		   const int64_t strides[][RT_WALK_RANK], int outer)
{
	for (int k = 0; k < operands; k++) {
		if (strides[k][outer] != below[k] * dim)
			return false;
	}
	return true;
}

void rt_walk_strided(struct rt_walk *w, int operands, int rank, const int64_t *dims,
		     const int64_t strides[][RT_WALK_RANK])
{
	int64_t group_dims[RT_WALK_RANK], group[RT_WALK_RANK][RT_WALK_OPERANDS];
	int groups = 0; /* fastest first */

	must(operands <= RT_WALK_OPERANDS && rank <= RT_WALK_RANK);
	*w = (struct rt_walk){.operands = operands, .outer = 1, .inner = 1};
	for (int d = rank - 1; d >= 0; d--) {
		if (dims[d] == 0) {
			w->inner = w->outer = 0;
			return;
		}
		if (dims[d] == 1)
			continue;
		if (groups > 0 &&
		    merges(operands, group[groups - 1], group_dims[groups - 1], strides, d)) {
			group_dims[groups - 1] *= dims[d];
			continue;
		}
		for (int k = 0; k < operands; k++)
			group[groups][k] = strides[k][d];
		group_dims[groups++] = dims[d];
	}
	if (groups == 0) {
		for (int k = 0; k < operands; k++)
			w->inner_strides[k] = 1;
		return;
	}
	w->inner = group_dims[0];
	w->rank = groups - 1;
	for (int k = 0; k < operands; k++)
		w->inner_strides[k] = group[0][k];
	for (int g = 1; g < groups; g++) {
		int d = groups - 1 - g;
		w->dims[d] = group_dims[g];
		w->outer *= group_dims[g];
		for (int k = 0; k < operands; k++)
			w->strides[k][d] = group[g][k];
	}
}

void rt_walk_broadcast(struct rt_walk *w, const struct rt_shape *out,
		       const struct rt_shape *const *in, int count)
{
	int64_t strides[RT_WALK_OPERANDS][RT_WALK_RANK] = {{0}};
	int64_t dense[RT_RANK_MAX];

	must(count < RT_WALK_OPERANDS);
	rt_walk_strides(out, strides[0]);
	for (int k = 0; k < count; k++) {
		int shift = out->rank - in[k]->rank;
		must(shift >= 0);
		rt_walk_strides(in[k], dense);
		for (int d = 0; d < in[k]->rank; d++)
			strides[k + 1][d + shift] = dense[d];
	}
	rt_walk_strided(w, count + 1, out->rank, out->dims,
			(const int64_t(*)[RT_WALK_RANK])strides);
}

/* ---- the odometer --------------------------------------------------------------------------- */

struct odometer {
	int64_t index[RT_WALK_RANK];
	int64_t at[RT_WALK_OPERANDS];
};

static void odometer_set(const struct rt_walk *w, struct odometer *o, int64_t run)
{
	memset(o->at, 0, sizeof(o->at));
	for (int d = w->rank - 1; d >= 0; d--) {
		o->index[d] = run % w->dims[d];
		run /= w->dims[d];
		for (int k = 0; k < w->operands; k++)
			o->at[k] += o->index[d] * w->strides[k][d];
	}
}

static void odometer_step(const struct rt_walk *w, struct odometer *o)
{
	for (int d = w->rank - 1; d >= 0; d--) {
		if (++o->index[d] < w->dims[d]) {
			for (int k = 0; k < w->operands; k++)
				o->at[k] += w->strides[k][d];
			return;
		}
		o->index[d] = 0;
		for (int k = 0; k < w->operands; k++)
			o->at[k] -= (w->dims[d] - 1) * w->strides[k][d];
	}
}

struct each {
	const struct rt_walk *w;
	rt_walk_f *fn;
	void *arg;
	int64_t pieces; /* per run */
	int64_t piece;  /* elements */
};

static void each_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct each *e = arg;
	const struct rt_walk *w = e->w;
	struct odometer o;
	int64_t run = (int64_t)begin / e->pieces, cut = (int64_t)begin % e->pieces;

	(void)thread;
	odometer_set(w, &o, run);
	for (size_t i = begin; i < end; i++) {
		int64_t at[RT_WALK_OPERANDS], first = cut * e->piece;
		int64_t n = w->inner - first < e->piece ? w->inner - first : e->piece;

		for (int k = 0; k < w->operands; k++)
			at[k] = o.at[k] + first * w->inner_strides[k];
		e->fn(e->arg, at, n);
		if (++cut == e->pieces) {
			cut = 0;
			odometer_step(w, &o);
		}
	}
}

void rt_walk_each(const struct rt_walk *w, struct rt_team *team, rt_walk_f *fn, void *arg)
{
	struct each e = {.w = w, .fn = fn, .arg = arg, .pieces = 1, .piece = w->inner};
	int64_t cost = w->cost > 1 ? w->cost : 1;
	int64_t most = cost < WALK_PIECE ? WALK_PIECE / cost : 1;

	if (w->inner == 0 || w->outer == 0)
		return;
	if (most < WALK_SHORTEST)
		most = WALK_SHORTEST;
	if (w->inner > most) {
		e.piece = most;
		e.pieces = (w->inner + most - 1) / most;
	}
	if (cost > WALK_PIECE)
		cost = WALK_PIECE;
	rt_team_for(team, (size_t)(w->outer * e.pieces), rt_walk_grain(e.piece * cost), each_range,
		    &e);
}

/* ---- copies --------------------------------------------------------------------------------- */

struct s16 {
	uint64_t a, b;
};

/* A block of rows × n elements between two strided places. */
typedef void block_f(void *out, const void *in, int64_t rows, int64_t n, const int64_t *row,
		     const int64_t *step);

#define BLOCK(name, type)                                                                          \
	static void name(void *out, const void *in, int64_t rows, int64_t n, const int64_t *row,   \
			 const int64_t *step)                                                      \
	{                                                                                          \
		type *o = out;                                                                     \
		const type *x = in;                                                                \
		for (int64_t i0 = 0; i0 < n; i0 += WALK_TILE) {                                    \
			int64_t i1 = i0 + WALK_TILE < n ? i0 + WALK_TILE : n;                      \
			for (int64_t r = 0; r < rows; r++) {                                       \
				for (int64_t i = i0; i < i1; i++)                                  \
					o[r * row[0] + i * step[0]] = x[r * row[1] + i * step[1]]; \
			}                                                                          \
		}                                                                                  \
	}
BLOCK(block_1, uint8_t)
BLOCK(block_2, uint16_t)
BLOCK(block_4, uint32_t)
BLOCK(block_8, uint64_t)
BLOCK(block_16, struct s16)

static block_f *block_of(size_t size)
{
	switch (size) {
	case 1:
		return block_1;
	case 2:
		return block_2;
	case 4:
		return block_4;
	case 8:
		return block_8;
	default:
		must(size == 16);
		return block_16;
	}
}

struct copy {
	struct rt_walk w;
	size_t size;
	char *out;
	const char *in;
	block_f *block; /* NULL: runs are contiguous on both sides */
	int64_t rows;   /* of the tiled dimension; 1 = none */
	int64_t row_strides[2];
	const struct rt_x32_transpose *x32; /* NULL: the blocks are no plain transposition */
};

static void copy_run(void *arg, const int64_t *at, int64_t n)
{
	const struct copy *c = arg;
	char *out = c->out + at[0] * (int64_t)c->size;
	const char *in = c->in + at[1] * (int64_t)c->size;

	if (c->block == NULL) {
		memcpy(out, in, (size_t)n * c->size);
		return;
	}
	if (c->x32 != NULL) {
		c->x32->run((size_t)n, (size_t)c->rows, in, (size_t)c->w.inner_strides[1], out,
			    (size_t)c->row_strides[0]);
		return;
	}
	for (int64_t r = 0; r < c->rows; r += WALK_TILE) {
		int64_t rows = c->rows - r < WALK_TILE ? c->rows - r : WALK_TILE;
		c->block(out + r * c->row_strides[0] * (int64_t)c->size,
			 in + r * c->row_strides[1] * (int64_t)c->size, rows, n, c->row_strides,
			 c->w.inner_strides);
	}
}

/* Rows ${begin} … of a copy that is one block. */
static void rows_range(void *arg, size_t begin, size_t end, int thread)
{
	static const int64_t start[RT_WALK_OPERANDS] = {0};
	struct copy part = *(const struct copy *)arg;

	(void)thread;
	part.out += (int64_t)begin * part.row_strides[0] * (int64_t)part.size;
	part.in += (int64_t)begin * part.row_strides[1] * (int64_t)part.size;
	part.rows = (int64_t)(end - begin);
	copy_run(&part, start, part.w.inner);
}

/* Take the outer dim in which the input is contiguous into the blocks. */
static void copy_take_rows(struct copy *c)
{
	struct rt_walk *w = &c->w;

	for (int d = w->rank - 1; d >= 0; d--) {
		if (w->strides[1][d] != 1)
			continue;
		c->rows = w->dims[d];
		for (int k = 0; k < 2; k++)
			c->row_strides[k] = w->strides[k][d];
		w->outer /= w->dims[d];
		w->rank--;
		for (int e = d; e < w->rank; e++) {
			w->dims[e] = w->dims[e + 1];
			for (int k = 0; k < 2; k++)
				w->strides[k][e] = w->strides[k][e + 1];
		}
		return;
	}
}

/* Rows are contiguous in the input, runs in the output, and nothing goes backwards. */
static bool is_transposition(const struct copy *c)
{
	return c->rows > 1 && c->size == 4 && c->w.inner_strides[0] == 1 &&
	       c->row_strides[1] == 1 && c->w.inner_strides[1] >= c->rows &&
	       c->row_strides[0] >= c->w.inner;
}

void rt_walk_copy_with(const struct rt_walk *w, struct rt_team *team, size_t size, void *out,
		       const void *in, const struct rt_x32_transpose *x32)
{
	struct copy c = {.w = *w, .size = size, .out = out, .in = in, .rows = 1};

	if (w->inner == 0 || w->outer == 0)
		return;
	if (w->inner_strides[0] != 1 || w->inner_strides[1] != 1) {
		c.block = block_of(size);
		if (w->inner_strides[1] != 1)
			copy_take_rows(&c);
		if (is_transposition(&c))
			c.x32 = x32;
	}
	if (c.rows > 1) {
		/* Blocks are big: cut runs so that every thread gets some. */
		struct each e = {.w = &c.w, .fn = copy_run, .arg = &c, .piece = 64};
		e.pieces = (c.w.inner + e.piece - 1) / e.piece;
		if (c.w.outer * e.pieces == 1) { /* the channels of an image to the end */
			rt_team_for(team, (size_t)c.rows, rt_walk_grain(c.w.inner), rows_range, &c);
			return;
		}
		rt_team_for(team, (size_t)(c.w.outer * e.pieces),
			    rt_walk_grain(c.rows * (c.w.inner < 64 ? c.w.inner : 64)), each_range,
			    &e);
		return;
	}
	rt_walk_each(&c.w, team, copy_run, &c);
}

void rt_walk_copy(const struct rt_walk *w, struct rt_team *team, size_t size, void *out,
		  const void *in)
{
	rt_walk_copy_with(w, team, size, out, in, NULL);
}
