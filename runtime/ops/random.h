/* SPDX-License-Identifier: MIT */
/*
 * random.h — numbers for Dropout in training, Random*, Bernoulli and
 * Multinomial.  Not for secrets.
 */
#ifndef LARDER_RUNTIME_OPS_RANDOM_H
#define LARDER_RUNTIME_OPS_RANDOM_H

#include <stdint.h>

#include "runtime/graph.h"

struct rt_random {
	uint64_t state;
};
/* rt_random_start(n): from the node's attribute `seed`, or another sequence at every call. */
struct rt_random rt_random_start(const struct rt_node *n);
double rt_random_uniform(struct rt_random *g); /* 0 ≤ x < 1 */
double rt_random_normal(struct rt_random *g);  /* mean 0, variance 1 */

#endif
