// SPDX-License-Identifier: MIT
// good.mjs — pulling through from a hub that behaves, or at least tries to.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { content, Hub, sha256 } from './hub.mjs';
import { Larder, sleep, until } from './lib.mjs';

const A = 'a'.repeat(40), B = 'b'.repeat(40);

export async function pair(defer, section, global, ...args) {
  const hub = new Hub();
  await hub.start();
  defer(() => hub.stop());
  const larder = new Larder(hub, section, global);
  defer(() => larder.done());
  await larder.start(...args);
  return { hub, larder };
}

const url = (file, model = 'org/m', revision = 'main') => `/${model}/resolve/${revision}/${file}`;

export const cases = [
  ['a cold file: streamed, right, stored; the second time nobody is asked', async (defer) => {
    const { hub, larder } = await pair(defer);
    const big = content(1, 20_000_003);
    hub.put('org/m', A, { 'config.json': Buffer.from('{"a":1}'), 'onnx/model.onnx': big });
    let r = await larder.get(url('config.json'));
    assert.equal(r.status, 200);
    assert.equal(r.body.toString(), '{"a":1}');
    assert.equal(r.headers.etag, `"${sha256('{"a":1}')}"`);
    r = await larder.get(url('onnx/model.onnx'));
    assert.equal(r.status, 200);
    assert.equal(r.headers['content-length'], String(big.length));
    assert.equal(r.headers.etag, `"${sha256(big)}"`);
    assert.equal(r.headers['x-linked-size'], String(big.length));
    assert.equal(r.headers['x-repo-commit'], A);
    assert.equal(sha256(r.body), sha256(big));
    const asked = hub.requests.length;
    await until('it is stored', async () => (await larder.files('org/m')) === 2);
    r = await larder.get(url('onnx/model.onnx'));
    assert.equal(sha256(r.body), sha256(big));
    assert.equal(hub.requests.length, asked);
    assert.equal(hub.bytes, big.length + 7);
    assert.ok(hub.requests.every((q) => q.headers['accept-encoding'] === 'identity'));
  }],

  ['50 clients on one cold file: one upstream body', async (defer) => {
    const { hub, larder } = await pair(defer);
    const big = content(2, 20_000_000);
    hub.put('org/m', A, { 'model.onnx': big });
    const all = await Promise.all(Array.from({ length: 50 }, () => larder.get(url('model.onnx'))));
    for (const r of all) assert.equal(sha256(r.body), sha256(big));
    assert.equal(hub.bodies, 1);
    assert.equal(hub.bytes, big.length);
  }],

  ['bytes are passed on while they come, to who was first and to who comes later', async (defer) => {
    const { hub, larder } = await pair(defer);
    const big = content(71, 20_000_000);
    hub.put('org/m', A, { 'model.onnx': big });
    hub.rate = 10_000_000;
    const one = larder.get(url('model.onnx'));
    await sleep(700);
    const two = larder.get(url('model.onnx')), tail = larder.get(url('model.onnx'), { range: 'bytes=1000-4999999' });
    for (const r of await Promise.all([one, two])) {
      assert.equal(sha256(r.body), sha256(big));
      assert.ok(r.first < 400, `the first byte after ${r.first} ms`);
      assert.ok(r.ms > 1000, `${r.ms} ms for what takes the hub 2 s`);
    }
    const r = await tail;
    assert.ok(r.ms < 700, `${r.ms} ms for bytes that were here already`);
    assert.equal(sha256(r.body), sha256(big.subarray(1000, 5000000)));
    assert.equal(hub.bodies, 1);
  }],

  ['a file of several segments, by several transfers where one is slow', async (defer) => {
    const { hub, larder } = await pair(defer);
    const big = content(3, 80_000_001);
    hub.put('org/m', A, { 'model.onnx': big });
    hub.rate = 20_000_000; // each
    const r = await larder.get(url('model.onnx'));
    assert.equal(sha256(r.body), sha256(big));
    assert.ok(hub.bytes <= big.length * 1.01, `${hub.bytes} bytes`);
    assert.ok(hub.most >= 3 && hub.most <= 4, `${hub.most} at once`);
    assert.ok(r.ms < 3200, `${r.ms} ms; one after the other it would be 4000`);
  }],

  ['concurrency: no more transfers at once, whoever asks for what', async (defer) => {
    const { hub, larder } = await pair(defer, { concurrency: 2 });
    const files = { 'large.onnx': content(72, 80_000_000) };
    for (let i = 0; i < 5; i++) files[`${i}.bin`] = content(73 + i, 3_000_000);
    hub.put('org/m', A, files);
    hub.rate = 25_000_000;
    const id = await larder.warm({ model: 'org/m', files: ['large.onnx', '0.bin', '1.bin'] });
    for (const r of await Promise.all(['2.bin', '3.bin', '4.bin'].map((f) => larder.get(url(f))))) assert.equal(r.status, 200);
    assert.equal((await larder.jobOver(id)).state, 'done');
    assert.equal(hub.most, 2);
  }],

  ['schedule: nothing is asked for while it says off', async (defer) => {
    const { hub, larder } = await pair(defer, { schedule: '00:00-24:00=off', revalidate: '0s' });
    hub.put('org/m', A, { 'a.json': Buffer.from('{}'), 'b.bin': content(78, 2_000_000) });
    const id = await larder.warm({ model: 'org/m' });
    const named = await larder.warm({ model: 'org/m', files: ['a.json'] });
    const r = await larder.get(url('a.json'));
    assert.equal(r.status, 503);
    assert.match(r.body.toString(), /time of day/);
    assert.ok(r.headers['retry-after']);
    await sleep(1000);
    for (const job of [id, named]) assert.equal((await larder.job(job)).state, 'running');
    assert.equal(hub.requests.length, 0);
    await larder.stop();
    larder.section.schedule = '00:00-24:00=0';
    await larder.start();
    for (const job of [id, named]) assert.equal((await larder.jobOver(job)).error, null);
    // and what is here is not looked up again then
    await larder.stop();
    larder.section.schedule = '00:00-24:00=off';
    await larder.start();
    const asked = hub.requests.length;
    assert.equal((await larder.get(url('a.json'))).status, 200);
    await sleep(300);
    assert.equal(hub.requests.length, asked);
  }],

  ['revalidate = never: what is here is here', async (defer) => {
    const { hub, larder } = await pair(defer, { revalidate: 'never' });
    hub.put('org/m', A, { 'a.json': Buffer.from('{"v":1}') });
    await larder.get(url('a.json'));
    await until('it is stored', async () => (await larder.files('org/m')) === 1);
    hub.put('org/m', B, { 'a.json': Buffer.from('{"v":2}') });
    const asked = hub.requests.length;
    for (let i = 0; i < 5; i++) assert.equal((await larder.get(url('a.json'))).body.toString(), '{"v":1}');
    await sleep(300);
    assert.equal(hub.requests.length, asked);
  }],

  ['a range in the middle of a cold file comes first, the rest is left until somebody wants it', async (defer) => {
    const { hub, larder } = await pair(defer);
    const big = content(4, 60_000_000);
    hub.put('org/m', A, { 'model.onnx': big });
    hub.rate = 20_000_000;
    let r = await larder.get(url('model.onnx'), { range: 'bytes=50000000-50000999' });
    assert.equal(r.status, 206);
    assert.equal(r.headers['content-range'], 'bytes 50000000-50000999/60000000');
    assert.deepEqual(r.body, big.subarray(50000000, 50001000));
    assert.ok(r.ms < 2000, `${r.ms} ms`);
    hub.rate = 0;
    await sleep(200);
    assert.ok(hub.bytes < 1_000_000, `${hub.bytes} bytes for one probe`);
    r = await larder.get(url('model.onnx'), { range: 'bytes=1000000-40999999' });
    assert.equal(r.status, 206);
    assert.equal(sha256(r.body), sha256(big.subarray(1000000, 41000000)));
    await until('the rest is here', async () => (await larder.files('org/m')) === 1);
    assert.equal((await larder.get(url('model.onnx'))).headers.etag, `"${sha256(big)}"`);
    assert.ok(hub.bytes <= big.length * 1.1, `${hub.bytes} bytes`);
  }],

  ['HEAD, probes and small ranges as clients send them', async (defer) => {
    const { hub, larder } = await pair(defer);
    const big = content(5, 9_000_000);
    hub.put('org/m', A, { 'model.onnx': big, 'config.json': Buffer.from('{"a":1}'), 'empty': Buffer.alloc(0) });
    let r = await larder.get(url('model.onnx'), {}, 'HEAD');
    assert.equal(r.status, 200);
    assert.equal(r.headers['content-length'], '9000000');
    assert.equal(r.headers.etag, `"${sha256(big)}"`);
    r = await larder.get(url('config.json'), { range: 'bytes=0-0' });
    assert.equal(r.status, 206);
    assert.equal(r.headers['content-range'], 'bytes 0-0/7');
    r = await larder.get(url('empty'));
    assert.equal(r.status, 200);
    assert.equal(r.body.length, 0);
    r = await larder.get('/org--m/raw/main/model.onnx');
    assert.match(r.body.toString(), new RegExp(`oid sha256:${sha256(big)}\nsize 9000000\n`));
  }],

  ['404 is 404, and believed for a while', async (defer) => {
    const { hub, larder } = await pair(defer);
    hub.put('org/m', A, { 'config.json': Buffer.from('{}') });
    await larder.get(url('config.json'));
    for (let i = 0; i < 3; i++) {
      const r = await larder.get(url('nope.json'));
      assert.equal(r.status, 404);
      assert.ok(JSON.parse(r.body).error);
      assert.equal(r.headers['x-error-code'], 'EntryNotFound');
    }
    assert.equal((await larder.get(url('config.json', 'no/body'))).status, 404);
    assert.equal(hub.requests.filter((q) => q.path.endsWith('nope.json')).length, 1);
  }],

  ['offline: hits are served, misses are 504 at once, nobody is asked', async (defer) => {
    const { hub, larder } = await pair(defer);
    hub.put('org/m', A, { 'config.json': Buffer.from('{}'), 'more.json': Buffer.from('{}') });
    await larder.get(url('config.json'));
    await larder.stop();
    const asked = hub.requests.length;
    await larder.start('--offline');
    assert.equal((await larder.get(url('config.json'))).status, 200);
    const r = await larder.get(url('more.json'));
    assert.equal(r.status, 504);
    assert.ok(JSON.parse(r.body).error);
    assert.ok(r.ms < 200, `${r.ms} ms`);
    assert.equal((await larder.admin('POST', '/admin/v1/warm', { model: 'org/m' })).status, 504);
    assert.equal(hub.requests.length, asked);
    // the same by the configuration
    await larder.stop();
    larder.global.offline = 'yes';
    await larder.start();
    assert.equal((await larder.get(url('config.json'))).status, 200);
    assert.equal((await larder.get(url('more.json'))).status, 504);
    assert.equal(hub.requests.length, asked);
  }],

  ['a model of one\'s own is never asked for upstream', async (defer) => {
    const { hub, larder } = await pair(defer);
    hub.put('mine', A, { 'a.json': Buffer.from('{}'), 'b.json': Buffer.from('{}') });
    const file = path.join(larder.dir, 'a.json');
    fs.writeFileSync(file, '{"own":1}');
    assert.equal((await larder.ctl('import', '--name', 'mine', file)).code, 0);
    assert.equal((await larder.get(url('a.json', 'mine'))).body.toString(), '{"own":1}');
    assert.equal((await larder.get(url('b.json', 'mine'))).status, 404);
    assert.equal(hub.requests.length, 0);
  }],

  ['the token goes to the upstream and to nobody else', async (defer) => {
    const hub = new Hub();
    await hub.start();
    defer(() => hub.stop());
    const larder = new Larder(hub, { token_file: '/nowhere' });
    defer(() => larder.done());
    larder.section.token_file = path.join(larder.dir, 'token');
    fs.writeFileSync(larder.section.token_file, 'hf_secret\n');
    await larder.start();
    hub.put('org/m', A, { 'model.onnx': content(6, 2_000_000) });
    await larder.get(url('model.onnx'));
    const [one, two] = hub.requests;
    assert.equal(one.headers.authorization, 'Bearer hf_secret');
    assert.equal(two.where, 'cdn');
    assert.equal(two.headers.authorization, undefined);
    assert.ok(!larder.log.includes('hf_secret'));
  }],

  ['clients come first: while they are answered, what comes waits', async (defer) => {
    const { hub, larder } = await pair(defer);
    const big = content(71, 150_000_000), agent = new http.Agent({ keepAlive: true });
    defer(() => agent.destroy());
    hub.put('org/m', A, { 'config.json': Buffer.from('{}'), 'model.bin': big });
    assert.equal((await larder.get(url('config.json'))).status, 200);
    const once = () => new Promise((done, fail) => {
      http.get({ host: '127.0.0.1', port: larder.port, path: url('config.json'), agent }, (rs) => {
        rs.on('end', done);
        rs.resume();
      }).on('error', fail);
    });
    let over = false, longest = 0, last = Date.now();
    const client = async () => {
      while (!over) {
        await once();
        longest = Math.max(longest, Date.now() - last);
        last = Date.now();
      }
    };
    const clients = Array.from({ length: 8 }, client);
    await sleep(50);
    longest = 0;
    const before = hub.bytes, begin = Date.now(), job = await larder.warm({ model: 'org/m', files: ['model.bin'] });
    await sleep(500);
    const came = hub.bytes - before, ms = Date.now() - begin;
    over = true;
    await Promise.all(clients);
    assert.equal((await larder.jobOver(job)).state, 'done');
    // 64 MB a second, what is in buffers, and what comes when no client was answered for a while
    const most = 64_000 * ms + 16_000_000 + 500_000 * longest;
    assert.ok(came <= most, `${came} bytes came in ${ms} ms, ${longest} of them without an answer`);
    assert.ok(came > 0);
  }],

  ['max_rate holds within a tenth', async (defer) => {
    const wanted = Number(process.env.MAX_RATE ?? 4_000_000), seconds = process.env.MAX_RATE ? 5 : 3;
    const { hub, larder } = await pair(defer, { max_rate: String(wanted) });
    const big = content(7, wanted * (seconds + 3));
    hub.put('org/m', A, { 'model.onnx': big });
    const got = larder.get(url('model.onnx'));
    await until('it begins', () => hub.bytes > 0);
    await sleep(500);
    // what larderd took: what the hub wrote is partly in the kernel's buffers, of several transfers
    const took = async () => Number(/^larder_pulled_bytes_total (\d+)/m.exec((await larder.get('/metrics')).body)[1]);
    const from = await took(), begin = Date.now();
    await sleep(seconds * 1000);
    const rate = (await took() - from) / ((Date.now() - begin) / 1000);
    assert.equal(sha256((await got).body), sha256(big));
    if (process.env.MAX_RATE) console.log(`# ${(rate / 1e6).toFixed(2)} MB/s over ${seconds} s`);
    assert.ok(Math.abs(rate / wanted - 1) < 0.1, `${(rate / 1e6).toFixed(2)} MB/s instead of ${wanted / 1e6}`);
  }],

  ['a plain upstream: no ranges, no digests', async (defer) => {
    const { hub, larder } = await pair(defer, { layout: 'plain' });
    const data = content(8, 3_000_000);
    hub.hub = (rq, rs) => {
      hub.note(rq, 'hub');
      hub.send(rq, rs, data, {}, { noRanges: true });
    };
    hub.front.removeAllListeners('request');
    hub.front.on('request', (rq, rs) => hub.hub(rq, rs));
    const r = await larder.get(url('sub%20folder/a%20b.bin'));
    assert.equal(r.status, 200);
    assert.equal(r.headers.etag, `"${sha256(data)}"`);
    assert.equal(hub.requests[0].path, '/org/m/sub folder/a b.bin');
  }],

  ['a name is looked up again while the old version is served', async (defer) => {
    const { hub, larder } = await pair(defer, { revalidate: '1s' });
    const one = content(9, 2_000_000), two = content(10, 2_000_000);
    hub.put('org/m', A, { 'a.json': Buffer.from('{"v":1}'), 'b.bin': one, 'gone.json': Buffer.from('{}') });
    for (const f of ['a.json', 'b.bin', 'gone.json']) await larder.get(url(f));
    await until('all is stored', async () => (await larder.files('org/m')) === 3);
    await sleep(1100);
    const bytes = hub.bytes;
    await larder.get(url('a.json'));
    await sleep(300);
    assert.ok(hub.bytes - bytes < 100, 'nothing changed, and yet bytes came');
    hub.put('org/m', B, { 'a.json': Buffer.from('{"v":2}'), 'b.bin': two });
    await sleep(1100);
    hub.rate = 2_000_000;
    assert.equal((await larder.get(url('a.json'))).body.toString(), '{"v":1}');
    await sleep(200);
    assert.equal(sha256((await larder.get(url('b.bin'))).body), sha256(one));
    await until('it moved', async () => (await larder.get(url('a.json'))).body.toString() === '{"v":2}');
    assert.equal(sha256((await larder.get(url('b.bin'))).body), sha256(two));
    assert.equal(await larder.files('org/m'), 2);
    // down: what is stored is served
    await hub.stop();
    defer(() => hub.start());
    await sleep(1100);
    for (let i = 0; i < 3; i++) assert.equal((await larder.get(url('a.json'))).status, 200);
  }],

  ['a page never mixes two versions', async (defer) => {
    const { hub, larder } = await pair(defer);
    hub.put('org/m', A, { 'a.json': Buffer.from('{"v":1}'), 'b.json': Buffer.from('{"v":1}') });
    assert.equal((await larder.get(url('a.json'))).body.toString(), '{"v":1}');
    hub.put('org/m', B, { 'a.json': Buffer.from('{"v":2}'), 'b.json': Buffer.from('{"v":2}') });
    assert.equal((await larder.get(url('b.json'))).body.toString(), '{"v":1}');
  }],

  ['kill -9 right behind the first answer: the name still is its upstream\'s', async (defer) => {
    const { hub, larder } = await pair(defer);
    for (let n = 0; n < 8; n++) {
      hub.put(`org/m${n}`, A, { 'a.json': Buffer.from(`{"n":${n}}`), 'b.json': Buffer.from('{"b":1}') });
      assert.equal((await larder.get(url('a.json', `org/m${n}`))).status, 200);
      await larder.stop('SIGKILL');
      await larder.start();
      assert.equal((await larder.get(url('b.json', `org/m${n}`))).status, 200, `round ${n}`);
    }
  }],
];
