#!/bin/sh
# SPDX-License-Identifier: MIT
#
# foo.c exports foo_*, and nothing else: read from the archives that were just built.
#
#   store/foo.c              store_foo, store_foo_*
#   runtime/foo.c            rt_foo, rt_foo_*
#   runtime/kernels/a-isa.c  rt_a__isa, rt_a__isa_*
#   daemon/foo.c             foo, foo_*
#
# Besides: what a library's public header declares may live in whichever file it belongs to; a
# noun that is split over foo.c, foo_bar.c, … shares the words of its header foo.h; and operators
# (rt_op_*) live in runtime/ops/.
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
  done | sed -E 's/^lt[0-9]+-//; s/^lib[a-z0-9_]*_la-//' | grep -vE ' (__|_fini|_init|\.)'
}
# outside FOLDER PREFIX HEADER…: those of stdin that are neither of their file's noun nor declared in
# one of the public HEADERs
outside() {
  folder=$1 prefix=$2
  shift 2
  nouns=$(cd "$top_srcdir/$folder" && ls *.h */*.h 2>/dev/null | sed 's|.*/||; s/\.h$//' | tr '\n' ' ')
  public=$(cd "$top_srcdir" && [ $# -gt 0 ] &&
    grep -ohE "\\b$prefix[a-z0-9_]+\(" "$@" | tr -d '(' | sort -u | tr '\n' ' ')
  awk -v prefix="$prefix" -v nouns=" $nouns" -v public=" $public" '
    index(public, " " $2 " ") { next }
    {
      stem = $1
      gsub(/-/, "__", stem)
      known = 1 # the noun of the file itself; shorter ones must have a header
      while (1) {
        noun = prefix stem
        if (known && ($2 == noun || index($2, noun "_") == 1)) next
        if ($1 ~ /-/ || !sub(/_[^_]*$/, "", stem)) break
        known = index(nouns, " " stem " ")
      }
      print $1 ".c exports " $2
    }'
}
ops=$(cd "$top_srcdir" && ls runtime/ops 2>/dev/null | sed -n 's/\.c$//p' | tr '\n' '|')

none 'store' "$(exported libstore | outside store store_ store/store.h)"
none 'runtime' "$(exported libruntime |
  awk -v ops="|$ops" '!(index(ops, "|" $1 "|") && $2 ~ /^rt_op_/)' |
  outside runtime rt_ runtime/runtime.h runtime/tensor.h)"
none 'daemon' "$(exported libdaemon | outside daemon '')"

# The test can see: an object with a foreign name must be found.
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
is 'a foreign name is noticed' \
  "$(printf '%s\n' 'blob store_blob_open' 'blob store_index_open' | outside store store_)" \
  'blob.c exports store_index_open'
is 'an ISA suffix is part of the name' \
  "$(printf '%s\n' 'f32_gemm-avx2 rt_f32_gemm__avx2_6x16' 'f32_gemm-avx2 rt_f32_gemm__avx512' |
    outside runtime rt_)" \
  'f32_gemm-avx2.c exports rt_f32_gemm__avx512'
[ -n "$(exported libstore libruntime libdaemon)" ]
ok 'the archives export something' $?
done_testing
