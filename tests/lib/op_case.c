/* SPDX-License-Identifier: MIT */
/*
 * op_case.c — see op_case.h.
 */
#include <config.h>

#include <check.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "tests/lib/op_case.h"
#include "tests/lib/pbuild.h"

#define MOST 20 /* inputs, outputs */

/* AttributeProto.type */
enum { ATTR_FLOAT = 1, ATTR_STRING = 3, ATTR_FLOATS = 6, ATTR_STRINGS = 8 };

struct parsed {
	struct rt_tensor t[MOST];
	bool given[MOST], constant[MOST];
	int count;
};

/* ---- text to tensors --------------------------------------------------------------------------
 */

static const struct {
	const char *name;
	enum rt_dtype dtype;
} types[] = {
    {"f32", RT_F32}, {"f64", RT_F64},   {"f16", RT_F16},       {"bf16", RT_BF16}, {"i8", RT_I8},
    {"i16", RT_I16}, {"i32", RT_I32},   {"i64", RT_I64},       {"u8", RT_U8},     {"u16", RT_U16},
    {"u32", RT_U32}, {"u64", RT_U64},   {"str", RT_STR},       {"bool", RT_BOOL}, {"i4", RT_I4},
    {"u4", RT_U4},   {"f8", RT_F8E5M2}, {"f8e4", RT_F8E4M3FN},
};

static int64_t onnx_type(enum rt_dtype t)
{
	static const int64_t numbers[] = {
	    0,
#define DTYPE(id, onnx, bits, name, oip) onnx,
#include "runtime/dtypes.def"
#undef DTYPE
	};
	return numbers[t];
}

static const char *skip(const char *p)
{
	while (*p == ' ' || *p == '\n' || *p == '\t')
		p++;
	return p;
}

static enum rt_dtype type_of(const char *p, size_t n)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strlen(types[i].name) == n && strncmp(types[i].name, p, n) == 0)
			return types[i].dtype;
	}
	ck_abort_msg("no type in '%s'", p);
	return RT_NONE;
}

static const char *value(const char *p, struct rt_tensor *t, int64_t i)
{
	struct rt_str *s = t->data;
	size_t n;
	char *end;

	p = skip(p);
	if (t->dtype == RT_STR) {
		n = strcspn(p, " ;");
		ck_assert_msg(n > 0, "too few strings");
		s[i] = (struct rt_str){p, n == 2 && strncmp(p, "''", 2) == 0 ? 0 : n};
		return p + n;
	}
	if (rt_convert_is_float(t->dtype)) {
		double x = strtod(p, &end);
		rt_convert_from_f64(t->dtype, &x, 1, t->data, i, false);
	} else {
		int64_t x = t->dtype == RT_U64 ? (int64_t)strtoull(p, &end, 0)
					       : (int64_t)strtoll(p, &end, 0);
		rt_convert_from_i64(t->dtype, &x, 1, t->data, i);
	}
	ck_assert_msg(end != p, "too few values, or no number: '%s'", p);
	return end;
}

void op_case_tensor(const char **text, struct rt_tensor *out)
{
	const char *p = skip(*text);
	size_t name = strcspn(p, "[");
	int64_t n;

	*out = (struct rt_tensor){.dtype = type_of(p, name)};
	p += name;
	ck_assert_msg(*p == '[', "no dims: '%s'", *text);
	for (p++; *p != ']';) {
		char *end;
		out->shape.dims[out->shape.rank++] = strtoll(p, &end, 10);
		ck_assert_msg(end != p, "dims: '%s'", *text);
		p = *end == ',' ? end + 1 : end;
	}
	p++;
	ck_assert(rt_shape_elems(&out->shape, &n));
	out->data = calloc(rt_tensor_bytes(out) + 16, 1);
	ck_assert_ptr_nonnull(out->data);
	p = skip(p);
	if (*p == '?') {
		free(out->data);
		out->data = NULL;
		*text = p + 1;
		return;
	}
	for (int64_t i = 0; i < n; i++)
		p = value(p, out, i);
	*text = p;
}

static void parse(const char *text, struct parsed *out)
{
	memset(out, 0, sizeof(*out));
	for (const char *p = skip(text); *p != '\0'; p = skip(p)) {
		int i = out->count++;

		ck_assert_int_lt(i, MOST);
		if (*p == '-' && (p[1] == ';' || p[1] == '\0' || p[1] == ' ')) {
			p++;
		} else {
			out->constant[i] = *p == '!';
			p += out->constant[i];
			out->given[i] = true;
			op_case_tensor(&p, &out->t[i]);
		}
		p = skip(p);
		ck_assert_msg(*p == ';' || *p == '\0', "too many values: '%s' in '%s'", p, text);
		p += *p == ';';
	}
}

static void forget(struct parsed *p)
{
	for (int i = 0; i < p->count; i++)
		free(p->t[i].data);
}

/* ---- attributes ---------------------------------------------------------------------------------
 */

static bool is_float(const char *p)
{
	size_t n = strcspn(p, ",] ");

	return memchr(p, '.', n) != NULL || memchr(p, 'e', n) != NULL;
}

/* ['a','b'] behind its bracket. */
static const char *words(struct pbuild *attrs, const char *name, const char *p)
{
	struct pbuild a = {0};

	pbuild_string(&a, 1, name);
	while (*p == '\'') {
		size_t n = strcspn(++p, "'");
		pbuild_bytes(&a, 9, p, n);
		p += n + 1;
		p += *p == ',';
	}
	ck_assert_msg(*p == ']', "attribute %s", name);
	pbuild_int(&a, 20, ATTR_STRINGS);
	pbuild_message(attrs, 5, &a);
	return p + 1;
}

static const char *list(struct pbuild *attrs, const char *name, const char *p)
{
	int64_t ints[32];
	float floats[32];
	int count = 0;
	bool any_float = false;

	for (const char *q = p; *q != ']' && *q != '\0'; q++)
		any_float |= *q == '.';
	for (; *p != ']'; count++) {
		char *end;
		ck_assert_int_lt(count, 32);
		floats[count] = (float)strtod(p, &end);
		ints[count] = any_float ? 0 : strtoll(p, &end, 10);
		ck_assert_msg(end != p, "attribute %s", name);
		p = *end == ',' ? end + 1 : end;
	}
	if (any_float) {
		struct pbuild a = {0};
		pbuild_string(&a, 1, name);
		for (int i = 0; i < count; i++)
			pbuild_float(&a, 7, floats[i]);
		pbuild_int(&a, 20, ATTR_FLOATS);
		pbuild_message(attrs, 5, &a);
	} else {
		pbuild_attr_ints(attrs, name, count, ints);
	}
	return p + 1;
}

static void attributes(struct pbuild *attrs, const char *p)
{
	for (p = skip(p); *p != '\0'; p = skip(p)) {
		char name[64], text[128];
		size_t n = strcspn(p, "=");
		char *end;

		ck_assert(n < sizeof(name) && p[n] == '=');
		memcpy(name, p, n);
		name[n] = '\0';
		p += n + 1;
		if (*p == '[') {
			p = p[1] == '\'' ? words(attrs, name, p + 1) : list(attrs, name, p + 1);
		} else if (*p == '\'') {
			struct pbuild a = {0};
			n = strcspn(++p, "'");
			ck_assert(n < sizeof(text));
			memcpy(text, p, n);
			text[n] = '\0';
			pbuild_string(&a, 1, name);
			pbuild_string(&a, 4, text);
			pbuild_int(&a, 20, ATTR_STRING);
			pbuild_message(attrs, 5, &a);
			p += n + 1;
		} else if (is_float(p)) {
			struct pbuild a = {0};
			pbuild_string(&a, 1, name);
			pbuild_float(&a, 2, (float)strtod(p, &end));
			pbuild_int(&a, 20, ATTR_FLOAT);
			pbuild_message(attrs, 5, &a);
			p = end;
		} else {
			pbuild_attr_int(attrs, name, strtoll(p, &end, 10));
			p = end;
		}
	}
}

/* ---- running --------------------------------------------------------------------------------- */

struct running {
	struct pbuild m;
	struct rt_team *team;
	struct rt_model *model;
	struct rt_session *session;
	struct rt_error err;
	struct rt_tensor in[MOST], out[MOST];
};

static void put_name(char *names, size_t size, const char *name)
{
	size_t at = strlen(names);

	(void)snprintf(names + at, size - at, "%s%s", at > 0 ? " " : "", name);
}

/* "ml:Scaler" is an operator of ai.onnx.ml, "ms:MoE" of com.microsoft; returns its name. */
static const char *start_model(struct running *r, const char *op, int opset, struct pbuild *attrs)
{
	const char *domain = strncmp(op, "ml:", 3) == 0   ? "ai.onnx.ml"
			     : strncmp(op, "ms:", 3) == 0 ? "com.microsoft"
							  : NULL;
	struct pbuild import = {0};

	if (domain == NULL) {
		pbuild_model(&r->m, opset);
		return op;
	}
	pbuild_model(&r->m, 21);
	pbuild_string(&import, 1, domain); /* OperatorSetIdProto */
	pbuild_int(&import, 2, opset);
	pbuild_message(&r->m, 8, &import);
	pbuild_string(attrs, 7, domain); /* NodeProto.domain */
	return op + 3;
}

/* The model of one node, opened and run. */
static int run(struct running *r, const char *op, int opset, const char *attrs_text,
	       const struct parsed *in, int outputs, enum rt_cpu_level level)
{
	struct rt_model_opts opts = {.cpu_level = level};
	char ins[256] = "", outs[256] = "", name[16];
	struct pbuild attrs = {0};
	int at = 0, status;

	memset(r, 0, sizeof(*r));
	op = start_model(r, op, opset, &attrs);
	for (int i = 0; i < in->count; i++) {
		const struct rt_tensor *t = &in->t[i];
		(void)snprintf(name, sizeof(name), in->given[i] ? "i%d" : "-", i);
		put_name(ins, sizeof(ins), name);
		if (in->constant[i]) {
			struct pbuild init = {0};
			pbuild_tensor(&init, name, onnx_type(t->dtype), t->shape.rank,
				      t->shape.dims, t->data, rt_tensor_bytes(t));
			pbuild_init(&r->m, &init);
		} else if (in->given[i]) {
			pbuild_input(&r->m, name, onnx_type(t->dtype), t->shape.rank,
				     t->shape.dims);
			r->in[at++] = *t;
		}
	}
	for (int i = 0; i < outputs; i++) {
		(void)snprintf(name, sizeof(name), "o%d", i);
		put_name(outs, sizeof(outs), name);
	}
	attributes(&attrs, attrs_text);
	pbuild_node(&r->m, op, ins, outs, &attrs);
	for (int i = 0; i < outputs; i++) {
		(void)snprintf(name, sizeof(name), "o%d", i);
		pbuild_output(&r->m, name, 0);
	}
	r->team = rt_team_new(2);
	ck_assert_ptr_nonnull(r->team);
	status = rt_model_open(pbuild_finish(&r->m), &opts, &r->model, &r->err);
	if (status == RT_OK)
		status = rt_session_open(r->model, r->team, &r->session, &r->err);
	if (status == RT_OK)
		status = rt_session_run(r->session, r->in, r->out, NULL, NULL, &r->err);
	return status;
}

static void finish(struct running *r)
{
	rt_session_close(r->session);
	rt_model_close(r->model);
	rt_team_free(r->team);
	pbuild_free(&r->m);
}

static double error_of(enum rt_dtype t)
{
	return t == RT_F16 ? 1e-3 : t == RT_BF16 ? 8e-3 : t == RT_F64 ? 1e-9 : 1e-5;
}

static bool same_value(const struct rt_tensor *got, const struct rt_tensor *want, int64_t i)
{
	if (want->dtype == RT_STR) {
		const struct rt_str *g = got->data, *w = want->data;
		return g[i].size == w[i].size &&
		       (w[i].size == 0 || memcmp(g[i].bytes, w[i].bytes, w[i].size) == 0);
	}
	if (rt_convert_is_float(want->dtype)) {
		double g = rt_convert_get_f64(got, i), w = rt_convert_get_f64(want, i);
		double limit = error_of(want->dtype) * fmax(1, fabs(w));
		if (isnan(w) || isinf(w))
			return isnan(w) ? isnan(g) : isinf(g) && (g > 0) == (w > 0);
		return g >= w - limit && g <= w + limit;
	}
	return rt_convert_get_i64(got, i) == rt_convert_get_i64(want, i);
}

static void compare(const struct op_case *c, const struct rt_tensor *got,
		    const struct rt_tensor *want, int o)
{
	int64_t n = rt_tensor_elems(want);
	char text[2][80];

	ck_assert_msg(got->dtype == want->dtype, "%s: output %d is %s, not %s", c->op, o,
		      rt_dtype_name(got->dtype), rt_dtype_name(want->dtype));
	ck_assert_msg(rt_shape_equal(&got->shape, &want->shape),
		      "%s(%s) of %s: output %d is %s, not %s", c->op, c->attrs, c->inputs, o,
		      rt_shape_text(&got->shape, text[0], sizeof(text[0])),
		      rt_shape_text(&want->shape, text[1], sizeof(text[1])));
	for (int64_t i = 0; want->data != NULL && i < n; i++) {
		if (same_value(got, want, i))
			continue;
		ck_abort_msg("%s(%s) of %s: output %d, element %lld is %g, not %g", c->op, c->attrs,
			     c->inputs, o, (long long)i,
			     got->dtype == RT_STR ? 0 : rt_convert_get_f64(got, i),
			     got->dtype == RT_STR ? 0 : rt_convert_get_f64(want, i));
	}
}

static void check_at(const struct op_case *c, enum rt_cpu_level level)
{
	static const char refused[] = "refused";
	bool fails = strncmp(c->outputs, refused, sizeof(refused) - 1) == 0;
	int outputs = fails ? (int)strtol(c->outputs + sizeof(refused) - 1, NULL, 10) : 0;
	const char *says = fails ? strchr(c->outputs, ':') + 2 : "";
	struct parsed in, want;
	struct running r;
	int status;

	parse(c->inputs, &in);
	parse(fails ? "" : c->outputs, &want);
	if (!fails)
		outputs = want.count;
	status = run(&r, c->op, c->opset, c->attrs, &in, outputs > 0 ? outputs : 1, level);
	if (fails)
		ck_assert_msg(status != RT_OK && strstr(r.err.text, says) != NULL,
			      "%s(%s) of %s: '%s' does not say '%s'", c->op, c->attrs, c->inputs,
			      status == RT_OK ? "no error" : r.err.text, says);
	else
		ck_assert_msg(status == RT_OK, "%s(%s) of %s: %s", c->op, c->attrs, c->inputs,
			      r.err.text);
	for (int i = 0; i < want.count; i++) {
		if (want.given[i])
			compare(c, &r.out[i], &want.t[i], i);
	}
	finish(&r);
	forget(&in);
	forget(&want);
}

void op_case_check(const struct op_case *c)
{
	check_at(c, RT_CPU_SCALAR);
	check_at(c, rt_cpu_best());
}

void op_case_run(const char *op, int opset, const char *attrs, const struct rt_tensor *in,
		 int in_count, struct rt_tensor *out)
{
	struct parsed p = {.count = in_count};
	struct running r;
	int status;

	for (int i = 0; i < in_count; i++) {
		p.t[i] = in[i];
		p.given[i] = true;
	}
	status = run(&r, op, opset, attrs, &p, 1, rt_cpu_best());
	ck_assert_msg(status == RT_OK, "%s: %s", op, r.err.text);
	*out = r.out[0];
	out->data = malloc(rt_tensor_bytes(out) + 16);
	ck_assert_ptr_nonnull(out->data);
	memcpy(out->data, r.out[0].data, rt_tensor_bytes(out));
	finish(&r);
}
