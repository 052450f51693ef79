// SPDX-License-Identifier: MIT
//
// ort_table.cjs — what `compare-ort --table` runs. One row per model:
//
//   kind     what the bars are grouped by; cnn and transformer are also compared with the wasm peer
//   bar      the ratio (their time / ours) that is wanted, at one thread and at two
//   model    a file below the folder of test data, or @NAME of graphs.cjs
//   case     the golden case that has its inputs; none: those that bench-model makes up,
//   shape    of this shape where the model leaves it open
'use strict';
const { existsSync } = require('node:fs');
const path = require('node:path');

const golden = (kind, bar, model, name = `golden/${path.posix.basename(model, '.onnx')}`) => (
  { kind, bar, model: `models/${model}`, case: `models/${path.posix.dirname(model)}/${name}` });
const shaped = (kind, bar, model, shape) => ({ kind, bar, model: `models/${model}`, shape });
const light = (kind, bar, name) => ({ kind, bar, model: `onnx-backend/light/light_${name}.onnx` });
const made = (kind, bar, name) => ({ kind, bar, model: `@${name}` });

const ROWS = [
  made('cnn', 1.3, 'mobilenetv2-f32'),
  golden('cnn', 1.3, 'mobilenetv2-035-tm/mobilenet_model.onnx'),
  light('cnn', 1.25, 'resnet50'),
  light('cnn', 1.25, 'squeezenet'),
  light('cnn', 1.25, 'densenet121'),
  light('cnn', 1.25, 'inception_v1'),
  light('cnn', 1.25, 'inception_v2'),
  light('cnn', 1.0, 'bvlc_alexnet'),
  light('cnn', 1.0, 'shufflenet'),
  light('cnn', 1.0, 'vgg19'),
  light('cnn', 1.0, 'zfnet512'),
  ...['minilm', 'distilbert'].flatMap((name) => [8, 32, 128, 512]
    .map((tokens) => made('transformer', 1.25, `${name}-f32-${tokens}`))),
  made('int8', 1.25, 'mobilenetv2-qdq'),
  made('int8', 1.25, 'mobilenetv2-qlinear'),
  golden('int8', 1.25, 'mobilenetv2-imagenet-uint8-qdq/mobilenet_v2_uint8.onnx'),
  golden('int8', 1.25, 'mobilenetv2-imagenet-qlinear/model.qlinear.onnx'),
  golden('int8', 1.25, 'mobilenetv2-int8-b075/mobilenet_v2_int8.onnx'),
  made('int8', 1.25, 'minilm-int8-8'),
  made('int8', 1.25, 'minilm-int8-128'),
  made('int8', 1.25, 'distilbert-int8-128'),
  ...[1, 8, 128].map((m) => made('int8', 1.25, `nbits-${m}`)),
  made('fp16', 1.25, 'mobilenetv2-f16'),
  made('fp16', 1.25, 'minilm-f16-128'),
  golden('fp16', 1.25, 'squeezenet-fp16/SqueezeNet_fp16.onnx'),
  golden('audio', 1.25, 'silero-vad/silero_vad.onnx'),
  golden('audio', 1.25, 'silero-vad/silero_vad_half.onnx'),
  golden('audio', 1.25, 'dtln/model_1.onnx'),
  golden('audio', 1.25, 'dtln/model_2.onnx'),
  golden('audio', 1.25, 'basic-pitch/nmp.onnx'),
  golden('audio', 1.25, 'dnsmos/model_v8.onnx'),
  golden('audio', 1.25, 'dnsmos/sig.onnx'),
  golden('audio', 1.25, 'dnsmos/sig_bak_ovr.onnx'),
  golden('detection', 1.25, 'ultraface-rfb-320/version-RFB-320.onnx'),
  golden('detection', 1.25, 'ultraface-rfb-320/version-RFB-320_without_postprocessing.onnx'),
  golden('detection', 1.25, 'yolox-nano/yolox_nano_with_post.onnx'),
  golden('detection', 1.25, 'xfeat/xfeat_256x256.onnx'),
  golden('detection', 1.25, 'xfeat/interpolator_nearest_256x256.onnx'),
  golden('detection', 1.25, 'ppocr/ch_ppocr_mobile_v2.0_cls_infer.onnx'),
  golden('detection', 1.25, 'ppocr/en_number_mobile_v2.0_rec_infer.onnx'),
  shaped('detection', 1.25, 'ppocr/ch_ppocr_mobile_v2.0_det_infer.onnx', 'x=1,3,640,640'),
  shaped('detection', 1.25, 'ppocr/en_PP-OCRv3_det_infer.onnx', 'x=1,3,640,640'),
  golden('other', 1.0, 'magika/model.onnx'),
  golden('other', 1.0, 'mnist-8/model.onnx'),
  golden('other', 1.0, 'super-resolution-10/model.onnx'),
  golden('other', 1.0, 'tiny-random-gpt2/past.onnx'),
];

const WASM_KINDS = ['cnn', 'transformer'];
const WASM_BAR = 6; // at two threads, theirs at one

// rows(top, only, wasm): those whose model's path matches ${only} (a RegExp or undefined), as
// { kind, bar, model, case, shape }, with paths that can be opened; the files that are not there
// are said on stderr, row by row.
function rows(top, only, wasm) {
  const data = process.env.LARDER_SHARED || path.join(top, '../shared');
  const there = (file, row) => {
    if (existsSync(path.join(data, file))) return true;
    console.error(`# ${row.model}: left out, ${file} is not there (LARDER_SHARED=${data})`);
    return false;
  };
  return ROWS
    .filter((r) => (!only || only.test(r.model)) && (!wasm || WASM_KINDS.includes(r.kind)))
    .map((r) => (wasm ? { ...r, bar: WASM_BAR } : r))
    .filter((r) => r.model.startsWith('@') || there(r.model, r))
    .filter((r) => !r.case || there(r.case, r))
    .map((r) => (r.model.startsWith('@') ? r : {
      ...r, model: path.join(data, r.model), ...(r.case ? { case: path.join(data, r.case) } : {}),
    }));
}

module.exports = { rows };
