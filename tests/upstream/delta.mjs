// SPDX-License-Identifier: MIT
// delta.mjs — updates out of chunks: a larder in front of a larder, lists beside files on a plain
// web server, lists that lie. Bytes are counted where they leave: they are the same every time.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { pair } from './good.mjs';
import { content, sha256 } from './hub.mjs';
import { Larder, until } from './lib.mjs';

const A = 'a'.repeat(40), B = 'b'.repeat(40);
const url = (file) => `/org/m/resolve/main/${file}`;
const FILE = 'model.safetensors';
const TENSOR = 262144, TENSORS = 400;

// safetensors(SEED of each tensor): a file as fine-tunes have it; EXTRA goes into its header
function safetensors(seeds, extra = '') {
  const header = { __metadata__: { note: extra } };
  seeds.forEach((_, i) => { header[`layer.${i}.weight`] = { dtype: 'F32', shape: [65536], data_offsets: [i * TENSOR, (i + 1) * TENSOR] }; });
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([size, text, ...seeds.map((s) => content(s, TENSOR))]);
}

// A forward proxy that counts every byte, headers included, on its way to the client.
async function counting(defer) {
  const sockets = new Set();
  const server = http.createServer((rq, rs) => {
    const to = new URL(rq.url);
    proxy.asked.push(to.pathname);
    const fault = proxy.fault(to.pathname);
    if (fault) return fault(rs);
    const up = http.request({ host: to.hostname, port: to.port, path: to.pathname + to.search, method: rq.method, headers: rq.headers, agent: false }, (from) => {
      rs.writeHead(from.statusCode, from.rawHeaders.reduce((h, v, i, all) => (i % 2 ? h : { ...h, [v]: all[i + 1] }), {}));
      from.pipe(rs);
    });
    up.on('error', () => rs.destroy());
    rs.on('close', () => up.destroy());
    rq.pipe(up);
  });
  server.on('connection', (s) => { sockets.add(s); });
  const proxy = {
    asked: [],
    fault: () => null,
    get bytes() { return [...sockets].reduce((n, s) => n + s.bytesWritten, 0); },
  };
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  defer(() => { server.closeAllConnections(); return new Promise((done) => server.close(done)); });
  proxy.url = `http://127.0.0.1:${server.address().port}`;
  return proxy;
}

// An HTTP cache in front of ORIGIN, as RFC 9111 has it: what is not immutable is asked for again with its ETag.
async function cache(defer, origin) {
  const kept = new Map();
  const it = { bodies: new Map(), again: 0 }; // how often a body came from the origin, by path; 304s
  const server = http.createServer((rq, rs) => {
    const key = `${rq.method} ${rq.url} ${rq.headers.range ?? ''}`, had = kept.get(key);
    const send = ({ status, head, body }) => { rs.writeHead(status, head); rs.end(body); };
    if (had && /immutable/.test(had.head['cache-control'] ?? '')) return send(had);
    const { host, connection, 'if-range': _, ...headers } = rq.headers;
    if (had) headers['if-none-match'] = had.head.etag;
    http.get({ host: '127.0.0.1', port: origin, path: rq.url, method: rq.method, headers, agent: false }, (from) => {
      const parts = [];
      from.on('data', (d) => parts.push(d));
      from.on('end', () => {
        if (from.statusCode === 304 && had) { it.again++; return send(had); }
        const { connection: _c, 'transfer-encoding': _t, ...head } = from.headers;
        const got = { status: from.statusCode, head: { ...head, via: '1.1 cache' }, body: Buffer.concat(parts) };
        if ([200, 206].includes(got.status) && head.etag && !/no-store/.test(head['cache-control'] ?? '')) kept.set(key, got);
        if (got.body.length) it.bodies.set(rq.url, (it.bodies.get(rq.url) ?? 0) + got.body.length);
        send(got);
      });
    }).on('error', () => rs.destroy());
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  defer(() => { server.closeAllConnections(); return new Promise((done) => server.close(done)); });
  it.url = `http://127.0.0.1:${server.address().port}`;
  return it;
}

// give(LARDER, DATA): its org/m is that file from now on
async function give(larder, data, name = FILE) {
  const file = path.join(larder.dir, name);
  fs.writeFileSync(file, data);
  const r = await larder.ctl('import', '--name', 'org/m', file);
  assert.equal(r.code, 0, r.err);
}

// two larders, the second one gets everything from the first one, through a counter
async function two(defer, section) {
  const first = new Larder({ url: 'http://127.0.0.1:1' });
  defer(() => first.done());
  await first.start();
  const proxy = await counting(defer);
  const second = new Larder({ url: `http://127.0.0.1:${first.port}` }, { proxy: proxy.url, ...section });
  defer(() => second.done());
  await second.start();
  return { first, second, proxy };
}

async function update(second, proxy, data, name = FILE) {
  const before = proxy.bytes;
  const job = await second.jobOver(await second.warm({ model: 'org/m' }), 60000);
  assert.equal(job.state, 'done', job.error);
  assert.equal(sha256((await second.get(url(name))).body), sha256(data));
  return proxy.bytes - before;
}

const share = (bytes, data, most) => assert.ok(bytes <= data.length * most, `${bytes} bytes, ${((bytes / data.length) * 100).toFixed(3)} % of ${data.length}`);

// a hub with a list of org/m's file of commit B, made by larderctl, when it has A
async function updated(defer, { layout = 'hub', fault, list = (l) => l, section = {} } = {}) {
  const { hub, larder } = await pair(defer, { layout, ...section });
  const one = content(51, 8_000_000), two = Buffer.from(one);
  content(52, 200_000).copy(two, 3_000_000);
  const file = path.join(larder.dir, 'x.bin');
  fs.writeFileSync(file, two);
  assert.equal((await larder.ctl('chunks', file)).code, 0);
  const chunks = list(fs.readFileSync(`${file}.chunks`));
  if (layout === 'plain') {
    hub.front.removeAllListeners('request');
    hub.front.on('request', (rq, rs) => {
      const facts = hub.note(rq, 'hub');
      const data = new Map([['/org/m/x.bin', hub.now], ['/org/m/x.bin.chunks', hub.list]]).get(facts.path);
      if (!data) return hub.refuse(rs, 404, {});
      hub.send(rq, rs, data, { etag: `"${sha256(data).slice(0, 20)}"` }, null);
    });
    hub.now = one;
  } else {
    hub.put('org/m', A, { 'x.bin': one });
  }
  const ask = { model: 'org/m', files: ['x.bin'] };
  assert.equal((await larder.jobOver(await larder.warm(ask))).state, 'done');
  hub.bytes = 0;
  hub.now = two;
  hub.list = chunks;
  if (layout === 'hub') hub.put('org/m', B, { 'x.bin': two, 'x.bin.chunks': chunks });
  if (fault) hub.fault = fault;
  return { hub, larder, one, two, chunks, ask };
}

export const cases = [
  ['delta: a larder in front of a larder fetches what changed', async (defer) => {
    const { first, second, proxy } = await two(defer);
    const seeds = Array.from({ length: TENSORS }, (_, i) => 1000 + i);
    let data = safetensors(seeds);
    await give(first, data);
    let bytes = await update(second, proxy, data);
    share(bytes, data, 1.01);
    assert.ok(!proxy.asked.some((p) => p.includes('/chunks/')), 'there was nothing to use a list with');

    seeds[137] = 5000;
    data = safetensors(seeds);
    await give(first, data);
    proxy.asked.length = 0;
    bytes = await update(second, proxy, data);
    assert.ok(proxy.asked.length <= 6, `few requests: ${proxy.asked.join(' ')}`);
    console.log(`# one tensor of 256 KB: ${((bytes / data.length) * 100).toFixed(3)} %`);
    share(bytes, data, 0.015);

    data = safetensors(seeds, 'x'.repeat(100));
    await give(first, data);
    bytes = await update(second, proxy, data);
    console.log(`# 100 bytes near the head: ${((bytes / data.length) * 100).toFixed(3)} %`);
    share(bytes, data, 0.02);

    for (let i = 0; i < TENSORS; i++) if ((i * 7919) % TENSORS < TENSORS / 5) seeds[i] = 6000 + i;
    data = safetensors(seeds, 'x'.repeat(100));
    await give(first, data);
    proxy.asked.length = 0;
    bytes = await update(second, proxy, data);
    console.log(`# 20 % of the tensors: ${proxy.asked.length} requests`);
    console.log(`# 20 % of the tensors: ${((bytes / data.length) * 100).toFixed(3)} %`);
    share(bytes, data, 0.22);

    data = safetensors(seeds.map((_, i) => 9000 + i));
    await give(first, data);
    bytes = await update(second, proxy, data);
    console.log(`# everything: ${((bytes / data.length) * 100).toFixed(3)} %`);
    share(bytes, data, 1.02);
    assert.match((await second.get('/metrics')).body.toString(), /larder_reused_bytes_total [1-9]/);
  }],

  ['delta: the same for bytes of which nobody knows the format', async (defer) => {
    const { first, second, proxy } = await two(defer);
    const one = content(61, 100_000_000);
    await give(first, one, 'x.bin');
    await update(second, proxy, one, 'x.bin');
    let data = Buffer.from(one);
    content(62, TENSOR).copy(data, 33_333_333);
    await give(first, data, 'x.bin');
    let bytes = await update(second, proxy, data, 'x.bin');
    console.log(`# 256 KB somewhere: ${((bytes / data.length) * 100).toFixed(3)} %`);
    share(bytes, data, 0.015);
    data = Buffer.concat([data.subarray(0, 5000), Buffer.alloc(100, 7), data.subarray(5000)]);
    await give(first, data, 'x.bin');
    bytes = await update(second, proxy, data, 'x.bin');
    console.log(`# 100 bytes near the head: ${((bytes / data.length) * 100).toFixed(3)} %`);
    share(bytes, data, 0.02);
    data = Buffer.from(data);
    for (let i = 0; i < 5; i++) content(70 + i, 4_000_000).copy(data, i * 20_000_000 + 123_457);
    await give(first, data, 'x.bin');
    bytes = await update(second, proxy, data, 'x.bin');
    console.log(`# 5 stretches of 4 MB: ${((bytes / data.length) * 100).toFixed(3)} %`);
    share(bytes, data, 0.22);
  }],

  ['delta: a cache between larders: the second one to update costs the first larder next to nothing', async (defer) => {
    const first = new Larder({ url: 'http://127.0.0.1:1' });
    defer(() => first.done());
    await first.start();
    const between = await cache(defer, first.port);
    const larders = [];
    for (let i = 0; i < 2; i++) {
      larders.push(new Larder(between));
      defer(() => larders[i].done());
      await larders[i].start();
    }
    const one = content(81, 8_000_000), two = Buffer.from(one);
    content(82, 200_000).copy(two, 3_000_000);
    const sent = () => [...between.bodies.values()].reduce((a, b) => a + b, 0);
    const cost = [];
    for (const data of [one, two]) {
      await give(first, data, 'x.bin');
      for (const larder of larders) {
        const before = sent(), job = await larder.jobOver(await larder.warm({ model: 'org/m' }), 60000);
        assert.equal(job.state, 'done', job.error);
        assert.equal(sha256((await larder.get(url('x.bin'))).body), sha256(data));
        cost.push(sent() - before);
      }
    }
    const lists = [...between.bodies].filter(([path]) => path.includes('/chunks/'));
    assert.equal(lists.length, 1, [...between.bodies.keys()].join(' '));
    assert.ok(lists[0][1] < 20_000, `the list came once: ${lists[0][1]} bytes`);
    assert.ok(cost[2] < 0.1 * two.length, `an update costs its chunks: ${cost}`);
    assert.ok(cost[1] < 20_000 && cost[3] < 20_000, `the second one only JSON: ${cost}`);
    assert.ok(between.again > 0, 'what was kept was asked for again');
    assert.match((await larders[1].get('/metrics')).body.toString(), /larder_reused_bytes_total [1-9]/);
  }],

  ['delta: the list as a larder serves it', async (defer) => {
    const { first, second } = await two(defer);
    const data = content(53, 3_000_000);
    await give(first, data, 'x.bin');
    let r = await first.get('/org/m/chunks/main/x.bin');
    assert.equal(r.status, 200);
    assert.equal(r.headers['cache-control'], 'no-cache');
    assert.equal(r.headers['x-linked-etag'], `"${sha256(data)}"`);
    assert.match(r.headers.etag, /^"[0-9a-f]{64}"$/);
    const text = r.body.toString('latin1');
    assert.ok(text.startsWith(`larder-chunks 1\n${sha256(data)} 3000000 `));
    // every chunk is where it says it is
    let at = text.indexOf('\n', 16) + 1, from = 0;
    for (; at < r.body.length; at += 36) {
      const size = r.body.readUInt32LE(at);
      assert.ok(size <= 131072 && (size >= 8192 || from + size === data.length));
      assert.equal(r.body.subarray(at + 4, at + 36).toString('hex'), sha256(data.subarray(from, from + size)));
      from += size;
    }
    assert.equal(from, data.length);
    assert.equal((await first.get('/org/m/chunks/main/x.bin', { 'if-none-match': r.headers.etag })).status, 304);
    const commit = r.headers['x-repo-commit'];
    const byCommit = await first.get(`/org/m/chunks/${commit}/x.bin`);
    assert.match(byCommit.headers['cache-control'], /immutable/);
    assert.deepEqual(byCommit.body, r.body);
    // the very same by larderctl, and of a file that had to be fetched first
    const file = path.join(first.dir, 'x.bin');
    assert.equal((await first.ctl('chunks', file)).code, 0);
    assert.deepEqual(fs.readFileSync(`${file}.chunks`), r.body);
    assert.deepEqual((await second.get('/org/m/chunks/main/x.bin')).body, r.body);
    await give(first, Buffer.alloc(1000), 'small.bin');
    r = await first.get('/org/m/chunks/main/small.bin');
    assert.equal(r.status, 404);
    assert.match(JSON.parse(r.body).error, /chunk list/);
    assert.equal((await first.get('/org/m/chunks/main/none.bin')).status, 404);
    assert.equal((await first.ctl('chunks')).code, 2);
    assert.equal((await first.ctl('chunks', path.join(first.dir, 'none'))).code, 1);
  }],

  ['delta: a page that waits gets the new version, too', async (defer) => {
    const { first, second, proxy } = await two(defer);
    const one = content(54, 6_000_000), next = Buffer.from(one);
    content(55, 100_000).copy(next, 1_000_000);
    await give(first, one, 'x.bin');
    await update(second, proxy, one, 'x.bin');
    await give(first, next, 'y.bin'); // another name: found all the same
    const before = proxy.bytes;
    const commit = (await first.get('/org/m/resolve/main/y.bin', {}, 'HEAD')).headers['x-repo-commit'];
    const r = await second.get(`/org/m/resolve/${commit}/y.bin`);
    assert.equal(r.status, 200);
    assert.equal(sha256(r.body), sha256(next));
    share(proxy.bytes - before, next, 0.1);
  }],

  ['delta: a list that lies beside the file on a web server', async (defer) => {
    const { hub, larder, two: next } = await updated(defer, { layout: 'plain' });
    // without commits the name has to be forgotten; what is in the store is not
    const file = path.join(larder.dir, 'old.bin');
    fs.writeFileSync(file, (await larder.get(url('x.bin'))).body);
    assert.equal((await larder.ctl('import', '--name', 'kept', file)).code, 0);
    assert.equal((await larder.ctl('import', '--name', 'org/m', '--revision', 'old', file)).code, 0);
    fs.renameSync(file, path.join(larder.dir, 'x.bin'));
    assert.equal((await larder.ctl('import', '--name', 'org/m', '--revision', 'old', path.join(larder.dir, 'x.bin'))).code, 0);
    const job = await larder.jobOver(await larder.warm({ model: 'org/m', revision: 'next', files: ['x.bin'] }));
    assert.equal(job.state, 'done', job.error);
    assert.equal(sha256((await larder.get('/org/m/resolve/next/x.bin')).body), sha256(next));
    share(hub.bytes, next, 0.08);
  }],

  ['delta: a list beside the file on a hub', async (defer) => {
    const { hub, larder, two: next, ask } = await updated(defer);
    const job = await larder.jobOver(await larder.warm(ask));
    assert.equal(job.state, 'done', job.error);
    assert.equal(sha256((await larder.get(url('x.bin'))).body), sha256(next));
    share(hub.bytes, next, 0.08);
  }],

  ['delta: chunks = no', async (defer) => {
    const { hub, larder, two: next, ask } = await updated(defer, { section: { chunks: 'no' } });
    assert.equal((await larder.jobOver(await larder.warm(ask))).state, 'done');
    assert.equal(hub.bytes, next.length);
    assert.ok(!hub.requests.some((q) => q.path.includes('chunks')));
  }],

  // any trouble falls back to a plain fetch: the right file, and not much more than its bytes
  ...[
    ['is not one', { list: () => Buffer.from('<html>hello</html>') }, 1.02],
    ['is cut off', { list: (l) => l.subarray(0, l.length - 100) }, 1.02],
    ['is of another file', { list: (l) => Buffer.from(l.toString('latin1').replace(/[0-9a-f]{64}/, 'f'.repeat(64)), 'latin1') }, 1.02],
    ['cannot be had', { fault: (q) => (q.path.includes('chunks') ? { status: 500 } : null) }, 1.02],
    ['never comes', { fault: (q) => (q.path.includes('chunks') ? { hang: true } : null) }, 1.02],
    ['has no end', { fault: (q) => (q.path.includes('chunks') ? { endless: true } : null) }, 2],
    ['has the chunks in the wrong order', {
      list: (l) => {
        const begin = l.indexOf('\n', 16) + 1, out = Buffer.from(l);
        l.copy(out, begin, begin + 36, begin + 72);
        l.copy(out, begin + 36, begin, begin + 36);
        return out;
      },
    }, 1.2],
  ].map(([name, opts, most]) => [`delta: a list that ${name}`, async (defer) => {
    const { hub, larder, two: next, ask } = await updated(defer, opts);
    const job = await larder.jobOver(await larder.warm(ask));
    assert.equal(job.state, 'done', job.error);
    assert.equal(sha256((await larder.get(url('x.bin'))).body), sha256(next));
    if (!opts.fault || most < 2) share(hub.bytes, next, most);
    assert.equal((await larder.stop()).code, 0);
  }]),

  ['delta: kill -9 in the middle of an update', async (defer) => {
    const { first, second, proxy } = await two(defer);
    const one = content(56, 40_000_000), next = Buffer.from(one);
    content(57, 10_000_000).copy(next, 20_000_000);
    await give(first, one, 'x.bin');
    await update(second, proxy, one, 'x.bin');
    await give(first, next, 'x.bin');
    second.section.max_rate = '4000000';
    await second.stop();
    await second.start();
    const before = proxy.bytes;
    const id = await second.warm({ model: 'org/m' });
    await until('the update is under way', () => proxy.bytes - before > 3_000_000);
    await second.stop('SIGKILL');
    second.section.max_rate = '0';
    await second.start();
    const job = await second.jobOver(id);
    assert.equal(job.state, 'done', job.error);
    assert.equal(sha256((await second.get(url('x.bin'))).body), sha256(next));
    share(proxy.bytes - before, next, 0.4);
  }],
];
