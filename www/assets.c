/* SPDX-License-Identifier: MIT
 *
 * The embedded files (assets.h). The bytes are in assets_data.h, which www/embed.sh writes
 * from assets.def at build time. The daemon asks for an asset by its URL path; this file must
 * never read a disk: what it serves is what was compiled in.
 */
#include <config.h>

#include "www/assets.h"

#include <string.h>

#include "www/assets_data.h"

const struct www_asset www_assets[] = {WWW_ASSETS_ROWS};
const size_t www_assets_count = sizeof(www_assets) / sizeof(www_assets[0]);

const struct www_asset www_sample[] = {WWW_SAMPLE_ROWS};
const size_t www_sample_count = sizeof(www_sample) / sizeof(www_sample[0]);
const char www_sample_name[] = "digits";

const struct www_asset *www_asset_find(const char *path)
{
	for (size_t i = 0; i < www_assets_count; i++)
		if (strcmp(www_assets[i].path, path) == 0)
			return &www_assets[i];
	return NULL;
}
