#!/bin/sh
# SPDX-License-Identifier: MIT
# The test driver itself: each way of reporting is counted, and nothing that went wrong is lost.
set -u
. "$top_srcdir/tests/conventions/tap.sh"

tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT

# drive NAME EXPECTED COMMAND…: runs COMMAND under the driver, compares the counts it prints
drive() {
  name=$1 expected=$2
  shift 2
  said=$(sh "$top_srcdir/tests/run" --test-name x --log-file "$tmp/$name.log" \
    --trs-file "$tmp/$name.trs" --color-tests no --expect-failure no \
    --enable-hard-errors yes -- "$@" | sed -n 1p)
  is "$name" "$said" "$expected"
}

drive exit-zero 'PASS: x: 1 passed, 0 failed, 0 skipped' true
drive exit-one 'FAIL: x: 0 passed, 1 failed, 0 skipped' false
drive exit-77 'SKIP: x: 0 passed, 0 failed, 1 skipped' sh -c 'echo no such tool; exit 77'
drive closing-line 'PASS: x: 12 passed, 0 failed, 3 skipped' \
  echo '12 passed, 0 failed, 3 skipped'
drive closing-line-fails 'FAIL: x: 12 passed, 2 failed, 0 skipped' \
  sh -c 'echo 12 passed, 2 failed, 0 skipped; exit 1'
drive closing-line-lies 'FAIL: x: 12 passed, 1 failed, 0 skipped' \
  sh -c 'echo 12 passed, 0 failed, 0 skipped; exit 3'
drive tap 'FAIL: x: 1 passed, 1 failed, 2 skipped (1 of these fail as expected)' \
  printf '%s\n' 1..4 'ok 1 - a' 'not ok 2 - b' 'ok 3 # SKIP none here' 'not ok 4 - d # TODO later'
drive tap-cut-short 'FAIL: x: 1 passed, 1 failed, 0 skipped' printf '%s\n' 1..3 'ok 1 - a'
drive tap-crash 'FAIL: x: 1 passed, 1 failed, 0 skipped' \
  sh -c 'echo 1..1; echo ok 1 - a; kill -SEGV $$'
drive tap-all-skipped 'SKIP: x: 0 passed, 0 failed, 1 skipped' echo '1..0 # SKIP no compiler'
drive check-tap 'PASS: x: 2 passed, 0 failed, 0 skipped' \
  sh -c 'printf "%s\n" 1..2 "ok 1 - f:s:a" "ok 2 - f:s:b" > "$CK_TAP_LOG_FILE_NAME"'
drive no-case 'FAIL: x: 0 passed, 1 failed, 0 skipped' sh -c 'echo 1..0 >"$CK_TAP_LOG_FILE_NAME"'
drive check-crash 'FAIL: x: 0 passed, 1 failed, 0 skipped' \
  sh -c ': > "$CK_TAP_LOG_FILE_NAME"; exit 139'
TEST_TIMEOUT=1
export TEST_TIMEOUT
drive timeout 'FAIL: x: 0 passed, 1 failed, 0 skipped' sleep 20

last=$(sh "$top_srcdir/tests/run" --sum "$tmp/tap.log" "$tmp/closing-line.log" | tail -n 1)
is sum-adds "$last" '13 passed, 1 failed, 5 skipped'
sh "$top_srcdir/tests/run" --sum "$tmp/tap.log" >/dev/null
is sum-fails-if-one-failed $? 1
sh "$top_srcdir/tests/run" --sum "$tmp/closing-line.log" >/dev/null
is sum-succeeds-if-none-failed $? 0
last=$(sh "$top_srcdir/tests/run" --sum "$tmp/exit-zero.log" "$tmp/never-ran.log" | tail -n 1)
is sum-misses-a-runner "$last" '1 passed, 1 failed, 0 skipped'
done_testing
