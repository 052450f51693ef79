// SPDX-License-Identifier: MIT
// A page's way to the larder daemon. What each call takes and gives stands in larder.d.ts.

const SERVED_BY = new URL(import.meta.url).origin;

export class LarderError extends Error {
	constructor(message, { code = 'internal', cause, ...fields } = {}) {
		super(message, cause && { cause });
		Object.assign(this, { name: new.target.name, code }, fields);
	}
}
export class LarderUnavailable extends LarderError {
	constructor(reason, url, cause) {
		const help = HELP[reason].replace('URL', url).replace('ORIGIN', globalThis.location?.origin);
		super(`${reason}: ${help}`, { code: 'unavailable', cause, reason, url, help });
	}
}
export class LarderModelError extends LarderError {}
export class LarderInputError extends LarderError {}
export class LarderBusy extends LarderError {}

const HELP = {
	'not running': 'nothing answers at URL; start it with: larderd',
	'origin not allowed': 'run: larderctl origins add ORIGIN',
	'blocked by browser': 'let this site reach this device in its site settings, or install the policy '
		+ 'that this prints: larderctl policies chrome',
	'timeout': 'URL takes connections but does not answer; see its log',
	'connection lost': 'the connection to URL broke off; has larderd stopped?',
	'not a larder': "another program answers at URL; pass larderd's address as url",
};

// ONNX Runtime's name of a type: the protocol's, the array that holds it
const TYPES = { float16: ['FP16', Uint16Array], int64: ['INT64', BigInt64Array],
	uint64: ['UINT64', BigUint64Array], bool: ['BOOL', Uint8Array], string: ['BYTES', Array] };
for (const name of ['Float32', 'Float64', 'Int8', 'Int16', 'Int32', 'Uint8', 'Uint16', 'Uint32'])
	TYPES[name.toLowerCase()] = [name.toUpperCase().replace('FLOAT', 'FP'), globalThis[`${name}Array`]];

const typeOf = (datatype) => Object.keys(TYPES).find((t) => TYPES[t][0] === datatype) ?? datatype;
const elements = (dims) => dims.reduce((n, d) => n * d, 1);
const bytesOf = (text) => new TextEncoder().encode(text);
const textOf = (bytes) => new TextDecoder().decode(bytes);
const mapped = (object, f) => Object.fromEntries(Object.entries(object).map(([k, v]) => [k, f(v, k)]));
const invalid = (cause) => new LarderError(`the answer is not valid: ${cause.message}`, { cause });

function join(parts, Kind = Uint8Array) {
	if (Kind === Array)
		return parts.flat();
	const all = new Kind(parts.reduce((n, p) => n + p.length, 0));
	parts.reduce((at, p) => (all.set(p, at), at + p.length), 0);
	return all;
}

// a string is a 32-bit length and that many bytes of UTF-8
const packStrings = (list) => join(list.map(bytesOf).flatMap((s) => [
	new Uint8Array(Uint32Array.of(s.length).buffer), s]));

function unpackStrings(buffer) {
	const view = new DataView(buffer), out = [];
	for (let at = 0, end; at < view.byteLength; at = end) {
		end = at + 4 + view.getUint32(at, true);
		if (end > view.byteLength)
			throw new RangeError('a string runs past its end');
		out.push(textOf(buffer.slice(at + 4, end)));
	}
	return out;
}

const unfit = (input, what, expected, actual) => new LarderInputError(
	`input "${input}": ${what}: expected ${expected}, got ${actual}`,
	{ code: 'input', input, expected: `${expected}`, actual: `${actual}` });

function feedBytes(input, { type, dims, data } = {}) {
	const Kind = TYPES[type]?.[1], given = data?.constructor.name;
	if (!Kind)
		throw unfit(input, 'unknown type', Object.keys(TYPES), type);
	if (!dims?.every((d) => Number.isSafeInteger(d) && d >= 0))
		throw unfit(input, 'wrong dims', 'an array of whole numbers', JSON.stringify(dims));
	if (given?.replace('Clamped', '').replace('Float16', 'Uint16') !== Kind.name)
		throw unfit(input, 'wrong data', Kind.name, given);
	if (data.length !== elements(dims))
		throw unfit(input, 'wrong number of elements', `${elements(dims)} for [${dims}]`, data.length);
	return Kind === Array ? packStrings(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

// the JSON, blanks up to a multiple of 8, the tensors
function encode(feeds, outputs) {
	const bytes = mapped(feeds, (feed, name) => feedBytes(name, feed));
	const json = JSON.stringify({
		inputs: Object.entries(feeds).map(([name, { type, dims, transform }]) => ({ name, shape: dims,
			datatype: TYPES[type][0], parameters: { binary_data_size: bytes[name].length, transform } })),
		outputs: outputs?.map((name) => ({ name })), parameters: { binary_data_output: true },
	});
	const head = bytesOf(json + ' '.repeat(-bytesOf(json).length & 7));
	return [join([head, ...Object.values(bytes)]), head.length];
}

// what is short, long or unknown is an error, never a padded tensor
function decode(buffer, length) {
	try {
		let at = +length;
		return Object.fromEntries(JSON.parse(textOf(new Uint8Array(buffer, 0, at))).outputs.map((o) => {
			const type = typeOf(o.datatype), [, Kind] = TYPES[type], size = o.parameters.binary_data_size;
			const own = buffer.slice(at, at += size), data = Kind === Array ? unpackStrings(own) : new Kind(own);
			if (data.length !== elements(o.shape) || own.byteLength !== size)
				throw new RangeError(`output "${o.name}" has ${data.length} elements for [${o.shape}]`);
			return [o.name, { type, dims: o.shape, data }];
		}));
	} catch (error) {
		throw invalid(error);
	}
}

function checkFeeds(inputs, feeds) {
	for (const name of Object.keys(feeds)) {
		if (!inputs.some((i) => i.name === name))
			throw unfit(name, 'unknown name', inputs.map((i) => i.name), name);
	}
	for (const { name, type, dims } of inputs) {
		const feed = feeds[name];
		if (feed?.type !== type)
			throw feed ? unfit(name, 'wrong type', type, feed.type) : unfit(name, 'missing', `${type} [${dims}]`, 'nothing');
		if (dims.length && (dims.length !== feed.dims.length || dims.some((d, i) => d >= 0 && d !== feed.dims[i])))
			throw unfit(name, 'wrong dims', `[${dims}]`, `[${feed.dims}]`);
	}
}

const quote = encodeURIComponent;
const label = (model) => (model.buffer ? 'bytes' : `${model}`);
const modelError = (code, model, message, status) => new LarderModelError(message, { code, model: label(model), status });

function parseModel(model, base, file) {
	if (!/^\w+:/.test(model)) {
		const [id, revision = 'main'] = `${model}`.split('@');
		return { id, revision, file };
	}
	const { origin, pathname } = new URL(model);
	const [, id, revision, path] = /^\/(.+?)\/resolve\/([^/]+)\/(.+)$/.exec(pathname)?.map(decodeURIComponent) ?? [];
	if (origin !== base || !id)
		throw modelError('not-found', model, `${model} is not a file of ${base}`);
	return { id, revision, file: file ?? path };
}

const CODES = { 404: 'not-found', 409: 'ambiguous', 422: 'not-runnable', 501: 'not-runnable',
	502: 'upstream', 504: 'upstream', 507: 'load-failed' };

function daemonError(status, message, { model, stream, retryAfter }) {
	if (model && CODES[status] && !(stream && status === 409))
		return modelError(CODES[status], model, message, status);
	const [Kind, code] = { 400: [LarderInputError, 'input'], 409: [LarderError, 'replaced'],
		503: [LarderBusy, 'busy'] }[status] ?? [LarderError];
	return new Kind(message, { code, status, ...status === 503 && { retryAfter } });
}

const asModel = ({ id, sha, runnable = false, siblings }) => {
	const files = siblings.map((f) => ({ path: f.rfilename, bytes: f.size, sha256: f.sha256 }));
	return { id, revision: sha, runnable, bytes: files.reduce((n, f) => n + f.bytes, 0), files };
};

function abortable(promise, signal) {
	let stop;
	return signal ? Promise.race([promise, new Promise((_, fail) => {
		stop = () => fail(signal.reason);
		signal.aborted ? stop() : signal.addEventListener('abort', stop);
	})]).finally(() => signal.removeEventListener('abort', stop)) : promise;
}

const either = (...signals) => AbortSignal.any(signals.filter(Boolean));
const hasGPU = async () => !!await globalThis.navigator?.gpu?.requestAdapter().catch(() => null);

// `own` in front of who runs a model: `now`, once its daemon is lost what move() gives
function movable(now, move, own) {
	let lost, moving;
	own = own(async (call) => {
		if (lost && move) {
			await (moving ??= move(lost).then((next) => { [now, move] = [next]; }, () => { lost = moving = null; }));
		}
		try {
			return await call(now);
		} catch (error) {
			lost = error?.reason === 'connection lost' ? error : lost;
			throw error;
		}
	});
	return new Proxy(own, { get: (_, key) => own[key] ?? (now[key]?.bind?.(now) ?? now[key]) });
}

// Identity, in 63 bytes: does a provider start at all, before anything is downloaded?
const TINY = 'CAdCAhANOjcKEAoBeBIBeSIISWRlbnRpdHkSAWdaDwoBeBIKCggIARIECgIIAWIPCgF5EgoKCAgBEgQKAggB';
const started = new WeakMap(), registered = new WeakMap(); // by InferenceSession

function start({ InferenceSession }, provider) {
	const known = started.get(InferenceSession) ?? {};
	started.set(InferenceSession, known);
	return known[JSON.stringify(provider)] ??= InferenceSession.create(Uint8Array.from(atob(TINY), (c) => c.charCodeAt()),
		{ executionProviders: [provider] }).then((session) => session.release());
}

export class Larder extends EventTarget {
	#closing = new AbortController();
	#paths = {}; // of models that the daemon ran: their files
	_reachable = true;

	constructor(url, version, onprogress) {
		super();
		Object.assign(this, { url, version });
		this.addEventListener('progress', (e) => onprogress?.(e.detail));
	}

	get ok() {
		return !this.#closing.signal.aborted;
	}

	close() {
		this.#closing.abort(new LarderError('this Larder was closed', { code: 'closed' }));
	}

	async models({ signal } = {}) {
		return (await this._json('/api/models?full=true', { signal })).map(asModel);
	}

	async describe(model, { file, signal } = {}) {
		const about = await this._json(this._route(model, file), { signal, model });
		const values = (list) => list.map((v) => ({ name: v.name, type: typeOf(v.datatype), dims: v.shape }));
		const { dim_names: dimNames = {}, ...what } = about.parameters;
		return { id: parseModel(model, this.url).id, ...what,
			inputs: values(about.inputs), outputs: values(about.outputs), dimNames };
	}

	async infer(model, feeds, { outputs, file, stream, signal } = {}) {
		const [body, length] = encode(feeds, outputs), HEAD = 'Inference-Header-Content-Length';
		const reply = await this.#call(this._route(model, file, '/infer'), { model, signal, stream, method: 'POST', priority: 'high', body,
			headers: { 'Content-Type': 'application/octet-stream', [HEAD]: length, ...stream && { 'X-Larder-Stream': stream } } });
		return decode(reply.body, reply.headers.get(HEAD) ?? reply.body.byteLength);
	}

	async createSession(ort, source, { fallback = 'auto', model = source, executionProviders, signal, ...rest } = {}) {
		const order = (executionProviders ?? [...await hasGPU() ? ['webgpu'] : [], 'larder', 'wasm'])
			.filter((p) => fallback === 'auto' || (p === 'larder') === (fallback === 'always'));
		const use = { ort, source, model, ...rest }, [first, left] = await this.#firstOf(order, use, signal);
		return movable(first, left.length && (async (error) => {
			this._moved(model, 'larder', left[0], error);
			return (await this.#firstOf(left, use))[0];
		}), (session) => ({
			run: (feeds, fetches, options) => session((it) => {
				// ORT's second argument: names, a map of outputs, or already the options
				const listed = Array.isArray(fetches);
				const names = listed ? fetches : it.outputNames.filter((n) => n in (fetches ?? {}));
				const { signal: stop, ...o } = options ?? (listed || names[0] ? {} : fetches ?? {});
				return abortable(it.run(feeds, names[0] ? names : it.outputNames, it.outputs ? { signal: stop } : o), stop);
			}),
		}));
	}

	// the model opened by the first provider that can, and the providers after it
	async #firstOf(order, { ort, source, model, file, batch, onprogress, ...rest }, signal) {
		const errors = [], stop = this._stop(signal), o = { file, batch, signal, onprogress };
		let files;
		for (const [i, provider] of order.entries()) {
			const backend = provider.name ?? provider;
			try {
				stop.throwIfAborted();
				if (backend === 'larder')
					return [await this._remote(ort, model, o), order.slice(i + 1)];
				await abortable(start(ort, provider), stop);
				const [bytes, externalData] = await (files ??= this.#onnx(source, o));
				const it = await abortable(ort.InferenceSession.create(bytes,
					{ ...externalData[0] && { externalData }, ...rest, executionProviders: [provider] }), stop);
				it.backend = backend;
				return [it, []];
			} catch (error) {
				stop.throwIfAborted();
				errors.push({ backend, error });
				if (i + 1 < order.length)
					this._moved(model, backend, order[i + 1], error);
			}
		}
		const last = errors.at(-1)?.error ?? 'no execution provider is left';
		throw Object.assign(last instanceof Error ? last : new LarderError(`${last}`), { errors });
	}

	// a model of the daemon at its revision of now, as a session of ORT
	async _remote(ort, model, { file, batch, signal, onprogress }) {
		if (model.buffer)
			model = await this.#more('byDigest', [model]);
		this._progress('load', model, 0, 1, onprogress);
		const { id, revision, inputs, outputs, dimNames, file: path } = await this.describe(model, { file, signal });
		this._progress('load', model, 1, 1, onprogress);
		this.#paths[`${id}@${parseModel(model, this.url).revision}`] = path;
		const infer = (feeds, o) => this.infer(`${id}@${revision}`, feeds, { ...o, file: path });
		const send = batch && inputs.every((i) => i.dims[0] === -1) ? await this.#more('batcher', [infer, batch]) : infer;
		let begun = 0, ended = 0, looking;
		const tell = () => this._progress('run', model, ended, begun, onprogress, path);
		const shape = ({ name, type, dims }) => ({ name, isTensor: true, type, shape: dims.map((d, i) => dimNames[name]?.[i] ?? d) });
		return {
			backend: 'larder', file: path, inputs, outputs, inputNames: inputs.map((i) => i.name), outputNames: outputs.map((o) => o.name),
			inputMetadata: inputs.map(shape), outputMetadata: outputs.map(shape), release: async () => {},
			run: async (feeds, names, { signal: stop } = {}) => {
				checkFeeds(inputs, feeds);
				begun++;
				tell();
				const late = setTimeout(() => (looking ??= this.#more('loading', [`${id}@${revision}`, path, onprogress, () => ended === begun])
					.catch(() => {}).finally(() => { looking = null; })), 100);
				const result = await send(feeds, { outputs: names, signal: stop }).finally(() => {
					clearTimeout(late);
					ended++;
					tell();
				});
				return ort ? mapped(result, ({ type, data, dims }) => new ort.Tensor(type, data, dims)) : result;
			},
		};
	}

	register(ort, { model } = {}) {
		const known = registered.get(ort.InferenceSession), at = Object.assign(known ?? {}, { larder: this, model });
		registered.set(ort.InferenceSession, at);
		known ?? ort.registerBackend('larder', {
			init: () => at.larder._json('/v2/health/ready', {}),
			createInferenceSessionHandler: async (source) => {
				const it = await at.larder._remote(ort, at.model ?? source, {}), skip = () => {};
				return { ...it, dispose: it.release, startProfiling: skip, endProfiling: skip,
					run: (feeds, fetches, o) => it.run(feeds, Object.keys(fetches), o) };
			},
		}, -1);
	}

	transformers({ env }, { fallback = 'auto', ort, onprogress } = {}) {
		const before = { ...env }, { InferenceSession: ORT = {} } = ort ?? {}, { create } = ORT;
		const restore = () => (ORT.create = create, Object.assign(env, before));
		if (!create && fallback === 'always')
			throw new TypeError("fallback 'always' needs ort, the module that transformers.js imports");
		Object.assign(env, { remoteHost: `${this.url}/`, remotePathTemplate: '{model}/resolve/{revision}/',
			allowLocalModels: false, allowRemoteModels: true });
		if (!create || fallback === 'never')
			return { restore };
		const mark = 'larder runs ', known = {}; // URL of a model file: whether the daemon runs it
		const runs = async (url) => fallback === 'always'
			|| (!await hasGPU() && this.describe(url).then(() => true, () => (delete known[url], false)));
		// stands for a weight file in the page; undefined: the file itself has to come
		const standIn = async (input) => {
			const [, url, data] = /^(.+\.onnx)(_data.*)?$/.exec(input) ?? [], text = data ?? mark + url;
			if (!url?.startsWith(this.url) || !await (known[url] ??= runs(url)))
				return undefined;
			env.useWasmCache = false; // or 27 MB of wasm come that nobody runs
			return new Response(text, { headers: { 'Content-Length': text.length } });
		};
		const cache = async () => (before.useCustomCache ? before.customCache
			: before.useBrowserCache && caches.open(env.cacheKey).catch(() => null));
		Object.assign(env, { useCustomCache: true,
			fetch: async (input, init) => await standIn(`${input.url ?? input}`) ?? before.fetch(input, init),
			customCache: {
				match: async (name) => await standIn(name) ?? (await cache())?.match?.(name),
				put: async (...args) => (await cache())?.put?.(...args),
			} });
		ORT.create = async (source, options, ...rest) => {
			const url = source.byteLength < 4096 ? textOf(source) : '';
			const { externalData, executionProviders, ...o } = options ?? {};
			if (url.startsWith(mark))
				return this.createSession(ort, url.slice(mark.length), { ...o, fallback, onprogress });
			// transformers.js names wasm unless the page names a device; { name } passes here untouched
			return `${executionProviders}` === 'wasm' && fallback === 'auto' && await hasGPU()
				? this.createSession(ort, source, { ...options, executionProviders: ['webgpu', { name: 'wasm' }] })
				: create.call(ORT, source, options, ...rest);
		};
		return { restore };
	}

	// what is seldom needed is in larder-more.js; a service worker imports it beforehand
	async #more(name, args) {
		const more = globalThis.larderMore ?? await import(`${this.url}/larder-more.js`);
		return more[name](this, { TYPES, elements, mapped, join, textOf, abortable, movable, hasGPU, LarderError, modelError }, ...args);
	}

	choose(...args) {
		return this.#more('choose', args);
	}

	loadGraphModel(...args) {
		return this.#more('loadGraphModel', args);
	}

	video(...args) {
		return this.#more('video', args);
	}

	_stop(signal) {
		return either(signal, this.#closing.signal);
	}

	#tell(type, detail) {
		this.dispatchEvent(new CustomEvent(type, { detail }));
	}

	_moved(model, from, to, error) {
		this.#tell('fallback', { model: label(model), from, to: to.name ?? to, error });
	}

	_progress(phase, model, loaded, total, onprogress, file) {
		const detail = { phase, model: label(model), file, loaded, total };
		this.#tell('progress', detail);
		onprogress?.(detail);
	}

	#url(id, revision, path) {
		return `${this.url}/${id}/resolve/${quote(revision)}/${path.split('/').map(quote).join('/')}`;
	}

	_route(model, given, rest = '') {
		const { id, revision, file } = parseModel(model, this.url, given);
		return `/v2/models/${quote(id)}${revision === 'main' ? '' : `/versions/${quote(revision)}`}${rest}`
			+ (file ? `?file=${quote(file)}` : '');
	}

	async _stored(model, given, signal) {
		if (/^\w+:|^[./]/.test(model) && !`${model}`.startsWith(`${this.url}/`))
			return { url: new URL(model, globalThis.location?.href) };
		const { id, revision, file } = parseModel(model, this.url, given);
		const known = file ?? this.#paths[`${id}@${revision}`];
		const { files } = await this._json(`/api/models/${id}/revision/${quote(revision)}?blobs=true`, { signal, model })
			.then(asModel, (error) => {
				if (!known || error.reason !== 'connection lost')
					throw error;
				return { files: [] };
			});
		// as the daemon chooses (daemon/runnable.h)
		const found = files.map((f) => f.path).filter((p) => /\.(onnx|tflite)$|(^|\/)model\.json$/.test(p));
		const path = file ?? (!files[0] ? known
			: found[1] ? ['model.onnx', 'onnx/model.onnx'].find((p) => found.includes(p)) : found[0]);
		if (!path)
			throw modelError(found[0] ? 'ambiguous' : 'not-runnable', model,
				`${model} has ${found[0] ? `several models, file must name one: ${found}` : 'no model file'}`);
		// all but other models and what is named after them
		const own = files.filter((f) => !found.some((p) => p !== path && f.path.startsWith(p)));
		return { bytes: own.reduce((n, f) => n + f.bytes, 0), url: this.#url(id, revision, path) };
	}

	async #onnx(source, o) {
		if (source.buffer)
			return [source, []];
		const { url } = await this._stored(source, o.file, o.signal), bytes = await this._download(url, o);
		// where an ONNX file keeps weights: its entries { key: "location", value: path }
		const found = new TextDecoder('latin1').decode(bytes).matchAll(/\n\x08location\x12([\x01-\x7f])/g);
		const paths = new Set(Array.from(found, ({ index: i, 1: size }) => textOf(bytes.subarray(i + 12, i + 12 + size.charCodeAt()))));
		return [bytes, await Promise.all(Array.from(paths, async (path) => (
			{ path, data: await this._download(new URL(path, url), o) })))];
	}

	// where nobody answers, what the browser's cache has will do
	async _download(from, { signal, onprogress }) {
		const url = `${from}`, stop = this._stop(signal);
		const ask = (cache) => fetch(url, { signal: stop, cache, credentials: url.startsWith(this.url) ? 'omit' : 'same-origin' });
		const lost = (cause) => {
			stop.throwIfAborted();
			throw new LarderUnavailable('connection lost', url, cause);
		};
		const reply = await ask('default').catch(() => ask('force-cache')).catch(lost);
		if (!reply.ok)
			throw daemonError(reply.status, `${url} answered ${reply.status}`, { model: url });
		const { headers } = reply, reader = reply.body.getReader();
		const total = +(headers.get('X-Linked-Size') ?? headers.get('Content-Length'));
		let all = new Uint8Array(total), loaded = 0, part;
		while ((part = (await reader.read().catch(lost)).value)) {
			const rest = all.subarray(loaded), had = all.subarray(0, loaded);
			rest.length < part.length ? all = join([had, part, had]) : rest.set(part);
			loaded += part.length;
			this._progress('download', url, loaded, Math.max(total, loaded), onprogress, url.split('/').pop());
		}
		return all.subarray(0, loaded);
	}

	async _json(path, options) {
		const { body } = await this.#call(path, options);
		try {
			return JSON.parse(textOf(body));
		} catch (error) {
			throw invalid(error);
		}
	}

	async #call(path, { model, signal, stream, ...init }) {
		const stop = this._stop(signal);
		for (let tries = 0; ; tries++) {
			stop.throwIfAborted();
			let reply, body, message;
			try {
				reply = await fetch(this.url + path, { credentials: 'omit', signal: stop, ...init });
				body = await reply.arrayBuffer();
			} catch (cause) {
				stop.throwIfAborted();
				throw this.#saw(new LarderUnavailable('connection lost', this.url, cause));
			}
			this.#saw();
			const { headers, status, ok } = reply, retryAfter = +headers.get('Retry-After') || 1;
			if (ok)
				return { headers, body };
			if (status === 503 && tries < 2) {
				await abortable(new Promise((done) => { setTimeout(done, retryAfter * 1000); }), stop);
				continue;
			}
			try {
				message = JSON.parse(textOf(body)).error;
			} catch { /* not JSON: the status has to do */ }
			throw daemonError(status, message ?? `the daemon answered ${status}`, { model, stream, retryAfter });
		}
	}

	#saw(error) {
		if (this._reachable === !!error)
			this.#tell(error ? 'unavailable' : 'available', { reason: error?.reason });
		this._reachable = !error;
		return error;
	}
}

export async function connect({ url = SERVED_BY, timeout = 2000, signal, onprogress } = {}) {
	url = new URL(url).origin;
	const page = globalThis.location, late = new AbortController(), stop = either(signal, late.signal);
	const ask = (init) => fetch(`${url}/healthz`, { credentials: 'omit', signal: stop, ...init });
	let timer, asked;
	// on loopback pages the permission says nothing
	for (const name of /^(localhost|127\.[\d.]+|\[::1\])$/.test(page?.hostname) ? [] : ['loopback-network', 'local-network-access'])
		asked ??= await globalThis.navigator?.permissions?.query({ name }).catch(() => null);
	const count = () => { timer ??= setTimeout(() => late.abort(), timeout); };
	if (asked?.state === 'prompt')
		asked.onchange = count; // the time begins when the prompt is answered
	else
		count();
	try {
		const about = await (await ask()).json().catch(() => stop.throwIfAborted());
		if (about?.server === 'larder')
			return new Larder(url, about.version, onprogress);
		throw new LarderUnavailable('not a larder', url);
	} catch (cause) {
		signal?.throwIfAborted();
		if (cause instanceof LarderError)
			throw cause;
		const there = late.signal.aborted || await ask({ mode: 'no-cors' }).then(() => true, () => false);
		signal?.throwIfAborted();
		const safari = !asked && page?.protocol === 'https:' && /^((?!chrom|android).)*safari/i.test(navigator.userAgent);
		throw new LarderUnavailable(late.signal.aborted ? 'timeout' : there ? 'origin not allowed'
			: asked?.state === 'denied' || safari ? 'blocked by browser' : 'not running', url, cause);
	} finally {
		clearTimeout(timer);
	}
}
