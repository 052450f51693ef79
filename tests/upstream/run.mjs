// SPDX-License-Identifier: MIT
//
// Upstreams, as TAP: node tests/upstream/run.mjs [part of a case's name]…
// KILL_ROUNDS=30 and MAX_RATE=10000000 are for figures by hand.
// top_builddir says where larderd and larderctl are; by hand they are looked for in build/.

import { cases as bad } from './bad.mjs';
import { cases as care } from './care.mjs';
import { cases as delta } from './delta.mjs';
import { cases as good } from './good.mjs';
import { cases as jobs } from './jobs.mjs';
import { cases as manifest } from './manifest.mjs';
import { cases as tls } from './tls.mjs';

const wanted = process.argv.slice(2);
const all = [...good, ...jobs, ...manifest, ...care, ...delta, ...bad, ...tls].filter(([name]) => !wanted.length || wanted.some((w) => name.includes(w)));
let n = 0, failed = 0;

console.log(`1..${all.length}`);
for (const [name, run] of all) {
  const clean = [];
  const timer = setTimeout(() => {
    console.log(`Bail out! ${name} takes for ever`);
    process.exit(99);
  }, 180000);
  try {
    await run((fn) => clean.push(fn));
    console.log(`ok ${++n} - ${name}`);
  } catch (e) {
    failed++;
    console.log(`not ok ${++n} - ${name}`);
    for (const line of String(e.stack ?? e).split('\n').filter((l) => !l.includes('node:internal')).slice(0, 12)) console.log(`# ${line}`);
  }
  clearTimeout(timer);
  for (const fn of clean.reverse()) await fn();
}
process.exit(failed ? 1 : 0);
