#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Hostile and ordinary clients at once: the ordinary ones are answered, soon, and larderd does not
# grow. LARDER_STORM=180 is the long run, at 24,000 connections per minute; timings count only there.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
. "$top_srcdir/tests/conventions/larderd.sh"
command -v python3 >/dev/null || skip_all 'python3 is not installed'
command -v curl >/dev/null || skip_all 'curl is not installed'

seconds=${LARDER_STORM:-6}
per_minute=24000
[ -n "${LARDER_STORM:-}" ] || per_minute=6000
larderd_start --sample --offline || bail 'larderd does not start'
said=$(python3 "$top_srcdir/tests/security/storm.py" "$larderd_addr" "$larderd_pid" "$seconds" \
  $per_minute 2>&1)
printf '%s\n' "$said" | sed 's/^/# /'
set -- $(printf '%s\n' "$said" | sed -n 's/^result //p')
[ $# -eq 4 ]
ok 'it ran to its end' $?
is 'every ordinary request is answered as it should be' "${2:-}" 0
[ "${4:-99999}" -lt 5120 ]
ok 'larderd grew by less than 5 MiB' $?
if [ -n "${LARDER_STORM:-}" ]; then
  [ "${1:-0}" -ge 23500 ]
  ok 'there were 24,000 connections per minute' $?
  [ "${3:-99999}" -lt 100 ]
  ok 'p99 of ordinary requests is below 100 ms' $?
fi
larderd_stop
is 'larderd stops in order' $? 0
done_testing
