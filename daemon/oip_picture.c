/* SPDX-License-Identifier: MIT */
/* oip_picture.c — see oip_picture.h.  Must never look at a byte but the first ones itself. */
#include <config.h>

#include "daemon/oip_picture.h"

#include <string.h>

#include "daemon/fault.h"

/* What decoding may take: 12 bytes for each of 32 Mi pixels, of which a progressive JPEG needs 9.
 */
#define MEMORY_MAX ((size_t)384 << 20)

/*
 * y = ImageDecoder(x), onnx.proto field by field: ir_version 10, opset 20, x uint8 [n], y uint8
 * [h,w,3].
 */
static const unsigned char decoder[] = "\x08\x0a\x3a\x46"
				       "\x0a\x14\x0a\x01x\x12\x01y\x22\x0cImageDecoder"
				       "\x12\x01g"
				       "\x5a\x10\x0a\x01x\x12\x0b\x0a\x09\x08\x02\x12\x05"
				       "\x0a\x03\x12\x01n"
				       "\x62\x19\x0a\x01y\x12\x14\x0a\x12\x08\x02\x12\x0e"
				       "\x0a\x03\x12\x01h\x0a\x03\x12\x01w\x0a\x02\x08\x03"
				       "\x42\x02\x10\x14";

enum format { UNKNOWN, JPEG, PNG, WEBP };

static enum format format_of(struct rt_bytes b)
{
	const unsigned char *s = b.data;

	if (b.size >= 3 && memcmp(s, "\xff\xd8\xff", 3) == 0)
		return JPEG;
	if (b.size >= 8 && memcmp(s, "\x89PNG\r\n\x1a\n", 8) == 0)
		return PNG;
	if (b.size >= 12 && memcmp(s, "RIFF", 4) == 0 && memcmp(s + 8, "WEBP", 4) == 0)
		return WEBP;
	return UNKNOWN;
}

static bool is_built_in(enum format format)
{
	switch (format) {
	case JPEG:
#ifdef HAVE_JPEG
		return true;
#else
		return false;
#endif
	case PNG:
#ifdef HAVE_PNG
		return true;
#else
		return false;
#endif
	case WEBP:
#ifdef HAVE_WEBP
		return true;
#else
		return false;
#endif
	case UNKNOWN:
		break;
	}
	return false;
}

static int run(struct oip_picture *p, struct rt_bytes bytes, struct rt_tensor *out,
	       struct rt_error *err)
{
	struct rt_model_opts opts = {.cpu_level = RT_CPU_SCALAR, .memory_budget = MEMORY_MAX};
	struct rt_run_opts run_opts = {.cancel = NULL};
	struct rt_tensor in = {.dtype = RT_U8, .shape = rt_shape_of(1, (int64_t)bytes.size)};
	int status;

	memcpy(&in.data, &bytes.data, sizeof in.data);
	p->team = rt_team_new(1);
	if (p->team == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	status =
	    rt_model_open((struct rt_bytes){decoder, sizeof decoder - 1}, &opts, &p->model, err);
	if (status == RT_OK)
		status = rt_session_open(p->model, p->team, &p->session, err);
	if (status == RT_OK)
		status = rt_session_run(p->session, &in, out, NULL, &run_opts, err);
	return status;
}

int oip_picture_decode(struct oip_picture *p, struct rt_bytes bytes, const char *name,
		       struct fault *fault)
{
	enum format format = format_of(bytes);
	struct rt_tensor out = {.dtype = RT_NONE};
	struct rt_error err;
	int status;

	*p = (struct oip_picture){.team = NULL};
	if (format == UNKNOWN)
		return fault_set(fault, 400,
				 "input \"%.100s\": the picture is neither JPEG, PNG nor WebP",
				 name);
	if (!is_built_in(format))
		return fault_set(
		    fault, 501, "input \"%.100s\": this larderd was built without a decoder for it",
		    name);
	status = run(p, bytes, &out, &err);
	if (status != RT_OK) {
		oip_picture_release(p);
		return status == RT_BUDGET
			   ? fault_set(fault, 400, "input \"%.100s\": the picture is too large",
				       name)
			   : fault_rt(fault, status, err.text);
	}
	p->rgb = (struct resample_picture){out.data, (size_t)out.shape.dims[1],
					   (size_t)out.shape.dims[0], 3};
	if (p->rgb.width == 0 || p->rgb.height == 0)
		(void)fault_set(fault, 400, "input \"%.100s\": the picture is damaged", name);
	else if (p->rgb.width > RESAMPLE_SIZE_MAX || p->rgb.height > RESAMPLE_SIZE_MAX)
		(void)fault_set(
		    fault, 400,
		    "input \"%.100s\": the picture has %zu by %zu pixels; at most %d are "
		    "taken",
		    name, p->rgb.width, p->rgb.height, RESAMPLE_SIZE_MAX);
	else
		return 0;
	oip_picture_release(p);
	return -1;
}

void oip_picture_release(struct oip_picture *p)
{
	rt_session_close(p->session);
	rt_model_close(p->model);
	rt_team_free(p->team);
	*p = (struct oip_picture){.team = NULL};
}
