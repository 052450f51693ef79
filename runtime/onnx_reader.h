/* SPDX-License-Identifier: MIT */
/*
 * onnx_reader.h — what the files onnx*.c share.  Private to them.
 */
#ifndef LARDER_RUNTIME_ONNX_READER_H
#define LARDER_RUNTIME_ONNX_READER_H

#include "runtime/names.h"
#include "runtime/onnx.h"
#include "runtime/wire.h"

/* A file of external data that was asked for already. */
struct rt_onnx_file {
	const char *location;
	struct rt_bytes bytes;
};

/* A version of an operator set that is imported. */
struct rt_onnx_import {
	const char *domain;
	int64_t version;
};
struct rt_onnx_imports {
	struct rt_onnx_import *list;
	int count, cap;
};

struct rt_onnx_function {
	const char *domain, *name, *overload;
	struct rt_wire body; /* the FunctionProto */
	struct rt_onnx_imports imports;
};

/* One file while it is read. */
struct rt_onnx_reader {
	struct rt_graph *root; /* whose memory everything takes */
	const struct rt_onnx_opts *opts;
	struct rt_error *err;
	int node_count, tensor_count;
	bool leave; /* large floats where they are, aligned or not (settle.h) */
	struct rt_onnx_file *files;
	int file_count, file_cap;
	struct rt_onnx_function *functions;
	int function_count, function_cap;
};

/*
 * Where a name means something: a graph, or the body of a function that is put
 * in place of a call.  Several scopes may fill the same graph.
 */
struct rt_onnx_scope {
	struct rt_onnx_reader *r;
	struct rt_graph *graph;
	struct rt_onnx_scope *parent;   /* of a sub-graph: names it does not define are looked up
					 * there */
	struct rt_names names;          /* value index, or RT_ONNX_ABSENT */
	struct rt_str *pending;         /* names that were read before they were defined */
	int pending_count, pending_cap; /* (malloc) */
	const struct rt_onnx_imports *imports;
	const struct rt_node *call; /* of a function: its attributes are what names stand for */
	struct rt_onnx_scope *caller;
	int calls; /* of functions in functions */
};
#define RT_ONNX_ABSENT (-2) /* an input of a function that its call leaves out */

/* ---- onnx.c ---- */
int rt_onnx_no_memory(struct rt_onnx_reader *r);
#ifdef __clang_analyzer__ /* as in tensor.h */
#define rt_onnx_no_memory(r) (rt_onnx_no_memory(r), RT_BUDGET)
#endif
/* rt_onnx_name(r, s, out): check a name and copy it, NUL-terminated. */
int rt_onnx_name(struct rt_onnx_reader *r, const struct rt_field *f, const char **out);
/* rt_onnx_look_up(s, name, out): the value that ${name} stands for, made if it is new. */
int rt_onnx_look_up(struct rt_onnx_scope *s, struct rt_str name, int *out);
/* rt_onnx_define(s, name, out): the same for what makes it; a second definition is an error. */
int rt_onnx_define(struct rt_onnx_scope *s, struct rt_str name, int *out);
/* rt_onnx_graph(s, w): read a GraphProto into ${s->graph}. */
int rt_onnx_graph(struct rt_onnx_scope *s, struct rt_wire w);
void rt_onnx_scope_release(struct rt_onnx_scope *s);
/* rt_onnx_settle(s): every name that was read must be defined by now, here or further out. */
int rt_onnx_settle(struct rt_onnx_scope *s);
int rt_onnx_read_import(struct rt_onnx_reader *r, struct rt_wire w,
			struct rt_onnx_imports *imports);
/* rt_onnx_grow(r, array, count, cap, size): room for one more; RT_BUDGET. */
int rt_onnx_grow(struct rt_onnx_reader *r, void **array, int count, int *cap, size_t size);

/* ---- onnx_node.c ---- */
int rt_onnx_node(struct rt_onnx_scope *s, struct rt_wire w);

/* ---- onnx_attr.c ---- */
/* rt_onnx_attr(s, w, out): ${out->name} NULL when a function's call leaves it out. */
int rt_onnx_attr(struct rt_onnx_scope *s, struct rt_wire w, struct rt_attr *out);

/* ---- onnx_function.c ---- */
int rt_onnx_function_read(struct rt_onnx_reader *r, struct rt_wire w);
const struct rt_onnx_function *rt_onnx_function_find(const struct rt_onnx_reader *r,
						     const char *domain, const char *name,
						     const char *overload);
/* rt_onnx_function_call(s, f, call): append the body to ${s->graph}; ${call} is not in it. */
int rt_onnx_function_call(struct rt_onnx_scope *s, const struct rt_onnx_function *f,
			  const struct rt_node *call);

/* ---- onnx_tensor.c ---- */
int rt_onnx_tensor(struct rt_onnx_reader *r, struct rt_wire w, struct rt_str *name,
		   struct rt_tensor *out);

/* ---- onnx_sparse.c ---- */
int rt_onnx_sparse(struct rt_onnx_reader *r, struct rt_wire w, struct rt_str *name,
		   struct rt_tensor *out);

/* ---- onnx_type.c ---- */
/* rt_onnx_type(r, w, out): a TypeProto; RT_NONE when it is none that is known here. */
int rt_onnx_type(struct rt_onnx_reader *r, struct rt_wire w, enum rt_dtype *out);
/* rt_onnx_value_info(r, w, name, out): a ValueInfoProto; ${out} gets type, shape, dim names. */
int rt_onnx_value_info(struct rt_onnx_reader *r, struct rt_wire w, struct rt_str *name,
		       struct rt_value *out);

#endif
