// SPDX-License-Identifier: MIT
//
// ort_peer.cjs — one process of ONNX Runtime, started by compare_ort.cjs: load, warm, time; prints
// one JSON line, as bench-model does.
//
//   node ort_peer.cjs {"model","case","shape","wasm","threads","runs","sessions"}
//
// With "wasm" it is onnxruntime-web, what a page has; its threads need a page that is isolated
// from other origins, so that one is the usual number.
'use strict';
const { createRequire } = require('node:module');
const { readFileSync } = require('node:fs');
const path = require('node:path');

const ARRAYS = {
  float32: Float32Array, float16: Uint16Array, int64: BigInt64Array, int32: Int32Array,
  uint8: Uint8Array, int8: Int8Array, bool: Uint8Array,
};
const median = (a) => [...a].sort((x, y) => x - y)[a.length >> 1];
// Not maxRSS, which begins with the size of whoever started this process.
const status_mb = (key) => Number(
  new RegExp(`${key}:\\s*(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
const cpu_ms = () => { const u = process.cpuUsage(); return (u.user + u.system) / 1000; };

function require_ort(name) {
  try {
    return createRequire(path.join(__dirname, '../package.json'))(name);
  } catch (e) {
    console.error(`compare-ort: ${name} is not installed (./bootstrap check installs it): ${e.message}`);
    process.exit(2);
  }
}

// The rules of bench-model (CONTRACT): the same inputs on both sides.
function made(name, type, dims) {
  const n = dims.reduce((a, b) => a * b, 1), mask = name.includes('mask');
  const lcg = (i) => Number((BigInt(i) * 1103515245n + 12345n) & 0x7fffffffn);
  const ramp = (_, i) => (mask ? 1 : (i * 37 + 11) % 1000);
  if (type === 'float32') return Float32Array.from({ length: n }, (_, i) => (mask ? 1 : lcg(i) / 2147483648));
  if (type === 'int64') return BigInt64Array.from({ length: n }, (_, i) => BigInt(ramp(_, i)));
  if (type === 'int32' || type === 'uint8') return ARRAYS[type].from({ length: n }, ramp);
  throw new Error(`no rule for an input of type ${type}`);
}

function feeds_of(ort, session, o) {
  if (o.case) {
    const golden = JSON.parse(readFileSync(path.join(o.case, 'golden.json')));
    return Object.fromEntries(golden.inputs.map((i) => {
      const b = readFileSync(path.join(o.case, i.file));
      const data = new ARRAYS[i.dtype](b.buffer.slice(b.byteOffset, b.byteOffset + b.length));
      return [i.name, new ort.Tensor(i.dtype, data, i.shape)];
    }));
  }
  const [name, given] = (o.shape ?? '').split('=');
  return Object.fromEntries(session.inputMetadata.map((m) => {
    const dims = m.name === name ? given.split(',').map(Number)
      : m.shape.map((d) => (typeof d === 'number' && d > 0 ? d : 1));
    return [m.name, new ort.Tensor(m.type, made(m.name, m.type, dims), dims)];
  }));
}

async function main(o) {
  const ort = require_ort(o.wasm ? 'onnxruntime-web' : 'onnxruntime-node');
  const cpu_before = cpu_ms();
  const options = o.wasm ? { executionProviders: ['wasm'] }
    : { intraOpNumThreads: o.threads, interOpNumThreads: 1, executionProviders: ['cpu'] };
  ort.env.logLevel = 'error';
  ort.env.wasm.numThreads = o.threads;
  // A page has fetched the bytes before.
  const open = () => ort.InferenceSession.create(o.wasm ? bytes : o.model, { ...options, logSeverityLevel: 3 });
  const bytes = o.wasm ? readFileSync(o.model) : null;
  let t = performance.now();
  const session = await open();
  const load_ms = performance.now() - t, load_cpu_ms = cpu_ms() - cpu_before;
  const feeds = feeds_of(ort, session, o);
  t = performance.now();
  await session.run(feeds);
  const first_ms = performance.now() - t;
  const times = [], cpu_start = cpu_ms();
  for (let i = 0; i < o.runs; i++) {
    t = performance.now();
    await session.run(feeds);
    times.push(performance.now() - t);
  }
  const run_cpu_ms = (cpu_ms() - cpu_start) / o.runs;
  const rss_mb = status_mb('VmRSS'), peak_rss_mb = status_mb('VmHWM'), more = [];
  for (let i = 1; i < o.sessions; i++) {
    more.push(await open());
    await more.at(-1).run(feeds);
  }
  console.log(JSON.stringify({
    load_ms, load_cpu_ms, first_ms, cpu_ms: run_cpu_ms, min_ms: Math.min(...times),
    median_ms: median(times), p99_ms: times.sort((x, y) => x - y)[Math.floor(((o.runs - 1) * 99) / 100)],
    peak_rss_mb, rss_mb, rss_sessions_mb: status_mb('VmRSS'),
    version: `${o.wasm ? 'onnxruntime-web' : 'onnxruntime-node'} ${ort.env.versions[o.wasm ? 'web' : 'node'] ?? ort.env.versions.common}`,
  }));
  process.exit(0); // threads of wasm would hold the process up
}

main(JSON.parse(process.argv[2])).catch((e) => { console.error(`compare-ort: ${e.message}`); process.exit(1); });
