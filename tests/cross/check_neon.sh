#!/bin/sh
# SPDX-License-Identifier: MIT
# The NEON kernels against the scalar reference: the kernel tests, cross-compiled for AArch64 as
# one static program, run by the user-mode emulator. Objects are kept in the build folder.
set -u
: "${AARCH64_CC:=}" "${AARCH64_RUN:=}"
if [ -z "$AARCH64_CC" ] || [ -z "$AARCH64_RUN" ]; then
  echo '1..0 # SKIP no cross compiler or no emulator: gcc-aarch64-linux-gnu, qemu-user'
  exit 0
fi
# what kernel tests need of the runtime besides the kernels themselves
plain='cpu dtype guard shape status tensor team'

objects=$top_builddir/tests/cross
mkdir -p "$objects" && cd "$top_srcdir" || exit 99
cat >"$objects/config.h" <<'CONFIG'
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#define RT_HAVE_NEON 1
CONFIG
newest=$(find runtime tests/cross tests/runtime tests/conventions -name '*.h' -newer "$objects/stamp" 2>/dev/null |
  head -n 1)
[ -f "$objects/stamp" ] && [ -z "$newest" ] || rm -f "$objects"/*.o

list=
for source in runtime/kernels/*.c tests/cross/check.c tests/check_main.c \
  tests/runtime/check_kernels*.c $(printf 'runtime/%s.c ' $plain); do
  case $source in
    *-sse41.c | *-avx*.c) continue ;;
  esac
  [ -f "$source" ] || continue
  object=$objects/$(printf '%s' "$source" | tr '/' '+' | sed 's/\.c$/.o/')
  flags=
  case $source in
    *-scalar.c) flags=-ffp-contract=off ;;
  esac
  list="$list $object"
  [ "$object" -nt "$source" ] && continue
  if ! $AARCH64_CC -std=c11 -O2 -Wall -Wextra -Werror $flags -include tests/conventions/banned.h \
    -I"$objects" -Itests/cross -I. -DSUITES='"tests/cross/suites.def"' \
    -c "$source" -o "$object"; then
    echo "$source does not compile for AArch64"
    exit 1
  fi
done
touch "$objects/stamp"

# shellcheck disable=SC2086 # objects are words
$AARCH64_CC -static -o "$objects/check_neon" $list -lm -lpthread || exit 1
$AARCH64_RUN "$objects/check_neon"
