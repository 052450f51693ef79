// SPDX-License-Identifier: MIT
//
// The browser module's figures, to be run by hand on a machine that does nothing else:
//
//     top_builddir=build node tests/browser/figures.mjs [MODEL.onnx [NAME=1,3,224,224]]
//
// Prints one line per figure: page time to the first result (larder warm, against the same page with
// files of a plain web server and wasm), one steady run (median of 30) against wasm with one thread,
// what the module adds to it (playwright is attached, which costs tens of ms for a body of 600 KB: the
// true figure is lower), and bytes of weights in the page. Default: the MobileNetV2 in ../shared.

import fs from 'node:fs';
import path from 'node:path';

import { folder, golden, openPage, startBrowser, startLarder, startSite, watchFiles } from './lib.mjs';

const [file = path.join(golden('mobilenetv2-imagenet-uint8-qdq') ?? golden('mobilenetv2-035-tm') ?? '.', ''), shape] = process.argv.slice(2);
const model = fs.statSync(file).isDirectory() ? path.join(file, fs.readdirSync(file).find((f) => f.endsWith('.onnx'))) : file;
const site = await startSite({ '/ort/': path.join(folder('onnxruntime-web'), 'dist'), '/model/': path.dirname(model) });
const larder = await startLarder({ origins: [site.url] });
await larder.ctl('import', '--name', 'm', model);
const browser = await startBrowser();

/** A fresh page: when its first result was there, and the median of 30 more runs. */
async function visit(how) {
  const page = await openPage(browser, site.url);
  const files = watchFiles(page, larder.url);
  const got = await page.evaluate(async ({ how, url, plain, shape }) => {
    const began = performance.now();
    const ort = await import('/ort/ort.wasm.min.mjs');
    ort.env.wasm.numThreads = 1;
    let session;
    if (how === 'larder')
      session = await (await (await import(`${url}/larder.js`)).connect()).createSession(ort, 'm', { fallback: 'always' });
    else
      session = await ort.InferenceSession.create(plain, { executionProviders: ['wasm'] });
    const [{ name, type, shape: declared }] = session.inputMetadata;
    const dims = shape?.split('=')[1].split(',').map(Number) ?? declared.map((d) => (d > 0 ? d : 1));
    const data = new Float32Array(dims.reduce((a, b) => a * b, 1));
    const feeds = { [name]: new ort.Tensor(type, data, dims) };
    await session.run(feeds);
    const first = performance.now() - began, times = [], compute = [];
    performance.clearResourceTimings();
    for (let i = 0; i < 30; i++) {
      const from = performance.now();
      await session.run(feeds);
      times.push(performance.now() - from);
    }
    for (const e of performance.getEntriesByType('resource'))
      compute.push(e.responseEnd - e.startTime);
    const median = (list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)];
    return { first, run: median(times), request: compute.length ? median(compute) : 0 };
  }, { how, url: larder.url, plain: `/model/${path.basename(model)}`, shape });
  await page.context().close();
  return { ...got, bytes: files.reduce((n, f) => n + f.bytes, 0) };
}

await visit('larder'); // warm
const [ours, theirs] = [await visit('larder'), await visit('wasm')];
console.log(`model                      ${path.basename(model)}`);
console.log(`first result, larder       ${ours.first.toFixed(0)} ms`);
console.log(`first result, wasm         ${theirs.first.toFixed(0)} ms   (larder: ${(ours.first / theirs.first).toFixed(2)} ×, bar 0.35)`);
console.log(`one run, larder            ${ours.run.toFixed(2)} ms   (${ours.request.toFixed(2)} ms of it the request; the module adds ${(ours.run - ours.request).toFixed(2)} ms, bar 1)`);
console.log(`one run, wasm, 1 thread    ${theirs.run.toFixed(2)} ms   (larder: ${(theirs.run / ours.run).toFixed(1)} × as fast, bar 4)`);
console.log(`bytes of weights in page   ${ours.bytes}   (bar 0)`);
await browser.close();
site.stop();
await larder.stop();
