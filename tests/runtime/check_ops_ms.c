/* SPDX-License-Identifier: MIT */
/*
 * Operators of com.microsoft that are not about 8-bit integers and not
 * attentions (runtime/ops/fused.c, gate.c, skip_norm.c, nbits.c,
 * gather_block.c, inverse.c, quantised_lstm.c) against plain double arithmetic.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "tests/runtime/one_op.h"
#include "tests/runtime/suites.h"

#define MS "com.microsoft"

static void fill(float *to, int n)
{
	for (int i = 0; i < n; i++)
		to[i] = (float)one_op_random();
}

/* ---- fused ----------------------------------------------------------------------------------- */

/* X [1][4][5][6] or [1][5][6][4], W [6][2][3][2] in 2 groups, pads 1. */
enum { CX = 120, CW = 72, CY = 6 * 5 * 7 };

static double conv_at(const float *x, const float *w, int m, int h, int v)
{
	double sum = 0;

	for (int c = 0; c < 2; c++)
		for (int k = 0; k < 6; k++) {
			int y = h - 1 + k / 2, z = v - 1 + k % 2;
			if (y >= 0 && y < 5 && z >= 0 && z < 6)
				sum += (double)w[(m * 2 + c) * 6 + k] *
				       (double)x[((m / 3 * 2 + c) * 5 + y) * 6 + z];
		}
	return sum;
}

static void conv_attributes(struct one_op *o)
{
	one_op_int(o, "group", 2);
	one_op_ints(o, "pads", 4, (int64_t[]){1, 1, 1, 1});
}

START_TEST(fused_conv)
{
	static const char *const acts[] = {"", "Relu", "LeakyRelu", "HardSigmoid"};
	float x[CX], w[CW], b[6], z[CY], params[2] = {0.3f, 0.4f};
	double want[CY];
	struct one_op o;

	fill(x, CX), fill(w, CW), fill(b, 6), fill(z, CY);
	for (int i = 0; i < CY; i++) {
		double y =
		    conv_at(x, w, i / 35, i / 7 % 5, i % 7) + (double)b[i / 35] + (double)z[i];
		if (_i == 1)
			y = fmax(y, 0);
		if (_i == 2)
			y = y < 0 ? y * (double)params[0] : y;
		if (_i == 3)
			y = fmin(fmax(y * (double)params[0] + (double)params[1], 0), 1);
		want[i] = y;
	}
	one_op_begin(&o, MS, 1);
	conv_attributes(&o);
	if (_i)
		one_op_string(&o, "activation", acts[_i]);
	one_op_floats(&o, "activation_params", 2, params);
	one_op_in(&o, RT_F32, 4, (int64_t[]){1, 4, 5, 6}, x);
	one_op_const(&o, RT_F32, 4, (int64_t[]){6, 2, 3, 2}, w);
	one_op_const(&o, RT_F32, 1, (int64_t[]){6}, b);
	one_op_in(&o, RT_F32, 4, (int64_t[]){1, 6, 5, 7}, z);
	one_op_run(&o, "FusedConv", 1);
	one_op_near(&o, 0, want, CY, 1e-5);
	one_op_end(&o);
}
END_TEST

START_TEST(nhwc_conv)
{
	bool fused = _i;
	float x[CX], last[CX], w[CW], b[6], z[CY];
	double want[CY];
	struct one_op o;

	fill(x, CX), fill(w, CW), fill(b, 6), fill(z, CY);
	for (int i = 0; i < CX; i++)
		last[i % 30 * 4 + i / 30] = x[i];
	for (int i = 0; i < CY; i++) {
		want[i] = conv_at(x, w, i % 6, i / 6 / 7, i / 6 % 7) + (double)b[i % 6];
		if (fused)
			want[i] = fmax(want[i] + (double)z[i], 0);
	}
	one_op_begin(&o, MS, 1);
	conv_attributes(&o);
	one_op_in(&o, RT_F32, 4, (int64_t[]){1, 5, 6, 4}, last);
	one_op_const(&o, RT_F32, 4, (int64_t[]){6, 2, 3, 2}, w);
	one_op_const(&o, RT_F32, 1, (int64_t[]){6}, b);
	if (fused) {
		one_op_string(&o, "activation", "Relu");
		one_op_in(&o, RT_F32, 4, (int64_t[]){1, 5, 7, 6}, z);
	}
	one_op_run(&o, fused ? "NhwcFusedConv" : "NhwcConv", 1);
	one_op_shape(&o, 0, 4, 1, 5, 7, 6);
	one_op_near(&o, 0, want, CY, 1e-5);
	one_op_end(&o);
}
END_TEST

START_TEST(fused_gemm_matmul)
{
	bool gemm = _i & 1, turned = _i & 2;
	float a[3 * 4], b[4 * 5], c[5];
	double want[15];
	struct one_op o;

	fill(a, 12), fill(b, 20), fill(c, 5);
	for (int i = 0; i < 15; i++) {
		double sum = 0;
		for (int k = 0; k < 4; k++)
			sum += (double)a[turned ? k * 3 + i / 5 : i / 5 * 4 + k] *
			       (double)b[turned ? i % 5 * 4 + k : k * 5 + i % 5];
		want[i] = 0.5 * sum;
		if (gemm)
			want[i] = tanh(want[i] + 2 * (double)c[i % 5]);
	}
	one_op_begin(&o, MS, 1);
	one_op_float(&o, "alpha", 0.5f);
	one_op_int(&o, "transA", turned);
	one_op_int(&o, "transB", turned);
	one_op_in(&o, RT_F32, 2, turned ? (int64_t[]){4, 3} : (int64_t[]){3, 4}, a);
	one_op_const(&o, RT_F32, 2, turned ? (int64_t[]){5, 4} : (int64_t[]){4, 5}, b);
	if (gemm) {
		one_op_float(&o, "beta", 2);
		one_op_string(&o, "activation", "Tanh");
		one_op_in(&o, RT_F32, 1, (int64_t[]){5}, c);
	}
	one_op_run(&o, gemm ? "FusedGemm" : "FusedMatMul", 1);
	one_op_near(&o, 0, want, 15, 1e-5);
	one_op_end(&o);
}
END_TEST

START_TEST(fused_matmul_activation)
{
	float a[2] = {1, 2}, b[2] = {3, -4};
	double want[4] = {1.5, -0.2, 3, -0.4};
	struct one_op o;

	one_op_begin(&o, MS, 1);
	one_op_float(&o, "alpha", 0.5f);
	one_op_string(&o, "activation", "LeakyRelu");
	one_op_float(&o, "activation_alpha", 0.1f);
	one_op_in(&o, RT_F32, 2, (int64_t[]){2, 1}, a);
	one_op_in(&o, RT_F32, 2, (int64_t[]){1, 2}, b);
	one_op_run(&o, "FusedMatMulActivation", 1);
	one_op_near(&o, 0, want, 4, 1e-6);
	one_op_end(&o);
}
END_TEST

/* Operators of com.microsoft that run the code of those of ai.onnx. */
START_TEST(same_as_onnx)
{
	float x[4] = {1, 2, 3, 4};
	struct one_op o;

	one_op_begin(&o, MS, 1);
	one_op_int(&o, "upper", 0);
	one_op_in(&o, RT_F32, 2, (int64_t[]){2, 2}, x);
	one_op_run(&o, "Trilu", 1);
	one_op_near(&o, 0, (double[]){1, 0, 3, 4}, 4, 0);
	one_op_end(&o);
	one_op_begin(&o, MS, 1);
	one_op_in(&o, RT_F32, 2, (int64_t[]){2, 2}, x);
	one_op_in(&o, RT_I64, 2, (int64_t[]){2, 1}, (int64_t[]){1, 0});
	one_op_run(&o, "GatherND", 1);
	one_op_near(&o, 0, (double[]){3, 4, 1, 2}, 4, 0);
	one_op_end(&o);
	one_op_begin(&o, MS, 1); /* half a pixel between all four, and beyond the edge */
	one_op_in(&o, RT_F32, 4, (int64_t[]){1, 1, 2, 2}, x);
	one_op_in(&o, RT_F32, 4, (int64_t[]){1, 1, 2, 2}, (float[]){0, 0, -1, -1});
	one_op_run(&o, "GridSample", 1);
	one_op_near(&o, 0, (double[]){2.5, 0.25}, 2, 1e-6);
	one_op_end(&o);
	one_op_begin(&o, MS, 1);
	one_op_int(&o, "transB", 1);
	one_op_in(&o, RT_F32, 2, (int64_t[]){2, 2}, x);
	one_op_in(&o, RT_F32, 2, (int64_t[]){2, 2}, x);
	one_op_run(&o, "TransposeMatMul", 1);
	one_op_near(&o, 0, (double[]){5, 11, 11, 25}, 4, 1e-6);
	one_op_end(&o);
}
END_TEST

START_TEST(fused_refusals)
{
	float x[4] = {0};
	struct one_op o;

	one_op_begin(&o, MS, 1);
	one_op_int(&o, "transBatchA", 1);
	one_op_in(&o, RT_F32, 2, (int64_t[]){2, 2}, x);
	one_op_in(&o, RT_F32, 2, (int64_t[]){2, 2}, x);
	one_op_refused(&o, "FusedMatMul", "no batch to turn");
	one_op_end(&o);
	one_op_begin(&o, MS, 1);
	one_op_string(&o, "activation", "Wobble");
	one_op_in(&o, RT_F32, 2, (int64_t[]){2, 2}, x);
	one_op_in(&o, RT_F32, 2, (int64_t[]){2, 2}, x);
	one_op_refused(&o, "FusedGemm", "Wobble");
	one_op_end(&o);
}
END_TEST

/* ---- gates ----------------------------------------------------------------------------------- */

START_TEST(gelus)
{
	static const char *const ops[] = {"BiasGelu", "FastGelu", "FastGelu", "QuickGelu"};
	float x[3 * 600], bias[600];
	double want[1800];
	struct one_op o;

	fill(x, 1800), fill(bias, 600);
	for (int i = 0; i < 1800; i++) {
		double v;
		x[i] *= 4;
		v = (double)x[i] + (_i < 2 ? (double)bias[i % 600] : 0);
		want[i] = _i == 0   ? v / 2 * (1 + erf(v / sqrt(2)))
			  : _i == 3 ? v / (1 + exp(-1.702 * v))
				    : v / 2 * (1 + tanh(0.7978845608 * (v + 0.044715 * v * v * v)));
	}
	one_op_begin(&o, MS, 1);
	one_op_in(&o, RT_F32, 2, (int64_t[]){3, 600}, x);
	if (_i < 2)
		one_op_in(&o, RT_F32, 1, (int64_t[]){600}, bias);
	one_op_run(&o, ops[_i], 1);
	one_op_near(&o, 0, want, 1800, 5e-6);
	one_op_end(&o);
}
END_TEST

START_TEST(swiglu)
{
	float a[2 * 3 * 4], b[3 * 1];
	double want[24];
	struct one_op o;

	fill(a, 24), fill(b, 3);
	for (int i = 0; i < 24; i++)
		want[i] = (double)a[i] / (1 + exp(-0.5 * (double)a[i])) * (double)b[i / 4 % 3];
	one_op_begin(&o, "", 28);
	one_op_float(&o, "alpha", 0.5f);
	one_op_in(&o, RT_F32, 3, (int64_t[]){2, 3, 4}, a);
	one_op_in(&o, RT_F32, 2, (int64_t[]){3, 1}, b);
	one_op_run(&o, "SwiGLU", 1);
	one_op_near(&o, 0, want, 24, 1e-6);
	one_op_end(&o);
}
END_TEST

/* data [2][3][4][5], rows of 5 or of 20. */
START_TEST(bias_softmax)
{
	bool inner = _i & 1;
	float x[120], b[2 * 4 * 5];
	double want[120], e[120];
	int row = _i & 2 ? 20 : 5;
	struct one_op o;

	fill(x, 120), fill(b, 40);
	for (int i = 0; i < 120; i++)
		e[i] = exp((double)x[i] + (double)b[inner ? i / 60 * 5 + i % 5 : i % 20]);
	for (int i = 0; i < 120; i++) {
		double sum = 0;
		for (int k = 0; k < row; k++)
			sum += e[i / row * row + k];
		want[i] = e[i] / sum;
	}
	one_op_begin(&o, MS, 1);
	one_op_int(&o, "axis", row == 20 ? 2 : 3);
	one_op_int(&o, "is_inner_broadcast", inner);
	one_op_in(&o, RT_F32, 4, (int64_t[]){2, 3, 4, 5}, x);
	one_op_in(&o, RT_F32, 4, inner ? (int64_t[]){2, 1, 1, 5} : (int64_t[]){1, 1, 4, 5}, b);
	one_op_run(&o, "BiasSoftmax", 1);
	one_op_near(&o, 0, want, 120, 1e-6);
	one_op_end(&o);
}
END_TEST

/* ---- norms ----------------------------------------------------------------------------------- */

static void norm_row(const double *x, int n, bool rms, const float *gamma, const float *beta,
		     double eps, double *y)
{
	double mean = 0, square = 0;

	for (int i = 0; i < n && !rms; i++)
		mean += x[i] / n;
	for (int i = 0; i < n; i++)
		square += (x[i] - mean) * (x[i] - mean) / n;
	for (int i = 0; i < n; i++)
		y[i] = (x[i] - mean) / sqrt(square + eps) * (double)gamma[i] +
		       (beta ? (double)beta[i] : 0);
}

/* Bit 0: RMS; 1: bias; 2: skip lacks the batch; 3: the sum is wanted. */
START_TEST(skip_norms)
{
	bool rms = _i & 1, biased = _i & 2, shared = _i & 4, summed = _i & 8;
	float x[2 * 3 * 7], skip[42], gamma[7], beta[7], bias[7];
	double sum[42], want[42];
	struct one_op o;

	fill(x, 42), fill(skip, 42), fill(gamma, 7), fill(beta, 7), fill(bias, 7);
	for (int i = 0; i < 42; i++)
		sum[i] = (double)x[i] + (double)skip[shared ? i % 21 : i] +
			 (biased ? (double)bias[i % 7] : 0);
	for (int i = 0; i < 6; i++)
		norm_row(sum + i * 7, 7, rms, gamma, rms ? NULL : beta, 1e-3, want + i * 7);
	one_op_begin(&o, MS, 1);
	one_op_float(&o, "epsilon", 1e-3f);
	one_op_in(&o, RT_F32, 3, (int64_t[]){2, 3, 7}, x);
	one_op_in(&o, RT_F32, 3, shared ? (int64_t[]){1, 3, 7} : (int64_t[]){2, 3, 7}, skip);
	one_op_const(&o, RT_F32, 1, (int64_t[]){7}, gamma);
	if (!rms)
		one_op_const(&o, RT_F32, 1, (int64_t[]){7}, beta);
	if (biased)
		one_op_const(&o, RT_F32, 1, (int64_t[]){7}, bias);
	if (summed)
		one_op_skip_outputs(&o, 6); /* mean and deviation */
	one_op_run(&o, rms ? "SkipSimplifiedLayerNormalization" : "SkipLayerNormalization",
		   summed ? 4 : 1);
	one_op_near(&o, 0, want, 42, 1e-5);
	if (summed)
		one_op_near(&o, 1, sum, 42, 1e-6);
	one_op_end(&o);
}
END_TEST

START_TEST(simplified_layer_norm)
{
	float x[6], gamma[3];
	double d[6], want[6];
	struct one_op o;

	fill(x, 6), fill(gamma, 3);
	for (int i = 0; i < 6; i++)
		d[i] = (double)x[i];
	for (int i = 0; i < 2; i++)
		norm_row(d + i * 3, 3, true, gamma, NULL, 1e-5, want + i * 3);
	one_op_begin(&o, "", 14);
	one_op_in(&o, RT_F32, 2, (int64_t[]){2, 3}, x);
	one_op_const(&o, RT_F32, 1, (int64_t[]){3}, gamma);
	one_op_run(&o, "SimplifiedLayerNormalization", 1);
	one_op_near(&o, 0, want, 6, 1e-5);
	one_op_end(&o);
}
END_TEST

START_TEST(embed_norm)
{
	bool segments = _i & 1, placed = _i & 2;
	int32_t ids[2 * 3] = {4, 0, 2, 1, 1, 3}, kinds[6] = {0, 1, 1, 0, 0, 1},
			places[3] = {2, 0, 1}, mask[6] = {1, 1, 0, 1, 1, 1};
	float word[5 * 4], place[3 * 4], kind[2 * 4], gamma[4], beta[4];
	double sum[24], want[24], counts[2] = {2, 3};
	struct one_op o;

	fill(word, 20), fill(place, 12), fill(kind, 8), fill(gamma, 4), fill(beta, 4);
	for (int i = 0; i < 24; i++) {
		int row = i / 4, at = placed ? places[row % 3] : row % 3;
		sum[i] = (double)word[ids[row] * 4 + i % 4] + (double)place[at * 4 + i % 4] +
			 (segments ? (double)kind[kinds[row] * 4 + i % 4] : 0);
	}
	for (int i = 0; i < 6; i++)
		norm_row(sum + i * 4, 4, false, gamma, beta, 1e-12, want + i * 4);
	one_op_begin(&o, MS, 1);
	one_op_in(&o, RT_I32, 2, (int64_t[]){2, 3}, ids);
	if (segments)
		one_op_in(&o, RT_I32, 2, (int64_t[]){2, 3}, kinds);
	else
		one_op_left_out(&o);
	one_op_const(&o, RT_F32, 2, (int64_t[]){5, 4}, word);
	one_op_const(&o, RT_F32, 2, (int64_t[]){3, 4}, place);
	if (segments)
		one_op_const(&o, RT_F32, 2, (int64_t[]){2, 4}, kind);
	else
		one_op_left_out(&o);
	one_op_const(&o, RT_F32, 1, (int64_t[]){4}, gamma);
	one_op_const(&o, RT_F32, 1, (int64_t[]){4}, beta);
	one_op_in(&o, RT_I32, 2, (int64_t[]){2, 3}, mask);
	if (placed)
		one_op_in(&o, RT_I32, 2, (int64_t[]){1, 3}, places);
	one_op_run(&o, "EmbedLayerNormalization", 3);
	one_op_near(&o, 0, want, 24, 1e-4);
	one_op_near(&o, 1, counts, 2, 0);
	one_op_near(&o, 2, sum, 24, 1e-6);
	one_op_end(&o);
}
END_TEST

START_TEST(embed_out_of_range)
{
	int32_t ids[1] = {5};
	float table[5 * 2] = {0}, row[2] = {0};
	struct one_op o;

	one_op_begin(&o, MS, 1);
	one_op_in(&o, RT_I32, 2, (int64_t[]){1, 1}, ids);
	one_op_left_out(&o);
	one_op_const(&o, RT_F32, 2, (int64_t[]){5, 2}, table);
	one_op_const(&o, RT_F32, 2, (int64_t[]){5, 2}, table);
	one_op_left_out(&o);
	one_op_const(&o, RT_F32, 1, (int64_t[]){2}, row);
	one_op_const(&o, RT_F32, 1, (int64_t[]){2}, row);
	one_op_refused(&o, "EmbedLayerNormalization", "row 5 of an embedding with 5");
	one_op_end(&o);
}
END_TEST

/* ---- packed weights -------------------------------------------------------------------------- */

enum { NK = 83, NN = 37, BLOCK = 16, BLOCKS = 6 };

/* Number ${i} of packed bytes, low bits first. */
static int packed_at(const uint8_t *bytes, int bits, int i)
{
	return bytes[i * bits / 8] >> i * bits % 8 & ((1 << bits) - 1);
}

struct nbits_case {
	int bits, rows;
	int zeros; /* 0 none, 1 packed, 2 float */
	bool bias;
};
static const struct nbits_case nbits_cases[] = {
    {4, 1, 0, false}, {4, 3, 1, true},  {4, 17, 1, true},  {4, 30, 2, false}, {8, 2, 1, true},
    {8, 9, 0, false}, {2, 1, 1, false}, {2, 20, 1, false}, {4, 40, 0, true},
};

START_TEST(matmul_nbits)
{
	const struct nbits_case *c = &nbits_cases[_i];
	static uint8_t b[NN * BLOCKS * BLOCK], zeros[NN * BLOCKS];
	static float a[40 * NK], scales[NN * BLOCKS], float_zeros[NN * BLOCKS], bias[NN];
	static double want[40 * NN];
	int zero_row = (BLOCKS * c->bits + 7) / 8;
	struct one_op o;

	fill(a, c->rows * NK), fill(scales, NN * BLOCKS), fill(float_zeros, NN * BLOCKS);
	fill(bias, NN);
	for (int i = 0; i < NN * BLOCKS * BLOCK; i++)
		b[i] = (uint8_t)one_op_random_int(256);
	for (int i = 0; i < NN * BLOCKS; i++)
		zeros[i] = (uint8_t)one_op_random_int(256);
	for (int i = 0; i < c->rows * NN; i++) {
		int n = i % NN;
		want[i] = c->bias ? (double)bias[n] : 0;
		for (int k = 0; k < NK; k++) {
			int at = n * BLOCKS + k / BLOCK;
			double zero = c->zeros == 2 ? (double)float_zeros[at]
				      : c->zeros == 1
					  ? packed_at(zeros + n * zero_row, c->bits, k / BLOCK)
					  : 1 << (c->bits - 1);
			int q = packed_at(b, c->bits, at * BLOCK + k % BLOCK);
			want[i] += (double)a[i / NN * NK + k] * (double)scales[at] * (q - zero);
		}
	}
	one_op_begin(&o, MS, 1);
	one_op_int(&o, "K", NK);
	one_op_int(&o, "N", NN);
	one_op_int(&o, "bits", c->bits);
	one_op_int(&o, "block_size", BLOCK);
	one_op_in(&o, RT_F32, 3, (int64_t[]){1, c->rows, NK}, a);
	one_op_const(&o, RT_U8, 3, (int64_t[]){NN, BLOCKS, BLOCK * c->bits / 8}, b);
	one_op_const(&o, RT_F32, 2, (int64_t[]){NN, BLOCKS}, scales);
	if (c->zeros == 2)
		one_op_const(&o, RT_F32, 2, (int64_t[]){NN, BLOCKS}, float_zeros);
	else if (c->zeros == 1)
		one_op_const(&o, RT_U8, 1, (int64_t[]){NN * zero_row}, zeros);
	else if (c->bias)
		one_op_left_out(&o);
	if (c->bias) {
		one_op_left_out(&o);
		one_op_const(&o, RT_F32, 1, (int64_t[]){NN}, bias);
	}
	one_op_run(&o, "MatMulNBits", 1);
	one_op_shape(&o, 0, 3, 1, c->rows, NN);
	one_op_near(&o, 0, want, c->rows * NN, c->bits == 8 ? 2e-3 : 1e-4);
	one_op_end(&o);
}
END_TEST

START_TEST(nbits_refusals)
{
	static uint8_t b[16 * 16];
	static float a[16], scales[16];
	struct one_op o;

	one_op_begin(&o, MS, 1);
	one_op_int(&o, "K", 16);
	one_op_int(&o, "N", 16);
	one_op_int(&o, "block_size", 24);
	one_op_in(&o, RT_F32, 2, (int64_t[]){1, 16}, a);
	one_op_in(&o, RT_U8, 3, (int64_t[]){16, 1, 8}, b);
	one_op_in(&o, RT_F32, 2, (int64_t[]){16, 1}, scales);
	one_op_refused(&o, "MatMulNBits", "block_size 24");
	one_op_end(&o);
	one_op_begin(&o, MS, 1);
	one_op_int(&o, "K", 16);
	one_op_int(&o, "N", 16);
	one_op_int(&o, "block_size", 16);
	one_op_in(&o, RT_F32, 2, (int64_t[]){1, 16}, a);
	one_op_in(&o, RT_U8, 3, (int64_t[]){15, 1, 8}, b);
	one_op_in(&o, RT_F32, 2, (int64_t[]){16, 1}, scales);
	one_op_refused(&o, "MatMulNBits", "do not fit");
	one_op_end(&o);
}
END_TEST

/* 0: uint8 with 4 bits; 1: 8 bits; 2: uint4 along axis 1, quantised along 0; 3: int4. */
START_TEST(gather_block)
{
	enum { ROWS = 6, COLS = 40, Q_BLOCKS = 3 };
	static uint8_t data[ROWS * COLS], zeros[ROWS * COLS];
	float scales[ROWS * COLS];
	int64_t ids[2] = {5, -4};
	double want[2 * COLS];
	int bits = _i == 1 ? 8 : 4, per = 8 / bits;
	bool bytes = _i < 2, across = _i == 2;
	enum rt_dtype t = bytes ? RT_U8 : across ? RT_U4 : RT_I4;
	int count = across ? ROWS * 2 : 2 * COLS, zero_row = (Q_BLOCKS + per - 1) / per;
	struct one_op o;

	fill(scales, ROWS * COLS);
	for (int i = 0; i < ROWS * COLS; i++)
		data[i] = (uint8_t)one_op_random_int(256);
	for (int i = 0; i < ROWS * COLS; i++)
		zeros[i] = (uint8_t)one_op_random_int(256);
	for (int i = 0; i < count; i++) {
		int r = across ? i / 2 : i / COLS == 0 ? 5 : 2;
		int c = across ? (i % 2 == 0 ? 5 : 36) : i % COLS;
		int q = packed_at(data, bits, r * COLS + c), zero;
		if (bytes)
			zero = packed_at(zeros + r * zero_row, bits, c / 16);
		else
			zero = across ? packed_at(zeros, 4, c) : 0;
		if (t == RT_I4)
			q = q > 7 ? q - 16 : q;
		want[i] = (q - zero) * (double)scales[across ? c : r * Q_BLOCKS + c / 16];
	}
	one_op_begin(&o, MS, 1);
	one_op_int(&o, "block_size", 16);
	one_op_int(&o, "bits", bits);
	one_op_int(&o, "gather_axis", across);
	one_op_int(&o, "quantize_axis", !across);
	one_op_const(&o, t, 2, (int64_t[]){ROWS, bytes ? COLS / per : COLS}, data);
	one_op_in(&o, RT_I64, 1, (int64_t[]){2}, ids);
	one_op_const(&o, RT_F32, 2, across ? (int64_t[]){1, COLS} : (int64_t[]){ROWS, Q_BLOCKS},
		     scales);
	if (bytes)
		one_op_const(&o, t, 2, (int64_t[]){ROWS, zero_row}, zeros);
	else if (across)
		one_op_const(&o, t, 2, (int64_t[]){1, COLS}, zeros);
	one_op_run(&o, "GatherBlockQuantized", 1);
	one_op_near(&o, 0, want, count, 1e-5);
	one_op_end(&o);
}
END_TEST

/* ---- the rest -------------------------------------------------------------------------------- */

START_TEST(inverse)
{
	double x[2 * 16], want[2 * 16] = {0};
	struct one_op o;

	for (int i = 0; i < 32; i++)
		x[i] = one_op_random();
	one_op_begin(&o, MS, 1);
	one_op_in(&o, RT_F64, 3, (int64_t[]){2, 4, 4}, x);
	one_op_run(&o, "Inverse", 1);
	for (int m = 0; m < 2; m++)
		for (int i = 0; i < 16; i++) {
			double sum = 0;
			for (int k = 0; k < 4; k++)
				sum += x[m * 16 + i / 4 * 4 + k] *
				       ((double *)o.out[0].data)[m * 16 + k * 4 + i % 4];
			want[m * 16 + i] = i / 4 == i % 4;
			ck_assert_double_eq_tol(sum, want[m * 16 + i], 1e-9);
		}
	one_op_end(&o);
	one_op_begin(&o, MS, 1);
	one_op_in(&o, RT_F64, 2, (int64_t[]){2, 2}, (double[]){0, 2, 4, 0}); /* no pivot at 0, 0 */
	one_op_run(&o, "Inverse", 1);
	one_op_near(&o, 0, (double[]){0, 0.25, 0.5, 0}, 4, 1e-15);
	one_op_end(&o);
	one_op_begin(&o, MS, 1);
	one_op_in(&o, RT_F64, 2, (int64_t[]){2, 2}, (double[]){1, 2, 2, 4});
	one_op_refused(&o, "Inverse", "no inverse");
	one_op_end(&o);
}
END_TEST

/* One step of an LSTM with weights of 8 bits: X [1][2][3], H = 2. */
START_TEST(dynamic_quantize_lstm)
{
	enum { I = 3, H = 2, G = 8 };
	uint8_t w[I * G], r[H * G], w_zero = 120;
	int8_t r_zero[G];
	float x[2 * I], h[2 * H], b[2 * G], w_scale = 0.01f, r_scale[G];
	double want[2 * H];
	struct one_op o;

	fill(x, 2 * I), fill(h, 2 * H), fill(b, 2 * G);
	for (int i = 0; i < I * G; i++)
		w[i] = (uint8_t)one_op_random_int(256);
	for (int i = 0; i < H * G; i++)
		r[i] = (uint8_t)one_op_random_int(256);
	for (int i = 0; i < G; i++) {
		r_scale[i] = 0.005f + 0.001f * (float)i;
		r_zero[i] = (int8_t)(i - 4);
	}
	for (int n = 0; n < 2; n++) {
		double gate[G];
		for (int g = 0; g < G; g++) {
			gate[g] = (double)b[g] + (double)b[G + g];
			for (int i = 0; i < I; i++)
				gate[g] += (double)x[n * I + i] * (double)w_scale *
					   (w[i * G + g] - w_zero);
			for (int i = 0; i < H; i++)
				gate[g] += (double)h[n * H + i] * (double)r_scale[g] *
					   ((int8_t)r[i * G + g] - r_zero[g]);
		}
		for (int k = 0; k < H; k++) { /* i o f c; the cell starts at 0 */
			double in = 1 / (1 + exp(-gate[k])), out = 1 / (1 + exp(-gate[H + k]));
			want[n * H + k] = out * tanh(in * tanh(gate[3 * H + k]));
		}
	}
	one_op_begin(&o, MS, 1);
	one_op_int(&o, "hidden_size", H);
	one_op_in(&o, RT_F32, 3, (int64_t[]){1, 2, I}, x);
	one_op_const(&o, RT_U8, 3, (int64_t[]){1, I, G}, w);
	one_op_const(&o, RT_I8, 3, (int64_t[]){1, H, G}, r);
	one_op_const(&o, RT_F32, 2, (int64_t[]){1, 2 * G}, b);
	one_op_left_out(&o);
	one_op_in(&o, RT_F32, 3, (int64_t[]){1, 2, H}, h);
	one_op_left_out(&o);
	one_op_left_out(&o);
	one_op_const(&o, RT_F32, 1, (int64_t[]){1}, &w_scale);
	one_op_const(&o, RT_U8, 1, (int64_t[]){1}, &w_zero);
	one_op_const(&o, RT_F32, 2, (int64_t[]){1, G}, r_scale);
	one_op_const(&o, RT_I8, 2, (int64_t[]){1, G}, r_zero);
	one_op_run(&o, "DynamicQuantizeLSTM", 1);
	one_op_shape(&o, 0, 4, 1, 1, 2, H);
	one_op_near(&o, 0, want, 2 * H, 1e-5);
	one_op_end(&o);
}
END_TEST

Suite *check_runtime_ops_ms(void)
{
	Suite *s = suite_create("runtime/ops/ms");
	TCase *t = tcase_create("all");

	tcase_add_loop_test(t, fused_conv, 0, 4);
	tcase_add_loop_test(t, nhwc_conv, 0, 2);
	tcase_add_loop_test(t, fused_gemm_matmul, 0, 4);
	tcase_add_test(t, fused_matmul_activation);
	tcase_add_test(t, same_as_onnx);
	tcase_add_test(t, fused_refusals);
	tcase_add_loop_test(t, gelus, 0, 4);
	tcase_add_test(t, swiglu);
	tcase_add_loop_test(t, bias_softmax, 0, 4);
	tcase_add_loop_test(t, skip_norms, 0, 16);
	tcase_add_test(t, simplified_layer_norm);
	tcase_add_loop_test(t, embed_norm, 0, 4);
	tcase_add_test(t, embed_out_of_range);
	tcase_add_loop_test(t, matmul_nbits, 0, (int)(sizeof(nbits_cases) / sizeof(*nbits_cases)));
	tcase_add_test(t, nbits_refusals);
	tcase_add_loop_test(t, gather_block, 0, 4);
	tcase_add_test(t, inverse);
	tcase_add_test(t, dynamic_quantize_lstm);
	suite_add_tcase(s, t);
	return s;
}
