// SPDX-License-Identifier: MIT
// care.mjs — what is stored is kept right: web servers without digests, content that rots.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { pair } from './good.mjs';
import { content, sha256 } from './hub.mjs';
import { sleep, until } from './lib.mjs';

const A = 'a'.repeat(40);
const url = (file, model = 'org/m', revision = 'main') => `/${model}/resolve/${revision}/${file}`;

// A web server that knows files, and of each what it says: { data, head }.
function plain(hub, files) {
  const answer = (rq, rs) => {
    const { path: where } = hub.note(rq, 'hub');
    const file = files.get(where.slice('/org/m/'.length));
    if (!file) return hub.refuse(rs, 404, {});
    hub.send(rq, rs, file.data, { ...file.head }, null);
  };
  hub.front.removeAllListeners('request');
  hub.front.on('request', answer);
}

export const cases = [
  ['a web server without digests is looked up again, by ETag and by Last-Modified', async (defer) => {
    const { hub, larder } = await pair(defer, { layout: 'plain', revalidate: '1s' });
    const one = content(61, 3_000_000), two = content(62, 3_000_000);
    const files = new Map([
      ['a.json', { data: Buffer.from('{"v":1}'), head: { etag: '"1"' } }],
      ['b.bin', { data: one, head: { 'last-modified': 'Sun, 01 Nov 2026 10:00:00 GMT' } }],
      ['gone.json', { data: Buffer.from('{}'), head: { etag: '"1"' } }],
    ]);
    plain(hub, files);
    for (const f of files.keys()) assert.equal((await larder.get(url(f))).status, 200);
    await until('all is stored', async () => (await larder.files('org/m')) === 3);
    for (let restarts = 0; restarts < 2; restarts++) {
      await sleep(1100);
      const bytes = hub.bytes, asked = hub.requests.length;
      assert.equal((await larder.get(url('a.json'))).body.toString(), '{"v":1}');
      await until('all are looked up', () => hub.requests.length >= asked + 4);
      await sleep(300);
      assert.ok(hub.bytes - bytes < one.length, `nothing changed, and yet ${hub.bytes - bytes} bytes came`);
      // what the marks said is known after a restart, too
      await larder.stop();
      await larder.start();
    }
    // one file is another, and one is gone: found by asking for a third
    files.get('b.bin').data = two;
    files.get('b.bin').head = { 'last-modified': 'Sun, 01 Nov 2026 10:00:01 GMT' };
    files.delete('gone.json');
    await sleep(1100);
    hub.rate = 1_500_000;
    assert.equal((await larder.get(url('a.json'))).body.toString(), '{"v":1}');
    assert.equal(sha256((await larder.get(url('b.bin'))).body), sha256(one), 'the old one until all is here');
    await until('it moved', async () => (await larder.files('org/m')) === 2);
    assert.equal(sha256((await larder.get(url('b.bin'))).body), sha256(two));
    // all of it gone (somebody moved the folder), and not in the middle of a look: what is here stays
    for (let asked = -1; asked !== hub.requests.length; await sleep(700)) asked = hub.requests.length;
    hub.rate = 0;
    files.clear();
    await sleep(1100);
    const asked = hub.requests.length;
    await larder.get(url('a.json'));
    await until('it is looked up', () => hub.requests.length > asked);
    await sleep(500);
    assert.equal(await larder.files('org/m'), 2);
    assert.equal(sha256((await larder.get(url('b.bin'))).body), sha256(two));
  }],

  ['a web server that says nothing of its files is not asked for all of them again', async (defer) => {
    const { hub, larder } = await pair(defer, { layout: 'plain', revalidate: '1s' });
    const data = content(63, 3_000_000);
    plain(hub, new Map([['b.bin', { data, head: {} }]]));
    await larder.get(url('b.bin'));
    await until('it is stored', async () => (await larder.files('org/m')) === 1);
    await sleep(1100);
    const bytes = hub.bytes;
    await larder.get(url('b.bin'));
    await sleep(500);
    assert.ok(hub.bytes - bytes < 200_000, `${hub.bytes - bytes} bytes came`);
  }],

  ['content that is damaged comes again by itself: when somebody asks for it, and after a verify', async (defer) => {
    const { hub, larder } = await pair(defer, {}, { scrub_rate: '0' });
    const big = content(65, 3_000_000), small = Buffer.from('{"small":1}');
    hub.put('org/m', A, { 'config.json': small, 'model.onnx': big });
    assert.equal((await larder.jobOver(await larder.warm({ model: 'org/m' }))).state, 'done');
    const blob = (data) => path.join(larder.dir, 'state', 'blobs', sha256(data).slice(0, 2), sha256(data));
    const hurt = async (fn) => {
      await larder.stop();
      for (const file of [blob(big), blob(small)]) {
        fs.chmodSync(file, 0o600);
        fn(file);
      }
      await larder.start();
    };
    const mended = () => until('both are here again', async () => {
      const [m, c] = [await larder.get(url('model.onnx')), await larder.get(url('config.json'))];
      return m.status === 200 && c.status === 200 && sha256(m.body) === sha256(big) && c.body.equals(small);
    });
    const asked = [];
    for (const fn of [(f) => fs.truncateSync(f, 5), (f) => fs.rmSync(f)]) {
      await hurt(fn);
      asked.push(hub.requests.length);
      assert.equal((await larder.get(url('model.onnx'))).status, 503);
      assert.equal((await larder.get(url('config.json'))).status, 503);
      await mended();
    }
    // nobody asks for it: verify finds it
    await hurt((f) => { const d = fs.readFileSync(f); d[3] ^= 1; fs.writeFileSync(f, d); });
    asked.push(hub.requests.length);
    const r = await larder.ctl('verify');
    assert.equal(r.code, 1, r.out);
    await until('both are here again', () => [big, small].every((d) => sha256(fs.readFileSync(blob(d))) === sha256(d)));
    await mended();
    assert.equal((await larder.ctl('verify')).code, 0);
    asked.push(hub.requests.length);
    for (let i = 1; i < asked.length; i++) assert.ok(asked[i] > asked[i - 1], 'from where?');
    assert.equal(await larder.files('org/m'), 2);
    // what only is here cannot come from anywhere: it stays away, and nobody is asked
    const own = path.join(larder.dir, 'own.bin');
    fs.writeFileSync(own, 'my own');
    assert.equal((await larder.ctl('import', '--name', 'own', own)).code, 0);
    await larder.stop();
    fs.rmSync(blob(Buffer.from('my own')));
    await larder.start();
    const before = hub.requests.length;
    for (let i = 0; i < 5; i++) assert.equal((await larder.get('/own/resolve/main/own.bin')).status, 503);
    await sleep(300);
    assert.equal(hub.requests.length, before);
  }],

  ['sixty damaged contents among 20,000 names are mended without a long turn of the loop', async (defer) => {
    const { hub, larder } = await pair(defer, {}, { scrub_rate: '0' });
    const data = Array.from({ length: 60 }, (_, i) => Buffer.from(`content ${i}`));
    hub.put('org/m', A, Object.fromEntries(data.map((d, i) => [`${i}.json`, d])));
    assert.equal((await larder.jobOver(await larder.warm({ model: 'org/m' }))).state, 'done');
    await larder.stop();
    const blob = (d) => path.join(larder.dir, 'state', 'blobs', sha256(d).slice(0, 2), sha256(d));
    const names = path.join(larder.dir, 'state', 'upstream-names');
    const more = Array.from({ length: 19_900 }, (_, i) => `other/model-${i}\tmain\thub\t${A}\t1790000000\n`);
    fs.writeFileSync(names, fs.readFileSync(names, 'utf8') + more.join(''));
    for (const d of data) {
      fs.chmodSync(blob(d), 0o600);
      fs.writeFileSync(blob(d), d.toString().toUpperCase());
    }
    await larder.start();
    const long = async () => {
      const text = (await larder.get('/metrics')).body.toString();
      const at = (le) => Number(text.match(new RegExp(`larder_loop_stall_seconds_bucket{le="${le}"} (\\d+)`))[1]);
      return at('\\+Inf') - at('0.05');
    };
    const before = await long();
    assert.equal((await larder.ctl('verify')).code, 1);
    await until('all are here again', () => data.every((d) => fs.readFileSync(blob(d)).equals(d)));
    assert.equal(await long(), before);
    assert.equal((await larder.ctl('verify')).code, 0);
  }],

  ['content that rots is found and fetched again', async (defer) => {
    const { hub, larder } = await pair(defer, {}, { scrub_rate: '0' });
    const big = content(64, 3_000_000);
    hub.put('org/m', A, { 'config.json': Buffer.from('{}'), 'model.onnx': big });
    const job = await larder.jobOver(await larder.warm({ model: 'org/m' }));
    assert.equal(job.state, 'done', job.error);
    await larder.stop();
    const hex = sha256(big);
    const blob = path.join(larder.dir, 'state', 'blobs', hex.slice(0, 2), hex);
    const rot = (file) => {
      fs.chmodSync(file, 0o600);
      const fd = fs.openSync(file, 'r+');
      fs.writeSync(fd, 'rotten', 1_000_000);
      fs.closeSync(fd);
    };
    rot(blob);
    const bytes = hub.bytes;
    larder.global.scrub_rate = '1G';
    await larder.start();
    // requests keep the scrub away: look at the disk
    await until('it is here again', () => sha256(fs.readFileSync(blob)) === hex);
    assert.ok(hub.bytes - bytes >= 1, 'from where?');
    await until('and served', async () => (await larder.get(url('model.onnx'))).status === 200);
    assert.equal(sha256((await larder.get(url('model.onnx'))).body), hex);
    assert.match(larder.log, /mended.*upstream=hub/);
    assert.equal(await larder.files('org/m'), 2);
  }],
];
