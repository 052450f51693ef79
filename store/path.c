/* SPDX-License-Identifier: MIT */
/* path.c — which paths a file of a model may have.  See name.c. */
#include <config.h>

#include "store/name.h"

bool store_path_ok(const char *path)
{
	return store_name_segments(path, STORE_PATH_MAX) > 0;
}
