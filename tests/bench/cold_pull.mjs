// SPDX-License-Identifier: MIT
// cold_pull.mjs — a file that larder has to fetch first, against the same file straight from where it
// fetches it: `curl -o` of both in turn, until the first byte and until the last one.
//
//   [top_builddir=DIR] node tests/bench/cold_pull.mjs [--mb N] [--rounds N] [--rate MB/S] [--beside]
//
// The hub (tests/upstream/hub.mjs) is on this machine and sends as fast as it can, or at a rate. So without
// a rate hub, larder and curl share the processors, and what is measured is what larder adds: it
// reads, copies, hashes and sends what curl without it only reads. Wanted: 0.9 of curl's speed, the first byte
// 20 ms after the hub's, no stall of the loop of more than 10 ms. Nothing here is part of `make check`.
//
// --beside: what clients of other files get (wrk, 4 connections, of 4 KB and of 4 MB) while two files of that size are
// warmed, against the same without. Wanted: 0.7.

import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { content, Hub, sha256 } from '../upstream/hub.mjs';
import { Larder, sleep } from '../upstream/lib.mjs';

const args = process.argv.slice(2);
const option = (name, otherwise) => (args.includes(name) ? Number(args[args.indexOf(name) + 1]) : otherwise);
const mb = option('--mb', 256), rounds = option('--rounds', 5), rate = option('--rate', 0);
const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];

// milliseconds of processor time of all threads
const cpu = (pid) => fs.readdirSync(`/proc/${pid}/task`)
  .map((t) => Number(fs.readFileSync(`/proc/${pid}/task/${t}/schedstat`, 'utf8').split(' ')[0])).reduce((a, b) => a + b) / 1e6;

const curl = (url, out) => new Promise((done, fail) => {
  execFile('curl', ['-sSL', '-o', out, '-w', '%{time_starttransfer} %{time_total}', url], (e, text) => {
    if (e) return fail(e);
    const [first, total] = text.split(' ').map((s) => Number(s) * 1000);
    done({ first, total });
  });
});

const hub = new Hub();
await hub.start();
hub.rate = rate * 1e6;
const larder = new Larder(hub, {}, { scrub_rate: '0' });
await larder.start();
const beside = async () => {
  const own = path.join(larder.dir, 'own'), at = `http://127.0.0.1:${larder.port}/own/resolve/main`;
  const wrk = (file) => new Promise((done, fail) => {
    execFile('wrk', ['-t1', '-c4', '-d1s', `${at}/${file}`], (e, text) => (e ? fail(e) : done(Number(/Requests\/sec:\s+(\S+)/.exec(text)[1]))));
  });
  fs.mkdirSync(own);
  fs.writeFileSync(path.join(own, 'small'), content(2, 4096));
  fs.writeFileSync(path.join(own, 'large'), content(3, 4 << 20));
  await larder.ctl('import', '--name', 'own', own);
  for (const [seed, file] of [[10, 'small'], [70, 'large']]) {
    const got = { alone: [], beside: [] };
    for (let n = 0; n < rounds; n++) {
      const model = `org/${file}${n}`;
      hub.put(model, 'a'.repeat(40), { 'a.bin': content(seed + n, mb * 1e6), 'b.bin': content(seed + 30 + n, mb * 1e6) });
      for (const f of ['a.bin', 'b.bin']) await fetch(`${hub.url}/${model}/resolve/main/${f}`, { method: 'HEAD', redirect: 'manual' });
      got.alone.push(await wrk(file));
      const before = hub.bytes, job = await larder.warm({ model });
      await sleep(100);
      got.beside.push(await wrk(file));
      console.log(`  ${file}: ${got.alone[n].toFixed(0)} and ${got.beside[n].toFixed(0)} requests/s, ${((hub.bytes - before) / 1e6).toFixed(0)} MB came`);
      await larder.jobOver(job);
    }
    console.log(`${file}: beside a warm ${(median(got.beside) / median(got.alone)).toFixed(2)} of what it is alone (medians of ${rounds})`);
  }
};
const cold = async () => {
  const base = content(1, mb * 1e6), out = path.join(larder.dir, 'out');
  const took = { direct: [], larder: [] };
  for (let n = 0; n < rounds; n++) {
    base.writeUInt32LE(n, 0);
    const data = base.subarray(0); // another content; the hub makes its digest when it is first asked
    hub.put(`org/m${n}`, 'a'.repeat(40), { 'model.bin': data });
    await fetch(`${hub.url}/org/m${n}/resolve/main/model.bin`, { method: 'HEAD', redirect: 'manual' });
    for (const [name, origin] of [['direct', hub.url], ['larder', `http://127.0.0.1:${larder.port}`]]) {
      const before = cpu(larder.child.pid);
      const r = await curl(`${origin}/org/m${n}/resolve/main/model.bin`, out);
      if (sha256(fs.readFileSync(out)) !== sha256(data)) throw new Error('that is another file');
      fs.rmSync(out);
      took[name].push({ ...r, cpu: cpu(larder.child.pid) - before });
      await sleep(500); // what is still to be written
    }
  }
  const of = (name, key) => median(took[name].map((r) => r[key]));
  for (const name of ['direct', 'larder'])
    console.log(`${name}: first byte ${of(name, 'first').toFixed(1)} ms, total ${of(name, 'total').toFixed(0)} ms, ${((mb * 1000) / of(name, 'total')).toFixed(0)} MB/s`);
  console.log(`ratio ${(of('direct', 'total') / of('larder', 'total')).toFixed(2)} (median of ${rounds}), first byte +${(of('larder', 'first') - of('direct', 'first')).toFixed(1)} ms, ` +
    `larderd ${(of('larder', 'cpu') / mb).toFixed(2)} ms of CPU a MB`);
};

try {
  await (args.includes('--beside') ? beside() : cold());
  const stall = /^larder_loop_stall_seconds_max (\S+)/m.exec((await larder.get('/metrics')).body)[1];
  console.log(`longest stall ${(stall * 1000).toFixed(1)} ms`);
} finally {
  await larder.done();
  await hub.stop();
}
