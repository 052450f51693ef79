// SPDX-License-Identifier: MIT
//
// Control flow as TensorFlow 1 writes it, and as its models for the browser have it.

'use strict';

const { tf, some } = require('./lib.cjs');

const F = { T: 'DT_FLOAT' }, int = (v) => tf.scalar(v, 'int32');
const frame = { frame_name: 'f', is_constant: false, parallel_iterations: 1 };

/** tf.map_fn: rows through TensorArrays, y[i] = 2 x[i] + i. */
exports.map = (x) => ({ inputs: { x }, outputs: ['y'], consts: { n: int(x.shape[0]), zero: int(0), one: int(1),
  range: tf.range(0, x.shape[0], 1, 'int32') },
nodes: [
  ['in', 'TensorArrayV3', ['n'], { dtype: 'DT_FLOAT' }], ['out', 'TensorArrayV3', ['n'], { dtype: 'DT_FLOAT' }],
  ['rows', 'TensorArrayScatterV3', ['in', 'range', 'x', 'in:1'], F],
  ['e/i', 'Enter', ['zero'], frame], ['e/ta', 'Enter', ['out:1'], frame],
  ['e/n', 'Enter', ['n'], { ...frame, is_constant: true }], ['e/in', 'Enter', ['in'], { ...frame, is_constant: true }],
  ['e/rows', 'Enter', ['rows'], { ...frame, is_constant: true }], ['e/out', 'Enter', ['out'], { ...frame, is_constant: true }],
  ['m/i', 'Merge', ['e/i', 'x/i'], {}], ['m/ta', 'Merge', ['e/ta', 'x/ta'], {}],
  ['less', 'Less', ['m/i', 'e/n'], {}], ['c', 'LoopCond', ['less'], {}],
  ['s/i', 'Switch', ['m/i', 'c'], {}], ['s/ta', 'Switch', ['m/ta', 'c'], {}],
  ['id', 'Identity', ['s/i:1'], {}], ['row', 'TensorArrayReadV3', ['e/in', 'id', 'e/rows'], { dtype: 'DT_FLOAT' }],
  ['f', 'Cast', ['id'], { SrcT: 'DT_INT32', DstT: 'DT_FLOAT' }], ['twice', 'Add', ['row', 'row'], F], ['sum', 'Add', ['twice', 'f'], F],
  ['w', 'TensorArrayWriteV3', ['e/out', 'id', 'sum', 's/ta:1'], F], ['inc', 'Add', ['id', 'one'], {}],
  ['x/i', 'NextIteration', ['inc'], {}], ['x/ta', 'NextIteration', ['w'], {}],
  ['end', 'Exit', ['s/ta'], {}], ['y', 'TensorArrayGatherV3', ['out', 'range', 'end'], { dtype: 'DT_FLOAT' }]] });

/** tf.cond on the sum of the input. */
exports.cond = (x) => ({ inputs: { x }, outputs: ['y'], consts: { axes: tf.tensor([0, 1], [2], 'int32'), zero: tf.scalar(0),
  w: some([4], 9) }, nodes: [['s', 'Sum', ['x', 'axes'], { keep_dims: false }], ['p', 'Greater', ['s', 'zero'], F],
  ['sw', 'Switch', ['x', 'p'], F], ['no', 'Neg', ['sw'], F], ['yes', 'Mul', ['sw:1', 'w'], F], ['y', 'Merge', ['no', 'yes'], F]] });
