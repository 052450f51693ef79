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

# stands FILE CASE: it is one that is run, not a word in a remark
stands() {
  case $1 in
    *.http) grep -E '^== ' "$1" | grep -qF -e "$2" ;;
    # a test that is added, or a row of a table
    */check_*.c) grep -qE "tcase_add_[a-z_]*test\([a-z_]+, $2[,)]|^[[:space:]]*\{$2," "$1" ;;
    *.sh) grep -vE '^ *#' "$1" | grep -qF -e "$2" ;;
    *) grep -vE '^ *(//|\*|/\*)' "$1" | grep -F -e "$2" | grep -qE "['\"\`]" ;;
  esac
}
# is_run FILE: a program of `make check`, a suite of one, or what a program of it reads
is_run() {
  folder=$(dirname "$1")
  name=$(basename "$1")
  case $1 in
    */check_*.c) grep -q "^SUITE([a-z]*_*$(basename "$1" .c | sed 's/^check_//'))" "$folder/suites.def" ;;
    *.sh) tr ' ' '\n' <Makefile.am | grep -qxF -e "$1" ;;
    *.http) grep -qF '.http' "$folder/check_scenarios.sh" ;;
    *.mjs) grep -qF -e "$name" "$folder"/check_*.sh "$folder/run.mjs" 2>/dev/null ;;
    *) grep -rqF -e "--check-confinement" tests/security ;;
  esac
}
while IFS=$tab read -r class file case; do
  stands "$file" "$case" 2>/dev/null
  ok "$class: $case" $?
done <"${TMPDIR:-/tmp}/classes.$$"
none 'all of these files are run' "$(
  cut -f2 "${TMPDIR:-/tmp}/classes.$$" | sort -u | while read -r file; do
    is_run "$file" || echo "$file"
  done
)"
for no in 'tests/http/g001-host.http a case that nobody wrote' 'tests/http/g001-host.http Guards: Host' \
  'tests/runtime/check_wire.c check_wire' 'tests/security/check_admin.sh what never gets into'; do
  stands "${no%% *}" "${no#* }"
  is "a case that is not there is noticed: $no" $? 1
done
done_testing
