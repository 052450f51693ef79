#!/bin/sh
# SPDX-License-Identifier: MIT
# Files of at most 800 lines, functions of at most 100: past that there is a second noun in it.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
cd "$top_srcdir" || exit 99

none 'files of at most 800 lines' "$(
  for file in $(sources '*.c' '*.h' '*.js' '*.mjs' '*.sh' '*.py'); do
    awk -v f="$file" 'END { if (NR > 800) print f ": " NR " lines" }' "$file"
  done
)"
none 'functions of at most 100 lines' "$(
  for file in $(sources '*.c' '*.h'); do
    awk -v f="$file" '
      /^\{/ { start = NR; open = 1 }
      /^\}/ && open {
        if (NR - start - 1 > 100) print f ":" start ": " NR - start - 1 " lines"
        open = 0
      }' "$file"
  done
)"
done_testing
