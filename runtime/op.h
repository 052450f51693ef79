/* SPDX-License-Identifier: MIT */
/*
 * op.h — what an operator is.  Included by ops/<family>.c, model.c, session.c.
 *
 * Life of a node:
 *
 *	type    at load: element types of the outputs
 *	bind    once per model: read attributes, pack weights, choose kernels
 *	infer   once per input shapes: shapes of the outputs, scratch, per-shape tables
 *	run     hot: no allocation, no lookup, no failure but bad data in the tensors
 *	done    when the model closes
 *
 * or, for operators whose output shapes only their own work can tell (NonZero,
 * If, Loop, sequences): type, bind, eval, done.  Such a node, and a node whose
 * infer needs the value of an input that only a run can give, ends a segment of
 * the plan: what comes before it is run first, then it is inferred or evaluated.
 *
 * Nodes whose inputs are all known when the plan is made (constants, Shape and
 * what is computed from it) and whose outputs are small are run then, with the
 * ordinary infer and run; their outputs are values that later infers can read.
 *
 * `state` belongs to the node and the model (written by bind, then read-only:
 * several sessions use it at once).  `shape_state` belongs to one plan (written
 * by infer, read by run).
 */
#ifndef LARDER_RUNTIME_OP_H
#define LARDER_RUNTIME_OP_H

#include "runtime/graph.h"
#include "runtime/kernels/kernels.h"
#include "runtime/team.h"
#include "runtime/tensor.h"

#define RT_VARIADIC 127 /* in_max, out_max: any number */

/* What bind sees.  Everything is borrowed for the call. */
struct rt_bind {
	const struct rt_graph *graph;
	const struct rt_node *node;
	const struct rt_kernels *kernels; /* valid as long as the model */
	struct rt_memory *memory;         /* for rt_bind_alloc */
	struct rt_pack *pack;             /* for rt_bind_packed; NULL: as rt_bind_alloc */
	struct rt_trim *trim;             /* for rt_bind_unread; NULL: nothing is given back */
	void *state;                      /* [op->state_bytes], zeroed, aligned 64 */
	uint32_t dropped;                 /* by rt_bind_drop */
};
/* rt_bind_constant(b, i): the tensor of input ${i} if it is a constant, else NULL. */
const struct rt_tensor *rt_bind_constant(const struct rt_bind *b, int i);
bool rt_bind_has(const struct rt_bind *b, int i); /* whether optional input ${i} is given */
/*
 * rt_bind_alloc(b, bytes): memory that lives as long as the model: zeroed, aligned to 64,
 * freed with the model; NULL when out of memory or budget.
 */
void *rt_bind_alloc(struct rt_bind *b, size_t bytes);
/*
 * rt_bind_packed(b, bytes, ret_fill): the same for packed weights, which an image of the model may
 * hold already (pack.h): *ret_fill is NULL then, else where they are to be packed to.  They must
 * follow from the model and the kernels alone, and must be numbers that a kernel cannot go astray
 * by.  A change of what is packed counts RT_PACK_VERSION up.
 */
const void *rt_bind_packed(struct rt_bind *b, size_t bytes, void **ret_fill);
/*
 * rt_bind_drop(b, i): nothing of this node reads the data of constant input ${i}
 * (< 32) after bind (it is packed); its memory may be given back.  infer and run
 * still see its shape, and data that is not NULL and must not be read.
 */
void rt_bind_drop(struct rt_bind *b, int i);
/*
 * rt_bind_unread(b, i, from, bytes): this node has packed these bytes of constant input ${i} and
 * will drop it.  Called on the way through large weights, so that they are not in memory twice.
 */
void rt_bind_unread(struct rt_bind *b, int i, size_t from, size_t bytes);

/* What infer sees and fills. */
struct rt_infer {
	const struct rt_node *node;
	const void *state;
	int in_count, out_count;
	/* [in_count]; shapes are complete; dtype RT_NONE = left out; data is set for constants and
	 * for every input in op->value_inputs, else NULL. */
	const struct rt_tensor *in;
	/* [out_count]; dtype is set already (dtype RT_NONE = nobody wants it); infer writes
	 * ->shape. */
	struct rt_tensor *out;
	size_t scratch_bytes;     /* written by infer: memory of run, one block, aligned 64 */
	int threads;              /* of the team that will run it */
	struct rt_memory *memory; /* for rt_infer_alloc */
	void *shape_state;        /* written by infer, handed to run */
};
/* rt_infer_alloc(f, bytes): zeroed, aligned to 64, freed with the plan; NULL when out of memory. */
void *rt_infer_alloc(struct rt_infer *f, size_t bytes);

/* What run sees. */
struct rt_run {
	const struct rt_node *node;
	const void *state;
	const void *shape_state;
	int in_count, out_count;
	const struct rt_tensor *in;  /* [in_count]; data NULL = left out */
	const struct rt_tensor *out; /* [out_count]; data NULL = nobody wants it */
	void *scratch;               /* [scratch_bytes] of infer */
	struct rt_team *team;
	struct rt_fault *fault; /* for rt_run_fault */
};
/*
 * rt_run_fault(r, fmt, …): the data are bad (an index out of range): the run
 * stops after this step with RT_DATA.  The first one wins; any thread of the
 * team may call it.  The operator must still not touch memory outside its
 * tensors, and may leave its outputs as they are.
 */
void rt_run_fault(const struct rt_run *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* What eval sees: like run, but it makes its outputs itself.  See session.c. */
struct rt_eval {
	struct rt_run run;        /* ->out is not set */
	struct rt_tensor *out;    /* [out_count]: eval calls rt_eval_output */
	struct rt_memory *memory; /* freed with the run; counts against the budget */
	struct rt_frame *frame;   /* for rt_eval_subgraph */
};
/* rt_eval_output(e, i, shape): allocate output ${i} (dtype is set); its data, or NULL: no budget.
 */
void *rt_eval_output(struct rt_eval *e, int i, const struct rt_shape *shape);

/*
 * Outputs that are no tensors.  rt_eval_list(e, i, count): output ${i} is a new
 * list, to be filled with the three that follow, all at once or the list is not
 * finished; NULL: no budget.  rt_eval_item: room for item ${k}, a tensor that the
 * caller writes.  rt_eval_item_copy: a copy of any value.  rt_eval_item_share:
 * item ${k} is item ${from_k} of a list that the node was given or made.
 */
struct rt_shared; /* who keeps a list alive: list.h */
struct rt_list *rt_eval_list(struct rt_eval *e, int i, int64_t count);
/* rt_eval_new_list(e, count): the same for a list that is to be an item of another. */
struct rt_list *rt_eval_new_list(struct rt_eval *e, int64_t count);
void *rt_eval_item(struct rt_eval *e, struct rt_list *l, int64_t k, enum rt_dtype t,
		   const struct rt_shape *shape);
bool rt_eval_item_copy(struct rt_eval *e, struct rt_list *l, int64_t k, const struct rt_tensor *t);
void rt_eval_item_share(struct rt_list *l, int64_t k, const struct rt_list *from, int64_t from_k);
/* rt_eval_give(e, i, l), _give_item(e, i, l, k): output ${i} is the list ${l} or item ${k} of it,
 * which the node was given, uncopied; false when out of memory. */
bool rt_eval_give(struct rt_eval *e, int i, const struct rt_list *l);
bool rt_eval_give_item(struct rt_eval *e, int i, const struct rt_list *l, int64_t k);
/* rt_eval_hold(l), rt_eval_drop(e, held): a list that an eval keeps from one run of a sub-graph to
 * the next. */
struct rt_shared *rt_eval_hold(const struct rt_list *l);
void rt_eval_drop(struct rt_eval *e, struct rt_shared *held);
/* rt_eval_convert(e, t, want): ${t} as a value of type ${want} where one of the two is an optional
 * of the other; false when it is none, or out of memory. */
bool rt_eval_convert(struct rt_eval *e, struct rt_tensor *t, enum rt_dtype want);
/* rt_eval_count(e, bytes), _uncount: memory that an eval takes from the system itself. */
bool rt_eval_count(struct rt_eval *e, size_t bytes);
void rt_eval_uncount(struct rt_eval *e, size_t bytes);

/*
 * rt_eval_subgraph(e, sub, inputs, outputs, err): run the sub-graph of one of
 * the node's attributes.  ${inputs}: one per input of ${sub}, in order, types
 * and shapes as the operator wants them (the runtime checks the types);
 * ${outputs} gets one per output, borrowed until ${sub} runs again or the eval
 * returns.  Values of outer scopes are handed in by the runtime.
 */
int rt_eval_subgraph(struct rt_eval *e, const struct rt_graph *sub, const struct rt_tensor *inputs,
		     struct rt_tensor *outputs, struct rt_error *err) RT_MUST_CHECK;

typedef int rt_op_type_f(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			 struct rt_error *err);
typedef int rt_op_bind_f(struct rt_bind *b, struct rt_error *err);
typedef int rt_op_infer_f(struct rt_infer *f, struct rt_error *err);
typedef void rt_op_run_f(const struct rt_run *r);
typedef int rt_op_eval_f(struct rt_eval *e, struct rt_error *err);
typedef void rt_op_done_f(void *state);

struct rt_op {
	uint8_t in_min, in_max, out_min, out_max; /* RT_VARIADIC */
	uint32_t value_inputs; /* bit i: infer needs the value of input i (Reshape's shape) */
	uint32_t alias_inputs; /* bit i: output 0 may take input i's memory if bytes are equal: run
				* reads element k of that input before it writes element k, and no
				* other element afterwards */
	uint32_t unaligned_inputs; /* bit i: constant input i may be float32 at any address, if its
				    * rank is 2 or more (settle.h) */
	bool shapes_only; /* run reads the shapes of its inputs, never their data (Shape, Size) */
	bool is_random;   /* two runs differ: never folded (RandomNormal, Multinomial) */
	bool is_view;     /* output 0 has input 0's bytes (Reshape, Identity): never run */
	bool takes_lists; /* inputs and outputs may be sequences, optionals, maps; the types of the
			   * row are then those of what is in them */
	size_t state_bytes;
	rt_op_type_f *type;   /* NULL: every output has the type of input 0 */
	rt_op_bind_f *bind;   /* NULL: nothing to read */
	rt_op_infer_f *infer; /* NULL only where eval is set */
	rt_op_run_f *run;     /* NULL where eval is set or is_view */
	rt_op_eval_f *eval;
	rt_op_done_f *done; /* NULL: nothing to release */
};

/* One row of ops.def. */
struct rt_op_row {
	const char *op_type;
	enum rt_domain domain;
	int64_t since, last; /* opset range, inclusive */
	const struct rt_op *op;
	uint32_t dtypes; /* element types that inputs bound to T may have (RT_M bits): checked for
			  * input 0, or the input named in the row */
	int dtype_input; /* which input the mask is checked for; −1: output 0 */
};
#define RT_LATEST INT64_MAX

/* rt_op_find(domain, op_type, opset): the row, or NULL.  op_table.c. */
const struct rt_op_row *rt_op_find(enum rt_domain domain, const char *op_type, int64_t opset);
/* rt_op_known(domain, op_type): whether any row has that name (for messages). */
bool rt_op_known(enum rt_domain domain, const char *op_type);
size_t rt_op_count(void);
const struct rt_op_row *rt_op_row_get(size_t i);

/* ---- shared type rules (op_type.c) ----------------------------------------------------------- */
rt_op_type_f rt_op_type_same;     /* outputs = input 0 */
rt_op_type_f rt_op_type_second;   /* outputs = input 1 (Where, Loop-like) */
rt_op_type_f rt_op_type_bool;     /* comparisons */
rt_op_type_f rt_op_type_i64;      /* Shape, Size, ArgMax */
rt_op_type_f rt_op_type_to;       /* attribute `to` (Cast) */
rt_op_type_f rt_op_type_value;    /* attribute `value` (Constant, ConstantOfShape: default f32) */
rt_op_type_f rt_op_type_same_i64; /* output 0 = input 0, output 1 = int64 (TopK, MaxPool) */

/* ---- shared shape rules (op_shape.c) ----------------------------------------------------------
 */
/* rt_op_broadcast(in, count, out): ONNX multidirectional broadcasting of shapes. */
bool rt_op_broadcast(const struct rt_shape *const *in, int count, struct rt_shape *out);
/* rt_op_axis(axis, rank, out): −rank ≤ axis < rank → 0..rank−1; false otherwise. */
bool rt_op_axis(int64_t axis, int rank, int *out);
rt_op_infer_f rt_op_infer_same; /* output shapes = shape of input 0 */
/* rt_op_ints(t, out, max, ret_count): an int32/int64 tensor of rank ≤ 1 as int64s; false if not. */
bool rt_op_ints(const struct rt_tensor *t, int64_t *out, int max, int *ret_count);

#endif
