// SPDX-License-Identifier: MIT
// tls.mjs — https upstreams: certificates that are right and wrong, proxies, and where a public
// upstream may lead. The public one is behind a proxy of the test's own: nothing leaves loopback.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { content, Hub, sha256 } from './hub.mjs';
import { Larder } from './lib.mjs';

const A = 'a'.repeat(40);
const big = content(31, 2_000_000);

// a key and a certificate that signs itself; null where there is no openssl
function certificate(names) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'larder-tls-'));
  try {
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
      '-subj', '/CN=larder test', '-addext', `subjectAltName=${names}`, '-keyout', path.join(dir, 'key'), '-out', path.join(dir, 'cert')], { stdio: 'ignore' });
    return { key: fs.readFileSync(path.join(dir, 'key')), cert: fs.readFileSync(path.join(dir, 'cert')) };
  } catch {
    return null;
  } finally {
    fs.rmSync(dir, { recursive: true });
  }
}

const right = certificate('DNS:hub.example,IP:127.0.0.1');
const other = certificate('DNS:another.example');

// a hub that speaks TLS, its large files too; SECTION gets the port
async function secure(defer, cert, section, env) {
  const hub = new Hub();
  hub.lfs = Infinity;
  await hub.start();
  defer(() => hub.stop());
  const server = https.createServer(cert, (rq, rs) => hub.hub(rq, rs));
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  defer(() => { server.closeAllConnections(); return new Promise((done) => server.close(done)); });
  hub.put('org/m', A, { 'model.onnx': big });
  const port = server.address().port;
  const larder = new Larder({ url: `https://127.0.0.1:${port}` }, { retries: 0 });
  defer(() => larder.done());
  const ca = path.join(larder.dir, 'ca.pem');
  fs.writeFileSync(ca, cert.cert);
  Object.assign(larder.section, section(port, ca));
  const before = { ...process.env };
  Object.assign(process.env, env);
  await larder.start();
  for (const k of Object.keys(env ?? {})) delete process.env[k];
  Object.assign(process.env, before);
  return { hub, larder, port };
}

// a proxy that takes CONNECT to any name and leads it to PORT; REFUSE: answers so instead
async function tunnel(defer, port, refuse) {
  const asked = [], open = new Set();
  const server = http.createServer((rq, rs) => { asked.push(rq.url); rs.writeHead(refuse ?? 500); rs.end(); });
  server.on('connect', (rq, socket) => {
    asked.push(rq.url);
    if (refuse) return socket.end(`HTTP/1.1 ${refuse} No\r\nContent-Length: 0\r\n\r\n`);
    const up = net.connect(port, '127.0.0.1', () => { socket.write('HTTP/1.1 200 Yes\r\n\r\n'); up.pipe(socket); socket.pipe(up); });
    for (const s of [up, socket]) { open.add(s); s.on('error', () => {}); }
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  defer(() => { for (const s of open) s.destroy(); server.closeAllConnections(); return new Promise((done) => server.close(done)); });
  return { asked, url: `http://127.0.0.1:${server.address().port}` };
}

const get = (larder) => larder.get('/org/m/resolve/main/model.onnx');

async function refused(larder, text) {
  const job = await larder.jobOver(await larder.warm({ model: 'org/m', files: ['model.onnx'] }));
  assert.equal(job.state, 'failed');
  assert.match(job.error, /^upstream hub: org\/m: model\.onnx: /);
  assert.match(job.error, text);
  assert.equal((await larder.stored()).blobs, 0);
  assert.equal((await get(larder)).status, 502);
  assert.equal((await larder.stop()).code, 0);
}

// a public upstream, hub.example, behind a proxy; its answer to the file is a redirect to WHERE
const leads = (name, where, text, section = {}) => [`bad: ${name}`, async (defer) => {
  let proxy;
  const hub = new Hub();
  await hub.start();
  defer(() => hub.stop());
  const server = https.createServer(right, (rq, rs) => { rs.writeHead(302, { location: where(hub) }); rs.end(); });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  defer(() => { server.closeAllConnections(); return new Promise((done) => server.close(done)); });
  proxy = await tunnel(defer, server.address().port);
  const larder = new Larder({ url: 'https://hub.example' }, { private: 'no', retries: 0, proxy: proxy.url, ...section });
  defer(() => larder.done());
  larder.section.ca_file = path.join(larder.dir, 'ca.pem');
  fs.writeFileSync(larder.section.ca_file, right.cert);
  await larder.start();
  await refused(larder, text);
  assert.ok(proxy.asked.every((a) => a === 'hub.example:443'), proxy.asked.join(' '));
  assert.equal(hub.requests.length, 0);
}];

export const cases = !right || !other ? [] : [
  ['tls: ca_file says whom to trust', async (defer) => {
    const { larder } = await secure(defer, right, (port, ca) => ({ ca_file: ca }));
    assert.equal(sha256((await get(larder)).body), sha256(big));
  }],

  ['bad: a certificate that nobody signed', async (defer) => {
    const { hub, larder } = await secure(defer, right, () => ({}));
    await refused(larder, /certificate/i);
    assert.equal(hub.requests.length, 0);
  }],

  ['bad: a certificate of another host', async (defer) => {
    const { hub, larder } = await secure(defer, other, (port, ca) => ({ ca_file: ca }));
    await refused(larder, /certificate/i);
    assert.equal(hub.requests.length, 0);
  }],

  ['bad: a ca_file that is not there', async (defer) => {
    const { hub, larder } = await secure(defer, right, (port, ca) => ({ ca_file: `${ca}.none` }));
    await refused(larder, /CA cert/i);
    assert.equal(hub.requests.length, 0);
  }],

  ['tls: a public upstream through a proxy', async (defer) => {
    let proxy;
    const { larder, port } = await secure(defer, right, (p, ca) => ({ url: 'https://hub.example', private: 'no', proxy: 'http://127.0.0.1:1', ca_file: ca }));
    await larder.stop();
    proxy = await tunnel(defer, port);
    larder.section.proxy = proxy.url;
    await larder.start();
    assert.equal(sha256((await get(larder)).body), sha256(big));
    assert.deepEqual([...new Set(proxy.asked)], ['hub.example:443']);
  }],

  ['bad: a proxy that refuses', async (defer) => {
    const proxy = await tunnel(defer, 1, 407);
    const { hub, larder } = await secure(defer, right, (p, ca) => ({ url: 'https://hub.example', private: 'no', proxy: proxy.url, ca_file: ca }));
    await refused(larder, /./);
    assert.equal(hub.requests.length, 0);
  }],

  ['tls: no proxy is taken from the environment', async (defer) => {
    const proxy = await tunnel(defer, 1, 403);
    const { larder } = await secure(defer, right, (port, ca) => ({ ca_file: ca }), { https_proxy: proxy.url, HTTPS_PROXY: proxy.url, http_proxy: proxy.url, ALL_PROXY: proxy.url, all_proxy: proxy.url });
    assert.equal((await get(larder)).status, 200);
    assert.deepEqual(proxy.asked, []);
  }],

  leads('a redirect to loopback from a public upstream', () => 'https://127.0.0.1/x', /redirect_hosts/),
  leads('a redirect to loopback that redirect_hosts names', () => 'https://127.0.0.1/x', /private address/, { redirect_hosts: '127.0.0.1 [::1]' }),
  leads('a redirect to ::1 that redirect_hosts names', () => 'https://[::1]/x', /private address/, { redirect_hosts: '127.0.0.1 [::1]' }),
  leads('a redirect to the metadata service that redirect_hosts names', () => 'https://169.254.169.254/latest/', /link-local/, { redirect_hosts: '169.254.169.254' }),
  leads('a redirect to http from a public upstream', (hub) => `http://hub.example:${hub.port}/x`, /http is not followed/, { redirect_hosts: 'hub.example' }),
];
