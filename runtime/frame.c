/* SPDX-License-Identifier: MIT */
/*
 * frame.c — runs the segments of one graph: find the plan that fits, make it if
 * there is none, point its slots at this run's memory, walk its steps.
 *
 * When the plan is cached and the model is one segment, a run allocates
 * nothing and looks nothing up but the plan.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "runtime/segment.h"

#define ARENA_ALIGN ((size_t)64)
#define HUGE_BYTES ((size_t)2 << 20) /* arenas from here on are aligned for huge pages */

static int64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- frames ---------------------------------------------------------------------------------- */

static bool is_given(const struct rt_value *v)
{
	return !v->is_constant && (v->is_input || v->outer >= 0);
}

struct rt_frame *rt_frame_new(struct rt_session *session, struct rt_graph *graph)
{
	struct rt_frame *f = calloc(1, sizeof(*f));
	size_t values = (size_t)graph->value_count + 1;

	if (f == NULL)
		return NULL;
	f->session = session;
	f->graph = graph;
	f->epoch = 1;
	f->results.budget = session->model->memory_budget;
	f->results.ledger = &session->ledger;
	f->sources = calloc(values, sizeof(*f->sources));
	f->data = calloc(values, sizeof(*f->data));
	f->shapes = calloc(values, sizeof(*f->shapes));
	f->is_source = calloc(values, sizeof(*f->is_source));
	if (f->sources == NULL || f->data == NULL || f->shapes == NULL || f->is_source == NULL) {
		rt_frame_free(f);
		return NULL;
	}
	for (int i = 0; i < graph->input_count; i++) {
		if (is_given(&graph->values[graph->inputs[i]]))
			f->sources[f->source_count++] = graph->inputs[i];
	}
	for (int v = 0; v < graph->value_count; v++) {
		if (is_given(&graph->values[v]) && !graph->values[v].is_input)
			f->sources[f->source_count++] = v;
	}
	for (int i = 0; i < f->source_count; i++)
		f->is_source[f->sources[i]] = true;
	return f;
}

bool rt_frame_hold(struct rt_frame *f, struct rt_shared *held)
{
	struct rt_shared **bigger;
	int cap = f->held_cap == 0 ? 16 : f->held_cap * 2;

	if (f->held_count == f->held_cap) {
		bigger = f->held_cap < INT32_MAX / 2
			     ? realloc(f->held, (size_t)cap * sizeof(struct rt_shared *))
			     : NULL;
		if (bigger == NULL) {
			rt_list_drop(&f->session->lists, held);
			return false;
		}
		f->held = bigger;
		f->held_cap = cap;
	}
	f->held[f->held_count++] = held;
	return true;
}

static void drop_held(struct rt_frame *f)
{
	while (f->held_count > 0)
		rt_list_drop(&f->session->lists, f->held[--f->held_count]);
}

static void drop_roots(struct rt_frame *f)
{
	while (f->roots != NULL) {
		struct rt_segment *s = f->roots;

		f->roots = s->next;
		rt_segment_free(f->session, s);
	}
}

void rt_frame_free(struct rt_frame *f)
{
	if (f != NULL)
		drop_roots(f);
	while (f != NULL && f->children != NULL) { /* as deep as the model's sub-graphs */
		struct rt_frame *child = f->children;

		f->children = child->next;
		rt_frame_free(child);
	}
	if (f == NULL)
		return;
	for (int i = 0; i < f->arena_count; i++) {
		f->session->arena_bytes -= f->arenas[i].bytes;
		rt_ledger_give(&f->session->ledger, f->arenas[i].bytes);
		free(f->arenas[i].base);
	}
	rt_memory_release(&f->results);
	drop_held(f);
	free(f->held);
	free(f->arenas);
	free(f->sources);
	free(f->data);
	free(f->shapes);
	free(f->is_source);
	free(f);
}

/* ---- arenas ---------------------------------------------------------------------------------- */

static int grow_arena(struct rt_frame *f, struct rt_arena *a, size_t bytes, struct rt_error *err)
{
	size_t align = bytes >= HUGE_BYTES ? HUGE_BYTES : ARENA_ALIGN, size;

	free(a->base);
	a->base = NULL;
	f->session->arena_bytes -= a->bytes;
	rt_ledger_give(&f->session->ledger, a->bytes);
	a->bytes = 0;
	if (!rt_ledger_take(&f->session->ledger, bytes))
		return rt_error_set(
		    err, RT_BUDGET,
		    "%zu bytes of tensors do not fit into the budget of %zu, of which %zu are "
		    "taken",
		    bytes, f->session->ledger.budget, f->session->ledger.bytes);
	size = (bytes + align - 1) / align * align;
	a->base = aligned_alloc(align, size);
	if (a->base == NULL) {
		rt_ledger_give(&f->session->ledger, bytes);
		return rt_error_set(err, RT_MEMORY, "out of memory for %zu bytes of tensors",
				    bytes);
	}
	if (align == HUGE_BYTES)
		(void)madvise(a->base, size, MADV_HUGEPAGE);
	a->bytes = bytes;
	f->session->arena_bytes += bytes;
	f->epoch++;
	return RT_OK;
}

/* The arena of ${s} is large enough, and its slots point into it. */
static int settle_arena(struct rt_frame *f, struct rt_segment *s, struct rt_error *err)
{
	size_t bytes = s->arena_bytes > 0 ? s->arena_bytes : ARENA_ALIGN;
	int status = RT_OK;

	if (s->depth >= f->arena_count) {
		struct rt_arena *bigger =
		    realloc(f->arenas, ((size_t)s->depth + 1) * sizeof(*bigger));

		if (bigger == NULL)
			return rt_error_set(err, RT_MEMORY, "out of memory");
		f->arenas = bigger;
		for (; f->arena_count <= s->depth; f->arena_count++)
			f->arenas[f->arena_count] = (struct rt_arena){NULL, 0};
	}
	if (f->arenas[s->depth].bytes < bytes)
		status = grow_arena(f, &f->arenas[s->depth], bytes, err);
	if (status < 0 || s->epoch == f->epoch)
		return status;
	for (int i = 0; i < s->fix_count; i++)
		*s->fixes[i].slot = f->arenas[s->fixes[i].depth].base + s->fixes[i].offset;
	s->epoch = f->epoch;
	return RT_OK;
}

/* ---- finding the plan ------------------------------------------------------------------------ */

static bool fits(const struct rt_frame *f, const struct rt_segment *parent,
		 const struct rt_segment *s, const bool *wanted)
{
	for (int i = 0; parent == NULL && i < f->graph->output_count; i++) {
		if (s->wanted[i] != (wanted == NULL || wanted[i]))
			return false;
	}
	for (int i = 0; i < s->need_count; i++) {
		const struct rt_need *need = &s->needs[i];
		const void *data;

		if (need->data == NULL) {
			if (!rt_shape_equal(&f->shapes[need->value], &need->shape))
				return false;
			continue;
		}
		data =
		    parent != NULL ? rt_segment_data(f, parent, need->value) : f->data[need->value];
		if (need->bytes > 0 && memcmp(data, need->data, need->bytes) != 0)
			return false;
	}
	return true;
}

/* The plan that fits, moved to the front of the list; made when there is none. */
static int find_segment(struct rt_frame *f, struct rt_segment *parent, const bool *wanted,
			struct rt_segment **out, struct rt_error *err)
{
	struct rt_segment **list = parent != NULL ? &parent->children : &f->roots;
	struct rt_segment *found = NULL;
	int count = 0, status;

	for (struct rt_segment **at = list; *at != NULL; at = &(*at)->next, count++) {
		if (!fits(f, parent, *at, wanted))
			continue;
		found = *at;
		*at = found->next;
		break;
	}
	if (found == NULL) {
		if (count >= RT_SEGMENT_SIBLINGS) { /* drop the one that was used least recently */
			struct rt_segment **at = list;

			while ((*at)->next != NULL)
				at = &(*at)->next;
			rt_segment_free(f->session, *at);
			*at = NULL;
		}
		status = rt_segment_build(f, parent, wanted, &found, err);
		if (status == RT_BUDGET && parent == NULL && *list != NULL) {
			drop_roots(f); /* what other shapes needed may be in the way */
			status = rt_segment_build(f, parent, wanted, &found, err);
		}
		if (status < 0)
			return status;
	}
	found->next = *list;
	*list = found;
	*out = found;
	return RT_OK;
}

/* ---- running --------------------------------------------------------------------------------- */

/* The run is to stop, or a loop of it did so already: then what it made is of no use. */
static int stopped(const struct rt_session *session, struct rt_error *err)
{
	const struct rt_run_opts *opts = session->opts;

	if (opts->cancel != NULL && atomic_load_explicit(opts->cancel, memory_order_relaxed))
		return rt_error_set(err, RT_CANCELLED, "the run was cancelled");
	return rt_error_set(err, RT_CANCELLED, "the run took longer than it may");
}

static int fault(const struct rt_fault *fault, const struct rt_node *n, struct rt_error *err)
{
	char label[256];

	return rt_error_set(err, RT_DATA, "%s: %s", rt_node_label(n, label, sizeof(label)),
			    fault->text);
}

static void note_time(struct rt_spent *to, int64_t ns)
{
	to->ns += ns;
	if (to->least == 0 || ns < to->least)
		to->least = ns;
}

static int walk_steps(struct rt_session *session, struct rt_segment *s, struct rt_error *err)
{
	const struct rt_step *end = s->steps + s->step_count;

	s->runs++;
	for (const struct rt_step *step = s->steps; step < end; step++) {
		int64_t began = session->profile ? now_ns() : 0;

		if (rt_team_to_stop(session->team))
			return stopped(session, err);
		step->run(&step->args);
		if (rt_team_stopped(session->team))
			return stopped(session, err);
		if (atomic_load_explicit(&session->fault.state, memory_order_acquire) != 0)
			return fault(&session->fault, step->args.node, err);
		if (rt_team_damaged(session->team))
			return rt_error_set(err, RT_IO, "a part of the model cannot be read");
		if (session->profile)
			note_time(&s->spent[step - s->steps], now_ns() - began);
	}
	return RT_OK;
}

/* Evaluate the node that ends the segment; its outputs are given from here on. */
static int evaluate(struct rt_frame *f, struct rt_segment *s, struct rt_error *err)
{
	struct rt_session *session = f->session;
	const struct rt_node *n = s->eval.run.node;
	struct rt_eval *e = &s->eval;
	int64_t began = session->profile ? now_ns() : 0;
	char label[256];
	int status;

	if (rt_team_to_stop(session->team))
		return stopped(session, err);
	for (int k = 0; k < n->out_count; k++) {
		e->out[k].shape.rank = -1;
		e->out[k].data = NULL;
	}
	status = n->op->eval(e, err);
	if (rt_team_stopped(session->team))
		return stopped(session, err);
	if (atomic_load(&session->fault.state) != 0)
		return fault(&session->fault, n, err);
	if (rt_team_damaged(session->team))
		return rt_error_set(err, RT_IO, "a part of the model cannot be read");
	if (status < 0)
		return rt_error_wrap(err, "%s", rt_node_label(n, label, sizeof(label)));
	for (int k = 0; k < n->out_count; k++) {
		if (n->out[k] == RT_NO_VALUE || e->out[k].dtype == RT_NONE)
			continue;
		if (e->out[k].data == NULL)
			return rt_error_set(err, RT_UNSUPPORTED, "%s: output %d was not made",
					    rt_node_label(n, label, sizeof(label)), k);
		f->data[n->out[k]] = e->out[k].data;
		f->shapes[n->out[k]] = e->out[k].shape;
	}
	if (session->profile)
		note_time(&s->spent[s->step_count], now_ns() - began);
	return RT_OK;
}

/* ---- outputs --------------------------------------------------------------------------------- */

static int give_outputs(struct rt_frame *f, const struct rt_segment *s, struct rt_tensor *outputs,
			struct rt_error *err)
{
	const struct rt_graph *g = f->graph;

	for (int i = 0; i < g->output_count; i++) {
		int v = g->outputs[i];
		struct rt_tensor *out = &outputs[i];
		size_t bytes;

		*out = s->values[v];
		if (!s->wanted[i]) {
			out->data = NULL;
			continue;
		}
		out->data = rt_segment_data(f, s, v);
		/* What the caller gave is not ours to lend. */
		if (s->places[v].kind != RT_GIVEN || !f->is_source[s->places[v].root])
			continue;
		if (rt_dtype_is_list(out->dtype)) {
			if (!rt_frame_hold(f, rt_list_hold(out->data)))
				return rt_error_set(err, RT_MEMORY, "out of memory");
			continue;
		}
		bytes = rt_tensor_bytes(out);
		out->data = rt_memory_take(&f->results, bytes, 64);
		if (out->data == NULL)
			return rt_error_set(err, RT_BUDGET, "no memory left for output '%s'",
					    g->values[v].name);
		if (bytes > 0)
			memcpy(out->data, f->data[s->places[v].root], bytes);
	}
	return RT_OK;
}

int rt_frame_run(struct rt_frame *f, const struct rt_tensor *given, const bool *wanted,
		 struct rt_tensor *outputs, struct rt_error *err)
{
	struct rt_segment *s = NULL;
	int status;

	if (rt_team_to_stop(f->session->team)) /* here too: the body of a Loop may have no steps */
		return stopped(f->session, err);
	if (f->results.blocks != NULL)
		rt_memory_release(&f->results);
	drop_held(f);
	for (int i = 0; i < f->source_count; i++) {
		f->data[f->sources[i]] = given[i].data;
		f->shapes[f->sources[i]] = given[i].shape;
	}
	do {
		status = find_segment(f, s, wanted, &s, err);
		if (status == RT_OK)
			status = settle_arena(f, s, err);
		if (status < 0)
			return status;
		for (int i = 0; i < s->patch_count; i++)
			s->patches[i].slot->data = f->data[s->patches[i].value];
		status = walk_steps(f->session, s, err);
		if (status == RT_OK && s->how == RT_SEGMENT_EVAL)
			status = evaluate(f, s, err);
		if (status < 0)
			return status;
	} while (s->how != RT_SEGMENT_LAST);
	return give_outputs(f, s, outputs, err);
}
