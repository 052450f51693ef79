#!/bin/sh
# SPDX-License-Identifier: MIT
#
# larderctl doctor: what is in order, and each thing that is not, with what to do about it.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
command -v curl >/dev/null || skip_all 'curl is not installed'
command -v python3 >/dev/null || skip_all 'python3 is not installed'
if [ -z "${LARDER_OWN_MOUNTS:-}" ] && [ "$(id -u)" -eq 0 ] && command -v unshare >/dev/null &&
  unshare -m true 2>/dev/null; then
  LARDER_OWN_MOUNTS=1 exec unshare -m sh "$0"
fi
. "$top_srcdir/tests/conventions/larderd.sh"
ctl=$top_builddir/larderctl
conf=$larderd_dir/larder.conf

# doctor NAME STATUS PART…: its exit status, and parts of what it says
doctor() {
  name=$1 want=$2
  shift 2
  said=$("$ctl" doctor 2>&1)
  status=$?
  good=0
  [ "$status" -eq "$want" ] || good=1
  for part; do
    case $said in *"$part"*) ;; *) good=1 ;; esac
  done
  ok "$name" $good
  [ $good -eq 0 ] || printf 'status %s\n%s\n' "$status" "$said" | sed 's/^/# /'
}
stop() { larderd_stop || ok 'larderd stops in order' 1; }

doctor 'nobody is there' 1 'bad      daemon' 'nobody answers at' 'systemctl start larder.socket' \
  'larderd --check-config' 'port         127.0.0.1:8411 is '
python3 -c '
import socket, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", 8411))
s.listen(5)
time.sleep(3)' 2>/dev/null &
taker=$!
sleep 1
doctor 'nobody is there, and somebody at its port' 1 'warning  port         127.0.0.1:8411 is taken' 'ss -ltnp'
wait "$taker"
"$ctl" doctor more >/dev/null 2>&1
is 'arguments are a usage error' $? 2

echo 'max_size = 1M' >"$conf"
chmod 644 "$conf"
larderd_start --config "$conf" --offline
doctor 'all is well' 0 'ok       daemon' 'ok       store        in order' 'ok       disk' \
  'ok       permissions' "ok       port         $larderd_addr answers" \
  'ok       upstreams    offline: none is asked' 'warning  origins      no page may use the daemon'
"$ctl" --json doctor | python3 -c '
import json, sys
found = json.load(sys.stdin)
sys.exit(not all(set(f) == {"verdict", "what", "text"} for f in found) or len(found) < 7)'
ok 'the same as JSON' $?

chmod 666 "$conf"
doctor 'a configuration that everybody may change' 1 'bad      permissions' "chmod 0644 $conf"
chmod 644 "$conf"
chmod 777 "$larderd_dir/state"
doctor 'a state folder that everybody may change' 1 'bad      permissions' 'chmod 0700'
chmod 700 "$larderd_dir/state"
chmod 666 "$LARDER_ADMIN_SOCKET"
doctor 'a socket for everybody' 1 'bad      permissions' 'everybody may administer: chmod 0660'
chmod 660 "$LARDER_ADMIN_SOCKET"
cp "$ctl" "$larderd_dir/larderctl"
touch -d '+3 days' "$larderd_dir/larderctl"
"$larderd_dir/larderctl" doctor | grep -q '^bad      clock .*timedatectl set-ntp true'
ok 'a clock from before the installation' $?
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
  chmod 755 "$larderd_dir"
  cp "$ctl" /tmp/larderctl.$$ && chmod 755 /tmp/larderctl.$$
  setpriv --reuid 65534 --regid 65534 --clear-groups /tmp/larderctl.$$ doctor |
    grep -q '^bad      daemon .*you may not administer'
  ok 'somebody who may not administer' $?
  rm -f /tmp/larderctl.$$
else
  skip 'somebody who may not administer' 'it takes root and setpriv'
fi
stop

python3 -c '
import socket, sys, time
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(5)
print(s.getsockname()[1], flush=True)
time.sleep(60)' >"$larderd_dir/port" &
server=$!
for _ in $(seq 50); do
  [ -s "$larderd_dir/port" ] && break
  sleep 0.1
done
closed=$(free_port)
cat >"$conf" <<EOF
max_size = 900T
[upstream there]
url = http://127.0.0.1:$(cat "$larderd_dir/port")/
private = yes
[upstream away]
url = http://127.0.0.1:$closed
private = yes
[upstream nameless]
url = https://no-such-host.invalid/
EOF
larderd_start --config "$conf"
doctor 'upstreams; a quota beyond the disk' 0 'ok       upstream     there: 127.0.0.1 is there' \
  'warning  upstream     away: 127.0.0.1: Connection refused' 'warning  upstream     nameless: ' \
  'warning  disk' 'max_size lets the store grow'
kill "$server"
stop

echo 'origins = https://kiosk.example' >"$conf"
larderd_start --config "$conf" --offline
doctor 'no quota' 0 'warning  quota        max_size is not set'
if [ -n "${LARDER_OWN_MOUNTS:-}" ] && mkdir -p /etc/opt && mount -t tmpfs larder /etc/opt; then
  mkdir -p /etc/opt/chrome/policies/managed
  doctor 'a browser that would ask' 0 \
    'warning  browser      chrome asks before https://kiosk.example reaches larder: larderctl policies chrome'
  "$ctl" policies chrome >/etc/opt/chrome/policies/managed/larder.json
  doctor 'and one that was told' 0 'ok       browser      chrome asks for no allowed origin'
else
  skip 'browsers' 'it takes root and mount namespaces'
fi
stop

if [ -n "${LARDER_OWN_MOUNTS:-}" ] && mount -t tmpfs -o size=4m larder "$larderd_dir/state"; then
  trap '[ -z "$larderd_pid" ] || kill -9 "$larderd_pid" 2>/dev/null
    umount -l "$larderd_dir/state"; rm -rf "$larderd_dir"' EXIT
  larderd_start --config "$conf" --offline
  doctor 'a disk that is nearly full' 1 'bad      disk' 'larderctl gc, larderctl rm, or more disk'
  stop
else
  skip 'a disk that is nearly full' 'it takes root and mount namespaces'
fi
done_testing
