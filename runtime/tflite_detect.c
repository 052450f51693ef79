/* SPDX-License-Identifier: MIT */
/*
 * tflite_detect.c — TFLite_Detection_PostProcess, the custom operator that detectors
 * end with: a node of the larder domain on real numbers, with what its options
 * (FlexBuffers) say as attributes.  Called by tflite.c.
 */
#include <config.h>

#include <math.h>

#include "runtime/flexbuf.h"
#include "runtime/tflite_quant.h"

#define CUSTOM_OPTIONS 5 /* field of Operator */

static struct rt_bytes custom_options(struct rt_tflite_op *o)
{
	const struct rt_flatbuf_vector v =
	    rt_flatbuf_vector(&o->r->f, &o->table, CUSTOM_OPTIONS, 1);

	return (struct rt_bytes){o->r->f.data + v.at, v.count};
}

/* Quantised encodings, scores or anchors as what they stand for. */
static int real_input(struct rt_tflite_op *o, int k)
{
	const struct rt_tflite_tensor *t = rt_tflite_in(o, k);
	const int v = rt_tflite_value(o, k);

	return rt_tflite_is_quantised(t) ? rt_tflite_quant_dequantize(o, v, t)
					 : rt_lower_cast(o->l, v, RT_F32);
}

void rt_tflite_lower_detection_postprocess(struct rt_tflite_op *o)
{
	static const char *const counts[] = {"max_detections", "max_classes_per_detection",
					     "num_classes", "detections_per_class",
					     "use_regular_nms"};
	static const double absent[] = {-1, -1, -1, 100, 0};
	static const char *const reals[] = {
	    "nms_score_threshold", "nms_iou_threshold", "y_scale", "x_scale", "h_scale", "w_scale"};
	const struct rt_bytes b = custom_options(o);
	int first;

	if (!rt_tflite_expects(o, 3))
		return;
	if (o->out_count != 4 || !rt_flexbuf_is_map(b)) {
		rt_tflite_refuse(o, "not without its options and four outputs");
		return;
	}
	first = rt_lower_node(o->l, RT_LARDER, "DetectionPostProcess", 3,
			      (int[]){real_input(o, 0), real_input(o, 1), real_input(o, 2)}, 4);
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		const double x = rt_flexbuf_number(b, counts[i], absent[i]);

		rt_lower_set_int(o->l, counts[i], x >= 0 && x <= 1e6 ? (int64_t)x : -1);
	}
	for (size_t i = 0; i < sizeof(reals) / sizeof(*reals); i++) {
		const double x = rt_flexbuf_number(b, reals[i], NAN);

		rt_lower_set_float(o->l, reals[i], (float)x);
	}
	for (int k = 0; k < 4; k++)
		rt_tflite_give(o, k, first + k);
}
