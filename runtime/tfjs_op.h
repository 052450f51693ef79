/* SPDX-License-Identifier: MIT */
/*
 * tfjs_op.h — one node of a graph model while it is lowered.  Between
 * tfjs_graph.c, which walks the nodes, and tfjs_op_*.c, which know them.
 */
#ifndef LARDER_RUNTIME_TFJS_OP_H
#define LARDER_RUNTIME_TFJS_OP_H

#include "runtime/tfjs_reader.h"

#define RT_TFJS_CALLS_MAX 16 /* of functions in functions */
#define RT_TFJS_TEXT_MAX 256 /* bytes of a string attribute */

struct rt_tfjs_op {
	struct rt_tfjs *t;
	struct rt_lower *l; /* &t->l */
	const char *op;     /* TensorFlow's name */
	const char *to;     /* third column of tfjs_ops.def */
	const struct rt_json *attr;
	int in_count, *in;   /* values; as many as the node has */
	int out_count, *out; /* filled with rt_tfjs_op_give; room for RT_TFJS_ARGS_MAX */
	bool missing;        /* rt_tfjs_op_missing has been called */
	int calls;           /* how many functions the node is in */
};

/* rt_tfjs_op_give(c, v): ${v} is the next output. */
void rt_tfjs_op_give(struct rt_tfjs_op *c, int v);
/* rt_tfjs_op_missing(c, why): the node cannot run; the model is refused with the whole list. */
void rt_tfjs_op_missing(struct rt_tfjs_op *c, const char *why);

/* rt_tfjs_op_is_complex(t, v): ${v} of the graph at hand is of complex numbers.
 * rt_tfjs_op_takes_complex(op): that operator can have such an input. */
bool rt_tfjs_op_is_complex(const struct rt_tfjs *t, int v);
bool rt_tfjs_op_takes_complex(const char *op);

/* Attributes; the default where the node has none of that name or it is something else. */
int64_t rt_tfjs_op_int(const struct rt_tfjs_op *c, const char *name, int64_t otherwise);
float rt_tfjs_op_float(const struct rt_tfjs_op *c, const char *name, float otherwise);
bool rt_tfjs_op_bool(const struct rt_tfjs_op *c, const char *name, bool otherwise);
/* A list of ints: its count, 0 when there is none, −1 when it is longer than ${max}. */
int rt_tfjs_op_ints(const struct rt_tfjs_op *c, const char *name, int max, int64_t *out);
/* RT_NONE: not given, or a type that has no tensors here. */
enum rt_dtype rt_tfjs_op_dtype(const struct rt_tfjs_op *c, const char *name);
/* The string into ${out}, or "" when there is none. */
void rt_tfjs_op_text(const struct rt_tfjs_op *c, const char *name, char out[RT_TFJS_TEXT_MAX]);
/* Item ${i} of a list of strings, "" when there is none. */
void rt_tfjs_op_text_at(const struct rt_tfjs_op *c, const char *name, int i,
			char out[RT_TFJS_TEXT_MAX]);
/* The name of a function in an attribute; bytes NULL: none. */
struct rt_str rt_tfjs_op_func(const struct rt_tfjs_op *c, const char *name);
/* rt_tfjs_op_type(type): DT_FLOAT or 1 → RT_F32; int64 and the small ones are int32, as in
 * TensorFlow.js. */
enum rt_dtype rt_tfjs_op_type(const struct rt_json *type);

/* Input ${i} or RT_NO_VALUE. */
int rt_tfjs_op_in(const struct rt_tfjs_op *c, int i);
/* rt_tfjs_op_i64(c, i, rank): input ${i}, whole numbers, as int64 of rank 0 or 1. */
int rt_tfjs_op_i64(struct rt_tfjs_op *c, int i, int rank);
/* rt_tfjs_op_numbers(c, i, max, out): input ${i} if it is known: its count, else −1. */
int rt_tfjs_op_numbers(const struct rt_tfjs_op *c, int i, int max, int64_t *out);
/* The same for one number. */
bool rt_tfjs_op_number(const struct rt_tfjs_op *c, int i, int64_t *out);
/* The shape of a value as int64[rank]. */
int rt_tfjs_op_shape(struct rt_tfjs_op *c, int v);

/*
 * rt_tfjs_graph_call(c, name, count, args, outs): put a function of the library in
 * place, into the graph at hand; ${outs} gets up to ${max} outputs; their count, or −1.
 */
int rt_tfjs_graph_call(struct rt_tfjs_op *c, struct rt_str name, int count, const int *args,
		       int max, int *outs);

typedef void rt_tfjs_op_f(struct rt_tfjs_op *c);

/* operators that share a function declare it more than once, which C allows */
#define TFJS_OP(name, lower, to) rt_tfjs_op_f rt_tfjs_op_##lower;
#include "runtime/tfjs_ops.def"
#undef TFJS_OP

#endif
