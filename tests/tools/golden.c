/* SPDX-License-Identifier: MIT */
/*
 * golden — run real models on stored inputs and compare with stored outputs
 * (CONTRACT, "Test tools": limits are there).  Finds every golden.json below
 * the folders it is given; the model is the file named in it, two folders up.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tools/compare.h"
#include "tests/tools/files.h"
#include "tests/tools/golden_case.h"
#include "tests/tools/golden_wav.h"
#include "tests/tools/tool.h"

#define SECONDS_PER_CASE 120
#define DEPTH_MAX 16

struct golden {
	struct tool_opts opts;
	struct tool_tally tally;
	const char *dir; /* of the case at hand */
};

/* A model is quantised when it computes in integers: its operators say so. */
static bool is_quantised(struct rt_bytes file)
{
	static const char *const words[] = {"QuantizeLinear", "QLinear", "MatMulInteger",
					    "ConvInteger", "MatMulNBits"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (memmem(file.data, file.size, words[i], strlen(words[i])))
			return true;
	return false;
}

/* TensorFlow Lite names operators by number; outputs of bytes say as much. */
static bool is_lite_byte(struct rt_bytes file, const struct rt_tensor *want)
{
	return file.size > 8 && memcmp((const char *)file.data + 4, "TFL3", 4) == 0 &&
	       (want->dtype == RT_I8 || want->dtype == RT_U8 || want->dtype == RT_I16);
}

static bool matches(const struct rt_tensor *got, const struct rt_tensor *want,
		    const struct golden_tensor *g, bool quantised, bool detections, double *max,
		    char *text, size_t size)
{
	double scale = compare_max_abs(want);
	struct compare_limits l = {.any_order = detections, .steps = quantised ? 1 : 0};

	l.atol = quantised ? 5e-2 * scale : 1e-4 + 1e-3 * scale;
	if (2 * g->noopt_max_abs_diff > l.atol)
		l.atol = 2 * g->noopt_max_abs_diff;
	return compare_tensors(got, want, &l, max, text, size);
}

static bool check_outputs(const struct golden_case *c, const struct rt_model *m,
			  const struct rt_tensor *out, struct rt_bytes file, double *worst,
			  char *text, size_t size)
{
	bool quantised = c->quantised || is_quantised(file);
	bool detections = memmem(file.data, file.size, "NonMaxSuppression", 17) != NULL;

	for (int k = 0; k < c->out_count; k++) {
		const struct golden_tensor *g = &c->out[k];
		char why[512];
		double max = 0;
		size_t i = 0;

		while (i < rt_model_output_count(m) &&
		       strcmp(rt_model_output(m, i)->name, g->name) != 0 &&
		       (g->name[0] != '\0' || i != (size_t)k)) /* one without a name: its place */
			i++;
		if (i == rt_model_output_count(m)) {
			snprintf(text, size, "the model has no output '%s'", g->name);
			return false;
		}
		if (!matches(&out[i], &g->tensor, g, quantised || is_lite_byte(file, &g->tensor),
			     detections, &max, why, sizeof why) &&
		    !(g->noopt.data && matches(&out[i], &g->noopt, g, quantised, detections, &max,
					       why, sizeof why))) {
			snprintf(text, size, "output '%s': %s", g->name, why);
			return false;
		}
		if (max > *worst)
			*worst = max;
	}
	return true;
}

/* One run on the stored inputs. */
static bool run_once(const struct golden_case *c, struct rt_session *s, const struct rt_model *m,
		     struct rt_bytes file, double *worst, char *text, size_t size)
{
	struct rt_tensor *in = calloc(rt_model_input_count(m) + 1, sizeof *in);
	struct rt_tensor *out = calloc(rt_model_output_count(m) + 1, sizeof *out);
	struct rt_error err;
	bool ok = in && out && golden_case_inputs(c, m, in, text, size);

	if (ok && rt_session_run(s, in, out, NULL, NULL, &err) != RT_OK) {
		snprintf(text, size, "run: %s", err.text);
		ok = false;
	}
	ok = ok && check_outputs(c, m, out, file, worst, text, size);
	free(in);
	free(out);
	return ok;
}

/* A sound, frame by frame. */
static bool run_frames(const struct golden_case *c, struct rt_session *s, const struct rt_model *m,
		       struct rt_bytes file, double *worst, char *text, size_t size)
{
	struct golden_tensor none = {.noopt_max_abs_diff = 0};
	struct rt_tensor got, want;
	bool ok = golden_wav_run(c, s, m, &got, &want, text, size) &&
		  matches(&got, &want, &none, is_quantised(file), false, worst, text, size);

	free(got.data);
	free(want.data);
	return ok;
}

static enum tool_outcome run_case(const struct golden *g, const struct golden_case *c,
				  const char *path, char *text, size_t size)
{
	static struct rt_error err;
	struct rt_team *team = rt_team_new(g->opts.threads);
	struct files_beside beside;
	struct rt_model *m = NULL;
	struct rt_session *s = NULL;
	struct rt_bytes file;
	double worst = 0;

	if (!files_map(path, &file)) {
		snprintf(text, size, "%s cannot be read", path);
		return TOOL_FAILED;
	}
	files_beside_init(&beside, path);
	struct rt_model_opts opts = {
	    .cpu_level = g->opts.cpu_level, .find = files_beside_find, .find_arg = &beside};
	bool ok = rt_model_open(file, &opts, &m, &err) == RT_OK &&
		  rt_session_open(m, team, &s, &err) == RT_OK;
	if (!ok)
		snprintf(text, size, "load: %s", err.text);
	else if (c->model)
		ok = run_once(c, s, m, file, &worst, text, size);
	else
		ok = run_frames(c, s, m, file, &worst, text, size);
	if (ok)
		snprintf(text, size, "largest error %.3g", worst);
	rt_session_close(s);
	rt_model_close(m);
	rt_team_free(team);
	files_beside_release(&beside);
	files_unmap(&file);
	return ok ? TOOL_PASSED : TOOL_FAILED;
}

static enum tool_outcome golden_one(void *arg, char *text, size_t size)
{
	struct golden *g = arg;
	struct golden_case *c = golden_case_open(g->dir, text, size);
	enum tool_outcome outcome;
	char *named, *up, *path;

	if (!c)
		return TOOL_FAILED;
	if (c->reference_error || (c->model && c->out_count == 0)) {
		snprintf(text, size, "the reference has no answer");
		golden_case_close(c);
		return TOOL_SKIPPED;
	}
	named = c->model ? strdup(c->model) : golden_wav_model(c);
	up = files_join(g->dir, "../..");
	path = files_join(up, named ? named : "");
	if (named && !c->model && !files_exists(path)) {
		snprintf(text, size, "no model '%s' is there", named);
		outcome = TOOL_SKIPPED;
	} else {
		outcome = run_case(g, c, path, text, size);
	}
	free(named);
	free(up);
	free(path);
	golden_case_close(c);
	return outcome;
}

static void walk(struct golden *g, const char *dir, int depth)
{
	char *json = files_join(dir, "golden.json");
	struct files_list l;

	if (files_exists(json)) {
		g->dir = dir;
		if (g->opts.list)
			puts(dir);
		else
			tool_case(&g->tally, dir, true, SECONDS_PER_CASE, golden_one, g);
	}
	free(json);
	files_list(dir, &l);
	for (int i = 0; i < l.count; i++) {
		char *sub = files_join(dir, l.names[i]);
		if (files_is_dir(sub) && depth < DEPTH_MAX)
			walk(g, sub, depth + 1);
		free(sub);
	}
	files_list_free(&l);
}

int main(int argc, char **argv)
{
	struct golden g = {.opts = {.cpu_level = rt_cpu_best(), .threads = 1}};
	int dirs = 0;

	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-') {
			dirs++;
		} else if (!tool_option(&g.opts, argc, argv, &i)) {
			fprintf(stderr,
				"usage: golden [--list] [--cpu-level L] [--threads N] DIR…\n");
			return 2;
		}
	}
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-') {
			i += strcmp(argv[i], "--list") != 0;
			continue;
		}
		if (!files_is_dir(argv[i])) {
			fprintf(stderr, "%s: no such folder\n", argv[i]);
			return 2;
		}
		walk(&g, argv[i], 0);
	}
	if (dirs == 0) {
		fprintf(stderr, "usage: golden [--list] [--cpu-level L] [--threads N] DIR…\n");
		return 2;
	}
	return g.opts.list ? 0 : tool_finish(&g.tally);
}
