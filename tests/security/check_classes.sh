#!/bin/sh
# SPDX-License-Identifier: MIT
# Every case that the table of tests/security/README.md names is there, and every class has one.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
cd "$top_srcdir" || exit 99

rows=$(sed -n 's/^| \([^|]*\) | `\([^`]*\)` | \(.*\) |$/\1	\2	\3/p' tests/security/README.md)
[ "$(printf '%s\n' "$rows" | wc -l)" -ge 60 ]
ok 'the table is read' $?
tab=$(printf '\t')
printf '%s\n' "$rows" >"${TMPDIR:-/tmp}/classes.$$"
trap 'rm -f "${TMPDIR:-/tmp}/classes.$$"' EXIT
while IFS=$tab read -r class file case; do
  grep -qF -e "$case" "$file" 2>/dev/null
  ok "$class: $case" $?
done <"${TMPDIR:-/tmp}/classes.$$"
grep -qF 'a case that nobody wrote' tests/http/g001-host.http
is 'a case that is not there is noticed' $? 1
done_testing
