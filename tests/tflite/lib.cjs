// SPDX-License-Identifier: MIT
//
// Small TensorFlow Lite models and what the real TensorFlow Lite (@tensorflow/tfjs-tflite) makes of them,
// written as golden cases: NAME/model.tflite and NAME/golden/model/ with inputs and outputs.
//
//     const m = new Model();
//     const x = m.input('x', 'float32', [1, 4]), w = m.constant('w', 'float32', [2, 4], numbers), y = m.tensor('y', 'float32', [1, 2]);
//     m.op(9, [x, w, -1], [y], { 0: byte(1) });
//     m.outputs(y);

'use strict';

const fs = require('node:fs');
const path = require('node:path');

const TYPES = { float32: 0, int32: 2, uint8: 3, int64: 4, bool: 6, int16: 7, complex64: 8, int8: 9 };
const ARRAYS = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array, int64: BigInt64Array, bool: Uint8Array, int16: Int16Array, int8: Int8Array };
const count = (shape) => shape.reduce((a, b) => a * b, 1);

/** Numbers between −1 and 1 that are the same every time. */
function numbers(n, seed = 1) {
  let x = seed * 2654435761 % 4294967296;
  return Float32Array.from({ length: n }, () => {
    x = (x * 1664525 + 1013904223) % 4294967296;
    return x / 2147483648 - 1;
  });
}
const whole = (n, from, to, seed) => Array.from(numbers(n, seed), (v) => from + Math.floor((v + 1) / 2 * (to - from + 1)));

// ---- FlatBuffers: what a field holds ----

const scalar = (size, write) => (value) => ({ size, write: (b, at) => b[write](value, at) });
const byte = scalar(1, 'writeInt8'), int = scalar(4, 'writeInt32LE'), float = scalar(4, 'writeFloatLE');
const vector = (bytes, n) => ({ vector: bytes, count: n });
const ints = (list) => vector(Buffer.from(Int32Array.from(list).buffer), list.length);
const longs = (list) => vector(Buffer.from(BigInt64Array.from(list, BigInt).buffer), list.length);
const floats = (list) => vector(Buffer.from(Float32Array.from(list).buffer), list.length);
const text = (s) => vector(Buffer.from(`${s}\0`), s.length);
const raw = (b) => vector(b, b.length);
const tables = (list) => ({ tables: list });
const table = (fields) => ({ fields });

class Writer {
  constructor() { this.b = Buffer.alloc(1 << 20); this.n = 8; this.b.write('TFL3', 4); }

  align(n, more = 0) { while ((this.n + more) % n) this.n++; }

  room(n) {
    const at = this.n;
    this.n += n;
    if (this.n > this.b.length)
      this.b = Buffer.concat([this.b, Buffer.alloc(this.b.length + n)]);
    return at;
  }

  put(o) {
    if (o.vector) {
      this.align(16, 4);
      const at = this.room(4 + o.vector.length);
      this.b.writeUInt32LE(o.count, at);
      o.vector.copy(this.b, at + 4);
      return at;
    }
    if (o.tables) {
      this.align(4);
      const at = this.room(4 + 4 * o.tables.length);
      this.b.writeUInt32LE(o.tables.length, at);
      o.tables.forEach((t, i) => this.point(at + 4 + 4 * i, t));
      return at;
    }
    const ids = Object.keys(o.fields).map(Number), n = Math.max(-1, ...ids) + 1;
    this.align(4);
    const names = this.room(4 + 2 * n);
    this.align(8);
    const at = this.room(8 + 8 * n);
    this.b.writeUInt16LE(4 + 2 * n, names);
    this.b.writeUInt16LE(8 + 8 * n, names + 2);
    this.b.writeInt32LE(at - names, at);
    for (const id of ids) {
      const v = o.fields[id], to = at + 8 + 8 * id;
      this.b.writeUInt16LE(8 + 8 * id, names + 4 + 2 * id);
      if (v.write)
        v.write(this.b, to);
      else
        this.point(to, v);
    }
    return at;
  }

  point(from, o) { const to = this.put(o); this.b.writeUInt32LE(to - from, from); }
}

// ---- models ----

class Model {
  constructor() { this.tensors = []; this.buffers = [table({})]; this.ops = []; this.codes = []; this.ins = []; this.feeds = []; this.outs = []; }

  /** quant: { scale: [..], zero: [..], axis }. */
  tensor(name, type, shape, quant, more = {}) {
    const q = quant && table({ 2: floats(quant.scale), 3: longs(quant.zero ?? quant.scale.map(() => 0)), 6: int(quant.axis ?? 0) });
    this.tensors.push({ name, type, shape, fields: { 0: ints(shape), 1: byte(TYPES[type]), 2: int(0), 3: text(name), ...q && { 4: q }, ...more } });
    return this.tensors.length - 1;
  }

  input(name, type, shape, data, quant) {
    const i = this.tensor(name, type, shape, quant);
    this.ins.push(i);
    this.feeds.push(Buffer.from(ARRAYS[type].from(data).buffer));
    return i;
  }

  constant(name, type, shape, data, quant) {
    const i = this.tensor(name, type, shape, quant);
    this.buffers.push(table({ 0: raw(Buffer.from(ARRAYS[type].from(data, type === 'int64' ? BigInt : undefined).buffer)) }));
    this.tensors[i].fields[2] = int(this.buffers.length - 1);
    return i;
  }

  variable(name, type, shape, quant) { return this.tensor(name, type, shape, quant, { 5: byte(1) }); }

  /** options: field number → value; the type of the union says which table it is. */
  op(code, ins, outs, options, type = 1) {
    this.codes.push(table({ 0: byte(Math.min(code, 127)), 2: int(1), 3: int(code) }));
    this.ops.push(table({ 0: int(this.codes.length - 1), 1: ints(ins), 2: ints(outs), ...options && { 3: byte(type), 4: table(options) } }));
  }

  outputs(...list) { this.outs = list; }

  bytes() {
    const w = new Writer();
    const graph = table({ 0: tables(this.tensors.map((t) => table(t.fields))), 1: ints(this.ins), 2: ints(this.outs), 3: tables(this.ops) });
    w.point(0, table({ 0: int(3), 1: tables(this.codes), 2: tables([graph]), 4: tables(this.buffers) }));
    return w.b.subarray(0, w.n);
  }
}

// ---- the real one ----

const wasm = path.join(__dirname, '../node_modules/@tensorflow/tfjs-tflite/wasm');

async function load() {
  const script = fs.readFileSync(path.join(wasm, 'tflite_web_api_cc_simd.js'), 'utf8'), module_ = { exports: {} };
  new Function('module', 'exports', 'require', '__dirname', '__filename', script)(module_, module_.exports, require, wasm, `${wasm}/x.js`);
  return module_.exports({ wasmBinary: fs.readFileSync(path.join(wasm, 'tflite_web_api_cc_simd.wasm')), print() {}, printErr(s) { if (process.env.V) console.error(s); } });
}

function run(lite, bytes, feeds) {
  const at = lite._malloc(bytes.length);
  lite.HEAPU8.set(bytes, at);
  const made = lite.TFLiteWebModelRunner.CreateFromBufferAndOptions(at, bytes.length, { numThreads: 1, enableProfiling: false, maxProfilingBufferEntries: 0 });
  if (!made.ok())
    throw new Error(made.errorMessage());
  const runner = made.value(), ins = runner.GetInputs(), raws = (d) => new Uint8Array(d.buffer, d.byteOffset, d.byteLength);
  feeds.forEach((f, i) => raws(ins.get(i).data()).set(f));
  if (!runner.Infer())
    throw new Error('it does not run');
  const outs = runner.GetOutputs();
  return Array.from({ length: outs.size() }, (_, i) => ({ data: Buffer.from(raws(outs.get(i).data())),
    shape: outs.get(i).shape === '' ? [] : outs.get(i).shape.split(',').map(Number) }));
}

function write(dir, name, model, lite) {
  const at = path.join(dir, name), golden = path.join(at, 'golden/model'), bytes = model.bytes(), got = run(lite, bytes, model.feeds);
  fs.mkdirSync(golden, { recursive: true });
  fs.writeFileSync(path.join(at, 'model.tflite'), bytes);
  const port = (kind, i, data, index, shape) => {
    fs.writeFileSync(path.join(golden, `${kind}_${i}.bin`), data);
    return { name: model.tensors[index].name, dtype: model.tensors[index].type, shape, file: `${kind}_${i}.bin` };
  };
  fs.writeFileSync(path.join(golden, 'golden.json'), JSON.stringify({ model: 'model.tflite',
    inputs: model.ins.map((t, i) => port('in', i, model.feeds[i], t, model.tensors[t].shape)),
    outputs: model.outs.map((t, i) => port('out', i, got[i].data, t, got[i].shape)) }, null, 1));
}

module.exports = { Model, numbers, whole, count, byte, int, float, ints, floats, load, write };
