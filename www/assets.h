/* SPDX-License-Identifier: MIT
 *
 * The web pages, the browser module and the sample model, embedded in the binary.
 * The list is www/assets.def. Everything here is constant for the life of the process and may
 * be read from any thread; nothing is ever freed.
 */
#ifndef WWW_ASSETS_H
#define WWW_ASSETS_H

#include <stddef.h>

/* One embedded file. `etag` is a strong entity tag as it goes on the wire (RFC 9110, 8.8.3):
 * a double quote, the SHA-256 of the data in lower-case hex, a double quote. */
struct www_asset {
	const char *path;          /* "/demo/", or the path inside the model for a sample file */
	const char *type;          /* Content-Type */
	const unsigned char *data; /* [size], aligned to 64 bytes */
	size_t size;               /* bytes */
	char etag[2 + 64 + 1];
};

/* The asset that is served at ${path} (exact, case-sensitive, no query string), or NULL if there
 * is none. Sample files are not found here. */
const struct www_asset *www_asset_find(const char *path);

/* All served assets, in the order of assets.def. */
extern const struct www_asset www_assets[];
extern const size_t www_assets_count;

/* The files of the sample model and the name that it is stored under. */
extern const struct www_asset www_sample[];
extern const size_t www_sample_count;
extern const char www_sample_name[];

#endif
