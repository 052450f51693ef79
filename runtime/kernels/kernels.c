/* SPDX-License-Identifier: MIT */
/*
 * kernels.c — which variant of each kernel a CPU level uses.
 *
 * The lists <kind>.def are walked from fast to slow; the first row counts that is
 * of a level which this machine has, not above the one asked for, and whose results
 * selftest.c finds right.  The table of a level is made on the first call that asks for it and
 * never changes, so the pointers handed out are good in any thread.  What nobody asks for is
 * not tested: that is most of what opening the first model of a process costs.
 */
#include <config.h>

#include <pthread.h>
#include <stdio.h>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/selftest.h"

/* The chosen rows of one level, and their names. */
struct choice {
	struct rt_kernels table;
#define KIND(kind, what) const char *kind;
#include "runtime/kernels/kinds.def"
#undef KIND
};

static struct choice choices[RT_CPU_LEVEL_COUNT];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool chosen[RT_CPU_LEVEL_COUNT]; /* under the lock */

static bool fits(enum rt_cpu_level row, enum rt_cpu_level level)
{
	return row <= level && rt_cpu_has(row);
}

enum verdict { UNTESTED, GOOD, BAD };

static enum verdict verdict(bool matches, const char *name)
{
	if (!matches)
		fprintf(stderr, "kernel %s does not match the scalar one: not used\n", name);
	return matches ? GOOD : BAD;
}

#define ROWS(kind_)                                                                                \
	static struct {                                                                            \
		enum rt_cpu_level level;                                                           \
		const struct rt_##kind_ *variant;                                                  \
		const char *name;                                                                  \
		enum verdict verdict;                                                              \
	} kind_##_rows[]
#define KERNEL(level, symbol) {level, &symbol, #symbol, UNTESTED},
ROWS(f32_unary) = {
#include "runtime/kernels/f32_unary.def"
};
ROWS(f32_binary) = {
#include "runtime/kernels/f32_binary.def"
};
ROWS(f32_row) = {
#include "runtime/kernels/f32_row.def"
};
ROWS(f16_convert) = {
#include "runtime/kernels/f16_convert.def"
};
ROWS(x32_transpose) = {
#include "runtime/kernels/x32_transpose.def"
};
ROWS(f32_gemm) = {
#include "runtime/kernels/f32_gemm.def"
};
ROWS(f32_split) = {
#include "runtime/kernels/f32_split.def"
};
ROWS(f32_dwconv) = {
#include "runtime/kernels/f32_dwconv.def"
};
ROWS(f32_pool) = {
#include "runtime/kernels/f32_pool.def"
};
ROWS(f32_winograd) = {
#include "runtime/kernels/f32_winograd.def"
};
ROWS(i8_row) = {
#include "runtime/kernels/i8_row.def"
};
ROWS(i8_gemm) = {
#include "runtime/kernels/i8_gemm.def"
};
ROWS(i8_dwconv) = {
#include "runtime/kernels/i8_dwconv.def"
};
ROWS(n4_dot) = {
#include "runtime/kernels/n4_dot.def"
};
ROWS(n4_gemm) = {
#include "runtime/kernels/n4_gemm.def"
};
#undef KERNEL

#define COUNT(rows_) (sizeof(rows_) / sizeof *(rows_))

/* The first row of each list is the scalar one, which the others are compared with. */
static void choose(enum rt_cpu_level level)
{
	struct choice *c = &choices[level];

	c->table.level = level;
#define KIND(kind_, what)                                                                          \
	for (size_t r = COUNT(kind_##_rows); r-- > 0 && c->kind_ == NULL;) {                       \
		if (!fits(kind_##_rows[r].level, level))                                           \
			continue;                                                                  \
		if (kind_##_rows[r].verdict == UNTESTED)                                           \
			kind_##_rows[r].verdict =                                                  \
			    verdict(r == 0 || rt_selftest_##kind_(kind_##_rows[0].variant,         \
								  kind_##_rows[r].variant),        \
				    kind_##_rows[r].name);                                         \
		if (kind_##_rows[r].verdict == BAD)                                                \
			continue;                                                                  \
		c->table.kind_ = kind_##_rows[r].variant;                                          \
		c->kind_ = kind_##_rows[r].name;                                                   \
	}
#include "runtime/kernels/kinds.def"
#undef KIND
}

const struct rt_kernels *rt_kernels_select(enum rt_cpu_level level)
{
	must((unsigned)level < RT_CPU_LEVEL_COUNT);
	must(pthread_mutex_lock(&lock) == 0);
	if (!chosen[level])
		choose(level);
	chosen[level] = true;
	must(pthread_mutex_unlock(&lock) == 0);
	return &choices[level].table;
}

uint64_t rt_kernels_mark(const struct rt_kernels *kernels)
{
	const struct choice *c = &choices[kernels->level];
	uint64_t mark = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	must(kernels == &c->table);
#define KIND(kind, what)                                                                           \
	for (const char *p = c->kind; *p != '\0'; p++)                                             \
		mark = (mark ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
#include "runtime/kernels/kinds.def"
#undef KIND
	return mark;
}

void rt_kernels_print(enum rt_cpu_level level, FILE *f)
{
	const struct choice *c = &choices[level];
	(void)rt_kernels_select(level);
#define KIND(kind, what) fprintf(f, "%-14s %-32s %s\n", #kind, c->kind, what);
#include "runtime/kernels/kinds.def"
#undef KIND
}
