// SPDX-License-Identifier: MIT
//
// The browser module's figures, to be run by hand on a machine that does nothing else:
//
//     top_builddir=build node tests/browser/figures.mjs [MODEL.onnx]
//
// Prints one line per figure. Nothing is attached to the browser (a debugger makes a body of 600 KB cost tens of ms): its
// pages send home what they measured. Default: MobileNetV2 of full width (tests/bench/graphs.cjs).

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';

import { CHROMIUM, FLAGS, inside, SOURCE, startLarder, startSite } from './lib.mjs';

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'larder-figures-'));
const model = process.argv[2] ?? path.join(dir, 'mobilenetv2-f32.onnx');
if (!process.argv[2])
  createRequire(import.meta.url)(path.join(SOURCE, 'tests/bench/graphs.cjs')).write('mobilenetv2-f32', model);

/** In the page: opens the model by `how`, runs it once, then `runs` times. */
async function measure({ how, url, plain, runs }) {
  const steps = [], step = (what) => steps.push(`${what} ${performance.now().toFixed(0)}`);
  step('script');
  const ort = await import('/ort/ort.wasm.min.mjs');
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = '/ort/';
  step('ort');
  const larder = how === 'plain' ? null : await (await import(`${url}/larder.js`)).connect();
  const session = how === 'plain' ? await ort.InferenceSession.create(plain, { executionProviders: ['wasm'] })
    : await larder.createSession(ort, 'm', { fallback: how });
  step('session');
  const [{ name, type, shape }] = session.inputMetadata, dims = shape.map((d) => (d > 0 ? d : 1));
  const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i));
  const feeds = { [name]: new ort.Tensor(type, data, dims) };
  step('feeds');
  const [out] = Object.values(await session.run(feeds));
  step('result');
  const first = performance.now(), times = [], requests = [], long = []; // since the navigation began
  new PerformanceObserver((list) => long.push(...list.getEntries().map((e) => e.duration))).observe({ type: 'longtask' });
  const files = performance.getEntriesByType('resource').filter((e) => /\/(resolve|raw|blobs)\//.test(e.name));
  // what is not the module's: fetch() itself, and from its return to the bytes of its answer
  const { fetch: ask } = globalThis, calls = [];
  let called, had;
  globalThis.fetch = (...args) => {
    called = performance.now();
    const reply = ask(...args);
    calls.push(performance.now() - called);
    return reply.then((r) => {
      const read = r.arrayBuffer.bind(r);
      r.arrayBuffer = () => read().then((bytes) => {
        had = performance.now();
        return bytes;
      });
      return r;
    });
  };
  const js = [];
  for (let i = 0; i < runs; i++) {
    performance.clearResourceTimings();
    const from = performance.now();
    await session.run(feeds);
    const took = performance.now() - from, [e] = performance.getEntriesByType('resource');
    times.push(took);
    js.push(took - (had - called));
    requests.push(e ? e.responseEnd - e.startTime : 0);
  }
  const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];
  return { first, steps: steps.join(', '), run: median(times), least: times[0], request: median(requests), js: median(js), call: median(calls), long: Math.max(0, ...long), answer: Array.from(out.data),
    files: files.length, bytes: files.reduce((n, e) => n + e.transferSize, 0) };
}

/** In the page: 90 frames of a canvas at 30 a second through larder.video. */
async function film({ url }) {
  const larder = await (await import(`${url}/larder.js`)).connect();
  const { canvas } = (await import('/in_page.mjs')).moving(), long = [];
  const video = Object.assign(document.createElement('video'), { srcObject: canvas.captureStream(30), muted: true });
  await video.play();
  new PerformanceObserver((list) => long.push(...list.getEntries().map((e) => e.duration))).observe({ type: 'longtask' });
  const began = performance.now();
  const transform = { size: { width: 224, height: 224 }, do_rescale: true, rescale_factor: 1 / 255 };
  let seen, first;
  const ids = await new Promise((done, fail) => {
    const all = [];
    setTimeout(fail, 30000, new Error('90 frames do not come'));
    larder.video(video, 'm', { transform, onerror: fail, onresult: (_, { id }) => {
      first ??= performance.now();
      if (all.push(id) === 90)
        done(all);
    } }).then((v) => { seen = v; });
  });
  const { count } = seen, ended = performance.now();
  seen.stop();
  return { lost: ids.at(-1) + 1 - ids.length, dropped: count.dropped, rate: 89000 / (ended - first), warm: first - began, long: Math.max(0, ...long) };
}

const reports = [];
const page = (work, options) => ({ body: `<!doctype html><link rel="icon" href="data:,"><body><script type="module">
  ${work}
  const report = await ${work.name}(${JSON.stringify(options)}).catch((e) => ({ error: e.stack ?? String(e) }));
  await fetch('/report', { method: 'POST', body: JSON.stringify(report) });</script>` });

const site = await startSite({ '/ort/': inside('onnxruntime-web', 'dist'), '/model/': path.dirname(model) }, {
  '/report': async (request, reply) => {
    const parts = [];
    for await (const part of request)
      parts.push(part);
    reply.end();
    reports.shift()(JSON.parse(Buffer.concat(parts)));
  } });
// a browser that has just been started is busy with itself
site.pages['/wait'] = { body: `<!doctype html><link rel="icon" href="data:,"><script>setTimeout(() => { location = '/figure'; }, 1500)</script>` };
const larder = await startLarder({ origins: [site.url], sample: false });
await larder.ctl('import', '--name', 'm', model);
const sent = async () => Number(/^larder_sent_bytes_total (\d+)$/m.exec(await (await fetch(`${larder.url}/metrics`)).text())[1]);

/** One page in a browser of its own, whose profile is kept under `profile`; what the page says. */
async function visit(work, options, profile) {
  site.pages['/figure'] = page(work, { url: larder.url, plain: `/model/${path.basename(model)}`, runs: 50, ...options });
  const browser = spawn(CHROMIUM, [...FLAGS, '--headless=new', '--mute-audio', `--user-data-dir=${path.join(dir, profile)}`,
    `${site.url}/wait`], { stdio: 'ignore' });
  const late = setTimeout(() => browser.kill('SIGKILL'), 60000);
  const got = await Promise.race([new Promise((done) => reports.push(done)),
    new Promise((done) => browser.once('exit', () => done({ error: 'the browser ended' })))]);
  clearTimeout(late);
  browser.kill('SIGTERM');
  if (browser.exitCode === null && browser.signalCode === null)
    await new Promise((done) => browser.once('exit', done));
  if (got.error)
    throw new Error(got.error);
  return got;
}

const say = (what, text) => console.log(`${what.padEnd(34)} ${text}`);
try {
  const wanted = process.env.FIGURES?.split(' ') ?? ['page', 'visits', 'video'];
  say('model', path.basename(model));
  await visit(measure, { how: 'always', runs: 3 }, 'warm');
  if (wanted.includes('page')) {
    const rounds = [];
    for (const i of [1, 2, 3, 4])
      rounds.push([await visit(measure, { how: 'always' }, `ours-${i}`), await visit(measure, { how: 'plain' }, `plain-${i}`)]);
    const best = (k, f) => Math.min(...rounds.map((r) => f(r[k])));
    const [ours, theirs] = [0, 1].map((k) => ({ first: best(k, (v) => v.first), run: best(k, (v) => v.run), least: best(k, (v) => v.least) }));
    const again = await visit(measure, { how: 'plain' }, 'plain-1');
    const quickest = (k) => rounds.map((r) => r[k]).sort((x, y) => x.first - y.first)[0].steps;
    say('first result, larder', `${ours.first.toFixed(0)} ms since the navigation began (${quickest(0)})`);
    say('first result, wasm', `${theirs.first.toFixed(0)} ms, ${again.first.toFixed(0)} on a second visit (larder: ${
      (ours.first / theirs.first).toFixed(2)} ×, bar 0.35; ${quickest(1)})`);
    say('one run, larder', `${ours.run.toFixed(2)} ms, ${rounds[0][0].request.toFixed(2)} of it the request`);
    say('one run, wasm, 1 thread', `${theirs.run.toFixed(2)} ms (larder: ${(theirs.run / ours.run).toFixed(1)} × as fast, bar 4; fastest of all runs ${
      ours.least.toFixed(2)} and ${theirs.least.toFixed(2)} ms, ${(theirs.least / ours.least).toFixed(1)} ×)`);
    say('JavaScript of one run', `${best(0, (v) => v.js).toFixed(2)} ms (bar 1), and fetch() itself ${best(0, (v) => v.call).toFixed(2)}; longest task of 50 runs ${best(0, (v) => v.long).toFixed(0)} ms`);
    say('weights in the page', `${rounds.map((r) => `${r[0].files} files, ${r[0].bytes} bytes`)[0]} (bar 0)`);
    const [a, b] = rounds[0].map((v) => v.answer), most = Math.max(...b.map(Math.abs));
    say('largest difference', `${Math.max(...a.map((v, i) => Math.abs(v - b[i]))).toExponential(1)} (limit ${(1e-4 + 1e-3 * most).toExponential(1)})`);
  }
  if (wanted.includes('visits')) {
    const bodies = [];
    for (const i of [1, 2]) {
      const before = await sent(), { bytes } = await visit(measure, { how: 'never', runs: 1 }, 'visits');
      bodies.push(`visit ${i}: ${bytes} bytes in the page's own count, ${await sent() - before} sent by the daemon in all`);
    }
    say('weights when the page runs it', bodies.join('; '));
  }
  if (wanted.includes('video')) {
    const { lost, dropped, rate, warm, long } = await visit(film, {}, 'film');
    say('90 frames', `${lost} lost (${dropped} replaced), ${rate.toFixed(1)} a second, first after ${warm.toFixed(0)} ms, longest task ${long.toFixed(0)} ms (bar 50)`);
  }
} finally {
  site.stop();
  await larder.stop();
  fs.rmSync(dir, { recursive: true, force: true });
}
