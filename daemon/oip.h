/* SPDX-License-Identifier: MIT */
/*
 * oip.h — the Open Inference Protocol v2 as bytes: request bodies to tensors,
 * tensors to answer bodies, with the binary tensor data extension both ways.
 * Called by handle_v2.c on a pool thread.  Knows no HTTP server, no loop and no
 * model: what a model takes and gives comes in as ports.
 *
 * Sources: Open Inference Protocol, inference_rest.md ("Inference Request JSON
 * Object" and on); Triton, extension_binary_data.md.
 *
 * Memory comes from the request's arena.  Every size that a client names is
 * checked against the bytes that are really there before it is allocated.
 */
#ifndef LARDER_DAEMON_OIP_H
#define LARDER_DAEMON_OIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/runtime.h"

struct arena;
struct fault;
struct frame_spec;
struct text;

/* Bounds on what a request may look like, whatever the size of its body. */
#define OIP_JSON_MAX ((size_t)1 << 20) /* bytes of JSON besides the `data` arrays */
#define OIP_DEPTH_MAX 32               /* nested arrays and objects */

/* What a model takes and gives, in the model's order; borrowed. */
struct oip_ports {
	size_t input_count, output_count;
	const struct rt_port *const *inputs;
	const struct rt_port *const *outputs;
	const struct frame_spec
	    *frame; /* how frames become its input (frame.h); NULL = not known */
};

struct oip_output {
	size_t index; /* of the model's output */
	bool binary;
};

struct oip_request {
	const char *id;             /* NULL = none; to be echoed */
	struct rt_tensor *inputs;   /* [input_count], model order; data NULL: optional, not given */
	bool *wanted;               /* [output_count], for rt_session_run */
	struct oip_output *outputs; /* in the order of the answer */
	size_t output_count;
	bool has_keep_alive;  /* the parameter `keep_alive` was given */
	uint64_t timeout_us;  /* the parameter `timeout` (oip_turn.h); 0 = none */
	int64_t keep_alive_s; /* seconds after the last use; < 0: until the memory is needed */
};

/*
 * oip_parse(body, json_size, ports, arena, out, fault): ${json_size} is the
 * text of Inference-Header-Content-Length, NULL when the header is absent (the
 * whole body is JSON); "0" means that the body is the one input's raw bytes.
 * Binary inputs that lie aligned in the body are views into it, so it must stay
 * as long as the tensors are used; all else is in the arena.  0, or -1 with a
 * fault of 400 (413 for too much JSON, 503 for no memory) that says which input,
 * what was expected and what came.
 */
int oip_parse(struct rt_bytes body, const char *json_size, const struct oip_ports *ports,
	      struct arena *arena, struct oip_request *out, struct fault *fault) RT_MUST_CHECK;

/* A body to send; in the arena. */
struct oip_answer {
	const char *data;
	size_t size;      /* bytes */
	size_t json_size; /* Inference-Header-Content-Length */
	bool binary;      /* some output is: send that header, and octet-stream */
};

/*
 * oip_answer(rq, ports, tensors, model, version, arena, out, fault): the answer
 * to ${rq} from the model's outputs (${tensors}, [output_count], data NULL where
 * not wanted); each is copied once.  -1 with a fault of 400 when an output has no
 * JSON form (FP16, BF16, NaN, infinities) and was not asked for as binary.
 */
int oip_answer(const struct oip_request *rq, const struct oip_ports *ports,
	       const struct rt_tensor *tensors, const char *model, const char *version,
	       struct arena *arena, struct oip_answer *out, struct fault *fault) RT_MUST_CHECK;

#endif
