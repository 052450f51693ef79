# SPDX-License-Identifier: MIT
"""Hostile and ordinary clients at once, each request on a connection of its own.

storm.py HOST:PORT PID SECONDS PER_MINUTE: three of four connections are hostile.  Prints what the
ordinary ones met with, how long they waited, and how much memory larderd took meanwhile.
"""
import json
import multiprocessing
import random
import socket
import struct
import sys
import threading
import time

host, port = sys.argv[1].split(":")
address, pid = (host, int(port)), int(sys.argv[2])
seconds, per_minute = float(sys.argv[3]), int(sys.argv[4])
HOSTILE, HANDS, ORDINARY = 3, 8, 6  # processes, threads of each; threads
IDLE = 100  # connections that each hostile process keeps open, from the beginning on
WARM_S = 5.0


def head(line, *fields, name=None):
    return ("\r\n".join([line, f"Host: {name or sys.argv[1]}", *fields]) + "\r\n\r\n").encode()


FILE = "/digits/resolve/main/model.onnx"
INFER = "/v2/models/digits/infer"
BODY = json.dumps({"inputs": [{"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32",
                               "data": [0] * 784}]}).encode()

# What is sent, and whether the connection is then left (reset), closed, or kept until an answer.
ATTACKS = [
    (b"", "close"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), "answer"),
    (b"GET / HTTP/1.1\r\nHost: ", "reset"),
    (b"\r\n" * 50, "close"),
    (b"X" * 20000, "answer"),
    (head(f"GET {FILE} HTTP/1.1", name="rebound.example:80"), "answer"),
    (head(f"GET {FILE} HTTP/1.1", "Origin: https://evil.example"), "answer"),
    (head(f"GET {FILE} HTTP/1.1", "Sec-Fetch-Site: cross-site",
          "Sec-Fetch-Mode: no-cors"), "answer"),
    (head(f"GET {FILE} HTTP/1.1"), "reset"),
    (head("GET /digits/resolve/main/..%2f..%2fetc/passwd HTTP/1.1"), "answer"),
    (head("GET /blobs/sha256/../../../../etc/passwd HTTP/1.1"), "answer"),
    (head("PUT /admin/v1/origins HTTP/1.1", "Content-Type: application/json",
          "Authorization: Bearer guess", "Content-Length: 2") + b"{}", "answer"),
    (head(f"POST {INFER} HTTP/1.1", "Origin: https://evil.example", "Content-Type: text/plain",
          f"Content-Length: {len(BODY)}") + BODY, "answer"),
    (head(f"POST {INFER} HTTP/1.1", "Content-Type: application/json",
          "Content-Length: 99999999999") + b"{", "answer"),
    (head(f"POST {INFER} HTTP/1.1", "Content-Type: application/json",
          "Content-Length: 1000") + b"{\"inputs\":", "reset"),
    (head(f"POST {INFER} HTTP/1.1", "Content-Type: application/json", "Content-Length: 5",
          "Transfer-Encoding: chunked") + b"0\r\n\r\n", "answer"),
    (head(f"POST {INFER} HTTP/1.1", "Content-Type: application/json",
          "Content-Length: 4000") + b"[" * 4000, "answer"),
    (head("GET / HTTP/1.1", *[f"X-{i}: {'y' * 100}" for i in range(300)]), "answer"),
    (head(f"GET {FILE} HTTP/1.1",
          "Range: bytes=" + ",".join(f"{i}-{i}" for i in range(900))), "answer"),
    (head("GET /healthz HTTP/1.1") * 100, "reset"),
]


def attack(data, how, rng):
    with socket.create_connection(address, timeout=1) as s:
        if rng.random() < 0.1 and len(data) > 1:  # in two pieces
            cut = rng.randrange(1, len(data))
            s.sendall(data[:cut])
            time.sleep(0.02)
            data = data[cut:]
        s.sendall(data)
        if how == "answer":
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass
        elif how == "reset":
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def at_rate(per_s, until, begin, do):
    """Call do() so often; as fast as it goes when that is too often.  How often it was."""
    n = 0
    while time.monotonic() < until:
        late = begin + n / per_s - time.monotonic()
        if late > 0:
            time.sleep(late)
        do()
        n += 1
    return n


def be_hostile(seed, per_s, begin, until, total):
    idle, counts = [], []

    def hand(i):
        rng = random.Random(f"{seed} {i}")

        def one():
            try:
                if len(idle) < IDLE or rng.random() < 0.02:  # headers that never end; it stays
                    s = socket.create_connection(address, timeout=10)
                    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ")
                    idle.append(s)
                    if len(idle) > IDLE:
                        idle.pop(0).close()
                else:
                    attack(*rng.choice(ATTACKS), rng)
            except OSError:
                pass

        counts.append(at_rate(per_s / HANDS, until, begin, one))

    threads = [threading.Thread(target=hand, args=(i,)) for i in range(HANDS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    total.value = sum(counts)


def rss_kib():
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


ASKED = [
    (head("GET /healthz HTTP/1.1", "Connection: close"), 200),
    (head(f"GET {FILE} HTTP/1.1", "Connection: close"), 200),
    (head(f"GET {FILE} HTTP/1.1", "Range: bytes=100-1099", "Connection: close"), 206),
    (head("GET /api/models/digits HTTP/1.1", "Connection: close"), 200),
    (head(f"POST {INFER} HTTP/1.1", "Content-Type: application/json", "Connection: close",
          f"Content-Length: {len(BODY)}") + BODY, 200),
]
waits, wrong = [], []


def ask(n):
    data, want = ASKED[n % len(ASKED)]
    begin = time.monotonic()
    try:
        with socket.create_connection(address, timeout=10) as s:
            s.sendall(data)
            got = b""
            while more := s.recv(65536):
                got += more
        status = int(got[9:12])
        length = int(got.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        if status != want or len(got) - got.index(b"\r\n\r\n") - 4 != length:
            wrong.append(f"request {n % len(ASKED)}: status {status}")
    except (OSError, ValueError, IndexError) as e:
        wrong.append(f"request {n % len(ASKED)}: {e!r}")
    waits.append(time.monotonic() - begin)


def be_ordinary(first, per_s, begin, until):
    count = iter(range(first, 1 << 30))
    at_rate(per_s, until, begin, lambda: ask(next(count)))


def main():
    per_s = per_minute / 60
    begin = time.monotonic() + 0.5
    until = begin + WARM_S + seconds
    totals = [multiprocessing.Value("q", 0) for _ in range(HOSTILE)]
    hostile = [multiprocessing.Process(target=be_hostile, daemon=True,
                                       args=(i, per_s * 3 / 4 / HOSTILE, begin, until, totals[i]))
               for i in range(HOSTILE)]
    for p in hostile:
        p.start()
    ordinary = [threading.Thread(target=be_ordinary, args=(i, per_s / 4 / ORDINARY, begin, until))
                for i in range(ORDINARY)]
    for t in ordinary:
        t.start()
    time.sleep(WARM_S)
    before, least, seen = rss_kib(), len(waits), []
    while time.monotonic() < until:
        seen.append(rss_kib())
        time.sleep(1)
    for t in ordinary:
        t.join()
    for p in hostile:
        p.join(30)
    time.sleep(2)
    after, measured = rss_kib(), sorted(waits[least:])
    rate = (len(waits) + sum(t.value for t in totals)) / (WARM_S + seconds) * 60
    p99 = measured[len(measured) * 99 // 100] * 1000
    print(f"{rate:.0f} connections per minute, {len(measured)} ordinary ones: median "
          f"{measured[len(measured) // 2] * 1000:.1f} ms, p99 {p99:.1f} ms, longest "
          f"{measured[-1] * 1000:.1f} ms; RSS {before} KiB, then {after} KiB")
    steps = seen[::max(len(seen) // 10, 1)]
    print(f"RSS every tenth of the time: {' '.join(map(str, steps))}")
    for text in wrong[:5]:
        print(f"wrong: {text}")
    print(f"result {int(rate)} {len(wrong)} {int(p99)} {max(seen + [after]) - before}")


main()
