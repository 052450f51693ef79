/* SPDX-License-Identifier: MIT */
/*
 * op_table.c — expands ops.def: which operators there are, and the lookup that
 * rt_graph_resolve makes once per node.  Nothing else knows the list.
 */
#include <config.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ops/ops.h"

static const struct rt_op_row rows[] = {
#define OP(op, domain, since, last, object, dtypes, input)                                         \
	{#op, RT_##domain, since, last, &object, dtypes, input},
#include "runtime/ops.def"
#undef OP
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

size_t rt_op_count(void)
{
	return ROWS;
}

const struct rt_op_row *rt_op_row_get(size_t i)
{
	must(i < ROWS);
	return &rows[i];
}

/* ---- lookup: rows by domain and name --------------------------------------------------------- */

static const struct rt_op_row *sorted[ROWS];
static pthread_once_t sort_once = PTHREAD_ONCE_INIT;

static int compare(enum rt_domain domain, const char *op_type, const struct rt_op_row *r)
{
	if (domain != r->domain)
		return domain < r->domain ? -1 : 1;
	return strcmp(op_type, r->op_type);
}

static int by_name(const void *a, const void *b)
{
	const struct rt_op_row *x = *(const struct rt_op_row *const *)a;
	const struct rt_op_row *y = *(const struct rt_op_row *const *)b;
	int order = compare(x->domain, x->op_type, y);

	if (order != 0)
		return order;
	return x->since < y->since ? -1 : x->since > y->since;
}

static void sort_rows(void)
{
	for (size_t i = 0; i < ROWS; i++)
		sorted[i] = &rows[i];
	qsort(sorted, ROWS, sizeof(struct rt_op_row *), by_name);
}

/* The first row of that name, or where it would be. */
static size_t first_of(enum rt_domain domain, const char *op_type)
{
	size_t low = 0, high = ROWS;

	(void)pthread_once(&sort_once, sort_rows);
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(domain, op_type, sorted[middle]) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct rt_op_row *rt_op_find(enum rt_domain domain, const char *op_type, int64_t opset)
{
	for (size_t i = first_of(domain, op_type);
	     i < ROWS && compare(domain, op_type, sorted[i]) == 0; i++) {
		if (sorted[i]->since <= opset && opset <= sorted[i]->last)
			return sorted[i];
	}
	return NULL;
}

bool rt_op_known(enum rt_domain domain, const char *op_type)
{
	size_t i = first_of(domain, op_type);

	return i < ROWS && compare(domain, op_type, sorted[i]) == 0;
}

/* ---- the list -------------------------------------------------------------------------------- */

/* Is row ${i} the first of its operator? */
static bool first_of_its_name(size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (rows[k].domain == rows[i].domain &&
		    strcmp(rows[k].op_type, rows[i].op_type) == 0)
			return false;
	}
	return true;
}

static void print_dtypes(FILE *f, uint32_t mask)
{
	const char *comma = "";

	for (unsigned t = 1; t < RT_DTYPE_COUNT; t++) {
		if ((mask >> t & 1) == 0)
			continue;
		(void)fprintf(f, "%s%s", comma, rt_dtype_name((enum rt_dtype)t));
		comma = ",";
	}
}

size_t rt_ops_print(FILE *f)
{
	size_t operators = 0;

	for (size_t i = 0; i < ROWS; i++) {
		const struct rt_op_row *r = &rows[i];

		if (r->domain == RT_LARDER)
			continue;
		operators += first_of_its_name(i);
		(void)fprintf(f, "%-12s %-28s %3" PRId64 "-", rt_domain_name(r->domain), r->op_type,
			      r->since);
		if (r->last == RT_LATEST)
			(void)fputs("...", f);
		else
			(void)fprintf(f, "%-3" PRId64, r->last);
		(void)fputc(' ', f);
		print_dtypes(f, r->dtypes);
		(void)fputc('\n', f);
	}
	return operators;
}
