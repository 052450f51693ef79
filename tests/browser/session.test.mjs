// SPDX-License-Identifier: MIT
//
// createSession, register and choose with the real onnxruntime-web on a page of another origin: who
// runs the model, what it answers, what reaches the page, and what happens when the daemon dies.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';

import {
  compare, filesEver, floats, folder, golden, inside, noBrowser, openPage, openReady, readGolden, ready, SOURCE,
  stage, startLarder, watchFiles,
} from './lib.mjs';
import { onnxModel, weights } from './onnx_model.mjs';

const ORT = folder('onnxruntime-web');
const WASM = '/ort/ort.wasm.min.mjs';
const MOBILENET = golden('mobilenetv2-035-tm');
const reference = JSON.parse(fs.readFileSync(path.join(SOURCE, 'www/sample/reference.json'), 'utf8'));
const ISOLATED = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

describe('sessions', { skip: noBrowser() || (!ORT && 'onnxruntime-web is not installed') }, () => {
  const it = stage({ roots: { '/ort/': inside('onnxruntime-web', 'dist'), '/www/': path.join(SOURCE, 'www'),
    ...MOBILENET && { '/mobilenet/': path.join(MOBILENET, 'golden/mobilenet_model') } },
  pages: { '/isolated': { body: '<!doctype html><link rel="icon" href="data:,"><title>isolated</title>', headers: ISOLATED } } });
  const images = reference.cases.map((c) => c.image);
  const metrics = async () => Object.fromEntries([...(await (await fetch(`${it.larder.url}/metrics`)).text())
    .matchAll(/^(\w+) (\d+)$/gm)].map(([, name, value]) => [name, Number(value)]));
  const right = (data) => compare(data, reference.cases.flatMap((c) => c.probabilities)).worst < 1e-4;
  const visit = (options) => openReady(it, { ort: WASM, ...options });

  test('the daemon runs it: results of ORT\'s types, and no byte of the weights in the page', async () => {
    const page = await visit();
    const got = await page.evaluate(async (pictures) => {
      const before = window.digit(pictures);
      const session = await window.larder.createSession(window.ort, 'digits');
      const out = window.plain(await session.run(before));
      const { backend, inputNames, outputNames, inputMetadata, outputMetadata } = session;
      const some = window.plain(await session.run(before, ['probabilities']));
      const mapped = window.plain(await session.run(before, { probabilities: null }, {}));
      await session.release();
      return { out, some, mapped, backend, inputNames, outputNames, inputMetadata, outputMetadata,
        untouched: before.image.data.length };
    }, images);
    assert.equal(got.backend, 'larder');
    assert.deepEqual(got.out.probabilities.dims, [10, 10]);
    assert.deepEqual([got.out.probabilities.type, got.out.probabilities.kind, got.out.probabilities.tensor],
      ['float32', 'Float32Array', true]);
    assert.ok(right(got.out.probabilities.data));
    assert.deepEqual([got.some, got.mapped], [got.out, got.out]);
    assert.deepEqual([got.inputNames, got.outputNames], [['image'], ['probabilities']]);
    assert.deepEqual(got.inputMetadata, [{ name: 'image', isTensor: true, type: 'float32', shape: ['N', 1, 28, 28] }]);
    assert.equal(got.outputMetadata[0].name, 'probabilities');
    assert.equal(got.untouched, 7840);
    assert.deepEqual(await filesEver(page), [], 'no request for a file of the store');
    await page.context().close();
  });

  test('\'never\' runs it in the page, weights with exact progress; a second visit takes no body', async () => {
    const context = await it.browser.newContext();
    const visits = [];
    for (let i = 0; i < 2; i++) {
      const page = await context.newPage();
      const before = await metrics();
      await page.goto(it.site.url);
      const files = watchFiles(page, it.larder.url);
      await ready(page, it.larder.url, { ort: WASM });
      visits.push(await page.evaluate(async (pictures) => {
        const mine = [];
        const session = await window.larder.createSession(window.ort, 'digits', {
          fallback: 'never', onprogress: (p) => mine.push(p) });
        const out = window.plain(await session.run(window.digit(pictures)));
        return { backend: session.backend, out, mine, events: window.events };
      }, images));
      await page.waitForTimeout(200);
      const after = await metrics();
      Object.assign(visits[i], { files, sent: after.larder_sent_bytes_total - before.larder_sent_bytes_total,
        notModified: after.larder_answers_3xx_total - before.larder_answers_3xx_total });
      await page.close();
    }
    const sizes = Object.fromEntries(['model.onnx', 'weights-1.bin', 'weights-2.bin'].map(
      (file) => [file, fs.statSync(path.join(SOURCE, 'www/sample', file)).size]));
    for (const { backend, out, mine } of visits) {
      assert.equal(backend, 'wasm');
      assert.ok(right(out.probabilities.data));
      for (const [file, size] of Object.entries(sizes)) {
        const steps = mine.filter((p) => p.phase === 'download' && p.file === file);
        assert.deepEqual([...new Set(steps.map((p) => p.total))], [size], file);
        assert.ok(steps.every((p, k) => !k || p.loaded >= steps[k - 1].loaded), file);
        assert.equal(steps.at(-1).loaded, size);
      }
    }
    assert.equal(visits[0].files.length, 3);
    assert.ok(visits[0].sent >= Object.values(sizes).reduce((a, b) => a + b));
    assert.ok(visits[1].sent < 60000, `the second visit took ${visits[1].sent} bytes from the daemon`);
    assert.equal(visits[1].notModified, 3 + 1, 'three files and larder.js');
    await context.close();
  });

  test('both answer the same: shapes, types, values', { skip: !MOBILENET && 'no models in ../shared' }, async () => {
    await it.larder.ctl('import', '--name', 'org/mobilenet', path.join(MOBILENET, 'mobilenet_model.onnx'));
    const { inputs: [input], outputs: [output] } = readGolden(path.join(MOBILENET, 'golden/mobilenet_model'));
    const page = await visit();
    const got = await page.evaluate(async ({ file, shape, name }) => {
      const data = new Float32Array(await (await fetch(`/mobilenet/${file}`)).arrayBuffer());
      const runs = {};
      for (const fallback of ['always', 'never']) {
        const session = await window.larder.createSession(window.ort, 'org/mobilenet', { fallback });
        runs[session.backend] = window.plain(await session.run({ [name]: new window.ort.Tensor('float32', data, shape) }));
      }
      return runs;
    }, { file: input.file, shape: input.shape, name: input.name });
    for (const { [output.name]: out } of [got.larder, got.wasm]) {
      assert.deepEqual(out.dims, output.shape);
      const { worst, limit } = compare(out.data, floats(output.bytes));
      assert.ok(worst <= limit, `${worst} > ${limit}`);
    }
    assert.equal(got.larder[output.name].type, got.wasm[output.name].type);
    await page.context().close();
  });

  test('an isolated page with threads, and a page that the daemon serves', async () => {
    const page = await visit({ path: '/isolated', threads: 2 });
    const got = await page.evaluate(async (pictures) => {
      const runs = { isolated: crossOriginIsolated };
      for (const fallback of ['auto', 'never']) {
        const session = await window.larder.createSession(window.ort, 'digits', { fallback });
        runs[session.backend] = window.plain(await session.run(window.digit(pictures))).probabilities.data;
      }
      return runs;
    }, images);
    assert.equal(got.isolated, true);
    assert.ok(right(got.larder) && right(got.wasm));
    await page.context().close();
    const own = await openPage(it.browser, `${it.larder.url}/demo/`);
    assert.equal(await own.evaluate(async () => {
      const { connect } = await import('/larder.js');
      return (await (await connect()).createSession(null, 'digits')).backend;
    }), 'larder');
    await own.context().close();
  });

  test('a module worker of an isolated page: the daemon, its own wasm, a remembered choice', async () => {
    it.site.pages['/worker.js'] = { type: 'text/javascript', headers: ISOLATED, body: `
      import * as ort from '/ort/ort.wasm.min.mjs';
      import { connect } from '${it.larder.url}/larder.js';
      onmessage = async ({ data }) => {
        try {
          ort.env.wasm.numThreads = 1;
          const larder = await connect(), answers = {};
          for (const fallback of ['auto', 'never']) {
            const session = await larder.createSession(ort, 'digits', { fallback });
            const { probabilities } = await session.run({ image: new ort.Tensor('float32', Float32Array.from(data.flat()), [data.length, 1, 28, 28]) });
            answers[session.backend] = [...probabilities.data];
          }
          const choices = [await larder.choose({ model: 'digits', ort }), await larder.choose({ model: 'digits', ort })];
          postMessage({ answers, isolated: crossOriginIsolated, remembered: choices.map((c) => c.remembered) });
        } catch (error) { postMessage({ failed: error.stack }); }
      };` };
    const page = await openPage(it.browser, `${it.site.url}/isolated`);
    const got = await page.evaluate((pictures) => new Promise((done) => {
      const worker = new Worker('/worker.js', { type: 'module' });
      worker.onmessage = (e) => done(e.data);
      worker.onerror = (e) => done({ failed: e.message ?? 'the worker did not start' });
      worker.postMessage(pictures);
    }), images);
    assert.equal(got.failed, undefined);
    assert.deepEqual([Object.keys(got.answers), got.isolated, got.remembered], [['larder', 'wasm'], true, [false, true]]);
    assert.ok(Object.values(got.answers).every(right));
    await page.context().close();
  });

  test('feeds are checked before anything is sent', async () => {
    const page = await visit();
    let sent = 0;
    page.on('request', (r) => { sent += r.url().endsWith('/infer') || r.url().includes('/infer?'); });
    const failures = await page.evaluate(async () => {
      const session = await window.larder.createSession(window.ort, 'digits');
      const tensor = (type, data, dims) => new window.ort.Tensor(type, data, dims);
      const image = tensor('float32', new Float32Array(784), [1, 1, 28, 28]);
      return Promise.all([
        { image, extra: image }, {}, { image: tensor('int32', new Int32Array(784), [1, 1, 28, 28]) },
        { image: tensor('float32', new Float32Array(784), [1, 784]) },
        { image: tensor('float32', new Float32Array(756), [1, 1, 28, 27]) },
      ].map((feeds) => window.failure(session.run(feeds))));
    });
    assert.deepEqual(failures.map((f) => [f.name, f.input]), [['LarderInputError', 'extra'],
      ...Array(4).fill(['LarderInputError', 'image'])]);
    assert.deepEqual(failures.map((f) => f.expected), ['image', 'float32 [-1,1,28,28]', 'float32',
      '[-1,1,28,28]', '[-1,1,28,28]']);
    assert.equal(sent, 0);
    await page.context().close();
  });

  test('a provider that cannot start is passed over before anything is downloaded', async () => {
    const page = await visit();
    const got = await page.evaluate(async () => {
      const session = await window.larder.createSession(window.ort, 'digits', {
        executionProviders: ['webgpu', 'nonsense', 'wasm', 'larder'] });
      const all = await window.failure(window.larder.createSession(window.ort, 'digits', {
        executionProviders: ['webgpu', 'nonsense'] }));
      const missing = await window.failure(window.larder.createSession(window.ort, 'no/body', {}));
      return { backend: session.backend, all, missing, events: window.events };
    });
    assert.equal(got.backend, 'wasm');
    const moves = got.events.filter((e) => e.type === 'fallback');
    assert.deepEqual(moves.slice(0, 2).map((m) => [m.model, m.from, m.to]),
      [['digits', 'webgpu', 'nonsense'], ['digits', 'nonsense', 'wasm']]);
    assert.deepEqual(got.all.errors.map((e) => e.backend), ['webgpu', 'nonsense']);
    assert.deepEqual(got.missing.errors.map((e) => [e.backend, e.code]),
      [['larder', 'not-found'], ['wasm', 'not-found']]);
    const downloads = new Set(page.files.map((f) => f.path));
    assert.equal(page.files.length, downloads.size, 'nothing twice');
    await page.context().close();
  });

  test('GPU refused at the start: the daemon runs it and no weights come', async () => {
    const page = await visit({ ort: '/ort/ort.webgpu.min.mjs' });
    const got = await page.evaluate(async () => {
      Object.defineProperty(navigator, 'gpu', { value: { requestAdapter: async () => ({}) }, configurable: true });
      const session = await window.larder.createSession(window.ort, 'digits');
      return { backend: session.backend, moves: window.events.filter((e) => e.type === 'fallback') };
    });
    assert.equal(got.backend, 'larder');
    assert.deepEqual(got.moves.map((m) => [m.from, m.to]), [['webgpu', 'larder']]);
    assert.deepEqual(await filesEver(page), []);
    await page.context().close();
  });

  test('the daemon dies: that run fails, the next one runs in the page', async () => {
    const short = await startLarder({ origins: [it.site.url] });
    const page = await visit({ url: short.url });
    await page.evaluate(async () => {
      window.one = await window.larder.createSession(window.ort, '/www/sample/model.onnx', { model: 'digits' });
      window.two = await window.larder.createSession(window.ort, 'digits', { fallback: 'always' });
      window.visited = await window.larder.createSession(window.ort, 'digits', { fallback: 'never' });
      window.three = await window.larder.createSession(window.ort, 'digits');
      await window.one.run(window.digit([Array(784).fill(0)]));
    });
    await short.kill();
    const got = await page.evaluate(async (pictures) => {
      const first = await window.failure(window.one.run(window.digit(pictures)));
      const before = window.one.backend;
      const second = window.plain(await window.one.run(window.digit(pictures))).probabilities.data;
      const strict = [await window.failure(window.two.run(window.digit(pictures))),
        await window.failure(window.two.run(window.digit(pictures)))];
      const cached = [window.three.backend, await window.failure(window.three.run(window.digit(pictures)))];
      const kept = window.plain(await window.three.run(window.digit(pictures))).probabilities.data;
      return { first, before, second, after: window.one.backend, strict, cached: [...cached, window.three.backend], kept, events: window.events };
    }, images);
    assert.deepEqual([got.first.name, got.first.reason, got.before, got.after],
      ['LarderUnavailable', 'connection lost', 'larder', 'wasm']);
    assert.ok(right(got.second));
    assert.deepEqual([got.cached[0], got.cached[1].reason, got.cached[2]], ['larder', 'connection lost', 'wasm']);
    assert.ok(right(got.kept), 'from the browser\'s cache');
    assert.deepEqual(got.strict.map((e) => e.reason), ['connection lost', 'connection lost']);
    assert.deepEqual(got.events.filter((e) => e.type === 'fallback').map((e) => [e.from, e.to]), Array(2).fill(['larder', 'wasm']));
    const again = await startLarder({ origins: [it.site.url], port: short.port });
    try {
      assert.deepEqual(await page.evaluate(async (pictures) => {
        const strict = window.plain(await window.two.run(window.digit(pictures))).probabilities.dims;
        const fresh = await window.larder.createSession(window.ort, 'digits');
        return [strict, window.one.backend, fresh.backend];
      }, images), [[10, 10], 'wasm', 'larder']);
    } finally {
      await again.stop();
    }
    await page.context().close();
  });

  test('batch: runs of one frame are one request, each with its own rows', async () => {
    const page = await visit();
    const posts = [];
    page.on('request', (r) => r.method() === 'POST' && posts.push(r.url()));
    const got = await page.evaluate(async (pictures) => {
      const session = await window.larder.createSession(window.ort, 'digits', { batch: { frameMs: 30, max: 16 } });
      const stop = new AbortController();
      const runs = pictures.map((p) => session.run(window.digit([p])));
      const left = window.failure(session.run(window.digit([pictures[0]]), undefined, { signal: stop.signal }));
      stop.abort();
      const rows = await Promise.all(runs);
      const two = await session.run(window.digit(pictures.slice(0, 2)));
      return { rows: rows.flatMap((r) => [...r.probabilities.data]), dims: rows.map((r) => [...r.probabilities.dims]),
        left: await left, two: [...two.probabilities.dims] };
    }, images);
    assert.ok(right(got.rows));
    assert.deepEqual(got.dims, Array(10).fill([1, 10]));
    assert.deepEqual(got.two, [2, 10]);
    assert.equal(got.left.name, 'AbortError');
    assert.equal(posts.length, 2);
    await page.context().close();
  });

  test('batch: what does not fit together goes alone, a full frame goes at once, a failure is everybody\'s', async () => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'larder-batch-'));
    const write = (file, model) => {
      fs.writeFileSync(path.join(dir, file), onnxModel(model));
      return path.join(dir, file);
    };
    const add = (dims, y) => ({ nodes: [['Add', ['x', 'k'], ['y']]], inputs: [['x', 'float32', dims]], outputs: [['y', 'float32', y]],
      weights: [{ name: 'k', dims: [3], type: 'float32', data: Float32Array.of(1, 2, 3) }] });
    await it.larder.ctl('import', '--name', 'rows', write('rows.onnx', add(['n', 'm'], ['n', 3])));
    await it.larder.ctl('import', '--name', 'fixed', write('fixed.onnx', add([1, 3], [1, 3])));
    fs.rmSync(dir, { recursive: true });
    const page = await visit();
    const posts = [];
    page.on('request', (r) => r.method() === 'POST' && posts.push(JSON.parse(r.postDataBuffer().toString('latin1').replace(/\} *[^}]*$/s, '}'))
      .inputs[0].shape.join('x')));
    const got = await page.evaluate(async () => {
      const open = (name, batch) => window.larder.createSession(window.ort, name, { batch });
      const x = (rows, width = 3) => ({ x: new window.ort.Tensor('float32', new Float32Array(rows * width), [rows, width]) });
      const run = (session, feeds) => session.run(feeds).then((r) => [...r.y.data], (e) => `${e.name} ${e.input ?? ''}`);
      const slow = await open('rows', { frameMs: 10000, max: 2 }), quick = await open('rows', { frameMs: 30 }), fixed = await open('fixed', true);
      const began = performance.now();
      const full = await Promise.all([run(slow, x(1)), run(slow, x(2))]);
      const took = performance.now() - began;
      const mixed = await Promise.all([run(quick, x(1)), run(quick, x(1, 1)), run(quick, x(1))]);
      const alone = await Promise.all([run(fixed, x(1)), run(fixed, x(1))]);
      const wrong = await Promise.all([run(quick, x(1, 5)), run(quick, x(2, 5))]);
      return { full, took, mixed, alone, wrong };
    });
    const row = [1, 2, 3];
    assert.deepEqual(got.full, [row, [...row, ...row]]);
    assert.ok(got.took < 5000, `${got.took} ms`);
    assert.deepEqual([got.mixed, got.alone], [[row, row, row], [row, row]]);
    assert.deepEqual(got.wrong.map((w) => w.split(' ')[0]), ['LarderInputError', 'LarderInputError']);
    assert.deepEqual(posts.slice(0, 1), ['3x3']);
    assert.deepEqual(posts.slice(1, 3).sort(), ['1x1', '2x3']);
    assert.deepEqual(posts.slice(3), ['1x3', '1x3', '3x5']);
    await page.context().close();
  });

  test('every element type comes back as wasm has it: type, dims, kind of array, values', async () => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'larder-types-'));
    const types = ['float32', 'float64', 'float16', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64', 'bool', 'string'];
    fs.writeFileSync(path.join(dir, 'types.onnx'), onnxModel({
      nodes: types.flatMap((t) => [['Identity', [t], [`${t}_out`]], ['Identity', [`${t}_0`], [`${t}_0_out`]]]),
      inputs: types.flatMap((t) => [[t, t, ['n']], [`${t}_0`, t, []]]),
      outputs: types.flatMap((t) => [[`${t}_out`, t, ['n']], [`${t}_0_out`, t, []]]) }));
    await it.larder.ctl('import', '--name', 'types', path.join(dir, 'types.onnx'));
    fs.rmSync(dir, { recursive: true });
    const page = await visit();
    const got = await page.evaluate(async () => {
      const { Tensor } = window.ort, feeds = {}, runs = {};
      const values = { float32: Float32Array.of(1.5, -0, 3e38), float64: Float64Array.of(Math.PI, -1, 0), float16: Uint16Array.of(0x3c00, 0xc000, 1),
        int8: Int8Array.of(-128, 0, 127), int16: Int16Array.of(-32768, 0, 1), int32: Int32Array.of(-5, 6, 2 ** 31 - 1),
        int64: BigInt64Array.of(-(2n ** 63n), 0n, 2n ** 53n + 1n), uint8: Uint8Array.of(0, 1, 255), uint16: Uint16Array.of(0, 1, 65535),
        uint32: Uint32Array.of(0, 1, 2 ** 32 - 1), uint64: BigUint64Array.of(0n, 1n, 2n ** 64n - 1n), bool: Uint8Array.of(1, 0, 1), string: ['', 'ä', 'two words'] };
      for (const [type, data] of Object.entries(values)) {
        feeds[type] = new Tensor(type, data, [3]);
        feeds[`${type}_0`] = new Tensor(type, data.slice(1, 2), []);
      }
      for (const fallback of ['always', 'never']) {
        const session = await window.larder.createSession(window.ort, 'types', { fallback });
        const out = await session.run(feeds);
        runs[session.backend] = Object.fromEntries(Object.entries(out).map(([name, t]) => [name,
          [t instanceof Tensor, t.type, t.dims.join(), t.data.constructor.name, Array.from(t.data, String)]]));
      }
      return { ...runs, kept: Object.values(feeds).every((t) => t.data.length > 0), halves: feeds.float16.data.constructor.name };
    });
    assert.equal(Object.keys(got.larder).length, 26);
    assert.deepEqual(got.larder, got.wasm);
    assert.deepEqual(got.larder.int64_out, [true, 'int64', '3', 'BigInt64Array', ['-9223372036854775808', '0', '9007199254740993']]);
    assert.deepEqual(got.larder.float16_0_out.slice(0, 4), [true, 'float16', '', got.halves]);
    assert.deepEqual([got.larder.string_out[4], got.kept], [['', 'ä', 'two words'], true]);
    await page.context().close();
  });

  test('many runs: the model described once, one preflight, answers to their own callers', async () => {
    const page = await visit(), network = await page.context().newCDPSession(page);
    const asked = [];
    await network.send('Network.enable');
    network.on('Network.requestWillBeSent', ({ request }) => asked.push(
      `${request.method} ${new URL(request.url).pathname.split('/').pop()}`));
    const wrong = await page.evaluate(async (cases) => {
      const session = await window.larder.createSession(window.ort, 'digits');
      await session.run(window.digit([cases[0].image]));
      return Math.max(...await Promise.all(Array.from({ length: 40 }, async (_, i) => {
        const { image, probabilities } = cases[i % cases.length], out = await session.run(window.digit([image]));
        return Math.max(...probabilities.map((p, k) => Math.abs(p - out.probabilities.data[k])));
      })));
    }, reference.cases);
    assert.ok(wrong < 1e-4, `${wrong}`);
    const count = (what) => asked.filter((a) => a === what).length;
    assert.deepEqual(['GET digits', 'POST infer', 'OPTIONS infer'].map(count), [1, 41, 1], JSON.stringify([...new Set(asked)]));
    await page.context().close();
  });

  test('abort: the run ends at once here, and soon in the daemon; close ends what is under way', async () => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'larder-slow-'));
    const layers = Array.from({ length: 60 }, (_, i) => ['Conv', [`x${i}`, 'k'], [`x${i + 1}`], { pads: [1, 1, 1, 1] }]);
    fs.writeFileSync(path.join(dir, 'slow.onnx'), onnxModel({ inputs: [['x', 'float32', ['n', 64, 8, 8]]], outputs: [['y', 'float32', ['n']]],
      nodes: [['Tile', ['x', 'by'], ['x0']], ...layers, ['ReduceMean', ['x60'], ['y'], { axes: [1, 2, 3], keepdims: 0 }]],
      weights: [weights('k', [64, 64, 3, 3]), { name: 'by', dims: [4], type: 'int64', data: BigInt64Array.of(1n, 1n, 28n, 28n) }] }));
    await it.larder.ctl('import', '--name', 'slow', path.join(dir, 'slow.onnx'));
    fs.rmSync(dir, { recursive: true });
    const page = await visit();
    const before = await metrics();
    const got = await page.evaluate(async (url) => {
      const other = await window.module.connect({ url });
      const open = (larder) => larder.createSession(window.ort, 'slow', { fallback: 'always' });
      const [session, closing] = [await open(window.larder), await open(other)];
      const feeds = { x: new window.ort.Tensor('float32', new Float32Array(64 * 64), [1, 64, 8, 8]) };
      const stop = new AbortController(), ends = [];
      const timed = async (run) => {
        const { name, code } = await run.catch((e) => e);
        ends.push([name, code, performance.now()]);
      };
      const runs = [timed(session.run(feeds, { signal: stop.signal })), timed(closing.run(feeds))];
      await new Promise((done) => { setTimeout(done, 400); });
      const from = performance.now();
      stop.abort();
      other.close();
      await Promise.all(runs);
      return ends.map(([name, code, at]) => [name, code, at - from]).sort();
    }, it.larder.url);
    assert.deepEqual(got.map(([name, code]) => [name, name === 'LarderError' ? code : '']), [['AbortError', ''], ['LarderError', 'closed']]);
    assert.ok(got.every(([, , ms]) => ms >= 0 && ms < 100), JSON.stringify(got));
    let after;
    for (let tries = 0; tries < 60; tries++) {
      await page.waitForTimeout(50);
      after = await metrics();
      if (after.larder_inferences_cancelled_total > before.larder_inferences_cancelled_total)
        break;
    }
    assert.ok(after.larder_inferences_cancelled_total > before.larder_inferences_cancelled_total, 'one stops, one leaves the queue');
    const [{ inference_stats: { success } }] = (await (await fetch(`${it.larder.url}/v2/models/slow/stats`)).json()).model_stats;
    assert.equal(success.count, 0);
    assert.equal(after.larder_inferences_total, before.larder_inferences_total);
    await page.context().close();
  });

  test('register: plain InferenceSession.create takes \'larder\', by URL and by digest', async () => {
    const page = await visit();
    const got = await page.evaluate(async ({ url, pictures }) => {
      window.larder.register(window.ort);
      window.larder.register(window.ort);
      const create = (source) => window.ort.InferenceSession.create(source, { executionProviders: ['larder', 'wasm'] });
      const byUrl = await create(`${url}/digits/resolve/main/model.onnx`);
      const bytes = new Uint8Array(await (await fetch('/www/sample/model.onnx')).arrayBuffer());
      const byDigest = await create(bytes);
      const runs = await Promise.all([byUrl, byDigest].map(async (s) => window.plain(
        await s.run(window.digit(pictures))).probabilities));
      return { runs, names: byUrl.inputNames, meta: byUrl.inputMetadata,
        unknown: await window.failure(create(new Uint8Array([1, 2, 3]))) };
    }, { url: it.larder.url, pictures: images });
    for (const run of got.runs)
      assert.ok(right(run.data) && run.tensor);
    assert.deepEqual([got.names, got.meta[0].name], [['image'], 'image']);
    assert.deepEqual([got.unknown.name, got.unknown.code], ['LarderModelError', 'not-found']);
    assert.deepEqual(await filesEver(page), []);
    await page.context().close();
  });

  test('choose measures, says why, and remembers', async () => {
    const page = await visit();
    const got = await page.evaluate(async () => {
      const ask = (o) => window.larder.choose({ model: 'digits', ort: window.ort, ...o });
      const first = await ask();
      performance.clearResourceTimings();
      const second = await ask();
      const asked = performance.getEntriesByType('resource').length;
      return { first, second, asked, roomy: await ask({ budgetMs: 60000 }), small: await ask({ memoryBudgetBytes: 1000 }),
        fresh: await ask({ fresh: true }), steps: window.events.filter((e) => e.phase === 'measure') };
    });
    assert.deepEqual(Object.keys(got.first.measured).sort(), ['larder', 'wasm']);
    for (const { load_ms, run_ms } of Object.values(got.first.measured))
      assert.ok(load_ms > 0 && run_ms > 0);
    assert.deepEqual([got.first.remembered, got.second.remembered, got.fresh.remembered], [false, true, false]);
    assert.equal(got.second.backend, got.first.backend);
    assert.equal(got.asked, 0, 'a remembered choice asks nothing');
    assert.equal(got.roomy.backend, 'larder');
    assert.match(got.roomy.reason, /60000 ms/);
    assert.equal(got.small.backend, 'larder');
    assert.match(got.small.reason, /1000/);
    assert.deepEqual(Object.keys(got.small.measured), ['larder']);
    assert.deepEqual([got.steps.at(-1).loaded, got.steps.at(-1).total], [2, 2]);
    await page.context().close();
  });

  test('a model that changes under main: open sessions keep theirs', async () => {
    const other = await startLarder({ origins: [it.site.url], sample: false });
    const sample = (file) => path.join(SOURCE, 'www/sample', file);
    await other.ctl('import', '--name', 'm', sample('model.onnx'), sample('weights-1.bin'), sample('weights-2.bin'));
    const page = await visit({ url: other.url });
    await page.evaluate(async () => { window.one = await window.larder.createSession(window.ort, 'm'); });
    const odd = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'larder-odd-')), 'model.onnx');
    fs.writeFileSync(odd, Buffer.from('CAdCAhANOjcKEAoBeBIBeSIISWRlbnRpdHkSAWdaDwoBeBIKCggIARIECgIIAWIPCgF5EgoKCAgBEgQKAggB', 'base64'));
    await other.ctl('import', '--name', 'm', odd);
    const got = await page.evaluate(async (pictures) => ({
      old: window.plain(await window.one.run(window.digit(pictures))).probabilities.dims,
      fresh: (await window.larder.createSession(window.ort, 'm')).inputNames,
    }), images);
    assert.deepEqual(got, { old: [10, 10], fresh: ['x'] });
    fs.rmSync(path.dirname(odd), { recursive: true });
    await page.context().close();
    await other.stop();
  });
});
