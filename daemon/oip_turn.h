/* SPDX-License-Identifier: MIT */
/*
 * oip_turn.h — what a request says about its turn: the parameters `priority` and `timeout`, as
 * Triton and KServe have them (Triton, extension_parameters.md and InferenceRequest.priority,
 * .timeout).
 *
 *   priority  0 or none: the server's choice, which is interactive; 1: interactive; 2 and more:
 * bulk, after all that are not.  Also "interactive" and "bulk". timeout   microseconds from the
 * request's arrival to its answer; 0 or none: no limit of its own
 */
#ifndef LARDER_DAEMON_OIP_TURN_H
#define LARDER_DAEMON_OIP_TURN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/tensor.h"

struct fault;

struct oip_turn {
	bool bulk;
	uint64_t timeout_us; /* 0 = none */
};

#define OIP_TURN_PEEK_MAX ((size_t)1 << 20) /* bytes of JSON that oip_turn_peek looks at */

/* oip_turn_parse(parameters, out, fault): from the request's `parameters`; 400 when not so. */
int oip_turn_parse(const json_t *parameters, struct oip_turn *out,
		   struct fault *fault) RT_MUST_CHECK;
/*
 * oip_turn_peek(json, size, out): the same from the first bytes of a request, before anybody parses
 * it: quick (a byte is looked at once), and never wrong in a way that matters; what is not found,
 * or not right, is as none.  Event loop.
 */
void oip_turn_peek(const char *json, size_t size, struct oip_turn *out);

#endif
