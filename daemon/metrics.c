/* SPDX-License-Identifier: MIT */
/*
 * metrics.c — numbers for /metrics.  Called from everywhere; a count is one
 * relaxed atomic addition and never more.
 */
#include <config.h>

#include "daemon/metrics.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/context.h"
#include "daemon/must.h"
#include "daemon/text.h"

#define SOURCES_MAX 8
#define BUCKETS_MAX 16

static atomic_uint_least64_t numbers[METRIC_COUNT];

static const struct {
	const char *name, *help;
	bool gauge;
} rows[] = {
#define COUNTER false
#define GAUGE true
#define METRIC(name, kind, help) {#name, help, kind},
#include "daemon/counters.def"
#undef METRIC
#undef COUNTER
#undef GAUGE
};

/* A histogram with fixed limits. */
struct histogram {
	const char *name, *help;
	unsigned count;                                /* of limits */
	uint64_t limit_us[BUCKETS_MAX];                /* ascending */
	atomic_uint_least64_t bucket[BUCKETS_MAX + 1]; /* not cumulative */
	atomic_uint_least64_t sum_ns, max_ns;
};

static struct histogram stall = {
    .name = "larder_loop_stall_seconds",
    .help = "How long the event loop was busy in one turn",
    .count = 10,
    .limit_us = {50, 100, 250, 500, 1000, 2000, 5000, 10000, 50000, 250000},
};
static struct histogram request = {
    .name = "larder_request_seconds",
    .help = "From the request's head to the end of its answer",
    .count = 12,
    .limit_us = {50, 100, 250, 500, 1000, 2500, 5000, 10000, 50000, 250000, 1000000, 10000000},
};

static void (*sources[SOURCES_MAX])(struct context *ctx, struct text *t);
static unsigned source_count;

void metrics_add(enum metric m, uint64_t n)
{
	atomic_fetch_add_explicit(&numbers[m], n, memory_order_relaxed);
}

void metrics_sub(enum metric m, uint64_t n)
{
	atomic_fetch_sub_explicit(&numbers[m], n, memory_order_relaxed);
}

uint64_t metrics_get(enum metric m)
{
	return atomic_load_explicit(&numbers[m], memory_order_relaxed);
}

/* Event loop only: one writer, so a plain maximum is enough. */
static void observe(struct histogram *h, uint64_t ns)
{
	uint64_t us = ns / 1000;
	unsigned i = 0;

	while (i < h->count && us > h->limit_us[i])
		i++;
	atomic_fetch_add_explicit(&h->bucket[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum_ns, ns, memory_order_relaxed);
	if (ns > atomic_load_explicit(&h->max_ns, memory_order_relaxed))
		atomic_store_explicit(&h->max_ns, ns, memory_order_relaxed);
}

void metrics_stall(uint64_t ns)
{
	observe(&stall, ns);
}

void metrics_request(uint64_t ns)
{
	observe(&request, ns);
}

void metrics_source(void (*fn)(struct context *ctx, struct text *t))
{
	must(source_count < SOURCES_MAX);
	sources[source_count++] = fn;
}

static void render_histogram(struct histogram *h, struct text *t)
{
	uint64_t total = 0;

	text_printf(t, "# HELP %s %s\n# TYPE %s histogram\n", h->name, h->help, h->name);
	for (unsigned i = 0; i <= h->count; i++) {
		total += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
		if (i < h->count)
			text_printf(t, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", h->name,
				    (double)h->limit_us[i] / 1e6, total);
		else
			text_printf(t, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", h->name, total);
	}
	text_printf(t, "%s_sum %.9f\n%s_count %" PRIu64 "\n", h->name,
		    (double)atomic_load_explicit(&h->sum_ns, memory_order_relaxed) / 1e9, h->name,
		    total);
	text_printf(t, "# TYPE %s_max gauge\n%s_max %.9f\n", h->name, h->name,
		    (double)atomic_load_explicit(&h->max_ns, memory_order_relaxed) / 1e9);
}

static uint64_t resident_bytes(void)
{
	unsigned long long size, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL)
		return 0;
	/* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers */
	if (fscanf(f, "%llu %llu", &size, &resident) != 2)
		resident = 0;
	(void)fclose(f);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void render_process(struct context *ctx, struct text *t)
{
	struct rusage use;
	double cpu = 0;

	if (getrusage(RUSAGE_SELF, &use) == 0)
		cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
		      (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
	text_printf(t,
		    "# HELP process_cpu_seconds_total Processor time used\n"
		    "# TYPE process_cpu_seconds_total counter\n"
		    "process_cpu_seconds_total %.3f\n"
		    "# HELP process_resident_memory_bytes Memory that is resident\n"
		    "# TYPE process_resident_memory_bytes gauge\n"
		    "process_resident_memory_bytes %" PRIu64 "\n"
		    "# HELP process_uptime_seconds Time since the start\n"
		    "# TYPE process_uptime_seconds gauge\n"
		    "process_uptime_seconds %.3f\n",
		    cpu, resident_bytes(), (double)(uv_hrtime() - ctx->started_ns) / 1e9);
	text_printf(t,
		    "# HELP larder_build_info The version that runs\n"
		    "# TYPE larder_build_info gauge\n"
		    "larder_build_info{version=\"%s\"} 1\n",
		    PACKAGE_VERSION);
}

void metrics_render(struct context *ctx, struct text *t)
{
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		const char *end = rows[i].gauge ? "" : "_total";

		text_printf(
		    t, "# HELP larder_%s%s %s\n# TYPE larder_%s%s %s\nlarder_%s%s %" PRIu64 "\n",
		    rows[i].name, end, rows[i].help, rows[i].name, end,
		    rows[i].gauge ? "gauge" : "counter", rows[i].name, end,
		    metrics_get((enum metric)i));
	}
	render_histogram(&stall, t);
	render_histogram(&request, t);
	render_process(ctx, t);
	for (unsigned i = 0; i < source_count; i++)
		sources[i](ctx, t);
}
