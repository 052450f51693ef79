/* SPDX-License-Identifier: MIT */
/*
 * oip_frame.c — see oip_frame.h.  Must never believe a shape that the bytes do not
 * have: they were compared when the tensor was read.
 */
#include <config.h>

#include "daemon/oip_frame.h"

#include "daemon/fault.h"
#include "daemon/frame.h"

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
				 "with sides of at most %d, not %s",
				 name, RESAMPLE_SIZE_MAX,
				 rt_shape_text(&raw->shape, text, sizeof(text)));
	*out = (struct resample_picture){raw->data, (size_t)d[1], (size_t)d[0], (size_t)d[2]};
	return 0;
}

int oip_frame_parse(const json_t *transform, const struct oip_ports *ports,
		    const struct rt_port *port, const struct rt_tensor *raw, struct arena *arena,
		    struct rt_tensor *out, struct fault *fault)
{
	struct resample_picture picture;
	struct frame_spec spec;

	must(raw->dtype == RT_U8);
	if (picture_of(raw, port->name, &picture, fault) != 0)
		return -1;
	if (json_is_object(transform)) {
		if (frame_spec_parse(transform, &spec, fault) != 0)
			return -1;
	} else if (!json_is_true(transform)) {
		return fault_set(fault, 400,
				 "input \"%.100s\": \"transform\" must be true or an object",
				 port->name);
	} else if (ports->frame == NULL) {
		return fault_set(fault, 400,
				 "input \"%.100s\": the model has no preprocessor_config.json that "
				 "says how frames become its input; give a \"transform\"",
				 port->name);
	} else {
		spec = *ports->frame;
	}
	return frame_apply(&picture, &spec, port, arena, out, fault);
}
