#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Answers of more than 4 MiB, which go out in windows: whole, ranges, several ranges, HEAD, a reader
# that stalls, one that leaves, files that are cut short between two windows; and meanwhile
# everybody else is answered.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
. "$top_srcdir/tests/conventions/larderd.sh"
command -v curl >/dev/null || skip_all 'curl is not installed'
command -v python3 >/dev/null || skip_all 'python3 is not installed'

ctl=$top_builddir/larderctl
in=$larderd_dir/in
mkdir "$in"
head -c 100663303 /dev/urandom >"$in/big.bin" # 96 MiB and 7 bytes
digest=$(sha256sum <"$in/big.bin" | cut -d' ' -f1)
larderd_start --offline --scrub-rate 0 || bail 'larderd does not start'
"$ctl" import --name big "$in" >/dev/null 2>&1
ok 'a file of 96 MiB is stored' $?

python3 - "$larderd_addr" "$in/big.bin" "$larderd_dir/state/blobs/$(echo "$digest" | cut -c1-2)/$digest" \
  >"$larderd_dir/said" 2>&1 <<'PY'
import os, re, socket, sys, threading, time
addr, name, blob = sys.argv[1:]
host, port = addr.split(':')
data = open(name, 'rb').read()
size = len(data)

def connect(buffer=0):
    s = socket.socket()
    if buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    s.settimeout(30)
    s.connect((host, int(port)))
    return s

def ask(s, headers='', method='GET', path='/big/resolve/main/big.bin'):
    s.sendall(f'{method} {path} HTTP/1.1\r\nHost: {addr}\r\n{headers}\r\n'.encode())

def head(s):
    got = b''
    while b'\r\n\r\n' not in got:
        more = s.recv(1)
        if not more:
            break
        got += more
    lines = got.decode().split('\r\n')
    return int(lines[0].split()[1]), {k.lower(): v for k, v in (l.split(': ', 1) for l in lines[1:] if ': ' in l)}

def body(s, n):
    got = bytearray()
    try:
        while len(got) < n:
            more = s.recv(min(1 << 20, n - len(got)))
            if not more:
                break
            got += more
    except OSError:
        pass
    return bytes(got)

def say(name, good):
    print(('ok ' if good else 'WRONG ') + name, flush=True)

def fetch(headers=''):
    s = connect()
    ask(s, headers)
    status, h = head(s)
    return status, h, body(s, int(h['content-length'])), s

status, h, got, s = fetch()
say('the whole of it', status == 200 and got == data)
ask(s, method='HEAD')
status, h = head(s)
ask(s, 'Range: bytes=0-3\r\n')
status2, h2 = head(s)
say('HEAD: its length, no body, and the connection goes on',
    status == 200 and h['content-length'] == str(size) and status2 == 206 and body(s, 4) == data[:4])

for a, b in ((0, 4194304), (4194303, 9000000), (3, size - 1), (size - 5000001, size - 1)):
    status, h, got, s = fetch(f'Range: bytes={a}-{b}\r\n')
    say(f'range {a}-{b}', status == 206 and got == data[a:b + 1])
status, h, got, s = fetch('Range: bytes=-6000000\r\n')
say('the last 6,000,000', status == 206 and got == data[-6000000:])
s.close()

def parts(h, got):
    edge = b'--' + re.search('boundary=(.*)', h['content-type']).group(1).strip('"').encode()
    found = []
    for piece in got.split(edge + b'\r\n')[1:]:
        top, rest = piece.split(b'\r\n\r\n', 1)
        a, b = map(int, re.search(rb'bytes (\d+)-(\d+)/', top).groups())
        found.append((a, b, rest[:b - a + 1]))
    return found, got.endswith(edge + b'--\r\n')

for name, wanted in {
        'small ones and large ones': [(0, 9), (1000, 9000000), (20000000, 20000000), (30000000, 70000000), (size - 3, size - 1)],
        'parts of exactly a window': [(0, 4194303), (8388608, 12582911), (16777216, 20971519)],
        'large ones out of order': [(50000000, 60000000), (1000000, 11000000)]}.items():
    status, h, got, s = fetch('Range: bytes=' + ','.join(f'{a}-{b}' for a, b in wanted) + '\r\n')
    found, whole = parts(h, got)
    say(f'several ranges: {name}', status == 206 and whole and [f[:2] for f in found] == wanted
        and all(bytes_ == data[a:b + 1] for a, b, bytes_ in found))
    ask(s, 'Range: bytes=5-6\r\n')
    status, h = head(s)
    say(f'several ranges: {name}: the connection goes on', status == 206 and body(s, 2) == data[5:7])
    s.close()

def stalls():
    s = connect()
    ask(s, path='/metrics')
    status, h = head(s)
    return re.findall(rb'^larder_loop_stall_seconds_bucket\{le="([^"]*)"\} (\d+)',
                      body(s, int(h['content-length'])), re.M)

# many at once, some that stall; somebody else is answered all the while
slow = [connect(4096) for _ in range(8)]
for s in slow:
    ask(s, 'Range: bytes=0-40000000,50000000-90000000\r\n')
stop, worst = threading.Event(), [0.0, 0]
def others():
    s = connect()
    while not stop.is_set():
        began = time.monotonic()
        ask(s, path='/healthz')
        status, h = head(s)
        body(s, int(h['content-length']))
        worst[0] = max(worst[0], time.monotonic() - began)
        worst[1] += 1
        time.sleep(0.002)
other = threading.Thread(target=others)
other.start()
wrong = []
def reader(i):
    status, h, got, s = fetch('Range: bytes=1-45000000,50000000-95000000\r\n')
    found, whole = parts(h, got)
    if not whole or any(b_ != data[a:b + 1] for a, b, b_ in found) or len(found) != 2:
        wrong.append(i)
threads = [threading.Thread(target=reader, args=(i,)) for i in range(4)]
for t in threads: t.start()
for t in threads: t.join()
stop.set()
other.join()
say('four readers of two parts of 45 MB beside eight that stall', not wrong)
print('turns of the loop by length: ' + ' '.join(f'{le.decode()}:{n.decode()}' for le, n in stalls()))
print(f'{worst[1]} others were answered meanwhile, the slowest after {worst[0] * 1000:.1f} ms')
say('others are answered meanwhile', worst[1] > 10 and worst[0] < 10)
for s in slow[:4]:
    s.close()
right = True
for s in slow[4:]:
    status, h = head(s)
    found, whole = parts(h, body(s, int(h['content-length'])))
    right = right and whole and all(b_ == data[a:b + 1] for a, b, b_ in found)
    s.close()
say('those that had stalled get the rest, whoever else left', right)

# a file that is cut short between two windows: what came is right, the connection ends, nothing else does
def cut(name, headers, keep, shape):
    os.chmod(blob, 0o600)
    s = connect(4096)
    ask(s, headers)
    status, h = head(s)
    first = body(s, 100000)
    os.truncate(blob, keep)
    rest = body(s, int(h['content-length']))
    got = first + rest
    s.close()
    good = status in (200, 206) and len(got) < int(h['content-length']) and shape(got)
    say(f'cut short: {name}', good)
    with open(blob, 'r+b') as f:
        f.seek(keep)
        f.write(data[keep:])
    os.chmod(blob, 0o400)

cut('whole', '', 33554432, lambda got: got == data[:len(got)])
cut('to nothing', '', 0, lambda got: got == data[:len(got)])
cut('within a page', 'Range: bytes=10-90000000\r\n', 20000001,
    lambda got: got[:19999991] == data[10:][:min(len(got), 19999991)] and not any(got[19999991:]))
cut('in the second part', 'Range: bytes=0-20000000,30000000-80000000\r\n', 40000000,
    lambda got: got.find(data[:4096]) > 0 and got.find(data[30000000:30004096]) > 0)
s = connect()
ask(s, path='/healthz')
say('cut short: the daemon goes on', head(s)[0] == 200)
s.close()
# the bytes are back: what the daemon makes of it is its own file's size again
for _ in range(50):
    status, h, got, s = fetch()
    s.close()
    if status == 200:
        break
    time.sleep(0.1)
say('and serves it when it is whole again', status == 200 and got == data)
PY
while IFS= read -r line; do
  case $line in
    'ok '*) ok "${line#ok }" 0 ;;
    'WRONG '*) ok "${line#WRONG }" 1 ;;
    *) echo "# $line" ;;
  esac
done <"$larderd_dir/said"
tail -n 1 "$larderd_dir/said" | grep -q 'when it is whole again'
ok 'all of it was tried' $?
larderd_stop
is 'larderd stops in order' $? 0
done_testing
