/* SPDX-License-Identifier: MIT */
/*
 * Any text as a configuration file: it is taken, or what is wrong is said with file, line and key.
 * Whatever a section of an origin says can be kept in the state folder and read back as the same.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/origins_rule.h"
#include "daemon/settings.h"
#include "tests/fuzz/fuzz.h"

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_rules(const struct settings *s)
{
	for (unsigned i = 0; i < s->origin_count; i++) {
		struct origins_rule r;

		if (!origins_rule_init(&r, s->origin[i].name))
			continue;
		for (unsigned k = 0; k < s->origin[i].count; k++) {
			const struct settings_pair *pair = &s->origin[i].pair[k];

			check(pair->line > s->origin[i].line);
			if (strcmp(pair->key, "token_file") != 0)
				(void)origins_rule_set(&r, pair->key, pair->value);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64], option[80], name[] = "larderd", only[] = "--check-config", *said = NULL;
	char *argv[] = {name, option, only, NULL};
	int fd = memfd_create("settings", MFD_CLOEXEC);
	struct settings *s = NULL;
	size_t said_size = 0;
	FILE *messages;
	enum settings_action action;

	check(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	(void)snprintf(option, sizeof(option), "--config=%s", path);
	messages = open_memstream(&said, &said_size);
	check(messages != NULL);
	action = settings_load(3, argv, messages, &s);
	(void)fclose(messages);
	check(action == SETTINGS_CHECK || action == SETTINGS_BAD);
	if (action == SETTINGS_CHECK) {
		check_rules(s);
		settings_unref(s);
	} else {
		check(strncmp(said, "larderd: ", 9) == 0 &&
		      strncmp(said + 9, path, strlen(path)) == 0 && said[9 + strlen(path)] == ':');
	}
	free(said);
	(void)close(fd);
	return 0;
}
