/* SPDX-License-Identifier: MIT */
/*
 * shelf.h — stored files that were asked for lately, with everything that their
 * answers have in common made ready: mapping, header values, finished responses.
 */
#ifndef LARDER_DAEMON_SHELF_H
#define LARDER_DAEMON_SHELF_H

#include "daemon/reply.h"
#include "store/store.h"

struct shelf_item {
	unsigned refs;
	struct store_file file;
	struct store_map *map; /* a reference */
	const char *type;
	bool download;  /* Content-Disposition: attachment */
	char path[128]; /* that type and download were derived from; "" = a longer one */
	char etag[STORE_DIGEST_HEX + 3], size[24], repr_digest[64], modified[32];
	struct answer_kept *kept[REPLY_KEPT]; /* answer.h; by the status they are for */
};

/*
 * shelf_get(store, file, path, out, err): the item of a file that was found just
 * now; ${path} decides its type.  Borrowed until the next call, or referenced.
 * A negative store_status when it cannot be mapped.  Event loop, as all of these.
 */
int shelf_get(struct store *store, const struct store_file *file, const char *path,
	      struct shelf_item **out, struct store_error *err) STORE_MUST_CHECK;
struct shelf_item *shelf_item_ref(struct shelf_item *item);
void shelf_item_unref(struct shelf_item *item); /* NULL is allowed */
/* shelf_type(path, ret_download): its Content-Type, and whether it is a download to browsers. */
const char *shelf_type(const char *path, bool *ret_download);
/*
 * shelf_doubt(map): something of ${map} could not be sent, perhaps because its file is
 * not what it was: the store is asked for it again, and compares.
 */
void shelf_doubt(const struct store_map *map);
/* shelf_clear(): let go of everything; before the store is closed. */
void shelf_clear(void);

#endif
