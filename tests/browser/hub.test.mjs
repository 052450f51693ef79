// SPDX-License-Identifier: MIT
//
// Clients of the Hub against larderd, without a browser: the package @huggingface/hub, and the
// requests that Python's huggingface_hub makes with HF_ENDPOINT (file_download.py, hf_api.py of
// its source: HEAD with redirects off, identity encoding, ranges to resume, Link to page).

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import zlib from 'node:zlib';

import { BUILD, folder, load, startLarder } from './lib.mjs';

const skip = !fs.existsSync(path.join(BUILD, 'larderd')) && 'larderd is not built';
const hub = skip ? null : load('@huggingface/hub');
const skipHub = skip || (!folder('@huggingface/hub') && '@huggingface/hub is not installed');

/** A tokenizer-like text of 300 KB. */
const vocabulary = JSON.stringify(Object.fromEntries(
  Array.from({ length: 20000 }, (_, i) => [`token${i}`, i])));
const files = {
  'config.json': Buffer.from('{"model_type":"bert"}'),
  'tokenizer.json': Buffer.from(vocabulary),
  'noise.wasm': crypto.randomBytes(100000),
  'onnx/model.onnx': Buffer.alloc((1 << 20) + 12345, 'weights'),
  'onnx/deep/er/x.bin': Buffer.from('x'),
  'onnx-old/model.onnx': Buffer.from('old'),
  'ü ñ+%.bin': Buffer.from('unicode'),
};
const sha256 = (data) => crypto.createHash('sha256').update(data).digest('hex');

let larder;
let scratch;

before(async () => {
  if (skip)
    return;
  larder = await startLarder({ sample: false, offline: false });
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'larder-hub-'));
  for (const [name, data] of Object.entries(files)) {
    fs.mkdirSync(path.join(scratch, 'm', path.dirname(name)), { recursive: true });
    fs.writeFileSync(path.join(scratch, 'm', name), data);
  }
  for (const name of ['org/m', 'org/n', 'other/m', 'plain'])
    await larder.ctl('import', '--name', name, path.join(scratch, 'm'));
});

after(async () => {
  await larder?.stop();
  if (scratch)
    fs.rmSync(scratch, { recursive: true, force: true });
});

/** One request with exactly these headers: { status, headers, body }. */
function ask(target, { method = 'GET', headers = {} } = {}) {
  return new Promise((done, failed) => {
    const request = http.request(`${larder.url}${target}`, { method, headers }, (reply) => {
      const parts = [];
      reply.on('data', (part) => parts.push(part));
      reply.on('end', () => done({
        status: reply.statusCode, headers: reply.headers, body: Buffer.concat(parts),
      }));
    });
    request.on('error', failed);
    request.end();
  });
}

// ---- @huggingface/hub ----------------------------------------------------------------------

const about = () => ({ repo: { type: 'model', name: 'org/m' }, hubUrl: larder.url });

test('hub: modelInfo, by default of HEAD', { skip: skipHub }, async () => {
  const info = await hub.modelInfo({
    name: 'org/m', hubUrl: larder.url, additionalFields: ['sha', 'filePaths'],
  });
  assert.equal(info.name, 'org/m');
  assert.match(info.id, /^[0-9a-f]{24}$/);
  assert.match(info.sha, /^[0-9a-f]{40}$/);
  assert.equal(info.private, false);
  assert.ok(Math.abs(info.updatedAt - Date.now()) < 600000);
  assert.deepEqual([...info.filePaths].sort(), Object.keys(files).sort());
});

test('hub: modelInfo of what is not there', { skip: skipHub }, async () => {
  await assert.rejects(hub.modelInfo({ name: 'org/none', hubUrl: larder.url }),
    (error) => error.statusCode === 404);
});

test('hub: listModels, by owner and by word', { skip: skipHub }, async () => {
  const names = async (search) => {
    const found = [];
    for await (const { name } of hub.listModels({ search, hubUrl: larder.url }))
      found.push(name);
    return found;
  };
  assert.deepEqual(await names(), ['org/m', 'org/n', 'other/m', 'plain']);
  assert.deepEqual(await names({ owner: 'org' }), ['org/m', 'org/n']);
  assert.deepEqual(await names({ query: 'OTHER' }), ['other/m']);
});

test('hub: listFiles', { skip: skipHub }, async () => {
  const rows = async (more) => {
    const found = [];
    for await (const row of hub.listFiles({ ...about(), ...more }))
      found.push(row);
    return found;
  };
  const all = await rows({ recursive: true });
  assert.deepEqual(all.filter((row) => row.type === 'file').map((row) => row.path).sort(),
    Object.keys(files).sort());
  assert.deepEqual(all.filter((row) => row.type === 'directory').map((row) => row.path).sort(),
    ['onnx', 'onnx-old', 'onnx/deep', 'onnx/deep/er']);
  for (const row of all.filter(({ type }) => type === 'file')) {
    assert.equal(row.size, files[row.path].length);
    assert.equal(row.lfs.oid, sha256(files[row.path]));
  }
  const top = await rows();
  assert.deepEqual(top.map((row) => row.path).sort(),
    ['config.json', 'noise.wasm', 'onnx', 'onnx-old', 'tokenizer.json', 'ü ñ+%.bin']);
  assert.deepEqual((await rows({ path: 'onnx' })).map((row) => row.path).sort(),
    ['onnx/deep', 'onnx/model.onnx']);
});

test('hub: fileExists, downloadFile', { skip: skipHub }, async () => {
  assert.equal(await hub.fileExists({ ...about(), path: 'config.json' }), true);
  assert.equal(await hub.fileExists({ ...about(), path: 'none.json' }), false);
  for (const name of Object.keys(files)) {
    const blob = await hub.downloadFile({ ...about(), path: encodeURI(name) });
    assert.deepEqual(Buffer.from(await blob.arrayBuffer()), files[name], name);
  }
  assert.equal(await hub.downloadFile({ ...about(), path: 'none.json' }), null);
  const part = await hub.downloadFile({ ...about(), path: 'onnx/model.onnx' });
  assert.deepEqual(Buffer.from(await part.slice(1000, 2000).arrayBuffer()),
    files['onnx/model.onnx'].subarray(1000, 2000));
});

test('hub: pathsInfo', { skip: skipHub }, async () => {
  const found = await hub.pathsInfo({
    ...about(), paths: ['onnx/deep/er', 'onnx', 'config.json', 'none'], expand: true,
  });
  assert.deepEqual(found.map(({ path: name, type }) => [name, type]).sort(),
    [['config.json', 'file'], ['onnx', 'directory'], ['onnx/deep/er', 'directory']]);
  const config = found.find((row) => row.path === 'config.json');
  assert.equal(config.lfs.oid, sha256(files['config.json']));
  assert.match(config.lastCommit.id, /^[0-9a-f]{40}$/);
});

test('hub: snapshotDownload', { skip: skipHub }, async () => {
  const cacheDir = path.join(scratch, 'cache');
  // this client puts paths into URLs as they are, so a `%` cannot be in one
  await larder.ctl('import', '--name', 'org/s', path.join(scratch, 'm', 'onnx'));
  const where = await hub.snapshotDownload({
    repo: { type: 'model', name: 'org/s' }, hubUrl: larder.url, cacheDir,
  });
  assert.deepEqual(fs.readFileSync(path.join(where, 'model.onnx')), files['onnx/model.onnx']);
  assert.deepEqual(fs.readFileSync(path.join(where, 'deep/er/x.bin')), files['onnx/deep/er/x.bin']);
});

// ---- huggingface_hub's requests ----------------------------------------------------------------

test('python: hf_hub_download asks by HEAD, then GETs', { skip }, async () => {
  for (const [name, data] of Object.entries(files)) {
    const url = `/org/m/resolve/main/${encodeURIComponent(name).replaceAll('%2F', '/')}`;
    const head = await ask(url, { method: 'HEAD', headers: { 'Accept-Encoding': 'identity' } });
    assert.equal(head.status, 200);
    assert.match(head.headers['x-repo-commit'], /^[0-9a-f]{40}$/);
    assert.equal(head.headers['x-linked-etag'], `"${sha256(data)}"`);
    assert.equal(head.headers['x-linked-size'], String(data.length));
    assert.equal(head.headers.location, undefined);
    assert.equal(head.headers['content-length'], String(data.length));
    assert.equal(head.headers['x-xet-hash'], undefined);
    // the next request is for the commit, with whatever the HTTP library accepts
    const byCommit = url.replace('/main/', `/${head.headers['x-repo-commit']}/`);
    const get = await ask(byCommit, { headers: { 'Accept-Encoding': 'gzip, deflate' } });
    assert.equal(get.status, 200);
    assert.match(get.headers['cache-control'], /immutable/);
    const body = get.headers['content-encoding'] === 'gzip' ? zlib.gunzipSync(get.body) : get.body;
    assert.deepEqual(body, data);
  }
});

test('python: a download that broke off is resumed', { skip }, async () => {
  for (const name of ['onnx/model.onnx', 'tokenizer.json']) {
    // no If-Range, and encodings that nobody means: the bytes are the file's own
    const rest = await ask(`/org/m/resolve/main/${name}`, {
      headers: { Range: 'bytes=1000-', 'Accept-Encoding': 'gzip, deflate' },
    });
    assert.equal(rest.status, 206);
    assert.equal(rest.headers['content-encoding'], undefined);
    assert.equal(rest.headers['content-range'],
      `bytes 1000-${files[name].length - 1}/${files[name].length}`);
    assert.deepEqual(rest.body, files[name].subarray(1000));
  }
});

test('python: what is missing has a code', { skip }, async () => {
  const code = async (target, method) => {
    const reply = await ask(target, { method });
    assert.equal(reply.status, 404, target);
    return reply.headers['x-error-code'];
  };
  assert.equal(await code('/org/m/resolve/main/none', 'HEAD'), 'EntryNotFound');
  assert.equal(await code('/org/m/resolve/v9/config.json', 'HEAD'), 'RevisionNotFound');
  assert.equal(await code('/org/none/resolve/main/config.json', 'HEAD'), 'RepoNotFound');
  assert.equal(await code('/api/models/org/none'), 'RepoNotFound');
  assert.equal(await code('/api/models/org/none/revision/main'), 'RepoNotFound');
  assert.equal(await code('/api/models/org/m/revision/v9'), 'RevisionNotFound');
  assert.equal(await code('/api/models/org/m/tree/v9'), 'RevisionNotFound');
  assert.equal(await code('/api/models/org/m/tree/main/none'), 'EntryNotFound');
});

test('python: model_info with the metadata of files', { skip }, async () => {
  const info = JSON.parse((await ask('/api/models/org/m/revision/main?blobs=true')).body);
  assert.equal(info.id, 'org/m');
  assert.match(info.lastModified, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.equal(info.siblings.length, Object.keys(files).length);
  for (const { rfilename, size, lfs } of info.siblings) {
    const data = files[rfilename];
    const pointer = 'version https://git-lfs.github.com/spec/v1\n'
      + `oid sha256:${sha256(data)}\nsize ${data.length}\n`;
    assert.equal(size, data.length);
    assert.deepEqual(lfs, { sha256: sha256(data), size, pointerSize: pointer.length });
  }
});

/** All rows of a list, page after page, as `paginate` of utils/_pagination.py does. */
async function pages(target) {
  const found = [];
  let requests = 0;
  for (let url = `${larder.url}${target}`; url; requests++) {
    assert.ok(url.startsWith(`${larder.url}/`), url);
    const reply = await ask(url.slice(larder.url.length));
    assert.equal(reply.status, 200, reply.body.toString());
    found.push(...JSON.parse(reply.body));
    url = reply.headers.link?.match(/^<([^>]*)>; rel="next"$/)[1];
  }
  return { found, requests };
}

test('python: lists come in pages', { skip }, async () => {
  for (const query of ['recursive=true', 'recursive=false', 'recursive=1&expand=false']) {
    const whole = JSON.parse((await ask(`/api/models/org/m/tree/main?${query}`)).body);
    for (const limit of [1, 2, 3, whole.length - 1, whole.length, 500]) {
      const { found, requests } = await pages(`/api/models/org/m/tree/main?${query}&limit=${limit}`);
      assert.deepEqual(found, whole, `${query} by ${limit}`);
      assert.equal(requests, Math.ceil(whole.length / limit));
    }
  }
  const { found, requests } = await pages('/api/models?limit=2');
  assert.deepEqual(found.map(({ id }) => id), ['org/m', 'org/n', 'org/s', 'other/m', 'plain']
    .filter((id) => id !== 'org/s' || !skipHub));
  assert.equal(requests, Math.ceil(found.length / 2));
  assert.deepEqual((await pages('/api/models?author=org&limit=1&search=N')).found.map(({ id }) => id),
    ['org/n']);
});

test('python: a page that was not asked for right', { skip }, async () => {
  for (const query of ['limit=0', 'limit=x', 'limit=-1', 'limit=99999999999999999999', 'cursor=%zz',
    'limit=', 'cursor=%ff']) {
    const reply = await ask(`/api/models?${query}`);
    assert.equal(reply.status, 200, query);
    assert.ok(JSON.parse(reply.body).length > 0, query);
  }
  const odd = await ask('/api/models?limit=1&a=%3E&b=">&c=x');
  assert.equal(odd.headers.link,
    `<${larder.url}/api/models?limit=1&a=%3E&b=%22%3E&c=x&cursor=org/m>; rel="next"`);
});

// ---- content codings -------------------------------------------------------------------------

const tokenizer = '/org/m/resolve/main/tokenizer.json';

test('gzip is a representation of its own, made once', { skip }, async () => {
  const counted = async () => Number(
    (await ask('/metrics')).body.toString().match(/^larder_compressions_total (\d+)$/m)[1]);
  const plain = await ask(tokenizer);
  const before_ = await counted();
  const first = await ask('/other/m/resolve/main/tokenizer.json',
    { headers: { 'Accept-Encoding': 'gzip' } });
  const packed = await ask(tokenizer, { headers: { 'Accept-Encoding': 'br, gzip;q=0.9' } });
  assert.ok(await counted() <= before_ + 1);
  assert.equal(plain.headers['content-encoding'], undefined);
  for (const reply of [first, packed]) {
    assert.equal(reply.headers['content-encoding'], 'gzip');
    assert.equal(zlib.gunzipSync(reply.body).toString(), vocabulary);
    assert.notEqual(reply.headers.etag, plain.headers.etag);
    assert.ok(reply.body.length < plain.body.length / 2);
  }
  // RFC 9530 §3: the digest is of the representation, coding included; so is the ETag
  for (const reply of [plain, packed]) {
    const digest = crypto.createHash('sha256').update(reply.body);
    assert.equal(reply.headers['repr-digest'], `sha-256=:${digest.copy().digest('base64')}:`);
    assert.equal(reply.headers.etag, `"${digest.digest('hex')}"`);
    assert.equal(reply.headers.vary, 'Origin, Accept-Encoding');
    assert.equal(reply.headers['content-length'], String(reply.body.length));
  }
});

test('zstd too, and it is smaller', { skip }, async () => {
  const gzip = await ask(tokenizer, { headers: { 'Accept-Encoding': 'gzip' } });
  const zstd = await ask(tokenizer, { headers: { 'Accept-Encoding': 'gzip, deflate, br, zstd' } });
  assert.equal(zstd.headers['content-encoding'], 'zstd');
  assert.equal(zstd.body.readUInt32LE(0), 0xfd2fb528); // RFC 8878 §3.1.1
  assert.equal(zstd.headers.etag, `"${sha256(zstd.body)}"`);
  assert.ok(zstd.body.length < gzip.body.length);
  if (zlib.zstdDecompressSync)
    assert.equal(zlib.zstdDecompressSync(zstd.body).toString(), vocabulary);
});

test('HEAD, 304, 412 and ranges speak of the encoded one', { skip }, async () => {
  const headers = { 'Accept-Encoding': 'gzip' };
  const get = await ask(tokenizer, { headers });
  const plain = await ask(tokenizer);
  const head = await ask(tokenizer, { method: 'HEAD', headers });
  const same = ({ date, 'x-request-id': _, ...rest }) => rest;
  assert.deepEqual(same(head.headers), same(get.headers));
  const not = await ask(tokenizer, { headers: { ...headers, 'If-None-Match': get.headers.etag } });
  assert.equal(not.status, 304);
  assert.equal(not.headers.etag, get.headers.etag);
  assert.equal(not.headers.vary, 'Origin, Accept-Encoding');
  const other = await ask(tokenizer, { headers: { ...headers, 'If-None-Match': plain.headers.etag } });
  assert.equal(other.status, 200);
  const failed = await ask(tokenizer, { headers: { ...headers, 'If-Match': plain.headers.etag } });
  assert.equal(failed.status, 412);
  const part = await ask(tokenizer, {
    headers: { ...headers, Range: 'bytes=10-19', 'If-Range': get.headers.etag },
  });
  assert.equal(part.status, 206);
  assert.equal(part.headers['content-encoding'], 'gzip');
  assert.equal(part.headers['content-range'], `bytes 10-19/${get.body.length}`);
  assert.deepEqual(part.body, get.body.subarray(10, 20));
  // Content-Encoding would speak of the multipart body: the whole instead
  const parts = await ask(tokenizer, {
    headers: { ...headers, Range: 'bytes=0-1,500-501', 'If-Range': get.headers.etag },
  });
  assert.equal(parts.status, 200);
  assert.deepEqual(parts.body, get.body);
  const own = await ask(tokenizer, { headers: { ...headers, Range: 'bytes=0-9' } });
  assert.equal(own.headers['content-encoding'], undefined);
  assert.equal(own.body.toString(), vocabulary.slice(0, 10));
});

test('what is small, does not shrink or is a weight is not encoded', { skip }, async () => {
  const headers = { 'Accept-Encoding': 'zstd, gzip' };
  for (const [name, varies] of [['config.json', false], ['onnx/model.onnx', false], ['noise.wasm', true]]) {
    for (let i = 0; i < 2; i++) {
      const reply = await ask(`/org/m/resolve/main/${name}`, { headers });
      assert.equal(reply.headers['content-encoding'], undefined, name);
      assert.equal(reply.headers.etag, `"${sha256(files[name])}"`);
      assert.equal(reply.headers.vary, varies ? 'Origin, Accept-Encoding' : 'Origin');
      assert.deepEqual(reply.body, files[name]);
    }
  }
});

test('many who ask at once, for both codings', { skip }, async () => {
  fs.writeFileSync(path.join(scratch, 'm/late.json'), vocabulary.replaceAll('token', 'word'));
  await larder.ctl('import', '--name', 'org/late', path.join(scratch, 'm'));
  const replies = await Promise.all(Array.from({ length: 24 }, (_, i) => ask(
    '/org/late/resolve/main/late.json', { headers: { 'Accept-Encoding': ['gzip', 'zstd'][i % 2] } })));
  for (const reply of replies) {
    assert.equal(reply.status, 200);
    assert.equal(reply.headers.etag, `"${sha256(reply.body)}"`);
  }
});
