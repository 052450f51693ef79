/* SPDX-License-Identifier: MIT */
/*
 * format.c — signatures of files that are models, or that people take for
 * models.  Called by model.c; must never read beyond the bytes nor take for
 * something else what might be ONNX: a ModelProto begins with a field key, in
 * practice 0x08 (ir_version).
 */
#include <config.h>

#include <string.h>

#include "runtime/format.h"
#include "runtime/tfjs.h"
#include "runtime/tflite.h"

static const struct rt_format formats[] = {
#define FORMAT(offset, signature, read, platform, what) {offset, signature, read, platform, what},
#define FOREIGN(offset, signature, what) {offset, signature, NULL, NULL, what},
#include "runtime/formats.def"
#undef FORMAT
#undef FOREIGN
};
static const struct rt_format onnx = {0, "", rt_onnx_read_model, "onnx_onnxv1", "an ONNX model"};

static bool fits(const struct rt_format *f, struct rt_bytes file)
{
	const char *data = file.data;
	size_t n = strlen(f->signature);

	/* what stands before a flatbuffer's identifier is a small 32-bit offset; in ONNX it
	 * is the length of a string */
	if (f->offset == 4 && file.size > 4 && data[3] != 0)
		return false;
	return file.size >= f->offset + n && memcmp(data + f->offset, f->signature, n) == 0;
}

/* JSON may begin with blanks (RFC 8259 section 2), and some writers put a byte order mark there. */
static struct rt_bytes without_blanks(struct rt_bytes file)
{
	const char *data = file.data;
	size_t i = file.size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	while (i < file.size &&
	       (data[i] == ' ' || data[i] == '\n' || data[i] == '\r' || data[i] == '\t'))
		i++;
	if (i < file.size && (data[i] == '{' || data[i] == '['))
		return (struct rt_bytes){data + i, file.size - i};
	return file;
}

const struct rt_format *rt_format_of(struct rt_bytes file)
{
	file = without_blanks(file);
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		if (fits(&formats[i], file))
			return &formats[i];
	}
	return &onnx;
}
