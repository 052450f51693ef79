/* SPDX-License-Identifier: MIT */
/*
 * pass_fuse_unary.c — functions that exporters write in pieces:
 *
 *	x · Sigmoid(x)                               Swish
 *	x · HardSigmoid(x; 1/6, 1/2)                 HardSwish
 *	x · Clip(x + 3, 0, 6) / 6, in any order      HardSwish
 *	x · Tanh(Softplus(x))                        Mish
 *	x · (Erf(x / √2) + 1) · 1/2, in any order    Gelu
 */
#include <config.h>

#include <math.h>

#include "runtime/pass_fuse.h"

static bool is_near(float x, double y)
{
	return fabs((double)x - y) <= 1e-5 * fabs(y);
}

/* The node that makes ${v}, if ${v} is read once; −1 otherwise. */
static int maker(const struct rt_fuse *f, int v)
{
	if (v < 0 || v >= f->value_cap || f->uses[v] != 1)
		return -1;
	return f->graph->values[v].producer;
}

static const struct rt_node *node_at(const struct rt_fuse *f, int i)
{
	return &f->graph->nodes[i];
}

/* Node ${i} is a binary ${op_type} of ${*x} and a number, in either order (Div: x / number). */
static bool with_number(const struct rt_fuse *f, int i, const char *op_type, int *x, float *number)
{
	const struct rt_node *n = i >= 0 ? node_at(f, i) : NULL;
	if (!n || n->dead || !rt_pass_fuse_is(n, RT_ONNX, op_type) || n->in_count != 2)
		return false;
	if (rt_pass_fuse_number(f, n->in[1], number)) {
		*x = n->in[0];
		return true;
	}
	if (op_type[0] == 'D' || !rt_pass_fuse_number(f, n->in[0], number))
		return false;
	*x = n->in[1];
	return true;
}

/* Node ${i} multiplies ${*x} by ${factor}, or divides it by 1 / factor. */
static bool is_scaled(const struct rt_fuse *f, int i, double factor, int *x)
{
	float number;
	return (with_number(f, i, "Mul", x, &number) && is_near(number, factor)) ||
	       (with_number(f, i, "Div", x, &number) && is_near(number, 1 / factor));
}

static bool is_unary(const struct rt_fuse *f, int i, const char *op_type, int *x)
{
	const struct rt_node *n = i >= 0 ? node_at(f, i) : NULL;
	if (!n || n->dead || !rt_pass_fuse_is(n, RT_ONNX, op_type))
		return false;
	*x = n->in[0];
	return true;
}

/* Clip(x, 0, 6), by attributes or by inputs. */
static bool is_relu6(const struct rt_fuse *f, int i, int *x)
{
	const struct rt_node *n;
	float lo, hi;
	if (!is_unary(f, i, "Clip", x))
		return false;
	n = node_at(f, i);
	if (n->opset < 11)
		return rt_node_float(n, "min", -1) == 0.0f && rt_node_float(n, "max", 0) == 6.0f;
	return n->in_count == 3 && rt_pass_fuse_number(f, n->in[1], &lo) && lo == 0.0f &&
	       rt_pass_fuse_number(f, n->in[2], &hi) && hi == 6.0f;
}

/* ${v} is g(x) with x·g(x) a known function; ${*x} is that x. */
static const char *gate(const struct rt_fuse *f, int v, int *x)
{
	int i = maker(f, v), inner, y;
	float number;
	if (i < 0)
		return NULL;
	if (is_unary(f, i, "Sigmoid", x))
		return "Swish";
	if (is_unary(f, i, "HardSigmoid", x))
		return is_near(rt_node_float(node_at(f, i), "alpha", 0.2f), 1.0 / 6) &&
			       is_near(rt_node_float(node_at(f, i), "beta", 0.5f), 0.5)
			   ? "HardSwish"
			   : NULL;
	if (is_unary(f, i, "Tanh", &y) && is_unary(f, maker(f, y), "Softplus", x))
		return "Mish";
	/* Clip(x + 3, 0, 6) / 6 */
	if (is_scaled(f, i, 1.0 / 6, &y) && is_relu6(f, maker(f, y), &inner) &&
	    with_number(f, maker(f, inner), "Add", x, &number) && number == 3.0f)
		return "HardSwish";
	return NULL;
}

/* ${v} is h(x) with x·h(x)/6 or x·h(x)/2 a known function. */
static const char *half_gate(const struct rt_fuse *f, int v, double factor, int *x)
{
	int i = maker(f, v), inner, y;
	float number;
	if (is_near((float)factor, 1.0 / 6) && is_relu6(f, i, &inner) &&
	    with_number(f, maker(f, inner), "Add", x, &number) && number == 3.0f)
		return "HardSwish";
	if (factor == 0.5 && with_number(f, i, "Add", &y, &number) && number == 1.0f &&
	    is_unary(f, maker(f, y), "Erf", &inner) && is_scaled(f, maker(f, inner), sqrt(0.5), x))
		return "Gelu";
	return NULL;
}

static void become(struct rt_fuse *f, int node, int x, const char *op_type)
{
	static const struct {
		const char *op_type;
		int64_t opset;
	} since[] = {{"Swish", 24}, {"HardSwish", 14}, {"Mish", 18}, {"Gelu", 20}};
	struct rt_node *n = &f->graph->nodes[node];
	n->in[0] = x;
	n->in_count = 1;
	n->attr_count = 0;
	for (size_t i = 0; i < sizeof since / sizeof *since; i++)
		if (since[i].op_type[0] == op_type[0] && since[i].op_type[1] == op_type[1])
			rt_pass_fuse_rename(f, node, RT_ONNX, since[i].op_type, since[i].opset);
}

/* A product one side of which is a gate of the other, or the last factor of x·h(x). */
bool rt_pass_fuse_unary(struct rt_fuse *f, int node)
{
	static const double factors[] = {0.5, 1.0 / 6};
	const struct rt_node *n = node_at(f, node);
	const char *found = NULL;
	int x = -1, y;
	if (n->domain != RT_ONNX || n->in_count != 2 || n->in[0] == RT_NO_VALUE ||
	    n->in[1] == RT_NO_VALUE || f->graph->values[n->in[0]].dtype != RT_F32)
		return false;
	for (int k = 0; k < 2 && !found && rt_pass_fuse_is(n, RT_ONNX, "Mul"); k++) {
		const char *name = gate(f, n->in[k], &x);
		int half;
		if (name && x == n->in[1 - k])
			found = name;
		/* (x · 1/2) · (1 + Erf …) */
		else if ((name = half_gate(f, n->in[k], 0.5, &x)) &&
			 is_scaled(f, maker(f, n->in[1 - k]), 0.5, &half) && half == x)
			found = name;
		/* x · ((1 + Erf …) · 1/2) */
		else if (is_scaled(f, maker(f, n->in[k]), 0.5, &y) &&
			 (name = half_gate(f, y, 0.5, &x)) && x == n->in[1 - k])
			found = name;
	}
	/* (x · h(x)) · factor */
	for (size_t i = 0; i < 2 && !found; i++) {
		const struct rt_node *p;
		int m;
		if (!is_scaled(f, node, factors[i], &y) || (m = maker(f, y)) < 0 ||
		    !rt_pass_fuse_is(p = node_at(f, m), RT_ONNX, "Mul") || p->in_count != 2)
			continue;
		for (int k = 0; k < 2 && !found; k++) {
			const char *name = half_gate(f, p->in[k], factors[i], &x);
			if (name && x == p->in[1 - k])
				found = name;
		}
	}
	if (!found)
		return false;
	become(f, node, x, found);
	return true;
}
