/* SPDX-License-Identifier: MIT */
/*
 * ml_tree_read.c — attributes to a forest.  Everything that walking relies on is
 * checked here: node and vote indices, features, kinds.  A cycle among nodes is
 * not looked for; the walk is bounded by the number of nodes.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/ml_tree.h"

/* A list of numbers, whichever kind of attribute holds it. */
struct numbers {
	struct rt_tensor t;
	int64_t count; /* −1: missing */
};

static struct numbers numbers_of(const struct rt_node *n, const char *name)
{
	const struct rt_attr *a = rt_node_attr(n, name);
	struct numbers s = {.count = -1};

	if (a == NULL)
		return s;
	if (a->kind == RT_ATTR_INTS) {
		s.t = (struct rt_tensor){RT_I64, {.rank = 0}, (void *)(uintptr_t)a->ints};
		s.count = a->count;
	} else if (a->kind == RT_ATTR_FLOATS) {
		s.t = (struct rt_tensor){RT_F32, {.rank = 0}, (void *)(uintptr_t)a->floats};
		s.count = a->count;
	} else if (a->kind == RT_ATTR_TENSOR && rt_convert_is_number(a->tensor.dtype)) {
		s.t = a->tensor;
		s.count = rt_tensor_elems(&a->tensor);
	}
	return s;
}

static double number(const struct numbers *s, int64_t i)
{
	return rt_convert_get_f64(&s->t, i);
}

static int64_t whole(const struct numbers *s, int64_t i)
{
	return rt_convert_get_i64(&s->t, i);
}

static int bad(struct rt_error *err, const char *what, int64_t i)
{
	return rt_error_set(err, RT_MALFORMED, "%s, entry %lld", what, (long long)i);
}

static int room(struct rt_bind *b, struct rt_ml_forest *f, int64_t nodes, int64_t votes,
		int64_t members, int64_t roots, struct rt_error *err)
{
	f->node_count = nodes;
	f->root_count = roots;
	f->nodes = rt_bind_alloc(b, (size_t)(nodes + 1) * sizeof(*f->nodes));
	f->votes = rt_bind_alloc(b, (size_t)(votes + 1) * sizeof(*f->votes));
	f->members = rt_bind_alloc(b, (size_t)(members + 1) * sizeof(*f->members));
	f->roots = rt_bind_alloc(b, (size_t)(roots + 1) * sizeof(*f->roots));
	if (f->nodes == NULL || f->votes == NULL || f->members == NULL || f->roots == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	return RT_OK;
}

static int vote(struct rt_ml_forest *f, int64_t i, int64_t target, double weight,
		struct rt_error *err)
{
	if (target < 0 || target >= f->targets)
		return bad(err, "a vote for no target", i);
	f->votes[i] = (struct rt_ml_vote){target, weight};
	f->one_target &= target == f->votes[0].target;
	f->positive &= weight >= 0;
	return RT_OK;
}

static int feature(struct rt_ml_forest *f, struct rt_ml_node *n, int64_t i, struct rt_error *err)
{
	if (n->feature < 0 || n->feature > INT32_MAX)
		return bad(err, "nodes_featureids", i);
	if (n->feature + 1 > f->features)
		f->features = n->feature + 1;
	return RT_OK;
}

/* ---- TreeEnsemble (5): inner nodes first, then one node per leaf ----------------------------- */

/* Member sets follow one another, a NaN behind each. */
static int read_members(struct rt_ml_forest *f, int64_t inner, const struct numbers *members,
			struct rt_error *err)
{
	int64_t at = 0;

	for (int64_t i = 0; i < inner; i++) {
		if (f->nodes[i].branch != RT_ML_MEMBER)
			continue;
		f->nodes[i].first = at;
		for (; at < members->count; at++) {
			double x = number(members, at);
			if (!(x <= x))
				break;
			f->members[at] = x;
		}
		if (at >= members->count)
			return bad(err, "membership_values end too early", i);
		f->nodes[i].count = at - f->nodes[i].first;
		at++;
	}
	return RT_OK;
}

/* The node that branch ${i} leads to; −1: none. */
static int64_t branch_to(const struct numbers *ids, const struct numbers *leafs, int64_t i,
			 int64_t inner)
{
	int64_t at = whole(ids, i);

	if (whole(leafs, i) != 0 && __builtin_add_overflow(at, inner, &at))
		return -1;
	return at;
}

static int read_5(struct rt_bind *b, struct rt_ml_forest *f, struct rt_error *err)
{
	const struct rt_node *n = b->node;
	struct numbers modes = numbers_of(n, "nodes_modes"), splits = numbers_of(n, "nodes_splits"),
		       features = numbers_of(n, "nodes_featureids"),
		       yes = numbers_of(n, "nodes_truenodeids"),
		       no = numbers_of(n, "nodes_falsenodeids"),
		       yes_leaf = numbers_of(n, "nodes_trueleafs"),
		       no_leaf = numbers_of(n, "nodes_falseleafs"),
		       missing = numbers_of(n, "nodes_missing_value_tracks_true"),
		       members = numbers_of(n, "membership_values"),
		       targets = numbers_of(n, "leaf_targetids"),
		       weights = numbers_of(n, "leaf_weights"), roots = numbers_of(n, "tree_roots");
	int64_t inner = modes.count, leaves = targets.count;
	int status;

	if (inner < 0 || splits.count != inner || features.count != inner || yes.count != inner ||
	    no.count != inner || yes_leaf.count != inner || no_leaf.count != inner ||
	    (missing.count >= 0 && missing.count != inner) || leaves < 0 ||
	    weights.count != leaves || roots.count < 0)
		return rt_error_set(err, RT_MALFORMED, "lists of nodes or leaves differ in length");
	status = room(b, f, inner + leaves, leaves, members.count, roots.count, err);
	for (int64_t i = 0; status == RT_OK && i < leaves; i++) {
		f->nodes[inner + i] =
		    (struct rt_ml_node){.branch = RT_ML_LEAF, .first = i, .count = 1};
		status = vote(f, i, whole(&targets, i), number(&weights, i), err);
	}
	for (int64_t i = 0; status == RT_OK && i < inner; i++) {
		struct rt_ml_node *to = &f->nodes[i];
		int64_t mode = whole(&modes, i);
		*to = (struct rt_ml_node){.branch = (enum rt_ml_branch)mode,
					  .feature = whole(&features, i),
					  .split = number(&splits, i),
					  .yes = branch_to(&yes, &yes_leaf, i, inner),
					  .no = branch_to(&no, &no_leaf, i, inner),
					  .missing_true =
					      missing.count > 0 && whole(&missing, i) != 0};
		if (mode < 0 || mode > RT_ML_MEMBER)
			status = bad(err, "nodes_modes", i);
		else if (to->yes < 0 || to->yes >= f->node_count || to->no < 0 ||
			 to->no >= f->node_count)
			status = bad(err, "a branch to no node", i);
		else
			status = feature(f, to, i, err);
	}
	for (int64_t i = 0; status == RT_OK && i < roots.count; i++) {
		f->roots[i] = whole(&roots, i);
		/* a tree that is one leaf has a node whose branches are the same leaf */
		if (f->roots[i] < 0 || f->roots[i] >= inner)
			status = bad(err, "tree_roots", i);
	}
	return status == RT_OK ? read_members(f, inner, &members, err) : status;
}

/* ---- TreeEnsembleClassifier, TreeEnsembleRegressor (1, 3) ------------------------------------ */

struct ids {
	struct numbers trees, nodes;
	int64_t hint; /* where the last one was found */
};

/* The node (tree, id); lists are usually in order, so looking on from the last one is enough. */
static int64_t locate(struct ids *s, int64_t tree, int64_t id)
{
	for (int64_t k = 0; k < s->nodes.count; k++) {
		int64_t i =
		    s->hint + k < s->nodes.count ? s->hint + k : s->hint + k - s->nodes.count;
		if (whole(&s->trees, i) == tree && whole(&s->nodes, i) == id) {
			s->hint = i;
			return i;
		}
	}
	return -1;
}

static int branch_of(struct rt_str word)
{
	static const char *const words[] = {"BRANCH_LEQ",    "BRANCH_LT", "BRANCH_GTE",
					    "BRANCH_GT",     "BRANCH_EQ", "BRANCH_NEQ",
					    "BRANCH_MEMBER", "LEAF"};

	for (int i = 0; i <= RT_ML_LEAF; i++) {
		if (i != RT_ML_MEMBER && strlen(words[i]) == word.size &&
		    memcmp(words[i], word.bytes, word.size) == 0)
			return i;
	}
	return -1;
}

/* Votes of a leaf must lie together: count them, lay them out, fill them in. */
static int read_votes(struct rt_ml_forest *f, struct ids *ids, const struct rt_node *n,
		      const char *prefix, struct rt_error *err)
{
	char names[4][64];
	static const char *const parts[4] = {"treeids", "nodeids", "ids", "weights"};
	struct numbers v[4];
	int64_t at = 0;

	for (int k = 0; k < 4; k++) {
		(void)snprintf(names[k], sizeof(names[k]), "%s_%s", prefix, parts[k]);
		v[k] = numbers_of(n, names[k]);
		if (v[k].count != v[0].count || v[k].count < 0)
			return rt_error_set(err, RT_MALFORMED, "%s is missing or of another length",
					    names[k]);
	}
	for (int pass = 0; pass < 2; pass++) {
		for (int64_t i = 0; i < v[0].count; i++) {
			int64_t k = locate(ids, whole(&v[0], i), whole(&v[1], i));
			int status = RT_OK;
			if (k < 0 || f->nodes[k].branch != RT_ML_LEAF)
				return bad(err, names[1], i);
			if (pass == 1)
				status = vote(f, f->nodes[k].first + f->nodes[k].count,
					      whole(&v[2], i), number(&v[3], i), err);
			if (status != RT_OK)
				return status;
			f->nodes[k].count++;
		}
		for (int64_t i = 0; pass == 0 && i < f->node_count; i++) {
			f->nodes[i].first = at;
			at += f->nodes[i].count;
			f->nodes[i].count = 0;
		}
	}
	return RT_OK;
}

static int read_nodes(struct rt_ml_forest *f, struct ids *ids, const struct rt_node *n,
		      struct rt_error *err)
{
	const struct rt_attr *modes = rt_node_attr(n, "nodes_modes");
	struct numbers values = numbers_of(n, "nodes_values"),
		       yes = numbers_of(n, "nodes_truenodeids"),
		       no = numbers_of(n, "nodes_falsenodeids"),
		       features = numbers_of(n, "nodes_featureids"),
		       missing = numbers_of(n, "nodes_missing_value_tracks_true");
	int64_t count = ids->nodes.count;

	if (values.count < 0)
		values = numbers_of(n, "nodes_values_as_tensor");
	if (modes == NULL || modes->kind != RT_ATTR_STRINGS || modes->count != count ||
	    values.count != count || yes.count != count || no.count != count ||
	    features.count != count || (missing.count > 0 && missing.count != count))
		return rt_error_set(err, RT_MALFORMED, "lists of nodes differ in length");
	for (int64_t i = 0; i < count; i++) {
		struct rt_ml_node *to = &f->nodes[i];
		int branch = branch_of(modes->strings[i]), status;
		int64_t tree = whole(&ids->trees, i);

		if (branch < 0)
			return bad(err, "nodes_modes", i);
		*to = (struct rt_ml_node){.branch = (enum rt_ml_branch)branch,
					  .feature = whole(&features, i),
					  .split = number(&values, i),
					  .missing_true =
					      missing.count > 0 && whole(&missing, i) != 0};
		if (i == 0 || whole(&ids->trees, i - 1) != tree)
			f->roots[f->root_count++] = i;
		if (branch == RT_ML_LEAF)
			continue;
		ids->hint = i;
		to->yes = locate(ids, tree, whole(&yes, i));
		ids->hint = i;
		to->no = locate(ids, tree, whole(&no, i));
		if (to->yes < 0 || to->no < 0)
			return bad(err, "a branch to no node", i);
		status = feature(f, to, i, err);
		if (status != RT_OK)
			return status;
	}
	return RT_OK;
}

static int read_1(struct rt_bind *b, struct rt_ml_forest *f, struct rt_error *err)
{
	const struct rt_node *n = b->node;
	bool classifier = strcmp(n->op_type, "TreeEnsembleClassifier") == 0;
	struct ids ids = {numbers_of(n, "nodes_treeids"), numbers_of(n, "nodes_nodeids"), 0};
	struct numbers votes = numbers_of(n, classifier ? "class_ids" : "target_ids");
	int status;

	if (ids.nodes.count < 0 || ids.trees.count != ids.nodes.count)
		return rt_error_set(err, RT_MALFORMED, "nodes_treeids or nodes_nodeids");
	status = room(b, f, ids.nodes.count, votes.count, 0, ids.nodes.count, err);
	f->root_count = 0;
	if (status == RT_OK)
		status = read_nodes(f, &ids, n, err);
	ids.hint = 0;
	return status == RT_OK ? read_votes(f, &ids, n, classifier ? "class" : "target", err)
			       : status;
}

int rt_ml_tree_read(struct rt_bind *b, struct rt_ml_forest *out, struct rt_error *err)
{
	out->one_target = out->positive = true;
	if (strcmp(b->node->op_type, "TreeEnsemble") == 0)
		return read_5(b, out, err);
	return read_1(b, out, err);
}
