/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a TensorFlow Lite model (model.h): its identifier is put where it belongs first.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size < 8 ? 8 : size);

	if (copy == NULL)
		return 0;
	if (size > 0)
		memcpy(copy, data, size);
	if (size >= 8) {
		memcpy(copy + 4, "TFL3", 4);
		copy[3] = 0;
	}
	model_try((struct rt_bytes){.data = copy, .size = size}, NULL);
	free(copy);
	return 0;
}
