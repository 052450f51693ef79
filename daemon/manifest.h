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

struct context;
struct fault;
struct manifests;
struct state_file_keeper;
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
/* manifest_keeper(m): for who answers for a change: state_file_text, then state_file_put. */
struct state_file_keeper *manifest_keeper(struct manifests *m);

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
