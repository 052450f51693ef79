/* SPDX-License-Identifier: MIT */
/*
 * dtype.c — element types: names, sizes, and conversions of single elements.
 * Bulk conversion is the kernels' work; what is here is their reference.
 */
#include <config.h>

#include <string.h>

#include "runtime/tensor.h"

struct dtype_row {
	const char *name, *oip;
	int64_t onnx;
	unsigned bits;
};

static const struct dtype_row rows[RT_DTYPE_COUNT] = {
    [RT_NONE] = {"unknown", "", 0, 0},
#define DTYPE(id, onnx, bits, name, oip) [RT_##id] = {name, oip, onnx, bits},
#include "runtime/dtypes.def"
#undef DTYPE
};

static const struct dtype_row *row_of(enum rt_dtype t)
{
	return (unsigned)t < RT_DTYPE_COUNT ? &rows[t] : &rows[RT_NONE];
}

/* ---- values that are no tensors -------------------------------------------------------------- */

#define DTYPE(id, onnx, bits, name, oip)                                                           \
	[RT_##id] = {"map(string," name ")",                                                       \
		     "map(int64," name ")",                                                        \
		     "seq(" name ")",                                                              \
		     "seq(map(string," name "))",                                                  \
		     "seq(map(int64," name "))",                                                   \
		     "optional(" name ")",                                                         \
		     "optional(seq(" name "))",                                                    \
		     "optional(seq(map(string," name ")))",                                        \
		     "optional(seq(map(int64," name ")))"},
static const char *const list_names[RT_DTYPE_COUNT][9] = {
#include "runtime/dtypes.def"
};
#undef DTYPE

/* In the order of list_names. */
static const unsigned list_kinds[9] = {
    RT_MAP_STR,
    RT_MAP_I64,
    RT_SEQ,
    RT_SEQ | RT_MAP_STR,
    RT_SEQ | RT_MAP_I64,
    RT_OPT,
    RT_OPT | RT_SEQ,
    RT_OPT | RT_SEQ | RT_MAP_STR,
    RT_OPT | RT_SEQ | RT_MAP_I64,
};

bool rt_dtype_is_list(enum rt_dtype t)
{
	return (unsigned)t >= RT_MAP_STR;
}

enum rt_dtype rt_dtype_elem(enum rt_dtype t)
{
	return (enum rt_dtype)((unsigned)t & (RT_MAP_STR - 1));
}

/* The row's place in list_kinds; −1 when there is no such type. */
static int list_kind(enum rt_dtype t)
{
	unsigned elem = rt_dtype_elem(t);

	for (int i = 0; i < 9 && elem != RT_NONE && elem < RT_DTYPE_COUNT; i++) {
		if (list_kinds[i] == ((unsigned)t ^ elem))
			return i;
	}
	return -1;
}

enum rt_dtype rt_dtype_in(unsigned kind, enum rt_dtype t)
{
	enum rt_dtype in = (enum rt_dtype)(kind | (unsigned)t);

	if (((unsigned)t & kind) != 0 || (unsigned)t >= kind)
		return RT_NONE;
	return list_kind(in) >= 0 ? in : RT_NONE;
}

enum rt_dtype rt_dtype_item(enum rt_dtype t)
{
	if (((unsigned)t & RT_OPT) != 0)
		return (enum rt_dtype)((unsigned)t ^ RT_OPT);
	return ((unsigned)t & RT_SEQ) != 0 ? (enum rt_dtype)((unsigned)t ^ RT_SEQ) : RT_NONE;
}

/* ---- names and sizes ------------------------------------------------------------------------- */

const char *rt_dtype_name(enum rt_dtype t)
{
	int kind = rt_dtype_is_list(t) ? list_kind(t) : -1;

	return kind >= 0 ? list_names[rt_dtype_elem(t)][kind] : row_of(t)->name;
}

const char *rt_dtype_oip(enum rt_dtype t)
{
	return row_of(t)->oip;
}

enum rt_dtype rt_dtype_of_oip(const char *oip)
{
	for (unsigned i = 1; i < RT_DTYPE_COUNT; i++) {
		if (rows[i].oip[0] != '\0' && strcmp(rows[i].oip, oip) == 0)
			return (enum rt_dtype)i;
	}
	return RT_NONE;
}

enum rt_dtype rt_dtype_of_onnx(int64_t onnx)
{
	for (unsigned i = 1; i < RT_DTYPE_COUNT; i++) {
		if (rows[i].onnx == onnx)
			return (enum rt_dtype)i;
	}
	return RT_NONE;
}

unsigned rt_dtype_bits(enum rt_dtype t)
{
	if (t == RT_STR)
		return 8 * sizeof(struct rt_str);
	if (rt_dtype_is_list(t))
		return 8 * sizeof(struct rt_list);
	return row_of(t)->bits;
}

/* ---- half precision -------------------------------------------------------------------------- */

static float float_of_bits(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

static uint32_t bits_of_float(float f)
{
	uint32_t bits;

	memcpy(&bits, &f, sizeof(bits));
	return bits;
}

float rt_f16_to_f32(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16;
	uint32_t exponent = (h >> 10) & 0x1f;
	uint32_t mantissa = h & 0x3ff;

	if (exponent == 31) /* infinity, NaN: the payload moves along */
		return float_of_bits(sign | 0x7f800000 | mantissa << 13);
	if (exponent != 0)
		return float_of_bits(sign | (exponent + 112) << 23 | mantissa << 13);
	/* zero or subnormal: mantissa · 2^-24, exact in float32 */
	return float_of_bits(sign | bits_of_float((float)mantissa * 0x1p-24f));
}

uint16_t rt_f32_to_f16(float f)
{
	uint32_t bits = bits_of_float(f);
	uint32_t sign = (bits >> 16) & 0x8000;
	uint32_t exponent = (bits >> 23) & 0xff;
	uint32_t mantissa = bits & 0x7fffff;
	uint32_t half, rest, shift;

	if (exponent == 255) /* a NaN stays one, quiet */
		return (uint16_t)(sign | 0x7c00 | (mantissa != 0 ? 0x200 | mantissa >> 13 : 0));
	if (exponent >= 143) /* 2^16 and more */
		return (uint16_t)(sign | 0x7c00);
	if (exponent >= 113) { /* normal; a carry out of the mantissa goes into the exponent */
		half = (exponent - 112) << 10 | mantissa >> 13;
		rest = mantissa & 0x1fff;
		half += rest > 0x1000 || (rest == 0x1000 && (half & 1) != 0);
		return (uint16_t)(sign | half);
	}
	if (exponent < 102) /* below half of the smallest subnormal */
		return (uint16_t)sign;
	mantissa |= 0x800000;
	shift = 126 - exponent; /* 14..24 */
	half = mantissa >> shift;
	rest = mantissa & ((1u << shift) - 1);
	half += rest > 1u << (shift - 1) || (rest == 1u << (shift - 1) && (half & 1) != 0);
	return (uint16_t)(sign | half);
}

float rt_bf16_to_f32(uint16_t h)
{
	return float_of_bits((uint32_t)h << 16);
}

uint16_t rt_f32_to_bf16(float f)
{
	uint32_t bits = bits_of_float(f);

	if ((bits & 0x7fffffff) > 0x7f800000) /* a NaN stays one, quiet */
		return (uint16_t)(bits >> 16 | 0x40);
	return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
