/* SPDX-License-Identifier: MIT */
/*
 * store.h — bytes by digest, names to bytes.  The only header of store/ that
 * others include.
 *
 * The store is a folder:
 *
 *   lock                 flock()ed by the process that has the store open
 *   index.sqlite         the only index (WAL); every name is a key in it
 *   blobs/ab/abcd…       one immutable file per content, named by its SHA-256
 *   tmp/                 blobs being written; emptied when the store is opened
 *
 * Words.  A *blob* is immutable content.  A *model* is `name` or `org/name`.
 * A *snapshot* of a model is an immutable list of (path, blob); its id is
 * `commit`: the first 40 hex digits of the SHA-256 of its sorted file list.  A
 * *revision* is a name (`main`) that points to one snapshot of its model and
 * is moved atomically.
 *
 * Threads.  Every function may be called from any thread unless it says
 * otherwise.  "reads" take microseconds and never wait for a writer, so they
 * may run on the event loop; "writes" reach the disk and must not.
 *
 * Errors.  0 or a negative `enum store_status`; the text says what was wrong,
 * with no path of the machine in it.  Outputs are written on success only.
 */
#ifndef LARDER_STORE_STORE_H
#define LARDER_STORE_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define STORE_DIGEST_BYTES 32
#define STORE_DIGEST_HEX 64 /* without the NUL */
#define STORE_COMMIT_HEX 40 /* without the NUL */
#define STORE_NAME_MAX 512  /* bytes of a model name */
#define STORE_REV_MAX 255   /* bytes of a revision name */
#define STORE_PATH_MAX 4096 /* bytes of a file path inside a model */

enum store_status {
	STORE_OK = 0,
	STORE_STATUS_BASE_ = -100, /* rows follow: -99, -98, … */
#define STATUS(code, text) STORE_##code,
#include "store/status.def"
#undef STATUS
};

/* In the caller's frame; no allocation.  `text` is always NUL-terminated. */
struct store_error {
	int status;
	char text[300];
};

/* store_status_text(status): the fixed sentence of a status. */
const char *store_status_text(int status);

#define STORE_MUST_CHECK __attribute__((warn_unused_result))

struct store;        /* opaque: an open state folder */
struct store_map;    /* opaque: a refcounted read-only mapping of one blob */
struct store_writer; /* opaque: a blob being written */
struct store_import; /* opaque: a snapshot being put together */

struct store_digest {
	uint8_t bytes[STORE_DIGEST_BYTES];
};

/* ---- digests (store/digest.c) ------------------------------------------- */

/* store_digest_parse(hex, len, out): exactly 64 lower-case hex digits; false for anything else. */
bool store_digest_parse(const char *hex, size_t len, struct store_digest *out);
/* store_digest_hex(d, hex): write 64 hex digits and a NUL to ${hex}. */
void store_digest_hex(const struct store_digest *d, char hex[STORE_DIGEST_HEX + 1]);
/* store_digest_base64(d, out): 44 characters and a NUL (RFC 4648 §4), for Repr-Digest (RFC 9530).
 */
void store_digest_base64(const struct store_digest *d, char out[45]);
bool store_digest_equal(const struct store_digest *a, const struct store_digest *b);
/* store_digest_of(data, size, out): SHA-256 of ${size} bytes. */
int store_digest_of(const void *data, size_t size, struct store_digest *out) STORE_MUST_CHECK;

/* ---- open, close (store/store.c) ---------------------------------------- */

struct store_opts {
	const char *dir; /* state folder; created (0700) when missing; borrowed */
	bool read_only;  /* reads only: no lock, no recovery (larderctl on a stopped store) */
	bool degrade;    /* open what can be opened; store_health_get says what could not */
	int64_t grace_s; /* how long a blob waits to be named by an import; 0 = 6 hours */
};

/*
 * store_open(opts, out, err): lock the folder, open and migrate the index,
 * clear what a killed process left half-written.  STORE_LOCKED when another
 * process has it.  The caller owns *out and gives it to store_close.
 */
int store_open(const struct store_opts *opts, struct store **out,
	       struct store_error *err) STORE_MUST_CHECK;
/*
 * store_close(store): NULL is allowed.  Mappings that are still referenced stay
 * valid; writers, imports and downloads must be gone.
 */
void store_close(struct store *store);

/* ---- names (store/name.c, rev.c, path.c) ---------------------------------- */

/*
 * Names are keys, never file names.  A legal model name has one or two
 * segments; a legal path or revision one or more.  A segment is non-empty,
 * valid UTF-8, not `.` or `..`, without `/`, `\`, NUL or control characters.
 * `org--name` is how `org/name` is written where no slash can stand, so a
 * model's name holds no `--`, and no `-` beside its slash.
 */
bool store_name_ok(const char *model);
bool store_rev_ok(const char *revision);
bool store_path_ok(const char *path);

/* ---- blobs: mapping (store/map.c) ----------------------------------------- */

/*
 * store_map_open(store, digest, out, err): map a blob read-only, or take
 * another reference to the mapping that exists.  One mapping per blob however
 * many users.  An empty blob maps to size 0 and a non-NULL data pointer.
 * STORE_NOT_FOUND; STORE_DAMAGED when the file's size is not the recorded one
 * or the blob is quarantined.  Read.
 */
int store_map_open(struct store *store, const struct store_digest *digest, struct store_map **out,
		   struct store_error *err) STORE_MUST_CHECK;
/* store_map_ref(map): another reference to the same mapping; returns ${map}. */
struct store_map *store_map_ref(struct store_map *map);
/*
 * store_map_unref(map): NULL is allowed.  The last one unmaps, at once or, for
 * a small blob, a little later: it is likely to be asked for again.
 */
void store_map_unref(struct store_map *map);
const void *store_map_data(const struct store_map *map);
size_t store_map_size(const struct store_map *map); /* bytes */
const struct store_digest *store_map_digest(const struct store_map *map);
/*
 * store_map_resident(map, offset, size): true if mincore(2) says that every
 * page of that range is in memory (a hint: it may change at once).  Read.
 */
bool store_map_resident(const struct store_map *map, size_t offset, size_t size);
/*
 * store_map_populate(map, offset, size, err): read that range from the disk
 * now (MADV_POPULATE_READ).  Blocks: pool threads only.  STORE_IO when the
 * disk cannot give the bytes (that is EFAULT of madvise, never SIGBUS).
 */
int store_map_populate(const struct store_map *map, size_t offset, size_t size,
		       struct store_error *err) STORE_MUST_CHECK;

/* ---- blobs: writing (store/writer.c, blob.c) --------------------------------- */

/*
 * store_writer_open → store_writer_append* → store_writer_commit, or
 * store_writer_abort.  Bytes go to a temporary file (O_EXCL) and through
 * SHA-256; commit = fsync, compare with ${expect} when it is not NULL
 * (STORE_DIGEST), rename into place, fsync of the folder, index row.  Content
 * that the store has already is not stored twice.  After commit or abort the
 * writer is gone (taken), whatever was returned.  One thread at a time.  Writes.
 *
 * A blob that no import has named yet is kept for store_opts.grace_s after its
 * last commit, over restarts too.
 */
int store_writer_open(struct store *store, struct store_writer **out,
		      struct store_error *err) STORE_MUST_CHECK;
/*
 * store_writer_expect(w, bytes, err): so many bytes will come, at least.  Room
 * for them is made at once: STORE_QUOTA when there cannot be, before anything
 * is written or evicted.  Optional.
 */
int store_writer_expect(struct store_writer *w, uint64_t bytes,
			struct store_error *err) STORE_MUST_CHECK;
int store_writer_append(struct store_writer *w, const void *data, size_t size,
			struct store_error *err) STORE_MUST_CHECK;
int store_writer_commit(struct store_writer *w, const struct store_digest *expect,
			struct store_digest *ret_digest, uint64_t *ret_size,
			struct store_error *err) STORE_MUST_CHECK;
void store_writer_abort(struct store_writer *w); /* NULL is allowed */

/*
 * store_writer_adopt(store, digest, ret_digest, ret_size, err): the same for a
 * file that somebody who may write to the state folder has put into tmp/, under
 * the 64 hex digits of ${digest}: nothing is copied.  It must be a file of its
 * own (no other link, owned by this user), and is gone whatever is returned but
 * STORE_NOT_FOUND.
 */
int store_writer_adopt(struct store *store, const struct store_digest *digest,
		       struct store_digest *ret_digest, uint64_t *ret_size,
		       struct store_error *err) STORE_MUST_CHECK;

/* store_blob_put_fd(store, fd, …): a whole open file as one blob. */
int store_blob_put_fd(struct store *store, int fd, struct store_digest *ret_digest,
		      uint64_t *ret_size, struct store_error *err) STORE_MUST_CHECK;
/* store_blob_has(store, digest, ret_size): whether it is stored and not damaged.  Read. */
bool store_blob_has(struct store *store, const struct store_digest *digest, uint64_t *ret_size);

/* ---- blobs that can be made again (store/derived.c) ----------------------------- */

/*
 * A *derived* blob is content that can be made again from a blob, the source:
 * compressed, packed for a processor, cut into chunks.  It is stored as any
 * blob and found by (digest of the source, kind).  It goes with its source, and
 * before everything else when room is needed; so whoever asks for one must be
 * able to do without.
 *
 * ${kind} says what was made and in which version: 1 to 63 characters of
 * a–z, 0–9, `:`, `.`, `-`, `_`, such as `gzip` or `packed:avx512:1`.
 */
#define STORE_KIND_MAX 63

struct store_derived {
	struct store_digest digest; /* for store_map_open */
	uint64_t size;              /* bytes */
};
/*
 * store_derived_find(store, source, kind, out, err): STORE_NOT_FOUND when there
 * is none or it is damaged: make it again.  Notes the use.  Some microseconds,
 * each time from the index.  Read.
 */
int store_derived_find(struct store *store, const struct store_digest *source, const char *kind,
		       struct store_derived *out, struct store_error *err) STORE_MUST_CHECK;
/*
 * store_derived_put(store, source, kind, data, size, out, err): store ${size}
 * bytes as what ${kind} makes of ${source}, in place of what was there.
 * STORE_NOT_FOUND when the source is not stored, STORE_DAMAGED when it is
 * damaged; STORE_QUOTA or STORE_FULL when there is no room for it, which is no
 * reason to fail what it was made for.  Write.
 */
int store_derived_put(struct store *store, const struct store_digest *source, const char *kind,
		      const void *data, size_t size, struct store_derived *out,
		      struct store_error *err) STORE_MUST_CHECK;
/*
 * store_derived_put_parts(store, source, kind, parts, count, out, err): the same for content that
 * lies in several places: ${parts} one after the other.  Write.
 */
struct store_part {
	const void *data;
	size_t size;
};
int store_derived_put_parts(struct store *store, const struct store_digest *source,
			    const char *kind, const struct store_part *parts, size_t count,
			    struct store_derived *out, struct store_error *err) STORE_MUST_CHECK;
/*
 * store_derived_name(store, source, kind, digest, err): the same for a blob
 * that is stored already: too large for memory, it came through a
 * store_writer.  Write.
 */
int store_derived_name(struct store *store, const struct store_digest *source, const char *kind,
		       const struct store_digest *digest, struct store_error *err) STORE_MUST_CHECK;
/* store_derived_drop: no longer that; STORE_NOT_FOUND if there was none.  Write. */
int store_derived_drop(struct store *store, const struct store_digest *source, const char *kind,
		       struct store_error *err) STORE_MUST_CHECK;

/* ---- blobs: arriving out of order (store/partial.c) ----------------------------- */

/*
 * A download: bytes come in any order, and what has come survives the process.
 * store_partial_open → (begin) → write* / save* → commit → unref.
 *
 * A *key* is whatever identifies the download, as a digest.  A *tag* is text
 * (one line) that is kept with it: the source's own mark for the content.
 *
 * Threads: begin, write, hash, save, check, commit and discard by one thread at a time;
 * the rest from any, also meanwhile, but those that speak of bytes only after
 * begin, or an open that resumed.
 */
struct store_partial;
#define STORE_PARTIAL_UNKNOWN UINT64_MAX
#define STORE_PARTIAL_TAG_MAX 1000 /* bytes */

/*
 * store_partial_open(store, key, out, err): what an earlier process left of
 * that download (store_partial_size is known then), or an empty one.
 * STORE_BUSY while it is open elsewhere.  *out has one reference.  Write.
 */
int store_partial_open(struct store *store, const struct store_digest *key,
		       struct store_partial **out, struct store_error *err) STORE_MUST_CHECK;
/*
 * store_partial_begin(p, size, tag, err): forget what there is; ${size} bytes are to come.  What
 * store_partial_data gave out before is gone.  Write.
 */
int store_partial_begin(struct store_partial *p, uint64_t size, const char *tag,
			struct store_error *err) STORE_MUST_CHECK;
/* store_partial_write(p, offset, data, size, err): bytes have come.  STORE_FULL.  Write. */
int store_partial_write(struct store_partial *p, uint64_t offset, const void *data, size_t size,
			struct store_error *err) STORE_MUST_CHECK;
/*
 * store_partial_hash(p, most, err): hash what has come in no order, as far as nothing is
 * missing and at most ${most} bytes, so that little is left for check; by pread(2), so
 * that a bad disk is an error.
 */
int store_partial_hash(struct store_partial *p, uint64_t most,
		       struct store_error *err) STORE_MUST_CHECK;
/* store_partial_save(p, err): what has come until now survives a kill.  Write. */
int store_partial_save(struct store_partial *p, struct store_error *err) STORE_MUST_CHECK;
/*
 * store_partial_check(p, expect, err): all has come: hash it and compare with
 * ${expect} unless NULL.  STORE_DIGEST: it was removed.
 */
int store_partial_check(struct store_partial *p, const struct store_digest *expect,
			struct store_error *err) STORE_MUST_CHECK;
/*
 * store_partial_commit(p, expect, ret_digest, err): check, where that was not
 * done, then sync it and make it a blob.  Write.
 */
int store_partial_commit(struct store_partial *p, const struct store_digest *expect,
			 struct store_digest *ret_digest, struct store_error *err) STORE_MUST_CHECK;
/* store_partial_discard(p): remove it; the caller's reference stays.  Write. */
void store_partial_discard(struct store_partial *p);
/* One more reference, one less; the last closes it.  What was saved stays for the next open. */
struct store_partial *store_partial_ref(struct store_partial *p);
void store_partial_unref(struct store_partial *p); /* NULL is allowed; before store_close */

/* Bytes in all (STORE_PARTIAL_UNKNOWN before begin), bytes that came, bytes that a kill leaves. */
uint64_t store_partial_size(const struct store_partial *p);
uint64_t store_partial_arrived(struct store_partial *p);
uint64_t store_partial_saved(struct store_partial *p);
const char *store_partial_tag(const struct store_partial *p); /* borrowed */
/* store_partial_run(p, offset): how many bytes have come from ${offset} on without a gap. */
uint64_t store_partial_run(struct store_partial *p, uint64_t offset);
/* store_partial_gap(p, from, …): the first gap at or after ${from}; false when there is none. */
bool store_partial_gap(struct store_partial *p, uint64_t from, uint64_t *ret_offset,
		       uint64_t *ret_size);
/* store_partial_data(p): [size], mapped; readable where bytes have come; valid with a reference. */
const void *store_partial_data(const struct store_partial *p);
/*
 * store_partial_read(p, offset, out, size): copy what has come, without waiting for
 * the disk; how much (at most ${size}), or 0: store_partial_populate first, or STORE_IO.
 */
ssize_t store_partial_read(struct store_partial *p, uint64_t offset, void *out, size_t size);
/* As store_map_populate. */
int store_partial_populate(struct store_partial *p, uint64_t offset, size_t size,
			   struct store_error *err) STORE_MUST_CHECK;
/* store_partial_peek(store, key): bytes that an earlier process left of a download.  Write. */
uint64_t store_partial_peek(struct store *store, const struct store_digest *key);
/*
 * store_partial_sweep(store, older_s, ret_bytes, err): remove downloads that
 * are not open and were not written to for ${older_s} seconds; *ret_bytes
 * (may be NULL) is the disk space that came free.  Write.
 */
int store_partial_sweep(struct store *store, int64_t older_s, uint64_t *ret_bytes,
			struct store_error *err) STORE_MUST_CHECK;

/* ---- chunks: what a new version has in common with what is stored (store/chunk*.c) ---- */

/*
 * A *chunk list* says of a file where it is cut (by its content and where its
 * tensors begin; chunk.c) and the SHA-256 of each piece.  Two versions of a file
 * have most of their chunks in common, so the new one can be put together from
 * what is stored and a few ranges.  Kept as derived blobs of this kind, which
 * is also the version of both the cutting and the format:
 *
 *   "larder-chunks 1" LF, SHA-256 in hex, blank, size, blank, count of chunks, LF
 *   for each chunk its size (4 bytes, little-endian) and its SHA-256 (32 bytes)
 */
#define STORE_CHUNK_KIND "chunks:1"
#define STORE_CHUNK_MIN ((size_t)8192)           /* bytes; only the last may be smaller */
#define STORE_CHUNK_MAX ((size_t)131072)         /* bytes */
#define STORE_CHUNK_FILE_MIN (UINT64_C(1) << 20) /* smaller files are not worth it */

struct store_chunk {
	struct store_digest digest;
	uint32_t size; /* bytes */
};
struct store_chunk_list {
	struct store_digest digest; /* of the whole */
	uint64_t size;
	struct store_chunk *chunk; /* [count]; owned */
	size_t count;
};
/*
 * store_chunk_list_make(data, size, out, err): cut and hash a file in memory.
 * Takes one or two seconds per GB.  store_chunk_list_drop frees what is in it.
 * store_chunk_list_file: the same of an open file.  STORE_IO, STORE_INVALID when there is nothing
 * in it.  Must not be cut short meanwhile.
 */
int store_chunk_list_make(const void *data, size_t size, struct store_chunk_list *out,
			  struct store_error *err) STORE_MUST_CHECK;
int store_chunk_list_file(int fd, struct store_chunk_list *out,
			  struct store_error *err) STORE_MUST_CHECK;
void store_chunk_list_drop(struct store_chunk_list *list);
/* store_chunk_list_print(list, ret, ret_size, err): as above; the caller frees *ret. */
int store_chunk_list_print(const struct store_chunk_list *list, void **ret, size_t *ret_size,
			   struct store_error *err) STORE_MUST_CHECK;
/* store_chunk_list_parse(data, size, out, err): STORE_INVALID when it is not one. */
int store_chunk_list_parse(const void *data, size_t size, struct store_chunk_list *out,
			   struct store_error *err) STORE_MUST_CHECK;
/*
 * store_chunk_list_of(store, digest, stop, out, err): that of a blob; made and
 * kept when there is none yet.  ${stop} (may be NULL) is asked now and then and
 * ends it with STORE_BUSY.  Write.
 */
int store_chunk_list_of(struct store *store, const struct store_digest *digest, bool (*stop)(void),
			struct store_derived *out, struct store_error *err) STORE_MUST_CHECK;
/*
 * store_chunk_seed(store, p, list, model, path, stop, ret_bytes, err): after
 * begin: put into the download ${p} what the store has of the file that ${list}
 * tells of, from any of its blobs; those of ${model} and of the same ${path}
 * first.  A find between two gaps that is too small to be worth a request of
 * its own is left out.  *ret_bytes is how much was found.  Nothing of it is
 * believed before the digest of the whole is checked.  Write.
 */
int store_chunk_seed(struct store *store, struct store_partial *p,
		     const struct store_chunk_list *list, const char *model, const char *path,
		     bool (*stop)(void), uint64_t *ret_bytes,
		     struct store_error *err) STORE_MUST_CHECK;
/*
 * store_chunk_seed_kin(store, model, path, ret_any): is an older version of that
 * file stored, worth a list?  *ret_any: is anything?  Read.
 */
bool store_chunk_seed_kin(struct store *store, const char *model, const char *path, bool *ret_any);

/* ---- models: import (store/import.c) ---------------------------------------- */

/*
 * store_import_begin → store_import_add* → store_import_commit, or
 * store_import_abort.  Add names a blob that is already stored (STORE_NOT_FOUND
 * otherwise) by ${path}; the same path twice is STORE_EXISTS.  Commit writes
 * the snapshot and moves the revision to it in one transaction: readers see
 * the old snapshot or the new one, never a mixture.  A snapshot with the same
 * file list is the same snapshot.  An import without a file is STORE_INVALID.
 * Blobs added to an import that is open are never collected.  Writes.
 */
int store_import_begin(struct store *store, const char *model, const char *revision,
		       struct store_import **out, struct store_error *err) STORE_MUST_CHECK;
int store_import_add(struct store_import *im, const char *path, const struct store_digest *digest,
		     struct store_error *err) STORE_MUST_CHECK;
int store_import_commit(struct store_import *im, char ret_commit[STORE_COMMIT_HEX + 1],
			struct store_error *err) STORE_MUST_CHECK; /* takes im */
void store_import_abort(struct store_import *im);                  /* NULL is allowed */

/* ---- models: reading (store/file.c, model.c) ----------------------------------- */

/* One file of a snapshot, as a copy: nothing in it points into the store. */
struct store_file {
	struct store_digest digest;
	uint64_t size;      /* bytes */
	int64_t modified_s; /* Unix time at which the snapshot was made */
	char commit[STORE_COMMIT_HEX + 1];
	bool by_commit; /* the revision asked for was a commit, so the answer never changes */
};

/*
 * store_file_find(store, model, revision, path, out, err): ${model} as
 * `org/name` or `org--name`; ${revision} a name, a full commit or an
 * unambiguous prefix of one (≥ 7 digits).  STORE_NOT_FOUND says which of the
 * three is unknown.  Hot: answered from memory while the index has not
 * changed.  Records the use (kept in memory, written now and then).  Read.
 */
int store_file_find(struct store *store, const char *model, const char *revision, const char *path,
		    struct store_file *out, struct store_error *err) STORE_MUST_CHECK;

/* What store_model_list and store_model_files hand to their callbacks; valid during the call. */
struct store_model_info {
	const char *model;    /* `org/name` */
	const char *revision; /* name */
	const char *commit;
	uint64_t file_count;
	uint64_t size_bytes; /* sum over the snapshot's files */
	int64_t modified_s;  /* Unix time */
	int64_t used_s;      /* Unix time of the last use; 0 = never */
	bool pinned;
};
struct store_file_info {
	const char *path;
	struct store_digest digest;
	uint64_t size;
};
/* Return 0 to go on; anything else stops the walk and becomes the function's result. */
typedef int store_model_f(void *arg, const struct store_model_info *info);
typedef int store_file_f(void *arg, const struct store_file_info *info);

/* store_model_list: one call per (model, revision), ordered by name.  Read. */
int store_model_list(struct store *store, store_model_f *fn, void *arg,
		     struct store_error *err) STORE_MUST_CHECK;
/* store_model_find: one (model, revision); the info is handed to ${fn}.  Read. */
int store_model_find(struct store *store, const char *model, const char *revision,
		     store_model_f *fn, void *arg, struct store_error *err) STORE_MUST_CHECK;
/* store_model_files: every file of one snapshot, ordered by path (bytewise).  Read. */
int store_model_files(struct store *store, const char *model, const char *revision,
		      store_file_f *fn, void *arg, struct store_error *err) STORE_MUST_CHECK;
/*
 * store_model_remove(store, model, revision, err): forget a revision, or the
 * whole model when ${revision} is NULL; blobs that nothing names any more are
 * deleted (their mappings stay valid until unreferenced).  A snapshot goes with
 * the last name for it, or with all its names when ${revision} is a commit; a
 * model goes when it has no named revision left.  Write.
 */
int store_model_remove(struct store *store, const char *model, const char *revision,
		       struct store_error *err) STORE_MUST_CHECK;
/* What one model takes, all its snapshots together (store/usage.c).  Bytes. */
struct store_usage {
	uint64_t stored;  /* its contents, each once */
	uint64_t shared;  /* of them, contents that other models have too */
	uint64_t derived; /* made of its contents, in addition */
};
int store_usage_get(struct store *store, const char *model, struct store_usage *out,
		    struct store_error *err) STORE_MUST_CHECK; /* read */

struct store_usage_snapshot {
	const char *commit;
	const char *revision; /* a name of it; NULL: it has none */
	uint64_t file_count, size_bytes;
	int64_t modified_s, used_s; /* Unix time; 0 = never used */
};
typedef int store_usage_f(void *arg, const struct store_usage_snapshot *snapshot);
/*
 * store_usage_snapshots: one call per name of a snapshot, and one for each that
 * has none; newest first, names of one by name.  As store_model_list.  Read.
 */
int store_usage_snapshots(struct store *store, const char *model, store_usage_f *fn, void *arg,
			  struct store_error *err) STORE_MUST_CHECK;

struct store_holder {
	const char *model, *commit;
	const char *revision; /* a name of the snapshot; NULL: it has none */
	const char *path;
};
/* Return 0 to go on, as store_model_f. */
typedef int store_holder_f(void *arg, const struct store_holder *holder);
/*
 * store_usage_holders: one call per file of a named or unnamed snapshot that has that content,
 * in no order; none for content that is not stored.  As store_model_list.  Read.
 */
int store_usage_holders(struct store *store, const struct store_digest *digest, store_holder_f *fn,
			void *arg, struct store_error *err) STORE_MUST_CHECK;

/* store_model_pin: a pinned model is never evicted.  Write. */
int store_model_pin(struct store *store, const char *model, bool pinned,
		    struct store_error *err) STORE_MUST_CHECK;

/* ---- what may stay (store/evict.c) ------------------------------------------------- */

/* All that went, counted. */
struct store_evicted {
	uint64_t derived, snapshots, models; /* models: whole ones */
	uint64_t blobs, bytes;               /* removed from the disk */
};
/*
 * What went, one by one: a snapshot, or with ${commit} NULL the whole model.
 * Called from the thread that made it go, with nothing locked.
 */
typedef void store_gone_f(void *arg, const char *model, const char *commit);

#define STORE_KEEP_ALL UINT64_MAX
struct store_limits {
	uint64_t max_bytes;      /* of all blobs together; 0 = no limit */
	uint64_t keep_snapshots; /* of a model, besides those that have a name; STORE_KEEP_ALL */
	store_gone_f *gone;      /* may be NULL */
	void *arg;               /* for gone */
};
/*
 * store_evict_limits(store, limits): from now on.  A store that was just opened
 * has none.  The quota holds without being asked: a writer that would exceed it
 * evicts first, and fails with STORE_QUOTA when too little can go; and every
 * import drops the oldest snapshots beyond keep_snapshots.
 *
 * What can go, in this order: derived blobs; snapshots without a name; whole
 * models, each time what was not used for longest.  Never: what is pinned, what
 * an open import lists, what was uploaded and waits for its name.  Mappings of
 * what went stay valid, and keep its bytes on the disk until they are given up.
 */
void store_evict_limits(struct store *store, const struct store_limits *limits);
/*
 * store_evict(store, room_bytes, fn, arg, out, err): do all of that now, so that
 * ${room_bytes} more would fit.  STORE_QUOTA when they cannot, and then nothing
 * was evicted for their sake.  ${fn} (may be NULL) is called besides that of the
 * limits.  *out is always written.  Write.
 */
int store_evict(struct store *store, uint64_t room_bytes, store_gone_f *fn, void *arg,
		struct store_evicted *out, struct store_error *err) STORE_MUST_CHECK;

/* ---- care (store/verify.c, use.c, store.c) -------------------------------------- */

struct store_verify {
	uint64_t blobs, bytes; /* looked at */
	uint64_t damaged;      /* content or size wrong, or unreadable: quarantined */
	uint64_t missing;      /* named by the index, not on disk */
	uint64_t foreign;      /* on disk, not in the index: removed */
};
/*
 * store_verify(store, fn, arg, stop, out, err): hash every blob again.  A damaged
 * blob is quarantined: never mapped or served again until the same content is
 * written anew.  ${fn} (may be NULL) is called per blob that is not well.
 * Blocks for as long as the disk takes, or until ${*stop} becomes true (any
 * thread; NULL: never): STORE_STOPPED, and what was found so far stays so.  Write.
 */
typedef int store_verify_f(void *arg, const struct store_digest *digest, const char *what);
int store_verify(struct store *store, store_verify_f *fn, void *arg, const atomic_bool *stop,
		 struct store_verify *out, struct store_error *err) STORE_MUST_CHECK;
/* store_verify_blob(store, digest, fn, arg, stop, err): the same of one.  STORE_NOT_FOUND.  Write.
 */
int store_verify_blob(struct store *store, const struct store_digest *digest, store_verify_f *fn,
		      void *arg, const atomic_bool *stop, struct store_error *err) STORE_MUST_CHECK;

/*
 * store_scrub_new → store_scrub_step* → store_scrub_free: the same, a little at
 * a time and from then on.  A pass goes over all blobs; the next one begins
 * ${rest_s} after it began.  Where a pass stands is kept over restarts, to
 * within STORE_SCRUB_KEEP bytes.  What is read from the disk for this does not
 * stay in memory in place of what is used.  One thread at a time.  Writes.
 *
 * store_scrub_step(scrub, bytes, fn, arg, out, err): about ${bytes} further (a
 * small blob counts for more than it has).  ${fn} (may be NULL) is called per
 * blob that was found damaged: here it could be fetched again.
 */
#define STORE_SCRUB_KEEP (UINT64_C(256) << 20)
struct store_scrub; /* opaque: the blob that is being read */
struct store_scrub_state {
	bool resting;             /* between two passes: there is nothing to do for a while */
	uint64_t bytes, blobs;    /* read since store_scrub_new */
	uint64_t damaged;         /* found since then */
	int64_t began_s, ended_s; /* of the pass under way or the last one; 0: none yet */
};
int store_scrub_new(struct store *store, int64_t rest_s, struct store_scrub **out,
		    struct store_error *err) STORE_MUST_CHECK;
int store_scrub_step(struct store_scrub *scrub, uint64_t bytes, store_verify_f *fn, void *arg,
		     struct store_scrub_state *out, struct store_error *err) STORE_MUST_CHECK;
void store_scrub_free(struct store_scrub *scrub); /* NULL is allowed; before store_close */

struct store_rebuild {
	uint64_t blobs, bytes;             /* hashed */
	uint64_t damaged;                  /* of them: quarantined */
	uint64_t missing;                  /* named by a manifest, not on disk */
	uint64_t models, snapshots, files; /* that have their names again */
	uint64_t lost;      /* manifests that cannot be read, names that lead nowhere */
	uint64_t recovered; /* snapshots of a model that is not known: `recovered/COMMIT` */
};
/*
 * store_rebuild(store, fn, arg, stop, out, err): make the index again from blobs and
 * manifests, each blob hashed, and put it in the place of the one there is,
 * which is set aside as index.aside-N.sqlite.  Until then reads go on where
 * they can and writes fail with STORE_BUSY; after a failure everything is as
 * before.  Blobs that nothing names wait to be named, as after a write.  Blocks
 * for as long as the disk takes, or until ${*stop} becomes true, as above.  Write.
 */
int store_rebuild(struct store *store, store_verify_f *fn, void *arg, const atomic_bool *stop,
		  struct store_rebuild *out, struct store_error *err) STORE_MUST_CHECK;

/* How the store is; ${text} is for operators and empty when all is well. */
struct store_health {
	int status; /* what stands in the way; 0: nothing */
	char text[300];
	bool read_only;   /* nothing can be written */
	bool index_lost;  /* nothing can be found either: store_rebuild */
	uint64_t damaged; /* blobs that are quarantined */
};
/* store_health_get(store, out): some microseconds.  Read. */
void store_health_get(struct store *store, struct store_health *out);
/*
 * store_health_retry(store, err): try again what could not be done when the
 * store was opened: lock and write, open the index.  0 when there is nothing
 * (any more) to try.  Call it now and then.  Write.
 */
int store_health_retry(struct store *store, struct store_error *err) STORE_MUST_CHECK;

/*
 * store_use_flush(store, err): write the last uses that are noted in memory;
 * store_close does it too.  Call it every few minutes.  Write.
 */
int store_use_flush(struct store *store, struct store_error *err) STORE_MUST_CHECK;

struct store_stats {
	uint64_t models, files, blobs, blob_bytes; /* stored, derived blobs included */
	uint64_t derived, derived_bytes;           /* blobs that are only kept as derived ones */
	uint64_t maps;                             /* mappings that exist now */
	uint64_t max_bytes;                        /* the quota; 0 = none */
	uint64_t reserved_bytes;                   /* of it, promised to writers */
	struct store_evicted evicted;              /* since the store was opened */
};
int store_stats_get(struct store *store, struct store_stats *out,
		    struct store_error *err) STORE_MUST_CHECK; /* read */
/* store_generation(store): a number that changes whenever a name may mean something else. Read. */
uint64_t store_generation(struct store *store);

#endif
