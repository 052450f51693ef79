/* SPDX-License-Identifier: MIT */
/*
 * recurrent.c — LSTM, GRU and RNN: everything but the cells (cell.c).
 *
 * The input is projected for all steps in one product, X · Wᵀ + Wb + Rb; then
 * time is walked, and each step adds H · Rᵀ (fused as the residual of the
 * product) and applies the gates.  With sequence_lens a sequence that has ended
 * keeps its state and gives zeros; backwards, each sequence starts at its own
 * last element.
 *
 * Opset changes that matter: 14 adds `layout`.  Never called outside ops.def.
 */
#include <config.h>

#include <float.h>
#include <string.h>

#include "runtime/op_type.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/recurrent.h"
#include "runtime/ops/walk.h"

#define NO_KERNEL RT_UNARY_COUNT /* ThresholdedRelu: the one that no kernel has */

/* The ONNX names of activations, how many of alpha and beta they take, and these by default. */
static const struct {
	const char *name;
	int unary, takes;
	float alpha, beta;
	bool scaled; /* alpha · tanh(beta · x) */
} functions[] = {
    {"Sigmoid", RT_UNARY_SIGMOID, 0, 0, 0, false},
    {"Tanh", RT_UNARY_TANH, 0, 0, 0, false},
    {"Relu", RT_UNARY_RELU, 0, 0, 0, false},
    {"LeakyRelu", RT_UNARY_LEAKY_RELU, 1, 0.01f, 0, false},
    {"Affine", RT_UNARY_AFFINE, 2, 1, 0, false},
    {"HardSigmoid", RT_UNARY_HARD_SIGMOID, 2, 0.2f, 0.5f, false},
    {"Elu", RT_UNARY_ELU, 1, 1, 1, false},
    {"Softsign", RT_UNARY_SOFTSIGN, 0, 0, 0, false},
    {"Softplus", RT_UNARY_SOFTPLUS, 0, 0, 0, false},
    {"ScaledTanh", RT_UNARY_TANH, 2, 1, 1, true},
    {"ThresholdedRelu", NO_KERNEL, 1, 1, 0, false},
};
#define FUNCTION_COUNT (sizeof(functions) / sizeof(*functions))

/* Per-shape state: sizes, and where things are in the scratch block (in floats). */
struct recurrent_shape {
	size_t steps, batch, input;
	size_t gx, gates, rows, extra, live, h, c, bias, w, r[2], gemm;
};

static bool name_is(const struct rt_str *s, const char *name)
{
	return s->size == strlen(name) && strncasecmp(s->bytes, name, s->size) == 0;
}

/* The next of the floats ${attr}, which functions that take one consume in their order. */
static float next_float(const struct rt_bind *b, const char *attr, int *used, float otherwise)
{
	const struct rt_attr *a = rt_node_attr(b->node, attr);

	if (a == NULL || a->kind != RT_ATTR_FLOATS || *used >= a->count)
		return otherwise;
	return a->floats[(*used)++];
}

/* ${used}: of activation_alpha and activation_beta, so far. */
static int read_function(const struct rt_bind *b, const struct rt_str *name, int used[2],
			 struct rt_activation *out, struct rt_error *err)
{
	size_t f = 0;

	while (f < FUNCTION_COUNT && !name_is(name, functions[f].name))
		f++;
	if (f == FUNCTION_COUNT)
		return rt_error_set(err, RT_UNSUPPORTED, "activation '%.*s' is not supported",
				    (int)(name->size > 40 ? 40 : name->size), name->bytes);
	*out = (struct rt_activation){.unary = functions[f].unary, .scale = 1};
	out->p.a = functions[f].alpha;
	out->p.b = functions[f].beta;
	if (functions[f].takes > 0)
		out->p.a = next_float(b, "activation_alpha", &used[0], out->p.a);
	if (functions[f].takes > 1)
		out->p.b = next_float(b, "activation_beta", &used[1], out->p.b);
	if (functions[f].scaled) {
		out->scale = out->p.a;
		out->p.a = out->p.b; /* the argument's factor */
	}
	return RT_OK;
}

static int read_functions(const struct rt_bind *b, struct rt_recurrent *s, struct rt_error *err)
{
	const struct rt_attr *names = rt_node_attr(b->node, "activations");
	int nth = 0, used[2] = {0, 0};

	if (names && (names->kind != RT_ATTR_STRINGS ||
		      names->count < (int64_t)s->directions * s->cell->functions))
		return rt_error_set(err, RT_MALFORMED, "attribute 'activations' needs %d names",
				    s->directions * s->cell->functions);
	for (int d = 0; d < s->directions; d++)
		for (int i = 0; i < s->cell->functions; i++, nth++) {
			const char *name = s->cell->defaults[i];
			struct rt_str fallback = {name, strlen(name)};
			int rc = read_function(b, names ? &names->strings[nth] : &fallback, used,
					       &s->act[d][i], err);
			if (rc)
				return rc;
		}
	return RT_OK;
}

static int read_attributes(const struct rt_bind *b, struct rt_recurrent *s, struct rt_error *err)
{
	const struct rt_node *n = b->node;
	int64_t hidden = rt_node_int(n, "hidden_size", 0);

	s->kernels = b->kernels;
	s->directions = rt_node_string_is(n, "direction", "bidirectional", "forward") ? 2 : 1;
	s->reverse = rt_node_string_is(n, "direction", "reverse", "forward");
	if (s->directions == 1 && !s->reverse &&
	    !rt_node_string_is(n, "direction", "forward", "forward"))
		return rt_error_set(err, RT_MALFORMED, "attribute 'direction' is unknown");
	if (hidden < 0 || hidden > INT32_MAX)
		return rt_error_set(err, RT_MALFORMED, "attribute 'hidden_size' is %lld",
				    (long long)hidden);
	s->hidden = (size_t)hidden; /* 0: R tells */
	s->batch_first = rt_node_int(n, "layout", 0) == 1;
	s->input_forget = rt_node_int(n, "input_forget", 0) != 0;
	s->linear_before_reset = rt_node_int(n, "linear_before_reset", 0) != 0;
	s->clip = rt_node_float(n, "clip", 0);
	return read_functions(b, s, err);
}

/* Columns of a part of R: gates [0, split) or [split, G). */
static size_t part_columns(const struct rt_recurrent *s, int part)
{
	int gates = part ? s->cell->gates - s->cell->split : s->cell->split;
	return (size_t)gates * s->hidden;
}

/* Pack one direction: W [G·H][I], R [G·H][H], B [2·G·H] or NULL. */
static void pack_direction(const struct rt_recurrent *s, size_t input, const float *w,
			   const float *r, const float *bias, struct rt_recurrent_weights *to)
{
	size_t gh = (size_t)s->cell->gates * s->hidden, first = part_columns(s, 0);

	rt_gemm_pack(s->kernels, gh, input, w, 1, input, 0, rt_gemm_panels(s->kernels, gh), to->w);
	for (int part = 0; part < (to->r[1] ? 2 : 1); part++) {
		size_t n = part_columns(s, part);
		rt_gemm_pack(s->kernels, n, s->hidden, r + (part ? first * s->hidden : 0), 1,
			     s->hidden, 0, rt_gemm_panels(s->kernels, n), to->r[part]);
	}
	for (size_t i = 0; i < gh; i++) {
		/* the reset gate of GRU acts on Rb of its last part too: the cell adds it */
		bool apart =
		    s->linear_before_reset && i >= first && s->cell->split < s->cell->gates;
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): callers made room */
		to->bias[i] = bias ? bias[i] + (apart ? 0.0f : bias[gh + i]) : 0.0f;
	}
}

static int bind_weights(struct rt_bind *b, struct rt_recurrent *s, struct rt_error *err)
{
	const struct rt_tensor *w = rt_bind_constant(b, 1), *r = rt_bind_constant(b, 2);
	const struct rt_tensor *bias = rt_bind_constant(b, 3);
	size_t gh, input;

	if (!w || !r || (rt_bind_has(b, 3) && !bias) || w->shape.rank != 3 || r->shape.rank != 3 ||
	    w->dtype != RT_F32 || r->dtype != RT_F32 || (bias && bias->dtype != RT_F32))
		return RT_OK; /* infer checks, run packs; float64 is not packed */
	if (s->hidden == 0)
		s->hidden = (size_t)r->shape.dims[2];
	gh = (size_t)s->cell->gates * s->hidden;
	input = (size_t)w->shape.dims[2];
	if (w->shape.dims[0] != s->directions || (size_t)w->shape.dims[1] != gh ||
	    r->shape.dims[0] != s->directions || (size_t)r->shape.dims[1] != gh ||
	    (size_t)r->shape.dims[2] != s->hidden ||
	    (bias && (bias->shape.rank != 2 || bias->shape.dims[0] != s->directions ||
		      (size_t)bias->shape.dims[1] != 2 * gh)))
		return rt_error_set(err, RT_MALFORMED, "W, R and B do not fit hidden_size %zu",
				    s->hidden);
	for (int d = 0; d < s->directions; d++) {
		struct rt_recurrent_weights *to = &s->weights[d];
		size_t n0 = part_columns(s, 0), n1 = part_columns(s, 1);
		to->w = rt_bind_alloc(b, 4 * rt_gemm_pack_elems(s->kernels, gh, input));
		to->r[0] = rt_bind_alloc(b, 4 * rt_gemm_pack_elems(s->kernels, n0, s->hidden));
		to->bias = rt_bind_alloc(b, 4 * gh);
		if (n1)
			to->r[1] =
			    rt_bind_alloc(b, 4 * rt_gemm_pack_elems(s->kernels, n1, s->hidden));
		if (!to->w || !to->r[0] || !to->bias || (n1 && !to->r[1]))
			return rt_error_set(err, RT_MEMORY, "no memory for packed weights");
		size_t k = (size_t)d;
		pack_direction(s, input, (const float *)w->data + k * gh * input,
			       (const float *)r->data + k * gh * s->hidden,
			       bias ? (const float *)bias->data + k * 2 * gh : NULL, to);
	}
	s->packed = true;
	return RT_OK;
}

static int bind_cell(struct rt_bind *b, const struct rt_cell *cell, struct rt_error *err)
{
	struct rt_recurrent *s = b->state;
	int rc;

	s->cell = cell;
	rc = read_attributes(b, s, err);
	return rc ? rc : bind_weights(b, s, err);
}

int rt_recurrent_bind_lstm(struct rt_bind *b, struct rt_error *err)
{
	return bind_cell(b, &rt_cell_lstm, err);
}

int rt_recurrent_bind_gru(struct rt_bind *b, struct rt_error *err)
{
	return bind_cell(b, &rt_cell_gru, err);
}

int rt_recurrent_bind_rnn(struct rt_bind *b, struct rt_error *err)
{
	return bind_cell(b, &rt_cell_rnn, err);
}

static bool shape_is(const struct rt_infer *f, int i, int rank, const size_t *dims)
{
	if (i >= f->in_count || f->in[i].dtype == RT_NONE)
		return true;
	if (f->in[i].shape.rank != rank)
		return false;
	for (int k = 0; k < rank; k++)
		if ((size_t)f->in[i].shape.dims[k] != dims[k])
			return false;
	return true;
}

static int check_shapes(const struct rt_infer *f, const struct rt_recurrent *s, size_t hidden,
			const struct recurrent_shape *z, struct rt_error *err)
{
	size_t d = (size_t)s->directions, gh = (size_t)s->cell->gates * hidden;
	size_t first = s->batch_first ? z->batch : d, second = s->batch_first ? d : z->batch;
	const struct {
		int input, rank;
		size_t dims[3];
		const char *name;
	} expect[] = {
	    {1, 3, {d, gh, z->input}, "W"},
	    {2, 3, {d, gh, hidden}, "R"},
	    {3, 2, {d, 2 * gh, 0}, "B"},
	    {4, 1, {z->batch, 0, 0}, "sequence_lens"},
	    {5, 3, {first, second, hidden}, "initial_h"},
	    {s->cell->initial_c, 3, {first, second, hidden}, "initial_c"},
	    {s->cell->peephole, 2, {d, 3 * hidden, 0}, "P"},
	};

	for (size_t i = 0; i < sizeof(expect) / sizeof(*expect); i++) {
		char text[96];
		if (expect[i].input == 0 ||
		    shape_is(f, expect[i].input, expect[i].rank, expect[i].dims))
			continue;
		return rt_error_set(
		    err, RT_INPUT,
		    "%s is %s, which does not fit hidden_size %zu, batch %zu, input %zu",
		    expect[i].name,
		    rt_shape_text(&f->in[expect[i].input].shape, text, sizeof(text)), hidden,
		    z->batch, z->input);
	}
	return RT_OK;
}

/* Reserve ${n} floats of scratch at a cache line. */
static size_t reserve(size_t *at, size_t n)
{
	size_t here = *at;
	*at += (n + 15) & ~(size_t)15;
	return here;
}

static void lay_out(const struct rt_infer *f, const struct rt_recurrent *s,
		    struct recurrent_shape *z, size_t *ret_bytes)
{
	size_t gh = (size_t)s->cell->gates * s->hidden, at = 0, need;
	struct rt_gemm g = {.kernels = s->kernels,
			    .m = z->steps * z->batch,
			    .n = gh,
			    .k = z->input,
			    .batch = 1,
			    .a = (const float *)(const void *)s,
			    .lda = z->input};

	z->gx = reserve(&at, z->steps * z->batch * gh);
	z->gates = reserve(&at, z->batch * gh);
	z->rows = reserve(&at, z->batch * gh);
	z->extra = reserve(&at, z->batch * 2 * s->hidden);
	z->live = reserve(&at, z->batch);
	z->h = reserve(&at, z->batch * s->hidden);
	z->c = reserve(&at, z->batch * s->hidden);
	if (!s->packed) {
		z->bias = reserve(&at, gh);
		z->w = reserve(&at, rt_gemm_pack_elems(s->kernels, gh, z->input));
		for (int part = 0; part < 2; part++)
			z->r[part] = reserve(
			    &at, rt_gemm_pack_elems(s->kernels, part_columns(s, part), s->hidden));
	}
	z->gemm = at;
	need = rt_gemm_scratch_bytes(&g, f->threads);
	for (int part = 0; part < 2; part++) {
		g.m = z->batch;
		g.n = part_columns(s, part);
		g.k = s->hidden;
		size_t bytes = rt_gemm_scratch_bytes(&g, f->threads);
		need = bytes > need ? bytes : need;
	}
	*ret_bytes = at * sizeof(float) + need;
}

int rt_recurrent_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_recurrent *s = f->state;
	struct rt_recurrent local = *s; /* hidden_size may come from R */
	const struct rt_shape *x = &f->in[0].shape;
	struct recurrent_shape *z = rt_infer_alloc(f, sizeof(*z));
	size_t elems;
	int rc;

	if (!z)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if (x->rank != 3 || f->in[2].shape.rank != 3)
		return rt_error_set(err, RT_INPUT, "X and R must have rank 3");
	if (local.hidden == 0)
		local.hidden = (size_t)f->in[2].shape.dims[2];
	z->steps = (size_t)x->dims[s->batch_first ? 1 : 0];
	z->batch = (size_t)x->dims[s->batch_first ? 0 : 1];
	z->input = (size_t)x->dims[2];
	rc = rt_op_type_agree(f, 0xef, err); /* all but sequence_lens */
	if (!rc && f->in_count > 4 && f->in[4].dtype != RT_NONE && f->in[4].dtype != RT_I32)
		rc = rt_error_set(err, RT_INPUT, "sequence_lens is not int32");
	if (!rc)
		rc = check_shapes(f, s, local.hidden, z, err);
	if (rc)
		return rc;
	/* the sizes of the scratch block are sums of these products: far below SIZE_MAX */
	if (__builtin_mul_overflow(z->steps * z->batch + 64, (size_t)s->cell->gates * local.hidden,
				   &elems) ||
	    elems > SIZE_MAX / 64)
		return rt_error_set(err, RT_BUDGET, "a sequence of %zu × %zu is too large",
				    z->steps, z->batch);
	if (f->in[0].dtype == RT_F64)
		f->scratch_bytes = rt_recurrent_f64_scratch(&local);
	else
		lay_out(f, &local, z, &f->scratch_bytes);
	f->shape_state = z;
	int64_t S = (int64_t)z->steps, B = (int64_t)z->batch, D = s->directions,
		H = (int64_t)local.hidden;
	f->out[0].shape = s->batch_first ? rt_shape_of(4, B, S, D, H) : rt_shape_of(4, S, D, B, H);
	for (int i = 1; i < f->out_count; i++)
		f->out[i].shape =
		    s->batch_first ? rt_shape_of(3, B, D, H) : rt_shape_of(3, D, B, H);
	return RT_OK;
}

void rt_recurrent_product(const struct rt_step *s, int part, const float *a, const float *residual,
			  size_t ld_residual, const float *bias, float *out, size_t ldc)
{
	struct rt_gemm g = {
	    .kernels = s->state->kernels,
	    .m = s->batch,
	    .n = part_columns(s->state, part),
	    .k = s->hidden,
	    .batch = 1,
	    .a = a,
	    .lda = s->hidden,
	    .w = s->weights->r[part],
	    .c = out,
	    .ldc = ldc,
	    .epilogue = {.bias = bias,
			 .residual = residual,
			 .ld_residual = ld_residual,
			 .lo = -__builtin_inff(),
			 .hi = __builtin_inff()},
	};
	rt_gemm_run(&g, s->run->team, s->gemm_scratch);
}

void rt_recurrent_activate(const struct rt_step *s, int which, size_t n, float *x)
{
	const struct rt_activation *a = &s->act[which];
	const struct rt_kernels *k = s->state->kernels;

	if (s->state->clip > 0) {
		struct rt_unary_params p = {-s->state->clip, s->state->clip};
		k->f32_unary->fn[RT_UNARY_CLIP](n, x, x, &p);
	}
	if (a->unary == RT_UNARY_TANH &&
	    (a->scale < 1 || a->scale > 1 || a->p.a > 0 || a->p.a < 0)) {
		for (size_t i = 0; i < n; i++) /* ScaledTanh: the argument's factor first */
			x[i] *= a->p.a;
		k->f32_unary->fn[RT_UNARY_TANH](n, x, x, NULL);
		for (size_t i = 0; i < n; i++)
			x[i] *= a->scale;
		return;
	}
	if (a->unary == NO_KERNEL) {
		for (size_t i = 0; i < n; i++)
			x[i] = x[i] > a->p.a ? x[i] : 0;
		return;
	}
	k->f32_unary->fn[a->unary](n, x, x, &a->p);
}

/* What one direction of a run works with. */
struct direction {
	struct rt_step step;
	const struct recurrent_shape *z;
	const int32_t *lens; /* [B] or NULL */
	float *gx;           /* [S·B][G·H] */
	float *rows;         /* step.gates: gathered rows where sequences differ in time */
	bool *live;
	size_t index; /* 0, 1 */
	bool backwards;
};

/* Row of gx, and of X and Y, for element ${t} of sequence ${b}. */
static size_t row_of(const struct direction *d, size_t t, size_t b)
{
	return d->step.state->batch_first ? b * d->z->steps + t : t * d->z->batch + b;
}

static size_t time_of(const struct direction *d, size_t s, size_t b)
{
	size_t len = d->lens ? (size_t)d->lens[b] : d->z->steps;
	return d->backwards ? len - 1 - s : s;
}

static float *output_row(const struct direction *d, float *y, size_t t, size_t b)
{
	size_t D = (size_t)d->step.state->directions, H = d->step.hidden;

	if (d->step.state->batch_first)
		return y + ((b * d->z->steps + t) * D + d->index) * H;
	return y + ((t * D + d->index) * d->z->batch + b) * H;
}

static size_t state_row(const struct direction *d, size_t b)
{
	size_t D = (size_t)d->step.state->directions, H = d->step.hidden;

	return d->step.state->batch_first ? (b * D + d->index) * H
					  : (d->index * d->z->batch + b) * H;
}

static void one_step(struct direction *d, size_t s, float *y)
{
	struct rt_step *step = &d->step;
	size_t gh = (size_t)step->state->cell->gates * step->hidden;

	for (size_t b = 0; b < step->batch; b++)
		d->live[b] = !d->lens || s < (size_t)d->lens[b];
	if (!d->lens) {
		step->gx = d->gx + row_of(d, time_of(d, s, 0), 0) * gh;
		step->ldgx = step->state->batch_first ? d->z->steps * gh : gh;
	} else {
		for (size_t b = 0; b < step->batch; b++)
			if (d->live[b])
				memcpy(d->rows + b * gh,
				       d->gx + row_of(d, time_of(d, s, b), b) * gh,
				       gh * sizeof(float));
		step->gx = d->rows;
		step->ldgx = gh;
	}
	step->state->cell->step(step);
	for (size_t b = 0; y && b < step->batch; b++)
		if (d->live[b])
			memcpy(output_row(d, y, time_of(d, s, b), b), step->h + b * step->hidden,
			       step->hidden * sizeof(float));
}

/* W, R and B came as inputs: pack this direction's into the scratch block. */
static void pack_inputs(const struct rt_run *r, const struct rt_recurrent *s,
			const struct recurrent_shape *z, size_t d, struct rt_recurrent_weights *to)
{
	size_t gh = (size_t)s->cell->gates * s->hidden;
	float *base = r->scratch;
	const float *bias = r->in_count > 3 ? r->in[3].data : NULL;

	*to = (struct rt_recurrent_weights){.w = base + z->w, .bias = base + z->bias};
	to->r[0] = base + z->r[0];
	to->r[1] = s->cell->split < s->cell->gates ? base + z->r[1] : NULL;
	pack_direction(s, z->input, (const float *)r->in[1].data + d * gh * z->input,
		       (const float *)r->in[2].data + d * gh * s->hidden,
		       bias ? bias + d * 2 * gh : NULL, to);
}

static void project_input(const struct rt_run *r, const struct rt_recurrent *s,
			  const struct recurrent_shape *z, const struct rt_recurrent_weights *w)
{
	size_t gh = (size_t)s->cell->gates * s->hidden;
	float *base = r->scratch;
	struct rt_gemm g = {
	    .kernels = s->kernels,
	    .m = z->steps * z->batch,
	    .n = gh,
	    .k = z->input,
	    .batch = 1,
	    .a = r->in[0].data,
	    .lda = z->input,
	    .w = w->w,
	    .c = base + z->gx,
	    .ldc = gh,
	    .epilogue = {.bias = w->bias, .lo = -__builtin_inff(), .hi = __builtin_inff()},
	};

	rt_gemm_run(&g, r->team, base + z->gemm);
}

/* The initial state of input ${i} into rows of ${to}, or zeros. */
static void load_state(const struct direction *d, int i, float *to)
{
	const struct rt_run *r = d->step.run;
	size_t h = d->step.hidden;

	for (size_t b = 0; b < d->step.batch; b++) {
		if (i > 0 && i < r->in_count && r->in[i].data)
			memcpy(to + b * h, (const float *)r->in[i].data + state_row(d, b),
			       h * sizeof(float));
		else
			memset(to + b * h, 0, h * sizeof(float));
	}
}

static void store_state(const struct direction *d, int o, const float *from)
{
	const struct rt_run *r = d->step.run;
	size_t h = d->step.hidden;

	if (o >= r->out_count || !r->out[o].data)
		return;
	for (size_t b = 0; b < d->step.batch; b++)
		memcpy((float *)r->out[o].data + state_row(d, b), from + b * h, h * sizeof(float));
}

static void run_direction(struct direction *d, float *y)
{
	const struct rt_recurrent *s = d->step.state;

	load_state(d, 5, d->step.h);
	load_state(d, s->cell->initial_c, d->step.c);
	for (size_t t = 0; t < d->z->steps; t++)
		one_step(d, t, y);
	store_state(d, 1, d->step.h);
	if (s->cell->outputs > 2)
		store_state(d, 2, d->step.c);
}

/* sequence_lens within 0..S, or a fault. */
static bool lens_ok(const struct rt_run *r, const int32_t *lens, const struct recurrent_shape *z)
{
	for (size_t b = 0; lens && b < z->batch; b++)
		if (lens[b] < 0 || (size_t)lens[b] > z->steps) {
			rt_run_fault(r, "sequence_lens[%zu] is %d, not 0..%zu", b, lens[b],
				     z->steps);
			return false;
		}
	return true;
}

void rt_recurrent_run(const struct rt_run *r)
{
	struct rt_recurrent s = *(const struct rt_recurrent *)r->state;
	const struct recurrent_shape *z = r->shape_state;
	float *base = r->scratch, *y = r->out_count > 0 ? r->out[0].data : NULL;
	const int32_t *lens = r->in_count > 4 ? r->in[4].data : NULL;

	if (s.hidden == 0)
		s.hidden = (size_t)r->in[2].shape.dims[2];
	if (!lens_ok(r, lens, z))
		return;
	if (r->in[0].dtype == RT_F64) {
		rt_recurrent_f64_run(r, &s);
		return;
	}
	if (y && lens) /* what lies behind the end of a sequence is 0 */
		memset(y, 0, rt_tensor_bytes(&r->out[0]));
	for (size_t d = 0; d < (size_t)s.directions; d++) {
		size_t gh = (size_t)s.cell->gates * s.hidden;
		const float *rb = r->in_count > 3 ? r->in[3].data : NULL;
		const float *p = s.cell->peephole && s.cell->peephole < r->in_count
				     ? r->in[s.cell->peephole].data
				     : NULL;
		struct rt_recurrent_weights packed = s.weights[d];
		if (!s.packed)
			pack_inputs(r, &s, z, d, &packed);
		bool *live = (bool *)(void *)(base + z->live);
		struct direction dir = {
		    .step = {.run = r,
			     .state = &s,
			     .act = s.act[d],
			     .weights = &packed,
			     .rb = rb ? rb + d * 2 * gh + gh : NULL,
			     .peephole = p ? p + d * 3 * s.hidden : NULL,
			     .batch = z->batch,
			     .hidden = s.hidden,
			     .live = live,
			     .h = base + z->h,
			     .c = base + z->c,
			     .gates = base + z->gates,
			     .extra = base + z->extra,
			     .gemm_scratch = base + z->gemm},
		    .z = z,
		    .lens = lens,
		    .gx = base + z->gx,
		    .rows = base + z->rows,
		    .live = live,
		    .index = d,
		    .backwards = s.reverse || d == 1,
		};
		project_input(r, &s, z, &packed);
		run_direction(&dir, y);
	}
}
