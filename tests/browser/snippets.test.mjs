// SPDX-License-Identifier: MIT
//
// The README's snippets (```js tested NAME), run as they stand in a page that is not larder's.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';

import { folder, golden, inside, noBrowser, openPage, SOURCE, stage } from './lib.mjs';
import { writeHub } from './onnx_model.mjs';
import { withMetadata } from './tflite_metadata.mjs';

const snippets = Object.fromEntries([...fs.readFileSync(path.join(SOURCE, 'README.md'), 'utf8')
  .matchAll(/^```js tested ([\w-]+)\n(.*?)^```$/gms)].map(([, name, code]) => [name, code]));
const LIBRARIES = ['onnxruntime-web', '@huggingface/transformers', '@tensorflow/tfjs', '@tensorflow/tfjs-tflite', '@mediapipe/tasks-vision'];
const TFLITE = golden('tflite-mlperf-tiny/vww_96_float.tflite');

test('the README has its snippets', () => {
  assert.deepEqual(Object.keys(snippets), ['setup', 'onnxruntime-web', 'transformers', 'tensorflow', 'plain', 'video',
    'mediapipe', 'tfjs-tflite']);
});

/** What a page has besides the snippet. */
const AROUND = {
  'tensorflow': '<script src="/tfjs/tf.min.js"></script><script type="module">await tf.setBackend("cpu");</script>',
  'tfjs-tflite': `<script src="/tfjs/tf.min.js"></script><script src="/tflite/dist/tf-tflite.min.js"></script>
    <script>tflite.setWasmPath('/tflite/wasm/');</script>`,
  'video': `<canvas></canvas><video muted></video><script>
    const canvas = document.querySelector('canvas'), video = document.querySelector('video');
    const draw = () => canvas.getContext('2d').fillRect(0, 0, 30, performance.now() % 90);
    draw();
    setInterval(draw, 33);
    video.srcObject = canvas.captureStream(30);
    video.play();
    window.shown = new Promise((done) => { window.show = done; });</script>`,
};

describe('snippets', { skip: noBrowser() || (!LIBRARIES.every(folder) && 'the client libraries are not installed') }, () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'larder-snippets-'));
  const imports = { 'onnxruntime-web/webgpu': '/ort/ort.webgpu.min.mjs', 'onnxruntime-web': '/ort/ort.wasm.min.mjs',
    'onnxruntime-common': '/common/index.js', '@huggingface/transformers': '/t/transformers.web.min.js',
    '@mediapipe/tasks-vision': '/mediapipe/vision_bundle.mjs' };
  const it = stage({ roots: { '/ort/': inside('onnxruntime-web', 'dist'), '/t/': inside('@huggingface/transformers', 'dist'),
    '/tfjs/': inside('@tensorflow/tfjs', 'dist'), '/tflite/': inside('@tensorflow/tfjs-tflite'),
    '/common/': inside('onnxruntime-common', 'dist/esm'), '/mediapipe/': inside('@mediapipe/tasks-vision') },
  prepare: async ({ larder, site }) => {
    writeHub(path.join(dir, 'embed'), 'tiny/embed');
    writeHub(path.join(dir, 'vit'), 'tiny/vit');
    await larder.ctl('import', '--name', 'mine/embedder', path.join(dir, 'embed'));
    await larder.ctl('import', '--name', 'mine/classifier', path.join(dir, 'vit'));
    await larder.ctl('import', '--name', 'mine/digits', ...['model.onnx', 'weights-1.bin', 'weights-2.bin']
      .map((f) => path.join(SOURCE, 'www/sample', f)));
    await larder.ctl('import', '--name', 'mine/mediapipe', inside('@mediapipe/tasks-vision', 'wasm'));
    if (TFLITE) {
      fs.writeFileSync(path.join(dir, 'model.tflite'), withMetadata(fs.readFileSync(TFLITE), [0], [255]));
      await larder.ctl('import', '--name', 'mine/looker', path.join(dir, 'model.tflite'));
    }
    for (const [name, code] of Object.entries(snippets)) {
      const all = (name === 'setup' ? '' : snippets.setup) + code;
      const names = [...code.matchAll(/^const (?:\{ ([\w, ]+) \}|(\w+)) =/gm)].flatMap((m) => (m[1] ?? m[2]).split(', '));
      site.pages[`/${name}`] = { body: `<!doctype html><link rel="icon" href="data:,"><script type="importmap">${JSON.stringify({ imports })}</script>
        ${AROUND[name] ?? ''}<script type="module">${all.replaceAll('http://127.0.0.1:8411', larder.url)}
        window.result = { ${names} };</script>` };
    }
  } });
  after(() => fs.rmSync(dir, { recursive: true, force: true }));

  const see = {
    'setup': (r) => r.larder.ok,
    'onnxruntime-web': (r) => r.session.backend === 'larder' && r.probabilities.dims.join() === '1,10',
    'transformers': (r) => r.vector.dims.join() === '1,8',
    'tensorflow': (r) => r.model.backend === 'larder' && r.scores.shape.join() === '1,10',
    'plain': (r) => r.probabilities.data.length === 10 && r.backend === 'larder' && r.reason.length > 10,
    'video': async (r) => (await window.shown).logits.dims.join() === '1,3' && (r.seen.stop(), r.seen.count.answered > 0),
    'mediapipe': (r) => r.classifier.classify(new ImageData(96, 96)).classifications[0].categories.length === 2,
    'tfjs-tflite': (r) => r.scores.shape.join() === '1,2',
  };
  for (const name of Object.keys(snippets)) {
    test(`README: ${name}`, { skip: /tflite|mediapipe/.test(name) && !TFLITE && 'no models in ../shared' }, async () => {
      const page = await openPage(it.browser, `${it.site.url}/${name}`);
      await page.waitForFunction(() => window.result, null, { timeout: 20000 })
        .catch(() => assert.fail(page.complaints.join('\n') || 'it does not come to its end'));
      assert.ok(await page.evaluate(`(${see[name]})(window.result)`));
      await page.context().close();
    });
  }
});
