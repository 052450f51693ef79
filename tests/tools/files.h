/* SPDX-License-Identifier: MIT */
/*
 * files.h — what the three test tools need of the file system: whole files as
 * bytes, sorted folder listings, and the external-data look-up beside a model.
 */
#ifndef LARDER_TESTS_TOOLS_FILES_H
#define LARDER_TESTS_TOOLS_FILES_H

#include "runtime/runtime.h"

/* files_map(path, out): map a file read-only; false when it cannot be read.  files_unmap after. */
bool files_map(const char *path, struct rt_bytes *out);
void files_unmap(struct rt_bytes *b);
/* rt_unread_f for what files_map has mapped: whole pages go out of this process' memory. */
rt_unread_f files_unread;
bool files_is_dir(const char *path);
bool files_exists(const char *path);
/* files_join(a, b): "a/b", malloc'ed; exits when out of memory. */
char *files_join(const char *a, const char *b);

/* Names in a folder, sorted bytewise, without `.` and `..`; count −1 when it cannot be read. */
struct files_list {
	char **names;
	int count;
};
void files_list(const char *dir, struct files_list *out);
void files_list_free(struct files_list *l);

/* External data beside a model: the arg of rt_model_opts.find.  Keeps mappings until closed. */
struct files_beside {
	char *dir;
	struct rt_bytes maps[64];
	int count;
};
void files_beside_init(struct files_beside *b, const char *model_path);
rt_find_f files_beside_find;
void files_beside_release(struct files_beside *b);

#endif
