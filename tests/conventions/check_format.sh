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

# grep, not awk: columns are characters, and some awks count bytes
none 'lines of at most 100 columns' "$(
  for file in $(sources '*.c' '*.h') configure.ac; do
    expand -t 8 "$file" | LC_ALL=C.UTF-8 grep -nE '^.{101}' | cut -c 1-60 | sed "s|^|$file:|"
  done
)"
none 'no space at the end of a line, no carriage return' "$(
  grep -nE "[[:space:]]+\$|$(printf '\r')" $(sources '*.c' '*.h' '*.def' '*.sh' '*.js' '*.mjs' '*.html' '*.css' '*.py') \
    Makefile.am configure.ac bootstrap README.md | cut -c 1-120 | head -20
)"
done_testing
