# SPDX-License-Identifier: MIT
# A daemon of the test's own: loopback, a free port, a state folder that goes away. Sourced.
#
#   larderd_start [OPTION…]   returns 0 once it answers; sets larderd_addr, larderd_dir, larderd_pid
#   larderd_stop              returns the daemon's exit status after SIGTERM

larderd_dir=$(mktemp -d) || exit 99
larderd_pid=
trap '[ -z "$larderd_pid" ] || kill -9 "$larderd_pid" 2>/dev/null; rm -rf "$larderd_dir"' EXIT
LARDER_ADMIN_SOCKET=$larderd_dir/admin.sock
export LARDER_ADMIN_SOCKET

# free_port: a port that nobody listened on a moment ago; python is what every test machine has
free_port() {
  python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

larderd_start() {
  larderd_addr=127.0.0.1:$(free_port) || return 1
  "$top_builddir/larderd" --state-dir "$larderd_dir/state" --listen "$larderd_addr" \
    --admin-socket "$LARDER_ADMIN_SOCKET" "$@" >"$larderd_dir/log" 2>&1 &
  larderd_pid=$!
  for _ in $(seq 150); do
    if curl -fsS -o /dev/null "http://$larderd_addr/healthz" 2>/dev/null; then
      return 0
    fi
    kill -0 "$larderd_pid" 2>/dev/null || break
    sleep 0.1
  done
  sed 's/^/# /' "$larderd_dir/log" | tail -n 5
  return 1
}

larderd_stop() {
  kill "$larderd_pid" 2>/dev/null || return 1
  wait "$larderd_pid"
  larderd_status=$?
  larderd_pid=
  return $larderd_status
}
