/* SPDX-License-Identifier: MIT */
/*
 * pass_fuse_gelu.c — Gelu by tanh, in whatever pieces an exporter wrote it:
 *
 *	x · (1 + Tanh(√(2/π) · (x + 0.044715·x³))) / 2  →  Gelu, approximate = tanh
 *
 * Factors may be in any order and nested in any way, x³ may be products or Pow:
 * the argument of Tanh is multiplied out as a polynomial of x, what is multiplied by
 * x as one of the tanh.  Called by pass_fuse.c for every node.
 */
#include <config.h>

#include <math.h>

#include "runtime/pass_fuse.h"

#define DEPTH 6 /* of nested nodes that are looked at */

static bool is_near(double x, double y)
{
	return fabs(x - y) <= 1e-5 * fabs(y);
}

static const struct rt_node *node_at(const struct rt_fuse *f, int i)
{
	return &f->graph->nodes[i];
}

/* The living node of ai.onnx that makes ${v} for one reader; NULL otherwise. */
static const struct rt_node *maker(const struct rt_fuse *f, int v)
{
	const struct rt_node *n;
	if (v < 0 || v >= f->value_cap || f->uses[v] != 1 || f->graph->values[v].producer < 0)
		return NULL;
	n = node_at(f, f->graph->values[v].producer);
	return n->dead || n->domain != RT_ONNX ? NULL : n;
}

static bool is_binary(const struct rt_node *n, const char *op_type)
{
	return n && rt_pass_fuse_is(n, RT_ONNX, op_type) && n->in_count == 2 &&
	       n->in[0] != RT_NO_VALUE && n->in[1] != RT_NO_VALUE;
}

/* c[0] + c[1]·x + c[2]·x² + c[3]·x³ */
struct cubic {
	double c[4];
};

static bool multiply(const struct cubic *a, const struct cubic *b, struct cubic *out)
{
	*out = (struct cubic){{0}};
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < 4; j++) {
			const double by = a->c[i] * b->c[j];
			if (i + j < 4)
				out->c[i + j] += by;
			else if (by != 0)
				return false;
		}
	return true;
}

static bool polynomial(const struct rt_fuse *f, int v, int x, int depth, struct cubic *out);

/* a ∘ b of node ${n}, both polynomials of ${x}. */
static bool combine(const struct rt_fuse *f, const struct rt_node *n, int x, int depth,
		    struct cubic *out)
{
	struct cubic a, b, square;
	if (!polynomial(f, n->in[0], x, depth, &a) || !polynomial(f, n->in[1], x, depth, &b))
		return false;
	if (is_binary(n, "Mul"))
		return multiply(&a, &b, out);
	if (is_binary(n, "Pow") && b.c[1] == 0 && b.c[2] == 0 && b.c[3] == 0) {
		if (!multiply(&a, &a, &square))
			return false;
		*out = square;
		return b.c[0] == 2 || (b.c[0] == 3 && multiply(&square, &a, out));
	}
	if (!is_binary(n, "Add"))
		return false;
	for (int i = 0; i < 4; i++)
		out->c[i] = a.c[i] + b.c[i];
	return true;
}

/* ${v} as a polynomial of ${x}; false when it is none. */
static bool polynomial(const struct rt_fuse *f, int v, int x, int depth, struct cubic *out)
{
	const struct rt_node *n;
	float number;
	if (v == x) {
		*out = (struct cubic){{0, 1}};
		return true;
	}
	if (rt_pass_fuse_number(f, v, &number)) {
		*out = (struct cubic){{(double)number}};
		return true;
	}
	n = maker(f, v);
	if (depth == 0 || !n || n->in_count != 2)
		return false;
	return combine(f, n, x, depth - 1, out);
}

/* The product that ${n} is: a number times ${rest}, of which there may be two. */
struct product {
	double number;
	int rest[2], count;
};

static bool factor(const struct rt_fuse *f, int v, int depth, struct product *p)
{
	const struct rt_node *n = maker(f, v);
	float number;
	if (rt_pass_fuse_number(f, v, &number)) {
		p->number *= (double)number;
		return true;
	}
	if (depth > 0 && is_binary(n, "Mul"))
		return factor(f, n->in[0], depth - 1, p) && factor(f, n->in[1], depth - 1, p);
	if (depth > 0 && is_binary(n, "Div") && rt_pass_fuse_number(f, n->in[1], &number)) {
		p->number /= (double)number;
		return factor(f, n->in[0], depth - 1, p);
	}
	if (p->count == 2)
		return false;
	p->rest[p->count++] = v;
	return true;
}

/* What ${v} is a function of by one Tanh and numbers; RT_NO_VALUE: nothing. */
static int tanh_in(const struct rt_fuse *f, int v)
{
	float number;
	for (int depth = DEPTH; depth > 0; depth--) {
		const struct rt_node *n = maker(f, v);
		if (n && rt_pass_fuse_is(n, RT_ONNX, "Tanh"))
			return n->out[0];
		if (!is_binary(n, "Add") && !is_binary(n, "Mul"))
			return RT_NO_VALUE;
		v = rt_pass_fuse_number(f, n->in[0], &number) ? n->in[1] : n->in[0];
	}
	return RT_NO_VALUE;
}

/* ${number} · x · ${v} is Gelu(x). */
static bool is_gelu(const struct rt_fuse *f, double number, int x, int v)
{
	const double slope = sqrt(2 / 3.14159265358979323846);
	const int t = tanh_in(f, v);
	struct cubic p;
	if (t == RT_NO_VALUE || !polynomial(f, v, t, DEPTH, &p) || p.c[2] != 0 || p.c[3] != 0 ||
	    !is_near(number * p.c[0], 0.5) || !is_near(number * p.c[1], 0.5))
		return false;
	return polynomial(f, node_at(f, f->graph->values[t].producer)->in[0], x, DEPTH, &p) &&
	       p.c[0] == 0 && p.c[2] == 0 && is_near(p.c[1], slope) &&
	       is_near(p.c[3], slope * 0.044715);
}

bool rt_pass_fuse_gelu(struct rt_fuse *f, int node)
{
	struct rt_node *n = &f->graph->nodes[node];
	struct product p = {.number = 1};
	int x;
	if ((!is_binary(n, "Mul") && !is_binary(n, "Div")) ||
	    f->graph->values[n->out[0]].dtype != RT_F32)
		return false;
	if (is_binary(n, "Mul")) {
		if (!factor(f, n->in[0], DEPTH, &p) || !factor(f, n->in[1], DEPTH, &p))
			return false;
	} else {
		float by;
		if (!rt_pass_fuse_number(f, n->in[1], &by) || !factor(f, n->in[0], DEPTH, &p))
			return false;
		p.number /= (double)by;
	}
	if (p.count != 2)
		return false;
	if (is_gelu(f, p.number, p.rest[0], p.rest[1]))
		x = p.rest[0];
	else if (is_gelu(f, p.number, p.rest[1], p.rest[0]))
		x = p.rest[1];
	else
		return false;
	n->in[0] = x;
	n->in_count = 1;
	n->attr_count = 0;
	rt_pass_fuse_rename(f, node, RT_ONNX, "Gelu", 20);
	return rt_pass_fuse_set(
	    f, node,
	    &(struct rt_attr){.name = "approximate", .kind = RT_ATTR_STRING, .s = {"tanh", 4}});
}
