/* SPDX-License-Identifier: MIT */
/*
 * manifest_sign.c — is a manifest signed with the key that this machine trusts?
 * By OpenSSL; called by manifest.c.  It must never say yes for want of
 * something: only a verification that succeeded is one.
 */
#include <config.h>

#include "daemon/manifest_sign.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNATURE_BYTES 64
#define BASE64_CHARS 88 /* of 64 bytes, padded */

struct manifest_sign {
	EVP_PKEY *key;
};

struct manifest_sign *manifest_sign_open(const char *path)
{
	FILE *f = fopen(path, "re");
	EVP_PKEY *key = f == NULL ? NULL : PEM_read_PUBKEY(f, NULL, NULL, NULL);
	struct manifest_sign *out = NULL;

	if (f != NULL)
		(void)fclose(f);
	if (key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519)
		out = malloc(sizeof(*out));
	if (out == NULL)
		EVP_PKEY_free(key);
	else
		out->key = key;
	return out;
}

void manifest_sign_close(struct manifest_sign *key)
{
	if (key != NULL)
		EVP_PKEY_free(key->key);
	free(key);
}

bool manifest_sign_good(const struct manifest_sign *key, const void *data, size_t size,
			const char *base64)
{
	unsigned char signature[BASE64_CHARS];
	EVP_MD_CTX *ctx;
	bool good;

	/* 66 bytes with those that the padding stands for */
	if (strlen(base64) != BASE64_CHARS ||
	    EVP_DecodeBlock(signature, (const unsigned char *)base64, BASE64_CHARS) !=
		SIGNATURE_BYTES + 2)
		return false;
	ctx = EVP_MD_CTX_new();
	good = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key->key) == 1 &&
	       EVP_DigestVerify(ctx, signature, SIGNATURE_BYTES, data, size) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}
