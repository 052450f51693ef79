/* SPDX-License-Identifier: MIT */
/*
 * residency_metrics.c — the models' part of /metrics: what is in memory, and what
 * became of each model's inferences.  Called by metrics.c on the loop; a few
 * stores under the lock.
 */
#include <config.h>

#include "daemon/residency.h"

#include "daemon/context.h"
#include "daemon/residency_room.h"
#include "daemon/residency_table.h"
#include "daemon/tally.h"
#include "daemon/text.h"

static void head(struct text *t, const char *name, const char *kind, const char *help)
{
	text_printf(t, "# HELP larder_%s %s\n# TYPE larder_%s %s\n", name, help, name, kind);
}

/* One metric of the Prometheus text format. */
static void metric(struct text *t, const char *name, const char *kind, const char *help,
		   uint64_t value)
{
	head(t, name, kind, help);
	text_printf(t, "larder_%s %llu\n", name, (unsigned long long)value);
}

/* ---- by model ------------------------------------------------------------------------ */

/* The columns: value of a tally, as seconds when it is ns. */
enum column {
	SUCCEEDED,
	FAILED_RUNS,
	CANCELLED,
	QUEUE_NS,
	COMPUTE_NS,
	RUNS,
	ROWS,
	LOADS,
	UNLOADS,
};

struct by_model {
	struct text *t;
	enum column column;
	const char *name, *label;
};

static uint64_t value_of(const struct tally_view *v, enum column column)
{
	switch (column) {
	case SUCCEEDED:
		return v->count[TALLY_SUCCESS];
	case FAILED_RUNS:
		return v->count[TALLY_FAILED];
	case CANCELLED:
		return v->count[TALLY_CANCELLED];
	case QUEUE_NS:
		return v->sum.queue;
	case COMPUTE_NS:
		return v->sum.infer;
	case RUNS:
		return v->runs;
	case ROWS:
		return v->rows;
	case LOADS:
		return v->loads;
	case UNLOADS:
		return v->unloads;
	}
	return 0;
}

/* A label value (exposition format 0.0.4): backslash, quote and line end are escaped. */
static void label(struct text *t, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '\\' || *s == '"')
			text_printf(t, "\\%c", *s);
		else if (*s == '\n')
			text_add(t, "\\n");
		else
			text_printf(t, "%c", *s);
	}
}

static void line(void *arg, const struct tally_view *v)
{
	const struct by_model *b = arg;
	uint64_t value = value_of(v, b->column);

	text_printf(b->t, "larder_%s{model=\"", b->name);
	label(b->t, v->model);
	text_printf(b->t, "\",version=\"%.12s\",file=\"", v->commit);
	label(b->t, v->file);
	text_printf(b->t, "\"%s} ", b->label);
	if (b->column == QUEUE_NS || b->column == COMPUTE_NS)
		text_printf(b->t, "%.6f\n", (double)value / 1e9);
	else
		text_printf(b->t, "%llu\n", (unsigned long long)value);
}

static void by_model(struct text *t, struct tally_book *book)
{
	static const struct {
		enum column column;
		const char *name, *label, *help; /* help NULL: the same metric, another label */
	} rows[] = {
	    {SUCCEEDED, "model_inferences_total", ",result=\"success\"", "Inferences by model"},
	    {FAILED_RUNS, "model_inferences_total", ",result=\"failed\"", NULL},
	    {CANCELLED, "model_inferences_total", ",result=\"cancelled\"", NULL},
	    {QUEUE_NS, "model_queue_seconds_total", "", "Waiting for the model"},
	    {COMPUTE_NS, "model_compute_seconds_total", "", "Runs of the model"},
	    {RUNS, "model_runs_total", "", "Runs of the model; one for a whole batch"},
	    {ROWS, "model_rows_total", "", "Rows in those runs: divided by them, the batch size"},
	    {LOADS, "model_loaded_total", "", "Times a model was loaded"},
	    {UNLOADS, "model_unloaded_total", "", "Times a model was unloaded"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct by_model b = {t, rows[i].column, rows[i].name, rows[i].label};

		if (rows[i].help != NULL)
			head(t, rows[i].name, "counter", rows[i].help);
		tally_each(book, NULL, NULL, line, &b);
	}
}

void residency_metrics(struct context *ctx, struct text *t)
{
	struct residency *r = ctx->residency;
	uint64_t loads, failures, unloads, evictions, used, heap = 0;
	unsigned loaded = 0;

	if (r == NULL)
		return;
	residency_table_lock(r);
	loads = r->loads;
	failures = r->load_failures;
	unloads = r->unloads;
	evictions = r->evictions;
	used = residency_room_used(r);
	for (struct resident *m = r->first; m != NULL; m = m->next) {
		if (m->state != READY)
			continue;
		loaded++;
		heap += residency_room_cost(m) - m->load.mapped_bytes;
	}
	residency_table_unlock(r);
	metric(t, "models_loaded", "gauge", "Models in memory", loaded);
	metric(t, "models_heap_bytes", "gauge", "Memory of models and their sessions", heap);
	metric(t, "models_bytes", "gauge", "The same with the mapped files", used);
	metric(t, "memory_budget_bytes", "gauge", "What that may be", r->memory_budget);
	metric(t, "model_loads_total", "counter", "Models that were loaded", loads);
	metric(t, "model_load_failures_total", "counter", "Loads that failed", failures);
	metric(t, "model_unloads_total", "counter", "Models that were unloaded", unloads);
	metric(t, "model_evictions_total", "counter", "Models that made way for others", evictions);
	by_model(t, r->tallies);
}
