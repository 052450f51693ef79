// SPDX-License-Identifier: MIT
//
// Strokes to the picture that the model reads. The same arithmetic as frame() and rasterise() in
// www/sample/strokes.py, which drew what the model learned from: change both or neither.
// A stroke is an array of points [x, y] (y down), in any unit.

export const SIDE = 28;
const FIT = 20; // pixels of the drawing's longer side, between pen centres
const PEN_RADIUS = 1.25; // pixels, half the width of the line

/** Scales the strokes so that the longer side is FIT pixels and centres them in the picture. */
export function frame(strokes) {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const stroke of strokes) {
    for (const [x, y] of stroke) {
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
  }
  const scale = FIT / Math.max(right - left, bottom - top, 1e-3);
  const dx = SIDE / 2 - (left + right) / 2 * scale;
  const dy = SIDE / 2 - (top + bottom) / 2 * scale;
  return strokes.map((stroke) => stroke.map(([x, y]) => [x * scale + dx, y * scale + dy]));
}

/** Framed strokes -> Float32Array(784), rows from the top: how much of each pixel the pen covers. */
export function rasterise(strokes) {
  const nearest2 = new Float32Array(SIDE * SIDE).fill(Infinity);
  const reach = PEN_RADIUS + 1;
  const clamp = (v) => Math.max(0, Math.min(SIDE - 1, v));
  for (const stroke of strokes) {
    for (let i = 0; i < stroke.length; i++) {
      const [ax, ay] = stroke[Math.max(0, i - 1)]; // a tap is a line of no length
      const [bx, by] = stroke[i];
      const [dx, dy] = [bx - ax, by - ay];
      const length2 = Math.max(dx * dx + dy * dy, 1e-9);
      const x1 = clamp(Math.ceil(Math.max(ax, bx) + reach));
      const y1 = clamp(Math.ceil(Math.max(ay, by) + reach));
      for (let y = clamp(Math.floor(Math.min(ay, by) - reach)); y <= y1; y++) {
        for (let x = clamp(Math.floor(Math.min(ax, bx) - reach)); x <= x1; x++) {
          const [px, py] = [x + 0.5 - ax, y + 0.5 - ay]; // the pixel's centre, seen from a
          const t = Math.max(0, Math.min(1, (px * dx + py * dy) / length2));
          const distance2 = (px - t * dx) ** 2 + (py - t * dy) ** 2;
          const at = y * SIDE + x;
          if (distance2 < nearest2[at])
            nearest2[at] = distance2;
        }
      }
    }
  }
  return nearest2.map((d) => Math.max(0, Math.min(1, PEN_RADIUS + 0.5 - Math.sqrt(d))));
}
