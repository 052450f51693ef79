/* SPDX-License-Identifier: MIT */
/*
 * window.c — tables that signal operators (all since 17) work with.
 *
 * MelWeightMatrix: [dft_length / 2 + 1][num_mel_bins], triangles over the bins of
 * a spectrum, evenly spread on the mel scale.
 *
 * HannWindow, HammingWindow, BlackmanWindow: a vector of
 * `size` values of a sum of cosines, w[n] = a0 − a1·cos(2πn/N) + a2·cos(4πn/N),
 * N = size if `periodic`, else size − 1.  output_datatype: TensorProto's number.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/ops.h"

struct window {
	double a[3];
	bool periodic;
};

static int window_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		       struct rt_error *err)
{
	(void)g;
	out[0] = rt_dtype_of_onnx(rt_node_int(n, "output_datatype", 1));
	if (!rt_convert_is_number(out[0]))
		return rt_error_set(err, RT_UNSUPPORTED, "output_datatype is no number");
	return RT_OK;
}

static int window_bind(struct rt_bind *b, struct rt_error *err)
{
	struct window *s = b->state;
	const char *name = b->node->op_type;

	(void)err;
	s->periodic = rt_node_int(b->node, "periodic", 1) != 0;
	if (strcmp(name, "HannWindow") == 0)
		memcpy(s->a, (double[3]){0.5, 0.5, 0}, sizeof(s->a));
	else if (strcmp(name, "HammingWindow") == 0)
		memcpy(s->a, (double[3]){25.0 / 46, 21.0 / 46, 0}, sizeof(s->a));
	else
		memcpy(s->a, (double[3]){0.42, 0.5, 0.08}, sizeof(s->a));
	return RT_OK;
}

static int window_infer(struct rt_infer *f, struct rt_error *err)
{
	int64_t size;
	int count;

	if (!rt_op_ints(&f->in[0], &size, 1, &count) || count != 1 || size < 0)
		return rt_error_set(err, RT_INPUT, "size is not one integer ≥ 0");
	f->out[0].shape = rt_shape_of(1, size);
	return RT_OK;
}

static void window_run(const struct rt_run *r)
{
	const struct window *s = r->state;
	int64_t size = r->out[0].shape.dims[0];
	double n = (double)(s->periodic ? size : size - 1);

	for (int64_t i = 0; i < size; i++) {
		double turn = n > 0 ? 2 * 3.14159265358979323846 * (double)i / n : 0;
		double w = s->a[0] - s->a[1] * cos(turn) + s->a[2] * cos(2 * turn);
		rt_convert_from_f64(r->out[0].dtype, &w, 1, r->out[0].data, i, false);
	}
}

const struct rt_op rt_op_window = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1,
    .state_bytes = sizeof(struct window),
    .type = window_type,
    .bind = window_bind,
    .infer = window_infer,
    .run = window_run,
};

/* ---- MelWeightMatrix ------------------------------------------------------------------------- */

#define MEL_BINS_MAX (INT64_C(1) << 20)

/* Hertz to mel and back. */
static double mel_of(double hertz)
{
	return 2595 * log10(1 + hertz / 700);
}

static double hertz_of(double mel)
{
	return 700 * (pow(10, mel / 2595) - 1);
}

static int mel_infer(struct rt_infer *f, struct rt_error *err)
{
	int64_t v[3]; /* num_mel_bins, dft_length, sample_rate */
	int64_t elems;
	int count;

	for (int i = 0; i < 3; i++) {
		if (!rt_op_ints(&f->in[i], &v[i], 1, &count) || count != 1 || v[i] < 1 ||
		    v[i] > INT64_C(1) << 40)
			return rt_error_set(err, RT_INPUT, "input %d is not one integer ≥ 1", i);
	}
	if (v[0] > MEL_BINS_MAX)
		return rt_error_set(err, RT_INPUT, "%lld mel bins", (long long)v[0]);
	for (int i = 3; i < 5; i++) {
		if (!rt_convert_is_float(f->in[i].dtype) || rt_tensor_elems(&f->in[i]) != 1)
			return rt_error_set(err, RT_INPUT, "input %d is not one float", i);
	}
	f->out[0].shape = rt_shape_of(2, v[1] / 2 + 1, v[0]);
	if (!rt_shape_elems(&f->out[0].shape, &elems))
		return rt_error_set(err, RT_INPUT, "the matrix is too large");
	return RT_OK;
}

static void mel_set(const struct rt_tensor *out, int64_t bin, int64_t mel, double x)
{
	if (bin >= 0 && bin < out->shape.dims[0])
		rt_convert_from_f64(out->dtype, &x, 1, out->data, bin * out->shape.dims[1] + mel,
				    true);
}

static void mel_run(const struct rt_run *r)
{
	const struct rt_tensor *out = &r->out[0];
	const int64_t mels = out->shape.dims[1], bins = out->shape.dims[0];
	const double length = rt_convert_get_f64(&r->in[1], 0) + 1,
		     rate = rt_convert_get_f64(&r->in[2], 0),
		     low = mel_of(rt_convert_get_f64(&r->in[3], 0)),
		     high = mel_of(rt_convert_get_f64(&r->in[4], 0)),
		     step = (high - low) / (double)(mels + 2);
	int64_t at[3]; /* where the triangle starts, peaks and ends */

	memset(out->data, 0, (size_t)(mels * bins) * (rt_dtype_bits(out->dtype) / 8));
	for (int64_t m = 0; m < mels; m++) {
		for (int k = 0; k < 3; k++) {
			double bin = floor(length * hertz_of((double)(m + k) * step + low) / rate);
			if (!(bin >= 0 && bin < (double)bins)) {
				rt_run_fault(r, "an edge of mel bin %lld is not in the spectrum",
					     (long long)m);
				return;
			}
			at[k] = (int64_t)bin;
		}
		if (at[1] <= at[0])
			mel_set(out, at[1], m, 1);
		for (int64_t j = at[0]; at[1] > at[0] && j <= at[1]; j++)
			mel_set(out, j, m, (double)(j - at[0]) / (double)(at[1] - at[0]));
		for (int64_t j = at[1]; at[2] > at[1] && j < at[2]; j++)
			mel_set(out, j, m, (double)(at[2] - j) / (double)(at[2] - at[1]));
	}
}

const struct rt_op rt_op_mel_weight_matrix = {
    .in_min = 5,
    .in_max = 5,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 7,
    .type = window_type,
    .infer = mel_infer,
    .run = mel_run,
};
