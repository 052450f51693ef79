/* SPDX-License-Identifier: MIT */
/*
 * residency_load.h — a stored file, and the files it refers to, as a model that
 * can run.  Private to residency.c.
 */
#ifndef LARDER_DAEMON_RESIDENCY_LOAD_H
#define LARDER_DAEMON_RESIDENCY_LOAD_H

#include <stdatomic.h>

#include "daemon/oip.h"
#include "daemon/runnable.h"
#include "runtime/runtime.h"

/* The model and what it stands on.  Zeroed = nothing is loaded. */
struct residency_load {
	struct rt_model *model;
	struct store_map **maps; /* [map_count]; the model's bytes, then its weights' */
	size_t map_count, map_cap;
	size_t file_count; /* maps of these are the model's files; then what is packed of them */
	uint64_t mapped_bytes;
	struct oip_ports ports;
	struct frame_spec *frame; /* of its preprocessor_config.json; NULL = none */
	const struct rt_port **port_list;
};

/* How far it is, for those who look on; any thread. */
struct residency_progress {
	_Atomic uint64_t done, total; /* bytes of its files; total grows when one names another */
};

struct residency_load_opts {
	struct store *store;
	enum rt_cpu_level cpu_level;
	uint64_t memory_budget;              /* bytes */
	struct residency_progress *progress; /* NULL: nobody looks on */
	bool is_packed;  /* set by residency_load_open: files need not be read in */
	bool check_only; /* for what cannot run: nothing is read in, the model cannot run */
};

/*
 * residency_load_open(l, what, opts, err): ${l} zeroed.  External data are looked
 * for in the snapshot of ${what}, relative to its folder, through the index: no
 * name ever reaches a file system.  0 or a negative rt_status; ${l} is zeroed
 * again then.  Blocks for as long as the disk takes.
 */
int residency_load_open(struct residency_load *l, const struct runnable *what,
			const struct residency_load_opts *opts, struct rt_error *err) RT_MUST_CHECK;
/* residency_load_map(l, opts, digest): that blob, mapped and read in, kept until close; NULL when
 * it cannot be. */
struct store_map *residency_load_map(struct residency_load *l,
				     const struct residency_load_opts *opts,
				     const struct store_digest *digest);
/* residency_load_close(l): sessions of the model must be closed. */
void residency_load_close(struct residency_load *l);

#endif
