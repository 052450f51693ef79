/* SPDX-License-Identifier: MIT */
/*
 * frame.h — a raw RGB or RGBA frame, as a canvas or a video gives it, to the tensor
 * that a vision model takes.  The transform is described in the words of
 * preprocessor_config.json, which the Hub's vision models carry; a request may
 * bring its own.  Pure; any thread.
 */
#ifndef LARDER_DAEMON_FRAME_H
#define LARDER_DAEMON_FRAME_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/resample.h"
#include "runtime/runtime.h"

struct arena;
struct fault;

enum frame_resize {
	FRAME_AS_IS,
	FRAME_EXACT,     /* to width × height */
	FRAME_SHORTEST,  /* the shorter side to width, the other in proportion */
	FRAME_LETTERBOX, /* as large as fits into width × height, the rest filled */
};

struct frame_spec {
	enum frame_resize resize;
	enum resample_filter filter;
	size_t width, height;           /* of the resize */
	size_t crop_width, crop_height; /* around the centre; 0 = none */
	uint8_t fill;                   /* beyond the picture, all channels */
	bool bgr;
	double scale; /* value = (byte × scale − mean) / std */
	double mean[3], std[3];
};

/*
 * frame_spec_parse(root, out, fault): do_resize, size (a number, {"height","width"} or
 * {"shortest_edge"}), resample, do_center_crop, crop_size, do_rescale,
 * rescale_factor, do_normalize, image_mean, image_std; of our own: letterbox
 * ({"height","width","fill"}) and channels ("rgb" or "bgr").  Other keys are
 * ignored.  A fault of 400 names the key that is wrong.
 */
int frame_spec_parse(const json_t *root, struct frame_spec *out, struct fault *fault) RT_MUST_CHECK;

/*
 * frame_apply(picture, spec, port, arena, out, fault): ${out} is a tensor of the port's
 * type (FP32 or UINT8), [1,3,H,W] or [1,H,W,3] as its shape says, in the
 * arena.  400 when the port is no picture, or another size comes out than it takes.
 */
int frame_apply(const struct resample_picture *picture, const struct frame_spec *spec,
		const struct rt_port *port, struct arena *arena, struct rt_tensor *out,
		struct fault *fault) RT_MUST_CHECK;

#endif
