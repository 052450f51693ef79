/* SPDX-License-Identifier: MIT */
/*
 * suites.h — declares the suites of check_runtime, for the files that define them.
 */
#ifndef LARDER_TESTS_RUNTIME_SUITES_H
#define LARDER_TESTS_RUNTIME_SUITES_H

#include <check.h>

#define SUITE(name) Suite *check_##name(void);
#include "tests/runtime/suites.def"
#undef SUITE

#endif
