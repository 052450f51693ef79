// SPDX-License-Identifier: MIT
//
// Pages that nobody allowed, in a real Chromium, each trying one thing against a larderd that runs:
// from another site, from another port of this machine, from an origin `null`, under a foreign name
// that leads to this machine (DNS rebinding), and from files that were stored as models. After each
// attempt nothing may have been read, changed or executed. Called by check_attacks.sh; TAP.
//
// The browser's own protection (permission prompts for the local network) is switched off, so that
// it is larder that has to refuse.

import { execFile } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

import { freePort, load, noBrowser, startLarder, startSite } from '../browser/lib.mjs';

const CANARY = 'canary-5e1f0b7c';
const FOREIGN = 'evil.example'; // leads to 127.0.0.1 in this browser
const OFF = 'LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets,BlockInsecurePrivateNetworkRequests,' +
  'PrivateNetworkAccessSendPreflights,PrivateNetworkAccessRespectPreflightResults,HttpsUpgrades';

const why = noBrowser();
if (why) {
  console.log(`1..0 # SKIP ${why}`);
  process.exit(0);
}

let number = 0;
let failed = 0;
function say(name, problems, note = '') {
  const good = problems.length === 0;
  failed += good ? 0 : 1;
  console.log(`${good ? 'ok' : 'not ok'} ${++number} - ${name}`);
  for (const problem of problems)
    console.log(`#   ${problem}`);
  if (note)
    console.log(`#   ${note}`);
}

/* ---- what a page may try; `at` is larder's address, F a file of a model; run in the page ---- */

const F = '/mine/secret/resolve/main/';
const DIGIT = JSON.stringify({ inputs: [{ name: 'image', datatype: 'FP32', shape: [1, 1, 28, 28],
  data: Array(784).fill(0) }] });

/** What must come back unread: each returns what it read, or throws. */
const READS = {
  'fetch of a file': (at) => fetch(`${at}/mine/secret/resolve/main/data.json`).then((r) => r.text()),
  'fetch of a range': (at) => fetch(`${at}/mine/secret/resolve/main/data.json`, { headers: { Range: 'bytes=0-20' } })
    .then((r) => r.text()),
  'fetch of the list of models': (at) => fetch(`${at}/api/models?full=true`).then((r) => r.text()),
  'fetch with credentials': (at) => fetch(`${at}/v2/models/digits`, { credentials: 'include' }).then((r) => r.text()),
  'fetch of the metrics': (at) => fetch(`${at}/metrics`).then((r) => r.text()),
  'fetch of the administration': (at) => fetch(`${at}/admin/v1/models`).then((r) => r.text()),
  'fetch without CORS': (at) => fetch(`${at}/mine/secret/resolve/main/data.json`, { mode: 'no-cors' })
    .then((r) => r.text()),
  'fetch that is kept alive': (at) => fetch(`${at}/mine/secret/raw/main/data.json`, { keepalive: true })
    .then((r) => r.text()),
  'fetch by way of a redirect': () => fetch('/away?/mine/secret/resolve/main/data.json').then((r) => r.text()),
  'XMLHttpRequest': (at) => new Promise((done) => {
    const x = new XMLHttpRequest();
    x.onloadend = () => done(x.responseText);
    x.open('GET', `${at}/mine/secret/resolve/main/data.json`);
    x.send();
  }),
  'EventSource': (at) => new Promise((done) => {
    const e = new EventSource(`${at}/admin/v1/jobs/1/events`);
    e.onmessage = e.onopen = () => done('opened');
    e.onerror = () => { e.close(); done(''); };
  }),
  'WebSocket': (at) => new Promise((done) => {
    const w = new WebSocket(`${at.replace('http', 'ws')}/v2`);
    w.onopen = () => done('opened');
    w.onerror = () => done('');
  }),
  'script element': (at) => globalThis.put('script', { src: `${at}/mine/secret/resolve/main/code.js` }),
  'script element of JSON': (at) => globalThis.put('script', { src: `${at}/api/models` }),
  'module': (at) => import(`${at}/mine/secret/resolve/main/code.js`).then((m) => m.default),
  'worker': (at) => new Promise((done) => {
    const w = new Worker(`${at}/mine/secret/resolve/main/code.js`);
    w.onmessage = (e) => done(e.data);
    w.onerror = () => done('');
  }),
  'importScripts in a worker': (at) => new Promise((done) => {
    const code = `try { importScripts('${at}/mine/secret/resolve/main/code.js'); postMessage('loaded'); } catch { postMessage(''); }`;
    new Worker(URL.createObjectURL(new Blob([code]))).onmessage = (e) => done(e.data);
  }),
  'image': (at) => globalThis.put('img', { src: `${at}/mine/secret/resolve/main/dot.png` }),
  'image of a missing file': (at) => globalThis.put('img', { src: `${at}/mine/secret/resolve/main/none.png` }),
  'video': (at) => globalThis.put('video', { src: `${at}/mine/secret/resolve/main/data.json` }, 'loadedmetadata'),
  'style sheet': (at) => globalThis.put('link', { rel: 'stylesheet', href: `${at}/mine/secret/resolve/main/data.json` }),
  'prefetch': (at) => globalThis.put('link', { rel: 'prefetch', href: `${at}/mine/secret/resolve/main/data.json` }),
  'preload': (at) => globalThis.put('link', { rel: 'preload', as: 'fetch', href: `${at}/mine/secret/resolve/main/data.json` }),
  'font': (at) => new FontFace('f', `url(${at}/mine/secret/resolve/main/data.json)`).load().then(() => 'loaded'),
  'frame of a file': (at) => globalThis.frame(`${at}/mine/secret/resolve/main/data.json`),
  'frame of the status page': (at) => globalThis.frame(`${at}/`),
  'frame of the demo': (at) => globalThis.frame(`${at}/demo/`),
  'object': (at) => globalThis.put('object', { data: `${at}/mine/secret/resolve/main/page.html` }),
  'embed': (at) => globalThis.put('embed', { src: `${at}/mine/secret/resolve/main/drawing.svg` }),
  'service worker of a foreign address': (at) =>
    navigator.serviceWorker.register(`${at}/mine/secret/resolve/main/code.js`).then(() => 'registered'),
};

/** What must not happen: whatever they return. `digit` is a body that would run the sample model. */
const WRITES = {
  'post of JSON': (at, digit) => fetch(`${at}/v2/models/digits/infer`,
    { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: digit }).then((r) => r.text()),
  'post of text without CORS': (at, digit) => fetch(`${at}/v2/models/digits/infer`,
    { method: 'POST', mode: 'no-cors', body: digit }).then((r) => r.text()),
  'post of text with CORS': (at, digit) => fetch(`${at}/v2/models/digits/infer`,
    { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body: digit }).then((r) => r.text()),
  'post of a form without CORS': (at) => fetch(`${at}/admin/v1/gc`,
    { method: 'POST', mode: 'no-cors', body: new URLSearchParams({ a: 'b' }) }).then((r) => r.text()),
  'post of several parts without CORS': (at) => {
    const form = new FormData();
    form.append('file', new Blob(['x']), 'x');
    return fetch(`${at}/admin/v1/blobs`, { method: 'POST', mode: 'no-cors', body: form }).then((r) => r.text());
  },
  'post of a blob without a type': (at, digit) => fetch(`${at}/v2/models/digits/infer`,
    { method: 'POST', mode: 'no-cors', body: new Blob([digit]) }).then((r) => r.text()),
  'beacon of text': (at, digit) => String(!navigator.sendBeacon(`${at}/v2/models/digits/infer`, digit)),
  'beacon of JSON': (at, digit) =>
    String(!navigator.sendBeacon(`${at}/v2/models/digits/infer`, new Blob([digit], { type: 'application/json' }))),
  'ping': (at) => {
    const a = Object.assign(document.createElement('a'), { ping: `${at}/admin/v1/gc`, href: '#x' });
    document.body.append(a);
    a.click();
  },
  'form of text in a frame': (at) => globalThis.form(`${at}/v2/models/digits/infer`, 'text/plain'),
  'form of parts in a frame': (at) => globalThis.form(`${at}/admin/v1/blobs`, 'multipart/form-data'),
  'form in a frame': (at) => globalThis.form(`${at}/admin/v1/gc`, 'application/x-www-form-urlencoded'),
  'an origin, by PUT': (at) => fetch(`${at}/admin/v1/origins`, { method: 'PUT',
    headers: { 'Content-Type': 'application/json' }, body: `{"origin":"${location.origin}"}` }).then((r) => r.text()),
  'an origin, by a form': (at) => globalThis.form(`${at}/admin/v1/origins`, 'text/plain'),
  'a model, by DELETE': (at) => fetch(`${at}/admin/v1/models/mine%2Fsecret`, { method: 'DELETE' }).then((r) => r.text()),
  'a fetch, by POST': (at) => fetch(`${at}/admin/v1/warm`, { method: 'POST', mode: 'no-cors',
    body: '{"model":"a/b"}' }).then((r) => r.text()),
  'unloading': (at) => fetch(`${at}/admin/v1/models/digits/unload`, { method: 'POST', mode: 'no-cors' }).then((r) => r.text()),
  'cancelling': (at) => fetch(`${at}/v2/requests/abc`, { method: 'DELETE' }).then((r) => r.text()),
};

/* Runs in every hostile page: elements that load something, and what became of them. */
function helpers() {
  // what `embed` fires says nothing
  globalThis.put = (tag, props, good = tag === 'embed' ? 'none' : 'load') => new Promise((done) => {
    const e = Object.assign(document.createElement(tag), props);
    e.addEventListener(good, () => done(`${tag} loaded ${globalThis.stolen ?? ''}`));
    e.addEventListener('error', () => done(''));
    document.body.append(e);
    setTimeout(done, 2000, '');
  });
  globalThis.frame = (src) => new Promise((done) => {
    const e = Object.assign(document.createElement('iframe'), { src });
    e.onload = () => {
      let seen = '';
      try { seen = e.contentDocument?.body?.textContent || ''; } catch { /* not ours */ }
      done(seen);
    };
    document.body.append(e);
    setTimeout(done, 2000, '');
  });
  globalThis.form = (action, enctype) => new Promise((done) => {
    document.body.insertAdjacentHTML('beforeend', `<iframe name=target></iframe><form method=post target=target>
      <input name='{"origin":"https://evil.example","x":"' value='"}'></form>`);
    const form = Object.assign(document.querySelector('form'), { action, enctype });
    document.querySelector('iframe').onload = () => setTimeout(done, 50, '');
    form.submit();
    setTimeout(done, 2000, '');
  });
}

/* ---- the machine that is attacked ------------------------------------------------------------ */

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'larder-attacks-'));
const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg==', 'base64');
const spy = (port) => `fetch('http://127.0.0.1:${port}/executed', { mode: 'no-cors' }); globalThis.stolen = '${CANARY}';`;

function store(port) {
  const files = {
    'data.json': `{"text":"${CANARY}"}`,
    'code.js': `${spy(port)} export default '${CANARY}';`,
    'plain.js': spy(port),
    'page.html': `<!doctype html><script>${spy(port)}</script>${CANARY}`,
    'drawing.svg': `<svg xmlns="http://www.w3.org/2000/svg"><script>${spy(port)}</script></svg>`,
    'dot.png': PNG,
    '<img src=x onerror=document.title="executed">.json': '{}',
  };
  for (const [name, bytes] of Object.entries(files))
    fs.writeFileSync(path.join(dir, name), bytes);
}

const site = await startSite({}, {});
store(new URL(site.url).port);
const larder = await startLarder();
await larder.ctl('import', '--name', 'mine/secret', dir);
const socket = (await promisify(execFile)('sh', ['-c', `tr '\\0' '\\n' </proc/${larder.pid}/cmdline`]))
  .stdout.split('\n').find((word) => word.endsWith('admin.sock'));

/** A request to the administration, over its socket. */
const administer = (where) => new Promise((done, fail) => {
  http.get({ socketPath: socket, path: where, headers: { Host: 'localhost' } }, (reply) => {
    let text = '';
    reply.on('data', (bytes) => { text += bytes; });
    reply.on('end', () => done(text));
  }).on('error', fail);
});

/** Whatever an attempt could have changed, as text. */
async function state() {
  const parts = await Promise.all(['/admin/v1/models', '/admin/v1/origins', '/admin/v1/jobs', '/v2/models/stats']
    .map(administer));
  return parts.join('\n').replace(/"(last_)?used[a-z_]*":[^,}]*/g, '');
}

const foreign = `http://${FOREIGN}:${new URL(site.url).port}`;
const body = `<!doctype html><link rel="icon" href="data:,"><body><script>(${helpers})()</script>`;
const sandboxed = `<!doctype html><link rel="icon" href="data:,"><iframe sandbox="allow-scripts allow-forms"
  srcdoc="${body.replaceAll('&', '&amp;').replaceAll('"', '&quot;')}"></iframe>`;
Object.assign(site.pages, { '/page': { body }, '/sandbox': { body: sandboxed },
  '/data': { body: `<!doctype html><iframe src="data:text/html;base64,${Buffer.from(body).toString('base64')}"></iframe>` } });
// a redirect of the site's own: startSite has none
const away = http.createServer((request, reply) => {
  reply.writeHead(307, { Location: larder.url + request.url.split('?')[1], 'Access-Control-Allow-Origin': '*' });
  reply.end();
}).listen(await freePort(), '127.0.0.1');

const { chromium } = load('playwright-core');
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args: ['--no-sandbox',
  '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  `--disable-features=${OFF}`, `--host-resolver-rules=MAP *.example 127.0.0.1`,
  `--unsafely-treat-insecure-origin-as-secure=${foreign}`] });

const EVERYTHING = { includes: () => true };
const queue = [];
const attack = (...about) => { queue.push(about); };

/**
 * Opens ${where} in a context of its own, runs ${attempt} there, and looks at what came of it. Statuses
 * of larder's answers must be refusals, unless `open` names paths that anybody may have.
 */
async function tryOne(name, where, attempt, { at = larder.url, inFrame = false, open = [], prepare } = {}) {
  const before = await state();
  const executed = site.asked.filter((p) => p === '/executed').length;
  const context = await browser.newContext();
  const page = await context.newPage();
  const problems = [];
  const seen = [];
  await page.route('**/away?*', (route) => route.continue({ url: route.request().url() }));
  context.on('response', (response) => {
    const url = new URL(response.url());
    if (url.port !== String(larder.port))
      return;
    seen.push(response.status());
    if (response.status() < 400 && !open.includes(url.pathname) && response.request().method() !== 'OPTIONS')
      problems.push(`${response.request().method()} ${url.pathname} was answered ${response.status()}`);
  });
  context.on('requestfailed', (request) => seen.push(request.failure()?.errorText));
  let got = '';
  try {
    await prepare?.(page);
    await page.goto(where);
    const target = inFrame ? page.frames()[1] : page;
    await target.waitForFunction('globalThis.put');
    got = await Promise.race([target.evaluate(attempt, at),
      new Promise((done) => setTimeout(done, 8000, 'nothing came of it'))]);
  } catch (error) {
    got = `refused: ${error.message.split('\n')[0]}`;
  }
  await page.waitForTimeout(60); // what was started without waiting
  got = String(got ?? '');
  if (got.includes(CANARY) || /loaded|opened|registered|"outputs"|larder_|"models"/.test(got))
    problems.push(`read: ${got.slice(0, 200)}`);
  await context.close();
  if (site.asked.filter((p) => p === '/executed').length !== executed)
    problems.push('code of a stored file was executed');
  const afterwards = await state();
  if (afterwards !== before)
    problems.push('something changed', ...before.split('\n'), 'and is now', ...afterwards.split('\n'));
  say(name, problems, `${[...new Set(seen)].join(' ')}; ${got.slice(0, 100)}`);
}

/* Playwright passes one argument: [at, digit]. */
const pair = (fn) => new Function('pair', `return (${fn})(...pair)`);

/* ---- from where ------------------------------------------------------------------------------- */

const from = [
  ['another site', `${foreign}/page`, false],
  ['another port', `${site.url}/page`, false],
  ['origin null (sandbox)', `${foreign}/sandbox`, true],
];
for (const [who, where, inFrame] of from) {
  for (const [what, fn] of Object.entries({ ...READS, ...WRITES })) {
    attack(`${who}: ${what}`, where, pair(String(fn).replace("'/away?", `'http://127.0.0.1:${away.address().port}/away?`)),
      { at: [larder.url, DIGIT], inFrame });
  }
}
for (const [what, fn] of [['fetch', READS['fetch of a file']], ['post', WRITES['post of text without CORS']]])
  attack(`origin null (data:): ${what}`, `${foreign}/data`, pair(fn), { at: [larder.url, DIGIT], inFrame: true });

/* ---- DNS rebinding: pages that are larder's own as far as the browser knows --------------------- */

const names = ['rebound.example', 'localhost.example', '127.0.0.1.example', 'xn--lrder-gra.example', 'larder.example',
  'a.localhost', 'localhost.', '0.0.0.0'];
for (const name of names) {
  const own = `http://${name}:${larder.port}`;
  const prepare = (page) => page.route(`${own}/page`, (route) => route.fulfill({ contentType: 'text/html', body }));
  attack(`rebinding, ${name}: fetch`, `${own}/page`, pair(READS['fetch of a file']), { at: ['', DIGIT], prepare, open: ['/page'] });
  attack(`rebinding, ${name}: post`, `${own}/page`, pair(WRITES['post of JSON']), { at: ['', DIGIT], prepare, open: ['/page'] });
  attack(`rebinding, ${name}: an origin`, `${own}/page`, pair(WRITES['an origin, by PUT']), { at: ['', DIGIT], prepare, open: ['/page'] });
}

/* ---- navigation: what a link, a window or the address bar leads to ------------------------------- */

attack('window of a file', `${foreign}/page`, pair((at) => {
  const w = open(`${at}/mine/secret/resolve/main/data.json`);
  return new Promise((done) => setTimeout(() => {
    try { done(w.document.body.textContent); } catch { done(''); }
  }, 500));
}), { at: [larder.url] });
attack('window of the status page', `${foreign}/page`, pair((at) => {
  const w = open(`${at}/`);
  return new Promise((done) => setTimeout(() => {
    try { done(w.document.title + w.length); } catch { done(w.closed ? 'out of reach' : ''); }
  }, 800));
}), { at: [larder.url], open: EVERYTHING });
attack('form that goes to the administration', `${foreign}/page`, pair((at) => {
  document.body.innerHTML = `<form method=post action="${at}/admin/v1/gc"></form>`;
  document.forms[0].submit();
}), { at: [larder.url] });
attack('speculation rules', `${foreign}/page`, pair((at) => {
  const rules = Object.assign(document.createElement('script'), { type: 'speculationrules',
    textContent: JSON.stringify({ prefetch: [{ source: 'list', urls: [`${at}/mine/secret/resolve/main/page.html`] }] }) });
  document.body.append(rules);
  return new Promise((done) => setTimeout(done, 500, ''));
}), { at: [larder.url] });
attack('what is there cannot be told from what is not', `${site.url}/page`, pair(async (at) => {
  const sizes = [];
  for (const file of ['data.json', 'none.json', '../../x']) {
    await fetch(`${at}/mine/secret/resolve/main/${file}`, { mode: 'no-cors' });
    const [entry] = performance.getEntriesByType('resource').slice(-1);
    sizes.push(`${entry.transferSize} ${entry.encodedBodySize} ${entry.responseStatus}`);
  }
  return new Set(sizes).size === 1 ? '' : `loaded: ${sizes.join(', ')}`;
}), { at: [larder.url] });
attack('/healthz, which anybody may ask, names nothing', `${foreign}/page`,
  pair((at) => fetch(`${at}/healthz`).then((r) => r.text()).then((t) => (/secret|digits|\//.test(t) ? `loaded ${t}` : ''))),
  { at: [larder.url], open: ['/healthz'] });

/* ---- stored files: asked for by larder's own pages, or typed --------------------------------------- */

for (const file of ['page.html', 'drawing.svg']) {
  attack(`stored ${file} typed in the address bar is a download`, `${larder.url}${F}${file}`, () => '',
    { open: [F + file] });
  attack(`stored ${file} as a frame of larder's own page`, `${larder.url}/`,
    pair((file) => new Promise((done) => {
      document.body.append(Object.assign(document.createElement('iframe'), { src: file }));
      setTimeout(done, 500, '');
    })), { at: [F + file], open: EVERYTHING, prepare: (page) => page.addInitScript('globalThis.put = 1') });
}
for (const [what, scope] of [['the whole of larder', '/'], ['its own folder', undefined]]) {
  attack(`a stored script as a service worker of ${what}`, `${larder.url}/`,
    pair((file, scope) => navigator.serviceWorker.register(file, { scope })
      .then((r) => `registered ${r.scope}`)), { at: [`${F}plain.js`, scope],
      open: EVERYTHING, prepare: (page) => page.addInitScript('globalThis.put = 1') });
}

/* ---- all of them, a few at a time ------------------------------------------------------------------ */

await Promise.all(Array.from({ length: 4 }, async () => {
  while (queue.length)
    await tryOne(...queue.shift());
}));
{
  const metrics = await administer('/metrics');
  const refused = ['origin', 'host', 'framing'].reduce((sum, why) =>
    sum + Number(metrics.match(new RegExp(`^larder_refused_${why}_total (\\d+)`, 'm'))?.[1] ?? 0), 0);
  say('it was larder that refused, not the browser alone', refused >= number * 0.8 ? [] : [`${refused} of ${number}`],
    `${refused} refusals in ${number} attempts`);
}
{
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${larder.url}/`);
  await page.getByText('secret').first().click().catch(() => {});
  await page.waitForTimeout(500);
  say('names of stored files are text in the status page',
    await page.title() === 'executed' || await page.locator('img[src=x]').count() > 0 ? ['a name became markup'] : []);
  await context.close();
}

await browser.close();
away.close();
site.stop();
fs.rmSync(dir, { recursive: true, force: true });
const ended = await larder.stop().then(() => [], (error) => [error.message]);
say('larderd stops in order, nothing to complain about', ended);
console.log(`1..${number}`);
process.exit(failed ? 1 : 0);
