// SPDX-License-Identifier: MIT
//
// larder.js where things are not as they should be: a service worker, a page with a strict policy, no
// storage, two tabs, a reload while a model loads, a daemon that stalls, an origin taken away.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';

import { noBrowser, openPage, SOURCE, stage, startLarder } from './lib.mjs';
import { onnxModel, weights } from './onnx_model.mjs';

const ICON = '<!doctype html><link rel="icon" href="data:,">';

describe('faults', { skip: noBrowser() }, () => {
  const it = stage({ roots: { '/www/': path.join(SOURCE, 'www') }, prepare: ({ site, larder }) => {
    const strict = (connect) => ({ body: ICON, headers: { 'Content-Security-Policy':
      `default-src 'none'; img-src data:; script-src 'self' 'unsafe-eval'; connect-src ${connect}` } });
    Object.assign(site.pages, {
      '/closed': strict("'self'"), '/open': strict(`'self' ${larder.url}`),
      '/sw.js': { type: 'text/javascript', body: `import '${larder.url}/larder-more.js';
        import { connect } from '${larder.url}/larder.js';
        onmessage = async ({ data, source }) => {
          try {
            const larder = await connect();
            const session = await larder.createSession(null, 'digits');
            const image = { type: 'float32', dims: [1, 1, 28, 28], data: new Float32Array(784) };
            const { probabilities } = await session.run({ image });
            const ask = () => larder.choose({ model: 'digits' });
            const choices = [await ask(), await ask()];
            source.postMessage({ sum: probabilities.data.reduce((a, b) => a + b), remembered: choices.map((c) => c.remembered) });
          } catch (error) { source.postMessage({ error: error.stack }); }
        };` },
    });
  } });

  /** Connects by a hosted copy and runs once; what came of it. */
  const attempt = (page, url = it.larder.url) => page.evaluate(async (at) => {
    const { connect } = await import('/www/larder.js');
    try {
      const larder = await connect({ url: at, timeout: 500 });
      const session = await larder.createSession(null, 'digits');
      const image = { type: 'float32', dims: [1, 1, 28, 28], data: new Float32Array(784) };
      return Object.values((await session.run({ image })).probabilities.dims);
    } catch (error) {
      return [error.name, error.reason, error.help];
    }
  }, url);

  test('a module service worker runs a model and remembers a choice', async () => {
    const page = await openPage(it.browser, it.site.url);
    const got = await page.evaluate(async () => {
      const registration = await navigator.serviceWorker.register('/sw.js', { type: 'module' });
      const worker = registration.installing ?? registration.active;
      const heard = new Promise((done) => { navigator.serviceWorker.onmessage = (e) => done(e.data); });
      navigator.serviceWorker.startMessages();
      worker.postMessage({});
      return heard;
    });
    assert.equal(got.error, undefined);
    assert.ok(Math.abs(got.sum - 1) < 1e-5);
    assert.deepEqual(got.remembered, [false, true]);
    await page.context().close();
  });

  test('a page\'s policy that lets nothing out, and one that lets the daemon', async () => {
    for (const [where, want] of [['/closed', 'LarderUnavailable'], ['/open', 1]]) {
      const page = await openPage(it.browser, it.site.url + where);
      assert.equal((await attempt(page))[0], want, where);
      await page.context().close();
    }
  });

  test('a page without storage measures again, every time', async () => {
    const page = await openPage(it.browser, it.site.url);
    const got = await page.evaluate(async (url) => {
      for (const name of ['localStorage', 'indexedDB'])
        Object.defineProperty(window, name, { get() { throw new DOMException('no', 'SecurityError'); } });
      const larder = await (await import(`${url}/larder.js`)).connect();
      return [await larder.choose({ model: 'digits' }), await larder.choose({ model: 'digits' })].map((c) => [c.backend, c.remembered]);
    }, it.larder.url);
    assert.deepEqual(got, [['larder', false], ['larder', false]]);
    await page.context().close();
  });

  test('two tabs at once, one reloaded in mid-work', async () => {
    const pages = await Promise.all([openPage(it.browser, it.site.url), openPage(it.browser, it.site.url)]);
    await pages[0].evaluate((url) => {
      import(`${url}/larder.js`).then(({ connect }) => connect()).then((larder) => {
        for (let i = 0; i < 20; i++)
          larder.createSession(null, 'digits').catch(() => {});
      });
    }, it.larder.url);
    await pages[0].reload();
    assert.deepEqual(await Promise.all(pages.map((p) => attempt(p))), [[1, 10], [1, 10]]);
    await Promise.all(pages.map((p) => p.context().close()));
  });

  test('a daemon that stalls: connect gives up in time, a run can be aborted at once', async () => {
    const slow = await startLarder({ origins: [it.site.url] });
    const page = await openPage(it.browser, it.site.url);
    await page.evaluate(async (url) => {
      window.larder = await (await import('/www/larder.js')).connect({ url });
      window.session = await window.larder.createSession(null, 'digits');
    }, slow.url);
    process.kill(slow.pid, 'SIGSTOP');
    try {
      const began = performance.now();
      assert.deepEqual((await attempt(page, slow.url)).slice(0, 2), ['LarderUnavailable', 'timeout']);
      assert.ok(performance.now() - began < 3000);
      const [name, ms] = await page.evaluate(async () => {
        const stop = new AbortController();
        const image = { type: 'float32', dims: [1, 1, 28, 28], data: new Float32Array(784) };
        const run = window.session.run({ image }, { signal: stop.signal });
        const aborted = performance.now();
        stop.abort();
        return [await run.catch((e) => e.name), performance.now() - aborted];
      });
      assert.equal(name, 'AbortError');
      assert.ok(ms < 100, `${ms} ms`);
    } finally {
      process.kill(slow.pid, 'SIGCONT');
    }
    assert.deepEqual(await attempt(page, slow.url), [1, 10]);
    await page.context().close();
    await slow.stop();
  });

  test('answers that are cut off, short or not JSON are errors, never tensors', async () => {
    const head = Buffer.from(JSON.stringify({ outputs: [{ name: 'y', shape: [2], datatype: 'FP32', parameters: { binary_data_size: 8 } }] }));
    const send = (reply, body, { size = body.length, status = 200 } = {}) => {
      reply.writeHead(status, { 'Content-Type': 'application/octet-stream', 'Content-Length': size, 'Inference-Header-Content-Length': head.length });
      size > body.length ? reply.write(body, () => setTimeout(() => reply.destroy(), 20)) : reply.end(body);
    };
    const answers = { whole: (r) => send(r, Buffer.concat([head, Buffer.alloc(8, 1)])),
      cut: (r) => send(r, Buffer.concat([head, Buffer.alloc(4)]), { size: head.length + 8 }), short: (r) => send(r, Buffer.concat([head, Buffer.alloc(4)])),
      none: (r) => r.destroy(), html: (r) => send(r, Buffer.from('<html>it works'.padEnd(head.length))), broken: (r) => send(r, Buffer.from('oops'), { status: 500 }),
      full: (r) => send(r, Buffer.from('{"error":"full"}'), { status: 503 }) };
    it.site.pages['/healthz'] = { type: 'application/json', body: '{"server":"larder","version":"1.2.3"}' };
    for (const [name, answer] of Object.entries(answers))
      it.site.pages[`/v2/models/${name}/infer`] = (request, reply) => request.resume().on('end', () => answer(reply));
    const page = await openPage(it.browser, it.site.url);
    const got = await page.evaluate(async (names) => {
      const { connect } = await import('/www/larder.js');
      const larder = await connect({ url: location.origin });
      return Promise.all(names.map((name) => larder.infer(name, { x: { type: 'float32', dims: [1], data: new Float32Array(1) } })
        .then((r) => r.y.data.length, (e) => [e.name, e.reason ?? e.code, e.retryAfter ?? e.status ?? ''].join(' '))));
    }, Object.keys(answers));
    assert.deepEqual(Object.fromEntries(Object.keys(answers).map((name, i) => [name, got[i]])), {
      whole: 2, cut: 'LarderUnavailable connection lost ', short: 'LarderError internal ', none: 'LarderUnavailable connection lost ',
      html: 'LarderError internal ', broken: 'LarderError internal 500', full: 'LarderBusy busy 1' });
    await page.context().close();
  });

  test('a model that the daemon has put out of memory is loaded again, and the page is told', async () => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'larder-large-')), side = 3000;
    fs.writeFileSync(path.join(dir, 'large.onnx'), onnxModel({ inputs: [['x', 'float32', ['n', side]]], outputs: [['y', 'float32', ['n', side]]],
      nodes: Array.from({ length: 6 }, (_, i) => ['MatMul', [i ? `h${i}` : 'x', `w${i}`], [i < 5 ? `h${i + 1}` : 'y']]),
      weights: Array.from({ length: 6 }, (_, i) => weights(`w${i}`, [side, side], i + 1)) }));
    await it.larder.ctl('import', '--name', 'large', path.join(dir, 'large.onnx'));
    fs.rmSync(dir, { recursive: true });
    const page = await openPage(it.browser, it.site.url);
    const run = () => page.evaluate(async () => {
      const y = await window.session.run({ x: { type: 'float32', dims: [1, 3000], data: new Float32Array(3000) } });
      return [y.y.data.length, window.steps.splice(0).filter((p) => p.phase === 'load')];
    });
    await page.evaluate(async (url) => {
      const larder = await (await import('/www/larder.js')).connect({ url });
      window.steps = [];
      window.session = await larder.createSession(null, 'large', { onprogress: (p) => window.steps.push(p) });
    }, it.larder.url);
    assert.deepEqual((await run())[1].map((p) => p.loaded / p.total), [0, 1]);
    assert.deepEqual(await run(), [3000, []]);
    await it.larder.ctl('unload', 'large');
    // Held until the page has waited long enough to ask, however fast the model is loaded.
    process.kill(it.larder.pid, 'SIGSTOP');
    const late = run();
    await new Promise((done) => { setTimeout(done, 1000); });
    process.kill(it.larder.pid, 'SIGCONT');
    const [size, steps] = await late;
    assert.equal(size, 3000);
    assert.ok(steps.length > 0, 'told');
    assert.ok(steps.every((p, i) => p.loaded <= p.total && p.total === steps[0].total && (!i || p.loaded >= steps[i - 1].loaded)), JSON.stringify(steps));
    assert.equal(steps.at(-1).loaded, steps.at(-1).total);
    assert.ok(steps[0].total > 1000000, `${steps[0].total} bytes`);
    await page.context().close();
  });

  test('an origin that is taken away', async () => {
    const other = await startLarder();
    const page = await openPage(it.browser, it.site.url);
    await other.ctl('origins', 'add', it.site.url);
    assert.deepEqual(await attempt(page, other.url), [1, 10]);
    await other.ctl('origins', 'rm', it.site.url);
    const [name, reason, help] = await attempt(page, other.url);
    assert.deepEqual([name, reason], ['LarderUnavailable', 'origin not allowed']);
    assert.ok(help.includes(`larderctl origins add ${it.site.url}`));
    await page.context().close();
    await other.stop();
  });
});
