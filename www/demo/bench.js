// SPDX-License-Identifier: MIT
//
// The bench page: each rung of the ladder runs in a worker of its own (bench_worker.js), one after
// the other, because ONNX Runtime keeps its number of threads for the life of a realm.

import { connect } from '/larder.js';
import { $, notice } from '/demo/page.js';

const larder = await connect();
const models = (await larder.models()).filter((m) => m.runnable);
for (const { id } of models)
  $('model').append(new Option(id));

/** ONNX Runtime Web as it is stored here: its folder's URL and what it can do. */
async function findOrt() {
  for (const { id, files } of await larder.models()) {
    const has = (name) => files.some((f) => f.path === name);
    if (has('ort-wasm-simd-threaded.wasm') && has('ort.wasm.min.mjs')) {
      return { base: `${larder.url}/${id}/resolve/main/`,
        gpu: has('ort.webgpu.min.mjs') && has('ort-wasm-simd-threaded.asyncify.wasm') };
    }
  }
  return null;
}

const ort = await findOrt();
if (!ort) {
  notice('The page cannot run models itself yet.', 'ONNX Runtime Web is not stored here: '
    + 'larderctl import --name onnxruntime-web node_modules/onnxruntime-web/dist');
}
const cores = Math.min(4, navigator.hardwareConcurrency);
const gpu = ort?.gpu && await navigator.gpu?.requestAdapter().catch(() => null);
const RUNGS = [
  { name: 'the daemon', provider: 'larder' },
  ...ort ? [{ name: 'wasm, 1 thread', provider: 'wasm', threads: 1 }] : [],
  ...ort && crossOriginIsolated && cores > 1 ? [{ name: `wasm, ${cores} threads`, provider: 'wasm', threads: cores }] : [],
  ...gpu ? [{ name: 'WebGPU', provider: 'webgpu', threads: 1 }] : [],
];

function measure(rung, model, runs) {
  return new Promise((done) => {
    const worker = new Worker('/demo/bench_worker.js', { type: 'module' });
    const end = (answer) => {
      worker.terminate();
      done(answer);
    };
    worker.onmessage = ({ data }) => end(data);
    worker.onerror = (e) => end({ error: e.message || 'the worker did not start' });
    setTimeout(end, 120000, { error: 'not done after two minutes' });
    worker.postMessage({ ...rung, base: ort?.base, model, runs });
  });
}

function draw(results) {
  const times = results.filter((r) => r.run_ms).map((r) => r.run_ms);
  const most = Math.max(...times), least = Math.min(...times);
  $('rungs').replaceChildren(...results.map(({ name, run_ms, load_ms, error }) => {
    const row = document.createElement('tr');
    row.className = run_ms === least ? 'best' : '';
    const cell = (tag, content) => {
      const made = document.createElement(tag);
      made.append(content);
      row.append(made);
      return made;
    };
    cell('th', name).scope = 'row';
    if (!run_ms) {
      Object.assign(cell('td', error ?? 'measuring …'), { colSpan: 3, className: 'why' });
      return row;
    }
    cell('td', Object.assign(document.createElement('meter'), { min: 0, max: most, value: run_ms,
      ariaLabel: `${run_ms.toFixed(2)} milliseconds` }));
    cell('td', run_ms.toFixed(run_ms < 10 ? 2 : 1));
    cell('td', `${load_ms.toFixed(0)} ms`);
    return row;
  }));
}

$('start').addEventListener('click', async () => {
  $('start').disabled = true;
  const model = $('model').value, runs = Math.max(1, Number($('runs').value) || 20);
  const results = RUNGS.map((rung) => ({ ...rung }));
  for (const result of results) {
    $('caption').textContent = `Measuring ${result.name} …`;
    draw(results.slice(0, results.indexOf(result) + 1));
    Object.assign(result, await measure(result, model, runs));
  }
  draw(results);
  const ran = results.filter((r) => r.run_ms).sort((a, b) => a.run_ms - b.run_ms);
  $('caption').textContent = ran.length === 0 ? `Nobody could run ${model}.`
    : ran.length === 1 ? `${model}: ${ran[0].name} takes ${ran[0].run_ms.toFixed(1)} ms.`
      : `${model}: ${ran[0].name} is the fastest, ${(ran.at(-1).run_ms / ran[0].run_ms).toFixed(1)} × as fast as ${ran.at(-1).name}.`;
  $('start').disabled = false;
});
$('start').disabled = models.length === 0;
