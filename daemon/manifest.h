/* SPDX-License-Identifier: MIT */
/*
 * manifest.h — manifests: what a machine should hold, as one file that may be
 * signed.  Applied by a job (warm.h), kept by name in the state folder, and
 * applied again every manifest_interval.  larder.conf(5) and larderctl(1) say
 * what is in one.  Event loop, unless said otherwise.
 */
#ifndef LARDER_DAEMON_MANIFEST_H
#define LARDER_DAEMON_MANIFEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct context;
struct fault;
struct manifests;
struct warm_job;

#define MANIFEST_BYTES_MAX ((size_t)256 << 10)

/*
 * manifest_open(ctx, out): reads the key and what is kept; before anything is begun on the pool,
 * since it may fail.  0 or -1 (logged).
 */
int manifest_open(struct context *ctx, struct manifests **out);
void manifest_stop(struct manifests *m);  /* none is applied any more; NULL is allowed */
void manifest_close(struct manifests *m); /* NULL is allowed */

/*
 * manifest_add(m, ask, fault): apply {"manifest":"the file","signature":"base64",
 * "prune":bool}: a job that has not begun (warm_add).  The manifest takes the
 * place of one of the same name.  NULL with the fault: 400 it is none, 403 its
 * signature is missing or wrong.
 */
struct warm_job *manifest_add(struct manifests *m, const json_t *ask, struct fault *fault);
/*
 * manifest_text(m, ret_version): what is kept now; the caller frees it.  manifest_write(m, text,
 * version): write that down, unless something newer was; any thread but the loop's; false with
 * errno: it could not be.
 */
char *manifest_text(struct manifests *m, uint64_t *ret_version);
bool manifest_write(struct manifests *m, const char *text, uint64_t version);

/* manifest_list(m): [{name, models, signed, prune, applied, job}]; a new reference. */
json_t *manifest_list(const struct manifests *m);
/* manifest_remove(m, name): it is not applied again; false: there is none. */
bool manifest_remove(struct manifests *m, const char *name);
/*
 * manifest_names(m): {"model\nrevision": true} of all manifests that are kept:
 * what stays when one of them prunes; a new reference.
 */
json_t *manifest_names(const struct manifests *m);

#endif
