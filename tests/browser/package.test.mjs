// SPDX-License-Identifier: MIT
//
// What is packed for npm, and the types, checked by the TypeScript compiler.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { folder, SOURCE } from './lib.mjs';

const run = promisify(execFile);
const TSC = folder('typescript');

test('tsc accepts the uses in types.mts, and refuses those that are marked', {
  skip: (!TSC && 'typescript is not installed') || (!folder('onnxruntime-web') && 'onnxruntime-web is not installed'),
}, async () => {
  const flags = ['--noEmit', '--strict', '--target', 'esnext', '--module', 'nodenext', '--lib', 'esnext,dom,dom.iterable',
    '--skipLibCheck'];
  const { stdout } = await run(process.execPath, [path.join(TSC, 'bin/tsc'), ...flags,
    path.join(SOURCE, 'tests/browser/types.mts')], { cwd: path.join(SOURCE, 'tests') }).catch((e) => e);
  assert.equal(stdout, '');
});

test('npm pack: the files, the version of the daemon, and a module that can be imported', async (t) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'larder-pack-'));
  try {
    const packed = await run('npm', ['pack', '--json', '--offline', '--ignore-scripts', '--pack-destination', dir,
      path.join(SOURCE, 'www')], { cwd: dir, env: { ...process.env, npm_config_cache: path.join(dir, 'cache') } })
      .catch((error) => error);
    if (packed.code === 'ENOENT')
      return t.skip('npm is not installed');
    const parsed = JSON.parse(packed.stdout), about = parsed[0] ?? Object.values(parsed)[0];
    assert.deepEqual(about.files.map((f) => f.path).sort(),
      ['README.md', 'larder-more.js', 'larder.d.ts', 'larder.js', 'package.json']);
    const [, version] = /AC_INIT\(\[larder\], *\[([^\]]+)\]/.exec(
      fs.readFileSync(path.join(SOURCE, 'configure.ac'), 'utf8'));
    assert.equal(about.version, version);
    await run('tar', ['-xzf', path.join(dir, about.filename), '-C', dir]);
    const { connect, LarderUnavailable } = await import(path.join(dir, 'package/larder.js'));
    await assert.rejects(connect({ url: 'http://127.0.0.1:9' }), LarderUnavailable);
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
});
