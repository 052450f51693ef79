/* SPDX-License-Identifier: MIT */
/*
 * residency_load.c — see residency_load.h.  Called by residency.c on a pool
 * thread, without its lock.
 *
 * Every page of every file is read here (but for a mere check), by the system call that reports an
 * unreadable one: a bad disk fails the load, and does not kill the process from
 * under a mapping.  Where packed weights are stored those are read instead; what little is
 * needed of the files then is under the guard of the runtime (rt_guard_install).
 */
#include <config.h>

#include "daemon/residency_load.h"

#include "daemon/fault.h"
#include "daemon/frame.h"
#include "daemon/residency_pack.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FRAME_JSON_MAX 65536
#define READ_BYTES ((size_t)8 << 20)

/* What find_data needs to know. */
struct finder {
	struct residency_load *load;
	const struct runnable *what;
	const struct residency_load_opts *opts;
	struct rt_error *err;
};

/* rt_unread_f: these pages need not be in this process' memory; the system keeps them. */
static void unread(void *arg, const void *data, size_t size)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	const uintptr_t from = ((uintptr_t)data + page - 1) & ~(page - 1);
	const uintptr_t to = ((uintptr_t)data + size) & ~(page - 1);

	(void)arg;
	if (from < to) /* a map of a file: a page that is needed after all comes again */
		(void)madvise((void *)from, to - from, MADV_DONTNEED);
}

/* All of its pages, a part at a time; ${stay}: every run reads them. */
static int read_in(const struct store_map *map, bool stay, struct residency_progress *progress,
		   struct store_error *why)
{
	size_t size = store_map_size(map), at, n;

	if (progress != NULL)
		atomic_fetch_add(&progress->total, size);
	for (at = 0; at < size; at += n) {
		n = size - at < READ_BYTES ? size - at : READ_BYTES;
		if (store_map_populate(map, at, n, why) != 0)
			return -1;
		if (!stay)
			unread(NULL, (const char *)store_map_data(map) + at, n);
		if (progress != NULL)
			atomic_fetch_add(&progress->done, n);
	}
	return 0;
}

static bool make_room(struct residency_load *l)
{
	size_t cap = l->map_cap == 0 ? 4 : l->map_cap * 2;
	struct store_map **more;

	if (l->map_count < l->map_cap)
		return true;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): pointers are what it holds */
	more = realloc(l->maps, cap * sizeof *more);
	if (more == NULL)
		return false;
	l->maps = more;
	/* fanalyzer-suppress malloc-leak: l->maps has it */
	l->map_cap = cap;
	return true;
}

/* Map a blob, read it in, and keep it as long as the model. */
static int hold(struct residency_load *l, const struct residency_load_opts *opts,
		const struct store_digest *digest, const char *name, struct rt_bytes *out,
		struct rt_error *err)
{
	struct store_map *map;
	struct store_error why;

	if (!make_room(l))
		return rt_error_set(err, RT_MEMORY, "out of memory");
	if (store_map_open(opts->store, digest, &map, &why) != 0)
		return rt_error_set(err, RT_IO, "%s: %s", name, why.text);
	l->maps[l->map_count++] = map;
	l->mapped_bytes += store_map_size(map);
	if (!opts->check_only && !opts->is_packed && read_in(map, false, opts->progress, &why) != 0)
		return rt_error_set(err, RT_IO, "%s: %s", name, why.text);
	*out = (struct rt_bytes){store_map_data(map), store_map_size(map)};
	return RT_OK;
}

struct store_map *residency_load_map(struct residency_load *l,
				     const struct residency_load_opts *opts,
				     const struct store_digest *digest)
{
	struct store_error why;
	struct store_map *map;

	if (!make_room(l) || store_map_open(opts->store, digest, &map, &why) != 0)
		return NULL;
	if (read_in(map, true, opts->progress, &why) != 0) {
		store_map_unref(map);
		return NULL;
	}
	l->maps[l->map_count++] = map;
	l->mapped_bytes += store_map_size(map);
	return map;
}

/* rt_packed_f */
static void find_packed(void *arg, struct rt_packed *out)
{
	struct finder *f = arg;

	residency_pack_find(f->load, f->opts, out);
}

/* rt_find_f: `location` is relative to the folder of the model's file. */
static int find_data(void *arg, const char *location, struct rt_bytes *out)
{
	struct finder *f = arg;
	const char *slash = strrchr(f->what->path, '/');
	int folder = slash != NULL ? (int)(slash - f->what->path) + 1 : 0;
	char path[STORE_PATH_MAX + 1];
	struct store_file file;
	struct store_error why;
	int n;

	while (strncmp(location, "./", 2) == 0)
		location += 2;
	n = snprintf(path, sizeof path, "%.*s%s", folder, f->what->path, location);
	if (n < 0 || (size_t)n >= sizeof path)
		return rt_error_set(f->err, RT_NOT_FOUND, "external data: the name is too long");
	if (store_file_find(f->opts->store, f->what->model, f->what->file.commit, path, &file,
			    &why) != 0)
		return rt_error_set(f->err,
				    why.status == STORE_NOT_FOUND || why.status == STORE_INVALID
					? RT_NOT_FOUND
					: RT_IO,
				    "external data \"%.200s\": %s", location, why.text);
	return hold(f->load, f->opts, &file.digest, location, out, f->err);
}

static int list_ports(struct residency_load *l, struct rt_error *err)
{
	size_t ins = rt_model_input_count(l->model), outs = rt_model_output_count(l->model);

	/* NOLINTNEXTLINE(bugprone-sizeof-expression): pointers are what it holds */
	l->port_list = calloc(ins + outs + 1, sizeof *l->port_list);
	if (l->port_list == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	for (size_t i = 0; i < ins; i++)
		l->port_list[i] = rt_model_input(l->model, i);
	for (size_t i = 0; i < outs; i++)
		l->port_list[ins + i] = rt_model_output(l->model, i);
	l->ports = (struct oip_ports){ins, outs, l->port_list, l->port_list + ins, NULL};
	return RT_OK;
}

/*
 * How frames become the model's input, if its snapshot says so.  A description that
 * is not understood is as none: the model runs on tensors all the same.
 */
static void find_frame(struct residency_load *l, const struct runnable *what, struct store *store)
{
	struct frame_spec *spec = malloc(sizeof *spec);
	struct store_file file;
	struct store_error why;
	struct store_map *map = NULL;
	struct fault fault;
	json_t *root = NULL;

	if (spec != NULL &&
	    store_file_find(store, what->model, what->file.commit, "preprocessor_config.json",
			    &file, &why) == 0 &&
	    file.size <= FRAME_JSON_MAX && store_map_open(store, &file.digest, &map, &why) == 0 &&
	    store_map_populate(map, 0, store_map_size(map), &why) == 0)
		root = json_loadb(store_map_data(map), store_map_size(map), 0, NULL);
	if (root != NULL && frame_spec_parse(root, spec, &fault) == 0) {
		l->frame = spec;
		l->ports.frame = spec;
		spec = NULL;
	}
	json_decref(root);
	store_map_unref(map);
	free(spec);
}

int residency_load_open(struct residency_load *l, const struct runnable *what,
			const struct residency_load_opts *asked, struct rt_error *err)
{
	struct residency_load_opts opts_here = *asked, *opts = &opts_here;
	struct finder finder = {l, what, opts, err};
	struct rt_model_opts model_opts = {
	    .cpu_level = opts->cpu_level,
	    .find = find_data,
	    .find_arg = &finder,
	    .memory_budget = opts->memory_budget,
	    .check_only = opts->check_only,
	    .packed = find_packed,
	    .packed_arg = &finder,
	    .unread = unread,
	};
	struct rt_bytes bytes = {NULL, 0};
	int status;

	opts->is_packed = !opts->check_only &&
			  residency_pack_known(opts->store, &what->file.digest, opts->cpu_level);
	status = hold(l, opts, &what->file.digest, what->path, &bytes, err);
	if (status == RT_OK)
		status = rt_model_open(bytes, &model_opts, &l->model, err);
	if (status == RT_OK)
		status = list_ports(l, err);
	if (status == RT_OK)
		find_frame(l, what, opts->store);
	if (status != RT_OK)
		residency_load_close(l);
	return status;
}

void residency_load_close(struct residency_load *l)
{
	rt_model_close(l->model);
	for (size_t i = 0; i < l->map_count; i++)
		store_map_unref(l->maps[i]);
	free(l->maps);
	free(l->port_list);
	free(l->frame);
	memset(l, 0, sizeof *l);
}
