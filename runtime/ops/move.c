/* SPDX-License-Identifier: MIT */
/*
 * move.c — the movers that are one strided copy: Transpose, Expand, Tile,
 * DepthToSpace, SpaceToDepth; and rt_move_run for those of other files.
 * Elements are known by their size only.
 *
 * Opset changes that matter: Tile (6) has `repeats` as an input; DepthToSpace
 * (11) has `mode`: DCR, depth-column-row, or CRD.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/axes.h"
#include "runtime/ops/move.h"
#include "runtime/ops/ops.h"

struct rt_moves *rt_move_plan(struct rt_infer *f, int count, struct rt_error *err)
{
	struct rt_moves *m = rt_infer_alloc(f, sizeof(*m) + sizeof(m->moves[0]) * (size_t)count);

	if (m == NULL) {
		(void)rt_error_set(err, RT_MEMORY, "out of memory");
		return NULL;
	}
	m->count = count;
	f->shape_state = m;
	return m;
}

size_t rt_move_size(enum rt_dtype t)
{
	return rt_dtype_bits(t) / 8;
}

void rt_move_unpack(const struct rt_tensor *t, uint8_t *to)
{
	const unsigned bits = rt_dtype_bits(t->dtype), per = 8 / bits;
	const uint8_t *in = t->data;
	const int64_t n = rt_tensor_elems(t);

	for (int64_t i = 0; i < n; i++)
		to[i] = (uint8_t)(in[i / per] >> i % per * bits & ((1u << bits) - 1));
}

void rt_move_pack(const uint8_t *from, const struct rt_tensor *t)
{
	const unsigned bits = rt_dtype_bits(t->dtype), per = 8 / bits;
	const int64_t n = rt_tensor_elems(t);
	uint8_t *out = t->data;

	memset(out, 0, rt_tensor_bytes(t));
	for (int64_t i = 0; i < n; i++)
		out[i / per] |= (uint8_t)(from[i] << i % per * bits);
}

void rt_move_run(const struct rt_run *r)
{
	const struct rt_moves *list = r->shape_state;

	for (int i = 0; i < list->count; i++) {
		const struct rt_move *m = &list->moves[i];
		int64_t size = (int64_t)rt_move_size(r->in[m->in].dtype);
		if (r->out[m->out].data == NULL)
			continue;
		rt_walk_copy_with(&m->walk, r->team, (size_t)size,
				  (char *)r->out[m->out].data + m->out_at * size,
				  (const char *)r->in[m->in].data + m->in_at * size, list->x32);
	}
}

/* A single move over ${dims} with the strides given. */
static int one_move(struct rt_infer *f, int rank, const int64_t *dims,
		    int64_t strides[2][RT_WALK_RANK], struct rt_error *err)
{
	struct rt_moves *m = rt_move_plan(f, 1, err);

	if (m == NULL)
		return RT_MEMORY;
	rt_walk_strided(&m->moves[0].walk, 2, rank, dims, (const int64_t(*)[RT_WALK_RANK])strides);
	return RT_OK;
}

/* ---- Transpose ------------------------------------------------------------------------------- */

struct transpose {
	const struct rt_x32_transpose *x32;
};

static int transpose_bind(struct rt_bind *b, struct rt_error *err)
{
	struct transpose *s = b->state;

	(void)err;
	s->x32 = b->kernels->x32_transpose;
	return RT_OK;
}

static int transpose_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	struct rt_shape *out = &f->out[0].shape;
	int64_t strides[2][RT_WALK_RANK] = {{0}}, dense[RT_RANK_MAX];
	bool seen[RT_RANK_MAX];
	struct rt_axes perm;
	int status = rt_axes_list(f, "perm", -1, &perm, err);

	if (status == RT_OK)
		status = rt_axes_set(&perm, in->rank, seen, err);
	if (status != RT_OK)
		return status;
	if (perm.given && perm.count != in->rank)
		return rt_error_set(err, RT_INPUT, "perm names %d axes of a tensor of rank %d",
				    perm.count, in->rank);
	rt_walk_strides(in, dense);
	out->rank = in->rank;
	for (int d = 0; d < in->rank; d++) {
		int from = in->rank - 1 - d;
		if (perm.given)
			from = (int)(perm.at[d] < 0 ? perm.at[d] + in->rank : perm.at[d]);
		out->dims[d] = in->dims[from];
		strides[1][d] = dense[from];
	}
	rt_walk_strides(out, strides[0]);
	status = one_move(f, out->rank, out->dims, strides, err);
	if (rt_move_size(f->in[0].dtype) == 0)
		f->scratch_bytes = 2 * (size_t)rt_tensor_elems(&f->in[0]);
	if (status == RT_OK)
		((struct rt_moves *)f->shape_state)->x32 =
		    ((const struct transpose *)f->state)->x32;
	return status;
}

static void transpose_run(const struct rt_run *r)
{
	const struct rt_moves *list = r->shape_state;
	uint8_t *from = r->scratch, *to;

	if (rt_move_size(r->in[0].dtype) != 0) {
		rt_move_run(r);
		return;
	}
	to = from + rt_tensor_elems(&r->in[0]);
	rt_move_unpack(&r->in[0], from);
	rt_walk_copy_with(&list->moves[0].walk, r->team, 1, to, from, NULL);
	rt_move_pack(to, &r->out[0]);
}

const struct rt_op rt_op_transpose = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct transpose),
    .bind = transpose_bind,
    .infer = transpose_infer,
    .run = transpose_run,
};

/* ---- Expand, Tile ---------------------------------------------------------------------------- */

static int expand_infer(struct rt_infer *f, struct rt_error *err)
{
	struct rt_shape to = {.rank = 0}, *out = &f->out[0].shape;
	const struct rt_shape *both[2] = {&f->in[0].shape, &to};
	struct rt_moves *m;
	char text[2][80];
	int64_t elems;

	if (!rt_op_ints(&f->in[1], to.dims, RT_RANK_MAX, &to.rank))
		return rt_error_set(err, RT_INPUT,
				    "input 1 is not a shape of at most %d dimensions", RT_RANK_MAX);
	for (int d = 0; d < to.rank; d++) {
		if (to.dims[d] < 0)
			return rt_error_set(err, RT_INPUT, "dimension %d of the new shape is %lld",
					    d, (long long)to.dims[d]);
	}
	if (!rt_op_broadcast(both, 2, out))
		return rt_error_set(err, RT_INPUT, "%s does not expand to %s",
				    rt_shape_text(both[0], text[0], sizeof(text[0])),
				    rt_shape_text(&to, text[1], sizeof(text[1])));
	if (!rt_shape_elems(out, &elems))
		return rt_error_set(err, RT_INPUT, "the new shape is too large");
	m = rt_move_plan(f, 1, err);
	if (m == NULL)
		return RT_MEMORY;
	rt_walk_broadcast(&m->moves[0].walk, out, both, 1);
	return RT_OK;
}

const struct rt_op rt_op_expand = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1u << 1,
    .infer = expand_infer,
    .run = rt_move_run,
};

static int tile_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	struct rt_shape *out = &f->out[0].shape;
	int64_t repeats[RT_RANK_MAX], dims[RT_WALK_RANK], elems;
	int64_t strides[2][RT_WALK_RANK] = {{0}}, from[RT_RANK_MAX], to[RT_RANK_MAX];
	int count;

	if (!rt_op_ints(&f->in[1], repeats, RT_RANK_MAX, &count) || count != in->rank)
		return rt_error_set(err, RT_INPUT, "repeats are not %d integers", in->rank);
	out->rank = in->rank;
	for (int d = 0; d < in->rank; d++) {
		if (repeats[d] < 0 ||
		    __builtin_mul_overflow(in->dims[d], repeats[d], &out->dims[d]))
			return rt_error_set(err, RT_INPUT, "dimension %d is repeated %lld times", d,
					    (long long)repeats[d]);
	}
	if (!rt_shape_elems(out, &elems))
		return rt_error_set(err, RT_INPUT, "the output is too large");
	rt_walk_strides(in, from);
	rt_walk_strides(out, to);
	for (ptrdiff_t d = 0; d < in->rank; d++) {
		dims[2 * d] = repeats[d];
		dims[2 * d + 1] = in->dims[d];
		strides[0][2 * d] = to[d] * in->dims[d];
		strides[0][2 * d + 1] = to[d];
		strides[1][2 * d + 1] = from[d];
	}
	return one_move(f, 2 * in->rank, dims, strides, err);
}

const struct rt_op rt_op_tile = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1u << 1,
    .infer = tile_infer,
    .run = rt_move_run,
};

/* ---- DepthToSpace, SpaceToDepth -------------------------------------------------------------- */

/*
 * Both move between [N][C'][H][b][W][b'] (space, row-major) and the depth order:
 * DCR and SpaceToDepth: depth = (b, b', C'); CRD: (C', b, b').
 */
static int depth_infer(struct rt_infer *f, bool to_space, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	int64_t b = rt_node_int(f->node, "blocksize", 0), square;
	bool crd = to_space && rt_node_string_is(f->node, "mode", "CRD", "DCR");
	char text[80];

	if (in->rank != 4 || b < 1 || __builtin_mul_overflow(b, b, &square) ||
	    (to_space ? in->dims[1] % square != 0 : in->dims[2] % b != 0 || in->dims[3] % b != 0))
		return rt_error_set(err, RT_INPUT, "input of shape %s with blocksize %lld",
				    rt_shape_text(in, text, sizeof(text)), (long long)b);
	int64_t c = to_space ? in->dims[1] / square : in->dims[1];
	if (!to_space && __builtin_mul_overflow(c, square, &square))
		return rt_error_set(err, RT_INPUT, "blocksize %lld is too large", (long long)b);
	int64_t h = to_space ? in->dims[2] : in->dims[2] / b;
	int64_t w = to_space ? in->dims[3] : in->dims[3] / b;
	if (rt_walk_is_empty(in)) {
		int64_t none[2][RT_WALK_RANK] = {{0}};
		if (to_space &&
		    (__builtin_mul_overflow(h, b, &h) || __builtin_mul_overflow(w, b, &w)))
			return rt_error_set(err, RT_INPUT, "blocksize %lld is too large",
					    (long long)b);
		f->out[0].shape = to_space ? rt_shape_of(4, in->dims[0], c, h, w)
					   : rt_shape_of(4, in->dims[0], square, h, w);
		return one_move(f, 4, f->out[0].shape.dims, none, err);
	}
	/* n, c, h, b, w, b' in both places */
	const int64_t dims[6] = {in->dims[0], c, h, b, w, b};
	const int64_t space[6] = {c * h * b * w * b, h * b * w * b, b * w * b, w * b, b, 1};
	const int64_t dcr[6] = {c * h * b * w * b, h * w, w, b * c * h * w, 1, c * h * w};
	const int64_t crd_strides[6] = {c * h * b * w * b, b * b * h * w, w, b * h * w, 1, h * w};
	int64_t strides[2][RT_WALK_RANK] = {{0}};

	for (int d = 0; d < 6; d++) {
		strides[to_space ? 0 : 1][d] = space[d];
		strides[to_space ? 1 : 0][d] = crd ? crd_strides[d] : dcr[d];
	}
	f->out[0].shape = to_space ? rt_shape_of(4, in->dims[0], c, h * b, w * b)
				   : rt_shape_of(4, in->dims[0], c * b * b, h, w);
	/* The output's own order must be innermost: a walk runs along its last dimension. */
	if (!to_space) {
		static const int order[6] = {0, 3, 5, 1, 2, 4};
		int64_t d2[6], s2[2][RT_WALK_RANK] = {{0}};
		for (int d = 0; d < 6; d++) {
			d2[d] = dims[order[d]];
			s2[0][d] = strides[0][order[d]];
			s2[1][d] = strides[1][order[d]];
		}
		return one_move(f, 6, d2, s2, err);
	}
	return one_move(f, 6, dims, strides, err);
}

static int depth_to_space_infer(struct rt_infer *f, struct rt_error *err)
{
	return depth_infer(f, true, err);
}

static int space_to_depth_infer(struct rt_infer *f, struct rt_error *err)
{
	return depth_infer(f, false, err);
}

const struct rt_op rt_op_depth_to_space = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .infer = depth_to_space_infer,
    .run = rt_move_run,
};

const struct rt_op rt_op_space_to_depth = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .infer = space_to_depth_infer,
    .run = rt_move_run,
};
