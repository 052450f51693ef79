// SPDX-License-Identifier: MIT
//
// Clients that only take files: each loads from larder as it is, on a page of another origin.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';

import { compare, folder, golden, inside, noBrowser, openPage, openReady, stage } from './lib.mjs';
import { withMetadata } from './tflite_metadata.mjs';

const TFLITE = golden('tflite-mlperf-tiny');
const TFLITE_JS = folder('@tensorflow/tfjs-tflite');
const WLLAMA = folder('@wllama/wllama');
const MEDIAPIPE = folder('@mediapipe/tasks-vision');

describe('other clients', { skip: noBrowser() }, () => {
  const it = stage({ roots: { '/tfjs/': inside('@tensorflow/tfjs', 'dist'),
    '/tflite/': inside('@tensorflow/tfjs-tflite', 'wasm'), '/tflite-js/': inside('@tensorflow/tfjs-tflite', 'dist'),
    '/webllm/': inside('@mlc-ai/web-llm', 'lib'), '/wllama/': inside('@wllama/wllama', 'esm'), '/mediapipe/': inside('@mediapipe/tasks-vision') } });

  test('tfjs-tflite loads a model from larder', {
    skip: (!TFLITE_JS && '@tensorflow/tfjs-tflite is not installed') || (!TFLITE && 'no models in ../shared'),
  }, async () => {
    await it.larder.ctl('import', '--name', 'kws', path.join(TFLITE, 'kws_ref_model_float32.tflite'));
    const page = await openPage(it.browser, it.site.url);
    await page.addScriptTag({ url: '/tfjs/tf.min.js' });
    await page.addScriptTag({ url: '/tflite-js/tf-tflite.min.js' });
    const dims = await page.evaluate(async (url) => {
      window.tflite.setWasmPath('/tflite/');
      const model = await window.tflite.loadTFLiteModel(url, { numThreads: 1 });
      return model.predict(window.tf.zeros([1, 49, 10, 1])).shape;
    }, `${it.larder.url}/kws/resolve/main/kws_ref_model_float32.tflite`);
    assert.deepEqual(dims, [1, 12]);
    await page.context().close();
  });

  test('WebLLM takes configuration, code and shards from larder, finds them in its cache, and takes them out again', {
    skip: !folder('@mlc-ai/web-llm') && '@mlc-ai/web-llm is not installed',
  }, async () => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'larder-llm-')), shards = ['params_shard_0.bin', 'params_shard_1.bin'];
    const write = (file, data) => fs.writeFileSync(path.join(dir, file), data);
    shards.forEach((file, i) => write(file, Buffer.alloc(1 << 20, 7 + i)));
    write('mlc-chat-config.json', JSON.stringify({ model_type: 'llama', tokenizer_files: ['tokenizer.json'], context_window_size: 64 }));
    write('tensor-cache.json', JSON.stringify({ records: shards.map((dataPath) => ({ dataPath, nbytes: 1 << 20, records: [] })) }));
    write('lib.wasm', Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])); // a module of nothing
    await it.larder.ctl('import', '--name', 'org/llm', dir);
    fs.rmSync(dir, { recursive: true });
    const page = await openPage(it.browser, it.site.url);
    const got = await page.evaluate(async ({ base, shards }) => {
      const { MLCEngine, hasModelInCache, deleteModelAllInfoInCache } = await import('/webllm/index.js');
      const appConfig = { model_list: [{ model: base, model_id: 'llm', model_lib: `${base}/resolve/main/lib.wasm` }] };
      const failed = await new MLCEngine({ appConfig, logLevel: 'SILENT' }).reload('llm').then(() => 'it runs', (e) => e.message);
      const kept = async () => (await Promise.all(['config', 'wasm', 'model'].map(async (c) => (await (await caches.open(`webllm/${c}`)).keys())
        .map((r) => r.url.replace(`${base}/resolve/main/`, ''))))).flat();
      const loaded = await kept();
      // what its engine does once its code runs
      await (await caches.open('webllm/model')).addAll(['tensor-cache.json', ...shards].map((f) => `${base}/resolve/main/${f}`));
      const has = await hasModelInCache('llm', appConfig);
      await deleteModelAllInfoInCache('llm', appConfig);
      const raw = await (await fetch(`${base}/raw/main/${shards[0]}`)).text();
      return { failed, loaded, has, after: [await hasModelInCache('llm', appConfig).catch((e) => e.message), (await kept()).filter((f) => f !== 'tensor-cache.json')],
        oid: /^oid sha256:([0-9a-f]{64})$/m.test(raw) };
    }, { base: `${it.larder.url}/org/llm`, shards });
    assert.deepEqual(got.loaded, ['mlc-chat-config.json', 'lib.wasm']);
    assert.match(got.failed, /import|export|memory|WASI|tvm|_initialize|undefined/i, 'its code is not one of WebLLM');
    assert.deepEqual([got.has, got.after, got.oid], [true, [false, []], true]);
    await page.context().close();
  });

  test('wllama downloads shards of a GGUF from larder, finds them again, and needs no network then', {
    skip: !WLLAMA && '@wllama/wllama is not installed',
  }, async () => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'larder-gguf-'));
    const names = [1, 2].map((i) => `tiny-0000${i}-of-00002.gguf`);
    for (const [i, name] of names.entries())
      fs.writeFileSync(path.join(dir, name), Buffer.concat([Buffer.from('GGUF\x03\0\0\0', 'latin1'), Buffer.alloc(300000 + i, i + 1)]));
    await it.larder.ctl('import', '--name', 'org/tiny-gguf', dir);
    fs.rmSync(dir, { recursive: true });
    const page = await openPage(it.browser, it.site.url);
    const got = await page.evaluate(async (url) => {
      const { ModelManager } = await import('/wllama/index.js');
      const manager = new ModelManager();
      const steps = [];
      const model = await manager.downloadModel(url, { progressCallback: (p) => steps.push([p.loaded, p.total]) });
      const blobs = await model.open();
      return { sizes: blobs.map((b) => b.size), last: steps.at(-1), valid: model.validate(), kept: (await manager.getModels()).length,
        magic: await blobs[1].slice(0, 4).text() };
    }, `${it.larder.url}/org/tiny-gguf/resolve/main/${names[0]}`);
    assert.deepEqual(got.sizes, [300008, 300009]);
    assert.deepEqual([got.valid, got.kept, got.magic, got.last], ['valid', 1, 'GGUF', [600017, 600017]]);
    await page.context().close();
  });

  test('MediaPipe takes its wasm files and a model from larder, and sees what larderd sees', {
    skip: (!MEDIAPIPE && '@mediapipe/tasks-vision is not installed') || (!TFLITE && 'no models in ../shared'),
  }, async () => {
    await it.larder.ctl('import', '--name', 'org/mediapipe', path.join(MEDIAPIPE, 'wasm'));
    const file = path.join(os.tmpdir(), `larder-vww-${process.pid}.tflite`);
    fs.writeFileSync(file, withMetadata(fs.readFileSync(path.join(TFLITE, 'vww_96_float.tflite')), [0], [255]));
    await it.larder.ctl('import', '--name', 'vww', file);
    fs.rmSync(file);
    const page = await openReady(it);
    const got = await page.evaluate(async ({ wasm, model }) => {
      const { FilesetResolver, ImageClassifier } = await import('/mediapipe/vision_bundle.mjs');
      const files = await FilesetResolver.forVisionTasks(wasm);
      const classifier = await ImageClassifier.createFromOptions(files, { baseOptions: { modelAssetPath: model, delegate: 'CPU' } });
      const canvas = Object.assign(document.createElement('canvas'), { width: 96, height: 96 }), pen = canvas.getContext('2d');
      for (let i = 0; i < 96; i++) {
        pen.fillStyle = `hsl(${i * 7} 60% ${30 + i / 3}%)`;
        pen.fillRect(i, (i * 37) % 50, 3, 60);
      }
      const theirs = classifier.classify(canvas).classifications[0].categories;
      const { data } = pen.getImageData(0, 0, 96, 96);
      const pixels = Float32Array.from({ length: 96 * 96 * 3 }, (_, i) => data[Math.floor(i / 3) * 4 + i % 3] / 255);
      const [{ name }] = (await window.larder.describe('vww')).inputs;
      const [ours] = Object.values(await window.larder.infer('vww', { [name]: { type: 'float32', dims: [1, 96, 96, 3], data: pixels } }));
      return { theirs: theirs.sort((a, b) => a.index - b.index).map((c) => c.score), ours: [...ours.data] };
    }, { wasm: `${it.larder.url}/org/mediapipe/resolve/main`, model: `${it.larder.url}/vww/resolve/main/${path.basename(file)}` });
    const { worst, limit } = compare(got.theirs, got.ours);
    assert.ok(worst <= limit, JSON.stringify(got));
    assert.equal(got.ours.length, 2);
    await page.context().close();
  });
});
