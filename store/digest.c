/* SPDX-License-Identifier: MIT */
/*
 * digest.c — SHA-256 and its spellings.  The only file of store/ that knows
 * OpenSSL; the computation itself is libcrypto's.
 */
#include <config.h>

#include "store/digest.h"
#include "store/status.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024 };

struct store_hash {
	EVP_MD_CTX *evp;
};

/* The value of one lower-case hex digit, or -1. */
static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

bool store_digest_parse(const char *hex, size_t len, struct store_digest *out)
{
	struct store_digest d;

	if (len != STORE_DIGEST_HEX)
		return false;
	for (size_t i = 0; i < STORE_DIGEST_BYTES; i++) {
		int high = hex_value(hex[2 * i]);
		int low = hex_value(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		d.bytes[i] = (uint8_t)(high << 4 | low);
	}
	*out = d;
	return true;
}

void store_digest_hex(const struct store_digest *d, char hex[STORE_DIGEST_HEX + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < STORE_DIGEST_BYTES; i++) {
		hex[2 * i] = digits[d->bytes[i] >> 4];
		hex[2 * i + 1] = digits[d->bytes[i] & 15];
	}
	hex[STORE_DIGEST_HEX] = '\0';
}

void store_digest_base64(const struct store_digest *d, char out[45])
{
	/* 32 bytes are 44 characters, the last of them one `=`; the NUL is written too. */
	EVP_EncodeBlock((unsigned char *)out, d->bytes, STORE_DIGEST_BYTES);
}

bool store_digest_equal(const struct store_digest *a, const struct store_digest *b)
{
	return memcmp(a->bytes, b->bytes, STORE_DIGEST_BYTES) == 0; /* no secret */
}

int store_digest_of(const void *data, size_t size, struct store_digest *out)
{
	struct store_digest d;

	if (EVP_Digest(data, size, d.bytes, NULL, EVP_sha256(), NULL) != 1)
		return STORE_MEMORY;
	*out = d;
	return 0;
}

int store_digest_begin(struct store_hash **out, struct store_error *err)
{
	struct store_hash *hash = malloc(sizeof(*hash));

	if (hash == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	hash->evp = EVP_MD_CTX_new();
	if (hash->evp == NULL || EVP_DigestInit_ex(hash->evp, EVP_sha256(), NULL) != 1) {
		store_digest_drop(hash);
		return store_status_fail(err, STORE_MEMORY, NULL);
	}
	*out = hash;
	return 0;
}

int store_digest_add(struct store_hash *hash, const void *data, size_t size,
		     struct store_error *err)
{
	if (EVP_DigestUpdate(hash->evp, data, size) != 1)
		return store_status_fail(err, STORE_MEMORY, NULL);
	return 0;
}

int store_digest_end(struct store_hash *hash, struct store_digest *out, struct store_error *err)
{
	struct store_digest d;
	int ok = EVP_DigestFinal_ex(hash->evp, d.bytes, NULL);

	store_digest_drop(hash);
	if (ok != 1)
		return store_status_fail(err, STORE_MEMORY, NULL);
	*out = d;
	return 0;
}

void store_digest_drop(struct store_hash *hash)
{
	if (hash == NULL)
		return;
	EVP_MD_CTX_free(hash->evp);
	free(hash);
}

int store_digest_of_fd(int fd, const atomic_bool *stop, struct store_digest *out,
		       uint64_t *ret_size, struct store_error *err)
{
	struct store_hash *hash;
	uint64_t size = 0;
	uint8_t *buf;
	int status;

	status = store_digest_begin(&hash, err);
	if (status != 0)
		return status;
	buf = malloc(READ_BYTES);
	if (buf == NULL) {
		store_digest_drop(hash);
		return store_status_fail(err, STORE_MEMORY, NULL);
	}
	for (;;) {
		ssize_t n = pread(fd, buf, READ_BYTES, (off_t)size);

		if (n < 0 && errno == EINTR)
			continue;
		if (stop != NULL && atomic_load_explicit(stop, memory_order_relaxed))
			status = store_status_fail(err, STORE_STOPPED, NULL);
		else if (n < 0)
			status = store_status_errno(err, errno, "reading a blob");
		else if (n > 0)
			status = store_digest_add(hash, buf, (size_t)n, err);
		if (n <= 0 || status != 0)
			break;
		size += (uint64_t)n;
	}
	free(buf);
	if (status != 0) {
		store_digest_drop(hash);
		return status;
	}
	status = store_digest_end(hash, out, err);
	if (status == 0)
		*ret_size = size;
	return status;
}
