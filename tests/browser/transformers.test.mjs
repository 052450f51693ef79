// SPDX-License-Identifier: MIT
//
// The real transformers.js on a page of another origin: files from larder, pipelines that run on the
// daemon without a byte of weights in the page, and the same answers as in the page's own wasm.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';

import { compare, filesCame, filesEver, folder, inside, noBrowser, openReady, SOFT_GPU, stage } from './lib.mjs';
import { HUB, writeHub } from './onnx_model.mjs';

const T = folder('@huggingface/transformers');
const ORT = folder('onnxruntime-web');
const missing = (!T && '@huggingface/transformers is not installed') || (!ORT && 'onnxruntime-web is not installed');

/** Every number of a result, in order; and the result with its numbers taken out. */
function split(result) {
  const numbers = [];
  const words = JSON.stringify(result, (_, v) => (typeof v === 'number' ? (numbers.push(v), '#') : v));
  return { numbers, words };
}

const TASKS = [
  ['feature-extraction', 'tiny/embed', 'a larder keeps food', { pooling: 'mean', normalize: true }],
  ['feature-extraction', 'tiny/external', 'bread', { pooling: 'mean' }, { use_external_data_format: true }],
  ['text-classification', 'tiny/sentiment', 'cheese is good .', {}],
  ['zero-shot-classification', 'tiny/nli', 'bread and cheese', [['food', 'models']]],
  ['image-classification', 'tiny/vit', 'IMAGE', { top_k: 3 }],
  ['object-detection', 'tiny/detr', 'IMAGE', { threshold: 0.1 }],
  ['automatic-speech-recognition', 'tiny/ctc', 'SOUND', {}],
  ['text-generation', 'tiny/gpt', 'a larder keeps', { max_new_tokens: 5, do_sample: false }],
];

const imports = { 'onnxruntime-web/webgpu': '/ort/ort.webgpu.min.mjs', 'onnxruntime-web': '/ort/ort.webgpu.min.mjs',
  'onnxruntime-common': '/common/index.js', '@huggingface/jinja': '/jinja/index.js', '@huggingface/tokenizers': '/tokenizers/tokenizers.mjs' };

/** A site with the libraries, a larderd with the models of HUB. */
function hub(flags) {
  let dir;
  const it = stage({ flags, larder: { offline: false },
    roots: { '/ort/': inside('onnxruntime-web', 'dist'), '/t/': inside('@huggingface/transformers', 'dist'),
      '/common/': inside('onnxruntime-common', 'dist/esm'), '/jinja/': inside('@huggingface/jinja', 'dist'),
      '/tokenizers/': inside('@huggingface/tokenizers', 'dist') },
    pages: { '/app': { body: `<!doctype html><link rel="icon" href="data:,"><script type="importmap">${JSON.stringify({ imports })}</script>` } },
    prepare: async ({ larder }) => {
      dir = fs.mkdtempSync(path.join(os.tmpdir(), 'larder-hub-'));
      for (const name of Object.keys(HUB)) {
        writeHub(path.join(dir, name), name);
        await larder.ctl('import', '--name', name, path.join(dir, name));
      }
    } });
  after(() => dir && fs.rmSync(dir, { recursive: true, force: true }));
  return it;
}

async function visit(it) {
  const page = await openReady(it, { path: '/app', ort: 'onnxruntime-web/webgpu' });
  await page.evaluate(async () => {
    window.T = await import('/t/transformers.web.min.js');
    window.given = (x) => {
      if (x === 'SOUND')
        return Float32Array.from({ length: 4000 }, (_, i) => Math.sin(i * i / 3000));
      if (x !== 'IMAGE')
        return x;
      return new window.T.RawImage(Uint8ClampedArray.from({ length: 40 * 30 * 3 }, (_, i) => (i * 37) % 256), 40, 30, 3);
    };
    window.run = async ([task, model, input, options, how]) => {
      const pipe = await window.T.pipeline(task, model, { dtype: 'fp32', ...how });
      const out = await pipe(window.given(input), ...(Array.isArray(options) ? options : [options]));
      return JSON.parse(JSON.stringify(out?.tolist?.() ?? out));
    };
  });
  return page;
}
const weightsOf = (files) => files.filter((f) => /\.onnx/.test(f.path));

function same(one, other) {
  const [a, b] = [split(one), split(other)];
  assert.equal(a.words, b.words);
  const { worst, limit } = compare(a.numbers, b.numbers);
  assert.ok(worst <= limit, `${worst} > ${limit}`);
}

describe('transformers.js', { skip: noBrowser() || missing }, () => {
  const it = hub();

  for (const task of TASKS) {
    test(`${task[0]} (${task[1]}) runs on the daemon, without weights, and answers as the page does`, async () => {
      const page = await visit(it);
      const remote = await page.evaluate(async (t) => {
        window.set = window.larder.transformers(window.T, { ort: window.ort });
        return window.run(t);
      }, task);
      assert.deepEqual(weightsOf(await filesEver(page)), []);
      assert.ok((await filesCame(page.files, 1, (f) => f.path.endsWith('/config.json'))).length, 'its other files come from larder');
      const own = await page.evaluate(async (t) => {
        window.set.restore();
        window.larder.transformers(window.T, { ort: window.ort, fallback: 'never' });
        return window.run(t);
      }, task);
      const files = Object.keys(HUB[task[1]]).filter((f) => /\.onnx/.test(f)).length;
      assert.equal((await filesCame(page.files, files, (f) => /\.onnx/.test(f.path))).length, files);
      same(remote, own);
      await page.context().close();
    });
  }

  test('stand-ins stay out of the page\'s cache, weights in it are not used; restore puts all back', async () => {
    const page = await visit(it);
    const got = await page.evaluate(async (task) => {
      const before = { ...window.T.env };
      const { create } = window.ort.InferenceSession;
      window.larder.transformers(window.T, {}).restore();
      const set = window.larder.transformers(window.T, { ort: window.ort, fallback: 'always' });
      const host = window.T.env.remoteHost;
      const small = await (await window.T.env.fetch(`${host}tiny/embed/resolve/main/onnx/model.onnx`)).text();
      await window.run(task);
      const kept = (await (await caches.open(window.T.env.cacheKey)).keys()).map((r) => new URL(r.url).pathname);
      set.restore();
      const changed = Object.keys(before).filter((k) => before[k] !== window.T.env[k]);
      const bare = (() => {
        try {
          window.larder.transformers(window.T, { fallback: 'always' });
          return 'no failure';
        } catch (e) {
          return e.name;
        }
      })();
      return { host, small: small.length, kept, changed, bare, same: create === window.ort.InferenceSession.create };
    }, TASKS[0]);
    assert.equal(got.host, `${it.larder.url}/`);
    assert.ok(got.small < 200);
    assert.ok(got.kept.includes('/tiny/embed/resolve/main/tokenizer.json'), JSON.stringify(got.kept));
    assert.ok(!got.kept.some((p) => p.endsWith('.onnx')));
    assert.deepEqual(got.changed, []);
    assert.deepEqual([got.bare, got.same], ['TypeError', true]);
    await page.context().close();
  });

  test('a model that the daemon does not hold fails as a missing file does', async () => {
    const page = await visit(it);
    const said = await page.evaluate(async () => {
      window.larder.transformers(window.T, { ort: window.ort });
      return window.T.pipeline('feature-extraction', 'no/body', { dtype: 'fp32' }).then(() => '', (e) => e.message);
    });
    assert.match(said, /not (find|found|locate)|404|Could not/i);
    await page.context().close();
  });
});

describe('transformers.js on a page with WebGPU', { skip: noBrowser() || missing }, () => {
  const it = hub(SOFT_GPU);

  test('auto: the page runs it by WebGPU, also where its author named no device; always: the daemon', async () => {
    const page = await visit(it);
    const got = await page.evaluate(async (task) => {
      const { InferenceSession } = window.ort, { create } = InferenceSession, opened = [];
      InferenceSession.create = async (bytes, o) => {
        const session = await create.call(InferenceSession, bytes, o);
        if (bytes.length > 100)
          opened.push(o.executionProviders[0]);
        return session;
      };
      const set = window.larder.transformers(window.T, { ort: window.ort });
      const gpu = await window.run(task);
      set.restore();
      window.larder.transformers(window.T, { ort: window.ort, fallback: 'always' });
      return { gpu, daemon: await window.run(task), opened };
    }, TASKS.find(([name]) => name === 'image-classification'));
    assert.deepEqual(got.opened, ['webgpu']);
    same(got.gpu, got.daemon);
    await page.context().close();
  });
});
