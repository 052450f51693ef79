// SPDX-License-Identifier: MIT
// jobs.mjs — warming: jobs, their progress, kills in between, larderctl.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { pair } from './good.mjs';
import { content, sha256 } from './hub.mjs';
import { sleep, until } from './lib.mjs';

const A = 'a'.repeat(40), B = 'b'.repeat(40);
const url = (file) => `/org/m/resolve/main/${file}`;

// never(BACK): progress as it was seen, which must not go back
function watcher() {
  let last = { bytes_done: 0, bytes_total: 0, files: [] };
  return (job) => {
    assert.ok(job.bytes_done >= last.bytes_done, `${job.bytes_done} after ${last.bytes_done}`);
    for (const f of job.files) {
      const was = last.files.find((g) => g.path === f.path && g.model === f.model);
      assert.ok(!was || f.bytes_done >= was.bytes_done, `${f.path}: ${f.bytes_done} after ${was?.bytes_done}`);
    }
    last = job;
  };
}

export const cases = [
  ['warm: globs, pin, the events, the list; then it is served without the hub', async (defer) => {
    const { hub, larder } = await pair(defer);
    const big = content(11, 5_000_000);
    hub.put('org/m', A, { 'config.json': Buffer.from('{}'), 'onnx/model.onnx': big, 'onnx/other.onnx': content(12, 2_000_000), 'README.md': Buffer.from('hi') });
    const id = await larder.warm({ upstream: 'hub', model: 'org/m', revision: 'main', files: ['*.json', 'onnx/model.onnx'], pin: true });
    const events = await larder.admin('GET', `/admin/v1/jobs/${id}/events`);
    assert.equal(events.headers['content-type'], 'text/event-stream');
    const seen = events.text.split('\n\n').filter(Boolean).map((e) => JSON.parse(e.replace(/^data: /, '')));
    const check = watcher();
    seen.forEach(check);
    const job = seen.at(-1);
    assert.equal(job.state, 'done');
    assert.equal(job.bytes_done, 5_000_002);
    assert.equal(job.bytes_total, 5_000_002);
    assert.deepEqual(job.files.map((f) => f.path).sort(), ['config.json', 'onnx/model.onnx']);
    assert.ok((await larder.admin('GET', '/admin/v1/jobs')).json.jobs.some((j) => j.id === id));
    const models = (await larder.admin('GET', '/admin/v1/models')).json.models;
    assert.equal(models[0].pinned, true);
    await hub.stop();
    defer(() => hub.start());
    assert.equal(sha256((await larder.get(url('onnx/model.onnx'))).body), sha256(big));
  }],

  ['what is stored already is not fetched again', async (defer) => {
    const { hub, larder } = await pair(defer);
    const big = content(13, 3_000_000);
    hub.put('org/m', A, { 'model.onnx': big });
    hub.put('org/copy', A, { 'same.onnx': big });
    await larder.jobOver(await larder.warm({ model: 'org/m' }));
    const bytes = hub.bytes;
    const job = await larder.jobOver(await larder.warm([{ model: 'org/copy', files: ['same.onnx'] }, { model: 'org/m' }]));
    assert.equal(job.state, 'done');
    assert.equal(hub.bytes, bytes);
    assert.equal(sha256((await larder.get('/org/copy/resolve/main/same.onnx')).body), sha256(big));
  }],

  ['a job is cancelled', async (defer) => {
    const { hub, larder } = await pair(defer);
    hub.put('org/m', A, { 'model.onnx': content(14, 30_000_000) });
    hub.rate = 2_000_000;
    const id = await larder.warm({ model: 'org/m' });
    await until('it comes', () => hub.bytes > 200_000);
    const r = await larder.admin('DELETE', `/admin/v1/jobs/${id}`);
    assert.equal(r.status, 200);
    assert.equal(r.json.state, 'cancelled');
    await sleep(300);
    const bytes = hub.bytes;
    await sleep(300);
    assert.ok(hub.bytes - bytes < 100_000, 'it goes on');
    assert.equal((await larder.admin('DELETE', `/admin/v1/jobs/${id}`)).status, 409);
    assert.equal((await larder.admin('GET', '/admin/v1/jobs/0000000000000000')).status, 404);
    assert.equal((await larder.stored()).files, 0);
  }],

  ['kill -9 again and again: the job goes on, few bytes come twice', async (defer) => {
    const { hub, larder } = await pair(defer);
    const rounds = Number(process.env.KILL_ROUNDS ?? 10);
    const big = content(15, 4_500_000 * rounds), small = Buffer.from('{"small":1}');
    hub.put('org/m', A, { 'config.json': small, 'model.onnx': big });
    hub.rate = 6_000_000;
    const id = await larder.warm({ model: 'org/m' });
    const check = watcher();
    for (let i = 0; i < rounds; i++) {
      await sleep(150 + Math.random() * 300);
      check(await larder.job(id));
      await larder.stop('SIGKILL');
      await larder.start();
      check(await larder.job(id));
      assert.equal((await larder.stored()).files, 0, 'something has a name already');
    }
    hub.rate = 0;
    const job = await larder.jobOver(id);
    check(job);
    assert.equal(job.state, 'done', job.error);
    if (process.env.KILL_ROUNDS) console.log(`# ${rounds} kills: ${(hub.bytes / big.length).toFixed(3)} of the size came`);
    assert.ok(hub.bytes <= big.length * 1.2, `${hub.bytes} bytes for ${big.length}`);
    assert.equal(sha256((await larder.get(url('model.onnx'))).body), sha256(big));
  }],

  ['the hub dies again and again: little comes twice', async (defer) => {
    const { hub, larder } = await pair(defer, { retries: 10 });
    const big = content(16, 30_000_000);
    hub.put('org/m', A, { 'model.onnx': big });
    let deaths = 0;
    hub.fault = (q) => (q.where === 'cdn' && deaths < 30 ? (deaths++, { dieAfter: 1 + Math.floor(Math.random() * 1_500_000) }) : null);
    const job = await larder.jobOver(await larder.warm({ model: 'org/m' }), 120000);
    assert.equal(job.state, 'done', job.error);
    assert.ok(deaths >= 20, `${deaths} deaths`);
    assert.ok(hub.bytes <= big.length * 1.1, `${hub.bytes} bytes for ${big.length}`);
    assert.equal(sha256((await larder.get(url('model.onnx'))).body), sha256(big));
  }],

  ['a name moves when all of its successor is here', async (defer) => {
    const { hub, larder } = await pair(defer);
    hub.put('org/m', A, { 'a.json': Buffer.from('{"v":1}'), 'b.bin': content(17, 2_000_000), 'gone.json': Buffer.from('{}') });
    await larder.jobOver(await larder.warm({ model: 'org/m' }));
    const next = content(18, 2_500_000);
    hub.put('org/m', B, { 'a.json': Buffer.from('{"v":2}'), 'b.bin': next });
    hub.rate = 3_000_000;
    const id = await larder.warm({ model: 'org/m', files: ['a.json', '*.none'] });
    await until('it comes', () => hub.requests.some((q) => q.where === 'cdn' && q.path.includes(B)));
    assert.equal((await larder.get(url('a.json'))).body.toString(), '{"v":1}');
    assert.equal((await larder.jobOver(id)).state, 'done');
    assert.equal((await larder.get(url('a.json'))).body.toString(), '{"v":2}');
    assert.equal(sha256((await larder.get(url('b.bin'))).body), sha256(next));
    assert.equal(await larder.files('org/m'), 2);
  }],

  ['files by name move a name as a whole, too', async (defer) => {
    const { hub, larder } = await pair(defer);
    hub.put('org/m', A, { 'a.json': Buffer.from('{"v":1}'), 'b.json': Buffer.from('{"v":1}'), 'gone.json': Buffer.from('{}') });
    await larder.jobOver(await larder.warm({ model: 'org/m' }));
    hub.put('org/m', B, { 'a.json': Buffer.from('{"v":2}'), 'b.json': Buffer.from('{"v":2}') });
    assert.equal((await larder.jobOver(await larder.warm({ model: 'org/m', files: ['a.json'] }))).state, 'done');
    assert.equal((await larder.get(url('b.json'))).body.toString(), '{"v":2}');
    assert.equal(await larder.files('org/m'), 2);
  }],

  ['larderctl warm and jobs', async (defer) => {
    const { hub, larder } = await pair(defer);
    hub.put('org/m', A, { 'config.json': Buffer.from('{}'), 'model.onnx': content(19, 2_000_000) });
    let r = await larder.ctl('warm', 'org/m', '--files', '*.json', '--files=model.onnx', '--pin');
    assert.equal(r.code, 0, r.err);
    assert.match(r.out, /org\/m config\.json done/);
    r = await larder.ctl('--json', 'jobs');
    assert.equal(JSON.parse(r.out).jobs[0].state, 'done');
    r = await larder.ctl('jobs');
    assert.match(r.out, /done .* org\/m@main/);
    r = await larder.ctl('warm', 'org/none');
    assert.equal(r.code, 1);
    assert.match(r.err, /upstream hub: org\/none: there is no such model/);
    r = await larder.ctl('warm');
    assert.equal(r.code, 2);
    const manifest = path.join(larder.dir, 'kiosk.json');
    fs.writeFileSync(manifest, JSON.stringify({ models: [{ model: 'org/m', files: ['config.json'] }] }));
    r = await larder.ctl('warm', '--manifest', manifest, '--detach');
    assert.equal(r.code, 0, r.err);
    r = await larder.ctl('jobs', r.out.trim(), '--follow');
    assert.equal(r.code, 0, r.err);
  }],

  ['requests that make no sense', async (defer) => {
    const { larder } = await pair(defer);
    for (const [ask, text] of [
      [{}, 'model'], [{ model: '../x' }, 'model'], [{ model: 'a', revision: '..' }, 'revision'],
      [{ model: 'a', files: ['../x'] }, 'files'], [{ model: 'a', files: 'x' }, 'files'],
      [{ model: 'a', upstream: 'other' }, 'upstream'], [{ model: 'a', url: 'http://x' }, 'unknown key'],
      [[], 'models'], [{ model: 'a', files: ['*'.repeat(20)] }, 'files'],
    ]) {
      const r = await larder.admin('POST', '/admin/v1/warm', ask);
      assert.equal(r.status, 400, JSON.stringify(ask));
      assert.ok(r.json.error.includes(text), r.json.error);
    }
  }],

  ['jobs that cannot be opened: larderd says so, and ends in order', async (defer) => {
    const { larder } = await pair(defer);
    await larder.stop();
    const state = path.join(larder.dir, 'state'), partial = path.join(state, 'partial');
    fs.rmSync(path.join(state, 'jobs'), { recursive: true });
    fs.writeFileSync(path.join(state, 'jobs'), '');
    fs.mkdirSync(partial, { recursive: true });
    for (let i = 0; i < 3000; i++) fs.writeFileSync(path.join(partial, `old-${i}`), ''); // to be swept, if it came to that
    const past = new Date(Date.now() - 30 * 86400e3);
    for (const f of fs.readdirSync(partial)) fs.utimesSync(path.join(partial, f), past, past);
    await assert.rejects(larder.startOnce(), /the folder of jobs cannot be opened/);
    assert.deepEqual(await larder.ended, { code: 1, signal: null });
    fs.rmSync(path.join(state, 'jobs'));
    await larder.start();
    await until('old downloads are swept', () => fs.readdirSync(partial).length === 0);
  }],

  ['a page, a job that knows the commit and one that does not, all for one file', async (defer) => {
    const { hub, larder } = await pair(defer);
    const big = content(25, 6_000_000);
    hub.put('org/m', A, { 'model.onnx': big });
    hub.rate = 6_000_000;
    const page = larder.get(url('model.onnx')), jobs = [];
    for (const ask of [{}, { files: ['model.onnx'] }, { commit: A }]) jobs.push(await larder.warm({ model: 'org/m', ...ask }));
    for (const id of jobs) assert.equal((await larder.jobOver(id)).error, null);
    assert.equal(sha256((await page).body), sha256(big));
    assert.equal(hub.bytes, big.length);
  }],

  ['larderctl warm on a terminal: a bar per file, with rate and time left', async (defer) => {
    const { hub, larder } = await pair(defer);
    hub.put('org/m', A, { 'onnx/model.onnx': content(91, 12_000_000), 'config.json': Buffer.from('{}') });
    hub.rate = 3_000_000;
    const child = spawn('script', ['-qefc', larder.command('warm', 'org/m'), '/dev/null'], { stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (d) => { out += d; });
    assert.equal(await new Promise((done) => child.on('exit', done)), 0, out);
    const bars = [...out.matchAll(/model\.onnx +\[(#*)(\.*)\] +(\d+)% +11\.4 MiB/g)];
    assert.ok(bars.length > 3, out);
    for (let i = 0; i < bars.length; i++) {
      const [, done, left, percent] = bars[i];
      assert.ok(Math.abs((100 * done.length) / (done.length + left.length) - Number(percent)) < 5, bars[i][0]);
      assert.ok(i === 0 || Number(percent) >= Number(bars[i - 1][3]), 'never back');
    }
    assert.match(out, /MiB of 11\.4 MiB {2}\d+(\.\d)? [KM]iB\/s {2}0:00:0[1-9] left/);
  }],
];
