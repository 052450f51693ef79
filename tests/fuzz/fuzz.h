/* SPDX-License-Identifier: MIT */
/*
 * The one function of a fuzz target. libFuzzer calls it (--enable-fuzz), and so does replay.c,
 * which runs the corpus and small mutations of it in `make check`. It must return 0, leak
 * nothing, and never let the bytes decide how much memory or time is used.
 */
#ifndef LARDER_TESTS_FUZZ_FUZZ_H
#define LARDER_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
