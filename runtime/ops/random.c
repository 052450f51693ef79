/* SPDX-License-Identifier: MIT */
/*
 * random.c — RandomNormal, RandomUniform and their *Like forms, Bernoulli,
 * Multinomial, Dropout, and the generator for them (splitmix64).  With `seed` a node
 * gives the same numbers at every run; without, never the same.
 *
 * Opset changes that matter: Dropout 7 has its ratio as an attribute and only
 * passes data through, the mask being of the data's type before 10; 12 adds
 * training_mode as an input.
 */
#include <config.h>

#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "runtime/ops/elementwise.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/random.h"

struct rt_random rt_random_start(const struct rt_node *n)
{
	static atomic_uint_fast64_t calls;
	const struct rt_attr *seed = rt_node_attr(n, "seed");
	struct rt_random g = {0};
	struct timespec now;

	if (seed != NULL && seed->kind == RT_ATTR_FLOAT) {
		uint32_t bits;
		memcpy(&bits, &seed->f, sizeof(bits));
		g.state = bits;
	} else if (seed != NULL && seed->kind == RT_ATTR_INT) {
		g.state = (uint64_t)seed->i;
	} else {
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		g.state = (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15u + (uint64_t)now.tv_sec;
		g.state ^= (uint64_t)atomic_fetch_add(&calls, 1) << 32;
	}
	return g;
}

static uint64_t next(struct rt_random *g)
{
	uint64_t z = g->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

double rt_random_uniform(struct rt_random *g)
{
	return (double)(next(g) >> 11) * 0x1p-53;
}

double rt_random_normal(struct rt_random *g)
{
	double u = 1 - rt_random_uniform(g), v = rt_random_uniform(g);

	return sqrt(-2 * log(u)) * cos(6.283185307179586477 * v);
}

/* ---- Random{Normal,Uniform}{,Like} ----------------------------------------------------------- */

static int random_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		       struct rt_error *err)
{
	bool like = n->in_count > 0;

	if (rt_node_attr(n, "dtype") != NULL)
		out[0] = rt_dtype_of_onnx(rt_node_int(n, "dtype", 0));
	else
		out[0] = like ? g->values[n->in[0]].dtype : RT_F32;
	if (!rt_convert_is_number(out[0]) || rt_dtype_bits(out[0]) < 8)
		return rt_error_set(err, RT_UNSUPPORTED, "dtype %lld",
				    (long long)rt_node_int(n, "dtype", 0));
	return RT_OK;
}

static int random_infer(struct rt_infer *f, struct rt_error *err)
{
	int64_t count, elems;
	const int64_t *dims = rt_node_ints(f->node, "shape", &count);

	if (f->in_count > 0) {
		f->out[0].shape = f->in[0].shape;
		return RT_OK;
	}
	if (count > RT_RANK_MAX)
		return rt_error_set(err, RT_MALFORMED, "a shape of %lld dimensions",
				    (long long)count);
	f->out[0].shape = (struct rt_shape){.rank = (int)count};
	for (int d = 0; d < (int)count; d++)
		f->out[0].shape.dims[d] = dims[d];
	if (!rt_shape_elems(&f->out[0].shape, &elems))
		return rt_error_set(err, RT_MALFORMED, "a negative or too large shape");
	return RT_OK;
}

static void random_run(const struct rt_run *r)
{
	bool normal = strncmp(r->node->op_type, "RandomNormal", 12) == 0;
	struct rt_random g = rt_random_start(r->node);
	int64_t n = rt_tensor_elems(&r->out[0]);
	double a = (double)rt_node_float(r->node, normal ? "mean" : "low", 0),
	       b = (double)rt_node_float(r->node, normal ? "scale" : "high", 1);

	for (int64_t i = 0; i < n; i++) {
		double x =
		    normal ? a + b * rt_random_normal(&g) : a + (b - a) * rt_random_uniform(&g);
		rt_convert_from_f64(r->out[0].dtype, &x, 1, r->out[0].data, i, true);
	}
}

const struct rt_op rt_op_random = {
    .in_min = 0,
    .in_max = 0,
    .out_min = 1,
    .out_max = 1,
    .is_random = true,
    .type = random_type,
    .infer = random_infer,
    .run = random_run,
};

const struct rt_op rt_op_random_like = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .shapes_only = true,
    .is_random = true,
    .type = random_type,
    .infer = random_infer,
    .run = random_run,
};

/* ---- Bernoulli: 1 with the probability given ------------------------------------------------- */

static void bernoulli_run(const struct rt_run *r)
{
	struct rt_random g = rt_random_start(r->node);
	int64_t n = rt_tensor_elems(&r->out[0]);

	for (int64_t i = 0; i < n; i++) {
		double x = rt_random_uniform(&g) < rt_convert_get_f64(&r->in[0], i);
		rt_convert_from_f64(r->out[0].dtype, &x, 1, r->out[0].data, i, true);
	}
}

const struct rt_op rt_op_bernoulli = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .is_random = true,
    .type = random_type,
    .infer = rt_op_infer_same,
    .run = bernoulli_run,
};

/* ---- Multinomial: classes drawn from unnormalised log-probabilities [batch][classes] --------- */

static int multinomial_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			    struct rt_error *err)
{
	(void)g;
	out[0] = rt_dtype_of_onnx(rt_node_int(n, "dtype", 6));
	if (out[0] != RT_I32 && out[0] != RT_I64)
		return rt_error_set(err, RT_MALFORMED, "dtype is neither int32 nor int64");
	return RT_OK;
}

static int multinomial_infer(struct rt_infer *f, struct rt_error *err)
{
	int64_t samples = rt_node_int(f->node, "sample_size", 1);

	if (f->in[0].shape.rank != 2 || f->in[0].shape.dims[1] < 1 || samples < 0)
		return rt_error_set(err, RT_INPUT, "the input is not [batch][classes]");
	f->out[0].shape = rt_shape_of(2, f->in[0].shape.dims[0], samples);
	return RT_OK;
}

static void multinomial_run(const struct rt_run *r)
{
	struct rt_random g = rt_random_start(r->node);
	int64_t classes = r->in[0].shape.dims[1], samples = r->out[0].shape.dims[1];

	for (int64_t i = 0; i < rt_tensor_elems(&r->out[0]); i++) {
		/* the largest of logit + Gumbel noise is a draw from the softmax */
		int64_t best = 0;
		double most = -INFINITY;
		for (int64_t c = 0; c < classes; c++) {
			double x = rt_convert_get_f64(&r->in[0], i / samples * classes + c) -
				   log(-log(rt_random_uniform(&g) + 0x1p-60));
			if (x > most) {
				most = x;
				best = c;
			}
		}
		rt_convert_from_i64(r->out[0].dtype, &best, 1, r->out[0].data, i);
	}
}

const struct rt_op rt_op_multinomial = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .is_random = true,
    .type = multinomial_type,
    .infer = multinomial_infer,
    .run = multinomial_run,
};

/* ---- Dropout --------------------------------------------------------------------------------- */

static int dropout_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			struct rt_error *err)
{
	int status = rt_op_type_same(g, n, out, err);

	if (status == RT_OK && n->out_count > 1 && n->opset >= 10)
		out[1] = RT_BOOL;
	return status;
}

static int dropout_infer(struct rt_infer *f, struct rt_error *err)
{
	int64_t n;

	for (int i = 1; i < f->in_count; i++) {
		if (f->in[i].dtype != RT_NONE && (!rt_convert_is_number(f->in[i].dtype) ||
						  !rt_shape_elems(&f->in[i].shape, &n) || n != 1))
			return rt_error_set(err, RT_INPUT, "input %d is not one number", i);
	}
	return rt_op_infer_same(f, err);
}

static void set_mask(const struct rt_run *r, int64_t i, bool keep)
{
	int64_t one = keep;

	if (r->out_count > 1 && r->out[1].data != NULL)
		rt_convert_from_i64(r->out[1].dtype, &one, 1, r->out[1].data, i);
}

static void dropout_run(const struct rt_run *r)
{
	bool training = r->in_count > 2 && r->in[2].data != NULL && *(const uint8_t *)r->in[2].data;
	double ratio = 0.5;
	int64_t n = rt_tensor_elems(&r->in[0]);
	struct rt_random g;

	if (r->in_count > 1 && r->in[1].data != NULL)
		ratio = rt_convert_get_f64(&r->in[1], 0);
	if (!training || !(ratio > 0)) {
		if (n > 0 && r->out[0].data != r->in[0].data)
			memcpy(r->out[0].data, r->in[0].data, rt_tensor_bytes(&r->in[0]));
		for (int64_t i = 0; i < n; i++)
			set_mask(r, i, true);
		return;
	}
	g = rt_random_start(r->node);
	for (int64_t i = 0; i < n; i++) {
		bool keep = rt_random_uniform(&g) >= ratio;
		double x = keep ? rt_convert_get_f64(&r->in[0], i) / (1 - ratio) : 0;
		rt_convert_from_f64(r->out[0].dtype, &x, 1, r->out[0].data, i, true);
		set_mask(r, i, keep);
	}
}

const struct rt_op rt_op_dropout = {
    .in_min = 1,
    .in_max = 3,
    .out_min = 1,
    .out_max = 2,
    .alias_inputs = 1,
    .is_random = true,
    .type = dropout_type,
    .infer = dropout_infer,
    .run = dropout_run,
};

/* Before 12 nothing is dropped. */
const struct rt_op rt_op_dropout_7 = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 2,
    .alias_inputs = 1,
    .type = dropout_type,
    .infer = dropout_infer,
    .run = dropout_run,
};
