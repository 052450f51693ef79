// SPDX-License-Identifier: MIT
//
// What can be said of the pages and the sample without a browser.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { compare, folder, load, SOURCE } from './lib.mjs';

const www = path.join(SOURCE, 'www');
const read = (file) => fs.readFileSync(path.join(SOURCE, file), 'utf8');
const assets = [...read('www/assets.def').matchAll(/^ASSET\( *"([^"]*)", *"([^"]*)", *"([^"]*)" *\)$/gm)]
  .map(([, url, type, file]) => ({ url, type, file }));
const reference = JSON.parse(read('www/sample/reference.json'));

test('every asset exists and has the type of its name', () => {
  assert.ok(assets.length > 10);
  const types = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.svg': 'image/svg+xml',
    '.json': 'application/json', '.webm': 'video/webm', '.ts': 'text/plain' };
  for (const { type, file } of assets) {
    assert.ok(fs.statSync(path.join(SOURCE, file)).size > 0, file);
    assert.equal(type.split(';')[0], types[path.extname(file)], file);
  }
});

test('pages refer to assets only, and to nothing inline', () => {
  const known = new Set(assets.map((a) => a.url));
  for (const { file } of assets.filter((a) => /\.(html|css|js)$/.test(a.file))) {
    const text = read(file);
    if (file.endsWith('.html')) {
      for (const [, url] of text.matchAll(/(?:href|src)="([^"]*)"/g))
        assert.ok(known.has(url), `${file}: ${url}`);
      assert.doesNotMatch(text, /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=/, file);
    }
    for (const [, url] of text.matchAll(/(?:^import .* from|import\(|fetch\() ?'(\/[^']*)'/gm))
      assert.ok(known.has(url) || ['/metrics', '/status/jobs', '/v2/models/stats'].includes(url), `${file}: ${url}`);
    const external = [...text.matchAll(/\bhttps?:\/\/[^\s'"`)]+/g)].map(([url]) => url)
      .filter((url) => !/^https?:\/\/(127\.0\.0\.1|www\.w3\.org\/2000\/svg)/.test(url));
    assert.deepEqual(external, [], file);
  }
});

test('the heads and the menus of the pages differ in nothing but themselves', () => {
  const pages = assets.filter((a) => a.file.endsWith('.html')).map((a) => ({ ...a, text: read(a.file) }));
  const common = ({ text, url }) => [/<meta charset[^]*?<meta name="description"/.exec(text)[0],
    /<header[^]*?<\/header>/.exec(text)[0].replace(`href="${url}" aria-current="page"`, `href="${url}"`)].join('');
  assert.equal(pages.length, 4);
  for (const page of pages) {
    assert.match(page.text, new RegExp(`href="${page.url}" aria-current="page"`), page.file);
    assert.equal(common(page), common(pages[0]), page.file);
  }
});

test('larder.js is at most 25 KB', () => {
  assert.ok(fs.statSync(path.join(www, 'larder.js')).size <= 25 * 1024);
});

test('the page rasterises as training does', async () => {
  const { frame, rasterise } = await import(path.join(www, 'demo/raster.js'));
  for (const { digit, strokes, image } of reference.cases) {
    const { worst } = compare(rasterise(frame(strokes)), image);
    assert.ok(worst < 1e-4, `digit ${digit}: ${worst}`);
  }
});

test('the sample model in ONNX Runtime gives what numpy computed', {
  skip: !folder('onnxruntime-node') && 'onnxruntime-node is not installed',
}, async () => {
  const ort = load('onnxruntime-node');
  const session = await ort.InferenceSession.create(path.join(www, 'sample/model.onnx'));
  const all = Float32Array.from(reference.cases.flatMap((c) => c.image));
  const { probabilities } = await session.run({
    image: new ort.Tensor('float32', all, [reference.cases.length, 1, 28, 28]),
  });
  assert.deepEqual([...probabilities.dims], [reference.cases.length, 10]);
  const { worst } = compare(probabilities.data, reference.cases.flatMap((c) => c.probabilities));
  assert.ok(worst < reference.tolerance, `${worst}`);
});

test('a tap and an empty drawing are pictures too', async () => {
  const { frame, rasterise } = await import(path.join(www, 'demo/raster.js'));
  const sum = (picture) => picture.reduce((n, v) => n + v, 0);
  assert.equal(sum(rasterise(frame([]))), 0);
  const dot = rasterise(frame([[[0.3, 0.3]]]));
  assert.ok(sum(dot) > 3 && sum(dot) < 12, `${sum(dot)}`);
  assert.ok(dot.every((v) => v >= 0 && v <= 1));
});
