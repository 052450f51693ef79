/* SPDX-License-Identifier: MIT */
/*
 * segment_plan.c — memory for what segment.c found: how long each tensor lives,
 * which ones may take over the memory of an input, where they lie in the arena,
 * and which pointers of the steps change when.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/plan.h"
#include "runtime/segment.h"

struct planner {
	struct rt_frame *f;
	struct rt_segment *s;
	int *buffer_of; /* [value_count]: of roots that this segment makes; −1 */
	int *last_use;  /* [value_count]: last step that uses the root; step_count: beyond */
	struct rt_plan_buffer *buffers;
	int buffer_count;
	int *scratch_of; /* [step_count]: buffer; −1 */
	struct rt_error *err;
};

static int root_of(const struct planner *p, int v)
{
	return p->s->places[v].root;
}

static int add_buffer(struct planner *p, size_t bytes, int first, int last)
{
	p->buffers[p->buffer_count] =
	    (struct rt_plan_buffer){.bytes = bytes, .first = first, .last = last};
	return p->buffer_count++;
}

/* ---- lifetimes ------------------------------------------------------------------------------- */

static void used(struct planner *p, int v, int step)
{
	int root = root_of(p, v);

	if (p->last_use[root] < step)
		p->last_use[root] = step;
}

static void find_lifetimes(struct planner *p)
{
	const struct rt_segment *s = p->s;
	const struct rt_graph *g = p->f->graph;
	int v;

	for (int i = 0; i < s->step_count; i++) {
		const struct rt_node *n = s->steps[i].args.node;

		for (int k = 0; k < n->in_count; k++) {
			if (n->in[k] != RT_NO_VALUE)
				used(p, n->in[k], i);
		}
	}
	/* Everything that comes later sees what this segment leaves behind. */
	for (int i = s->end; i < g->node_count; i++) {
		struct rt_uses u = rt_graph_uses(&g->nodes[i]);

		while (s->needed[i] && (v = rt_graph_next_use(&u)) != RT_NO_VALUE)
			used(p, v, s->step_count);
	}
	for (int i = 0; i < g->output_count; i++) {
		if (s->wanted[i])
			used(p, g->outputs[i], s->step_count);
	}
}

/* ---- in place -------------------------------------------------------------------------------- */

/*
 * May output 0 of step ${i} take the memory of input ${k}?  It must be of this
 * segment, of the same size, not be needed afterwards, and not be read through
 * another shape by the same node.
 */
static bool may_take_over(const struct planner *p, int i, int k, size_t bytes)
{
	const struct rt_node *n = p->s->steps[i].args.node;
	int v = n->in[k], root, buffer;

	if (v == RT_NO_VALUE || p->s->places[v].kind != RT_NOWHERE)
		return false;
	root = root_of(p, v);
	buffer = p->buffer_of[root];
	if (buffer < 0 || p->buffers[buffer].last != i || p->last_use[root] != i ||
	    p->buffers[buffer].bytes != bytes)
		return false;
	for (int other = 0; other < n->in_count; other++) {
		int w = n->in[other];

		if (w != RT_NO_VALUE && w != v && p->s->places[w].kind == RT_NOWHERE &&
		    p->buffer_of[root_of(p, w)] == buffer)
			return false;
	}
	return true;
}

static int take_over(const struct planner *p, int i, size_t bytes)
{
	const struct rt_node *n = p->s->steps[i].args.node;

	for (int k = 0; k < n->in_count && k < 32; k++) {
		if ((n->op->alias_inputs >> k & 1) != 0 && may_take_over(p, i, k, bytes))
			return p->buffer_of[root_of(p, n->in[k])];
	}
	return -1;
}

/* Buffers of the outputs and the scratch of step ${i}. */
static void make_buffers(struct planner *p, int i)
{
	const struct rt_step *step = &p->s->steps[i];

	for (int k = 0; k < step->args.out_count; k++) {
		const struct rt_tensor *out = &step->args.out[k];
		size_t bytes;
		int v, buffer, last;

		if (out->dtype == RT_NONE)
			continue;
		v = step->args.node->out[k];
		bytes = rt_tensor_bytes(out);
		last = p->last_use[v] > i ? p->last_use[v] : i;
		buffer = k == 0 ? take_over(p, i, bytes) : -1;
		if (buffer >= 0)
			p->buffers[buffer].last = last;
		else
			buffer = add_buffer(p, bytes, i, last);
		p->buffer_of[v] = buffer;
	}
	if (step->scratch_bytes > 0)
		p->scratch_of[i] = add_buffer(p, step->scratch_bytes, i, i);
}

/* ---- offsets --------------------------------------------------------------------------------- */

static int over_budget(const struct planner *p, size_t budget)
{
	char label[256];
	int step;
	size_t peak = rt_plan_peak(p->buffers, p->buffer_count, p->s->step_count, &step);

	if (step >= p->s->step_count)
		step = p->s->step_count - 1;
	return rt_error_set(
	    p->err, RT_BUDGET, "%s: %zu bytes are needed at one time; the budget is %zu",
	    step >= 0 ? rt_node_label(p->s->steps[step].args.node, label, sizeof(label))
		      : "the plan",
	    peak, budget);
}

static int lay_out(struct planner *p)
{
	struct rt_segment *s = p->s;
	size_t budget = p->f->session->model->memory_budget, others = 0;
	int status;

	status = rt_plan_offsets(p->buffers, p->buffer_count, &s->arena_bytes);
	if (status == RT_MEMORY)
		return rt_error_set(p->err, RT_MEMORY, "out of memory while planning");
	for (int d = 0; d < s->depth && d < p->f->arena_count; d++)
		others += p->f->arenas[d].bytes;
	if (status < 0 || s->arena_bytes > budget || others > budget - s->arena_bytes)
		return over_budget(p, budget);
	for (int v = 0; v < p->f->graph->value_count; v++) {
		struct rt_place *place = &s->places[v];
		int buffer = p->buffer_of[place->root];

		if (place->kind != RT_NOWHERE || buffer < 0)
			continue;
		place->kind = RT_ARENA;
		place->depth = s->depth;
		place->offset = p->buffers[buffer].offset;
	}
	return RT_OK;
}

/* ---- slots ----------------------------------------------------------------------------------- */

/* Where the data of ${slot}, a tensor of value ${v}, come from. */
static void fill_slot(struct rt_segment *s, struct rt_tensor *slot, int v)
{
	const struct rt_place *p = &s->places[v];

	switch (p->kind) {
	case RT_KNOWN:
		slot->data = s->values[v].data;
		break;
	case RT_GIVEN:
		s->patches[s->patch_count++] = (struct rt_patch){slot, p->root};
		break;
	case RT_ARENA:
		s->fixes[s->fix_count++] = (struct rt_fix){&slot->data, p->depth, p->offset};
		break;
	case RT_NOWHERE:
	default:
		must(p->kind != RT_NOWHERE);
	}
}

/* The slots were made by segment.c for this purpose; only the operators see them const. */
static struct rt_tensor *writable(const struct rt_tensor *slots)
{
	struct rt_tensor *w;

	memcpy(&w, &slots, sizeof(struct rt_tensor *));
	return w;
}

static void fill_inputs(struct rt_segment *s, const struct rt_run *args)
{
	const struct rt_node *n = args->node;
	struct rt_tensor *in = writable(args->in);

	for (int k = 0; k < n->in_count; k++) {
		if (n->in[k] != RT_NO_VALUE)
			fill_slot(s, &in[k], n->in[k]);
	}
}

static void fill_slots(struct planner *p)
{
	struct rt_segment *s = p->s;
	struct rt_uses u;
	int v, k;

	for (int i = 0; i < s->step_count; i++) {
		struct rt_step *step = &s->steps[i];
		struct rt_tensor *out = writable(step->args.out);

		fill_inputs(s, &step->args);
		for (k = 0; k < step->args.out_count; k++) {
			if (out[k].dtype != RT_NONE)
				fill_slot(s, &out[k], step->args.node->out[k]);
		}
		if (p->scratch_of[i] >= 0)
			s->fixes[s->fix_count++] = (struct rt_fix){
			    &step->args.scratch, s->depth, p->buffers[p->scratch_of[i]].offset};
	}
	if (s->how != RT_SEGMENT_EVAL)
		return;
	fill_inputs(s, &s->eval.run);
	u = rt_graph_uses(s->eval.run.node);
	u.input = k = s->eval.run.node->in_count;
	for (; (v = rt_graph_next_use(&u)) != RT_NO_VALUE; k++)
		fill_slot(s, writable(&s->eval.run.in[k]), v);
}

/* Most slots there can be. */
static size_t count_slots(const struct rt_segment *s)
{
	size_t count = 0;

	for (int i = 0; i < s->step_count; i++)
		count += (size_t)s->steps[i].args.in_count + (size_t)s->steps[i].args.out_count + 1;
	if (s->how == RT_SEGMENT_EVAL) {
		struct rt_uses u = rt_graph_uses(s->eval.run.node);

		while (rt_graph_next_use(&u) != RT_NO_VALUE)
			count++;
	}
	return count;
}

int rt_segment_plan(struct rt_frame *f, struct rt_segment *s, struct rt_error *err)
{
	size_t values = (size_t)f->graph->value_count, slots = count_slots(s);
	struct planner p = {.f = f, .s = s, .err = err};
	int status;

	p.buffer_of = calloc(2 * values + (size_t)s->step_count + 1, sizeof(int));
	p.buffers = calloc(slots + 1, sizeof(*p.buffers));
	s->patches = rt_memory_take(&s->memory, (slots + 1) * sizeof(*s->patches), 64);
	s->fixes = rt_memory_take(&s->memory, (slots + 1) * sizeof(*s->fixes), 64);
	s->spent = rt_memory_take(&s->memory, ((size_t)s->step_count + 1) * sizeof(*s->spent), 64);
	if (p.buffer_of == NULL || p.buffers == NULL || s->patches == NULL || s->fixes == NULL ||
	    s->spent == NULL) {
		status = rt_error_set(err, RT_MEMORY, "out of memory while planning");
		goto out;
	}
	p.last_use = p.buffer_of + values;
	p.scratch_of = p.last_use + values;
	for (size_t i = 0; i < 2 * values + (size_t)s->step_count; i++)
		p.buffer_of[i] = -1;
	find_lifetimes(&p);
	for (int i = 0; i < s->step_count; i++)
		make_buffers(&p, i);
	status = lay_out(&p);
	if (status == RT_OK)
		fill_slots(&p);
out:
	free(p.buffer_of);
	free(p.buffers);
	return status;
}
