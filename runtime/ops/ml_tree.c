/* SPDX-License-Identifier: MIT */
/*
 * ml_tree.c — TreeEnsemble (5), TreeEnsembleClassifier and TreeEnsembleRegressor
 * (1, 3): every tree leads a row to a leaf, the votes of the leaves are
 * aggregated per target (sum, average, minimum, maximum), base values are added,
 * post_transform is applied.
 *
 * A classifier of two classes whose votes are all for one of them has one score:
 * above 0.5 (0 where a weight is negative, or after LOGISTIC) the second class.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/ml_score.h"
#include "runtime/ops/ml_tree.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

enum aggregate { AVERAGE, SUM, LEAST, MOST };

struct tree {
	struct rt_ml_forest forest;
	enum aggregate aggregate;
	enum rt_ml_transform transform;
	const float *base;
	int64_t base_count;
	struct rt_ml_labels labels;
	bool classifier, single; /* single: one score for two classes */
};

static bool aggregate_of(const struct rt_node *n, enum aggregate *out)
{
	static const char *const words[] = {"AVERAGE", "SUM", "MIN", "MAX"};
	const struct rt_attr *a = rt_node_attr(n, "aggregate_function");

	*out = SUM;
	if (a == NULL)
		return true;
	if (a->kind == RT_ATTR_INT && a->i >= 0 && a->i <= MOST) {
		*out = (enum aggregate)a->i;
		return true;
	}
	for (int i = 0; i <= MOST; i++) {
		if (rt_node_string_is(n, "aggregate_function", words[i], "")) {
			*out = (enum aggregate)i;
			return true;
		}
	}
	return false;
}

static int tree_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		     struct rt_error *err)
{
	struct rt_ml_labels labels;
	bool classifier = strcmp(n->op_type, "TreeEnsembleClassifier") == 0;

	(void)err;
	out[0] = strcmp(n->op_type, "TreeEnsemble") == 0 ? g->values[n->in[0]].dtype : RT_F32;
	if (classifier)
		out[0] = rt_ml_score_labels(n, "classlabels_int64s", &labels) && labels.strings
			     ? RT_STR
			     : RT_I64;
	if (n->out_count > 1)
		out[1] = RT_F32;
	return RT_OK;
}

static int tree_bind(struct rt_bind *b, struct rt_error *err)
{
	struct tree *s = b->state;
	const struct rt_attr *base = rt_node_attr(b->node, "base_values");
	int status;

	s->classifier = strcmp(b->node->op_type, "TreeEnsembleClassifier") == 0;
	if (s->classifier && rt_ml_score_labels(b->node, "classlabels_int64s", &s->labels))
		s->forest.targets = s->labels.count;
	else
		s->forest.targets = rt_node_int(b->node, "n_targets", 1);
	if (s->forest.targets < 1 || s->forest.targets > INT32_MAX ||
	    !aggregate_of(b->node, &s->aggregate) || !rt_ml_score_transform(b->node, &s->transform))
		return rt_error_set(err, RT_MALFORMED,
				    "targets, labels, aggregate_function or post_transform");
	status = rt_ml_tree_read(b, &s->forest, err);
	if (status != RT_OK)
		return status;
	if (base != NULL && base->kind == RT_ATTR_FLOATS) {
		s->base = base->floats;
		s->base_count = base->count;
	}
	s->single = s->classifier && s->labels.count == 2 && s->forest.one_target;
	return RT_OK;
}

static int tree_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct tree *s = f->state;
	const struct rt_shape *in = &f->in[0].shape;
	int64_t rows = in->rank > 1 ? in->dims[0] : 1;
	size_t bytes;

	if (in->rank < 1 || in->rank > 2 || in->dims[in->rank - 1] < s->forest.features)
		return rt_error_set(err, RT_INPUT, "the input is not rows of at least %lld columns",
				    (long long)s->forest.features);
	f->out[0].shape =
	    s->classifier ? rt_shape_of(1, rows) : rt_shape_of(2, rows, s->forest.targets);
	if (f->out_count > 1)
		f->out[1].shape = rt_shape_of(2, rows, s->forest.targets);
	if (__builtin_mul_overflow((size_t)s->forest.targets * sizeof(double), (size_t)f->threads,
				   &bytes))
		return rt_error_set(err, RT_INPUT, "too many targets");
	f->scratch_bytes = bytes;
	return RT_OK;
}

static bool branches(const struct rt_ml_forest *f, const struct rt_ml_node *n, double x)
{
	if (isnan(x))
		return n->missing_true;
	switch (n->branch) {
	case RT_ML_LEQ:
		return x <= n->split;
	case RT_ML_LT:
		return x < n->split;
	case RT_ML_GTE:
		return x >= n->split;
	case RT_ML_GT:
		return x > n->split;
	case RT_ML_EQ:
		return x >= n->split && x <= n->split;
	case RT_ML_NEQ:
		return x < n->split || x > n->split;
	default:
		for (int64_t i = 0; i < n->count; i++) {
			double m = f->members[n->first + i];
			if (x >= m && x <= m)
				return true;
		}
		return false;
	}
}

/* The leaf that a row comes to; NULL after rt_run_fault: the nodes form a circle. */
static const struct rt_ml_node *leaf_of(const struct rt_run *r, const struct rt_ml_forest *f,
					int64_t root, int64_t row, int64_t width)
{
	const struct rt_ml_node *n = &f->nodes[root];

	for (int64_t steps = 0; n->branch != RT_ML_LEAF; steps++) {
		double x = rt_convert_get_f64(&r->in[0], row * width + n->feature);
		if (steps > f->node_count) {
			rt_run_fault(r, "the nodes of a tree form a circle");
			return NULL;
		}
		n = &f->nodes[branches(f, n, x) ? n->yes : n->no];
	}
	return n;
}

/* Scores of one row. */
static bool aggregate_row(const struct rt_run *r, const struct tree *s, int64_t row, double *x)
{
	const struct rt_ml_forest *f = &s->forest;
	int64_t width = r->in[0].shape.dims[r->in[0].shape.rank - 1];
	bool extreme = s->aggregate == LEAST || s->aggregate == MOST;

	for (int64_t t = 0; t < f->targets; t++)
		x[t] = extreme ? (double)NAN : 0;
	for (int64_t i = 0; i < f->root_count; i++) {
		const struct rt_ml_node *leaf = leaf_of(r, f, f->roots[i], row, width);
		for (int64_t k = 0; leaf != NULL && k < leaf->count; k++) {
			const struct rt_ml_vote *v = &f->votes[leaf->first + k];
			double *to = &x[v->target];
			if (!extreme)
				*to += v->weight;
			else if (isnan(*to) ||
				 (s->aggregate == LEAST ? v->weight < *to : v->weight > *to))
				*to = v->weight;
		}
		if (leaf == NULL)
			return false;
	}
	for (int64_t t = 0; t < f->targets; t++) {
		if (extreme && isnan(x[t]))
			x[t] = 0;
		if (s->aggregate == AVERAGE && f->root_count > 0)
			x[t] /= (double)f->root_count;
		if (s->base_count == f->targets)
			x[t] += (double)s->base[t];
	}
	return true;
}

/* The class of a row, and its scores as they come out. */
static int64_t classify(const struct tree *s, double *x)
{
	int64_t best = 0;

	if (s->single) {
		int64_t voted = s->forest.root_count > 0 ? s->forest.votes[0].target : 0;
		double score = x[voted] + (s->base_count == 1 ? (double)s->base[0] : 0);
		bool margin = s->transform == RT_ML_LOGISTIC || !s->forest.positive;
		int64_t win = score > (margin ? 0 : 0.5);

		x[1] = score;
		x[0] = margin ? -score : 1 - score;
		rt_ml_score_apply_two(s->transform, x);
		return win;
	}
	for (int64_t t = 1; t < s->forest.targets; t++) {
		if (x[t] > x[best])
			best = t;
	}
	rt_ml_score_apply(s->transform, x, s->forest.targets);
	return best;
}

static void tree_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct tree *s = r->state;
	int64_t targets = s->forest.targets;
	const struct rt_tensor *scores = !s->classifier     ? &r->out[0]
					 : r->out_count > 1 ? &r->out[1]
							    : NULL;
	double *x = (double *)r->scratch + thread * targets;

	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		if (!aggregate_row(r, s, i, x))
			return;
		if (s->classifier)
			rt_ml_score_label(&s->labels, classify(s, x), &r->out[0], i);
		else
			rt_ml_score_apply(s->transform, x, targets);
		if (scores != NULL && scores->data != NULL)
			rt_convert_from_f64(scores->dtype, x, (size_t)targets, scores->data,
					    i * targets, true);
	}
}

static void tree_run(const struct rt_run *r)
{
	const struct tree *s = r->state;
	struct rt_run copy = *r;

	if (r->out[0].shape.dims[0] > 0)
		rt_team_for(r->team, (size_t)r->out[0].shape.dims[0],
			    rt_walk_grain(s->forest.root_count * 16), tree_range, &copy);
}

const struct rt_op rt_op_tree_ensemble = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 2,
    .state_bytes = sizeof(struct tree),
    .type = tree_type,
    .bind = tree_bind,
    .infer = tree_infer,
    .run = tree_run,
};
