/* SPDX-License-Identifier: MIT */
/*
 * one_op.h — runs one operator: a model of one node is built, opened and run,
 * and its outputs are compared with numbers that the test has computed itself.
 * For tests only; everything that goes wrong fails the test.
 *
 *	struct one_op o;
 *	one_op_begin(&o, "com.microsoft", 1);
 *	one_op_int(&o, "num_heads", 2);
 *	one_op_in(&o, RT_F32, 2, (int64_t[]){2, 3}, x);
 *	one_op_left_out(&o);
 *	one_op_run(&o, "FastGelu", 1);
 *	one_op_near(&o, 0, want, 6, 1e-5);
 *	one_op_end(&o);
 */
#ifndef LARDER_TESTS_RUNTIME_ONE_OP_H
#define LARDER_TESTS_RUNTIME_ONE_OP_H

#include "runtime/runtime.h"
#include "tests/lib/pbuild.h"

#define ONE_OP_MAX 16

struct one_op {
	struct pbuild m, attrs;
	char inputs[256];
	int names;                       /* of inputs so far, given or left out */
	struct rt_tensor in[ONE_OP_MAX]; /* what is given at run time */
	int in_count;
	unsigned skipped; /* outputs */
	struct rt_tensor out[ONE_OP_MAX];
	struct rt_model *model;
	struct rt_session *session;
	struct rt_team *team;
	struct rt_error err;
};

/* one_op_begin(o, domain, opset): ${opset} is that of ${domain}; "" is ai.onnx. */
void one_op_begin(struct one_op *o, const char *domain, int64_t opset);
void one_op_end(struct one_op *o);

void one_op_int(struct one_op *o, const char *name, int64_t value);
void one_op_ints(struct one_op *o, const char *name, int count, const int64_t *values);
void one_op_float(struct one_op *o, const char *name, float value);
void one_op_floats(struct one_op *o, const char *name, int count, const float *values);
void one_op_string(struct one_op *o, const char *name, const char *value);

/* The next input: given at run time (data borrowed until the end), an initialiser, or left out. */
void one_op_in(struct one_op *o, enum rt_dtype t, int rank, const int64_t *dims, const void *data);
void one_op_const(struct one_op *o, enum rt_dtype t, int rank, const int64_t *dims,
		  const void *data);
void one_op_left_out(struct one_op *o);

/* one_op_skip_outputs(o, mask): of the next run's outputs those are left out (bit i: output i); the
 * others are o->out[0], [1], … */
void one_op_skip_outputs(struct one_op *o, unsigned mask);
/* one_op_run(o, op, outputs): opens and runs; o->out[0 … outputs−1] are set. */
void one_op_run(struct one_op *o, const char *op, int outputs);
/* one_op_refused(o, op, says): opening or running fails with a text that holds ${says}. */
void one_op_refused(struct one_op *o, const char *op, const char *says);

/* Output ${i} has ${n} elements, each within ${error} of want, relative above 1. */
void one_op_near(const struct one_op *o, int i, const double *want, int64_t n, double error);
/* Output ${i} has the shape given by the varargs (int). */
void one_op_shape(const struct one_op *o, int i, int rank, ...);

/* Numbers that look random and are the same each time: −1 … 1, and 0 … below−1. */
double one_op_random(void);
int one_op_random_int(int below);

#endif
