/* SPDX-License-Identifier: MIT */
/*
 * golden_wav.h — the golden case that is no single run: a sound in frames, one
 * run each, with samples of the frame before in front and a state carried on.
 * Used by the tool golden.
 *
 *	{"source": "samples/X.wav", "sample_rate": 16000, "frames": 938,
 *	 "procedure": "16-bit PCM /32768; frames of 512 samples, each input =
 *	               previous 64 samples + 512; state carried; sr=16000",
 *	 "output": "FILE: one … per frame"}
 *
 * The folder is named MODEL__SOUND; model and sound lie two folders up.
 */
#ifndef LARDER_TESTS_TOOLS_GOLDEN_WAV_H
#define LARDER_TESTS_TOOLS_GOLDEN_WAV_H

#include "tests/tools/golden_case.h"

/* golden_wav_model(c): the file name of the model; malloc'ed, NULL when out of memory or the
 * folder is not named so. */
char *golden_wav_model(const struct golden_case *c);
/*
 * golden_wav_run(c, s, m, got, want, text, size): run all frames on session ${s} of ${m}; ${got}
 * and ${want} are [frames] then, free ->data of both.  False and a text when the case, the sound or
 * a run is not as it should be.
 */
bool golden_wav_run(const struct golden_case *c, struct rt_session *s, const struct rt_model *m,
		    struct rt_tensor *got, struct rt_tensor *want, char *text, size_t size);

#endif
