// SPDX-License-Identifier: MIT
//
// Small TensorFlow.js models and what the real TensorFlow.js (cpu backend) makes of them, written as
// golden cases: NAME/model.json, its weights, and NAME/golden/model/ with inputs and outputs.

'use strict';

const fs = require('node:fs');
const path = require('node:path');

console.warn = () => {}; // advice to programs
const tf = require('@tensorflow/tfjs');

const BYTES = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };
const raw = (t) => Buffer.from(BYTES[t.dtype].from(t.dataSync()).buffer);

/** Numbers between −1 and 1 that are the same every time. */
function numbers(n, seed = 1) {
  let x = seed * 2654435761 % 4294967296;
  return Float32Array.from({ length: n }, () => {
    x = (x * 1664525 + 1013904223) % 4294967296;
    return x / 2147483648 - 1;
  });
}

const size = (shape) => shape.reduce((a, b) => a * b, 1);
const some = (shape, seed, scale = 1) => tf.tensor(numbers(size(shape), seed).map((v) => v * scale), shape);
const whole = (shape, from, to, seed) => tf.tensor(Int32Array.from(numbers(size(shape), seed),
  (v) => from + Math.floor((v + 1) / 2 * (to - from))), shape, 'int32');

function writeCase(dir, name, model, weights, inputs, outputs) {
  const at = path.join(dir, name), golden = path.join(at, 'golden/model');
  fs.mkdirSync(golden, { recursive: true });
  fs.writeFileSync(path.join(at, 'model.json'), JSON.stringify(model));
  for (const [file, bytes] of Object.entries(weights))
    fs.writeFileSync(path.join(at, file), bytes);
  const port = (kind) => ([label, t], i) => {
    fs.writeFileSync(path.join(golden, `${kind}_${i}.bin`), raw(t));
    return { name: label, dtype: t.dtype, shape: t.shape, file: `${kind}_${i}.bin` };
  };
  fs.writeFileSync(path.join(golden, 'golden.json'), JSON.stringify({
    model: 'model.json', quantised: ['float32'],
    inputs: Object.entries(inputs).map(port('in')), outputs: outputs.map(port('out')),
  }, null, 1));
}

// ---- graph models ----

const TYPES = { float32: 'DT_FLOAT', int32: 'DT_INT32', bool: 'DT_BOOL', complex64: 'DT_COMPLEX64' };
const base64 = (s) => Buffer.from(s).toString('base64');

/** A plain value as an attribute: a number is an int, { f } a float, 'DT_X' a type, [] a list. */
function attribute(v) {
  if (Array.isArray(v))
    return { list: typeof v[0] === 'string' ? { s: v.map(base64) } : { i: v.map(String) } };
  if (typeof v === 'object')
    return v;
  if (typeof v === 'boolean')
    return { b: v };
  return typeof v === 'number' ? { i: `${v}` } : /^DT_/.test(v) ? { type: v } : { s: base64(v) };
}

const node = (name, op, input, attr = {}) => ({ name, op, input,
  attr: Object.fromEntries(Object.entries(attr).map(([k, v]) => [k, attribute(v)])) });
const dims = (shape) => ({ dim: shape.map((n) => ({ size: `${n}` })) });

/**
 * inputs and consts: name → tensor; nodes: [name, op, [inputs], attributes]; library: functions.
 * `loose`: the first axis of the inputs is declared −1. `expect`: what TensorFlow.js should give.
 */
async function graph(dir, name, { inputs = {}, consts = {}, nodes, outputs, library, loose, expect }) {
  const all = [
    ...Object.entries(inputs).map(([n, t]) => node(n, 'Placeholder', [], { dtype: TYPES[t.dtype],
      shape: { shape: dims(t.shape.map((d, i) => (loose && i === 0 ? -1 : d))) } })),
    ...Object.entries(consts).map(([n, t]) => node(n, 'Const', [], { dtype: TYPES[t.dtype] })),
    ...nodes.map((n) => node(...n)),
  ];
  const weightSpecs = Object.entries(consts).map(([n, t]) => ({ name: n, shape: t.shape, dtype: t.dtype }));
  const bytes = Buffer.concat(Object.values(consts).map(raw));
  const signature = { outputs: Object.fromEntries(outputs.map((o) => [o, { name: /:/.test(o) ? o : `${o}:0` }])) };
  const modelTopology = { node: all, versions: { producer: 440 }, ...library && { library: { function: library } } };
  const model = await tf.loadGraphModel({ load: async () => ({ modelTopology, weightSpecs,
    weightData: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) }) });
  const got = expect ?? [await model.executeAsync(inputs, outputs)].flat();
  writeCase(dir, name, { format: 'graph-model', signature, modelTopology,
    weightsManifest: [{ paths: ['weights.bin'], weights: weightSpecs }] }, { 'weights.bin': bytes },
  inputs, outputs.map((o, i) => [o, got[i]]));
}

// ---- layers models ----

/**
 * A layers model with numbers for weights. `edit` changes the topology that is written, `expect` is
 * what a layer gives where TensorFlow.js cannot run it in a model.
 */
async function layers(dir, name, model, inputs, { scale = 0.5, edit = (t) => t, shards = 1, expect } = {}) {
  model.setWeights(model.getWeights().map((w, i) => {
    const v = some(w.shape, i + 3, scale);
    return /variance/.test(model.weights[i].name) ? v.abs().add(0.5) : v;
  }));
  let kept;
  await model.save(tf.io.withSaveHandler(async (artifacts) => {
    kept = artifacts;
    return { modelArtifactsInfo: {} };
  }));
  const got = expect ?? [model.predict(inputs.length > 1 ? inputs : inputs[0])].flat();
  const bytes = Buffer.from(tf.io.CompositeArrayBuffer.join(kept.weightData));
  const cut = Math.ceil(bytes.length / shards), files = {};
  for (let i = 0; i < shards; i++)
    files[`group1-shard${i + 1}of${shards}.bin`] = bytes.subarray(i * cut, (i + 1) * cut);
  writeCase(dir, name, { format: 'layers-model', modelTopology: edit(kept.modelTopology),
    weightsManifest: [{ paths: Object.keys(files), weights: kept.weightSpecs }] }, files,
  Object.fromEntries(model.inputNames.map((n, i) => [n, inputs[i]])),
  model.outputNames.map((n, i) => [model.outputs[i].name, got[i]]));
}

module.exports = { tf, some, whole, graph, layers, numbers };
