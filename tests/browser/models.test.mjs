// SPDX-License-Identifier: MIT
//
// Every real ONNX model in ../shared that has stored inputs: what the daemon answers in a page against what the page's
// own wasm answers for the same inputs, within the limits of `golden` (tests/tools/golden.c).

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';

import { filesEver, folder, golden, inside, noBrowser, openReady, SHARED, stage } from './lib.mjs';

const MODELS = golden('.');

/** { dir, model, about } of the golden/X/golden.json below ../shared/models that name an ONNX file. */
function cases() {
  const all = fs.readdirSync(MODELS, { recursive: true }).filter((f) => /\/golden\/[^/]+\/golden\.json$/.test(f)).sort();
  return all.flatMap((file) => {
    const about = JSON.parse(fs.readFileSync(path.join(MODELS, file), 'utf8')), dir = path.dirname(file);
    const model = path.join(dir, '../..', about.model ?? '');
    return /\.onnx$/.test(model) ? [{ dir, model, about }] : [];
  });
}

const missing = (!folder('onnxruntime-web') && 'onnxruntime-web is not installed') || (!MODELS && 'no models in ../shared');

describe('real models', { skip: noBrowser() || missing }, () => {
  const it = stage({ roots: { '/ort/': inside('onnxruntime-web', 'dist'), '/models/': path.join(SHARED, 'models') },
    larder: { sample: false } });
  let page;

  for (const { dir, model, about } of missing ? [] : cases()) {
    test(`${model}: the daemon and the page's wasm answer the same`, async () => {
      const file = path.join(MODELS, model), id = model.replace(/\W/g, '-');
      await it.larder.ctl('import', '--name', id, file);
      page ??= await openReady(it, { ort: '/ort/ort.wasm.min.mjs' });
      const got = await page.evaluate(async ({ id, model, dir, inputs }) => {
        const arrays = { float32: Float32Array, float64: Float64Array, float16: Uint16Array, int64: BigInt64Array, int32: Int32Array,
          int8: Int8Array, uint8: Uint8Array, bool: Uint8Array };
        const feeds = {};
        for (const { name, dtype, shape, file } of inputs) {
          feeds[name] = new window.ort.Tensor(dtype, new arrays[dtype](
            await (await fetch(`/models/${dir}/${file}`)).arrayBuffer()), shape);
        }
        const runs = {};
        for (const [fallback, source] of [['always', id], ['never', `/models/${model}`]]) {
          const session = await window.larder.createSession(window.ort, source, { fallback });
          runs[session.backend] = window.plain(await session.run(feeds));
          await session.release();
        }
        return runs;
      }, { id, model, dir, inputs: about.inputs });
      assert.deepEqual(await filesEver(page), [], 'no weights from the daemon');
      const quantised = /QLinear|QuantizeLinear|Integer/.test(fs.readFileSync(file, 'latin1'));
      for (const { name: output, noopt_max_abs_diff: moves = 0 } of about.outputs) {
        const [a, b] = [got.larder[output], got.wasm[output]];
        assert.deepEqual([a.type, a.dims, a.kind], [b.type, b.dims, b.kind], output);
        const most = b.data.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
        const limit = Math.max(quantised ? 5e-2 * most : 1e-4 + 1e-3 * most, 2 * moves);
        const worst = a.data.reduce((w, v, i) => Math.max(w, Math.abs(v - b.data[i])), 0);
        assert.ok(b.data.every(Number.isFinite) && worst <= limit, `${output}: ${worst} > ${limit}`);
      }
    });
  }
});
