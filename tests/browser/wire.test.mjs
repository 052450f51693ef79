// SPDX-License-Identifier: MIT
//
// larder.js against a server that says what this file wants it to say: element types on the wire,
// answers that are cut off or wrong, a daemon that is busy. No browser needed.

import assert from 'node:assert/strict';
import http from 'node:http';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

import { SOURCE } from './lib.mjs';

const module = await import(path.join(SOURCE, 'www/larder.js'));
const { connect, LarderBusy, LarderError, LarderInputError, LarderModelError } = module;

let server, larder, script, asked;

before(async () => {
  server = http.createServer(async (request, reply) => {
    const parts = [];
    for await (const part of request)
      parts.push(part);
    if (request.url === '/healthz')
      return reply.end('{"status":"ok","server":"larder","version":"9.8.7"}');
    const length = Number(request.headers['inference-header-content-length'] ?? 0);
    const body = Buffer.concat(parts);
    asked.push({
      url: request.url, headers: request.headers, tensors: body.subarray(length),
      head: length ? JSON.parse(body.subarray(0, length)) : null,
    });
    return (script.length > 1 ? script.shift() : script[0])(reply);
  });
  server.listen(0, '127.0.0.1');
  await new Promise((ready) => server.once('listening', ready));
  larder = await connect({ url: `http://127.0.0.1:${server.address().port}` });
});
after(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  asked = [];
});

/** An answer: its JSON, its bytes, and what it claims their lengths to be. */
function answer(outputs, tensors = [], { headLength, cut = 0, status = 200, headers = {} } = {}) {
  const head = Buffer.from(typeof outputs === 'string' ? outputs : JSON.stringify({ outputs }));
  const body = Buffer.concat([head, ...tensors.map((t) => Buffer.from(t))]);
  return (reply) => {
    if (tensors.length || headLength !== undefined)
      reply.setHeader('Inference-Header-Content-Length', headLength ?? head.length);
    for (const [name, value] of Object.entries(headers))
      reply.setHeader(name, value);
    reply.statusCode = status;
    reply.end(body.subarray(0, body.length - cut));
  };
}

const binary = (name, shape, datatype, size) => ({
  name, shape, datatype, parameters: { binary_data_size: size },
});
const one = { x: { type: 'float32', dims: [1], data: new Float32Array(1) } };
const run = (feeds = one, options = {}) => larder.infer('m', feeds, options);

test('the version is the daemon\'s', () => {
  assert.equal(larder.version, '9.8.7');
});

test('every element type goes out and comes back as ONNX Runtime has it', async () => {
  const cases = {
    float32: ['FP32', Float32Array.of(1.5, -0, 3e38)], float64: ['FP64', Float64Array.of(Math.PI, -1, 0)],
    float16: ['FP16', Uint16Array.of(0x3c00, 0xc000, 1)], int8: ['INT8', Int8Array.of(-128, 0, 127)],
    int16: ['INT16', Int16Array.of(-32768, 0, 1)], int32: ['INT32', Int32Array.of(-5, 6, 2 ** 31 - 1)],
    int64: ['INT64', BigInt64Array.of(-(2n ** 63n), 0n, 2n ** 53n + 1n)],
    uint8: ['UINT8', Uint8Array.of(0, 1, 255)], uint16: ['UINT16', Uint16Array.of(0, 1, 65535)],
    uint32: ['UINT32', Uint32Array.of(0, 1, 2 ** 32 - 1)],
    uint64: ['UINT64', BigUint64Array.of(0n, 1n, 2n ** 64n - 1n)], bool: ['BOOL', Uint8Array.of(1, 0, 1)],
  };
  for (const [type, [datatype, data]] of Object.entries(cases)) {
    const bytes = Buffer.from(data.buffer);
    // an odd string before it, so that the tensor is not aligned in the body
    script = [answer([binary('s', [1], 'BYTES', 5), binary('y', [3, 1], datatype, bytes.length)],
      [Buffer.from([1, 0, 0, 0, 65]), bytes])];
    const { s, y } = await run({ x: { type, dims: [3, 1], data } });
    assert.deepEqual(asked.at(-1).head.inputs, [{
      name: 'x', shape: [3, 1], datatype, parameters: { binary_data_size: bytes.length },
    }]);
    assert.ok(asked.at(-1).tensors.equals(bytes), type);
    assert.deepEqual(y, { type, dims: [3, 1], data });
    assert.deepEqual(s.data, ['A']);
  }
});

test('strings are UTF-8 with their lengths', async () => {
  const data = ['', 'ä', 'two words'];
  script = [answer([binary('y', [1], 'BYTES', 4)], [[0, 0, 0, 0]])];
  const { y } = await run({ x: { type: 'string', dims: [3], data } });
  assert.deepEqual([...asked[0].tensors], [0, 0, 0, 0, 2, 0, 0, 0, 0xc3, 0xa4,
    9, 0, 0, 0, ...Buffer.from('two words')]);
  assert.deepEqual(y, { type: 'string', dims: [1], data: [''] });
});

test('a view into a larger buffer sends only itself', async () => {
  const all = Float32Array.of(1, 2, 3, 4);
  script = [answer([])];
  await run({ x: { type: 'float32', dims: [2], data: all.subarray(1, 3) }, b: one.x });
  assert.deepEqual([...asked[0].tensors], [...Buffer.from(Float32Array.of(2, 3, 0).buffer)]);
  assert.deepEqual([...all], [1, 2, 3, 4]);
});

test('scalars and empty tensors; the JSON is padded so that tensors lie at multiples of 8', async () => {
  script = [answer([binary('a', [], 'FP32', 4), binary('c', [0, 4], 'FP32', 0)],
    [Buffer.from(Float32Array.of(2.5).buffer)])];
  const { a, c } = await run({ x: { type: 'float32', dims: [], data: Float32Array.of(1) } });
  assert.deepEqual([a.dims, [...a.data]], [[], [2.5]]);
  assert.deepEqual([c.dims, c.data.length], [[0, 4], 0]);
  assert.equal(asked[0].headers['inference-header-content-length'] % 8, 0);
});

test('names, files and outputs are put where the protocol has them', async () => {
  script = [answer([])];
  await larder.infer('org/name', one, { file: 'onnx/model q4.onnx', outputs: ['y', 'z'] });
  assert.equal(asked[0].url, '/v2/models/org%2Fname/infer?file=onnx%2Fmodel%20q4.onnx');
  assert.deepEqual(asked[0].head.outputs, [{ name: 'y' }, { name: 'z' }]);
  assert.deepEqual(asked[0].head.parameters, { binary_data_output: true });
  await larder.infer(`${larder.url}/org/name/resolve/main/onnx/model.onnx`, one);
  assert.equal(asked[1].url, '/v2/models/org%2Fname/infer?file=onnx%2Fmodel.onnx');
  await larder.infer('name@v/1', one);
  assert.equal(asked[2].url, '/v2/models/name/versions/v%2F1/infer');
  await assert.rejects(larder.infer('http://127.0.0.1:1/a/resolve/main/b', one), { code: 'not-found' });
});

test('an answer that is short, long or not what it says is an error', async () => {
  const floats = Buffer.from(Float32Array.of(1, 2).buffer);
  const bad = {
    'cut off': answer([binary('y', [2], 'FP32', 8)], [floats], { cut: 1 }),
    'fewer elements than its shape': answer([binary('y', [3], 'FP32', 8)], [floats]),
    'more elements than its shape': answer([binary('y', [1], 'FP32', 8)], [floats]),
    'half an element': answer([binary('y', [1], 'FP32', 6)], [floats]),
    'unknown type': answer([binary('y', [2], 'FP31', 8)], [floats]),
    'a header longer than the body': answer([binary('y', [2], 'FP32', 8)], [floats], { headLength: 9999 }),
    'a header that is no number': answer([], [], { headLength: '1e1' }),
    'a header that ends in the JSON': answer([binary('y', [2], 'FP32', 8)], [floats], { headLength: 7 }),
    'no data': answer([{ name: 'y', shape: [1], datatype: 'FP32' }]),
    'no outputs': answer('{}'),
    'data in the JSON, which was not asked for': answer([{ name: 'y', shape: [1], datatype: 'FP32', data: [1] }]),
    'not JSON': answer('<html>'),
    'a string that runs on': answer([binary('y', [1], 'BYTES', 5)], [[9, 0, 0, 0, 65]]),
    'a string cut in its length': answer([binary('y', [1], 'BYTES', 3)], [[9, 0, 0]]),
  };
  for (const [what, wrong] of Object.entries(bad)) {
    script = [wrong];
    await assert.rejects(run(), (e) => e instanceof LarderError && e.code === 'internal', what);
  }
});

test('a connection that breaks off in the answer is lost', async () => {
  script = [(reply) => {
    reply.writeHead(200, { 'Content-Length': 100 });
    reply.write('{"outputs"');
    setTimeout(() => reply.destroy(), 20);
  }];
  await assert.rejects(run(), { name: 'LarderUnavailable', reason: 'connection lost' });
});

test('errors of the daemon become the classes of the module', async () => {
  const cases = [[400, LarderInputError, 'input'], [404, LarderModelError, 'not-found'],
    [409, LarderModelError, 'ambiguous'], [422, LarderModelError, 'not-runnable'],
    [501, LarderModelError, 'not-runnable'], [507, LarderModelError, 'load-failed'],
    [502, LarderModelError, 'upstream'], [500, LarderError, 'internal']];
  for (const [status, Kind, code] of cases) {
    script = [answer('{"error":"why it is so"}', [], { status })];
    await assert.rejects(run(), (e) => e.constructor === Kind && e.code === code
      && e.message === 'why it is so' && e.status === status, `${status}`);
  }
  script = [answer('<html>', [], { status: 500 })];
  await assert.rejects(run(), { message: 'the daemon answered 500' });
});

test('a busy daemon is asked twice more, after the time it names', async () => {
  const busy = answer('{"error":"full"}', [], { status: 503, headers: { 'Retry-After': 1 } });
  script = [busy, answer([])];
  const began = performance.now();
  assert.deepEqual(await run(), {});
  assert.ok(performance.now() - began >= 990);
  assert.equal(asked.length, 2);
  asked = [];
  script = [busy];
  await assert.rejects(run(), (e) => e instanceof LarderBusy && e.retryAfter === 1);
  assert.equal(asked.length, 3);
  const stop = new AbortController();
  const waiting = run(one, { signal: stop.signal });
  setTimeout(() => stop.abort(new Error('enough')), 50);
  await assert.rejects(waiting, { message: 'enough' });
});
