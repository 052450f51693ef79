/* SPDX-License-Identifier: MIT */
/*
 * convert.c — see convert.h.  One small function per C type, made from one
 * list; nothing here knows operators.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/convert.h"

/* ---- 8-bit floats ---------------------------------------------------------------------------- */

struct f8 {
	int mantissa; /* bits */
	int bias;
	bool infinite;      /* has infinities, NaN in the top exponent (E5M2) */
	bool unsigned_zero; /* FNUZ: 0x80 is the only NaN, there is no −0 */
};

static const struct f8 *f8_of(enum rt_dtype t)
{
	static const struct f8 e4m3fn = {3, 7, false, false}, e4m3fnuz = {3, 8, false, true},
			       e5m2 = {2, 15, true, false}, e5m2fnuz = {2, 16, false, true};

	switch (t) {
	case RT_F8E4M3FN:
		return &e4m3fn;
	case RT_F8E4M3FNUZ:
		return &e4m3fnuz;
	case RT_F8E5M2:
		return &e5m2;
	default:
		must(t == RT_F8E5M2FNUZ);
		return &e5m2fnuz;
	}
}

double rt_convert_f8_to_f64(enum rt_dtype t, uint8_t bits)
{
	const struct f8 *f = f8_of(t);
	int m = bits & ((1 << f->mantissa) - 1), e = (bits & 0x7f) >> f->mantissa;
	int e_max = 0x7f >> f->mantissa;
	double x;

	if (f->unsigned_zero && bits == 0x80)
		return NAN;
	if (f->infinite && e == e_max)
		return m != 0 ? NAN : (bits & 0x80) != 0 ? -INFINITY : INFINITY;
	if (!f->infinite && !f->unsigned_zero && (bits & 0x7f) == 0x7f)
		return NAN;
	x = e == 0 ? ldexp(m, 1 - f->bias - f->mantissa)
		   : ldexp(m + (1 << f->mantissa), e - f->bias - f->mantissa);
	return (bits & 0x80) != 0 ? -x : x;
}

/* The bit pattern, without sign, of the largest finite value. */
static unsigned f8_largest(const struct f8 *f)
{
	if (f->infinite)
		return 0x7bu;
	return f->unsigned_zero ? 0x7fu : 0x7eu;
}

uint8_t rt_convert_f64_to_f8(enum rt_dtype t, double x, bool saturate)
{
	const struct f8 *f = f8_of(t);
	unsigned sign = signbit(x) ? 0x80u : 0, bits;
	double a = fabs(x), scaled;
	int e;

	if (isnan(x))
		return (uint8_t)(f->unsigned_zero ? 0x80u : f->infinite ? 0x7eu : sign | 0x7fu);
	if (isinf(x) && !saturate)
		bits = 0x80; /* over everything */
	else if (a == 0)
		bits = 0;
	else {
		(void)frexp(isinf(a) ? 1e300 : a, &e); /* a = [0.5, 1) · 2^e */
		e -= 1;
		if (e < 1 - f->bias)
			e = 1 - f->bias;
		/* In units of the last place; the carry out of the mantissa moves the exponent. */
		scaled = e > 20 ? 1e6 : nearbyint(ldexp(a, f->mantissa - e));
		bits = scaled >= 1e6
			   ? 0x80u
			   : (unsigned)((e + f->bias - 1) * (1 << f->mantissa)) + (unsigned)scaled;
	}
	if (bits > f8_largest(f)) {
		if (saturate)
			bits = f8_largest(f);
		else if (f->unsigned_zero)
			return 0x80;
		else
			bits = f->infinite ? 0x7cu : 0x7fu;
	}
	if (f->unsigned_zero && bits == 0)
		return 0;
	return (uint8_t)(sign | bits);
}

double rt_convert_e8m0_to_f64(uint8_t bits)
{
	return bits == 0xff ? (double)NAN : ldexp(1, (int)bits - 127);
}

uint8_t rt_convert_f64_to_e8m0(double x, enum rt_convert_round how, bool saturate)
{
	int e;
	double m = frexp(fabs(x), &e); /* [0.5, 1) · 2^e */

	if (isnan(x) || (isinf(x) && !saturate))
		return 0xff;
	if (x == 0)
		return 0;
	if (isinf(x))
		return 0xfe;
	e -= 1;
	if (how == RT_CONVERT_UP ? m > 0.5 : how == RT_CONVERT_NEAREST && m >= 0.75)
		e++;
	if (e > 127)
		return saturate ? 0xfe : 0xff;
	return e < -127 ? 0 : (uint8_t)(e + 127);
}

/* ---- one list of C types ----------------------------------------------------------------------
 */

/* X(id, C type, to double, to int64, from double, from int64) over the plain types */
#define PLAIN(X)                                                                                   \
	X(U8, uint8_t)                                                                             \
	X(I8, int8_t)                                                                              \
	X(U16, uint16_t)                                                                           \
	X(I16, int16_t)                                                                            \
	X(I32, int32_t)                                                                            \
	X(U32, uint32_t)                                                                           \
	X(I64, int64_t)

static int64_t truncated(double x)
{
	/* cppcheck-suppress incorrectLogicOperator ; it does not know hexadecimal floats */
	return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN;
}

static uint64_t truncated_unsigned(double x)
{
	return x >= 0x1p63 && x < 0x1p64 ? (uint64_t)x : (uint64_t)truncated(x);
}

/* Packed types: ${bits} per element, the low bits first. */
static unsigned packed_get(const uint8_t *in, int64_t i, unsigned bits)
{
	unsigned per_byte = 8 / bits;

	return (unsigned)in[i / per_byte] >> ((unsigned)(i % per_byte) * bits) & ((1u << bits) - 1);
}

static void packed_set(uint8_t *out, int64_t i, unsigned bits, unsigned v)
{
	unsigned per_byte = 8 / bits, shift = (unsigned)(i % per_byte) * bits;

	if (shift == 0)
		out[i / per_byte] = 0;
	out[i / per_byte] = (uint8_t)(out[i / per_byte] | (v & ((1u << bits) - 1)) << shift);
}

/* The value of ${v} as a two's complement number. */
static int64_t packed_signed(unsigned v, unsigned bits)
{
	return (int64_t)v - ((v >> (bits - 1)) != 0 ? INT64_C(1) << bits : 0);
}

/* float4e2m1: 0 0.5 1 1.5 2 3 4 6 and a sign. */
static double f4_value(unsigned v)
{
	static const double values[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};

	return (v & 8) != 0 ? -values[v & 7] : values[v & 7];
}

/* To nearest even, saturating; NaN is −0, for want of anything better. */
static unsigned f4_bits(double x)
{
	static const double middles[7] = {0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5};
	unsigned v = 0;

	if (isnan(x))
		return 8;
	while (v < 7 && (fabs(x) > middles[v] || (v % 2 == 1 && fabs(x) >= middles[v])))
		v++;
	return v | (signbit(x) ? 8u : 0);
}

/* From type ${t} to ${C}, with ${as} for floats (identity or truncation). */
#define LOAD(name, C, as)                                                                          \
	void name(enum rt_dtype t, const void *in, int64_t first, size_t n, C *out)                \
	{                                                                                          \
		const char *at = (const char *)in + first * (int64_t)(rt_dtype_bits(t) / 8);       \
		switch (t) {                                                                       \
			PLAIN(LOAD_PLAIN_##C)                                                      \
		case RT_U64:                                                                       \
			for (size_t i = 0; i < n; i++)                                             \
				out[i] = (C)((const uint64_t *)(const void *)at)[i];               \
			break;                                                                     \
		case RT_BOOL:                                                                      \
			for (size_t i = 0; i < n; i++)                                             \
				out[i] = (C)(at[i] != 0);                                          \
			break;                                                                     \
		case RT_F32:                                                                       \
			for (size_t i = 0; i < n; i++)                                             \
				out[i] = as(((const float *)(const void *)at)[i]);                 \
			break;                                                                     \
		case RT_F64:                                                                       \
			for (size_t i = 0; i < n; i++)                                             \
				out[i] = as(((const double *)(const void *)at)[i]);                \
			break;                                                                     \
		case RT_F16:                                                                       \
			for (size_t i = 0; i < n; i++)                                             \
				out[i] =                                                           \
				    as(rt_f16_to_f32(((const uint16_t *)(const void *)at)[i]));    \
			break;                                                                     \
		case RT_BF16:                                                                      \
			for (size_t i = 0; i < n; i++)                                             \
				out[i] =                                                           \
				    as(rt_bf16_to_f32(((const uint16_t *)(const void *)at)[i]));   \
			break;                                                                     \
		case RT_U4:                                                                        \
		case RT_U2:                                                                        \
			for (size_t i = 0; i < n; i++)                                             \
				out[i] = (C)packed_get(in, first + (int64_t)i, rt_dtype_bits(t));  \
			break;                                                                     \
		case RT_I4:                                                                        \
		case RT_I2:                                                                        \
			for (size_t i = 0; i < n; i++)                                             \
				out[i] = (C)packed_signed(                                         \
				    packed_get(in, first + (int64_t)i, rt_dtype_bits(t)),          \
				    rt_dtype_bits(t));                                             \
			break;                                                                     \
		case RT_F4E2M1:                                                                    \
			for (size_t i = 0; i < n; i++)                                             \
				out[i] = as(f4_value(packed_get(in, first + (int64_t)i, 4)));      \
			break;                                                                     \
		case RT_F8E8M0:                                                                    \
			for (size_t i = 0; i < n; i++)                                             \
				out[i] = as(rt_convert_e8m0_to_f64((uint8_t)at[i]));               \
			break;                                                                     \
		case RT_F8E4M3FN:                                                                  \
		case RT_F8E4M3FNUZ:                                                                \
		case RT_F8E5M2:                                                                    \
		case RT_F8E5M2FNUZ:                                                                \
			for (size_t i = 0; i < n; i++)                                             \
				out[i] = as(rt_convert_f8_to_f64(t, (uint8_t)at[i]));              \
			break;                                                                     \
		default:                                                                           \
			must(false);                                                               \
		}                                                                                  \
	}
#define LOAD_PLAIN(C, id, type)                                                                    \
	case RT_##id:                                                                              \
		for (size_t i = 0; i < n; i++)                                                     \
			out[i] = (C)((const type *)(const void *)at)[i];                           \
		break;
#define LOAD_PLAIN_double(id, type) LOAD_PLAIN(double, id, type)
#define LOAD_PLAIN_float(id, type) LOAD_PLAIN(float, id, type)
#define LOAD_PLAIN_int64_t(id, type) LOAD_PLAIN(int64_t, id, type)
#define AS_FLOAT(x) (float)(x)
#define AS_DOUBLE(x) (double)(x)

LOAD(rt_convert_to_f64, double, AS_DOUBLE)
LOAD(rt_convert_to_f32, float, AS_FLOAT)
LOAD(rt_convert_to_i64, int64_t, truncated)

/* f64 → f16 or bf16, rounding once: float32 keeps a sticky bit for what it drops. */
static float round_to_odd(double x)
{
	float f = (float)x;
	uint32_t bits;

	if (isnan(x) || isinf(f) || (double)f == x)
		return f;
	memcpy(&bits, &f, sizeof(bits));
	if ((bits & 1) != 0)
		return f; /* an odd neighbour is right, whichever side it is on */
	/* The other neighbour of x is odd. */
	if (fabs((double)f) < fabs(x))
		bits++;
	else
		bits--;
	memcpy(&f, &bits, sizeof(f));
	return f;
}

void rt_convert_from_f64(enum rt_dtype t, const double *in, size_t n, void *out, int64_t first,
			 bool saturate)
{
	char *at = (char *)out + first * (int64_t)(rt_dtype_bits(t) / 8);

	switch (t) {
#define STORE_PLAIN(id, type)                                                                      \
	case RT_##id:                                                                              \
		for (size_t i = 0; i < n; i++)                                                     \
			((type *)(void *)at)[i] = (type)truncated(in[i]);                          \
		break;
		PLAIN(STORE_PLAIN)
#undef STORE_PLAIN
	case RT_U64:
		for (size_t i = 0; i < n; i++)
			((uint64_t *)(void *)at)[i] = truncated_unsigned(in[i]);
		break;
	case RT_BOOL:
		for (size_t i = 0; i < n; i++)
			at[i] = in[i] != 0;
		break;
	case RT_F32:
		for (size_t i = 0; i < n; i++)
			((float *)(void *)at)[i] = (float)in[i];
		break;
	case RT_F64:
		memcpy(at, in, n * sizeof(double));
		break;
	case RT_F16:
		for (size_t i = 0; i < n; i++)
			((uint16_t *)(void *)at)[i] = rt_f32_to_f16(round_to_odd(in[i]));
		break;
	case RT_BF16:
		for (size_t i = 0; i < n; i++)
			((uint16_t *)(void *)at)[i] = rt_f32_to_bf16(round_to_odd(in[i]));
		break;
	case RT_U4:
	case RT_I4:
	case RT_U2:
	case RT_I2:
		for (size_t i = 0; i < n; i++)
			packed_set(out, first + (int64_t)i, rt_dtype_bits(t),
				   (unsigned)((uint64_t)truncated(in[i]) & 15u));
		break;
	case RT_F4E2M1:
		for (size_t i = 0; i < n; i++)
			packed_set(out, first + (int64_t)i, 4, f4_bits(in[i]));
		break;
	case RT_F8E8M0:
		for (size_t i = 0; i < n; i++)
			at[i] = (char)rt_convert_f64_to_e8m0(in[i], RT_CONVERT_UP, saturate);
		break;
	default:
		for (size_t i = 0; i < n; i++)
			at[i] = (char)rt_convert_f64_to_f8(t, in[i], saturate);
	}
}

void rt_convert_from_f32(enum rt_dtype t, const float *in, size_t n, void *out, int64_t first)
{
	char *at = (char *)out + first * (int64_t)(rt_dtype_bits(t) / 8);
	double block[RT_CONVERT_BLOCK];

	if (t == RT_F32) {
		memcpy(at, in, n * sizeof(float));
	} else if (t == RT_F16) {
		for (size_t i = 0; i < n; i++)
			((uint16_t *)(void *)at)[i] = rt_f32_to_f16(in[i]);
	} else if (t == RT_BF16) {
		for (size_t i = 0; i < n; i++)
			((uint16_t *)(void *)at)[i] = rt_f32_to_bf16(in[i]);
	} else {
		for (size_t i = 0; i < n; i += RT_CONVERT_BLOCK) {
			size_t m = n - i < RT_CONVERT_BLOCK ? n - i : RT_CONVERT_BLOCK;
			for (size_t j = 0; j < m; j++)
				block[j] = (double)in[i + j];
			rt_convert_from_f64(t, block, m, out, first + (int64_t)i, true);
		}
	}
}

void rt_convert_from_i64(enum rt_dtype t, const int64_t *in, size_t n, void *out, int64_t first)
{
	char *at = (char *)out + first * (int64_t)(rt_dtype_bits(t) / 8);

	switch (t) {
#define STORE_PLAIN(id, type)                                                                      \
	case RT_##id:                                                                              \
		for (size_t i = 0; i < n; i++)                                                     \
			((type *)(void *)at)[i] = (type)in[i];                                     \
		break;
		PLAIN(STORE_PLAIN)
		STORE_PLAIN(U64, uint64_t)
		STORE_PLAIN(F32, float)
		STORE_PLAIN(F64, double)
#undef STORE_PLAIN
	case RT_BOOL:
		for (size_t i = 0; i < n; i++)
			at[i] = in[i] != 0;
		break;
	case RT_U4:
	case RT_I4:
	case RT_U2:
	case RT_I2:
		for (size_t i = 0; i < n; i++)
			packed_set(out, first + (int64_t)i, rt_dtype_bits(t),
				   (unsigned)((uint64_t)in[i] & 15u));
		break;
	case RT_F16:
		for (size_t i = 0; i < n; i++) /* beyond 2^53 everything is infinite anyway */
			((uint16_t *)(void *)at)[i] = rt_f32_to_f16(round_to_odd((double)in[i]));
		break;
	case RT_BF16:
		for (size_t i = 0; i < n; i++)
			((uint16_t *)(void *)at)[i] = rt_f32_to_bf16(round_to_odd((double)in[i]));
		break;
	default:
		for (size_t i = 0; i < n; i++) {
			double x = (double)in[i];
			rt_convert_from_f64(t, &x, 1, out, first + (int64_t)i, true);
		}
	}
}

/* ---- single elements and limits ----------------------------------------------------------------
 */

double rt_convert_get_f64(const struct rt_tensor *t, int64_t i)
{
	double x;

	rt_convert_to_f64(t->dtype, t->data, i, 1, &x);
	return x;
}

int64_t rt_convert_get_i64(const struct rt_tensor *t, int64_t i)
{
	int64_t x;

	rt_convert_to_i64(t->dtype, t->data, i, 1, &x);
	return x;
}

bool rt_convert_is_float(enum rt_dtype t)
{
	switch (t) {
	case RT_F32:
	case RT_F64:
	case RT_F16:
	case RT_BF16:
	case RT_F8E4M3FN:
	case RT_F8E4M3FNUZ:
	case RT_F8E5M2:
	case RT_F8E5M2FNUZ:
	case RT_F8E8M0:
	case RT_F4E2M1:
		return true;
	default:
		return false;
	}
}

bool rt_convert_is_number(enum rt_dtype t)
{
	return t != RT_NONE && t != RT_STR;
}

double rt_convert_max(enum rt_dtype t)
{
	switch (t) {
	case RT_U8:
		return UINT8_MAX;
	case RT_I8:
		return INT8_MAX;
	case RT_U16:
		return UINT16_MAX;
	case RT_I16:
		return INT16_MAX;
	case RT_U32:
		return UINT32_MAX;
	case RT_I32:
		return INT32_MAX;
	case RT_U64:
		return 0x1p64;
	case RT_I64:
		return 0x1p63;
	case RT_U4:
		return 15;
	case RT_I4:
		return 7;
	case RT_U2:
		return 3;
	case RT_I2:
	case RT_BOOL:
		return 1;
	case RT_F4E2M1:
		return 6;
	case RT_F8E8M0:
		return 0x1p127;
	case RT_F32:
		return 0x1.fffffep127;
	case RT_F64:
		return 0x1.fffffffffffffp1023;
	case RT_F16:
		return 65504;
	case RT_BF16:
		return 0x1.fep127;
	default:
		return rt_convert_f8_to_f64(t, (uint8_t)f8_largest(f8_of(t)));
	}
}

double rt_convert_min(enum rt_dtype t)
{
	switch (t) {
	case RT_U8:
	case RT_U16:
	case RT_U32:
	case RT_U64:
	case RT_U4:
	case RT_U2:
	case RT_BOOL:
	case RT_F8E8M0:
		return 0;
	case RT_I8:
		return INT8_MIN;
	case RT_I16:
		return INT16_MIN;
	case RT_I32:
		return INT32_MIN;
	case RT_I64:
		return -0x1p63;
	case RT_I4:
		return -8;
	case RT_I2:
		return -2;
	default:
		return -rt_convert_max(t);
	}
}
