/* SPDX-License-Identifier: MIT */
/*
 * fused.c — operators of com.microsoft (since 1) that are an ordinary one and
 * something after it; they run the ordinary one's code:
 *
 *	FusedConv    Y = activation(Conv(X, W, B) + Z)
 *	NhwcConv     Conv with X [N][…][C] and Y [N][…][M]; NhwcFusedConv: Z and activation too
 *	FusedGemm    Y = activation(Gemm(A, B, C))
 *	FusedMatMul  Y = alpha · A' · B', transposed by transA, transB (TransposeMatMul is an old
 *	             name of it); transBatchA, transBatchB: dim 0 is put behind the dims of the
 *	             batch before that; FusedMatMulActivation: activation too
 *
 * activation: Relu, Tanh, Sigmoid, LeakyRelu (alpha), HardSigmoid (alpha, beta),
 * Clip (least, most), with activation_params or activation_alpha, _beta.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/elementwise.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

#define INNER_BYTES 512 /* at least the state of the ordinary operators */

struct fused {
	_Alignas(64) char inner[INNER_BYTES];
	const struct rt_kernels *kernels;
	rt_f32_unary_f *act; /* NULL = none */
	struct rt_unary_params params;
};

static float param(const struct rt_node *n, int i, float otherwise)
{
	static const char *const names[] = {"activation_alpha", "activation_beta"};
	const struct rt_attr *a = rt_node_attr(n, "activation_params");

	if (a && a->kind == RT_ATTR_FLOATS && i < a->count)
		return a->floats[i];
	return rt_node_float(n, names[i], otherwise);
}

static int read_activation(struct rt_bind *b, struct fused *s, struct rt_error *err)
{
	static const struct {
		const char *name;
		enum rt_unary op;
		float a, b;
	} known[] = {
	    {"Relu", RT_UNARY_RELU, 0, 0},
	    {"Tanh", RT_UNARY_TANH, 0, 0},
	    {"Sigmoid", RT_UNARY_SIGMOID, 0, 0},
	    {"LeakyRelu", RT_UNARY_LEAKY_RELU, 0.01f, 0},
	    {"HardSigmoid", RT_UNARY_HARD_SIGMOID, 0.2f, 0.5f},
	    {"Clip", RT_UNARY_CLIP, -3.4028235e38f, 3.4028235e38f},
	};
	const struct rt_attr *a = rt_node_attr(b->node, "activation");

	s->kernels = b->kernels;
	if (!a || a->kind != RT_ATTR_STRING || a->s.size == 0)
		return RT_OK;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (!rt_node_string_is(b->node, "activation", known[i].name, ""))
			continue;
		s->act = b->kernels->f32_unary->fn[known[i].op];
		s->params.a = param(b->node, 0, known[i].a);
		s->params.b = param(b->node, 1, known[i].b);
		return RT_OK;
	}
	return rt_error_set(err, RT_UNSUPPORTED, "activation '%.*s'", (int)a->s.size, a->s.bytes);
}

static int bind_inner(struct rt_bind *b, const struct rt_op *op, struct rt_error *err)
{
	struct fused *s = b->state;
	struct rt_bind inner = *b;
	int rc = read_activation(b, s, err);

	must(op->state_bytes <= INNER_BYTES);
	inner.state = s->inner;
	rc = rc ? rc : op->bind(&inner, err);
	b->dropped |= inner.dropped;
	return rc;
}

static int infer_inner(struct rt_infer *f, const struct rt_op *op, struct rt_error *err)
{
	const struct fused *s = f->state;
	int rc;

	f->state = s->inner;
	rc = op->infer(f, err);
	f->state = s;
	return rc;
}

static void run_inner(const struct rt_run *r, const struct rt_op *op)
{
	const struct fused *s = r->state;
	struct rt_run inner = *r;

	inner.state = s->inner;
	op->run(&inner);
}

struct after {
	const struct fused *s;
	const float *z; /* added before the activation, or NULL */
	float *y;
};

static void after_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct after *a = arg;
	float *y = a->y + begin;
	size_t n = end - begin;

	(void)thread;
	if (a->z)
		a->s->kernels->f32_binary->vv[RT_BINARY_ADD](n, y, a->z + begin, y);
	if (a->s->act)
		a->s->act(n, y, y, &a->s->params);
}

static void finish(const struct rt_run *r, const float *z)
{
	struct after a = {r->state, z, r->out[0].data};

	if (a.z || a.s->act)
		rt_team_for(r->team, (size_t)rt_tensor_elems(&r->out[0]), rt_walk_grain(4),
			    after_range, &a);
}

/* ---- FusedConv ------------------------------------------------------------------------------- */

enum { CONV_Z = 3 };

static int conv_bind(struct rt_bind *b, struct rt_error *err)
{
	return bind_inner(b, &rt_op_conv, err);
}

static bool z_fits(const struct rt_infer *f)
{
	return f->in_count <= CONV_Z || f->in[CONV_Z].dtype == RT_NONE ||
	       (f->in[CONV_Z].dtype == RT_F32 &&
		rt_shape_equal(&f->in[CONV_Z].shape, &f->out[0].shape));
}

static int conv_infer(struct rt_infer *f, struct rt_error *err)
{
	int rc = infer_inner(f, &rt_op_conv, err);

	if (!rc && !z_fits(f))
		return rt_error_set(err, RT_INPUT, "Z has not the shape of Y");
	return rc;
}

static void conv_run(const struct rt_run *r)
{
	run_inner(r, &rt_op_conv);
	finish(r, r->in_count > CONV_Z ? r->in[CONV_Z].data : NULL);
}

const struct rt_op rt_op_fused_conv = {
    .in_min = 2,
    .in_max = 4,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct fused),
    .bind = conv_bind,
    .infer = conv_infer,
    .run = conv_run,
};

/* ---- NhwcConv: turned to channels first and back --------------------------------------------- */

struct nhwc {
	void *conv; /* shape_state of Conv */
	struct rt_tensor x, y;
	size_t x_bytes, y_bytes; /* of scratch */
	struct rt_walk in, out;
};

static void turn_walk(const struct rt_shape *first, struct rt_walk *to_first,
		      struct rt_walk *to_last)
{
	int64_t strides[2][RT_WALK_RANK] = {{0}}, turned[2][RT_WALK_RANK], dims[3];
	int64_t plane = 1;

	for (int d = 2; d < first->rank; d++)
		plane *= first->dims[d];
	dims[0] = first->dims[0], dims[1] = first->dims[1], dims[2] = plane;
	strides[0][0] = strides[1][0] = dims[1] * plane;
	strides[0][1] = plane, strides[0][2] = 1; /* channels first */
	strides[1][1] = 1, strides[1][2] = dims[1];
	memcpy(turned[0], strides[1], sizeof(turned[0]));
	memcpy(turned[1], strides[0], sizeof(turned[1]));
	if (to_first)
		rt_walk_strided(to_first, 2, 3, dims, strides);
	if (to_last)
		rt_walk_strided(to_last, 2, 3, dims, turned);
}

/* ${s} with its last dim behind the first, or the other way round. */
static struct rt_shape turn(const struct rt_shape *s, bool to_first)
{
	struct rt_shape t = *s;

	t.dims[to_first ? 1 : s->rank - 1] = s->dims[to_first ? s->rank - 1 : 1];
	for (int d = 1; d < s->rank - 1; d++)
		t.dims[to_first ? d + 1 : d] = s->dims[to_first ? d : d + 1];
	return t;
}

static int nhwc_infer(struct rt_infer *f, struct rt_error *err)
{
	struct nhwc *z = rt_infer_alloc(f, sizeof(*z));
	struct rt_tensor in[3] = {f->in[0], f->in[1]}, out = f->out[0];
	struct rt_infer inner = *f;
	int rc;

	if (!z)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if (f->in[0].shape.rank < 3)
		return rt_error_set(err, RT_INPUT, "input of rank %d", f->in[0].shape.rank);
	if (f->in_count > 2) {
		in[2] = f->in[2];
		inner.in_count = 3;
	}
	in[0].shape = turn(&f->in[0].shape, true);
	inner.in = in;
	inner.out = &out;
	rc = infer_inner(&inner, &rt_op_conv, err);
	if (rc)
		return rc;
	z->conv = inner.shape_state;
	z->x = in[0];
	z->y = out;
	if (!rt_shape_bytes(&in[0].shape, RT_F32, &z->x_bytes) ||
	    !rt_shape_bytes(&out.shape, RT_F32, &z->y_bytes))
		return rt_error_set(err, RT_BUDGET, "the tensors are too large");
	z->x_bytes = (z->x_bytes + 63) & ~(size_t)63;
	z->y_bytes = (z->y_bytes + 63) & ~(size_t)63;
	if (z->x_bytes > 0)
		turn_walk(&in[0].shape, &z->in, NULL);
	if (z->y_bytes > 0)
		turn_walk(&out.shape, NULL, &z->out);
	f->out[0].shape = turn(&out.shape, false);
	if (!z_fits(f))
		return rt_error_set(err, RT_INPUT, "Z has not the shape of Y");
	f->scratch_bytes = inner.scratch_bytes + z->x_bytes + z->y_bytes;
	f->shape_state = z;
	return RT_OK;
}

static void nhwc_run(const struct rt_run *r)
{
	const struct nhwc *z = r->shape_state;
	struct rt_run inner = *r;
	struct rt_tensor in[3] = {z->x, r->in[1]}, out = z->y;
	char *scratch = r->scratch;

	if (r->in_count > 2) {
		in[2] = r->in[2];
		inner.in_count = 3;
	}
	in[0].data = scratch;
	out.data = scratch + z->x_bytes;
	rt_walk_copy(&z->in, r->team, sizeof(float), in[0].data, r->in[0].data);
	inner.in = in;
	inner.out = &out;
	inner.shape_state = z->conv;
	inner.scratch = scratch + z->x_bytes + z->y_bytes;
	run_inner(&inner, &rt_op_conv);
	rt_walk_copy(&z->out, r->team, sizeof(float), r->out[0].data, out.data);
	finish(r, r->in_count > CONV_Z ? r->in[CONV_Z].data : NULL);
}

const struct rt_op rt_op_nhwc_conv = {
    .in_min = 2,
    .in_max = 4,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct fused),
    .bind = conv_bind,
    .infer = nhwc_infer,
    .run = nhwc_run,
};

/* ---- products -------------------------------------------------------------------------------- */

static int gemm_bind(struct rt_bind *b, struct rt_error *err)
{
	return bind_inner(b, &rt_op_gemm, err);
}

static int gemm_infer(struct rt_infer *f, struct rt_error *err)
{
	return infer_inner(f, &rt_op_gemm, err);
}

static void gemm_run(const struct rt_run *r)
{
	run_inner(r, &rt_op_gemm);
	finish(r, NULL);
}

const struct rt_op rt_op_fused_gemm = {
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct fused),
    .bind = gemm_bind,
    .infer = gemm_infer,
    .run = gemm_run,
};

/* Which operands have their dim 0 behind those of the batch, and how they are copied. */
struct turned {
	void *product; /* shape_state of MatMul */
	bool is[2];
	struct rt_tensor in[2];
	size_t bytes[2]; /* of scratch, in multiples of a line */
	struct rt_walk walk[2];
};

static bool batch_is_turned(const struct rt_node *n, int i)
{
	return rt_node_int(n, i == 0 ? "transBatchA" : "transBatchB", 0) != 0;
}

static int matmul_bind(struct rt_bind *b, struct rt_error *err)
{
	struct rt_node a_only = *b->node;
	struct rt_bind inner = *b;

	if (!batch_is_turned(b->node, 1))
		return bind_inner(b, &rt_op_matmul, err);
	a_only.in_count = 1; /* B is not to be packed as it is */
	inner.node = &a_only;
	return bind_inner(&inner, &rt_op_matmul, err);
}

/* [d0][batch][last] to [batch][d0][last]. */
static int turn_batch(const struct rt_tensor *in, struct turned *z, int i, struct rt_error *err)
{
	struct rt_shape *s = &z->in[i].shape;
	int64_t strides[2][RT_WALK_RANK] = {{0}}, dims[3] = {1, in->shape.dims[0], 0};

	z->is[i] = true;
	if (in->shape.rank < 3)
		return rt_error_set(err, RT_INPUT, "input %d has no batch to turn", i);
	for (int d = 0; d < s->rank - 2; d++)
		dims[0] *= s->dims[d] = in->shape.dims[d + 1];
	s->dims[s->rank - 2] = dims[1];
	dims[2] = s->dims[s->rank - 1];
	if (!rt_shape_bytes(s, RT_F32, &z->bytes[i]) || z->bytes[i] > SIZE_MAX / 4)
		return rt_error_set(err, RT_BUDGET, "input %d is too large", i);
	z->bytes[i] = (z->bytes[i] + 63) & ~(size_t)63;
	strides[0][0] = dims[1] * dims[2], strides[0][1] = dims[2], strides[0][2] = 1;
	strides[1][0] = dims[2], strides[1][1] = dims[0] * dims[2], strides[1][2] = 1;
	if (z->bytes[i] > 0)
		rt_walk_strided(&z->walk[i], 2, 3, dims, strides);
	return RT_OK;
}

static int matmul_infer(struct rt_infer *f, struct rt_error *err)
{
	struct turned *z = rt_infer_alloc(f, sizeof(*z));
	struct rt_infer inner = *f;
	int status = RT_OK;

	if (z == NULL)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	for (int i = 0; i < 2; i++) {
		z->in[i] = f->in[i];
		if (status == RT_OK && batch_is_turned(f->node, i))
			status = turn_batch(&f->in[i], z, i, err);
	}
	if (status != RT_OK)
		return status;
	inner.in = z->in;
	status = infer_inner(&inner, &rt_op_matmul, err);
	z->product = inner.shape_state;
	f->scratch_bytes = inner.scratch_bytes + z->bytes[0] + z->bytes[1];
	f->shape_state = z;
	return status;
}

static void matmul_run(const struct rt_run *r)
{
	const struct turned *z = r->shape_state;
	struct rt_tensor in[2] = {r->in[0], r->in[1]};
	struct rt_run inner = *r;
	char *scratch = r->scratch;

	for (int i = 0; i < 2; i++) {
		if (!z->is[i])
			continue;
		in[i] = z->in[i];
		in[i].data = scratch;
		if (z->bytes[i] > 0)
			rt_walk_copy(&z->walk[i], r->team, sizeof(float), scratch, r->in[i].data);
		scratch += z->bytes[i];
	}
	inner.in = in;
	inner.scratch = scratch;
	inner.shape_state = z->product;
	run_inner(&inner, &rt_op_matmul);
	finish(r, NULL);
}

const struct rt_op rt_op_fused_matmul = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct fused),
    .bind = matmul_bind,
    .infer = matmul_infer,
    .run = matmul_run,
};
