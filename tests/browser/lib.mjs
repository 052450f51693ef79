// SPDX-License-Identifier: MIT
//
// What the browser tests share: where things are, a real larderd in a folder of its own, Debian's
// chromium, and a second web server (another origin) for pages that are not larder's.

import { spawn, execFile } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const HERE = path.dirname(fileURLToPath(import.meta.url));
export const SOURCE = process.env.top_srcdir ?? path.resolve(HERE, '../..');
export const BUILD = process.env.top_builddir ?? path.join(SOURCE, 'build');
export const SHARED = process.env.LARDER_SHARED ?? path.join(SOURCE, '../shared');
export const SHOTS = path.join(BUILD, 'tests/browser/shots');
export const CHROMIUM = '/usr/bin/chromium';
export const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

const require = createRequire(path.join(SOURCE, 'tests/package.json'));

/** An npm package of tests/package.json, or null where it is not installed. */
export function load(name) {
  try {
    return require(name);
  } catch (error) {
    if (error.code === 'MODULE_NOT_FOUND')
      return null;
    throw error;
  }
}

/** The folder of an npm package, or null. */
export function folder(name) {
  const found = path.join(SOURCE, 'tests/node_modules', name);
  return fs.existsSync(found) ? found : null;
}

/** A folder in an npm package; one that does not exist where the package is not installed. */
export const inside = (name, ...rest) => path.join(folder(name) ?? '/nonexistent', ...rest);

/** Why tests with a browser cannot run here, or false. */
export function noBrowser() {
  if (!fs.existsSync(path.join(BUILD, 'larderd')))
    return 'larderd is not built';
  if (!fs.existsSync(CHROMIUM))
    return `no ${CHROMIUM}`;
  if (!folder('playwright-core'))
    return 'playwright-core is not installed (cd tests && npm ci --ignore-scripts)';
  return false;
}

export function golden(file) {
  const where = path.join(SHARED, 'models', file);
  return fs.existsSync(where) ? where : null;
}

/** A loopback port that nobody listens on. */
export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((ready) => server.once('listening', ready));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

/**
 * Starts larderd with the sample model and an empty store. Returns { url, ctl(...words), stop() }.
 * `origins` are allowed from the start. It has no upstream; `offline: false` lets it say 404 for
 * what is not stored, as a daemon does that is not told to stay offline.
 */
export async function startLarder({ origins = [], sample = true, offline = true, port } = {}) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'larder-browser-'));
  port ??= await freePort();
  const socket = path.join(dir, 'admin.sock');
  const config = path.join(dir, 'larder.conf');
  fs.writeFileSync(config, origins.length ? `origins = ${origins.join(' ')}\n` : '');
  const child = spawn(path.join(BUILD, 'larderd'), [
    '--config', config, '--state-dir', path.join(dir, 'state'), '--admin-socket', socket,
    '--listen', `127.0.0.1:${port}`,
    ...(offline ? ['--offline'] : []), ...(sample ? ['--sample'] : []),
  ], { stdio: ['ignore', 'pipe', 'pipe'] });
  const abandoned = () => child.kill('SIGKILL');
  process.once('exit', abandoned);
  let said = '';
  child.stdout.on('data', (text) => { said += text; });
  child.stderr.on('data', (text) => { said += text; });
  const ended = new Promise((done) => child.once('exit', (code, signal) => done(code ?? signal)));
  const url = `http://127.0.0.1:${port}`;
  const ctl = (...words) => promisify(execFile)(path.join(BUILD, 'larderctl'),
    ['--admin-socket', socket, ...words]);
  const stop = async () => {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 15000);
    const code = await ended;
    clearTimeout(late);
    process.removeListener('exit', abandoned);
    fs.rmSync(dir, { recursive: true, force: true });
    if (code !== 0)
      throw new Error(`larderd ended with ${code}:\n${said}`);
  };
  for (let tries = 0; ; tries++) {
    const ok = await fetch(`${url}/healthz`).then((reply) => reply.ok, () => false);
    if (ok)
      return { url, port, ctl, stop, kill: () => kill(child, ended, dir, abandoned), pid: child.pid };
    if (child.exitCode !== null || tries === 200) {
      child.kill('SIGKILL');
      throw new Error(`larderd did not start:\n${said}`);
    }
    await new Promise((go) => setTimeout(go, 50));
  }
}

/** The end that nobody is told of. The same folder is not used again. */
async function kill(child, ended, dir, abandoned) {
  child.kill('SIGKILL');
  await ended;
  process.removeListener('exit', abandoned);
  fs.rmSync(dir, { recursive: true, force: true });
}

export async function startBrowser(flags = []) {
  const { chromium } = load('playwright-core');
  return chromium.launch({ executablePath: CHROMIUM, headless: true, args: [...FLAGS, ...flags] });
}

/** Flags of a browser with WebGPU, computed by its own SwiftShader. */
export const SOFT_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

/**
 * For the describe() that calls it: a site with `roots` and `pages`, a larderd that allows it, a browser with
 * `flags`, while its tests run. `prepare(it)` is called when all are there. Returns { site, larder, browser }.
 */
export function stage({ roots = {}, pages = {}, larder, flags, prepare } = {}) {
  const it = {};
  before(async () => {
    it.site = await startSite(roots, pages);
    it.larder = await startLarder({ origins: [it.site.url], ...larder });
    await prepare?.(it);
    it.browser = await startBrowser(flags);
  });
  after(async () => {
    await it.browser?.close();
    it.site?.stop();
    await it.larder?.stop();
  });
  return it;
}

/** Opens a page of the site with window.larder and what else in_page.mjs gives; `files` came from larder. */
export async function openReady({ browser, site, larder }, { path: at = '/', url = larder.url, ...options } = {}) {
  const page = await openPage(browser, `${site.url}${at}`);
  page.files = watchFiles(page, url);
  await ready(page, url, options);
  return page;
}

/** in_page.mjs in a page. */
export const ready = (page, url, options = {}) => page.evaluate(
  async (o) => { await (await import('/in_page.mjs')).ready(o); }, { url, ...options });

/** A page in a context of its own; everything that goes wrong in it lands in page.complaints. */
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.complaints = [];
  page.on('pageerror', (error) => page.complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error')
      page.complaints.push(message.text());
  });
  await page.goto(url);
  return page;
}

/**
 * A web server on a loopback port of its own: `/` is an empty page, `pages` are others
 * ({ '/path': { body, headers, type } or a function of request and reply }), every other path a file of one of the `roots`
 * ({ '/prefix/': folder }); `/in_page.mjs` is there always. `asked` collects the paths.
 */
export async function startSite(roots = {}, pages = {}) {
  const types = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm',
    '.json': 'application/json' };
  const asked = [];
  pages['/in_page.mjs'] = { type: 'text/javascript', body: fs.readFileSync(path.join(HERE, 'in_page.mjs')) };
  const server = http.createServer((request, reply) => {
    const { pathname } = new URL(request.url, 'http://site');
    asked.push(pathname);
    if (typeof pages[pathname] === 'function') {
      pages[pathname](request, reply);
      return;
    }
    if (pages[pathname]) {
      const { body, headers = {}, type = 'text/html' } = pages[pathname];
      reply.writeHead(200, { 'Content-Type': type, ...headers });
      reply.end(body);
      return;
    }
    const root = Object.keys(roots).find((prefix) => pathname.startsWith(prefix));
    const file = root && path.join(roots[root], path.normalize(pathname.slice(root.length)));
    if (pathname === '/') {
      reply.setHeader('Content-Type', 'text/html');
      reply.end('<!doctype html><link rel="icon" href="data:,"><title>a site</title>');
    } else if (file && !path.relative(roots[root], file).startsWith('..') && fs.existsSync(file)) {
      reply.setHeader('Content-Type', types[path.extname(file)] ?? 'application/octet-stream');
      reply.setHeader('Cross-Origin-Embedder-Policy', 'require-corp'); // workers of isolated pages
      fs.createReadStream(file).pipe(reply);
    } else {
      reply.statusCode = 404;
      reply.end();
    }
  });
  server.listen(0, '127.0.0.1');
  await new Promise((ready) => server.once('listening', ready));
  return {
    asked, pages,
    url: `http://127.0.0.1:${server.address().port}`,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A golden case: { inputs, outputs } with the file of each tensor read. */
export function readGolden(dir) {
  const about = JSON.parse(fs.readFileSync(path.join(dir, 'golden.json'), 'utf8'));
  const read = (t) => ({ ...t, bytes: fs.readFileSync(path.join(dir, t.file)) });
  return { ...about, inputs: about.inputs.map(read), outputs: about.outputs.map(read) };
}

/** Bodies of files that went through the network to a page: { path, status, bytes } */
export function watchFiles(page, origin) {
  const seen = [];
  page.on('requestfinished', async (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin || !/\/(resolve|raw|blobs)\//.test(url.pathname))
      return;
    const [reply, sizes] = await Promise.all([request.response(), request.sizes().catch(() => null)]);
    seen.push({ path: url.pathname, status: reply?.status(), bytes: sizes?.responseBodySize ?? 0 });
  });
  return seen;
}

/** The browser tells of a file a moment after the page has it: waits until there are ${n} such. */
export async function filesCame(files, n, wanted = () => true) {
  for (let tries = 0; tries < 100 && files.filter(wanted).length < n; tries++)
    await new Promise((done) => setTimeout(done, 50));
  return files.filter(wanted);
}

/** What came of files, where none is expected: the browser gets time to tell of one. */
export async function filesEver(page) {
  await page.waitForTimeout(300);
  return page.files;
}

export const floats = (bytes) => new Float32Array(
  bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));

/** The largest difference, and what CONTRACT allows for a float model's output. */
export function compare(got, want) {
  let worst = 0;
  let most = 0;
  for (let i = 0; i < want.length; i++) {
    worst = Math.max(worst, Math.abs(got[i] - want[i]));
    most = Math.max(most, Math.abs(want[i]));
  }
  return { worst: got.length === want.length ? worst : Infinity, limit: 1e-4 + 1e-3 * most };
}
