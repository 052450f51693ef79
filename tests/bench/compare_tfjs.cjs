// SPDX-License-Identifier: MIT
//
// compare_tfjs.cjs — run by compare-tfjs: larder's runtime against TensorFlow.js (wasm backend, SIMD, one thread, in
// node), in turn, on the inputs of golden cases. Prints the ratios (their time / ours: above 1 we are faster) of the
// medians and of the best runs; the latter are what to look at while other things run here. With --onnx also our own time
// for the same network as an ONNX file.
//
//   tests/bench/compare-tfjs [--rounds N] [--runs N] [--threads 1,2] [--bench PATH] [--onnx CASE=MODEL]… CASE…
//
// CASE is a folder with a golden.json of a TensorFlow.js model. Timings gate nothing.
'use strict';

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const { createRequire } = require('node:module');
const os = require('node:os');
const path = require('node:path');

const top = path.resolve(__dirname, '../..');
const require_ = createRequire(path.join(top, 'tests/package.json'));
const ARRAYS = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };

function options(argv) {
  const o = { rounds: 3, runs: 20, threads: [1, 2], bench: path.join(top, 'build/tests/bench-model'), onnx: {}, cases: [] };
  for (let i = 0; i < argv.length; i++) {
    const a = argv[i];
    if (a === '--rounds') o.rounds = Number(argv[++i]);
    else if (a === '--runs') o.runs = Number(argv[++i]);
    else if (a === '--threads') o.threads = argv[++i].split(',').map(Number);
    else if (a === '--bench') o.bench = argv[++i];
    else if (a === '--peer') o.peer = argv[++i];
    else if (a === '--onnx') { const [dir, model] = argv[++i].split('='); o.onnx[path.resolve(dir)] = model; }
    else if (a.startsWith('-')) { console.error(`compare-tfjs: unknown option ${a}`); process.exit(2); }
    else o.cases.push(path.resolve(a));
  }
  if (!o.peer && !o.cases.length) { console.error('usage: compare-tfjs [--rounds N] [--runs N] [--threads 1,2] CASE…'); process.exit(2); }
  return o;
}

const about = (dir) => JSON.parse(fs.readFileSync(path.join(dir, 'golden.json'), 'utf8'));
const modelOf = (dir) => path.resolve(dir, '../..', about(dir).model);
const median = (a) => [...a].sort((x, y) => x - y)[a.length >> 1];

/** The other side, in a process of its own: one line of JSON. */
async function peer(dir, runs) {
  console.warn = () => {};
  const tf = require_('@tensorflow/tfjs');
  const wasm = require_('@tensorflow/tfjs-backend-wasm');
  wasm.setWasmPaths(path.join(top, 'tests/node_modules/@tensorflow/tfjs-backend-wasm/dist/'));
  await tf.setBackend('wasm');
  const file = modelOf(dir), json = JSON.parse(fs.readFileSync(file, 'utf8'));
  const data = Buffer.concat(json.weightsManifest.flatMap((g) => g.paths)
    .map((p) => fs.readFileSync(path.resolve(path.dirname(file), p))));
  const load = () => tf.io.getModelArtifactsForJSON(json, () => [json.weightsManifest.flatMap((g) => g.weights),
    data.buffer.slice(data.byteOffset, data.byteOffset + data.length)]);
  const graph = Boolean(json.modelTopology.node);
  const model = await (graph ? tf.loadGraphModel : tf.loadLayersModel)({ load });
  const feeds = about(dir).inputs.map((t) => [t.name, tf.tensor(new ARRAYS[t.dtype](
    Uint8Array.from(fs.readFileSync(path.join(dir, t.file))).buffer), t.shape, t.dtype)]);
  const times = [];
  for (let i = 0; i <= runs; i++) {
    const from = performance.now();
    const out = [graph ? await model.executeAsync(Object.fromEntries(feeds)) : model.predict(feeds.length > 1 ? feeds.map((f) => f[1]) : feeds[0][1])].flat();
    await Promise.all(out.map((t) => t.data()));
    times.push(performance.now() - from);
    tf.dispose(out);
  }
  times.shift();
  console.log(JSON.stringify({ backend: tf.getBackend(), simd: await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT'),
    min_ms: Math.min(...times), median_ms: median(times) }));
}

const lastLine = (text) => JSON.parse(text.trim().split('\n').at(-1));

function side(o, kind, dir, threads) {
  const quiet = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] };
  if (kind === 'tfjs')
    return lastLine(execFileSync(process.execPath, [__filename, '--peer', dir, '--runs', String(o.runs)], quiet));
  const model = kind === 'onnx' ? o.onnx[dir] : modelOf(dir);
  // the same inputs where their names are the same too
  const which = kind === 'onnx' ? [] : ['--case', dir];
  return lastLine(execFileSync(o.bench, ['--threads', String(threads), '--runs', String(o.runs), ...which, model], quiet));
}

function compare(o, dir) {
  const sides = { tfjs: [], ...Object.fromEntries(o.threads.map((t) => [`larder ${t}`, []])) };
  if (o.onnx[dir])
    for (const t of o.threads)
      sides[`onnx ${t}`] = [];
  for (let round = 0; round < o.rounds; round++) {
    for (const [name, got] of Object.entries(sides)) {
      const [kind, threads] = name.split(' ');
      got.push(side(o, kind, dir, threads));
    }
  }
  const best = (name) => Math.min(...sides[name].map((s) => s.min_ms));
  const usual = (name) => median(sides[name].map((s) => s.median_ms));
  const ms = Object.keys(sides).map((n) => `${n} ${best(n).toFixed(2)}/${usual(n).toFixed(2)}`).join(', ');
  const ratio = (a, b) => `${(best(a) / best(b)).toFixed(2)}/${(usual(a) / usual(b)).toFixed(2)}`;
  console.log(`${path.relative(process.cwd(), dir)}: ms best/median: ${ms}`);
  for (const t of o.threads) {
    console.log(`  tfjs / larder, ${t} threads: ${ratio('tfjs', `larder ${t}`)}`
      + (o.onnx[dir] ? `; our ONNX / our TensorFlow.js: ${ratio(`onnx ${t}`, `larder ${t}`)}` : ''));
  }
}

const o = options(process.argv.slice(2));
if (o.peer) {
  peer(o.peer, o.runs);
} else {
  for (const dir of o.cases)
    compare(o, dir);
  console.log(`load average ${os.loadavg().map((l) => l.toFixed(1)).join(' ')} on ${os.availableParallelism()} cores; best runs / medians`);
}
