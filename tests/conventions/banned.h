/* SPDX-License-Identifier: MIT */
/*
 * Functions that larder does not call: they write without a bound, share hidden state between
 * threads, grow the stack by a caller's number, or turn errors into zero.
 *
 * Forced into every translation unit by Makefile.am (-include), after the headers that declare
 * these names, so that a call is a compile error whose text says what to use instead. config.h
 * comes first because those headers must see its feature macros.
 */
#ifndef LARDER_BANNED_H
#define LARDER_BANNED_H

#include <config.h>

#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#undef alloca
#undef strdupa
#undef strndupa
#define alloca(...) banned_alloca_use_the_arena_or_a_fixed_array
#define strdupa(...) banned_strdupa_use_strdup
#define strndupa(...) banned_strndupa_use_strndup

#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef sprintf
#undef vsprintf
#undef gets
#define strcpy(...) banned_strcpy_use_memcpy_after_a_length_check
#define strcat(...) banned_strcat_use_snprintf
#define strncpy(...) banned_strncpy_use_memcpy_after_a_length_check
#define strncat(...) banned_strncat_use_snprintf
#define sprintf(...) banned_sprintf_use_snprintf
#define vsprintf(...) banned_vsprintf_use_vsnprintf
#define gets(...) banned_gets_use_fgets

#undef strtok
#undef gmtime
#undef localtime
#undef ctime
#undef asctime
#define strtok(...) banned_strtok_use_strtok_r
#define gmtime(...) banned_gmtime_use_gmtime_r
#define localtime(...) banned_localtime_use_localtime_r
#define ctime(...) banned_ctime_use_strftime
#define asctime(...) banned_asctime_use_strftime

#undef atoi
#undef atol
#undef atoll
#undef atof
#define atoi(...) banned_atoi_use_strtol_and_check
#define atol(...) banned_atol_use_strtol_and_check
#define atoll(...) banned_atoll_use_strtoll_and_check
#define atof(...) banned_atof_use_strtod_and_check

#undef mktemp
#undef tmpnam
#undef tempnam
#undef system
#undef popen
#define mktemp(...) banned_mktemp_use_mkstemp
#define tmpnam(...) banned_tmpnam_use_mkstemp
#define tempnam(...) banned_tempnam_use_mkstemp
#define system(...) banned_system_there_is_no_shell_here
#define popen(...) banned_popen_there_is_no_shell_here

#endif
