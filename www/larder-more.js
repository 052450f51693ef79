// SPDX-License-Identifier: MIT
//
// What larder.js loads when it is first asked for: the choice of a backend, TensorFlow.js, video, batches, models by
// their bytes. A service worker, which cannot load anything later, imports this file before larder.js is asked.
// Every function here takes the Larder and `lib`, what it may use of larder.js.

globalThis.larderMore = { choose, loadGraphModel, video, batcher, loading, byDigest };

// ---- what is remembered ----

/** Keeps or finds what JSON can say: in localStorage, in workers in IndexedDB, nowhere if there is neither. */
async function remember(key, object) {
	try {
		const store = globalThis.localStorage, value = object && JSON.stringify(object);
		if (store)
			return value ? store.setItem(key, value) : JSON.parse(store.getItem(key));
		return JSON.parse(await new Promise((done, fail) => {
			const open = indexedDB.open('larder');
			open.onupgradeneeded = () => open.result.createObjectStore('kept');
			open.onerror = fail;
			open.onsuccess = () => {
				const kept = open.result.transaction('kept', 'readwrite').objectStore('kept');
				const asked = value ? kept.put(value, key) : kept.get(key);
				asked.onsuccess = () => {
					open.result.close();
					done(value ? null : asked.result);
				};
				asked.onerror = fail;
			};
		}) ?? null);
	} catch {
		return null; // a page without storage measures again
	}
}

// ---- the choice ----

export async function choose(larder, lib, options) {
	const { model, file, ort, tf, budgetMs, memoryBudgetBytes, fresh, signal, onprogress } = options;
	const key = `larder ${[larder.version, model, file, budgetMs, memoryBudgetBytes, !!ort, !!tf]}`;
	const kept = !fresh && await remember(key);
	if (kept && (larder._reachable || kept.backend !== 'larder'))
		return { ...kept, remembered: true };

	const { bytes } = memoryBudgetBytes ? await larder._stored(model, file, signal) : {};
	const large = bytes > memoryBudgetBytes;
	const has = (name) => tf?.findBackendFactory(name);
	const can = { webgpu: await lib.hasGPU() && (ort || has('webgpu')), webgl: has('webgl'), larder: true,
		wasm: ort || has('wasm') };
	const order = Object.keys(can).filter((b) => b === 'larder' || (can[b] && !large));
	const tell = (n) => larder._progress('measure', model, n, order.length, onprogress);
	const measured = {};
	let last;
	for (const [i, backend] of order.entries()) {
		tell(i);
		try {
			measured[backend] = await measure(larder, lib, backend, { model, file, ort, tf, signal });
		} catch (error) {
			last = error;
		}
		larder._stop(signal).throwIfAborted();
	}
	tell(order.length);

	const ran = Object.keys(measured), ms = (b) => measured[b].run_ms;
	if (!ran.length)
		throw last;
	const fits = ran.find((b) => ms(b) <= budgetMs);
	const backend = fits ?? ran.toSorted((a, b) => ms(a) - ms(b))[0];
	const reason = (large ? `${bytes} bytes of weights exceed the memory budget of ${memoryBudgetBytes}; ` : '')
		+ `${backend} takes ${ms(backend).toFixed(1)} ms, `
		+ (fits ? `within the budget of ${budgetMs} ms` : `the least of ${ran.join(', ')}`
			+ (budgetMs ? `; none meets the budget of ${budgetMs} ms` : ''));
	await remember(key, { backend, reason, measured });
	return { backend, reason, measured, remembered: false };
}

/** One backend, from nothing to its first answer, and the best of three after that. */
async function measure(larder, lib, backend, { model, file, ort, tf, signal }) {
	const graph = tf && backend !== 'larder', was = tf?.getBackend(), times = [];
	const one = (dims) => dims.map((d) => (d > 0 ? d : 1));
	let from = performance.now(), run, it;
	if (graph) {
		await tf.setBackend(backend);
		it = await loadGraphModel(larder, lib, tf, model, { file, signal, fallback: 'never' });
		const x = it.inputs.map((i) => tf.zeros(one(i.shape), i.dtype));
		run = async () => [await it.predictAsync(x.length > 1 ? x : x[0])].flat()[0].data();
	} else {
		it = await larder.createSession(ort, model, { file, signal, executionProviders: [backend] });
		const x = Object.fromEntries(it.inputMetadata.map(({ name, type, shape }) => {
			const dims = one(shape), n = lib.elements(dims);
			const data = type === 'string' ? Array(n).fill('') : new lib.TYPES[type][1](n);
			return [name, ort ? new ort.Tensor(type, data, dims) : { type, dims, data }];
		}));
		run = () => it.run(x, { signal });
	}
	try {
		await run();
		const load_ms = performance.now() - from;
		for (let round = 0; round < 3; round++) { // of a millisecond or more: pages have coarse clocks
			let n = 0, ms;
			from = performance.now();
			do {
				await run();
				n++;
			} while ((ms = performance.now() - from) < 1);
			times.push(ms / n);
		}
		return { load_ms, run_ms: Math.min(...times) };
	} finally {
		await (graph ? (it.dispose(), tf.setBackend(was)) : it.release());
	}
}

// ---- models by their bytes ----

/** The URL of the stored file that has these bytes. */
export async function byDigest(larder, lib, bytes) {
	const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
	const sha256 = Array.from(hash, (b) => b.toString(16).padStart(2, 0)).join('');
	for (const { id, files } of await larder.models()) {
		const file = files.find((f) => f.sha256 === sha256);
		if (file)
			return (await larder._stored(id, file.path)).url;
	}
	throw lib.modelError('not-found', sha256, `no stored file has the digest ${sha256}; say which model`);
}

// ---- runs ----

/** Runs that begin within one frame become one request of all their rows. */
export function batcher(larder, { TYPES, mapped, join, abortable, LarderError }, infer, { frameMs = 16, max = 16 }) {
	const frames = {};
	const send = async (key) => {
		const { runs: all, outputs, timer } = frames[key], runs = all.filter((r) => !r.signal?.aborted);
		delete frames[key];
		clearTimeout(timer);
		const total = runs.reduce((n, r) => n + r.rows, 0);
		try {
			const results = total && await infer(mapped(runs[0].feeds, ({ type, dims }, name) => ({ type,
				dims: [total, ...dims.slice(1)], data: join(runs.map((r) => r.feeds[name].data), TYPES[type][1]) })), { outputs });
			runs.reduce((at, { rows, done }) => {
				done(mapped(results, ({ type, dims: [n, ...dims], data }, name) => {
					if (n !== total)
						throw new LarderError(`output "${name}" has ${n} rows for ${total}`);
					const row = data.length / n;
					return { type, dims: [rows, ...dims], data: data.slice(at * row, (at + rows) * row) };
				}));
				return at + rows;
			}, 0);
		} catch (error) {
			runs.forEach((r) => r.fail(error));
		}
	};
	return (given, { outputs, signal }) => {
		const feeds = mapped(given, ({ type, dims, data }) => ({ type, dims, data: data.slice() }));
		const [rows, ...odd] = new Set(Object.values(feeds).map((f) => f.dims[0]));
		if (odd.length)
			return infer(given, { outputs, signal });
		const key = JSON.stringify([outputs, mapped(feeds, (f) => [f.type, f.dims.slice(1)])]);
		const { runs } = frames[key] ??= { runs: [], outputs, timer: setTimeout(send, frameMs, key) };
		return abortable(new Promise((done, fail) => {
			if (runs.push({ feeds, rows, done, fail, signal }) >= max)
				send(key);
		}), signal);
	};
}

/** Tells how far a model is that the daemon has to load before it can answer. */
export async function loading(larder, lib, model, file, onprogress, over) {
	const ask = `${larder._route(model, file, '/ready')}&wait=no`;
	for (let total = 0; ; await new Promise((done) => { setTimeout(done, 100); })) {
		const now = over() ? {} : await larder._json(ask, {});
		const told = now.state === 'LOADING';
		total = Math.max(total, now.bytes_total ?? 0);
		if (total)
			larder._progress('load', model, told ? now.bytes_done : total, total, onprogress, file);
		if (!told)
			return;
	}
}

// ---- TensorFlow.js ----

const tfType = (type) => (/^(bool|string)$/.test(type) ? type : /^float/.test(type) ? 'float32' : 'int32');

export async function loadGraphModel(larder, lib, tf, source, options = {}) {
	const { fallback = 'auto', model = source, file, signal, onprogress, ...rest } = options;
	const o = { file, signal, onprogress };
	await tf.ready();

	const page = async (error) => {
		if (error)
			larder._moved(model, 'larder', tf.getBackend(), error);
		const [json, data] = await filesOf(larder, lib, source, o);
		const load = () => tf.io.getModelArtifactsForJSON(json, () => [
			json.weightsManifest.flatMap((g) => g.weights), data]);
		const it = await (json.modelTopology.node ? tf.loadGraphModel : tf.loadLayersModel)({ load }, rest);
		const predict = async (x, config) => (it.predictAsync ?? it.predict).call(it, x, config);
		return { backend: tf.getBackend(), inputs: it.inputs, outputs: it.outputs, dispose: () => it.dispose(),
			predict: (x, config) => it.predict(x, config), predictAsync: predict,
			executeAsync: (x, names) => (it.executeAsync ? it.executeAsync(x, names) : predict(x)) };
	};
	const remote = async (error) => {
		if (error)
			larder._moved(model, tf.getBackend(), 'larder', error);
		const it = await larder._remote(null, model, o);
		let known;
		const keys = () => (known ??= keysOf(larder, lib, it, model, o).catch((why) => {
			known = null;
			throw why;
		}));
		const info = ({ name, type, dims }) => ({ name, dtype: tfType(type), shape: dims });
		const run = (x, names, stop) => runTensors(lib, tf, it, x, names, stop);
		return { backend: 'larder', inputs: it.inputs.map(info), outputs: it.outputs.map(info), dispose() {},
			executeAsync: (x, names, config) => run(x, names, config?.signal),
			async predictAsync(x, config) {
				const [out, names] = await Promise.all([run(x, undefined, config?.signal), keys()]);
				return names ? Object.fromEntries([out].flat().map((t, i) => [names[i], t])) : out;
			}, predict() {
				throw new lib.LarderError('what the daemon runs cannot be synchronous: use predictAsync',
					{ code: 'sync' });
			} };
	};

	const order = fallback === 'never' ? [page] : fallback === 'always' ? [remote]
		: /^web/.test(tf.getBackend()) ? [page, remote] : [remote, page];
	let first, failed;
	for (const open of order) {
		first ??= await open(failed).catch((error) => { failed = error; });
		larder._stop(signal).throwIfAborted();
	}
	if (!first)
		throw failed;
	return lib.movable(first, fallback === 'auto' && page, (graph) => {
		const run = (what, stop) => lib.abortable(graph(what), stop);
		return { predictAsync: (x, config) => run((it) => it.predictAsync(x, config), config?.signal),
			executeAsync: (x, names, config) => run((it) => it.executeAsync(x, names, config), config?.signal) };
	});
}

/** What a graph model calls its outputs, if it has more to say than their order. */
async function keysOf(larder, lib, { file }, model, o) {
	if (!/\.json$/.test(file))
		return null;
	const { url } = await larder._stored(model, file, o.signal);
	return JSON.parse(lib.textOf(await larder._download(url, o))).userDefinedMetadata?.structuredOutputKeys;
}

/** model.json, and its weights in one buffer. */
async function filesOf(larder, lib, source, o) {
	const { url } = await larder._stored(source, o.file, o.signal);
	if (!/\.json$/.test(url))
		throw lib.modelError('not-runnable', source, `${url} is not a TensorFlow.js model, file must name one`);
	const json = JSON.parse(lib.textOf(await larder._download(url, o)));
	return [json, lib.join(await Promise.all(json.weightsManifest.flatMap((g) => g.paths)
		.map((path) => larder._download(new URL(path, url), o)))).buffer];
}

/** tf.Tensors in and out of a model on the daemon. */
async function runTensors(lib, tf, { inputs, outputNames, run }, x, wanted, signal) {
	const listed = x instanceof tf.Tensor || Array.isArray(x), plain = (name) => name.replace(/:0$/, '');
	const feeds = {};
	for (const [key, t] of Object.entries(listed ? [x].flat() : x)) {
		const name = listed ? inputs[key]?.name ?? key : inputs.find((i) => i.name === key)?.name ?? plain(key);
		const type = inputs.find((i) => i.name === name)?.type ?? t.dtype, [, Kind] = lib.TYPES[type];
		const data = await t.data();
		feeds[name] = { type, dims: t.shape,
			data: data instanceof Kind ? data : Kind.from(data, /int64/.test(type) ? BigInt : undefined) };
	}
	const order = wanted?.length ? [wanted].flat().map((n) => (outputNames.includes(n) ? n : plain(n))) : outputNames;
	const result = await run(feeds, order, { signal });
	const out = order.map((name) => {
		const { type, dims, data } = result[name];
		return tf.tensor(/int64/.test(type) ? Int32Array.from(data, Number) : data, dims, tfType(type));
	});
	return out.length > 1 ? out : out[0];
}

// ---- video ----

/**
 * Frames of a <video> or canvas through a model on the daemon. They leave the page's thread as they
 * are (VideoFrame, transferred) and become pixels in a worker; the daemon resizes and scales them. At
 * most `inFlight` are under way, of those that wait the newest is sent, results come in order.
 */
export async function video(larder, lib, source, model, options = {}) {
	const { input, transform = true, file, outputs, maxSide = 640, inFlight = 2, fps = 30, signal,
		onresult = () => {}, onerror = () => {} } = options;
	const about = await larder.describe(model, { file, signal }), over = larder._stop(signal);
	const job = { url: larder.url, model: `${about.id}@${about.revision}`, file: about.file, outputs, transform,
		input: input ?? about.inputs[0].name, maxSide, inFlight, stream: crypto.randomUUID() };
	const count = { sent: 0, answered: 0, dropped: 0 };
	let newest = -1, stopped = false, handle;

	const heard = ({ id, result, error, dropped }) => {
		if (dropped || (result && id < newest)) {
			count.dropped++;
		} else if (result) {
			count.answered++;
			newest = id;
			onresult(result, { id });
		} else if (!stopped) {
			onerror(Object.assign(new lib.LarderError(error.message, error), { name: error.name }));
		}
	};
	const worker = await startWorker(job, heard, frameOf(source));
	const isVideo = typeof source.requestVideoFrameCallback === 'function';
	const next = () => {
		handle = isVideo ? source.requestVideoFrameCallback(tick) : requestAnimationFrame(tick);
	};
	let due = 0;
	function tick(now) {
		if (stopped)
			return;
		next();
		if (!isVideo && now < due)
			return;
		due = Math.max(due + 1000 / fps, now - 1000 / fps);
		const frame = frameOf(source);
		if (frame)
			worker.postMessage({ id: count.sent++, frame }, [frame]);
	}
	const stop = () => {
		stopped = true;
		if (isVideo)
			source.cancelVideoFrameCallback(handle);
		else
			cancelAnimationFrame(handle);
		worker.terminate();
	};
	next();
	over.addEventListener('abort', stop, { once: true });
	if (over.aborted)
		stop();
	over.throwIfAborted();
	return { stop, get count() { return { ...count }; } };
}

/** What is to be seen now; null before a video has a picture. */
function frameOf(source) {
	try {
		return new VideoFrame(source, { timestamp: Math.round(performance.now() * 1000) });
	} catch (error) {
		if (error.name === 'InvalidStateError')
			return null;
		throw error; // a picture of another origin, which nobody may read
	}
}

/** A module worker that runs frames(); where the page's policy allows none, the page itself. */
async function startWorker(job, heard, frame) {
	const code = `import { frames } from '${job.url}/larder-more.js'; frames(self);`;
	const blob = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }));
	try {
		const worker = new Worker(blob, { type: 'module' });
		await new Promise((ready, fail) => {
			worker.onmessage = ready;
			worker.onerror = (e) => fail(new Error(e.message ?? 'the page allows no such worker'));
			worker.postMessage({ job, frame: frame?.clone() });
		});
		worker.onmessage = ({ data }) => heard(data);
		return worker;
	} catch {
		const { port1, port2 } = new MessageChannel();
		frames(port1);
		port1.start();
		await new Promise((ready) => {
			port2.onmessage = ready;
			port2.postMessage({ job, frame: frame?.clone() });
		});
		port2.onmessage = ({ data }) => heard(data);
		return { postMessage: (...args) => port2.postMessage(...args), terminate: () => port2.close() };
	} finally {
		frame?.close();
		URL.revokeObjectURL(blob);
	}
}

const WARM = 8;

/** The worker's side: { job, frame } first, answered when all is warm, then { id, frame }. */
export function frames(port) {
	let larder, job, waiting = null, busy = 0;
	const run = async (frame) => larder.infer(job.model, {
		[job.input]: { ...await pixels(frame, job.maxSide), transform: job.transform } },
	{ file: job.file, outputs: job.outputs, stream: job.stream });
	const next = async () => {
		if (!waiting || busy >= job.inFlight)
			return;
		const { id, frame } = waiting;
		waiting = null;
		busy++;
		try {
			const result = await run(frame);
			port.postMessage({ id, result }, Object.values(result).map((t) => t.data.buffer).filter(Boolean));
		} catch (error) {
			const { code, reason, name, message } = error;
			port.postMessage(code === 'replaced' ? { id, dropped: true } : { id, error: { code, reason, name, message } });
		}
		busy--;
		next();
	};
	port.onmessage = async ({ data }) => {
		if (data.job) {
			job = data.job;
			const { connect } = await import(`${job.url}/larder.js`);
			larder = await connect({ url: job.url });
			// the first runs are slow, here and in the daemon: their frames would be lost
			for (let i = 0, from = 0; data.frame && i < WARM && performance.now() - from > 1000 / 30; i++) {
				from = performance.now();
				await run(data.frame.clone()).catch(() => {});
			}
			data.frame?.close();
			port.postMessage({});
			return;
		}
		if (waiting) {
			waiting.frame.close();
			port.postMessage({ id: waiting.id, dropped: true });
		}
		waiting = data;
		next();
	};
}

let canvas;

/** A frame's RGBA bytes, made smaller where its longer side exceeds `maxSide`. Closes the frame. */
async function pixels(frame, maxSide) {
	const { displayWidth, displayHeight } = frame;
	const scale = Math.min(1, maxSide / Math.max(displayWidth, displayHeight));
	const width = Math.round(displayWidth * scale), height = Math.round(displayHeight * scale);
	canvas ??= new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
	if (canvas.canvas.width !== width || canvas.canvas.height !== height)
		Object.assign(canvas.canvas, { width, height });
	canvas.drawImage(frame, 0, 0, width, height);
	frame.close();
	return { type: 'uint8', dims: [height, width, 4], data: canvas.getImageData(0, 0, width, height).data };
}
