/* SPDX-License-Identifier: MIT */
/*
 * regex.c — RegexFullMatch and the engine below it: the pattern becomes a list of
 * instructions (Thompson, 1968) and the text is walked once with the set of
 * instructions that are alive.  Nothing backtracks, nothing recurses on the text;
 * nesting of groups is bounded.
 */
#include <config.h>

#include <string.h>

#include "runtime/memory.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/regex.h"

#define DEPTH 32 /* nested groups */
#define REPEAT_MAX 1000

enum code {
	SET,   /* a character of set ${a} */
	SPLIT, /* both ${a} and ${b} */
	JUMP,  /* ${a} */
	START, /* only at the start of the text */
	END,   /* only at its end */
	EDGE,  /* only where a word begins or ends (${a} = 1), or only elsewhere (0) */
	MATCH
};
struct step {
	enum code code;
	int a, b;
};
/* Characters below 128 as bits; others all in or all out, but for one listed by itself. */
struct set {
	uint64_t low[2];
	bool others;
	uint32_t one; /* a character ≥ 128, 0 = none */
};

struct rt_regex {
	struct step *steps;
	struct set *sets;
	int *alive[2], *marks; /* [most] each */
	int count, set_count, most;
	int mark;
};

struct parser {
	struct rt_regex *re;
	const unsigned char *at, *end;
	bool failed;
	int depth;
};

/* Copies of counted repetitions are the only growth: bounded here. */
static size_t most_steps(struct rt_str pattern)
{
	return pattern.size * 4 + 4096;
}

size_t rt_regex_size(struct rt_str pattern)
{
	size_t n = most_steps(pattern);

	return sizeof(struct rt_regex) +
	       n * (sizeof(struct step) + sizeof(struct set) + 3 * sizeof(int)) + 64;
}

static int emit(struct parser *p, enum code code, int a, int b)
{
	if (p->re->count >= p->re->most) {
		p->failed = true;
		return 0;
	}
	p->re->steps[p->re->count] = (struct step){code, a, b};
	return p->re->count++;
}

/* ---- characters and sets --------------------------------------------------------------------- */

/* One character of UTF-8, or the byte itself where it is malformed. */
static uint32_t character(const unsigned char **at, const unsigned char *end)
{
	const unsigned char *s = *at;
	size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 1;
	uint32_t c = s[0];

	if (len > 1 && (size_t)(end - s) >= len) {
		c = s[0] & (0x7fu >> len);
		for (size_t i = 1; i < len; i++)
			c = c << 6 | (s[i] & 0x3fu);
		*at += len;
		return c;
	}
	*at += 1;
	return c;
}

static void add(struct set *s, uint32_t from, uint32_t to)
{
	for (uint32_t c = from; c <= to && c < 128; c++)
		s->low[c / 64] |= UINT64_C(1) << (c % 64);
	if (to >= 128) {
		if (from == to)
			s->one = to;
		else
			s->others = true;
	}
}

static void negate(struct set *s)
{
	s->low[0] = ~s->low[0];
	s->low[1] = ~s->low[1];
	s->others = !s->others;
}

/* \d \w \s and their opposites; false: a character that stands for itself, in *c. */
static bool class_of(struct parser *p, struct set *s, uint32_t *c)
{
	unsigned char e = *p->at++;
	struct set k = {.others = false};

	switch (e | 0x20) {
	case 'd':
		add(&k, '0', '9');
		break;
	case 'w':
		add(&k, '0', '9');
		add(&k, 'a', 'z');
		add(&k, 'A', 'Z');
		add(&k, '_', '_');
		break;
	case 's':
		add(&k, ' ', ' ');
		add(&k, '\t', '\r');
		break;
	default:
		*c = e == 'n' ? '\n' : e == 't' ? '\t' : e == 'r' ? '\r' : e;
		/* other letters would mean something that is not supported */
		if ((e >= 'a' && e <= 'z' && *c == e) || (e >= 'A' && e <= 'Z') ||
		    (e >= '0' && e <= '9'))
			p->failed = true;
		return false;
	}
	if ((e & 0x20) == 0)
		negate(&k);
	s->low[0] |= k.low[0];
	s->low[1] |= k.low[1];
	s->others |= k.others;
	return true;
}

static void bracket(struct parser *p, struct set *s)
{
	bool outside = p->at < p->end && *p->at == '^', first = true;

	p->at += outside;
	for (; p->at < p->end && (*p->at != ']' || first); first = false) {
		uint32_t from, to;
		if (*p->at == '\\' && p->end - p->at > 1) {
			p->at++;
			if (class_of(p, s, &from))
				continue;
		} else {
			from = character(&p->at, p->end);
		}
		to = from;
		if (p->end - p->at > 1 && p->at[0] == '-' && p->at[1] != ']') {
			p->at++;
			if (*p->at == '\\' && p->end - p->at > 1)
				p->at++;
			to = character(&p->at, p->end);
		}
		p->failed |= to < from;
		add(s, from, to);
	}
	p->failed |= p->at >= p->end;
	p->at++;
	if (outside) {
		p->failed |= s->one != 0;
		negate(s);
	}
}

/* ---- the pattern ----------------------------------------------------------------------------- */

static void alternatives(struct parser *p);

static void group(struct parser *p)
{
	if (p->end - p->at > 1 && p->at[0] == '?') {
		p->failed |= p->at[1] != ':';
		p->at += 2;
	}
	if (++p->depth > DEPTH) {
		p->failed = true;
		return;
	}
	alternatives(p);
	p->depth--;
	if (p->at < p->end && *p->at == ')')
		p->at++;
	else
		p->failed = true;
}

static void atom(struct parser *p)
{
	struct set s = {.others = false};
	uint32_t c;

	if (*p->at == '(') {
		p->at++;
		group(p);
		return;
	}
	if (*p->at == '^' || *p->at == '$') {
		(void)emit(p, *p->at++ == '^' ? START : END, 0, 0);
		return;
	}
	if (*p->at == '\\' && p->end - p->at > 1 && (p->at[1] | 0x20) == 'b') {
		(void)emit(p, EDGE, p->at[1] == 'b', 0);
		p->at += 2;
		return;
	}
	if (*p->at == '[') {
		p->at++;
		bracket(p, &s);
	} else if (*p->at == '.') {
		p->at++;
		add(&s, '\n', '\n');
		negate(&s);
	} else if (*p->at == '\\' && p->end - p->at > 1) {
		p->at++;
		if (!class_of(p, &s, &c))
			add(&s, c, c);
	} else {
		p->failed |= *p->at == '*' || *p->at == '+' || *p->at == '?' || *p->at == '\\';
		c = character(&p->at, p->end);
		add(&s, c, c);
	}
	if (p->re->set_count >= p->re->most) {
		p->failed = true;
		return;
	}
	p->re->sets[p->re->set_count] = s;
	(void)emit(p, SET, p->re->set_count++, 0);
}

/* Steps first … count−1 once more, at the end. */
static void again(struct parser *p, int first, int count)
{
	int shift = p->re->count - first;

	for (int i = first; i < first + count && !p->failed; i++) {
		struct step s = p->re->steps[i];
		bool moves = s.code == SPLIT || s.code == JUMP;
		(void)emit(p, s.code, s.a + (moves ? shift : 0),
			   s.b + (s.code == SPLIT ? shift : 0));
	}
}

/* Make room for one step before step ${at}. */
static void insert(struct parser *p, int at)
{
	struct rt_regex *re = p->re;

	(void)emit(p, JUMP, 0, 0);
	if (p->failed)
		return;
	for (int i = re->count - 1; i > at; i--)
		re->steps[i] = re->steps[i - 1];
	for (int i = at + 1; i < re->count; i++) {
		struct step *s = &re->steps[i];
		if ((s->code == SPLIT || s->code == JUMP) && s->a >= at)
			s->a++;
		if (s->code == SPLIT && s->b >= at)
			s->b++;
	}
}

/* The last atom, from ${first} on, at least ${least} and at most ${most} times (−1: no limit). */
static void repeat(struct parser *p, int first, int least, int most)
{
	int count = p->re->count - first, last;

	for (int i = 1; i < least && !p->failed; i++)
		again(p, first, count);
	if (least == 0) { /* first: split over it */
		insert(p, first);
		if (p->failed)
			return;
		if (most < 0)
			(void)emit(p, JUMP, first, 0);
		p->re->steps[first] = (struct step){SPLIT, first + 1, p->re->count};
		if (most == 0)
			p->re->steps[first] = (struct step){JUMP, p->re->count, 0};
		first++;
		least = 1;
	} else if (most < 0) {
		last = p->re->count - count;
		(void)emit(p, SPLIT, last, p->re->count + 1);
		return;
	}
	for (int i = least; i < most && !p->failed; i++) {
		int split = emit(p, SPLIT, 0, 0);
		again(p, first, count);
		if (!p->failed)
			p->re->steps[split] = (struct step){SPLIT, split + 1, p->re->count};
	}
}

static int digits(struct parser *p)
{
	int n = -1;

	for (; p->at < p->end && *p->at >= '0' && *p->at <= '9' && n <= REPEAT_MAX; p->at++)
		n = (n < 0 ? 0 : n * 10) + (*p->at - '0');
	return n;
}

static void quantifier(struct parser *p, int first)
{
	int least = 0, most = -1;
	unsigned char c = *p->at++;

	if (c == '?') {
		most = 1;
	} else if (c == '+') {
		least = 1;
	} else if (c == '{') {
		least = most = digits(p);
		if (p->at < p->end && *p->at == ',') {
			p->at++;
			most = digits(p);
		}
		p->failed |= least < 0 || least > REPEAT_MAX || most > REPEAT_MAX ||
			     (most >= 0 && most < least) || p->at >= p->end || *p->at != '}';
		p->at++;
	}
	if (p->at < p->end && *p->at == '?') /* lazy: the same for a full match */
		p->at++;
	if (!p->failed)
		repeat(p, first, least, most);
}

static void sequence(struct parser *p)
{
	while (p->at < p->end && *p->at != '|' && *p->at != ')' && !p->failed) {
		int first = p->re->count;
		atom(p);
		if (!p->failed && p->at < p->end &&
		    (*p->at == '*' || *p->at == '+' || *p->at == '?' || *p->at == '{'))
			quantifier(p, first);
	}
}

static void alternatives(struct parser *p)
{
	int first = p->re->count;

	sequence(p);
	while (p->at < p->end && *p->at == '|' && !p->failed) {
		int jump;
		p->at++;
		insert(p, first);
		jump = emit(p, JUMP, 0, 0);
		if (p->failed)
			return;
		p->re->steps[first] = (struct step){SPLIT, first + 1, p->re->count};
		sequence(p);
		p->re->steps[jump].a = p->re->count;
	}
}

struct rt_regex *rt_regex_compile(struct rt_str pattern, void *room)
{
	size_t n = most_steps(pattern);
	struct rt_regex *re = room;
	struct parser p = {.re = re,
			   .at = (const unsigned char *)pattern.bytes,
			   .end = (const unsigned char *)pattern.bytes + pattern.size};

	if (n > INT32_MAX / 2)
		return NULL;
	*re = (struct rt_regex){.most = (int)n};
	re->sets = (struct set *)(void *)(re + 1);
	re->steps = (struct step *)(void *)(re->sets + n);
	re->alive[0] = (int *)(void *)(re->steps + n);
	re->alive[1] = re->alive[0] + n;
	re->marks = re->alive[1] + n;
	memset(re->marks, 0, n * sizeof(*re->marks));
	alternatives(&p);
	(void)emit(&p, MATCH, 0, 0);
	return p.failed || p.at != p.end ? NULL : re;
}

/* ---- the text -------------------------------------------------------------------------------- */

/* A place in the text. */
struct place {
	bool start, end, edge;
};

static bool is_word(uint32_t c)
{
	return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z');
}

/* Between the character ${before} (0 = none) and what follows. */
static struct place place_of(uint32_t before, const unsigned char *at, const unsigned char *end,
			     bool start)
{
	return (struct place){start, at == end, is_word(before) != (at < end && is_word(*at))};
}

/* Add step ${pc} and what it leads to without a character; the list serves as the queue. */
static int follow(struct rt_regex *re, int *list, int count, int pc, struct place here,
		  bool *matched)
{
	int at = count;

	if (re->marks[pc] == re->mark)
		return count;
	re->marks[pc] = re->mark;
	list[count++] = pc;
	while (at < count) {
		int from = list[at++], next[2], n = 0;
		const struct step *s = &re->steps[from];
		if (s->code == SPLIT)
			next[n++] = s->b;
		if (s->code == SPLIT || s->code == JUMP)
			next[n++] = s->a;
		else if ((s->code == START && here.start) || (s->code == END && here.end) ||
			 (s->code == EDGE && here.edge == (s->a == 1)))
			next[n++] = from + 1;
		else if (s->code == MATCH)
			*matched = true;
		for (int i = 0; i < n; i++) {
			if (re->marks[next[i]] == re->mark)
				continue;
			re->marks[next[i]] = re->mark;
			list[count++] = next[i];
		}
	}
	return count;
}

static bool in_set(const struct set *s, uint32_t c)
{
	if (c < 128)
		return (s->low[c / 64] >> (c % 64) & 1) != 0;
	return s->others || c == s->one;
}

bool rt_regex_full(struct rt_regex *re, struct rt_str text)
{
	const unsigned char *at = (const unsigned char *)text.bytes, *end = at + text.size;
	int now = 0, count;
	bool matched = false;

	re->mark++;
	count = follow(re, re->alive[now], 0, 0, place_of(0, at, end, true), &matched);
	while (at < end && count > 0) {
		uint32_t c = character(&at, end);
		int *list = re->alive[now], *next = re->alive[!now], n = 0;
		struct place here = place_of(c, at, end, false);

		re->mark++;
		matched = false;
		for (int i = 0; i < count; i++) {
			const struct step *s = &re->steps[list[i]];
			if (s->code == SET && in_set(&re->sets[s->a], c))
				n = follow(re, next, n, list[i] + 1, here, &matched);
		}
		now = !now;
		count = n;
	}
	return at == end && matched;
}

/* ---- RegexFullMatch -------------------------------------------------------------------------- */

static int match_bind(struct rt_bind *b, struct rt_error *err)
{
	const struct rt_attr *a = rt_node_attr(b->node, "pattern");
	void *room;

	if (a == NULL || a->kind != RT_ATTR_STRING || a->s.size > 4096)
		return rt_error_set(err, RT_MALFORMED, "the pattern is missing or too long");
	room = rt_bind_alloc(b, rt_regex_size(a->s));
	if (room == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	if (rt_regex_compile(a->s, room) == NULL)
		return rt_error_set(err, RT_UNSUPPORTED, "the pattern '%.*s'", (int)a->s.size,
				    a->s.bytes);
	return RT_OK;
}

/* The marks change, so every run has its own. */
static int match_eval(struct rt_eval *e, struct rt_error *err)
{
	const struct rt_attr *a = rt_node_attr(e->run.node, "pattern");
	const struct rt_tensor *in = &e->run.in[0];
	struct rt_regex *re;
	uint8_t *out = rt_eval_output(e, 0, &in->shape);
	void *room = rt_memory_take(e->memory, rt_regex_size(a->s), 64);

	if (out == NULL || room == NULL)
		return rt_error_set(err, RT_BUDGET, "no room for the pattern");
	re = rt_regex_compile(a->s, room);
	must(re != NULL); /* match_bind saw it */
	for (int64_t i = 0; i < rt_tensor_elems(in); i++)
		out[i] = rt_regex_full(re, ((const struct rt_str *)in->data)[i]);
	return RT_OK;
}

const struct rt_op rt_op_regex_full_match = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .type = rt_op_type_bool,
    .bind = match_bind,
    .eval = match_eval,
};
