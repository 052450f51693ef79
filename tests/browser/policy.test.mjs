// SPDX-License-Identifier: MIT
//
// Who runs a model, with the real onnxruntime-web: pages with WebGPU (the browser's own SwiftShader), providers that
// cannot start, models that only one of daemon and page can run, what choose() remembers, how a model is named.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';

import {
  compare, filesEver, folder, inside, noBrowser, openReady, SOFT_GPU, SOURCE, stage, startLarder,
} from './lib.mjs';
import { onnxModel, weights } from './onnx_model.mjs';

const missing = !folder('onnxruntime-web') && 'onnxruntime-web is not installed';
const roots = { '/ort/': inside('onnxruntime-web', 'dist'), '/www/': path.join(SOURCE, 'www') };
const [WASM, GPU] = ['/ort/ort.wasm.min.mjs', '/ort/ort.webgpu.min.mjs'];
const reference = JSON.parse(fs.readFileSync(path.join(SOURCE, 'www/sample/reference.json'), 'utf8'));
const images = reference.cases.map((c) => c.image);
const right = (out) => compare(out.probabilities.data, reference.cases.flatMap((c) => c.probabilities)).worst < 1e-4;
const SIZES = ['model.onnx', 'weights-1.bin', 'weights-2.bin'].map((f) => fs.statSync(path.join(SOURCE, 'www/sample', f)).size);

/** How often the daemon ran something. */
const inferences = async ({ larder }) => Number(/^larder_inferences_total (\d+)$/m.exec(
  await (await fetch(`${larder.url}/metrics`)).text())[1]);

/** y = x · k, so that files can be told apart by what they answer. */
const times = (k) => onnxModel({ nodes: [['Mul', ['x', 'k'], ['y']]],
  weights: [{ name: 'k', dims: [1], type: 'float32', data: Float32Array.of(k) }],
  inputs: [['x', 'float32', ['n']]], outputs: [['y', 'float32', ['n']]] });

describe('a page with WebGPU', { skip: noBrowser() || missing }, () => {
  const it = stage({ roots, flags: SOFT_GPU });
  const visit = () => openReady(it, { ort: GPU });

  test('auto: WebGPU in the page runs it, with weights that come once', async () => {
    const page = await visit();
    const before = await inferences(it);
    const got = await page.evaluate(async (pictures) => {
      const session = await window.larder.createSession(window.ort, 'digits');
      return { backend: session.backend, out: window.plain(await session.run(window.digit(pictures))), events: window.events };
    }, images);
    assert.equal(got.backend, 'webgpu');
    assert.ok(right(got.out));
    assert.deepEqual(got.events.filter((e) => e.type === 'fallback'), []);
    const ends = got.events.filter((e) => e.phase === 'download' && e.loaded === e.total);
    assert.deepEqual(ends.map((e) => e.total).sort(), SIZES.toSorted(), 'each file once');
    assert.equal(await inferences(it), before);
    await page.context().close();
  });

  test('WebGPU that fails with the model itself: the daemon, and nothing comes twice', async () => {
    const page = await visit();
    const got = await page.evaluate(async (pictures) => {
      const { InferenceSession } = window.ort, { create } = InferenceSession;
      InferenceSession.create = (bytes, o) => (o.executionProviders[0] === 'webgpu' && bytes.length > 1000
        ? Promise.reject(new Error('device lost')) : create.call(InferenceSession, bytes, o));
      const session = await window.larder.createSession(window.ort, 'digits');
      const wasm = await window.larder.createSession(window.ort, 'digits', { executionProviders: ['webgpu', 'wasm'] });
      return { backends: [session.backend, wasm.backend], out: window.plain(await session.run(window.digit(pictures))),
        moves: window.events.filter((e) => e.type === 'fallback').map((e) => [e.from, e.to, e.error.message]),
        asked: performance.getEntriesByType('resource').filter((r) => r.name.endsWith('/model.onnx')).length };
    }, images);
    assert.deepEqual(got.backends, ['larder', 'wasm']);
    assert.ok(right(got.out));
    assert.deepEqual(got.moves, [['webgpu', 'larder', 'device lost'], ['webgpu', 'wasm', 'device lost']]);
    assert.equal(got.asked, 2, 'once for each session');
    await page.context().close();
  });

  test('choose measures WebGPU, the daemon and wasm; budgets decide in that order', async () => {
    const page = await visit();
    const got = await page.evaluate(async () => {
      const ask = (o) => window.larder.choose({ model: 'digits', ort: window.ort, ...o });
      return [await ask(), await ask({ budgetMs: 60000 }), await ask({ budgetMs: 0.001 }), await ask({ memoryBudgetBytes: 1e5 })];
    });
    assert.deepEqual(Object.keys(got[0].measured), ['webgpu', 'larder', 'wasm']);
    const fastest = ({ measured }) => Object.entries(measured).sort((a, b) => a[1].run_ms - b[1].run_ms)[0][0];
    assert.equal(got[0].backend, fastest(got[0]));
    assert.equal(got[1].backend, 'webgpu');
    assert.match(got[1].reason, /^webgpu takes .* within the budget of 60000 ms/);
    assert.equal(got[2].backend, fastest(got[2]));
    assert.match(got[2].reason, /none meets the budget of 0.001 ms/);
    assert.deepEqual(Object.keys(got[3].measured), ['larder']);
    assert.match(got[3].reason, /bytes of weights exceed the memory budget of 100000/);
    await page.context().close();
  });
});

describe('policy', { skip: noBrowser() || missing }, () => {
  let dir;
  const add = async ({ larder }, name, files) => {
    for (const [file, bytes] of Object.entries(files)) {
      fs.mkdirSync(path.dirname(path.join(dir, name, file)), { recursive: true });
      fs.writeFileSync(path.join(dir, name, file), bytes);
    }
    await larder.ctl('import', '--name', name, path.join(dir, name));
  };
  const it = stage({ roots, prepare: async (now) => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'larder-policy-'));
    await add(now, 'org/odd', { 'model.onnx': onnxModel({ // an operator that larder does not have
      nodes: [['com.microsoft.UnfoldTensor', ['x'], ['y'], { dim: 0, size: 2, step: 1 }]],
      inputs: [['x', 'float32', [3]]], outputs: [['y', 'float32', [2, 2]]] }) });
    await add(now, 'org/one', { 'sub/only.onnx': times(5) });
    await add(now, 'org/many', { 'a.onnx': times(2), 'b.onnx': times(7) });
    await add(now, 'org/usual', { 'onnx/model.onnx': times(11), 'onnx/model_fp16.onnx': times(13) });
    await add(now, 'org/large', { 'onnx/model.onnx': times(1), 'onnx/model_big.onnx': onnxModel({
      nodes: [['MatMul', ['x', 'w'], ['y']]], weights: [weights('w', [300, 300])],
      inputs: [['x', 'float32', ['n', 300]]], outputs: [['y', 'float32', ['n', 300]]] }), 'onnx/model_big.onnx_data': Buffer.alloc(300000) });
  } });
  after(() => dir && fs.rmSync(dir, { recursive: true, force: true }));
  const visit = (options) => openReady(it, { ort: WASM, ...options });

  test('a wasm binary that is not there is noticed before anything is downloaded', async () => {
    const page = await visit();
    const got = await page.evaluate(async (pictures) => {
      window.ort.env.wasm.wasmPaths = `${location.origin}/nowhere/`;
      const session = await window.larder.createSession(window.ort, 'digits', { executionProviders: ['webnn', { name: 'wasm' }, 'larder'] });
      return { backend: session.backend, out: window.plain(await session.run(window.digit(pictures))),
        moves: window.events.filter((e) => e.type === 'fallback').map((e) => [e.from, e.to]) };
    }, images);
    assert.equal(got.backend, 'larder');
    assert.ok(right(got.out));
    assert.deepEqual(got.moves, [['webnn', 'wasm'], ['wasm', 'larder']]);
    assert.deepEqual(await filesEver(page), []);
    await page.context().close();
  });

  test('a model that the daemon cannot run: the page does, by auto; always says why', async () => {
    const page = await visit();
    const got = await page.evaluate(async () => {
      const session = await window.larder.createSession(window.ort, 'org/odd');
      const out = window.plain(await session.run({ x: new window.ort.Tensor('float32', Float32Array.of(2, 4, 8), [3]) }));
      window.larder.register(window.ort);
      const plainly = await window.failure(window.ort.InferenceSession.create(
        `${window.larder.url}/org/odd/resolve/main/model.onnx`, { executionProviders: ['larder', 'wasm'] }));
      return { backend: session.backend, out: out.y.data, plainly,
        moves: window.events.filter((e) => e.type === 'fallback').map((e) => [e.from, e.to, e.error.code]),
        always: await window.failure(window.larder.createSession(window.ort, 'org/odd', { fallback: 'always' })) };
    });
    assert.deepEqual([got.backend, got.out], ['wasm', [2, 4, 4, 8]]);
    assert.deepEqual(got.moves, [['larder', 'wasm', 'not-runnable']]);
    for (const refused of [got.plainly, got.always])
      assert.deepEqual([refused.name, refused.code], ['LarderModelError', 'not-runnable']);
    await page.context().close();
  });

  test('register: without a daemon plain create goes on to wasm; with a model named, bytes are not looked up', async () => {
    const short = await startLarder({ origins: [it.site.url] });
    const page = await visit({ url: short.url });
    await short.stop();
    const away = await page.evaluate(async (base) => {
      window.larder.register(window.ort);
      const bytes = new Uint8Array(await (await fetch('/www/sample/model.onnx')).arrayBuffer());
      const externalData = ['weights-1.bin', 'weights-2.bin'].map((path) => ({ path, data: `${base}/www/sample/${path}` }));
      const session = await window.ort.InferenceSession.create(bytes, { executionProviders: ['larder', 'wasm'], externalData });
      return window.plain(await session.run(window.digit([Array(784).fill(0)]))).probabilities.dims;
    }, it.site.url);
    assert.deepEqual(away, [1, 10]);
    await page.context().close();
    const other = await visit();
    assert.deepEqual(await other.evaluate(async () => {
      window.larder.register(window.ort, { model: 'digits' });
      const session = await window.ort.InferenceSession.create(new Uint8Array([1, 2, 3]), { executionProviders: ['larder'] });
      return session.inputNames;
    }), ['image']);
    await other.context().close();
  });

  test('createSession takes bytes: the daemon finds them by their digest, the page runs them itself', async () => {
    const page = await visit();
    const got = await page.evaluate(async () => {
      const get = async (name) => new Uint8Array(await (await fetch(`${window.larder.url}/${name}`)).arrayBuffer());
      const bytes = await get('org/one/resolve/main/sub/only.onnx'), x = { x: new window.ort.Tensor('float32', Float32Array.of(2), [1]) };
      const runs = {};
      for (const fallback of ['auto', 'never']) {
        const session = await window.larder.createSession(window.ort, bytes, { fallback });
        runs[session.backend] = window.plain(await session.run(x)).y.data;
      }
      const changed = bytes.slice();
      changed.set([0, 0, 0xc0, 0x3f], changed.findIndex((_, i) => i > 0 && changed[i] === 0 && changed[i + 1] === 0 && changed[i + 2] === 0xa0)); // 1.5 for 5
      const unknown = await window.larder.createSession(window.ort, changed);
      return { runs, own: [unknown.backend, window.plain(await unknown.run(x)).y.data],
        always: await window.failure(window.larder.createSession(window.ort, changed, { fallback: 'always' })),
        models: [...new Set(window.events.map((e) => e.model))].filter((m) => m.length > 100) };
    });
    assert.deepEqual(got.runs, { larder: [10], wasm: [10] });
    assert.deepEqual(got.own, ['wasm', [3]]);
    assert.deepEqual([got.always.name, got.always.code], ['LarderModelError', 'not-found']);
    assert.deepEqual(got.models, [], 'no event is named by all its bytes');
    await page.context().close();
  });

  test('which file of a model is meant, by page and daemon alike', async () => {
    const page = await visit();
    const got = await page.evaluate(async () => {
      const answer = async (name, options) => {
        const answers = [];
        for (const fallback of ['always', 'never']) {
          answers.push(await window.larder.createSession(window.ort, name, { fallback, ...options }).then(
            async (s) => window.plain(await s.run({ x: new window.ort.Tensor('float32', Float32Array.of(1), [1]) })).y.data[0],
            ({ name: kind, code, message }) => `${kind} ${code} ${/a\.onnx.*b\.onnx/.test(message)}`));
        }
        return answers;
      };
      const { revision, file, id } = await window.larder.describe('org/one');
      return { one: await answer('org/one'), many: await answer('org/many'), picked: await answer('org/many', { file: 'b.onnx' }),
        usual: await answer('org/usual'), url: await answer(`${window.larder.url}/org/usual/resolve/main/onnx/model_fp16.onnx`),
        revision: await answer(`org/one@${revision}`), unknown: await answer('org/one@nowhere'), file, id,
        described: (await window.larder.describe('org/many', { file: 'a.onnx' })).file,
        inferred: (await window.larder.infer('org/many', { x: { type: 'float32', dims: [1], data: Float32Array.of(1) } }, { file: 'a.onnx' })).y.data[0] };
    });
    assert.deepEqual(got.one, [5, 5]);
    assert.deepEqual(got.many, Array(2).fill('LarderModelError ambiguous true'));
    assert.deepEqual([got.picked, got.usual, got.url, got.revision], [[7, 7], [11, 11], [13, 13], [5, 5]]);
    assert.deepEqual(got.unknown, Array(2).fill('LarderModelError not-found false'));
    assert.deepEqual([got.file, got.id, got.described, got.inferred], ['sub/only.onnx', 'org/one', 'a.onnx', 2]);
    await page.context().close();
  });

  test('a remembered daemon counts while it is there; other models in the folder do not weigh', async () => {
    const short = await startLarder({ origins: [it.site.url] });
    const page = await visit({ url: short.url });
    await page.evaluate(async () => {
      window.kept = await window.larder.choose({ model: 'digits', budgetMs: 60000 });
    });
    await short.kill();
    const got = await page.evaluate(async () => {
      const known = await window.larder.choose({ model: 'digits', budgetMs: 60000 });
      await window.failure(window.larder.models());
      return { first: window.kept, known, gone: await window.failure(window.larder.choose({ model: 'digits', budgetMs: 60000 })) };
    });
    assert.deepEqual([got.first.backend, got.known.backend, got.known.remembered], ['larder', 'larder', true]);
    assert.deepEqual([got.gone.name, got.gone.reason], ['LarderUnavailable', 'connection lost']);
    await page.context().close();
    const other = await visit();
    assert.deepEqual(await other.evaluate(async () => {
      const { measured } = await window.larder.choose({ model: 'org/large', ort: window.ort, memoryBudgetBytes: 1000 });
      localStorage.setItem(Object.keys(localStorage)[0], 'not JSON');
      const again = await window.larder.choose({ model: 'org/large', ort: window.ort, memoryBudgetBytes: 1000 });
      return [Object.keys(measured), again.remembered];
    }), [['larder', 'wasm'], false]);
    await other.context().close();
  });
});
