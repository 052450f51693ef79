/* SPDX-License-Identifier: MIT */
/*
 * bench-model — time one model in this process; prints one JSON line (CONTRACT,
 * "Test tools").  Inputs are made by the contract's rules, or come from a golden
 * case.  Never part of a test: timings gate nothing.
 */
#include <config.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "runtime/profile.h"
#include "tests/tools/files.h"
#include "tests/tools/golden_case.h"
#include "tests/tools/tool.h"

struct shape_arg {
	const char *name;
	size_t name_size;
	struct rt_shape shape;
};
struct bench {
	struct tool_opts opts;
	int runs;
	int sessions; /* of the model, at the end */
	bool profile; /* where the time goes, to stderr */
	const char *model_path, *case_dir;
	struct rt_bytes image;
	const char *image_path; /* packed weights: read from there, or else written */
	struct shape_arg shapes[32];
	int shape_count;
};

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Of the process, all threads: what a busy machine leaves nearly alone. */
static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* How often another process took a processor from a thread of this one. */
static long preemptions(void)
{
	struct rusage u;

	return getrusage(RUSAGE_SELF, &u) == 0 ? u.ru_nivcsw : 0;
}

static int by_value(const void *a, const void *b)
{
	double x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return x < y ? -1 : x > y;
}

__attribute__((noreturn)) static void usage(void)
{
	fprintf(
	    stderr,
	    "usage: bench-model [--threads N] [--runs N] [--sessions N] [--cpu-level L]\n"
	    "         [--shape NAME=1,3,224,224]… [--case DIR] [--profile] [--image FILE] MODEL\n");
	exit(2);
}

static void parse_shape(struct bench *b, const char *text)
{
	const char *eq = text ? strrchr(text, '=') : NULL;
	struct shape_arg *s = &b->shapes[b->shape_count];

	if (!eq || b->shape_count == 32)
		usage();
	s->name = text;
	s->name_size = (size_t)(eq - text);
	s->shape.rank = 0;
	for (const char *p = eq + 1; *p;) {
		char *end;
		long long d = strtoll(p, &end, 10);
		if (end == p || d < 0 || s->shape.rank == RT_RANK_MAX || (*end && *end != ','))
			usage();
		s->shape.dims[s->shape.rank++] = d;
		p = *end ? end + 1 : end;
	}
	b->shape_count++;
}

static void parse_args(struct bench *b, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;
		if (tool_option(&b->opts, argc, argv, &i))
			continue;
		if (strcmp(argv[i], "--runs") == 0) {
			b->runs = (int)tool_number("--runs", value, 1, 1000000);
			i++;
		} else if (strcmp(argv[i], "--sessions") == 0) {
			b->sessions = (int)tool_number("--sessions", value, 1, 64);
			i++;
		} else if (strcmp(argv[i], "--shape") == 0) {
			parse_shape(b, value);
			i++;
		} else if (strcmp(argv[i], "--case") == 0 && value) {
			b->case_dir = value;
			i++;
		} else if (strcmp(argv[i], "--image") == 0 && value) {
			b->image_path = value;
			i++;
		} else if (strcmp(argv[i], "--profile") == 0) {
			b->profile = true;
		} else if (argv[i][0] == '-' || b->model_path) {
			usage();
		} else {
			b->model_path = argv[i];
		}
	}
	if (!b->model_path)
		usage();
}

/* The contract's inputs: a linear congruential sequence for floats, a small ramp for integers. */
static void fill(const char *name, struct rt_tensor *t)
{
	int64_t n = rt_tensor_elems(t);
	bool mask = strstr(name, "mask") != NULL;
	size_t width = rt_dtype_bits(t->dtype) / 8;

	for (int64_t i = 0; i < n; i++) {
		uint64_t lcg = ((uint64_t)i * 1103515245u + 12345u) & 0x7fffffffu;
		float f = mask ? 1.0f : (float)((double)lcg / 2147483648.0);
		double d = (double)f;
		int64_t k = mask ? 1 : (i * 37 + 11) % 1000;
		uint16_t h = t->dtype == RT_F16 ? rt_f32_to_f16(f) : rt_f32_to_bf16(f);
		char *at = (char *)t->data + (size_t)i * width;
		if (t->dtype == RT_F32)
			memcpy(at, &f, sizeof f);
		else if (t->dtype == RT_F64)
			memcpy(at, &d, sizeof d);
		else if (t->dtype == RT_F16 || t->dtype == RT_BF16)
			memcpy(at, &h, sizeof h);
		else if (t->dtype == RT_BOOL)
			*at = (char)(k & 1);
		else
			memcpy(at, &k, width); /* little-endian: the low bytes */
	}
}

static bool make_inputs(const struct bench *b, const struct rt_model *m, struct rt_tensor *in)
{
	for (size_t i = 0; i < rt_model_input_count(m); i++) {
		const struct rt_port *p = rt_model_input(m, i);
		size_t bytes;

		in[i] = (struct rt_tensor){.dtype = p->dtype, .shape = p->shape};
		for (int k = 0; k < in[i].shape.rank; k++)
			if (in[i].shape.dims[k] < 0)
				in[i].shape.dims[k] = 1;
		if (in[i].shape.rank < 0)
			in[i].shape.rank = 0;
		for (int k = 0; k < b->shape_count; k++)
			if (strlen(p->name) == b->shapes[k].name_size &&
			    memcmp(p->name, b->shapes[k].name, b->shapes[k].name_size) == 0)
				in[i].shape = b->shapes[k].shape;
		if (p->optional)
			continue;
		if (p->dtype == RT_STR || p->dtype == RT_NONE ||
		    !rt_shape_bytes(&in[i].shape, p->dtype, &bytes)) {
			fprintf(stderr, "cannot make the input '%s'\n", p->name);
			return false;
		}
		in[i].data = calloc(1, bytes + 64);
		if (!in[i].data)
			return false;
		fill(p->name, &in[i]);
	}
	return true;
}

/* Times of one process, in ms. */
struct figures {
	double load, load_cpu; /* open to ready */
	double first, cpu;     /* cpu: per run, on average */
	double *runs;          /* [b->runs] */
	double *alone;         /* [alone_count] of these, in which no other process took the CPU */
	int alone_count;
	double peak;         /* MiB that were resident at most, with one session */
	double rss, rss_all; /* with one session that has run, and with all of them */
	size_t arena;        /* of the last session, as it is counted */
};

/*
 * A line of /proc/self/status in MiB: "VmHWM:" is the most that was resident.  Not ru_maxrss: that
 * begins with what the process had before exec, which is the size of whoever started this.
 */
static double status_mb(const char *key)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[128];
	long kib = 0;

	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, key, strlen(key)) == 0)
			kib = strtol(line + strlen(key), NULL, 10);
	if (f)
		fclose(f);
	return (double)kib / 1024.0;
}

static double mb(size_t bytes)
{
	return (double)bytes / (1024.0 * 1024.0);
}

static void print_line(const struct bench *b, const struct rt_model *m, const struct figures *t)
{
	double *times = t->runs;

	qsort(times, (size_t)b->runs, sizeof *times, by_value);
	json_t *j = json_pack(
	    "{s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:i, s:i, s:f, s:f}", "model",
	    b->model_path, "load_ms", t->load, "load_cpu_ms", t->load_cpu, "first_ms", t->first,
	    "min_ms", times[0], "median_ms", times[b->runs / 2], "p99_ms",
	    times[(b->runs - 1) * 99 / 100], "cpu_ms", t->cpu, "peak_rss_mb", t->peak, "cpu_level",
	    rt_cpu_level_name(rt_model_cpu_level(m)), "threads", b->opts.threads, "runs", b->runs,
	    "model_mb", mb(rt_model_resident_bytes(m)), "arena_mb", mb(t->arena));
	if (t->alone_count > 0) {
		qsort(t->alone, (size_t)t->alone_count, sizeof *t->alone, by_value);
		json_object_update_new(j, json_pack("{s:i, s:f}", "preempted_runs",
						    b->runs - t->alone_count, "p99_alone_ms",
						    t->alone[(t->alone_count - 1) * 99 / 100]));
	}
	if (b->sessions > 1)
		json_object_update_new(j,
				       json_pack("{s:i, s:f, s:f}", "sessions", b->sessions,
						 "rss_mb", t->rss, "rss_sessions_mb", t->rss_all));
	char *s = json_dumps(j, JSON_REAL_PRECISION(6));
	puts(s);
	free(s);
	json_decref(j);
}

static bool run(const struct bench *b, struct rt_session *s, const struct rt_tensor *in,
		struct rt_tensor *out, double *ms)
{
	static struct rt_error err;
	const double start = now_ms();

	if (rt_session_run(s, in, out, NULL, NULL, &err) != RT_OK) {
		fprintf(stderr, "%s: %s\n", b->model_path, err.text);
		return false;
	}
	*ms = now_ms() - start;
	return true;
}

static struct rt_session *open_session(struct rt_model *m, struct rt_team *team)
{
	static struct rt_error err;
	struct rt_session *s = NULL;

	if (rt_session_open(m, team, &s, &err) != RT_OK)
		fprintf(stderr, "session: %s\n", err.text);
	return s;
}

/* Further sessions of the model, each having run: what they cost beside the first. */
static bool more_sessions(const struct bench *b, struct rt_model *m, struct rt_team *team,
			  const struct rt_tensor *in, struct rt_tensor *out, struct figures *t)
{
	struct rt_session *more[64] = {NULL};
	bool ok = true;
	double ms;

	t->peak = status_mb("VmHWM:");
	t->rss = status_mb("VmRSS:");
	for (int i = 1; i < b->sessions && ok; i++) {
		more[i] = open_session(m, team);
		ok = more[i] && run(b, more[i], in, out, &ms);
	}
	t->rss_all = status_mb("VmRSS:");
	for (int i = 1; i < b->sessions; i++)
		rt_session_close(more[i]);
	return ok;
}

static bool time_runs(const struct bench *b, struct rt_model *m, struct rt_team *team,
		      const struct rt_tensor *in, struct rt_tensor *out, struct figures *t)
{
	const double start = now_ms();
	struct rt_session *s = open_session(m, team);
	bool ok;

	t->load += now_ms() - start;
	ok = s && run(b, s, in, out, &t->first);
	if (ok && b->profile)
		rt_profile_start(s);
	t->cpu = cpu_ms();
	for (int i = 0; i < b->runs && ok; i++) {
		const long before = preemptions();

		ok = run(b, s, in, out, &t->runs[i]);
		if (ok && preemptions() == before)
			t->alone[t->alone_count++] = t->runs[i];
	}
	t->cpu = (cpu_ms() - t->cpu) / b->runs;
	if (ok) {
		t->arena = rt_session_arena_bytes(s);
		ok = more_sessions(b, m, team, in, out, t);
	}
	if (ok)
		print_line(b, m, t);
	if (ok && b->profile)
		rt_profile_print(s, stderr);
	rt_session_close(s);
	return ok;
}

static int bench_run(const struct bench *b, struct rt_model *m, struct rt_team *team,
		     struct figures *t)
{
	struct rt_tensor *in = calloc(rt_model_input_count(m) + 1, sizeof *in);
	struct rt_tensor *out = calloc(rt_model_output_count(m) + 1, sizeof *out);
	struct golden_case *gc = NULL;
	char text[512] = "out of memory";
	bool ok;

	t->runs = calloc((size_t)b->runs, sizeof *t->runs);
	t->alone = calloc((size_t)b->runs, sizeof *t->alone);
	ok = in && out && t->runs && t->alone;
	if (ok && b->case_dir) {
		gc = golden_case_open(b->case_dir, text, sizeof text);
		ok = gc && golden_case_inputs(gc, m, in, text, sizeof text);
		if (!ok)
			fprintf(stderr, "%s: %s\n", b->case_dir, text);
	} else if (ok) {
		ok = make_inputs(b, m, in);
	}
	ok = ok && time_runs(b, m, team, in, out, t);
	if (in && !gc)
		for (size_t i = 0; i < rt_model_input_count(m); i++)
			free(in[i].data);
	golden_case_close(gc);
	free(in);
	free(out);
	free(t->runs);
	free(t->alone);
	return ok ? 0 : 1;
}

/* rt_packed_f: whoever gives the file must know that it is of this model. */
static void packed(void *arg, struct rt_packed *out)
{
	struct bench *b = arg;

	if (files_exists(b->image_path) && files_map(b->image_path, &b->image))
		out->image = b->image;
}

static bool write_image(const struct bench *b, const struct rt_model *m)
{
	static const uint8_t key[RT_PACKED_KEY];
	struct rt_packed_parts image;
	bool ok = rt_model_packed_parts(m, key, &image) == RT_OK;
	FILE *f = ok && image.size > 0 ? fopen(b->image_path, "wb") : NULL;

	ok = ok && (f || image.size == 0);
	for (size_t i = 0; f && ok && i < image.count; i++)
		ok = fwrite(image.parts[i].data, 1, image.parts[i].size, f) == image.parts[i].size;
	if (f && fclose(f) != 0)
		ok = false;
	if (!ok)
		fprintf(stderr, "%s: cannot be written\n", b->image_path);
	rt_packed_parts_release(&image);
	return ok;
}

int main(int argc, char **argv)
{
	struct bench b = {
	    .opts = {.cpu_level = rt_cpu_best(), .threads = 1}, .runs = 30, .sessions = 1};
	struct rt_team *team;
	struct rt_model *m = NULL;
	struct files_beside beside;
	struct figures t = {.alone_count = 0};
	struct rt_bytes file;
	static struct rt_error err;
	int rc;

	parse_args(&b, argc, argv);
	if (!files_map(b.model_path, &file)) {
		fprintf(stderr, "%s: cannot be read\n", b.model_path);
		return 1;
	}
	team = rt_team_new(b.opts.threads);
	files_beside_init(&beside, b.model_path);
	t.load = now_ms();
	t.load_cpu = cpu_ms();
	if (!team || rt_model_open(file,
				   &(struct rt_model_opts){.cpu_level = b.opts.cpu_level,
							   .find = files_beside_find,
							   .find_arg = &beside,
							   .packed = b.image_path ? packed : NULL,
							   .packed_arg = &b,
							   .unread = files_unread},
				   &m, &err) != RT_OK) {
		fprintf(stderr, "%s: %s\n", b.model_path, err.text);
		return 1;
	}
	t.load = now_ms() - t.load;
	t.load_cpu = cpu_ms() - t.load_cpu;
	rc = bench_run(&b, m, team, &t);
	if (b.image_path && !write_image(&b, m))
		rc = 1;
	rt_model_close(m);
	files_unmap(&b.image);
	rt_team_free(team);
	files_beside_release(&beside);
	files_unmap(&file);
	return rc;
}
