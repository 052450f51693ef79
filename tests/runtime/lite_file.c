/* SPDX-License-Identifier: MIT */
/*
 * lite_file.c — see lite_file.h.  A table here has eight bytes for every field.
 */
#include <config.h>

#include <string.h>

#include "tests/runtime/lite_file.h"

static void put(struct lite_file *f, size_t at, size_t size, uint64_t value)
{
	must(at + size <= sizeof(f->b));
	for (size_t i = 0; i < size; i++)
		f->b[at + i] = (uint8_t)(value >> (8 * i));
}

static size_t room(struct lite_file *f, size_t bytes, size_t align, size_t after)
{
	size_t at = f->n;

	while ((at + after) % align != 0)
		at++;
	must(at + bytes <= sizeof(f->b));
	f->n = at + bytes;
	return at;
}

/* A vtable of ${fields} and its table, whose position this is. */
static size_t table(struct lite_file *f, int fields)
{
	const size_t vtable = room(f, 4 + 2 * (size_t)fields, 8, 0);
	const size_t at = room(f, 8 + 8 * (size_t)fields, 8, 0);

	put(f, vtable, 2, 4 + 2 * (uint64_t)fields);
	put(f, vtable + 2, 2, 8 + 8 * (uint64_t)fields);
	put(f, at, 4, at - vtable);
	return at;
}

/* Where field ${k} of a table is; from now on the table has it. */
static size_t field(struct lite_file *f, size_t at, int k)
{
	size_t back = 0;

	for (int i = 3; i >= 0; i--)
		back = back << 8 | f->b[at + (size_t)i];
	put(f, at - back + 4 + 2 * (size_t)k, 2, 8 + 8 * (uint64_t)k);
	return at + 8 + 8 * (size_t)k;
}

static void scalar(struct lite_file *f, size_t at, int k, size_t size, int64_t value)
{
	put(f, field(f, at, k), size, (uint64_t)value);
}

/* Field ${k} points to what comes next. */
static void refer(struct lite_file *f, size_t slot, size_t to)
{
	put(f, slot, 4, to - slot);
}

static size_t vector(struct lite_file *f, size_t slot, size_t each, size_t count, const void *data)
{
	const size_t at = room(f, 4 + each * count, 16, 4);

	put(f, at, 4, count);
	if (data != NULL && count > 0)
		memcpy(f->b + at + 4, data, each * count);
	refer(f, slot, at);
	return at + 4;
}

void lite_begin(struct lite_file *f)
{
	memset(f, 0, sizeof(*f));
}

int lite_tensor(struct lite_file *f, const char *name, int type, int rank, const int *dims,
		const void *data, size_t bytes)
{
	struct lite_tensor *t = &f->tensors[f->tensor_count];

	must(f->tensor_count < LITE_ITEMS_MAX && rank <= 4);
	*t = (struct lite_tensor){
	    .name = name, .type = type, .rank = rank, .data = data, .bytes = bytes};
	for (int i = 0; i < rank; i++)
		t->dims[i] = dims[i];
	return f->tensor_count++;
}

void lite_quant(struct lite_file *f, int t, int scales, const float *scale, int64_t zero, int axis)
{
	f->tensors[t].scales = scales;
	f->tensors[t].scale = scale;
	f->tensors[t].zero = zero;
	f->tensors[t].axis = axis;
}

struct lite_op *lite_op(struct lite_file *f, int builtin, const char *custom, int ins,
			const int *in, int outs, const int *out)
{
	struct lite_op *op = &f->ops[f->op_count++];

	must(f->op_count <= LITE_ITEMS_MAX && f->code_count < LITE_ITEMS_MAX);
	op->code = f->code_count;
	f->codes[f->code_count].code = builtin;
	f->codes[f->code_count++].custom = custom;
	op->in_count = ins;
	op->out_count = outs;
	for (int i = 0; i < ins; i++)
		op->in[i] = in[i];
	for (int i = 0; i < outs; i++)
		op->out[i] = out[i];
	return op;
}

void lite_option(struct lite_op *op, size_t size, int64_t value)
{
	op->options[op->option_count].size = size;
	op->options[op->option_count++].value = value;
}

static void write_tensor(struct lite_file *f, size_t slot, const struct lite_tensor *t, int buffer)
{
	const size_t at = table(f, 8);
	size_t q;

	refer(f, slot, at);
	scalar(f, at, 1, 1, t->type);
	if (t->bytes > 0)
		scalar(f, at, 2, 4, buffer);
	(void)vector(f, field(f, at, 0), 4, (size_t)t->rank, t->dims);
	(void)vector(f, field(f, at, 3), 1, strlen(t->name), t->name);
	if (t->scales == 0)
		return;
	q = table(f, 7);
	refer(f, field(f, at, 4), q);
	scalar(f, q, 6, 4, t->axis);
	(void)vector(f, field(f, q, 2), 4, (size_t)t->scales, t->scale);
	(void)vector(f, field(f, q, 3), 8, 1, &t->zero);
}

static void write_op(struct lite_file *f, size_t slot, const struct lite_op *op)
{
	const size_t at = table(f, 6);
	size_t options;

	refer(f, slot, at);
	scalar(f, at, 0, 4, op->code);
	if (op->custom.size > 0)
		(void)vector(f, field(f, at, 5), 1, op->custom.size, op->custom.data);
	(void)vector(f, field(f, at, 1), 4, (size_t)op->in_count, op->in);
	(void)vector(f, field(f, at, 2), 4, (size_t)op->out_count, op->out);
	if (op->option_count == 0)
		return;
	options = table(f, op->option_count);
	refer(f, field(f, at, 4), options);
	for (int i = 0; i < op->option_count; i++)
		if (op->options[i].size > 0)
			scalar(f, options, i, op->options[i].size, op->options[i].value);
}

static void write_codes(struct lite_file *f, size_t model)
{
	const size_t v = vector(f, field(f, model, 1), 4, (size_t)f->code_count, NULL);

	for (int i = 0; i < f->code_count; i++) {
		const size_t at = table(f, 4);

		refer(f, v + 4 * (size_t)i, at);
		scalar(f, at, 3, 4, f->codes[i].code);
		if (f->codes[i].custom != NULL)
			(void)vector(f, field(f, at, 1), 1, strlen(f->codes[i].custom),
				     f->codes[i].custom);
	}
}

/* Buffer 0 is empty; tensor ${i} has buffer i + 1. */
static void write_buffers(struct lite_file *f, size_t model)
{
	const size_t v = vector(f, field(f, model, 4), 4, (size_t)f->tensor_count + 1, NULL);

	for (int i = 0; i <= f->tensor_count; i++) {
		const size_t at = table(f, 1);

		refer(f, v + 4 * (size_t)i, at);
		if (i > 0 && f->tensors[i - 1].bytes > 0)
			(void)vector(f, field(f, at, 0), 1, f->tensors[i - 1].bytes,
				     f->tensors[i - 1].data);
	}
}

struct rt_bytes lite_end(struct lite_file *f, int ins, const int *in, int outs, const int *out)
{
	size_t model, graph, v;

	f->n = 8;
	memcpy(f->b + 4, "TFL3", 4);
	model = table(f, 5);
	refer(f, 0, model);
	scalar(f, model, 0, 4, 3);
	write_codes(f, model);
	v = vector(f, field(f, model, 2), 4, 1, NULL);
	graph = table(f, 4);
	refer(f, v, graph);
	(void)vector(f, field(f, graph, 1), 4, (size_t)ins, in);
	(void)vector(f, field(f, graph, 2), 4, (size_t)outs, out);
	v = vector(f, field(f, graph, 0), 4, (size_t)f->tensor_count, NULL);
	for (int i = 0; i < f->tensor_count; i++)
		write_tensor(f, v + 4 * (size_t)i, &f->tensors[i], i + 1);
	v = vector(f, field(f, graph, 3), 4, (size_t)f->op_count, NULL);
	for (int i = 0; i < f->op_count; i++)
		write_op(f, v + 4 * (size_t)i, &f->ops[i]);
	write_buffers(f, model);
	return (struct rt_bytes){f->b, f->n};
}
