// SPDX-License-Identifier: MIT
//
// larder.js: a page's way to the larder daemon. One ES module, no dependency, no build step; works
// in a window, a module worker and a service worker. www/README.md says what is still missing.
//
//     import { connect } from 'http://127.0.0.1:8411/larder.js';
//     const larder = await connect();
//     const { probabilities } = await larder.infer('digits', {
//       image: { type: 'float32', dims: [1, 1, 28, 28], data: new Float32Array(784) } });

const SERVED_BY = new URL(import.meta.url).origin;

/** Base of every error of this module: `code` says which kind, `cause` what led to it. */
export class LarderError extends Error {
  constructor(message, { code = 'internal', cause, ...fields } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    Object.assign(this, fields);
  }
}

/** The daemon cannot be used; `reason` is a fixed word, `help` says what its owner can do. */
export class LarderUnavailable extends LarderError {
  constructor(reason, url, { detail = '', cause } = {}) {
    const help = HELP[reason](url);
    super(`${reason}: ${detail || help}`, { code: 'unavailable', cause, reason, url, help });
  }
}

/** code: 'not-found', 'ambiguous', 'not-runnable', 'load-failed', 'upstream' */
export class LarderModelError extends LarderError {}
/** Feeds that do not fit: `input`, `expected`, `actual` */
export class LarderInputError extends LarderError {}
/** The daemon is full: `retryAfter` in seconds */
export class LarderBusy extends LarderError {}

const HELP = {
  'not running': (url) => `nothing answers at ${url}; start it with larderd`,
  'origin not allowed': () => `run: larderctl origins add ${globalThis.location?.origin ?? 'ORIGIN'}`,
  'blocked by browser': () => 'allow this site to reach the local machine in its site settings, '
    + 'or install the file that larderctl policies chrome writes',
  'timeout': (url) => `${url} accepts connections but does not answer; look at its log`,
  'connection lost': (url) => `the connection to ${url} broke off; the daemon may have stopped`,
  'not a larder': (url) => `another program answers at ${url}; pass the daemon's address as url`,
};

// --- element types: ONNX Runtime's name, the protocol's name, the array that holds them --------

const TYPES = {
  float32: ['FP32', Float32Array], float64: ['FP64', Float64Array], float16: ['FP16', Uint16Array],
  int8: ['INT8', Int8Array], int16: ['INT16', Int16Array], int32: ['INT32', Int32Array],
  int64: ['INT64', BigInt64Array], uint8: ['UINT8', Uint8Array], uint16: ['UINT16', Uint16Array],
  uint32: ['UINT32', Uint32Array], uint64: ['UINT64', BigUint64Array], bool: ['BOOL', Uint8Array],
  string: ['BYTES', Array],
};
const TYPE_OF = Object.fromEntries(Object.entries(TYPES).map(([type, [datatype]]) => [datatype, type]));

const elements = (dims) => dims.reduce((n, d) => n * d, 1);

/** Strings as the protocol has them: each a 32-bit length and that many bytes of UTF-8. */
function packStrings(strings) {
  const parts = strings.map((s) => new TextEncoder().encode(s));
  const out = new Uint8Array(parts.reduce((n, p) => n + 4 + p.length, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length, true);
    out.set(part, at + 4);
    at += 4 + part.length;
  }
  return out;
}

function unpackStrings(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = [];
  for (let at = 0; at < bytes.length;) {
    const length = at + 4 <= bytes.length ? view.getUint32(at, true) : Infinity;
    if (at + 4 + length > bytes.length)
      throw new LarderError('the answer is not valid: a string runs past its end');
    out.push(new TextDecoder().decode(bytes.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return out;
}

/** A feed's own bytes (no copy), or LarderInputError. */
function feedBytes(input, feed) {
  const wrong = (what, expected, actual) => new LarderInputError(
    `input "${input}": ${what}: expected ${expected}, got ${actual}`,
    { code: 'input', input, expected, actual });
  const [, Kind] = TYPES[feed?.type] ?? [];
  if (!Kind)
    throw wrong('unknown type', Object.keys(TYPES).join(', '), String(feed?.type));
  if (!Array.isArray(feed.dims) || !feed.dims.every((d) => Number.isSafeInteger(d) && d >= 0))
    throw wrong('wrong dims', 'an array of whole numbers', JSON.stringify(feed.dims));
  if (!(feed.data instanceof Kind) && !(Kind === Uint8Array && feed.data instanceof Uint8ClampedArray))
    throw wrong('wrong data', Kind.name, feed.data?.constructor?.name ?? typeof feed.data);
  if (feed.data.length !== elements(feed.dims))
    throw wrong('wrong number of elements', `${elements(feed.dims)} for [${feed.dims}]`,
      `${feed.data.length}`);
  return Kind === Array ? packStrings(feed.data)
    : new Uint8Array(feed.data.buffer, feed.data.byteOffset, feed.data.byteLength);
}

/** One request body: the JSON, then the tensors' bytes in the order of its inputs. */
function encode(feeds, outputs) {
  const tensors = Object.entries(feeds).map(([name, feed]) => [name, feed, feedBytes(name, feed)]);
  const head = new TextEncoder().encode(JSON.stringify({
    inputs: tensors.map(([name, feed, bytes]) => ({
      name, shape: feed.dims, datatype: TYPES[feed.type][0],
      parameters: { binary_data_size: bytes.length },
    })),
    outputs: outputs?.map((name) => ({ name })),
    parameters: { binary_data_output: true },
  }));
  const body = new Uint8Array(tensors.reduce((n, t) => n + t[2].length, head.length));
  body.set(head);
  let at = head.length;
  for (const [, , bytes] of tensors) {
    body.set(bytes, at);
    at += bytes.length;
  }
  return { body, headLength: head.length };
}

/** The answer's tensors. Anything short, long or unknown is an error, never a padded tensor. */
function decode(buffer, headLength) {
  const wrong = (why, cause) => new LarderError(`the answer is not valid: ${why}`, { cause });
  let at = headLength ?? buffer.byteLength;
  const out = {};
  try {
    const { outputs } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 0, at)));
    for (const { name, shape, datatype, data, parameters } of outputs) {
      const type = TYPE_OF[datatype];
      if (!type)
        throw wrong(`output "${name}" has type ${datatype}`);
      const Kind = TYPES[type][1];
      const size = parameters?.binary_data_size;
      let values;
      if (size === undefined) {
        if (!Array.isArray(data))
          throw wrong(`output "${name}" has no data`);
        values = Kind.from(data.flat(Infinity), type === 'string' ? String
          : Kind.name.startsWith('Big') ? BigInt : Number);
      } else {
        if (!(size >= 0 && size <= buffer.byteLength - at))
          throw wrong(`output "${name}" is cut off`);
        const own = buffer.slice(at, at + size); // a copy, so that it is aligned for its type
        at += size;
        values = type === 'string' ? unpackStrings(new Uint8Array(own)) : new Kind(own);
      }
      if (values.length !== elements(shape))
        throw wrong(`output "${name}" has ${values.length} elements for [${shape}]`);
      out[name] = { type, dims: shape, data: values };
    }
  } catch (error) {
    throw error instanceof LarderError ? error : wrong(error.message, error);
  }
  return out;
}

// --- models and errors of the daemon ------------------------------------------------------------

/** `name`, `org/name`, either with `@revision`, or a larder URL of a file. */
function parseModel(model, base) {
  if (/^https?:/.test(model)) {
    const url = new URL(model);
    const found = /^\/(.+?)\/resolve\/([^/]+)\/(.+)$/.exec(url.pathname);
    if (url.origin !== new URL(base).origin || !found)
      throw new LarderModelError(`${model} is not a file of ${base}`, { code: 'not-found', model });
    const [id, revision, file] = found.slice(1).map(decodeURIComponent);
    return { id, revision, file };
  }
  const [id, revision] = model.split('@');
  return { id, revision, file: undefined };
}

function modelRoute(model, base, file, rest = '') {
  const named = parseModel(model, base);
  if (named.revision && named.revision !== 'main')
    throw new LarderModelError(`${model}: only revision main can be run so far`,
      { code: 'not-runnable', model });
  const query = file ?? named.file;
  return `/v2/models/${encodeURIComponent(named.id)}${rest}`
    + (query ? `?file=${encodeURIComponent(query)}` : '');
}

function daemonError(status, message, { model, retryAfter } = {}) {
  if (status === 404 && model)
    return new LarderModelError(message, { code: 'not-found', model, status });
  if (status === 409 && model)
    return new LarderModelError(message, { code: 'ambiguous', model, status });
  if (status === 400)
    return new LarderInputError(message, { code: 'input', status });
  if (status === 422 || status === 501)
    return new LarderModelError(message, { code: 'not-runnable', model, status });
  if (status === 507)
    return new LarderModelError(message, { code: 'load-failed', model, status });
  if (status === 502 || status === 504)
    return new LarderModelError(message, { code: 'upstream', model, status });
  if (status === 503)
    return new LarderBusy(message, { code: 'busy', status, retryAfter });
  return new LarderError(message, { status });
}

const wait = (ms, signal) => new Promise((done, fail) => {
  const timer = setTimeout(() => {
    signal?.removeEventListener('abort', stop);
    done();
  }, ms);
  const stop = () => {
    clearTimeout(timer);
    fail(signal.reason);
  };
  signal?.addEventListener('abort', stop, { once: true });
});

// --- the client ---------------------------------------------------------------------------------

/** What connect() gives. Dispatches 'unavailable' and 'available' (CustomEvent). */
export class Larder extends EventTarget {
  #closing = new AbortController();
  #reachable = true;

  constructor(url, version) {
    super();
    this.url = url;
    this.version = version;
  }

  /** true until close() */
  get ok() {
    return !this.#closing.signal.aborted;
  }

  /** Rejects what is in flight, and every later call, with code 'closed'. */
  close() {
    this.#closing.abort(new LarderError('this Larder was closed', { code: 'closed' }));
  }

  /** Every stored model: [{ id, revision, runnable, bytes, files: [{ path, bytes, sha256 }] }] */
  async models({ signal } = {}) {
    const list = await this.#json('/api/models?full=true', { signal });
    return list.map((m) => {
      const files = (m.siblings ?? []).map((f) => ({
        path: f.rfilename,
        bytes: f.size ?? f.lfs?.size ?? 0,
        sha256: f.sha256 ?? f.lfs?.sha256,
      }));
      const bytes = files.reduce((n, f) => n + f.bytes, 0);
      return { id: m.id, revision: m.sha ?? 'main', runnable: m.runnable ?? false, bytes, files };
    });
  }

  /** Inputs and outputs of a model; a free dimension is -1. */
  async describe(model, { file, signal } = {}) {
    const { id } = parseModel(model, this.url);
    const meta = await this.#json(modelRoute(model, this.url, file), { signal, model });
    const values = (list) => list.map((v) => ({
      name: v.name, type: TYPE_OF[v.datatype] ?? v.datatype, dims: v.shape,
    }));
    return {
      id, revision: meta.parameters?.revision ?? 'main', file: meta.parameters?.file ?? file,
      inputs: values(meta.inputs), outputs: values(meta.outputs),
    };
  }

  /** Runs a model: feeds and result are { name: { type, dims, data } }. */
  async infer(model, feeds, { outputs, file, signal } = {}) {
    const { body, headLength } = encode(feeds, outputs);
    const reply = await this.#call(modelRoute(model, this.url, file, '/infer'), {
      model, signal, method: 'POST', body,
      headers: {
        'Content-Type': 'application/octet-stream',
        'Inference-Header-Content-Length': String(headLength),
      },
    });
    const length = reply.headers.get('Inference-Header-Content-Length');
    const answer = reply.body;
    if (length !== null && !(/^[0-9]+$/.test(length) && +length <= answer.byteLength))
      throw new LarderError(`the answer is not valid: header length ${length}`);
    return decode(answer, length === null ? undefined : +length);
  }

  async #json(path, options) {
    const { body } = await this.#call(path, options);
    try {
      return JSON.parse(new TextDecoder().decode(body));
    } catch (cause) {
      throw new LarderError('the answer is not valid JSON', { cause });
    }
  }

  /** One request with its whole body; retries twice when the daemon says that it is busy. */
  async #call(path, { model, signal, ...init }) {
    const stop = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
    for (let tries = 0; ; tries++) {
      stop.throwIfAborted();
      let reply, body;
      try {
        reply = await fetch(this.url + path, { credentials: 'omit', signal: stop, ...init });
        body = await reply.arrayBuffer();
      } catch (cause) {
        stop.throwIfAborted();
        throw this.#saw(new LarderUnavailable('connection lost', this.url, { cause }));
      }
      this.#saw(null);
      if (reply.ok)
        return { headers: reply.headers, body };
      const retryAfter = Number(reply.headers.get('Retry-After')) || 1;
      if (reply.status === 503 && tries < 2) {
        await wait(retryAfter * 1000, stop);
        continue;
      }
      let message = `the daemon answered ${reply.status}`;
      try {
        message = JSON.parse(new TextDecoder().decode(body)).error ?? message;
      } catch {
        // not JSON: the status alone has to do
      }
      throw daemonError(reply.status, message, { model, retryAfter });
    }
  }

  #saw(error) {
    if (this.#reachable === (error === null))
      return error;
    this.#reachable = error === null;
    this.dispatchEvent(new CustomEvent(error ? 'unavailable' : 'available',
      { detail: error ? { reason: error.reason } : {} }));
    return error;
  }
}

/** Finds the daemon, or throws LarderUnavailable with a reason. */
export async function connect({ url = SERVED_BY, timeout = 2000, signal } = {}) {
  url = new URL(url).origin;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), timeout);
  const stop = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
  const ask = (path, init) => fetch(url + path, { credentials: 'omit', signal: stop, ...init });
  try {
    const health = await ask('/healthz');
    const about = await health.json().catch(() => null);
    if (about?.server !== 'larder')
      throw new LarderUnavailable('not a larder', url);
    return new Larder(url, about.version);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof LarderError)
      throw error;
    if (late.signal.aborted)
      throw new LarderUnavailable('timeout', url, { cause: error });
    const reason = await ask('/healthz', { mode: 'no-cors' }).then(() => 'origin not allowed', whyNot);
    signal?.throwIfAborted();
    throw new LarderUnavailable(late.signal.aborted ? 'timeout' : reason, url, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** Not even an opaque answer: is it the browser, or is nobody there? */
async function whyNot() {
  const page = globalThis.location;
  if (!page || /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(page.hostname))
    return 'not running'; // on loopback pages the permission says nothing
  for (const name of ['loopback-network', 'local-network-access']) {
    const state = await globalThis.navigator?.permissions?.query({ name }).catch(() => null);
    if (state)
      return state.state === 'denied' ? 'blocked by browser' : 'not running';
  }
  const safari = /^((?!chrome|chromium|android).)*safari/i.test(globalThis.navigator?.userAgent ?? '');
  return safari && page.protocol === 'https:' ? 'blocked by browser' : 'not running';
}
