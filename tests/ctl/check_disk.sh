#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A disk that fills up or becomes read-only, and models whose files are cut short while they are in
# memory. Each time: what was acknowledged stays, what can be served is served, and nobody has to
# restart anything. A disk of its own takes root and a mount namespace.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
command -v curl >/dev/null || skip_all 'curl is not installed'
if [ -z "${LARDER_OWN_MOUNTS:-}" ] && [ "$(id -u)" -eq 0 ] && command -v unshare >/dev/null &&
  unshare -m true 2>/dev/null; then
  LARDER_OWN_MOUNTS=1 exec unshare -m sh "$0"
fi
. "$top_srcdir/tests/conventions/larderd.sh"
ctl=$top_builddir/larderctl
has() { case $1 in *"$2"*) return 0 ;; *) return 1 ;; esac; }
code() { curl -s -m 10 -o "$larderd_dir/body" -w '%{http_code}' "http://$larderd_addr/$1"; }
health() { curl -s -m 10 "http://$larderd_addr/healthz" | sed 's/.*"status":"\([a-z]*\)".*/\1/'; }
infer() {
  curl -s -m 20 -o "$larderd_dir/body" -w '%{http_code}' -H 'Content-Type: application/json' \
    --data-binary "@$top_srcdir/www/sample/digit.json" "http://$larderd_addr/v2/models/$1/infer"
}
# healthy: whether it says ok within five seconds
healthy() {
  for _ in $(seq 50); do
    [ "$(health)" = ok ] && return 0
    sleep 0.1
  done
  return 1
}
in=$larderd_dir/in
mkdir "$in" "$larderd_dir/state"
head -c 3000000 /dev/urandom >"$in/small.bin"
head -c 20000000 /dev/urandom >"$in/large.bin"

# ---- a model whose file is cut short while it is in memory, and before it is opened
larderd_start --sample --offline --scrub-rate 0
ok 'larderd starts' $?
"$ctl" import --name cut "$top_srcdir/www/sample" >/dev/null 2>&1
is 'a model runs' "$(infer cut)" 200
blob=$(sha256sum <"$top_srcdir/www/sample/model.onnx" | cut -d' ' -f1)
blob=$larderd_dir/state/blobs/$(echo "$blob" | cut -c1-2)/$blob
chmod u+w "$blob"
cp "$blob" "$larderd_dir/whole"
: >"$blob"
for i in 1 2 3; do
  status=$(infer cut)
  [ "$status" -eq 200 ] || has "$(cat "$larderd_dir/body")" '"error"'
  ok "its file is cut to nothing: run $i is answered, or refused in words ($status)" $?
done
kill -0 "$larderd_pid"
ok 'larderd goes on' $?
"$ctl" unload cut >/dev/null 2>&1
status=$(infer cut)
[ "$status" -ge 400 ] && has "$(cat "$larderd_dir/body")" '"error"'
ok "unloaded, it cannot be opened again, in words ($status)" $?
is 'others are served' "$(code healthz)" 200
"$ctl" verify >/dev/null 2>&1
is 'verify notices' $? 1
"$ctl" import --name cut "$top_srcdir/www/sample" >/dev/null 2>&1
is 'stored anew, it runs again' "$(infer cut)" 200
larderd_stop
is 'larderd stops in order' $? 0

if [ -z "${LARDER_OWN_MOUNTS:-}" ]; then
  skip 'a disk that fills up' 'it takes root and mount namespaces'
  done_testing
fi

# ---- a disk of 16 MiB
mount -t tmpfs -o size=16m larder "$larderd_dir/state" || skip_all 'no tmpfs'
trap '[ -z "$larderd_pid" ] || kill -9 "$larderd_pid" 2>/dev/null
  umount -l "$larderd_dir/state"; rm -rf "$larderd_dir"' EXIT
larderd_start --offline --scrub-rate 0
ok 'on a small disk: larderd starts' $?
"$ctl" import --name kept "$in/small.bin" >/dev/null 2>&1
is 'what fits is stored' $? 0
timeout 60 "$ctl" import --name too/large "$in/large.bin" >"$larderd_dir/said" 2>&1
is 'what does not is refused' $? 1
grep -qiE 'full|no space|room' "$larderd_dir/said"
ok 'in words' $?
is 'and leaves nothing behind' "$(ls "$larderd_dir/state/tmp" | wc -l)" 0
is 'what was there is served' \
  "$(curl -s "http://$larderd_addr/kept/resolve/main/small.bin" | cmp - "$in/small.bin" && echo same)" same
dd if=/dev/zero of="$larderd_dir/state/ballast" bs=64k >/dev/null 2>&1
timeout 60 "$ctl" import --name other "$in/small.bin" >"$larderd_dir/said" 2>&1
ok "not one byte is left: an import ends ($?)" 0
is 'and what was there is served still' "$(code kept/resolve/main/small.bin)" 200
"$ctl" list >/dev/null 2>&1
is 'and listed' $? 0
rm "$larderd_dir/state/ballast"
timeout 60 "$ctl" import --name third "$in/small.bin" >/dev/null 2>&1
is 'with room again imports are taken' $? 0
healthy
ok 'and all is well' $?

"$ctl" verify >/dev/null 2>&1
is 'nothing is damaged' $? 0
kill -9 "$larderd_pid"
wait "$larderd_pid" 2>/dev/null
larderd_start --offline --scrub-rate 0
ok 'after a kill it starts' $?
is 'with everything that it had said was stored' \
  "$(code kept/resolve/main/small.bin) $(code third/resolve/main/small.bin)" \
  '200 200'
larderd_stop
is 'and stops in order' $? 0

# ---- a disk that becomes read-only under the daemon, as ext4 does after an error
umount -l "$larderd_dir/state"
head -c 60000000 /dev/zero >"$larderd_dir/disk"
if ! mkfs.ext4 -q "$larderd_dir/disk" 2>/dev/null ||
  ! mount -o loop "$larderd_dir/disk" "$larderd_dir/state" 2>/dev/null; then
  skip 'a disk that becomes read-only' 'it takes mkfs.ext4 and a loop device'
  done_testing
fi
rmdir "$larderd_dir/state/lost+found"
larderd_start --offline --scrub-rate 0
ok 'on a disk with ext4: larderd starts' $?
"$ctl" import --name kept "$in/small.bin" >/dev/null 2>&1
is 'a model is stored' $? 0
mount -o remount,abort "$larderd_dir/state"
timeout 60 "$ctl" import --name late "$in/large.bin" >"$larderd_dir/said" 2>&1
is 'the disk becomes read-only: an import is refused' $? 1
grep -qi 'cannot be written' "$larderd_dir/said"
ok "in words ($(head -n 1 "$larderd_dir/said"))" $?
is 'what was there is served' \
  "$(curl -s "http://$larderd_addr/kept/resolve/main/small.bin" | cmp - "$in/small.bin" && echo same)" same
is 'the daemon says that something is wrong' "$(health)" degraded
is 'and lists' "$("$ctl" list 2>/dev/null | grep -c '^kept')" 1
larderd_stop
is 'it stops in order' $? 0
umount "$larderd_dir/state"
e2fsck -fp "$larderd_dir/disk" >/dev/null 2>&1
mount -o loop "$larderd_dir/disk" "$larderd_dir/state"
larderd_start --offline --scrub-rate 0
ok 'checked and mounted again: it starts' $?
is 'with what was stored' \
  "$(curl -s "http://$larderd_addr/kept/resolve/main/small.bin" | cmp - "$in/small.bin" && echo same)" same
timeout 60 "$ctl" import --name late "$in/large.bin" >/dev/null 2>&1
is 'and stores' $? 0
"$ctl" verify >/dev/null 2>&1
is 'nothing is damaged' $? 0
larderd_stop
is 'the last one stops in order' $? 0
done_testing
