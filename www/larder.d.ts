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
  /** the commit that the model's name means now */
  revision: string;
  file: string;
  inputs: ValueInfo[];
  outputs: ValueInfo[];
  /** what ONNX calls the free dimensions of an input or output */
  dimNames: Record<string, (string | null)[]>;
}

/** `loaded` never goes back and ends equal to `total`: bytes of one file, else steps. */
export interface Progress {
  phase: 'download' | 'load' | 'run' | 'measure';
  model: string;
  file?: string;
  loaded: number;
  total: number;
}

export type Backend = 'webgpu' | 'webnn' | 'webgl' | 'wasm' | 'larder' | (string & {});

export interface ConnectOptions {
  /** default: the origin that the module came from */
  url?: string;
  /** milliseconds, default 2000 */
  timeout?: number;
  signal?: AbortSignal;
  onprogress?: (progress: Progress) => void;
}

/** A raw picture: `transform` true means the model's own preprocessor_config.json, else its words. */
export interface Frame extends Tensor {
  transform?: true | Record<string, unknown>;
}

export interface InferOptions {
  /** names of the outputs to compute; default all */
  outputs?: string[];
  /** which model file, where there are several */
  file?: string;
  /** of the runs of one stream that wait, only the latest is run; the others reject, code 'replaced' */
  stream?: string;
  signal?: AbortSignal;
}

/**
 * 'auto': WebGPU in the page if it has an adapter; else the daemon; else wasm in the page.
 * 'always': the daemon or an error. 'never': the page or an error.
 */
export type Fallback = 'auto' | 'always' | 'never';

interface Opening {
  fallback?: Fallback;
  /** the daemon's model, where the first argument is the page's own copy */
  model?: string;
  file?: string;
  signal?: AbortSignal;
  onprogress?: (progress: Progress) => void;
}

// What is needed of onnxruntime-web, transformers.js and TensorFlow.js; their own types fit.

interface OrtTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: unknown;
}

interface Ort {
  InferenceSession: { create(...args: any[]): Promise<any> };
  Tensor: new (...args: any[]) => any;
  registerBackend?: (name: string, backend: any, priority: number) => void;
}

type TensorOf<O> = O extends { Tensor: new (...args: any[]) => infer T } ? T : Tensor;

export interface SessionOptions extends Opening {
  /** the order to try, 'larder' being the daemon */
  executionProviders?: readonly (string | { readonly name: string })[];
  /** runs of one frame travel as one request; asserts that rows along dim 0 are independent */
  batch?: boolean | { frameMs?: number; max?: number };
  /** ONNX Runtime's own SessionOptions */
  [option: string]: unknown;
}

export interface ValueMetadata {
  readonly name: string;
  readonly isTensor: boolean;
  readonly type: string;
  readonly shape: readonly (number | string)[];
}

/** ONNX Runtime's session, whoever runs it. */
export interface Session<T = Tensor> {
  /** who runs it now; changes when the daemon was lost */
  readonly backend: Backend;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly inputMetadata: readonly ValueMetadata[];
  readonly outputMetadata: readonly ValueMetadata[];
  run(feeds: Readonly<Record<string, OrtTensor>>, options?: RunOptions): Promise<Record<string, T>>;
  run(feeds: Readonly<Record<string, OrtTensor>>,
    fetches: readonly string[] | Readonly<Record<string, OrtTensor | null>> | undefined,
    options?: RunOptions): Promise<Record<string, T>>;
  release(): Promise<void>;
}

export interface RunOptions {
  signal?: AbortSignal;
  [option: string]: unknown;
}

interface TfTensor {
  readonly shape: number[];
  readonly dtype: string;
  data(): Promise<any>;
}

type TfInput<T> = T | T[] | Record<string, T>;

export interface GraphModel<T> {
  readonly backend: Backend;
  readonly inputs: readonly { name: string; dtype: string; shape?: (number | null)[] }[];
  readonly outputs: readonly { name: string; dtype: string; shape?: (number | null)[] }[];
  predictAsync(x: TfInput<T>, config?: { signal?: AbortSignal }): Promise<TfInput<T>>;
  executeAsync(x: TfInput<T>, outputs?: string | string[], config?: { signal?: AbortSignal }): Promise<T | T[]>;
  /** throws LarderError, code 'sync', when the daemon runs the model */
  predict(x: TfInput<T>, config?: object): TfInput<T>;
  dispose(): void;
}

export interface ChooseOptions {
  model: string;
  file?: string;
  ort?: Ort;
  tf?: object;
  budgetMs?: number;
  memoryBudgetBytes?: number;
  /** measure again, whatever is remembered */
  fresh?: boolean;
  signal?: AbortSignal;
  onprogress?: (progress: Progress) => void;
}

export interface Choice {
  backend: 'webgpu' | 'webgl' | 'wasm' | 'larder';
  /** a sentence that names the budget or the measurement that decided */
  reason: string;
  measured: Record<string, { load_ms: number; run_ms: number }>;
  remembered: boolean;
}

export interface VideoOptions {
  /** which input takes the frame; default the first */
  input?: string;
  /** default true: the model's own preprocessor_config.json */
  transform?: true | Record<string, unknown>;
  file?: string;
  outputs?: string[];
  /** frames are made smaller until their longer side is this; default 640 */
  maxSide?: number;
  /** frames under way at once; default 2 */
  inFlight?: number;
  /** of a canvas; a video has its own; default 30 */
  fps?: number;
  signal?: AbortSignal;
  onresult?: (outputs: Record<string, Tensor>, frame: { id: number }) => void;
  onerror?: (error: LarderError) => void;
}

export interface Video {
  stop(): void;
  readonly count: { sent: number; answered: number; dropped: number };
}

export interface LarderEvents {
  progress: CustomEvent<Progress>;
  fallback: CustomEvent<{ model: string; from: Backend; to: Backend; error: Error }>;
  unavailable: CustomEvent<{ reason: UnavailableReason }>;
  available: CustomEvent<{ reason?: undefined }>;
}

export class Larder extends EventTarget {
  private constructor();
  /** true until close() */
  readonly ok: boolean;
  readonly url: string;
  readonly version: string;
  models(options?: { signal?: AbortSignal }): Promise<Model[]>;
  describe(model: string, options?: { file?: string; signal?: AbortSignal }): Promise<Description>;
  infer(model: string, feeds: Record<string, Frame>, options?: InferOptions): Promise<Record<string, Tensor>>;
  createSession<O extends Ort | null>(ort: O, urlOrModel: string | URL | Uint8Array, options?: SessionOptions):
    Promise<Session<TensorOf<O>>>;
  /** registers the execution provider 'larder' */
  register(ort: Ort, options?: { model?: string }): void;
  transformers(T: { env: object }, options?: {
    fallback?: Fallback; ort?: Ort; onprogress?: (progress: Progress) => void;
  }): { restore(): void };
  loadGraphModel<T extends TfTensor = any>(tf: object, urlOrModel: string, options?: Opening & Record<string, unknown>):
    Promise<GraphModel<T>>;
  choose(options: ChooseOptions): Promise<Choice>;
  video(source: HTMLVideoElement | HTMLCanvasElement, model: string, options?: VideoOptions): Promise<Video>;
  close(): void;
  addEventListener<K extends keyof LarderEvents>(type: K, listener: (event: LarderEvents[K]) => void,
    options?: boolean | AddEventListenerOptions): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions): void;
}

/** Finds the daemon, or rejects with LarderUnavailable. */
export function connect(options?: ConnectOptions): Promise<Larder>;

export class LarderError extends Error {
  /** 'closed', 'sync', 'replaced', 'internal', or that of the class */
  readonly code: string;
  readonly status?: number;
  /** where every provider failed: what each said */
  readonly errors?: { backend: Backend; error: Error }[];
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
