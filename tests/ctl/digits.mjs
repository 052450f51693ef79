// SPDX-License-Identifier: MIT
// digits.mjs REFERENCE DIR LARDERCTL ARG…: runs every stored case of the sample model through
// `larderctl infer` and compares with the probabilities stored there. Called by check_ctl.sh.
import fs from 'node:fs';
import { execFileSync } from 'node:child_process';

const [reference, dir, ctl, ...args] = process.argv.slice(2);
const { cases, tolerance } = JSON.parse(fs.readFileSync(reference, 'utf8'));
const header = Buffer.alloc(128, ' ');
header.write('\x93NUMPY\x01\x00\x76\x00', 'latin1');
header.write("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 28, 28), }", 10, 'latin1');
header[127] = 10;

let worst = 0;
for (const c of cases) {
  const image = Buffer.from(Float32Array.from(c.image).buffer);
  fs.writeFileSync(`${dir}/digit.npy`, Buffer.concat([header, image]));
  execFileSync(ctl, [...args, 'infer', 'digits', '--input', `image=${dir}/digit.npy`, '--output', dir]);
  const file = fs.readFileSync(`${dir}/probabilities.npy`);
  const got = new Float32Array(file.buffer.slice(file.byteOffset + 128, file.byteOffset + 168));
  c.probabilities.forEach((p, i) => { worst = Math.max(worst, Math.abs(p - got[i])); });
}
console.log(`${cases.length} cases, largest difference ${worst}`);
process.exit(cases.length > 0 && worst <= tolerance ? 0 : 1);
