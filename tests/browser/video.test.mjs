// SPDX-License-Identifier: MIT
//
// Frames of a canvas and of a <video> through a model of the daemon: none lost, in order, and the
// page's own thread stays free.

import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';

import { golden, noBrowser, openPage, stage } from './lib.mjs';

const MOBILENET = golden('mobilenetv2-035-tm');

describe('video', { skip: noBrowser() || (!MOBILENET && 'no models in ../shared') }, () => {
  const it = stage({ prepare: async ({ site, larder }) => {
    site.pages['/strict'] = { body: '<!doctype html><link rel="icon" href="data:,">', headers: { 'Content-Security-Policy':
      `default-src 'self'; img-src data:; script-src 'self' ${larder.url} 'unsafe-eval'; connect-src ${larder.url}` } };
    await larder.ctl('import', '--name', 'mobilenet', path.join(MOBILENET, 'mobilenet_model.onnx'));
  } });

  const TRANSFORM = { size: { width: 224, height: 224 }, resample: 2, do_rescale: true, rescale_factor: 1 / 127.5,
    do_normalize: true, image_mean: [1, 1, 1], image_std: [1, 1, 1] };

  /** Draws a moving picture and sends `frames` of it; what came of that. */
  const play = (page, frames, kind) => page.evaluate(async ({ url, frames, kind, transform }) => {
    const { connect } = await import(`${url}/larder.js`);
    const larder = await connect({ url });
    const { canvas, beat } = (await import('/in_page.mjs')).moving();
    let source = canvas;
    if (kind === 'video') {
      source = Object.assign(document.createElement('video'), { srcObject: canvas.captureStream(30), muted: true });
      await source.play();
    }
    const long = [], ids = [], errors = [], classes = new Set();
    new PerformanceObserver((list) => long.push(...list.getEntries().map((e) => e.duration))).observe({ type: 'longtask' });
    let sum;
    const out = await new Promise((done) => {
      larder.video(source, 'mobilenet', { transform, onerror: (e) => errors.push(e.message), onresult: (result, { id }) => {
        ids.push(id);
        const [{ data }] = Object.values(result);
        sum = data.reduce((a, b) => a + b);
        classes.add(data.indexOf(Math.max(...data)));
        if (ids.length === frames)
          done(window.video.count);
      } }).then((v) => { window.video = v; });
      setTimeout(() => done(window.video?.count ?? null), 12000);
    });
    window.video.stop();
    clearInterval(beat);
    return { out, ids, long, errors, sum };
  }, { url: it.larder.url, frames, kind, transform: TRANSFORM });

  for (const kind of ['canvas', 'video']) {
    test(`90 frames of a ${kind} at 30 a second`, async () => {
      const page = await openPage(it.browser, it.site.url);
      const began = performance.now();
      const { out, ids, long, errors, sum } = await play(page, 90, kind);
      const seconds = (performance.now() - began) / 1000;
      assert.deepEqual(errors, []);
      assert.ok(Math.abs(sum - 1) < 1e-4, 'probabilities');
      assert.ok(ids.every((id, i) => !i || id > ids[i - 1]), 'in order');
      assert.ok(ids.length >= 60, `${ids.length} answers`);
      console.log(`${kind}: ${ids.length} answers of ${out.sent} frames in ${seconds.toFixed(1)} s, `
        + `${out.dropped} replaced by newer ones, longest task ${Math.max(0, ...long).toFixed(0)} ms`);
      await page.context().close();
    });
  }

  test('its signal and close() end it; one that is aborted before does not begin', async () => {
    const page = await openPage(it.browser, it.site.url);
    const got = await page.evaluate(async ({ url, transform }) => {
      const { connect } = await import(`${url}/larder.js`);
      const larder = await connect({ url }), canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 64 });
      canvas.getContext('2d').fillRect(0, 0, 9, 9);
      const stop = new AbortController(), wait = (ms) => new Promise((done) => { setTimeout(done, ms); });
      let results = 0;
      const play = (signal) => larder.video(canvas, 'mobilenet', { transform, signal, onresult: () => { results++; } });
      const early = await play(AbortSignal.abort()).then(() => 'began', (e) => e.name);
      const counts = [];
      for (const end of [() => stop.abort(), () => larder.close()]) {
        const seen = await play(stop.signal.aborted ? undefined : stop.signal);
        while (results < 3)
          await wait(20);
        end();
        await wait(100);
        const { sent } = seen.count;
        results = 0;
        await wait(400);
        counts.push([seen.count.sent - sent, results]);
      }
      return { early, counts };
    }, { url: it.larder.url, transform: TRANSFORM });
    assert.equal(got.early, 'AbortError');
    assert.deepEqual(got.counts, [[0, 0], [0, 0]]);
    await page.context().close();
  });

  test('a page whose policy allows no such worker does it itself', async () => {
    const page = await openPage(it.browser, `${it.site.url}/strict`);
    const { ids, errors } = await play(page, 10, 'canvas');
    assert.deepEqual(errors, []);
    assert.ok(ids.length >= 10);
    await page.context().close();
  });
});
