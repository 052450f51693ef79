// SPDX-License-Identifier: MIT
//
// Small ONNX models made on the spot, and folders of them as the Hub has them: what the pipelines of
// transformers.js need, with weights that a formula gives.

import fs from 'node:fs';
import path from 'node:path';

const utf8 = (text) => Buffer.from(text);

function varint(n) {
  const out = [];
  for (let v = BigInt.asUintN(64, BigInt(n)); ; v >>= 7n) {
    if (v < 128n) {
      out.push(Number(v));
      return Buffer.from(out);
    }
    out.push(Number(v & 127n) | 128);
  }
}
const number = (field, n) => Buffer.concat([varint(field << 3), varint(n)]);
const bytes = (field, value) => {
  const data = Buffer.isBuffer(value) ? value : utf8(value);
  return Buffer.concat([varint(field << 3 | 2), varint(data.length), data]);
};
const all = (field, list, make) => Buffer.concat(list.map((v) => bytes(field, make(v))));

const TYPES = { float32: 1, uint8: 2, int8: 3, uint16: 4, int16: 5, int32: 6, int64: 7, string: 8, bool: 9,
  float16: 10, float64: 11, uint32: 12, uint64: 13 };

/** A weight: the formula's values, between -1 and 1. */
export function weights(name, dims, seed = 1) {
  const n = dims.reduce((a, b) => a * b, 1);
  const data = Float32Array.from({ length: n }, (_, i) => Math.sin((i + 1) * 12.9898 * seed));
  return { name, dims, type: 'float32', data };
}

/** `external` names the file that is nothing but the weight. */
const initializer = ({ name, dims, type, data, external }) => Buffer.concat([
  ...dims.map((d) => number(1, d)), number(2, TYPES[type]), bytes(8, name),
  ...external ? [bytes(13, Buffer.concat([bytes(1, 'location'), bytes(2, external)])), number(14, 1)]
    : [bytes(9, Buffer.from(data.buffer, data.byteOffset, data.byteLength))],
]);

function attribute([name, value]) {
  const kind = Array.isArray(value) ? Buffer.concat([...value.map((v) => number(8, v)), number(20, 7)])
    : Buffer.concat([number(3, value), number(20, 2)]);
  return Buffer.concat([bytes(1, name), kind]);
}

/** com.microsoft.Op is Op of that domain. */
const node = ([op, inputs, outputs, attributes = {}]) => Buffer.concat([
  ...inputs.map((i) => bytes(1, i)), ...outputs.map((o) => bytes(2, o)), bytes(4, op.replace(/.*\./, '')),
  all(5, Object.entries(attributes), attribute), bytes(7, op.replace(/\.?[^.]*$/, '')),
]);

/** A dimension is a number or a name. */
const value = ([name, type, dims]) => Buffer.concat([bytes(1, name), bytes(2, bytes(1, Buffer.concat([
  number(1, TYPES[type]),
  bytes(2, all(1, dims, (d) => (typeof d === 'number' ? number(1, d) : bytes(2, d)))),
])))]);

/** { nodes: [[op, inputs, outputs, attributes]], weights, inputs: [[name, type, dims]], outputs, opset } */
export function onnxModel({ nodes, weights: stored = [], inputs, outputs, opset = 13 }) {
  const graph = Buffer.concat([all(1, nodes, node), bytes(2, 'g'), all(5, stored, initializer),
    all(11, inputs, value), all(12, outputs, value)]);
  return Buffer.concat([number(1, 8), bytes(8, number(2, opset)), bytes(7, graph),
    bytes(8, Buffer.concat([bytes(1, 'com.microsoft'), number(2, 1)]))]);
}

// --- folders as the Hub has them -------------------------------------------------------------------

const WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'larder', 'keeps', 'food', 'and', 'models',
  'cold', 'this', 'example', 'is', 'about', 'bread', 'cheese', '.', 'good', 'bad'];

const bertTokenizer = {
  version: '1.0', truncation: null, padding: null,
  added_tokens: WORDS.slice(0, 5).map((content, id) => ({ id, content, single_word: false, lstrip: false,
    rstrip: false, normalized: false, special: true })),
  normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null,
    lowercase: true },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: { type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '[CLS]', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } },
      { SpecialToken: { id: '[SEP]', type_id: 0 } }],
    pair: [{ SpecialToken: { id: '[CLS]', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } },
      { SpecialToken: { id: '[SEP]', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } },
      { SpecialToken: { id: '[SEP]', type_id: 1 } }],
    special_tokens: Object.fromEntries(['[CLS]', '[SEP]'].map((t) => [t,
      { id: t, ids: [WORDS.indexOf(t)], tokens: [t] }])) },
  decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  model: { type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 100,
    vocab: Object.fromEntries(WORDS.map((w, i) => [w, i])) },
};
const bertConfig = { tokenizer_class: 'BertTokenizer', model_max_length: 64, pad_token: '[PAD]',
  unk_token: '[UNK]', cls_token: '[CLS]', sep_token: '[SEP]', mask_token: '[MASK]' };
const BERT_INPUTS = ['input_ids', 'attention_mask', 'token_type_ids'].map((n) => [n, 'int64', ['b', 's']]);

const labels = (...names) => ({ id2label: Object.fromEntries(names.map((n, i) => [i, n])),
  label2id: Object.fromEntries(names.map((n, i) => [n, i])) });

const table = weights('table', [WORDS.length, 8]);

const text = (config, nodes, stored, outputs) => ({
  'config.json': { model_type: 'bert', hidden_size: 8, ...config },
  'tokenizer.json': bertTokenizer, 'tokenizer_config.json': bertConfig,
  'onnx/model.onnx': onnxModel({ nodes, weights: stored, inputs: BERT_INPUTS, outputs }),
});

const picture = (size) => ({
  do_resize: true, size: { width: size, height: size }, do_normalize: true, do_rescale: true,
  rescale_factor: 1 / 255, image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5], resample: 2,
});

/** Each a model of the Hub's shape: { path: object (JSON) or Buffer } */
export const HUB = {
  'tiny/embed': text({ architectures: ['BertModel'] },
    [['Gather', ['table', 'input_ids'], ['last_hidden_state']]],
    [table], [['last_hidden_state', 'float32', ['b', 's', 8]]]),
  'tiny/external': { ...text({ architectures: ['BertModel'] },
    [['Gather', ['table', 'input_ids'], ['last_hidden_state']]],
    [{ ...table, external: 'model.onnx_data' }], [['last_hidden_state', 'float32', ['b', 's', 8]]]),
  'onnx/model.onnx_data': Buffer.from(table.data.buffer) },
  'tiny/sentiment': text({ architectures: ['BertForSequenceClassification'], ...labels('NEGATIVE', 'POSITIVE') },
    [['Gather', ['table', 'input_ids'], ['h']], ['ReduceMean', ['h'], ['m'], { axes: [1], keepdims: 0 }],
      ['MatMul', ['m', 'w'], ['logits']]],
    [weights('table', [WORDS.length, 8]), weights('w', [8, 2], 7)], [['logits', 'float32', ['b', 2]]]),
  'tiny/nli': text({ architectures: ['BertForSequenceClassification'],
    ...labels('entailment', 'neutral', 'contradiction') },
  [['Gather', ['table', 'input_ids'], ['h']], ['ReduceMean', ['h'], ['m'], { axes: [1], keepdims: 0 }],
    ['MatMul', ['m', 'w'], ['logits']]],
  [weights('table', [WORDS.length, 8], 3), weights('w', [8, 3], 5)], [['logits', 'float32', ['b', 3]]]),
  'tiny/vit': {
    'config.json': { model_type: 'vit', architectures: ['ViTForImageClassification'], ...labels('cat', 'dog', 'pan') },
    'preprocessor_config.json': { feature_extractor_type: 'ViTFeatureExtractor', image_processor_type: 'ViTImageProcessor', ...picture(32) },
    'onnx/model.onnx': onnxModel({
      nodes: [['Conv', ['pixel_values', 'k'], ['c'], { strides: [4, 4] }], ['Relu', ['c'], ['r']],
        ['ReduceMean', ['r'], ['m'], { axes: [2, 3], keepdims: 0 }], ['MatMul', ['m', 'w'], ['logits']]],
      weights: [weights('k', [6, 3, 4, 4]), weights('w', [6, 3], 9)],
      inputs: [['pixel_values', 'float32', ['b', 3, 'h', 'w']]], outputs: [['logits', 'float32', ['b', 3]]] }),
  },
  'tiny/detr': {
    'config.json': { model_type: 'yolos', architectures: ['YolosForObjectDetection'], ...labels('jar', 'tin') },
    'preprocessor_config.json': { feature_extractor_type: 'YolosFeatureExtractor', image_processor_type: 'YolosImageProcessor', ...picture(32) },
    'onnx/model.onnx': onnxModel({
      nodes: [['Conv', ['pixel_values', 'k'], ['c'], { strides: [16, 16] }],
        ['Reshape', ['c', 'flat'], ['f']], ['Transpose', ['f'], ['t'], { perm: [0, 2, 1] }],
        ['MatMul', ['t', 'w'], ['logits']], ['MatMul', ['t', 'v'], ['u']], ['Sigmoid', ['u'], ['pred_boxes']]],
      weights: [weights('k', [6, 3, 16, 16]), weights('w', [6, 3], 9), weights('v', [6, 4], 4),
        { name: 'flat', dims: [3], type: 'int64', data: BigInt64Array.of(0n, 6n, -1n) }],
      inputs: [['pixel_values', 'float32', ['b', 3, 'h', 'w']]],
      outputs: [['logits', 'float32', ['b', 'q', 3]], ['pred_boxes', 'float32', ['b', 'q', 4]]] }),
  },
  'tiny/ctc': {
    'config.json': { model_type: 'wav2vec2', architectures: ['Wav2Vec2ForCTC'] },
    'preprocessor_config.json': { feature_extractor_type: 'Wav2Vec2FeatureExtractor', do_normalize: true,
      feature_size: 1, padding_value: 0, return_attention_mask: false, sampling_rate: 16000 },
    'tokenizer.json': { version: '1.0', truncation: null, padding: null, added_tokens: [], normalizer: null,
      pre_tokenizer: null, post_processor: null,
      decoder: { type: 'CTC', pad_token: '<pad>', word_delimiter_token: '|', cleanup: true },
      model: { type: 'WordLevel', unk_token: '<unk>', vocab: { '<pad>': 0, '<unk>': 1, '|': 2, A: 3, B: 4, C: 5 } } },
    'tokenizer_config.json': { tokenizer_class: 'Wav2Vec2CTCTokenizer', pad_token: '<pad>', unk_token: '<unk>',
      word_delimiter_token: '|' },
    'onnx/model.onnx': onnxModel({
      nodes: [['Unsqueeze', ['input_values', 'one'], ['x']], ['Conv', ['x', 'k'], ['c'], { strides: [400] }],
        ['Transpose', ['c'], ['logits'], { perm: [0, 2, 1] }]],
      weights: [weights('k', [6, 1, 400], 11), { name: 'one', dims: [1], type: 'int64', data: BigInt64Array.of(1n) }],
      inputs: [['input_values', 'float32', ['b', 's']]], outputs: [['logits', 'float32', ['b', 't', 6]]] }),
  },
  'tiny/gpt': {
    'config.json': { model_type: 'gpt2', architectures: ['GPT2LMHeadModel'], n_head: 1, n_embd: 2, n_layer: 1,
      eos_token_id: 2, bos_token_id: 2, vocab_size: WORDS.length, is_encoder_decoder: false },
    'generation_config.json': { eos_token_id: 2, bos_token_id: 2 },
    'tokenizer.json': { ...bertTokenizer, post_processor: null },
    'tokenizer_config.json': bertConfig,
    'onnx/model.onnx': onnxModel({
      nodes: [['Gather', ['table', 'input_ids'], ['logits']], ['Gather', ['kv', 'input_ids'], ['e']],
        ['Unsqueeze', ['e', 'one'], ['k']], ['Concat', ['past_key_values.0.key', 'k'], ['present.0.key'], { axis: 2 }],
        ['Concat', ['past_key_values.0.value', 'k'], ['present.0.value'], { axis: 2 }]],
      weights: [weights('table', [WORDS.length, WORDS.length], 2), weights('kv', [WORDS.length, 2], 6),
        { name: 'one', dims: [1], type: 'int64', data: BigInt64Array.of(1n) }],
      inputs: [['input_ids', 'int64', ['batch_size', 's']], ['attention_mask', 'int64', ['batch_size', 'n']],
        ['past_key_values.0.key', 'float32', ['batch_size', 1, 'p', 2]], ['past_key_values.0.value', 'float32', ['batch_size', 1, 'p', 2]]],
      outputs: [['logits', 'float32', ['b', 's', WORDS.length]], ['present.0.key', 'float32', ['b', 1, 'n', 2]],
        ['present.0.value', 'float32', ['b', 1, 'n', 2]]] }),
  },
};

/** Writes a model of HUB into a folder. */
export function writeHub(dir, name) {
  for (const [file, content] of Object.entries(HUB[name])) {
    const where = path.join(dir, file);
    fs.mkdirSync(path.dirname(where), { recursive: true });
    fs.writeFileSync(where, Buffer.isBuffer(content) ? content : JSON.stringify(content));
  }
}
