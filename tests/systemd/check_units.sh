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

# exposure NAME FILE TENTHS: what systemd-analyze thinks of it, of 100
exposure() {
  said=$(systemd-analyze security --no-pager --offline=yes --threshold="$3" "$2" 2>&1)
  status=$?
  echo "#$(printf '%s\n' "$said" | sed -n 's/^.*\(Overall exposure level.*\)/ \1/p')"
  is "$1" $status 0
}
exposure 'exposure is at most 1.2 of 10' "$unit" 12
mkdir "$tmp/offline" && cat "$unit" "$top_builddir/systemd/offline.conf" >"$tmp/offline/larder.service"
exposure 'exposure offline is at most 1.1 of 10' "$tmp/offline/larder.service" 11
none 'systemd-analyze verify has nothing to say about offline.conf' "$(
  sed "s|^ExecStart=[^ ]*/larderd|ExecStart=$top_builddir/larderd|" "$tmp/offline/larder.service" \
    >"$tmp/offline/both.service"
  systemd-analyze verify --man=no --recursive-errors=no "$tmp/offline/both.service" \
    "$tmp/larder.socket" "$tmp/larder-admin.socket" 2>&1
)"

# The test can see: an open unit is over the threshold.
sed 's/^PrivateNetwork=.*//; s/^ProtectSystem=.*//; s/^DynamicUser=.*//; s/^SystemCallFilter=.*//' \
  "$unit" >"$tmp/open.service"
systemd-analyze security --no-pager --offline=yes --threshold=12 "$tmp/open.service" >/dev/null 2>&1
[ $? -ne 0 ]
ok 'an exposed unit is noticed' $?
# ---- the configuration that is installed: every key, and nothing that is wrong ----
conf=$top_builddir/daemon/larder.conf
is 'larder.conf is fine as it is' \
  "$("$top_builddir/larderd" --config "$conf" --check-config 2>&1)" 'larderd: the configuration is fine'
sed -E 's|^#([a-z_]+ = .*[^ ])$|\1|; s|^#(\[.*)|\1|' "$conf" >"$tmp/all.conf"
is 'and with every key uncommented' \
  "$("$top_builddir/larderd" --config "$tmp/all.conf" --check-config 2>&1)" 'larderd: the configuration is fine'
is 'every option is in it' "$(grep -cE '^#[a-z_]+ =' "$conf")" \
  "$(($(grep -c '^OPTION(' "$top_srcdir/daemon/options.def") + 4))"
done_testing
