// SPDX-License-Identifier: MIT
//
// larder.js where things are not as they should be: a service worker, a page with a strict policy, no
// storage, two tabs, a reload while a model loads, a daemon that stalls, an origin taken away.

import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';

import { noBrowser, openPage, SOURCE, stage, startLarder } from './lib.mjs';

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
