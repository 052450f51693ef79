// SPDX-License-Identifier: MIT
// bad.mjs — upstreams that lie, stall, flood and mislead. Each: a job that fails and says which
// upstream and file, nothing published, a daemon that goes on.

import assert from 'node:assert/strict';
import { pair } from './good.mjs';
import { content, Hub, sha256 } from './hub.mjs';
import { Larder } from './lib.mjs';

const A = 'a'.repeat(40), B = 'b'.repeat(40);
const big = content(21, 3_000_000);
const large = content(23, 70_000_000), other = content(24, 70_000_000);
let turns = 0;
const url = (file) => `/org/m/resolve/main/${file}`;

// a case: the hub with FAULT; the job for model.onnx must fail with an error that has TEXT in it
const bad = (name, fault, text, more = {}) => [`bad: ${name}`, async (defer) => {
  const { hub, larder } = await pair(defer, { retries: 1, stall_timeout: 1, ...more.section });
  hub.put('org/m', A, { 'model.onnx': more.data ?? big, 'good.json': Buffer.from('{}') });
  hub.fault = (q) => (q.path.includes('good.json') || q.path.startsWith('/api/') ? null : fault(q, hub));
  const job = await larder.jobOver(await larder.warm({ model: 'org/m', files: ['model.onnx'] }), 60000);
  assert.equal(job.state, 'failed');
  assert.match(job.error, /^upstream hub: org\/m: model\.onnx: /);
  assert.match(job.files[0].error, text);
  assert.equal((await larder.stored()).files, 0);
  assert.equal((await larder.stored()).blobs, 0);
  // a client is told, or cut off: never a whole wrong body
  const r = await larder.get(url('model.onnx')).catch(() => ({ broken: true }));
  assert.ok(r.broken || r.status >= 400, `${r.status}`);
  assert.equal((await larder.get(url('good.json'))).status, 200);
  assert.equal((await larder.stop()).code, 0);
}];

const cdn = (what) => (q, hub) => (q.where === 'cdn' ? (typeof what === 'function' ? what(q, hub) : what) : null);

export const cases = [
  bad('wrong bytes', cdn({ data: content(22, 3_000_000) }), /SHA-256/),
  bad('another length than said', cdn({ data: content(22, 2_000_000) }), /length|X-Linked-Size|range/),
  bad('a body that is shorter than its Content-Length', cdn({ lie: 1000, noRanges: true }), /length|X-Linked-Size|larger/),
  bad('gzip where identity was asked for', cdn({ encoding: 'gzip' }), /encoded/),
  bad('an endless body', cdn({ endless: true }), /never said|larger|SHA-256/),
  bad('an endless body of a small file', (q) => (q.where === 'hub' ? { endless: true } : null), /never said|larger/),
  bad('a redirect loop', (q, hub) => ({ redirect: `${hub.url}${q.path}` }), /redirects/),
  bad('a redirect to another host', (q) => (q.where === 'hub' ? { redirect: 'http://localhost:1/x' } : null), /redirect/, { section: { redirect_hosts: '127.0.0.1' } }),
  bad('a redirect to the metadata service', (q) => (q.where === 'hub' ? { redirect: 'http://169.254.169.254/latest/' } : null), /link-local/),
  bad('a redirect to file:', (q) => (q.where === 'hub' ? { redirect: 'file:///etc/passwd' } : null), /only https and http/),
  bad('a redirect to gopher:', (q) => (q.where === 'hub' ? { redirect: 'gopher://127.0.0.1/' } : null), /only https and http/),
  bad('a redirect with a user in it', (q) => (q.where === 'hub' ? { redirect: 'http://a:b@127.0.0.1/' } : null), /only https and http/),
  bad('it stalls for ever', cdn({ stallAfter: 100_000 }), /nothing came/),
  bad('it never answers', (q) => (q.where === 'hub' ? { hang: true } : null), /nothing came/),
  bad('it resets connections', (q) => (q.where === 'hub' ? { reset: true } : null), /./),
  bad('500 for ever', (q) => (q.where === 'hub' ? { status: 500 } : null), /it answers 500/),
  bad('404', (q) => (q.where === 'hub' ? { status: 404 } : null), /it answers 404/),
  bad('headers without end', (q) => (q.where === 'hub' ? { headers: 100 << 20 } : null), /headers/),
  bad('the wrong digest', (q) => (q.where === 'hub' ? { digest: 'f'.repeat(64) } : null), /SHA-256/),
  bad('the content changes between segments', cdn(() => ({ data: [large, other][turns++ % 2] })), /chang|SHA-256/, { data: large, section: { stall_timeout: 5 } }),

  ['bad: the ETag changes between segments', async (defer) => {
    const { hub, larder } = await pair(defer, { layout: 'plain', retries: 1, stall_timeout: 5 });
    let n = 0;
    hub.front.removeAllListeners('request');
    hub.front.on('request', (rq, rs) => {
      hub.note(rq, 'hub');
      hub.send(rq, rs, large, { etag: `"${++n}"` }, null);
    });
    const job = await larder.jobOver(await larder.warm({ model: 'org/m', files: ['model.onnx'] }));
    assert.equal(job.state, 'failed');
    assert.match(job.error, /^upstream hub: org\/m: model\.onnx: the file changes/);
    assert.equal((await larder.stored()).blobs, 0);
  }],

  ['bad: 429 and 503 with Retry-After are waited for', async (defer) => {
    const { hub, larder } = await pair(defer);
    hub.put('org/m', A, { 'model.onnx': big });
    let n = 0;
    hub.fault = (q) => (q.where === 'hub' && q.path.endsWith('model.onnx') && n++ < 2 ? { status: n === 1 ? 429 : 503, head: { 'retry-after': '1' } } : null);
    const begin = Date.now();
    const job = await larder.jobOver(await larder.warm({ model: 'org/m' }));
    assert.equal(job.state, 'done', job.error);
    assert.ok(Date.now() - begin >= 1900, 'it did not wait');
  }],

  ['bad: the commit changes between files', async (defer) => {
    const { hub, larder } = await pair(defer);
    hub.put('org/m', A, { 'a.json': Buffer.from('{"v":1}'), 'b.json': Buffer.from('{"v":1}') });
    let n = 0;
    hub.fault = (q) => {
      if (q.path.endsWith('.json') && ++n === 2) hub.put('org/m', B, { 'a.json': Buffer.from('{"v":2}'), 'b.json': Buffer.from('{"v":2}') });
      return null;
    };
    // the hub still has the old commit: that is taken, as a whole
    const job = await larder.jobOver(await larder.warm({ model: 'org/m', files: ['a.json', 'b.json'] }));
    assert.equal(job.state, 'done', job.error);
    for (const f of ['a.json', 'b.json']) assert.equal((await larder.get(url(f))).body.toString(), '{"v":1}');
  }],

  ['bad: the commit changes and the old one is gone', async (defer) => {
    const { hub, larder } = await pair(defer);
    hub.put('org/m', A, { 'a.json': Buffer.from('{"v":1}'), 'b.json': Buffer.from('{"v":1}') });
    let n = 0;
    hub.fault = (q) => {
      if (q.path.endsWith('.json') && ++n === 2) {
        hub.put('org/m', B, { 'a.json': Buffer.from('{"v":2}'), 'b.json': Buffer.from('{"v":2}') });
        hub.models.get('org/m').old.delete(A);
      }
      return null;
    };
    const job = await larder.jobOver(await larder.warm({ model: 'org/m', files: ['a.json', 'b.json'] }));
    assert.equal(job.state, 'failed');
    assert.match(job.error, /^upstream hub: org\/m: b\.json: /);
    assert.equal((await larder.stored()).files, 0);
  }],

  ...[
    ['`..` in a listing', JSON.stringify({ sha: A, siblings: [{ rfilename: '../../etc/passwd' }] }), /not a path/],
    ['a listing that is not JSON', '<html>', /listing/],
    ['a listing nested without end', '['.repeat(100000), /listing/],
    ['a listing of a million files', JSON.stringify({ sha: A, siblings: Array.from({ length: 1e6 }, (_, i) => ({ rfilename: `f${i}` })) }), /more than|larger/],
    ['a listing of 5000 files', JSON.stringify({ sha: A, siblings: Array.from({ length: 5000 }, (_, i) => ({ rfilename: `f${i}` })) }), /more than 4000 files/],
    ['a listing of 100 MB', ' '.repeat(100 << 20), /larger/],
  ].map(([name, listing, text]) => [`bad: ${name}`, async (defer) => {
    const { hub, larder } = await pair(defer, { retries: 1 });
    hub.put('org/m', A, { 'a.json': Buffer.from('{}') });
    hub.listing = listing;
    const job = await larder.jobOver(await larder.warm({ model: 'org/m' }));
    assert.equal(job.state, 'failed');
    assert.match(job.error, /^upstream hub: org\/m: /);
    assert.match(job.error, text);
    assert.equal((await larder.stored()).files, 0);
    assert.equal((await larder.get(url('a.json'))).status, 200);
  }]),

  ['bad: an upstream that is down: pages are told soon, and sooner the next time', async (defer) => {
    const { hub, larder } = await pair(defer);
    await hub.stop();
    defer(() => hub.start());
    let r = await larder.get(url('a.json'));
    assert.equal(r.status, 502);
    assert.ok(r.ms < 3000, `${r.ms} ms`);
    assert.ok(!r.body.toString().includes('127.0.0.1'), r.body.toString());
    r = await larder.get(url('b.json'));
    assert.equal(r.status, 503);
    assert.ok(r.ms < 300, `${r.ms} ms`);
    assert.ok(r.headers['retry-after']);
  }],

  ['bad: loopback behind a public upstream', async (defer) => {
    const hub = new Hub();
    await hub.start();
    defer(() => hub.stop());
    const larder = new Larder(hub, { url: `https://127.0.0.1:${hub.port}`, private: 'no', retries: 0 });
    defer(() => larder.done());
    await larder.start();
    const job = await larder.jobOver(await larder.warm({ model: 'org/m', files: ['a.json'] }));
    assert.match(job.error, /^upstream hub: org\/m: a\.json: its name leads to a private address/);
    assert.equal(hub.requests.length, 0);
    const r = await larder.get(url('a.json'));
    assert.equal(r.status, 502);
  }],

  // the address is judged when it is connected to, not when the name is looked up: whatever a DNS
  // answer was before, this one leads nowhere
  ['bad: a DNS answer that changes to loopback', async (defer) => {
    const hub = new Hub();
    await hub.start();
    defer(() => hub.stop());
    const larder = new Larder(hub, { url: `https://localhost:${hub.port}`, private: 'no', retries: 0 });
    defer(() => larder.done());
    await larder.start();
    const job = await larder.jobOver(await larder.warm({ model: 'org/m', files: ['a.json'] }));
    assert.equal(job.state, 'failed');
    assert.match(job.error, /^upstream hub: org\/m: a\.json: its name leads to a private address/);
    assert.equal(hub.requests.length, 0);
    assert.equal((await larder.get(url('a.json'))).status, 502);
  }],

  ['bad: a client sees a broken body, never a short whole one', async (defer) => {
    const { hub, larder } = await pair(defer, { retries: 0 });
    hub.put('org/m', A, { 'model.onnx': big });
    hub.fault = (q) => (q.where === 'cdn' ? { data: Buffer.concat([big.subarray(0, 2_999_000), Buffer.alloc(1000)]) } : null);
    const r = await larder.get(url('model.onnx'));
    assert.equal(r.status, 200);
    assert.ok(r.broken);
    assert.ok(r.body.length < big.length);
    assert.equal((await larder.stored()).files, 0);
    hub.fault = () => null;
    assert.equal(sha256((await larder.get(url('model.onnx'))).body), sha256(big));
  }],
];
