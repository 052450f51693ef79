/* SPDX-License-Identifier: MIT */
/*
 * Weights of 16 bits (runtime/pass_narrow.c, ops/matmul.c, kernels/gemm.c): products
 * and tables are right, and what the model holds in memory stays half as wide.
 */
#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/runtime.h"
#include "tests/lib/pbuild.h"
#include "tests/runtime/one_op.h"
#include "tests/runtime/opened.h"
#include "tests/runtime/suites.h"

/* TensorProto.DataType */
enum { FLOAT16 = 10, INT64 = 7, BFLOAT16 = 16 };

/* Numbers of 16 bits, and what they are. */
struct halves {
	uint16_t *bits;
	double *is;
	int64_t dims[2];
};

static void halves_make(struct halves *h, bool bf16, int64_t rows, int64_t cols)
{
	h->dims[0] = rows;
	h->dims[1] = cols;
	h->bits = malloc((size_t)(rows * cols) * sizeof(*h->bits));
	h->is = malloc((size_t)(rows * cols) * sizeof(*h->is));
	for (int64_t i = 0; i < rows * cols; i++) {
		float x = (float)one_op_random();

		h->bits[i] = bf16 ? rt_f32_to_bf16(x) : rt_f32_to_f16(x);
		h->is[i] = (double)(bf16 ? rt_bf16_to_f32(h->bits[i]) : rt_f16_to_f32(h->bits[i]));
	}
}

static void halves_free(struct halves *h)
{
	free(h->bits);
	free(h->is);
}

static void add_weights(struct pbuild *m, const char *name, bool bf16, const struct halves *h,
			int rank)
{
	struct pbuild t = {0};

	pbuild_tensor(&t, name, bf16 ? BFLOAT16 : FLOAT16, rank, rank == 1 ? &h->dims[1] : h->dims,
		      h->bits, (size_t)(h->dims[0] * h->dims[1]) * 2);
	pbuild_init(m, &t);
}

/* y is right to the precision of its type: 11 bits, or 8, of the largest. */
static void check_product(const struct rt_tensor *y, bool bf16, const double *want, int64_t n)
{
	double most = 0;

	ck_assert_int_eq(rt_tensor_elems(y), n);
	for (int64_t i = 0; i < n; i++)
		most = fmax(most, fabs(want[i]));
	for (int64_t i = 0; i < n; i++) {
		uint16_t bits = ((const uint16_t *)y->data)[i];
		double got = (double)(bf16 ? rt_bf16_to_f32(bits) : rt_f16_to_f32(bits));

		ck_assert_msg(fabs(got - want[i]) <= most * (bf16 ? 0x1p-8 : 0x1p-10),
			      "element %lld is %g, not %g", (long long)i, got, want[i]);
	}
}

/* alpha · A · B' + C in double. */
static double *product(const struct halves *a, const struct halves *b, bool turned, double alpha,
		       const struct halves *c)
{
	int64_t m = a->dims[0], k = a->dims[1], n = b->dims[turned ? 0 : 1];
	double *y = calloc((size_t)(m * n), sizeof(*y));

	ck_assert_ptr_nonnull(y);
	for (int64_t i = 0; i < m; i++) {
		for (int64_t j = 0; j < n; j++) {
			double sum = 0;

			for (int64_t p = 0; p < k; p++)
				sum += a->is[i * k + p] * b->is[turned ? j * k + p : p * n + j];
			y[i * n + j] = alpha * sum + (c != NULL ? c->is[j] : 0);
		}
	}
	return y;
}

static const int64_t sizes[][3] = {
    /* m, k, n: one row, many, more than one stretch of K, panels that are not full */
    {1, 64, 64}, {1, 1500, 70}, {40, 1500, 33}, {7, 3, 1}, {19, 1024, 129},
};
#define SIZES ((int)(sizeof(sizes) / sizeof(sizes[0])))

static void matmul_at(const int64_t *size, bool bf16, enum rt_cpu_level level, bool optimise)
{
	struct rt_model_opts opts = {.cpu_level = level, .no_optimise = !optimise};
	struct opened o = {.model = NULL};
	struct halves a, b, c;
	struct rt_tensor in, out;
	double *want;

	halves_make(&a, bf16, size[0], size[1]);
	halves_make(&b, bf16, size[1], size[2]);
	halves_make(&c, bf16, 1, size[2]);
	pbuild_model(&o.m, 13);
	pbuild_input(&o.m, "x", bf16 ? BFLOAT16 : FLOAT16, 2, a.dims);
	add_weights(&o.m, "w", bf16, &b, 2);
	add_weights(&o.m, "c", bf16, &c, 1);
	pbuild_node(&o.m, "MatMul", "x w", "xw", NULL);
	pbuild_node(&o.m, "Add", "xw c", "y", NULL);
	pbuild_output(&o.m, "y", bf16 ? BFLOAT16 : FLOAT16);
	opened_open(&o, &opts);
	in = (struct rt_tensor){bf16 ? RT_BF16 : RT_F16, {2, {size[0], size[1]}}, a.bits};
	opened_run(&o, &in, &out);
	want = product(&a, &b, false, 1, &c);
	check_product(&out, bf16, want, size[0] * size[2]);
	free(want);
	opened_close(&o);
	halves_free(&a);
	halves_free(&b);
	halves_free(&c);
}

START_TEST(matmul_is_right_at_every_level)
{
	for (int level = 0; level < RT_CPU_LEVEL_COUNT; level++) {
		if (!rt_cpu_has((enum rt_cpu_level)level))
			continue;
		matmul_at(sizes[_i], false, (enum rt_cpu_level)level, true);
		matmul_at(sizes[_i], true, (enum rt_cpu_level)level, true);
	}
	matmul_at(sizes[_i], false, RT_CPU_SCALAR, false);
}
END_TEST

START_TEST(gemm_turned_and_scaled)
{
	const int64_t *size = sizes[_i];
	struct opened o = {.model = NULL};
	struct pbuild attrs = {0}, alpha = {0};
	struct halves a, b, c;
	struct rt_tensor in, out;
	double *want;

	halves_make(&a, false, size[0], size[1]);
	halves_make(&b, false, size[2], size[1]);
	halves_make(&c, false, 1, size[2]);
	pbuild_model(&o.m, 13);
	pbuild_input(&o.m, "x", FLOAT16, 2, a.dims);
	add_weights(&o.m, "w", false, &b, 2);
	add_weights(&o.m, "c", false, &c, 1);
	pbuild_attr_int(&attrs, "transB", 1);
	pbuild_string(&alpha, 1, "alpha");
	pbuild_float(&alpha, 2, 0.5f);
	pbuild_int(&alpha, 20, 1);
	pbuild_message(&attrs, 5, &alpha);
	pbuild_node(&o.m, "Gemm", "x w c", "y", &attrs);
	pbuild_output(&o.m, "y", FLOAT16);
	opened_open(&o, NULL);
	in = (struct rt_tensor){RT_F16, {2, {size[0], size[1]}}, a.bits};
	opened_run(&o, &in, &out);
	want = product(&a, &b, true, 0.5, &c);
	check_product(&out, false, want, size[0] * size[2]);
	free(want);
	opened_close(&o);
	halves_free(&a);
	halves_free(&b);
	halves_free(&c);
}
END_TEST

/* A batch of weights, two matrices. */
START_TEST(matmul_of_a_batch)
{
	int64_t dims[] = {2, 16, 8};
	struct opened o = {.model = NULL};
	struct halves a, b, part;
	struct pbuild t = {0};
	struct rt_tensor in, out;
	double *want;

	halves_make(&a, false, 3, 16);
	halves_make(&b, false, 32, 8);
	pbuild_model(&o.m, 13);
	pbuild_input(&o.m, "x", FLOAT16, 2, a.dims);
	pbuild_tensor(&t, "w", FLOAT16, 3, dims, b.bits, 2 * 16 * 8 * 2);
	pbuild_init(&o.m, &t);
	pbuild_node(&o.m, "MatMul", "x w", "y", NULL);
	pbuild_output(&o.m, "y", FLOAT16);
	opened_open(&o, NULL);
	in = (struct rt_tensor){RT_F16, {2, {3, 16}}, a.bits};
	opened_run(&o, &in, &out);
	ck_assert_int_eq(out.shape.dims[0], 2);
	for (int i = 0; i < 2; i++) {
		struct rt_tensor half = {RT_F16, {2, {3, 8}}, (uint16_t *)out.data + i * 24};

		part = (struct halves){b.bits + i * 128, b.is + i * 128, {16, 8}};
		want = product(&a, &part, false, 1, NULL);
		check_product(&half, false, want, 24);
		free(want);
	}
	opened_close(&o);
	halves_free(&a);
	halves_free(&b);
}
END_TEST

/* 2 MiB of halves: what is held is little more; twice that would be float32. */
START_TEST(weights_stay_half_as_wide)
{
	const int64_t x[] = {1, 1024};
	struct opened o = {.model = NULL};
	struct halves w;

	halves_make(&w, _i, 1024, 1024);
	pbuild_model(&o.m, 13);
	pbuild_input(&o.m, "x", _i ? BFLOAT16 : FLOAT16, 2, x);
	add_weights(&o.m, "w", _i, &w, 2);
	pbuild_node(&o.m, "MatMul", "x w", "xw", NULL);
	pbuild_node(&o.m, "Relu", "xw", "y", NULL);
	pbuild_output(&o.m, "y", _i ? BFLOAT16 : FLOAT16);
	opened_open(&o, NULL);
	ck_assert_uint_ge(rt_model_resident_bytes(o.model), 2 << 20);
	ck_assert_uint_lt(rt_model_resident_bytes(o.model), (2 << 20) + (256 << 10));
	opened_close(&o);
	halves_free(&w);
}
END_TEST

/* A table that rows are taken from is not copied at all; what computes sees the same numbers. */
START_TEST(tables_stay_in_the_file)
{
	const int64_t ids[] = {2};
	int64_t which[] = {1023, 7};
	struct opened o = {.model = NULL};
	struct halves w;
	struct rt_tensor in = {RT_I64, {1, {2}}, which}, out;

	halves_make(&w, false, 1024, 1024);
	pbuild_model(&o.m, 13);
	pbuild_input(&o.m, "ids", INT64, 1, ids);
	add_weights(&o.m, "w", false, &w, 2);
	pbuild_node(&o.m, "Gather", "w ids", "rows", NULL);
	pbuild_node(&o.m, "Neg", "rows", "y", NULL);
	pbuild_output(&o.m, "y", FLOAT16);
	opened_open(&o, NULL);
	/* (the test's file may not be aligned, then there is one copy) */
	ck_assert_uint_lt(rt_model_resident_bytes(o.model), (2 << 20) + (256 << 10));
	opened_run(&o, &in, &out);
	for (int i = 0; i < 2048; i++)
		ck_assert_double_eq((double)rt_f16_to_f32(((const uint16_t *)out.data)[i]),
				    -w.is[which[i / 1024] * 1024 + i % 1024]);
	opened_close(&o);
	halves_free(&w);
}
END_TEST

Suite *check_runtime_pass_narrow(void)
{
	Suite *s = suite_create("runtime/pass_narrow");
	TCase *t = tcase_create("half");

	tcase_add_checked_fixture(t, opened_start, opened_stop);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, matmul_is_right_at_every_level, 0, SIZES);
	tcase_add_loop_test(t, gemm_turned_and_scaled, 0, SIZES);
	tcase_add_test(t, matmul_of_a_batch);
	tcase_add_loop_test(t, weights_stay_half_as_wide, 0, 2);
	tcase_add_test(t, tables_stay_in_the_file);
	suite_add_tcase(s, t);
	return s;
}
