/* SPDX-License-Identifier: MIT */
/*
 * origins_rule.h — what one web origin may do.  Plain values: a rule is copied, never
 * shared.  Any thread.
 */
#ifndef LARDER_DAEMON_ORIGINS_RULE_H
#define LARDER_DAEMON_ORIGINS_RULE_H

#include <stdbool.h>
#include <stddef.h>

#define ORIGINS_RULE_LINE_MAX 1200 /* bytes of a rule as a line, with its NUL */
#define ORIGINS_RULE_TOKEN_BYTES 32

struct origins_rule {
	char origin[256];
	bool serve, infer;
	char models[512];  /* patterns, one blank between them; "" = all */
	unsigned rate;     /* requests per second; 0 = the setting */
	unsigned requests; /* at once; 0 = the setting */
	bool has_token;
	unsigned char token[ORIGINS_RULE_TOKEN_BYTES]; /* SHA-256 of it */
};

/* origins_rule_init(r, origin): all rights, all models.  false when it is not an origin. */
bool origins_rule_init(struct origins_rule *r, const char *origin);
/*
 * origins_rule_set(r, key, value): one of origin_keys.def, or `token` (the token itself).
 * NULL, or what is wrong with the value, to follow it in a sentence.  token_file is read here.
 */
const char *origins_rule_set(struct origins_rule *r, const char *key, const char *value);
/*
 * origins_rule_parse(line, r) / origins_rule_emit(r, out): as kept in the state folder,
 * `ORIGIN key=value…` without what is as usual.  false when the line is not one.
 */
bool origins_rule_parse(const char *line, struct origins_rule *r);
void origins_rule_emit(const struct origins_rule *r, char out[ORIGINS_RULE_LINE_MAX]);
bool origins_rule_equal(const struct origins_rule *a, const struct origins_rule *b);
/* origins_rule_model(r, model): whether ${model}, `name` or `org/name`, is one of its. */
bool origins_rule_model(const struct origins_rule *r, const char *model);
/* origins_rule_token(r, given): whether ${given} is its token; in constant time. */
bool origins_rule_token(const struct origins_rule *r, const char *given);

#endif
