/* SPDX-License-Identifier: MIT */
/*
 * route.c — routes.def as a table, and the way from a raw path to one row of it.
 * Called by server.c once per request; must never decode twice and never let a
 * segment through that means something to a file system.
 */
#include <config.h>

#include "daemon/route.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "daemon/arena.h"
#include "daemon/fault.h"
#include "daemon/must.h"
#include "daemon/utf8.h"

#define SEGMENTS_MAX 128 /* of a path that is asked for */
#define PATTERN_MAX 12   /* segments of a pattern */

static const struct route table[] = {
#define ROUTE(methods_, pattern_, body_, limit_, runs_, guards_, plane_, name_, purpose_)          \
	{.methods = (methods_),                                                                    \
	 .pattern = pattern_,                                                                      \
	 .body = body_,                                                                            \
	 .limit_bytes = limit_,                                                                    \
	 .runs = runs_,                                                                            \
	 .guards = (guards_),                                                                      \
	 .plane = plane_,                                                                          \
	 .handler = handle_##name_,                                                                \
	 .name = #name_,                                                                           \
	 .purpose = purpose_},
#define STREAM_ROUTE(methods_, pattern_, limit_, guards_, plane_, name_, purpose_)                 \
	{.methods = (methods_),                                                                    \
	 .pattern = pattern_,                                                                      \
	 .body = STREAM,                                                                           \
	 .limit_bytes = limit_,                                                                    \
	 .runs = POOL,                                                                             \
	 .guards = (guards_),                                                                      \
	 .plane = plane_,                                                                          \
	 .stream = &stream_##name_,                                                                \
	 .name = #name_,                                                                           \
	 .purpose = purpose_},
#include "daemon/routes.def"
#undef ROUTE
#undef STREAM_ROUTE
};

#define ROUTE_COUNT (sizeof(table) / sizeof(table[0]))

/* ---- patterns, taken apart once ------------------------------------------ */

struct piece {
	const char *s; /* literal; NULL for a part */
	size_t size;
	enum route_part part;
};

struct pattern {
	struct piece piece[PATTERN_MAX];
	unsigned count;
	bool rest;  /* the last piece takes one or more segments */
	bool model; /* has {model}: one segment more may fit */
	bool slash; /* ends with `/` */
};

static struct pattern patterns[ROUTE_COUNT];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const struct {
	const char *name;
	enum route_part part;
} parts[] = {
    {"{model}", PART_MODEL},   {"{rev}", PART_REV}, {"{path...}", PART_PATH},
    {"{digest}", PART_DIGEST}, {"{id}", PART_ID},   {"{version}", PART_VERSION},
    {"{file}", PART_FILE},
};

static enum route_part part_of(const char *s, size_t size)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strlen(parts[i].name) == size && memcmp(parts[i].name, s, size) == 0)
			return parts[i].part;
	}
	return PART_COUNT;
}

static void compile(void)
{
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		struct pattern *p = &patterns[i];
		const char *s = table[i].pattern;

		must(*s == '/');
		while (*s == '/' && s[1] != '\0') {
			size_t size = strcspn(s + 1, "/");
			struct piece *piece = &p->piece[p->count];

			must(p->count < PATTERN_MAX);
			p->count++;
			piece->size = size;
			piece->s = s + 1;
			if (s[1] == '{') {
				piece->part = part_of(s + 1, size);
				must(piece->part < PART_COUNT);
				piece->s = NULL;
				p->model |= piece->part == PART_MODEL;
				p->rest = piece->part == PART_PATH;
			}
			s += 1 + size;
		}
		p->slash = *s == '/' && p->count > 0;
	}
}

size_t route_count(void)
{
	return ROUTE_COUNT;
}

const struct route *route_at(size_t i)
{
	must(i < ROUTE_COUNT);
	return &table[i];
}

/* ---- paths ----------------------------------------------------------------- */

struct segment {
	const char *s;
	size_t size;
	bool has_slash; /* %2F */
};

struct path {
	struct segment segment[SEGMENTS_MAX];
	unsigned count;
	bool slash; /* ends with `/` */
};

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Decode ${s} into ${out}[size]; the decoded size, or SIZE_MAX when a `%` stands wrong. */
static size_t unescape(const char *s, size_t size, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i++) {
		char c = s[i];

		if (c == '%') {
			int high = i + 1 < size ? hex_digit(s[i + 1]) : -1;
			int low = i + 2 < size ? hex_digit(s[i + 2]) : -1;

			if (high < 0 || low < 0)
				return SIZE_MAX;
			c = (char)(unsigned char)(high * 16 + low);
			i += 2;
		}
		out[n++] = c;
	}
	return n;
}

/* Bytes that no name may have: control characters and the backslash. */
static bool plain_bytes(const char *s, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 0x20 || c == 0x7f || c == '\\')
			return false;
	}
	return true;
}

/* Each piece between slashes is something, and not `.` or `..`. */
static bool plain_names(const char *s, size_t size)
{
	size_t begin = 0;

	for (size_t i = 0; i <= size; i++) {
		if (i < size && s[i] != '/')
			continue;
		if (i == begin)
			return false;
		if (s[begin] == '.' && (i - begin == 1 || (i - begin == 2 && s[begin + 1] == '.')))
			return false;
		begin = i + 1;
	}
	return true;
}

static int add_segment(struct path *p, const char *s, size_t size, struct arena *arena,
		       struct fault *fault)
{
	struct segment *seg = &p->segment[p->count];

	if (p->count == SEGMENTS_MAX)
		return fault_set(fault, 400, "the path has too many segments");
	p->count++;
	if (memchr(s, '%', size) != NULL) {
		char *decoded = arena_alloc(arena, size);

		if (decoded == NULL)
			return fault_set(fault, 503, "out of memory");
		size = unescape(s, size, decoded);
		if (size == SIZE_MAX)
			return fault_set(fault, 400, "the path has a %% without two hex digits");
		s = decoded;
	}
	if (!plain_bytes(s, size))
		return fault_set(fault, 400, "the path has a control character or a backslash");
	if (!utf8_ok(s, size))
		return fault_set(fault, 400, "the path is not valid UTF-8");
	if (!plain_names(s, size))
		return fault_set(fault, 400, "the path has an empty, . or .. segment");
	seg->s = s;
	seg->size = size;
	seg->has_slash = memchr(s, '/', size) != NULL;
	return 0;
}

static int split(const char *s, size_t size, struct arena *arena, struct path *p,
		 struct fault *fault)
{
	size_t at = 1;

	p->count = 0;
	p->slash = false;
	if (size == 0 || s[0] != '/')
		return fault_set(fault, 400, "the target is not a path");
	while (at < size) {
		const char *end = memchr(s + at, '/', size - at);
		size_t n = end == NULL ? size - at : (size_t)(end - (s + at));

		if (add_segment(p, s + at, n, arena, fault) != 0)
			return -1;
		at += n + 1;
		p->slash = end != NULL && at == size;
	}
	return 0;
}

/* ---- matching ---------------------------------------------------------------- */

static bool digest_ok(const struct segment *s)
{
	/* NOLINTNEXTLINE(clang-analyzer-core*): those below count are set */
	if (s->size != 64)
		return false;
	for (size_t i = 0; i < 64; i++) {
		char c = s->s[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	return true;
}

/* Whether one segment may stand for ${part}. */
static bool part_ok(enum route_part part, const struct segment *s)
{
	const char *slash;

	switch (part) {
	case PART_MODEL:
		/* NOLINTNEXTLINE(clang-analyzer-core*): those below count are set */
		slash = memchr(s->s, '/', s->size);
		return slash == NULL ||
		       memchr(slash + 1, '/', (size_t)(s->s + s->size - slash - 1)) == NULL;
	case PART_REV:
	case PART_PATH:
		return true;
	case PART_DIGEST:
		return digest_ok(s);
	default:
		/* NOLINTNEXTLINE(clang-analyzer-core*): those below count are set */
		return !s->has_slash;
	}
}

/*
 * Whether ${p} fits with {model} taking ${width} segments; where each part begins is noted in
 * ${at}.
 */
static bool fits(const struct pattern *pat, const struct path *p, unsigned width,
		 unsigned at[PART_COUNT])
{
	unsigned i = 0; /* segment */

	for (unsigned k = 0; k < pat->count; k++) {
		const struct piece *piece = &pat->piece[k];
		const struct segment *s = &p->segment[i];

		if (i >= p->count)
			return false;
		if (piece->s != NULL) {
			/* NOLINTNEXTLINE(clang-analyzer-core*): those below count are set */
			if (s->size != piece->size || memcmp(s->s, piece->s, s->size) != 0)
				return false;
			i++;
			continue;
		}
		if (!part_ok(piece->part, s))
			return false;
		at[piece->part] = i;
		if (piece->part == PART_MODEL && width == 2) {
			if (i + 1 >= p->count || s->has_slash || s[1].has_slash)
				return false;
			i += 2;
		} else if (piece->part == PART_PATH) {
			i = p->count;
		} else {
			i++;
		}
	}
	return i == p->count && p->slash == pat->slash;
}

/* ${count} segments from ${from}, joined with `/`. */
static const char *join(const struct path *p, unsigned from, unsigned count, struct arena *arena)
{
	size_t size = 1;
	char *out, *to;

	for (unsigned i = from; i < from + count; i++)
		size += p->segment[i].size + 1;
	out = to = arena_alloc(arena, size);
	if (out == NULL)
		return NULL;
	for (unsigned i = from; i < from + count; i++) {
		if (i > from)
			*to++ = '/';
		memcpy(to, p->segment[i].s, p->segment[i].size);
		to += p->segment[i].size;
	}
	*to = '\0';
	return out;
}

static int take_parts(const struct pattern *pat, const struct path *p, unsigned width,
		      const unsigned at[PART_COUNT], struct arena *arena, struct route_match *out,
		      struct fault *fault)
{
	for (unsigned k = 0; k < pat->count; k++) {
		enum route_part part = pat->piece[k].part;
		unsigned count = 1;

		if (pat->piece[k].s != NULL)
			continue;
		if (part == PART_MODEL)
			count = width;
		else if (part == PART_PATH)
			count = p->count - at[part];
		out->part[part] = join(p, at[part], count, arena);
		if (out->part[part] == NULL)
			return fault_set(fault, 503, "out of memory");
	}
	return 0;
}

int route_find(enum route_method method, const char *path, size_t size, struct arena *arena,
	       struct route_match *out, struct fault *fault)
{
	struct path p;
	unsigned at[PART_COUNT] = {0};
	unsigned bits = method == HEAD ? (unsigned)GET | HEAD : (unsigned)method;
	unsigned widest = 2; /* segments of a {model}: 1 once a row took one, or 405 became 404 */

	*out = (struct route_match){0};
	(void)pthread_once(&once, compile);
	if (split(path, size, arena, &p, fault) != 0)
		return -1;
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		const struct pattern *pat = &patterns[i];
		unsigned width = 1;

		if (p.count < pat->count)
			continue;
		if (!fits(pat, &p, 1, at)) {
			if (!pat->model || widest < 2 || !fits(pat, &p, 2, at))
				continue;
			width = 2;
		} else if (pat->model) {
			widest = 1;
		}
		if (out->first == NULL)
			out->first = &table[i];
		out->allowed |= table[i].methods;
		if ((table[i].methods & bits) == 0)
			continue;
		out->route = &table[i];
		return take_parts(pat, &p, width, at, arena, out, fault);
	}
	return 0;
}

/* ---- methods and query values ------------------------------------------------ */

static const struct {
	const char *name;
	enum route_method method;
} methods[] = {
    {"GET", GET}, {"HEAD", HEAD},     {"POST", POST},
    {"PUT", PUT}, {"DELETE", DELETE}, {"OPTIONS", OPTIONS},
};

enum route_method route_method_of(const char *name)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (strcmp(name, methods[i].name) == 0)
			return methods[i].method;
	}
	return METHOD_OTHER;
}

void route_methods_text(unsigned bits, char out[64])
{
	size_t n = 0;

	if ((bits & GET) != 0)
		bits |= HEAD;
	bits |= OPTIONS;
	out[0] = '\0';
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if ((bits & methods[i].method) == 0)
			continue;
		n += (size_t)snprintf(out + n, 64 - n, "%s%s", n == 0 ? "" : ", ", methods[i].name);
	}
}

const char *route_decode(const char *s, size_t size, struct arena *arena)
{
	char *out = arena_alloc(arena, size + 1);
	size_t n;

	if (out == NULL)
		return NULL;
	n = unescape(s, size, out);
	if (n == SIZE_MAX || !plain_bytes(out, n) || !utf8_ok(out, n))
		return NULL;
	out[n] = '\0';
	return out;
}
