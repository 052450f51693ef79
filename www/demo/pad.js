// SPDX-License-Identifier: MIT
//
// A sheet to draw on: a canvas that turns pointer events into strokes (in units of its width) and
// shows them as ink. It knows nothing of models. Dispatches 'change' whenever the drawing changed.

const STEP = 0.006; // nearer points than this are left out

export class Pad extends EventTarget {
  #canvas;
  #context;
  #current = null; // the stroke of the pointer that is down
  #pointer = null;
  #playing = null; // AbortController of play()
  strokes = [];

  constructor(canvas) {
    super();
    this.#canvas = canvas;
    this.#context = canvas.getContext('2d');
    canvas.addEventListener('pointerdown', (e) => this.#down(e));
    canvas.addEventListener('pointermove', (e) => this.#move(e));
    for (const type of ['pointerup', 'pointercancel', 'lostpointercapture'])
      canvas.addEventListener(type, (e) => this.#up(e));
    new ResizeObserver(() => this.#resize()).observe(canvas);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#paint());
  }

  clear() {
    this.#playing?.abort();
    this.#current = null;
    this.strokes = [];
    this.#changed();
  }

  /** Draws the strokes (0..1 boxes) by itself, at the pace of a hand. */
  async play(shape) {
    this.clear();
    const { signal } = this.#playing = new AbortController();
    const strokes = place(shape);
    const points = strokes.reduce((n, s) => n + s.length, 0);
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const pace = calm ? Infinity : points / 850; // points per millisecond: under a second in all
    for (const stroke of strokes) {
      this.strokes.push([]);
      const began = performance.now();
      for (let done = 0; done < stroke.length;) {
        const now = await new Promise(requestAnimationFrame);
        if (signal.aborted)
          return false;
        const until = Math.min(stroke.length, Math.ceil((now - began + 16) * pace));
        if (until <= done)
          continue;
        this.strokes.at(-1).push(...stroke.slice(done, until));
        done = until;
        this.#changed();
      }
      if (!calm)
        await new Promise((go) => setTimeout(go, 90)); // the pen is lifted
      if (signal.aborted)
        return false;
    }
    return true;
  }

  #at(e) {
    const box = this.#canvas.getBoundingClientRect();
    return [(e.clientX - box.left) / box.width, (e.clientY - box.top) / box.width];
  }

  #down(e) {
    if (this.#pointer !== null || e.button !== 0)
      return;
    if (this.#playing && !this.#playing.signal.aborted) {
      this.#playing.abort();
      this.#playing = null;
    }
    e.preventDefault();
    this.#canvas.setPointerCapture(e.pointerId);
    this.#pointer = e.pointerId;
    this.#current = [this.#at(e)];
    this.strokes.push(this.#current);
    this.#changed();
  }

  #move(e) {
    if (e.pointerId !== this.#pointer || !this.#current)
      return;
    const events = e.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [e]) {
      const [x, y] = this.#at(one);
      const [lastX, lastY] = this.#current.at(-1);
      if (Math.hypot(x - lastX, y - lastY) >= STEP)
        this.#current.push([x, y]);
    }
    this.#changed();
  }

  #up(e) {
    if (e.pointerId !== this.#pointer)
      return;
    this.#pointer = null;
    this.#current = null;
    this.dispatchEvent(new Event('lift'));
  }

  #changed() {
    this.#paint();
    this.dispatchEvent(new Event('change'));
  }

  #resize() {
    const dots = Math.min(3, devicePixelRatio || 1);
    this.#canvas.width = Math.round(this.#canvas.clientWidth * dots);
    this.#canvas.height = Math.round(this.#canvas.clientHeight * dots);
    this.#paint();
  }

  /** Smooth ink: curves through the midpoints of the points. */
  #paint() {
    const c = this.#context;
    const width = this.#canvas.width;
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.clearRect(0, 0, width, this.#canvas.height);
    c.scale(width, width);
    c.strokeStyle = c.fillStyle = getComputedStyle(this.#canvas).getPropertyValue('--pen') || '#000';
    c.lineWidth = 0.052;
    c.lineCap = c.lineJoin = 'round';
    for (const stroke of this.strokes) {
      if (!stroke.length)
        continue;
      c.beginPath();
      c.moveTo(...stroke[0]);
      for (let i = 1; i < stroke.length - 1; i++) {
        const [x, y] = stroke[i];
        const [nextX, nextY] = stroke[i + 1];
        c.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
      }
      c.lineTo(...stroke.at(-1));
      c.stroke();
    }
  }
}

/** Puts a shape in the middle of the sheet, as a smooth curve of points a pen's step apart. */
function place(shape) {
  const all = shape.flat();
  const xs = all.map((p) => p[0]);
  const ys = all.map((p) => p[1]);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const scale = 0.58 / Math.max(right - left, bottom - top);
  const put = ([x, y]) => [0.5 + (x - (left + right) / 2) * scale, 0.5 + (y - (top + bottom) / 2) * scale];
  return shape.map((stroke) => {
    const p = stroke.map(put);
    const out = [p[0]];
    for (let i = 0; i + 1 < p.length; i++) { // a Catmull-Rom curve from p[i] to p[i + 1]
      const [before, from, to, after] = [p[Math.max(0, i - 1)], p[i], p[i + 1], p[Math.min(p.length - 1, i + 2)]];
      const parts = Math.max(1, Math.round(Math.hypot(to[0] - from[0], to[1] - from[1]) / 0.01));
      for (let k = 1; k <= parts; k++) {
        const t = k / parts;
        out.push([0, 1].map((c) => from[c] + 0.5 * t * (to[c] - before[c]
          + t * (2 * before[c] - 5 * from[c] + 4 * to[c] - after[c]
            + t * (3 * (from[c] - to[c]) + after[c] - before[c])))));
      }
    }
    return out;
  });
}
