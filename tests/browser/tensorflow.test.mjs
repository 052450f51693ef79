// SPDX-License-Identifier: MIT
//
// The real TensorFlow.js on a page of another origin: from larder with progress, or on the daemon.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';

import {
  compare, filesCame, filesEver, floats, folder, golden, inside, noBrowser, openReady, readGolden, stage,
  startLarder,
} from './lib.mjs';

const TFJS = folder('@tensorflow/tfjs');
const MOBILENET = golden('mobilenetv2-035-tm');
const HUMAN = golden('tfjs-human');
const NSFW = golden('tfjs-nsfwjs-mobilenetv2');
const ABALONE = golden('tfjs-examples-abalone');
const missing = (!TFJS && '@tensorflow/tfjs is not installed') || (!HUMAN && 'no models in ../shared');

describe('TensorFlow.js', { skip: noBrowser() || missing }, () => {
  const it = stage({ roots: { '/tfjs/': inside('@tensorflow/tfjs', 'dist'), '/human/': path.join(HUMAN ?? '', 'golden/emotion'),
    '/mobilenet/': path.join(MOBILENET ?? '', 'golden/mobilenet_model'), '/nsfw/': path.join(NSFW ?? '', 'golden/model'),
    '/abalone/': path.join(ABALONE ?? '', 'golden/model') },
  prepare: async ({ larder }) => {
    await larder.ctl('import', '--name', 'org/emotion', path.join(HUMAN, 'emotion.json'), path.join(HUMAN, 'emotion.bin'));
    await larder.ctl('import', '--name', 'org/nsfw', path.join(NSFW, 'model.json'), path.join(NSFW, 'group1-shard1of1'));
    await larder.ctl('import', '--name', 'mobilenet', path.join(MOBILENET, 'mobilenet_model.onnx'));
  } });

  async function visit(url) {
    const page = await openReady(it, { url });
    await page.addScriptTag({ url: '/tfjs/tf.min.js' });
    await page.evaluate(async () => {
      await window.tf.setBackend('cpu');
      window.tensor = async (file, shape) => window.tf.tensor(
        new Float32Array(await (await fetch(file)).arrayBuffer()), shape);
      window.plain = async (t) => ({ dims: t.shape, type: t.dtype, data: [...await t.data()] });
    });
    return page;
  }

  const within = (got, output) => {
    assert.deepEqual(got.dims, output.shape);
    const { worst, limit } = compare(got.data, floats(output.bytes));
    assert.ok(worst <= limit, `${worst} > ${limit}`);
  };

  for (const [name, dir, file, prefix] of [['a graph model', path.join(HUMAN ?? '', 'golden/emotion'), 'emotion.json', '/human/'],
    ['a layers model', path.join(NSFW ?? '', 'golden/model'), 'model.json', '/nsfw/']]) {
    test(`${name} in the page: exact progress, predict and predictAsync`, async () => {
      const { inputs: [input], outputs: [output], weight_bytes: weights } = readGolden(dir);
      const page = await visit();
      const got = await page.evaluate(async ({ file, shape, url }) => {
        const steps = [];
        const model = await window.larder.loadGraphModel(window.tf, url, { fallback: 'never', onprogress: (p) => steps.push(p) });
        const x = await window.tensor(file, shape);
        const [a, b] = [model.predict(x), await model.predictAsync(x)];
        return { backend: model.backend, a: await window.plain(a), b: await window.plain(b), steps, inputs: model.inputs.length };
      }, { file: prefix + input.file, shape: input.shape, url: `${it.larder.url}/org/${name === 'a graph model' ? 'emotion' : 'nsfw'}/resolve/main/${file}` });
      assert.deepEqual([got.backend, got.inputs], ['cpu', 1]);
      within(got.a, output);
      within(got.b, output);
      const bins = got.steps.filter((p) => !p.file.endsWith('.json'));
      assert.deepEqual([bins.at(-1).loaded, bins.at(-1).total], [weights, weights]);
      assert.ok(bins.every((p) => p.total === weights));
      await page.context().close();
    });
  }

  test('on the daemon: predictAsync and executeAsync, predict says why not, no weights', async () => {
    const { inputs: [input], outputs: [output] } = readGolden(path.join(MOBILENET, 'golden/mobilenet_model'));
    const page = await visit();
    const got = await page.evaluate(async ({ file, shape, name, out }) => {
      const model = await window.larder.loadGraphModel(window.tf, 'mobilenet');
      const x = await window.tensor(`/mobilenet/${file}`, shape);
      const stop = new AbortController();
      const left = model.predictAsync(x, { signal: stop.signal }).then(() => 'no failure', (e) => e.name);
      stop.abort();
      const sync = (() => {
        try {
          return model.predict(x);
        } catch (e) {
          return [e.name, e.code, e.message];
        }
      })();
      return { backend: model.backend, inputs: model.inputs, left: await left, sync,
        one: await window.plain(await model.predictAsync(x)), listed: await window.plain(await model.predictAsync([x])),
        named: await window.plain(await model.executeAsync({ [name]: x }, out)) };
    }, { file: input.file, shape: input.shape, name: input.name, out: output.name });
    assert.equal(got.backend, 'larder');
    for (const run of [got.one, got.listed, got.named]) {
      within(run, output);
      assert.equal(run.type, 'float32');
    }
    assert.equal(got.left, 'AbortError');
    assert.deepEqual(got.sync.slice(0, 2), ['LarderError', 'sync']);
    assert.match(got.sync[2], /predictAsync/);
    assert.deepEqual(await filesEver(page), []);
    await page.context().close();
  });

  test('a TFJS model by policy: on the daemon, without its weights in the page', async () => {
    const { inputs: [input], outputs: [output] } = readGolden(path.join(HUMAN, 'golden/emotion'));
    const page = await visit();
    const got = await page.evaluate(async ({ file, shape, url }) => {
      const model = await window.larder.loadGraphModel(window.tf, url);
      return { backend: model.backend, out: await window.plain(await model.predictAsync(await window.tensor(file, shape))) };
    }, { file: `/human/${input.file}`, shape: input.shape, url: `${it.larder.url}/org/emotion/resolve/main/emotion.json` });
    within(got.out, output);
    assert.equal(got.backend, 'larder');
    assert.deepEqual((await filesEver(page)).filter((f) => !f.path.endsWith('.json')), [], 'no weights');
    await page.context().close();
  });

  test('a model.json in a folder is found by the model\'s name, in the page as on the daemon', async () => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'larder-folder-'));
    fs.mkdirSync(path.join(dir, 'web'));
    for (const file of ['model.json', 'weights.bin'])
      fs.copyFileSync(path.join(ABALONE, file), path.join(dir, 'web', file));
    fs.writeFileSync(path.join(dir, 'metadata.json'), '{}');
    await it.larder.ctl('import', '--name', 'org/abalone', dir);
    fs.rmSync(dir, { recursive: true });
    const { inputs: [input], outputs: [output] } = readGolden(path.join(ABALONE, 'golden/model'));
    const page = await visit();
    const got = await page.evaluate(async ({ file, shape }) => {
      const x = await window.tensor(file, shape), answers = [];
      for (const fallback of ['never', 'always']) {
        const steps = [];
        const model = await window.larder.loadGraphModel(window.tf, 'org/abalone', { fallback, onprogress: (p) => steps.push(p) });
        const [a, b] = await Promise.all([model.predictAsync(x), model.predictAsync(x)]);
        answers.push({ backend: model.backend, out: await window.plain(a), again: await window.plain(b),
          runs: steps.filter((p) => p.phase === 'run').map((p) => [p.loaded, p.total]), files: new Set(steps.map((p) => p.file)).size });
      }
      return answers;
    }, { file: `/abalone/${input.file}`, shape: input.shape });
    assert.deepEqual(got.map((g) => g.backend), ['cpu', 'larder']);
    for (const { out, again } of got) {
      within(out, output);
      within(again, output);
    }
    assert.deepEqual(got[1].runs, [[0, 1], [0, 2], [1, 2], [2, 2]]);
    assert.equal((await filesCame(page.files, 1, (f) => f.path.endsWith('weights.bin'))).length, 1);
    await page.context().close();
  });

  test('several outputs: their order, their names, a named map of inputs, as TensorFlow.js has them', async () => {
    const float = { type: 'DT_FLOAT' }, dir = fs.mkdtempSync(path.join(os.tmpdir(), 'larder-outputs-'));
    const shape = (...dims) => ({ dim: dims.map((size) => ({ size: `${size}` })) });
    const input = (name) => ({ name, op: 'Placeholder', attr: { dtype: float, shape: { shape: shape(-1, 2) } } });
    const both = (name, op) => ({ name, op, input: ['a', 'b'], attr: { T: float } });
    const io = (...names) => Object.fromEntries(names.map((name) => [name, { name: `${name}:0`, dtype: 'DT_FLOAT', tensorShape: shape(-1, 2) }]));
    const model = { format: 'graph-model', modelTopology: { versions: { producer: 808 }, node: [input('a'), input('b'),
      { name: 'k', op: 'Const', attr: { dtype: float, value: { tensor: { dtype: float, tensorShape: shape(2) } } } },
      both('sum', 'AddV2'), both('less', 'Sub'), { name: 'product', op: 'Mul', input: ['a', 'k'], attr: { T: float } }] },
    signature: { inputs: io('b', 'a'), outputs: io('product', 'less', 'sum') },
    weightsManifest: [{ paths: ['k.bin'], weights: [{ name: 'k', shape: [2], dtype: 'float32' }] }] };
    for (const [name, more] of [['plain', {}], ['named', { userDefinedMetadata: { structuredOutputKeys: ['first', 'second', 'third'] } }]]) {
      fs.mkdirSync(path.join(dir, name));
      fs.writeFileSync(path.join(dir, name, 'model.json'), JSON.stringify({ ...model, ...more }));
      fs.writeFileSync(path.join(dir, name, 'k.bin'), Buffer.from(Float32Array.of(10, 100).buffer));
      await it.larder.ctl('import', '--name', `outputs/${name}`, path.join(dir, name));
    }
    fs.rmSync(dir, { recursive: true });
    const page = await visit();
    const got = await page.evaluate(async () => {
      const { tf } = window, [a, b] = [tf.tensor([[1, 2]]), tf.tensor([[5, 7]])], runs = {};
      const plain = async (out) => (Array.isArray(out) ? Promise.all(out.map(plain)) : out instanceof tf.Tensor ? [...await out.data()]
        : Object.fromEntries(await Promise.all(Object.entries(out).map(async ([k, t]) => [k, await plain(t)]))));
      for (const fallback of ['never', 'always']) {
        for (const name of ['plain', 'named']) {
          const model = await window.larder.loadGraphModel(tf, `outputs/${name}`, { fallback });
          runs[`${model.backend} ${name}`] = { listed: await plain(await model.predictAsync([b, a])), mapped: await plain(await model.predictAsync({ a, b })),
            all: await plain(await model.executeAsync({ a, b })), one: await plain(await model.executeAsync([b, a], 'less')),
            two: await plain(await model.executeAsync([b, a], ['sum', 'product'])), inputs: model.inputs.map((i) => i.name.replace(/:0$/, '')) };
        }
      }
      return runs;
    });
    const [product, less, sum] = [[10, 200], [-4, -5], [6, 9]];
    assert.deepEqual(got['cpu plain'], { listed: [product, less, sum], mapped: [product, less, sum], all: [product, less, sum],
      one: less, two: [sum, product], inputs: ['b', 'a'] });
    assert.deepEqual(got['cpu named'].mapped, { first: product, second: less, third: sum });
    assert.deepEqual([got['larder plain'], got['larder named']], [got['cpu plain'], got['cpu named']]);
    assert.deepEqual((await filesCame(page.files, 1, (f) => f.path.endsWith('k.bin'))).length, 2, 'weights for the page only');
    await page.context().close();
  });

  test('auto with WebGL: the page; where it fails with the model, the daemon; where the daemon goes, the page', async () => {
    const short = await startLarder({ origins: [it.site.url] });
    await short.ctl('import', '--name', 'abalone', path.join(ABALONE, 'model.json'), path.join(ABALONE, 'weights.bin'));
    const { inputs: [input], outputs: [output] } = readGolden(path.join(ABALONE, 'golden/model'));
    const page = await visit(short.url);
    await page.evaluate(async ({ file, shape }) => {
      const { tf } = window;
      window.x = await window.tensor(file, shape);
      window.open = async () => {
        window.model = await window.larder.loadGraphModel(tf, 'abalone');
        return [window.model.backend, await window.plain(await window.model.predictAsync(window.x))];
      };
    }, { file: `/abalone/${input.file}`, shape: input.shape });
    const runs = await page.evaluate(async () => {
      const { tf } = window, { loadLayersModel } = tf;
      await tf.setBackend('webgl');
      const own = await window.open();
      window.tf = { ...tf, loadLayersModel: () => Promise.reject(new Error('no kernel')) };
      const refused = await window.larder.loadGraphModel(window.tf, 'abalone');
      window.tf = tf;
      await tf.setBackend('cpu');
      return [own, [refused.backend, await window.plain(await refused.predictAsync(window.x))], await window.open(), typeof loadLayersModel];
    });
    await short.kill();
    const [lost, own] = await page.evaluate(async () => [await window.failure(window.model.predictAsync(window.x)),
      await window.model.predictAsync(window.x).then(async (y) => [window.model.backend, await window.plain(y)], (e) => [e.message])]);
    assert.deepEqual(runs.slice(0, 3).map(([backend]) => backend), ['webgl', 'larder', 'larder']);
    assert.equal(lost.reason, 'connection lost');
    assert.equal(own[0], 'cpu', 'from the browser\'s cache');
    for (const [, out] of [...runs.slice(0, 3), own])
      within(out, output);
    const moves = await page.evaluate(() => window.events.filter((e) => e.type === 'fallback').map((e) => [e.from, e.to]));
    assert.deepEqual(moves, [['webgl', 'larder'], ['larder', 'cpu']]);
    await page.context().close();
  });

  test('choose measures TensorFlow.js too', async () => {
    const page = await visit();
    const got = await page.evaluate(() => window.larder.choose({ model: 'org/nsfw', file: 'model.json', tf: window.tf })
      .then((c) => c, (e) => ({ failed: e.message })));
    assert.ok(!got.failed, got.failed);
    assert.ok(Object.values(got.measured).every((m) => m.run_ms > 0));
    assert.equal(await page.evaluate(() => window.tf.getBackend()), 'cpu');
    await page.context().close();
  });
});
