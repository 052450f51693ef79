#!/bin/sh
# SPDX-License-Identifier: MIT
#
# foo.c exports foo_*, and nothing else: read from the archives that were just built.
#
#   store/foo.c          store_foo, store_foo_*           store/store.c      store_*
#   runtime/foo.c        rt_foo, rt_foo_*                 runtime/ops/foo.c  rt_op_*
#   runtime/kernels/a-isa.c    rt_a__isa, rt_a__isa_*
#   daemon/foo.c         foo, foo_*
set -u
. "$top_srcdir/tests/conventions/tap.sh"
[ -n "${NM:-}" ] || skip_all 'nm is not installed'
cd "$top_builddir" || exit 99

# exported ARCHIVE…: `object symbol` lines, the compiler's own names left out
exported() {
  for archive; do
    [ -f ".libs/$archive.a" ] || { echo "$archive is-missing"; continue; }
    $NM -A -g --defined-only -P ".libs/$archive.a" 2>/dev/null |
      sed -n 's/^[^[]*\[\([^]]*\)\.o\]: \([^ ]*\) .*/\1 \2/p'
  done | sed 's/^lib[a-z0-9_]*_la-//' | grep -vE ' (__|_fini|_init|\.)'
}
# outside PREFIX OWN: those of stdin whose symbol does not begin with PREFIX and the file's noun;
# OWN is the file that may use the bare prefix
outside() {
  awk -v prefix="$1" -v own="$2" '
    $1 == own && index($2, prefix) == 1 { next }
    { noun = $1; gsub(/-/, "__", noun); noun = prefix noun }
    $2 == noun || index($2, noun "_") == 1 { next }
    { print $1 ".c exports " $2 }'
}
ops=$(cd "$top_srcdir" && ls runtime/ops 2>/dev/null | sed -n 's/\.c$//p' | tr '\n' '|')

none 'store' "$(exported libstore | outside store_ store)"
none 'runtime' "$(exported libruntime |
  awk -v ops="|$ops" '!(index(ops, "|" $1 "|") && $2 ~ /^rt_op_/)' | outside rt_ runtime)"
none 'daemon' "$(exported libdaemon | outside '' '')"

# The test can see: an object with a foreign name must be found.
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
is 'a foreign name is noticed' \
  "$(printf '%s\n' 'blob store_blob_open' 'blob store_index_open' | outside store_ store)" \
  'blob.c exports store_index_open'
is 'an ISA suffix is part of the name' \
  "$(printf '%s\n' 'f32_gemm-avx2 rt_f32_gemm__avx2_6x16' 'f32_gemm-avx2 rt_f32_gemm__avx512' |
    outside rt_ runtime)" \
  'f32_gemm-avx2.c exports rt_f32_gemm__avx512'
[ -n "$(exported libstore libruntime libdaemon)" ]
ok 'the archives export something' $?
done_testing
