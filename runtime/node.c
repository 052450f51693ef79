/* SPDX-License-Identifier: MIT */
/*
 * node.c — attributes of a node, as type and bind ask for them.
 */
#include <config.h>

#include <stdio.h>
#include <string.h>

#include "runtime/graph.h"

const struct rt_attr *rt_node_attr(const struct rt_node *n, const char *name)
{
	for (int i = 0; i < n->attr_count; i++) {
		if (strcmp(n->attrs[i].name, name) == 0)
			return &n->attrs[i];
	}
	return NULL;
}

int64_t rt_node_int(const struct rt_node *n, const char *name, int64_t otherwise)
{
	const struct rt_attr *a = rt_node_attr(n, name);

	return a != NULL && a->kind == RT_ATTR_INT ? a->i : otherwise;
}

float rt_node_float(const struct rt_node *n, const char *name, float otherwise)
{
	const struct rt_attr *a = rt_node_attr(n, name);

	return a != NULL && a->kind == RT_ATTR_FLOAT ? a->f : otherwise;
}

const int64_t *rt_node_ints(const struct rt_node *n, const char *name, int64_t *count)
{
	const struct rt_attr *a = rt_node_attr(n, name);

	*count = 0;
	if (a == NULL || a->kind != RT_ATTR_INTS)
		return NULL;
	*count = a->count;
	return a->ints;
}

bool rt_node_string_is(const struct rt_node *n, const char *name, const char *is,
		       const char *otherwise)
{
	const struct rt_attr *a = rt_node_attr(n, name);

	if (a == NULL || a->kind != RT_ATTR_STRING)
		return strcmp(is, otherwise) == 0;
	return a->s.size == strlen(is) && memcmp(a->s.bytes, is, a->s.size) == 0;
}

char *rt_node_label(const struct rt_node *n, char *buf, size_t size)
{
	if (n->name[0] != '\0')
		(void)snprintf(buf, size, "node '%.120s' (%.64s)", n->name, n->op_type);
	else
		(void)snprintf(buf, size, "a %.64s node", n->op_type);
	return buf;
}
