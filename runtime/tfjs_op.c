/* SPDX-License-Identifier: MIT */
/*
 * tfjs_op.c — attributes and inputs of a node of a graph model, as tfjs_op_*.c ask
 * for them.  Attributes are protobuf's JSON: {"i": "3"}, {"s": base64}, {"list": …}.
 */
#include <config.h>

#include <string.h>

#include "runtime/tfjs_op.h"

void rt_tfjs_op_give(struct rt_tfjs_op *c, int v)
{
	if (v == RT_NO_VALUE && c->l->status == RT_OK)
		(void)rt_lower_fail(c->l, RT_MALFORMED, "%s lacks an input", c->op);
	else if (c->out_count == RT_TFJS_ARGS_MAX)
		(void)rt_lower_fail(c->l, RT_MALFORMED, "more than %d outputs", RT_TFJS_ARGS_MAX);
	else
		c->out[c->out_count++] = v;
}

void rt_tfjs_op_missing(struct rt_tfjs_op *c, const char *why)
{
	c->out_count = 0;
	c->missing = true;
	rt_tfjs_op_give(c, rt_lower_missing(c->l, c->op, why, 0, NULL, 1));
}

/* ---- attributes ------------------------------------------------------------------------------ */

static const struct rt_json *find(const struct rt_tfjs_op *c, const char *name, const char *kind)
{
	return rt_json_get(rt_json_get(c->attr, name), kind);
}

int64_t rt_tfjs_op_int(const struct rt_tfjs_op *c, const char *name, int64_t otherwise)
{
	return rt_json_int(find(c, name, "i"), otherwise);
}

float rt_tfjs_op_float(const struct rt_tfjs_op *c, const char *name, float otherwise)
{
	return (float)rt_json_number(find(c, name, "f"), (double)otherwise);
}

bool rt_tfjs_op_bool(const struct rt_tfjs_op *c, const char *name, bool otherwise)
{
	return rt_json_bool(find(c, name, "b"), otherwise);
}

int rt_tfjs_op_ints(const struct rt_tfjs_op *c, const char *name, int max, int64_t *out)
{
	const struct rt_json *list = rt_json_get(find(c, name, "list"), "i");

	return list == NULL ? 0 : rt_json_ints(list, max, out);
}

enum rt_dtype rt_tfjs_op_type(const struct rt_json *type)
{
	/* DataType of types.proto; what TensorFlow.js has no type for is int32 or float32 there */
	static const struct {
		const char *name;
		int number;
		enum rt_dtype dtype;
	} types[] = {
	    {"DT_FLOAT", 1, RT_F32},  {"DT_DOUBLE", 2, RT_F32}, {"DT_INT32", 3, RT_I32},
	    {"DT_UINT8", 4, RT_I32},  {"DT_INT16", 5, RT_I32},  {"DT_INT8", 6, RT_I32},
	    {"DT_STRING", 7, RT_STR}, {"DT_INT64", 9, RT_I32},  {"DT_BOOL", 10, RT_BOOL},
	    {"DT_HALF", 19, RT_F32},
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		if (rt_json_is(type, types[i].name) || rt_json_int(type, -1) == types[i].number)
			return types[i].dtype;
	}
	return RT_NONE;
}

enum rt_dtype rt_tfjs_op_dtype(const struct rt_tfjs_op *c, const char *name)
{
	return rt_tfjs_op_type(find(c, name, "type"));
}

struct rt_str rt_tfjs_op_func(const struct rt_tfjs_op *c, const char *name)
{
	return rt_json_text(rt_json_get(find(c, name, "func"), "name"));
}

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/* base64 (RFC 4648), or a list of bytes; what does not fit is cut off. */
static void decode(const struct rt_json *j, char out[RT_TFJS_TEXT_MAX])
{
	struct rt_str s = rt_json_text(j);
	unsigned bits = 0, have = 0;
	size_t n = 0;

	for (size_t i = 0; i < s.size && n + 1 < RT_TFJS_TEXT_MAX; i++) {
		int digit = base64_digit(s.bytes[i]);

		if (digit < 0)
			break;
		bits = (bits << 6 | (unsigned)digit) & 0xffff;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[n++] = (char)(bits >> have & 0xff);
		}
	}
	for (const struct rt_json *b = rt_json_items(j); b != NULL && n + 1 < RT_TFJS_TEXT_MAX;
	     b = b->next)
		out[n++] = (char)(rt_json_int(b, 0) & 0x7f);
	out[n] = '\0';
}

void rt_tfjs_op_text(const struct rt_tfjs_op *c, const char *name, char out[RT_TFJS_TEXT_MAX])
{
	decode(find(c, name, "s"), out);
}

void rt_tfjs_op_text_at(const struct rt_tfjs_op *c, const char *name, int i,
			char out[RT_TFJS_TEXT_MAX])
{
	decode(rt_json_at(rt_json_get(find(c, name, "list"), "s"), i), out);
}

/* ---- inputs ---------------------------------------------------------------------------------- */

int rt_tfjs_op_in(const struct rt_tfjs_op *c, int i)
{
	return i >= 0 && i < c->in_count ? c->in[i] : RT_NO_VALUE;
}

int rt_tfjs_op_numbers(const struct rt_tfjs_op *c, int i, int max, int64_t *out)
{
	return rt_lower_ints(c->l, rt_tfjs_op_in(c, i), max, out);
}

bool rt_tfjs_op_number(const struct rt_tfjs_op *c, int i, int64_t *out)
{
	return rt_tfjs_op_numbers(c, i, 1, out) == 1;
}

int rt_tfjs_op_i64(struct rt_tfjs_op *c, int i, int rank)
{
	int64_t known[64];
	int count = rt_tfjs_op_numbers(c, i, 64, known), v = rt_tfjs_op_in(c, i);

	if (c->l->status < 0)
		return RT_NO_VALUE;
	if (v == RT_NO_VALUE)
		return rt_lower_fail(c->l, RT_MALFORMED, "%s has no input %d", c->op, i);
	if (rank == 1 && count >= 0)
		return rt_lower_i64s(c->l, count, known);
	if (rank == 0 && count == 1)
		return rt_lower_scalar(c->l, RT_I64, (double)known[0]);
	v = rt_lower_cast(c->l, v, RT_I64);
	if (rank == 0)
		return rt_lower_reshape(c->l, v, 0, NULL);
	return rt_lower_rank(c->l, v) == 1 ? v : rt_lower_reshape(c->l, v, 1, (int64_t[]){-1});
}

int rt_tfjs_op_shape(struct rt_tfjs_op *c, int v)
{
	return rt_lower_op1(c->l, "Shape", v);
}
