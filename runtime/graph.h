/* SPDX-License-Identifier: MIT */
/*
 * graph.h — the internal graph: what a front end (onnx.c) makes, the passes
 * (pass_*.c) change, model.c binds and session.c plans.  Private to runtime/.
 *
 * A graph is a list of values and a list of nodes.  A value is a name for a
 * tensor: produced by one node, an input of the graph, or a constant.  Values
 * and nodes are referred to by index, so that passes can grow the arrays.
 * After onnx.c the nodes are in topological order, and every pass keeps it so.
 *
 * Memory.  Everything a graph holds that is not a view into the model's bytes
 * is allocated with rt_graph_alloc and freed with the graph; passes never free.
 * Sub-graphs take theirs from the outermost graph and go with it.
 *
 * Rows of passes.def are expanded at the end.
 */
#ifndef LARDER_RUNTIME_GRAPH_H
#define LARDER_RUNTIME_GRAPH_H

#include "runtime/memory.h"
#include "runtime/tensor.h"

struct rt_kernels;
struct rt_op;

/* Domains are indices; the front end maps names to them. */
enum rt_domain {
	RT_ONNX,     /* "" and "ai.onnx" */
	RT_ML,       /* "ai.onnx.ml" */
	RT_MS,       /* "com.microsoft" */
	RT_TRAINING, /* "ai.onnx.preview.training" */
	RT_PREVIEW,  /* "ai.onnx.preview" */
	RT_LARDER,   /* internal operators that passes and other front ends make (ops.def) */
	RT_OTHER,    /* anything else: never supported, kept for the message */
	RT_DOMAIN_COUNT
};
const char *rt_domain_name(enum rt_domain d);
/* rt_domain_of(name): RT_OTHER when larder has no operators of it. */
enum rt_domain rt_domain_of(const char *name);

enum rt_attr_kind {
	RT_ATTR_INT,
	RT_ATTR_FLOAT,
	RT_ATTR_STRING,
	RT_ATTR_TENSOR,
	RT_ATTR_INTS,
	RT_ATTR_FLOATS,
	RT_ATTR_STRINGS,
	RT_ATTR_GRAPH,
	RT_ATTR_TYPE, /* type_proto */
	RT_ATTR_REF,  /* ref_attr_name inside a model-local function */
};
struct rt_attr {
	const char *name;
	enum rt_attr_kind kind;
	int64_t count; /* of ints, floats, strings */
	union {
		int64_t i;
		float f;
		struct rt_str s;
		const int64_t *ints;          /* [count] */
		const float *floats;          /* [count] */
		const struct rt_str *strings; /* [count] */
		struct rt_tensor tensor;
		struct rt_graph *graph; /* a sub-graph (If, Loop, Scan) */
		enum rt_dtype type;     /* RT_NONE: none that is known */
	};
};

#define RT_NO_VALUE (-1) /* an input or output that is left out */
/* A string attribute of a node of RT_OTHER: why it cannot run, instead of "no such operator". */
#define RT_ATTR_WHY "larder.why"

struct rt_value {
	const char *name;    /* for messages; "" for values that passes made */
	enum rt_dtype dtype; /* RT_NONE until types.c has run, for what the file does not declare */
	struct rt_shape shape; /* as declared, −1 where free; rank −1 = not declared.  Only that of
				* a constant is certain: what a file says of others may be wrong */
	const char *dim_names[RT_RANK_MAX];
	int producer;     /* node index; −1: graph input, constant or outer scope */
	bool is_constant; /* ${constant} holds its tensor */
	bool is_input, is_output;
	bool is_defined;           /* while the file is read: something makes it */
	struct rt_tensor constant; /* view into the file, or rt_graph_alloc'ed */
	int outer; /* in a sub-graph: index of the value of the parent that it stands for; −1 */
};

struct rt_node {
	const char *name; /* for messages; may be "" */
	const char *op_type;
	const char *domain_name; /* as in the file, for messages */
	enum rt_domain domain;
	int64_t opset; /* version of its domain */
	int in_count, out_count;
	int *in, *out; /* value indices or RT_NO_VALUE */
	int attr_count;
	struct rt_attr *attrs;
	const struct rt_op *op; /* set by rt_graph_resolve; NULL before */
	uint32_t dtypes;        /* of its row; set with op */
	int dtype_input;        /* of its row */
	void *state;            /* op->state_bytes, written by bind (bind.c) */
	uint32_t dropped;       /* bit i: nobody reads the data of constant input i (bind.c) */
	bool dead;              /* taken out by a pass; rt_graph_compact removes it */
};

struct rt_graph {
	struct rt_graph *parent; /* of a sub-graph */
	int64_t opset[RT_DOMAIN_COUNT];
	struct rt_value *values;
	int value_count, value_cap;
	struct rt_node *nodes;
	int node_count, node_cap;
	int *inputs, *outputs; /* value indices, in the model's order */
	int input_count, output_count;
	struct rt_memory memory; /* of rt_graph_alloc, which keeps to its budget; in sub-graphs
				  * not used */
	const struct rt_kernels *kernels; /* that the model will run with; for passes */
	int depth;                        /* 0: the model's graph; of its sub-graphs 1, … */
};

/* rt_graph_new: NULL when out of memory. */
struct rt_graph *rt_graph_new(void);
/* rt_graph_new_child(parent): a sub-graph, freed with the outermost graph. */
struct rt_graph *rt_graph_new_child(struct rt_graph *parent);
void rt_graph_free(struct rt_graph *g); /* NULL is allowed; sub-graphs in attributes go with it */
/* rt_graph_alloc(g, size): zeroed, aligned to 64, freed with the graph; NULL when out of memory
 * or budget. */
void *rt_graph_alloc(struct rt_graph *g, size_t size_bytes);
char *rt_graph_strdup(struct rt_graph *g, const char *s, size_t len);

/* rt_graph_add_value / _add_node: the index, or −1 when out of memory.  Pointers into the arrays
 * that were taken before are invalid afterwards. */
int rt_graph_add_value(struct rt_graph *g, const char *name, enum rt_dtype dtype);
int rt_graph_add_constant(struct rt_graph *g, const char *name, const struct rt_tensor *t);
/* The node is appended; the caller puts it in order with rt_graph_sort if that is not the end. */
int rt_graph_add_node(struct rt_graph *g, enum rt_domain domain, const char *op_type, int in_count,
		      int out_count, int attr_count);
/* rt_graph_sort(g, err): topological order; RT_MALFORMED names a value on a cycle. */
int rt_graph_sort(struct rt_graph *g, struct rt_error *err) RT_MUST_CHECK;
/* rt_graph_compact(g): drop dead nodes, and nodes nothing needs; keeps the order. */
void rt_graph_compact(struct rt_graph *g);
/* rt_graph_use_count(g, value): how many node inputs name it, + 1 if it is a graph output (also
 * counts uses in sub-graphs). */
int rt_graph_use_count(const struct rt_graph *g, int value);
/* rt_graph_count_uses(g, counts): the same for every value at once; ${counts} has value_count
 * entries. */
void rt_graph_count_uses(const struct rt_graph *g, int *counts);

/*
 * What a node reads: its inputs, and the values of ${g} that its sub-graphs
 * stand on.
 *
 *	struct rt_uses u = rt_graph_uses(&g->nodes[i]);
 *	int v;
 *	while ((v = rt_graph_next_use(&u)) != RT_NO_VALUE)
 *		…
 */
struct rt_uses {
	const struct rt_node *node;
	int input, attr, value; /* where the walk is */
};
struct rt_uses rt_graph_uses(const struct rt_node *n);
int rt_graph_next_use(struct rt_uses *u);

/* rt_graph_replace_uses(g, from, to): every node input and graph output that is ${from} is ${to}.
 */
void rt_graph_replace_uses(struct rt_graph *g, int from, int to);

/* rt_node_label(n, buf, size): "node 'conv1' (Conv)" for messages; returns ${buf}. */
char *rt_node_label(const struct rt_node *n, char *buf, size_t size);

/* Attributes of a node; the default when it has none of that name. */
const struct rt_attr *rt_node_attr(const struct rt_node *n, const char *name); /* NULL = none */
int64_t rt_node_int(const struct rt_node *n, const char *name, int64_t otherwise);
float rt_node_float(const struct rt_node *n, const char *name, float otherwise);
/* rt_node_ints: pointer to ${*count} ints, or NULL with *count = 0. */
const int64_t *rt_node_ints(const struct rt_node *n, const char *name, int64_t *count);
bool rt_node_string_is(const struct rt_node *n, const char *name, const char *is,
		       const char *otherwise);

/*
 * rt_graph_resolve(g, err): find the ops.def row of every node (sub-graphs
 * too), infer element types in order, and collect everything that has no row or
 * whose types are not in it: RT_UNSUPPORTED with the whole list, grouped by
 * (operator, domain, opset, dtype), naming nodes.
 */
int rt_graph_resolve(struct rt_graph *g, struct rt_error *err) RT_MUST_CHECK;

/* ---- passes: one file each, pass_<name>.c, listed in passes.def in the order they run ------- */

/* A pass changes the graph and leaves it sorted and resolved.  It never fails on a legal graph but
 * for lack of memory, and an optimisation that does not apply is simply not done. */
typedef int rt_pass_f(struct rt_graph *g, struct rt_error *err);

#define PASS(name, always, each) rt_pass_f rt_pass_##name;
#include "runtime/passes.def"
#undef PASS

/* rt_graph_optimise(g, all, err): run the passes of passes.def in order; without ${all} only
 * those that are always needed. */
int rt_graph_optimise(struct rt_graph *g, bool all, struct rt_error *err) RT_MUST_CHECK;

#endif
