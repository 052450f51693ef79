// SPDX-License-Identifier: MIT
// manifest.mjs — what a kiosk should hold, as a file: applied, signed, pruned, applied again.

import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { content, Hub, sha256 } from './hub.mjs';
import { Larder, sleep, until } from './lib.mjs';

const A = 'a'.repeat(40), B = 'b'.repeat(40);
const { publicKey, privateKey } = generateKeyPairSync('ed25519');

const big = content(91, 2_000_000);
const files = { 'config.json': Buffer.from('{"v":1}'), 'model.onnx': big, 'other.bin': content(92, 1_500_000) };

// a hub with org/m and org/n, a larder, and a manifest of org/m in a file
async function kiosk(defer, global = {}, models = [{ model: 'org/m', files: ['*.json', 'model.onnx'], pin: true }], more = {}) {
  const hub = new Hub();
  await hub.start();
  defer(() => hub.stop());
  const larder = new Larder(hub, { revalidate: 'never' }, global);
  defer(() => larder.done());
  larder.key = path.join(larder.dir, 'key.pem');
  fs.writeFileSync(larder.key, publicKey.export({ type: 'spki', format: 'pem' }));
  if (global.manifest_key) larder.global.manifest_key = larder.key;
  hub.put('org/m', A, files);
  hub.put('org/n', A, { 'config.json': Buffer.from('{"n":1}') });
  await larder.start();
  const file = path.join(larder.dir, 'kiosk.json');
  const write = (v) => { fs.writeFileSync(file, JSON.stringify(v)); fs.rmSync(`${file}.sig`, { force: true }); };
  write({ larder_manifest: 1, name: 'kiosk', models, ...more });
  return { hub, larder, file, write };
}

const names = async (larder) => (await larder.admin('GET', '/admin/v1/models')).json.models.map((m) => m.id).sort();

export const cases = [
  ['manifest: applied, and applied again without a byte', async (defer) => {
    const { hub, larder, file } = await kiosk(defer);
    let r = await larder.ctl('warm', '--manifest', file);
    assert.equal(r.code, 0, r.err);
    assert.equal(await larder.files('org/m'), 2);
    assert.equal((await larder.admin('GET', '/admin/v1/models')).json.models[0].pinned, true);
    const bytes = hub.bytes;
    r = await larder.ctl('warm', '--manifest', file);
    assert.equal(r.code, 0, r.err);
    assert.equal(hub.bytes, bytes);
    assert.equal(await larder.files('org/m'), 2);
    r = await larder.ctl('manifests');
    assert.match(r.out, /^kiosk {2}1 models {2}applied 20\d\d-/);
    assert.equal((await larder.ctl('manifests', 'rm', 'kiosk')).code, 0);
    assert.equal((await larder.ctl('manifests', 'rm', 'kiosk')).code, 1);
    assert.equal((await larder.ctl('manifests')).out, '');
    assert.equal((await larder.ctl('manifests', 'x')).code, 2);
  }],

  ['manifest: --prune drops the rest', async (defer) => {
    const { hub, larder, file, write } = await kiosk(defer);
    await larder.jobOver(await larder.warm([{ model: 'org/m' }, { model: 'org/n' }]));
    const own = path.join(larder.dir, 'own.bin');
    fs.writeFileSync(own, 'own');
    await larder.ctl('import', '--name', 'own', own);
    assert.equal(await larder.files('org/m'), 3);
    let r = await larder.ctl('warm', '--manifest', file);
    assert.equal(r.code, 0, r.err);
    assert.deepEqual(await names(larder), ['org/m', 'org/n', 'own']);
    r = await larder.ctl('warm', '--manifest', file, '--prune');
    assert.equal(r.code, 0, r.err);
    assert.deepEqual(await names(larder), ['org/m']);
    assert.equal(await larder.files('org/m'), 2);
    // what another manifest names stays
    write({ name: 'second', models: [{ model: 'org/n', pin: false }] });
    assert.equal((await larder.ctl('warm', '--manifest', file, '--prune')).code, 0);
    assert.deepEqual(await names(larder), ['org/m', 'org/n']);
    // nothing is dropped when something could not be fetched
    write({ name: 'second', models: [{ model: 'org/none' }] });
    hub.put('org/n', A, {});
    assert.equal((await larder.ctl('warm', '--manifest', file, '--prune')).code, 1);
    assert.deepEqual(await names(larder), ['org/m', 'org/n']);
  }],

  ['manifest: digests are held to', async (defer) => {
    const right = { 'config.json': sha256(files['config.json']), 'model.onnx': sha256(big) };
    const { hub, larder, file, write } = await kiosk(defer, {}, [{ model: 'org/m', digests: { ...right, 'model.onnx': 'f'.repeat(64) } }]);
    let r = await larder.ctl('warm', '--manifest', file);
    assert.equal(r.code, 1);
    assert.match(r.err, /upstream hub: org\/m: model\.onnx: it has SHA-256 [0-9a-f]{64}, the manifest says f{64}/);
    assert.equal((await larder.stored()).files, 0);
    write({ name: 'kiosk', models: [{ model: 'org/m', digests: right }] });
    r = await larder.ctl('warm', '--manifest', file);
    assert.equal(r.code, 0, r.err);
    assert.equal(await larder.files('org/m'), 2);
    // with digests, nobody need be asked for what is here
    const asked = hub.requests.length;
    assert.equal((await larder.ctl('warm', '--manifest', file)).code, 0);
    assert.equal(hub.requests.length, asked);
  }],

  ['manifest: require_signature', async (defer) => {
    const { larder, file, write } = await kiosk(defer, { require_signature: 'yes', manifest_key: 'x' });
    let r = await larder.ctl('warm', '--manifest', file);
    assert.equal(r.code, 1);
    assert.match(r.err, /not signed/);
    const text = fs.readFileSync(file);
    fs.writeFileSync(`${file}.sig`, sign(null, text, privateKey)); // as openssl pkeyutl -sign -rawin does
    r = await larder.ctl('warm', '--manifest', file);
    assert.equal(r.code, 0, r.err);
    const base64 = path.join(larder.dir, 'elsewhere');
    fs.writeFileSync(base64, sign(null, text, privateKey).toString('base64') + '\n');
    fs.rmSync(`${file}.sig`);
    assert.equal((await larder.ctl('warm', '--manifest', file, '--signature', base64)).code, 0);
    assert.match((await larder.ctl('manifests')).out, /signed/);
    // one byte more, another key, no base64, too short
    write({ name: 'kiosk', models: [{ model: 'org/n' }] });
    for (const bad of [sign(null, text, privateKey), sign(null, fs.readFileSync(file), generateKeyPairSync('ed25519').privateKey), Buffer.from('!'.repeat(88)), Buffer.alloc(63, 'A')]) {
      fs.writeFileSync(`${file}.sig`, bad);
      r = await larder.ctl('warm', '--manifest', file);
      assert.equal(r.code, 1);
      assert.match(r.err, /signature/);
    }
    assert.deepEqual(await names(larder), ['org/m']);
  }],

  ['manifest: require_signature without a key, and a key that is none', async (defer) => {
    const { larder } = await kiosk(defer);
    await larder.stop();
    larder.global = { require_signature: 'yes' };
    await assert.rejects(larder.startOnce(), /require_signature needs a manifest_key/);
    larder.global = { manifest_key: path.join(larder.dir, 'kiosk.json') };
    await assert.rejects(larder.startOnce(), /no Ed25519 public key/);
  }],

  ['manifest: applied again by itself, over restarts too', async (defer) => {
    const { hub, larder, file } = await kiosk(defer, { manifest_interval: '2s' });
    assert.equal((await larder.ctl('warm', '--manifest', file)).code, 0);
    hub.put('org/m', B, { ...files, 'config.json': Buffer.from('{"v":2}') });
    const now = async () => (await larder.get('/org/m/resolve/main/config.json')).body.toString();
    await until('the new version is here', async () => (await now()) === '{"v":2}');
    await larder.stop('SIGKILL');
    hub.put('org/m', 'c'.repeat(40), { ...files, 'config.json': Buffer.from('{"v":3}') });
    await larder.start();
    await until('the next version is here', async () => (await now()) === '{"v":3}');
    assert.equal((await larder.ctl('manifests', 'rm', 'kiosk')).code, 0);
    await sleep(300);
    const asked = hub.requests.length;
    await sleep(3500);
    assert.equal(hub.requests.length, asked);
  }],

  ['manifest: what makes no sense', async (defer) => {
    const { larder, file } = await kiosk(defer);
    for (const [text, say] of [
      ['{', /manifest, line 1/], ['{}', /models/], ['{"models":[],"extra":1}', /unknown key 'extra'/],
      ['{"models":[]}', /1 to 1000/], ['{"models":[{"model":"../x"}]}', /model:/],
      ['{"larder_manifest":2,"models":[{"model":"a"}]}', /larder_manifest/],
      ['{"name":"../x","models":[{"model":"a"}]}', /name/],
      ['{"models":[{"model":"a","digests":{"../x":"00"}}]}', /digests/],
      ['{"models":[{"model":"a","digests":{"x":"00"}}]}', /64 hex digits/],
      ['{"models":[1]}', /object/], ['{"models":[{"model":"a"},{"model":"a","url":"x"}]}', /unknown key/],
      ['x'.repeat(300_000), /too large/],
    ]) {
      fs.writeFileSync(file, text);
      const r = await larder.ctl('warm', '--manifest', file);
      assert.equal(r.code, 1, text.slice(0, 60));
      assert.match(r.err, say);
    }
    assert.deepEqual((await larder.admin('GET', '/admin/v1/manifests')).json.manifests, []);
    assert.equal((await larder.ctl('warm', 'org/m', '--prune')).code, 2);
    assert.equal((await larder.admin('POST', '/admin/v1/manifests', { manifest: 1 })).status, 400);
  }],
];
