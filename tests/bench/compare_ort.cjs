// SPDX-License-Identifier: MIT
//
// compare_ort.cjs — run by compare-ort: larder's runtime against ONNX Runtime (onnxruntime-node, CPU provider), in one run,
// in turn: A B A B …; prints the ratio of the medians (their time / ours: above 1 we are faster).
//
//   tests/bench/compare-ort [--rounds N] [--runs N] [--threads 1,2] [--json FILE]
//                           [--bench PATH] [--load] MODEL…
//
// --load: each of our rounds is a first start, then one from the weights that it has packed, of which
// the times are told.
//
// MODEL is an .onnx file, DIR/X.onnx=CASE to take the inputs of a golden case, or @NAME, a graph
// that graphs.cjs makes (@list prints them). Timings gate nothing. Needs the npm packages of tests/package.json (NODE_PATH or the build folder).
'use strict';
const { execFileSync } = require('node:child_process');
const { createRequire } = require('node:module');
const { writeFileSync, readFileSync, mkdtempSync, rmSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const graphs = require('./graphs.cjs');

const top = path.resolve(__dirname, '../..');

function options(argv) {
  const o = { rounds: 5, runs: 30, threads: [1, 2], bench: path.join(top, 'build/tests/bench-model'), models: [] };
  for (let i = 0; i < argv.length; i++) {
    const a = argv[i];
    if (a === '--rounds') o.rounds = Number(argv[++i]);
    else if (a === '--runs') o.runs = Number(argv[++i]);
    else if (a === '--threads') o.threads = argv[++i].split(',').map(Number);
    else if (a === '--json') o.json = argv[++i];
    else if (a === '--bench') o.bench = argv[++i];
    else if (a === '--load') o.load = true;
    else if (a === '--peer') { o.peer = argv[++i]; o.peerThreads = Number(argv[++i]); }
    else if (a.startsWith('-')) { console.error(`compare-ort: unknown option ${a}`); process.exit(2); }
    else o.models.push(a);
  }
  if (!o.peer && !o.models.length) { console.error('usage: compare-ort [--rounds N] [--runs N] [--threads 1,2] [--json FILE] MODEL…'); process.exit(2); }
  return o;
}

// Not maxRSS, which begins with the size of whoever started this process.
const peakMb = () => Number(/VmHWM:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
const median = (a) => { const s = [...a].sort((x, y) => x - y); return s[s.length >> 1]; };

// The rules of bench-model (CONTRACT): the same inputs on both sides.
function fill(name, type, dims) {
  const n = dims.reduce((a, b) => a * b, 1);
  const mask = name.includes('mask');
  const lcg = (i) => Number((BigInt(i) * 1103515245n + 12345n) & 0x7fffffffn);
  const make = {
    float32: () => Float32Array.from({ length: n }, (_, i) => (mask ? 1 : Math.fround(lcg(i) / 2147483648))),
    int64: () => BigInt64Array.from({ length: n }, (_, i) => BigInt(mask ? 1 : (i * 37 + 11) % 1000)),
    int32: () => Int32Array.from({ length: n }, (_, i) => (mask ? 1 : (i * 37 + 11) % 1000)),
    uint8: () => Uint8Array.from({ length: n }, (_, i) => (mask ? 1 : (i * 37 + 11) % 1000)),
  }[type];
  if (!make) throw new Error(`no rule for an input of type ${type}`);
  return make();
}

function requireOrt() {
  for (const base of [process.cwd(), path.join(top, 'build'), path.join(top, 'build/tests'), top, ...(process.env.NODE_PATH || '').split(':').filter(Boolean)]) {
    try { return createRequire(path.join(base, 'x.js'))('onnxruntime-node'); } catch { /* the next place */ }
  }
  console.error('compare-ort: onnxruntime-node is not installed (./bootstrap check installs it)');
  process.exit(2);
}

// One process of the peer: load, warm, time; one JSON line, as bench-model prints.
async function peer(spec, threads, runs) {
  const ort = requireOrt();
  const [file, kase] = spec.split('=');
  const cpu = () => { const u = process.cpuUsage(); return (u.user + u.system) / 1000; };
  const cpu_before = cpu();
  let t = performance.now();
  const session = await ort.InferenceSession.create(file, { intraOpNumThreads: threads, interOpNumThreads: 1, executionProviders: ['cpu'], logSeverityLevel: 3 });
  const load_ms = performance.now() - t, load_cpu_ms = cpu() - cpu_before;
  const feeds = {};
  if (kase) {
    const g = JSON.parse(readFileSync(path.join(kase, 'golden.json')));
    for (const i of g.inputs) {
      const b = readFileSync(path.join(kase, i.file));
      const A = { float32: Float32Array, int64: BigInt64Array, int32: Int32Array, uint8: Uint8Array, int8: Int8Array, float16: Uint16Array, bool: Uint8Array }[i.dtype];
      feeds[i.name] = new ort.Tensor(i.dtype, new A(b.buffer.slice(b.byteOffset, b.byteOffset + b.length)), i.shape);
    }
  } else {
    for (const m of session.inputMetadata) {
      const dims = m.shape.map((d) => (typeof d === 'number' && d > 0 ? d : 1));
      feeds[m.name] = new ort.Tensor(m.type, fill(m.name, m.type, dims), dims);
    }
  }
  t = performance.now();
  await session.run(feeds);
  const first_ms = performance.now() - t;
  const times = [], cpu_start = cpu();
  for (let i = 0; i < runs; i++) { const s = performance.now(); await session.run(feeds); times.push(performance.now() - s); }
  const cpu_ms = (cpu() - cpu_start) / runs;
  console.log(JSON.stringify({ load_ms, load_cpu_ms, first_ms, cpu_ms, p99_ms: times.sort((x, y) => x - y)[Math.floor(((runs - 1) * 99) / 100)], min_ms: Math.min(...times), median_ms: median(times), peak_rss_mb: peakMb(), version: ort.env.versions.node ?? ort.env.versions.common }));
}

const last = (text) => JSON.parse(text.trim().split('\n').pop());

function ours(o, spec, threads) {
  const [file, kase] = spec.split('=');
  const run = () => last(execFileSync(o.bench, ['--threads', String(threads), '--runs', String(o.runs), ...(kase ? ['--case', kase] : []), ...(o.image ? ['--image', o.image] : []), file], { encoding: 'utf8' }));
  if (!o.image) return run();
  rmSync(o.image, { force: true });
  const first = run(), again = run(); // packed, and from what was packed
  return { ...again, first_load_ms: first.load_ms, first_load_cpu_ms: first.load_cpu_ms };
}

function theirs(o, spec, threads) {
  return last(execFileSync(process.execPath, [__filename, '--peer', spec, String(threads), '--runs', String(o.runs)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }));
}

function compare(o, spec, threads) {
  const a = [], b = [];
  for (let r = 0; r < o.rounds; r++) { a.push(ours(o, spec, threads)); b.push(theirs(o, spec, threads)); }
  const m = (rows, key) => median(rows.map((x) => x[key]));
  const spread = (rows) => rows.map((x) => x.median_ms).sort((x, y) => x - y);
  return {
    model: spec.split('=')[0], threads, rounds: o.rounds, runs: o.runs, cpu_level: a[0].cpu_level, peer: b[0].version,
    least_ratio: Math.min(...b.map((x) => x.min_ms)) / Math.min(...a.map((x) => x.min_ms)),
    ours_ms: m(a, 'median_ms'), theirs_ms: m(b, 'median_ms'), ratio: m(b, 'median_ms') / m(a, 'median_ms'),
    ours_spread: [spread(a)[0], spread(a).at(-1)], theirs_spread: [spread(b)[0], spread(b).at(-1)],
    cpu_ratio: m(b, 'cpu_ms') / m(a, 'cpu_ms'), tail: m(a, 'p99_ms') / m(a, 'median_ms'),
    ...(o.load ? { first_load_ratio: m(b, 'load_ms') / m(a, 'first_load_ms'), load_cpu_ratio: m(b, 'load_cpu_ms') / m(a, 'load_cpu_ms'), first_load_cpu_ratio: m(b, 'load_cpu_ms') / m(a, 'first_load_cpu_ms') } : {}),
    load_ratio: m(b, 'load_ms') / m(a, 'load_ms'), rss_ratio: m(a, 'peak_rss_mb') / m(b, 'peak_rss_mb'),
  };
}

function main() {
  const o = options(process.argv.slice(2));
  if (o.peer) {
    peer(o.peer, o.peerThreads, o.runs).catch((e) => { console.error(e.message); process.exit(1); });
  } else if (o.models.includes('@list')) {
    console.log(graphs.names().map((n) => `@${n}`).join('\n'));
  } else {
    const made = mkdtempSync(path.join(os.tmpdir(), 'compare-ort-'));
    if (o.load) o.image = path.join(made, 'image');
    process.on('exit', () => rmSync(made, { recursive: true, force: true }));
    o.models = o.models.map((m) => {
      if (!m.startsWith('@')) return m;
      const file = path.join(made, `${m.slice(1)}.onnx`);
      graphs.write(m.slice(1), file);
      return file;
    });
    const rows = [];
    console.log(`# ${os.cpus()[0].model}, ${os.cpus().length} CPUs; ${o.rounds} rounds in turn of ${o.runs} runs; ms are medians; ratio = theirs / ours, least = of the shortest runs, cpu = of CPU time, tail = p99 / median of ours`);
    console.log('threads      ours    theirs   ratio   least     cpu    tail   load ×   rss ×  model');
    for (const spec of o.models) for (const t of o.threads) {
      const r = compare(o, spec, t);
      rows.push(r);
      const f = (x, w) => x.toFixed(x < 10 ? 3 : 1).padStart(w);
      console.log(`${String(t).padStart(7)} ${f(r.ours_ms, 9)} ${f(r.theirs_ms, 9)} ${f(r.ratio, 7)} ${f(r.least_ratio, 7)} ${f(r.cpu_ratio, 7)} ${f(r.tail, 7)} ${f(r.load_ratio, 8)} ${f(r.rss_ratio, 7)}  ${path.relative('.', r.model)}  (${r.cpu_level}; onnxruntime-node ${r.peer}; spread ${r.ours_spread.map((x) => x.toFixed(2)).join('–')} / ${r.theirs_spread.map((x) => x.toFixed(2)).join('–')})`);
    }
    for (const r of o.load ? rows : []) console.log(`# load, theirs / ours: first ever ${r.first_load_ratio.toFixed(1)} (CPU time ${r.first_load_cpu_ratio.toFixed(1)}), weights packed before ${r.load_ratio.toFixed(1)} (CPU time ${r.load_cpu_ratio.toFixed(1)}); ${r.threads} threads, ${path.basename(r.model)}`);
    if (o.json) writeFileSync(o.json, JSON.stringify({ cpu: os.cpus()[0].model, cpus: os.cpus().length, node: process.version, rows }, null, 1) + '\n');
  }
}

main();
