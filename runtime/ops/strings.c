/* SPDX-License-Identifier: MIT */
/*
 * strings.c — operators that make strings: StringConcat, StringSplit,
 * StringNormalizer.  They allocate as they go, so they are evals.
 *
 * StringNormalizer changes case by Unicode's simple mappings of Latin, Greek,
 * Cyrillic and Armenian letters, whatever `locale` says.
 */
#include <config.h>

#include <string.h>

#include "runtime/memory.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

static int no_room(struct rt_error *err)
{
	return rt_error_set(err, RT_BUDGET, "no room for the strings");
}

/* ---- StringConcat: element by element, broadcast --------------------------------------------- */

struct concat {
	struct rt_eval *e;
	const struct rt_walk *w;
	bool failed;
};

/* The walk runs on one thread: see concat_eval. */
static void concat_part(struct concat *c, const int64_t *at, int64_t n)
{
	const struct rt_str *x = (const struct rt_str *)c->e->run.in[0].data + at[1],
			    *y = (const struct rt_str *)c->e->run.in[1].data + at[2];
	struct rt_str *out = (struct rt_str *)c->e->out[0].data + at[0];

	for (int64_t i = 0; i < n; i++) {
		const struct rt_str *a = &x[i * c->w->inner_strides[1]],
				    *b = &y[i * c->w->inner_strides[2]];
		char *bytes = rt_memory_take(c->e->memory, a->size + b->size, 1);
		if (bytes == NULL) {
			c->failed = true;
			return;
		}
		if (a->size > 0)
			memcpy(bytes, a->bytes, a->size);
		if (b->size > 0)
			memcpy(bytes + a->size, b->bytes, b->size);
		out[i] = (struct rt_str){bytes, a->size + b->size};
	}
}

static int concat_eval(struct rt_eval *e, struct rt_error *err)
{
	const struct rt_shape *in[2] = {&e->run.in[0].shape, &e->run.in[1].shape};
	struct concat c = {.e = e};
	int64_t index[RT_WALK_RANK] = {0}, at[RT_WALK_OPERANDS] = {0}, elems;
	struct rt_shape out;
	struct rt_walk w;

	if (e->run.in[1].dtype != RT_STR)
		return rt_error_set(err, RT_INPUT, "input 1 is %s, not string",
				    rt_dtype_name(e->run.in[1].dtype));
	if (!rt_op_broadcast(in, 2, &out) || !rt_shape_elems(&out, &elems))
		return rt_error_set(err, RT_INPUT, "the inputs do not broadcast");
	if (rt_eval_output(e, 0, &out) == NULL)
		return no_room(err);
	rt_walk_broadcast(&w, &out, in, 2);
	c.w = &w;
	for (int64_t run = 0; run < w.outer && !c.failed; run++) {
		concat_part(&c, at, w.inner);
		for (int d = w.rank - 1; d >= 0; d--) {
			bool carry = ++index[d] == w.dims[d];
			for (int k = 0; k < 3; k++)
				at[k] += w.strides[k][d] * (carry ? 1 - index[d] : 1);
			if (!carry)
				break;
			index[d] = 0;
		}
	}
	return c.failed ? no_room(err) : RT_OK;
}

const struct rt_op rt_op_string_concat = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .eval = concat_eval,
};

/* ---- StringSplit ----------------------------------------------------------------------------- */

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * Part ${*at} … of ${s}: by ${mark}, or by runs of white space if that is empty.
 * At most ${left} cuts are left.  Returns false at the end.
 */
static bool next_part(struct rt_str s, struct rt_str mark, int64_t left, size_t *at, bool *more,
		      struct rt_str *part)
{
	size_t from = *at, end;

	if (mark.size == 0) {
		while (from < s.size && is_space(s.bytes[from]))
			from++;
		if (from == s.size)
			return false;
		for (end = from; end < s.size && (left == 0 || !is_space(s.bytes[end]));)
			end++;
		while (left == 0 && end > from && is_space(s.bytes[end - 1]))
			end--;
		*part = (struct rt_str){s.bytes + from, end - from};
		*at = left == 0 ? s.size : end;
		return true;
	}
	if (!*more)
		return false;
	for (end = from; left != 0 && end + mark.size <= s.size; end++) {
		if (memcmp(s.bytes + end, mark.bytes, mark.size) == 0) {
			*part = (struct rt_str){s.bytes + from, end - from};
			*at = end + mark.size;
			return true;
		}
	}
	*part = (struct rt_str){s.bytes + from, s.size - from};
	*more = false;
	return true;
}

/* Parts of ${s}; written to ${out} if that is not NULL. */
static int64_t split_one(const struct rt_node *n, struct rt_str s, struct rt_str *out)
{
	const struct rt_attr *d = rt_node_attr(n, "delimiter");
	struct rt_str mark = d != NULL && d->kind == RT_ATTR_STRING ? d->s : (struct rt_str){"", 0};
	int64_t most = rt_node_int(n, "maxsplit", -1), count = 0;
	bool more = s.size > 0;
	struct rt_str part;
	size_t at = 0;

	while (next_part(s, mark, most < 0 ? -1 : most - count, &at, &more, &part)) {
		if (out != NULL)
			out[count] = part;
		count++;
	}
	return count;
}

static int split_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		      struct rt_error *err)
{
	(void)g, (void)err;
	for (int i = 0; i < n->out_count; i++)
		out[i] = i == 0 ? RT_STR : RT_I64;
	return RT_OK;
}

static int split_eval(struct rt_eval *e, struct rt_error *err)
{
	const struct rt_tensor *in = &e->run.in[0];
	const struct rt_str *strings = in->data;
	int64_t n = rt_tensor_elems(in), widest = 0;
	struct rt_shape shape = in->shape;
	struct rt_str *out;

	if (in->shape.rank == RT_RANK_MAX)
		return rt_error_set(err, RT_UNSUPPORTED, "more than %d dimensions", RT_RANK_MAX);
	for (int64_t i = 0; i < n; i++) {
		int64_t parts = split_one(e->run.node, strings[i], NULL);
		widest = parts > widest ? parts : widest;
	}
	shape.dims[shape.rank++] = widest;
	out = e->out[0].dtype != RT_NONE ? rt_eval_output(e, 0, &shape) : NULL;
	if (e->out[0].dtype != RT_NONE && out == NULL)
		return no_room(err);
	if (e->run.out_count > 1 && e->out[1].dtype != RT_NONE &&
	    rt_eval_output(e, 1, &in->shape) == NULL)
		return no_room(err);
	for (int64_t i = 0; i < n; i++) {
		struct rt_str *row = out != NULL ? out + i * widest : NULL;
		int64_t parts = split_one(e->run.node, strings[i], row);

		for (int64_t k = parts; row != NULL && k < widest; k++)
			row[k] = (struct rt_str){"", 0};
		/* views of the input's bytes: copied, for the input may be overwritten */
		for (int64_t k = 0; row != NULL && k < parts; k++) {
			char *bytes = rt_memory_take(e->memory, row[k].size, 1);
			if (bytes == NULL)
				return no_room(err);
			if (row[k].size > 0)
				memcpy(bytes, row[k].bytes, row[k].size);
			row[k].bytes = bytes;
		}
		if (e->run.out_count > 1 && e->out[1].data != NULL)
			((int64_t *)e->out[1].data)[i] = parts;
	}
	return RT_OK;
}

const struct rt_op rt_op_string_split = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 2,
    .type = split_type,
    .eval = split_eval,
};

/* ---- StringNormalizer ------------------------------------------------------------------------ */

enum letter_case { AS_IS, LOWER, UPPER };

/* Simple case mappings: ranges where the other case is ${delta} further, or the neighbour. */
static uint32_t changed(uint32_t c, enum letter_case to)
{
	static const struct {
		uint32_t first, last; /* capitals */
		uint32_t delta;       /* 1: capitals and small letters alternate */
	} ranges[] = {
	    {'A', 'Z', 32},     {0xc0, 0xd6, 32},   {0xd8, 0xde, 32},    {0x100, 0x136, 1},
	    {0x139, 0x147, 1},  {0x14a, 0x176, 1},  {0x179, 0x17d, 1},   {0x391, 0x3a1, 32},
	    {0x3a3, 0x3ab, 32}, {0x400, 0x40f, 80}, {0x410, 0x42f, 32},  {0x460, 0x480, 1},
	    {0x48a, 0x4be, 1},  {0x531, 0x556, 48}, {0x1e00, 0x1e94, 1}, {0x1ea0, 0x1efe, 1},
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		uint32_t first = ranges[i].first, last = ranges[i].last, d = ranges[i].delta;
		if (d == 1) {
			if (c < first || c > last + 1)
				continue;
			if (to == LOWER)
				return (c - first) % 2 == 0 ? c + 1 : c;
			return (c - first) % 2 == 1 ? c - 1 : c;
		}
		if (to == LOWER && c >= first && c <= last)
			return c + d;
		if (to == UPPER && c >= first + d && c <= last + d)
			return c - d;
	}
	return c;
}

/* One code point of UTF-8; malformed bytes stand for themselves.  Returns its length. */
static size_t decode(const unsigned char *s, size_t n, uint32_t *c)
{
	size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 1;

	*c = s[0];
	if (len == 1 || len > n || s[0] > 0xf4)
		return 1;
	*c = s[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80) {
			*c = s[0];
			return 1;
		}
		*c = *c << 6 | (s[i] & 0x3fu);
	}
	return len;
}

/* ${s} in another case.  No mapping above changes the length of a letter in UTF-8. */
static bool change_case(struct rt_eval *e, struct rt_str *s, enum letter_case to)
{
	char *bytes = rt_memory_take(e->memory, s->size, 1);

	if (bytes == NULL)
		return false;
	if (s->size > 0)
		memcpy(bytes, s->bytes, s->size);
	for (size_t i = 0; to != AS_IS && i < s->size;) {
		uint32_t c, d;
		size_t len = decode((const unsigned char *)s->bytes + i, s->size - i, &c);
		d = len == 1 && c >= 0x80 ? c : changed(c, to);
		if (d != c && len == 1)
			bytes[i] = (char)d;
		for (size_t k = len; d != c && len > 1 && k-- > 1; d >>= 6)
			bytes[i + k] = (char)(0x80u | (d & 0x3fu));
		if (len > 1 && d < 0x40) /* what is left of d belongs to the first byte */
			bytes[i] = (char)((unsigned char)s->bytes[i] & (0xff00u >> len)) | (char)d;
		i += len;
	}
	s->bytes = bytes;
	return true;
}

static bool same_text(struct rt_str a, struct rt_str b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

static int normalizer_eval(struct rt_eval *e, struct rt_error *err)
{
	const struct rt_node *n = e->run.node;
	const struct rt_tensor *in = &e->run.in[0];
	const struct rt_attr *stops = rt_node_attr(n, "stopwords");
	bool exact = rt_node_int(n, "is_case_sensitive", 0) != 0;
	enum letter_case to = rt_node_string_is(n, "case_change_action", "LOWER", "NONE")   ? LOWER
			      : rt_node_string_is(n, "case_change_action", "UPPER", "NONE") ? UPPER
											    : AS_IS;
	int64_t count = rt_tensor_elems(in), kept = 0;
	struct rt_str *list = rt_memory_take(e->memory, (size_t)(count + 1) * sizeof(*list), 64);
	struct rt_shape shape = in->shape;

	if (list == NULL)
		return no_room(err);
	if (in->shape.rank < 1 || in->shape.rank > 2 ||
	    (in->shape.rank == 2 && in->shape.dims[0] != 1))
		return rt_error_set(err, RT_INPUT, "the input is neither [C] nor [1][C]");
	for (int64_t i = 0; i < count; i++) {
		struct rt_str s = ((const struct rt_str *)in->data)[i], folded = s;
		bool stop = false;

		if (!exact && !change_case(e, &folded, LOWER))
			return no_room(err);
		for (int64_t k = 0;
		     stops != NULL && stops->kind == RT_ATTR_STRINGS && k < stops->count; k++) {
			struct rt_str w = stops->strings[k];
			if (!exact && !change_case(e, &w, LOWER))
				return no_room(err);
			stop |= same_text(w, folded);
		}
		if (stop)
			continue;
		if (!change_case(e, &s, to))
			return no_room(err);
		list[kept++] = s;
	}
	if (kept == 0)
		list[kept++] = (struct rt_str){"", 0};
	shape.dims[shape.rank - 1] = kept;
	if (rt_eval_output(e, 0, &shape) == NULL)
		return no_room(err);
	memcpy(e->out[0].data, list, (size_t)kept * sizeof(*list));
	return RT_OK;
}

const struct rt_op rt_op_string_normalizer = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .eval = normalizer_eval,
};
