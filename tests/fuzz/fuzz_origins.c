/* SPDX-License-Identifier: MIT */
/*
 * Any text as a line of the kept origins, and as an Origin header: what is read can be written and
 * read again as the same rule; what is normal stays as it is.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "daemon/origins.h"
#include "daemon/origins_rule.h"
#include "tests/fuzz/fuzz.h"

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void normal(const char *text)
{
	char once[256], twice[256];

	if (!origins_normal(text, once))
		return;
	check(origins_normal(once, twice) && strcmp(once, twice) == 0);
	check(strcmp(once, "null") == 0 || strstr(once, "://") != NULL);
	for (const char *s = once; *s != '\0'; s++)
		check((unsigned char)*s > 0x20 && (unsigned char)*s < 0x7f && *s != '"' &&
		      *s != '<' && *s != '@' && (*s < 'A' || *s > 'Z'));
}

static void rule(const char *text)
{
	char line[ORIGINS_RULE_LINE_MAX], origin[256];
	struct origins_rule r, again;

	if (!origins_rule_parse(text, &r))
		return;
	check(origins_normal(r.origin, origin) && strcmp(r.origin, origin) == 0);
	origins_rule_emit(&r, line);
	check(strchr(line, '\n') == NULL);
	check(origins_rule_parse(line, &again) && origins_rule_equal(&r, &again));
	(void)origins_rule_model(&r, "org/name");
	check(!origins_rule_token(&r, "") || !r.has_token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	check(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	normal(text);
	rule(text);
	free(text);
	return 0;
}
