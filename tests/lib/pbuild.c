/* SPDX-License-Identifier: MIT */
/*
 * pbuild.c — see pbuild.h.  Knows the field numbers of onnx.proto on its own, so
 * that a wrong one in the reader is seen.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "tests/lib/pbuild.h"

void pbuild_free(struct pbuild *b)
{
	if (b->graph != NULL) {
		free(b->graph->data);
		free(b->graph);
	}
	free(b->data);
	*b = (struct pbuild){0};
}

void pbuild_raw(struct pbuild *b, const void *data, size_t size)
{
	if (b->size + size > b->cap) {
		b->cap = (b->size + size) * 2;
		/* fanalyzer-suppress malloc-leak: abort() gives nothing back */
		b->data = realloc(b->data, b->cap);
		must(b->data != NULL);
	}
	if (size > 0)
		memcpy(b->data + b->size, data, size);
	b->size += size;
}

void pbuild_number(struct pbuild *b, uint64_t v)
{
	uint8_t bytes[10];
	size_t n = 0;

	do {
		bytes[n++] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
		v >>= 7;
	} while (v != 0);
	pbuild_raw(b, bytes, n);
}

void pbuild_int(struct pbuild *b, uint32_t field, int64_t value)
{
	pbuild_number(b, (uint64_t)field << 3);
	pbuild_number(b, (uint64_t)value);
}

void pbuild_float(struct pbuild *b, uint32_t field, float value)
{
	pbuild_number(b, (uint64_t)field << 3 | 5);
	pbuild_raw(b, &value, sizeof(value));
}

void pbuild_bytes(struct pbuild *b, uint32_t field, const void *data, size_t size)
{
	pbuild_number(b, (uint64_t)field << 3 | 2);
	pbuild_number(b, size);
	pbuild_raw(b, data, size);
}

void pbuild_string(struct pbuild *b, uint32_t field, const char *text)
{
	pbuild_bytes(b, field, text, strlen(text));
}

void pbuild_message(struct pbuild *b, uint32_t field, struct pbuild *child)
{
	pbuild_bytes(b, field, child->data, child->size);
	pbuild_free(child);
}

/* ---- models ---------------------------------------------------------------------------------- */

void pbuild_model(struct pbuild *m, int64_t opset)
{
	struct pbuild import = {0};

	pbuild_int(m, 1, 8); /* ir_version */
	pbuild_string(&import, 1, "");
	pbuild_int(&import, 2, opset);
	pbuild_message(m, 8, &import);
	m->graph = calloc(1, sizeof(*m->graph));
	must(m->graph != NULL);
	pbuild_string(m->graph, 2, "g");
}

static void value_info(struct pbuild *m, uint32_t field, const char *name, int64_t type, int rank,
		       const int64_t *dims)
{
	struct pbuild info = {0}, type_proto = {0}, tensor = {0}, shape = {0};

	pbuild_int(&tensor, 1, type);
	for (int i = 0; i < rank; i++) {
		struct pbuild dim = {0};

		if (dims[i] >= 0)
			pbuild_int(&dim, 1, dims[i]);
		else
			pbuild_string(&dim, 2, "N");
		pbuild_message(&shape, 1, &dim);
	}
	if (rank >= 0)
		pbuild_message(&tensor, 2, &shape);
	pbuild_message(&type_proto, 1, &tensor);
	pbuild_string(&info, 1, name);
	pbuild_message(&info, 2, &type_proto);
	pbuild_message(m->graph, field, &info);
}

void pbuild_input(struct pbuild *m, const char *name, int64_t type, int rank, const int64_t *dims)
{
	value_info(m, 11, name, type, rank, dims);
}

void pbuild_output(struct pbuild *m, const char *name, int64_t type)
{
	value_info(m, 12, name, type, -1, NULL);
}

/* A TypeProto of tensors of ${type} in what ${in} says. */
static void type_in(struct pbuild *out, const char *in, int64_t type)
{
	struct pbuild tensor = {0}, type_proto = {0};

	pbuild_int(&tensor, 1, type);
	pbuild_message(&type_proto, 1, &tensor);
	for (size_t i = strlen(in); i > 0; i--) {
		struct pbuild list = {0}, outer = {0};

		pbuild_message(&list, 1, &type_proto);
		pbuild_message(&outer, in[i - 1] == 's' ? 4 : 9, &list);
		type_proto = outer;
	}
	*out = type_proto;
}

static void value_info_in(struct pbuild *m, uint32_t field, const char *in, const char *name,
			  int64_t type)
{
	struct pbuild info = {0}, type_proto;

	type_in(&type_proto, in, type);
	pbuild_string(&info, 1, name);
	pbuild_message(&info, 2, &type_proto);
	pbuild_message(m->graph, field, &info);
}

void pbuild_input_in(struct pbuild *m, const char *in, const char *name, int64_t type)
{
	value_info_in(m, 11, in, name, type);
}

void pbuild_output_in(struct pbuild *m, const char *in, const char *name, int64_t type)
{
	value_info_in(m, 12, in, name, type);
}

/* Each word of ${names} as a string field. */
static void words(struct pbuild *b, uint32_t field, const char *names)
{
	while (*names != '\0') {
		size_t len = strcspn(names, " ");

		if (len == 1 && names[0] == '-')
			pbuild_string(b, field, "");
		else
			pbuild_bytes(b, field, names, len);
		names += len;
		names += strspn(names, " ");
	}
}

void pbuild_node(struct pbuild *m, const char *op, const char *in, const char *out,
		 struct pbuild *attrs)
{
	struct pbuild node = {0};

	words(&node, 1, in);
	words(&node, 2, out);
	pbuild_bytes(&node, 3, out, strcspn(out, " "));
	pbuild_string(&node, 4, op);
	if (attrs != NULL) {
		pbuild_raw(&node, attrs->data, attrs->size);
		pbuild_free(attrs);
	}
	pbuild_message(m->graph, 1, &node);
}

void pbuild_attr_int(struct pbuild *attrs, const char *name, int64_t value)
{
	struct pbuild a = {0};

	pbuild_string(&a, 1, name);
	pbuild_int(&a, 3, value);
	pbuild_int(&a, 20, 2);
	pbuild_message(attrs, 5, &a);
}

void pbuild_attr_ints(struct pbuild *attrs, const char *name, int count, const int64_t *values)
{
	struct pbuild a = {0};

	pbuild_string(&a, 1, name);
	for (int i = 0; i < count; i++)
		pbuild_int(&a, 8, values[i]);
	pbuild_int(&a, 20, 7);
	pbuild_message(attrs, 5, &a);
}

void pbuild_attr_type(struct pbuild *attrs, const char *name, const char *in, int64_t type)
{
	struct pbuild a = {0}, type_proto;

	type_in(&type_proto, in, type);
	pbuild_string(&a, 1, name);
	pbuild_message(&a, 14, &type_proto);
	pbuild_int(&a, 20, 13);
	pbuild_message(attrs, 5, &a);
}

void pbuild_attr_graph(struct pbuild *attrs, const char *name, struct pbuild *graph)
{
	struct pbuild a = {0};

	pbuild_string(&a, 1, name);
	pbuild_message(&a, 6, graph);
	pbuild_int(&a, 20, 5);
	pbuild_message(attrs, 5, &a);
}

void pbuild_tensor(struct pbuild *t, const char *name, int64_t type, int rank, const int64_t *dims,
		   const void *raw, size_t raw_size)
{
	for (int i = 0; i < rank; i++)
		pbuild_int(t, 1, dims[i]);
	pbuild_int(t, 2, type);
	pbuild_string(t, 8, name);
	if (raw != NULL)
		pbuild_bytes(t, 9, raw, raw_size);
}

void pbuild_init(struct pbuild *m, struct pbuild *t)
{
	pbuild_message(m->graph, 5, t);
}

static size_t product(int rank, const int64_t *dims)
{
	size_t n = 1;

	for (int i = 0; i < rank; i++)
		n *= (size_t)dims[i];
	return n;
}

void pbuild_init_f32(struct pbuild *m, const char *name, int rank, const int64_t *dims,
		     const float *data)
{
	struct pbuild t = {0};

	pbuild_tensor(&t, name, 1, rank, dims, data, product(rank, dims) * sizeof(*data));
	pbuild_init(m, &t);
}

void pbuild_init_i64(struct pbuild *m, const char *name, int rank, const int64_t *dims,
		     const int64_t *data)
{
	struct pbuild t = {0};

	pbuild_tensor(&t, name, 7, rank, dims, data, product(rank, dims) * sizeof(*data));
	pbuild_init(m, &t);
}

struct rt_bytes pbuild_finish(struct pbuild *m)
{
	struct pbuild *graph = m->graph;

	m->graph = NULL;
	pbuild_message(m, 7, graph);
	free(graph);
	return (struct rt_bytes){m->data, m->size};
}
