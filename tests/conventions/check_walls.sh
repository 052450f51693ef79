#!/bin/sh
# SPDX-License-Identifier: MIT
# Who may include what. store and runtime know neither each other nor HTTP; nobody includes
# daemon; one file knows MHD; instruction sets stay in the kernels.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
cd "$top_srcdir" || exit 99

# includes PATTERN FILE…: include lines of FILEs that match PATTERN
includes() {
  pattern=$1
  shift
  [ $# -gt 0 ] || return 0
  grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($pattern)" /dev/null "$@"
}
# in FOLDER: its C files, below tests/ not counted
in_folder() { sources '*.c' '*.h' '*.def' | grep "^$1/"; }
# but PATTERN: drops the files that are allowed
but() { grep -vE "^($1)$"; }

http='microhttpd|uv\.h|uv/|curl/'
none 'store includes only itself and its libraries' \
  "$(includes "daemon/|runtime/|www/|tests/|$http" $(in_folder store))"
none 'runtime includes only itself' \
  "$(includes "daemon/|store/|www/|tests/|sqlite3|jansson|openssl|zlib|$http" $(in_folder runtime))"
none 'nobody outside daemon includes daemon' \
  "$(includes 'daemon/' $(sources '*.c' '*.h' '*.def' | grep -vE '^(daemon|tests/daemon|tests/fuzz)/'))"
none 'daemon includes no tests' "$(includes 'tests/' $(in_folder daemon))"
# server.c has its callbacks and the loop, answer.c its responses
none 'only server.c, with answer.c, knows MHD' \
  "$(includes 'microhttpd' $(sources '*.c' '*.h' | but 'daemon/(server|answer)\.c'))"
none 'only store speaks SQL' \
  "$(includes 'sqlite3' $(sources '*.c' '*.h' | grep -vE '^(store|tests/store)/'))"
none 'daemon knows the libraries by their public headers' \
  "$(includes '(store|runtime)/' $(in_folder daemon) | grep -vE '"((store/store|runtime/runtime|runtime/tensor)\.h|(store|runtime)/status\.def)"')"
none 'includes are written from the top' \
  "$(includes '\.\.?/' $(sources '*.c' '*.h'))"

none 'intrinsics only in files of one instruction set' "$(
  includes '[a-z]*intrin\.h|arm_neon|arm_fp16' \
    $(sources '*.c' '*.h' | grep -vE '^runtime/kernels/[^/]*-(sse41|avx2|avx512|avx512vnni|neon)\.[a-z.]*[ch]$')
)"
none 'kernels of one instruction set include only kernels' "$(
  includes 'runtime/' $(sources '*.c' | grep -E '^runtime/kernels/[^/]*-(scalar|sse41|avx2|avx512|avx512vnni|neon)\.c$') |
    grep -vE '"runtime/kernels/'
)"
for isa in sse41 avx2 avx512 avx512vnni neon; do
  none "no $isa file in another list of Makefile.am" "$(
    awk -v isa="$isa" '
      /_SOURCES *\+?=/ { list = $1 }
      list && index($0, "-" isa ".c") && list != "libkern_" isa "_la_SOURCES" { print FNR ": " $0 }
      !/\\$/ { list = "" }' Makefile.am
  )"
done

none 'config.h is the first include of every .c' "$(
  for file in $(sources '*.c'); do
    first=$(grep -m 1 -nE '^[[:space:]]*#[[:space:]]*include' "$file")
    case $first in
      '' | *'<config.h>'*) ;;
      *) echo "$file:$first" ;;
    esac
  done
)"
none 'no util, common, misc or helper files' \
  "$(sources '*' | grep -iE '/(utils?|common|misc|helpers?)(\.|/|_|-)')"
# settings.h: the type column of options.def needs one word per type; check.h: check's own names
none 'structs have no typedef' \
  "$(grep -nE '^[[:space:]]*typedef[[:space:]]+(struct|union|enum)\b[^(]*$' \
    $(sources '*.c' '*.h' | but 'daemon/settings\.h|tests/cross/check\.h'))"
none 'the first line names the licence' "$(
  for file in $(sources '*.c' '*.h' '*.def' '*.sh' '*.js' '*.mjs' '*.css' '*.py'); do
    head -n 2 "$file" | grep -q 'SPDX-License-Identifier: MIT' || echo "$file"
  done
)"
done_testing
