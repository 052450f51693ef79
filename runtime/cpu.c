/* SPDX-License-Identifier: MIT */
/*
 * cpu.c — which instruction sets this machine, its system and this build have.
 * The only file that asks; kernels are chosen by kernels/select.c.
 *
 * __builtin_cpu_supports looks at XGETBV too, so that a system which does not
 * save the wide registers is not said to have them.
 */
#include <config.h>

#include <pthread.h>
#include <string.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "runtime/runtime.h"

static const char *const names[RT_CPU_LEVEL_COUNT] = {
    [RT_CPU_SCALAR] = "scalar", [RT_CPU_SSE41] = "sse41", [RT_CPU_AVX2] = "avx2",
    [RT_CPU_AVX512] = "avx512", [RT_CPU_NEON] = "neon",   [RT_CPU_AVX512VNNI] = "avx512vnni",
    [RT_CPU_AMX] = "amx",
};

#if defined(__x86_64__) || defined(__i386__)

static bool has_sse41(void)
{
	return __builtin_cpu_supports("sse4.1") != 0;
}

/* Not every compiler's builtin knows it by name; the system's part is that of AVX. */
static bool has_f16c(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

static bool has_avx2(void)
{
	return has_sse41() && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
	       has_f16c();
}

static bool has_avx512(void)
{
	return has_avx2() && __builtin_cpu_supports("avx512f") &&
	       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512vl");
}

static bool has_avx512vnni(void)
{
	return has_avx512() && __builtin_cpu_supports("avx512vnni");
}

/* Tiles are large: Linux saves them only for processes that have asked (5.16 and newer). */
static bool has_amx(void)
{
#if defined(__x86_64__) && defined(__linux__)
	enum { REQUEST = 0x1023, TILE_DATA = 18 }; /* ARCH_REQ_XCOMP_PERM, the state's bit */
	unsigned a, b, c, d;

	return has_avx512vnni() && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 &&
	       (d >> 22 & 1) == 1 && (d >> 24 & 3) == 3 &&
	       syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
#else
	return false;
#endif
}

#else

static bool has_sse41(void)
{
	return false;
}

static bool has_avx2(void)
{
	return false;
}

static bool has_avx512(void)
{
	return false;
}

static bool has_avx512vnni(void)
{
	return false;
}

static bool has_amx(void)
{
	return false;
}

#endif

static bool has_neon(void)
{
#ifdef __aarch64__ /* Advanced SIMD is part of the base architecture */
	return true;
#else
	return false;
#endif
}

/* What the build has: configure leaves a macro undefined where a compiler lacks the set. */
static bool built(enum rt_cpu_level level)
{
	switch (level) {
#ifdef RT_HAVE_SSE41
	case RT_CPU_SSE41:
#endif
#ifdef RT_HAVE_AVX2
	case RT_CPU_AVX2:
#endif
#ifdef RT_HAVE_AVX512
	case RT_CPU_AVX512:
#endif
#ifdef RT_HAVE_AVX512VNNI
	case RT_CPU_AVX512VNNI:
	case RT_CPU_AMX: /* compiled with it, by attributes */
#endif
#ifdef RT_HAVE_NEON
	case RT_CPU_NEON:
#endif
	case RT_CPU_SCALAR:
		return true;
	default:
		return false;
	}
}

static bool has(enum rt_cpu_level level)
{
	if (!built(level))
		return false;
	switch (level) {
	case RT_CPU_SCALAR:
		return true;
	case RT_CPU_SSE41:
		return has_sse41();
	case RT_CPU_AVX2:
		return has_avx2();
	case RT_CPU_AVX512:
		return has_avx512();
	case RT_CPU_AVX512VNNI:
		return has_avx512vnni();
	case RT_CPU_AMX:
		return has_amx();
	case RT_CPU_NEON:
		return has_neon();
	case RT_CPU_LEVEL_COUNT:
	default:
		return false;
	}
}

/* Asked once: CPUID traps in virtual machines, 20 to 70 µs each. */
static pthread_once_t asked = PTHREAD_ONCE_INIT;
static bool answers[RT_CPU_LEVEL_COUNT];

static void ask(void)
{
	for (int i = 0; i < RT_CPU_LEVEL_COUNT; i++)
		answers[i] = has((enum rt_cpu_level)i);
}

bool rt_cpu_has(enum rt_cpu_level level)
{
	(void)pthread_once(&asked, ask);
	return (unsigned)level < RT_CPU_LEVEL_COUNT && answers[level];
}

enum rt_cpu_level rt_cpu_best(void)
{
	for (int level = RT_CPU_LEVEL_COUNT - 1; level > RT_CPU_SCALAR; level--) {
		if (rt_cpu_has((enum rt_cpu_level)level))
			return (enum rt_cpu_level)level;
	}
	return RT_CPU_SCALAR;
}

const char *rt_cpu_level_name(enum rt_cpu_level level)
{
	return (unsigned)level < RT_CPU_LEVEL_COUNT ? names[level] : "unknown";
}

bool rt_cpu_level_parse(const char *name, enum rt_cpu_level *out)
{
	if (strcmp(name, "best") == 0) {
		*out = rt_cpu_best();
		return true;
	}
	for (int level = 0; level < RT_CPU_LEVEL_COUNT; level++) {
		if (strcmp(name, names[level]) == 0) {
			*out = (enum rt_cpu_level)level;
			return true;
		}
	}
	return false;
}
