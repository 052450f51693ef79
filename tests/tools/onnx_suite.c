/* SPDX-License-Identifier: MIT */
/*
 * onnx-suite — run cases of the ONNX project's backend test data (CONTRACT,
 * "Test tools").  A folder holds cases (NAME/model.onnx with
 * NAME/test_data_set_K/{input,output}_J.pb), or light models (X.onnx with
 * X_output_0.pb, whose input is arange(n)/n).
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/graph.h"
#include "runtime/onnx.h"
#include "tests/tools/compare.h"
#include "tests/tools/files.h"
#include "tests/tools/tool.h"

#define SECONDS_PER_CASE 120
/* The suite's own relative tolerance, and the absolute one of the peer's published score. */
#define RTOL 1e-3
#define ATOL 1e-5

struct suite {
	struct tool_opts opts;
	struct tool_tally tally;
	char *dir;  /* of the case, or of the light models */
	char *name; /* of the case; a light model: without .onnx */
	bool light;
	bool ops; /* --ops: a line for tests/onnx/cases.def instead of a run */
};

/* One model, open, with a session; everything a case holds. */
struct subject {
	struct rt_bytes file;
	struct files_beside beside;
	struct rt_team *team;
	struct rt_model *model;
	struct rt_session *session;
	struct rt_tensor *in, *out; /* one per input, output of the model */
	bool random;
};

static bool contains(struct rt_bytes b, const char *word)
{
	return memmem(b.data, b.size, word, strlen(word)) != NULL;
}

/* Outputs that no two runs share: compared by shape, type and statistics. */
static bool is_random(struct rt_bytes file, const char *name)
{
	return contains(file, "RandomNormal") || contains(file, "RandomUniform") ||
	       contains(file, "Bernoulli") || contains(file, "Multinomial") ||
	       (strstr(name, "training_dropout") && !strstr(name, "zero_ratio"));
}

static bool subject_open(struct subject *s, const struct suite *su, const char *path, char *text,
			 size_t size)
{
	static struct rt_error err;

	memset(s, 0, sizeof *s);
	files_beside_init(&s->beside, path);
	if (!files_map(path, &s->file)) {
		snprintf(text, size, "model.onnx cannot be read");
		return false;
	}
	s->random = is_random(s->file, su->name);
	s->team = rt_team_new(su->opts.threads);
	struct rt_model_opts opts = {
	    .cpu_level = su->opts.cpu_level, .find = files_beside_find, .find_arg = &s->beside};
	if (!s->team || rt_model_open(s->file, &opts, &s->model, &err) != RT_OK ||
	    rt_session_open(s->model, s->team, &s->session, &err) != RT_OK) {
		snprintf(text, size, "load: %s", err.text);
		return false;
	}
	s->in = calloc(rt_model_input_count(s->model) + 1, sizeof *s->in);
	s->out = calloc(rt_model_output_count(s->model) + 1, sizeof *s->out);
	if (!s->in || !s->out) {
		snprintf(text, size, "out of memory");
		return false;
	}
	return true;
}

static void subject_close(struct subject *s)
{
	free(s->in);
	free(s->out);
	rt_session_close(s->session);
	rt_model_close(s->model);
	rt_team_free(s->team);
	files_beside_release(&s->beside);
	files_unmap(&s->file);
}

/* ${dir}/${what}_${i}.pb as a value of type ${dtype}, where that is no tensor; its bytes stay
 * mapped for the life of the child. */
static bool read_pb(const char *path, enum rt_dtype dtype, struct rt_tensor *out, char *text,
		    size_t size)
{
	static struct rt_error err;
	static struct rt_graph *owner; /* of what is no view; a case is a process of its own */
	struct rt_bytes b;
	int status;

	if (owner == NULL && (owner = rt_graph_new()) == NULL) {
		snprintf(text, size, "out of memory");
		return false;
	}

	if (!files_map(path, &b)) {
		snprintf(text, size, "%s cannot be read", strrchr(path, '/') + 1);
		return false;
	}
	if (rt_dtype_is_list(dtype))
		status = rt_onnx_read_value(b, owner, dtype, out, &err);
	else
		status = rt_onnx_read_tensor(b, owner, NULL, out, &err);
	if (status != RT_OK) {
		snprintf(text, size, "%s: %s", strrchr(path, '/') + 1, err.text);
		return false;
	}
	return true;
}

static char *pb_path(const char *dir, const char *what, size_t i)
{
	char name[64];

	snprintf(name, sizeof name, "%s_%zu.pb", what, i);
	return files_join(dir, name);
}

static bool run_set(struct subject *s, const char *dir, char *text, size_t size)
{
	static struct rt_error err;

	for (size_t i = 0; i < rt_model_input_count(s->model); i++) {
		char *path = pb_path(dir, "input", i);
		const struct rt_port *p = rt_model_input(s->model, i);
		bool ok = true;

		s->in[i] = (struct rt_tensor){.dtype = p->dtype};
		if (files_exists(path))
			ok = read_pb(path, p->dtype, &s->in[i], text, size);
		free(path);
		if (!ok)
			return false;
	}
	if (rt_session_run(s->session, s->in, s->out, NULL, NULL, &err) != RT_OK) {
		snprintf(text, size, "run: %s", err.text);
		return false;
	}
	return true;
}

static bool check_output(const struct subject *s, size_t i, const char *path, char *text,
			 size_t size)
{
	struct compare_limits limits = {.rtol = RTOL, .atol = ATOL};
	struct rt_tensor want;
	char why[1024];
	double max;
	bool ok;

	if (!read_pb(path, rt_model_output(s->model, i)->dtype, &want, text, size))
		return false;
	if (s->random)
		ok = compare_statistics(&s->out[i], &want, why, sizeof why);
	else
		ok = compare_values(&s->out[i], &want, &limits, &max, why, sizeof why);
	if (!ok)
		snprintf(text, size, "output '%s': %s", rt_model_output(s->model, i)->name, why);
	return ok;
}

static bool check_set(struct subject *s, const char *dir, char *text, size_t size)
{
	size_t compared = 0;

	if (!run_set(s, dir, text, size))
		return false;
	for (size_t i = 0; i < rt_model_output_count(s->model); i++) {
		char *path = pb_path(dir, "output", i);
		bool ok = true;

		if (files_exists(path)) {
			ok = check_output(s, i, path, text, size);
			compared++;
		}
		free(path);
		if (!ok)
			return false;
	}
	if (compared == 0)
		snprintf(text, size, "no file says what the outputs should be");
	return compared > 0;
}

static enum tool_outcome run_case(void *arg, char *text, size_t size)
{
	struct suite *su = arg;
	char *path = files_join(su->dir, "model.onnx");
	struct subject s;
	bool ok = subject_open(&s, su, path, text, size);
	int sets = 0;

	for (int k = 0; ok; k++) {
		char set[64];
		snprintf(set, sizeof set, "test_data_set_%d", k);
		char *dir = files_join(su->dir, set);
		if (!files_is_dir(dir)) {
			free(dir);
			break;
		}
		sets++;
		ok = check_set(&s, dir, text, size);
		free(dir);
	}
	subject_close(&s);
	free(path);
	if (ok && sets == 0) {
		snprintf(text, size, "no test_data_set says what it should be");
		return TOOL_SKIPPED;
	}
	return ok ? TOOL_PASSED : TOOL_FAILED;
}

/* The input of a light model that is no initialiser: arange(n)/n in its shape, free dims 1. */
static bool fill_light(struct subject *s, char *text, size_t size)
{
	for (size_t i = 0; i < rt_model_input_count(s->model); i++) {
		const struct rt_port *p = rt_model_input(s->model, i);
		struct rt_shape shape = p->shape;
		int64_t n;

		s->in[i] = (struct rt_tensor){.dtype = p->dtype};
		if (p->optional)
			continue;
		for (int k = 0; k < shape.rank; k++)
			if (shape.dims[k] < 0)
				shape.dims[k] = 1;
		if (p->dtype != RT_F32 || !rt_shape_elems(&shape, &n)) {
			snprintf(text, size, "input '%s' is no float tensor", p->name);
			return false;
		}
		float *x = calloc((size_t)n + 1, sizeof *x);
		if (!x)
			return false;
		for (int64_t k = 0; k < n; k++)
			x[k] = (float)((double)k / (double)n);
		s->in[i].shape = shape;
		s->in[i].data = x;
	}
	return true;
}

static enum tool_outcome run_light(void *arg, char *text, size_t size)
{
	static struct rt_error err;
	struct suite *su = arg;
	char *base = files_join(su->dir, su->name), *path = NULL, *want = NULL;
	struct subject s;
	bool ok;

	if (asprintf(&path, "%s.onnx", base) < 0 || asprintf(&want, "%s_output_0.pb", base) < 0)
		return TOOL_FAILED;
	ok = subject_open(&s, su, path, text, size) && fill_light(&s, text, size);
	if (ok && rt_session_run(s.session, s.in, s.out, NULL, NULL, &err) != RT_OK) {
		snprintf(text, size, "run: %s", err.text);
		ok = false;
	}
	ok = ok && check_output(&s, 0, want, text, size);
	if (ok)
		for (size_t i = 0; i < rt_model_input_count(s.model); i++)
			free(s.in[i].data);
	subject_close(&s);
	free(base);
	free(path);
	free(want);
	return ok ? TOOL_PASSED : TOOL_FAILED;
}

/* The operators of a graph and of what is below it, each once: `,Add-14`. */
static void list_ops(const struct rt_graph *g, char *text, size_t size)
{
	for (int i = 0; i < g->node_count; i++) {
		const struct rt_node *n = &g->nodes[i];
		char op[160];
		size_t used = strlen(text);
		const char *seen;

		snprintf(op, sizeof op, ",%s%s%s-%lld", n->domain == RT_ONNX ? "" : n->domain_name,
			 n->domain == RT_ONNX ? "" : ":", n->op_type, (long long)n->opset);
		seen = strstr(text, op);
		if ((seen == NULL || (seen[strlen(op)] != ',' && seen[strlen(op)] != '\0')) &&
		    used + strlen(op) < size)
			memcpy(text + used, op, strlen(op) + 1);
		for (int k = 0; k < n->attr_count; k++)
			if (n->attrs[k].kind == RT_ATTR_GRAPH)
				list_ops(n->attrs[k].graph, text, size);
	}
}

/* CASE( folder, name, "operators" ) */
static void print_ops(const struct suite *su, const char *folder, const char *path)
{
	static struct rt_error err;
	struct files_beside beside;
	struct rt_bytes file;
	struct rt_graph *g = NULL;
	char text[4096] = "";
	const char *last = strrchr(folder, '/');

	files_beside_init(&beside, path);
	struct rt_onnx_opts opts = {.find = files_beside_find, .find_arg = &beside};
	if (!files_map(path, &file))
		return;
	if (rt_onnx_read_model(file, &opts, &g, &err) == RT_OK)
		list_ops(g, text, sizeof text);
	printf("CASE( %s, %s, \"%s\" )\n", last != NULL ? last + 1 : folder, su->name,
	       text[0] == ',' ? text + 1 : text);
	rt_graph_free(g);
	files_beside_release(&beside);
	files_unmap(&file);
}

static void one(struct suite *su, const char *dir, const char *entry)
{
	size_t n = strlen(entry);
	char *sub = files_join(dir, entry);
	char *model = files_join(sub, "model.onnx");

	su->name = strdup(entry);
	su->light = !files_is_dir(sub) && n > 5 && strcmp(entry + n - 5, ".onnx") == 0;
	su->dir = su->light ? strdup(dir) : strdup(sub);
	if (su->light)
		su->name[n - 5] = 0;
	if (su->light || files_exists(model)) {
		if (su->ops)
			print_ops(su, dir, su->light ? sub : model);
		else if (su->opts.list)
			puts(su->name);
		else
			tool_case(&su->tally, su->name, false, SECONDS_PER_CASE,
				  su->light ? run_light : run_case, su);
	}
	free(su->name);
	free(su->dir);
	free(sub);
	free(model);
}

static int walk(struct suite *su, const char *dir)
{
	struct files_list l;

	files_list(dir, &l);
	if (l.count < 0) {
		fprintf(stderr, "%s: no such folder\n", dir);
		return 2;
	}
	for (int i = 0; i < l.count; i++)
		one(su, dir, l.names[i]);
	files_list_free(&l);
	return 0;
}

int main(int argc, char **argv)
{
	struct suite su = {.opts = {.cpu_level = rt_cpu_best(), .threads = 1}};
	int dirs = 0;

	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-') {
			dirs++;
		} else if (strcmp(argv[i], "--ops") == 0) {
			su.ops = true;
		} else if (!tool_option(&su.opts, argc, argv, &i)) {
			dirs = 0;
			break;
		}
	}
	if (dirs == 0) {
		fprintf(stderr,
			"usage: onnx-suite [--list | --ops] [--cpu-level L] [--threads N] DIR…\n");
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-')
			i += strcmp(argv[i], "--list") != 0 && strcmp(argv[i], "--ops") != 0;
		else if (walk(&su, argv[i]) != 0)
			return 2;
	}
	return su.opts.list || su.ops ? 0 : tool_finish(&su.tally);
}
