// SPDX-License-Identifier: MIT
//
// The demo page: strokes from the pad -> 28 x 28 picture -> the daemon -> bars. At most one request
// is under way; while it is, only the newest drawing waits.

import { connect, LarderModelError, LarderUnavailable } from '/larder.js';
import { $, notice } from '/demo/page.js';
import { Pad } from '/demo/pad.js';
import { frame, rasterise, SIDE } from '/demo/raster.js';

const MODEL = 'digits';
const pad = new Pad($('pad'));
const bars = Array.from({ length: 10 }, (_, digit) => makeBar(digit));

let larder = null;
let busy = false;
let waiting = false;
let shown = null; // the digit on display
let answers = 0;
const trips = [];

// --- the answer ---------------------------------------------------------------------------------

function makeBar(digit) {
  const item = document.createElement('li');
  const [share, column, fill, name] = ['share', 'column', 'fill', 'name'].map((kind) => {
    const part = document.createElement('span');
    part.className = kind;
    return part;
  });
  name.textContent = digit;
  column.append(fill);
  item.append(share, column, name);
  $('bars').append(item);
  return { item, share, fill };
}

function words(best, sure, next) {
  if (sure > 0.97)
    return `That is a ${best}.`;
  if (sure > 0.85)
    return `A ${best}, most likely.`;
  if (sure > 0.6)
    return `Looks like a ${best}.`;
  return `Perhaps a ${best}, perhaps a ${next}.`;
}

function showAnswer(probabilities) {
  const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
  const [best, next] = order;
  const sure = probabilities[best];
  bars.forEach(({ item, share, fill }, digit) => {
    const p = probabilities[digit];
    fill.style.setProperty('--p', p);
    share.textContent = p >= 0.005 ? `${p < 0.999 ? Math.min(99, Math.round(p * 100)) : 100} %` : '';
    item.classList.toggle('best', digit === best);
    item.setAttribute('aria-label', `${digit}: ${(p * 100).toFixed(1)} %`);
  });
  const digit = $('digit');
  digit.classList.remove('none');
  digit.classList.toggle('unsure', sure < 0.6);
  if (shown !== best) {
    shown = best;
    digit.textContent = best;
    digit.classList.remove('pop');
    void digit.offsetWidth; // starts the animation again
    digit.classList.add('pop');
  }
  setText('words', words(best, sure, next));
  const percent = (p) => (p > 0.999 ? '> 99.9' : (p * 100).toFixed(1));
  setText('second', sure > 0.995 ? `${percent(sure)} % sure`
    : `${percent(sure)} % sure · then ${next} with ${percent(probabilities[next])} %`);
}

function showNothing() {
  shown = null;
  $('digit').textContent = '?';
  $('digit').className = 'digit none';
  setText('words', 'Nothing to read yet.');
  setText('second', 'Draw on the sheet, or let the page do it.');
  for (const { item, share, fill } of bars) {
    fill.style.setProperty('--p', 0);
    share.textContent = '';
    item.classList.remove('best');
    item.removeAttribute('aria-label');
  }
  showPicture(new Float32Array(SIDE * SIDE));
}

/** Text is only touched when it changes: screen readers announce every change. */
function setText(id, text) {
  if ($(id).textContent !== text)
    $(id).textContent = text;
}

function showPicture(picture) {
  const context = $('seen').getContext('2d');
  const pixels = context.createImageData(SIDE, SIDE);
  picture.forEach((v, i) => {
    const grey = Math.round(14 + v * 238);
    pixels.data.set([grey, Math.round(grey * 0.97), Math.round(grey * 0.92), 255], i * 4);
  });
  context.putImageData(pixels, 0, 0);
}

/** Request to last byte, as the browser saw it; the daemon adds how long the model took. */
function showTimes(ms, compute) {
  answers++;
  trips.push(ms);
  if (trips.length > 60)
    trips.shift();
  setText('trip', ms.toFixed(1));
  setText('count', String(answers));
  if (compute) {
    $('computeRow').hidden = false;
    setText('compute', compute.duration.toFixed(2));
  }
  const top = Math.max(4, ...trips);
  const points = trips.map((t, i) => `${i * 2 + 120 - trips.length * 2} ${(27 - t / top * 25).toFixed(1)}`);
  $('trace').firstElementChild.setAttribute('d', points.length > 1 ? `M${points.join('L')}` : '');
}

function watchTimes() {
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (!entry.name.endsWith(`/v2/models/${MODEL}/infer`) || entry.responseStatus >= 400)
        continue;
      showTimes(entry.responseEnd - entry.startTime,
        entry.serverTiming?.find((t) => /infer|compute|run/.test(t.name)));
    }
  }).observe({ type: 'resource', buffered: true });
}

// --- asking the daemon --------------------------------------------------------------------------

async function read() {
  if (!pad.strokes.some((s) => s.length))
    return showNothing();
  if (busy) {
    waiting = true;
    return undefined;
  }
  busy = true;
  try {
    do {
      waiting = false;
      const picture = rasterise(frame(pad.strokes.filter((s) => s.length)));
      showPicture(picture);
      larder ??= await connect();
      const { probabilities } = await larder.infer(MODEL, {
        image: { type: 'float32', dims: [1, 1, SIDE, SIDE], data: picture },
      });
      complain(null);
      if (pad.strokes.length)
        showAnswer(probabilities.data);
      else
        showNothing();
    } while (waiting && pad.strokes.length);
  } catch (error) {
    complain(error);
  } finally {
    busy = false;
  }
  return undefined;
}

/** What went wrong, and what to do; null: nothing. */
function complain(error) {
  if (error === null) {
    notice('');
  } else if (error instanceof LarderUnavailable) {
    larder = null;
    notice('The daemon does not answer.', `${error.message}. Draw again once it runs.`);
  } else if (error instanceof LarderModelError && error.code === 'not-found') {
    notice('The sample model is not in the store.', 'Start the daemon with larderd --sample, then draw again.');
  } else {
    notice('That did not work.', error.message);
  }
}

// --- controls -----------------------------------------------------------------------------------

let shapes = null;
let last = -1;

async function playDigit(digit) {
  shapes ??= fetch('/demo/strokes.json').then((reply) => {
    if (!reply.ok)
      throw new Error(`/demo/strokes.json answered ${reply.status}`);
    return reply.json();
  }, (cause) => {
    throw new LarderUnavailable('connection lost', location.origin, { cause });
  });
  try {
    const ways = (await shapes)[digit];
    last = digit;
    await pad.play(ways[Math.floor(Math.random() * ways.length)]);
  } catch (error) {
    shapes = null;
    complain(error);
  }
}

function playAny() {
  let digit;
  do digit = Math.floor(Math.random() * 10); while (digit === last);
  return playDigit(digit);
}

pad.addEventListener('change', () => {
  $('hint').classList.toggle('gone', pad.strokes.length > 0);
  read();
});
$('clear').addEventListener('click', () => pad.clear());
$('play').addEventListener('click', playAny);
addEventListener('keydown', (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey)
    return;
  if (e.key >= '0' && e.key <= '9' && e.key.length === 1)
    playDigit(Number(e.key));
  else if (e.key === 'Escape' || e.key === 'Delete' || e.key === 'Backspace')
    pad.clear();
});

$('snippet').textContent = `import { connect } from '${location.origin}/larder.js';
const larder = await connect();
const { probabilities } = await larder.infer('${MODEL}', {
  image: { type: 'float32', dims: [1, 1, 28, 28], data },   // a Float32Array(784)
});`;

showNothing();
watchTimes();
connect().then((found) => {
  larder = found;
  $('foot').textContent = `larder ${found.version} at ${location.host}`;
  // The first run loads the model; better now than under the first stroke.
  return found.infer(MODEL, {
    image: { type: 'float32', dims: [1, 1, SIDE, SIDE], data: new Float32Array(SIDE * SIDE) },
  });
}).catch(complain);
