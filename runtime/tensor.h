/* SPDX-License-Identifier: MIT */
/*
 * tensor.h — element types, shapes and tensors: the words that every other
 * header of runtime/ speaks.
 *
 * A tensor is dense and row-major: the last dimension varies fastest, there
 * are no strides.  Rank 0 is a scalar with one element.  A dimension may be 0.
 * Sizes are in elements unless a name ends in _bytes.
 */
#ifndef LARDER_RUNTIME_TENSOR_H
#define LARDER_RUNTIME_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RT_RANK_MAX 8
#define RT_MUST_CHECK __attribute__((warn_unused_result))

enum rt_dtype {
	RT_NONE = 0, /* not a tensor, or not known */
#define DTYPE(id, onnx, bits, name, oip) RT_##id,
#include "runtime/dtypes.def"
#undef DTYPE
	RT_DTYPE_COUNT
};

/* Sets of element types: RT_M(F32) | RT_M(I64). */
#define RT_M(id) (1u << RT_##id)

/*
 * Values that are no tensors.  Their type is an element type with bits for what
 * it is in, of which the highest is the outermost: RT_OPT | RT_SEQ | RT_F32 is an
 * optional sequence of float tensors.  A map has keys of the type that its bit
 * says, and values of the element type.
 */
#define RT_MAP_STR 0x100u
#define RT_MAP_I64 0x200u
#define RT_SEQ 0x400u
#define RT_OPT 0x800u

enum rt_status {
	RT_OK = 0,
	RT_STATUS_BASE_ = -200, /* rows follow: -199, -198, … */
#define STATUS(code, text) RT_##code,
#include "runtime/status.def"
#undef STATUS
};

/*
 * In the caller's frame; no allocation.  The text is long enough for a list of
 * everything in a model that is not supported.
 */
struct rt_error {
	int status;
	char text[8192];
};

const char *rt_status_text(int status);
/* rt_error_set(err, status, fmt, …): write the text; returns ${status}.  ${err} may be NULL. */
int rt_error_set(struct rt_error *err, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* rt_error_wrap(err, fmt, …): put "…: " before the text; keeps the status and returns it. */
int rt_error_wrap(struct rt_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * must(cond): for our own bugs only, never for input; not compiled out.
 * Prints file, line and condition to stderr and aborts.
 */
void rt_must_fail_(const char *file, int line, const char *cond) __attribute__((noreturn, cold));
#define must(cond) ((cond) ? (void)0 : rt_must_fail_(__FILE__, __LINE__, #cond))

struct rt_shape {
	int rank;                  /* 0..RT_RANK_MAX; -1 = not known */
	int64_t dims[RT_RANK_MAX]; /* ≥ 0; -1 = not known (only where a header allows it) */
};

/* A view; who owns ${data} is said where one is handed over.  Data is aligned to its element. */
struct rt_tensor {
	enum rt_dtype dtype;
	struct rt_shape shape;
	void *data; /* [shape], row-major; RT_STR: struct rt_str per element */
};

/* One element of a string tensor; bytes without a NUL; borrowed from the tensor's owner. */
struct rt_str {
	const char *bytes;
	size_t size;
};

/*
 * What the data of a value that is no tensor point to; its shape is [].  An
 * optional has one item or none; a map has two, tensors of rank 1: keys, values.
 */
struct rt_list {
	int64_t count;
	const struct rt_tensor *items; /* [count] */
};

/* Bytes that somebody else keeps alive (a mapping, a request body). */
struct rt_bytes {
	const void *data;
	size_t size;
};

const char *rt_dtype_name(enum rt_dtype t);     /* "float32", "seq(float32)" */
const char *rt_dtype_oip(enum rt_dtype t);      /* "FP32"; "" = none */
enum rt_dtype rt_dtype_of_oip(const char *oip); /* RT_NONE = unknown */
enum rt_dtype rt_dtype_of_onnx(int64_t onnx);   /* RT_NONE = unknown */
unsigned rt_dtype_bits(enum rt_dtype t);        /* per element; RT_STR: 8 * sizeof(struct rt_str) */
bool rt_dtype_is_list(enum rt_dtype t);         /* whether it is no tensor */
enum rt_dtype rt_dtype_elem(enum rt_dtype t);   /* RT_SEQ | RT_F32 → RT_F32 */
/* rt_dtype_in(kind, t): ${t} inside of RT_SEQ or RT_OPT; RT_NONE when there is no such type. */
enum rt_dtype rt_dtype_in(unsigned kind, enum rt_dtype t);
/* rt_dtype_item(t): what is in a sequence or an optional; RT_NONE for others. */
enum rt_dtype rt_dtype_item(enum rt_dtype t);

/* rt_shape_elems(s, out): the product of the dims; false when unknown or over INT64_MAX. */
bool rt_shape_elems(const struct rt_shape *s, int64_t *out);
/* rt_shape_bytes(s, t, out): bytes of a tensor, packed types rounded up; false as above. */
bool rt_shape_bytes(const struct rt_shape *s, enum rt_dtype t, size_t *out);
bool rt_shape_equal(const struct rt_shape *a, const struct rt_shape *b);
/* rt_shape_text(s, buf, size): "[1,3,?,224]" into ${buf}; returns ${buf}. */
char *rt_shape_text(const struct rt_shape *s, char *buf, size_t size);
/* rt_shape_of(rank, d0, …): int64_t dims as varargs. */
struct rt_shape rt_shape_of(int rank, ...);
/* rt_tensor_elems, rt_tensor_bytes: of a tensor whose shape was checked when it was made. */
int64_t rt_tensor_elems(const struct rt_tensor *t);
size_t rt_tensor_bytes(const struct rt_tensor *t);

/* Conversions of single elements, exact or round to nearest even (IEEE 754 §4.3.1). */
float rt_f16_to_f32(uint16_t h);
uint16_t rt_f32_to_f16(float f);
float rt_bf16_to_f32(uint16_t h);
uint16_t rt_f32_to_bf16(float f);

#ifdef __clang_analyzer__ /* or another that looks at one file at a time: neither returns 0 */
#define rt_error_set(err, status, ...) (rt_error_set(err, status, __VA_ARGS__), status)
#define rt_error_wrap(err, ...) (rt_error_wrap(err, __VA_ARGS__), RT_MALFORMED)
#endif

#endif
