/* SPDX-License-Identifier: MIT */
/*
 * check_ctl_http.c — larderctl's HTTP client (daemon/ctl_http.c) against a thread
 * that answers with bytes written out here.  The framing is that of RFC 9112 §6
 * and §7.1.
 */
#include <config.h>

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/ctl_http.h"

Suite *check_ctl_http(void);

/* One connection after the other: what each is answered with, all at once or bytewise. */
struct script {
	const char *answer[4]; /* per connection; NULL = no more */
	bool bytewise;
	bool early; /* answer and close before the body was read */
	int listener;
	char got[2][8192]; /* what the first two connections received */
	size_t got_size[2];
};

static char dir[64], path[96];
static struct script script;
static struct ctl_http *client;
static pthread_t thread;

/* Up to and with ${want} bytes, or until the end of the headers when it is 0. */
static void receive(int fd, struct script *s, int i)
{
	char *buf = s->got[i];

	while (s->got_size[i] < sizeof s->got[i] - 1 && strstr(buf, "\r\n\r\n") == NULL) {
		ssize_t n = read(fd, buf + s->got_size[i], sizeof s->got[i] - 1 - s->got_size[i]);

		if (n <= 0)
			return;
		s->got_size[i] += (size_t)n;
		buf[s->got_size[i]] = '\0';
	}
}

static void *serve(void *arg)
{
	struct script *s = arg;

	for (int i = 0; i < 4 && s->answer[i] != NULL; i++) {
		int fd = accept(s->listener, NULL, NULL);
		const char *a = s->answer[i];
		size_t n = strlen(a), step = s->bytewise ? 1 : n;

		receive(fd, s, i < 2 ? i : 1);
		for (size_t at = 0; at < n; at += step) {
			if (write(fd, a + at, step) != (ssize_t)step)
				break;
		}
		if (!s->early) {
			char sink[4096];

			shutdown(fd, SHUT_WR);
			while (read(fd, sink, sizeof sink) > 0)
				continue;
		}
		close(fd);
	}
	return NULL;
}

static void start(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	signal(SIGPIPE, SIG_IGN);
	snprintf(dir, sizeof dir, "/tmp/check_ctl_http.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/s", dir);
	snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
	memset(&script, 0, sizeof script);
	script.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(script.listener, (struct sockaddr *)&sa, sizeof sa), 0);
	ck_assert_int_eq(listen(script.listener, 4), 0);
	client = ctl_http_new(path);
	ck_assert_ptr_nonnull(client);
}

static void stop(void)
{
	ctl_http_free(client);
	close(script.listener);
	unlink(path);
	rmdir(dir);
}

static int get(struct ctl_http_answer *a, char err[256])
{
	struct ctl_http_request rq = {.method = "GET", .target = "/x"};

	return ctl_http_call(client, &rq, a, err);
}

static void go(void)
{
	ck_assert_int_eq(pthread_create(&thread, NULL, serve, &script), 0);
}

static const struct {
	const char *answer;
	int status; /* 0: refused */
	const char *body;
	size_t json_size;
} answers[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", 5},
    {"HTTP/1.1 200 OK\r\ncontent-length:5\r\nInference-Header-Content-Length: 2\r\n\r\nhello", 200,
     "hello", 2},
    {"HTTP/1.1 204 No Content\r\n\r\n", 204, "", 0},
    {"HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n", 404, "", 0},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\na", 201, "a",
     1},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n"
     "0\r\nTrailer: 1\r\n\r\n",
     200, "abc0123456789", 13},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, "", 0},
    {"HTTP/1.1 200 OK\r\n\r\nto the end", 200, "to the end", 10},
    {"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", 0, "cut off", 0},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", 0, "cut off", 0},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 0, "cut off",
     0},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", 0, "cut off", 0},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", 0, "cut off",
     0},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", 0, "a header line", 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", 0, "a header line", 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", 0, "a header line", 0},
    {"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", 0, "a header line", 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nInference-Header-Content-Length: 2\r\n\r\na", 0,
     "cut off", 0},
    {"HTTP/2 200 OK\r\n\r\n", 0, "first line", 0},
    {"SSH-2.0-x\r\n\r\n", 0, "first line", 0},
    {"HTTP/1.1 2", 0, "no answer", 0},
    {"", 0, "no answer", 0},
};

START_TEST(answer)
{
	struct ctl_http_answer a;
	char err[256] = "";
	int status;

	script.answer[0] = answers[_i / 2].answer;
	script.bytewise = _i % 2 == 1;
	go();
	status = get(&a, err);
	if (answers[_i / 2].status == 0) {
		ck_assert_int_eq(status, -1);
		ck_assert_msg(strstr(err, answers[_i / 2].body) != NULL, "says: %s", err);
	} else {
		ck_assert_msg(status == 0, "%s", err);
		ck_assert_int_eq(a.status, answers[_i / 2].status);
		ck_assert_str_eq(a.body, answers[_i / 2].body);
		ck_assert_uint_eq(a.size, strlen(answers[_i / 2].body));
		ck_assert_uint_eq(a.json_size, answers[_i / 2].json_size);
		ctl_http_drop(&a);
	}
	ctl_http_free(client);
	client = NULL;
	pthread_join(thread, NULL);
	ck_assert_str_eq(script.got[0], "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
}
END_TEST

/* A kept connection that the daemon closed is opened again; once. */
START_TEST(kept)
{
	static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na";
	struct ctl_http_answer a;
	char err[256];

	script.answer[0] = script.answer[1] = ok;
	script.early = true;
	go();
	for (int i = 0; i < 2; i++) {
		ck_assert_msg(get(&a, err) == 0, "%s", err);
		ctl_http_drop(&a);
	}
	pthread_join(thread, NULL);
	close(script.listener);
	unlink(path);
	ck_assert_int_eq(get(&a, err), -1);
	ck_assert_ptr_nonnull(strstr(err, "cannot reach larderd"));
}
END_TEST

/* The answer that says why comes before the file is through: it must be heard. */
START_TEST(refused_early)
{
	struct ctl_http_answer a;
	struct ctl_http_request rq = {.method = "POST",
				      .target = "/b",
				      .type = "application/octet-stream",
				      .fd_size = (uint64_t)8 << 20};
	char err[256], file[128];

	snprintf(file, sizeof file, "%s/file", dir);
	rq.fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(ftruncate(rq.fd, 8 << 20), 0);
	script.answer[0] = "HTTP/1.1 507 Full\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
	script.early = true;
	go();
	ck_assert_msg(ctl_http_call(client, &rq, &a, err) == 0, "%s", err);
	ck_assert_int_eq(a.status, 507);
	ck_assert_str_eq(a.body, "no");
	ctl_http_drop(&a);
	pthread_join(thread, NULL);
	ck_assert_ptr_nonnull(strstr(script.got[0], "Content-Length: 8388608\r\n"));
	close(rq.fd);
	unlink(file);
}
END_TEST

START_TEST(path_too_long)
{
	char longer[200];
	struct ctl_http_answer a;
	char err[256];

	memset(longer, 'a', sizeof longer);
	longer[199] = '\0';
	ctl_http_free(client);
	client = ctl_http_new(longer);
	ck_assert_int_eq(get(&a, err), -1);
	ck_assert_ptr_nonnull(strstr(err, "too long"));
}
END_TEST

Suite *check_ctl_http(void)
{
	Suite *s = suite_create("ctl_http");
	TCase *c = tcase_create("ctl_http");

	tcase_add_checked_fixture(c, start, stop);
	tcase_add_loop_test(c, answer, 0, 2 * (int)(sizeof answers / sizeof *answers));
	tcase_add_test(c, kept);
	tcase_add_test(c, refused_early);
	tcase_add_test(c, path_too_long);
	suite_add_tcase(s, c);
	return s;
}
