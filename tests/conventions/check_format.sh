#!/bin/sh
# SPDX-License-Identifier: MIT
# Every C file is as clang-format leaves it, and every line fits.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
cd "$top_srcdir" || exit 99

if [ -n "${CLANG_FORMAT:-}" ] && "$CLANG_FORMAT" --version 2>/dev/null | grep -q 'version 14'; then
  none 'C files are as clang-format leaves them' \
    "$("$CLANG_FORMAT" --dry-run -Werror $(sources '*.c' '*.h') 2>&1 | grep ': error:' | head -40)"
else
  skip 'C files are as clang-format leaves them' \
    'clang-format 14 is not installed; other versions format differently'
fi

# wider LIMIT FILE…: lines of more than LIMIT columns
wider() {
  limit=$1
  shift
  for file; do
    expand -t 8 "$file" | awk -v f="$file" -v limit="$limit" \
      'length($0) > limit { print f ":" NR ": " length($0) }'
  done
}
none 'lines of at most 100 columns' "$(wider 100 $(sources '*.c' '*.h') configure.ac)"
none 'no space at the end of a line, no carriage return' "$(
  grep -nE "[[:space:]]+\$|$(printf '\r')" $(sources '*.c' '*.h' '*.def' '*.sh' '*.js' '*.mjs' '*.html' '*.css' '*.py') \
    Makefile.am configure.ac bootstrap README.md | cut -c 1-120 | head -20
)"
done_testing
