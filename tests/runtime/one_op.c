/* SPDX-License-Identifier: MIT */
/*
 * one_op.c — see one_op.h.
 */
#include <config.h>

#include <check.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "tests/runtime/one_op.h"

/* AttributeProto.type */
enum { ATTR_FLOAT = 1, ATTR_STRING = 3, ATTR_FLOATS = 6 };

static int64_t onnx_type(enum rt_dtype t)
{
	static const int64_t types[] = {
	    0,
#define DTYPE(id, onnx, bits, name, oip) onnx,
#include "runtime/dtypes.def"
#undef DTYPE
	};
	return types[t];
}

void one_op_begin(struct one_op *o, const char *domain, int64_t opset)
{
	struct pbuild import = {0};

	memset(o, 0, sizeof(*o));
	pbuild_model(&o->m, *domain ? 21 : opset);
	if (!*domain)
		return;
	pbuild_string(&import, 1, domain); /* OperatorSetIdProto */
	pbuild_int(&import, 2, opset);
	pbuild_message(&o->m, 8, &import);
	pbuild_string(&o->attrs, 7, domain); /* NodeProto.domain */
}

void one_op_end(struct one_op *o)
{
	rt_session_close(o->session);
	rt_model_close(o->model);
	rt_team_free(o->team);
	pbuild_free(&o->m);
}

void one_op_int(struct one_op *o, const char *name, int64_t value)
{
	pbuild_attr_int(&o->attrs, name, value);
}

void one_op_ints(struct one_op *o, const char *name, int count, const int64_t *values)
{
	pbuild_attr_ints(&o->attrs, name, count, values);
}

void one_op_float(struct one_op *o, const char *name, float value)
{
	struct pbuild a = {0};

	pbuild_string(&a, 1, name);
	pbuild_float(&a, 2, value);
	pbuild_int(&a, 20, ATTR_FLOAT);
	pbuild_message(&o->attrs, 5, &a);
}

void one_op_floats(struct one_op *o, const char *name, int count, const float *values)
{
	struct pbuild a = {0};

	pbuild_string(&a, 1, name);
	for (int i = 0; i < count; i++)
		pbuild_float(&a, 7, values[i]);
	pbuild_int(&a, 20, ATTR_FLOATS);
	pbuild_message(&o->attrs, 5, &a);
}

void one_op_string(struct one_op *o, const char *name, const char *value)
{
	struct pbuild a = {0};

	pbuild_string(&a, 1, name);
	pbuild_string(&a, 4, value);
	pbuild_int(&a, 20, ATTR_STRING);
	pbuild_message(&o->attrs, 5, &a);
}

static void name_input(struct one_op *o, bool given, char name[16])
{
	size_t at = strlen(o->inputs);

	ck_assert_int_lt(o->names, 100);
	snprintf(name, 16, given ? "i%d" : "-", o->names++);
	snprintf(o->inputs + at, sizeof(o->inputs) - at, "%s%s", at ? " " : "", name);
}

void one_op_in(struct one_op *o, enum rt_dtype t, int rank, const int64_t *dims, const void *data)
{
	struct rt_tensor *in = &o->in[o->in_count++];
	char name[16];
	size_t bytes;

	ck_assert_int_le(o->in_count, ONE_OP_MAX);
	in->dtype = t;
	in->shape.rank = rank;
	for (int i = 0; i < rank; i++)
		in->shape.dims[i] = dims[i];
	bytes = rt_tensor_bytes(in);
	in->data = malloc(bytes ? bytes : 1);
	ck_assert_ptr_nonnull(in->data);
	memcpy(in->data, data, bytes);
	name_input(o, true, name);
	pbuild_input(&o->m, name, onnx_type(t), rank, dims);
}

void one_op_const(struct one_op *o, enum rt_dtype t, int rank, const int64_t *dims,
		  const void *data)
{
	struct rt_tensor of = {.dtype = t, .shape.rank = rank};
	struct pbuild p = {0};
	char name[16];

	for (int i = 0; i < rank; i++)
		of.shape.dims[i] = dims[i];
	name_input(o, true, name);
	pbuild_tensor(&p, name, onnx_type(t), rank, dims, data, rt_tensor_bytes(&of));
	pbuild_init(&o->m, &p);
}

void one_op_left_out(struct one_op *o)
{
	char name[16];
	name_input(o, false, name);
}

void one_op_skip_outputs(struct one_op *o, unsigned mask)
{
	o->skipped = mask;
}

static int open_and_run(struct one_op *o, const char *op, int outputs)
{
	struct rt_model_opts opts = {.cpu_level = rt_cpu_best()};
	char names[ONE_OP_MAX * 4] = "";
	int status;

	for (int i = 0; i < outputs; i++) {
		char name[16];
		snprintf(name, sizeof(name), o->skipped >> i & 1 ? "-" : "o%d", i);
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? " " : "",
			 name);
	}
	pbuild_node(&o->m, op, o->inputs, names, &o->attrs);
	for (int i = 0; i < outputs; i++) {
		char name[16];
		snprintf(name, sizeof(name), "o%d", i);
		if (o->skipped >> i & 1)
			continue;
		pbuild_output(&o->m, name, 0);
	}
	o->team = rt_team_new(2);
	ck_assert_ptr_nonnull(o->team);
	status = rt_model_open(pbuild_finish(&o->m), &opts, &o->model, &o->err);
	if (status == RT_OK)
		status = rt_session_open(o->model, o->team, &o->session, &o->err);
	if (status == RT_OK)
		status = rt_session_run(o->session, o->in, o->out, NULL, NULL, &o->err);
	for (int i = 0; i < o->in_count; i++)
		free(o->in[i].data);
	return status;
}

void one_op_run(struct one_op *o, const char *op, int outputs)
{
	int status = open_and_run(o, op, outputs);
	ck_assert_msg(status == RT_OK, "%s: %s", op, o->err.text);
}

void one_op_refused(struct one_op *o, const char *op, const char *says)
{
	int status = open_and_run(o, op, 1);
	ck_assert_msg(status != RT_OK, "%s is not refused", op);
	ck_assert_msg(strstr(o->err.text, says) != NULL, "%s: '%s' does not say '%s'", op,
		      o->err.text, says);
}

void one_op_near(const struct one_op *o, int i, const double *want, int64_t n, double error)
{
	const struct rt_tensor *t = &o->out[i];

	ck_assert_int_eq(rt_tensor_elems(t), n);
	for (int64_t k = 0; k < n; k++) {
		double got = rt_convert_get_f64(t, k), limit = error * fmax(1, fabs(want[k]));
		ck_assert_msg(got >= want[k] - limit && got <= want[k] + limit,
			      "output %d, element %lld is %.9g, not %.9g", i, (long long)k, got,
			      want[k]);
	}
}

void one_op_shape(const struct one_op *o, int i, int rank, ...)
{
	va_list ap;

	ck_assert_int_eq(o->out[i].shape.rank, rank);
	va_start(ap, rank);
	for (int d = 0; d < rank; d++)
		ck_assert_int_eq(o->out[i].shape.dims[d], va_arg(ap, int));
	va_end(ap);
}

static uint32_t next(void)
{
	static uint32_t state = 1;

	state = state * 1103515245u + 12345u;
	return state >> 8;
}

double one_op_random(void)
{
	return next() / (double)(1 << 23) - 1;
}

int one_op_random_int(int below)
{
	return (int)(next() % (unsigned)below);
}
