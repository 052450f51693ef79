/* SPDX-License-Identifier: MIT */
/*
 * metrics.h — counters.def as atomic numbers, histograms, and their text for
 * /metrics (Prometheus exposition format 0.0.4).  Any thread.
 */
#ifndef LARDER_DAEMON_METRICS_H
#define LARDER_DAEMON_METRICS_H

#include <stdint.h>

struct context;
struct text;

enum metric {
#define METRIC(name, kind, help) METRIC_##name,
#include "daemon/counters.def"
#undef METRIC
	METRIC_COUNT
};

void metrics_add(enum metric m, uint64_t n);
void metrics_sub(enum metric m, uint64_t n); /* gauges */
uint64_t metrics_get(enum metric m);

/* metrics_stall(ns): the loop was busy for ${ns} in one turn. */
void metrics_stall(uint64_t ns);
/* metrics_request(route_index, ns): a request of that row took ${ns}; SIZE_MAX: no row. */
void metrics_request(uint64_t ns);

/*
 * metrics_source(fn): further text for /metrics, from those who keep their own
 * numbers (residency, models).  At start; at most 8.
 */
void metrics_source(void (*fn)(struct context *ctx, struct text *t));
/* metrics_render(ctx, t): everything. */
void metrics_render(struct context *ctx, struct text *t);

#endif
