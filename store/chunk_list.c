/* SPDX-License-Identifier: MIT */
/*
 * chunk_list.c — chunk lists: made, written, read, kept beside their blobs.
 * Called for /chunks/, `larderctl chunks` and updates.  A list that is read may
 * be anybody's: it must be bounded by its own size, and must add up.
 */
#include <config.h>

#include "store/chunk.h"
#include "store/chunk_list.h"
#include "store/decimal.h"
#include "store/digest.h"
#include "store/status.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define RECORD_BYTES (4 + STORE_DIGEST_BYTES)
#define HEAD_BYTES_MAX 160u
#define PAGE_IN_BYTES ((size_t)1 << 20)
static const char head_line[] = "larder-chunks 1\n";

void store_chunk_list_drop(struct store_chunk_list *list)
{
	free(list->chunk);
	list->chunk = NULL;
	list->count = 0;
}

/* ---- making ------------------------------------------------------------------------------ */

struct maker {
	const struct store_chunk_source *src;
	struct store_chunk_list *list;
	size_t room;
	struct store_hash *whole; /* that of all of it, too; NULL: it is known */
};

static int add(void *arg, size_t offset, size_t size)
{
	struct maker *m = arg;
	struct store_chunk_list *list = m->list;
	int status = 0;

	if (list->count == m->room) {
		size_t room = m->room == 0 ? 1024 : m->room * 2;
		struct store_chunk *wider = realloc(list->chunk, room * sizeof(*wider));

		if (wider == NULL)
			return STORE_MEMORY;
		list->chunk = wider;
		m->room = room;
	}
	/* it was read a moment ago, but may not be in memory any more */
	if (m->src->ready != NULL)
		status = m->src->ready(m->src->arg, offset, size);
	/* one after the other while the bytes are near: the second costs half of the first */
	if (status == 0)
		status =
		    store_digest_of(m->src->data + offset, size, &list->chunk[list->count].digest);
	if (status == 0 && m->whole != NULL)
		status = store_digest_add(m->whole, m->src->data + offset, size, NULL);
	if (status == 0)
		list->chunk[list->count++].size = (uint32_t)size;
	return status;
}

/* A ${digest} of NULL: it is made, too. */
static int make(const struct store_chunk_source *src, const struct store_digest *digest,
		struct store_chunk_list *out, struct store_error *err)
{
	struct store_chunk_list list = {.size = src->size};
	struct maker m = {.src = src, .list = &list};
	int status = digest == NULL ? store_digest_begin(&m.whole, err) : 0;

	if (status != 0)
		return status;
	if (digest != NULL)
		list.digest = *digest;
	status = store_chunk_cut(src, add, &m);
	if (status == 0 && m.whole != NULL)
		status = store_digest_end(m.whole, &list.digest, err);
	else
		store_digest_drop(m.whole);
	if (status != 0) {
		store_chunk_list_drop(&list);
		return store_status_fail(err, status, NULL);
	}
	*out = list;
	return 0;
}

int store_chunk_list_make(const void *data, size_t size, struct store_chunk_list *out,
			  struct store_error *err)
{
	struct store_chunk_source src = {.data = data, .size = size};

	return make(&src, NULL, out, err);
}

/* ---- of a file --------------------------------------------------------------------------- */

struct paging {
	unsigned char *data;
	size_t size, done;
};

/* The kernel reads ahead of us: a bad disk is an error then, and pages come many at a time. */
static int page_in(void *arg, size_t offset, size_t size)
{
	struct paging *p = arg;
	size_t begin = p->done, n;

	if (offset + size <= p->done)
		return 0;
	while (p->done < offset + size)
		p->done += p->size - p->done < PAGE_IN_BYTES ? p->size - p->done : PAGE_IN_BYTES;
	n = p->done - begin;
	if (madvise(p->data + begin, n, MADV_POPULATE_READ) != 0 && errno != EINVAL)
		return errno == ENOMEM ? STORE_MEMORY : STORE_IO;
	return 0;
}

int store_chunk_list_file(int fd, struct store_chunk_list *out, struct store_error *err)
{
	struct store_chunk_source src = {.ready = page_in};
	struct paging p = {.done = 0};
	struct stat st;
	int status;

	if (fstat(fd, &st) != 0)
		return store_status_errno(err, errno, "reading the file");
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return store_status_fail(err, STORE_INVALID, "not a file with something in it");
	if ((uintmax_t)st.st_size > SIZE_MAX / 2)
		return store_status_fail(err, STORE_MEMORY, NULL);
	p.size = src.size = (size_t)st.st_size;
	p.data = mmap(NULL, p.size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p.data == MAP_FAILED)
		/* cppcheck-suppress memleak ; it is not mapped */
		return store_status_errno(err, errno, "mapping the file");
	src.data = p.data;
	src.arg = &p;
	status = make(&src, NULL, out, err);
	(void)munmap(p.data, p.size);
	return status;
}

/* ---- bytes ------------------------------------------------------------------------------- */

int store_chunk_list_print(const struct store_chunk_list *list, void **ret, size_t *ret_size,
			   struct store_error *err)
{
	char hex[STORE_DIGEST_HEX + 1];
	unsigned char *at;
	size_t bytes;
	char *out;

	if (__builtin_mul_overflow(list->count, (size_t)RECORD_BYTES, &bytes) ||
	    __builtin_add_overflow(bytes, (size_t)HEAD_BYTES_MAX, &bytes) ||
	    (out = malloc(bytes)) == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	store_digest_hex(&list->digest, hex);
	at = (unsigned char *)out + snprintf(out, HEAD_BYTES_MAX, "%s%s %" PRIu64 " %zu\n",
					     head_line, hex, list->size, list->count);
	for (size_t i = 0; i < list->count; i++) {
		for (unsigned k = 0; k < 4; k++)
			*at++ = (unsigned char)(list->chunk[i].size >> (8 * k));
		memcpy(at, list->chunk[i].digest.bytes, STORE_DIGEST_BYTES);
		at += STORE_DIGEST_BYTES;
	}
	*ret = out;
	*ret_size = (size_t)(at - (unsigned char *)out);
	return 0;
}

/* The two lines before the records; how long they are, 0: it is no list. */
static size_t parse_head(const char *text, struct store_chunk_list *out, uint64_t *ret_count)
{
	const char *s = text, *end = text + HEAD_BYTES_MAX;

	if (strncmp(s, head_line, sizeof(head_line) - 1) != 0)
		return 0;
	s += sizeof(head_line) - 1;
	if (strnlen(s, STORE_DIGEST_HEX + 1) <= STORE_DIGEST_HEX ||
	    !store_digest_parse(s, STORE_DIGEST_HEX, &out->digest))
		return 0;
	s += STORE_DIGEST_HEX;
	if (*s++ != ' ' || !store_decimal_read(&s, end, &out->size) || *s++ != ' ' ||
	    !store_decimal_read(&s, end, ret_count) || *s != '\n')
		return 0;
	return (size_t)(s + 1 - text);
}

int store_chunk_list_parse(const void *data, size_t size, struct store_chunk_list *out,
			   struct store_error *err)
{
	char text[HEAD_BYTES_MAX + 1] = "";
	struct store_chunk_list list = {.size = 0};
	const unsigned char *at = data;
	uint64_t count = 0, sum = 0;
	size_t head;

	memcpy(text, data, size < HEAD_BYTES_MAX ? size : HEAD_BYTES_MAX);
	head = parse_head(text, &list, &count);
	if (head == 0 || head > size || count > (size - head) / RECORD_BYTES ||
	    count * RECORD_BYTES != size - head)
		return store_status_fail(err, STORE_INVALID, "that is not a chunk list");
	list.chunk = calloc(count + 1, sizeof(list.chunk[0]));
	if (list.chunk == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	at += head;
	for (uint64_t i = 0; i < count; i++) {
		struct store_chunk *c = &list.chunk[i];

		c->size = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
			  (uint32_t)at[3] << 24;
		memcpy(c->digest.bytes, at + 4, STORE_DIGEST_BYTES);
		at += RECORD_BYTES;
		if (c->size == 0 || c->size > STORE_CHUNK_MAX)
			break;
		sum += c->size; /* count is bounded by memory, a size by 2^17 */
		list.count++;
	}
	if (list.count != count || sum != list.size) {
		store_chunk_list_drop(&list);
		return store_status_fail(err, STORE_INVALID, "a chunk list that does not add up");
	}
	*out = list;
	/* fanalyzer-suppress malloc-leak: the caller has it */
	return 0;
}

/* ---- of blobs ------------------------------------------------------------------------------- */

struct reading {
	const struct store_map *map;
	bool (*stop)(void);
	struct store_error *err;
};

/* Bytes of a map are touched only after the kernel has read them: a bad disk is an error then. */
static int ready(void *arg, size_t offset, size_t size)
{
	struct reading *r = arg;

	if (r->stop != NULL && r->stop())
		return STORE_BUSY;
	return store_map_populate(r->map, offset, size, r->err);
}

static int make_of(struct store *store, const struct store_digest *digest, bool (*stop)(void),
		   struct store_chunk_list *out, struct store_error *err)
{
	struct store_map *map;
	struct reading r = {.stop = stop, .err = err};
	int status = store_map_open(store, digest, &map, err);

	if (status != 0)
		return status;
	r.map = map;
	status = make(&(struct store_chunk_source){.data = store_map_data(map),
						   .size = store_map_size(map),
						   .ready = ready,
						   .arg = &r},
		      digest, out, err);
	store_map_unref(map);
	return status;
}

static int keep(struct store *store, const struct store_chunk_list *list, struct store_derived *out,
		struct store_error *err)
{
	void *data;
	size_t size;
	int status = store_chunk_list_print(list, &data, &size, err);

	if (status != 0)
		return status;
	status = store_derived_put(store, &list->digest, STORE_CHUNK_KIND, data, size, out, err);
	free(data);
	return status;
}

int store_chunk_list_of(struct store *store, const struct store_digest *digest, bool (*stop)(void),
			struct store_derived *out, struct store_error *err)
{
	struct store_chunk_list list;
	int status = store_derived_find(store, digest, STORE_CHUNK_KIND, out, err);

	if (status != STORE_NOT_FOUND)
		return status;
	status = make_of(store, digest, stop, &list, err);
	if (status != 0)
		return status;
	status = keep(store, &list, out, err);
	store_chunk_list_drop(&list);
	return status;
}

static int kept(struct store *store, const struct store_digest *digest,
		struct store_chunk_list *out, struct store_error *err)
{
	struct store_derived derived;
	struct store_map *map;
	int status = store_derived_find(store, digest, STORE_CHUNK_KIND, &derived, err);

	if (status == 0)
		status = store_map_open(store, &derived.digest, &map, err);
	if (status != 0)
		return status;
	status = store_map_populate(map, 0, store_map_size(map), err);
	if (status == 0)
		status = store_chunk_list_parse(store_map_data(map), store_map_size(map), out, err);
	store_map_unref(map);
	return status;
}

int store_chunk_list_get(struct store *store, const struct store_digest *digest, bool may_make,
			 bool (*stop)(void), struct store_chunk_list *out, struct store_error *err)
{
	struct store_derived derived;
	struct store_error ignored;
	int status = kept(store, digest, out, err);

	if (status == 0 || !may_make)
		return status;
	status = make_of(store, digest, stop, out, err);
	if (status == 0 && keep(store, out, &derived, &ignored) != 0)
		return 0; /* made again the next time */
	return status;
}
