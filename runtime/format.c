/* SPDX-License-Identifier: MIT */
/*
 * format.c — signatures of files that people take for models.  Called by
 * model.c; must never read beyond the bytes nor refuse what might be ONNX: a
 * ModelProto begins with a field key, in practice 0x08 (ir_version).
 */
#include <config.h>

#include <string.h>

#include "runtime/format.h"

static const struct {
	size_t offset;
	const char *signature;
	const char *what;
} formats[] = {
    {4, "TFL3", "a TensorFlow Lite model"}, /* flatbuffer file identifier */
    {4, "ORTM", "a model in ONNX Runtime's own .ort format"},
    {0, "GGUF", "a GGUF model"},
    {0, "{", "JSON (a TensorFlow.js model.json?)"},
    {0, "\x89HDF\r\n", "an HDF5 file (Keras .h5)"},
    {0, "PK\x03\x04", "a ZIP archive (.keras, .pt)"},
    {0, "<", "an HTML or XML page"},
    {0, "version https://git-lfs", "a Git LFS pointer, not the file it points to"},
};

const char *rt_format_foreign(struct rt_bytes file)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		size_t n = strlen(formats[i].signature);
		/* what stands before a flatbuffer's identifier is a small 32-bit offset; in ONNX it
		 * is the length of a string */
		if (formats[i].offset == 4 && file.size > 4 && ((const char *)file.data)[3] != 0)
			continue;
		if (file.size >= formats[i].offset + n &&
		    memcmp((const char *)file.data + formats[i].offset, formats[i].signature, n) ==
			0)
			return formats[i].what;
	}
	return NULL;
}
