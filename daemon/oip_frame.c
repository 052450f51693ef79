/* SPDX-License-Identifier: MIT */
/*
 * oip_frame.c — see oip_frame.h.  Must never believe a shape that the bytes do not
 * have: they were compared when the tensor was read.
 */
#include <config.h>

#include "daemon/oip_frame.h"

#include "daemon/fault.h"
#include "daemon/frame.h"
#include "daemon/oip_picture.h"

static int picture_of(const struct rt_tensor *raw, const char *name, struct resample_picture *out,
		      struct fault *fault)
{
	const int64_t *d = raw->shape.dims;
	char text[160];

	if (raw->shape.rank == 4 && d[0] == 1)
		d++;
	else if (raw->shape.rank != 3)
		d = NULL;
	if (d == NULL || d[0] < 1 || d[1] < 1 || d[0] > RESAMPLE_SIZE_MAX ||
	    d[1] > RESAMPLE_SIZE_MAX || (d[2] != 3 && d[2] != 4))
		return fault_set(fault, 400,
				 "input \"%.100s\": a frame has the shape [height, width, 3 or 4], "
				 "with sides of at most %d, an encoded picture [bytes], not %s",
				 name, RESAMPLE_SIZE_MAX,
				 rt_shape_text(&raw->shape, text, sizeof(text)));
	*out = (struct resample_picture){raw->data, (size_t)d[1], (size_t)d[0], (size_t)d[2]};
	return 0;
}

/* The bytes of an encoded picture: UINT8 of one dimension, or one string. */
static bool encoded(const struct rt_tensor *raw, struct rt_bytes *out)
{
	const struct rt_str *s = raw->data;

	if (raw->dtype == RT_STR && rt_tensor_elems(raw) == 1)
		*out = (struct rt_bytes){s->bytes, s->size};
	else if (raw->dtype == RT_U8 && raw->shape.rank == 1)
		*out = (struct rt_bytes){raw->data, rt_tensor_bytes(raw)};
	else
		return false;
	return true;
}

static int find_spec(const json_t *transform, const struct oip_ports *ports,
		     const struct rt_port *port, struct frame_spec *out, struct fault *fault)
{
	if (json_is_object(transform))
		return frame_spec_parse(transform, out, fault);
	if (!json_is_true(transform))
		return fault_set(fault, 400,
				 "input \"%.100s\": \"transform\" must be true or an object",
				 port->name);
	if (ports->frame == NULL)
		return fault_set(fault, 400,
				 "input \"%.100s\": the model has no preprocessor_config.json that "
				 "says how frames become its input; give a \"transform\"",
				 port->name);
	*out = *ports->frame;
	return 0;
}

int oip_frame_parse(const json_t *transform, const struct oip_ports *ports,
		    const struct rt_port *port, const struct rt_tensor *raw, struct arena *arena,
		    struct rt_tensor *out, struct fault *fault)
{
	struct resample_picture picture;
	struct oip_picture decoded;
	struct frame_spec spec;
	struct rt_bytes bytes;
	int status;

	if (find_spec(transform, ports, port, &spec, fault) != 0)
		return -1;
	if (encoded(raw, &bytes)) {
		if (oip_picture_decode(&decoded, bytes, port->name, fault) != 0)
			return -1;
		status = frame_apply(&decoded.rgb, &spec, port, arena, out, fault);
		oip_picture_release(&decoded);
		return status;
	}
	if (raw->dtype != RT_U8)
		return fault_set(fault, 400,
				 "input \"%.100s\": an encoded picture is one element of BYTES",
				 port->name);
	if (picture_of(raw, port->name, &picture, fault) != 0)
		return -1;
	return frame_apply(&picture, &spec, port, arena, out, fault);
}
