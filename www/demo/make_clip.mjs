// SPDX-License-Identifier: MIT
//
// Makes clip.webm, what the camera page shows where no camera is: the sample model's strokes written
// on paper, one digit after the other. Needs tests/node_modules and chromium:
//
//     node www/demo/make_clip.mjs

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { load, startBrowser } from '../../tests/browser/lib.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const { cases } = JSON.parse(fs.readFileSync(path.join(here, '../sample/reference.json'), 'utf8'));
if (!load('playwright-core'))
  throw new Error('playwright-core is not installed');
const browser = await startBrowser();
const page = await browser.newPage();
const base64 = await page.evaluate(async (drawings) => {
  const side = 224, canvas = Object.assign(document.createElement('canvas'), { width: side, height: side });
  const pen = canvas.getContext('2d');
  const recorder = new MediaRecorder(canvas.captureStream(15), { mimeType: 'video/webm;codecs=vp8', videoBitsPerSecond: 120000 });
  const parts = [];
  recorder.ondataavailable = (e) => parts.push(e.data);
  const stopped = new Promise((done) => { recorder.onstop = done; });
  const draw = (strokes, part) => {
    pen.fillStyle = '#f4eee2';
    pen.fillRect(0, 0, side, side);
    Object.assign(pen, { lineWidth: 15, lineCap: 'round', lineJoin: 'round', strokeStyle: '#1d2340' });
    const all = strokes.flat(), box = (k, f) => f(...all.map((p) => p[k]));
    const [x0, x1, y0, y1] = [box(0, Math.min), box(0, Math.max), box(1, Math.min), box(1, Math.max)];
    const scale = side * 0.6 / Math.max(x1 - x0, y1 - y0, 1e-6);
    let left = Math.ceil(all.length * part);
    for (const stroke of strokes) {
      pen.beginPath();
      stroke.slice(0, left).forEach(([x, y], i) => pen[i ? 'lineTo' : 'moveTo'](
        side / 2 + (x - (x0 + x1) / 2) * scale, side / 2 + (y - (y0 + y1) / 2) * scale));
      pen.stroke();
      left = Math.max(0, left - stroke.length);
    }
  };
  draw(drawings[0], 0);
  recorder.start();
  for (const strokes of drawings) {
    for (let i = 0; i <= 24; i++) {
      draw(strokes, Math.min(1, i / 9));
      await new Promise((go) => { setTimeout(go, 1000 / 15); });
    }
  }
  recorder.stop();
  await stopped;
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
  return btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(''));
}, cases.map((c) => c.strokes));
await browser.close();
fs.writeFileSync(path.join(here, 'clip.webm'), Buffer.from(base64, 'base64'));
