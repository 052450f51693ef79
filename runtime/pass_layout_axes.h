/* SPDX-License-Identifier: MIT */
/*
 * pass_layout_axes.h — attributes and constant inputs that name axes, moved
 * from a transposed tensor to its source.  Called by pass_layout_rules.c.
 * Where they are attributes in older opsets and inputs in newer ones, both are
 * understood.
 */
#ifndef LARDER_RUNTIME_PASS_LAYOUT_AXES_H
#define LARDER_RUNTIME_PASS_LAYOUT_AXES_H

#include "runtime/pass_layout.h"

/* rt_pass_layout_set_int(l, node, name, i): the attribute, added if missing; false: out of memory.
 */
bool rt_pass_layout_set_int(struct rt_layout *l, int node, const char *name, int64_t i);

/* rt_pass_layout_axes(l, node, input, rank, axes): the axes of Reduce… and Squeeze, from the
 * attribute `axes` or input ${input}, made ≥ 0; their number, or −1: none, not constant, or out of
 * range. */
int rt_pass_layout_axes(struct rt_layout *l, int node, int input, int rank, int64_t *axes);
/* rt_pass_layout_remap_axes(…): puts the axes of the source where they came from, in rising order.
 */
bool rt_pass_layout_remap_axes(struct rt_layout *l, int node, int input, const struct rt_turn *t,
			       const int64_t *axes, int count);
/* The same for Slice, Pad, Resize and Upsample: false, with nothing changed, when it can't be. */
bool rt_pass_layout_remap_slice(struct rt_layout *l, int node, const struct rt_turn *t);
bool rt_pass_layout_remap_pads(struct rt_layout *l, int node, const struct rt_turn *t);
bool rt_pass_layout_remap_scales(struct rt_layout *l, int node, const struct rt_turn *t);

#endif
