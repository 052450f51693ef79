/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as an inference request to a model of two inputs and one output. If the bytes begin
 * with a line of digits, that is Inference-Header-Content-Length and the rest is the body.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "daemon/arena.h"
#include "daemon/fault.h"
#include "daemon/oip.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct rt_port image = {
	    .name = "image", .dtype = RT_F32, .shape = {.rank = 2, .dims = {-1, 4}}};
	static const struct rt_port ids = {
	    .name = "ids", .dtype = RT_I64, .shape = {.rank = 1, .dims = {2}}};
	static const struct rt_port scores = {
	    .name = "scores", .dtype = RT_F32, .shape = {.rank = 2, .dims = {-1, 3}}};
	static const struct rt_port *const inputs[] = {&image, &ids};
	static const struct rt_port *const outputs[] = {&scores};
	static const struct oip_ports ports = {
	    .input_count = 2, .output_count = 1, .inputs = inputs, .outputs = outputs};
	static struct fault fault;
	char header[32] = "";
	size_t digits = 0;
	struct oip_request request = {0};
	struct arena arena;

	while (digits < size && digits < sizeof(header) - 1 && data[digits] >= '0' &&
	       data[digits] <= '9')
		digits++;
	if (digits > 0 && digits < size && data[digits] == '\n') {
		memcpy(header, data, digits);
		data += digits + 1;
		size -= digits + 1;
	}
	arena_init(&arena);
	(void)!oip_parse((struct rt_bytes){.data = data, .size = size}, header[0] ? header : NULL,
			 &ports, &arena, &request, &fault);
	arena_release(&arena);
	return 0;
}
