// SPDX-License-Identifier: MIT
//
// The camera page: frames of the camera, or of the bundled clip, to a picture model on the daemon.
// The sample model takes one channel of 28 × 28, which this page makes; every other model takes what
// the daemon makes of the frame.

import { connect } from '/larder.js';
import { $, notice } from '/demo/page.js';

const video = $('video');

// --- what is said about a frame -------------------------------------------------------------------

function newRow() {
  const row = document.createElement('li');
  row.append(document.createElement('span'), document.createElement('span'),
    Object.assign(document.createElement('meter'), { min: 0, max: 1 }));
  return row;
}

let labels = [];
let seen = [];

function show(scores) {
  const total = scores.reduce((a, b) => a + b, 0);
  const sums = Math.abs(total - 1) < 0.01 && scores.every((p) => p >= 0);
  const top = Math.max(...scores);
  const exp = sums ? scores : scores.map((v) => Math.exp(v - top));
  const all = exp.reduce((a, b) => a + b, 0);
  const best = Array.from(exp, (p, i) => [p / all, labels[i] ?? `class ${i}`])
    .sort((a, b) => b[0] - a[0]).slice(0, 5);
  const verdict = best[0][0] > 0.5 ? best[0][1] : `perhaps ${best[0][1]}`;
  if ($('verdict').textContent !== verdict)
    $('verdict').textContent = verdict;
  best.forEach(([p, label], i) => {
    const row = $('bars').children[i] ?? $('bars').appendChild(newRow());
    row.children[0].textContent = label;
    row.children[1].textContent = `${Math.round(p * 100)} %`;
    row.children[2].value = p;
  });
  while ($('bars').children.length > best.length)
    $('bars').lastElementChild.remove();
  const now = performance.now();
  seen = [...seen.filter((t) => now - t < 2000), now];
  $('rate').textContent = seen.length > 2
    ? `${((seen.length - 1) / (now - seen[0]) * 1000).toFixed(0)} frames a second` : '';
}

// --- models ---------------------------------------------------------------------------------------

const larder = await connect().catch((error) => {
  notice('The daemon does not answer.', error.message);
  throw error;
});

/** Whether a model takes one picture and gives one row of scores; and how. */
async function look({ id, files }) {
  const { inputs, outputs } = await larder.describe(id);
  const [{ name, dims, type }] = inputs;
  if (inputs.length !== 1 || dims.length !== 4 || outputs.length !== 1 || type !== 'float32')
    return null;
  const gray = dims[1] === 1;
  const [height, width] = dims[3] === 3 ? dims.slice(1, 3) : dims.slice(2);
  if (!gray && dims[1] !== 3 && dims[3] !== 3)
    return null;
  const has = (path) => files.some((f) => f.path === path);
  const transform = has('preprocessor_config.json') ? true : {
    size: { width: width > 0 ? width : 224, height: height > 0 ? height : 224 }, do_rescale: true,
    rescale_factor: 1 / 127.5, do_normalize: true, image_mean: [1, 1, 1], image_std: [1, 1, 1] };
  const read = async (path) => (await fetch(`/${id}/resolve/main/${path}`)).text();
  const words = has('config.json') ? Object.values(JSON.parse(await read('config.json')).id2label ?? {})
    : has('labels.txt') ? (await read('labels.txt')).split('\n').map((l) => l.replace(/^\d+ /, '')) : [];
  return { id, name, gray, width, height, transform, labels: words };
}

const usable = new Map();
for (const model of await larder.models()) {
  const found = model.runnable ? await look(model).catch(() => null) : null;
  if (found) {
    usable.set(model.id, found);
    $('model').append(new Option(model.id));
  }
}
if (!usable.size)
  notice('No stored model takes pictures.', 'larderctl import --name my-classifier FOLDER');

// --- running --------------------------------------------------------------------------------------

let running = null;

/** The sample model: ink becomes bright on black, the middle of the frame 28 × 28. */
function watchGray({ id, name, width, height }) {
  const pen = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  let stopped = false, busy = false, handle;
  const tick = async () => {
    if (stopped)
      return;
    handle = video.requestVideoFrameCallback(tick);
    if (busy)
      return;
    busy = true;
    const side = Math.min(video.videoWidth, video.videoHeight);
    pen.drawImage(video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side, 0, 0, width, height);
    const { data } = pen.getImageData(0, 0, width, height);
    const light = Float32Array.from({ length: width * height }, (_, i) => (data[4 * i] + data[4 * i + 1] + data[4 * i + 2]) / 765);
    const sorted = light.toSorted(), paper = sorted[Math.floor(sorted.length * 0.7)];
    const ink = light.map((v) => Math.min(1, Math.max(0, (paper - v - 0.08) / Math.max(0.2, paper - sorted[0] - 0.1))));
    if (Math.max(...ink) < 0.5) { // blank paper
      $('verdict').textContent = 'Nothing to read.';
      $('bars').replaceChildren();
      busy = false;
      return;
    }
    try {
      const out = await larder.infer(id, { [name]: { type: 'float32', dims: [1, 1, height, width], data: ink } });
      show([...Object.values(out)[0].data]);
    } catch (error) {
      notice('The daemon did not answer.', error.message);
    }
    busy = false;
  };
  handle = video.requestVideoFrameCallback(tick);
  return { stop: () => {
    stopped = true;
    video.cancelVideoFrameCallback(handle);
  } };
}

async function watch() {
  running?.stop();
  const model = usable.get($('model').value);
  if (!model)
    return;
  labels = model.gray ? Array.from({ length: 10 }, (_, i) => `the digit ${i}`) : model.labels;
  seen = [];
  notice('');
  running = model.gray ? watchGray(model) : await larder.video(video, model.id, {
    transform: model.transform, onresult: (out) => show([...Object.values(out)[0].data]),
    onerror: (error) => notice('The daemon did not answer.', error.message) });
}

async function playClip(why = '') {
  video.srcObject?.getTracks().forEach((t) => t.stop());
  video.srcObject = null;
  video.src = '/demo/clip.webm';
  await video.play();
  $('source').textContent = `The bundled clip${why}.`;
  await watch();
}

async function playCamera() {
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
    await video.play();
    $('source').textContent = 'The camera.';
    await watch();
  } catch (error) {
    await playClip(`: ${error.name === 'NotAllowedError' ? 'the camera is not allowed' : 'there is no camera'}`);
  }
}

$('camera').addEventListener('click', playCamera);
$('clip').addEventListener('click', () => playClip());
$('model').addEventListener('change', watch);
const devices = await navigator.mediaDevices?.enumerateDevices().catch(() => []) ?? [];
await playClip(devices.some((d) => d.kind === 'videoinput') ? '' : ': there is no camera');
