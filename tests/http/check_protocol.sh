#!/bin/sh
# SPDX-License-Identifier: MIT
# The Open Inference Protocol by its specification's tables, and everything malformed that can be
# sent instead (protocol.py); the daemon is as large afterwards as a daemon may be.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
. "$top_srcdir/tests/conventions/larderd.sh"
protocol=$top_srcdir/tests/http/protocol.py

python3 "$protocol" --models "$larderd_dir/models"
larderd_start --config /dev/null --log-level error --threads 1
ok 'larderd starts' $?
for model in "$larderd_dir"/models/*; do
  "$top_builddir/larderctl" import --name "${model##*/}" "$model" >/dev/null
  ok "import ${model##*/}" $?
done
python3 "$protocol" "${larderd_addr##*:}" >"$larderd_dir/tap"
ok 'the tables' $?
is 'all of them were tried' "$(sed -n 's/^1\.\.//p' "$larderd_dir/tap")" "$(grep -c 'ok [0-9]' "$larderd_dir/tap")"
grep -A 1 '^not ok' "$larderd_dir/tap" | sed 's/^/# /'
rss=$(curl -s "http://$larderd_addr/metrics" | sed -n 's/^process_resident_memory_bytes //p')
ok "memory afterwards ($rss bytes)" "$([ "${rss%.*}" -lt 150000000 ] && echo 0 || echo 1)"
larderd_stop
ok 'it ends as it should' $?
done_testing
