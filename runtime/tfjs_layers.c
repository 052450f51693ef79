/* SPDX-License-Identifier: MIT */
/*
 * tfjs_layers.c — layers models: the topology that Keras writes, versions 2 and
 * 3: Sequential and Functional, models in models, layers that are called several
 * times.  Called by tfjs.c; the layers are in tfjs_layer_*.c.
 *
 *	{"class_name": "Sequential", "config": [layer, …] | {"layers": […]}}
 *	{"class_name": "Model" | "Functional", "config": {"layers": […],
 *	 "input_layers": [[name, 0, 0], …], "output_layers": […]}}
 *
 * Each call of a layer is an inbound node: [[name, node, tensor, {}], …] in
 * version 2, {"args": [{"config": {"keras_history": [name, node, tensor]}}, …]}
 * in version 3.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/tfjs_layer.h"

#define CALLS_MAX 256 /* of one layer */
#define ROUNDS_MAX 4096

static const struct {
	const char *name;
	rt_tfjs_layer_f *lower;
	const char *to;
	bool masks;
} layers[] = {
#define TFJS_LAYER(name, lower, to, masks) {#name, rt_tfjs_layer_##lower, to, masks},
#include "runtime/tfjs_layers.def"
#undef TFJS_LAYER
};

/* One call of a layer. */
struct call {
	bool done;
	int mask, out_count;
	int *out; /* memory of the graph */
};
struct layer {
	const struct rt_json *json, *config, *calls; /* calls: inbound_nodes */
	const char *name;
	struct call *call;
	int call_count;
	bool counts_itself; /* a model: node 0 is that of its making, calls begin at 1 */
};

/* A Functional model that is being lowered. */
struct network {
	struct rt_tfjs *t;
	struct layer *layers;
	int count, depth;
	struct rt_names names;
};

static int model(struct rt_tfjs *t, const struct rt_json *topology, int in_count, const int *in,
		 int depth, struct rt_tfjs_layer *out);

static bool is_model(struct rt_str class_name)
{
	return rt_json_equal(class_name, "Sequential") || rt_json_equal(class_name, "Model") ||
	       rt_json_equal(class_name, "Functional");
}

/* ---- one layer ------------------------------------------------------------------------------- */

static void lower_layer(struct rt_tfjs_layer *c, const struct rt_json *layer)
{
	struct rt_str class_name = rt_json_text(rt_json_get(layer, "class_name"));

	if (is_model(class_name)) {
		(void)model(c->t, layer, c->in_count, c->in, c->depth + 1, c);
		return;
	}
	for (size_t i = 0; i < sizeof(layers) / sizeof(*layers); i++) {
		if (!rt_json_equal(class_name, layers[i].name))
			continue;
		if (c->in_count < 1 || c->in[0] < 0 ||
		    c->l->graph->values[c->in[0]].shape.rank < 0) {
			/* what stands before cannot run: only the name is for the list */
			rt_tfjs_layer_missing(c, "after a layer that cannot run");
			return;
		}
		c->to = layers[i].to;
		if (!layers[i].masks)
			c->out_mask = RT_NO_VALUE;
		layers[i].lower(c);
		return;
	}
	rt_tfjs_layer_missing(c, "no such layer");
}

void rt_tfjs_layers_call(struct rt_tfjs *t, const struct rt_json *layer, const char *name,
			 const char *inner, int in_count, const int *in, int mask, int depth,
			 struct rt_tfjs_layer *out)
{
	struct rt_str class_name = rt_json_text(rt_json_get(layer, "class_name"));
	const char *at = t->l.at;

	*out = (struct rt_tfjs_layer){
	    .t = t,
	    .l = &t->l,
	    .config = rt_json_get(layer, "config"),
	    .name = name,
	    .inner = inner,
	    .in_count = in_count,
	    .in = in,
	    .mask = mask,
	    .out_mask = mask,
	    .depth = depth,
	};
	if (class_name.bytes == NULL || class_name.size > 128 || depth > RT_TFJS_NESTED_MAX) {
		(void)rt_lower_fail(&t->l, RT_MALFORMED, "a layer without a class, or %d deep",
				    depth);
		return;
	}
	out->class_name = rt_lower_strdup(&t->l, class_name.bytes, class_name.size);
	t->l.at = name;
	lower_layer(out, layer);
	t->l.at = at;
}

/* ---- inputs ---------------------------------------------------------------------------------- */

/* batch_input_shape of version 2, batch_shape of version 3. */
static bool declared_shape(const struct rt_json *config, struct rt_shape *s)
{
	const struct rt_json *j = rt_json_get(config, "batch_input_shape");
	const struct rt_json *d;

	if (j == NULL)
		j = rt_json_get(config, "batch_shape");
	if (j == NULL || j->kind != RT_JSON_ARRAY || j->count > RT_RANK_MAX || j->count < 1)
		return false;
	s->rank = 0;
	for (d = j->child; d != NULL; d = d->next) {
		int64_t size = rt_json_int(d, -1);

		s->dims[s->rank++] = size < 0 || size > INT32_MAX ? -1 : size;
	}
	return true;
}

static enum rt_dtype declared_type(const struct rt_json *config)
{
	const struct rt_json *j = rt_json_get(config, "dtype");

	if (rt_json_get(j, "config") != NULL) /* a DTypePolicy */
		j = rt_json_get(rt_json_get(j, "config"), "name");
	return rt_json_is(j, "int32") ? RT_I32 : rt_json_is(j, "bool") ? RT_BOOL : RT_F32;
}

static int add_input(struct rt_tfjs *t, const struct rt_json *config, const char *name)
{
	struct rt_shape shape = {.rank = -1};

	if (!declared_shape(config, &shape))
		return rt_lower_fail(&t->l, RT_MALFORMED, "input '%.200s' has no shape", name);
	return rt_lower_input(&t->l, name, declared_type(config), &shape);
}

static const char *name_of(struct rt_tfjs *t, const struct rt_json *layer)
{
	struct rt_str s = rt_json_text(rt_json_get(rt_json_get(layer, "config"), "name"));

	if (s.bytes == NULL)
		s = rt_json_text(rt_json_get(layer, "name"));
	if (s.bytes == NULL || s.size > 512)
		return "";
	return rt_lower_strdup(&t->l, s.bytes, s.size);
}

/* ---- Sequential ------------------------------------------------------------------------------ */

static const struct rt_json *sequence_of(const struct rt_json *topology)
{
	const struct rt_json *config = rt_json_get(topology, "config");

	return config != NULL && config->kind == RT_JSON_ARRAY ? config
							       : rt_json_get(config, "layers");
}

/* The input that the first layer of a whole model declares; nested ones may begin with a model. */
static int first_input(struct rt_tfjs *t, const struct rt_json *first,
		       const struct rt_json *topology)
{
	const struct rt_json *config = rt_json_get(first, "config");
	const char *name = name_of(t, first);
	char text[600];

	for (int i = 0;
	     i < RT_TFJS_NESTED_MAX && is_model(rt_json_text(rt_json_get(first, "class_name")));
	     i++) {
		const struct rt_json *list = sequence_of(first);

		first = rt_json_at(list, 0);
		config = rt_json_get(first, "config");
		name = name_of(t, first);
	}
	if (rt_json_is(rt_json_get(first, "class_name"), "InputLayer"))
		return add_input(t, config, name);
	(void)snprintf(text, sizeof(text), "%s_input", name);
	if (rt_json_get(config, "batch_input_shape") == NULL &&
	    rt_json_get(config, "batch_shape") == NULL) {
		/* Keras 2: {"build_input_shape": […]} of the model */
		const struct rt_json *j =
		    rt_json_get(rt_json_get(topology, "config"), "build_input_shape");
		struct rt_shape shape = {.rank = 0};

		if (rt_json_count(j) < 1 || rt_json_count(j) > RT_RANK_MAX)
			return rt_lower_fail(&t->l, RT_MALFORMED, "the first layer has no shape");
		for (const struct rt_json *d = rt_json_items(j); d != NULL; d = d->next)
			shape.dims[shape.rank++] = rt_json_int(d, -1);
		return rt_lower_input(&t->l, rt_lower_strdup(&t->l, text, strlen(text)), RT_F32,
				      &shape);
	}
	return add_input(t, config, rt_lower_strdup(&t->l, text, strlen(text)));
}

/* tfjs-layers' name of what a layer gives: that of the layer, twice, and numbered from the
 * second on. */
static const char *output_name(struct rt_tfjs *t, const char *layer, int nth)
{
	char text[1100], number[16] = "";

	if (nth > 0)
		(void)snprintf(number, sizeof(number), "_%d", nth);
	(void)snprintf(text, sizeof(text), "%s/%s%s", layer, layer, number);
	return rt_lower_strdup(&t->l, text, strlen(text));
}

static int sequential(struct rt_tfjs *t, const struct rt_json *topology, int in_count,
		      const int *in, int depth, struct rt_tfjs_layer *out)
{
	const struct rt_json *list = rt_json_items(sequence_of(topology));
	struct rt_tfjs_layer *c = calloc(1, sizeof(*c));
	const char *name = "";
	int v = in_count > 0 ? in[0] : RT_NO_VALUE;
	int mask = out != NULL ? out->mask : RT_NO_VALUE;

	if (c == NULL)
		return rt_lower_fail(&t->l, RT_MEMORY, "out of memory");
	if (in_count > 1 || list == NULL)
		(void)rt_lower_fail(&t->l, RT_MALFORMED, "a Sequential model of %d inputs",
				    in_count);
	if (depth == 0)
		v = first_input(t, list, topology);
	for (; list != NULL && t->l.status == RT_OK; list = list->next) {
		name = name_of(t, list);
		if (rt_json_is(rt_json_get(list, "class_name"), "InputLayer"))
			continue;
		rt_tfjs_layers_call(t, list, name, "", 1, &v, mask, depth, c);
		if (t->l.status == RT_OK && c->out_count < 1)
			(void)rt_lower_fail(&t->l, RT_MALFORMED, "'%.200s' gives nothing", name);
		v = c->out[0];
		mask = c->out_mask;
	}
	if (t->l.status == RT_OK && depth == 0) {
		rt_lower_output(&t->l, v, output_name(t, name, 0));
	} else if (t->l.status == RT_OK) {
		out->out[0] = v;
		out->out_count = 1;
		out->out_mask = mask;
	}
	free(c);
	return t->l.status;
}

/* ---- Functional: references ------------------------------------------------------------------ */

/* [name, node, tensor, …], or {"config": {"keras_history": […]}}. */
static const struct rt_json *history(const struct rt_json *j)
{
	const struct rt_json *h = rt_json_get(rt_json_get(j, "config"), "keras_history");

	if (h != NULL)
		j = h;
	return rt_json_text(rt_json_at(j, 0)).bytes != NULL ? j : NULL;
}

static int call_index(const struct layer *y, int64_t node)
{
	if (y->counts_itself)
		node--;
	return node >= 0 && node < y->call_count ? (int)node : -1;
}

/* The value of a reference: 1 there, 0 not yet. */
static int resolve(struct network *n, const struct rt_json *ref, int *out, int *mask)
{
	struct rt_str name = rt_json_text(rt_json_at(ref, 0));
	int64_t node = rt_json_int(rt_json_at(ref, 1), 0),
		tensor = rt_json_int(rt_json_at(ref, 2), 0);
	const int *slot = name.bytes != NULL ? rt_names_find(&n->names, name) : NULL;
	const struct call *call;

	if (slot == NULL || call_index(&n->layers[*slot], node) < 0 || tensor < 0)
		return rt_lower_fail(&n->t->l, RT_MALFORMED, "a layer reads what is not there");
	call = &n->layers[*slot].call[call_index(&n->layers[*slot], node)];
	if (!call->done)
		return 0;
	if (tensor >= call->out_count)
		return rt_lower_fail(&n->t->l, RT_MALFORMED, "'%.200s' has no output %d",
				     n->layers[*slot].name, (int)tensor);
	*out = call->out[tensor];
	*mask = call->mask;
	return 1;
}

struct refs {
	int count;
	const struct rt_json *ref[RT_TFJS_ARGS_MAX];
};

/* The tensors of a call, in order: a list of references, or lists of them in arguments. */
static bool add_refs(struct refs *r, const struct rt_json *j, int depth)
{
	const struct rt_json *h = history(j);

	if (h != NULL) {
		if (r->count == RT_TFJS_ARGS_MAX)
			return false;
		r->ref[r->count++] = h;
		return true;
	}
	for (const struct rt_json *i = rt_json_items(j); i != NULL; i = i->next) {
		if (depth < 3 && !add_refs(r, i, depth + 1))
			return false;
	}
	return true;
}

static bool call_refs(const struct rt_json *node, struct refs *r)
{
	const struct rt_json *args = rt_json_get(node, "args");
	const struct rt_json *kwargs = rt_json_members(rt_json_get(node, "kwargs"));

	r->count = 0;
	if (args == NULL)
		return add_refs(r, node, 0);
	if (!add_refs(r, args, 0))
		return false;
	for (; kwargs != NULL; kwargs = kwargs->next) { /* initial_state of a recurrent layer */
		if (rt_json_equal(kwargs->key, "initial_state") && !add_refs(r, kwargs, 0))
			return false;
	}
	return true;
}

/* ---- Functional: layers ---------------------------------------------------------------------- */

static bool add_layer(struct network *n, const struct rt_json *json)
{
	struct rt_lower *l = &n->t->l;
	struct layer *y = &n->layers[n->count];
	struct rt_str name = rt_json_text(rt_json_get(json, "name"));
	int *slot;

	*y = (struct layer){.json = json,
			    .config = rt_json_get(json, "config"),
			    .calls = rt_json_get(json, "inbound_nodes")};
	if (name.bytes == NULL)
		name = rt_json_text(rt_json_get(y->config, "name"));
	slot = name.bytes != NULL && name.size <= 512 ? rt_names_put(&n->names, name) : NULL;
	if (slot == NULL || *slot >= 0) {
		(void)rt_lower_fail(l, RT_MALFORMED, "a layer without a name of its own");
		return false;
	}
	*slot = n->count++;
	y->name = rt_lower_strdup(l, name.bytes, name.size);
	y->call_count = rt_json_count(y->calls);
	y->counts_itself = is_model(rt_json_text(rt_json_get(json, "class_name")));
	if (rt_json_is(rt_json_get(json, "class_name"), "InputLayer"))
		y->call_count = 1;
	if (y->call_count > CALLS_MAX) {
		(void)rt_lower_fail(l, RT_MALFORMED, "a layer is called %d times", y->call_count);
		return false;
	}
	y->call = rt_lower_alloc(l, sizeof(*y->call) * (size_t)y->call_count);
	return l->status == RT_OK;
}

static void set_done(struct network *n, struct call *call, int count, const int *v, int mask)
{
	call->out = rt_lower_alloc(&n->t->l, sizeof(int) * (size_t)count);
	if (call->out == NULL)
		return;
	memcpy(call->out, v, sizeof(int) * (size_t)count);
	call->out_count = count;
	call->mask = mask;
	call->done = true;
}

/* One call, if what it reads is there: 1 lowered, 0 not yet. */
static int lower_call(struct network *n, struct layer *y, const struct rt_json *node,
		      struct call *call)
{
	struct refs *refs = calloc(1, sizeof(*refs));
	struct rt_tfjs_layer *c = calloc(1, sizeof(*c));
	int in[RT_TFJS_ARGS_MAX], ready = 1, mask = RT_NO_VALUE, other;

	if (refs == NULL || c == NULL || !call_refs(node, refs)) {
		ready = rt_lower_fail(&n->t->l, RT_MALFORMED, "'%.200s' reads too much", y->name);
		goto out;
	}
	for (int i = 0; i < refs->count && ready == 1; i++) {
		ready = resolve(n, refs->ref[i], &in[i], &other);
		if (ready == 1 && other != RT_NO_VALUE)
			mask = mask == RT_NO_VALUE || mask == other
				   ? other
				   : rt_lower_op2(&n->t->l, "And", mask, other);
	}
	if (ready == 1) {
		rt_tfjs_layers_call(n->t, y->json, y->name, "", refs->count, in, mask, n->depth, c);
		set_done(n, call, c->out_count, c->out, c->out_mask);
	}
out:
	free(refs);
	free(c);
	return ready;
}

/* What is left of the calls of a layer. */
static bool lower_calls(struct network *n, struct layer *y)
{
	const struct rt_json *node = rt_json_items(y->calls);
	bool any = false;

	for (int i = 0; i < y->call_count && node != NULL; i++, node = node->next) {
		if (!y->call[i].done && n->t->l.status == RT_OK)
			any = lower_call(n, y, node, &y->call[i]) == 1 || any;
	}
	return any;
}

/* ---- Functional: the whole ------------------------------------------------------------------- */

/* A list of references, or only one. */
static const struct rt_json *first_ref(const struct rt_json *list, int *count)
{
	*count = history(list) != NULL ? 1 : rt_json_count(list);
	return history(list) != NULL ? list : rt_json_items(list);
}

static void bind_inputs(struct network *n, const struct rt_json *list, int in_count, const int *in,
			int mask)
{
	struct rt_lower *l = &n->t->l;
	int count;
	const struct rt_json *ref = first_ref(list, &count);

	if (count > RT_TFJS_ARGS_MAX || (n->depth > 0 && count != in_count)) {
		(void)rt_lower_fail(l, RT_MALFORMED, "a model of %d inputs is called with %d",
				    count, in_count);
		return;
	}
	for (int i = 0; i < count && l->status == RT_OK; i++, ref = ref->next) {
		struct rt_str name = rt_json_text(rt_json_at(ref, 0));
		const int *slot = name.bytes != NULL ? rt_names_find(&n->names, name) : NULL;
		struct layer *y = slot != NULL ? &n->layers[*slot] : NULL;
		int v;

		if (y == NULL || y->call_count < 1 || y->call[0].done) {
			(void)rt_lower_fail(l, RT_MALFORMED, "an input that is no layer");
			return;
		}
		v = n->depth > 0 ? in[i] : add_input(n->t, y->config, y->name);
		set_done(n, &y->call[0], 1, &v, i == 0 ? mask : RT_NO_VALUE);
	}
}

static void name_output(struct network *n, const struct rt_json *ref, int v)
{
	struct layer *y = &n->layers[*rt_names_find(&n->names, rt_json_text(rt_json_at(ref, 0)))];
	int call = call_index(y, rt_json_int(rt_json_at(ref, 1), 0)), nth;

	nth = (int)rt_json_int(rt_json_at(ref, 2), 0);
	for (int i = 0; i < call; i++)
		nth += y->call[i].out_count;
	rt_lower_output(&n->t->l, v, output_name(n->t, y->name, nth));
}

static void give_outputs(struct network *n, const struct rt_json *list, struct rt_tfjs_layer *out)
{
	struct rt_lower *l = &n->t->l;
	int count;
	const struct rt_json *ref = first_ref(list, &count);

	if (count < 1 || count > (n->depth > 0 ? RT_TFJS_OUTPUTS_MAX : RT_TFJS_ARGS_MAX)) {
		(void)rt_lower_fail(l, RT_MALFORMED, "a model of %d outputs", count);
		return;
	}
	for (int i = 0; i < count && l->status == RT_OK; i++, ref = ref->next) {
		int v = RT_NO_VALUE, mask = RT_NO_VALUE;

		if (resolve(n, ref, &v, &mask) == 0)
			(void)rt_lower_fail(l, RT_MALFORMED, "output %d depends on itself", i);
		if (l->status < 0)
			return;
		if (out == NULL) { /* the model's own */
			name_output(n, ref, v);
			continue;
		}
		out->out[out->out_count++] = v;
		if (i == 0)
			out->out_mask = mask;
	}
}

/*
 * A model that is a layer has a node of its own before those of its calls, as
 * most versions write it; where anything reads node 0, this one does not.
 */
static void find_counting(struct network *n, const struct rt_json *outputs)
{
	struct refs *refs = calloc(1, sizeof(*refs));

	for (int i = 0; i <= n->count && refs != NULL; i++) {
		const struct rt_json *node =
		    i < n->count ? rt_json_items(n->layers[i].calls) : outputs;

		for (; node != NULL; node = i < n->count ? node->next : NULL) {
			refs->count = 0;
			(void)(i < n->count ? call_refs(node, refs) : add_refs(refs, node, 0));
			for (int k = 0; k < refs->count; k++) {
				struct rt_str name = rt_json_text(rt_json_at(refs->ref[k], 0));
				const int *slot = rt_names_find(&n->names, name);

				if (slot != NULL &&
				    rt_json_int(rt_json_at(refs->ref[k], 1), 0) == 0)
					n->layers[*slot].counts_itself = false;
			}
		}
	}
	free(refs);
}

static int functional(struct rt_tfjs *t, const struct rt_json *topology, int in_count,
		      const int *in, int depth, struct rt_tfjs_layer *out)
{
	const struct rt_json *config = rt_json_get(topology, "config");
	const struct rt_json *list = rt_json_get(config, "layers");
	struct network n = {.t = t, .depth = depth};
	int count = rt_json_count(list);
	bool any = true;

	if (count < 1 || count > RT_TFJS_LAYERS_MAX)
		return rt_lower_fail(&t->l, RT_MALFORMED, "a model of %d layers", count);
	n.layers = calloc((size_t)count, sizeof(*n.layers));
	if (n.layers == NULL)
		return rt_lower_fail(&t->l, RT_MEMORY, "out of memory");
	rt_names_init(&n.names);
	for (const struct rt_json *j = rt_json_items(list); j != NULL; j = j->next) {
		if (!add_layer(&n, j))
			break;
	}
	if (t->l.status == RT_OK)
		find_counting(&n, rt_json_get(config, "output_layers"));
	if (t->l.status == RT_OK)
		bind_inputs(&n, rt_json_get(config, "input_layers"), in_count, in,
			    out != NULL ? out->mask : RT_NO_VALUE);
	/* Files have the layers in order; where not, it takes more rounds. */
	for (int round = 0; any && round < ROUNDS_MAX && t->l.status == RT_OK; round++) {
		any = false;
		for (int i = 0; i < n.count; i++)
			any = lower_calls(&n, &n.layers[i]) || any;
	}
	if (t->l.status == RT_OK)
		give_outputs(&n, rt_json_get(config, "output_layers"), out);
	rt_names_release(&n.names);
	free(n.layers);
	return t->l.status;
}

static int model(struct rt_tfjs *t, const struct rt_json *topology, int in_count, const int *in,
		 int depth, struct rt_tfjs_layer *out)
{
	if (depth > RT_TFJS_NESTED_MAX)
		return rt_lower_fail(&t->l, RT_MALFORMED, "models in models, more than %d deep",
				     RT_TFJS_NESTED_MAX);
	if (rt_json_is(rt_json_get(topology, "class_name"), "Sequential"))
		return sequential(t, topology, in_count, in, depth, out);
	return functional(t, topology, in_count, in, depth, out);
}

void rt_tfjs_layers(struct rt_tfjs *t, const struct rt_json *topology)
{
	const struct rt_json *config = rt_json_get(topology, "model_config");

	if (config != NULL)
		topology = config;
	t->l.origin = "keras";
	rt_lower_ports(&t->l, RT_TFJS_ARGS_MAX, RT_TFJS_ARGS_MAX);
	if (is_model(rt_json_text(rt_json_get(topology, "class_name"))))
		(void)model(t, topology, 0, NULL, 0, NULL);
	else
		(void)rt_lower_fail(&t->l, RT_UNSUPPORTED,
				    "a model that is neither Sequential nor Functional");
}
