/* SPDX-License-Identifier: MIT */
/*
 * check_settings.c — daemon/settings.c: values, layers, and what is said about
 * mistakes (file, line, key, suggestion).
 */
#include <config.h>

#include <check.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/settings.h"
#include "daemon/settings_restart.h"

Suite *check_settings(void);

static char path[] = "/tmp/check-settings-XXXXXX";
static char said[4096]; /* messages of the last load */
static struct settings *settings;

/* Load with a file that holds ${text} and the arguments up to NULL. */
static enum settings_action load(const char *text, ...)
{
	char config[64], name[] = "larderd";
	char *argv[16] = {name, config};
	FILE *messages = tmpfile();
	enum settings_action action;
	int argc = 2, fd = mkstemp(path);
	va_list ap;
	size_t n;

	ck_assert(fd >= 0 && messages != NULL);
	ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
	(void)close(fd);
	(void)snprintf(config, sizeof(config), "--config=%s", path);
	va_start(ap, text);
	for (const char *arg = va_arg(ap, const char *); arg != NULL;
	     arg = va_arg(ap, const char *))
		argv[argc++] = strdup(arg);
	va_end(ap);
	settings = NULL;
	action = settings_load(argc, argv, messages, &settings);
	rewind(messages);
	n = fread(said, 1, sizeof(said) - 1, messages);
	said[n] = '\0';
	(void)fclose(messages);
	(void)unlink(path);
	for (int i = 2; i < argc; i++)
		free(argv[i]);
	return action;
}

/* Whether the messages hold `FILE:line: what`; then make ready for the next load. */
static void said_at(unsigned line, const char *what)
{
	char want[512];

	(void)snprintf(want, sizeof(want), "%s:%u: %s", path, line, what);
	ck_assert_msg(strstr(said, want) != NULL, "`%s` is not in `%s`", want, said);
}

static void again(void)
{
	settings_unref(settings);
	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
}

static const struct {
	const char *s;
	bool ok;
	uint64_t value;
} sizes[] = {
    {"0", true, 0},
    {"4096", true, 4096},
    {"64K", true, 65536},
    {"2m", true, 2097152},
    {"1G", true, 1073741824},
    {"16777215T", true, UINT64_C(16777215) << 40},
    {"16777216T", false, 0},
    {"18446744073709551615", true, UINT64_MAX},
    {"18446744073709551616", false, 0},
    {"", false, 0},
    {"K", false, 0},
    {"-1", false, 0},
    {"1.5G", false, 0},
    {"1KB", false, 0},
    {"1 K", false, 0},
    {"0x10", false, 0},
};

START_TEST(test_sizes)
{
	uint64_t n = 0;

	ck_assert_msg(settings_parse_size(sizes[_i].s, &n) == sizes[_i].ok, "%s", sizes[_i].s);
	if (sizes[_i].ok)
		ck_assert_uint_eq(n, sizes[_i].value);
}
END_TEST

START_TEST(test_times)
{
	uint64_t s = 0;

	ck_assert(settings_parse_time("90", &s) && s == 90);
	ck_assert(settings_parse_time("90s", &s) && s == 90);
	ck_assert(settings_parse_time("5m", &s) && s == 300);
	ck_assert(settings_parse_time("2h", &s) && s == 7200);
	ck_assert(settings_parse_time("1d", &s) && s == 86400);
	ck_assert(!settings_parse_time("1w", &s));
	ck_assert(!settings_parse_time("99999999999d", &s));
	ck_assert(!settings_parse_time("-1s", &s));
}
END_TEST

START_TEST(test_defaults)
{
	ck_assert_int_eq(load("", NULL), SETTINGS_RUN);
	ck_assert_str_eq(said, "");
	ck_assert_uint_eq(settings->listen.count, 2);
	ck_assert_str_eq(settings->listen.item[0], "127.0.0.1:8411");
	ck_assert_str_eq(settings->listen.item[1], "[::1]:8411");
	ck_assert_uint_eq(settings->max_body, 64u << 20);
	ck_assert(!settings->admin_tcp);
	ck_assert_uint_eq(settings->origins.count, 0);
	again();
}
END_TEST

START_TEST(test_layers)
{
	ck_assert_int_eq(load("# comment\n; another\n\n  state_dir =  /a b  \nmax_body=2M\n"
			      "origins = https://a.example https://b.example:8443\noffline = yes\n"
			      "idle_timeout = 2m\n",
			      "--max-body", "3M", "--listen=127.0.0.1:1", "--listen", "[::1]:2",
			      "--sample", NULL),
			 SETTINGS_RUN);
	ck_assert_str_eq(settings->state_dir, "/a b");
	ck_assert_uint_eq(settings->max_body, 3u << 20);
	ck_assert_uint_eq(settings->idle_timeout, 120);
	ck_assert_uint_eq(settings->origins.count, 2);
	ck_assert_str_eq(settings->origins.item[1], "https://b.example:8443");
	ck_assert_uint_eq(settings->listen.count, 2);
	ck_assert_str_eq(settings->listen.item[1], "[::1]:2");
	ck_assert(settings->offline && settings->sample);
	again();
	ck_assert_int_eq(load("sample = yes\n", "--sample=no", NULL), SETTINGS_RUN);
	ck_assert(!settings->sample);
	again();
}
END_TEST

START_TEST(test_upstreams)
{
	ck_assert_int_eq(load("default_upstream = hub\n[upstream hub]\nurl = https://hub.example\n"
			      "private = no\n[upstream mirror]\nurl = https://m.example\n",
			      NULL),
			 SETTINGS_RUN);
	ck_assert_uint_eq(settings->upstream_count, 2);
	ck_assert_str_eq(settings->upstream[0].name, "hub");
	ck_assert_uint_eq(settings->upstream[0].count, 2);
	ck_assert_str_eq(settings->upstream[0].pair[0].value, "https://hub.example");
	ck_assert_uint_eq(settings->upstream[1].line, 5);
	again();
}
END_TEST

static const struct {
	const char *text;
	unsigned line;
	const char *what;
} mistakes[] = {
    {"state_dri = /x\n", 1, "state_dri: unknown key; did you mean `state_dir`?"},
    {"\n\norigin = https://x.example\n", 3, "origin: unknown key; did you mean `origins`?"},
    {"frobnicate = 1\n", 1, "frobnicate: unknown key\n"},
    {"offline\n", 1, "offline: not `key = value`"},
    {"offline = maybe\n", 1, "offline: `maybe` is not yes or no"},
    {"max_body = lots\n", 1, "max_body: `lots` is not a size"},
    {"idle_timeout = 1w\n", 1, "idle_timeout: `1w` is not a time"},
    {"request_timeout = 0\n", 1, "request_timeout: must not be 0"},
    {"threads = two\n", 1, "threads: `two` is not a number"},
    {"threads = 2\nthreads = 3\n", 2, "threads: is there already, at "},
    {"log_level = loud\n", 1, "log_level: `loud` is not error, warning, info or debug"},
    {"origins = app.example\n", 1, "origins: `app.example` is not an origin"},
    {"origins = https://a.example/x\n", 1, "origins: `https://a.example/x` is not an origin"},
    {"hosts = a.example:80\n", 1, "hosts: `a.example:80` is not a host name"},
    {"hosts = a.example.\n", 1, "hosts: `a.example.` is not a host name"},
    {"listen = 8411\n", 1, "listen: `8411` is not ADDR:PORT"},
    {"listen = ::1:8411\n", 1, "listen: `::1:8411` is not ADDR:PORT"},
    {"listen = 127.0.0.1:99999\n", 1, "listen: `127.0.0.1:99999` is not ADDR:PORT"},
    {"default_upstream = hub\n", 1, "default_upstream: there is no [upstream hub]"},
    {"[upstream]\n", 1, "upstream: `` is not a name"},
    {"[upstream a\n", 1, "[upstream a: unknown section"},
    {"[origin example.com]\n", 1, "origin: `example.com` is not an origin"},
    {"[origin https://a.example]\n[origin https://A.example:443/]\n", 2,
     "https://a.example: this origin is there already, in line 1"},
    {"[origin https://a.example]\nright = serve\n", 2,
     "right: unknown key; did you mean `rights`?"},
    {"[origin https://a.example]\nrights = serve admin\n", 2,
     "rights: `serve admin` is not made of serve and infer"},
    {"[origin https://a.example]\nrate = fast\n", 2, "rate: `fast` is not a number"},
    {"[origin https://a.example]\ntoken_file = /nonexistent/token\n", 2,
     "token_file: `/nonexistent/token` cannot be read"},
    {"[server x]\n", 1, "[server x]: unknown section"},
    {"[upstream a/b]\n", 1, "upstream: `a/b` is not a name"},
    {"[upstream a]\n[upstream a]\n", 2, "a: this upstream is there already, in line 1"},
    {"[upstream a]\nurll = x\n", 2, "urll: unknown key; did you mean `url`?"},
    {"[upstream a]\nurl = x\nurl = y\n", 3, "url: is there already, in line 2"},
};

START_TEST(test_mistakes)
{
	ck_assert_int_eq(load(mistakes[_i].text, "--check-config", NULL), SETTINGS_BAD);
	ck_assert_ptr_null(settings);
	said_at(mistakes[_i].line, mistakes[_i].what);
	again();
}
END_TEST

START_TEST(test_all_mistakes_are_named)
{
	ck_assert_int_eq(load("a = 1\noffline = x\n", "--max-body=y", NULL), SETTINGS_BAD);
	said_at(1, "a: unknown key");
	said_at(2, "offline: ");
	ck_assert_ptr_nonnull(strstr(said, "--max-body: max_body: `y` is not a size"));
	again();
}
END_TEST

START_TEST(test_command_line)
{
	ck_assert_int_eq(load("", "--state-dri", "x", NULL), SETTINGS_USAGE);
	ck_assert_ptr_nonnull(
	    strstr(said, "--state-dri: unknown option; did you mean --state-dir?"));
	again();
	ck_assert_int_eq(load("", "--state-dir", NULL), SETTINGS_USAGE);
	ck_assert_ptr_nonnull(strstr(said, "--state-dir: needs a value"));
	again();
	ck_assert_int_eq(load("", "state", NULL), SETTINGS_USAGE);
	again();
	ck_assert_int_eq(load("", "--check-config", NULL), SETTINGS_CHECK);
	again();
}
END_TEST

/* Of two files, which changes wait for a restart. */
static const struct {
	const char *before, *after, *late;
} changes[] = {
    {"", "", ""},
    {"", "origins = https://a.example\nlog_level = debug\nmax_body = 1M\n", ""},
    {"", "listen = 127.0.0.1:8411 [::1]:8411\n", ""}, /* the default */
    {"", "listen = 127.0.0.1:8412\nmax_body = 1M\n", "listen"},
    {"offline = no\nstate_dir = /a\n", "offline = yes\nstate_dir = /b\n", "state_dir offline"},
    {"max_size = 1G\n", "", "max_size"},
    {"[upstream a]\nurl = https://a.example\n", "[upstream a]\nurl = https://a.example\n", ""},
    {"[upstream a]\nurl = https://a.example\n", "[upstream a]\nurl = https://b.example\n",
     "[upstream]"},
    {"[upstream a]\nurl = https://a.example\n", "[upstream b]\nurl = https://a.example\n",
     "[upstream]"},
    {"[upstream a]\nurl = https://a.example\n", "", "[upstream]"},
    {"", "[origin https://a.example]\nrights = serve\n", ""},
};

START_TEST(test_restart)
{
	struct settings *before;
	char late[512];

	ck_assert_int_eq(load(changes[_i].before, NULL), SETTINGS_RUN);
	before = settings;
	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	ck_assert_int_eq(load(changes[_i].after, NULL), SETTINGS_RUN);
	settings_restart_keys(before, settings, late, sizeof(late));
	ck_assert_str_eq(late, changes[_i].late);
	settings_restart_keys(before, settings, late, 4); /* "x y" would fit, no key does */
	ck_assert_str_eq(late, "");
	settings_unref(before);
	again();
}
END_TEST

START_TEST(test_missing_file)
{
	char name[] = "larderd", config[] = "--config=/nonexistent/larder.conf";
	char *argv[] = {name, config};
	FILE *messages = tmpfile();

	ck_assert_int_eq(settings_load(2, argv, messages, &settings), SETTINGS_BAD);
	(void)fclose(messages);
}
END_TEST

#define LOOP_TEST(t, f, table) tcase_add_loop_test(t, f, 0, (int)(sizeof(table) / sizeof(table[0])))

Suite *check_settings(void)
{
	Suite *s = suite_create("settings");
	TCase *t = tcase_create("settings");

	LOOP_TEST(t, test_sizes, sizes);
	tcase_add_test(t, test_times);
	tcase_add_test(t, test_defaults);
	tcase_add_test(t, test_layers);
	tcase_add_test(t, test_upstreams);
	LOOP_TEST(t, test_mistakes, mistakes);
	tcase_add_test(t, test_all_mistakes_are_named);
	tcase_add_test(t, test_command_line);
	tcase_add_test(t, test_missing_file);
	LOOP_TEST(t, test_restart, changes);
	suite_add_tcase(s, t);
	return s;
}
