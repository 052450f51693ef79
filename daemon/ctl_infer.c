/* SPDX-License-Identifier: MIT */
/*
 * ctl_infer.c — `larderctl infer`: .npy files to a request of the Open Inference
 * Protocol with binary tensors, and its answer to .npy files or to a summary.
 * The daemon checks names, types and shapes; this only packs.
 */
#include <config.h>

#include "daemon/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/npy.h"

struct input {
	const char *name, *path;
	char *file; /* [size] */
	size_t size;
	struct npy npy;
};

struct call {
	struct ctl *ctl;
	struct input *inputs;
	size_t input_count;
	const char *output_dir; /* NULL: print */
};

/* ---- in ------------------------------------------------------------------------------ */

static char *read_file(const char *path, size_t *ret_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t done = 0;
	char *data = NULL;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		data = malloc((size_t)st.st_size + 1);
	while (data != NULL && done < (size_t)st.st_size) {
		ssize_t n = read(fd, data + done, (size_t)st.st_size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (data == NULL)
		(void)ctl_fail("%s: %s", path, errno != 0 ? strerror(errno) : "not a file");
	if (fd >= 0)
		close(fd);
	*ret_size = done;
	return data;
}

/* NAME=FILE.npy; a name may hold `=`, so the last one counts. */
static int add_input(struct call *call, char *arg)
{
	struct input *in = &call->inputs[call->input_count];
	char *eq = strrchr(arg, '='), err[160];

	if (eq == NULL || eq == arg || eq[1] == '\0')
		return ctl_usage(call->ctl, "--input takes NAME=FILE.npy, not %s", arg);
	*eq = '\0';
	*in = (struct input){.name = arg, .path = eq + 1};
	errno = 0;
	in->file = read_file(in->path, &in->size);
	if (in->file == NULL)
		return CTL_FAILED;
	call->input_count++;
	if (npy_parse(in->file, in->size, &in->npy, err) != 0)
		return ctl_fail("%s: %s", in->path, err);
	return CTL_OK;
}

/* `--input` may be repeated, so it is taken before the other options. */
static int take_inputs(struct call *call)
{
	struct ctl *ctl = call->ctl;
	int n = 0, status = CTL_OK;

	call->inputs = calloc((size_t)ctl->argc + 1, sizeof *call->inputs);
	if (call->inputs == NULL)
		return ctl_fail("out of memory");
	for (int i = 0; i < ctl->argc && status == CTL_OK; i++) {
		char *a = ctl->argv[i];

		if (strncmp(a, "--input=", 8) == 0)
			status = add_input(call, a + 8);
		else if (strcmp(a, "--input") != 0)
			ctl->argv[n++] = a;
		else if (++i == ctl->argc)
			status = ctl_usage(ctl, "no value after --input");
		else
			status = add_input(call, ctl->argv[i]);
	}
	ctl->argc = n;
	return status;
}

static json_t *input_json(const struct input *in)
{
	json_t *shape = json_array();

	for (int i = 0; i < in->npy.rank; i++)
		json_array_append_new(shape, json_integer(in->npy.dims[i]));
	return json_pack("{s:s,s:s,s:o,s:{s:I}}", "name", in->name, "datatype", in->npy.datatype,
			 "shape", shape, "parameters", "binary_data_size",
			 (json_int_t)in->npy.data_bytes);
}

/* The body: JSON, then the elements of every input. */
static char *pack(const struct call *call, size_t *ret_json, size_t *ret_size)
{
	json_t *list = json_array();
	json_t *root = json_pack("{s:o,s:{s:b}}", "inputs", list, "parameters",
				 "binary_data_output", !call->ctl->json);
	size_t n, total;
	char *text, *body;

	for (size_t i = 0; i < call->input_count; i++)
		json_array_append_new(list, input_json(&call->inputs[i]));
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	if (text == NULL)
		return NULL;
	n = total = strlen(text);
	for (size_t i = 0; i < call->input_count; i++)
		total += call->inputs[i].npy.data_bytes;
	body = malloc(total + 1);
	if (body == NULL)
		abort();
	memcpy(body, text, n);
	free(text);
	*ret_json = n;
	for (size_t i = 0; i < call->input_count; i++) {
		const struct npy *npy = &call->inputs[i].npy;

		memcpy(body + n, call->inputs[i].file + npy->data_offset, npy->data_bytes);
		n += npy->data_bytes;
	}
	*ret_size = total;
	return body;
}

/* /v2/models/MODEL[/versions/REV]/infer[?file=F] */
static char *target_of(const char *model, const char *file)
{
	const char *at = strrchr(model, '@');
	char *name = strndup(model, at != NULL ? (size_t)(at - model) : strlen(model));
	char *m = ctl_encode(name), *rev = ctl_encode(at != NULL ? at + 1 : ""),
	     *f = ctl_encode(file != NULL ? file : ""), *target;

	if (asprintf(&target, "/v2/models/%s%s%s/infer%s%s", m, at != NULL ? "/versions/" : "", rev,
		     file != NULL ? "?file=" : "", f) < 0)
		abort();
	free(name);
	free(m);
	free(rev);
	free(f);
	return target;
}

/* ---- out -------------------------------------------------------------------------------- */

static int write_output(const struct call *call, const char *name, const struct npy *npy,
			const char *data)
{
	char header[NPY_HEADER_MAX], *path, *safe = strdup(name);
	size_t n = npy_emit(npy, header);
	FILE *f;
	int status = CTL_OK;

	if (n == 0 || safe == NULL) {
		free(safe);
		return ctl_fail("output %s: %s has no .npy form", name, npy->datatype);
	}
	/* a name from a model becomes a file name: nothing in it may lead elsewhere */
	for (char *p = safe; *p != '\0'; p++) {
		if (*p == '/' || (unsigned char)*p < 0x20 || (p == safe && *p == '.'))
			*p = '_';
	}
	if (asprintf(&path, "%s/%s.npy", call->output_dir, safe) < 0)
		abort();
	free(safe);
	f = fopen(path, "we");
	if (f == NULL || fwrite(header, 1, n, f) != n ||
	    fwrite(data, 1, npy->data_bytes, f) != npy->data_bytes)
		status = ctl_fail("%s: %s", path, strerror(errno));
	if (f != NULL && fclose(f) != 0 && status == CTL_OK)
		status = ctl_fail("%s: %s", path, strerror(errno));
	if (status == CTL_OK)
		printf("%s\n", path);
	free(path);
	return status;
}

static void print_value(const char *datatype, const char *at)
{
	union {
		float f32;
		double f64;
		int8_t i8;
		int16_t i16;
		int32_t i32;
		int64_t i64;
		uint8_t u8;
		uint16_t u16;
		uint32_t u32;
		uint64_t u64;
	} v;

	memcpy(&v, at, sizeof v < 8 ? sizeof v : 8);
	if (strcmp(datatype, "FP32") == 0)
		printf(" %.6g", (double)v.f32);
	else if (strcmp(datatype, "FP64") == 0)
		printf(" %.6g", v.f64);
	else if (strcmp(datatype, "INT8") == 0)
		printf(" %d", v.i8);
	else if (strcmp(datatype, "INT16") == 0)
		printf(" %d", v.i16);
	else if (strcmp(datatype, "INT32") == 0)
		printf(" %" PRId32, v.i32);
	else if (strcmp(datatype, "INT64") == 0)
		printf(" %" PRId64, v.i64);
	else if (strcmp(datatype, "UINT8") == 0 || strcmp(datatype, "BOOL") == 0)
		printf(" %u", v.u8);
	else if (strcmp(datatype, "UINT32") == 0)
		printf(" %" PRIu32, v.u32);
	else if (strcmp(datatype, "UINT64") == 0)
		printf(" %" PRIu64, v.u64);
	else
		printf(" 0x%04x", v.u16);
}

/* Name, type, shape and the first values. */
static void print_output(const char *name, const struct npy *npy, const char *data)
{
	enum { SHOWN = 10 };
	size_t count = npy->elem_bytes != 0 ? npy->data_bytes / npy->elem_bytes : 0;
	char padded[8];

	printf("%s %s [", name, npy->datatype);
	for (int i = 0; i < npy->rank; i++)
		printf("%s%" PRId64, i == 0 ? "" : ",", npy->dims[i]);
	printf("]:");
	for (size_t i = 0; i < count && i < SHOWN; i++) {
		memset(padded, 0, sizeof padded);
		memcpy(padded, data + i * npy->elem_bytes, npy->elem_bytes);
		print_value(npy->datatype, padded);
	}
	printf("%s\n", count > SHOWN ? " …" : "");
}

/* An output of the answer; its bytes are the next of [*data..end).  false: not as promised. */
static bool take_output(const json_t *v, const char **data, const char *end, struct npy *npy)
{
	const json_t *shape = json_object_get(v, "shape");
	json_int_t size = json_integer_value(
	    json_object_get(json_object_get(v, "parameters"), "binary_data_size"));
	uint64_t elems = 1;

	*npy =
	    (struct npy){.datatype = ctl_text(v, "datatype"), .rank = (int)json_array_size(shape)};
	if (size < 0 || size > end - *data || json_array_size(shape) > NPY_RANK_MAX)
		return false;
	for (int i = 0; i < npy->rank; i++) {
		npy->dims[i] = json_integer_value(json_array_get(shape, (size_t)i));
		if (npy->dims[i] < 0 ||
		    __builtin_mul_overflow(elems, (uint64_t)npy->dims[i], &elems))
			return false;
	}
	npy->data_bytes = (size_t)size;
	npy->elem_bytes = elems > 0 ? (unsigned)(npy->data_bytes / elems) : 0;
	return npy->elem_bytes <= 8 && (uint64_t)npy->elem_bytes * elems == npy->data_bytes;
}

static int take_answer(const struct call *call, const struct ctl_http_answer *a)
{
	json_t *root = json_loadb(a->body, a->json_size, 0, NULL), *v;
	const char *data = a->body + a->json_size, *end = a->body + a->size;
	int status = CTL_OK;
	struct npy npy;
	size_t i;

	if (!json_is_array(json_object_get(root, "outputs"))) {
		json_decref(root);
		return ctl_fail("the daemon's answer is not an inference response");
	}
	if (call->ctl->json) {
		ctl_print_json(root);
		json_decref(root);
		return CTL_OK;
	}
	json_array_foreach(json_object_get(root, "outputs"), i, v)
	{
		if (strcmp(ctl_text(v, "datatype"), "BYTES") == 0) {
			status = ctl_fail("output %s: strings are shown by --json only",
					  ctl_text(v, "name"));
			break;
		}
		if (!take_output(v, &data, end, &npy)) {
			status =
			    ctl_fail("output %s is not as the daemon says", ctl_text(v, "name"));
			break;
		}
		if (call->output_dir != NULL)
			status = write_output(call, ctl_text(v, "name"), &npy, data);
		else
			print_output(ctl_text(v, "name"), &npy, data);
		data += npy.data_bytes;
		if (status != CTL_OK)
			break;
	}
	json_decref(root);
	return status;
}

/* ---- the call ---------------------------------------------------------------------------------
 */

static int run(const struct call *call, const char *model, const char *file)
{
	struct ctl_http_request rq = {.method = "POST", .type = "application/octet-stream"};
	struct ctl_http_answer answer;
	char header[80], err[256];
	size_t json_size;
	char *body = pack(call, &json_size, &rq.body_size), *target = target_of(model, file);
	int status;

	if (body == NULL) {
		free(target);
		return ctl_fail("the name of an input is not UTF-8");
	}
	snprintf(header, sizeof header, "Inference-Header-Content-Length: %zu\r\n", json_size);
	rq.headers = header;
	rq.target = target;
	rq.body = body;
	if (ctl_http_call(call->ctl->http, &rq, &answer, err) != 0) {
		status = ctl_fail("%s", err);
	} else {
		status = answer.status == 200 ? take_answer(call, &answer) : ctl_refused(&answer);
		ctl_http_drop(&answer);
	}
	free(body);
	free(target);
	return status;
}

int ctl_command_infer(struct ctl *ctl)
{
	static const char *const options[] = {"--output", "--file", NULL};
	struct call call = {.ctl = ctl};
	const char *values[2];
	int status = take_inputs(&call);

	if (status == CTL_OK && !ctl_options(ctl, options, values))
		status = CTL_USAGE;
	if (status == CTL_OK && ctl->argc != 1)
		status = ctl_usage(ctl, ctl->argc == 0 ? "no MODEL given" : "one MODEL, please");
	if (status == CTL_OK) {
		call.output_dir = values[0];
		if (values[0] != NULL && mkdir(values[0], 0777) != 0 && errno != EEXIST)
			status = ctl_fail("%s: %s", values[0], strerror(errno));
	}
	if (status == CTL_OK)
		status = run(&call, ctl->argv[0], values[1]);
	for (size_t i = 0; i < call.input_count; i++)
		free(call.inputs[i].file);
	free(call.inputs);
	return status;
}
