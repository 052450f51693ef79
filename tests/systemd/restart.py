# SPDX-License-Identifier: MIT
"""Stands in for systemd: holds the sockets, starts larderd with them, restarts it under load.

restart.py LARDERD STATE_DIR: TAP on standard output.  What sd_notify, LISTEN_FDS and WATCHDOG_USEC
mean is in sd_notify(3), sd_listen_fds(3) and sd_watchdog_enabled(3).
"""
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time

larderd, state = sys.argv[1:3]
ROUNDS, WATCHDOG_USEC = 6, 400000
count = failed = 0


def ok(name, good, why=""):
    global count, failed
    count += 1
    failed += not good
    print(("" if good else "not ") + f"ok {count} - {name}")
    if not good and why:
        print(f"# {why}")


tcp = socket.socket()
tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
tcp.bind(("127.0.0.1", 0))
tcp.listen(511)
port = tcp.getsockname()[1]
admin_path = os.path.join(state, "admin.sock")
admin = socket.socket(socket.AF_UNIX)
admin.bind(admin_path)
admin.listen(16)
notify_path = os.path.join(state, "notify.sock")
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(notify_path)
notify.settimeout(0.05)
messages = []  # (time, text)


def listen_to_notify():
    while True:
        try:
            text = notify.recv(4096).decode()
            messages.append((time.monotonic(), text))
        except TimeoutError:
            pass
        except OSError:
            return


threading.Thread(target=listen_to_notify, daemon=True).start()


def said(what, since, within=10.0):
    end = time.monotonic() + within
    while time.monotonic() < end:
        for when, text in list(messages):
            if when >= since and what in text.split("\n"):
                return text
        time.sleep(0.005)
    return None


def start():
    env = dict(os.environ, LISTEN_FDS="2", LISTEN_FDNAMES="http:admin", NOTIFY_SOCKET=notify_path,
               WATCHDOG_USEC=str(WATCHDOG_USEC))
    env.pop("WATCHDOG_PID", None)
    log = open(os.path.join(state, "log"), "a", encoding="utf-8")
    begin = time.monotonic()
    p = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(tcp.fileno()), str(admin.fileno()), larderd,
         "--config", "/dev/null", "--state-dir", os.path.join(state, "state"), "--sample"],
        env=env, pass_fds=(tcp.fileno(), admin.fileno()), stderr=log)
    return p, begin


# As systemd does it: the sockets become 3 and 4, LISTEN_PID is who is to have them.
LAUNCHER = """
import os, sys
a, b = (os.dup(int(fd)) for fd in sys.argv[1:3])
os.closerange(3, min(a, b))
for fd, to in ((a, 13), (b, 14)): os.dup2(fd, to)
for fd, to in ((13, 3), (14, 4)): os.dup2(fd, to)
os.closerange(5, 256)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[3], sys.argv[3:])
"""


class Load(threading.Thread):
    """One request after the other; a new connection for each, or one that is kept."""

    def __init__(self, keep):
        super().__init__(daemon=True)
        self.keep, self.done, self.errors, self.stop = keep, 0, [], False

    def once(self, c, fresh):
        try:
            c.request("GET", "/digits/resolve/main/model.onnx",
                      headers={} if self.keep else {"Connection": "close"})
            r = c.getresponse()
        except (ConnectionError, http.client.BadStatusLine):
            # a kept connection may be closed while it is idle (RFC 9112 §9.3.1): ask again
            if not fresh:
                return False
            raise
        if r.status != 200 or len(r.read()) != int(r.headers["Content-Length"]):
            raise RuntimeError(f"status {r.status}")
        return True

    def run(self):
        c = None
        while not self.stop:
            fresh = c is None
            try:
                c = c or http.client.HTTPConnection("127.0.0.1", port, timeout=20)
                if self.once(c, fresh):
                    self.done += 1
                    if self.keep and c.sock is not None:
                        continue
            except Exception as e:  # pylint: disable=broad-except
                self.errors.append(repr(e))
            c.close()
            c = None


daemon, begin = start()
ready = said("READY=1", begin)
ok("READY=1 comes", ready is not None)
ok("with a STATUS", ready is not None and "STATUS=" in ready)
load = [Load(keep=i % 2 == 1) for i in range(8)]
for t in load:
    t.start()
time.sleep(0.3)
for i in range(ROUNDS):
    begin = time.monotonic()
    daemon.send_signal(signal.SIGTERM)
    try:
        status = daemon.wait(20)
    except subprocess.TimeoutExpired:
        daemon.kill()
        status = "late"
    ok(f"restart {i + 1}: STOPPING=1, exit status 0",
       status == 0 and said("STOPPING=1", begin, 1) is not None, f"status {status}")
    time.sleep(0.1)  # connections queue up meanwhile
    daemon, begin = start()
    ok(f"restart {i + 1}: ready again", said("READY=1", begin) is not None)
    time.sleep(0.2)
for t in load:
    t.stop = True
for t in load:
    t.join(25)
errors = [e for t in load for e in t.errors]
print(f"# {sum(t.done for t in load)} requests over {ROUNDS} restarts, {len(errors)} failed")
ok("no request failed", not errors, errors[:3])
ok("there was load", sum(t.done for t in load) > 100)
ok("the admin socket is still there", os.path.exists(admin_path))

begin = time.monotonic()
daemon.send_signal(signal.SIGHUP)
text = said("RELOADING=1", begin, 5)
ok("SIGHUP says RELOADING=1 with MONOTONIC_USEC", text is not None and "MONOTONIC_USEC=" in text)
ok("and READY=1 again", said("READY=1", begin, 5) is not None)

begin = time.monotonic()
time.sleep(2)
beats = sum(1 for when, text in list(messages) if when >= begin and text == "WATCHDOG=1")
ok("the watchdog is fed, twice per interval", 8 <= beats <= 12, f"{beats} in 2 s")
begin = time.monotonic()
daemon.send_signal(signal.SIGSTOP)
time.sleep(1)
beats = sum(1 for when, text in list(messages) if when >= begin + 0.05 and text == "WATCHDOG=1")
daemon.send_signal(signal.SIGCONT)
ok("and not while the loop stands still", beats == 0, f"{beats}")
daemon.terminate()
ok("it stops in order", daemon.wait(20) == 0)
print(f"1..{count}")
sys.exit(failed != 0)
