/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as an ONNX model (model.h). External data is always the same 256 KiB of zeros.
 */
#include <config.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/model.h"

static int find(void *arg, const char *location, struct rt_bytes *out)
{
	static _Alignas(64) uint8_t bytes[(size_t)256 << 10];

	(void)arg;
	(void)location;
	*out = (struct rt_bytes){.data = bytes, .size = sizeof(bytes)};
	return RT_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	model_try((struct rt_bytes){.data = data, .size = size}, find);
	return 0;
}
