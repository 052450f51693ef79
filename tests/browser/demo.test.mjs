// SPDX-License-Identifier: MIT
//
// The demo page on a real daemon: someone draws, the page answers.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { noBrowser, openPage, SHOTS, startBrowser, startLarder } from './lib.mjs';

/** Digits as somebody may draw them with a mouse: strokes of corners, on a sheet of 1 x 1. */
const ring = (cx, cy, rx, ry, from = -90, to = 265) => Array.from({ length: 25 }, (_, i) => {
  const angle = (from + (to - from) * i / 24) * Math.PI / 180;
  return [cx + rx * Math.cos(angle), cy + ry * Math.sin(angle)];
});
const DRAWN = [
  [ring(0.5, 0.5, 0.19, 0.3)],
  [[[0.38, 0.34], [0.5, 0.2], [0.51, 0.5], [0.52, 0.82]]],
  [[...ring(0.5, 0.34, 0.18, 0.15, 190, 385), [0.5, 0.64], [0.3, 0.8], [0.5, 0.8], [0.72, 0.79]]],
  [[...ring(0.46, 0.34, 0.17, 0.15, -150, 85), ...ring(0.46, 0.65, 0.2, 0.17, -85, 150)]],
  [[[0.42, 0.2], [0.27, 0.6], [0.74, 0.6]], [[0.6, 0.36], [0.59, 0.6], [0.58, 0.84]]],
  [[[0.68, 0.2], [0.36, 0.21], [0.34, 0.48], ...ring(0.48, 0.62, 0.19, 0.19, -130, 150)]],
  [[[0.62, 0.18], [0.42, 0.36], [0.34, 0.56], ...ring(0.5, 0.65, 0.16, 0.15, 180, -180)]],
  [[[0.28, 0.22], [0.5, 0.21], [0.72, 0.22], [0.56, 0.5], [0.44, 0.82]]],
  [ring(0.5, 0.34, 0.13, 0.14, 90, 450), ring(0.5, 0.65, 0.17, 0.16, -90, 270)],
  [[...ring(0.48, 0.36, 0.16, 0.16, -10, -350), [0.64, 0.3], [0.62, 0.6], [0.56, 0.83]]],
];

const browserMissing = noBrowser();

describe('demo', { skip: browserMissing }, () => {
  let larder, browser;
  before(async () => {
    fs.mkdirSync(SHOTS, { recursive: true });
    larder = await startLarder();
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    await larder?.stop();
  });

  const shot = (page, name) => page.screenshot({ path: path.join(SHOTS, `${name}.png`), fullPage: true });

  async function draw(page, strokes) {
    const box = await page.locator('#pad').boundingBox();
    const at = ([x, y]) => [box.x + x * box.width, box.y + y * box.height];
    for (const [first, ...rest] of strokes) {
      await page.mouse.move(...at(first));
      await page.mouse.down();
      for (const point of rest)
        await page.mouse.move(...at(point), { steps: 3 });
      await page.mouse.up();
    }
  }

  const answer = (page, digit) => page.waitForFunction(
    (want) => document.querySelector('#digit').textContent === want
      && Number.parseFloat(document.querySelector('.bars .best .share').textContent) > 60,
    String(digit), { timeout: 10000 });

  test('someone draws each digit with the mouse and sees it read', async () => {
    const page = await openPage(browser, `${larder.url}/demo/`);
    for (const [digit, strokes] of DRAWN.entries()) {
      await draw(page, strokes);
      await answer(page, digit).catch(async () => {
        await shot(page, `misread-${digit}`);
        assert.fail(`drew ${digit}, read ${await page.textContent('#digit')}: `
          + `${await page.textContent('#second')}`);
      });
      await page.click('#clear');
      await page.waitForFunction(() => document.querySelector('#digit').textContent === '?');
    }
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });

  test('what goes over the wire is one binary tensor', async () => {
    const page = await openPage(browser, `${larder.url}/demo/`);
    const asked = page.waitForRequest((r) => r.url().endsWith('/v2/models/digits/infer'));
    await page.keyboard.press('7');
    const request = await asked;
    const headers = await request.allHeaders();
    const body = request.postDataBuffer();
    const length = Number(headers['inference-header-content-length']);
    assert.equal(request.method(), 'POST');
    assert.equal(headers['content-type'], 'application/octet-stream');
    assert.equal(headers.cookie, undefined);
    assert.equal(body.length, length + 28 * 28 * 4);
    const { inputs } = JSON.parse(body.subarray(0, length).toString());
    assert.deepEqual(inputs, [{
      name: 'image', shape: [1, 1, 28, 28], datatype: 'FP32', parameters: { binary_data_size: 3136 },
    }]);
    await page.context().close();
  });

  test('keys and buttons do without a mouse', async () => {
    const page = await openPage(browser, `${larder.url}/demo/`);
    await page.keyboard.press('4');
    await answer(page, 4);
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.querySelector('#digit').textContent === '?');
    for (let i = 0; i < 9 && await page.evaluate(() => document.activeElement.id) !== 'play'; i++)
      await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => /^\d$/.test(document.querySelector('#digit').textContent));
    assert.match(await page.textContent('#trip'), /^\d+\.\d$/);
    await page.context().close();
  });

  test('both colour schemes, and a screenshot of each', async () => {
    const papers = [];
    for (const [colorScheme, digit] of [['light', 3], ['dark', 8]]) {
      const page = await openPage(browser, `${larder.url}/demo/`, { colorScheme });
      await page.keyboard.press(String(digit));
      await answer(page, digit);
      await page.waitForTimeout(1200);
      papers.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
      await shot(page, `demo-${colorScheme}`);
      await page.context().close();
    }
    assert.notEqual(papers[0], papers[1]);
  });

  test('on a phone it fits, and a finger draws', async () => {
    const page = await openPage(browser, `${larder.url}/demo/`, {
      viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true,
    });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 390, `the page is ${wide} pixels wide`);
    const box = await page.locator('#pad').boundingBox();
    const finger = await page.context().newCDPSession(page);
    const touch = (type, points) => finger.send('Input.dispatchTouchEvent', {
      type, touchPoints: points.map(([x, y]) => ({ x: box.x + x * box.width, y: box.y + y * box.height })),
    });
    for (const [first, ...rest] of DRAWN[2]) {
      await touch('touchStart', [first]);
      for (const point of rest)
        await touch('touchMove', [point]);
      await touch('touchEnd', []);
    }
    await answer(page, 2);
    assert.ok(await page.locator('#digit').evaluate((e) => e.getBoundingClientRect().bottom) <= 844,
      'the answer is on the screen while one draws');
    await shot(page, 'demo-phone');
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });

  test('pages come with a policy that allows their own files only', async () => {
    for (const url of ['/', '/demo/']) {
      const reply = await fetch(larder.url + url);
      assert.equal(reply.status, 200);
      const policy = reply.headers.get('content-security-policy') ?? '';
      assert.match(policy, /default-src '(self|none)'/);
      assert.match(policy, /frame-ancestors 'none'/);
      assert.doesNotMatch(policy, /'unsafe-|https?:|\*/);
      assert.equal(reply.headers.get('x-content-type-options'), 'nosniff');
    }
  });

  test('the status page shows the models and counts', async () => {
    for (const colorScheme of ['light', 'dark']) {
      const page = await openPage(browser, larder.url, { colorScheme });
      await page.waitForSelector('.model');
      assert.equal(await page.textContent('.model .id'), 'digits');
      assert.equal(await page.textContent('.model .badge'), 'runs here');
      const files = await page.locator('.files td:first-child').allTextContents();
      assert.deepEqual(files.sort(), ['model.onnx', 'weights-1.bin', 'weights-2.bin']);
      assert.match(await page.textContent('#headline'), /^1 model in the larder, 205 KiB/);
      assert.match(await page.textContent('#state'), /^Running for \d+ (s|min)/);
      const requests = () => page.locator('.gauge').first().locator('.value')
        .textContent().then((text) => Number(text.replaceAll(',', '')));
      const first = await requests();
      await page.waitForFunction((n) => Number(document.querySelector('.gauge .value').textContent
        .replaceAll(',', '')) > n, first, { timeout: 10000 });
      await shot(page, `status-${colorScheme}`);
      await page.click('a[href="/demo/"]');
      await page.waitForSelector('#pad');
      assert.deepEqual(page.complaints, []);
      await page.context().close();
    }
    const page = await openPage(browser, larder.url, { viewport: { width: 360, height: 740 }, isMobile: true });
    await page.waitForSelector('.model');
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 360, `the page is ${wide} pixels wide`);
    await shot(page, 'status-phone');
    await page.context().close();
  });
});

test('without the sample model, and without the daemon, the demo says so', { skip: browserMissing }, async () => {
  const larder = await startLarder({ sample: false });
  const browser = await startBrowser();
  try {
    const page = await openPage(browser, `${larder.url}/demo/`);
    await page.waitForSelector('#notice:not([hidden])');
    assert.match(await page.textContent('#notice'), /sample model is not in the store.*--sample/);
    await larder.stop();
    await page.keyboard.press('5');
    await page.waitForFunction(() => /does not answer/.test(document.querySelector('#notice').textContent));
    assert.match(await page.textContent('#notice'), /larderd|connection/);
  } finally {
    await browser.close();
    await larder.stop().catch(() => {});
  }
});
