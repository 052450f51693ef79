// SPDX-License-Identifier: MIT
//
// The camera and bench pages, and what the status page says of jobs, memory and trouble. Screenshots
// are left for people to look at.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { folder, golden, noBrowser, openPage, SHOTS, SOURCE, startBrowser, startLarder } from './lib.mjs';

const ORT = folder('onnxruntime-web');
const MOBILENET = golden('mobilenetv2-035-tm');

describe('pages', { skip: noBrowser() }, () => {
  let larder, browser;
  before(async () => {
    fs.mkdirSync(SHOTS, { recursive: true });
    larder = await startLarder({ offline: false });
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    await larder?.stop();
  });
  const shot = (page, name) => page.screenshot({ path: path.join(SHOTS, `${name}.png`), fullPage: true });
  const fits = async (page, width) => {
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= width, `the page is ${wide} pixels wide`);
  };

  test('the camera page plays its clip where no camera is, and the model reads it', async () => {
    const page = await openPage(browser, `${larder.url}/demo/camera.html`);
    const asked = [];
    page.on('request', (r) => asked.push(r.url()));
    await page.waitForFunction(() => /digit \d/.test(document.querySelector('#verdict').textContent), { timeout: 15000 });
    assert.match(await page.textContent('#source'), /bundled clip: there is no camera/);
    const read = new Set();
    for (let i = 0; i < 40 && read.size < 3; i++) {
      read.add(await page.textContent('#verdict'));
      await page.waitForTimeout(200);
    }
    assert.ok(read.size >= 3, `it saw only ${[...read]}`);
    await page.click('#camera');
    await page.waitForFunction(() => /bundled clip/.test(document.querySelector('#source').textContent));
    await page.waitForFunction(() => /^the digit \d/.test(document.querySelector('#verdict').textContent));
    await shot(page, 'camera-light');
    assert.ok(asked.every((url) => url.startsWith(larder.url) || url.startsWith('blob:')), 'no external request');
    assert.deepEqual(page.complaints, []);
    await page.context().close();
    const phone = await openPage(browser, `${larder.url}/demo/camera.html`, {
      colorScheme: 'dark', viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
    await phone.waitForFunction(() => document.querySelector('#bars').children.length === 5);
    await fits(phone, 390);
    await shot(phone, 'camera-phone-dark');
    await phone.context().close();
  });

  test('a picture model sees the clip through the video helper', { skip: !MOBILENET && 'no models in ../shared' }, async () => {
    await larder.ctl('import', '--name', 'org/mobilenet', path.join(MOBILENET, 'mobilenet_model.onnx'), path.join(MOBILENET, 'labels.txt'));
    const page = await openPage(browser, `${larder.url}/demo/camera.html`);
    await page.waitForFunction(() => [...document.querySelectorAll('#model option')].some((o) => o.value === 'org/mobilenet'));
    await page.selectOption('#model', 'org/mobilenet');
    await page.waitForFunction(() => /\d+ frames a second/.test(document.querySelector('#rate').textContent)
      && !/digit \d/.test(document.querySelector('#verdict').textContent), { timeout: 15000 });
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });

  test('the bench page says how to get ONNX Runtime, and draws the ladder once it is there', async () => {
    const bare = await openPage(browser, `${larder.url}/demo/bench.html`);
    await bare.waitForSelector('#notice:not([hidden])');
    assert.match(await bare.textContent('#notice'), /larderctl import --name onnxruntime-web/);
    await bare.context().close();
    if (!ORT)
      return;
    await larder.ctl('import', '--name', 'onnxruntime-web', ...['ort.wasm.min.mjs', 'ort-wasm-simd-threaded.mjs',
      'ort-wasm-simd-threaded.wasm'].map((f) => path.join(ORT, 'dist', f)));
    for (const [colorScheme, width] of [['light', 1280], ['dark', 390]]) {
      const page = await openPage(browser, `${larder.url}/demo/bench.html`, { colorScheme, viewport: { width, height: 844 } });
      await page.waitForSelector('#model option', { state: 'attached' });
      await page.selectOption('#model', MOBILENET ? 'org/mobilenet' : 'digits');
      await page.fill('#runs', '5');
      await page.focus('#start');
      await page.keyboard.press('Enter');
      await page.waitForFunction(() => /fastest|Nobody|takes/.test(document.querySelector('#caption').textContent), { timeout: 60000 });
      const rows = await page.locator('#rungs tr').evaluateAll((all) => all.map((r) => [...r.children].map((c) => c.textContent)));
      assert.deepEqual(rows.slice(0, 3).map((r) => r[0]), ['the daemon', 'wasm, 1 thread', `wasm, ${Math.min(4, os.availableParallelism())} threads`]);
      const [bar, row] = await page.locator('#rungs meter').first().evaluate((m) => [m, m.closest('tr')].map((e) => e.getBoundingClientRect().height));
      assert.ok(bar < row / 2, 'a bar, no block');
      assert.ok(rows.every((r) => Number(r[2]) > 0), JSON.stringify(rows));
      await fits(page, width);
      await shot(page, `bench-${colorScheme}`);
      assert.deepEqual(page.complaints, []);
      await page.context().close();
    }
  });

  test('the status page: memory, jobs as they go, trouble', async () => {
    const page = await openPage(browser, larder.url);
    await page.waitForSelector('.model[data-id="digits"]');
    const titles = await page.locator('.gauge h3').allTextContents();
    for (const title of ['Hits', 'Queue', 'In memory', 'Stored', 'Refused'])
      assert.ok(titles.includes(title), title);
    await page.evaluate(() => import('/larder.js').then(({ connect }) => connect()).then((l) => l.createSession(null, 'digits')));
    await page.waitForSelector('.model[data-id="digits"] .badge.loaded');
    await fetch(`${larder.url}/healthz`, { headers: { Host: 'elsewhere.example' } }).catch(() => {});
    await fetch(`${larder.url}/metrics`, { headers: { Origin: 'http://stranger.example' } });
    await page.waitForFunction(() => /larderctl origins add/.test(document.querySelector('#trouble').textContent));
    await page.route('**/status/jobs', (route) => route.fulfill({ json: { jobs: [
      { id: 'a', model: 'org/large', state: 'running', bytes_done: 3 << 20, bytes_total: 9 << 20, error: null },
      { id: 'b', model: 'org/broken', state: 'failed', bytes_done: 0, bytes_total: 100, error: 'hub: not there' }] } }));
    await page.waitForSelector('.job.running');
    assert.match(await page.textContent('.job.running'), /org\/large.*being fetched · 3\.0 MiB of 9\.0 MiB/);
    assert.match(await page.textContent('.job.failed'), /hub: not there/);
    await shot(page, 'status-jobs');
    assert.deepEqual((await (await fetch(`${larder.url}/status/jobs`)).json()).jobs, []);
    await page.context().close();
    const keys = await openPage(browser, larder.url);
    await keys.waitForSelector('.model[data-id="digits"]');
    const focused = () => keys.evaluate(() => {
      const { activeElement: e } = document, { outlineStyle, boxShadow } = getComputedStyle(e);
      return [e.tagName, e.closest('.model')?.dataset.id, outlineStyle !== 'none' || boxShadow !== 'none'];
    });
    for (let i = 0; i < 12 && (await focused())[0] !== 'SUMMARY'; i++)
      await keys.keyboard.press('Tab');
    assert.deepEqual(await focused(), ['SUMMARY', 'digits', true], 'reached by Tab, and to be seen');
    const open = () => keys.locator('.model[data-id="digits"] .files').isVisible();
    const was = await open();
    await keys.keyboard.press('Enter');
    assert.equal(await open(), !was);
    await larder.ctl('import', '--name', 'a-new-one', path.join(SOURCE, 'www/icon.svg'));
    await keys.waitForSelector('.model[data-id="a-new-one"]');
    assert.deepEqual([...(await focused()).slice(0, 2), await open()], ['SUMMARY', 'digits', !was], 'as it was when the list changes');
    await keys.context().close();
    const phone = await openPage(browser, larder.url, { colorScheme: 'dark', viewport: { width: 360, height: 740 }, isMobile: true });
    await phone.waitForSelector('.model');
    await fits(phone, 360);
    await shot(phone, 'status-phone-dark');
    await phone.context().close();
  });
});
