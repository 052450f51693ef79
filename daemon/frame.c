/* SPDX-License-Identifier: MIT */
/*
 * frame.c — see frame.h.  Called by oip_frame.c.  Every size is checked here before
 * a byte is touched.
 */
#include <config.h>

#include "daemon/frame.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/arena.h"
#include "daemon/fault.h"

/* ---- the description ---------------------------------------------------------------------- */

static bool flag(const json_t *root, const char *key, bool otherwise)
{
	const json_t *v = json_object_get(root, key);

	return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

static bool side(const json_t *v, size_t *out)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < 1 || n > RESAMPLE_SIZE_MAX)
		return false;
	*out = (size_t)n;
	return true;
}

/* A number, or {"height":…,"width":…}. */
static bool both_sides(const json_t *v, size_t *width, size_t *height)
{
	if (json_is_integer(v)) {
		*height = 0;
		return side(v, width) && side(v, height);
	}
	return side(json_object_get(v, "width"), width) &&
	       side(json_object_get(v, "height"), height);
}

static int parse_size(const json_t *root, struct frame_spec *s, struct fault *fault)
{
	const json_t *size = json_object_get(root, "size");
	const json_t *box = json_object_get(root, "letterbox");
	const json_t *fill = json_object_get(box, "fill");

	if (box != NULL) {
		s->resize = FRAME_LETTERBOX;
		if (!both_sides(box, &s->width, &s->height) ||
		    (fill != NULL && (!json_is_integer(fill) || json_integer_value(fill) < 0 ||
				      json_integer_value(fill) > 255)))
			return fault_set(fault, 400,
					 "\"letterbox\" must be {\"width\", \"height\", \"fill\"}");
		s->fill = fill == NULL ? 114 : (uint8_t)json_integer_value(fill);
		return 0;
	}
	if (!flag(root, "do_resize", size != NULL))
		return 0;
	if (side(json_object_get(size, "shortest_edge"), &s->width)) {
		s->resize = FRAME_SHORTEST;
		return 0;
	}
	/* processors that crop took a lone number for the shorter side */
	s->resize = json_is_integer(size) && json_object_get(root, "crop_size") != NULL
			? FRAME_SHORTEST
			: FRAME_EXACT;
	if (!both_sides(size, &s->width, &s->height))
		return fault_set(fault, 400,
				 "\"size\" must be {\"width\", \"height\"}, {\"shortest_edge\"} or "
				 "a number of 1 to %d",
				 RESAMPLE_SIZE_MAX);
	return 0;
}

static int parse_three(const json_t *root, const char *key, double out[3], struct fault *fault)
{
	const json_t *v = json_object_get(root, key);

	if (v == NULL)
		return 0;
	if (!json_is_array(v) || json_array_size(v) != 3)
		return fault_set(fault, 400, "\"%s\" must be three numbers", key);
	for (size_t i = 0; i < 3; i++) {
		if (!json_is_number(json_array_get(v, i)))
			return fault_set(fault, 400, "\"%s\" must be three numbers", key);
		out[i] = json_number_value(json_array_get(v, i));
	}
	return 0;
}

static int parse_values(const json_t *root, struct frame_spec *s, struct fault *fault)
{
	const json_t *factor = json_object_get(root, "rescale_factor");
	const json_t *channels = json_object_get(root, "channels");

	if (factor != NULL && !json_is_number(factor))
		return fault_set(fault, 400, "\"rescale_factor\" must be a number");
	if (flag(root, "do_rescale", true))
		s->scale = factor == NULL ? 1.0 / 255.0 : json_number_value(factor);
	if (flag(root, "do_normalize", true) &&
	    (parse_three(root, "image_mean", s->mean, fault) != 0 ||
	     parse_three(root, "image_std", s->std, fault) != 0))
		return -1;
	for (int i = 0; i < 3; i++) {
		if (s->std[i] == 0.0)
			return fault_set(fault, 400, "\"image_std\" must not be 0");
	}
	if (channels == NULL)
		return 0;
	s->bgr = json_is_string(channels) && strcmp(json_string_value(channels), "bgr") == 0;
	if (!s->bgr &&
	    (!json_is_string(channels) || strcmp(json_string_value(channels), "rgb") != 0))
		return fault_set(fault, 400, "\"channels\" must be \"rgb\" or \"bgr\"");
	return 0;
}

int frame_spec_parse(const json_t *root, struct frame_spec *out, struct fault *fault)
{
	struct frame_spec s = {.filter = RESAMPLE_BILINEAR, .scale = 1.0, .std = {1.0, 1.0, 1.0}};
	const json_t *filter = json_object_get(root, "resample");
	const json_t *crop = json_object_get(root, "crop_size");

	if (!json_is_object(root))
		return fault_set(fault, 400, "the transform must be an object");
	if (filter != NULL) {
		if (!json_is_integer(filter) || json_integer_value(filter) < 0 ||
		    json_integer_value(filter) >= RESAMPLE_COUNT)
			return fault_set(fault, 400, "\"resample\" must be 0 to %d",
					 RESAMPLE_COUNT - 1);
		s.filter = (enum resample_filter)json_integer_value(filter);
	}
	if (parse_size(root, &s, fault) != 0 || parse_values(root, &s, fault) != 0)
		return -1;
	if (flag(root, "do_center_crop", crop != NULL) &&
	    !both_sides(crop, &s.crop_width, &s.crop_height))
		return fault_set(fault, 400,
				 "\"crop_size\" must be {\"width\", \"height\"} or a number");
	*out = s;
	return 0;
}

/* ---- pictures ------------------------------------------------------------------------------- */

/* RGB in the making: [height][width][3]. */
struct canvas {
	uint8_t *pixels; /* malloc()ed */
	size_t width, height;
};

static int no_memory(struct fault *fault)
{
	return fault_set(fault, 503, "out of memory");
}

static size_t in_proportion(size_t part, size_t of, size_t whole)
{
	size_t n = part * whole / of;

	return n == 0 ? 1 : n;
}

/* What size the resize makes of ${p}. */
static void target(const struct resample_picture *p, const struct frame_spec *s, size_t *width,
		   size_t *height)
{
	bool wide = p->width > p->height;

	*width = s->width;
	*height = s->height;
	switch (s->resize) {
	case FRAME_AS_IS:
		*width = p->width;
		*height = p->height;
		break;
	case FRAME_EXACT:
		break;
	case FRAME_SHORTEST:
		*width = wide ? in_proportion(s->width, p->height, p->width) : s->width;
		*height = wide ? s->width : in_proportion(s->width, p->width, p->height);
		break;
	case FRAME_LETTERBOX:
		if (p->width * s->height > p->height * s->width)
			*height = in_proportion(s->width, p->width, p->height);
		else
			*width = in_proportion(s->height, p->height, p->width);
		break;
	}
}

static int resize(const struct resample_picture *p, const struct frame_spec *s, struct canvas *c,
		  struct fault *fault)
{
	target(p, s, &c->width, &c->height);
	if (c->width > RESAMPLE_SIZE_MAX || c->height > RESAMPLE_SIZE_MAX)
		return fault_set(fault, 400, "the frame would become %zu by %zu pixels", c->width,
				 c->height);
	c->pixels = malloc(c->width * c->height * 3);
	if (c->pixels == NULL || resample_rgb(p, s->filter, c->width, c->height, c->pixels) != 0)
		return no_memory(fault);
	return 0;
}

/* ${c} in the middle of width × height: cut off, or filled up. */
static int centre(struct canvas *c, size_t width, size_t height, uint8_t fill, struct fault *fault)
{
	uint8_t *out = malloc(width * height * 3);
	size_t w = c->width < width ? c->width : width, h = c->height < height ? c->height : height;
	size_t from_x = (c->width - w) / 2, from_y = (c->height - h) / 2;
	size_t to_x = (width - w) / 2, to_y = (height - h) / 2;

	if (out == NULL)
		return no_memory(fault);
	if (w < width || h < height)
		memset(out, fill, width * height * 3);
	for (size_t y = 0; y < h; y++)
		/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): a canvas has pixels */
		memcpy(out + ((to_y + y) * width + to_x) * 3,
		       c->pixels + ((from_y + y) * c->width + from_x) * 3, w * 3);
	free(c->pixels);
	*c = (struct canvas){out, width, height};
	return 0;
}

/* ---- tensors ------------------------------------------------------------------------------- */

/* Where a pixel and a channel lie in the tensor. */
struct layout {
	bool channels_first;
	struct rt_shape shape;
};

static bool may_be(int64_t dim, size_t n)
{
	return dim < 0 || (uint64_t)dim == n;
}

static int lay_out(const struct rt_port *port, const struct canvas *c, struct layout *l,
		   struct fault *fault)
{
	const int64_t *d = port->shape.dims;
	int64_t w = (int64_t)c->width, h = (int64_t)c->height;

	if (port->shape.rank != 4 || !may_be(d[0], 1) || (d[1] != 3 && d[3] != 3) ||
	    (port->dtype != RT_F32 && port->dtype != RT_U8))
		return fault_set(fault, 400, "input \"%.100s\" takes no picture", port->name);
	l->channels_first = d[1] == 3;
	if (!may_be(d[l->channels_first ? 2 : 1], c->height) ||
	    !may_be(d[l->channels_first ? 3 : 2], c->width))
		return fault_set(
		    fault, 400,
		    "input \"%.100s\": the transform makes %zu by %zu pixels, the model "
		    "takes %lld by %lld",
		    port->name, c->width, c->height, (long long)d[l->channels_first ? 3 : 2],
		    (long long)d[l->channels_first ? 2 : 1]);
	l->shape = l->channels_first ? rt_shape_of(4, (int64_t)1, (int64_t)3, h, w)
				     : rt_shape_of(4, (int64_t)1, h, w, (int64_t)3);
	return 0;
}

/* What each byte of each channel becomes: 768 numbers are cheaper than a division per pixel. */
static void fill_table(const struct frame_spec *s, float table[3][256])
{
	for (int ch = 0; ch < 3; ch++) {
		for (int v = 0; v < 256; v++)
			table[ch][v] = (float)((v * s->scale - s->mean[ch]) / s->std[ch]);
	}
}

static void put_f32(const struct canvas *c, const struct frame_spec *s, bool channels_first,
		    float *out)
{
	size_t count = c->width * c->height;
	float table[3][256];

	fill_table(s, table);
	for (size_t ch = 0; ch < 3; ch++) {
		const uint8_t *p = c->pixels + (s->bgr ? 2 - ch : ch);
		float *to = channels_first ? out + ch * count : out + ch;
		size_t step = channels_first ? 1 : 3;

		for (size_t i = 0; i < count; i++)
			to[i * step] = table[ch][p[i * 3]];
	}
}

static void put_u8(const struct canvas *c, bool bgr, bool channels_first, uint8_t *out)
{
	size_t count = c->width * c->height;

	for (size_t ch = 0; ch < 3; ch++) {
		const uint8_t *p = c->pixels + (bgr ? 2 - ch : ch);

		for (size_t i = 0; i < count; i++)
			out[channels_first ? ch * count + i : i * 3 + ch] = p[i * 3];
	}
}

static int put(const struct canvas *c, const struct frame_spec *s, const struct rt_port *port,
	       struct arena *arena, struct rt_tensor *out, struct fault *fault)
{
	size_t count = c->width * c->height * 3;
	struct layout l = {.channels_first = false};
	void *data;

	if (lay_out(port, c, &l, fault) != 0)
		return -1;
	data = arena_alloc(arena, count * (port->dtype == RT_U8 ? 1 : sizeof(float)));
	if (data == NULL)
		return no_memory(fault);
	if (port->dtype == RT_U8)
		put_u8(c, s->bgr, l.channels_first, data);
	else
		put_f32(c, s, l.channels_first, data);
	*out = (struct rt_tensor){port->dtype, l.shape, data};
	return 0;
}

int frame_apply(const struct resample_picture *picture, const struct frame_spec *spec,
		const struct rt_port *port, struct arena *arena, struct rt_tensor *out,
		struct fault *fault)
{
	struct canvas c = {NULL, 0, 0};
	int rc = resize(picture, spec, &c, fault);

	if (rc == 0 && spec->resize == FRAME_LETTERBOX)
		rc = centre(&c, spec->width, spec->height, spec->fill, fault);
	if (rc == 0 && spec->crop_width != 0)
		rc = centre(&c, spec->crop_width, spec->crop_height, 0, fault);
	if (rc == 0)
		rc = put(&c, spec, port, arena, out, fault);
	free(c.pixels);
	return rc;
}
