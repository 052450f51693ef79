// SPDX-License-Identifier: MIT
//
// The real browser libraries on a page of another origin, with models and wasm from larderd.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';

import {
  compare, floats, folder, golden, inside, noBrowser, openPage, readGolden, SOURCE, stage,
} from './lib.mjs';

const ORT = folder('onnxruntime-web');
const TFJS = folder('@tensorflow/tfjs');
const NSFW = golden('tfjs-nsfwjs-mobilenetv2');
const MOBILENET = golden('mobilenetv2-035-tm');

describe('clients', { skip: noBrowser() }, () => {
  const it = stage({ roots: { '/ort/': inside('onnxruntime-web', 'dist'), '/tfjs/': inside('@tensorflow/tfjs', 'dist'),
    '/nsfw/': path.join(NSFW ?? '/nonexistent', 'golden/model'),
    '/mobilenet/': path.join(MOBILENET ?? '/nonexistent', 'golden/mobilenet_model') } });

  test('TensorFlow.js loads a layers model from larder', {
    skip: !TFJS ? '@tensorflow/tfjs is not installed' : !NSFW && 'no models in ../shared',
  }, async () => {
    await it.larder.ctl('import', '--name', 'nsfwjs', path.join(NSFW, 'model.json'),
      path.join(NSFW, 'group1-shard1of1'));
    const page = await openPage(it.browser, it.site.url);
    await page.addScriptTag({ url: '/tfjs/tf.min.js' });
    const { inputs: [input], outputs: [output] } = readGolden(path.join(NSFW, 'golden/model'));
    const got = await page.evaluate(async ({ url, file, shape }) => {
      const { tf } = window;
      await tf.setBackend('cpu');
      const model = await tf.loadLayersModel(url);
      const data = new Float32Array(await (await fetch(`/nsfw/${file}`)).arrayBuffer());
      const y = model.predict(tf.tensor(data, shape));
      return { dims: y.shape, data: [...await y.data()] };
    }, { url: `${it.larder.url}/nsfwjs/resolve/main/model.json`, file: input.file, shape: input.shape });
    assert.deepEqual(got.dims, output.shape);
    const { worst, limit } = compare(got.data, floats(output.bytes));
    assert.ok(worst <= limit, `largest error ${worst}, allowed ${limit}`);
    console.log(`TensorFlow.js, nsfwjs: largest error ${worst.toExponential(2)} of ${limit.toExponential(2)}`);
    await page.context().close();
  });

  async function importMobilenet() {
    await it.larder.ctl('import', '--name', 'mobilenet', path.join(MOBILENET, 'mobilenet_model.onnx'));
    return readGolden(path.join(MOBILENET, 'golden/mobilenet_model'));
  }

  /** Runs the MobileNet in the page by onnxruntime-web; its wasm comes from `wasmPaths`. */
  async function runMobilenet(wasmPaths) {
    const { inputs: [input], outputs: [output] } = await importMobilenet();
    const page = await openPage(it.browser, it.site.url);
    const got = await page.evaluate(async ({ url, wasm, name, file, shape, want }) => {
      const ort = await import('/ort/ort.wasm.min.mjs');
      ort.env.wasm.wasmPaths = wasm;
      ort.env.wasm.numThreads = 1;
      const session = await ort.InferenceSession.create(url, { executionProviders: ['wasm'] });
      const data = new Float32Array(await (await fetch(`/mobilenet/${file}`)).arrayBuffer());
      const result = await session.run({ [name]: new ort.Tensor('float32', data, shape) });
      return { dims: [...result[want].dims], data: [...result[want].data] };
    }, {
      url: `${it.larder.url}/mobilenet/resolve/main/mobilenet_model.onnx`, wasm: wasmPaths,
      name: input.name, file: input.file, shape: input.shape, want: output.name,
    });
    await page.context().close();
    assert.deepEqual(got.dims, output.shape);
    const { worst, limit } = compare(got.data, floats(output.bytes));
    assert.ok(worst <= limit, `largest error ${worst}, allowed ${limit}`);
    console.log(`onnxruntime-web, mobilenet: largest error ${worst.toExponential(2)} of ${limit.toExponential(2)}`);
  }
  const noOrt = !ORT ? 'onnxruntime-web is not installed' : !MOBILENET && 'no models in ../shared';

  test('ONNX Runtime Web loads a model from larder', { skip: noOrt },
    () => runMobilenet(`${it.site.url}/ort/`));

  test('ONNX Runtime Web loads its own module and wasm from larder', { skip: noOrt }, async () => {
    await it.larder.ctl('import', '--name', 'ort', ...['mjs', 'wasm'].map(
      (ext) => path.join(ORT, `dist/ort-wasm-simd-threaded.${ext}`)));
    for (const [ext, type] of [['mjs', 'text/javascript'], ['wasm', 'application/wasm']]) {
      const reply = await fetch(`${it.larder.url}/ort/resolve/main/ort-wasm-simd-threaded.${ext}`,
        { method: 'HEAD' });
      assert.match(reply.headers.get('content-type') ?? '', new RegExp(`^${type}`));
    }
    await runMobilenet(`${it.larder.url}/ort/resolve/main/`);
  });

  test('the sample model with its shards runs in ONNX Runtime Web', {
    skip: !ORT && 'onnxruntime-web is not installed',
  }, async () => {
    const { cases } = JSON.parse(fs.readFileSync(path.join(SOURCE, 'www/sample/reference.json'), 'utf8'));
    const page = await openPage(it.browser, it.site.url);
    const got = await page.evaluate(async ({ base, images }) => {
      const ort = await import('/ort/ort.wasm.min.mjs');
      ort.env.wasm.numThreads = 1;
      const session = await ort.InferenceSession.create(`${base}/model.onnx`, {
        executionProviders: ['wasm'],
        externalData: ['weights-1.bin', 'weights-2.bin'].map((file) => ({ path: file, data: `${base}/${file}` })),
      });
      const { probabilities } = await session.run({
        image: new ort.Tensor('float32', Float32Array.from(images.flat()), [images.length, 1, 28, 28]),
      });
      return [...probabilities.data];
    }, { base: `${it.larder.url}/digits/resolve/main`, images: cases.map((c) => c.image) });
    const { worst } = compare(got, cases.flatMap((c) => c.probabilities));
    assert.ok(worst < 1e-4, `largest error ${worst}`);
    await page.context().close();
  });

  test('the daemon answers as the page does: mobilenet over larder.js', {
    skip: !MOBILENET && 'no models in ../shared',
  }, async () => {
    const { inputs: [input], outputs: [output] } = await importMobilenet();
    const page = await openPage(it.browser, it.site.url);
    const got = await page.evaluate(async ({ url, name, file, shape, want }) => {
      const { connect } = await import(`${url}/larder.js`);
      const larder = await connect();
      const data = new Float32Array(await (await fetch(`/mobilenet/${file}`)).arrayBuffer());
      const result = await larder.infer('mobilenet', { [name]: { type: 'float32', dims: shape, data } });
      return { ...result[want], data: [...result[want].data] };
    }, { url: it.larder.url, name: input.name, file: input.file, shape: input.shape, want: output.name });
    assert.deepEqual(got.dims, output.shape);
    assert.equal(got.type, 'float32');
    const { worst, limit } = compare(got.data, floats(output.bytes));
    assert.ok(worst <= limit, `largest error ${worst}, allowed ${limit}`);
    console.log(`larderd, mobilenet: largest error ${worst.toExponential(2)} of ${limit.toExponential(2)}`);
    await page.context().close();
  });
});
