/* SPDX-License-Identifier: MIT */
/* manifest_sign.h — Ed25519 signatures (RFC 8032) of manifests.  For manifest.c.  Any thread. */
#ifndef LARDER_DAEMON_MANIFEST_SIGN_H
#define LARDER_DAEMON_MANIFEST_SIGN_H

#include <stdbool.h>
#include <stddef.h>

struct manifest_sign; /* a public key */

/* manifest_sign_open(path): from a PEM file; NULL: it holds no Ed25519 public key. */
struct manifest_sign *manifest_sign_open(const char *path);
void manifest_sign_close(struct manifest_sign *key); /* NULL is allowed */
/* manifest_sign_good(key, data, size, base64): is that its signature of those bytes? */
bool manifest_sign_good(const struct manifest_sign *key, const void *data, size_t size,
			const char *base64);

#endif
