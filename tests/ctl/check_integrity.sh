#!/bin/sh
# SPDX-License-Identifier: MIT
#
# larderd on a store that is not as it should be: a damaged or missing index, a second daemon, content
# that rots, a blob cut short while it is sent, too few descriptors, a state folder that cannot be
# written; and names of files that only a key may have. Each time: it says so, serves what it can, and
# is well again afterwards. LARDER_LARGE=1 adds a sparse file of 6 GiB (about half a minute).
set -u
. "$top_srcdir/tests/conventions/tap.sh"
. "$top_srcdir/tests/conventions/larderd.sh"
command -v curl >/dev/null || skip_all 'curl is not installed'
command -v python3 >/dev/null || skip_all 'python3 is not installed'

ctl=$top_builddir/larderctl
in=$larderd_dir/in
mkdir -p "$in/m/sub"
echo '{"a":1}' >"$in/m/config.json"
head -c 3000000 /dev/urandom >"$in/m/sub/weights.bin"
weights=$(sha256sum <"$in/m/sub/weights.bin" | cut -d' ' -f1)
blob=$larderd_dir/state/blobs/$(echo "$weights" | cut -c1-2)/$weights

# has TEXT PART: whether PART is in TEXT
has() { case $1 in *"$2"*) return 0 ;; *) return 1 ;; esac; }
code() { curl -s -m 10 -o "$larderd_dir/body" -w '%{http_code}' "http://$larderd_addr/$1"; }
health() { curl -s -m 10 "http://$larderd_addr/healthz" | sed 's/.*"status":"\([a-z]*\)".*/\1/'; }
stop() { larderd_stop || echo "# larderd ended with $larderd_status"; }

# ---- an index that is damaged
larderd_start --offline --scrub-rate 0 || bail 'larderd does not start'
"$ctl" import --name org/m "$in/m" >/dev/null 2>&1
"$ctl" import --name org/m --revision v1 "$in/m/config.json" >/dev/null 2>&1
"$ctl" pin org/m >/dev/null
"$ctl" list >"$larderd_dir/before"
is 'all is well' "$(health)" ok
stop
head -c 40960 /dev/urandom >"$larderd_dir/state/index.sqlite"
larderd_start --offline --scrub-rate 0
ok 'damaged index: larderd starts' $?
is 'and says degraded' "$(health)" degraded
"$ctl" status >"$larderd_dir/said" 2>&1
has "$(cat "$larderd_dir/said")" 'degraded: index: file is not a database'
ok 'status tells the operator why' $?
is 'what it cannot find is 503, not 404' "$(code org/m/resolve/main/config.json)" 503
has "$(cat "$larderd_dir/body")" 'larderctl verify --rebuild-index'
ok 'and the error names the command' $?
is 'its own pages are served' "$(code larder.js)" 200
"$ctl" import --name org/n "$in/m" >/dev/null 2>&1
is 'nothing is stored' $? 1
"$ctl" verify --rebuild-index >"$larderd_dir/said" 2>&1
is 'verify --rebuild-index succeeds' $? 0
has "$(cat "$larderd_dir/said")" '1 models, 2 snapshots, 3 files; 0 lost'
ok 'and tells what came back' $?
"$ctl" list >"$larderd_dir/after"
cmp -s "$larderd_dir/before" "$larderd_dir/after"
ok 'models, revisions, sizes and pins are as before' $?
is 'all is well, without a restart' "$(health)" ok
is 'files are served again' "$(code org/m/resolve/v1/config.json)" 200
[ -s "$larderd_dir/state/index.aside-1.sqlite" ]
ok 'the damaged index is kept' $?
"$ctl" import --name org/n "$in/m" >/dev/null 2>&1
is 'imports are taken' $? 0
stop

# ---- an index that is gone
rm "$larderd_dir"/state/index.sqlite*
larderd_start --offline --scrub-rate 0
ok 'missing index: larderd starts' $?
is 'degraded' "$(health)" degraded
stop
larderd_start --offline --scrub-rate 0
[ -f "$blob" ]
ok 'two starts later no blob was swept away' $?
"$ctl" verify --rebuild-index >"$larderd_dir/said" 2>&1
is 'made again' $? 0
cmp -s "$blob" "$in/m/sub/weights.bin" &&
  curl -s "http://$larderd_addr/org/n/resolve/main/sub/weights.bin" | cmp -s - "$in/m/sub/weights.bin"
ok 'bytes are the same' $?

# ---- a second daemon
"$top_builddir/larderd" --offline --state-dir "$larderd_dir/state" --listen "127.0.0.1:$(free_port)" \
  --admin-socket "$larderd_dir/other.sock" >"$larderd_dir/said" 2>&1
is 'a second daemon on the same folder ends' $? 1
has "$(cat "$larderd_dir/said")" 'another process uses this state folder'
ok 'and says why' $?
is 'the first is not disturbed' "$(health)" ok

# ---- what it weighs when idle
stop
larderd_start --offline --scrub-rate 0
sleep 1.5 # what is done a second after the start is done
rss=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$larderd_pid/status")
if grep -qE '__(asan|tsan|ubsan)_' "$top_builddir/larderd"; then
  skip 'idle, it takes at most 10 MiB' 'sanitizers take more'
else
  ok "idle, it takes at most 10 MiB (${rss:-?} kB)" "$([ "${rss:-99999}" -le 10240 ] && echo 0 || echo 1)"
fi

# ---- a blob cut short while it is sent: that request fails, the daemon goes on
mkdir "$in/big"
head -c 33554432 /dev/urandom >"$in/big/big.bin"
"$ctl" import --name big "$in/big" >/dev/null 2>&1
digest=$(sha256sum <"$in/big/big.bin" | cut -d' ' -f1)
turns() {
  curl -fsS -m 10 "http://$larderd_addr/metrics" | awk '/^larder_loop_stall_seconds_count/ { print $2 }'
}
before=$(turns)
is 'a large file is sent' \
  "$(curl -fsS -m 20 "http://$larderd_addr/big/resolve/main/big.bin" | sha256sum | cut -d' ' -f1)" "$digest"
turns=$(($(turns) - before))
ok "in turns of the loop, in which others are served too ($turns)" "$([ $turns -ge 64 ] && echo 0 || echo 1)"
python3 - "$larderd_addr" "$larderd_dir/state/blobs/$(echo "$digest" | cut -c1-2)/$digest" \
  >"$larderd_dir/said" 2>&1 <<'PY'
import os, socket, sys
host, port = sys.argv[1].split(':')
s = socket.create_connection((host, int(port)))
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.sendall(b'GET /big/resolve/main/big.bin HTTP/1.1\r\nHost: ' + sys.argv[1].encode() + b'\r\n\r\n')
got = len(s.recv(1000))
os.chmod(sys.argv[2], 0o600)
os.truncate(sys.argv[2], 4096)
s.settimeout(20)
try:
    while True:
        n = len(s.recv(1 << 20))
        if n == 0:
            break
        got += n
except OSError:
    pass
print('whole' if got >= 33554432 else 'cut')
PY
is 'a body whose file is cut short ends early' "$(cat "$larderd_dir/said")" cut
is 'and the daemon goes on' "$(code org/m/resolve/main/config.json)" 200
curl -fsS -m 10 -o /dev/null "http://$larderd_addr/big/resolve/main/big.bin" 2>/dev/null
[ $? -ne 0 ]
ok 'the next request for it does not succeed' $?
is 'and is refused in words: the store was asked again' "$(code big/resolve/main/big.bin)" 503
"$ctl" verify >"$larderd_dir/said" 2>&1
is 'verify exits 1' $? 1
has "$(cat "$larderd_dir/said")" "$digest"
ok 'and names the blob' $?
is 'degraded, until it is stored anew' "$(health)" degraded
is 'then the next request is refused in words' "$(code big/resolve/main/big.bin)" 503
"$ctl" import --name big "$in/big" >/dev/null 2>&1
is 'which heals it' "$(health)" ok
is 'and it is served' "$(code big/resolve/main/big.bin)" 200
"$ctl" rm big >/dev/null 2>&1
stop

# ---- content that rots: found without being asked
chmod u+w "$blob"
printf '0123456789abcdef' | dd of="$blob" bs=1 seek=1000000 conv=notrunc 2>/dev/null
python3 -c "import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute('UPDATE total SET scrub_id = 0, scrub_began_s = 0')
c.commit()" "$larderd_dir/state/index.sqlite"
larderd_start --offline --scrub-rate 1G
for _ in $(seq 100); do
  # a request that is worked on keeps the scrub away
  sleep 0.2
  [ "$(health)" = degraded ] && break
done
is 'the scrub finds it' "$(health)" degraded
grep -q "scrub.*$weights" "$larderd_dir/log"
ok 'the log names it' $?
curl -s "http://$larderd_addr/metrics" | grep -q '^larder_store_damaged_blobs 1$'
ok 'metrics count it' $?
is 'it is not served' "$(code org/m/resolve/main/sub/weights.bin)" 503
"$ctl" import --name org/m "$in/m" >/dev/null 2>&1
is 'until it is stored anew' "$(code org/m/resolve/main/sub/weights.bin)" 200

# ---- names that only a key may have: NFC and NFD, right to left, emoji, 255 bytes
mkdir -p "$in/u/dir"
long=$(printf '%0255d' 7)
nfc=$(printf 'caf\303\251') nfd=$(printf 'cafe\314\201')
rtl=$(printf '\327\251\327\234\327\225\327\235 \331\205\330\261\330\255\330\250\330\247.bin')
llama=$(printf '\360\237\246\231 \360\237\217\264\342\200\215\342\230\240\357\270\217')
i=0
for name in "$nfc" "$nfd" "$rtl" "dir/$llama" "$long" 'a b+c&d=e%2Fé#?.bin'; do
  i=$((i + 1))
  echo "$i" >"$in/u/$name"
done
"$ctl" import --name names "$in/u" >/dev/null 2>&1
bad= i=0
for name in "$nfc" "$nfd" "$rtl" "dir/$llama" "$long" 'a b+c&d=e%2Fé#?.bin'; do
  i=$((i + 1))
  url=$(python3 -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1]))' "$name")
  [ "$(curl -s "http://$larderd_addr/names/resolve/main/$url")" = "$i" ] || bad="$bad$name
"
done
none 'names of any Unicode' "$bad"
stop

# ---- few descriptors
addr=127.0.0.1:$(free_port)
(
  ulimit -n 48
  exec "$top_builddir/larderd" --offline --state-dir "$larderd_dir/state" --listen "$addr" \
    --admin-socket "$LARDER_ADMIN_SOCKET" >"$larderd_dir/log" 2>&1
) &
larderd_pid=$!
larderd_addr=$addr
for _ in $(seq 100); do
  [ "$(health 2>/dev/null)" = ok ] && break
  sleep 0.1
done
is 'larderd runs with 48 descriptors' "$(health)" ok
python3 - "$larderd_addr" >"$larderd_dir/said" 2>&1 <<'PY'
import socket, sys, time
host, port = sys.argv[1].split(':')
held, wrong = [], 0
ask = b'GET /org/m/resolve/main/config.json HTTP/1.1\r\nHost: ' + sys.argv[1].encode() + b'\r\n\r\n'
for _ in range(60):
    held.append(socket.create_connection((host, int(port)), 5))
for s in held:
    s.sendall(ask)
time.sleep(2)
for s in held:
    s.setblocking(False)
    try:
        head = s.recv(4096)
        if head and not head.startswith((b'HTTP/1.1 200', b'HTTP/1.1 500', b'HTTP/1.1 503')):
            wrong += 1
    except OSError:
        pass
for s in held:
    s.close()
time.sleep(1)
print(wrong)
PY
is 'sixty connections are answered, refused or left waiting' "$(cat "$larderd_dir/said")" 0
kill -0 "$larderd_pid" 2>/dev/null
ok 'it lives' $?
is 'and serves when they are gone' "$(code org/m/resolve/main/config.json)" 200
timeout 20 "$ctl" import --name late "$in/m" >/dev/null 2>&1
is 'and stores' $? 0
stop

# ---- a state folder that cannot be written (as root every folder can)
if [ "$(id -u)" -eq 0 ] && command -v unshare >/dev/null &&
  unshare -m true 2>/dev/null; then
  addr=127.0.0.1:$(free_port)
  unshare -m sh -c 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" &&
    exec "$2" --offline --state-dir "$1" --listen "$3" --admin-socket "$4" >"$5" 2>&1' sh \
    "$larderd_dir/state" "$top_builddir/larderd" "$addr" "$LARDER_ADMIN_SOCKET" "$larderd_dir/log" &
  larderd_pid=$!
  larderd_addr=$addr
  for _ in $(seq 100); do
    [ -n "$(health 2>/dev/null)" ] && break
    kill -0 $larderd_pid 2>/dev/null || break
    sleep 0.1
  done
  is 'a read-only folder: degraded' "$(health)" degraded
  is 'reads go on' "$(code org/m/resolve/main/config.json)" 200
  "$ctl" import --name org/x "$in/m" >"$larderd_dir/said" 2>&1
  is 'writes are refused' $? 1
  has "$(cat "$larderd_dir/said")" 'cannot be written'
  ok 'in words' $?
  "$ctl" status | grep -q '^degraded: the state folder cannot be written'
  ok 'status says so' $?
  stop
else
  skip 'a read-only state folder' 'it takes root and mount namespaces'
fi

# ---- more than four gigabytes
if [ -n "${LARDER_LARGE:-}" ]; then
  larderd_start --offline --scrub-rate 0
  mkdir "$in/large"
  truncate -s 6G "$in/large/sparse.bin"
  printf 'the very end' | dd of="$in/large/sparse.bin" bs=1 seek=$((6442450944 - 12)) conv=notrunc 2>/dev/null
  "$ctl" import --name large "$in/large" >/dev/null 2>&1
  is '6 GiB are stored' $? 0
  url=http://$larderd_addr/large/resolve/main/sparse.bin
  is 'Content-Length' "$(curl -sI "$url" | tr -d '\r' | sed -n 's/^Content-Length: //p')" 6442450944
  is 'the last bytes' "$(curl -s -r -12 "$url")" 'the very end'
  is 'a range beyond 4 GiB' "$(curl -s -r 6442450936-6442450939 "$url")" 'very'
  is 'its Content-Range' \
    "$(curl -s -D - -o /dev/null -r 6442450936- "$url" | tr -d '\r' | sed -n 's/^Content-Range: //p')" \
    'bytes 6442450936-6442450943/6442450944'
  is 'beyond its end' "$(curl -s -o /dev/null -w '%{http_code}' -r 6442450944- "$url")" 416
  stop
else
  skip 'a file of 6 GiB' 'LARDER_LARGE=1 asks for it'
fi
done_testing
