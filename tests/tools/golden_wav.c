/* SPDX-License-Identifier: MIT */
/*
 * golden_wav.c — see golden_wav.h.  Used by the tool golden; it never decides
 * whether an answer is right.
 */
#include <config.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tools/files.h"
#include "tests/tools/golden_wav.h"

#define FRAME_MAX 4096
#define STATE_MAX 65536

struct wav {
	int64_t frames, rate;
	int step, before;             /* samples of a frame; of the one before it */
	struct rt_bytes file, wanted; /* maps */
	const unsigned char *pcm;     /* in file: 16-bit, little-endian, one channel */
	size_t samples;
	float input[FRAME_MAX];
	float state[STATE_MAX];
};

char *golden_wav_model(const struct golden_case *c)
{
	const char *slash = strrchr(c->dir, '/'), *name = slash ? slash + 1 : c->dir;
	const char *end = strstr(name, "__");
	char *out = NULL;

	if (!end || asprintf(&out, "%.*s.onnx", (int)(end - name), name) < 0)
		return NULL;
	return out;
}

static uint32_t le(const unsigned char *p, int bytes)
{
	uint32_t v = 0;

	for (int i = 0; i < bytes; i++)
		v |= (uint32_t)p[i] << 8 * i;
	return v;
}

/* The samples of a RIFF file: 16-bit PCM, one channel, at the rate the case names. */
static bool find_samples(struct wav *w)
{
	const unsigned char *p = w->file.data;
	bool is_pcm = false;
	size_t at = 12;

	if (w->file.size < 12 || memcmp(p, "RIFF", 4) != 0 || memcmp(p + 8, "WAVE", 4) != 0)
		return false;
	while (w->file.size - at >= 8) {
		size_t bytes = le(p + at + 4, 4);
		const unsigned char *body = p + at + 8;

		if (bytes > w->file.size - at - 8)
			return false;
		if (memcmp(p + at, "fmt ", 4) == 0 && bytes >= 16)
			is_pcm = le(body, 2) == 1 && le(body + 2, 2) == 1 &&
				 le(body + 4, 4) == w->rate && le(body + 14, 2) == 16;
		if (memcmp(p + at, "data", 4) == 0) {
			w->pcm = body;
			w->samples = bytes / 2;
			return is_pcm;
		}
		at += 8 + bytes + bytes % 2;
		if (at > w->file.size)
			return false;
	}
	return false;
}

static bool map_beside(const char *dir, const char *up, const char *name, struct rt_bytes *out)
{
	char *folder = files_join(dir, up), *path = files_join(folder, name);
	bool ok = files_map(path, out);

	free(folder);
	free(path);
	return ok;
}

static bool read_case(const struct golden_case *c, struct wav *w, char *text, size_t size)
{
	const char *how = json_string_value(json_object_get(c->json, "procedure"));
	const char *output = json_string_value(json_object_get(c->json, "output"));
	const char *source = json_string_value(json_object_get(c->json, "source"));
	int again = 0, used = 0;
	char name[128];

	w->frames = json_integer_value(json_object_get(c->json, "frames"));
	w->rate = json_integer_value(json_object_get(c->json, "sample_rate"));
	if (!how || !output || !source || w->frames < 1 ||
	    sscanf(how,
		   "16-bit PCM /32768; frames of %d samples, each input = previous %d samples + "
		   "%d; state carried;%n",
		   &w->step, &w->before, &again, &used) != 3 ||
	    !used || w->step != again || w->step < 1 || w->before < 0 || w->before > w->step ||
	    w->step > FRAME_MAX / 2 || sscanf(output, "%127[^:]", name) != 1) {
		snprintf(text, size, "golden.json: a procedure that is not known");
		return false;
	}
	if (!map_beside(c->dir, "../..", source, &w->file) || !find_samples(w)) {
		snprintf(text, size, "'%s' is not 16-bit PCM at %d Hz", source, (int)w->rate);
		return false;
	}
	if (!map_beside(c->dir, ".", name, &w->wanted) ||
	    w->wanted.size != (size_t)w->frames * sizeof(float)) {
		snprintf(text, size, "'%s' does not hold %d numbers", name, (int)w->frames);
		return false;
	}
	return true;
}

/* Inputs by their names; a dimension that the model leaves open is 1. */
static bool make_inputs(struct wav *w, const struct rt_model *m, struct rt_tensor *in, int *state)
{
	*state = -1;
	for (size_t i = 0; i < rt_model_input_count(m); i++) {
		const struct rt_port *p = rt_model_input(m, i);
		int64_t elems = 0;

		in[i] = (struct rt_tensor){.dtype = p->dtype, .shape = p->shape};
		for (int d = 0; d < in[i].shape.rank; d++)
			if (in[i].shape.dims[d] < 0)
				in[i].shape.dims[d] = 1;
		if (strcmp(p->name, "input") == 0 && p->dtype == RT_F32) {
			in[i].data = w->input;
			in[i].shape.rank = 2;
			in[i].shape.dims[0] = 1;
			in[i].shape.dims[1] = w->before + w->step;
		} else if (strcmp(p->name, "sr") == 0 && p->dtype == RT_I64) {
			in[i].data = &w->rate;
		} else if (strcmp(p->name, "state") == 0 && p->dtype == RT_F32) {
			if (!rt_shape_elems(&in[i].shape, &elems) || elems > STATE_MAX)
				return false;
			in[i].data = w->state;
			*state = (int)i;
		} else {
			return false;
		}
	}
	return *state >= 0 && rt_model_output_count(m) == 2;
}

/* The next frame behind the last samples of the one before; zeros behind the end of the sound. */
static void next_frame(struct wav *w, int64_t frame)
{
	memmove(w->input, w->input + w->step, (size_t)w->before * sizeof(float));
	for (int i = 0; i < w->step; i++) {
		size_t k = (size_t)frame * (size_t)w->step + (size_t)i;
		int16_t v = k < w->samples ? (int16_t)le(w->pcm + 2 * k, 2) : 0;
		w->input[w->before + i] = (float)v / 32768.0f;
	}
}

static bool run_frames(struct wav *w, struct rt_session *s, const struct rt_model *m, float *got,
		       char *text, size_t size)
{
	struct rt_tensor in[GOLDEN_PORTS_MAX], out[2];
	struct rt_error err;
	int state;

	if (rt_model_input_count(m) > GOLDEN_PORTS_MAX || !make_inputs(w, m, in, &state)) {
		snprintf(text, size, "the model has other inputs than the procedure");
		return false;
	}
	for (int64_t f = 0; f < w->frames; f++) {
		size_t bytes = 0, given = 0;

		memset(out, 0, sizeof out);
		next_frame(w, f);
		if (rt_session_run(s, in, out, NULL, NULL, &err) != RT_OK) {
			snprintf(text, size, "run, frame %d: %s", (int)f, err.text);
			return false;
		}
		if (out[0].dtype != RT_F32 || !rt_shape_bytes(&out[0].shape, RT_F32, &given) ||
		    given != sizeof *got || out[1].dtype != RT_F32 ||
		    !rt_shape_bytes(&in[state].shape, RT_F32, &bytes) ||
		    !rt_shape_bytes(&out[1].shape, RT_F32, &given) || bytes != given) {
			snprintf(text, size, "frame %d: not one number and a state", (int)f);
			return false;
		}
		memcpy(&got[f], out[0].data, sizeof *got);
		memcpy(w->state, out[1].data, bytes);
	}
	return true;
}

bool golden_wav_run(const struct golden_case *c, struct rt_session *s, const struct rt_model *m,
		    struct rt_tensor *got, struct rt_tensor *want, char *text, size_t size)
{
	struct wav *w = calloc(1, sizeof *w);
	bool ok = w && read_case(c, w, text, size);

	*got = *want = (struct rt_tensor){.dtype = RT_F32, .shape = {.rank = 1}};
	if (ok) {
		got->shape.dims[0] = want->shape.dims[0] = w->frames;
		got->data = malloc(w->wanted.size);
		want->data = malloc(w->wanted.size);
		ok = got->data && want->data;
	}
	if (ok) {
		memcpy(want->data, w->wanted.data, w->wanted.size);
		ok = run_frames(w, s, m, got->data, text, size);
	}
	if (w) {
		files_unmap(&w->file);
		files_unmap(&w->wanted);
	}
	free(w);
	return ok;
}
