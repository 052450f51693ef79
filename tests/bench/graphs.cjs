// SPDX-License-Identifier: MIT
//
// graphs.cjs — makes the graphs that no file holds, for compare_ort.cjs: ONNX bytes written by
// hand, weights from a fixed sequence, scaled so that numbers keep their size from layer to layer.
//
//   names()            what there is
//   write(name, path)  that graph to a file
'use strict';
const { writeFileSync } = require('node:fs');

// ---- protobuf -----------------------------------------------------------------------------------

function varint(n) {
  const out = [];
  let x = BigInt.asUintN(64, BigInt(n));
  for (; x > 127n; x >>= 7n) out.push(Number(x & 127n) | 128);
  out.push(Number(x));
  return Buffer.from(out);
}
const int = (field, n) => Buffer.concat([varint(field << 3), varint(n)]);
const bytes = (field, b) => Buffer.concat([varint((field << 3) | 2), varint(b.length), b]);
const text = (field, s) => bytes(field, Buffer.from(s));
const float = (field, x) => { const b = Buffer.alloc(4); b.writeFloatLE(x); return Buffer.concat([varint((field << 3) | 5), b]); };

// Uint16Array holds halves.
const TYPES = new Map([[Float32Array, 1], [Uint8Array, 2], [Int8Array, 3], [Int32Array, 6], [BigInt64Array, 7], [Uint16Array, 10]]);

// float32 to the nearest float16, ties to even; too large ones become the largest.
function to_half(x) {
  const sign = x < 0 ? 0x8000 : 0, a = Math.abs(x);
  if (a >= 65520) return sign | 0x7bff;
  const e = a < 2 ** -14 ? -14 : Math.floor(Math.log2(a)), q = a / 2 ** (e - 10), low = Math.floor(q);
  const m = low + (q - low > 0.5 || (q - low === 0.5 && low % 2) ? 1 : 0);
  return sign | (((e + 14) << 10) + m); // m has the leading bit where there is one
}

function attribute(name, v) {
  const parts = [text(1, name)];
  if (Array.isArray(v)) parts.push(...v.map((x) => int(8, x)), int(20, 7));
  else if (typeof v === 'string') parts.push(text(4, v), int(20, 3));
  else if (typeof v === 'object') parts.push(float(2, v.float), int(20, 1));
  else parts.push(int(3, v), int(20, 2));
  return bytes(5, Buffer.concat(parts));
}

class Graph {
  // ${half}: constants of float32 are written as float16.
  constructor(half = false) { this.half = half; this.nodes = []; this.constants = []; this.inputs = []; this.outputs = []; this.count = 0; this.seed = 1; }
  name(of) { return `${of}_${this.count++}`; }
  value(name, type, dims) {
    const shape = Buffer.concat(dims.map((d) => bytes(1, int(1, d))));
    return Buffer.concat([text(1, name), bytes(2, bytes(1, Buffer.concat([int(1, type), bytes(2, shape)])))]);
  }
  input(name, type, dims) { this.inputs.push(bytes(11, this.value(name, type, dims))); return name; }
  output(name, type, dims) { this.outputs.push(bytes(12, this.value(name, type, dims))); }
  constant(given, dims) {
    const data = this.half && given instanceof Float32Array ? Uint16Array.from(given, to_half) : given;
    const name = this.name('c');
    const raw = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    this.constants.push(bytes(5, Buffer.concat([...dims.map((d) => int(1, d)), int(2, TYPES.get(data.constructor)), text(8, name), bytes(9, raw)])));
    return name;
  }
  node(op, inputs, { outputs = 1, domain = '', out = null, ...attrs } = {}) {
    const names = out ? [out] : Array.from({ length: outputs }, () => this.name(op));
    const parts = [...inputs.map((i) => text(1, i)), ...names.map((o) => text(2, o)), text(3, this.name('n')), text(4, op)];
    for (const [k, v] of Object.entries(attrs)) parts.push(attribute(k, v));
    if (domain) parts.push(text(7, domain));
    this.nodes.push(bytes(1, Buffer.concat(parts)));
    return outputs === 1 ? names[0] : names;
  }
  // −1 … 1
  random() { this.seed = (Math.imul(this.seed, 1103515245) + 12345) >>> 0; return (this.seed >>> 8) / 8388608 - 1; }
  floats(n, by = 1) { return Float32Array.from({ length: n }, () => this.random() * by); }
  int8(n) { return Int8Array.from({ length: n }, () => Math.round(this.random() * 127)); }
  f(x) { return this.constant(Float32Array.of(x), []); }
  u8(x) { return this.constant(Uint8Array.of(x), []); }
  i8(x) { return this.constant(Int8Array.of(x), []); }
  model(opset = 17) {
    const graph = Buffer.concat([...this.nodes, text(2, 'g'), ...this.constants, ...this.inputs, ...this.outputs]);
    return Buffer.concat([int(1, 8), text(2, 'bench'), bytes(7, graph), bytes(8, Buffer.concat([text(1, ''), int(2, opset)])), bytes(8, Buffer.concat([text(1, 'com.microsoft'), int(2, 1)]))]);
  }
}

// ---- MobileNetV2, full width, 224 × 224 -------------------------------------------------------

const BLOCKS = [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1]];

// How each kind of graph writes its layers; a tensor is whatever the kind makes of it.
function walk(g, kind) {
  let x = kind.begin(g.input('input', 1, [1, 3, 224, 224])), c = 32;
  x = kind.conv(x, 3, 32, 3, 2, 1, true);
  for (const [t, out, n, s] of BLOCKS) for (let i = 0; i < n; i++) {
    const stride = i === 0 ? s : 1;
    let y = t === 1 ? x : kind.conv(x, c, c * t, 1, 1, 1, true);
    y = kind.conv(y, c * t, c * t, 3, stride, c * t, true);
    y = kind.conv(y, c * t, out, 1, 1, 1, false);
    x = stride === 1 && c === out ? kind.add(x, y) : y;
    c = out;
  }
  kind.end(kind.conv(x, 320, 1280, 1, 1, 1, true), 1280, 1000);
  g.output('output', 1, [1, 1000]);
  return g.model();
}

const conv_attrs = (k, stride, group) => ({ kernel_shape: [k, k], strides: [stride, stride], pads: Array(4).fill((k - 1) / 2), group, dilations: [1, 1] });
// A weight's size such that a layer's results are as large as its inputs.
const size_of = (fan, relu) => Math.sqrt((relu ? 6 : 3) / fan);

// ${half}: float16 but for input and output, as converters leave it.
function mobilenet(half) {
  const g = new Graph(half);
  return walk(g, {
    begin: (x) => (half ? g.node('Cast', [x], { to: 10 }) : x),
    conv(x, cin, cout, k, stride, group, relu) {
      const fan = (cin / group) * k * k;
      const w = g.constant(g.floats(cout * fan, size_of(fan, relu)), [cout, cin / group, k, k]);
      const y = g.node('Conv', [x, w, g.constant(g.floats(cout, 0.1), [cout])], conv_attrs(k, stride, group));
      return relu ? g.node('Clip', [y, g.f(0), g.f(6)]) : y;
    },
    add: (a, b) => g.node('Add', [a, b]),
    end(x, cin, cout) {
      const y = g.node('Flatten', [g.node('GlobalAveragePool', [x])], { axis: 1 });
      const last = g.node('Gemm', [y, g.constant(g.floats(cin * cout, 0.05), [cout, cin]), g.constant(g.floats(cout), [cout])], { transB: 1 });
      g.node(half ? 'Cast' : 'Identity', [last], half ? { out: 'output', to: 1 } : { out: 'output' });
    },
  });
}

const Y = { relu: [6 / 255, 0], linear: [8 / 255, 128], sum: [12 / 255, 128] };

function weights(g, cout, fan, relu) {
  const scale = Float32Array.from({ length: cout }, () => (size_of(fan, relu) / 127) * (1 + 0.2 * g.random()));
  return { q: g.int8(cout * fan), scale };
}

function mobilenet_qdq() {
  const g = new Graph();
  const dq = (q, scale, zero, attrs) => g.node('DequantizeLinear', [q, scale, zero], attrs);
  const quant = (x, [s, z]) => { const scale = g.f(s), zero = g.u8(z); return dq(g.node('QuantizeLinear', [x, scale, zero]), scale, zero); };
  return walk(g, {
    begin(x) { this.s = 4 / 255; return quant(x, [this.s, 110]); },
    conv(x, cin, cout, k, stride, group, relu) {
      const fan = (cin / group) * k * k, w = weights(g, cout, fan, relu);
      const scale = g.constant(w.scale, [cout]), zero = g.constant(new Int8Array(cout), [cout]);
      const weight = dq(g.constant(w.q, [cout, cin / group, k, k]), scale, zero, { axis: 0 });
      const bias_scale = w.scale.map((s) => s * this.s);
      const bias = dq(g.constant(Int32Array.from(bias_scale, (s) => Math.round((g.random() * 0.1) / s)), [cout]), g.constant(bias_scale, [cout]), g.constant(new Int32Array(cout), [cout]), { axis: 0 });
      let y = g.node('Conv', [x, weight, bias], conv_attrs(k, stride, group));
      if (relu) y = g.node('Clip', [y, g.f(0), g.f(6)]);
      const out = relu ? Y.relu : Y.linear;
      this.s = out[0];
      return quant(y, out);
    },
    add(a, b) { this.s = Y.sum[0]; return quant(g.node('Add', [a, b]), Y.sum); },
    end(x, cin, cout) {
      const pool = quant(g.node('GlobalAveragePool', [x]), Y.relu);
      const y = quant(g.node('Flatten', [pool], { axis: 1 }), Y.relu);
      const w = dq(g.constant(g.int8(cin * cout), [cout, cin]), g.f(0.05 / 127), g.i8(0));
      const bias = dq(g.constant(new Int32Array(cout), [cout]), g.f((0.05 / 127) * Y.relu[0]), g.constant(Int32Array.of(0), []));
      const last = g.node('QuantizeLinear', [g.node('Gemm', [y, w, bias], { transB: 1 }), g.f(0.1), g.u8(128)]);
      g.node('DequantizeLinear', [last, g.f(0.1), g.u8(128)], { out: 'output' });
    },
  });
}

function mobilenet_qlinear() {
  const g = new Graph(), ms = 'com.microsoft';
  return walk(g, {
    begin: (x) => { const s = g.f(4 / 255), z = g.u8(110); return { q: g.node('QuantizeLinear', [x, s, z]), s, z, scale: 4 / 255 }; },
    conv(x, cin, cout, k, stride, group, relu) {
      const fan = (cin / group) * k * k, w = weights(g, cout, fan, relu), [scale, zero] = relu ? Y.relu : Y.linear;
      const s = g.f(scale), z = g.u8(zero);
      const bias = g.constant(Int32Array.from(w.scale, (ws) => Math.round((g.random() * 0.1) / (ws * x.scale))), [cout]);
      const q = g.node('QLinearConv', [x.q, x.s, x.z, g.constant(w.q, [cout, cin / group, k, k]), g.constant(w.scale, [cout]), g.constant(new Int8Array(cout), [cout]), s, z, bias], conv_attrs(k, stride, group));
      return { q, s, z, scale };
    },
    add(a, b) { const s = g.f(Y.sum[0]), z = g.u8(Y.sum[1]); return { q: g.node('QLinearAdd', [a.q, a.s, a.z, b.q, b.s, b.z, s, z], { domain: ms }), s, z, scale: Y.sum[0] }; },
    end(x, cin, cout) {
      const pool = g.node('Flatten', [g.node('QLinearGlobalAveragePool', [x.q, x.s, x.z, x.s, x.z], { domain: ms, channels_last: 0 })], { axis: 1 });
      const q = g.node('QGemm', [pool, x.s, x.z, g.constant(g.int8(cin * cout), [cout, cin]), g.f(0.05 / 127), g.i8(0), g.constant(new Int32Array(cout), [cout]), g.f(0.1), g.u8(128)], { domain: ms, alpha: { float: 1 }, transB: 1 });
      g.node('DequantizeLinear', [q, g.f(0.1), g.u8(128)], { out: 'output' });
    },
  });
}

// ---- BERT shapes --------------------------------------------------------------------------------

// ${quantised}: products with weights as the dynamic quantiser of ONNX Runtime writes them.
// ${half}: float16 but for the output.
function bert(layers, width, heads, inner, length, quantised, vocabulary = 1000, half = false) {
  const g = new Graph(half), each = width / heads;
  const ids = g.input('input_ids', 7, [1, length]);
  const ints = (...v) => g.constant(BigInt64Array.from(v, BigInt), [v.length]);
  const made = new Map();
  function product(x, k, n) {
    const bias = g.constant(g.floats(n, 0.1), [n]);
    if (!quantised) return g.node('Add', [g.node('MatMul', [x, g.constant(g.floats(k * n, size_of(k, false)), [k, n])]), bias]);
    if (!made.has(x)) made.set(x, g.node('DynamicQuantizeLinear', [x], { outputs: 3 }));
    const [q, scale, zero] = made.get(x);
    const y = g.node('MatMulInteger', [q, g.constant(g.int8(k * n), [k, n]), zero, g.i8(0)]);
    const by = g.node('Mul', [scale, g.f(size_of(k, false) / 127)]);
    return g.node('Add', [g.node('Mul', [g.node('Cast', [y], { to: 1 }), by]), bias]);
  }
  const norm = (x) => g.node('LayerNormalization', [x, g.constant(new Float32Array(width).fill(1), [width]), g.constant(new Float32Array(width), [width])], { axis: -1, epsilon: { float: 1e-12 } });
  const split = (x, perm) => g.node('Transpose', [g.node('Reshape', [x, ints(1, length, heads, each)])], { perm });
  function gelu(x) {
    const half = g.node('Mul', [x, g.node('Add', [g.node('Erf', [g.node('Div', [x, g.f(Math.SQRT2)])]), g.f(1)])]);
    return g.node('Mul', [half, g.f(0.5)]);
  }
  let x = norm(g.node('Add', [g.node('Gather', [g.constant(g.floats(vocabulary * width), [vocabulary, width]), ids]), g.constant(g.floats(length * width, 0.1), [1, length, width])]));
  for (let i = 0; i < layers; i++) {
    const q = split(product(x, width, width), [0, 2, 1, 3]), k = split(product(x, width, width), [0, 2, 3, 1]), v = split(product(x, width, width), [0, 2, 1, 3]);
    const scores = g.node('Div', [g.node('MatMul', [q, k]), g.f(Math.sqrt(each))]);
    const mixed = g.node('Transpose', [g.node('MatMul', [g.node('Softmax', [scores], { axis: -1 }), v])], { perm: [0, 2, 1, 3] });
    x = norm(g.node('Add', [product(g.node('Reshape', [mixed, ints(1, length, width)]), width, width), x]));
    x = norm(g.node('Add', [product(gelu(product(x, width, inner)), inner, width), x]));
  }
  g.node(half ? 'Cast' : 'Identity', [x], half ? { out: 'output', to: 1 } : { out: 'output' });
  g.output('output', 1, [1, length, width]);
  return g.model();
}

// ---- one product with weights of four bits ----------------------------------------------------

function nbits(m, k, n, block, accuracy) {
  const g = new Graph(), blocks = k / block;
  const w = Uint8Array.from({ length: (n * k) / 2 }, () => Math.floor((g.random() + 1) * 127.9));
  const scales = g.floats(n * blocks, 0.01);
  g.node('MatMulNBits', [g.input('a', 1, [m, k]), g.constant(w, [n, blocks, block / 2]), g.constant(scales, [n * blocks])], { out: 'output', domain: 'com.microsoft', K: k, N: n, bits: 4, block_size: block, accuracy_level: accuracy });
  g.output('output', 1, [m, n]);
  return g.model();
}

// ---- the list -----------------------------------------------------------------------------------

const graphs = new Map([
  ['mobilenetv2-f32', () => mobilenet(false)],
  ['mobilenetv2-f16', () => mobilenet(true)],
  ['mobilenetv2-qdq', mobilenet_qdq],
  ['mobilenetv2-qlinear', mobilenet_qlinear],
]);
for (const length of [8, 32, 128, 512]) {
  for (const [kind, quantised] of [['f32', false], ['int8', true]]) {
    graphs.set(`minilm-${kind}-${length}`, () => bert(6, 384, 12, 1536, length, quantised));
    graphs.set(`distilbert-${kind}-${length}`, () => bert(6, 768, 12, 3072, length, quantised));
  }
}
for (const length of [8, 128]) graphs.set(`minilm-f16-${length}`, () => bert(6, 384, 12, 1536, length, false, 1000, true));
graphs.set('distilbert-load', () => bert(6, 768, 12, 3072, 128, false, 30522)); // 265 MB, as the real one
for (const m of [1, 8, 128]) for (const accuracy of [0, 4]) graphs.set(`nbits-${m}${accuracy ? '-int8' : ''}`, () => nbits(m, 2048, 2048, 32, accuracy));

module.exports = {
  names: () => [...graphs.keys()],
  write(name, path) {
    if (!graphs.has(name)) throw new Error(`no graph ${name}: ${[...graphs.keys()].join(' ')}`);
    writeFileSync(path, graphs.get(name)());
  },
};
