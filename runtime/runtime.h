/* SPDX-License-Identifier: MIT */
/*
 * runtime.h — model bytes to tensors.  The only header of runtime/ (with
 * tensor.h) that others include.
 *
 *	rt_team_new      threads, once per process
 *	rt_model_open    bytes → a checked, optimised, bound graph; shared, immutable
 *	rt_session_open  one running instance: plans per input shape, arenas
 *	rt_session_run   tensors in, tensors out
 *
 * Threads.  A model may be used by any number of sessions in any threads at
 * once.  A session is used by one thread at a time.  A team runs one session
 * at a time and serialises callers.
 */
#ifndef LARDER_RUNTIME_RUNTIME_H
#define LARDER_RUNTIME_RUNTIME_H

#include <stdatomic.h>
#include <stdio.h>

#include "runtime/tensor.h"

struct rt_team;    /* opaque: worker threads */
struct rt_model;   /* opaque */
struct rt_session; /* opaque */

/* ---- CPU (runtime/cpu.c) --------------------------------------------------- */

/* Instruction sets ordered slow → fast; a level includes those before it of its architecture. */
enum rt_cpu_level {
	RT_CPU_SCALAR,
	RT_CPU_SSE41,
	RT_CPU_AVX2,       /* + FMA + F16C */
	RT_CPU_AVX512,     /* F, BW, DQ, VL */
	RT_CPU_AVX512VNNI, /* + VNNI */
	RT_CPU_AMX,        /* + AMX-INT8 and -BF16, and the system lets this process use it */
	RT_CPU_NEON,       /* AArch64 */
	RT_CPU_LEVEL_COUNT
};
/* rt_cpu_best(): the highest level that this machine and this build have. */
enum rt_cpu_level rt_cpu_best(void);
const char *rt_cpu_level_name(enum rt_cpu_level level); /* "avx2" */
/* rt_cpu_level_parse(name, out): false when unknown; `best` is rt_cpu_best(). */
bool rt_cpu_level_parse(const char *name, enum rt_cpu_level *out);
/* rt_cpu_has(level): whether kernels of that level can run here. */
bool rt_cpu_has(enum rt_cpu_level level);

/* ---- team (runtime/team.c) ------------------------------------------------- */

/* rt_team_new(threads): ${threads} ≥ 1 counts the caller; NULL when out of memory. */
struct rt_team *rt_team_new(int threads);
void rt_team_free(struct rt_team *team); /* NULL is allowed; nobody may be running on it */
int rt_team_threads(const struct rt_team *team);

/* ---- models (runtime/model.c) ------------------------------------------------ */

/*
 * Finds the bytes of an external-data file by the `location` that the model
 * names (onnx.proto: TensorProto.external_data).  Returns RT_OK and bytes that
 * stay valid as long as the model, or a negative status.  Called during
 * rt_model_open only, from its thread.  The runtime has refused locations that
 * are absolute, hold `..`, `\` or empty segments before it asks.
 */
typedef int rt_find_f(void *arg, const char *location, struct rt_bytes *out);

/*
 * Packed weights, kept.  Operators put weights into the order of their kernels when a
 * model is opened; rt_model_packed_parts gives that as bytes, to be written somewhere and handed
 * back when the same model is opened again: nothing is packed then, and weights that are packed are
 * not even read from the file.
 *
 * rt_packed_f is asked once, after every rt_find_f of that model.  ${key} names the bytes of the
 * model and its external data (digests); an image with another key, of another version, other
 * kernels, or damaged is left aside, and all is packed as if there were none.
 */
#define RT_PACKED_KEY 32 /* bytes */
struct rt_packed {
	uint8_t key[RT_PACKED_KEY];
	struct rt_bytes image; /* aligned to 64; valid as long as the model; data NULL: none */
};
typedef void rt_packed_f(void *arg, struct rt_packed *out);
/*
 * rt_unread_f(arg, data, size): these bytes of the file, or of external data, will not be read
 * again (they are packed).  Where they are mapped their pages may be given back.
 */
typedef void rt_unread_f(void *arg, const void *data, size_t size);

struct rt_model_opts {
	enum rt_cpu_level cpu_level; /* kernels of this level or below */
	rt_packed_f *packed;         /* NULL: no image */
	void *packed_arg;
	rt_unread_f *unread; /* NULL: nobody cares */
	void *unread_arg;
	rt_find_f *find; /* NULL: external data is an error */
	void *find_arg;
	size_t memory_budget; /* bytes for what the model holds and one session of it needs, without
			       * the file itself; 0 = 4 GiB */
	bool check_only;      /* read it and look for what cannot run, then stop: inputs and outputs
			       * can be asked for, sessions must not be made; no weight is read */
	bool no_optimise;     /* leave the graph as the file has it (tests) */
};

/*
 * rt_model_open(file, opts, out, err): read, check, optimise and bind.  The
 * bytes must stay valid and unchanged until rt_model_close: weights are views
 * into them.  RT_MALFORMED says where; RT_UNSUPPORTED lists every node that
 * cannot run (node, operator, domain, opset, element type), grouped.
 */
int rt_model_open(struct rt_bytes file, const struct rt_model_opts *opts, struct rt_model **out,
		  struct rt_error *err) RT_MUST_CHECK;
void rt_model_close(struct rt_model *model); /* NULL is allowed; its sessions must be closed */

/* An input or output of a model: `dims` −1 where free, rank −1 where not declared. */
struct rt_port {
	const char *name;
	enum rt_dtype dtype;
	struct rt_shape shape;
	const char *dim_names[RT_RANK_MAX]; /* symbolic name or NULL */
	bool optional;                      /* an input that has an initialiser (IR < 4) */
};
size_t rt_model_input_count(const struct rt_model *m);
size_t rt_model_output_count(const struct rt_model *m);
const struct rt_port *rt_model_input(const struct rt_model *m, size_t i);
const struct rt_port *rt_model_output(const struct rt_model *m, size_t i);
const char *rt_model_platform(const struct rt_model *m);  /* "onnx_onnxv1", see formats.def */
int64_t rt_model_opset(const struct rt_model *m);         /* of the domain ai.onnx */
size_t rt_model_resident_bytes(const struct rt_model *m); /* heap it holds (packed weights, …) */
enum rt_cpu_level rt_model_cpu_level(const struct rt_model *m);

/* An image in pieces, to be written one after the other; they are the model's, but for the list. */
struct rt_packed_parts {
	struct rt_bytes *parts; /* [count] */
	size_t count;
	size_t size; /* of all; 0 = nothing to keep: nothing was packed, or all came from one */
	void *head;  /* of the list's owner */
};
/*
 * rt_model_packed_parts(m, key, out): valid until rt_model_close.  RT_MEMORY.  Reads all
 * packed weights; any thread, also while the model runs.
 */
int rt_model_packed_parts(const struct rt_model *m, const uint8_t key[RT_PACKED_KEY],
			  struct rt_packed_parts *out) RT_MUST_CHECK;
void rt_packed_parts_release(struct rt_packed_parts *parts);

/* ---- sessions (runtime/session.c) ----------------------------------------------- */

int rt_session_open(struct rt_model *model, struct rt_team *team, struct rt_session **out,
		    struct rt_error *err) RT_MUST_CHECK; /* borrows both until close */
void rt_session_close(struct rt_session *s);             /* NULL is allowed */

struct rt_run_opts {
	/* Looked at between steps, and in one between stretches of its loops: within about 50 ms
	 * wherever the work is in loops that go to the team. */
	const atomic_bool *cancel; /* NULL = never */
	int64_t deadline_ns;       /* CLOCK_MONOTONIC; 0 = none */
};

/*
 * rt_session_run(s, inputs, outputs, opts, err): ${inputs} has one entry per
 * model input in order (data NULL for an optional one that is not given), is
 * borrowed during the call and never written.  Types and shapes are checked:
 * RT_INPUT names the input, what was expected and what came.  ${outputs} gets
 * one entry per model output; their data is borrowed until the next run or
 * close.  ${wanted}: bit per output to compute, or NULL for all; others get
 * data NULL.  The plan for these input shapes is made on first use and cached.
 */
int rt_session_run(struct rt_session *s, const struct rt_tensor *inputs, struct rt_tensor *outputs,
		   const bool *wanted, const struct rt_run_opts *opts,
		   struct rt_error *err) RT_MUST_CHECK;
/* rt_session_arena_bytes(s): memory that it holds: plans, arenas, what the last run has left. */
size_t rt_session_arena_bytes(const struct rt_session *s);

/* ---- read errors (runtime/guard.c) ---------------------------------------------------------- */

/*
 * rt_guard_install(): take over SIGBUS for the process, once, from main.  From
 * then on a page of a model's mapped bytes that cannot be read fails the call of
 * rt_model_open or rt_session_run that touches it with RT_IO; the session can
 * only be closed afterwards.  A second call changes nothing.  RT_IO when the
 * handler cannot be set.
 */
int rt_guard_install(void) RT_MUST_CHECK;
/*
 * rt_guard_copy(out, mapped, size): memcpy out of mapped bytes.  RT_IO when a page
 * of them cannot be read; what is in ${out} then does not count.  Any thread.
 */
int rt_guard_copy(void *out, const void *mapped, size_t size) RT_MUST_CHECK;

/* ---- tables ------------------------------------------------------------------------ */

/* rt_ops_print(f): one line per row of ops.def (larderd --ops); returns the number of operators. */
size_t rt_ops_print(FILE *f);
/* rt_kernels_print(level, f): the kernel chosen per kind at that level (larderd --kernels). */
void rt_kernels_print(enum rt_cpu_level level, FILE *f);

#endif
