/* SPDX-License-Identifier: MIT */
/*
 * oip_frame.h — an input that is given as a raw frame or an encoded picture, with the
 * parameter `transform`.  Called by oip.c.
 */
#ifndef LARDER_DAEMON_OIP_FRAME_H
#define LARDER_DAEMON_OIP_FRAME_H

#include <jansson.h>

#include "daemon/oip.h"

/*
 * oip_frame_parse(transform, ports, port, raw, arena, out, fault): ${raw} is UINT8 of
 * [height, width, 3 or 4] or [1, height, width, 3 or 4]; or a picture in a file's bytes
 * (oip_picture.h), UINT8 of [bytes] or one element of BYTES.  ${transform} is true (the
 * model's own preprocessor_config.json, ports->frame) or an object in its words
 * (frame.h).  ${out} is what ${port} takes.  400 says what does not fit.
 */
int oip_frame_parse(const json_t *transform, const struct oip_ports *ports,
		    const struct rt_port *port, const struct rt_tensor *raw, struct arena *arena,
		    struct rt_tensor *out, struct fault *fault) RT_MUST_CHECK;

#endif
