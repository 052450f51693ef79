// SPDX-License-Identifier: MIT
//
// One rung of the bench page's ladder: opens the model, runs it, answers with the times. Inputs are
// zeros, free dimensions 1.

import { connect } from '/larder.js';

const ARRAYS = { float32: Float32Array, float64: Float64Array, int64: BigInt64Array, int32: Int32Array,
  int8: Int8Array, uint8: Uint8Array, bool: Uint8Array, float16: Uint16Array, int16: Int16Array, uint16: Uint16Array };

/** ONNX Runtime from the store. Its threads' script comes from a blob, which inherits the isolation. */
async function loadOrt(base, provider, threads) {
  const kind = provider === 'webgpu' ? 'webgpu' : 'wasm';
  const ort = await import(`${base}ort.${kind}.min.mjs`);
  const binary = `${base}ort-wasm-simd-threaded${provider === 'webgpu' ? '.asyncify' : ''}`;
  const script = await (await fetch(`${binary}.mjs`)).text();
  ort.env.wasm.wasmPaths = { wasm: `${binary}.wasm`,
    mjs: URL.createObjectURL(new Blob([script], { type: 'text/javascript' })) };
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = 'fatal';
  return ort;
}

self.onmessage = async ({ data: { provider, threads, base, model, runs } }) => {
  try {
    const larder = await connect();
    const ort = provider === 'larder' ? null : await loadOrt(base, provider, threads);
    const began = performance.now();
    const session = await larder.createSession(ort, model, { executionProviders: [provider] });
    const feeds = {};
    for (const { name, type, shape } of session.inputMetadata) {
      const dims = shape.map((d) => (d > 0 ? d : 1));
      const data = new ARRAYS[type](dims.reduce((n, d) => n * d, 1));
      feeds[name] = ort ? new ort.Tensor(type, data, dims) : { type, dims, data };
    }
    await session.run(feeds);
    const load_ms = performance.now() - began;
    const times = [];
    for (let i = 0; i < runs; i++) {
      const from = performance.now();
      await session.run(feeds);
      times.push(performance.now() - from);
    }
    const run_ms = times.sort((a, b) => a - b)[Math.floor(times.length / 2)];
    postMessage({ load_ms, run_ms });
  } catch (error) {
    postMessage({ error: error.message });
  }
};
