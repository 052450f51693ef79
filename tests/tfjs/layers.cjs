// SPDX-License-Identifier: MIT
//
// Layers models: Keras layers, one or a few each, masks among them.
//
//     node layers.cjs DIR

'use strict';

const { tf, some, whole, layers } = require('./lib.cjs');

const L = tf.layers;
const tokens = (shape, seed) => whole(shape, 0, 5, seed); // with zeros, which are masked, anywhere
const sequential = (...list) => tf.sequential({ layers: list });
const embedding = (length = 7, more = {}) => L.embedding({ inputDim: 5, outputDim: 4, maskZero: true, inputShape: [length], ...more });
const hard = { recurrentActivation: 'hardSigmoid' };

/** A model of one layer, which is called with the tensor itself. */
function alone(layer, x) {
  const input = tf.input({ shape: x.shape.slice(1), dtype: x.dtype });
  const model = tf.model({ inputs: input, outputs: layer.apply(input) });
  const edit = (t) => { // some layers write their own shape over that of the input
    t.config.layers[0].config.batch_input_shape = [null, ...x.shape.slice(1)];
    return t;
  };
  return [model, [x], { expect: [layer.apply(x)], edit }];
}

const cases = {
  // ---- masks ----
  mask_lstm: [sequential(embedding(), L.lstm({ units: 3 })), [tf.concat([tokens([3, 7]), tf.zeros([1, 7], 'int32')]).toFloat()]],
  mask_lstm_all: [sequential(embedding(), L.lstm({ units: 3, returnSequences: true, ...hard })), [tokens([3, 7]).toFloat()]],
  mask_gru_back: [sequential(embedding(), L.gru({ units: 3, returnSequences: true, goBackwards: true, recurrentActivation: 'sigmoid' })), [tokens([3, 7]).toFloat()]],
  mask_rnn: [sequential(embedding(), L.simpleRNN({ units: 3, returnSequences: true })), [tokens([3, 7]).toFloat()]],
  mask_two: [sequential(embedding(), L.lstm({ units: 3, returnSequences: true }), L.dropout({ rate: 0.2 }), L.gru({ units: 2 }), L.dense({ units: 2 })),
    [tokens([4, 7]).toFloat()]],
  mask_bidirectional: [sequential(embedding(), L.bidirectional({ layer: L.lstm({ units: 3 }), mergeMode: 'concat' })), [tokens([3, 7]).toFloat()]],
  mask_bidirectional_all: [sequential(embedding(), L.bidirectional({ layer: L.gru({ units: 3, returnSequences: true, recurrentActivation: 'sigmoid' }),
    mergeMode: 'sum' })), [tokens([3, 7]).toFloat()]],
  mask_distributed: [sequential(embedding(), L.timeDistributed({ layer: L.dense({ units: 3, activation: 'relu' }) }), L.lstm({ units: 2 })), [tokens([3, 7]).toFloat()]],
  masking: [sequential(L.masking({ maskValue: -1, inputShape: [6, 3] }), L.lstm({ units: 4 })),
    [tf.tidy(() => tf.where(tokens([2, 6, 1], 4).less(2), tf.fill([2, 6, 3], -1), some([2, 6, 3])))]],
  mask_state: (() => {
    const x = tf.input({ shape: [5], dtype: 'int32' });
    const all = L.lstm({ units: 3, returnSequences: true, returnState: true }).apply(L.embedding({ inputDim: 5, outputDim: 4, maskZero: true }).apply(x));
    return [tf.model({ inputs: x, outputs: all }), [tokens([2, 5])]];
  })(),
  mask_encoder: (() => { // what starts from another layer's states
    const x = tf.input({ shape: [5], dtype: 'int32' }), z = tf.input({ shape: [4], dtype: 'int32' });
    const table = L.embedding({ inputDim: 5, outputDim: 4, maskZero: true });
    const [, h, c] = L.lstm({ units: 3, returnState: true }).apply(table.apply(x));
    const y = L.lstm({ units: 3, returnSequences: true }).apply(table.apply(z), { initialState: [h, c] });
    return [tf.model({ inputs: [x, z], outputs: y }), [tokens([2, 5]), tokens([2, 4], 8)]];
  })(),
  mask_concat: (() => {
    const x = tf.input({ shape: [5], dtype: 'int32' });
    const a = L.embedding({ inputDim: 5, outputDim: 4, maskZero: true }).apply(x), b = L.embedding({ inputDim: 5, outputDim: 2, maskZero: true }).apply(x);
    return [tf.model({ inputs: x, outputs: L.gru({ units: 3, recurrentActivation: 'sigmoid' }).apply(L.concatenate().apply([a, b])) }), [tokens([2, 5])]];
  })(),
  // ---- recurrent, without masks ----
  lstm_plain: [sequential(L.lstm({ units: 5, inputShape: [6, 3], returnSequences: true, goBackwards: true })), [some([2, 6, 3])]],
  gru_stacked: [sequential(L.rnn({ cell: [L.gruCell({ units: 4, recurrentActivation: 'sigmoid' }), L.lstmCell({ units: 3 })], inputShape: [5, 2] })),
    [some([2, 5, 2])]],
  repeat: [sequential(L.simpleRNN({ units: 4, inputShape: [5, 3] }), L.repeatVector({ n: 3 }), L.gru({ units: 4, returnSequences: true, recurrentActivation: 'sigmoid' }),
    L.timeDistributed({ layer: L.dense({ units: 2, activation: 'softmax' }) })), [some([2, 5, 3])]],
  conv_lstm: [sequential(L.convLstm2d({ filters: 3, kernelSize: 3, inputShape: [4, 6, 5, 2] })), [some([2, 4, 6, 5, 2])]],
  conv_lstm_all: [sequential(L.convLstm2d({ filters: 3, kernelSize: [2, 3], padding: 'same', strides: 2, returnSequences: true, goBackwards: true,
    recurrentActivation: 'sigmoid', inputShape: [4, 6, 5, 2] }), L.convLstm2d({ filters: 2, kernelSize: 2, useBias: false, activation: 'relu' })), [some([2, 4, 6, 5, 2])]],
  // ---- images as they come ----
  rescaling: [sequential(L.rescaling({ scale: 1 / 127.5, offset: -1, inputShape: [6, 6, 3] })), [whole([2, 6, 6, 3], 0, 256).toFloat()]],
  resizing: alone(L.resizing({ height: 5, width: 9, interpolation: 'bilinear' }), some([2, 8, 6, 3])),
  resizing_nearest: alone(L.resizing({ height: 5, width: 9, interpolation: 'nearest' }), some([2, 8, 6, 3])),
  center_crop: alone(L.centerCrop({ height: 5, width: 4 }), some([2, 8, 7, 3])),
  center_crop_odd: alone(L.centerCrop({ height: 4, width: 3 }), some([2, 7, 7, 3])),
  center_crop_larger: alone(L.centerCrop({ height: 10, width: 9 }), some([2, 8, 7, 3])),
  category_one: alone(L.categoryEncoding({ numTokens: 5, outputMode: 'oneHot' }), tokens([4, 1])),
  category_multi: alone(L.categoryEncoding({ numTokens: 5, outputMode: 'multiHot' }), tokens([4, 3])),
  category_count: alone(L.categoryEncoding({ numTokens: 5, outputMode: 'count' }), tokens([4, 3])),
  // ---- the usual ----
  relu_all: [sequential(L.reLU({ maxValue: 0.5, inputShape: [9] }), L.leakyReLU({ alpha: 0.1 }), L.elu(), L.thresholdedReLU({ theta: 0.1 })), [some([3, 9])]],
  prelu: [sequential(L.conv2d({ filters: 3, kernelSize: 3, inputShape: [6, 6, 2] }), L.prelu({ sharedAxes: [1, 2] })), [some([2, 6, 6, 2])]],
  norm: [sequential(L.layerNormalization({ inputShape: [4, 6] }), L.batchNormalization({ scale: false }), L.batchNormalization({ center: false })), [some([3, 4, 6])]],
  norm_axes: [sequential(L.layerNormalization({ axis: [1, 2], inputShape: [4, 6] })), [some([3, 4, 6])]],
  transposed: [sequential(L.conv2dTranspose({ filters: 3, kernelSize: 4, strides: 2, padding: 'same', inputShape: [5, 6, 2] }),
    L.upSampling2d({ size: [2, 3] }), L.cropping2D({ cropping: [[1, 2], [0, 3]] }), L.zeroPadding2d({ padding: [[1, 0], [2, 1]] })), [some([2, 5, 6, 2])]],
  nested: [sequential(sequential(L.conv2d({ filters: 4, kernelSize: 3, activation: 'relu6', inputShape: [8, 8, 3] }), L.globalAveragePooling2d({})),
    sequential(L.dense({ units: 5, activation: 'swish', inputShape: [4] }), L.dense({ units: 2, activation: 'softmax' }))), [some([2, 8, 8, 3])]],
  shards: [sequential(L.dense({ units: 7, inputShape: [5], activation: 'selu' }), L.dense({ units: 3, activation: 'mish' })), [some([2, 5])], { shards: 3 }],
  topology_text: [sequential(L.dense({ units: 7, inputShape: [5], activation: 'gelu' })), [some([2, 5])], { edit: (t) => ({ model_config: t }) }],
  merges: (() => {
    const x = tf.input({ shape: [4, 3] }), z = tf.input({ shape: [4, 3] });
    return [tf.model({ inputs: [x, z], outputs: [L.dot({ axes: 2, normalize: true }).apply([x, z]), L.average().apply([x, z]), L.minimum().apply([x, z]),
      L.concatenate({ axis: 1 }).apply([x, z])] }), [some([2, 4, 3]), some([2, 4, 3], 5)]];
  })(),
};

(async () => {
  const [dir, wanted = ''] = process.argv.slice(2);
  await tf.setBackend('cpu');
  for (const [name, [model, inputs, options]] of Object.entries(cases)) {
    if (name.includes(wanted))
      await layers(dir, `layers_${name}`, model, inputs, options).catch((e) => { throw new Error(`${name}: ${e.message}`, { cause: e }); });
  }
})();
