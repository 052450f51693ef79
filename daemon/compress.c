/* SPDX-License-Identifier: MIT */
/*
 * compress.c — zlib and libzstd behind one function.  Called by encode.c on
 * pool threads; must never write more than it was allowed to, so that what does
 * not shrink costs no more than what does.
 */
#include <config.h>

#include "daemon/compress.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST /* next_in is not written to */
#include <zlib.h>
#include <zstd.h>

#include "daemon/must.h"

#define STEP_BYTES ((size_t)256 << 10)
#define GZIP_LEVEL 6 /* higher ones cost much and gain little */
#define ZSTD_LEVEL 9
#define ZSTD_WINDOW_LOG 23 /* 8 MB: what a client must have (RFC 9659 §3) */

struct work {
	const unsigned char *data;
	size_t size;
	unsigned char *out;
	size_t room, used;
	bool (*stop)(void);
};

/* How much of the rest goes in next. */
static size_t step(size_t size, size_t at)
{
	return size - at < STEP_BYTES ? size - at : STEP_BYTES;
}

static enum compress_result with_gzip(struct work *w)
{
	enum compress_result result = COMPRESS_FAILED;
	z_stream z;
	size_t at = 0;

	memset(&z, 0, sizeof(z));
	/* 16: a gzip header instead of zlib's */
	if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return COMPRESS_FAILED;
	z.next_out = w->out;
	z.avail_out = (uInt)w->room;
	for (;;) {
		size_t n = step(w->size, at);
		int rc;

		if (w->stop != NULL && w->stop()) {
			result = COMPRESS_STOPPED;
			break;
		}
		z.next_in = w->data + at;
		z.avail_in = (uInt)n;
		at += n;
		rc = deflate(&z, at == w->size ? Z_FINISH : Z_NO_FLUSH);
		if (rc == Z_STREAM_END) {
			w->used = w->room - z.avail_out;
			result = COMPRESS_OK;
			break;
		}
		if (z.avail_out == 0) {
			result = COMPRESS_LARGE;
			break;
		}
		if (rc != Z_OK || at == w->size)
			break;
	}
	(void)deflateEnd(&z);
	return result;
}

static enum compress_result zstd_steps(struct work *w, ZSTD_CCtx *c)
{
	ZSTD_outBuffer out = {w->out, w->room, 0};
	size_t at = 0;

	for (;;) {
		size_t n = step(w->size, at), left;
		bool last = at + n == w->size;
		ZSTD_inBuffer in = {w->data + at, n, 0};

		if (w->stop != NULL && w->stop())
			return COMPRESS_STOPPED;
		do {
			left =
			    ZSTD_compressStream2(c, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
			if (ZSTD_isError(left))
				return COMPRESS_FAILED;
			if (out.pos == out.size && (in.pos < in.size || !last || left != 0))
				return COMPRESS_LARGE;
		} while (in.pos < in.size || (last && left != 0));
		at += n;
		if (last) {
			w->used = out.pos;
			return COMPRESS_OK;
		}
	}
}

static enum compress_result with_zstd(struct work *w)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	enum compress_result result = COMPRESS_FAILED;

	if (c != NULL &&
	    !ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, ZSTD_LEVEL)) &&
	    !ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, ZSTD_WINDOW_LOG)) &&
	    !ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(c, w->size)))
		result = zstd_steps(w, c);
	(void)ZSTD_freeCCtx(c);
	return result;
}

enum compress_result compress_bytes(enum negotiate_coding coding, const void *data, size_t size,
				    size_t limit, bool (*stop)(void), void **ret_data,
				    size_t *ret_size)
{
	struct work w = {.data = data, .size = size, .room = limit, .stop = stop};
	enum compress_result result;

	must(coding == CODING_GZIP || coding == CODING_ZSTD);
	if (limit == 0)
		return COMPRESS_LARGE;
	if (limit > UINT_MAX)
		return COMPRESS_FAILED;
	w.out = malloc(limit);
	if (w.out == NULL)
		return COMPRESS_FAILED;
	result = coding == CODING_GZIP ? with_gzip(&w) : with_zstd(&w);
	if (result != COMPRESS_OK) {
		free(w.out);
		return result;
	}
	*ret_data = w.out;
	*ret_size = w.used;
	return COMPRESS_OK;
}
