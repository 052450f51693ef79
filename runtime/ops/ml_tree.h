/* SPDX-License-Identifier: MIT */
/*
 * ml_tree.h — a forest of decision trees as both forms of ai.onnx.ml give it
 * (TreeEnsemble 5, TreeEnsembleClassifier and -Regressor 1 and 3), read once by
 * ml_tree_read.c and walked by ml_tree.c.
 */
#ifndef LARDER_RUNTIME_OPS_ML_TREE_H
#define LARDER_RUNTIME_OPS_ML_TREE_H

#include "runtime/op.h"

enum rt_ml_branch {
	RT_ML_LEQ,
	RT_ML_LT,
	RT_ML_GTE,
	RT_ML_GT,
	RT_ML_EQ,
	RT_ML_NEQ,
	RT_ML_MEMBER,
	RT_ML_LEAF
};
struct rt_ml_node {
	enum rt_ml_branch branch;
	bool missing_true; /* NaN goes to yes */
	int64_t feature;
	double split;
	int64_t yes, no;      /* nodes */
	int64_t first, count; /* RT_ML_LEAF: votes; RT_ML_MEMBER: values of the set */
};
struct rt_ml_vote {
	int64_t target;
	double weight;
};
struct rt_ml_forest {
	struct rt_ml_node *nodes; /* [node_count]; all indices were checked */
	int64_t node_count;
	struct rt_ml_vote *votes;
	double *members;
	int64_t *roots;
	int64_t root_count;
	int64_t targets;  /* votes are for 0 … targets−1 */
	int64_t features; /* largest feature + 1 */
	bool one_target;  /* all votes are for the same target */
	bool positive;    /* no weight is below 0 */
};

/* rt_ml_tree_read(b, out, err): the forest of the node that is bound; memory of the model.
 * ${targets} of out is set by the caller. */
int rt_ml_tree_read(struct rt_bind *b, struct rt_ml_forest *out, struct rt_error *err);

#endif
