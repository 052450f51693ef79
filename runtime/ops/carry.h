/* SPDX-License-Identifier: MIT */
/*
 * carry.h — what Loop and Scan keep between two runs of their body: the body's
 * outputs are only borrowed, so they are copied.
 */
#ifndef LARDER_RUNTIME_OPS_CARRY_H
#define LARDER_RUNTIME_OPS_CARRY_H

#include "runtime/op.h"

/* Values handed from one iteration to the next. */
struct rt_carry {
	struct rt_eval *eval;
	int count;
	struct rt_tensor *now; /* [count]: what the next iteration gets */
	void **buffer[2];      /* [count] each: filled in turn, so that values may change places */
	size_t *size[2];
	struct rt_shared **held[2]; /* [count] each: values that are no tensors are not copied */
	int turn;
};

/* rt_carry_start(c, e, count, err): borrows ${e}; now[] is the caller's to fill. */
int rt_carry_start(struct rt_carry *c, struct rt_eval *e, int count, struct rt_error *err);
/* rt_carry_next(c, outputs, err): now[i] = a copy of outputs[i]. */
int rt_carry_next(struct rt_carry *c, const struct rt_tensor *outputs, struct rt_error *err);
void rt_carry_release(struct rt_carry *c);

/* rt_carry_output(e, i, t, err): output ${i} of the node = a copy of ${t}; nothing if it is not
 * wanted. */
int rt_carry_output(struct rt_eval *e, int i, const struct rt_tensor *t, struct rt_error *err);
/* rt_carry_copy(e, t, to, err): the elements of ${t}, strings with their bytes. */
int rt_carry_copy(struct rt_eval *e, const struct rt_tensor *t, void *to, struct rt_error *err);

/* Slices of one output, one per iteration, of equal type and shape. */
struct rt_carry_stack {
	struct rt_shape shape; /* of a slice; rank −1 before the first */
	enum rt_dtype dtype;
	char *data;
	size_t bytes, room;
	int64_t count;
};
int rt_carry_stack_push(struct rt_carry_stack *s, struct rt_eval *e, const struct rt_tensor *slice,
			struct rt_error *err);
/* rt_carry_stack_output(s, e, i, otherwise, err): [count][shape] as output ${i}; ${otherwise} is
 * the shape of a slice when there was none. */
int rt_carry_stack_output(struct rt_carry_stack *s, struct rt_eval *e, int i,
			  const struct rt_shape *otherwise, struct rt_error *err);
void rt_carry_stack_release(struct rt_carry_stack *s, struct rt_eval *e);

#endif
