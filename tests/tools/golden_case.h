/* SPDX-License-Identifier: MIT */
/*
 * golden_case.h — one golden.json: which model, its stored inputs and outputs.
 * Used by the tools golden and bench-model.
 *
 * Files are raw, little-endian, row-major; names are matched with the model's
 * inputs and outputs.
 */
#ifndef LARDER_TESTS_TOOLS_GOLDEN_CASE_H
#define LARDER_TESTS_TOOLS_GOLDEN_CASE_H

#include "runtime/runtime.h"

#define GOLDEN_PORTS_MAX 64

struct golden_tensor {
	const char *name; /* borrowed from the case */
	struct rt_tensor tensor;
	struct rt_bytes file;
	/* outputs: */
	double noopt_max_abs_diff;
	struct rt_tensor noopt; /* data NULL = none: the other right answer */
	struct rt_bytes noopt_file;
};

struct golden_case {
	struct json_t *json;
	char *dir;
	const char *model;           /* file name; NULL when the case is not a single run */
	const char *reference_error; /* the reference could not run it; NULL = it could */
	bool quantised;              /* says so itself (TFJS weights of uint8) */
	struct golden_tensor in[GOLDEN_PORTS_MAX], out[GOLDEN_PORTS_MAX];
	int in_count, out_count;
};

/* golden_case_open(dir, text, size): read ${dir}/golden.json and map its files; NULL and a text
 * saying what is wrong.  golden_case_close afterwards (NULL is allowed). */
struct golden_case *golden_case_open(const char *dir, char *text, size_t size);
void golden_case_close(struct golden_case *c);
/* golden_case_inputs(c, m, in, …): fill in[] in the model's order; the data belong to the case. */
bool golden_case_inputs(const struct golden_case *c, const struct rt_model *m, struct rt_tensor *in,
			char *text, size_t size);

#endif
