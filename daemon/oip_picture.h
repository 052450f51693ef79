/* SPDX-License-Identifier: MIT */
/*
 * oip_picture.h — an input that is given as an encoded picture.  Called by oip_frame.c on a pool
 * thread.  The runtime decodes: a model of one node, ImageDecoder, is run on the bytes, so that
 * what reads them is what reads a model's own, within the same bounds.
 */
#ifndef LARDER_DAEMON_OIP_PICTURE_H
#define LARDER_DAEMON_OIP_PICTURE_H

#include <stddef.h>

#include "daemon/resample.h"
#include "runtime/runtime.h"

struct fault;

/* A decoded picture and what holds it; zeroed = none. */
struct oip_picture {
	struct resample_picture rgb; /* three channels; borrowed until release */
	struct rt_team *team;
	struct rt_model *model;
	struct rt_session *session;
};

/*
 * oip_picture_decode(p, bytes, name, fault): JPEG, PNG or WebP, as its first bytes say;
 * transparency is left out, a rotation that EXIF asks for is not made.  ${name} is the input's. 400
 * when it is none of these, damaged, or has a side of more than RESAMPLE_SIZE_MAX; 501 when this
 * build lacks its library.  After a failure there is nothing to release.
 */
int oip_picture_decode(struct oip_picture *p, struct rt_bytes bytes, const char *name,
		       struct fault *fault) RT_MUST_CHECK;
void oip_picture_release(struct oip_picture *p);

#endif
