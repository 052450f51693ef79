// SPDX-License-Identifier: MIT
//
// The page's side of the browser tests, served by every site as /in_page.mjs: what a test's page.evaluate() finds
// at window. Imports nothing.

/** What a promise rejects with, as plain data. */
export const failure = (promise) => promise.then(() => 'no failure', (e) => ({
  ...e, name: e.name, message: e.message, cause: e.cause?.name, larder: e instanceof window.module.LarderError,
  errors: e.errors?.map(({ backend, error }) => ({ backend, name: error.name, code: error.code, reason: error.reason })),
}));

/** Tensors of ONNX Runtime as plain data. */
export const plain = (tensors) => Object.fromEntries(Object.entries(tensors).map(([name, t]) => [name, {
  type: t.type, dims: [...t.dims], kind: t.data.constructor.name, tensor: t instanceof (window.ort?.Tensor ?? Object),
  data: Array.from(t.data, t.type === 'string' ? String : Number) }]));

/** 28 × 28 pictures as the feeds of the sample model. */
export const digit = (images) => ({ image: new window.ort.Tensor('float32',
  Float32Array.from(images.flat()), [images.length, 1, 28, 28]) });

/** A canvas whose picture moves 30 times a second, and the timer that moves it. */
export function moving() {
  const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 240 });
  document.body.append(canvas);
  const pen = canvas.getContext('2d');
  let drawn = 0;
  const draw = () => {
    pen.fillStyle = `hsl(${drawn * 4} 70% 50%)`;
    pen.fillRect(0, 0, 320, 240);
    pen.fillStyle = 'white';
    pen.fillRect(drawn++ * 3 % 300, 90, 40, 60);
  };
  draw();
  return { canvas, beat: setInterval(draw, 1000 / 30) };
}

/** window.module, .larder, .events, the helpers above, and .ort where its URL is given. */
export async function ready({ url, ort, threads = 1, module = `${url}/larder.js` }) {
  if (ort) {
    window.ort = await import(ort);
    window.ort.env.wasm.wasmPaths = `${location.origin}/ort/`;
    window.ort.env.wasm.numThreads = threads;
    window.ort.env.logLevel = 'fatal';
  }
  Object.assign(window, { failure, plain, digit, events: [], module: await import(module) });
  window.larder = await window.module.connect({ url });
  for (const type of ['progress', 'fallback', 'unavailable', 'available']) {
    window.larder.addEventListener(type, ({ detail }) => window.events.push({ type, ...detail,
      error: detail.error && { name: detail.error.name, code: detail.error.code, message: detail.error.message } }));
  }
}
