// SPDX-License-Identifier: MIT
//
// The README's snippets (```js tested NAME), run as they stand in a page that is not larder's.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { folder, noBrowser, openPage, SOURCE, startBrowser, startLarder, startSite } from './lib.mjs';
import { writeHub } from './onnx_model.mjs';

const snippets = Object.fromEntries([...fs.readFileSync(path.join(SOURCE, 'README.md'), 'utf8')
  .matchAll(/^```js tested ([\w-]+)\n(.*?)^```$/gms)].map(([, name, code]) => [name, code]));
const [ORT, T, TFJS] = ['onnxruntime-web', '@huggingface/transformers', '@tensorflow/tfjs'].map(folder);

test('the README has its snippets', () => {
  assert.deepEqual(Object.keys(snippets), ['setup', 'onnxruntime-web', 'transformers', 'tensorflow', 'plain']);
});

describe('snippets', { skip: noBrowser() || (!(ORT && T && TFJS) && 'the client libraries are not installed') }, () => {
  let larder, browser, site, dir;
  before(async () => {
    const imports = { 'onnxruntime-web/webgpu': '/ort/ort.webgpu.min.mjs', 'onnxruntime-web': '/ort/ort.wasm.min.mjs',
      'onnxruntime-common': '/common/index.js', '@huggingface/transformers': '/t/transformers.web.min.js' };
    site = await startSite({ '/ort/': path.join(ORT, 'dist'), '/t/': path.join(T, 'dist'), '/tfjs/': path.join(TFJS, 'dist'),
      '/common/': path.join(folder('onnxruntime-common'), 'dist/esm') });
    larder = await startLarder({ origins: [site.url] });
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'larder-snippets-'));
    writeHub(dir, 'tiny/embed');
    await larder.ctl('import', '--name', 'mine/embedder', dir);
    await larder.ctl('import', '--name', 'mine/digits', ...['model.onnx', 'weights-1.bin', 'weights-2.bin']
      .map((f) => path.join(SOURCE, 'www/sample', f)));
    browser = await startBrowser();
    for (const [name, code] of Object.entries(snippets)) {
      const all = (name === 'setup' ? '' : snippets.setup) + code;
      const names = [...code.matchAll(/^const (?:\{ ([\w, ]+) \}|(\w+)) =/gm)].flatMap((m) => (m[1] ?? m[2]).split(', '));
      site.pages[`/${name}`] = { body: `<!doctype html><link rel="icon" href="data:,"><script type="importmap">${JSON.stringify({ imports })}</script>
        ${name === 'tensorflow' ? '<script src="/tfjs/tf.min.js"></script><script type="module">await tf.setBackend("cpu");</script>' : ''}
        <script type="module">${all.replaceAll('http://127.0.0.1:8411', larder.url)}
        window.result = { ${names} };</script>` };
    }
  });
  after(async () => {
    await browser?.close();
    site?.stop();
    await larder?.stop();
    if (dir)
      fs.rmSync(dir, { recursive: true, force: true });
  });

  const see = {
    'setup': (r) => r.larder.ok,
    'onnxruntime-web': (r) => r.session.backend === 'larder' && r.probabilities.dims.join() === '1,10',
    'transformers': (r) => r.vector.dims.join() === '1,8',
    'tensorflow': (r) => r.model.backend === 'larder' && r.scores.shape.join() === '1,10',
    'plain': (r) => r.probabilities.data.length === 10 && r.backend === 'larder' && r.reason.length > 10,
  };
  for (const name of Object.keys(snippets)) {
    test(`README: ${name}`, async () => {
      const page = await openPage(browser, `${site.url}/${name}`);
      await page.waitForFunction(() => window.result, null, { timeout: 20000 })
        .catch(() => assert.fail(page.complaints.join('\n') || 'it does not come to its end'));
      assert.ok(await page.evaluate(`(${see[name]})(window.result)`));
      await page.context().close();
    });
  }
});
