// SPDX-License-Identifier: MIT
// Types of /larder.js.

export type ElementType = 'float32' | 'float64' | 'float16' | 'int8' | 'int16' | 'int32' | 'int64'
  | 'uint8' | 'uint16' | 'uint32' | 'uint64' | 'bool' | 'string';

/** Data as ONNX Runtime holds it: BigInt64Array for int64, Uint8Array for bool, strings in an array. */
export type TensorData = Float32Array | Float64Array | Int8Array | Int16Array | Int32Array
  | BigInt64Array | Uint8Array | Uint8ClampedArray | Uint16Array | Uint32Array | BigUint64Array
  | string[];

export interface Tensor {
  type: ElementType;
  dims: readonly number[];
  data: TensorData;
}

export interface ModelFile {
  path: string;
  bytes: number;
  sha256: string;
}

export interface Model {
  /** as in URLs: `name` or `org/name` */
  id: string;
  revision: string;
  runnable: boolean;
  bytes: number;
  files: ModelFile[];
}

export interface ValueInfo {
  name: string;
  type: ElementType;
  /** a free dimension is -1 */
  dims: number[];
}

export interface Description {
  id: string;
  revision: string;
  file?: string;
  inputs: ValueInfo[];
  outputs: ValueInfo[];
}

export interface ConnectOptions {
  /** default: the origin that the module came from */
  url?: string;
  /** milliseconds, default 2000 */
  timeout?: number;
  signal?: AbortSignal;
}

export interface InferOptions {
  /** names of the outputs to compute; default all */
  outputs?: string[];
  /** which model file, where there are several */
  file?: string;
  signal?: AbortSignal;
}

export class Larder extends EventTarget {
  private constructor();
  /** true until close() */
  readonly ok: boolean;
  readonly url: string;
  readonly version: string;
  models(options?: { signal?: AbortSignal }): Promise<Model[]>;
  describe(model: string, options?: { file?: string; signal?: AbortSignal }): Promise<Description>;
  infer(model: string, feeds: Record<string, Tensor>, options?: InferOptions):
    Promise<Record<string, Tensor>>;
  close(): void;
}

/** Finds the daemon, or rejects with LarderUnavailable. */
export function connect(options?: ConnectOptions): Promise<Larder>;

export class LarderError extends Error {
  readonly code: string;
}

export type UnavailableReason = 'not running' | 'origin not allowed' | 'blocked by browser'
  | 'timeout' | 'connection lost' | 'not a larder';

export class LarderUnavailable extends LarderError {
  readonly reason: UnavailableReason;
  readonly url: string;
  /** what the daemon's owner can do about it */
  readonly help: string;
}

export class LarderModelError extends LarderError {
  readonly code: 'not-found' | 'ambiguous' | 'not-runnable' | 'load-failed' | 'upstream';
  readonly model: string;
  readonly status?: number;
}

export class LarderInputError extends LarderError {
  readonly input?: string;
  readonly expected?: string;
  readonly actual?: string;
}

export class LarderBusy extends LarderError {
  /** seconds */
  readonly retryAfter: number;
}
