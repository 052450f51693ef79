#!/bin/sh
# SPDX-License-Identifier: MIT
# The units are what systemd understands, start what was built, and leave little exposed.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
command -v systemd-analyze >/dev/null 2>&1 || skip_all 'systemd-analyze is not installed'

tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
unit=$tmp/larder.service

# the installed path does not exist yet: the program just built stands in for it
sed "s|^ExecStart=[^ ]*/larderd|ExecStart=$top_builddir/larderd|" \
  "$top_builddir/systemd/larder.service" >"$unit"
cp "$top_srcdir/systemd/larder.socket" "$top_srcdir/systemd/larder-admin.socket" "$tmp"
is 'the unit starts larderd' "$(grep -c "^ExecStart=$top_builddir/larderd" "$unit")" 1

said=$(systemd-analyze verify --man=no --recursive-errors=no \
  "$unit" "$tmp/larder.socket" "$tmp/larder-admin.socket" 2>&1)
status=$?
none 'systemd-analyze verify has nothing to say' "$said"
is 'systemd-analyze verify succeeds' $status 0

# The test can see: a key that does not exist is noticed.
sed 's/^UMask=/UMmask=/' "$unit" >"$tmp/broken.service"
case $(systemd-analyze verify --man=no --recursive-errors=no "$tmp/broken.service" 2>&1) in
  *UMmask*) ok 'a wrong key is noticed' 0 ;;
  *) ok 'a wrong key is noticed' 1 ;;
esac

said=$(systemd-analyze security --no-pager --offline=yes --threshold=15 "$unit" 2>&1)
status=$?
echo "#$(printf '%s\n' "$said" | sed -n 's/^.*\(Overall exposure level.*\)/ \1/p')"
is 'exposure is at most 1.5 of 10' $status 0
done_testing
