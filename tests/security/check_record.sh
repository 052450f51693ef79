#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What happened to others and has no better place: an upstream that sends its clients elsewhere for a
# token, callers that name an address instead of an upstream. Nobody but the upstream hears of it.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
. "$top_srcdir/tests/conventions/larderd.sh"
command -v python3 >/dev/null || skip_all 'python3 is not installed'
command -v curl >/dev/null || skip_all 'curl is not installed'

# Two servers: the upstream refuses everybody and names the other one; each writes down who came.
python3 - "$larderd_dir" <<'PY' &
import http.server, sys, threading
folder = sys.argv[1]

def serve(name, realm):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            with open(f'{folder}/{name}.seen', 'a') as f:
                f.write(f'{self.path} {self.headers.get("Authorization")}\n')
            self.send_response(401)
            if realm:
                self.send_header('WWW-Authenticate', f'Bearer realm="http://127.0.0.1:{realm}/token",service="x"')
            self.send_header('Content-Length', '0')
            self.end_headers()
        do_POST = do_HEAD = do_GET
        def log_message(self, *args):
            pass
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]

other = serve('other', None)
hub = serve('hub', other)
with open(f'{folder}/ports', 'w') as f:
    f.write(f'{hub} {other}\n')
threading.Event().wait(120)
PY
servers=$!
trap 'kill "$servers" 2>/dev/null; [ -z "$larderd_pid" ] || kill -9 "$larderd_pid" 2>/dev/null; rm -rf "$larderd_dir"' EXIT
for _ in $(seq 100); do
  [ -s "$larderd_dir/ports" ] && break
  sleep 0.1
done
read -r hub other <"$larderd_dir/ports"
echo secret-of-the-hub >"$larderd_dir/token"
cat >"$larderd_dir/conf" <<EOF
default_upstream = hub
[upstream hub]
url = http://127.0.0.1:$hub
private = yes
token_file = $larderd_dir/token
EOF
larderd_start --config "$larderd_dir/conf" || bail 'larderd does not start'

status=$(curl -s -m 20 -o "$larderd_dir/body" -w '%{http_code}' "http://$larderd_addr/org/m/resolve/main/a.json")
[ "$status" -ge 400 ]
ok "an upstream that refuses is refused to the page ($status)" $?
grep -q 'Bearer secret-of-the-hub' "$larderd_dir/hub.seen"
ok 'the upstream was asked with its token' $?

# ask NAME WANT PATH BODY: over the administration socket
ask() {
  is "$1" "$(curl -s -m 20 -o "$larderd_dir/body" -w '%{http_code}' --unix-socket "$LARDER_ADMIN_SOCKET" \
    -H 'Content-Type: application/json' -d "$4" "http://localhost$3")" "$2"
}
ask 'an address instead of an upstream' 400 /admin/v1/warm \
  "{\"upstream\":\"http://127.0.0.1:$other\",\"model\":\"org/m\",\"files\":[\"a.json\"]}"
ask 'an address beside it' 400 /admin/v1/warm \
  "{\"upstream\":\"hub\",\"url\":\"http://127.0.0.1:$other/\",\"model\":\"org/m\",\"files\":[\"a.json\"]}"
ask 'an address instead of a model' 400 /admin/v1/warm \
  "{\"upstream\":\"hub\",\"model\":\"http://127.0.0.1:$other/m\",\"files\":[\"a.json\"]}"
for path in "http:%2f%2f127.0.0.1:$other/m/resolve/main/a" "%2f127.0.0.1:$other/m/resolve/main/a" \
  "@127.0.0.1:$other/m/resolve/main/a" "org/m/resolve/main/a?url=http://127.0.0.1:$other/"; do
  status=$(curl -s -m 20 -o "$larderd_dir/body" -w '%{http_code}' "http://$larderd_addr/$path")
  [ "$status" -ge 400 ]
  ok "a page that names an address: $path ($status)" $?
done
sleep 0.5
none 'nobody else was asked for anything' "$(cat "$larderd_dir/other.seen" 2>/dev/null)"
curl -s -o /dev/null "http://127.0.0.1:$other/by-hand"
is 'it would have been noticed' "$(cat "$larderd_dir/other.seen")" '/by-hand None'
none 'nor is the token in an answer or in the log' "$(grep -l secret-of-the-hub "$larderd_dir/body" "$larderd_dir/log")"
larderd_stop
is 'larderd stops in order' $? 0
done_testing
