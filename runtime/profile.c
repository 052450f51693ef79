/* SPDX-License-Identifier: MIT */
/*
 * profile.c — prints what frame.c measured.  Only the model's own graph and the
 * plans that were used last are told; nodes of sub-graphs count for their node.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/profile.h"
#include "runtime/segment.h"

struct row {
	const struct rt_node *node;
	const struct rt_tensor *out;
	struct rt_spent spent;
	int count;
};

static void forget(struct rt_segment *s)
{
	for (; s != NULL; s = s->next) {
		for (int i = 0; i <= s->step_count; i++)
			s->spent[i] = (struct rt_spent){0, 0};
		s->runs = 0;
		forget(s->children);
	}
}

void rt_profile_start(struct rt_session *s)
{
	forget(s->frame->roots);
	s->profile = true;
}

static int slowest_first(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return (x->spent.ns < y->spent.ns) - (x->spent.ns > y->spent.ns);
}

/* Rows of one plan and of those that came after it. */
static size_t collect(const struct rt_segment *s, struct row *rows)
{
	size_t n = 0;

	for (; s != NULL; s = s->children) {
		for (int i = 0; i < s->step_count; i++, n++) {
			if (rows != NULL)
				rows[n] = (struct row){s->steps[i].args.node,
						       &s->steps[i].args.out[0], s->spent[i], 1};
		}
		if (s->how != RT_SEGMENT_EVAL)
			continue;
		if (rows != NULL)
			rows[n] = (struct row){s->eval.run.node, &s->eval.out[0],
					       s->spent[s->step_count], 1};
		n++;
	}
	return n;
}

/* Add rows of the same operator together; returns how many are left. */
static size_t by_operator(const struct row *rows, size_t n, struct row *out)
{
	size_t count = 0, k;

	for (size_t i = 0; i < n; i++) {
		for (k = 0; k < count; k++) {
			if (strcmp(out[k].node->op_type, rows[i].node->op_type) == 0)
				break;
		}
		if (k == count) {
			out[count++] = rows[i];
			continue;
		}
		out[k].spent.ns += rows[i].spent.ns;
		out[k].spent.least += rows[i].spent.least;
		out[k].count++;
	}
	return count;
}

static void print_spent(FILE *f, const struct row *r, double runs, double total)
{
	(void)fprintf(f, "%10.1f us %5.1f%% %10.1f least", (double)r->spent.ns / runs / 1e3,
		      100 * (double)r->spent.ns / (total > 0 ? total : 1),
		      (double)r->spent.least / 1e3);
}

void rt_profile_print(const struct rt_session *s, FILE *f)
{
	const struct rt_segment *plan = s->frame->roots;
	size_t n = collect(plan, NULL), operators;
	struct row *rows = calloc(2 * n + 1, sizeof(*rows)), *sums;
	double runs = plan != NULL && plan->runs > 0 ? (double)plan->runs : 1;
	double total = 0, least = 0;
	char shape[128];

	if (rows == NULL || plan == NULL) {
		free(rows);
		return;
	}
	sums = rows + n;
	(void)collect(plan, rows);
	operators = by_operator(rows, n, sums);
	qsort(rows, n, sizeof(*rows), slowest_first);
	qsort(sums, operators, sizeof(*sums), slowest_first);
	for (size_t i = 0; i < n; i++) {
		total += (double)rows[i].spent.ns;
		least += (double)rows[i].spent.least;
	}
	(void)fprintf(f, "%10.1f us per run, %.1f least, %zu steps, %.0f runs\n",
		      total / runs / 1e3, least / 1e3, n, runs);
	for (size_t i = 0; i < operators; i++) {
		print_spent(f, &sums[i], runs, total);
		(void)fprintf(f, " %4d x %s\n", sums[i].count, sums[i].node->op_type);
	}
	for (size_t i = 0; i < n; i++) {
		print_spent(f, &rows[i], runs, total);
		(void)fprintf(f, " %-20s %s %s\n", rows[i].node->op_type,
			      rt_shape_text(&rows[i].out->shape, shape, sizeof(shape)),
			      rows[i].node->name);
	}
	free(rows);
}
