#!/bin/sh
# SPDX-License-Identifier: MIT
# Socket activation: nobody notices a restart; readiness, reload and watchdog as systemd sees them.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
command -v python3 >/dev/null 2>&1 || skip_all 'python3 is not installed'
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
python3 "$top_srcdir/tests/systemd/restart.py" "$top_builddir/larderd" "$tmp"
status=$?
[ $status -eq 0 ] || sed 's/^/# /' "$tmp/log" | tail -n 10
exit $status
