/* SPDX-License-Identifier: MIT */
/*
 * chunk_seed.c — a download begins with what the store has of it already.
 * Called by larderd before it asks for the rest.  What it puts into the
 * download is not believed by anybody: partial_commit.c hashes the whole.  So
 * it must only never fail a download for want of a chunk.
 *
 * The chunks that are wanted are put into a table once; then the lists of
 * stored blobs are read one after the other, the likeliest first, until every
 * chunk has a place where it can be had.  A blob without a list gets one, within
 * a budget, and keeps it.
 */
#include <config.h>

#include "store/chunk.h"
#include "store/chunk_list.h"
#include "store/index.h"
#include "store/state.h"
#include "store/status.h"

#include <stdlib.h>
#include <string.h>

#define BLOBS_MAX 1100u
#define MERGE_BYTES UINT64_C(32768) /* a find that is smaller is no reason for two requests */
#define COPY_BYTES ((uint64_t)1 << 20)
#define MAKE_BYTES (UINT64_C(1) << 30) /* that are cut for one update, and four times its size */
#define NOWHERE UINT32_MAX

struct candidate {
	struct store_digest digest;
	uint64_t size;
};

struct seed {
	struct store *store;
	struct store_partial *p;
	const struct store_chunk_list *list;
	bool (*stop)(void);
	struct candidate *blob; /* [blob_count] */
	size_t blob_count;
	uint32_t *slot; /* [slot_mask + 1] index of a chunk + 1; 0 = none */
	size_t slot_mask;
	uint32_t *blob_of; /* [list->count] NOWHERE, or where the chunk is */
	uint64_t *offset;  /* [list->count] there */
	size_t missing;
};

/* ---- which blobs ------------------------------------------------------------------------- */

static void add_candidate(struct seed *s, struct store_conn *conn, enum store_stmt stmt)
{
	struct candidate c;

	if (s->blob_count == BLOBS_MAX || !store_index_digest(conn, stmt, 0, &c.digest))
		return;
	c.size = (uint64_t)store_index_int(conn, stmt, 1);
	for (size_t i = 0; i < s->blob_count; i++) {
		if (store_digest_equal(&s->blob[i].digest, &c.digest))
			return;
	}
	s->blob[s->blob_count++] = c;
}

static int find_blobs(struct seed *s, const char *model, const char *path, struct store_error *err)
{
	static const enum store_stmt stmts[] = {STMT_CHUNK_KIN, STMT_CHUNK_ANY};
	struct store_conn *conn;
	int status = store_index_reader(s->store->index, &conn, err);

	if (status != 0)
		return status;
	for (unsigned i = 0; i < 2 && status == 0; i++) {
		enum store_stmt stmt = stmts[i];

		store_index_start(conn, stmt,
				  i == 0 ? ARGS(A_TEXT(model), A_TEXT(path), A_INT(STORE_CHUNK_MIN))
					 : ARGS(A_INT(STORE_CHUNK_MIN), A_INT(s->list->size)));
		while ((status = store_index_next(conn, stmt, err)) == 1)
			add_candidate(s, conn, stmt);
	}
	store_index_done(s->store->index, conn);
	return status;
}

bool store_chunk_seed_kin(struct store *store, const char *model, const char *path, bool *ret_any)
{
	struct store_conn *conn;
	bool kin = false;

	*ret_any = false;
	if (store_index_reader(store->index, &conn, NULL) != 0)
		return false;
	if (store_index_row(conn, STMT_CHUNK_KIN,
			    ARGS(A_TEXT(model), A_TEXT(path), A_INT(STORE_CHUNK_FILE_MIN)),
			    NULL) == 1) {
		kin = store_index_int(conn, STMT_CHUNK_KIN, 2) != 0;
		store_index_stop(conn, STMT_CHUNK_KIN);
	}
	if (store_index_row(conn, STMT_CHUNK_ANY, ARGS(A_INT(STORE_CHUNK_FILE_MIN), A_INT(0)),
			    NULL) == 1) {
		*ret_any = true;
		store_index_stop(conn, STMT_CHUNK_ANY);
	}
	store_index_done(store->index, conn);
	return kin;
}

/* ---- which chunks ------------------------------------------------------------------------- */

/* Where a chunk is in the table, or the free slot where it would be. */
static size_t probe(const struct seed *s, const struct store_digest *digest)
{
	size_t at;

	memcpy(&at, digest->bytes, sizeof(at));
	for (at &= s->slot_mask; s->slot[at] != 0; at = (at + 1) & s->slot_mask) {
		if (store_digest_equal(&s->list->chunk[s->slot[at] - 1].digest, digest))
			break;
	}
	return at;
}

static bool make_table(struct seed *s)
{
	size_t n = s->list->count, slots = 16;

	if (n >= NOWHERE / 2)
		return false;
	while (slots < n * 2)
		slots *= 2;
	s->slot_mask = slots - 1;
	s->slot = calloc(slots, sizeof(s->slot[0]));
	s->blob_of = malloc((n + 1) * sizeof(s->blob_of[0]));
	s->offset = malloc((n + 1) * sizeof(s->offset[0]));
	s->blob = calloc(BLOBS_MAX, sizeof(s->blob[0]));
	if (s->slot == NULL || s->blob_of == NULL || s->offset == NULL || s->blob == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		size_t at = probe(s, &s->list->chunk[i].digest);

		s->blob_of[i] = NOWHERE;
		if (s->slot[at] == 0) {
			s->slot[at] = (uint32_t)i + 1;
			s->missing++;
		}
	}
	return true;
}

static void look_into(struct seed *s, uint32_t blob, const struct store_chunk_list *have)
{
	uint64_t offset = 0;

	for (size_t k = 0; k < have->count && s->missing > 0; k++) {
		uint32_t i = s->slot[probe(s, &have->chunk[k].digest)];

		if (i != 0 && s->blob_of[i - 1] == NOWHERE &&
		    s->list->chunk[i - 1].size == have->chunk[k].size) {
			s->blob_of[i - 1] = blob;
			s->offset[i - 1] = offset;
			s->missing--;
		}
		offset += have->chunk[k].size;
	}
}

/* Lists that are kept cost little: all of them.  New ones are made within the budget. */
static void look_everywhere(struct seed *s)
{
	uint64_t budget = MAKE_BYTES + (s->list->size < MAKE_BYTES * 64 ? s->list->size * 4 : 0);

	for (uint32_t b = 0; b < s->blob_count && s->missing > 0; b++) {
		const struct candidate *c = &s->blob[b];
		bool may_make = c->size <= budget;
		struct store_chunk_list have;
		struct store_error err;

		if (s->stop != NULL && s->stop())
			return;
		if (store_chunk_list_get(s->store, &c->digest, may_make, s->stop, &have, &err) != 0)
			continue;
		if (may_make)
			budget -= c->size;
		look_into(s, b, &have);
		store_chunk_list_drop(&have);
	}
}

/* Chunks that the file has more than once are had more than once. */
static void repeat(struct seed *s)
{
	for (size_t i = 0; i < s->list->count; i++) {
		uint32_t first = s->slot[probe(s, &s->list->chunk[i].digest)] - 1;

		s->blob_of[i] = s->blob_of[first];
		s->offset[i] = s->offset[first];
	}
}

/* One request for what is around a small find is better than two. */
static void leave_small(struct seed *s)
{
	size_t n = s->list->count, i = 0;

	while (i < n) {
		uint64_t bytes = 0;
		size_t begin = i;

		while (i < n && s->blob_of[i] != NOWHERE)
			bytes += s->list->chunk[i++].size;
		if (begin > 0 && i < n && bytes < MERGE_BYTES) {
			for (size_t k = begin; k < i; k++)
				s->blob_of[k] = NOWHERE;
		}
		while (i < n && s->blob_of[i] == NOWHERE)
			i++;
	}
}

/* ---- bytes ------------------------------------------------------------------------------------
 */

/* Chunks from ${i} on that follow each other both here and there: how many bytes. */
static uint64_t run_of(const struct seed *s, size_t i, size_t *ret_next)
{
	uint64_t bytes = 0;
	size_t k = i;

	while (k < s->list->count && s->blob_of[k] == s->blob_of[i] &&
	       s->offset[k] == s->offset[i] + bytes && bytes < COPY_BYTES)
		bytes += s->list->chunk[k++].size;
	*ret_next = k;
	return bytes;
}

/* write(2) reads the mapping: what the disk cannot give is an error there, too. */
static int copy(struct seed *s, const struct store_map *map, uint64_t from, uint64_t to,
		uint64_t bytes, struct store_error *err)
{
	if (from > store_map_size(map) || bytes > store_map_size(map) - from)
		return store_status_fail(err, STORE_INVALID, "a chunk beyond the end of its blob");
	if (store_map_populate(map, (size_t)from, (size_t)bytes, err) != 0)
		return 0; /* it is fetched, then */
	return store_partial_write(s->p, to, (const char *)store_map_data(map) + from,
				   (size_t)bytes, err);
}

static int copy_all(struct seed *s, uint64_t *ret_bytes, struct store_error *err)
{
	struct store_map *map = NULL;
	uint32_t open = NOWHERE;
	uint64_t at = 0, bytes;
	int status = 0;
	size_t next;

	for (size_t i = 0; i < s->list->count && status == 0; i = next) {
		if (s->blob_of[i] == NOWHERE) {
			next = i + 1;
			at += s->list->chunk[i].size;
			continue;
		}
		bytes = run_of(s, i, &next);
		if (s->stop != NULL && s->stop())
			break;
		if (open != s->blob_of[i]) {
			store_map_unref(map);
			map = NULL;
			open = s->blob_of[i];
			if (store_map_open(s->store, &s->blob[open].digest, &map, err) != 0)
				map = NULL; /* evicted meanwhile */
		}
		if (map != NULL)
			status = copy(s, map, s->offset[i], at, bytes, err);
		at += bytes;
	}
	store_map_unref(map);
	*ret_bytes = store_partial_arrived(s->p);
	return status;
}

int store_chunk_seed(struct store *store, struct store_partial *p,
		     const struct store_chunk_list *list, const char *model, const char *path,
		     bool (*stop)(void), uint64_t *ret_bytes, struct store_error *err)
{
	struct seed s = {.store = store, .p = p, .list = list, .stop = stop};
	int status = 0;

	*ret_bytes = 0;
	if (list->size != store_partial_size(p))
		return store_status_fail(err, STORE_INVALID, "a chunk list of another file");
	if (!make_table(&s))
		status = store_status_fail(err, STORE_MEMORY, NULL);
	if (status == 0)
		status = find_blobs(&s, model, path, err);
	if (status == 0) {
		look_everywhere(&s);
		repeat(&s);
		leave_small(&s);
		status = copy_all(&s, ret_bytes, err);
	}
	if (status == 0 && *ret_bytes > 0)
		status = store_partial_save(p, err);
	free(s.slot);
	free(s.blob_of);
	free(s.offset);
	free(s.blob);
	return status;
}
