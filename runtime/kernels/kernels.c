/* SPDX-License-Identifier: MIT */
/*
 * kernels.c — which variant of each kernel a CPU level uses.
 *
 * The lists <kind>.def are walked from slow to fast; a row counts when this
 * machine has its level, the level asked for is not below it, and selftest.c
 * finds its results right.  All tables are made on the first call and never
 * change, so the pointers handed out are good in any thread.
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
static pthread_once_t chosen = PTHREAD_ONCE_INIT;

static bool fits(enum rt_cpu_level row, enum rt_cpu_level level)
{
	return row <= level && rt_cpu_has(row);
}

static void test(bool *good, bool matches, const char *name)
{
	*good = matches;
	if (!matches)
		fprintf(stderr, "kernel %s does not match the scalar one: not used\n", name);
}

#define ROWS(kind_)                                                                                \
	static struct {                                                                            \
		enum rt_cpu_level level;                                                           \
		const struct rt_##kind_ *variant;                                                  \
		const char *name;                                                                  \
		bool good;                                                                         \
	} kind_##_rows[]
#define KERNEL(level, symbol) {level, &symbol, #symbol, true},
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

static void test_all(void)
{
#define KIND(kind, what)                                                                           \
	for (size_t i = 0; i < COUNT(kind##_rows); i++)                                            \
		if (rt_cpu_has(kind##_rows[i].level))                                              \
			test(&kind##_rows[i].good,                                                 \
			     i == 0 || rt_selftest_##kind(kind##_rows[0].variant,                  \
							  kind##_rows[i].variant),                 \
			     kind##_rows[i].name);
#include "runtime/kernels/kinds.def"
#undef KIND
}

static void choose_all(void)
{
	test_all();
	for (int i = 0; i < RT_CPU_LEVEL_COUNT; i++) {
		enum rt_cpu_level level = (enum rt_cpu_level)i;
		struct choice *c = &choices[i];
		c->table.level = level;
#define KIND(kind_, what)                                                                          \
	for (size_t r = 0; r < COUNT(kind_##_rows); r++) {                                         \
		if (!kind_##_rows[r].good || !fits(kind_##_rows[r].level, level))                  \
			continue;                                                                  \
		c->table.kind_ = kind_##_rows[r].variant;                                          \
		c->kind_ = kind_##_rows[r].name;                                                   \
	}
#include "runtime/kernels/kinds.def"
#undef KIND
	}
}

const struct rt_kernels *rt_kernels_select(enum rt_cpu_level level)
{
	must((unsigned)level < RT_CPU_LEVEL_COUNT);
	pthread_once(&chosen, choose_all);
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
