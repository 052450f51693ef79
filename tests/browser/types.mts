// SPDX-License-Identifier: MIT
//
// Compiled, never run: what larder.d.ts allows, and what it must refuse (@ts-expect-error).

import * as ort from 'onnxruntime-web';

import { connect, LarderBusy, LarderError, LarderUnavailable } from '../../www/larder.js';

export async function page(video: HTMLVideoElement): Promise<void> {
  const larder = await connect({ url: 'http://127.0.0.1:8411', timeout: 500, onprogress: (p) => p.loaded / p.total });
  const ok: boolean = larder.ok;
  const [{ id, files: [{ sha256, bytes }] }] = await larder.models();
  const { inputs: [{ dims }], revision } = await larder.describe(id, { file: 'onnx/model.onnx' });
  const raw = await larder.infer('org/name', { x: { type: 'float32', dims: [1], data: new Float32Array(1) } });
  const type: string = raw.y.type;

  const session = await larder.createSession(ort, 'org/name', {
    fallback: 'auto', executionProviders: ['webgpu', 'larder', { name: 'wasm' }], batch: { max: 4 } });
  const { logits } = await session.run({ x: new ort.Tensor('float32', [1], [1]) }, ['logits'],
    { signal: AbortSignal.timeout(100) });
  const tensor: ort.Tensor = logits;
  larder.register(ort);
  larder.transformers({ env: {} }, { ort, fallback: 'always' }).restore();
  const graph = await larder.loadGraphModel({}, 'org/pose', { fallback: 'never' });
  await graph.predictAsync([], { signal: AbortSignal.timeout(1) });
  const { backend, measured } = await larder.choose({ model: id, ort, budgetMs: 16 });
  const ms: number = measured[backend].run_ms;
  const { count } = await larder.video(video, id, { transform: { size: 224 }, onresult: (out, { id: n }) => [out, n] });
  larder.addEventListener('fallback', (e) => e.detail.error.message);
  console.log(ok, sha256, bytes, dims, revision, type, tensor, ms, count.dropped);

  // @ts-expect-error: a policy is one of three words
  await larder.createSession(ort, 'm', { fallback: 'sometimes' });
  // @ts-expect-error: dims belong to a feed
  await larder.infer('m', { x: { type: 'float32', data: new Float32Array(1) } });
  // @ts-expect-error: only connect makes one
  new larder.constructor.Larder();
  // @ts-expect-error: ok is for reading
  larder.ok = false;
}

export function help(error: unknown): string {
  if (error instanceof LarderUnavailable)
    return error.reason === 'not running' ? error.help : error.url;
  if (error instanceof LarderBusy)
    return `${error.retryAfter.toFixed()} s`;
  return error instanceof LarderError ? error.code : 'unknown';
}
