/* SPDX-License-Identifier: MIT */
/*
 * origins_rule.c — what one web origin may do, from text and to text.  Called by origins.c,
 * settings.c and guard_rights.c.  Must never keep a token, only its digest, and never take
 * what it does not understand for a right.
 */
#include <config.h>

#include "daemon/origins_rule.h"

#include <fnmatch.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/must.h"
#include "daemon/origins.h"

#define BLANKS " \t,"
#define TOKEN_MIN_CHARS 16
#define LIMIT_MAX 1000000

static bool word_is(const char *s, size_t size, const char *word)
{
	return strlen(word) == size && memcmp(s, word, size) == 0;
}

bool origins_rule_init(struct origins_rule *r, const char *origin)
{
	*r = (struct origins_rule){.serve = true, .infer = true};
	return origins_normal(origin, r->origin);
}

/* ---- values ------------------------------------------------------------------------ */

static const char *set_rights(struct origins_rule *r, const char *s)
{
	bool serve = false, infer = false;
	size_t n;

	for (s += strspn(s, BLANKS); (n = strcspn(s, BLANKS)) > 0; s += n, s += strspn(s, BLANKS)) {
		if (word_is(s, n, "serve"))
			serve = true;
		else if (word_is(s, n, "infer"))
			infer = true;
		else
			return "is not made of serve and infer";
	}
	if (!serve && !infer)
		return "is no right; take the origin out instead";
	r->serve = serve;
	r->infer = infer;
	return NULL;
}

/* What patterns are made of: names of models, and * and ?. */
static const char *set_models(struct origins_rule *r, const char *s)
{
	char out[sizeof(r->models)];
	size_t used = 0, n;

	if (strspn(s,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/*?" BLANKS) !=
	    strlen(s))
		return "is not a list of patterns of models";
	for (s += strspn(s, BLANKS); (n = strcspn(s, BLANKS)) > 0; s += n, s += strspn(s, BLANKS)) {
		if (used + n + 2 > sizeof(out))
			return "is too long";
		if (used > 0)
			out[used++] = ' ';
		memcpy(out + used, s, n);
		used += n;
	}
	out[used] = '\0';
	memcpy(r->models, out, used + 1);
	return NULL;
}

static const char *set_number(unsigned *to, const char *s)
{
	unsigned long n;
	char *end;

	n = strtoul(s, &end, 10);
	if (s[0] < '0' || s[0] > '9' || *end != '\0' || n > LIMIT_MAX)
		return "is not a number up to 1000000";
	*to = (unsigned)n;
	return NULL;
}

static const char *set_token(struct origins_rule *r, const char *s)
{
	if (strlen(s) < TOKEN_MIN_CHARS)
		return "is shorter than 16 characters";
	must(SHA256((const unsigned char *)s, strlen(s), r->token) != NULL);
	r->has_token = true;
	return NULL;
}

static const char *read_token(struct origins_rule *r, const char *path)
{
	FILE *f = fopen(path, "re");
	char line[512];
	const char *problem;
	bool ok;

	if (f == NULL)
		return "cannot be read";
	ok = fgets(line, sizeof(line), f) != NULL;
	(void)fclose(f);
	if (!ok)
		return "is empty";
	line[strcspn(line, "\r\n")] = '\0';
	problem = set_token(r, line) == NULL ? NULL : "holds fewer than 16 characters";
	OPENSSL_cleanse(line, sizeof(line));
	return problem;
}

static bool hex_value(char c, unsigned *out)
{
	if (c >= '0' && c <= '9')
		*out = (unsigned)(c - '0');
	else if (c >= 'a' && c <= 'f')
		*out = (unsigned)(c - 'a') + 10;
	else
		return false;
	return true;
}

static const char *set_digest(struct origins_rule *r, const char *s)
{
	unsigned high, low;

	if (strlen(s) != 2 * sizeof(r->token))
		return "is not a digest";
	for (size_t i = 0; i < sizeof(r->token); i++) {
		if (!hex_value(s[2 * i], &high) || !hex_value(s[2 * i + 1], &low))
			return "is not a digest";
		r->token[i] = (unsigned char)(high << 4 | low);
	}
	r->has_token = true;
	return NULL;
}

const char *origins_rule_set(struct origins_rule *r, const char *key, const char *value)
{
	if (strcmp(key, "rights") == 0)
		return set_rights(r, value);
	if (strcmp(key, "models") == 0)
		return set_models(r, value);
	if (strcmp(key, "rate") == 0)
		return set_number(&r->rate, value);
	if (strcmp(key, "requests") == 0)
		return set_number(&r->requests, value);
	if (strcmp(key, "token_file") == 0)
		return read_token(r, value);
	if (strcmp(key, "token") == 0)
		return set_token(r, value);
	return "is the value of an unknown key";
}

/* ---- lines --------------------------------------------------------------------------- */

bool origins_rule_parse(const char *line, struct origins_rule *r)
{
	char copy[ORIGINS_RULE_LINE_MAX], *state = NULL, *word;
	size_t size = strlen(line);

	if (size >= sizeof(copy))
		return false;
	memcpy(copy, line, size + 1);
	word = strtok_r(copy, " ", &state);
	if (word == NULL || !origins_rule_init(r, word))
		return false;
	while ((word = strtok_r(NULL, " ", &state)) != NULL) {
		char *value = strchr(word, '=');
		const char *problem;

		if (value == NULL)
			return false;
		*value++ = '\0';
		problem = strcmp(word, "token_sha256") == 0 ? set_digest(r, value)
			  : strcmp(word, "token_file") == 0 ? "is not for lines"
							    : origins_rule_set(r, word, value);
		if (problem != NULL)
			return false;
	}
	return true;
}

void origins_rule_emit(const struct origins_rule *r, char out[ORIGINS_RULE_LINE_MAX])
{
	char models[sizeof(r->models)], hex[2 * sizeof(r->token) + 1] = "";
	size_t room = ORIGINS_RULE_LINE_MAX;
	int n = snprintf(out, room, "%s", r->origin);

	memcpy(models, r->models, sizeof(models));
	for (char *p = models; *p != '\0'; p++)
		*p = *p == ' ' ? ',' : *p;
	for (size_t i = 0; i < sizeof(r->token); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", (unsigned)r->token[i]);
	if (!r->serve || !r->infer)
		n +=
		    snprintf(out + n, room - (size_t)n, " rights=%s", r->serve ? "serve" : "infer");
	if (models[0] != '\0')
		n += snprintf(out + n, room - (size_t)n, " models=%s", models);
	if (r->rate != 0)
		n += snprintf(out + n, room - (size_t)n, " rate=%u", r->rate);
	if (r->requests != 0)
		n += snprintf(out + n, room - (size_t)n, " requests=%u", r->requests);
	if (r->has_token)
		n += snprintf(out + n, room - (size_t)n, " token_sha256=%s", hex);
	must((size_t)n < room);
}

/* ---- questions ------------------------------------------------------------------------ */

bool origins_rule_equal(const struct origins_rule *a, const struct origins_rule *b)
{
	char left[ORIGINS_RULE_LINE_MAX], right[ORIGINS_RULE_LINE_MAX];

	origins_rule_emit(a, left);
	origins_rule_emit(b, right);
	return strcmp(left, right) == 0;
}

bool origins_rule_model(const struct origins_rule *r, const char *model)
{
	char copy[sizeof(r->models)], *state = NULL;

	if (r->models[0] == '\0')
		return true;
	memcpy(copy, r->models, sizeof(copy));
	for (char *p = strtok_r(copy, " ", &state); p != NULL; p = strtok_r(NULL, " ", &state)) {
		if (fnmatch(p, model, FNM_NOESCAPE) == 0)
			return true;
	}
	return false;
}

bool origins_rule_token(const struct origins_rule *r, const char *given)
{
	unsigned char digest[ORIGINS_RULE_TOKEN_BYTES];

	must(SHA256((const unsigned char *)given, strlen(given), digest) != NULL);
	return r->has_token && CRYPTO_memcmp(digest, r->token, sizeof(digest)) == 0;
}
