/* SPDX-License-Identifier: MIT */
/*
 * segment.h — plans, and the frames that run them.  Private to segment.c,
 * segment_plan.c, frame.c and session.c.
 *
 * A frame is one running instance of a graph (the model's, or a sub-graph's).
 * Its plans form a tree.  A segment is a stretch of nodes that could be
 * inferred at one time; what follows depends on what a run of it gave, so it
 * has children, one per combination of shapes and values that has occurred.
 * Most models are one segment, chosen by the shapes of the inputs.
 *
 *	roots ─ segment (inputs 1×3×224×224)            whole model
 *	      └ segment (inputs 1×3×640×640) ─ child (NonZero gave [1,17]) …
 *
 * Segments at depth d of the tree share one arena, of which there is one per
 * depth and frame, as large as the largest of them needs.
 */
#ifndef LARDER_RUNTIME_SEGMENT_H
#define LARDER_RUNTIME_SEGMENT_H

#include <stdatomic.h>

#include "runtime/list.h"
#include "runtime/memory.h"
#include "runtime/model.h"
#include "runtime/op.h"

#define RT_SEGMENT_SIBLINGS 8 /* plans that are kept per parent */

/* The first fault of a run; see rt_run_fault. */
struct rt_fault {
	atomic_int state; /* 0: none, 1: being written, 2: there */
	char text[256];
};

/* Where the data of a value are while a segment runs. */
struct rt_place {
	enum { RT_NOWHERE, RT_KNOWN, RT_GIVEN, RT_ARENA } kind;
	int root;      /* the value whose memory it is: itself, or what it is a view of */
	int depth;     /* RT_ARENA */
	size_t offset; /* RT_ARENA */
};

/* Something that a segment is only right for. */
struct rt_need {
	int value;
	struct rt_shape shape;
	const void *data; /* NULL: any */
	size_t bytes;     /* of data */
};

struct rt_step {
	rt_op_run_f *run;
	struct rt_run args;
	size_t scratch_bytes;
};

/* A tensor whose data pointer changes from run to run, or when an arena moves. */
struct rt_patch {
	struct rt_tensor *slot;
	int value; /* RT_GIVEN: root */
};
struct rt_fix {
	void **slot;
	int depth;
	size_t offset;
};

enum rt_segment_end {
	RT_SEGMENT_LAST,  /* the outputs are there */
	RT_SEGMENT_EVAL,  /* node ${end} is evaluated; its outputs have shapes then */
	RT_SEGMENT_WAITS, /* node ${end} needs values that are there now */
};

/* What a step took, all runs and the shortest of them. */
struct rt_spent {
	int64_t ns, least;
};

struct rt_segment {
	struct rt_segment *next;     /* sibling, used less recently */
	struct rt_segment *children; /* used most recently first */
	int depth;
	struct rt_memory memory; /* of everything here */
	size_t counted_bytes;    /* of it, in the session's sum */
	struct rt_need *needs;
	int need_count, need_cap;

	/* of the whole run; children have them from the root */
	const bool *wanted; /* [output_count] */
	const bool *needed; /* [node_count]: nodes that the wanted outputs need */
	const int *uses;    /* [value_count]: by needed nodes and wanted outputs */

	int begin, end; /* nodes */
	enum rt_segment_end how;
	struct rt_tensor *values; /* [value_count]: shape when known, data when known now */
	struct rt_place *places;  /* [value_count] */
	struct rt_step *steps;
	int step_count;
	struct rt_eval eval; /* RT_SEGMENT_EVAL */
	struct rt_patch *patches;
	int patch_count;
	struct rt_fix *fixes;
	int fix_count;
	size_t arena_bytes;
	uint64_t epoch;         /* of the arenas that the fixes were made for */
	struct rt_spent *spent; /* [step_count + 1]: profile (profile.c); last the eval's */
	int64_t runs;           /* since the profile began */
};

struct rt_arena {
	unsigned char *base;
	size_t bytes;
};

struct rt_frame {
	struct rt_session *session;
	struct rt_graph *graph;
	int *sources; /* values that are given: inputs that are no constants, outer values */
	int source_count;
	void **data;             /* [value_count]: of RT_GIVEN values, in this run */
	struct rt_shape *shapes; /* [value_count]: of RT_GIVEN values, in this run */
	bool *is_source;         /* [value_count] */
	struct rt_segment *roots;
	struct rt_arena *arenas; /* per depth */
	int arena_count;
	uint64_t epoch;           /* counts moves of arenas */
	struct rt_memory results; /* of eval, of outputs that must be copied; until the next run */
	struct rt_shared **held;  /* lists, and items of lists, likewise */
	int held_count, held_cap;
	struct rt_frame *children; /* of sub-graphs, made on first use */
	struct rt_frame *next;
};

struct rt_session {
	struct rt_model *model;
	struct rt_team *team, *serial; /* serial: one thread, for nodes that run while planning */
	struct rt_frame *frame;
	struct rt_fault fault;
	const struct rt_run_opts *opts; /* of the run that is on */
	struct rt_ledger ledger;        /* everything that follows, and what runs take */
	struct rt_list_pool lists;
	struct rt_list *given; /* the last run's inputs that are no tensors */
	size_t arena_bytes;    /* of all frames */
	size_t plan_bytes;     /* of all segments */
	bool profile, broken;  /* broken: a run was left in the middle (guard.h) */
};

/* rt_segment_build(f, parent, wanted, out, err): plan what comes after ${parent} (NULL: the
 * beginning) with what ${f} holds now. */
int rt_segment_build(struct rt_frame *f, struct rt_segment *parent, const bool *wanted,
		     struct rt_segment **out, struct rt_error *err) RT_MUST_CHECK;
/* rt_segment_free(session, s): with its children; not its siblings. */
void rt_segment_free(struct rt_session *session, struct rt_segment *s);
/* rt_segment_data(f, s, v): where the data of value ${v} are during ${s} and after. */
void *rt_segment_data(const struct rt_frame *f, const struct rt_segment *s, int v);

/* rt_segment_plan(f, s, err): lifetimes, offsets, and the slots of the steps. */
int rt_segment_plan(struct rt_frame *f, struct rt_segment *s, struct rt_error *err) RT_MUST_CHECK;

/* rt_frame_new(session, graph): NULL when out of memory. */
struct rt_frame *rt_frame_new(struct rt_session *session, struct rt_graph *graph);
void rt_frame_free(struct rt_frame *f);
/* rt_frame_run(f, given, wanted, outputs, err): ${given}: one per source of ${f}. */
int rt_frame_run(struct rt_frame *f, const struct rt_tensor *given, const bool *wanted,
		 struct rt_tensor *outputs, struct rt_error *err) RT_MUST_CHECK;
/* rt_frame_hold(f, held): let go of it before the next run; false, and let go at once, when out of
 * memory. */
bool rt_frame_hold(struct rt_frame *f, struct rt_shared *held);

#endif
