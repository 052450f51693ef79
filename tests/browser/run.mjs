// SPDX-License-Identifier: MIT
//
// Runs the browser tests, one file after the other, and says in TAP what happened:
//
//     node tests/browser/run.mjs [part of a file name]…
//
// Called by `make check`, which sets top_srcdir and top_builddir; by hand they default to this
// tree and its build/. CK_RUN_CASE runs only tests with that in their names. Screenshots are left in
// build/tests/browser/shots/.

import fs from 'node:fs';
import path from 'node:path';
import { run } from 'node:test';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const wanted = process.argv.slice(2);
const files = fs.readdirSync(here)
  .filter((file) => file.endsWith('.test.mjs'))
  .filter((file) => !wanted.length || wanted.some((part) => file.includes(part)))
  .sort()
  .map((file) => path.join(here, file));

const count = { passed: 0, failed: 0, skipped: 0 };
let number = 0;

function say(ok, test, note = '') {
  count[note ? 'skipped' : ok ? 'passed' : 'failed']++;
  console.log(`${ok ? 'ok' : 'not ok'} ${++number} - ${test.name}${note}`);
}

/** The reason of a failure, without the runner's own frames around it. */
function reason(error) {
  const cause = error?.cause ?? error;
  return String(cause?.stack ?? cause).split('\n')
    .filter((line) => !/node:internal/.test(line)).slice(0, 12);
}

const isFile = (test) => files.includes(test.name) || files.includes(path.resolve(test.name));

const stream = run({ files, concurrency: 1, timeout: 600000, testNamePatterns: process.env.CK_RUN_CASE });
stream.on('test:pass', (test) => {
  const why = test.skip ?? test.todo;
  if ((test.details?.type === 'suite' && why === undefined) || isFile(test))
    return;
  say(true, test, why === undefined ? '' : ` # SKIP ${why === true ? '' : why}`);
});
stream.on('test:fail', (test) => {
  if (test.details?.type === 'suite' && test.details.error?.failureType === 'subtestsFailed')
    return;
  if (isFile(test) && test.details?.error?.failureType === 'subtestsFailed')
    return;
  say(false, test);
  for (const line of reason(test.details?.error))
    console.log(`#   ${line}`);
});
stream.on('test:stdout', ({ message }) => process.stdout.write(message.replace(/^(?=.)/gm, '# ')));
stream.on('test:stderr', ({ message }) => process.stderr.write(message));
stream.on('end', () => {
  console.log(`1..${number}`);
  console.log(`# ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
  process.exitCode = count.failed ? 1 : 0;
});
stream.resume();
