// SPDX-License-Identifier: MIT
//
// larder.js in a page of an allowed origin and of one that is not, and in a module worker.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import {
  compare, freePort, noBrowser, openPage, SOURCE, startBrowser, startLarder, startSite,
} from './lib.mjs';

const read = (file) => fs.readFileSync(path.join(SOURCE, file), 'utf8');
const reference = JSON.parse(read('www/sample/reference.json'));

describe('larder.js', { skip: noBrowser() }, () => {
  let larder, browser, allowed, stranger, page;
  before(async () => {
    allowed = await startSite({ '/www/': path.join(SOURCE, 'www') });
    stranger = await startSite({ '/www/': path.join(SOURCE, 'www') });
    larder = await startLarder({ origins: [allowed.url] });
    browser = await startBrowser();
    page = await openPage(browser, allowed.url);
    await page.evaluate(async (url) => {
      window.module = await import(`${url}/larder.js`);
      window.larder = await window.module.connect();
      /** What a promise rejects with, as plain data. */
      window.failure = (promise) => promise.then(() => 'no failure', (e) => ({
        ...e, name: e.name, message: e.message, larder: e instanceof window.module.LarderError,
      }));
    }, larder.url);
  });
  after(async () => {
    await browser?.close();
    allowed?.stop();
    stranger?.stop();
    await larder?.stop();
  });

  test('connect finds the daemon that the module came from', async () => {
    const about = await page.evaluate(() => {
      const { ok, url, version } = window.larder;
      return { ok, url, version, target: window.larder instanceof EventTarget };
    });
    assert.match(about.version, /^\d+\.\d+\.\d+/);
    assert.deepEqual({ ...about, version: '' }, { ok: true, url: larder.url, version: '', target: true });
  });

  test('models lists files with sizes and digests', async () => {
    const models = await page.evaluate(() => window.larder.models());
    assert.equal(models.length, 1);
    const [digits] = models;
    assert.equal(digits.id, 'digits');
    assert.equal(digits.runnable, true);
    const { createHash } = await import('node:crypto');
    for (const file of ['model.onnx', 'weights-1.bin', 'weights-2.bin']) {
      const bytes = fs.readFileSync(path.join(SOURCE, 'www/sample', file));
      assert.deepEqual(digits.files.find((f) => f.path === file), {
        path: file, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex'),
      });
    }
    assert.equal(digits.bytes, digits.files.reduce((n, f) => n + f.bytes, 0));
  });

  test('describe names inputs and outputs, free dimensions as -1', async () => {
    const about = await page.evaluate(() => window.larder.describe('digits'));
    assert.deepEqual(about.inputs, [{ name: 'image', type: 'float32', dims: [-1, 1, 28, 28] }]);
    assert.deepEqual(about.outputs, [{ name: 'probabilities', type: 'float32', dims: [-1, 10] }]);
  });

  const inferAll = (images) => page.evaluate(async (all) => {
    const data = Float32Array.from(all.flat());
    const before = data.slice();
    const { probabilities } = await window.larder.infer('digits', {
      image: { type: 'float32', dims: [all.length, 1, 28, 28], data },
    });
    return {
      type: probabilities.type, dims: probabilities.dims, kind: probabilities.data.constructor.name,
      data: [...probabilities.data], untouched: data.every((v, i) => v === before[i]),
    };
  }, images);

  test('infer gives what numpy computed, alone and as a batch', async () => {
    const { cases, tolerance } = reference;
    const batch = await inferAll(cases.map((c) => c.image));
    assert.deepEqual(batch.dims, [cases.length, 10]);
    assert.deepEqual([batch.type, batch.kind, batch.untouched], ['float32', 'Float32Array', true]);
    const { worst } = compare(batch.data, cases.flatMap((c) => c.probabilities));
    assert.ok(worst < tolerance, `largest error ${worst}`);
    const one = await inferAll([cases[4].image]);
    assert.deepEqual(one.dims, [1, 10]);
    assert.ok(compare(one.data, cases[4].probabilities).worst < tolerance);
  });

  test('many runs at once map to their own callers', async () => {
    const wrong = await page.evaluate(async (cases) => {
      const runs = Array.from({ length: 40 }, (_, i) => {
        const { image, probabilities } = cases[i % cases.length];
        return window.larder.infer('digits', {
          image: { type: 'float32', dims: [1, 1, 28, 28], data: Float32Array.from(image) },
        }).then((r) => Math.max(...probabilities.map((p, k) => Math.abs(p - r.probabilities.data[k]))));
      });
      return Math.max(...await Promise.all(runs));
    }, reference.cases);
    assert.ok(wrong < reference.tolerance, `largest error ${wrong}`);
  });

  test('bad feeds are refused with the input named', async () => {
    const failures = await page.evaluate(() => {
      const data = new Float32Array(784);
      const good = { type: 'float32', dims: [1, 1, 28, 28], data };
      const attempt = (feeds) => window.failure(window.larder.infer('digits', feeds));
      return Promise.all([
        attempt({ image: { ...good, type: 'float' } }),
        attempt({ image: { ...good, dims: [1, 28, 27] } }),
        attempt({ image: { ...good, data: [...data] } }),
        attempt({ image: { ...good, dims: [1, -784] } }),
        attempt({ picture: good }),
        attempt({ image: { ...good, dims: [1, 784] } }),
        attempt({ image: { type: 'int32', dims: [1, 1, 28, 28], data: new Int32Array(784) } }),
        attempt({}),
      ]);
    });
    for (const failure of failures)
      assert.equal(failure.name, 'LarderInputError', JSON.stringify(failure));
    for (const failure of failures.slice(0, 4))
      assert.equal(failure.input, 'image');
    assert.match(failures[1].message, /756 for \[1,28,27\], got 784/);
    assert.match(failures[4].message, /image|picture/);
  });

  test('an unknown model, a closed client and an abort each say so', async () => {
    const [missing, described, closed, aborted, own] = await page.evaluate(async () => {
      const feeds = { image: { type: 'float32', dims: [1, 1, 28, 28], data: new Float32Array(784) } };
      const other = await window.module.connect();
      const flying = window.failure(other.infer('digits', feeds));
      other.close();
      const stop = new AbortController();
      const running = window.failure(window.larder.infer('digits', feeds, { signal: stop.signal }));
      stop.abort();
      return [
        await window.failure(window.larder.infer('nobody/knows', feeds)),
        await window.failure(window.larder.describe('nobody')),
        await flying,
        await running,
        { ok: other.ok, again: await window.failure(other.models()) },
      ];
    });
    for (const failure of [missing, described])
      assert.deepEqual([failure.name, failure.code, failure.status], ['LarderModelError', 'not-found', 404]);
    assert.equal(missing.model, 'nobody/knows');
    assert.equal(closed.code, 'closed');
    assert.deepEqual([aborted.name, aborted.larder], ['AbortError', false]);
    assert.deepEqual([own.ok, own.again.code], [false, 'closed']);
  });

  test('a module worker uses it too', async () => {
    const sum = await page.evaluate((url) => new Promise((done, fail) => {
      const code = `import { connect } from '${url}/larder.js';
        const larder = await connect();
        const { probabilities } = await larder.infer('digits', {
          image: { type: 'float32', dims: [1, 1, 28, 28], data: new Float32Array(784) } });
        postMessage(probabilities.data.reduce((a, b) => a + b));`;
      const worker = new Worker(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })),
        { type: 'module' });
      worker.onmessage = (e) => done(e.data);
      worker.onerror = (e) => fail(new Error(e.message ?? 'the worker failed'));
    }), larder.url);
    assert.ok(Math.abs(sum - 1) < 1e-5, `${sum}`);
  });

  test('connect says why it cannot', async () => {
    const nobody = await freePort();
    const mute = net.createServer(() => {}).listen(0, '127.0.0.1');
    await new Promise((ready) => mute.once('listening', ready));
    try {
      const at = await page.evaluate(async (url) => {
        const from = performance.now();
        await window.failure(window.module.connect({ url, timeout: 20000 }));
        return performance.now() - from;
      }, `http://127.0.0.1:${nobody}`);
      assert.ok(at < 2000, `${at} ms until it is said that nothing listens`);
      const [gone, other, silent] = await page.evaluate(({ ports, self }) => Promise.all([
        window.failure(window.module.connect({ url: `http://127.0.0.1:${ports[0]}` })),
        window.failure(window.module.connect({ url: self })),
        window.failure(window.module.connect({ url: `http://127.0.0.1:${ports[1]}`, timeout: 300 })),
      ]), { ports: [nobody, mute.address().port], self: allowed.url });
      assert.deepEqual([gone.name, gone.reason], ['LarderUnavailable', 'not running']);
      assert.match(gone.help, /larderd/);
      assert.equal(other.reason, 'not a larder');
      assert.equal(silent.reason, 'timeout');
      for (const { reason, message } of [gone, other, silent])
        assert.ok(message.startsWith(reason), message);
    } finally {
      mute.close();
    }
  });

  test('a page of an origin that is not allowed reads nothing and runs nothing', async () => {
    const visit = await openPage(browser, stranger.url);
    const counted = async () => {
      const text = await (await fetch(`${larder.url}/metrics`)).text();
      return Number(/^larder_inferences_total (\d+)$/m.exec(text)[1]);
    };
    const before = await counted();
    const tries = await visit.evaluate(async (url) => {
      const attempt = (path, init) => fetch(url + path, init).then(
        async (r) => (r.type === 'opaque' ? `opaque ${(await r.text()).length}` : `read ${r.status}`),
        (e) => e.name);
      const body = JSON.stringify({
        inputs: [{ name: 'image', shape: [1, 1, 28, 28], datatype: 'FP32', data: Array(784).fill(0) }],
      });
      const infer = '/v2/models/digits/infer';
      return Promise.all([
        ...['/healthz', '/api/models?full=true', '/metrics', '/v2', '/v2/models/digits', '/',
          '/demo/', '/digits/resolve/main/model.onnx'].map((p) => attempt(p)),
        attempt('/digits/resolve/main/model.onnx', { headers: { Range: 'bytes=0-9' } }),
        attempt(infer, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } }),
        attempt(infer, { method: 'POST', body }),
        attempt(infer, { method: 'POST', body, mode: 'no-cors' }).then((r) => r.replace('opaque 0', 'TypeError')),
      ]);
    }, larder.url);
    assert.deepEqual([...new Set(tries)], ['TypeError']);
    assert.equal(await counted(), before, 'nothing was run for it');

    const framed = await visit.evaluate((url) => new Promise((done) => {
      const frame = document.createElement('iframe');
      frame.onload = () => {
        try {
          done(frame.contentDocument ? 'error page' : 'foreign document');
        } catch {
          done('foreign document');
        }
      };
      frame.src = `${url}/demo/`;
      document.body.append(frame);
    }), larder.url);
    const inside = visit.frames().find((f) => f.url().startsWith(larder.url));
    assert.ok(!inside || !(await inside.$('#pad')), `the demo cannot be framed (${framed})`);

    const image = await visit.evaluate((url) => new Promise((done) => {
      const script = document.createElement('script');
      script.onload = () => done('loaded');
      script.onerror = () => done('refused');
      script.src = `${url}/demo/strokes.json`;
      document.head.append(script);
    }), larder.url);
    assert.equal(image, 'refused');
    await visit.context().close();
  });

  test('the module tells that page so, and what to run; then it works', async () => {
    const visit = await openPage(browser, stranger.url);
    const attempt = () => visit.evaluate(async (url) => {
      const { connect } = await import(`${url}/larder.js`); // public: any page may be told
      return connect().then((l) => ({ ok: l.ok }), ({ name, reason, help, message }) => ({ name, reason, help, message }));
    }, larder.url);
    const refused = await attempt();
    assert.deepEqual([refused.name, refused.reason], ['LarderUnavailable', 'origin not allowed']);
    const command = `larderctl origins add ${stranger.url}`;
    assert.ok(refused.help.includes(command), refused.help);
    await larder.ctl(...command.split(' ').slice(1));
    assert.deepEqual(await attempt(), { ok: true });
    await larder.ctl('origins', 'rm', stranger.url);
    assert.equal((await attempt()).reason, 'origin not allowed');
    await visit.context().close();
  });

  test('a daemon that goes away is noticed, and one that comes back is used', async () => {
    const short = await startLarder({ origins: [allowed.url] });
    const seen = await page.evaluate(async (url) => {
      const one = await window.module.connect({ url });
      window.events = [];
      for (const type of ['unavailable', 'available'])
        one.addEventListener(type, (e) => window.events.push([type, e.detail.reason ?? '']));
      window.short = one;
      return (await one.models()).length;
    }, short.url);
    assert.equal(seen, 1);
    await short.stop();
    const failure = await page.evaluate(() => window.failure(window.short.models()));
    assert.deepEqual([failure.name, failure.reason], ['LarderUnavailable', 'connection lost']);
    assert.deepEqual(await page.evaluate(() => window.events), [['unavailable', 'connection lost']]);
    const again = await startLarder({ origins: [allowed.url], port: short.port });
    try {
      assert.equal(await page.evaluate(() => window.short.models().then((m) => m.length)), 1);
      assert.deepEqual((await page.evaluate(() => window.events)).at(-1), ['available', '']);
    } finally {
      await again.stop();
    }
  });
});
