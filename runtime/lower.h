/* SPDX-License-Identifier: MIT */
/*
 * lower.h — builds an internal graph (graph.h) out of what another format says.
 * For the front ends that are not ONNX (tfjs*.c, tflite*.c); private to runtime/.
 *
 *	struct rt_lower l;
 *	if (rt_lower_begin(&l, opts, "tensorflow", out, err) < 0) …
 *	l.at = "block/conv";                       names the nodes that follow
 *	int x = rt_lower_to_nchw(&l, v, 4);
 *	int y = rt_lower_op2(&l, "Conv", x, rt_lower_kernel(&l, w, RT_KERNEL_HWIO));
 *	rt_lower_set_ints(&l, "strides", 2, strides);      of the node added last
 *	…
 *	return rt_lower_end(&l);
 *
 * Values are indices into l->graph->values; RT_NO_VALUE is an input that is
 * left out.  The first error sticks: it is in l->status and *l->err, every call
 * after it does nothing and returns RT_NO_VALUE, so that lowering code is
 * straight.  What the format has and larder has not is no error but a node too
 * (rt_lower_missing): rt_graph_resolve lists them all at once.
 *
 * Nodes are to be added in topological order.  Strings that are handed in are
 * borrowed as long as the graph, unless a line below says "copied".
 */
#ifndef LARDER_RUNTIME_LOWER_H
#define LARDER_RUNTIME_LOWER_H

#include "runtime/graph.h"
#include "runtime/onnx.h"

#define RT_LOWER_OPSET 26     /* of ai.onnx, that the nodes follow */
#define RT_LOWER_DEPTH_MAX 32 /* of graphs in graphs */

struct rt_lower {
	struct rt_graph *graph; /* where values and nodes go: the model's, or a body */
	struct rt_graph *root;
	struct rt_error *err;
	int status;         /* RT_OK, or what went wrong first */
	const char *at;     /* name of the node that is being lowered; never NULL */
	const char *origin; /* domain in messages about what is missing: "tensorflow" */
	int last;           /* node added last, in ${graph}; −1 */
	int typed;          /* nodes of ${graph} whose types are known already */
	int total;          /* nodes in all graphs */
};

/*
 * rt_lower_begin(l, opts, origin, out, err): a new graph in *${out}, from the
 * beginning, for callers that are torn away (guard.h).  rt_lower_end(l, out):
 * l->status; the graph is freed and *${out} NULL unless that is RT_OK.
 */
int rt_lower_begin(struct rt_lower *l, const struct rt_onnx_opts *opts, const char *origin,
		   struct rt_graph **out, struct rt_error *err) RT_MUST_CHECK;
int rt_lower_end(struct rt_lower *l, struct rt_graph **out) RT_MUST_CHECK;
/* rt_lower_fail(l, status, fmt, …): note the error, with l->at before it, if it is the first;
 * returns RT_NO_VALUE. */
int rt_lower_fail(struct rt_lower *l, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* rt_lower_alloc(l, bytes): zeroed memory of the graph; NULL: the error is noted. */
void *rt_lower_alloc(struct rt_lower *l, size_t bytes);
const char *rt_lower_strdup(struct rt_lower *l, const char *s, size_t len); /* never NULL */

/* ---- values ---------------------------------------------------------------------------------- */

/* rt_lower_ports(l, inputs, outputs): room for that many in the graph at hand; call it first. */
void rt_lower_ports(struct rt_lower *l, int inputs, int outputs);
/* rt_lower_input(l, name, t, shape): the next input; ${shape} NULL = not declared; copied. */
int rt_lower_input(struct rt_lower *l, const char *name, enum rt_dtype t,
		   const struct rt_shape *shape);
/* rt_lower_output(l, v, name): ${v} is the next output and gets that name (through an Identity
 * where it has one already). */
void rt_lower_output(struct rt_lower *l, int v, const char *name);

/* A constant that is where it is (in the file, or memory of the graph); aligned for its type. */
int rt_lower_constant(struct rt_lower *l, const char *name, const struct rt_tensor *t);
int rt_lower_copy(struct rt_lower *l, const struct rt_tensor *t);   /* a copy of the data */
int rt_lower_i64s(struct rt_lower *l, int count, const int64_t *v); /* int64[count]; copied */
int rt_lower_i64(struct rt_lower *l, int64_t v);                    /* int64[1] */
/* rt_lower_scalar(l, t, v): rank 0, of type ${t} (real, integer or bool). */
int rt_lower_scalar(struct rt_lower *l, enum rt_dtype t, double v);
int rt_lower_f32(struct rt_lower *l, float v); /* rank 0 */

/* rt_lower_tensor(l, v): the data of a constant, or NULL.  rt_lower_ints: an int32 or int64
 * constant of rank ≤ 1 with at most ${max} elements as int64; the count, or −1 if it is none. */
const struct rt_tensor *rt_lower_tensor(const struct rt_lower *l, int v);
int rt_lower_ints(const struct rt_lower *l, int v, int max, int64_t *out);
/* rt_lower_dtype(l, v): as far as known, else RT_NONE; nodes so far are typed first. */
enum rt_dtype rt_lower_dtype(struct rt_lower *l, int v);
/* rt_lower_rank(l, v), _dim(l, v, axis): as declared with rt_lower_shape or of a constant; −1
 * where not known. */
int rt_lower_rank(const struct rt_lower *l, int v);
int64_t rt_lower_dim(const struct rt_lower *l, int v, int axis);
void rt_lower_shape(struct rt_lower *l, int v, const struct rt_shape *s);

/* ---- nodes ----------------------------------------------------------------------------------- */

/*
 * rt_lower_node(l, domain, op, in_count, in, out_count): a node with new output
 * values; the index of the first one, the others follow it.  Operators are of
 * RT_LOWER_OPSET, or the newest version of their domain.
 */
int rt_lower_node(struct rt_lower *l, enum rt_domain domain, const char *op, int in_count,
		  const int *in, int out_count);
/* The same for operators of ai.onnx with one output. */
int rt_lower_op1(struct rt_lower *l, const char *op, int a);
int rt_lower_op2(struct rt_lower *l, const char *op, int a, int b);
int rt_lower_op3(struct rt_lower *l, const char *op, int a, int b, int c);
int rt_lower_opn(struct rt_lower *l, const char *op, int count, const int *in);
/*
 * rt_lower_missing(l, op, why, in_count, in, out_count): what the format names
 * ${op} and larder cannot run; ${why} (copied) NULL: there is no such operator.
 * The model will be refused with all of these.  Returns as rt_lower_node.
 */
int rt_lower_missing(struct rt_lower *l, const char *op, const char *why, int in_count,
		     const int *in, int out_count);

/* Attributes of the node added last; data are copied. */
void rt_lower_set_int(struct rt_lower *l, const char *name, int64_t v);
void rt_lower_set_float(struct rt_lower *l, const char *name, float v);
void rt_lower_set_string(struct rt_lower *l, const char *name, const char *v);
void rt_lower_set_ints(struct rt_lower *l, const char *name, int count, const int64_t *v);
void rt_lower_set_floats(struct rt_lower *l, const char *name, int count, const float *v);
void rt_lower_set_strings(struct rt_lower *l, const char *name, int count, const char *const *v);
void rt_lower_set_tensor(struct rt_lower *l, const char *name, const struct rt_tensor *t);
void rt_lower_set_graph(struct rt_lower *l, const char *name, struct rt_graph *body);
void rt_lower_set_type(struct rt_lower *l, const char *name, enum rt_dtype t);

/* ---- bodies of If, Loop, Scan ---------------------------------------------------------------- */

/* rt_lower_enter(l): what follows goes into a new sub-graph of the graph at hand, until
 * rt_lower_leave, which returns it, to be an attribute.  Make the node of If or Loop after both. */
struct rt_lower_place {
	struct rt_graph *graph;
	int last, typed;
};
struct rt_lower_place rt_lower_enter(struct rt_lower *l);
struct rt_graph *rt_lower_leave(struct rt_lower *l, struct rt_lower_place place);
/* rt_lower_outer(l, v): in a sub-graph, a value that stands for ${v} of the graph around it. */
int rt_lower_outer(struct rt_lower *l, int v);

/* ---- what both front ends say often (lower_layout.c) ----------------------------------------- */

int rt_lower_cast(struct rt_lower *l, int x, enum rt_dtype to); /* ${x} itself if it is that */
int rt_lower_reshape(struct rt_lower *l, int x, int rank, const int64_t *dims); /* −1: the rest */
int rt_lower_squeeze(struct rt_lower *l, int x, int count, const int64_t *axes);
int rt_lower_unsqueeze(struct rt_lower *l, int x, int count, const int64_t *axes);
int rt_lower_transpose(struct rt_lower *l, int x, int rank, const int64_t *perm);
/* Channels last to channels first and back; rank 3 to 5. */
int rt_lower_to_nchw(struct rt_lower *l, int x, int rank);
int rt_lower_to_nhwc(struct rt_lower *l, int x, int rank);
/* max(lo, min(x, hi)) in the type of ${x}; NAN: no such bound. */
int rt_lower_clip(struct rt_lower *l, int x, double lo, double hi);

/* Weights of convolutions as ONNX has them: Conv [out, in/group, spatial…], ConvTranspose
 * [in, out/group, spatial…].  A constant is turned by the fold pass. */
enum rt_kernel_layout {
	RT_KERNEL_HWIO,   /* TensorFlow: [spatial…, in, out]; rank 3 to 5; to Conv */
	RT_KERNEL_HWIM,   /* TensorFlow depthwise [h, w, in, multiplier]; to Conv with group = in */
	RT_KERNEL_HWOI,   /* TensorFlow transposed [spatial…, out, in]; to ConvTranspose */
	RT_KERNEL_OHWI,   /* TensorFlow Lite [out, h, w, in]; to Conv */
	RT_KERNEL_1HWO,   /* TensorFlow Lite depthwise [1, h, w, out]; to Conv with group = in */
	RT_KERNEL_OHWI_T, /* TensorFlow Lite transposed [out, h, w, in]; to ConvTranspose */
};
int rt_lower_kernel(struct rt_lower *l, int w, enum rt_kernel_layout layout);

#endif
