/* SPDX-License-Identifier: MIT */
/*
 * main.c — larderd: settings → sockets → store → loop → orderly stop.  Knows
 * the order in which things live and die, and nothing of what they do.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/confine.h"
#include "daemon/context.h"
#include "daemon/health.h"
#include "daemon/encode.h"
#include "daemon/infer_line.h"
#include "daemon/infer_refusal.h"
#include "daemon/job.h"
#include "daemon/listen.h"
#include "daemon/log.h"
#include "daemon/manifest.h"
#include "daemon/metrics.h"
#include "daemon/notify.h"
#include "daemon/origins.h"
#include "daemon/patience.h"
#include "daemon/pull.h"
#include "daemon/pulse.h"
#include "daemon/quota.h"
#include "daemon/residency.h"
#include "daemon/sample.h"
#include "daemon/scrub.h"
#include "daemon/server.h"
#include "daemon/settings.h"
#include "daemon/settings_restart.h"
#include "daemon/shelf.h"
#include "daemon/tenure.h"
#include "daemon/trim.h"
#include "daemon/upkeep.h"
#include "daemon/warm.h"
#include "runtime/runtime.h"
#include "store/store.h"

#include "daemon/must.h"

/* Inference, disk reads and uploads share libuv's pool; a run may keep a thread for long. */
#define POOL_THREADS "8"

struct larderd {
	struct context ctx;
	struct listen_set sockets;
	struct settings *started; /* what it was started with */
	int argc;
	char **argv;
	uv_signal_t term, intr, hup;
	uv_timer_t drain, finish;
	bool stopping;
};

/* ---- reload ------------------------------------------------------------------- */

static void apply_log(const struct settings *s)
{
	enum log_level level = LOG_LEVEL_INFO;
	bool json = false;

	if (log_level_parse(s->log_level, &level))
		log_level_set(level);
	if (log_format_parse(s->log_format, &json))
		log_format_set(json);
}

static void apply(struct larderd *d)
{
	apply_log(d->ctx.settings);
	origins_configure(d->ctx.origins, d->ctx.settings);
}

static void on_hup(uv_signal_t *handle, int signum)
{
	struct larderd *d = handle->data;
	struct settings *next, *old = d->ctx.settings;
	char late[512];

	(void)signum;
	notify_send("RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)(uv_hrtime() / 1000));
	if (settings_load(d->argc, d->argv, stderr, &next) == SETTINGS_RUN) {
		settings_restart_keys(d->started, next, late, sizeof(late));
		d->ctx.settings = next;
		settings_unref(old);
		apply(d);
		log_info("reloaded", "origins=%u hosts=%u", next->origins.count, next->hosts.count);
		if (late[0] != '\0')
			log_warning("reloaded", "restart_for=\"%s\"", late);
	} else {
		log_error("reload", "error=\"the configuration is wrong; the old one stays\"");
	}
	notify_send("READY=1");
}

/* ---- stop ------------------------------------------------------------------------ */

/* The last handles: after this the loop runs out. */
static void finish(struct larderd *d)
{
	server_close(d->ctx.server);
	d->ctx.server = NULL;
	manifest_close(d->ctx.manifests);
	d->ctx.manifests = NULL;
	warm_close(d->ctx.warm);
	d->ctx.warm = NULL;
	pull_close(d->ctx.pull);
	d->ctx.pull = NULL;
	pulse_stop();
	patience_stop();
	tenure_stop();
	infer_line_stop();
	infer_refusal_stop();
	upkeep_stop();
	health_stop();
	scrub_stop();
	uv_close((uv_handle_t *)&d->drain, NULL);
	uv_close((uv_handle_t *)&d->finish, NULL);
	uv_close((uv_handle_t *)&d->term, NULL);
	uv_close((uv_handle_t *)&d->intr, NULL);
	uv_close((uv_handle_t *)&d->hup, NULL);
	/* asked again while the rest is put away: it is being done */
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
}

/* Jobs were told to stop; wait until each has. */
static void on_finish(uv_timer_t *timer)
{
	struct larderd *d = timer->data;

	if (server_busy(d->ctx.server) || job_background_count() > 0)
		return;
	(void)uv_timer_stop(timer);
	finish(d);
}

static void begin_finish(struct larderd *d)
{
	if (uv_is_active((uv_handle_t *)&d->finish))
		return;
	job_stop_all();
	manifest_stop(d->ctx.manifests);
	warm_stop(d->ctx.warm);
	pull_stop(d->ctx.pull);
	(void)uv_timer_stop(&d->drain);
	(void)uv_timer_start(&d->finish, on_finish, 0, 10);
}

static void on_drained(struct context *ctx)
{
	/* the context is the first member */
	begin_finish((struct larderd *)(void *)ctx);
}

static void on_drain_timeout(uv_timer_t *timer)
{
	struct larderd *d = timer->data;

	log_warning("drain", "left=%llu", (unsigned long long)metrics_get(METRIC_requests_active));
	server_cancel_all(d->ctx.server);
	begin_finish(d);
}

static void on_term(uv_signal_t *handle, int signum)
{
	struct larderd *d = handle->data;

	if (d->stopping)
		return;
	d->stopping = true;
	log_info("stopping", "signal=%d requests=%llu", signum,
		 (unsigned long long)metrics_get(METRIC_requests_active));
	notify_send("STOPPING=1");
	(void)uv_timer_start(&d->drain, on_drain_timeout, d->ctx.settings->drain_timeout * 1000, 0);
	warm_hush(d->ctx.warm);
	server_stop(d->ctx.server, on_drained);
}

/* ---- start -------------------------------------------------------------------------- */

/* The first line of the token's file, or NULL. */
static char *read_token(const struct settings *s)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char path[4200], line[512];
	FILE *f = NULL;
	bool ok;

	if (dir != NULL &&
	    (size_t)snprintf(path, sizeof(path), "%s/admin-token", dir) < sizeof(path))
		f = fopen(path, "re");
	if (f == NULL && s->admin_token_file != NULL)
		f = fopen(s->admin_token_file, "re");
	if (f == NULL)
		return NULL;
	ok = fgets(line, sizeof(line), f) != NULL;
	(void)fclose(f);
	if (!ok)
		return NULL;
	line[strcspn(line, "\r\n")] = '\0';
	return line[0] == '\0' ? NULL : strdup(line);
}

static int start_token(struct larderd *d)
{
	char *token;

	if (!d->ctx.settings->admin_tcp)
		return 0;
	token = read_token(d->ctx.settings);
	if (token == NULL) {
		log_error("admin_tcp", "error=\"there is no token: set admin_token_file\"");
		return -1;
	}
	if (strlen(token) < 16)
		log_warning("admin_tcp", "warning=\"the token is short\"");
	server_token(d->ctx.server, token);
	free(token);
	return 0;
}

static int start_residency(struct larderd *d)
{
	const struct settings *s = d->ctx.settings;
	struct residency_opts opts = {
	    .store = d->ctx.store,
	    .threads = s->threads,
	    .cpu_level = rt_cpu_best(),
	    .memory_budget = s->memory_budget,
	    .keep_alive_s = (int64_t)s->keep_alive,
	};

	if (s->cpu_level != NULL && !rt_cpu_level_parse(s->cpu_level, &opts.cpu_level)) {
		log_error("cpu_level", "error=\"`%s` is not a level of this machine\"",
			  s->cpu_level);
		return -1;
	}
	if (rt_guard_install() != RT_OK) {
		log_error("guard", "error=\"SIGBUS cannot be taken over\"");
		return -1;
	}
	d->ctx.residency = residency_new(&opts);
	must(d->ctx.residency != NULL);
	metrics_source(residency_metrics);
	return 0;
}

static int start_store(struct larderd *d)
{
	const struct settings *s = d->ctx.settings;
	struct store_error err;

	if (store_open(&(struct store_opts){.dir = s->state_dir, .degrade = true}, &d->ctx.store,
		       &err) != 0) {
		log_error("store", "error=\"%s\"", err.text);
		return -1;
	}
	health_start(&d->ctx);
	quota_start(&d->ctx);
	if (s->sample && sample_import(d->ctx.store) != 0 && !health_degraded(&d->ctx))
		return -1;
	return origins_open(s, &d->ctx.origins);
}

static void start_handles(struct larderd *d)
{
	uv_loop_t *loop = d->ctx.loop;

	must(uv_timer_init(loop, &d->drain) == 0 && uv_timer_init(loop, &d->finish) == 0);
	must(uv_signal_init(loop, &d->term) == 0 && uv_signal_init(loop, &d->intr) == 0 &&
	     uv_signal_init(loop, &d->hup) == 0);
	d->drain.data = d->finish.data = d;
	d->term.data = d->intr.data = d->hup.data = d;
	(void)uv_signal_start(&d->term, on_term, SIGTERM);
	(void)uv_signal_start(&d->intr, on_term, SIGINT);
	(void)uv_signal_start(&d->hup, on_hup, SIGHUP);
}

static int run(struct larderd *d)
{
	struct store_stats stats = {0};
	struct store_error err;
	int rc = 1;

	if (listen_open(d->ctx.settings, &d->sockets) != 0)
		return 1;
	/* before the first thread, which would stay outside */
	if (confine_enter(d->ctx.settings) != 0)
		goto out;
	if (start_store(d) != 0 || start_residency(d) != 0 ||
	    manifest_open(&d->ctx, &d->ctx.manifests) != 0 ||
	    pull_open(&d->ctx, &d->ctx.pull) != 0 || warm_open(&d->ctx, &d->ctx.warm) != 0)
		goto out;
	pull_begin(d->ctx.pull);
	pulse_start(&d->ctx);
	patience_start(d->ctx.loop);
	tenure_start(&d->ctx);
	infer_line_start(&d->ctx);
	infer_refusal_start(&d->ctx);
	upkeep_start(&d->ctx);
	scrub_start(&d->ctx);
	start_handles(d);
	if (server_open(&d->ctx, &d->sockets, &d->ctx.server) != 0 || start_token(d) != 0) {
		finish(d);
		(void)uv_run(d->ctx.loop, UV_RUN_DEFAULT);
		goto out;
	}
	if (store_stats_get(d->ctx.store, &stats, &err) != 0)
		log_warning("store", "error=\"%s\"", err.text);
	log_info("ready", "version=%s models=%llu blobs=%llu bytes=%llu", PACKAGE_VERSION,
		 (unsigned long long)stats.models, (unsigned long long)stats.blobs,
		 (unsigned long long)stats.blob_bytes);
	notify_send("READY=1\nSTATUS=serving %llu models, %.1f MB",
		    (unsigned long long)stats.models, (double)stats.blob_bytes / 1e6);
	trim_after_start();
	(void)uv_run(d->ctx.loop, UV_RUN_DEFAULT);
	log_info("stopped", "requests=%llu", (unsigned long long)metrics_get(METRIC_requests));
	rc = 0;
out:
	shelf_clear();
	encode_clear();
	residency_free(d->ctx.residency);
	origins_close(d->ctx.origins);
	scrub_free();
	store_close(d->ctx.store);
	listen_close(&d->sockets);
	return rc;
}

/* As many descriptors as the machine allows: a connection is one, a job that waits another. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	static struct larderd d;
	int rc;

	trim_limit_heap();
	d.argc = argc;
	d.argv = argv;
	switch (settings_load(argc, argv, stderr, &d.ctx.settings)) {
	case SETTINGS_RUN:
		break;
	case SETTINGS_CHECK:
		puts("larderd: the configuration is fine");
		settings_unref(d.ctx.settings);
		return 0;
	case SETTINGS_PROBE:
		rc = confine_probe(d.ctx.settings, stdout) == 0 ? 0 : 1;
		settings_unref(d.ctx.settings);
		return rc;
	case SETTINGS_OPS:
		printf("%zu operators\n", rt_ops_print(stdout));
		return 0;
	case SETTINGS_HELP:
	case SETTINGS_VERSION:
		return 0;
	case SETTINGS_BAD:
		return 1;
	case SETTINGS_USAGE:
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	raise_limits();
	(void)setenv("UV_THREADPOOL_SIZE", POOL_THREADS, 0);
	d.ctx.started_ns = uv_hrtime();
	d.ctx.loop = uv_default_loop();
	must(d.ctx.loop != NULL);
	apply_log(d.ctx.settings);
	d.started = settings_ref(d.ctx.settings);
	rc = run(&d);
	settings_unref(d.started);
	settings_unref(d.ctx.settings);
	(void)uv_loop_close(d.ctx.loop);
	uv_library_shutdown();
	return rc;
}
