/* SPDX-License-Identifier: MIT */
/*
 * tfjs_layer.h — one call of a Keras layer while it is lowered.  Between
 * tfjs_layers.c, which walks the topology, and tfjs_layer_*.c, which know the
 * layers.  Shapes of values are known but for batch and time (rt_lower_shape).
 */
#ifndef LARDER_RUNTIME_TFJS_LAYER_H
#define LARDER_RUNTIME_TFJS_LAYER_H

#include "runtime/tfjs_reader.h"

#define RT_TFJS_LAYERS_MAX 8192 /* of one model */
#define RT_TFJS_NESTED_MAX 16   /* models and wrappers in each other */
#define RT_TFJS_OUTPUTS_MAX 64  /* of a layer or a nested model */

struct rt_tfjs_layer {
	struct rt_tfjs *t;
	struct rt_lower *l; /* &t->l */
	const struct rt_json *config;
	const char *class_name, *name;
	const char *inner; /* of a wrapped layer: a part of the names of its weights, or "" */
	const char *to;    /* third column of tfjs_layers.def */
	int in_count;
	const int *in;
	int out_count, out[RT_TFJS_OUTPUTS_MAX];
	int mask;     /* of the first input, bool[batch, time]; RT_NO_VALUE: none */
	int out_mask; /* of the outputs; begins as ${mask} */
	bool missing; /* rt_tfjs_layer_missing has been called */
	int depth;    /* models and wrappers around it */
};

typedef void rt_tfjs_layer_f(struct rt_tfjs_layer *c);

/* rt_tfjs_layer_reversed(l, x, axis): ${x} backwards. */
int rt_tfjs_layer_reversed(struct rt_lower *l, int x, int64_t axis);

/* rt_tfjs_layer_give(c, v, shape): ${v} is the next output and has that shape. */
void rt_tfjs_layer_give(struct rt_tfjs_layer *c, int v, const struct rt_shape *shape);
void rt_tfjs_layer_missing(struct rt_tfjs_layer *c, const char *why);
/* rt_tfjs_layer_shape(c, v): rank 0 when it is not known, which is an error that is noted. */
struct rt_shape rt_tfjs_layer_shape(struct rt_tfjs_layer *c, int v);

/* Configuration: the first of the two names that is there (versions differ), or the default. */
const struct rt_json *rt_tfjs_layer_get(const struct rt_tfjs_layer *c, const char *name,
					const char *other);
int64_t rt_tfjs_layer_int(const struct rt_tfjs_layer *c, const char *name, int64_t otherwise);
bool rt_tfjs_layer_bool(const struct rt_tfjs_layer *c, const char *name, bool otherwise);
double rt_tfjs_layer_number(const struct rt_tfjs_layer *c, const char *name, double otherwise);
/* rt_tfjs_layer_ints(c, name, count, otherwise, out): one number per axis; a single one is for
 * all.  false: not that many, or not 1 … 65536. */
bool rt_tfjs_layer_ints(const struct rt_tfjs_layer *c, const char *name, int count,
			int64_t otherwise, int64_t *out);
bool rt_tfjs_layer_is(const struct rt_tfjs_layer *c, const char *name, const char *value);
bool rt_tfjs_layer_first(const struct rt_tfjs_layer *c); /* data_format channels_first */

/* rt_tfjs_layer_weight(c, name): a constant with the layer's weight; noted when there is none,
 * unless ${optional}. */
int rt_tfjs_layer_weight(struct rt_tfjs_layer *c, const char *name, bool optional);
/* rt_tfjs_layer_act(c, x, key): ${x} through the activation that the configuration names;
 * RT_NO_VALUE: rt_tfjs_layer_missing has been called. */
int rt_tfjs_layer_act(struct rt_tfjs_layer *c, int x, const char *key);
/* The name of an activation, in any of its forms; bytes NULL: none. */
struct rt_str rt_tfjs_layer_act_name(const struct rt_json *j);
/* float32[n], all ${v}. */
int rt_tfjs_layer_filled(struct rt_tfjs_layer *c, int64_t n, float v);

/*
 * rt_tfjs_layers_call(t, layer, name, inner, in_count, in, mask, depth, out):
 * lower one layer object {"class_name", "config"} into ${out}; also for what
 * wrappers hold, with ${name} for its weights.
 */
void rt_tfjs_layers_call(struct rt_tfjs *t, const struct rt_json *layer, const char *name,
			 const char *inner, int in_count, const int *in, int mask, int depth,
			 struct rt_tfjs_layer *out);

/* layers that share a function declare it more than once, which C allows */
#define TFJS_LAYER(name, lower, to, masks) rt_tfjs_layer_f rt_tfjs_layer_##lower;
#include "runtime/tfjs_layers.def"
#undef TFJS_LAYER

#endif
