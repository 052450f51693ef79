// SPDX-License-Identifier: MIT
//
// Graph models: operators of the lists of tfjs-converter, one or a few each.
//
//     node graphs.cjs DIR

'use strict';

const { tf, some, whole, graph } = require('./lib.cjs');

const F = { T: 'DT_FLOAT' };
const at = (values, shape) => tf.tensor(values, shape);
const ints = (values, shape) => tf.tensor(values, shape ?? [values.length], 'int32');
const int = (v) => tf.scalar(v, 'int32');
const flags = (values) => tf.tensor(values, [values.length], 'bool');

/** One operator y on inputs a, b, … and constants p, q, … */
const one = (op, inputs, consts, attr, outputs = ['y'], loose = false) => ({ inputs, consts, outputs, loose,
  nodes: [['y', op, [...Object.keys(inputs), ...Object.keys(consts)], attr]] });

const cases = {
  // ---- basic math, complex numbers ----
  print: one('Print', { a: some([2, 3]), b: some([2]) }, {}, F),
  rfft_abs: { inputs: { x: some([3, 16]) }, consts: { n: ints([16]) }, outputs: ['y'],
    nodes: [['f', 'RFFT', ['x', 'n'], {}], ['y', 'ComplexAbs', ['f'], {}]] },
  rfft_odd: { inputs: { x: some([2, 2, 9]) }, consts: { n: ints([9]) }, outputs: ['re', 'im'],
    nodes: [['f', 'RFFT', ['x', 'n'], {}], ['re', 'Real', ['f'], {}], ['im', 'Imag', ['f'], {}]] },
  fft: { inputs: { a: some([2, 8]), b: some([2, 8], 2) }, outputs: ['re', 'im'],
    nodes: [['c', 'Complex', ['a', 'b'], {}], ['f', 'FFT', ['c'], {}], ['re', 'Real', ['f'], {}],
      ['im', 'Imag', ['f'], {}]] },
  ifft: { inputs: { a: some([6]), b: some([6], 2) }, outputs: ['re', 'im'],
    nodes: [['c', 'Complex', ['a', 'b'], {}], ['f', 'IFFT', ['c'], {}], ['re', 'Real', ['f'], {}],
      ['im', 'Imag', ['f'], {}]] },
  irfft: { inputs: { x: some([3, 16]) }, consts: { n: ints([16]), m: ints([16]) }, outputs: ['y'],
    nodes: [['f', 'RFFT', ['x', 'n'], {}], ['y', 'IRFFT', ['f', 'm'], {}]] },
  // ---- control ----
  array_concat: { inputs: { x: some([3, 2, 4]) }, consts: { n: int(3), i: ints([0, 1, 2]) }, outputs: ['y'],
    nodes: [['a', 'TensorArrayV3', ['n'], { dtype: 'DT_FLOAT' }], ['s', 'TensorArrayScatterV3', ['a', 'i', 'x', 'a:1'], F],
      ['y', 'TensorArrayConcatV3', ['a', 's'], { dtype: 'DT_FLOAT' }]] },
  array_split: { inputs: { x: some([6, 2]) }, consts: { n: int(3), l: ints([2, 2, 2]), k: int(1) }, outputs: ['y', 'z'],
    nodes: [['a', 'TensorArrayV3', ['n'], { dtype: 'DT_FLOAT', element_shape: { shape: { dim: [{ size: '2' }, { size: '2' }] } } }],
      ['s', 'TensorArraySplitV3', ['a', 'x', 'l', 'a:1'], F],
      ['y', 'TensorArrayReadV3', ['a', 'k', 's'], { dtype: 'DT_FLOAT' }],
      ['z', 'TensorArraySizeV3', ['a', 's'], {}], ['c', 'TensorArrayCloseV3', ['a'], {}]] },
  list_gather: { inputs: { x: some([4, 3]) }, consts: { s: ints([3]), i: ints([2, 0, 2]) }, outputs: ['y'],
    nodes: [['l', 'TensorListFromTensor', ['x', 's'], { element_dtype: 'DT_FLOAT' }],
      ['y', 'TensorListGather', ['l', 'i', 's'], { element_dtype: 'DT_FLOAT' }]] },
  list_scatter: { inputs: { x: some([3, 2]) }, consts: { s: ints([2]), i: ints([2, 0, 1]), n: int(3) }, outputs: ['y', 'z'],
    nodes: [['l', 'TensorListScatterV2', ['x', 'i', 's', 'n'], { element_dtype: 'DT_FLOAT' }],
      ['y', 'TensorListStack', ['l', 's'], { element_dtype: 'DT_FLOAT', num_elements: 3 }],
      ['z', 'TensorListLength', ['l'], {}]] },
  // TensorFlow.js loses the list here
  list_split: { inputs: { x: some([5, 2]) }, expect: [some([5, 2]).slice([2])], consts: { s: ints([-1, 2]), l: ints([2, 3]), k: int(1) }, outputs: ['y'],
    nodes: [['t', 'TensorListSplit', ['x', 's', 'l'], { element_dtype: 'DT_FLOAT' }],
      ['y', 'TensorListGetItem', ['t', 'k', 's'], { element_dtype: 'DT_FLOAT' }]] },
  // ---- convolution ----
  argmax_pool: one('MaxPoolWithArgmax', { x: some([2, 5, 6, 3]) }, {}, { ksize: [1, 2, 2, 1], strides: [1, 2, 2, 1],
    padding: 'VALID', include_batch_in_index: false, ...F }, ['y', 'y:1']),
  argmax_pool_same: one('MaxPoolWithArgmax', { x: some([2, 5, 6, 3]) }, {}, { ksize: [1, 3, 3, 1], strides: [1, 2, 2, 1],
    padding: 'SAME', include_batch_in_index: true, ...F }, ['y', 'y:1']),
  dilation2d: one('Dilation2D', { x: some([2, 7, 8, 3]) }, { f: some([3, 2, 3], 5) }, { strides: [1, 2, 1, 1],
    rates: [1, 1, 2, 1], padding: 'VALID', ...F }),
  dilation2d_same: one('Dilation2D', { x: some([1, 7, 8, 2]) }, { f: some([3, 3, 2], 5) }, { strides: [1, 2, 2, 1],
    rates: [1, 1, 1, 1], padding: 'SAME', ...F }, ['y'], true),
  // ---- creation ----
  linspace: { inputs: { x: some([7]) }, consts: { a: tf.scalar(-2), b: tf.scalar(3), n: int(7) }, outputs: ['y'],
    nodes: [['l', 'LinSpace', ['a', 'b', 'n'], F], ['y', 'Add', ['x', 'l'], F]] },
  linspace_one: one('LinSpace', { a: tf.scalar(2), b: tf.scalar(3) }, { n: int(1) }, F),
  ones_zeros: { inputs: { x: some([2, 3]) }, consts: { s: ints([2, 3]) }, outputs: ['y'],
    nodes: [['o', 'Ones', ['s'], F], ['z', 'Zeros', ['s'], F], ['p', 'Add', ['x', 'o'], F], ['y', 'Mul', ['p', 'z'], F]] },
  random_shape: { inputs: { x: some([3]) }, consts: { s: ints([4, 5]) }, outputs: ['y', 'z'],
    nodes: [['u', 'RandomUniform', ['s'], { dtype: 'DT_FLOAT', seed: 3 }], ['n', 'RandomStandardNormal', ['s'], { dtype: 'DT_FLOAT' }],
      ['f', 'Floor', ['u'], F], ['m', 'Sub', ['n', 'n'], F], ['y', 'Add', ['f', 'm'], F], ['z', 'Shape', ['n'], {}],] },
  // ---- dynamic ----
  list_diff: one('ListDiff', { x: ints([1, 2, 3, 4, 5, 6]) }, { y0: ints([1, 3, 5]) }, { T: 'DT_INT32' }, ['y', 'y:1']),
  // ---- evaluation ----
  unique: one('Unique', { x: ints([1, 1, 2, 4, 4, 4, 7, 8, 8, 3]) }, {}, { T: 'DT_INT32' }, ['y', 'y:1']),
  unique_v2: one('UniqueV2', { x: at([1, 0, 0, 1, 0, 0, 2, 0, 0], [3, 3]) }, { axis: ints([0]) }, F, ['y', 'y:1']),
  lower_bound: one('LowerBound', { s: at([0, 3, 8, 9, 10, 1, 2, 3, 4, 5], [2, 5]), v: at([0, 4, 8, 3, 5, 6], [2, 3]) }, {}, F),
  upper_bound: one('UpperBound', { s: at([0, 3, 8, 9, 10, 1, 2, 3, 4, 5], [2, 5]), v: at([0, 4, 8, 3, 5, 6], [2, 3]) }, {}, F),
  // ---- image ----
  crop: one('CropAndResize', { x: some([2, 7, 9, 3]) }, { b: at([0, 0, 1, 1, 0.1, 0.2, 0.8, 0.7, -0.2, 0, 0.6, 1.3, 0.9, 0.8, 0.2, 0.1], [4, 4]),
    i: ints([0, 1, 1, 0]), s: ints([4, 5]) }, { method: 'bilinear', extrapolation_value: { f: 0.25 }, ...F }),
  crop_one: one('CropAndResize', { x: some([1, 7, 9, 2]), b: at([0.1, 0.2, 0.8, 0.7, 0, 0.5, 0.4, 0.9], [2, 4]) },
    { i: ints([0, 0]), s: ints([1, 6]) }, { method: 'bilinear', ...F }),
  crop_nearest: one('CropAndResize', { x: some([1, 8, 8, 2]) }, { b: at([0.05, 0.11, 0.83, 0.74], [1, 4]),
    i: ints([0]), s: ints([3, 4]) }, { method: 'nearest', ...F }),
  // ---- matrices ----
  // tfjs-converter takes the lower number for both
  band: { ...one('MatrixBandPart', { x: some([2, 4, 5]) }, { l: int(1), u: int(0) }, F),
    expect: [tf.linalg.bandPart(some([2, 4, 5]), 1, 0)] },
  band_lower: { ...one('MatrixBandPart', { x: some([4, 4]) }, { l: int(-1), u: int(0) }, F),
    expect: [tf.linalg.bandPart(some([4, 4]), -1, 0)] },
  band_all: { ...one('MatrixBandPart', { x: some([4, 4]) }, { l: int(2), u: int(-1) }, F),
    expect: [tf.linalg.bandPart(some([4, 4]), 2, -1)] },
  // ---- reduction ----
  dense_bincount: one('DenseBincount', { x: ints([0, 2, 2, 5, 9, 1], [2, 3]) }, { n: int(6), w: at([], [0]) },
    { binary_output: false, T: 'DT_FLOAT' }),
  dense_bincount_binary: one('DenseBincount', { x: ints([0, 2, 2, 5, 1, 1], [2, 3]) }, { n: int(6), w: at([], [0]) },
    { binary_output: true, T: 'DT_FLOAT' }),
  bincount: one('Bincount', { x: ints([0, 2, 2, 5, 7]) }, { n: int(6), w: at([0.5, 1, 2, 3, 4], [5]) }, { T: 'DT_FLOAT' }),
  // ---- slices ----
  reverse_flags: one('Reverse', { x: some([2, 3, 4]) }, { d: flags([true, false, true]) }, F),
  // ---- sparse ----
  segment_sum: one('SparseSegmentSum', { x: some([5, 3]) }, { i: ints([0, 1, 4, 2]), s: ints([0, 0, 2, 2]) }, F),
  segment_mean: one('SparseSegmentMean', { x: some([5, 3]) }, { i: ints([0, 1, 4, 2]), s: ints([0, 0, 1, 1]) }, F),
  fill_empty_rows: one('SparseFillEmptyRows', { i: ints([0, 0, 1, 0, 1, 3, 3, 1], [4, 2]), v: at([0.5, 1, 2, 3], [4]) },
    { s: ints([5, 6]), d: tf.scalar(-1) }, F, ['y', 'y:1', 'y:2', 'y:3']),
  sparse_reshape: one('SparseReshape', { i: ints([0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 2, 3], [5, 3]) },
    { s: ints([2, 3, 6]), n: ints([9, -1]) }, F, ['y', 'y:1']),
  // ---- transformation ----
  broadcast_args: one('BroadcastArgs', {}, { a: ints([2, 1, 3]), b: ints([4, 1]) }, { T: 'DT_INT32' }),
  // ---- what was there before, as models use it ----
  slashes: { inputs: { 'in/x': some([2, 4]) }, consts: { 'a/b/w': some([4, 3], 2) }, outputs: ['head/y'],
    nodes: [['a/b/mm', 'MatMul', ['in/x', 'a/b/w'], F], ['head/y', 'Softmax', ['a/b/mm'], F]] },
  map_1: require('./loops.cjs').map(some([3, 4])),
  cond_1: require('./loops.cjs').cond(some([3, 4])),
  arg_axes: { inputs: { x: some([2, 3, 4]) }, consts: { a: int(-1), b: int(1) }, outputs: ['y', 'z'],
    nodes: [['y', 'ArgMax', ['x', 'a'], F], ['z', 'ArgMin', ['x', 'b'], F]] },
  strided: { inputs: { x: some([4, 5, 6]) }, consts: { b: ints([1, 0, -1]), e: ints([4, 2, 0]), s: ints([2, 1, -2]) },
    outputs: ['y'], nodes: [['y', 'StridedSlice', ['x', 'b', 'e', 's'], F]] },
  resize: { inputs: { x: some([1, 5, 6, 2]) }, consts: { s: ints([9, 4]) }, outputs: ['a', 'b', 'c', 'd', 'e', 'f'],
    nodes: ['ResizeBilinear', 'ResizeNearestNeighbor'].flatMap((op, k) => [[false, false], [true, false], [false, true]]
      .map(([corners, half], i) => ['abcdef'[3 * k + i], op, ['x', 's'], { align_corners: corners, half_pixel_centers: half, ...F }])) },
  nms4: one('NonMaxSuppressionV4', {
    boxes: at([0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 10, 1, 11, 0, 10.1, 1, 11.1], [4, 4]), scores: at([0.9, 0.75, 0.95, 0.5], [4]) },
  { n: int(4), iou: tf.scalar(0.5), least: tf.scalar(0) }, { pad_to_max_output_size: true, ...F }, ['y', 'y:1']),
  space_batch: { inputs: { x: some([1, 5, 6, 2]) }, consts: { b: ints([2, 2]), p: ints([1, 0, 0, 2], [2, 2]) }, outputs: ['y', 'z'],
    nodes: [['y', 'SpaceToBatchND', ['x', 'b', 'p'], F], ['z', 'BatchToSpaceND', ['y', 'b', 'p'], F]] },
  integers: { inputs: { x: whole([6], -9, 9), y: whole([6], 1, 5, 3) }, outputs: ['a', 'b', 'c', 'd'],
    nodes: [['a', 'FloorDiv', ['x', 'y'], {}], ['b', 'FloorMod', ['x', 'y'], {}], ['c', 'SquaredDifference', ['x', 'y'], {}],
      ['d', 'Cast', ['x'], { SrcT: 'DT_INT32', DstT: 'DT_FLOAT' }]] },
};

(async () => {
  const [dir, wanted = ''] = process.argv.slice(2);
  tf.env().set('PROD', true);
  await tf.setBackend('cpu');
  for (const [name, c] of Object.entries(cases)) {
    if (name.includes(wanted))
      await graph(dir, `graph_${name}`, c).catch((e) => { throw new Error(`${name}: ${e.message}`, { cause: e }); });
  }
})();
