// SPDX-License-Identifier: MIT
//
// Local Network Access: a public page may reach this machine only if the person allows it. The test
// page's port is declared public; a headless browser refuses what nobody has granted.

import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { load, noBrowser, openPage, SOURCE, startLarder, startSite } from './lib.mjs';

describe('Local Network Access', { skip: noBrowser() }, () => {
  let larder, browser, site, kiosk;
  before(async () => {
    site = await startSite({ '/www/': path.join(SOURCE, 'www') });
    kiosk = `http://kiosk.example:${new URL(site.url).port}`; // a name that is not a loopback one
    larder = await startLarder({ origins: [kiosk] });
    browser = await load('playwright-core').chromium.launch({ executablePath: '/usr/bin/chromium', headless: true,
      args: ['--no-sandbox', '--disable-gpu', `--ip-address-space-overrides=${new URL(site.url).host}=public`,
        '--host-resolver-rules=MAP kiosk.example 127.0.0.1', `--unsafely-treat-insecure-origin-as-secure=${kiosk}`] });
  });
  after(async () => {
    await browser?.close();
    site?.stop();
    await larder?.stop();
  });

  /** A page with its own copy of the module: what connect gives, and what an import does. */
  async function visit(context) {
    const page = await openPage(browser, kiosk, context);
    const got = await page.evaluate(async (url) => {
      const { connect } = await import('/www/larder.js');
      const state = await Promise.any(['loopback-network', 'local-network-access'].map((name) => navigator.permissions.query({ name })))
        .then((p) => p.state, () => 'unknown');
      const answer = await connect({ url }).then(async (l) => ({ models: (await l.models()).length }),
        ({ name, reason, help, message }) => ({ name, reason, help, message }));
      return { state, answer, imported: await import(`${url}/larder.js`).then(() => true, () => false) };
    }, larder.url);
    await page.context().close();
    return got;
  }

  const recent = async (t) => {
    const major = Number(browser.version().split('.')[0]);
    if (major < 142)
      t.skip(`Chromium ${major} has no Local Network Access`);
    return major >= 142;
  };

  test('a public page that is not allowed is told so, and what to do', async (t) => {
    if (!await recent(t))
      return;
    const { state, answer, imported } = await visit();
    assert.notEqual(state, 'granted');
    assert.deepEqual([answer.name, answer.reason], ['LarderUnavailable', 'blocked by browser']);
    assert.match(answer.help, /larderctl policies chrome/);
    assert.equal(imported, false);
  });

  test('a public page that is allowed works as any other', async (t) => {
    if (!await recent(t))
      return;
    const { answer, imported } = await visit({ permissions: ['local-network-access'] });
    assert.deepEqual(answer, { models: 1 });
    assert.equal(imported, true);
  });
});
