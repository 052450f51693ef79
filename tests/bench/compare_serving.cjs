// SPDX-License-Identifier: MIT
//
// compare_serving.cjs — run by compare-serving: what inference over HTTP costs, one row of a table for each bar.
//
//   tests/bench/compare-serving [--build DIR] [--work NAME]… [--seconds N] [--rounds N] [--count N]
//
//   overhead    HTTP against the run in process: 600 KB of float32, keep-alive, one client, p50
//   frame       the same with a frame of 150 KB as UINT8 and a transform
//   batch       16 clients and a small model, batch_window on and off in turn
//   peer        8 clients, against a Node server around onnxruntime-node with the same model, in turn
//   crowd       200 clients over queue_limit: what each is answered, memory, shares of two origins
//   disconnect  a client that leaves in the middle of a long run: until the processor is idle
//   budget      ten models of 60 MB in turn by 4 clients, memory_budget 200 MB
//   steady      --count requests (default 100000): memory after them against memory after 1,000
//   video       30 frames of 224×224 a second through MobileNetV2 beside downloads of 4 MB shards
//
// Each measured run takes --seconds (default 4; crowd, budget and video four times that), the median of --rounds
// (default 3) counts where there are several. wrk is the client where only rates matter. peer needs onnxruntime-node
// (NODE_PATH, or the build folder). Nothing here is part of `make check`; timings gate nothing.
'use strict';
const { spawn, execFile, execFileSync } = require('node:child_process');
const { createRequire } = require('node:module');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');

const top = path.resolve(__dirname, '../..');
const WORKS = ['overhead', 'frame', 'batch', 'peer', 'crowd', 'disconnect', 'budget', 'steady', 'video'];
const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });
const median = (a) => { const s = [...a].sort((x, y) => x - y); return s[s.length >> 1]; };

// ---- models: ONNX, written field by field ----------------------------------------------------------

function varint(n) {
  const out = [];
  for (; n > 127; n = Math.floor(n / 128)) out.push((n % 128) | 128);
  return Buffer.from([...out, n]);
}
const int = (field, n) => Buffer.concat([varint(field * 8), varint(n)]);
const bytes = (field, ...b) => { const all = Buffer.concat(b); return Buffer.concat([varint(field * 8 + 2), varint(all.length), all]); };
const text = (field, s) => bytes(field, Buffer.from(s));

function port(field, name, dims) {
  const shape = dims.map((d) => bytes(1, typeof d === 'string' ? text(2, d) : int(1, d)));
  return bytes(field, text(1, name), bytes(2, bytes(1, int(1, 1), bytes(2, ...shape))));
}
function weights(name, dims, seed) {
  const n = dims.reduce((a, b) => a * b, 1), data = new Float32Array(n), scale = Math.sqrt(3 / dims[0]); // values keep their size
  let x = seed >>> 0;
  for (let i = 0; i < n; i++) { x = (Math.imul(x, 1664525) + 1013904223) >>> 0; data[i] = (x / 2147483648 - 1) * scale; }
  return bytes(5, ...dims.map((d) => int(1, d)), int(2, 1), text(8, name), bytes(9, Buffer.from(data.buffer)));
}
const node = (op, ins, out) => bytes(1, ...ins.map((i) => text(1, i)), text(2, out), text(4, op));
const model = (parts) => Buffer.concat([int(1, 8), bytes(7, ...parts, text(2, 'g')), bytes(8, int(2, 13))]);

// x [N, widths[0]] → … → [N, last], Relu between: a small model whose rows do not depend on each other.
function layers(widths, seed) {
  const parts = [], last = widths.length - 2;
  let x = 'x';
  for (let i = 0; i <= last; i++) {
    parts.push(weights(`w${i}`, [widths[i], widths[i + 1]], seed + i));
    parts.push(node('MatMul', [x, `w${i}`], i === last ? 'y' : `m${i}`));
    if (i !== last) parts.push(node('Relu', [`m${i}`], `r${i}`));
    x = `r${i}`;
  }
  return model([...parts, port(11, 'x', ['N', widths[0]]), port(12, 'y', ['N', widths[widths.length - 1]])]);
}
// A long way in short steps: the same product again and again.
function deep(width, steps) {
  const parts = [weights('w', [width, width], 1)];
  let x = 'x';
  for (let i = 0; i < steps; i++) {
    const y = i === steps - 1 ? 'y' : `v${i}`;
    parts.push(node('MatMul', [x, 'w'], y));
    x = y;
  }
  return model([...parts, port(11, 'x', ['N', width]), port(12, 'y', ['N', width])]);
}
const pool = () => model([node('GlobalAveragePool', ['x'], 'y'), port(11, 'x', [1, 3, 224, 224]), port(12, 'y', [1, 3, 1, 1])]);

// ---- the two servers ----------------------------------------------------------------------------------

const o = { build: path.join(top, 'build'), works: [], seconds: 4, rounds: 3, count: 100000 };
let dir;
const children = new Set();

function start(file, args, options = {}) {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  children.add(child);
  child.on('exit', () => children.delete(child));
  return child;
}

function said(child, pattern, what) {
  return new Promise((done, fail) => {
    let all = '';
    const look = (b) => { all += b; const m = pattern.exec(all); if (m) done(m); };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    child.on('exit', () => fail(new Error(`${what} does not start:\n${all}`)));
  });
}

let serial = 0;
// A daemon of its own, with these models in its store: { name: { file: bytes } }.
async function larder(models, ...args) {
  const state = path.join(dir, `state${serial++}`), socket = `${state}.sock`;
  const child = start(path.join(o.build, 'larderd'), ['--config', '/dev/null', '--state-dir', state, '--listen', '127.0.0.1:0', '--admin-socket', socket,
    '--log-level', 'info', ...args]);
  const m = await said(child, /address=127\.0\.0\.1:(\d+)[\s\S]* ready /, 'larderd');
  for (const [name, files] of Object.entries(models)) {
    const from = path.join(dir, `import${serial++}`);
    fs.mkdirSync(from);
    for (const [file, data] of Object.entries(files)) fs.writeFileSync(path.join(from, file), data);
    execFileSync(path.join(o.build, 'larderctl'), ['--admin-socket', socket, 'import', '--name', name, from], { stdio: ['ignore', 'ignore', 'inherit'] });
    fs.rmSync(from, { recursive: true });
  }
  const port_ = Number(m[1]);
  return { pid: child.pid, port: port_, url: `http://127.0.0.1:${port_}`, socket, child, state };
}
async function end(server) {
  server.child.kill('SIGTERM');
  if (server.child.exitCode === null) await new Promise((done) => { server.child.on('exit', done); });
  if (server.state) fs.rmSync(server.state, { recursive: true, force: true });
}

function requireOrt() {
  for (const base of [process.cwd(), o.build, path.join(o.build, 'tests'), path.join(top, 'tests'), top, ...(process.env.NODE_PATH || '').split(':').filter(Boolean)]) {
    try { return createRequire(path.join(base, 'x.js'))('onnxruntime-node'); } catch { /* the next place */ }
  }
  return null;
}
// What a page author would write: the body is the tensor, the answer is the tensor.
async function serveOrt(file) {
  const ort = requireOrt();
  const session = await ort.InferenceSession.create(file, { executionProviders: ['cpu'], logSeverityLevel: 3 });
  const server = http.createServer((rq, rs) => {
    const parts = [];
    rq.on('data', (b) => parts.push(b));
    rq.on('end', async () => {
      const body = Buffer.concat(parts), width = Number(rq.headers['x-width']);
      const data = new Float32Array(body.buffer.slice(body.byteOffset, body.byteOffset + body.length));
      const out = await session.run({ x: new ort.Tensor('float32', data, [data.length / width, width]) });
      const y = Buffer.from(out.y.data.buffer, out.y.data.byteOffset, out.y.data.byteLength);
      rs.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': y.length });
      rs.end(y);
    });
  });
  server.keepAliveTimeout = 60000;
  server.listen(0, '127.0.0.1', () => console.log(`ready on ${server.address().port}`));
}

// ---- clients ---------------------------------------------------------------------------------------------

// wrk: { rate, p50, p99 (ms), count: {status: n}, untold: 503s without Retry-After, errors }
function wrk({ url, body, headers, connections, seconds, threads = 1 }) {
  const file = path.join(dir, `body${serial++}`), lua = `${file}.lua`;
  fs.writeFileSync(file, body);
  fs.writeFileSync(lua, `
local f = io.open("${file}", "rb")
wrk.method = "POST"
wrk.body = f:read("*a")
f:close()
${Object.entries(headers).map(([k, v]) => `wrk.headers["${k}"] = "${v}"`).join('\n')}
local all = {}
function setup(thread) all[#all + 1] = thread end
function init() ok = 0; busy = 0; other = 0; untold = 0 end
function response(status, headers)
  if status == 200 then ok = ok + 1
  elseif status == 503 then busy = busy + 1; if not headers["Retry-After"] then untold = untold + 1 end
  else other = other + 1 end
end
function done(summary, latency)
  local a, b, c, d = 0, 0, 0, 0
  for _, t in ipairs(all) do a = a + t:get("ok"); b = b + t:get("busy"); c = c + t:get("other"); d = d + t:get("untold") end
  local e = summary.errors
  io.write(string.format("LINE %d %d %d %d %d %d %f %f\\n", a, b, c, d, e.connect + e.read + e.write + e.timeout, summary.duration,
    latency:percentile(50), latency:percentile(99)))
end
`);
  return new Promise((done, fail) => {
    execFile('wrk', ['-t', threads, '-c', connections, '-d', `${seconds}s`, '--timeout', '30s', '-s', lua, url].map(String), (err, out) => {
      const m = /LINE (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) ([\d.]+) ([\d.]+)/.exec(out);
      fs.rmSync(file);
      fs.rmSync(lua);
      if (err || !m) { fail(err || new Error(`wrk: ${out}`)); return; }
      const [ok, busy, other, untold, errors, us, p50, p99] = m.slice(1).map(Number);
      done({ ok, busy, other, untold, errors, rate: ok / (us / 1e6), p50: p50 / 1000, p99: p99 / 1000 });
    });
  });
}

function post(url, body, headers, agent) {
  return new Promise((done, fail) => {
    const rq = http.request(url, { method: 'POST', agent, headers: { ...headers, 'Content-Length': body.length } }, (rs) => {
      const parts = [];
      rs.on('data', (b) => parts.push(b));
      rs.on('end', () => done({ status: rs.statusCode, headers: rs.headers, body: Buffer.concat(parts) }));
      rs.on('error', fail);
    });
    rq.on('error', fail);
    rq.end(body);
  });
}
const get = (url, socketPath, p) => new Promise((done, fail) => {
  http.get(url ? url + p : { socketPath, path: p, headers: { Host: 'localhost' } }, (rs) => {
    let all = '';
    rs.on('data', (b) => { all += b; });
    rs.on('end', () => done(all));
  }).on('error', fail);
});
const metric = async (s, name) => Number((new RegExp(`^larder_${name} (\\S+)`, 'm').exec(await get(s.url, null, '/metrics')) || [0, 0])[1]);

const RAW = { 'Content-Type': 'application/octet-stream', 'Inference-Header-Content-Length': '0' };
const floats = (n) => Buffer.from(Float32Array.from({ length: n }, (_, i) => ((i * 37 + 11) % 1000) / 1000).buffer);
const rss = (pid, what = 'VmRSS') => Number(new RegExp(`${what}:\\s+(\\d+)`).exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
// nanoseconds on a processor, of all threads
const onCpu = (pid) => fs.readdirSync(`/proc/${pid}/task`).reduce((sum, t) => {
  try { return sum + Number(fs.readFileSync(`/proc/${pid}/task/${t}/schedstat`, 'utf8').split(' ')[0]); } catch { return sum; }
}, 0);
// milliseconds of one run in a process of its own
const inProcess = (file, ...args) => JSON.parse(execFileSync(path.join(o.build, 'tests/bench-model'), [...args, file], { encoding: 'utf8' })).median_ms;

// ---- the works: each adds its rows -----------------------------------------------------------------------

const rows = [];
const row = (what, is, bar, ok) => { rows.push([what, is, bar, ok === undefined ? '' : ok ? 'yes' : 'NO']); console.error(`  ${what}: ${is}`); };

async function httpCost(name, body, headers) {
  const file = path.join(dir, 'pool.onnx');
  fs.writeFileSync(file, pool());
  const alone = inProcess(file, '--runs', '500');
  const s = await larder({ pool: { 'model.onnx': fs.readFileSync(file) } });
  const url = `${s.url}/v2/models/pool/infer`;
  await post(url, body, headers);
  const p50 = [];
  for (let i = 0; i < o.rounds; i++) p50.push((await wrk({ url, body, headers, connections: 1, seconds: o.seconds })).p50);
  await end(s);
  return { alone, p50: median(p50), over: median(p50) - alone, name };
}
async function overhead() {
  const r = await httpCost('overhead', floats(3 * 224 * 224), RAW);
  row('overhead: 600 KB float32, 1 client, p50 − run in process', `${r.p50.toFixed(3)} − ${r.alone.toFixed(3)} = ${r.over.toFixed(3)} ms`, '≤ 0.4 ms', r.over <= 0.4);
}
async function frame() {
  const json = JSON.stringify({ inputs: [{ name: 'x', shape: [224, 224, 3], datatype: 'UINT8', parameters: { binary_data_size: 150528,
    transform: { do_resize: false, image_mean: [0.485, 0.456, 0.406], image_std: [0.229, 0.224, 0.225] } } }] });
  const head = Buffer.from(json + ' '.repeat((8 - (json.length % 8)) % 8));
  const pixels = Buffer.from(Uint8Array.from({ length: 150528 }, (_, i) => (i * 31) & 255));
  const r = await httpCost('frame', Buffer.concat([head, pixels]), { 'Content-Type': 'application/octet-stream', 'Inference-Header-Content-Length': head.length });
  row('frame: 150 KB uint8 with transform, the same', `${r.p50.toFixed(3)} − ${r.alone.toFixed(3)} = ${r.over.toFixed(3)} ms`, '≤ 0.7 ms', r.over <= 0.7);
}

const SMALL = [784, 1024, 1024, 10];
async function batch() {
  const small = { small: { 'model.onnx': layers(SMALL, 1) } }, body = floats(784);
  const file = path.join(dir, 'small.onnx');
  fs.writeFileSync(file, small.small['model.onnx']);
  const compute = inProcess(file, '--runs', '500', '--shape', 'x=16,784');
  const one = inProcess(file, '--runs', '500', '--shape', 'x=1,784');
  const windows = [0, 2, 8], got = windows.map(() => []);
  for (let r = 0; r < o.rounds; r++) {
    for (let i = 0; i < windows.length; i++) {
      const s = await larder(small, '--batch-window', windows[i]);
      const url = `${s.url}/v2/models/small/infer`;
      for (let k = 0; k < 3; k++) await post(url, body, RAW);
      got[i].push({ ...await wrk({ url, body, headers: RAW, connections: 16, seconds: o.seconds }), runs: await metric(s, 'batches_total'), of: await metric(s, 'batched_inferences_total') });
      await end(s);
    }
  }
  const rate = got.map((g) => median(g.map((x) => x.rate))), p50 = got.map((g) => median(g.map((x) => x.p50)));
  row(`batch: 16 clients, ${one.toFixed(2)} ms model (16 rows: ${compute.toFixed(2)} ms), window off`, `${rate[0].toFixed(0)}/s, p50 ${p50[0].toFixed(2)} ms`, '');
  for (let i = 1; i < windows.length; i++) {
    const bar = windows[i] + 2 * compute, g = got[i][0];
    row(`  window ${windows[i]} ms (mean batch ${(g.of / Math.max(1, g.runs)).toFixed(1)})`, `${rate[i].toFixed(0)}/s, p50 ${p50[i].toFixed(2)} ms`, '');
    row('  against off', `${(rate[i] / rate[0]).toFixed(2)} ×`, '≥ 2 ×', rate[i] / rate[0] >= 2);
    row('  p50 against window + 2 × compute', `${p50[i].toFixed(2)} ms`, `≤ ${bar.toFixed(2)} ms`, p50[i] <= bar);
  }
}

async function peer() {
  if (!requireOrt()) { row('peer: onnxruntime-node is not installed', 'skipped', ''); return; }
  for (const widths of [SMALL, [784, 64, 10]]) {
    const data = layers(widths, 1), file = path.join(dir, 'peer.onnx'), body = floats(784), got = { ort: [], larder: [], batched: [] };
    fs.writeFileSync(file, data);
    for (let r = 0; r < o.rounds; r++) {
      const child = start(process.execPath, [__filename, '--serve-ort', file, '--build', o.build]);
      const m = await said(child, /ready on (\d+)/, 'the peer');
      const servers = { ort: { child, url: `http://127.0.0.1:${m[1]}/` } };
      for (const which of ['larder', 'batched']) {
        servers[which] = await larder({ small: { 'model.onnx': data } }, '--batch-window', which === 'batched' ? 2 : 0);
        servers[which].url += '/v2/models/small/infer';
      }
      for (const which of r % 2 ? ['batched', 'larder', 'ort'] : ['ort', 'larder', 'batched']) {
        const headers = { ...RAW, 'X-Width': '784' }, s = servers[which];
        for (let k = 0; k < 20; k++) await post(s.url, body, headers);
        got[which].push(await wrk({ url: s.url, body, headers, connections: 8, seconds: o.seconds }));
      }
      for (const s of Object.values(servers)) await end(s);
    }
    const of = (which, key) => median(got[which].map((x) => x[key]));
    row(`peer: 8 clients, ${widths.join('-')}: Node + onnxruntime-node`, `${of('ort', 'rate').toFixed(0)}/s, p99 ${of('ort', 'p99').toFixed(2)} ms`, '');
    for (const which of ['larder', 'batched']) {
      const rate = of(which, 'rate') / of('ort', 'rate'), p99 = of(which, 'p99') / of('ort', 'p99');
      row(`  larderd${which === 'batched' ? ', batch_window 2' : ''}`, `${of(which, 'rate').toFixed(0)}/s, p99 ${of(which, 'p99').toFixed(2)} ms`, '');
      row('  requests/s against it', `${rate.toFixed(2)} ×`, '≥ 1.5 ×', rate >= 1.5);
      row('  p99 against it', `${p99.toFixed(2)} ×`, '≤ 0.7 ×', p99 <= 0.7);
    }
  }
}

async function crowd() {
  const origins = ['https://one.example', 'https://two.example'];
  const s = await larder({ deep: { 'model.onnx': deep(1024, 20) } }, '--origins', origins[0], '--origins', origins[1]);
  const url = `${s.url}/v2/models/deep/infer`, body = floats(1024), seconds = o.seconds * 4;
  const run = (headers, connections, t) => wrk({ url, body, headers: { ...RAW, ...headers }, connections, seconds: t });
  await post(url, body, RAW);
  const alone = await run({}, 8, o.seconds);
  await run({}, 200, 1);
  const before = rss(s.pid);
  const r = await run({}, 200, seconds);
  const after = rss(s.pid), asked = r.ok + r.busy + r.other;
  row(`crowd: 200 clients for ${seconds} s, queue_limit 64`, `${r.ok} × 200, ${r.busy} × 503, ${r.other} others, ${r.errors} errors`, '200 or 503', r.other === 0 && r.errors === 0 && asked > 0);
  row('  served a second, of what 8 clients get', `${r.rate.toFixed(0)} of ${alone.rate.toFixed(0)}`, '≥ 0.8 ×', r.rate >= 0.8 * alone.rate);
  row('  503 without Retry-After', String(r.untold), '0', r.untold === 0);
  row('  memory before and after', `${before.toFixed(1)}, ${after.toFixed(1)} MB`, 'bounded', after < before * 1.2 + 10);
  for (const [a, b] of [[100, 100], [150, 50]]) {
    const [x, y] = await Promise.all([run({ Origin: origins[0], 'Sec-Fetch-Site': 'cross-site' }, a, seconds), run({ Origin: origins[1], 'Sec-Fetch-Site': 'cross-site' }, b, seconds)]);
    const share = x.ok / (x.ok + y.ok);
    row(`  two origins, ${a} and ${b} clients: served`, `${x.ok} and ${y.ok} (${(share * 100).toFixed(0)} %)`, 'within 20 %', Math.abs(x.ok - y.ok) <= 0.2 * Math.max(x.ok, y.ok));
  }
  row('  still there', await get(s.url, null, '/healthz') !== '' ? 'yes' : 'no', '', s.child.exitCode === null);
  await end(s);
}

async function disconnect() {
  const s = await larder({ deep: { 'model.onnx': deep(480, 250) } }); // weights of less than 1 MiB: packed ones are not written to the store
  const url = `${s.url}/v2/models/deep/infer`, took = [];
  await post(url, floats(480), RAW);
  const body = floats(480 * 8192);
  let t = performance.now();
  await post(url, body, RAW);
  const full = performance.now() - t;
  for (let i = 0; i < 5; i++) {
    const rq = http.request(url, { method: 'POST', headers: { ...RAW, 'Content-Length': body.length } });
    rq.on('error', () => {});
    rq.end(body);
    await sleep(Math.min(700, full / 2));
    rq.destroy();
    t = performance.now();
    let idle = 0, last = onCpu(s.pid), at = t;
    while (idle < 5 && performance.now() - t < full + 1000) { // idle: five looks in a row with less than 0.5 ms of work
      await sleep(4);
      const now = onCpu(s.pid);
      if (now - last > 5e5) { idle = 0; at = performance.now(); } else idle++;
      last = now;
    }
    took.push(at - t);
  }
  row(`disconnect: in the middle of a run of ${(full / 1000).toFixed(1)} s, until idle`, `${median(took).toFixed(0)} ms, at most ${Math.max(...took).toFixed(0)} ms`, '≤ 50 ms', Math.max(...took) <= 50);
  const stats = JSON.parse(await get(s.url, null, '/v2/models/deep/stats')).model_stats[0].inference_stats;
  row('  counted as cancelled, not as success', `${stats.cancel.count}, ${stats.success.count}`, '5, 2', stats.cancel.count === 5 && stats.success.count === 2);
  await end(s);
}

async function budget() {
  const models = {};
  for (let i = 0; i < 10; i++) models[`m${i}`] = { 'model.onnx': layers([784, 3400, 3400, 10], i + 1) };
  const s = await larder(models, '--memory-budget', '200M', '--keep-alive', '1h'), body = floats(784);
  const until = performance.now() + o.seconds * 4000;
  let most = 0, done = 0, failed = 0;
  const watch = setInterval(() => { most = Math.max(most, rss(s.pid)); }, 20);
  await Promise.all([0, 1, 2, 3].map(async (c) => {
    for (let i = c; performance.now() < until; i++) {
      const r = await post(`${s.url}/v2/models/m${i % 10}/infer`, body, RAW);
      if (r.status === 200) done++; else failed++;
    }
  }));
  clearInterval(watch);
  row(`budget: 10 models of 60 MB, 4 clients, ${o.seconds * 4} s: answered, failed`, `${done}, ${failed}`, 'none failed', failed === 0 && done > 0);
  row('  most memory, memory_budget 200 MB', `${most.toFixed(0)} MB`, '≤ 220 MB', most <= 220);
  await end(s);
}

async function steady() {
  const s = await larder({}, '--sample=yes'), url = `${s.url}/v2/models/digits/infer`, body = floats(784);
  const served = () => metric(s, 'inferences_total');
  for (let i = 0; i < 1000; i++) await post(url, body, RAW);
  await wrk({ url, body, headers: RAW, connections: 4, seconds: 1 }); // as many connections as later
  const before = rss(s.pid), own = rss(s.pid, 'RssAnon');
  let n = await served();
  while (n < o.count) {
    await wrk({ url, body, headers: RAW, connections: 4, seconds: Math.max(1, Math.min(10, o.seconds)) });
    n = await served();
  }
  const after = rss(s.pid), ownAfter = rss(s.pid, 'RssAnon');
  row(`steady: memory after ${n} requests of the sample model`, `${before.toFixed(2)} → ${after.toFixed(2)} MB (${((after / before - 1) * 100).toFixed(1)} %)`, '± 2 %', Math.abs(after / before - 1) <= 0.02);
  row('  of that its own, without pages of files', `${own.toFixed(2)} → ${ownAfter.toFixed(2)} MB`, '');
  await end(s);
}

async function video() {
  const file = path.join(dir, 'mobilenet.onnx'), seconds = Math.max(4, o.seconds * 4);
  require('./graphs.cjs').write('mobilenetv2-f32', file);
  const shard = path.join(dir, 'shard.bin');
  const s = await larder({ net: { 'model.onnx': fs.readFileSync(file) }, files: { 'shard.bin': Buffer.alloc(4 << 20, 'larder') } });
  fs.rmSync(shard, { force: true });
  const meta = JSON.parse(await get(s.url, null, '/v2/models/net'));
  const head = Buffer.from(JSON.stringify({ inputs: [{ name: meta.inputs[0].name, shape: [224, 224, 3], datatype: 'UINT8', parameters: { binary_data_size: 150528, transform: { do_resize: false } } }],
    parameters: { binary_data_output: true } }));
  const body = Buffer.concat([head, Buffer.alloc(150528, 90)]), headers = { 'Content-Type': 'application/octet-stream', 'Inference-Header-Content-Length': head.length };
  const url = `${s.url}/v2/models/net/infer`;
  const agent = new http.Agent({ keepAlive: true });
  const first = await post(url, body, headers, agent);
  if (first.status !== 200) throw new Error(`video: ${first.status} ${first.body}`);
  const speed = (t) => new Promise((done, fail) => {
    execFile('wrk', ['-t1', '-c1', `-d${t}s`, `${s.url}/files/resolve/main/shard.bin`], (err, out) => {
      const m = /Requests\/sec:\s+([\d.]+)/.exec(out);
      if (err || !m) fail(err || new Error(out)); else done(Number(m[1]) * 4);
    });
  });
  const alone = await speed(o.seconds);
  const beside = speed(seconds);
  const begin = performance.now(), late = [], waits = [];
  for (let i = 0; i < seconds * 30; i++) {
    const due = begin + i * (1000 / 30);
    await sleep(Math.max(0, due - performance.now()));
    waits.push(post(url, body, headers, agent).then((r) => {
      if (r.status !== 200) throw new Error(`video: ${r.status}`);
      if (i >= 30) late.push(performance.now() - due);
    }));
  }
  await Promise.all(waits);
  const with_ = await beside, over = late.filter((x) => x > 33).length;
  late.sort((a, b) => a - b);
  row(`video: 30 fps for ${seconds} s, answers more than 33 ms after their frame`, `${over} of ${late.length}; p50 ${late[late.length >> 1].toFixed(1)}, p99 ${late[Math.floor(late.length * 0.99)].toFixed(1)}, most ${late[late.length - 1].toFixed(1)} ms`, '0', over === 0);
  row('  downloads of 4 MB beside it, alone', `${with_.toFixed(0)}, ${alone.toFixed(0)} MB/s (${(with_ / alone).toFixed(2)} ×)`, '≥ 0.5 ×', with_ / alone >= 0.5);
  agent.destroy();
  await end(s);
}

// ---- all of it ------------------------------------------------------------------------------------------------

function table() {
  const width = [0, 1, 2].map((i) => Math.max(...rows.map((r) => [...r[i]].length)));
  for (const r of rows) console.log(r.map((c, i) => (i < 3 ? c + ' '.repeat(width[i] - [...c].length) : c)).join('  ').trimEnd());
}

async function main(argv) {
  for (let i = 0; i < argv.length; i++) {
    const a = argv[i];
    if (a === '--build') o.build = path.resolve(argv[++i]);
    else if (a === '--work') o.works.push(argv[++i]);
    else if (a === '--seconds') o.seconds = Number(argv[++i]);
    else if (a === '--rounds') o.rounds = Number(argv[++i]);
    else if (a === '--count') o.count = Number(argv[++i]);
    else if (a === '--serve-ort') o.serve = argv[++i];
    else { console.error(fs.readFileSync(__filename, 'utf8').split('\n').slice(2, 20).map((l) => l.slice(3)).join('\n')); process.exit(2); }
  }
  if (o.serve) { await serveOrt(o.serve); return; }
  const works = { overhead, frame, batch, peer, crowd, disconnect, budget, steady, video };
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'serving-'));
  const clear = () => { for (const c of children) c.kill(); fs.rmSync(dir, { recursive: true, force: true }); };
  process.on('SIGINT', () => { clear(); process.exit(1); });
  process.on('SIGTERM', () => { clear(); process.exit(1); });
  try {
    for (const name of o.works.length ? o.works : WORKS) {
      if (!works[name]) throw new Error(`no work ${name}: ${WORKS.join(' ')}`);
      console.error(name);
      await works[name]();
    }
  } finally {
    clear();
  }
  console.log(`larder   ${execFileSync(path.join(o.build, 'larderd'), ['--version'], { encoding: 'utf8' }).trim()}`);
  console.log(`machine  ${os.cpus()[0].model.trim()}, ${os.cpus().length} cores, Linux ${os.release()}, node ${process.version}`);
  console.log(`load     ${o.seconds} s a run, medians of ${o.rounds}\n`);
  table();
}

main(process.argv.slice(2)).catch((e) => { console.error(`compare-serving: ${e.message}`); process.exit(1); });
