/* SPDX-License-Identifier: MIT */
/*
 * confine_paths.c — Landlock (landlock(7)), by its system calls: C libraries have no
 * functions for them, and the headers of Debian 12 do not know its later versions.
 * Called by confine.c once, before there is a second thread: it holds for the
 * thread that asks for it and for those that it starts.
 */
#include <config.h>

#include "daemon/confine_paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/listen.h"
#include "daemon/settings.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

/* uapi/linux/landlock.h */
#define VERSION_ASKED 1u
#define RULE_PATH_BENEATH 1

enum {
	FS_EXECUTE = 1 << 0,
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_REMOVE_DIR = 1 << 4,
	FS_REMOVE_FILE = 1 << 5,
	FS_MAKE_DIR = 1 << 7,
	FS_MAKE_REG = 1 << 8,
	FS_ALL_1 = (1 << 13) - 1,
	FS_REFER = 1 << 13,     /* version 2 */
	FS_TRUNCATE = 1 << 14,  /* version 3 */
	FS_IOCTL_DEV = 1 << 15, /* version 5 */
	FS_OF_FILES = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV,
	NET_BIND_TCP = 1 << 0, /* version 4 */
	NET_CONNECT_TCP = 1 << 1,
	SCOPE_SIGNAL = 1 << 1, /* version 6 */
};

#define FS_READS (FS_READ_FILE | FS_READ_DIR)
#define FS_WRITES                                                                                  \
	(FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_REFER |   \
	 FS_TRUNCATE)

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

struct beneath_attr {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

struct ruleset {
	int fd;
	uint64_t handled;
};

/* What libraries, resolver, TLS and the runtime's look at the machine read. */
static const char *const readable[] = {
    "/etc",       "/usr",  "/lib", "/lib32",       "/lib64",      "/nix/store",
    "/gnu/store", "/proc", "/sys", "/dev/urandom", "/dev/random", "/run",
};

/* ${path} and all below it; what is not there needs no rule. */
static int allow(const struct ruleset *r, const char *path, uint64_t access)
{
	struct beneath_attr rule = {.allowed = access & r->handled};
	struct stat st;
	int rc;

	rule.parent = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent < 0)
		/* cppcheck-suppress memleak ; it is not open */
		return errno == ENOENT || errno == EACCES || errno == ENOTDIR ? 0 : -1;
	rc = fstat(rule.parent, &st);
	if (rc == 0) {
		if (!S_ISDIR(st.st_mode))
			rule.allowed &= FS_OF_FILES;
		rc = (int)syscall(SYS_landlock_add_rule, r->fd, RULE_PATH_BENEATH, &rule, 0);
	}
	(void)close(rule.parent);
	return rc;
}

/* The folder of ${path}: files are replaced by renaming, so that a rule for one would not last. */
static int allow_folder_of(const struct ruleset *r, const char *path, uint64_t access)
{
	char folder[4200];
	const char *slash;

	if (path == NULL)
		return 0;
	slash = strrchr(path, '/');
	if (slash == NULL)
		return allow(r, ".", access);
	if ((size_t)snprintf(folder, sizeof(folder), "%.*s",
			     slash == path ? 1 : (int)(slash - path), path) >= sizeof(folder))
		return 0;
	return allow(r, folder, access);
}

/* Tokens and certificates that sections name. */
static int allow_of(const struct ruleset *r, const struct settings_section *list, unsigned count)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < count; i++) {
		for (unsigned k = 0; rc == 0 && k < list[i].count; k++) {
			const struct settings_pair *pair = &list[i].pair[k];

			if (strcmp(pair->key, "token_file") == 0 ||
			    strcmp(pair->key, "ca_file") == 0)
				rc = allow_folder_of(r, pair->value, FS_READS);
		}
	}
	return rc;
}

/* Files that the settings name: the configuration itself, tokens, certificates. */
static int allow_named(const struct ruleset *r, const struct settings *s)
{
	static const char *const variables[] = {"SSL_CERT_FILE", "CURL_CA_BUNDLE"};
	const char *dir;
	int rc = allow_folder_of(r, s->file, FS_READS);

	if (rc == 0)
		rc = allow_folder_of(r, s->admin_token_file, FS_READS);
	if (rc == 0)
		rc = allow_folder_of(r, s->manifest_key, FS_READS);
	if (rc == 0)
		rc = allow_of(r, s->upstream, s->upstream_count);
	if (rc == 0)
		rc = allow_of(r, s->origin, s->origin_count);
	for (unsigned i = 0; rc == 0 && i < sizeof(variables) / sizeof(variables[0]); i++)
		rc = allow_folder_of(r, getenv(variables[i]), FS_READS);
	dir = getenv("SSL_CERT_DIR");
	if (rc == 0 && dir != NULL)
		rc = allow(r, dir, FS_READS);
	dir = getenv("CREDENTIALS_DIRECTORY");
	return rc == 0 && dir != NULL ? allow(r, dir, FS_READS) : rc;
}

static int fill(const struct ruleset *r, const struct settings *s)
{
	char admin[108];
	int rc = allow(r, s->state_dir, FS_READS | FS_WRITES);

	for (unsigned i = 0; rc == 0 && i < sizeof(readable) / sizeof(readable[0]); i++)
		rc = allow(r, readable[i], FS_READS);
	if (rc == 0)
		rc = allow(r, "/dev/null", FS_READ_FILE | FS_WRITE_FILE);
	/* its name is taken away at the end */
	listen_admin_path(s, admin);
	if (rc == 0)
		rc = allow_folder_of(r, admin, FS_REMOVE_FILE);
	return rc == 0 ? allow_named(r, s) : rc;
}

int confine_paths_load(const struct settings *s, int *ret_abi)
{
	struct ruleset_attr attr = {.fs = FS_ALL_1 | FS_REFER};
	size_t size = offsetof(struct ruleset_attr, net);
	struct ruleset r;
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION_ASKED), rc, why;

	*ret_abi = 0;
	if (abi < 2)
		return 1;
	if (abi >= 3)
		attr.fs |= FS_TRUNCATE;
	if (abi >= 5)
		attr.fs |= FS_IOCTL_DEV;
	if (abi >= 4) {
		attr.net = NET_BIND_TCP | (s->offline ? NET_CONNECT_TCP : 0);
		size = offsetof(struct ruleset_attr, scoped);
	}
	if (abi >= 6) {
		attr.scoped = SCOPE_SIGNAL;
		size = sizeof(attr);
	}
	r = (struct ruleset){.handled = attr.fs};
	r.fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (r.fd < 0)
		return -1;
	rc = fill(&r, s);
	if (rc == 0)
		rc = (int)syscall(SYS_landlock_restrict_self, r.fd, 0);
	why = errno;
	(void)close(r.fd);
	errno = why;
	if (rc == 0)
		*ret_abi = abi;
	return rc;
}
