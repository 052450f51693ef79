/* SPDX-License-Identifier: MIT */
/*
 * check_pulse.c — daemon/pulse.c: the watchdog is fed while loop and pool get on, and not while the
 * pool hangs, whether requests are worked on or not.
 */
#include <config.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/context.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/pulse.h"
#include "daemon/settings.h"

Suite *check_pulse(void);

#define THREADS 4 /* of the pool: libuv's default */

static struct settings settings = {.refs = 1, .request_timeout = 1};
static uv_loop_t loop;
static const struct context ctx = {.loop = &loop, .settings = &settings};
static uv_sem_t gate;
static char dir[] = "/tmp/check-pulse-XXXXXX", path[64];
static int manager;

static void over(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

/* The loop turns for so long; how often the watchdog was fed meanwhile. */
static unsigned beats(uint64_t ms)
{
	uv_timer_t timer;
	unsigned count = 0;
	char text[64];
	ssize_t n;

	ck_assert_int_eq(uv_timer_init(&loop, &timer), 0);
	(void)uv_timer_start(&timer, over, ms, 0);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&timer, NULL);
	(void)uv_run(&loop, UV_RUN_NOWAIT);
	while ((n = recv(manager, text, sizeof(text), MSG_DONTWAIT)) > 0)
		count += n == 10 && memcmp(text, "WATCHDOG=1", 10) == 0;
	return count;
}

static void wait_at_gate(uv_work_t *work)
{
	(void)work;
	uv_sem_wait(&gate);
}

static void setup(void)
{
	struct sockaddr_un own = {.sun_family = AF_UNIX};

	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/notify", dir);
	memcpy(own.sun_path, path, strlen(path));
	manager = socket(AF_UNIX, SOCK_DGRAM, 0);
	ck_assert_int_eq(bind(manager, (const struct sockaddr *)&own, sizeof(own)), 0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", path, 1), 0);
	ck_assert_int_eq(setenv("WATCHDOG_USEC", "200000", 1), 0);
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	ck_assert_int_eq(uv_sem_init(&gate, 0), 0);
	log_level_set(LOG_LEVEL_ERROR);
}

static void teardown(void)
{
	log_level_set(LOG_LEVEL_INFO);
	uv_sem_destroy(&gate);
	(void)close(manager);
	(void)unlink(path);
	(void)rmdir(dir);
}

START_TEST(test_watchdog)
{
	uv_work_t work[THREADS];

	pulse_start(&ctx);
	ck_assert_uint_ge(beats(1000), 5);

	/* nobody asked for anything, and the pool does not answer */
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(uv_queue_work(&loop, &work[i], wait_at_gate, NULL), 0);
	(void)beats(300);
	ck_assert_uint_eq(beats(500), 0);

	/* a request is worked on: it may take a second, and what was before it another */
	metrics_add(METRIC_jobs_active, 1);
	ck_assert_uint_ge(beats(600), 3);
	(void)beats(1500);
	ck_assert_uint_eq(beats(500), 0);

	/* all is well again */
	for (int i = 0; i < THREADS; i++)
		uv_sem_post(&gate);
	(void)beats(300);
	ck_assert_uint_ge(beats(1000), 5);
	metrics_sub(METRIC_jobs_active, 1);
	pulse_stop();
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

Suite *check_pulse(void)
{
	Suite *s = suite_create("pulse");
	TCase *t = tcase_create("pulse");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, test_watchdog);
	suite_add_tcase(s, t);
	return s;
}
