#!/bin/sh
# SPDX-License-Identifier: MIT
# Administration: the socket and who is at its other end, wrong tokens, the audit lines, and what
# never gets into the log.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
. "$top_srcdir/tests/conventions/larderd.sh"
ctl=$top_builddir/larderctl
token=0123456789abcdef0123456789abcdef
echo $token >"$larderd_dir/token"
chmod 600 "$larderd_dir/token"

# status OPTION…: the status of a request to the administration over TCP
status() {
  curl -s -o "$larderd_dir/answer" -D "$larderd_dir/head" -w '%{http_code}' "$@" \
    "http://$larderd_addr/admin/v1/models"
}

larderd_start --sample --admin-tcp=yes "--admin-token-file=$larderd_dir/token" --log-level=error
ok 'larderd starts, with administration over TCP' $?
is 'the socket is 0660' "$(stat -c %a "$LARDER_ADMIN_SOCKET")" 660
is 'a right token' "$(status -H "Authorization: Bearer $token")" 200
for i in 1 2 3 4; do
  is "wrong token $i" "$(status -H 'Authorization: Bearer 0000000000000000')" 401
done
is 'wrong token 5' "$(status -H 'Authorization: Bearer 0000000000000000')" 401
is 'locked: even the right one' "$(status -H "Authorization: Bearer $token")" 429
grep -qi '^Retry-After: 1' "$larderd_dir/head"
ok 'locked: says for how long' $?
"$ctl" list >/dev/null
ok 'locked: the socket is not' $?
sleep 1.2
is 'a second later: the right one' "$(status -H "Authorization: Bearer $token")" 200

# ---- audit: every change, at any log level, and no secret ----
"$ctl" origins add https://a.example >/dev/null
"$ctl" pin digits >/dev/null
"$ctl" rm nothing >/dev/null 2>&1
"$ctl" list >/dev/null
echo 'fedcba9876543210-secret' >"$larderd_dir/secret"
"$ctl" origins add https://b.example --token-file "$larderd_dir/secret" >/dev/null
curl -s -o /dev/null -X POST -H "Authorization: Bearer $token" "http://$larderd_addr/admin/v1/gc"
curl -s -o /dev/null -X POST "http://$larderd_addr/admin/v1/gc"
audit=$(grep ' audit ' "$larderd_dir/log")
# line PATTERN NAME
line() {
  printf '%s\n' "$audit" | grep -qE "$1"
  ok "audit: $2" $?
}
line "via=unix uid=$(id -u) pid=[0-9]+ method=PUT target=\"/admin/v1/origins\" origin=\"https://a.example\" status=200" \
  'an origin, who and which'
line 'method=PUT target="/admin/v1/models/digits/pin" origin="" status=20[04]' 'a pin'
line 'method=DELETE .*status=404' 'one that failed'
line 'via=tcp uid=-1 pid=-1 method=POST target="/admin/v1/gc" origin="" status=200' 'over TCP'
line 'via=tcp .*target="/admin/v1/gc" origin="" status=401' 'one that was refused'
# logged PATTERN: whether the log has such a line, which comes a moment after the answer
logged() {
  for _ in $(seq 50); do
    grep -q "$1" "$larderd_dir/log" && return 0
    sleep 0.1
  done
  return 1
}
curl -s -o /dev/null --unix-socket "$LARDER_ADMIN_SOCKET" -H 'Content-Type: application/json' \
  -d '[{"model":"org/one","revision":"v1"},{"model":"org/two"}]' http://localhost/admin/v1/warm
logged ' audit .*target="/admin/v1/warm"'
audit=$(grep ' audit ' "$larderd_dir/log")
line 'target="/admin/v1/warm" origin="" status=4[0-9]* model="org/one@v1" name="" more=1$' 'what is to be fetched'
# every route that changes anything, as routes.def has it: one line each
changes=$(sed -n 's#^[A-Z_]*ROUTE( *\(POST\|PUT\|DELETE\), *"\(/admin/[^"]*\)".*#\1 \2#p' "$top_srcdir/daemon/routes.def" |
  sed 's|{model}|nothing|; s|{digest}|0|; s|{id}|0|')
[ "$(printf '%s\n' "$changes" | wc -l)" -ge 15 ]
ok 'routes.def has changes' $?
while read -r method target; do
  curl -s -o /dev/null -m 20 -X "$method" -H 'Content-Type: application/octet-stream' \
    --unix-socket "$LARDER_ADMIN_SOCKET" "http://localhost$target?every=one"
  logged " audit .*method=$method target=\"$target?every=one\""
  ok "audit: $method $target" $?
done <<EOF
$changes
EOF
audit=$(grep ' audit ' "$larderd_dir/log")
is 'audit: nothing that only reads' "$(printf '%s\n' "$audit" | grep -c 'method=GET')" 0
is 'no token in the log' "$(grep -cE "$token|fedcba9876543210|Bearer" "$larderd_dir/log")" 0
is 'no token in the state folder' "$(grep -rlE 'fedcba9876543210' "$larderd_dir/state" | wc -l)" 0
larderd_stop
is 'larderd stops in order' $? 0

# ---- one id for the client and for the log ----
larderd_start --sample --log-level=debug --log-format=json
ok 'larderd starts, with a log in JSON' $?
id=$(curl -s -o /dev/null -D - "http://$larderd_addr/v2/models/nothing" |
  sed -n 's/^X-Request-Id: \([0-9a-f]*\).*/\1/p')
"$ctl" pin digits >/dev/null
sleep 0.2
larderd_stop
is 'this one stops in order as well' $? 0
said=$(python3 - "$larderd_dir/log" "$id" <<'P'
import json, sys
seen = audits = 0
for line in open(sys.argv[1]):
    v = json.loads(line)
    assert set(("time", "level", "event")) <= set(v), line
    seen += v.get("id") == sys.argv[2] and v["event"] == "request" and v["status"] == "404"
    audits += v["event"] == "audit"
print(seen, audits)
P
)
is 'every line is JSON; the id is in one; so is the change' "$said" '1 1'

# ---- who is at the other end ----
if [ "$(id -u)" -ne 0 ]; then
  skip 'a user who is not of the group is refused' 'needs root, to become another user'
else
  larderd_start --sample --admin-group=nogroup
  ok 'larderd starts, with a group for its socket' $?
  is 'the socket is the group'"'"'s' "$(stat -c %G "$LARDER_ADMIN_SOCKET")" nogroup
  chmod 666 "$LARDER_ADMIN_SOCKET"
  chmod 711 "$larderd_dir"
  # as UID GID: the status that such a process gets
  as() {
    python3 - "$LARDER_ADMIN_SOCKET" "$1" "$2" <<'P'
import os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[2]))
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"GET /admin/v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
print(s.recv(65536).split()[1].decode())
P
  }
  is 'a user who is not of the group is refused' "$(as 12345 12345)" 403
  is 'one of the group is not' "$(as 12345 "$(getent group nogroup | cut -d: -f3)")" 200
  is 'root is not' "$("$ctl" list >/dev/null && echo yes)" yes
  larderd_stop
  is 'the last one stops in order' $? 0
fi
"$top_builddir/larderd" --state-dir "$larderd_dir/none" --listen 127.0.0.1:0 \
  --admin-socket "$larderd_dir/none.sock" --admin-group=no-such-group >"$larderd_dir/log" 2>&1
is 'a group that there is not' $? 1
grep -q 'no-such-group.*there is no such group' "$larderd_dir/log"
ok 'says so' $?
done_testing
