#!/bin/sh
# SPDX-License-Identifier: MIT
#
# More inferences than can run: those beyond queue_limit are told to come back, nobody waits for
# ever, everything else is answered meanwhile; a request can be cancelled by its X-Request-Id, and
# X-Larder-Timeout ends one that takes longer. The work is the sample model on a batch of zeros.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
. "$top_srcdir/tests/conventions/larderd.sh"
dir=$larderd_dir
command -v curl >/dev/null || skip_all 'curl is missing'

batch=8000 # some tenths of a second of work
head -c $((batch * 784 * 4)) /dev/zero >"$dir/body"
larderd_start --config /dev/null --sample=yes --queue-limit 4 --threads 1 --slow-request 50 || {
  echo 'Bail out! larderd does not start'
  exit 99
}
url=http://$larderd_addr
# infer NAME ARG…: its status, headers and body to $dir/NAME.*
infer() {
  name=$1
  shift
  curl -s -m 60 -o "$dir/$name.out" -D "$dir/$name.head" -w '%{http_code}' "$@" \
    -H 'Content-Type: application/octet-stream' -H 'Inference-Header-Content-Length: 0' \
    --data-binary @"$dir/body" "$url/v2/models/digits/infer" >"$dir/$name.status"
}

infer first
is 'the batch is answered' "$(cat "$dir/first.status")" 200

# ---- the line
jobs=
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
  infer "many$i" &
  jobs="$jobs $!"
done
sleep 0.3
is 'other requests are answered meanwhile' \
  "$(curl -s -m 5 -o "$dir/health" -w '%{http_code}' "$url/healthz")" 200
for job in $jobs; do wait "$job"; done
served=$(grep -lx 200 "$dir"/many*.status | wc -l)
refused=$(grep -lx 503 "$dir"/many*.status | wc -l)
is 'each is answered, 200 or 503' "$((served + refused))" 16
ok "some are served ($served)" "$([ "$served" -ge 7 ] && echo 0 || echo 1)"
ok "some are told to come back ($refused)" "$([ "$refused" -ge 1 ] && echo 0 || echo 1)"
told=0
for f in $(grep -lx 503 "$dir"/many*.status); do
  grep -qi '^Retry-After: [1-9]' "${f%.status}.head" && grep -q '"error"' "${f%.status}.out" ||
    told=1
done
ok 'a 503 says when to come back' $told
same=0
for f in $(grep -lx 200 "$dir"/many*.status); do
  cmp -s "${f%.status}.out" "$dir/first.out" || same=1
done
ok 'who waited got the same answer' $same
is 'the slow ones are listed' "$(curl -s --unix-socket "$LARDER_ADMIN_SOCKET" http://localhost/admin/v1/stats |
  grep -c '^{"at_ms":[0-9]*,"request":"[0-9a-f]*","model":"digits",.*"result":"success","batch":1,"total_ms":')" \
  "$((served + 1))"
is 'nobody waits any more' \
  "$(curl -s "$url/metrics" | sed -n 's/^larder_inferences_waiting //p')" 0

# ---- told before the body is sent, and a while later when it is said too often
jobs=
for i in 1 2 3 4 5 6 7 8 9 10; do
  infer "full$i" &
  jobs="$jobs $!"
done
waits() { curl -s "$url/metrics" | sed -n 's/^larder_inferences_waiting //p'; }
tries=0
until [ "$(waits)" -ge 4 ] || [ $tries -ge 100 ]; do tries=$((tries + 1)); done
infer early -H 'Expect: 100-continue' -w '%{http_code} %{size_upload}'
is 'a large one is refused before its body is sent' "$(cat "$dir/early.status")" '503 0'
head -c 3136 /dev/zero >"$dir/one"
set -- -s -Z --parallel-immediate --parallel-max 150
i=0
while [ $i -lt 400 ]; do
  [ $i -eq 0 ] || set -- "$@" --next -s
  set -- "$@" -m 60 -o "$dir/crowd$i" -w '%{http_code} %{time_total}\n' -H 'Inference-Header-Content-Length: 0' \
    -H 'Content-Type: application/octet-stream' --data-binary @"$dir/one" "$url/v2/models/digits/infer"
  i=$((i + 1))
done
curl "$@" >"$dir/crowd" 2>/dev/null
for job in $jobs; do wait "$job"; done
is 'a crowd: each is answered, 200 or 503' "$(grep -c -e '^200' -e '^503' "$dir/crowd")" 400
ok "many are told to come back ($(grep -c '^503' "$dir/crowd"))" \
  "$([ "$(grep -c '^503' "$dir/crowd")" -ge 100 ] && echo 0 || echo 1)"
ok 'a hundred of them a second at once' "$(awk '$1 == 503 && $2 < 0.09 { n++ } END { exit n > 200 }' "$dir/crowd"; echo $?)"
is 'nobody waits any more, again' "$(waits)" 0

# ---- cancelled
ends() {
  curl -s "$url/v2/models/digits/stats" |
    sed 's/.*"success":{"count":\([0-9]*\).*"cancel":{"count":\([0-9]*\).*/\1 \2/'
}
successes=$(ends)
head -c $((20000 * 784 * 4)) /dev/zero >"$dir/body"
infer slow -H 'X-Request-Id: slow-one' &
job=$!
tries=0 status=404
while [ "$status" = 404 ] && [ $tries -lt 200 ]; do # it has to arrive first
  tries=$((tries + 1))
  status=$(curl -s -o "$dir/delete" -w '%{http_code}' -X DELETE "$url/v2/requests/slow-one")
done
is 'DELETE of a request that is being worked on' "$status" 204
wait "$job"
is 'its client is told' "$(cat "$dir/slow.status")" 409
is 'DELETE of none' "$(curl -s -o "$dir/delete" -w '%{http_code}' \
  -X DELETE "$url/v2/requests/slow-one")" 404
tries=0 # it is counted when its thread has left it, a moment after the answer
while [ "$(ends)" != "${successes% *} 1" ] && [ $tries -lt 50 ]; do
  tries=$((tries + 1))
  sleep 0.1
done
is 'it does not count as a success' "$(ends)" "${successes% *} 1"

# ---- frames: those of a stream that wait are replaced by a newer one
jobs=
for i in 1 2 3 4; do # all turns are taken
  infer "busy$i" &
  jobs="$jobs $!"
done
tries=0
until [ "$(curl -s "$url/metrics" | sed -n 's/^larder_jobs_active //p')" -ge 4 ] || [ $tries -ge 100 ]; do
  tries=$((tries + 1))
done
for i in 1 2 3; do
  infer "frame$i" -H 'X-Larder-Stream: camera' &
  jobs="$jobs $!"
  sleep 0.05
done
for job in $jobs; do wait "$job"; done
answered=$(cat "$dir"/frame?.status)
replaced=$(curl -s "$url/metrics" | sed -n 's/^larder_inferences_replaced_total //p')
is 'frames: one of them at least is served' "${answered##*200*}" ''
is 'frames: each is served or replaced' "$(echo "$answered" | sed 's/200//g; s/409//g')" ''
is 'frames: 409 is what a replaced one gets' "$(echo "$answered" | grep -o 409 | wc -l)" "$replaced"
ok "frames: some were replaced ($replaced)" "$([ "$replaced" -ge 1 ] && echo 0 || echo 1)"

# ---- out of time
infer late -H 'X-Larder-Timeout: 20'
is 'X-Larder-Timeout: too slow' "$(cat "$dir/late.status")" 504
infer calm -H 'X-Larder-Timeout: 30000'
is 'X-Larder-Timeout: in time' "$(cat "$dir/calm.status")" 200
infer wrong -H 'X-Larder-Timeout: 1.5'
is 'X-Larder-Timeout: no number' "$(cat "$dir/wrong.status")" 400
larderd_stop

# ---- more connections than there may be wait for their turn; administration is another matter
larderd_start --config /dev/null --max-connections 4
ok 'larderd starts again' $?
said=$(python3 - "$larderd_addr" "$top_builddir/larderctl" <<'P'
import socket, subprocess, sys
host, port = sys.argv[1].rsplit(':', 1)

def connect(seconds):
    s = socket.create_connection((host, int(port)))
    s.settimeout(seconds)
    return s

def ask(s):
    try:
        s.sendall(b'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
        return hear(s)
    except socket.timeout:
        return 'waits'

def hear(s):
    return s.recv(65536).decode()[9:12]

four = [connect(20) for _ in range(4)]
print(*[ask(s) for s in four])
fifth = connect(1)
print(ask(fifth))
print(subprocess.run([sys.argv[2], 'status'], stdout=subprocess.DEVNULL).returncode)
four[0].close()
fifth.settimeout(20)
print(hear(fifth))
print(ask(four[1]))
P
)
is 'max_connections: so many, no more, and the next when one leaves' "$(echo $said)" '200 200 200 200 waits 0 200 200'
larderd_stop
is 'it stops in order' $? 0
done_testing
