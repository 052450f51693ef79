#!/bin/sh
# SPDX-License-Identifier: MIT
#
# JSON bodies that are wrong in every way, to every route that takes one: values of other types,
# huge, negative, deep, long, twice, cut short, with bits flipped. Always the same ones; each is
# answered with JSON, never with a 500, and larderd goes on. LARDER_BODIES is how many a route gets.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
. "$top_srcdir/tests/conventions/larderd.sh"
command -v python3 >/dev/null || skip_all 'python3 is not installed'
printf '[upstream hub]\nurl = http://127.0.0.1:1\nprivate = yes\n' >"$larderd_dir/larder.conf"
larderd_start --config "$larderd_dir/larder.conf" --sample --scrub-rate 0 || bail 'larderd does not start'
python3 - "$LARDER_ADMIN_SOCKET" "${LARDER_BODIES:-300}" >"$larderd_dir/said" 2>&1 <<'PY'
import copy, json, random, socket, sys
path, count = sys.argv[1], int(sys.argv[2])
rng = random.Random(10)
HEX = '5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9'
TENSOR = {'name': 'image', 'datatype': 'FP32', 'shape': [1, 1, 28, 28], 'data': [0.5] * 784}
MANIFEST = {'larder_manifest': 1, 'name': 'hall', 'models': [{'upstream': 'hub', 'model': 'a/b', 'revision': 'main',
            'files': ['*.json'], 'pin': True, 'digests': {'x': HEX}}]}
ROUTES = [
    ('POST', '/admin/v1/warm', {'upstream': 'hub', 'model': 'org/name', 'revision': 'main',
                                'files': ['*.json', 'onnx/model.onnx'], 'pin': True, 'digests': {'config.json': HEX}}),
    ('POST', '/admin/v1/manifests', {'manifest': json.dumps(MANIFEST), 'signature': 'AAAA', 'prune': True}),
    ('POST', '/admin/v1/manifests', MANIFEST),
    ('PUT', '/admin/v1/origins', {'origin': 'https://a.example', 'rights': ['serve', 'infer'], 'models': ['org/*'],
                                  'rate': 5, 'requests': 2, 'token': '0123456789abcdef'}),
    ('DELETE', '/admin/v1/origins', {'origin': 'https://a.example'}),
    ('POST', '/admin/v1/models/mine%2Fm', {'revision': 'main', 'files': [{'path': 'a/b', 'sha256': HEX}]}),
    ('POST', '/api/models/digits/paths-info/main', {'paths': ['model.onnx', 'x'], 'expand': True}),
    ('POST', '/v2/repository/index', {'ready': True}),
    ('POST', '/v2/models/digits/infer', {'id': 'x', 'inputs': [TENSOR], 'outputs': [{'name': 'probabilities',
        'parameters': {'binary_data': False}}], 'parameters': {'timeout': 5000000, 'priority': 1,
        'keep_alive': '10m', 'binary_data_output': False}}),
]
NASTY = [None, True, False, 0, -1, 1, 2**31, 2**63, -2**63, 1e308, 0.1, '', 'x', '../../etc/passwd', 'a\0b', '\ud800',
         'é' * 5000, 'A' * 70000, [], {}, [[]], [None] * 2000, {'': ''}, {'a': {'b': {'c': 1}}}, '%00', '*' * 300, 'FP64',
         'BYTES', [-1, 2**40], [0], 18446744073709551616, '[' * 500]

def spots(v, at=()):
    yield at
    for k in (v if isinstance(v, dict) else range(min(len(v), 4)) if isinstance(v, list) else ()):
        yield from spots(v[k], at + (k,))

def put(v, at, what):
    if not at:
        return what
    for k in at[:-1]:
        v = v[k]
    v[at[-1]] = what

def mutated(seed, i):
    v = copy.deepcopy(seed)
    kind = i % 8
    if kind < 5:
        for _ in range(1 + (kind == 4)):
            places = list(spots(v))
            new = put(v, rng.choice(places), copy.deepcopy(rng.choice(NASTY)))
            v = new if new is not None or places == [()] else v
        text = json.dumps(v).encode()
    else:
        text = bytearray(json.dumps(v).encode())
        if kind == 5:
            text = text[:rng.randrange(len(text))]
        elif kind == 6:
            for _ in range(rng.randrange(1, 6)):
                text[rng.randrange(len(text))] ^= 1 << rng.randrange(8)
        else:
            at = rng.randrange(len(text))
            text[at:at] = rng.choice([b'[' * 3000, b'{"a":' * 3000, b'\xff\xfe', b'\0', b'"', b',', b'1e999', b'\\u0000',
                                      b'"model":"x","model":"y",', b'-', b'9' * 400])
    return bytes(text)

def answer(s):
    got = b''
    while b'\r\n\r\n' not in got:
        more = s.recv(65536)
        if not more:
            return None
        got += more
    head, rest = got.split(b'\r\n\r\n', 1)
    size = int(next((l.split(b':')[1] for l in head.split(b'\r\n') if l.lower().startswith(b'content-length:')), b'0'))
    while len(rest) < size:
        more = s.recv(65536)
        if not more:
            return None
        rest += more
    return int(head.split()[1]), head, rest

for method, where, seed in ROUTES:
    seen, wrong, s = {}, [], None
    for i in range(count):
        body = mutated(seed, i) if i > 0 else json.dumps(seed).encode()
        if s is None:
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(20)
            s.connect(path)
        try:
            s.sendall(f'{method} {where} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'
                      f'Content-Length: {len(body)}\r\n\r\n'.encode() + body)
            got = answer(s)
        except OSError as error:
            got = None
            wrong.append(f'{error}: {body[:80]!r}')
        if got is None:
            s = None
            wrong.append(f'no answer: {body[:80]!r}')
            if len(wrong) > 5:
                break
            continue
        status, head, text = got
        seen[status] = seen.get(status, 0) + 1
        if status == 500 or status > 507:
            wrong.append(f'{status} {text[:100]!r}: {body[:200]!r}')
        elif status >= 400:
            try:
                if not isinstance(json.loads(text)['error'], str):
                    raise ValueError
            except Exception:
                wrong.append(f'{status} without an error in JSON: {text[:100]!r}')
            if b'/tmp/' in text or b'/state' in text or b'0x7f' in text:
                wrong.append(f'{status} names what is the machine\'s: {text[:200]!r}')
        if b'connection: close' in head.lower():
            s.close()
            s = None
    print(('WRONG ' if wrong or sum(seen.values()) < count else 'ok ') + f'{method} {where}: {dict(sorted(seen.items()))}')
    for w in wrong[:5]:
        print('  ' + w)
print('all were sent')
PY
while IFS= read -r line; do
  case $line in
    'ok '*) ok "${line#ok }" 0 ;;
    'WRONG '*) ok "${line#WRONG }" 1 ;;
    *) echo "# $line" ;;
  esac
done <"$larderd_dir/said"
grep -qx 'all were sent' "$larderd_dir/said"
ok 'all were sent' $?
is 'and larderd runs its model' "$(curl -s -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' \
  --data-binary "@$top_srcdir/www/sample/digit.json" "http://$larderd_addr/v2/models/digits/infer")" 200
larderd_stop
is 'it stops in order' $? 0
done_testing
