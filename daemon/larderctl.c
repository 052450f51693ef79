/* SPDX-License-Identifier: MIT */
/*
 * larderctl — look after the models that larderd keeps.  main() and what all
 * commands share; each command is a function in a ctl_*.c, commands.def lists
 * them.  It never touches the store's files: all goes through the daemon.
 */
#include <config.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/ctl.h"

static const struct command {
	const char *name;
	ctl_command_f *run;
	const char *args, *help;
} commands[] = {
#define COMMAND(name, fn, args, help) {name, ctl_command_##fn, args, help},
#include "daemon/commands.def"
#undef COMMAND
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static void help(FILE *f)
{
	fputs("usage: larderctl [--admin-socket PATH] [--json] COMMAND [ARGUMENT]...\n\n", f);
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		fprintf(f, "  %s%s%s\n", commands[i].name, commands[i].args[0] != '\0' ? " " : "",
			commands[i].args);
		fprintf(f, "        %s\n", commands[i].help);
	}
	fputs("\nThe socket is --admin-socket, else $LARDER_ADMIN_SOCKET, else "
	      "$RUNTIME_DIRECTORY/admin.sock,\nelse /run/larder/admin.sock. "
	      "Exit status: 0, 1 on failure, 2 for wrong usage.\n",
	      f);
}

int ctl_usage(struct ctl *ctl, const char *fmt, ...)
{
	const struct command *c = find(ctl->name);
	va_list ap;

	fputs("larderctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nusage: larderctl %s %s\n", ctl->name, c != NULL ? c->args : "");
	return CTL_USAGE;
}

/* ${PATH} by the rules of the contract; ${buf} may hold it. */
static const char *socket_path(const char *given, char *buf, size_t size)
{
	const char *env = getenv("LARDER_ADMIN_SOCKET"), *dir = getenv("RUNTIME_DIRECTORY");

	if (given != NULL)
		return given;
	if (env != NULL && env[0] != '\0')
		return env;
	if (dir == NULL || dir[0] == '\0')
		return "/run/larder/admin.sock";
	/* systemd separates several with colons; the first is ours */
	snprintf(buf, size, "%.*s/admin.sock", (int)strcspn(dir, ":"), dir);
	return buf;
}

/* What stands before the command; argv[*at] is the command afterwards.  < 0: go on. */
static int global_options(int argc, char **argv, int *at, struct ctl *ctl, const char **path)
{
	for (; *at < argc && argv[*at][0] == '-'; ++*at) {
		const char *a = argv[*at];

		if (strcmp(a, "--json") == 0) {
			ctl->json = true;
		} else if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0) {
			help(stdout);
			return CTL_OK;
		} else if (strcmp(a, "--version") == 0) {
			puts("larderctl " PACKAGE_VERSION);
			return CTL_OK;
		} else if (strncmp(a, "--admin-socket=", 15) == 0) {
			*path = a + 15;
		} else if (strcmp(a, "--admin-socket") == 0 && *at + 1 < argc) {
			*path = argv[++*at];
		} else {
			fprintf(stderr, "larderctl: %s %s; see larderctl --help\n",
				strcmp(a, "--admin-socket") == 0 ? "no value after"
								 : "unknown option",
				a);
			return CTL_USAGE;
		}
	}
	return -1;
}

/* `--json` and `--help` are understood behind the command, too. */
static bool late_options(struct ctl *ctl)
{
	int n = 0;
	bool wants_help = false;

	for (int i = 0; i < ctl->argc; i++) {
		if (strcmp(ctl->argv[i], "--json") == 0)
			ctl->json = true;
		else if (strcmp(ctl->argv[i], "--help") == 0)
			wants_help = true;
		else
			ctl->argv[n++] = ctl->argv[i];
		if (strcmp(ctl->argv[i], "--") == 0) {
			while (++i < ctl->argc)
				ctl->argv[n++] = ctl->argv[i];
		}
	}
	ctl->argc = n;
	return wants_help;
}

int main(int argc, char **argv)
{
	struct ctl ctl = {.terminal = isatty(STDERR_FILENO) == 1};
	const char *path = NULL;
	const struct command *c;
	char buf[512];
	int at = 1, status;

	signal(SIGPIPE, SIG_IGN);
	status = global_options(argc, argv, &at, &ctl, &path);
	if (status >= 0)
		return status;
	if (at == argc) {
		help(stderr);
		return CTL_USAGE;
	}
	c = find(argv[at]);
	if (c == NULL) {
		fprintf(stderr, "larderctl: unknown command %s; see larderctl --help\n", argv[at]);
		return CTL_USAGE;
	}
	ctl.name = c->name;
	ctl.argc = argc - at - 1;
	ctl.argv = argv + at + 1;
	if (late_options(&ctl)) {
		printf("usage: larderctl %s %s\n%s\n", c->name, c->args, c->help);
		return CTL_OK;
	}
	ctl.http = ctl_http_new(socket_path(path, buf, sizeof buf));
	if (ctl.http == NULL)
		return ctl_fail("out of memory");
	status = c->run(&ctl);
	ctl_http_free(ctl.http);
	if (fflush(stdout) != 0 && status == CTL_OK)
		status = ctl_fail("standard output: write error");
	return status;
}
