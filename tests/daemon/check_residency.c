/* SPDX-License-Identifier: MIT */
/*
 * check_residency.c — models in memory (daemon/residency.c, residency_load.c) over a
 * real store and the real runtime.  The models are ONNX files written here field by
 * field after onnx.proto: y = Relu(x), and y = x + w with w in a file of its own.
 */
#include <config.h>

#include <check.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/arena.h"
#include "daemon/fault.h"
#include "daemon/residency.h"
#include "daemon/residency_alias.h"
#include "daemon/residency_session.h"
#include "daemon/residency_table.h"
#include "store/store.h"
#include "tests/lib/pbuild.h"

Suite *check_residency(void);

/* ---- ONNX, by hand --------------------------------------------------------------------- */

struct proto {
	unsigned char data[1024];
	size_t size;
};

static void put(struct proto *p, const void *data, size_t size)
{
	ck_assert_uint_le(p->size + size, sizeof p->data);
	memcpy(p->data + p->size, data, size);
	p->size += size;
}

static void varint(struct proto *p, uint64_t v)
{
	unsigned char b;

	for (; v >= 0x80; v >>= 7) {
		b = (unsigned char)(v | 0x80);
		put(p, &b, 1);
	}
	b = (unsigned char)v;
	put(p, &b, 1);
}

/* Field ${n} of wire type 0 (varint) and 2 (bytes). */
static void number(struct proto *p, unsigned n, uint64_t v)
{
	varint(p, n << 3);
	varint(p, v);
}

static void bytes(struct proto *p, unsigned n, const void *data, size_t size)
{
	varint(p, n << 3 | 2);
	varint(p, size);
	put(p, data, size);
}

static void text(struct proto *p, unsigned n, const char *s)
{
	bytes(p, n, s, strlen(s));
}

static void message(struct proto *p, unsigned n, const struct proto *m)
{
	bytes(p, n, m->data, m->size);
}

/* ValueInfoProto ${name}: float32 [N,3]. */
static struct proto value_info(const char *name)
{
	struct proto free_dim = {.size = 0}, dim = {.size = 0}, shape = {.size = 0},
		     tensor = {.size = 0}, type = {.size = 0}, info = {.size = 0};

	text(&free_dim, 2, "N");
	number(&dim, 1, 3);
	message(&shape, 1, &free_dim);
	message(&shape, 1, &dim);
	number(&tensor, 1, 1);
	message(&tensor, 2, &shape);
	message(&type, 1, &tensor);
	text(&info, 1, name);
	message(&info, 2, &type);
	return info;
}

/* TensorProto w: float32 [3], its bytes in ${location}. */
static struct proto external(const char *location)
{
	struct proto entry = {.size = 0}, tensor = {.size = 0};

	text(&entry, 1, "location");
	text(&entry, 2, location);
	number(&tensor, 1, 3);
	number(&tensor, 2, 1);
	text(&tensor, 8, "w");
	message(&tensor, 13, &entry);
	number(&tensor, 14, 1);
	return tensor;
}

/* ModelProto with one node ${op}; ${location} NULL: it has one input. */
static struct proto onnx(const char *op, const char *location)
{
	struct proto node = {.size = 0}, graph = {.size = 0}, opset = {.size = 0},
		     model = {.size = 0}, part;

	text(&node, 1, "x");
	if (location != NULL)
		text(&node, 1, "w");
	text(&node, 2, "y");
	text(&node, 4, op);
	message(&graph, 1, &node);
	text(&graph, 2, "g");
	if (location != NULL) {
		part = external(location);
		message(&graph, 5, &part);
	}
	part = value_info("x");
	message(&graph, 11, &part);
	part = value_info("y");
	message(&graph, 12, &part);
	number(&model, 1, 8);
	message(&model, 7, &graph);
	number(&opset, 2, 13);
	message(&model, 8, &opset);
	return model;
}

/* ---- a store with models ----------------------------------------------------------------- */

static char dir[64];
static struct store *store;
static struct residency *residency;
static struct arena arena;
static struct fault fault;

static struct store_digest put_blob(const void *data, size_t size)
{
	struct store_writer *w;
	struct store_digest digest;
	struct store_error err;
	uint64_t stored;

	ck_assert_int_eq(store_writer_open(store, &w, &err), 0);
	ck_assert_int_eq(store_writer_append(w, data, size, &err), 0);
	ck_assert_int_eq(store_writer_commit(w, NULL, &digest, &stored, &err), 0);
	return digest;
}

/* ${model}@main is the file ${path}, and ${extra} (NULL = none) with 10, 20, 30. */
static void import(const char *model, const char *path, const struct proto *file, const char *extra)
{
	static const float w[3] = {10, 20, 30};
	struct store_digest digest = put_blob(file->data, file->size), data = put_blob(w, sizeof w);
	char commit[STORE_COMMIT_HEX + 1];
	struct store_import *im;
	struct store_error err;

	ck_assert_int_eq(store_import_begin(store, model, "main", &im, &err), 0);
	ck_assert_int_eq(store_import_add(im, path, &digest, &err), 0);
	if (extra != NULL)
		ck_assert_int_eq(store_import_add(im, extra, &data, &err), 0);
	ck_assert_msg(store_import_commit(im, commit, &err) == 0, "%s", err.text);
}

static void setup(void)
{
	struct store_error err;
	struct residency_opts opts = {.threads = 2, .cpu_level = rt_cpu_best(), .keep_alive_s = -1};

	snprintf(dir, sizeof dir, "/tmp/check_residency.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_msg(store_open(&(struct store_opts){.dir = dir}, &store, &err) == 0, "%s",
		      err.text);
	opts.store = store;
	residency = residency_new(&opts);
	ck_assert_ptr_nonnull(residency);
	arena_init(&arena);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void teardown(void)
{
	residency_free(residency);
	store_close(store);
	arena_release(&arena);
	nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static int get(const char *model, const char *revision, const char *file, struct resident **out)
{
	struct residency_want want = {
	    .model = model, .revision = revision, .file = file, .arena = &arena};

	return residency_get(residency, &want, out, NULL, &fault);
}

static struct resident *got(const char *model)
{
	struct resident *m = NULL;

	ck_assert_msg(get(model, NULL, NULL, &m) == 0, "%u %s", fault.http, fault.text);
	return m;
}

static void refused(int status, unsigned http, const char *says)
{
	ck_assert_int_eq(status, -1);
	ck_assert_msg(fault.http == http && strstr(fault.text, says) != NULL, "%u %s", fault.http,
		      fault.text);
}

/* One run on x = [[-1, 2, 5]] must give ${want}. */
static void run(struct resident *m, const float want[3])
{
	float x[3] = {-1, 2, 5};
	struct rt_tensor in = {RT_F32, rt_shape_of(2, (int64_t)1, (int64_t)3), x}, out;
	struct rt_run_opts opts = {.cancel = NULL};
	struct rt_session *s;
	struct fault why;
	struct rt_error err;

	ck_assert_msg(residency_session_take(m, NULL, &s, &why) == 0, "%s", why.text);
	ck_assert_msg(rt_session_run(s, &in, &out, NULL, &opts, &err) == 0, "%s", err.text);
	for (int i = 0; i < 3; i++)
		ck_assert_float_eq(((const float *)out.data)[i], want[i]);
	residency_session_give(m, s, true);
}

static const float relu[3] = {0, 2, 5}, plus_w[3] = {9, 22, 35};

struct count {
	unsigned loaded, sessions;
	uint64_t runs;
};

static void add_up(void *arg, const struct residency_info *info)
{
	struct count *c = arg;

	c->loaded++;
	c->sessions += info->sessions;
	c->runs += info->runs;
}

static struct count counted(void)
{
	struct count c = {0, 0, 0};

	residency_each(residency, add_up, &c);
	return c;
}

/* ---- tests ------------------------------------------------------------------------------------
 */

START_TEST(load_and_run)
{
	struct proto p = onnx("Relu", NULL);
	struct resident *a, *b;

	import("org/m", "m.onnx", &p, NULL);
	a = got("org/m");
	b = got("org--m");
	ck_assert_ptr_eq(a, b);
	ck_assert_str_eq(residency_model(a), "org/m");
	ck_assert_str_eq(residency_file(a), "m.onnx");
	ck_assert_uint_eq(residency_ports(a)->input_count, 1);
	ck_assert_str_eq(residency_ports(a)->inputs[0]->name, "x");
	ck_assert_int_eq(residency_ports(a)->outputs[0]->shape.dims[0], -1);
	run(a, relu);
	run(b, relu);
	ck_assert_uint_eq(counted().loaded, 1);
	ck_assert_uint_eq(counted().sessions, 1);
	ck_assert_uint_eq(counted().runs, 2);
	residency_unref(a);
	residency_unref(b);
	ck_assert_uint_eq(counted().loaded, 1);
}
END_TEST

static const struct {
	const char *model_path, *location, *data_path, *says; /* says NULL: it loads */
} externals[] = {
    {"m.onnx", "w.bin", "w.bin", NULL},
    {"onnx/m.onnx", "w.bin", "onnx/w.bin", NULL},
    {"onnx/m.onnx", "deep/w.bin", "onnx/deep/w.bin", NULL},
    {"m.onnx", "./w.bin", "w.bin", NULL},
    {"onnx/m.onnx", "w.bin", "w.bin", "w.bin"},
    {"onnx/m.onnx", "../w.bin", "w.bin", ""},
    {"m.onnx", "/etc/passwd", "w.bin", ""},
    {"m.onnx", "absent.bin", "w.bin", "absent.bin"},
};

/* Weights are found beside the model in its snapshot, and nowhere else. */
START_TEST(external_data)
{
	struct proto p = onnx("Add", externals[_i].location);
	struct resident *m;

	import("m", externals[_i].model_path, &p, externals[_i].data_path);
	if (externals[_i].says != NULL) {
		refused(get("m", NULL, NULL, &m), 422, externals[_i].says);
		ck_assert_ptr_null(strstr(fault.text, dir));
		return;
	}
	m = got("m");
	run(m, plus_w);
	residency_unref(m);
}
END_TEST

START_TEST(not_there)
{
	struct proto p = onnx("Relu", NULL);
	struct resident *m;

	import("m", "m.onnx", &p, NULL);
	refused(get("n", NULL, NULL, &m), 404, "n");
	refused(get("m", "v2", NULL, &m), 404, "v2");
	refused(get("m", NULL, "x.onnx", &m), 404, "x.onnx");
	refused(get("m", NULL, "m.gguf", &m), 501, "m.gguf");
	refused(get("", NULL, NULL, &m), 404, "");
	refused(get("../etc", NULL, NULL, &m), 404, "");
}
END_TEST

START_TEST(which_file)
{
	static const char weights[] = "[{\"paths\":[\"w.bin\"],\"weights\":[]}]";
	struct proto p = onnx("Relu", NULL), face = {.size = 0};
	struct store_digest d = put_blob(p.data, p.size);
	char commit[STORE_COMMIT_HEX + 1];
	struct store_import *im;
	struct store_error err;
	struct resident *m;

	ck_assert_int_eq(store_import_begin(store, "m", "main", &im, &err), 0);
	ck_assert_int_eq(store_import_add(im, "a.onnx", &d, &err), 0);
	ck_assert_int_eq(store_import_add(im, "b.onnx", &d, &err), 0);
	ck_assert_int_eq(store_import_commit(im, commit, &err), 0);
	refused(get("m", NULL, NULL, &m), 409, "a.onnx, b.onnx");
	ck_assert_int_eq(get("m", commit, "b.onnx", &m), 0);
	ck_assert_str_eq(residency_file(m), "b.onnx");
	residency_unref(m);
	put(&face, weights, sizeof weights - 1);
	import("js", "model.json", &face, NULL); /* weights alone, which a page runs by itself */
	refused(get("js", NULL, NULL, &m), 501, "topology");
	import("none", "readme.md", &p, NULL);
	refused(get("none", NULL, NULL, &m), 501, "no .onnx file");
}
END_TEST

/* What cannot run is remembered, and the whole reason is told where a fault is too short. */
START_TEST(cannot_run)
{
	struct proto bad = {.data = "not an onnx file", .size = 16},
		     none = onnx("NoSuchOperator", NULL);
	struct residency_want want = {.model = "none", .arena = &arena};
	const char *detail = "";
	struct resident *m;

	import("bad", "m.onnx", &bad, NULL);
	import("none", "m.onnx", &none, NULL);
	for (int i = 0; i < 2; i++) {
		refused(get("bad", NULL, NULL, &m), 422, "");
		ck_assert_int_eq(residency_get(residency, &want, &m, &detail, &fault), -1);
		ck_assert_uint_eq(fault.http, 501);
		ck_assert_ptr_nonnull(strstr(fault.text, "NoSuchOperator"));
	}
	ck_assert_uint_eq(counted().loaded, 0);
	/* many of them are not remembered for ever */
	for (int i = 0; i < 100; i++) {
		char name[16];

		snprintf(name, sizeof name, "bad%d", i);
		snprintf((char *)bad.data, 17, "not an onnx %4d", i);
		import(name, "m.onnx", &bad, NULL);
		refused(get(name, NULL, NULL, &m), 422, "");
	}
}
END_TEST

/* A name that moves: those who run the old snapshot go on, new requests get the new one. */
START_TEST(replaced)
{
	struct proto first = onnx("Relu", NULL), second = onnx("Add", "w.bin");
	char commit[STORE_COMMIT_HEX + 1];
	struct resident *old, *new, *again;

	import("m", "m.onnx", &first, "w.bin");
	old = got("m");
	snprintf(commit, sizeof commit, "%s", residency_commit(old));
	import("m", "m.onnx", &second, "w.bin");
	new = got("m");
	ck_assert_ptr_ne(old, new);
	run(old, relu);
	run(new, plus_w);
	ck_assert_int_eq(get("m", commit, NULL, &again), 0);
	ck_assert_ptr_eq(again, old);
	residency_unref(again);
	residency_unref(old);
	residency_unref(new);
}
END_TEST

START_TEST(unload)
{
	struct proto p = onnx("Relu", NULL);
	struct resident *m, *again;

	import("m", "m.onnx", &p, NULL);
	m = got("m");
	run(m, relu);
	ck_assert_uint_eq(residency_unload(residency, "other", NULL), 0);
	ck_assert_uint_eq(residency_unload(residency, NULL, "0000000"), 0);
	ck_assert_uint_eq(residency_unload(residency, NULL, residency_commit(m)), 1);
	ck_assert_uint_eq(counted().loaded, 0);
	run(m, relu); /* whoever has it, keeps it */
	again = got("m");
	ck_assert_ptr_ne(again, m);
	residency_unref(m);
	residency_unref(again);
	ck_assert_uint_eq(residency_unload(residency, "m", NULL), 1);
}
END_TEST

/* The store may forget the model while it runs. */
START_TEST(removed)
{
	struct proto p = onnx("Add", "w.bin");
	struct store_error err;
	struct resident *m, *none;

	import("m", "m.onnx", &p, "w.bin");
	m = got("m");
	ck_assert_int_eq(store_model_remove(store, "m", NULL, &err), 0);
	run(m, plus_w);
	refused(get("m", NULL, NULL, &none), 404, "m");
	residency_unref(m);
}
END_TEST

/* More names than are remembered, each asked for twice; then all of them mean something else. */
START_TEST(many_names)
{
	enum { NAMES = 2 * RESIDENCY_ALIASES };
	struct proto first = onnx("Relu", NULL), second = onnx("Add", "w.bin");
	struct resident *m;
	char name[16];

	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < NAMES; i++) {
			snprintf(name, sizeof name, "m%d", i);
			if (round % 2 == 0)
				import(name, "m.onnx", round == 0 ? &first : &second, "w.bin");
			m = got(name);
			run(m, round < 2 ? relu : plus_w);
			residency_unref(m);
		}
	}
	ck_assert_uint_eq(counted().loaded, 2); /* the same content, one model */
}
END_TEST

/* Two sessions at most; whoever comes third waits, until nobody waits for him. */
START_TEST(sessions)
{
	struct proto p = onnx("Relu", NULL);
	struct rt_session *a, *b, *c;
	atomic_bool cancelled = true;
	struct resident *m;

	import("m", "m.onnx", &p, NULL);
	m = got("m");
	ck_assert_int_eq(residency_session_take(m, NULL, &a, &fault), 0);
	ck_assert_int_eq(residency_session_take(m, NULL, &b, &fault), 0);
	ck_assert_ptr_ne(a, b);
	refused(residency_session_take(m, &cancelled, &c, &fault), 503, "cancelled");
	residency_session_give(m, b, true);
	ck_assert_int_eq(residency_session_take(m, &cancelled, &c, &fault), 0);
	ck_assert_ptr_eq(c, b);
	residency_session_give(m, a, true);
	residency_session_give(m, c, true);
	residency_unref(m);
}
END_TEST

struct third {
	struct resident *m;
	struct rt_session *s;
	int status;
	atomic_bool has;
};

static void *take_third(void *arg)
{
	struct third *t = arg;
	struct fault why;

	t->status = residency_session_take(t->m, NULL, &t->s, &why);
	atomic_store(&t->has, true);
	return NULL;
}

static int waiting_for(struct resident *m)
{
	int n = 0;

	residency_table_lock(residency);
	for (const struct resident_waiter *w = m->waiters; w != NULL; w = w->next)
		n++;
	residency_table_unlock(residency);
	return n;
}

/* Those who wait get one in the order they came. */
START_TEST(sessions_by_turns)
{
	struct proto p = onnx("Relu", NULL);
	struct rt_session *a, *b;
	struct resident *m;

	import("m", "m.onnx", &p, NULL);
	m = got("m");
	for (int round = 0; round < 20; round++) {
		struct third t[3] = {{.m = m}, {.m = m}, {.m = m}};
		pthread_t thread[3];

		ck_assert_int_eq(residency_session_take(m, NULL, &a, &fault), 0);
		ck_assert_int_eq(residency_session_take(m, NULL, &b, &fault), 0);
		for (int i = 0; i < 3; i++) {
			ck_assert_int_eq(pthread_create(&thread[i], NULL, take_third, &t[i]), 0);
			while (waiting_for(m) != i + 1)
				usleep(100);
		}
		for (int i = 0; i < 3; i++) {
			ck_assert(!atomic_load(&t[i].has));
			residency_session_give(m, i == 0 ? a : t[i - 1].s, true);
			ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
			ck_assert_int_eq(t[i].status, 0);
		}
		residency_session_give(m, t[2].s, true);
		residency_session_give(m, b, true);
	}
	residency_unref(m);
}
END_TEST

/* A session that a lost page has ended is closed, not kept for the next run. */
START_TEST(a_session_that_is_lost)
{
	struct proto p = onnx("Relu", NULL);
	struct rt_session *a, *b;
	struct resident *m;

	import("m", "m.onnx", &p, NULL);
	m = got("m");
	ck_assert_int_eq(residency_session_take(m, NULL, &a, &fault), 0);
	ck_assert_int_eq(residency_session_take(m, NULL, &b, &fault), 0);
	ck_assert_uint_eq(counted().sessions, 2);
	residency_session_give(m, a, false);
	ck_assert_uint_eq(counted().sessions, 1);
	residency_session_give(m, b, true);
	ck_assert_uint_eq(counted().sessions, 1);
	run(m, relu); /* and the place is free again */
	residency_unref(m);
}
END_TEST

static void *hammer(void *arg)
{
	struct arena own;
	struct residency_want want = {.model = "m", .arena = &own};
	struct resident *m;
	struct fault why;

	arena_init(&own);
	for (int i = 0; i < 50; i++) {
		ck_assert_msg(residency_get(residency, &want, &m, NULL, &why) == 0, "%s", why.text);
		run(m, plus_w);
		residency_unref(m);
		if (*(int *)arg == 0 && i % 10 == 5)
			(void)residency_unload(residency, "m", NULL);
	}
	arena_release(&own);
	return NULL;
}

/* Many at once, with unloads between: one load for all who wait, and right answers. */
START_TEST(together)
{
	enum { THREADS = 8 };
	struct proto p = onnx("Add", "w.bin");
	pthread_t thread[THREADS];
	int number_of[THREADS];
	struct count c;

	import("m", "m.onnx", &p, "w.bin");
	for (int i = 0; i < THREADS; i++) {
		number_of[i] = i;
		ck_assert_int_eq(pthread_create(&thread[i], NULL, hammer, &number_of[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	c = counted();
	ck_assert_uint_le(c.loaded, 1);
	ck_assert_uint_le(c.sessions, 2);
}
END_TEST

/* ---- packed weights ---------------------------------------------------------------------- */

#define WIDE 131072

/* y = x · w, w [3][WIDE] in w.bin: w[i][j] = ${scale} · (i + 1) · (j mod 7). */
static struct store_digest import_product(int scale)
{
	static float w[3][WIDE];
	struct proto p = {.size = 0}, graph = {.size = 0}, node = {.size = 0}, opset = {.size = 0};
	struct proto tensor = {.size = 0}, entry = {.size = 0}, part;
	struct store_digest file, data;
	char commit[STORE_COMMIT_HEX + 1];
	struct store_import *im;
	struct store_error err;

	for (int i = 0; i < 3; i++)
		for (int j = 0; j < WIDE; j++)
			w[i][j] = (float)(scale * (i + 1) * (j % 7));
	text(&node, 1, "x");
	text(&node, 1, "w");
	text(&node, 2, "y");
	text(&node, 4, "MatMul");
	message(&graph, 1, &node);
	text(&graph, 2, "g");
	text(&entry, 1, "location");
	text(&entry, 2, "w.bin");
	number(&tensor, 1, 3);
	number(&tensor, 1, WIDE);
	number(&tensor, 2, 1);
	text(&tensor, 8, "w");
	message(&tensor, 13, &entry);
	number(&tensor, 14, 1);
	message(&graph, 5, &tensor);
	part = value_info("x");
	message(&graph, 11, &part);
	part = (struct proto){.size = 0};
	text(&part, 1, "y");
	message(&graph, 12, &part);
	number(&p, 1, 8);
	message(&p, 7, &graph);
	number(&opset, 2, 13);
	message(&p, 8, &opset);
	file = put_blob(p.data, p.size);
	data = put_blob(w, sizeof w);
	ck_assert_int_eq(store_import_begin(store, "m", "main", &im, &err), 0);
	ck_assert_int_eq(store_import_add(im, "m.onnx", &file, &err), 0);
	ck_assert_int_eq(store_import_add(im, "w.bin", &data, &err), 0);
	ck_assert_msg(store_import_commit(im, commit, &err) == 0, "%s", err.text);
	return file;
}

static void add_mapped(void *arg, const struct residency_info *info)
{
	*(uint64_t *)arg += info->mapped_bytes;
}

/* Load it anew, run it, look whether the map of packed weights is one of its own. */
static void load_product(int scale, bool found)
{
	float x[3] = {-1, 2, 5};
	struct rt_tensor in = {RT_F32, rt_shape_of(2, (int64_t)1, (int64_t)3), x}, out;
	struct rt_run_opts opts = {.cancel = NULL};
	struct resident *m;
	struct rt_session *s;
	struct rt_error err;
	uint64_t mapped = 0;

	residency_unload(residency, "m", NULL);
	m = got("m");
	residency_each(residency, add_mapped, &mapped);
	ck_assert_int_eq(mapped > 2 * sizeof(float) * 3 * WIDE, found);
	ck_assert_msg(residency_session_take(m, NULL, &s, &fault) == 0, "%s", fault.text);
	ck_assert_msg(rt_session_run(s, &in, &out, NULL, &opts, &err) == 0, "%s", err.text);
	for (int j = 0; j < WIDE; j++) /* -1 · 1 + 2 · 2 + 5 · 3 */
		ck_assert_float_eq(((const float *)out.data)[j], (float)(scale * 18 * (j % 7)));
	residency_session_give(m, s, true);
	residency_unref(m);
}

/* The second load maps what the first one packed; never what is of other weights or damaged. */
START_TEST(packed_weights_are_kept)
{
	struct store_digest file = import_product(1);
	struct store_derived packed;
	struct store_error err;
	char kind[STORE_KIND_MAX + 1];

	snprintf(kind, sizeof kind, "packed:%s", rt_cpu_level_name(rt_cpu_best()));
	load_product(1, false);
	ck_assert_int_eq(store_derived_find(store, &file, kind, &packed, &err), STORE_NOT_FOUND);
	residency_keep_packed(residency);
	ck_assert_msg(store_derived_find(store, &file, kind, &packed, &err) == 0, "%s", err.text);
	ck_assert_uint_ge(packed.size, sizeof(float) * 3 * WIDE);
	load_product(1, true);

	/* the same file, other external data */
	file = import_product(2);
	load_product(2, true);
	residency_keep_packed(residency);
	load_product(2, true);

	ck_assert_int_eq(store_derived_put(store, &file, kind, "rtPACK", 6, &packed, &err), 0);
	load_product(2, false);
	residency_keep_packed(residency);
	load_product(2, true);
}
END_TEST

/* What would take many times the room of the model itself is not kept. */
START_TEST(packed_weights_of_many_nodes)
{
	static float w[512 * 512];
	char name[8], inputs[16], commit[STORE_COMMIT_HEX + 1], kind[STORE_KIND_MAX + 1];
	struct pbuild m = {0};
	struct store_digest digest;
	struct store_derived packed;
	struct store_import *im;
	struct store_error err;
	struct rt_bytes file;

	for (int i = 0; i < 512; i++)
		w[i * 513] = 1;
	pbuild_model(&m, 13);
	pbuild_input(&m, "x0", 1, 2, (int64_t[]){3, 512});
	pbuild_init_f32(&m, "w", 2, (int64_t[]){512, 512}, w);
	for (int i = 0; i < 6; i++) {
		snprintf(name, sizeof name, "x%d", i + 1);
		snprintf(inputs, sizeof inputs, "x%d w", i);
		pbuild_node(&m, "MatMul", inputs, name, NULL);
	}
	pbuild_output(&m, "x6", 1);
	file = pbuild_finish(&m);
	digest = put_blob(file.data, file.size);
	pbuild_free(&m);
	ck_assert_int_eq(store_import_begin(store, "m", "main", &im, &err), 0);
	ck_assert_int_eq(store_import_add(im, "m.onnx", &digest, &err), 0);
	ck_assert_msg(store_import_commit(im, commit, &err) == 0, "%s", err.text);
	residency_unref(got("m"));
	residency_keep_packed(residency);
	snprintf(kind, sizeof kind, "packed:%s", rt_cpu_level_name(rt_cpu_best()));
	ck_assert_int_eq(store_derived_find(store, &digest, kind, &packed, &err), STORE_NOT_FOUND);
}
END_TEST

Suite *check_residency(void)
{
	Suite *s = suite_create("residency");
	TCase *c = tcase_create("residency");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, load_and_run);
	tcase_add_loop_test(c, external_data, 0, (int)(sizeof externals / sizeof *externals));
	tcase_add_test(c, not_there);
	tcase_add_test(c, which_file);
	tcase_add_test(c, cannot_run);
	tcase_add_test(c, replaced);
	tcase_add_test(c, unload);
	tcase_add_test(c, removed);
	tcase_add_test(c, many_names);
	tcase_add_test(c, sessions);
	tcase_add_test(c, sessions_by_turns);
	tcase_add_test(c, a_session_that_is_lost);
	tcase_add_test(c, together);
	tcase_add_test(c, packed_weights_are_kept);
	tcase_add_test(c, packed_weights_of_many_nodes);
	suite_add_tcase(s, c);
	return s;
}
