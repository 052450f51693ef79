#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""protocol.py PORT: the Open Inference Protocol v2, table by table.

A client and cases written from the specification (inference_rest.md) and from the documents of its extensions
(binary tensor data, statistics, model repository, model configuration). The models are one Identity of each type,
`id-TYPE`, and `pair`, which are written by `protocol.py --models DIR`. TAP on stdout.
"""
import http.client
import json
import os
import struct
import sys

# datatype: (ONNX element type, struct code, values that must come back bit for bit)
TYPES = {
    'BOOL': (9, '?', [True, False, True, True]),
    'UINT8': (2, 'B', [0, 1, 127, 255]),
    'UINT16': (4, 'H', [0, 1, 256, 65535]),
    'UINT32': (12, 'I', [0, 1, 2147483648, 4294967295]),
    'UINT64': (13, 'Q', [0, 1, 9223372036854775808, 18446744073709551615]),
    'INT8': (3, 'b', [-128, -1, 0, 127]),
    'INT16': (5, 'h', [-32768, -1, 0, 32767]),
    'INT32': (6, 'i', [-2147483648, -1, 0, 2147483647]),
    'INT64': (7, 'q', [-9223372036854775808, -1, 9007199254740993, 9223372036854775807]),
    'FP32': (1, 'f', [0.0, -1.5, 3.4028234663852886e38, 1.401298464324817e-45]),
    'FP64': (11, 'd', [0.1, -1.5, 1.7976931348623157e308, 5e-324]),
    'FP16': (10, 'e', [0.0, -1.5, 65504.0, 6e-8]),
    'BF16': (16, None, None),
    'BYTES': (8, None, ['', 'a', 'zwölf', 'line\nand "quote" \\']),
}
NO_JSON = ('FP16', 'BF16')


# ---- models -------------------------------------------------------------------------------------


def varint(n):
    out = b''
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def number(field, n):
    return varint(field << 3) + varint(n)


def chunk(field, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def port(field, name, onnx, dims):
    shape = b''.join(chunk(1, chunk(2, d) if isinstance(d, str) else number(1, d)) for d in dims)
    return chunk(field, chunk(1, name) + chunk(2, chunk(1, number(1, onnx) + chunk(2, shape))))


def identities(pairs):
    """(input, output, ONNX type, dims)…: one Identity each."""
    graph = b''.join(chunk(1, chunk(1, i) + chunk(2, o) + chunk(4, 'Identity')) for i, o, _, _ in pairs)
    graph += chunk(2, 'g')
    graph += b''.join(port(11, i, t, d) for i, _, t, d in pairs)
    graph += b''.join(port(12, o, t, d) for _, o, t, d in pairs)
    return number(1, 8) + chunk(7, graph) + chunk(8, number(2, 16))


def write_models(folder):
    models = {f'id-{name}': [('x', 'y', onnx, ['N'])] for name, (onnx, _, _) in TYPES.items()}
    models['id-BYTES'] = [('x', 'y', 8, ['N'])]
    models['pair'] = [('input0', 'output0', 12, ['R', 'C']), ('input1', 'output1', 9, ['B'])]
    models['fixed'] = [('x', 'y', 1, [2, 3])]
    for name, pairs in models.items():
        os.makedirs(os.path.join(folder, name))
        with open(os.path.join(folder, name, 'model.onnx'), 'wb') as f:
            f.write(identities(pairs))


# ---- the client --------------------------------------------------------------------------------


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        size = headers.get('Inference-Header-Content-Length')
        self.binary = size is not None
        self.text = body[: int(size)] if self.binary else body
        self.rest = body[int(size) :] if self.binary else b''
        try:
            self.json = json.loads(self.text)
        except ValueError:
            self.json = None

    def output(self, name):
        """The output's object and its bytes (None where it has data)."""
        at = 0
        for o in self.json['outputs']:
            size = o.get('parameters', {}).get('binary_data_size')
            data = None if size is None else self.rest[at : at + size]
            at += size or 0
            if o['name'] == name:
                return o, data
        return None, None


class Client:
    def __init__(self, port_):
        self.connection = http.client.HTTPConnection('127.0.0.1', port_, timeout=60)

    def call(self, method, path, body=None, headers=None):
        try:
            self.connection.request(method, path, body, headers or {})
            r = self.connection.getresponse()
        except (http.client.HTTPException, OSError):  # it may close after a refusal
            self.connection.close()
            self.connection.request(method, path, body, headers or {})
            r = self.connection.getresponse()
        return Answer(r.status, r.headers, r.read())

    def get(self, path):
        return self.call('GET', path)

    def infer(self, model, request, blob=None, size=None, path=None):
        """JSON, or JSON and a binary part; ${size} instead of the right length of the JSON."""
        text = request if isinstance(request, bytes) else json.dumps(request).encode()
        headers = {'Content-Type': 'application/json'}
        if blob is not None or size is not None:
            headers = {'Content-Type': 'application/octet-stream'}
            headers['Inference-Header-Content-Length'] = str(len(text) if size is None else size)
        return self.call('POST', path or f'/v2/models/{model}/infer', text + (blob or b''), headers)


count = failed = 0


def ok(name, good, why=''):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}")
    if not good:
        print(f'#   {str(why)[:300]}')


def encode(name, values):
    if name == 'BYTES':
        return b''.join(struct.pack('<I', len(v.encode())) + v.encode() for v in values)
    if name == 'BF16':
        return bytes(range(0, 8))
    return struct.pack(f'<{len(values)}{TYPES[name][1]}', *values)


def tensor(name, datatype, shape, data=None, size=None, **parameters):
    t = {'name': name, 'datatype': datatype, 'shape': shape}
    if data is not None:
        t['data'] = data
    if size is not None:
        parameters['binary_data_size'] = size
    if parameters:
        t['parameters'] = parameters
    return t


# ---- tables: what is answered -----------------------------------------------------------------


def has(o, **types):
    """Whether ${o} is an object with these members of these types."""
    return isinstance(o, dict) and all(isinstance(o.get(k), t) for k, t in types.items())


def metadata(c):
    a = c.get('/v2')
    ok('server metadata', a.status == 200 and has(a.json, name=str, version=str, extensions=list), a.body)
    ok('its extensions are strings', all(isinstance(e, str) for e in a.json['extensions']), a.body)
    for what in ('live', 'ready'):
        a = c.get(f'/v2/health/{what}')
        ok(f'server {what}', a.status == 200 and a.json[what] is True, a.body)
    for path in ('/v2/models/pair', '/v2/models/pair/versions/main'):
        a = c.get(path)
        good = a.status == 200 and has(a.json, name=str, versions=list, platform=str, inputs=list, outputs=list)
        ok(f'model metadata: {path}', good, a.body)
        ports = a.json['inputs'] + a.json['outputs']
        ok('  its tensors', all(has(p, name=str, datatype=str, shape=list) for p in ports) and len(ports) == 4, ports)
        ok('  free dimensions are -1', ports[0]['shape'] == [-1, -1], ports)
        a = c.get(path + '/ready')
        ok('  ready', a.status == 200 and a.json == {'name': 'pair', 'ready': True}, a.body)
    version = a = c.get('/v2/models/pair').json['versions'][0]
    ok('a version that is listed can be asked for', c.get(f'/v2/models/pair/versions/{version}').status == 200)
    a = c.get('/v2/models/fixed/config')
    good = has(a.json, name=str, platform=str, backend=str, max_batch_size=int, input=list, output=list)
    ok('model configuration', a.status == 200 and good, a.body)
    i, o = a.json['input'][0], a.json['output'][0]
    ok('  without a batch', a.json['max_batch_size'] == 0 and i['dims'] == [2, 3] and o['dims'] == [2, 3], a.body)
    ok('  input', (i['name'], i['data_type'], i['format']) == ('x', 'TYPE_FP32', 'FORMAT_NONE'), i)
    a = c.get('/v2/models/id-BYTES/config')
    i = a.json['input'][0]
    ok('  strings', i['data_type'] == 'TYPE_STRING', a.body)
    a = c.get('/v2/models/id-INT64/config')
    i = a.json['input'][0]
    ok('  with a batch', a.json['max_batch_size'] > 0 and i['dims'] == [] and i['data_type'] == 'TYPE_INT64', a.body)


def types(c):
    for name, (_, _, values) in TYPES.items():
        model, blob = f'id-{name}', encode(name, values)
        inputs = {'binary': ([tensor('x', name, [4], size=len(blob))], blob)}
        if name not in NO_JSON:
            inputs['JSON'] = ([tensor('x', name, [4], data=values)], None)
        for kind, (i, b) in inputs.items():
            a = c.infer(model, {'inputs': i, 'parameters': {'binary_data_output': True}}, b)
            o, data = a.output('y') if a.status == 200 else (None, None)
            good = data == blob and o['datatype'] == name and o['shape'] == [4]
            ok(f'{name}: {kind} in, binary out', good and a.headers['Content-Type'] == 'application/octet-stream', a.body)
            a = c.infer(model, {'inputs': i}, b)
            if name in NO_JSON:
                ok(f'{name}: {kind} in, no JSON out', a.status == 400, a.body)
                continue
            o, data = a.output('y') if a.status == 200 else (None, None)
            good = data is None and o is not None and encode(name, o['data']) == blob and not a.binary
            ok(f'{name}: {kind} in, JSON out', good and a.headers['Content-Type'] == 'application/json', a.body)
        if name != 'BYTES':
            a = c.infer(model, b'', blob, size=0)
            ok(f'{name}: raw', a.status == 200 and a.output('y')[1] == blob, a.body)
    a = c.infer('id-BYTES', b'', b'one \0 string', size=0)
    want = struct.pack('<I', 12) + b'one \0 string'
    ok('BYTES: raw, one string', a.status == 200 and a.output('y')[1] == want, a.body)


def requests(c):
    # the example of the binary tensor data extension
    blob = struct.pack('<4I3?', 1, 2, 3, 4, True, False, True)
    inputs = [tensor('input0', 'UINT32', [2, 2], size=16), tensor('input1', 'BOOL', [3], size=3)]
    outputs = [{'name': 'output0', 'parameters': {'binary_data': True}}]
    a = c.infer('pair', {'model_name': 'pair', 'inputs': inputs, 'outputs': outputs}, blob)
    ok('example of the extension', a.status == 200 and a.output('output0')[1] == blob[:16], a.body)
    ok('only what was asked for', [o['name'] for o in a.json['outputs']] == ['output0'], a.text)
    ok('no id, none back', 'id' not in a.json, a.text)
    ok('response', has(a.json, model_name=str, model_version=str, outputs=list), a.text)
    a = c.infer('pair', {'id': 'seven ✓', 'inputs': inputs}, blob)
    ok('id', a.json.get('id') == 'seven ✓', a.text)
    ok('all outputs when none is named', [o['name'] for o in a.json['outputs']] == ['output0', 'output1'], a.text)
    ok('row-major, flat', a.output('output0')[0]['data'] == [1, 2, 3, 4], a.text)
    outputs = [{'name': 'output1', 'parameters': {'binary_data': False}}, {'name': 'output0'}]
    a = c.infer('pair', {'inputs': inputs, 'outputs': outputs, 'parameters': {'binary_data_output': True}}, blob)
    ok('an output overrides the request', a.output('output1')[0]['data'] == [True, False, True], a.text)
    ok('the request counts for the other', a.output('output0')[1] == blob[:16], a.text)
    ok('in the order they were asked for', [o['name'] for o in a.json['outputs']] == ['output1', 'output0'], a.text)
    swapped = [inputs[1], inputs[0]]
    a = c.infer('pair', {'inputs': swapped}, blob[16:] + blob[:16])
    ok('binary parts come in the order of the inputs', a.output('output0')[0]['data'] == [1, 2, 3, 4], a.text)
    mixed = [tensor('input0', 'UINT32', [2, 2], data=[[1, 2], [3, 4]]), inputs[1]]
    a = c.infer('pair', {'inputs': mixed}, blob[16:])
    ok('one as nested JSON, one binary', a.output('output1')[0]['data'] == [True, False, True], a.text)
    loose = [dict(i, parameters=dict(i['parameters'], hint=1)) for i in inputs]
    a = c.infer('pair', {'inputs': loose, 'parameters': {'custom': 'x', 'sequence_id': 5, 'priority': 1}, 'later': 0}, blob)
    ok('members that nobody knows are left alone', a.status == 200, a.text)
    text = json.dumps({'inputs': inputs}).encode()
    a = c.infer('pair', text + b' ' * (-len(text) % 8), blob)
    ok('JSON padded with blanks', a.status == 200, a.text)
    a = c.infer('id-FP32', {'inputs': [tensor('x', 'FP32', [0], data=[])]})
    ok('no rows', a.status == 200 and a.output('y')[0]['shape'] == [0] and a.output('y')[0]['data'] == [], a.body)
    version = c.get('/v2/models/pair').json['versions'][0]
    a = c.infer('pair', {'inputs': inputs}, blob, path=f'/v2/models/pair/versions/{version}/infer')
    ok('by version', a.status == 200 and a.json['model_version'] == version, a.body)


def numbers(c):
    a = c.get('/v2/models/pair/stats')
    m = a.json['model_stats'][0]
    good = has(m, name=str, version=str, last_inference=int, inference_count=int, execution_count=int)
    ok('statistics', good and has(m, inference_stats=dict, batch_stats=list, memory_usage=list), m)
    kinds = ('success', 'fail', 'queue', 'compute_input', 'compute_infer', 'compute_output', 'cache_hit', 'cache_miss')
    ok('  durations', all(has(m['inference_stats'].get(k), count=int, ns=int) for k in kinds), m)
    ok('  batches', all(has(b, batch_size=int, compute_infer=dict) for b in m['batch_stats']) and m['batch_stats'], m)
    ok('  memory', all(has(u, type=str, id=int, byte_size=int) for u in m['memory_usage']), m)
    before = m['inference_stats']['success']['count']
    c.infer('pair', b'', b'', size=0)
    stats = c.get('/v2/models/pair/stats').json['model_stats'][0]['inference_stats']
    ok('  a failure is no success', stats['success']['count'] == before and stats['fail']['count'] > 0, stats)
    for body in (b'', b'{}', b'{"ready":true}'):
        a = c.call('POST', '/v2/repository/index', body, {'Content-Type': 'application/json'} if body else {})
        good = a.status == 200 and all(has(m, name=str, version=str, state=str) for m in a.json)
        ok(f'repository index: {body.decode()}', good and 'pair' in [m['name'] for m in a.json], a.body)


# ---- tables: what is refused ---------------------------------------------------------------------


def refused(c, name, a, *statuses):
    """An error object and nothing else, and the client's next request is served."""
    whole = isinstance(a.json, dict) and list(a.json) == ['error'] and isinstance(a.json['error'], str)
    ok(name, a.status in (statuses or (400,)) and whole and a.json['error'] != '', (a.status, a.body))
    if c.get('/v2/health/live').status != 200:
        ok(f'{name}: and the next request', False)


X = tensor('x', 'FP32', [2], size=8)
EIGHT = struct.pack('<2f', 1, 2)


def headers(c):
    text = json.dumps({'inputs': [X]}).encode()
    size = len(text)
    for j in (size + 9, 10**9, 2**64, 99999999999999999999, -1, '-0', '1e3', f'+{size}', f'0x{size:x}', f'{size}.0',
              f'{size},{size}', f'{size} {size}', '٣', '', 'NaN'):
        if isinstance(j, str) and not j.isascii():
            j = j.encode().decode('latin1')
        refused(c, f'header length {ascii(j)}', c.infer('id-FP32', text, EIGHT, size=j))
    for j in (1, size - 1, size + 1, size + 8):
        refused(c, f'header length off: {j - size:+}', c.infer('id-FP32', text, EIGHT, size=j))
    umlaut = json.dumps({'id': 'ä', 'inputs': [X]}, ensure_ascii=False).encode()
    refused(c, 'header length in mid-character', c.infer('id-FP32', umlaut, EIGHT, size=umlaut.index(b'\xc3') + 1))
    a = c.infer('id-FP32', text, EIGHT, size=f'000{size}')
    ok('header length with leading zeros is that number', a.status == 200, a.body)


def sizes(c):
    for n in (0, 4, 7, 9, 12, 2**31, 2**32, 2**63 - 1):
        refused(c, f'binary_data_size {n} of 8', c.infer('id-FP32', {'inputs': [tensor('x', 'FP32', [2], size=n)]}, EIGHT))
    for n in (-1, -8, 8.0, '8', None, True, [8], 2**63, 2**64):
        one = dict(X, parameters={'binary_data_size': n})
        refused(c, f'binary_data_size {json.dumps(n)}', c.infer('id-FP32', {'inputs': [one]}, EIGHT))
    for blob, what in ((b'', 'none'), (EIGHT[:7], 'one missing'), (EIGHT + b'\0', 'one too many')):
        refused(c, f'bytes: {what}', c.infer('id-FP32', {'inputs': [X]}, blob))
    two = [tensor('input0', 'UINT32', [2, 2], size=16), tensor('input1', 'BOOL', [3], size=3)]
    blob = bytes(19)
    refused(c, 'the first takes all', c.infer('pair', {'inputs': [tensor('input0', 'UINT32', [2, 2], size=19), two[1]]}, blob))
    refused(c, 'the second overlaps', c.infer('pair', {'inputs': [two[0], tensor('input1', 'BOOL', [3], size=4)]}, blob))
    refused(c, 'one is missing', c.infer('pair', {'inputs': two[:1]}, blob[:16]))
    refused(c, 'one twice', c.infer('pair', {'inputs': [two[0], two[0], two[1]]}, blob + blob[:16]))
    refused(c, 'a bool that is 2', c.infer('pair', {'inputs': two}, blob[:18] + b'\2'))
    for blob, what in ((b'\4\0\0\0abc', 'cut off'), (b'\xff\xff\xff\xffabc', '2^32-1 bytes'), (b'\3\0\0\0abc\0', 'surplus')):
        i = [tensor('x', 'BYTES', [1], size=len(blob))]
        refused(c, f'strings: {what}', c.infer('id-BYTES', {'inputs': i}, blob))


def shapes(c):
    for shape in ([10**9], [2**31], [2**62], [2**63], [2**64], [2**32, 2**32], [-1], [2, -1], [2.0], [1.5], ['2'], [None],
                  [True], [[2]], [], [2, 1], [1] * 9, [1] * 1000, 2, '2', None, {}):
        refused(c, f'shape {json.dumps(shape)[:40]}', c.infer('id-FP32', {'inputs': [dict(X, shape=shape)]}, EIGHT))
        refused(c, '  with data', c.infer('id-FP32', {'inputs': [tensor('x', 'FP32', shape, data=[1, 2])]}))


def bodies(c):
    good = {'inputs': [tensor('x', 'FP32', [2], data=[1, 2])]}
    text = json.dumps(good)
    for what, body in {
        'nothing': '', 'a blank': ' ', 'null': 'null', 'a number': '1', 'a list': '[]', 'a string': '"x"', 'no inputs': '{}',
        'inputs: null': '{"inputs":null}', 'inputs: {}': '{"inputs":{}}', 'inputs: [1]': '{"inputs":[1]}',
        'inputs: []': '{"inputs":[]}', 'cut off': text[:-1], 'something behind': text + '}', 'two documents': text + text,
        'a comment': text[:-1] + '/**/}', 'a comma too many': text[:-1] + ',}', 'single quotes': text.replace('"', "'"),
        'NaN': text.replace('[1, 2]', '[1, NaN]'), 'Infinity': text.replace('[1, 2]', '[1, Infinity]'),
        '-Infinity': text.replace('[1, 2]', '[1, -Infinity]'), '1e39': text.replace('[1, 2]', '[1, 1e39]'),
        '1e999': text.replace('[1, 2]', '[1, 1e999]'), 'a leading zero': text.replace('[1, 2]', '[1, 02]'),
        'a plus': text.replace('[1, 2]', '[1, +2]'), 'a dot': text.replace('[1, 2]', '[1, 2.]'),
        'hexadecimal': text.replace('[1, 2]', '[1, 0x2]'), 'a text': text.replace('[1, 2]', '[1, "2"]'),
        'a bool': text.replace('[1, 2]', '[1, true]'), 'null in data': text.replace('[1, 2]', '[1, null]'),
        'an object in data': text.replace('[1, 2]', '[1, {}]'), 'too few': text.replace('[1, 2]', '[1]'),
        'too many': text.replace('[1, 2]', '[1, 2, 3]'), 'ragged': text.replace('[1, 2]', '[[1], 2]'),
        'data: 1': text.replace('[1, 2]', '1'), 'data: {}': text.replace('[1, 2]', '{}'),
        'a key twice': text[:-1] + ',"inputs":[]}', 'deep lists': '[' * 100000, 'deep objects': '{"a":' * 100000,
        'deep data': text.replace('[1, 2]', '[' * 100000 + ']' * 100000),
        'id: 1': text[:-1] + ',"id":1}', 'parameters: []': text[:-1] + ',"parameters":[]}',
        'outputs: {}': text[:-1] + ',"outputs":{}}', 'outputs: [1]': text[:-1] + ',"outputs":[1]}',
        'outputs: unknown': text[:-1] + ',"outputs":[{"name":"z"}]}',
        'outputs: twice': text[:-1] + ',"outputs":[{"name":"y"},{"name":"y"}]}',
        'binary_data: 1': text[:-1] + ',"outputs":[{"name":"y","parameters":{"binary_data":1}}]}',
        'binary_data_output: 1': text[:-1] + ',"parameters":{"binary_data_output":1}}',
        'shared memory': text[:-1] + ',"outputs":[{"name":"y","parameters":{"shared_memory_region":"r"}}]}',
        'classification': text[:-1] + ',"outputs":[{"name":"y","parameters":{"classification":2}}]}',
        'wrong name': text.replace('"x"', '"z"'), 'wrong type': text.replace('FP32', 'FP64'),
        'no such type': text.replace('FP32', 'FP33'), 'no type': text.replace('datatype', 'type'),
        'no shape': text.replace('shape', 'size'), 'no data': text.replace('data"', 'date"'),
        'a lone surrogate': text.replace('"x"', '"\\ud800"'), 'a NUL': text.replace('"x"', '"x\\u0000"'),
    }.items():
        refused(c, f'body: {what}', c.infer('id-FP32', body.encode()))
    refused(c, 'body: no UTF-8', c.infer('id-FP32', text.replace('"x"', '"\xff"').encode('latin1')))
    refused(c, 'body: overlong UTF-8', c.infer('id-FP32', text.encode().replace(b'"x"', b'"\xc0\xaf"')))
    many = {'inputs': [tensor('x', 'FP32', [0], data=[])] * 50000}
    refused(c, 'body: 50000 inputs', c.infer('id-FP32', many), 400, 413)
    many = '{' + ','.join(f'"{i}":0' for i in range(300000)) + '}'
    refused(c, 'body: an object of 300000 members', c.infer('id-FP32', many.encode()), 400, 413)
    for name, wrong in {'UINT8': (256, -1, 1.5), 'INT8': (128, -129), 'UINT64': (2**64, -1), 'INT64': (2**63, -2**63 - 1),
                        'INT32': (2**31, 0.5), 'BOOL': (2, 'true'), 'BYTES': (1, None)}.items():
        for v in wrong:
            a = c.infer(f'id-{name}', {'inputs': [tensor('x', name, [1], data=[v])]})
            refused(c, f'{name}: {json.dumps(v)}', a)
    for name in NO_JSON:
        refused(c, f'{name} as JSON', c.infer(f'id-{name}', {'inputs': [tensor('x', name, [1], data=[1])]}))
    refused(c, 'raw, not a multiple', c.infer('id-FP32', b'', b'123', size=0))
    refused(c, 'raw, two inputs', c.infer('pair', b'', b'123', size=0))
    for coding in ('gzip', 'deflate', 'br'):
        h = {'Content-Type': 'application/json', 'Content-Encoding': coding}
        refused(c, f'Content-Encoding: {coding}', c.call('POST', '/v2/models/id-FP32/infer', text, h), 415)
    refused(c, 'no such model', c.infer('none', good), 404)
    refused(c, 'no such version', c.infer('x', good, path='/v2/models/pair/versions/7/infer'), 404)
    for path in ('/v2/repository/models/pair/load', '/v2/repository/models/pair/unload'):
        refused(c, f'{path} is not for everybody', c.call('POST', path, b'{}', {'Content-Type': 'application/json'}), 403, 404, 405)


def main():
    if sys.argv[1] == '--models':
        write_models(sys.argv[2])
        return 0
    c = Client(int(sys.argv[1]))
    for part in (metadata, types, requests, numbers, headers, sizes, shapes, bodies, types):
        part(c)
    print(f'1..{count}')
    return 1 if failed else 0


sys.exit(main())
