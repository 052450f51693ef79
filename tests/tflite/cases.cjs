// SPDX-License-Identifier: MIT
//
// TensorFlow Lite models of one operator each, mostly. Cases whose name begins with "exact" must give the same bits.
//
//     node cases.cjs DIR [WORD]

'use strict';

const { Model, numbers, whole, count, byte, int, float, floats, load, write } = require('./lib.cjs');

const F = 'float32';
let seed = 1;
const some = (shape, scale = 1) => numbers(count(shape), seed++).map((v) => v * scale);
/** A constant of numbers between ± scale. */
const weight = (m, name, shape, scale = 0.5) => m.constant(name, F, shape, some(shape, scale));
const cases = {};

// ---- functions of int16, which the reference has tables for ----
const all16 = Array.from({ length: 65536 }, (_, i) => i - 32768);
const one16 = (code, scale, options, type) => {
  const m = new Model(), shape = [16, 4096];
  const x = m.input('x', 'int16', shape, all16, { scale: [scale] }), y = m.tensor('y', 'int16', shape, { scale: [1 / 32768] });
  m.op(code, [x], [y], options, type);
  m.outputs(y);
  return m;
};
for (const [name, code] of [['tanh', 28], ['logistic', 14]]) {
  for (const [i, scale] of [1 / 4096, 1 / 2048, 0.0003, 0.00011, 0.002].entries())
    cases[`exact_${name}16_${i}`] = () => one16(code, scale);
}
for (const [i, scale] of [1 / 4096, 0.00037, 0.01].entries()) {
  cases[`exact_softmax16_${i}`] = () => {
    const m = new Model(), shape = [40, 37];
    const x = m.input('x', 'int16', shape, whole(count(shape), -32768, 32767, i + 3), { scale: [scale] });
    const y = m.tensor('y', 'int16', shape, { scale: [1 / 32768] });
    m.op(25, [x], [y], { 0: float(1) }, 9);
    m.outputs(y);
    return m;
  };
}

// ---- resizing ----
for (const [type, least, most] of [['int16', -32768, 32767], ['int8', -128, 127], ['uint8', 0, 255]]) {
  for (const [kind, align, half] of [['plain', 0, 0], ['align', 1, 0], ['half', 0, 1]]) {
    for (const [h, w] of [[5, 9], [11, 3], [14, 12]]) {
      cases[`exact_resize_${type}_${kind}_${h}_${w}`] = () => {
        const m = new Model(), shape = [2, 7, 6, 5], quant = { scale: [0.1], zero: [type === 'int16' ? 0 : 3] };
        const x = m.input('x', type, shape, whole(count(shape), least, most, 5), quant);
        const size = m.constant('size', 'int32', [2], [h, w]), y = m.tensor('y', type, [2, h, w, 5], quant);
        m.op(23, [x, size], [y], { 2: byte(align), 3: byte(half) }, 15);
        m.outputs(y);
        return m;
      };
    }
  }
}

// ---- recurrent ----
const ACTIVATIONS = { none: 0, relu: 1, relu6: 3, tanh: 4 };
for (const [name, act] of Object.entries(ACTIVATIONS)) {
  cases[`rnn_${name}`] = () => {
    const m = new Model(), x = m.input('x', F, [2, 5], some([2, 5])), h = m.variable('h', F, [2, 4]), y = m.tensor('y', F, [2, 4]);
    m.op(24, [x, weight(m, 'w', [4, 5]), weight(m, 'r', [4, 4]), weight(m, 'b', [4]), h], [y], { 0: byte(act) }, 7);
    m.outputs(y);
    return m;
  };
  for (const major of name === 'relu6' ? [] : [0, 1]) {
    cases[`rnn_sequence_${name}_${major}`] = () => {
      const m = new Model(), shape = major ? [6, 2, 5] : [2, 6, 5], to = [...shape.slice(0, 2), 4];
      const x = m.input('x', F, shape, some(shape)), h = m.variable('h', F, [2, 4]), y = m.tensor('y', F, to);
      m.op(35, [x, weight(m, 'w', [4, 5]), weight(m, 'r', [4, 4]), weight(m, 'b', [4]), h], [y], { 0: byte(major), 1: byte(act) }, 31);
      m.outputs(y);
      return m;
    };
  }
}
for (const [name, { major = 0, merge = 0, aux = 0 }] of Object.entries({ plain: {}, major: { major: 1, merge: 1 }, merged: { merge: 1 }, stacked: { aux: 1 }, both: { aux: 2, merge: 1 }, late: { aux: 1, major: 1, merge: 1 } })) {
  if (name !== 'stacked') // whose second input that TensorFlow Lite does not step through
    cases[`rnn_both_${name}`] = () => {
    const m = new Model(), shape = major ? [6, 2, 5] : [2, 6, 5], to = (n) => [...shape.slice(0, 2), n];
    const x = m.input('x', F, shape, some(shape)), a = aux ? m.input('aux', F, shape, some(shape)) : -1;
    const cell = (k, n) => [weight(m, `w${k}`, [n, 5]), weight(m, `r${k}`, [n, n]), weight(m, `b${k}`, [n]), m.variable(`h${k}`, F, [2, n])];
    const ins = [x, ...cell(0, 4), ...cell(1, 3), a, aux === 2 ? weight(m, 'wa0', [4, 5]) : -1, aux === 2 ? weight(m, 'wa1', [3, 5]) : -1];
    const y = merge ? [m.tensor('y', F, to(7))] : [m.tensor('y', F, to(4)), m.tensor('z', F, to(3))];
    m.op(46, ins, y, { 0: byte(major), 1: byte(4), 2: byte(merge) }, 70);
    m.outputs(...y);
    return m;
  };
  cases[`lstm_both_${name}`] = () => {
    const m = new Model(), shape = major ? [6, 2, 5] : [2, 6, 5], to = (n) => [...shape.slice(0, 2), n];
    const x = m.input('x', F, shape, some(shape)), a = aux ? m.input('aux', F, shape, some(shape)) : -1;
    const four = (label, k, dims) => [0, 1, 2, 3].map((g) => weight(m, `${label}${k}${g}`, dims));
    const cell = (k, n) => [...four('w', k, [n, 5]), ...four('r', k, [n, n]), -1, -1, -1, ...four('b', k, [n]), -1, -1];
    const states = (k, n) => [m.variable(`h${k}`, F, [2, n]), m.variable(`c${k}`, F, [2, n])];
    const more = (k, n) => (aux === 2 ? four('a', k, [n, 5]) : [-1, -1, -1, -1]);
    const ins = [x, ...cell(0, 4), ...cell(1, 4), ...states(0, 4), ...states(1, 4), a, ...more(0, 4), ...more(1, 4)];
    const y = merge ? [m.tensor('y', F, to(8))] : [m.tensor('y', F, to(4)), m.tensor('z', F, to(4))];
    m.op(52, ins, y, { 0: byte(4), 1: float(0.4), 3: byte(merge), 4: byte(major) }, 69);
    m.outputs(...y);
    return m;
  };
}
cases.lstm_basic = () => {
  const m = new Model(), x = m.input('x', F, [2, 5], some([2, 5])), h = m.input('h', F, [2, 4], some([2, 4])), c = m.input('c', F, [2, 4], some([2, 4]));
  const y = m.tensor('y', F, [2, 4]), state = m.tensor('state', F, [2, 4]);
  m.op(16, [x, h, weight(m, 'w', [16, 9]), weight(m, 'b', [16]), c], [y, state, m.tensor('t', F, [2, 9]), m.tensor('u', F, [2, 16])], { 0: byte(4), 3: byte(1) }, 14);
  m.outputs(y, state);
  return m;
};

// ---- spectra ----
for (const [name, h, w, fh, fw] of [['plain', 1, 16, 1, 16], ['two', 8, 16, 8, 16], ['padded', 3, 12, 4, 16], ['cut', 6, 20, 4, 8]]) {
  for (const [what, code] of [['real', 134], ['imag', 133], ['abs', 135]]) {
    cases[`rfft_${name}_${what}`] = () => {
      const m = new Model(), x = m.input('x', F, [3, h, w], some([3, h, w])), to = [3, fh, fw / 2 + 1];
      const z = m.tensor('z', 'complex64', to), y = m.tensor('y', F, to);
      m.op(131, [x, m.constant('n', 'int32', [2], [fh, fw])], [z], {}, 105);
      m.op(code, [z], [y]);
      m.outputs(y);
      return m;
    };
  }
}

// ---- boxes, matrices, random access ----
const boxes = () => Array.from({ length: 20 }, (_, i) => [i % 5 * 3, i % 4 * 2, i % 5 * 3 + 4 + i % 3, i % 4 * 2 + 5]).flat();
for (const v of [4, 5]) {
  cases[`nms_v${v}`] = () => {
    const m = new Model(), b = m.input('boxes', F, [20, 4], boxes()), s = m.input('scores', F, [20], numbers(20, 9).map((x) => (x + 1) / 2));
    const most = m.constant('most', 'int32', [], [8]), iou = m.constant('iou', F, [], [0.4]), least = m.constant('least', F, [], [0.2]);
    const found = m.tensor('found', 'int32', [8]), scores = m.tensor('best', F, [8]), n = m.tensor('n', 'int32', []);
    const ins = [b, s, most, iou, least, ...v === 5 ? [m.constant('sigma', F, [], [0])] : []], outs = v === 5 ? [found, scores, n] : [found, n];
    m.op(v === 5 ? 121 : 120, ins, outs, {}, v === 5 ? 96 : 95);
    m.outputs(...outs);
    return m;
  };
}
cases.matrix_diag = () => {
  const m = new Model(), x = m.input('x', F, [2, 3], some([2, 3])), y = m.tensor('y', F, [2, 3, 3]);
  m.op(113, [x], [y], {}, 88);
  m.outputs(y);
  return m;
};
for (const [h, w] of [[3, 5], [5, 3]]) {
  cases[`matrix_set_diag_${h}`] = () => {
    const m = new Model(), x = m.input('x', F, [2, h, w], some([2, h, w])), d = m.input('d', F, [2, 3], some([2, 3])), y = m.tensor('y', F, [2, h, w]);
    m.op(115, [x, d], [y], {}, 90);
    m.outputs(y);
    return m;
  };
}
cases.bucketize = () => {
  const m = new Model(), x = m.input('x', F, [6], [-1, 0, 0.5, 1, 7, 100]), y = m.tensor('y', 'int32', [6]);
  m.op(147, [x], [y], { 0: floats([0, 1, 10]) }, 115);
  m.outputs(y);
  return m;
};
cases.fake_quant = () => {
  const m = new Model(), x = m.input('x', F, [40], some([40], 2)), y = m.tensor('y', F, [40]);
  m.op(80, [x], [y], { 0: float(-0.9), 1: float(1.3), 2: int(5) }, 58);
  m.outputs(y);
  return m;
};
cases.hashtable_lookup = () => {
  const m = new Model(), x = m.input('x', 'int32', [4], [7, -3, 8, 100]), keys = m.constant('keys', 'int32', [3], [-3, 7, 100]);
  const y = m.tensor('y', F, [4, 2]), hits = m.tensor('hits', 'uint8', [4]);
  m.op(10, [x, keys, weight(m, 'v', [3, 2])], [y, hits]);
  m.outputs(y, hits);
  return m;
};
for (const same of [0, 1]) {
  cases[`conv_3d_transposed_${same}`] = () => {
    const m = new Model(), in_ = [1, 2, 3, 4, 2], to = same ? [1, 4, 6, 8, 3] : [1, 5, 7, 9, 3];
    const x = m.input('x', F, in_, some(in_)), y = m.tensor('y', F, to), size = m.constant('size', 'int32', [5], to);
    m.op(141, [size, weight(m, 'w', [3, 3, 3, 3, 2]), x, weight(m, 'b', [3])], [y], { 0: byte(same ? 0 : 1), 1: int(2), 2: int(2), 3: int(2) }, 106);
    m.outputs(y);
    return m;
  };
}

// ---- products of floats by bytes ----
cases.hybrid_channels = () => { // one scale: those of channels are 0 to this TensorFlow Lite
  const m = new Model(), x = m.input('x', F, [3, 16], some([3, 16])), y = m.tensor('y', F, [3, 4]);
  m.op(9, [x, m.constant('w', 'int8', [4, 16], whole(64, -127, 127, 3), { scale: [0.02] }), weight(m, 'b', [4])], [y], { 0: byte(0) }, 8);
  m.outputs(y);
  return m;
};

// ---- convolutions of bytes: few channels, edges, steps ----
/** window: [kernel, stride, dilation, same]; depthwise where there is no number of outputs. */
function convolution(shape, outputs, [k, stride, dilation, same], type = 'int8') {
  const m = new Model(), [n, h, w, c] = shape, zero = type === 'int8' ? 7 : 130, o = outputs ?? c, reach = (k - 1) * dilation + 1;
  const size = (v) => (same ? Math.ceil(v / stride) : Math.floor((v - reach) / stride) + 1);
  const limits = type === 'int8' ? [-128, 127] : [0, 255];
  const x = m.input('x', type, shape, whole(count(shape), ...limits, seed++), { scale: [0.05], zero: [zero] });
  const scale = Array.from({ length: o }, (_, i) => 0.01 + 0.001 * (i % 7)), channels = { scale, axis: outputs ? 0 : 3 };
  const one = { scale: [0.01], zero: [120] };
  const dims = outputs ? [o, k, k, c] : [1, k, k, c];
  const weights = m.constant('w', type, dims, whole(count(dims), type === 'int8' ? -127 : 0, limits[1], seed++), type === 'int8' ? channels : one);
  const bias = m.constant('b', 'int32', [o], whole(o, -2000, 2000, seed++), { scale: type === 'int8' ? scale.map((v) => v * 0.05) : [0.0005], axis: 0 });
  const y = m.tensor('y', type, [n, size(h), size(w), o], { scale: [0.3], zero: [zero - 12] });
  const common = [byte(same ? 0 : 1), int(stride), int(stride)];
  if (outputs)
    m.op(3, [x, weights, bias], [y], { 0: common[0], 1: common[1], 2: common[2], 3: byte(1), 4: int(dilation), 5: int(dilation) }, 1);
  else
    m.op(4, [x, weights, bias], [y], { 0: common[0], 1: common[1], 2: common[2], 3: int(1), 4: byte(3), 5: int(dilation), 6: int(dilation) }, 2);
  m.outputs(y);
  return m;
}
for (const c of [3, 5, 8, 16, 24, 32, 40]) {
  for (const window of [[3, 1, 1, 1], [3, 2, 1, 1], [3, 2, 1, 0], [5, 1, 1, 0], [3, 1, 2, 1], [3, 3, 1, 1]])
    cases[`exact_depthwise_${c}_${window.join('')}`] = () => convolution([2, 9, 13, c], null, window);
}
cases.exact_depthwise_uint8 = () => convolution([1, 9, 13, 16], null, [3, 2, 1, 1], 'uint8');
for (const [c, o] of [[1, 8], [3, 8], [3, 16], [8, 16], [5, 12], [16, 8]]) {
  for (const window of [[3, 2, 1, 1], [3, 1, 1, 1], [3, 1, 1, 0], [5, 2, 1, 1], [1, 1, 1, 0], [3, 1, 2, 1]])
    cases[`exact_conv_${c}_${o}_${window.join('')}`] = () => convolution([2, 9, 13, c], o, window);
}
cases.exact_conv_uint8 = () => convolution([1, 9, 13, 3], 8, [3, 2, 1, 1], 'uint8');

(async () => {
  const [dir, wanted = ''] = process.argv.slice(2), lite = await load();
  let bad = 0;
  for (const [name, make] of Object.entries(cases)) {
    if (!name.includes(wanted))
      continue;
    try {
      write(dir, name, make(), lite);
    } catch (e) {
      console.error(`${name}: ${e.message ?? e}`);
      bad = 1;
    }
  }
  process.exitCode = bad;
})();
