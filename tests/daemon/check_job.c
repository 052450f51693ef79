/* SPDX-License-Identifier: MIT */
/*
 * check_job.c — daemon/job.c: deadlines, clients that leave, background work;
 * daemon/notify.c and listen.c: what a service manager hands over and is told.
 */
#include <config.h>

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/job.h"
#include "daemon/listen.h"
#include "daemon/notify.h"
#include "daemon/request.h"
#include "daemon/settings.h"

Suite *check_job(void);

static struct settings settings = {.refs = 1, .request_timeout = 60};
static uv_loop_t loop;
static struct context ctx = {.loop = &loop, .settings = &settings};
static struct request *rq;
static int pair[2];
static int cancels;

static void on_cancel(struct request *r, void *arg)
{
	ck_assert_ptr_eq(arg, &cancels);
	cancels++;
	job_unwatch(r);
}

static void setup(void)
{
	cancels = 0;
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	rq = request_new(&ctx);
	rq->on_cancel = on_cancel;
	rq->on_cancel_arg = &cancels;
}

static void teardown(void)
{
	request_free(rq);
	(void)close(pair[0]);
	(void)close(pair[1]);
	ck_assert_int_eq(uv_loop_close(&loop), 0); /* no handle is left */
}

static void hang_up(uv_timer_t *timer)
{
	(void)close(pair[1]);
	pair[1] = -1;
	uv_close((uv_handle_t *)timer, NULL);
}

START_TEST(test_client_gone)
{
	uv_timer_t timer;
	uint64_t begin = uv_hrtime();

	job_watch(rq, pair[0], 10000);
	ck_assert_int_eq(uv_timer_init(&loop, &timer), 0);
	(void)uv_timer_start(&timer, hang_up, 30, 0);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(cancels, 1);
	ck_assert(request_cancelled(rq));
	ck_assert_int_eq(atomic_load(&rq->cancel), CANCEL_CLIENT_GONE);
	ck_assert_uint_lt((uv_hrtime() - begin) / 1000000, 5000);
}
END_TEST

START_TEST(test_deadline)
{
	uint64_t begin = uv_hrtime();

	job_watch(rq, pair[0], 40);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(cancels, 1);
	ck_assert_int_eq(atomic_load(&rq->cancel), CANCEL_DEADLINE);
	ck_assert(atomic_load(request_cancel_flag(rq)));
	ck_assert_uint_ge((uv_hrtime() - begin) / 1000000, 35);
}
END_TEST

START_TEST(test_done_in_time)
{
	job_watch(rq, pair[0], 10000);
	job_unwatch(rq);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(cancels, 0);
	ck_assert(!request_cancelled(rq));
}
END_TEST

/* The first reason stays. */
START_TEST(test_cancel_once)
{
	rq->on_cancel = NULL;
	job_cancel(rq, CANCEL_SHUTDOWN);
	job_cancel(rq, CANCEL_DEADLINE);
	ck_assert_int_eq(atomic_load(&rq->cancel), CANCEL_SHUTDOWN);
}
END_TEST

static int worked, done;

static void work(void *arg)
{
	*(int *)arg += 1;
}

static void on_done(void *arg)
{
	ck_assert_int_eq(*(int *)arg, 1);
	done++;
}

START_TEST(test_background)
{
	job_background(&ctx, work, on_done, &worked);
	ck_assert_uint_eq(job_background_count(), 1);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_uint_eq(job_background_count(), 0);
	ck_assert_int_eq(done, 1);
	ck_assert(!job_stopping());
	job_stop_all();
	ck_assert(job_stopping());
}
END_TEST

/* ---- notify.c ------------------------------------------------------------------- */

START_TEST(test_notify)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	char dir[] = "/tmp/check-notify-XXXXXX", got[64];
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	ssize_t n;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s/s", dir);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	(void)unsetenv("NOTIFY_SOCKET");
	notify_send("READY=1"); /* nobody: nothing */
	(void)setenv("NOTIFY_SOCKET", to.sun_path, 1);
	notify_send("READY=%d\nSTATUS=%s", 1, "x");
	n = recv(fd, got, sizeof(got), MSG_DONTWAIT);
	ck_assert_int_eq(n, 16);
	ck_assert_mem_eq(got, "READY=1\nSTATUS=x", 16);
	(void)unlink(to.sun_path);
	(void)rmdir(dir);
	(void)close(fd);
	/* abstract */
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	memset(&to, 0, sizeof(to));
	to.sun_family = AF_UNIX;
	(void)snprintf(to.sun_path + 1, sizeof(to.sun_path) - 1, "check-notify-%d", (int)getpid());
	n = (ssize_t)strlen(to.sun_path + 1);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&to,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)),
			 0);
	(void)snprintf(got, sizeof(got), "@%s", to.sun_path + 1);
	(void)setenv("NOTIFY_SOCKET", got, 1);
	notify_send("STOPPING=1");
	ck_assert_int_eq(recv(fd, got, sizeof(got), MSG_DONTWAIT), 10);
	(void)close(fd);
	(void)unsetenv("NOTIFY_SOCKET");
}
END_TEST

START_TEST(test_watchdog)
{
	char pid[32];

	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
	ck_assert_uint_eq(notify_watchdog_ms(), 0);
	(void)setenv("WATCHDOG_USEC", "30000000", 1);
	ck_assert_uint_eq(notify_watchdog_ms(), 15000);
	(void)setenv("WATCHDOG_PID", "1", 1);
	ck_assert_uint_eq(notify_watchdog_ms(), 0);
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	(void)setenv("WATCHDOG_PID", pid, 1);
	ck_assert_uint_eq(notify_watchdog_ms(), 15000);
	(void)setenv("WATCHDOG_USEC", "-5", 1);
	ck_assert_uint_eq(notify_watchdog_ms(), 0);
}
END_TEST

START_TEST(test_listen_fds)
{
	struct notify_fd fds[NOTIFY_FDS_MAX];
	char pid[32];

	(void)setenv("LISTEN_FDS", "2", 1);
	(void)setenv("LISTEN_FDNAMES", "http:admin", 1);
	(void)setenv("LISTEN_PID", "1", 1);
	ck_assert_uint_eq(notify_listen_fds(fds), 0); /* for another process */
	ck_assert_ptr_null(getenv("LISTEN_FDS"));
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	(void)setenv("LISTEN_PID", pid, 1);
	(void)setenv("LISTEN_FDS", "2", 1);
	(void)setenv("LISTEN_FDNAMES", "http:admin", 1);
	ck_assert_uint_eq(notify_listen_fds(fds), 2);
	ck_assert_int_eq(fds[0].fd, 3);
	ck_assert_str_eq(fds[0].name, "http");
	ck_assert_int_eq(fds[1].fd, 4);
	ck_assert_str_eq(fds[1].name, "admin");
	(void)setenv("LISTEN_PID", pid, 1);
	(void)setenv("LISTEN_FDS", "-1", 1);
	ck_assert_uint_eq(notify_listen_fds(fds), 0);
}
END_TEST

/* ---- listen.c ---------------------------------------------------------------------- */

START_TEST(test_listen)
{
	static const char *items[] = {"127.0.0.1:0"};
	char dir[] = "/tmp/check-listen-XXXXXX", path[64];
	struct settings s = {.listen = {items, 1}, .admin_socket = path};
	struct listen_set a, b;
	struct stat st;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/run/admin.sock", dir);
	ck_assert_int_eq(listen_open(&s, &a), 0);
	ck_assert_uint_eq(a.count, 2);
	ck_assert_uint_ne(a.socket[0].port, 0);
	ck_assert(!a.socket[0].unix_socket && a.socket[1].unix_socket);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 0777, 0660);
	/* a second daemon is refused and takes nothing away */
	ck_assert_int_eq(listen_open(&s, &b), -1);
	ck_assert_int_eq(stat(path, &st), 0);
	/* one that was killed leaves its socket behind */
	a.unlink_path[0] = '\0';
	listen_close(&a);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(listen_open(&s, &a), 0);
	listen_close(&a);
	ck_assert_int_eq(stat(path, &st), -1);
	/* what is no socket is not removed */
	(void)close(open(path, O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(listen_open(&s, &a), -1);
	ck_assert_int_eq(stat(path, &st), 0);
	(void)unlink(path);
	*strrchr(path, '/') = '\0';
	(void)rmdir(path);
	(void)rmdir(dir);
}
END_TEST

Suite *check_job(void)
{
	Suite *s = suite_create("job");
	TCase *t = tcase_create("job"), *u = tcase_create("service");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_client_gone);
	tcase_add_test(t, test_deadline);
	tcase_add_test(t, test_done_in_time);
	tcase_add_test(t, test_cancel_once);
	tcase_add_test(t, test_background);
	suite_add_tcase(s, t);
	tcase_add_test(u, test_notify);
	tcase_add_test(u, test_watchdog);
	tcase_add_test(u, test_listen_fds);
	tcase_add_test(u, test_listen);
	suite_add_tcase(s, u);
	return s;
}
